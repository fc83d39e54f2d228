//! 1.6: writes whose answer does not arrive.

use super::{
    CONTACT, LINKED,
    stage::{ALL, Kind, Stage, Step::*, everywhere, text, written},
    wire::Cut,
};

/// The first system behind `a` that is reached over a network.
fn remote(stage: &Stage) -> usize {
    if stage.kinds[1] == Kind::Sqlite { 2 } else { 1 }
}

#[test]
fn w1_a_row_of_which_nobody_knows_whether_it_was_created_is_said_to_be_in_doubt() {
    everywhere(&CONTACT, &[], |stage| {
        let (at, name) = (remote(stage), ["a", "b", "c"][remote(stage)]);
        stage.take_steps(&[LINKED, In("a", "insert into contact (email) values ('s@x')")]);
        stage.cut(at, Cut::BeforeCommit);
        let doubt = format!("1 write to {name} in doubt until 20");
        for _ in 0..3 {
            let run = stage.syncline(&["run"]);
            stage.come_back(at);
            assert_eq!(run.code, 1, "{}{}", run.stdout, run.stderr);
            assert!(run.stdout.contains(&doubt), "{}", run.stdout);
            for word in ["error[write.in_doubt]", "cause:", "done:", "fix:"] {
                assert!(run.stderr.contains(word), "no {word} in {}", run.stderr);
            }
        }
        let again = stage.expect(1, &["run"]);
        assert_eq!(written(&again), [0; 3], "{again}");
        assert_eq!(text(&again["error"]["code"]), "write.in_doubt");
        let status = stage.syncline(&["status"]);
        assert!(status.stdout.contains(&doubt), "{}", status.stdout);
        assert_eq!(stage.sql(at, "select count(*) from contact"), ["1"]);
        // A row that shows itself ends the doubt at once.
        stage.sql(at, "insert into contact (email) values ('s@x')");
        stage.take_steps(&[
            Run([0, 0, 0]),
            Query(ALL, "select email from contact order by email", &["r@x", "s@x"]),
        ]);
    });
}
