//! People: they create, edit, delete, and swap values that must be unique.

use syncline_core::{
    name::{BindingIndex, FieldIndex},
    value::Value,
};

use crate::{prng::Chance, system::SimSystem};

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

/// Does it, if it can be done. Every value that is written is written once: `tag` names it.
pub fn act(
    system: &SimSystem,
    contacts: BindingIndex,
    orders: Option<BindingIndex>,
    deed: &Deed,
    tag: u64,
) {
    let mut state = system.state();
    let keys = state.keys(contacts);
    let at = |place: &usize| keys.get(place % keys.len().max(1)).cloned();
    match deed {
        Deed::Create(email) => {
            let values = vec![
                Value::text(email),
                Value::text(format!("name {tag}")),
                Value::text(format!("phone {tag}")),
            ];
            state.create(contacts, values);
        }
        Deed::Edit(place, field) => {
            if let Some(key) = at(place) {
                let value = if field.0 == 0 {
                    format!("q{tag}@example.com")
                } else {
                    format!("edit {tag}")
                };
                state.edit(contacts, &key, *field, Value::text(value));
            }
        }
        Deed::Delete(place) => {
            if let Some(key) = at(place) {
                if let Some(orders) = orders {
                    delete_orders(&mut state, orders, &key);
                }
                state.delete(contacts, &key);
            }
        }
        Deed::Swap(one, other) => {
            if let (Some(one), Some(other)) = (at(one), at(other)) {
                swap(&mut state, contacts, &one, &other);
            }
        }
        Deed::Order(place) => {
            if let (Some(key), Some(orders)) = (at(place), orders) {
                let customer = key.values().first().cloned().unwrap_or_default();
                let values = vec![
                    Value::text(format!("order {tag}")),
                    customer,
                    Value::text(format!("note {tag}")),
                ];
                state.create(orders, values);
            }
        }
    }
}

fn delete_orders(
    state: &mut crate::system::SimState,
    orders: BindingIndex,
    customer: &syncline_core::change::RowKey,
) {
    let wanted = customer.values().first().cloned();
    let referring: Vec<_> = state
        .tables
        .get(&orders)
        .into_iter()
        .flat_map(|table| &table.rows)
        .filter(|(_, row)| row.values.get(1) == wanted.as_ref())
        .map(|(key, _)| key.clone())
        .collect();
    for key in referring {
        state.delete(orders, &key);
    }
}

fn swap(
    state: &mut crate::system::SimState,
    contacts: BindingIndex,
    one: &syncline_core::change::RowKey,
    other: &syncline_core::change::RowKey,
) {
    if one == other {
        return;
    }
    let email = |state: &crate::system::SimState, key| {
        state.tables.get(&contacts)?.rows.get(key)?.values.first().cloned()
    };
    let (Some(first), Some(second)) = (email(state, one), email(state, other)) else { return };
    let field = FieldIndex(0);
    let between = Value::text("between");
    state.edit(contacts, one, field, between);
    state.edit(contacts, other, field, first);
    state.edit(contacts, one, field, second);
}
