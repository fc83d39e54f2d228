//! Texts (L4, S7, S14) and contacts (M14).

use super::*;

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
    let refused = "takes 5 characters, got 7";
    check_refuses_to_write(&strict, text("ééé ééé"), "write.value_too_long", refused);
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

/// An Italian number keeps its zero; elsewhere a zero before the area is only for calls at home.
#[test]
fn an_international_number_reads_alike_wherever_one_is_at_home() {
    for home in ["FR", "DE", "ES", "GB", "US", "IT", "CH", "JP"] {
        let kind = FieldType::Phone { region: Some(home.into()) };
        for phone in [None, Some(PhoneFormat::National), Some(PhoneFormat::International)] {
            let lens = lens(&kind, &CellSpec { phone, ..spec() });
            for golden in ["+390612345678", "+33611223344", "+442079460018", "+12125550100"] {
                let golden = Value::text(golden);
                let written = lens.put0(&golden).unwrap();
                assert_eq!(lens.get0(&written), Ok(golden), "at home in {home}: {written:?}");
            }
        }
    }
    let kind = FieldType::Phone { region: Some("FR".into()) };
    assert_eq!(
        lens(&kind, &spec()).get0(&Value::text("0039 06 1234 5678")),
        Ok(Value::text("+390612345678"))
    );
}

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

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(150))]

    /// The library behind telephone numbers must not fall over what people type.
    #[test]
    fn no_text_makes_telephone_numbers_panic(typed in "[+0-9 ()./x#;=ext-]{0,24}|[+0-9]{3,20}|.{0,12}") {
        for region in [None, Some("ES"), Some("US"), Some("IT")] {
            let kind = FieldType::Phone { region: region.map(Text::new) };
            for phone in [PhoneFormat::E164, PhoneFormat::National, PhoneFormat::International] {
                let lens = lens(&kind, &CellSpec { phone: Some(phone), ..spec() });
                if let Ok(golden) = lens.get0(&text(&typed)) {
                    let written = lens.put0(&golden).expect("what was read can be written");
                    proptest::prop_assert_eq!(lens.get0(&written), Ok(golden));
                }
            }
        }
    }
}
