//! The limits, as a table.

use super::*;

#[track_caller]
fn check(rows: u64, unseen: u64, linked: u64, expected: &str) {
    let verdict = match absences(&Guards::default(), rows, unseen, linked) {
        Verdict::Pass => "pass",
        Verdict::Trip { code, .. } => code,
    };
    assert_eq!(verdict, expected, "{unseen} of {linked} unseen, {rows} shown");
}

#[test]
fn both_the_number_and_the_percentage_must_be_exceeded() {
    check(950, 50, 1_000, "pass");
    check(949, 51, 1_000, "guard.mass_delete");
    check(9_949, 51, 10_000, "pass");
    check(40, 45, 85, "pass");
}

#[test]
fn an_empty_source_is_a_failure_from_ten_linked_rows_on() {
    check(0, 9, 9, "pass");
    check(0, 10, 10, "guard.empty_source");
    check(0, 4_000, 4_000, "guard.empty_source");
}

#[test]
fn updates_have_their_own_limit() {
    let guards = Guards::default();
    assert_eq!(
        updates(&guards, 1_903, 5_344),
        Verdict::Trip { code: "guard.mass_update", max: 50 }
    );
    assert_eq!(updates(&guards, 50, 60), Verdict::Pass);
    assert_eq!(updates(&guards, 51, 1_000), Verdict::Pass);
}
