//! A small plan for a simulated world: contacts in every system, orders that refer to them.

use std::collections::BTreeMap;

use syncline_core::{
    Text,
    expr::Expr,
    lens::{self, CellSpec, FieldType, Lens},
    name::{BindingIndex, EntityIndex, FieldIndex, SystemIndex},
    plan::{
        BelowMin, Binding, Cell, Class, DeleteConflict, DeletePolicy, Entity, Field, Guards, Limit,
        MatchRule, OnLeave, OnParentDelete, OnTargetEdit, Place, Plan, Policy, Schedule, System,
        TableSpec,
    },
    tally::PerUser,
    validate::{Otherwise, Rule},
    value::Digest,
};

use crate::{rare::Rare, system::unasked::has_proxy};

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
    /// What else there is.
    pub extras: Extras,
}

/// What only some worlds have; a world without any is the plain one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extras {
    /// Orders have lines: a child list.
    pub lines: bool,
    /// Only active contacts flow; this becomes of those that no longer are.
    pub scope: Option<OnLeave>,
    /// A stock that is counted: changes on all sides are summed.
    pub counters: bool,
    /// Conflicts on telephone numbers wait for a person.
    pub manual: bool,
    /// Few deletes trip a guard, and a person lets them through.
    pub guards: bool,
    /// Numbers of orders and names of stocks may occur twice: what is made twice is there twice.
    pub loose: bool,
    /// In the first and in the last system a program writes telephone numbers its own way.
    pub programs: bool,
    /// What is sent to systems without marks may reach them twice.
    pub proxies: bool,
    /// Systems without a log tell of their changes: late, twice, in any order, or never.
    pub webhooks: bool,
    /// Logs are heard again from an earlier place.
    pub rewinds: bool,
    /// Nobody works on the last day before the passes of the evening.
    pub quiet_end: bool,
}

/// Fields of a contact: `email` is unique and the match key.
pub const CONTACT_FIELDS: [&str; 3] = ["email", "name", "phone"];
/// The telephone number.
pub const PHONE: FieldIndex = FieldIndex(2);
/// And in a world with a scope, whether it is active.
pub const STATUS: FieldIndex = FieldIndex(3);
/// Fields of an order: `number` is the match key, `customer` refers to a contact.
pub const ORDER_FIELDS: [&str; 3] = ["number", "customer", "note"];
/// Fields of a line of an order: `sku` tells the lines of an order apart.
pub const LINE_FIELDS: [&str; 2] = ["sku", "text"];
/// Fields of a stock: `count` is a counter.
pub const STOCK_FIELDS: [&str; 2] = ["sku", "count"];

/// The names of the entities.
pub mod names {
    /// Contacts.
    pub const CONTACTS: &str = "contacts";
    /// Orders of contacts.
    pub const ORDERS: &str = "orders";
    /// Lines of orders.
    pub const LINES: &str = "orders.lines";
    /// Stocks.
    pub const STOCK: &str = "stock";
}

/// Builds the plan.
pub fn plan(draft: &Draft) -> Plan {
    let mut plan = Plan { max_skew_ms: 300_000, ..Plan::default() };
    for (index, class) in draft.classes.iter().enumerate() {
        plan.systems.push(System {
            name: Text::new(char::from(b'A' + index as u8).to_string()),
            class: *class,
            path_retries: draft.extras.proxies && has_proxy(*class),
            batch: 3,
        });
    }
    let mut contact = CONTACT_FIELDS.to_vec();
    contact.extend(draft.extras.scope.map(|_| "status"));
    entity(&mut plan, draft, names::CONTACTS, &contact, None);
    if draft.orders {
        entity(&mut plan, draft, names::ORDERS, &ORDER_FIELDS, Some(EntityIndex(0)));
    }
    if draft.orders && draft.extras.lines {
        entity(&mut plan, draft, names::LINES, &LINE_FIELDS, None);
        list(&mut plan);
    }
    if draft.extras.counters {
        entity(&mut plan, draft, names::STOCK, &STOCK_FIELDS, None);
        counter(&mut plan);
    }
    scope(&mut plan, draft);
    plan
}

/// The last entity is a list of the one before.
fn list(plan: &mut Plan) {
    let at = plan.entities.len() - 1;
    let bindings = plan.entities.last().map(|list| list.bindings.clone()).unwrap_or_default();
    for binding in bindings {
        if let Some(found) = plan.bindings.get_mut(binding.at()) {
            found.table.parent = vec!["order".into()];
        }
    }
    if let Some([order, list]) = plan.entities.last_chunk_mut::<2>() {
        order.lists = vec![EntityIndex(at as u16)];
        list.parent = Some(EntityIndex(at as u16 - 1));
    }
}

/// The second field of the last entity is a counter.
fn counter(plan: &mut Plan) {
    let Some(stock) = plan.entities.last_mut() else { return };
    // People count faster than people do.
    stock.guards.loop_reflexes = u32::MAX;
    if let Some(count) = stock.fields.last_mut() {
        count.policy = Policy::Add { min: None, below_min: BelowMin::Manual };
    }
}

fn scope(plan: &mut Plan, draft: &Draft) {
    let extras = draft.extras;
    if let (Some(on_leave), Some(contact)) = (extras.scope, plan.entities.first_mut()) {
        contact.when = Expr::parse("status == 'active'").ok();
        contact.on_leave = on_leave;
        for binding in plan.bindings.iter_mut().filter(|binding| binding.entity.0 == 0) {
            binding.on_leave = on_leave;
        }
    }
    if let (true, Some(contact)) = (extras.manual, plan.entities.first_mut())
        && let Some(phone) = contact.fields.get_mut(2)
    {
        phone.policy = Policy::Manual;
    }
    if extras.programs
        && let Some(contact) = plan.entities.first_mut()
    {
        // The hours of calm pass quickly; programs do not stop in them.
        contact.guards.loop_within_ms = i64::MAX / 4_000;
    }
    if extras.guards {
        for entity in &mut plan.entities {
            entity.guards.deletes = Limit { max: 1, max_percent: 20 };
        }
    }
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
        delete_grace_ms: 0,
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
        validate: Vec::new(),
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
        label: syncline_core::label::Label::Open,
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
        per_user: None,
        rank: usize::from(system.0),
    }
}

/// What few plans say.
pub fn rare(plan: &mut Plan, rare: Rare) {
    if rare.rules {
        forbid(plan);
    }
    if rare.grace {
        wait(plan);
    }
    if rare.limits {
        limit(plan);
    }
    if rare.unreadable {
        read_text(plan);
    }
}

/// Telephone numbers are text, and what is none means nothing.
fn read_text(plan: &mut Plan) {
    let Ok(text) = lens::compile(&FieldType::Text, &CellSpec::default(), None) else { return };
    for binding in plan.bindings.iter_mut().filter(|binding| binding.entity.0 == 0) {
        if let Some(Some(cell)) = binding.cells.get_mut(PHONE.at()) {
            cell.lens = text.clone();
        }
    }
}

/// How long a delete of a contact waits, where deletes wait.
const GRACE_MS: i64 = 120_000;

/// Deletes of contacts are passed on after a while.
fn wait(plan: &mut Plan) {
    let Some(contacts) = plan.entities.first_mut() else { return };
    contacts.delete_grace_ms = GRACE_MS;
}

/// Nobody changes many contacts in a short time.
fn limit(plan: &mut Plan) {
    for binding in plan.bindings.iter_mut().filter(|binding| binding.entity.0 == 0) {
        binding.per_user = Some(PerUser { changes: 2, window_ms: 60_000 });
    }
}

/// Contacts whose telephone number ends so are written nowhere.
fn forbid(plan: &mut Plan) {
    let Some(contacts) = plan.entities.first_mut() else { return };
    let checks = Expr::parse("phone == null || !phone.endsWith('7')");
    let message = Text::from("a telephone number that nobody has");
    let otherwise = Otherwise::Quarantine;
    contacts.validate.extend(checks.map(|check| Rule { check, message, otherwise }));
}
