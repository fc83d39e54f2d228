//! What is said of values that people may not see.

use super::{
    edit,
    world::{World, text},
};
use crate::{label::Label, name::SystemIndex};

/// What is said of a phone number that system B refuses, and names.
fn said_of_a_refusal(label: Label) -> String {
    let mut world = super::contact_in(World::new(3).with(|plan| {
        plan.entities[0].fields[2].label = label;
    }));
    world.refuses.push((SystemIndex(1), text("33612345678")));
    edit(&mut world, "A", "phone=33612345678");
    world.run();
    assert_eq!(world.codes(), ["write.value_too_long"]);
    let notes = world.audit.iter().map(|event| &event.note);
    notes.chain(&world.messages).map(|note| format!("{note}\n")).collect()
}

#[test]
fn what_a_system_says_of_a_masked_value_is_not_repeated() {
    let said = said_of_a_refusal(Label::Open);
    assert!(said.contains("33612345678 is refused"), "{said}");
    let said = said_of_a_refusal(Label::Mask);
    assert!(!said.contains("3361") && said.contains("a value that is not shown"), "{said}");
}
