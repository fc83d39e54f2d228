//! The outbox: each thing said once, until it is taken.

use super::*;

fn draft(topic: &str, body: &str) -> Draft {
    Draft {
        channel: "ops".into(),
        topic: topic.into(),
        event: "conflict.opened".into(),
        body: body.into(),
        count: 1,
        at: Timestamp(5),
        due: Timestamp(10),
        undoes: None,
    }
}

#[test]
fn what_is_over_before_it_was_told_is_not_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut outbox = Outbox::open(&folder.path().join("hub.db")).unwrap();
    let over = Draft {
        event: "conflict.resolved".into(),
        undoes: Some("conflict.opened".into()),
        ..draft("a", "over")
    };
    for draft in [draft("a", "open"), over.clone()] {
        outbox.change(&Change { drafts: vec![draft], ..Change::default() }).unwrap();
    }
    assert_eq!(outbox.due(Timestamp(99), 10).unwrap(), []);
    // What was told is told to be over.
    outbox.change(&Change { drafts: vec![draft("a", "open")], ..Change::default() }).unwrap();
    let due = outbox.due(Timestamp(99), 10).unwrap();
    outbox.fared(&[(due[0].number, Fared::Sent)]).unwrap();
    outbox.change(&Change { drafts: vec![over], ..Change::default() }).unwrap();
    assert_eq!(outbox.due(Timestamp(99), 10).unwrap()[0].body, "over");
}

#[test]
fn what_is_said_twice_before_it_is_sent_is_one_message_with_a_count() {
    let folder = tempfile::tempdir().unwrap();
    let mut outbox = Outbox::open(&folder.path().join("hub.db")).unwrap();
    for drafts in [vec![draft("a", "1"), draft("b", "2")], vec![draft("a", "3")]] {
        outbox.change(&Change { drafts, ..Change::default() }).unwrap();
    }
    assert_eq!(outbox.due(Timestamp(9), 10).unwrap(), []);
    let due = outbox.due(Timestamp(10), 10).unwrap();
    let told: Vec<_> =
        due.iter().map(|it| (it.topic.as_str(), it.body.as_str(), it.count)).collect();
    assert_eq!(told, [("a", "3", 2), ("b", "2", 1)]);
    // What is being sent is not changed any more.
    let again = Fared::Again(Timestamp(99), "503".into());
    outbox.fared(&[(due[0].number, again), (due[1].number, Fared::Sent)]).unwrap();
    outbox.change(&Change { drafts: vec![draft("a", "4")], ..Change::default() }).unwrap();
    let due = outbox.due(Timestamp(99), 10).unwrap();
    assert_eq!(due.iter().map(|it| it.body.as_str()).collect::<Vec<_>>(), ["4", "3"]);
    assert_eq!(outbox.waiting().unwrap(), [("ops".into(), 2, None)]);
}

#[test]
fn what_is_known_to_be_so_is_there_after_it_was_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let hub = folder.path().join("hub.db");
    let opened = vec![("a".to_owned(), 1), ("a".to_owned(), 2)];
    let known = vec![("run".to_owned(), "7".to_owned())];
    let mut outbox = Outbox::open(&hub).unwrap();
    outbox.change(&Change { opened, known, ..Change::default() }).unwrap();
    drop(outbox);
    let mut outbox = Outbox::open(&hub).unwrap();
    let closed = vec![("a".to_owned(), 1)];
    outbox.change(&Change { closed, ..Change::default() }).unwrap();
    assert_eq!(outbox.open_things().unwrap(), [("a".to_owned(), 2)]);
    assert_eq!(outbox.known("run").unwrap().as_deref(), Some("7"));
}

#[test]
fn what_is_sent_nowhere_waits_until_it_is_sent_there_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut outbox = Outbox::open(&folder.path().join("hub.db")).unwrap();
    outbox.change(&Change { drafts: vec![draft("a", "1")], ..Change::default() }).unwrap();
    outbox.disable("ops", "410", Timestamp(11)).unwrap();
    assert_eq!(outbox.due(Timestamp(99), 10).unwrap(), []);
    assert_eq!(outbox.waiting().unwrap(), [("ops".into(), 1, Some("410".into()))]);
    outbox.enable_all().unwrap();
    assert_eq!(outbox.due(Timestamp(99), 10).unwrap().len(), 1);
}
