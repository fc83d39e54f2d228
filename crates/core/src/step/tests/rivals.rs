//! Rows of one system that match the same record (I2), told like their neighbours in `tests.rs`.

use super::{A, B, check, contact, world::World};
use crate::{
    change::{Command, Cycles},
    commit::AuditKind,
    name::{BindingIndex, FieldIndex},
    plan::{Class, MatchRule},
    value::Value,
};

/// Two rows of A with one address; in B as well, if asked for.
fn twins(with_counterpart: bool) -> World {
    let mut world = World::new(3);
    world.insert("A", "a1", "name=N1 email=E0 phone=P1 status=S0");
    world.insert("A", "a2", "name=N2 email=E0 phone=P2 status=S0");
    if with_counterpart {
        world.insert("B", "b1", "name=N3 email=E0 phone=P3 status=S0");
    }
    world
}

/// Nothing was written, and the rows of A are as they were.
#[track_caller]
fn untouched(world: &mut World, rows_aside: usize) {
    world.run();
    assert_eq!(world.codes(), vec!["match.ambiguous"; rows_aside]);
    assert_eq!([world.written("A"), world.written("B"), world.written("C")], [0, 0, 0]);
}

#[test]
fn rows_that_match_each_other_are_neither_linked_nor_written() {
    // I2: whichever system is read first
    for with_counterpart in [false, true] {
        for order in [["A", "B", "C"], ["B", "A", "C"]] {
            let mut world = twins(with_counterpart);
            for system in order {
                world.scan(system);
            }
            untouched(&mut world, 2);
            assert_eq!(world.living(), usize::from(with_counterpart), "{order:?}");
            assert!(world.groups().all(|group| group.root.link(A).is_none()), "{order:?}");
        }
    }
}

#[test]
fn rows_that_match_each_other_across_the_batches_of_a_scan_are_not_linked_either() {
    // I2: the first of them was linked when the second is seen
    for with_counterpart in [false, true] {
        let mut world = twins(with_counterpart);
        world.scan("B");
        world.scan_in_batches("A", 1);
        untouched(&mut world, 2);
        assert_eq!(world.living(), usize::from(with_counterpart));
        assert!(world.groups().all(|group| group.root.link(A).is_none()));
        assert!(world.kinds().contains(&AuditKind::Unlinked));
        if with_counterpart {
            let names = world.groups().map(|group| group.root.cells[0].value.clone());
            assert_eq!(names.collect::<Vec<_>>(), [super::world::text("N3")], "b1's own name");
        }
    }
}

#[test]
fn the_last_of_rows_that_matched_each_other_is_linked_by_itself() {
    // W9, I2: another is deleted, or gets an address of its own
    for batches in [1, 9] {
        for with_counterpart in [false, true] {
            let mut world = twins(with_counterpart);
            world.scan_in_batches("A", batches);
            untouched(&mut world, 2);
            world.delete("A", "a1");
            check(&mut world, "N2 E0 P2 S0");
            assert_eq!((world.codes().len(), world.living()), (0, 1));

            let mut world = twins(with_counterpart);
            world.scan_in_batches("A", batches);
            untouched(&mut world, 2);
            world.set("A", "a2", "email=E9");
            world.run();
            assert_eq!((world.codes().len(), world.living()), (0, 2));
            for system in ["A", "B", "C"] {
                let shown = world.show(system);
                assert!(shown.contains("N1 E0 P1 S0"), "{system}: {shown}");
                assert!(shown.contains("N2 E9 P2 S0"), "{system}: {shown}");
            }
        }
    }
}

#[test]
fn a_record_keeps_its_row_when_another_comes_that_matches_it() {
    // I2: it goes on as if nothing had happened, and the other follows once it is the only one
    let mut world = contact();
    world.insert("A", "a2", "name=N9 email=E0 phone=P9 status=S0");
    world.run();
    world.set("A", "a1", "phone=P1");
    world.run();
    assert_eq!(world.codes(), ["match.ambiguous"]);
    assert!(world.show("B").ends_with("N0 E0 P1 S0"));
    assert!(world.show("C").ends_with("N0 E0 P1 S0"));
    assert_eq!([world.keys("B").len(), world.keys("C").len(), world.living()], [1, 1, 1]);
    world.delete("A", "a1");
    check(&mut world, "N9 E0 P9 S0");
    assert_eq!((world.codes().len(), world.living()), (0, 1));
}

#[test]
fn a_row_set_aside_beside_a_linked_one_is_released_when_it_changes() {
    let mut world = contact();
    world.insert("A", "a2", "name=N9 email=E0 phone=P9 status=S0");
    world.run();
    world.set("A", "a2", "email=E9");
    world.run();
    assert_eq!((world.codes().len(), world.living()), (0, 2));
    world.insert("A", "a3", "name=N9 email=E9 phone=P9 status=S0");
    world.run();
    assert_eq!(world.codes(), ["match.ambiguous"]);
    world.delete("A", "a3");
    world.run();
    assert_eq!((world.codes().len(), world.living()), (0, 2));
}

#[test]
fn a_row_that_vanishes_while_two_could_take_its_place_deletes_nothing() {
    let mut world = contact();
    world.delete("A", "a1");
    world.insert("A", "a2", "name=N2 email=E0 phone=P2 status=S0");
    world.insert("A", "a3", "name=N3 email=E0 phone=P3 status=S0");
    untouched(&mut world, 2);
    assert!(world.show("B").ends_with("N0 E0 P0 S0"));
    world.delete("A", "a2");
    check(&mut world, "N3 E0 P3 S0");
    assert_eq!([world.written("B"), world.written("C")], [1, 1]);
}

#[test]
fn a_person_says_which_of_the_rows_it_is() {
    let mut world = twins(true);
    untouched(&mut world, 2);
    let record = world.groups().next().unwrap().id;
    let key = world.keys("A")[1].clone();
    world.command(Command::Link { record, binding: BindingIndex(0), key });
    world.run();
    assert_eq!(world.codes(), ["match.ambiguous"], "the other one is still there");
    assert_eq!(world.show("A"), "a1: N1 E0 P1 S0\na2: N2 E0 P2 S0");
    assert!(world.show("B").ends_with("N2 E0 P2 S0"), "{}", world.show("B"));
    world.delete("A", "a1");
    check(&mut world, "N2 E0 P2 S0");
    assert!(world.codes().is_empty());
}

#[test]
fn an_earlier_rule_is_not_disturbed_by_a_later_one() {
    // Two of one household share a telephone; by their addresses they are told apart.
    let by_phone = |plan: &mut crate::plan::Plan| {
        plan.entities[0].matching.push(MatchRule { fields: vec![super::PHONE] });
    };
    let mut world = World::new(2).with(by_phone);
    world.insert("A", "k1", "name=N1 email=E1 phone=P1 status=S0");
    world.insert("A", "k2", "name=N2 email=E2 phone=P2 status=S0");
    world.scan("A");
    world.insert("B", "k1", "name=N1 email=E1 phone=P status=S0");
    world.insert("B", "k2", "name=N2 email=E2 phone=P status=S0");
    world.run();
    assert!(world.codes().is_empty(), "{:?}", world.codes());
    assert_eq!(world.living(), 2);
}

#[test]
fn an_order_of_a_row_that_is_set_aside_waits_with_it() {
    let mut orders = super::world::entity("order", &["number", "customer"], 0);
    orders.fields[1].reference = Some(crate::name::EntityIndex(0));
    let contacts = super::world::entity("contact", &["email", "name"], 0);
    let mut world = World::of(2, vec![contacts, orders]);
    world.insert("A", "a1", "email=E0 name=N1");
    world.insert("A", "a2", "email=E0 name=N2");
    world.insert("A.order", "o1", "number=1 customer=a1");
    world.run();
    assert!(world.codes().contains(&"write.parent_missing"), "{:?}", world.codes());
    assert_eq!(world.written("B"), 0);
    world.set("A", "a1", "email=E1");
    world.run();
    assert!(world.codes().is_empty(), "{:?}", world.codes());
    assert_eq!((world.keys("B").len(), world.keys("B.order").len()), (2, 1));
    let customer = world.value("B.order", &world.keys("B.order")[0].to_string(), FieldIndex(1));
    let email = world.value("B", &customer.to_string(), FieldIndex(0));
    assert_eq!(email, super::world::text("E1"));
}

#[test]
fn a_log_that_shows_a_row_moving_shows_no_rivals() {
    let mut world = World::new(2).class(Class::Log);
    world.insert("A", "a1", "name=N0 email=E0 phone=P0 status=S0");
    world.delete("A", "a1");
    world.insert("A", "a2", "name=N0 email=E0 phone=P0 status=S0");
    world.set("A", "a2", "email=E1");
    world.insert("A", "a3", "name=N0 email=E0 phone=P0 status=S0");
    world.run();
    assert!(world.codes().is_empty(), "{:?}", world.codes());
    assert_eq!([world.keys("B").len(), world.living()], [2, 2]);
    world.set("A", "a3", "phone=P7");
    world.run();
    assert!(world.show("B").contains("E0 P7"), "{}", world.show("B"));
}

#[test]
fn a_row_that_came_in_a_log_before_another_went_is_not_lost() {
    let mut world = World::new(2).class(Class::Log);
    world.insert("A", "a1", "name=N1 email=E0 phone=P1 status=S0");
    world.insert("A", "a2", "name=N2 email=E0 phone=P2 status=S0");
    world.delete("A", "a1");
    world.run();
    assert!(world.show("B").ends_with("N2 E0 P2 S0"), "{}", world.show("B"));
    assert_eq!((world.codes().len(), world.living()), (0, 1));
}

#[test]
fn a_row_that_turns_out_to_be_ours_is_nobody_elses_rival() {
    let mut world = World::new(2);
    world.rewrites.insert((B, FieldIndex(0)), |_| Value::text("rewritten"));
    world.insert("A", "a1", "name=N1 email=E1 phone=P1 status=S1");
    world.run();
    world.insert("A", "a2", "name=N2 email=E2 phone=P2 status=S2");
    world.scan("A");
    let (system, group) = world.plan_writes("B", Cycles::Wait).remove(0);
    let answers = world.execute(system, &group);
    world.set("A", "a1", "email=E2");
    world.set("A", "a2", "email=E9");
    world.scan("A");
    world.scan("B");
    world.hear(&answers);
    world.run();
    assert_eq!(world.codes(), [""; 0]);
    let emails = |row: &str| ["E2 P1 S1", "E9 P2 S2"].iter().any(|end| row.ends_with(end));
    assert!(world.show("B").lines().all(emails), "{}", world.show("B"));
}
