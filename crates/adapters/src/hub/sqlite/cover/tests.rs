//! A sealed hub is a hub; one that was in clear becomes one, and nothing of what it knew is left in its files.

use std::{path::Path, sync::Arc};

use syncline_core::{commit::Wants, error::ErrorKind, name::Timestamp};
use syncline_ports::{
    reader::{HistoryFilter, Kept, Reader as _},
    store::Store as _,
    suite,
};

use super::*;
use crate::hub::{
    seal::HubKey,
    signer::Signer,
    sqlite::{
        Open, SqliteHub,
        tests::{audited, parked_and_disputed},
    },
};

fn keys(digit: &str) -> Keyring {
    Keyring { key: HubKey::parse(&digit.repeat(64)).unwrap(), previous: None }
}

fn open(path: &Path, mode: Open, keys: Option<&Keyring>) -> Result<SqliteHub, ErrorKind> {
    SqliteHub::open_with(path, mode, true, keys).map_err(|error| error.kind)
}

/// Whether any file here holds these bytes.
fn holds(folder: &Path, bytes: &[u8]) -> bool {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .map(|file| std::fs::read(file).unwrap())
        .any(|held| held.windows(bytes.len()).any(|seen| seen == bytes))
}

/// Everything that can be asked of it.
async fn told(hub: &SqliteHub) -> String {
    let all = HistoryFilter { limit: 1_000, ..HistoryFilter::default() };
    let groups = hub.records(EntityIndex(0), None, 1_000).await.unwrap();
    let keys =
        groups.iter().flat_map(|group| &group.root.links).filter_map(|link| link.key.clone());
    let wants = Wants {
        keys: keys.map(|key| (BindingIndex(0), key)).collect(),
        matches: (0..9)
            .map(|number: u64| (EntityIndex(0), 0, Digest::of(&number.to_le_bytes())))
            .collect(),
        ..Wants::default()
    };
    let loaded = hub.load(&wants).await.unwrap();
    format!(
        "{groups:#?} {:#?} {:#?} {:#?} {:#?} {:#?}",
        hub.history(&all).await.unwrap(),
        hub.conflicts(true, 10).await.unwrap(),
        hub.quarantine(10).await.unwrap(),
        loaded.keys,
        loaded.matches,
    )
}

#[tokio::test]
async fn a_sealed_hub_is_a_store() {
    let directory = tempfile::tempdir().unwrap();
    let (mut count, keys) = (0, keys("5"));
    suite::store::all(|| {
        count += 1;
        let path = directory.path().join(format!("{count}.db"));
        SqliteHub::open_with(&path, Open::ReadWrite, true, Some(&keys)).unwrap()
    })
    .await;
}

#[tokio::test]
async fn a_hub_that_was_in_clear_says_the_same_once_it_is_sealed_and_its_files_say_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (path, keys) = (folder.path().join("hub.db"), keys("5"));
    let hub = open(&path, Open::ReadWrite, None).unwrap();
    for number in 0..5 {
        audited(&hub, number).await;
    }
    parked_and_disputed(&hub).await;
    let (before, chain) = (told(&hub).await, hub.verify_chain(&Kept::default()).await.unwrap());
    drop(hub);
    assert!(holds(folder.path(), b"person 3 at 1"));
    assert!(holds(folder.path(), Digest::of(&2_u64.to_le_bytes()).0.as_slice()));

    let hub = open(&path, Open::ReadWrite, Some(&keys)).unwrap();
    assert_eq!(told(&hub).await, before);
    audited(&hub, 5).await;
    hub.check().unwrap();
    drop(hub);

    let looker = open(&path, Open::ReadOnly, Some(&keys)).unwrap();
    let kept = chain.changes_head.as_str();
    let after = looker
        .verify_chain(&Kept { hash: Some(kept[..12].into()), ..Kept::default() })
        .await
        .unwrap();
    assert_eq!(after.broken, None, "what was kept of the chain is in it still");
    assert!(after.changes > chain.changes);
    drop(looker);
    for said in ["person", "quetzalcoatl", "said"] {
        assert!(!holds(folder.path(), said.as_bytes()), "{said} is in its files");
    }
    for number in 0..9_u64 {
        let digest = Digest::of(&number.to_le_bytes());
        assert!(!holds(folder.path(), &digest.0), "a match key of {number} is in its files");
    }
}

#[tokio::test]
async fn the_books_of_a_hub_that_was_sealed_since_are_whole_and_its_records_are_rebuilt_from_them()
{
    let folder = tempfile::tempdir().unwrap();
    let (path, keys) = (folder.path().join("hub.db"), keys("5"));
    let signer = Arc::new(Signer::of(&"1".repeat(64)).unwrap());
    let now = Timestamp(1_800_000_000_000_000);
    let hub = open(&path, Open::ReadWrite, None).unwrap();
    audited(&hub, 0).await;
    hub.compact(&signer, now, now).await.unwrap();
    audited(&hub, 1).await;
    let anchors = hub.anchor(&signer, now, None).await.unwrap();
    drop(hub);

    let hub = open(&path, Open::ReadWrite, Some(&keys)).unwrap();
    audited(&hub, 2).await;
    let rebuilt = hub.rebuild().await.unwrap();
    assert_eq!((rebuilt.commits, rebuilt.different), (2, 0));
    let kept = Kept { anchors, signers: vec![signer.public()], hash: None };
    let chain = hub.verify_chain(&kept).await.unwrap();
    assert_eq!((chain.broken, chain.anchors), (None, 1));

    hub.compact(&signer, now, now).await.unwrap();
    assert_eq!(hub.verify_chain(&kept).await.unwrap().broken, None);
    assert_eq!(hub.rebuild().await.unwrap().different, 0);
    drop(hub);
    for said in ["person", "said"] {
        assert!(!holds(folder.path(), said.as_bytes()), "{said} is in its files");
    }
    let altered = Connection::open(&path).unwrap();
    let swapped = "update snapshot_record set data =
        (select data from snapshot_record order by record desc limit 1)";
    altered.execute_batch(swapped).unwrap();
    let looker = open(&path, Open::ReadOnly, Some(&keys)).unwrap();
    let broken = looker.verify_chain(&kept).await.unwrap().broken.unwrap_or_default();
    assert!(broken.contains("a record in it was altered"), "{broken}");
}

#[tokio::test]
async fn without_its_key_a_sealed_hub_opens_to_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hub.db");
    let hub = open(&path, Open::ReadWrite, Some(&keys("5"))).unwrap();
    audited(&hub, 0).await;
    drop(hub);
    for mode in [Open::ReadWrite, Open::ReadOnly] {
        assert_eq!(open(&path, mode, None).err(), Some(ErrorKind::HubKeyMissing));
        assert_eq!(open(&path, mode, Some(&keys("6"))).err(), Some(ErrorKind::HubKeyWrong));
        assert!(open(&path, mode, Some(&keys("5"))).is_ok());
    }
}

#[tokio::test]
async fn whatever_is_altered_in_a_sealed_hub_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let (path, keys) = (folder.path().join("hub.db"), keys("5"));
    let hub = open(&path, Open::ReadWrite, Some(&keys)).unwrap();
    for number in 0..3 {
        audited(&hub, number).await;
    }
    let sqls = [
        // One record, one key in the place of another.
        "update record set data = (select data from record order by id limit 1)",
        "update record_key set sealed = (select sealed from record_key order by record limit 1)",
        "delete from record_key",
    ];
    for (sql, number) in sqls.into_iter().zip(1..) {
        let altered = folder.path().join(format!("{number}.db"));
        hub.copy_to(&altered).unwrap();
        Connection::open(&altered).unwrap().execute_batch(sql).unwrap();
        let looker = open(&altered, Open::ReadOnly, Some(&keys)).unwrap();
        let kind = looker.check().map_err(|error| error.kind);
        assert_eq!(kind, Err(ErrorKind::HubDamaged), "{sql}");
    }
}
