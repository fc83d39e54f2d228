//! The row that the answer to a write of ours shows.

use crate::{
    change::{Row, RowKey},
    group::{Group, Link},
    merge::Own,
    step::{
        pass::Pass,
        sight::{How, Sight},
        written::Answered,
    },
};

impl Pass<'_> {
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
