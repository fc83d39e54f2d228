//! What makes a history: drawn from a seed, and made smaller by shrinking.

use syncline_core::plan::{Class, DeleteConflict, Policy};

use crate::{
    draft::Draft,
    people::{self, Deed},
    prng::Chance,
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
}

impl Fault {
    /// All kinds.
    pub const ALL: [Self; 5] = [Self::Refused, Self::Lost, Self::Zombie, Self::Cut, Self::Crash];

    fn place(self, weather: &mut Weather) -> &mut u32 {
        match self {
            Self::Refused => &mut weather.refused,
            Self::Lost => &mut weather.lost,
            Self::Zombie => &mut weather.zombie,
            Self::Cut => &mut weather.cut,
            Self::Crash => &mut weather.crash,
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
    /// Draws a history from a seed: which features and faults it has, and how strong (swarm testing).
    pub fn draw(seed: u64) -> Self {
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
            draft: Draft { classes, policy, delete_conflict, orders },
            deeds: drawn,
            moves,
            weather,
            processes: if chance.percent(20) { 2 } else { 1 },
            capitals: chance.percent(30).then(|| chance.below(count)),
        }
    }
}
