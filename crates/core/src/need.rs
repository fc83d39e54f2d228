//! What a system does not yet show: the difference between the hub and a shadow.
//!
//! Work is derived, never queued (D1). Whether a field needs a write is asked of the versions
//! first and of the values second (D3): a target that rewrites what it is given is not rewritten
//! for ever.

use crate::{
    change::RowKey,
    commit::Working,
    error::Problem,
    group::{Group, Hold, Link, Part, Scope},
    mutant::Mutant,
    name::{EntityIndex, FieldIndex, RecordId, SystemIndex},
    plan::{Binding, Cell, Entity, Plan},
    value::Value,
};

/// What a row needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing.
    Nothing,
    /// To be created.
    Insert,
    /// These fields.
    Update(Vec<FieldIndex>),
    /// To go.
    Delete,
}

/// Where a record's row in a system is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowAt {
    /// Under this key.
    Key(RowKey),
    /// There is none (yet).
    Nowhere,
    /// It was not looked up.
    Unknown,
}

/// Keys of other records' rows, for references.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    /// What was loaded, if anything.
    pub working: Option<&'a Working>,
}

impl Rows<'_> {
    /// Where this record's row in this system is. `own` is the group that asks, which may refer to
    /// itself and is not in the working set while it is worked on.
    pub fn find(&self, record: RecordId, system: SystemIndex, own: (RecordId, &Part)) -> RowAt {
        if own.0 == record {
            return own.1.key_in(system).cloned().map_or(RowAt::Nowhere, RowAt::Key);
        }
        let Some(working) = self.working else { return RowAt::Unknown };
        if let Some(Some(group)) = working.groups.get(&record) {
            return group.root.key_in(system).cloned().map_or(RowAt::Nowhere, RowAt::Key);
        }
        match working.row_keys.get(&(record, system)) {
            Some(Some(key)) => RowAt::Key(key.clone()),
            Some(None) => RowAt::Nowhere,
            None => RowAt::Unknown,
        }
    }
}

/// Why a native value cannot be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PutError {
    /// The system cannot hold the value.
    Problem(Problem),
    /// It refers to a record that has no row there yet.
    Blocked(RecordId),
    /// It refers to a record whose row there was not looked up.
    Unknown,
}

/// What surrounds a part when its native values are computed.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The entity or child list.
    pub entity: &'a Entity,
    /// The record.
    pub record: RecordId,
    /// The record's own part, for references to itself.
    pub root: &'a Part,
    /// Rows of other records.
    pub rows: Rows<'a>,
}

impl View<'_> {
    /// The native value of this field for this system.
    ///
    /// # Errors
    /// See [`PutError`].
    pub fn put(
        &self,
        system: SystemIndex,
        field: FieldIndex,
        cell: &Cell,
        golden: &Value,
        shadow: Option<&Value>,
    ) -> Result<Value, PutError> {
        let is_reference = self.entity.field(field).is_some_and(|field| field.reference.is_some());
        if !is_reference {
            return cell.lens.put(golden, shadow).map_err(PutError::Problem);
        }
        match golden {
            Value::Ref(record) => match self.rows.find(*record, system, (self.record, self.root)) {
                RowAt::Key(key) => Ok(reference_value(&key)),
                RowAt::Nowhere => Err(PutError::Blocked(*record)),
                RowAt::Unknown => Err(PutError::Unknown),
            },
            Value::Null => Ok(match shadow {
                Some(Value::List(items)) => Value::List(vec![Value::Null; items.len()]),
                _ => Value::Null,
            }),
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
            | Value::Set(_)
            | Value::Map(_) => Err(PutError::Problem(Problem::new(
                "map.not_a_reference",
                "the hub holds something that is not a reference",
            ))),
        }
    }

    /// The fields of this row that must be written.
    fn fields(&self, binding: &Binding, part: &Part, link: &Link) -> Vec<FieldIndex> {
        let mut fields = Vec::new();
        for (field, cell) in cells(binding) {
            let Some(golden) = part.cell(field) else { continue };
            let plan = self.plan;
            if (golden.version == link.agreed(field) && !plan.is_mutant(Mutant::NeedByValue))
                || golden.version == 0
                || cell.insert_only
                || (link.hold_of(field).is_some() && !plan.is_mutant(Mutant::HeldWritten))
                || !may_write(self.entity, field, link.system)
            {
                continue;
            }
            let shadow = link.shadow.as_ref().and_then(|row| row.value(field));
            let target = self.put(link.system, field, cell, &golden.value, shadow);
            // What cannot be computed now is work too: planning it says why.
            if target.ok().as_ref() != shadow || shadow.is_none() {
                fields.push(field);
            }
        }
        fields
    }
}

/// A reference's native value: the key's one value, or the list of its values.
pub fn reference_value(key: &RowKey) -> Value {
    let mut values = key.values();
    if values.len() == 1 { values.pop().unwrap_or_default() } else { Value::List(values) }
}

/// The key that a reference's native value names; `None` if it names nothing.
pub fn reference_key(native: &Value) -> Option<RowKey> {
    match native {
        Value::Null => None,
        Value::List(items) if items.iter().any(Value::is_null) => None,
        Value::List(items) => Some(RowKey::new(items)),
        other @ (Value::Bool(_)
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
        | Value::Set(_)
        | Value::Map(_)
        | Value::Ref(_)) => Some(RowKey::new([other])),
    }
}

/// The fields that have a cell in this binding.
pub fn cells(binding: &Binding) -> impl Iterator<Item = (FieldIndex, &Cell)> {
    binding
        .cells
        .iter()
        .zip(0u16..)
        .filter_map(|(cell, index)| Some((FieldIndex(index), cell.as_ref()?)))
}

/// Whether this system receives this field.
pub fn may_write(entity: &Entity, field: FieldIndex, system: SystemIndex) -> bool {
    let to = entity.field(field).and_then(|field| field.to.as_ref());
    to.is_none_or(|to| to.contains(&system))
}

/// What this part needs in the system of this binding.
pub fn need(view: &View<'_>, binding: &Binding, part: &Part, root_alive: bool) -> Need {
    if !binding.writes || part.exists.version == 0 {
        return Need::Nothing;
    }
    let alive = root_alive && part.exists.alive;
    // The scope of a record is kept with its own link, not with its children's.
    let scope = view.root.link(binding.system).map_or(Scope::In, |link| link.scope);
    let Some(link) = part.link(binding.system) else {
        let wanted = alive && scope == Scope::In && may_insert(part);
        return if wanted { Need::Insert } else { Need::Nothing };
    };
    if part.conflicts.iter().any(|conflict| conflict.field.is_none()) {
        // Whether it lives is for a person to say.
        return Need::Nothing;
    }
    let exists_agreed = link.agreed_exists == part.exists.version;
    // A row is not deleted while it says something that nobody understands.
    let may_delete = !link.is_unreadable();
    // Its lines stay where the row of a deleted record does.
    if !root_alive && view.root.is_left(binding.system) {
        return Need::Nothing;
    }
    match (&link.shadow, alive, scope) {
        (Some(_), true, Scope::In) => {
            let fields = view.fields(binding, part, link);
            if fields.is_empty() { Need::Nothing } else { Need::Update(fields) }
        }
        // A row that is there and could not be read is its own: no second one beside it.
        (None, true, Scope::In) if !exists_agreed && may_insert(part) && !link.is_unreadable() => {
            Need::Insert
        }
        // A child goes with its parent, whose version it does not share.
        (Some(_), false, Scope::In) if may_delete && (!exists_agreed || part.exists.alive) => {
            Need::Delete
        }
        (Some(_), _, Scope::Leaving) if may_delete => Need::Delete,
        (Some(_) | None, _, _) => Need::Nothing,
    }
}

/// A row is not created while a reference of the record is still unknown: its parent comes first.
fn may_insert(part: &Part) -> bool {
    !part.links.iter().any(|link| {
        link.held.iter().any(|(field, hold)| {
            *hold == Hold::Parent && part.cell(*field).is_some_and(|cell| cell.version == 0)
        })
    })
}

/// What a group needs in a system, part by part: the root first. Empty if it is contested, or
/// waits for a person because of who has changed it.
pub fn needs(plan: &Plan, group: &Group, system: SystemIndex, rows: Rows<'_>) -> Vec<PartNeed> {
    let mut found = Vec::new();
    if group.is_contested(plan) || !group.excess.is_empty() {
        return found;
    }
    let root_alive = group.root.exists.alive;
    let mut add = |entity_index: EntityIndex, child: Option<usize>, part: &Part| {
        let Some(entity) = plan.entity(entity_index) else { return };
        let Some(binding_index) = plan.binding_of(entity_index, system) else { return };
        let Some(binding) = plan.binding(binding_index) else { return };
        let view = View { plan, entity, record: group.id, root: &group.root, rows };
        let need = need(&view, binding, part, root_alive);
        found.push(PartNeed { child, binding: binding_index, need });
    };
    add(group.entity, None, &group.root);
    for (at, child) in group.children.iter().enumerate() {
        add(child.list, Some(at), &child.part);
    }
    found
}

/// What one part of a group needs in a system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartNeed {
    /// Its place among the children; `None`: the record itself.
    pub child: Option<usize>,
    /// Its binding in the system.
    pub binding: crate::name::BindingIndex,
    /// What it needs.
    pub need: Need,
}
