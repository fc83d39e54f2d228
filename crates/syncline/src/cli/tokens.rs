//! `syncline tokens`: who may ask the daemon over HTTP.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::{Value as Json, json};
use syncline_adapters::hub::{calls::Calls, sqlite::SqliteHub};
use syncline_core::name::Timestamp;

use crate::{
    cli::{Context, run},
    config::{self, Loaded},
    deeds::Deed,
    report::{Answer, Failure},
    session::{Reach, Session, Use},
    tokens::{self, Role, Token},
    words::{self, Table},
};

/// Flags of `tokens`.
#[derive(Debug, Args)]
pub(crate) struct Tokens {
    #[command(subcommand)]
    pub(crate) command: Option<Action>,
}

/// What to do with tokens.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Action {
    /// Those that there are.
    List,
    /// Make one; it is shown once.
    New {
        /// Its name, which stands on the books.
        name: String,
        /// What it may do.
        #[arg(long, value_name = "ROLE")]
        role: Role,
        /// Only for this entity; may be repeated.
        #[arg(long, value_name = "ENTITY")]
        entity: Vec<String>,
        /// How long it holds: `90d`.
        #[arg(long, value_name = "DURATION")]
        expires: Option<String>,
    },
    /// It holds no longer.
    Revoke {
        /// Its name.
        name: String,
    },
}

impl Tokens {
    /// Does it.
    pub(crate) async fn run(self, context: &Context) -> Result<Answer, Failure> {
        match self.command.unwrap_or(Action::List) {
            Action::List => list(context),
            Action::New { name, role, entity, expires } => {
                new(context, &name, role, entity, expires.as_deref()).await
            }
            Action::Revoke { name } => revoke(context, &name).await,
        }
    }
}

/// All for programs, with when each was used last.
pub(crate) fn all(loaded: &Loaded) -> Result<Vec<Json>, Failure> {
    let used = used(loaded)?;
    let tokens = tokens::read(&tokens::path(loaded)?)?;
    Ok(tokens.iter().map(|token| token.json(used.get(&token.name).copied())).collect())
}

fn used(loaded: &Loaded) -> Result<BTreeMap<String, Timestamp>, Failure> {
    Ok(Calls::used(&loaded.hub_path())?.into_iter().collect())
}

fn list(context: &Context) -> Result<Answer, Failure> {
    let loaded = config::load(context)?;
    let (found, used, now) =
        (tokens::read(&tokens::path(&loaded)?)?, used(&loaded)?, Session::now());
    let mut table = Table::new(&["NAME", "ROLE", "ENTITIES", "EXPIRES", "LAST USED"]);
    for token in &found {
        let expires = match token.expires {
            Some(at) if token.holds(now) => words::moment(now, at),
            Some(_) => "expired".to_owned(),
            None => "-".to_owned(),
        };
        let last = used.get(&token.name);
        table.row([
            token.name.clone(),
            token.role.word().to_owned(),
            token.entities.as_ref().map_or_else(|| "all".to_owned(), |names| names.join(", ")),
            expires,
            last.map_or_else(|| "-".to_owned(), |at| format!("{} ago", words::age(now, *at))),
        ]);
    }
    let summary = match found.len() {
        0 => "there is no token: syncline tokens new NAME --role ROLE".to_owned(),
        many => words::counted(many as u64, "token"),
    };
    let text = if table.is_empty() { summary.clone() } else { table.text() };
    let rows = json!(all(&loaded)?);
    Ok(Answer::new(summary).with_text(text).with_plain(table.plain()).with_result(rows))
}

async fn new(
    context: &Context,
    name: &str,
    role: Role,
    entities: Vec<String>,
    expires: Option<&str>,
) -> Result<Answer, Failure> {
    let loaded = config::load(context)?;
    let path = tokens::path(&loaded)?;
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || "-_.@".contains(letter);
    if name.is_empty() || name.len() > 64 || !name.chars().all(is_name) {
        return Err(Failure::new("usage.value", format!("`{name}` is no name of a token"))
            .cause("it stands on the books")
            .done("nothing was changed")
            .fix("use letters, digits, and - _ . @; at most 64"));
    }
    for entity in &entities {
        if !loaded.draft.entities.iter().any(|known| known.name == *entity) {
            return Err(Failure::new(
                "usage.unknown_entity",
                format!("there is no entity `{entity}`"),
            )
            .fix("syncline config show lists them"));
        }
    }
    let span = expires.map(|text| words::parse_span(text).ok_or_else(|| run::bad_time(text)));
    let until = span.transpose()?.map(|span| Session::now().plus_ms(span));
    let mut known = tokens::read(&path)?;
    if known.iter().any(|token| token.name == name) {
        return Err(Failure::new("usage.value", format!("there is a token `{name}` already"))
            .done("nothing was changed")
            .fix(format!("take another name, or first: syncline tokens revoke {name}")));
    }
    on_the_books(context, &loaded).await?;
    let entities = Some(entities).filter(|entities| !entities.is_empty());
    let (secret, token) = Token::new(name, role, entities, until, &context.who)?;
    let mut result = token.json(None);
    known.push(token);
    tokens::write(&path, &known)?;
    if let Some(result) = result.as_object_mut() {
        result.insert("token".to_owned(), json!(secret));
    }
    Ok(Answer::new(format!("token {name} is made; it is shown once"))
        .with_text(format!("{secret}  (shown once; stored as a hash)"))
        .with_result(result))
}

async fn revoke(context: &Context, name: &str) -> Result<Answer, Failure> {
    let loaded = config::load(context)?;
    let path = tokens::path(&loaded)?;
    let mut known = tokens::read(&path)?;
    let before = known.len();
    known.retain(|token| token.name != name);
    if known.len() == before {
        return Err(Failure::new("usage.unknown_token", format!("there is no token `{name}`"))
            .done("nothing was changed")
            .fix("syncline tokens list"));
    }
    on_the_books(context, &loaded).await?;
    tokens::write(&path, &known)?;
    Ok(Answer::new(format!("token {name} holds no longer")).with_result(json!({ "revoked": name })))
}

/// Before the first run there are no books yet.
/// The first token, of an admin, where `serve` asks for one and there is none. Gives what is shown once.
///
/// # Errors
/// Those of the hub, on whose books it goes, and of the file of tokens.
pub(crate) async fn first(context: &Context, loaded: &Loaded) -> Result<String, Failure> {
    let deed = Deed {
        what: "tokens.new".into(),
        target: FIRST.into(),
        words: vec!["by serve".to_owned()],
    };
    let context = Context { deed: Some(deed), ..context.clone() };
    on_the_books(&context, loaded).await?;
    let (secret, token) = Token::new(FIRST, Role::Admin, None, None, &context.who)?;
    tokens::write(&tokens::path(loaded)?, &[token])?;
    Ok(secret)
}

/// What the first token is called.
pub(crate) const FIRST: &str = "first";

async fn on_the_books(context: &Context, loaded: &Loaded) -> Result<(), Failure> {
    let path = loaded.hub_path();
    if path.exists() || SqliteHub::holder(&path).is_some() {
        Session::open(context, Use::Write, Reach::Hub).await?;
    }
    Ok(())
}
