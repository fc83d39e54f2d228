//! What the messages of a replication connection mean, below the log that some of them carry.

use std::io;

use bytes::Bytes;
use syncline_core::error::{ErrorKind, PortError};

use crate::postgres::{
    failure::{self, Said},
    listen::position::Lsn,
    value::{Refusal, Wire as _},
};

/// From 1970 to 2000, where PostgreSQL counts from.
pub(super) const EPOCH_MICROS: i64 = 946_684_800_000_000;
/// A tag and a length.
pub(super) const HEADER: usize = 5;

/// Why it does not go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) kind: ErrorKind,
    /// The SQLSTATE, if the server said something.
    pub(super) code: String,
    pub(super) detail: String,
}

impl Broken {
    pub(super) fn new(kind: ErrorKind, detail: impl Into<String>) -> Self {
        Self { kind, code: String::new(), detail: detail.into() }
    }

    pub(super) fn port_error(self, action: &str) -> PortError {
        PortError::new(self.kind, action, self.detail)
    }
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::new(failure::io_kind(&error), error.to_string())
    }
}

impl From<Refusal> for Broken {
    fn from(refusal: Refusal) -> Self {
        Self::new(ErrorKind::Unexpected, refusal.reason)
    }
}

/// What `IDENTIFY_SYSTEM` tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Identity {
    pub(super) system: u64,
    pub(super) timeline: u32,
}

/// What the server sends while it copies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Streamed {
    /// A message of the decoding plugin.
    Data(Bytes),
    /// A sign of life: everything before this was sent.
    Alive { upto: Lsn, wants_answer: bool },
}

/// The tag of the next message, and the length of what is in it; `None` if that is not there yet.
pub(super) fn header(mut front: &[u8], longest: usize) -> Result<Option<(u8, usize)>, Refusal> {
    let (Ok([tag]), Ok(length)) = (front.take::<1>(), front.i32()) else { return Ok(None) };
    let length = usize::try_from(length)
        .ok()
        .and_then(|length| length.checked_sub(4))
        .filter(|length| *length <= longest)
        .ok_or_else(Refusal::wire)?;
    Ok(Some((tag, length)))
}

/// `None`: something that later versions say beside.
pub(super) fn streamed(mut body: Bytes) -> Result<Option<Streamed>, Refusal> {
    let mut wire: &[u8] = &body;
    match wire.take::<1>()? {
        [b'w'] => {
            let _start_end_clock = wire.take::<24>()?;
            Ok(Some(Streamed::Data(body.split_off(25))))
        }
        [b'k'] => {
            let upto = Lsn(u64::from_be_bytes(wire.take()?));
            let _clock = wire.i64()?;
            Ok(Some(Streamed::Alive { upto, wants_answer: wire.take::<1>()? != [0] }))
        }
        _ => Ok(None),
    }
}

/// `systemid`, `timeline` and more, as text.
pub(super) fn identity(mut row: &[u8]) -> Option<Identity> {
    let wire = &mut row;
    let _columns = wire.u16().ok()?;
    let mut number = || -> Option<u64> {
        let length = usize::try_from(wire.i32().ok()?).ok()?;
        std::str::from_utf8(wire.bytes(length).ok()?).ok()?.parse().ok()
    };
    Some(Identity { system: number()?, timeline: u32::try_from(number()?).ok()? })
}

/// What the server refuses with.
pub(super) fn said(body: &[u8]) -> Broken {
    let mut said = Said::default();
    for field in body.split(|byte| *byte == 0) {
        let Some((kind, text)) = field.split_first() else { continue };
        let text = std::str::from_utf8(text).unwrap_or_default();
        match kind {
            b'C' => said.code = text,
            b'M' => said.message = text,
            b't' => said.table = Some(text),
            b'c' => said.column = Some(text),
            b'n' => said.constraint = Some(text),
            _ => {}
        }
    }
    Broken {
        kind: failure::state_kind(said.code),
        code: said.code.to_owned(),
        detail: said.describe(),
    }
}
