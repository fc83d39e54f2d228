//! One transaction over many groups: marks, locks, comparison, writes in sets, read-back.
//!
//! Sets are formed by *stage*: the first run of equal writes of each group is stage 0, the next is
//! stage 1. So parents are written before their children and yet all parents of a batch go in one
//! statement. Within a stage deletes come first, so that values are free when others take them.
//!
//! What an insert stored is taken from `returning` where nothing can change it afterwards (no
//! trigger, no other row in the group); all else is read back before the commit.

use std::collections::{BTreeMap, BTreeSet};

use syncline_core::{
    Text,
    change::{Outcome, Row, RowKey, RowWrite, WriteGroup, WriteKind},
    name::BindingIndex,
    value::Value,
};

use crate::{
    mysql::{
        connect::Session,
        failure::Failure,
        locked::{Found, Lock, read},
        sql::{Bindings, Bound},
        statements::{Element, assigned_key},
        target::{Answers, Clash, MysqlTarget},
    },
    sql::{Assigned, ColumnIndex, invalid, is_expected},
};

mod change;
mod marks;

/// A write's place: its group, and its number in there.
type Place = (usize, usize);

/// Keys in one statement, at most.
const KEYS_MAX: usize = 1_000;

/// One transaction.
pub(super) struct Transaction<'a> {
    bindings: &'a Bindings,
    target: &'a MysqlTarget,
    groups: &'a [WriteGroup],
    part: &'a [usize],
    /// Rows as they were found, under lock.
    found: BTreeMap<(BindingIndex, RowKey), Found>,
    /// What was written so far, by group and write.
    written: BTreeMap<(usize, usize), Written>,
    /// Groups that have written something.
    begun: BTreeSet<usize>,
}

/// A row that was written.
struct Written {
    binding: BindingIndex,
    /// Its key now.
    key: RowKey,
    post: Post,
}

enum Post {
    /// To be read back.
    Unread,
    /// As it was stored; `None`: it is gone.
    Known(Option<Row>),
}

/// How a write is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum How {
    Delete,
    Update,
    Insert,
}

impl<'a> Transaction<'a> {
    pub(super) fn new(
        target: &'a MysqlTarget,
        groups: &'a [WriteGroup],
        part: &'a [usize],
    ) -> Self {
        Self {
            bindings: &target.bindings,
            target,
            groups,
            part,
            found: BTreeMap::new(),
            written: BTreeMap::new(),
            begun: BTreeSet::new(),
        }
    }

    /// Does everything between `start transaction` and the commit. `false`: a group that has been refused had written rows, so
    /// that all must be taken back and tried again without it.
    pub(super) async fn write(
        &mut self,
        session: &mut Session,
        answers: &mut Answers<'_>,
        lock: Lock,
    ) -> Result<bool, Failure> {
        self.mark(session, answers).await?;
        self.lock(session, answers, lock).await?;
        self.compare(answers);
        for ((_, how, _, binding), writes) in self.stages(answers) {
            let Some(bound) = self.bindings.get(&binding) else { continue };
            let elements = self.elements(bound, how, &writes, answers);
            match how {
                How::Delete => self.delete(session, bound, elements, answers).await?,
                How::Update => self.update(session, bound, elements, answers).await?,
                How::Insert => self.insert(session, bound, elements, answers).await?,
            }
        }
        if !self.is_clean(answers) {
            return Ok(false);
        }
        self.read_back(session, answers).await?;
        if !self.is_clean(answers) {
            return Ok(false);
        }
        self.unmark(session, answers).await?;
        self.name(session, answers).await?;
        Ok(true)
    }

    /// Answers what was written, after the commit.
    pub(super) fn answer(self, answers: &mut Answers<'_>) {
        for ((group, index), written) in self.written {
            if answers.is_open(group) {
                let post = match written.post {
                    Post::Known(post) => post,
                    Post::Unread => None,
                };
                let applied = Outcome::Applied {
                    key: written.key,
                    post,
                    token: None,
                    order: None,
                    transaction: None,
                };
                answers.answer(group, index, applied);
            }
        }
    }

    fn is_clean(&self, answers: &Answers<'_>) -> bool {
        self.begun.iter().all(|group| answers.is_open(*group))
    }

    fn writes(&self) -> impl Iterator<Item = (usize, usize, &'a RowWrite)> + use<'a> {
        let groups = self.groups;
        self.part.iter().flat_map(move |at| {
            let writes = groups.get(*at).map_or(&[][..], |group| &group.writes);
            writes.iter().enumerate().map(|(index, write)| (*at, index, write))
        })
    }

    /// Reads the rows that are expected to be there, and locks them.
    async fn lock(
        &mut self,
        session: &mut Session,
        answers: &mut Answers<'_>,
        lock: Lock,
    ) -> Result<(), Failure> {
        let mut wanted: BTreeMap<BindingIndex, BTreeSet<RowKey>> = BTreeMap::new();
        for (group, _, write) in self.writes() {
            if answers.is_open(group)
                && let Some(key) = self.locked_key(write)
            {
                wanted.entry(write.binding).or_default().insert(key);
            }
        }
        for (binding, keys) in wanted {
            let Some(bound) = self.bindings.get(&binding) else { continue };
            let keys: Vec<RowKey> = keys.into_iter().collect();
            for keys in keys.chunks(KEYS_MAX) {
                let found = read(session, bound, keys, Some(lock)).await?;
                if lock == Lock::Skip {
                    self.refuse_locked(session, bound, keys, &found, answers).await?;
                }
                self.found.extend(found.into_iter().map(|(key, row)| ((binding, key), row)));
            }
        }
        Ok(())
    }

    /// The key of a row that must be read before this write; an insert needs none unless the row may
    /// be there, marked as deleted.
    fn locked_key(&self, write: &RowWrite) -> Option<RowKey> {
        match write.kind {
            WriteKind::Update | WriteKind::Delete => write.key.clone(),
            WriteKind::Insert => {
                let bound = self.bindings.get(&write.binding)?;
                if !bound.shape.deletes_softly() {
                    return None;
                }
                let assignments = bound.shape.assignments(write, write.parent.as_ref()).ok()?;
                assigned_key(bound, &assignments)
            }
        }
    }

    /// Rows that are there and were not shown are held by another transaction.
    async fn refuse_locked(
        &self,
        session: &mut Session,
        bound: &'a Bound,
        keys: &[RowKey],
        found: &BTreeMap<RowKey, Found>,
        answers: &mut Answers<'_>,
    ) -> Result<(), Failure> {
        let missing: Vec<RowKey> =
            keys.iter().filter(|key| !found.contains_key(*key)).cloned().collect();
        if missing.is_empty() {
            return Ok(());
        }
        let there = read(session, bound, &missing, None).await?;
        for (group, index, write) in self.writes() {
            let is_held = write.binding == bound.shape.binding
                && self.locked_key(write).is_some_and(|key| there.contains_key(&key));
            if is_held && answers.is_open(group) {
                let reason = Text::new("another transaction holds the row");
                answers.refuse(group, index, Outcome::Retry { reason });
            }
        }
        Ok(())
    }

    /// Compares what was found with what was expected; refuses groups that expected otherwise.
    fn compare(&self, answers: &mut Answers<'_>) {
        for (group, index, write) in self.writes() {
            if !answers.is_open(group) {
                continue;
            }
            let Some(key) = self.locked_key(write) else { continue };
            let found = self.found.get(&(write.binding, key));
            match found.map(|found| &found.observed) {
                Some(Err(refused)) => {
                    answers.refuse(group, index, invalid(refused.code, &refused.reason));
                }
                Some(Ok(observed)) => {
                    if !is_expected(&write.expect, observed.row.as_ref()) {
                        let current = observed.row.clone();
                        answers.refuse(
                            group,
                            index,
                            Outcome::Precondition { current, token: None },
                        );
                    }
                }
                None => {
                    if !is_expected(&write.expect, None) {
                        let outcome = Outcome::Precondition { current: None, token: None };
                        answers.refuse(group, index, outcome);
                    }
                }
            }
        }
    }

    /// The writes in the order of their doing: stage, deletes before updates before inserts,
    /// children deleted before parents and inserted after them.
    #[expect(clippy::type_complexity, reason = "stage, how, order within, binding")]
    fn stages(
        &self,
        answers: &Answers<'_>,
    ) -> BTreeMap<(usize, How, i32, BindingIndex), Vec<(usize, usize, &'a RowWrite)>> {
        let mut stages: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for at in self.part.iter().filter(|at| answers.is_open(**at)) {
            let Some(group) = self.groups.get(*at) else { continue };
            let mut stage = 0;
            let mut last = None;
            for (index, write) in group.writes.iter().enumerate() {
                let how = self.how(write);
                if last.is_some_and(|last| last != (how, write.binding)) {
                    stage += 1;
                }
                last = Some((how, write.binding));
                let order = i32::from(write.binding.0) * if how == How::Delete { -1 } else { 1 };
                stages
                    .entry((stage, how, order, write.binding))
                    .or_default()
                    .push((*at, index, write));
            }
        }
        stages
    }

    fn how(&self, write: &RowWrite) -> How {
        match write.kind {
            WriteKind::Update => How::Update,
            WriteKind::Delete => {
                let softly = self
                    .bindings
                    .get(&write.binding)
                    .is_some_and(|bound| bound.shape.deletes_softly());
                if softly { How::Update } else { How::Delete }
            }
            WriteKind::Insert => {
                let is_there = self
                    .locked_key(write)
                    .is_some_and(|key| self.found.contains_key(&(write.binding, key)));
                if is_there { How::Update } else { How::Insert }
            }
        }
    }

    /// Works out what each write assigns; refuses what does not fit.
    fn elements(
        &self,
        bound: &'a Bound,
        how: How,
        writes: &[(usize, usize, &'a RowWrite)],
        answers: &mut Answers<'_>,
    ) -> Vec<Element<'a>> {
        let mut elements = Vec::with_capacity(writes.len());
        for (group, index, write) in writes.iter().copied() {
            if !answers.is_open(group) {
                continue;
            }
            let parent = write.parent.clone().or_else(|| self.parent_key(group, index, write));
            match bound.shape.assignments(write, parent.as_ref()) {
                Ok(mut assignments) => {
                    let mut revived = Vec::new();
                    if write.kind == WriteKind::Insert && how == How::Update {
                        let revival = bound.shape.revival(&assignments);
                        revived.extend(revival.iter().map(|assignment| assignment.column));
                        assignments.extend(revival);
                    }
                    elements.push(Element { group, index, write, assignments, revived });
                }
                Err(outcome) => answers.refuse(group, index, outcome),
            }
        }
        elements
    }

    /// The key that an earlier insert of the group was given, for a child without one.
    fn parent_key(&self, group: usize, index: usize, write: &RowWrite) -> Option<RowKey> {
        let plan = &self.target.plan;
        let entity = plan.entity(plan.binding(write.binding)?.entity)?;
        let binding = plan.binding_of(entity.parent?, self.target.system)?;
        (0..index).rev().find_map(|at| {
            let written = self.written.get(&(group, at))?;
            (written.binding == binding).then(|| written.key.clone())
        })
    }

    /// Whether the group has only this write, in a transaction without triggers.
    fn is_single(&self, group: usize) -> bool {
        self.groups.get(group).is_some_and(|group| group.writes.len() == 1)
            && !self.bindings.values().any(|bound| bound.has_triggers)
    }

    fn done(&mut self, element: &Element<'_>, key: RowKey, post: Post) {
        self.begun.insert(element.group);
        let written = Written { binding: element.write.binding, key, post };
        self.written.insert((element.group, element.index), written);
    }

    /// Refuses a write for what the server said about it.
    fn refuse(
        &self,
        bound: &'a Bound,
        element: &Element<'_>,
        failure: &Failure,
        answers: &mut Answers<'_>,
    ) {
        let Some(index) = failure.duplicate_index() else {
            return answers.refuse(element.group, element.index, failure.outcome());
        };
        let mut values: BTreeMap<ColumnIndex, Value> = BTreeMap::new();
        if let Some(key) = &element.write.key {
            let found = self.found.get(&(element.write.binding, key.clone()));
            let found = found.map(|found| found.values.iter().cloned().enumerate());
            values.extend(found.into_iter().flatten());
        }
        for assignment in &element.assignments {
            if let Assigned::Value(value) = &assignment.to {
                values.insert(assignment.column, value.clone());
            }
        }
        let is_insert = element.write.kind == WriteKind::Insert;
        answers.clash(Clash {
            group: element.group,
            write: element.index,
            columns: bound.indices.get(index).cloned().unwrap_or_default(),
            values: values.into_iter().collect(),
            key: is_insert.then(|| assigned_key(bound, &element.assignments)).flatten(),
        });
    }

    /// Reads what was written, as it is after triggers and coercion.
    async fn read_back(
        &mut self,
        session: &mut Session,
        answers: &mut Answers<'_>,
    ) -> Result<(), Failure> {
        let mut unread: BTreeMap<BindingIndex, Vec<(Place, RowKey)>> = BTreeMap::new();
        for (place, written) in &self.written {
            if matches!(written.post, Post::Unread) && answers.is_open(place.0) {
                unread.entry(written.binding).or_default().push((*place, written.key.clone()));
            }
        }
        for (binding, places) in unread {
            let Some(bound) = self.bindings.get(&binding) else { continue };
            for places in places.chunks(KEYS_MAX) {
                let keys: Vec<RowKey> = places.iter().map(|(_, key)| key.clone()).collect();
                let mut found = read(session, bound, &keys, Some(Lock::Wait)).await?;
                for (place, key) in places {
                    let mut row = found.remove(key);
                    if row.is_none() {
                        // The system holds the key in another form than it was written in.
                        let same =
                            read(session, bound, std::slice::from_ref(key), Some(Lock::Wait));
                        row = same.await?.into_values().next();
                    }
                    self.take_post(*place, row, answers);
                }
            }
        }
        Ok(())
    }

    fn take_post(&mut self, place: (usize, usize), row: Option<Found>, answers: &mut Answers<'_>) {
        let Some(written) = self.written.get_mut(&place) else { return };
        match row.map(|row| row.observed) {
            Some(Ok(observed)) => {
                written.key = observed.key;
                written.post = Post::Known(observed.row);
            }
            Some(Err(refused)) => {
                answers.refuse(place.0, place.1, invalid(refused.code, &refused.reason));
            }
            // A trigger removed it at once.
            None => written.post = Post::Known(None),
        }
    }
}
