//! What a file may hold, under attack: declared types with any contents.

use rusqlite::types::ValueRef;
use syncline_ports::suite::parser::{attack, path, storable};

use super::types::Codec;

#[test]
fn a_cell_is_a_value_that_can_be_stored_or_a_problem() {
    let types = [
        "integer",
        "text",
        "blob",
        "real",
        "decimal(10,2)",
        "boolean",
        "date",
        "time",
        "datetime",
        "json",
        "uuid",
        "",
    ];
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/sqlite");
    attack(
        folder,
        &["-", ":", "T", "Z", "2024-02-30", "24:00:00", "{\"a\":[", "+02:00"],
        |input| {
            let [first, form, raw @ ..] = input else { return 0 };
            let number = usize::from(*first) % types.len();
            let wide = u64::from_le_bytes(std::array::from_fn(|index| {
                raw.get(index).copied().unwrap_or(0)
            }));
            let sample = (form & 4 != 0).then_some("2024-01-01T10:00:00Z");
            let codec = Codec::new("seen", types.get(number).expect("in range"), sample);
            let stored = match form % 4 {
                0 => ValueRef::Integer(wide.cast_signed()),
                1 => ValueRef::Real(f64::from_bits(wide)),
                2 => ValueRef::Blob(raw),
                _ => ValueRef::Text(raw),
            };
            match codec.decode(stored) {
                Ok(value) => {
                    storable(&value);
                    path((number, form % 8, value.kind()))
                }
                Err(problem) => path((number, form % 8, problem.code)),
            }
        },
    );
}
