//! Where what a scenario names is in a plan, and what is typed as a simulated system keeps it.

use syncline_core::{
    name::{BindingIndex, FieldIndex, Timestamp},
    plan::{Place, Plan},
    value::Value,
};

use crate::scenario::{Cell, Column, Kind, Table};

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
