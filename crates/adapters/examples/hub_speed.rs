//! How fast the hub is: a million records with two rows each, first linked, then looked at again,
//! then one in a hundred changed. Prints rates per CPU second of this process and the memory it took.
//!
//! `cargo run --release -p syncline-adapters --example hub_speed -- [records] [rows per batch]`

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a program for people at a desk: it may stop where it stands"
)]

use std::{fs, path::Path, time::Instant};

use syncline_adapters::hub::sqlite::{Open, SqliteHub};
use syncline_core::{
    Text,
    change::{PartKey, Position, Row, RowKey},
    commit::{
        AuditEvent, AuditKind, Checkpoint, Commit, Disposition, GroupChange, GroupIndex, RowEntry,
        Wants,
    },
    group::{Author, Cell, Existence, Group, Link, Part},
    name::{BindingIndex, EntityIndex, RecordId, Revision, RunId, SystemIndex, Timestamp},
    value::{Digest, Slot, Value},
};
use syncline_ports::store::Store;

const NOW: Timestamp = Timestamp(1_700_000_000_000_000);
const FIELDS: usize = 8;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let records: u64 = arguments.next().map_or(1_000_000, |text| text.parse().unwrap());
    let batch: u64 = arguments.next().map_or(4_000, |text| text.parse().unwrap());
    let shuffled = arguments.next().is_some_and(|text| text == "shuffled");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("hub.db");
    let hub = SqliteHub::open(&path, Open::ReadWrite, true).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();

    measure("building groups, without a hub", records, || {
        for first in (0..records).step_by(batch as usize) {
            std::hint::black_box(linked(first..(first + batch).min(records)));
        }
    });
    measure("link pairs: wants, one commit per batch", records, || {
        for first in (0..records).step_by(batch as usize) {
            let numbers = first..(first + batch).min(records);
            let wants = wants_of(numbers.clone());
            let working = runtime.block_on(hub.load(&wants)).unwrap();
            assert!(working.keys.values().all(Option::is_none));
            runtime.block_on(hub.commit(linked(numbers))).unwrap();
        }
    });
    size(&path);
    measure("look at both rows again, nothing changed", records, || {
        for first in (0..records).step_by(batch as usize) {
            let mut wants = wants_of(first..(first + batch).min(records));
            wants.matches.clear();
            let working = runtime.block_on(hub.load(&wants)).unwrap();
            assert!(working.keys.values().all(Option::is_some));
        }
    });
    let changed = records / 100;
    measure("change one in a hundred: load, commit", changed, || {
        for first in (0..changed).step_by(batch as usize) {
            let numbers = first..(first + batch).min(changed);
            change(&hub, &runtime, numbers.map(|number| scattered(number, records)));
        }
    });
    drop(hub);
    fs::remove_file(&path).unwrap();
    let hub = SqliteHub::open(&path, Open::ReadWrite, true).unwrap();
    measure("create from one side, then link the other", records, || {
        for first in (0..records).step_by(batch as usize) {
            let numbers = first..(first + batch).min(records);
            runtime.block_on(hub.load(&half(&wants_of(numbers.clone()), 0))).unwrap();
            runtime.block_on(hub.commit(one_sided(numbers))).unwrap();
        }
        for first in (0..records).step_by(batch as usize) {
            let numbers = (first..(first + batch).min(records))
                .map(|number| if shuffled { scattered(number, records) } else { number });
            link_other(&hub, &runtime, numbers);
        }
    });
    size(&path);
}

fn scattered(number: u64, records: u64) -> u64 {
    // A prime step: visits every number once where it does not divide the count.
    (number * 7_368_787) % records
}

/// The wants of two steps: both rows, and the records that share their match key.
fn wants_of(numbers: impl Iterator<Item = u64>) -> Wants {
    let mut wants = Wants::default();
    for number in numbers {
        wants.keys.insert((BindingIndex(0), key(number)));
        wants.keys.insert((BindingIndex(1), key(number + 7)));
        wants.matches.insert((EntityIndex(0), 0, match_key(number)));
    }
    wants
}

fn half(wants: &Wants, binding: u16) -> Wants {
    let keys = wants.keys.iter().filter(|(known, _)| known.0 == binding).cloned().collect();
    Wants { keys, ..wants.clone() }
}

fn key(number: u64) -> RowKey {
    RowKey::new([&Value::int(number.cast_signed())])
}

fn match_key(number: u64) -> Digest {
    Digest::of(format!("person{number}@example.com").as_bytes())
}

fn id(number: u64) -> RecordId {
    RecordId((0x0190_0000_0000_7000_u128 << 64) | (u128::from(number) << 20))
}

fn linked(numbers: impl Iterator<Item = u64>) -> Commit {
    let mut commit = Commit { run: RunId(1), at: NOW, ..Commit::default() };
    for number in numbers {
        let group = group(number, 2);
        let after = index(&group);
        for (system, kind) in [(0, AuditKind::Created), (1, AuditKind::Linked)] {
            commit.audit.push(event(&group, system, kind));
            commit.ledger.count(BindingIndex(system), Disposition::Applied);
        }
        commit.groups.push(GroupChange { group, before: GroupIndex::default(), after });
    }
    checkpointed(commit)
}

fn one_sided(numbers: impl Iterator<Item = u64>) -> Commit {
    let mut commit = Commit { run: RunId(1), at: NOW, ..Commit::default() };
    for number in numbers {
        let group = group(number, 1);
        let after = index(&group);
        commit.audit.push(event(&group, 0, AuditKind::Created));
        commit.groups.push(GroupChange { group, before: GroupIndex::default(), after });
    }
    checkpointed(commit)
}

fn checkpointed(mut commit: Commit) -> Commit {
    let stream = Text::new("scan:contacts@crm");
    commit.checkpoints.push(Checkpoint { stream, position: Position(vec![1; 20]) });
    commit
}

fn group(number: u64, links: u16) -> Group {
    let author = Author::System(SystemIndex(0));
    let values = [
        Value::text(format!("person{number}@example.com")),
        Value::text("Ada"),
        Value::text(format!("Lovelace {number}")),
        Value::text("+44 20 7946 0018"),
        Value::text("12 Example Street"),
        Value::int(number.cast_signed() % 1000),
        Value::Bool(true),
        Value::Instant(1_700_000_000 + number.cast_signed(), 0),
    ];
    let cells: Box<[Cell]> = values
        .into_iter()
        .map(|value| Cell { value, version: 1, author, at: NOW, clock_suspect: false })
        .collect();
    let links = (0..links).map(|system| link(number, system, &cells)).collect();
    Group {
        id: id(number),
        entity: EntityIndex(0),
        revision: Revision(1),
        incarnation: 0,
        root: Part {
            exists: Existence { alive: true, version: 1, author, at: NOW },
            cells,
            links,
            conflicts: Vec::new(),
        },
        children: Vec::new(),
        merged_into: None,
    }
}

fn link(number: u64, system: u16, cells: &[Cell]) -> Link {
    let mut slots: Vec<_> = cells.iter().map(|cell| Slot::Present(cell.value.clone())).collect();
    if system == 1 {
        // One field has another format there.
        slots[6] = Slot::Present(Value::text("Y"));
    }
    Link {
        key: Some(key(number + 7 * u64::from(system))),
        shadow: Some(Row(slots.into())),
        agreed: [1; FIELDS].into(),
        agreed_exists: 1,
        ..Link::new(SystemIndex(system), FIELDS)
    }
}

fn index(group: &Group) -> GroupIndex {
    let rows = group.root.links.iter().map(|link| RowEntry {
        binding: BindingIndex(link.system.0),
        key: link.key.clone().unwrap(),
        system: link.system,
        child: false,
        digest: link.shadow.as_ref().map(Row::digest),
        quiet: true,
        must_read: false,
    });
    let email = Digest::of(group.root.cells[0].value.to_string().as_bytes());
    GroupIndex {
        rows: rows.collect(),
        matches: vec![(0, email)],
        alive: true,
        ..GroupIndex::default()
    }
}

fn event(group: &Group, system: u16, kind: AuditKind) -> AuditEvent {
    AuditEvent {
        record: group.id,
        entity: group.entity,
        part: PartKey::Root,
        field: None,
        kind,
        system: Some(SystemIndex(system)),
        key: group.root.links.last().and_then(|link| link.key.clone()),
        before: None,
        after: None,
        version: 1,
        actor: None,
        source_at: None,
        note: Text::new("email (exact)"),
    }
}

fn change(hub: &SqliteHub, runtime: &tokio::runtime::Runtime, numbers: impl Iterator<Item = u64>) {
    rewrite(hub, runtime, numbers, |group, number| {
        let value = Value::text(format!("Byron {number}"));
        group.root.cells[2].value = value.clone();
        group.root.cells[2].version += 1;
        for link in &mut group.root.links {
            link.agreed[2] += 1;
            if let Some(shadow) = &mut link.shadow {
                shadow.0[2] = Slot::Present(value.clone());
            }
        }
    });
}

fn link_other(
    hub: &SqliteHub,
    runtime: &tokio::runtime::Runtime,
    numbers: impl Iterator<Item = u64>,
) {
    let numbers: Vec<u64> = numbers.collect();
    let wants = half(&wants_of(numbers.iter().copied()), 1);
    let working = runtime.block_on(hub.load(&wants)).unwrap();
    assert!(working.matches.values().all(|found| found.len() == 1));
    rewrite(hub, runtime, numbers.into_iter(), |group, number| {
        let link = link(number, 1, &group.root.cells);
        group.root.links.push(link);
    });
}

fn rewrite(
    hub: &SqliteHub,
    runtime: &tokio::runtime::Runtime,
    numbers: impl Iterator<Item = u64>,
    edit: impl Fn(&mut Group, u64),
) {
    let numbers: Vec<u64> = numbers.collect();
    let records = numbers.iter().map(|number| id(*number)).collect();
    let mut working = runtime.block_on(hub.load(&Wants { records, ..Wants::default() })).unwrap();
    let mut commit = Commit { run: RunId(2), at: NOW, ..Commit::default() };
    for number in numbers {
        let mut group = working.groups.remove(&id(number)).unwrap().unwrap();
        let before = index(&group);
        edit(&mut group, number);
        group.revision = Revision(group.revision.0 + 1);
        let after = index(&group);
        commit.audit.push(event(&group, 1, AuditKind::Changed));
        commit.groups.push(GroupChange { group, before, after });
    }
    runtime.block_on(hub.commit(checkpointed(commit))).unwrap();
}

fn measure(what: &str, count: u64, work: impl FnOnce()) {
    let (cpu, wall) = (cpu_seconds(), Instant::now());
    work();
    let (cpu, wall) = (cpu_seconds() - cpu, wall.elapsed().as_secs_f64());
    println!(
        "{what:45} {count:>9} in {wall:6.2} s, {cpu:6.2} CPU s: {:>9.0} per CPU s; peak {} MB",
        count as f64 / cpu.max(0.001),
        peak_megabytes(),
    );
}

fn size(path: &Path) {
    println!("the hub's file has {} MB", fs::metadata(path).unwrap().len() >> 20);
}

/// User and system time of the whole process, from the kernel.
fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> =
        stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

fn peak_megabytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
}
