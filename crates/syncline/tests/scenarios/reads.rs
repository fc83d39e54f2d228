//! 1.3 and 1.5: reads that do not come to their end, and what they may say.

use std::fs;

use super::{
    CONTACT,
    stage::{ALL, Given, Kind, Stage, Step::*, everywhere},
    wire::Cut,
};

/// More rows than one batch of a scan holds.
const MANY: usize = 4_100;

fn many() -> String {
    let rows: Vec<String> = (0..MANY).map(|at| format!("('{at:05}@x')")).collect();
    format!("insert into contact (email) values {}", rows.join(", "))
}

/// Somewhere behind its first batch, this system cannot be read any further; gives what mends it.
fn breaks_off(stage: &Stage, at: usize) -> impl FnOnce() {
    let path = stage.path("scene.db");
    let mut good = None;
    match stage.kinds[at] {
        Kind::Sqlite => {
            let whole = fs::read(&path).unwrap();
            let mut torn = whole.clone();
            let middle = whole.len() / 4096 * 3 / 4 * 4096;
            torn[middle..middle + 4096].fill(0);
            fs::write(&path, torn).unwrap();
            good = Some(whole);
        }
        Kind::Postgres => drop(stage.cut(at, Cut::Answers(114_000))),
        Kind::MariaDb => drop(stage.cut(at, Cut::Answers(85_500))),
    }
    move || {
        stage.come_back(at);
        if let Some(whole) = good {
            fs::write(path, whole).unwrap();
        }
    }
}

#[test]
fn d12_a_scan_that_breaks_off_proves_no_delete() {
    let given = Given {
        tables: "create table contact (id {id}, email {text} not null, name {text}, phone {text}, status {text})",
        rows: [""; 3],
        ..CONTACT
    };
    everywhere(&given, &[], |stage| {
        for at in 0..3 {
            stage.sql(at, &many());
        }
        stage.take_steps(&[
            Run([0, 0, 0]),
            In("a", "delete from contact where email > '04080@x'"),
            In("a", "update contact set phone = 'P1' where email = '00001@x'"),
            In("b", "update contact set phone = 'P2' where email = '00002@x'"),
        ]);
        let mend = breaks_off(stage, 0);

        let run = stage.syncline(&["run", "--json"]);

        mend();
        assert_eq!(run.code, 3, "{:?}\n{}{}", stage.kinds, run.stdout, run.stderr);
        stage.take_steps(&[
            Query("bc", "select count(*) from contact", &["4100"]),
            Query("c", "select phone from contact where email = '00002@x'", &["P2"]),
            Cli(0, "run"),
            Query(ALL, "select count(*) from contact", &["4081"]),
            Query(
                ALL,
                "select phone from contact where phone is not null order by phone",
                &["P1", "P2"],
            ),
        ]);
    });
}
