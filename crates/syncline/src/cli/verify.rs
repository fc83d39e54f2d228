//! `syncline verify`: compares all systems completely; `--repair` mends.

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;
use serde_json::json;
use syncline_core::{
    change::RowKey,
    commit::Subject,
    name::{BindingIndex, RecordId, RunId},
};
use syncline_engine::verify::{self, Compared};
use syncline_ports::reader::Reader as _;

use crate::{
    cli::{Context, ask, plan},
    exit::Exit,
    measure,
    overlay::{self, Wish},
    pass::{Depth, Halves, Order},
    progress::Progress,
    report::{self, Answer, Failure},
    session::{Reach, Session, Use, of_system},
    words::{self, Table},
};

/// Flags of `verify`.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// Only this entity.
    pub(crate) entity: Option<String>,
    /// Show what would mend it, ask, then do it.
    #[arg(long)]
    pub(crate) repair: bool,
    /// Compare only so many rows of each table.
    #[arg(long, value_name = "N")]
    pub(crate) sample: Option<u64>,
    /// Compare only these fields.
    #[arg(long, value_name = "FIELDS", value_delimiter = ',')]
    pub(crate) columns: Vec<String>,
}

/// What was found, summed up.
#[derive(Default)]
struct Found {
    text: String,
    rows: Vec<serde_json::Value>,
    plain: Vec<String>,
    checked: u64,
    expected: u64,
    unexplained: u64,
    incomplete: Vec<String>,
}

impl Verify {
    /// Does it.
    pub(crate) async fn run(self, context: &Context) -> Result<Answer, Failure> {
        let usage = if self.repair { Use::Write } else { Use::Look };
        let mut session = Session::open(context, usage, Reach::Systems).await?;
        let mut found = self.compare(&mut session, context).await?;
        if self.repair && found.unexplained > 0 {
            self.mend(&mut session, context).await?;
            let before = std::mem::take(&mut found.text);
            found = self.compare(&mut session, context).await?;
            found.text = format!("{before}\nafter the repair\n{}", found.text);
        }
        let summary = match (found.expected, found.unexplained) {
            (0, 0) => format!("no difference in {} rows", words::count(found.checked)),
            (expected, unexplained) => {
                format!(
                    "{} expected, {} unexplained",
                    words::count(expected),
                    words::count(unexplained)
                )
            }
        };
        let next = if found.unexplained > 0 && !self.repair {
            format!("{summary}. Next: syncline verify --repair     (shows a plan first)")
        } else {
            summary.clone()
        };
        let text = format!("{}{next}", found.text);
        let mut answer = Answer::new(summary)
            .with_text(text)
            .with_plain(found.plain.join("\n"))
            .with_result(json!({ "bindings": found.rows, "expected": found.expected, "unexplained": found.unexplained }));
        if found.unexplained > 0 {
            answer = answer.with_exit(Exit::Differences);
        }
        if let Some(reason) = found.incomplete.first() {
            answer = answer.with_error(
                Failure::new("run.incomplete", "not everything was compared")
                    .cause(reason.clone())
                    .fix("syncline verify"),
            );
        }
        if let Some((system, failure)) = session.troubles().next() {
            answer = answer.with_error(of_system(&system, &failure));
        }
        Ok(match session.stopped() {
            Some(exit) => answer.with_exit(exit),
            None => answer,
        })
    }

    async fn compare(&self, session: &mut Session, context: &Context) -> Result<Found, Failure> {
        let mut found = Found::default();
        let mut aside: BTreeSet<(BindingIndex, RowKey)> = BTreeSet::new();
        let mut waiting: BTreeSet<RecordId> = BTreeSet::new();
        for entry in session.hub.quarantine(1_000_000).await? {
            waiting.extend(entry.record);
            match entry.subject {
                Subject::Row { binding, key } => {
                    aside.insert((binding, key));
                }
                Subject::Write { record, .. }
                | Subject::Record { record }
                | Subject::Excess { record, .. } => {
                    waiting.insert(record);
                }
            }
        }
        waiting
            .extend(session.hub.conflicts(false, 1_000_000).await?.into_iter().map(|it| it.record));
        let entities = session.entities(self.entity.as_deref())?;
        let (compiled, hub, stop) =
            (session.plan.clone(), session.hub.clone(), session.stop.clone());
        let progress = Progress::new("verify", context.progress);
        let paces = session.paces.clone();
        let desk = Session::desk(&compiled, &hub, &progress, &stop, RunId(0)).paced(Some(&*paces));
        for entity in entities {
            let set_aside =
                |binding: BindingIndex, key: &RowKey| aside.contains(&(binding, key.clone()));
            let waits = |record: RecordId| waiting.contains(&record);
            let options = verify::Options {
                columns: self.fields(session, entity)?,
                rows_max: self.sample,
                set_aside: &set_aside,
                waiting: &waits,
            };
            let results = verify::verify(&desk, &mut session.systems, entity, &options).await?;
            let mut table = Table::new(&[
                "",
                "in scope>",
                "matched>",
                "differs>",
                "missing>",
                "extra>",
                "columns that differ",
            ]);
            for (binding, compared) in &results {
                add(session, *binding, compared, &mut table, &mut found);
            }
            found.plain.push(table.plain());
            found.text.push_str(&format!("{}\n{}\n", session.entity_name(entity), table.text()));
        }
        Ok(found)
    }

    fn fields(
        &self,
        session: &Session,
        entity: syncline_core::name::EntityIndex,
    ) -> Result<Option<Vec<syncline_core::name::FieldIndex>>, Failure> {
        if self.columns.is_empty() {
            return Ok(None);
        }
        let Some(found) = session.plan.entity(entity) else { return Ok(None) };
        let mut fields = Vec::new();
        for name in &self.columns {
            let field = found.field_named(name);
            // Of several entities, each is compared by those of the fields that it has.
            let is_known = self.entity.is_none()
                && session.plan.entities.iter().any(|entity| entity.field_named(name).is_some());
            if field.is_none() && !is_known {
                return Err(Failure::new(
                    "address.unknown",
                    format!("no field is called `{name}`"),
                )
                .fix("syncline config show lists the fields"));
            }
            fields.extend(field);
        }
        Ok(Some(fields))
    }

    /// Shows what a full pass would do, asks, and does it.
    async fn mend(&self, session: &mut Session, context: &Context) -> Result<(), Failure> {
        let entities = session.entities(self.entity.as_deref())?;
        let wish = Wish {
            entities: entities.clone(),
            samples: 3,
            limit: None,
            depth: Depth::Full,
            record: None,
        };
        let progress = Progress::new("planning", context.progress);
        let planned = overlay::plan(session, &wish, &progress).await?;
        drop(progress);
        report::note(&plan::show(session, &planned, "a full comparison"));
        let question = format!("{}. Do it?", plan::summary(&planned));
        if !(context.yes || context.interactive && ask::yes(&question)) {
            return Err(Failure::new(
                "run.unapproved",
                "the repair was not approved; nothing was written",
            )
            .fix("answer on a terminal, or say --yes"));
        }
        let progress = Progress::new("repair", context.progress);
        let order = Order {
            kind: "repair",
            entities,
            depth: Depth::Full,
            allow: syncline_engine::pass::Allow::default(),
            allow_partial: true,
            chooses: None,
            halves: Halves::Both,
            beside: None,
        };
        let outcome = crate::pass::run(session, order, &progress).await?;
        drop(progress);
        for line in &outcome.lines {
            context.note(line);
        }
        match outcome.error {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

/// The name of the note that keeps what the last comparison of an entity has found.
fn note(entity: &str) -> String {
    format!("verified:{entity}")
}

/// Puts on record that an entity is compared.
///
/// # Errors
/// The hub's.
pub(crate) async fn begin(session: &Session, name: &str) -> Result<RunId, Failure> {
    let entity = session.entities(Some(name))?.first().copied();
    Ok(session.hub.begin_run("verify", "person", entity, Session::now()).await?)
}

/// Puts on record what came of it.
///
/// # Errors
/// The hub's.
pub(crate) async fn end(
    session: &Session,
    name: &str,
    run: RunId,
    answered: &Result<Answer, Failure>,
) -> Result<(), Failure> {
    let (outcome, message) = match answered {
        Ok(answer) => {
            let found = json!({ "run": run.to_string(), "found": answer.result });
            session.hub.set_note(&note(name), &found.to_string()).await?;
            let is_whole = answer.exit == Exit::Done && answer.error.is_none();
            (if is_whole { "ok" } else { "partial" }, answer.summary.clone())
        }
        Err(failure) => ("failed", format!("{} [{}]", failure.message, failure.code)),
    };
    session.hub.end_run(run, Session::now(), outcome, &message, &[]).await?;
    Ok(())
}

/// What this comparison has found, if it was the last one of its entity.
///
/// # Errors
/// The hub's.
pub(crate) async fn found(
    session: &Session,
    name: &str,
    run: RunId,
) -> Result<Option<serde_json::Value>, Failure> {
    let Some(text) = session.hub.note(&note(name)).await? else { return Ok(None) };
    let kept: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let is_own = kept.get("run").and_then(serde_json::Value::as_str) == Some(&run.to_string());
    Ok(kept.get("found").filter(|_| is_own).cloned())
}

fn add(
    session: &Session,
    binding: BindingIndex,
    compared: &Compared,
    table: &mut Table,
    found: &mut Found,
) {
    let Some(at) = session.plan.binding(binding) else { return };
    let Some(entity) = session.plan.entity(at.entity) else { return };
    let system = session.system_name(at.system);
    if let Some(measures) = measure::here() {
        let kinds = [
            ("missing", compared.missing),
            ("extra", compared.extra),
            ("differs", compared.differs),
        ];
        measures.compared(&entity.name, system, kinds);
    }
    let name = match entity.parent {
        Some(_) => format!("{system} {}", entity.name),
        None => system.to_owned(),
    };
    let named: Vec<(&str, u64)> = compared
        .columns
        .iter()
        .filter_map(|(field, count)| Some((entity.field(*field)?.name.as_ref(), *count)))
        .collect();
    let columns: Vec<String> =
        named.iter().map(|(name, count)| format!("{name} {}", words::count(*count))).collect();
    let mut columns = columns.join(", ");
    if compared.expected > 0 {
        let gap = if columns.is_empty() { "" } else { " " };
        columns.push_str(&format!("{gap}({} expected)", words::count(compared.expected)));
    }
    table.row([
        name,
        words::count(compared.in_scope),
        words::count(compared.matched),
        words::count(compared.differs),
        words::count(compared.missing),
        words::count(compared.extra),
        columns,
    ]);
    found.rows.push(json!({
        "entity": entity.name.as_str(),
        "system": system,
        "in_scope": compared.in_scope,
        "matched": compared.matched,
        "differs": compared.differs,
        "missing": compared.missing,
        "extra": compared.extra,
        "expected": compared.expected,
        "columns": named.into_iter().collect::<BTreeMap<_, _>>(),
        "incomplete": compared.incomplete,
    }));
    found.checked += compared.compared();
    found.expected += compared.expected;
    found.unexplained += compared.unexplained();
    found
        .incomplete
        .extend(compared.incomplete.as_ref().map(|reason| format!("{system}: {reason}")));
}
