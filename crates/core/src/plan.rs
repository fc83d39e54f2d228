//! The configuration, compiled: names became indices. The hot path reads nothing else of the file.

use std::collections::BTreeMap;

use crate::{
    Text,
    expr::Expr,
    label::Label,
    lens::{FieldType, Lens},
    name::{BindingIndex, EntityIndex, FieldIndex, SystemIndex},
    tally::PerUser,
    validate::Rule,
    value::{Digest, Value},
};

pub use crate::guard::{Guards, Limit};

/// The configuration, checked and compiled.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// In the file's order, which is the default priority.
    pub systems: Vec<System>,
    /// Entities and their child lists; a child list comes after its parent.
    pub entities: Vec<Entity>,
    /// How each entity lives in each system.
    pub bindings: Vec<Binding>,
    /// Columns of which everybody but their system knows keyed hashes only, which are made at its door: what such
    /// a hash is for, and how what the column holds is read before. Their cells copy, and are never written.
    pub hashed: BTreeMap<(BindingIndex, FieldIndex), (Text, Lens)>,
    /// The zone of values that carry no offset.
    pub zone: Option<Text>,
    /// How far a source's clock may be ahead, in milliseconds.
    pub max_skew_ms: i64,
    /// What is wrong on purpose.
    #[cfg(feature = "mutants")]
    pub mutant: Option<crate::mutant::Mutant>,
}

/// A place outside that holds rows.
#[derive(Clone, Debug)]
pub struct System {
    /// Its name in the file.
    pub name: Text,
    /// What it can do, and so what can be guaranteed.
    pub class: Class,
    /// Whether a proxy may send a write twice without being asked (2.2, F1).
    pub path_retries: bool,
    /// Rows per write batch.
    pub batch: usize,
}

/// Capability classes of correctness.md 1.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// A complete log, locked compare, own writes recognised by a mark in the log.
    Log,
    /// Read by poll and scan, locked compare, own writes recognised by a table of marks.
    Marked,
    /// Rows carry a comparable version or token; writes are conditional on it.
    Versioned,
    /// Read by poll and scan, locked compare, nothing of ours may be stored there.
    Plain,
    /// Writes cannot be conditional.
    Blind,
}

/// A kind of business record, or a child list of one.
#[derive(Clone, Debug)]
pub struct Entity {
    /// Its name in the file; a child list is called `orders.lines`.
    pub name: Text,
    /// For a child list: the entity its rows belong to. Its parts live in the parent's group.
    pub parent: Option<EntityIndex>,
    /// Its child lists.
    pub lists: Vec<EntityIndex>,
    /// The matrix of the file, one row each.
    pub fields: Vec<Field>,
    /// Its binding per system, in priority order of the file.
    pub bindings: Vec<BindingIndex>,
    /// How unlinked rows find their record, in order. For a child list: one rule, its key.
    pub matching: Vec<MatchRule>,
    /// Which records flow at all.
    pub when: Option<Expr>,
    /// What becomes of those that no longer do.
    pub on_leave: OnLeave,
    /// Systems by priority: who stands first wins.
    pub priority: Vec<SystemIndex>,
    /// Fields that merge as one.
    pub units: Vec<Unit>,
    /// What a delete does.
    pub deletes: DeletePolicy,
    /// Which systems may delete; `None`: all that may write.
    pub delete_from: Option<Vec<SystemIndex>>,
    /// So long a delete waits before it is passed on, in milliseconds; who comes back meanwhile stays.
    pub delete_grace_ms: i64,
    /// A delete against an edit.
    pub delete_conflict: DeleteConflict,
    /// What becomes of children whose parent is deleted.
    pub on_parent_delete: OnParentDelete,
    /// What becomes of an edit in a system that only receives.
    pub on_target_edit: OnTargetEdit,
    /// The guards' limits.
    pub guards: Guards,
    /// What must hold of its records.
    pub validate: Vec<Rule>,
    /// How long after a delete a re-created row of the same identity takes its place, in
    /// milliseconds; `None`: within the same poll or scan.
    pub rekey_window_ms: Option<i64>,
    /// How often it runs by itself.
    pub schedule: Schedule,
    /// How often everything is compared, in milliseconds; `None`: only when asked.
    pub reconcile_ms: Option<i64>,
    /// The hash of what decides the meaning of stored state (`when`, `match`, `key`, cells): another
    /// hash needs a plan first (`guard.config_changed`).
    pub meaning: Digest,
}

/// A field of an entity.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its name in the file.
    pub name: Text,
    /// What it holds in the hub.
    pub kind: FieldType,
    /// How much of its values people may see.
    pub label: Label,
    /// For a reference: the entity it refers to.
    pub reference: Option<EntityIndex>,
    /// Systems whose edits count; `None`: all that have a two-way cell.
    pub from: Option<Vec<SystemIndex>>,
    /// Systems that are written; `None`: all that have a cell.
    pub to: Option<Vec<SystemIndex>>,
    /// Who wins where the merge cannot decide.
    pub policy: Policy,
    /// The priority, where it differs from the entity's.
    pub priority: Option<Vec<SystemIndex>>,
    /// One-way: computed from the other fields of the record.
    pub compute: Option<Expr>,
    /// The unit it belongs to.
    pub unit: Option<usize>,
    /// The ranks of an enumeration's values, in declared order, for `highest`.
    pub ranks: BTreeMap<Text, usize>,
}

/// Fields that merge as one (an address).
#[derive(Clone, Debug)]
pub struct Unit {
    /// Its name in the file.
    pub name: Text,
    /// Its fields.
    pub fields: Vec<FieldIndex>,
}

/// How an unlinked row finds its record: all these fields equal, none of them null.
#[derive(Clone, Debug)]
pub struct MatchRule {
    /// The fields, in order.
    pub fields: Vec<FieldIndex>,
}

/// Who wins where both sides changed a field.
#[derive(Clone, Debug)]
pub enum Policy {
    /// The system that stands first.
    Priority,
    /// The newest, by the `changed_at` column or the commit time; ties and suspect clocks fall to
    /// priority.
    Newest,
    /// Both changes: deltas are summed.
    Add {
        /// The sum may not fall below this.
        min: Option<crate::decimal::Decimal>,
        /// What happens if it would.
        below_min: BelowMin,
    },
    /// A person decides; the field is held meanwhile.
    Manual,
    /// An expression over `base` and `candidates` decides.
    Expr(Expr),
    /// Sets: members added and removed on both sides are all applied.
    Merge,
}

/// What happens when a sum would fall below its minimum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BelowMin {
    /// A person decides.
    Manual,
    /// It stops at the minimum, and the audit says so.
    Clamp,
}

/// What a record's leaving the scope does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OnLeave {
    /// It stays in the other systems, linked, and no longer flows.
    #[default]
    Freeze,
    /// It stays there, no longer linked.
    Detach,
    /// It goes from there.
    Delete,
}

/// What a delete in one system does in the others.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum DeletePolicy {
    /// It is a delete there too.
    #[default]
    Propagate,
    /// It waits for a person.
    Hold,
    /// Nothing; the row is no longer linked.
    Ignore,
    /// These systems keep the row, with these native values (field atoms by column name are
    /// resolved by the binding: see [`Binding::soft_delete`]); the others delete it.
    Soft,
}

/// A delete against an edit the deleter had not seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum DeleteConflict {
    /// The system that stands first decides.
    #[default]
    Priority,
    /// The delete.
    DeleteWins,
    /// The edit.
    UpdateWins,
    /// The later one; only where deletes carry a time.
    Newest,
    /// A person.
    Manual,
}

/// What becomes of children whose parent is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OnParentDelete {
    /// The parent's delete waits until the children are gone.
    #[default]
    Wait,
    /// They go too.
    Cascade,
    /// Their reference becomes null.
    Detach,
    /// The parent's delete is refused.
    Forbid,
}

/// What becomes of an edit in a system that only receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OnTargetEdit {
    /// The hub's value is written again, and the edit is shown.
    #[default]
    Revert,
    /// It stays, listed as drift.
    Ignore,
}

/// When an entity runs by itself.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Schedule {
    /// Whenever something changes, or the poll is due.
    #[default]
    Live,
    /// Every so many milliseconds.
    Every(i64),
    /// By a cron expression, in the plan's zone.
    Cron(Text),
}

/// How one entity lives in one system.
#[derive(Clone, Debug)]
pub struct Binding {
    /// The entity or child list.
    pub entity: EntityIndex,
    /// The system.
    pub system: SystemIndex,
    /// Where its rows are.
    pub table: TableSpec,
    /// Per field of the entity: its cell here, if it has one.
    pub cells: Vec<Option<Cell>>,
    /// Which records belong here, beside the entity's own `when`.
    pub when: Option<Expr>,
    /// What becomes of those that no longer do.
    pub on_leave: OnLeave,
    /// Edits here count.
    pub reads: bool,
    /// Rows here are written.
    pub writes: bool,
    /// For a soft delete: native atoms to set instead of deleting, by field or by plain column.
    pub soft_delete: Option<Vec<(Text, SoftValue)>>,
    /// How much each of its users may change in a while, if that is bounded.
    pub per_user: Option<PerUser>,
    /// Per field: index into the class' normaliser is the lens itself (see [`Lens::normalise`]).
    pub rank: usize,
}

/// What a soft delete writes.
#[derive(Clone, Debug, PartialEq)]
pub enum SoftValue {
    /// This native value.
    Value(Value),
    /// The time of the write.
    Now,
}

/// A table and its columns, as the file names them.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct TableSpec {
    /// The table; may carry a schema: `public.contacts`.
    pub table: Text,
    /// The key columns; empty: the table's primary key (filled from the live schema).
    pub key: Vec<Text>,
    /// The column that says when a row last changed, with its zone if it carries none.
    pub changed_at: Option<(Text, Option<Text>)>,
    /// The column that says who changed it.
    pub changed_by: Option<Text>,
    /// The column to poll by; `None`: `changed_at`, else full scans.
    pub cursor: Option<Text>,
    /// It is always read whole, although a column says when a row changed: nothing finds rows by it.
    pub whole: bool,
    /// It shows only what has changed since it was read last: what it does not show is as it was.
    pub delta: bool,
    /// It holds what is written to it and nothing else: what is missing there is written again, however
    /// much it is.
    pub export: bool,
    /// For a child list: the columns that hold the parent's key.
    pub parent: Vec<Text>,
    /// For a child list that its parent's row holds, as documents do: where in it. Such a list is read
    /// and written with its parent's row.
    pub within: Option<Text>,
    /// For a field of the entity that is a key column: its place in `key`, by field.
    pub key_fields: Vec<Option<FieldIndex>>,
}

impl TableSpec {
    /// Rows that changed can be found without reading all.
    pub fn polls(&self) -> bool {
        self.delta || !self.whole && (self.cursor.is_some() || self.changed_at.is_some())
    }
}

/// How one system holds one field.
#[derive(Clone, Debug)]
pub struct Cell {
    /// Where its native atom is.
    pub place: Place,
    /// What it means.
    pub lens: Lens,
    /// It can be read back: an edit here is an edit of the field.
    pub two_way: bool,
    /// Written when the row is created, and never again.
    pub insert_only: bool,
}

/// Where a native atom is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The value of this column.
    Column(Text),
    /// The values of these columns, as a list.
    Columns(Vec<Text>),
    /// The value at this path in a JSON column: `["address", "zip"]`.
    Path {
        /// The JSON column.
        column: Text,
        /// Object keys, outermost first.
        path: Vec<Text>,
    },
}

/// `TEL`, `FNAME + LNAME`, `data.address.zip`.
impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Column(name) => f.write_str(name),
            Self::Columns(names) => f.write_str(&names.join(" + ")),
            Self::Path { column, path } => write!(f, "{column}.{}", path.join(".")),
        }
    }
}

impl Plan {
    /// Whether records of this entity can be referred to.
    pub fn is_referred_to(&self, entity: EntityIndex) -> bool {
        let mut fields = self.entities.iter().flat_map(|entity| &entity.fields);
        fields.any(|field| field.reference == Some(entity))
    }

    /// The bindings of the child lists that the rows of this binding hold.
    pub fn held_lists(&self, binding: BindingIndex) -> Vec<BindingIndex> {
        let Some(found) = self.binding(binding) else { return Vec::new() };
        let lists = self.entity(found.entity).map(|entity| entity.lists.as_slice());
        let lists = lists.unwrap_or_default().iter();
        lists
            .filter_map(|list| self.binding_of(*list, found.system))
            .filter(|list| self.is_held(*list))
            .collect()
    }

    /// Whether the rows of this binding are held by those of their parents.
    pub fn is_held(&self, binding: BindingIndex) -> bool {
        self.binding(binding).is_some_and(|found| found.table.within.is_some())
    }

    /// The system of this index.
    pub fn system(&self, index: SystemIndex) -> Option<&System> {
        self.systems.get(index.at())
    }

    /// The entity of this index.
    pub fn entity(&self, index: EntityIndex) -> Option<&Entity> {
        self.entities.get(index.at())
    }

    /// The binding of this index.
    pub fn binding(&self, index: BindingIndex) -> Option<&Binding> {
        self.bindings.get(index.at())
    }

    /// How this entity lives in this system, if it does.
    pub fn binding_of(&self, entity: EntityIndex, system: SystemIndex) -> Option<BindingIndex> {
        let entity = self.entity(entity)?;
        entity
            .bindings
            .iter()
            .copied()
            .find(|index| self.binding(*index).is_some_and(|found| found.system == system))
    }

    /// The entity that a child list belongs to; every other entity is its own.
    pub fn root_of(&self, entity: EntityIndex) -> EntityIndex {
        self.entity(entity).and_then(|found| found.parent).unwrap_or(entity)
    }

    /// The system of this name.
    pub fn system_named(&self, name: &str) -> Option<SystemIndex> {
        let at = self.systems.iter().position(|system| system.name == name)?;
        Some(SystemIndex(u16::try_from(at).ok()?))
    }

    /// The entity (or child list, `orders.lines`) of this name.
    pub fn entity_named(&self, name: &str) -> Option<EntityIndex> {
        let at = self.entities.iter().position(|entity| entity.name == name)?;
        Some(EntityIndex(u16::try_from(at).ok()?))
    }
}

impl Entity {
    /// The field of this name.
    pub fn field_named(&self, name: &str) -> Option<FieldIndex> {
        let at = self.fields.iter().position(|field| field.name == name)?;
        Some(FieldIndex(u16::try_from(at).ok()?))
    }

    /// The field of this index.
    pub fn field(&self, index: FieldIndex) -> Option<&Field> {
        self.fields.get(index.at())
    }
}

impl Binding {
    /// The cell of this field here.
    pub fn cell(&self, field: FieldIndex) -> Option<&Cell> {
        self.cells.get(field.at())?.as_ref()
    }
}
