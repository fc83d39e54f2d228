//! Numbers, units and money (S4, L5).

use super::*;

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
fn amounts_in_texts_are_written_with_all_digits_of_their_minor_unit() {
    let cell = |currency: &str, scale| {
        let of = FieldType::Money { currency: Some(currency.into()) };
        let decimal_separator = Some(',');
        lens(&of, &CellSpec { decimal_separator, scale, native: Some(NativeKind::Text), ..spec() })
    };
    check_both(&cell("EUR", None), &[(num("0.1"), text("0,10")), (num("0.001"), text("0,001"))]);
    check_both(&cell("JPY", None), &[(num("10"), text("10"))]);
    check_both(&cell("BHD", None), &[(num("1.5"), text("1,500"))]);
    check_both(&cell("EUR", Some(4)), &[(num("0.1"), text("0,1000"))]);
    check_reads(&cell("EUR", None), text("0,1"), num("0.1"));
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
