//! One table of a test's own, bound column by column.

use std::sync::Arc;

use syncline_adapters::{
    Connector,
    settings::{Marks, Settings},
};
use syncline_core::{
    change::{Expected, Outcome, RowKey, RowWrite, WriteGroup, WriteKind},
    lens::Lens,
    name::{BindingIndex, EntityIndex, FieldIndex, IntentId, RecordId, SystemIndex},
    plan::{Cell, Place, Plan, TableSpec},
    value::Value,
};
use syncline_ports::{
    source::{Batch, KeyRead, Limit, ReadRequest},
    suite::bench,
};

use crate::{
    mysql_tests::bench::settings,
    servers::{Server, mariadb},
};

pub(super) const BINDING: BindingIndex = BindingIndex(0);
pub(super) const LIMIT: Limit = Limit { rows: 1_000, bytes: 1 << 20 };

/// A table `t` in a database of its own, whose columns are the fields.
pub(super) struct Table {
    pub server: &'static Server,
    pub url: String,
    pub settings: Settings,
    pub plan: Plan,
    intents: u128,
}

impl Table {
    /// Runs `ddl`, which makes `t` with these columns.
    pub(super) fn new(ddl: &str, columns: &[&str]) -> Self {
        Self::on(mariadb(), ddl, columns)
    }

    pub(super) fn on(server: &'static Server, ddl: &str, columns: &[&str]) -> Self {
        let url = server.database("own");
        server.execute(&url, ddl);
        let settings = settings(server, &url, Marks::None);
        Self { server, url, settings, plan: plan(columns), intents: 0 }
    }

    pub(super) async fn open(&self) -> Connector {
        syncline_adapters::open(&self.settings, Arc::new(self.plan.clone()), SystemIndex(0))
            .await
            .unwrap()
    }

    pub(super) fn sql(&self, sql: &str) -> String {
        self.server.execute(&self.url, sql)
    }

    /// A group of one write. `expect: None` expects no row.
    pub(super) fn write(
        &mut self,
        kind: WriteKind,
        key: Option<RowKey>,
        set: &[(u16, Value)],
        expect: Option<&[(u16, Value)]>,
    ) -> WriteGroup {
        self.intents += 1;
        let atoms = |list: &[(u16, Value)]| {
            list.iter().map(|(field, value)| (FieldIndex(*field), value.clone())).collect()
        };
        let write = RowWrite {
            record: RecordId(self.intents),
            intent: IntentId(self.intents),
            binding: BINDING,
            key,
            parent: None,
            kind,
            set: atoms(set),
            expect: expect.map_or(Expected::Absent, |fields| Expected::Fields(atoms(fields))),
            token: None,
        };
        WriteGroup { writes: vec![write], park: false }
    }

    pub(super) fn insert(&mut self, set: &[(u16, Value)]) -> WriteGroup {
        self.write(WriteKind::Insert, None, set, None)
    }
}

/// The plan of one entity over `t`; the first column is its key and the others are its fields, or
/// the table has another key and all are.
fn plan(columns: &[&str]) -> Plan {
    let mut plan = bench::plan();
    plan.entities.truncate(1);
    plan.bindings.truncate(1);
    let field = plan.entities[0].fields[0].clone();
    plan.entities[0].fields = columns
        .iter()
        .map(|name| syncline_core::plan::Field { name: (*name).into(), ..field.clone() })
        .collect();
    let binding = &mut plan.bindings[0];
    binding.entity = EntityIndex(0);
    binding.table = TableSpec { table: "t".into(), ..TableSpec::default() };
    binding.cells = columns
        .iter()
        .map(|name| {
            Some(Cell {
                place: Place::Column((*name).into()),
                lens: Lens::identity(),
                two_way: true,
                insert_only: false,
            })
        })
        .collect();
    plan
}

pub(super) fn key(number: i64) -> RowKey {
    RowKey::new(&[Value::int(number)])
}

pub(super) async fn scan(open: &mut Connector) -> Batch {
    let request = ReadRequest::Scan { binding: BINDING, after: None };
    open.source.read(&request, LIMIT).await.unwrap()
}

pub(super) async fn by_key(open: &mut Connector, key: RowKey, in_doubt: Vec<IntentId>) -> Batch {
    let read = KeyRead { key, operation: syncline_core::name::OperationId(1), in_doubt };
    let request = ReadRequest::Keys { binding: BINDING, keys: vec![read] };
    open.source.read(&request, LIMIT).await.unwrap()
}

/// An outcome in a few words.
pub(super) fn said(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Applied { key, .. } => format!("applied {key}"),
        Outcome::Precondition { current, .. } => {
            format!("found {}", if current.is_some() { "a row" } else { "none" })
        }
        Outcome::Unique { columns, holder } => {
            let holder = holder.as_ref().map(ToString::to_string).unwrap_or_default();
            format!("unique {} {holder}", columns.join(","))
        }
        Outcome::Foreign { constraint } => format!("foreign {constraint}"),
        Outcome::Invalid { code, reason } => format!("{code}: {reason}"),
        Outcome::Retry { reason } => format!("retry: {reason}"),
        Outcome::Unknown { reason } => format!("unknown: {reason}"),
        Outcome::Sibling => "sibling".into(),
    }
}
