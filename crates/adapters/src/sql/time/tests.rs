use syncline_core::value::Value;

use super::*;

#[test]
fn overlaps_go_back_in_the_terms_of_the_column() {
    let check = |value: Value, expected: &str| assert_eq!(back(&value).to_string(), expected);
    check(Value::LocalDateTime(1, 60_000_000_000), "1970-01-01 23:56:00");
    check(Value::Instant(0, 5), "1969-12-31T23:55:00.000000005Z");
    check(Value::Date(1), "1970-01-01");
    check(Value::int(20_000), "10000");
    check(Value::int(1_700_000_000_000), "1699999700000");
    check(Value::text("2024-01-01T00:01:02.5"), "2023-12-31 23:56:02");
    check(Value::text("v12"), "v12");
}

#[test]
fn local_times_are_read_in_their_zone() {
    let paris = zone(Some("Europe/Paris"), "t").unwrap();
    let check = |text: &str, expected: &str| {
        let at = timestamp(&Value::text(text), &paris).unwrap();
        assert_eq!(utc_text(at), expected, "{text}");
    };
    check("2024-07-01 12:00:00", "2024-07-01 10:00:00");
    check("2024-01-01T12:00:00", "2024-01-01 11:00:00");
    check("2024-01-01T12:00:00Z", "2024-01-01 12:00:00");
    // The hour that exists twice, and the hour that does not exist.
    check("2024-10-27 02:30:00", "2024-10-27 00:30:00");
    check("2024-03-31 02:30:00", "2024-03-31 01:30:00");
    assert!(zone(Some("Europe/Pariss"), "t").is_err());
}

#[test]
fn texts_that_are_no_times_are_none() {
    for text in ["", "2024-02-30", "2024-1-1", "2024-01-01x", "2024-01-01 25:00", "0000-00-00"] {
        assert_eq!(parse_local(text), None, "{text}");
    }
    assert_eq!(parse_time("10:02:03.250000000"), parse_time("10:02:03.25"));
}
