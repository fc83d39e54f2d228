//! `syncline status`: one screen: state, last success, errors, what waits for a person.

use std::time::Duration;

use clap::Args;
use serde_json::{Value as Json, json};
use syncline_core::{
    name::{EntityIndex, Timestamp},
    plan::Schedule,
};
use syncline_ports::{reader::Reader as _, store::Store as _};

use crate::{
    cli::Context,
    exit::Exit,
    report::{Answer, Failure},
    session::{Reach, Session, Use},
    words::{self, Table},
};

/// Flags of `status`.
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Only this entity or system.
    pub(crate) name: Option<String>,
    /// Show it again and again, until Ctrl-C.
    #[arg(long)]
    pub(crate) watch: bool,
    /// Wait until all is well, at most so long: `60s`.
    #[arg(long, value_name = "DURATION")]
    pub(crate) wait_healthy: Option<String>,
}

/// One look at everything.
struct Look {
    text: String,
    plain: String,
    result: Json,
    needs: u64,
    healthy: bool,
}

impl Status {
    /// Does it.
    pub(crate) async fn run(self, context: &Context) -> Result<Answer, Failure> {
        let wait = match self.wait_healthy.as_deref() {
            None => None,
            Some(text) => {
                Some(words::parse_span(text).ok_or_else(|| crate::cli::run::bad_time(text))?)
            }
        };
        let began = Session::now();
        loop {
            let session = match Session::open(context, Use::Look, Reach::Hub).await {
                Err(failure) if failure.code == "hub.missing" && !self.watch && wait.is_none() => {
                    return never(context, self.name.as_deref());
                }
                session => session?,
            };
            let look = look(&session, self.name.as_deref()).await?;
            if self.watch && session.stopped().is_none() {
                crate::report::say(&if context.json { look.result.to_string() } else { look.text });
                pause(Duration::from_secs(2), &session).await;
                continue;
            }
            if let (Some(wait), false, None) = (wait, look.healthy, session.stopped())
                && began.plus_ms(wait) > Session::now()
            {
                pause(Duration::from_millis(500), &session).await;
                continue;
            }
            let summary = match look.needs {
                0 => "nothing waits for you".to_owned(),
                needs => format!(
                    "{} you",
                    words::counted(needs, "thing")
                        .replace("thing", "thing needs")
                        .replace("needss", "need")
                ),
            };
            let answer = Answer::new(summary)
                .with_text(look.text)
                .with_plain(look.plain)
                .with_result(look.result);
            let unhealthy = wait.is_some() && !look.healthy;
            return Ok(if unhealthy { answer.with_exit(Exit::Failed) } else { answer });
        }
    }
}

/// Before the first run there is no hub, which is no failure: everything is still to be done.
fn never(context: &Context, name: Option<&str>) -> Result<Answer, Failure> {
    let plan = crate::config::load(context)?.compile(None).0;
    let mut table = Table::new(&["ENTITY", "STATE", "LAST SUCCESS"]);
    let mut rows = Vec::new();
    let is_system = name.is_some_and(|name| plan.system_named(name).is_some());
    for entity in plan.entities.iter().filter(|entity| entity.parent.is_none() && !is_system) {
        if name.is_none_or(|name| name == entity.name.as_str()) {
            table.row([entity.name.as_str(), "never run", "never"]);
            rows.push(json!({ "entity": entity.name.as_str(), "state": "never run", "last_success": null }));
        }
    }
    if let (Some(name), true, false) = (name, rows.is_empty(), is_system) {
        return Err(Failure::new("usage.unknown_entity", format!("there is no entity `{name}`"))
            .fix("syncline config show lists them"));
    }
    let text = format!("Never run. Next: syncline plan\n{}", table.text());
    let result = json!({ "needs": 0, "healthy": false, "entities": rows, "systems": [] });
    Ok(Answer::new("never run").with_text(text).with_plain(table.plain()).with_result(result))
}

async fn pause(span: Duration, session: &Session) {
    let until = tokio::time::Instant::now() + span;
    while session.stopped().is_none() && tokio::time::Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn look(session: &Session, name: Option<&str>) -> Result<Look, Failure> {
    let mut entities = session.entities(None)?;
    let mut systems: Vec<_> =
        session.plan.systems.iter().map(|system| system.name.clone()).collect();
    if let Some(name) = name {
        if session.plan.system_named(name).is_some() {
            systems.retain(|system| system == name);
            entities.clear();
        } else {
            entities = session.entities(Some(name))?;
            systems.clear();
        }
    }
    let now = Session::now();
    let conflicts = session.hub.conflicts(false, 100_000).await?;
    let quarantine = session.hub.quarantine(100_000).await?;
    let guards = session.hub.guards(false).await?;
    let pauses = session.pauses().await?;
    let mut table = Table::new(&[
        "ENTITY",
        "STATE",
        "LAST SUCCESS",
        "RECORDS>",
        "TODAY + ~ ->",
        "ERRORS>",
        "WAITING",
    ]);
    let (mut rows, mut needs, mut healthy) = (Vec::new(), 0, true);
    for entity in entities {
        let waiting = [
            (
                conflicts.iter().filter(|it| is_of(session, it.entity, entity)).count() as u64,
                "conflict",
            ),
            (
                quarantine
                    .iter()
                    .filter(|it| is_of(session, it.entity, entity) && it.dropped.is_none())
                    .count() as u64,
                "quarantined",
            ),
            (guards.iter().filter(|it| it.entity == entity).count() as u64, "guard"),
        ];
        needs += waiting.iter().map(|(count, _)| count).sum::<u64>();
        let row = row(session, entity, now, &waiting, &pauses).await?;
        healthy &=
            row.errors == 0 && row.last.is_some() && waiting.iter().all(|(count, _)| *count == 0);
        table.row(row.cells());
        rows.push(row.json());
    }
    let mut out = match needs {
        0 => String::new(),
        1 => format!("1 thing needs you: {}\n", first_command(&conflicts, &quarantine, &guards)),
        many => format!(
            "{} things need you: {}\n",
            words::count(many),
            first_command(&conflicts, &quarantine, &guards)
        ),
    };
    if !table.is_empty() {
        out.push_str(&table.text());
        out.push('\n');
    }
    let (system_table, system_rows) = systems_table(session, &systems, &pauses, now).await?;
    if !system_table.is_empty() {
        out.push_str(&system_table.text());
    }
    let plain = format!("{}\n{}", table.plain(), system_table.plain());
    let result =
        json!({ "needs": needs, "healthy": healthy, "entities": rows, "systems": system_rows });
    Ok(Look { text: out, plain, result, needs, healthy })
}

/// Whether something of `found` (perhaps a child list) belongs to `entity`.
fn is_of(session: &Session, found: EntityIndex, entity: EntityIndex) -> bool {
    found == entity || session.plan.entity(found).and_then(|found| found.parent) == Some(entity)
}

fn first_command(
    conflicts: &[syncline_ports::reader::Conflict],
    quarantine: &[syncline_ports::reader::Quarantined],
    guards: &[syncline_ports::reader::Guard],
) -> String {
    if let Some(guard) = guards.first() {
        return format!("syncline guards show {}", guard.number);
    }
    if let Some(conflict) = conflicts.first() {
        return format!("syncline conflicts show {}", conflict.number);
    }
    quarantine
        .first()
        .map_or_else(String::new, |entry| format!("syncline quarantine show {}", entry.number))
}

struct EntityRow {
    name: String,
    state: String,
    last: Option<Timestamp>,
    now: Timestamp,
    records: u64,
    today: [u64; 3],
    errors: u64,
    waiting: String,
}

impl EntityRow {
    fn cells(&self) -> Vec<String> {
        let [creates, updates, deletes] = self.today;
        vec![
            self.name.clone(),
            self.state.clone(),
            self.last.map_or_else(
                || "never".into(),
                |last| format!("{} ago", words::age(self.now, last)),
            ),
            words::count(self.records),
            format!(
                "{} {} {}",
                words::count(creates),
                words::count(updates),
                words::count(deletes)
            ),
            words::count(self.errors),
            self.waiting.clone(),
        ]
    }

    fn json(&self) -> Json {
        let [creates, updates, deletes] = self.today;
        json!({
            "entity": self.name,
            "state": self.state,
            "last_success": self.last.map(words::time),
            "records": self.records,
            "today": { "creates": creates, "updates": updates, "deletes": deletes },
            "errors": self.errors,
            "waiting": self.waiting,
        })
    }
}

async fn row(
    session: &Session,
    entity: EntityIndex,
    now: Timestamp,
    waiting: &[(u64, &str)],
    pauses: &[syncline_ports::reader::Pause],
) -> Result<EntityRow, Failure> {
    let name = session.entity_name(entity).to_owned();
    let last = session.hub.note(&format!("success:{name}")).await?;
    let approved = session.hub.approval(&name).await?;
    let (mut today, mut errors) = ([0; 3], 0);
    for run in session.hub.runs(Some(entity), 1_000).await? {
        if run.started.plus_ms(86_400_000) < now {
            break;
        }
        errors += u64::from(run.outcome == "failed");
        for (_, inserts, updates, deletes) in &run.writes {
            for (sum, count) in today.iter_mut().zip([inserts, updates, deletes]) {
                *sum += count;
            }
        }
    }
    let behind = session.hub.count_behind(entity, now).await?;
    let backlog: u64 =
        behind.iter().map(|(_, count)| count.inserts + count.updates + count.deletes).sum();
    let mut words: Vec<String> = waiting
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, noun)| match *noun {
            "quarantined" => format!("{count} quarantined"),
            noun => words::counted(*count, noun),
        })
        .collect();
    if backlog > 0 {
        words.push(format!("{} to write", words::count(backlog)));
    }
    Ok(EntityRow {
        state: state(session, entity, approved.is_some(), pauses),
        last: last.and_then(|text| text.parse::<i64>().ok()).map(Timestamp),
        now,
        records: session.hub.count_records(entity).await?,
        today,
        errors,
        waiting: if words.is_empty() { "-".into() } else { words.join(", ") },
        name,
    })
}

fn state(
    session: &Session,
    entity: EntityIndex,
    approved: bool,
    pauses: &[syncline_ports::reader::Pause],
) -> String {
    let name = session.entity_name(entity);
    if pauses.iter().any(|pause| pause.name == name) {
        return "paused".into();
    }
    if !approved {
        return "not approved".into();
    }
    match session.plan.entity(entity).map(|found| &found.schedule) {
        Some(Schedule::Every(milliseconds)) => format!("every {}", words::span(*milliseconds)),
        Some(Schedule::Cron(cron)) => format!("cron {cron}"),
        Some(Schedule::Live) | None => "on demand".into(),
    }
}

async fn systems_table(
    session: &Session,
    systems: &[syncline_core::Text],
    pauses: &[syncline_ports::reader::Pause],
    now: Timestamp,
) -> Result<(Table, Vec<Json>), Failure> {
    let mut table = Table::new(&["SYSTEM", "DETECTION", "LAST READ", "NOTE"]);
    let mut rows = Vec::new();
    for name in systems {
        let Some(system) = session.plan.system_named(name) else { continue };
        let mut last: Option<Timestamp> = None;
        let mut polls = false;
        for (index, binding) in session.plan.bindings.iter().enumerate() {
            if binding.system != system {
                continue;
            }
            polls |= binding.table.cursor.is_some() || binding.table.changed_at.is_some();
            let index = syncline_core::name::BindingIndex(u16::try_from(index).unwrap_or(u16::MAX));
            last = last.max(crate::pass::last_scan(session, index).await?);
        }
        let note = match pauses.iter().find(|pause| pause.name == *name) {
            Some(pause) if pause.writes_only => "paused (writes only)",
            Some(_) => "paused",
            None => "",
        };
        let detection = if polls { "poll" } else { "full compare" };
        let read =
            last.map_or_else(|| "never".into(), |last| format!("{} ago", words::age(now, last)));
        table.row([name.to_string(), detection.to_owned(), read, note.to_owned()]);
        rows.push(json!({
            "system": name.as_str(),
            "detection": detection,
            "last_full_compare": last.map(words::time),
            "paused": !note.is_empty(),
        }));
    }
    Ok((table, rows))
}
