//! What a user has changed beyond the limit: let through, or taken back record by record.

use syncline_core::{
    change::{Command, Input},
    name::RecordId,
};
use syncline_engine::{preview, reconcile::reconcile};
use syncline_ports::reader::{Entry, Exceeded, HistoryFilter, Number, Reader as _};

use crate::{
    limits,
    report::Failure,
    rollback::{Excess, Work, net},
};

/// So many records are answered for in one commit.
const PAGE: usize = 500;

impl Work<'_> {
    /// Answers for all that this guard has held since before it was last shown.
    pub(super) async fn excess(&mut self, guard: Number, answer: Excess) -> Result<(), Failure> {
        let guards = self.hub.guards(true).await?;
        let Some(guard) = guards.into_iter().find(|known| known.number == guard) else {
            return Ok(());
        };
        for page in limits::held(self.hub, &guard).await?.chunks(PAGE) {
            let records: Vec<RecordId> = page.iter().map(|one| one.record).collect();
            let groups = preview::load(self.desk, &records).await?;
            let mut inputs = Vec::new();
            for one in page {
                let Some(group) = groups.get(&one.record) else { continue };
                self.report.records.insert(group.id);
                self.report.entities.insert(group.entity);
                if answer == Excess::TakenBack {
                    let entries = self.changes_of(one).await?;
                    self.commands(group, &entries.iter().collect::<Vec<_>>(), &mut inputs).await?;
                }
                inputs.push(Input::Command(Command::Admit {
                    record: one.record,
                    excess: one.excess.clone(),
                    who: self.manner.who.clone(),
                }));
            }
            reconcile(self.desk, &inputs, Vec::new()).await?;
        }
        Ok(())
    }

    /// What the user has changed of it from then on, in the order in which it happened.
    async fn changes_of(&self, one: &Exceeded) -> Result<Vec<Entry>, Failure> {
        let mut entries = Vec::new();
        let mut filter = HistoryFilter {
            record: Some(one.record),
            since: Some(one.since),
            limit: 256,
            ..HistoryFilter::default()
        };
        loop {
            let page = self.hub.history(&filter).await?;
            filter.below = page.last().map(|entry| entry.number);
            let is_over = page.len() < filter.limit;
            let theirs = page.into_iter().filter(|entry| {
                let event = &entry.event;
                event.system == Some(one.excess.system)
                    && event.actor.as_ref() == Some(&one.excess.user)
                    && net::changes(event)
            });
            entries.extend(theirs);
            if is_over {
                entries.reverse();
                return Ok(entries);
            }
        }
    }
}
