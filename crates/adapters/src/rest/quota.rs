//! What the headers of an answer say of how much more may be asked, and how long to wait because of it:
//! `RateLimit-Remaining` and `RateLimit-Reset` of the IETF's draft, with `X-` as most vendors write them, and
//! Shopify's bucket. Pure functions.

use std::time::Duration;

/// Nobody is left alone for longer because of a header: one that says more is taken for a mistake.
const LONGEST: Duration = Duration::from_secs(3_600);
/// Numbers of seconds above this are a time, not a span.
const EPOCH_FROM: i64 = 1_000_000_000;
/// A bucket is so full that it is let run out a little.
const NEARLY_FULL: u64 = 90;
/// How long a bucket is let run out.
const RUNS_OUT: Duration = Duration::from_millis(500);

/// How long to wait before the next request. `about`: how many may be under way at once; `now`: seconds of
/// the system's own clock.
pub(super) fn asks<'a>(
    header: impl Fn(&str) -> Option<&'a str>,
    about: usize,
    now: i64,
) -> Option<Duration> {
    let number = |name: &str| header(name).and_then(first_number);
    let either = |name: &str| number(name).or_else(|| number(&format!("x-{name}")));
    if let (Some(remaining), Some(reset)) = (
        either("ratelimit-remaining").or_else(|| number("x-rate-limit-remaining")),
        either("ratelimit-reset").or_else(|| number("x-rate-limit-reset")),
    ) {
        let span = if reset >= EPOCH_FROM { reset - now } else { reset };
        let span = Duration::from_secs(span.max(0).unsigned_abs()).min(LONGEST);
        let left = remaining.max(0).unsigned_abs();
        if left == 0 {
            return Some(span).filter(|span| !span.is_zero());
        }
        // The last ones are spread over what is left of the time.
        if left <= about as u64 {
            let parts = u32::try_from(left).unwrap_or(u32::MAX).saturating_add(1);
            return Some(span / parts).filter(|span| !span.is_zero());
        }
        return None;
    }
    let (used, of) = header("x-shopify-shop-api-call-limit")?.split_once('/')?;
    let (used, of): (u64, u64) = (used.trim().parse().ok()?, of.trim().parse().ok()?);
    (of > 0 && used * 100 >= of * NEARLY_FULL).then_some(RUNS_OUT)
}

/// `12`, `12;w=60`, `12, 100;window=3600`: the first number, as it concerns us first.
fn first_number(text: &str) -> Option<i64> {
    let text = text.trim();
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    text.get(..end)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(headers: &[(&str, &str)]) -> Option<u64> {
        let find =
            |name: &str| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        asks(find, 4, 1_700_000_000).map(|wait| wait.as_millis() as u64)
    }

    #[test]
    fn who_has_used_up_what_it_may_waits_until_there_is_more() {
        let used_up =
            |reset| asked(&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", reset)]);
        assert_eq!(used_up("7"), Some(7_000));
        assert_eq!(used_up("1700000030"), Some(30_000));
        assert_eq!(used_up("1699999999"), None, "that is over");
        assert_eq!(used_up("999999"), Some(3_600_000), "nobody waits for days");
        let draft = [("ratelimit-remaining", "0;w=60"), ("ratelimit-reset", "12")];
        assert_eq!(asked(&draft), Some(12_000));
    }

    #[test]
    fn the_last_requests_are_spread_and_the_others_are_not_held_up() {
        let left = |left| asked(&[("ratelimit-remaining", left), ("ratelimit-reset", "9")]);
        assert_eq!((left("500"), left("5"), left("2")), (None, None, Some(3_000)));
    }

    #[test]
    fn a_bucket_that_is_nearly_full_runs_out_a_little() {
        let bucket = |text| asked(&[("x-shopify-shop-api-call-limit", text)]);
        assert_eq!((bucket("12/40"), bucket("38/40")), (None, Some(500)));
        assert_eq!((bucket("x/40"), bucket("1/0"), asked(&[])), (None, None, None));
    }
}
