//! The queues by cause: how much waits for the same reason, since when, and what settles it at once.

use std::collections::BTreeMap;

use serde_json::json;
use syncline_core::{group::Author, name::Timestamp};
use syncline_ports::reader::{Conflict, Quarantined};

use crate::{
    cli::{
        Context,
        conflicts::{self, field_name},
        quarantine::{route, select},
    },
    report::{Answer, Failure},
    session::{Reach, Session, Use},
    words::{self, Table},
};

/// What waits for one reason.
struct Cause {
    count: u64,
    since: Timestamp,
    /// The number of one of them.
    example: u64,
}

impl Cause {
    fn add(causes: &mut BTreeMap<[String; 3], Self>, key: [String; 3], at: Timestamp, one: u64) {
        let cause = causes.entry(key).or_insert(Self { count: 0, since: at, example: one });
        cause.count += 1;
        if at < cause.since {
            (cause.since, cause.example) = (at, one);
        }
    }
}

/// What is set aside, by entity, code, and where it comes from or goes to.
pub(crate) async fn quarantine(
    context: &Context,
    code: Option<&str>,
    run: Option<&str>,
) -> Result<Answer, Failure> {
    let session = Session::open(context, Use::Look, Reach::Hub).await?;
    let entries = select(&session, code, run).await?;
    Ok(set_aside(&session, &entries))
}

/// These entries, by cause.
pub(crate) fn set_aside(session: &Session, entries: &[Quarantined]) -> Answer {
    let mut causes = BTreeMap::new();
    for entry in entries {
        let place = route(session, entry);
        // Of a row that was read, its system says where; its key is its own.
        let place = match place.split_once(':') {
            Some((system, _)) if !place.starts_with("->") => format!("{system} ->"),
            _ => place,
        };
        let entity = session.entity_name(entry.entity).to_owned();
        let key = [entity, entry.code.to_string(), place];
        Cause::add(&mut causes, key, entry.since, entry.number);
    }
    let settles = |key: &[String; 3]| {
        format!("syncline quarantine drop --code {} --entity {} --reason …", key[1], key[0])
    };
    answer(["ENTITY", "CODE", "ROUTE"], causes, settles)
}

/// Conflicts that wait, by entity, field, and who competes.
pub(crate) fn conflicts(session: &Session, found: Vec<Conflict>) -> Answer {
    let mut causes = BTreeMap::new();
    for conflict in found {
        let author = |author: Author| conflicts::author(session, author);
        let rivals: Vec<String> =
            conflict.candidates.iter().map(|candidate| author(candidate.author)).collect();
        let entity = session.entity_name(conflict.entity).to_owned();
        let key = [entity, field_name(session, &conflict), rivals.join(", ")];
        Cause::add(&mut causes, key, conflict.opened.1, conflict.number);
    }
    let settles = |key: &[String; 3]| {
        format!(
            "syncline conflicts resolve --where \"entity={} field={}\" --take … --dry-run",
            key[0], key[1]
        )
    };
    answer(["ENTITY", "FIELD", "BETWEEN"], causes, settles)
}

fn answer(
    heads: [&'static str; 3],
    causes: BTreeMap<[String; 3], Cause>,
    settles: impl Fn(&[String; 3]) -> String,
) -> Answer {
    let now = Session::now();
    let mut causes: Vec<([String; 3], Cause)> = causes.into_iter().collect();
    causes.sort_by_key(|(_, cause)| std::cmp::Reverse(cause.count));
    let mut table = Table::new(&["COUNT>", heads[0], heads[1], heads[2], "OLDEST", "FOR EXAMPLE>"]);
    let (mut rows, mut all) = (Vec::new(), 0);
    for (key, cause) in &causes {
        let [first, second, third] = key.clone();
        table.row([
            words::count(cause.count),
            first.clone(),
            second.clone(),
            third.clone(),
            words::age(now, cause.since),
            cause.example.to_string(),
        ]);
        let name = |head: &str| head.to_lowercase();
        rows.push(json!({
            "count": cause.count,
            name(heads[0]): first,
            name(heads[1]): second,
            name(heads[2]): third,
            "oldest": words::time(cause.since),
            "example": cause.example,
        }));
        all += cause.count;
    }
    let summary = if causes.is_empty() {
        "nothing waits".to_owned()
    } else {
        format!(
            "{} for {}",
            words::several(all, "waits", "wait"),
            words::counted(causes.len() as u64, "cause")
        )
    };
    let text = match causes.first() {
        Some((key, _)) => format!("{}\nAll of the first at once: {}", table.text(), settles(key)),
        None => summary.clone(),
    };
    Answer::new(summary).with_text(text).with_plain(table.plain()).with_result(json!(rows))
}
