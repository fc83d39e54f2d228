//! Which trace the last change of a record belongs to, for as long as it may be on its way.

use std::collections::{HashMap, VecDeque};

use syncline_core::name::RecordId;

use super::context::Context;

/// So many changes are followed at the same time; the oldest is no longer followed where there are more.
const FOLLOWED: usize = 20_000;
/// So many changes that were overtaken are named where the one that overtook them is written.
const LINKS: usize = 8;

/// Changes that are followed.
#[derive(Debug, Default)]
pub(super) struct Followed {
    changes: HashMap<RecordId, Change>,
    order: VecDeque<RecordId>,
}

#[derive(Debug)]
struct Change {
    context: Context,
    /// Changes before it that had not arrived anywhere.
    overtaken: Vec<Context>,
    has_arrived: bool,
}

impl Followed {
    /// A record was changed.
    pub(super) fn sets_out(&mut self, record: RecordId, context: Context) {
        if let Some(known) = self.changes.get_mut(&record) {
            if known.has_arrived {
                known.overtaken.clear();
            } else if known.overtaken.len() < LINKS {
                known.overtaken.push(known.context);
            }
            (known.context, known.has_arrived) = (context, false);
            return;
        }
        if self.order.len() >= FOLLOWED
            && let Some(oldest) = self.order.pop_front()
        {
            self.changes.remove(&oldest);
        }
        self.order.push_back(record);
        let change = Change { context, overtaken: Vec::new(), has_arrived: false };
        self.changes.insert(record, change);
    }

    /// It was written somewhere, or that was tried: the span of its change, and of those that it overtook.
    pub(super) fn arrives(
        &mut self,
        record: RecordId,
        is_written: bool,
    ) -> Option<(Context, Vec<Context>)> {
        let change = self.changes.get_mut(&record)?;
        change.has_arrived |= is_written;
        Some((change.context, change.overtaken.clone()))
    }

    /// The span of its last change.
    pub(super) fn last(&self, record: RecordId) -> Option<Context> {
        self.changes.get(&record).map(|change| change.context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_overtaken_is_named_until_it_has_arrived() {
        let (mut followed, record) = (Followed::default(), RecordId(7));
        let [first, second, third] = [Context::new(), Context::new(), Context::new()];
        followed.sets_out(record, first);
        followed.sets_out(record, second);
        assert_eq!(followed.arrives(record, true), Some((second, vec![first])));
        followed.sets_out(record, third);
        assert_eq!(followed.arrives(record, false), Some((third, Vec::new())));
    }

    #[test]
    fn no_more_are_followed_than_there_is_room_for() {
        let mut followed = Followed::default();
        for number in 0..FOLLOWED as u128 + 5 {
            followed.sets_out(RecordId(number), Context::new());
        }
        assert_eq!((followed.changes.len(), followed.order.len()), (FOLLOWED, FOLLOWED));
        assert_eq!(followed.last(RecordId(0)), None);
    }
}
