//! Which trace something belongs to, and who says so: a caller by the header `traceparent`
//! (<https://www.w3.org/TR/trace-context/>), or whoever does something on its behalf.

use std::{
    fmt,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::http::HeaderMap;
use ring::rand::{SecureRandom as _, SystemRandom};

/// A span, and the trace that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Context {
    pub(super) trace: u128,
    pub(super) span: u64,
    /// Whoever began the trace wants it recorded.
    pub(super) is_recorded: bool,
}

/// Numbers that nobody else takes.
fn number() -> u64 {
    static SEED: OnceLock<u64> = OnceLock::new();
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let seed = SEED.get_or_init(|| {
        let mut bytes = [0; 8];
        // Without chance the hours and the process tell installations apart.
        if SystemRandom::new().fill(&mut bytes).is_err() {
            let now = crate::session::Session::now().0.unsigned_abs();
            return now ^ u64::from(std::process::id()).rotate_left(48);
        }
        u64::from_le_bytes(bytes)
    });
    // SplitMix64: every number once, in no order that can be seen.
    let step = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut number = seed.wrapping_add(step);
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (number ^ (number >> 31)).max(1)
}

impl Context {
    /// The first span of a new trace.
    pub(crate) fn new() -> Self {
        let trace = (u128::from(number()) << 64) | u128::from(number());
        Self { trace, span: number(), is_recorded: true }
    }

    /// A span of the same trace.
    pub(crate) fn child(self) -> Self {
        Self { span: number(), ..self }
    }

    /// What a caller says; `None`: nothing, or nothing that can be understood.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        Self::parse(headers.get("traceparent")?.to_str().ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('-');
        let version = hex(parts.next()?, 2)?;
        let (trace, span) = (hex(parts.next()?, 32)?, hex(parts.next()?, 16)?);
        let flags = hex(parts.next()?, 2)?;
        // Later versions may say more behind this; the first says no more.
        let is_known = version != 0xff && (version != 0 || parts.next().is_none());
        let span = u64::try_from(span).ok()?;
        (is_known && trace != 0 && span != 0).then_some(Self {
            trace,
            span,
            is_recorded: flags & 1 == 1,
        })
    }

    /// What a request says of it.
    pub(super) fn header(self) -> String {
        format!("00-{}-{}-{:02x}", self.trace_id(), self.span_id(), u8::from(self.is_recorded))
    }

    /// The number of the trace, as logs write it.
    pub(crate) fn trace_id(self) -> String {
        format!("{:032x}", self.trace)
    }

    /// The number of the span.
    pub(super) fn span_id(self) -> String {
        format!("{:016x}", self.span)
    }
}

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.trace_id())
    }
}

fn hex(text: &str, length: usize) -> Option<u128> {
    let is_hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    (text.len() == length && is_hex).then(|| u128::from_str_radix(text, 16).ok()).flatten()
}

tokio::task_local! {
    static CURRENT: Option<Context>;
}

/// On whose behalf this is done, if somebody has said so.
pub(crate) fn current() -> Option<Context> {
    CURRENT.try_with(|context| *context).ok().flatten()
}

/// Does this on behalf of that trace.
pub(crate) async fn within<T>(context: Option<Context>, work: impl Future<Output = T>) -> T {
    CURRENT.scope(context, work).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_says_which_trace_it_belongs_to() {
        let said = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let context = Context::parse(said).unwrap();
        assert_eq!(context.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(context.span_id(), "00f067aa0ba902b7");
        assert!(context.is_recorded);
        assert_eq!(context.header(), said);
        assert!(!Context::parse(&said.replace("-01", "-00")).unwrap().is_recorded);
        assert!(Context::parse(&format!("{}-more", said.replacen("00", "01", 1))).is_some());
        for wrong in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-+bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
        ] {
            assert_eq!(Context::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn no_number_is_taken_twice() {
        let all: std::collections::BTreeSet<u64> = (0..10_000).map(|_| number()).collect();
        assert_eq!(all.len(), 10_000);
        assert_ne!(Context::new().trace, Context::new().trace);
    }
}
