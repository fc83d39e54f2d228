//! What must hold of a record before it is written anywhere.

use super::{
    PHONE, check, edit,
    world::{World, entity, text},
};
use crate::{
    change::{Command, PartKey},
    commit::AuditKind,
    expr::Expr,
    group::FieldSet,
    name::{BindingIndex, EntityIndex},
    need::{Need, PartNeed},
    step::pass::Pass,
    validate::{Broken, Otherwise, Rule},
};

fn rule(check: &str, otherwise: Otherwise) -> Rule {
    Rule { check: Expr::parse(check).unwrap(), message: "no phone".into(), otherwise }
}

fn ruled(otherwise: Otherwise) -> World {
    let rule = rule("phone != 'BAD'", otherwise);
    super::contact_in(World::new(3).with(|plan| plan.entities[0].validate.push(rule)))
}

fn shows(world: &World, system: &str) -> String {
    world.show(system).split_once(": ").map_or("", |(_, row)| row).to_owned()
}

#[test]
fn what_breaks_a_rule_is_written_nowhere_and_the_other_fields_go_on() {
    let mut world = ruled(Otherwise::Quarantine);
    edit(&mut world, "A", "phone=BAD status=S1");
    world.run();
    assert_eq!([shows(&world, "B"), shows(&world, "C")], ["N0 E0 P0 S1", "N0 E0 P0 S1"]);
    assert_eq!(world.codes(), ["validate.rule"]);
    // Mended in its system, or by a person, it goes on by itself.
    edit(&mut world, "A", "phone=P1");
    check(&mut world, "N0 E0 P1 S1");
    assert!(world.codes().is_empty());
    edit(&mut world, "B", "phone=BAD");
    world.run();
    let (record, part, values) = (world.group().id, PartKey::Root, vec![(PHONE, text("P2"))]);
    world.command(Command::Edit { record, part, values, who: "a steward".into() });
    check(&mut world, "N0 E0 P2 S1");
    assert!(world.codes().is_empty());
}

#[test]
fn a_new_record_that_breaks_a_rule_is_created_nowhere_until_it_is_mended() {
    let mut world = ruled(Otherwise::Quarantine);
    world.insert("A", "a2", "name=N2 email=E2 phone=BAD status=S2");
    world.insert("A", "a3", "name=N3 email=E3 phone=P3 status=S3");
    world.run();
    assert_eq!((world.keys("B").len(), world.codes().len()), (2, 1), "its neighbour goes on");
    world.set("A", "a2", "phone=P2");
    world.run();
    assert_eq!((world.keys("B").len(), world.codes().len()), (3, 0));
}

#[test]
fn what_is_rejected_is_taken_back_where_it_was_made() {
    let mut world = ruled(Otherwise::Reject);
    edit(&mut world, "B", "phone=BAD status=S1");
    check(&mut world, "N0 E0 P0 S1");
    let kinds = world.audit.iter().filter(|event| event.field == Some(PHONE));
    assert_eq!(kinds.map(|event| event.kind).collect::<Vec<_>>(), [AuditKind::Rejected]);
    assert!(world.codes().is_empty());
}

#[test]
fn what_only_warns_is_written_and_noted_once() {
    let mut world = ruled(Otherwise::Warn);
    edit(&mut world, "A", "phone=BAD");
    check(&mut world, "N0 E0 BAD S0");
    edit(&mut world, "A", "status=S1");
    check(&mut world, "N0 E0 BAD S1");
    let warned = world.audit.iter().filter(|event| event.kind == AuditKind::Warned);
    assert_eq!(
        warned.map(|event| event.note.as_str()).collect::<Vec<_>>(),
        ["validate.rule: no phone"]
    );
}

#[test]
fn a_rule_that_cannot_be_computed_does_not_hold_and_deletes_go_on() {
    let broken = rule("phone > 5", Otherwise::Quarantine);
    let mut world = World::new(3).with(|plan| plan.entities[0].validate.push(broken));
    world.insert("A", "a1", "name=N0 email=E0 phone=x status=S0");
    world.insert("A", "a2", "name=N1 email=E1 phone=7 status=S1");
    world.run();
    assert_eq!((world.keys("B").len(), world.codes().len()), (1, 1));
    world.delete("A", "a1");
    world.delete("A", "a2");
    world.run();
    assert_eq!((world.keys("B").len(), world.codes().len()), (0, 0));
}

#[test]
fn an_order_waits_until_its_lines_add_up() {
    // S13
    let mut order = entity("order", &["number", "total"], 0);
    order.lists = vec![EntityIndex(1)];
    let mut lines = entity("order.lines", &["sku", "qty"], 0);
    lines.parent = Some(EntityIndex(0));
    let mut world = World::of(2, vec![order, lines]).with(|plan| {
        let sum = "total == sum(lines.map(l, l.qty))";
        plan.entities[0].validate.push(rule(sum, Otherwise::Quarantine));
    });
    world.insert("A.order", "o1", "number=1 total=3");
    world.insert("A.order.lines", "l1", "^=o1 sku=S1 qty=1");
    world.run();
    assert_eq!((world.show("B.order"), world.codes()), (String::new(), vec!["validate.rule"]));
    world.insert("A.order.lines", "l2", "^=o1 sku=S2 qty=2");
    world.run();
    assert_eq!((world.keys("B.order").len(), world.keys("B.order.lines").len()), (1, 2));
    assert!(world.codes().is_empty());
}

#[test]
fn two_edits_that_are_right_alone_and_wrong_together_are_written_nowhere() {
    // M13
    let rule = rule("name <= phone", Otherwise::Quarantine);
    let mut world = World::new(3).with(|plan| plan.entities[0].validate.push(rule));
    world.insert("A", "a1", "name=1 email=E0 phone=10 status=S0");
    world.run();
    world.reset_counts();
    edit(&mut world, "A", "phone=5");
    edit(&mut world, "B", "name=7");
    world.run();
    assert_eq!(
        ["A", "B", "C"].map(|it| shows(&world, it)),
        ["1 E0 5 S0", "7 E0 10 S0", "1 E0 10 S0"]
    );
    assert_eq!((world.codes(), world.written("C")), (vec!["validate.rule"], 0));
    edit(&mut world, "C", "status=S1");
    edit(&mut world, "A", "phone=9");
    check(&mut world, "7 E0 9 S1");
    assert!(world.codes().is_empty());
}

#[test]
fn an_order_that_leaves_a_system_takes_its_lines_with_it_whatever_they_break() {
    let broken =
        Broken { message: "".into(), fields: FieldSet::default(), lines: true, by_time: false };
    let part = |child| PartNeed { child, binding: BindingIndex(0), need: Need::Delete };
    let mut needs = vec![part(None), part(Some(0))];
    assert!(Pass::keep_back(&broken, &mut needs).is_none());
    assert_eq!(needs, [part(None), part(Some(0))]);
    let mut lines = vec![part(Some(0))];
    assert!(Pass::keep_back(&broken, &mut lines).is_some(), "a line alone waits with the rest");
}
