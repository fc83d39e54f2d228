//! The tree of an expression.

use crate::{Text, expr::function::Function, value::Value};

/// One operation and what it works on.
#[derive(Debug)]
pub(super) enum Node {
    Literal(Value),
    Variable(Text),
    List(Vec<Node>),
    Map(Vec<(Text, Node)>),
    Not(Box<Node>),
    Negate(Box<Node>),
    Binary(Operator, Box<Node>, Box<Node>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    /// Condition, then, else.
    Choice(Box<Node>, Box<Node>, Box<Node>),
    Entry(Box<Node>, Text),
    Index(Box<Node>, Box<Node>),
    Call(Function, Vec<Node>),
    /// A list, the name of its member, and what is asked of each.
    Each(Loop, Box<Node>, Text, Box<Node>),
    Has(Box<Node>),
}

/// Operators with two sides that are both computed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
}

/// What is done with the members of a list.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Loop {
    Map,
    Filter,
    All,
    Exists,
}
