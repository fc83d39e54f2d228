//! What a server may send as its log, under attack: any message after any other.

use std::collections::BTreeMap;

use bytes::Bytes;
use syncline_core::{change::Position, name::BindingIndex};
use syncline_ports::suite::parser::{attack, path};

use super::{
    decode::{Decoder, Event, Wanted},
    message,
    position::Place,
};

const LONGEST: usize = 1 << 12;

/// The bytes are messages, each behind its tag and length, as on the wire.
#[test]
fn a_log_is_hints_or_an_error() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/wal");
    attack(folder, &["pg\0", "contacts\0d", "\0\0\0\x04", "id\0", "N\0\x02t\0\0\0\x01"], |input| {
        let wanted = [(BindingIndex(0), "id"), (BindingIndex(1), "name")]
            .map(|(binding, column)| Wanted { binding, key: vec![column.into()] });
        let mut decoder = Decoder::new(BTreeMap::from([(16_385, wanted.to_vec())]));
        let (mut rest, mut kinds) = (input, Vec::new());
        while let Ok(Some((tag, length))) = message::header(rest, LONGEST) {
            let Some((body, after)) =
                rest.get(message::HEADER..).and_then(|rest| rest.split_at_checked(length))
            else {
                break;
            };
            rest = after;
            let _refused = message::said(body);
            let _identity = message::identity(body);
            let Ok(streamed) = message::streamed(Bytes::copy_from_slice(body)) else {
                return path((tag, "refused"));
            };
            let Some(message::Streamed::Data(data)) = streamed else { continue };
            let mut count = 0;
            let decoded = decoder.decode(&data, &mut |event| {
                count += 1;
                kinds.push(kind(&event));
            });
            assert!(count <= data.len(), "more events than bytes");
            if decoded.is_err() {
                kinds.push(9);
                break;
            }
        }
        let _place = Place::decode(&Position(input.to_vec()));
        kinds.truncate(8);
        path(kinds)
    });
}

fn kind(event: &Event) -> u8 {
    match event {
        Event::Begin { .. } => 0,
        Event::Row { key, .. } => 1 + u8::from(key.iter().any(|part| part.is_empty())),
        Event::Unnamed { .. } => 3,
        Event::Commit { .. } => 4,
        Event::Passed { .. } => 5,
        Event::Named { .. } => 6,
        Event::Told { .. } => 7,
    }
}
