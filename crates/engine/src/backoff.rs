//! How long to wait before trying again.

/// Returns how long to wait before retry number `attempt`, in milliseconds.
///
/// Doubles from 1 s up to 5 min, then adds up to a quarter, so that bindings that failed together
/// do not come back together. The spread is computed from `who`, not drawn: the same binding waits
/// equally long in every run, which is what lets the simulator replay a failure.
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
    let doublings = attempt.max(1).saturating_sub(1).min(20);
    let base = (1_000u64 << doublings).min(300_000);
    // SplitMix64's finalizer: spreads neighbouring numbers over the whole range.
    let mut spread = who.wrapping_add(u64::from(attempt)).wrapping_add(0x9e37_79b9_7f4a_7c15);
    spread = (spread ^ (spread >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    spread = (spread ^ (spread >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    base + (spread ^ (spread >> 31)) % (base / 4 + 1)
}
