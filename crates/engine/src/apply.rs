//! Loop 3: brings rows up to date that are behind the hub.
//!
//! It is told *that* a row is behind, never *what* to write: that is computed from the hub as it is
//! now, put on record, and only then sent.

use futures_util::future;
use syncline_core::{
    Text,
    change::{Cycles, Effect, Input, Outcome, Row, RowWrite, WriteGroup, WriteKind},
    commit::Behind,
    error::PortError,
    name::{EntityIndex, FieldIndex, IntentId, RecordId, SystemIndex},
    plan::Plan,
    value::Value,
};
use syncline_ports::{reader::Work, target::Finished};

use crate::{
    account::Account,
    desk::{Desk, Systems, ports},
    pace::Sent,
    pipeline::Pipeline,
    read,
    reconcile::Decided,
};

/// What was written to one system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Rows created.
    pub inserts: u64,
    /// Rows changed.
    pub updates: u64,
    /// Rows deleted.
    pub deletes: u64,
    /// Writes that were refused, for whatever reason.
    pub refused: u64,
    /// Deletes that wait for rows that refer to theirs: those go first.
    pub waits: u64,
}

impl Written {
    /// Rows written.
    pub fn total(&self) -> u64 {
        self.inserts + self.updates + self.deletes
    }

    /// Adds the counts of another.
    pub fn absorb(&mut self, other: Self) {
        self.inserts += other.inserts;
        self.updates += other.updates;
        self.deletes += other.deletes;
        self.refused += other.refused;
        self.waits += other.waits;
    }
}

/// Which kinds of work a sweep takes: children are deleted before their parents, and created after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kinds {
    /// Inserts and updates, for entities in the order of their references.
    Puts,
    /// Deletes, for entities in the reverse order.
    Deletes,
}

/// Which records a sweep takes: all, or those an approved plan names.
pub trait Chooses: Send + Sync {
    /// Picks those of these records that may be written in this system now.
    fn choose<'a>(
        &'a self,
        desk: &'a Desk<'_>,
        system: SystemIndex,
        behind: Vec<(RecordId, Behind)>,
    ) -> future::BoxFuture<'a, Result<Vec<RecordId>, PortError>>;
}

/// Takes all records.
#[derive(Clone, Copy, Debug, Default)]
pub struct Everything;

impl Chooses for Everything {
    fn choose<'a>(
        &'a self,
        _desk: &'a Desk<'_>,
        _system: SystemIndex,
        behind: Vec<(RecordId, Behind)>,
    ) -> future::BoxFuture<'a, Result<Vec<RecordId>, PortError>> {
        Box::pin(future::ready(Ok(behind.into_iter().map(|(record, _)| record).collect())))
    }
}

/// Writes everything that this entity needs in this system, until a whole sweep makes no progress.
/// Gives what was written, and the books of what was read again on the way.
///
/// # Errors
/// The store's. A target's refusals are answers, and end in the hub.
pub async fn apply(
    desk: &Desk<'_>,
    systems: &mut Systems,
    entity: EntityIndex,
    system: SystemIndex,
    kinds: Kinds,
    chooses: &dyn Chooses,
) -> Result<(Written, Account), PortError> {
    let (mut total, mut account) = (Written::default(), Account::default());
    let mut cycles = Cycles::Wait;
    // Whether what answers have brought to light was taken into account since the last progress: rows
    // that hold what others want, and writes that turned out never to have happened.
    let mut knows_more = false;
    loop {
        let planning =
            Planning { entity, system, kinds, cycles, chooses, after: None, ended: false };
        let sweep = sweep(desk, systems, planning).await?;
        total.absorb(sweep.written);
        account.absorb(&sweep.account);
        desk.saw_put_off(system, kinds, sweep.put_off);
        let progressed = sweep.written.total() > 0;
        if sweep.learnt && !progressed && !knows_more && !desk.is_stopping() {
            // Two rows that want each other's values, say: now that this is known, they go together.
            knows_more = true;
            continue;
        }
        knows_more = false;
        cycles = match (progressed, sweep.blocked, cycles) {
            // Whatever was written may have freed others.
            (true, _, _) => Cycles::Wait,
            // Nothing but a cycle can be left: break it.
            (false, true, Cycles::Wait) => Cycles::Break,
            (false, _, _) => return Ok((total, account)),
        };
        // Most of the time there is nothing left, and the next sweep is one empty query.
        if desk.is_stopping() {
            return Ok((total, account));
        }
    }
}

/// Sends writes that are on record already, and puts their answers there. Gives what was written, the
/// books of what was read again on the way, and what the system has against writes that may be made
/// another time.
///
/// # Errors
/// The store's.
pub async fn deliver(
    desk: &Desk<'_>,
    systems: &mut Systems,
    system: SystemIndex,
    groups: Vec<WriteGroup>,
) -> Result<(Written, Account, Option<Text>), PortError> {
    let delivered = delivering(desk, systems, system, groups).await;
    if delivered.is_err() {
        forget(systems, system);
    }
    delivered
}

async fn delivering(
    desk: &Desk<'_>,
    systems: &mut Systems,
    system: SystemIndex,
    groups: Vec<WriteGroup>,
) -> Result<(Written, Account, Option<Text>), PortError> {
    let (mut written, mut account, mut put_off) = (Written::default(), Account::default(), None);
    let mut waiting = groups.into_iter().peekable();
    let mut answers: Vec<Input> = Vec::new();
    let mut pipeline = Pipeline::new(desk);
    loop {
        let batch = at_once(desk, system);
        let (mut groups, mut count) = (Vec::new(), 0);
        while let Some(group) = waiting.next_if(|_| count < batch) {
            count += group.writes.len();
            groups.push(group);
        }
        if groups.is_empty() && answers.is_empty() && pipeline.is_empty() {
            let Some(Finished { groups, answers: outcomes }) = finish(desk, systems, system).await
            else {
                return Ok((written, account, put_off));
            };
            put_off = put_off.or(outcomes.iter().find_map(|(_, outcome)| reason_of(outcome)));
            answers = conclude(desk, system, &groups, outcomes, false, &mut written);
            continue;
        }
        let deciding = async {
            match std::mem::take(&mut answers) {
                none if none.is_empty() => pipeline.finish().await,
                inputs => pipeline.push(inputs, Vec::new()).await,
            }
        };
        let (outcomes, decided) =
            future::join(timed(desk, systems, system, &groups), deciding).await;
        put_off = put_off.or(outcomes.iter().find_map(|(_, outcome)| reason_of(outcome)));
        let is_held = holds_back(systems, system);
        answers = conclude(desk, system, &groups, outcomes, is_held, &mut written);
        read::settle(desk, systems, decided?.effects, &mut account).await?;
    }
}

struct Sweep {
    written: Written,
    account: Account,
    blocked: bool,
    /// Another row holds a unique value that a write wanted, a row was not as expected and is known
    /// better now, or the fate of a write was asked for.
    learnt: bool,
    /// What the system has against writes that may be made another time.
    put_off: Option<Text>,
}

impl Sweep {
    /// What these outcomes tell beyond that a row was written.
    fn learn(&mut self, outcomes: &[(IntentId, Outcome)]) {
        self.learnt |= outcomes.iter().any(|(_, outcome)| {
            matches!(outcome, Outcome::Unique { .. } | Outcome::Precondition { .. })
        });
        let mut reasons = outcomes.iter().filter_map(|(_, outcome)| reason_of(outcome));
        self.put_off = self.put_off.take().or_else(|| reasons.next());
    }
}

async fn sweep(
    desk: &Desk<'_>,
    systems: &mut Systems,
    planning: Planning<'_>,
) -> Result<Sweep, PortError> {
    let system = planning.system;
    let swept = sweeping(desk, systems, planning).await;
    if swept.is_err() {
        forget(systems, system);
    }
    swept
}

async fn sweeping(
    desk: &Desk<'_>,
    systems: &mut Systems,
    mut planning: Planning<'_>,
) -> Result<Sweep, PortError> {
    let (system, kinds) = (planning.system, planning.kinds);
    let mut result = Sweep {
        written: Written::default(),
        account: Account::default(),
        blocked: false,
        learnt: false,
        put_off: None,
    };
    // What is on record and about to be sent, and the answers to what was sent before it.
    let mut groups: Vec<WriteGroup> = Vec::new();
    let mut answers: Vec<Input> = Vec::new();
    let mut pipeline = Pipeline::new(desk);
    loop {
        // While the system writes one batch, the intents of the next are put on record, and those
        // of the one after it are decided together with the answers to the one before.
        let is_open = ports(systems, system).is_some();
        if let Some(paces) = desk.paces().filter(|_| !groups.is_empty()) {
            paces.took(system, groups.iter().map(|group| group.writes.len()).sum());
        }
        // What is decided to be written is sent at once: it waits before that, while others edit.
        let wait = desk.paces().and_then(|paces| paces.wait(system));
        let may_plan = is_open && (wait.is_none() || desk.is_stopping());
        let sending = timed(desk, systems, system, &groups);
        let deciding = async {
            let mut inputs = std::mem::take(&mut answers);
            if may_plan {
                inputs.extend(planning.next(desk).await?);
            }
            // Invariant 6: only what is on record is given back to be sent.
            if inputs.is_empty() {
                pipeline.finish().await
            } else {
                pipeline.push(inputs, Vec::new()).await
            }
        };
        let (outcomes, decided) = future::join(sending, deciding).await;
        let Decided { effects, .. } = decided?;
        result.learnt |= effects.iter().any(|effect| matches!(effect, Effect::ReadMarks { .. }));
        result.learn(&outcomes);
        let is_held = holds_back(systems, system);
        answers = conclude(desk, system, &groups, outcomes, is_held, &mut result.written);
        groups.clear();
        for effect in read::settle(desk, systems, effects, &mut result.account).await? {
            match effect {
                Effect::Write { group, .. } => groups.push(group),
                Effect::BlockedOn { .. } => {
                    result.blocked = true;
                    result.written.waits += u64::from(kinds == Kinds::Deletes);
                }
                Effect::Read { .. }
                | Effect::ReadMarks { .. }
                | Effect::Again(_)
                | Effect::Later { .. } => {}
            }
        }
        let is_done = groups.is_empty() && answers.is_empty() && pipeline.is_empty();
        if is_done && (planning.ended || !is_open) {
            // What was held back is made now that all of it is there.
            let Some(finished) = finish(desk, systems, system).await else { return Ok(result) };
            result.learn(&finished.answers);
            let (groups, outcomes) = (&finished.groups, finished.answers);
            answers = conclude(desk, system, groups, outcomes, false, &mut result.written);
            continue;
        }
        if let Some((paces, wait)) = desk.paces().zip(wait).filter(|_| is_done) {
            paces.rest(wait).await;
        }
    }
}

/// Takes what is behind, batch by batch.
struct Planning<'a> {
    entity: EntityIndex,
    system: SystemIndex,
    kinds: Kinds,
    cycles: Cycles,
    chooses: &'a dyn Chooses,
    /// The last record that was looked at.
    after: Option<RecordId>,
    /// Nothing comes after it.
    ended: bool,
}

impl Planning<'_> {
    /// The next batch that is not empty, to be decided.
    async fn next(&mut self, desk: &Desk<'_>) -> Result<Vec<Input>, PortError> {
        let (system, cycles) = (self.system, self.cycles);
        let batch = at_once(desk, system);
        while !self.ended && !desk.is_stopping() {
            let behind =
                desk.store.behind(self.entity, system, self.after, desk.now(), batch).await?;
            let Some((last, _)) = behind.last() else { break };
            self.after = Some(*last);
            let wanted: Vec<(RecordId, Behind)> = behind
                .into_iter()
                .filter(|(_, behind)| match behind.kind {
                    WriteKind::Insert | WriteKind::Update => self.kinds == Kinds::Puts,
                    WriteKind::Delete => self.kinds == Kinds::Deletes,
                })
                .collect();
            let records = self.chooses.choose(desk, system, wanted).await?;
            if !records.is_empty() {
                let due = records.into_iter();
                return Ok(due.map(|record| Input::Due { record, system, cycles }).collect());
            }
        }
        self.ended = true;
        Ok(Vec::new())
    }
}

/// Sends it, and learns from that how much the system bears.
async fn timed(
    desk: &Desk<'_>,
    systems: &mut Systems,
    system: SystemIndex,
    groups: &[WriteGroup],
) -> Vec<(IntentId, Outcome)> {
    let Some(paces) = desk.paces().filter(|_| !groups.is_empty()) else {
        return send(desk, systems, system, groups).await;
    };
    let began = paces.elapsed();
    let outcomes = send(desk, systems, system, groups).await;
    let rows = groups.iter().map(|group| group.writes.len()).sum();
    let is_put_off = outcomes
        .iter()
        .any(|(_, it)| matches!(it, Outcome::Retry { .. } | Outcome::Unknown { .. }));
    let took = paces.elapsed().saturating_sub(began);
    paces.sent(system, most(desk, system), Sent { rows, took, is_put_off });
    outcomes
}

/// How many rows a system may be given at once.
fn most(desk: &Desk<'_>, system: SystemIndex) -> usize {
    desk.plan.system(system).map_or(1_000, |system| system.batch).max(1)
}

/// How many rows it bears at once just now.
fn at_once(desk: &Desk<'_>, system: SystemIndex) -> usize {
    let most = most(desk, system);
    desk.paces().map_or(most, |paces| paces.at_once(system, most))
}

async fn send(
    desk: &Desk<'_>,
    systems: &mut Systems,
    system: SystemIndex,
    groups: &[WriteGroup],
) -> Vec<(IntentId, Outcome)> {
    if groups.is_empty() {
        return Vec::new();
    }
    match ports(systems, system) {
        Some(open) => {
            let from = desk.now();
            let outcomes = open.target.apply(groups).await;
            desk.worked(Work::Write(system), from);
            outcomes
        }
        None => {
            let writes = groups.iter().flat_map(|group| &group.writes);
            let unsent = |write: &RowWrite| {
                (write.intent, Outcome::Retry { reason: "it is not open".into() })
            };
            writes.map(unsent).collect()
        }
    }
}

/// Whether a system makes its writes together in the end.
fn holds_back(systems: &mut Systems, system: SystemIndex) -> bool {
    ports(systems, system).is_some_and(|open| open.target.holds_back())
}

/// Has what is held back made, and gives a portion of it with its answers.
async fn finish(desk: &Desk<'_>, systems: &mut Systems, system: SystemIndex) -> Option<Finished> {
    let from = desk.now();
    let finished = ports(systems, system)?.target.finish().await?;
    desk.worked(Work::Write(system), from);
    Some(finished)
}

/// Nobody waits for what is held back: the hub knows that it was to be made, and asks.
fn forget(systems: &mut Systems, system: SystemIndex) {
    if let Some(open) = ports(systems, system) {
        open.target.forget();
    }
}

fn reason_of(outcome: &Outcome) -> Option<Text> {
    match outcome {
        Outcome::Retry { reason } => Some(reason.clone()),
        Outcome::Applied { .. }
        | Outcome::Precondition { .. }
        | Outcome::Unique { .. }
        | Outcome::Foreign { .. }
        | Outcome::Invalid { .. }
        | Outcome::Unknown { .. }
        | Outcome::Sibling => None,
    }
}

/// The fields that the system holds otherwise than it was given, beyond what its cells declare.
fn altered(plan: &Plan, write: &RowWrite, post: Option<&Row>) -> Vec<FieldIndex> {
    let Some((post, binding)) = post.zip(plan.binding(write.binding)) else { return Vec::new() };
    let differs = |field: FieldIndex, given: &Value| {
        let (Some(held), Some(cell)) = (post.value(field), binding.cell(field)) else {
            return false;
        };
        held != given && cell.lens.normalise(held) != cell.lens.normalise(given)
    };
    let set = write.set.iter();
    set.filter(|(field, given)| differs(*field, given)).map(|(field, _)| *field).collect()
}

/// Turns outcomes into inputs; a write without an answer is [`Outcome::Unknown`], or was held back where
/// the system does that (`is_held`).
fn conclude(
    desk: &Desk<'_>,
    system: SystemIndex,
    groups: &[WriteGroup],
    outcomes: Vec<(IntentId, Outcome)>,
    is_held: bool,
    written: &mut Written,
) -> Vec<Input> {
    let mut outcomes: std::collections::BTreeMap<IntentId, Outcome> =
        outcomes.into_iter().collect();
    let mut inputs = Vec::new();
    let mut count = 0;
    for write in groups.iter().flat_map(|group| &group.writes) {
        let outcome = match outcomes.remove(&write.intent) {
            Some(outcome) => outcome,
            None if is_held => continue,
            None => Outcome::Unknown { reason: "not answered".into() },
        };
        if let Outcome::Applied { post, .. } = &outcome {
            count += 1;
            desk.saw_altered(write.binding, &altered(desk.plan, write, post.as_ref()));
            match write.kind {
                WriteKind::Insert => written.inserts += 1,
                WriteKind::Update => written.updates += 1,
                WriteKind::Delete => written.deletes += 1,
            }
        } else {
            written.refused += 1;
        }
        inputs.push(Input::WriteDone { record: write.record, intent: write.intent, outcome });
    }
    desk.watch.wrote(system, count);
    inputs
}
