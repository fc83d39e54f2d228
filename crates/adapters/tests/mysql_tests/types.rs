//! Every type travels exactly, by a documented conversion, or is refused by name.

use expect_test::{Expect, expect};
use syncline_core::{
    change::{Outcome, WriteKind},
    decimal::Decimal,
    value::{Float, Value, day_number},
};
use syncline_ports::source::Then;

use crate::mysql_tests::table::{Table, key, said, scan};

fn num(text: &str) -> Value {
    Value::Num(Decimal::parse(text).unwrap())
}

fn float(number: f64) -> Value {
    Value::Float(Float::new(number))
}

fn bytes(raw: &[u8]) -> Value {
    Value::Bytes(raw.into())
}

fn day(year: i64, month: u32, day: u32) -> i32 {
    day_number(year, month, day).unwrap()
}

/// A column of this type shows `value` for the literal `sql`; written through the adapter, the value
/// is stored as the very same, and comes back in the answer.
async fn check(column: &str, cases: &[(&str, Value)]) {
    let mut table =
        Table::new(&format!("create table t (id int primary key, v {column} null)"), &["id", "v"]);
    for (at, (sql, _)) in cases.iter().enumerate() {
        table.sql(&format!("set time_zone = '+00:00'; insert into t values ({at}, {sql})"));
    }
    let mut open = table.open().await;
    let batch = scan(&mut open).await;
    let read: Vec<Value> = batch
        .rows
        .iter()
        .map(|row| row.row.as_ref().unwrap().0[1].value().unwrap().clone())
        .collect();
    let expected: Vec<Value> = cases.iter().map(|(_, value)| value.clone()).collect();
    assert_eq!(read, expected, "{column}: what is read; refused {:?}", batch.refused);

    let writes: Vec<_> = cases
        .iter()
        .enumerate()
        .map(|(at, (_, value))| {
            table.insert(&[(0, Value::int(1_000 + at as i64)), (1, value.clone())])
        })
        .collect();
    for ((_, outcome), (sql, value)) in open.target.apply(&writes).await.iter().zip(cases) {
        let Outcome::Applied { post: Some(post), .. } = outcome else {
            panic!("{column} {sql}: {}", said(outcome));
        };
        assert_eq!(post.0[1].value(), Some(value), "{column} {sql}: what an insert answers");
    }
    let same =
        table.sql("select count(*) from t a join t b on b.id = a.id + 1000 where a.v <=> b.v");
    assert_eq!(same.trim(), cases.len().to_string(), "{column}: what is stored");

    // The same by update: from NULL to the value, and compared with it afterwards.
    table.sql("update t set v = null where id >= 1000");
    let updates: Vec<_> = cases
        .iter()
        .enumerate()
        .map(|(at, (_, value))| {
            let (set, expect) = ([(1, value.clone())], [(1, Value::Null)]);
            table.write(WriteKind::Update, Some(key(1_000 + at as i64)), &set, Some(&expect))
        })
        .collect();
    let confirms: Vec<_> = cases
        .iter()
        .enumerate()
        .map(|(at, (_, value))| {
            let (set, expect) = ([(1, value.clone())], [(1, value.clone())]);
            table.write(WriteKind::Update, Some(key(1_000 + at as i64)), &set, Some(&expect))
        })
        .collect();
    for groups in [updates, confirms] {
        for ((_, outcome), (sql, value)) in open.target.apply(&groups).await.iter().zip(cases) {
            let Outcome::Applied { post: Some(post), .. } = outcome else {
                panic!("{column} {sql}: {}", said(outcome));
            };
            assert_eq!(post.0[1].value(), Some(value), "{column} {sql}: what an update answers");
        }
    }
}

#[tokio::test]
async fn whole_numbers() {
    check(
        "tinyint(1)",
        &[("1", num("1")), ("0", num("0")), ("-128", num("-128")), ("null", Value::Null)],
    )
    .await;
    check("smallint unsigned", &[("65535", num("65535"))]).await;
    check("mediumint", &[("-8388608", num("-8388608"))]).await;
    check("int zerofill", &[("7", num("7"))]).await;
    check(
        "bigint",
        &[
            ("9223372036854775807", num("9223372036854775807")),
            ("-9223372036854775808", num("-9223372036854775808")),
            ("9007199254740993", num("9007199254740993")),
        ],
    )
    .await;
    check(
        "bigint unsigned",
        &[("18446744073709551615", num("18446744073709551615")), ("0", num("0"))],
    )
    .await;
    check("year", &[("2024", num("2024")), ("1901", num("1901"))]).await;
    check("bit(1)", &[("b'1'", num("1")), ("b'0'", num("0"))]).await;
    check("bit(64)", &[("18446744073709551615", num("18446744073709551615")), ("5", num("5"))])
        .await;
    check("boolean", &[("true", num("1"))]).await;
}

#[tokio::test]
async fn exact_and_binary_fractions() {
    check(
        "decimal(38,10)",
        &[
            (
                "1234567890123456789012345678.0123456789",
                num("1234567890123456789012345678.0123456789"),
            ),
            ("-0.0000000001", num("-0.0000000001")),
            ("1.10", num("1.1")),
            ("99999999999999999999999999.5", num("99999999999999999999999999.5")),
        ],
    )
    .await;
    check("decimal(5,2) unsigned", &[("999.99", num("999.99"))]).await;
    check(
        "double",
        &[
            ("0.1", float(0.1)),
            ("1.7976931348623157e308", float(f64::MAX)),
            ("-2.2250738585072014e-308", float(-2.225_073_858_507_201_4e-308)),
            ("3", float(3.0)),
            ("9007199254740993", float(9_007_199_254_740_992.0)),
        ],
    )
    .await;
    check(
        "float",
        &[
            ("0.1", float(0.1)),
            ("16777216", float(16_777_216.0)),
            ("3.4028234663852886e38", float(3.402_823_5e38)),
            ("1.17549435e-38", float(1.175_494_4e-38)),
            ("-0.3333333333333333", float(-0.333_333_34)),
        ],
    )
    .await;
}

#[tokio::test]
async fn texts() {
    let odd = "O'Hara \\ \"q\" \u{1F600} e\u{301} \r\n\t;?";
    let quoted =
        format!("'{}'", odd.replace('\\', "\\\\").replace('\'', "''").replace('\r', "\\r"));
    for column in ["varchar(60)", "tinytext", "text", "mediumtext", "longtext", "char(60)"] {
        check(
            column,
            &[(&quoted, Value::text(odd)), ("''", Value::text("")), ("null", Value::Null)],
        )
        .await;
    }
    check("varchar(10)", &[("'ab  '", Value::text("ab  ")), ("'AB'", Value::text("AB"))]).await;
    check("varchar(20) character set latin1", &[("'Élodie'", Value::text("Élodie"))]).await;
    check("varchar(20) character set utf16", &[("'\u{1F600}ß'", Value::text("\u{1F600}ß"))]).await;
    check("varchar(20) collate utf8mb4_bin", &[("'ß'", Value::text("ß"))]).await;
    check(
        "enum('new','it''s','a,b')",
        &[("'it''s'", Value::text("it's")), ("'a,b'", Value::text("a,b"))],
    )
    .await;
    check("inet4", &[("'10.0.0.8'", Value::text("10.0.0.8"))]).await;
    check("inet6", &[("'2001:db8::1'", Value::text("2001:db8::1"))]).await;
}

#[tokio::test]
async fn sets_bytes_and_identifiers() {
    let set = |members: &[&str]| Value::set(members.iter().map(Value::text).collect());
    check("set('a','b','c')", &[("'c,a'", set(&["a", "c"])), ("''", set(&[]))]).await;
    check("varbinary(8)", &[("x'00ff27'", bytes(&[0, 255, 39])), ("''", bytes(&[]))]).await;
    check("binary(3)", &[("x'610000'", bytes(&[97, 0, 0]))]).await;
    check("blob", &[("x'c3'", bytes(&[0xc3]))]).await;
    check("varchar(8) character set binary", &[("x'ff'", bytes(&[255]))]).await;
    check(
        "uuid",
        &[(
            "'0189d0c2-0000-7000-8000-00000000abcd'",
            Value::Uuid(0x0189_d0c2_0000_7000_8000_0000_0000_abcd_u128.to_be_bytes()),
        )],
    )
    .await;
}

#[tokio::test]
async fn dates_and_times() {
    let second = 1_000_000_000;
    check(
        "date",
        &[
            ("'2024-02-29'", Value::Date(day(2024, 2, 29))),
            ("'0001-01-01'", Value::Date(day(1, 1, 1))),
            ("'9999-12-31'", Value::Date(day(9999, 12, 31))),
        ],
    )
    .await;
    check(
        "datetime",
        &[("'2024-03-31 02:30:00'", Value::LocalDateTime(day(2024, 3, 31), 9_000 * second))],
    )
    .await;
    check(
        "datetime(6)",
        &[(
            "'1000-01-01 23:59:59.999999'",
            Value::LocalDateTime(day(1000, 1, 1), 86_399 * second + 999_999_000),
        )],
    )
    .await;
    check(
        "timestamp(3)",
        &[
            ("'2024-07-01 10:00:00.125'", Value::Instant(1_719_828_000, 125_000_000)),
            ("'1970-01-01 00:00:01'", Value::Instant(1, 0)),
        ],
    )
    .await;
    check(
        "time(6)",
        &[
            ("'23:59:59.5'", Value::Time(86_399 * second + 500_000_000)),
            ("'00:00:00'", Value::Time(0)),
            ("'24:00:00'", Value::Interval(0, 0, 86_400 * second as i64)),
            ("'-838:59:59'", Value::Interval(0, 0, -3_020_399 * second as i64)),
            ("'-00:00:00.000001'", Value::Interval(0, 0, -1_000)),
        ],
    )
    .await;
}

#[tokio::test]
async fn json_documents() {
    let map = |entries: Vec<(&str, Value)>| {
        Value::Map(Box::new(
            entries.into_iter().map(|(name, value)| (name.into(), value)).collect(),
        ))
    };
    let document = map(vec![
        ("b", Value::List(vec![Value::Bool(true), Value::Null, num("0.1")])),
        ("n", num("12345678901234567890")),
        ("t", Value::text("it's \"q\"\n")),
    ]);
    check(
        "json",
        &[
            (
                r#"'{"b":[true,null,0.1],"n":12345678901234567890,"t":"it''s \\"q\\"\\n"}'"#,
                document,
            ),
            ("'[]'", Value::List(vec![])),
            ("null", Value::Null),
        ],
    )
    .await;
}

/// What the catalog says of each type.
#[tokio::test]
async fn types_are_described_and_refused_by_name() {
    let table = Table::new(
        "create table t (id bigint unsigned auto_increment primary key, b tinyint(1) not null default 1,
         d decimal(38,10), wide decimal(39,2), f float, c char(5), v varchar(20) character set latin1,
         x varchar(20) collate utf8mb4_nopad_bin, e enum('a','it''s'), s set('x','y'), bin binary(3), day date, at datetime(3),
         ts timestamp null, t time, j json, place point, poly geometry, bits bit(9), u uuid,
         g int as (b + 1) virtual, p int as (b + 2) persistent, l longtext not null)",
        &["id"],
    );
    let mut catalog = syncline_adapters::catalog(&table.settings).await.unwrap();
    let described = catalog.describe(&["t".into()]).await.unwrap().remove(0).unwrap();
    let mut text = String::new();
    for column in &described.columns {
        use std::fmt::Write;
        let mut flags = Vec::new();
        for (flag, is) in [
            ("null", column.nullable),
            ("default", column.has_default),
            ("identity", column.is_identity),
            ("generated", column.is_generated),
            ("folds", column.folds),
        ] {
            if is {
                flags.push(flag.to_owned());
            }
        }
        flags.extend(column.length_max.map(|length| format!("length {length}")));
        flags.extend(column.precision.map(|digits| format!("digits {digits}")));
        flags.extend(column.scale.map(|scale| format!("scale {scale}")));
        flags.extend(column.rounds.map(|rounds| format!("{rounds:?}")));
        flags.extend(column.allowed.iter().map(|text| format!("<{text}>")));
        let (travels, how) = match &column.travels {
            syncline_ports::catalog::Travels::Exactly(kind) => (format!("{kind:?}"), String::new()),
            syncline_ports::catalog::Travels::Converted(kind, how) => {
                (format!("{kind:?}"), format!(" ({how})"))
            }
            syncline_ports::catalog::Travels::Refused => ("refused".into(), String::new()),
        };
        let (name, kind) = (&column.name, &column.type_name);
        writeln!(text, "{name}: {kind} -> {travels}{how}; {}", flags.join(", ")).unwrap();
    }
    let expected: Expect = expect![[r#"
        id: bigint(20) unsigned -> Num; default, identity, digits 20, scale 0, HalfUp
        b: tinyint(1) -> Num; default, digits 3, scale 0, HalfUp
        d: decimal(38,10) -> Num; null, digits 38, scale 10, HalfUp
        wide: decimal(39,2) -> refused; null, digits 39, scale 2, HalfUp
        f: float -> Float (the shortest decimal that reads back as the same float); null
        c: char(5) -> Text (the column does not keep trailing spaces); null, folds, length 5
        v: varchar(20) -> Text; null, folds, length 20
        x: varchar(20) -> Text; null, length 20
        e: enum('a','it''s') -> Text; null, folds, <a>, <it's>
        s: set('x','y') -> List (the set of its members, without order); null, folds, <x>, <y>
        bin: binary(3) -> Bytes (shorter values are filled with zero bytes); null
        day: date -> Date (rows with a zero or partial date are set aside); null
        at: datetime(3) -> LocalDateTime (rows with a zero or partial date are set aside); null, scale 3, Truncate
        ts: timestamp -> Instant (rows with a zero timestamp are set aside); null, scale 0, Truncate
        t: time -> Time (a time below zero or of 24 hours and more is an interval); null, scale 0, Truncate
        j: longtext -> Json (the document, without its layout; a JSON null reads as NULL); null
        place: point -> refused; null
        poly: geometry -> refused; null
        bits: bit(9) -> Num (the bits as a whole number, first bit highest); null, digits 9, scale 0, HalfUp
        u: uuid -> Uuid; null
        g: int(11) -> Num; null, generated, digits 10, scale 0, HalfUp
        p: int(11) -> Num; null, generated, digits 10, scale 0, HalfUp
        l: longtext -> Text; folds, length 4294967295
    "#]];
    expected.assert_eq(&text);
}

#[tokio::test]
async fn a_refused_type_cannot_be_bound() {
    let table = Table::new("create table t (id int primary key, v decimal(39,1))", &["id", "v"]);
    let refused = syncline_adapters::open(
        &table.settings,
        std::sync::Arc::new(table.plan.clone()),
        syncline_core::name::SystemIndex(0),
    )
    .await
    .err()
    .unwrap();
    expect![[r#"could not carry column "v" of "t": a type cannot be carried exactly (its type is decimal(39,1))"#]].assert_eq(&refused.to_string());
}

/// Dates that are none set their row aside, with a code; the others come.
#[tokio::test]
async fn zero_and_partial_dates_set_the_row_aside() {
    let table = Table::new(
        "create table t (id int primary key, d date, at datetime, ts timestamp null)",
        &["id", "d", "at", "ts"],
    );
    table.sql(
        "set sql_mode = ''; insert into t values (1, '2024-01-01', null, null),
         (2, '0000-00-00', null, null), (3, '2024-00-00', null, null), (4, '2024-02-00', null, null),
         (5, null, '0000-00-00 00:00:00', null), (6, null, null, '0000-00-00 00:00:00')",
    );
    let mut open = table.open().await;
    let batch = scan(&mut open).await;
    assert_eq!(batch.then, Then::ScanComplete { rows: 6 });
    assert_eq!(batch.rows.len(), 1);
    let refused: Vec<String> = batch
        .refused
        .iter()
        .map(|row| format!("{} {} {}", row.key, row.code, row.reason))
        .collect();
    expect![[r#"
        2 read.zero_date column "d": a date without year, month or day is no date
        3 read.zero_date column "d": a date without year, month or day is no date
        4 read.zero_date column "d": a date without year, month or day is no date
        5 read.zero_date column "at": a date without year, month or day is no date
        6 read.zero_date column "ts": a date without year, month or day is no date"#]]
    .assert_eq(&refused.join("\n"));
}

/// What the system makes of values that do not fit without an error is in the answer.
#[tokio::test]
async fn coercion_is_in_the_answer() {
    let mut table = Table::new(
        "create table t (id int primary key, c char(5), v varchar(3), n decimal(5,1), at datetime,
         ts timestamp(3) null, i int, b binary(3))",
        &["id", "c", "v", "n", "at", "ts", "i", "b"],
    );
    let mut open = table.open().await;
    let insert = table.insert(&[
        (0, Value::int(1)),
        (1, Value::text("ab  ")),
        (2, Value::text("abc   ")),
        (3, num("2.25")),
        (4, Value::LocalDateTime(day(2024, 1, 1), 999_999_999)),
        (5, Value::Instant(1_704_067_200, 999_999_999)),
        (6, num("2.5")),
        (7, bytes(b"a")),
    ]);
    let answers = open.target.apply(&[insert]).await;
    let [(_, Outcome::Applied { post: Some(post), .. })] = answers.as_slice() else {
        panic!("{answers:?}");
    };
    let shown: Vec<String> =
        post.0.iter().map(|slot| format!("{:?}", slot.value().unwrap())).collect();
    expect![[r#"
        number 1
        "ab"
        "abc"
        number 2.3
        local timestamp 2024-01-01 00:00:00
        timestamp 2024-01-01T00:00:00.999Z
        number 3
        bytes \x610000"#]]
    .assert_eq(&shown.join("\n"));
}
