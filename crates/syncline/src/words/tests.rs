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
