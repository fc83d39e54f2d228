//! 1.5, 1.6 and 1.9: what a poll by cursor must not skip, a disk that is full, and orders of
//! arrival with a kill between them.

use super::{
    CONTACT, LINKED, STAMPED,
    stage::{ALL, Given, Kind, Stage, Step::*, everywhere, play, written},
};
use crate::world::{Done, finished};

/// More rows than one page of a poll holds, all of one stamp.
const PAGE: usize = 4_060;

#[test]
fn f1_rows_of_one_stamp_are_all_read_across_pages() {
    let given = Given { rows: [""; 3], ..STAMPED };
    let two = [
        ("\n      c: {table: contact, changed_at: changed}", ""),
        ("{@email}", "{a: email, b: email}"),
        ("{@name}", "{a: name, b: name}"),
        ("{@phone}", "{a: phone, b: phone}"),
        ("{@status}", "{a: status, b: status}"),
    ];
    let stamp = "'2024-05-01 10:00:00'";
    let rows: Vec<String> = (0..PAGE).map(|at| format!("('{at:05}@x', {stamp})")).collect();
    let rows = format!("insert into contact (email, changed) values {}", rows.join(", "));
    everywhere(&given, &two, |stage| {
        stage.sql(0, &rows);
        stage.sql(1, &rows);
        stage.take_steps(&[
            LINKED,
            In("a", "update contact set changed = '2024-05-01 11:00:00'"),
            // Sixty of them say something new, wherever the page ends.
            In("a", "update contact set phone = 'P1' where email > '03999@x'"),
            Run([0, 60, 0]),
            Query("b", "select count(*) from contact where phone = 'P1'", &["60"]),
        ]);
    });
}

#[test]
fn f2_a_row_committed_late_is_read_by_the_next_poll() {
    play(
        &STAMPED,
        &[
            LINKED,
            In("a", "insert into contact (email, name, changed) values ('s@x', 'N1', {now})"),
            Run([0, 1, 1]),
            // Stamped before the row that was read, and committed after it was.
            In("a", "insert into contact (email, name, changed) values ('t@x', 'N2', {earlier})"),
            In("a", "update contact set phone = 'P1', changed = {earlier} where email = 'r@x'"),
            Run([0, 2, 2]),
            Show(ALL, &["r@x|N0|P1|S0", "s@x|N1|NULL|NULL", "t@x|N2|NULL|NULL"]),
        ],
    );
}

#[test]
fn f3_rows_committed_while_a_poll_reads_are_not_skipped() {
    const COUNT: usize = 12;
    everywhere(&Given { rows: [""; 3], ..STAMPED }, &[], |stage| {
        stage.take_steps(&[LINKED]);
        std::thread::scope(|scope| {
            let (kind, path) = (stage.kinds[0], stage.path("scene.db"));
            let insert = move |at: usize| {
                kind.speak(&format!(
                    "insert into contact (email, changed) values ('{at:03}@x', {{now}})"
                ))
            };
            let place = (kind != Kind::Sqlite).then(|| (stage.server(0), stage.url(0).to_owned()));
            let writer = scope.spawn(move || {
                for at in 0..COUNT {
                    match &place {
                        Some((server, url)) => drop(server.execute(url, &insert(at))),
                        None => {
                            let file = rusqlite::Connection::open(&path).unwrap();
                            file.busy_timeout(std::time::Duration::from_secs(20)).unwrap();
                            file.execute_batch(&insert(at)).unwrap();
                        }
                    }
                }
            });
            while !writer.is_finished() {
                stage.expect(0, &["run"]);
            }
        });
        stage.expect(0, &["run"]);
        stage.take_steps(&[Query(ALL, "select count(*) from contact", &["12"])]);
    });
}

/// Runs the program where no file may grow past so many blocks of 512 bytes.
fn with_little_space(stage: &Stage, blocks: u64) -> Done {
    // The signal that would kill is ignored, so that the write fails, as on a full disk.
    let binary = env!("CARGO_BIN_EXE_syncline");
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec {binary} run --yes");
    let mut shell = std::process::Command::new("sh");
    finished(shell.args(["-c", &script]).current_dir(stage.path("")).env("NO_COLOR", "1"))
}

#[test]
fn w15_a_full_disk_stops_the_run_and_loses_nothing() {
    let long = "x".repeat(150);
    let rows: Vec<String> = (0..800).map(|at| format!("('{at:05}@x', '{long}')")).collect();
    let rows = format!("insert into contact (email, name) values {}", rows.join(", "));
    everywhere(&Given { rows: [""; 3], ..CONTACT }, &[], |stage| {
        for at in 0..3 {
            stage.sql(at, &rows);
        }
        let done = with_little_space(stage, 500);
        assert_eq!(done.code, 3, "{:?}\n{}{}", stage.kinds, done.stdout, done.stderr);
        assert!(done.stderr.contains("hub.disk_full"), "{:?}\n{}", stage.kinds, done.stderr);
        stage.take_steps(&[
            LINKED,
            In("a", "update contact set phone = 'P1' where email = '00007@x'"),
            Run([0, 1, 1]),
            Query(ALL, "select count(*) from contact where phone = 'P1'", &["1"]),
        ]);
    });
}

#[test]
fn o6_whoever_is_heard_first_and_wherever_a_run_is_killed_the_end_is_the_same() {
    const ROWS: &str = "insert into contact (email) values ('0'), ('1')";
    let orders = [["b", "c", "a"], ["c", "a", "b"]];
    everywhere(&Given { rows: [ROWS; 3], ..CONTACT }, &[], |stage| {
        stage.take_steps(&[LINKED]);
        for (round, order) in orders.iter().enumerate() {
            let edits = ["phone = 'a', name = 'N1'", "phone = 'b', status = 'S1'", "phone = 'c'"];
            for (at, edit) in edits.iter().enumerate() {
                stage.sql(at, &format!("update contact set {edit} where email = '{round}'"));
                stage.expect(0, &["pause", ["a", "b", "c"][at]]);
            }
            for name in order {
                stage.expect(0, &["resume", name]);
                // Killed wherever it is: what it did not commit, the next one does.
                let mut run = stage.start(&["run"]);
                run.kill().unwrap();
                run.wait().unwrap();
                stage.expect(0, &["run"]);
            }
            for at in 0..3 {
                let query =
                    format!("select name, phone, status from contact where email = '{round}'");
                assert_eq!(stage.sql(at, &query), ["N1|a|S1"], "heard in the order {order:?}");
            }
        }
    });
}

#[test]
fn o12_a_run_costs_what_has_changed_and_not_what_there_is() {
    const COUNT: usize = 3_000;
    let stamp = |at: usize| {
        let (year, month, day) = (2010 + at / 336, 1 + at / 28 % 12, 1 + at % 28);
        format!("'{year}-{month:02}-{day:02} 10:00:00'")
    };
    let rows: Vec<String> = (0..COUNT).map(|at| format!("('{at:05}@x', {})", stamp(at))).collect();
    let rows = format!("insert into contact (email, changed) values {}", rows.join(", "));
    everywhere(&Given { rows: [""; 3], ..STAMPED }, &[], |stage| {
        for system in 0..3 {
            stage.sql(system, &rows);
        }
        let edit = "update contact set phone = 'P1', changed = '2024-05-02 10:00:00' where email < '00030@x'";
        stage.take_steps(&[LINKED, In("a", edit)]);
        let run = stage.expect(0, &["run"]);
        assert_eq!(written(&run), [0, 30, 30], "{run}");
        let checked = run["result"][0]["checked"].as_u64().unwrap();
        assert!((30..=120).contains(&checked), "1 % has changed, {checked} rows were read");
    });
}
