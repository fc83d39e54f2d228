//! Lists that prove nothing, answers that are none, and servers that lead elsewhere.

use serde_json::json;
use syncline_adapters::settings::api::{Auth, Next, Version};
use syncline_core::{
    change::{Position, ReadResult},
    error::{ErrorKind, PortError},
    name::OperationId,
};
use syncline_ports::{
    source::{Batch, KeyRead, Limit, ReadRequest, Source, Then},
    suite::bench::{CONTACTS, STOCK, number_key},
};

use super::{
    RestBench, path,
    server::{Answer, Weather},
};

const LIMIT: Limit = Limit { rows: 100, bytes: 1 << 24 };

async fn bench() -> RestBench {
    let bench = RestBench::new(Version::Etag).await;
    for id in 1..=20 {
        bench.contact(id, &format!("c{id}@example.com"), "Ana");
    }
    bench
}

/// How a scan of contacts ends: rows shown, and what is said.
async fn scan(source: &mut dyn Source) -> Result<(usize, Then), PortError> {
    let (mut count, mut after) = (0, None::<Position>);
    loop {
        let request = ReadRequest::Scan { binding: CONTACTS, after };
        let batch = source.read(&request, LIMIT).await?;
        count += batch.rows.len() + batch.refused.len();
        if batch.then != Then::More {
            return Ok((count, batch.then));
        }
        after = batch.upto;
    }
}

fn incomplete(ended: Result<(usize, Then), PortError>) -> String {
    match ended.unwrap().1 {
        Then::ScanIncomplete { reason } => reason.to_string(),
        then @ (Then::More | Then::Idle | Then::ScanComplete { .. }) => format!("{then:?}"),
    }
}

async fn read_one(source: &mut dyn Source, id: i64) -> Result<Batch, PortError> {
    let (key, operation) = (number_key(&[id]), OperationId(1));
    let keys = vec![KeyRead { key, operation, in_doubt: Vec::new() }];
    source.read(&ReadRequest::Keys { binding: CONTACTS, keys }, LIMIT).await
}

#[tokio::test]
async fn credentials_and_headers_go_with_every_request() {
    let mut bench = bench().await;
    let (mut source, _target) = bench.doors().await;
    scan(source.as_mut()).await.unwrap();
    for request in bench.server.requests() {
        assert_eq!(request.header("authorization"), Some("Bearer s3cret-token"));
        assert_eq!(request.header("x-tenant"), Some("acme"));
    }
    bench.api.auth = Auth::Query("key".into(), syncline_adapters::settings::Secret::new("a&b"));
    bench.server.forget();
    let (mut source, _target) = bench.doors().await;
    scan(source.as_mut()).await.unwrap();
    assert!(bench.server.requests().iter().all(|request| request.parameter("key") == Some("a&b")));
    let secret = || syncline_adapters::settings::Secret::new("Aladdin's");
    for (auth, header, value) in [
        (Auth::Basic("user".into(), secret()), "authorization", "Basic dXNlcjpBbGFkZGluJ3M="),
        (Auth::Header("X-Api-Key".into(), secret()), "x-api-key", "Aladdin's"),
    ] {
        bench.api.auth = auth;
        bench.server.forget();
        let (mut source, _target) = bench.doors().await;
        scan(source.as_mut()).await.unwrap();
        let requests = bench.server.requests();
        assert!(
            requests.iter().all(|request| request.header(header) == Some(value)),
            "{requests:?}"
        );
    }
}

#[tokio::test]
async fn an_answer_may_come_in_chunks() {
    let mut bench = bench().await;
    bench.server.weather(|_| {
        Weather::Changed(|mut answer| {
            let mut chunks = Vec::new();
            for part in answer.body.chunks(7) {
                chunks.extend(format!("{:x}\r\n", part.len()).bytes());
                chunks.extend([part, b"\r\n"].concat());
            }
            chunks.extend(b"0\r\n\r\n");
            answer.body = chunks;
            answer.with("Transfer-Encoding", "chunked")
        })
    });
    let (mut source, _target) = bench.doors().await;
    assert_eq!(scan(source.as_mut()).await, Ok((20, Then::ScanComplete { rows: 20 })));
}

#[tokio::test]
async fn pages_that_are_cut_in_silence_are_read_on() {
    let mut bench = bench().await;
    // The server gives three items a page, whatever it is asked for.
    bench.contacts(|contacts| contacts.size = Some(("limit".into(), 3)));
    let (mut source, _target) = bench.doors().await;
    assert_eq!(scan(source.as_mut()).await, Ok((20, Then::ScanComplete { rows: 20 })));
}

#[tokio::test]
async fn a_full_page_with_nowhere_to_go_proves_nothing() {
    let mut bench = bench().await;
    bench.contacts(|contacts| contacts.next = Next::None);
    let (mut source, _target) = bench.doors().await;
    assert!(incomplete(scan(source.as_mut()).await).starts_with("there is another page"));
}

#[tokio::test]
async fn a_total_that_moves_proves_nothing() {
    let mut bench = bench().await;
    for number in 0..20 {
        let sql = "insert into stock (sku, site, qty) values (?1, 'paris', 1)";
        bench.other.execute(sql, [format!("S{number:02}")]).unwrap();
    }
    let (mut source, _target) = bench.doors().await;
    let first = ReadRequest::Scan { binding: STOCK, after: None };
    let mut batch = source.read(&first, LIMIT).await.unwrap();
    bench.other.execute("delete from stock where sku = 'S00'", []).unwrap();
    while batch.then == Then::More {
        let request = ReadRequest::Scan { binding: STOCK, after: batch.upto };
        batch = source.read(&request, LIMIT).await.unwrap();
    }
    assert!(matches!(&batch.then, Then::ScanIncomplete { reason } if reason.contains("moved")));
}

#[tokio::test]
async fn an_item_shown_twice_proves_nothing() {
    let mut bench = bench().await;
    bench.contacts(|contacts| contacts.next = Next::Offset("offset".into()));
    let (mut source, _target) = bench.doors().await;
    let first = ReadRequest::Scan { binding: CONTACTS, after: None };
    let mut batch = source.read(&first, LIMIT).await.unwrap();
    bench.contact(-1, "first@example.com", "Ana");
    while batch.then == Then::More {
        let request = ReadRequest::Scan { binding: CONTACTS, after: batch.upto };
        batch = source.read(&request, LIMIT).await.unwrap();
    }
    assert!(matches!(&batch.then, Then::ScanIncomplete { reason } if reason.contains("twice")));
}

#[tokio::test]
async fn every_way_to_the_next_page_shows_all_items_once_and_proves_it() {
    let mut bench = bench().await;
    let ways = [
        Next::LinkHeader,
        Next::Url(path("url")),
        Next::Cursor(path("next"), "at".into()),
        Next::Page("page".into(), 1),
        Next::Offset("offset".into()),
        Next::After("after".into()),
    ];
    for next in ways {
        bench.contacts(|contacts| contacts.next = next.clone());
        bench.server.forget();
        let (mut source, _target) = bench.doors().await;
        let (count, then) = scan(source.as_mut()).await.unwrap();
        assert_eq!((count, then), (20, Then::ScanComplete { rows: 20 }), "{next:?}");
        assert!(bench.server.requests().len() >= 3, "{next:?}: seven by seven");
    }
}

#[tokio::test]
async fn a_cursor_that_repeats_is_an_error_and_not_an_end() {
    let mut bench = bench().await;
    bench.contacts(|contacts| contacts.next = Next::Cursor(path("next"), "at".into()));
    bench.server.weather(|_| {
        Weather::Instead(Answer::new(200, &json!({"items": [{"id": 1}], "next": "same"})))
    });
    bench.contacts(|contacts| contacts.absent_is_null = true);
    let (mut source, _target) = bench.doors().await;
    let error = scan(source.as_mut()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Answer);
}

#[tokio::test]
async fn a_place_that_is_known_no_more_is_no_end() {
    let mut bench = bench().await;
    let (mut source, _target) = bench.doors().await;
    let first = ReadRequest::Scan { binding: CONTACTS, after: None };
    let cut = source.read(&first, LIMIT).await.unwrap().upto.unwrap();
    bench.server.weather(|request| match request.parameter("after") {
        Some("7") => Weather::Instead(Answer::new(400, &json!({"message": "cursor expired"}))),
        _ => Weather::Fair,
    });
    // It is read from the beginning, and its pages are others now.
    bench.contacts(|contacts| contacts.size = Some(("limit".into(), 6)));
    let (mut source, _target) = bench.doors().await;
    let request = ReadRequest::ScanFrom { binding: CONTACTS, from: cut };
    let mut batch = source.read(&request, LIMIT).await.unwrap();
    let mut count = batch.rows.len();
    while batch.then == Then::More {
        let request = ReadRequest::Scan { binding: CONTACTS, after: batch.upto };
        batch = source.read(&request, LIMIT).await.unwrap();
        count += batch.rows.len();
    }
    assert_eq!((count, batch.then), (20, Then::ScanComplete { rows: 20 }));
}

#[tokio::test]
async fn a_scan_that_was_cut_goes_on_although_rows_went_and_came_before_the_cut() {
    let mut bench = bench().await;
    let (mut source, _target) = bench.doors().await;
    let first = ReadRequest::Scan { binding: CONTACTS, after: None };
    let cut = source.read(&first, LIMIT).await.unwrap().upto.unwrap();
    bench.other.execute("delete from contacts where id = 3", []).unwrap();
    bench.contact(-5, "early@example.com", "Ana");
    bench.other.execute("delete from contacts where id = 4", []).unwrap();
    let (mut source, _target) = bench.doors().await;
    let request = ReadRequest::ScanFrom { binding: CONTACTS, from: cut };
    let mut batch = source.read(&request, LIMIT).await.unwrap();
    let mut shown: Vec<String> = batch.rows.iter().map(|row| row.key.to_string()).collect();
    while batch.then == Then::More {
        let request = ReadRequest::Scan { binding: CONTACTS, after: batch.upto };
        batch = source.read(&request, LIMIT).await.unwrap();
        shown.extend(batch.rows.iter().map(|row| row.key.to_string()));
    }
    let all: Vec<String> =
        (8..=20).chain([-5, 1, 2]).chain(5..=7).map(|id: i64| id.to_string()).collect();
    assert_eq!((shown, batch.then), (all, Then::ScanComplete { rows: 19 }));
}

#[tokio::test]
async fn a_list_without_end_is_given_up() {
    let mut bench = bench().await;
    bench.contacts(|contacts| contacts.next = Next::Cursor(path("next"), "at".into()));
    let mut number = 0;
    bench.server.weather(move |_| {
        number += 1;
        Weather::Instead(Answer::new(200, &json!({"items": [], "next": number})))
    });
    let (mut source, _target) = bench.doors().await;
    let error = scan(source.as_mut()).await.unwrap_err();
    assert!(error.detail.contains("page after page is empty"), "{error}");
}

#[tokio::test]
async fn a_page_that_fails_for_good_ends_the_scan_without_a_proof() {
    let mut bench = bench().await;
    let mut pages = 0;
    bench.server.weather(move |_| {
        pages += 1;
        if pages < 3 { Weather::Fair } else { Weather::Instead(Answer::new(502, &json!({}))) }
    });
    let (mut source, _target) = bench.doors().await;
    let error = scan(source.as_mut()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unreachable);
}

#[tokio::test]
async fn a_read_that_fails_once_is_read_again() {
    let mut bench = bench().await;
    let mut asked = 0;
    bench.server.weather(move |_| {
        asked += 1;
        match asked {
            2 => Weather::LostAnswer,
            4 => Weather::Instead(Answer::new(500, &json!({"message": "oh"}))),
            _ => Weather::Fair,
        }
    });
    let (mut source, _target) = bench.doors().await;
    assert_eq!(scan(source.as_mut()).await, Ok((20, Then::ScanComplete { rows: 20 })));
}

#[tokio::test]
async fn only_not_found_is_gone() {
    let mut bench = bench().await;
    let (mut source, _target) = bench.doors().await;
    let batch = read_one(source.as_mut(), 99).await.unwrap();
    assert_eq!(batch.answers[0].result, ReadResult::Absent);
    for status in [400, 418] {
        bench.server.weather(move |_| Weather::Instead(Answer::new(status, &json!({}))));
        let batch = read_one(source.as_mut(), 1).await.unwrap();
        assert!(matches!(batch.answers[0].result, ReadResult::Failed(_)), "{status}");
    }
    for status in [500, 503] {
        bench.server.weather(move |_| Weather::Instead(Answer::new(status, &json!({}))));
        let error = read_one(source.as_mut(), 1).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unreachable, "{status}");
    }
    for (status, kind) in [(401, ErrorKind::Credentials), (403, ErrorKind::Forbidden)] {
        bench.server.weather(move |_| Weather::Instead(Answer::new(status, &json!({}))));
        assert_eq!(read_one(source.as_mut(), 1).await.unwrap_err().kind, kind);
    }
    // A path that does not exist says the same, on a page for people.
    bench.server.weather(|_| {
        let body = b"<html>Cannot GET /contacts/1</html>".to_vec();
        Weather::Instead(Answer { status: 404, headers: Vec::new(), body })
    });
    let error = read_one(source.as_mut(), 1).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Answer);
}

#[tokio::test]
async fn an_item_that_nobody_says_anything_of_is_not_answered_and_holds_up_no_other() {
    let mut bench = bench().await;
    let (mut source, _target) = bench.doors().await;
    let keys = [1, 2, 3, 4, 5].map(|id| KeyRead {
        key: number_key(&[id]),
        operation: OperationId(1),
        in_doubt: Vec::new(),
    });
    for fault in [
        Weather::LostAnswer,
        Weather::Instead(Answer::new(500, &json!({}))),
        Weather::Instead(Answer { status: 200, headers: Vec::new(), body: b"<html>".to_vec() }),
    ] {
        bench.server.weather(move |request| {
            if request.path.ends_with("/2") { fault.clone() } else { Weather::Fair }
        });
        let request = ReadRequest::Keys { binding: CONTACTS, keys: keys.to_vec() };
        let answers = source.read(&request, LIMIT).await.unwrap().answers;
        let found = |id: i64| answers.iter().any(|answer| answer.key == number_key(&[id]));
        assert_eq!([1, 2, 3, 4, 5].map(found), [true, false, true, true, true]);
    }
}

#[tokio::test]
async fn a_page_for_people_is_no_list() {
    let mut bench = bench().await;
    bench.server.weather(|_| {
        let headers = vec![("Content-Type".into(), "application/json".into())];
        let body = b"  <!doctype html><title>Log in</title>".to_vec();
        Weather::Instead(Answer { status: 200, headers, body })
    });
    let (mut source, _target) = bench.doors().await;
    let error = scan(source.as_mut()).await.unwrap_err();
    assert!(error.detail.contains("an HTML page instead of JSON"), "{error}");
}

#[tokio::test]
async fn an_error_that_says_200_is_no_empty_list() {
    let mut bench = bench().await;
    bench.server.weather(|_| {
        Weather::Instead(Answer::new(200, &json!({"error": {"message": "try later"}})))
    });
    let (mut source, _target) = bench.doors().await;
    let error = scan(source.as_mut()).await.unwrap_err();
    assert!(error.detail.contains("there is no list at `items`"), "{error}");
}

#[tokio::test]
async fn json_that_calls_itself_something_else_is_read() {
    let mut bench = bench().await;
    bench.server.weather(|_| {
        Weather::Changed(|mut answer| {
            answer.headers.retain(|(name, _)| name != "Content-Type");
            answer.body.splice(0..0, *b"\xef\xbb\xbf");
            answer.with("Content-Type", "text/html; charset=latin1")
        })
    });
    let (mut source, _target) = bench.doors().await;
    assert_eq!(scan(source.as_mut()).await, Ok((20, Then::ScanComplete { rows: 20 })));
}

#[tokio::test]
async fn numbers_are_exact() {
    let mut bench = bench().await;
    bench.contacts(|contacts| {
        (contacts.next, contacts.size, contacts.absent_is_null) = (Next::None, None, true);
    });
    bench.server.weather(|_| {
        let body =
            br#"{"items": [{"id": 9007199254740993, "order": 0.10000000000000000000000001}]}"#;
        Weather::Instead(Answer { status: 200, headers: Vec::new(), body: body.to_vec() })
    });
    let (mut source, _target) = bench.doors().await;
    let request = ReadRequest::Scan { binding: CONTACTS, after: None };
    let batch = source.read(&request, LIMIT).await.unwrap();
    let row = &batch.rows[0];
    let order = syncline_ports::suite::bench::field_of(CONTACTS, "order");
    let order = row.row.as_ref().unwrap().value(order).unwrap().to_string();
    assert_eq!(row.key.to_string(), "9007199254740993");
    assert_eq!(order, "0.10000000000000000000000001");
}

#[tokio::test]
async fn packed_answers_are_unpacked() {
    use std::io::Write as _;
    let mut bench = bench().await;
    bench.server.weather(|_| {
        Weather::Changed(|mut answer| {
            let level = flate2::Compression::fast();
            let mut packer = flate2::write::GzEncoder::new(Vec::new(), level);
            packer.write_all(&answer.body).unwrap();
            answer.body = packer.finish().unwrap();
            answer.with("Content-Encoding", "gzip")
        })
    });
    let (mut source, _target) = bench.doors().await;
    assert_eq!(scan(source.as_mut()).await, Ok((20, Then::ScanComplete { rows: 20 })));
}

#[tokio::test]
async fn no_redirect_takes_the_credentials_to_another_place() {
    let mut bench = bench().await;
    bench.server.weather(|_| {
        let answer = Answer::new(302, &json!({}));
        Weather::Instead(answer.with("Location", "http://127.0.0.1:1/api/contacts"))
    });
    let (mut source, _target) = bench.doors().await;
    let error = scan(source.as_mut()).await.unwrap_err();
    assert!(error.detail.contains("leads to another place"), "{error}");
    // Within the system it is followed.
    bench.server.weather(|request| {
        if request.path == "/contacts" {
            let query: Vec<String> =
                request.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let to = format!("/api/contacts/?{}", query.join("&"));
            return Weather::Instead(Answer::new(307, &json!({})).with("Location", &to));
        }
        Weather::Fair
    });
    assert_eq!(scan(source.as_mut()).await, Ok((20, Then::ScanComplete { rows: 20 })));
}

#[tokio::test]
async fn what_a_list_leaves_out_is_asked_of_the_item() {
    let mut bench = bench().await;
    // Lists show no phone numbers.
    bench.other.execute("update contacts set phone = '1' where id = 1", []).unwrap();
    bench.server.weather(|request| {
        if request.path != "/contacts" {
            return Weather::Fair;
        }
        Weather::Changed(|mut answer| {
            let text = String::from_utf8(answer.body).unwrap();
            answer.body = text.replace("\"phone\":", "\"hidden\":").into_bytes();
            answer
        })
    });
    let (mut source, _target) = bench.doors().await;
    let request = ReadRequest::Scan { binding: CONTACTS, after: None };
    let batch = source.read(&request, LIMIT).await.unwrap();
    let phone = syncline_ports::suite::bench::field_of(CONTACTS, "phone");
    let found = batch.rows[0].row.as_ref().unwrap().value(phone).unwrap().to_string();
    assert_eq!(found, "1");
}

#[tokio::test]
async fn a_system_that_asks_to_wait_is_left_alone_for_so_long() {
    let mut bench = bench().await;
    let mut asked = 0;
    bench.server.weather(move |_| {
        asked += 1;
        match asked {
            1 => Weather::Instead(Answer::new(429, &json!({})).with("Retry-After", "0")),
            _ => Weather::Fair,
        }
    });
    let (mut source, _target) = bench.doors().await;
    assert_eq!(scan(source.as_mut()).await, Ok((20, Then::ScanComplete { rows: 20 })));
    // For longer than one call may wait: nothing is lost, it is another time's business.
    bench
        .server
        .weather(|_| Weather::Instead(Answer::new(429, &json!({})).with("Retry-After", "600")));
    let error = scan(source.as_mut()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Throttled);
    bench.server.forget();
    let error = read_one(source.as_mut(), 1).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Throttled);
    assert_eq!(bench.server.asked(), Vec::<String>::new(), "nobody asks meanwhile");
}
