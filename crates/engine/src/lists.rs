//! Child lists that rows hold, as documents do: they come with the row, each whole, so a line that is not
//! there any more is known without reading everything.
//!
//! What a row does not say of its lists says nothing. And a line that was not shown is a question like
//! any other absence: the guards look at all of them, and each is read again before it counts as gone.

use std::collections::BTreeMap;

use syncline_core::{
    change::{Input, Observed, RowKey},
    commit::Wants,
    error::PortError,
    group::Group,
    name::{BindingIndex, OperationId},
};
use syncline_ports::source::HeldList;

use crate::{
    account::Account,
    capture::{Absences, Reading},
    desk::Desk,
    scan::{Judged, judge, known_before},
};

/// What the rows of one reading showed of their lists.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    /// How many lines of each list were shown.
    shown: BTreeMap<BindingIndex, u64>,
    /// Lines that were not, although the list they were in was.
    gone: BTreeMap<BindingIndex, Vec<RowKey>>,
}

impl Lists {
    /// Makes inputs of the lines of a batch, and notes which lines it lacks.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn take(
        &mut self,
        desk: &Desk<'_>,
        lists: Vec<HeldList>,
        account: &mut Account,
        inputs: &mut Vec<Input>,
        as_input: impl Fn(Observed) -> Input,
    ) -> Result<(), PortError> {
        if lists.is_empty() {
            return Ok(());
        }
        let parents: Vec<(BindingIndex, RowKey)> = lists
            .iter()
            .filter_map(|list| Some((holder(desk, list.binding)?, list.parent.clone())))
            .collect();
        let records = records(desk, parents).await?;
        for list in lists {
            let binding = list.binding;
            let count = (list.rows.len() + list.refused.len()) as u64;
            account.saw(binding, count);
            desk.watch.read(binding, count);
            *self.shown.entry(binding).or_default() += count;
            let parent = holder(desk, binding).map(|holder| (holder, list.parent.clone()));
            if let Some(group) = parent.and_then(|parent| records.get(&parent)) {
                let refused = list.refused.iter().map(|row| &row.key);
                let keys: Vec<&RowKey> =
                    list.rows.iter().map(|row| &row.key).chain(refused).collect();
                let lines = lines_of(desk, group, binding);
                let missing = lines.filter(|key| !keys.contains(key)).cloned();
                self.gone.entry(binding).or_default().extend(missing);
            }
            inputs.extend(list.rows.into_iter().map(&as_input));
            inputs.extend(list.refused.into_iter().map(|row| Input::Refused {
                binding,
                key: row.key,
                code: row.code,
                reason: row.reason,
            }));
        }
        Ok(())
    }

    /// What became of each list, and the questions about lines that were not shown, unless they are too
    /// many to be believed. `whole` is what reading the rows that hold them came to.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn conclude(
        self,
        desk: &Desk<'_>,
        absences: Absences,
        began: OperationId,
        whole: &Reading,
    ) -> Result<(Vec<Reading>, Vec<Input>), PortError> {
        let (mut readings, mut inputs) = (Vec::new(), Vec::new());
        let Self { shown, mut gone } = self;
        for binding in desk.plan.held_lists(whole.binding) {
            let mut reading = Reading::new(binding);
            reading.rows = shown.get(&binding).copied().unwrap_or_default();
            reading.complete = whole.complete;
            let mut keys = gone.remove(&binding).unwrap_or_default();
            keys.sort_unstable();
            keys.dedup();
            let keys = known_before(desk, binding, keys, began).await?;
            if !keys.is_empty() {
                let linked = desk.store.count_present(binding).await?;
                let there = linked.saturating_sub(keys.len() as u64);
                match judge(desk, absences, &reading, there, linked, &keys) {
                    Judged::Held(held) => reading.held = Some(held),
                    judged @ (Judged::LetThrough | Judged::Few) => {
                        if matches!(judged, Judged::LetThrough) {
                            reading.let_through = keys.len() as u64;
                        }
                        let unseen = |key| Input::Unseen { binding, key, began };
                        inputs.extend(keys.into_iter().map(unseen));
                    }
                }
            }
            readings.push(reading);
        }
        Ok((readings, inputs))
    }
}

/// The lines that these rows, which are gone, held: they are gone with them.
///
/// # Errors
/// The store's.
pub(crate) async fn of_gone(
    desk: &Desk<'_>,
    binding: BindingIndex,
    gone: &[RowKey],
) -> Result<Vec<(BindingIndex, RowKey)>, PortError> {
    let lists = desk.plan.held_lists(binding);
    if lists.is_empty() {
        return Ok(Vec::new());
    }
    let records = records(desk, gone.iter().map(|key| (binding, key.clone())).collect()).await?;
    let mut lines = Vec::new();
    for group in records.values() {
        for list in &lists {
            lines.extend(lines_of(desk, group, *list).map(|key| (*list, key.clone())));
        }
    }
    Ok(lines)
}

/// The binding of the rows that hold this list.
pub(crate) fn holder(desk: &Desk<'_>, list: BindingIndex) -> Option<BindingIndex> {
    let found = desk.plan.binding(list)?;
    let parent = desk.plan.entity(found.entity)?.parent?;
    desk.plan.binding_of(parent, found.system)
}

/// The records of these rows.
async fn records(
    desk: &Desk<'_>,
    rows: Vec<(BindingIndex, RowKey)>,
) -> Result<BTreeMap<(BindingIndex, RowKey), Group>, PortError> {
    let wants = Wants { keys: rows.iter().cloned().collect(), ..Wants::default() };
    let known = desk.store.load(&wants).await?.keys;
    let record_of = |row: &(BindingIndex, RowKey)| {
        known.get(row).and_then(Option::as_ref).map(|known| known.record)
    };
    let records = rows.iter().filter_map(record_of).collect();
    let groups = desk.store.load(&Wants { records, ..Wants::default() }).await?.groups;
    let mut found = BTreeMap::new();
    for row in rows {
        let group = record_of(&row).and_then(|record| groups.get(&record)?.clone());
        if let Some(group) = group {
            found.insert(row, group);
        }
    }
    Ok(found)
}

/// The lines of this list that are there as far as is known.
fn lines_of<'g>(
    desk: &Desk<'_>,
    group: &'g Group,
    list: BindingIndex,
) -> impl Iterator<Item = &'g RowKey> + use<'g> {
    let found = desk.plan.binding(list).map(|found| (found.entity, found.system));
    group.children.iter().filter_map(move |child| {
        let (_, system) = found.filter(|(entity, _)| *entity == child.list)?;
        let link = child.part.link(system).filter(|link| link.shadow.is_some())?;
        link.key.as_ref()
    })
}
