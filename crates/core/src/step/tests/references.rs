//! Records that refer to others: whose row comes first, and what becomes of it when the other one
//! goes.

use super::{
    B, active_only, only,
    world::{World, entity},
};
use crate::{
    change::{Command, Cycles},
    commit::AuditKind,
    name::{BindingIndex, EntityIndex},
    plan::{Class, DeleteConflict, OnLeave, OnParentDelete},
    value::Value,
};

const CUSTOMER: &str = "name=N0 email=E0 phone=P0 status=S0";

/// Orders that refer to contacts, in this many systems.
pub(super) fn shop(systems: usize) -> World {
    let contact = entity("contact", &["name", "email", "phone", "status"], 1);
    let mut order = entity("order", &["number", "customer", "note"], 0);
    order.fields[1].reference = Some(EntityIndex(0));
    World::of(systems, vec![contact, order])
}

#[test]
fn an_order_waits_while_its_customer_is_refused_and_follows_by_itself() {
    // W5
    let mut world = shop(2);
    world.refuses.push((B, Value::text("N0")));
    world.insert("A", "a1", CUSTOMER);
    world.insert("A.order", "o1", "number=1 customer=a1 note=x");
    world.run();
    assert_eq!(world.show("B.order"), "", "never without its customer");
    assert_eq!(world.codes(), ["write.value_too_long", "write.parent_missing"]);

    world.refuses.clear();
    let record = world.groups().find(|group| group.entity == EntityIndex(0)).unwrap().id;
    world.command(Command::Retry { record, system: B });
    world.run();
    let customer = only(&world, "B");
    assert!(world.show("B.order").ends_with(&format!("1 {customer} x")));
    assert!(world.codes().is_empty(), "{:?}", world.codes());
}

#[test]
fn an_order_whose_customer_is_deleted_elsewhere_is_not_written_without_it() {
    let mut world = shop(3).with(|plan| {
        plan.entities[0].delete_conflict = DeleteConflict::DeleteWins;
    });
    world.insert("A", "a1", CUSTOMER);
    world.run();
    let here = only(&world, "C");
    world.insert("C.order", "o1", &format!("number=1 customer={here} note=x"));
    let there = only(&world, "B");
    world.delete("B", &there);
    world.run();
    assert_eq!([world.show("A"), world.show("A.order"), world.show("B.order")], ["", "", ""]);
    assert!(world.codes().contains(&"write.parent_missing"), "{:?}", world.codes());
    // The order goes: nothing is left to wait for.
    world.delete("C.order", "o1");
    world.run();
    assert_eq!([world.show("C"), world.show("C.order")], ["", ""]);
    assert!(world.codes().is_empty(), "{:?}", world.codes());
}

#[test]
fn what_waited_for_a_write_is_released_once_nothing_is_to_be_written() {
    let mut world = shop(2);
    world.insert("A", "a1", CUSTOMER);
    world.run();
    world.refuses.push((B, Value::text("P1")));
    world.set("A", "a1", "phone=P1");
    world.run();
    assert_eq!(world.codes(), ["write.value_too_long"]);
    world.set("A", "a1", "phone=P0");
    world.run();
    assert!(world.codes().is_empty(), "{:?}", world.codes());
}

/// One customer with one order, everywhere; then somebody deletes the customer in B, whose orders
/// live elsewhere.
fn widowed(rule: OnParentDelete) -> World {
    let mut world = shop(3).with(|plan| {
        plan.entities[1].on_parent_delete = rule;
        plan.entities[1].bindings.retain(|binding| *binding != BindingIndex(4));
    });
    world.insert("A", "a1", CUSTOMER);
    world.insert("A.order", "o1", "number=1 customer=a1 note=x");
    world.run();
    world.reset_counts();
    let there = only(&world, "B");
    world.delete("B", &there);
    world.run();
    world
}

#[test]
fn a_customer_with_orders_waits_until_they_are_gone() {
    let mut world = widowed(OnParentDelete::Wait);
    assert_eq!(world.codes(), ["write.children_exist"; 2]);
    assert!(world.show("A").contains("N0") && world.show("A.order").contains("1 a1 x"));
    world.delete("A.order", "o1");
    world.run();
    assert_eq!([world.show("A"), world.show("C"), world.show("C.order")], ["", "", ""]);
    assert!(world.codes().is_empty(), "{:?}", world.codes());
}

#[test]
fn orders_go_with_their_customer() {
    let world = widowed(OnParentDelete::Cascade);
    for place in ["A", "C", "A.order", "C.order"] {
        assert_eq!(world.show(place), "", "{place}");
    }
    assert_eq!(world.living(), 0);
    assert!(world.codes().is_empty(), "{:?}", world.codes());
}

#[test]
fn orders_let_go_of_their_customer() {
    let world = widowed(OnParentDelete::Detach);
    assert_eq!([world.show("A"), world.show("C")], ["", ""]);
    assert_eq!(world.show("A.order"), "o1: 1 - x");
    assert!(world.show("C.order").ends_with("1 - x"));
}

#[test]
fn a_customer_with_orders_may_not_go() {
    let world = widowed(OnParentDelete::Forbid);
    for system in ["A", "B", "C"] {
        assert!(world.show(system).ends_with("N0 E0 P0 S0"), "{system}");
    }
    assert!(world.show("A.order").contains("1 a1 x"));
    assert!(world.kinds().contains(&AuditKind::DeleteOverridden));
}

#[test]
fn a_customer_and_orders_deleted_together_go_whatever_the_rule() {
    use OnParentDelete::{Cascade, Detach, Forbid, Wait};
    for rule in [Wait, Cascade, Detach, Forbid] {
        for first in ["A", "A.order"] {
            let mut world = shop(3).with(|plan| plan.entities[1].on_parent_delete = rule);
            world.insert("A", "a1", CUSTOMER);
            world.insert("A.order", "o1", "number=1 customer=a1 note=x");
            world.run();
            let names = if first == "A" { ["a1", "o1"] } else { ["o1", "a1"] };
            let second = if first == "A" { "A.order" } else { "A" };
            world.delete(first, names[0]);
            world.delete(second, names[1]);
            world.run();
            for place in ["A", "B", "C", "A.order", "B.order", "C.order"] {
                assert_eq!(world.show(place), "", "{place}, {rule:?}");
            }
            assert!(world.codes().is_empty(), "{:?}", world.codes());
        }
    }
}

/// A customer in A and B, whose systems keep references whole.
fn strict() -> World {
    let mut world = shop(2);
    world.keeps_references = true;
    world.insert("A", "a1", CUSTOMER);
    world.run();
    world
}

#[test]
fn a_delete_that_an_unknown_order_held_back_is_made_once_the_order_is_gone() {
    let mut world = strict();
    let there = only(&world, "B");
    world.delete("A", "a1");
    world.scan("A");
    world.insert("B.order", "o1", &format!("number=1 customer={there} note=x"));
    world.apply("B");
    assert_eq!(world.codes(), ["write.children_exist"]);
    world.run();
    assert!(world.show("B").contains("N0"), "the order came to light, and still holds it back");
    world.delete("B.order", "o1");
    world.run();
    assert_eq!([world.show("B"), world.show("B.order")], ["", ""]);
    assert!(world.codes().is_empty(), "{:?}", world.codes());
}

#[test]
fn a_delete_that_an_order_held_back_is_made_once_the_order_is_moved_by_us() {
    let mut world = strict();
    world.insert("A", "a2", "name=N1 email=E1 phone=P1 status=S1");
    world.insert("A.order", "o1", "number=1 customer=a1 note=x");
    world.run();
    // The order belongs to the other customer now, but B will not have it yet.
    world.refuses.push((B, Value::text("y")));
    world.set("A.order", "o1", "customer=a2 note=y");
    world.delete("A", "a1");
    world.run();
    assert_eq!(world.codes(), ["write.children_exist", "write.value_too_long"]);
    world.refuses.clear();
    world.set("A.order", "o1", "note=z");
    world.run();
    assert!(!world.show("B").contains("N0"), "{}", world.show("B"));
    assert!(world.codes().is_empty(), "{:?}", world.codes());
}

#[test]
fn an_order_whose_customer_was_just_deleted_there_waits_for_it_and_follows() {
    let mut world = strict();
    let there = only(&world, "B");
    world.insert("A.order", "o1", "number=1 customer=a1 note=x");
    world.scan("A");
    world.delete("B", &there);
    world.apply("B");
    // That the customer is gone was looked up at once.
    assert_eq!(world.living(), 1, "the customer is deleted, its order lives");
    world.run();
    world.insert("B", "b9", CUSTOMER);
    world.run();
    assert!(world.show("B.order").ends_with("1 b9 x"), "{}", world.show("B.order"));
    assert!(world.codes().is_empty(), "{:?}", world.codes());
}

#[test]
fn an_order_is_written_as_soon_as_its_customer_is_put_back() {
    let mut world = strict().with(|plan| plan.entities[0].delete_from = Some(Vec::new()));
    let there = only(&world, "B");
    world.insert("A.order", "o1", "number=1 customer=a1 note=x");
    world.scan("A");
    world.delete("B", &there);
    world.apply("B");
    world.run();
    assert!(world.show("B").contains("N0") && world.show("B.order").contains("1 "));
    assert!(world.codes().is_empty(), "{:?}", world.codes());
}

#[test]
fn an_order_that_is_heard_of_before_its_customer_is_not_one_of_the_deleted_whose_key_that_one_has()
{
    let mut world = strict();
    world.delete("A", "a1");
    world.run();
    world.insert("A", "a1", "name=N1 email=E1 phone=P1 status=S1");
    world.insert("A.order", "o1", "number=1 customer=a1 note=x");
    world.hear_of("A.order", "o1", 1);
    assert_eq!(world.codes(), ["write.parent_missing"], "who that is, is not known yet");
    world.hear_of("A", "a1", 1);
    world.run();
    let customer = only(&world, "B");
    assert!(world.show("B").contains("N1"), "{}", world.show("B"));
    assert!(
        world.show("B.order").ends_with(&format!("1 {customer} x")),
        "{}",
        world.show("B.order")
    );
    assert!(world.codes().is_empty(), "{:?}", world.codes());
}

#[test]
fn an_order_of_whoever_was_given_the_key_of_a_customer_that_is_gone_is_his() {
    let mut world = shop(2).class(Class::Log);
    world.insert("A", "a1", CUSTOMER);
    world.run();
    world.delete("A", "a1");
    world.run();
    world.insert("A", "a1", "name=N5 email=E5 phone=P5 status=S5");
    world.insert("A.order", "o1", "number=1 customer=a1 note=x");
    world.run();
    let customer = only(&world, "B");
    assert!(world.show("B").ends_with("N5 E5 P5 S5"), "{}", world.hub());
    assert!(world.show("B.order").ends_with(&format!("1 {customer} x")), "{}", world.hub());
}

#[test]
fn nothing_is_made_to_refer_to_a_row_that_we_have_deleted_before_the_log_tells_of_it() {
    let mut world = active_only(shop(2).class(Class::Log)).with(|plan| {
        plan.bindings[1].on_leave = OnLeave::Delete;
    });
    world.insert("A", "a1", "name=N0 email=E0 phone=P0 status=active");
    world.run();
    world.set("A", "a1", "status=away");
    world.scan("A");
    for (system, group) in world.plan_writes("B", Cycles::Wait) {
        let answers = world.execute(system, &group);
        world.decide(&answers);
    }
    assert_eq!(world.show("B"), "", "it has left the scope");
    world.insert("A.order", "o1", "number=1 customer=a1 note=x");
    world.scan("A");
    // Its key may be another's by now.
    assert!(world.plan_writes("B", Cycles::Wait).is_empty());
}
