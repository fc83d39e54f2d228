//! The rows that inputs show, one by one, and the books of what became of them.

use std::collections::BTreeMap;

use crate::{
    Text,
    audit::Journal,
    change::{Input, MarkFate, Observed, Order, ReadResult, Row, RowKey, Token},
    commit::Disposition,
    name::{BindingIndex, IntentId, OperationId, Timestamp},
};

/// An input, or one row of one.
pub(crate) enum Item<'a> {
    /// A row that was seen, or seen to be absent.
    Sight(Sight<'a>),
    /// Everything else.
    Other(&'a Input),
}

/// A row that was seen, or seen to be absent.
#[derive(Clone)]
pub(crate) struct Sight<'a> {
    pub(crate) binding: BindingIndex,
    pub(crate) key: &'a RowKey,
    pub(crate) row: Option<&'a Row>,
    pub(crate) parent: Option<&'a RowKey>,
    pub(crate) order: Option<Order>,
    pub(crate) token: Option<&'a Token>,
    pub(crate) at: Option<Timestamp>,
    pub(crate) actor: Option<&'a Text>,
    pub(crate) mark: Option<IntentId>,
    pub(crate) transaction: Option<&'a Text>,
    pub(crate) how: How,
    pub(crate) marks: &'a [(IntentId, MarkFate)],
    /// The input it came with, and the row in it.
    pub(crate) input: &'a Input,
    pub(crate) observed: Option<&'a Observed>,
    /// A later change of the same log replaces it.
    pub(crate) superseded: bool,
    /// How many more changes it stands for.
    pub(crate) others: u32,
}

impl Sight<'_> {
    /// This one row, as an input of its own.
    pub(crate) fn as_input(&self) -> Input {
        match (self.input, self.observed) {
            (Input::ScanChunk { began, .. }, Some(row)) => {
                Input::Polled { row: row.clone(), began: *began }
            }
            (input, _) => input.clone(),
        }
    }
}

impl Journal {
    /// Counts what became of a row that was seen, and of the changes that it stands for. If several
    /// have left nothing new behind, each has undone what another did.
    pub(crate) fn ended(&mut self, sight: &Sight<'_>, disposition: Disposition) {
        let nothing = sight.others > 0 && disposition == Disposition::NoOp;
        let fate = if nothing { Disposition::Superseded } else { disposition };
        self.ledger.count(sight.binding, fate);
        self.ledger.add(sight.binding, Disposition::Superseded, u64::from(sight.others));
    }
}

/// How a row was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// In a log.
    Log,
    /// By a webhook.
    Push,
    /// By a poll or a scan that began then.
    Polled(OperationId),
    /// By a read that began then, because something told of it.
    Heard(OperationId),
    /// By a fenced read.
    Read(OperationId),
}

/// The inputs, row by row.
pub(crate) fn items(inputs: &[Input]) -> Vec<Item<'_>> {
    let mut items = Vec::with_capacity(inputs.len());
    for input in inputs {
        match input {
            Input::Change(row) => items.push(Item::Sight(sight(input, row, How::Log, &[]))),
            Input::Push(row) => items.push(Item::Sight(sight(input, row, How::Push, &[]))),
            Input::Polled { row, began: at } => {
                items.push(Item::Sight(sight(input, row, How::Polled(*at), &[])));
            }
            Input::Heard { row, began: at, others } => {
                let sight = sight(input, row, How::Heard(*at), &[]);
                items.push(Item::Sight(Sight { others: *others, ..sight }));
            }
            Input::ScanChunk { rows, began } => items.extend(
                rows.iter().map(|row| Item::Sight(sight(input, row, How::Polled(*began), &[]))),
            ),
            Input::ReadDone { binding, key, operation, result, marks } => match result {
                ReadResult::Found(row) => {
                    items.push(Item::Sight(sight(input, row, How::Read(*operation), marks)));
                }
                ReadResult::Absent => items.push(Item::Sight(Sight {
                    binding: *binding,
                    key,
                    row: None,
                    parent: None,
                    order: None,
                    token: None,
                    at: None,
                    actor: None,
                    mark: None,
                    transaction: None,
                    how: How::Read(*operation),
                    marks,
                    input,
                    observed: None,
                    superseded: false,
                    others: 0,
                })),
                ReadResult::Failed(_) => items.push(Item::Other(input)),
            },
            Input::Refused { .. }
            | Input::Accounted { .. }
            | Input::Unseen { .. }
            | Input::ScanDone { .. }
            | Input::WriteDone { .. }
            | Input::MarksRead { .. }
            | Input::Timeout { .. }
            | Input::Due { .. }
            | Input::Orphans { .. }
            | Input::Command(_)
            | Input::Recovered { .. }
            | Input::Renew { .. }
            | Input::Restored(_)
            | Input::Drifted(_) => items.push(Item::Other(input)),
        }
    }
    fold(&mut items);
    items
}

fn sight<'a>(
    input: &'a Input,
    row: &'a Observed,
    how: How,
    marks: &'a [(IntentId, MarkFate)],
) -> Sight<'a> {
    Sight {
        binding: row.binding,
        key: &row.key,
        row: row.row.as_ref(),
        parent: row.parent.as_ref(),
        order: row.order,
        token: row.token.as_ref(),
        at: row.changed_at,
        actor: row.actor.as_ref(),
        mark: row.mark,
        transaction: row.transaction.as_ref(),
        how,
        marks,
        input,
        observed: Some(row),
        superseded: false,
        others: 0,
    }
}

/// Consecutive updates of one row in a log are replaced by the last (C1), but never across a
/// creation or a delete (C2), nor across a change with a mark of ours (C3).
fn fold(items: &mut [Item<'_>]) {
    let mut last: BTreeMap<(BindingIndex, RowKey), usize> = BTreeMap::new();
    for at in 0..items.len() {
        let Some(Item::Sight(sight)) = items.get(at) else { continue };
        if sight.how != How::Log {
            continue;
        }
        let plain = sight.row.is_some() && sight.mark.is_none();
        let Some(before) = last.insert((sight.binding, sight.key.clone()), at) else { continue };
        let Some(Item::Sight(before)) = items.get_mut(before).filter(|_| plain) else { continue };
        if before.row.is_none() || before.mark.is_some() {
            continue;
        }
        before.superseded = true;
    }
}
