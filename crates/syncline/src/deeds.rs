//! What people do with Syncline goes on the books: which command, on what, by whom, before it does anything;
//! and each configuration that is worked with for the first time.

use syncline_core::value::Digest;
use syncline_ports::reader::{Action, Reader as _};

use crate::{report::Failure, session::Session};

/// Where the hub notes which configuration it was worked with last.
const NOTE: &str = "loaded:configuration";
/// What it is called on the books: no code of an error.
const LOADED: &str = concat!("config", ".load");

/// A command that changes something, as it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Deed {
    /// `conflicts.resolve`.
    pub(crate) what: String,
    /// What it is about: a number, an address, a name.
    pub(crate) target: String,
    /// The words after it. No secret is ever one of them.
    pub(crate) detail: String,
}

/// Commands that change something, and those of their words that do.
const DEEDS: [(&str, &[&str]); 14] = [
    ("apply", &[]),
    ("run", &[]),
    ("refresh", &[]),
    ("verify", &["--repair"]),
    ("guards", &["apply", "reverse", "dismiss"]),
    ("conflicts", &["resolve"]),
    ("quarantine", &["edit", "drop"]),
    ("hooks", &["replay"]),
    ("retry", &[]),
    ("rollback", &["--yes", "-y"]),
    ("restore", &[]),
    ("tokens", &["new", "revoke"]),
    ("pause", &[]),
    ("resume", &[]),
];

impl Deed {
    /// What these arguments, after the name of the program, do; `None`: nothing that changes anything.
    pub(crate) fn of(command: &str, arguments: &[String]) -> Option<Self> {
        let (_, words) = DEEDS.iter().find(|(name, _)| *name == command)?;
        let said = |word: &&str| arguments.iter().any(|argument| argument == word);
        let word = words.iter().find(|word| said(word));
        if word.is_none() && !words.is_empty() {
            return None;
        }
        let mut rest = arguments.iter().skip_while(|argument| *argument != command).skip(1);
        let sub = word.filter(|word| !word.starts_with('-'));
        if let Some(sub) = sub {
            rest.find(|argument| argument == sub);
        }
        let rest: Vec<&str> = rest.map(String::as_str).collect();
        let target = rest.first().filter(|word| !word.starts_with('-')).copied();
        let after = rest.get(usize::from(target.is_some())..).unwrap_or_default();
        Some(Self {
            what: sub.map_or_else(|| command.to_owned(), |sub| format!("{command}.{sub}")),
            target: target.unwrap_or_default().to_owned(),
            detail: after.join(" "),
        })
    }
}

/// Puts on the books what a command is about to do.
pub(crate) async fn note(session: &Session, deed: &Deed) -> Result<(), Failure> {
    act(session, &deed.what, &deed.target, &deed.detail).await
}

/// Puts on the books that this configuration is worked with, unless it was the last time.
pub(crate) async fn note_configuration(session: &Session) -> Result<(), Failure> {
    let texts = session.loaded.texts();
    let digest = Digest::of(texts.join("\u{0}").as_bytes());
    let name: String = digest.0.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    if session.hub.note(NOTE).await?.is_some_and(|known| known == name.as_str()) {
        return Ok(());
    }
    act(session, LOADED, &name, "").await?;
    Ok(session.hub.set_note(NOTE, &name).await?)
}

async fn act(session: &Session, what: &str, target: &str, detail: &str) -> Result<(), Failure> {
    let action = Action {
        number: 0,
        at: Session::now(),
        who: session.who.as_str().into(),
        what: what.into(),
        target: target.into(),
        detail: detail.into(),
    };
    Ok(session.hub.act(&action).await?)
}

#[cfg(test)]
mod tests {
    //! Which commands go on the books, and as what.

    use super::Deed;

    fn check(words: &str, expected: Option<[&str; 3]>) {
        let arguments: Vec<String> = words.split(' ').map(str::to_owned).collect();
        let command = arguments.iter().find(|word| !word.starts_with('-')).unwrap().clone();
        let found = Deed::of(&command, &arguments);
        let found = found.map(|deed| [deed.what, deed.target, deed.detail]);
        assert_eq!(found, expected.map(|texts| texts.map(str::to_owned)), "{words}");
    }

    #[test]
    fn what_changes_something_goes_on_the_books() {
        check("conflicts resolve 7 --take erp", Some(["conflicts.resolve", "7", "--take erp"]));
        check("conflicts list", None);
        check("--json run contacts", Some(["run", "contacts", ""]));
        check("run --allow deletes", Some(["run", "", "--allow deletes"]));
        check("rollback run r-7", None);
        check("rollback run r-7 --yes", Some(["rollback", "run", "r-7 --yes"]));
        check("verify contacts", None);
        check("verify contacts --repair", Some(["verify", "contacts", "--repair"]));
        check("plan", None);
    }
}
