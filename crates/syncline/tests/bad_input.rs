//! What goes wrong for people: each time a coded message with its cause and the next command, the
//! right number at the end, and nothing lost: once it is mended, the next run completes.

use std::{fs, io::Write as _};

use crate::world::{World, finished};

#[test]
fn a_wrong_file_is_told_all_its_mistakes_at_once() {
    let world = World::contacts(1);
    world.edit("match: email", "mtach: email");
    world.edit("conflicts: manual", "conflits: manual");
    let done = world.run(&["run"]).ends(
        2,
        &[
            "error[config.unknown_key]: unknown key `mtach`",
            "did you mean `match`?",
            "did you mean `conflicts`?",
            "syncline.yaml:8:5",
            "2 errors. Nothing was done. syncline help config.unknown_key",
        ],
    );
    assert_eq!(done.stdout, "");
    world.file("syncline.yaml", crate::world::CONTACTS);
    world.run(&["run", "--yes"]).ends(0, &[]);
    world.agrees();
}

#[test]
fn a_misspelt_key_is_complained_about_once_and_its_value_is_read() {
    let world = World::contacts(1);
    world.edit(
        "column: STAT, values: {lead: \"0\", customer",
        "col: STAT, values: {lead: \"0\", customr",
    );
    let done = world.run(&["check", "--online"]).ends(
        2,
        &[
            "unknown key `col`",
            "did you mean `column`?",
            "did you mean `customer`?",
            "Not compared with the live schemas: the file comes first.",
        ],
    );
    assert!(!done.said().contains("needs `column`"), "{}", done.said());
    world.run(&["check", "--fix"]).ends(2, &["1 mended."]);
    world.edit("customr", "customer");
    world.run(&["check"]).ends(0, &["is fine"]);
}

#[test]
fn a_database_that_is_not_there_is_named_and_the_rest_waits() {
    let world = World::in_step(3);
    fs::rename(world.path("erp.db"), world.path("away.db")).unwrap();
    world.sql("crm", "update contacts set name = 'New' where id = 1");
    world.run(&["run"]).ends(3, &["error[connect.unreachable]", "erp", "cause:", "fix:"]);
    fs::rename(world.path("away.db"), world.path("erp.db")).unwrap();
    world.agrees();
    assert_eq!(world.value("erp", "select CNAME from CUSTOMER where NO = 1"), "New");
}

#[test]
fn a_missing_table_and_a_missing_column_stand_in_one_complaint() {
    let world = World::contacts(1);
    world.sql("erp", "drop table CUSTOMER");
    world.sql("crm", "alter table contacts rename column name to full_name");
    world
        .run(&["check", "--online"])
        .ends(2, &["schema.missing_table", "CUSTOMER", "schema.missing_column", "contacts"]);
    world.run(&["run", "--yes"]).ends(3, &["error[schema.drift]", "syncline check --online"]);
}

#[test]
fn a_run_names_every_system_that_is_not_as_the_file_says() {
    let world = World::in_step(1);
    world.sql("erp", "drop table CUSTOMER");
    world.sql("crm", "alter table contacts rename column name to full_name");
    let done =
        world.run(&["run"]).ends(3, &["error[schema.drift]: crm:", "also:  [schema.drift] erp:"]);
    assert!(done.stderr.contains("name") && done.stderr.contains("CUSTOMER"), "{}", done.stderr);
}

#[test]
fn a_complaint_about_a_line_as_long_as_a_book_is_short() {
    let world = World::contacts(1);
    let book = "x".repeat(100_000);
    for (from, to) in [
        ("name: {crm: name,", format!("name: {{{book}: name,")),
        ("match: email", format!("match: email\n    {book}: 1")),
        ("crm: name, erp: CNAME", format!("crm: {{column: {book}, valeus: 1}}, erp: CNAME")),
    ] {
        world.file("syncline.yaml", &crate::world::CONTACTS.replacen(from, &to, 1));
        for format in [&["check"][..], &["check", "--json"]] {
            let done = world.run(format).ends(2, &["config."]);
            assert!(done.said().len() < 4_000, "{} bytes", done.said().len());
        }
    }
}

#[test]
fn a_value_outside_the_map_waits_and_its_neighbours_go_on() {
    let world = World::contacts(3);
    world.sql("erp", "insert into CUSTOMER values (7, 'c2@example.com', 'Name 2', '5')");
    world.run(&["run", "--yes"]).ends(4, &["1 set aside"]);
    let queue = world.run(&["quarantine", "list"]).ends(0, &["map.unknown_value", "erp:7"]);
    assert!(!queue.said().contains("Name 2"), "values of other fields are not shown");
    assert_eq!(world.value("erp", "select count(*) from CUSTOMER"), "3");
    assert_eq!(world.value("erp", "select STAT from CUSTOMER where NO = 7"), "5");
    // It waits already; only what a run itself sets aside counts for how that run ends.
    world.run(&["run"]).ends(0, &["nothing changed"]);
    world.sql("erp", "update CUSTOMER set STAT = '6' where NO = 7");
    world.run(&["run", "--allow-partial"]).ends(0, &["1 set aside"]);
    world.sql("erp", "update CUSTOMER set STAT = '0' where NO = 7");
    world.agrees();
    world.run(&["quarantine"]).ends(0, &["nothing is held back"]);
}

#[test]
fn a_doubled_match_key_waits_for_a_person_who_links_it() {
    let world = World::contacts(1);
    for number in [4, 5] {
        let values = format!("({number}, 'c1@example.com', 'Name 1', '0')");
        world.sql("erp", &format!("insert into CUSTOMER values {values}"));
    }
    world.run(&["run", "--yes"]).ends(4, &[]);
    world.run(&["quarantine", "list"]).ends(0, &["match.ambiguous", "erp:4", "erp:5"]);
    assert_eq!(world.value("erp", "select count(*) from CUSTOMER"), "2", "no third one is made");
    world.run(&["quarantine", "edit", "2", "--link", "crm:77"]).ends(2, &["address.unknown"]);
    // Row 4 is a mistake in the ERP: it goes, and row 5 is the contact.
    world.sql("erp", "delete from CUSTOMER where NO = 4");
    world.run(&["quarantine", "edit", "2", "--link", "crm:1"]).ends(0, &[]);
    world.agrees();
    assert_eq!(world.value("crm", "select count(*) from contacts"), "1");
    assert_eq!(world.value("erp", "select group_concat(NO) from CUSTOMER"), "5");
}

#[test]
fn a_full_disk_stops_the_run_and_loses_nothing() {
    let world = World::contacts(4_000);
    let binary = env!("CARGO_BIN_EXE_syncline");
    let limited = |blocks: u64| {
        // Files cannot grow past the limit; the signal that would kill is ignored, as on a full disk.
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec {binary} run --yes");
        let mut shell = std::process::Command::new("sh");
        finished(shell.args(["-c", &script]).current_dir(world.path("")).env("NO_COLOR", "1"))
    };
    limited(900).ends(3, &["error[hub.disk_full]", "fix:"]);
    world.run(&["run", "--yes"]).ends(0, &[]);
    world.agrees();
    assert_eq!(world.value("erp", "select count(*) from CUSTOMER"), "4000");
}

#[test]
fn a_locked_hub_is_in_use() {
    let world = World::in_step(1);
    let hub = world.open("syncline.hub");
    hub.execute_batch("begin exclusive").unwrap();
    world.run(&["run"]).ends(3, &["error[hub.in_use]", "fix:"]);
    drop(hub);
    world.agrees();
}

#[test]
fn a_second_process_is_told_who_has_the_hub() {
    let world = World::in_step(1);
    // As a run of another process holds it.
    let mut lock = fs::File::create(world.path("syncline.hub.db.lock")).unwrap();
    lock.lock().unwrap();
    let holder = format!("process {}", std::process::id());
    writeln!(lock, "{holder}, since 08:00").unwrap();
    for writes in [&["run"][..], &["plan"], &["pause"], &["retry", "--all"]] {
        world.run(writes).ends(3, &["error[hub.in_use]", &holder, "fix:"]);
    }
    for looks in ["status", "history", "conflicts", "guards", "verify", "doctor"] {
        world.run(&[looks]).ends(0, &[]);
    }
    drop(lock);
    world.agrees();
}

#[test]
fn a_hub_of_another_version_is_left_alone() {
    let world = World::in_step(1);
    let version = world.value("syncline.hub", "pragma user_version");
    world.sql("syncline.hub", "pragma user_version = 99");
    world.run(&["run"]).ends(3, &["error[hub.version]", "version 99", "fix:"]);
    world.sql("syncline.hub", &format!("pragma user_version = {version}"));
    world.agrees();
}

#[test]
fn a_damaged_hub_is_recognised_and_a_copy_goes_on() {
    let world = World::in_step(50);
    let (hub, log) = (world.path("syncline.hub.db"), world.path("syncline.hub.db-wal"));
    world.sql("syncline.hub", "pragma wal_checkpoint(truncate)");
    let good = fs::read(&hub).unwrap();
    let mut bad = good.clone();
    bad.iter_mut().skip(100).step_by(7).for_each(|byte| *byte ^= 0x5a);
    fs::write(&hub, bad).unwrap();
    world.run(&["run"]).ends(3, &["error[hub.damaged]", "fix:"]);
    let _ = fs::remove_file(log);
    fs::write(&hub, good).unwrap();
    world.agrees();
}

#[test]
fn a_stale_plan_applies_nothing() {
    let world = World::contacts(5);
    world.run(&["plan", "--out", "p.plan"]).ends(0, &["Next: syncline apply p.plan"]);
    world.sql("crm", "update contacts set name = name || '!'");
    world.run(&["apply", "p.plan"]).ends(5, &["error[run.unapproved]", "--yes"]);
    world.run(&["apply", "p.plan", "--yes"]).ends(5, &["error[plan.stale]", "5 of 5", "fix:"]);
    assert_eq!(world.value("erp", "select count(*) from CUSTOMER"), "0");
    world.run(&["plan", "--out", "p.plan"]).ends(0, &[]);
    world.run(&["apply", "p.plan", "--yes"]).ends(0, &[]);
    world.agrees();
}

#[test]
fn a_plan_that_is_none_is_refused_whole() {
    let world = World::contacts(1);
    world.file("p.plan", "hello\n");
    world.run(&["apply", "p.plan", "--yes"]).ends(1, &["error[plan.file]", "syncline plan --out"]);
    world.run(&["apply", "none.plan", "--yes"]).ends(1, &["error[plan.file]", "none.plan"]);
}

#[test]
fn a_first_run_asks_and_without_a_terminal_needs_yes() {
    let world = World::contacts(2);
    let done = world.run(&["run"]).ends(5, &["error[guard.first_run]", "syncline run --yes"]);
    assert!(done.stderr.contains("never been synchronised"), "the plan is shown: {}", done.stderr);
    assert_eq!(world.value("erp", "select count(*) from CUSTOMER"), "0");
    world.run(&["run", "--yes"]).ends(0, &["erp 2"]);
    world.agrees();
}

#[test]
fn a_changed_meaning_is_shown_before_it_acts() {
    let world = World::in_step(3);
    world.edit("    match: email", "    when: \"name != 'Name 2'\"\n    match: email");
    world.run(&["run"]).ends(5, &["error[guard.config_changed]", "syncline plan contacts"]);
    world.run(&["plan", "--out", "p.plan"]).ends(0, &[]);
    world.run(&["apply", "p.plan", "--yes"]).ends(0, &[]);
    world.run(&["run"]).ends(0, &[]);
}

#[test]
fn an_empty_source_is_a_failure_and_not_deletes() {
    let world = World::in_step(12);
    world.sql("erp", "create table kept as select * from CUSTOMER; delete from CUSTOMER");
    world.run(&["run"]).ends(5, &["error[guard.empty_source]", "showed 0 rows", "guards show 1"]);
    assert_eq!(world.value("crm", "select count(*) from contacts"), "12");
    world.run(&["guards"]).ends(0, &["guard.empty_source"]);
    world.run(&["guards", "dismiss", "1"]).ends(0, &["dismissed"]);
    world.sql("erp", "insert into CUSTOMER select * from kept");
    world.agrees();
}

#[test]
fn a_mass_delete_waits_until_exactly_it_is_approved() {
    let world = World::in_step(100);
    world.sql("erp", "delete from CUSTOMER where NO <= 60");
    world.run(&["run"]).ends(5, &["error[guard.mass_delete]", "60 of 100", "guards show 1"]);
    assert_eq!(world.value("crm", "select count(*) from contacts"), "100");
    world.run(&["guards", "apply", "1"]).ends(5, &["run.unapproved"]);
    world.run(&["guards", "apply", "1", "--yes"]).ends(0, &[]);
    assert_eq!(world.value("crm", "select count(*) from contacts"), "40");
    world.agrees();
}

#[test]
fn an_unresolved_secret_names_the_variable() {
    let world = World::contacts(1);
    let url = "url: \"postgres://sync@127.0.0.1:1/crm\", password: env:SYNCLINE_TEST_UNSET";
    world.edit("url: \"sqlite:crm.db\"", url);
    world.run(&["run", "--yes"]).ends(
        3,
        &["error[secret.unresolved]", "systems.crm.password", "SYNCLINE_TEST_UNSET", "fix:"],
    );
}

#[test]
fn a_password_in_the_file_is_warned_of_and_never_said() {
    let world = World::contacts(1);
    let url = "url: \"postgres://sync@127.0.0.1:1/crm\", password: \"hunter2-secret\"";
    world.edit("url: \"sqlite:crm.db\"", url);
    world.run(&["check"]).ends(0, &["warning[secret.literal]", "env:"]);
    let commands: [&[&str]; 8] = [
        &["check"],
        &["check", "--format", "json"],
        &["check", "--format", "sarif"],
        &["check", "--online", "-vv"],
        &["doctor", "-vv"],
        &["run", "--yes", "-vv"],
        &["--json", "plan", "-vv"],
        &["config", "show"],
    ];
    for command in commands {
        let done = world.run(command);
        assert!(!done.said().contains("hunter2"), "{command:?} says it: {}", done.said());
    }
}

#[test]
fn a_paused_entity_that_is_named_is_refused() {
    let world = World::in_step(1);
    world.run(&["pause", "contacts"]).ends(0, &["contacts"]);
    world.run(&["run", "contacts"]).ends(5, &["error[run.paused]", "syncline resume contacts"]);
    world.run(&["run"]).ends(0, &[]);
    world.run(&["resume", "contacts"]).ends(0, &["contacts"]);
    world.agrees();
}

#[test]
fn an_unknown_name_is_answered_with_those_that_exist() {
    let world = World::in_step(1);
    world.run(&["run", "kontacts"]).ends(2, &["usage.unknown_entity", "contacts"]);
    world.run(&["doctor", "crn"]).ends(2, &["usage.unknown_system", "crm, erp"]);
    world.run(&["status", "nobody"]).ends(2, &["usage.unknown_entity"]);
    world.run(&["explain", "contacts/crm:99"]).ends(2, &["address.unknown", "syncline refresh"]);
    world.run(&["conflicts", "show", "9"]).ends(2, &["usage.unknown_number", "conflicts list"]);
    world.run(&["help", "guard.mas_delete"]).ends(2, &["usage.unknown_topic", "guard.mass_delete"]);
}

#[test]
fn an_old_entry_that_is_tried_again_unchanged_is_not_set_aside_by_this_run() {
    let world = World::in_step(2);
    world.sql("crm", "update contacts set status = 'strange' where id = 1");
    world.run(&["run"]).ends(4, &["1 set aside"]);
    world.run(&["run"]).ends(0, &[]);
    world.run(&["status"]).ends(0, &["1 thing needs you: syncline quarantine show"]);
    world.sql("crm", "update contacts set status = 'stranger' where id = 1");
    world.run(&["run"]).ends(4, &["1 set aside"]);
    world.run(&["retry", "--all"]).ends(4, &[]);
}

#[test]
fn the_status_before_the_first_run_is_no_failure() {
    let world = World::contacts(1);
    world.run(&["status"]).ends(0, &["Never run. Next: syncline plan", "contacts"]);
    world.run(&["status", "nothing"]).ends(2, &["error[usage.unknown_entity]"]);
    assert!(!world.path("data").exists(), "a look makes nothing");
}

#[test]
fn a_plan_says_what_would_surprise_and_what_lets_it_through() {
    let world = World::contacts(60);
    world.sql("crm", "update contacts set name = null where id = 60");
    world.open("erp").execute_batch(&format!(
        "attach '{}' as crm; insert into CUSTOMER (EMAIL, STAT) select email, '0' from crm.contacts",
        world.path("crm.db").display()
    )).unwrap();
    let plan = world.run(&["plan", "--out", "first.plan"]).ends(
        0,
        &[
            "conflict  invalid  review  out of scope",
            "Read this first",
            "! erp.CNAME: 59 of the 59 updates fill an empty cell. To leave erp alone: fields.name.to: [crm]",
            "deletes 0 of 50 ✓    updates 59 (98 %) of erp, limit 50 and 20 % ✗  -> needs --allow updates",
            "Next: syncline apply first.plan --allow updates",
        ],
    );
    assert!(plan.stdout.contains("contacts: read crm 60, erp 60 rows"), "{}", plan.stdout);
}

#[test]
fn a_decision_that_no_field_can_hold_is_refused() {
    let world = World::in_step(1);
    world.sql("crm", "update contacts set status = 'strange'");
    world.run(&["run"]).ends(4, &["1 set aside"]);
    let edit = |value: &str| world.run(&["quarantine", "edit", "1", "--set", value]);
    edit("status=nonsense").ends(2, &["error[usage.value]", "one of lead, customer"]);
    edit("stauts=lead").ends(2, &["error[usage.edit]", "email, name, status"]);
}
