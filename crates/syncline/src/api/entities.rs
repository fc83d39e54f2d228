//! `/entities`: what is kept in step, and how each field of it is written in each system.

use serde_json::{Value as Json, json};
use syncline_core::{
    name::{EntityIndex, FieldIndex, RunId},
    plan::{Binding, Entity},
};

use crate::{
    api::{access::forbidden, body, page::Page, reply::Reply, request::Request},
    cli::{
        Context, explain,
        pause::Pause,
        refresh::Refresh,
        resume::Resume,
        status,
        verify::{self, Verify},
    },
    config,
    report::{Answer, Failure},
    session::{Reach, Session, Use},
};

/// All.
pub(super) async fn list(session: &Session, request: &Request) -> Result<Reply, Failure> {
    of_status(session, request, "entities", "entity").await
}

/// A page of what `status` shows of entities or systems: there are never many.
pub(super) async fn of_status(
    session: &Session,
    request: &Request,
    list: &'static str,
    name: &str,
) -> Result<Reply, Failure> {
    let page = Page::of(request, list)?;
    let status = status::json(session, None).await?;
    let mut all = status.get(list).and_then(Json::as_array).cloned().unwrap_or_default();
    if let (Some(scope), "entities") = (request.scope(), list) {
        all.retain(|row| scope.iter().any(|name| row.get("entity") == Some(&json!(name))));
    }
    let total = request.flag("count").then_some(all.len() as u64);
    let named = |row: &Json| row.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
    let from = match &page.after {
        Some(after) => all.iter().position(|row| named(row) == *after).map_or(0, |at| at + 1),
        None => 0,
    };
    let mut found: Vec<Json> = all.into_iter().skip(from).take(page.one_more()).collect();
    let next = page.cut(&mut found, named);
    Ok(page.reply(request, &found, next, total))
}

/// One, with its mapping.
pub(super) async fn one(session: &Session, request: &Request) -> Result<Reply, Failure> {
    let name = request.name("entity");
    let index = *session.entities(Some(name))?.first().ok_or_else(|| unknown(name))?;
    request.permits(session, index)?;
    let entity = session.plan.entity(index).ok_or_else(|| unknown(name))?;
    let status = status::json(session, Some(name)).await?;
    let row = status.get("entities").and_then(|rows| rows.get(0)).cloned();
    let mut body = row.unwrap_or_else(|| json!({ "entity": name }));
    if let Some(body) = body.as_object_mut() {
        body.insert("mapping".to_owned(), mapping(session, index, entity));
        let lists =
            entity.lists.iter().filter_map(|list| Some((*list, session.plan.entity(*list)?)));
        let lists: Vec<Json> = lists.map(|(at, list)| mapping(session, at, list)).collect();
        body.insert("lists".to_owned(), json!(lists));
        let written = config::json(&session.loaded);
        let written = written.get("entities").and_then(|all| all.get(name)).cloned();
        body.insert("configuration".to_owned(), written.unwrap_or_default());
    }
    Ok(Reply::new(body))
}

fn unknown(name: &str) -> Failure {
    Failure::new("usage.unknown_entity", format!("there is no entity `{name}`"))
}

/// The matrix: a line for each field, a cell for each system.
fn mapping(session: &Session, index: EntityIndex, entity: &Entity) -> Json {
    let bindings: Vec<&Binding> =
        entity.bindings.iter().filter_map(|binding| session.plan.binding(*binding)).collect();
    let systems: Vec<Json> = bindings
        .iter()
        .map(|binding| {
            json!({
                "system": session.system_name(binding.system),
                "table": binding.table.table.as_str(),
                "key": binding.table.key.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "reads": binding.reads,
                "writes": binding.writes,
            })
        })
        .collect();
    let names = |systems: &[syncline_core::name::SystemIndex]| -> Vec<String> {
        systems.iter().map(|system| session.system_name(*system).to_owned()).collect()
    };
    let fields: Vec<Json> = (0u16..)
        .map(FieldIndex)
        .zip(&entity.fields)
        .map(|(at, field)| {
            let cells: serde_json::Map<String, Json> = bindings
                .iter()
                .filter_map(|binding| {
                    let cell = binding.cell(at)?;
                    let system = session.system_name(binding.system);
                    let written = session.loaded.field(&entity.name, &field.name);
                    let values = written.and_then(|written| written.cell(system)?.values.as_ref());
                    let values = values.map(|values| {
                        let pairs = values.value.iter().map(|(hub, natives)| {
                            let natives = natives.iter().map(|native| json!(native.text.as_str()));
                            (hub.value.to_string(), Json::Array(natives.collect()))
                        });
                        Json::Object(pairs.collect())
                    });
                    let column = cell.place.to_string();
                    let as_it_is = cell.lens.is_identity();
                    Some((
                        system.to_owned(),
                        json!({ "column": column, "as_it_is": as_it_is, "values": values }),
                    ))
                })
                .collect();
            json!({
                "field": field.name.as_str(),
                "type": format!("{:?}", field.kind).split([' ', '(', '{']).next().unwrap_or_default().to_lowercase(),
                "policy": explain::policy(&field.policy),
                "said": session.loaded.policy_place(&entity.name, &field.name),
                "from": field.from.as_deref().map(names),
                "to": field.to.as_deref().map(names),
                "computed": field.compute.is_some(),
                "cells": cells,
            })
        })
        .collect();
    let matching: Vec<Vec<&str>> = entity
        .matching
        .iter()
        .map(|rule| {
            let fields = rule.fields.iter().filter_map(|field| entity.field(*field));
            fields.map(|field| field.name.as_str()).collect()
        })
        .collect();
    json!({
        "entity": session.entity_name(index),
        "systems": systems,
        "priority": names(&entity.priority),
        "match": matching,
        "when": entity.when.as_ref().map(|when| when.text().to_owned()),
        "fields": fields,
    })
}

/// Reads it again.
pub(super) async fn refresh(context: &Context, request: &Request) -> Result<Answer, Failure> {
    let since = request.said("since");
    let full = request.says("full");
    if full && since.is_some() {
        return Err(body::refused("since", "all is read with full"));
    }
    let address = known(context, request)?;
    Refresh { address, system: request.said("system"), since, full }.run(context).await
}

/// Stops reading or writing it.
pub(super) async fn pause(context: &Context, request: &Request) -> Result<Answer, Failure> {
    let name = Some(known(context, request)?);
    Pause { name, writes_only: request.says("writes_only"), duration: request.said("for") }
        .run(context)
        .await
}

/// Goes on.
pub(super) async fn resume(context: &Context, request: &Request) -> Result<Answer, Failure> {
    Resume { name: Some(known(context, request)?) }.run(context).await
}

/// Puts on record that all systems are compared completely.
pub(super) async fn begin_verify(context: &Context, request: &Request) -> Result<RunId, Failure> {
    let name = known(context, request)?;
    let session = Session::open(context, Use::Write, Reach::Hub).await?;
    verify::begin(&session, &name).await
}

/// Compares them, beside whatever else is done.
pub(super) async fn verify(
    context: &Context,
    request: &Request,
    run: RunId,
) -> Result<Answer, Failure> {
    let name = known(context, request)?;
    let (sample, columns) = (request.said_number("sample"), request.said_all("columns"));
    let compare = Verify { entity: Some(name.clone()), repair: false, sample, columns };
    let answered = Box::pin(compare.run(context)).await;
    let session = Session::open(context, Use::Write, Reach::Hub).await?;
    verify::end(&session, &name, run, &answered).await?;
    answered
}

/// The entity of the path, and nothing else that a command could take for a name.
fn known(context: &Context, request: &Request) -> Result<String, Failure> {
    let name = request.name("entity");
    let loaded = config::load(context)?;
    let may = |scope: &Vec<String>| scope.iter().any(|known| known == name);
    if !context.scope.as_ref().is_none_or(may) {
        return Err(forbidden(format!("{} may not have to do with {name}", context.who))
            .fix(format!("ask with a token for {name}")));
    }
    if loaded.draft.entities.iter().any(|entity| entity.name == name) {
        return Ok(name.to_owned());
    }
    Err(unknown(name).fix("GET /api/v1/entities lists them"))
}
