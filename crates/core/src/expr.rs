//! Expressions: a subset of CEL with exact decimals.

/// A parsed expression.
#[derive(Clone, Debug)]
pub struct Expr;
