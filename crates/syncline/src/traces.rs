//! Traces: a change is followed from the system that made it to every system that it is written to, in the
//! terms of OpenTelemetry, if the file names a collector (`traces:`).
//!
//! Nothing waits for a trace. Spans are made where something has happened, from times that were taken
//! anyway, and wait in a queue of bounded length for whoever sends them; what finds no room there is counted
//! and lost. A span names systems, entities, tables and the hub's own numbers: no value, no key, no user.

mod context;
mod followed;
mod queue;
mod send;
mod span;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    hash::Hash,
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
};

use axum::http::{HeaderMap, Method};
use serde_json::{Value as Json, json};
use syncline_adapters::settings::Kind as System;
use syncline_core::{
    Text,
    change::RowKey,
    name::{BindingIndex, EntityIndex, RecordId, Timestamp},
    plan::Plan,
};
use syncline_engine::measure::{Operation, Origin, Tally};
use syncline_ports::listener::{Changed, Hint};

pub(crate) use self::{
    context::{Context, current, within},
    send::work,
};
use self::{
    followed::Followed,
    queue::Queue,
    span::{Kind, Span},
};
use crate::session::Session;

/// So many reads of a table are remembered: the one that a change was found in is the last that had ended.
const READS: usize = 4;
/// So many callers are remembered until what they told of is read.
const CALLS: usize = 10_000;

/// Whoever follows changes in this process.
#[derive(Debug, Default)]
pub(crate) struct Tracer {
    queue: Queue,
    reads: Mutex<BTreeMap<BindingIndex, VecDeque<Read>>>,
    /// Who has called: which system, and when.
    calls: Mutex<Recent<(String, Timestamp), Context>>,
    /// Rows that callers have told of.
    told: Mutex<Recent<(BindingIndex, RowKey), Context>>,
    /// Writes that systems were asked for, and that are not answered yet.
    sent: Mutex<Recent<(RecordId, String), Context>>,
    changes: Mutex<Followed>,
}

/// A table was read.
#[derive(Clone, Copy, Debug)]
struct Read {
    from: Timestamp,
    to: Timestamp,
    kind: System,
}

/// The last things of a kind.
#[derive(Debug)]
struct Recent<K, V> {
    known: HashMap<K, V>,
    order: VecDeque<K>,
}

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self { known: HashMap::new(), order: VecDeque::new() }
    }
}

impl<K: Clone + Eq + Hash, V: Copy> Recent<K, V> {
    fn put(&mut self, key: K, value: V) {
        if self.known.insert(key.clone(), value).is_none() {
            self.order.push_back(key);
        }
        if self.order.len() > CALLS
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    fn get(&self, key: &K) -> Option<V> {
        self.known.get(key).copied()
    }

    /// What is taken is forgotten.
    fn take(&mut self, key: &K) -> Option<V> {
        let found = self.known.remove(key)?;
        self.order.retain(|known| known != key);
        Some(found)
    }
}

static HERE: OnceLock<Tracer> = OnceLock::new();

/// Whoever follows changes, if somebody wants to see that.
pub(crate) fn here() -> Option<&'static Tracer> {
    HERE.get().filter(|tracer| tracer.queue.is_open())
}

/// These rows were heard of.
pub(crate) fn heard(system: &str, hints: &[Hint]) {
    if let Some(tracer) = here() {
        tracer.heard(system, hints);
    }
}

/// The trace that the last change of a record belongs to.
pub(crate) fn of_record(record: RecordId) -> Option<Context> {
    here().and_then(|tracer| lock(&tracer.changes).last(record))
}

/// What a request to a system says of the trace that it belongs to: `traceparent`, where traces are sent.
fn outgoing(system: &str, record: Option<RecordId>) -> Option<String> {
    let tracer = here()?;
    let context = match record {
        Some(record) => Some(tracer.sends(system, record)),
        None => current().map(Context::child),
    };
    // What no span tells of is nothing for others to record.
    let context = context.unwrap_or_else(|| Context { is_recorded: false, ..Context::new() });
    Some(context.header())
}

/// Which trace a request belongs to: that of the caller, who says so; or one of its own, if it changes
/// something and traces are sent.
pub(crate) fn of_call(headers: &HeaderMap, method: &Method) -> Option<(Context, Option<Context>)> {
    let caller = Context::of(headers);
    match (caller, here()) {
        (Some(caller), Some(_)) => Some((caller.child(), Some(caller))),
        // It is named where something is said about the request.
        (Some(caller), None) => Some((caller, None)),
        (None, Some(_)) if !method.is_safe() => Some((Context::new(), None)),
        (None, Some(_) | None) => None,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tracer {
    /// A table was read, successfully.
    pub(crate) fn read(&self, binding: BindingIndex, kind: System, from: Timestamp) {
        let mut reads = lock(&self.reads);
        let reads = reads.entry(binding).or_default();
        if reads.len() >= READS {
            reads.pop_front();
        }
        reads.push_back(Read { from, to: Session::now(), kind });
    }

    /// A system has called, and what it sent is on record since then.
    pub(crate) fn called(&self, system: &str, at: Timestamp, context: Context) {
        lock(&self.calls).put((system.to_owned(), at), context);
    }

    /// These rows were heard of: those that a caller has told of belong to its trace.
    fn heard(&self, system: &str, hints: &[Hint]) {
        let calls = lock(&self.calls);
        if calls.known.is_empty() {
            return;
        }
        for hint in hints {
            let (Changed::Row(key), Some(at)) = (&hint.what, hint.at) else { continue };
            if let Some(context) = calls.get(&(system.to_owned(), at)) {
                lock(&self.told).put((hint.binding, key.clone()), context);
            }
        }
    }

    /// A request was answered.
    pub(crate) fn answered(
        &self,
        (context, caller): (Context, Option<Context>),
        method: &Method,
        route: &str,
        status: u16,
        from: Timestamp,
    ) {
        self.queue.put(|| Span {
            context,
            parent: caller.map(|caller| caller.span),
            name: format!("{method} {route}"),
            kind: Kind::Server,
            from,
            to: Session::now(),
            attributes: vec![
                ("http.request.method", json!(method.as_str())),
                ("http.route", json!(route)),
                ("http.response.status_code", json!(status)),
            ],
            links: Vec::new(),
            error: (status >= 500).then(|| status.to_string()),
        });
    }

    /// Something was decided about records, and committed. `trigger`: how that was found.
    pub(crate) fn committed(
        &self,
        plan: &Plan,
        trigger: impl Fn(&str) -> &'static str,
        tally: &Tally,
    ) {
        let now = Session::now();
        let asked = current();
        for (record, (entity, origin)) in &tally.changed {
            let told = origin.as_ref().and_then(|origin| self.told_of(plan, *entity, origin));
            // Whoever asks for a run asks for many changes, each with a trace of its own.
            let (parent, links) = match origin {
                Some(_) => (told, asked.into_iter().collect()),
                None => (asked, Vec::new()),
            };
            let context = parent.map_or_else(Context::new, Context::child);
            lock(&self.changes).sets_out(*record, context);
            let change = Change { context, parent, links, record: *record, entity: *entity };
            let word = origin.as_ref().and_then(|origin| plan.system(origin.system));
            let word = word.map_or("person", |system| trigger(&system.name));
            self.follow(plan, &change, origin.as_ref(), word, tally, now);
        }
    }

    /// Who has told of this row.
    fn told_of(&self, plan: &Plan, entity: EntityIndex, origin: &Origin) -> Option<Context> {
        let binding = plan.binding_of(entity, origin.system)?;
        lock(&self.told).take(&(binding, origin.key.clone()?))
    }

    fn follow(
        &self,
        plan: &Plan,
        change: &Change,
        origin: Option<&Origin>,
        trigger: &'static str,
        tally: &Tally,
        now: Timestamp,
    ) {
        let root = plan.entity(plan.root_of(change.entity)).map(|found| found.name.clone());
        let root = root.unwrap_or_default();
        let about = || {
            vec![
                ("syncline.entity", json!(root.as_str())),
                ("syncline.record", json!(change.record.to_string())),
            ]
        };
        let mut from = tally.at;
        let mut merged_from = tally.at;
        if let Some(origin) = origin {
            let place = (change.record, change.entity, origin.system);
            from = tally.seen.get(&place).map_or(from, |(_, since)| *since);
            let system = plan.system(origin.system).map(|found| found.name.clone());
            let system = system.unwrap_or_default();
            let binding = plan.binding_of(change.entity, origin.system);
            // What it was decided by had been read before.
            let read = binding.and_then(|binding| {
                let reads = lock(&self.reads);
                reads.get(&binding)?.iter().rev().find(|read| read.to <= tally.at).copied()
            });
            if let Some((read, binding)) = read.zip(binding) {
                from = from.min(read.from);
                merged_from = read.to;
                self.queue.put(|| Span {
                    context: change.context.child(),
                    parent: Some(change.context.span),
                    name: format!("read {system}"),
                    kind: Kind::Client,
                    from: read.from,
                    to: read.to,
                    attributes: [about(), of_system(plan, &system, binding, read.kind, "SELECT")]
                        .concat(),
                    links: Vec::new(),
                    error: None,
                });
            }
        }
        self.queue.put(|| Span {
            context: change.context.child(),
            parent: Some(change.context.span),
            name: format!("merge {root}"),
            kind: Kind::Internal,
            from: merged_from,
            to: now,
            attributes: about(),
            links: Vec::new(),
            error: None,
        });
        self.queue.put(|| {
            let mut attributes = about();
            attributes.push(("syncline.trigger", json!(trigger)));
            if let Some(origin) = origin {
                let system = plan.system(origin.system).map(|found| found.name.as_str());
                attributes.push(("syncline.operation", json!(origin.operation.word())));
                attributes.push(("syncline.origin", json!(system.unwrap_or_default())));
            }
            Span {
                context: change.context,
                parent: change.parent.map(|parent| parent.span),
                name: format!("change {root}"),
                kind: Kind::Internal,
                from,
                to: now,
                attributes,
                links: change.links.clone(),
                error: None,
            }
        });
    }

    /// A system is asked to write this record: the span of that write, which is told of once it is answered.
    fn sends(&self, system: &str, record: RecordId) -> Context {
        let parent = lock(&self.changes).last(record);
        let place = (record, system.to_owned());
        let mut sent = lock(&self.sent);
        let known = sent.get(&place).filter(|it| parent.is_none_or(|of| of.trace == it.trace));
        known.unwrap_or_else(|| {
            let context = parent.map_or_else(Context::new, Context::child);
            sent.put(place, context);
            context
        })
    }

    /// A write was answered: a code, if it was refused.
    pub(crate) fn wrote(&self, plan: &Plan, write: &Write<'_>, code: Option<&str>) {
        let Some(found) = plan.binding(write.binding) else { return };
        let root = plan.entity(plan.root_of(found.entity)).map(|found| found.name.clone());
        let (parent, links) = match lock(&self.changes).arrives(write.record, code.is_none()) {
            Some((parent, links)) => (Some(parent), links),
            // Nobody knows any more what it comes from.
            None => (None, Vec::new()),
        };
        let sent = lock(&self.sent).take(&(write.record, write.system.to_owned()));
        let sent = sent.filter(|it| parent.is_none_or(|of| of.trace == it.trace));
        let statement = match write.operation {
            Operation::Create => "INSERT",
            Operation::Update => "UPDATE",
            Operation::Delete => "DELETE",
        };
        self.queue.put(|| {
            let mut attributes = vec![
                ("syncline.entity", json!(root.unwrap_or_default().as_str())),
                ("syncline.record", json!(write.record.to_string())),
                ("syncline.operation", json!(write.operation.word())),
            ];
            let name = Text::new(write.system);
            attributes.extend(of_system(plan, &name, write.binding, write.kind, statement));
            Span {
                context: sent.unwrap_or_else(|| parent.map_or_else(Context::new, Context::child)),
                parent: parent.map(|parent| parent.span),
                name: format!("write {}", write.system),
                kind: Kind::Client,
                from: write.from,
                to: write.to,
                attributes,
                links,
                error: code.map(str::to_owned),
            }
        });
    }
}

/// A change that is followed.
struct Change {
    context: Context,
    parent: Option<Context>,
    links: Vec<Context>,
    record: RecordId,
    entity: EntityIndex,
}

/// A write that was answered.
pub(crate) struct Write<'a> {
    pub(crate) system: &'a str,
    pub(crate) kind: System,
    pub(crate) record: RecordId,
    pub(crate) binding: BindingIndex,
    pub(crate) operation: Operation,
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
}

/// The system that was asked, as OpenTelemetry calls it where it is a database.
fn of_system(
    plan: &Plan,
    system: &Text,
    binding: BindingIndex,
    kind: System,
    statement: &str,
) -> Vec<(&'static str, Json)> {
    let mut attributes = vec![("syncline.system", json!(system.as_str()))];
    let table = plan.binding(binding).map(|found| found.table.table.clone()).unwrap_or_default();
    let database = match kind {
        System::Postgres => "postgresql",
        System::Mysql => "mysql",
        System::Sqlite => "sqlite",
        System::Rest | System::File | System::Push => {
            attributes.push(("syncline.collection", json!(table.as_str())));
            return attributes;
        }
    };
    attributes.push(("db.system.name", json!(database)));
    attributes.push(("db.collection.name", json!(table.as_str())));
    attributes.push(("db.operation.name", json!(statement)));
    attributes
}
