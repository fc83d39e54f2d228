//! One pass as a command runs it: approvals and pauses before, a line per entity after.

use std::collections::BTreeMap;

use serde_json::json;
use syncline_core::{
    commit::Disposition,
    name::{BindingIndex, EntityIndex, SystemIndex, Timestamp},
    plan::Schedule,
};
use syncline_engine::{
    apply::{Chooses, Everything},
    capture::{Mode, has_cursor, stream_name},
    desk::Watch,
    measure::Found,
    pass::{self, Allow, EntityPassed, Errand, Passed},
    recover,
};
use syncline_ports::{reader::Reader as _, store::Store as _};

use crate::{
    columns,
    doubts::{self, Doubts},
    exit::Exit,
    fights,
    grace::{self, Grace},
    limits, measure,
    pass::restored::Heartbeats,
    report::{Answer, Failure},
    session::{Session, of_system},
    stopwatch::{Stopwatch, Timed},
    times::Times,
    words,
};

pub(crate) mod contact;
pub(crate) mod paused;
pub(crate) mod restored;
mod rewritten;
mod row;
pub(crate) mod scans;
pub(crate) mod tripped;

/// How much is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// What changed, where a system has a cursor and a full comparison is not due.
    Changes,
    /// Everything.
    Full,
}

/// What one pass is asked to do.
pub(crate) struct Order<'a> {
    /// `run`, `apply`, `refresh`, `verify` …
    pub(crate) kind: &'a str,
    /// Which entities.
    pub(crate) entities: Vec<EntityIndex>,
    /// How much is read.
    pub(crate) depth: Depth,
    /// What is allowed beyond the guards.
    pub(crate) allow: Allow,
    /// Records set aside do not change the exit.
    pub(crate) allow_partial: bool,
    /// Which records may be written; everything if `None`.
    pub(crate) chooses: Option<&'a dyn Chooses>,
    /// Which halves of a pass it has.
    pub(crate) halves: Halves,
    /// Others work on the hub beside it, in this process; it reads its bindings so.
    pub(crate) beside: Option<BTreeMap<BindingIndex, Mode>>,
}

/// A pass reads, then writes; `apply` looks at the plan in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Halves {
    /// It reads and writes.
    Both,
    /// It only reads.
    Reads,
    /// It only writes what the hub holds already.
    Writes,
}

/// How each binding is read: by its cursor if it has one and a full comparison is not due.
pub(crate) async fn modes(
    session: &Session,
    entities: &[EntityIndex],
    depth: Depth,
) -> Result<BTreeMap<BindingIndex, Mode>, Failure> {
    let mut modes = BTreeMap::new();
    let now = Session::now();
    for entity in entities {
        let reconcile = session.plan.entity(*entity).and_then(|entity| entity.reconcile_ms);
        for binding in pass::bindings(&session.plan, *entity) {
            if session.plan.is_held(binding) {
                // It is read with the rows that hold it.
                continue;
            }
            let mut mode = Mode::Scan;
            if depth == Depth::Changes && has_cursor(&session.plan, binding) {
                let began = session
                    .hub
                    .checkpoint(&stream_name(&session.plan, binding, Mode::Poll))
                    .await?;
                let last = scans::last(session, binding).await?;
                let due = match (last, reconcile) {
                    (None, _) => true,
                    (Some(last), Some(every)) => last.plus_ms(every) <= now,
                    (Some(_), None) => false,
                };
                if began.is_some() && !due {
                    mode = Mode::Poll;
                }
            }
            modes.insert(binding, mode);
        }
    }
    Ok(modes)
}

/// The pass, with everything a person should know about it.
pub(crate) struct Outcome {
    /// One report per entity.
    pub(crate) passed: Passed,
    /// How it ends.
    pub(crate) exit: Exit,
    /// One line per entity.
    pub(crate) lines: Vec<String>,
    /// For programs.
    pub(crate) result: serde_json::Value,
    /// The first refusal, if one.
    pub(crate) error: Option<Failure>,
}

impl Order<'_> {
    /// What set it going, for one entity.
    fn trigger(&self, session: &Session, entity: EntityIndex) -> &'static str {
        let schedule = session.plan.entity(entity).map(|found| &found.schedule);
        match (self.kind, self.halves, schedule) {
            ("serve", Halves::Reads, Some(Schedule::Every(_) | Schedule::Cron(_))) => "schedule",
            ("serve", Halves::Writes, _) => "live",
            ("serve", _, _) => "poll",
            _ => "person",
        }
    }
}

/// Runs one pass.
pub(crate) async fn run(
    session: &mut Session,
    order: Order<'_>,
    watch: &dyn Watch,
) -> Result<Outcome, Failure> {
    // Whoever waits for a pass need not have room for all that it keeps meanwhile.
    Box::pin(carry_out(session, order, watch)).await
}

async fn carry_out(
    session: &mut Session,
    mut order: Order<'_>,
    watch: &dyn Watch,
) -> Result<Outcome, Failure> {
    let paused = paused::leave_out(session, &mut order.entities).await?;
    let held = restored::leave_out(session, &mut order).await?;
    let began = Session::now();
    let mut entities = Vec::new();
    for entity in &order.entities {
        let trigger = order.trigger(session, *entity);
        let run = session.hub.begin_run(order.kind, trigger, Some(*entity), began).await?;
        entities.push((*entity, run));
    }
    let is_alone = order.beside.is_none();
    let modes = match order.beside.take() {
        Some(modes) => modes,
        None => modes(session, &order.entities, order.depth).await?,
    };
    let mut closed = paused.closed.clone();
    if order.kind == "serve" && order.halves == Halves::Both {
        // Its writers wait for the times of theirs.
        let times = Times::of(&session.loaded, &session.plan, jiff::tz::TimeZone::UTC);
        closed.extend(order.entities.iter().flat_map(|entity| times.systems(*entity)));
    }
    let errand = Errand {
        entities: entities.clone(),
        modes: modes.clone(),
        allow: order.allow.clone(),
        chooses: order.chooses.unwrap_or(&Everything),
        closed,
    };
    let polls = modes.values().any(|mode| *mode == Mode::Poll);
    let found = if polls { Found::Polled } else { Found::Compared };
    let first = entities.first().map(|(_, run)| *run).unwrap_or_default();
    let plan = limits::plan(session, &order.entities).await?;
    let hub = session.hub.clone();
    let stop = session.stop.clone();
    let turns = session.turns.clone();
    let paces = session.paces.clone();
    let stopwatch = Stopwatch::default();
    let watch = Timed { watch, stopwatch: &stopwatch };
    let desk = Session::desk(&plan, &hub, &watch, &stop, first)
        .beside(turns.as_deref())
        .paced(Some(&*paces))
        .found(found);
    let mut caught = Vec::new();
    let passed = async {
        // What others have sent and not heard of yet is not in doubt.
        if is_alone {
            recover::recover(&desk, &mut session.systems).await?;
        }
        match order.halves {
            Halves::Both => {
                let mut passed = pass::observe_all(&desk, &mut session.systems, &errand).await?;
                caught = restored::caught(session, &passed).await?;
                let rests = |it: &mut EntityPassed| {
                    paused.unwritten.contains(&it.entity) || caught.contains(&it.entity)
                };
                let resting = passed.entities.extract_if(.., rests);
                let resting: Vec<EntityPassed> = resting.collect();
                pass::write_all(&desk, &mut session.systems, &errand, &mut passed).await?;
                passed.entities.extend(resting);
                Ok(passed)
            }
            Halves::Reads => {
                let passed = pass::observe_all(&desk, &mut session.systems, &errand).await?;
                if order.kind != restored::KIND {
                    caught = restored::caught(session, &passed).await?;
                }
                Ok(passed)
            }
            Halves::Writes => {
                let mut passed = Passed::unread(&entities);
                pass::write_all(&desk, &mut session.systems, &errand, &mut passed).await?;
                Ok(passed)
            }
        }
    }
    .await;
    let passed: Passed = match passed {
        Ok(passed) => passed,
        Err(failure) => {
            let failure: Failure = failure;
            for (_, run) in &entities {
                let ended = Session::now();
                // The hub itself may be what failed: the run then stays open, and says so by that.
                let _closed =
                    session.hub.end_run(*run, ended, "failed", &failure.message, &[]).await;
            }
            return Err(failure);
        }
    };
    for report in &passed.entities {
        scans::remember(session, report, &modes, began).await?;
    }
    for (_, run) in &entities {
        session.hub.note_spans(*run, &stopwatch.take(*run, began)).await?;
    }
    if is_alone && order.halves != Halves::Reads {
        let written = paused.closed.is_empty();
        let heartbeats = if written { Heartbeats::Left } else { Heartbeats::LookedAt };
        restored::remember(session, &order.entities, heartbeats).await?;
    }
    let mut outcome = conclude(session, passed, &order, (&modes, &caught), began).await?;
    outcome.lines.extend(paused::lines(&paused));
    for failure in held.into_iter().chain(restored::said(session, &order).await?) {
        outcome.exit = outcome.exit.and(Exit::Refused);
        outcome.error.get_or_insert(failure);
    }
    Ok(outcome)
}

/// Closes the runs, records guards, and puts everything into words.
async fn conclude(
    session: &Session,
    passed: Passed,
    order: &Order<'_>,
    (modes, caught): (&BTreeMap<BindingIndex, Mode>, &[EntityIndex]),
    began: Timestamp,
) -> Result<Outcome, Failure> {
    contact::remember(session, &passed).await?;
    let mut outcome =
        Outcome { passed, exit: Exit::Done, lines: Vec::new(), result: json!([]), error: None };
    let mut rows = Vec::new();
    for report in &outcome.passed.entities {
        tripped::settle(session, report, order, modes).await?;
        let doubts = doubts::of(session, report.entity).await?;
        let (mut exit, error) = judge(session, report, &doubts, order).await?;
        if caught.contains(&report.entity) {
            // What it has read is no success: it waits for a decision.
            exit = exit.and(Exit::Refused);
        }
        let aside = session.hub.count_set_aside(report.run).await?;
        let mut waiting = doubts::shown(session, &doubts);
        waiting
            .extend(grace::of(&session.hub, &session.plan, report.entity).await?.map(Grace::words));
        let line = line(session, report, aside, waiting, began);
        let name = session.entity_name(report.entity).to_owned();
        let word = match exit {
            _ if session.stopped().is_some() => "stopped",
            Exit::Done => "ok",
            Exit::SetAside => "partial",
            Exit::Refused => "refused",
            Exit::Failed
            | Exit::Usage
            | Exit::Environment
            | Exit::Differences
            | Exit::Interrupted
            | Exit::Terminated => "failed",
        };
        let writes: Vec<_> = report
            .written
            .iter()
            .map(|(system, written)| (*system, written.inserts, written.updates, written.deletes))
            .collect();
        let ended = Session::now();
        session.hub.end_run(report.run, ended, word, &line, &writes).await?;
        measure::with(|it| it.passed(&session.plan, report));
        let took_ms = (ended.0 - began.0) / 1_000;
        measure::with(|it| it.ran(&name, order.trigger(session, report.entity), word, took_ms));
        if matches!(word, "ok" | "partial") {
            session.hub.set_note(&format!("success:{name}"), &ended.0.to_string()).await?;
            limits::begin(session, report.entity).await?;
        }
        let appeared = columns::appeared(session, report.entity).await?;
        columns::remember(session, report.entity).await?;
        rows.push(row::row(session, report, word, &appeared));
        outcome.lines.push(line);
        outcome.lines.extend(rewritten::lines(session, report));
        outcome.lines.extend(columns::lines(&appeared).iter().map(|line| format!("  {line}")));
        outcome.exit = outcome.exit.and(exit);
        outcome.error = outcome.error.or(error);
    }
    outcome.result = json!(rows);
    let failures = session.failures.iter().map(|(system, failure)| of_system(system, failure));
    if let Some(failure) = failures.reduce(|first, other| first.also(&other)) {
        outcome.exit = outcome.exit.and(Exit::Environment);
        outcome.error = Some(failure);
    }
    // A daemon says once what is paused.
    let paused = session.drift.paused.iter().filter(|_| order.kind != "serve");
    let paused = paused.map(|it| of_system(&it.system, &it.failure()));
    if let Some(failure) = paused.reduce(|first, other| first.also(&other)) {
        outcome.exit = outcome.exit.and(Exit::Environment);
        outcome.error = Some(match outcome.error.take() {
            Some(other) => failure.also(&other),
            None => failure,
        });
    }
    if let Some(exit) = session.stopped() {
        outcome.exit = outcome.exit.and(exit);
    }
    Ok(outcome)
}

/// How one entity's pass ends, and the refusal to show.
async fn judge(
    session: &Session,
    report: &EntityPassed,
    doubts: &BTreeMap<SystemIndex, Doubts>,
    order: &Order<'_>,
) -> Result<(Exit, Option<Failure>), Failure> {
    let (mut exit, mut error) = (Exit::Done, None);
    let failures = report.failures.iter().map(|(system, failure)| {
        of_system(session.system_name(*system), &Failure::from(failure.clone()))
    });
    if let Some(failure) = failures.reduce(|first, other| first.also(&other)) {
        exit = exit.and(Exit::Environment);
        error.get_or_insert(failure);
    }
    for (system, reason) in &report.put_off {
        let failure = put_off(session, report, *system, reason);
        exit = exit.and(failure.exit);
        error.get_or_insert(failure);
    }
    for tripped in &report.tripped {
        let failure = tripped::record(session, report, tripped).await?;
        exit = exit.and(Exit::Refused);
        error.get_or_insert(failure);
    }
    if let Some(failure) = fights::suspected(session, report).await? {
        exit = exit.and(Exit::Refused);
        error.get_or_insert(failure);
    }
    for (binding, reason) in &report.incomplete {
        let system = session.plan.binding(*binding).map(|found| found.system);
        let down = system
            .is_some_and(|system| session.systems.get(system.at()).is_none_or(Option::is_none));
        if !down {
            exit = exit.and(Exit::Failed);
            let name = session.entity_name(report.entity);
            let system = system.map(|system| session.system_name(system)).unwrap_or_default();
            error.get_or_insert(
                Failure::new(
                    "run.incomplete",
                    format!("{name} was not read completely from {system}"),
                )
                .cause(reason.clone())
                .done("what was read is committed; no delete was inferred from a partial read")
                .fix(format!("syncline run {name}")),
            );
        }
    }
    if let Some(failure) = doubts::failure(session, report.entity, doubts) {
        exit = exit.and(Exit::Failed);
        error.get_or_insert(failure);
    }
    if let Some(failure) = limits::record(session, report.entity, report.run).await?
        && (!order.allow_partial || order.kind == "serve")
    {
        exit = exit.and(failure.exit);
        error.get_or_insert(failure);
    }
    if !order.allow_partial && session.hub.count_set_aside(report.run).await? > 0 {
        exit = exit.and(Exit::SetAside);
    }
    Ok((exit, error))
}

/// Writes that a system would not take just now. They stay due.
fn put_off(session: &Session, report: &EntityPassed, system: SystemIndex, reason: &str) -> Failure {
    let (name, entity) = (session.system_name(system), session.entity_name(report.entity));
    let known = reason.split_once(": ").filter(|(code, _)| crate::pages::page(code).is_some());
    let (code, cause) = known.unwrap_or(("run.incomplete", reason));
    let failure = Failure::new(code, format!("{name}: not everything of {entity} was written"))
        .cause(cause)
        .done("what could not be written stays due; the next run writes it")
        .fix(format!("syncline doctor {name}; then syncline run {entity}"));
    match code {
        // That a table is not as described says nothing of whether the system can be reached.
        "run.incomplete" => failure,
        _ => failure.with_exit(Exit::Environment),
    }
}

/// `r-1042  contacts    14 changed of 5,197 checked -> crm 3, erp 9      0.8 s`
fn line(
    session: &Session,
    report: &EntityPassed,
    aside: u64,
    mut waiting: Vec<String>,
    began: Timestamp,
) -> String {
    let name = session.entity_name(report.entity);
    let written: Vec<String> = report
        .written
        .iter()
        .filter(|(_, written)| written.total() > 0)
        .map(|(system, written)| {
            format!("{} {}", session.system_name(*system), words::count(written.total()))
        })
        .collect();
    let changed = report.count(Disposition::Applied) + report.count(Disposition::ConflictLost);
    let checked = words::count(report.checked());
    let took = words::span((Session::now().0 - began.0) / 1_000);
    if aside > 0 {
        waiting.push(format!("{} set aside", words::count(aside)));
    }
    let aside: String = waiting.iter().map(|what| format!(", {what}")).collect();
    if !report.tripped.is_empty() {
        return format!(
            "{}  {name:<10}  refused by a guard, nothing written ({checked} checked)  {took}",
            report.run
        );
    }
    if changed == 0 && written.is_empty() {
        return format!(
            "{}  {name:<10}  nothing changed ({checked} checked{aside})  {took}",
            report.run
        );
    }
    if report.account.observed.is_empty() {
        return format!("{}  {name:<10}  written: {}  {took}", report.run, written.join(", "));
    }
    let arrow =
        if written.is_empty() { String::new() } else { format!(" -> {}", written.join(", ")) };
    // What a person decided, or let through, is written without a change of this run.
    if changed == 0 {
        return format!("{}  {name:<10}  {checked} checked{aside}{arrow}  {took}", report.run);
    }
    format!(
        "{}  {name:<10}  {} changed of {checked} checked{aside}{arrow}  {took}",
        report.run,
        words::count(changed)
    )
}

impl Outcome {
    /// The answer of a command whose whole work was this pass.
    pub(crate) fn answer(self) -> Answer {
        let text = self.lines.join("\n");
        let mut answer =
            Answer::new(text.clone()).with_text(text).with_result(self.result).with_exit(self.exit);
        if let Some(error) = self.error {
            answer = answer.with_error(error);
        }
        answer
    }
}
