//! `/runs` and `/changes`: what happened, and when.

use std::time::{Duration, Instant};

use clap::ValueEnum as _;
use serde_json::{Value as Json, json};
use syncline_core::name::{EntityIndex, RunId};
use syncline_ports::reader::{Entry, HistoryFilter, Reader as _, RunFilter};

use crate::{
    api::{
        access::forbidden,
        body,
        page::{self, Page},
        reply::Reply,
        request::Request,
    },
    cli::{
        Context,
        apply::Allow,
        history,
        rollback::{Kind, Rollback},
        run::Run,
        verify,
    },
    report::{Answer, Failure},
    session::{Reach, Session, Use},
};

/// Passes.
pub(super) async fn list(session: &Session, request: &Request) -> Result<Reply, Failure> {
    let page = Page::of(request, "runs")?;
    let filter = RunFilter {
        entities: request.limits().then(|| request.roots(session)).transpose()?,
        kind: request.text("kind").map(Into::into),
        trigger: request.text("trigger").map(Into::into),
        outcome: request.text("outcome").map(Into::into),
        since: request.time("since"),
        below: page.number()?,
        limit: page.one_more(),
    };
    let mut found = session.hub.run_page(&filter).await?;
    let next = page.cut(&mut found, |run| run.id.0.to_string());
    let total = if request.flag("count") {
        Some(session.hub.count_runs(&RunFilter { below: None, ..filter }).await?)
    } else {
        None
    };
    let items: Vec<_> = found.iter().map(|run| history::run_json(session, run)).collect();
    Ok(page.reply(request, &items, next, total))
}

/// One.
pub(super) async fn one(session: &Session, request: &Request) -> Result<Reply, Failure> {
    let id = RunId(request.number("run", "r-")?);
    match session.hub.run(id).await? {
        Some(run) => {
            of_its_entity(session, request, run.entity)?;
            let mut body = history::run_json(session, &run);
            if let (Some(entity), "verify") = (run.entity, run.kind.as_str()) {
                let name = session.entity_name(entity);
                let found = verify::found(session, name, id).await?;
                if let Some(body) = body.as_object_mut() {
                    body.insert("found".to_owned(), json!(found));
                }
            }
            Ok(Reply::new(body))
        }
        None => Err(Failure::new("usage.unknown_number", format!("there is no run {id}"))
            .cause("there never was, or its log is no longer kept")
            .fix("GET /api/v1/runs lists them")),
    }
}

/// Whoever is limited to some entities is shown runs of these.
fn of_its_entity(
    session: &Session,
    request: &Request,
    entity: Option<EntityIndex>,
) -> Result<(), Failure> {
    match (entity, request.scope()) {
        (Some(entity), _) => request.permits(session, entity),
        (None, None) => Ok(()),
        (None, Some(_)) => Err(forbidden("the run may concern other entities, too".to_owned())
            .fix("ask with a token for all entities")),
    }
}

/// What changes are asked for.
pub(super) async fn filter(session: &Session, request: &Request) -> Result<HistoryFilter, Failure> {
    let fields = request.text("field").map(|name| history::fields_named(session, name));
    let run = match request.text("run") {
        Some(text) => Some(history::run_number(session, text).await?),
        None => None,
    };
    Ok(HistoryFilter {
        run,
        since: request.time("since"),
        system: request.system(session)?,
        actor: request.text("actor").map(Into::into),
        fields: fields.transpose()?,
        ..HistoryFilter::default()
    })
}

/// A page of changes.
pub(super) async fn reply(
    session: &Session,
    request: &Request,
    list: &'static str,
    filter: HistoryFilter,
) -> Result<Reply, Failure> {
    let page = Page::of(request, list)?;
    let begun = Instant::now();
    let mut filter = HistoryFilter { below: page.number()?, limit: page.one_more(), ..filter };
    let (mut found, mut next) = (Vec::new(), None);
    // What is hardly ever so is not looked for to the beginning of all days.
    while found.len() <= page.limit {
        filter.limit = page.one_more() - found.len();
        let (part, rest) = session.hub.history_part(&filter, LOOKED_AT).await?;
        // However large the values of many are, few are held at a time.
        let shown = |entry: &Entry| (entry.number, page::cut(&history::json_of(session, entry)));
        found.extend(part.iter().map(shown));
        (filter.below, next) = (rest, rest.map(|number| number.to_string()));
        if rest.is_none() || begun.elapsed() > SEARCH {
            break;
        }
    }
    if found.len() > page.limit {
        next = page.cut(&mut found, |(number, _)| number.to_string());
    }
    let total = if request.flag("count") {
        let all = HistoryFilter { below: None, limit: COUNTED, ..filter };
        Some(session.hub.history(&all).await?.len() as u64)
    } else {
        None
    };
    let items: Vec<Json> = found.into_iter().map(|(_, item)| item).collect();
    Ok(page.reply(request, &items, next, total))
}

/// So many changes are looked at in one go.
const LOOKED_AT: usize = 2_000;
/// They are searched for so long; then the page ends where it is, and the next one goes on.
const SEARCH: Duration = Duration::from_millis(60);
/// Changes are counted up to here.
const COUNTED: usize = 100_000;

/// What it changed.
pub(super) async fn changes_of(session: &Session, request: &Request) -> Result<Reply, Failure> {
    let id = RunId(request.number("run", "r-")?);
    let known = session.hub.run(id).await?;
    of_its_entity(session, request, known.and_then(|run| run.entity))?;
    let run = Some(id);
    reply(session, request, "changes", HistoryFilter { run, ..HistoryFilter::default() }).await
}

/// Changes.
pub(super) async fn changes(session: &Session, request: &Request) -> Result<Reply, Failure> {
    let filter = filter(session, request).await?;
    reply(session, request, "changes", filter).await
}

/// One.
pub(super) async fn change(session: &Session, request: &Request) -> Result<Reply, Failure> {
    let number = request.number("change", "c-")?;
    let below = Some(number.saturating_add(1));
    let filter = HistoryFilter { below, limit: 1, ..HistoryFilter::default() };
    let found = session.hub.history(&filter).await?;
    match found.first().filter(|entry| entry.number == number) {
        Some(entry) => Ok(Reply::new(json!(history::json_of(session, entry)))),
        None => Err(Failure::new("usage.unknown_number", format!("there is no change c-{number}"))
            .fix("GET /api/v1/changes lists them")),
    }
}

/// A pass.
pub(super) async fn run(context: &Context, request: &Request) -> Result<Answer, Failure> {
    let mut allow = Vec::new();
    for word in request.said_all("allow") {
        let known = Allow::from_str(&word, false);
        allow.push(known.map_err(|_| body::refused("allow", "deletes, updates or creates"))?);
    }
    approved(context, request.said("entity").as_deref()).await?;
    let run = Run {
        entity: request.said("entity"),
        since: request.said("since"),
        allow,
        allow_partial: false,
        limit: request.said_number("limit"),
        verify: request.says("verify"),
    };
    run.run(context).await
}

/// What was never approved shows its plan first, which somebody reads: not here.
async fn approved(context: &Context, entity: Option<&str>) -> Result<(), Failure> {
    let session = Session::open(context, Use::Look, Reach::Hub).await?;
    for entity in session.entities(entity)? {
        session.permits(context.scope.as_deref(), entity)?;
        let name = session.entity_name(entity);
        if session.hub.approval(name).await?.is_none() {
            let message = format!("{name} has never been approved; nothing was written");
            return Err(Failure::new("guard.first_run", message)
                .cause("the first synchronisation of an entity shows its plan and asks")
                .fix("syncline plan --out p.plan; then syncline apply p.plan"));
        }
    }
    Ok(())
}

/// Takes back what a run did.
pub(super) async fn rollback_run(context: &Context, request: &Request) -> Result<Answer, Failure> {
    let id = request.number("run", "r-")?;
    rollback(context, request, Kind::Run, format!("r-{id}")).await
}

/// Takes back one change.
pub(super) async fn rollback_change(
    context: &Context,
    request: &Request,
) -> Result<Answer, Failure> {
    let id = request.number("change", "c-")?;
    rollback(context, request, Kind::Change, format!("c-{id}")).await
}

/// Takes something back, or shows what that would do.
pub(super) async fn rollback(
    context: &Context,
    request: &Request,
    kind: Kind,
    id: String,
) -> Result<Answer, Failure> {
    let yes = request.says("yes");
    // What is only shown does not go on the books.
    let deed = context.deed.clone().filter(|_| yes);
    let context = Context { yes, deed, ..context.clone() };
    let (force, revert_source) = (request.says("force"), request.says("revert_source"));
    Rollback { kind, id, to: request.said("to"), force, revert_source }.run(&context).await
}
