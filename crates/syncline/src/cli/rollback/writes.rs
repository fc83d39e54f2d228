//! What systems are written for a rollback: planned in a preview, counted afterwards otherwise.

use std::collections::BTreeMap;

use syncline_core::{
    change::WriteKind,
    commit::Subject,
    name::{EntityIndex, SystemIndex},
};
use syncline_engine::{desk::Desk, preview};
use syncline_ports::reader::{QuarantineFilter, Reader as _};

use crate::{pass::Outcome, report::Failure, rollback::Report, session::Session, words};

/// What systems are written for it.
#[derive(Default)]
pub(super) struct Writes {
    /// Creates, updates and deletes.
    pub(super) counts: BTreeMap<SystemIndex, [u64; 3]>,
    /// What cannot be written, by where (no system: nowhere) and why.
    pub(super) impossible: BTreeMap<(Option<SystemIndex>, String), u64>,
}

/// So many entries of the quarantine are looked at at once.
const ASIDE: usize = 1_000;

impl Writes {
    /// What this pass has written of it, and what it has set aside.
    pub(super) async fn made(
        session: &Session,
        outcome: &Outcome,
        report: &Report,
    ) -> Result<Self, Failure> {
        let mut writes = Self::default();
        for passed in &outcome.passed.entities {
            for (system, written) in &passed.written {
                let counts = writes.counts.entry(*system).or_default();
                let more = [written.inserts, written.updates, written.deletes];
                counts.iter_mut().zip(more).for_each(|(count, more)| *count += more);
            }
            let of_run =
                QuarantineFilter { run: Some(passed.run), limit: ASIDE, ..Default::default() };
            writes.aside(session, of_run, report).await?;
        }
        writes.counts.retain(|_, counts| counts.iter().sum::<u64>() > 0);
        Ok(writes)
    }

    async fn aside(
        &mut self,
        session: &Session,
        mut filter: QuarantineFilter,
        report: &Report,
    ) -> Result<(), Failure> {
        loop {
            let page = session.hub.quarantine_page(&filter).await?;
            filter.above = page.last().map(|entry| entry.number);
            let is_last = page.len() < filter.limit;
            for entry in page {
                let (record, system) = match entry.subject {
                    Subject::Write { record, system, .. } => (record, Some(system)),
                    Subject::Record { record } => (record, None),
                    Subject::Row { .. } | Subject::Excess { .. } => continue,
                };
                if report.records.contains(&record) {
                    let message = entry.message.to_string();
                    *self.impossible.entry((system, message)).or_default() += 1;
                }
            }
            if is_last {
                return Ok(());
            }
        }
    }

    /// What would be written of it.
    pub(super) async fn of(desk: &Desk<'_>, report: &Report) -> Result<Self, Failure> {
        let mut writes = Self::default();
        for entity in &report.entities {
            let bindings = desk.plan.entity(*entity).map(|it| it.bindings.clone());
            for binding in bindings.unwrap_or_default() {
                let Some(found) = desk.plan.binding(binding) else { continue };
                writes.system(desk, *entity, found.system, report).await?;
            }
        }
        Ok(writes)
    }

    async fn system(
        &mut self,
        desk: &Desk<'_>,
        entity: EntityIndex,
        system: SystemIndex,
        report: &Report,
    ) -> Result<(), Failure> {
        let mut after = None;
        loop {
            let (page, last) = preview::page(desk, entity, system, after, 2_000).await?;
            for operation in page.into_iter().filter(|it| report.records.contains(&it.record)) {
                if let Some((_, message)) = operation.refused {
                    let why = (Some(system), message.to_string());
                    *self.impossible.entry(why).or_default() += 1;
                    continue;
                }
                let counts = self.counts.entry(system).or_default();
                let [creates, updates, deletes] = counts;
                *match operation.kind {
                    WriteKind::Insert => creates,
                    WriteKind::Update => updates,
                    WriteKind::Delete => deletes,
                } += 1;
            }
            match last {
                Some(last) => after = Some(last),
                None => return Ok(()),
            }
        }
    }

    /// `: crm 128, erp 2,013`.
    pub(super) fn by_system(&self, session: &Session) -> String {
        let parts: Vec<String> = self
            .counts
            .iter()
            .map(|(system, counts)| {
                let rows = words::count(counts.iter().sum());
                format!("{} {rows}", session.system_name(*system))
            })
            .collect();
        if parts.is_empty() { String::new() } else { format!(": {}", parts.join(", ")) }
    }
}
