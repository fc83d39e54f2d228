//! `syncline hooks`: what systems have sent, once more, and one to try.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;
use serde_json::{Value as Json, json};
use syncline_adapters::{
    hub::inbox::{self, Delivery, Fate, Look},
    settings::hook::{Part, Style},
    webhook::{self, Own},
};

use crate::{
    cli::Context,
    config::{self, Loaded},
    exit::Exit,
    report::{Answer, Failure},
    serve::door::TEST,
    session::Session,
    words::{self, Table},
};

/// Flags of `hooks`.
#[derive(Debug, Args)]
pub(crate) struct Hooks {
    #[command(subcommand)]
    pub(crate) command: Option<Action>,
}

/// What to do with what systems have sent.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Action {
    /// What was sent last, newest first.
    List {
        /// Only by this system.
        system: Option<String>,
        /// So many at most.
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: usize,
    },
    /// Deal with one as if it had just come.
    Replay {
        /// Its number.
        id: i64,
    },
    /// Send one as the system would, signed with its secret.
    Send {
        /// The system.
        system: String,
        /// It is put on record, and nothing is read.
        #[arg(long)]
        test: bool,
        /// The kind of event.
        #[arg(long, value_name = "TOPIC")]
        topic: Option<String>,
        /// The body; `-` for standard input.
        #[arg(long, value_name = "FILE", required_unless_present = "test")]
        body: Option<PathBuf>,
    },
}

impl Hooks {
    /// Does it.
    pub(crate) async fn run(self, context: &Context) -> Result<Answer, Failure> {
        let loaded = config::load(context)?;
        match self.command.unwrap_or(Action::List { system: None, limit: 50 }) {
            Action::List { system, limit } => list(&loaded, system.as_deref(), limit),
            Action::Replay { id } => replay(&loaded, id).await,
            Action::Send { system, test, topic, body } => {
                send(&loaded, &system, test, topic.as_deref(), body).await
            }
        }
    }
}

fn list(loaded: &Loaded, system: Option<&str>, limit: usize) -> Result<Answer, Failure> {
    if let Some(name) = system {
        known(loaded, name)?;
    }
    let all = Look::at(&loaded.hub_path()).list(system, limit)?;
    let now = Session::now();
    let mut table = Table::new(&["ID>", "TIME", "SYSTEM", "TOPIC", "OUTCOME", "NOTE"]);
    let mut rows = Vec::with_capacity(all.len());
    for one in &all {
        table.row([
            one.seq.to_string(),
            words::moment(now, one.at),
            one.system.clone(),
            one.topic.clone().unwrap_or_else(|| "-".into()),
            one.fate.word().to_owned(),
            note(one),
        ]);
        rows.push(row(one));
    }
    let summary = match all.len() {
        0 => "nothing was sent yet".to_owned(),
        count => words::several(count as u64, "delivery", "deliveries"),
    };
    let text = if table.is_empty() { summary.clone() } else { table.text() };
    Ok(Answer::new(summary).with_text(text).with_plain(table.plain()).with_result(json!(rows)))
}

fn note(one: &Delivery) -> String {
    let dealt = match (one.fate, one.waits) {
        (Fate::Accepted, true) => "waits".to_owned(),
        (Fate::Accepted, false) => "dealt with".to_owned(),
        _ => String::new(),
    };
    let id = one.id.as_ref().filter(|_| one.fate == Fate::Duplicate);
    let notes = [
        dealt,
        id.map(|id| format!("event {id}")).unwrap_or_default(),
        one.again.map(|seq| format!("{seq} once more")).unwrap_or_default(),
        if one.more > 0 { format!("and {} more", words::count(one.more)) } else { String::new() },
    ];
    notes.into_iter().filter(|note| !note.is_empty()).collect::<Vec<_>>().join("; ")
}

/// A delivery for programs.
pub(crate) fn row(one: &Delivery) -> Json {
    json!({
        "id": one.seq,
        "system": one.system,
        "at": words::time(one.at),
        "topic": one.topic,
        "outcome": one.fate.word(),
        "event": one.id,
        "bytes": one.bytes,
        "waits": one.waits,
        "more": one.more,
        "replay_of": one.again,
    })
}

async fn replay(loaded: &Loaded, id: i64) -> Result<Answer, Failure> {
    let hub = loaded.hub_path();
    let unknown = || {
        Failure::new("usage.unknown_number", format!("there is no delivery {id} to deal with"))
            .cause("it was never accepted, or its body is no longer kept")
            .fix("syncline hooks list")
    };
    // The inbox is not made by looking for one.
    let (found, _) = Look::at(&hub).one(id)?.ok_or_else(unknown)?;
    let is_push = loaded.only_tells(&found.system);
    let hook = loaded.hook(&found.system).await?;
    let has_versions =
        hook.is_some_and(|hook| hook.topics.iter().all(|topic| topic.version.is_some()));
    if is_push && !has_versions && !found.waits {
        let message = format!("delivery {id} of {} was put together already", found.system);
        return Err(Failure::new("usage.settled", message)
            .cause("what it tells may be older than what is known now, and nothing says so")
            .done("nothing was changed")
            .fix("have it sent again, as it is now"));
    }
    let again = inbox::replay(&hub, id, Session::now())?.ok_or_else(unknown)?;
    let summary = format!("delivery {id} of {} is in the line once more, as {again}", found.system);
    Ok(Answer::new(&summary)
        .with_text(format!("{summary}; `syncline serve` deals with it"))
        .with_result(json!({ "id": again, "replay_of": id, "system": found.system })))
}

async fn send(
    loaded: &Loaded,
    system: &str,
    is_test: bool,
    topic: Option<&str>,
    body: Option<PathBuf>,
) -> Result<Answer, Failure> {
    known(loaded, system)?;
    let hook = loaded.hook(system).await?.ok_or_else(|| {
        Failure::new("usage.value", format!("{system} does not call us"))
            .cause("it has no `detect: {webhook: …}`")
            .fix("syncline help hooks")
    })?;
    let mut body = match body {
        None => b"{}".to_vec(),
        Some(path) => read(&path)?,
    };
    let id = format!("try-{}", Session::now().0);
    let mut target = format!("/hooks/{system}");
    if hook.style == Style::Path
        && let Some(secret) = hook.secrets.first()
    {
        target = format!("{target}/{}", secret.reveal().trim());
    }
    // Senders that tell the topic in the body are tried with a body that tells it.
    if is_test && hook.style == Style::Stripe {
        body = json!({ "id": id, "type": topic.unwrap_or("syncline.test") }).to_string().into();
    }
    let mut headers =
        webhook::sign(&hook, &target, &id, &body, Session::now()).ok_or_else(|| {
            Failure::new("usage.value", format!("nobody but {system} can sign for it"))
                .cause("its secret is a public key, or the signed time is in the body")
                .fix("let the system itself send one")
        })?;
    let mut add = |name: &str, value: &str| {
        let name = axum::http::HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, axum::http::HeaderValue::from_str(value)) {
            headers.insert(name, value);
        }
    };
    add("content-type", "application/json");
    if is_test {
        add(TEST, "1");
    }
    if let Some(topic) = topic {
        match (&hook.topic, &hook.style) {
            (Some(Part::Header(name)), _) => add(name, topic),
            (None, Style::Shopify) => add("x-shopify-topic", topic),
            (None, Style::Github) => add("x-github-event", topic),
            _ => {}
        }
    }
    let address = Look::at(&loaded.hub_path()).address()?;
    let address = address.ok_or_else(|| closed("it never listened"))?;
    let status = match (&loaded.draft.server.tls, address.parse::<SocketAddr>()) {
        (Some(tls), Ok(at)) => {
            let name = loaded.draft.server.public_name().unwrap_or("localhost");
            let certificate = loaded.folder.join(&tls.certificate).display().to_string();
            let own = Own { name, address: at, certificate: &certificate };
            let url = format!("https://{name}:{}{target}", at.port());
            webhook::send(&url, Some(own), headers, body).await
        }
        _ => webhook::send(&format!("http://{address}{target}"), None, headers, body).await,
    };
    let status = status.map_err(|_| closed(&format!("nobody answers at {address}")))?;
    let answered = match status {
        202 => "accepted",
        200 => "known already",
        401 => "refused: the daemon does not believe it",
        404 => "refused: the daemon knows no such system",
        _ => "refused",
    };
    let summary = format!("{system}: {answered} ({status})");
    let answer = Answer::new(&summary).with_text(&summary).with_result(json!({ "status": status }));
    Ok(if (200..300).contains(&status) { answer } else { answer.with_exit(Exit::Failed) })
}

/// A body may be so large.
const BODY_MAX: u64 = 1 << 20;

fn read(path: &std::path::Path) -> Result<Vec<u8>, Failure> {
    use std::io::Read as _;
    let mut body = Vec::new();
    let read = if path.as_os_str() == "-" {
        std::io::stdin().lock().take(BODY_MAX + 1).read_to_end(&mut body)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(BODY_MAX + 1).read_to_end(&mut body))
    };
    let wrong = |cause: String| {
        Failure::new("usage.value", format!("{} cannot be sent", path.display()))
            .cause(cause)
            .fix("name a file of at most 1 MiB")
    };
    read.map_err(|error| wrong(error.to_string()))?;
    if body.len() as u64 > BODY_MAX {
        return Err(wrong("it is larger than 1 MiB".into()));
    }
    Ok(body)
}

fn closed(cause: &str) -> Failure {
    Failure::new("server.closed", "no daemon listens for webhooks")
        .cause(cause)
        .done("nothing was sent")
        .fix("syncline serve")
}

fn known(loaded: &Loaded, system: &str) -> Result<(), Failure> {
    if loaded.draft.system(system).is_some() {
        return Ok(());
    }
    let all: Vec<&str> = loaded.systems().collect();
    Err(Failure::new("usage.unknown_system", format!("there is no system `{system}`"))
        .fix(format!("systems: {}", all.join(", "))))
}
