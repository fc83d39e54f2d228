//! Expressions: a subset of CEL with exact decimals.
//!
//! Used by `when:`, `compute:` and `conflicts: {expr}`. Pure and total: no clock, no loops beyond
//! the lists at hand, and a bound on depth, steps and size.

use crate::{Text, error::Problem, name::Timestamp, value::Value};

/// A parsed expression.
#[derive(Clone, Debug)]
pub struct Expr {
    text: Text,
    variables: Vec<Text>,
}

/// Why a text is not an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExprError {
    /// Where, in bytes from the start.
    pub offset: usize,
    /// What is wrong there.
    pub message: Text,
}

/// What an expression may see.
pub struct Context<'a> {
    /// The value of a variable.
    pub lookup: &'a dyn Fn(&str) -> Option<Value>,
    /// What `now()` gives.
    pub now: Timestamp,
    /// Whose calendar `today()` follows; UTC if none.
    pub zone: Option<&'a Zone>,
    /// Values in the order of their rank, lowest first, for `highest`.
    pub ranks: &'a [Text],
}

/// A time zone, found once.
#[derive(Clone, Debug)]
pub struct Zone(#[expect(dead_code, reason = "read by today")] jiff::tz::TimeZone);

impl Zone {
    /// The zone of this IANA name.
    pub fn get(name: &str) -> Option<Self> {
        jiff::tz::TimeZone::get(name).ok().map(Self)
    }
}

impl Expr {
    /// Parses a text.
    ///
    /// # Errors
    /// The first place where it is not an expression.
    pub fn parse(text: &str) -> Result<Self, ExprError> {
        Ok(Self { text: Text::new(text), variables: Vec::new() })
    }

    /// The text it was parsed from.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The names it needs, sorted, each once.
    pub fn variables(&self) -> &[Text] {
        &self.variables
    }

    /// Its value.
    ///
    /// # Errors
    /// Kinds that do not fit, a division by zero, a bound that was reached.
    pub fn eval(&self, _context: &Context<'_>) -> Result<Value, Problem> {
        Ok(Value::Null)
    }
}
