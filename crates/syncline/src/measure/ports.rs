//! The doors of a system, with somebody beside them who counts requests and how long they took.

use std::time::Instant;

use async_trait::async_trait;
use syncline_core::{
    change::{Outcome, WriteGroup},
    error::PortError,
    name::IntentId,
    plan::Plan,
};
use syncline_ports::{
    source::{Batch, Limit, ReadRequest, Source},
    target::{Finished, Target},
};

use super::{Measures, here, seconds};

/// The same source, counted if this process counts.
pub(crate) fn source(system: &str, inner: Box<dyn Source>) -> Box<dyn Source> {
    match here() {
        Some(measures) => {
            Box::new(Counted { inner, system: system.to_owned(), measures, plan: () })
        }
        None => inner,
    }
}

/// The same target, counted if this process counts.
pub(crate) fn target(
    system: &str,
    plan: &std::sync::Arc<Plan>,
    inner: Box<dyn Target>,
) -> Box<dyn Target> {
    match here() {
        Some(measures) => {
            Box::new(Counted { inner, system: system.to_owned(), measures, plan: plan.clone() })
        }
        None => inner,
    }
}

struct Counted<T: ?Sized, P> {
    inner: Box<T>,
    system: String,
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
        let operation = match request {
            ReadRequest::Poll { .. } => "poll",
            ReadRequest::Scan { .. } | ReadRequest::ScanFrom { .. } => "scan",
            ReadRequest::Keys { .. } => "read",
            ReadRequest::Marks { .. } => "marks",
            ReadRequest::Children { .. } => "children",
        };
        let began = Instant::now();
        let answer = self.inner.read(request, limit).await;
        let outcome = if answer.is_ok() { "ok" } else { "failed" };
        self.measures.asked(&self.system, operation, outcome, began);
        answer
    }
}

#[async_trait]
impl Target for Counted<dyn Target, std::sync::Arc<Plan>> {
    async fn apply(&mut self, groups: &[WriteGroup]) -> Vec<(IntentId, Outcome)> {
        let began = Instant::now();
        let answers = self.inner.apply(groups).await;
        self.wrote(groups, &answers, began);
        answers
    }

    fn holds_back(&self) -> bool {
        self.inner.holds_back()
    }

    async fn finish(&mut self) -> Option<Finished> {
        let began = Instant::now();
        let finished = self.inner.finish().await?;
        self.wrote(&finished.groups, &finished.answers, began);
        Some(finished)
    }

    fn forget(&mut self) {
        self.inner.forget();
    }
}

impl Counted<dyn Target, std::sync::Arc<Plan>> {
    /// Counts what became of writes.
    fn wrote(&self, groups: &[WriteGroup], answers: &[(IntentId, Outcome)], began: Instant) {
        let mut is_failed = false;
        for (intent, outcome) in answers {
            let code = match outcome {
                Outcome::Applied { .. } | Outcome::Sibling => continue,
                Outcome::Precondition { .. } => "write.changed_meanwhile",
                Outcome::Unique { .. } => "write.unique_conflict",
                Outcome::Foreign { .. } => "write.parent_missing",
                Outcome::Invalid { code, .. } => code,
                Outcome::Retry { .. } => "write.refused",
                Outcome::Unknown { .. } => "write.in_doubt",
            };
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
}
