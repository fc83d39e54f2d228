//! Whoever alters, drops, adds or moves an entry is found out, with the place.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use syncline_ports::reader::Reader as _;

use super::*;
use crate::hub::{
    signer::Signer,
    sqlite::{Open, SqliteHub, tests::audited},
};

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
    let kept = Kept { hash: kept.map(Into::into), ..Kept::default() };
    hub.verify_chain(&kept).await.unwrap()
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
        ("update moves set at = at + 1 where number = 2".into(), "m-2: what this commit has moved"),
        ("update moves set data = x'01' where number = 2".into(), "m-2: what this commit has moved"),
        ("delete from moves where number = 2".into(), "m-2: what commits have moved is missing here"),
        ("delete from moves where number = 4".into(), "m-4: what commits have moved is missing at the end"),
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

const NOW: Timestamp = Timestamp(1_800_000_000_000_000);

fn signer(seed: char) -> Arc<Signer> {
    Arc::new(Signer::of(&seed.to_string().repeat(64)).unwrap())
}

/// Signs where the books end.
async fn sign(path: &Path, kept: Option<Text>) -> Vec<Text> {
    let hub = SqliteHub::open(path, Open::ReadWrite, false).unwrap();
    hub.anchor(&signer('1'), NOW, kept).await.unwrap()
}

/// Writes the actions anew, with a chain that is whole.
fn forge(path: &Path, and: &str) {
    let mut changed = Connection::open(path).unwrap();
    changed.execute_batch("delete from action; update state set actions_chain = null").unwrap();
    for _ in 0..3 {
        act(&mut changed, &Action { who: "nobody".into(), ..Action::default() }).unwrap();
    }
    changed.execute_batch(and).unwrap();
}

async fn with(path: &Path, anchors: Vec<Text>, signers: Vec<[u8; 32]>) -> Chain {
    let hub = SqliteHub::open(path, Open::ReadOnly, false).unwrap();
    hub.verify_chain(&Kept { hash: None, anchors, signers }).await.unwrap()
}

#[tokio::test]
async fn a_chain_that_was_written_anew_does_not_fit_what_was_signed() {
    let (_folder, path) = hub().await;
    let lines = sign(&path, None).await;
    let own = vec![signer('1').public()];
    let chain = with(&path, lines.clone(), own.clone()).await;
    assert_eq!((chain.broken, chain.anchors, chain.anchored), (None, 1, Some(NOW)));
    let last = lines.last().cloned();
    assert_eq!(sign(&path, last).await, Vec::<Text>::new(), "nothing has happened since");

    forge(&path, "");
    let broken = with(&path, Vec::new(), own.clone()).await.broken.unwrap_or_default();
    assert!(broken.contains("action 3: this is not what was signed at 2027-01-15"), "{broken}");
    let again = SqliteHub::open(&path, Open::ReadWrite, false).unwrap();
    let refused = again.anchor(&signer('1'), NOW, lines.last().cloned()).await.unwrap_err();
    assert!(refused.detail.contains("not what was signed last"), "it is not signed over");
    drop(again);

    forge(&path, "delete from anchor");
    assert_eq!(with(&path, Vec::new(), own.clone()).await.broken, None, "nothing is left in it");
    let broken = with(&path, lines, own).await.broken.unwrap_or_default();
    assert!(broken.contains("written anew"), "the line beside it says so: {broken}");
}

#[tokio::test]
async fn nobody_else_can_sign() {
    let (_folder, path) = hub().await;
    let mut lines = sign(&path, None).await;
    let broken = with(&path, lines.clone(), vec![signer('2').public()]).await.broken;
    assert!(broken.unwrap_or_default().contains("signed by somebody else"));
    lines[0] = lines[0].replace(" 3 ", " 2 ").into();
    let broken = with(&path, lines, Vec::new()).await.broken.unwrap_or_default();
    assert!(broken.contains("its signature is wrong"), "{broken}");
    let broken = with(&path, vec!["garbage".into()], Vec::new()).await.broken.unwrap_or_default();
    assert!(broken.contains("this line was altered"), "{broken}");
}

#[tokio::test]
async fn what_is_old_gives_way_to_what_it_came_to_and_the_chain_stays_provable() {
    let (_folder, path) = hub().await;
    let lines = sign(&path, None).await;
    let before = found(&path, None).await;
    let hub = SqliteHub::open(&path, Open::ReadWrite, false).unwrap();
    let (count, more) = hub.compact(&signer('1'), NOW, NOW).await.unwrap();
    assert_eq!((count, more), (before.changes, true));
    assert_eq!(hub.compact(&signer('1'), NOW, NOW).await.unwrap(), (0, false));
    assert_eq!(hub.rebuild().await.unwrap().different, 0);
    audited(&hub, 9).await;
    let rebuilt = hub.rebuild().await.unwrap();
    assert_eq!((rebuilt.commits, rebuilt.different), (1, 0));
    drop(hub);

    let after = with(&path, lines, vec![signer('1').public()]).await;
    assert_eq!((after.broken, after.compacted), (None, before.changes));
    assert_eq!(after.actions, 4, "that it was done is on the books");
    for (sql, place) in [
        ("update snapshot_record set data = x'00'", "a record in it was altered"),
        ("update snapshot set changes_chain = zeroblob(32)", "its signature is wrong"),
        ("update snapshot set changes = 1", "its signature is wrong"),
        ("delete from snapshot", "missing here"),
    ] {
        let copy = path.with_extension(sql.len().to_string());
        let whole = Connection::open(&path).unwrap();
        whole.execute("vacuum into ?", [copy.to_str().unwrap()]).unwrap();
        Connection::open(&copy).unwrap().execute_batch(sql).unwrap();
        let broken = found(&copy, None).await.broken.unwrap_or_default();
        assert!(broken.contains(place), "{sql}: {broken}");
    }
}

#[tokio::test]
async fn what_the_hub_holds_and_the_books_do_not_say_is_named() {
    let (_folder, path) = hub().await;
    let hub = SqliteHub::open(&path, Open::ReadOnly, false).unwrap();
    assert_eq!(hub.rebuild().await.unwrap().different, 0);
    let changed = Connection::open(&path).unwrap();
    changed.execute_batch("delete from record where id = (select min(id) from record)").unwrap();
    let rebuilt = hub.rebuild().await.unwrap();
    assert_eq!((rebuilt.different, rebuilt.named.len()), (1, 1));
}
