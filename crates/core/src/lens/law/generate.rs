//! Hostile values: boundaries first, then chance by a seed.

use crate::{
    Text,
    chance::Chance,
    decimal::Decimal,
    lens::FieldType,
    name::RecordId,
    value::{Float, Value, day_number},
};

/// Values of a type: null, its boundaries, then random ones. The same for the same seed, and at
/// most `count`.
pub fn generate(kind: &FieldType, seed: u64, count: usize) -> Vec<Value> {
    let mut values = vec![Value::Null];
    values.extend(boundaries(kind));
    values.truncate(count);
    let mut chance = Chance::new(seed);
    while values.len() < count {
        values.push(random(kind, &mut chance));
    }
    values
}

/// NFC and NFD of one word, blanks everywhere, a torn line end, joined emoji, quotes, a percent.
const TEXTS: [&str; 26] = [
    "",
    " ",
    "a",
    "A",
    "0",
    "007",
    "null",
    "true",
    "Ana",
    "ANA",
    "  Ana",
    "Ana  ",
    "Ana  Maria",
    "Ana Maria López",
    "Müller",
    "Mu\u{308}ller",
    "İstanbul",
    "straße",
    "a,b;c",
    "a\r\nb",
    "a\tb",
    "👩‍👩‍👧",
    "🇪🇸",
    "O'Brien \"x\" \\ %",
    "\u{a0}x\u{a0}",
    "a longer text, with more than twenty-three bytes and more than thirty characters",
];

fn boundaries(kind: &FieldType) -> Vec<Value> {
    match kind {
        FieldType::Any => {
            let texts = TEXTS.iter().map(Value::text);
            let others = [Value::Bool(true), Value::int(0), Value::int(-1), Value::Date(0)];
            texts.chain(others).collect()
        }
        FieldType::Text => TEXTS.iter().map(Value::text).collect(),
        FieldType::Int => {
            let wide = [i64::MIN, -32_769, -1, 0, 1, 9, 10, 255, 256, 65_536, 1 << 53, i64::MAX];
            let mut values: Vec<Value> = wide.into_iter().map(Value::int).collect();
            values.push(Value::Num(Decimal::from((1u64 << 53) + 1)));
            values.push(Value::Num(Decimal::from(u64::MAX)));
            values
        }
        FieldType::Decimal => decimals().into_iter().map(Value::Num).collect(),
        FieldType::Money { currency } => decimals()
            .into_iter()
            .zip(CURRENCIES.into_iter().cycle())
            .map(|(number, code)| amount(number, currency.as_ref(), code))
            .collect(),
        FieldType::Bool => vec![Value::Bool(true), Value::Bool(false)],
        FieldType::Date => days().into_iter().map(Value::Date).collect(),
        FieldType::Time => times().into_iter().map(Value::Time).collect(),
        FieldType::Timestamp => {
            let mut values = vec![
                // The last hour of summer time in Paris, twice; midday; one nanosecond.
                Value::Instant(1_729_987_200, 0),
                Value::Instant(1_729_990_800, 0),
                Value::Instant(1_711_846_800, 0),
                Value::Instant(1_700_000_000, 123_456_789),
                Value::Instant(0, 1),
                Value::Instant(-1, 999_999_999),
            ];
            values.extend(days().into_iter().map(|day| Value::Instant(i64::from(day) * 86_400, 0)));
            values
        }
        FieldType::LocalTimestamp => days()
            .into_iter()
            .zip(times().into_iter().cycle())
            .map(|(day, time)| Value::LocalDateTime(day, time))
            .collect(),
        FieldType::Enum(values) => values.iter().map(Value::text).collect(),
        FieldType::Email => {
            let texts =
                ["a@b.c", "Ana.Maria+x@example.com", "o'brien@münchen.example", "\"a b\"@x.y"];
            texts.iter().take(3).map(Value::text).collect()
        }
        FieldType::Phone { .. } => {
            let texts = ["+34600111222", "+12125550100;ext=12", "+442079460018", "+390612345678"];
            texts.iter().map(Value::text).collect()
        }
        FieldType::Uuid => {
            vec![Value::Uuid([0; 16]), Value::Uuid([0xff; 16]), Value::Uuid([0x1a; 16])]
        }
        FieldType::Bytes => [&b""[..], b"\0", b"\0\xff\x80", b"text", b"four", b"fives"]
            .map(|bytes| Value::Bytes(bytes.into()))
            .to_vec(),
        FieldType::Json => documents(),
        FieldType::Set => vec![
            Value::set(Vec::new()),
            Value::set(vec![Value::text("vip")]),
            Value::set(vec![Value::text("b"), Value::text("a"), Value::text("é")]),
        ],
        FieldType::Float => [0.0, 0.1, -1.5, 1e300, f64::MIN_POSITIVE, 5e-324, f64::MAX, 1.0 / 3.0]
            .map(|number| Value::Float(Float::new(number)))
            .to_vec(),
        FieldType::Interval => vec![
            Value::Interval(0, 0, 0),
            Value::Interval(1, -1, 1),
            Value::Interval(-14, 3, -1_500_000_000),
            Value::Interval(0, 0, 86_399_999_999_999),
        ],
        FieldType::Ref => vec![Value::Ref(RecordId(1))],
    }
}

const CURRENCIES: [&str; 5] = ["EUR", "USD", "JPY", "BHD", "CLF"];

fn amount(number: Decimal, field: Option<&Text>, other: &str) -> Value {
    match field {
        Some(_) => Value::Num(number),
        None => Value::List(vec![Value::Num(number), Value::text(other)]),
    }
}

fn decimals() -> Vec<Decimal> {
    const NUMBERS: [&str; 17] = [
        "0",
        "1",
        "-1",
        "0.1",
        "0.01",
        "0.3",
        "-0.005",
        "10.1234",
        "1234.56",
        "1234567.89",
        "999.995",
        "1000",
        "100000000000000000000",
        "9007199254740993",
        "12345678901234567890123456789.0123456789",
        "1e-10",
        "99999999999999999999999999999999999999",
    ];
    NUMBERS.iter().filter_map(|text| Decimal::parse(text)).collect()
}

fn days() -> Vec<i32> {
    const DATES: [(i64, u32, u32); 13] = [
        (1, 1, 1),
        (999, 12, 31),
        (1582, 10, 15),
        (1900, 2, 28),
        (1969, 12, 31),
        (1970, 1, 1),
        (2000, 2, 29),
        (2017, 11, 1),
        (2024, 2, 29),
        (2024, 4, 3),
        (2038, 1, 19),
        (2069, 1, 1),
        (9999, 12, 31),
    ];
    DATES.iter().filter_map(|(year, month, day)| day_number(*year, *month, *day)).collect()
}

fn times() -> Vec<u64> {
    const SECOND: u64 = 1_000_000_000;
    vec![
        0,
        1,
        43_200 * SECOND,
        9_000 * SECOND,
        5_400 * SECOND + 999_999_999,
        86_399 * SECOND + 999_999_999,
        46_801 * SECOND + 120_000_000,
    ]
}

fn documents() -> Vec<Value> {
    let texts = [
        "null",
        "true",
        "0",
        "-1.5e-3",
        "\"\"",
        "[]",
        "{}",
        "[null,[],{\"\":0}]",
        "{\"b\":1,\"a\":[1,2,{\"c\":\"\\ud83d\\ude00 \\u0000 \\\\\"}]}",
        "9007199254740993",
    ];
    texts.iter().filter_map(|text| super::super::json::parse(text)).collect()
}

fn random(kind: &FieldType, chance: &mut Chance) -> Value {
    const DAY_NS: usize = 86_400_000_000_000;
    match kind {
        FieldType::Any | FieldType::Text => Value::text(random_text(chance)),
        FieldType::Int => Value::int(chance.bits() as i64 >> chance.below(63)),
        FieldType::Decimal => Value::Num(random_decimal(chance)),
        FieldType::Money { currency } => {
            let code = chance.pick(&CURRENCIES).copied().unwrap_or("EUR");
            amount(random_decimal(chance), currency.as_ref(), code)
        }
        FieldType::Bool => Value::Bool(chance.below(2) == 0),
        FieldType::Date => Value::Date(random_day(chance)),
        FieldType::Time => Value::Time(rounded(chance.below(DAY_NS), chance)),
        FieldType::Timestamp => {
            let seconds = i64::from(random_day(chance)) * 86_400 + chance.below(86_400) as i64;
            Value::Instant(seconds, rounded(chance.below(1_000_000_000), chance) as u32)
        }
        FieldType::LocalTimestamp => {
            let day = random_day(chance);
            Value::LocalDateTime(day, rounded(chance.below(DAY_NS), chance))
        }
        FieldType::Enum(values) => chance.pick(values).map_or(Value::Null, Value::text),
        FieldType::Email => Value::text(format!(
            "{}.{}@host{}.example",
            chance.pick(&["ana", "Bo", "x+y"]).copied().unwrap_or("a"),
            chance.below(1_000),
            chance.below(10)
        )),
        FieldType::Phone { .. } => {
            let start = chance.pick(&["+346001", "+336123", "+4479111", "+141555501"]);
            let start = start.copied().unwrap_or("+346001");
            let length = if start.len() == 10 { 2 } else { 5 };
            let number = chance.below(10usize.pow(length));
            Value::text(format!("{start}{number:0width$}", width = length as usize))
        }
        FieldType::Uuid => {
            let wide = (u128::from(chance.bits()) << 64) | u128::from(chance.bits());
            Value::Uuid(wide.to_be_bytes())
        }
        FieldType::Bytes => {
            let length = chance.below(20);
            Value::Bytes((0..length).map(|_| chance.bits() as u8).collect())
        }
        FieldType::Json => {
            let mut entries = std::collections::BTreeMap::new();
            for _ in 0..chance.below(4) {
                let item = match chance.below(4) {
                    0 => Value::Null,
                    1 => Value::Num(random_decimal(chance)),
                    2 => Value::List(vec![Value::Bool(true), Value::text(random_text(chance))]),
                    _ => Value::text(random_text(chance)),
                };
                entries.insert(Text::new(random_text(chance)), item);
            }
            Value::Map(Box::new(entries))
        }
        FieldType::Set => {
            let length = chance.below(4);
            let member = |chance: &mut Chance| Value::text(format!("m{}", chance.below(9)));
            Value::set((0..length).map(|_| member(chance)).collect())
        }
        FieldType::Float => {
            let number = f64::from_bits(chance.bits());
            Value::Float(Float::new(if number.is_finite() { number } else { 0.5 }))
        }
        FieldType::Interval => Value::Interval(
            chance.bits() as i32 >> chance.below(31),
            chance.bits() as i32 >> chance.below(31),
            chance.bits() as i64 >> chance.below(63),
        ),
        FieldType::Ref => Value::Ref(RecordId(u128::from(chance.bits()))),
    }
}

fn random_text(chance: &mut Chance) -> String {
    const LETTERS: [&str; 16] =
        ["a", "b", "Z", "é", "e\u{301}", "ß", " ", " ", "-", ".", ",", "\n", "0", "9", "漢", "👩‍👧"];
    let count = chance.below(12);
    (0..count).filter_map(|_| chance.pick(&LETTERS).copied()).collect()
}

fn random_decimal(chance: &mut Chance) -> Decimal {
    let number = chance.bits() as i64 >> chance.below(63);
    // Mostly with as many digits as people use.
    let exponent = chance.pick(&[0, -1, -2, -2, -2, -3, -4, -8, 3]).copied().unwrap_or(0);
    Decimal::new(i128::from(number), exponent)
}

fn random_day(chance: &mut Chance) -> i32 {
    match chance.below(4) {
        0 => chance.below(3_652_059) as i32 - 719_162,
        _ => chance.below(40_000) as i32 - 10_000,
    }
}

/// Cut to a precision that some system has, mostly.
fn rounded(nanos: usize, chance: &mut Chance) -> u64 {
    let step = chance.pick(&[1_000_000_000, 1_000_000, 1_000, 1_000, 1]).copied().unwrap_or(1);
    (nanos - nanos % step) as u64
}
