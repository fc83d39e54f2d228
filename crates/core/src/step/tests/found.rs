//! What drawn worlds found, each as short as it can be told.

use super::{
    A, B, EMAIL, active_only, check, contact_in, edit, only,
    world::{Weather, World, entity},
};
use crate::{
    change::{Cycles, Effect, Input, RestoreChoice, Restored},
    commit::AuditKind,
    group::Author,
    name::{EntityIndex, FieldIndex, SystemIndex},
    plan::{Class, OnLeave},
    value::Value,
};

const NAME: FieldIndex = FieldIndex(0);
const C: SystemIndex = SystemIndex(2);

fn upper(value: &Value) -> Value {
    if let Value::Text(text) = value { Value::text(text.to_uppercase()) } else { value.clone() }
}

#[test]
fn whoever_edits_a_row_that_was_let_go_of_has_seen_what_it_showed() {
    let mut world = active_only(World::new(2)).with(|plan| {
        for binding in &mut plan.bindings {
            binding.on_leave = OnLeave::Detach;
        }
    });
    world.rewrites.insert((B, NAME), upper);
    world.insert("A", "a1", "name=ana email=E0 phone=P0 status=active");
    world.run();
    for status in ["status=internal", "status=active"] {
        edit(&mut world, "A", status);
        world.scan("A");
    }
    edit(&mut world, "B", "name=EVA");
    world.run();
    assert!(world.show("A").ends_with("EVA E0 P0 active"), "{}", world.show("A"));
    assert!(world.losers().is_empty(), "{:?}", world.losers());
}

#[test]
fn a_restored_hub_hears_no_change_of_a_log_as_news_that_it_had_heard() {
    let mut world = contact_in(World::new(2).class(Class::Log));
    edit(&mut world, "A", "phone=P1");
    world.scan("A");
    let told = world.history.last().cloned().unwrap_or_default();
    edit(&mut world, "A", "phone=P2");
    world.run();
    let record = world.group().id;
    let restored = Restored { system: None, record, choice: RestoreChoice::Accept };
    world.hear(&[Input::Restored(restored)]);
    world.reset_counts();
    world.hear(&told);
    assert!(!world.kinds().contains(&AuditKind::Changed), "it had heard of that");
}

#[test]
fn what_is_read_by_key_does_not_say_how_far_a_log_was_heard() {
    let mut world = contact_in(World::new(2).class(Class::Log));
    edit(&mut world, "A", "phone=P1");
    world.scan("A");
    let told = world.history.last().cloned().unwrap_or_default();
    edit(&mut world, "A", "phone=P2");
    let binding = world.plan.binding_of(EntityIndex(0), A).unwrap();
    let (key, began) = (world.keys("A")[0].clone(), world.operation());
    world.hear(&[Input::Unseen { binding, key, began }]);
    world.reset_counts();
    world.hear(&told);
    assert!(!world.kinds().contains(&AuditKind::Changed), "it is old");
}

#[test]
fn a_row_that_no_log_has_told_of_is_not_read_for_the_value_that_it_holds() {
    let mut world = World::new(2).class(Class::Log);
    world.unique = vec![EMAIL];
    world.insert("A", "a1", "name=N0 email=E0 phone=P0 status=S0");
    world.scan("A");
    world.insert("B", "b1", "name=N1 email=E0 phone=P1 status=S1");
    for (system, group) in world.plan_writes("B", Cycles::Wait) {
        let answers = world.execute(system, &group);
        let asked = world.decide(&answers);
        let is_read = |effect: &Effect| matches!(effect, Effect::Read { .. });
        assert!(!asked.iter().any(is_read), "the log says whose it is, and since when");
    }
    world.run();
    world.later(5);
    world.run();
    assert_eq!((world.living(), world.groups().count()), (1, 1));
    assert_eq!(world.images("contact")[0], world.images("contact")[1]);
}

#[test]
fn a_row_of_ours_that_came_late_is_no_news_when_a_log_is_not_all_that_is_read() {
    let mut world = World::new(2).class(Class::Log);
    world.insert("A", "a1", "name=N0 email=E0 phone=P0 status=S0");
    world.scan("A");
    let sent = world.plan_writes("B", Cycles::Wait);
    world.crash();
    world.insert("B", "b1", "name=N0 email=E0 phone=P0 status=S0");
    world.scan("B");
    world.set("B", "b1", "email=E1");
    for (system, group) in sent {
        world.execute(system, &group);
    }
    world.scan("B");
    assert_eq!(world.codes(), ["match.ambiguous"]);
    // The log has told whose it is; what a poll shows of it tells less.
    world.poll("B");
    assert_eq!(world.groups().count(), 1, "{}", world.hub());
}

#[test]
fn conflicts_over_different_values_are_told_apart_although_nobody_had_agreed_on_any() {
    let mut world = World::new(4);
    world.insert("A", "a1", "name=N1 email=E0 phone=P0 status=S0");
    world.scan("A");
    world.apply("C");
    world.insert("B", "b1", "name=N2 email=E0 phone=P0 status=S0");
    world.scan("B");
    edit(&mut world, "C", "name=N3");
    world.scan("C");
    world.insert("D", "d1", "name=N4 email=E0 phone=P0 status=S0");
    world.scan("D");
    assert_eq!(world.losers(), ["B N2", "D N4"], "A, who stands first, lost nothing");
    let winners: Vec<Author> = world.conflicts.values().map(|entry| entry.winner).collect();
    assert_eq!(winners, [Author::System(A), Author::System(C)]);
}

#[test]
fn who_replaced_a_winner_had_seen_him_and_competes_with_others() {
    let mut world = World::new(4);
    world.insert("D", "d1", "name=N1 email=E0 phone=P0 status=S0");
    world.scan("D");
    world.insert("A", "a1", "name=N2 email=E0 phone=P0 status=S0");
    world.scan("A");
    world.apply("C");
    world.insert("B", "b1", "name=N3 email=E0 phone=P0 status=S0");
    world.scan("B");
    edit(&mut world, "C", "name=N4");
    world.scan("C");
    edit(&mut world, "D", "name=N5");
    world.scan("D");
    assert_eq!(world.losers(), ["B N3", "D N1", "D N5"], "A lost against nobody");
    let winners: Vec<Author> = world.conflicts.values().map(|entry| entry.winner).collect();
    assert_eq!(winners, [Author::System(A), Author::System(A), Author::System(C)]);
}

/// Orders and their lines in two systems.
fn orders(class: Class) -> World {
    let mut order = entity("order", &["number", "note"], 0);
    order.lists = vec![EntityIndex(1)];
    let mut line = entity("order.lines", &["sku", "qty"], 0);
    line.parent = Some(EntityIndex(0));
    World::of(2, vec![order, line]).class(class)
}

#[test]
fn a_line_under_the_key_of_one_that_is_gone_hangs_where_its_row_does() {
    for class in [Class::Plain, Class::Marked, Class::Log] {
        let mut world = orders(class);
        for number in ["1", "2"] {
            world.insert("A", &format!("o{number}"), &format!("number={number} note=x"));
        }
        world.insert("A.order.lines", "l1", "^=o1 sku=S1 qty=1");
        world.run();
        world.delete("A.order.lines", "l1");
        world.run();
        world.insert("A.order.lines", "l1", "^=o2 sku=S1 qty=2");
        world.run();
        let orders = world.show("B");
        let second = orders.lines().find(|row| row.contains(": 2 ")).unwrap_or_default();
        let key = second.split_once(": ").map_or("", |(key, _)| key);
        let lines = world.show("B.order.lines");
        assert!(lines.ends_with(&format!("S1 2 ^{key}")), "{class:?}: {orders}, {lines}");
    }
}

#[test]
fn a_line_that_is_made_again_in_an_order_that_is_gone_is_no_record() {
    let mut world = orders(Class::Plain);
    world.insert("A", "o1", "number=1 note=x");
    world.insert("A.order.lines", "l1", "^=o1 sku=S1 qty=1");
    world.run();
    world.delete("A.order.lines", "l1");
    world.delete("A", "o1");
    world.scan("A");
    let (order, line) = (only(&world, "B"), world.keys("B.order.lines")[0].to_string());
    world.delete("B.order.lines", &line);
    world.insert("B.order.lines", "l9", &format!("^={order} sku=S1 qty=9"));
    world.scan("B");
    assert_eq!(world.groups().count(), 1);
}

/// An order with one line in two systems with logs.
fn order_in_logs() -> World {
    let mut world = orders(Class::Log);
    world.insert("A", "o1", "number=1 note=x");
    world.insert("A.order.lines", "l1", "^=o1 sku=S1 qty=1");
    world.run();
    world
}

#[test]
fn a_line_that_was_given_the_key_of_one_that_is_gone_is_that_line() {
    let mut world = order_in_logs();
    let line = world.keys("B.order.lines")[0].to_string();
    world.delete("B.order.lines", &line);
    world.run();
    world.insert("A.order.lines", "l2", "^=o1 sku=S2 qty=2");
    world.scan("A");
    // Their system makes the same key again.
    world.next_key -= 1;
    world.run();
    assert_eq!(world.keys("B.order.lines")[0].to_string(), line);
    world.replay();
    world.run();
    assert!(world.show("B.order.lines").contains("S2 2"), "{}", world.show("B.order.lines"));
    world.delete("A.order.lines", "l2");
    world.run();
    assert_eq!(world.show("B.order.lines"), "");
}

#[test]
fn a_line_that_takes_the_key_of_one_that_goes_with_the_same_write_is_that_line() {
    let mut world = order_in_logs();
    let line = world.keys("B.order.lines")[0].to_string();
    world.delete("A.order.lines", "l1");
    world.insert("A.order.lines", "l2", "^=o1 sku=S2 qty=2");
    world.scan("A");
    world.next_key -= 1;
    world.run();
    assert_eq!(world.keys("B.order.lines")[0].to_string(), line);
    world.delete("A.order.lines", "l2");
    world.run();
    assert_eq!(world.show("B.order.lines"), "");
}

#[test]
fn our_insert_that_comes_late_is_no_move_of_the_row_that_was_there_meanwhile() {
    let mut world = World::new(2);
    world.insert("A", "a1", "name=N0 email=E0 phone=P0 status=S0");
    world.scan("A");
    let sent = world.plan_writes("B", Cycles::Wait);
    world.crash();
    world.insert("B", "b1", "name=N0 email=E0 phone=P1 status=S0");
    world.scan("B");
    world.delete("B", "b1");
    for (system, group) in sent {
        world.execute(system, &group);
    }
    world.run();
    assert!(!world.kinds().contains(&AuditKind::Rekeyed), "nobody moved it");
    let told = world.audit.iter().filter(|event| event.kind == AuditKind::Changed);
    assert_eq!(told.count(), 0, "what we wrote is nobody's edit");
}

#[test]
fn a_key_that_a_mark_tells_of_is_no_longer_that_of_a_row_that_is_gone() {
    let mut world = contact_in(World::new(2).class(Class::Marked));
    world.delete("B", &only(&world.clone(), "B"));
    world.run();
    world.insert("A", "a2", "name=N2 email=E2 phone=P2 status=S2");
    world.scan("A");
    // Their system makes the same key again; its row goes before anybody has read it.
    world.next_key -= 1;
    for (system, group) in world.plan_writes("B", Cycles::Wait) {
        world.execute(system, &group);
    }
    world.delete("B", &only(&world.clone(), "B"));
    world.crash();
    world.run();
    assert_eq!((world.show("A"), world.show("B")), (String::new(), String::new()));
}

#[test]
fn a_row_in_doubt_that_was_edited_is_that_of_whose_it_shows_most() {
    let mut world = contact_in(World::new(2).class(Class::Versioned));
    let old = only(&world, "B");
    world.insert("A", "a2", "name=N2 email=E2 phone=P2 status=S2");
    world.scan("A");
    for (system, group) in world.plan_writes("B", Cycles::Wait) {
        world.execute(system, &group);
    }
    world.crash();
    world.set("A", "a1", "email=E2");
    world.set("A", "a2", "email=E0");
    world.scan("A");
    world.delete("B", &old);
    let new = only(&world, "B");
    world.set("B", &new, "status=S9");
    world.scan("B");
    assert!(!world.kinds().contains(&AuditKind::Rekeyed), "{}", world.hub());
    world.later(10);
    world.run();
    for system in ["A", "B"] {
        let shown = world.show(system);
        assert!(shown.contains("N2 E0 P2") && shown.contains("N0 E2 P0"), "{system}: {shown}");
    }
}

#[test]
fn a_row_in_doubt_of_a_deleted_record_is_not_that_of_a_living_one_which_took_its_name() {
    let mut world = contact_in(World::new(2).class(Class::Versioned));
    let old = only(&world, "B");
    world.insert("A", "a2", "name=N2 email=E2 phone=P2 status=S2");
    world.scan("A");
    for (system, group) in world.plan_writes("B", Cycles::Wait) {
        world.execute(system, &group);
    }
    world.crash();
    world.delete("A", "a2");
    world.set("A", "a1", "email=E2");
    world.scan("A");
    world.delete("B", &old);
    world.scan("B");
    assert!(!world.kinds().contains(&AuditKind::Rekeyed), "{}", world.hub());
    world.later(10);
    world.run();
    assert!(world.show("A").ends_with("N0 E2 P0 S0"), "{}", world.show("A"));
    assert_eq!((world.keys("B").len(), world.living()), (1, 1));
}

#[test]
fn of_two_inserts_in_doubt_each_row_is_that_of_its_mark_whoever_is_called_so_by_now() {
    let mut world = World::new(2).class(Class::Marked);
    world.insert("A", "a1", "name=N1 email=E1 phone=P1 status=S0");
    world.insert("A", "a2", "name=N2 email=E2 phone=P2 status=S0");
    world.scan("A");
    for (system, group) in world.plan_writes("B", Cycles::Wait) {
        world.weather.insert(B, Weather::AnswerLost);
        let answers = world.execute(system, &group);
        // What the hub asks now is answered by nobody.
        world.decide(&answers);
    }
    world.set("A", "a1", "email=E2");
    world.set("A", "a2", "email=E1");
    world.scan("A");
    let first = world.keys("B")[0].to_string();
    world.set("B", &first, "status=S9");
    world.scan("B");
    world.run();
    assert_eq!((world.keys("B").len(), world.living()), (2, 2));
    assert!(world.show("A").contains("N1 E2 P1 S9"), "{}", world.show("A"));
    assert_eq!(world.images("contact")[0].len(), world.images("contact")[1].len());
}

#[test]
fn writes_that_reach_a_system_twice_are_in_doubt_together() {
    let mut world = World::new(2).with(|plan| plan.systems[1].path_retries = true);
    world.unique = vec![EMAIL];
    for number in ["1", "2"] {
        let values = format!("name=N{number} email=E{number} phone=P{number} status=S0");
        world.insert("A", &format!("a{number}"), &values);
    }
    world.run();
    world.reset_counts();
    world.set("A", "a1", "email=E2 phone=P8");
    world.set("A", "a2", "email=E1 phone=P9");
    // They exchange their addresses in A, too: one after the other would not be let through.
    world.scan("A");
    for _ in 0..4 {
        for (system, group) in world.plan_writes("B", Cycles::Wait) {
            let mut answers = world.execute(system, &group);
            if group.writes.len() == 2 {
                answers = world.execute(system, &group);
            }
            world.decide(&answers);
        }
    }
    world.set("A", "a1", "phone=P10");
    world.set("A", "a2", "phone=P11");
    world.scan("A");
    world.later(10);
    world.run();
    assert!(world.losers().is_empty(), "{:?}", world.losers());
    assert!(world.show("A").contains("N1 E2 P10") && world.show("A").contains("N2 E1 P11"));
}

#[test]
fn whoever_edits_again_what_was_lost_with_its_record_had_seen_what_the_hub_holds() {
    let mut world = World::new(3);
    world.insert("B", "b1", "name=N0 email=E0 phone=P0 status=S0");
    world.run();
    world.reset_counts();
    edit(&mut world, "C", "name=N1");
    world.delete("B", "b1");
    world.scan("B");
    world.scan("C");
    // Who stands before whoever deleted it brings it back.
    edit(&mut world, "A", "phone=P1");
    world.scan("A");
    edit(&mut world, "C", "name=N2");
    check(&mut world, "N2 E0 P1 S0");
    assert!(!world.losers().contains(&"C N2".to_owned()), "{:?}", world.losers());
}

#[test]
fn a_row_that_its_record_has_had_for_long_does_not_become_the_rival_of_a_new_one() {
    let mut world = World::new(2).class(Class::Marked);
    world.insert("B", "b1", "name=N0 email=E0 phone=P0 status=S0");
    world.run();
    edit(&mut world, "A", "email=E9");
    world.scan("A");
    for (system, group) in world.plan_writes("B", Cycles::Wait) {
        world.weather.insert(B, Weather::WriteLost);
        let answers = world.execute(system, &group);
        world.decide(&answers);
    }
    world.insert("B", "b2", "name=N5 email=E9 phone=P5 status=S0");
    world.scan("B");
    assert!(!world.kinds().contains(&AuditKind::Unlinked), "{}", world.hub());
    let link = world.group().root.link(B).cloned();
    assert_eq!(link.and_then(|link| link.key).map(|key| key.to_string()), Some("b1".to_owned()));
}

#[test]
fn an_insert_that_reaches_a_system_twice_is_not_refused_by_itself() {
    let mut world = World::new(2).class(Class::Plain);
    world = world.with(|plan| plan.systems[1].path_retries = true);
    world.unique = vec![EMAIL];
    world.insert("A", "a1", "name=N1 email=E1 phone=P1 status=S0");
    world.scan("A");
    for (system, group) in world.plan_writes("B", Cycles::Wait) {
        world.execute(system, &group);
        let answers = world.execute(system, &group);
        // What the hub asks now is answered by nobody.
        world.decide(&answers);
    }
    world.set("A", "a1", "email=E2");
    world.insert("A", "a2", "name=N2 email=E1 phone=P2 status=S0");
    world.scan("A");
    world.run();
    world.later(10);
    world.run();
    assert!(world.losers().is_empty(), "{:?}", world.losers());
    assert_eq!((world.keys("B").len(), world.living()), (2, 2), "{}", world.hub());
    assert_eq!(world.images("contact")[0], world.images("contact")[1]);
}

#[test]
fn three_who_exchange_their_addresses_are_written_together_where_requests_come_twice() {
    for emails in [["E3", "E1", "E2"], ["E2", "E3", "E1"]] {
        let mut world = World::new(2).class(Class::Plain);
        world = world.with(|plan| plan.systems[1].path_retries = true);
        world.unique = vec![EMAIL];
        for number in ["1", "2", "3"] {
            let values = format!("name=N{number} email=E{number} phone=P{number} status=S0");
            world.insert("A", &format!("a{number}"), &values);
        }
        world.run();
        for (name, email) in ["a1", "a2", "a3"].iter().zip(emails) {
            world.set("A", name, &format!("email={email}"));
        }
        for _ in 0..8 {
            world.scan("A");
            world.must_read();
            // Twice in a row, and the answers are heard together.
            for _ in 0..2 {
                let groups = world.plan_writes("B", Cycles::Wait).into_iter();
                let answers = groups.flat_map(|(system, group)| world.execute(system, &group));
                let answers: Vec<Input> = answers.collect();
                world.decide(&answers);
            }
            world.later(10);
        }
        assert_eq!(world.images("contact")[0], world.images("contact")[1], "{}", world.hub());
    }
}

#[test]
fn a_write_that_was_given_up_and_comes_beside_another_is_nobodys_edit() {
    for is_before in [true, false] {
        let mut world = contact_in(World::new(2).class(Class::Plain));
        edit(&mut world, "A", "phone=P1");
        world.scan("A");
        let late = world.plan_writes("B", Cycles::Wait);
        for (system, group) in &late {
            world.weather.insert(B, Weather::WriteLost);
            let answers = world.execute(*system, group);
            world.decide(&answers);
        }
        edit(&mut world, "A", "phone=P0 name=N1");
        world.scan("A");
        world.must_read();
        for (system, group) in world.plan_writes("B", Cycles::Wait) {
            let mut answers = Vec::new();
            if !is_before {
                answers = world.execute(system, &group);
            }
            for (system, group) in &late {
                world.execute(*system, group);
            }
            if is_before {
                answers = world.execute(system, &group);
            }
            world.decide(&answers);
        }
        world.run();
        assert_eq!(world.show("A"), "a1: N1 E0 P0 S0", "{is_before}");
        assert!(world.show("B").ends_with("N1 E0 P0 S0"), "{is_before}: {}", world.show("B"));
    }
}
