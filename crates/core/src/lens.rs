//! Two-way mapping of one cell: get and put.

use crate::{error::Problem, value::Value};

/// What a field holds in the hub.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum FieldType {
    /// Whatever the systems hold.
    #[default]
    Any,
}

/// A compiled mapping between native atoms and golden values.
#[derive(Clone, Debug, Default)]
pub struct Lens;

impl Lens {
    /// Golden from native; `golden` is what the hub held when the two last agreed (remember).
    pub fn get(&self, native: &Value, _golden: Option<&Value>) -> Result<Value, Problem> {
        Ok(native.clone())
    }

    /// Native from golden; `shadow` is what the system shows (keep).
    pub fn put(&self, golden: &Value, _shadow: Option<&Value>) -> Result<Value, Problem> {
        Ok(golden.clone())
    }

    /// What the system's column makes of a value that is written to it, as far as declared.
    pub fn normalise(&self, native: &Value) -> Value {
        native.clone()
    }
}
