//! What a run did is taken back where nobody changed it since; its source keeps what it has.

use super::{
    A, PHONE, check, contact, edit, only,
    references::shop,
    world::{World, text},
};
use crate::{
    change::{Command, PartKey, RolledBack},
    commit::AuditKind,
    name::{FieldIndex, SystemIndex},
    plan::{BelowMin, Class, Policy},
    value::Value,
};

fn roll_back(world: &mut World, field: Option<FieldIndex>, before: Value, keeps: &[SystemIndex]) {
    let root = &world.group().root;
    let after_version = field.map_or(root.exists.version, |field| root.version_of(field));
    let rolled = RolledBack { field, before, after_version, keeps: keeps.to_vec() };
    send(world, rolled);
}

fn send(world: &mut World, rolled: RolledBack) {
    let record = world.group().id;
    let (part, fields, who) = (PartKey::Root, vec![rolled], "a steward".into());
    world.command(Command::Rollback { record, part, fields, who });
}

fn shows(world: &World, system: &str) -> String {
    world.show(system).split_once(": ").map_or("", |(_, row)| row).to_owned()
}

#[test]
fn what_a_run_wrote_is_taken_back_and_its_source_keeps_its_own() {
    // O4
    let mut world = contact();
    edit(&mut world, "A", "phone=P1");
    check(&mut world, "N0 E0 P1 S0");
    roll_back(&mut world, Some(PHONE), text("P0"), &[A]);
    world.run();
    assert_eq!(
        ["A", "B", "C"].map(|it| shows(&world, it)),
        ["N0 E0 P1 S0", "N0 E0 P0 S0", "N0 E0 P0 S0"]
    );
    // Looking again takes nothing up again, and other fields flow.
    edit(&mut world, "A", "status=S1");
    world.run();
    assert_eq!(shows(&world, "B"), "N0 E0 P0 S1");
    // The next edit of that field is an edit.
    edit(&mut world, "A", "phone=P2");
    check(&mut world, "N0 E0 P2 S1");
}

#[test]
fn a_rollback_that_spares_nobody_puts_the_origin_back_too() {
    let mut world = contact();
    edit(&mut world, "A", "phone=P1");
    check(&mut world, "N0 E0 P1 S0");
    roll_back(&mut world, Some(PHONE), text("P0"), &[]);
    check(&mut world, "N0 E0 P0 S0");
}

#[test]
fn what_was_edited_since_is_left_alone_and_said() {
    // O4
    let mut world = contact();
    edit(&mut world, "A", "phone=P1");
    check(&mut world, "N0 E0 P1 S0");
    let after_version = world.group().root.version_of(PHONE);
    edit(&mut world, "B", "phone=P2");
    check(&mut world, "N0 E0 P2 S0");
    let (field, before) = (Some(PHONE), text("P0"));
    send(&mut world, RolledBack { field, before, after_version, keeps: vec![A] });
    check(&mut world, "N0 E0 P2 S0");
    assert!(world.audit.iter().any(|event| event.note == "changed since: left alone"));
}

#[test]
fn a_rollback_that_is_rolled_back_brings_everything_back() {
    let mut world = contact();
    edit(&mut world, "A", "phone=P1");
    check(&mut world, "N0 E0 P1 S0");
    roll_back(&mut world, Some(PHONE), text("P0"), &[A]);
    world.run();
    roll_back(&mut world, Some(PHONE), text("P1"), &[]);
    check(&mut world, "N0 E0 P1 S0");
    edit(&mut world, "A", "phone=P3");
    check(&mut world, "N0 E0 P3 S0");
}

#[test]
fn rows_that_a_run_made_go_and_the_row_they_come_from_stays_until_it_is_edited() {
    let mut world = contact();
    roll_back(&mut world, None, Value::Bool(false), &[A]);
    world.run();
    assert_eq!(["A", "B", "C"].map(|it| shows(&world, it)), ["N0 E0 P0 S0", "", ""]);
    assert_eq!(world.living(), 0);
    edit(&mut world, "A", "phone=P1");
    check(&mut world, "N0 E0 P1 S0");
    assert!(world.kinds().contains(&AuditKind::Revived));
}

#[test]
fn rows_that_a_run_deleted_come_back_where_nobody_deleted_them() {
    let mut world = contact();
    let key = only(&world, "A");
    world.delete("A", &key);
    world.run();
    assert_eq!(world.living(), 0);
    roll_back(&mut world, None, Value::Bool(true), &[A]);
    world.run();
    assert_eq!(["A", "B", "C"].map(|it| shows(&world, it)), ["", "N0 E0 P0 S0", "N0 E0 P0 S0"]);
    // Undone, they go again.
    roll_back(&mut world, None, Value::Bool(false), &[]);
    world.run();
    assert_eq!(["A", "B", "C"].map(|it| shows(&world, it)), ["", "", ""]);
}

#[test]
fn what_is_counted_where_a_rollback_left_a_counter_adds_to_the_others() {
    let mut world = World::new(3).class(Class::Log).with(|plan| {
        plan.entities[0].fields[PHONE.at()].policy =
            Policy::Add { min: None, below_min: BelowMin::Manual };
    });
    world.insert("A", "a1", "name=N0 email=E0 phone=5 status=S0");
    world.run();
    edit(&mut world, "A", "phone=8");
    check(&mut world, "N0 E0 8 S0");
    roll_back(&mut world, Some(PHONE), text("5"), &[A]);
    world.run();
    edit(&mut world, "A", "phone=7");
    check(&mut world, "N0 E0 4 S0");
}

#[test]
fn an_order_that_waited_for_its_customer_waits_when_it_was_taken_back_and_is_brought_back() {
    let mut world = shop(3);
    world.insert("A.order", "o1", "number=1 customer=a9 note=x");
    world.scan("A");
    roll_back(&mut world, None, Value::Bool(false), &[A]);
    roll_back(&mut world, None, Value::Bool(true), &[]);
    world.apply("B");
    assert_eq!(world.show("B.order"), "", "never without its customer");
    world.insert("A", "a9", "name=N0 email=E0 phone=P0 status=S0");
    world.run();
    let customer = only(&world, "B");
    assert!(world.show("B.order").ends_with(&format!("1 {customer} x")), "{}", world.hub());
}

#[test]
fn a_customer_that_comes_late_does_not_bring_back_an_order_that_was_taken_back() {
    let mut world = shop(2);
    world.insert("A.order", "o1", "number=1 customer=a9 note=x");
    world.scan("A");
    roll_back(&mut world, None, Value::Bool(false), &[A]);
    world.insert("A", "a9", "name=N0 email=E0 phone=P0 status=S0");
    world.run();
    assert_eq!(world.living(), 1, "{}", world.hub());
    assert_eq!(world.show("B.order"), "");
}
