use syncline_core::{
    change::{Position, Row, RowKey},
    commit::{Checkpoint, Commit, GroupChange, GroupIndex, RowEntry, Wants},
    error::ErrorKind,
    group::{Author, Cell, Existence, Group, Link, Part},
    name::{BindingIndex, EntityIndex, RecordId, Revision, RunId, SystemIndex, Timestamp},
    value::{Digest, Slot, Value},
};
use syncline_ports::{
    store::{CommitError, Store},
    suite,
};

use super::*;

mod crash;
mod damage;
mod matches;
mod reader;
mod runs;

pub(in crate::hub::sqlite) use reader::{audited, parked_and_disputed};

const NOW: Timestamp = Timestamp(1_700_000_000_000_000);
const CONTACTS: EntityIndex = EntityIndex(0);
const CRM: SystemIndex = SystemIndex(0);
const IN_CRM: BindingIndex = BindingIndex(0);

/// Runs a future to its end: commits are answered by another thread.
fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

fn record(number: u64) -> RecordId {
    RecordId(u128::from(number) << 64)
}

fn key(number: u64) -> RowKey {
    RowKey::new([&Value::int(number.cast_signed())])
}

fn match_key(number: u64) -> Digest {
    Digest::of(&number.to_le_bytes())
}

/// The group of this number at this revision, with the indices of the revision before.
fn change(number: u64, revision: u64) -> GroupChange {
    let name = |revision| format!("person {number} at {revision}");
    let author = Author::System(CRM);
    let cell = Cell {
        value: Value::text(name(revision)),
        version: revision,
        author,
        at: NOW,
        clock_suspect: false,
    };
    let mut link = Link::new(CRM, 1);
    link.key = Some(key(number));
    link.shadow = Some(Row([Slot::Present(cell.value.clone())].into()));
    link.agreed = [revision].into();
    let group = Group {
        id: record(number),
        entity: CONTACTS,
        revision: Revision(revision),
        incarnation: 0,
        root: Part {
            exists: Existence { alive: true, version: 1, author, at: NOW, ..Existence::default() },
            cells: [cell].into(),
            links: vec![link],
            conflicts: Vec::new(),
        },
        children: Vec::new(),
        merged_into: None,
        rivals: Vec::new(),
        former: Vec::new(),
        excess: Vec::new(),
    };
    let index = |revision: u64| GroupIndex {
        rows: vec![RowEntry {
            binding: IN_CRM,
            key: key(number),
            system: CRM,
            child: false,
            shadow: Some(Row([Slot::Present(Value::text(name(revision)))].into())),
            version: None,
            quiet: true,
            must_read: false,
            rival: false,
            held: 0,
        }],
        matches: vec![(0, match_key(number)), (1, match_key(revision))],
        alive: true,
        ..GroupIndex::default()
    };
    let before = if revision == 1 { GroupIndex::default() } else { index(revision - 1) };
    GroupChange { group, before, after: index(revision), moved: syncline_core::moved::Moved::Whole }
}

fn commit_of(changes: impl IntoIterator<Item = GroupChange>) -> Commit {
    Commit { groups: changes.into_iter().collect(), run: RunId(1), at: NOW, ..Commit::default() }
}

fn checkpoint(number: u64) -> Checkpoint {
    Checkpoint { stream: "s".into(), position: Position(number.to_be_bytes().to_vec()) }
}

fn load_group(hub: &SqliteHub, number: u64) -> Option<Group> {
    let wants = Wants { records: [record(number)].into(), ..Wants::default() };
    run(hub.load(&wants)).unwrap().groups.remove(&record(number)).unwrap()
}

#[test]
fn a_hub_in_memory_is_a_store() {
    run(suite::store::all(|| SqliteHub::in_memory().unwrap()));
}

#[test]
fn a_hub_in_a_file_is_a_store() {
    let directory = tempfile::tempdir().unwrap();
    let mut count = 0;
    run(suite::store::all(|| {
        count += 1;
        let path = directory.path().join(format!("{count}.db"));
        SqliteHub::open(&path, Open::ReadWrite, true).unwrap()
    }));
}

#[test]
fn a_second_writer_is_told_who_holds_the_hub() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data/hub.db");
    let hub = SqliteHub::open(&path, Open::ReadWrite, true).unwrap();
    let error = SqliteHub::open(&path, Open::ReadWrite, true).err().unwrap();
    assert_eq!(error.kind, ErrorKind::HubInUse);
    assert!(error.detail.contains(&format!("process {}", std::process::id())), "{error}");
    SqliteHub::open(&path, Open::ReadOnly, false).unwrap();
    drop(hub);
    SqliteHub::open(&path, Open::ReadWrite, false).unwrap();
}

#[test]
fn who_looks_on_sees_the_last_commit_and_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("hub.db");
    let missing = SqliteHub::open(&path, Open::ReadOnly, false).err().unwrap();
    assert_eq!(missing.kind, ErrorKind::HubMissing);
    let missing = SqliteHub::open(&path, Open::ReadWrite, false).err().unwrap();
    assert_eq!(missing.kind, ErrorKind::HubMissing);

    let hub = SqliteHub::open(&path, Open::ReadWrite, true).unwrap();
    let watcher = SqliteHub::open(&path, Open::ReadOnly, false).unwrap();
    for number in 1..=3 {
        run(hub.commit(commit_of([change(number, 1)]))).unwrap();
        let wants =
            Wants { matches: [(CONTACTS, 0, match_key(number))].into(), ..Wants::default() };
        let found = run(watcher.load(&wants)).unwrap().matches.into_values().next();
        assert_eq!(found, Some(vec![record(number)]));
        assert_eq!(load_group(&watcher, number), Some(change(number, 1).group));
    }
    match run(watcher.commit(commit_of([change(4, 1)]))) {
        Err(CommitError::Store(error)) => assert_eq!(error.kind, ErrorKind::HubReadOnly),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_copy_is_a_hub_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("hub.db");
    let hub = SqliteHub::open(&path, Open::ReadWrite, true).unwrap();
    run(hub.commit(commit_of((1..=50).map(|number| change(number, 1))))).unwrap();
    let copied = directory.path().join("copy.db");
    hub.copy_to(&copied).unwrap();
    let copy = SqliteHub::open(&copied, Open::ReadWrite, false).unwrap();
    run(copy.commit(commit_of([change(1, 2)]))).unwrap();
    assert_eq!(load_group(&copy, 1), Some(change(1, 2).group));
    assert_eq!(load_group(&copy, 50), Some(change(50, 1).group));
    assert_eq!(load_group(&hub, 1), Some(change(1, 1).group));
    assert!(hub.size_bytes().unwrap() > 0);
}

#[test]
fn every_hub_has_an_identity_of_its_own_and_keeps_it() {
    let directory = tempfile::tempdir().unwrap();
    let identity = |name: &str| {
        let hub = SqliteHub::open(&directory.path().join(name), Open::ReadWrite, true).unwrap();
        run(hub.load(&Wants::default())).unwrap().hub
    };
    let first = identity("one.db");
    assert_ne!(first, identity("two.db"));
    assert_eq!(first, identity("one.db"));
}

#[test]
fn without_space_nothing_changes_and_nothing_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("hub.db");
    let hub = SqliteHub::open(&path, Open::ReadWrite, true).unwrap();
    run(hub.commit(commit_of((1..=10).map(|number| change(number, 1))))).unwrap();
    let limit = |pages: i64| {
        run(hub.write("limit", move |connection| {
            connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
        }))
        .unwrap()
        .unwrap();
    };
    limit(1);
    let many = || {
        let mut commit = commit_of((11..=2_000).map(|number| change(number, 1)));
        commit.groups.extend((1..=10).map(|number| change(number, 2)));
        commit.checkpoints = vec![checkpoint(1)];
        commit
    };
    match run(hub.commit(many())) {
        Err(CommitError::Store(error)) => {
            assert_eq!(error.kind, ErrorKind::DiskFull, "{error}");
            assert_eq!(error.kind.remedy().code, "hub.disk_full");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(load_group(&hub, 1), Some(change(1, 1).group));
    assert_eq!(load_group(&hub, 11), None);
    assert_eq!(run(hub.checkpoint("s")).unwrap(), None);
    assert_eq!(run(hub.count_present(IN_CRM)).unwrap(), 10);

    limit(1_000_000);
    run(hub.commit(many())).unwrap();
    assert_eq!(run(hub.count_present(IN_CRM)).unwrap(), 2_000);
    hub.check().unwrap();
}
