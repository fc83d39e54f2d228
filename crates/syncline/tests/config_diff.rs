//! `syncline config diff`: the file against what was approved.

use crate::world::World;

#[test]
fn a_file_that_was_approved_as_it_is_has_no_differences() {
    let world = World::in_step(3);
    world.run(&["config", "diff"]).ends(0, &["says what was approved", "1 entity is the same"]);
    // Another way to write the same thing is none, and remarks are none.
    world.edit("crm: email, erp: EMAIL", "crm: {column: email}, erp: EMAIL"); // still the e-mail
    world.run(&["config", "diff"]).ends(0, &["says what was approved"]);
}

#[test]
fn a_changed_scope_says_how_many_records_would_leave() {
    let world = World::in_step(8);
    world.edit(
        "    match: email\n",
        "    when: \"name != 'Name 3' && name != 'Name 5'\"\n    match: email\n",
    );
    world.run(&["config", "diff"]).ends(
        10,
        &[
            "contacts.when added: 2 of 8 records would leave the scope -> syncline plan contacts",
            "is   name != 'Name 3' && name != 'Name 5'",
            "1 difference, 1 needs a plan before the next write",
        ],
    );
    world.run(&["run"]).ends(5, &["guard.config_changed"]);
    world.run(&["plan", "--out", "p.plan"]).ends(0, &[]);
    world.run(&["apply", "p.plan", "--yes"]).ends(0, &[]);
    world.run(&["config", "diff"]).ends(0, &["says what was approved"]);
    world.edit("    when: \"name != 'Name 3' && name != 'Name 5'\"\n", "");
    world.run(&["config", "diff"]).ends(10, &["contacts.when removed"]);
}

#[test]
fn cells_policies_and_defaults_are_told_apart() {
    let world = World::in_step(4);
    world.edit("lead: \"0\"", "lead: \"7\"");
    world.edit("conflicts: manual", "conflicts: priority");
    world.edit("entities:", "defaults: {deletes: hold}\nentities:");
    let done = world.run(&["--json", "config", "diff"]).ends(10, &[]).json();
    let all = done["result"]["differences"].as_array().unwrap();
    let of = |path: &str| {
        all.iter().find(|it| it["path"] == path).unwrap_or_else(|| panic!("{path} in {all:#?}"))
    };
    let cell = of("contacts.fields.status.erp.values.lead");
    assert_eq!(
        (&cell["was"], &cell["is"], &cell["needs_plan"]),
        (&"0".into(), &"7".into(), &true.into())
    );
    assert!(
        cell["follows"].as_str().unwrap().starts_with("4 of 4 records hold a value of it"),
        "{cell}"
    );
    assert_eq!(of("contacts.fields.status.conflicts")["needs_plan"], false);
    assert_eq!(of("defaults.deletes")["is"], "hold");
    assert_eq!(all.len(), 3, "{all:#?}");
}

#[test]
fn policies_are_in_force_from_the_next_run_and_no_difference_after_it() {
    let world = World::in_step(2);
    world.edit("conflicts: manual", "conflicts: priority");
    world.run(&["config", "diff"]).ends(10, &["in force from the next run", "0 need a plan"]);
    world.run(&["run"]).ends(0, &[]);
    world.run(&["config", "diff"]).ends(0, &[]);
}

#[test]
fn entities_that_come_and_go_are_named() {
    let world = World::in_step(2);
    world.edit("  contacts:\n", "  people:\n");
    world.run(&["config", "diff"]).ends(
        10,
        &[
            "people is new: it was never approved -> syncline plan people",
            "contacts removed: it is no longer in the file",
        ],
    );
}

#[test]
fn of_a_hub_of_an_earlier_version_only_the_fact_is_known() {
    let world = World::in_step(2);
    world.sql("syncline.hub", "delete from note where name like 'approved%'");
    world.run(&["config", "diff"]).ends(0, &[]);
    world.edit("crm: name, erp: CNAME", "crm: name, erp: {column: CNAME, case: upper}");
    world
        .run(&["config", "diff"])
        .ends(10, &["contacts changed", "an earlier version did not note what that was"]);
    // A run under what was approved notes it.
    world.edit("erp: {column: CNAME, case: upper}", "erp: CNAME");
    world.run(&["run"]).ends(0, &[]);
    world.edit("crm: name, erp: CNAME", "crm: name, erp: {column: CNAME, case: upper}");
    world
        .run(&["config", "diff"])
        .ends(10, &["contacts.fields.name.erp changed", "2 of 2 records hold a value of it"]);
}

#[test]
fn without_a_hub_there_is_nothing_to_compare_with() {
    World::contacts(1).run(&["config", "diff"]).ends(3, &["hub.missing"]);
}
