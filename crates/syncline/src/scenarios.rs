//! Every scenario of `crates/sim/scenarios` in the simulator: what its configuration means is asked of
//! the same code that the program asks, and the production loops play it over simulated systems.
//! `tests/scenarios/data.rs` plays the same on PostgreSQL, MariaDB and SQLite.

use std::path::Path;

use syncline_core::Text;
use syncline_ports::catalog::{Column, Foreign, NativeKind, Privileges, Table, Travels, Unique};
use syncline_sim::scenario::{self, Kind, NAMES, Scenario, simulated::Simulated};

use crate::config::{self, Live, Severity, compile::LiveSystem};

macro_rules! tests {
    ($($name:ident)*) => {$(
        #[test]
        fn $name() {
            let scenario = scenario::named(stringify!($name)).unwrap();
            let mut house = Simulated::new(&scenario, plan(&scenario)).unwrap();
            scenario::play(&scenario, &mut house).unwrap_or_else(|found| panic!("{found}"));
        }
    )*};
}

syncline_sim::scenarios!(tests);

/// What the configuration of a scenario means for the tables that it has.
fn plan(scenario: &Scenario) -> syncline_core::plan::Plan {
    let mut text = String::from("version: 1\nsystems:\n");
    for name in NAMES {
        text += &format!("  {name}: {{url: \"sqlite:{name}.db\"}}\n");
    }
    text += &scenario.mapping;
    let loaded = config::of_text(Path::new("syncline.yaml"), text);
    let system = LiveSystem {
        tables: scenario
            .tables
            .iter()
            .map(|table| (Text::new(&table.name), Some(describe(scenario, table))))
            .collect(),
        has_marks: scenario.is_marked,
    };
    let live: Live = NAMES.iter().map(|name| (Text::new(name), system.clone())).collect();
    let (plan, mut complaints) = loaded.compile(Some(&live));
    complaints.extend(loaded.complaints.iter().cloned());
    complaints.extend(loaded.unfit(&plan, &live));
    complaints.retain(|complaint| complaint.severity == Severity::Error);
    assert!(complaints.is_empty(), "{complaints:?}");
    plan
}

/// A table as a system would describe it.
fn describe(scenario: &Scenario, table: &scenario::Table) -> Table {
    let columns = table.columns.iter().map(|column| {
        let (kind, type_name) = match column.kind {
            Kind::Numbered | Kind::Whole => (NativeKind::Num, "bigint"),
            Kind::Text => (NativeKind::Text, "text"),
            Kind::Moment => (NativeKind::LocalDateTime, "timestamp"),
        };
        Column {
            name: Text::new(&column.name),
            type_name: type_name.into(),
            travels: Travels::Exactly(kind),
            nullable: !(column.is_key || column.is_unique),
            has_default: column.kind == Kind::Numbered,
            is_identity: column.kind == Kind::Numbered,
            scale: (kind == NativeKind::Num).then_some(0),
            ..Column::default()
        }
    });
    let names = |is_it: fn(&scenario::Column) -> bool| {
        let columns = table.columns.iter().filter(move |column| is_it(column));
        columns.map(|column| Text::new(&column.name))
    };
    let refers = table.columns.iter().filter_map(|column| {
        let to = scenario.tables.get(column.refers_to?)?;
        let key = to.columns.iter().find(|column| column.is_key)?;
        Some(Foreign {
            name: Text::new(&column.name),
            columns: vec![Text::new(&column.name)],
            refers_to: (Text::new(&to.name), vec![Text::new(&key.name)]),
            cascades: false,
        })
    });
    Table {
        name: Text::new(&table.name),
        columns: columns.collect(),
        primary_key: names(|column| column.is_key).collect(),
        unique: names(|column| column.is_unique)
            .map(|name| Unique { name: name.clone(), columns: vec![name], is_deferrable: false })
            .collect(),
        foreign: refers.collect(),
        privileges: Privileges { select: true, insert: true, update: true, delete: true },
        ..Table::default()
    }
}
