//! The inbox: durable, in order, each once, bounded.

use super::*;
use crate::hub::seal::{HubKey, Keyring};

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let hub = folder.path().join("hub.db");
    (folder, hub)
}

fn arrival(id: Option<&str>, body: &str) -> Arrival {
    Arrival {
        system: "shop".into(),
        at: Timestamp(1_000_000),
        fate: Fate::Accepted,
        id: id.map(str::to_owned),
        topic: Some("orders/updated".into()),
        body: body.into(),
    }
}

fn waiting(hub: &Path, after: i64) -> Vec<String> {
    let found = Look::at(hub).after("shop", after, 1_000, usize::MAX).unwrap();
    found.into_iter().map(|it| String::from_utf8(it.body).unwrap()).collect()
}

#[tokio::test]
async fn what_was_taken_is_there_after_it_was_opened_again_and_in_order() {
    let (_folder, hub) = folder();
    let inbox = Inbox::open(&hub, 1 << 20, Envelope::default()).unwrap();
    for number in 0..5 {
        let taken = inbox.take(arrival(None, &number.to_string())).await;
        assert_eq!(taken.unwrap(), Fate::Accepted);
    }
    let identity = inbox.identity();
    drop(inbox);
    let inbox = Inbox::open(&hub, 1 << 20, Envelope::default()).unwrap();
    assert_eq!((inbox.identity(), *inbox.last().borrow()), (identity, 5));
    assert_eq!(waiting(&hub, 0), ["0", "1", "2", "3", "4"]);
    assert_eq!(waiting(&hub, 3), ["3", "4"]);
}

#[tokio::test]
async fn what_comes_again_is_a_duplicate_and_other_systems_have_numbers_of_their_own() {
    let (_folder, hub) = folder();
    let inbox = Inbox::open(&hub, 1 << 20, Envelope::default()).unwrap();
    assert_eq!(inbox.take(arrival(Some("e"), "a")).await.unwrap(), Fate::Accepted);
    assert_eq!(inbox.take(arrival(Some("e"), "b")).await.unwrap(), Fate::Duplicate);
    let other = Arrival { system: "crm".into(), ..arrival(Some("e"), "c") };
    assert_eq!(inbox.take(other).await.unwrap(), Fate::Accepted);
    assert_eq!(waiting(&hub, 0), ["a"]);
}

#[tokio::test]
async fn more_than_may_wait_is_not_taken_until_some_of_it_is_dealt_with() {
    let (_folder, hub) = folder();
    let inbox = Inbox::open(&hub, 10, Envelope::default()).unwrap();
    inbox.take(arrival(None, "eleven byte")).await.unwrap();
    let refused = inbox.take(arrival(None, "x")).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Throttled);
    inbox.done("shop", 1).await;
    // Whatever is asked next is answered after that.
    assert_eq!(inbox.forget(Timestamp(0)).await.unwrap(), 0);
    assert_eq!(inbox.take(arrival(None, "x")).await.unwrap(), Fate::Accepted);
    assert_eq!(Look::at(&hub).told("shop").unwrap().waiting, 1);
}

#[tokio::test]
async fn only_what_is_old_and_dealt_with_is_forgotten() {
    let (_folder, hub) = folder();
    let inbox = Inbox::open(&hub, 1 << 20, Envelope::default()).unwrap();
    for number in 0..4 {
        let at = Timestamp(number * 1_000_000);
        inbox.take(Arrival { at, ..arrival(None, &number.to_string()) }).await.unwrap();
    }
    inbox.done("shop", 3).await;
    assert_eq!(inbox.forget(Timestamp(2_000_000)).await.unwrap(), 2);
    let kept: Vec<i64> =
        Look::at(&hub).list(None, 10).unwrap().into_iter().map(|it| it.seq).collect();
    assert_eq!(kept, [4, 3]);
    assert_eq!(inbox.forget(Timestamp(9_000_000)).await.unwrap(), 1);
    // A number is never given twice, though its delivery is forgotten.
    inbox.take(arrival(None, "next")).await.unwrap();
    assert_eq!(*inbox.last().borrow(), 5);
}

#[tokio::test]
async fn whoever_knocks_without_end_fills_no_disk() {
    let (_folder, hub) = folder();
    let inbox = Inbox::open(&hub, 1 << 20, Envelope::default()).unwrap();
    for _ in 0..500 {
        let refused = Arrival { fate: Fate::BadSignature, ..arrival(None, "x") };
        inbox.take(refused).await.unwrap();
    }
    let listed = Look::at(&hub).list(Some("shop"), 1_000).unwrap();
    assert_eq!(listed.len(), 20);
    let counted: u64 = listed.iter().map(|it| it.more + 1).sum();
    assert_eq!(counted, 500);
    assert!(listed.iter().all(|it| it.bytes.is_none()));
}

#[tokio::test]
async fn a_delivery_is_put_into_the_line_once_more() {
    let (_folder, hub) = folder();
    let inbox = Inbox::open(&hub, 1 << 20, Envelope::default()).unwrap();
    inbox.take(arrival(Some("e"), "a")).await.unwrap();
    inbox.done("shop", 1).await;
    inbox.forget(Timestamp(0)).await.unwrap();
    assert_eq!(waiting(&hub, 0), [""; 0]);
    assert_eq!(replay(&hub, 1, Timestamp(7)).unwrap(), Some(2));
    assert_eq!(replay(&hub, 9, Timestamp(7)).unwrap(), None);
    assert_eq!(waiting(&hub, 1), ["a"]);
}

#[test]
fn a_hub_that_was_never_called_has_no_inbox_and_looking_makes_none() {
    let (_folder, hub) = folder();
    assert_eq!(Look::at(&hub).list(None, 10).unwrap(), []);
    assert!(!path_of(&hub).exists());
}

#[test]
fn what_is_no_inbox_is_refused() {
    let (_folder, hub) = folder();
    std::fs::write(path_of(&hub), "not a database, and long enough to look like one to somebody")
        .unwrap();
    assert_eq!(Inbox::open(&hub, 1, Envelope::default()).unwrap_err().kind, ErrorKind::HubDamaged);
    assert_eq!(Look::at(&hub).list(None, 1).unwrap_err().kind, ErrorKind::HubDamaged);
}

#[tokio::test]
async fn bodies_are_sealed_with_the_key_of_the_hub_and_sealed_anew_with_another() {
    let folder = tempfile::tempdir().unwrap();
    let hub = folder.path().join("hub.db");
    let keys = |digit: &str, previous: Option<&str>| {
        let key = |digit: &str| HubKey::parse(&digit.repeat(64)).unwrap();
        Some(Keyring { key: key(digit), previous: previous.map(key) })
    };
    let body = br#"{"email": "quetzalcoatl@example.com"}"#.to_vec();
    let arrival = |id: &str| Arrival {
        system: "shop".into(),
        at: Timestamp(1),
        fate: Fate::Accepted,
        id: Some(id.into()),
        topic: None,
        body: body.clone(),
    };
    let clear = Inbox::open(&hub, 1 << 20, Envelope::default()).unwrap();
    clear.take(arrival("1")).await.unwrap();
    drop(clear);

    let envelope = Envelope::new(keys("a", None));
    assert_eq!(reseal(&hub, &envelope).unwrap(), 1, "what was kept in clear");
    let inbox = Inbox::open(&hub, 1 << 20, envelope.clone()).unwrap();
    inbox.take(arrival("2")).await.unwrap();

    let held = || {
        let files = std::fs::read_dir(folder.path()).unwrap();
        files.flat_map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect::<Vec<u8>>()
    };
    assert!(!held().windows(7).any(|seen| seen == b"quetzal"), "in no file");
    let look = Look::at(&hub).with(&envelope);
    let bodies = |look: &Look| -> Vec<Vec<u8>> {
        look.after("shop", 0, 10, 1 << 20).unwrap().into_iter().map(|it| it.body).collect()
    };
    assert_eq!(bodies(&look), [body.clone(), body.clone()]);
    assert_eq!(look.list(None, 9).unwrap()[0].bytes, Some(body.len() as u64));
    envelope.renew(keys("b", Some("a")));
    assert_eq!(reseal(&hub, &envelope).unwrap(), 2);
    envelope.renew(keys("b", None));
    assert_eq!(bodies(&look), [body.clone(), body]);
    assert!(Look::at(&hub).after("shop", 0, 10, 1 << 20).is_err(), "not without a key");
}
