//! Whatever happens to a change of keys, one of the two pairs opens all; and of what was erased nothing is left.

use std::path::Path;

use syncline_core::commit::AuditKind;
use syncline_ports::reader::{HistoryFilter, Kept, Reader as _};

use super::*;
use crate::hub::{
    seal::HubKey,
    sqlite::{
        Open,
        tests::{audited, parked_and_disputed},
    },
};

fn key(digit: &str) -> HubKey {
    HubKey::parse(&digit.repeat(64)).unwrap()
}

fn open(path: &Path, keys: &Keyring) -> Result<SqliteHub, ErrorKind> {
    SqliteHub::open_with(path, Open::ReadWrite, true, Some(keys)).map_err(|error| error.kind)
}

fn only(digit: &str) -> Keyring {
    Keyring { key: key(digit), previous: None }
}

fn both() -> Keyring {
    Keyring { key: key("6"), previous: Some(key("5")) }
}

#[tokio::test]
async fn a_change_of_keys_that_is_cut_short_goes_on_and_both_keys_open_it_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hub.db");
    let hub = open(&path, &only("5")).unwrap();
    for number in 0..9 {
        audited(&hub, number).await;
    }
    drop(hub);
    assert_eq!(open(&path, &only("6")).err(), Some(ErrorKind::HubKeyWrong));

    let hub = open(&path, &both()).unwrap();
    hub.check().unwrap();
    let step = hub.rotate_keys(None, 4).await.unwrap();
    assert_eq!((step.records, step.is_done), (4, false));
    drop(hub);
    for one in ["5", "6"] {
        assert_eq!(open(&path, &only(one)).err(), Some(ErrorKind::HubKeyWrong), "only {one}");
    }

    let hub = open(&path, &both()).unwrap();
    hub.check().unwrap();
    audited(&hub, 9).await;
    let (mut after, mut count) = (None, 0);
    loop {
        let step = hub.rotate_keys(after, 2).await.unwrap();
        (after, count) = (step.last, count + step.records);
        if step.is_done {
            break;
        }
    }
    assert_eq!(count, 5, "what was done is not done again, and what is new has the new key");
    hub.check().unwrap();
    assert!(hub.rotate_keys(None, 4).await.unwrap().is_done);
    drop(hub);
    assert_eq!(open(&path, &only("5")).err(), Some(ErrorKind::HubKeyWrong));
    open(&path, &only("6")).unwrap().check().unwrap();
}

#[tokio::test]
async fn of_an_erased_record_nothing_is_left_and_the_chain_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hub.db");
    // What is on the books from before there was a key is erased as well.
    let hub = SqliteHub::open(&path, Open::ReadWrite, true).unwrap();
    audited(&hub, 0).await;
    audited(&hub, 1).await;
    drop(hub);
    let hub = open(&path, &only("5")).unwrap();
    parked_and_disputed(&hub).await;
    audited(&hub, 2).await;
    let id = hub.record_ids(None, 1).await.unwrap()[0];
    let told = async || {
        let all = HistoryFilter { limit: 100, ..HistoryFilter::default() };
        let entries = hub.history(&all).await.unwrap();
        let of_it = entries.iter().filter(|entry| entry.event.record == id);
        let erased = of_it.clone().filter(|entry| entry.event.kind == AuditKind::Erased).count();
        (entries.len(), of_it.count(), erased)
    };
    let before = told().await;
    assert_eq!((before.1, before.2), (3, 0));

    let erased = hub.erase(&[id], Timestamp(9)).await.unwrap();

    assert_eq!(erased, Erased { conflicts: 1, set_aside: 0, is_clean: true });
    assert_eq!(told().await, (before.0, 3, 3));
    assert_eq!(hub.group(id).await.unwrap(), None);
    assert!(hub.conflicts(true, 10).await.unwrap().is_empty());
    assert_eq!(hub.verify_chain(&Kept::default()).await.unwrap().broken, None);
    hub.check().unwrap();
    audited(&hub, 3).await;
    assert_eq!(hub.verify_chain(&Kept::default()).await.unwrap().broken, None);
}

#[tokio::test]
async fn what_was_erased_while_somebody_looked_leaves_the_log_of_the_file_with_the_next_change_of_keys()
 {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hub.db");
    let hub = open(&path, &only("5")).unwrap();
    audited(&hub, 0).await;
    let id = hub.record_ids(None, 1).await.unwrap()[0];
    let somebody = rusqlite::Connection::open(&path).unwrap();
    somebody.execute_batch("begin; select count(*) from record").unwrap();
    let log = || std::fs::metadata(folder.path().join("hub.db-wal")).unwrap().len();

    assert!(!hub.erase(&[id], Timestamp(9)).await.unwrap().is_clean);
    assert!(log() > 0);
    drop(somebody);
    assert!(hub.rotate_keys(None, 4).await.unwrap().is_done);

    assert_eq!(log(), 0);
}

#[tokio::test]
async fn nothing_is_erased_from_a_hub_in_clear() {
    let hub = SqliteHub::in_memory().unwrap();
    audited(&hub, 0).await;
    let id = hub.record_ids(None, 1).await.unwrap()[0];
    let refused = hub.erase(&[id], Timestamp(9)).await.map_err(|error| error.kind);
    assert_eq!(refused, Err(ErrorKind::HubKeyMissing));
    let refused = hub.rotate_keys(None, 9).await.map_err(|error| error.kind);
    assert_eq!(refused, Err(ErrorKind::HubKeyMissing));
    assert!(hub.group(id).await.unwrap().is_some());
}
