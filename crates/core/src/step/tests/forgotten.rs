//! What a restored hub has forgotten to have written, and learns again from logs.

use super::{
    B, contact_in, counter_in, edit,
    world::{Weather, World},
};
use crate::{
    change::{Cycles, Input, RestoreChoice, Restored},
    plan::{Class, DeleteConflict},
};

/// A stock that was counted in B, and of which the hub has forgotten that it copied it to A.
fn forgotten(counted_in_a: &str) -> World {
    let mut world = counter_in(2, Class::Log);
    world.insert_forgotten("A", "a1", "sku=X count=-3");
    if !counted_in_a.is_empty() {
        world.set("A", "a1", counted_in_a);
    }
    world.insert("B", "b1", "sku=X count=0");
    world.set("B", "b1", "count=-3");
    world
}

#[test]
fn what_a_restored_hub_has_forgotten_to_have_copied_speaks_for_nobody() {
    for (in_a, sum) in [("", "X -3"), ("count=1", "X 1")] {
        let mut world = forgotten(in_a);
        world.relearns = true;
        world.scan("A");
        world.scan("B");
        assert_eq!(world.living(), 1, "its original has spoken");
        world.relearns = false;
        // All logs are heard a second time.
        world.replay();
        world.run();
        assert_eq!((world.living(), world.groups().count()), (1, 1));
        for system in ["A", "B"] {
            assert!(world.show(system).ends_with(sum), "{in_a}: {}", world.show(system));
        }
    }
}

#[test]
fn a_copy_whose_original_is_gone_is_somebodys_once_all_logs_were_heard() {
    let mut world = counter_in(2, Class::Log);
    world.insert_forgotten("A", "a1", "sku=X count=2");
    world.set("A", "a1", "count=5");
    world.relearns = true;
    world.scan("A");
    world.apply("A");
    assert_eq!((world.living(), world.keys("A").len()), (0, 1), "nothing is decided yet");
    world.relearns = false;
    world.replay();
    world.run();
    assert!(world.show("B").ends_with("X 5"), "{}", world.show("B"));
}

/// Everything is learnt again, in the order of the systems, until nothing more is learnt by it.
fn learn_again(world: &mut World) {
    world.relearns = true;
    world.scan("A");
    world.scan("B");
    world.replay();
    world.replay();
    world.relearns = false;
    world.replay();
    world.run();
}

#[test]
fn whoever_changed_what_a_restored_hub_had_written_there_had_seen_it() {
    let mut world = World::new(2).class(Class::Log);
    world.insert("B", "b1", "name=N0 email=E0 phone=P0 status=S0");
    world.insert_forgotten("A", "a1", "name=N0 email=E0 phone=P0 status=S0");
    world.set("A", "a1", "name=N1");
    world.set_forgotten("B", "b1", "name=N1");
    world.set("B", "b1", "name=N2");
    // The hub is restored to before all that.
    learn_again(&mut world);
    assert!(world.losers().is_empty(), "{:?}", world.losers());
    assert!(world.show("A").ends_with("N2 E0 P0 S0"), "{}", world.show("A"));
    assert_eq!(world.images("contact")[0], world.images("contact")[1]);
}

#[test]
fn whoever_changed_a_copy_that_a_restored_hub_had_made_had_seen_it_whoever_was_heard_first() {
    let mut world = World::new(2).class(Class::Log);
    world.insert("A", "a1", "name=N0 email=E0 phone=P0 status=S0");
    world.set("A", "a1", "name=N1");
    world.insert_forgotten("B", "b1", "name=N1 email=E0 phone=P0 status=S0");
    world.set("B", "b1", "name=N2");
    learn_again(&mut world);
    assert!(world.losers().is_empty(), "{:?}", world.losers());
    assert!(world.show("A").ends_with("N2 E0 P0 S0"), "{}", world.show("A"));
}

#[test]
fn a_copy_of_what_was_deleted_shows_what_the_hub_holds() {
    let mut world = World::new(2)
        .class(Class::Log)
        .with(|plan| plan.entities[0].delete_conflict = DeleteConflict::UpdateWins);
    world.insert("A", "a1", "name=N0 email=E0 phone=P0 status=S0");
    world.scan("A");
    // What follows, the hub has forgotten.
    world.insert_forgotten("B", "b1", "name=N0 email=E0 phone=P0 status=S0");
    world.set("B", "b1", "name=N1");
    world.delete("A", "a1");
    learn_again(&mut world);
    assert!(!world.losers().contains(&"B N1".to_owned()), "{:?}", world.losers());
    for system in ["A", "B"] {
        assert!(world.show(system).ends_with("N1 E0 P0 S0"), "{system}: {}", world.show(system));
    }
}

#[test]
fn a_write_that_was_on_its_way_when_the_hub_was_saved_and_never_came_is_made_again() {
    let mut world = contact_in(World::new(2).class(Class::Log));
    edit(&mut world, "A", "phone=P1");
    world.scan("A");
    for (system, group) in world.plan_writes("B", Cycles::Wait) {
        world.weather.insert(B, Weather::WriteLost);
        world.execute(system, &group);
    }
    world.crash();
    let record = world.group().id;
    let restored = Restored { system: None, record, choice: RestoreChoice::Accept };
    world.hear(&[Input::Restored(restored)]);
    world.later(10);
    world.run();
    assert!(world.show("B").ends_with("N0 E0 P1 S0"), "{}", world.show("B"));
}
