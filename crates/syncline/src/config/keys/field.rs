//! `fields:`: one row per field, one cell per system.

use crate::config::keys::{SCALARS, Section, Shape, TEXTS, key, later, policy::CONFLICTS_SHAPE};

pub(crate) static FIELDS: Section = Section {
    name: "fields",
    doc: "Fields by name.",
    keys: &[],
    named: Some(Shape::Keys(&FIELD)),
    required: &[],
};

/// The types a field may have.
pub(crate) const TYPES: &[&str] = &[
    "text",
    "int",
    "decimal",
    "money",
    "bool",
    "date",
    "time",
    "timestamp",
    "local_timestamp",
    "enum",
    "email",
    "phone",
    "uuid",
    "bytes",
    "json",
    "set",
    "float",
    "interval",
];

/// A field.
pub(crate) static FIELD: Section = Section {
    name: "field",
    doc: "A field: what it is, and its cell in each system.",
    keys: &[
        key("type", Shape::Word(TYPES), "What it holds; unsaid: what the columns hold."),
        key("values", Shape::List(&Shape::Text), "For `enum`: its values; their order is rank."),
        key("currency", Shape::Text, "For `money`: its one currency, as an ISO 4217 code."),
        key("region", Shape::Text, "For `phone`: the country of numbers written without one."),
        key("ref", Shape::Text, "The entity it refers to."),
        key("from", TEXTS, "Systems whose edits count; edits elsewhere are reverted, and shown."),
        key("to", TEXTS, "Systems that are written; unsaid: every system with a cell."),
        key("compute", Shape::Text, "An expression over the other fields; one-way."),
        key("conflicts", CONFLICTS_SHAPE, "Who wins where both sides changed it."),
        key(
            "sensitive",
            Shape::Word(&["never", "mask", "encrypt", "hash"]),
            "`mask`: people see a hint of its values, `a•••@example.com`; `encrypt`: the same, in a hub that is sealed; `hash`: rows are found by it, and nobody has it but the systems; `never`: known, and never read.",
        ),
        later("limits", "limits per user come with a later version"),
        later("survive", "merging duplicates comes with a later version"),
    ],
    named: Some(Shape::Either(&[Shape::Text, Shape::Keys(&CELL)])),
    required: &[],
};

/// A cell.
pub(crate) static CELL: Section = Section {
    name: "cell",
    doc: "How one system writes a field.",
    keys: &[
        key("column", Shape::Text, "The column."),
        key("columns", Shape::List(&Shape::Text), "Several columns, for one field."),
        key(
            "path",
            Shape::Text,
            "Where in a JSON column, or in an item of a REST system: address.zip.",
        ),
        key("format", Shape::Text, "How dates, amounts or bytes are written: %d/%m/%Y."),
        key("tz", Shape::Text, "The IANA zone of values that carry no offset."),
        key(
            "ambiguous",
            Shape::Word(&["earlier", "later", "reject"]),
            "Which instant a local time means that occurs twice or never.",
        ),
        key(
            "unit",
            Shape::Either(&[Shape::Word(&["minor"]), Shape::Keys(&UNIT)]),
            "What the system counts in.",
        ),
        key(
            "currency",
            Shape::Either(&[Shape::Text, Shape::Keys(&CURRENCY)]),
            "The currency of its amounts, or the column that holds it.",
        ),
        key(
            "values",
            Shape::Map(&SCALARS),
            "The system's values; a list is read, its first written.",
        ),
        key(
            "lookup",
            Shape::Either(&[Shape::Text, Shape::Keys(&LOOKUP)]),
            "A CSV file with the hub's values and the system's.",
        ),
        key("bool", Shape::List(&SCALARS), "Its words for true and for false."),
        key("decimal", Shape::Text, "The sign between whole and fraction, in numbers as text."),
        key("group", Shape::Text, "The sign between groups of three digits, in numbers as text."),
        key("scale", Shape::Count, "Digits after the point."),
        key(
            "rounding",
            Shape::Word(&["half_even", "half_up", "truncate"]),
            "How digits beyond the scale are dropped; saying it allows dropping them.",
        ),
        key("trim", Shape::Bool, "Blanks at both ends do not count."),
        key("collapse", Shape::Bool, "Runs of blanks count as one."),
        key("case", Shape::Word(&["upper", "lower", "fold"]), "How it treats letter case."),
        key("max", Shape::Count, "How many characters the column holds."),
        key("lossy", Shape::Bool, "Allows writing less than the hub knows."),
        key("default", Shape::Scalar, "What is written for null."),
        key("blank", Shape::Word(&["null"]), "The empty text is read as null."),
        key("constant", Shape::Scalar, "Written when a row is created; nothing is read."),
        key("separator", Shape::Text, "Between the parts, for `columns`; a space unless said."),
        key(
            "cut",
            Shape::Word(&["first", "last"]),
            "Which of `columns` takes the words left over.",
        ),
        key("list", Shape::Text, "Between the members of a set that is written as text."),
        key(
            "phone",
            Shape::Word(&["e164", "national", "international"]),
            "How telephone numbers are written.",
        ),
    ],
    named: None,
    required: &[],
};

/// A linear unit.
pub(crate) static UNIT: Section = Section {
    name: "unit",
    doc: "The system's number is hub × multiply ÷ divide + offset.",
    keys: &[
        key("multiply", Shape::Number, "Factor; 1 unless said."),
        key("divide", Shape::Number, "Divisor; 1 unless said."),
        key("offset", Shape::Number, "Added after scaling; 0 unless said."),
    ],
    named: None,
    required: &[],
};

/// The column of a currency.
pub(crate) static CURRENCY: Section = Section {
    name: "currency",
    doc: "The column that holds the currency.",
    keys: &[
        key("column", Shape::Text, "The column."),
        key("path", Shape::Text, "In a REST system: where in the item."),
    ],
    named: None,
    required: &[],
};

/// A lookup file.
pub(crate) static LOOKUP: Section = Section {
    name: "lookup",
    doc: "A CSV file with a header; one column holds the hub's values, one the system's.",
    keys: &[
        key("file", Shape::Text, "The file, relative to the configuration."),
        key("hub", Shape::Text, "The column with the hub's values; the first unless said."),
        key("system", Shape::Text, "The column with the system's values; the second unless said."),
    ],
    named: None,
    required: &["file"],
};
