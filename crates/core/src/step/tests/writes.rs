//! Loops, writes that fail, references and lists.

use super::{
    A, B, EMAIL, check, contact, contact_in, edit, only,
    world::{Weather, World, entity},
};
use crate::{
    change::{Command, Cycles, Effect, Input, Outcome, PartKey, RolledBack},
    commit::{AuditEvent, AuditKind, Disposition},
    name::{EntityIndex, FieldIndex},
    plan::Class,
    value::Value,
};

#[test]
fn our_write_coming_back_is_no_change() {
    // L1
    let mut world = contact();
    edit(&mut world, "A", "phone=P1");
    check(&mut world, "N0 E0 P1 S0");
    assert_eq!(world.written("A"), 0);
}

#[test]
fn an_edit_on_top_of_our_write_flows() {
    // L2
    for class in [Class::Plain, Class::Log, Class::Marked] {
        let mut world = contact_in(World::new(3).class(class));
        edit(&mut world, "A", "phone=P1");
        world.scan("A");
        world.apply("B");
        edit(&mut world, "B", "email=E9");
        check(&mut world, "N0 E9 P1 S0");
        assert_eq!(world.written("A"), 1);
    }
}

#[test]
fn a_new_row_in_the_place_of_another_is_not_linked_and_stops_nobody() {
    for class in [Class::Plain, Class::Log, Class::Marked] {
        let mut world = World::new(2).class(class);
        for number in 0..3 {
            let values = format!("name=N{number} email=E{number} phone=P{number} status=S0");
            world.insert("A", &format!("a{number}"), &values);
        }
        world.scan("A");
        world.replaces = true;
        world.apply("B");
        // Where there is a log, it tells.
        world.scan("B");
        assert_eq!(world.codes(), ["write.key_not_unique"; 2], "{class:?}");
        assert_eq!(world.keys("B").len(), 1, "{class:?}");
    }
}

#[test]
fn a_key_that_went_to_another_row_is_not_waited_for_by_a_record_that_lives_again() {
    for class in [Class::Plain, Class::Marked, Class::Versioned] {
        let mut world = World::new(2).class(class);
        world.insert("A", "a0", "name=N0 email=E0 phone=P0 status=S0");
        world.scan("A");
        world.apply("B");
        world.delete("B", "n101");
        world.set("A", "a0", "phone=P9");
        world.scan("B");
        world.scan("A");
        let lost = world.plan_writes("B", Cycles::Wait);
        world.next_key = 100;
        world.insert("A", "a1", "name=N1 email=E1 phone=P1 status=S1");
        world.scan("A");
        world.weather.insert(B, Weather::WriteLost);
        for (system, group) in lost {
            let answers = world.execute(system, &group);
            world.next_key = 100;
            let effects = world.decide(&answers);
            world.settle(effects);
        }
        world.apply("B");
        world.later(60);
        world.run();
        assert_eq!(world.keys("B").len(), 2, "{class:?}: {}", world.hub());
    }
}

#[test]
fn what_changes_is_planned_with_it_where_a_system_can_be_written_at_once() {
    let mut world = contact();
    world.carried_to = vec![B];
    world.set("A", "a1", "phone=P1");
    let row = world.observe(A, 1);
    let began = world.operation();
    let effects = world.decide(&[Input::Polled { row, began }]);
    let to: Vec<_> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Write { system, group } => Some((*system, group.writes.len())),
            Effect::Read { .. }
            | Effect::ReadMarks { .. }
            | Effect::Again(_)
            | Effect::Later { .. }
            | Effect::BlockedOn { .. } => None,
        })
        .collect();
    assert_eq!(to, [(B, 1)]);
    let link = world.group().root.link(B).unwrap();
    assert_eq!(link.unresolved.len(), 1, "it is on record, in the same commit");
}

#[test]
fn deletes_are_not_planned_with_what_they_come_from() {
    let mut world = contact();
    world.carried_to = vec![B];
    world.delete("A", "a1");
    world.scan("A");
    assert!(world.group().root.link(B).unwrap().unresolved.is_empty());
    assert_eq!(world.keys("B").len(), 1);
    assert_eq!(world.apply("B"), 1, "its writer finds it");
}

fn upper(value: &Value) -> Value {
    if let Value::Text(text) = value { Value::text(text.to_uppercase()) } else { value.clone() }
}

#[test]
fn a_system_that_rewrites_what_it_is_given_is_let_alone() {
    // L4, L5
    for class in [Class::Plain, Class::Log, Class::Marked] {
        let mut world = World::new(3).class(class);
        world.rewrites.insert((B, FieldIndex(0)), upper);
        let mut world = contact_in(world);
        edit(&mut world, "A", "name=Ana");
        world.run();
        assert!(world.show("A").ends_with("Ana E0 P0 S0"));
        assert!(world.show("B").ends_with("ANA E0 P0 S0"));
        assert_eq!(world.written("A"), 0, "{class:?}");
        edit(&mut world, "B", "name=MARIA");
        check(&mut world, "MARIA E0 P0 S0");
    }
}

#[test]
fn a_write_whose_answer_was_lost_is_not_made_twice() {
    // W1, L9
    for class in [Class::Plain, Class::Marked, Class::Log] {
        let mut world = World::new(2).class(class);
        world.insert("A", "a1", "name=N0 email=E0 phone=P0 status=S0");
        world.weather.insert(B, Weather::AnswerLost);
        for _ in 0..4 {
            world.cycle();
            world.later(10);
        }
        world.run();
        assert_eq!(only(&world, "A"), "a1", "{class:?}");
        assert!(world.show("B").ends_with("N0 E0 P0 S0"), "{class:?}");
        assert_eq!(world.keys("B").len(), 1, "{class:?}");
        assert_eq!(world.living(), 1, "{class:?}");
    }
}

#[test]
fn a_row_with_our_mark_is_ours_although_its_record_moved_on() {
    let mut world = World::new(2).class(Class::Log);
    world.insert("A", "a1", "name=N0 email=E0 phone=P0 status=S0");
    world.scan("A");
    world.weather.insert(B, Weather::AnswerLost);
    world.apply("B");
    world.set("A", "a1", "email=E9");
    world.scan("A");
    world.run();
    assert!(world.show("B").ends_with("N0 E9 P0 S0"), "{}", world.show("B"));
    assert_eq!((world.keys("B").len(), world.groups().count()), (1, 1));
}

#[test]
fn a_row_in_doubt_is_its_records_although_that_is_called_otherwise_by_now() {
    for class in [Class::Plain, Class::Marked] {
        let mut world = World::new(2).class(class);
        world.insert("A", "a1", "name=N0 email=E0 phone=P0 status=S0");
        world.scan("A");
        world.weather.insert(B, Weather::AnswerLost);
        world.apply("B");
        world.set("A", "a1", "email=E9");
        world.scan("A");
        world.run();
        assert!(world.show("B").ends_with("N0 E9 P0 S0"), "{class:?}: {}", world.show("B"));
        assert_eq!((world.keys("A").len(), world.keys("B").len()), (1, 1), "{class:?}");
        assert_eq!(world.groups().count(), 1, "{class:?}");
    }
}

#[test]
fn a_row_in_doubt_is_not_taken_for_that_of_a_record_which_took_its_name() {
    let mut world = contact_in(World::new(2));
    world.insert("A", "a2", "name=N2 email=E2 phone=P2 status=S2");
    world.scan("A");
    world.weather.insert(B, Weather::AnswerLost);
    world.apply("B");
    let first = world.keys("B")[0].to_string();
    world.delete("B", &first);
    world.set("A", "a1", "email=E2");
    world.set("A", "a2", "email=E0");
    world.scan("A");
    world.scan("B");
    let is_edit = |event: &AuditEvent| event.system == Some(B) && event.kind == AuditKind::Changed;
    assert!(!world.audit.iter().any(is_edit), "nobody in B changed anything");
    world.run();
    let images = world.images("contact");
    assert_eq!(images[0], images[1]);
    assert_eq!((world.living(), world.keys("B").len()), (2, 2));
}

#[test]
fn who_comes_while_our_delete_comes_back_is_somebody_new() {
    let mut world = contact_in(World::new(2).class(Class::Log));
    world.delete("A", "a1");
    world.scan("A");
    world.apply("B");
    world.insert("B", "b9", "name=N9 email=E0 phone=P9 status=S9");
    world.run();
    assert!(world.show("A").ends_with("N9 E0 P9 S9"), "{}", world.show("A"));
    assert_eq!(world.show("B"), "b9: N9 E0 P9 S9");
}

#[test]
fn an_insert_answered_after_it_was_given_up_is_made_again() {
    let mut world = World::new(2).class(Class::Log);
    world.insert("A", "a1", "name=N0 email=E0 phone=P0 status=S0");
    world.scan("A");
    let groups = world.plan_writes("B", Cycles::Wait);
    world.crash();
    for write in groups.iter().flat_map(|(_, group)| &group.writes) {
        let outcome = Outcome::Retry { reason: "deadlock".into() };
        let (record, intent) = (write.record, write.intent);
        world.decide(&[Input::WriteDone { record, intent, outcome }]);
    }
    check_two(&mut world, "N0 E0 P0 S0");
}

#[track_caller]
fn check_two(world: &mut World, expected: &str) {
    world.run();
    for system in ["A", "B"] {
        assert!(world.show(system).ends_with(expected), "in {system}: {}", world.show(system));
    }
}

#[test]
fn a_write_that_was_lost_is_made_again() {
    for class in [Class::Plain, Class::Marked] {
        for values in ["phone=P1", "delete"] {
            let mut world = contact_in(World::new(2).class(class));
            match values {
                "delete" => world.delete("A", "a1"),
                values => world.set("A", "a1", values),
            }
            world.weather.insert(B, Weather::WriteLost);
            for _ in 0..4 {
                world.cycle();
                world.later(10);
            }
            world.run();
            let expected = if values == "delete" { "" } else { "N0 E0 P1 S0" };
            assert!(world.show("B").ends_with(expected), "{class:?} {values}");
            assert_eq!(world.keys("B").len(), usize::from(values != "delete"));
        }
    }
}

#[test]
fn a_crash_between_a_write_and_its_answer_repeats_nothing() {
    // W2, L9
    for class in [Class::Plain, Class::Marked] {
        let mut world = contact_in(World::new(3).class(class));
        edit(&mut world, "A", "phone=P1");
        world.scan("A");
        for (system, group) in world.plan_writes("B", Cycles::Wait) {
            world.execute(system, &group);
        }
        world.poll("B");
        world.crash();
        check(&mut world, "N0 E0 P1 S0");
        assert_eq!([world.written("B"), world.written("C")], [1, 1], "{class:?}");
    }
}

#[test]
fn a_refused_write_waits_for_a_change_or_a_person() {
    // W4
    let mut world = contact();
    world.refuses.push((B, Value::text("P1")));
    edit(&mut world, "A", "phone=P1");
    world.run();
    assert_eq!(world.codes(), ["write.value_too_long"]);
    assert_eq!(world.written("B"), 1, "not tried again");
    assert!(world.show("C").contains("P1"));
    world.refuses.clear();
    let record = world.group().id;
    world.command(Command::Retry { record, system: B });
    check(&mut world, "N0 E0 P1 S0");
    assert!(world.codes().is_empty());
}

#[test]
fn a_refused_write_is_tried_again_when_the_record_changes() {
    let mut world = contact();
    world.refuses.push((B, Value::text("P1")));
    edit(&mut world, "A", "phone=P1");
    world.run();
    edit(&mut world, "A", "phone=P2");
    check(&mut world, "N0 E0 P2 S0");
    assert!(world.codes().is_empty());
}

fn orders() -> World {
    let contact = entity("contact", &["name", "email", "phone", "status"], 1);
    let mut order = entity("order", &["number", "customer"], 0);
    order.fields[1].reference = Some(EntityIndex(0));
    World::of(2, vec![contact, order])
}

#[test]
fn a_child_waits_for_its_parent_and_follows_by_itself() {
    // W5
    let mut world = orders();
    world.insert("A.order", "o1", "number=1 customer=a1");
    world.run();
    assert_eq!(world.codes(), ["write.parent_missing"]);
    assert_eq!(world.show("B.order"), "");
    world.insert("A", "a1", "name=N0 email=E0 phone=P0 status=S0");
    world.run();
    assert!(world.codes().is_empty(), "{:?}", world.codes());
    let customer = only(&world, "B");
    assert!(world.show("B.order").ends_with(&format!("1 {customer}")), "{}", world.show("B.order"));
}

#[test]
fn references_to_each_other_are_written_in_two_steps() {
    // W6
    let mut person = entity("person", &["login", "boss"], 0);
    person.fields[1].reference = Some(EntityIndex(0));
    let mut world = World::of(2, vec![person]);
    world.insert("A", "p1", "login=x boss=p2");
    world.insert("A", "p2", "login=y boss=p1");
    world.insert("A", "p3", "login=z boss=p3");
    world.run();
    assert!(world.codes().is_empty(), "{:?}", world.codes());
    let rows = world.show("B");
    assert_eq!(rows.lines().count(), 3);
    let key_of = |login: &str| {
        let line = rows.lines().find(|line| line.contains(&format!(": {login} "))).unwrap();
        let (key, rest) = line.split_once(": ").unwrap();
        (key.to_owned(), rest.split_once(' ').unwrap().1.to_owned())
    };
    assert_eq!(key_of("x").1, key_of("y").0);
    assert_eq!(key_of("y").1, key_of("x").0);
    assert_eq!(key_of("z").1, key_of("z").0);
}

#[test]
fn a_swap_of_unique_values_is_one_group() {
    // W7
    let mut world = World::new(3);
    world.unique.push(EMAIL);
    world.insert("A", "a1", "name=N1 email=E1 phone=P1 status=S0");
    world.insert("A", "a2", "name=N2 email=E2 phone=P2 status=S0");
    world.run();
    world.set("A", "a1", "email=E2");
    world.set("A", "a2", "email=E1");
    world.run();
    for system in ["B", "C"] {
        let rows = world.show(system);
        assert!(rows.contains("N1 E2 P1") && rows.contains("N2 E1 P2"), "{rows}");
    }
    assert_eq!(world.living(), 2);
    assert!(world.codes().is_empty(), "{:?}", world.codes());
}

#[test]
fn who_wants_a_value_of_two_that_exchange_theirs_does_not_hold_them_up() {
    let mut world = World::new(3);
    world.unique = vec![EMAIL];
    for number in 1..=3 {
        let values = format!("name=N{number} email=E{number} phone=P{number} status=S0");
        world.insert("A", &format!("a{number}"), &values);
    }
    world.run();
    let in_c = world.keys("C").iter().map(ToString::to_string).collect::<Vec<_>>();
    world.set("C", &in_c[0], "email=E2");
    world.set("C", &in_c[1], "email=E1");
    world.set("A", "a2", "email=E3");
    world.set("A", "a3", "email=E2");
    world.scan("A");
    world.scan("C");
    world.apply("B");
    assert!(world.show("B").contains("N2 E3 P2 S0"), "{}", world.show("B"));
    assert!(world.show("B").contains("N3 E2 P3 S0"), "{}", world.show("B"));
    assert!(world.codes().contains(&"write.unique_conflict"));
}

#[test]
fn a_chain_of_unique_values_is_written_in_order() {
    let mut world = World::new(2);
    world.unique.push(EMAIL);
    world.insert("A", "a1", "name=N1 email=E1 phone=P1 status=S0");
    world.insert("A", "a2", "name=N2 email=E2 phone=P2 status=S0");
    world.run();
    world.set("A", "a2", "email=E3");
    world.set("A", "a1", "email=E2");
    world.run();
    let rows = world.show("B");
    assert!(rows.contains("N1 E2 P1") && rows.contains("N2 E3 P2"), "{rows}");
}

#[test]
fn rows_created_on_both_sides_become_one_record() {
    // W8
    let mut world = World::new(3);
    world.unique.push(EMAIL);
    world.insert("A", "a1", "name=NA email=E0 phone=- status=S0");
    world.scan("A");
    world.insert("B", "b1", "name=NB email=E0 phone=PB status=S0");
    world.apply("B");
    check(&mut world, "NA E0 PB S0");
    assert_eq!(world.living(), 1);
}

#[test]
fn an_unrelated_holder_of_a_unique_value_is_not_touched() {
    // W9
    let mut world = World::new(2);
    world.unique.push(EMAIL);
    world.insert("A", "a1", "name=N1 email=E1 phone=P1 status=S0");
    world.insert("B", "b9", "name=N9 email=E9 phone=P9 status=S0");
    world.run();
    // The same record in A has the value too; in B only the unrelated row does.
    let nine = world.keys("A").into_iter().map(|key| key.to_string()).find(|key| key != "a1");
    world.unique.clear();
    world.set("A", "a1", "email=E9");
    world.unique.push(EMAIL);
    world.run();
    assert!(nine.is_some());
    assert!(world.show("B").contains("b9: N9 E9 P9 S0"), "{}", world.show("B"));
    assert_eq!(world.codes(), ["write.unique_conflict"]);
    let related: Vec<_> = world.quarantine.values().flat_map(|(_, related)| related).collect();
    assert_eq!(related.len(), 1, "it names the holder");
}

#[test]
fn a_match_key_that_changes_is_an_edit() {
    // I6
    let mut world = contact();
    edit(&mut world, "A", "email=E9");
    check(&mut world, "N0 E9 P0 S0");
    assert_eq!(world.groups().count(), 1);
}

#[test]
fn a_key_used_again_for_somebody_else_is_a_new_record() {
    // I8
    let mut world = contact();
    world.delete("A", "a1");
    world.run();
    world.insert("A", "a1", "name=N9 email=E9 phone=P9 status=S0");
    check(&mut world, "N9 E9 P9 S0");
    assert_eq!(world.groups().count(), 2);
    assert_eq!(world.living(), 1);
}

#[test]
fn a_key_used_again_for_a_row_of_ours_is_that_of_its_record() {
    let mut world = contact_in(World::new(2).class(Class::Log));
    let next_key = world.next_key - 1;
    world.delete("A", "a1");
    world.run();
    world.insert("A", "a2", "name=N2 email=E2 phone=P2 status=S2");
    world.scan("A");
    world.next_key = next_key;
    world.apply("B");
    world.insert("A", "a3", "name=N3 email=E0 phone=P3 status=S3");
    world.scan("A");
    let (system, group) = world.plan_writes("B", Cycles::Wait).remove(0);
    world.scan("B");
    let answers = world.execute(system, &group);
    world.hear(&answers);
    world.run();
    let images = world.images("contact");
    assert_eq!(images[0], images[1]);
    let links = world.groups().flat_map(|group| &group.root.links);
    assert!(links.into_iter().all(|link| link.is_settled() && link.is_present()));
    assert_eq!((world.living(), world.keys("B").len()), (2, 2));
}

#[test]
fn a_key_used_again_for_a_moment_makes_no_record() {
    // One batch of a log tells of the new row, which is put off, and that it is gone.
    let mut world = contact_in(World::new(2).class(Class::Log));
    world.delete("A", "a1");
    world.run();
    world.insert("A", "a1", "name=N9 email=E9 phone=P9 status=S9");
    world.delete("A", "a1");
    world.run();
    assert_eq!((world.living(), world.keys("A").len(), world.keys("B").len()), (0, 0, 0));
}

#[test]
fn a_key_used_again_for_the_same_is_a_new_incarnation() {
    let mut world = contact();
    world.delete("A", "a1");
    world.run();
    world.insert("A", "a1", "name=N1 email=E0 phone=P1 status=S0");
    check(&mut world, "N1 E0 P1 S0");
    assert_eq!(world.group().incarnation, 2);
}

#[test]
fn an_old_row_brings_nothing_back() {
    let mut world = contact();
    let began = world.operation();
    edit(&mut world, "B", "phone=P1");
    world.run();
    world.show_old("A", "a1", "name=N0 email=E0 phone=P0 status=S0", began);
    check(&mut world, "N0 E0 P1 S0");
    let _ = (A, Disposition::NoOp);
}

fn order_with_lines() -> World {
    let order = {
        let mut order = entity("order", &["number", "note"], 0);
        order.lists = vec![EntityIndex(1)];
        order
    };
    let mut line = entity("order.lines", &["sku", "qty"], 0);
    line.parent = Some(EntityIndex(0));
    let mut world = World::of(3, vec![order, line]);
    world.insert("A", "o1", "number=1 note=x");
    world.insert("A.order.lines", "l1", "^=o1 sku=S1 qty=1");
    world.insert("A.order.lines", "l2", "^=o1 sku=S2 qty=2");
    world.run();
    world
}

#[test]
fn lines_travel_with_their_order() {
    // D16
    let mut world = order_with_lines();
    let order = only(&world, "B");
    let rows = world.show("B.order.lines");
    assert!(rows.contains(&format!("S1 1 ^{order}")) && rows.contains(&format!("S2 2 ^{order}")));
    world.set("A.order.lines", "l1", "qty=5");
    let line = world.keys("C.order.lines")[1].to_string();
    world.set("C.order.lines", &line, "qty=7");
    world.delete("A.order.lines", "l2");
    world.insert("A.order.lines", "l3", "^=o1 sku=S3 qty=3");
    world.reset_counts();
    world.run();
    let of = |system: &str| {
        let rows = world.show(&format!("{system}.order.lines"));
        let mut rows: Vec<String> = rows
            .lines()
            .map(|line| {
                let (_, rest) = line.split_once(": ").unwrap();
                rest.split_once(" ^").unwrap().0.to_owned()
            })
            .collect();
        rows.sort();
        rows
    };
    assert_eq!(of("A"), of("B"));
    assert_eq!(of("A"), of("C"));
    assert!(of("A").contains(&"S3 3".to_owned()) && of("A").contains(&"S1 5".to_owned()));
    world.delete("A.order.lines", "l1");
    for key in world.keys("A.order.lines") {
        world.delete("A.order.lines", &key.to_string());
    }
    world.delete("A", "o1");
    world.run();
    for place in ["A", "B", "C", "A.order.lines", "B.order.lines", "C.order.lines"] {
        assert_eq!(world.show(place), "", "{place}");
    }
}

#[test]
fn the_fate_of_a_new_row_is_told_by_its_mark_although_nobody_knows_its_key() {
    for weather in [Weather::AnswerLost, Weather::WriteLost] {
        for crashes in [false, true] {
            let mut world = World::new(2).class(Class::Marked);
            world.insert("A", "a1", "name=N0 email=E0 phone=P0 status=S0");
            world.scan("A");
            if crashes {
                for (system, group) in world.plan_writes("B", Cycles::Wait) {
                    world.weather.insert(B, weather);
                    world.execute(system, &group);
                }
                world.crash();
            } else {
                world.weather.insert(B, weather);
            }
            world.apply("B");
            let case = format!("{weather:?}, crashes: {crashes}");
            assert!(world.show("B").ends_with("N0 E0 P0 S0"), "{case}: {}", world.show("B"));
            let link = world.group().root.link(B).unwrap();
            assert!(link.is_settled() && link.is_present(), "{case}: {link:?}");
            assert_eq!(world.keys("B").len(), 1, "{case}");
            let sent = if weather == Weather::AnswerLost { 1 } else { 2 };
            assert_eq!(world.written("B"), sent, "{case}");
            world.run();
            assert_eq!(world.written("B"), sent, "{case}");
        }
    }
}

#[test]
fn a_new_row_that_was_changed_before_its_mark_was_read_is_ours_and_the_change_is_not() {
    let mut world = World::new(2).class(Class::Marked);
    world.insert("A", "a1", "name=N0 email=E0 phone=P0 status=S0");
    world.scan("A");
    for (system, group) in world.plan_writes("B", Cycles::Wait) {
        world.execute(system, &group);
    }
    let there = only(&world, "B");
    world.set("B", &there, "email=E9 phone=P9");
    world.crash();
    check_two(&mut world, "N0 E9 P9 S0");
    assert_eq!(world.groups().count(), 1);
}

#[test]
fn a_new_row_of_a_marked_system_is_asked_about_however_late() {
    let mut world = World::new(2).class(Class::Marked);
    world.insert("A", "a1", "name=N0 email=E0 phone=P0 status=S0");
    world.scan("A");
    world.weather.insert(B, Weather::AnswerLost);
    for (system, group) in world.plan_writes("B", Cycles::Wait) {
        let answers = world.execute(system, &group);
        // What the hub asks now is answered by nobody.
        world.decide(&answers);
    }
    world.set("A", "a1", "name=N1");
    world.later(10);
    check_two(&mut world, "N1 E0 P0 S0");
    assert_eq!(world.keys("B").len(), 1);
    assert!(world.losers().is_empty(), "our own row is no edit: {:?}", world.losers());
}

#[test]
fn what_a_failed_precondition_shows_has_no_version_and_is_read_again() {
    let mut world = contact_in(World::new(2).class(Class::Versioned));
    let row = only(&world, "B");
    edit(&mut world, "A", "name=N2");
    world.scan("A");
    world.set("B", &row, "name=N7");
    let (system, group) = world.plan_writes("B", Cycles::Wait).remove(0);
    let answers = world.execute(system, &group);
    let asked = world.decide(&answers);
    assert!(asked.iter().any(|effect| matches!(effect, Effect::Read { .. })), "{asked:?}");
    assert!(!world.kinds().contains(&AuditKind::Lost), "N7 counts once its version is known");
    world.settle(asked);
    assert!(world.kinds().contains(&AuditKind::Lost));
}

#[test]
fn a_row_that_a_restored_hub_has_forgotten_to_have_made_is_somebodys() {
    let mut world = World::new(2).class(Class::Log);
    world.insert_forgotten("B", "b1", "name=N0 email=E0 phone=P0 status=S0");
    world.run();
    assert!(world.show("A").ends_with("N0 E0 P0 S0"), "{}", world.show("A"));
    assert_eq!((world.living(), world.groups().count()), (1, 1));
}

#[test]
fn the_lines_of_an_order_stay_where_a_rollback_leaves_it() {
    let mut world = order_with_lines();
    let (record, after_version) = (world.group().id, world.group().root.exists.version);
    let rolled =
        RolledBack { field: None, before: Value::Bool(false), after_version, keeps: vec![A] };
    let (part, who) = (PartKey::Root, "a steward".into());
    world.command(Command::Rollback { record, part, fields: vec![rolled], who });
    world.run();
    assert_eq!(["A", "B", "C"].map(|it| world.keys(&format!("{it}.order.lines")).len()), [2, 0, 0]);
}
