//! Whether a row that was seen may count: correctness.md 2.2.
//!
//! A row read from a system that only shows states says nothing about *when* it was so, unless
//! nothing of ours was in flight meanwhile. What a fence lets through is at least as new as the
//! shadow.

use crate::{
    change::Order,
    group::{IntentStatus, Lane, Link},
    mutant::Mutant,
    name::OperationId,
    plan::{Class, Plan},
    step::sight::{How, Sight},
};

/// What the fence says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fence {
    /// It counts.
    Open,
    /// Something newer is known.
    Stale,
    /// The row must be read by key.
    Reread,
    /// Something of ours is in flight: its answer will say more.
    Busy,
}

/// Whether this sight of the link's row counts.
pub(crate) fn fence(plan: &Plan, class: Class, link: &Link, sight: &Sight<'_>) -> Fence {
    if is_untold(class, link, sight) {
        return Fence::Busy;
    }
    match sight.how {
        How::Log => {
            if is_covered(sight.order, link) && !plan.is_mutant(Mutant::LogOrderIgnored) {
                Fence::Stale
            } else {
                Fence::Open
            }
        }
        How::Push => push(plan, link, sight),
        How::Polled(began) => {
            if plan.is_mutant(Mutant::UnfencedPoll) {
                Fence::Open
            } else if link.lane != Lane::Free {
                Fence::Busy
            } else if is_tied(link, sight) || is_back(link, sight) {
                Fence::Reread
            } else if is_covered(sight.order.or(Some(Order::Operation(began.0))), link) {
                Fence::Stale
            } else if class == Class::Log && !link.unresolved.is_empty() {
                // Only the log tells the fate of a write (D6).
                Fence::Busy
            } else if !link.unresolved.is_empty()
                || link.touched > began
                || is_ambiguous(link, sight, began)
            {
                Fence::Reread
            } else {
                Fence::Open
            }
        }
        // It is not shown a second time: what does not count is read again.
        How::Heard(began) => {
            let is_fenced = link.lane == Lane::Free
                && link.unresolved.is_empty()
                && link.touched <= began
                && !is_ambiguous(link, sight, began)
                && !is_covered(sight.order.or(Some(Order::Operation(began.0))), link);
            if is_fenced { Fence::Open } else { Fence::Reread }
        }
        How::Read(operation) => {
            let waits_for_log = class == Class::Log && !link.unresolved.is_empty();
            if matches!(link.lane, Lane::Write(_) | Lane::Echo(_)) || waits_for_log {
                Fence::Busy
            } else if is_older(sight.order.or(Some(Order::Operation(operation.0))), link) {
                Fence::Stale
            } else if link.touched > operation && !plan.is_mutant(Mutant::UnfencedRead) {
                Fence::Reread
            } else {
                Fence::Open
            }
        }
    }
}

/// Whether a look shows what the log has not told yet: it will, and all that came before (D6). A row that was
/// not taken when the log told of it is taken as it is found.
fn is_untold(class: Class, link: &Link, sight: &Sight<'_>) -> bool {
    let is_looked_at = matches!(sight.how, How::Polled(_) | How::Heard(_) | How::Read(_));
    let follows = class == Class::Log && matches!(link.order, Some(Order::Log { .. }));
    let is_taken = link.lane == Lane::Free && !link.must_read && link.held.is_empty();
    is_looked_at && follows && is_taken && link.shadow.as_ref() != sight.row
}

/// Whether two looks that began within one operation show different rows: which of them is the newer one, they
/// do not say. One who polls and one who hears may look beside each other.
fn is_ambiguous(link: &Link, sight: &Sight<'_>, began: OperationId) -> bool {
    sight.order.is_none()
        && link.order == Some(Order::Operation(began.0))
        && link.shadow.as_ref() != sight.row
}

/// Whether two different rows bear one version: a time that both were changed within. Which of them is the newer
/// one, it does not say.
fn is_tied(link: &Link, sight: &Sight<'_>) -> bool {
    matches!(sight.order, Some(Order::Version(_)))
        && sight.order == link.order
        && link.shadow.is_some()
        && link.shadow.as_ref() != sight.row
}

/// Whether a poll shows a row with a version that was known to be gone. It may have read a copy that lags behind,
/// and of a row that is gone no version says whether that is what it was before it went.
fn is_back(link: &Link, sight: &Sight<'_>) -> bool {
    matches!(sight.order, Some(Order::Version(_))) && link.shadow.is_none() && link.order.is_some()
}

/// A webhook is a hint, unless it carries a version that compares.
fn push(plan: &Plan, link: &Link, sight: &Sight<'_>) -> Fence {
    match sight.order {
        Some(Order::Version(_)) if is_tied(link, sight) => Fence::Reread,
        Some(Order::Version(_)) if is_covered(sight.order, link) => Fence::Stale,
        // What was read without a version may be newer than any.
        Some(Order::Version(_)) if !matches!(link.order, Some(Order::Version(_))) => Fence::Reread,
        // Of a row that is gone no version says whether the payload came before it went.
        Some(Order::Version(_)) if link.shadow.is_none() => Fence::Reread,
        // A payload that arrives while our write is in flight looks concurrent although its author
        // may have seen our value: it waits until the lane is free (F10).
        Some(Order::Version(_)) if plan.is_mutant(Mutant::PushDuringWrite) => Fence::Open,
        Some(Order::Version(_)) if link.lane != Lane::Free => Fence::Reread,
        Some(Order::Version(_)) => Fence::Open,
        None if plan.is_mutant(Mutant::PushTrusted) => Fence::Open,
        Some(Order::Log { .. } | Order::Operation(_)) | None => Fence::Reread,
    }
}

/// Whether the link has seen something at least as new.
pub(crate) fn is_covered(order: Option<Order>, link: &Link) -> bool {
    match (order, link.order) {
        // A second look within one operation may be the newer one.
        (Some(Order::Operation(this)), Some(Order::Operation(known))) => this < known,
        (Some(order), Some(known)) => order.is_covered_by(known),
        (Some(_) | None, _) => false,
    }
}

/// A row that was asked for counts although it shows what is known: that is an answer, too. Unless
/// a look that began after the question has answered it already.
fn is_older(order: Option<Order>, link: &Link) -> bool {
    if order != link.order {
        return is_covered(order, link);
    }
    matches!(order, Some(Order::Operation(_))) && !link.must_read
}

/// The intents of a link that nobody knows the fate of.
pub(crate) fn in_doubt(link: &Link) -> Vec<crate::name::IntentId> {
    link.unresolved
        .iter()
        .filter(|intent| intent.status == IntentStatus::InDoubt)
        .map(|intent| intent.id)
        .collect()
}
