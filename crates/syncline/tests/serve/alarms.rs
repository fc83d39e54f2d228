//! What the daemon says when something does not go on, although nothing failed.

use super::{NAMES, eventually};
use crate::world::World;

#[test]
fn a_field_that_is_held_as_a_loop_is_said() {
    let world = World::contacts(1);
    let daemon = world.serve(&["--yes"]);
    world.becomes(&daemon, "erp", NAMES, "Name 1");

    let is_said = || {
        let swap = "update contacts set name = iif(name = 'Ada', 'Bea', 'Ada')";
        world.sql("crm", swap);
        daemon.log().contains("\"guard.loop_suspected\"")
    };

    eventually("the loop is said", is_said, || daemon.log());
}

#[test]
fn a_link_that_has_rows_to_write_and_does_not_move_is_an_alarm() {
    let world = World::in_step(40);
    world.edit("\"sqlite:erp.db\"", "\"sqlite:erp.db\", writes: {max_rate: 1/h}");
    let daemon = world.serve(&[]);
    world.sql("crm", "update contacts set name = 'Ada'");
    let written = "select count(*) from CUSTOMER where CNAME = 'Ada'";
    world.becomes(&daemon, "erp", written, "1");

    // Whoever borrows the hub ends a shift, and the next one looks at all links at once: as if what
    // it knows had been a quarter of an hour earlier.
    let is_said = || {
        let earlier = "update note set value = cast(value as integer) - 900000000
                       where name like 'waits:%' and value <> ''";
        world.sql("syncline.hub", earlier);
        world.run(&["pause", "crm"]).ends(0, &[]);
        world.run(&["resume", "crm"]).ends(0, &[]);
        let status = world.run(&["status", "--wait-healthy", "1ms"]);
        status.code == 1 && status.stdout.contains("stuck: erp, no progress for ")
    };
    eventually("status says it", is_said, || daemon.log());

    daemon.says("\"serve.stuck\"");
    world.edit("max_rate: 1/h", "max_rate: 6000/m");
    daemon.signal("HUP");
    world.becomes(&daemon, "erp", written, "40");
    daemon.stop().ends(143, &[]);
}

#[test]
fn a_system_that_puts_off_what_it_is_given_is_given_less_at_once() {
    let world = World::in_step(40);
    world.edit(
        "\"sqlite:erp.db\"",
        "\"sqlite:erp.db\", statement_timeout: 50ms, writes: {batch: 32}",
    );
    let daemon = world.serve(&[]);
    // Somebody else works on it for long.
    let other = world.open("erp");
    other.execute_batch("begin immediate").unwrap();
    world.sql("crm", "update contacts set name = 'Ada'");

    let batch = || {
        let status = world.run(&["status", "--json"]).json();
        status["result"]["systems"][1]["batch"].as_u64().unwrap()
    };
    eventually("it is given less at once", || batch() < 32, || daemon.log());

    other.execute_batch("rollback").unwrap();
    let written = "select count(*) from CUSTOMER where CNAME = 'Ada'";
    world.becomes(&daemon, "erp", written, "40");
}
