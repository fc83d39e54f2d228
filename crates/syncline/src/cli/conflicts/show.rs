//! One conflict, side by side: what was agreed, what each system says, and what is not disputed.

use std::borrow::Cow;

use serde_json::{Value as Json, json};
use syncline_core::{
    change::PartKey,
    group::{Author, Link, Part},
    name::{EntityIndex, FieldIndex, SystemIndex, Timestamp},
    value::Value,
};
use syncline_ports::reader::{Conflict, Reader as _};

use super::{field_name, find, json_of};
use crate::{
    address,
    cli::{Context, explain},
    report::{Answer, Failure},
    session::{Reach, Session, Use},
    shown,
    words::{self, Table},
};

pub(super) async fn show(context: &Context, id: u64) -> Result<Answer, Failure> {
    let session = Session::open(context, Use::Look, Reach::Hub).await?;
    let conflict = shown::conflict(&session, &find(&session, id).await?);
    let group = session.hub.group(conflict.record).await?;
    let record = group
        .as_ref()
        .map_or_else(|| conflict.record.to_string(), |group| address::of(&session, group));
    let now = Session::now();
    let mut text = format!(
        "{record}  {}  opened {} ago in {}  policy: {}\n",
        conflict.record,
        words::age(now, conflict.opened.1),
        conflict.opened.0,
        policy(&session, &conflict),
    );
    let part = group.as_ref().and_then(|group| group.part(&conflict.part));
    text.push_str(&side_by_side(&session, &conflict, part, now));
    text.push('\n');
    match &conflict.settled {
        Some((settled, at)) => {
            let who = settled.who.as_ref().map(|who| format!(" ({who})")).unwrap_or_default();
            text.push_str(&format!(
                "settled by {}{who} at {}: {}",
                settled.rule,
                words::time(*at),
                super::author(&session, settled.winner)
            ));
        }
        None => text.push_str(&choices(&session, &conflict)),
    }
    Ok(Answer::new(format!("conflict {id}"))
        .with_text(text)
        .with_result(detail(&session, &conflict, part, &record)))
}

/// A conflict beside what each system shows of the record, for programs.
pub(crate) fn detail(
    session: &Session,
    conflict: &Conflict,
    part: Option<&Part>,
    record: &str,
) -> Json {
    let entity = session.plan.entity(conflict.entity);
    let of_field = |field: FieldIndex, version: Option<u64>| -> Vec<Json> {
        systems_of(session, conflict)
            .into_iter()
            .filter_map(|system| {
                let link = part.and_then(|part| part.link(system))?;
                let agrees = version.map(|version| link.agreed(field) == version);
                Some(json!({
                    "system": session.system_name(system),
                    "value": shown(session, conflict, link, field).as_deref().map(words::json),
                    "agrees": agrees,
                }))
            })
            .collect()
    };
    let mut others = Vec::new();
    for (index, field) in (0u16..).map(FieldIndex).zip(entity.map_or(&[][..], |it| &it.fields)) {
        let cell = part.and_then(|part| part.cell(index)).filter(|cell| cell.version > 0);
        let (Some(cell), false) = (cell, conflict.field == Some(index)) else { continue };
        others.push(json!({
            "field": field.name.as_str(),
            "value": words::json(&field.label.shown(&cell.value)),
            "systems": of_field(index, Some(cell.version)),
        }));
    }
    let shown = conflict.field.map(|field| of_field(field, None)).unwrap_or_default();
    let mut result = json_of(session, conflict, record);
    if let Some(object) = result.as_object_mut() {
        object.insert("policy".to_owned(), json!(policy(session, conflict)));
        object.insert("shown".to_owned(), json!(shown));
        object.insert("others".to_owned(), json!(others));
    }
    result
}

/// The systems that the entity lives in.
fn systems_of(session: &Session, conflict: &Conflict) -> Vec<SystemIndex> {
    let bindings = session.plan.entity(conflict.entity).map_or(&[][..], |it| &it.bindings);
    let found = bindings.iter().filter_map(|binding| session.plan.binding(*binding));
    found.map(|binding| binding.system).collect()
}

/// The policy, and where it is said.
fn policy(session: &Session, conflict: &Conflict) -> String {
    let Some(entity) = session.plan.entity(conflict.entity) else { return "?".into() };
    let Some(field) = conflict.field.and_then(|field| entity.field(field)) else {
        return "delete_conflict".into();
    };
    let place = session.loaded.policy_place(&entity.name, &field.name);
    let place = place.map(|place| format!(" ({place})")).unwrap_or_default();
    format!("{}{place}", explain::policy(&field.policy))
}

/// The disputed field first, then the others of the record: `=` where a system agrees.
fn side_by_side(
    session: &Session,
    conflict: &Conflict,
    part: Option<&Part>,
    now: Timestamp,
) -> String {
    let entity = session.plan.entity(conflict.entity);
    let systems = systems_of(session, conflict);
    let mut header = vec!["FIELD", "AGREED BASE"];
    header.extend(systems.iter().map(|system| session.system_name(*system)));
    let mut table = Table::new(&header);
    let mut row = vec![field_name(session, conflict), base(conflict, part, &systems)];
    row.extend(systems.iter().map(|system| disputed(session, conflict, part, *system, now)));
    table.row(row);
    let others = entity.map_or(0, |entity| entity.fields.len());
    for index in 0..others {
        let field = FieldIndex(u16::try_from(index).unwrap_or(u16::MAX));
        let cell = part.and_then(|part| part.cell(field)).filter(|cell| cell.version > 0);
        let (Some(cell), false) = (cell, conflict.field == Some(field)) else { continue };
        let name = entity.and_then(|entity| entity.field(field)).map(|field| field.name.as_str());
        let value = shown::value(session, list_of(conflict), field, &cell.value);
        let mut row = vec![name.unwrap_or("?").to_owned(), value.to_string()];
        row.extend(systems.iter().map(|system| {
            let link = part.and_then(|part| part.link(*system));
            match (link, link.and_then(|link| shown(session, conflict, link, field))) {
                (Some(link), Some(_)) if link.agreed(field) == cell.version => "=".to_owned(),
                (Some(_), Some(value)) => format!("({value})"),
                (None | Some(_), None) | (None, Some(_)) => String::new(),
            }
        }));
        table.row(row);
    }
    table.text()
}

/// What all had agreed to; a field that one of them had never shown has no such value.
fn base(conflict: &Conflict, part: Option<&Part>, systems: &[SystemIndex]) -> String {
    let Some(field) = conflict.field else { return "(there)".into() };
    let has_agreed = |system: &SystemIndex| {
        let link = part.and_then(|part| part.link(*system));
        link.is_some_and(|link| link.agreed(field) > 0)
    };
    if conflict.base.is_null() && !systems.iter().all(has_agreed) {
        return "(none)".into();
    }
    conflict.base.to_string()
}

/// What a system says of the disputed field: `customer * 10:12 agent12`, or in brackets what it
/// shows without having changed it.
fn disputed(
    session: &Session,
    conflict: &Conflict,
    part: Option<&Part>,
    system: SystemIndex,
    now: Timestamp,
) -> String {
    let own = conflict.candidates.iter().find(|it| it.author == Author::System(system));
    if let Some(candidate) = own {
        let at = words::moment(now, candidate.at);
        let who = candidate.actor.as_ref().map(|who| format!(" {who}")).unwrap_or_default();
        return format!("{} * {at}{who}", candidate.value);
    }
    let link = part.and_then(|part| part.link(system));
    match (link, conflict.field) {
        (Some(link), Some(field)) => shown(session, conflict, link, field)
            .map(|value| format!("({value})"))
            .unwrap_or_default(),
        (Some(link), None) if link.is_present() => "(there)".into(),
        (Some(_), None) => "(gone)".into(),
        (None, _) => String::new(),
    }
}

fn shown<'l>(
    session: &Session,
    conflict: &Conflict,
    link: &'l Link,
    field: FieldIndex,
) -> Option<Cow<'l, Value>> {
    let value = link.shadow.as_ref()?.value(field)?;
    Some(shown::value(session, list_of(conflict), field, value))
}

/// The entity whose fields the conflict is about: the record's, or its list's.
fn list_of(conflict: &Conflict) -> EntityIndex {
    match &conflict.part {
        PartKey::Root => conflict.entity,
        PartKey::Child { list, .. } => *list,
    }
}

/// What can be decided, as commands.
fn choices(session: &Session, conflict: &Conflict) -> String {
    let takes: Vec<String> = conflict
        .candidates
        .iter()
        .filter_map(|candidate| match candidate.author {
            Author::System(system) => Some(format!("--take {}", session.system_name(system))),
            Author::Person | Author::Merged | Author::Nobody => None,
        })
        .collect();
    format!(
        "Until you decide, {} stays as it is everywhere; every other field keeps flowing.\n  \
         syncline conflicts resolve {} {} | --value V | --keep-base        --remember also proposes a rule",
        field_name(session, conflict),
        conflict.number,
        takes.join(" | ")
    )
}
