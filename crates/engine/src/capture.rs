//! Loop 1: reads a binding, by cursor or whole, and carries what it shows to the core.
//!
//! A scan ends with a proof or it ends incomplete; only a proved scan says anything about rows that
//! it did not show, and even then each of them is read again by its key before it counts as gone.

use syncline_core::{
    change::{Input, Observed, RowKey},
    commit::Checkpoint,
    error::PortError,
    guard::{self, Verdict},
    name::{BindingIndex, OperationId},
    plan::Plan,
    value::Digest,
};
use syncline_ports::source::{Batch, Limit, ReadRequest, Then};

use crate::{
    account::Account,
    desk::{Desk, Systems, ports},
    read,
    reconcile::reconcile,
};

/// How to read a binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Only what changed since the last poll, by the cursor column.
    Poll,
    /// Everything, with a proof of completeness.
    Scan,
}

/// What reading a binding came to.
#[derive(Debug, Default)]
pub struct Captured {
    /// Rows that were shown.
    pub rows: u64,
    /// What was observed, and what became of it.
    pub account: Account,
    /// The scan proved that it showed everything (a poll: it caught up).
    pub complete: bool,
    /// Why not.
    pub incomplete: Option<String>,
    /// Rows that vanished, held back by a guard.
    pub held: Option<HeldAbsences>,
    /// Rows that vanished and were passed on although a guard would have held them: a person had
    /// approved exactly these.
    pub let_through: u64,
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

const BATCH: Limit = Limit { rows: 4_000, bytes: 16 << 20 };
/// Absences per commit; each costs a read by key.
const UNSEEN_CHUNK: usize = 500;

/// The name under which a binding's position is stored.
pub fn stream_name(plan: &Plan, binding: BindingIndex, mode: Mode) -> String {
    let (mut entity, mut system) = ("", "");
    if let Some(found) = plan.binding(binding) {
        entity = plan.entity(found.entity).map_or("", |entity| &entity.name);
        system = plan.system(found.system).map_or("", |system| &system.name);
    }
    let word = match mode {
        Mode::Poll => "poll",
        Mode::Scan => "scan",
    };
    format!("{word}:{entity}@{system}")
}

/// Whether this binding can be polled by a cursor column.
pub fn has_cursor(plan: &Plan, binding: BindingIndex) -> bool {
    plan.binding(binding)
        .is_some_and(|found| found.table.cursor.is_some() || found.table.changed_at.is_some())
}

/// Reads a binding and commits what it shows.
///
/// # Errors
/// The source's or the store's. What was committed stays, and the position with it.
pub async fn capture(
    desk: &Desk<'_>,
    systems: &mut Systems,
    binding: BindingIndex,
    mode: Mode,
    absences: Absences,
) -> Result<Captured, PortError> {
    match mode {
        Mode::Poll => poll(desk, systems, binding).await,
        Mode::Scan => scan(desk, systems, binding, absences).await,
    }
}

async fn poll(
    desk: &Desk<'_>,
    systems: &mut Systems,
    binding: BindingIndex,
) -> Result<Captured, PortError> {
    let mut captured = Captured::default();
    let stream = stream_name(desk.plan, binding, Mode::Poll);
    let mut from = desk.store.checkpoint(&stream).await?;
    loop {
        // Rows count as fenced reads only if nothing of ours was in flight since before the read.
        let began = desk.operation().await?;
        let request = ReadRequest::Poll { binding, from: from.clone() };
        let batch = fetch(desk, systems, binding, &request).await?;
        let checkpoint = batch
            .upto
            .clone()
            .map(|position| Checkpoint { stream: stream.as_str().into(), position });
        if batch.upto.is_some() {
            from.clone_from(&batch.upto);
        }
        let then = batch.then.clone();
        take(desk, systems, binding, batch, began, checkpoint, &mut captured).await?;
        match then {
            Then::More if desk.is_stopping() => {
                captured.incomplete = Some("stopped".into());
                return Ok(captured);
            }
            Then::More => {}
            Then::Idle | Then::ScanComplete { .. } => {
                captured.complete = true;
                return Ok(captured);
            }
            Then::ScanIncomplete { reason } => {
                captured.incomplete = Some(reason.to_string());
                return Ok(captured);
            }
        }
    }
}

async fn scan(
    desk: &Desk<'_>,
    systems: &mut Systems,
    binding: BindingIndex,
    absences: Absences,
) -> Result<Captured, PortError> {
    let mut captured = Captured::default();
    let mut seen = Seen::default();
    // The whole scan is one snapshot: it began, for every row of it, before its first batch.
    let began = desk.operation().await?;
    let mut after = None;
    loop {
        let request = ReadRequest::Scan { binding, after: after.clone() };
        let batch = fetch(desk, systems, binding, &request).await?;
        for row in &batch.rows {
            seen.add(&row.key);
        }
        for row in &batch.refused {
            seen.add(&row.key);
        }
        after.clone_from(&batch.upto);
        let then = batch.then.clone();
        take(desk, systems, binding, batch, began, None, &mut captured).await?;
        match then {
            Then::More | Then::Idle if desk.is_stopping() => {
                captured.incomplete = Some("stopped".into());
                break;
            }
            Then::More | Then::Idle => {}
            Then::ScanComplete { rows } if rows == seen.count() => {
                captured.complete = true;
                break;
            }
            Then::ScanComplete { rows } => {
                captured.incomplete = Some(format!("{} of {rows} rows were shown", seen.count()));
                break;
            }
            Then::ScanIncomplete { reason } => {
                captured.incomplete = Some(reason.to_string());
                break;
            }
        }
    }
    if captured.complete {
        conclude(desk, systems, binding, began, absences, seen, &mut captured).await?;
    }
    // A later poll goes on from this scan's snapshot; nothing between the two can be skipped.
    let stream = stream_name(desk.plan, binding, Mode::Poll);
    let resume = after.filter(|_| captured.complete && has_cursor(desk.plan, binding));
    let checkpoints = resume.map(|position| Checkpoint { stream: stream.into(), position });
    let done = Input::ScanDone { binding, complete: captured.complete };
    reconcile(desk, &[done], checkpoints.into_iter().collect()).await?;
    Ok(captured)
}

async fn fetch(
    desk: &Desk<'_>,
    systems: &mut Systems,
    binding: BindingIndex,
    request: &ReadRequest,
) -> Result<Batch, PortError> {
    let system = desk.plan.binding(binding).map(|found| found.system);
    match system.and_then(|system| ports(systems, system)) {
        Some(open) => open.source.read(request, BATCH).await,
        None => Ok(Batch {
            then: Then::ScanIncomplete { reason: "the system is not reached in this pass".into() },
            ..Batch::default()
        }),
    }
}

/// Decides and commits one batch, and does the reads that it asks for.
async fn take(
    desk: &Desk<'_>,
    systems: &mut Systems,
    binding: BindingIndex,
    batch: Batch,
    began: OperationId,
    checkpoint: Option<Checkpoint>,
    captured: &mut Captured,
) -> Result<(), PortError> {
    let count = (batch.rows.len() + batch.refused.len()) as u64;
    captured.rows += count;
    captured.account.saw(binding, count);
    desk.watch.read(binding, count);
    if count == 0 && checkpoint.is_none() {
        return Ok(());
    }
    let mut inputs: Vec<Input> = Vec::with_capacity(batch.rows.len() + batch.refused.len());
    inputs.extend(batch.rows.into_iter().map(|row: Observed| Input::Polled { row, began }));
    inputs.extend(batch.refused.into_iter().map(|row| Input::Refused {
        binding,
        key: row.key,
        code: row.code,
        reason: row.reason,
    }));
    let decided = reconcile(desk, &inputs, checkpoint.into_iter().collect()).await?;
    drop(inputs);
    captured.account.ledger.absorb(&decided.ledger);
    read::settle(desk, systems, decided.effects, &mut captured.account).await?;
    Ok(())
}

/// Turns the linked rows that a proved scan did not show into questions, unless they are too many.
async fn conclude(
    desk: &Desk<'_>,
    systems: &mut Systems,
    binding: BindingIndex,
    began: OperationId,
    absences: Absences,
    mut seen: Seen,
    captured: &mut Captured,
) -> Result<(), PortError> {
    let linked = desk.store.count_present(binding).await?;
    if linked == 0 {
        return Ok(());
    }
    let rows = seen.count();
    let unseen = unseen(desk, binding, &mut seen).await?;
    if unseen.is_empty() {
        return Ok(());
    }
    let guards = desk
        .plan
        .binding(binding)
        .and_then(|found| desk.plan.entity(found.entity))
        .map(|entity| entity.guards)
        .unwrap_or_default();
    let digest = set_digest(&unseen);
    let allowed = match absences {
        Absences::Guarded => false,
        Absences::Allowed => true,
        Absences::Approved(approved) => approved == digest,
    };
    // The guard looks before the first question is asked: nothing of it reaches the hub.
    let verdict = guard::absences(&guards, rows, unseen.len() as u64, linked);
    if allowed && verdict != Verdict::Pass {
        captured.let_through = unseen.len() as u64;
    }
    if let (false, Verdict::Trip { code, max }) = (allowed, verdict) {
        captured.held = Some(HeldAbsences {
            code,
            binding,
            count: unseen.len() as u64,
            linked,
            max,
            digest,
            samples: unseen.into_iter().take(5).collect(),
        });
        return Ok(());
    }
    for chunk in unseen.chunks(UNSEEN_CHUNK) {
        let inputs: Vec<Input> =
            chunk.iter().map(|key| Input::Unseen { binding, key: key.clone(), began }).collect();
        let decided = reconcile(desk, &inputs, Vec::new()).await?;
        captured.account.ledger.absorb(&decided.ledger);
        read::settle(desk, systems, decided.effects, &mut captured.account).await?;
    }
    Ok(())
}

/// The rows last seen present that this scan did not show.
async fn unseen(
    desk: &Desk<'_>,
    binding: BindingIndex,
    seen: &mut Seen,
) -> Result<Vec<RowKey>, PortError> {
    const PAGE: usize = 10_000;
    seen.sort();
    let mut missing = Vec::new();
    let mut after: Option<RowKey> = None;
    loop {
        let page = desk.store.present(binding, after.as_ref(), PAGE).await?;
        let full = page.len() == PAGE;
        after = page.last().cloned().or(after);
        missing.extend(page.into_iter().filter(|key| !seen.contains(key)));
        if !full {
            return Ok(missing);
        }
    }
}

fn set_digest(keys: &[RowKey]) -> Digest {
    let mut all = Vec::new();
    for key in keys {
        syncline_core::value::bytes(&key.0, &mut all);
    }
    Digest::of(&all)
}

/// The keys that a scan showed: eight bytes each, however long the keys are. Two keys that share
/// them only hide an absence until the next scan after either changes; nothing is lost.
#[derive(Default)]
struct Seen(Vec<u64>);

impl Seen {
    fn short(key: &RowKey) -> u64 {
        let Digest(bytes) = Digest::of(&key.0);
        bytes.iter().take(8).fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
    }

    fn add(&mut self, key: &RowKey) {
        self.0.push(Self::short(key));
    }

    fn count(&self) -> u64 {
        self.0.len() as u64
    }

    fn sort(&mut self) {
        self.0.sort_unstable();
    }

    fn contains(&self, key: &RowKey) -> bool {
        self.0.binary_search(&Self::short(key)).is_ok()
    }
}
