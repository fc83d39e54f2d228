//! `syncline resume`: ends a pause, of an entity, a system, or one record held by the loop guard.

use clap::Args;
use serde_json::json;
use syncline_core::{
    change::{Command, Input},
    name::RunId,
};
use syncline_engine::{desk::Unwatched, reconcile::reconcile};
use syncline_ports::reader::Reader as _;

use crate::{
    address,
    cli::{Context, pause::names},
    report::{Answer, Failure},
    session::{Reach, Session, Use},
};

/// Flags of `resume`.
#[derive(Debug, Args)]
pub(crate) struct Resume {
    /// An entity, a system or a record; without it, everything.
    pub(crate) name: Option<String>,
}

impl Resume {
    /// Does it.
    pub(crate) async fn run(self, context: &Context) -> Result<Answer, Failure> {
        let session = Session::open(context, Use::Write, Reach::Hub).await?;
        if let Some(record) = self.name.as_deref().filter(|name| name.contains('/')) {
            return release(&session, record).await;
        }
        let wanted = match self.name.as_deref() {
            Some(name) => names(&session, Some(name))?,
            None => {
                session.pauses().await?.into_iter().map(|pause| pause.name.to_string()).collect()
            }
        };
        let mut resumed = Vec::new();
        for name in wanted {
            if session.hub.resume(&name).await? {
                resumed.push(name);
            }
        }
        let summary = if resumed.is_empty() {
            "nothing was paused".to_owned()
        } else {
            let go = if resumed.len() == 1 { "goes" } else { "go" };
            format!("{} {go} on; the next run takes up what changed meanwhile", resumed.join(", "))
        };
        Ok(Answer::new(summary).with_result(json!({ "resumed": resumed })))
    }
}

/// Lifts what holds fields of one record.
async fn release(session: &Session, record: &str) -> Result<Answer, Failure> {
    let group = address::find(session, record).await?;
    let run = session.hub.begin_run("resume", "person", Some(group.entity), Session::now()).await?;
    let stop = session.stop.clone();
    let desk = Session::desk(&session.plan, &session.hub, &Unwatched, &stop, RunId(run.0));
    let command = Command::Release { record: group.id, system: None, field: None };
    reconcile(&desk, &[Input::Command(command)], Vec::new()).await?;
    let name = address::of(session, &group);
    session.hub.end_run(run, Session::now(), "ok", &name, &[]).await?;
    let summary = format!("{record} is released; the next run goes on with it");
    Ok(Answer::new(summary).with_result(json!({ "released": record })))
}
