//! `syncline keys`: the key of the hub is changed for another.

use clap::Args;
use serde_json::json;

use syncline_adapters::hub::envelope::Envelope;

use crate::{
    beside,
    cli::Context,
    config, loan,
    report::{Answer, Failure},
    session::{Reach, Session, Use},
    words,
};

/// So many keys are sealed anew in one commit.
const BATCH: usize = 2_000;

/// Flags of `keys`.
#[derive(Debug, Args)]
pub(crate) struct Keys {
    #[command(subcommand)]
    pub(crate) command: Action,
}

/// What to do with keys.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Action {
    /// Seal the keys of all records with `hub.key`, which until now were sealed with `hub.previous_key`.
    Rotate,
}

impl Keys {
    /// Does it.
    pub(crate) async fn run(self, context: &Context) -> Result<Answer, Failure> {
        match self.command {
            Action::Rotate => rotate(context).await,
        }
    }
}

async fn rotate(context: &Context) -> Result<Answer, Failure> {
    let loaded = config::load(context)?;
    let is_told = loan::read_anew(&loaded.hub_path()).await?;
    if is_told {
        context.note("`syncline serve` has read the file again, and goes on with these keys");
    }
    let session = Session::open(context, Use::Write, Reach::Hub).await?;
    let (mut after, mut count) = (None, 0);
    loop {
        let step = session.hub.rotate_keys(after, BATCH).await?;
        count += step.records;
        after = step.last;
        if step.is_done {
            break;
        }
        if let Some(exit) = session.stopped() {
            let summary = format!(
                "stopped after the keys of {}; both keys are needed until it is called again",
                words::counted(count, "record")
            );
            return Ok(Answer::new(summary).with_exit(exit));
        }
    }
    let envelope = Envelope::new(session.loaded.hub_keys().await?);
    let sent = beside::reseal(&session.loaded.hub_path(), &envelope)?;
    let result = json!({ "records": count, "sent": sent });
    if count == 0 && sent == 0 && session.loaded.draft.hub_previous_key.is_none() {
        let answer = Answer::new("the hub is sealed with `hub.key` already");
        return Ok(answer.with_result(result));
    }
    let summary =
        format!("the keys of {} are sealed with `hub.key`", words::counted(count, "record"));
    let text = format!(
        "{summary}.\nNext: take `previous_key` out of the file. Copies of the hub from before open with that key \
         only: keep it as long as them, or make a new copy and let both go."
    );
    Ok(Answer::new(summary).with_text(text).with_result(result))
}
