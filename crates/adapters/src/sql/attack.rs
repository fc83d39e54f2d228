//! Documents, times and positions, under attack.

use syncline_core::{Text, change::Position, value::Value};
use syncline_ports::suite::parser::{attack, path};

use super::{json, poll::Poll, time};

#[test]
fn a_document_reads_back_as_it_was_and_keeps_what_is_not_ours() {
    let words = [
        "{\"a\":",
        "[",
        "]",
        "}",
        ",",
        "null",
        "1e999",
        "\"\\ud83d\\ude00\"",
        "\"\\u0000\"",
        "-0.0",
    ];
    attack(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/documents"), &words, |input| {
        let text = String::from_utf8_lossy(input);
        let document = match json::parse(&text) {
            Ok(document) => document,
            Err(problem) => return path((problem.code, problem.message.len() / 16)),
        };
        let printed = json::print(&document).expect("what was JSON is JSON");
        assert_eq!(json::parse(&printed).as_ref(), Ok(&document), "{printed}");
        let place = vec![Text::new("ours"), Text::new("deep")];
        let assigned = json::assign(Some(&text), &[(place.clone(), Value::int(1))]);
        if let Ok(assigned) = &assigned {
            let mut after = json::parse(assigned).expect("still JSON");
            assert_eq!(json::at(&after, &place), Some(&Value::int(1)));
            if let (Value::Map(before), Value::Map(after)) = (&document, &mut after) {
                let mut before = before.clone();
                before.remove("ours");
                after.remove("ours");
                assert_eq!(before, *after);
            }
        }
        path((document.kind(), assigned.is_ok(), text.len().ilog2()))
    });
}

#[test]
fn a_time_is_one_that_exists_or_none() {
    attack(
        concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/times"),
        &["-", ":", ".", "T", " ", "24", "60", "02-30"],
        |input| {
            let text = String::from_utf8_lossy(input);
            let (date, time) = (time::parse_date(&text), time::parse_time(&text));
            if let Some(days) = date {
                assert_eq!(Value::Date(days).to_string(), text);
            }
            assert!(time.is_none_or(|nanos| nanos < 86_400_000_000_000), "{text}");
            let local = time::parse_local(&text);
            if let Some((days, nanos)) = local {
                let shown = Value::LocalDateTime(days, nanos).to_string();
                assert_eq!(time::parse_local(&shown), Some((days, nanos)), "{text}");
            }
            path((date.is_some(), time.is_some(), local.is_some(), text.len().min(32)))
        },
    );
}

#[test]
fn a_position_is_one_of_ours_or_refused() {
    attack(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/positions"), &[], |input| {
        let Ok(poll) = Poll::resume(Some(&Position(input.to_vec()))) else { return 0 };
        let again = Poll::resume(Some(&poll.position())).expect("our own position");
        assert_eq!(again, poll);
        path(input.len().ilog2())
    });
}
