//! S9: a column that is gone for a while.

use super::{A, B, PHONE, contact, contact_in, edit, world::World};
use crate::{
    change::Cycles,
    commit::AuditKind,
    plan::{Cell, Class},
    value::Value,
};

const CLASSES: [Class; 4] = [Class::Marked, Class::Plain, Class::Versioned, Class::Blind];

/// A contact in step, and the column of its phone gone from the second system.
fn without_phone(class: Class) -> (World, Cell) {
    let mut world = contact_in(World::new(3).class(class));
    let cell = world.lose_column(B, PHONE);
    world.run();
    world.reset_counts();
    (world, cell)
}

fn row(world: &World, system: &str) -> String {
    let shown = world.show(system);
    shown.split_once(": ").map_or(String::new(), |(_, row)| row.to_owned())
}

#[test]
fn s9_what_is_gone_is_not_empty_and_all_else_goes_on_both_ways() {
    for class in CLASSES {
        let (mut world, cell) = without_phone(class);
        edit(&mut world, "A", "name=N1 phone=P1");
        world.run();
        edit(&mut world, "B", "status=S2");
        world.run();
        for system in ["A", "C"] {
            assert_eq!(row(&world, system), "N1 E0 P1 S2", "{class:?} in {system}");
        }
        assert!(row(&world, "B").starts_with("N1 E0 ") && row(&world, "B").ends_with(" S2"));
        // What waited is written, over whatever the column shows.
        world.regain_column(B, PHONE, (cell, Value::text("P0")));
        world.run();
        assert_eq!(row(&world, "B"), "N1 E0 P1 S2", "{class:?}");
        assert_eq!(row(&world, "A"), "N1 E0 P1 S2", "{class:?}");
    }
}

#[test]
fn s9_a_column_that_is_made_anew_is_filled_and_empties_nobody() {
    for class in CLASSES {
        let (mut world, cell) = without_phone(class);
        world.regain_column(B, PHONE, (cell, Value::Null));
        world.run();
        for system in ["A", "B", "C"] {
            assert_eq!(row(&world, system), "N0 E0 P0 S0", "{class:?} in {system}");
        }
        assert_eq!([world.written("A"), world.written("B"), world.written("C")], [0, 1, 0]);
        assert!(!world.kinds().contains(&AuditKind::Changed), "it was nobody's edit");
        // From then on it is a column like any other.
        edit(&mut world, "B", "phone=-");
        world.run();
        assert_eq!(row(&world, "A"), "N0 E0 - S0", "{class:?}");
    }
}

#[test]
fn s9_a_column_that_comes_back_as_it_was_is_not_written_and_heard_from_the_first_edit_on() {
    for class in CLASSES {
        let (mut world, cell) = without_phone(class);
        world.regain_column(B, PHONE, (cell, Value::text("P0")));
        world.run();
        assert_eq!(world.written("B"), 0, "{class:?}");
        edit(&mut world, "B", "phone=P2");
        world.run();
        assert_eq!([row(&world, "A"), row(&world, "C")], ["N0 E0 P2 S0"; 2], "{class:?}");
    }
}

#[test]
fn s9_what_was_edited_in_it_under_another_name_is_written_over_and_on_the_books() {
    let (mut world, cell) = without_phone(Class::Marked);
    world.regain_column(B, PHONE, (cell, Value::text("P7")));
    world.run();
    assert_eq!([row(&world, "A"), row(&world, "B")], ["N0 E0 P0 S0"; 2]);
    assert!(world.kinds().contains(&AuditKind::Rejected), "{:?}", world.kinds());
}

#[test]
fn s9_nothing_is_written_before_a_row_was_read_again() {
    let (mut world, cell) = without_phone(Class::Marked);
    edit(&mut world, "A", "phone=P1");
    world.run();
    world.regain_column(B, PHONE, (cell, Value::Null));
    assert!(world.plan_writes("B", Cycles::Wait).is_empty());
    world.run();
    assert_eq!(row(&world, "B"), "N0 E0 P1 S0");
}

#[test]
fn s9_rows_that_came_meanwhile_are_whole_afterwards() {
    let mut world = contact();
    let cell = world.lose_column(B, PHONE);
    world.insert("A", "a2", "name=N2 email=E2 phone=P2 status=S2");
    world.run();
    assert_eq!(world.keys("B").len(), 2, "it is there without its phone");
    world.regain_column(B, PHONE, (cell, Value::Null));
    world.run();
    assert!(world.show("B").contains("N2 E2 P2 S2"), "{}", world.show("B"));
}

#[test]
fn s9_what_was_refused_without_the_column_is_tried_again_with_it() {
    let mut world = contact();
    let cell = world.lose_column(B, PHONE);
    world.refuses.push((B, Value::text("S2")));
    world.insert("A", "a2", "name=N2 email=E2 phone=P2 status=S2");
    world.run();
    assert_eq!((world.keys("B").len(), world.quarantine.len()), (1, 1));
    world.refuses.clear();
    world.regain_column(B, PHONE, (cell, Value::Null));
    world.run();
    assert!(world.show("B").contains("N2 E2 P2 S2"), "{}", world.show("B"));
    assert!(world.quarantine.is_empty());
}

#[test]
fn s9_what_is_only_read_there_counts_again_as_it_is() {
    let mut world = World::new(3).with(|plan| {
        plan.entities[0].fields[PHONE.at()].to = Some(vec![A]);
    });
    world.insert("B", "b1", "name=N0 email=E0 phone=P0 status=S0");
    world.run();
    let cell = world.lose_column(B, PHONE);
    world.run();
    assert!(row(&world, "A").contains("P0"), "nothing became empty");
    world.regain_column(B, PHONE, (cell, Value::text("P9")));
    world.run();
    assert!(row(&world, "A").contains("P9"), "{}", world.show("A"));
}

#[test]
fn s9_what_waits_to_be_written_is_no_longer_due_and_is_due_again() {
    let mut world = contact();
    edit(&mut world, "A", "phone=P1");
    world.scan("A");
    let cell = world.lose_column(B, PHONE);
    assert!(world.plan_writes("B", Cycles::Wait).is_empty());
    world.run();
    world.regain_column(B, PHONE, (cell, Value::text("P0")));
    world.run();
    assert_eq!(row(&world, "B"), "N0 E0 P1 S0");
}
