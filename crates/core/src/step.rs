//! What a batch of inputs means: the one function that decides.
//!
//! A step first looks whether it has all it must see, for the whole batch at once, and if not says
//! what is missing and changes nothing. Then it decides in the order of the inputs, and answers
//! with one commit and what must happen after it. It cannot fail: bad data becomes a verdict.

use crate::{
    change::Effect,
    change::Input,
    commit::{Commit, Wants, Working},
    name::{SystemIndex, Timestamp},
    plan::Plan,
    step::{
        gather::{Found, Route, gather},
        pass::Pass,
        sight::{Item, items},
    },
};

mod aside;
mod carry;
mod child;
mod displaced;
pub(crate) mod doubt;
mod drift;
pub(crate) mod due;
mod fence;
mod fit;
mod forgotten;
mod former;
mod gather;
mod judge;
mod limit;
mod link;
mod observe;
pub(crate) mod parents;
pub(crate) mod pass;
mod post;
mod rates;
pub(crate) mod recover;
mod reuse;
mod rivals;
mod sight;
mod unique;
mod veil;
mod wake;
pub(crate) mod written;

/// The answer of [`step`].
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Nothing was changed: load this too, and call again with the same batch.
    Need(Wants),
    /// Make this one commit; then, and only then, let the effects happen.
    Done {
        /// What changes in the hub.
        commit: Box<Commit>,
        /// What must happen outside, in order.
        effects: Vec<Effect>,
    },
}

/// Inputs on their way to a decision, with what was found of each so far.
pub struct Batch<'a> {
    items: Vec<Item<'a>>,
    found: Vec<Found>,
    carried_to: &'a [SystemIndex],
    relearns: bool,
}

impl<'a> Batch<'a> {
    /// Nothing was looked up yet.
    pub fn new(inputs: &'a [Input]) -> Self {
        let items = items(inputs);
        let found = items.iter().map(|_| Found::Nothing).collect();
        Self { items, found, carried_to: &[], relearns: false }
    }

    /// What these inputs change is planned at once for these systems, as far as nothing more must be
    /// seen for that: its writes are on record with what they come from. Deletes are not.
    #[must_use]
    pub fn carried_to(mut self, systems: &'a [SystemIndex]) -> Self {
        self.carried_to = systems;
        self
    }

    /// A hub that was restored from an older backup learns again what it has forgotten, and will hear all
    /// logs once more: of what it wrote itself those speak whose it is.
    #[must_use]
    pub fn relearning(mut self, relearns: bool) -> Self {
        self.relearns = relearns;
        self
    }

    /// What it wants at the least: saves a round of [`Step::Need`].
    pub fn wants(&mut self, plan: &Plan) -> Wants {
        gather(plan, &Working::default(), &self.items, &mut self.found)
    }
}

/// What these inputs mean.
pub fn step(plan: &Plan, working: &mut Working, now: Timestamp, batch: &mut Batch<'_>) -> Step {
    let wants = gather(plan, working, &batch.items, &mut batch.found);
    if !wants.is_empty() {
        return Step::Need(wants);
    }
    for group in working.groups.values_mut().flatten() {
        fit::fit(plan, group);
    }
    let routes = std::mem::take(&mut batch.found).into_iter().map(Found::route);
    let mut pass = Pass::new(plan, working, now);
    pass.relearns = batch.relearns;
    pass.decide(&batch.items, routes.collect());
    pass.limit();
    pass.carry(batch.carried_to);
    pass.finish()
}

impl Pass<'_> {
    fn decide(&mut self, items: &[Item<'_>], routes: Vec<Route>) {
        let mut later: Vec<(&Item<'_>, Route)> = Vec::new();
        self.clashing = self.clashes(items, &routes);
        let absences = self.look_ahead(items, &routes);
        for ((at, item), route) in items.iter().enumerate().zip(routes) {
            let waits = absences.contains(&at) || self.is_of_a_list(item);
            if waits {
                // Absences whose record may have moved to another row, and rows of child lists:
                // their records come first.
                later.push((item, route));
            } else {
                self.decide_one(item, route);
            }
        }
        for (item, route) in later {
            self.decide_one(item, route);
        }
        self.await_parents();
    }

    fn decide_one(&mut self, item: &Item<'_>, route: Route) {
        match item {
            Item::Sight(sight) => self.observe(sight, route),
            Item::Other(input) => self.other(input),
        }
    }

    fn is_of_a_list(&self, item: &Item<'_>) -> bool {
        let Item::Sight(sight) = item else { return false };
        let entity =
            self.plan.binding(sight.binding).and_then(|found| self.plan.entity(found.entity));
        entity.is_some_and(|entity| entity.parent.is_some())
    }

    fn other(&mut self, input: &Input) {
        match input {
            Input::Refused { binding, key, code, reason } => {
                self.refused(*binding, key, code, reason);
            }
            Input::Accounted { binding, changes, fate } => {
                self.journal.ledger.add(*binding, *fate, *changes);
            }
            Input::Unseen { binding, key, .. } => self.unseen(*binding, key),
            Input::ReadDone { .. } | Input::ScanDone { .. } | Input::Timeout { .. } => {}
            Input::WriteDone { record, intent, outcome } => {
                self.written(*record, *intent, outcome);
            }
            Input::MarksRead { record, answers } => self.marks_read(*record, answers),
            Input::Due { record, system, cycles } => self.due(*record, *system, *cycles),
            Input::Orphans { record, system, after } => self.orphans(*record, *system, *after),
            Input::Command(command) => self.command(command),
            Input::Recovered { record } => self.recovered(*record),
            Input::Renew { record, system } => self.renew(*record, *system),
            Input::Restored(restored) => self.restored(restored),
            Input::Drifted(drifted) => self.drifted(drifted),
            // These are sights.
            Input::Change(_)
            | Input::Push(_)
            | Input::Polled { .. }
            | Input::Heard { .. }
            | Input::ScanChunk { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests;
