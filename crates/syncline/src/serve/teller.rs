//! Tells the journal what a person has to look at, a line each: conflicts that were opened, and what was set
//! aside. It is looked up in the hub, so that it is told once, whoever found it, and also after a restart.
//!
//! A line names where to look, and the trace of the change, if it is followed; never a value.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use syncline_adapters::hub::sqlite::SqliteHub;
use syncline_core::{group::Author, name::EntityIndex};
use syncline_ports::reader::{
    Conflict, ConflictFilter, QuarantineFilter, Quarantined, Reader as _,
};
use tokio::sync::Notify;

use crate::{
    report::Failure,
    serve::{journal::Level, shift::Shared},
    traces,
};

/// However much is found.
const EVERY: Duration = Duration::from_secs(1);
/// So many are told one by one; of more it is said how many there are.
const LINES: usize = 20;
/// The name of the note that says up to where they were told.
const NOTE: &str = "journal.told";

/// Tells until the shift ends.
pub(super) async fn tell(hub: Arc<SqliteHub>, shared: Arc<Shared>) {
    let never = Notify::new();
    while !shared.is_over() {
        let told = Teller { hub: &hub, shared: &shared }.once().await;
        if let Err(failure) = told {
            let failure = failure.done("it is looked at again");
            shared.journal.failed(Level::Warn, "serve.books", &failure, &json!({}));
        }
        shared.rest(&never, EVERY).await;
    }
}

struct Teller<'a> {
    hub: &'a SqliteHub,
    shared: &'a Shared,
}

impl Teller<'_> {
    async fn once(&self) -> Result<(), Failure> {
        let open = ConflictFilter { settled: Some(false), limit: 1, ..ConflictFilter::default() };
        let conflict = self.hub.conflict_page(&open).await?.first().map_or(0, |it| it.number);
        let aside = self.hub.newest_quarantined().await?;
        let known = self.hub.note(NOTE).await?;
        let known = known.as_deref().and_then(|text| text.split_once(' '));
        let known = known.and_then(|(one, two)| Some((one.parse().ok()?, two.parse().ok()?)));
        // What was there before it was ever told is no news.
        let told: (u64, u64) = known.unwrap_or((conflict, aside));
        let now = (told.0.max(conflict), told.1.max(aside));
        if now == told && known.is_some() {
            return Ok(());
        }
        if conflict > told.0 {
            self.conflicts(told.0).await?;
        }
        if aside > told.1 {
            self.set_aside(told.1).await?;
        }
        Ok(self.hub.set_note(NOTE, &format!("{} {}", now.0, now.1)).await?)
    }

    async fn conflicts(&self, told: u64) -> Result<(), Failure> {
        let open = ConflictFilter { settled: Some(false), ..ConflictFilter::default() };
        let newest = ConflictFilter { limit: LINES + 1, ..open };
        let mut found = self.hub.conflict_page(&newest).await?;
        found.retain(|conflict| conflict.number > told);
        if found.len() > LINES {
            let message = "many conflicts were opened: syncline conflicts list";
            self.shared.journal.say(Level::Warn, "conflict.opened", message, json!({}));
            return Ok(());
        }
        for conflict in found.iter().rev() {
            self.conflict(conflict);
        }
        Ok(())
    }

    fn conflict(&self, conflict: &Conflict) {
        let plan = &self.shared.plan;
        let name = |author| match author {
            Author::System(system) => plan.system(system).map(|found| found.name.to_string()),
            Author::Person | Author::Merged | Author::Nobody => None,
        };
        let systems = conflict.candidates.iter().filter_map(|it| name(it.author));
        let systems: Vec<String> = systems.collect();
        let last = conflict.candidates.iter().max_by_key(|it| it.at);
        let actor = last.and_then(|it| Some((name(it.author)?, it.actor.as_ref()?)));
        let field = conflict.field.and_then(|field| plan.entity(conflict.entity)?.field(field));
        let field = field.map_or("(existence)", |field| field.name.as_str());
        let (record, entity) = (conflict.record, self.entity(conflict.entity));
        let fix = format!("syncline conflicts show {}", conflict.number);
        let more = json!({
            "code": "conflict.opened",
            "entity": entity,
            "record": record.to_string(),
            "field": field,
            "systems": systems,
            "run": conflict.opened.0.to_string(),
            "conflict": conflict.number,
            "actor": actor.map(|(system, who)| format!("{system}:{who}")),
            "trace_id": traces::of_record(record).map(traces::Context::trace_id),
            "fix": fix,
        });
        let message = format!("{} both changed {field} of a record", systems.join(" and "));
        self.shared.journal.say(Level::Warn, "conflict.opened", &message, more);
    }

    async fn set_aside(&self, told: u64) -> Result<(), Failure> {
        let filter =
            QuarantineFilter { above: Some(told), limit: LINES + 1, ..QuarantineFilter::default() };
        let found = self.hub.quarantine_page(&filter).await?;
        if found.len() > LINES {
            let message = "much was set aside: syncline quarantine list";
            self.shared.journal.say(Level::Warn, "record.quarantined", message, json!({}));
            return Ok(());
        }
        for aside in &found {
            self.aside(aside);
        }
        Ok(())
    }

    fn aside(&self, aside: &Quarantined) {
        let entity = self.entity(aside.entity);
        let trace = aside.record.and_then(traces::of_record);
        let more = json!({
            "code": aside.code.as_str(),
            "entity": entity,
            "record": aside.record.map(|record| record.to_string()),
            "run": aside.run.to_string(),
            "quarantine": aside.number,
            "trace_id": trace.map(traces::Context::trace_id),
            "fix": format!("syncline quarantine show {}", aside.number),
        });
        // Why, in a sentence, may hold a value.
        let message = format!("a record of {entity} is set aside [{}]", aside.code);
        self.shared.journal.say(Level::Warn, "record.quarantined", &message, more);
    }

    fn entity(&self, entity: EntityIndex) -> String {
        let plan = &self.shared.plan;
        plan.entity(plan.root_of(entity)).map(|it| it.name.to_string()).unwrap_or_default()
    }
}
