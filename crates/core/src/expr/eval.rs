//! Computing an expression, within bounds.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "an operation names the kinds it takes; any other, a new one too, is refused"
)]

use std::collections::BTreeMap;

use crate::{
    Text,
    error::Problem,
    expr::{
        Context, Rates, operator,
        syntax::{Loop, Node},
    },
    lens::problem_shown as shown,
    value::Value,
};

/// How many operations one evaluation may take.
const STEPS_MAX: u32 = 200_000;
/// How many bytes of text and members of lists it may make.
const SIZE_MAX: usize = 4 << 20;

pub(super) struct Evaluator<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) rates: Option<&'a Rates>,
    /// Names bound by the loops around, innermost last.
    bound: Vec<(Text, Value)>,
    steps: u32,
    size: usize,
}

type Computed = Result<Value, Problem>;

impl<'a> Evaluator<'a> {
    pub(super) fn new(context: &'a Context<'a>, rates: Option<&'a Rates>) -> Self {
        Self { context, rates, bound: Vec::new(), steps: 0, size: 0 }
    }

    pub(super) fn value(&mut self, node: &Node) -> Computed {
        self.step()?;
        match node {
            Node::Literal(value) => Ok(value.clone()),
            Node::Variable(name) => self.variable(name),
            Node::List(items) => self.all(items).map(Value::List),
            Node::Map(entries) => {
                let mut map = BTreeMap::new();
                for (name, entry) in entries {
                    map.insert(name.clone(), self.value(entry)?);
                }
                Ok(Value::Map(Box::new(map)))
            }
            Node::Not(inner) => truth(&self.value(inner)?).map(|truth| Value::Bool(!truth)),
            Node::Negate(inner) => operator::negate(&self.value(inner)?),
            Node::Binary(operator, left, right) => {
                let (left, right) = (self.value(left)?, self.value(right)?);
                let value = operator::binary(*operator, &left, &right)?;
                self.made(&value)?;
                Ok(value)
            }
            Node::And(left, right) => self.either(left, right, false),
            Node::Or(left, right) => self.either(left, right, true),
            Node::Choice(condition, yes, no) => {
                let chosen = if truth(&self.value(condition)?)? { yes } else { no };
                self.value(chosen)
            }
            Node::Entry(inner, name) => {
                let inner = self.value(inner)?;
                entry(&inner, name)?.ok_or_else(|| no_entry(name))
            }
            Node::Index(inner, index) => {
                let (inner, index) = (self.value(inner)?, self.value(index)?);
                element(&inner, &index)?.ok_or_else(|| no_entry(&index.to_string()))
            }
            Node::Call(function, arguments) => {
                let arguments = self.all(arguments)?;
                let value = function.call(&arguments, self)?;
                self.made(&value)?;
                Ok(value)
            }
            Node::Each(each, list, name, body) => self.each(*each, list, name, body),
            Node::Has(inner) => self.has(inner).map(Value::Bool),
        }
    }

    fn step(&mut self) -> Result<(), Problem> {
        self.steps += 1;
        if self.steps > STEPS_MAX {
            return Err(Problem::new("expr.limit", "the expression takes too many steps"));
        }
        Ok(())
    }

    /// Accounts for a value that was made.
    pub(super) fn made(&mut self, value: &Value) -> Result<(), Problem> {
        self.size += match value {
            Value::Text(text) => text.len(),
            Value::List(items) | Value::Set(items) => items.len() * size_of::<Value>(),
            _ => 0,
        };
        if self.size > SIZE_MAX {
            return Err(Problem::new("expr.limit", "the expression makes too much"));
        }
        Ok(())
    }

    fn all(&mut self, nodes: &[Node]) -> Result<Vec<Value>, Problem> {
        nodes.iter().map(|node| self.value(node)).collect()
    }

    fn variable(&self, name: &Text) -> Computed {
        let bound = self.bound.iter().rev().find(|(known, _)| known == name);
        match bound {
            Some((_, value)) => Ok(value.clone()),
            None => (self.context.lookup)(name).ok_or_else(|| {
                Problem::new("expr.unknown", format!("there is no variable `{name}`"))
            }),
        }
    }

    /// `&&` and `||`: the side that decides, decides, even if the other cannot be computed.
    fn either(&mut self, left: &Node, right: &Node, deciding: bool) -> Computed {
        let left = self.value(left).and_then(|value| truth(&value));
        if left == Ok(deciding) {
            return Ok(Value::Bool(deciding));
        }
        let right = self.value(right).and_then(|value| truth(&value));
        if right == Ok(deciding) {
            return Ok(Value::Bool(deciding));
        }
        left.and(right).map(Value::Bool)
    }

    fn each(&mut self, each: Loop, list: &Node, name: &Text, body: &Node) -> Computed {
        let items = match self.value(list)? {
            Value::List(items) | Value::Set(items) => items,
            other => return Err(type_problem(&format!("{} is no list", shown(&other)))),
        };
        let mut out = Vec::new();
        for item in items {
            self.bound.push((name.clone(), item));
            let computed = self.value(body);
            let item = self.bound.pop().map_or(Value::Null, |(_, item)| item);
            let computed = computed?;
            match each {
                Loop::Map => out.push(computed),
                Loop::Filter if truth(&computed)? => out.push(item),
                Loop::All if !truth(&computed)? => return Ok(Value::Bool(false)),
                Loop::Exists if truth(&computed)? => return Ok(Value::Bool(true)),
                Loop::Filter | Loop::All | Loop::Exists => {}
            }
        }
        let value = match each {
            Loop::Map | Loop::Filter => Value::List(out),
            Loop::All => Value::Bool(true),
            Loop::Exists => Value::Bool(false),
        };
        self.made(&value)?;
        Ok(value)
    }

    /// Whether there is such a variable or entry, and it is not null.
    fn has(&mut self, node: &Node) -> Result<bool, Problem> {
        let found = match node {
            Node::Variable(name) => self.variable(name).ok(),
            Node::Entry(inner, name) => {
                if !self.has(inner)? {
                    return Ok(false);
                }
                entry(&self.value(inner)?, name)?
            }
            Node::Index(inner, index) => {
                if !self.has(inner)? {
                    return Ok(false);
                }
                let (inner, index) = (self.value(inner)?, self.value(index)?);
                element(&inner, &index)?
            }
            other => Some(self.value(other)?),
        };
        Ok(found.is_some_and(|value| !value.is_null()))
    }
}

/// True or false, and nothing else.
pub(super) fn truth(value: &Value) -> Result<bool, Problem> {
    match value {
        Value::Bool(truth) => Ok(*truth),
        Value::Null => Err(null_problem("null is neither true nor false")),
        other => Err(type_problem(&format!("{} is neither true nor false", shown(other)))),
    }
}

fn entry(value: &Value, name: &str) -> Result<Option<Value>, Problem> {
    match value {
        Value::Map(entries) => Ok(entries.get(name).cloned()),
        Value::Null => Err(null_problem(&format!("null has no entry `{name}`"))),
        Value::List(parts) => match (operator::amount(value), name, parts.as_slice()) {
            (Some((number, Some(_))), "amount", _) => Ok(Some(Value::Num(number))),
            (Some((_, Some(_))), "currency", [_, currency]) => Ok(Some(currency.clone())),
            _ => Err(type_problem(&format!("a list has no entry `{name}`"))),
        },
        other => Err(type_problem(&format!("{} has no entries", shown(other)))),
    }
}

fn element(value: &Value, index: &Value) -> Result<Option<Value>, Problem> {
    match (value, index) {
        (Value::Map(entries), Value::Text(name)) => Ok(entries.get(name).cloned()),
        (Value::List(items), Value::Num(index)) => {
            let index = index.to_i128().and_then(|index| usize::try_from(index).ok());
            Ok(index.and_then(|index| items.get(index)).cloned())
        }
        (Value::Null, _) => Err(null_problem("null has no entries")),
        _ => Err(type_problem(&format!("{} has no entry {}", value.kind(), shown(index)))),
    }
}

fn no_entry(name: &str) -> Problem {
    Problem::new("expr.unknown", format!("there is no entry `{name}`"))
}

pub(super) fn type_problem(message: &str) -> Problem {
    Problem::new("expr.type", message)
}

pub(super) fn null_problem(message: &str) -> Problem {
    Problem::new("expr.null", message)
}
