//! People: they create, edit, delete, count, and swap values that must be unique.

use syncline_core::{
    change::RowKey,
    name::{BindingIndex, FieldIndex, SystemIndex},
    plan::Plan,
    value::Value,
};

use crate::{
    draft::{Extras, PHONE, STATUS, names},
    prng::Chance,
    system::{SimState, SimSystem},
    unreadable,
};

/// Something that one user of one system does.
#[derive(Clone, Debug)]
pub enum Deed {
    /// Creates a contact with this e-mail.
    Create(String),
    /// Edits a field of the row at this place.
    Edit(usize, FieldIndex),
    /// Deletes the row at this place.
    Delete(usize),
    /// Exchanges the e-mails of two rows.
    Swap(usize, usize),
    /// Places an order for the contact at this place.
    Order(usize),
    /// Adds a line with this number to the order at this place.
    Line(usize, usize),
    /// Edits the line at this place.
    EditLine(usize),
    /// Deletes the line at this place.
    DeleteLine(usize),
    /// Makes the contact at this place active if it is not, and the other way round.
    Toggle(usize),
    /// Leaves what nobody can read where the telephone number of the contact at this place was.
    Unreadable(usize),
    /// Begins to count something.
    Stock,
    /// Counts the stock at this place up or down.
    Count(usize, i64),
}

/// The tables of one system.
#[derive(Clone, Copy, Debug)]
pub struct Tables {
    contacts: BindingIndex,
    orders: Option<BindingIndex>,
    lines: Option<BindingIndex>,
    stock: Option<BindingIndex>,
}

impl Tables {
    /// The table of contacts.
    pub fn contacts(self) -> BindingIndex {
        self.contacts
    }

    /// Those of this system.
    pub fn of(plan: &Plan, system: SystemIndex) -> Option<Self> {
        let named = |name: &str| plan.binding_of(plan.entity_named(name)?, system);
        Some(Self {
            contacts: named(names::CONTACTS)?,
            orders: named(names::ORDERS),
            lines: named(names::LINES),
            stock: named(names::STOCK),
        })
    }
}

/// Draws a deed that only worlds with these extras know.
pub fn draw_extra(chance: &mut Chance, extras: Extras) -> Option<Deed> {
    let place = chance.below(8);
    let line = [Deed::Line(place, chance.below(3)), Deed::EditLine(place), Deed::DeleteLine(place)];
    let line = chance.pick(&line).cloned().filter(|_| extras.lines);
    let toggle = extras.scope.map(|_| Deed::Toggle(place));
    let count = chance.below(9) as i64 - 4;
    let count = if chance.percent(25) { Deed::Stock } else { Deed::Count(place, count) };
    let all: Vec<Deed> =
        line.into_iter().chain(toggle).chain(extras.counters.then_some(count)).collect();
    chance.pick(&all).cloned()
}

/// Draws a deed.
pub fn draw(chance: &mut Chance, emails: usize, with_orders: bool) -> Deed {
    match chance.below(if with_orders { 20 } else { 16 }) {
        0..=3 => Deed::Create(format!("p{}@example.com", chance.below(emails))),
        4..=11 => Deed::Edit(chance.below(8), FieldIndex(1 + chance.below(2) as u16)),
        12..=13 => Deed::Delete(chance.below(8)),
        14 => Deed::Swap(chance.below(8), chance.below(8)),
        15 => Deed::Edit(chance.below(8), FieldIndex(0)),
        _ => Deed::Order(chance.below(8)),
    }
}

/// People in all systems who want different things of the same contact, in a short time.
pub fn quarrel(
    chance: &mut Chance,
    deeds: usize,
    moves: usize,
    systems: usize,
) -> Vec<(usize, usize, Deed)> {
    let from = chance.below(moves / 2);
    let span = 20 + chance.below(60);
    let deed = |chance: &mut Chance| match chance.below(6) {
        0 => Deed::Create("p0@example.com".into()),
        1 => Deed::Delete(0),
        _ => Deed::Edit(0, FieldIndex(1 + chance.below(2) as u16)),
    };
    (0..deeds).map(|_| (from + chance.below(span), chance.below(systems), deed(chance))).collect()
}

/// Does it, if it can be done. Every value that is written is written once: `tag` names it.
pub fn act(system: &SimSystem, tables: Tables, deed: &Deed, tag: u64) {
    let state = &mut *system.state();
    let contacts = tables.contacts;
    let contact = |state: &SimState, place: usize| pick(state, contacts, place);
    match deed {
        Deed::Create(email) => {
            let mut values = vec![
                Value::text(email),
                Value::text(format!("name {tag}")),
                Value::text(format!("phone {tag}")),
            ];
            if state.tables.get(&contacts).is_some_and(|table| table.width > STATUS.at()) {
                values.push(Value::text(if tag.is_multiple_of(5) { "inactive" } else { "active" }));
            }
            state.create(contacts, values);
        }
        Deed::Edit(place, field) => {
            if let Some(key) = contact(state, *place) {
                let value = if field.0 == 0 {
                    format!("q{tag}@example.com")
                } else {
                    format!("edit {tag}")
                };
                state.edit(contacts, &key, *field, Value::text(value));
            }
        }
        Deed::Toggle(place) => {
            if let Some(key) = contact(state, *place) {
                let is_active = state.value(contacts, &key, STATUS) == Some(Value::text("active"));
                let status = if is_active { "inactive" } else { "active" };
                state.edit(contacts, &key, STATUS, Value::text(status));
            }
        }
        Deed::Unreadable(place) => {
            if let Some(key) = contact(state, *place) {
                state.edit(contacts, &key, PHONE, unreadable::value(tag));
            }
        }
        Deed::Delete(place) => {
            if let Some(key) = contact(state, *place) {
                delete_contact(state, tables, &key);
            }
        }
        Deed::Swap(one, other) => {
            if let (Some(one), Some(other)) = (contact(state, *one), contact(state, *other)) {
                swap(state, contacts, &one, &other);
            }
        }
        Deed::Order(place) => {
            if let (Some(key), Some(orders)) = (contact(state, *place), tables.orders) {
                let customer = key.values().first().cloned().unwrap_or_default();
                let values = vec![
                    Value::text(format!("order {tag}")),
                    customer,
                    Value::text(format!("note {tag}")),
                ];
                state.create(orders, values);
            }
        }
        Deed::Line(place, number) => {
            if let (Some(lines), Some(orders)) = (tables.lines, tables.orders)
                && let Some(order) = pick(state, orders, *place)
            {
                let values =
                    vec![Value::text(format!("sku {number}")), Value::text(format!("line {tag}"))];
                state.create_under(lines, values, Some(order));
            }
        }
        Deed::EditLine(place) => {
            if let Some((lines, key)) = row_of(state, tables.lines, *place) {
                state.edit(lines, &key, FieldIndex(1), Value::text(format!("edit {tag}")));
            }
        }
        Deed::DeleteLine(place) => {
            if let Some((lines, key)) = row_of(state, tables.lines, *place) {
                state.delete(lines, &key);
            }
        }
        Deed::Stock => {
            if let Some(stock) = tables.stock {
                state.create(stock, vec![Value::text(format!("stock {tag}")), Value::int(0)]);
            }
        }
        Deed::Count(place, change) => {
            if let Some((stock, key)) = row_of(state, tables.stock, *place) {
                state.count(stock, &key, *change);
            }
        }
    }
}

/// Deletes all contacts of a system, and what belongs to them. Returns their keys.
pub fn delete_all(system: &SimSystem, tables: Tables) -> Vec<RowKey> {
    let state = &mut *system.state();
    let keys = state.keys(tables.contacts);
    for key in &keys {
        delete_contact(state, tables, key);
    }
    keys
}

fn pick(state: &SimState, binding: BindingIndex, place: usize) -> Option<RowKey> {
    let keys = state.keys(binding);
    keys.get(place % keys.len().max(1)).cloned()
}

fn row_of(
    state: &SimState,
    binding: Option<BindingIndex>,
    place: usize,
) -> Option<(BindingIndex, RowKey)> {
    Some((binding?, pick(state, binding?, place)?))
}

/// Lines go before their orders, and orders before their contact.
fn delete_contact(state: &mut SimState, tables: Tables, contact: &RowKey) {
    let wanted = contact.values().first().cloned();
    let mut doomed: Vec<(BindingIndex, RowKey)> = Vec::new();
    if let Some(orders) = tables.orders {
        let rows = state.tables.get(&orders).into_iter().flat_map(|table| &table.rows);
        let referring = rows.filter(|(_, row)| row.values.get(1) == wanted.as_ref());
        for (order, _) in referring {
            if let Some(lines) = tables.lines {
                let rows = state.tables.get(&lines).into_iter().flat_map(|table| &table.rows);
                let own = rows.filter(|(_, row)| row.parent.as_ref() == Some(order));
                doomed.extend(own.map(|(key, _)| (lines, key.clone())));
            }
            doomed.push((orders, order.clone()));
        }
    }
    for (binding, key) in doomed {
        state.delete(binding, &key);
    }
    state.delete(tables.contacts, contact);
}

fn swap(state: &mut SimState, contacts: BindingIndex, one: &RowKey, other: &RowKey) {
    if one == other {
        return;
    }
    let email =
        |state: &SimState, key| state.tables.get(&contacts)?.rows.get(key)?.values.first().cloned();
    let (Some(first), Some(second)) = (email(state, one), email(state, other)) else { return };
    let field = FieldIndex(0);
    let between = Value::text("between");
    state.edit(contacts, one, field, between);
    state.edit(contacts, other, field, first);
    state.edit(contacts, one, field, second);
}
