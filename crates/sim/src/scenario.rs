//! A scenario as data: what there is, what happens, and what must be seen.
//!
//! The files are in `crates/sim/scenarios`, a stage with its scenarios in each. Two executors play them:
//! [`simulated::Simulated`], with the production loops over simulated systems, and the tests of the
//! program, with the real one on PostgreSQL, MariaDB and SQLite. Both are a [`House`], and [`play`] asks
//! both the same. Every scenario ends with the curtain: two more runs write nothing, and a full
//! comparison finds no difference that nobody knows a reason for.

use std::fmt;

mod conflicts;
mod list;
mod parse;
pub mod simulated;
mod typed;

pub use list::{FILES, all, named};
pub use parse::{Complaint, parse};

/// How many systems there are: `a`, `b` and `c`, in the order of their priority.
pub const SYSTEMS: usize = 3;
/// Their names.
pub const NAMES: [&str; SYSTEMS] = ["a", "b", "c"];

/// A stage, and what happens on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// The fact that it establishes.
    pub name: String,
    /// The tables, the same in every system.
    pub tables: Vec<Table>,
    /// First rows, by system and table, one cell for each column.
    pub rows: Vec<(usize, usize, Vec<Cell>)>,
    /// What stands under `entities:` in the configuration, and `defaults:` if there is any.
    pub mapping: String,
    /// Our writes leave marks in every system.
    pub is_marked: bool,
    /// Values that a column of a system does not take: system, table, column, value.
    pub refused: Vec<(usize, usize, usize, String)>,
    /// The steps, with their lines.
    pub steps: Vec<(usize, Step)>,
}

/// A value as it is typed; `None` is null.
pub type Cell = Option<String>;

/// A table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Its columns.
    pub columns: Vec<Column>,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
    /// It is the key of the table.
    pub is_key: bool,
    /// No value occurs twice, and none is null.
    pub is_unique: bool,
    /// It holds keys of this table.
    pub refers_to: Option<usize>,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A number that the system gives.
    Numbered,
    /// Text.
    Text,
    /// A whole number.
    Whole,
    /// When the row last changed, by whoever wrote it.
    Moment,
}

/// What happens, or what must be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Somebody works in these systems.
    Deed {
        /// Where.
        systems: Vec<usize>,
        /// In which table.
        table: usize,
        /// What they do.
        deed: Deed,
    },
    /// `syncline run`.
    Run(Run),
    /// `syncline run`, killed with `kill -9`.
    Killed {
        /// In the middle of its writes to this system.
        system: usize,
        /// When.
        moment: Moment,
    },
    /// A person settles a conflict.
    Resolve {
        /// Which one.
        number: usize,
        /// Whose value stands.
        system: usize,
    },
    /// A person lets through what a guard stopped.
    Approve(usize),
    /// A person answers a guard that nothing is to happen.
    Dismiss(usize),
    /// These systems show these rows: everything but numbered keys and moments, or one column.
    Show {
        /// Where.
        systems: Vec<usize>,
        /// Which table.
        table: usize,
        /// Only this column.
        column: Option<usize>,
        /// One line each, cells parted by a bar.
        rows: Vec<String>,
    },
    /// All conflicts there ever were: `phone P0: a=P1 b=P2, a by priority`.
    Conflicts(Vec<String>),
    /// What is set aside: `map.unknown_value a:11`, `write.check -> b`.
    Aside(Vec<String>),
    /// Some entry of the history says all of this.
    Told(Vec<String>),
}

/// What somebody does in a system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// A new row, with these values.
    Create(Vec<(usize, Cell)>),
    /// The row with this unique value gets these.
    Edit(String, Vec<(usize, Cell)>),
    /// The row with this unique value goes.
    Delete(String),
}

/// A run to its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// What it is told.
    pub arguments: Vec<String>,
    /// What goes wrong.
    pub fault: Option<(usize, Fault)>,
    /// How it ends.
    pub ended: Ended,
}

/// How a run ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Its number for the shell.
    pub exit: u8,
    /// How many rows it wrote in each system.
    pub writes: [u64; SYSTEMS],
}

/// What goes wrong on the way to a system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It cannot be reached.
    Away,
    /// The first write is made, and its answer is lost.
    LostAnswer,
    /// The first write never arrives.
    LostWrite,
    /// The system dies before the first write is made, and is there again after the run.
    DiesBefore,
    /// It dies after that, and before anybody hears of it.
    DiesAfter,
}

/// When a process is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// It is about to write, and nothing of it has arrived.
    BeforeWrite,
    /// It has written, and does not know it.
    BeforeAnswer,
}

/// Where a scenario is played.
pub trait House {
    /// Somebody works in a system.
    fn act(&mut self, system: usize, table: &Table, deed: &Deed) -> Result<(), String>;
    /// A run to its end.
    fn run(&mut self, run: &Run) -> Result<Ended, String>;
    /// A run that is killed.
    fn kill(&mut self, system: usize, moment: Moment) -> Result<(), String>;
    /// A person settles a conflict.
    fn resolve(&mut self, number: usize, system: usize) -> Result<(), String>;
    /// A person lets through what a guard stopped.
    fn approve(&mut self, number: usize) -> Result<(), String>;
    /// A person answers a guard that nothing is to happen.
    fn dismiss(&mut self, number: usize) -> Result<(), String>;
    /// The rows of a table, these columns of them, cells parted by a bar.
    fn rows(&mut self, system: usize, table: &Table, columns: &[usize]) -> Vec<String>;
    /// All conflicts there ever were.
    fn conflicts(&mut self) -> Vec<String>;
    /// What is set aside.
    fn aside(&mut self) -> Vec<String>;
    /// The history.
    fn told(&mut self) -> Vec<String>;
    /// How many differences nobody knows a reason for.
    fn unexplained(&mut self) -> Result<u64, String>;
}

impl Table {
    /// The column by whose values people name rows: the first that is unique, or the key.
    pub fn naming(&self) -> Option<usize> {
        let unique = self.columns.iter().position(|column| column.is_unique);
        unique.or_else(|| self.columns.iter().position(|column| column.is_key))
    }

    /// What is shown of it.
    fn shown(&self) -> Vec<usize> {
        let is_shown = |column: &Column| match column.kind {
            Kind::Numbered | Kind::Moment => false,
            Kind::Text | Kind::Whole => true,
        };
        let columns = self.columns.iter().enumerate();
        columns.filter(|(_, column)| is_shown(column)).map(|(at, _)| at).collect()
    }
}

/// Plays a scenario in a house.
///
/// # Errors
/// The first thing that is not as it should be, with its line.
pub fn play(scenario: &Scenario, house: &mut dyn House) -> Result<(), String> {
    for (line, step) in &scenario.steps {
        take(scenario, step, house).map_err(|found| format!("line {line}: {found}"))?;
    }
    curtain(house).map_err(|found| format!("the curtain: {found}"))
}

fn take(scenario: &Scenario, step: &Step, house: &mut dyn House) -> Result<(), String> {
    let table = |at: &usize| scenario.tables.get(*at).ok_or("no such table");
    match step {
        Step::Deed { systems, table: at, deed } => {
            systems.iter().try_for_each(|system| house.act(*system, table(at)?, deed))
        }
        Step::Run(run) => same("the run", &house.run(run)?, &run.ended),
        Step::Killed { system, moment } => house.kill(*system, *moment),
        Step::Resolve { number, system } => house.resolve(*number, *system),
        Step::Approve(number) => house.approve(*number),
        Step::Dismiss(number) => house.dismiss(*number),
        Step::Show { systems, table: at, column, rows } => {
            let table = table(at)?;
            let columns = column.map_or_else(|| table.shown(), |column| vec![column]);
            let mut wanted = rows.clone();
            wanted.sort();
            for system in systems {
                let mut found = house.rows(*system, table, &columns);
                found.sort();
                let name = NAMES.get(*system).copied().unwrap_or_default();
                same(&format!("rows of {name}"), &found, &wanted)?;
            }
            Ok(())
        }
        Step::Conflicts(wanted) => same("conflicts", &house.conflicts(), wanted),
        Step::Aside(wanted) => {
            let (mut found, mut wanted) = (house.aside(), wanted.clone());
            found.sort();
            wanted.sort();
            same("set aside", &found, &wanted)
        }
        Step::Told(words) => {
            let lines: Vec<String> = house.told().iter().map(|it| it.to_lowercase()).collect();
            let is_told = lines
                .iter()
                .any(|line| words.iter().all(|word| line.contains(&word.to_lowercase())));
            let nobody = || format!("nobody says {words:?}:\n{}", lines.join("\n"));
            if is_told { Ok(()) } else { Err(nobody()) }
        }
    }
}

/// Two more runs write nothing, and everything that differs is explained.
fn curtain(house: &mut dyn House) -> Result<(), String> {
    for _ in 0..2 {
        let ended = house.run(&Run::default())?;
        same("writes of a last run", &ended.writes, &[0; SYSTEMS])?;
        if !matches!(ended.exit, 0 | 4) {
            return Err(format!("a last run ends with {}", ended.exit));
        }
    }
    same("differences without a reason", &house.unexplained()?, &0)
}

fn same<T: PartialEq + fmt::Debug>(what: &str, found: &T, wanted: &T) -> Result<(), String> {
    if found == wanted {
        return Ok(());
    }
    Err(format!("{what}: {found:?}, and not {wanted:?}"))
}

#[cfg(test)]
mod tests;
