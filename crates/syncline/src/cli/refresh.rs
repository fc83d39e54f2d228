//! `syncline refresh`: reads again now, one record or all.

use clap::Args;
use serde_json::json;
use syncline_core::{
    change::{Input, PartKey},
    group::Group,
    name::EntityIndex,
};
use syncline_engine::{
    account::Account,
    apply::{self, Everything, Kinds},
    desk::Unwatched,
    pass::Allow,
    read,
    reconcile::reconcile,
};
use syncline_ports::reader::Reader as _;

use crate::{
    address,
    cli::{Context, run},
    pass::{Depth, Halves, Order, paused},
    progress::Progress,
    report::{Answer, Failure},
    session::{Reach, Session, Use},
};

/// Flags of `refresh`.
#[derive(Debug, Args)]
pub(crate) struct Refresh {
    /// `contacts`, or one record: `contacts/crm:8812`.
    pub(crate) address: String,
    /// Only from this system.
    #[arg(long, value_name = "SYSTEM")]
    pub(crate) system: Option<String>,
    /// What changed since: `7d`, `2026-03-01T22:10`.
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Compare everything.
    #[arg(long, conflicts_with = "since")]
    pub(crate) full: bool,
}

impl Refresh {
    /// Does it.
    pub(crate) async fn run(self, context: &Context) -> Result<Answer, Failure> {
        let depth = match (self.full, run::depth_since(self.since.as_deref())?) {
            (true, _) => Depth::Full,
            (false, depth) => depth,
        };
        let mut session = Session::open(context, Use::Write, Reach::Systems).await?;
        if let Some(name) = &self.system {
            let only = address::system_named(&session, name)?;
            for (index, place) in session.systems.iter_mut().enumerate() {
                // The others are written if need be, but not read: they stay as they were seen.
                if index != only.at() && !self.address.contains('/') {
                    *place = None;
                }
            }
        }
        if self.address.contains('/') {
            let group = address::find(&session, &self.address).await?;
            approved(&session, group.entity).await?;
            paused::refuse(&session, &[group.entity]).await?;
            return one(&mut session, &group).await;
        }
        let entities = session.entities(Some(&self.address))?;
        for entity in &entities {
            approved(&session, *entity).await?;
        }
        paused::refuse(&session, &entities).await?;
        let progress = Progress::new("refresh", context.progress);
        let order = Order {
            kind: "refresh",
            entities,
            depth,
            allow: Allow::default(),
            allow_partial: false,
            chooses: None,
            halves: Halves::Both,
            beside: None,
        };
        let outcome = crate::pass::run(&mut session, order, &progress).await?;
        drop(progress);
        Ok(outcome.answer())
    }
}

async fn approved(session: &Session, entity: EntityIndex) -> Result<(), Failure> {
    let name = session.entity_name(entity);
    if session.hub.approval(name).await?.is_some() {
        return Ok(());
    }
    Err(Failure::new(
        "guard.first_run",
        format!("{name} has never been approved; nothing was written"),
    )
    .fix("syncline plan --out p.plan; then syncline apply p.plan"))
}

/// Reads every row of one record by its key, then writes what that shows to be behind.
async fn one(session: &mut Session, group: &Group) -> Result<Answer, Failure> {
    let run =
        session.hub.begin_run("refresh", "person", Some(group.entity), Session::now()).await?;
    let closed = paused::leave_out(session, &mut vec![group.entity]).await?.closed;
    let (plan, hub, stop) = (session.plan.clone(), session.hub.clone(), session.stop.clone());
    let desk = Session::desk(&plan, &hub, &Unwatched, &stop, run);
    let began = desk.operation().await?;
    let mut inputs = Vec::new();
    let mut read_from = Vec::new();
    for (key, part) in group.parts() {
        let entity = match &key {
            PartKey::Root => group.entity,
            PartKey::Child { list, .. } => *list,
        };
        for link in &part.links {
            let binding = plan.binding_of(entity, link.system);
            if let (Some(binding), Some(key)) = (binding, link.key.clone()) {
                inputs.push(Input::Unseen { binding, key, began });
                read_from.push(session.system_name(link.system).to_owned());
            }
        }
    }
    read_from.dedup();
    let decided = reconcile(&desk, &inputs, Vec::new()).await?;
    let mut account = Account::default();
    read::settle(&desk, &mut session.systems, decided.effects, &mut account).await?;
    let mut written = Vec::new();
    let mut writes = Vec::new();
    let bindings =
        plan.entity(group.entity).map(|entity| entity.bindings.clone()).unwrap_or_default();
    for binding in bindings {
        let Some(system) = plan.binding(binding).map(|found| found.system) else { continue };
        if closed.contains(&system) {
            continue;
        }
        let only = Only(group.id, Everything);
        let mut total = apply::Written::default();
        for kinds in [Kinds::Puts, Kinds::Deletes] {
            total.absorb(
                apply::apply(&desk, &mut session.systems, group.entity, system, kinds, &only)
                    .await?
                    .0,
            );
        }
        if total.total() > 0 {
            written.push(session.system_name(system).to_owned());
        }
        writes.push((system, total.inserts, total.updates, total.deletes));
    }
    session.hub.end_run(run, Session::now(), "ok", &address::of(session, group), &writes).await?;
    let refused = refused(session, group).await?;
    let result = match (written.is_empty(), refused.is_empty()) {
        (true, true) => "all agree".to_owned(),
        (false, true) => format!("{} updated", written.join(", ")),
        (_, false) => {
            format!("{} refused it before: syncline quarantine list", refused.join(", "))
        }
    };
    let summary = format!("read {}: {result} ({run})", read_from.join(", "));
    Ok(Answer::new(summary)
        .with_result(json!({ "run": run.to_string(), "read": read_from, "written": written, "checked": account.observed.values().sum::<u64>() })))
}

/// Systems that hold another value, and refused ours.
async fn refused(session: &Session, group: &Group) -> Result<Vec<String>, Failure> {
    let now = session.hub.group(group.id).await?;
    let links = now.iter().flat_map(|group| group.parts().flat_map(|(_, part)| &part.links));
    let refused = links.filter(|link| link.parked.is_some());
    let mut names: Vec<String> =
        refused.map(|link| session.system_name(link.system).to_owned()).collect();
    names.dedup();
    Ok(names)
}

/// Lets through one record.
struct Only(syncline_core::name::RecordId, Everything);

impl apply::Chooses for Only {
    fn choose<'a>(
        &'a self,
        desk: &'a syncline_engine::desk::Desk<'_>,
        system: syncline_core::name::SystemIndex,
        mut behind: Vec<(syncline_core::name::RecordId, syncline_core::commit::Behind)>,
    ) -> futures_util::future::BoxFuture<
        'a,
        Result<Vec<syncline_core::name::RecordId>, syncline_core::error::PortError>,
    > {
        behind.retain(|(record, _)| *record == self.0);
        self.1.choose(desk, system, behind)
    }
}
