//! 1.4 and 1.7: loops, renderings, and what values mean in each system.

use super::{
    CONTACT, LINKED,
    stage::{ALL, Given, Step::*, play, play_with},
};

#[test]
fn l2_an_edit_seen_together_with_our_own_write_flows_alone() {
    play(
        &CONTACT,
        &[
            LINKED,
            In("a", "update contact set phone = 'P1'"),
            Run([0, 1, 1]),
            In("b", "update contact set email = 'e9@x'"),
            Run([1, 0, 1]),
            Show(ALL, &["e9@x|N0|P1|S0"]),
        ],
    );
}

#[test]
fn s4_amounts_in_different_forms_are_exact() {
    play_with(
        &CONTACT,
        &[(
            "status: {@status}",
            "status: {type: money, currency: EUR, a: {column: status, decimal: \",\", group: \".\"}, b: status, c: {column: status, unit: minor}}",
        )],
        &[
            In("a", "update contact set status = '1.234,56'"),
            In("b", "update contact set status = '1234.56'"),
            In("c", "update contact set status = '123456'"),
            LINKED,
            In("c", "update contact set status = '1234'"),
            Run([1, 1, 0]),
            Query("a", "select status from contact", &["12,34"]),
            Query("b", "select status from contact", &["12.34"]),
            In("c", "update contact set status = '10'"),
            Run([1, 1, 0]),
            Query("a", "select status from contact", &["0,10"]),
            Query("b", "select status from contact", &["0.10"]),
        ],
    );
}

#[test]
fn s14_letters_that_look_alike_and_blanks_are_kept_as_they_are() {
    const TEXTS: Given = CONTACT;
    play(
        &TEXTS,
        &[
            LINKED,
            In(
                "a",
                "update contact set name = 'Zoe\u{308} ', phone = 'Zo\u{eb}', status = 'a\r\nb \u{1f980}'",
            ),
            Run([0, 1, 1]),
            Query(ALL, "select name from contact", &["Zoe\u{308} "]),
            Query(ALL, "select phone from contact", &["Zo\u{eb}"]),
            In("b", "update contact set phone = 'ZO\u{cb}'"),
            Run([1, 0, 1]),
            Query(ALL, "select phone from contact", &["ZO\u{cb}"]),
        ],
    );
}
