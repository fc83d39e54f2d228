//! Guards: what stops a binding before it does great damage.
//!
//! A guard counts what *would* happen and compares it with the limits of the file. It trips when a
//! count exceeds both the number and the percentage of that system's linked rows; a person then
//! looks, and applies or dismisses exactly that.

use crate::plan::{Guards, Limit};

/// The code of what a user has changed beyond the limit: it is held record by record, and stops nothing
/// else.
pub const USER: &str = "limit.user";

/// What a guard says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Within the limits.
    Pass,
    /// Stop before anything happens.
    Trip {
        /// `guard.mass_delete`, `guard.mass_update`, `guard.empty_source`.
        code: &'static str,
        /// The limit's number.
        max: u64,
    },
}

/// Looks at rows that a proved complete read of `rows` rows did not show, of `linked` that were.
pub fn absences(guards: &Guards, rows: u64, unseen: u64, linked: u64) -> Verdict {
    // Nothing at all where there was something is a failure of the source until a person says
    // otherwise: truncation, a wrong database, a user who sees nothing.
    if rows == 0 && linked >= guards.empty_source_min {
        return Verdict::Trip { code: "guard.empty_source", max: guards.empty_source_min };
    }
    deletes(guards, unseen, linked)
}

/// Looks at deletes that are about to be written to a system.
pub fn deletes(guards: &Guards, count: u64, linked: u64) -> Verdict {
    judge(guards.deletes, count, linked, "guard.mass_delete")
}

/// Looks at updates that are about to be written to a system.
pub fn updates(guards: &Guards, count: u64, linked: u64) -> Verdict {
    judge(guards.updates, count, linked, "guard.mass_update")
}

fn judge(limit: Limit, count: u64, linked: u64, code: &'static str) -> Verdict {
    let above_number = count > limit.max;
    let above_percent =
        u128::from(count) * 100 > u128::from(linked) * u128::from(limit.max_percent);
    if above_number && above_percent {
        Verdict::Trip { code, max: limit.max }
    } else {
        Verdict::Pass
    }
}

#[cfg(test)]
mod tests;
