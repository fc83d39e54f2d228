//! Rows of child lists that are not linked: which part of which record they are.

use crate::{
    change::RowKey,
    commit::Disposition,
    group::{Child, Group, Part},
    merge::{Awaits, Trouble, take},
    name::{EntityIndex, RecordId},
    step::{
        link::PartAt,
        pass::{Pass, new_part},
        sight::Sight,
    },
    value::Value,
};

impl Pass<'_> {
    /// A row of a child list: its parent's group has, or gets, a part for it.
    pub(super) fn unlinked_child(&mut self, sight: &Sight<'_>) {
        let Some(binding) = self.plan.binding(sight.binding) else { return };
        let Some(list) = self.plan.entity(binding.entity) else { return };
        let parent_index =
            list.parent.and_then(|parent| self.plan.binding_of(parent, binding.system));
        let (Some(parent_index), Some(parent)) = (parent_index, sight.parent) else {
            let message = "the row names no parent".into();
            self.park_row(sight, None, "match.parent_missing", message, None);
            self.journal.ended(sight, Disposition::Quarantined);
            return;
        };
        let known = self.working.keys.get(&(parent_index, parent.clone()));
        let linked = known.and_then(Option::as_ref).filter(|known| !known.rival);
        let record = linked.map(|known| known.record);
        let awaits = Awaits {
            field: crate::name::FieldIndex(0),
            binding: parent_index,
            key: parent.clone(),
        };
        let Some(mut group) = record.and_then(|record| self.take(record)) else {
            self.wait_for_parent(sight, None, awaits, "match.parent_missing");
            return;
        };
        if self.relearns && group.root.exists.version == 0 {
            self.put_back(group);
            self.hear_later(sight);
            return;
        }
        let golden = match self.child_key(sight) {
            Ok(golden) => golden,
            Err(trouble) => {
                self.put_back(group);
                self.unreadable(sight, record, trouble);
                return;
            }
        };
        let Some(golden) = golden else {
            self.put_back(group);
            let message = "the fields that tell the rows of the list apart are empty".into();
            self.park_row(sight, record, "match.no_key", message, None);
            self.journal.ended(sight, Disposition::Quarantined);
            return;
        };
        let fields = list.matching.first().map(|rule| rule.fields.clone()).unwrap_or_default();
        let has = |part: &Part| {
            let values = fields.iter().map(|field| part.cell(*field).map(|cell| &cell.value));
            values.zip(&golden).all(|(known, golden)| known == Some(golden))
        };
        let entity = binding.entity;
        let known =
            group.children.iter().position(|child| child.list == entity && has(&child.part));
        if let Some(at) = known {
            self.link_or_move(sight, group, PartAt::Child(at), Some(0));
            return;
        }
        if !binding.reads {
            self.put_back(group);
            self.journal.ended(sight, Disposition::Filtered);
            return;
        }
        let before = self.before(&group);
        let key = free_key(&group, entity, &golden);
        let child = Child { list: entity, key, part: new_part(list.fields.len()) };
        let at = group
            .children
            .partition_point(|other| (other.list, &other.key) < (child.list, &child.key));
        group.children.insert(at, child);
        let record = group.id;
        self.put_changed(group, before);
        if let Some(group) = self.take(record) {
            self.link(sight, group, PartAt::Child(at), None);
            self.drop_unborn(record, entity);
        }
    }

    /// A part made for a row that was then set aside is nobody's.
    fn drop_unborn(&mut self, record: RecordId, list: EntityIndex) {
        if let Some(Some(group)) = self.working.groups.get_mut(&record) {
            group.children.retain(|child| child.list != list || child.part.exists.version > 0);
        }
    }

    /// The golden values that tell this row apart within its list; `None` if one is null.
    fn child_key(&self, sight: &Sight<'_>) -> Result<Option<Vec<Value>>, Trouble> {
        let (Some(binding), Some(row)) = (self.plan.binding(sight.binding), sight.row) else {
            return Ok(None);
        };
        let Some(list) = self.plan.entity(binding.entity) else { return Ok(None) };
        let Some(rule) = list.matching.first() else { return Ok(None) };
        let mut values = Vec::with_capacity(rule.fields.len());
        for field in &rule.fields {
            let (Some(cell), Some(native)) = (binding.cell(*field), row.value(*field)) else {
                return Ok(None);
            };
            let (plan, working) = (self.plan, &*self.working);
            let value = take(plan, working, list, binding.system, *field, cell, native, None)?;
            if value.is_null() {
                return Ok(None);
            }
            values.push(value);
        }
        Ok(Some(values))
    }
}

/// A key for a new part that no other part of the list has: an old part keeps its key when its
/// fields change.
fn free_key(group: &Group, list: EntityIndex, golden: &[Value]) -> RowKey {
    let plain = RowKey::new(golden);
    let taken =
        |key: &RowKey| group.children.iter().any(|child| child.list == list && child.key == *key);
    let mut key = plain;
    let mut number = 2;
    while taken(&key) {
        let suffix = Value::int(number);
        key = RowKey::new(golden.iter().chain([&suffix]));
        number += 1;
    }
    key
}
