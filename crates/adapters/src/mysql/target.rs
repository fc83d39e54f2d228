//! Writes rows: many groups in one transaction, each row under its own precondition, each with its
//! own answer.
//!
//! A row that is refused costs its group, never the others: the statement is run again without it
//! (`InnoDB` takes back the failed statement, not the transaction), or the transaction is, where the
//! group had written other rows. Groups that wait for another transaction's lock are told from the
//! rest by `skip locked`, or by halving.
//!
//! What can be said of a failure depends on when it came: before the commit was sent, nothing was
//! done; after that, nobody knows.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use syncline_core::{
    Text,
    change::{Outcome, RowKey, WriteGroup},
    name::{IntentId, SystemIndex},
    plan::Plan,
    value::Value,
};
use syncline_ports::{clock::Clock, target::Target};

use crate::{
    clock::SystemClock,
    mysql::{
        connect::{Purpose, Session},
        failure::Failure,
        locked::Lock,
        sql::{Bindings, Bound},
        transaction::Transaction,
    },
    settings::Settings,
    sql::{ColumnIndex, invalid, marks},
};

/// Groups in one transaction, at most.
const GROUPS_MAX: usize = 5_000;
/// One in so many transactions is followed by a removal of old marks.
const PRUNE_EVERY: u32 = 64;
/// A deadlock is over at once: tried again so often before it is said.
const DEADLOCKS_MAX: u32 = 3;

/// Writes to a system; connects again when the connection was lost.
pub(super) struct MysqlTarget {
    pub settings: Settings,
    pub plan: Arc<Plan>,
    pub system: SystemIndex,
    pub bindings: Arc<Bindings>,
    pub has_marks: bool,
    pub session: Option<Session>,
    pub transactions: u32,
}

/// The groups of one call, and what became of each write.
pub(super) struct Answers<'a> {
    pub groups: &'a [WriteGroup],
    outcomes: Vec<Vec<Option<Outcome>>>,
    /// Refused for a value that another row holds: which row is looked up at the end.
    clashes: Vec<Clash>,
}

/// A write that met another row's value.
pub(super) struct Clash {
    pub group: usize,
    pub write: usize,
    /// The columns of the index, as far as they are known.
    pub columns: Vec<Text>,
    /// What the write wanted them to hold.
    pub values: Vec<(ColumnIndex, Value)>,
    /// The key that an insert wanted, if it said so.
    pub key: Option<RowKey>,
}

impl<'a> Answers<'a> {
    fn new(groups: &'a [WriteGroup]) -> Self {
        let outcomes = groups.iter().map(|group| vec![None; group.writes.len()]).collect();
        Self { groups, outcomes, clashes: Vec::new() }
    }

    /// Answers one write.
    pub(super) fn answer(&mut self, group: usize, write: usize, outcome: Outcome) {
        if let Some(slot) = self.outcomes.get_mut(group).and_then(|group| group.get_mut(write)) {
            *slot = Some(outcome);
        }
    }

    /// Refuses a group for the sake of one write.
    pub(super) fn refuse(&mut self, group: usize, write: usize, outcome: Outcome) {
        for (at, slot) in self.outcomes.get_mut(group).into_iter().flatten().enumerate() {
            if at != write {
                *slot = Some(Outcome::Sibling);
            }
        }
        self.answer(group, write, outcome);
    }

    /// Takes back what was answered for these groups.
    fn reopen(&mut self, groups: &[usize]) {
        for group in groups {
            for slot in self.outcomes.get_mut(*group).into_iter().flatten() {
                *slot = None;
            }
        }
    }

    /// Refuses a group for a clash; the holder is looked up later.
    pub(super) fn clash(&mut self, clash: Clash) {
        let outcome = Outcome::Unique { columns: clash.columns.clone(), holder: None };
        self.refuse(clash.group, clash.write, outcome);
        self.clashes.push(clash);
    }

    /// Answers all that is open in these groups.
    pub(super) fn refuse_all(&mut self, part: &[usize], outcome: &Outcome) {
        for group in part {
            for slot in self.outcomes.get_mut(*group).into_iter().flatten() {
                slot.get_or_insert_with(|| outcome.clone());
            }
        }
    }

    /// Whether the group still has no answer.
    pub(super) fn is_open(&self, group: usize) -> bool {
        self.outcomes.get(group).is_some_and(|outcomes| outcomes.iter().any(Option::is_none))
    }

    /// Whether what became of this write is not known.
    pub(super) fn is_unknown(&self, group: usize, write: usize) -> bool {
        let outcome = self.outcomes.get(group).and_then(|group| group.get(write));
        matches!(outcome, Some(Some(Outcome::Unknown { .. })))
    }

    fn finish(self) -> Vec<(IntentId, Outcome)> {
        let unanswered = || Outcome::Unknown { reason: Text::new("it was not answered") };
        self.groups
            .iter()
            .zip(self.outcomes)
            .flat_map(|(group, outcomes)| {
                group
                    .writes
                    .iter()
                    .zip(outcomes)
                    .map(|(write, outcome)| (write.intent, outcome.unwrap_or_else(unanswered)))
            })
            .collect()
    }
}

/// How an attempt to write some groups ended.
enum Attempt {
    /// What is open no more is answered; the rest, if any, was taken back.
    Settled,
    /// Taken back because of a lock or a deadlock.
    Blocked(Failure),
    /// Taken back, or never begun.
    NotDone(Failure),
    /// The commit was sent and not answered.
    Unknown(Failure),
}

#[async_trait]
impl Target for MysqlTarget {
    async fn apply(&mut self, groups: &[WriteGroup]) -> Vec<(IntentId, Outcome)> {
        let mut answers = Answers::new(groups);
        self.refuse_unwritable(&mut answers);
        self.write(&mut answers, &(0..groups.len()).collect::<Vec<usize>>()).await;
        // A value that a later write of the same call has set free is taken in another round.
        let mut before = usize::MAX;
        loop {
            let freed = self.look_up_holders(&mut answers).await;
            if freed.is_empty() || freed.len() >= before {
                break;
            }
            before = freed.len();
            answers.reopen(&freed);
            self.write(&mut answers, &freed).await;
        }
        self.prune().await;
        answers.finish()
    }
}

fn retry(failure: &Failure) -> Outcome {
    failure.put_off()
}

impl MysqlTarget {
    /// Writes these groups, in as few transactions as they allow.
    async fn write(&mut self, answers: &mut Answers<'_>, groups: &[usize]) {
        let mut parts: Vec<(Vec<usize>, Lock, u32)> =
            groups.chunks(GROUPS_MAX).rev().map(|part| (part.to_vec(), Lock::Wait, 0)).collect();
        while let Some((mut part, lock, deadlocks)) = parts.pop() {
            part.retain(|group| answers.is_open(*group));
            if part.is_empty() {
                continue;
            }
            match self.attempt(answers, &part, lock).await {
                // Groups whose siblings had to be taken back with others are open still.
                Attempt::Settled => parts.push((part, lock, deadlocks)),
                Attempt::Blocked(failure) => {
                    let is_deadlock = matches!(failure.code(), Some(1213 | 1020));
                    if is_deadlock && deadlocks < DEADLOCKS_MAX {
                        parts.push((part, lock, deadlocks + 1));
                    } else if !is_deadlock && lock == Lock::Wait && self.can_skip_locked() {
                        parts.push((part, Lock::Skip, deadlocks));
                    } else if part.len() == 1 {
                        answers.refuse_all(&part, &failure.outcome());
                    } else {
                        let rest = part.split_off(part.len() / 2);
                        parts.push((rest, lock, deadlocks));
                        parts.push((part, lock, deadlocks));
                    }
                }
                Attempt::NotDone(failure) => {
                    answers.refuse_all(&part, &retry(&failure));
                    if failure.code().is_none() {
                        // Nobody is there: the others would only wait for the same time-out.
                        for (part, _, _) in parts.drain(..) {
                            answers.refuse_all(&part, &retry(&failure));
                        }
                    }
                }
                Attempt::Unknown(failure) => {
                    let reason = Text::new(failure.detail());
                    answers.refuse_all(&part, &Outcome::Unknown { reason });
                }
            }
        }
    }

    fn can_skip_locked(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.server.can_skip_locked)
    }

    fn refuse_unwritable(&self, answers: &mut Answers<'_>) {
        for (at, group) in answers.groups.iter().enumerate() {
            for (index, write) in group.writes.iter().enumerate() {
                let why = match self.bindings.get(&write.binding) {
                    None => Some("the binding is not of this system".to_owned()),
                    Some(bound) => bound
                        .read_only
                        .map(|why| format!("{:?} cannot be written: {why}", bound.shape.table)),
                };
                if let Some(why) = why {
                    answers.refuse(at, index, invalid("write.refused", why));
                    break;
                }
            }
        }
    }

    /// A session with an open transaction. One that was closed while we were idle is replaced.
    async fn begin(&mut self) -> Result<Session, Failure> {
        if let Some(mut session) = self.session.take().filter(Session::is_usable) {
            match session.run("start transaction").await {
                Ok(()) => return Ok(session),
                Err(Failure::Lost(_)) => {}
                Err(failure) => return Err(failure),
            }
        }
        let mut session = Session::open(&self.settings, Purpose::Write).await?;
        session.run("start transaction").await?;
        Ok(session)
    }

    async fn attempt(&mut self, answers: &mut Answers<'_>, part: &[usize], lock: Lock) -> Attempt {
        // Taken out: if this future is dropped half-way, so is the connection.
        let mut session = match self.begin().await {
            Ok(session) => session,
            Err(failure) => return Attempt::NotDone(failure),
        };
        self.transactions = self.transactions.wrapping_add(1);
        let mut transaction = Transaction::new(self, answers.groups, part);
        let written = transaction.write(&mut session, answers, lock).await;
        let attempt = match written {
            Ok(true) => match session.run("commit").await {
                Ok(()) => {
                    transaction.answer(answers);
                    Attempt::Settled
                }
                // The server says that it took everything back.
                Err(failure) if failure.code() == Some(1213) => Attempt::Blocked(failure),
                Err(failure) => Attempt::Unknown(failure),
            },
            Ok(false) => match session.run("rollback").await {
                Ok(()) => Attempt::Settled,
                Err(failure) => Attempt::NotDone(failure),
            },
            Err(failure) => {
                let is_blocked = matches!(failure.code(), Some(1205 | 1213 | 1020 | 1969 | 3024));
                if session.run("rollback").await.is_err() {
                    return Attempt::NotDone(failure);
                }
                if is_blocked { Attempt::Blocked(failure) } else { Attempt::NotDone(failure) }
            }
        };
        if session.is_usable() {
            self.session = Some(session);
        }
        attempt
    }

    /// Finds the rows that hold what refused writes wanted; after everything else, outside of any
    /// transaction. What cannot be found out is left open. Gives the groups that met nobody's value
    /// any more.
    async fn look_up_holders(&mut self, answers: &mut Answers<'_>) -> Vec<usize> {
        let mut freed = Vec::new();
        for clash in std::mem::take(&mut answers.clashes) {
            let Some(session) = self.session.as_mut().filter(|session| session.is_usable()) else {
                return Vec::new();
            };
            let write =
                answers.groups.get(clash.group).and_then(|group| group.writes.get(clash.write));
            let Some(bound) = write.and_then(|write| self.bindings.get(&write.binding)) else {
                continue;
            };
            match holder(session, bound, &clash).await {
                Holder::Known(outcome) => answers.answer(clash.group, clash.write, outcome),
                Holder::Nobody => freed.push(clash.group),
                Holder::Untold => {}
            }
        }
        freed.sort_unstable();
        freed.dedup();
        freed
    }

    async fn prune(&mut self) {
        if !self.has_marks || !self.transactions.is_multiple_of(PRUNE_EVERY) {
            return;
        }
        if let Some(session) = self.session.as_mut().filter(|session| session.is_usable()) {
            let before = SystemClock.now().ms() - marks::KEEP_MS;
            let (table, most) = (marks::TABLE, marks::PRUNE_MAX);
            let sql = format!("delete from {table} where at < {before} order by at limit {most}");
            if let Err(failure) = session.run(&sql).await {
                tracing::debug!(error = failure.detail(), "could not remove old marks");
            }
        }
    }
}

/// Who holds a value that a write wanted.
enum Holder {
    /// This is what the clash comes to.
    Known(Outcome),
    /// Nobody any more.
    Nobody,
    /// It cannot be found out.
    Untold,
}

async fn holder(session: &mut Session, bound: &Bound, clash: &Clash) -> Holder {
    let Some(sql) = holder_sql(bound, clash) else { return Holder::Untold };
    let Ok(rows) = session.rows(&sql).await else { return Holder::Untold };
    match rows.into_iter().next().map(|cells| bound.observe(cells)) {
        None => Holder::Nobody,
        Some(Err(_)) => Holder::Untold,
        // The key of an insert that is there already is a failed precondition; its equal in another
        // spelling is another row.
        Some(Ok(observed)) if clash.key.as_ref() == Some(&observed.key) => {
            Holder::Known(Outcome::Precondition { current: observed.row, token: None })
        }
        Some(Ok(observed)) => Holder::Known(Outcome::Unique {
            columns: clash.columns.clone(),
            holder: Some(observed.key),
        }),
    }
}

fn holder_sql(bound: &Bound, clash: &Clash) -> Option<Vec<u8>> {
    let wanted: BTreeMap<ColumnIndex, &Value> =
        clash.values.iter().map(|(column, value)| (*column, value)).collect();
    let mut sql = bound.select();
    for (at, name) in clash.columns.iter().enumerate() {
        let column = bound.shape.column_named(name)?;
        sql.extend_from_slice(if at == 0 { b" where " } else { b" and " });
        bound.name(column, &mut sql);
        sql.extend_from_slice(b" = ");
        bound.operand(column, wanted.get(&column)?, &mut sql);
    }
    sql.extend_from_slice(b" limit 1");
    (!clash.columns.is_empty()).then_some(sql)
}
