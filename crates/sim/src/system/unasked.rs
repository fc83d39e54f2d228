//! What a simulated system does without being asked: programs that rewrite what others wrote,
//! webhooks, and requests that a proxy sends twice.

use syncline_core::{
    Text,
    change::{Observed, Order, Outcome, RowKey, RowWrite, WriteGroup},
    name::{BindingIndex, IntentId},
    plan::Class,
    value::Value,
};

use crate::{
    prng::Chance,
    system::{Backup, Put, SimState},
};

/// How many of a hundred payloads never arrive, and how many arrive more than once.
const UNSENT: u32 = 10;
const REPEATED: u32 = 20;

/// Whether there may be a proxy on the way to systems of this class: not where our marks tell a
/// second request from the first, nor where nobody could tell at all.
pub fn has_proxy(class: Class) -> bool {
    matches!(class, Class::Versioned | Class::Plain)
}

impl SimState {
    /// What was written by others waits for the program.
    pub(super) fn notice(&mut self, write: &RowWrite, key: &RowKey) {
        if let Some((binding, field, _)) = self.program
            && write.binding == binding
            && write.set.iter().any(|(set, _)| *set == field)
        {
            self.fresh.insert(key.clone());
        }
    }

    /// The program runs: it writes its own way what others wrote since.
    pub fn run_program(&mut self) {
        let Some((binding, field, capitals)) = self.program else { return };
        for key in std::mem::take(&mut self.fresh) {
            let Some((mut values, parent)) = self.row(binding, &key) else { continue };
            let Some(Value::Text(text)) = values.get_mut(field.at()) else { continue };
            let own = if capitals { text.to_uppercase() } else { text.to_lowercase() };
            if **text == *own {
                continue;
            }
            *text = Text::new(own);
            let typed = Value::Text(text.clone());
            self.note(&typed);
            self.edits += 1;
            self.put(binding, &key, Put { values, parent, mark: None, back: 0, typed: false });
        }
    }

    /// Tells of a row as it is now.
    pub(super) fn publish(&mut self, row: Observed) {
        if let Some(payloads) = &mut self.payloads {
            payloads.push(row);
        }
    }

    /// Tells that a row is gone.
    pub(super) fn publish_absence(&mut self, binding: BindingIndex, key: &RowKey) {
        let order = Order::Version(u128::from(self.changes));
        let order = (self.class == Class::Versioned).then_some(order);
        let gone = self.observe(binding, key);
        self.publish(Observed { order, row: None, ..gone });
    }

    /// Keeps a copy of everything.
    pub fn back_up(&mut self) {
        self.backup = Some(Backup {
            tables: self.tables.clone(),
            marks: self.marks.clone(),
            made: self.made.clone(),
            changes: self.changes,
        });
    }

    /// Becomes again what it was when the copy was made, if there is one.
    pub fn restore(&mut self) -> bool {
        let Some(old) = self.backup.take() else { return false };
        self.faults += self.tables.values().map(|table| table.rows.len() as u64).sum::<u64>();
        self.edits += self.tables.values().map(|table| table.rows.len() as u64).sum::<u64>();
        self.edits += old.tables.values().map(|table| table.rows.len() as u64).sum::<u64>();
        (self.tables, self.marks, self.made) = (old.tables, old.marks, old.made);
        self.changes = old.changes;
        self.copy = None;
        if let Some(payloads) = &mut self.payloads {
            // What was told of the time before is not on its way any more.
            payloads.clear();
        }
        self.is_restored = true;
        true
    }

    /// The next payload that arrives, if any: in any order, sometimes more than once.
    pub fn take_payload(&mut self, chance: &mut Chance) -> Option<Observed> {
        let payloads = self.payloads.as_mut().filter(|payloads| !payloads.is_empty())?;
        let at = chance.below(payloads.len());
        let is_lost = chance.percent(UNSENT);
        let payload =
            if chance.percent(REPEATED) { payloads.get(at).cloned()? } else { payloads.remove(at) };
        (!is_lost).then_some(payload)
    }

    /// Does a group, and where a proxy sends requests twice perhaps once more: the second answer
    /// is the one that arrives.
    pub(super) fn apply_perhaps_twice(&mut self, group: &WriteGroup) -> Vec<(IntentId, Outcome)> {
        let (percent, unmarked) = (self.weather.twice, has_proxy(self.class));
        if percent > 0 && unmarked && self.chance.percent(percent) {
            self.apply_group(group);
            self.faults += group.writes.len() as u64;
        }
        self.apply_group(group)
    }
}
