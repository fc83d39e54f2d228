//! The statements of a transaction: deletes, updates and inserts in sets, and what is refused in them.
//!
//! A set that is refused is taken apart until the write is found that is to blame; the others go on.

use std::collections::BTreeMap;

use mysql_async::Value as Cell;
use syncline_core::change::{Outcome, RowKey};

use crate::{
    mysql::{
        connect::Session,
        failure::Failure,
        park,
        sql::Bound,
        statements::{
            Element, InsertSet, Statements, assigned, assigned_key, culprit, generated_key,
            key_after,
        },
        target::Answers,
        transaction::{KEYS_MAX, Post, Transaction},
    },
    sql::{ColumnIndex, invalid},
};

impl<'a> Transaction<'a> {
    pub(super) async fn delete(
        &mut self,
        session: &mut Session,
        bound: &'a Bound,
        elements: Vec<Element<'a>>,
        answers: &mut Answers<'_>,
    ) -> Result<(), Failure> {
        for chunk in elements.chunks(KEYS_MAX) {
            let mut todo = vec![(chunk, !bound.own_references.is_empty())];
            while let Some((part, may_untie)) = todo.pop() {
                let keys = part.iter().filter_map(|element| element.write.key.as_ref());
                let mut sql = format!("delete from {} where ", bound.table).into_bytes();
                bound.are_in(&bound.shape.key, keys.clone(), &mut sql);
                match (session.run(&sql).await, part) {
                    (Ok(()), _) => {
                        for element in part {
                            if let Some(key) = element.write.key.clone() {
                                self.done(element, key, Post::Known(None));
                            }
                        }
                    }
                    (Err(failure), _) if failure.ends_transaction() => return Err(failure),
                    (Err(failure), _) if may_untie && failure.code() == Some(1451) => {
                        for reference in &bound.own_references {
                            sql.clear();
                            bound.unties(reference, keys.clone(), &mut sql);
                            session.run(&sql).await?;
                        }
                        // Should one of them stay after all, this must be taken back.
                        self.begun.extend(part.iter().map(|element| element.group));
                        todo.push((part, false));
                    }
                    (Err(failure), [element]) => {
                        answers.refuse(element.group, element.index, failure.outcome());
                    }
                    (Err(_), _) => {
                        let (first, second) = part.split_at(part.len() / 2);
                        todo.extend([(second, may_untie), (first, may_untie)]);
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) async fn update(
        &mut self,
        session: &mut Session,
        bound: &'a Bound,
        elements: Vec<Element<'a>>,
        answers: &mut Answers<'_>,
    ) -> Result<(), Failure> {
        self.park(session, bound, &elements, answers).await?;
        let mut batch = Statements::default();
        for element in elements {
            if !answers.is_open(element.group) {
                continue;
            }
            let Some(key) = element.write.key.clone().or_else(|| self.locked_key(element.write))
            else {
                let outcome = invalid("write.type", "an update without a key");
                answers.refuse(element.group, element.index, outcome);
                continue;
            };
            let start = batch.begin();
            match self.update_sql(bound, &element, &key, &mut batch.sql) {
                Ok(()) => batch.end(element, key),
                Err(outcome) => {
                    batch.sql.truncate(start);
                    answers.refuse(element.group, element.index, outcome);
                }
            }
            if batch.is_full() {
                self.run_updates(session, bound, &mut batch, answers).await?;
            }
        }
        self.run_updates(session, bound, &mut batch, answers).await
    }

    async fn run_updates(
        &mut self,
        session: &mut Session,
        bound: &'a Bound,
        batch: &mut Statements<'a>,
        answers: &mut Answers<'_>,
    ) -> Result<(), Failure> {
        while !batch.elements.is_empty() {
            let (done, result) = session.run_many(&batch.sql).await;
            let rest = batch.split(done);
            for (element, key) in batch.elements.drain(..) {
                // Assigned key columns make a new key, to be confirmed by the read-back.
                let key = key_after(bound, &element, key);
                self.done(&element, key, Post::Unread);
            }
            *batch = rest;
            let Err(failure) = result else { return Ok(()) };
            if failure.ends_transaction() {
                return Err(failure);
            }
            if let Some((element, _)) = batch.pop_first() {
                self.refuse(bound, &element, &failure, answers);
            }
            // What else its group has in here is not worth doing.
            batch.retain(|element| answers.is_open(element.group));
        }
        Ok(())
    }

    fn update_sql(
        &self,
        bound: &'a Bound,
        element: &Element<'_>,
        key: &RowKey,
        sql: &mut Vec<u8>,
    ) -> Result<(), Outcome> {
        sql.extend_from_slice(format!("update {} set ", bound.table).as_bytes());
        let found = self.found.get(&(element.write.binding, key.clone()));
        for (at, assignment) in element.assignments.iter().enumerate() {
            if at > 0 {
                sql.extend_from_slice(b", ");
            }
            bound.name(assignment.column, sql);
            sql.extend_from_slice(b" = ");
            let takes_null =
                bound.shape.columns.get(assignment.column).is_some_and(|column| column.nullable);
            if !takes_null && element.revived.contains(&assignment.column) {
                sql.extend_from_slice(b"default");
                continue;
            }
            let document = found.and_then(|found| found.documents.get(&assignment.column));
            assigned(bound, assignment, document.map(String::as_str), sql)?;
        }
        if element.assignments.is_empty() {
            // Nothing to assign: the row is there and stays as it is.
            if let Some(column) = bound.shape.key.first() {
                bound.name(*column, sql);
                sql.extend_from_slice(b" = ");
                bound.name(*column, sql);
            }
        }
        sql.extend_from_slice(b" where ");
        bound.is_key(key, sql);
        Ok(())
    }

    /// Puts reserved values where the members of a swap clash.
    async fn park(
        &mut self,
        session: &mut Session,
        bound: &'a Bound,
        elements: &[Element<'a>],
        answers: &mut Answers<'_>,
    ) -> Result<(), Failure> {
        for element in elements {
            let parks = self.groups.get(element.group).is_some_and(|group| group.park);
            let (true, Some(key)) = (parks, &element.write.key) else { continue };
            let assigned: Vec<ColumnIndex> =
                element.assignments.iter().map(|assignment| assignment.column).collect();
            for column in park::columns(bound, &assigned) {
                let sql = park::sql(bound, column, key, element.write.intent);
                match session.run(&sql).await {
                    Ok(()) => {
                        self.begun.insert(element.group);
                    }
                    Err(failure) if failure.ends_transaction() => return Err(failure),
                    Err(failure) => {
                        answers.refuse(element.group, element.index, failure.outcome());
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) async fn insert(
        &mut self,
        session: &mut Session,
        bound: &'a Bound,
        elements: Vec<Element<'a>>,
        answers: &mut Answers<'_>,
    ) -> Result<(), Failure> {
        let mut sets: BTreeMap<Vec<ColumnIndex>, Vec<Element<'a>>> = BTreeMap::new();
        for element in elements {
            let columns = element.assignments.iter().map(|assignment| assignment.column).collect();
            sets.entry(columns).or_default().push(element);
        }
        for (columns, elements) in sets {
            let mut set = InsertSet::new(&session.server, bound, columns);
            for element in elements {
                if let Err((element, outcome)) = set.push(element) {
                    answers.refuse(element.group, element.index, outcome);
                }
                if set.is_full() {
                    self.run_inserts(session, bound, &mut set, answers).await?;
                }
            }
            self.run_inserts(session, bound, &mut set, answers).await?;
        }
        Ok(())
    }

    /// Inserts a set in one statement; without the rows that are refused, one after another.
    async fn run_inserts(
        &mut self,
        session: &mut Session,
        bound: &'a Bound,
        set: &mut InsertSet<'a>,
        answers: &mut Answers<'_>,
    ) -> Result<(), Failure> {
        let rows = set.take();
        let mut todo: Vec<&[(Element<'a>, Vec<u8>)]> = vec![&rows];
        while let Some(part) = todo.pop() {
            let [(first, _), ..] = part else { continue };
            if part.len() == 1 && !answers.is_open(first.group) {
                continue;
            }
            let failure = match session.rows(&set.statement(part)).await {
                Ok(stored) => {
                    self.inserted(session, bound, set.returns, part, stored, answers).await?;
                    continue;
                }
                Err(failure) if failure.ends_transaction() => return Err(failure),
                Err(failure) => failure,
            };
            match culprit(session, part.len()).await? {
                Some(at) => {
                    let (before, rest) = part.split_at(at);
                    if let [(element, _), after @ ..] = rest {
                        self.refuse(bound, element, &failure, answers);
                        todo.extend([after, before]);
                    }
                }
                None => {
                    let (before, after) = part.split_at(part.len() / 2);
                    todo.extend([after, before]);
                }
            }
        }
        Ok(())
    }

    async fn inserted(
        &mut self,
        session: &mut Session,
        bound: &'a Bound,
        returns: bool,
        part: &[(Element<'a>, Vec<u8>)],
        stored: Vec<Vec<Option<Cell>>>,
        answers: &mut Answers<'_>,
    ) -> Result<(), Failure> {
        if returns && stored.len() == part.len() {
            // Rows come back in the order of the values.
            for ((element, _), cells) in part.iter().zip(stored) {
                match bound.observe(cells) {
                    Ok(observed) => {
                        let is_final = !bound.has_triggers && self.is_single(element.group);
                        let post = if is_final { Post::Known(observed.row) } else { Post::Unread };
                        self.done(element, observed.key, post);
                    }
                    Err(refused) => {
                        self.begun.insert(element.group);
                        let outcome = invalid(refused.code, &refused.reason);
                        answers.refuse(element.group, element.index, outcome);
                    }
                }
            }
            return Ok(());
        }
        for (element, _) in part {
            let key = match assigned_key(bound, &element.assignments) {
                Some(key) => Some(key),
                None => generated_key(session, bound).await?,
            };
            self.begun.insert(element.group);
            match key {
                Some(key) => self.done(element, key, Post::Unread),
                None => {
                    let reason = "the system made a key that it does not tell";
                    let outcome = invalid("write.refused", reason);
                    answers.refuse(element.group, element.index, outcome);
                }
            }
        }
        Ok(())
    }
}
