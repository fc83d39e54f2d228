//! Where an incremental listing stands, so that no item is skipped.
//!
//! A *pass* lists all items that changed from `low` on. When it has ended, `low` moves to the highest
//! cursor shown, but never beyond the server's time when the pass began, less an overlap: items that
//! are stamped before others that are known already, and shown later, are met by the next pass. Items
//! of the overlap come again; those that were shown as they are, are not shown twice.

use std::cmp::Ordering;

use syncline_core::{
    change::{Observed, Position, Row},
    decimal::Decimal,
    error::{ErrorKind, PortError},
    name::Timestamp,
    value::{Digest, Value, read_varint, varint},
};

const VERSION: u8 = 1;
/// Items of the overlap that are remembered.
const REMEMBERED_MAX: usize = 4_096;

/// Where an incremental listing stands between two passes.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Stand {
    /// The next pass begins here; `None`: everything.
    pub(super) low: Option<Value>,
    /// Digests of what the last pass showed, sorted.
    shown: Vec<u64>,
}

/// A pass under way.
#[derive(Clone, Debug, Default)]
pub(super) struct Passing {
    began: Option<Timestamp>,
    high: Option<Value>,
    shown: Vec<u64>,
}

impl Stand {
    /// Reads a stored position.
    ///
    /// # Errors
    /// `PositionLost` if another version wrote it.
    pub(super) fn read(position: Option<&Position>) -> Result<Self, PortError> {
        let Some(position) = position else { return Ok(Self::default()) };
        decode(&position.0).ok_or_else(|| {
            PortError::new(ErrorKind::PositionLost, "go on with a listing", "unknown position")
        })
    }

    /// The position to store.
    pub(super) fn position(&self) -> Position {
        let mut out = vec![VERSION];
        self.low.as_ref().unwrap_or(&Value::Null).encode(&mut out);
        varint(self.shown.len() as u64, &mut out);
        self.shown.iter().for_each(|digest| out.extend_from_slice(&digest.to_be_bytes()));
        Position(out)
    }

    /// The last pass showed exactly this.
    pub(super) fn knows(&self, digest: u64) -> bool {
        self.shown.binary_search(&digest).is_ok()
    }
}

impl Passing {
    /// The server's time with the first page.
    pub(super) fn begins(&mut self, at: Timestamp) {
        self.began.get_or_insert(at);
    }

    /// Takes note of an item and its cursor; the digest by which it is known the next time.
    pub(super) fn shows(&mut self, cursor: &Value, observed: &Observed) -> u64 {
        let mut all = observed.key.0.to_vec();
        let row = observed.row.as_ref().map(Row::digest).unwrap_or_default();
        all.extend_from_slice(&row.0);
        let Digest(long) = Digest::of(&all);
        let short = long.iter().take(8).fold(0, |sum, byte| (sum << 8) | u64::from(*byte));
        if self.shown.len() < REMEMBERED_MAX {
            self.shown.push(short);
        }
        let cursor = moment(cursor);
        if !cursor.is_null()
            && self.high.as_ref().is_none_or(|high| compare(&cursor, high) == Ordering::Greater)
        {
            self.high = Some(cursor);
        }
        short
    }

    /// The pass has shown all: where the next one begins.
    pub(super) fn ends(mut self, before: &Stand, overlap: u32) -> Stand {
        self.shown.sort_unstable();
        let high = match (self.high, self.began) {
            (Some(Value::Instant(seconds, nanos)), Some(began)) => {
                let began = Value::Instant(began.0.div_euclid(1_000_000), 0);
                let high = Value::Instant(seconds, nanos);
                Some(if compare(&high, &began) == Ordering::Greater { began } else { high })
            }
            (high, _) => high,
        };
        let low = high.map(|high| back(&high, overlap));
        let low = match (low, &before.low) {
            (Some(low), Some(old)) if compare(&low, old) == Ordering::Less => Some(old.clone()),
            (Some(low), _) => Some(low),
            (None, old) => old.clone(),
        };
        Stand { low, shown: self.shown }
    }
}

/// A cursor as it compares: texts that are times are times.
pub(super) fn moment(cursor: &Value) -> Value {
    match cursor {
        Value::Text(text) => match text.parse::<jiff::Timestamp>() {
            Ok(at) => {
                let nanos = at.as_nanosecond();
                let seconds = i64::try_from(nanos.div_euclid(1_000_000_000)).unwrap_or(i64::MAX);
                let rest = u32::try_from(nanos.rem_euclid(1_000_000_000)).unwrap_or(0);
                Value::Instant(seconds, rest)
            }
            Err(_) => cursor.clone(),
        },
        Value::Null
        | Value::Bool(_)
        | Value::Num(_)
        | Value::Float(_)
        | Value::Bytes(_)
        | Value::Uuid(_)
        | Value::Date(_)
        | Value::Time(_)
        | Value::LocalDateTime(..)
        | Value::Instant(..)
        | Value::OffsetDateTime(..)
        | Value::Interval(..)
        | Value::List(_)
        | Value::Set(_)
        | Value::Map(_)
        | Value::Ref(_) => cursor.clone(),
    }
}

/// As a template takes it.
#[expect(clippy::wildcard_enum_match_arm, reason = "all but times are written as they are")]
pub(super) fn text(cursor: &Value) -> String {
    match cursor {
        Value::Instant(seconds, nanos) => {
            let at = jiff::Timestamp::new(*seconds, i32::try_from(*nanos).unwrap_or(0));
            at.map(|at| at.to_string()).unwrap_or_default()
        }
        other => other.to_string(),
    }
}

fn compare(left: &Value, right: &Value) -> Ordering {
    match (left, right) {
        (Value::Num(left), Value::Num(right)) => left.cmp(right),
        (Value::Text(left), Value::Text(right)) => left.cmp(right),
        (Value::Instant(left, a), Value::Instant(right, b)) => (left, a).cmp(&(right, b)),
        _ => Ordering::Equal,
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "what does not count is read again itself")]
fn back(high: &Value, overlap: u32) -> Value {
    match high {
        Value::Instant(seconds, nanos) => {
            Value::Instant(seconds.saturating_sub(i64::from(overlap)), *nanos)
        }
        Value::Num(number) => {
            number.sub(Decimal::from(i64::from(overlap))).map_or_else(|| high.clone(), Value::Num)
        }
        other => other.clone(),
    }
}

fn decode(bytes: &[u8]) -> Option<Stand> {
    let (version, mut rest) = bytes.split_first()?;
    if *version != VERSION {
        return None;
    }
    let low = Some(Value::decode(&mut rest)?).filter(|low| !low.is_null());
    let count = usize::try_from(read_varint(&mut rest)?).ok()?;
    if rest.len() != count.checked_mul(8)? {
        return None;
    }
    let number = |chunk: &[u8]| chunk.iter().fold(0, |sum, byte| (sum << 8) | u64::from(*byte));
    Some(Stand { low, shown: rest.chunks_exact(8).map(number).collect() })
}

#[cfg(test)]
mod tests {
    use syncline_core::{change::RowKey, name::BindingIndex};

    use super::*;

    fn item(number: i64) -> Observed {
        Observed {
            binding: BindingIndex(0),
            key: RowKey::new([&Value::int(number)]),
            row: Some(Row::default()),
            parent: None,
            order: None,
            token: None,
            changed_at: None,
            actor: None,
            mark: None,
            transaction: None,
        }
    }

    fn ended(cursors: &[&str], before: &Stand) -> Stand {
        let mut passing = Passing::default();
        passing.begins(Timestamp(1_700_000_000_000_000));
        for (number, cursor) in (0..).zip(cursors) {
            passing.shows(&Value::text(*cursor), &item(number));
        }
        passing.ends(before, 300)
    }

    #[test]
    fn the_next_pass_begins_before_the_highest_that_was_shown() {
        let stand =
            ended(&["2023-11-14T10:00:00+01:00", "2023-11-14T08:30:00Z"], &Stand::default());
        assert_eq!(stand.low.as_ref().map(text).as_deref(), Some("2023-11-14T08:55:00Z"));
        assert_eq!(Stand::read(Some(&stand.position())), Ok(stand));
    }

    #[test]
    fn a_stamp_of_the_future_hides_nothing() {
        let stand = ended(&["2099-01-01T00:00:00Z"], &Stand::default());
        assert_eq!(stand.low.as_ref().map(text).as_deref(), Some("2023-11-14T22:08:20Z"));
    }

    #[test]
    fn a_pass_never_goes_back() {
        let before = ended(&["2023-11-14T10:00:00Z"], &Stand::default());
        assert_eq!(ended(&[], &before).low, before.low);
        assert_eq!(ended(&["2023-11-01T10:00:00Z"], &before).low, before.low);
    }

    #[test]
    fn a_damaged_position_is_lost() {
        for bytes in [vec![], vec![9], vec![VERSION], vec![VERSION, 0, 5, 1]] {
            assert!(Stand::read(Some(&Position(bytes))).is_err());
        }
    }
}
