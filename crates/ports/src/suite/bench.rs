//! The bench on which sources and targets are tried: a few tables, a plan that binds them, and
//! another user who edits beside us.
//!
//! A bench makes these tables in a system of its kind, empty, with names exactly as written:
//!
//! | table | columns |
//! |---|---|
//! | `contacts` | `id` whole number, numbered by the system, primary key · `email` text, not null, unique · `name` text · `phone` text, refused by a check where it is `invalid` · `note` text of any length · `code` text, made upper-case by a trigger · `Mixed Case` text · `order` whole number · `touched` whole number, not null, default 0 · `extra` text, default `x` |
//! | `orders` | `id` as above · `number` text, not null, unique · `contact_id` refers to `contacts` |
//! | `order_lines` | `order_id` refers to `orders` · `line` whole number · `sku` text · `qty` whole number; primary key (`order_id`, `line`) |
//! | `stock` | `sku`, `site` text, primary key in this order · `qty` whole number, not null |
//!
//! Texts hold at least 200 characters, `note` more than a million. The tables of a system with a
//! table of marks include that.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "conversions name the kinds they know; all others are treated alike"
)]

use std::{fmt::Write as _, time::Duration};

use async_trait::async_trait;
use syncline_core::{
    Text,
    change::{Row, RowKey, RowWrite, WriteKind},
    lens::Lens,
    name::{BindingIndex, EntityIndex, FieldIndex, IntentId, RecordId, SystemIndex},
    plan::{
        Binding, Cell, Class, DeleteConflict, DeletePolicy, Entity, Field, Guards, MatchRule,
        OnLeave, OnParentDelete, OnTargetEdit, Place, Plan, Policy, Schedule, System, TableSpec,
    },
    value::{Digest, Slot, Value},
};

use crate::{source::Source, target::Target};

/// A system with the tables of the suite, and another user of it.
#[async_trait]
pub trait Bench: Send {
    /// Opens the adapter; a statement may take no longer than `timeout`.
    async fn open(&mut self, plan: Plan, timeout: Duration) -> (Box<dyn Source>, Box<dyn Target>);

    /// The other user edits, and commits.
    async fn edit(&mut self, edit: &Edit);

    /// The other user begins a transaction, edits, and leaves it open.
    async fn hold(&mut self, edit: &Edit);

    /// The other user gives up the transaction left open.
    async fn release(&mut self);

    /// How many rows of a table hold these values.
    async fn count(&mut self, table: &'static str, values: &Columns) -> u64;

    /// Whether our own writes leave marks.
    fn has_marks(&self) -> bool;

    /// Whether the highest number of a row is given again once that row is gone.
    fn reuses_keys(&self) -> bool {
        false
    }
}

/// Columns and their values.
pub type Columns = Vec<(&'static str, Value)>;

/// What the other user does.
#[derive(Clone, Debug)]
pub enum Edit {
    /// A new row.
    Insert {
        /// Its table.
        table: &'static str,
        /// Its columns.
        row: Columns,
    },
    /// Rows change.
    Update {
        /// Their table.
        table: &'static str,
        /// Which rows.
        find: Columns,
        /// What they become.
        set: Columns,
    },
    /// Rows go.
    Delete {
        /// Their table.
        table: &'static str,
        /// Which rows.
        find: Columns,
    },
}

impl Edit {
    /// As a statement of standard SQL, names in double quotes, for benches that speak it.
    pub fn sql(&self) -> String {
        match self {
            Self::Insert { table, row } => {
                let names: Vec<String> =
                    row.iter().map(|(name, _)| format!("\"{name}\"")).collect();
                let values: Vec<String> = row.iter().map(|(_, value)| literal(value)).collect();
                format!(
                    "insert into \"{table}\" ({}) values ({})",
                    names.join(", "),
                    values.join(", ")
                )
            }
            Self::Update { table, find, set } => {
                let sets: Vec<String> = set
                    .iter()
                    .map(|(name, value)| format!("\"{name}\" = {}", literal(value)))
                    .collect();
                format!("update \"{table}\" set {} where {}", sets.join(", "), condition(find))
            }
            Self::Delete { table, find } => {
                format!("delete from \"{table}\" where {}", condition(find))
            }
        }
    }
}

/// The rows that hold these values, as a condition of standard SQL.
pub fn condition(columns: &Columns) -> String {
    let mut text = String::from("1 = 1");
    for (name, value) in columns {
        let _never_fails = if value.is_null() {
            write!(text, " and \"{name}\" is null")
        } else {
            write!(text, " and \"{name}\" = {}", literal(value))
        };
    }
    text
}

fn literal(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Text(text) => format!("'{}'", text.replace('\'', "''")),
        other => other.to_string(),
    }
}

/// The binding of `contacts`.
pub const CONTACTS: BindingIndex = BindingIndex(0);
/// The binding of `orders`.
pub const ORDERS: BindingIndex = BindingIndex(1);
/// The binding of `order_lines`, child rows of `orders`.
pub const LINES: BindingIndex = BindingIndex(2);
/// The binding of `stock`, whose key columns are fields.
pub const STOCK: BindingIndex = BindingIndex(3);

const TABLES: [(&str, &str, &[&str]); 4] = [
    ("contacts", "contacts", &["email", "name", "phone", "note", "code", "Mixed Case", "order"]),
    ("orders", "orders", &["number", "contact_id"]),
    ("orders.lines", "order_lines", &["line", "sku", "qty"]),
    ("stock", "stock", &["sku", "site", "qty"]),
];

/// The plan that binds the tables: one system, each field a column of its name.
pub fn plan() -> Plan {
    let mut plan = Plan {
        systems: vec![System {
            name: "bench".into(),
            class: Class::Marked,
            path_retries: false,
            batch: 500,
        }],
        ..Plan::default()
    };
    for (at, (name, table, fields)) in TABLES.iter().enumerate() {
        let is_list = at == 2;
        plan.entities.push(Entity {
            name: (*name).into(),
            parent: is_list.then_some(EntityIndex(1)),
            lists: if at == 1 { vec![EntityIndex(2)] } else { Vec::new() },
            fields: fields.iter().map(|field| self::field(field)).collect(),
            bindings: vec![BindingIndex(at as u16)],
            matching: vec![MatchRule { fields: vec![FieldIndex(0)] }],
            when: None,
            on_leave: OnLeave::Freeze,
            priority: vec![SystemIndex(0)],
            units: Vec::new(),
            deletes: DeletePolicy::Propagate,
            delete_from: None,
            delete_grace_ms: 0,
            delete_conflict: DeleteConflict::Priority,
            on_parent_delete: OnParentDelete::Wait,
            on_target_edit: OnTargetEdit::Revert,
            guards: Guards::default(),
            validate: Vec::new(),
            rekey_window_ms: None,
            schedule: Schedule::Live,
            reconcile_ms: None,
            meaning: Digest::default(),
        });
        plan.bindings.push(Binding {
            entity: EntityIndex(at as u16),
            system: SystemIndex(0),
            table: TableSpec {
                table: (*table).into(),
                key: match at {
                    2 => vec!["order_id".into(), "line".into()],
                    3 => vec!["sku".into(), "site".into()],
                    _ => vec!["id".into()],
                },
                cursor: (at == 0).then(|| "touched".into()),
                parent: if is_list { vec!["order_id".into()] } else { Vec::new() },
                ..TableSpec::default()
            },
            cells: fields.iter().map(|field| Some(cell(field))).collect(),
            when: None,
            on_leave: OnLeave::Freeze,
            reads: true,
            writes: true,
            soft_delete: None,
            per_user: None,
            rank: 0,
        });
    }
    if let Some(contact) = plan.entities.get_mut(1).and_then(|orders| orders.fields.get_mut(1)) {
        contact.reference = Some(EntityIndex(0));
    }
    plan
}

fn field(name: &str) -> Field {
    Field {
        name: name.into(),
        kind: syncline_core::lens::FieldType::default(),
        label: syncline_core::label::Label::Open,
        reference: None,
        from: None,
        to: None,
        policy: Policy::Priority,
        priority: None,
        compute: None,
        unit: None,
        ranks: std::collections::BTreeMap::new(),
    }
}

fn cell(column: &str) -> Cell {
    Cell {
        place: Place::Column(column.into()),
        lens: Lens::identity(),
        two_way: true,
        insert_only: false,
    }
}

/// The field of this name in the entity of a binding.
///
/// # Panics
/// If there is none.
pub fn field_of(binding: BindingIndex, name: &str) -> FieldIndex {
    let at = TABLES
        .get(binding.at())
        .and_then(|(_, _, fields)| fields.iter().position(|field| *field == name));
    assert!(at.is_some(), "no field {name}");
    FieldIndex(at.unwrap_or_default() as u16)
}

/// A key of whole numbers.
pub fn number_key(numbers: &[i64]) -> RowKey {
    let values: Vec<Value> = numbers.iter().copied().map(Value::int).collect();
    RowKey::new(&values)
}

/// A row of fields as text, `name=value`, missing fields left out: for comparing in one line.
pub fn shown(binding: BindingIndex, row: &Row) -> String {
    let fields = TABLES.get(binding.at()).map_or(&[][..], |(_, _, fields)| *fields);
    let mut text = String::new();
    for (name, slot) in fields.iter().zip(row.0.iter()) {
        if let Slot::Present(value) = slot {
            let _never_fails =
                write!(text, "{}{name}={value}", if text.is_empty() { "" } else { " " });
        }
    }
    text
}

/// Makes writes, each with an intent of its own.
#[derive(Debug, Default)]
pub struct Writer {
    count: u128,
}

impl Writer {
    /// A write to a binding.
    pub fn write(
        &mut self,
        binding: BindingIndex,
        kind: WriteKind,
        key: Option<RowKey>,
        set: &[(&str, Value)],
        expect: Option<&[(&str, Value)]>,
    ) -> RowWrite {
        use syncline_core::change::Expected;
        self.count += 1;
        let atoms = |list: &[(&str, Value)]| {
            list.iter().map(|(name, value)| (field_of(binding, name), value.clone())).collect()
        };
        RowWrite {
            record: RecordId(self.count),
            intent: IntentId((u128::from(binding.0) << 64) | self.count),
            binding,
            key,
            parent: None,
            kind,
            set: atoms(set),
            expect: expect.map_or(Expected::Absent, |fields| Expected::Fields(atoms(fields))),
            token: None,
        }
    }
}

/// A text value.
pub fn text(text: &str) -> Value {
    Value::Text(Text::new(text))
}
