//! Who wins where the merge cannot decide.
//!
//! Every rule here is a pure function of the values that compete, never of the order in which they
//! arrived: priority and time are total orders, so folding them pair by pair gives the same winner
//! whichever pair comes first.

use crate::{
    decimal::Decimal,
    expr::{Context, Expr, Zone},
    group::Author,
    name::{SystemIndex, Timestamp},
    plan::{BelowMin, DeleteConflict, Policy},
    value::Value,
};

/// A value that competes for a field.
#[derive(Clone, Copy, Debug)]
pub struct Contestant<'a> {
    /// Whose it is.
    pub author: Author,
    /// When it was written, by the author's clock.
    pub at: Timestamp,
    /// The author's clock was too far ahead.
    pub clock_suspect: bool,
    /// The golden value.
    pub value: &'a Value,
}

/// Who wins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// What the hub holds stays.
    Ours,
    /// The edit is taken.
    Theirs,
    /// Neither: this value stands.
    Merged(Value),
    /// A person decides.
    Manual,
}

/// What a policy may look at beside the two values.
pub struct Circumstances<'a> {
    /// Systems by priority.
    pub priority: &'a [SystemIndex],
    /// Names of the systems, for expressions.
    pub systems: &'a [crate::plan::System],
    /// The value both departed from, as far as it is known.
    pub base: Option<&'a Value>,
    /// The hub's time.
    pub now: Timestamp,
    /// The zone of the file.
    pub zone: Option<&'a Zone>,
    /// The enumeration's values by rank, lowest first.
    pub ranks: &'a [crate::Text],
}

/// Decides between what the hub holds and a concurrent edit.
pub fn resolve(
    policy: &Policy,
    ours: Contestant<'_>,
    theirs: Contestant<'_>,
    around: &Circumstances<'_>,
) -> Resolution {
    match policy {
        // A counter without a base (two rows that were linked) has nothing to sum.
        Policy::Priority | Policy::Add { .. } => by_priority(ours, theirs, around.priority),
        Policy::Newest => by_time(ours, theirs, around.priority),
        Policy::Manual => Resolution::Manual,
        Policy::Merge => match merge_sets(around.base, ours.value, theirs.value) {
            Some(merged) => Resolution::Merged(merged),
            None => by_priority(ours, theirs, around.priority),
        },
        Policy::Expr(expr) => by_expression(expr, ours, theirs, around),
    }
}

/// How far from the top an author stands; a person stands above all systems.
pub fn rank(author: Author, priority: &[SystemIndex]) -> usize {
    match author {
        Author::Person => 0,
        Author::Merged => 1,
        Author::System(system) => {
            let at = priority.iter().position(|other| *other == system);
            2 + at.unwrap_or(priority.len() + system.at())
        }
        Author::Nobody => usize::MAX,
    }
}

/// The one that stands first; of one author, the later word.
fn by_priority(
    ours: Contestant<'_>,
    theirs: Contestant<'_>,
    priority: &[SystemIndex],
) -> Resolution {
    if rank(ours.author, priority) < rank(theirs.author, priority) {
        Resolution::Ours
    } else {
        Resolution::Theirs
    }
}

/// The newest; where clocks are equal or not to be trusted, the one that stands first.
fn by_time(ours: Contestant<'_>, theirs: Contestant<'_>, priority: &[SystemIndex]) -> Resolution {
    if ours.clock_suspect || theirs.clock_suspect || ours.at == theirs.at {
        by_priority(ours, theirs, priority)
    } else if ours.at > theirs.at {
        Resolution::Ours
    } else {
        Resolution::Theirs
    }
}

/// Applies what they added and removed since the base. `None` where a side is not a set.
pub fn merge_sets(base: Option<&Value>, ours: &Value, theirs: &Value) -> Option<Value> {
    let members = |value: &Value| match value {
        Value::Set(members) => Some(members.clone()),
        Value::Null => Some(Vec::new()),
        Value::Bool(_)
        | Value::Num(_)
        | Value::Float(_)
        | Value::Text(_)
        | Value::Bytes(_)
        | Value::Uuid(_)
        | Value::Date(_)
        | Value::Time(_)
        | Value::LocalDateTime(..)
        | Value::Instant(..)
        | Value::OffsetDateTime(..)
        | Value::Interval(..)
        | Value::List(_)
        | Value::Map(_)
        | Value::Ref(_) => None,
    };
    let base = base.map_or(Some(Vec::new()), members)?;
    let (ours, theirs) = (members(ours)?, members(theirs)?);
    let kept = ours.into_iter().filter(|member| theirs.contains(member) || !base.contains(member));
    let added = theirs.iter().filter(|member| !base.contains(member)).cloned();
    Some(Value::set(kept.chain(added).collect()))
}

/// What becomes of a sum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sum {
    /// This.
    Is(Value),
    /// It stops at the minimum.
    Clamped(Value),
    /// It would fall below the minimum, and a person decides.
    BelowMin,
    /// Not numbers, or beyond 38 digits.
    Impossible,
}

/// Adds what changed since the base to what the hub holds.
pub fn add(
    base: &Value,
    ours: &Value,
    theirs: &Value,
    min: Option<Decimal>,
    below_min: BelowMin,
) -> Sum {
    let (Value::Num(base), Value::Num(ours), Value::Num(theirs)) = (base, ours, theirs) else {
        return Sum::Impossible;
    };
    let Some(sum) = theirs.sub(*base).and_then(|delta| ours.add(delta)) else {
        return Sum::Impossible;
    };
    match min.filter(|min| sum < *min) {
        None => Sum::Is(Value::Num(sum)),
        Some(min) => match below_min {
            BelowMin::Clamp => Sum::Clamped(Value::Num(min)),
            BelowMin::Manual => Sum::BelowMin,
        },
    }
}

fn by_expression(
    expr: &Expr,
    ours: Contestant<'_>,
    theirs: Contestant<'_>,
    around: &Circumstances<'_>,
) -> Resolution {
    let mut candidates = [ours, theirs];
    // In priority order, so that the outcome does not depend on who arrived first.
    candidates.sort_by_key(|contestant| rank(contestant.author, around.priority));
    let described: Vec<Value> =
        candidates.iter().map(|contestant| describe(*contestant, around)).collect();
    let base = around.base.cloned().unwrap_or_default();
    let lookup = |name: &str| match name {
        "base" => Some(base.clone()),
        "candidates" => Some(Value::List(described.clone())),
        _ => None,
    };
    let context =
        Context { lookup: &lookup, now: around.now, zone: around.zone, ranks: around.ranks };
    match expr.eval(&context) {
        Ok(value) => {
            // An expression may answer with one of the candidates as it was described.
            let value = match &value {
                Value::Map(map) => map.get("value").cloned().unwrap_or(value),
                Value::Null
                | Value::Bool(_)
                | Value::Num(_)
                | Value::Float(_)
                | Value::Text(_)
                | Value::Bytes(_)
                | Value::Uuid(_)
                | Value::Date(_)
                | Value::Time(_)
                | Value::LocalDateTime(..)
                | Value::Instant(..)
                | Value::OffsetDateTime(..)
                | Value::Interval(..)
                | Value::List(_)
                | Value::Set(_)
                | Value::Ref(_) => value,
            };
            if value == *theirs.value {
                Resolution::Theirs
            } else if value == *ours.value {
                Resolution::Ours
            } else {
                Resolution::Merged(value)
            }
        }
        // Nobody is overridden by an accident.
        Err(_) => Resolution::Manual,
    }
}

fn describe(contestant: Contestant<'_>, around: &Circumstances<'_>) -> Value {
    let system = match contestant.author {
        Author::System(index) => around
            .systems
            .get(index.at())
            .map_or(Value::Null, |system| Value::Text(system.name.clone())),
        Author::Person => Value::text("person"),
        Author::Merged | Author::Nobody => Value::Null,
    };
    let micros = contestant.at.0;
    let time = Value::Instant(
        micros.div_euclid(1_000_000),
        u32::try_from(micros.rem_euclid(1_000_000) * 1_000).unwrap_or(0),
    );
    let entries = [
        ("value".into(), contestant.value.clone()),
        ("system".into(), system),
        ("time".into(), time),
    ];
    Value::Map(Box::new(entries.into_iter().collect()))
}

/// A delete against edits that the deleter had not seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existence {
    /// The record goes.
    Delete,
    /// The record lives.
    Update,
    /// A person decides.
    Manual,
}

/// Who deleted or edited, and when: `None` where nobody says, or the clock is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deed {
    /// Whose.
    pub author: Author,
    /// By the author's clock.
    pub at: Option<Timestamp>,
}

impl Deed {
    /// A deed at a time that may be suspect.
    pub fn new(author: Author, at: Timestamp, clock_suspect: bool) -> Self {
        Self { author, at: (!clock_suspect).then_some(at) }
    }
}

/// Decides between a delete and edits it had not seen (at least one).
pub fn delete_or_update(
    rule: DeleteConflict,
    deleter: Deed,
    editors: &[Deed],
    priority: &[SystemIndex],
) -> Existence {
    let by_rank = || {
        let best = editors.iter().map(|editor| rank(editor.author, priority)).min();
        if best.is_some_and(|best| best < rank(deleter.author, priority)) {
            Existence::Update
        } else {
            Existence::Delete
        }
    };
    match rule {
        DeleteConflict::Priority => by_rank(),
        DeleteConflict::DeleteWins => Existence::Delete,
        DeleteConflict::UpdateWins => Existence::Update,
        DeleteConflict::Newest => {
            // One time that is not known would make the outcome depend on who was read first.
            let edited: Option<Vec<Timestamp>> = editors.iter().map(|editor| editor.at).collect();
            match (edited.and_then(|times| times.into_iter().max()), deleter.at) {
                (Some(edited), Some(deleted)) if edited > deleted => Existence::Update,
                (Some(edited), Some(deleted)) if edited < deleted => Existence::Delete,
                (Some(_) | None, Some(_) | None) => by_rank(),
            }
        }
        DeleteConflict::Manual => Existence::Manual,
    }
}

/// What a policy is called in the file and in the audit.
pub fn name(policy: &Policy) -> &'static str {
    match policy {
        Policy::Priority => "priority",
        Policy::Newest => "newest",
        Policy::Add { .. } => "add",
        Policy::Manual => "manual",
        Policy::Expr(_) => "expr",
        Policy::Merge => "merge",
    }
}

/// What a rule for deletes is called.
pub fn delete_rule_name(rule: DeleteConflict) -> &'static str {
    match rule {
        DeleteConflict::Priority => "priority",
        DeleteConflict::DeleteWins => "delete_wins",
        DeleteConflict::UpdateWins => "update_wins",
        DeleteConflict::Newest => "newest",
        DeleteConflict::Manual => "manual",
    }
}
