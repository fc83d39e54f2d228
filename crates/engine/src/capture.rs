//! Loop 1: reads bindings, by cursor or whole, and carries what they show to the core.

use syncline_core::{
    change::{Input, Observed, RowKey},
    commit::Checkpoint,
    error::PortError,
    name::BindingIndex,
    plan::Plan,
    value::Digest,
};
use syncline_ports::{
    reader::Work,
    source::{Batch, Limit, ReadRequest, Then},
};

use crate::{
    account::Account,
    desk::{Desk, Systems, ports},
    lists::{Lists, holder},
    pipeline::Pipeline,
    read,
    reconcile::{Decided, reconcile},
    scan::scan,
};

/// How to read a binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Only what changed since the last poll, by the cursor column.
    Poll,
    /// Everything, with a proof of completeness.
    Scan,
    /// Not at all: its changes are heard ([`crate::hear`]).
    Heard,
}

/// What reading one or several bindings came to.
#[derive(Debug, Default)]
pub struct Captured {
    /// What was observed, and what became of it, over all of them.
    pub account: Account,
    /// Each of them.
    pub readings: Vec<Reading>,
}

/// What reading one binding came to.
#[derive(Debug)]
pub struct Reading {
    /// The binding.
    pub binding: BindingIndex,
    /// Rows that were shown.
    pub rows: u64,
    /// The scan proved that it showed everything (a poll: it caught up).
    pub complete: bool,
    /// Why not.
    pub incomplete: Option<String>,
    /// The system failed. What it showed before is committed, and the position with it.
    pub failure: Option<PortError>,
    /// Rows that vanished, held back by a guard.
    pub held: Option<HeldAbsences>,
    /// Rows that vanished and were passed on although a guard would have held them: a person had
    /// approved exactly these.
    pub let_through: u64,
}

impl Reading {
    /// Nothing was read yet.
    pub(crate) fn new(binding: BindingIndex) -> Self {
        Self {
            binding,
            rows: 0,
            complete: false,
            incomplete: None,
            failure: None,
            held: None,
            let_through: 0,
        }
    }
}

/// Rows that a proved scan did not show, too many of them to be believed without a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldAbsences {
    /// `guard.mass_delete` or `guard.empty_source`.
    pub code: &'static str,
    /// Their binding.
    pub binding: BindingIndex,
    /// How many vanished.
    pub count: u64,
    /// Of how many that were linked.
    pub linked: u64,
    /// The limit that was exceeded.
    pub max: u64,
    /// What exactly vanished: the same set has the same digest.
    pub digest: Digest,
    /// Some of the rows.
    pub samples: Vec<RowKey>,
}

/// Whether rows that vanished may be passed on although they are many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absences {
    /// Only within the guards' limits.
    Guarded,
    /// A person allowed all of them (`--allow deletes`, or an approved plan).
    Allowed,
    /// A person allowed exactly this set (`guards apply`).
    Approved(Digest),
}

/// Absences per commit; each costs a read by key.
pub(crate) const UNSEEN_CHUNK: usize = 500;

/// So much of the systems is read at a time, all systems that are read side by side together.
pub(crate) const BATCH: Limit = Limit { rows: 4_000, bytes: 16 << 20 };

/// The name under which a binding's position is stored.
pub fn stream_name(plan: &Plan, binding: BindingIndex, mode: Mode) -> String {
    let (mut entity, mut system) = ("", "");
    if let Some(found) = plan.binding(binding) {
        entity = plan.entity(found.entity).map_or("", |entity| &entity.name);
        system = plan.system(found.system).map_or("", |system| &system.name);
    }
    let word = match mode {
        Mode::Poll => "poll",
        Mode::Scan | Mode::Heard => "scan",
    };
    format!("{word}:{entity}@{system}")
}

/// Whether this binding can be polled by a cursor column.
pub fn has_cursor(plan: &Plan, binding: BindingIndex) -> bool {
    plan.binding(binding).is_some_and(|found| found.table.polls())
}

/// Reads bindings of one entity in different systems and commits what they show.
///
/// # Errors
/// The store's only. What was committed stays, and the positions with it.
pub async fn capture(
    desk: &Desk<'_>,
    systems: &mut Systems,
    bindings: &[BindingIndex],
    mode: Mode,
    absences: Absences,
) -> Result<Captured, PortError> {
    // Lists that rows hold are read with them.
    let read = |binding: &BindingIndex| {
        if desk.plan.is_held(*binding) { holder(desk, *binding) } else { Some(*binding) }
    };
    let bindings: Vec<BindingIndex> = bindings.iter().filter_map(read).collect();
    match mode {
        Mode::Poll => {
            let mut captured = Captured::default();
            for binding in bindings {
                poll(desk, systems, binding, absences, &mut captured).await?;
            }
            Ok(captured)
        }
        Mode::Scan => {
            // Where nothing can be read whole, all there is to read is what has changed.
            let is_delta = |binding: &BindingIndex| {
                desk.plan.binding(*binding).is_some_and(|found| found.table.delta)
            };
            let (deltas, others): (Vec<BindingIndex>, Vec<BindingIndex>) =
                bindings.into_iter().partition(is_delta);
            let mut captured = scan(desk, systems, &others, absences).await?;
            for binding in deltas {
                poll(desk, systems, binding, absences, &mut captured).await?;
            }
            Ok(captured)
        }
        Mode::Heard => Ok(Captured::default()),
    }
}

async fn poll(
    desk: &Desk<'_>,
    systems: &mut Systems,
    binding: BindingIndex,
    absences: Absences,
    captured: &mut Captured,
) -> Result<(), PortError> {
    let _reads = desk.reads(&[binding]);
    let Captured { account, readings } = captured;
    let mut reading = Reading::new(binding);
    let (mut lists, mut first) = (Lists::default(), None);
    let stream = stream_name(desk.plan, binding, Mode::Poll);
    let mut from = desk.store.checkpoint(&stream).await?;
    let mut pipeline = Pipeline::new(desk);
    loop {
        // Rows count as fenced reads only if nothing of ours was in flight since before the read.
        let began = desk.operation().await?;
        first.get_or_insert(began);
        let request = ReadRequest::Poll { binding, from: from.clone() };
        let mut batch = match fetch(desk, systems, binding, &request, BATCH).await {
            Ok(batch) => batch,
            Err(failure) => {
                reading.failure = Some(failure);
                break;
            }
        };
        let checkpoint = batch
            .upto
            .clone()
            .map(|position| Checkpoint { stream: stream.as_str().into(), position });
        if batch.upto.is_some() {
            from.clone_from(&batch.upto);
        }
        let then = batch.then.clone();
        let mut inputs = Vec::new();
        let polled = |row| Input::Polled { row, began };
        let held = std::mem::take(&mut batch.lists);
        reading.rows += shown(desk, binding, batch, account, &mut inputs, polled);
        lists.take(desk, held, account, &mut inputs, polled).await?;
        if !inputs.is_empty() || checkpoint.is_some() {
            let checkpoints = checkpoint.into_iter().collect();
            let decided = pipeline.push(inputs, checkpoints).await?;
            took(desk, systems, decided, account).await?;
        }
        match then {
            Then::More if desk.is_stopping() => reading.incomplete = Some("stopped".into()),
            Then::More => continue,
            Then::Idle | Then::ScanComplete { .. } => reading.complete = true,
            Then::ScanIncomplete { reason } => reading.incomplete = Some(reason.to_string()),
        }
        break;
    }
    took(desk, systems, pipeline.finish().await?, account).await?;
    let began = first.unwrap_or_default();
    let (of_lists, unseen) = lists.conclude(desk, absences, began, &reading).await?;
    ask(desk, systems, unseen, account).await?;
    readings.push(reading);
    readings.extend(of_lists);
    Ok(())
}

/// Has rows that were not shown read by their keys.
pub(crate) async fn ask(
    desk: &Desk<'_>,
    systems: &mut Systems,
    unseen: Vec<Input>,
    account: &mut Account,
) -> Result<(), PortError> {
    for chunk in unseen.chunks(UNSEEN_CHUNK) {
        let decided = reconcile(desk, chunk, Vec::new()).await?;
        took(desk, systems, decided, account).await?;
    }
    Ok(())
}

/// Reads one batch of one binding.
pub(crate) async fn fetch(
    desk: &Desk<'_>,
    systems: &mut Systems,
    binding: BindingIndex,
    request: &ReadRequest,
    limit: Limit,
) -> Result<Batch, PortError> {
    let system = desk.plan.binding(binding).map(|found| found.system);
    match system.and_then(|system| ports(systems, system)) {
        Some(open) => {
            let from = desk.now();
            let batch = open.source.read(request, limit).await;
            if let Some(system) = system {
                desk.worked(Work::Read(system), from);
            }
            batch
        }
        None => Ok(Batch {
            then: Then::ScanIncomplete { reason: "the system is not reached in this pass".into() },
            ..Batch::default()
        }),
    }
}

/// Counts the rows of a batch and makes inputs of them. Gives how many they are.
pub(crate) fn shown(
    desk: &Desk<'_>,
    binding: BindingIndex,
    batch: Batch,
    account: &mut Account,
    inputs: &mut Vec<Input>,
    as_input: impl Fn(Observed) -> Input,
) -> u64 {
    let count = (batch.rows.len() + batch.refused.len()) as u64;
    account.saw(binding, count);
    desk.watch.read(binding, count);
    inputs.extend(batch.rows.into_iter().map(as_input));
    inputs.extend(batch.refused.into_iter().map(|row| Input::Refused {
        binding,
        key: row.key,
        code: row.code,
        reason: row.reason,
    }));
    count
}

/// Enters into the books what was decided, and does the reads that it asks for.
pub(crate) async fn took(
    desk: &Desk<'_>,
    systems: &mut Systems,
    decided: Decided,
    account: &mut Account,
) -> Result<(), PortError> {
    account.ledger.absorb(&decided.ledger);
    read::settle(desk, systems, decided.effects, account).await?;
    if !decided.held.is_empty() {
        reconcile(desk, &[], decided.held).await?;
    }
    Ok(())
}
