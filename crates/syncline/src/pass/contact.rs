//! When each system last answered, remembered in the hub: `status` asks nobody but the hub.

use syncline_core::name::Timestamp;
use syncline_engine::pass::Passed;
use syncline_ports::reader::Reader as _;

use crate::{report::Failure, session::Session};

/// What is known of a system's answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Contact {
    /// When it was last read or written without a failure.
    pub(crate) answered: Option<Timestamp>,
    /// When it failed since, and with which code.
    pub(crate) failed: Option<(Timestamp, String)>,
}

impl Contact {
    /// Whether it is up, as far as is known; `None`: it was never asked.
    pub(crate) fn is_up(&self) -> Option<bool> {
        match (&self.failed, self.answered) {
            (Some(_), _) => Some(false),
            (None, Some(_)) => Some(true),
            (None, None) => None,
        }
    }

    fn text(&self) -> String {
        let micros = |at: Option<Timestamp>| at.map_or_else(|| "-".into(), |at| at.0.to_string());
        let (failed, code) = match &self.failed {
            Some((at, code)) => (Some(*at), code.as_str()),
            None => (None, "-"),
        };
        format!("{} {} {code}", micros(self.answered), micros(failed))
    }

    pub(crate) fn parse(text: &str) -> Self {
        let mut words = text.split(' ');
        let mut at = || words.next().and_then(|word| word.parse().ok()).map(Timestamp);
        let (answered, failed) = (at(), at());
        let code = words.next().unwrap_or_default().to_owned();
        Self { answered, failed: failed.map(|at| (at, code)) }
    }
}

/// That a system answered is put on record again after so long.
const FRESH_MS: i64 = 1_000;

fn note(system: &str) -> String {
    format!("contact:{system}")
}

/// What is known of this system.
pub(crate) async fn of(session: &Session, system: &str) -> Result<Contact, Failure> {
    let text = session.hub.note(&note(system)).await?;
    Ok(text.map(|text| Contact::parse(&text)).unwrap_or_default())
}

/// Remembers which systems answered in this pass. One that is paused was not asked.
pub(super) async fn remember(session: &Session, passed: &Passed) -> Result<(), Failure> {
    let now = Session::now();
    for (index, system) in session.plan.systems.iter().enumerate() {
        let name = system.name.as_str();
        let unreached = session.failures.iter().find(|(failed, _)| failed == name);
        let broke = passed.entities.iter().flat_map(|report| &report.failures);
        let broke = broke.filter(|(failed, _)| failed.at() == index).map(|(_, error)| error);
        let code = unreached
            .map(|(_, failure)| failure.code.clone())
            .or_else(|| broke.map(|error| error.kind.remedy().code.to_owned()).next())
            .or_else(|| put_off(passed, index));
        let was_asked = session.systems.get(index).is_some_and(Option::is_some);
        let known = match (code, was_asked) {
            (Some(code), _) => Contact { failed: Some((now, code)), ..of(session, name).await? },
            (None, true) => {
                let known = of(session, name).await?;
                // A daemon passes many times a second: who has answered just now is known to.
                let just_now = known.answered.is_some_and(|at| at.plus_ms(FRESH_MS) > now);
                if known.failed.is_none() && just_now {
                    continue;
                }
                Contact { answered: Some(now), failed: None }
            }
            (None, false) => continue,
        };
        session.hub.set_note(&note(name), &known.text()).await?;
    }
    Ok(())
}

/// The code with which this system would not be written.
fn put_off(passed: &Passed, system: usize) -> Option<String> {
    let reasons = passed.entities.iter().flat_map(|report| &report.put_off);
    let mut own = reasons.filter(|(found, _)| found.at() == system).map(|(_, reason)| reason);
    own.find_map(|reason| {
        let (code, _) = reason.split_once(": ")?;
        code.starts_with("connect.").then(|| code.to_owned())
    })
}

#[cfg(test)]
mod tests {
    //! What is remembered of a system is read as it was written.

    use super::*;

    #[test]
    fn a_contact_is_read_as_it_was_written() {
        let down = (Timestamp(7), "connect.unreachable".to_owned());
        for contact in [
            Contact::default(),
            Contact { answered: Some(Timestamp(5)), failed: None },
            Contact { answered: None, failed: Some(down.clone()) },
            Contact { answered: Some(Timestamp(5)), failed: Some(down) },
        ] {
            assert_eq!(Contact::parse(&contact.text()), contact);
        }
        assert_eq!(Contact::parse("").is_up(), None);
    }
}
