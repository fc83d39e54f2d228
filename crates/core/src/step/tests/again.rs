//! What is heard again, or late, is no news.

use super::{A, contact_in, edit, world::World};
use crate::{
    change::{Input, Order},
    commit::AuditKind,
    plan::Class,
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
