//! Tokens: who may ask the daemon over HTTP, and for what. The file holds hashes only; a token is shown
//! once, to whoever made it.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    digest,
    rand::{SecureRandom as _, SystemRandom},
};
use serde_json::json;
use subtle::ConstantTimeEq as _;
use syncline_core::name::Timestamp;

use crate::{
    config::{
        Loaded, Sources,
        tree::{self, Kind, Node},
    },
    report::Failure,
    session::Session,
    words,
};

/// What every token begins with, so that it is recognised where it does not belong.
const PREFIX: &str = "syn_";
/// So many may there be.
const MOST: usize = 10_000;

/// What somebody may do; each may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Role {
    /// Looks.
    Viewer,
    /// Decides conflicts and what was set aside.
    Steward,
    /// Runs, pauses, and answers guards.
    Operator,
    /// Takes back, and gives tokens out.
    Admin,
}

impl Role {
    const ALL: [Self; 4] = [Self::Viewer, Self::Steward, Self::Operator, Self::Admin];

    /// As it is written.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Steward => "steward",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    /// The role of this word.
    pub(crate) fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.word() == word)
    }
}

/// A token, as the file knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    /// Its name: `token:ci` stands on the books.
    pub(crate) name: String,
    /// What it may do.
    pub(crate) role: Role,
    /// For which entities; `None`: for all.
    pub(crate) entities: Option<Vec<String>>,
    /// When it was made, and by whom.
    pub(crate) made: Timestamp,
    /// By whom.
    pub(crate) by: String,
    /// Until when it holds; `None`: until it is revoked.
    pub(crate) expires: Option<Timestamp>,
    /// SHA-256 of the whole token.
    hash: String,
}

impl Token {
    /// A new one, and what is shown once.
    ///
    /// # Errors
    /// `bug.unexpected`: the operating system gives no randomness.
    pub(crate) fn new(
        name: &str,
        role: Role,
        entities: Option<Vec<String>>,
        expires: Option<Timestamp>,
        by: &str,
    ) -> Result<(String, Self), Failure> {
        let mut bytes = [0_u8; 32];
        SystemRandom::new().fill(&mut bytes).map_err(|_| {
            Failure::new("bug.unexpected", "the operating system gives no randomness")
        })?;
        let secret = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
        let token = Self {
            name: name.to_owned(),
            role,
            entities,
            made: Session::now(),
            by: by.to_owned(),
            expires,
            hash: hash(&secret),
        };
        Ok((secret, token))
    }

    /// Whether it holds at this time.
    pub(crate) fn holds(&self, now: Timestamp) -> bool {
        self.expires.is_none_or(|expires| expires > now)
    }

    /// For programs, without its hash.
    pub(crate) fn json(&self, used: Option<Timestamp>) -> serde_json::Value {
        json!({
            "name": self.name,
            "role": self.role.word(),
            "entities": self.entities,
            "made": words::time(self.made),
            "by": self.by,
            "expires": self.expires.map(words::time),
            "expired": !self.holds(Session::now()),
            "last_used": used.map(words::time),
        })
    }
}

fn hash(secret: &str) -> String {
    let hash = digest::digest(&digest::SHA256, secret.as_bytes());
    hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The token that this is, if it is one. Every one is compared, whole.
pub(crate) fn find<'a>(tokens: &'a [Token], secret: &str) -> Option<&'a Token> {
    let own = hash(secret);
    let mut found = None;
    for token in tokens {
        if bool::from(token.hash.as_bytes().ct_eq(own.as_bytes())) {
            found = Some(token);
        }
    }
    found
}

/// The file that the configuration names.
///
/// # Errors
/// `server.no_tokens`: it names none.
pub(crate) fn path(loaded: &Loaded) -> Result<PathBuf, Failure> {
    let file = loaded.draft.server.tokens.as_ref().ok_or_else(|| {
        Failure::new("server.no_tokens", "the configuration says nothing of tokens")
            .cause("without them, whoever is on this machine may do everything, and nobody else")
            .done("nothing was changed")
            .fix("server: {tokens: \"file:secrets/tokens.yaml\"}")
    })?;
    Ok(loaded.folder.join(&file.value))
}

/// The tokens of this file; none, if there is no file yet.
///
/// # Errors
/// `server.tokens_file`.
pub(crate) fn read(path: &Path) -> Result<Vec<Token>, Failure> {
    let unfit = |cause: String| {
        Failure::new("server.tokens_file", format!("{} cannot be read", path.display()))
            .cause(cause)
            .done("nobody is let in by it")
            .fix("mend it, or remove it and make new tokens: syncline tokens new NAME --role ROLE")
    };
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unfit(error.to_string())),
    };
    let mut sources = Sources::default();
    let file = sources.add(path.to_path_buf(), text);
    let (root, complaints) = tree::parse(&sources, file);
    if let Some(complaint) = complaints.first() {
        return Err(unfit(complaint.message.clone()));
    }
    let Some(root) = root else { return Ok(Vec::new()) };
    let Kind::Map(entries) = &root.kind else {
        return Err(unfit("it is no list of names".to_owned()));
    };
    let mut tokens = Vec::new();
    for (name, node) in entries.iter().take(MOST) {
        tokens.push(one(&name.text, node).ok_or_else(|| {
            unfit(format!("what it says of `{}` is not what was written", name.text))
        })?);
    }
    Ok(tokens)
}

fn one(name: &str, node: &Node) -> Option<Token> {
    let text = |key: &str| node.get(key).and_then(Node::text);
    let time = |key: &str| -> Option<Option<Timestamp>> {
        match text(key) {
            None => Some(None),
            Some(text) => words::parse_time(text, Session::now()).map(Some),
        }
    };
    let entities = match node.get("entities").map(|node| &node.kind) {
        None => None,
        Some(Kind::List(names)) => {
            Some(names.iter().map(|name| name.text().map(str::to_owned)).collect::<Option<_>>()?)
        }
        Some(Kind::Scalar { .. } | Kind::Map(_)) => return None,
    };
    Some(Token {
        name: name.to_owned(),
        role: Role::of(text("role")?)?,
        entities,
        made: time("made")?.unwrap_or_default(),
        by: text("by").unwrap_or_default().to_owned(),
        expires: time("expires")?,
        hash: text("hash").filter(|hash| hash.len() == 64)?.to_owned(),
    })
}

/// Writes the file, for its owner alone, whole or not at all.
///
/// # Errors
/// `server.tokens_file`.
pub(crate) fn write(path: &Path, tokens: &[Token]) -> Result<(), Failure> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut text = String::from(
        "# Written by `syncline tokens`: who may ask the daemon. Tokens themselves are nowhere.\n",
    );
    for token in tokens {
        let mut parts = vec![format!("role: {}", token.role.word())];
        if let Some(entities) = &token.entities {
            let names: Vec<String> = entities.iter().map(|name| json!(name).to_string()).collect();
            parts.push(format!("entities: [{}]", names.join(", ")));
        }
        parts.push(format!("made: \"{}\"", words::time(token.made)));
        parts.push(format!("by: {}", json!(token.by)));
        if let Some(expires) = token.expires {
            parts.push(format!("expires: \"{}\"", words::time(expires)));
        }
        parts.push(format!("hash: \"{}\"", token.hash));
        text.push_str(&format!("{}: {{{}}}\n", json!(token.name), parts.join(", ")));
    }
    let unfit = |error: std::io::Error| {
        Failure::new("server.tokens_file", format!("{} cannot be written", path.display()))
            .cause(error.to_string())
            .done("nothing was changed")
            .fix("look at the folder's owner and permissions")
    };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(unfit)?;
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)
        .map_err(unfit)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(unfit)?;
    std::fs::rename(&beside, path).map_err(unfit)
}

#[cfg(test)]
mod tests {
    //! What is written is read again; what is not a token is none.

    use super::*;

    #[test]
    fn a_token_is_known_again_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secrets/tokens.yaml");
        assert_eq!(read(&file).unwrap(), []);
        let only = Some(vec!["orders".to_owned(), "a: \"b\"".to_owned()]);
        let expires = Timestamp(2_000_000_000_000_000);
        let (ci, one) =
            Token::new("ci", Role::Operator, only, Some(expires), "ada: \"x\"").unwrap();
        let (_, other) = Token::new("on: duty", Role::Viewer, None, None, "ada").unwrap();
        write(&file, &[one, other]).unwrap();

        let tokens = read(&file).unwrap();
        assert_eq!(tokens.len(), 2);
        let found = find(&tokens, &ci).unwrap();
        assert_eq!((found.name.as_str(), found.role), ("ci", Role::Operator));
        assert_eq!(found.entities.as_ref().unwrap()[1], "a: \"b\"");
        assert!(found.holds(Timestamp(1_999_999_999_000_000)) && !found.holds(expires));
        assert_eq!(tokens[1].name, "on: duty");
        assert_eq!(find(&tokens, "syn_"), None);
        assert_eq!(find(&tokens, &ci[..ci.len() - 1]), None);
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(!text.contains(&ci[4..]), "{text}");
        std::fs::write(&file, "ci: {role: emperor, hash: \"0\"}").unwrap();
        assert_eq!(read(&file).unwrap_err().code, "server.tokens_file");
    }
}
