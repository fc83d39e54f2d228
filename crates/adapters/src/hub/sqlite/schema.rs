//! The tables of the hub. One constant per statement that is used more than once is beside its use.
//!
//! Ids are 16-byte blobs in the order of their making, so that new records are appended. A row of
//! `record` is a whole group in its stored form; `row`, `behind`, `reading`, `intent` and
//! `reference` say what can be asked without reading groups, and `counter` what can be asked
//! without counting. The audit is kept in pages (`codec/audit.rs`), numbered by their first event.

/// Marks the file as a hub of Syncline (`SYNL`).
pub(in crate::hub) const APPLICATION: i32 = 0x5359_4e4c;

/// The version of the tables that this program writes.
pub(in crate::hub) const VERSION: i32 = 1 + STEPS.len() as i32;

/// The oldest version that can be looked at as it is: what came since only made looking faster.
pub(super) const READABLE: i32 = 1;

/// From each version to the next, beginning with the first.
pub(super) const STEPS: [&str; 7] = [SECOND, THIRD, FOURTH, FIFTH, SIXTH, SEVENTH, EIGHTH];

/// Version 2: runs are found by what they worked on and by their age, and what was set aside by its
/// run.
const SECOND: &str = "
create index run_of on run (entity, started);
create index run_kind on run (entity, kind);
create index run_age on run (started);
create index conflict_run on conflict (opened_run) where settled is null;
create index quarantine_run on quarantine (run);
";

/// Version 3: since when a row waits to be written; of those that waited before it is not known.
const THIRD: &str = "
alter table behind add column since integer;
";

/// Version 4: a chain over the audit, and what people have done. Also rules that keep records back, and
/// rules that warn, which an older program cannot read.
const FOURTH: &str = "
alter table audit add column hash blob;
alter table state add column changes_chain blob;
alter table state add column actions_chain blob;
create table action (
    number integer primary key,
    at integer not null,
    who text not null,
    what text not null,
    target text not null,
    detail text not null,
    hash blob not null
) strict;
create index action_at on action (at);
";

/// Version 5: how much users have changed lately, and guards that are about one user. Also records that wait
/// because of that, which an older program cannot read.
const FIFTH: &str = "
create table tally (
    entity integer not null,
    system integer not null,
    user text not null,
    data blob not null,
    primary key (entity, system, user)
) strict, without rowid;
alter table guard add column user text not null default '';
drop index guard_open;
create unique index guard_open on guard (code, entity, system, user) where state = 'open';
create index quarantine_excess on quarantine (entity) where code = 'limit.user';
";

/// Version 6: keys. `vault` has a row once the hub is sealed: with which key of the installation, the key of
/// what belongs to no one record, and to which key all are being changed. `is_clean`: nothing that was there in
/// clear is left in the file. `record_key` has the key of each record, null once it was erased. Also sealed
/// records and pages, which an older program cannot read.
const SIXTH: &str = "
create table vault (
    one integer primary key check (one = 1),
    key blob not null,
    common blob not null,
    next blob,
    is_clean integer not null
) strict;
create table record_key (
    record blob primary key,
    key blob,
    sealed blob,
    erased_at integer
) strict, without rowid;
";

/// Version 7: what each commit has moved, so that records can be rebuilt; what they were before the first of these
/// that is kept; and signatures over where the books ended. `hash` is that of a record of the snapshot, as it was written;
/// `is_covered`: it was in clear then, and has been sealed since.
const SEVENTH: &str = "
create table moves (
    number integer primary key,
    at integer not null,
    changes integer not null,
    data blob not null,
    hash blob not null
) strict;
alter table state add column moves integer not null default 0;
alter table state add column moves_chain blob;
create table snapshot_record (
    record blob primary key,
    data blob not null,
    hash blob,
    is_covered integer not null default 0
) strict, without rowid;
insert into snapshot_record (record, data) select id, data from record;
create table snapshot (
    one integer primary key check (one = 1),
    at integer not null,
    changes integer not null,
    changes_chain blob not null,
    moves integer not null,
    moves_chain blob not null,
    actions integer not null,
    actions_chain blob not null,
    records blob not null,
    signer blob not null,
    signature blob not null
) strict;
create table anchor (
    number integer primary key,
    at integer not null,
    changes integer not null,
    changes_chain blob not null,
    moves integer not null,
    moves_chain blob not null,
    actions integer not null,
    actions_chain blob not null,
    signer blob not null,
    signature blob not null
) strict;
";

/// Version 8: what set each run going, and what it spent its time on.
const EIGHTH: &str = "
alter table run add column set_by text not null default '';
alter table run add column spans blob not null default x'';
";

/// Version 1.
pub(super) const FIRST: &str = "
create table state (
    one integer primary key check (one = 1),
    hub integer not null,
    operation integer not null,
    minted integer not null,
    changes integer not null
) strict;
create table record (
    id blob primary key,
    revision integer not null,
    entity integer not null,
    alive integer not null,
    audit integer not null,
    data blob not null
) strict, without rowid;
create table row (
    binding integer not null,
    key blob not null,
    record blob not null,
    flags integer not null,
    digest blob,
    primary key (binding, key)
) strict, without rowid;
create table match (
    entity integer not null,
    rule integer not null,
    digest blob not null,
    record blob not null,
    primary key (entity, rule, digest, record)
) strict, without rowid;
create table match_log (
    number integer primary key,
    data blob not null
) strict;
create table behind (
    entity integer not null,
    system integer not null,
    record blob not null,
    kind integer not null,
    parked integer not null,
    not_before integer,
    primary key (entity, system, record)
) strict, without rowid;
create index behind_later on behind (entity, not_before, system, kind, parked) where not_before is not null;
create table reading (
    entity integer not null,
    binding integer not null,
    key blob not null,
    primary key (entity, binding, key)
) strict, without rowid;
create table intent (
    id blob primary key,
    system integer not null,
    record blob not null
) strict, without rowid;
create table reference (
    target blob not null,
    record blob not null,
    primary key (target, record)
) strict, without rowid;
create table counter (
    kind integer not null,
    first integer not null,
    second integer not null,
    count integer not null,
    primary key (kind, first, second)
) strict, without rowid;
create table audit (
    first integer primary key,
    run integer not null,
    at integer not null,
    events integer not null,
    data blob not null
) strict;
create index audit_run on audit (run);
create table conflict (
    number integer primary key autoincrement,
    record blob not null,
    entity integer not null,
    subject blob not null,
    base_version integer not null,
    body blob not null,
    opened_run integer not null,
    opened_at integer not null,
    settled blob,
    settled_at integer
) strict;
create index conflict_of on conflict (record, subject);
create index conflict_open on conflict (number) where settled is null;
create table quarantine (
    number integer primary key autoincrement,
    subject blob not null unique,
    binding integer,
    key blob,
    entity integer not null,
    record blob,
    code text not null,
    message text not null,
    row blob,
    related blob not null,
    awaits_binding integer,
    awaits_key blob,
    tries integer not null,
    since integer not null,
    run integer not null,
    retry integer not null,
    dropped text,
    dropped_by text
) strict;
create index quarantine_awaits on quarantine (awaits_binding, awaits_key) where awaits_key is not null;
create index quarantine_retry on quarantine (entity, binding, key) where retry = 1;
create table checkpoint (
    stream text primary key,
    position blob not null
) strict, without rowid;
create table run (
    number integer primary key autoincrement,
    kind text not null,
    entity integer,
    started integer not null,
    ended integer,
    outcome text not null,
    message text not null,
    writes blob not null
) strict;
create table ledger (
    run integer not null,
    binding integer not null,
    disposition integer not null,
    count integer not null,
    primary key (run, binding, disposition)
) strict, without rowid;
create table guard (
    number integer primary key autoincrement,
    code text not null,
    entity integer not null,
    system integer not null,
    count integer not null,
    linked integer not null,
    max integer not null,
    digest blob not null,
    at integer not null,
    state text not null,
    who text,
    samples blob not null
) strict;
create unique index guard_open on guard (code, entity, system) where state = 'open';
create table pause (
    name text primary key,
    writes_only integer not null,
    until integer,
    since integer not null
) strict, without rowid;
create table approval (
    entity text primary key,
    meaning blob not null,
    who text not null,
    at integer not null
) strict, without rowid;
create table note (
    name text primary key,
    value text not null
) strict, without rowid;
";
