//! What a server may send, under attack: announced types with any bytes.

use mysql_async::Value as Cell;
use syncline_ports::suite::parser::{attack, path, storable};

use super::types::{Wire, decode};

#[test]
fn a_cell_is_a_value_that_can_be_stored_or_refused() {
    let wires = [
        Wire::Int,
        Wire::Bit,
        Wire::Decimal,
        Wire::Float,
        Wire::Double,
        Wire::Text,
        Wire::Enum,
        Wire::Set,
        Wire::Bytes,
        Wire::Uuid,
        Wire::Date,
        Wire::DateTime,
        Wire::Timestamp,
        Wire::Time,
        Wire::Json,
    ];
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/mysql");
    attack(
        folder,
        &["0000-00-00", "-838:59:59", ",", "{\"a\":[", "24:00:00", "2024-02-30 "],
        |input| {
            let [first, form, raw @ ..] = input else { return 0 };
            let number = usize::from(*first) % wires.len();
            let at = |index: usize| raw.get(index).copied().unwrap_or(0);
            let wide = u64::from_le_bytes(std::array::from_fn(at));
            let cell = match form % 8 {
                0 => Cell::Int(wide.cast_signed()),
                1 => Cell::UInt(wide),
                2 => Cell::Float(f32::from_bits(wide as u32)),
                3 => Cell::Double(f64::from_bits(wide)),
                4 => {
                    Cell::Date(wide as u16, at(2), at(3), at(4), at(5), at(6), (wide >> 40) as u32)
                }
                5 => Cell::Time(at(0) > 0, wide as u32, at(4), at(5), at(6), (wide >> 32) as u32),
                _ => Cell::Bytes(raw.to_vec()),
            };
            match decode(*wires.get(number).expect("in range"), Some(cell)) {
                Ok(value) => {
                    storable(&value);
                    path((number, form % 8, value.kind()))
                }
                Err(refusal) => path((number, form % 8, refusal.code, refusal.reason)),
            }
        },
    );
}
