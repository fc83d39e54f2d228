//! Scenarios, as people would tell them. Letters with numbers are those of docs/scenarios.md.

use crate::{
    change::{Command, Cycles, PartKey, Take},
    commit::{AuditKind, Disposition},
    name::{FieldIndex, SystemIndex},
    plan::{DeleteConflict, Policy},
};

mod again;
mod chance;
mod drift;
mod forgotten;
mod found;
mod limits;
mod loops;
mod needs;
mod references;
mod rivals;
mod rollbacks;
mod rules;
mod scenarios;
mod unreadable;
mod veil;
mod world;
mod writes;

use world::World;

const A: SystemIndex = SystemIndex(0);
const B: SystemIndex = SystemIndex(1);
const EMAIL: FieldIndex = FieldIndex(1);
const PHONE: FieldIndex = FieldIndex(2);

/// One contact in three systems, in step.
fn contact() -> World {
    contact_in(World::new(3))
}

fn contact_in(mut world: World) -> World {
    world.insert("A", "a1", "name=N0 email=E0 phone=P0 status=S0");
    world.run();
    world.reset_counts();
    world
}

/// The key of the only row of a system.
fn only(world: &World, system: &str) -> String {
    let keys = world.keys(system);
    assert_eq!(keys.len(), 1, "{system} has one row");
    keys[0].to_string()
}

fn edit(world: &mut World, system: &str, values: &str) {
    let key = only(world, system);
    world.set(system, &key, values);
}

/// Runs and compares the one row of every system.
#[track_caller]
fn check(world: &mut World, expected: &str) {
    world.run();
    for system in ["A", "B", "C"] {
        let shown = world.show(system);
        let row = shown.split_once(": ").map_or("", |(_, row)| row);
        assert_eq!(row, expected, "in {system}");
    }
}

#[test]
fn a_created_row_appears_once_everywhere() {
    // P1
    let mut world = World::new(3);
    world.insert("A", "a1", "name=N0 email=E0 phone=P0 status=S0");
    check(&mut world, "N0 E0 P0 S0");
    assert_eq!([world.written("A"), world.written("B"), world.written("C")], [0, 1, 1]);
    assert_eq!(world.group().root.links.len(), 3);
}

#[test]
fn an_edit_is_relayed_across_the_hub() {
    // P3
    let mut world = contact();
    edit(&mut world, "C", "phone=P1");
    check(&mut world, "N0 E0 P1 S0");
    assert_eq!([world.written("A"), world.written("B"), world.written("C")], [1, 1, 0]);
}

#[test]
fn a_deleted_row_goes_everywhere_and_is_remembered() {
    // P4
    let mut world = contact();
    world.delete("A", "a1");
    world.run();
    assert_eq!([world.show("A"), world.show("B"), world.show("C")], ["", "", ""]);
    assert_eq!([world.written("B"), world.written("C")], [1, 1]);
    assert!(!world.group().root.exists.alive);
}

#[test]
fn a_row_rewritten_with_the_same_values_is_no_change() {
    // P5, P6
    let mut world = contact();
    world.later(1);
    edit(&mut world, "A", "phone=P1");
    edit(&mut world, "A", "phone=P0");
    check(&mut world, "N0 E0 P0 S0");
    assert_eq!(world.written("B") + world.written("C"), 0);
    assert_eq!(world.count(Disposition::Applied), 0);
}

#[test]
fn several_edits_in_one_window_are_one_write() {
    // P7
    let mut world = contact();
    for phone in ["phone=P1", "phone=P2", "phone=P3"] {
        edit(&mut world, "A", phone);
    }
    check(&mut world, "N0 E0 P3 S0");
    assert_eq!([world.written("B"), world.written("C")], [1, 1]);
}

#[test]
fn several_changes_that_one_read_stands_for_are_all_on_the_books() {
    // P6, P7, O1
    let fates = [Disposition::Applied, Disposition::NoOp, Disposition::Superseded];
    let cases = [
        ("one", &["phone=P1"][..], [1, 0, 0]),
        ("three", &["phone=P1", "phone=P2", "phone=P3"], [1, 0, 2]),
        ("there and back", &["phone=P1", "phone=P0"], [0, 0, 2]),
        ("nothing", &["phone=P0"], [0, 1, 0]),
    ];
    for (name, edits, expected) in cases {
        let mut world = contact();
        for edit in edits {
            world.set("A", "a1", edit);
        }
        world.hear_of("A", "a1", edits.len() as u32);
        assert_eq!(fates.map(|fate| world.count(fate)), expected, "{name}");
        world.check_conservation();
        world.run();
        assert_eq!(world.written("B"), u64::from(expected[0] == 1), "{name}");
    }
}

#[test]
fn a_row_that_is_told_of_while_our_write_is_on_its_way_keeps_the_books() {
    // O1
    let mut world = contact();
    world.set("B", &only(&world.clone(), "B"), "phone=P1");
    world.poll("B");
    let sent = world.plan_writes("A", crate::change::Cycles::Wait);
    assert!(!sent.is_empty());
    world.set("A", "a1", "email=E9");
    world.hear_of("A", "a1", 4);
    world.check_conservation();
    assert_eq!(world.count(Disposition::Superseded), 3);
    assert_eq!(world.count(Disposition::Held), 1);
}

#[test]
fn an_edit_where_the_system_only_receives_is_reverted_or_left() {
    // P9
    use crate::plan::OnTargetEdit::{Ignore, Revert};
    for (policy, expected) in [(Revert, "b: N0 E0 P0 S0"), (Ignore, "b: N0 E0 P2 S0")] {
        let world = World::new(2).with(|plan| {
            plan.bindings[1].reads = false;
            plan.entities[0].on_target_edit = policy;
        });
        let mut world = contact_in(world);
        edit(&mut world, "B", "phone=P2");
        world.run();
        assert_eq!(world.show("A"), "a1: N0 E0 P0 S0");
        let shown = world.show("B");
        assert_eq!(shown.split_once(": ").unwrap().1, expected.split_once(": ").unwrap().1);
        assert!(world.kinds().contains(&AuditKind::Rejected));
    }
}

fn active_only(world: World) -> World {
    world.with(|plan| {
        plan.entities[0].when =
            Some(crate::expr::Expr::parse("status == 'active'").expect("an expression"));
    })
}

#[test]
fn a_record_out_of_scope_is_created_elsewhere_once_it_enters() {
    // P10
    let mut world = active_only(World::new(3));
    world.insert("A", "a1", "name=N0 email=E0 phone=P0 status=inactive");
    world.run();
    assert_eq!([world.show("B"), world.show("C")], ["", ""]);
    world.set("A", "a1", "status=active");
    check(&mut world, "N0 E0 P0 active");
    assert_eq!([world.written("A"), world.written("B"), world.written("C")], [0, 1, 1]);
}

#[test]
fn edits_of_different_fields_both_survive() {
    // M1
    let mut world = contact();
    edit(&mut world, "A", "phone=P1");
    edit(&mut world, "B", "email=E1");
    check(&mut world, "N0 E1 P1 S0");
    assert_eq!(world.conflicts.len(), 0);
    assert_eq!([world.written("A"), world.written("B"), world.written("C")], [1, 1, 1]);
}

#[test]
fn the_system_that_stands_first_wins_and_the_loser_is_kept() {
    // M2
    let mut world = contact();
    edit(&mut world, "A", "phone=P1");
    edit(&mut world, "B", "phone=P2");
    check(&mut world, "N0 E0 P1 S0");
    assert_eq!(world.losers(), ["B P2"]);
    assert_eq!([world.written("A"), world.written("B"), world.written("C")], [0, 1, 1]);
}

#[test]
fn the_same_edit_on_both_sides_is_no_conflict() {
    // M3
    let mut world = contact();
    edit(&mut world, "A", "phone=P1");
    edit(&mut world, "B", "phone=P1");
    check(&mut world, "N0 E0 P1 S0");
    assert_eq!(world.conflicts.len(), 0);
    assert_eq!([world.written("A"), world.written("B"), world.written("C")], [0, 0, 1]);
}

/// Edits of systems, seen one after the other in every order and in one or many polls.
#[track_caller]
fn in_any_order(world: &World, edits: &[(&str, &str)], expected: &str, losers: &[&str]) {
    for order in orders(edits.len()) {
        let mut world = world.clone();
        for (system, values) in edits {
            let key = only(&world, system);
            if *values == "delete" {
                world.delete(system, &key);
            } else {
                world.set(system, &key, values);
            }
        }
        for at in &order {
            world.scan(edits[*at].0);
        }
        world.run();
        for system in ["A", "B", "C"] {
            let shown = world.show(system);
            let row = shown.split_once(": ").map_or("", |(_, row)| row);
            assert_eq!(row, expected, "in {system}, order {order:?} of {edits:?}");
        }
        assert_eq!(world.losers(), losers, "order {order:?} of {edits:?}");
        assert!(world.conflicts.len() <= 1, "one entry: {:?}", world.conflicts);
    }
}

fn orders(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for shorter in orders(count - 1) {
        for at in 0..count {
            let mut order = shorter.clone();
            order.insert(at, count - 1);
            all.push(order);
        }
    }
    all
}

#[test]
fn conflicts_end_the_same_in_every_order() {
    // M2, M4, M5, M20, O6
    let world = contact();
    in_any_order(&world, &[("A", "phone=P1"), ("B", "phone=P2")], "N0 E0 P1 S0", &["B P2"]);
    in_any_order(
        &world,
        &[("A", "phone=P1"), ("B", "phone=P2"), ("C", "phone=P3")],
        "N0 E0 P1 S0",
        &["B P2", "C P3"],
    );
    in_any_order(&world, &[("B", "phone=P2"), ("C", "phone=P3")], "N0 E0 P2 S0", &["C P3"]);
}

fn newest() -> World {
    contact_in(World::new(3).with(|plan| {
        for field in &mut plan.entities[0].fields {
            field.policy = Policy::Newest;
        }
    }))
}

#[test]
fn the_newest_wins_in_every_order() {
    // M6, M7
    for order in orders(2) {
        let mut world = newest();
        world.later(10);
        edit(&mut world, "A", "phone=PA");
        world.later(1);
        edit(&mut world, "B", "phone=PB");
        for at in order {
            world.scan(["A", "B"][at]);
        }
        check(&mut world, "N0 E0 PB S0");
        assert_eq!(world.losers(), ["A PA"]);
    }
    for order in orders(2) {
        let mut world = newest();
        edit(&mut world, "A", "phone=PA");
        edit(&mut world, "B", "phone=PB");
        for at in order {
            world.scan(["A", "B"][at]);
        }
        check(&mut world, "N0 E0 PA S0");
    }
}

#[test]
fn a_clock_far_ahead_decides_nothing() {
    // M8
    for order in orders(2) {
        let mut world = newest();
        world.later(10);
        edit(&mut world, "A", "phone=PA");
        world.later(60);
        edit(&mut world, "B", "phone=PB");
        world.later(-60);
        for at in order {
            world.scan(["A", "B"][at]);
        }
        check(&mut world, "N0 E0 PA S0");
        assert_eq!(world.losers(), ["B PB"]);
    }
}

#[test]
fn a_field_with_an_owner_takes_no_edits_elsewhere() {
    // M9
    let world = World::new(3).with(|plan| plan.entities[0].fields[2].from = Some(vec![B]));
    let mut world = contact_in(world);
    // The owner had not spoken when the row was created.
    edit(&mut world, "B", "phone=P0");
    world.run();
    world.reset_counts();
    edit(&mut world, "A", "phone=P1");
    check(&mut world, "N0 E0 P0 S0");
    assert_eq!(world.written("A"), 1);
    let why = world.audit.iter().find(|event| event.kind == AuditKind::Rejected).unwrap();
    assert_eq!(why.note, "the field is owned by other systems");
}

/// A stock whose changes in so many systems add up.
fn counter_in(systems: usize, class: crate::plan::Class) -> World {
    use crate::plan::BelowMin;
    let stock = world::entity("stock", &["sku", "count"], 0);
    World::of(systems, vec![stock]).class(class).with(|plan| {
        plan.entities[0].fields[1].policy = Policy::Add { min: None, below_min: BelowMin::Manual };
    })
}

fn counter(class: crate::plan::Class) -> World {
    let mut world = counter_in(3, class);
    world.insert("A", "a1", "sku=X count=100");
    world.run();
    world.reset_counts();
    world
}

#[test]
fn two_deltas_sum_exactly() {
    // M10, I9
    use crate::plan::Class::{Log, Marked};
    // Also two equal ones: both sold the same number.
    let counts = [("count=90", "count=130", "X 120"), ("count=90", "count=90", "X 80")];
    for (class, (one, other, sum)) in
        [Log, Marked].into_iter().flat_map(|class| counts.map(|count| (class, count)))
    {
        for order in orders(2) {
            let mut world = counter(class);
            edit(&mut world, "A", one);
            edit(&mut world, "B", other);
            for at in order {
                world.scan(["A", "B"][at]);
            }
            check(&mut world, sum);
            assert_eq!(world.losers(), [""; 0]);
        }
    }
}

#[test]
fn a_counter_only_receives_where_writes_cannot_be_told_apart() {
    let mut world = counter(crate::plan::Class::Plain);
    edit(&mut world, "B", "count=130");
    world.run();
    assert!(world.show("B").ends_with("X 130") || world.show("B").ends_with("X 100"));
    assert!(world.kinds().contains(&AuditKind::Rejected) || world.show("A").ends_with("X 100"));
}

#[test]
fn sets_take_additions_and_removals_of_both_sides() {
    // M11
    for order in orders(2) {
        let mut world = World::new(3).with(|plan| {
            plan.entities[0].fields[3].policy = Policy::Merge;
        });
        world.insert("A", "a1", "name=N0 email=E0 phone=P0 status={x+y}");
        world.run();
        edit(&mut world, "A", "status={y}");
        edit(&mut world, "B", "status={x+y+z}");
        for at in order {
            world.scan(["A", "B"][at]);
        }
        check(&mut world, "N0 E0 P0 {y, z}");
    }
}

#[test]
fn a_unit_wins_as_a_whole() {
    // M12
    for order in orders(2) {
        let mut address = world::entity("place", &["id", "street", "zip"], 0);
        address.units = vec![crate::plan::Unit {
            name: "address".into(),
            fields: vec![FieldIndex(1), FieldIndex(2)],
        }];
        address.fields[1].unit = Some(0);
        address.fields[2].unit = Some(0);
        let mut world = World::of(3, vec![address]);
        world.insert("A", "a1", "id=I street=S0 zip=Z0");
        world.run();
        world.reset_counts();
        edit(&mut world, "A", "street=S1");
        edit(&mut world, "B", "zip=Z1");
        for at in &order {
            world.scan(["A", "B"][*at]);
        }
        check(&mut world, "I S1 Z0");
        assert_eq!(world.conflicts.len(), 1, "{order:?}");
        assert_eq!(world.losers(), ["B [S0, Z1]"], "{order:?}");
    }
}

fn manual() -> World {
    contact_in(World::new(3).with(|plan| plan.entities[0].fields[2].policy = Policy::Manual))
}

#[test]
fn a_manual_conflict_holds_its_field_and_nothing_else() {
    // M15, M16
    for order in orders(2) {
        let mut world = manual();
        edit(&mut world, "A", "phone=P1 name=N1");
        edit(&mut world, "B", "phone=P2");
        for at in order {
            world.scan(["A", "B"][at]);
        }
        world.run();
        assert!(world.show("A").ends_with("N1 E0 P1 S0"));
        assert!(world.show("B").ends_with("N1 E0 P2 S0"));
        assert!(world.show("C").ends_with("N1 E0 P0 S0"));
        assert_eq!(world.open.len(), 1);
        edit(&mut world, "A", "phone=P4");
        world.run();
        assert_eq!(world.open.len(), 1, "still one entry");
        let candidates = world.open.values().next().unwrap();
        let values: Vec<String> =
            candidates.iter().map(|candidate| candidate.value.to_string()).collect();
        assert_eq!(values, ["P4", "P2"]);
        let record = world.group().id;
        world.command(Command::Resolve {
            record,
            part: PartKey::Root,
            field: Some(PHONE),
            take: Take::System(B),
            who: "steward".into(),
        });
        check(&mut world, "N1 E0 P2 S0");
        assert!(world.open.is_empty());
    }
}

#[test]
fn a_held_field_can_go_back_to_what_was_agreed() {
    let mut world = manual();
    edit(&mut world, "A", "phone=P1");
    edit(&mut world, "B", "phone=P2");
    world.run();
    let record = world.group().id;
    world.command(Command::Resolve {
        record,
        part: PartKey::Root,
        field: Some(PHONE),
        take: Take::Base,
        who: "steward".into(),
    });
    check(&mut world, "N0 E0 P0 S0");
}

#[test]
fn people_who_settle_it_among_themselves_need_no_answer() {
    let mut world = manual();
    edit(&mut world, "A", "phone=P1");
    edit(&mut world, "B", "phone=P2");
    world.run();
    edit(&mut world, "B", "phone=P1");
    check(&mut world, "N0 E0 P1 S0");
    assert!(world.open.is_empty());
}

#[test]
fn an_edit_between_our_read_and_our_write_is_seen() {
    // M17
    let mut world = contact();
    edit(&mut world, "A", "phone=P1");
    world.scan("A");
    let groups = world.plan_writes("B", Cycles::Wait);
    edit(&mut world, "B", "phone=P5");
    for (system, group) in groups {
        let answers = world.execute(system, &group);
        let effects = world.decide(&answers);
        world.settle(effects);
    }
    check(&mut world, "N0 E0 P1 S0");
    assert_eq!(world.losers(), ["B P5"]);
    assert_eq!(world.conflicts.len(), 1);
}

#[test]
fn a_delete_against_an_edit_follows_the_stronger() {
    // D1, D2, D3, D5
    let world = contact();
    in_any_order(&world, &[("A", "delete"), ("B", "phone=P2")], "", &["B P2"]);
    in_any_order(&world, &[("B", "delete"), ("A", "phone=P1")], "N0 E0 P1 S0", &["B null"]);
    in_any_order(&world, &[("B", "delete"), ("C", "phone=P3")], "", &["C P3"]);
    in_any_order(&world, &[("A", "delete"), ("C", "delete")], "", &[]);
}

#[test]
fn a_delete_against_an_edit_follows_the_file() {
    // D4
    let with = |rule| {
        contact_in(World::new(3).with(|plan| {
            plan.entities[0].delete_conflict = rule;
        }))
    };
    let edits = [("A", "delete"), ("B", "phone=P2")];
    in_any_order(&with(DeleteConflict::UpdateWins), &edits, "N0 E0 P2 S0", &["A null"]);
    in_any_order(&with(DeleteConflict::DeleteWins), &edits, "", &["B P2"]);
    let edits = [("A", "phone=P1"), ("B", "delete")];
    in_any_order(&with(DeleteConflict::DeleteWins), &edits, "", &["A P1"]);
}

#[test]
fn the_newest_of_a_delete_and_an_edit_wins_where_both_tell_when() {
    // D4
    let table = [
        // deleter, its clock, editor, its clock, the row left, the loser
        ("A", Some(5), "B", 9, "N0 E0 P2 S0", "A null"),
        ("A", Some(9), "B", 5, "", "B P2"),
        ("B", Some(5), "A", 9, "N0 E0 P2 S0", "B null"),
        ("B", Some(9), "A", 5, "", "A P2"),
        // At the same time, or at a time that nobody tells or believes: by priority.
        ("A", Some(7), "B", 7, "", "B P2"),
        ("B", Some(7), "A", 7, "N0 E0 P2 S0", "B null"),
        ("A", None, "B", 9, "", "B P2"),
        ("B", None, "A", 5, "N0 E0 P2 S0", "B null"),
        ("A", Some(5), "B", 9_999, "", "B P2"),
        ("B", Some(9_999), "A", 5, "N0 E0 P2 S0", "B null"),
    ];
    for (deleter, deleted, editor, edited, expected, loser) in table {
        for deleter_first in [true, false] {
            let mut world = contact_in(World::new(3).with(|plan| {
                plan.entities[0].delete_conflict = DeleteConflict::Newest;
            }));
            let (gone, kept) = (only(&world, deleter), only(&world, editor));
            for deletes in [deleter_first, !deleter_first] {
                if deletes {
                    world.gone(deleter, &gone, deleted);
                } else {
                    world.set_at(editor, &kept, "phone=P2", edited);
                    world.scan(editor);
                }
            }
            world.run();
            let case = format!("{deleter} {deleted:?}, {editor} {edited}, first: {deleter_first}");
            for system in ["A", "B", "C"] {
                let shown = world.show(system);
                let row = shown.split_once(": ").map_or("", |(_, row)| row);
                assert_eq!(row, expected, "in {system}: {case}");
            }
            assert_eq!(world.losers(), [loser], "{case}");
        }
    }
}

#[test]
fn a_system_that_may_not_delete_gets_its_row_back() {
    // D6
    let world = World::new(3).with(|plan| plan.entities[0].delete_from = Some(vec![A]));
    let mut world = contact_in(world);
    let key = only(&world, "B");
    world.delete("B", &key);
    check(&mut world, "N0 E0 P0 S0");
    assert_eq!([world.written("A"), world.written("B"), world.written("C")], [0, 1, 0]);
    assert!(world.kinds().contains(&AuditKind::DeleteOverridden));
}

#[test]
fn a_row_created_again_under_another_key_keeps_its_record() {
    // D7
    let mut world = contact();
    world.delete("A", "a1");
    world.insert("A", "a2", "name=N0 email=E0 phone=P9 status=S0");
    check(&mut world, "N0 E0 P9 S0");
    assert_eq!(only(&world, "A"), "a2");
    assert_eq!(world.living(), 1);
    assert_eq!([world.written("B"), world.written("C")], [1, 1]);
    assert!(world.kinds().contains(&AuditKind::Rekeyed));
    assert!(!world.kinds().contains(&AuditKind::Deleted));
}

#[test]
fn a_second_row_of_one_system_is_a_duplicate_not_a_link() {
    // I2
    let mut world = contact();
    world.insert("A", "a2", "name=N9 email=E0 phone=P9 status=S0");
    world.run();
    assert_eq!(world.codes(), ["match.ambiguous"]);
    assert_eq!(world.written("B") + world.written("C"), 0);
}

#[test]
fn a_row_that_cannot_be_read_is_neither_written_over_nor_doubled() {
    // S1, I2: whichever system is read first
    let status = |plan: &mut crate::plan::Plan| {
        let spec = crate::lens::CellSpec {
            values: Some(vec![(world::text("S0"), vec![world::text("S0")])]),
            ..Default::default()
        };
        let lens = crate::lens::compile(&crate::lens::FieldType::Any, &spec, None).unwrap();
        plan.bindings[1].cells[3].as_mut().unwrap().lens = lens;
    };
    for first in ["A", "B"] {
        let mut world = World::new(2).with(status);
        for system in if first == "A" { ["A", "B"] } else { ["B", "A"] } {
            let state = if system == "A" { "S0" } else { "?" };
            world.insert(system, "x1", &format!("name=N0 email=E0 phone=P0 status={state}"));
            world.scan(system);
        }
        world.run();
        assert_eq!(world.codes(), ["map.unknown_value"], "{first} first");
        assert_eq!(world.written("A") + world.written("B"), 0, "{first} first");
        world.set("B", "x1", "status=S0");
        world.run();
        assert_eq!(world.codes(), Vec::<&str>::new(), "{first} first");
        assert_eq!((world.keys("B").len(), world.living()), (1, 1), "{first} first");
        edit(&mut world, "A", "phone=P1");
        world.run();
        assert_eq!(world.show("B"), "x1: N0 E0 P1 S0", "{first} first");
    }
}

#[test]
fn a_row_that_matches_several_records_is_set_aside() {
    // I2
    let mut world = World::new(2);
    world.insert("A", "a1", "name=N1 email=E1 phone=P1 status=S0");
    world.insert("A", "a2", "name=N2 email=E2 phone=P2 status=S0");
    world.run();
    world.set("A", "a2", "email=E1");
    world.run();
    world.insert("B", "b9", "name=N9 email=E1 phone=P9 status=S0");
    world.reset_counts();
    world.run();
    assert!(world.codes().contains(&"match.ambiguous"), "{:?}", world.codes());
    assert_eq!(world.written("A"), 0);
}

#[test]
fn an_absence_is_only_believed_when_the_key_is_read() {
    // D11, D12: a scan that shows nothing asks; the answer is that the row is there.
    let mut world = contact();
    let shown = world.show("B");
    let hidden = world.clone();
    world.delete("B", &only(&hidden, "B"));
    let key = hidden.keys("B")[0].clone();
    let effects = world.decide(&[crate::change::Input::Unseen {
        binding: crate::name::BindingIndex(1),
        key,
        began: world.operation(),
    }]);
    // Meanwhile the row is back.
    world.restore_tables(&hidden);
    world.settle(effects);
    check(&mut world, "N0 E0 P0 S0");
    assert_eq!(world.show("B"), shown);
    assert_eq!(world.written("A") + world.written("B") + world.written("C"), 0);
}

#[test]
fn leaving_the_scope_freezes_detaches_or_deletes_and_is_no_delete() {
    // D14
    use crate::plan::OnLeave::{Delete, Detach, Freeze};
    for (on_leave, elsewhere) in
        [(Freeze, "N0 E0 P0 active"), (Detach, "N0 E0 P0 active"), (Delete, "")]
    {
        let world = active_only(World::new(3)).with(|plan| {
            for binding in &mut plan.bindings {
                binding.on_leave = on_leave;
            }
        });
        let mut world = world;
        world.insert("A", "a1", "name=N0 email=E0 phone=P0 status=active");
        world.run();
        edit(&mut world, "A", "status=internal phone=P1");
        world.run();
        assert!(world.show("A").ends_with("N0 E0 P1 internal"), "{on_leave:?}");
        let shown = world.show("B");
        let row = shown.split_once(": ").map_or("", |(_, row)| row);
        assert_eq!(row, elsewhere, "{on_leave:?}");
        assert!(world.group().root.exists.alive, "{on_leave:?}");
        edit(&mut world, "A", "status=active");
        check(&mut world, "N0 E0 P1 active");
        assert_eq!(world.living(), 1);
    }
}

#[test]
fn created_and_deleted_between_two_reads_is_nothing() {
    // D17
    let mut world = World::new(3);
    world.insert("A", "a1", "name=N0 email=E0 phone=P0 status=S0");
    world.delete("A", "a1");
    world.run();
    assert_eq!(world.living(), 0);
    assert_eq!(world.written("B") + world.written("C"), 0);
}

#[test]
fn created_and_deleted_in_one_batch_of_a_log_is_written_nowhere() {
    // D17
    let mut world = World::new(3).class(crate::plan::Class::Log);
    world.insert("A", "a1", "name=N0 email=E0 phone=P0 status=S0");
    world.delete("A", "a1");
    world.run();
    assert_eq!(world.living(), 0);
    assert_eq!(world.written("B") + world.written("C"), 0);
}

#[test]
fn the_last_of_many_changes_of_one_key_stands() {
    // D18
    for class in [crate::plan::Class::Plain, crate::plan::Class::Log] {
        let mut world = World::new(3).class(class);
        world.insert("A", "a1", "name=N0 email=E0 phone=P0 status=S0");
        world.set("A", "a1", "phone=P1");
        world.delete("A", "a1");
        world.insert("A", "a1", "name=N1 email=E0 phone=P2 status=S0");
        check(&mut world, "N1 E0 P2 S0");
        assert_eq!(world.living(), 1);
        assert_eq!([world.written("B"), world.written("C")], [1, 1]);
    }
}
