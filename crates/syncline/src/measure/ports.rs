//! The doors of a system, with somebody beside them who counts requests and how long they took.

use std::{collections::HashMap, time::Instant};

use async_trait::async_trait;
use syncline_adapters::settings::Kind;
use syncline_core::{
    change::{Outcome, WriteGroup, WriteKind},
    error::PortError,
    name::{IntentId, Timestamp},
    plan::Plan,
};
use syncline_engine::measure::Operation;
use syncline_ports::{
    source::{Age, Batch, Heartbeat, Limit, ReadRequest, Source},
    target::{Finished, Target},
};

use super::{Measures, here, seconds};
use crate::{session::Session, traces};

/// The same source, counted if this process counts.
pub(crate) fn source(system: &str, kind: Kind, inner: Box<dyn Source>) -> Box<dyn Source> {
    match here() {
        Some(measures) => {
            Box::new(Counted { inner, system: system.to_owned(), kind, measures, plan: () })
        }
        None => inner,
    }
}

/// The same target, counted if this process counts.
pub(crate) fn target(
    system: &str,
    kind: Kind,
    plan: &std::sync::Arc<Plan>,
    inner: Box<dyn Target>,
) -> Box<dyn Target> {
    match here() {
        Some(measures) => {
            let (system, plan) = (system.to_owned(), plan.clone());
            Box::new(Counted { inner, system, kind, measures, plan })
        }
        None => inner,
    }
}

struct Counted<T: ?Sized, P> {
    inner: Box<T>,
    system: String,
    kind: Kind,
    measures: &'static Measures,
    plan: P,
}

impl Measures {
    fn asked(&self, system: &str, operation: &str, outcome: &str, began: Instant) {
        let labels = [
            ("system", system.to_owned()),
            ("operation", operation.to_owned()),
            ("outcome", outcome.to_owned()),
        ];
        self.minute.add("requests", "", system, operation, 1.0);
        self.requests.get_or_create(&labels).inc();
        let micros = i64::try_from(began.elapsed().as_micros()).unwrap_or(i64::MAX);
        self.request_duration.get_or_create(&labels).observe(seconds(micros));
    }
}

#[async_trait]
impl Source for Counted<dyn Source, ()> {
    async fn read(&mut self, request: &ReadRequest, limit: Limit) -> Result<Batch, PortError> {
        let (operation, binding) = match request {
            ReadRequest::Poll { binding, .. } => ("poll", binding),
            ReadRequest::Scan { binding, .. } | ReadRequest::ScanFrom { binding, .. } => {
                ("scan", binding)
            }
            ReadRequest::Keys { binding, .. } => ("read", binding),
            ReadRequest::Marks { binding, .. } => ("marks", binding),
            ReadRequest::Children { binding, .. } => ("children", binding),
        };
        let (began, from) = (Instant::now(), Session::now());
        let answer = self.inner.read(request, limit).await;
        if let (Some(tracer), Ok(_)) = (traces::here(), &answer) {
            tracer.read(*binding, self.kind, from);
        }
        let outcome = if answer.is_ok() { "ok" } else { "failed" };
        self.measures.asked(&self.system, operation, outcome, began);
        answer
    }

    async fn ages(&mut self, heartbeat: &Heartbeat) -> Result<Vec<Age>, PortError> {
        self.inner.ages(heartbeat).await
    }
}

#[async_trait]
impl Target for Counted<dyn Target, std::sync::Arc<Plan>> {
    async fn apply(&mut self, groups: &[WriteGroup]) -> Vec<(IntentId, Outcome)> {
        let (began, from) = (Instant::now(), Session::now());
        let answers = self.inner.apply(groups).await;
        self.wrote(groups, &answers, began, from);
        answers
    }

    fn holds_back(&self) -> bool {
        self.inner.holds_back()
    }

    async fn finish(&mut self) -> Option<Finished> {
        let (began, from) = (Instant::now(), Session::now());
        let finished = self.inner.finish().await?;
        self.wrote(&finished.groups, &finished.answers, began, from);
        Some(finished)
    }

    fn forget(&mut self) {
        self.inner.forget();
    }
}

impl Counted<dyn Target, std::sync::Arc<Plan>> {
    /// Counts what became of writes, and tells whoever follows changes.
    fn wrote(
        &self,
        groups: &[WriteGroup],
        answers: &[(IntentId, Outcome)],
        began: Instant,
        from: Timestamp,
    ) {
        if let Some(tracer) = traces::here() {
            self.trace(tracer, groups, answers, from);
        }
        let mut is_failed = false;
        for (intent, outcome) in answers {
            let Some(code) = code(outcome) else { continue };
            is_failed |= matches!(outcome, Outcome::Retry { .. } | Outcome::Unknown { .. });
            let write = groups.iter().flat_map(|group| &group.writes);
            let mut write = write.filter(|write| write.intent == *intent);
            let entity = write.next().and_then(|write| self.plan.binding(write.binding));
            let entity = entity.and_then(|it| self.plan.entity(self.plan.root_of(it.entity)));
            let labels = [
                ("entity", entity.map_or_else(String::new, |it| it.name.to_string())),
                ("system", self.system.clone()),
                ("code", code.to_owned()),
            ];
            let [entity, ..] = &labels;
            self.measures.minute.add("write_errors", &entity.1, &self.system, code, 1.0);
            self.measures.write_errors.get_or_create(&labels).inc();
        }
        let outcome = if is_failed { "failed" } else { "ok" };
        self.measures.asked(&self.system, "write", outcome, began);
    }

    fn trace(
        &self,
        tracer: &traces::Tracer,
        groups: &[WriteGroup],
        answers: &[(IntentId, Outcome)],
        from: Timestamp,
    ) {
        let to = Session::now();
        let writes = groups.iter().flat_map(|group| &group.writes);
        let writes: HashMap<_, _> = writes.map(|write| (write.intent, write)).collect();
        for (intent, outcome) in answers {
            let Some(write) = writes.get(intent) else { continue };
            let operation = match write.kind {
                WriteKind::Insert => Operation::Create,
                WriteKind::Update => Operation::Update,
                WriteKind::Delete => Operation::Delete,
            };
            let write = traces::Write {
                system: &self.system,
                kind: self.kind,
                record: write.record,
                binding: write.binding,
                operation,
                from,
                to,
            };
            // Another of its group was refused, whose span says why.
            let sibling = matches!(outcome, Outcome::Sibling).then_some("_OTHER");
            tracer.wrote(&self.plan, &write, code(outcome).or(sibling));
        }
    }
}

/// Why a write was not made, or is in doubt.
fn code(outcome: &Outcome) -> Option<&str> {
    match outcome {
        Outcome::Applied { .. } | Outcome::Sibling => None,
        Outcome::Precondition { .. } => Some("write.changed_meanwhile"),
        Outcome::Unique { .. } => Some("write.unique_conflict"),
        Outcome::Foreign { .. } => Some("write.parent_missing"),
        Outcome::Invalid { code, .. } => Some(code),
        Outcome::Retry { .. } => Some("write.refused"),
        Outcome::Unknown { .. } => Some("write.in_doubt"),
    }
}
