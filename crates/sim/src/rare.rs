//! What few worlds have, drawn each by itself; and what of it has really happened in a world.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use syncline_core::plan::Class;

use crate::{
    people::{self, Deed},
    prng::Chance,
    script::Script,
};

macro_rules! rare {
    ($($field:ident: $percent:literal, $told:literal;)*) => {
        /// What few worlds have. A world without any of it is one that `Script::later` draws.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Rare {
            $(#[doc = $told] pub $field: bool,)*
        }

        impl Rare {
            /// Draws what a world has. What came later is drawn apart: no earlier world changes.
            fn draw(chance: &mut Chance) -> Self {
                Self { $($field: $percent > 0 && chance.percent($percent),)* }
            }

            /// The same with one thing less, for each thing that there is.
            pub fn with_less(self) -> Vec<Self> {
                let mut all = Vec::new();
                $(if self.$field {
                    all.push(Self { $field: false, ..self });
                })*
                all
            }

            /// What a world has, in words.
            pub fn told(self) -> Vec<&'static str> {
                let all = [$((self.$field, $told)),*];
                all.iter().filter(|(has, _)| *has).map(|(_, told)| *told).collect()
            }

            /// The names of everything rare.
            pub const NAMES: &[&str] = &[$(stringify!($field)),*];

            /// A world has this, by its name.
            pub fn set(&mut self, name: &str) {
                $(if name == stringify!($field) {
                    self.$field = true;
                })*
            }
        }
    };
}

rare! {
    many_systems: 5, "Up to six systems.";
    crowd: 4, "So many rows that batches are decided beside each other.";
    company: 5, "Two or three processes, whatever else there is but logs.";
    full_disk: 5, "The hub's disk is full for a while.";
    clock: 5, "The hub's clock jumps.";
    keys_again: 5, "A system gives the key of its newest row, once that is gone, to the next one.";
    old_looks: 5, "Polls and scans of systems with versions read a copy that lags behind.";
    bursts: 5, "Now and then a system refuses nearly everything for a while.";
    pauses: 5, "People pause systems and resume them.";
    retries: 5, "A person tries again what was refused.";
    hub_backup: 3, "The hub is restored from an older backup.";
    system_backup: 3, "A system without a log is restored to an older state, and that counts as edits.";
    files: 4, "Blind systems are read and written as a whole.";
    ears: 0, "Systems without a log tell which rows changed, and are read by nothing else.";
    carries: 0, "What is heard is decided together with the writes that it leads to.";
    house: 0, "Its processes take turns to decide, as the workers of one daemon do.";
    rollbacks: 0, "A person takes back what was changed.";
    rules: 0, "Some values are written nowhere.";
    grace: 0, "Deletes wait a while before they are passed on.";
    limits: 0, "What one user changes beyond a limit waits for a person.";
    quiet_ears: 0, "They do not tell of rows that we wrote, and that nothing else has changed with it.";
    unreadable: 0, "People leave what nobody can read, and type it anew in the end.";
}

impl Script {
    /// Draws a history from a seed: which features and faults it has, and how strong (swarm testing).
    pub fn draw(seed: u64) -> Self {
        let script = Self::later(seed);
        // Drawn apart, so that the world without anything rare stays the one that it always was.
        let mut chance = Chance::new(seed ^ 0xbebe);
        let mut rare = Rare::draw(&mut chance);
        rare.ears = Chance::new(seed ^ 0xea25).percent(10);
        rare.quiet_ears = rare.ears && Chance::new(seed ^ 0x0e17).percent(50);
        rare.carries = rare.ears && Chance::new(seed ^ 0xca44).percent(60);
        rare.rollbacks = Chance::new(seed ^ 0x40b4).percent(6);
        rare.rules = Chance::new(seed ^ 0x721e).percent(5);
        rare.grace = Chance::new(seed ^ 0x0144).percent(5);
        rare.limits = Chance::new(seed ^ 0x015d).percent(5);
        rare.unreadable = Chance::new(seed ^ 0x6a4b).percent(5);
        rare.house = rare.company && Chance::new(seed ^ 0x40e5).percent(70);
        script.with_rare(rare, &mut chance)
    }

    /// The same world with something rare.
    pub fn with_rare(mut self, rare: Rare, chance: &mut Chance) -> Self {
        self.rare = rare;
        if rare.many_systems {
            self.add_systems(chance);
        }
        let logs = self.draft.classes.iter().filter(|class| **class == Class::Log).count();
        // Without marks in a log nobody knows what was counted before the backup, or since.
        self.rare.hub_backup &= !self.draft.extras.counters || logs == self.draft.classes.len();
        self.rare.system_backup &= !self.draft.extras.counters && logs < self.draft.classes.len();
        // Nothing tells that a system went back.
        self.rare.ears = (rare.ears || rare.quiet_ears || rare.carries) && !self.rare.system_backup;
        self.rare.quiet_ears &= self.rare.ears;
        self.rare.carries &= self.rare.ears;
        // Whom people bring back is not deleted for good.
        self.last_day = self.last_day.filter(|_| !rare.rollbacks);
        if rare.crowd {
            self.add_crowd(chance);
        }
        // A program would read it.
        self.rare.unreadable &= !self.draft.extras.programs;
        if self.rare.unreadable {
            self.add_unreadable();
        }
        // A log has one reader.
        self.rare.company |= rare.house;
        if self.rare.company && !self.draft.classes.contains(&Class::Log) {
            self.processes = 2 + chance.below(2);
        }
        self.rare.house &= self.processes > 1;
        self.deeds.sort_by_key(|(at, _, _)| *at);
        self
    }

    fn add_systems(&mut self, chance: &mut Chance) {
        let classes = &mut self.draft.classes;
        let known = classes.clone();
        let count = 5 + chance.below(2);
        while classes.len() < count {
            // What a world promises rests on the classes that it has.
            classes.extend(chance.pick(&known).copied());
        }
        for _ in 0..chance.below(8) {
            let (at, system) =
                (chance.below(self.moves), known.len() + chance.below(count - known.len()));
            self.deeds.push((at, system, people::draw(chance, 6, self.draft.orders)));
        }
    }

    /// Now and then somebody leaves what nobody can read.
    fn add_unreadable(&mut self) {
        let mut chance = Chance::new(self.seed ^ 0x6a4c);
        let count = self.draft.classes.len();
        for _ in 0..=chance.below(4) {
            let (at, system) = (chance.below(self.moves), chance.below(count));
            self.deeds.push((at, system, Deed::Unreadable(chance.below(4))));
        }
        // Who says something that nobody understands is not deleted.
        self.last_day = None;
    }

    /// Many contacts, made within a short time in one system or in two.
    fn add_crowd(&mut self, chance: &mut Chance) {
        let (from, count) = (chance.below(self.moves / 2), self.draft.classes.len());
        let systems = [chance.below(count), chance.below(count)];
        for number in 0..8 + chance.below(12) {
            let system = chance.pick(&systems).copied().unwrap_or_default();
            let email = format!("c{}@example.com", number % 12);
            self.deeds.push((from + number / 4, system, Deed::Create(email)));
        }
    }
}

/// How often what has happened in a world. Shared by everything in it.
#[derive(Clone, Debug, Default)]
pub struct Happened(Arc<Mutex<BTreeMap<&'static str, u64>>>);

impl Happened {
    /// It happened once more.
    pub fn note(&self, what: &'static str) {
        *self.lock().entry(what).or_default() += 1;
    }

    /// How often what happened.
    pub fn all(&self) -> BTreeMap<&'static str, u64> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
