//! People edit in three databases at once, for a while, and everything is killed at random: the
//! daemon, the servers. When they rest, the three hold the same, and nothing moves any more.
//!
//! A few seconds in every run of the tests; `SOAK_SECONDS=3600` (`just soak`) for an hour.

use std::time::{Duration, Instant};

use syncline_core::chance::Chance;

use crate::serve::{Daemon, eventually, faults::Three};

/// One edit by somebody.
fn edit(three: &Three, chance: &mut Chance, count: usize) {
    let who = 1 + chance.below(count);
    let mail = format!("c{who}@example.com");
    let value = format!("v{}", chance.below(1_000));
    let column = chance.below(2);
    match chance.below(10) {
        0..4 => {
            let column = ["name", "city"][column];
            let sql = format!("update contacts set {column} = '{value}' where email = '{mail}'");
            let _ = three.crm.try_execute(&three.crm_url, &sql);
        }
        4..7 => {
            let column = ["CNAME", "CITY"][column];
            let sql = format!("update CUSTOMER set {column} = '{value}' where EMAIL = '{mail}'");
            let _ = three.erp.try_execute(&three.erp_url, &sql);
        }
        7 => {
            let sql = format!("delete from contacts where email = '{mail}'");
            let _ = three.crm.try_execute(&three.crm_url, &sql);
        }
        8 => {
            let sql = format!(
                "insert into contacts (email, name) values ('{mail}', '{value}')
                 on conflict do nothing"
            );
            let _ = three.crm.try_execute(&three.crm_url, &sql);
        }
        _ => {
            let column = ["name", "city"][column];
            let sql = format!("update people set {column} = '{value}' where mail = '{mail}'");
            three.world.sql("desk", &format!("pragma busy_timeout = 20000; {sql}"));
        }
    }
}

/// Something breaks, or nothing.
fn accident(three: &Three, chance: &mut Chance, daemon: Daemon) -> Daemon {
    match chance.below(100) {
        0..3 => {
            daemon.kill();
            Daemon::launch(&three.world.path(""), &[], &[])
        }
        3 => {
            three.crm.kill();
            three.crm.restart();
            daemon
        }
        4 => {
            three.erp.kill();
            three.erp.restart();
            daemon
        }
        5 => {
            three.world.run(&["status"]).ends(0, &[]);
            let _paused = three.world.run(&["pause", "desk", "--writes-only", "--for", "300ms"]);
            daemon
        }
        _ => daemon,
    }
}

#[test]
fn whatever_breaks_the_three_agree_in_the_end() {
    const COUNT: usize = 40;
    let seconds = std::env::var("SOAK_SECONDS").ok().and_then(|text| text.parse().ok());
    let seed = std::env::var("SOAK_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let until = Instant::now() + Duration::from_secs(seconds.unwrap_or(8));
    let mut chance = Chance::new(seed);
    let three = Three::new(COUNT);
    three.world.edit(
        "entities:",
        "defaults: {guards: {updates: {max: 100000}, deletes: {max: 100000}}}\nentities:",
    );
    let mut daemon = three.serve();
    while Instant::now() < until {
        for _ in 0..10 {
            edit(&three, &mut chance, COUNT);
        }
        daemon = accident(&three, &mut chance, daemon);
    }
    three.agree(&daemon);
    let rests = || {
        let status = three.world.run(&["status", "--json"]).json();
        status["result"]["entities"][0]["to_write"] == 0
    };
    eventually("nothing waits", rests, || daemon.log());
    daemon.stop().ends(143, &[]);
    three.world.run(&["run"]).ends(0, &[]);
    three.world.run(&["verify"]).ends(0, &["no difference"]);
    three.world.run(&["run"]).ends(0, &["nothing changed"]);
}
