//! What must hold of a record before it is written anywhere: rules over its golden values and those of its
//! lines, after the merge.
//!
//! A rule that cannot be computed does not hold: nothing is written that nobody could judge. Only
//! the fields that a broken rule speaks of are kept back; a record that has no row yet is kept back whole.

use std::collections::BTreeMap;

use crate::{
    Text,
    expr::{Context, Expr, Zone},
    group::{FieldSet, Group, Part},
    name::{FieldIndex, Timestamp},
    plan::{Entity, Plan},
    value::Value,
};

/// What must hold of a record.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The expression that must be true.
    pub check: Expr,
    /// What people are told where it is not.
    pub message: Text,
    /// What becomes of a change that breaks it.
    pub otherwise: Otherwise,
}

/// What becomes of a change that breaks a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Otherwise {
    /// It is written nowhere until the record is mended.
    #[default]
    Quarantine,
    /// It is not taken, and is taken back where it was made. A new record is quarantined.
    Reject,
    /// It is written, and noted.
    Warn,
}

/// What a record breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    /// What people are told.
    pub(crate) message: Text,
    /// The fields that the rules speak of, with those of their units.
    pub(crate) fields: FieldSet,
    /// A rule speaks of lines.
    pub(crate) lines: bool,
    /// A rule looks at the clock: it may hold later by itself.
    pub(crate) by_time: bool,
}

impl Rule {
    /// Whether it holds of this record.
    pub(crate) fn holds(&self, scene: &Scene<'_>) -> bool {
        let lookup = |name: &str| scene.value(name);
        let context = Context { lookup: &lookup, now: scene.now, zone: scene.zone, ranks: &[] };
        self.check.holds(&context).unwrap_or(false)
    }

    fn looks_at_the_clock(&self) -> bool {
        ["today(", "now("].iter().any(|word| self.check.text().contains(word))
    }

    /// Whether it speaks of this field; and of lines.
    fn speaks_of(&self, entity: &Entity, field: FieldIndex) -> bool {
        let name = entity.field(field).map(|field| &field.name);
        name.is_some_and(|name| self.check.variables().contains(name))
    }

    fn speaks_of_lines(&self, scene: &Scene<'_>) -> bool {
        self.check.variables().iter().any(|name| scene.list(name).is_some())
    }

    /// The fields of a part of its record that it can be broken by.
    pub(crate) fn fields_of(&self, scene: &Scene<'_>, is_root: bool) -> FieldSet {
        let mut fields = FieldSet::default();
        let (entity, all) = (scene.entity, 0..scene.entity.fields.len() as u16);
        if is_root {
            for field in all.map(FieldIndex).filter(|field| self.speaks_of(entity, *field)) {
                fields.set(field, true);
            }
        } else if self.speaks_of_lines(scene) {
            let lists = entity.lists.iter().filter_map(|list| scene.plan.entity(*list));
            let width = lists.map(|list| list.fields.len()).max().unwrap_or_default();
            for field in (0..width as u16).map(FieldIndex) {
                fields.set(field, true);
            }
        }
        fields
    }
}

/// A record whose rules are looked at.
pub(crate) struct Scene<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) entity: &'a Entity,
    pub(crate) group: &'a Group,
    pub(crate) now: Timestamp,
    pub(crate) zone: Option<&'a Zone>,
}

impl Scene<'_> {
    fn value(&self, name: &str) -> Option<Value> {
        if let Some(field) = self.entity.field_named(name) {
            return self.group.root.cell(field).map(|cell| cell.value.clone());
        }
        let list = self.list(name)?;
        let found = self.plan.entity(list)?;
        let lines = self.group.children.iter().filter(|child| child.list == list);
        let lines = lines.filter(|child| child.part.exists.alive);
        Some(Value::List(lines.map(|child| line(found, &child.part)).collect()))
    }

    /// The child list that expressions know by this name.
    fn list(&self, name: &str) -> Option<crate::name::EntityIndex> {
        let mut lists = self.entity.lists.iter().copied();
        lists.find(|list| {
            let known = self.plan.entity(*list).map(|list| &list.name);
            known.is_some_and(|known| known.rsplit('.').next() == Some(name))
        })
    }

    /// What the record breaks of what keeps it from being written.
    pub(crate) fn broken(&self) -> Option<Broken> {
        let mut found: Option<Broken> = None;
        for rule in &self.entity.validate {
            if rule.otherwise == Otherwise::Warn || rule.holds(self) {
                continue;
            }
            let broken = found.get_or_insert_with(|| Broken {
                message: rule.message.clone(),
                fields: FieldSet::default(),
                lines: false,
                by_time: false,
            });
            broken.lines |= rule.speaks_of_lines(self);
            broken.by_time |= rule.looks_at_the_clock();
            for (field, index) in self.entity.fields.iter().zip(0u16..) {
                let speaks_of = |field: FieldIndex| rule.speaks_of(self.entity, field);
                let unit = field.unit.and_then(|unit| self.entity.units.get(unit));
                let of_unit = unit.is_some_and(|unit| unit.fields.iter().any(|it| speaks_of(*it)));
                if of_unit || speaks_of(FieldIndex(index)) {
                    broken.fields.set(FieldIndex(index), true);
                }
            }
        }
        found
    }
}

fn line(entity: &Entity, part: &Part) -> Value {
    let cells = entity.fields.iter().zip(&part.cells);
    let entries: BTreeMap<Text, Value> =
        cells.map(|(field, cell)| (field.name.clone(), cell.value.clone())).collect();
    Value::Map(Box::new(entries))
}
