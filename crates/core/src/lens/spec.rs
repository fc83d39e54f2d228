//! What a cell of the configuration says, before it is compiled.
//!
//! Plain data: the configuration reader fills it from the file, the plan compiler adds what the
//! system's schema knows ([`CellSpec::native`], [`CellSpec::max`], [`CellSpec::scale`],
//! [`CellSpec::fraction`]), and [`crate::lens::compile()`] judges the whole.

pub use crate::decimal::Rounding;
use crate::{Text, decimal::Decimal, value::Value};

/// What a field of the hub holds.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum FieldType {
    /// Whatever the systems hold; all of them must hold it alike.
    #[default]
    Any,
    /// Exact text.
    Text,
    /// A whole number.
    Int,
    /// An exact number.
    Decimal,
    /// An amount. With a currency, a number; without, a list of the number and the currency code.
    Money {
        /// The one currency of the field, as an ISO 4217 code.
        currency: Option<Text>,
    },
    /// True or false.
    Bool,
    /// A calendar date: never shifted by a zone.
    Date,
    /// A time of day.
    Time,
    /// A point in time.
    Timestamp,
    /// A date and a time on some wall clock, which one is not known.
    LocalTimestamp,
    /// One of these texts; their order is their rank.
    Enum(Vec<Text>),
    /// An e-mail address: trimmed, domain in lower case.
    Email,
    /// A telephone number in E.164: `+34600111222`, an extension as `;ext=12`.
    Phone {
        /// Country of numbers written without one, as an ISO 3166 code.
        region: Option<Text>,
    },
    /// A UUID.
    Uuid,
    /// Bytes.
    Bytes,
    /// A JSON document, as lists, maps and scalars.
    Json,
    /// Values without order.
    Set,
    /// A binary floating-point number.
    Float,
    /// Months, days and nanoseconds.
    Interval,
    /// A record of the hub.
    Ref,
}

/// Which [`Value`] a column takes and gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NativeKind {
    /// [`Value::Bool`].
    Bool,
    /// [`Value::Num`].
    Num,
    /// [`Value::Float`].
    Float,
    /// [`Value::Text`].
    Text,
    /// [`Value::Bytes`].
    Bytes,
    /// [`Value::Uuid`].
    Uuid,
    /// [`Value::Date`].
    Date,
    /// [`Value::Time`].
    Time,
    /// [`Value::LocalDateTime`].
    LocalDateTime,
    /// [`Value::Instant`].
    Instant,
    /// [`Value::OffsetDateTime`].
    OffsetDateTime,
    /// [`Value::Interval`].
    Interval,
    /// What JSON has: null, boolean, number, text, list, map.
    Json,
    /// [`Value::List`], such as an array column.
    List,
}

/// How one system writes the hub's value of one field. Everything is optional: a cell that says
/// nothing copies, or converts between the field's type and the column's.
#[derive(Clone, Debug, PartialEq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a setting of its own in the file")]
pub struct CellSpec {
    /// What the column takes, if the schema told; otherwise derived from the rest.
    pub native: Option<NativeKind>,
    /// Pattern of a date or time (`%d/%m/%Y`), of an amount (`{amount} {currency}`), or of bytes
    /// (`hex`, `base64`).
    pub format: Option<Text>,
    /// IANA zone of values that carry no offset.
    pub zone: Option<Text>,
    /// Which instant a local time means that occurs twice or never; undeclared, it is refused.
    pub ambiguous: Option<Ambiguous>,
    /// Hub value and the system's values for it: all are read, the first is written. Lookup files
    /// too.
    pub values: Option<Vec<(Value, Vec<Value>)>>,
    /// The system's words for true and for false: all are read, the first is written.
    pub boolean: Option<(Vec<Value>, Vec<Value>)>,
    /// What the system counts in.
    pub unit: Option<Unit>,
    /// Where an amount's currency is.
    pub currency: Option<CellCurrency>,
    /// Between whole and fraction, in numbers written as text; a point if unset.
    pub decimal_separator: Option<char>,
    /// Between groups of three digits, in numbers written as text; none if unset.
    pub group_separator: Option<char>,
    /// Digits after the point that the column keeps; texts are padded to it.
    pub scale: Option<u32>,
    /// Digits in all that the column keeps.
    pub digits: Option<u32>,
    /// How digits beyond `scale` are dropped. Declaring it allows dropping them.
    pub rounding: Option<Rounding>,
    /// Digits of a second that the column keeps; finer parts are cut, and remembered by the hub.
    pub fraction: Option<u32>,
    /// Blanks at both ends do not count.
    pub trim: bool,
    /// Runs of blanks count as one space.
    pub collapse: bool,
    /// How the system treats letter case.
    pub case: Option<Case>,
    /// How many characters (Unicode code points) the column holds.
    pub max: Option<u32>,
    /// Allows writing less than the hub knows: longer texts are cut, finer numbers rounded.
    pub lossy: bool,
    /// What is written for null.
    pub default: Option<Value>,
    /// An empty text is read as null.
    pub blank_is_null: bool,
    /// Written on every insert; nothing is read.
    pub constant: Option<Value>,
    /// One field, several columns: the native value is the list of the columns.
    pub split: Option<Split>,
    /// Several fields, one column: the hub's value is the list of the fields.
    pub join: Option<Split>,
    /// Between the members of a set written as text.
    pub list_separator: Option<Text>,
    /// How telephone numbers are written.
    pub phone: Option<PhoneFormat>,
}

/// Which instant a local time means that a change of clocks repeats or skips.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ambiguous {
    /// The earlier of the two.
    Earlier,
    /// The later of the two.
    Later,
    /// Neither: the value is quarantined.
    Reject,
}

/// What a system counts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Cents and their like, by the currency's ISO 4217 exponent.
    Minor,
    /// The native number is `hub × multiply ÷ divide + offset`.
    Linear {
        /// Numerator of the factor; not zero.
        multiply: Decimal,
        /// Denominator of the factor; not zero.
        divide: Decimal,
        /// Added after scaling.
        offset: Decimal,
    },
}

/// Where an amount's currency is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CellCurrency {
    /// Always this ISO 4217 code.
    Constant(Text),
    /// In a second column: the native value is the list of the amount and the code.
    Column,
}

/// How a system treats letter case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// It stores capitals.
    Upper,
    /// It stores small letters.
    Lower,
    /// It does not care: the hub holds small letters, the system keeps its own.
    Fold,
}

/// Parts of a text in several places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Between the parts.
    pub separator: Text,
    /// How many, at least two.
    pub parts: u32,
    /// Where a text of more words is cut: `false` leaves the rest in the last part (`Ana`, `Maria
    /// Lopez`), `true` in the first.
    pub from_end: bool,
}

/// How telephone numbers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhoneFormat {
    /// `+34600111222`.
    E164,
    /// `600 11 12 22`, for numbers of the field's region; others as international.
    National,
    /// `+34 600 11 12 22`.
    International,
}
