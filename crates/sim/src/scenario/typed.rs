//! The simulated systems of a scenario, where what it names is in a plan, and what is typed as a system
//! keeps it.

use syncline_core::{
    name::{BindingIndex, FieldIndex, Timestamp},
    plan::{Place, Plan},
    value::Value,
};

use crate::{
    scenario::{Cell, Column, Kind, Scenario, Table},
    system::{self, SimSystem},
};

/// The systems of a scenario, with their tables, empty.
pub(super) fn equipped(scenario: &Scenario, plan: &Plan) -> Result<Vec<SimSystem>, String> {
    let mut systems = Vec::new();
    for (at, drafted) in plan.systems.iter().enumerate() {
        let system = SimSystem::new(drafted.class, at as i64 * 1_000 + 100, at as u64);
        for (binding, found) in plan.bindings.iter().enumerate() {
            if found.system.at() != at {
                continue;
            }
            let table = scenario.tables.iter().find(|it| *it.name == *found.table.table);
            let table = table.ok_or_else(|| format!("no table {}", found.table.table))?;
            let place = |column: &Column| field(plan, BindingIndex(binding as u16), column);
            let columns = &table.columns;
            let is_single = |column: &&Column| column.is_unique || column.is_key;
            let made = system::Table {
                width: found.cells.len(),
                key_field: columns.iter().find(|it| it.is_key).and_then(place),
                unique: columns.iter().filter(is_single).filter_map(place).collect(),
                foreign: columns.iter().find_map(|column| {
                    let refers_to = scenario.tables.get(column.refers_to?)?;
                    let to = binding_of(plan, at, refers_to)?;
                    Some((place(column)?, to))
                }),
                refuses: scenario
                    .refused
                    .iter()
                    .filter(|(system, of, ..)| {
                        *system == at && scenario.tables.get(*of) == Some(table)
                    })
                    .filter_map(|(_, _, column, value)| {
                        Some((place(columns.get(*column)?)?, Value::text(value)))
                    })
                    .collect(),
                ..system::Table::default()
            };
            system.state().tables.insert(BindingIndex(binding as u16), made);
        }
        systems.push(system);
    }
    Ok(systems)
}

pub(super) fn binding_of(plan: &Plan, system: usize, table: &Table) -> Option<BindingIndex> {
    let mut bindings = plan.bindings.iter().enumerate();
    let found = bindings
        .find(|(_, found)| found.system.at() == system && *found.table.table == *table.name);
    found.map(|(at, _)| BindingIndex(at as u16))
}

/// The field that a column holds.
pub(super) fn field(plan: &Plan, binding: BindingIndex, column: &Column) -> Option<FieldIndex> {
    let cells = &plan.binding(binding)?.cells;
    let at = cells.iter().position(|cell| {
        let place = cell.as_ref().map(|cell| &cell.place);
        matches!(place, Some(Place::Column(name)) if **name == *column.name)
    })?;
    Some(FieldIndex(at as u16))
}

/// What is typed, as the system keeps it.
pub(super) fn value(column: &Column, cell: &Cell) -> Option<Value> {
    let Some(typed) = cell else { return Some(Value::Null) };
    match column.kind {
        Kind::Numbered | Kind::Whole => typed.parse().ok().map(Value::int),
        Kind::Text => Some(Value::text(typed)),
        Kind::Moment => None,
    }
}

/// `now`, `later` (an hour), or `2024-05-02 10:00:05`.
pub(super) fn moment(now: Timestamp, cell: &Cell) -> Option<Timestamp> {
    let typed = match cell.as_deref()? {
        "now" => return Some(now),
        "later" => return Some(now.plus_ms(3_600_000)),
        typed => typed,
    };
    let numbers: Vec<i64> =
        typed.split(['-', ' ', ':']).map(str::parse).collect::<Result<_, _>>().ok()?;
    let [year, month, day, hours, minutes, seconds] = numbers.try_into().ok()?;
    // The year begins in March: then the leap day is its last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year / 4 - year / 100 + year / 400;
    let days = year * 365 + leap_days + (153 * month + 2) / 5 + day - 1 - 719_468;
    Some(Timestamp((((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1_000_000))
}
