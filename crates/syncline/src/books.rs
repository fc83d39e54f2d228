//! The books: what was observed, and what became of it, as people and programs read them.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use syncline_core::{commit::Disposition, name::BindingIndex};
use syncline_engine::account::Account;
use syncline_ports::reader::Run;

use crate::{session::Session, words};

/// What may become of an observation, as programs read it.
const FATES: [(Disposition, &str); 8] = [
    (Disposition::Applied, "applied"),
    (Disposition::NoOp, "no_op"),
    (Disposition::Echo, "echo"),
    (Disposition::Superseded, "superseded"),
    (Disposition::ConflictLost, "conflict_lost"),
    (Disposition::Filtered, "filtered"),
    (Disposition::Quarantined, "quarantined"),
    (Disposition::Held, "held"),
];

fn name(fate: Disposition) -> &'static str {
    FATES.iter().find(|(known, _)| *known == fate).map_or("?", |(_, name)| *name)
}

/// What was observed in each system, and what became of it: the sums are equal.
pub(crate) fn of_systems(session: &Session, account: &Account) -> Json {
    let mut systems: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
    let mut count = |binding: BindingIndex, what, rows: u64| {
        let system = session.plan.binding(binding).map(|found| session.system_name(found.system));
        let counts = systems.entry(system.unwrap_or("?")).or_default();
        *counts.entry(what).or_default() += rows;
    };
    for (binding, rows) in &account.observed {
        for what in ["observed"].into_iter().chain(FATES.iter().map(|(_, name)| *name)) {
            count(*binding, what, 0);
        }
        count(*binding, "observed", *rows);
    }
    for ((binding, fate), rows) in &account.ledger.0 {
        count(*binding, name(*fate), *rows);
    }
    json!(systems)
}

/// What became of all that was observed, over all systems.
pub(crate) fn of_fates(fates: &[(Disposition, u64)]) -> Json {
    let mut counts: BTreeMap<&str, u64> = FATES.iter().map(|(_, name)| (*name, 0)).collect();
    counts.extend(fates.iter().map(|(fate, rows)| (name(*fate), *rows)));
    counts.insert("observed", fates.iter().map(|(_, rows)| rows).sum());
    json!(counts)
}

/// What one run observed in one system of one entity, or of a child list, and what became of it.
pub(crate) struct Page {
    entity: String,
    system: String,
    observed: u64,
    fates: Vec<(&'static str, u64)>,
}

/// The pages of a run, in the order of the file.
pub(crate) fn of_run(session: &Session, run: &Run) -> Vec<Page> {
    let mut pages: BTreeMap<BindingIndex, Page> = BTreeMap::new();
    for (binding, fate, rows) in &run.ledger {
        let found = session.plan.binding(*binding);
        let page = pages.entry(*binding).or_insert_with(|| Page {
            entity: found.map_or("?", |found| session.entity_name(found.entity)).to_owned(),
            system: found.map_or("?", |found| session.system_name(found.system)).to_owned(),
            observed: 0,
            fates: Vec::new(),
        });
        page.observed += rows;
        page.fates.push((name(*fate), *rows));
    }
    pages.into_values().collect()
}

impl Page {
    /// `contacts crm  3 observed: 1 applied, 2 superseded`.
    pub(crate) fn line(&self) -> String {
        let fates = self
            .fates
            .iter()
            .map(|(name, rows)| format!("{} {}", words::count(*rows), name.replace('_', " ")));
        let fates: Vec<String> = fates.collect();
        let Self { entity, system, observed, .. } = self;
        format!("{entity} {system}  {} observed: {}", words::count(*observed), fates.join(", "))
    }

    /// The same for programs.
    pub(crate) fn json(&self) -> Json {
        let mut counts: BTreeMap<&str, u64> = FATES.iter().map(|(_, name)| (*name, 0)).collect();
        counts.extend(self.fates.iter().copied());
        counts.insert("observed", self.observed);
        json!({ "entity": self.entity, "system": self.system, "books": counts })
    }
}
