//! What belongs together in two systems: tables, columns, keys and codes, guessed from names and
//! from rows, each guess with its evidence.
//!
//! Nothing here asks a system or a file: [`propose`] is a function of what was sampled. Values are
//! compared as the hub would compare them, through the very lenses that the file would name, so what
//! is proposed is what a plan would find.

mod codes;
mod entity;
mod evidence;
mod facts;
mod lines;
pub(crate) mod names;
mod pairs;
mod phones;
mod reading;
mod rows;
mod sensitive;
mod split;
#[cfg(test)]
mod tests;
pub(crate) mod write;

use syncline_core::{Text, value::Value};
use syncline_ports::catalog::Table;

pub(crate) use self::pairs::propose;

/// A table, with rows of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sampled {
    /// As its system describes it.
    pub(crate) table: Table,
    /// The columns that were read, by their names in the system; of a REST system paths.
    pub(crate) columns: Vec<Text>,
    /// What they hold, a row each.
    pub(crate) rows: Vec<Vec<Value>>,
    /// These are all rows.
    pub(crate) is_whole: bool,
}

/// A system, with its tables.
#[derive(Clone, Debug, Default)]
pub(crate) struct Side {
    /// Its name in the file.
    pub(crate) system: String,
    /// Columns are paths in items, and tables are resources.
    pub(crate) is_rest: bool,
    /// All tables that were looked at.
    pub(crate) tables: Vec<Sampled>,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    /// The zone of values that carry none.
    pub(crate) timezone: Option<String>,
    /// Only what is at least so certain is proposed, from 0 to 1.
    pub(crate) min: f64,
}

/// How one system writes a field.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Cell {
    /// The column, or several.
    pub(crate) columns: Vec<Text>,
    /// Settings, as the file writes them: `("format", "\"%Y%m%d\"")`.
    pub(crate) settings: Vec<(&'static str, String)>,
}

/// A field that both tables have.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Field {
    /// Its name in the file.
    pub(crate) name: String,
    /// Keys of the field before its cells: `("type", "date")`.
    pub(crate) keys: Vec<(&'static str, String)>,
    /// How each side writes it.
    pub(crate) cells: [Cell; 2],
    /// From 0 to 1.
    pub(crate) confidence: f64,
    /// Why, in words.
    pub(crate) evidence: String,
    /// Rows find each other by it.
    pub(crate) is_key: bool,
    /// A person should look at it before it is used.
    pub(crate) to_confirm: bool,
}

/// A column that must not travel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sensitive {
    /// Of which side: 0 or 1.
    pub(crate) side: usize,
    /// The column.
    pub(crate) column: Text,
    /// Why.
    pub(crate) why: &'static str,
}

/// Two tables that hold the same records.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Pair {
    /// The entity's name in the file.
    pub(crate) name: String,
    /// The tables.
    pub(crate) tables: [Text; 2],
    /// Key columns of each, where the table has no primary key.
    pub(crate) keys: [Vec<Text>; 2],
    /// From 0 to 1.
    pub(crate) confidence: f64,
    /// How many rows were sampled of each.
    pub(crate) rows: [usize; 2],
    /// How many rows found each other.
    pub(crate) matched: usize,
    /// Fields that are certain enough, the key first.
    pub(crate) fields: Vec<Field>,
    /// Fields that are not.
    pub(crate) doubtful: Vec<Field>,
    /// Columns that nothing belongs to.
    pub(crate) unpaired: [Vec<Text>; 2],
    /// Columns that must not travel.
    pub(crate) sensitive: Vec<Sensitive>,
    /// What else a person should know.
    pub(crate) remarks: Vec<String>,
    /// Child rows that travel with these records.
    pub(crate) lines: Option<Box<Lines>>,
}

/// Tables of child rows that belong together.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Lines {
    /// The columns that hold the parent's key.
    pub(crate) parents: [Text; 2],
    /// The tables; the key tells the lines of one record apart.
    pub(crate) pair: Pair,
}

/// What belongs together, and what does not.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Proposal {
    /// Pairs of tables that are certain enough, parents first.
    pub(crate) pairs: Vec<Pair>,
    /// Pairs that are not.
    pub(crate) doubtful: Vec<Pair>,
    /// Tables without a partner.
    pub(crate) unpaired: [Vec<Text>; 2],
}
