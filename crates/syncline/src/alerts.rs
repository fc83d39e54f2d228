//! Alerts: people and programs are told what waits for them and what went wrong, and when it is over.
//!
//! What is so is looked up in the hub (`conditions.rs`), compared with what was so when it was looked
//! up last, and what that means for whom (`rules.rs`) goes into the outbox in one commit; from there it
//! is sent until it is taken (`postman.rs`). So whoever changes the hub need not know of alerts, a sink
//! that is down delays nothing, and what happened while nobody looked is told all the same.

mod conditions;
pub(crate) mod postman;
mod rules;
mod words;

use std::{collections::BTreeSet, path::Path, time::Duration};

use syncline_adapters::hub::{
    news::{Newsreader, Waits},
    outbox::{Change, Draft, Outbox},
};
use syncline_core::{name::Timestamp, plan::Plan, value::Digest};

use self::conditions::Kind;
use crate::{config::Loaded, report::Failure, words::hex as words_of};

/// Runs that ended within this time may be committed after later ones.
const OVERLAP_MS: i64 = 10_000;
/// The name under which it is known which run ended last.
const RUNS: &str = "runs";
/// The name under which the configuration that holds is known.
const CONFIG: &str = "config";

/// Looks what is so, and puts into the outbox what is new. Gives how many messages that are.
///
/// # Errors
/// The hub's and the outbox's.
pub(crate) fn look(
    loaded: &Loaded,
    plan: &Plan,
    hub: &Path,
    now: Timestamp,
) -> Result<usize, Failure> {
    if loaded.draft.alerts.rules.is_empty() {
        return Ok(0);
    }
    let mut outbox = Outbox::open(hub)?;
    let known = outbox.known(RUNS)?.unwrap_or_default();
    let (since, told) = runs_known(&known, now);
    let rules = loaded.draft.alerts.rules.iter();
    let spans: BTreeSet<i64> =
        rules.filter(|rule| rule.above.is_some()).map(|rule| rule.within_ms).collect();
    let spans: Vec<i64> = spans.into_iter().collect();
    let news = Newsreader::open(hub)?.read(since, &spans, now)?;
    let before: BTreeSet<(String, i64)> = outbox.open_things()?.into_iter().collect();
    let (mut happenings, open) = conditions::changed(plan, &news, &before, loaded, now);
    let mut is_other = false;
    let mut change = Change {
        opened: open.difference(&before).cloned().collect(),
        closed: before.difference(&open).cloned().collect(),
        ..Change::default()
    };
    let runs: Vec<_> = news.runs.iter().filter(|run| !told.contains(&run.number)).collect();
    happenings.extend(runs.iter().map(|run| conditions::of_run(plan, run)));
    let config = words_of(&loaded.sources.digest());
    if outbox.known(CONFIG)?.as_deref() != Some(config.as_str()) {
        happenings.push(conditions::of_config(now));
        change.known.push((CONFIG.into(), config));
        is_other = true;
    }
    let newest = news.runs.iter().map(|run| run.at.0).max().unwrap_or(since.0);
    let recent = news.runs.iter().filter(|run| run.at.plus_ms(OVERLAP_MS).0 > newest);
    let recent: Vec<String> = recent.map(|run| run.number.to_string()).collect();
    change.known.push((RUNS.into(), format!("{newest} {}", recent.join(" "))));
    for happening in &happenings {
        for (channel, due) in rules::told(loaded, happening, now) {
            let body = serde_json::to_string(&words::stored(loaded, happening));
            change.drafts.push(Draft {
                channel,
                topic: happening.topic.clone(),
                event: happening.event(),
                body: body.unwrap_or_default(),
                count: happening.count,
                at: happening.at,
                due,
                undoes: (happening.is_over && happening.left == 0)
                    .then(|| conditions::event(happening.kind.events().0)),
            });
        }
    }
    let said = change.drafts.len();
    if !change.opened.is_empty()
        || !change.closed.is_empty()
        || said > 0
        || !runs.is_empty()
        || is_other
    {
        outbox.change(&change)?;
    }
    Ok(said)
}

/// How those who are told know this hub from others: by where it is.
pub(crate) fn sender(hub: &Path) -> String {
    let path = std::path::absolute(hub).unwrap_or_else(|_| hub.to_path_buf());
    let digest = Digest::of(path.as_os_str().as_encoded_bytes());
    let short: String = words_of(&digest).chars().take(8).collect();
    format!("syncline-{short}")
}

/// So long a command that is over waits for what it has to tell.
const PATIENCE: Duration = Duration::from_secs(10);

/// Tells what a command has led to, where no daemon does. What cannot be told now is told next time.
pub(crate) async fn after_command(loaded: &Loaded, now: Timestamp) -> Result<(), Failure> {
    let hub = loaded.hub_path();
    if loaded.draft.alerts.rules.is_empty() || !hub.exists() {
        return Ok(());
    }
    let (plan, _) = loaded.compile(None);
    look(loaded, &plan, &hub, now)?;
    let channels = loaded.channels().await?;
    // What is told together within some seconds is told now: nobody comes later.
    let soon = now.plus_ms(rules::TOGETHER_MS);
    let own = sender(&hub);
    let told = postman::once(&hub, &channels, &own, soon);
    match tokio::time::timeout(PATIENCE, told).await {
        Ok(told) => told.map(|_| ()),
        // They are in the outbox.
        Err(_) => Ok(()),
    }
}

/// Since when runs are looked for, and those that were told since then.
fn runs_known(text: &str, now: Timestamp) -> (Timestamp, BTreeSet<i64>) {
    let mut words = text.split(' ').filter_map(|word| word.parse::<i64>().ok());
    match words.next() {
        Some(newest) => (Timestamp(newest).plus_ms(-OVERLAP_MS), words.collect()),
        // What ended before anybody was to be told is not told.
        None => (now.plus_ms(-OVERLAP_MS), BTreeSet::new()),
    }
}

/// What waits, by the topic that it is told under.
fn waiting<'a>(
    kind: Kind,
    all: &'a [Waits],
    plan: &'a Plan,
) -> impl Iterator<Item = (String, i64)> + 'a {
    all.iter().map(move |waits| {
        let entity = plan.entity(waits.entity).map_or("?", |entity| entity.name.as_str());
        let system = waits.system.and_then(|system| plan.system(system));
        let system = system.map_or("", |system| system.name.as_str());
        (conditions::topic(kind, entity, system, &waits.code), waits.number)
    })
}

#[cfg(test)]
mod tests;
