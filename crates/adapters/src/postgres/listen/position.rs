//! Where in the log listening goes on: which system, which history of it, which byte; and which tables
//! were listened to, as they were then.

use std::{collections::BTreeMap, fmt};

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

/// By the server's number of a table: a mark that changes when its rows change otherwise than one by
/// one.
pub(super) type Marks = BTreeMap<u32, u64>;

/// A position.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Place {
    pub(super) identity: Identity,
    /// Everything before this is dealt with.
    pub(super) upto: Lsn,
    /// And of these tables, as they were.
    pub(super) marks: Marks,
}

impl Place {
    /// The position to store.
    pub(super) fn encode(&self) -> Position {
        let mut out = vec![VERSION];
        out.extend_from_slice(&self.identity.system.to_be_bytes());
        out.extend_from_slice(&self.identity.timeline.to_be_bytes());
        out.extend_from_slice(&self.upto.0.to_be_bytes());
        for (table, mark) in &self.marks {
            out.extend_from_slice(&table.to_be_bytes());
            out.extend_from_slice(&mark.to_be_bytes());
        }
        Position(out)
    }

    /// Reads a stored position.
    pub(super) fn decode(position: &Position) -> Option<Self> {
        let mut rest = position.0.as_slice();
        if rest.take().ok()? != [VERSION] {
            return None;
        }
        let identity = Identity {
            system: u64::from_be_bytes(rest.take().ok()?),
            timeline: u32::from_be_bytes(rest.take().ok()?),
        };
        let upto = Lsn(u64::from_be_bytes(rest.take().ok()?));
        let mut marks = Marks::new();
        while !rest.is_empty() {
            let table = u32::from_be_bytes(rest.take().ok()?);
            marks.insert(table, u64::from_be_bytes(rest.take().ok()?));
        }
        Some(Self { identity, upto, marks })
    }
}
