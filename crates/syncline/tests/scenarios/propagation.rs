//! 1.1: what somebody changes in one system arrives in the others, once.

use super::{
    CONTACT, LINKED, STAMPED,
    stage::{ALL, Given, Stage, Step::*, everywhere, play, play_with},
};

#[test]
fn p1_a_row_created_in_the_first_system_is_created_once_in_the_others() {
    play(
        &CONTACT,
        &[
            LINKED,
            In("a", "insert into contact (email, name, phone) values ('s@x', 'N1', 'P1')"),
            Run([0, 1, 1]),
            Show(ALL, &["r@x|N0|P0|S0", "s@x|N1|P1|NULL"]),
        ],
    );
}

#[test]
fn p2_a_row_created_in_the_second_system_is_created_once_in_the_others() {
    play(
        &CONTACT,
        &[
            LINKED,
            In("b", "insert into contact (email, name, status) values ('s@x', 'N1', 'S1')"),
            Run([1, 0, 1]),
            Show(ALL, &["r@x|N0|P0|S0", "s@x|N1|NULL|S1"]),
        ],
    );
}

#[test]
fn p3_an_edit_in_the_last_system_reaches_the_others_and_touches_nothing_else() {
    play(
        &CONTACT,
        &[
            LINKED,
            In("c", "update contact set phone = 'P1'"),
            Run([1, 1, 0]),
            Show(ALL, &["r@x|N0|P1|S0"]),
        ],
    );
}

#[test]
fn p4_a_delete_in_the_first_system_is_a_delete_in_the_others() {
    play(
        &CONTACT,
        &[
            LINKED,
            In("a", "delete from contact"),
            Run([0, 1, 1]),
            Show(ALL, &[]),
            Told(&["deleted in a:11"]),
            Conflicts(&[]),
        ],
    );
}

#[test]
fn p5_a_row_whose_time_alone_moves_says_nothing_new() {
    play(
        &STAMPED,
        &[
            LINKED,
            In("a", "update contact set phone = 'P0', changed = '2024-05-02 10:00:00'"),
            Do(|stage| {
                let run = stage.expect(0, &["run"]);
                assert_eq!(run["result"][0]["systems"]["a"]["no_op"], 1, "{run}");
                assert_eq!(run["result"][0]["applied"], 0, "{run}");
            }),
            Conflicts(&[]),
        ],
    );
}

#[test]
fn p6_an_edit_taken_back_between_two_reads_is_no_edit() {
    play(
        &CONTACT,
        &[
            LINKED,
            In("a", "update contact set phone = 'P1'; update contact set phone = 'P0'"),
            Run([0, 0, 0]),
            Show(ALL, &["r@x|N0|P0|S0"]),
        ],
    );
}

#[test]
fn p7_several_edits_between_two_reads_are_one_write_for_each_target() {
    play(
        &CONTACT,
        &[
            LINKED,
            In(
                "a",
                "update contact set phone = 'P1'; update contact set phone = 'P2'; update contact set phone = 'P3'",
            ),
            Run([0, 1, 1]),
            Show(ALL, &["r@x|N0|P3|S0"]),
        ],
    );
}

#[test]
fn p9_an_edit_in_a_system_that_only_receives_is_reverted_and_shown() {
    play_with(
        &CONTACT,
        &[("match: email", "match: email\n    from: a")],
        &[
            LINKED,
            In("b", "update contact set phone = 'P2'"),
            Run([0, 1, 0]),
            Show(ALL, &["r@x|N0|P0|S0"]),
            Told(&["rejected", "phone P2 from b:21 not taken"]),
        ],
    );
}

#[test]
fn p9_an_edit_in_a_system_that_only_receives_may_be_left_alone_and_is_listed() {
    play_with(
        &CONTACT,
        &[("match: email", "match: email\n    from: a\n    on_target_edit: ignore")],
        &[
            LINKED,
            In("b", "update contact set phone = 'P2'"),
            Run([0, 0, 0]),
            Show("ac", &["r@x|N0|P0|S0"]),
            Show("b", &["r@x|N0|P2|S0"]),
            Told(&["rejected", "phone P2 from b:21 not taken"]),
        ],
    );
}

#[test]
fn p10_a_record_that_comes_into_scope_is_created_once() {
    let given = Given { rows: [CONTACT.rows[0], "", ""], ..CONTACT };
    play_with(
        &given,
        &[("match: email", "match: email\n    when: status == 'active'")],
        &[
            Run([0, 0, 0]),
            Show("bc", &[]),
            In("a", "update contact set status = 'active'"),
            Run([0, 1, 1]),
            Show(ALL, &["r@x|N0|P0|active"]),
        ],
    );
}

#[test]
fn p12_a_system_that_was_away_catches_up_while_the_others_stay_current() {
    let given = Given { rows: ["", "", ""], ..CONTACT };
    everywhere(&given, &[], |stage| {
        let rows: Vec<String> = (0..500).map(|at| format!("('{at}@x', 'v0')")).collect();
        stage.sql(0, &format!("insert into contact (email, name) values {}", rows.join(", ")));
        stage.take_steps(&[Run([0, 500, 500])]);
        let counts = |at: usize, version: u32| {
            stage.sql(at, &format!("select count(*) from contact where name = 'v{version}'"))
        };
        stage.leave(1);
        // Ten thousand changes, four of the twenty versions seen by somebody.
        for version in 1..=20 {
            stage.sql(0, &format!("update contact set name = 'v{version}'"));
            if version % 5 == 0 {
                let run = stage.expect(3, &["run", "--allow", "updates"]);
                assert_eq!(run["error"]["code"], "connect.unreachable", "{run}");
                assert_eq!(counts(2, version), ["500"]);
            }
        }
        stage.come_back(1);
        stage.expect(0, &["run", "--allow", "updates"]);
        assert_eq!(counts(1, 20), ["500"]);
        let read_once: fn(&Stage) = |stage| {
            let last = stage.expect(0, &["run"]);
            assert_eq!(last["result"][0]["applied"], 0, "{last}");
        };
        read_once(stage);
    });
}
