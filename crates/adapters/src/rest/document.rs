//! Writes an item together with the lines that it holds: they are one document, and so one request.
//!
//! The item is read first. Only if it and each of the lines are what is expected is its list sent, whole:
//! what is not ours in a line stays, and what the server made of it is read from its answer. Where the
//! resource has a version, the server refuses the request if the item has changed since it was read, so
//! an edit of any line counts as one of the item. It all happens or nothing does.

use std::sync::Arc;

use reqwest::StatusCode;
use serde_json::{Map, Value as Json};
use syncline_core::{
    Text,
    change::{Expected, Observed, Outcome, Row, RowKey, RowWrite, Token, WriteKind},
    error::ErrorKind,
    name::{BindingIndex, IntentId},
};
use syncline_ports::source::HeldList;

use crate::{
    rest::{
        System,
        bound::{Bound, Item},
        client::{Answer, Lost},
        lines::own,
        outcome::{deleted_softly, done, is_doubtful, refusal},
        target::{Step, Writing, assign},
    },
    settings::Path,
    sql::{invalid, is_expected, put_off},
};

type Answers = Vec<(IntentId, Outcome)>;
/// Lists, each whole, and where they are in the item.
type Sent = Vec<(Path, Vec<Json>)>;

/// An item, and what is to become of it and of its lines.
pub(super) struct Document<'a> {
    system: &'a System,
    bound: &'a Bound,
    item: Option<&'a RowWrite>,
    lines: Vec<Line<'a>>,
}

/// What is to become of a line.
struct Line<'a> {
    list: &'a Arc<Bound>,
    write: &'a RowWrite,
}

/// The lines of one list as they are to be, each with its key; `None`: it goes.
struct Elements<'a> {
    list: &'a Arc<Bound>,
    lines: Vec<Option<(RowKey, Json)>>,
}

impl<'a> Document<'a> {
    /// `writes`: those of the item and of its lines.
    pub(super) fn new(system: &'a System, bound: &'a Bound, writes: &[&'a RowWrite]) -> Self {
        let list =
            |write: &RowWrite| bound.lists.iter().find(|list| list.shape.binding == write.binding);
        let lines =
            writes.iter().filter_map(|write| Some(Line { list: list(write)?, write })).collect();
        let item = writes.iter().copied().find(|write| write.binding == bound.shape.binding);
        Self { system, bound, item, lines }
    }

    pub(super) async fn run(&self) -> Answers {
        match self.item {
            Some(item) if item.kind == WriteKind::Insert => self.create(item).await,
            Some(item) if item.kind == WriteKind::Delete && !self.bound.shape.deletes_softly() => {
                self.delete(item).await
            }
            item => match self.change(item).await {
                Ok(answers) => answers,
                Err(outcome) => self.all(&outcome),
            },
        }
    }

    /// The item with its lines is new.
    async fn create(&self, item: &RowWrite) -> Answers {
        let mut lists = Sent::new();
        for line in &self.lines {
            let mut element = Json::Object(Map::new());
            if let Err(outcome) = assign(line.list, line.write, None, &mut element) {
                return self.blame(line.write.intent, outcome);
            }
            own(&mut element);
            let Some(path) = &line.list.within else { continue };
            match lists.iter_mut().find(|(known, _)| known == path) {
                Some((_, lines)) => lines.push(element),
                None => lists.push((path.clone(), vec![element])),
            }
        }
        let writing = Writing { lists, ..Writing::new(self.system, self.bound, item) };
        let outcome = writing.run().await;
        let Outcome::Applied { key, .. } = &outcome else {
            return self.blame(item.intent, outcome);
        };
        let mut after = writing.after.lock().await.take();
        if !after.as_ref().is_some_and(|after| self.bound.holds_all(after)) {
            let found = self.bound.fetch(&self.system.client, key).await;
            after = found.ok().flatten().map(|found| found.json);
        }
        let Some(after) = after else {
            let reason = "it could not be read after the write".into();
            // New lines are looked for by their keys before they are sent.
            let mut answers = self.of_lines(&Outcome::Retry { reason });
            answers.push((item.intent, outcome));
            return answers;
        };
        let lists = self.bound.all_held(&after, key);
        // Where it was there already, it may not have had them.
        let missing = || Outcome::Retry { reason: "the item does not have this line yet".into() };
        let mut answers = vec![(item.intent, outcome)];
        for line in &self.lines {
            let wanted = self.keyed(line, &after);
            let found = wanted.and_then(|wanted| shown(&lists, line, &wanted));
            let outcome = found.map_or_else(missing, |found| done(found.clone()));
            answers.push((line.write.intent, outcome));
        }
        answers
    }

    /// The key of a new line in this item.
    fn keyed(&self, line: &Line<'_>, item: &Json) -> Option<RowKey> {
        let mut element = Json::Object(Map::new());
        assign(line.list, line.write, None, &mut element).ok()?;
        own(&mut element);
        Some(key_in(line.list, item, &element))
    }

    /// The item goes, and its lines with it: those that this is told of, as they are expected to be. Whatever
    /// version of it is known, a line that nobody has decided about keeps it.
    async fn delete(&self, item: &RowWrite) -> Answers {
        let outcome = match self.decided(item).await {
            Ok(token) => {
                let item = RowWrite { token: token.or_else(|| item.token.clone()), ..item.clone() };
                Writing::new(self.system, self.bound, &item).run().await
            }
            Err(outcome) => outcome,
        };
        let mut answers = match &outcome {
            Outcome::Applied { .. } => {
                let gone = |line: &Line<'_>| (line.write.intent, without(line.write));
                self.lines.iter().map(gone).collect()
            }
            Outcome::Precondition { current: None, .. } => self.of_lines(&outcome),
            Outcome::Precondition { .. }
            | Outcome::Unique { .. }
            | Outcome::Foreign { .. }
            | Outcome::Invalid { .. }
            | Outcome::Retry { .. }
            | Outcome::Unknown { .. }
            | Outcome::Sibling => self.of_lines(&Outcome::Sibling),
        };
        answers.push((item.intent, outcome));
        answers
    }

    /// The item is there, and it or its lines change.
    ///
    /// # Errors
    /// What became of all of the writes.
    async fn change(&self, item: Option<&RowWrite>) -> Step<Answers> {
        let Some(first) = self.lines.first() else { return Ok(Vec::new()) };
        let key = item.and_then(|item| item.key.clone()).or_else(|| first.write.parent.clone());
        let key = key.or_else(|| first.write.key.as_ref().map(|key| first.list.holder_of(key)));
        let unknown = || put_off(ErrorKind::SchemaDrift, "the item of a line is not known");
        let key = key.ok_or_else(unknown)?;
        // Its lines change, and nothing else of it.
        let same = RowWrite {
            binding: self.bound.shape.binding,
            key: Some(key.clone()),
            parent: None,
            kind: WriteKind::Update,
            set: Vec::new(),
            expect: Expected::Fields(Vec::new()),
            token: None,
            ..first.write.clone()
        };
        let write = item.unwrap_or(&same);
        let refused = || invalid("write.refused", "the resource takes no changes");
        let update = self.bound.resource.update.as_ref().ok_or_else(refused)?;
        let mut writing = Writing::new(self.system, self.bound, write);
        let (before, observed) = writing.current(&key).await?;
        if !is_expected(&write.expect, observed.row.as_ref()) {
            let current = observed.row;
            let outcome = Outcome::Precondition { current, token: observed.token };
            return Ok(self.blame(write.intent, outcome));
        }
        let token = observed.token;
        if self.bound.resource.is_conditional() && token.is_none() {
            let detail = format!("it sends no version with one of {}", self.bound.resource.name);
            return Err(put_off(ErrorKind::Answer, detail));
        }
        let (lists, wanted) = match self.edited(&before) {
            Ok(edited) => edited,
            Err(answers) => return Ok(answers),
        };
        writing.lists = lists;
        let whole = update.is_whole.then_some(before);
        let call = writing.changing(&key, &update.request, false, whole, token.as_ref())?;
        match self.system.client.send(&call).await {
            Ok(answer) if answer.status.is_success() => {
                self.changed(&writing, &key, &answer, &wanted).await
            }
            Ok(answer) if is_doubtful(answer.status) => {
                Ok(self.in_doubt(&answer.failure(&call.action).to_string()))
            }
            Ok(answer) => self.refused(&writing, &key, &answer, token.as_ref()).await,
            Err(Lost::NotDone(error)) => Err(put_off(error.kind, &error.detail)),
            Err(Lost::Unknown(error)) => Ok(self.in_doubt(&error.to_string())),
        }
    }

    /// The lists as they are to be, and the key of each line after that.
    ///
    /// # Errors
    /// The answers, where a line is not what is expected.
    fn edited(&self, before: &Item) -> Result<(Sent, Vec<RowKey>), Answers> {
        let item = &before.json;
        let mut lists: Vec<Elements<'_>> = Vec::new();
        let mut wanted = Vec::with_capacity(self.lines.len());
        for line in &self.lines {
            let binding = line.list.shape.binding;
            let at = lists.iter().position(|known| known.list.shape.binding == binding);
            let at = match at {
                Some(at) => at,
                None => {
                    lists.push(self.elements(line.list, item)?);
                    lists.len() - 1
                }
            };
            let Some(elements) = lists.get_mut(at) else { continue };
            match elements.edit(line, item) {
                Ok(key) => wanted.push(key),
                Err(outcome) => return Err(self.blame(line.write.intent, outcome)),
            }
        }
        let lists = lists.into_iter().filter_map(|elements| {
            let path = elements.list.within.clone()?;
            Some((path, elements.lines.into_iter().flatten().map(|(_, line)| line).collect()))
        });
        Ok((lists.collect(), wanted))
    }

    fn elements<'l>(&self, list: &'l Arc<Bound>, item: &Json) -> Result<Elements<'l>, Answers> {
        let Some(found) = list.elements(item).ok().flatten() else {
            let detail = "the item does not show the list that is to be changed";
            return Err(self.all(&put_off(ErrorKind::Answer, detail)));
        };
        let keyed = |element: &Json| Some((key_in(list, item, element), element.clone()));
        Ok(Elements { list, lines: found.iter().map(keyed).collect() })
    }

    /// It was changed: what it, and each line, is like.
    async fn changed(
        &self,
        writing: &Writing<'_>,
        key: &RowKey,
        answer: &Answer,
        wanted: &[RowKey],
    ) -> Step<Answers> {
        let action = self.bound.action("change one of");
        let told = self.bound.item(answer, &action).ok().filter(|told| {
            let observed = told.observe(self.bound).ok();
            let is_whole = self.bound.holds_all(&told.json);
            observed.is_some_and(|seen| is_whole && !writing.needs_etag(seen.token.as_ref()))
        });
        let after = match told {
            Some(told) => Some(told),
            None => self.bound.fetch(&self.system.client, key).await.ok().flatten(),
        };
        let unread = || Ok(self.in_doubt("it could not be read after the write"));
        let Some(after) = after else { return unread() };
        let Ok(observed) = after.observe(self.bound) else { return unread() };
        let lists = self.bound.all_held(&after.json, key);
        let mut answers = Vec::with_capacity(self.lines.len() + 1);
        for (line, wanted) in self.lines.iter().zip(wanted) {
            let found = shown(&lists, line, wanted);
            let outcome = match (line.write.kind, found) {
                (WriteKind::Delete, None) => without(line.write),
                (WriteKind::Delete, Some(_)) => {
                    invalid("write.refused", "it took the list, and kept the line")
                }
                (WriteKind::Insert | WriteKind::Update, Some(found)) => done(found.clone()),
                (WriteKind::Insert | WriteKind::Update, None) => {
                    invalid("write.refused", "it took the list, and does not show the line")
                }
            };
            answers.push((line.write.intent, outcome));
        }
        if let Some(item) = self.item {
            answers.push((item.intent, deleted_softly(item, done(observed))));
        }
        Ok(answers)
    }

    /// It was not changed.
    async fn refused(
        &self,
        writing: &Writing<'_>,
        key: &RowKey,
        answer: &Answer,
        token: Option<&Token>,
    ) -> Step<Answers> {
        let resource = &self.bound.resource;
        let is_about_versions =
            matches!(answer.status, StatusCode::PRECONDITION_FAILED | StatusCode::CONFLICT);
        if !is_about_versions && !resource.gone.contains(&answer.status.as_u16()) {
            return self.spread(refusal(answer));
        }
        let (now, observed) = writing.current(key).await?;
        let has_moved = answer.status == StatusCode::PRECONDITION_FAILED
            || (resource.is_conditional() && observed.token.as_ref() != token);
        if !has_moved {
            return self.spread(refusal(answer));
        }
        let lists = self.bound.all_held(&now.json, key);
        let mut answers: Answers = Vec::with_capacity(self.lines.len() + 1);
        for line in &self.lines {
            let own = line.write.key.as_ref().and_then(|key| shown(&lists, line, key));
            let current = own.and_then(|own| own.row.clone());
            // Of a new line nothing is known to have changed.
            let outcome = if line.write.kind == WriteKind::Insert {
                Outcome::Retry { reason: "the item has changed meanwhile".into() }
            } else {
                Outcome::Precondition { current, token: None }
            };
            answers.push((line.write.intent, outcome));
        }
        if let Some(item) = self.item {
            let (current, token) = (observed.row, observed.token);
            answers.push((item.intent, Outcome::Precondition { current, token }));
        }
        Ok(answers)
    }

    /// What keeps all of it from being written now; or, for good, what is against one of them.
    fn spread(&self, outcome: Outcome) -> Step<Answers> {
        let first = self.item.or_else(|| self.lines.first().map(|line| line.write));
        match (first, &outcome) {
            (Some(first), Outcome::Invalid { .. }) => Ok(self.blame(first.intent, outcome)),
            (Some(_) | None, _) => Err(outcome),
        }
    }

    /// The same for all of them.
    fn all(&self, outcome: &Outcome) -> Answers {
        let mut answers = self.of_lines(outcome);
        answers.extend(self.item.map(|item| (item.intent, outcome.clone())));
        answers
    }

    /// The token of an item that is to go, with which all its lines are decided about.
    ///
    /// # Errors
    /// What keeps it.
    async fn decided(&self, item: &RowWrite) -> Step<Option<Token>> {
        let Some(key) = &item.key else { return Ok(None) };
        let writing = Writing::new(self.system, self.bound, item);
        let (found, token) = writing.as_expected(key, true).await?;
        let Some(found) = found else { return Ok(token) };
        for list in self.bound.all_held(&found.json, key) {
            let is_decided = |row: &Observed| {
                let own = |line: &&Line<'_>| {
                    line.list.shape.binding == list.binding
                        && line.write.key.as_ref() == Some(&row.key)
                };
                let line = self.lines.iter().find(own);
                line.is_some_and(|line| is_expected(&line.write.expect, row.row.as_ref()))
            };
            if !list.refused.is_empty() || !list.rows.iter().all(is_decided) {
                let path = list_path(&self.bound.lists, list.binding);
                return Err(Outcome::Foreign { constraint: path });
            }
        }
        Ok(token)
    }

    fn of_lines(&self, outcome: &Outcome) -> Answers {
        self.lines.iter().map(|line| (line.write.intent, outcome.clone())).collect()
    }

    /// This is against one of them, and keeps the others from being written.
    fn blame(&self, whose: IntentId, outcome: Outcome) -> Answers {
        let mut answers = self.all(&Outcome::Sibling);
        if let Some(own) = answers.iter_mut().find(|(intent, _)| *intent == whose) {
            own.1 = outcome;
        }
        answers
    }

    /// Nobody knows whether it was done. A new line is looked for by its key before it is sent, so it may
    /// be sent again.
    fn in_doubt(&self, reason: &str) -> Answers {
        let unknown = Outcome::Unknown { reason: reason.into() };
        let mut answers = self.all(&unknown);
        for line in self.lines.iter().filter(|line| line.write.kind == WriteKind::Insert) {
            let own = answers.iter_mut().find(|(intent, _)| *intent == line.write.intent);
            if let Some((_, outcome)) = own {
                *outcome = Outcome::Retry { reason: reason.into() };
            }
        }
        answers
    }
}

impl Elements<'_> {
    /// Changes one line, if it is what is expected; its key after that.
    fn edit(&mut self, line: &Line<'_>, item: &Json) -> Step<RowKey> {
        let write = line.write;
        let mut element = Json::Object(Map::new());
        let key = match (write.kind, &write.key) {
            (WriteKind::Insert, _) => {
                assign(line.list, write, None, &mut element)?;
                own(&mut element);
                key_in(line.list, item, &element)
            }
            (WriteKind::Update | WriteKind::Delete, Some(key)) => key.clone(),
            (WriteKind::Update | WriteKind::Delete, None) => {
                return Err(invalid("write.type", "a line without a key is to be changed"));
            }
        };
        let is_own =
            |other: &Option<(RowKey, Json)>| matches!(other, Some((own, _)) if *own == key);
        let mut own_lines = self.lines.iter().enumerate().filter(|(_, other)| is_own(other));
        let found = own_lines.next().map(|(at, _)| at);
        if own_lines.next().is_some() {
            let reason = "several lines of the list have its key: none of them is written";
            return Err(invalid("write.key_not_unique", reason));
        }
        let slot = found.and_then(|at| self.lines.get_mut(at));
        let row = slot.as_ref().and_then(|slot| {
            let (_, element) = slot.as_ref()?;
            line.list.observe(&line.list.line(item, element)).ok()?.row
        });
        // It was sent before, and its answer was lost.
        let is_there = |row: &Row| write.set.iter().all(|(at, to)| row.value(*at) == Some(to));
        if write.kind == WriteKind::Insert && row.as_ref().is_some_and(is_there) {
            return Ok(key);
        }
        if !is_expected(&write.expect, row.as_ref()) {
            return Err(Outcome::Precondition { current: row, token: None });
        }
        match (write.kind, slot) {
            (WriteKind::Insert, _) => self.lines.push(Some((key.clone(), element))),
            (WriteKind::Delete, Some(slot)) => *slot = None,
            (WriteKind::Update, Some(slot)) => {
                if let Some((own_key, element)) = slot {
                    assign(line.list, write, None, element)?;
                    *own_key = key_in(line.list, item, element);
                    return Ok(own_key.clone());
                }
            }
            (WriteKind::Update | WriteKind::Delete, None) => {
                return Err(Outcome::Precondition { current: None, token: None });
            }
        }
        Ok(key)
    }
}

/// Where a list is in its item.
fn list_path(lists: &[Arc<Bound>], binding: BindingIndex) -> Text {
    let list = lists.iter().find(|list| list.shape.binding == binding);
    let within = list.and_then(|list| list.within.as_ref());
    within.map_or_else(Text::default, |path| Text::new(path.to_string()))
}

/// The key of a line of this item, whatever else it holds.
fn key_in(list: &Bound, item: &Json, element: &Json) -> RowKey {
    match list.observe(&list.line(item, element)) {
        Ok(observed) => observed.key,
        Err(refused) => refused.key,
    }
}

/// The line of this key among those that an item shows.
fn shown<'l>(lists: &'l [HeldList], line: &Line<'_>, key: &RowKey) -> Option<&'l Observed> {
    let list = lists.iter().find(|list| list.binding == line.list.shape.binding)?;
    list.rows.iter().find(|row| row.key == *key)
}

/// A line that is gone.
fn without(write: &RowWrite) -> Outcome {
    Outcome::Applied {
        key: write.key.clone().unwrap_or(RowKey([].into())),
        post: None,
        token: None,
        order: None,
        transaction: None,
    }
}
