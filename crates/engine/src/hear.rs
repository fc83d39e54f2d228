//! Loop 1, live: reads the rows that a listener has heard of.
//!
//! What was heard only says *which* rows changed. They are read as they are, and count as rows that
//! a poll shows: what was in flight meanwhile has them read once more, fenced. A row that its system has
//! shown with a version is not read, if that is what the core makes of it. Many changes of one
//! row are one read, and the books say how many; that a listener repeats itself, or is late, costs
//! time and nothing else.

use std::collections::{BTreeMap, BTreeSet, btree_map};

use futures_util::future;
use syncline_core::{
    Text,
    change::{Effect, Input, Observed, Order, Position, ReadResult, RowKey},
    commit::{Checkpoint, Disposition, Wants},
    error::PortError,
    name::{BindingIndex, OperationId, SystemIndex},
    plan::Plan,
};
use syncline_ports::{
    listener::{Changed, Hint},
    source::{Batch, KeyAnswer, KeyRead, Limit, ReadRequest, RefusedRow},
};

use crate::{
    account::Account,
    capture::{Absences, BATCH, Captured, Reading, fetch, shown},
    carry,
    desk::{Desk, Systems},
    lists::{self, Lists},
    pipeline::Pipeline,
    read,
    reconcile::{Decided, reconcile},
    scan::{Judged, judge},
};

/// The name under which it is stored how far a system was heard.
pub fn stream_name(plan: &Plan, system: SystemIndex) -> String {
    format!("log:{}", plan.system(system).map_or("", |system| system.name.as_str()))
}

/// What was heard of a system, put in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gathered {
    /// Rows to be read, by binding.
    pub rows: Rows,
    /// Those of them that the system has shown itself, with a version that compares: the newest of each.
    pub shown: Shown,
    /// Bindings to be read whole, and why.
    pub whole: BTreeMap<BindingIndex, Text>,
    /// Bindings to be polled, and why.
    pub polled: BTreeMap<BindingIndex, Text>,
    /// How many changes were heard.
    pub heard: u64,
}

impl Gathered {
    /// Adds what was heard next.
    pub fn add(&mut self, hints: Vec<Hint>) {
        self.heard += hints.len() as u64;
        for hint in hints {
            match hint.what {
                Changed::Row(key) => {
                    let rows = self.rows.entry(hint.binding).or_default();
                    if let Some(shown) = self.shown.get_mut(&hint.binding) {
                        // What it holds by now is not told.
                        shown.remove(&key);
                    }
                    let changes = rows.entry(key).or_default();
                    *changes = changes.saturating_add(1);
                }
                Changed::Shown(row) => self.show(hint.binding, *row),
                Changed::Unnamed(why) => {
                    self.whole.insert(hint.binding, why);
                }
                Changed::Somewhere(why) => {
                    self.polled.insert(hint.binding, why);
                }
            }
        }
    }

    /// Adds a row that its system has shown. One that is to be read anyway stays so.
    fn show(&mut self, binding: BindingIndex, row: Observed) {
        let changes = self.rows.entry(binding).or_default().entry(row.key.clone());
        let is_new = matches!(changes, btree_map::Entry::Vacant(_));
        let changes = changes.or_default();
        *changes = changes.saturating_add(1);
        let shown = self.shown.entry(binding).or_default();
        match shown.get_mut(&row.key) {
            Some(known) if is_covered(row.order, known.order) => {}
            Some(known) => *known = row,
            None if is_new => {
                shown.insert(row.key.clone(), row);
            }
            None => {}
        }
    }

    /// Adds rows that must be read again, with those of their changes that are not on the books.
    pub fn again(&mut self, rows: Rows) {
        for (binding, keys) in rows {
            let rows = self.rows.entry(binding).or_default();
            for (key, open) in keys {
                if let Some(shown) = self.shown.get_mut(&binding) {
                    shown.remove(&key);
                }
                let changes = rows.entry(key).or_default();
                *changes = changes.saturating_add(open);
            }
        }
    }

    /// How many rows are to be read, by key.
    pub fn len(&self) -> usize {
        self.rows.values().map(BTreeMap::len).sum()
    }

    /// Whether nothing is to be read.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.whole.is_empty() && self.polled.is_empty()
    }

    /// The bindings of all that is to be read.
    pub fn bindings(&self) -> impl Iterator<Item = BindingIndex> {
        self.rows.keys().chain(self.whole.keys()).chain(self.polled.keys()).copied()
    }
}

/// What reading what was heard of came to.
#[derive(Debug, Default)]
pub(crate) struct Read {
    /// As with every reading.
    pub(crate) captured: Captured,
    /// Rows that could not be decided about yet: they must be heard of again.
    pub(crate) later: Rows,
}

/// Rows by the binding that they are of, and how many changes of each were heard of.
pub type Rows = BTreeMap<BindingIndex, BTreeMap<RowKey, u32>>;

/// Rows that their system has shown, by binding.
pub type Shown = BTreeMap<BindingIndex, BTreeMap<RowKey, Observed>>;

/// Whether the second is at least as new.
fn is_covered(order: Option<Order>, other: Option<Order>) -> bool {
    order.zip(other).is_some_and(|(order, other)| order.is_covered_by(other))
}

/// How many changes of this row were heard of beside the one that its read is counted for.
fn others(rows: &BTreeMap<RowKey, u32>, key: &RowKey) -> u32 {
    rows.get(key).copied().unwrap_or_default().saturating_sub(1)
}

/// Reads rows of one system that were heard of, and commits what they show. Those that it has shown itself
/// are not read first.
///
/// # Errors
/// The store's only. A system that does not answer ends the reading of its binding.
pub(crate) async fn read(
    desk: &Desk<'_>,
    systems: &mut Systems,
    rows: Rows,
    payloads: &mut Shown,
) -> Result<Read, PortError> {
    let mut read = Read::default();
    // What changes is written by who writes to its systems, who need not look for it.
    let _carrying = desk.carry();
    let mut pipeline = Pipeline::new(desk);
    for (binding, rows) in rows {
        let mut reading = Reading::new(binding);
        let told = payloads.remove(&binding).unwrap_or_default();
        let told: Vec<Observed> = told.into_values().collect();
        for chunk in told.chunks(BATCH.rows) {
            let account = &mut read.captured.account;
            let mut inputs = Vec::with_capacity(chunk.len() + 1);
            let changes = chunk.iter().map(|row| u64::from(others(&rows, &row.key))).sum();
            fold(binding, Disposition::Superseded, changes, account, &mut inputs);
            account.saw(binding, chunk.len() as u64);
            inputs.extend(chunk.iter().cloned().map(Input::Push));
            reading.rows += chunk.len() as u64;
            let decided = pipeline.push(inputs, Vec::new()).await?;
            settle(desk, systems, decided, &mut read).await?;
        }
        let is_told: BTreeSet<&RowKey> = told.iter().map(|row| &row.key).collect();
        let keys: Vec<RowKey> = rows.keys().filter(|key| !is_told.contains(key)).cloned().collect();
        let (mut gone, mut first, mut lists) = (Vec::new(), None, Lists::default());
        let mut chunks = keys.chunks(BATCH.rows);
        let mut asked = ask(desk, systems, binding, chunks.next()).await?;
        while let Some(Asked { chunk, began, batch }) = asked.take() {
            let mut batch = match batch {
                Ok(batch) => batch,
                Err(failure) => {
                    reading.failure = Some(failure);
                    break;
                }
            };
            let mut inputs = Vec::new();
            let answers = std::mem::take(&mut batch.answers);
            let open = unanswered(&rows, chunk, &answers);
            if !open.is_empty() {
                read.later.entry(binding).or_default().extend(open);
            }
            sort(answers, &mut batch, &mut gone);
            first.get_or_insert(began);
            let account = &mut read.captured.account;
            let seen = batch.rows.iter().map(|row| &row.key);
            account.saw(binding, seen.map(|key| u64::from(others(&rows, key))).sum());
            let refused = batch.refused.iter().map(|row| u64::from(others(&rows, &row.key))).sum();
            fold(binding, Disposition::Superseded, refused, account, &mut inputs);
            let heard = |row: Observed| {
                let others = others(&rows, &row.key);
                Input::Heard { row, began, others }
            };
            let held = std::mem::take(&mut batch.lists);
            reading.rows += shown(desk, binding, batch, account, &mut inputs, heard);
            let line = |row: Observed| Input::Heard { row, began, others: 0 };
            lists.take(desk, held, account, &mut inputs, line).await?;
            // The system reads the next rows while it is decided about these.
            let next = ask(desk, systems, binding, chunks.next());
            let (next, decided) = future::join(next, pipeline.push(inputs, Vec::new())).await;
            settle(desk, systems, decided?, &mut read).await?;
            asked = next?;
        }
        reading.complete = reading.failure.is_none() && reading.incomplete.is_none();
        if let Some(began) = first {
            settle(desk, systems, pipeline.finish().await?, &mut read).await?;
            let (of_lists, unseen) =
                lists.conclude(desk, Absences::Guarded, began, &reading).await?;
            for chunk in unseen.chunks(BATCH.rows) {
                let decided = reconcile(desk, chunk, Vec::new()).await?;
                settle(desk, systems, decided, &mut read).await?;
            }
            read.captured.readings.extend(of_lists);
            went(desk, systems, &mut reading, gone, &rows, began, &mut read).await?;
        }
        read.captured.readings.push(reading);
    }
    settle(desk, systems, pipeline.finish().await?, &mut read).await?;
    Ok(read)
}

/// Rows that were asked for by key.
struct Asked<'k> {
    chunk: &'k [RowKey],
    /// They count as fenced reads only if nothing of ours was in flight since before.
    began: OperationId,
    batch: Result<Batch, PortError>,
}

/// Reads these rows of a system, if there are any.
///
/// # Errors
/// The store's.
async fn ask<'k>(
    desk: &Desk<'_>,
    systems: &mut Systems,
    binding: BindingIndex,
    chunk: Option<&'k [RowKey]>,
) -> Result<Option<Asked<'k>>, PortError> {
    let Some(chunk) = chunk else { return Ok(None) };
    let began = desk.operation().await?;
    let one = |key: &RowKey| KeyRead { key: key.clone(), operation: began, in_doubt: Vec::new() };
    let request = ReadRequest::Keys { binding, keys: chunk.iter().map(one).collect() };
    let limit = Limit { rows: chunk.len(), bytes: usize::MAX };
    let batch = fetch(desk, systems, binding, &request, limit).await;
    Ok(Some(Asked { chunk, began, batch }))
}

/// Does the reads that a decision asks for, and keeps what must be heard of again.
async fn settle(
    desk: &Desk<'_>,
    systems: &mut Systems,
    decided: Decided,
    read: &mut Read,
) -> Result<(), PortError> {
    let account = &mut read.captured.account;
    account.ledger.absorb(&decided.ledger);
    // They are sent while the rest is read.
    let effects = carry::hand_over(desk, decided.effects).await?;
    let effects = read::settle(desk, systems, effects, account).await?;
    for effect in carry::hand_over(desk, effects).await? {
        if let Effect::Later { binding, key } = effect {
            read.later.entry(binding).or_default().insert(key, 0);
        }
    }
    Ok(())
}

/// Rows that went become questions, like what a scan did not show, unless they are too many to be
/// believed. What a guard holds is not heard of again: the next comparison finds the same.
async fn went(
    desk: &Desk<'_>,
    systems: &mut Systems,
    reading: &mut Reading,
    mut gone: Vec<RowKey>,
    rows: &BTreeMap<RowKey, u32>,
    began: OperationId,
    read: &mut Read,
) -> Result<(), PortError> {
    let binding = reading.binding;
    if gone.is_empty() {
        return Ok(());
    }
    // Who reads the table beside this may be about to show a row that nobody knows yet, as it was before it went: it
    // is heard of again once that is decided. Asked before the hub is, since whoever ends has decided.
    let is_read = desk.is_read(binding);
    let known = linked_of(desk, binding, &gone).await?;
    if is_read {
        let linked: BTreeSet<&RowKey> = known.iter().collect();
        let unknown = gone.iter().filter(|key| !linked.contains(key));
        let open = unknown.map(|key| (key.clone(), rows.get(key).copied().unwrap_or_default()));
        let open: BTreeMap<RowKey, u32> = open.collect();
        if !open.is_empty() {
            read.later.entry(binding).or_default().extend(open);
        }
        gone.clone_from(&known);
    }
    if gone.is_empty() {
        return Ok(());
    }
    let linked = desk.store.count_present(binding).await?;
    // Of all that are known, those that were not heard of are there as far as anybody knows.
    let there = linked.saturating_sub(known.len() as u64);
    if let Judged::Held(held) = judge(desk, Absences::Guarded, reading, there, linked, &known) {
        reading.held = Some(held);
        let mut inputs = Vec::new();
        let changes = gone.iter().filter_map(|key| rows.get(key)).map(|it| u64::from(*it)).sum();
        fold(binding, Disposition::Held, changes, &mut read.captured.account, &mut inputs);
        let decided = reconcile(desk, &inputs, Vec::new()).await?;
        return settle(desk, systems, decided, read).await;
    }
    for chunk in gone.chunks(BATCH.rows) {
        let missing = |key: &RowKey| Input::Unseen { binding, key: key.clone(), began };
        // Its lines first.
        let lines = lists::of_gone(desk, binding, chunk).await?.into_iter();
        let lines = lines.map(|(binding, key)| Input::Unseen { binding, key, began });
        let mut inputs: Vec<Input> = lines.chain(chunk.iter().map(missing)).collect();
        // The read that each asks for is counted for one change.
        let changes = chunk.iter().map(|key| u64::from(others(rows, key))).sum();
        let account = &mut read.captured.account;
        fold(binding, Disposition::Superseded, changes, account, &mut inputs);
        let decided = reconcile(desk, &inputs, Vec::new()).await?;
        settle(desk, systems, decided, read).await?;
    }
    Ok(())
}

/// Enters into the books what became of changes for which no row is decided about.
fn fold(
    binding: BindingIndex,
    fate: Disposition,
    changes: u64,
    account: &mut Account,
    inputs: &mut Vec<Input>,
) {
    if changes > 0 {
        account.saw(binding, changes);
        inputs.push(Input::Accounted { binding, changes, fate });
    }
}

/// Those of these rows that belong to a record: others came and went without being seen.
async fn linked_of(
    desk: &Desk<'_>,
    binding: BindingIndex,
    gone: &[RowKey],
) -> Result<Vec<RowKey>, PortError> {
    let keys = gone.iter().map(|key| (binding, key.clone())).collect();
    let known = desk.store.load(&Wants { keys, ..Wants::default() }).await?.keys;
    let is_linked =
        |key: &&RowKey| known.get(&(binding, (*key).clone())).is_some_and(Option::is_some);
    Ok(gone.iter().filter(is_linked).cloned().collect())
}

/// Rows that the system said nothing of: they must be heard of again, with all their changes.
fn unanswered(
    rows: &BTreeMap<RowKey, u32>,
    asked: &[RowKey],
    answers: &[KeyAnswer],
) -> BTreeMap<RowKey, u32> {
    if answers.len() == asked.len() {
        return BTreeMap::new();
    }
    let known: BTreeSet<&RowKey> = answers.iter().map(|answer| &answer.key).collect();
    let open = asked.iter().filter(|key| !known.contains(key));
    open.map(|key| (key.clone(), rows.get(key).copied().unwrap_or_default())).collect()
}

/// Rows that are there count as shown, those that cannot be read are set aside, and those that are
/// not there have gone.
fn sort(answers: Vec<KeyAnswer>, batch: &mut Batch, gone: &mut Vec<RowKey>) {
    for answer in answers {
        match answer.result {
            ReadResult::Found(row) => batch.rows.push(*row),
            ReadResult::Absent => gone.push(answer.key),
            ReadResult::Failed(reason) => {
                let (code, reason) = unreadable(&reason);
                batch.refused.push(RefusedRow { key: answer.key, code, reason });
            }
        }
    }
}

/// Why a row cannot be read: the code comes first.
fn unreadable(reason: &Text) -> (&'static str, Text) {
    const CODES: [&str; 9] = [
        "read.type",
        "read.zero_date",
        "read.encoding",
        "read.number",
        "read.json",
        "read.null_key",
        "read.damaged",
        "read.duplicate_key",
        "map.out_of_range",
    ];
    let (word, rest) = reason.split_once(": ").unwrap_or(("", reason.as_str()));
    match CODES.into_iter().find(|code| *code == word) {
        Some(code) => (code, Text::from(rest)),
        None => ("read.type", reason.clone()),
    }
}

/// The checkpoint that says how far a system was heard.
pub fn checkpoint(plan: &Plan, system: SystemIndex, position: Position) -> Checkpoint {
    Checkpoint { stream: stream_name(plan, system).into(), position }
}
