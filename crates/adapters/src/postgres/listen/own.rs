//! Passes over rows that this process has written and answered itself.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use syncline_core::{change::RowKey, name::BindingIndex};

use crate::postgres::{
    bound::Bound,
    listen::{
        decode::Event,
        keys::{self, Readers},
    },
    own::{Stamp, told},
};

/// Knows what our own messages look like, and how the keys in the log are read.
pub(super) struct Own {
    stamp: Stamp,
    readers: BTreeMap<BindingIndex, Readers>,
}

impl Own {
    pub(super) fn of(bound: &[Arc<Bound>]) -> Self {
        let readers =
            bound.iter().filter_map(|bound| Some((bound.shape.binding, keys::readers(bound)?)));
        Self { stamp: Stamp::of(bound.iter().map(Arc::as_ref)), readers: readers.collect() }
    }

    /// Adds an event to those that came before it.
    pub(super) fn take(&self, event: Event, events: &mut VecDeque<Event>) {
        if let Event::Told { content } = event {
            self.pass_over(&content, events);
        } else {
            events.push_back(event);
        }
    }

    /// Takes a message into account. If it is ours, the rows it names go from the events of their
    /// transaction, which are the last ones: those that changed once.
    fn pass_over(&self, content: &[u8], events: &mut VecDeque<Event>) {
        let Some(rows) = told(self.stamp, content) else { return };
        let begun = events.iter().rposition(|event| matches!(event, Event::Begin { .. }));
        // Where its beginning was handed on already, nobody knows how often they changed.
        let Some(begun) = begun else { return };
        let mut counts: BTreeMap<(BindingIndex, RowKey), usize> =
            rows.into_iter().map(|row| (row, 0)).collect();
        let transaction = events.split_off(begun);
        let keys: Vec<Option<(BindingIndex, RowKey)>> =
            transaction.iter().map(|event| self.key(event)).collect();
        for key in keys.iter().flatten() {
            if let Some(count) = counts.get_mut(key) {
                *count += 1;
            }
        }
        let is_own = |key: &Option<(BindingIndex, RowKey)>| {
            key.as_ref().is_some_and(|key| counts.get(key) == Some(&1))
        };
        let others = transaction.into_iter().zip(&keys).filter(|(_, key)| !is_own(key));
        events.extend(others.map(|(event, _)| event));
    }

    fn key(&self, event: &Event) -> Option<(BindingIndex, RowKey)> {
        match event {
            Event::Row { binding, key } => {
                Some((*binding, self.readers.get(binding)?.read(key).ok()?))
            }
            Event::Begin { .. }
            | Event::Unnamed { .. }
            | Event::Told { .. }
            | Event::Commit { .. }
            | Event::Passed { .. }
            | Event::Named { .. } => None,
        }
    }
}
