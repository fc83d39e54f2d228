//! What a simulated system does with a write: all of a group or nothing, under its preconditions.

use std::collections::BTreeSet;

use syncline_core::{
    Text,
    change::{Expected, MarkFate, Order, Outcome, RowKey, RowWrite, WriteGroup, WriteKind},
    name::{FieldIndex, IntentId},
    plan::Class,
    value::Value,
};

use crate::{
    system::{Put, SimState},
    unreadable,
};

impl SimState {
    pub(crate) fn apply_group(&mut self, group: &WriteGroup) -> Vec<(IntentId, Outcome)> {
        let before =
            (self.tables.clone(), self.changes, self.log.len(), self.marks.clone(), self.next_key);
        let counted = (self.written, self.replaced.len());
        let told = self.told.len();
        if group.park {
            self.park(group);
        }
        let mut outcomes: Vec<(IntentId, Outcome)> = Vec::new();
        // The key that the parent of later rows was given.
        let mut given: Option<RowKey> = None;
        for write in &group.writes {
            let outcome = self.apply_row(write, given.as_ref());
            if let (Outcome::Applied { key, .. }, WriteKind::Insert, None) =
                (&outcome, write.kind, &given)
            {
                given = Some(key.clone());
            }
            let refused = !matches!(outcome, Outcome::Applied { .. });
            outcomes.push((write.intent, outcome));
            if refused {
                (self.tables, self.changes, _, self.marks, self.next_key) = before;
                self.log.truncate(before.2);
                self.written = counted.0;
                self.replaced.truncate(counted.1);
                self.told.truncate(told);
                let refused = write.intent;
                return group
                    .writes
                    .iter()
                    .map(|write| {
                        let own = outcomes
                            .iter()
                            .find(|(intent, _)| *intent == write.intent && *intent == refused);
                        own.cloned().unwrap_or((write.intent, Outcome::Sibling))
                    })
                    .collect();
            }
        }
        if self.rare.quiet_ears {
            self.pass_over(group, &outcomes, told);
        }
        outcomes
    }

    /// What was answered with what it holds by now is not told, unless more has become of it.
    fn pass_over(&mut self, group: &WriteGroup, outcomes: &[(IntentId, Outcome)], from: usize) {
        let told = self.told.split_off(from);
        let is_answered = |binding, key: &RowKey| {
            group.writes.iter().zip(outcomes).any(|(write, (_, outcome))| match outcome {
                Outcome::Applied { key: known, post, .. } => {
                    let is_known = post.is_some() || write.kind == WriteKind::Delete;
                    is_known && write.binding == binding && known == key
                }
                Outcome::Precondition { .. }
                | Outcome::Unique { .. }
                | Outcome::Foreign { .. }
                | Outcome::Invalid { .. }
                | Outcome::Retry { .. }
                | Outcome::Unknown { .. }
                | Outcome::Sibling => false,
            })
        };
        let is_once = |row: &(_, RowKey)| told.iter().filter(|other| *other == row).count() == 1;
        let is_told = |row: &&(_, RowKey)| !(is_once(row) && is_answered(row.0, &row.1));
        let heard = self.told.len();
        self.told.extend(told.iter().filter(is_told).cloned());
        if self.told.len() < heard + told.len() {
            self.happened.note("quiet_ears");
        }
    }

    /// Unique values that the members exchange among themselves are put out of the way.
    fn park(&mut self, group: &WriteGroup) {
        for write in group.writes.iter().filter(|write| write.kind == WriteKind::Update) {
            let Some(table) = self.tables.get_mut(&write.binding) else { continue };
            let unique: BTreeSet<FieldIndex> = table.unique.iter().copied().collect();
            let Some(row) = write.key.as_ref().and_then(|key| table.rows.get_mut(key)) else {
                continue;
            };
            let held = Expected::Fields(
                write
                    .set
                    .iter()
                    .filter_map(|(field, _)| Some((*field, row.values.get(field.at())?.clone())))
                    .collect(),
            );
            if write.expect != held && !matches!(&write.expect, Expected::Fields(_)) {
                continue;
            }
            for (field, _) in write.set.iter().filter(|(field, _)| unique.contains(field)) {
                // The precondition is judged on what was there before the parking.
                if let (Some(place), Expected::Fields(expected)) =
                    (row.values.get_mut(field.at()), &write.expect)
                    && expected.iter().any(|(other, value)| other == field && value == place)
                {
                    *place = Value::text(format!("parked {}", write.intent));
                }
            }
        }
    }

    fn apply_row(&mut self, write: &RowWrite, given: Option<&RowKey>) -> Outcome {
        let marked = matches!(self.class, Class::Marked | Class::Log);
        if marked && self.marks.contains_key(&write.intent) {
            // It was made, or it was given up: who asks for the mark is told which.
            return Outcome::Unknown { reason: "the mark is taken".into() };
        }
        let current = write.key.as_ref().and_then(|key| {
            let table = self.tables.get(&write.binding)?;
            table.rows.get(key).map(|row| row.values.clone())
        });
        // Also who cannot be told what to find does not make a row of an update.
        let is_gone = write.kind == WriteKind::Update && current.is_none();
        if is_gone || (self.class != Class::Blind && !self.holds(write, current.as_deref())) {
            let observed = write.key.as_ref().map(|key| self.observe(write.binding, key));
            let (row, token) =
                observed.map_or((None, None), |observed| (observed.row, observed.token));
            return Outcome::Precondition { current: row, token };
        }
        if write.kind == WriteKind::Delete {
            return self.delete_row(write, current.as_deref(), marked);
        }
        let (width, list_of) =
            self.tables.get(&write.binding).map_or((0, None), |table| (table.width, table.list_of));
        let parent = match write.key.as_ref().and_then(|key| self.row(write.binding, key)) {
            Some((_, parent)) => parent,
            None => write.parent.as_ref().or(given).filter(|_| list_of.is_some()).cloned(),
        };
        let mut values = current.clone().unwrap_or_else(|| vec![Value::Null; width]);
        for (field, value) in &write.set {
            if let Some(place) = values.get_mut(field.at()) {
                *place = value.clone();
            }
        }
        let refuses = self.tables.get(&write.binding).map(|table| table.refuses.as_slice());
        if refuses.into_iter().flatten().any(|refused| write.set.contains(refused)) {
            return Outcome::Invalid { code: "write.check", reason: "a check refuses it".into() };
        }
        let own = write.key.as_ref().filter(|_| current.is_some());
        if let Some(holder) = self.clash(write.binding, &values, parent.as_ref(), own) {
            return Outcome::Unique { columns: vec!["email".into()], holder: Some(holder) };
        }
        let owner_is_there = list_of.is_none_or(|table| {
            parent.as_ref().is_some_and(|parent| self.row(table, parent).is_some())
        });
        if !owner_is_there || !self.parent_is_there(write.binding, &values) {
            return Outcome::Foreign { constraint: "customer".into() };
        }
        let key = match (&write.key, write.kind) {
            (Some(key), _) => key.clone(),
            (None, _) => self.new_key(write.binding, &values),
        };
        self.remember_replaced(write, current.as_deref());
        if marked {
            self.marks.insert(write.intent, MarkFate::Applied);
            self.made.insert(write.intent, key.clone());
        }
        let mark = marked.then_some(write.intent);
        self.put(write.binding, &key, Put { values, parent, mark, back: 0, typed: false });
        self.notice(write, &key);
        self.written += 1;
        self.orphans += u64::from(self.is_orphan(write));
        self.forbidden += u64::from(self.rare.rules && is_forbidden(write));
        let post = self.observe(write.binding, &key);
        let order = match self.class {
            Class::Log => Some(Order::Log { epoch: 0, major: self.log.len() as u128, minor: 0 }),
            Class::Marked | Class::Versioned | Class::Plain | Class::Blind => post.order,
        };
        Outcome::Applied {
            key,
            post: post.row,
            token: post.token,
            order,
            transaction: marked.then(|| Text::new(write.intent.to_string())),
        }
    }

    /// Whether this makes a row that refers to nothing, although there is something to refer to.
    fn is_orphan(&self, write: &RowWrite) -> bool {
        let foreign = self.tables.get(&write.binding).and_then(|table| table.foreign);
        write.kind == WriteKind::Insert
            && foreign.is_some_and(|(field, _)| {
                write.set.iter().any(|(set, value)| *set == field && value.is_null())
            })
    }

    fn delete_row(&mut self, write: &RowWrite, current: Option<&[Value]>, marked: bool) -> Outcome {
        let Some(key) = write.key.clone() else {
            return Outcome::Invalid {
                code: "write.no_key",
                reason: "a delete needs a key".into(),
            };
        };
        if current.is_some() && self.is_referred_to(write.binding, &key) {
            return Outcome::Foreign { constraint: "customer".into() };
        }
        self.remember_replaced(write, current);
        if marked {
            self.marks.insert(write.intent, MarkFate::Applied);
        }
        if let Some(table) = self.tables.get_mut(&write.binding) {
            table.rows.remove(&key);
        }
        self.changes += 1;
        self.publish_absence(write.binding, &key);
        self.record(write.binding, &key, None, marked.then_some(write.intent));
        self.written += 1;
        let order = (self.class == Class::Log).then_some(Order::Log {
            epoch: 0,
            major: self.log.len() as u128,
            minor: 0,
        });
        Outcome::Applied { key, post: None, token: None, order, transaction: None }
    }

    fn holds(&self, write: &RowWrite, current: Option<&[Value]>) -> bool {
        let token_holds = match (&write.token, write.key.as_ref()) {
            (Some(token), Some(key)) => {
                self.observe(write.binding, key).token.as_ref() == Some(token)
            }
            (Some(_), None) | (None, _) => true,
        };
        let fields_hold = match (&write.expect, current) {
            (Expected::Absent, found) => found.is_none(),
            (Expected::Fields(_), None) => false,
            (Expected::Fields(fields), Some(values)) => fields.iter().all(|(field, value)| {
                // A parked value stands for the one that was there.
                let found = values.get(field.at());
                found == Some(value)
                    || matches!(found, Some(Value::Text(text)) if text.starts_with("parked "))
            }),
        };
        token_holds && fields_hold
    }

    fn remember_replaced(&mut self, write: &RowWrite, current: Option<&[Value]>) {
        for (index, value) in current.unwrap_or_default().iter().enumerate() {
            let touched = write.kind == WriteKind::Delete
                || write.set.iter().any(|(field, new)| field.at() == index && new != value);
            self.unread += u64::from(touched && unreadable::is_it(value));
            if let (true, Value::Text(text)) = (touched, value)
                && !text.starts_with("parked ")
            {
                self.replaced.push(text.to_string());
            }
        }
    }
}

/// Whether this says what the rule of some worlds forbids: see `draft::forbid`.
fn is_forbidden(write: &RowWrite) -> bool {
    let is_so = |value: &Value| matches!(value, Value::Text(text) if text.starts_with("phone ") && text.ends_with('7'));
    write.set.iter().any(|(_, value)| is_so(value))
}
