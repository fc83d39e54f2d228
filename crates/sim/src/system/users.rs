//! What the users of a simulated system do: they create, edit, count and delete.

use syncline_core::{
    change::RowKey,
    name::{BindingIndex, FieldIndex, Timestamp},
    plan::Class,
    value::Value,
};

use crate::system::{OVERLAP, Put, SimState, number, whole};

impl SimState {
    /// A user creates a row. `None` if a unique value is taken.
    pub fn create(&mut self, binding: BindingIndex, values: Vec<Value>) -> Option<RowKey> {
        self.create_under(binding, values, None)
    }

    /// A user creates a row of a list. `None` if a unique value is taken.
    pub fn create_under(
        &mut self,
        binding: BindingIndex,
        values: Vec<Value>,
        parent: Option<RowKey>,
    ) -> Option<RowKey> {
        self.make(binding, None, values, parent)
    }

    /// A user creates a row under a key of his own choice. `None` if that or a unique value is taken.
    pub fn create_as(
        &mut self,
        binding: BindingIndex,
        key: Option<RowKey>,
        values: Vec<Value>,
    ) -> Option<RowKey> {
        let taken = key.as_ref().is_some_and(|key| self.row(binding, key).is_some());
        if taken { None } else { self.make(binding, key, values, None) }
    }

    fn make(
        &mut self,
        binding: BindingIndex,
        key: Option<RowKey>,
        values: Vec<Value>,
        parent: Option<RowKey>,
    ) -> Option<RowKey> {
        if self.clash(binding, &values, parent.as_ref(), None).is_some() {
            return None;
        }
        let key = key.unwrap_or_else(|| self.new_key(binding, &values));
        self.edits += 1;
        for value in &values {
            self.note(value);
        }
        let back = self.draw_lateness();
        self.put(binding, &key, Put { values, parent, mark: None, back, typed: true });
        Some(key)
    }

    /// A user changes one field. Whether it could be done.
    pub fn edit(
        &mut self,
        binding: BindingIndex,
        key: &RowKey,
        field: FieldIndex,
        value: Value,
    ) -> bool {
        let Some((mut values, parent)) = self.row(binding, key) else { return false };
        let Some(place) = values.get_mut(field.at()) else { return false };
        let before = std::mem::replace(place, value);
        let value = place.clone();
        if self.clash(binding, &values, parent.as_ref(), Some(key)).is_some() {
            return false;
        }
        // Addresses and states go to and fro; everything else is written once.
        if let (Value::Text(value), Value::Text(before)) = (&value, &before)
            && value.starts_with("edit ")
        {
            self.seen.insert(value.to_lowercase(), before.to_lowercase());
        }
        self.edits += 1;
        self.note(&value);
        let back = self.draw_lateness();
        self.put(binding, key, Put { values, parent, mark: None, back, typed: true });
        true
    }

    pub(super) fn note(&mut self, typed: &Value) {
        if let Value::Text(text) = typed {
            self.typed.insert(text.to_lowercase());
        }
    }

    pub(super) fn new_key(&mut self, binding: BindingIndex, values: &[Value]) -> RowKey {
        let table = self.tables.get(&binding);
        let field = table.and_then(|table| table.key_field);
        if let Some(value) = field.and_then(|field| values.get(field.at())) {
            return RowKey::new([value]);
        }
        if let Some(table) = table.filter(|table| table.reuses_keys) {
            let numbers = table.rows.keys().filter_map(|key| whole(key.values().first()?));
            return number(numbers.max().unwrap_or(0) + 1);
        }
        self.next_key += 1;
        let fresh = number(self.next_key - 1);
        if !self.rare.keys_again {
            return fresh;
        }
        let rows = self.tables.get(&binding).map(|table| &table.rows);
        let numbers = rows.into_iter().flat_map(|rows| rows.keys());
        let newest = numbers.filter_map(|key| whole(key.values().first()?)).max();
        let next = newest.map_or(self.first_key, |newest| newest + 1);
        if self.given.insert((binding, next)) {
            return number(next);
        }
        // Who makes a row in the place of another between two looks of ours has edited it.
        if self.class != Class::Log && !self.known_gone.contains(&(binding, number(next))) {
            self.given.insert((binding, self.next_key - 1));
            return fresh;
        }
        self.happened.note("keys_again");
        number(next)
    }

    /// A row says that it last changed then.
    pub(crate) fn stamp(&mut self, binding: BindingIndex, key: &RowKey, changed_at: Timestamp) {
        let table = self.tables.get_mut(&binding);
        if let Some(row) = table.and_then(|table| table.rows.get_mut(key)) {
            row.changed_at = changed_at;
        }
    }

    /// One value of a row.
    pub fn value(&self, binding: BindingIndex, key: &RowKey, field: FieldIndex) -> Option<Value> {
        self.tables.get(&binding)?.rows.get(key)?.values.get(field.at()).cloned()
    }

    /// A user counts up or down what the second field of a row counts.
    pub fn count(&mut self, binding: BindingIndex, key: &RowKey, change: i64) {
        let field = FieldIndex(1);
        let name = self.value(binding, key, FieldIndex(0));
        let known = self.value(binding, key, field).and_then(|value| whole(&value));
        if let (Some(Value::Text(name)), Some(known)) = (name, known)
            && self.edit(binding, key, field, Value::int(known + change))
        {
            *self.counted.entry(name.to_string()).or_default() += change;
        }
    }

    pub(super) fn row(
        &self,
        binding: BindingIndex,
        key: &RowKey,
    ) -> Option<(Vec<Value>, Option<RowKey>)> {
        let row = self.tables.get(&binding)?.rows.get(key)?;
        Some((row.values.clone(), row.parent.clone()))
    }

    /// A user changes one field in a transaction that began so many changes ago.
    pub fn edit_late(
        &mut self,
        binding: BindingIndex,
        key: &RowKey,
        field: FieldIndex,
        value: Value,
        back: u64,
    ) {
        let Some((mut values, parent)) = self.row(binding, key) else { return };
        if let Some(place) = values.get_mut(field.at()) {
            *place = value;
        }
        self.edits += 1;
        self.put(binding, key, Put { values, parent, mark: None, back, typed: true });
    }

    pub(super) fn draw_lateness(&mut self) -> u64 {
        let percent = self.weather.late;
        if percent > 0 && self.chance.percent(percent) {
            self.chance.below(OVERLAP as usize) as u64
        } else {
            0
        }
    }

    /// A user deletes a row. Whether it could be done.
    pub fn delete(&mut self, binding: BindingIndex, key: &RowKey) -> bool {
        if self.is_referred_to(binding, key) {
            return false;
        }
        let gone = self.tables.get_mut(&binding).and_then(|table| table.rows.remove(key)).is_some();
        if gone {
            self.edits += 1;
            self.changes += 1;
            self.publish_absence(binding, key);
            self.record(binding, key, None, None);
        }
        gone
    }
}
