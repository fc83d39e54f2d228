//! Runs as people look for them: what set them going, how they ended, what they spent their time on.

use crate::{
    api::{Server, guarded},
    serve::{Daemon, eventually},
    world::{World, command, finished},
};

fn triggers(world: &World, which: &[&str]) -> Vec<String> {
    let asked = [&["history", "runs", "--json"], which].concat();
    let found = world.run(&asked).json();
    let runs = found["result"].as_array().unwrap().iter();
    runs.map(|run| run["trigger"].as_str().unwrap().to_owned()).collect()
}

/// The daemon brings this name to the ERP, and ends.
fn brings(world: &World, name: &str) {
    let daemon = Daemon::start(&world.path(""), &[]);
    world.sql("crm", &format!("update contacts set name = '{name}' where id = 1"));
    let held = "select CNAME from CUSTOMER where EMAIL = 'c1@example.com'";
    eventually("it is in the ERP", || world.value("erp", held) == name, || daemon.log());
    daemon.stop().ends(143, &[]);
}

#[test]
fn what_set_a_run_going_is_on_record_and_can_be_asked_for() {
    let world = World::in_step(2);
    world.edit("    match: email", "    schedule: {every: 200ms}\n    match: email");
    brings(&world, "Ada");
    assert!(triggers(&world, &[]).contains(&"schedule".to_owned()));

    world.edit("    schedule: {every: 200ms}\n", "");
    brings(&world, "Eva");
    let all = triggers(&world, &[]);
    assert_eq!(all.last().unwrap(), "person", "the first run: {all:?}");
    assert!(all.contains(&"live".to_owned()), "{all:?}");
    assert_eq!(triggers(&world, &["--trigger", "person"]), ["person"]);
    assert_eq!(triggers(&world, &["--trigger", "hook"]), [""; 0]);
    assert_eq!(triggers(&world, &["--outcome", "failed"]), [""; 0]);
    world.run(&["history", "runs"]).ends(0, &["SET BY", "person", "contacts", "r-1"]);
    world.run(&["history", "--trigger", "hook"]).ends(2, &["syncline history runs"]);
    world.run(&["history", "runs", "--trigger", "moon"]).ends(2, &["schedule"]);
}

#[test]
fn what_a_run_spent_its_time_on_is_shown_everywhere() {
    let world = World::in_step(300);
    let words = ["(person)", "read crm ", "merge ", "write erp "];
    world.run(&["history", "run", "r-1"]).ends(0, &words);
    let (server, token) = guarded(&world);
    let run = server.ask(&token("ada", &["--role", "viewer"]), "GET", "/runs/r-1", "").is(200);
    let spans = run["spans"].as_array().unwrap();
    let of = |work: &str, system: Option<&str>| {
        let is = |it: &&serde_json::Value| it["work"] == work && it["system"].as_str() == system;
        spans.iter().find(is).unwrap_or_else(|| panic!("{work} in {run}"))
    };
    for span in [of("read", Some("crm")), of("merge", None), of("write", Some("erp"))] {
        let ms = |name: &str| span[name].as_u64().unwrap();
        assert!(ms("busy_ms") <= ms("to_ms") - ms("from_ms") + 1, "{span}");
        assert!(ms("to_ms") <= run["took_ms"].as_u64().unwrap() + 1, "{run}");
    }
    let (read, write) = (of("read", Some("crm")), of("write", Some("erp")));
    assert!(read["from_ms"].as_u64() <= write["from_ms"].as_u64(), "{run}");
}

#[test]
fn runs_are_chosen_from_elsewhere_by_what_set_them_going() {
    let world = World::in_step(1);
    let server = Server::start(&world);
    let of = |trigger: &str| server.get(&format!("/runs?trigger={trigger}&count=true")).is(200);
    assert_eq!((of("person")["total"].as_u64(), of("hook")["total"].as_u64()), (Some(1), Some(0)));
    server.get("/runs?trigger=moon").refuses(400, "usage.parameter");
    world.file("token", "syn_none");
    let url = format!("http://{}", server.address);
    let words = ["history", "runs", "--trigger", "person", "--json", "--server", &url];
    let far =
        finished(&mut command(&world.path(""), &[&words[..], &["--token-file", "token"]].concat()));
    assert_eq!(far.json()["result"][0]["run"], "r-1");
}
