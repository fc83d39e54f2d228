//! Writes in bad weather: what was done, what was not, and what nobody can know.

use serde_json::json;
use syncline_adapters::settings::api::{Method, Version};
use syncline_core::{
    change::{Outcome, RowKey, RowWrite, Token, WriteGroup, WriteKind},
    value::Value,
};
use syncline_ports::{
    suite::bench::{Bench as _, CONTACTS, Writer, number_key, shown, text},
    target::Target,
};

use super::{
    RestBench, path,
    server::{Answer, Weather},
    template,
};

async fn apply(target: &mut dyn Target, write: RowWrite) -> Outcome {
    let groups = [WriteGroup { writes: vec![write], park: false }];
    target.apply(&groups).await.remove(0).1
}

fn insert(email: &str) -> RowWrite {
    let set = [("email", text(email)), ("name", text("Ana"))];
    Writer::default().write(CONTACTS, WriteKind::Insert, None, &set, None)
}

fn rename(id: i64, name: &str) -> RowWrite {
    let (set, expect) = ([("name", text(name))], [("name", text("Ana"))]);
    let key = Some(number_key(&[id]));
    Writer::default().write(CONTACTS, WriteKind::Update, key, &set, Some(&expect))
}

fn applied(outcome: &Outcome) -> Option<&RowKey> {
    if let Outcome::Applied { key, .. } = outcome { Some(key) } else { None }
}

/// Every POST is served, and its answer lost.
fn loses_answers_of(method: &'static str) -> impl FnMut(&super::server::Request) -> Weather {
    move |request| if request.method == method { Weather::LostAnswer } else { Weather::Fair }
}

/// W1, by a look-up: the item whose answer was lost is found, and no second one is made.
#[tokio::test]
async fn w1_a_lost_answer_of_a_create_makes_no_second_item() {
    let mut bench = RestBench::new(Version::Etag).await;
    let (_source, mut target) = bench.doors().await;
    bench.server.weather(loses_answers_of("POST"));
    let first = apply(target.as_mut(), insert("a@example.com")).await;
    assert!(matches!(&first, Outcome::Unique { holder: Some(_), .. }), "{first:?}");
    bench.server.weather(|_| Weather::Fair);
    let again = apply(target.as_mut(), insert("a@example.com")).await;
    assert!(matches!(&again, Outcome::Unique { holder: Some(_), .. }), "{again:?}");
    assert_eq!(bench.count("contacts", &Vec::new()).await, 1);
}

/// W1, by a member that holds the record's number: what is found is certainly ours.
#[tokio::test]
async fn w1_an_external_id_finds_the_item_again() {
    let mut bench = RestBench::new(Version::None).await;
    bench.contacts(|contacts| {
        let create = contacts.create.as_mut().unwrap();
        create.external_id = Some(path("code"));
        create.find = Some(template("code={code}"));
    });
    let (_source, mut target) = bench.doors().await;
    bench.server.weather(loses_answers_of("POST"));
    let first = apply(target.as_mut(), insert("a@example.com")).await;
    assert_eq!(applied(&first), Some(&number_key(&[1])), "{first:?}");
    assert_eq!(bench.count("contacts", &Vec::new()).await, 1);
}

/// W1, by a key that makes it safe to send again.
#[tokio::test]
async fn w1_an_idempotency_key_goes_with_every_try() {
    let mut bench = RestBench::new(Version::Etag).await;
    bench.contacts(|contacts| {
        let create = contacts.create.as_mut().unwrap();
        (create.find, create.idempotency) = (None, Some("Idempotency-Key".into()));
    });
    let (_source, mut target) = bench.doors().await;
    let mut posts = 0;
    bench.server.weather(move |request| {
        posts += u32::from(request.method == "POST");
        if posts == 1 { Weather::Instead(Answer::new(502, &json!({}))) } else { Weather::Fair }
    });
    let outcome = apply(target.as_mut(), insert("a@example.com")).await;
    assert!(applied(&outcome).is_some(), "{outcome:?}");
    let keys: Vec<String> = bench
        .server
        .requests()
        .iter()
        .filter_map(|request| request.header("idempotency-key").map(str::to_owned))
        .collect();
    assert_eq!(keys.len(), 2);
    assert_eq!(keys.first(), keys.last(), "the same key");
}

#[tokio::test]
async fn a_create_that_nobody_can_look_for_stays_in_doubt() {
    let mut bench = RestBench::new(Version::None).await;
    bench.contacts(|contacts| contacts.create.as_mut().unwrap().find = None);
    let (_source, mut target) = bench.doors().await;
    bench.server.weather(loses_answers_of("POST"));
    let outcome = apply(target.as_mut(), insert("a@example.com")).await;
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
}

#[tokio::test]
async fn a_change_whose_answer_is_lost_is_in_doubt() {
    let mut bench = RestBench::new(Version::Etag).await;
    bench.contact(1, "a@example.com", "Ana");
    let (_source, mut target) = bench.doors().await;
    bench.server.weather(loses_answers_of("PATCH"));
    let outcome = apply(target.as_mut(), rename(1, "Bea")).await;
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
}

#[tokio::test]
async fn a_server_that_can_do_nothing_at_present_has_done_nothing() {
    let mut bench = RestBench::new(Version::Etag).await;
    let (_source, mut target) = bench.doors().await;
    bench.server.weather(|request| match request.method.as_str() {
        "POST" => Weather::Instead(Answer::new(503, &json!({}))),
        _ => Weather::Fair,
    });
    let outcome = apply(target.as_mut(), insert("a@example.com")).await;
    assert!(matches!(&outcome, Outcome::Retry { reason } if reason.contains("503")), "{outcome:?}");
}

#[tokio::test]
async fn somebody_who_comes_between_read_and_write_is_not_overwritten() {
    let mut bench = RestBench::new(Version::Etag).await;
    bench.contact(1, "a@example.com", "Ana");
    let (_source, mut target) = bench.doors().await;
    let file = bench.directory.path().join("bench.db");
    bench.server.weather(move |request| {
        if request.method == "PATCH" {
            let other = rusqlite::Connection::open(&file).unwrap();
            other.execute("update contacts set name = 'Zoe' where id = 1", []).unwrap();
        }
        Weather::Fair
    });
    let outcome = apply(target.as_mut(), rename(1, "Bea")).await;
    let Outcome::Precondition { current: Some(current), token: Some(_) } = &outcome else {
        panic!("{outcome:?}");
    };
    assert!(shown(CONTACTS, current).contains("name=Zoe"));
}

#[tokio::test]
async fn a_token_that_holds_saves_the_read() {
    let mut bench = RestBench::new(Version::Etag).await;
    bench.contact(1, "a@example.com", "Ana");
    let (_source, mut target) = bench.doors().await;
    let Outcome::Applied { token: Some(token), .. } =
        apply(target.as_mut(), rename(1, "Bea")).await
    else {
        panic!("it was not renamed");
    };
    bench.server.forget();
    let (set, expect) = ([("name", text("Cleo"))], [("name", text("Bea"))]);
    let key = Some(number_key(&[1]));
    let mut write = Writer::default().write(CONTACTS, WriteKind::Update, key, &set, Some(&expect));
    write.token = Some(token);
    let outcome = apply(target.as_mut(), write.clone()).await;
    assert!(applied(&outcome).is_some(), "{outcome:?}");
    assert_eq!(bench.server.asked(), ["PATCH /contacts/1"]);
    write.token = Some(Token(b"\"stale\"".to_vec()));
    let outcome = apply(target.as_mut(), write).await;
    assert!(matches!(outcome, Outcome::Precondition { .. }), "{outcome:?}");
}

#[tokio::test]
async fn a_server_that_sends_no_version_is_not_written_as_if_it_did() {
    let mut bench = RestBench::new(Version::Etag).await;
    bench.contact(1, "a@example.com", "Ana");
    let (_source, mut target) = bench.doors().await;
    bench.server.weather(|_| {
        Weather::Changed(|mut answer| {
            answer.headers.retain(|(name, _)| name != "ETag");
            answer
        })
    });
    let outcome = apply(target.as_mut(), rename(1, "Bea")).await;
    assert!(
        matches!(&outcome, Outcome::Retry { reason } if reason.contains("no version")),
        "{outcome:?}"
    );
    assert_eq!(bench.server.asked(), ["GET /contacts/1"]);
}

#[tokio::test]
async fn a_version_in_the_item_is_sent_as_it_was_read() {
    let mut bench = RestBench::new(Version::Field(path("touched"))).await;
    bench.contact(1, "a@example.com", "Ana");
    let (_source, mut target) = bench.doors().await;
    let outcome = apply(target.as_mut(), rename(1, "Bea")).await;
    assert!(
        matches!(&outcome, Outcome::Applied { token: Some(Token(token)), .. } if token == b"0")
    );
    let patch =
        bench.server.requests().into_iter().find(|request| request.method == "PATCH").unwrap();
    assert_eq!(patch.body, r#"{"name":"Bea","touched":0}"#);
}

#[tokio::test]
async fn a_whole_item_is_sent_back_with_what_is_not_ours() {
    let mut bench = RestBench::new(Version::Etag).await;
    bench.contact(1, "a@example.com", "Ana");
    bench.other.execute("update contacts set extra = 'theirs' where id = 1", []).unwrap();
    bench.contacts(|contacts| {
        let update = contacts.update.as_mut().unwrap();
        (update.request.method, update.is_whole) = (Method::Put, true);
    });
    let (_source, mut target) = bench.doors().await;
    let outcome = apply(target.as_mut(), rename(1, "Bea")).await;
    assert!(applied(&outcome).is_some(), "{outcome:?}");
    let put = bench.server.requests().into_iter().find(|request| request.method == "PUT").unwrap();
    let sent: serde_json::Value = serde_json::from_str(&put.body).unwrap();
    assert_eq!((&sent["extra"], &sent["name"]), (&json!("theirs"), &json!("Bea")));
}

/// W12: what the server made of a value is the image, whatever it answered.
#[tokio::test]
async fn w12_what_is_not_answered_is_read_back() {
    let mut bench = RestBench::new(Version::None).await;
    bench.contact(1, "a@example.com", "Ana");
    let (_source, mut target) = bench.doors().await;
    bench.server.weather(|request| match request.method.as_str() {
        "PATCH" => Weather::Changed(|_| Answer { status: 204, ..Answer::default() }),
        _ => Weather::Fair,
    });
    let key = Some(number_key(&[1]));
    let set = [("code", text("abc"))];
    let expect = [("code", Value::Null)];
    let write = Writer::default().write(CONTACTS, WriteKind::Update, key, &set, Some(&expect));
    let outcome = apply(target.as_mut(), write).await;
    let Outcome::Applied { post: Some(post), .. } = &outcome else { panic!("{outcome:?}") };
    assert!(shown(CONTACTS, post).contains("code=ABC"), "{}", shown(CONTACTS, post));
}

#[tokio::test]
async fn a_conflict_is_looked_at() {
    let mut bench = RestBench::new(Version::None).await;
    let (_source, mut target) = bench.doors().await;
    assert!(applied(&apply(target.as_mut(), insert("a@example.com")).await).is_some());
    bench.server.weather(|request| match request.method.as_str() {
        "PATCH" => Weather::Instead(Answer::new(409, &json!({"error": "busy"}))),
        _ => Weather::Fair,
    });
    // Nobody has changed it, and no other item holds what it wants: it is refused with what was said.
    let outcome = apply(target.as_mut(), rename(1, "Eva")).await;
    let Outcome::Invalid { code: "write.refused", reason } = &outcome else {
        panic!("{outcome:?}")
    };
    assert!(reason.contains("409"), "{reason}");
    // Somebody has: that is read, and decided about.
    bench.other.execute("update contacts set name = 'Ida' where id = 1", []).unwrap();
    let outcome = apply(target.as_mut(), rename(1, "Eva")).await;
    assert!(matches!(&outcome, Outcome::Precondition { current: Some(_), .. }), "{outcome:?}");
}

#[tokio::test]
async fn a_refusal_says_what_the_server_said() {
    let mut bench = RestBench::new(Version::Etag).await;
    let (_source, mut target) = bench.doors().await;
    bench.server.weather(|request| match request.method.as_str() {
        "POST" => {
            let body = json!({"errors": {"name": ["is too long"]}});
            Weather::Instead(Answer::new(422, &body))
        }
        _ => Weather::Fair,
    });
    let outcome = apply(target.as_mut(), insert("a@example.com")).await;
    let Outcome::Invalid { code, reason } = &outcome else { panic!("{outcome:?}") };
    assert_eq!(*code, "write.refused");
    assert_eq!(reason.as_str(), r#"it answered 422: {"name":["is too long"]}"#);
}

#[tokio::test]
async fn what_a_row_holds_never_leads_a_request_elsewhere() {
    let mut bench = RestBench::new(Version::None).await;
    let (_source, mut target) = bench.doors().await;
    let key = Some(RowKey::new([&text("../orders/1?x=#")]));
    let write = Writer::default().write(CONTACTS, WriteKind::Delete, key, &[], Some(&[]));
    let outcome = apply(target.as_mut(), write).await;
    assert!(matches!(outcome, Outcome::Precondition { current: None, .. }), "{outcome:?}");
    assert_eq!(bench.server.asked(), ["GET /contacts/..%2Forders%2F1%3Fx%3D%23"]);
}
