//! What can go wrong outside, what it is called, and what helps.

use crate::Text;

/// A value or a row that cannot be taken as it is: a verdict, not a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Stable, dotted: `map.unknown_value`. Has a page in `docs/errors`.
    pub code: &'static str,
    /// One sentence, without the values of other fields.
    pub message: String,
}

impl Problem {
    /// A problem with this code and message.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// A port refused or failed. Prints as "could not {action}: {kind}".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortError {
    /// A verb phrase: `read changes of "customer" from "crm"`.
    pub action: String,
    /// What kind of failure it is; decides what is done about it.
    pub kind: ErrorKind,
    /// What the driver said. Reaches the log, and people; never holds row values or secrets.
    pub detail: Text,
}

impl PortError {
    /// An error of this kind.
    pub fn new(kind: ErrorKind, action: impl Into<String>, detail: impl AsRef<str>) -> Self {
        Self { action: action.into(), kind, detail: Text::new(detail) }
    }
}

impl std::fmt::Display for PortError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "could not {}: {}", self.action, self.kind.remedy().summary)?;
        if self.detail.is_empty() { Ok(()) } else { write!(f, " ({})", self.detail) }
    }
}

impl std::error::Error for PortError {}

/// Kinds of failure of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ErrorKind {
    /// Nobody answers.
    Unreachable,
    /// It answered too late.
    TimedOut,
    /// It asks us to slow down.
    Throttled,
    /// What it answered is not what was asked for.
    Answer,
    /// It does not know us, or the password is wrong.
    Unauthorized,
    /// It refuses the token, the key or the client that `auth` names.
    Credentials,
    /// Its certificate is not the one expected.
    Tls,
    /// It knows us and does not allow this.
    Forbidden,
    /// It accepts no writes.
    ReadOnly,
    /// The position to read on from is gone.
    PositionLost,
    /// The system kept more of its log for us than it may: it was told to forget it.
    Retained,
    /// As it is set up, it tells nobody of its changes.
    Unheard,
    /// A table or column is not what the configuration says.
    SchemaDrift,
    /// A value or type that this version refuses to carry.
    Unsupported,
    /// It is more than this version takes in one piece.
    TooLarge,
    /// No space is left.
    DiskFull,
    /// Another process holds the hub.
    HubInUse,
    /// The hub was written by another version.
    HubVersion,
    /// The hub's file is damaged.
    HubDamaged,
    /// The hub is sealed, and no key was given.
    HubKeyMissing,
    /// None of the keys that were given opens the hub.
    HubKeyWrong,
    /// The hub's file or directory cannot be written, or it was opened only to be read.
    HubReadOnly,
    /// There is no hub where one was expected.
    HubMissing,
    /// A secret could not be resolved.
    Secret,
    /// None of these.
    Unexpected,
}

/// What the engine does about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemedyAction {
    /// The same again, after a while.
    Retry,
    /// Read everything again.
    Resynchronise,
    /// A person must do something first.
    Halt,
}

/// What is done about a failure, its code, and what helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remedy {
    /// What the engine does.
    pub action: RemedyAction,
    /// The stable code.
    pub code: &'static str,
    /// What happened, in half a sentence.
    pub summary: &'static str,
    /// What a person can do, as an imperative.
    pub hint: &'static str,
}

impl ErrorKind {
    /// The one table of remedies. A new kind does not compile without a row.
    pub const fn remedy(self) -> Remedy {
        use RemedyAction::{Halt, Resynchronise, Retry};
        let (action, code, summary, hint) = match self {
            Self::Unreachable => (
                Retry,
                "connect.unreachable",
                "it cannot be reached",
                "Check that the system is up and reachable, then run again.",
            ),
            Self::TimedOut => (
                Retry,
                "connect.timeout",
                "it did not answer in time",
                "Check the load of the system and the network, then run again.",
            ),
            Self::Throttled => (
                Retry,
                "connect.throttled",
                "it asks to slow down",
                "Lower `max_rate` if this persists.",
            ),
            Self::Answer => (
                Retry,
                "connect.answer",
                "it answered with something else than what was asked for",
                "Check `url` and the resource's `path` and `items`; a proxy or a login page may answer.",
            ),
            Self::Unauthorized => (
                Halt,
                "connect.auth",
                "it refused the user or the password",
                "Check the user and the password reference; `syncline doctor` prints the GRANT.",
            ),
            Self::Credentials => (
                Halt,
                "connect.auth",
                "it refused the credentials",
                "Check `auth` of the system in the file, and that what it names still holds; then `syncline doctor SYSTEM`.",
            ),
            Self::Tls => (
                Halt,
                "connect.tls",
                "its certificate was refused",
                "Fix the name or `tls_ca`; `tls: require` skips the name check, at your risk.",
            ),
            Self::Forbidden => (
                Halt,
                "connect.privilege",
                "a privilege is missing",
                "Run `syncline doctor`: it prints the GRANT to paste; of a REST system, see what `auth` may do there.",
            ),
            Self::ReadOnly => (
                Halt,
                "connect.read_only",
                "it accepts no writes",
                "Point the URL at the primary, or make the entity receive nothing there with `to:`.",
            ),
            Self::PositionLost => (
                Resynchronise,
                "detect.position_lost",
                "the position to read on from is gone",
                "Run `syncline refresh ENTITY --full`; keep more history in the system.",
            ),
            Self::Retained => (
                Resynchronise,
                "detect.retained",
                "it kept more of its log for us than it may",
                "Keep `syncline serve` running, or raise `max_retained`; everything is read again.",
            ),
            Self::Unheard => (
                Halt,
                "detect.unavailable",
                "it cannot be listened to as it is set up",
                "Do what the cause says, or leave it as it is: its changes are polled.",
            ),
            Self::SchemaDrift => (
                Halt,
                "schema.drift",
                "a table or column is not what the configuration says",
                "Run `syncline check --online` to see what changed.",
            ),
            Self::Unsupported => (
                Halt,
                "schema.unsupported",
                "a type cannot be carried exactly",
                "Leave the column out, or map it by a documented conversion; `syncline check --online` names it.",
            ),
            Self::TooLarge => (
                Halt,
                "read.too_large",
                "it is larger than what is read in one piece",
                "Split it, or export it as CSV, which is read row by row.",
            ),
            Self::DiskFull => (
                Retry,
                "hub.disk_full",
                "no space is left",
                "Free space; nothing was lost, the next run goes on.",
            ),
            Self::HubInUse => (
                Halt,
                "hub.in_use",
                "another process holds the hub",
                "Stop the other process, or wait for it to end.",
            ),
            Self::HubVersion => (
                Halt,
                "hub.version",
                "the hub was written by another version",
                "Use the version that wrote it, or a newer one that can migrate it.",
            ),
            Self::HubDamaged => (
                Halt,
                "hub.damaged",
                "the hub's file is damaged",
                "Put back a copy: `syncline restore FILE`; what came since is read again.",
            ),
            Self::HubKeyMissing => (
                Halt,
                "hub.key_missing",
                "the hub is sealed, and the configuration names no key",
                "Say where the key is: `hub: {key: env:NAME}`.",
            ),
            Self::HubKeyWrong => (
                Halt,
                "hub.key_wrong",
                "the key does not open the hub",
                "Name the key that the hub was sealed with; while keys are changed, `previous_key`, too.",
            ),
            Self::HubReadOnly => (
                Halt,
                "hub.read_only",
                "the hub cannot be written",
                "Give the user that runs Syncline write access to the hub's file and its directory.",
            ),
            Self::HubMissing => (
                Halt,
                "hub.missing",
                "there is no hub yet",
                "Check `hub.path`; the first `syncline apply` or `syncline run` makes the hub.",
            ),
            Self::Secret => (
                Halt,
                "secret.unresolved",
                "a secret could not be resolved",
                "Set the variable, or create the file that the configuration names.",
            ),
            Self::Unexpected => (
                Halt,
                "bug.unexpected",
                "something unexpected happened",
                "Please report this with the output of `syncline doctor`.",
            ),
        };
        Remedy { action, code, summary, hint }
    }
}
