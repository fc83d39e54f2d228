//! Where in the log listening goes on: which system, which history of it, which byte.

use std::fmt;

use syncline_core::change::Position;

use crate::postgres::{listen::message::Identity, value::Wire as _};

const VERSION: u8 = 1;

/// A place in the write-ahead log: how many bytes were written before it, ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Lsn(pub(super) u64);

/// As the server writes it.
impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xffff_ffff)
    }
}

/// The position to store.
pub(super) fn encode(identity: Identity, upto: Lsn) -> Position {
    let mut out = vec![VERSION];
    out.extend_from_slice(&identity.system.to_be_bytes());
    out.extend_from_slice(&identity.timeline.to_be_bytes());
    out.extend_from_slice(&upto.0.to_be_bytes());
    Position(out)
}

/// Reads a stored position.
pub(super) fn decode(position: &Position) -> Option<(Identity, Lsn)> {
    let mut rest = position.0.as_slice();
    if rest.take().ok()? != [VERSION] {
        return None;
    }
    let identity = Identity {
        system: u64::from_be_bytes(rest.take().ok()?),
        timeline: u32::from_be_bytes(rest.take().ok()?),
    };
    let upto = Lsn(u64::from_be_bytes(rest.take().ok()?));
    rest.is_empty().then_some((identity, upto))
}
