//! Whether a lens loses anything: laws, values to try them on, and counterexamples.

use crate::{
    lens::{FieldType, Lens, Problem},
    value::Value,
};

/// A value on which a lens breaks its promise.
#[derive(Clone, Debug, PartialEq)]
pub struct Counterexample {
    /// The code that `check` reports: `map.not_invertible`, `map.lossy`, `map.incomplete`.
    pub code: &'static str,
    /// The law, in a few words.
    pub law: &'static str,
    /// What the hub held.
    pub golden: Option<Value>,
    /// What was written, or stood there.
    pub native: Option<Value>,
    /// What came back.
    pub back: Option<Value>,
}

/// What a run over many values found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// How many values were tried.
    pub checked: usize,
    /// How many came back exactly, without memory.
    pub exact: usize,
    /// How many came back only because the hub remembers, or the system's form is kept.
    pub remembered: usize,
    /// How many were refused.
    pub refused: usize,
    /// The first few refusals, each with its value.
    pub problems: Vec<(Value, Problem)>,
    /// The first few broken laws.
    pub counterexamples: Vec<Counterexample>,
}

/// Whether what is written reads back as itself, unless the cell declares otherwise.
///
/// # Errors
/// The smallest counterexample found.
pub fn invertible(_kind: &FieldType, _lens: &Lens) -> Result<(), Counterexample> {
    Ok(())
}

/// Hostile values of a type: the same for the same seed.
pub fn generate(_kind: &FieldType, _seed: u64, _count: usize) -> Vec<Value> {
    Vec::new()
}

/// Writes and reads back each value of the hub.
pub fn round_trip(_lens: &Lens, _golden: &[Value]) -> Report {
    Report::default()
}

/// Reads and writes back each native value: an untouched row must not change.
pub fn keeps(_lens: &Lens, _natives: &[Value]) -> Report {
    Report::default()
}

/// Whether every value that `from` can hold survives in `to`.
///
/// # Errors
/// The first value that does not.
pub fn carries(_from: &Lens, _to: &Lens, _values: &[Value]) -> Result<(), Counterexample> {
    Ok(())
}

/// Whether two systems come to rest with each of these values, or rewrite each other for ever.
///
/// # Errors
/// The first value over which they fight.
pub fn fixpoint(_a: &Lens, _b: &Lens, _values: &[Value]) -> Result<(), Counterexample> {
    Ok(())
}
