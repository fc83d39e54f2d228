//! `syncline status`: one screen: state, last success, errors, what waits for a person, delay.

mod delay;
pub(crate) mod drawn;
mod links;
mod systems;

use std::{collections::BTreeMap, sync::atomic::AtomicBool, time::Duration};

use clap::Args;
use serde_json::{Value as Json, json};
use syncline_adapters::hub::sqlite::SqliteHub;
use syncline_core::{
    name::{EntityIndex, Timestamp},
    plan::Schedule,
};
use syncline_ports::{
    reader::{Entry, Guard, HistoryFilter, Pause, Reader as _, Waits},
    store::Store as _,
};

use crate::{
    books,
    cli::Context,
    doubts,
    exit::Exit,
    grace::{self, Grace},
    report::{self, Answer, Failure, Paint},
    session::{self, Reach, Session, Use},
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

const DAY_MS: i64 = 86_400_000;
/// Changes whose delays are looked at.
const CHANGES_MAX: usize = 4_000;

/// Everything at once for programs, or one entity or system.
pub(crate) async fn json(session: &Session, name: Option<&str>) -> Result<Json, Failure> {
    Ok(look(session, name).await?.result)
}

/// One look at everything.
struct Look {
    text: String,
    plain: String,
    result: Json,
    summary: String,
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
        let stop = session::stop_on_signals();
        let began = Session::now();
        loop {
            let look = self.look(context).await?;
            let stopped = session::stopped(&stop);
            if self.watch && stopped.is_none() {
                show(context, &look);
                pause(Duration::from_secs(2), &stop).await;
                continue;
            }
            if let (Some(wait), false, None) = (wait, look.healthy, stopped)
                && began.plus_ms(wait) > Session::now()
            {
                pause(Duration::from_millis(500), &stop).await;
                continue;
            }
            let is_ill = wait.is_some() && !look.healthy;
            let mut answer = Answer::new(look.summary).with_result(look.result);
            // Whoever watched has seen it.
            if !self.watch {
                answer = answer.with_text(look.text).with_plain(look.plain);
            }
            return Ok(match (stopped, is_ill) {
                (Some(exit), _) => answer.with_exit(exit),
                (None, true) => answer.with_exit(Exit::Failed),
                (None, false) => answer,
            });
        }
    }

    /// One look; a hub that is not there yet is one, too.
    async fn look(&self, context: &Context) -> Result<Look, Failure> {
        match Session::open(context, Use::Look, Reach::Hub).await {
            Ok(session) => look(&session, self.name.as_deref()).await,
            Err(failure) if failure.code == "hub.missing" => never(context, self.name.as_deref()),
            Err(failure) => Err(failure),
        }
    }
}

/// One of the looks of `--watch`.
fn show(context: &Context, look: &Look) {
    // On a terminal, in the place of the one before.
    let clear = if context.paint_out == Paint::Ansi { "\u{1b}[2J\u{1b}[H" } else { "" };
    report::say(&match (context.json, context.plain) {
        (true, _) => look.result.to_string(),
        (false, true) => look.plain.clone(),
        (false, false) => format!("{clear}{}", look.text.trim_end()),
    });
}

/// Before the first run there is no hub, which is no failure: everything is still to be done.
fn never(context: &Context, name: Option<&str>) -> Result<Look, Failure> {
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
    Ok(Look { text, plain: table.plain(), result, summary: "never run".into(), healthy: false })
}

async fn pause(span: Duration, stop: &AtomicBool) {
    let until = tokio::time::Instant::now() + span;
    while session::stopped(stop).is_none() && tokio::time::Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The columns of entities, and of systems.
const ENTITIES: [&str; 8] = [
    "ENTITY",
    "STATE",
    "LAST SUCCESS",
    "RECORDS>",
    "TODAY + ~ ->",
    "ERRORS>",
    "WAITING",
    "P95 DELAY>",
];
const SYSTEMS: [&str; 6] = ["SYSTEM", "UP", "DETECTION", "BEHIND", "RETAINED", "NOTE"];

async fn look(session: &Session, name: Option<&str>) -> Result<Look, Failure> {
    let mut entities = session.entities(None)?;
    let mut systems: Vec<_> =
        session.plan.systems.iter().map(|system| system.name.clone()).collect();
    if let Some(name) = name {
        if session.plan.system_named(name).is_some() {
            systems.retain(|system| system == name);
            entities.clear();
        } else {
            let found = session.entities(Some(name));
            entities = found.map_err(|failure| super::pause::or_system(session, failure))?;
            systems.clear();
        }
    }
    let now = Session::now();
    let waits = session.hub.count_open().await?;
    let guards = session.hub.guards(false).await?;
    let pauses = session.pauses().await?;
    let mut table = Table::new(&ENTITIES);
    // Of a day, and at most so many, so that looking stays cheap.
    let filter = HistoryFilter {
        since: Some(now.plus_ms(-DAY_MS)),
        limit: CHANGES_MAX,
        ..HistoryFilter::default()
    };
    let (changes, _) = session.hub.history_part(&filter, CHANGES_MAX).await?;
    let (mut rows, mut needs, mut healthy, mut first) = (Vec::new(), 0, true, None);
    for entity in entities {
        let own = Open::of(session, entity, &waits, &guards);
        let row = row(session, entity, now, &own, &pauses, &changes).await?;
        needs += own.count();
        healthy &= row.is_well && own.count() == 0;
        first = first.or_else(|| own.first_command());
        table.row(row.cells());
        rows.push(row.json());
    }
    let summary = match needs {
        0 => "nothing waits for you".to_owned(),
        needs => format!("{} you", words::several(needs, "thing needs", "things need")),
    };
    let mut out =
        first.as_ref().map(|command| format!("{summary}: {command}\n")).unwrap_or_default();
    if !table.is_empty() {
        out.push_str(&table.text());
        out.push('\n');
    }
    let (system_table, system_rows) = systems::table(session, &systems, &pauses, now).await?;
    healthy &= system_rows.iter().all(|row| row.get("up") != Some(&json!(false)));
    if !system_table.is_empty() {
        out.push_str(&system_table.text());
    }
    let plain = format!("{}\n{}", table.plain(), system_table.plain());
    let result = json!({ "needs": needs, "next": first, "healthy": healthy, "entities": rows, "systems": system_rows });
    Ok(Look { text: out, plain, result, summary, healthy })
}

/// What waits for a person.
#[derive(Default)]
struct Open {
    waits: Waits,
    guards: u64,
    guard: Option<u64>,
}

impl Open {
    /// What belongs to this entity or its child lists.
    fn of(
        session: &Session,
        entity: EntityIndex,
        waits: &BTreeMap<EntityIndex, Waits>,
        guards: &[Guard],
    ) -> Self {
        let is_own = |found: EntityIndex| session.plan.root_of(found) == entity;
        let mut own = Self::default();
        for (_, found) in waits.iter().filter(|(found, _)| is_own(**found)) {
            own.waits.conflicts += found.conflicts;
            own.waits.conflict = own.waits.conflict.max(found.conflict);
            own.waits.quarantined += found.quarantined;
            let entries = own.waits.entry.into_iter().chain(found.entry);
            own.waits.entry = entries.min();
        }
        let mut guards = guards.iter().filter(|it| is_own(it.entity)).map(|it| it.number);
        own.guard = guards.next();
        own.guards = u64::from(own.guard.is_some()) + guards.count() as u64;
        own
    }

    fn count(&self) -> u64 {
        self.waits.conflicts + self.waits.quarantined + self.guards
    }

    /// What to look at first: guards stop most, then conflicts, then single rows.
    fn first_command(&self) -> Option<String> {
        let show = |what: &'static str| move |it: u64| format!("syncline {what} show {it}");
        let conflict = self.waits.conflict.map(show("conflicts"));
        let entry = self.waits.entry.map(show("quarantine"));
        self.guard.map(show("guards")).or(conflict).or(entry)
    }

    /// `2 conflicts, 1 quarantined`.
    fn words(&self) -> Vec<String> {
        let (conflicts, guards) = (self.waits.conflicts, self.guards);
        let quarantined = self.waits.quarantined;
        let all = [
            (conflicts, words::counted(conflicts, "conflict")),
            (quarantined, format!("{} quarantined", words::count(quarantined))),
            (guards, words::counted(guards, "guard")),
        ];
        all.into_iter().filter(|(count, _)| *count > 0).map(|(_, text)| text).collect()
    }
}

struct EntityRow {
    name: String,
    state: String,
    last: Option<Timestamp>,
    now: Timestamp,
    records: u64,
    today: [u64; 3],
    /// What became of all that was observed within a day.
    books: Json,
    errors: u64,
    waiting: String,
    numbers: [u64; 3],
    to_write: u64,
    /// Fields that the loop guard holds.
    held: u64,
    in_doubt: u64,
    /// Each system of it, for programs.
    links: Vec<Json>,
    /// How long nearly all changes of the last day took to arrive.
    p95_ms: Option<i64>,
    /// It ran, and the last run did not fail.
    is_well: bool,
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
            self.p95_ms.map_or_else(|| "-".into(), words::span),
        ]
    }

    fn json(&self) -> Json {
        let [creates, updates, deletes] = self.today;
        let [conflicts, quarantined, guards] = self.numbers;
        json!({
            "entity": self.name,
            "state": self.state,
            "last_success": self.last.map(words::time),
            "records": self.records,
            "today": { "creates": creates, "updates": updates, "deletes": deletes },
            "books": self.books,
            "errors": self.errors,
            "waiting": self.waiting,
            "conflicts": conflicts,
            "quarantined": quarantined,
            "guards": guards,
            "to_write": self.to_write,
            "held": self.held,
            "in_doubt": self.in_doubt,
            "p95_delay_ms": self.p95_ms,
            "links": self.links,
        })
    }
}

async fn row(
    session: &Session,
    entity: EntityIndex,
    now: Timestamp,
    open: &Open,
    pauses: &[Pause],
    changes: &[Entry],
) -> Result<EntityRow, Failure> {
    let name = session.entity_name(entity).to_owned();
    let last = session.hub.note(&format!("success:{name}")).await?;
    let approved = session.hub.approval(&name).await?;
    let lately = session.hub.lately(entity, now.plus_ms(-DAY_MS)).await?;
    let first = lately.first.unwrap_or(now);
    let is_own = |found| session.plan.root_of(found) == entity;
    let arrived = delay::arrived(changes, is_own, first);
    let p95_ms = delay::percentile(arrived.iter(), 95);
    let is_well = matches!(lately.last_outcome.as_deref(), Some("ok" | "partial"));
    let behind = session.hub.count_behind(entity, now).await?;
    let backlog: u64 =
        behind.iter().map(|(_, count)| count.inserts + count.updates + count.deletes).sum();
    let mut words = open.words();
    if backlog > 0 {
        words.push(format!("{} to write", words::count(backlog)));
    }
    let doubts = doubts::of(session, entity).await?;
    words.extend(doubts::shown(session, &doubts));
    words.extend(grace::of(&session.hub, &session.plan, entity).await?.map(Grace::words));
    let is_served = is_served(session).await?;
    let known = links::Known { behind: &behind, arrived: &arrived, is_served, now };
    let links = links::of(session, entity, &known).await?;
    let held = links.iter().map(links::Link::held).sum();
    if held > 0 {
        words.push(format!("{} held", words::counted(held, "field")));
    }
    words.extend(links.iter().filter_map(links::Link::alarm));
    let last = last.and_then(|text| text.parse::<i64>().ok()).map(Timestamp);
    Ok(EntityRow {
        p95_ms,
        is_well: is_well && last.is_some() && links.iter().all(|link| link.alarm().is_none()),
        links: links.iter().map(links::Link::json).collect(),
        numbers: [open.waits.conflicts, open.waits.quarantined, open.guards],
        to_write: backlog,
        held,
        in_doubt: doubts.values().map(|doubts| doubts.count).sum(),
        state: state(session, entity, approved.is_some(), is_served, pauses),
        last,
        now,
        records: session.hub.count_records(entity).await?,
        books: books::of_fates(&lately.fates),
        today: [lately.inserts, lately.updates, lately.deletes],
        errors: lately.failed,
        waiting: if words.is_empty() { "-".into() } else { words.join(", ") },
        name,
    })
}

fn state(
    session: &Session,
    entity: EntityIndex,
    approved: bool,
    is_served: bool,
    pauses: &[Pause],
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
        Some(Schedule::Live) | None if is_served => "live".into(),
        Some(Schedule::Live) | None => "on demand".into(),
    }
}

/// Whether a daemon works on the hub just now.
async fn is_served(session: &Session) -> Result<bool, Failure> {
    let daemon = session.hub.note("serve").await?.unwrap_or_default();
    let holder = SqliteHub::holder(&session.loaded.hub_path()).unwrap_or_default();
    Ok(!daemon.is_empty() && holder.starts_with(&format!("{daemon},")))
}
