//! `syncline run`: one pass: detect, merge, write; refuses an entity that was never approved.

use clap::Args;
use syncline_core::name::EntityIndex;
use syncline_engine::pass;
use syncline_ports::reader::Reader as _;

use crate::{
    approved, auto,
    cli::{
        Context,
        apply::{self, Allow},
        ask, plan,
    },
    exit::Exit,
    overlay::{self, Named, Wish},
    pass::{Depth, Halves, Order, paused},
    progress::Progress,
    report::{self, Answer, Failure},
    retention,
    session::{Reach, Session, Use},
};

/// Flags of `run`.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Only this entity.
    pub(crate) entity: Option<String>,
    /// Read again what changed since: `7d`, `2026-03-01T22:10`.
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Let this through the guards: deletes, updates, creates.
    #[arg(long, value_name = "WHAT", value_delimiter = ',')]
    pub(crate) allow: Vec<Allow>,
    /// Exit 0 even if records were set aside.
    #[arg(long)]
    pub(crate) allow_partial: bool,
    /// Write only this many records.
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u64>,
    /// Compare what it wrote afterwards; with `auto_rollback`, what does not hold is taken back.
    #[arg(long)]
    pub(crate) verify: bool,
}

impl Run {
    /// Does it.
    pub(crate) async fn run(self, context: &Context) -> Result<Answer, Failure> {
        let depth = depth_since(self.since.as_deref())?;
        let mut session = Session::open(context, Use::Write, Reach::Systems).await?;
        let entities = session.entities(self.entity.as_deref())?;
        if self.entity.is_some() {
            paused::refuse(&session, &entities).await?;
        }
        let asleep = paused::asleep(&session).await?;
        let awake: Vec<EntityIndex> =
            entities.iter().copied().filter(|entity| !asleep.contains(entity)).collect();
        approve(&mut session, &awake, context).await?;
        let limited = match self.limit {
            Some(limit) => Some(only(&mut session, &awake, limit, context).await?),
            None => None,
        };
        let named = limited.as_ref().map(Named::new);
        let progress = Progress::new("run", context.progress);
        let order = Order {
            kind: "run",
            entities,
            depth,
            allow: allowed(&self.allow),
            allow_partial: self.allow_partial,
            chooses: named.as_ref().map(|named| named as &dyn syncline_engine::apply::Chooses),
            halves: Halves::Both,
            beside: None,
        };
        let asked = order.entities.clone();
        let mut outcome = crate::pass::run(&mut session, order, &progress).await?;
        auto::after(&session, &mut outcome).await?;
        if self.verify {
            auto::verified(&mut session, &mut outcome, &progress).await?;
        }
        drop(progress);
        retention::forget(&session).await?;
        let partial = outcome.exit == Exit::SetAside;
        let mut answer = outcome.answer();
        if partial {
            answer.text.push_str(&apply::waiting(&session, &asked).await?);
        }
        Ok(answer)
    }
}

/// A cursor may lie about the past, so what is to be read again is read whole.
pub(crate) fn depth_since(since: Option<&str>) -> Result<Depth, Failure> {
    match since {
        None => Ok(Depth::Changes),
        Some(text) if crate::words::parse_time(text, Session::now()).is_some() => Ok(Depth::Full),
        Some(text) => Err(bad_time(text)),
    }
}

/// A time that cannot be read.
pub(crate) fn bad_time(text: &str) -> Failure {
    Failure::new("usage.time", format!("`{text}` is not a time"))
        .fix("say how long ago (`7d`, `2h`, `30s`) or when (`2026-03-01T22:10`)")
}

/// What `--allow` means to a pass.
pub(crate) fn allowed(allow: &[Allow]) -> pass::Allow {
    pass::Allow {
        deletes: allow.contains(&Allow::Deletes),
        updates: allow.contains(&Allow::Updates),
        approved: Vec::new(),
    }
}

/// The first so many operations.
async fn only(
    session: &mut Session,
    entities: &[EntityIndex],
    limit: u64,
    context: &Context,
) -> Result<std::collections::BTreeSet<syncline_core::value::Digest>, Failure> {
    let wish = Wish {
        entities: entities.to_vec(),
        samples: 0,
        limit: Some(limit),
        depth: Depth::Full,
        record: None,
    };
    let progress = Progress::new("planning", context.progress);
    Ok(overlay::plan(session, &wish, &progress).await?.operations.into_iter().collect())
}

/// No surprising first write: what was never approved, or means something else now, is shown first.
async fn approve(
    session: &mut Session,
    entities: &[EntityIndex],
    context: &Context,
) -> Result<(), Failure> {
    let (mut never, mut changed) = (Vec::new(), Vec::new());
    for entity in entities {
        let Some(found) = session.plan.entity(*entity) else { continue };
        match session.hub.approval(&found.name).await? {
            None => never.push(*entity),
            Some(meaning) if meaning != found.meaning => changed.push(*entity),
            Some(_) => approved::remember(session, *entity).await?,
        }
    }
    if let (Some(entity), false) = (changed.first(), context.interactive) {
        let name = session.entity_name(*entity).to_owned();
        return Err(Failure::new(
            "guard.config_changed",
            format!("the meaning of {name} changed in the configuration"),
        )
        .cause("its scope, keys, match or cells are not those that were approved")
        .done("nothing was written")
        .fix(format!("syncline plan {name} --out p.plan; then syncline apply p.plan")));
    }
    let open: Vec<EntityIndex> = never.iter().chain(&changed).copied().collect();
    if open.is_empty() {
        return Ok(());
    }
    if !context.yes {
        let wish = Wish {
            entities: open.clone(),
            samples: 3,
            limit: None,
            depth: Depth::Full,
            record: None,
        };
        let began = Session::now();
        let progress = Progress::new("planning", context.progress);
        let planned = overlay::plan(session, &wish, &progress).await?;
        drop(progress);
        let took = crate::words::span((Session::now().0 - began.0) / 1_000);
        report::note(&plan::show(session, &planned, &took));
        let question = format!("{}. Do it?", plan::summary(&planned));
        if !context.interactive || !ask::yes(&question) {
            let name = open
                .first()
                .map(|entity| session.entity_name(*entity))
                .unwrap_or_default()
                .to_owned();
            return Err(Failure::new(
                "guard.first_run",
                format!("{name} has never been approved; nothing was written"),
            )
            .cause("the first synchronisation of an entity shows its plan and asks")
            .fix("syncline plan --out p.plan; then syncline apply p.plan; or syncline run --yes"));
        }
    }
    for entity in open {
        approved::approve(session, entity).await?;
    }
    Ok(())
}

/// The person at the terminal, as the system names them.
pub(crate) fn who() -> String {
    std::env::var("USER")
        .or_else(|_| std::env::var("LOGNAME"))
        .unwrap_or_else(|_| "somebody".into())
}
