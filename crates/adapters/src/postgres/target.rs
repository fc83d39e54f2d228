//! Writes: locked compare in sets (correctness.md 2.3).
//!
//! A batch is one transaction. Its rows are locked and read in one statement, compared here with
//! exact equality, and written with a few statements of many rows each; the marks come first, and
//! the rows are read back as triggers left them. Where the server refuses a statement, a savepoint
//! takes it back, and halves are tried until the group that is refused stands alone.
//!
//! Before COMMIT is sent, nothing is done; afterwards, until its answer, nobody knows. The answers
//! say which.

mod check;
mod marked;
mod park;
mod planned;
mod set;
mod statement;
mod verdict;

use std::{collections::BTreeMap, ops::Range, sync::Arc, time::Duration};

use async_trait::async_trait;
use syncline_core::{
    Text,
    change::{Outcome, RowKey, RowWrite, WriteGroup, WriteKind},
    name::IntentId,
    value::Value,
};
use syncline_ports::target::Target;
use tokio_postgres::{Error, types::Type};

use crate::{
    postgres::{
        bound::Bound,
        connect::{Purpose, Session, borrowed},
        failure, own,
        own::Stamp,
        sql::quoted,
        target::{
            set::{Failure, Set},
            statement::Patience,
            verdict::Scope,
        },
        wire::{Parameter, Raw},
    },
    settings::Settings,
    sql::{marks, marks::APPLIED},
};

/// Writes to a PostgreSQL database.
pub(crate) struct PostgresTarget {
    settings: Settings,
    bound: Vec<Arc<Bound>>,
    has_marks: bool,
    session: Option<Session>,
    batches: u64,
    stamp: Stamp,
    /// Whether our user may tell in the log what was written, once that was asked.
    may_tell: Option<bool>,
}

/// Old marks are looked for with one batch in so many.
const PRUNE_EVERY: u64 = 256;

impl PostgresTarget {
    pub(crate) fn new(settings: &Settings, bound: Vec<Arc<Bound>>, has_marks: bool) -> Self {
        Self {
            settings: settings.clone(),
            stamp: Stamp::of(bound.iter().map(Arc::as_ref)),
            bound,
            has_marks,
            session: None,
            batches: 0,
            may_tell: None,
        }
    }
}

impl PostgresTarget {
    /// Whether our user may tell in the log what was written.
    async fn may_tell(&mut self, session: &Session) -> bool {
        if let Some(known) = self.may_tell {
            return known;
        }
        let asked = session.client.query_typed(own::MAY_TELL, &[]).await;
        // Whatever hinders the answer hinders the writes, too, and is theirs to report.
        let Ok(rows) = asked else { return false };
        let may = rows.first().is_some_and(|row| row.get(0));
        self.may_tell = Some(may);
        may
    }
}

#[async_trait]
impl Target for PostgresTarget {
    async fn apply(&mut self, groups: &[WriteGroup]) -> Vec<(IntentId, Outcome)> {
        if groups.iter().all(|group| group.writes.is_empty()) {
            return Vec::new();
        }
        let mut session = match self.session.take().filter(Session::is_open) {
            Some(session) => session,
            None => match Session::open(&self.settings, Purpose::Work).await {
                Ok(session) => session,
                Err(error) => {
                    let reason = Text::from(format!("{}: {error}", error.kind.remedy().code));
                    return everything(groups, &Outcome::Retry { reason });
                }
            },
        };
        self.batches += 1;
        let tells = own::is_heard() && self.may_tell(&session).await;
        let mut writing = Writing {
            bound: &self.bound,
            has_marks: self.has_marks,
            session: &mut session,
            patience: self.settings.statement_timeout.max(Duration::from_secs(1)) * 2,
            stamp: tells.then_some(self.stamp),
            answers: BTreeMap::new(),
        };
        let is_clean = writing.batch(groups, self.batches.is_multiple_of(PRUNE_EVERY)).await;
        let answers = writing.answers;
        // What may have a transaction open is closed, and the server rolls it back.
        if is_clean {
            self.session = Some(session);
        }
        answers.into_iter().collect()
    }
}

/// One answer for all writes.
fn everything(groups: &[WriteGroup], outcome: &Outcome) -> Vec<(IntentId, Outcome)> {
    let writes = groups.iter().flat_map(|group| &group.writes);
    writes.map(|write| (write.intent, outcome.clone())).collect()
}

/// A batch on its way.
struct Writing<'a> {
    bound: &'a [Arc<Bound>],
    has_marks: bool,
    session: &'a mut Session,
    /// How long a set, or the commit, may take before the line counts as lost.
    patience: Duration,
    /// By which those who listen know our transactions; `None`: nobody does.
    stamp: Option<Stamp>,
    answers: BTreeMap<IntentId, Outcome>,
}

/// Why a batch ends early.
struct Broken(Outcome);

impl Writing<'_> {
    /// Writes the groups; whether the session can be used again.
    async fn batch(&mut self, groups: &[WriteGroup], prunes: bool) -> bool {
        match self.sets(groups, prunes).await {
            Ok(()) => {}
            Err(Broken(outcome)) => {
                // Nothing was committed: what was answered as applied was not.
                for (intent, outcome) in everything(groups, &outcome) {
                    let answer = self.answers.entry(intent).or_insert_with(|| outcome.clone());
                    if matches!(answer, Outcome::Applied { .. }) {
                        *answer = outcome;
                    }
                }
                self.session.forget();
                return false;
            }
        }
        if !self.answers.values().any(|answer| matches!(answer, Outcome::Applied { .. })) {
            return self.session.client.batch_execute("rollback").await.is_ok();
        }
        let commit = match self.told(groups) {
            Some(told) => format!("{told}; commit"),
            None => "commit".to_owned(),
        };
        let commit = self.session.client.batch_execute(&commit);
        let outcome = match tokio::time::timeout(self.patience, commit).await {
            Ok(Ok(())) => return true,
            Ok(Err(error)) if !failure::is_lost(&error) => verdict::retry(&error),
            Ok(Err(error)) => {
                let reason =
                    format!("the line was lost at the commit: {}", failure::describe(&error));
                Outcome::Unknown { reason: Text::from(reason) }
            }
            Err(_) => Outcome::Unknown { reason: Text::new("the commit was not answered in time") },
        };
        for answer in self.answers.values_mut() {
            if matches!(answer, Outcome::Applied { .. }) {
                *answer = outcome.clone();
            }
        }
        false
    }

    /// The statement that tells which rows were written and answered with what they hold by now. Where
    /// there are triggers, that may be no more than what one of them has left.
    fn told(&self, groups: &[WriteGroup]) -> Option<String> {
        let stamp = self.stamp?;
        let rows = groups.iter().flat_map(|group| &group.writes).filter_map(|write| {
            let Outcome::Applied { key, post, .. } = self.answers.get(&write.intent)? else {
                return None;
            };
            let bound = self.bound_of(write)?;
            let is_plain = !bound.known.table.has_triggers && !bound.known.table.is_view;
            let is_told = is_plain && (post.is_some() || write.kind == WriteKind::Delete);
            is_told.then_some((write.binding, key))
        });
        own::statement(stamp, rows)
    }

    /// Tries the groups as one set, and what is refused in ever smaller ones.
    async fn sets(&mut self, groups: &[WriteGroup], prunes: bool) -> Result<(), Broken> {
        let defers = groups
            .iter()
            .flat_map(|group| &group.writes)
            .filter_map(|write| self.bound_of(write))
            .any(|bound| bound.known.has_deferrable);
        let mut begin = String::from("begin");
        if defers {
            begin.push_str("; set constraints all deferred");
        }
        if prunes && self.has_marks {
            begin.push_str("; ");
            begin.push_str(&prune());
        }
        let mut open = Some(begin);
        let mut work: Vec<(Range<usize>, Patience)> = vec![(0..groups.len(), Patience::Wait)];
        while let Some((range, patience)) = work.pop() {
            let members: Vec<&WriteGroup> =
                groups.get(range.clone()).unwrap_or_default().iter().collect();
            let begin = open.take().map_or_else(String::new, |begin| format!("{begin}; "));
            let begin = format!("{begin}savepoint piece");
            let failure = {
                let mut set = Set {
                    bound: self.bound,
                    has_marks: self.has_marks,
                    session: &mut *self.session,
                    defers,
                    patience,
                    begin: &begin,
                };
                match tokio::time::timeout(self.patience * 2, set.write(&members)).await {
                    Ok(Ok(answers)) => {
                        self.answers.extend(answers);
                        continue;
                    }
                    Ok(Err(failure)) => failure,
                    Err(_) => {
                        let reason =
                            Text::new("connect.timeout: the server did not answer in time");
                        return Err(Broken(Outcome::Retry { reason }));
                    }
                }
            };
            self.take_back(&range, &members, patience, failure, &mut work).await?;
        }
        Ok(())
    }

    /// Undoes a set that failed, and decides how to go on.
    async fn take_back(
        &mut self,
        range: &Range<usize>,
        members: &[&WriteGroup],
        patience: Patience,
        failure: Failure,
        work: &mut Vec<(Range<usize>, Patience)>,
    ) -> Result<(), Broken> {
        let scope = match &failure {
            Failure::Verdict { .. } => Scope::Row,
            Failure::Refused { error, .. } => verdict::scope(error),
        };
        if let (Scope::Lost | Scope::System, Failure::Refused { error, .. }) = (scope, &failure) {
            return Err(Broken(verdict::retry(error)));
        }
        let back = self.session.client.batch_execute("rollback to savepoint piece").await;
        if let Err(error) = back {
            return Err(Broken(verdict::retry(&error)));
        }
        match (scope, &failure) {
            (Scope::Locked, _) if patience == Patience::Wait => {
                work.push((range.clone(), Patience::Skip));
            }
            (Scope::Moment | Scope::Locked, Failure::Refused { error, .. }) => {
                let outcome = verdict::retry(error);
                for write in members.iter().flat_map(|group| &group.writes) {
                    self.answers.insert(write.intent, outcome.clone());
                }
            }
            _ if range.len() > 1 => {
                let middle = range.start + range.len() / 2;
                work.push((middle..range.end, patience));
                work.push((range.start..middle, patience));
            }
            _ => {
                if let Some(group) = members.first() {
                    self.refuse(group, failure).await?;
                }
            }
        }
        Ok(())
    }

    /// Answers a group that stands alone and was refused.
    async fn refuse(&mut self, group: &WriteGroup, failure: Failure) -> Result<(), Broken> {
        let (culprit, outcome) = match failure {
            Failure::Verdict { write, outcome } => (Some(write), outcome),
            Failure::Refused { error, write } => {
                let outcome = self.judge(group, &error, write).await?;
                (write, outcome)
            }
        };
        let only = group.writes.len() == 1;
        for write in &group.writes {
            let is_culprit = only || culprit == Some(write.intent);
            // Where nobody can say which member it was, all of them hear why.
            let answer = if is_culprit || culprit.is_none() || !blames(&outcome) {
                outcome.clone()
            } else {
                Outcome::Sibling
            };
            self.answers.insert(write.intent, answer);
        }
        Ok(())
    }

    async fn judge(
        &mut self,
        group: &WriteGroup,
        error: &Error,
        write: Option<IntentId>,
    ) -> Result<Outcome, Broken> {
        let Some(db) = error.as_db_error() else { return Ok(verdict::retry(error)) };
        if verdict::is_marked(db) {
            return self.marked(group).await;
        }
        let culprit = write
            .and_then(|intent| group.writes.iter().find(|write| write.intent == intent))
            .or_else(|| group.writes.first());
        let bound = culprit.and_then(|write| self.bound_of(write));
        let (Some(write), Some(bound)) = (culprit, bound) else { return Ok(verdict::row(db)) };
        match verdict::violated(db, &bound) {
            None => Ok(verdict::row(db)),
            Some(columns) => {
                let holder = self.holder(&bound, write, columns).await?;
                Ok(Outcome::Unique { columns: columns.to_vec(), holder })
            }
        }
    }

    /// A mark was there before us: this write was applied already, or it was given up.
    async fn marked(&self, group: &WriteGroup) -> Result<Outcome, Broken> {
        const SELECT: &str = "select state::text from syncline_applied where intent_id = any ($1)";
        let ids: Vec<String> = group.writes.iter().map(|write| marks::id(write.intent)).collect();
        let rows = self
            .session
            .client
            .query_typed(SELECT, &[(&ids, Type::BPCHAR_ARRAY)])
            .await
            .map_err(|error| Broken(verdict::retry(&error)))?;
        let applied = rows.iter().any(|row| row.get::<_, &str>(0) == APPLIED);
        Ok(if applied {
            Outcome::Unknown { reason: Text::new("its mark is there: it was applied before") }
        } else {
            Outcome::Retry { reason: Text::new("it was given up, and cannot be applied any more") }
        })
    }

    /// The row that holds the values which this write wants for itself.
    async fn holder(
        &self,
        bound: &Bound,
        write: &RowWrite,
        columns: &[Text],
    ) -> Result<Option<RowKey>, Broken> {
        let Ok(assigned) = bound.shape.assignments(write, write.parent.as_ref()) else {
            return Ok(None);
        };
        let (mut conditions, mut types, mut parameters) = (Vec::new(), Vec::new(), Vec::new());
        for name in columns {
            let wanted = bound.shape.column_named(name).and_then(|at| {
                let found = assigned.iter().find(|assignment| assignment.column == at)?;
                match &found.to {
                    crate::sql::Assigned::Value(value) => Some((at, value.clone())),
                    crate::sql::Assigned::Paths(_) | crate::sql::Assigned::Now => None,
                }
            });
            // A column that the write leaves alone holds what the row holds already.
            let Some((at, value)) = wanted else {
                let own = self.own(bound, write, name).await?;
                let Some(value) = own else { return Ok(None) };
                let Some(at) = bound.shape.column_named(name) else { return Ok(None) };
                push(bound, at, &value, &mut conditions, &mut types, &mut parameters);
                continue;
            };
            push(bound, at, &value, &mut conditions, &mut types, &mut parameters);
        }
        if conditions.len() != columns.len() || conditions.is_empty() {
            return Ok(None);
        }
        let statement = format!(
            "select {} from {} t where {} limit 2",
            bound.list,
            bound.known.qualified,
            conditions.join(" and ")
        );
        let rows = self.look(&statement, &types, &parameters).await?;
        let keys = rows.iter().filter_map(|row| {
            bound.decode(|at| row.get::<_, Raw<'_>>(at).0).ok().map(|row| bound.shape.key_of(&row))
        });
        Ok(keys
            .into_iter()
            .find(|key| write.kind == WriteKind::Insert || write.key.as_ref() != Some(key)))
    }

    /// What the row of this write holds in a column.
    async fn own(
        &self,
        bound: &Bound,
        write: &RowWrite,
        column: &str,
    ) -> Result<Option<Value>, Broken> {
        let (Some(at), Some(key)) = (bound.shape.column_named(column), &write.key) else {
            return Ok(None);
        };
        let (mut conditions, mut types, mut parameters) = (Vec::new(), Vec::new(), Vec::new());
        for (column, value) in bound.shape.key.iter().zip(key.values()) {
            push(bound, *column, &value, &mut conditions, &mut types, &mut parameters);
        }
        let statement = format!(
            "select {} from {} t where {}",
            bound.list,
            bound.known.qualified,
            conditions.join(" and ")
        );
        let rows = self.look(&statement, &types, &parameters).await?;
        Ok(rows
            .first()
            .and_then(|row| bound.decode(|at| row.get::<_, Raw<'_>>(at).0).ok())
            .and_then(|values| values.get(at).cloned()))
    }

    async fn look(
        &self,
        statement: &str,
        types: &[Type],
        parameters: &[Parameter],
    ) -> Result<Vec<tokio_postgres::Row>, Broken> {
        let broken = |error: Error| Broken(verdict::retry(&error));
        let client = &self.session.client;
        let statement = client.prepare_typed(statement, types).await.map_err(broken)?;
        client.query(&statement, &borrowed(parameters)).await.map_err(broken)
    }

    fn bound_of(&self, write: &RowWrite) -> Option<Arc<Bound>> {
        self.bound.iter().find(|bound| bound.shape.binding == write.binding).cloned()
    }
}

/// Adds the condition that a column holds a value.
fn push(
    bound: &Bound,
    column: usize,
    value: &Value,
    conditions: &mut Vec<String>,
    types: &mut Vec<Type>,
    parameters: &mut Vec<Parameter>,
) {
    let Some(carrier) = bound.carriers.get(column) else { return };
    let Ok(parameter) = Parameter::of(carrier, value) else { return };
    types.push(carrier.parameter.clone());
    parameters.push(parameter);
    let name = quoted(bound.shape.column_name(column));
    conditions.push(format!("t.{name} = ${}{}", types.len(), carrier.write));
}

/// Whether an answer is about one member of a group: the others were only in its company.
fn blames(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Precondition { .. }
        | Outcome::Unique { .. }
        | Outcome::Foreign { .. }
        | Outcome::Invalid { .. } => true,
        Outcome::Applied { .. }
        | Outcome::Retry { .. }
        | Outcome::Unknown { .. }
        | Outcome::Sibling => false,
    }
}

/// Removes marks that nobody will ask for any more.
fn prune() -> String {
    format!(
        "delete from syncline_applied where intent_id in (select intent_id from syncline_applied \
         where at < (extract(epoch from now()) * 1000)::int8 - {} order by at limit {} \
         for update skip locked)",
        marks::KEEP_MS,
        marks::PRUNE_MAX
    )
}
