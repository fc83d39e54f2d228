//! Guards: what stops a binding before it does great damage.
//!
//! A guard counts what *would* happen and compares it with the limits of the file. It trips when a
//! count exceeds both the number and the percentage of that system's linked rows; a person then
//! looks, and applies or dismisses exactly that.

/// The code of what a user has changed beyond the limit: it is held record by record, and stops nothing
/// else.
pub const USER: &str = "limit.user";

/// The code of a system that was restored to an older state: its entity rests until a person has decided.
pub const RESTORED: &str = "guard.restored";

/// Limits that stop great damage. A guard trips when the count exceeds both the number and the
/// percentage of that system's linked rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guards {
    /// Deletes inferred from, or planned for, one system.
    pub deletes: Limit,
    /// Updates planned for one system.
    pub updates: Limit,
    /// Values that planned updates of one field of one system would empty, if that is bounded.
    pub blanks: Option<Limit>,
    /// Values in another character set than those that they would replace in one system: so many trip.
    pub corrupt_min: u64,
    /// A complete read without a row trips when at least this many were linked.
    pub empty_source_min: u64,
    /// Edits directly on top of our own writes, within the window, that trip the loop guard.
    pub loop_reflexes: u32,
    /// The window, in milliseconds.
    pub loop_within_ms: i64,
}

impl Default for Guards {
    fn default() -> Self {
        Self {
            deletes: Limit { max: 50, max_percent: 1 },
            updates: Limit { max: 50, max_percent: 20 },
            blanks: None,
            corrupt_min: 10,
            empty_source_min: 10,
            loop_reflexes: 3,
            loop_within_ms: 600_000,
        }
    }
}

/// A number and a percentage; both must be exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The number.
    pub max: u64,
    /// The percentage of the linked rows.
    pub max_percent: u64,
}

/// What a guard says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Within the limits.
    Pass,
    /// Stop before anything happens.
    Trip {
        /// `guard.mass_delete`, `guard.mass_update`, `guard.mass_blank`, `guard.corrupt_values`,
        /// `guard.empty_source`.
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

/// Looks at the values of one field that updates are about to empty in a system.
pub fn blanks(guards: &Guards, count: u64, linked: u64) -> Verdict {
    guards.blanks.map_or(Verdict::Pass, |limit| judge(limit, count, linked, "guard.mass_blank"))
}

/// Looks at values that updates are about to write to a system, and that look as if they had been read in
/// another character set: one that a person may have typed is no alarm, a handful are.
pub fn corrupt(guards: &Guards, count: u64) -> Verdict {
    if count >= guards.corrupt_min {
        Verdict::Trip { code: "guard.corrupt_values", max: guards.corrupt_min }
    } else {
        Verdict::Pass
    }
}

/// Whether so many updates may empty too much: they must be looked at one by one.
pub fn may_blank(guards: &Guards, updates: u64) -> bool {
    guards.blanks.is_some_and(|limit| updates > limit.max)
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
