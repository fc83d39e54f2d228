//! `/records`: what is in the hub, why, and since when.

use std::time::{Duration, Instant};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value as Json, json};
use syncline_core::{
    change::RowKey,
    group::Group,
    label::Label,
    name::{BindingIndex, EntityIndex, FieldIndex, RecordId},
};
use syncline_ports::reader::{ConflictFilter, HistoryFilter, Reader as _};

use crate::{
    address,
    api::{
        page::Page,
        reply::Reply,
        request::{Request, refused},
        runs,
    },
    cli::{Context, explain, refresh::Refresh, rollback::Kind},
    report::{Answer, Failure},
    session::{Reach, Session, Use},
    words,
};

/// Records are searched for so long; then the page ends where it is, and the next one goes on.
const SEARCH: Duration = Duration::from_millis(80);
/// So many are looked at before the clock is.
const BATCH: usize = 500;

/// Records that live.
pub(super) async fn list(session: &Session, request: &Request) -> Result<Reply, Failure> {
    let page = Page::of(request, "records")?;
    let entities = request.roots(session)?;
    if let Some(key) = request.text("key") {
        let Some(system) = request.text("system") else {
            return Err(refused("`key` needs `system`", "which system's key?"));
        };
        let found = by_key(session, &entities, system, key).await?;
        return Ok(listed(session, request, &page, &found));
    }
    let query = request.text("q").map(str::trim).filter(|query| !query.is_empty());
    if let (Some(query), None) = (query, &page.after)
        && let Some(found) = directly(session, &entities, query).await?
    {
        return Ok(listed(session, request, &page, &[found]));
    }
    let wanted = Wanted { system: request.system(session)?, text: query.map(str::to_lowercase) };
    let (mut found, next) = wanted.walk(session, &entities, &page).await?;
    let total = match (request.flag("count"), &wanted.text, wanted.system) {
        (true, None, None) => {
            let mut total = 0;
            for entity in &entities {
                total += session.hub.count_records(*entity).await?;
            }
            Some(total)
        }
        // How many there are is only known once all were looked at.
        _ => None,
    };
    found.truncate(page.limit);
    let mut items = Vec::new();
    for group in &found {
        items.push(item(session, group));
    }
    Ok(page.reply(request, &items, next, total))
}

fn listed(session: &Session, request: &Request, page: &Page, found: &[Group]) -> Reply {
    let items: Vec<Json> = found.iter().map(|group| item(session, group)).collect();
    let total = request.flag("count").then_some(items.len() as u64);
    page.reply(request, &items, None, total)
}

async fn by_key(
    session: &Session,
    entities: &[EntityIndex],
    system: &str,
    key: &str,
) -> Result<Vec<Group>, Failure> {
    let mut found = Vec::new();
    let system = address::system_named(session, system)?;
    for entity in entities {
        let Some(binding) = session.plan.binding_of(*entity, system) else { continue };
        for key in address::row_keys(&session.plan, binding, key) {
            if let Some(record) = session.hub.record_of(binding, &key).await? {
                found.extend(session.hub.group(record).await?);
                break;
            }
        }
    }
    Ok(found)
}

/// The record that these words name exactly: an id, a row, a field that tells records apart.
async fn directly(
    session: &Session,
    entities: &[EntityIndex],
    query: &str,
) -> Result<Option<Group>, Failure> {
    if RecordId::parse(query).is_some()
        && let Some(found) = by_id(session, query).await?
        && entities.contains(&found.entity)
    {
        return Ok(Some(found));
    }
    if let Some((system, key)) = query.split_once(':')
        && session.plan.system_named(system).is_some()
    {
        return Ok(by_key(session, entities, system, key).await?.into_iter().next());
    }
    for entity in entities {
        let fields = session.plan.entity(*entity).map_or(&[][..], |entity| &entity.fields);
        for (at, field) in (0u16..).map(FieldIndex).zip(fields) {
            let value = match query.split_once('=') {
                Some((name, value)) if field.name.eq_ignore_ascii_case(name) => value,
                // A bare word is looked for where it may be seen.
                _ if field.label == Label::Open => query,
                _ => continue,
            };
            let found = address::by_match_key(session, &session.hub, *entity, at, value).await?;
            if let Some(found) = found.filter(|group| group.root.exists.alive) {
                return Ok(Some(found));
            }
        }
    }
    Ok(None)
}

/// What is looked for among all.
struct Wanted {
    system: Option<syncline_core::name::SystemIndex>,
    text: Option<String>,
}

impl Wanted {
    /// Walks over records from where the page before ended. Where all are asked for, or some are searched
    /// for, in the order in which they came; where one entity of several is, by its rows, so that the
    /// records of others need not be read.
    async fn walk(
        &self,
        session: &Session,
        entities: &[EntityIndex],
        page: &Page,
    ) -> Result<(Vec<Group>, Option<String>), Failure> {
        let is_all = entities.len() == session.entities(None)?.len();
        if is_all || self.text.is_some() {
            return self.scan(session, entities, page).await;
        }
        self.by_rows(session, entities, page).await
    }

    async fn scan(
        &self,
        session: &Session,
        entities: &[EntityIndex],
        page: &Page,
    ) -> Result<(Vec<Group>, Option<String>), Failure> {
        let begun = Instant::now();
        let mut after = match &page.after {
            None => None,
            Some(text) => Some(RecordId::parse(text).ok_or_else(bad_cursor)?),
        };
        let mut found: Vec<Group> = Vec::new();
        loop {
            let (batch, last) = session.hub.scan_records(entities, after, BATCH).await?;
            for group in batch {
                if self.is_it(session, &group) {
                    let id = group.id.to_string();
                    found.push(group);
                    if found.len() == page.limit {
                        return Ok((found, Some(id)));
                    }
                }
            }
            after = last;
            match after {
                None => return Ok((found, None)),
                Some(id) if begun.elapsed() > SEARCH => return Ok((found, Some(id.to_string()))),
                Some(_) => {}
            }
        }
    }

    /// The records of a binding after those of the ones before it, each once.
    async fn by_rows(
        &self,
        session: &Session,
        entities: &[EntityIndex],
        page: &Page,
    ) -> Result<(Vec<Group>, Option<String>), Failure> {
        let begun = Instant::now();
        let bindings: Vec<BindingIndex> = entities
            .iter()
            .filter_map(|entity| session.plan.entity(*entity))
            .flat_map(|entity| entity.bindings.iter().copied())
            .collect();
        let (mut at, mut after) = match &page.after {
            None => (0, None),
            Some(text) => {
                let (at, key) = text.split_once('.').ok_or_else(bad_cursor)?;
                let key = URL_SAFE_NO_PAD.decode(key).map_err(|_| bad_cursor())?;
                let key = Some(RowKey(key.into())).filter(|key| !key.0.is_empty());
                (at.parse::<usize>().map_err(|_| bad_cursor())?, key)
            }
        };
        let place = |at: usize, after: Option<&RowKey>| {
            let key = after.map(|key| URL_SAFE_NO_PAD.encode(&key.0)).unwrap_or_default();
            Some(format!("{at}.{key}"))
        };
        let mut found: Vec<Group> = Vec::new();
        while let Some(binding) = bindings.get(at) {
            let rows = session.hub.rows_of(*binding, after.as_ref(), page.limit).await?;
            let is_last = rows.len() < page.limit;
            for (key, record) in rows {
                after = Some(key);
                let Some(group) = session.hub.group(record).await? else { continue };
                if group.root.exists.alive
                    && first_binding(session, &group) == Some(*binding)
                    && self.is_it(session, &group)
                {
                    found.push(group);
                    if found.len() == page.limit {
                        return Ok((found, place(at, after.as_ref())));
                    }
                }
            }
            if is_last {
                (at, after) = (at + 1, None);
            }
            if begun.elapsed() > SEARCH && at < bindings.len() {
                return Ok((found, place(at, after.as_ref())));
            }
        }
        Ok((found, None))
    }

    fn is_it(&self, session: &Session, group: &Group) -> bool {
        let is_there = self
            .system
            .is_none_or(|system| group.root.link(system).is_some_and(|link| link.is_present()));
        is_there && self.text.as_ref().is_none_or(|text| holds(session, group, text))
    }
}

fn bad_cursor() -> Failure {
    Failure::new("usage.cursor", "this is no cursor of this list")
        .cause("it is of another question, or was altered")
        .done("nothing was looked up")
        .fix("take `next` of the page before, or begin without one")
}

/// Where a record that has several rows is listed.
fn first_binding(session: &Session, group: &Group) -> Option<BindingIndex> {
    let bindings = &session.plan.entity(group.entity)?.bindings;
    bindings.iter().copied().find(|binding| {
        let system = session.plan.binding(*binding).map(|found| found.system);
        let link = system.and_then(|system| group.root.link(system));
        link.is_some_and(|link| link.key.is_some())
    })
}

/// Whether a value or a key of the record holds these words.
fn holds(session: &Session, group: &Group, text: &str) -> bool {
    let fields = session.plan.entity(group.entity).map_or(&[][..], |entity| &entity.fields);
    let mut values = (0u16..).map(FieldIndex).zip(fields).filter_map(|(at, field)| {
        Some((field.name.as_str(), group.root.cell(at).filter(|cell| cell.version > 0)?))
    });
    if let Some((name, wanted)) = text.split_once('=')
        && fields.iter().any(|field| field.name.eq_ignore_ascii_case(name))
    {
        return values.any(|(field, cell)| {
            field.eq_ignore_ascii_case(name) && cell.value.to_string().to_lowercase() == wanted
        });
    }
    // What is not shown cannot be guessed letter by letter either.
    let mut values = values.filter(|(name, _)| {
        fields.iter().any(|field| field.name == *name && field.label == Label::Open)
    });
    values.any(|(_, cell)| cell.value.to_string().to_lowercase().contains(text))
        || group
            .root
            .links
            .iter()
            .any(|link| link.key.as_ref().is_some_and(|key| key.to_string().to_lowercase() == text))
}

/// A record in a list.
fn item(session: &Session, group: &Group) -> Json {
    let fields = session.plan.entity(group.entity).map_or(&[][..], |entity| &entity.fields);
    let values: Map<String, Json> = (0u16..)
        .map(FieldIndex)
        .zip(fields)
        .filter_map(|(at, field)| {
            let cell = group.root.cell(at).filter(|cell| cell.version > 0)?;
            Some((field.name.to_string(), words::json(&field.label.shown(&cell.value))))
        })
        .collect();
    json!({
        "id": group.id.to_string(),
        "record": address::of(session, group),
        "entity": session.entity_name(group.entity),
        "alive": group.root.exists.alive,
        "values": values,
        "rows": explain::links(session, group),
        "conflicts": group.root.conflicts.len(),
    })
}

/// The record of an id, or of the beginning of one that no other has.
async fn by_id(session: &Session, text: &str) -> Result<Option<Group>, Failure> {
    let Some((first, last)) = RecordId::range(text) else { return Ok(None) };
    match session.hub.records_between(first, last).await?.as_slice() {
        [] => Ok(None),
        [record] => Ok(session.hub.group(*record).await?),
        _ => Err(Failure::new(
            "address.ambiguous",
            format!("more than one record begins with {text}"),
        )
        .fix("give more letters of the id")),
    }
}

/// The record that the path names: by its id, or by an address with its slash encoded.
async fn named(session: &Session, request: &Request) -> Result<Group, Failure> {
    let text = request.name("id");
    let found = if text.contains('/') {
        Some(address::find(session, text).await?)
    } else {
        by_id(session, text).await?
    };
    let found = found.ok_or_else(|| {
        Failure::new("address.unknown", format!("no record is known as {text}"))
            .cause("it does not exist, or was never read")
            .fix("GET /api/v1/records?q=… finds records")
    })?;
    request.permits(session, found.entity)?;
    Ok(found)
}

/// One: its values, its rows, and what waits for a decision.
pub(super) async fn one(session: &Session, request: &Request) -> Result<Reply, Failure> {
    let group = named(session, request).await?;
    let mut body = item(session, &group);
    let (_, why) = explain::of_record(session, &group, None, None).await?;
    let mut fields = why.get("fields").cloned().unwrap_or_default();
    for field in fields.as_array_mut().into_iter().flatten() {
        // The whole of it is `/explain`.
        if let Some(field) = field.as_object_mut() {
            field.remove("chain");
        }
    }
    let filter = ConflictFilter {
        record: Some(group.id),
        settled: Some(false),
        limit: 100,
        ..ConflictFilter::default()
    };
    let open = session.hub.conflict_page(&filter).await?;
    if let Some(body) = body.as_object_mut() {
        body.insert("fields".to_owned(), fields);
        let open: Vec<u64> = open.iter().map(|conflict| conflict.number).collect();
        body.insert("open_conflicts".to_owned(), json!(open));
    }
    Ok(Reply::new(body))
}

/// What happened to it.
pub(super) async fn timeline(session: &Session, request: &Request) -> Result<Reply, Failure> {
    let group = named(session, request).await?;
    let filter = HistoryFilter { record: Some(group.id), ..runs::filter(session, request).await? };
    runs::reply(session, request, "timeline", filter).await
}

/// Why it has its values.
pub(super) async fn explain(session: &Session, request: &Request) -> Result<Reply, Failure> {
    let group = named(session, request).await?;
    let (field, at) = (request.text("field"), request.time("at"));
    Ok(Reply::new(explain::of_record(session, &group, field, at).await?.1))
}

/// Goes back to a time.
pub(super) async fn rollback(context: &Context, request: &Request) -> Result<Answer, Failure> {
    let address = address_of(context, request).await?;
    runs::rollback(context, request, Kind::Record, address).await
}

/// Reads its rows again.
pub(super) async fn refresh(context: &Context, request: &Request) -> Result<Answer, Failure> {
    let address = address_of(context, request).await?;
    Refresh { address, system: None, since: None, full: false }.run(context).await
}

/// Shows values that are hidden from everybody else. That this was asked is on the books by now: whoever opens
/// the hub to change it says before what for.
pub(super) async fn reveal(context: &Context, request: &Request) -> Result<Answer, Failure> {
    let session = Session::open(context, Use::Write, Reach::Hub).await?;
    let group = named(&session, request).await?;
    let wanted = request.said("field");
    let fields = session.plan.entity(group.entity).map_or(&[][..], |entity| &entity.fields);
    let mut values = Map::new();
    for (at, field) in (0u16..).map(FieldIndex).zip(fields) {
        if field.label == Label::Open || wanted.as_ref().is_some_and(|name| *name != *field.name) {
            continue;
        }
        let shadows = group.root.links.iter().filter_map(|link| {
            let native = link.shadow.as_ref()?.value(at)?;
            Some((session.system_name(link.system).to_owned(), words::json(native)))
        });
        let value = group.root.cell(at).map(|cell| words::json(&cell.value));
        let shown = json!({ "value": value, "systems": shadows.collect::<Map<_, _>>() });
        values.insert(field.name.to_string(), shown);
    }
    if let (Some(name), true) = (&wanted, values.is_empty()) {
        return Err(refused(
            &format!("`{name}` hides nothing"),
            "it is no field of the record, or has no label",
        ));
    }
    let record = address::of(&session, &group);
    let summary = format!("{} of {record}", words::counted(values.len() as u64, "hidden value"));
    let result = json!({ "id": group.id.to_string(), "record": record, "values": values });
    Ok(Answer::new(summary).with_result(result))
}

/// The record that the path names, as commands name it.
async fn address_of(context: &Context, request: &Request) -> Result<String, Failure> {
    let session = Session::open(context, Use::Look, Reach::Hub).await?;
    let group = named(&session, request).await?;
    Ok(format!("{}/{}", session.entity_name(group.entity), group.id))
}
