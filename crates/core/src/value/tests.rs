use proptest::prelude::*;

use super::*;

fn roundtrip(value: &Value) -> Option<Value> {
    let encoded = value.encoded();
    let mut rest = encoded.as_slice();
    let back = Value::decode(&mut rest)?;
    rest.is_empty().then_some(back)
}

fn hex(bytes: &[u8]) -> String {
    Value::Bytes(bytes.into()).to_string().trim_start_matches("\\x").to_owned()
}

#[test]
fn the_encoding_is_fixed() {
    let check = |value: Value, expected: &str| {
        assert_eq!(hex(&value.encoded()), expected, "{value:?}");
        assert_eq!(roundtrip(&value), Some(value));
    };
    check(Value::Null, "00");
    check(Value::Bool(false), "01");
    check(Value::Bool(true), "02");
    check(Value::int(0), "10000000");
    check(Value::int(1), "1000000101");
    check(Value::int(-256), "100100020100");
    check(Value::int(1_000), "1000060101");
    check(Value::Num(Decimal::new(-15, -1)), "100101010f");
    check(Value::Float(Float::new(-0.0)), "110000000000000000");
    check(Value::Float(Float::new(1.0)), "113ff0000000000000");
    check(Value::text("é"), "2002c3a9");
    check(Value::Bytes(Box::new([0, 255])), "210200ff");
    check(Value::Date(-1), "30ffffffff");
    check(Value::Time(1), "310000000000000001");
    check(Value::LocalDateTime(1, 2), "32000000010000000000000002");
    check(Value::Instant(-1, 1), "33ffffffffffffffffffffffffc4653601");
    check(Value::OffsetDateTime(0, 1, -60), "3400000000000000000000000000000001ffc4");
    check(Value::Interval(1, -1, 2), "3600000001ffffffff0000000000000002");
    check(Value::Uuid([0xab; 16]), "40abababababababababababababababab");
    check(Value::List(vec![Value::Null, Value::Bool(true)]), "50020002");
    check(Value::set(vec![Value::Bool(true), Value::Null, Value::Null]), "52020002");
    let entries = BTreeMap::from([(Text::new("b"), Value::Null), (Text::new("a"), Value::Null)]);
    check(Value::Map(Box::new(entries)), "5102016100016200");
    check(Value::Ref(RecordId(1)), "6000000000000000000000000000000001");
}

#[test]
fn only_the_one_encoding_of_a_value_is_read() {
    let check = |bytes: &[u8]| {
        assert_eq!(Value::decode(&mut &*bytes), None, "{}", hex(bytes));
    };
    check(&[]);
    check(&[0xff]);
    check(&[0x10, 0, 0, 1, 0]); // zero with a digit
    check(&[0x10, 1, 0, 0]); // minus zero
    check(&[0x10, 0, 2, 0]); // zero with an exponent
    check(&[0x10, 0, 0, 1, 10]); // a trailing zero
    check(&[0x10, 0, 0, 2, 0, 1]); // a leading zero byte
    check(&[0x10, 2, 0, 1, 1]); // a third sign
    check(&[0x11, 0x80, 0, 0, 0, 0, 0, 0, 0]); // minus zero
    check(&[0x11, 0xff, 0xf8, 0, 0, 0, 0, 0, 0]); // another NaN
    check(&[0x20, 0x81, 0x00, b'a']); // a length with a zero on top
    check(&[0x20, 2, b'a']); // cut short
    check(&[0x20, 1, 0xff]); // no UTF-8
    check(&[0x52, 2, 2, 0]); // a set out of order
    check(&[0x52, 2, 0, 0]); // a set with repetition
    check(&[0x51, 2, 1, b'b', 0, 1, b'a', 0]); // a map out of order
    check(&[0x51, 2, 1, b'a', 0, 1, b'a', 0]); // a map with repetition
    check(&[0x33, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]); // beyond time
    check(&[0x50, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]); // endless
    check(&[0x50, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]); // over 64 bits
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: u32| (1..depth).fold(Value::Null, |inner, _| Value::List(vec![inner]));
    assert_eq!(roundtrip(&nested(DEPTH_MAX)), Some(nested(DEPTH_MAX)));
    assert_eq!(roundtrip(&nested(DEPTH_MAX + 1)), None);
    let bomb = [0x50, 1].repeat(100_000);
    assert_eq!(Value::decode(&mut bomb.as_slice()), None);
}

#[test]
fn equality_is_exact() {
    let parse = |text: &str| Value::Num(Decimal::parse(text).expect("a number"));
    assert_eq!(parse("1.0"), parse("1.00"));
    assert_ne!(parse("9007199254740993"), parse("9007199254740992"));
    assert_eq!(Value::Float(Float::new(f64::NAN)), Value::Float(Float::new(-f64::NAN)));
    assert_eq!(Value::Float(Float::new(0.0)), Value::Float(Float::new(-0.0)));
    assert_ne!(Value::text("Müller"), Value::text("Mu\u{308}ller"));
    assert_ne!(Value::text("a"), Value::text("a "));
    assert_ne!(Value::text(""), Value::Null);
    assert_ne!(Value::int(1), Value::Bool(true));
    assert_ne!(Value::int(1), Value::text("1"));
    let [a, b] = [Value::text("a"), Value::text("b")];
    assert_ne!(Value::List(vec![a.clone(), b.clone()]), Value::List(vec![b.clone(), a.clone()]));
    assert_eq!(Value::set(vec![a.clone(), b.clone(), a.clone()]), Value::set(vec![b, a]));
}

#[test]
fn a_value_is_small() {
    assert!(size_of::<Value>() <= 32);
    assert!(size_of::<Slot>() <= 32);
}

#[test]
fn values_as_people_read_them() {
    let check = |value: Value, expected: &str| assert_eq!(value.to_string(), expected);
    check(Value::Date(0), "1970-01-01");
    check(Value::Date(-719_162), "0001-01-01");
    check(Value::Time(45_296_120_000_000), "12:34:56.12");
    check(Value::LocalDateTime(19_782, 1_000), "2024-02-29 00:00:00.000001");
    check(Value::Instant(-1, 500_000_000), "1969-12-31T23:59:59.5Z");
    check(Value::Bytes(Box::new([0, 171])), "\\x00ab");
    check(Value::Uuid([0xab; 16]), "abababab-abab-abab-abab-abababababab");
    check(Value::List(vec![Value::int(1), Value::Null]), "[1, null]");
}

#[test]
fn days_and_dates_are_each_others_inverse() {
    for day in (-800_000..3_000_000).step_by(997).chain([i32::MIN, i32::MAX, -1, 0, 1]) {
        let (year, month, date) = civil(day);
        assert_eq!(day_number(year, month, date), Some(day));
        let (year, month, date) = civil(day.saturating_add(1));
        assert!((1..=12).contains(&month) && (1..=31).contains(&date), "{year}");
    }
    for (year, month, day) in [
        (2023, 2, 29),
        (1900, 2, 29),
        (2024, 4, 31),
        (2024, 13, 1),
        (2024, 0, 1),
        (2024, 1, 0),
        (2024, 1, 32),
        (i64::from(i32::MAX), 1, 1),
    ] {
        assert_eq!(day_number(year, month, day), None, "{year}-{month}-{day}");
    }
    assert_eq!(day_number(2000, 2, 29), Some(11_016));
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        (any::<i64>(), -30i32..30)
            .prop_map(|(number, exponent)| Value::Num(Decimal::new(i128::from(number), exponent))),
        any::<f64>().prop_map(|number| Value::Float(Float::new(number))),
        ".{0,30}".prop_map(Value::text),
        prop::collection::vec(any::<u8>(), 0..10).prop_map(|bytes| Value::Bytes(bytes.into())),
        any::<[u8; 16]>().prop_map(Value::Uuid),
        any::<i32>().prop_map(Value::Date),
        any::<u64>().prop_map(Value::Time),
        (any::<i32>(), any::<u64>()).prop_map(|(days, nanos)| Value::LocalDateTime(days, nanos)),
        (any::<i64>(), 0u32..1_000_000_000)
            .prop_map(|(seconds, nanos)| Value::Instant(seconds, nanos)),
        (any::<i64>(), 0u32..1_000_000_000, any::<i16>())
            .prop_map(|(seconds, nanos, minutes)| Value::OffsetDateTime(seconds, nanos, minutes)),
        (any::<i32>(), any::<i32>(), any::<i64>())
            .prop_map(|(months, days, nanos)| Value::Interval(months, days, nanos)),
        any::<u128>().prop_map(|id| Value::Ref(RecordId(id))),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::set),
            prop::collection::btree_map(".{0,3}".prop_map(Text::new), inner, 0..4)
                .prop_map(|entries| Value::Map(Box::new(entries))),
        ]
    })
}

proptest! {
    #[test]
    fn decoding_gives_back_what_was_encoded(value in values(), tail in any::<[u8; 3]>()) {
        let mut bytes = value.encoded();
        bytes.extend(tail);
        let mut rest = bytes.as_slice();
        prop_assert_eq!(Value::decode(&mut rest), Some(value));
        prop_assert_eq!(rest, tail);
    }

    #[test]
    fn values_are_equal_exactly_if_their_encodings_are(left in values(), right in values()) {
        prop_assert_eq!(left == right, left.encoded() == right.encoded());
        prop_assert_eq!(Digest::of(&left.encoded()) == Digest::of(&right.encoded()), left == right);
    }

    #[test]
    fn garbage_is_refused_or_canonical(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        let mut rest = bytes.as_slice();
        if let Some(value) = Value::decode(&mut rest) {
            let read = bytes.len() - rest.len();
            prop_assert_eq!(value.encoded(), bytes[..read].to_vec());
        }
    }

    #[test]
    fn damage_never_passes_for_another_form(value in values(), place in any::<prop::sample::Index>(), bits in any::<u8>()) {
        let mut bytes = value.encoded();
        let place = place.index(bytes.len());
        bytes[place] ^= bits;
        let mut rest = bytes.as_slice();
        if let Some(read) = Value::decode(&mut rest) {
            let length = bytes.len() - rest.len();
            prop_assert_eq!(read.encoded(), bytes[..length].to_vec());
        }
    }

    #[test]
    fn numbers_of_any_length_travel(number in any::<u64>()) {
        let mut bytes = Vec::new();
        varint(number, &mut bytes);
        prop_assert_eq!(read_varint(&mut bytes.as_slice()), Some(number));
    }
}
