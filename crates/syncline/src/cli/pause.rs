//! `syncline pause`: stops reading or writing; positions are kept.

use clap::Args;
use serde_json::json;
use syncline_ports::{reader, reader::Reader as _, store::Store as _};

use crate::{
    cli::Context,
    report::{Answer, Failure},
    session::{Reach, Session, Use},
    words,
};

/// Flags of `pause`.
#[derive(Debug, Args)]
pub(crate) struct Pause {
    /// An entity or a system; without it, everything.
    pub(crate) name: Option<String>,
    /// Go on reading.
    #[arg(long)]
    pub(crate) writes_only: bool,
    /// Until then only: `2h`.
    #[arg(long = "for", value_name = "DURATION")]
    pub(crate) duration: Option<String>,
}

impl Pause {
    /// Does it.
    pub(crate) async fn run(self, context: &Context) -> Result<Answer, Failure> {
        let span = match self.duration.as_deref() {
            None => None,
            Some(text) => {
                Some(words::parse_span(text).ok_or_else(|| crate::cli::run::bad_time(text))?)
            }
        };
        let session = Session::open(context, Use::Write, Reach::Hub).await?;
        let since = Session::now();
        let until = span.map(|span| since.plus_ms(span));
        let names = names(&session, self.name.as_deref())?;
        for name in &names {
            let pause = reader::Pause {
                name: name.as_str().into(),
                writes_only: self.writes_only,
                until,
                since,
            };
            session.hub.pause(&pause).await?;
        }
        let what = if self.writes_only {
            "keeps being read; nothing is written"
        } else {
            "is neither read nor written"
        };
        let end = until.map_or_else(
            || "until `syncline resume`".into(),
            |until| format!("until {}", words::time(until)),
        );
        let waiting = waiting(&session, self.name.as_deref()).await?;
        let summary = format!(
            "{} {what}, {end}; positions are kept, {}",
            names.join(", "),
            words::several(waiting, "write waits", "writes wait")
        );
        Ok(Answer::new(summary).with_result(json!({
            "paused": names, "until": until.map(words::time), "waiting": waiting,
        })))
    }
}

/// What is known already and not written yet: it accumulates until the pause ends.
async fn waiting(session: &Session, name: Option<&str>) -> Result<u64, Failure> {
    let system = name.and_then(|name| session.plan.system_named(name));
    let entities = session.entities(name.filter(|_| system.is_none()))?;
    let mut waiting = 0;
    for entity in entities {
        let behind = session.hub.count_behind(entity, Session::now()).await?;
        let concerned = behind.iter().filter(|(at, _)| system.is_none_or(|only| only == *at));
        waiting += concerned.map(|(_, it)| it.inserts + it.updates + it.deletes).sum::<u64>();
    }
    Ok(waiting)
}

/// The entity or system of this name, or all entities.
pub(crate) fn names(session: &Session, name: Option<&str>) -> Result<Vec<String>, Failure> {
    match name {
        Some(name) if session.plan.system_named(name).is_some() => Ok(vec![name.to_owned()]),
        name => {
            let entities = session.entities(name).map_err(|failure| or_system(session, failure))?;
            Ok(entities.into_iter().map(|entity| session.entity_name(entity).to_owned()).collect())
        }
    }
}

/// The refusal of a name that could have been a system's, too.
pub(crate) fn or_system(session: &Session, failure: Failure) -> Failure {
    let systems: Vec<&str> = session.plan.systems.iter().map(|it| it.name.as_str()).collect();
    let cause = failure.parts.iter().find(|(label, _)| *label == "cause");
    let cause = cause.map(|(_, cause)| cause.clone()).unwrap_or_default();
    failure.cause(format!("{cause}, and the systems {}", systems.join(", ")))
}
