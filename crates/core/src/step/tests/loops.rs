//! The loop guard: cycles are stopped, and people at work are not taken for one.

use super::*;
use crate::{change::Command, commit::AuditEvent, name::FieldIndex, value::Value};

fn held(world: &World) -> usize {
    world.group().root.links.iter().map(|link| link.held.len()).sum()
}

#[test]
fn a_system_that_reverts_our_writes_trips_the_loop_guard() {
    // L6
    let mut world = contact();
    for round in 0..6 {
        edit(&mut world, "A", &format!("status=S{}", round + 1));
        world.run();
        edit(&mut world, "B", "status=S0");
        world.run();
    }
    assert!(world.kinds().contains(&AuditKind::LoopSuspected));
    assert_eq!(held(&world), 1, "one field in one system");
    edit(&mut world, "B", "phone=P7");
    world.run();
    assert!(world.show("A").contains("P7"), "other fields flow");
}

#[test]
fn a_system_that_takes_back_what_another_owns_trips_the_loop_guard() {
    // W14
    let world = World::new(3).with(|plan| plan.entities[0].fields[2].from = Some(vec![A]));
    let mut world = contact_in(world);
    edit(&mut world, "A", "phone=P1");
    world.run();
    world.reset_counts();
    for _ in 0..9 {
        edit(&mut world, "B", "phone=P0");
        world.run();
    }
    assert_eq!((world.written("B"), held(&world)), (2, 1), "it is not answered for ever");
    assert!(world.show("A").contains("P1"), "and goes nowhere");
    edit(&mut world, "B", "email=E7");
    world.run();
    assert!(world.show("A").contains("E7"), "other fields flow");
    let record = world.group().id;
    world.command(Command::Release { record, system: Some(B), field: Some(FieldIndex(2)) });
    check(&mut world, "N0 E7 P1 S0");
}

#[test]
fn a_released_field_shows_the_same_everywhere_again() {
    let mut world = contact();
    for round in 1.. {
        edit(&mut world, "A", &format!("status=S{round}"));
        world.run();
        edit(&mut world, "B", "status=S0");
        world.run();
        if held(&world) == 1 {
            break;
        }
    }
    // What somebody types while the field is held goes nowhere, and stays on record.
    edit(&mut world, "B", "status=S9");
    world.run();
    let golden = world.group().root.cell(FieldIndex(3)).cloned().unwrap_or_default();
    let kept = |event: &AuditEvent| event.after == Some(Value::text("S9"));
    assert!(world.audit.iter().any(|event| event.kind == AuditKind::Rendered && kept(event)));
    let record = world.group().id;
    world.command(Command::Release { record, system: Some(B), field: Some(FieldIndex(3)) });
    check(&mut world, &format!("N0 E0 P0 {}", golden.value));
}

#[test]
fn whoever_deletes_a_row_whose_field_is_held_has_not_seen_what_it_does_not_show() {
    let mut world = contact_in(World::new(2).with(|plan| {
        plan.entities[0].delete_conflict = DeleteConflict::UpdateWins;
    }));
    for round in 1.. {
        edit(&mut world, "A", &format!("status=S{round}"));
        world.run();
        edit(&mut world, "B", "status=S0");
        // The hub holds something newer when the loop is suspected.
        edit(&mut world, "A", &format!("status=T{round}"));
        world.scan("A");
        world.scan("B");
        if held(&world) == 1 {
            break;
        }
        world.run();
    }
    let row = only(&world, "B");
    world.delete("B", &row);
    world.run();
    assert_eq!(world.living(), 1, "the last edit was never shown there");
}

#[test]
fn people_who_answer_each_other_are_no_loop() {
    // M20, S2: each edit is made on top of a write of ours, and each says something new.
    let mut world = contact();
    for round in 0..5 {
        for system in ["A", "B", "C"] {
            edit(&mut world, system, &format!("status={system}{round}"));
            world.run();
        }
    }
    assert_eq!(held(&world), 0);
    check(&mut world, "N0 E0 P0 C4");
}

#[test]
fn a_switch_that_somebody_tries_is_no_loop() {
    let mut world = contact();
    for status in ["S1", "S0", "S1", "S0", "S1", "S0"] {
        edit(&mut world, "A", &format!("status={status}"));
        world.run();
    }
    assert_eq!(held(&world), 0);
    check(&mut world, "N0 E0 P0 S0");
}

#[test]
fn stock_that_is_sold_in_two_places_is_no_loop() {
    let mut world = contact().with(|plan| {
        plan.entities[0].fields[3].policy =
            Policy::Add { min: None, below_min: crate::plan::BelowMin::Clamp };
    });
    for round in 0..5i64 {
        for (at, system) in ["A", "B"].iter().enumerate() {
            // Sold, returned, sold again: the same numbers come back.
            edit(&mut world, system, &format!("status={}", 100 + (round + at as i64) % 2));
            world.run();
        }
    }
    assert_eq!(held(&world), 0);
}

#[test]
fn somebody_else_who_turns_a_value_around_each_time_trips_the_loop_guard() {
    // L8: another program writes A from what we wrote into B, the other way round.
    let mut world = contact();
    edit(&mut world, "A", "status=no");
    world.run();
    let mut rounds = 0;
    while rounds < 100 {
        let shown = world.show("B").contains("yes");
        let answer = if shown { "status=no" } else { "status=yes" };
        if world.show("A").contains(answer.trim_start_matches("status=")) {
            break;
        }
        edit(&mut world, "A", answer);
        world.run();
        rounds += 1;
    }
    assert!(rounds < 20, "{rounds} rounds");
    assert!(world.kinds().contains(&AuditKind::LoopSuspected));
    edit(&mut world, "A", "phone=P7");
    world.run();
    assert!(world.show("B").contains("P7"), "other fields flow");
}

#[test]
fn two_systems_that_both_add_to_what_they_get_trip_the_loop_guard() {
    let mut world = World::new(2);
    world.insert("A", "a1", "name=N0 email=E0 phone=P0 status=S");
    world.run();
    for _ in 0..50 {
        for system in ["A", "B"] {
            let shown = world.show(system);
            let status = shown.rsplit(' ').next().unwrap().to_owned();
            edit(&mut world, system, &format!("status={status}!"));
            world.run();
        }
    }
    assert!(world.kinds().contains(&AuditKind::LoopSuspected));
}
