//! What follows from any change of a group: computed fields, scope, and agreement by value.

use crate::{
    audit::{Journal, event},
    change::PartKey,
    commit::{AuditEvent, AuditKind, Working},
    error::Problem,
    expr::{Context, Expr, Zone},
    group::{Author, Group, Link, Part, Scope},
    merge::Scene,
    name::{FieldIndex, SystemIndex, Timestamp},
    need::{Rows, View, cells},
    plan::{Binding, Entity, OnLeave, Plan},
    value::Value,
};

impl Scene<'_> {
    /// Brings computed fields up to date. Returns whether one changed.
    pub(super) fn compute(&mut self, part: &mut Part) -> bool {
        let mut changed = false;
        for (field, index) in self.entity.fields.iter().zip(0u16..) {
            let Some(expr) = &field.compute else { continue };
            let value = match evaluate(expr, self.entity, part, (self.now, self.zone)) {
                Ok(value) => value,
                // What it was is not what it is: nobody gave the rate for it. Due writes say so.
                Err(_) if expr.uses_rates() => Value::Null,
                Err(_) => continue,
            };
            let at = FieldIndex(index).at();
            let Some(cell) = part.cells.get_mut(at) else { continue };
            let is_unknown = value.is_null() && expr.uses_rates();
            if cell.value != value || (cell.version == 0 && !is_unknown) {
                cell.value = value;
                cell.version += 1;
                cell.author = Author::Merged;
                cell.at = self.now;
                changed = true;
            }
        }
        changed
    }
}

/// The value of an expression over the fields of a part.
///
/// # Errors
/// Where it has none.
pub(crate) fn evaluate(
    expr: &Expr,
    entity: &Entity,
    part: &Part,
    clock: (Timestamp, Option<&Zone>),
) -> Result<Value, Problem> {
    let lookup = |name: &str| {
        let field = entity.field_named(name)?;
        part.cell(field).map(|cell| cell.value.clone())
    };
    let context = Context { lookup: &lookup, now: clock.0, zone: clock.1, ranks: &[] };
    expr.eval(&context)
}

/// Whether a record belongs into the system of this binding. An expression that cannot be computed
/// is not true.
fn belongs(
    entity: &Entity,
    binding: &Binding,
    part: &Part,
    clock: (Timestamp, Option<&Zone>),
) -> bool {
    let holds = |expr: &Expr| evaluate(expr, entity, part, clock) == Ok(Value::Bool(true));
    entity.when.as_ref().is_none_or(holds) && binding.when.as_ref().is_none_or(holds)
}

/// Moves links into and out of scope. The system that caused the change keeps its row whatever
/// `on_leave` says: nobody's own row is taken away by his own edit. Returns whether any moved.
pub(super) fn rescope(
    plan: &Plan,
    journal: &mut Journal,
    clock: (Timestamp, Option<&Zone>),
    group: &mut Group,
    cause: Option<SystemIndex>,
) -> bool {
    let Some(entity) = plan.entity(group.entity) else { return false };
    if !group.root.exists.alive {
        return false;
    }
    let mut changed = false;
    for binding in entity.bindings.iter().filter_map(|index| plan.binding(*index)) {
        if entity.when.is_none() && binding.when.is_none() {
            continue;
        }
        let inside = belongs(entity, binding, &group.root, clock);
        let known = group.root.link(binding.system).map(|link| link.scope);
        let was_inside = matches!(known, None | Some(Scope::In));
        if inside == was_inside {
            continue;
        }
        changed = true;
        let mut link = group.root.take_link(binding.system);
        let before = link.scope;
        if inside {
            enter(&mut link, group.root.exists.version);
        } else {
            let keeps = cause == Some(binding.system);
            leave(&mut link, if keeps { OnLeave::Freeze } else { binding.on_leave });
        }
        let moved = before != link.scope;
        let note = match link.scope {
            Scope::In => "entered",
            Scope::Frozen => "left: freeze",
            Scope::Detached => "left: detach",
            Scope::Leaving => "left: delete",
            Scope::Out => "not in scope",
        };
        let was_row = link.shadow.is_some();
        group.root.put_link(link);
        if moved && was_row {
            journal.audit.push(AuditEvent {
                system: Some(binding.system),
                note: note.into(),
                ..event(group.id, group.entity, &PartKey::Root, AuditKind::Scope)
            });
        }
    }
    changed
}

fn enter(link: &mut Link, exists_version: u64) {
    // A row that is there is linked again; one that is not is created.
    // What was edited there meanwhile was heard as ever: what it has agreed to, it has seen.
    link.agreed_exists = if link.shadow.is_some() { exists_version } else { 0 };
    link.scope = Scope::In;
}

fn leave(link: &mut Link, on_leave: OnLeave) {
    link.scope = match (link.shadow.is_some(), on_leave) {
        (false, _) => Scope::Out,
        (true, OnLeave::Freeze) => Scope::Frozen,
        (true, OnLeave::Detach) => Scope::Detached,
        (true, OnLeave::Delete) => Scope::Leaving,
    };
}

/// Agreement by value: whatever a system shows exactly as the hub would write it is agreed. Returns whether that
/// is news.
pub(super) fn settle(plan: &Plan, working: &Working, group: &mut Group) -> bool {
    let rows = Rows { working: Some(working) };
    let Some(entity) = plan.entity(group.entity) else { return false };
    let (root, children) = find_agreed(plan, entity, group, rows);
    let root_alive = group.root.exists.alive;
    let mut changed = apply_agreed(&mut group.root, root_alive, root);
    for (child, agreed) in group.children.iter_mut().zip(children) {
        changed |= apply_agreed(&mut child.part, root_alive, agreed);
    }
    changed
}

type Agreed = Vec<(SystemIndex, FieldIndex, u64)>;

fn find_agreed(
    plan: &Plan,
    entity: &Entity,
    group: &Group,
    rows: Rows<'_>,
) -> (Agreed, Vec<Agreed>) {
    let root_alive = group.root.exists.alive;
    let of = |entity: &Entity, part: &Part| {
        let view = View { plan, entity, record: group.id, root: &group.root, rows };
        agreed_fields(&view, part, root_alive && part.exists.alive)
    };
    let children = group.children.iter().map(|child| {
        plan.entity(child.list).map(|entity| of(entity, &child.part)).unwrap_or_default()
    });
    (of(entity, &group.root), children.collect())
}

/// Fields that a system shows exactly as the hub would write them, though the versions do not yet
/// say so. Of what is gone nothing is written; but a copy that the hub had forgotten shows what it holds.
fn agreed_fields(view: &View<'_>, part: &Part, is_alive: bool) -> Agreed {
    let mut agreed = Vec::new();
    for link in &part.links {
        let Some(shadow) = &link.shadow else { continue };
        let binding = view.entity.bindings.iter().filter_map(|index| view.plan.binding(*index));
        let Some(binding) = binding.into_iter().find(|found| found.system == link.system) else {
            continue;
        };
        for (field, cell) in cells(binding) {
            let Some(golden) = part.cell(field) else { continue };
            if golden.version == link.agreed(field) || link.hold_of(field).is_some() {
                continue;
            }
            if !is_alive && (link.agreed(field) != 0 || !link.last_own.contains(field)) {
                continue;
            }
            let shown = shadow.value(field);
            let target = view.put(link.system, field, cell, &golden.value, shown).ok();
            if shown.is_some() && target.as_ref() == shown {
                agreed.push((link.system, field, golden.version));
            }
        }
    }
    agreed
}

fn apply_agreed(part: &mut Part, root_alive: bool, agreed: Agreed) -> bool {
    let mut changed = !agreed.is_empty();
    let alive = part.exists.alive && root_alive;
    let version = part.exists.version;
    for link in &mut part.links {
        // A row that is there agrees with a living record; one that is gone, with a dead one.
        if link.shadow.is_some() == alive && (alive || link.key.is_some()) {
            changed |= link.agreed_exists != version;
            link.agreed_exists = version;
        }
    }
    for (system, field, version) in agreed {
        if let Some(link) = part.link_mut(system) {
            link.agree(field, version);
        }
    }
    changed
}
