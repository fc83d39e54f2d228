use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Decimal {
    Decimal::parse(text).unwrap_or_else(|| panic!("{text} is a number"))
}

#[test]
fn every_notation_of_a_number_is_the_same_number() {
    let check = |texts: &[&str], shown: &str| {
        for text in texts {
            assert_eq!(parse(text), parse(texts[0]), "{text}");
            assert_eq!(parse(text).to_string(), shown, "{text}");
        }
    };
    check(&["0", "-0", "0.000", "0e5", ".0", "+0", "0e-999999", "00"], "0");
    check(&["1", "1.0", "01.00", "+1", "1e0", "10e-1", "0.1e1", "1."], "1");
    check(&["-12.5", "-12.50", "-125e-1", "-.125E2", "-0012.5"], "-12.5");
    check(&["1000", "1e3", "1.000e3", "0.1E+4"], "1000");
    check(&["0.001", "1e-3", "00.0010"], "0.001");
    check(&["99999999999999999999999999999999999999"], "99999999999999999999999999999999999999");
    check(&["1e500", "10e499"], "1e500");
    check(&["-1e-500"], "-1e-500");
    let forty = format!("1{}", "0".repeat(40));
    check(&["1e40", &forty], &forty);
}

#[test]
fn what_is_no_number_or_too_long_is_refused() {
    for text in [
        "",
        " ",
        "-",
        ".",
        "-.",
        "e5",
        "1e",
        "1e+",
        "1.2.3",
        "1,5",
        "0x1",
        "NaN",
        "Infinity",
        " 1",
        "1 ",
        "١",
        "--1",
        "1e99999999999",
        "1e200001",
        "1e-200001",
        "1e2147483647",
        "100000000000000000000000000000000000001",
        "170141183460469231731687303715884105727",
        "-170141183460469231731687303715884105728",
        "0.123456789012345678901234567890123456789",
    ] {
        assert_eq!(Decimal::parse(text), None, "{text}");
    }
}

#[test]
fn rounding_by_mode() {
    let check = |text: &str, scale: i32, expected: [&str; 3]| {
        let modes = [Rounding::Truncate, Rounding::HalfUp, Rounding::HalfEven];
        for (mode, expected) in modes.into_iter().zip(expected) {
            for (sign, text, expected) in [
                ("", text.to_owned(), expected.to_owned()),
                ("-", format!("-{text}"), format!("-{expected}")),
            ] {
                let rounded = parse(&text).round(scale, mode);
                assert_eq!(rounded, Some(parse(&expected)), "{sign}{text} {mode:?}");
            }
        }
    };
    check("2.4", 0, ["2", "2", "2"]);
    check("2.5", 0, ["2", "3", "2"]);
    check("3.5", 0, ["3", "4", "4"]);
    check("2.51", 0, ["2", "3", "3"]);
    check("0.005", 2, ["0", "0.01", "0"]);
    check("1.005", 2, ["1", "1.01", "1"]);
    check("9.995", 2, ["9.99", "10", "10"]);
    check("1250", -2, ["1200", "1300", "1200"]);
    check("1.25", 5, ["1.25", "1.25", "1.25"]);
    check("99999999999999999999999999999999999999", -38, ["0", "1e38", "1e38"]);
    check("50000000000000000000000000000000000001", -38, ["0", "1e38", "1e38"]);
    check("1e-300", 0, ["0", "0", "0"]);
    check("1e300", -299, ["1e300", "1e300", "1e300"]);
}

#[test]
fn division_is_exact_or_rounded_once() {
    let check = |left: &str, right: &str, scale: u32, expected: &str| {
        assert_eq!(parse(left).div(parse(right), scale), Some(parse(expected)), "{left} / {right}");
    };
    check("1", "8", 2, "0.125");
    check("1", "1024", 2, "0.0009765625");
    check("1", "12", 2, "0.08");
    check("125", "1000", 0, "0.125");
    check("1", "3", 5, "0.33333");
    check("2", "3", 5, "0.66667");
    check("-2", "3", 5, "-0.66667");
    check("1", "-3", 0, "0");
    check("5", "2", 0, "2.5");
    check("5", "6", 0, "1");
    check("3", "-6.0000000001", 0, "0");
    check("7000000001", "6000000000", 0, "1");
    check("9000000001", "6000000000", 0, "2");
    check("1e-30", "3", 15, "0");
    check("1e300", "1e299", 0, "10");
    assert_eq!(parse("1").div(Decimal::ZERO, 2), None);
}

#[test]
fn order_across_all_sizes() {
    let ordered = [
        "-1e500",
        "-99999999999999999999999999999999999999",
        "-1e20",
        "-1",
        "-0.1",
        "-1e-500",
        "0",
        "1e-500",
        "1e-20",
        "0.1",
        "0.11",
        "1",
        "1.0000000000000000000000000000000000001",
        "2",
        "1e20",
        "99999999999999999999999999999999999999",
        "1e38",
        "1e500",
    ];
    for (left_index, left) in ordered.iter().enumerate() {
        for (right_index, right) in ordered.iter().enumerate() {
            let expected = left_index.cmp(&right_index);
            assert_eq!(parse(left).cmp(&parse(right)), expected, "{left} {right}");
        }
    }
}

#[test]
fn results_that_do_not_fit_are_none_and_never_wrong() {
    let most = parse("99999999999999999999999999999999999999");
    assert_eq!(most.add(Decimal::from(1i64)), Some(parse("1e38")));
    assert_eq!(most.add(Decimal::from(2i64)), None);
    assert_eq!(most.mul(most), None);
    assert_eq!(most.neg().sub(most), None);
    assert_eq!(parse("1e200000").mul(Decimal::from(10i64)).map(Decimal::exponent), None);
    assert_eq!(parse("1e300").add(Decimal::ZERO), Some(parse("1e300")));
    assert_eq!(Decimal::ZERO.sub(parse("1e300")), Some(parse("-1e300")));
    assert_eq!(parse("1e300").add(parse("1")), None);
}

fn decimals() -> impl Strategy<Value = Decimal> {
    let sizes = prop_oneof![Just(1i64), Just(1_000), Just(1_000_000_000), Just(i64::MAX)];
    (sizes, any::<i64>(), -12i32..6)
        .prop_map(|(size, number, exponent)| Decimal::new(i128::from(number % size), exponent))
}

proptest! {
    #[test]
    fn printing_and_parsing_give_the_same_number(number in decimals()) {
        prop_assert_eq!(Decimal::parse(&number.to_string()), Some(number));
        let scientific = format!("{}e{}", number.coefficient(), number.exponent());
        prop_assert_eq!(Decimal::parse(&scientific), Some(number));
        prop_assert_eq!(u64::from(number.scale()), number.to_string().split_once('.').map_or(0, |(_, rest)| rest.len() as u64));
    }

    #[test]
    fn a_number_has_one_form(number in any::<i64>(), exponent in -20i32..20, zeros in 0u32..15) {
        let plain = Decimal::new(i128::from(number), exponent);
        let widened = Decimal::new(i128::from(number) * 10i128.pow(zeros), exponent - zeros as i32);
        prop_assert_eq!(plain, widened);
        prop_assert!(plain.is_zero() || plain.coefficient() % 10 != 0);
    }

    #[test]
    fn sums_and_products_are_a_ring(a in decimals(), b in decimals(), c in decimals()) {
        prop_assert_eq!(a.add(b), b.add(a));
        prop_assert_eq!(a.mul(b), b.mul(a));
        prop_assert_eq!(a.sub(b), b.sub(a).map(Decimal::neg));
        if let (Some(left), Some(right)) = (a.add(b).and_then(|sum| sum.add(c)), b.add(c).and_then(|sum| a.add(sum))) {
            prop_assert_eq!(left, right);
        }
        if let (Some(left), Some(ab), Some(ac)) = (b.add(c).and_then(|sum| a.mul(sum)), a.mul(b), a.mul(c)) {
            prop_assert_eq!(Some(left), ab.add(ac));
        }
        if let Some(sum) = a.add(b) {
            prop_assert_eq!(sum.sub(b), Some(a));
            prop_assert_eq!(sum.cmp(&a), b.cmp(&Decimal::ZERO));
        }
    }

    #[test]
    fn a_product_divides_back(a in decimals(), b in decimals()) {
        if let Some(product) = a.mul(b).filter(|_| !b.is_zero()) {
            prop_assert_eq!(product.div(b, 40), Some(a));
        }
    }

    #[test]
    fn rounding_moves_by_less_than_a_unit_and_settles(number in decimals(), scale in -6i32..8) {
        for mode in [Rounding::Truncate, Rounding::HalfUp, Rounding::HalfEven] {
            let rounded = number.round(scale, mode).expect("it fits");
            prop_assert_eq!(rounded.round(scale, mode), Some(rounded));
            let moved = rounded.sub(number).expect("it fits");
            let moved = if moved.is_negative() { moved.neg() } else { moved };
            prop_assert!(moved < Decimal::new(1, -scale));
            prop_assert!(rounded.exponent() >= -scale || rounded.is_zero());
        }
    }

    #[test]
    fn order_agrees_with_difference(a in decimals(), b in decimals()) {
        if let Some(difference) = a.sub(b) {
            prop_assert_eq!(a.cmp(&b), difference.coefficient().cmp(&0));
        }
        prop_assert_eq!(a == b, a.cmp(&b).is_eq());
    }

    #[test]
    fn garbage_is_no_number_and_no_panic(text in "[-+.eE0-9]{0,50}") {
        if let Some(number) = Decimal::parse(&text) {
            prop_assert_eq!(Decimal::parse(&number.to_string()), Some(number));
        }
    }
}
