//! A damaged, foreign or newer file is told by name, and never panics.

use std::fs;

use super::*;

fn open(path: &Path) -> Result<SqliteHub, PortError> {
    SqliteHub::open(path, Open::ReadWrite, true)
}

fn a_hub(path: &Path) {
    let hub = open(path).unwrap();
    run(hub.commit(commit_of((1..=200).map(|number| change(number, 1))))).unwrap();
}

#[track_caller]
fn check(path: &Path, kind: ErrorKind, says: &str) {
    for mode in [Open::ReadWrite, Open::ReadOnly] {
        let error = SqliteHub::open(path, mode, true).err().unwrap();
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[test]
fn a_newer_hub_is_refused_by_its_version() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("hub.db");
    a_hub(&path);
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let version = crate::hub::sqlite::schema::VERSION;
    let said = format!("it has version 99, this program writes version {version}");
    check(&path, ErrorKind::HubVersion, &said);
}

#[test]
fn a_file_that_is_no_hub_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notes.txt");
    let notes = "buy milk\n".repeat(1_000);
    fs::write(&path, &notes).unwrap();
    check(&path, ErrorKind::HubDamaged, "hub's file is damaged");
    assert_eq!(fs::read_to_string(&path).unwrap(), notes);

    let path = directory.path().join("shop.db");
    Connection::open(&path).unwrap().execute_batch("create table orders (id integer)").unwrap();
    check(&path, ErrorKind::HubDamaged, "not a hub");
}

#[test]
fn a_rotten_record_is_named_and_the_others_are_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("hub.db");
    a_hub(&path);
    let rotten = commit::blob(record(7));
    Connection::open(&path)
        .unwrap()
        .execute("update record set data = x'0102030405' where id = ?", [rotten])
        .unwrap();
    let hub = open(&path).unwrap();
    let wants = Wants { records: [record(7)].into(), ..Wants::default() };
    let error = run(hub.load(&wants)).err().unwrap();
    assert_eq!(error.kind, ErrorKind::HubDamaged);
    assert!(error.to_string().contains(&record(7).to_string()), "{error}");
    assert_eq!(load_group(&hub, 8), Some(change(8, 1).group));
    assert!(hub.check().err().unwrap().to_string().contains(&record(7).to_string()));
}

#[test]
fn a_file_with_any_byte_changed_or_cut_short_never_panics() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("hub.db");
    a_hub(&path);
    let whole = fs::read(&path).unwrap();
    let mut found = 0;
    for step in 0..60 {
        let at = step * whole.len() / 60;
        let mut bytes = whole.clone();
        if step % 10 == 9 {
            bytes.truncate(at);
        } else {
            for byte in bytes.iter_mut().skip(at).take(48) {
                *byte ^= 0x5a;
            }
        }
        let damaged = directory.path().join(format!("{step}.db"));
        fs::write(&damaged, bytes).unwrap();
        let Ok(hub) = open(&damaged) else {
            found += 1;
            continue;
        };
        let wants = Wants {
            records: (1..=200).map(record).collect(),
            keys: (1..=200).map(|row| (IN_CRM, key(row))).collect(),
            matches: (1..=200).map(|number| (CONTACTS, 0, match_key(number))).collect(),
            ..Wants::default()
        };
        let loaded = run(hub.load(&wants)).is_err();
        let committed = run(hub.commit(commit_of((1..=200).map(|number| change(number, 2)))));
        found += u64::from(hub.check().is_err() || loaded || committed.is_err());
    }
    assert!(found > 20, "only {found} of 60 damages were noticed");
}
