//! The core's parsers under attack. What is read was written like that, and what is written reads back.

use syncline_core::{
    Text,
    change::{PartKey, Row},
    decimal::Decimal,
    expr::{Context, Expr},
    lens::{CellSpec, FieldType, NativeKind, PhoneFormat, compile, law, parse_as},
    name::{RecordId, Timestamp},
    value::Value,
};
use syncline_ports::suite::parser::{attack, path, storable};

/// Kinds of columns; the first byte of an input picks one.
const KINDS: [NativeKind; 14] = [
    NativeKind::Bool,
    NativeKind::Num,
    NativeKind::Float,
    NativeKind::Text,
    NativeKind::Bytes,
    NativeKind::Uuid,
    NativeKind::Date,
    NativeKind::Time,
    NativeKind::LocalDateTime,
    NativeKind::Instant,
    NativeKind::OffsetDateTime,
    NativeKind::Interval,
    NativeKind::Json,
    NativeKind::List,
];

/// The first words of a complaint: the rest quotes the input.
fn gist(message: &str) -> String {
    message
        .split(' ')
        .take(2)
        .filter(|word| word.bytes().all(|byte| byte.is_ascii_alphabetic()))
        .collect()
}

/// Lengths count as equal if their logarithms do.
fn about(length: usize) -> u32 {
    length.checked_ilog2().unwrap_or(0)
}

/// Attacks the reader of a stored form, which is canonical: what is read is written again as it was.
fn stored<T>(
    folder: &str,
    decode: impl Fn(&mut &[u8]) -> Option<T>,
    encode: impl Fn(&T, &mut Vec<u8>),
) {
    attack(folder, &[], |input| {
        let mut rest = input;
        let Some(read) = decode(&mut rest) else {
            return path(about(input.len() - rest.len()));
        };
        let mut written = Vec::new();
        encode(&read, &mut written);
        assert_eq!(written, &input[..input.len() - rest.len()], "another form means the same");
        path((input.first().map(|tag| tag.leading_zeros()), about(written.len()), rest.is_empty()))
    });
}

#[test]
fn stored_values_have_one_form() {
    stored(
        concat!(env!("CARGO_MANIFEST_DIR"), "/../core/corpus/values"),
        Value::decode,
        Value::encode,
    );
}

#[test]
fn stored_rows_have_one_form() {
    stored(concat!(env!("CARGO_MANIFEST_DIR"), "/../core/corpus/rows"), Row::decode, Row::encode);
}

#[test]
fn stored_places_have_one_form() {
    stored(
        concat!(env!("CARGO_MANIFEST_DIR"), "/../core/corpus/parts"),
        PartKey::decode,
        PartKey::encode,
    );
}

#[test]
fn numbers_and_names_read_back_as_they_are_shown() {
    attack(
        concat!(env!("CARGO_MANIFEST_DIR"), "/../core/corpus/numbers"),
        &["e", "E", ".", "-", "+", "00"],
        |input| {
            let text = String::from_utf8_lossy(input);
            let number = Decimal::parse(&text);
            if let Some(number) = number {
                assert_eq!(Decimal::parse(&number.to_string()), Some(number), "{text:?}");
            }
            let record = RecordId::parse(&text);
            if let Some(record) = record {
                assert_eq!(record.to_string(), text.to_ascii_uppercase());
            }
            let range = RecordId::range(&text);
            if let Some((first, last)) = range {
                assert!(first <= last && first.to_string().starts_with(&text.to_ascii_uppercase()));
            }
            path((
                number.map(|number| about(number.exponent().unsigned_abs() as usize)),
                record.is_some(),
                range.is_some(),
            ))
        },
    );
}

#[test]
fn a_text_means_a_value_of_its_kind_or_none() {
    attack(
        concat!(env!("CARGO_MANIFEST_DIR"), "/../core/corpus/texts"),
        &["-", ":", ".", "T", "Z", "+02:00", "P1Y", "{\"a\":[", "null", "e9"],
        |input| {
            let Some((first, rest)) = input.split_first() else { return 0 };
            let Some(kind) = KINDS.get(usize::from(*first) % KINDS.len()) else { return 0 };
            let value = parse_as(*kind, &String::from_utf8_lossy(rest));
            if let Some(value) = &value {
                storable(value);
            }
            path((kind_number(*kind), value.is_some(), rest.len().min(8)))
        },
    );
}

fn kind_number(kind: NativeKind) -> usize {
    KINDS.iter().position(|other| *other == kind).unwrap_or(KINDS.len())
}

#[test]
fn an_expression_is_read_or_refused_and_its_value_is_bounded() {
    let words = [
        "(", ")", "[", "{", "? 1 : 2", "&&", "||", "!", "-", "==", "in", "has(", "size(", "map(",
        "filter(", "name", "now()", "today()", "split(", "+", "\"", "'", ".", ",", "lines", "null",
        "true", "matches(", "replace(",
    ];
    attack(concat!(env!("CARGO_MANIFEST_DIR"), "/../core/corpus/expressions"), &words, |input| {
        let text = String::from_utf8_lossy(input);
        let expression = match Expr::parse(&text) {
            Ok(expression) => expression,
            Err(error) => {
                assert!(
                    error.offset <= text.len() && text.is_char_boundary(error.offset),
                    "{error}"
                );
                return path(gist(&error.message));
            }
        };
        assert_eq!(expression.text(), text);
        let lines =
            Value::List(vec![Value::Map(Box::new([(Text::new("qty"), Value::int(2))].into()))]);
        let lookup = |name: &str| match name {
            "name" => Some(Value::text("Ana López")),
            "total" => Some(Value::int(12)),
            "lines" => Some(lines.clone()),
            _ => None,
        };
        let context = Context { lookup: &lookup, now: Timestamp(0), zone: None, ranks: &[] };
        match expression.eval(&context) {
            Ok(value) => {
                path((std::mem::discriminant(&value), expression.variables().len().min(3)))
            }
            Err(problem) => path((problem.code, about(text.len()))),
        }
    });
}

/// An input is a kind of field, a kind of column, and lines: format, zone, the column's text.
#[test]
fn a_lens_keeps_its_laws_for_whatever_a_column_shows() {
    let fields = [
        FieldType::Text,
        FieldType::Int,
        FieldType::Decimal,
        FieldType::Money { currency: Some("EUR".into()) },
        FieldType::Money { currency: None },
        FieldType::Bool,
        FieldType::Date,
        FieldType::Time,
        FieldType::Timestamp,
        FieldType::LocalTimestamp,
        FieldType::Email,
        FieldType::Phone { region: Some("ES".into()) },
        FieldType::Uuid,
        FieldType::Bytes,
        FieldType::Json,
        FieldType::Set,
        FieldType::Interval,
    ];
    let words = [
        "%d",
        "%m",
        "%Y",
        "%y",
        "%H",
        "%M",
        "%S",
        "%f",
        "%z",
        "%p",
        "%B",
        "%%",
        "{amount}",
        "{currency}",
        "hex",
        "base64",
        "Europe/Madrid",
        "UTC",
        "2024-02-30",
        "24:00",
        "+34 600 111 222",
        "EUR",
        ",",
        ".",
        "\n",
        "\u{a0}",
    ];
    attack(concat!(env!("CARGO_MANIFEST_DIR"), "/../core/corpus/lenses"), &words, |input| {
        let [first, second, third, rest @ ..] = input else { return 0 };
        let Some(field) = fields.get(usize::from(*first) % fields.len()) else { return 0 };
        let Some(native) = KINDS.get(usize::from(*second) % KINDS.len()) else { return 0 };
        let text = String::from_utf8_lossy(rest);
        let mut lines =
            text.splitn(3, '\n').map(|line| Some(Text::new(line)).filter(|line| !line.is_empty()));
        let (format, zone, shown) =
            (lines.next().flatten(), lines.next().flatten(), lines.next().flatten());
        let is_set = |bit: u8| third & (1 << bit) != 0;
        let spec = CellSpec {
            native: Some(*native),
            format,
            zone,
            trim: is_set(0),
            collapse: is_set(1),
            blank_is_null: is_set(2),
            lossy: is_set(3),
            max: is_set(4).then_some(5),
            scale: is_set(5).then_some(2),
            decimal_separator: is_set(6).then_some(','),
            phone: is_set(7).then_some(PhoneFormat::National),
            ..CellSpec::default()
        };
        let field_number = usize::from(*first) % fields.len();
        let lens = match compile(field, &spec, None) {
            Ok(lens) => lens,
            Err(problems) => {
                return path((field_number, problems.first().map(|it| it.code)));
            }
        };
        let native = parse_as(*native, shown.as_deref().unwrap_or_default()).unwrap_or(Value::Null);
        let kept = law::keeps(&lens, std::slice::from_ref(&native));
        assert_eq!(kept.counterexamples, [], "{field:?} {spec:?}");
        let golden: Vec<Value> = lens.get(&native, None).into_iter().collect();
        let round = law::round_trip(&lens, &golden);
        assert_eq!(round.counterexamples, [], "{field:?} {spec:?}");
        let problem = kept.problems.first().map(|(_, problem)| problem.code);
        path((field_number, kept.exact, kept.remembered, problem))
    });
}
