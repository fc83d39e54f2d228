//! A small plan for a simulated world: contacts in every system, orders that refer to them.

use std::collections::BTreeMap;

use syncline_core::{
    Text,
    lens::{FieldType, Lens},
    name::{BindingIndex, EntityIndex, FieldIndex, SystemIndex},
    plan::{
        Binding, Cell, Class, DeleteConflict, DeletePolicy, Entity, Field, Guards, Limit,
        MatchRule, OnLeave, OnParentDelete, OnTargetEdit, Place, Plan, Policy, Schedule, System,
        TableSpec,
    },
    value::Digest,
};

/// What a world consists of, drawn per history (swarm testing: Groce et al.).
#[derive(Clone, Debug)]
pub struct Draft {
    /// One per system.
    pub classes: Vec<Class>,
    /// How conflicts are settled.
    pub policy: Policy,
    /// A delete against an edit.
    pub delete_conflict: DeleteConflict,
    /// Orders that refer to contacts exist, too.
    pub orders: bool,
}

/// Fields of a contact: `email` is unique and the match key.
pub const CONTACT_FIELDS: [&str; 3] = ["email", "name", "phone"];
/// Fields of an order: `number` is the match key, `customer` refers to a contact.
pub const ORDER_FIELDS: [&str; 3] = ["number", "customer", "note"];

/// Builds the plan.
pub fn plan(draft: &Draft) -> Plan {
    let mut plan = Plan { max_skew_ms: 300_000, ..Plan::default() };
    for (index, class) in draft.classes.iter().enumerate() {
        plan.systems.push(System {
            name: Text::new(char::from(b'A' + index as u8).to_string()),
            class: *class,
            path_retries: false,
            batch: 3,
        });
    }
    entity(&mut plan, draft, "contacts", &CONTACT_FIELDS, None);
    if draft.orders {
        entity(&mut plan, draft, "orders", &ORDER_FIELDS, Some(EntityIndex(0)));
    }
    plan
}

fn entity(
    plan: &mut Plan,
    draft: &Draft,
    name: &str,
    fields: &[&str],
    refers_to: Option<EntityIndex>,
) {
    let index = EntityIndex(plan.entities.len() as u16);
    let systems: Vec<SystemIndex> = (0..plan.systems.len() as u16).map(SystemIndex).collect();
    let mut bindings = Vec::new();
    for system in &systems {
        bindings.push(BindingIndex(plan.bindings.len() as u16));
        plan.bindings.push(binding(index, *system, name, fields));
    }
    let fields = fields.iter().map(|name| field(name, draft, refers_to)).collect();
    plan.entities.push(Entity {
        name: Text::new(name),
        parent: None,
        lists: Vec::new(),
        fields,
        bindings,
        matching: vec![MatchRule { fields: vec![FieldIndex(0)] }],
        when: None,
        on_leave: OnLeave::Freeze,
        priority: systems,
        units: Vec::new(),
        deletes: DeletePolicy::Propagate,
        delete_from: None,
        delete_conflict: draft.delete_conflict,
        on_parent_delete: OnParentDelete::Wait,
        on_target_edit: OnTargetEdit::Revert,
        guards: Guards {
            // Small worlds: every delete is a large share. The guards have tests of their own.
            deletes: Limit { max: u64::MAX, max_percent: 100 },
            updates: Limit { max: u64::MAX, max_percent: 100 },
            empty_source_min: u64::MAX,
            ..Guards::default()
        },
        rekey_window_ms: None,
        schedule: Schedule::Live,
        reconcile_ms: None,
        meaning: Digest::default(),
    });
}

fn field(name: &str, draft: &Draft, refers_to: Option<EntityIndex>) -> Field {
    let is_reference = name == "customer";
    Field {
        name: Text::new(name),
        kind: if is_reference { FieldType::Ref } else { FieldType::Text },
        reference: refers_to.filter(|_| is_reference),
        from: None,
        to: None,
        policy: draft.policy.clone(),
        priority: None,
        compute: None,
        unit: None,
        ranks: BTreeMap::new(),
    }
}

fn binding(entity: EntityIndex, system: SystemIndex, table: &str, fields: &[&str]) -> Binding {
    let cell = |name: &&str| {
        Some(Cell {
            place: Place::Column(Text::new(name)),
            lens: Lens::identity(),
            two_way: true,
            insert_only: false,
        })
    };
    Binding {
        entity,
        system,
        table: TableSpec {
            table: Text::new(table),
            key: vec!["id".into()],
            changed_at: Some(("changed_at".into(), None)),
            cursor: Some("changed_at".into()),
            key_fields: vec![None],
            ..TableSpec::default()
        },
        cells: fields.iter().map(cell).collect(),
        when: None,
        on_leave: OnLeave::Freeze,
        reads: true,
        writes: true,
        soft_delete: None,
        rank: usize::from(system.0),
    }
}
