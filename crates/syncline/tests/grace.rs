//! Deletes that wait before they are passed on: whoever comes back meanwhile stays.

use std::time::{Duration, Instant};

use crate::{
    serve::{Daemon, eventually},
    world::World,
};

/// Two systems in step, three contacts each, and this time of grace.
fn contacts(grace: &str) -> World {
    let world = World::contacts(3);
    world.edit(
        "    match: email\n",
        &format!("    match: email\n    deletes: {{grace: {grace}}}\n"),
    );
    world.run(&["run", "--yes"]).ends(0, &[]);
    world
}

fn names(world: &World) -> String {
    world.value("erp", "select group_concat(CNAME, ', ') from (select * from CUSTOMER order by NO)")
}

#[test]
fn a_delete_waits_and_is_called_off_by_who_comes_back() {
    let world = contacts("1h");
    world.sql("crm", "delete from contacts where id in (1, 2)");
    // It is said beforehand, and nothing is planned.
    let plan = world.run(&["plan"]).ends(0, &["2 deletes wait, the first until"]);
    assert!(plan.said().contains("deletes 0"), "{}", plan.said());
    world.run(&["run"]).ends(0, &["2 deletes wait, the first until"]);
    world.run(&["status"]).ends(0, &["2 deletes wait, the first until"]);
    assert_eq!(names(&world), "Name 1, Name 2, Name 3");
    world.run(&["verify"]).ends(10, &[]);

    // Who comes back is who it was, with what is said of it now.
    world.sql("crm", "insert into contacts values (1, 'c1@example.com', 'Back', 'lead')");
    world.run(&["run"]).ends(0, &["1 delete waits until"]);
    assert_eq!(names(&world), "Back, Name 2, Name 3");
    assert_eq!(world.value("erp", "select group_concat(NO) from CUSTOMER"), "1,2,3");

    // So does who comes back under another key.
    world.sql("crm", "insert into contacts values (9, 'c2@example.com', 'Again', 'lead')");
    world.run(&["run"]).ends(0, &[]);
    assert_eq!(names(&world), "Back, Again, Name 3");
    world.agrees();
}

#[test]
fn a_delete_is_passed_on_when_its_time_is_over_whoever_runs_then() {
    let world = contacts("2s");
    world.sql("crm", "delete from contacts where id = 1");
    world.run(&["run"]).ends(0, &["1 delete waits until"]);
    assert_eq!(names(&world), "Name 1, Name 2, Name 3");
    std::thread::sleep(Duration::from_secs(2));
    world.run(&["run"]).ends(0, &["erp 1"]);
    assert_eq!(names(&world), "Name 2, Name 3");
    world.agrees();

    // A daemon, which comes to it by itself.
    let daemon = Daemon::start(&world.path(""), &[]);
    let began = Instant::now();
    world.sql("crm", "delete from contacts where id = 2");
    eventually("the row has gone", || names(&world) == "Name 3", || daemon.log());
    assert!(began.elapsed() >= Duration::from_secs(2), "{:?}", began.elapsed());
}
