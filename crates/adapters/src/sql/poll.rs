//! Where a poll by a cursor column stands, so that no row is skipped and rows do not come for ever.
//!
//! A *pass* reads, in pages of (cursor, key), all rows from `low` on. When it has shown them all,
//! `low` moves to the highest cursor seen, less an overlap: rows that are committed late, with a
//! cursor value from before others that are known already, are met by the next pass. The highest
//! value counts only up to what was there, and what the clock said, when the pass *began*: what is
//! committed behind a long pass is not overtaken by it, and one row stamped in the year 2099 does
//! not hide everything else.
//!
//! Rows of the overlap come again with each pass. The digests of the last of them are remembered
//! and not shown twice; beyond that number they are shown again, which says nothing new to the hub.
//! Where the system can tell what was committed since a moment, it need not give the others out at
//! all; where it can only tell whether the overlap is still what it was, that is asked first. Either
//! is kept as the *horizon*, taken at the beginning of each pass for the next.
//! A row that is committed later than the overlap allows is found by the next full scan.

use std::{cmp::Ordering, collections::VecDeque};

use syncline_core::{
    change::{Position, RowKey},
    error::{ErrorKind, PortError},
    value::{Digest, Value, read_varint, varint},
};

use crate::sql::time;

/// The longest time a transaction may take and still be met by the next poll.
pub const OVERLAP_SECONDS: i64 = 300;
/// The same for cursors that count: the most numbers other transactions may take meanwhile.
pub const OVERLAP_NUMBERS: i64 = 10_000;
/// Rows of the overlap that are remembered: eight bytes each, in every stored position.
const REMEMBERED_MAX: usize = 4_096;
const VERSION: u8 = 2;

/// Where a poll stands.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Poll {
    /// The pass reads from here on, inclusive; `None`: everything.
    low: Option<Value>,
    /// What the highest value may count for: taken when the pass began.
    cap: Option<Value>,
    /// The horizon of the pass under way.
    horizon: Option<u64>,
    /// What the pass before has certainly shown.
    behind: Option<Behind>,
    /// In this pass, the overlap is what it was. Not stored.
    skips: bool,
    /// The last row of the last page of the pass under way.
    page: Option<(Value, RowKey)>,
    /// Digests of rows that the pass before showed, sorted.
    shown: Vec<u64>,
    /// Digests of rows of this pass, in order.
    passing: VecDeque<u64>,
}

/// What a pass has certainly shown: rows up to this cursor value that were there when it began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behind {
    /// The highest cursor value that counted.
    pub top: Value,
    /// In the system's own terms: when the pass began, or what the overlap up to `top` held then.
    pub horizon: u64,
}

/// Where the next page begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start<'a> {
    /// With the first row that has a cursor value.
    Beginning,
    /// With rows of this cursor value.
    At(&'a Value),
    /// With rows beyond this cursor value.
    Beyond(&'a Value),
    /// After the row of this cursor value and this key, in the order of (cursor, key).
    After(&'a Value, &'a RowKey),
}

impl Poll {
    /// Reads a stored position; `None` begins from the beginning.
    ///
    /// # Errors
    /// `PositionLost` if another version wrote it.
    pub fn resume(position: Option<&Position>) -> Result<Self, PortError> {
        let Some(position) = position else { return Ok(Self::default()) };
        decode(&position.0).ok_or_else(|| {
            PortError::new(ErrorKind::PositionLost, "go on with a poll", "unknown position")
        })
    }

    /// The position to store with the rows shown so far.
    pub fn position(&self) -> Position {
        let mut out = vec![VERSION];
        self.low.as_ref().unwrap_or(&Value::Null).encode(&mut out);
        self.cap.as_ref().unwrap_or(&Value::Null).encode(&mut out);
        varint(self.horizon.map_or(0, |horizon| horizon + 1), &mut out);
        let (top, horizon) = match &self.behind {
            Some(behind) => (&behind.top, behind.horizon),
            None => (&Value::Null, 0),
        };
        top.encode(&mut out);
        varint(horizon, &mut out);
        match &self.page {
            None => out.push(0),
            Some((cursor, key)) => {
                out.push(1);
                cursor.encode(&mut out);
                syncline_core::value::bytes(&key.0, &mut out);
            }
        }
        for (count, list) in [
            (self.shown.len(), &mut self.shown.iter() as &mut dyn Iterator<Item = &u64>),
            (self.passing.len(), &mut self.passing.iter()),
        ] {
            varint(count as u64, &mut out);
            list.for_each(|digest| out.extend_from_slice(&digest.to_be_bytes()));
        }
        Position(out)
    }

    /// Where a poll goes on after a complete scan: `top` is the highest cursor value in the scan's
    /// snapshot, `now` the system's time when the scan began, as the cursor column would hold it,
    /// and `horizon` the scan's snapshot, if the system can tell what was committed since.
    pub fn after_scan(
        top: Option<&Value>,
        now: Option<&Value>,
        horizon: Option<u64>,
    ) -> Option<Position> {
        let top = lower(top.filter(|top| !top.is_null())?, now).clone();
        let low = Some(time::back(&top));
        let behind = horizon.map(|horizon| Behind { top, horizon });
        Some(Self { low, behind, ..Self::default() }.position())
    }

    /// What need not be read again.
    pub fn behind(&self) -> Option<&Behind> {
        self.behind.as_ref()
    }

    /// Where the overlap begins, and what is known of it.
    pub fn overlap(&self) -> Option<(&Value, &Behind)> {
        self.low.as_ref().zip(self.behind.as_ref())
    }

    /// The overlap is what it was when the pass before began: this pass begins after it.
    pub fn skip_overlap(&mut self) {
        self.skips = true;
    }

    /// The highest cursor value that may count for a pass that begins now, and where the overlap of
    /// the next then begins.
    pub fn stretch(max: Option<&Value>, now: Option<&Value>) -> Option<(Value, Value)> {
        let top = lower(max.filter(|max| !max.is_null())?, now);
        Some((time::back(top), top.clone()))
    }

    /// Whether a new pass begins with the next page: then [`Poll::begin`] comes first.
    pub fn is_between_passes(&self) -> bool {
        self.page.is_none()
    }

    /// Begins a pass. Both values are read *before* its first page: `max`, the highest cursor value
    /// (NULL or `None`: no rows), and `now`, the system's time as the cursor column would hold it,
    /// if it holds times. So is `horizon`, if the system can tell what was committed since: later
    /// passes then need not read what was committed before.
    pub fn begin(&mut self, max: Option<&Value>, now: Option<&Value>, horizon: Option<u64>) {
        self.horizon = horizon;
        self.cap = max.filter(|max| !max.is_null()).map(|max| lower(max, now).clone());
        self.passing.clear();
    }

    /// Where the next page begins.
    pub fn start(&self) -> Start<'_> {
        match (&self.page, &self.behind, &self.low) {
            (Some((cursor, key)), ..) => Start::After(cursor, key),
            (None, Some(behind), _) if self.skips => Start::Beyond(&behind.top),
            (None, _, Some(low)) => Start::At(low),
            (None, _, None) => Start::Beginning,
        }
    }

    /// Takes note of the next row, in order, and tells whether it is to be shown. `digest` is that
    /// of what the row holds.
    pub fn shows(&mut self, cursor: &Value, key: &RowKey, digest: Digest) -> bool {
        let mut all = Vec::with_capacity(64);
        cursor.encode(&mut all);
        all.extend_from_slice(&key.0);
        all.extend_from_slice(&digest.0);
        let Digest(long) = Digest::of(&all);
        let short = long.iter().take(8).fold(0u64, |sum, byte| (sum << 8) | u64::from(*byte));
        if self.passing.len() == REMEMBERED_MAX {
            self.passing.pop_front();
        }
        self.passing.push_back(short);
        self.page = Some((cursor.clone(), key.clone()));
        self.shown.binary_search(&short).is_err()
    }

    /// The pass has shown all rows: the last page was not full.
    pub fn finish(&mut self) {
        // With a horizon, what was there when the pass began is known, given out or not: the highest
        // of it stands for the highest that was shown.
        let shown = self.page.take().map(|(shown, _)| shown);
        let top = if self.horizon.is_some() { self.cap.clone() } else { shown };
        // Without a cap (no rows when the pass began) only what was low before is safe.
        if let (Some(top), Some(cap)) = (top.filter(|top| !top.is_null()), &self.cap) {
            let top = lower(&top, Some(cap)).clone();
            let low = time::back(&top);
            let goes_back =
                self.low.as_ref().is_some_and(|old| compare(&low, old) == Some(Ordering::Less));
            if !goes_back {
                self.low = Some(low);
                self.behind = self.horizon.map(|horizon| Behind { top, horizon });
            }
        }
        (self.horizon, self.skips) = (None, false);
        self.cap = None;
        self.shown = std::mem::take(&mut self.passing).into();
        self.shown.sort_unstable();
    }
}

/// The lower of the two, where they compare.
fn lower<'a>(this: &'a Value, other: Option<&'a Value>) -> &'a Value {
    match other {
        Some(other) if compare(other, this) == Some(Ordering::Less) => other,
        Some(_) | None => this,
    }
}

/// The order of two cursor values of one kind.
fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Num(left), Value::Num(right)) => Some(left.cmp(right)),
        (Value::Float(left), Value::Float(right)) => left.get().partial_cmp(&right.get()),
        (Value::Text(left), Value::Text(right)) => Some(left.cmp(right)),
        (Value::Date(left), Value::Date(right)) => Some(left.cmp(right)),
        (Value::LocalDateTime(..), Value::LocalDateTime(..))
        | (
            Value::Instant(..) | Value::OffsetDateTime(..),
            Value::Instant(..) | Value::OffsetDateTime(..),
        ) => Some(time::place(left).cmp(&time::place(right))),
        _ => None,
    }
}

fn decode(bytes: &[u8]) -> Option<Poll> {
    let (version, mut rest) = bytes.split_first()?;
    if *version != VERSION {
        return None;
    }
    let input = &mut rest;
    let not_null = |value: Value| (!value.is_null()).then_some(value);
    let low = not_null(Value::decode(input)?);
    let cap = not_null(Value::decode(input)?);
    let horizon = read_varint(input)?.checked_sub(1);
    let (top, behind) = (not_null(Value::decode(input)?), read_varint(input)?);
    let behind = top.map(|top| Behind { top, horizon: behind });
    let (has_page, after) = input.split_first()?;
    *input = after;
    let page = if *has_page == 0 {
        None
    } else {
        let cursor = Value::decode(input)?;
        Some((cursor, RowKey(syncline_core::value::read_bytes(input)?.into())))
    };
    let shown = digests(input)?;
    let passing = digests(input)?.into();
    input.is_empty().then_some(Poll {
        low,
        cap,
        horizon,
        behind,
        skips: false,
        page,
        shown,
        passing,
    })
}

fn digests(input: &mut &[u8]) -> Option<Vec<u64>> {
    let count = usize::try_from(read_varint(input)?).ok()?;
    let (front, after) = input.split_at_checked(count.checked_mul(8)?)?;
    *input = after;
    Some(
        front
            .chunks_exact(8)
            .map(|chunk| chunk.iter().fold(0u64, |sum, byte| (sum << 8) | u64::from(*byte)))
            .collect(),
    )
}

#[cfg(test)]
mod tests;
