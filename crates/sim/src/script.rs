//! What makes a history: drawn from a seed, and made smaller by shrinking.

use syncline_core::{
    mutant::Mutant,
    plan::{Class, DeleteConflict, OnLeave, Policy},
};

use crate::{
    draft::{Draft, Extras},
    people::{self, Deed},
    prng::Chance,
    rare::Rare,
    system::Weather,
};

/// What makes a history: everything is drawn from it, and shrinking makes it smaller.
#[derive(Clone, Debug)]
pub struct Script {
    /// The seed of everything that is not listed here.
    pub seed: u64,
    /// The systems and rules.
    pub draft: Draft,
    /// What people do, and when: before this move of the storm, in this system.
    pub deeds: Vec<(usize, usize, Deed)>,
    /// How many moves the storm has.
    pub moves: usize,
    /// How bad it is.
    pub weather: Weather,
    /// How many processes work on the hub at once.
    pub processes: usize,
    /// The system that writes names in capitals.
    pub capitals: Option<usize>,
    /// Once everything has come to rest, all contacts are deleted in this system, in the same
    /// weather: none of them may come back.
    pub last_day: Option<usize>,
    /// What few worlds have.
    pub rare: Rare,
    /// What is wrong on purpose.
    pub mutant: Option<Mutant>,
}

/// One kind of fault, to be switched off by itself.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// See [`Weather::refused`].
    Refused,
    /// See [`Weather::lost`].
    Lost,
    /// See [`Weather::zombie`].
    Zombie,
    /// See [`Weather::cut`].
    Cut,
    /// See [`Weather::crash`].
    Crash,
    /// See [`Weather::late`].
    Late,
    /// See [`Weather::twice`].
    Twice,
}

impl Fault {
    /// All kinds.
    pub const ALL: [Self; 7] =
        [Self::Refused, Self::Lost, Self::Zombie, Self::Cut, Self::Crash, Self::Late, Self::Twice];

    fn place(self, weather: &mut Weather) -> &mut u32 {
        match self {
            Self::Refused => &mut weather.refused,
            Self::Lost => &mut weather.lost,
            Self::Zombie => &mut weather.zombie,
            Self::Cut => &mut weather.cut,
            Self::Crash => &mut weather.crash,
            Self::Late => &mut weather.late,
            Self::Twice => &mut weather.twice,
        }
    }

    /// What happens.
    pub fn name(self) -> &'static str {
        match self {
            Self::Refused => "calls are refused",
            Self::Lost => "answers are lost",
            Self::Zombie => "work is done long after it was given up",
            Self::Cut => "scans are cut",
            Self::Crash => "processes die",
            Self::Late => "people commit late",
            Self::Twice => "requests arrive twice",
        }
    }

    /// How strong it is, in percent.
    pub fn get(self, weather: &Weather) -> u32 {
        *self.place(&mut weather.clone())
    }

    /// Switches it off.
    pub fn clear(self, weather: &mut Weather) {
        *self.place(weather) = 0;
    }
}

impl Script {
    /// Draws a world with everything that is not rare.
    pub fn later(seed: u64) -> Self {
        let mut script = Self::wider(seed);
        // Drawn apart, as below.
        let mut chance = Chance::new(seed ^ 0x7c7c);
        let draft = &mut script.draft;
        let classes = &draft.classes;
        let count = classes.len();
        draft.extras.loose = chance.percent(20);
        let alone = script.processes == 1;
        draft.extras.programs = chance.percent(10) && alone && script.capitals.is_none();
        draft.extras.proxies = chance.percent(15) && !draft.extras.loose;
        draft.extras.webhooks = chance.percent(20) && alone;
        draft.extras.rewinds = chance.percent(20) && classes.contains(&Class::Log);
        draft.extras.quiet_end = chance.percent(50);
        if chance.percent(20) {
            script.weather = Weather::default();
        }
        script.weather.twice = if draft.extras.proxies { 15 } else { 0 };
        if chance.percent(25) {
            let deeds = 4 + chance.below(12);
            let quarrel = people::quarrel(&mut chance, deeds, script.moves, count);
            script.deeds.extend(quarrel);
            script.deeds.sort_by_key(|(at, _, _)| *at);
        }
        script
    }

    /// Draws a world with extras.
    pub fn wider(seed: u64) -> Self {
        let mut script = Self::plain(seed);
        // Drawn apart, so that the plain world of a seed stays the one that it always was.
        let mut chance = Chance::new(seed ^ 0x3c3c);
        let exact = |class: &Class| matches!(class, Class::Log | Class::Marked);
        let leaves =
            [None, None, Some(OnLeave::Freeze), Some(OnLeave::Detach), Some(OnLeave::Delete)];
        let extras = Extras {
            lines: chance.percent(40) && script.draft.orders,
            scope: chance.pick(&leaves).copied().flatten(),
            counters: chance.percent(40) && script.draft.classes.iter().all(exact),
            manual: chance.percent(25),
            guards: chance.percent(25),
            ..Extras::default()
        };
        let count = script.draft.classes.len();
        for _ in 0..chance.below(12) {
            let (at, system) = (chance.below(script.moves), chance.below(count));
            if let Some(deed) = people::draw_extra(&mut chance, extras) {
                script.deeds.push((at, system, deed));
            }
        }
        script.deeds.sort_by_key(|(at, _, _)| *at);
        script.draft.extras = extras;
        script.weather.late = if chance.percent(50) { chance.below(30) as u32 } else { 0 };
        script.last_day = chance.percent(30).then(|| chance.below(count));
        script
    }

    /// Draws a plain world.
    pub fn plain(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let all = [Class::Marked, Class::Plain, Class::Versioned, Class::Log, Class::Blind];
        let count = 2 + chance.below(3);
        // Half of the worlds have one class only: their guarantees are the clearest.
        let only = if chance.percent(50) { Some(chance.below(all.len())) } else { None };
        let classes: Vec<Class> = (0..count)
            .filter_map(|_| all.get(only.unwrap_or_else(|| chance.below(all.len()))).copied())
            .collect();
        let policy = match chance.below(3) {
            0 => Policy::Newest,
            _ => Policy::Priority,
        };
        let delete_conflict = match chance.below(3) {
            0 => DeleteConflict::Priority,
            1 => DeleteConflict::DeleteWins,
            _ => DeleteConflict::UpdateWins,
        };
        let mut dice = |most: usize| if chance.percent(50) { 0 } else { chance.below(most) as u32 };
        let weather = Weather {
            refused: dice(20),
            lost: dice(20),
            zombie: dice(10),
            cut: dice(30),
            crash: dice(4),
            late: 0,
            twice: 0,
        };
        let orders = chance.percent(40);
        let moves = 40 + chance.below(400);
        let deeds = 1 + chance.below(14);
        let mut drawn: Vec<(usize, usize, Deed)> = (0..deeds)
            .map(|_| {
                (chance.below(moves), chance.below(count), people::draw(&mut chance, 6, orders))
            })
            .collect();
        drawn.sort_by_key(|(at, _, _)| *at);
        Self {
            seed,
            draft: Draft { classes, policy, delete_conflict, orders, extras: Extras::default() },
            deeds: drawn,
            moves,
            weather,
            processes: if chance.percent(20) { 2 } else { 1 },
            capitals: chance.percent(30).then(|| chance.below(count)),
            last_day: None,
            rare: Rare::default(),
            mutant: None,
        }
    }
}
