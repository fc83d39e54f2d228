//! The small worlds that are explored, as data.

use std::fmt;

use syncline_core::plan::{Class, DeleteConflict, OnLeave, Plan, Policy};

use crate::draft::{self, Draft, Extras};

/// What may still happen that nobody can wait for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    /// Deeds of people.
    pub edits: u8,
    /// Answers that are lost.
    pub lost: u8,
    /// Writes that are refused.
    pub refused: u8,
    /// Writes that nobody answers, and that may be made later.
    pub slow: u8,
    /// Deaths of the process.
    pub crash: u8,
    /// Logs that are heard again.
    pub rewind: u8,
    /// Looks at what shows nothing new, to be heard later.
    pub looks: u8,
}

/// What people do.
#[derive(Clone, Copy, Debug, Default)]
pub struct Deeds {
    /// The fields that they edit.
    pub fields: &'static [u16],
    /// They delete rows.
    pub deletes: bool,
    /// They create rows where there is none.
    pub creates: bool,
    /// They count something up: the record is a stock, not a contact.
    pub counts: bool,
    /// They make the contact active or inactive: only active ones flow.
    pub toggles: bool,
}

/// How the world begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Nobody has anything.
    Empty,
    /// One record, the same everywhere.
    Linked,
}

/// One small world.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// What it is called.
    pub name: &'static str,
    /// Its systems.
    pub classes: &'static [Class],
    /// How conflicts are settled.
    pub policy: Policy,
    /// A delete against an edit.
    pub delete_conflict: DeleteConflict,
    /// How it begins.
    pub start: Start,
    /// What people do.
    pub deeds: Deeds,
    /// What may go wrong, and how often people act.
    pub budget: Budget,
    /// A system that writes names in capitals.
    pub capitals: Option<usize>,
    /// What becomes of a contact that is active no more.
    pub on_leave: OnLeave,
    /// Its faults are tried together in the quick tier, too.
    pub together: bool,
}

impl fmt::Display for Budget {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { edits, lost, refused, slow, crash, rewind, looks } = self;
        write!(to, "{edits} edits")?;
        let faults = [
            (lost, "lost"),
            (refused, "refused"),
            (slow, "slow"),
            (crash, "crash"),
            (rewind, "rewind"),
            (looks, "look"),
        ];
        for (count, name) in faults.iter().filter(|(count, _)| **count > 0) {
            write!(to, ", {count} {name}")?;
        }
        Ok(())
    }
}

impl Configuration {
    /// The same world with each fault alone.
    fn in_turn(self) -> Vec<Self> {
        let Budget { edits, lost, refused, slow, crash, rewind, looks } = self.budget;
        let none = Budget { edits, ..Budget::default() };
        let alone = [
            Budget { lost, ..none },
            Budget { refused, ..none },
            Budget { slow, ..none },
            Budget { crash, ..none },
            Budget { rewind, ..none },
            Budget { looks, ..none },
        ];
        let mut budgets: Vec<Budget> = alone.into_iter().filter(|it| *it != none).collect();
        if budgets.is_empty() {
            budgets.push(none);
        }
        if self.together {
            budgets.push(Budget { looks: 0, ..self.budget });
        }
        budgets.into_iter().map(|budget| Self { budget, ..self.clone() }).collect()
    }

    /// Its plan.
    pub fn plan(&self) -> Plan {
        draft::plan(&Draft {
            classes: self.classes.to_vec(),
            policy: self.policy.clone(),
            delete_conflict: self.delete_conflict,
            orders: false,
            extras: Extras {
                counters: self.deeds.counts,
                scope: self.deeds.toggles.then_some(self.on_leave),
                ..Extras::default()
            },
        })
    }
}

const NAME: &[u16] = &[1];
const NAME_AND_PHONE: &[u16] = &[1, 2];

const NOTHING: Deeds =
    Deeds { fields: &[], deletes: false, creates: false, counts: false, toggles: false };
const EDITS: Deeds = Deeds { fields: NAME, ..NOTHING };
const TWO_FIELDS: Deeds = Deeds { fields: NAME_AND_PHONE, ..NOTHING };
const LIVES: Deeds = Deeds { fields: NAME, deletes: true, creates: true, ..NOTHING };
const BIRTHS: Deeds = Deeds { fields: NAME, creates: true, ..NOTHING };
const COUNTS: Deeds = Deeds { counts: true, ..NOTHING };
const TOGGLES: Deeds = Deeds { fields: NAME, toggles: true, ..NOTHING };

const CALM: Budget =
    Budget { edits: 2, lost: 0, refused: 0, slow: 0, crash: 0, rewind: 0, looks: 0 };

const fn one_of_each(edits: u8) -> Budget {
    Budget { edits, lost: 1, refused: 0, slow: 1, crash: 1, rewind: 0, looks: 1 }
}

/// The small worlds with each fault alone, and the pairs of classes with all but old looks
/// together: explored to the end in a minute or two.
pub fn quick() -> Vec<Configuration> {
    all().into_iter().flat_map(Configuration::in_turn).collect()
}

/// The small worlds: two edits and each fault once.
pub fn all() -> Vec<Configuration> {
    use Class::{Blind, Log, Marked, Plain, Versioned};
    let base = Configuration {
        name: "",
        classes: &[],
        policy: Policy::Priority,
        delete_conflict: DeleteConflict::UpdateWins,
        start: Start::Linked,
        deeds: EDITS,
        budget: one_of_each(2),
        capitals: None,
        on_leave: OnLeave::Freeze,
        together: false,
    };
    let with = |name, classes| Configuration { name, classes, ..base.clone() };
    let pair = |name, classes| Configuration { together: true, ..with(name, classes) };
    vec![
        pair("log-log", &[Log, Log]),
        pair("log-marked", &[Log, Marked]),
        pair("marked-marked", &[Marked, Marked]),
        pair("plain-plain", &[Plain, Plain]),
        pair("versioned-versioned", &[Versioned, Versioned]),
        with("log-plain", &[Log, Plain]),
        with("marked-versioned", &[Marked, Versioned]),
        with("blind-blind", &[Blind, Blind]),
        Configuration { deeds: TWO_FIELDS, ..with("two-fields-marked", &[Marked, Marked]) },
        Configuration { deeds: TWO_FIELDS, ..with("two-fields-plain", &[Plain, Plain]) },
        Configuration { policy: Policy::Newest, ..with("newest-log", &[Log, Log]) },
        Configuration { policy: Policy::Newest, ..with("newest-marked", &[Marked, Plain]) },
        Configuration { deeds: LIVES, ..with("lives-log", &[Log, Log]) },
        Configuration { deeds: LIVES, ..with("lives-marked", &[Marked, Marked]) },
        Configuration { deeds: LIVES, ..with("lives-plain", &[Plain, Plain]) },
        Configuration {
            deeds: LIVES,
            delete_conflict: DeleteConflict::DeleteWins,
            ..with("deletes-win-marked", &[Marked, Marked])
        },
        Configuration {
            start: Start::Empty,
            deeds: BIRTHS,
            ..with("births-marked", &[Marked, Marked])
        },
        Configuration {
            start: Start::Empty,
            deeds: BIRTHS,
            ..with("births-plain", &[Plain, Plain])
        },
        Configuration { start: Start::Empty, deeds: BIRTHS, ..with("births-log", &[Log, Log]) },
        Configuration { capitals: Some(1), ..with("capitals-log", &[Marked, Log]) },
        Configuration { capitals: Some(1), ..with("capitals-marked", &[Marked, Marked]) },
        Configuration { deeds: COUNTS, ..with("counts-log", &[Log, Log]) },
        Configuration { deeds: COUNTS, ..with("counts-marked", &[Marked, Marked]) },
        Configuration { deeds: TOGGLES, ..with("scope-freeze", &[Marked, Marked]) },
        Configuration {
            deeds: TOGGLES,
            on_leave: OnLeave::Delete,
            ..with("scope-delete", &[Log, Marked])
        },
        Configuration {
            deeds: TOGGLES,
            on_leave: OnLeave::Detach,
            ..with("scope-detach", &[Marked, Plain])
        },
        Configuration { budget: Budget { rewind: 1, ..CALM }, ..with("rewind-log", &[Log, Log]) },
        Configuration { budget: CALM, ..with("three-marked", &[Marked, Marked, Marked]) },
        Configuration { budget: CALM, ..with("three-mixed", &[Log, Marked, Plain]) },
    ]
}
