//! What can be said under `defaults:` and on an entity: who wins, what a delete does, guards.

use crate::config::keys::{Section, Shape, TEXTS, key, later};

/// Defaults of entities.
pub(crate) static DEFAULTS: Section = Section {
    name: "defaults",
    doc: "What entities do unless they say otherwise.",
    keys: &[
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
        key("on_leave", ON_LEAVE, "Records that leave `when:`; `freeze` unless said."),
        later(
            "rekey_window",
            "a window comes with a later version; within one read a re-created row takes the place of the deleted",
        ),
        key("max_skew", Shape::Duration, "How far a system's clock may be ahead; 5m unless said."),
        key(
            "reconcile",
            RECONCILE,
            "How often everything is compared, whatever the cursor says; daily unless said.",
        ),
        key("guards", Shape::Keys(&GUARDS), "Limits that stop great damage."),
        key("retention", Shape::Keys(&RETENTION), "How long the hub keeps what it need not."),
        key("limits", Shape::Keys(&LIMITS), "How much users may change in a while."),
        later("survive", "merging duplicates comes with a later version"),
        key("auto_rollback", Shape::Bool, AUTO_ROLLBACK),
        later("sensitive", "labels of fields come with a later version"),
    ],
    named: None,
    required: &[],
};

/// What `auto_rollback` means, wherever it stands.
pub(super) const AUTO_ROLLBACK: &str = "What a guard stops is taken back by itself; the systems it comes from keep it. No unless said.";

/// How long things are kept.
pub(crate) static RETENTION: Section = Section {
    name: "retention",
    doc: "How long the hub keeps what it need not.",
    keys: &[
        key(
            "logs",
            Shape::Duration,
            "Logs of runs; 30d unless said. The last of each kind stays, and those of which something waits for a person.",
        ),
        key(
            "quarantine",
            Shape::Duration,
            "Conflicts and guards that were settled; 90d unless said. What waits for a person stays, and what one has dropped.",
        ),
        key(
            "history",
            Shape::Duration,
            "The books; 400d unless said. What is older gives way to what it came to, signed.",
        ),
    ],
    named: None,
    required: &[],
};

/// Guards.
pub(crate) static GUARDS: Section = Section {
    name: "guards",
    doc: "Limits that stop great damage.",
    keys: &[
        key(
            "deletes",
            Shape::Keys(&LIMIT),
            "Deletes planned for one system; 50 and 1 % unless said.",
        ),
        key(
            "updates",
            Shape::Keys(&LIMIT),
            "Updates planned for one system; 50 and 20 % unless said.",
        ),
        key(
            "blanks",
            Shape::Keys(&LIMIT),
            "Values of one field that updates would empty in one system; off unless said, then 50 and 20 %.",
        ),
        key(
            "corrupt_values",
            Shape::Keys(&CORRUPT_VALUES),
            "Values in another character set than those that they would replace in one system.",
        ),
        key("empty_source", Shape::Keys(&EMPTY_SOURCE), "A complete read without a row."),
        key("loop", Shape::Keys(&LOOP), "Edits again and again on top of our own writes."),
    ],
    named: None,
    required: &[],
};

/// Limits of users.
pub(crate) static LIMITS: Section = Section {
    name: "limits",
    doc: "How much users may change in a while.",
    keys: &[key(
        "per_user",
        Shape::Keys(&PER_USER),
        "Each user of a system, in one entity, as `changed_by` says.",
    )],
    named: None,
    required: &["per_user"],
};

/// How much one user may change.
pub(crate) static PER_USER: Section = Section {
    name: "per_user",
    doc: "How much one user of a system may change.",
    keys: &[
        key("changes", Shape::Text, "Records in a time: `500/h`, `50/10m`, `2000/d`."),
        key("then", Shape::Word(&["hold"]), "The excess waits for a person."),
    ],
    named: None,
    required: &["changes"],
};

/// A limit.
pub(crate) static LIMIT: Section = Section {
    name: "limit",
    doc: "Trips when both are exceeded.",
    keys: &[
        key("max", Shape::Count, "So many rows."),
        key("max_percent", Shape::Count, "So many per cent of the system's linked rows."),
    ],
    named: None,
    required: &[],
};

pub(crate) static CORRUPT_VALUES: Section = Section {
    name: "corrupt_values",
    doc: "Values in another character set than those that they would replace.",
    keys: &[key("min", Shape::Count, "Trips when they are so many; 10 unless said.")],
    named: None,
    required: &[],
};

pub(crate) static EMPTY_SOURCE: Section = Section {
    name: "empty_source",
    doc: "A complete read without a row.",
    keys: &[key("min", Shape::Count, "Trips when so many were linked; 10 unless said.")],
    named: None,
    required: &[],
};

pub(crate) static LOOP: Section = Section {
    name: "loop",
    doc: "Edits again and again on top of our own writes.",
    keys: &[
        key("reflexes", Shape::Count, "So many; 3 unless said."),
        key("within", Shape::Duration, "In this time; 10m unless said."),
        key("then", Shape::Word(&["hold_field"]), "That field of that record is held."),
    ],
    named: None,
    required: &[],
};

pub(super) const CONFLICTS_SHAPE: Shape = Shape::Either(&[
    Shape::Word(&["priority", "newest", "add", "manual", "merge"]),
    Shape::Keys(&CONFLICTS),
]);

/// Who wins.
pub(crate) static CONFLICTS: Section = Section {
    name: "conflicts",
    doc: "Who wins where both sides changed a field.",
    keys: &[
        key(
            "policy",
            Shape::Word(&["priority", "newest", "add", "manual", "merge"]),
            "The rule; `priority` unless said.",
        ),
        key("order", Shape::List(&Shape::Text), "Systems, the first wins."),
        key("expr", Shape::Text, "An expression over `base` and `candidates` decides."),
        key("min", Shape::Number, "For `add`: the sum may not fall below this."),
        key("below_min", Shape::Word(&["manual", "clamp"]), "For `add`: what happens if it would."),
    ],
    named: None,
    required: &[],
};

pub(super) const DELETES_SHAPE: Shape =
    Shape::Either(&[Shape::Word(&["propagate", "hold", "ignore"]), Shape::Keys(&DELETES)]);

/// What a delete does.
pub(crate) static DELETES: Section = Section {
    name: "deletes",
    doc: "What a delete in one system does in the others.",
    keys: &[
        key("policy", Shape::Word(&["propagate", "hold", "ignore", "soft"]), "What it does."),
        key("from", TEXTS, "Systems that may delete."),
        key("grace", Shape::Duration, "How long it waits; who comes back meanwhile stays."),
    ],
    named: Some(Shape::Keys(&SOFT)),
    required: &[],
};

/// How a system marks a deleted row.
pub(crate) static SOFT: Section = Section {
    name: "soft_delete",
    doc: "How a system marks a deleted row.",
    keys: &[key("set", Shape::Map(&Shape::Scalar), "Columns and their values; now() is the time.")],
    named: None,
    required: &["set"],
};

pub(super) const ON_LEAVE: Shape = Shape::Word(&["freeze", "detach", "delete"]);

pub(super) const DELETE_CONFLICT: Shape =
    Shape::Word(&["priority", "delete_wins", "update_wins", "newest", "manual"]);

pub(super) const ON_PARENT_DELETE: Shape = Shape::Word(&["wait", "cascade", "detach", "forbid"]);

pub(super) const ON_TARGET_EDIT: Shape = Shape::Word(&["revert", "ignore"]);

pub(super) const RECONCILE: Shape =
    Shape::Either(&[Shape::Word(&["hourly", "daily", "weekly", "never"]), Shape::Duration]);
