//! `syncline forget`: of a record that is gone everywhere, nothing is kept.

use clap::Args;
use serde_json::json;
use syncline_adapters::hub::{
    backup,
    envelope::Envelope,
    inbox::{self, Named},
};
use syncline_core::{
    group::{Group, Link},
    name::RecordId,
};
use syncline_ports::reader::{ConflictFilter, HistoryFilter, Reader as _};

use crate::{
    address,
    cli::{Context, ask},
    deeds,
    report::{Answer, Failure},
    session::{Reach, Session, Use},
    words,
};

/// Flags of `forget`.
#[derive(Debug, Args)]
pub(crate) struct Forget {
    /// The record: ENTITY/ID, ENTITY/SYSTEM:KEY or ENTITY/FIELD=VALUE.
    pub(crate) address: String,
}

impl Forget {
    /// Does it.
    pub(crate) async fn run(self, context: &Context) -> Result<Answer, Failure> {
        let session = Session::open(context, Use::Write, Reach::Hub).await?;
        let group = address::find(&session, &self.address).await?;
        let name = format!("{}/{}", session.entity_name(group.entity), group.id);
        if !session.hub.is_sealed() {
            return Err(unsealed(&name));
        }
        gone(&session, &group, &name)?;
        let merged = session.hub.merged_into(group.entity, group.id)?;
        for one in &merged {
            gone(&session, one, &name)?;
        }
        let ids: Vec<RecordId> =
            std::iter::once(group.id).chain(merged.iter().map(|one| one.id)).collect();
        let rows = rows(&session, std::iter::once(&group).chain(&merged));
        let envelope = Envelope::new(session.loaded.hub_keys().await?);
        unheard(&session, &envelope, &rows, &name)?;
        let plan = plan(&session, &ids, &name).await?;
        if !context.yes {
            let question = format!("{plan} This cannot be taken back. Erase it?");
            if !(context.interactive && ask::yes(&question)) {
                return Err(Failure::new("run.unapproved", format!("{name} was not erased"))
                    .cause(plan)
                    .done("nothing was changed")
                    .fix(format!("syncline forget {name} --yes")));
            }
        }
        deeds::act(&session, "forget", &name, "").await?;
        // First of all: once the record is erased, nobody knows any more what named it.
        let sent = inbox::erase(&session.loaded.hub_path(), &envelope, &rows)?;
        let erased = session.hub.erase(&ids, Session::now()).await?;
        let summary = format!("{name} is erased");
        let mut lines = vec![format!(
            "{summary}: its key is destroyed, with it what the history held of it; {}, {} and {} are gone.",
            words::counted(erased.conflicts, "conflict"),
            words::counted(erased.set_aside, "quarantined row"),
            words::several(sent.bodies, "body of a call", "bodies of calls")
        )];
        if !erased.is_clean {
            lines.push(
                "Somebody is looking at the hub: the log beside its file (…-wal) still holds the key. Once they have ended: syncline keys rotate"
                    .to_owned(),
            );
        }
        if !sent.is_clean {
            lines.push(
                "Somebody is looking at the inbox: the log beside its file (….hooks-wal) still holds what was sent, until it is next written"
                    .to_owned(),
            );
        }
        lines.extend(copies(&session));
        let result = json!({
            "record": name,
            "merged": ids.len() - 1,
            "conflicts": erased.conflicts,
            "set_aside": erased.set_aside,
            "bodies": sent.bodies,
            "is_clean": erased.is_clean && sent.is_clean,
        });
        Ok(Answer::new(summary).with_text(lines.join("\n")).with_result(result))
    }
}

/// A hub in clear has a history that nobody can take anything out of.
fn unsealed(name: &str) -> Failure {
    Failure::new("forget.unsealed", format!("{name} cannot be erased from a hub without a key"))
        .cause("its history is kept in clear, in a chain that nobody may write anew")
        .done("nothing was changed")
        .fix("give the hub a key (`hub: {key: env:NAME}`): what it holds is sealed then, each record with a key of its own")
}

/// Whoever still lives in a system would be read back, and whatever is not written yet would be lost.
fn gone(session: &Session, group: &Group, name: &str) -> Result<(), Failure> {
    let refused = |cause: String, fix: &str| {
        Err(Failure::new("forget.lives", format!("{name} cannot be forgotten yet"))
            .cause(cause)
            .done("nothing was changed")
            .fix(fix.to_owned()))
    };
    let links: Vec<&Link> = group.parts().flat_map(|(_, part)| &part.links).collect();
    let rows: Vec<String> = links
        .iter()
        .filter(|link| link.is_present())
        .filter_map(|link| {
            Some(format!("{}:{}", session.system_name(link.system), link.key.as_ref()?))
        })
        .collect();
    if !rows.is_empty() || group.root.exists.alive {
        let cause = match rows.as_slice() {
            [] => "the record lives in the hub, and is yet to be created".to_owned(),
            rows => format!("it lives in {}, and would be read back from there", rows.join(", ")),
        };
        return refused(
            cause,
            "delete it in its systems; once the next run has seen that, it can be forgotten",
        );
    }
    if links.iter().any(|link| !link.unresolved.is_empty()) {
        let cause = "a write to one of its systems is not answered yet".to_owned();
        return refused(cause, "syncline run");
    }
    Ok(())
}

/// The rows that it ever had, as far as that is known.
fn rows<'a>(session: &Session, groups: impl Iterator<Item = &'a Group>) -> Vec<Named> {
    let links = groups.flat_map(Group::parts).flat_map(|(_, part)| &part.links);
    let named = links.filter_map(|link| {
        let key = link.key.as_ref()?.values().iter().map(ToString::to_string).collect();
        Some(Named { system: session.system_name(link.system).to_owned(), key })
    });
    named.collect()
}

/// What was sent of it and is not dealt with yet could bring it back.
fn unheard(
    session: &Session,
    envelope: &Envelope,
    rows: &[Named],
    name: &str,
) -> Result<(), Failure> {
    match inbox::waiting_for(&session.loaded.hub_path(), envelope, rows)? {
        None => Ok(()),
        Some(number) => {
            Err(Failure::new("forget.lives", format!("{name} cannot be forgotten yet"))
                .cause(format!("delivery {number}, which names it, is not dealt with yet"))
                .done("nothing was changed")
                .fix("syncline serve deals with it; syncline hooks list shows when"))
        }
    }
}

/// What would be erased.
async fn plan(session: &Session, ids: &[RecordId], name: &str) -> Result<String, Failure> {
    let (mut entries, mut conflicts) = (0, 0);
    for id in ids {
        let filter =
            HistoryFilter { record: Some(*id), limit: usize::MAX, ..HistoryFilter::default() };
        entries += session.hub.history(&filter).await?.len() as u64;
        let filter = ConflictFilter { record: Some(*id), ..ConflictFilter::default() };
        conflicts += session.hub.count_conflicts(&filter).await?;
    }
    let merged = match ids.len() - 1 {
        0 => String::new(),
        merged => format!(", {} that were merged into it", words::counted(merged as u64, "record")),
    };
    Ok(format!(
        "{name}{merged}, {} and {} would be erased for good.",
        words::several(entries, "entry of the history", "entries of the history"),
        words::counted(conflicts, "conflict")
    ))
}

/// What the hub is not: copies from before hold it, with its key.
fn copies(session: &Session) -> Option<String> {
    let (_, place) = backup::last(&session.loaded.hub_path())?;
    Some(format!(
        "Copies of the hub from before hold it still, with its key: the last one is {}. Make a new one, and remove them.",
        place.display()
    ))
}
