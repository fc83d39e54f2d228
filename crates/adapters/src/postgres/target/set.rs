//! One set of groups: lock and read, compare, write, read back.
//!
//! Writes go in *waves*: what stands together in all groups, and does the same to the same columns of
//! the same table, is one statement; what comes later in a group is a later wave, so that parents
//! are there before their children.

use std::{collections::BTreeMap, sync::Arc};

use futures_util::future;
use syncline_core::{
    change::{Outcome, RowKey, WriteGroup, WriteKind},
    name::IntentId,
    value::Value,
};
use tokio_postgres::{Error, types::Type};

use crate::postgres::{
    bound::Bound,
    connect::{Session, borrowed},
    target::{
        park,
        planned::{
            Action, Planned, answer, assign, blame, compare, drop_refused, filled, invalid,
            known_key, lock, nothing, parent_key, put, row_values, swallowed, take_busy,
            take_found, take_post, valued, waves,
        },
        statement::{self, Filled, Lock, Patience, Statement},
    },
    wire::{Column, Parameter},
};

/// Why a set was not written.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The server refused a statement; perhaps it is known of which write.
    Refused { error: Error, write: Option<IntentId> },
    /// This write cannot be made, as its result shows.
    Verdict { write: IntentId, outcome: Outcome },
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Refused { error, write: None }
    }
}

/// A set on its way.
pub(crate) struct Set<'a> {
    pub(crate) bound: &'a [Arc<Bound>],
    pub(crate) has_marks: bool,
    pub(crate) session: &'a mut Session,
    pub(crate) defers: bool,
    pub(crate) patience: Patience,
    /// What opens the transaction or the savepoint.
    pub(crate) begin: &'a str,
}

/// What one statement does: in a wave, to a table, to these columns.
type Bucket = (usize, Action, usize, Vec<Filled>);

impl<'a> Set<'a> {
    /// Writes the groups.
    pub(crate) async fn write(
        &mut self,
        groups: &[&'a WriteGroup],
    ) -> Result<Vec<(IntentId, Outcome)>, Failure> {
        let mut planned = self.plan(groups);
        self.find(&mut planned).await?;
        for item in &mut planned {
            compare(item);
        }
        for item in &mut planned {
            if item.verdict.is_none()
                && let Err(outcome) = assign(item, item.write.parent.clone().as_ref())
            {
                item.verdict = Some(outcome);
            }
        }
        let refused = drop_refused(&mut planned, groups.len());
        waves(&mut planned, groups.len() == 1);
        if planned.iter().any(|item| item.verdict.is_none()) {
            self.mark_and_write(groups, &mut planned, &refused).await?;
        }
        Ok(planned.into_iter().map(answer).collect())
    }

    fn plan(&self, groups: &[&'a WriteGroup]) -> Vec<Planned<'a>> {
        let mut planned = Vec::new();
        for (group, members) in groups.iter().enumerate() {
            for write in &members.writes {
                let bound = self.bound.iter().find(|bound| bound.shape.binding == write.binding);
                let Some(bound) = bound else { continue };
                planned.push(Planned {
                    write,
                    bound: Arc::clone(bound),
                    group,
                    key: known_key(bound, write),
                    found: None,
                    assignments: Vec::new(),
                    texts: Vec::new(),
                    action: match write.kind {
                        WriteKind::Insert => Action::Insert,
                        WriteKind::Update => Action::Update,
                        WriteKind::Delete => Action::Delete,
                    },
                    wave: 0,
                    post: None,
                    verdict: None,
                });
            }
        }
        planned
    }

    /// Reads and locks the rows that are to be compared, one statement per table.
    async fn find(&mut self, planned: &mut [Planned<'a>]) -> Result<(), Failure> {
        let mut begun = false;
        for bound in self.bound {
            let asked: Vec<usize> = (0..planned.len())
                .filter(|at| {
                    planned.get(*at).is_some_and(|item| {
                        item.key.is_some() && item.bound.shape.binding == bound.shape.binding
                    })
                })
                .collect();
            if asked.is_empty() {
                continue;
            }
            let keys: Vec<RowKey> = asked
                .iter()
                .filter_map(|at| planned.get(*at).and_then(|item| item.key.clone()))
                .collect();
            let arrays = match bound.key_parameters(&bound.shape.key, keys.iter()) {
                Ok(arrays) => arrays,
                Err((place, problem)) => {
                    // A key that fits no column: only that write is refused.
                    if !begun {
                        self.session.client.batch_execute(self.begin).await?;
                    }
                    let culprit = asked.get(place).and_then(|at| planned.get(*at));
                    return Err(match culprit {
                        Some(item) => {
                            Failure::Verdict { write: item.write.intent, outcome: invalid(problem) }
                        }
                        None => Failure::Verdict { write: IntentId(0), outcome: invalid(problem) },
                    });
                }
            };
            let lock = lock(bound, asked.iter().filter_map(|at| planned.get(*at)));
            let rows = self.ask(bound, lock, self.patience, &arrays, &mut begun).await?;
            take_found(bound, &rows, &asked, planned);
            if self.patience == Patience::Skip && lock != Lock::None {
                // What is there and could not be locked is busy.
                let all = self.ask(bound, Lock::None, Patience::Wait, &arrays, &mut begun).await?;
                take_busy(bound, &all, &asked, planned);
            }
        }
        if !begun {
            self.session.client.batch_execute(self.begin).await?;
        }
        Ok(())
    }

    async fn ask(
        &mut self,
        bound: &Bound,
        lock: Lock,
        patience: Patience,
        arrays: &[Parameter],
        begun: &mut bool,
    ) -> Result<Vec<tokio_postgres::Row>, Failure> {
        let Statement { text, types } = statement::find(bound, lock, patience);
        let statement = self.prepare(&text, &types, begun).await?;
        let client = &self.session.client;
        let parameters = borrowed(arrays);
        let query = client.query(&statement, &parameters);
        if *begun {
            return Ok(query.await?);
        }
        // Sent together: the server works through them in this order.
        *begun = true;
        let (opened, rows) = future::join(client.batch_execute(self.begin), query).await;
        opened?;
        Ok(rows?)
    }

    /// Prepares a statement; outside of a transaction that has failed, and never between two
    /// messages that belong together.
    async fn prepare(
        &mut self,
        text: &str,
        types: &[Type],
        begun: &mut bool,
    ) -> Result<tokio_postgres::Statement, Failure> {
        match self.session.prepare(text, types).await {
            Ok(statement) => Ok(statement),
            Err(error) => {
                if !*begun {
                    *begun = true;
                    self.session.client.batch_execute(self.begin).await?;
                }
                Err(error.into())
            }
        }
    }

    /// Marks first, then the waves, then what deferred constraints say, then what triggers left.
    async fn mark_and_write(
        &mut self,
        groups: &[&'a WriteGroup],
        planned: &mut [Planned<'a>],
        refused: &[bool],
    ) -> Result<(), Failure> {
        self.mark(planned).await?;
        for (at, group) in groups.iter().enumerate() {
            if group.park && !refused.get(at).copied().unwrap_or(true) {
                self.park(planned, at).await?;
            }
        }
        let last = planned.iter().map(|item| item.wave).max().unwrap_or(0);
        for wave in 0..=last {
            self.wave(planned, wave).await?;
        }
        if self.defers {
            self.session.client.batch_execute("set constraints all immediate").await?;
        }
        self.read_back(planned).await?;
        self.name(planned).await
    }

    async fn park(&mut self, planned: &[Planned<'a>], group: usize) -> Result<(), Failure> {
        for item in planned {
            if item.group != group || item.action != Action::Update {
                continue;
            }
            for (column, value) in park::parking(&item.bound, &item.assignments, item.write.intent)
            {
                let filled = [Filled::Value(column)];
                let values = [(item, vec![value])];
                self.update(&item.bound, &filled, &values)
                    .await
                    .map_err(|failure| blame(failure, item.write.intent))?;
            }
        }
        Ok(())
    }

    /// All statements of one wave: deletes make room for updates, and both for inserts.
    async fn wave(&mut self, planned: &mut [Planned<'a>], wave: usize) -> Result<(), Failure> {
        // Children learn the keys that their parents were given.
        for at in 0..planned.len() {
            let parent = planned.get(at).and_then(|item| {
                let waits = item.wave == wave
                    && item.verdict.is_none()
                    && item.action == Action::Insert
                    && item.write.parent.is_none()
                    && !item.bound.shape.parent.is_empty();
                waits.then(|| parent_key(planned, at))?
            });
            if let (Some(parent), Some(item)) = (parent, planned.get_mut(at)) {
                assign(item, Some(&parent))
                    .map_err(|outcome| Failure::Verdict { write: item.write.intent, outcome })?;
            }
        }
        let mut buckets: BTreeMap<Bucket, Vec<usize>> = BTreeMap::new();
        for (at, item) in planned.iter().enumerate() {
            if item.wave == wave && item.verdict.is_none() {
                let table = item.bound.shape.binding.at();
                let bucket = (wave, item.action, table, filled(&item.assignments));
                buckets.entry(bucket).or_default().push(at);
            }
        }
        for ((_, action, _, filled), members) in buckets {
            self.bucket(planned, action, &filled, &members).await.map_err(
                |failure| match members.as_slice() {
                    [only] => match planned.get(*only) {
                        Some(item) => blame(failure, item.write.intent),
                        None => failure,
                    },
                    _ => failure,
                },
            )?;
        }
        Ok(())
    }

    async fn bucket(
        &mut self,
        planned: &mut [Planned<'a>],
        action: Action,
        filled: &[Filled],
        members: &[usize],
    ) -> Result<(), Failure> {
        let Some(bound) =
            members.first().and_then(|at| planned.get(*at)).map(|item| Arc::clone(&item.bound))
        else {
            return Ok(());
        };
        match action {
            Action::Insert => self.insert(&bound, filled, planned, members).await,
            Action::Update if filled.is_empty() => {
                // Nothing to set: the row stays as it was found.
                for at in members {
                    if let Some(item) = planned.get_mut(*at) {
                        item.post = item
                            .found
                            .as_ref()
                            .and_then(|found| found.observed.as_ref())
                            .and_then(|observed| observed.row.clone());
                    }
                }
                Ok(())
            }
            Action::Update => {
                let mut values = Vec::with_capacity(members.len());
                for at in members {
                    if let Some(item) = planned.get(*at) {
                        values.push((item, row_values(item, filled)?));
                    }
                }
                let rows = self.update(&bound, filled, &values).await?;
                drop(values);
                for row in rows {
                    let place = row.get::<_, i64>(bound.carriers.len()) - 1;
                    let at = usize::try_from(place).ok().and_then(|place| members.get(place));
                    if let Some(item) = at.and_then(|at| planned.get_mut(*at)) {
                        take_post(item, &bound, &row)?;
                    }
                }
                Ok(())
            }
            Action::Delete => {
                let keys: Vec<RowKey> = members
                    .iter()
                    .filter_map(|at| planned.get(*at).and_then(|item| item.key.clone()))
                    .collect();
                let arrays = bound.key_parameters(&bound.shape.key, keys.iter());
                let arrays = arrays.map_err(|(place, problem)| {
                    let item = members.get(place).and_then(|at| planned.get(*at));
                    Failure::Verdict {
                        write: item.map_or(IntentId(0), |item| item.write.intent),
                        outcome: invalid(problem),
                    }
                })?;
                let Statement { text, types } = statement::delete(&bound);
                let statement = self.session.prepare(&text, &types).await?;
                self.session.client.execute(&statement, &borrowed(&arrays)).await?;
                Ok(())
            }
        }
    }

    async fn insert(
        &mut self,
        bound: &Bound,
        filled: &[Filled],
        planned: &mut [Planned<'a>],
        members: &[usize],
    ) -> Result<(), Failure> {
        let mut arrays: Vec<Column> = Vec::new();
        let columns: Vec<usize> = filled.iter().filter_map(|filled| valued(*filled)).collect();
        arrays.resize_with(columns.len(), || Column::new(members.len()));
        for at in members {
            let Some(item) = planned.get(*at) else { continue };
            for ((array, value), column) in
                arrays.iter_mut().zip(row_values(item, filled)?).zip(&columns)
            {
                put(bound, *column, array, &value, item)?;
            }
        }
        let mut parameters: Vec<Parameter> = columns
            .iter()
            .zip(arrays)
            .filter_map(|(column, array)| Some(array.finish(bound.carriers.get(*column)?)))
            .collect();
        parameters.push(nothing(members.len()));
        let numbers = columns.iter().any(|column| {
            let name = bound.shape.column_name(*column);
            bound.known.always_identity.iter().any(|known| known == name)
        });
        let Statement { text, types } = statement::insert(bound, filled, numbers);
        let statement = self.session.prepare(&text, &types).await?;
        let rows = self.session.client.query(&statement, &borrowed(&parameters)).await?;
        if rows.len() != members.len() {
            let first = members.first().and_then(|at| planned.get(*at));
            return Err(Failure::Verdict {
                write: first.map_or(IntentId(0), |item| item.write.intent),
                outcome: swallowed(),
            });
        }
        for (row, at) in rows.iter().zip(members) {
            if let Some(item) = planned.get_mut(*at) {
                take_post(item, bound, row)?;
            }
        }
        Ok(())
    }

    async fn update(
        &mut self,
        bound: &Bound,
        filled: &[Filled],
        values: &[(&Planned<'a>, Vec<Value>)],
    ) -> Result<Vec<tokio_postgres::Row>, Failure> {
        let keys: Vec<RowKey> = values.iter().filter_map(|(item, _)| item.key.clone()).collect();
        let mut parameters =
            bound.key_parameters(&bound.shape.key, keys.iter()).map_err(|(place, problem)| {
                Failure::Verdict {
                    write: values.get(place).map_or(IntentId(0), |(item, _)| item.write.intent),
                    outcome: invalid(problem),
                }
            })?;
        for (index, column) in filled.iter().filter_map(|filled| valued(*filled)).enumerate() {
            let mut array = Column::new(values.len());
            for (item, row) in values {
                put(bound, column, &mut array, row.get(index).unwrap_or(&Value::Null), item)?;
            }
            if let Some(carrier) = bound.carriers.get(column) {
                parameters.push(array.finish(carrier));
            }
        }
        let Statement { text, types } = statement::update(bound, filled);
        let statement = self.session.prepare(&text, &types).await?;
        Ok(self.session.client.query(&statement, &borrowed(&parameters)).await?)
    }

    /// Rows of tables with triggers as those left them, and deleted rows that a trigger kept.
    async fn read_back(&mut self, planned: &mut [Planned<'a>]) -> Result<(), Failure> {
        for bound in self.bound {
            if !bound.known.table.has_triggers && !bound.known.table.is_view {
                continue;
            }
            let asked: Vec<usize> = (0..planned.len())
                .filter(|at| {
                    planned.get(*at).is_some_and(|item| {
                        item.verdict.is_none()
                            && item.key.is_some()
                            && item.bound.shape.binding == bound.shape.binding
                    })
                })
                .collect();
            let keys: Vec<RowKey> = asked
                .iter()
                .filter_map(|at| planned.get(*at).and_then(|item| item.key.clone()))
                .collect();
            let Ok(arrays) = bound.key_parameters(&bound.shape.key, keys.iter()) else { continue };
            if asked.is_empty() {
                continue;
            }
            let mut begun = true;
            let rows = self.ask(bound, Lock::None, Patience::Wait, &arrays, &mut begun).await?;
            for at in &asked {
                if let Some(item) = planned.get_mut(*at) {
                    item.post = None;
                }
            }
            for row in rows {
                let place = row.get::<_, i64>(bound.carriers.len() + bound.documents.len()) - 1;
                let at = usize::try_from(place).ok().and_then(|place| asked.get(place));
                if let Some(item) = at.and_then(|at| planned.get_mut(*at)) {
                    take_post(item, bound, &row)?;
                }
            }
            for at in &asked {
                if let Some(item) = planned.get(*at)
                    && item.action != Action::Delete
                    && item.write.kind != WriteKind::Delete
                    && item.post.is_none()
                {
                    return Err(Failure::Verdict {
                        write: item.write.intent,
                        outcome: swallowed(),
                    });
                }
            }
        }
        Ok(())
    }
}
