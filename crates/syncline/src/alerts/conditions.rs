//! What is so, and what changed: pure functions of what the hub says now and what it said before.

use std::collections::{BTreeMap, BTreeSet};

use syncline_adapters::hub::news::{Ended, News, Waits};
use syncline_core::{name::Timestamp, plan::Plan};

use crate::{alerts::waiting, config::Loaded, drift};

/// What can be so, or happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A conflict waits.
    Conflict,
    /// A row or a write is set aside.
    Quarantine,
    /// A guard tripped and waits.
    Guard,
    /// The loop guard holds fields.
    Loop,
    /// A system does not answer.
    System,
    /// A field is paused in a system, because its column is gone there.
    Drift,
    /// An entity has not been brought in step for long.
    Stale,
    /// Much of what changed is refused.
    Errors,
    /// A run ended.
    Run,
    /// A run failed.
    RunFailed,
    /// A conflict has waited for long.
    OldConflict,
    /// A row or a write has been set aside for long.
    OldRecord,
    /// Another configuration holds.
    Config,
}

impl Kind {
    const ALL: [Self; 13] = [
        Self::Conflict,
        Self::Quarantine,
        Self::Guard,
        Self::Loop,
        Self::System,
        Self::Drift,
        Self::Stale,
        Self::Errors,
        Self::Run,
        Self::RunFailed,
        Self::OldConflict,
        Self::OldRecord,
        Self::Config,
    ];

    const fn word(self) -> &'static str {
        match self {
            Self::Conflict => "conflict",
            Self::Quarantine => "quarantine",
            Self::Guard => "guard",
            Self::Loop => "loop",
            Self::System => "system",
            Self::Drift => "drift",
            Self::Stale => "stale",
            Self::Errors => "errors",
            Self::Run => "run",
            Self::RunFailed => "run_failed",
            Self::OldConflict => "old_conflict",
            Self::OldRecord => "old_record",
            Self::Config => "config",
        }
    }

    /// As rules name that it is so, and that it is over.
    pub(crate) const fn events(self) -> (&'static str, &'static str) {
        match self {
            Self::Conflict => ("conflict_opened", "conflict_resolved"),
            Self::Quarantine => ("record_quarantined", "record_released"),
            Self::Guard => ("guard_tripped", "guard_released"),
            Self::Loop => ("loop_suspected", "loop_released"),
            Self::System => ("system_down", "system_up"),
            Self::Drift => ("field_paused", "field_resumed"),
            Self::Stale => ("stale", "fresh"),
            Self::Errors => ("error_rate", "error_rate_over"),
            Self::Run => ("run_finished", ""),
            Self::RunFailed => ("run_failed", ""),
            Self::OldConflict => ("conflict_waiting", "conflict_settled"),
            Self::OldRecord => ("record_waiting", "record_settled"),
            Self::Config => ("config_loaded", ""),
        }
    }
}

/// Something that is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Happening {
    /// What.
    pub(crate) kind: Kind,
    /// It is over, or some of it.
    pub(crate) is_over: bool,
    /// What it is about: messages about one thing have one topic.
    pub(crate) topic: String,
    /// The entity, if it is of one.
    pub(crate) entity: Option<String>,
    /// The system, if it is of one.
    pub(crate) system: Option<String>,
    /// The code, if there is one.
    pub(crate) code: Option<String>,
    /// So many of them.
    pub(crate) count: u64,
    /// So many are so after this.
    pub(crate) left: u64,
    /// Their numbers, the first few.
    pub(crate) numbers: Vec<i64>,
    /// It was to be told after so many milliseconds, where its rule says when.
    pub(crate) after_ms: i64,
    /// What was said, of a run.
    pub(crate) said: Option<String>,
    /// When.
    pub(crate) at: Timestamp,
}

impl Happening {
    /// As programs are told it: `conflict.opened`.
    pub(crate) fn event(&self) -> String {
        let (opened, over) = self.kind.events();
        event(if self.is_over { over } else { opened })
    }
}

/// As programs are told what rules name like this.
pub(crate) fn event(word: &str) -> String {
    match word {
        "stale" | "fresh" => format!("entity.{word}"),
        "error_rate" => "errors.above".into(),
        "error_rate_over" => "errors.below".into(),
        word => word.replacen('_', ".", 1),
    }
}

/// So many numbers are told.
const NUMBERS: usize = 100;

/// What something is told under; [`parts`] reads it.
pub(crate) fn topic(kind: Kind, entity: &str, system: &str, code: &str) -> String {
    format!("{}|{entity}|{system}|{code}", kind.word())
}

type Named = Option<String>;

/// The kind, entity, system and code of a topic.
fn parts(topic: &str) -> Option<(Kind, Named, Named, Named)> {
    let mut parts = topic.split('|');
    let word = parts.next()?;
    let kind = Kind::ALL.into_iter().find(|kind| kind.word() == word)?;
    let mut part = || parts.next().filter(|text| !text.is_empty()).map(str::to_owned);
    Some((kind, part(), part(), part()))
}

/// What changed since it was looked last, and all that is so now.
pub(crate) fn changed(
    plan: &Plan,
    news: &News,
    before: &BTreeSet<(String, i64)>,
    loaded: &Loaded,
    now: Timestamp,
) -> (Vec<Happening>, BTreeSet<(String, i64)>) {
    let open = open(plan, news, loaded, now);
    let mut topics: BTreeMap<&str, (Vec<i64>, Vec<i64>)> = BTreeMap::new();
    for (topic, number) in open.difference(before) {
        topics.entry(topic).or_default().0.push(*number);
    }
    for (topic, number) in before.difference(&open) {
        topics.entry(topic).or_default().1.push(*number);
    }
    let mut happenings = Vec::new();
    for (topic, (opened, closed)) in topics {
        let Some((kind, entity, system, code)) = parts(topic) else { continue };
        let left = open.iter().filter(|(known, _)| known == topic).count() as u64;
        let one = |numbers: Vec<i64>, is_over| Happening {
            kind,
            is_over,
            topic: topic.to_owned(),
            entity: entity.clone(),
            system: system.clone(),
            code: code.clone(),
            count: numbers.len() as u64,
            left,
            numbers: numbers.into_iter().take(NUMBERS).collect(),
            after_ms: number_of_age(kind, topic),
            said: None,
            at: now,
        };
        if !closed.is_empty() {
            happenings.push(one(closed, true));
        }
        if !opened.is_empty() {
            happenings.push(one(opened, false));
        }
    }
    (happenings, open)
}

/// After how long it is told, of what is told by age: the last part of its topic.
fn number_of_age(kind: Kind, topic: &str) -> i64 {
    let is_age = matches!(kind, Kind::OldConflict | Kind::OldRecord);
    topic.rsplit('|').next().filter(|_| is_age).and_then(|it| it.parse().ok()).unwrap_or(0)
}

/// All that is so now: what it is told under, and its number.
fn open(plan: &Plan, news: &News, loaded: &Loaded, now: Timestamp) -> BTreeSet<(String, i64)> {
    let mut open: BTreeSet<(String, i64)> = BTreeSet::new();
    open.extend(waiting(Kind::Conflict, &news.conflicts, plan));
    open.extend(waiting(Kind::Quarantine, &news.quarantine, plan));
    open.extend(waiting(Kind::Guard, &news.guards, plan));
    for (entity, system, _) in &news.held {
        let entity = plan.entity(*entity).map_or("?", |entity| entity.name.as_str());
        let system = plan.system(*system).map_or("?", |system| system.name.as_str());
        open.insert((topic(Kind::Loop, entity, system, "guard.loop_suspected"), 0));
    }
    for (name, text) in &news.notes {
        if let Some(system) = name.strip_prefix("contact:") {
            let contact = crate::pass::contact::Contact::parse(text);
            if let Some((_, code)) = &contact.failed {
                open.insert((topic(Kind::System, "", system, code), 0));
            }
        }
        let system = name.strip_prefix(drift::NOTE);
        if let Some(system) = system.filter(|it| plan.system_named(it).is_some()) {
            for (number, (entity, ..)) in (0..).zip(drift::parse(text)) {
                open.insert((topic(Kind::Drift, &entity, system, "schema.drift"), number));
            }
        }
    }
    let rules = &loaded.draft.alerts.rules;
    for rule in rules.iter().filter(|rule| rule.events.iter().any(|event| event == "stale")) {
        for entity in plan.entities.iter().filter(|entity| entity.parent.is_none()) {
            let name = entity.name.as_str();
            let is_meant = rule.entities.is_empty()
                || rule.entities.iter().any(|meant| meant.value.as_str() == name);
            let last = news.notes.iter().find(|(note, _)| {
                note.strip_prefix("success:").is_some_and(|entity| entity == name)
            });
            // One that was never brought in step waits for its approval.
            let last = last.and_then(|(_, at)| at.parse().ok()).map(Timestamp);
            if is_meant && last.is_some_and(|last| last.plus_ms(rule.after_ms) < now) {
                open.insert((topic(Kind::Stale, name, "", ""), rule.after_ms));
            }
        }
    }
    for rule in rules {
        let ages = [
            ("conflict_waiting", Kind::OldConflict, &news.conflicts),
            ("record_waiting", Kind::OldRecord, &news.quarantine),
        ];
        for (event, kind, all) in ages {
            if rule.events.iter().any(|it| it == event) {
                open.extend(old(plan, kind, all, rule.after_ms, now));
            }
        }
    }
    for rule in rules {
        let Some(above) = rule.above else { continue };
        for (entity, aside, all) in errors(plan, news, rule.within_ms) {
            if aside * 10_000 > all * u64::from(above) {
                open.insert((topic(Kind::Errors, &entity, "", ""), i64::from(above)));
            }
        }
    }
    open
}

/// What has waited for so long.
fn old(
    plan: &Plan,
    kind: Kind,
    all: &[Waits],
    after_ms: i64,
    now: Timestamp,
) -> Vec<(String, i64)> {
    let old = all.iter().filter(|waits| waits.since.plus_ms(after_ms) <= now);
    let named = |waits: &Waits| {
        let entity = plan.entity(waits.entity).map_or("?", |entity| entity.name.as_str());
        // Each length of time is told by itself; a code would be told apart, too.
        let topic = format!("{}|{after_ms}", topic(kind, entity, "", &waits.code));
        (topic, waits.number)
    };
    old.map(named).collect()
}

/// Of each entity: how many rows were set aside within this span, of how many.
fn errors(plan: &Plan, news: &News, span: i64) -> Vec<(String, u64, u64)> {
    let mut all: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for (within, binding, aside, count) in &news.shares {
        let entity = plan.binding(*binding).and_then(|found| plan.entity(found.entity));
        let Some(entity) = entity.filter(|_| *within == span) else { continue };
        let sums = all.entry(entity.name.to_string()).or_default();
        sums.0 += aside;
        sums.1 += count;
    }
    all.into_iter().map(|(entity, (aside, count))| (entity, aside, count)).collect()
}

/// That a run ended.
pub(crate) fn of_run(plan: &Plan, run: &Ended) -> Happening {
    let failed = matches!(run.outcome.as_str(), "failed" | "refused");
    let entity = run.entity.and_then(|entity| plan.entity(entity));
    let entity = entity.map(|entity| entity.name.to_string());
    let kind = if failed { Kind::RunFailed } else { Kind::Run };
    Happening {
        kind,
        is_over: false,
        // Each run is told of by itself.
        topic: topic(kind, entity.as_deref().unwrap_or(""), "", &format!("r-{}", run.number)),
        entity,
        system: None,
        code: None,
        count: 1,
        left: 0,
        numbers: vec![run.number],
        after_ms: 0,
        said: Some(run.message.to_string()),
        at: run.at,
    }
}

/// That another configuration holds from now on.
pub(crate) fn of_config(now: Timestamp) -> Happening {
    Happening {
        kind: Kind::Config,
        is_over: false,
        topic: topic(Kind::Config, "", "", &now.0.to_string()),
        entity: None,
        system: None,
        code: None,
        count: 1,
        left: 0,
        numbers: Vec::new(),
        after_ms: 0,
        said: None,
        at: now,
    }
}
