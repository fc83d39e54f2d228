//! The numbers that machines read, by the names of the contract (`/metrics`).
//!
//! What happens in this process is counted where it happens, in memory; how things stand is looked up in
//! the hub when somebody asks (`state.rs`). Only the daemon counts: a command has nobody to tell.

mod ports;
mod process;
pub(crate) mod series;
mod state;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Mutex, OnceLock, PoisonError, RwLock, atomic::AtomicU64},
    time::Duration,
};

use prometheus_client::{
    encoding::text::{encode_eof, encode_registry},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use syncline_core::{
    Text,
    commit::Disposition,
    name::{BindingIndex, RecordId, Timestamp},
    plan::Plan,
};
use syncline_engine::{
    measure::{Found, Measure, Tally},
    pass::EntityPassed,
};

pub(crate) use self::ports::{source, target};
use crate::{report::Failure, session::Session, traces};

/// What a number is told apart by: bounded sets of names only, never a record, a user or a value.
type By<const N: usize> = [(&'static str, String); N];
/// A counter for each of them.
type Counts<const N: usize> = Family<By<N>, Counter>;
/// A number that stands for each of them.
type Gauges<const N: usize> = Family<By<N>, Gauge<f64, AtomicU64>>;
/// A distribution of seconds for each of them.
type Spans<const N: usize> = Family<By<N>, Histogram, fn() -> Histogram>;

/// Seconds that a change may take from system to system.
const TRAVEL: [f64; 14] =
    [0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1_800.0, 7_200.0];
/// Seconds that a run may take.
const RUN: [f64; 10] = [0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0];
/// Seconds that a request may take.
const REQUEST: [f64; 11] = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0, 60.0];
/// Changes whose way is followed at the same time; older ones are no longer waited for.
const UNDER_WAY_MAX: usize = 100_000;

/// What this process has counted.
pub(crate) struct Measures {
    registry: Registry,
    detected: Counts<4>,
    applied: Counts<3>,
    skipped: Counts<3>,
    checked: Counts<2>,
    write_errors: Counts<3>,
    propagation: Spans<3>,
    runs: Counts<3>,
    run_duration: Spans<3>,
    conflicts: Counts<2>,
    quarantined: Counts<3>,
    guard_trips: Counts<2>,
    loops: Counts<1>,
    limit_hits: Counts<1>,
    clock_skew: Gauges<1>,
    differences: Gauges<3>,
    verified: Gauges<3>,
    requests: Counts<3>,
    request_duration: Spans<3>,
    commits: Histogram,
    rate_limit_wait: Family<By<1>, Counter<f64>>,
    hooks: Counts<2>,
    notifications: Counts<2>,
    http: Counts<2>,
    /// How each system is listened to.
    ears: RwLock<BTreeMap<String, &'static str>>,
    under_way: Mutex<UnderWay>,
    minute: series::Minute,
}

/// Changes that were seen, until they arrive.
#[derive(Default)]
struct UnderWay {
    changes: HashMap<RecordId, Change>,
    order: VecDeque<RecordId>,
}

struct Change {
    from: Text,
    since: Timestamp,
    /// It arrived somewhere: what comes next is another change.
    has_arrived: bool,
}

static HERE: OnceLock<Measures> = OnceLock::new();

/// What this process counts, if it counts.
pub(crate) fn here() -> Option<&'static Measures> {
    HERE.get()
}

/// Counts something, if this process counts.
pub(crate) fn with(count: impl FnOnce(&Measures)) {
    if let Some(measures) = here() {
        count(measures);
    }
}

/// From here on this process counts.
pub(crate) fn begin() -> &'static Measures {
    HERE.get_or_init(Measures::new)
}

/// Who is told of commits, if anybody.
pub(crate) fn watcher() -> Option<&'static dyn Measure> {
    here().map(|measures| measures as &dyn Measure)
}

/// A commit to the hub took so long.
pub(crate) fn committed_in(took: Duration) {
    if let Some(measures) = here() {
        measures.commits.observe(took.as_secs_f64());
    }
}

/// A counter of this name, for each set of labels.
fn counts<const N: usize>(registry: &mut Registry, name: &str, help: &str) -> Counts<N> {
    let family = Counts::default();
    registry.register(name, help, family.clone());
    family
}

/// A gauge of this name, for each set of labels.
fn gauges<const N: usize>(registry: &mut Registry, name: &str, help: &str) -> Gauges<N> {
    let family = Gauges::default();
    registry.register(name, help, family.clone());
    family
}

/// A distribution of this name, for each set of labels.
fn spans<const N: usize>(
    registry: &mut Registry,
    name: &str,
    help: &str,
    new: fn() -> Histogram,
) -> Spans<N> {
    let family = Spans::new_with_constructor(new);
    registry.register(name, help, family.clone());
    family
}

impl Measures {
    fn new() -> Self {
        let mut own = Registry::default();
        let it = &mut own;
        let (waits, commits) = (Family::default(), Histogram::new(REQUEST));
        it.register(
            "syncline_hub_commit_duration_seconds",
            "How long commits to the hub took",
            commits.clone(),
        );
        it.register(
            "syncline_rate_limit_wait_seconds",
            "Time spent waiting for the limits of systems",
            Family::clone(&waits),
        );
        Self {
            detected: counts(it, "syncline_changes_detected", "Changes that were seen"),
            applied: counts(it, "syncline_changes_applied", "Changes written and confirmed"),
            skipped: counts(it, "syncline_changes_skipped", "Observations that change nothing"),
            checked: counts(it, "syncline_records_checked", "Rows compared, changed or not"),
            write_errors: counts(
                it,
                "syncline_write_errors",
                "Attempts to write that were refused",
            ),
            propagation: spans(
                it,
                "syncline_propagation_seconds",
                "From the change at its origin to the answer of the target",
                || Histogram::new(TRAVEL),
            ),
            runs: counts(it, "syncline_runs", "Runs that ended"),
            run_duration: spans(it, "syncline_run_duration_seconds", "How long runs took", || {
                Histogram::new(RUN)
            }),
            conflicts: counts(it, "syncline_conflicts", "Conflicts, opened or settled by what"),
            quarantined: counts(it, "syncline_quarantined", "Times that something was set aside"),
            guard_trips: counts(it, "syncline_guard_trips", "Guards that tripped"),
            loops: counts(it, "syncline_loops_suspected", "Fields held that looked like a loop"),
            limit_hits: counts(it, "syncline_user_limit_hits", "Users who changed too much"),
            clock_skew: gauges(it, "syncline_clock_skew_seconds", "How far its clock is ahead"),
            differences: gauges(
                it,
                "syncline_verify_differences",
                "What the last full comparison found",
            ),
            verified: gauges(it, "syncline_verify_timestamp_seconds", "The last full comparison"),
            requests: counts(it, "syncline_system_requests", "Requests to systems"),
            request_duration: spans(
                it,
                "syncline_system_request_duration_seconds",
                "How long systems took to answer",
                || Histogram::new(REQUEST),
            ),
            commits,
            rate_limit_wait: waits,
            hooks: counts(it, "syncline_hooks_received", "Webhooks that came in"),
            notifications: counts(it, "syncline_notifications", "Alerts that were sent"),
            http: counts(it, "syncline_http_requests", "Requests to this process over HTTP"),
            ears: RwLock::default(),
            under_way: Mutex::default(),
            minute: series::Minute::default(),
            registry: own,
        }
    }

    /// A system is listened to in this way from now on; `None`: it is asked.
    pub(crate) fn listens(&self, system: &str, how: Option<&'static str>) {
        let mut ears = self.ears.write().unwrap_or_else(PoisonError::into_inner);
        match how {
            Some(how) => ears.insert(system.to_owned(), how),
            None => ears.remove(system),
        };
    }

    fn trigger(&self, system: &str, how: Found) -> &'static str {
        match how {
            Found::Heard => {
                let ears = self.ears.read().unwrap_or_else(PoisonError::into_inner);
                match ears.get(system).copied() {
                    Some("triggers") => "trigger",
                    Some("webhook") => "hook",
                    Some(how) => how,
                    None => "poll",
                }
            }
            Found::Polled => "poll",
            Found::Compared => "scan",
            Found::Person => "person",
        }
    }

    /// A pass over an entity is over: what it looked at, and what became of that.
    pub(crate) fn passed(&self, plan: &Plan, report: &EntityPassed) {
        for (binding, rows) in &report.account.observed {
            let Some([entity, system]) = names(plan, *binding) else { continue };
            self.checked.get_or_create(&[entity, system]).inc_by(*rows);
        }
        for ((binding, fate), count) in &report.account.ledger.0 {
            let reason = match fate {
                Disposition::Echo => "echo",
                Disposition::NoOp => "unchanged",
                Disposition::Filtered => "out_of_scope",
                Disposition::Superseded => "stale",
                Disposition::Held | Disposition::Quarantined => "held",
                Disposition::Applied | Disposition::ConflictLost => continue,
            };
            let Some([entity, system]) = names(plan, *binding) else { continue };
            let labels = [entity, system, ("reason", reason.to_owned())];
            self.skipped.get_or_create(&labels).inc_by(*count);
        }
    }

    /// A run is over.
    pub(crate) fn ran(&self, entity: &str, trigger: &str, outcome: &str, took_ms: i64) {
        let outcome = if outcome == "stopped" { "partial" } else { outcome };
        let labels = [
            ("entity", entity.to_owned()),
            ("trigger", trigger.to_owned()),
            ("outcome", outcome.to_owned()),
        ];
        self.runs.get_or_create(&labels).inc();
        self.run_duration.get_or_create(&labels).observe(seconds(took_ms.saturating_mul(1_000)));
    }

    /// A guard tripped: `guard.mass_delete`.
    pub(crate) fn tripped(&self, entity: &str, system: &str, code: &str) {
        if code == "limit.user" {
            self.limit_hits.get_or_create(&[("system", system.to_owned())]).inc();
        }
        let labels = [("entity", entity.to_owned()), ("guard", guard(code).to_owned())];
        self.guard_trips.get_or_create(&labels).inc();
    }

    /// A system's clock is so far ahead of ours.
    pub(crate) fn clock(&self, system: &str, ahead_ms: i64) {
        let labels = [("system", system.to_owned())];
        self.clock_skew.get_or_create(&labels).set(ahead_ms as f64 / 1e3);
    }

    /// A system was compared whole with the hub: so many differences of each kind.
    pub(crate) fn compared(&self, entity: &str, system: &str, kinds: [(&str, u64); 3]) {
        for (kind, count) in kinds {
            let labels = [
                ("entity", entity.to_owned()),
                ("system", system.to_owned()),
                ("kind", kind.to_owned()),
            ];
            self.differences.get_or_create(&labels).set(count as f64);
            self.verified.get_or_create(&labels).set(unix(Session::now()));
        }
    }

    /// A system has called us, and what came of it: `accepted`, `duplicate`, `bad_signature` …
    pub(crate) fn called(&self, system: &str, outcome: &str) {
        let labels = [("system", system.to_owned()), ("outcome", outcome.to_owned())];
        self.hooks.get_or_create(&labels).inc();
    }

    /// A system has asked to be left alone for so long.
    pub(crate) fn waits(&self, system: &str, wait: Duration) {
        let labels = [("system", system.to_owned())];
        self.rate_limit_wait.get_or_create(&labels).inc_by(wait.as_secs_f64());
    }

    /// Alerts were sent to a channel, or could not be.
    pub(crate) fn notified(&self, channel: &str, outcome: &str, count: u64) {
        let labels = [("channel", channel.to_owned()), ("outcome", outcome.to_owned())];
        self.notifications.get_or_create(&labels).inc_by(count);
    }

    /// A request was answered. `route`: as the table of routes names it.
    pub(crate) fn answered(&self, route: &str, status: u16) {
        let outcome = match status {
            200..=399 => "ok",
            400..=499 => "refused",
            _ => "failed",
        };
        let labels = [("route", route.to_owned()), ("outcome", outcome.to_owned())];
        self.http.get_or_create(&labels).inc();
    }

    /// All numbers, in the text format of `OpenMetrics`.
    ///
    /// # Errors
    /// The hub's.
    pub(crate) async fn text(&self, session: &Session) -> Result<String, Failure> {
        let mut now = Registry::default();
        process::add(&mut now);
        state::add(&mut now, session).await?;
        let mut text = String::new();
        let written = encode_registry(&mut text, &self.registry)
            .and_then(|()| encode_registry(&mut text, &now))
            .and_then(|()| encode_eof(&mut text));
        written.map_err(|_| Failure::new("internal.metrics", "the numbers cannot be written"))?;
        Ok(text)
    }
}

impl Measure for Measures {
    fn follows(&self) -> bool {
        traces::here().is_some()
    }

    fn committed(&self, plan: &Plan, how: Found, tally: &Tally) {
        if let Some(tracer) = traces::here() {
            tracer.committed(plan, |system| self.trigger(system, how), tally);
        }
        let entity_of = |entity| {
            let root = plan.entity(plan.root_of(entity));
            ("entity", root.map_or_else(String::new, |it| it.name.to_string()))
        };
        let system_of = |system| plan.system(system).map_or("", |it| it.name.as_str());
        // Names are looked up for each kind of change, not for each change.
        let (mut seen, mut written) = (BTreeMap::new(), BTreeMap::new());
        let mut delays: BTreeMap<_, Vec<f64>> = BTreeMap::new();
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        for ((record, entity, system), (operation, since)) in &tally.seen {
            *seen.entry((*entity, *system, *operation)).or_insert(0_u64) += 1;
            if let Some(from) = plan.system(*system) {
                under_way.sets_out(*record, &from.name, *since);
            }
        }
        for ((record, entity, system), operation) in &tally.written {
            *written.entry((*entity, *system, *operation)).or_insert(0_u64) += 1;
            if let Some((from, since)) = under_way.arrives(*record) {
                let took = seconds(tally.at.0.saturating_sub(since.0));
                delays.entry((*entity, from, *system)).or_default().push(took);
            }
        }
        drop(under_way);
        for ((entity, system, operation), count) in seen {
            let (entity, system) = (entity_of(entity), system_of(system));
            self.minute.add("changes_detected", &entity.1, system, operation.word(), count as f64);
            let labels = [
                entity,
                ("system", system.to_owned()),
                ("op", operation.word().to_owned()),
                ("trigger", self.trigger(system, how).to_owned()),
            ];
            self.detected.get_or_create(&labels).inc_by(count);
        }
        for ((entity, system, operation), count) in written {
            let (entity, system) = (entity_of(entity), system_of(system));
            self.minute.add("changes_applied", &entity.1, system, operation.word(), count as f64);
            let labels =
                [entity, ("system", system.to_owned()), ("op", operation.word().to_owned())];
            self.applied.get_or_create(&labels).inc_by(count);
        }
        for ((entity, from, to), delays) in delays {
            let (entity, to) = (entity_of(entity), system_of(to));
            self.minute.delays(&entity.1, to, &delays);
            let labels = [entity, ("from", from.to_string()), ("to", to.to_owned())];
            let histogram = self.propagation.get_or_create(&labels);
            for took in delays {
                histogram.observe(took);
            }
        }
        for entity in &tally.opened {
            let labels = [entity_of(*entity), ("resolution", "opened".to_owned())];
            self.minute.add("conflicts", &labels[0].1, "", "opened", 1.0);
            self.conflicts.get_or_create(&labels).inc();
        }
        for (entity, rule) in &tally.settled {
            let Some(entity) = entity else { continue };
            let labels = [entity_of(*entity), ("resolution", rule.to_string())];
            let by = if rule == "person" { "settled by people" } else { "settled by rule" };
            self.minute.add("conflicts", &labels[0].1, "", by, 1.0);
            self.conflicts.get_or_create(&labels).inc();
        }
        for (entity, system, code) in &tally.set_aside {
            let system = system.map_or_else(String::new, |it| system_of(it).to_owned());
            let labels = [entity_of(*entity), ("system", system), ("code", code.to_string())];
            self.quarantined.get_or_create(&labels).inc();
        }
        for entity in &tally.suspected {
            self.loops.get_or_create(&[entity_of(*entity)]).inc();
        }
    }
}

impl UnderWay {
    /// A system has changed a record.
    fn sets_out(&mut self, record: RecordId, from: &Text, since: Timestamp) {
        if let Some(known) = self.changes.get_mut(&record) {
            if known.has_arrived {
                *known = Change { from: from.clone(), since, has_arrived: false };
            }
            return;
        }
        if self.order.len() >= UNDER_WAY_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.changes.remove(&oldest);
        }
        self.order.push_back(record);
        self.changes.insert(record, Change { from: from.clone(), since, has_arrived: false });
    }

    /// It arrived at a system: where it came from, and since when.
    fn arrives(&mut self, record: RecordId) -> Option<(Text, Timestamp)> {
        let change = self.changes.get_mut(&record)?;
        change.has_arrived = true;
        Some((change.from.clone(), change.since))
    }
}

fn names(plan: &Plan, binding: BindingIndex) -> Option<[(&'static str, String); 2]> {
    let found = plan.binding(binding)?;
    let entity = plan.entity(plan.root_of(found.entity))?.name.to_string();
    let system = plan.system(found.system)?.name.to_string();
    Some([("entity", entity), ("system", system)])
}

/// `mass_delete` of `guard.mass_delete`.
fn guard(code: &str) -> &str {
    code.split_once('.').map_or(code, |(_, word)| word)
}

/// Seconds since 1970.
fn unix(at: Timestamp) -> f64 {
    at.0 as f64 / 1e6
}

/// Seconds, of microseconds.
fn seconds(micros: i64) -> f64 {
    micros.max(0) as f64 / 1e6
}
