//! Databases that live their own life while they are read: the very rows that a first reading shows are
//! changed under it, a neighbour is busy, one transaction is larger than everything before it.

use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use syncline_core::chance::Chance;

use super::{Daemon, MARKS, eventually, faults::Three};

impl Three {
    /// Many contacts that nobody has read, and nothing that keeps them back.
    fn grown_by(count: usize) -> Self {
        let three = Self::new(1);
        three.world.edit(
            "entities:",
            "defaults: {guards: {updates: {max: 1000000}, deletes: {max: 1000000}}}\nentities:",
        );
        let sql = format!(
            "insert into contacts (email, name, city)
             select 'n' || i || '@example.com', 'Name ' || i, 'Rome' from generate_series(1, {count}) as i"
        );
        three.crm.execute(&three.crm_url, &sql);
        three
    }

    fn in_crm(&self, sql: &str) -> String {
        self.crm.execute(&self.crm_url, sql).trim().to_owned()
    }

    /// How far the daemon says that it has heard of a system.
    fn heard(&self, system: usize) -> String {
        let status = self.world.run(&["status", "--json"]).json();
        status["result"]["systems"][system]["position"].to_string()
    }
}

impl Daemon {
    /// The most memory that it ever held, in megabytes.
    fn peak(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
    }
}

#[test]
fn edits_of_the_rows_that_a_first_reading_shows_are_neither_lost_nor_undone() {
    const COUNT: usize = 3_000;
    let three = Three::grown_by(COUNT);
    let daemon = three.serve();
    let is_over = AtomicBool::new(false);

    thread::scope(|scope| {
        scope.spawn(|| {
            let mut chance = Chance::new(7);
            while !is_over.load(Ordering::Relaxed) {
                let mail = format!("'n{}@example.com'", 1 + chance.below(COUNT));
                let value = chance.below(1_000_000);
                let sql = match chance.below(4) {
                    // Rows that are yet to be read, too, and those that were read and nobody has decided about.
                    0 => format!(
                        "delete from contacts where id % {} = {}",
                        COUNT / 10,
                        chance.below(COUNT / 10)
                    ),
                    1 => format!(
                        "insert into contacts (email, name) values ({mail}, 'back {value}')
                         on conflict (email) do update set name = excluded.name"
                    ),
                    _ => format!("update contacts set city = 'c{value}' where email = {mail}"),
                };
                three.crm.execute(&three.crm_url, &sql);
            }
        });
        let whole = || {
            let status = three.world.run(&["status", "--json"]).json();
            status["result"]["systems"][0]["last_full_compare"].is_string()
        };
        eventually("it is read whole", whole, || daemon.log());
        is_over.store(true, Ordering::Relaxed);
    });

    three.agree(&daemon);
    daemon.stop().ends(143, &[]);
    three.world.run(&["run"]).ends(0, &[]);
    three.world.run(&["verify"]).ends(0, &["no difference"]);
    three.world.run(&["run"]).ends(0, &["nothing changed"]);
}

#[test]
fn a_busy_neighbour_does_not_hold_up_how_far_was_heard() {
    let three = Three::new(2);
    let daemon = three.serve();
    daemon.says("crm is listened to (wal)");
    daemon.says("erp is listened to (binlog)");
    let crm_noise = three.crm.database("noise");
    let erp_noise = three.erp.database("noise");

    three.crm.execute(
        &crm_noise,
        "create table t (x text); insert into t select repeat('x', 500) from generate_series(1, 20000)",
    );
    three.erp.execute(
        &erp_noise,
        "create table t (x varchar(500)); insert into t select repeat('x', 500) from seq_1_to_20000",
    );

    let written = three.in_crm("select pg_current_wal_lsn()");
    let behind = format!(
        "select coalesce(max('{written}'::pg_lsn - confirmed_flush_lsn), 1) <= 0 from pg_replication_slots"
    );
    let log = || three.in_crm("select slot_name, confirmed_flush_lsn from pg_replication_slots");
    eventually("the slot goes on", || three.in_crm(&behind) == "t", log);
    let place = three.erp.execute(&three.erp_url, "select @@gtid_binlog_pos");
    eventually("the binlog is heard", || three.heard(1).contains(place.trim()), || three.heard(1));
    // And what is said there after all that is heard.
    three.in_crm("update contacts set name = 'Ada' where id = 1");
    three.erp.execute(&three.erp_url, "update CUSTOMER set CITY = 'Oslo' where NO = 2");
    three.agree(&daemon);
}

#[test]
fn one_huge_transaction_is_taken_in_parts_and_gone_on_with_after_a_kill() {
    let three = Three::grown_by(0);
    // What is written leaves its mark, so that its fate is known at once.
    three.erp.execute(&three.erp_url, MARKS);
    three.world.sql("desk", MARKS);
    let daemon = three.serve();
    daemon.says("crm is listened to (wal)");

    three.crm.execute(
        &three.crm_url,
        "insert into contacts (email, name, city)
         select 'n' || i || '@example.com', repeat('x', i % 80), 'Rome' from generate_series(1, 12000) as i",
    );
    let some = || three.world.value("desk", "select count(*) > 1000 from people") == "1";
    eventually("some of it has arrived", some, || daemon.log());
    let waits = || {
        let status = three.world.run(&["status", "--json"]).json();
        let links = status["result"]["entities"][0]["links"].as_array().unwrap().clone();
        links.iter().map(|link| link["backlog"].as_u64().unwrap_or(0)).sum::<u64>()
    };
    eventually("status says how much waits", || waits() > 0, || daemon.log());
    let before = daemon.peak();
    daemon.kill();
    let rows = three.world.value("desk", "select count(*) from people").parse::<u64>().unwrap();
    assert!(rows < 12_001, "it was killed in the middle: {rows}");

    let daemon = three.serve();

    three.world.becomes(&daemon, "desk", "select count(*) from people", "12001");
    three.agree(&daemon);
    let peak = before.max(daemon.peak());
    assert!(peak < 200, "{peak} MB");
    daemon.stop().ends(143, &[]);
    three.world.run(&["verify"]).ends(0, &["no difference"]);
}
