//! What a log may hold, under attack: descriptions of tables, rows of them, statements.

use syncline_core::Text;
use syncline_ports::suite::parser::{attack, path, storable};

use super::{
    event::{self, Act, Layout},
    gtid::Gtids,
    key::KeyColumn,
    kind,
    place::Place,
    reading::{Head, Reading},
    statement,
};
use crate::mysql::types::Wire;

const WIRES: [(Wire, &str); 19] = [
    (Wire::Int, "tinyint"),
    (Wire::Int, "int"),
    (Wire::Int, "bigint"),
    (Wire::Int, "year"),
    (Wire::Bit, "bit"),
    (Wire::Decimal, "decimal"),
    (Wire::Float, "float"),
    (Wire::Double, "double"),
    (Wire::Text, "char"),
    (Wire::Text, "varchar"),
    (Wire::Enum, "enum"),
    (Wire::Set, "set"),
    (Wire::Bytes, "binary"),
    (Wire::Date, "date"),
    (Wire::DateTime, "datetime"),
    (Wire::Timestamp, "timestamp"),
    (Wire::Time, "time"),
    (Wire::Uuid, "uuid"),
    (Wire::Text, "inet4"),
];

#[test]
fn rows_are_keys_that_can_be_stored_or_nothing() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/binlog");
    let words = ["create table", "/*!40000 ", "xa commit ", "`", "\u{3}\u{f}\u{f6}", "\u{fc}\u{1}"];
    attack(folder, &words, |input| {
        let [form, low, high, raw @ ..] = input else { return 0 };
        let act = match form % 4 {
            0 => Act::Insert,
            1 => Act::Update,
            2 => Act::Delete,
            _ => return state(*form, raw),
        };
        let split = usize::from(u16::from_le_bytes([*low, *high])).min(raw.len());
        let (map, rows) = raw.split_at(split);
        let Some((_, layout)) = Layout::read(map) else { return path((form % 4, "no layout")) };
        let wanted: Vec<usize> = (0..layout.columns.len()).collect();
        let Some(rows) = event::rows(rows, act, form & 4 != 0, &layout, &wanted) else {
            return path((form % 4, "no rows"));
        };
        let mut kinds = Vec::new();
        for images in rows.iter().take(4) {
            for (at, held) in images.before.iter().chain(&images.after).enumerate().take(64) {
                let logged = layout.columns[at % layout.columns.len()];
                for (wire, name) in WIRES {
                    let column = KeyColumn {
                        name: String::new(),
                        at,
                        wire,
                        type_name: name.to_owned(),
                        is_unsigned: form & 8 != 0,
                        charset: Some(if form & 16 != 0 { "latin1" } else { "utf8mb4" }.to_owned()),
                        members: vec![Text::new("a"), Text::new("b")],
                    };
                    if let Some(value) = column.value(logged, *held) {
                        storable(&value);
                        kinds.push((name, value.kind()));
                    }
                }
            }
        }
        kinds.sort_unstable();
        kinds.dedup();
        path((form % 4, kinds))
    });
}

/// Any bytes as any event.
fn state(form: u8, raw: &[u8]) -> u64 {
    let place = Place { file: "binlog.000001".to_owned(), ..Place::default() };
    let mut reading = Reading::at(place, Gtids::default());
    for (at, piece) in [raw, raw.get(1..).unwrap_or_default()].into_iter().enumerate() {
        let kind = if at == 0 { kind::QUERY } else { form };
        reading.take(Head { kind, at: 1, server: 1, end: 400, size: 100, flags: 0 }, piece);
    }
    let (hints, position) = reading.hand_out(10);
    assert_eq!(Place::of(&position).map(|(place, gtids)| place.position(&gtids)), Some(position));
    let text = String::from_utf8_lossy(raw);
    let meaning = std::mem::discriminant(&statement::meaning(&text));
    path((hints.len(), reading.is_stale, meaning, statement::names(&text, "notes")))
}
