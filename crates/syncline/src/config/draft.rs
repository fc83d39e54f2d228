//! What the file says, typed, with places; not yet compared with itself or with the systems.
//!
//! Long because it is the file, key by key.

use syncline_core::{
    Text,
    decimal::Decimal,
    plan::{BelowMin, Class, DeleteConflict, OnLeave, OnParentDelete, OnTargetEdit},
    tally::PerUser,
    validate::Otherwise,
};

use syncline_adapters::settings::Way;

use crate::config::{
    address::Address,
    draft::{
        alerts::AlertsDraft,
        folder::FolderDraft,
        rest::RestDraft,
        traces::TracesDraft,
        webhook::{HookDraft, ServerDraft},
    },
    numbering::Numbering,
    secrets::Reference,
    source::Place,
};

pub(crate) mod alerts;
mod cell;
mod field;
pub(crate) mod folder;
pub(crate) mod rest;
pub(crate) mod traces;
pub(crate) mod webhook;

pub(crate) use self::{
    cell::{CellDraft, CurrencyDraft, LookupDraft, UnitDraft},
    field::{FieldDraft, Sensitive},
};

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spanned<T> {
    /// The value.
    pub(crate) value: T,
    /// Where it stands.
    pub(crate) place: Place,
}

/// A name and where it stands.
pub(crate) type Name = Spanned<Text>;

/// Copies of the hub.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BackupDraft {
    /// How often `serve` makes one, in milliseconds; `None`: never.
    pub(crate) every_ms: Option<i64>,
    /// The folder, as written.
    pub(crate) to: Option<String>,
    /// How many are kept.
    pub(crate) keep: Option<u64>,
    /// When the last one is old, in milliseconds.
    pub(crate) max_age_ms: Option<i64>,
}

/// How the books are signed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BooksDraft {
    /// Where the key is; `None`: beside the hub.
    pub(crate) key: Option<Spanned<Reference>>,
    /// The file of signatures, as written; `None`: beside the hub.
    pub(crate) anchors: Option<String>,
}

/// How long things are kept, in milliseconds, as far as said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "units stand last in names")]
pub(crate) struct Retention {
    /// Logs of runs.
    pub(crate) logs_ms: Option<i64>,
    /// What was settled of the queues.
    pub(crate) quarantine_ms: Option<i64>,
    /// The books.
    pub(crate) history_ms: Option<i64>,
}

/// The whole file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draft {
    /// The hub's file, as written.
    pub(crate) hub_path: Option<Spanned<String>>,
    /// The key that it is sealed with, and the one before.
    pub(crate) hub_key: Option<Spanned<Reference>>,
    pub(crate) hub_previous_key: Option<Spanned<Reference>>,
    /// Copies of it.
    pub(crate) backup: BackupDraft,
    /// How its books are signed.
    pub(crate) books: BooksDraft,
    /// The zone of values that carry no offset.
    pub(crate) timezone: Option<Name>,
    /// The file of exchange rates, and what it holds.
    pub(crate) rates_file: Option<Name>,
    pub(crate) rates: Option<std::sync::Arc<syncline_core::expr::Rates>>,
    /// Where we are called.
    pub(crate) server: ServerDraft,
    /// In the order of their numbers in the hub; the file's, if there is none yet.
    pub(crate) systems: Vec<SystemDraft>,
    /// Systems in the file's order, if that is another one: it is their priority.
    pub(crate) file_order: Vec<Text>,
    /// The numbers that the hub knows, if it knows any.
    pub(crate) numbering: Option<Numbering>,
    /// Who is told what happens.
    pub(crate) alerts: AlertsDraft,
    /// Where traces go; `None`: nowhere.
    pub(crate) traces: Option<TracesDraft>,
    /// What entities do unless they say otherwise.
    pub(crate) defaults: Common,
    /// In the file's order.
    pub(crate) entities: Vec<EntityDraft>,
}

impl Draft {
    /// How much one user may change in this table, and where that is said: by the entity, the system, or
    /// for all. Only where rows say who changed them.
    pub(crate) fn per_user<'a>(
        &'a self,
        entity: &'a EntityDraft,
        binding: &BindingDraft,
    ) -> Option<&'a Spanned<PerUser>> {
        binding.changed_by.as_ref()?;
        self.said_per_user(entity, binding)
    }

    /// The same, wherever that leads.
    pub(crate) fn said_per_user<'a>(
        &'a self,
        entity: &'a EntityDraft,
        binding: &BindingDraft,
    ) -> Option<&'a Spanned<PerUser>> {
        let system = self.systems.iter().find(|it| it.name.value == binding.system.value);
        let own = entity.common.per_user.as_ref();
        own.or(system.and_then(|system| system.per_user.as_ref()))
            .or(self.defaults.per_user.as_ref())
    }
}

/// A day, in milliseconds.
pub(crate) const DAY_MS: i64 = 24 * 3_600_000;

/// Logs of runs are kept for so long unless said otherwise, in milliseconds.
const LOGS_MS: i64 = 30 * DAY_MS;
/// The same of what was settled of the queues.
const QUARANTINE_MS: i64 = 90 * DAY_MS;
/// The same of the books.
const HISTORY_MS: i64 = 400 * DAY_MS;

/// A system.
#[derive(Clone, Debug)]
pub(crate) struct SystemDraft {
    /// Its name.
    pub(crate) name: Name,
    /// Where it is; `None` if the URL was complained about.
    pub(crate) address: Option<Spanned<Address>>,
    /// Its password.
    pub(crate) password: Option<Spanned<Reference>>,
    /// Protection of the connection, if said.
    pub(crate) tls: Option<Spanned<syncline_adapters::settings::Tls>>,
    /// Certificates to trust.
    pub(crate) tls_ca: Option<Spanned<String>>,
    /// How changes are found.
    pub(crate) detect: Detect,
    /// How many bytes of log it may keep for us.
    pub(crate) max_retained: u64,
    /// When it is written, in minutes of the day, from and to; always if not said.
    pub(crate) hours: Option<(u16, u16)>,
    /// How fast it may be written.
    pub(crate) max_rate: Option<syncline_engine::pace::Rate>,
    /// How fast it may be read where tables are read whole.
    pub(crate) reads_max_rate: Option<syncline_engine::pace::Rate>,
    /// Rows per write batch.
    pub(crate) batch: usize,
    /// Marks.
    pub(crate) marks: syncline_adapters::settings::Marks,
    /// Of a REST system: how it knows us, and its resources.
    pub(crate) rest: Option<RestDraft>,
    /// Of a file system: its files.
    pub(crate) folder: Option<FolderDraft>,
    /// How long connecting may take, in milliseconds.
    pub(crate) connect_timeout_ms: i64,
    /// How long one statement may take, in milliseconds.
    pub(crate) statement_timeout_ms: i64,
    /// How much one of its users may change in a while.
    pub(crate) per_user: Option<Spanned<PerUser>>,
}

/// How changes of a system are found.
#[derive(Clone, Debug)]
pub(crate) struct Detect {
    /// What is listened to, in this order; empty: nothing.
    pub(crate) ways: Vec<Way>,
    /// It was not said: the best that the system offers.
    pub(crate) is_auto: bool,
    /// How often it is asked, in milliseconds: where nothing is listened to, or beside it.
    pub(crate) poll_ms: i64,
    /// It is asked beside listening, too.
    pub(crate) polls_beside: bool,
    /// It calls us.
    pub(crate) webhook: Option<HookDraft>,
}

/// When an entity is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Schedule {
    /// Every so many milliseconds.
    Every(i64),
    /// At these times.
    Cron(Name),
}

/// What can be said under `defaults:` and on an entity.
#[derive(Clone, Debug, Default)]
pub(crate) struct Common {
    /// Who wins.
    pub(crate) conflicts: Option<Spanned<Conflicts>>,
    /// What a delete does.
    pub(crate) deletes: Option<Spanned<Deletes>>,
    /// A delete against an edit.
    pub(crate) delete_conflict: Option<Spanned<DeleteConflict>>,
    /// An edit in a system that only receives.
    pub(crate) on_target_edit: Option<OnTargetEdit>,
    /// Children whose parent is deleted.
    pub(crate) on_parent_delete: Option<OnParentDelete>,
    /// Records that leave the scope.
    pub(crate) on_leave: Option<OnLeave>,
    /// How far a clock may be ahead, in milliseconds.
    pub(crate) max_skew_ms: Option<i64>,
    /// How often everything is compared, in milliseconds; inner `None`: never.
    pub(crate) reconcile_ms: Option<Option<i64>>,
    /// The guards' limits, as far as said.
    pub(crate) guards: GuardsDraft,
    /// How much a user may change in a while.
    pub(crate) per_user: Option<Spanned<PerUser>>,
    /// What a guard stops is taken back by itself.
    pub(crate) auto_rollback: Option<bool>,
    /// How long things are kept; said under `defaults:` only.
    pub(crate) retention: Retention,
}

/// The guards' limits, as far as said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct GuardsDraft {
    /// Deletes: number and percentage.
    pub(crate) deletes: (Option<u64>, Option<u64>),
    /// Updates: number and percentage.
    pub(crate) updates: (Option<u64>, Option<u64>),
    /// Emptied values: number and percentage.
    pub(crate) blanks: (Option<u64>, Option<u64>),
    /// Values in another character set from which they are an alarm.
    pub(crate) corrupt_min: Option<u64>,
    /// Linked rows from which an empty read is an alarm.
    pub(crate) empty_source_min: Option<u64>,
    /// Reflexes that trip the loop guard.
    pub(crate) loop_reflexes: Option<u32>,
    /// Their window, in milliseconds.
    pub(crate) loop_within_ms: Option<i64>,
}

/// Who wins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Conflicts {
    /// The rule.
    pub(crate) policy: PolicyDraft,
    /// Systems, the first wins.
    pub(crate) order: Option<Vec<Name>>,
}

/// The rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PolicyDraft {
    /// The system that stands first.
    Priority,
    /// The newest.
    Newest,
    /// Both changes.
    Add {
        /// The sum may not fall below this.
        min: Option<Decimal>,
        /// What happens if it would.
        below_min: BelowMin,
    },
    /// A person.
    Manual,
    /// Sets.
    Merge,
    /// An expression.
    Expr(Name),
}

/// What a delete does.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Deletes {
    /// The rule.
    pub(crate) policy: syncline_core::plan::DeletePolicy,
    /// Systems that may delete.
    pub(crate) from: Option<Vec<Name>>,
    /// How long it waits, in milliseconds.
    pub(crate) grace_ms: Option<i64>,
    /// For `soft`: what each system sets.
    pub(crate) soft: Vec<(Name, Vec<(Name, Atom)>)>,
}

/// Values of the hub, and for each what a system writes: it reads all of them, and writes the first.
pub(crate) type ValueMap = Vec<(Name, Vec<Atom>)>;

/// A native value, as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Atom {
    /// Its letters.
    pub(crate) text: Text,
    /// It stands in quotes: a text, unless the column says otherwise.
    pub(crate) is_quoted: bool,
    /// Where.
    pub(crate) place: Place,
}

/// An entity, or the lines of one.
#[derive(Clone, Debug, Default)]
pub(crate) struct EntityDraft {
    /// Its name; lines are called `orders.lines`.
    pub(crate) name: Text,
    /// Where its name stands.
    pub(crate) place: Place,
    /// Where it lives.
    pub(crate) bindings: Vec<BindingDraft>,
    /// Which records flow.
    pub(crate) when: Option<Name>,
    /// What must hold of its records.
    pub(crate) validate: Vec<RuleDraft>,
    /// How rows find each other; for lines, their key.
    pub(crate) matching: Vec<Spanned<Vec<Name>>>,
    /// Its fields.
    pub(crate) fields: Vec<FieldDraft>,
    /// Fields that are known and never read.
    pub(crate) never: Vec<FieldDraft>,
    /// When `serve` takes it, if said.
    pub(crate) schedule: Option<Schedule>,
    /// Its lines.
    pub(crate) lines: Option<Box<EntityDraft>>,
    /// Fields that merge as one.
    pub(crate) units: Vec<(Name, Vec<Name>)>,
    /// Systems whose edits count.
    pub(crate) from: Option<Vec<Name>>,
    /// Systems that are written.
    pub(crate) to: Option<Vec<Name>>,
    /// Policies.
    pub(crate) common: Common,
}

/// What must hold of a record.
#[derive(Clone, Debug)]
pub(crate) struct RuleDraft {
    /// The expression.
    pub(crate) check: Name,
    /// What people are told.
    pub(crate) message: Option<Text>,
    /// What becomes of a change that breaks it.
    pub(crate) otherwise: Otherwise,
}

/// Where an entity lives in a system.
#[derive(Clone, Debug)]
pub(crate) struct BindingDraft {
    /// The system.
    pub(crate) system: Name,
    /// The table.
    pub(crate) table: Name,
    /// Its key columns, if said.
    pub(crate) key: Vec<Name>,
    /// The column of the last change, and its zone.
    pub(crate) changed_at: Option<(Name, Option<Name>)>,
    /// The column of who changed it.
    pub(crate) changed_by: Option<Name>,
    /// The column to poll by.
    pub(crate) cursor: Option<Name>,
    /// Which records belong here.
    pub(crate) when: Option<Name>,
    /// Those that leave.
    pub(crate) on_leave: Option<OnLeave>,
    /// When it is written, if not all the time.
    pub(crate) schedule: Option<Spanned<Schedule>>,
    /// For lines: the columns of the parent's key.
    pub(crate) parent: Vec<Name>,
    /// For lines that the parent's item holds: where.
    pub(crate) within: Option<Name>,
}

impl Draft {
    /// The system of this name.
    pub(crate) fn system(&self, name: &str) -> Option<&SystemDraft> {
        self.systems.iter().find(|system| system.name.value == name)
    }

    /// How long logs of runs are kept, in milliseconds.
    pub(crate) fn logs_ms(&self) -> i64 {
        self.defaults.retention.logs_ms.unwrap_or(LOGS_MS)
    }

    /// How long what was settled of the queues is kept, in milliseconds.
    pub(crate) fn quarantine_ms(&self) -> i64 {
        self.defaults.retention.quarantine_ms.unwrap_or(QUARANTINE_MS)
    }

    /// How long the books are kept, in milliseconds.
    pub(crate) fn history_ms(&self) -> i64 {
        self.defaults.retention.history_ms.unwrap_or(HISTORY_MS)
    }

    /// What this system can do without a table of marks: of a REST system, whether the server refuses
    /// a write to what somebody else has changed; a file system cannot.
    pub(crate) fn class_of(&self, system: &SystemDraft) -> Class {
        if system.folder.is_some() {
            return Class::Blind;
        }
        let Some(rest) = &system.rest else { return Class::Plain };
        let mut bindings = self.entities.iter().flat_map(|entity| &entity.bindings);
        let is_versioned = bindings.all(|binding| {
            let resource =
                rest.resources.iter().find(|resource| resource.name == binding.table.value);
            binding.system.value != system.name.value
                || resource.is_some_and(|resource| resource.is_conditional())
        });
        if is_versioned { Class::Versioned } else { Class::Blind }
    }

    /// The entity of this name; lines are not among them.
    pub(crate) fn entity(&self, name: &str) -> Option<&EntityDraft> {
        self.entities.iter().find(|entity| entity.name == name)
    }
}

impl EntityDraft {
    /// Where it lives in this system.
    pub(crate) fn binding(&self, system: &str) -> Option<&BindingDraft> {
        self.bindings.iter().find(|binding| binding.system.value == system)
    }

    /// Systems whose edits of this field count; `None`: all.
    pub(crate) fn sources<'e>(&'e self, field: &'e FieldDraft) -> Option<&'e [Name]> {
        field.from.as_deref().or(self.from.as_deref())
    }

    /// Edits of the field in this system count.
    pub(crate) fn reads(&self, field: &FieldDraft, system: &str) -> bool {
        field.compute.is_none()
            && self.sources(field).is_none_or(|from| from.iter().any(|name| name.value == system))
    }

    /// The field is written to this system. Its only source is not.
    pub(crate) fn writes(&self, field: &FieldDraft, system: &str) -> bool {
        let in_to = |names: Option<&Vec<Name>>| {
            names.is_none_or(|names| names.iter().any(|name| name.value == system))
        };
        let is_only_source = matches!(self.sources(field), Some([only]) if only.value == system);
        in_to(field.to.as_ref()) && in_to(self.to.as_ref()) && !is_only_source
    }

    /// Edits of the field in this system count and it is written there: its cell must be
    /// invertible.
    pub(crate) fn is_two_way(&self, field: &FieldDraft, system: &str) -> bool {
        self.reads(field, system) && self.writes(field, system)
    }

    /// The field of this name.
    pub(crate) fn field(&self, name: &str) -> Option<&FieldDraft> {
        self.fields.iter().find(|field| field.name.value == name)
    }
}

impl FieldDraft {
    /// Its cell in this system.
    pub(crate) fn cell(&self, system: &str) -> Option<&CellDraft> {
        self.cells.iter().find(|cell| cell.system.value == system)
    }
}
