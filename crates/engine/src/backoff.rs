//! How long to wait before something is tried again.

/// Returns how long to wait before retry number `attempt`, in milliseconds.
///
/// Doubles from 1 s up to 5 min, then adds up to a quarter, so that systems that failed together
/// do not come back together. The spread is computed from `who`, not drawn: the same system waits
/// equally long in every run.
///
/// `attempt` counts from 1. Zero is taken as 1, for a caller that forgot.
///
/// ```
/// # use syncline_engine::backoff::wait_ms;
/// let crm = 7;
/// assert!((1_000..=1_250).contains(&wait_ms(1, crm)));
/// assert!((300_000..=375_000).contains(&wait_ms(50, crm)));
/// assert_eq!(wait_ms(3, crm), wait_ms(3, crm));
/// ```
pub fn wait_ms(attempt: u32, who: u64) -> u64 {
    const FIRST: u64 = 1_000;
    const LAST: u64 = 300_000;
    let doubled = FIRST << attempt.saturating_sub(1).min(16);
    let wait = doubled.min(LAST);
    // A multiplication spreads numbers that lie beside each other.
    let spread = who.wrapping_add(u64::from(attempt)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54;
    wait + wait * spread / 4_096
}
