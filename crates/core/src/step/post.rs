//! What becomes of a write of ours when its row is seen: the image that its answer shows, and a log that tells of it
//! beside something that means nothing.

use crate::{
    change::{Row, RowKey},
    echo,
    group::{Group, Lane, Link},
    merge::Own,
    name::IntentId,
    step::{
        link::PartAt,
        pass::Pass,
        sight::{How, Sight},
        written::Answered,
    },
};

impl Pass<'_> {
    /// A log tells of a write of ours once: it is known to be made, although its row says something beside it that
    /// means nothing and is not taken.
    pub(super) fn told_beside(
        &mut self,
        sight: &Sight<'_>,
        group: &mut Group,
        at: PartAt,
        settled: Option<IntentId>,
    ) {
        let found = self.plan.binding(sight.binding).filter(|_| sight.how == How::Log);
        let Some((binding, id)) = found.zip(settled) else { return };
        let link = at.part(group).and_then(|part| part.link(binding.system));
        let Some(link) = link else { return };
        let intent = link.unresolved.iter().find(|intent| intent.id == id).cloned();
        let Some(intent) = intent else { return };
        let row = echo::image_after(binding, &intent, link.shadow.as_ref());
        let own = echo::exact(&intent);
        if self.merge_part(sight, group, at, row.as_ref(), &own).is_err() {
            return;
        }
        if let Some(link) = at.part_mut(group).and_then(|part| part.link_mut(binding.system)) {
            link.unresolved.retain(|intent| intent.id != id);
            if matches!(link.lane, Lane::Write(own) | Lane::Echo(own) if own == id) {
                link.lane = Lane::Free;
            }
        }
    }

    pub(super) fn merge_answer(
        &mut self,
        group: &mut Group,
        answered: &Answered,
        key: &RowKey,
        row: Option<&Row>,
        own: &Own,
    ) -> Result<(), ()> {
        let input = crate::change::Input::ScanDone { binding: answered.binding, complete: false };
        let sight = Sight {
            binding: answered.binding,
            key,
            row,
            parent: None,
            order: None,
            token: None,
            at: None,
            actor: None,
            mark: None,
            transaction: None,
            how: How::Read(self.working.operation),
            marks: &[],
            input: &input,
            observed: None,
            superseded: false,
            others: 0,
        };
        let is_whole = |group: &Group| {
            let link = answered.at.part(group).and_then(|part| part.link(answered.system));
            !link.is_some_and(Link::is_unreadable)
        };
        let was_whole = is_whole(group);
        match self.merge_part(&sight, group, answered.at, row, own) {
            Ok(merged) if merged.awaits.is_none() => {
                if let Some(problem) = merged.unreadable {
                    let message = problem.message.into();
                    self.park_row(&sight, Some(group.id), problem.code, message, None);
                } else if !was_whole && is_whole(group) {
                    self.release(&sight);
                }
                Ok(())
            }
            Ok(_) => Err(()),
            Err(problem) => {
                self.park_row(&sight, Some(group.id), problem.code, problem.message.into(), None);
                Err(())
            }
        }
    }
}
