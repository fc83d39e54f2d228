//! Whether a lens loses anything: laws, values to try them on, and counterexamples.
//!
//! Every lens is lawful by construction (see [`crate::lens`]); what these functions measure is
//! *information*: where the hub must remember a tail, where the system's form must be kept, and
//! whether the cell says so.

use std::fmt;

pub use self::generate::generate;
use crate::{
    lens::{FieldType, Lens, Problem, convert::Conversion, problem::shown},
    value::Value,
};

mod generate;

/// A value on which a lens breaks its promise.
#[derive(Clone, Debug, PartialEq)]
pub struct Counterexample {
    /// The code that `check` reports: `map.not_invertible`, `map.lossy`, `map.incomplete` or
    /// `map.fight`.
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

impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.golden, &self.native, &self.back) {
            (Some(golden), Some(native), Some(back)) => write!(
                f,
                "writing {} and reading it back: {} gives {}",
                shown(golden),
                shown(native),
                shown(back)
            ),
            (None, Some(native), Some(back)) => {
                write!(f, "reading {} and writing it back gives {}", shown(native), shown(back))
            }
            (Some(golden), Some(native), None) => write!(
                f,
                "writing {} gives {}, which cannot be read back",
                shown(golden),
                shown(native)
            ),
            (Some(golden), None, _) => write!(f, "{} cannot be written", shown(golden)),
            (None, _, _) => f.write_str(self.law),
        }
    }
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

/// How many problems and counterexamples a report keeps.
const SAMPLE_MAX: usize = 3;

impl Report {
    fn refuse(&mut self, value: &Value, problem: Problem) {
        self.refused += 1;
        if self.problems.len() < SAMPLE_MAX {
            self.problems.push((value.clone(), problem));
        }
    }

    fn fail(&mut self, found: Counterexample) {
        if self.counterexamples.len() < SAMPLE_MAX {
            self.counterexamples.push(found);
        }
    }
}

/// Whether what is written reads back as itself, unless the cell declares otherwise, and whether
/// every value of the field can be written. A cell that is only ever written needs no proof.
///
/// # Errors
/// The smallest counterexample found: `map.not_invertible` for values that two of the hub's share
/// or that cannot be read at all, `map.lossy` for what comes back different, `map.incomplete` for
/// values of an enumeration that the cell does not name.
pub fn invertible(kind: &FieldType, lens: &Lens) -> Result<(), Box<Counterexample>> {
    let Some(compiled) = &lens.compiled else { return Ok(()) };
    if compiled.constant.is_some() {
        return Ok(());
    }
    if let Conversion::Table(table) = &compiled.conversion {
        if let Some(clash) = table.clash() {
            return Err(Box::new(Counterexample {
                code: "map.not_invertible",
                law: "each value of the system means one of the hub's",
                golden: Some(clash.golden.clone()),
                native: Some(clash.native.clone()),
                back: Some(clash.already.clone()),
            }));
        }
        let unmapped = values_of(kind).into_iter().find(|value| !table.maps(value));
        if let Some(golden) = unmapped {
            return Err(Box::new(Counterexample {
                code: "map.incomplete",
                law: "each of the hub's values can be written",
                golden: Some(golden),
                native: None,
                back: None,
            }));
        }
    }
    let values = generate(kind, 1, 400);
    values.iter().try_for_each(|golden| survives(lens, golden))
}

fn values_of(kind: &FieldType) -> Vec<Value> {
    match kind {
        FieldType::Enum(values) => values.iter().map(Value::text).collect(),
        FieldType::Bool => vec![Value::Bool(true), Value::Bool(false)],
        FieldType::Any
        | FieldType::Text
        | FieldType::Int
        | FieldType::Decimal
        | FieldType::Money { .. }
        | FieldType::Date
        | FieldType::Time
        | FieldType::Timestamp
        | FieldType::LocalTimestamp
        | FieldType::Email
        | FieldType::Phone { .. }
        | FieldType::Uuid
        | FieldType::Bytes
        | FieldType::Json
        | FieldType::Set
        | FieldType::Float
        | FieldType::Interval
        | FieldType::Ref => Vec::new(),
    }
}

/// A value that cannot be written is refused, so that nothing is lost: no counterexample.
fn survives(lens: &Lens, golden: &Value) -> Result<(), Box<Counterexample>> {
    let Ok(native) = lens.put0(golden) else { return Ok(()) };
    let lost = |code, law, back| {
        Err(Box::new(Counterexample {
            code,
            law,
            golden: Some(golden.clone()),
            native: Some(native.clone()),
            back,
        }))
    };
    let back = match lens.get0(&native) {
        Ok(back) => back,
        Err(_) if lens.is_modulo() => return Ok(()),
        Err(_) => return lost("map.not_invertible", "what is written can be read", None),
    };
    if back == *golden {
        return Ok(());
    }
    // A declared loss must at least come to rest.
    let again = || lens.put0(&back).and_then(|native| lens.get0(&native));
    let rests = lens.is_modulo() && (back.is_null() || again().is_ok_and(|again| again == back));
    if rests {
        return Ok(());
    }
    lost("map.lossy", "what is written reads back as itself", Some(back))
}

/// Writes and reads back each value of the hub (law PG), with and without the hub's memory.
pub fn round_trip(lens: &Lens, golden: &[Value]) -> Report {
    let mut report = Report::default();
    for value in golden {
        report.checked += 1;
        let native = match lens.put(value, None) {
            Ok(native) => native,
            Err(problem) => {
                report.refuse(value, problem);
                continue;
            }
        };
        let back = lens.get(&native, Some(value));
        if back.as_ref() == Ok(value) {
            let exact = lens.get0(&native).as_ref() == Ok(value);
            *(if exact { &mut report.exact } else { &mut report.remembered }) += 1;
        } else {
            report.fail(Counterexample {
                code: "map.lossy",
                law: "what is written reads back as itself",
                golden: Some(value.clone()),
                native: Some(native),
                back: back.ok(),
            });
        }
    }
    report
}

/// Reads and writes back each native value (law GP): an untouched row must not change.
pub fn keeps(lens: &Lens, natives: &[Value]) -> Report {
    let mut report = Report::default();
    for native in natives {
        report.checked += 1;
        let golden = match lens.get(native, None) {
            Ok(golden) => golden,
            Err(problem) => {
                report.refuse(native, problem);
                continue;
            }
        };
        let back = lens.put(&golden, Some(native));
        let same = back.as_ref().is_ok_and(|back| lens.normalise(back) == lens.normalise(native));
        if same {
            let exact = lens.put0(&golden).as_ref() == Ok(native);
            *(if exact { &mut report.exact } else { &mut report.remembered }) += 1;
        } else {
            report.fail(Counterexample {
                code: "map.lossy",
                law: "an untouched row is not rewritten",
                golden: None,
                native: Some(native.clone()),
                back: back.ok(),
            });
        }
    }
    report
}

/// Whether everything that `from` can hold survives in `to`: each of these values of the hub is
/// taken as `from` holds it.
///
/// # Errors
/// The first value that `to` refuses (`map.incomplete`) or changes (`map.lossy`) without saying
/// so.
pub fn carries(from: &Lens, to: &Lens, golden: &[Value]) -> Result<(), Box<Counterexample>> {
    for value in golden {
        let held = from.put0(value).and_then(|native| from.get0(&native));
        let Ok(held) = held else { continue };
        if to.put0(&held).is_err() {
            return Err(Box::new(Counterexample {
                code: "map.incomplete",
                law: "what one system holds can be written to the other",
                golden: Some(held),
                native: None,
                back: None,
            }));
        }
        survives(to, &held)?;
    }
    Ok(())
}

/// Whether two systems come to rest with each of these values, or rewrite each other for ever:
/// each writes the value, makes of it what its column does by itself, and is read back in turn.
///
/// # Errors
/// The first value over which they fight, as `map.fight`.
pub fn fixpoint(a: &Lens, b: &Lens, golden: &[Value]) -> Result<(), Box<Counterexample>> {
    golden.iter().try_for_each(|value| rests(a, b, value))
}

fn rests(a: &Lens, b: &Lens, start: &Value) -> Result<(), Box<Counterexample>> {
    const ROUND_COUNT: usize = 4;
    let mut golden = start.clone();
    let mut shadows: [Option<Value>; 2] = [None, None];
    for round in 0..ROUND_COUNT {
        for (lens, shadow) in [a, b].into_iter().zip(&mut shadows) {
            let Ok(written) = lens.put(&golden, shadow.as_ref()) else { return Ok(()) };
            let stands = lens.normalise(&written);
            let Ok(read) = lens.get(&stands, Some(&golden)) else { return Ok(()) };
            // The first round may bring a value into a form that both can hold.
            if round > 0 && (read != golden || shadow.as_ref() != Some(&stands)) {
                return Err(Box::new(Counterexample {
                    code: "map.fight",
                    law: "two systems come to rest",
                    golden: Some(golden),
                    native: Some(stands),
                    back: Some(read),
                }));
            }
            golden = read;
            *shadow = Some(stands);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
