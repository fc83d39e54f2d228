//! What a server may send, under attack: announced types with any bytes.

use syncline_ports::suite::parser::{attack, path, storable};

use super::value::Codec;

#[test]
fn a_cell_is_a_value_that_can_be_stored_or_refused() {
    let codecs = [
        Codec::Bool,
        Codec::Int2,
        Codec::Int4,
        Codec::Int8,
        Codec::Oid,
        Codec::Float4,
        Codec::Float8,
        Codec::Numeric,
        Codec::Text,
        Codec::Padded,
        Codec::Bytes,
        Codec::Uuid,
        Codec::Date,
        Codec::Time,
        Codec::Timestamp,
        Codec::Timestamptz,
        Codec::Interval,
        Codec::Json,
        Codec::Jsonb,
        Codec::Array(Box::new(Codec::Text)),
        Codec::Array(Box::new(Codec::Numeric)),
    ];
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/postgres");
    attack(folder, &["{\"a\":[", "NaN", "\0\0\0\x01"], |input| {
        let Some((first, raw)) = input.split_first() else { return 0 };
        let number = usize::from(*first) % codecs.len();
        match codecs.get(number).expect("in range").decode(Some(raw)) {
            Ok(value) => {
                storable(&value);
                path((number, value.kind(), raw.len().checked_ilog2().min(Some(4))))
            }
            Err(refusal) => path((number, refusal.code, refusal.reason)),
        }
    });
}
