//! Lenses: how one system writes the hub's value of one field, in both directions.
//!
//! A cell says how *that system writes*, so reading is parsing, writing is printing, and the
//! inverse is automatic. Two combinators make any pair of converters lawful (`correctness.md`
//! 4.1): writing *keeps* the system's own presentation where it already means the same, and
//! reading *remembers* what the hub knew beyond what the system can hold. What a lens cannot write
//! exactly it refuses, unless the cell declares the loss.

use std::sync::Arc;

pub use self::spec::{
    Ambiguous, Case, CellCurrency, CellSpec, FieldType, NativeKind, PhoneFormat, Rounding, Split,
    Unit,
};
use self::{clean::Clean, convert::Conversion};
pub use crate::error::Problem;
use crate::value::Value;

mod clean;
mod compile;
mod contact;
mod convert;
mod interval;
pub mod json;
pub mod law;
mod money;
mod number;
mod parts;
mod pattern;
mod problem;
mod scalar;
mod spec;
mod table;
mod time;
pub mod zone;

/// A compiled cell. Cheap to clone, and nothing in it is parsed again.
#[derive(Clone, Debug, Default)]
pub struct Lens {
    /// `None` copies.
    compiled: Option<Arc<Compiled>>,
}

#[derive(Debug)]
struct Compiled {
    conversion: Conversion,
    clean: Option<Clean>,
    /// Written for null.
    default: Option<Value>,
    /// Written always.
    constant: Option<Value>,
    /// The cell declares that what is read back may differ.
    is_modulo: bool,
}

/// Compiles a cell of a field of this type. `default_zone` is the file's `timezone:`.
///
/// # Errors
/// Every setting that means nothing here, or that contradicts another.
pub fn compile(
    kind: &FieldType,
    spec: &CellSpec,
    default_zone: Option<&str>,
) -> Result<Lens, Vec<Problem>> {
    compile::compile(kind, spec, default_zone)
}

impl Lens {
    /// The lens that copies.
    pub fn identity() -> Self {
        Self { compiled: None }
    }

    fn compiled(compiled: Compiled) -> Self {
        Self { compiled: Some(Arc::new(compiled)) }
    }

    /// Whether this copies, so that a caller may skip it.
    pub fn is_identity(&self) -> bool {
        self.compiled.is_none()
    }

    /// The hub's value for a native one, without memory.
    ///
    /// # Errors
    /// The native value means nothing in this field.
    pub fn get0(&self, native: &Value) -> Result<Value, Problem> {
        match &self.compiled {
            None => Ok(native.clone()),
            Some(compiled) => compiled.get0(native),
        }
    }

    /// The native value for the hub's, without memory.
    ///
    /// # Errors
    /// The system cannot hold the value.
    pub fn put0(&self, golden: &Value) -> Result<Value, Problem> {
        match &self.compiled {
            None => Ok(golden.clone()),
            Some(compiled) => compiled.put0(golden),
        }
    }

    /// The hub's value for a native one; `golden` is what the hub knew when it last agreed with
    /// this system, and stays if this is how the system would write it.
    ///
    /// # Errors
    /// As [`Lens::get0`].
    pub fn get(&self, native: &Value, golden: Option<&Value>) -> Result<Value, Problem> {
        let Some(compiled) = &self.compiled else { return Ok(native.clone()) };
        let read = compiled.get0(native);
        match golden {
            Some(golden)
                if read.as_ref() != Ok(golden)
                    && compiled.put0(golden).is_ok_and(|written| written == *native) =>
            {
                Ok(golden.clone())
            }
            Some(_) | None => read,
        }
    }

    /// The native value for the hub's; `shadow` is what the system last showed, and stays if it
    /// already means this.
    ///
    /// # Errors
    /// As [`Lens::put0`].
    pub fn put(&self, golden: &Value, shadow: Option<&Value>) -> Result<Value, Problem> {
        let Some(compiled) = &self.compiled else { return Ok(golden.clone()) };
        match shadow {
            Some(shadow) if compiled.get0(shadow).is_ok_and(|meant| meant == *golden) => {
                Ok(shadow.clone())
            }
            Some(_) | None => compiled.put0(golden),
        }
    }

    /// What the system's column makes of a native value by itself: two natives are the same there
    /// if this makes them equal. Applying it twice changes nothing more.
    pub fn normalise(&self, native: &Value) -> Value {
        match &self.compiled {
            None => native.clone(),
            Some(compiled) => compiled.normalise(native),
        }
    }

    /// Whether the cell declares that what is read back may differ from what was written (case,
    /// length, precision): the hub then remembers the rest.
    pub fn is_modulo(&self) -> bool {
        self.compiled.as_ref().is_some_and(|compiled| compiled.is_modulo)
    }
}

impl Compiled {
    fn get0(&self, native: &Value) -> Result<Value, Problem> {
        if self.constant.is_some() {
            return Ok(Value::Null);
        }
        let cleaned = self.clean.as_ref().and_then(|clean| clean.read(native));
        let seen = cleaned.as_ref().unwrap_or(native);
        if seen.is_null() && !self.reads_null() {
            return Ok(Value::Null);
        }
        match (self.conversion.get(seen), &self.default) {
            // `0000-00-00` stands for null where the column cannot be null.
            (Err(_), Some(default)) if default == native => Ok(Value::Null),
            (read, _) => read,
        }
    }

    fn put0(&self, golden: &Value) -> Result<Value, Problem> {
        if let Some(constant) = &self.constant {
            return Ok(constant.clone());
        }
        if golden.is_null() && !self.writes_null() {
            return Ok(self.default.clone().unwrap_or(Value::Null));
        }
        let native = self.conversion.put(golden)?;
        match &self.clean {
            None => Ok(native),
            Some(clean) => clean.write(native),
        }
    }

    fn reads_null(&self) -> bool {
        matches!(&self.conversion, Conversion::Table(table) if table.reads_null())
    }

    fn writes_null(&self) -> bool {
        match &self.conversion {
            Conversion::Table(table) => table.writes_null(),
            // Null is a null in every column.
            Conversion::Columns(_) => true,
            Conversion::Copy
            | Conversion::Same(_)
            | Conversion::Text(_)
            | Conversion::Number(_)
            | Conversion::Money(_)
            | Conversion::Bool(_)
            | Conversion::Enum(..)
            | Conversion::Time(_)
            | Conversion::Email
            | Conversion::Phone(_)
            | Conversion::Uuid(_)
            | Conversion::Bytes(_)
            | Conversion::JsonText
            | Conversion::Set(_)
            | Conversion::Float(_)
            | Conversion::Interval(_)
            | Conversion::Fields(_) => false,
        }
    }

    fn normalise(&self, native: &Value) -> Value {
        if self.constant.is_some() {
            return native.clone();
        }
        match (&self.conversion, &self.clean) {
            // Databases keep the members of a set in an order of their own.
            (Conversion::Set(set), _) => set
                .get(native)
                .and_then(|golden| set.put(&golden))
                .unwrap_or_else(|_| native.clone()),
            (Conversion::Time(time), _) => time.cut(native),
            (Conversion::Number(number), _) => match (native, number.scale, number.rounding) {
                (Value::Num(found), Some(scale), Some(rounding)) => {
                    found.round(scale as i32, rounding).map_or_else(|| native.clone(), Value::Num)
                }
                _ => native.clone(),
            },
            (_, Some(clean)) => clean.normalised(native),
            (_, None) => native.clone(),
        }
    }
}

/// The value of this kind that a text means, in its plain form; `None` if it means none.
pub fn parse_as(kind: NativeKind, text: &str) -> Option<Value> {
    scalar::parse(kind, text)
}

/// A value as a message shows it: quoted if text, and short.
pub(crate) fn problem_shown(value: &Value) -> String {
    problem::shown(value)
}

/// The shortest decimal that means this double; `None` for infinities and NaN.
pub(crate) fn number_of_float(number: crate::value::Float) -> Option<crate::decimal::Decimal> {
    number::from_float(number)
}

#[cfg(test)]
mod tests;
