//! What is changed: which request does it. The daemon does it by the function of the same command, and its
//! books say who asked.

use serde_json::{Map, Value as Json, json};

use super::{
    Daemon,
    looks::{ALL, list, said, shown},
    no_form,
};
use crate::{
    cli::{
        Context,
        apply::Allow,
        ask,
        conflicts::{self, Conflicts, Resolve},
        guards::{self, Guards},
        pause::Pause,
        quarantine::{self, Quarantine},
        refresh::Refresh,
        resume::Resume,
        retry::Retry,
        run::Run,
        verify::Verify,
    },
    exit::Exit,
    report::{Answer, Failure},
    words,
};

/// A body, of what was said.
fn body(pairs: &[(&str, Json)]) -> Map<String, Json> {
    let is_said = |value: &Json| match value {
        Json::Null | Json::Bool(false) => false,
        Json::Array(all) => !all.is_empty(),
        Json::Bool(true) | Json::Number(_) | Json::String(_) | Json::Object(_) => true,
    };
    let said = pairs.iter().filter(|(_, value)| is_said(value));
    said.map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

/// One of a list.
async fn one(daemon: &Daemon, list: &str, id: u64) -> Result<Answer, Failure> {
    let result = daemon.get(&[list, &id.to_string()], &[]).await?;
    Ok(shown(format!("{} {id}", list.trim_end_matches('s')), result))
}

/// How many wait in a queue for each cause.
async fn by_cause(
    daemon: &Daemon,
    list: &str,
    query: &[(&str, String)],
) -> Result<Answer, Failure> {
    let mut found = daemon.get(&[list, "causes"], query).await?;
    let rows = found.get_mut("items").map(Json::take).unwrap_or_default();
    let causes = rows.as_array().map_or(0, Vec::len);
    let summary = match causes as u64 {
        0 => "nothing waits".to_owned(),
        count => words::counted(count, "cause"),
    };
    Ok(shown(summary, rows))
}

/// All that wait in a queue.
async fn queue(
    daemon: &Daemon,
    path: &str,
    query: &[(&str, String)],
    (nothing, one, many): (&str, &str, &str),
) -> Result<Answer, Failure> {
    let rows = list(daemon, &[path], query, ALL).await?;
    let summary = match rows.len() as u64 {
        0 => nothing.to_owned(),
        count => words::several(count, one, many),
    };
    Ok(shown(summary, Json::Array(rows)))
}

pub(super) async fn conflicts(daemon: &Daemon, it: Conflicts) -> Result<Answer, Failure> {
    match it.command.unwrap_or(conflicts::Action::List { filter: None, causes: false }) {
        conflicts::Action::List { filter, causes } => {
            let mut query = Vec::new();
            for part in filter.as_deref().unwrap_or_default().split_whitespace() {
                let Some((key, value)) = part.split_once('=') else {
                    return Err(Failure::new("usage.filter", format!("`{part}` is not a filter"))
                        .fix("say entity=NAME, field=NAME or system=NAME"));
                };
                query.push((key, value.to_owned()));
            }
            if causes {
                return by_cause(daemon, "conflicts", &query).await;
            }
            let words = (
                "no conflict is open",
                "conflict waits for a decision",
                "conflicts wait for a decision",
            );
            queue(daemon, "conflicts", &query, words).await
        }
        conflicts::Action::Show { id } => one(daemon, "conflicts", id).await,
        conflicts::Action::Resolve(it) => resolve(daemon, it).await,
    }
}

async fn resolve(daemon: &Daemon, it: Resolve) -> Result<Answer, Failure> {
    if it.remember {
        return Err(no_form("syncline conflicts resolve --remember"));
    }
    let decision = [
        ("take", json!(it.take)),
        ("value", json!(it.value)),
        ("keep_base", json!(it.keep_base)),
        ("note", json!(it.note)),
    ];
    match (it.id, it.filter) {
        (Some(_), _) if it.dry_run => Err(no_form("syncline conflicts resolve ID --dry-run")),
        (Some(id), _) => {
            let path = ["conflicts", &id.to_string(), "resolve"];
            daemon.act("POST", &path, body(&decision)).await
        }
        (None, Some(filter)) => {
            let mut said = body(&decision);
            said.extend(body(&[("where", json!(filter)), ("dry_run", json!(it.dry_run))]));
            daemon.act("POST", &["conflicts", "resolve"], said).await
        }
        (None, None) => Err(Failure::new("usage.arguments", "which conflict?")
            .fix("give its number, or --where FILTER")),
    }
}

pub(super) async fn quarantine(daemon: &Daemon, it: Quarantine) -> Result<Answer, Failure> {
    use quarantine::{Action, Drop};
    match it.command.unwrap_or(Action::List { code: None, run: None, causes: false }) {
        Action::List { code, run, causes } => {
            let query = said(&[("code", &code), ("run", &run)]);
            if causes {
                return by_cause(daemon, "quarantine", &query).await;
            }
            let words = ("nothing is held back", "entry set aside", "entries set aside");
            queue(daemon, "quarantine", &query, words).await
        }
        Action::Show { id } => one(daemon, "quarantine", id).await,
        Action::Edit { id, set, link } => {
            let mut values = Map::new();
            for pair in &set {
                let Some((field, value)) = pair.split_once('=') else {
                    return Err(Failure::new("usage.arguments", format!("`{pair}` sets nothing"))
                        .fix("--set FIELD=VALUE"));
                };
                values.insert(field.to_owned(), json!(value));
            }
            let set = if values.is_empty() { Json::Null } else { Json::Object(values) };
            let said = body(&[("set", set), ("link", json!(link))]);
            daemon.act("PATCH", &["quarantine", &id.to_string()], said).await
        }
        Action::Drop(Drop { id: Some(id), reason, dry_run: false, .. }) => {
            let reason = reason.unwrap_or_else(|| "no reason given".to_owned());
            let said = body(&[("reason", json!(reason))]);
            daemon.act("DELETE", &["quarantine", &id.to_string()], said).await
        }
        Action::Drop(Drop { id: Some(_), .. }) => {
            Err(no_form("syncline quarantine drop ID --dry-run"))
        }
        Action::Drop(it) => {
            let said = body(&[
                ("code", json!(it.code)),
                ("entity", json!(it.entity)),
                ("run", json!(it.run)),
                ("reason", json!(it.reason)),
                ("dry_run", json!(it.dry_run)),
            ]);
            daemon.act("POST", &["quarantine", "drop"], said).await
        }
    }
}

pub(super) async fn retry(daemon: &Daemon, it: Retry) -> Result<Answer, Failure> {
    match it.ids.as_slice() {
        [] if it.code.is_none() && it.run.is_none() && !it.all => {
            Err(Failure::new("usage.arguments", "what should be tried again?")
                .fix("give a number, --code CODE, --run last, or --all"))
        }
        [] => {
            let said =
                body(&[("code", json!(it.code)), ("run", json!(it.run)), ("all", json!(it.all))]);
            daemon.act("POST", &["quarantine", "retry"], said).await
        }
        [id] => daemon.act("POST", &["quarantine", &id.to_string(), "retry"], Map::new()).await,
        _ => {
            Err(no_form("syncline retry ID ID…")
                .fix("one number at a time, or --code, --run, --all"))
        }
    }
}

pub(super) async fn guards(
    daemon: &Daemon,
    context: &Context,
    it: Guards,
) -> Result<Answer, Failure> {
    let (id, verb) = match it.command.unwrap_or(guards::Action::List) {
        guards::Action::List => {
            let words = (
                "no guard waits for a decision",
                "guard waits for a decision",
                "guards wait for a decision",
            );
            return queue(daemon, "guards", &[], words).await;
        }
        guards::Action::Show { id } => return one(daemon, "guards", id).await,
        guards::Action::Apply { id } => (id, "apply"),
        guards::Action::Reverse { id } => (id, "reverse"),
        guards::Action::Dismiss { id } => (id, "dismiss"),
    };
    if verb != "dismiss" && !context.yes {
        let seen = one(daemon, "guards", id).await?;
        context.note(&seen.text);
        if !(context.interactive && ask::yes(&format!("{verb} guard {id}?"))) {
            let message = format!("guard {id} was not approved; nothing was written");
            return Err(
                Failure::new("run.unapproved", message).fix("answer on a terminal, or say --yes")
            );
        }
    }
    daemon.act("POST", &["guards", &id.to_string(), verb], Map::new()).await
}

/// Whether a system is called so; an entity else.
async fn place(daemon: &Daemon, name: &str) -> Result<&'static str, Failure> {
    let systems = list(daemon, &["systems"], &[], ALL).await?;
    let is_system = systems.iter().any(|it| it.get("system").and_then(Json::as_str) == Some(name));
    Ok(if is_system { "systems" } else { "entities" })
}

pub(super) async fn pause(daemon: &Daemon, it: Pause) -> Result<Answer, Failure> {
    let Some(name) = it.name else {
        return Err(no_form("syncline pause").fix("name an entity or a system"));
    };
    let said = body(&[("writes_only", json!(it.writes_only)), ("for", json!(it.duration))]);
    let place = place(daemon, &name).await?;
    daemon.act("POST", &[place, &name, "pause"], said).await
}

pub(super) async fn resume(daemon: &Daemon, it: Resume) -> Result<Answer, Failure> {
    let Some(name) = it.name else {
        return Err(no_form("syncline resume").fix("name an entity or a system"));
    };
    if name.contains('/') {
        return Err(no_form("syncline resume RECORD"));
    }
    let place = place(daemon, &name).await?;
    daemon.act("POST", &[place, &name, "resume"], Map::new()).await
}

pub(super) async fn refresh(daemon: &Daemon, it: Refresh) -> Result<Answer, Failure> {
    let said =
        body(&[("full", json!(it.full)), ("system", json!(it.system)), ("since", json!(it.since))]);
    let is_record = it.address.contains('/');
    if is_record && !said.is_empty() {
        return Err(no_form("syncline refresh RECORD --system|--since|--full"));
    }
    let place = if is_record { "records" } else { "entities" };
    daemon.act("POST", &[place, &it.address, "refresh"], said).await
}

pub(super) async fn run(daemon: &Daemon, it: Run) -> Result<Answer, Failure> {
    let allow: Vec<&str> = it
        .allow
        .iter()
        .map(|allow| match allow {
            Allow::Deletes => "deletes",
            Allow::Updates => "updates",
            Allow::Creates => "creates",
        })
        .collect();
    let said = body(&[
        ("entity", json!(it.entity)),
        ("since", json!(it.since)),
        ("allow", json!(allow)),
        ("limit", json!(it.limit)),
        ("verify", json!(it.verify)),
    ]);
    let mut answer = daemon.act("POST", &["runs"], said).await?;
    if it.allow_partial && answer.exit == Exit::SetAside {
        (answer.exit, answer.error) = (Exit::Done, None);
    }
    Ok(answer)
}

pub(super) async fn verify(daemon: &Daemon, it: Verify) -> Result<Answer, Failure> {
    if it.repair {
        return Err(no_form("syncline verify --repair"));
    }
    let said = body(&[("sample", json!(it.sample)), ("columns", json!(it.columns))]);
    if let Some(entity) = it.entity {
        return daemon.act("POST", &["entities", &entity, "verify"], said).await;
    }
    // One after the other, told together.
    let status = daemon.get(&["status"], &[]).await?;
    let entities = status.get("entities").and_then(Json::as_array).cloned().unwrap_or_default();
    let mut all: Option<Answer> = None;
    for entity in entities.iter().filter_map(|it| it.get("entity").and_then(Json::as_str)) {
        let one = daemon.act("POST", &["entities", entity, "verify"], said.clone()).await?;
        all = Some(match all {
            Some(before) => both(before, one),
            None => one,
        });
    }
    all.ok_or_else(|| Failure::new("usage.unknown_entity", "the daemon keeps no entity"))
}

/// What two comparisons came to.
fn both(mut first: Answer, second: Answer) -> Answer {
    first.summary = format!("{}; {}", first.summary, second.summary);
    first.text = format!("{}\n{}", first.text.trim_end(), second.text);
    let plain = [first.plain.take(), second.plain].into_iter().flatten();
    first.plain = Some(plain.collect::<Vec<_>>().join("\n"));
    let number = |it: &Json, name: &str| it.get(name).and_then(Json::as_u64).unwrap_or_default();
    let bindings = |it: &Json| it.get("bindings").and_then(Json::as_array).cloned();
    let all = [bindings(&first.result), bindings(&second.result)].into_iter().flatten().flatten();
    let sum = |name: &str| number(&first.result, name) + number(&second.result, name);
    first.result = json!({
        "bindings": all.collect::<Vec<_>>(),
        "expected": sum("expected"),
        "unexplained": sum("unexplained"),
    });
    if first.exit == Exit::Done {
        first.exit = second.exit;
    }
    first.error = first.error.or(second.error);
    first
}
