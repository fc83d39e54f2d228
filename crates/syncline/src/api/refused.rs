//! Attempts that were refused, on their way to the books: each kind once in ten minutes, with how often,
//! so that whoever tries a door a million times fills no disk.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use syncline_ports::reader::Action;
use tokio::sync::Notify;

use crate::{report::Failure, session::Session, words};

/// Each kind goes on the books at most so often.
const EVERY: Duration = Duration::from_secs(600);
/// So many kinds are told apart.
const KINDS: usize = 1_000;
/// What they are called on the books: no code of an error.
const WHAT: &str = "access.refused";
/// A path is not shown longer than this.
const PATH_MAX: usize = 200;

/// Attempts that were refused.
#[derive(Default)]
pub(crate) struct Refused {
    kinds: Mutex<BTreeMap<(String, String), Kind>>,
    /// There may be something for the books.
    pub(crate) wake: Notify,
}

/// Attempts of one kind by one caller.
struct Kind {
    count: u64,
    path: String,
    said: Option<Instant>,
}

impl Refused {
    /// Somebody was refused.
    pub(super) fn add(&self, peer: IpAddr, who: Option<&str>, asked: &str, failure: &Failure) {
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        if kinds.len() >= KINDS {
            kinds.retain(|_, kind| {
                kind.count > 0 || kind.said.is_some_and(|said| said.elapsed() < EVERY)
            });
        }
        let who = who.map_or_else(|| format!("somebody at {peer}"), str::to_owned);
        let (who, code) = if kinds.len() >= KINDS {
            ("many".to_owned(), failure.code.clone())
        } else {
            (who, format!("{} from {peer}", failure.code))
        };
        let path: String = asked.chars().filter(|it| !it.is_control()).take(PATH_MAX).collect();
        let kind =
            kinds.entry((who, code)).or_insert(Kind { count: 0, path: String::new(), said: None });
        if kind.count == 0 {
            kind.path = path;
        }
        kind.count += 1;
        self.wake.notify_one();
    }

    /// What is to go on the books now.
    pub(crate) fn due(&self) -> Vec<Action> {
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        let mut due = Vec::new();
        for ((who, code), kind) in kinds.iter_mut() {
            if kind.count == 0 || kind.said.is_some_and(|said| said.elapsed() < EVERY) {
                continue;
            }
            let times = match kind.count {
                1 => String::new(),
                count => format!(", {} times", words::count(count)),
            };
            due.push(Action {
                number: 0,
                at: Session::now(),
                who: who.as_str().into(),
                what: WHAT.into(),
                target: kind.path.as_str().into(),
                detail: format!("{code}{times}").into(),
            });
            (kind.count, kind.said) = (0, Some(Instant::now()));
        }
        due
    }
}

#[cfg(test)]
mod tests {
    //! A million attempts are a line on the books.

    use super::*;

    #[test]
    fn what_is_tried_again_and_again_is_counted() {
        let refused = Refused::default();
        let peer: IpAddr = "10.0.0.8".parse().unwrap();
        let failure = Failure::new("server.token", "no");
        let paths = |refused: &Refused| -> Vec<String> {
            refused
                .due()
                .iter()
                .map(|it| format!("{} {} {}", it.who, it.target, it.detail))
                .collect()
        };
        refused.add(peer, None, "GET /api/v1/status", &failure);
        assert_eq!(
            paths(&refused),
            ["somebody at 10.0.0.8 GET /api/v1/status server.token from 10.0.0.8"]
        );
        for _ in 0..1_000 {
            refused.add(peer, None, "GET /x", &failure);
        }
        assert!(paths(&refused).is_empty());
        for number in 0..5_000 {
            refused.add(peer, Some(&format!("token:{number}")), "GET /x", &failure);
        }
        assert!(paths(&refused).len() <= KINDS);
    }
}
