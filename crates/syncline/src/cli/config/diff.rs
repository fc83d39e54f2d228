//! `syncline config diff`: what the file says otherwise than what was approved, and what would follow.
//!
//! The hash of the meaning decides whether a plan is needed before the next write; the text that was
//! kept with the approval says what became different. What follows is counted where the hub knows it;
//! where systems would have to be read, the plan is named.

use serde_json::{Value as Json, json};
use syncline_core::{
    expr::{Context as Names, Expr, Zone},
    group::{Group, Scope},
    name::{EntityIndex, SystemIndex},
    value::Value,
};
use syncline_ports::reader::Reader as _;

use crate::{
    approved::{self, Approved},
    cli::Context,
    exit::Exit,
    report::{Answer, Failure},
    session::{Reach, Session, Use},
    words,
};

/// So many records are looked at to count what leaves a scope.
const RECORDS_MAX: u64 = 200_000;
/// Records at once.
const PAGE: usize = 500;
/// Texts longer than this are cut where they are shown to people.
const SHOWN_MAX: usize = 100;

/// One difference.
struct Difference {
    /// Which entity; `None`: what all of them follow.
    entity: Option<String>,
    /// `contacts.when`.
    path: String,
    /// What was approved.
    was: Json,
    /// What the file says.
    is: Json,
    /// It changes what stored state means: a plan comes first.
    needs_plan: bool,
    /// What would follow.
    follows: String,
}

/// Compares the file with the hub.
pub(super) async fn run(context: &Context) -> Result<Answer, Failure> {
    let session = Session::open(context, Use::Compare, Reach::Hub).await?;
    let mut found: Vec<Difference> = Vec::new();
    let mut same = 0;
    for entity in session.entities(None)? {
        let before = found.len();
        compare(&session, entity, &mut found).await?;
        same += usize::from(found.len() == before);
    }
    for name in approved::names(&session).await? {
        if session.plan.entity_named(&name).is_none() {
            found.push(Difference {
                path: name.clone(),
                entity: Some(name),
                was: json!("approved"),
                is: Json::Null,
                needs_plan: false,
                follows:
                    "it is no longer in the file: its rows stay as they are, and are left alone"
                        .into(),
            });
        }
    }
    Ok(answer(&session, &found, same))
}

async fn compare(
    session: &Session,
    entity: EntityIndex,
    found: &mut Vec<Difference>,
) -> Result<(), Failure> {
    let Some(now) = session.plan.entity(entity) else { return Ok(()) };
    let name = now.name.as_str();
    let whole = |is: &str, follows: String, needs_plan| Difference {
        entity: Some(name.to_owned()),
        path: name.to_owned(),
        was: Json::Null,
        is: json!(is),
        needs_plan,
        follows,
    };
    let Some(meaning) = session.hub.approval(name).await? else {
        let follows = "it was never approved".to_owned();
        found.push(whole("new", follows, true));
        return Ok(());
    };
    let is_other = meaning != now.meaning;
    let Some(known) = approved::known(session, name).await? else {
        if is_other {
            let follows = "its meaning is another than what was approved; an earlier version did not note what that was";
            found.push(whole("changed", follows.to_owned(), true));
        }
        return Ok(());
    };
    let said = Approved::said(&session.loaded, name);
    let mut paths = Vec::new();
    walk(name, &known.entity, &said.entity, &mut paths);
    let mut entries = Vec::new();
    for (path, was, is) in paths {
        let bare = path.strip_prefix(name).unwrap_or(&path).trim_start_matches('.').to_owned();
        let means = is_meaning(&bare);
        // Another way to write the same thing.
        if means && !is_other {
            continue;
        }
        let follows =
            if means { follows(session, entity, &bare).await? } else { IN_FORCE.to_owned() };
        let entity = Some(name.to_owned());
        entries.push(Difference { entity, path, was, is, needs_plan: means, follows });
    }
    let mut looked_up = Vec::new();
    walk(name, &known.lookups, &said.lookups, &mut looked_up);
    for (path, was, is) in looked_up.into_iter().filter(|_| is_other) {
        let follows = "its table of values is another".to_owned();
        let entity = Some(name.to_owned());
        entries.push(Difference { entity, path, was, is, needs_plan: true, follows });
    }
    if is_other && !entries.iter().any(|entry| entry.needs_plan) {
        let follows = "its meaning is another than what was approved".to_owned();
        entries.push(whole("changed", follows, true));
    }
    let mut defaults = Vec::new();
    walk("defaults", &known.defaults, &said.defaults, &mut defaults);
    for (path, was, is) in defaults {
        if !found.iter().any(|entry| entry.path == path) {
            let follows = IN_FORCE.to_owned();
            entries.push(Difference { entity: None, path, was, is, needs_plan: false, follows });
        }
    }
    found.extend(entries);
    Ok(())
}

/// Policies, guards and schedules are not what stored state means.
const IN_FORCE: &str = "in force from the next run; no plan is needed";

/// Whether what stands at this path of an entity decides what stored state means.
fn is_meaning(path: &str) -> bool {
    let path = path.strip_prefix("lines.").unwrap_or(path);
    let mut parts = path.split('.');
    match (parts.next(), parts.next(), parts.next()) {
        (Some("when" | "from" | "to" | "match" | "lines" | "key"), ..) => true,
        (Some("in"), _, part) => {
            !matches!(part, Some("changed_at" | "changed_by" | "cursor" | "on_leave"))
        }
        (Some("fields"), _, part) => !matches!(part, Some("conflicts")),
        (Some("deletes"), _, Some("set")) => true,
        (_, _, _) => false,
    }
}

/// What differs below this path: its was and its is.
fn walk(path: &str, was: &Json, is: &Json, found: &mut Vec<(String, Json, Json)>) {
    if was == is {
        return;
    }
    let (Json::Object(before), Json::Object(after)) = (was, is) else {
        found.push((path.to_owned(), was.clone(), is.clone()));
        return;
    };
    for (key, was) in before {
        walk(&format!("{path}.{key}"), was, after.get(key).unwrap_or(&Json::Null), found);
    }
    for (key, is) in after.iter().filter(|(key, _)| !before.contains_key(*key)) {
        found.push((format!("{path}.{key}"), Json::Null, is.clone()));
    }
}

/// What a changed meaning comes to, as far as the hub knows without asking a system.
async fn follows(session: &Session, entity: EntityIndex, path: &str) -> Result<String, Failure> {
    let mut parts = path.split('.');
    match (parts.next(), parts.next(), parts.next()) {
        (Some("when"), ..) => scope(session, entity, None).await,
        (Some("in"), Some(system), Some("when")) => {
            let index = session.plan.systems.iter().position(|it| it.name == system);
            let index = index.and_then(|at| u16::try_from(at).ok()).map(SystemIndex);
            scope(session, entity, index).await
        }
        (Some("match"), ..) => Ok("rows that are linked stay so; others are matched anew".into()),
        (Some("in"), ..) => Ok("rows are read and told apart in another way".into()),
        (Some("from" | "to"), ..) => Ok("edits flow in other directions".into()),
        (Some("fields"), Some(field), _) => holders(session, entity, field).await,
        (_, _, _) => Ok("the plan shows what would be written".into()),
    }
}

/// How many records would leave and enter the scope.
async fn scope(
    session: &Session,
    entity: EntityIndex,
    only: Option<SystemIndex>,
) -> Result<String, Failure> {
    let zone = session.plan.zone.as_deref().and_then(Zone::get);
    let (mut leave, mut enter) = (0u64, 0u64);
    let all = each(session, entity, |group| {
        let belongs = |expr: &Expr| holds(session, expr, group, zone.as_ref());
        let (mut leaves, mut enters) = (false, false);
        for binding in session.plan.bindings.iter().filter(|binding| binding.entity == entity) {
            if only.is_some_and(|only| only != binding.system) {
                continue;
            }
            let when = session.plan.entity(entity).and_then(|it| it.when.as_ref());
            let is_in = when.is_none_or(belongs) && binding.when.as_ref().is_none_or(belongs);
            match group.root.link(binding.system).map(|link| link.scope) {
                Some(Scope::In) => leaves |= !is_in,
                Some(Scope::Frozen | Scope::Detached | Scope::Leaving | Scope::Out) => {
                    enters |= is_in;
                }
                None => {}
            }
        }
        leave += u64::from(leaves);
        enter += u64::from(enters);
    })
    .await?;
    let of = words::count(all);
    Ok(match (leave, enter) {
        (0, 0) => format!("none of {of} records would leave or enter the scope"),
        (_, 0) => format!("{} of {of} records would leave the scope", words::count(leave)),
        (0, _) => format!("{} of {of} records would enter the scope", words::count(enter)),
        (_, _) => format!(
            "of {of} records {} would leave the scope and {} enter it",
            words::count(leave),
            words::count(enter)
        ),
    })
}

fn holds(session: &Session, expr: &Expr, group: &Group, zone: Option<&Zone>) -> bool {
    let Some(entity) = session.plan.entity(group.entity) else { return false };
    let lookup = |name: &str| {
        let field = entity.field_named(name)?;
        group.root.cell(field).map(|cell| cell.value.clone())
    };
    let names = Names { lookup: &lookup, now: Session::now(), zone, ranks: &[] };
    expr.eval(&names).is_ok_and(|value| value == Value::Bool(true))
}

/// How many records hold a value of a field, which may be read or written otherwise now.
async fn holders(session: &Session, entity: EntityIndex, field: &str) -> Result<String, Failure> {
    let Some(index) = session.plan.entity(entity).and_then(|it| it.field_named(field)) else {
        return Ok("it is no longer kept in step; what the rows hold stays".into());
    };
    let mut hold = 0u64;
    let all = each(session, entity, |group| {
        let value = group.root.cell(index).map(|cell| &cell.value);
        hold += u64::from(value.is_some_and(|value| !value.is_null()));
    })
    .await?;
    Ok(format!(
        "{} of {} records hold a value of it; the plan shows which rows would be written",
        words::count(hold),
        words::count(all)
    ))
}

/// Looks at the records of an entity; how many there were.
async fn each(
    session: &Session,
    entity: EntityIndex,
    mut look: impl FnMut(&Group),
) -> Result<u64, Failure> {
    let (mut after, mut all) = (None, 0u64);
    while all < RECORDS_MAX {
        let groups = session.hub.records(entity, after, PAGE).await?;
        let Some(last) = groups.last() else { break };
        after = Some(last.id);
        all += groups.len() as u64;
        groups.iter().for_each(&mut look);
    }
    Ok(all)
}

fn answer(session: &Session, found: &[Difference], same: usize) -> Answer {
    let path = session.loaded.path.display();
    if found.is_empty() {
        let checked = words::several(same as u64, "entity is", "entities are");
        return Answer::new(format!("{path} says what was approved: {checked} the same."))
            .with_result(json!({ "differences": [], "same": same }));
    }
    let mut text = String::new();
    let mut plain = String::new();
    for entry in found {
        let change = match (&entry.was, &entry.is) {
            (Json::Null, Json::String(word)) if word == "new" => "is new",
            (Json::Null, Json::String(word)) if word == "changed" => "changed",
            (Json::Null, _) => "added",
            (_, Json::Null) => "removed",
            (_, _) => "changed",
        };
        let next = match (&entry.entity, entry.needs_plan) {
            (Some(entity), true) => format!(" -> syncline plan {entity}"),
            (_, _) => String::new(),
        };
        text.push_str(&format!("{} {change}: {}{next}\n", entry.path, entry.follows));
        let is_whole = entry.entity.as_deref() == Some(entry.path.as_str());
        if !is_whole {
            text.push_str(&format!("  was  {}\n  is   {}\n", shown(&entry.was), shown(&entry.is)));
        }
        let word = if entry.needs_plan { "plan" } else { "none" };
        plain.push_str(&format!(
            "{}\t{change}\t{word}\t{}\t{}\t{}\n",
            entry.path,
            shown(&entry.was),
            shown(&entry.is),
            entry.follows
        ));
    }
    let plans = found.iter().filter(|entry| entry.needs_plan).count();
    let summary = format!(
        "{}, {} before the next write; {} the same.",
        words::counted(found.len() as u64, "difference"),
        words::several(plans as u64, "needs a plan", "need a plan"),
        words::several(same as u64, "entity is", "entities are"),
    );
    text.push_str(&summary);
    let differences: Vec<Json> = found
        .iter()
        .map(|entry| {
            json!({
                "entity": entry.entity,
                "path": entry.path,
                "was": entry.was,
                "is": entry.is,
                "needs_plan": entry.needs_plan,
                "follows": entry.follows,
            })
        })
        .collect();
    Answer::new(summary)
        .with_result(json!({ "differences": differences, "same": same }))
        .with_text(text)
        .with_plain(plain)
        .with_exit(Exit::Differences)
}

/// As it would be typed, not longer than a line.
fn shown(value: &Json) -> String {
    let text = match value {
        Json::Null => "-".to_owned(),
        Json::String(text) => text.clone(),
        Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => value.to_string(),
    };
    if text.chars().count() <= SHOWN_MAX {
        return text;
    }
    text.chars().take(SHOWN_MAX).chain("…".chars()).collect()
}
