//! How numbers, times and tables read.

use super::*;

#[test]
fn thousands_are_separated() {
    assert_eq!(count(0), "0");
    assert_eq!(count(999), "999");
    assert_eq!(count(1_000), "1,000");
    assert_eq!(count(12_345_678), "12,345,678");
    assert_eq!(counted(1, "conflict"), "1 conflict");
    assert_eq!(counted(2, "conflict"), "2 conflicts");
    assert_eq!(several(1, "thing needs", "things need"), "1 thing needs");
    assert_eq!(several(1_200, "thing needs", "things need"), "1,200 things need");
}

#[test]
fn spans_take_their_largest_unit() {
    assert_eq!(span(812), "0.8 s");
    assert_eq!(span(34_000), "34 s");
    assert_eq!(span(720_000), "12 min");
    assert_eq!(span(9 * 3_600_000), "9 h");
    assert_eq!(parse_span("7d"), Some(604_800_000));
    assert_eq!(parse_span("d"), None);
}

#[test]
fn times_are_read_as_points_or_as_so_long_ago() {
    let now = Timestamp(1_772_409_963_000_000);
    assert_eq!(time(now), "2026-03-02T00:06:03Z");
    assert_eq!(parse_time("1h", now), Some(now.plus_ms(-3_600_000)));
    let at = parse_time("2026-03-01T22:10", now).expect("a time");
    assert_eq!(time(at), "2026-03-01T22:10:00Z");
    assert_eq!(parse_time("2026-03-01", now).map(time).as_deref(), Some("2026-03-01T00:00:00Z"));
    assert_eq!(parse_time("yesterday", now), None);
}

#[test]
fn tables_align_and_plain_rows_have_tabs() {
    let mut table = Table::new(&["ID>", "NAME", "COUNT>"]);
    table.row(["7", "Ana", "1,000"]);
    table.row(["12", "B\tC", "3"]);
    assert_eq!(table.text(), "ID  NAME  COUNT\n 7  Ana   1,000\n12  B\tC       3");
    assert_eq!(table.plain(), "7\tAna\t1,000\n12\tB C\t3");
}

#[test]
fn a_moment_of_today_is_a_time_and_another_a_day() {
    let at = |text: &str| parse_time(text, Timestamp(0)).unwrap();
    let now = at("2026-03-02T12:00:00Z");
    assert_eq!(moment(now, at("2026-03-02T10:26:03Z")), "10:26");
    assert_eq!(moment(now, at("2026-03-01T10:26:03Z")), "2026-03-01");
}

#[test]
fn programs_tell_null_from_the_word() {
    assert_eq!(json(&Value::Null), serde_json::Value::Null);
    assert_eq!(json(&Value::text("null")), serde_json::json!("null"));
    assert_eq!(snake("ConflictSettled"), "conflict_settled");
}
