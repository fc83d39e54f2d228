//! What is heard again, or late, is no news.

use super::{A, B, contact_in, edit, only, world::World};
use crate::{
    change::{Cycles, Effect, Input, Order},
    commit::AuditKind,
    name::EntityIndex,
    plan::{Class, DeletePolicy},
    value::Value,
};

#[test]
fn a_log_that_is_heard_again_from_within_a_batch_says_nothing_new() {
    let mut world = contact_in(World::new(2).class(Class::Log));
    // Somebody tries another state and takes it back, and one batch tells of both.
    edit(&mut world, "A", "status=S1");
    edit(&mut world, "A", "status=S0");
    world.scan("A");
    let told = world.history.last().cloned().unwrap_or_default();
    assert!(matches!(told.as_slice(), [Input::Change(_), Input::Change(_)]));
    world.decide(&told[..1]);
    assert!(!world.kinds().contains(&AuditKind::Changed), "nobody did anything since");
}

#[test]
fn a_webhook_that_was_overtaken_by_a_poll_of_the_same_values_says_nothing_new() {
    let mut world = contact_in(World::new(2).class(Class::Versioned));
    let told = |world: &mut World, values: &str, version: u128| {
        edit(world, "A", values);
        world.observe(A, version)
    };
    let first = told(&mut world, "status=S0", 1);
    world.poll_of(first);
    let missed = told(&mut world, "status=S1", 2);
    // Polls never showed the state in between; its webhook comes last.
    let back = told(&mut world, "status=S0", 3);
    world.poll_of(back);
    world.decide(&[Input::Push(missed)]);
    assert!(!world.kinds().contains(&AuditKind::Changed), "nobody did anything since");
    let order = world.group().root.link(A).and_then(|link| link.order);
    assert_eq!(order, Some(Order::Version(3)));
}

#[test]
fn a_poll_of_a_copy_that_lags_behind_brings_back_no_row_that_is_gone() {
    let mut world = contact_in(World::new(2).class(Class::Versioned));
    let before = world.observe(A, 1);
    world.poll_of(before.clone());
    let key = only(&world, "A");
    world.delete("A", &key);
    world.scan("A");
    world.poll_of(before);
    assert!(!world.kinds().contains(&AuditKind::Revived), "{:?}", world.kinds());
    assert_eq!(world.living(), 0);
}

#[test]
fn of_two_states_within_one_time_neither_is_known_to_be_newer_and_the_row_is_read() {
    let mut world = contact_in(World::new(2).class(Class::Versioned));
    edit(&mut world, "A", "phone=P1");
    let first = world.observe(A, 7);
    world.poll_of(first);
    edit(&mut world, "A", "phone=P2");
    let second = world.observe(A, 7);
    let asked = world.decide(&[Input::Push(second)]);
    assert!(matches!(asked.as_slice(), [Effect::Read { .. }]), "{asked:?}");
    world.settle(asked);
    world.run();
    assert!(world.show("B").ends_with("N0 E0 P2 S0"), "{}", world.show("B"));
}

#[test]
fn a_webhook_with_a_version_is_no_news_of_a_row_that_was_read_without_one() {
    let mut world = contact_in(World::new(2).class(Class::Plain));
    edit(&mut world, "A", "phone=P1");
    let told = world.observe(A, 7);
    edit(&mut world, "A", "phone=P2");
    world.scan("A");
    let asked = world.decide(&[Input::Push(told)]);
    assert!(matches!(asked.as_slice(), [Effect::Read { .. }]), "{asked:?}");
    world.settle(asked);
    world.run();
    assert!(world.show("B").ends_with("N0 E0 P2 S0"), "{}", world.show("B"));
}

/// A contact that B's users deleted while A's edited it, and the key that its row in B had.
fn moved() -> (World, String) {
    let mut world = contact_in(World::new(2).class(Class::Log));
    let old = only(&world, "B");
    world.delete("B", &old);
    world.scan("B");
    edit(&mut world, "A", "email=E9");
    world.run();
    assert_ne!(only(&world, "B"), old);
    (world, old)
}

#[test]
fn a_log_that_is_heard_again_brings_back_no_row_under_a_key_that_it_once_had() {
    let (mut world, _) = moved();
    // Under its old key the record was called otherwise: its values would not tell whose row it was.
    world.replay();
    assert_eq!(world.groups().count(), 1);
    assert_eq!((world.keys("A").len(), world.keys("B").len()), (1, 1));
}

#[test]
fn a_key_that_a_record_once_had_is_free_for_another() {
    let (mut world, old) = moved();
    world.insert("B", &old, "name=N1 email=E1 phone=P1 status=S1");
    world.run();
    assert_eq!(world.living(), 2);
    assert!(world.show("A").contains("N1 E1 P1 S1"), "{}", world.show("A"));
    world.replay();
    world.run();
    assert_eq!((world.living(), world.groups().count()), (2, 2));
}

#[test]
fn a_webhook_that_comes_between_our_write_and_its_answer_waits_for_it() {
    let mut world = contact_in(World::new(2).class(Class::Versioned));
    edit(&mut world, "A", "phone=P1");
    world.scan("A");
    let groups = world.plan_writes("B", Cycles::Wait);
    let mut answers = Vec::new();
    for (system, group) in &groups {
        answers.extend(world.execute(*system, group));
    }
    // Who edits now has seen what we wrote, although the hub does not know yet that it is there.
    edit(&mut world, "B", "phone=P2");
    let told = world.observe(B, 3);
    let asked = world.decide(&[Input::Push(told)]);
    world.hear(&answers);
    world.settle(asked);
    world.run();
    assert!(world.show("A").ends_with("N0 E0 P2 S0"), "{}", world.show("A"));
    assert!(world.losers().is_empty(), "{:?}", world.losers());
}

#[test]
fn of_two_looks_within_one_operation_the_later_may_be_the_older_one_and_is_read_again() {
    let mut world = contact_in(World::new(2).class(Class::Plain));
    let began = world.operation();
    edit(&mut world, "A", "phone=P1");
    world.hear_of("A", "a1", 1);
    // Somebody who polled had fetched the row a moment before, and is heard a moment later.
    world.show_old("A", "a1", "name=N0 email=E0 phone=P0 status=S0", began);
    // Nobody looks again before it is written.
    world.apply("B");
    assert!(world.show("B").ends_with("N0 E0 P1 S0"), "{}", world.show("B"));
    world.check_conservation();
}

#[test]
fn what_is_read_by_key_before_a_log_tells_of_it_is_told_once() {
    let mut world = contact_in(World::new(2).class(Class::Log));
    edit(&mut world, "A", "phone=P1");
    edit(&mut world, "A", "phone=P2");
    let binding = world.plan.binding_of(EntityIndex(0), A).unwrap();
    let (key, began) = (world.keys("A")[0].clone(), world.operation());
    world.hear(&[Input::Unseen { binding, key, began }]);
    let mut ahead = world.clone();
    ahead.scan("A");
    for change in ahead.history.last().unwrap() {
        world.decide(std::slice::from_ref(change));
    }
    let changes = world.audit.iter().filter(|event| event.kind == AuditKind::Changed);
    let told: Vec<_> = changes.filter_map(|event| event.after.clone()).collect();
    assert_eq!(told, [Value::text("P1"), Value::text("P2")]);
}

#[test]
fn a_log_that_is_heard_again_says_nothing_new_of_a_row_whose_key_was_given_to_another() {
    let mut world = contact_in(World::new(2).class(Class::Log));
    world.plan.entities[0].deletes = DeletePolicy::Ignore;
    world.delete("A", "a1");
    world.scan("A");
    edit(&mut world, "B", "name=N1");
    world.scan("B");
    world.insert("A", "a1", "name=N9 email=E9 phone=P9 status=S9");
    let mut ahead = world.clone();
    ahead.scan("A");
    let is_it = |inputs: &&Vec<Input>| matches!(inputs.as_slice(), [Input::Change(_)]);
    let told = ahead.history.iter().rfind(is_it).cloned().unwrap();
    // Whose it is must be asked first; the process dies before that.
    world.decide(&told);
    world.replay();
    world.run();
    assert!(world.losers().is_empty(), "{:?}", world.losers());
    assert!(world.show("B").contains("N1 E0"), "{}", world.show("B"));
}

#[test]
fn a_key_of_which_a_log_has_not_told_yet_that_its_row_is_gone_is_that_of_our_new_row() {
    let mut world = contact_in(World::new(2).class(Class::Log));
    world.delete("B", &only(&world.clone(), "B"));
    world.insert("A", "a2", "name=N2 email=E2 phone=P2 status=S2");
    world.scan("A");
    // Their system makes the same key again.
    world.next_key -= 1;
    world.apply("B");
    world.run();
    assert_eq!((world.groups().count(), world.codes().len()), (2, 0));
    for system in ["A", "B"] {
        assert!(world.show(system).ends_with("N2 E2 P2 S2"), "{system}: {}", world.show(system));
    }
}
