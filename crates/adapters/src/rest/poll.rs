//! Where an incremental listing stands, so that no item is skipped.
//!
//! A *pass* lists all items that changed from `low` on. When it has ended, `low` moves to the highest
//! cursor shown, but never beyond the server's time when the pass began, less an overlap: items that
//! are stamped before others that are known already, and shown later, are met by the next pass. Items
//! of the overlap come again; those that were shown as they are, stamp and all, are not shown twice.
//! Of those that bear the stamp of this very moment that is not known: what changes now, and back again,
//! may bear it too, so they are shown once more.

use std::cmp::Ordering;

use syncline_core::{
    change::{Observed, Position, Row},
    decimal::Decimal,
    error::{ErrorKind, PortError},
    name::Timestamp,
    value::{Digest, Value, read_varint, varint},
};

const VERSION: u8 = 2;
/// Stamps have a second of their own, and so have headers.
const STAMP_MARGIN: i64 = 2;
const DAY: i64 = 24 * 3_600;
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
    shown: Vec<(Value, u64)>,
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

    /// Takes note of an item with the lines that it holds, and its cursor; the digest by which it is
    /// known the next time.
    pub(super) fn shows<'r>(
        &mut self,
        cursor: &Value,
        observed: &'r Observed,
        lines: impl Iterator<Item = &'r Observed>,
    ) -> u64 {
        let cursor = moment(cursor);
        let mut all = Vec::new();
        cursor.encode(&mut all);
        for observed in std::iter::once(observed).chain(lines) {
            all.extend_from_slice(&observed.key.0);
            let row = observed.row.as_ref().map(Row::digest).unwrap_or_default();
            all.extend_from_slice(&row.0);
        }
        let Digest(long) = Digest::of(&all);
        let short = long.iter().take(8).fold(0, |sum, byte| (sum << 8) | u64::from(*byte));
        if self.shown.len() < REMEMBERED_MAX {
            self.shown.push((cursor.clone(), short));
        }
        if !cursor.is_null()
            && self.high.as_ref().is_none_or(|high| compare(&cursor, high) == Ordering::Greater)
        {
            self.high = Some(cursor);
        }
        short
    }

    /// The pass has shown all: where the next one begins.
    pub(super) fn ends(self, before: &Stand, overlap: u32) -> Stand {
        let began = self.began.unwrap_or_default();
        let shown = self.shown.iter().filter(|(cursor, _)| !is_of_now(cursor, began));
        let mut shown: Vec<u64> = shown.map(|(_, digest)| *digest).collect();
        shown.sort_unstable();
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
        Stand { low, shown }
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

/// Whether what changes from this time on may bear this stamp, too.
#[expect(clippy::wildcard_enum_match_arm, reason = "nothing else is a stamp that is known twice")]
fn is_of_now(cursor: &Value, now: Timestamp) -> bool {
    let now = now.0.div_euclid(1_000_000);
    let is_near = |seconds: i64, within: i64| seconds.saturating_add(within) >= now;
    match cursor {
        // Some systems keep whole minutes.
        Value::Instant(seconds, 0) if seconds % 60 == 0 => is_near(*seconds, 60 + STAMP_MARGIN),
        Value::Instant(seconds, _) => is_near(*seconds, STAMP_MARGIN),
        // A number may count seconds or milliseconds, or changes: then each has another.
        Value::Num(number) => [1, 1_000, 1_000_000].into_iter().any(|unit| {
            let at = |seconds: i64| Decimal::from(seconds.saturating_mul(unit));
            *number >= at(now - STAMP_MARGIN) && *number <= at(now + DAY)
        }),
        // A day, or a time without a zone.
        Value::Text(text) => text.get(..10).is_none_or(|day| {
            day.parse::<jiff::civil::Date>().is_ok_and(|day| {
                let day = day.to_datetime(jiff::civil::Time::midnight());
                let at = jiff::tz::Offset::UTC.to_timestamp(day).map(|at| at.as_second());
                at.is_ok_and(|at| is_near(at, 2 * DAY))
            })
        }),
        _ => true,
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
            passing.shows(&Value::text(*cursor), &item(number), std::iter::empty());
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
    fn what_changed_and_changed_back_is_shown() {
        let shown = |cursor: &str| {
            Passing::default().shows(&Value::text(cursor), &item(0), std::iter::empty())
        };
        let stand = ended(&["2023-11-14T22:13:10.5Z"], &Stand::default());
        assert!(stand.knows(shown("2023-11-14T22:13:10.5Z")));
        assert!(!stand.knows(shown("2023-11-14T22:13:20Z")), "it bears another stamp");
        // What changes at this moment may bear these as well.
        for stamp in ["2023-11-14T22:13:19Z", "2023-11-14T22:13:00Z", "2023-11-14"] {
            assert!(!ended(&[stamp], &Stand::default()).knows(shown(stamp)), "{stamp}");
        }
        for (number, is_of_now) in [
            (1_700_000_000, true),
            (1_699_999_999_500, true),
            (1_699_999_000, false),
            (77, false),
            (5_000_000_000_000_000, false),
        ] {
            let found = super::is_of_now(&Value::int(number), Timestamp(1_700_000_000_000_000));
            assert_eq!(found, is_of_now, "{number}");
        }
    }

    #[test]
    fn a_damaged_position_is_lost() {
        for bytes in [vec![], vec![9], vec![VERSION], vec![VERSION, 0, 5, 1]] {
            assert!(Stand::read(Some(&Position(bytes))).is_err());
        }
    }
}
