//! How each system is listened to, remembered in the hub: `status` asks nobody but the hub.

use std::time::Duration;

use serde_json::{Value as Json, json};
use syncline_core::{
    change::Position,
    name::{BindingIndex, RunId, SystemIndex, Timestamp},
};
use syncline_engine::{
    desk::Unwatched,
    hear::{self, Rows},
    reconcile::reconcile,
};
use syncline_ports::{reader::Reader as _, store::Store as _};

use crate::{
    pass::scans,
    report::Failure,
    serve::{
        journal::Level,
        shift::{NOTHING, Shared},
    },
    session::Session,
    words,
};

/// What is known of a system that is listened to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listened {
    /// `wal`, `binlog`, `triggers`.
    pub(crate) word: String,
    /// When it last said so.
    pub(crate) at: Timestamp,
    /// How much it keeps for us.
    pub(crate) bytes: u64,
    /// How long the last changes took from their commit there until they were dealt with here.
    pub(crate) lag_ms: Option<i64>,
}

/// A system that is listened to says what it keeps several times in this time.
const FRESH_MS: i64 = 30_000;

/// What is said of rows that a system told of and that could not be read for so long.
pub(super) fn given_up(system: &str, rows: &Rows, wait: Duration) -> (String, Json) {
    let count = rows.values().map(|keys| keys.len() as u64).sum();
    let message = format!(
        "{} of {system} could not be read for {} minutes: left to the next poll or comparison",
        words::counted(count, "row"),
        wait.as_secs() / 60
    );
    (message, json!({ "system": system }))
}

impl Listened {
    /// How far behind it we are, as far as is known: as long as it answers, as much as the last
    /// changes took.
    pub(crate) fn behind(&self, now: Timestamp) -> String {
        if self.at.plus_ms(FRESH_MS) < now {
            return words::age(now, self.at);
        }
        words::span(self.lag_ms.unwrap_or_default())
    }

    fn text(&self) -> String {
        let lag = self.lag_ms.map_or_else(|| "-".to_owned(), |lag| lag.to_string());
        format!("{} {} {} {lag}", self.word, self.at.0, self.bytes)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        Some(Self {
            word: words.next().filter(|word| !word.is_empty())?.to_owned(),
            at: Timestamp(words.next()?.parse().ok()?),
            bytes: words.next()?.parse().ok()?,
            lag_ms: words.next().and_then(|lag| lag.parse().ok()),
        })
    }
}

fn note(system: &str) -> String {
    format!("listening:{system}")
}

/// What is known of this system, if it was listened to when the daemon told last.
pub(crate) async fn of(session: &Session, system: &str) -> Result<Option<Listened>, Failure> {
    let text = session.hub.note(&note(system)).await?.unwrap_or_default();
    Ok(Listened::parse(&text))
}

/// A system is listened to from now on.
pub(super) async fn begins(
    session: &Session,
    shared: &Shared,
    system: SystemIndex,
    word: &'static str,
    from: Position,
    anew: Option<Failure>,
) -> Result<(), Failure> {
    let stream = hear::stream_name(&session.plan, system);
    let is_first = session.hub.checkpoint(&stream).await?.is_none();
    let name = session.system_name(system);
    if is_first || anew.is_some() {
        // What came before is not known: everything is compared, and only then is it forgotten that
        // it has to be.
        for (at, binding) in session.plan.bindings.iter().enumerate() {
            if binding.system == system {
                let at = BindingIndex(u16::try_from(at).unwrap_or(u16::MAX));
                scans::forget(session, at).await?;
            }
        }
        record(session, system, from).await?;
    }
    if let Some(failure) = &anew {
        shared.journal.failed(Level::Warn, &failure.code, failure, &json!({ "system": name }));
    }
    if shared.set_heard(system, Some(word)) {
        let message = format!("{name} is listened to ({word})");
        shared.journal.say(Level::Info, "hear.begins", &message, json!({ "system": name }));
    }
    shared.wake_poller.notify_one();
    Ok(())
}

/// A system is not listened to just now: it is asked instead.
pub(super) fn deaf(session: &Session, shared: &Shared, system: SystemIndex, failure: Failure) {
    let name = session.system_name(system);
    let was_heard = shared.set_heard(system, None);
    let level = if was_heard { Level::Warn } else { Level::Info };
    let mut failure = failure;
    failure.message = format!("{name} is polled, not listened to: {}", failure.message);
    shared.journal.failed(level, "hear.ends", &failure, &json!({ "system": name }));
    shared.wake_poller.notify_one();
}

/// Remembers it; `None`: it is not listened to.
pub(super) async fn remember(
    session: &Session,
    system: &str,
    listened: Option<&Listened>,
) -> Result<(), Failure> {
    let text = listened.map(Listened::text).unwrap_or_default();
    Ok(session.hub.set_note(&note(system), &text).await?)
}

/// Puts on record how far a system was heard.
pub(super) async fn record(
    session: &Session,
    system: SystemIndex,
    upto: Position,
) -> Result<(), Failure> {
    let stop = session.stop.clone();
    let desk = Session::desk(&session.plan, &session.hub, &Unwatched, &stop, RunId::default())
        .beside(session.turns.as_deref());
    reconcile(&desk, NOTHING, vec![hear::checkpoint(&session.plan, system, upto)]).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_was_written_by_this_version_and_the_one_before() {
        let at = Timestamp(7_000_000);
        for lag_ms in [None, Some(250)] {
            let known = Listened { word: "wal".into(), at, bytes: 9, lag_ms };
            assert_eq!(Listened::parse(&known.text()), Some(known));
        }
        let known = Listened { word: "wal".into(), at, bytes: 9, lag_ms: None };
        assert_eq!(Listened::parse("wal 7000000 9"), Some(known));
        assert_eq!(Listened::parse(""), None);
    }

    #[test]
    fn who_is_not_heard_of_any_more_falls_behind() {
        let known = Listened { word: "wal".into(), at: Timestamp(0), bytes: 0, lag_ms: Some(250) };
        assert_eq!(known.behind(Timestamp(20_000_000)), "0.2 s");
        assert_eq!(known.behind(Timestamp(90_000_000)), "90 s");
    }
}
