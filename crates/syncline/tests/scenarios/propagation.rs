//! 1.1: what somebody changes in one system arrives in the others, once.

use super::{
    CONTACT, LINKED, STAMPED,
    stage::{Given, Stage, Step::*, everywhere, play},
};

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
