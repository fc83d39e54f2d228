//! 1.4 and 1.6: the program killed in the middle of its writes, and connections that break there.

use std::process::Child;

use rusqlite::Connection;

use super::{
    CONTACT, LINKED,
    stage::{ALL, Given, Kind, Stage, Step::*, everywhere},
    wire::Cut,
};

/// Contacts whose key is theirs: a row of which nobody knows whether it was written can be asked for.
const KEYED: Given = Given {
    tables: "create table contact (email {text} not null primary key, name {text}, phone {text}, status {text})",
    rows: ["insert into contact (email, name, phone, status) values ('r@x', 'N0', 'P0', 'S0')"; 3],
    mapping: CONTACT.mapping,
    show: "select email, phone from contact order by email",
};

/// When the program is killed.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// It is about to write, and nothing of it has arrived.
    BeforeWrite,
    /// It has written, and does not know it.
    BeforeAnswer,
}

#[track_caller]
fn until(run: &mut Child, has_come: impl Fn() -> bool) {
    while !has_come() {
        assert!(run.try_wait().unwrap().is_none(), "it ended before it was killed");
        std::thread::yield_now();
    }
}

fn kill(mut run: Child) {
    run.kill().unwrap();
    run.wait().unwrap();
}

/// Starts a run and kills it at this moment of its writes to this system.
#[track_caller]
fn run_killed(stage: &Stage, at: usize, moment: Moment, is_written: &dyn Fn() -> bool) {
    if stage.kinds[at] != Kind::Sqlite {
        let cut = match moment {
            Moment::BeforeWrite => Cut::HoldWrite,
            Moment::BeforeAnswer => Cut::HoldAnswer,
        };
        let way = stage.cut(at, cut);
        let mut run = stage.start(&["run"]);
        until(&mut run, || way.is_broken());
        kill(run);
        stage.come_back(at);
        return;
    }
    // The file can be read and not written: the run waits with its intents on record.
    let held = stage.connection();
    held.execute_batch("begin immediate").unwrap();
    let mut run = stage.start(&["run"]);
    let hub = Connection::open(stage.path("syncline.hub.db")).unwrap();
    hub.busy_timeout(std::time::Duration::from_secs(20)).unwrap();
    let system = i64::try_from(at).unwrap();
    let intents = || {
        let count = "select count(*) from intent where system = ?";
        hub.query_row(count, [system], |row| row.get::<_, i64>(0)).unwrap() > 0
    };
    until(&mut run, intents);
    match moment {
        Moment::BeforeWrite => {
            kill(run);
            held.execute_batch("rollback").unwrap();
        }
        Moment::BeforeAnswer => {
            // Its answer finds no place in the hub.
            hub.execute_batch("begin immediate").unwrap();
            held.execute_batch("rollback").unwrap();
            until(&mut run, is_written);
            kill(run);
            hub.execute_batch("rollback").unwrap();
        }
    }
}

#[test]
fn w2_a_program_killed_between_two_targets_writes_what_is_missing_and_nothing_else() {
    const MOMENTS: [(usize, Moment, [u64; 3]); 4] = [
        (1, Moment::BeforeWrite, [0, 2, 2]),
        (1, Moment::BeforeAnswer, [0, 0, 2]),
        (2, Moment::BeforeWrite, [0, 0, 2]),
        (2, Moment::BeforeAnswer, [0, 0, 0]),
    ];
    everywhere(&KEYED, &[], |stage| {
        stage.take_steps(&[LINKED]);
        for (round, (at, moment, left)) in MOMENTS.into_iter().enumerate() {
            // An update, and an insert.
            stage.sql(0, &format!("update contact set phone = 'Q{round}' where email = 'r@x'"));
            stage.sql(0, &format!("insert into contact (email, phone) values ('{round}@x', 'Q')"));
            let count = format!("{}", round + 2);
            let is_written = || stage.sql(at, "select count(*) from contact") == [count.clone()];

            run_killed(stage, at, moment, &is_written);

            stage.take_steps(&[Run(left)]);
            for place in 0..3 {
                let phone = stage.sql(place, "select phone from contact where email = 'r@x'");
                assert_eq!(phone, [format!("Q{round}")], "{moment:?} at {:?}", stage.kinds[at]);
            }
        }
        stage.take_steps(&[
            Query(
                ALL,
                "select email from contact order by email",
                &["0@x", "1@x", "2@x", "3@x", "r@x"],
            ),
            Conflicts(&[]),
        ]);
    });
}

#[test]
fn w2_a_new_row_whose_key_the_table_makes_is_told_by_its_mark_after_a_kill() {
    const MOMENTS: [(usize, Moment, [u64; 3]); 4] = [
        (1, Moment::BeforeWrite, [0, 1, 1]),
        (1, Moment::BeforeAnswer, [1, 0, 1]),
        (2, Moment::BeforeWrite, [0, 0, 1]),
        (2, Moment::BeforeAnswer, [1, 1, 0]),
    ];
    everywhere(&CONTACT, &[], |stage| {
        stage.take_steps(&[Cli(0, "doctor --fix --yes"), LINKED]);
        for (round, (at, moment, left)) in MOMENTS.into_iter().enumerate() {
            stage.sql(0, &format!("insert into contact (email, phone) values ('{round}@x', 'Q')"));
            let count = format!("{}", round + 2);
            let is_written = || stage.sql(at, "select count(*) from contact") == [count.clone()];

            run_killed(stage, at, moment, &is_written);

            // Nothing but its key tells any more that this is the row.
            if matches!(moment, Moment::BeforeAnswer) {
                let moved =
                    format!("update contact set email = '{round}y' where email = '{round}@x'");
                stage.sql(at, &moved);
            }
            stage.take_steps(&[Run(left)]);
        }
        let emails = "select email from contact order by email";
        stage.take_steps(&[Query(ALL, emails, &["0@x", "1y", "2@x", "3y", "r@x"]), Conflicts(&[])]);
    });
}

#[test]
fn l9_a_write_of_which_a_killed_program_knew_nothing_is_no_edit() {
    everywhere(&CONTACT, &[], |stage| {
        stage.take_steps(&[LINKED]);
        for round in 0..4 {
            let at = 1 + round % 2;
            let phone = format!("P{}", round + 1);
            stage.sql(0, &format!("update contact set phone = '{phone}'"));
            let is_written = || stage.sql(at, "select phone from contact") == [phone.clone()];

            run_killed(stage, at, Moment::BeforeAnswer, &is_written);

            // Meanwhile somebody works on the same row: that is an edit, and the telephone is not.
            stage.sql(at, &format!("update contact set name = 'N{round}'"));
            stage.take_steps(&[Cli(0, "run")]);
            for place in 0..3 {
                let shown = stage.sql(place, "select name, phone from contact");
                assert_eq!(shown, [format!("N{round}|{phone}")], "{:?}", stage.kinds[place]);
            }
        }
        stage.take_steps(&[Conflicts(&[])]);
        let told = stage.history();
        assert!(
            !told.iter().any(|line| line.starts_with("changed: phone") && !line.contains("a:11")),
            "{told:?}"
        );
    });
}

/// Orders with lines, under keys of their own.
const ORDERS: Given = Given {
    tables: "create table orders (number {text} not null primary key, note {text});
             create table item (number {text} not null, sku {text} not null, qty {big}, primary key (number, sku), foreign key (number) references orders (number))",
    rows: ["insert into orders (number) values ('o'); insert into item (number, sku, qty) values ('o', 's', 1)"; 3],
    mapping: "
entities:
  orders:
    in: {@orders}
    match: number
    fields:
      number: {@number}
      note: {@note}
    lines:
      in: {a: {table: item, parent: number}, b: {table: item, parent: number}, c: {table: item, parent: number}}
      key: sku
      fields:
        sku: {@sku}
        qty: {@qty}
",
    show: "select o.number, o.note, i.sku, i.qty from orders o left join item i on i.number = o.number order by o.number, i.sku",
};

#[test]
fn w13_a_connection_that_breaks_at_the_commit_leaves_no_half_of_an_order() {
    const BEFORE: &[&str] = &["o|NULL|s|1"];
    const CHANGED: &[&str] = &["o|n|s|2"];
    const MORE: &[&str] = &["o|n|s|2", "o|n|t|3", "p|NULL|u|4"];
    const CHANGE: &str = "update orders set note = 'n'; update item set qty = 2";
    const ADD: &str = "update orders set note = 'n'; update item set qty = 2; insert into item (number, sku, qty) values ('o', 't', 3); insert into orders (number) values ('p'); insert into item (number, sku, qty) values ('p', 'u', 4)";
    for (cut, edits, after) in [(Cut::BeforeCommit, CHANGE, CHANGED), (Cut::AfterCommit, ADD, MORE)]
    {
        everywhere(&ORDERS, &[], |stage| {
            stage.take_steps(&[LINKED, In("a", edits)]);
            let at = if stage.kinds[1] == Kind::Sqlite { 2 } else { 1 };
            stage.cut(at, cut);

            let done = stage.syncline(&["run"]);

            stage.come_back(at);
            assert!(matches!(done.code, 0 | 1 | 3), "{}{}", done.stdout, done.stderr);
            let shown = stage.sql(at, ORDERS.show);
            assert!(shown == BEFORE || shown == after, "{cut:?} {:?}: {shown:?}", stage.kinds[at]);
            stage.take_steps(&[Cli(0, "run"), Show(ALL, after), Conflicts(&[])]);
        });
    }
}
