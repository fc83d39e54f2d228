//! What the file says of a cell: how one system writes one field.

use syncline_core::{
    Text,
    decimal::Decimal,
    lens::{Ambiguous, Case, PhoneFormat, Rounding},
};

use crate::config::{
    draft::{Atom, Name, Spanned, ValueMap},
    source::Place,
};

/// A cell.
#[derive(Clone, Debug)]
pub(crate) struct CellDraft {
    /// The system.
    pub(crate) system: Name,
    /// The whole cell.
    pub(crate) place: Place,
    /// Its columns: one, or several.
    pub(crate) columns: Vec<Name>,
    /// A path within the column.
    pub(crate) path: Option<Name>,
    /// A pattern.
    pub(crate) format: Option<Name>,
    /// A zone.
    pub(crate) tz: Option<Name>,
    /// A local time that occurs twice.
    pub(crate) ambiguous: Option<Ambiguous>,
    /// What the system counts in.
    pub(crate) unit: Option<UnitDraft>,
    /// Its currency.
    pub(crate) currency: Option<CurrencyDraft>,
    /// Hub value, and the system's values for it.
    pub(crate) values: Option<Spanned<ValueMap>>,
    /// A file with more of them.
    pub(crate) lookup: Option<LookupDraft>,
    /// Words for true and false.
    pub(crate) boolean: Option<(Vec<Atom>, Vec<Atom>)>,
    /// The sign between whole and fraction.
    pub(crate) decimal: Option<char>,
    /// The sign between groups of digits.
    pub(crate) group: Option<char>,
    /// Digits after the point.
    pub(crate) scale: Option<u32>,
    /// How digits are dropped.
    pub(crate) rounding: Option<Rounding>,
    /// Blanks at both ends.
    pub(crate) trim: bool,
    /// Runs of blanks.
    pub(crate) collapse: bool,
    /// Letter case.
    pub(crate) case: Option<Case>,
    /// Characters.
    pub(crate) max: Option<u32>,
    /// Allows losing.
    pub(crate) lossy: bool,
    /// Written for null.
    pub(crate) default: Option<Atom>,
    /// The empty text is null.
    pub(crate) blank_is_null: bool,
    /// Written when a row is created.
    pub(crate) constant: Option<Atom>,
    /// Between parts.
    pub(crate) separator: Option<Text>,
    /// The rest goes into the first part.
    pub(crate) from_end: bool,
    /// Between members.
    pub(crate) list: Option<Text>,
    /// Telephone numbers.
    pub(crate) phone: Option<PhoneFormat>,
}

/// What a system counts in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum UnitDraft {
    /// Cents and their like.
    Minor,
    /// multiply, divide, offset.
    Linear(Decimal, Decimal, Decimal),
}

/// Where an amount's currency is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CurrencyDraft {
    /// Always this.
    Constant(Name),
    /// In this column.
    Column(Name),
}

/// A lookup file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LookupDraft {
    /// The file.
    pub(crate) file: Name,
    /// The column of the hub's values.
    pub(crate) hub: Option<Name>,
    /// The column of the system's values.
    pub(crate) system: Option<Name>,
}
