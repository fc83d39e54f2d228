//! Whoever alters, drops, adds or moves an entry is found out, with the place.

use std::path::{Path, PathBuf};

use syncline_ports::reader::Reader as _;

use super::*;
use crate::hub::sqlite::{Open, SqliteHub, tests::audited};

/// A hub with several pages of changes, and three actions.
async fn hub() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hub.db");
    let hub = SqliteHub::open(&path, Open::ReadWrite, true).unwrap();
    for number in 0..4 {
        audited(&hub, number).await;
    }
    for target in ["1", "2", "3"] {
        let action = Action {
            who: "lena".into(),
            what: "conflicts.resolve".into(),
            target: target.into(),
            ..Action::default()
        };
        hub.act(&action).await.unwrap();
    }
    (folder, path)
}

async fn found(path: &Path, kept: Option<&str>) -> Chain {
    let hub = SqliteHub::open(path, Open::ReadOnly, false).unwrap();
    hub.verify_chain(kept).await.unwrap()
}

async fn broken_by(sql: &str) -> String {
    let (_folder, path) = hub().await;
    let changed = Connection::open(&path).unwrap();
    changed.execute_batch(sql).unwrap();
    drop(changed);
    found(&path, None).await.broken.unwrap_or_default().to_string()
}

#[tokio::test]
async fn what_was_written_is_whole() {
    let (_folder, path) = hub().await;
    let chain = found(&path, None).await;
    assert_eq!((chain.broken, chain.actions, chain.unchained), (None, 3, 0));
    assert!(chain.changes >= 4);
}

#[tokio::test]
async fn whatever_is_done_to_an_entry_is_found_with_its_place() {
    let second = "(select first from audit order by first limit 1 offset 1)";
    for (sql, place) in [
        (format!("update audit set at = at + 1 where first = {second}"), "altered"),
        (format!("update audit set run = 77 where first = {second}"), "altered"),
        (format!("update audit set data = x'00' where first = {second}"), "altered"),
        (format!("delete from audit where first = {second}"), "missing here"),
        ("delete from audit where first = (select max(first) from audit)".into(), "missing at the end"),
        ("update audit set hash = null where first = (select max(first) from audit)".into(), "in no chain"),
        ("update action set who = 'nobody' where number = 2".into(), "action 2: this action"),
        ("delete from action where number = 1".into(), "action 1: actions are missing here"),
        ("delete from action where number = 3".into(), "missing at the end"),
        (
            "update action set number = -2 where number = 2; update action set number = 2 where number = 1;
             update action set number = 1 where number = -2"
                .into(),
            "action 1",
        ),
    ] {
        let said = broken_by(&sql).await;
        assert!(said.contains(place), "{sql}: {said:?}");
    }
}

#[tokio::test]
async fn who_writes_the_whole_chain_anew_is_found_out_by_a_hash_that_was_kept() {
    let (_folder, path) = hub().await;
    let kept = found(&path, None).await.actions_head;
    assert_eq!(found(&path, Some(&kept.as_str()[..12])).await.broken, None);
    let mut changed = Connection::open(&path).unwrap();
    changed.execute_batch("delete from action; update state set actions_chain = null").unwrap();
    act(&mut changed, &Action { who: "nobody".into(), ..Action::default() }).unwrap();
    drop(changed);
    assert_eq!(found(&path, None).await.broken, None);
    let broken = found(&path, Some(&kept.as_str()[..12])).await.broken.unwrap_or_default();
    assert!(broken.contains("written anew"), "{broken}");
}
