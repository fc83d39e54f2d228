//! 1.4 and 1.6: the program killed in the middle of its writes, and connections that break there.

use std::process::Child;

use rusqlite::Connection;
use syncline_sim::scenario::Moment;

use super::{
    LINKED,
    stage::{ALL, Given, Kind, Stage, Step::*, everywhere},
    wire::Cut,
};

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
pub(super) fn run_killed(stage: &Stage, at: usize, moment: Moment, is_written: &dyn Fn() -> bool) {
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
