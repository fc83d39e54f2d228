//! `kill -9` at any moment: every commit that was acknowledged is there, and none by half.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
};

use syncline_core::{
    Text,
    change::PartKey,
    commit::{AuditEvent, AuditKind},
};
use syncline_ports::reader::{HistoryFilter, Reader};

use super::*;

const DIRECTORY: &str = "SYNCLINE_TEST_CRASH";
/// Records that each commit makes.
const BATCH: u64 = 40;
/// Every commit changes this record as well.
const SHARED: u64 = 1_000_000;

/// The commit of this number: it makes a batch of records, changes a shared one, and moves on.
fn numbered(number: u64) -> Commit {
    let mut commit =
        commit_of((number * BATCH..(number + 1) * BATCH).map(|record| change(record, 1)));
    commit.groups.push(change(SHARED, number));
    commit.checkpoints = vec![checkpoint(number)];
    commit.audit = commit.groups.iter().map(|change| event(change.group.id)).collect();
    commit.minted = number;
    commit
}

fn event(record: RecordId) -> AuditEvent {
    AuditEvent {
        record,
        entity: CONTACTS,
        part: PartKey::Root,
        field: None,
        kind: AuditKind::Changed,
        system: Some(CRM),
        key: None,
        before: None,
        after: None,
        version: 1,
        actor: None,
        source_at: None,
        note: Text::new("crm"),
    }
}

fn last_commit(hub: &SqliteHub) -> u64 {
    run(hub.checkpoint("s"))
        .unwrap()
        .map_or(0, |position| u64::from_be_bytes(position.0.try_into().unwrap()))
}

/// Not a test by itself: the process that is killed. It goes on from the last commit, and says each
/// commit's number after it was acknowledged.
#[test]
fn victim() {
    let Ok(directory) = env::var(DIRECTORY) else { return };
    let hub =
        SqliteHub::open(&Path::new(&directory).join("hub.db"), Open::ReadWrite, true).unwrap();
    let mut out = std::io::stdout();
    for number in last_commit(&hub) + 1.. {
        run(hub.commit(numbered(number))).unwrap();
        // The killer hung up: it did not mean to wait for us.
        if writeln!(out, "\ncommitted {number}").and_then(|()| out.flush()).is_err() {
            return;
        }
    }
}

#[test]
fn killed_at_any_moment_it_keeps_every_acknowledged_commit_and_no_half_one() {
    let directory = tempfile::tempdir().unwrap();
    let mut killed = 0;
    for round in [1, 4, 2, 9, 17, 3] {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "hub::sqlite::tests::crash::victim", "--nocapture"])
            .env(DIRECTORY, directory.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut acknowledged = lines.map_while(Result::ok).filter_map(|line| {
            line.strip_prefix("committed ").and_then(|number| number.parse::<u64>().ok())
        });
        let mut last = acknowledged.nth(round).unwrap();
        child.kill().unwrap();
        last = acknowledged.last().unwrap_or(last);
        child.wait().unwrap();
        killed += 1;
        examine(directory.path(), last);
    }
    assert_eq!(killed, 6);
}

fn examine(directory: &Path, acknowledged: u64) {
    let hub = SqliteHub::open(&directory.join("hub.db"), Open::ReadWrite, false).unwrap();
    hub.check().unwrap();
    let last = last_commit(&hub);
    assert!((acknowledged..=acknowledged + 1).contains(&last), "{acknowledged} {last}");
    for number in 1..=last {
        let numbers = number * BATCH..(number + 1) * BATCH;
        let wants = Wants {
            records: numbers.clone().map(record).collect(),
            keys: numbers.clone().map(|row| (IN_CRM, key(row))).collect(),
            matches: numbers.clone().map(|number| (CONTACTS, 0, match_key(number))).collect(),
            ..Wants::default()
        };
        let working = run(hub.load(&wants)).unwrap();
        for number in numbers {
            let id = record(number);
            assert_eq!(working.groups.get(&id), Some(&Some(change(number, 1).group)));
            let row = working.keys.get(&(IN_CRM, key(number))).unwrap().as_ref();
            assert_eq!(row.map(|row| row.record), Some(id));
            let found = working.matches.get(&(CONTACTS, 0, match_key(number)));
            assert_eq!(found, Some(&vec![id]));
        }
        assert_eq!(working.minted, last);
    }
    assert_eq!(load_group(&hub, (last + 1) * BATCH), None);
    assert_eq!(load_group(&hub, SHARED), Some(change(SHARED, last).group));
    assert_eq!(run(hub.count_present(IN_CRM)).unwrap(), last * BATCH + 1);
    let filter =
        HistoryFilter { record: Some(record(SHARED)), limit: 1_000, ..HistoryFilter::default() };
    let history = run(hub.history(&filter)).unwrap();
    assert_eq!(history.len() as u64, last);
    assert_eq!(history.first().map(|entry| entry.number), Some(last * (BATCH + 1)));
    let rebuilt = run(hub.rebuild()).unwrap();
    assert_eq!((rebuilt.commits, rebuilt.records), (last, last * BATCH + 1));
    assert_eq!(rebuilt.named, [], "the books say what the hub holds");
}
