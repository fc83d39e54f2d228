//! When are two moments the same? If nothing that can follow tells them apart.
//!
//! Ids, operations and times are compared by the core and never computed with, so they are replaced by their rank among
//! those that the moment holds; where an age matters, it is noted as young or old. Counters that only people read
//! (revisions, the audit) are left out. What the oracles look at is part of the moment.

use std::{collections::BTreeMap, fmt, io::Write};

use syncline_core::{
    change::{Input, Observed, Order, Outcome, ReadResult, Row, RowKey, Token, WriteGroup},
    group::{Group, Intent, Lane, Link, Part},
    name::{BindingIndex, IntentId, OperationId, RecordId, Timestamp},
    value::{Digest, Value},
};

use crate::{
    explore::{
        configurations::Budget,
        small::{Flying, Small},
    },
    system::{REQUEST_LIFE_MS, SimState},
};

/// Older than this, an unanswered insert never happened: the core's own patience.
const OLD_MS: i64 = 300_000;

impl Small<'_> {
    /// A digest of everything that decides what can follow.
    pub fn digest(&self) -> Digest {
        let mut ranks = Ranks::default();
        self.write_down(&mut Pen { ranks: &mut ranks, out: None });
        ranks.settle();
        let mut out = Vec::with_capacity(2_048);
        self.write_down(&mut Pen { ranks: &mut ranks, out: Some(&mut out) });
        Digest::of(&out)
    }

    fn write_down(&self, pen: &mut Pen<'_>) {
        pen.operation(self.hub.operation);
        for group in self.hub.groups.values() {
            self.group(group, pen);
        }
        for (subject, (code, related)) in &self.hub.quarantine {
            pen.say(format_args!("{subject:?} {code} {}", related.len()));
        }
        for (at, system) in self.systems.iter().enumerate() {
            let heard = self.heard.get(at).copied().unwrap_or(0);
            let from = if self.budget.rewind > 0 { 0 } else { heard };
            pen.number(heard as u64);
            self.system(system, from, pen);
        }
        self.messages(pen);
        for text in &self.hub.accounted {
            pen.text(text);
        }
        let budget = self.budget;
        let Budget { edits, lost, refused, slow, crash, rewind, looks } = budget;
        let left = [edits, lost, refused, slow, crash, rewind, looks];
        for left in &left {
            pen.number(u64::from(*left));
        }
        pen.number(self.edits);
        pen.number(self.faults);
    }

    /// Messages have no order among themselves.
    fn messages(&self, pen: &mut Pen<'_>) {
        if pen.out.is_none() {
            for flying in &self.flying {
                self.flying(flying, pen);
            }
            return;
        }
        let mut all: Vec<Vec<u8>> = Vec::with_capacity(self.flying.len());
        for flying in &self.flying {
            let mut out = Vec::new();
            self.flying(flying, &mut Pen { ranks: pen.ranks, out: Some(&mut out) });
            all.push(out);
        }
        all.sort_unstable();
        pen.number(all.len() as u64);
        for message in &all {
            pen.bytes(message);
        }
    }

    fn group(&self, group: &Group, pen: &mut Pen<'_>) {
        pen.record(group.id);
        pen.number(u64::from(group.incarnation));
        pen.option(group.merged_into, |record, pen| pen.record(record));
        for (_, part) in group.parts() {
            self.part(part, pen);
        }
        for rival in &group.rivals {
            pen.number(u64::from(rival.binding.0));
            pen.bytes(&rival.key.0);
        }
        for former in &group.former {
            pen.place(former.binding, &former.key);
            pen.order(former.order);
        }
    }

    fn part(&self, part: &Part, pen: &mut Pen<'_>) {
        let exists = &part.exists;
        pen.say(format_args!("{} {} {:?}", exists.alive, exists.version, exists.author));
        pen.time(exists.at);
        for cell in &part.cells {
            pen.value(&cell.value);
            pen.say(format_args!("{} {:?}", cell.version, cell.author));
            pen.time(cell.at);
        }
        for conflict in &part.conflicts {
            pen.say(format_args!("{:?} {:?}", conflict.field, conflict.candidates.len()));
        }
        pen.number(part.links.len() as u64);
        for link in &part.links {
            self.link(link, pen);
        }
    }

    fn link(&self, link: &Link, pen: &mut Pen<'_>) {
        pen.number(u64::from(link.system.0));
        pen.option(link.key.as_ref(), |key, pen| pen.bytes(&key.0));
        pen.option(link.shadow.as_ref(), |row, pen| pen.row(row));
        pen.option(link.order, |order, pen| pen.order(order));
        pen.option(link.token.as_ref(), |token, pen| pen.bytes(&token.0));
        pen.say(format_args!(
            "{:?} {} {} {} {:?} {:?} {:?}",
            link.agreed,
            link.agreed_exists,
            link.must_read,
            link.wait,
            link.held,
            link.last_own,
            link.scope
        ));
        for reflex in &link.reflexes {
            pen.say(format_args!("{:?} {:?} {}", reflex.field, reflex.value, reflex.count));
        }
        pen.number(link.unresolved.len() as u64);
        for intent in &link.unresolved {
            self.intent(intent, pen);
        }
        match link.lane {
            Lane::Free => pen.number(0),
            Lane::Write(intent) => {
                pen.number(1);
                pen.intent(intent);
            }
            Lane::Echo(intent) => {
                pen.number(2);
                pen.intent(intent);
            }
            Lane::Read(operation) => {
                pen.number(3);
                pen.operation(operation.0);
            }
        }
        pen.option(link.parked.as_ref(), |parked, pen| {
            let is_over = parked.not_before.map(|time| time <= self.now);
            pen.say(format_args!(
                "{} {:?} {} {is_over:?}",
                parked.code, parked.versions, parked.tries
            ));
        });
        pen.operation(link.touched.0);
        pen.option(link.waits_for, |record, pen| pen.record(record));
    }

    fn intent(&self, intent: &Intent, pen: &mut Pen<'_>) {
        pen.intent(intent.id);
        let made = Timestamp(0).plus_ms(i64::try_from(intent.id.0 >> 80).unwrap_or(0));
        let is_old = made.plus_ms(OLD_MS) <= self.now;
        pen.say(format_args!(
            "{is_old} {:?} {} {:?}",
            intent.kind, intent.exists_version, intent.set
        ));
        pen.say(format_args!("{:?}", intent.expect));
        pen.option(intent.token.as_ref(), |token, pen| pen.bytes(&token.0));
        // The transaction of an acknowledged write is named after its intent.
        let status = match &intent.status {
            syncline_core::group::IntentStatus::Sent => 0,
            syncline_core::group::IntentStatus::InDoubt => 1,
            syncline_core::group::IntentStatus::Acknowledged { order, .. } => {
                pen.option(*order, |order, pen| pen.order(order));
                2
            }
        };
        pen.number(status);
    }

    fn system(&self, system: &SimState, from: usize, pen: &mut Pen<'_>) {
        for table in system.tables.values() {
            for (key, row) in &table.rows {
                pen.bytes(&key.0);
                for value in &row.values {
                    pen.value(value);
                }
                pen.number(row.version);
                pen.time(row.changed_at);
            }
        }
        pen.number(system.changes);
        pen.number(system.next_key as u64);
        pen.number(system.log_length() as u64);
        for observed in system.log_from(from, usize::MAX) {
            pen.observed(&observed);
        }
        for (sent, group, _) in &system.zombies {
            let is_dead = self.now > sent.plus_ms(REQUEST_LIFE_MS);
            if !is_dead {
                pen.write(group);
            }
        }
        pen.marks(&system.marks, &system.made);
        pen.number(system.written);
        for text in &system.typed {
            pen.text(text);
        }
        for (name, count) in &system.counted {
            pen.say(format_args!("{name} {count}"));
        }
        for (new, old) in &system.seen {
            pen.text(new);
            pen.text(old);
        }
    }

    fn flying(&self, flying: &Flying, pen: &mut Pen<'_>) {
        match flying {
            Flying::Write { system, group } => {
                pen.number(10 + u64::from(system.0));
                pen.write(group);
            }
            Flying::Reads { reads, marks, again } => {
                pen.number(1);
                for (record, binding, intents) in marks {
                    pen.record(*record);
                    pen.number(u64::from(binding.0));
                    for intent in intents {
                        pen.intent(*intent);
                    }
                }
                for (binding, read) in reads {
                    pen.place(*binding, &read.key);
                    pen.operation(read.operation.0);
                    for intent in &read.in_doubt {
                        pen.intent(*intent);
                    }
                }
                for input in again {
                    self.input(input, pen);
                }
            }
            Flying::Answer(inputs) => {
                pen.number(2);
                for input in inputs {
                    self.input(input, pen);
                }
            }
            Flying::Shown { binding, rows, began } => {
                pen.number(3);
                pen.number(u64::from(binding.0));
                pen.operation(began.0);
                for row in rows {
                    pen.observed(row);
                }
            }
        }
    }

    fn input(&self, input: &Input, pen: &mut Pen<'_>) {
        match input {
            Input::Change(row) | Input::Push(row) => pen.observed(row),
            Input::Polled { row, began } | Input::Heard { row, began, .. } => {
                pen.operation(began.0);
                pen.observed(row);
            }
            // Counts only.
            Input::Accounted { .. } => {}
            Input::ReadDone { binding, key, operation, result, marks } => {
                pen.place(*binding, key);
                pen.operation(operation.0);
                match result {
                    ReadResult::Found(row) => pen.observed(row),
                    ReadResult::Absent => pen.number(0),
                    ReadResult::Failed(_) => pen.number(1),
                }
                for (intent, fate) in marks {
                    pen.intent(*intent);
                    pen.say(format_args!("{fate:?}"));
                }
            }
            Input::WriteDone { record, intent, outcome } => {
                pen.record(*record);
                pen.intent(*intent);
                pen.outcome(outcome);
            }
            Input::MarksRead { record, answers } => {
                pen.record(*record);
                for answer in answers {
                    pen.intent(answer.intent);
                    pen.say(format_args!("{:?}", answer.fate));
                    if let Some(key) = &answer.key {
                        pen.bytes(&key.0);
                    }
                }
            }
            Input::Unseen { binding, key, began } => {
                pen.place(*binding, key);
                pen.operation(began.0);
            }
            Input::Timeout { .. }
            | Input::Refused { .. }
            | Input::ScanChunk { .. }
            | Input::ScanDone { .. }
            | Input::Due { .. }
            | Input::Orphans { .. }
            | Input::Command(_)
            | Input::Recovered { .. }
            | Input::Renew { .. }
            | Input::Restored(_)
            | Input::Drifted(_) => pen.say(format_args!("{input:?}")),
        }
    }
}

/// Which numbers occur, and the rank of each.
#[derive(Default)]
struct Ranks {
    operations: BTreeMap<u64, u64>,
    ids: BTreeMap<u128, u64>,
    times: BTreeMap<i64, u64>,
}

impl Ranks {
    fn settle(&mut self) {
        self.operations.values_mut().zip(0..).for_each(|(rank, at)| *rank = at);
        self.ids.values_mut().zip(0..).for_each(|(rank, at)| *rank = at);
        self.times.values_mut().zip(0..).for_each(|(rank, at)| *rank = at);
    }
}

/// Notes which numbers occur, or writes with their ranks in their place.
struct Pen<'a> {
    ranks: &'a mut Ranks,
    out: Option<&'a mut Vec<u8>>,
}

impl Pen<'_> {
    fn number(&mut self, number: u64) {
        if let Some(out) = &mut self.out {
            syncline_core::value::varint(number, out);
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        if let Some(out) = &mut self.out {
            syncline_core::value::bytes(bytes, out);
        }
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// As people would read it: what has few forms, each of them different.
    fn say(&mut self, text: fmt::Arguments<'_>) {
        if let Some(out) = &mut self.out {
            // Writing to memory cannot fail. No text of ours holds a zero.
            let _ = out.write_fmt(text);
            out.push(0);
        }
    }

    fn value(&mut self, value: &Value) {
        match (value, &mut self.out) {
            (Value::Ref(record), _) => self.record(*record),
            (value, Some(out)) => value.encode(out),
            (_, None) => {}
        }
    }

    fn row(&mut self, row: &Row) {
        if let Some(out) = &mut self.out {
            row.encode(out);
        }
    }

    fn operation(&mut self, operation: u64) {
        match &mut self.out {
            None => drop(self.ranks.operations.insert(operation, 0)),
            Some(_) => self.number(self.ranks.operations.get(&operation).copied().unwrap_or(0)),
        }
    }

    fn id(&mut self, id: u128) {
        match &mut self.out {
            None => drop(self.ranks.ids.insert(id, 0)),
            Some(_) => self.number(self.ranks.ids.get(&id).copied().unwrap_or(0)),
        }
    }

    fn time(&mut self, time: Timestamp) {
        match &mut self.out {
            None => drop(self.ranks.times.insert(time.ms(), 0)),
            Some(_) => self.number(self.ranks.times.get(&time.ms()).copied().unwrap_or(0)),
        }
    }

    fn record(&mut self, record: RecordId) {
        self.id(record.0);
    }

    fn intent(&mut self, intent: IntentId) {
        self.id(intent.0);
    }

    fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(T, &mut Self)) {
        self.number(u64::from(value.is_some()));
        if let Some(value) = value {
            write(value, self);
        }
    }

    fn place(&mut self, binding: BindingIndex, key: &RowKey) {
        self.number(u64::from(binding.0));
        self.bytes(&key.0);
    }

    fn order(&mut self, order: Order) {
        match order {
            Order::Operation(operation) => self.operation(OperationId(operation).0),
            Order::Log { .. } | Order::Version(_) => self.say(format_args!("{order:?}")),
        }
    }

    fn observed(&mut self, observed: &Observed) {
        self.place(observed.binding, &observed.key);
        self.option(observed.row.as_ref(), |row, pen| pen.row(row));
        self.option(observed.order, |order, pen| pen.order(order));
        self.option(observed.token.as_ref(), |Token(token), pen| pen.bytes(token));
        self.option(observed.changed_at, |time, pen| pen.time(time));
        self.option(observed.mark, |mark, pen| pen.intent(mark));
    }

    fn write(&mut self, group: &WriteGroup) {
        self.number(u64::from(group.park));
        for write in &group.writes {
            self.record(write.record);
            self.intent(write.intent);
            self.option(write.key.as_ref(), |key, pen| pen.bytes(&key.0));
            self.say(format_args!("{:?} {:?} {:?}", write.kind, write.set, write.expect));
            self.option(write.token.as_ref(), |Token(token), pen| pen.bytes(token));
        }
    }

    fn outcome(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Applied { key, post, token, order, .. } => {
                self.bytes(&key.0);
                self.option(post.as_ref(), |row, pen| pen.row(row));
                self.option(token.as_ref(), |Token(token), pen| pen.bytes(token));
                self.option(*order, |order, pen| pen.order(order));
            }
            Outcome::Precondition { current, token } => {
                self.number(1);
                self.option(current.as_ref(), |row, pen| pen.row(row));
                self.option(token.as_ref(), |Token(token), pen| pen.bytes(token));
            }
            Outcome::Unique { .. }
            | Outcome::Foreign { .. }
            | Outcome::Invalid { .. }
            | Outcome::Retry { .. }
            | Outcome::Unknown { .. }
            | Outcome::Sibling => self.say(format_args!("{outcome:?}")),
        }
    }

    /// Marks that nobody else names can be asked for by nobody.
    fn marks(
        &mut self,
        marks: &BTreeMap<IntentId, syncline_core::change::MarkFate>,
        made: &BTreeMap<IntentId, RowKey>,
    ) {
        if self.out.is_none() {
            return;
        }
        for (intent, fate) in marks {
            if self.ranks.ids.contains_key(&intent.0) {
                self.intent(*intent);
                self.say(format_args!("{fate:?}"));
                if let Some(key) = made.get(intent) {
                    self.bytes(&key.0);
                }
            }
        }
    }
}
