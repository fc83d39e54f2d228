//! `/conflicts`: what waits for a decision.

use serde_json::{Value as Json, json};
use syncline_core::name::RecordId;
use syncline_ports::reader::{ConflictFilter, Reader as _};

use crate::{
    api::{
        body,
        page::Page,
        reply::Reply,
        request::{Request, refused, typed},
    },
    cli::{
        Context, causes,
        conflicts::{self, Resolve},
        history,
    },
    report::{Answer, Failure},
    session::Session,
};

/// How many wait for each cause, the most first.
pub(super) async fn by_cause(session: &Session, request: &Request) -> Result<Reply, Failure> {
    let entities = request.roots(session)?;
    let said = ["field", "system"].iter().filter_map(|name| {
        let value = request.text(name)?;
        Some(format!("{name}={value}"))
    });
    let filter = said.collect::<Vec<_>>().join(" ");
    let filter = Some(filter.as_str()).filter(|filter| !filter.is_empty());
    let mut found = conflicts::matching(session, filter).await?;
    found.retain(|conflict| entities.contains(&session.plan.root_of(conflict.entity)));
    Ok(Reply::new(json!({ "items": causes::conflicts(session, found).result, "next": null })))
}

/// The queue.
pub(super) async fn list(session: &Session, request: &Request) -> Result<Reply, Failure> {
    let page = Page::of(request, "conflicts")?;
    let entity = request.entity(session)?;
    let fields = match request.text("field") {
        Some(name) => {
            let mut fields = history::fields_named(session, name)?;
            fields.retain(|(of, _)| entity.is_none_or(|only| session.plan.root_of(*of) == only));
            Some(fields)
        }
        None => None,
    };
    let record = match request.text("record") {
        Some(text) => Some(
            RecordId::parse(text).ok_or_else(|| refused("`record` is the id of a record", text))?,
        ),
        None => None,
    };
    let run = match request.text("run") {
        Some(text) => Some(history::run_number(session, text).await?),
        None => None,
    };
    let filter = ConflictFilter {
        entities: request.entities(session)?,
        fields,
        system: request.system(session)?,
        record,
        run,
        settled: match request.text("state") {
            Some("all") => None,
            Some("settled") => Some(true),
            _ => Some(false),
        },
        below: page.number()?,
        limit: page.one_more(),
    };
    let mut found = session.hub.conflict_page(&filter).await?;
    let next = page.cut(&mut found, |conflict| conflict.number.to_string());
    let total = if request.flag("count") {
        let all = ConflictFilter { below: None, ..filter };
        Some(session.hub.count_conflicts(&all).await?)
    } else {
        None
    };
    let mut items: Vec<Json> = Vec::with_capacity(found.len());
    for conflict in &found {
        let record = conflicts::record_name(session, conflict).await?;
        items.push(conflicts::json_of(session, conflict, &record));
    }
    Ok(page.reply(request, &items, next, total))
}

/// One, side by side.
pub(super) async fn one(session: &Session, request: &Request) -> Result<Reply, Failure> {
    let conflict = conflicts::find(session, request.number("conflict", "")?).await?;
    request.permits(session, conflict.entity)?;
    let record = conflicts::record_name(session, &conflict).await?;
    let group = session.hub.group(conflict.record).await?;
    let part = group.as_ref().and_then(|group| group.part(&conflict.part));
    let body = conflicts::show::detail(session, &conflict, part, &record);
    Ok(Reply::new(body).tagged(&conflicts::tag(&conflict)))
}

/// What the body decides.
fn decision(request: &Request) -> Result<Resolve, Failure> {
    let (take, value) = (request.said("take"), request.body().get("value"));
    let keep_base = request.says("keep_base");
    let said = [take.is_some(), value.is_some(), keep_base];
    if said.iter().filter(|said| **said).count() != 1 {
        return Err(body::refused("take", "say one of take, value and keep_base"));
    }
    Ok(Resolve {
        id: None,
        filter: None,
        take,
        value: value.map(typed),
        keep_base,
        note: request.said("note"),
        remember: false,
        dry_run: false,
    })
}

/// Decides one.
pub(super) async fn resolve(context: &Context, request: &Request) -> Result<Answer, Failure> {
    let id = request.number("conflict", "")?;
    Resolve { id: Some(id), ..decision(request)? }.run(context).await
}

/// Decides all that fit.
pub(super) async fn resolve_all(context: &Context, request: &Request) -> Result<Answer, Failure> {
    let dry_run = request.says("dry_run");
    let filter = request.said("where");
    Resolve { filter, dry_run, ..decision(request)? }.run(context).await
}
