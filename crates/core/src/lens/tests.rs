use super::*;
use crate::{Text, decimal::Decimal, value::day_number};

fn spec() -> CellSpec {
    CellSpec::default()
}

fn text(value: &str) -> Value {
    Value::text(value)
}

fn num(value: &str) -> Value {
    Value::Num(Decimal::parse(value).expect("a number"))
}

fn date(year: i64, month: u32, day: u32) -> Value {
    Value::Date(day_number(year, month, day).expect("a date"))
}

/// An instant written `2024-01-31T12:00:00Z`.
fn instant(value: &str) -> Value {
    scalar::parse(NativeKind::Instant, value).expect("an instant")
}

fn local(value: &str) -> Value {
    scalar::parse(NativeKind::LocalDateTime, value).expect("a local time")
}

fn list(items: &[&str]) -> Value {
    Value::List(
        items.iter().map(|item| if *item == "-" { Value::Null } else { text(item) }).collect(),
    )
}

#[track_caller]
fn lens(kind: &FieldType, spec: &CellSpec) -> Lens {
    compile(kind, spec, None).unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// Golden and native mean each other, both ways, without memory.
#[track_caller]
fn check_both(lens: &Lens, pairs: &[(Value, Value)]) {
    for (golden, native) in pairs {
        assert_eq!(lens.put0(golden).as_ref(), Ok(native), "writing {golden:?}");
        assert_eq!(lens.get0(native).as_ref(), Ok(golden), "reading {native:?}");
    }
}

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "reads better at the call site")]
fn check_reads(lens: &Lens, native: Value, expected: Value) {
    assert_eq!(lens.get0(&native), Ok(expected), "reading {native:?}");
}

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "reads better at the call site")]
fn check_refuses_to_read(lens: &Lens, native: Value, code: &str, message: &str) {
    let problem = lens.get0(&native).expect_err("it is refused");
    assert_eq!((problem.code, problem.message.as_str()), (code, message));
}

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "reads better at the call site")]
fn check_refuses_to_write(lens: &Lens, golden: Value, code: &str, message: &str) {
    let problem = lens.put0(&golden).expect_err("it is refused");
    assert_eq!((problem.code, problem.message.as_str()), (code, message));
}

#[track_caller]
fn check_refuses_to_compile(kind: &FieldType, spec: &CellSpec, expected: &str) {
    let problems = compile(kind, spec, None).expect_err("it is refused");
    let lines: Vec<String> =
        problems.iter().map(|problem| format!("{}: {}", problem.code, problem.message)).collect();
    assert_eq!(lines.join("\n"), expected);
}

#[test]
fn a_cell_that_says_nothing_copies() {
    let same = [
        (FieldType::Any, None),
        (FieldType::Text, Some(NativeKind::Text)),
        (FieldType::Decimal, Some(NativeKind::Num)),
        (FieldType::Bool, Some(NativeKind::Bool)),
        (FieldType::Date, Some(NativeKind::Date)),
        (FieldType::Timestamp, Some(NativeKind::Instant)),
        (FieldType::Uuid, Some(NativeKind::Uuid)),
        (FieldType::Json, Some(NativeKind::Json)),
        (FieldType::Money { currency: Some("EUR".into()) }, Some(NativeKind::Num)),
    ];
    for (kind, native) in same {
        let lens = lens(&kind, &CellSpec { native, ..spec() });
        assert!(lens.is_identity(), "{kind:?}");
        assert_eq!(lens.get(&text("x"), Some(&text("y"))), Ok(text("x")));
        assert_eq!(lens.put(&text("x"), Some(&text("y"))), Ok(text("x")));
    }
}

#[test]
fn null_is_null_everywhere() {
    for (kind, spec) in law_catalogue() {
        let lens = lens(&kind, &spec);
        if spec.default.is_none() && spec.constant.is_none() && spec.split.is_none() {
            assert_eq!(lens.get0(&Value::Null), Ok(Value::Null), "{kind:?}");
            assert_eq!(lens.put0(&Value::Null), Ok(Value::Null), "{kind:?}");
        }
    }
}

// Dates and times (S1, S2, S3).

#[test]
fn a_date_is_written_day_first_and_read_back() {
    let format = Some(Text::new("%d/%m/%Y"));
    let lens = lens(&FieldType::Date, &CellSpec { format, ..spec() });
    check_both(
        &lens,
        &[(date(2024, 1, 1), text("01/01/2024")), (date(2024, 4, 3), text("03/04/2024"))],
    );
    check_reads(&lens, text("3/4/2024"), date(2024, 4, 3));
    let refused = "\"29/02/2023\" is no date of the form %d/%m/%Y";
    check_refuses_to_read(&lens, text("29/02/2023"), "map.invalid", refused);
    for bad in ["", "2024-01-01", "01/01/24", "01/01/2024 ", "32/01/2024", "01/13/2024", "01/01"] {
        assert!(lens.get0(&text(bad)).is_err(), "{bad}");
    }
    // The system's own form stays as long as it means the same.
    assert_eq!(lens.put(&date(2024, 4, 3), Some(&text("3/4/2024"))), Ok(text("3/4/2024")));
}

#[test]
fn patterns_of_dates_and_times() {
    let zone = |kind: &FieldType| (*kind == FieldType::Timestamp).then(|| Text::new("UTC"));
    let check = |format: &str, kind: FieldType, golden: Value, native: &str| {
        let spec = CellSpec { format: Some(Text::new(format)), zone: zone(&kind), ..spec() };
        check_both(&lens(&kind, &spec), &[(golden, text(native))]);
    };
    let day = date(2024, 2, 9);
    check("%Y%m%d", FieldType::Date, day.clone(), "20240209");
    check("%d.%m.%y", FieldType::Date, day.clone(), "09.02.24");
    check("%-d/%-m/%Y", FieldType::Date, day.clone(), "9/2/2024");
    check("%a, %d %b %Y", FieldType::Date, day.clone(), "Fri, 09 Feb 2024");
    check("%A %e %B %Y", FieldType::Date, day.clone(), "Friday 9 February 2024");
    check("%Y-%j", FieldType::Date, day, "2024-040");
    check("100%% %F", FieldType::Date, date(2024, 2, 9), "100% 2024-02-09");
    let noon = local("2024-02-09 13:05:09.25");
    check(
        "%Y-%m-%dT%H:%M:%S%.f",
        FieldType::LocalTimestamp,
        noon.clone(),
        "2024-02-09T13:05:09.25",
    );
    check(
        "%d/%m/%Y %I:%M:%S.%f %p",
        FieldType::LocalTimestamp,
        noon,
        "09/02/2024 01:05:09.250000 PM",
    );
    let instant = instant("2024-02-09T13:05:09.125Z");
    check("%Y%m%d%H%M%S%3f", FieldType::Timestamp, instant.clone(), "20240209130509125");
    check("%F %T%.3f%:z", FieldType::Timestamp, instant.clone(), "2024-02-09 13:05:09.125+00:00");
    check("%s%3f", FieldType::Timestamp, instant, "1707483909125");
    check("%H%M", FieldType::Time, Value::Time(5_400_000_000_000), "0130");
}

#[test]
fn numbers_that_are_dates() {
    let format = Some(Text::new("%Y%m%d"));
    let native = Some(NativeKind::Num);
    let dates = lens(&FieldType::Date, &CellSpec { native, format, ..spec() });
    check_both(&dates, &[(date(2024, 2, 9), num("20240209"))]);
    assert!(dates.get0(&num("20240230")).is_err());
    let format = Some(Text::new("%H%M%S"));
    let times = lens(&FieldType::Time, &CellSpec { native, format, ..spec() });
    check_both(
        &times,
        &[(Value::Time(5_401_000_000_000), num("13001")), (Value::Time(0), num("0"))],
    );
    let format = Some(Text::new("%s"));
    let seconds = lens(&FieldType::Timestamp, &CellSpec { native, format, ..spec() });
    check_both(&seconds, &[(instant("2023-11-14T22:13:20.5Z"), num("1700000000.5"))]);
}

#[test]
fn a_date_never_moves_with_a_zone() {
    let stay = lens(&FieldType::Date, &CellSpec { native: Some(NativeKind::Date), ..spec() });
    assert!(stay.is_identity());
    for zone in ["America/New_York", "Asia/Kolkata", "America/Sao_Paulo", "Pacific/Apia"] {
        let zone = Some(Text::new(zone));
        for native in [NativeKind::Instant, NativeKind::OffsetDateTime, NativeKind::LocalDateTime] {
            let cell = CellSpec { native: Some(native), zone: zone.clone(), ..spec() };
            let lens = lens(&FieldType::Date, &cell);
            // 2018-11-04 has no midnight in São Paulo; 2017-11-05 has an hour twice in New York.
            for day in [date(2017, 11, 1), date(2017, 11, 5), date(2018, 11, 4), date(1900, 1, 1)] {
                let mut value = day.clone();
                for _ in 0..10 {
                    value = lens.get0(&lens.put0(&value).expect("writes")).expect("reads");
                }
                assert_eq!(value, day, "{zone:?} {native:?}");
            }
        }
    }
}

#[test]
fn local_times_need_a_zone_and_keep_the_instant() {
    let native = Some(NativeKind::LocalDateTime);
    let bare = CellSpec { native, ..spec() };
    check_refuses_to_compile(
        &FieldType::Timestamp,
        &bare,
        "map.zone: these times carry no offset: say their zone with `tz:`, or `timezone:` for the \
         whole file",
    );
    let by_file = compile(&FieldType::Timestamp, &bare, Some("Europe/Paris")).expect("compiles");
    check_both(
        &by_file,
        &[
            (instant("2024-01-15T11:00:00Z"), local("2024-01-15 12:00:00")),
            (instant("2024-07-15T10:00:00.000001Z"), local("2024-07-15 12:00:00.000001")),
        ],
    );
    let wrong = CellSpec { zone: Some("Europe/Pariss".into()), ..bare };
    check_refuses_to_compile(
        &FieldType::Timestamp,
        &wrong,
        "map.zone: \"Europe/Pariss\" is no time zone",
    );
}

#[test]
fn a_repeated_hour_is_refused_unless_a_rule_is_declared() {
    let cell = |ambiguous| CellSpec {
        native: Some(NativeKind::LocalDateTime),
        zone: Some("Europe/Paris".into()),
        ambiguous,
        ..spec()
    };
    let (first, second) = (instant("2024-10-27T00:30:00Z"), instant("2024-10-27T01:30:00Z"));
    let shown = local("2024-10-27 02:30:00");
    let strict = lens(&FieldType::Timestamp, &cell(None));
    check_refuses_to_read(
        &strict,
        shown.clone(),
        "map.ambiguous_time",
        "2024-10-27 02:30:00 is a time that the clocks there repeat or skip",
    );
    assert_eq!(strict.put0(&first).expect_err("refused").code, "map.ambiguous_time");
    check_refuses_to_read(
        &strict,
        local("2024-03-31 02:30:00"),
        "map.ambiguous_time",
        "2024-03-31 02:30:00 is a time that the clocks there repeat or skip",
    );
    for (rule, expected) in [(Ambiguous::Earlier, &first), (Ambiguous::Later, &second)] {
        let lens = lens(&FieldType::Timestamp, &cell(Some(rule)));
        assert_eq!(lens.get0(&shown).as_ref(), Ok(expected));
        // Both instants can be written, and the hub remembers which one it was.
        for instant in [&first, &second] {
            assert_eq!(lens.put0(instant), Ok(shown.clone()));
            assert_eq!(lens.get(&shown, Some(instant)).as_ref(), Ok(instant));
        }
    }
}

#[test]
fn timestamps_as_text() {
    let native = Some(NativeKind::Text);
    let plain = lens(&FieldType::Timestamp, &CellSpec { native, ..spec() });
    check_both(&plain, &[(instant("2024-02-09T13:05:09.5Z"), text("2024-02-09T13:05:09.5Z"))]);
    check_reads(&plain, text("2024-02-09 15:05:09.5+02:00"), instant("2024-02-09T13:05:09.5Z"));
    assert!(plain.get0(&text("2024-02-09 13:05:09")).is_err(), "no offset and no zone");
    assert!(plain.get0(&text("2024-02-09T23:59:60Z")).is_err(), "a leap second");
    let zone = Some(Text::new("Europe/Paris"));
    let here = lens(&FieldType::Timestamp, &CellSpec { native, zone, ..spec() });
    check_both(&here, &[(instant("2024-02-09T13:05:09Z"), text("2024-02-09 14:05:09"))]);
    check_reads(&here, text("2024-02-09T13:05:09Z"), instant("2024-02-09T13:05:09Z"));
    let utc = CellSpec { native, zone: Some("UTC".into()), ..spec() };
    check_both(
        &lens(&FieldType::Timestamp, &utc),
        &[(instant("2024-02-09T13:05:09Z"), text("2024-02-09 13:05:09"))],
    );
}

#[test]
fn a_coarse_column_cuts_and_the_hub_remembers() {
    let cell = CellSpec { native: Some(NativeKind::Instant), fraction: Some(0), ..spec() };
    let lens = lens(&FieldType::Timestamp, &cell);
    let (fine, coarse) = (instant("2024-02-09T13:05:09.999999Z"), instant("2024-02-09T13:05:09Z"));
    assert_eq!(lens.put0(&fine), Ok(coarse.clone()));
    assert_eq!(lens.get(&coarse, Some(&fine)), Ok(fine.clone()));
    assert_eq!(lens.normalise(&fine), coarse);
    // Somebody moved it there: the tail is gone, by their own doing.
    let moved = instant("2024-02-09T13:06:00Z");
    assert_eq!(lens.get(&moved, Some(&fine)), Ok(moved));
}

#[test]
fn a_form_without_the_time_of_day_refuses_times() {
    let format = Some(Text::new("%d/%m/%Y"));
    let zone = Some(Text::new("UTC"));
    let cell = CellSpec { format, zone, ..spec() };
    let strict = lens(&FieldType::Timestamp, &cell);
    check_both(&strict, &[(instant("2024-02-09T00:00:00Z"), text("09/02/2024"))]);
    check_refuses_to_write(
        &strict,
        instant("2024-02-09T13:05:09Z"),
        "map.lossy",
        "2024-02-09T13:05:09Z would come back changed if it were written here",
    );
    let lossy = lens(&FieldType::Timestamp, &CellSpec { lossy: true, ..cell });
    assert_eq!(lossy.put0(&instant("2024-02-09T13:05:09Z")), Ok(text("09/02/2024")));
}

// Numbers and money (S4, L5).

#[test]
fn amounts_in_three_notations_are_one_amount() {
    let eur = FieldType::Money { currency: Some("EUR".into()) };
    let german = CellSpec {
        format: Some("{amount} {currency}".into()),
        decimal_separator: Some(','),
        group_separator: Some('.'),
        scale: Some(2),
        ..spec()
    };
    let minor = CellSpec { unit: Some(Unit::Minor), native: Some(NativeKind::Num), ..spec() };
    let plain = CellSpec { native: Some(NativeKind::Text), ..spec() };
    check_both(&lens(&eur, &german), &[(num("1234.56"), text("1.234,56 EUR"))]);
    check_both(&lens(&eur, &german), &[(num("-1234567.5"), text("-1.234.567,50 EUR"))]);
    check_both(&lens(&eur, &minor), &[(num("1234.56"), num("123456")), (num("0"), num("0"))]);
    check_both(&lens(&eur, &plain), &[(num("1234.56"), text("1234.56"))]);
    check_reads(&lens(&eur, &german), text("1234,5\u{a0}eur"), num("1234.5"));
    let refused = "\"1.234,56 USD\" is not in EUR";
    check_refuses_to_read(&lens(&eur, &german), text("1.234,56 USD"), "map.currency", refused);
    for bad in ["1,234.56 EUR", "12.34,5 EUR", "1.234,56", "EUR", "1..234,5 EUR", "1.234,5,6 EUR"] {
        assert!(lens(&eur, &german).get0(&text(bad)).is_err(), "{bad}");
    }
}

#[test]
fn minor_units_follow_the_currency() {
    let any = FieldType::Money { currency: None };
    let cell = CellSpec { unit: Some(Unit::Minor), currency: Some(CellCurrency::Column), ..spec() };
    let lens = lens(&any, &cell);
    let pair = |number: &str, code: &str| Value::List(vec![num(number), text(code)]);
    check_both(
        &lens,
        &[
            (pair("12.34", "EUR"), pair("1234", "EUR")),
            (pair("1234", "JPY"), pair("1234", "JPY")),
            (pair("1.234", "BHD"), pair("1234", "BHD")),
            (pair("0.1234", "CLF"), pair("1234", "CLF")),
        ],
    );
    let half_cent = pair("0.005", "EUR");
    let refused = "[0.005, EUR] has more than 0 digits after the point";
    check_refuses_to_write(&lens, half_cent, "map.lossy", refused);
}

#[test]
fn the_currency_of_a_cell_is_checked() {
    let any = FieldType::Money { currency: None };
    let constant = CellSpec { currency: Some(CellCurrency::Constant("eur".into())), ..spec() };
    let euros = lens(&any, &constant);
    let pair = |code: &str| Value::List(vec![num("5"), text(code)]);
    check_both(&euros, &[(pair("EUR"), num("5"))]);
    check_refuses_to_write(&euros, pair("USD"), "map.currency", "[5, USD] is not in EUR");
    let usd = FieldType::Money { currency: Some("USD".into()) };
    let expected = "map.currency: the field is in USD, and this cell in EUR";
    check_refuses_to_compile(&usd, &constant, expected);
    // Without any currency an amount can be written, not read.
    let absent = lens(&any, &spec());
    assert_eq!(absent.put0(&pair("EUR")), Ok(num("5")));
    assert_eq!(law::invertible(&any, &absent).expect_err("one-way").code, "map.not_invertible");
}

#[test]
fn digits_that_do_not_fit_are_refused_or_remembered() {
    let native = Some(NativeKind::Num);
    let strict = CellSpec { native, scale: Some(2), digits: Some(6), ..spec() };
    let lens_of = |spec: &CellSpec| lens(&FieldType::Decimal, spec);
    let refused = "10.1234 has more than 2 digits after the point";
    check_refuses_to_write(&lens_of(&strict), num("10.1234"), "map.lossy", refused);
    check_refuses_to_write(
        &lens_of(&strict),
        num("10000"),
        "map.out_of_range",
        "10000 is too large",
    );
    check_both(&lens_of(&strict), &[(num("9999.99"), num("9999.99"))]);
    let lossy = lens_of(&CellSpec { lossy: true, ..strict.clone() });
    assert_eq!(lossy.put0(&num("10.1234")), Ok(num("10.12")));
    assert_eq!(lossy.get(&num("10.12"), Some(&num("10.1234"))), Ok(num("10.1234")));
    assert_eq!(lossy.get(&num("10.13"), Some(&num("10.1234"))), Ok(num("10.13")));
    let cut = lens_of(&CellSpec { rounding: Some(Rounding::Truncate), ..strict });
    assert_eq!(cut.put0(&num("10.129")), Ok(num("10.12")));
    assert_eq!(cut.normalise(&num("10.129")), num("10.12"));
}

#[test]
fn units_convert_exactly() {
    let unit = |multiply: &str, divide: &str, offset: &str| {
        let parse = |text| Decimal::parse(text).expect("a number");
        let unit = Unit::Linear {
            multiply: parse(multiply),
            divide: parse(divide),
            offset: parse(offset),
        };
        CellSpec { unit: Some(unit), native: Some(NativeKind::Num), ..spec() }
    };
    let grams = lens(&FieldType::Decimal, &unit("1000", "1", "0"));
    check_both(&grams, &[(num("1.25"), num("1250")), (num("0.0001"), num("0.1"))]);
    let tenths = lens(&FieldType::Int, &unit("1", "10", "0"));
    check_both(&tenths, &[(num("125"), num("12.5"))]);
    assert!(tenths.get0(&num("12.55")).is_err(), "not a whole number of tenths");
    let fahrenheit = CellSpec { scale: Some(2), ..unit("9", "5", "32") };
    let fahrenheit = lens(&FieldType::Decimal, &fahrenheit);
    check_both(&fahrenheit, &[(num("100"), num("212")), (num("-40"), num("-40"))]);
    // 33 °F is 0.5555… °C: reading and writing it back leaves the system alone.
    let celsius = fahrenheit.get0(&num("33")).expect("reads");
    assert_eq!(fahrenheit.put0(&celsius), Ok(num("33")));
    check_refuses_to_compile(
        &FieldType::Decimal,
        &unit("1", "3", "0"),
        "map.setting: this unit gives numbers without an end: say the `scale` the column keeps",
    );
}

#[test]
fn whole_numbers_and_texts() {
    let native = Some(NativeKind::Text);
    let whole = lens(&FieldType::Int, &CellSpec { native, ..spec() });
    check_both(&whole, &[(num("18446744073709551615"), text("18446744073709551615"))]);
    check_reads(&whole, text(" 007 "), num("7"));
    check_reads(&whole, text("1e3"), num("1000"));
    for bad in ["1.5", "", "x", "0x10", "１"] {
        assert!(whole.get0(&text(bad)).is_err(), "{bad}");
    }
    assert_eq!(whole.put(&num("7"), Some(&text("007"))), Ok(text("007")));
    let codes = lens(&FieldType::Text, &CellSpec { native: Some(NativeKind::Num), ..spec() });
    check_both(&codes, &[(text("7"), num("7"))]);
    check_refuses_to_write(&codes, text("007"), "map.lossy", "\"007\" would come back as 7");
    let float = lens(&FieldType::Decimal, &CellSpec { native: Some(NativeKind::Float), ..spec() });
    check_both(&float, &[(num("0.1"), Value::Float(crate::value::Float::new(0.1)))]);
    assert_eq!(float.put0(&num("9007199254740993")).expect_err("refused").code, "map.lossy");
}

// Tables (S5, S6) and booleans.

fn status() -> (FieldType, CellSpec) {
    let kind = FieldType::Enum(["lead", "customer", "blocked"].map(Text::new).to_vec());
    let rows = vec![
        (text("lead"), vec![text("0")]),
        (text("customer"), vec![text("1")]),
        (text("blocked"), vec![text("8"), text("9")]),
    ];
    (kind, CellSpec { values: Some(rows), ..spec() })
}

#[test]
fn many_native_values_are_read_and_the_first_is_written() {
    let (kind, cell) = status();
    let texts = lens(&kind, &cell);
    check_both(&texts, &[(text("blocked"), text("8")), (text("lead"), text("0"))]);
    check_reads(&texts, text("9"), text("blocked"));
    check_reads(&texts, num("9"), text("blocked"));
    assert_eq!(texts.put(&text("blocked"), Some(&text("9"))), Ok(text("9")), "9 is no news");
    assert_eq!(texts.put(&text("lead"), Some(&text("9"))), Ok(text("0")));
    let numbers = lens(&kind, &CellSpec { native: Some(NativeKind::Num), ..cell.clone() });
    check_both(&numbers, &[(text("customer"), num("1"))]);
    assert_eq!(law::invertible(&kind, &numbers), Ok(()));
}

#[test]
fn a_value_outside_the_table_is_not_guessed() {
    let (kind, cell) = status();
    let lens = lens(&kind, &cell);
    check_refuses_to_read(&lens, text("7"), "map.unknown_value", "\"7\" stands for no value");
    check_refuses_to_write(
        &lens,
        text("vip"),
        "map.unknown_value",
        "the value \"vip\" has no value in the system",
    );
}

#[test]
fn a_table_is_checked_when_it_is_compiled() {
    let (kind, cell) = status();
    let with = |rows| CellSpec { values: Some(rows), ..cell.clone() };
    check_refuses_to_compile(
        &kind,
        &with(vec![(text("leed"), vec![text("0")]), (text("customer"), Vec::new())]),
        "map.unknown_value: \"leed\" is not one of the field's values, which are lead, customer, \
         blocked\nmap.setting: \"customer\" has no value in the system",
    );
    let twice = with(vec![
        (text("lead"), vec![text("0")]),
        (text("customer"), vec![text("0")]),
        (text("blocked"), vec![text("8")]),
    ]);
    let found = law::invertible(&kind, &lens(&kind, &twice)).expect_err("two for one");
    assert_eq!(found.code, "map.not_invertible");
    assert_eq!(found.to_string(), "writing \"customer\" and reading it back: \"0\" gives \"lead\"");
    let partial = with(vec![(text("lead"), vec![text("0")]), (text("blocked"), vec![text("8")])]);
    let found = law::invertible(&kind, &lens(&kind, &partial)).expect_err("customer is missing");
    assert_eq!((found.code, found.golden), ("map.incomplete", Some(text("customer"))));
    let letters =
        CellSpec { native: Some(NativeKind::Num), ..with(vec![(text("lead"), vec![text("L")])]) };
    check_refuses_to_compile(
        &kind,
        &letters,
        "map.setting: the column holds a number, which \"L\" is not",
    );
}

#[test]
fn null_may_stand_in_a_table() {
    let rows = vec![(text("open"), vec![Value::Null]), (text("shut"), vec![text("x")])];
    let lens = lens(&FieldType::Text, &CellSpec { values: Some(rows), ..spec() });
    check_both(&lens, &[(text("open"), Value::Null), (text("shut"), text("x"))]);
    assert_eq!(lens.put0(&Value::Null), Ok(Value::Null));
}

#[test]
fn booleans_in_every_dress() {
    let yes = Value::Bool(true);
    let words = (vec![text("O"), text("1")], vec![text("N"), text("0")]);
    let french = lens(&FieldType::Bool, &CellSpec { boolean: Some(words), ..spec() });
    check_both(&french, &[(yes.clone(), text("O")), (Value::Bool(false), text("N"))]);
    check_reads(&french, num("1"), yes.clone());
    assert_eq!(french.put(&yes, Some(&text("1"))), Ok(text("1")));
    check_refuses_to_read(&french, text("Y"), "map.unknown_value", "\"Y\" stands for no boolean");
    let tiny = lens(&FieldType::Bool, &CellSpec { native: Some(NativeKind::Num), ..spec() });
    check_both(&tiny, &[(yes.clone(), num("1")), (Value::Bool(false), num("0"))]);
    check_refuses_to_read(&tiny, num("2"), "map.invalid", "2 is no boolean");
    let bit = lens(&FieldType::Bool, &CellSpec { native: Some(NativeKind::Bytes), ..spec() });
    check_both(&bit, &[(yes.clone(), Value::Bytes(Box::new([1])))]);
    let loose = lens(&FieldType::Bool, &CellSpec { native: Some(NativeKind::Text), ..spec() });
    for word in ["true", "T", "1", "Yes", "y", "ON"] {
        check_reads(&loose, text(word), yes.clone());
    }
}

// Texts (L4, S7, S14).

#[test]
fn a_system_that_writes_capitals_does_not_shout_at_the_others() {
    let lens = lens(&FieldType::Text, &CellSpec { case: Some(Case::Upper), ..spec() });
    let (ana, shout) = (text("Ana"), text("ANA"));
    assert_eq!(lens.put(&ana, Some(&text("BOB"))), Ok(shout.clone()));
    assert_eq!(lens.get(&shout, Some(&ana)), Ok(ana.clone()), "our own write, not news");
    let edited = text("ANA MARIA");
    assert_eq!(lens.get(&edited, Some(&ana)), Ok(edited), "an edit there flows");
    assert_eq!(lens.normalise(&ana), shout);
}

#[test]
fn blanks_and_case_that_do_not_count() {
    let cell = CellSpec { trim: true, collapse: true, case: Some(Case::Fold), ..spec() };
    let lens = lens(&FieldType::Text, &cell);
    check_reads(&lens, text("  Ana \t Maria "), text("ana maria"));
    let kept = text("ANA  MARIA");
    assert_eq!(lens.put(&text("ana maria"), Some(&kept)), Ok(kept));
    assert_eq!(lens.put0(&text("Ana")), Ok(text("Ana")));
}

#[test]
fn blank_and_null_by_rule() {
    let exact = lens(&FieldType::Text, &spec());
    assert_eq!(exact.get0(&text("")), Ok(text("")), "empty is not null");
    let blank = lens(&FieldType::Text, &CellSpec { blank_is_null: true, ..spec() });
    check_reads(&blank, text(""), Value::Null);
    check_reads(&blank, text("  "), Value::Null);
    assert_eq!(blank.put(&Value::Null, Some(&text(""))), Ok(text("")), "no write for nothing");
    assert_eq!(blank.get(&text(""), Some(&text(""))), Ok(text("")), "another system's empty text");
    let never_null = CellSpec { blank_is_null: true, default: Some(text("")), ..spec() };
    check_both(&lens(&FieldType::Text, &never_null), &[(Value::Null, text(""))]);
}

#[test]
fn a_default_is_written_for_null_and_read_by_memory() {
    let cell =
        CellSpec { native: Some(NativeKind::Text), default: Some(text("0000-00-00")), ..spec() };
    let dates = lens(&FieldType::Date, &cell);
    check_both(
        &dates,
        &[(Value::Null, text("0000-00-00")), (date(2024, 1, 1), text("2024-01-01"))],
    );
    let stock = lens(&FieldType::Int, &CellSpec { default: Some(num("0")), ..spec() });
    assert_eq!(stock.put0(&Value::Null), Ok(num("0")));
    assert_eq!(stock.get(&num("0"), Some(&Value::Null)), Ok(Value::Null));
    assert_eq!(stock.get(&num("0"), Some(&num("5"))), Ok(num("0")));
}

#[test]
fn a_constant_is_written_and_never_read() {
    let lens = lens(&FieldType::Any, &CellSpec { constant: Some(text("EU")), ..spec() });
    assert_eq!(lens.put(&Value::Null, None), Ok(text("EU")));
    assert_eq!(lens.put(&Value::Null, Some(&text("US"))), Ok(text("US")), "not enforced");
    assert_eq!(lens.get(&text("US"), None), Ok(Value::Null));
}

#[test]
fn a_long_text_is_refused_or_cut_where_people_see_a_seam() {
    let cell = CellSpec { max: Some(5), ..spec() };
    let strict = lens(&FieldType::Text, &cell);
    check_both(&strict, &[(text("ééééé"), text("ééééé"))]);
    let refused = "\"ééé ééé\" has 7 characters, and the column holds 5";
    check_refuses_to_write(&strict, text("ééé ééé"), "map.out_of_range", refused);
    let lossy = lens(&FieldType::Text, &CellSpec { lossy: true, ..cell });
    let cut = |input: &str, expected: &str| {
        assert_eq!(lossy.put0(&text(input)), Ok(text(expected)), "{input}");
    };
    cut("abcdefg", "abcde");
    cut("abcde", "abcde");
    cut("abcde\u{301}f", "abcd");
    cut("abcd\r\nf", "abcd");
    cut("ab👩‍👩‍👧", "ab");
    cut("a🇪🇸🇫🇷🇮🇹", "a🇪🇸🇫🇷");
    cut("abcd🇪🇸", "abcd");
    cut("\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}", "\u{301}\u{301}\u{301}\u{301}\u{301}");
    let (long, short) = (text("abcdefg"), text("abcde"));
    assert_eq!(lossy.get(&short, Some(&long)), Ok(long));
}

#[test]
fn text_is_never_normalised_silently() {
    let lens = lens(&FieldType::Text, &spec());
    for same in ["Mu\u{308}ller", "Müller", " x ", "a\r\nb", "👩‍👩‍👧", "Straße", "\u{0}"]
    {
        check_both(&lens, &[(text(same), text(same))]);
    }
    assert_ne!(lens.get0(&text("Müller")), lens.get0(&text("Mu\u{308}ller")));
}

// Contacts (M14).

#[test]
fn telephone_numbers_are_equal_however_they_are_written() {
    let spain = FieldType::Phone { region: Some("ES".into()) };
    let lens_of = |phone| lens(&spain, &CellSpec { phone, ..spec() });
    let plain = lens_of(None);
    for same in
        ["+34 600 111 222", "600111222", "600-11-12-22", "0034 600 111 222", "(+34) 600.111.222"]
    {
        check_reads(&plain, text(same), text("+34600111222"));
        assert_eq!(plain.put(&text("+34600111222"), Some(&text(same))), Ok(text(same)));
    }
    check_reads(&plain, num("600111222"), text("+34600111222"));
    check_reads(&plain, text("+1 212 555 0100 x12"), text("+12125550100;ext=12"));
    for bad in
        ["", "unknown", "12", "+999999999999", "600111", "+34 600 111 222 or 223", "++34600111222"]
    {
        assert!(plain.get0(&text(bad)).is_err(), "{bad}");
    }
    let national = lens_of(Some(PhoneFormat::National));
    check_both(&national, &[(text("+34600111222"), text("600 11 12 22"))]);
    check_both(&national, &[(text("+442079460018"), text("+44 20 7946 0018"))]);
    let international = lens_of(Some(PhoneFormat::International));
    check_both(&international, &[(text("+34600111222"), text("+34 600 11 12 22"))]);
    check_refuses_to_compile(
        &FieldType::Phone { region: Some("XX".into()) },
        &spec(),
        "map.setting: \"XX\" is no country whose telephone numbers are known",
    );
}

#[test]
fn an_address_is_trimmed_and_its_domain_small() {
    let lens = lens(&FieldType::Email, &spec());
    check_reads(&lens, text(" Ana.Maria@Example.COM "), text("Ana.Maria@example.com"));
    let kept = text("Ana@EXAMPLE.com");
    assert_eq!(lens.put(&text("Ana@example.com"), Some(&kept)), Ok(kept));
    for bad in ["", "ana", "@x.y", "ana@", "a b@x.y", "ana@x y", "ana@.x"] {
        assert!(lens.get0(&text(bad)).is_err(), "{bad}");
    }
}

// Names in parts, sets, documents and the rest.

#[test]
fn a_name_in_two_columns() {
    let split = |from_end| Split { separator: " ".into(), parts: 2, from_end };
    let cell = |from_end| CellSpec { split: Some(split(from_end)), ..spec() };
    let first = lens(&FieldType::Text, &cell(false));
    check_both(
        &first,
        &[
            (text("Ana Maria Lopez"), list(&["Ana", "Maria Lopez"])),
            (text("Ana"), list(&["Ana", "-"])),
            (Value::Null, list(&["-", "-"])),
        ],
    );
    let kept = list(&["Ana Maria", "Lopez"]);
    check_reads(&first, kept.clone(), text("Ana Maria Lopez"));
    assert_eq!(first.put(&text("Ana Maria Lopez"), Some(&kept)), Ok(kept), "their own cut stays");
    let last = lens(&FieldType::Text, &cell(true));
    check_both(&last, &[(text("Ana Maria Lopez"), list(&["Ana Maria", "Lopez"]))]);
}

#[test]
fn two_fields_in_one_column() {
    let join = Some(Split { separator: " ".into(), parts: 2, from_end: false });
    let lens = lens(&FieldType::Any, &CellSpec { join, ..spec() });
    let (parts, whole) = (list(&["Ana Maria", "Lopez"]), text("Ana Maria Lopez"));
    assert_eq!(lens.put0(&parts), Ok(whole.clone()));
    assert_eq!(lens.get(&whole, Some(&parts)), Ok(parts), "the hub remembers the cut");
    check_reads(&lens, text("Eva Gil"), list(&["Eva", "Gil"]));
}

#[test]
fn sets_in_one_text() {
    let cell = CellSpec { native: Some(NativeKind::Text), ..spec() };
    let lens = lens(&FieldType::Set, &cell);
    let set = Value::set(vec![text("b"), text("a")]);
    check_both(&lens, &[(set.clone(), text("a,b")), (Value::set(Vec::new()), text(""))]);
    check_reads(&lens, text("b, a,,a"), set.clone());
    assert_eq!(lens.put(&set, Some(&text("b,a"))), Ok(text("b,a")));
    assert_eq!(lens.normalise(&text("b,a")), lens.normalise(&text("a,b")));
    let comma = Value::set(vec![text("a,b")]);
    let refused = "\"a,b\" cannot stand between separators \",\"";
    check_refuses_to_write(&lens, comma, "map.invalid", refused);
}

#[test]
fn documents_uuids_bytes_and_intervals() {
    let textual = CellSpec { native: Some(NativeKind::Text), ..spec() };
    let documents = lens(&FieldType::Json, &textual);
    let value = json::parse("{\"b\":[1.50,null],\"a\":\"é\"}").expect("JSON");
    check_both(&documents, &[(value.clone(), text("{\"a\":\"é\",\"b\":[1.5,null]}"))]);
    let spaced = text("{ \"b\" : [1.5, null], \"a\": \"\\u00e9\" }");
    assert_eq!(documents.put(&value, Some(&spaced)), Ok(spaced), "their own form stays");
    let id = Value::Uuid([0xab; 16]);
    let hyphens = text("abababab-abab-abab-abab-abababababab");
    check_both(&lens(&FieldType::Uuid, &textual), &[(id.clone(), hyphens)]);
    check_reads(
        &lens(&FieldType::Uuid, &textual),
        text("{ABABABABABABABABABABABABABABABAB}"),
        id.clone(),
    );
    let raw = CellSpec { native: Some(NativeKind::Bytes), ..spec() };
    check_both(&lens(&FieldType::Uuid, &raw), &[(id, Value::Bytes(Box::new([0xab; 16])))]);
    let bytes = Value::Bytes(b"\x00\xffab".as_slice().into());
    let coded = |format: &str| CellSpec { format: Some(format.into()), ..textual.clone() };
    check_both(&lens(&FieldType::Bytes, &coded("hex")), &[(bytes.clone(), text("00ff6162"))]);
    check_both(&lens(&FieldType::Bytes, &coded("base64")), &[(bytes, text("AP9hYg=="))]);
    let interval = Value::Interval(14, -3, 5_400_500_000_000);
    check_both(&lens(&FieldType::Interval, &textual), &[(interval, text("P14M-3DT5400.5S"))]);
    check_reads(
        &lens(&FieldType::Interval, &textual),
        text("P1Y2M1W3DT4H5M6.7S"),
        Value::Interval(14, 10, 14_706_700_000_000),
    );
}

#[test]
fn settings_that_mean_nothing_are_refused_all_at_once() {
    let cell = CellSpec {
        format: Some("%d".into()),
        zone: Some("UTC".into()),
        unit: Some(Unit::Minor),
        case: Some(Case::Upper),
        ..spec()
    };
    check_refuses_to_compile(
        &FieldType::Uuid,
        &cell,
        "map.setting: `case` means nothing for a field that holds UUIDs\n\
         map.setting: `format` means nothing for a field that holds UUIDs\n\
         map.setting: `tz` means nothing for a field that holds UUIDs\n\
         map.setting: `unit` means nothing for a field that holds UUIDs",
    );
    check_refuses_to_compile(
        &FieldType::Date,
        &CellSpec { format: Some("%d/%m".into()), ..spec() },
        "map.setting: the format \"%d/%m\" names no a year, a month and a day",
    );
    check_refuses_to_compile(
        &FieldType::Date,
        &CellSpec { format: Some("%d/%Q/%Y".into()), ..spec() },
        "map.setting: the format \"%d/%Q/%Y\" has an unknown %Q",
    );
    check_refuses_to_compile(
        &FieldType::Date,
        &CellSpec { native: Some(NativeKind::Bytes), ..spec() },
        "map.type: the field holds dates, and the column a byte string",
    );
}

/// Every kind of lens, for the laws.
pub(super) fn law_catalogue() -> Vec<(FieldType, CellSpec)> {
    let native = |native| CellSpec { native: Some(native), ..spec() };
    let format = |format: &str| CellSpec { format: Some(format.into()), ..spec() };
    let zone = |spec: CellSpec, zone: &str| CellSpec { zone: Some(zone.into()), ..spec };
    let eur = || FieldType::Money { currency: Some("EUR".into()) };
    let open = || FieldType::Money { currency: None };
    let spain = || FieldType::Phone { region: Some("ES".into()) };
    let linear = |multiply: i64, divide: i64, offset: i64| CellSpec {
        unit: Some(Unit::Linear {
            multiply: multiply.into(),
            divide: divide.into(),
            offset: offset.into(),
        }),
        scale: Some(3),
        ..spec()
    };
    let words = (vec![text("O"), num("1")], vec![text("N"), num("0")]);
    let split = |from_end| Some(Split { separator: " ".into(), parts: 2, from_end });
    let rounded = CellSpec { scale: Some(2), rounding: Some(Rounding::HalfEven), ..spec() };
    let german = CellSpec {
        decimal_separator: Some(','),
        group_separator: Some('.'),
        scale: Some(2),
        lossy: true,
        ..spec()
    };
    vec![
        (FieldType::Any, spec()),
        (FieldType::Text, spec()),
        (FieldType::Text, native(NativeKind::Num)),
        (FieldType::Text, native(NativeKind::Bytes)),
        (FieldType::Text, CellSpec { trim: true, ..spec() }),
        (FieldType::Text, CellSpec { trim: true, collapse: true, ..spec() }),
        (FieldType::Text, CellSpec { case: Some(Case::Upper), ..spec() }),
        (FieldType::Text, CellSpec { case: Some(Case::Lower), trim: true, ..spec() }),
        (FieldType::Text, CellSpec { case: Some(Case::Fold), ..spec() }),
        (FieldType::Text, CellSpec { max: Some(5), ..spec() }),
        (FieldType::Text, CellSpec { max: Some(5), lossy: true, ..spec() }),
        (FieldType::Text, CellSpec { max: Some(3), lossy: true, trim: true, ..spec() }),
        (
            FieldType::Text,
            CellSpec { max: Some(3), lossy: true, case: Some(Case::Upper), ..spec() },
        ),
        (FieldType::Text, CellSpec { blank_is_null: true, ..spec() }),
        (FieldType::Text, CellSpec { blank_is_null: true, default: Some(text("")), ..spec() }),
        (FieldType::Text, CellSpec { default: Some(text("n/a")), ..spec() }),
        (FieldType::Text, CellSpec { constant: Some(text("EU")), ..spec() }),
        (FieldType::Text, CellSpec { split: split(false), ..spec() }),
        (FieldType::Text, CellSpec { split: split(true), ..spec() }),
        (FieldType::Any, CellSpec { join: split(true), ..spec() }),
        (FieldType::Int, spec()),
        (FieldType::Int, native(NativeKind::Text)),
        (FieldType::Int, CellSpec { default: Some(num("0")), ..spec() }),
        (FieldType::Int, CellSpec { digits: Some(5), ..spec() }),
        (FieldType::Decimal, native(NativeKind::Text)),
        (FieldType::Decimal, native(NativeKind::Float)),
        (FieldType::Decimal, CellSpec { lossy: true, ..native(NativeKind::Float) }),
        (FieldType::Decimal, CellSpec { scale: Some(2), ..spec() }),
        (FieldType::Decimal, CellSpec { scale: Some(0), lossy: true, ..spec() }),
        (FieldType::Decimal, rounded.clone()),
        (FieldType::Decimal, CellSpec { digits: Some(6), ..rounded }),
        (FieldType::Decimal, german.clone()),
        (FieldType::Decimal, linear(1_000, 1, 0)),
        (FieldType::Decimal, linear(9, 5, 32)),
        (FieldType::Decimal, linear(1, 3, -7)),
        (eur(), CellSpec { unit: Some(Unit::Minor), ..spec() }),
        (eur(), CellSpec { unit: Some(Unit::Minor), lossy: true, ..spec() }),
        (eur(), CellSpec { format: Some("{amount} {currency}".into()), ..german }),
        (open(), CellSpec { currency: Some(CellCurrency::Column), ..spec() }),
        (
            open(),
            CellSpec {
                currency: Some(CellCurrency::Constant("JPY".into())),
                unit: Some(Unit::Minor),
                ..spec()
            },
        ),
        (open(), format("{currency}{amount}")),
        (FieldType::Bool, spec()),
        (FieldType::Bool, native(NativeKind::Num)),
        (FieldType::Bool, native(NativeKind::Text)),
        (FieldType::Bool, CellSpec { boolean: Some(words), ..spec() }),
        (FieldType::Date, spec()),
        (FieldType::Date, native(NativeKind::Text)),
        (FieldType::Date, format("%d/%m/%Y")),
        (FieldType::Date, format("%y%j")),
        (FieldType::Date, CellSpec { native: Some(NativeKind::Num), ..format("%Y%m%d") }),
        (FieldType::Date, native(NativeKind::LocalDateTime)),
        (FieldType::Date, zone(native(NativeKind::Instant), "America/Sao_Paulo")),
        (FieldType::Time, spec()),
        (FieldType::Time, native(NativeKind::Text)),
        (FieldType::Time, CellSpec { fraction: Some(0), ..native(NativeKind::Interval) }),
        (FieldType::Time, format("%I.%M %p")),
        (FieldType::Timestamp, spec()),
        (FieldType::Timestamp, native(NativeKind::Text)),
        (FieldType::Timestamp, native(NativeKind::OffsetDateTime)),
        (FieldType::Timestamp, CellSpec { fraction: Some(6), ..spec() }),
        (FieldType::Timestamp, zone(native(NativeKind::LocalDateTime), "Europe/Paris")),
        (
            FieldType::Timestamp,
            CellSpec {
                ambiguous: Some(Ambiguous::Later),
                fraction: Some(0),
                ..zone(native(NativeKind::LocalDateTime), "America/New_York")
            },
        ),
        (FieldType::Timestamp, zone(format("%d/%m/%Y"), "Asia/Kolkata")),
        (
            FieldType::Timestamp,
            CellSpec { lossy: true, ..zone(format("%d/%m/%Y"), "Asia/Kolkata") },
        ),
        (
            FieldType::Timestamp,
            zone(CellSpec { native: Some(NativeKind::Text), ..spec() }, "Asia/Kolkata"),
        ),
        (FieldType::Timestamp, format("%Y-%m-%d %H:%M:%S%.f %z")),
        (FieldType::Timestamp, format("%s%3f")),
        (FieldType::LocalTimestamp, spec()),
        (FieldType::LocalTimestamp, native(NativeKind::Text)),
        (FieldType::LocalTimestamp, zone(native(NativeKind::Instant), "Europe/Paris")),
        status(),
        (FieldType::Enum(["lead", "customer"].map(Text::new).to_vec()), spec()),
        (FieldType::Email, spec()),
        (spain(), spec()),
        (spain(), CellSpec { phone: Some(PhoneFormat::National), ..spec() }),
        (spain(), CellSpec { phone: Some(PhoneFormat::International), ..spec() }),
        (FieldType::Uuid, native(NativeKind::Text)),
        (FieldType::Uuid, native(NativeKind::Bytes)),
        (FieldType::Bytes, spec()),
        (FieldType::Bytes, format("hex")),
        (FieldType::Bytes, format("base64")),
        (FieldType::Json, native(NativeKind::Text)),
        (FieldType::Set, spec()),
        (FieldType::Set, native(NativeKind::Text)),
        (FieldType::Float, native(NativeKind::Num)),
        (FieldType::Float, native(NativeKind::Text)),
        (FieldType::Interval, native(NativeKind::Text)),
        (FieldType::Interval, native(NativeKind::Time)),
        (FieldType::Ref, spec()),
    ]
}
