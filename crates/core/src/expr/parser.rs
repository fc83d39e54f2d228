//! From words to a tree, by precedence: `?:`, `||`, `&&`, comparisons, sums, products, signs,
//! entries. Depth is bounded here, so that nothing that walks the tree can overflow the stack.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a rule names the words it takes; any other is left to the next rule"
)]

use crate::{
    Text,
    decimal::Decimal,
    expr::{
        ExprError,
        function::{self, Function},
        lexer::{Kind, Token, error, tokens},
        syntax::{Loop, Node, Operator},
    },
    value::Value,
};

const LENGTH_MAX: usize = 16 * 1024;
/// How deeply an expression may nest; a chain `a + b + c` nests too.
const DEPTH_MAX: u32 = 200;

pub(super) struct Parser {
    tokens: Vec<Token>,
    at: usize,
    /// Names bound by the loops around.
    bound: Vec<Text>,
    variables: Vec<Text>,
    uses_rates: bool,
}

type Parsed = Result<(Node, u32), ExprError>;

impl Parser {
    pub(super) fn new(text: &str) -> Result<Self, ExprError> {
        if text.len() > LENGTH_MAX {
            return Err(error(0, "an expression has at most 16 KiB"));
        }
        let (bound, variables) = (Vec::new(), Vec::new());
        Ok(Self { tokens: tokens(text)?, at: 0, bound, variables, uses_rates: false })
    }

    /// The whole text, and the names it needs.
    pub(super) fn whole(mut self) -> Result<(Node, Vec<Text>, bool), ExprError> {
        let (node, _) = self.choice(0)?;
        match self.peek() {
            Kind::End => {}
            found => return Err(error(self.offset(), format!("{} is left over", named(found)))),
        }
        self.variables.sort();
        self.variables.dedup();
        Ok((node, self.variables, self.uses_rates))
    }

    fn peek(&self) -> &Kind {
        self.tokens.get(self.at).map_or(&Kind::End, |token| &token.kind)
    }

    fn offset(&self) -> usize {
        self.tokens.get(self.at).or(self.tokens.last()).map_or(0, |token| token.offset)
    }

    fn next(&mut self) -> Kind {
        let kind = self.peek().clone();
        self.at += 1;
        kind
    }

    fn sign(&mut self, wanted: &str) -> bool {
        let found = matches!(self.peek(), Kind::Sign(sign) if *sign == wanted);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, wanted: &str) -> Result<(), ExprError> {
        if self.sign(wanted) {
            return Ok(());
        }
        let found = named(self.peek());
        Err(error(self.offset(), format!("`{wanted}` is expected, not {found}")))
    }

    /// One level deeper, if there is room.
    fn deeper(&self, depth: u32) -> Result<u32, ExprError> {
        if depth >= DEPTH_MAX {
            return Err(error(self.offset(), "the expression nests too deeply"));
        }
        Ok(depth + 1)
    }

    /// `depth` counts the levels around; the number returned, the levels of the node itself.
    fn choice(&mut self, depth: u32) -> Parsed {
        let depth = self.deeper(depth)?;
        let (condition, first) = self.or(depth)?;
        if !self.sign("?") {
            return Ok((condition, first));
        }
        let (yes, second) = self.choice(depth)?;
        self.expect(":")?;
        let (no, third) = self.choice(depth)?;
        let height = self.deeper(first.max(second).max(third))?;
        Ok((Node::Choice(Box::new(condition), Box::new(yes), Box::new(no)), height))
    }

    fn or(&mut self, depth: u32) -> Parsed {
        let (mut left, mut height) = self.and(depth)?;
        while self.sign("||") {
            let (right, other) = self.and(depth)?;
            height = self.deeper(height.max(other))?;
            left = Node::Or(Box::new(left), Box::new(right));
        }
        Ok((left, height))
    }

    fn and(&mut self, depth: u32) -> Parsed {
        let (mut left, mut height) = self.comparison(depth)?;
        while self.sign("&&") {
            let (right, other) = self.comparison(depth)?;
            height = self.deeper(height.max(other))?;
            left = Node::And(Box::new(left), Box::new(right));
        }
        Ok((left, height))
    }

    fn comparison(&mut self, depth: u32) -> Parsed {
        let (left, height) = self.sum(depth)?;
        let Some(operator) = self.relation() else { return Ok((left, height)) };
        let (right, other) = self.sum(depth)?;
        if self.relation().is_some() {
            let offset = self.tokens.get(self.at - 1).map_or(0, |token| token.offset);
            return Err(error(offset, "comparisons do not chain; join them with `&&`"));
        }
        let height = self.deeper(height.max(other))?;
        Ok((Node::Binary(operator, Box::new(left), Box::new(right)), height))
    }

    fn relation(&mut self) -> Option<Operator> {
        let operator = match self.peek() {
            Kind::Sign("==") => Operator::Equal,
            Kind::Sign("!=") => Operator::NotEqual,
            Kind::Sign("<") => Operator::Less,
            Kind::Sign("<=") => Operator::LessOrEqual,
            Kind::Sign(">") => Operator::Greater,
            Kind::Sign(">=") => Operator::GreaterOrEqual,
            Kind::Name(name) if name == "in" => Operator::In,
            Kind::Sign(_) | Kind::Name(_) | Kind::Number(_) | Kind::Text(_) | Kind::End => {
                return None;
            }
        };
        self.at += 1;
        Some(operator)
    }

    fn sum(&mut self, depth: u32) -> Parsed {
        let (mut left, mut height) = self.product(depth)?;
        loop {
            let operator = match self.peek() {
                Kind::Sign("+") => Operator::Add,
                Kind::Sign("-") => Operator::Subtract,
                _ => return Ok((left, height)),
            };
            self.at += 1;
            let (right, other) = self.product(depth)?;
            height = self.deeper(height.max(other))?;
            left = Node::Binary(operator, Box::new(left), Box::new(right));
        }
    }

    fn product(&mut self, depth: u32) -> Parsed {
        let (mut left, mut height) = self.unary(depth)?;
        loop {
            let operator = match self.peek() {
                Kind::Sign("*") => Operator::Multiply,
                Kind::Sign("/") => Operator::Divide,
                Kind::Sign("%") => Operator::Remainder,
                _ => return Ok((left, height)),
            };
            self.at += 1;
            let (right, other) = self.unary(depth)?;
            height = self.deeper(height.max(other))?;
            left = Node::Binary(operator, Box::new(left), Box::new(right));
        }
    }

    fn unary(&mut self, depth: u32) -> Parsed {
        let depth = self.deeper(depth)?;
        if self.sign("!") {
            let (node, height) = self.unary(depth)?;
            return Ok((Node::Not(Box::new(node)), self.deeper(height)?));
        }
        if self.sign("-") {
            let (node, height) = self.unary(depth)?;
            return Ok(match node {
                Node::Literal(Value::Num(number)) => {
                    (Node::Literal(Value::Num(number.neg())), height)
                }
                node => (Node::Negate(Box::new(node)), self.deeper(height)?),
            });
        }
        self.entries(depth)
    }

    fn entries(&mut self, depth: u32) -> Parsed {
        let (mut node, mut height) = self.primary(depth)?;
        loop {
            if self.sign(".") {
                let offset = self.offset();
                let Kind::Name(name) = self.next() else {
                    return Err(error(offset, "a name is expected after `.`"));
                };
                if self.sign("(") {
                    (node, height) = self.call(&name, offset, Some((node, height)), depth)?;
                } else {
                    (node, height) = (Node::Entry(Box::new(node), name), self.deeper(height)?);
                }
            } else if self.sign("[") {
                let (index, other) = self.choice(depth)?;
                self.expect("]")?;
                height = self.deeper(height.max(other))?;
                node = Node::Index(Box::new(node), Box::new(index));
            } else {
                return Ok((node, height));
            }
        }
    }

    fn primary(&mut self, depth: u32) -> Parsed {
        let offset = self.offset();
        let leaf = |value| Ok((Node::Literal(value), 1));
        match self.next() {
            Kind::Number(number) => leaf(Value::Num(number)),
            Kind::Text(text) => leaf(Value::Text(text)),
            Kind::Name(name) => match name.as_str() {
                "true" => leaf(Value::Bool(true)),
                "false" => leaf(Value::Bool(false)),
                "null" => leaf(Value::Null),
                "in" => Err(error(offset, "`in` needs a value before it")),
                _ if self.sign("(") => self.call(&name, offset, None, depth),
                _ => {
                    if !self.bound.contains(&name) {
                        self.variables.push(name.clone());
                    }
                    Ok((Node::Variable(name), 1))
                }
            },
            Kind::Sign("(") => {
                let inner = self.choice(depth)?;
                self.expect(")")?;
                Ok(inner)
            }
            Kind::Sign("[") => {
                let (items, height) = self.items("]", depth)?;
                Ok((Node::List(items), self.deeper(height)?))
            }
            Kind::Sign("{") => self.map(depth),
            found @ (Kind::Sign(_) | Kind::End) => {
                Err(error(offset, format!("a value is expected, not {}", named(&found))))
            }
        }
    }

    /// Values between commas, up to a closing bracket.
    fn items(&mut self, end: &str, depth: u32) -> Result<(Vec<Node>, u32), ExprError> {
        let (mut items, mut height) = (Vec::new(), 0);
        while !self.sign(end) {
            if !items.is_empty() {
                self.expect(",")?;
                if self.sign(end) {
                    break;
                }
            }
            let (item, other) = self.choice(depth)?;
            height = height.max(other);
            items.push(item);
        }
        Ok((items, height))
    }

    fn map(&mut self, depth: u32) -> Parsed {
        let (mut entries, mut height) = (Vec::new(), 0);
        while !self.sign("}") {
            if !entries.is_empty() {
                self.expect(",")?;
            }
            let offset = self.offset();
            let Kind::Text(name) = self.next() else {
                return Err(error(offset, "an entry's name stands in quotes"));
            };
            self.expect(":")?;
            let (value, other) = self.choice(depth)?;
            height = height.max(other);
            entries.push((name, value));
        }
        Ok((Node::Map(entries), self.deeper(height)?))
    }

    /// A function's arguments; what stands before the point is the first.
    fn call(
        &mut self,
        name: &str,
        offset: usize,
        before: Option<(Node, u32)>,
        depth: u32,
    ) -> Parsed {
        let each = match name {
            "map" => Some(Loop::Map),
            "filter" => Some(Loop::Filter),
            "all" => Some(Loop::All),
            "exists" => Some(Loop::Exists),
            _ => None,
        };
        if let Some(each) = each {
            return self.each(each, name, offset, before, depth);
        }
        let (mut arguments, mut height) = (Vec::new(), 0);
        if let Some((node, other)) = before {
            arguments.push(node);
            height = other;
        }
        let (rest, other) = self.items(")", depth)?;
        arguments.extend(rest);
        let height = self.deeper(height.max(other))?;
        if name == "has" {
            let mut arguments = arguments.into_iter();
            return match (arguments.next(), arguments.next()) {
                (Some(node @ (Node::Variable(_) | Node::Entry(..) | Node::Index(..))), None) => {
                    Ok((Node::Has(Box::new(node)), height))
                }
                _ => Err(error(offset, "`has` takes one name or entry: `has(address.zip)`")),
            };
        }
        let Some(function) = Function::named(name) else {
            return Err(error(offset, function::unknown(name)));
        };
        if !function.takes(arguments.len()) {
            return Err(error(offset, format!("`{name}` takes {}", function.usage())));
        }
        self.uses_rates |= function == Function::Rate;
        Ok((Node::Call(function, arguments), height))
    }

    fn each(
        &mut self,
        each: Loop,
        name: &str,
        offset: usize,
        before: Option<(Node, u32)>,
        depth: u32,
    ) -> Parsed {
        let usage = || error(offset, format!("`{name}` is written `list.{name}(item, …)`"));
        let (list, height) = before.ok_or_else(usage)?;
        let Kind::Name(item) = self.next() else { return Err(usage()) };
        if !self.sign(",") {
            return Err(usage());
        }
        self.bound.push(item.clone());
        let body = self.choice(depth);
        self.bound.pop();
        let (body, other) = body?;
        self.expect(")")?;
        let height = self.deeper(height.max(other))?;
        Ok((Node::Each(each, Box::new(list), item, Box::new(body)), height))
    }
}

fn named(kind: &Kind) -> String {
    match kind {
        Kind::Number(number) => number_named(*number),
        Kind::Text(text) => format!("the text \"{text}\""),
        Kind::Name(name) => format!("`{name}`"),
        Kind::Sign(sign) => format!("`{sign}`"),
        Kind::End => "the end".to_owned(),
    }
}

fn number_named(number: Decimal) -> String {
    format!("`{number}`")
}
