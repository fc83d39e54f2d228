//! `syncline guards`: guards that tripped.

mod excess;
mod restored;
mod reverse;

use clap::Args;
use serde_json::json;
use syncline_core::guard::{RESTORED, USER};
use syncline_engine::pass::{Allow, Tripped};
use syncline_ports::reader::{Guard, Reader as _};

use crate::{
    cli::{Context, ask},
    pass::{Depth, Halves, Order, paused, restored as passed},
    progress::Progress,
    report::{Answer, Failure},
    rollback::Excess,
    session::{Reach, Session, Use},
    words::{self, Table},
};

/// A guard that was let through while others of its entity are still asked about.
const APPROVED: &str = "approved";

/// Flags of `guards`.
#[derive(Debug, Args)]
pub(crate) struct Guards {
    #[command(subcommand)]
    pub(crate) command: Option<Action>,
}

/// What to do with guards.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Action {
    /// Those that wait for a decision.
    List,
    /// One, with samples.
    Show {
        /// Its number.
        id: u64,
    },
    /// Let through exactly what it stopped.
    Apply {
        /// Its number.
        id: u64,
    },
    /// Put the origin back as it was.
    Reverse {
        /// Its number.
        id: u64,
    },
    /// Leave everything as it is.
    Dismiss {
        /// Its number.
        id: u64,
    },
}

impl Guards {
    /// Does it.
    pub(crate) async fn run(self, context: &Context) -> Result<Answer, Failure> {
        match self.command.unwrap_or(Action::List) {
            Action::List => list(context).await,
            Action::Show { id } => show(context, id).await,
            Action::Apply { id } => apply(context, id).await,
            Action::Reverse { id } => reverse::reverse(context, id).await,
            Action::Dismiss { id } => dismiss(context, id).await,
        }
    }
}

/// A guard for programs.
pub(crate) fn json_of(session: &Session, guard: &Guard) -> serde_json::Value {
    json!({
        "id": guard.number,
        "code": guard.code.as_str(),
        "entity": session.entity_name(guard.entity),
        "system": session.system_name(guard.system),
        "count": guard.count,
        "linked": guard.linked,
        "max": guard.max,
        "at": words::time(guard.at),
        "user": Some(guard.user.as_str()).filter(|user| !user.is_empty()),
        "state": guard.state.as_str(),
        "samples": guard.samples.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

async fn list(context: &Context) -> Result<Answer, Failure> {
    let session = Session::open(context, Use::Look, Reach::Hub).await?;
    let guards = session.hub.guards(false).await?;
    let mut table =
        Table::new(&["ID>", "CODE", "ENTITY", "SYSTEM", "COUNT>", "OF>", "LIMIT>", "SINCE"]);
    for guard in &guards {
        table.row([
            guard.number.to_string(),
            guard.code.to_string(),
            session.entity_name(guard.entity).to_owned(),
            session.system_name(guard.system).to_owned(),
            words::count(guard.count),
            words::count(guard.linked),
            words::count(guard.max),
            words::age(Session::now(), guard.at),
        ]);
    }
    let rows: Vec<_> = guards.iter().map(|guard| json_of(&session, guard)).collect();
    let summary = match guards.len() {
        0 => "no guard waits for a decision".to_owned(),
        many => {
            format!("{} for a decision", words::several(many as u64, "guard waits", "guards wait"))
        }
    };
    let text = if table.is_empty() { summary.clone() } else { table.text() };
    Ok(Answer::new(summary).with_text(text).with_plain(table.plain()).with_result(json!(rows)))
}

/// Changes whenever it is about something else, or it is settled.
pub(crate) fn tag(guard: &Guard) -> String {
    words::tag(&format!("{:?} {}", guard.digest, guard.state))
}

/// The guard of this number.
pub(crate) async fn find(session: &Session, id: u64) -> Result<Guard, Failure> {
    let guards = session.hub.guards(true).await?;
    guards.into_iter().find(|guard| guard.number == id).ok_or_else(|| {
        Failure::new("usage.unknown_number", format!("there is no guard {id}"))
            .fix("syncline guards list")
    })
}

async fn show(context: &Context, id: u64) -> Result<Answer, Failure> {
    let session = Session::open(context, Use::Look, Reach::Hub).await?;
    let guard = find(&session, id).await?;
    let samples: Vec<String> = guard.samples.iter().map(ToString::to_string).collect();
    let (count, linked, max) =
        (words::count(guard.count), words::count(guard.linked), words::count(guard.max));
    let (entity, system) = (session.entity_name(guard.entity), session.system_name(guard.system));
    let what = match guard.code.as_str() {
        USER => {
            let user = &guard.user;
            format!(
                "{count} of {linked} rows of {entity} in {system} changed by {user} (limit {max})"
            )
        }
        RESTORED => passed::words(&session, &guard),
        _ => format!("{count} of {linked} rows of {entity} in {system} (limit {max})"),
    };
    let mut text = format!(
        "{}  {what}   {} ago, {}\n",
        guard.code,
        words::age(Session::now(), guard.at),
        guard.state,
    );
    if !samples.is_empty() {
        text.push_str(&format!("  among them: {}\n", samples.join(", ")));
    }
    let [apply, reverse, dismiss] = match guard.code.as_str() {
        RESTORED => [
            "what the system shows now is wanted, like any edit",
            "what the hub holds is written back to it",
            "leaves everything as it is: it is asked about again",
        ],
        _ => [
            "lets exactly this through",
            "puts back what it comes from",
            "leaves everything as it is",
        ],
    };
    if guard.code == RESTORED {
        text.push_str(&format!("  syncline verify {entity} shows what differs\n"));
    }
    text.push_str(&format!(
        "  syncline guards apply {id}     {apply}\n  syncline guards reverse {id}   {reverse}\n  syncline guards dismiss {id}   {dismiss}\n  syncline help {}",
        guard.code,
    ));
    Ok(Answer::new(format!("guard {id}")).with_text(text).with_result(json_of(&session, &guard)))
}

async fn apply(context: &Context, id: u64) -> Result<Answer, Failure> {
    let mut session = Session::open(context, Use::Write, Reach::Systems).await?;
    let guard = find(&session, id).await?;
    session.permits(context.scope.as_deref(), guard.entity)?;
    context.expects(|| tag(&guard))?;
    refuse_settled(&guard)?;
    paused::refuse(&session, &[guard.entity]).await?;
    if guard.code == USER {
        return excess::answer(&mut session, context, &guard, Excess::LetThrough).await;
    }
    if guard.code == RESTORED {
        return restored::accept(&mut session, context, &guard).await;
    }
    let question = format!(
        "Let {} of {} in {} through?",
        words::count(guard.count),
        session.entity_name(guard.entity),
        session.system_name(guard.system)
    );
    if !(context.yes || context.interactive && ask::yes(&question)) {
        return Err(Failure::new(
            "run.unapproved",
            format!("guard {id} was not approved; nothing was written"),
        )
        .fix("answer on a terminal, or say --yes"));
    }
    let progress = Progress::new("guard", context.progress);
    // Where several systems are asked about, each is let through in its turn: nothing is written
    // before the last, and what was said of the others still holds.
    let mut approved: Vec<_> = session
        .hub
        .guards(true)
        .await?
        .into_iter()
        .filter(|other| other.entity == guard.entity && other.state == APPROVED)
        .map(|other| other.digest)
        .collect();
    approved.push(guard.digest);
    let order = Order {
        kind: "guard",
        entities: vec![guard.entity],
        depth: Depth::Full,
        // Exactly what was shown: a set that grew or shrank since trips again.
        allow: Allow { approved, ..Allow::default() },
        allow_partial: false,
        chooses: None,
        halves: Halves::Both,
        beside: None,
    };
    let outcome = crate::pass::run(&mut session, order, &progress).await?;
    drop(progress);
    let mut tripped = outcome.passed.entities.iter().flat_map(|report| &report.tripped).peekable();
    let is_done = tripped.peek().is_none();
    let is_asked_again = tripped.any(|tripped| match tripped {
        Tripped::Absences(held) => {
            let system = session.plan.binding(held.binding).map(|found| found.system);
            held.code == guard.code && system == Some(guard.system)
        }
        Tripped::Planned { code, system, .. } => *code == guard.code && *system == guard.system,
    });
    if !is_asked_again {
        let state = if is_done { "applied" } else { APPROVED };
        session.hub.settle_guard(id, state, &session.who).await?;
    }
    Ok(outcome.answer())
}

async fn dismiss(context: &Context, id: u64) -> Result<Answer, Failure> {
    let session = Session::open(context, Use::Write, Reach::Hub).await?;
    let guard = find(&session, id).await?;
    session.permits(context.scope.as_deref(), guard.entity)?;
    context.expects(|| tag(&guard))?;
    refuse_settled(&guard)?;
    session.hub.settle_guard(id, "dismissed", &session.who).await?;
    let summary = format!(
        "guard {id} is dismissed; nothing was written, and it will trip again if the next run finds the same"
    );
    Ok(Answer::new(summary).with_result(json!({ "dismissed": id })))
}

fn refuse_settled(guard: &Guard) -> Result<(), Failure> {
    if guard.state == "open" {
        return Ok(());
    }
    Err(Failure::new("usage.settled", format!("guard {} is {} already", guard.number, guard.state))
        .fix("syncline guards list"))
}
