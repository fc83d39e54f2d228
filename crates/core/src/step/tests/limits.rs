//! Users who change more than they may in a while.

use super::world::{World, entity};
use crate::{
    change::Command,
    commit::AuditKind,
    group::Excess,
    name::{RecordId, SystemIndex},
    tally::PerUser,
};

/// Contacts in three systems, each of whose users may change two in an hour.
fn limited(contacts: usize) -> World {
    let mut world = World::of(3, vec![entity("contact", &["name", "phone"], 0)]);
    for at in 0..contacts {
        world.insert("A", &format!("a{at}"), &format!("name=N{at} phone=P0"));
    }
    world.run();
    world.reset_counts();
    world.with(|plan| {
        for binding in &mut plan.bindings {
            binding.per_user = Some(PerUser { changes: 2, window_ms: 3_600_000 });
        }
    })
}

fn edit(world: &mut World, user: &str, contact: usize, phone: &str) {
    world.user = Some(user.into());
    world.set("A", &format!("a{contact}"), &format!("phone={phone}"));
}

fn phones(world: &World, system: &str) -> String {
    let shown = world.show(system);
    let mut rows: Vec<&str> =
        shown.lines().filter_map(|row| row.split_once(": ")).map(|it| it.1).collect();
    rows.sort_unstable();
    rows.iter().filter_map(|row| row.split(' ').nth(1)).collect::<Vec<_>>().join(" ")
}

fn held(world: &World) -> Vec<RecordId> {
    world.groups().filter(|group| !group.excess.is_empty()).map(|group| group.id).collect()
}

#[test]
fn the_excess_of_one_user_is_held_and_everybody_else_goes_on() {
    let mut world = limited(5);
    for contact in 0..4 {
        edit(&mut world, "u", contact, "P1");
    }
    edit(&mut world, "v", 4, "P2");
    world.run();
    assert_eq!(phones(&world, "B"), "P1 P1 P0 P0 P2");
    assert_eq!(world.codes(), ["limit.user", "limit.user"]);
    assert_eq!(world.audit.iter().filter(|event| event.kind == AuditKind::Held).count(), 2);
    // Another user of another system, and time, change nothing about what is held.
    world.later(61);
    world.run();
    assert_eq!((phones(&world, "B"), held(&world).len()), ("P1 P1 P0 P0 P2".to_owned(), 2));
    // Nothing of it is lost, and after the hour there is room again.
    edit(&mut world, "u", 4, "P3");
    world.run();
    assert_eq!((phones(&world, "C"), held(&world).len()), ("P1 P1 P0 P0 P3".to_owned(), 2));
    world.check_conservation();
}

#[test]
fn a_new_row_beyond_the_limit_is_created_nowhere() {
    let mut world = limited(0);
    world.user = Some("u".into());
    for at in 0..3 {
        world.insert("A", &format!("a{at}"), &format!("name=N{at} phone=P0"));
    }
    world.run();
    assert_eq!((world.keys("B").len(), held(&world).len()), (2, 1));
}

#[test]
fn what_a_person_lets_through_goes_on_and_nothing_else() {
    let mut world = limited(4);
    for contact in 0..4 {
        edit(&mut world, "u", contact, "P1");
    }
    world.run();
    let records = held(&world);
    let excess = Excess { system: SystemIndex(0), user: "u".into() };
    let admit = |record| Command::Admit { record, excess: excess.clone(), who: "lena".into() };
    world.command(admit(records[0]));
    world.run();
    assert_eq!(
        (phones(&world, "B"), world.codes()),
        ("P1 P1 P1 P0".to_owned(), vec!["limit.user"])
    );
    world.command(admit(records[1]));
    world.run();
    assert_eq!((phones(&world, "C"), world.codes()), ("P1 P1 P1 P1".to_owned(), Vec::new()));
}

#[test]
fn a_held_record_that_others_edit_waits_with_all_it_holds() {
    let mut world = limited(3);
    for contact in 0..3 {
        edit(&mut world, "u", contact, "P1");
    }
    world.run();
    let record = held(&world)[0];
    edit(&mut world, "v", 2, "P2");
    world.run();
    assert_eq!(phones(&world, "B"), "P1 P1 P0");
    let excess = Excess { system: SystemIndex(0), user: "u".into() };
    world.command(Command::Admit { record, excess, who: "lena".into() });
    world.run();
    assert_eq!(phones(&world, "B"), "P1 P1 P2");
}

#[test]
fn what_our_own_writes_bring_back_counts_for_nobody() {
    let mut world = limited(1);
    world.user = Some("u".into());
    for phone in ["P1", "P2"] {
        edit(&mut world, "u", 0, phone);
        world.run();
        world.run();
    }
    assert_eq!((phones(&world, "C"), held(&world).len()), ("P2".to_owned(), 0));
}
