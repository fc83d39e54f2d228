//! 1.7: tables that change under a mapping.

use super::{
    CONTACT, LINKED,
    stage::{ALL, Step::*, play},
};

#[test]
fn s8_a_new_column_disturbs_nothing_and_is_carried_nowhere() {
    play(
        &CONTACT,
        &[
            LINKED,
            In("a", "alter table contact add column extra {text}"),
            Cli(0, "check --online"),
            Run([0, 0, 0]),
            In("a", "update contact set extra = 'x', phone = 'P1'"),
            Run([0, 1, 1]),
            Show(ALL, &["r@x|N0|P1|S0"]),
            // What it holds survives our own writes.
            In("b", "update contact set phone = 'P2'"),
            Run([1, 0, 1]),
            Query("a", "select extra, phone from contact", &["x|P2"]),
        ],
    );
}
