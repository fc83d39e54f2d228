//! `syncline restore`: puts a copy in the place of the hub, and reads everything before anything is
//! written again.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use syncline_adapters::hub::{
    backup::{self, Facts},
    sqlite::{Open, SqliteHub},
};

use crate::{
    cli::{Context, ask},
    config, deeds, loan,
    progress::Progress,
    recovery,
    report::{Answer, Failure},
    seals,
    session::{Reach, Session, Use},
    words,
};

/// Flags of `restore`.
#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// The copy, as `syncline backup` made it.
    #[arg(required_unless_present = "resume")]
    pub(crate) file: Option<PathBuf>,
    /// Go on reading where a restore could not end.
    #[arg(long, conflicts_with = "file")]
    pub(crate) resume: bool,
    /// Also a copy of another hub than the one that is there.
    #[arg(long)]
    pub(crate) force: bool,
}

impl Restore {
    /// Does it.
    pub(crate) async fn run(self, context: &Context) -> Result<Answer, Failure> {
        let mut head = Vec::new();
        let mut result = serde_json::Map::new();
        if let Some(file) = &self.file {
            // It is read anew, and warns, once there is the hub that numbers its names.
            let loaded = config::load(&Context { quiet: true, ..context.clone() })?;
            let (hub, keys) = (loaded.hub_path(), loaded.hub_keys().await?);
            let copy = backup::look(file)?;
            self.confirm(context, &hub, &copy)?;
            // A daemon stands still meanwhile: it begins anew with what is there then.
            let lent = loan::ask(&hub, context).await?;
            let aside = backup::restore(file, &hub, Session::now())?;
            {
                let restored = SqliteHub::open_with(&hub, Open::ReadWrite, false, keys.as_ref())?;
                recovery::begin(&restored, copy.last_at.unwrap_or_default()).await?;
            }
            seals::set_aside(&loaded)?;
            drop(lent);
            result.insert("copy".into(), recovery::json(&copy));
            head.push(format!("{} is as {} was.", hub.display(), file.display()));
            if let Some(aside) = aside {
                head.push(format!("What was there before is kept in {}.", aside.display()));
                result.insert("before".into(), json!(aside.display().to_string()));
            }
        }
        // Whoever opens the hub to work with the systems reads everything first.
        let mut session =
            Session::raw(config::load(context)?, context, Use::Write, Reach::Systems).await?;
        if let Some(deed) = &context.deed {
            deeds::note(&session, deed).await?;
        }
        let progress = Progress::new("restore", context.progress);
        let recovered = recovery::finish(&mut session, &progress).await?;
        drop(progress);
        let Some(recovered) = recovered else {
            // A daemon that had it back in between was quicker.
            let summary = "everything was read already; nothing was written before that";
            head.push(summary.into());
            let answer = Answer::new(summary).with_text(head.join("\n"));
            return Ok(answer.with_result(result.into()));
        };
        let summary = format!("{} read again", words::counted(recovered.records, "record"));
        head.extend(recovered.lines);
        head.push(format!("{summary}; nothing was written to any system."));
        head.push("Next: syncline plan shows what would be written.".into());
        result.insert("records_read".into(), json!(recovered.records));
        Ok(Answer::new(summary)
            .with_text(head.join("\n"))
            .with_result(result.into())
            .with_exit(recovered.exit))
    }

    /// A person says that the copy may take the place of what is there.
    fn confirm(
        &self,
        context: &Context,
        hub: &std::path::Path,
        copy: &Facts,
    ) -> Result<(), Failure> {
        let age = copy.last_at.map(|at| format!(", {} old", words::age(Session::now(), at)));
        let mut question = format!(
            "The copy has {} and {}{}.",
            words::counted(copy.records, "record"),
            words::counted(copy.changes, "change"),
            age.unwrap_or_default()
        );
        // What is there may be what is broken.
        if let Ok(present) = backup::look(hub) {
            if present.identity != copy.identity && !self.force {
                let message = "the copy is of another hub than the one that is there";
                return Err(Failure::new("hub.other", message)
                    .cause("it knows other rows under other numbers, perhaps those of another installation")
                    .done("nothing was replaced")
                    .fix("name the copy of this hub; if it is meant, add --force"));
            }
            let lost = present.changes.saturating_sub(copy.changes);
            question.push_str(&format!(
                " The hub has {} more, which will be forgotten.",
                words::counted(lost, "change")
            ));
        }
        if context.yes
            || context.interactive && ask::yes(&format!("{question} Put it in its place?"))
        {
            return Ok(());
        }
        Err(Failure::new("run.unapproved", "the copy was not put in place; nothing was changed")
            .cause(question)
            .fix("answer on a terminal, or say --yes"))
    }
}
