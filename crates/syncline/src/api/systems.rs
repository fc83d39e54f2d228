//! `/systems`: where things are kept.

use serde_json::{Value as Json, json};

use crate::{
    address,
    api::{entities, reply::Reply, request::Request},
    cli::{Context, doctor::Doctor, pause::Pause, resume::Resume, status},
    config,
    report::{Answer, Failure},
    session::Session,
};

/// All.
pub(super) async fn list(session: &Session, request: &Request) -> Result<Reply, Failure> {
    entities::of_status(session, request, "systems", "system").await
}

/// One, with what it holds.
pub(super) async fn one(session: &Session, request: &Request) -> Result<Reply, Failure> {
    let name = request.name("system");
    let system = address::system_named(session, name)?;
    let status = status::json(session, Some(name)).await?;
    let row = status.get("systems").and_then(|rows| rows.get(0)).cloned();
    let mut body = row.unwrap_or_else(|| json!({ "system": name }));
    if let Some(body) = body.as_object_mut() {
        let own = session.plan.bindings.iter().filter(|binding| binding.system == system);
        let holds: Vec<Json> = own
            .map(|binding| {
                json!({
                    "entity": session.entity_name(binding.entity),
                    "table": binding.table.table.as_str(),
                    "reads": binding.reads,
                    "writes": binding.writes,
                })
            })
            .collect();
        body.insert("holds".to_owned(), json!(holds));
        let written = config::json(&session.loaded);
        let written = written.get("systems").and_then(|all| all.get(name)).cloned();
        body.insert("configuration".to_owned(), written.unwrap_or_default());
    }
    Ok(Reply::new(body))
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

/// Whether it answers and allows what it must.
pub(super) async fn test(context: &Context, request: &Request) -> Result<Answer, Failure> {
    Doctor { system: Some(known(context, request)?), check: None, fix: false }.run(context).await
}

fn known(context: &Context, request: &Request) -> Result<String, Failure> {
    let name = request.name("system");
    let loaded = config::load(context)?;
    if loaded.systems().any(|system| system == name) {
        return Ok(name.to_owned());
    }
    Err(Failure::new("usage.unknown_system", format!("there is no system `{name}`"))
        .fix("GET /api/v1/systems lists them"))
}
