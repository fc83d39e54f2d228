use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{decimal::Decimal, lens::json};

/// 2024-02-09T23:30:00Z, which is already the tenth in Paris.
const NOW: Timestamp = Timestamp(1_707_521_400_000_000);

/// A record as most tests see it, in JSON; dates and instants are added.
fn record() -> BTreeMap<Text, Value> {
    let Some(Value::Map(mut fields)) = json::parse(
        r#"{"email": "ana@x.example", "phone": null, "country": "FR", "name": " Ana ", "qty": 3,
            "price": 1.10, "active": true, "total": [33.30, "EUR"], "tags": ["a", "vip"],
            "lines": [{"qty": 2, "unit_price": 10.10}, {"qty": 1, "unit_price": 13.10}],
            "address": {"zip": "75001", "city": null}}"#,
    ) else {
        panic!("the record is JSON");
    };
    fields.insert("birthday".into(), Value::Date(10_000));
    fields.insert("placed_at".into(), Value::Instant(1_707_521_399, 0));
    *fields
}

fn eval(text: &str) -> Result<Value, Problem> {
    let record = record();
    let lookup = |name: &str| record.get(name).cloned();
    let ranks = ["new", "paid", "shipped"].map(Text::new);
    let zone = Zone::get("Europe/Paris");
    let context = Context { lookup: &lookup, now: NOW, zone: zone.as_ref(), ranks: &ranks };
    Expr::parse(text).unwrap_or_else(|error| panic!("{text}: {error}")).eval(&context)
}

#[track_caller]
fn check(text: &str, expected: Value) {
    assert_eq!(eval(text), Ok(expected), "{text}");
}

#[track_caller]
fn check_true(texts: &[&str]) {
    for text in texts {
        assert_eq!(eval(text), Ok(Value::Bool(true)), "{text}");
    }
}

#[track_caller]
fn check_problem(text: &str, code: &str, message: &str) {
    let problem = eval(text).expect_err(text);
    assert_eq!((problem.code, problem.message.as_str()), (code, message), "{text}");
}

#[track_caller]
fn check_error(text: &str, offset: usize, message: &str) {
    let error = Expr::parse(text).expect_err(text);
    assert_eq!((error.offset, error.message.as_str()), (offset, message), "{text}");
}

fn num(text: &str) -> Value {
    Value::Num(Decimal::parse(text).expect("a number"))
}

#[test]
fn numbers_are_exact() {
    check_true(&[
        "1.10 + 2.20 == 3.30",
        "0.1 + 0.2 == 0.3",
        "7 / 2 == 3.5",
        "1e3 == 1000",
        ".5 == 0.50",
        "-2 * 3 == -6",
        "2 + 3 * 4 == 14",
        "(2 + 3) * 4 == 20",
        "10 - 4 - 3 == 3",
        "-7 % 3 == -1",
        "5.5 % 2 == 1.5",
        "--3 == 3",
        "9007199254740993 != 9007199254740992",
        "1 / 3 < 0.3333333333333333334",
    ]);
    check("qty * price", num("3.3"));
    check_problem("1 / 0", "expr.arithmetic", "a division by zero");
    check_problem("1 % 0", "expr.arithmetic", "a division by zero");
    let big = "9".repeat(38);
    check_problem(
        &format!("{big} * {big}"),
        "expr.arithmetic",
        "the result has more than 38 digits",
    );
}

#[test]
fn truth_is_only_true_or_false() {
    check_true(&[
        "active",
        "!false",
        "active && !(qty > 3)",
        "false || true",
        "true || 1 / 0 == 1",
        "1 / 0 == 1 || true",
        "!(false && 1 / 0 == 1)",
        "qty == 3 ? true : 1 / 0 == 1",
    ]);
    check_problem("!qty", "expr.type", "3 is neither true nor false");
    check_problem("phone && true", "expr.null", "null is neither true nor false");
    check_problem("qty ? 1 : 2", "expr.type", "3 is neither true nor false");
}

#[test]
fn null_equals_only_itself() {
    check_true(&[
        "phone == null",
        "email != null || phone != null",
        "null != 0",
        "phone != ''",
        "!(phone in ['a', 'b'])",
        "phone == null || size(phone) > 3",
        "coalesce(phone, email) == email",
        "coalesce(phone) == null",
        "!has(phone) && has(email) && !has(missing)",
        "has(address.zip) && !has(address.city) && !has(address.street) && !has(phone.x)",
    ]);
    check_problem(
        "null < 1",
        "expr.null",
        "null is neither less nor greater; test `!= null` first",
    );
    check_problem(
        "email + phone",
        "expr.null",
        "null cannot be computed with; say `coalesce(…, …)`",
    );
    check_problem("phone.area", "expr.null", "null has no entry `area`");
}

#[test]
fn kinds_are_not_mixed() {
    check_problem("qty == '3'", "expr.type", "the number 3 and the text \"3\" cannot be compared");
    check_problem(
        "country < 3",
        "expr.type",
        "the text \"FR\" and the number 3 cannot be compared",
    );
    check_problem(
        "1 + 'a'",
        "expr.type",
        "the number 1 and the text \"a\" cannot be computed with",
    );
    check_problem("-email", "expr.type", "\"ana@x.example\" is no number");
    check_problem("qty.x", "expr.type", "3 has no entries");
    check_problem("address.street", "expr.unknown", "there is no entry `street`");
    check_problem("missing == 1", "expr.unknown", "there is no variable `missing`");
}

#[test]
fn texts_lists_and_maps() {
    check_true(&[
        "country in ['FR', 'BE', 'CH']",
        "'vip' in tags",
        "'zip' in address",
        "tags.contains('vip') && contains(email, '@')",
        "email.startsWith('ana') && email.endsWith(\"example\")",
        "name.trim() + ' ' + 'B' == 'Ana B'",
        "upper(name).trim() == 'ANA' && lower('É') == 'é'",
        "size(tags) == 2 && size('👩‍👩‍👧é') == 6 && tags.size() == 2",
        "tags[1] == 'vip' && address['zip'] == '75001' && [1, 2][0] == 1",
        "{'a': 1}.a == 1",
        "[1] + [2] == [1, 2]",
        "'it\\'s \\u00e9' == \"it's é\"",
        "'a' < 'b' && 'Z' < 'a'",
    ]);
    check_problem("tags[2]", "expr.unknown", "there is no entry `2`");
}

#[test]
fn loops_run_over_lists_at_hand() {
    check_true(&[
        "total == sum(lines.map(l, l.qty * l.unit_price))",
        "lines.filter(l, l.qty > 1).size() == 1",
        "lines.all(l, l.qty > 0) && lines.exists(l, l.qty == 2)",
        "[].all(x, false) && ![].exists(x, true) && sum([]) == 0",
        "[1, 2].map(x, [3, 4].map(y, x * y)) == [[3, 4], [6, 8]]",
        "[3, 1, 2].min() == 1 && max(1, 3, 2) == 3 && min([null, 2]) == 2 && max([]) == null",
        "max('a', 'b') == 'b'",
    ]);
    // A name bound inside hides the one outside, and only inside.
    check_true(&["[1].map(qty, qty)[0] == 1 && qty == 3"]);
    check_problem("qty.map(x, x)", "expr.type", "3 is no list");
    check_problem("sum(tags)", "expr.type", "`sum` cannot take \"a\"");
}

#[test]
fn amounts_keep_their_currency() {
    check_true(&[
        "total == 33.30 && total > 30",
        "total * 2 == 66.60",
        "(total + total).currency == 'EUR' && (total * 2).amount == 66.6",
        "total / total == 1 && total / 3 == 11.1",
        "round(total / 7, 2).amount == 4.76",
        "sum([total, total]) == 66.60",
        "abs(-total) == total",
        "[1, 'USD'] != [1, 'EUR']",
    ]);
    check_problem("total + [1, 'USD']", "expr.type", "EUR and USD do not mix");
    check_problem("total < [1, 'USD']", "expr.type", "EUR and USD do not mix");
    check_problem("total * total", "expr.type", "two amounts cannot be multiplied");
}

#[test]
fn time_comes_from_the_context() {
    check_true(&[
        "birthday < today()",
        "today() == date('2024-02-10')",
        "today() - date('2024-02-01') == 9",
        "date('2024-02-28') + 2 == date('2024-03-01')",
        "placed_at < now() && date(placed_at) == today()",
        "timestamp('2024-02-09T23:30:00Z') == now()",
        "timestamp('2024-02-10T00:30:00+01:00') == now()",
        "string(today()) == '2024-02-10'",
    ]);
    let lookup = |_: &str| None;
    let context = Context { lookup: &lookup, now: NOW, zone: None, ranks: &[] };
    let today = Expr::parse("string(today())").expect("parses").eval(&context);
    assert_eq!(today, Ok(Value::text("2024-02-09")), "UTC without a zone");
    check_problem("date('2023-02-29')", "expr.type", "`date` cannot take \"2023-02-29\"");
}

#[test]
fn conversions_and_rounding() {
    check_true(&[
        "int('12') == 12 && int(3.9) == 3 && int(-3.9) == -3 && decimal(' 1.50 ') == 1.5",
        "string(1.50) == '1.5' && string(true) == 'true'",
        "round(2.5) == 3 && round(-2.5) == -3 && round(1.005, 2) == 1.01 && round(1250, -2) == 1300",
        "abs(-3) == 3",
    ]);
    check_problem("int('x')", "expr.type", "`int` cannot take \"x\"");
    check_problem("string(null)", "expr.null", "`string` cannot take null");
}

#[test]
fn an_amount_is_exchanged_at_the_rate_of_its_day() {
    let mut rates = Rates::default();
    rates.add("2024-02-09", "EUR", "USD", "1.0771").expect("a rate");
    rates.add("2024-02-12", "EUR", "USD", "1.0769").expect("a rate");
    assert!(rates.add("2024-02-12", "EUR", "USD", "1.08").is_err(), "two rates of one day");
    assert!(rates.add("12.02.2024", "EUR", "USD", "1").is_err());
    assert!(rates.add("2024-02-12", "eur", "USD", "1").is_err());
    assert!(rates.add("2024-02-12", "EUR", "USD", "0").is_err());
    let rates = std::sync::Arc::new(rates);
    let euros = || {
        let amount = Value::Num(Decimal::parse("12.10").expect("a number"));
        Value::List(vec![amount, Value::text("EUR")])
    };
    let ask = |text: &str| {
        let expr =
            Expr::parse(text).expect("parses").with_rates(Some(std::sync::Arc::clone(&rates)));
        assert!(expr.uses_rates());
        let lookup = |name: &str| (name == "total").then(euros);
        expr.eval(&Context { lookup: &lookup, now: NOW, zone: None, ranks: &[] })
    };
    let dollars = |text: &str| {
        let amount = Value::Num(Decimal::parse(text).expect("a number"));
        Ok(Value::List(vec![amount, Value::text("USD")]))
    };
    // A Saturday has Friday's.
    for day in ["2024-02-09", "2024-02-10", "2024-02-11"] {
        assert_eq!(ask(&format!("total * rate('EUR', 'USD', date('{day}'))")), dollars("13.03291"));
    }
    assert_eq!(ask("rate('EUR', 'USD', '2024-02-12') * total"), dollars("13.03049"));
    assert_eq!(ask("round(total * rate('EUR', 'USD', '2024-02-12'), 2)"), dollars("13.03"));
    assert_eq!(ask("total * rate('EUR', 'EUR', '1999-01-01')"), Ok(euros()));
    let code = |text: &str| ask(text).expect_err("no value").code;
    assert_eq!(code("total * rate('EUR', 'USD', '2024-02-08')"), "map.no_rate");
    assert_eq!(code("total * rate('EUR', 'USD', '2024-02-20')"), "map.no_rate", "too long ago");
    assert_eq!(code("total * rate('USD', 'EUR', '2024-02-12')"), "map.no_rate", "not turned round");
    assert_eq!(code("total * rate('GBP', 'GBP', '2024-02-12')"), "expr.type", "it is in EUR");
    assert_eq!(code("rate('EUR', 'USD', null)"), "expr.null");
}

#[test]
fn the_highest_candidate_by_declared_rank() {
    let candidate = |value: &str| {
        let entries = [("value", value), ("system", "crm")];
        let entries = entries.map(|(name, value)| (Text::new(name), Value::text(value)));
        Value::Map(Box::new(entries.into_iter().collect()))
    };
    let ask = |text: &str, values: &[&str], ranks: &[Text]| {
        let candidates = Value::List(values.iter().map(|value| candidate(value)).collect());
        let lookup = |name: &str| (name == "candidates").then(|| candidates.clone());
        Expr::parse(text).expect("parses").eval(&Context {
            lookup: &lookup,
            now: NOW,
            zone: None,
            ranks,
        })
    };
    let ranks = ["new", "paid", "shipped"].map(Text::new);
    let all = ["paid", "shipped", "new"];
    assert_eq!(ask("highest(candidates)", &all, &ranks), Ok(Value::text("shipped")));
    assert_eq!(ask("lowest(candidates)", &all, &ranks), Ok(Value::text("new")));
    assert_eq!(ask("highest(candidates)", &["a", "c", "b"], &[]), Ok(Value::text("c")));
    assert_eq!(ask("highest(candidates)", &[], &ranks), Ok(Value::Null));
    let problem = ask("highest(candidates)", &["paid", "lost"], &ranks).expect_err("no rank");
    assert_eq!((problem.code, problem.message.as_str()), ("expr.type", "\"lost\" has no rank"));
    let by_system = "candidates.filter(c, c.system == 'crm')[0].value";
    assert_eq!(ask(by_system, &["paid"], &ranks), Ok(Value::text("paid")));
}

#[test]
fn variables_are_those_it_does_not_bind() {
    let check = |text: &str, expected: &[&str]| {
        let parsed = Expr::parse(text).expect("parses");
        assert_eq!(parsed.variables(), expected, "{text}");
        assert_eq!(parsed.text(), text);
    };
    check("1 + 1", &[]);
    check("b + a + b", &["a", "b"]);
    check("total == sum(lines.map(l, l.qty * rate))", &["lines", "rate", "total"]);
    check("l.map(l, l.x)", &["l"]);
    check("has(a.b) ? c.d[e] : {'f': g}", &["a", "c", "e", "g"]);
}

#[test]
fn mistakes_are_shown_where_they_are() {
    check_error("", 0, "a value is expected, not the end");
    check_error("a +", 3, "a value is expected, not the end");
    check_error("a b", 2, "`b` is left over");
    check_error("a = b", 2, "a comparison is written `==`");
    check_error("a < b < c", 6, "comparisons do not chain; join them with `&&`");
    check_error("(a", 2, "`)` is expected, not the end");
    check_error("'abc", 0, "a text without its closing quote");
    check_error("a & b", 2, "`&` means nothing here");
    check_error("12ab", 0, "a number ends with a letter; texts stand in quotes");
    check_error("a ? b", 5, "`:` is expected, not the end");
    check_error("a.1", 1, "`0.1` is left over");
    check_error("Sise(a)", 0, "there is no function `Sise`; is `size` meant?");
    check_error("zip(a)", 0, "there is no function `zip`");
    let rate = "`rate` takes two currencies and a day: 'EUR', 'USD', placed_at";
    check_error("rate('EUR', 'USD')", 0, rate);
    check_error(
        "email.matches('x')",
        6,
        "`matches` is not offered: `startsWith`, `endsWith` and `contains` are",
    );
    check_error("size(a, b)", 0, "`size` takes one text, list or map");
    check_error("map(a, b)", 0, "`map` is written `list.map(item, …)`");
    check_error("a.map(1, b)", 2, "`map` is written `list.map(item, …)`");
    check_error("has(1 + 1)", 0, "`has` takes one name or entry: `has(address.zip)`");
    check_error("{a: 1}", 1, "an entry's name stands in quotes");
    check_error(&"1".repeat(40), 0, "a number has at most 38 digits");
    check_error(&"(".repeat(500), 100, "the expression nests too deeply");
    check_error(&vec!["1"; 300].join("+"), 401, "the expression nests too deeply");
    check_error(&" ".repeat(20_000), 0, "an expression has at most 16 KiB");
}

#[test]
fn no_expression_runs_away() {
    let list = format!("[{}]", vec!["1"; 60].join(","));
    let nested = format!("{list}.map(a, {list}.map(b, {list}.map(c, a + b + c)))");
    check_problem(&nested, "expr.limit", "the expression takes too many steps");
    let doubling = (0..40).fold("'xxxxxxxxxxxxxxxx'".to_owned(), |inner, index| {
        format!("[{inner}].map(v{index}, v{index} + v{index})[0]")
    });
    let error = Expr::parse(&doubling).map(|expr| {
        let lookup = |_: &str| None;
        expr.eval(&Context { lookup: &lookup, now: NOW, zone: None, ranks: &[] })
    });
    assert!(matches!(error, Err(_) | Ok(Err(_))), "it is refused somewhere");
}

proptest! {
    #[test]
    fn garbage_never_panics(text in "[-a-c0-9.'\"\\[\\](){}<>=!&|+*/%?:, \\\\ué👩]{0,40}") {
        if let Ok(expr) = Expr::parse(&text) {
            let lookup = |_: &str| Some(Value::int(1));
            let context = Context { lookup: &lookup, now: NOW, zone: None, ranks: &[] };
            let first = expr.eval(&context);
            prop_assert_eq!(first, expr.eval(&context));
        }
    }

    #[test]
    fn words_in_any_order_never_panic(
        words in prop::collection::vec(prop::sample::select(vec![
            "a", "1", "0.5", "'x'", "null", "true", "+", "-", "*", "/", "%", "==", "<", "in", "&&",
            "||", "!", "?", ":", "(", ")", "[", "]", "{", "}", ",", ".", "size", "sum", "map",
            "filter", "has", "round", "date", "today", "highest", "coalesce", "max", "string",
            "rate",
        ]), 0..14)
    ) {
        if let Ok(expr) = Expr::parse(&words.join(" ")) {
            let lookup = |_: &str| Some(Value::List(vec![Value::int(1), Value::Null]));
            let _ = expr.eval(&Context { lookup: &lookup, now: NOW, zone: None, ranks: &[] });
        }
    }

    #[test]
    fn sums_are_sums(left in -1_000_000i64..1_000_000, right in -1_000_000i64..1_000_000) {
        let text = format!("{left} + ({right}) == {} && {left} * ({right}) == {}", left + right, left * right);
        prop_assert_eq!(eval(&text), Ok(Value::Bool(true)));
    }
}
