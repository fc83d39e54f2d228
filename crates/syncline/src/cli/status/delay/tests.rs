use syncline_core::{
    change::PartKey,
    commit::{AuditEvent, AuditKind},
    name::{EntityIndex, RecordId, RunId, Timestamp},
};
use syncline_ports::reader::Entry;

use super::{arrived, percentile};

/// What happened, oldest first: record, second, kind, and the second at its source.
fn p95(told: &[(u128, i64, AuditKind, Option<i64>)], first: i64) -> Option<i64> {
    let entry = |(record, at, kind, source): &(u128, i64, AuditKind, Option<i64>)| Entry {
        number: 0,
        run: RunId(1),
        at: Timestamp(at * 1_000_000),
        event: AuditEvent {
            record: RecordId(*record),
            entity: EntityIndex(0),
            part: PartKey::Root,
            field: None,
            kind: *kind,
            system: None,
            key: None,
            before: None,
            after: None,
            version: 1,
            actor: None,
            source_at: source.map(|at| Timestamp(at * 1_000_000)),
            note: "".into(),
        },
    };
    let entries: Vec<Entry> = told.iter().rev().map(entry).collect();
    let first = Timestamp(first * 1_000_000);
    percentile(arrived(&entries, |entity| entity == EntityIndex(0), first).iter(), 95)
}

#[test]
fn nothing_written_has_no_delay() {
    assert_eq!(p95(&[(1, 10, AuditKind::Changed, None)], 0), None);
}

#[test]
fn a_delay_begins_at_the_source_and_ends_with_the_last_target() {
    let told = [
        (1, 10, AuditKind::Changed, Some(7)),
        (1, 11, AuditKind::Written, None),
        (1, 12, AuditKind::Written, None),
        (1, 20, AuditKind::Changed, None),
        (1, 21, AuditKind::Written, None),
    ];
    assert_eq!(p95(&told, 0), Some(5_000));
}

#[test]
fn rows_older_than_the_first_run_count_from_it_and_clocks_ahead_count_as_now() {
    assert_eq!(
        p95(&[(1, 10, AuditKind::Created, Some(1)), (1, 11, AuditKind::Written, None)], 9),
        Some(2_000)
    );
    assert_eq!(
        p95(&[(1, 10, AuditKind::Changed, Some(99)), (1, 11, AuditKind::Written, None)], 0),
        Some(1_000)
    );
}

#[test]
fn one_slow_write_of_a_hundred_is_not_the_95th() {
    let mut told = Vec::new();
    for record in 1..=100 {
        told.push((record, 10, AuditKind::Changed, None));
        told.push((record, if record == 1 { 90 } else { 12 }, AuditKind::Written, None));
    }
    assert_eq!(p95(&told, 0), Some(2_000));
}
