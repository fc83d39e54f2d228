//! `entities:`: where they live, how rows find each other, their lines.

use crate::config::keys::{
    Section, Shape, TEXTS,
    field::FIELDS,
    key, later,
    policy::{
        AUTO_ROLLBACK, CONFLICTS_SHAPE, DELETE_CONFLICT, DELETES_SHAPE, GUARDS, LIMITS, ON_LEAVE,
        ON_PARENT_DELETE, ON_TARGET_EDIT, RECONCILE,
    },
};

pub(crate) static ENTITIES: Section = Section {
    name: "entities",
    doc: "Entities by name.",
    keys: &[],
    named: Some(Shape::Keys(&ENTITY)),
    required: &[],
};

/// An entity.
pub(crate) static ENTITY: Section = Section {
    name: "entity",
    doc: "A kind of business record.",
    keys: &[
        key("in", Shape::Keys(&IN), "The table of each system."),
        key("when", Shape::Text, "Which records flow at all."),
        key("on_leave", ON_LEAVE, "Records that leave `when:`; `freeze` unless said."),
        key("match", MATCH_SHAPE, "How rows of several systems find each other, in order."),
        key("fields", Shape::Keys(&FIELDS), "One row per field, one cell per system."),
        key("lines", Shape::Keys(&LINES), "Child rows that travel with their record."),
        key("units", Shape::Map(&Shape::List(&Shape::Text)), "Fields that merge as one."),
        key("from", TEXTS, "Systems whose edits count; the others only receive."),
        key("to", TEXTS, "Systems that are written; unsaid: all."),
        key(
            "conflicts",
            CONFLICTS_SHAPE,
            "Who wins where both sides changed a field; `priority` unless said.",
        ),
        key(
            "deletes",
            DELETES_SHAPE,
            "What a delete in one system does in the others; `propagate` unless said.",
        ),
        key(
            "delete_conflict",
            DELETE_CONFLICT,
            "A delete against an edit; `priority` unless said.",
        ),
        key(
            "on_target_edit",
            ON_TARGET_EDIT,
            "An edit in a system that only receives; `revert` unless said.",
        ),
        key(
            "on_parent_delete",
            ON_PARENT_DELETE,
            "Records that refer to a deleted one; `wait` unless said: its delete waits for them.",
        ),
        later(
            "rekey_window",
            "a window comes with a later version; within one read a re-created row takes the place of the deleted",
        ),
        key("guards", Shape::Keys(&GUARDS), "Limits that stop great damage."),
        key(
            "schedule",
            Shape::Keys(&SCHEDULE),
            "When `serve` takes it; unsaid: as it hears of changes, and every time it polls.",
        ),
        key(
            "reconcile",
            RECONCILE,
            "How often everything is compared, whatever the cursor says; daily unless said.",
        ),
        later("survive", "merging duplicates comes with a later version"),
        key(
            "validate",
            Shape::List(&Shape::Keys(&VALIDATE)),
            "What must hold of a record, after the merge and before it is written.",
        ),
        key("limits", Shape::Keys(&LIMITS), "How much users may change in a while."),
        key("auto_rollback", Shape::Bool, AUTO_ROLLBACK),
    ],
    named: None,
    required: &["in", "fields"],
};

/// What must hold of a record.
pub(crate) static VALIDATE: Section = Section {
    name: "rule",
    doc: "What must hold of a record.",
    keys: &[
        key(
            "check",
            Shape::Text,
            "An expression over its fields, and its `lines`, that must be true.",
        ),
        key(
            "message",
            Shape::Text,
            "What people are told where it is not; the expression unless said.",
        ),
        key(
            "else",
            Shape::Word(&OTHERWISE),
            "What becomes of a change that breaks it: `quarantine` (unless said) writes it nowhere until the record is mended, `reject` takes it back where it was made, `warn` notes it.",
        ),
    ],
    named: None,
    required: &["check"],
};

/// What becomes of a change that breaks a rule.
pub(crate) const OTHERWISE: [&str; 3] = ["quarantine", "reject", "warn"];

/// When an entity is taken.
pub(crate) static SCHEDULE: Section = Section {
    name: "schedule",
    doc: "When `serve` takes an entity, or writes it to a system: one of the two.",
    keys: &[
        key("every", Shape::Duration, "Every so often, and not in between."),
        key(
            "cron",
            Shape::Text,
            "At these times, in `timezone:`: minute, hour, day, month, weekday.",
        ),
    ],
    named: None,
    required: &[],
};

pub(crate) static IN: Section = Section {
    name: "in",
    doc: "The table of each system.",
    keys: &[],
    named: Some(Shape::Either(&[Shape::Text, Shape::Keys(&BINDING)])),
    required: &[],
};

/// Where an entity lives in a system.
pub(crate) static BINDING: Section = Section {
    name: "binding",
    doc: "Where an entity lives in a system.",
    keys: &[
        key("table", Shape::Text, "The table; may carry a schema."),
        key("resource", Shape::Text, "In a REST system, instead of a table: the resource."),
        key(
            "file",
            Shape::Text,
            "In a file system, instead of a table: what stands for `{file}` in the name of its files.",
        ),
        key(
            "key",
            TEXTS,
            "Its key columns; unsaid: its primary key, in a file the columns of the first `match`.",
        ),
        key(
            "changed_at",
            Shape::Either(&[Shape::Text, Shape::Keys(&CHANGED_AT)]),
            "The column that says when a row last changed.",
        ),
        key("changed_by", Shape::Text, "The column that says who changed it."),
        key("cursor", Shape::Text, "The column to poll by; unsaid: `changed_at`, else full scans."),
        key("when", Shape::Text, "Which records belong here."),
        key("on_leave", ON_LEAVE, "Records that leave `when:` of this system."),
        key(
            "schedule",
            Shape::Keys(&SCHEDULE),
            "When `serve` writes it to this system, and not in between; what is decided meanwhile waits.",
        ),
    ],
    named: None,
    required: &[],
};

/// A column with the time of the last change.
pub(crate) static CHANGED_AT: Section = Section {
    name: "changed_at",
    doc: "The column that says when a row last changed.",
    keys: &[
        key("column", Shape::Text, "The column."),
        key("tz", Shape::Text, "Its IANA zone, if it carries none."),
    ],
    named: None,
    required: &["column"],
};

pub(super) const MATCH_SHAPE: Shape = Shape::Either(&[
    Shape::Text,
    Shape::Keys(&MATCH),
    Shape::List(&Shape::Either(&[Shape::Text, Shape::Keys(&MATCH)])),
]);

/// A rule that links rows.
pub(crate) static MATCH: Section = Section {
    name: "match",
    doc: "A rule that links rows.",
    keys: &[
        key("exact", TEXTS, "These fields are equal, and none is null."),
        key("then", Shape::Word(&["link"]), "What is done."),
        later("similar", "similarity comes with a later version: say `exact:`"),
        later("at_least", "similarity comes with a later version: say `exact:`"),
    ],
    named: None,
    required: &["exact"],
};

/// Child rows.
pub(crate) static LINES: Section = Section {
    name: "lines",
    doc: "Child rows that travel with their record, in one transaction.",
    keys: &[
        key("in", Shape::Keys(&LINES_IN), "The table of each system."),
        key("key", TEXTS, "The fields that tell the lines of one record apart."),
        key("fields", Shape::Keys(&FIELDS), "One row per field, one cell per system."),
    ],
    named: None,
    required: &["in", "key", "fields"],
};

pub(crate) static LINES_IN: Section = Section {
    name: "lines_in",
    doc: "The table of each system; of a REST system, where the list is in the parent's item.",
    keys: &[],
    named: Some(Shape::Either(&[Shape::Text, Shape::Keys(&LINES_BINDING)])),
    required: &[],
};

/// Where child rows live in a system.
pub(crate) static LINES_BINDING: Section = Section {
    name: "lines_binding",
    doc: "Where child rows live in a system.",
    keys: &[
        key("table", Shape::Text, "The table; may carry a schema."),
        key("resource", Shape::Text, "In a REST system: the resource that has the lines as items."),
        key("parent", TEXTS, "The columns that hold the parent's key; unsaid: its foreign key."),
        key("key", TEXTS, "Its key columns; unsaid: its primary key."),
        key(
            "changed_at",
            Shape::Either(&[Shape::Text, Shape::Keys(&CHANGED_AT)]),
            "The column that says when a row last changed.",
        ),
        key("changed_by", Shape::Text, "The column that says who changed it."),
        key("cursor", Shape::Text, "The column to poll by."),
        later("when", "a scope of lines comes with a later version; say it on the record"),
    ],
    named: None,
    required: &[],
};
