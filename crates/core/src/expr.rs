//! Expressions: a subset of CEL with exact decimals.
//!
//! Used by `when:`, `compute:` and `conflicts: {expr}`. Pure and total: the time comes from the
//! context, the only loops run over lists at hand, and depth, steps and size are bounded, so that
//! no record can hold up the others. Differences from CEL: numbers are exact decimals (`1.10 +
//! 2.20 == 3.30`, `7 / 2 == 3.5`), values of different kinds are never compared silently, and null
//! equals only itself.

use std::fmt;

pub use self::rates::Rates;
use self::{eval::Evaluator, parser::Parser, syntax::Node};
pub use crate::lens::zone::Zone;
use crate::{Text, error::Problem, name::Timestamp, value::Value};

mod eval;
mod function;
mod lexer;
mod operator;
mod parser;
mod rates;
mod syntax;

/// A parsed expression. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Expr {
    text: Text,
    root: std::sync::Arc<Node>,
    variables: Vec<Text>,
    uses_rates: bool,
    rates: Option<std::sync::Arc<Rates>>,
}

/// Why a text is not an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExprError {
    /// Where, in bytes from the start.
    pub offset: usize,
    /// What is wrong there, without a full stop.
    pub message: Text,
}

impl fmt::Display for ExprError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at {})", self.message, self.offset)
    }
}

impl std::error::Error for ExprError {}

/// What an expression may see.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The value of a variable; `None` if there is no such variable.
    pub lookup: &'a dyn Fn(&str) -> Option<Value>,
    /// What `now()` gives.
    pub now: Timestamp,
    /// Whose calendar `today()` follows; UTC if none.
    pub zone: Option<&'a Zone>,
    /// Values in the order of their rank, lowest first, for `highest` and `lowest`.
    pub ranks: &'a [Text],
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("now", &self.now)
            .field("zone", &self.zone)
            .field("ranks", &self.ranks)
            .finish_non_exhaustive()
    }
}

impl Expr {
    /// Parses a text of at most 16 KiB.
    ///
    /// # Errors
    /// The first place where it is not an expression, with the nearest known name where a function
    /// is not known.
    pub fn parse(text: &str) -> Result<Self, ExprError> {
        let (root, variables, uses_rates) = Parser::new(text)?.whole()?;
        let root = std::sync::Arc::new(root);
        Ok(Self { text: Text::new(text), root, variables, uses_rates, rates: None })
    }

    /// The text it was parsed from.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The names it needs, sorted, each once. Names that the expression itself binds (`l` in
    /// `lines.map(l, l.qty)`) are not among them.
    pub fn variables(&self) -> &[Text] {
        &self.variables
    }

    /// Whether it asks for exchange rates.
    pub fn uses_rates(&self) -> bool {
        self.uses_rates
    }

    /// The same, with these exchange rates at hand, if there are any.
    #[must_use]
    pub fn with_rates(self, rates: Option<std::sync::Arc<Rates>>) -> Self {
        Self { rates, ..self }
    }

    /// Its value.
    ///
    /// # Errors
    /// `expr.type` for kinds that do not fit, `expr.null` for null where a value is needed,
    /// `expr.unknown` for a variable or an entry that is not there, `expr.arithmetic` for a
    /// division by zero or a number of more than 38 digits, `expr.limit` for an expression that
    /// takes too many steps or makes too much, `map.no_rate` for an exchange rate that nobody gave.
    pub fn eval(&self, context: &Context<'_>) -> Result<Value, Problem> {
        Evaluator::new(context, self.rates.as_deref()).value(&self.root)
    }

    /// Whether it holds.
    ///
    /// # Errors
    /// As [`Expr::eval`], and `expr.type` for anything but true and false.
    pub fn holds(&self, context: &Context<'_>) -> Result<bool, Problem> {
        eval::truth(&self.eval(context)?)
    }
}

#[cfg(test)]
mod tests;
