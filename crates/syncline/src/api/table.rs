//! The one table of routes: it makes the router, and says what each route takes and does. Long because it is
//! one table.

use axum::http::Method;

use crate::api::{
    acts::{Act, Long},
    audit, configuration, conflicts, entities, guards, hooks,
    looks::Look,
    openapi, page, people, plans, quarantine, records, runs, series, status, systems,
};
use crate::{cli::history, tokens::Role};

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
    /// What the body may hold; no body, if nothing.
    pub(super) body: &'static [Parameter],
    /// Whoever asks must at least be that.
    pub(super) role: Role,
    pub(super) work: Work,
}

impl Route {
    /// Whether it may concern all entities, so that who is limited to some may not ask.
    pub(super) fn spans(&self) -> bool {
        const WHOLE: [&str; 6] = ["/series", "/audit", "/hooks", "/config", "/tokens", "/changes"];
        let is_act = self.method != Method::GET;
        WHOLE.iter().any(|path| self.path.starts_with(path))
            || is_act && (self.path.starts_with("/systems") || self.path.starts_with("/runs/"))
    }

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
    /// Who one is.
    Who,
    /// What happens, while it does.
    Listen,
    /// A browser is let in.
    Enter,
    /// It goes.
    Leave,
    /// As the command of the same name does it; answered when it is done.
    Act(Act),
    /// The same; answered when it has begun, with where to see how it goes: its run.
    Long(Long),
}

/// Something that may stand behind the question mark, or in the body.
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    pub(super) kind: Kind,
    /// In a body: it must be there.
    pub(super) needed: bool,
}

/// What a parameter holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Text,
    Number,
    Flag,
    Time,
    Choice(&'static [&'static str]),
    /// In a body: a value of a field, in its plain form.
    Value,
    /// In a body: names of fields with values.
    Values,
    /// In a body: words.
    Texts,
}

const fn parameter(name: &'static str, what: &'static str, kind: Kind) -> Parameter {
    Parameter { name, what, kind, needed: false }
}

const fn needed(name: &'static str, what: &'static str, kind: Kind) -> Parameter {
    Parameter { name, what, kind, needed: true }
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
            body: &[],
            role: Role::Viewer,
            work: Work::Look(|session, request| Box::pin($look(session, request))),
        }
    };
}

macro_rules! list {
    ($path:literal, $what:literal, [$($own:expr),*], $look:path) => {
        Route { is_list: true, ..get!($path, $what, [$($own),*], $look) }
    };
}

macro_rules! act {
    ($method:ident, $path:literal, $role:ident, $what:literal, [$($body:expr),*], $act:path) => {
        Route {
            method: Method::$method,
            path: $path,
            what: $what,
            own: &[],
            is_list: false,
            body: &[$($body),*],
            role: Role::$role,
            work: Work::Act(|context, request| Box::pin($act(context, request))),
        }
    };
}

macro_rules! long {
    ($path:literal, $role:ident, $kind:literal, $what:literal, [$($body:expr),*], $act:path) => {
        Route {
            work: Work::Long(Long::Alone($kind, |context, request| {
                Box::pin($act(context, request))
            })),
            ..act!(POST, $path, $role, $what, [$($body),*], $act)
        }
    };
}

const TAKE: Parameter = parameter("take", "The value of this system, or newest", Kind::Text);
const VALUE: Parameter = parameter("value", "This value", Kind::Value);
const KEEP_BASE: Parameter = parameter("keep_base", "The value agreed on before", Kind::Flag);
const NOTE: Parameter = parameter("note", "Why", Kind::Text);
const WRITES_ONLY: Parameter = parameter("writes_only", "Go on reading", Kind::Flag);
const FOR: Parameter = parameter("for", "Until then only: 2h", Kind::Text);
const YES: Parameter =
    parameter("yes", "Do it; else it is only shown what would be done", Kind::Flag);
const FORCE: Parameter = parameter("force", "Also what was changed again since", Kind::Flag);
const SOURCE: Parameter =
    parameter("revert_source", "Put it back in the systems it came from, too", Kind::Flag);
const AGAIN_SINCE: Parameter =
    parameter("since", "Read again what changed since: a time, or how long ago", Kind::Time);

const ROLES: &[&str] = &["viewer", "steward", "operator", "admin"];
const TRIGGERS: &[&str] = history::TRIGGERS;
const OUTCOMES: &[&str] = history::OUTCOMES;
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
        "Records that live",
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
            parameter("trigger", "Set going by that", Kind::Choice(TRIGGERS)),
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
    get!(
        "/conflicts/causes",
        "How many wait for each cause, the most first",
        [ENTITY, FIELD, SYSTEM],
        conflicts::by_cause
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
    get!(
        "/quarantine/causes",
        "How many there are of each cause, the most first",
        [ENTITY, RUN, parameter("code", "With this code", Kind::Text)],
        quarantine::by_cause
    ),
    get!("/quarantine/{id}", "One, with the row as it was shown", [], quarantine::one),
    list!(
        "/audit",
        "What people and programs have done, newest first",
        [SINCE, ACTOR],
        audit::list
    ),
    list!("/hooks/deliveries", "What systems have sent, newest first", [SYSTEM], hooks::list),
    get!(
        "/series",
        "How much happened when, for pictures: sums over time, kept for 30 days",
        [
            parameter("name", "Which number", Kind::Choice(series::NAMES)),
            parameter("by", "How sums are told apart", Kind::Choice(series::BYS)),
            ENTITY,
            SYSTEM,
            SINCE,
            parameter("step", "Seconds in one point, 60 at least", Kind::Number)
        ],
        series::show
    ),
    Route {
        work: Work::Listen,
        ..get!(
            "/events",
            "What happens, while it does, as server-sent events; Last-Event-ID resumes",
            [],
            openapi::show
        )
    },
    Route { work: Work::Who, ..get!("/me", "Who one is, and what one may do", [], openapi::show) },
    Route {
        work: Work::Enter,
        ..act!(
            POST,
            "/session",
            Viewer,
            "A browser is let in: the token is set as a cookie that no script can read",
            [needed("token", "The token", Kind::Text)],
            people::new
        )
    },
    Route {
        work: Work::Leave,
        ..act!(DELETE, "/session", Viewer, "The cookie is taken back", [], people::new)
    },
    Route {
        role: Role::Admin,
        ..list!("/tokens", "Who may ask, without what proves it", [], people::list)
    },
    act!(
        POST,
        "/tokens",
        Admin,
        "Make one; the answer shows it once",
        [
            needed("name", "Its name, which stands on the books", Kind::Text),
            needed("role", "What it may do", Kind::Choice(ROLES)),
            parameter("entities", "Only for these", Kind::Texts),
            parameter("expires", "How long it holds: 90d", Kind::Text)
        ],
        people::new
    ),
    act!(DELETE, "/tokens/{name}", Admin, "It holds no longer", [], people::revoke),
    get!("/openapi.json", "What there is", [], openapi::show),
    get!(
        "/config",
        "The configuration as it is understood, without secrets",
        [],
        configuration::show
    ),
    act!(
        POST,
        "/conflicts/{id}/resolve",
        Steward,
        "Decide one",
        [TAKE, VALUE, KEEP_BASE, NOTE],
        conflicts::resolve
    ),
    act!(
        POST,
        "/conflicts/resolve",
        Steward,
        "Decide all that fit, or show what that would do",
        [
            needed("where", "entity=contacts field=phone system=erp", Kind::Text),
            TAKE,
            VALUE,
            KEEP_BASE,
            NOTE,
            parameter("dry_run", "Only show what would be done", Kind::Flag)
        ],
        conflicts::resolve_all
    ),
    act!(
        PATCH,
        "/quarantine/{id}",
        Steward,
        "Correct values, or say which record a row belongs to",
        [
            parameter("set", "Values of fields", Kind::Values),
            parameter("link", "The record: a hub id, or SYSTEM:KEY", Kind::Text)
        ],
        quarantine::edit
    ),
    act!(POST, "/quarantine/{id}/retry", Steward, "Try one again", [], quarantine::retry),
    act!(
        POST,
        "/quarantine/retry",
        Steward,
        "Try again those with a code, of a run, or all",
        [
            parameter("code", "With this code", Kind::Text),
            parameter("run", "Of this run: r-1042, or last", Kind::Text),
            parameter("all", "All", Kind::Flag)
        ],
        quarantine::retry_all
    ),
    act!(
        POST,
        "/quarantine/drop",
        Steward,
        "Leave all with a code alone, or show which those are",
        [
            needed("code", "With this code", Kind::Text),
            parameter("entity", "Of this entity", Kind::Text),
            parameter("run", "Of this run: r-1042, or last", Kind::Text),
            needed("reason", "Why", Kind::Text),
            parameter("dry_run", "Only show which those are", Kind::Flag)
        ],
        quarantine::drop_all
    ),
    act!(
        DELETE,
        "/quarantine/{id}",
        Steward,
        "Leave it alone until the row changes",
        [needed("reason", "Why", Kind::Text)],
        quarantine::drop
    ),
    act!(POST, "/guards/{id}/apply", Operator, "Let exactly this through", [], guards::apply),
    act!(POST, "/guards/{id}/approve", Operator, "The same", [], guards::apply),
    act!(POST, "/guards/{id}/reverse", Operator, "Put the origin back", [], guards::reverse),
    act!(POST, "/guards/{id}/dismiss", Operator, "Leave all as it is", [], guards::dismiss),
    long!(
        "/entities/{entity}/refresh",
        Operator,
        "refresh",
        "Read again now",
        [
            parameter("full", "Compare everything", Kind::Flag),
            parameter("system", "Only from this system", Kind::Text),
            AGAIN_SINCE
        ],
        entities::refresh
    ),
    act!(
        POST,
        "/entities/{entity}/pause",
        Operator,
        "Stop reading or writing it",
        [WRITES_ONLY, FOR],
        entities::pause
    ),
    act!(POST, "/entities/{entity}/resume", Operator, "Go on", [], entities::resume),
    Route {
        method: Method::POST,
        path: "/entities/{entity}/verify",
        what: "Compare all systems completely; mends nothing",
        own: &[],
        is_list: false,
        body: &[
            parameter("sample", "Only so many rows of each table", Kind::Number),
            parameter("columns", "Only these fields", Kind::Texts),
        ],
        role: Role::Operator,
        work: Work::Long(Long::Beside(
            |context, request| Box::pin(entities::begin_verify(context, request)),
            |context, request, run| Box::pin(entities::verify(context, request, run)),
        )),
    },
    act!(
        POST,
        "/systems/{system}/pause",
        Operator,
        "Stop reading or writing it",
        [WRITES_ONLY, FOR],
        systems::pause
    ),
    act!(POST, "/systems/{system}/resume", Operator, "Go on", [], systems::resume),
    act!(
        POST,
        "/systems/{system}/test",
        Operator,
        "Whether it answers and allows what it must, as `doctor`",
        [],
        systems::test
    ),
    long!(
        "/runs",
        Operator,
        "run",
        "A pass: detect, merge, write",
        [
            parameter("entity", "Only this entity", Kind::Text),
            AGAIN_SINCE,
            parameter(
                "allow",
                "Let these through the guards: deletes, updates, creates",
                Kind::Texts
            ),
            parameter("limit", "Write only so many records", Kind::Number),
            parameter(
                "verify",
                "Compare afterwards what it wrote; with `auto_rollback`, what does not hold is taken back",
                Kind::Flag
            )
        ],
        runs::run
    ),
    act!(
        POST,
        "/plans",
        Operator,
        "Every consequence of a run; writes nothing",
        [
            parameter("entity", "Only this entity", Kind::Text),
            parameter("full", "Every change, not a sample", Kind::Flag),
            parameter("limit", "Of so many records", Kind::Number)
        ],
        plans::new
    ),
    get!(
        "/plans",
        "Plans that were made here, the newest first; the last 20 are kept",
        [],
        plans::list
    ),
    get!("/plans/{id}", "One, as it was shown; its ETag is wanted to apply it", [], plans::one),
    act!(
        POST,
        "/plans/{id}/apply",
        Operator,
        "Do exactly that, and skip what changed since",
        [
            parameter(
                "allow",
                "Let these through the guards: deletes, updates, creates",
                Kind::Texts
            ),
            parameter("max_stale", "Up to so many percent may have changed; 10", Kind::Number)
        ],
        plans::apply
    ),
    act!(
        POST,
        "/runs/{id}/rollback",
        Admin,
        "Take back what it did",
        [YES, FORCE, SOURCE],
        runs::rollback_run
    ),
    act!(
        POST,
        "/changes/{id}/rollback",
        Admin,
        "Take it back",
        [YES, FORCE, SOURCE],
        runs::rollback_change
    ),
    act!(
        POST,
        "/records/{id}/rollback",
        Admin,
        "Go back to a time",
        [needed("to", "A time, or how long ago", Kind::Time), YES, FORCE, SOURCE],
        records::rollback
    ),
    act!(
        POST,
        "/records/{id}/reveal",
        Admin,
        "Show its values that are hidden; who asked is on the books",
        [FIELD],
        records::reveal
    ),
    act!(POST, "/records/{id}/refresh", Operator, "Read its rows again", [], records::refresh),
    act!(
        POST,
        "/hooks/deliveries/{id}/replay",
        Operator,
        "Deal with it once more",
        [],
        hooks::replay
    ),
];
