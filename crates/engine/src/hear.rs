//! Loop 1, live: reads the rows that a listener has heard of.
//!
//! What was heard only says *which* rows changed. They are read as they are, and count as rows that
//! a poll shows: what was in flight meanwhile has them read once more, fenced. Many changes of one
//! row are one read; that a listener repeats itself, or is late, costs time and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use syncline_core::{
    Text,
    change::{Input, Position, ReadResult, RowKey},
    commit::Checkpoint,
    error::PortError,
    name::{BindingIndex, OperationId, SystemIndex},
    plan::Plan,
};
use syncline_ports::{
    listener::{Changed, Hint},
    source::{Batch, KeyAnswer, KeyRead, Limit, ReadRequest, RefusedRow},
};

use crate::{
    capture::{BATCH, Captured, Mode, Reading, fetch, shown, took},
    desk::{Desk, Systems},
    pipeline::Pipeline,
    reconcile::reconcile,
};

/// The name under which it is stored how far a system was heard.
pub fn stream_name(plan: &Plan, system: SystemIndex) -> String {
    format!("log:{}", plan.system(system).map_or("", |system| system.name.as_str()))
}

/// What was heard of a system, put in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gathered {
    /// Rows to be read, by binding.
    pub rows: BTreeMap<BindingIndex, BTreeSet<RowKey>>,
    /// Bindings to be read whole, and why.
    pub whole: BTreeMap<BindingIndex, Text>,
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
                    self.rows.entry(hint.binding).or_default().insert(key);
                }
                Changed::Unnamed(why) => {
                    self.whole.insert(hint.binding, why);
                }
            }
        }
    }

    /// How many rows are to be read, by key.
    pub fn len(&self) -> usize {
        self.rows.values().map(BTreeSet::len).sum()
    }

    /// Whether nothing is to be read.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.whole.is_empty()
    }
}

/// Reads rows of one system that were heard of, and commits what they show; and then that the
/// system was heard up to `upto`, unless a system did not answer: what was heard must then be heard
/// again.
///
/// # Errors
/// The store's only.
pub(crate) async fn read(
    desk: &Desk<'_>,
    systems: &mut Systems,
    rows: BTreeMap<BindingIndex, BTreeSet<RowKey>>,
    mut upto: Option<Checkpoint>,
) -> Result<Captured, PortError> {
    let mut captured = Captured::default();
    let mut pipeline = Pipeline::new(desk);
    let chunks: usize = rows.values().map(|keys| keys.len().div_ceil(BATCH.rows)).sum();
    let (mut done, mut asks) = (0, false);
    for (binding, keys) in rows {
        let mut reading = Reading::new(binding);
        let keys: Vec<RowKey> = keys.into_iter().collect();
        for chunk in keys.chunks(BATCH.rows) {
            // Rows count as fenced reads only if nothing of ours was in flight since before.
            let began = desk.operation().await?;
            let one =
                |key: &RowKey| KeyRead { key: key.clone(), operation: began, in_doubt: Vec::new() };
            let request = ReadRequest::Keys { binding, keys: chunk.iter().map(one).collect() };
            let limit = Limit { rows: chunk.len(), bytes: usize::MAX };
            let mut batch = match fetch(desk, systems, binding, &request, limit).await {
                Ok(batch) => batch,
                Err(failure) => {
                    reading.failure = Some(failure);
                    break;
                }
            };
            let mut inputs = Vec::new();
            let answers = std::mem::take(&mut batch.answers);
            if answers.len() < chunk.len() {
                reading.incomplete = Some("not every row was answered".into());
                break;
            }
            sort(binding, answers, &mut batch, began, &mut inputs);
            asks |= !inputs.is_empty();
            let account = &mut captured.account;
            reading.rows += shown(desk, binding, Mode::Heard, batch, began, account, &mut inputs);
            done += 1;
            // What is asked about a row that is gone is not on record: it must be answered first.
            let last = done == chunks && !asks;
            let checkpoint = if last { upto.take() } else { None };
            let decided = pipeline.push(inputs, checkpoint.into_iter().collect()).await?;
            took(desk, systems, decided, account).await?;
        }
        reading.complete = reading.failure.is_none() && reading.incomplete.is_none();
        captured.readings.push(reading);
    }
    took(desk, systems, pipeline.finish().await?, &mut captured.account).await?;
    if let Some(upto) = upto.filter(|_| done == chunks) {
        reconcile(desk, &[], vec![upto]).await?;
    }
    Ok(captured)
}

/// Rows that are there count as shown, those that cannot be read are set aside, and those that are
/// not there become questions, like what a scan did not show.
fn sort(
    binding: BindingIndex,
    answers: Vec<KeyAnswer>,
    batch: &mut Batch,
    began: OperationId,
    inputs: &mut Vec<Input>,
) {
    for answer in answers {
        match answer.result {
            ReadResult::Found(row) => batch.rows.push(*row),
            ReadResult::Absent => {
                inputs.push(Input::Unseen { binding, key: answer.key, began });
            }
            ReadResult::Failed(reason) => {
                let (code, reason) = unreadable(&reason);
                batch.refused.push(RefusedRow { key: answer.key, code, reason });
            }
        }
    }
}

/// Why a row cannot be read: the code comes first.
fn unreadable(reason: &Text) -> (&'static str, Text) {
    const CODES: [&str; 8] = [
        "read.type",
        "read.zero_date",
        "read.encoding",
        "read.number",
        "read.json",
        "read.null_key",
        "read.damaged",
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
