use syncline_core::error::ErrorKind;
use syncline_ports::suite;

use super::*;

/// Runs a future to its end: commits are answered by another thread.
fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
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
