//! More scenarios of docs/scenarios.md, told like their neighbours in `tests.rs`.

use super::{
    A, B, PHONE, check, contact, contact_in, edit, newest, only, orders,
    world::{Weather, World, entity, text},
};
use crate::{
    change::{Command, Cycles},
    commit::AuditKind,
    lens::{CellSpec, FieldType, compile},
    name::{EntityIndex, FieldIndex, SystemIndex},
    plan::{Class, DeletePolicy, Policy, SoftValue},
    value::Value,
};

const C: SystemIndex = SystemIndex(2);
const STATUS: FieldIndex = FieldIndex(3);

#[test]
fn a_row_created_in_a_system_that_stands_behind_appears_once_everywhere() {
    // P2
    let mut world = World::new(3);
    world.insert("B", "b1", "name=N0 email=E0 phone=P0 status=S0");
    check(&mut world, "N0 E0 P0 S0");
    assert_eq!([world.written("A"), world.written("B"), world.written("C")], [1, 0, 1]);
}

#[test]
fn a_system_that_was_away_catches_up_while_the_others_stay_current() {
    // P12
    let mut world = contact();
    for phone in ["P1", "P2", "P3"] {
        edit(&mut world, "A", &format!("phone={phone}"));
        world.scan("A");
        world.apply("B");
        assert!(world.show("B").contains(phone));
    }
    assert!(world.show("C").contains("P0"));
    check(&mut world, "N0 E0 P3 S0");
    assert_eq!([world.written("A"), world.written("B"), world.written("C")], [0, 3, 1]);
}

#[test]
fn a_telephone_number_in_two_forms_is_no_difference() {
    // M14
    let phone = FieldType::Phone { region: Some("ES".into()) };
    let lens = |kind: &FieldType| compile(kind, &CellSpec::default(), None).unwrap();
    let mut world = World::new(2).with(|plan| {
        plan.entities[0].fields[PHONE.at()].kind = phone.clone();
        for binding in &mut plan.bindings {
            binding.cells[PHONE.at()].as_mut().unwrap().lens = lens(&phone);
        }
    });
    world.insert("A", "a1", "name=N0 email=E0 phone=+34-600-111-222 status=S0");
    world.insert("B", "b1", "name=N0 email=E0 phone=600111222 status=S0");
    world.run();
    assert_eq!([world.written("A"), world.written("B")], [0, 0]);
    assert_eq!((world.living(), world.losers()), (1, Vec::<String>::new()));
}

#[test]
fn a_row_deleted_softly_goes_elsewhere_and_comes_back_with_its_record() {
    // D15
    let mut world = World::new(2).with(|plan| {
        plan.entities[0].deletes = DeletePolicy::Soft;
        plan.bindings[0].soft_delete =
            Some(vec![("gone".into(), SoftValue::Value(Value::Bool(true)))]);
    });
    world.insert("A", "a1", "name=N0 email=E0 phone=P0 status=S0");
    world.run();
    // The flag is set, then cleared: that is how its reader shows it.
    world.delete("A", "a1");
    world.run();
    assert_eq!(world.show("B"), "");
    world.insert("A", "a1", "name=N0 email=E0 phone=P0 status=S0");
    world.run();
    assert!(world.show("B").ends_with("N0 E0 P0 S0"));
    assert_eq!((world.groups().count(), world.living()), (1, 1), "the same record");
}

#[test]
fn what_a_system_computes_flows_out_of_it_and_never_back() {
    // L7: the last field is computed in B
    let mut world = World::new(3).with(|plan| {
        plan.entities[0].fields[STATUS.at()].from = Some(vec![B]);
        plan.entities[0].fields[STATUS.at()].to = Some(vec![A, C]);
    });
    world.insert("A", "a1", "name=N0 email=E0 phone=P0 status=-");
    world.run();
    edit(&mut world, "B", "status=computed");
    world.run();
    world.reset_counts();
    edit(&mut world, "A", "status=mine");
    world.run();
    for system in ["A", "B", "C"] {
        assert!(world.show(system).ends_with("N0 E0 P0 computed"), "{}", world.show(system));
    }
    assert_eq!([world.written("A"), world.written("B")], [1, 0]);
    assert_eq!(world.losers(), [""; 0]);
    assert!(world.kinds().contains(&AuditKind::Rejected));
}

#[test]
fn what_a_system_computes_for_a_row_of_ours_flows_as_well() {
    // L7
    for class in [Class::Plain, Class::Marked, Class::Log] {
        let mut world = World::new(3).class(class).with(|plan| {
            plan.entities[0].fields[STATUS.at()].from = Some(vec![B]);
            plan.entities[0].fields[STATUS.at()].to = Some(vec![A, C]);
        });
        world.computes.insert((B, STATUS), text("computed"));
        world.insert("A", "a1", "name=N0 email=E0 phone=P0 status=-");
        world.run();
        for system in ["A", "B", "C"] {
            let shown = world.show(system);
            assert!(shown.ends_with("N0 E0 P0 computed"), "{class:?} {system}: {shown}");
        }
        assert_eq!(world.written("B"), 1, "{class:?}");
    }
}

fn short(value: &Value) -> Value {
    if let Value::Text(text) = value {
        Value::text(text.chars().take(4).collect::<String>())
    } else {
        value.clone()
    }
}

#[test]
fn what_a_system_cuts_off_is_cut_off_nowhere_else() {
    // W12
    for class in [Class::Plain, Class::Log, Class::Marked] {
        let mut world = World::new(3).class(class);
        world.rewrites.insert((B, PHONE), short);
        let mut world = contact_in(world);
        edit(&mut world, "A", "phone=P1-long");
        world.run();
        assert!(world.show("A").ends_with("N0 E0 P1-long S0"), "{class:?}");
        assert!(world.show("B").ends_with("N0 E0 P1-l S0"), "{class:?}");
        assert!(world.show("C").ends_with("N0 E0 P1-long S0"), "{class:?}");
        assert_eq!([world.written("A"), world.written("B"), world.written("C")], [0, 1, 1]);
    }
}

#[test]
fn an_order_and_its_lines_are_written_together_or_not_at_all() {
    // W13: one of them is refused, the answer of all is lost, or nothing arrives
    let mut order = entity("order", &["number", "note"], 0);
    order.lists = vec![EntityIndex(1)];
    let mut line = entity("order.lines", &["sku", "qty"], 0);
    line.parent = Some(EntityIndex(0));
    let empty = World::of(2, vec![order, line]);
    for weather in [Weather::Calm, Weather::AnswerLost, Weather::WriteLost] {
        let mut world = empty.clone();
        world.insert("A", "o1", "number=1 note=x");
        world.insert("A.order.lines", "l1", "^=o1 sku=S1 qty=1");
        world.insert("A.order.lines", "l2", "^=o1 sku=S2 qty=2");
        world.scan("A");
        if weather == Weather::Calm {
            world.refuses.push((B, text("S2")));
        }
        world.weather.insert(B, weather);
        world.apply("B");
        let rows = (world.keys("B").len(), world.keys("B.order.lines").len());
        assert!([(0, 0), (1, 2)].contains(&rows), "{weather:?}: {rows:?}");
        world.refuses.clear();
        let record = world.groups().next().unwrap().id;
        world.command(Command::Retry { record, system: B });
        for _ in 0..4 {
            world.cycle();
            world.later(10);
        }
        world.run();
        let rows = (world.keys("B").len(), world.keys("B.order.lines").len());
        assert_eq!(rows, (1, 2), "{weather:?}");
    }
}

#[test]
fn a_first_link_joins_what_is_equal_and_creates_the_rest_once() {
    // I1
    let mut world = World::new(2);
    for number in 0..100 {
        let row = format!("name=N email=E{number} phone=P status=S");
        world.insert("A", &format!("a{number}"), &row);
    }
    for number in 30..110 {
        let row = format!("name=N email=E{number} phone=P status=S");
        world.insert("B", &format!("b{number}"), &row);
    }
    world.run();
    assert_eq!([world.written("A"), world.written("B")], [10, 30]);
    assert_eq!([world.keys("A").len(), world.keys("B").len(), world.living()], [110; 3]);
}

#[test]
fn a_value_too_long_for_one_system_waits_and_the_others_go_on() {
    // S10, S6
    let mut world = contact();
    world.refuses.push((C, text("P-long")));
    edit(&mut world, "A", "phone=P-long");
    world.run();
    assert!(world.show("B").ends_with("N0 E0 P-long S0"));
    assert!(world.show("C").ends_with("N0 E0 P0 S0"));
    assert_eq!(world.codes(), ["write.value_too_long"]);
}

#[test]
fn a_field_that_a_row_does_not_say_is_unchanged_and_null_clears_it() {
    // S7
    let mut world = contact();
    let began = world.operation();
    world.hide("B", PHONE, began);
    check(&mut world, "N0 E0 P0 S0");
    edit(&mut world, "B", "phone=-");
    check(&mut world, "N0 E0 - S0");
}

#[test]
fn texts_that_look_alike_are_kept_as_they_are_and_differ_for_ever_nowhere() {
    // S14
    for same in ["Mu\u{308}ller", "M\u{fc}ller", "\u{1f469}\u{200d}\u{1f469}", "N0\r"] {
        let mut world = contact();
        world.set_value("A", "a1", PHONE, Value::text(same));
        world.set_value("A", "a1", STATUS, Value::text(format!(" {same} ")));
        world.run();
        for system in ["B", "C"] {
            let key = only(&world, system);
            assert_eq!(world.value(system, &key, PHONE), Value::text(same));
            assert_eq!(world.value(system, &key, STATUS), Value::text(format!(" {same} ")));
        }
        assert_eq!([world.written("A"), world.written("B"), world.written("C")], [0, 1, 1]);
    }
}

#[test]
fn replaying_what_was_read_changes_nothing() {
    // F1, F2, I7: an overlapping poll shows the same rows again
    for class in [Class::Plain, Class::Log, Class::Marked] {
        for policy in orders(2) {
            let mut world =
                if policy[0] == 0 { contact_in(World::new(3).class(class)) } else { newest() };
            edit(&mut world, "B", "phone=P1");
            edit(&mut world, "C", "status=S1");
            world.run();
            let before = world.hub();
            world.replay();
            assert_eq!(world.hub(), before, "{class:?}");
            world.run();
            assert_eq!(world.hub(), before, "{class:?}");
        }
    }
}

#[test]
fn a_record_that_comes_back_into_scope_while_its_row_goes_is_created_again() {
    use crate::plan::OnLeave;
    for class in [Class::Plain, Class::Log, Class::Marked] {
        let world = super::active_only(World::new(3)).class(class);
        let mut world = world.with(|plan| {
            for binding in &mut plan.bindings {
                binding.on_leave = OnLeave::Delete;
            }
        });
        world.insert("A", "a1", "name=N0 email=E0 phone=P0 status=active");
        world.run();
        edit(&mut world, "A", "status=internal");
        world.scan("A");
        world.apply("B");
        // Its row in B is gone, which the log of B has not said yet.
        edit(&mut world, "A", "status=active");
        world.scan("A");
        check(&mut world, "N0 E0 P0 active");
        assert_eq!(world.living(), 1, "{class:?}");
    }
}

#[test]
fn a_count_equal_to_our_write_in_doubt_is_counted() {
    // I9: where our writes carry marks, what has none is somebody else's
    for class in [Class::Log, Class::Marked] {
        let mut world = super::counter(class);
        edit(&mut world, "A", "count=90");
        world.scan("A");
        world.weather.insert(B, Weather::WriteLost);
        for (system, group) in world.plan_writes("B", Cycles::Wait) {
            let answers = world.execute(system, &group);
            world.decide(&answers);
        }
        edit(&mut world, "B", "count=90");
        world.scan("B");
        world.later(30);
        check(&mut world, "X 80");
    }
}

#[test]
fn a_row_made_again_is_not_made_twice_when_its_answer_is_lost() {
    // W1: the row that was there before has left its key behind
    for class in [Class::Plain, Class::Marked, Class::Log] {
        let mut world = contact_in(World::new(2).class(class));
        let there = only(&world, "B");
        world.delete("B", &there);
        edit(&mut world, "A", "phone=P1");
        world.scan("B");
        world.scan("A");
        world.weather.insert(B, Weather::AnswerLost);
        world.apply("B");
        for _ in 0..4 {
            world.cycle();
            world.later(10);
        }
        world.run();
        assert_eq!(world.keys("B").len(), 1, "{class:?}");
        assert!(world.show("B").ends_with("N0 E0 P1 S0"), "{class:?}");
        assert_eq!(world.living(), 1, "{class:?}");
    }
}

#[test]
fn a_write_that_meets_a_change_which_the_log_has_told_waits_for_nothing() {
    let mut world = contact_in(World::new(2).class(Class::Log).with(|plan| {
        plan.entities[0].delete_conflict = crate::plan::DeleteConflict::UpdateWins;
    }));
    edit(&mut world, "A", "phone=P1");
    world.scan("A");
    let groups = world.plan_writes("B", Cycles::Wait);
    let there = only(&world, "B");
    world.delete("B", &there);
    let answers: Vec<_> =
        groups.iter().flat_map(|(system, group)| world.execute(*system, group)).collect();
    world.scan("B");
    world.decide(&answers);
    world.run();
    assert!(world.show("B").ends_with("N0 E0 P1 S0"), "{}", world.show("B"));
}

#[test]
fn a_log_heard_again_does_not_bring_back_a_row_that_had_another_address() {
    // I7: a row came, was given another address, and went; then the log is heard from the
    // beginning, all at once
    let mut world = World::new(2).class(Class::Log);
    world.insert("A", "a1", "name=N0 email=E0 phone=P0 status=S0");
    world.scan("A");
    world.set("A", "a1", "email=E1");
    world.scan("A");
    world.run();
    world.delete("A", "a1");
    world.run();
    assert_eq!((world.living(), world.keys("B").len()), (0, 0));
    let heard = world.history.concat();
    let effects = world.decide(&heard);
    world.settle(effects);
    world.run();
    assert_eq!((world.living(), world.keys("B").len()), (0, 0));
}

#[test]
fn who_joins_a_conflict_does_not_bring_back_what_another_has_changed_since() {
    // I2: A and B disagree, A changes its mind, and a third row of the same person is found
    let mut world = World::new(3).with(|plan| plan.entities[0].fields[2].policy = Policy::Manual);
    world.insert("A", "a1", "name=N0 email=E0 phone=P1 status=S0");
    world.insert("B", "b1", "name=N0 email=E0 phone=P2 status=S0");
    world.scan("A");
    world.scan("B");
    world.set("A", "a1", "phone=P3");
    world.scan("A");
    world.insert("C", "c1", "name=N0 email=E0 phone=P4 status=S0");
    world.scan("C");
    let candidates = world.open.values().next().unwrap();
    let values: Vec<String> = candidates.iter().map(|it| it.value.to_string()).collect();
    assert_eq!(values, ["P3", "P2", "P4"]);
}

#[test]
fn our_own_row_that_comes_when_the_record_has_another_is_set_aside() {
    let mut world = World::new(2).class(Class::Log);
    world.insert("A", "a1", "name=N0 email=E0 phone=P0 status=S0");
    world.scan("A");
    let groups = world.plan_writes("B", Cycles::Wait);
    world.crash();
    // Somebody enters the same person, who then gets another address; then our insert arrives.
    world.insert("B", "b1", "name=N0 email=E0 phone=P0 status=S0");
    world.scan("B");
    world.set("B", "b1", "email=E1");
    world.scan("B");
    for (system, group) in groups {
        world.execute(system, &group);
    }
    world.run();
    assert_eq!(world.codes(), ["match.ambiguous"]);
    assert_eq!((world.keys("B").len(), world.groups().count()), (2, 1));
}

#[test]
fn a_row_read_before_our_write_and_heard_after_it_is_read_again() {
    // I3: the poll began before the write, and nothing has been read since
    let mut world = contact_in(World::new(2));
    let began = world.operation();
    edit(&mut world, "A", "phone=P1");
    world.scan("A");
    world.apply("B");
    let there = only(&world, "B");
    world.show_old("B", &there, "name=N0 email=E0 phone=P0 status=S0", began);
    assert_eq!(world.group().root.cells[PHONE.at()].value, text("P1"));
    world.run();
    assert!(world.show("A").ends_with("N0 E0 P1 S0"), "{}", world.show("A"));
    assert!(world.show("B").ends_with("N0 E0 P1 S0"), "{}", world.show("B"));
}

#[test]
fn an_answer_that_a_later_look_has_overtaken_brings_nothing_back() {
    // I3: the row is read, then edited and looked at; what was read is heard last
    let mut world = contact_in(World::new(2));
    let began = world.operation();
    edit(&mut world, "A", "phone=P1");
    world.scan("A");
    world.apply("B");
    let there = only(&world, "B");
    let answers =
        world.show_old_and_read("B", &there, "name=N0 email=E0 phone=P0 status=S0", began);
    edit(&mut world, "B", "phone=P2");
    world.scan("B");
    world.hear(&answers);
    assert_eq!(world.group().root.cells[PHONE.at()].value, text("P2"));
}

#[test]
fn our_write_whose_answer_was_lost_is_no_edit_when_the_record_has_moved_on() {
    // I3: the system that was written stands first, and would win
    let mut world = contact_in(World::new(2));
    edit(&mut world, "B", "phone=P1");
    world.scan("B");
    world.weather.insert(A, Weather::AnswerLost);
    for (system, group) in world.plan_writes("A", Cycles::Wait) {
        let answers = world.execute(system, &group);
        world.decide(&answers);
    }
    edit(&mut world, "B", "phone=P2");
    world.scan("B");
    world.scan("A");
    world.later(10);
    world.run();
    assert!(world.show("A").ends_with("N0 E0 P2 S0"), "{}", world.show("A"));
    assert!(world.show("B").ends_with("N0 E0 P2 S0"), "{}", world.show("B"));
    assert_eq!(world.losers(), [""; 0]);
}
