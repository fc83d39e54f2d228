//! What people do with Syncline goes on the books: which command, on what, by whom, before it does anything;
//! and each configuration that is worked with for the first time. Values of fields that people may not see are no
//! part of it: where one was said, its hint stands in its place.

use syncline_core::{
    label::Label,
    value::{Digest, Value},
};
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
    /// The words after it, as they were given. No secret is ever one of them.
    pub(crate) words: Vec<String>,
}

/// Commands that change something, and those of their words that do.
const DEEDS: [(&str, &[&str]); 16] = [
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
    ("backup", &[]),
    ("restore", &[]),
    ("tokens", &["new", "revoke"]),
    ("keys", &["rotate"]),
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
            words: after.iter().map(|word| (*word).to_owned()).collect(),
        })
    }
}

/// What stands after these words is a value: of the field that the target is about, or of the one that it names.
const OWN_VALUE: &str = "--value";
const NAMED_VALUE: &str = "--set";

/// How the words of a deed may be kept.
struct Veil {
    /// Of each field by name, whether people may see it.
    fields: Vec<(String, Label)>,
    /// Of the field that the target is about.
    own: Label,
}

impl Veil {
    /// For what is said of this target.
    async fn of(session: &Session, deed: &Deed) -> Result<Self, Failure> {
        let all = session.plan.entities.iter().flat_map(|entity| &entity.fields);
        let fields: Vec<(String, Label)> =
            all.map(|field| (field.name.to_string(), field.label)).collect();
        let conflict = match deed.target.parse() {
            Ok(number) if deed.what.starts_with("conflicts.") => {
                session.hub.conflict(number).await?
            }
            Ok(_) | Err(_) => None,
        };
        let own = match conflict {
            Some(conflict) => conflict
                .field
                .map_or(Label::Open, |field| crate::shown::label(session, conflict.entity, field)),
            // Of whatever fields it is, one may be among them that nobody is to see.
            None => strictest(fields.iter().map(|(_, label)| *label)),
        };
        Ok(Self { fields, own })
    }

    /// Of a field by its name: the strictest, where several have it; of one that nobody knows, of all.
    fn label(&self, name: &str) -> Label {
        let is_named = |field: &&(String, Label)| field.0 == name;
        let is_known = self.fields.iter().any(|field| is_named(&field));
        let named = self.fields.iter().filter(|field| !is_known || is_named(field));
        strictest(named.map(|(_, label)| *label))
    }

    /// `FIELD=VALUE`, or `ENTITY/FIELD=VALUE`.
    fn assigned(&self, word: &str) -> String {
        let Some((before, value)) = word.split_once('=') else { return word.to_owned() };
        let name = before.rsplit('/').next().unwrap_or(before);
        format!("{before}={}", hidden(self.label(name), value))
    }

    fn address(&self, word: &str) -> String {
        let is_address = word.split_once('=').is_some_and(|(before, _)| before.contains('/'));
        if is_address { self.assigned(word) } else { word.to_owned() }
    }

    fn words(&self, words: &[String]) -> String {
        let mut kept: Vec<String> = Vec::with_capacity(words.len());
        let mut last = "";
        for word in words {
            kept.push(match (last, word.split_once('=')) {
                (OWN_VALUE, _) => hidden(self.own, word),
                (NAMED_VALUE, _) => self.assigned(word),
                (_, Some((OWN_VALUE, value))) => {
                    format!("{OWN_VALUE}={}", hidden(self.own, value))
                }
                (_, Some((NAMED_VALUE, pair))) => {
                    format!("{NAMED_VALUE}={}", self.assigned(pair))
                }
                (_, _) => self.address(word),
            });
            last = word;
        }
        kept.join(" ")
    }
}

fn strictest(mut labels: impl Iterator<Item = Label>) -> Label {
    if labels.any(|label| label != Label::Open) { Label::Mask } else { Label::Open }
}

fn hidden(label: Label, text: &str) -> String {
    match label {
        Label::Open => text.to_owned(),
        Label::Mask => label.shown(&Value::text(text)).to_string(),
    }
}

/// Puts on the books what a command is about to do.
pub(crate) async fn note(session: &Session, deed: &Deed) -> Result<(), Failure> {
    let veil = Veil::of(session, deed).await?;
    let (target, detail) = (veil.address(&deed.target), veil.words(&deed.words));
    act(session, &deed.what, &target, &detail).await
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

/// Puts this on the books.
pub(crate) async fn act(
    session: &Session,
    what: &str,
    target: &str,
    detail: &str,
) -> Result<(), Failure> {
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

    use super::*;

    fn check(words: &str, expected: Option<[&str; 3]>) {
        let arguments: Vec<String> = words.split(' ').map(str::to_owned).collect();
        let command = arguments.iter().find(|word| !word.starts_with('-')).unwrap().clone();
        let found = Deed::of(&command, &arguments);
        let found = found.map(|deed| [deed.what, deed.target, deed.words.join(" ")]);
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
        check("backup --to copy.db", Some(["backup", "", "--to copy.db"]));
    }

    #[test]
    fn values_that_nobody_is_to_see_are_not_kept() {
        let fields = vec![("phone".to_owned(), Label::Mask), ("name".to_owned(), Label::Open)];
        let veil = Veil { fields, own: Label::Mask };
        let kept =
            |words: &str| veil.words(&words.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(kept("--value 555 --note why"), "--value ••• --note why");
        assert_eq!(kept("--value=555"), "--value=•••");
        assert_eq!(kept("--set phone=555 --set name=Ada"), "--set phone=••• --set name=Ada");
        assert_eq!(kept("--set=phone=5=5"), "--set=phone=•••");
        assert_eq!(kept("--set unknown=555"), "--set unknown=•••");
        assert_eq!(veil.address("contacts/phone=555"), "contacts/phone=•••");
        assert_eq!(veil.address("contacts/name=Ada"), "contacts/name=Ada");
        assert_eq!(veil.address("contacts/crm:1"), "contacts/crm:1");
    }
}
