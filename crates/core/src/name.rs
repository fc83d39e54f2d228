//! Names and numbers of things. Names exist at the edges; the hot path uses indices.

use std::fmt;

macro_rules! index {
    ($(#[$doc:meta] $name:ident),* $(,)?) => {$(
        #[$doc]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u16);

        impl $name {
            /// The place in its list.
            pub fn at(self) -> usize {
                usize::from(self.0)
            }
        }
    )*};
}

index! {
    /// A system's place in [`crate::plan::Plan::systems`]; the file's order, and so the priority.
    SystemIndex,
    /// An entity's place in [`crate::plan::Plan::entities`].
    EntityIndex,
    /// A field's place in [`crate::plan::Entity::fields`].
    FieldIndex,
    /// A binding's place in [`crate::plan::Plan::bindings`].
    BindingIndex,
}

/// A record of the hub: a UUIDv7 minted by the hub, never used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId(pub u128);

/// A write that was on record before it was made. Never used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IntentId(pub u128);

/// Counts the operations of a hub: tells whether something happened before or after a read began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct OperationId(pub u64);

/// How often a group was committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Revision(pub u64);

/// A pass, as people see it: `r-1042`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct RunId(pub u64);

/// A time of day: microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// This time and so many milliseconds.
    pub fn plus_ms(self, milliseconds: i64) -> Self {
        Self(self.0.saturating_add(milliseconds.saturating_mul(1_000)))
    }

    /// Milliseconds since 1970.
    pub fn ms(self) -> i64 {
        self.0.div_euclid(1_000)
    }
}

const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

impl RecordId {
    /// No record has this id: all come after it.
    pub const NONE: Self = Self(0);

    /// Reads the 26 letters that `Display` writes, in either case.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 26 {
            return None;
        }
        Self::range(text).map(|(first, _)| first)
    }

    /// The first and the last id whose text begins with `prefix`; `None` if no text can.
    pub fn range(prefix: &str) -> Option<(Self, Self)> {
        if prefix.is_empty() || prefix.len() > 26 {
            return None;
        }
        let mut number = 0u128;
        for (index, byte) in prefix.bytes().enumerate() {
            let digit =
                CROCKFORD.iter().position(|known| *known == byte.to_ascii_uppercase())? as u128;
            if index == 0 && digit > 7 {
                return None;
            }
            number = (number << 5) | digit;
        }
        let missing = 5 * (26 - prefix.len() as u32);
        let first = number.checked_shl(missing).unwrap_or(0);
        let tail = 1u128.checked_shl(missing).map_or(u128::MAX, |end| end - 1);
        Some((Self(first), Self(first | tail)))
    }
}

fn letters(number: u128, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for index in (0..26u32).rev() {
        let digit = (number >> (5 * index)) as usize & 31;
        f.write_str(
            std::str::from_utf8(CROCKFORD.get(digit..=digit).unwrap_or_default())
                .unwrap_or_default(),
        )?;
    }
    Ok(())
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        letters(self.0, f)
    }
}

impl fmt::Debug for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        letters(self.0, f)
    }
}

impl fmt::Display for IntentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for IntentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r-{}", self.0)
    }
}
