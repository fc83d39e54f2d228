//! Values that mean nothing: they keep back their own field, and nothing else.

use super::{World, contact_in, edit};
use crate::{
    change::{Command, PartKey, RolledBack},
    lens::{self, CellSpec, FieldType},
    name::FieldIndex,
    plan::{Class, Plan, Unit},
};

const STATUS: FieldIndex = FieldIndex(3);
const CLASSES: [Class; 5] =
    [Class::Log, Class::Marked, Class::Versioned, Class::Plain, Class::Blind];

/// Two contacts' systems of a class, in step; B knows the states S0 and S1 and no other.
fn pair(class: Class) -> World {
    pair_with(class, |_| {})
}

fn pair_with(class: Class, change: impl FnOnce(&mut Plan)) -> World {
    contact_in(apart(class, change))
}

fn apart(class: Class, change: impl FnOnce(&mut Plan)) -> World {
    let states = |plan: &mut Plan| {
        let known =
            ["S0", "S1"].map(|state| (super::world::text(state), vec![super::world::text(state)]));
        let spec = CellSpec { values: Some(known.to_vec()), ..CellSpec::default() };
        let lens = lens::compile(&FieldType::Any, &spec, None).unwrap();
        plan.bindings[1].cells[3].as_mut().unwrap().lens = lens;
        change(plan);
    };
    World::new(2).class(class).with(states)
}

#[test]
fn the_other_fields_of_its_row_go_on_both_ways() {
    for class in CLASSES {
        let mut world = pair(class);
        edit(&mut world, "B", "status=? name=N1");
        world.run();
        edit(&mut world, "A", "phone=P1");
        world.run();
        assert_eq!(world.codes(), ["map.unknown_value"], "{class:?}");
        assert_eq!(world.show("A"), "a1: N1 E0 P1 S0", "{class:?}");
        assert!(world.show("B").ends_with("N1 E0 P1 ?"), "{class:?}: {}", world.show("B"));
    }
}

#[test]
fn it_is_not_written_over_and_mended_it_is_merged_like_any_edit() {
    for (class, mended, everywhere) in CLASSES.iter().flat_map(|class| {
        // What another system said meanwhile: A stands first and wins what both changed.
        [(*class, "S1", "S1"), (*class, "S0", "S1")]
    }) {
        let mut world = pair(class);
        edit(&mut world, "B", "status=?");
        world.run();
        edit(&mut world, "A", "status=S1");
        world.run();
        assert!(world.show("B").ends_with("P0 ?"), "{class:?}: {}", world.show("B"));
        assert_eq!(world.codes(), ["map.unknown_value"], "{class:?}");

        edit(&mut world, "B", &format!("status={mended}"));
        world.run();
        assert_eq!(world.codes(), Vec::<&str>::new(), "{class:?}");
        for system in ["A", "B"] {
            assert!(world.show(system).ends_with(everywhere), "{class:?}: {}", world.show(system));
        }
    }
}

#[test]
fn it_is_taken_once_the_configuration_knows_it() {
    for class in CLASSES {
        let mut world = pair(class);
        edit(&mut world, "B", "status=S7");
        world.run();
        let same = |plan: &mut Plan| {
            let lens = plan.bindings[0].cells[3].as_ref().unwrap().lens.clone();
            plan.bindings[1].cells[3].as_mut().unwrap().lens = lens;
        };
        let mut world = world.with(same);
        world.run();
        assert_eq!(world.codes(), Vec::<&str>::new(), "{class:?}");
        assert_eq!(world.show("A"), "a1: N0 E0 P0 S7", "{class:?}");
    }
}

#[test]
fn a_row_is_not_deleted_while_it_says_something_that_nobody_understands() {
    for class in CLASSES {
        let mut world = pair(class);
        edit(&mut world, "B", "status=?");
        world.run();
        world.delete("A", "a1");
        world.run();
        assert_eq!(world.keys("B").len(), 1, "{class:?}");
        edit(&mut world, "B", "status=S0");
        world.run();
        assert_eq!(world.keys("A").len(), world.keys("B").len(), "{class:?}");
        assert_eq!(world.codes(), Vec::<&str>::new(), "{class:?}");
    }
}

#[test]
fn what_merges_as_one_with_it_waits_with_it() {
    let unit = |plan: &mut Plan| {
        let contacts = &mut plan.entities[0];
        let fields = vec![FieldIndex(2), FieldIndex(3)];
        contacts.units = vec![Unit { name: "state".into(), fields }];
        contacts.fields[2].unit = Some(0);
        contacts.fields[3].unit = Some(0);
    };
    let mut world = pair_with(Class::Marked, unit);
    edit(&mut world, "B", "status=? phone=P1 name=N1");
    world.run();
    assert_eq!(world.show("A"), "a1: N1 E0 P0 S0");
    edit(&mut world, "A", "phone=P2");
    world.run();
    assert!(world.show("B").ends_with("N1 E0 P1 ?"), "{}", world.show("B"));
    edit(&mut world, "B", "status=S1");
    world.run();
    // Both changed the unit: A stands first.
    assert_eq!(world.show("A"), "a1: N1 E0 P2 S0");
    assert!(world.show("B").ends_with("N1 E0 P2 S0"), "{}", world.show("B"));
}

#[test]
fn a_row_that_does_not_show_it_does_not_say_that_it_is_mended() {
    let mut world = pair(Class::Plain);
    edit(&mut world, "B", "status=?");
    world.run();
    let began = world.operation();
    world.hide("B", FieldIndex(3), began);
    edit(&mut world, "A", "status=S1");
    assert_eq!(world.codes(), ["map.unknown_value"]);
    world.scan("A");
    assert_eq!(world.apply("B"), 0);
    assert!(world.show("B").ends_with("P0 ?"), "{}", world.show("B"));
}

#[test]
fn it_waits_for_nobody_once_the_answer_to_a_write_shows_that_it_is_mended() {
    for class in CLASSES {
        let mut world = pair(class);
        edit(&mut world, "B", "status=?");
        world.run();
        edit(&mut world, "A", "phone=P1");
        world.scan("A");
        edit(&mut world, "B", "status=S1");
        world.apply("B");
        world.run();
        assert_eq!(world.codes(), Vec::<&str>::new(), "{class:?}");
        assert!(world.show("A").ends_with("P1 S1"), "{class:?}: {}", world.show("A"));
    }
}

#[test]
fn a_write_of_ours_beside_it_is_known_to_be_made_although_its_record_is_gone() {
    let mut world = pair(Class::Log);
    edit(&mut world, "B", "status=?");
    edit(&mut world, "A", "phone=P1");
    world.scan("A");
    world.apply("B");
    world.delete("A", "a1");
    world.scan("A");
    world.scan("B");
    let row = world.keys("B")[0].to_string();
    world.set("B", &row, "status=S0");
    world.run();
    assert_eq!(world.keys("A").len(), world.keys("B").len(), "{}", world.hub());
    assert_eq!(world.codes(), Vec::<&str>::new());
}

#[test]
fn a_row_that_says_it_from_the_beginning_is_its_records_whatever_it_is_called_by_then() {
    for class in CLASSES {
        let mut world = apart(class, |_| {});
        world.insert("A", "a1", "name=N0 email=E0 phone=P0 status=S0");
        world.scan("A");
        world.insert("B", "b1", "name=N1 email=E0 phone=P1 status=?");
        world.scan("B");
        world.set("B", "b1", "email=E9");
        world.run();
        world.set("B", "b1", "status=S0");
        world.run();
        assert_eq!((world.living(), world.keys("A").len()), (1, 1), "{class:?}: {}", world.hub());
        assert_eq!(world.codes(), Vec::<&str>::new(), "{class:?}");
        assert_eq!(world.images("contact")[0], world.images("contact")[1], "{class:?}");
    }
}

#[test]
fn an_order_of_a_row_that_was_never_read_waits_until_it_is_known_whose_it_is() {
    let world = super::references::shop(2).class(Class::Plain);
    let mut world = world.with(|plan| {
        let known =
            ["S0", "S1"].map(|state| (super::world::text(state), vec![super::world::text(state)]));
        let spec = CellSpec { values: Some(known.to_vec()), ..CellSpec::default() };
        let lens = lens::compile(&FieldType::Any, &spec, None).unwrap();
        plan.bindings[1].cells[3].as_mut().unwrap().lens = lens;
    });
    world.insert("A", "a1", "name=N0 email=E0 phone=P0 status=S0");
    world.scan("A");
    world.insert("B", "b1", "name=N1 email=E0 phone=P1 status=?");
    world.insert("B.order", "o1", "number=1 customer=b1 note=x");
    world.scan("B");
    world.set("B", "b1", "email=E9");
    world.insert("B", "b2", "name=N2 email=E0 phone=P2 status=S0");
    world.run();
    assert_eq!(world.show("A.order"), "", "{}", world.hub());
    world.set("B", "b1", "status=S0");
    world.run();
    let shown = world.show("A");
    let row = shown.lines().find(|row| row.contains(" E9 ")).unwrap_or_default();
    let key = row.split(':').next().unwrap_or_default();
    assert!(world.show("A.order").contains(&format!("1 {key} x")), "{shown}\n{}", world.hub());
}

#[test]
fn it_waits_on_when_it_was_held_for_another_reason_and_that_is_over() {
    for class in CLASSES {
        let mut world = pair(class);
        edit(&mut world, "B", "status=S1");
        world.run();
        let (record, after_version) = (world.group().id, world.group().root.version_of(STATUS));
        let rolled = RolledBack {
            field: Some(STATUS),
            before: super::world::text("S0"),
            after_version,
            keeps: vec![super::B],
        };
        let (part, fields, who) = (PartKey::Root, vec![rolled], "a steward".into());
        world.command(Command::Rollback { record, part: part.clone(), fields, who });
        world.run();
        edit(&mut world, "B", "status=?");
        world.run();
        world.command(Command::Release { record, system: None, field: Some(STATUS) });
        world.run();
        assert!(world.show("B").ends_with("P0 ?"), "{class:?}: {}", world.show("B"));
        assert_eq!(world.codes(), ["map.unknown_value"], "{class:?}");
        edit(&mut world, "B", "status=S1");
        world.run();
        assert_eq!(world.codes(), Vec::<&str>::new(), "{class:?}");
        assert_eq!(world.images("contact")[0], world.images("contact")[1], "{class:?}");
    }
}

#[test]
fn a_row_that_went_before_it_could_be_read_holds_nothing() {
    for class in CLASSES {
        let mut world = apart(class, |_| {});
        world.insert("A", "a1", "name=N0 email=E0 phone=P0 status=S0");
        world.scan("A");
        world.insert("B", "b1", "name=N1 email=E0 phone=P1 status=?");
        world.scan("B");
        world.delete("B", "b1");
        world.run();
        assert_eq!((world.living(), world.keys("B").len()), (1, 1), "{class:?}: {}", world.hub());
        assert!(world.show("B").ends_with("N0 E0 P0 S0"), "{class:?}: {}", world.show("B"));
        assert_eq!(world.codes(), Vec::<&str>::new(), "{class:?}");
    }
}
