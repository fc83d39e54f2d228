//! A copy is whole, private and not written over; what is replaced is kept.

use super::*;
use crate::hub::sqlite::{Open, SqliteHub};
use syncline_ports::reader::Reader as _;

const AT: Timestamp = Timestamp(1_700_000_000_000_000);

fn hub() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hub.db");
    drop(SqliteHub::open(&path, Open::ReadWrite, true).unwrap());
    (folder, path)
}

async fn note(path: &Path, value: &str) {
    let hub = SqliteHub::open(path, Open::ReadWrite, false).unwrap();
    hub.set_note("said", value).await.unwrap();
}

async fn said(path: &Path) -> String {
    let hub = SqliteHub::open(path, Open::ReadOnly, false).unwrap();
    hub.note("said").await.unwrap().unwrap_or_default().to_string()
}

#[tokio::test]
async fn a_hub_is_copied_while_it_is_written_and_put_back() {
    let (folder, path) = hub();
    note(&path, "before").await;
    let copy = folder.path().join("copies/one.db");
    let held = SqliteHub::open(&path, Open::ReadWrite, false).unwrap();
    back_up(&path, &copy, AT).unwrap();
    held.set_note("said", "after").await.unwrap();
    drop(held);

    let aside = restore(&copy, &path, AT).unwrap().unwrap();

    assert_eq!([said(&path).await, said(&aside).await], ["before", "after"]);
    assert_eq!(last(&path), Some((AT, copy)));
}

#[cfg(unix)]
#[test]
fn a_copy_is_its_owners_alone_and_nothing_is_written_over() {
    use std::os::unix::fs::PermissionsExt as _;
    let (folder, path) = hub();
    let copy = folder.path().join("copy.db");
    back_up(&path, &copy, AT).unwrap();
    assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(back_up(&path, &copy, AT).unwrap_err().kind, ErrorKind::HubReadOnly);
}

#[tokio::test]
async fn what_is_no_copy_replaces_nothing() {
    let (folder, path) = hub();
    note(&path, "mine").await;
    let file = folder.path().join("file");
    assert_eq!(restore(&file, &path, AT).unwrap_err().kind, ErrorKind::HubMissing);
    fs::write(&file, "a text that is long enough to be looked at as if it were a database")
        .unwrap();
    assert_eq!(restore(&file, &path, AT).unwrap_err().kind, ErrorKind::HubDamaged);
    fs::remove_file(&file).unwrap();
    Connection::open(&file).unwrap().execute_batch("create table other (a)").unwrap();
    assert_eq!(restore(&file, &path, AT).unwrap_err().kind, ErrorKind::HubDamaged);
    let mut cut = fs::read(&path).unwrap();
    cut.truncate(cut.len() / 2);
    fs::write(&file, cut).unwrap();
    assert_eq!(restore(&file, &path, AT).unwrap_err().kind, ErrorKind::HubDamaged);
    assert_eq!(said(&path).await, "mine");
}

#[tokio::test]
async fn a_hub_that_is_used_is_not_replaced_and_one_that_is_lost_or_broken_is() {
    let (folder, path) = hub();
    note(&path, "saved").await;
    let copy = folder.path().join("copy.db");
    back_up(&path, &copy, AT).unwrap();
    let held = SqliteHub::open(&path, Open::ReadWrite, false).unwrap();
    assert_eq!(restore(&copy, &path, AT).unwrap_err().kind, ErrorKind::HubInUse);
    drop(held);
    fs::write(&path, "broken").unwrap();
    assert!(restore(&copy, &path, AT).unwrap().is_some());
    assert_eq!(said(&path).await, "saved");
    fs::remove_file(&path).unwrap();
    assert_eq!(restore(&copy, &path, Timestamp(AT.0 + 1_000_000)).unwrap(), None);
    assert_eq!(said(&path).await, "saved");
}
