//! The one table of routes: it makes the router, and says what each route takes and does.

use axum::http::Method;

use crate::api::{
    audit, configuration, conflicts, entities, guards, hooks, looks::Look, openapi, page,
    quarantine, records, runs, status, systems,
};

/// A route.
pub(super) struct Route {
    pub(super) method: Method,
    /// Below the prefix.
    pub(super) path: &'static str,
    /// In a sentence.
    pub(super) what: &'static str,
    /// What it takes beside what every list takes.
    pub(super) own: &'static [Parameter],
    /// Whether it answers a page at a time.
    pub(super) is_list: bool,
    pub(super) work: Work,
}

impl Route {
    /// All that it takes.
    pub(super) fn parameters(&self) -> impl Iterator<Item = &'static Parameter> {
        let paged = if self.is_list { page::PARAMETERS } else { &[] };
        self.own.iter().chain(paged)
    }
}

/// How it is answered.
#[derive(Clone, Copy)]
pub(super) enum Work {
    /// From the hub; nothing is changed.
    Look(Look),
}

/// Something that may stand behind the question mark.
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    pub(super) kind: Kind,
}

/// What a parameter holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Text,
    Number,
    Flag,
    Time,
    Choice(&'static [&'static str]),
}

const fn parameter(name: &'static str, what: &'static str, kind: Kind) -> Parameter {
    Parameter { name, what, kind }
}

const ENTITY: Parameter = parameter("entity", "Of this entity", Kind::Text);
const SYSTEM: Parameter = parameter("system", "Of this system", Kind::Text);
const FIELD: Parameter = parameter("field", "Of this field", Kind::Text);
const SINCE: Parameter = parameter("since", "Not before: a time, or how long ago", Kind::Time);
const ACTOR: Parameter = parameter("actor", "By this person, user or token", Kind::Text);
const RUN: Parameter = parameter("run", "Of this run: r-1042, or last", Kind::Text);

macro_rules! get {
    ($path:literal, $what:literal, [$($own:expr),*], $look:path) => {
        Route {
            method: Method::GET,
            path: $path,
            what: $what,
            own: &[$($own),*],
            is_list: false,
            work: Work::Look(|session, request| Box::pin($look(session, request))),
        }
    };
}

macro_rules! list {
    ($path:literal, $what:literal, [$($own:expr),*], $look:path) => {
        Route { is_list: true, ..get!($path, $what, [$($own),*], $look) }
    };
}

const OUTCOMES: &[&str] = &["ok", "partial", "failed", "refused", "stopped"];
const STATES: &[&str] = &["open", "settled", "all"];

/// Every route.
pub(super) static ROUTES: &[Route] = &[
    get!("/status", "All at once, as `syncline status --json`", [], status::all),
    list!("/entities", "What is kept in step", [], entities::list),
    get!("/entities/{entity}", "One, with its mapping", [], entities::one),
    list!("/systems", "Where it is kept", [], systems::list),
    get!("/systems/{system}", "One, with what it holds", [], systems::one),
    list!(
        "/records",
        "Records that live, in the order in which they came",
        [
            ENTITY,
            SYSTEM,
            parameter("key", "With this key, in the system named", Kind::Text),
            parameter("q", "An id, SYSTEM:KEY, FIELD=VALUE, or part of a value", Kind::Text)
        ],
        records::list
    ),
    get!("/records/{id}", "One: its values, its rows, what waits", [], records::one),
    list!(
        "/records/{id}/timeline",
        "What happened to it, newest first",
        [SINCE, SYSTEM, FIELD, ACTOR],
        records::timeline
    ),
    get!(
        "/records/{id}/explain",
        "Why it has its values, as `syncline explain --json`",
        [FIELD, parameter("at", "As it was then", Kind::Time)],
        records::explain
    ),
    list!(
        "/runs",
        "Passes, newest first",
        [
            ENTITY,
            SINCE,
            parameter("outcome", "That ended so", Kind::Choice(OUTCOMES)),
            parameter("kind", "What it was: run, live, refresh, verify, rollback …", Kind::Text)
        ],
        runs::list
    ),
    get!("/runs/{id}", "One, with its books", [], runs::one),
    list!("/runs/{id}/changes", "What it changed, newest first", [], runs::changes_of),
    list!(
        "/changes",
        "Changes, newest first, as `syncline history --json`",
        [RUN, SINCE, SYSTEM, FIELD, ACTOR],
        runs::changes
    ),
    get!("/changes/{id}", "One", [], runs::change),
    list!(
        "/guards",
        "Guards that tripped, newest first",
        [ENTITY, parameter("state", "Those that wait unless said otherwise", Kind::Choice(STATES))],
        guards::list
    ),
    get!("/guards/{id}", "One, with samples", [], guards::one),
    list!(
        "/conflicts",
        "Conflicts, newest first",
        [
            ENTITY,
            FIELD,
            SYSTEM,
            RUN,
            parameter("record", "Of this record, by its id", Kind::Text),
            parameter("state", "Those that wait unless said otherwise", Kind::Choice(STATES))
        ],
        conflicts::list
    ),
    get!("/conflicts/{id}", "One, side by side", [], conflicts::one),
    list!(
        "/quarantine",
        "What was set aside, oldest first",
        [
            ENTITY,
            RUN,
            parameter("code", "With this code", Kind::Text),
            parameter("dropped", "Also those that a person dropped", Kind::Flag)
        ],
        quarantine::list
    ),
    get!("/quarantine/{id}", "One, with the row as it was shown", [], quarantine::one),
    list!(
        "/audit",
        "What people and programs have done, newest first",
        [SINCE, ACTOR],
        audit::list
    ),
    list!("/hooks/deliveries", "What systems have sent, newest first", [SYSTEM], hooks::list),
    get!("/openapi.json", "What there is", [], openapi::show),
    get!(
        "/config",
        "The configuration as it is understood, without secrets",
        [],
        configuration::show
    ),
];
