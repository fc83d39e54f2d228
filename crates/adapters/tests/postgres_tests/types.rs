//! Every type travels exactly, by a documented conversion, or is refused by name.

use syncline_core::{
    change::{Expected, Outcome, RowKey, RowWrite, WriteGroup, WriteKind},
    name::{BindingIndex, FieldIndex, IntentId, RecordId},
    value::Value,
};
use syncline_ports::catalog::Travels;

use super::{Own, plan_of, scan, settings};
use crate::servers;

/// Types of the tests' own.
const OWN_TYPES: &str = r#"
create extension if not exists citext;
create extension if not exists hstore;
create type mood as enum ('happy', 'it''s "odd"');
create domain price as numeric(38,10) check (value >= 0);
create domain code as varchar(5) not null;
create domain codes as code;
create type pair as (a int, b text);
create type spread as range (subtype = float8);
"#;

/// A type, a value as SQL writes it, and the value as it is read.
const TRAVEL: &[(&str, &str, &str)] = &[
    ("bool", "true", "boolean true"),
    ("int2", "-32768", "number -32768"),
    ("int4", "2147483647", "number 2147483647"),
    ("int8", "-9223372036854775808", "number -9223372036854775808"),
    ("oid", "4294967295", "number 4294967295"),
    (
        "numeric(38,10)",
        "1234567890123456789012345678.0123456789",
        "number 1234567890123456789012345678.0123456789",
    ),
    ("numeric(38,10)", "-0.0000000001", "number -0.0000000001"),
    ("numeric", "100000", "number 100000"),
    ("numeric", "1e-30", "number 0.000000000000000000000000000001"),
    (
        "numeric",
        "12345678901234567890123456789012345678",
        "number 12345678901234567890123456789012345678",
    ),
    (
        "numeric(38,37)",
        "9.9999999999999999999999999999999999999",
        "number 9.9999999999999999999999999999999999999",
    ),
    ("numeric", "0.00", "number 0"),
    ("numeric", "10000.0001", "number 10000.0001"),
    ("price", "12.50", "number 12.5"),
    ("real", "0.1", "float 0.1"),
    ("real", "'3.4028235e38'", "float 3.4028235e38"),
    ("real", "'-Infinity'", "float -inf"),
    ("double precision", "0.1", "float 0.1"),
    ("double precision", "'NaN'", "float NaN"),
    ("double precision", "5e-324", "float 5e-324"),
    ("text", "''", "\"\""),
    ("text", "E'a\\tb\\u00e9 \\U0001F600'", "\"a\\tbé 😀\""),
    ("varchar(20)", "'two  words '", "\"two  words \""),
    ("codes", "'abc'", "\"abc\""),
    ("char(5)", "'ab'", "\"ab\""),
    ("\"char\"", "'x'", "\"x\""),
    ("name", "'a name'", "\"a name\""),
    ("citext", "'MiXed'", "\"MiXed\""),
    ("mood", "'it''s \"odd\"'", "\"it's \\\"odd\\\"\""),
    ("bytea", "'\\x00ff10'", "bytes \\x00ff10"),
    ("uuid", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "uuid a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    ("date", "'2024-02-29'", "date 2024-02-29"),
    ("date", "'0044-03-15 BC'", "date -043-03-15"),
    ("time", "'23:59:59.999999'", "time 23:59:59.999999"),
    ("time", "'24:00:00'", "time 24:00:00"),
    ("timetz", "'10:00:00+02'", "\"10:00:00+02\""),
    ("timestamp", "'1969-12-31 23:59:59.000001'", "local timestamp 1969-12-31 23:59:59.000001"),
    ("timestamp", "'0001-01-01 00:00:00 BC'", "local timestamp 0000-01-01 00:00:00"),
    ("timestamptz", "'2024-07-01 12:00:00.5+02'", "timestamp 2024-07-01T10:00:00.5Z"),
    (
        "interval",
        "'1 year 2 mons -3 days 04:05:06.7'",
        "interval 14 months -3 days 14706700000000 ns",
    ),
    ("json", "'{\"b\": 1.10, \"a\": [null, true, \"x\"]}'", "map {a: [null, true, x], b: 1.1}"),
    ("jsonb", "'{\"n\": 12345678901234567890.5}'", "map {n: 12345678901234567890.5}"),
    ("jsonb", "'\"word\"'", "\"word\""),
    ("jsonb", "'[]'", "list []"),
    ("money", "'1234.56'", "number 1234.56"),
    ("bit(3)", "B'101'", "\"101\""),
    ("varbit", "B'00101'", "\"00101\""),
    ("inet", "'10.0.0.1/8'", "\"10.0.0.1/8\""),
    ("cidr", "'10.0.0.0/8'", "\"10.0.0.0/8\""),
    ("macaddr", "'08:00:2b:01:02:03'", "\"08:00:2b:01:02:03\""),
    ("macaddr8", "'08:00:2b:01:02:03:04:05'", "\"08:00:2b:01:02:03:04:05\""),
    ("xml", "'<a b=\"c\">d</a>'", "\"<a b=\\\"c\\\">d</a>\""),
    ("int4range", "'[1,5)'", "\"[1,5)\""),
    ("tsrange", "'[2024-01-01,)'", "\"[\\\"2024-01-01 00:00:00\\\",)\""),
    ("int4multirange", "'{[1,3),[5,9)}'", "\"{[1,3),[5,9)}\""),
    ("point", "'(1.5,0.1)'", "\"(1.5,0.1)\""),
    ("line", "'{1,2,3}'", "\"{1,2,3}\""),
    ("lseg", "'[(0,0),(1,1)]'", "\"[(0,0),(1,1)]\""),
    ("box", "'(1,1),(0,0)'", "\"(1,1),(0,0)\""),
    ("path", "'((0,0),(1,1))'", "\"((0,0),(1,1))\""),
    ("polygon", "'((0,0),(1,1),(1,0))'", "\"((0,0),(1,1),(1,0))\""),
    ("circle", "'<(0,0),2>'", "\"<(0,0),2>\""),
    ("tsvector", "'a:1 fat:2'", "\"'a':1 'fat':2\""),
    ("tsquery", "'fat & rat'", "\"'fat' & 'rat'\""),
    ("pg_lsn", "'16/B374D848'", "\"16/B374D848\""),
    ("jsonpath", "'$.\"a\"'", "\"$.\\\"a\\\"\""),
    ("hstore", "'a=>1'", "\"\\\"a\\\"=>\\\"1\\\"\""),
    ("int4[]", "'{1,NULL,3}'", "list [1, null, 3]"),
    ("int4[]", "'{{1,2},{3,4}}'", "list [[1, 2], [3, 4]]"),
    ("int4[]", "'{}'", "list []"),
    ("text[]", r#"E'{"two words","a\\"b\\\\c","NULL",""}'"#, "list [two words, a\"b\\c, NULL, ]"),
    ("numeric(5,2)[]", "'{1.50,-2}'", "list [1.5, -2]"),
    ("float8[]", "'{0.1,NaN,-Infinity}'", "list [0.1, NaN, -inf]"),
    ("real[]", "'{0.1}'", "list [0.1]"),
    ("bool[]", "'{t,f}'", "list [true, false]"),
    ("date[]", "'{2024-02-29,0044-03-15 BC}'", "list [2024-02-29, -043-03-15]"),
    ("time[]", "'{10:00:00.5}'", "list [10:00:00.5]"),
    (
        "timestamp[]",
        "'{2024-01-01 10:00:00,0044-03-15 10:00:00 BC}'",
        "list [2024-01-01 10:00:00, -043-03-15 10:00:00]",
    ),
    ("timestamptz[]", "'{2024-01-01 10:00:00+00}'", "list [2024-01-01T10:00:00Z]"),
    ("interval[]", "'{1 mon -1 day 00:00:01}'", "list [1 months -1 days 1000000000 ns]"),
    (
        "uuid[]",
        "'{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}'",
        "list [a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11]",
    ),
    ("bytea[]", r"E'{\\\\x00ff}'", "list [\\x00ff]"),
    ("jsonb[]", r#"E'{"{\\"a\\": [1]}"}'"#, "list [{a: [1]}]"),
    ("mood[]", "'{happy}'", "list [happy]"),
    ("inet", "'10.0.0.1'", "\"10.0.0.1\""),
    ("inet[]", "'{10.0.0.1}'", "list [10.0.0.1/32]"),
    ("money[]", "'{1.5}'", "list [1.5]"),
    ("char(3)[]", "'{a}'", "list [a]"),
    ("bit(3)[]", "'{101}'", "list [101]"),
    ("citext[]", "'{Ab}'", "list [Ab]"),
];

#[tokio::test]
async fn every_type_travels_there_and_back() {
    let mut sql = OWN_TYPES.to_owned();
    let names: Vec<String> = (0..TRAVEL.len()).map(|at| format!("t{at}")).collect();
    for ((kind, literal, _), name) in TRAVEL.iter().zip(&names) {
        sql.push_str(&format!(
            "create table {name} (id int primary key, v {kind}); \
             insert into {name} values (1, {literal});"
        ));
    }
    let tables: Vec<(&str, &[&str], &[&str])> =
        names.iter().map(|name| (name.as_str(), &["id"][..], &["id", "v"][..])).collect();
    let mut own = Own::new(servers::postgres(), &sql, plan_of(&tables)).await;
    let mut wrong = Vec::new();
    for (at, ((kind, literal, expected), name)) in TRAVEL.iter().zip(&names).enumerate() {
        let binding = BindingIndex(u16::try_from(at).unwrap());
        let (rows, refused) = scan(own.source.as_mut(), binding).await;
        assert!(refused.is_empty(), "{kind} {literal}: {refused:?}");
        let value = rows[0].row.as_ref().unwrap().value(FieldIndex(1)).unwrap().clone();
        if format!("{value:?}") != *expected {
            wrong.push(format!("{kind} {literal}: read {value:?}"));
        }
        // Written to another row, it is the same to PostgreSQL, and reads the same.
        let outcome = insert(&mut own, binding, 2, value.clone()).await;
        let Outcome::Applied { post: Some(post), .. } = &outcome else {
            wrong.push(format!("{kind} {literal}: {outcome:?}"));
            continue;
        };
        if post.value(FieldIndex(1)) != Some(&value) {
            wrong.push(format!("{kind} {literal}: came back as {post:?}"));
        }
        let same = format!("select count(distinct v::text) from {name}");
        if own.ask(&same).await != "1" && !kind.starts_with("json") && !kind.starts_with("numeric")
        {
            let both = format!("select string_agg(v::text, ' and ') from {name}");
            wrong.push(format!("{kind} {literal}: {}", own.ask(&both).await));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

pub(super) async fn insert(own: &mut Own, binding: BindingIndex, id: i64, value: Value) -> Outcome {
    let write = RowWrite {
        record: RecordId(1),
        intent: IntentId((u128::from(binding.0) << 32) + u128::from(id.unsigned_abs())),
        binding,
        key: Some(RowKey::new([&Value::int(id)])),
        parent: None,
        kind: WriteKind::Insert,
        set: vec![(FieldIndex(1), value)],
        expect: Expected::Absent,
        token: None,
    };
    let group = WriteGroup { writes: vec![write], park: false };
    let mut answers = own.target.apply(&[group]).await;
    assert_eq!(answers.len(), 1);
    answers.remove(0).1
}

/// Types that do not travel at all.
#[tokio::test]
async fn other_types_are_refused_by_name() {
    let refused = [
        "pair",
        "pair[]",
        "xid",
        "tid",
        "int2vector",
        "regclass",
        "txid_snapshot",
        "spread",
        "tstzrange",
        "tstzmultirange",
        "aclitem",
    ];
    let columns: Vec<String> =
        refused.iter().enumerate().map(|(at, kind)| format!("c{at} {kind}")).collect();
    let sql = format!("{OWN_TYPES} create table odd (id int primary key, {})", columns.join(", "));
    let own = Own::new(servers::postgres(), &sql, plan_of(&[])).await;
    let settings = settings(servers::postgres(), &own.url);
    let mut catalog = syncline_adapters::catalog(&settings).await.unwrap();
    let table = catalog.describe(&["odd".into()]).await.unwrap().remove(0).unwrap();
    for (column, kind) in table.columns.iter().skip(1).zip(refused) {
        assert_eq!(column.travels, Travels::Refused, "{kind}");
        assert_eq!(column.type_name, kind);
    }
    let plan = plan_of(&[("odd", &["id"], &["c0"])]);
    let error =
        syncline_adapters::open(&settings, plan.into(), syncline_core::name::SystemIndex(0))
            .await
            .err()
            .unwrap();
    assert_eq!(
        error.to_string(),
        "could not carry column \"c0\" of \"odd\": a type cannot be carried exactly (its type is pair)"
    );
}

/// Values that no value of ours holds: the row is set aside, with the reason.
#[tokio::test]
async fn values_beyond_ours_are_refused_row_by_row() {
    let cases = [
        ("numeric", "'NaN'", "map.out_of_range column \"v\": NaN and Infinity are no numbers here"),
        (
            "numeric",
            "'Infinity'",
            "map.out_of_range column \"v\": NaN and Infinity are no numbers here",
        ),
        (
            "numeric",
            "123456789012345678901234567890123456789",
            "map.out_of_range column \"v\": more than 38 digits",
        ),
        ("numeric", "1e60 + 1", "map.out_of_range column \"v\": more than 38 digits"),
        ("date", "'infinity'", "map.out_of_range column \"v\": infinity is no date"),
        ("timestamp", "'-infinity'", "map.out_of_range column \"v\": infinity is no date"),
        ("timestamptz", "'infinity'", "map.out_of_range column \"v\": infinity is no date"),
        (
            "interval",
            "'3000000 hours'",
            "map.out_of_range column \"v\": an interval of more than 292 years in seconds",
        ),
        (
            "int4[]",
            "'[0:1]={1,2}'",
            "map.out_of_range column \"v\": an array that does not begin at 1",
        ),
        (
            "jsonb",
            "'[1.2345678901234567890123456789012345678901]'",
            "read.json column \"v\": it nests too deeply, or holds a number of more than 38 digits",
        ),
    ];
    let names: Vec<String> = (0..cases.len()).map(|at| format!("t{at}")).collect();
    let mut sql = String::new();
    for ((kind, literal, _), name) in cases.iter().zip(&names) {
        sql.push_str(&format!(
            "create table {name} (id int primary key, v {kind}); \
             insert into {name} values (1, {literal}), (2, null);"
        ));
    }
    let tables: Vec<(&str, &[&str], &[&str])> =
        names.iter().map(|name| (name.as_str(), &["id"][..], &["id", "v"][..])).collect();
    let mut own = Own::new(servers::postgres(), &sql, plan_of(&tables)).await;
    for (at, (kind, literal, expected)) in cases.iter().enumerate() {
        let binding = BindingIndex(u16::try_from(at).unwrap());
        let (rows, refused) = scan(own.source.as_mut(), binding).await;
        assert_eq!(rows.len(), 1, "{kind} {literal}");
        let refused = &refused[0];
        assert_eq!(refused.key, RowKey::new([&Value::int(1)]));
        assert_eq!(format!("{} {}", refused.code, refused.reason), *expected, "{kind} {literal}");
    }
}

/// What a column cannot take is refused with its name, and no value is in the message.
#[tokio::test]
async fn values_that_do_not_fit_are_refused_by_column() {
    let long = "x".repeat(11);
    let cases: Vec<(&str, Value, &str)> = vec![
        (
            "varchar(10)",
            Value::text(&long),
            "write.value_too_long column \"v\": it takes 10 characters, got 11",
        ),
        (
            "char(10)",
            Value::text(&long),
            "write.value_too_long column \"v\": it takes 10 characters, got 11",
        ),
        (
            "varchar(10)",
            Value::text("0123456789 "),
            "write.value_too_long column \"v\": it takes 10 characters, got 11",
        ),
        (
            "int2",
            Value::int(32_768),
            "write.type column \"v\": the number is not whole, or beyond the column's range",
        ),
        (
            "int4",
            Value::Num("1.5".parse_decimal()),
            "write.type column \"v\": the number is not whole, or beyond the column's range",
        ),
        (
            "numeric(4,2)",
            Value::int(100),
            "write.type column \"v\": it takes 2 digits before the point, got 3",
        ),
        (
            "text",
            Value::text("a\0b"),
            "write.encoding column \"v\": PostgreSQL cannot hold the character U+0000",
        ),
        (
            "jsonb",
            Value::List(vec![Value::text("a\0b")]),
            "write.encoding column \"v\": PostgreSQL cannot hold the character U+0000",
        ),
        (
            "date",
            Value::text("2024-01-01"),
            "write.type column \"v\": it takes a date, and got a text",
        ),
        (
            "mood",
            Value::text("sad"),
            "write.type column \"v\": the text is not one of the enumeration",
        ),
        (
            "inet",
            Value::text("nowhere"),
            "write.type a value does not fit its column (SQLSTATE 22P02)",
        ),
        ("int not null", Value::Null, "write.null column \"v\" takes no NULL"),
        ("int check (v > 0)", Value::int(-1), "write.check the check \"tN_v_check\" refuses it"),
        (
            "bit(3)",
            Value::text("1010"),
            "write.value_too_long column \"v\": it takes 3 characters, got 4",
        ),
        (
            "int generated always as (id * 2) stored",
            Value::int(-1),
            "write.generated column \"v\" is computed by the system",
        ),
    ];
    let names: Vec<String> = (0..cases.len()).map(|at| format!("t{at}")).collect();
    let mut sql = OWN_TYPES.to_owned();
    for ((kind, _, _), name) in cases.iter().zip(&names) {
        sql.push_str(&format!("create table {name} (id int primary key, v {kind});"));
    }
    let tables: Vec<(&str, &[&str], &[&str])> =
        names.iter().map(|name| (name.as_str(), &["id"][..], &["id", "v"][..])).collect();
    let mut own = Own::new(servers::postgres(), &sql, plan_of(&tables)).await;
    for (at, (kind, value, expected)) in cases.into_iter().enumerate() {
        let outcome = insert(&mut own, BindingIndex(u16::try_from(at).unwrap()), 1, value).await;
        let Outcome::Invalid { code, reason } = outcome else { panic!("{kind}: {outcome:?}") };
        let expected = expected.replace("tN", &format!("t{at}"));
        assert_eq!(format!("{code} {reason}"), expected, "{kind}");
    }
}

trait ParseDecimal {
    fn parse_decimal(&self) -> syncline_core::decimal::Decimal;
}

impl ParseDecimal for str {
    fn parse_decimal(&self) -> syncline_core::decimal::Decimal {
        syncline_core::decimal::Decimal::parse(self).unwrap()
    }
}

/// Digits that a column has no place for are rounded by the server, and the answer shows it.
#[tokio::test]
async fn what_the_server_makes_of_a_value_shows_in_the_answer() {
    let cases = [
        ("numeric(10,2)", Value::Num("1.005".parse_decimal()), "number 1.01"),
        (
            "timestamp(0)",
            Value::LocalDateTime(0, 1_700_000_000),
            "local timestamp 1970-01-01 00:00:02",
        ),
        ("timestamptz", Value::Instant(0, 1_499), "timestamp 1970-01-01T00:00:00.000001Z"),
        ("char(5)", Value::text("ab  "), "\"ab\""),
        ("real", Value::Float(syncline_core::value::Float::new(0.123_456_789)), "float 0.12345679"),
        ("cidr", Value::text("10/8"), "\"10.0.0.0/8\""),
    ];
    let names: Vec<String> = (0..cases.len()).map(|at| format!("t{at}")).collect();
    let mut sql = String::new();
    for ((kind, _, _), name) in cases.iter().zip(&names) {
        sql.push_str(&format!("create table {name} (id int primary key, v {kind});"));
    }
    let tables: Vec<(&str, &[&str], &[&str])> =
        names.iter().map(|name| (name.as_str(), &["id"][..], &["id", "v"][..])).collect();
    let mut own = Own::new(servers::postgres(), &sql, plan_of(&tables)).await;
    for (at, (kind, value, expected)) in cases.into_iter().enumerate() {
        let outcome = insert(&mut own, BindingIndex(u16::try_from(at).unwrap()), 1, value).await;
        let Outcome::Applied { post: Some(post), .. } = outcome else {
            panic!("{kind}: {outcome:?}")
        };
        assert_eq!(format!("{:?}", post.value(FieldIndex(1)).unwrap()), expected, "{kind}");
    }
}
