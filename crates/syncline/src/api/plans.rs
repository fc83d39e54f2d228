//! `/plans`: every consequence, before anything is written; and what was read, done. A plan is kept beside
//! the hub: the file that `apply` takes, and what whoever made it was shown.

use std::{
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
};

use clap::ValueEnum as _;
use serde_json::{Value as Json, json};
use syncline_core::name::Timestamp;

use crate::{
    api::{body, reply::Reply, request::Request},
    cli::{
        Context,
        apply::{Allow, Apply},
        plan::Plan,
    },
    config,
    report::{Answer, Failure},
    session::{Reach, Session, Use},
    words,
};

/// So many are kept; the oldest goes.
const KEPT: usize = 20;
/// What was shown of one is not larger.
const SHOWN_MAX: u64 = 4 << 20;
/// So much of a plan may be out of date unless said otherwise, in percent.
const STALE: u64 = 10;

/// Where they are.
fn folder(hub: &Path) -> PathBuf {
    let mut name = hub.as_os_str().to_os_string();
    name.push(".plans");
    name.into()
}

/// A file of the plan that is asked for. Its name is a digest: no other leads to a file.
fn file(hub: &Path, id: &str, extension: &str) -> Result<PathBuf, Failure> {
    let is_name = (1..=64).contains(&id.len()) && id.bytes().all(|it| it.is_ascii_hexdigit());
    let path = folder(hub).join(format!("{id}.{extension}"));
    if is_name && path.is_file() {
        return Ok(path);
    }
    Err(Failure::new("usage.unknown_number", format!("there is no plan `{id}`"))
        .cause(format!("there never was, or {KEPT} were made since"))
        .fix("POST /api/v1/plans makes one"))
}

fn failed(error: &std::io::Error) -> Failure {
    Failure::new("plan.file", "the plan could not be kept beside the hub")
        .cause(error.to_string())
        .done("nothing was written")
        .fix("make room, or mend the permissions of the hub's directory")
}

/// Makes one.
pub(super) async fn new(context: &Context, request: &Request) -> Result<Answer, Failure> {
    let entity = request.said("entity");
    permitted(context, entity.as_deref()).await?;
    let folder = folder(&config::load(context)?.hub_path());
    private_folder(&folder).map_err(|error| failed(&error))?;
    // Changes are asked for one after the other: nobody else makes one meanwhile.
    let fresh = folder.join("fresh");
    let plan = Plan {
        entity,
        out: Some(fresh.clone()),
        full: request.says("full"),
        record: None,
        exit_code: false,
        limit: request.said_number("limit"),
        replay: None,
    };
    let answer = plan.run(context).await?;
    let name = answer.result.get("plan").and_then(Json::as_str).unwrap_or_default();
    keep(&folder, &fresh, name, &answer.result).map_err(|error| failed(&error))?;
    Ok(answer)
}

/// Whoever asks may have to do with all that is planned.
async fn permitted(context: &Context, entity: Option<&str>) -> Result<(), Failure> {
    let session = Session::open(context, Use::Look, Reach::Hub).await?;
    for entity in session.entities(entity)? {
        session.permits(context.scope.as_deref(), entity)?;
    }
    Ok(())
}

fn private_folder(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

fn keep(folder: &Path, fresh: &Path, name: &str, shown: &Json) -> std::io::Result<()> {
    let mut file = std::fs::File::create(folder.join(format!("{name}.json")))?;
    writeln!(file, "{shown}")?;
    std::fs::rename(fresh, folder.join(format!("{name}.plan")))?;
    let mut known = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|it| it == "plan") {
            known.push((path.metadata()?.modified()?, path));
        }
    }
    known.sort();
    for (_, old) in known.iter().take(known.len().saturating_sub(KEPT)) {
        std::fs::remove_file(old)?;
        // What was shown of it may be gone already.
        let _ = std::fs::remove_file(old.with_extension("json"));
    }
    Ok(())
}

/// What one says.
fn shown(hub: &Path, id: &str) -> Result<Json, Failure> {
    let path = file(hub, id, "json")?;
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(SHOWN_MAX).read_to_string(&mut text))
        .map_err(|error| failed(&error))?;
    serde_json::from_str(&text).map_err(|_| {
        Failure::new("plan.file", "the plan is too large to be shown, or damaged")
            .fix("make another one, of one entity or with limit")
    })
}

/// Those that are kept, the newest first.
pub(super) async fn list(session: &Session, request: &Request) -> Result<Reply, Failure> {
    let hub = session.loaded.hub_path();
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder(&hub)).into_iter().flatten().flatten() {
        let path = entry.path();
        let id = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        let made = path.metadata().and_then(|it| it.modified()).ok();
        if let (true, Some(made)) = (path.extension().is_some_and(|it| it == "plan"), made) {
            found.push((made, id));
        }
    }
    found.sort_unstable_by(|one, other| other.cmp(one));
    let mut items = Vec::new();
    for (made, id) in found {
        // One that goes meanwhile is not there any more.
        let Ok(plan) = shown(&hub, &id) else { continue };
        let names = entities(&plan);
        let known = names.iter().map(|name| session.entities(Some(name)));
        let may = known.flatten().flatten().all(|entity| request.permits(session, entity).is_ok());
        let since = made.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let at = Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX));
        if may {
            items.push(json!({ "plan": id, "made": words::time(at), "entities": names }));
        }
    }
    Ok(Reply::new(json!({ "items": items, "next": null })))
}

/// The entities of a plan, by name.
fn entities(plan: &Json) -> Vec<&str> {
    let all = plan.get("entities").and_then(Json::as_array).into_iter().flatten();
    all.filter_map(|it| it.get("entity").and_then(Json::as_str)).collect()
}

/// One, as it was shown to whoever made it.
pub(super) async fn one(session: &Session, request: &Request) -> Result<Reply, Failure> {
    let id = request.name("id");
    let plan = shown(&session.loaded.hub_path(), id)?;
    for name in entities(&plan) {
        for entity in session.entities(Some(name))? {
            request.permits(session, entity)?;
        }
    }
    Ok(Reply::new(plan).tagged(id))
}

/// Does exactly that.
pub(super) async fn apply(context: &Context, request: &Request) -> Result<Answer, Failure> {
    let id = request.name("id");
    let file = file(&config::load(context)?.hub_path(), id, "plan")?;
    if context.tag.is_none() {
        return Err(body::refused("", "If-Match says which plan was read: its ETag"));
    }
    context.expects(|| id.to_owned())?;
    let session = Session::open(context, Use::Look, Reach::Hub).await?;
    for (name, _) in crate::overlay::Saved::read(&file)?.entities {
        for entity in session.entities(Some(&name))? {
            session.permits(context.scope.as_deref(), entity)?;
        }
    }
    drop(session);
    let mut allow = Vec::new();
    for word in request.said_all("allow") {
        let known = Allow::from_str(&word, false);
        allow.push(known.map_err(|_| body::refused("allow", "deletes, updates or creates"))?);
    }
    let max_stale = request.said_number("max_stale").unwrap_or(STALE);
    // Whoever asks has read it: the tag says so.
    let context = Context { yes: true, ..context.clone() };
    Apply { file, allow, max_stale, allow_partial: false }.run(&context).await
}
