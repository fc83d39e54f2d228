//! Commands that only look: what they say is so, and they say it before there is a hub, too.

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

use crate::world::{World, done};

#[test]
fn waiting_for_health_begins_before_there_is_a_hub() {
    let world = World::contacts(1);
    world.run(&["status", "--wait-healthy", "1ms"]).ends(1, &["Never run"]);
    let waits = world
        .command(&["status", "--wait-healthy", "10m"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    world.run(&["run", "--yes"]).ends(0, &[]);
    done(waits.wait_with_output().unwrap()).ends(0, &["contacts"]);
}

#[test]
fn a_watcher_sees_the_first_run_and_ends_by_its_signal() {
    let world = World::contacts(1);
    let mut watcher =
        world.command(&["--json", "status", "--watch"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut looks = BufReader::new(watcher.stdout.take().unwrap())
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(&line.unwrap()).unwrap());
    assert_eq!(looks.next().unwrap()["entities"][0]["state"], "never run");
    world.run(&["run", "--yes"]).ends(0, &[]);
    let healthy = looks.find(|look| look["healthy"] == true).unwrap();
    assert_eq!(healthy["systems"][0]["up"], true);
    Command::new("kill").args(["-TERM", &watcher.id().to_string()]).status().unwrap();
    assert_eq!(watcher.wait().unwrap().code(), Some(143));
}

#[test]
fn a_failure_that_is_over_does_not_keep_a_system_ill() {
    let world = World::in_step(1);
    std::fs::rename(world.path("erp.db"), world.path("away.db")).unwrap();
    world.run(&["run"]).ends(3, &["syncline doctor erp"]);
    world.run(&["status", "--wait-healthy", "1ms"]).ends(1, &["erp", "connect.unreachable"]);
    std::fs::rename(world.path("away.db"), world.path("erp.db")).unwrap();
    world.run(&["run"]).ends(0, &[]);
    world.run(&["status", "--wait-healthy", "1ms"]).ends(0, &[]);
}

#[test]
fn a_dropped_entry_is_not_what_needs_a_person() {
    let world = World::in_step(2);
    world.sql("crm", "update contacts set status = 'strange'");
    world.run(&["run"]).ends(4, &["2 set aside"]);
    world.run(&["quarantine", "drop", "1"]).ends(0, &[]);
    world.run(&["status"]).ends(0, &["1 thing needs you: syncline quarantine show 2"]);
}

#[test]
fn a_log_that_is_older_than_it_is_kept_is_forgotten_and_what_it_changed_is_not() {
    let world = World::in_step(2);
    world.run(&["history", "run", "r-1"]).ends(0, &["run", "2 changed", "written to erp"]);
    world.run(&["run"]).ends(0, &[]);
    world.run(&["history", "run", "r-1"]).ends(0, &["2 changed of 2 checked"]);
    world.edit("version: 1\n", "version: 1\ndefaults: {retention: {logs: 0s}}\n");
    world.run(&["run"]).ends(0, &[]);
    let shown = world.run(&["history", "run", "r-1"]).ends(0, &["r-1  its log is no longer kept"]);
    assert!(shown.said().contains("written to erp"), "{}", shown.said());
    world.run(&["history", "run", "r-3"]).ends(0, &["nothing changed"]);
    world.run(&["status"]).ends(0, &["contacts", "0 0 0"]);
}

fn now() -> jiff::Timestamp {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap();
    jiff::Timestamp::from_microsecond(since.as_micros() as i64).unwrap()
}

#[test]
fn a_value_of_the_past_is_the_one_that_the_next_change_replaced() {
    let world = World::in_step(1);
    let created = now();
    world.sql("crm", "update contacts set name = 'Second' where id = 1");
    world.run(&["run"]).ends(0, &[]);
    let name_at = |at: jiff::Timestamp| {
        let at = at.to_string();
        world.run(&["explain", "contacts/crm:1", "name", "--at", &at])
    };
    name_at(created).ends(0, &["name = Name 1"]);
    name_at(now()).ends(0, &["name = Second"]);
    name_at(jiff::Timestamp::UNIX_EPOCH).ends(2, &["address.unknown", "was not known then"]);
}

#[test]
fn a_guard_whose_reason_is_gone_needs_nobody() {
    let world = World::in_step(60);
    world.sql("crm", "update contacts set name = upper(name)");
    world.run(&["run"]).ends(5, &["guard.mass_update", "syncline guards apply 1"]);
    world.run(&["status"]).ends(0, &["1 thing needs you: syncline guards show 1"]);
    world.run(&["run", "--allow", "updates"]).ends(0, &["erp 60"]);
    world.run(&["guards"]).ends(0, &["no guard waits"]);
    world.run(&["guards", "show", "1"]).ends(0, &["applied"]);
}

#[test]
fn a_plan_says_what_is_written_otherwise_and_means_the_same() {
    let world = World::contacts(3);
    world.edit(
        "name: {crm: name, erp: CNAME}",
        "name: {type: date, crm: name, erp: {column: CNAME, format: \"%d/%m/%Y\"}}",
    );
    world.edit("lead: \"0\"", "lead: [\"0\", \"7\"]");
    world.sql("crm", "update contacts set name = '2024-01-0' || id");
    world.sql("erp", "insert into CUSTOMER values (5, 'c1@example.com', '01/01/2024', '7'), (6, 'c2@example.com', '02/01/2024', '0')");
    world.run(&["plan"]).ends(0, &[
        "= erp.STAT: 1 value is written otherwise (\"7\" for lead) but reads the same: left as it is",
    ]);
}

#[test]
fn a_plan_of_one_record_finds_it_by_any_of_its_rows() {
    let world = World::in_step(3);
    world.sql("crm", "update contacts set name = 'Other' where id = 2");
    for address in ["contacts/crm:2", "contacts/erp:2", "contacts/email=c2@example.com"] {
        let done = world.run(&["plan", "--record", address]).ends(0, &["\"Name 2\" -> \"Other\""]);
        assert!(!done.stdout.contains("Name 1"), "{}", done.stdout);
    }
    world
        .run(&["plan", "--record", "contacts/crm:1"])
        .ends(0, &["Of contacts/crm:1 nothing would change"]);
    world.run(&["plan", "--record", "contacts/crm:9"]).ends(2, &["address.unknown"]);
}

#[test]
fn a_field_to_compare_may_be_of_one_entity_only() {
    let world = World::in_step(1);
    world.run(&["verify", "--columns", "name"]).ends(0, &[]);
    world.run(&["verify", "--columns", "nome"]).ends(2, &["address.unknown", "`nome`"]);
}

#[test]
fn verify_counts_rows_that_went_away_unseen() {
    let world = World::in_step(3);
    world.sql("erp", "delete from CUSTOMER where NO = 2");
    let verified = world.run(&["verify", "--json"]).ends(10, &[]);
    let envelope: serde_json::Value = serde_json::from_str(&verified.stdout).unwrap();
    let erp = &envelope["result"]["bindings"][1];
    assert_eq!(
        (&erp["in_scope"], &erp["matched"], &erp["missing"]),
        (&3.into(), &2.into(), &1.into())
    );
    world.run(&["verify", "--repair", "--yes"]).ends(0, &["after the repair", "no difference"]);
    assert_eq!(world.value("crm", "select count(*) from contacts"), "2");
}

#[test]
fn verify_counts_what_waits_for_a_person_as_differing_and_expected() {
    let world = World::in_step(3);
    world.sql("erp", "update CUSTOMER set STAT = '7' where NO = 2");
    world.run(&["run"]).ends(4, &[]);
    let verified = world.run(&["verify", "--json"]).ends(0, &["1 expected, 0 unexplained"]);
    let envelope: serde_json::Value = serde_json::from_str(&verified.stdout).unwrap();
    let erp = &envelope["result"]["bindings"][1];
    assert_eq!(
        (&erp["in_scope"], &erp["differs"], &erp["expected"]),
        (&3.into(), &1.into(), &1.into())
    );
    assert_eq!(erp["columns"], serde_json::json!({ "status": 1 }));
}

#[test]
fn a_history_that_is_cut_says_so() {
    let world = World::in_step(3);
    world.run(&["history", "--limit", "2"]).ends(0, &["the newest 2; --limit N shows more"]);
    let whole = world.run(&["history"]).ends(0, &["created from crm:1"]);
    assert!(!whole.said().contains("the newest"), "{}", whole.said());
}

#[test]
fn an_open_conflict_explains_why_a_row_is_behind() {
    let world = World::contacts(1);
    world.sql("erp", "insert into CUSTOMER values (7, 'c1@example.com', 'Name 1', '1')");
    world.run(&["run", "--yes"]).ends(4, &["Waiting for you: 1 conflict. Next: syncline status"]);
    world
        .run(&["explain", "contacts/crm:1", "status"])
        .ends(0, &["conflict 1 is open: syncline conflicts show 1", "(held)"]);
}

#[test]
fn a_pass_names_what_is_paused_and_a_pause_what_waits() {
    let world = World::in_step(2);
    world.run(&["pause", "contacts", "--writes-only"]).ends(0, &["0 writes wait"]);
    world.sql("crm", "update contacts set name = 'Ann' where id = 1");
    world.run(&["run"]).ends(0, &["1 changed of", "not written. Next: syncline resume contacts"]);
    assert_eq!(world.value("erp", "select CNAME from CUSTOMER where NO = 1"), "Name 1");
    world.run(&["pause", "contacts"]).ends(0, &["1 write waits"]);
    world.run(&["run"]).ends(0, &["neither read nor written. Next: syncline resume contacts"]);
    for named in
        [&["run", "contacts"][..], &["refresh", "contacts"], &["refresh", "contacts/crm:1"]]
    {
        world.run(named).ends(5, &["run.paused", "syncline resume contacts"]);
    }
    world.run(&["resume"]).ends(0, &["contacts goes on"]);
    world.agrees();
}

#[test]
fn a_check_that_no_system_has_is_refused() {
    let world = World::contacts(1);
    world.run(&["doctor", "--check", "nope"]).ends(2, &["no check is called `nope`", "marks"]);
    world.run(&["doctor", "--fix", "--yes"]).ends(0, &["class B: marked", "0 failed"]);
    world.run(&["doctor"]).ends(0, &["will be made by the first run", "GiB free"]);
    world.edit("version: 1", "version: 1\nhub: {path: away/hub.db}");
    world.run(&["doctor"]).ends(3, &["\u{2717} hub", "away/hub.db"]);
}

#[test]
fn a_retry_of_a_number_that_is_no_entry_is_refused() {
    let world = World::in_step(1);
    world.run(&["retry", "7"]).ends(2, &["usage.unknown_number", "syncline quarantine list"]);
}

#[test]
fn what_the_command_line_does_not_know_has_a_code() {
    World::empty()
        .run(&["run", "--nope"])
        .ends(2, &["error[usage.arguments]: unexpected argument"]);
}

#[test]
fn status_tells_how_long_changes_took() {
    let world = World::in_step(1);
    let status = world.run(&["status", "--json"]).ends(0, &[]);
    let status: serde_json::Value = serde_json::from_str(&status.stdout).unwrap();
    assert!(status["result"]["entities"][0]["p95_delay_ms"].is_u64(), "{status}");
    world.run(&["status"]).ends(0, &["P95 DELAY"]);
}

#[test]
fn a_write_that_is_refused_again_keeps_its_number_and_counts_its_tries() {
    let world = World::contacts(2);
    world.sql(
        "erp",
        "create trigger t before insert on CUSTOMER begin select raise(abort, 'not now'); end",
    );
    world.run(&["run", "--yes"]).ends(4, &["2 set aside"]);
    world.run(&["retry", "2"]).ends(4, &["1 retried, 0 done, 1 still set aside: 2"]);
    world.run(&["retry", "2"]).ends(4, &["1 retried, 0 done, 1 still set aside: 2"]);
    let shown = world.run(&["quarantine", "show", "2", "--json"]).ends(0, &[]).json();
    assert_eq!(shown["result"]["tries"], 3, "{shown}");
    world.sql("erp", "drop trigger t");
    world.run(&["retry", "1", "2"]).ends(0, &["2 retried, 2 done, 0 still set aside"]);
    world.agrees();
}

#[test]
fn a_deleted_record_explains_who_deleted_it() {
    let world = World::in_step(2);
    world.sql("erp", "delete from CUSTOMER where NO = 1");
    world.run(&["run"]).ends(0, &[]);
    world
        .run(&["explain", "contacts/email=c1@example.com", "name"])
        .ends(0, &["(deleted; its last values)", "deleted in erp:1", "created from crm:1"]);
}

#[test]
fn what_waits_is_counted_by_cause_and_left_alone_at_once() {
    let world = World::in_step(3);
    world.sql("crm", "update contacts set status = 'strange' where id < 3");
    world.run(&["run"]).ends(4, &["2 set aside"]);

    let shown = world.run(&["quarantine", "list", "--causes"]).ends(0, &["map.unknown_value"]);
    let line = shown.said();
    assert!(line.contains("2  contacts  map.unknown_value  crm ->"), "{line}");
    assert!(line.contains("syncline quarantine drop --code map.unknown_value"), "{line}");
    let code = ["quarantine", "drop", "--code", "map.unknown_value"];
    world.run(&code).ends(2, &["--reason"]);
    let reason = [&code[..], &["--reason", "typed by a script"]].concat();
    let preview = [&reason[..], &["--dry-run"]].concat();
    world.run(&preview).ends(0, &["2 entries would be left alone", "Nothing was decided"]);
    world.run(&["status"]).ends(0, &["2 quarantined"]);
    world.run(&reason).ends(0, &["2 entries are left alone"]);
    world.run(&["quarantine", "list"]).ends(0, &["nothing is held back"]);
    world.run(&["audit"]).ends(0, &["quarantine.drop", "typed by a script"]);
}

#[test]
fn conflicts_are_counted_by_cause() {
    let world = World::in_step(2);
    world.sql("crm", "update contacts set status = 'customer'");
    world.sql("erp", "update CUSTOMER set STAT = null");
    world.run(&["run"]).ends(4, &["2 set aside"]);
    let shown = world.run(&["conflicts", "list", "--causes"]).ends(0, &["crm, erp"]).said();
    assert!(shown.contains("2  contacts  status  crm, erp"), "{shown}");
    assert!(shown.contains("entity=contacts field=status"), "{shown}");
}

#[test]
fn what_was_decided_lately_is_decided_once_more_by_another_file() {
    let world = World::in_step(3);
    world.sql("crm", "update contacts set name = 'From CRM' where id = 1");
    world.sql("erp", "update CUSTOMER set CNAME = 'From ERP' where EMAIL = 'c1@example.com'");
    world.sql("erp", "update CUSTOMER set CNAME = 'Other' where EMAIL = 'c2@example.com'");
    world.run(&["run"]).ends(0, &[]);
    assert_eq!(world.value("crm", "select name from contacts where id = 1"), "From CRM");

    let same = ["plan", "--replay", "7"];
    world.run(&same).ends(0, &["no record would have ended differently in 7 days"]);
    world.edit("name: {crm: name, erp: CNAME}", "name: {crm: name, erp: CNAME, from: crm}");
    let owned = world.run(&same).ends(0, &["1 record would have ended differently"]).said();
    assert!(owned.contains("\"Other\" -> \"Name 2\"   the field is owned by other"), "{owned}");
    world
        .edit("erp: CNAME, from: crm}", "erp: CNAME, conflicts: {policy: priority, order: [erp]}}");
    let won = world.run(&same).ends(0, &["1 record would have ended differently"]).said();
    assert!(won.contains("\"From CRM\" -> \"From ERP\"   priority"), "{won}");
    world.edit("conflicts: {policy: priority, order: [erp]}}", "conflicts: manual}");
    let code = [&same[..], &["--exit-code"]].concat();
    world.run(&code).ends(10, &["\"From CRM\" -> waits for a person   manual"]);
    world.run(&["plan", "--replay", "0"]).ends(2, &[]);
}
