//! Any edits, any interleaving, any weather: it comes to rest, and all systems agree.

use proptest::prelude::*;

use super::world::{Weather, World};
use crate::{change::Cycles, plan::Class};

/// Something that happens.
#[derive(Clone, Debug)]
enum Move {
    Insert(u8, u8),
    Edit(u8, u8, u8, u8),
    Delete(u8, u8),
    Scan(u8),
    Apply(u8),
    Weather(u8, bool),
    CrashInWrite(u8),
    Wait,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        3 => (0..3u8, 0..4u8).prop_map(|(system, who)| Move::Insert(system, who)),
        6 => (0..3u8, 0..4u8, 0..4u8, 0..9u8)
            .prop_map(|(system, row, field, value)| Move::Edit(system, row, field, value)),
        2 => (0..3u8, 0..4u8).prop_map(|(system, row)| Move::Delete(system, row)),
        4 => (0..3u8).prop_map(Move::Scan),
        4 => (0..3u8).prop_map(Move::Apply),
        1 => (0..3u8, any::<bool>()).prop_map(|(system, kept)| Move::Weather(system, kept)),
        1 => (0..3u8).prop_map(Move::CrashInWrite),
        1 => Just(Move::Wait),
    ];
    prop::collection::vec(one, 1..24)
}

/// Whether a system takes a second row with the same address.
#[derive(Clone, Copy, PartialEq)]
enum Addresses {
    Unique,
    Doubled,
}

fn play(systems: usize, class: Class, moves: &[Move], addresses: Addresses) -> World {
    let mut world = World::new(systems).class(class).with(|plan| {
        // People here edit faster than people do.
        plan.entities[0].guards.loop_reflexes = 1_000;
    });
    if addresses == Addresses::Unique {
        world.unique.push(super::EMAIL);
    }
    let names = ["A", "B", "C"];
    let name = |at: u8| names[usize::from(at) % systems];
    let mut created = 0;
    for one in moves {
        world.later(1);
        match one {
            Move::Insert(system, who) => {
                let email = format!("email=E{who} ");
                let is_there = world.show(name(*system)).contains(&format!(" E{who} "));
                if is_there && addresses == Addresses::Unique {
                    continue;
                }
                created += 1;
                let values = format!("name=N{created} {email}phone=P{created} status=S0");
                world.insert(name(*system), &format!("k{created}"), &values);
            }
            Move::Edit(system, row, field, value) => {
                let keys = world.keys(name(*system));
                let Some(key) = keys.get(usize::from(*row) % keys.len().max(1)) else { continue };
                let field = ["name", "phone", "status", "phone"][usize::from(*field)];
                world.set(name(*system), &key.to_string(), &format!("{field}=V{value}"));
            }
            Move::Delete(system, row) => {
                let keys = world.keys(name(*system));
                let Some(key) = keys.get(usize::from(*row) % keys.len().max(1)) else { continue };
                world.delete(name(*system), &key.to_string());
            }
            Move::Scan(system) => world.scan(name(*system)),
            Move::Apply(system) => {
                world.apply(name(*system));
            }
            Move::Weather(system, kept) => {
                let weather = if *kept { Weather::AnswerLost } else { Weather::WriteLost };
                let system = world.system(name(*system));
                world.weather.insert(system, weather);
            }
            Move::CrashInWrite(system) => {
                for (system, group) in world.plan_writes(name(*system), Cycles::Wait) {
                    world.execute(system, &group);
                }
                world.crash();
            }
            Move::Wait => world.later(5),
        }
    }
    world.weather.clear();
    // Calm: what is in doubt is settled, what may heal is tried again.
    for _ in 0..6 {
        world.cycle();
        world.later(70);
    }
    world.run();
    world
}

/// They converge, and hearing everything once more changes nothing.
#[track_caller]
fn converged(systems: usize, class: Class, moves: &[Move]) {
    let mut world = play(systems, class, moves, Addresses::Unique);
    let images = world.images("contact");
    if world.quarantine.is_empty() {
        for (image, name) in images.iter().zip(["A", "B", "C"]) {
            assert_eq!(image, &images[0], "{name} differs from A\n{}", world.show(name));
        }
    }
    let before = world.hub();
    world.replay();
    assert_eq!(world.hub(), before, "after everything was heard twice");
}

/// Rows of one system with one address wait. Once people have taken out all but one of each, they
/// converge, and nobody waits any more.
#[track_caller]
fn untangled(systems: usize, class: Class, moves: &[Move]) {
    let mut world = play(systems, class, moves, Addresses::Doubled);
    let names = &["A", "B", "C"][..systems];
    for name in names {
        let mut seen = std::collections::BTreeSet::new();
        for key in world.keys(name) {
            let key = key.to_string();
            if !seen.insert(world.value(name, &key, super::EMAIL).to_string()) {
                world.delete(name, &key);
            }
        }
    }
    // What was lost meanwhile is given up after a while.
    for _ in 0..3 {
        world.cycle();
        world.later(10);
    }
    world.run();
    let waiting = world.codes();
    assert!(waiting.is_empty(), "{waiting:?}");
    for (image, name) in world.images("contact").iter().zip(names) {
        assert_eq!(image, &world.images("contact")[0], "{name} differs from A");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn plain_systems_converge(moves in moves(), systems in 2..=3usize) {
        converged(systems, Class::Plain, &moves);
    }

    #[test]
    fn marked_systems_converge(moves in moves(), systems in 2..=3usize) {
        converged(systems, Class::Marked, &moves);
    }

    #[test]
    fn systems_with_logs_converge(moves in moves(), systems in 2..=3usize) {
        converged(systems, Class::Log, &moves);
    }

    #[test]
    fn rows_with_one_address_are_untangled(
        moves in moves(),
        systems in 2..=3usize,
        class in prop_oneof![Just(Class::Plain), Just(Class::Marked)],
    ) {
        untangled(systems, class, &moves);
    }
}

#[test]
fn a_row_that_comes_and_goes_while_another_goes_is_heard_once() {
    // The insert into A meets k3 and links it; then the log of A tells that k1 came and went, and
    // that k3 is gone.
    let moves = [
        Move::Insert(0, 1),
        Move::Delete(0, 0),
        Move::Insert(1, 1),
        Move::Insert(0, 1),
        Move::Scan(1),
        Move::Apply(2),
        Move::Delete(2, 0),
    ];
    converged(2, Class::Log, &moves);
}

#[test]
fn a_row_whose_rival_is_gone_is_linked_once_our_lost_insert_is_given_up() {
    let moves = [
        Move::Weather(0, false),
        Move::Insert(1, 0),
        Move::Scan(1),
        Move::Insert(2, 0),
        Move::Insert(2, 0),
        Move::Apply(2),
    ];
    untangled(2, Class::Log, &moves);
}
