//! What a system looks like: tables, columns, keys, privileges.

use async_trait::async_trait;
use syncline_core::{Text, error::PortError, value::Value};

/// A table, as the system describes it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Table {
    /// Its name, as the configuration would write it.
    pub name: Text,
    /// In the table's order.
    pub columns: Vec<Column>,
    /// The columns of the primary key, in order.
    pub primary_key: Vec<Text>,
    /// Unique constraints and indices: their columns, and whether they can be deferred.
    pub unique: Vec<Unique>,
    /// Foreign keys.
    pub foreign: Vec<Foreign>,
    /// Its rows may have columns that are not listed: nothing describes them beforehand.
    pub is_open: bool,
    /// It is a view, or something else that is not written.
    pub is_view: bool,
    /// It has triggers, or rules, that may rewrite what is written.
    pub has_triggers: bool,
    /// About how many rows it has.
    pub rows_estimate: u64,
    /// What our user may do: read, insert, update, delete.
    pub privileges: Privileges,
}

/// What our user may do with a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "four independent rights, as the systems grant them"
)]
pub struct Privileges {
    /// Read rows.
    pub select: bool,
    /// Create rows.
    pub insert: bool,
    /// Change rows.
    pub update: bool,
    /// Delete rows.
    pub delete: bool,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Column {
    /// Its name, exactly.
    pub name: Text,
    /// Its type, as the system writes it: `numeric(38,10)`, `varchar(20)`.
    pub type_name: Text,
    /// How its values travel.
    pub travels: Travels,
    /// It takes NULL.
    pub nullable: bool,
    /// It has a default, or numbers itself.
    pub has_default: bool,
    /// The system numbers it (serial, identity, `auto_increment`, rowid).
    pub is_identity: bool,
    /// It is computed by the system and cannot be written.
    pub is_generated: bool,
    /// The most characters it takes.
    pub length_max: Option<u32>,
    /// Digits after the point of an exact number, or of the seconds of a time.
    pub scale: Option<u32>,
    /// All digits of an exact number.
    pub precision: Option<u32>,
    /// What it makes of digits that do not fit.
    pub rounds: Option<syncline_core::decimal::Rounding>,
    /// Only these texts (an enumeration).
    pub allowed: Vec<Text>,
    /// Its collation ignores case, accents or trailing spaces.
    pub folds: bool,
}

/// How the values of a column travel.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Travels {
    /// Exactly, as this kind of value (see [`Value::kind`]).
    Exactly(NativeKind),
    /// By this documented conversion, as this kind of value.
    Converted(NativeKind, Text),
    /// Not at all: refused by name, for this reason.
    #[default]
    Refused,
}

/// Kinds of native values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NativeKind {
    /// True or false.
    Bool,
    /// Exact number.
    Num,
    /// Binary floating point.
    Float,
    /// Text.
    Text,
    /// Bytes.
    Bytes,
    /// UUID.
    Uuid,
    /// Date.
    Date,
    /// Time of day.
    Time,
    /// Date and time without a zone.
    LocalDateTime,
    /// Point in time.
    Instant,
    /// Months, days, nanoseconds.
    Interval,
    /// A JSON document, as [`Value::Map`], [`Value::List`] or a scalar.
    Json,
    /// A list of one of the above.
    List,
}

/// A unique constraint or index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unique {
    /// Its name.
    pub name: Text,
    /// Its columns.
    pub columns: Vec<Text>,
    /// It can be deferred to the commit.
    pub is_deferrable: bool,
}

/// A foreign key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// Its name.
    pub name: Text,
    /// Its columns.
    pub columns: Vec<Text>,
    /// The table it refers to, and the columns there.
    pub refers_to: (Text, Vec<Text>),
    /// Deletes there delete rows here.
    pub cascades: bool,
}

/// What a system is, and whether it is fit.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Fitness {
    /// `PostgreSQL 15.18`.
    pub product: Text,
    /// The version is among those the tests run against.
    pub is_tested: bool,
    /// The table of marks is there and may be written.
    pub has_marks: bool,
    /// How far the system's clock is ahead of ours, in milliseconds.
    pub clock_ahead_ms: i64,
    /// Checks, in the order in which they should be read.
    pub checks: Vec<Check>,
}

/// One check of `doctor`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// `connect`, `privileges`, `marks`, `clock` …
    pub name: Text,
    /// How it went.
    pub state: CheckState,
    /// What was found.
    pub message: Text,
    /// Statements to paste, if something is to be done.
    pub fix: Vec<Text>,
}

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckState {
    /// Fine.
    Passed,
    /// Works, with a restriction.
    Warning,
    /// Does not work.
    Failed,
}

/// Describes a system.
#[async_trait]
pub trait Catalog: Send {
    /// All tables that our user can see, without columns.
    async fn tables(&mut self) -> Result<Vec<Text>, PortError>;

    /// Describes these tables; `None` for one that does not exist or cannot be seen.
    async fn describe(&mut self, tables: &[Text]) -> Result<Vec<Option<Table>>, PortError>;

    /// What the system is, and whether it is fit: connection, privileges on these tables, marks, clock.
    async fn examine(&mut self, tables: &[Text]) -> Result<Fitness, PortError>;

    /// Creates the table of marks (`syncline_applied`), if our user may.
    async fn create_marks(&mut self) -> Result<(), PortError>;

    /// Up to `limit` values of these columns, from rows spread over the table, in one row each.
    async fn sample(
        &mut self,
        table: &str,
        columns: &[Text],
        limit: usize,
    ) -> Result<Vec<Vec<Value>>, PortError>;
}
