//! The exhaustive tier: *all* histories of small worlds.
//!
//! One record, two or three systems, a few edits, each fault once: every order in which edits,
//! messages and faults can happen is lived, with the production `step`. Moments that nothing can
//! tell apart are lived once. What must hold always is looked at in every moment, and what must hold
//! at rest wherever nothing moves any more. A search that ends is a proof for its world; it is also
//! the proof that everything ends, for the number of our writes is part of the moment.

use std::{
    collections::HashSet,
    fmt,
    sync::atomic::{AtomicUsize, Ordering},
};

use syncline_core::{mutant::Mutant, plan::Plan, value::Digest};

use crate::{
    explore::{
        configurations::Configuration,
        small::{Event, Small},
    },
    world::Breach,
};

mod canon;
pub mod configurations;
mod happen;
mod oracle;
pub mod small;

/// The explorer cannot go on: a defect.
#[derive(Clone, Debug)]
pub enum Unfit {
    /// A step or a rest that never ends.
    Endless,
    /// A commit was refused although nobody else commits.
    Refused(String),
}

impl fmt::Display for Unfit {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Endless => to.write_str("it never ends"),
            Self::Refused(why) => write!(to, "a commit was refused: {why}"),
        }
    }
}

impl From<Unfit> for Breach {
    fn from(unfit: Unfit) -> Self {
        Self { guarantee: "progress", detail: unfit.to_string() }
    }
}

/// How much of a world was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Explored {
    /// Moments that can be told apart.
    pub moments: u64,
    /// Events from one moment to another.
    pub events: u64,
    /// Moments at which nothing moves any more.
    pub rests: u64,
    /// The longest history.
    pub longest: usize,
    /// Whether every history was lived to its end.
    pub is_whole: bool,
}

/// A history that broke a promise.
#[derive(Clone, Debug)]
pub struct Trace {
    /// What happened, in order.
    pub events: Vec<Event>,
    /// The promise.
    pub breach: Breach,
}

/// What a search came to: how much was seen, or a history that breaks a promise.
pub type Answer = Result<Explored, Box<Trace>>;

/// Explores several worlds, as many at once as there are processors, and tells each answer when it
/// is there.
pub fn side_by_side(
    worlds: &[Configuration],
    mutant: Option<Mutant>,
    moments_max: u64,
    tell: impl Fn(&Configuration, Answer) + Sync,
) {
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(world) = worlds.get(next.fetch_add(1, Ordering::Relaxed)) {
            tell(world, explore(world, mutant, moments_max));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
}

/// Lives all histories of a world, up to so many moments, with the core as it is or a wrong one.
///
/// # Errors
/// A history that breaks a promise, made as short as leaving out events can make it.
pub fn explore(configuration: &Configuration, mutant: Option<Mutant>, moments_max: u64) -> Answer {
    let plan = Plan { mutant, ..configuration.plan() };
    let trace = |events: Vec<Event>, breach: Breach| Box::new(Trace { events, breach });
    let start =
        Small::new(&plan, configuration).map_err(|unfit| trace(Vec::new(), unfit.into()))?;
    let mut explored = Explored { moments: 1, is_whole: true, ..Explored::default() };
    let mut seen: HashSet<Digest> = HashSet::from([start.digest()]);
    // The way to the moment at hand: each with the events that were not tried yet.
    let first = start.events(configuration);
    let mut way: Vec<(Small<'_>, Vec<Event>, Option<Event>)> = vec![(start, first, None)];
    while let Some((moment, events, _)) = way.last_mut() {
        let Some(event) = events.pop() else {
            way.pop();
            continue;
        };
        let mut next = moment.clone();
        let mut judged = next.live(event);
        explored.events += 1;
        let is_new = judged.is_ok() && seen.insert(next.digest());
        if is_new {
            judged = next.judge_rest().map(|is_at_rest| explored.rests += u64::from(is_at_rest));
        }
        if let Err(breach) = judged {
            let taken = way.iter().filter_map(|(_, _, event)| *event);
            let events: Vec<Event> = taken.chain([event]).collect();
            return Err(trace(shorten(&plan, configuration, events, &breach), breach));
        }
        if !is_new {
            continue;
        }
        if explored.moments >= moments_max {
            explored.is_whole = false;
            return Ok(explored);
        }
        explored.moments += 1;
        let events = next.events(configuration);
        explored.longest = explored.longest.max(way.len());
        way.push((next, events, Some(event)));
    }
    Ok(explored)
}

impl Small<'_> {
    /// Lets it happen, and looks at what must always hold.
    fn live(&mut self, event: Event) -> Result<(), Breach> {
        self.happen(event)?;
        self.at_every_moment()
    }

    /// Whether nothing moves any more; if so, looks at what must hold then.
    fn judge_rest(&self) -> Result<bool, Breach> {
        let is_at_rest = self.is_at_rest()?;
        if is_at_rest {
            self.at_rest()?;
        }
        Ok(is_at_rest)
    }
}

/// Leaves out what is not needed for the same breach.
fn shorten(
    plan: &Plan,
    configuration: &Configuration,
    mut events: Vec<Event>,
    breach: &Breach,
) -> Vec<Event> {
    let breaks = |events: &[Event]| {
        let Ok(mut moment) = Small::new(plan, configuration) else { return false };
        for event in events {
            if !moment.events(configuration).contains(event) {
                return false;
            }
            let judged = moment.live(*event).and_then(|()| moment.judge_rest());
            if let Err(found) = judged {
                return found.guarantee == breach.guarantee;
            }
        }
        false
    };
    let mut at = 0;
    while at < events.len() {
        let mut fewer = events.clone();
        fewer.remove(at);
        if breaks(&fewer) {
            events = fewer;
            at = 0;
        } else {
            at += 1;
        }
    }
    events
}

#[cfg(test)]
mod tests;
