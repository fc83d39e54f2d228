//! Fields that are computed by exchange rates: what nobody gave a rate for is written nowhere.

use crate::{
    error::Problem,
    group::{Author, Group},
    merge::evaluate,
    name::{FieldIndex, SystemIndex},
    need::may_write,
    plan::Entity,
    step::{link::PartAt, pass::Pass},
    value::Value,
};

impl Pass<'_> {
    /// Computes what exchange rates are needed for once more, because there may be new ones. Returns
    /// whether anything changed, and what keeps the record from being written to this system.
    pub(super) fn exchange(
        &self,
        group: &mut Group,
        system: SystemIndex,
    ) -> (bool, Option<(PartAt, Problem)>) {
        let places = (0..group.children.len()).map(PartAt::Child);
        let places: Vec<PartAt> = std::iter::once(PartAt::Root).chain(places).collect();
        let (mut changed, mut missing) = (false, None);
        for at in places {
            let index = match at {
                PartAt::Root => Some(group.entity),
                PartAt::Child(child) => group.children.get(child).map(|child| child.list),
            };
            let Some(entity) = index.and_then(|index| self.plan.entity(index)) else { continue };
            let binding = index.and_then(|index| self.plan.binding_of(index, system));
            let binding = binding.and_then(|binding| self.plan.binding(binding));
            for field in by_rates(entity) {
                let Some(part) = at.part_mut(group) else { continue };
                let Some(expr) = entity.field(field).and_then(|it| it.compute.as_ref()) else {
                    continue;
                };
                let value = evaluate(expr, entity, part, (self.now, self.zone.as_ref()));
                let is_written = binding.is_some_and(|it| it.cell(field).is_some())
                    && may_write(entity, field, system);
                let value = match value {
                    Ok(value) => value,
                    Err(mut problem) => {
                        if is_written && missing.is_none() {
                            let name = entity.field(field).map(|field| field.name.clone());
                            problem.message = match name {
                                Some(name) => format!("{name}: {}", problem.message),
                                None => problem.message,
                            };
                            missing = Some((at, problem));
                        }
                        Value::Null
                    }
                };
                let Some(cell) = part.cells.get_mut(field.at()) else { continue };
                if cell.value != value {
                    cell.value = value;
                    cell.version += 1;
                    (cell.author, cell.at) = (Author::Merged, self.now);
                    changed = true;
                }
            }
        }
        (changed, missing)
    }
}

fn by_rates(entity: &Entity) -> impl Iterator<Item = FieldIndex> + '_ {
    let fields = entity.fields.iter().zip(0u16..);
    fields
        .filter(|(field, _)| field.compute.as_ref().is_some_and(|expr| expr.uses_rates()))
        .map(|(_, index)| FieldIndex(index))
}
