//! Columns that are gone from a table since its mapping was approved: their fields are paused there, and everything
//! else goes on. A field that rows are found by cannot be left out; nor can anything of an entity that nobody has
//! approved as it is: there the whole table is refused, as one that is gone.
//!
//! The hub notes what is paused in a system, with the column, so that those who do not look at the system leave it
//! alone, too; and so that it is known when a column is there again.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::json;
use syncline_adapters::{hub::sqlite::SqliteHub, settings::Kind};
use syncline_core::{
    Text,
    name::{BindingIndex, EntityIndex, FieldIndex, RunId, SystemIndex},
    plan::{Binding, Place, Plan},
};
use syncline_engine::{
    desk::{Desk, Unwatched},
    drift::drift,
};
use syncline_ports::{catalog::Table, reader::Reader as _};

use crate::{
    cli::Context,
    config::{self, Live, Loaded},
    report::Failure,
    session::{Reach, Session, Use},
};

/// Where the hub notes what is paused in a system.
pub(crate) const NOTE: &str = "drift:";

/// A field that is paused in one system, because a column is gone there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Paused {
    /// The system.
    pub(crate) system: Text,
    /// The entity or child list.
    pub(crate) entity: Text,
    field: Text,
    table: Text,
    column: Text,
}

/// What is paused now, and what was by the hub's notes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Drift {
    /// Fields that are paused.
    pub(crate) paused: Vec<Paused>,
    /// Those that were when the hub was written last.
    before: Vec<Paused>,
    /// Fields whose columns are there again.
    back: Vec<(BindingIndex, FieldIndex)>,
}

impl Paused {
    /// What is said of it.
    pub(crate) fn failure(&self) -> Failure {
        let Self { entity, field, table, column, .. } = self;
        let message = format!(
            "{table}.{column} is gone: {entity}.{field} is paused there, all other fields go on"
        );
        Failure::new("schema.drift", message)
            .cause("the column was removed or renamed")
            .done("nothing is read from it or written to it, and nothing becomes empty elsewhere")
            .fix("put the column back, or name another one in the file; syncline check --online")
    }

    /// That it is over.
    pub(crate) fn over(&self) -> String {
        let Self { system, entity, field, .. } = self;
        format!("{system}: {entity}.{field} is paused no more; its rows are read again")
    }
}

impl Drift {
    /// What is paused and was not before.
    pub(crate) fn begun(&self) -> impl Iterator<Item = &Paused> {
        self.paused.iter().filter(|it| !self.before.contains(it))
    }

    /// What was paused and is not any more.
    pub(crate) fn over(&self) -> impl Iterator<Item = &Paused> {
        self.before.iter().filter(|it| !self.paused.contains(it))
    }
}

/// Takes the cells whose columns are gone out of the plan: by the tables as they are, or, of a system that was not
/// looked at, by what the hub notes.
///
/// # Errors
/// The hub's.
pub(crate) async fn pause(
    plan: &mut Plan,
    live: Option<&Live>,
    loaded: &Loaded,
    hub: &SqliteHub,
) -> Result<Drift, Failure> {
    let mut drift = Drift::default();
    for system in &plan.systems {
        drift.before.extend(noted(hub, &system.name).await?);
    }
    for at in 0..plan.bindings.len() {
        let index = BindingIndex(u16::try_from(at).unwrap_or(u16::MAX));
        let Some(binding) = plan.binding(index) else { continue };
        let known = known(plan, binding, &drift.before);
        let table = live.and_then(|live| table_of(plan, live, loaded, binding));
        let missing = table.and_then(|table| missing(plan, binding, table));
        let gone = match (table, missing) {
            (Some(_), Some(missing)) => {
                let is_known = |field| known.iter().any(|(known, _)| *known == field);
                let is_new = missing.iter().any(|(field, _)| !is_known(*field));
                let is_approved = !is_new || is_approved(plan, hub, binding.entity).await?;
                let kept = missing.into_iter().filter(|(field, _)| is_approved || is_known(*field));
                kept.collect()
            }
            // Nobody knows better, or the table as a whole is of no use.
            (None, _) | (Some(_), None) => known.clone(),
        };
        let is_there = |column: &Text| table.is_some_and(|table| has(table, column));
        let is_gone = |field| gone.iter().any(|(gone, _)| *gone == field);
        let back = known.iter().filter(|(field, column)| !is_gone(*field) && is_there(column));
        drift.back.extend(back.map(|(field, _)| (index, *field)));
        let paused: Vec<Paused> = gone
            .iter()
            .filter_map(|(field, column)| named(plan, binding, *field, column))
            .collect();
        drift.paused.extend(paused);
        let Some(binding) = plan.bindings.get_mut(at) else { continue };
        for (field, _) in gone {
            if let Some(cell) = binding.cells.get_mut(field.at()) {
                *cell = None;
            }
        }
    }
    Ok(drift)
}

/// Has the hub know what is paused from now on: what is not written there any more, and what is read again.
///
/// # Errors
/// The hub's.
pub(crate) async fn remember(session: &Session) -> Result<(), Failure> {
    let Drift { paused, before, .. } = &session.drift;
    let desk =
        Session::desk(&session.plan, &session.hub, &Unwatched, &session.stop, RunId::default());
    rehearse(session, &desk, &session.hub).await?;
    let systems: BTreeSet<&Text> = paused.iter().chain(before).map(|it| &it.system).collect();
    for system in systems {
        let of = |all: &[Paused]| -> Vec<Paused> {
            all.iter().filter(|it| it.system == *system).cloned().collect()
        };
        if of(paused) != of(before) {
            let text = text(&of(paused));
            session.hub.set_note(&format!("{NOTE}{system}"), &text).await?;
        }
    }
    Ok(())
}

/// The same on a desk that works on a copy of the hub, without a word to the hub.
///
/// # Errors
/// The copy's.
pub(crate) async fn rehearse(
    session: &Session,
    desk: &Desk<'_>,
    hub: &SqliteHub,
) -> Result<(), Failure> {
    let plan = &session.plan;
    let changed = session.drift.begun().chain(session.drift.over());
    let links: BTreeSet<(EntityIndex, SystemIndex)> = changed
        .filter_map(|it| {
            let entity = plan.entity_named(&it.entity)?;
            Some((plan.root_of(entity), plan.system_named(&it.system)?))
        })
        .collect();
    for (entity, system) in links {
        let own = session.drift.back.iter().filter(|(binding, _)| {
            plan.binding(*binding)
                .is_some_and(|found| found.system == system && plan.root_of(found.entity) == entity)
        });
        let back: Arc<[(BindingIndex, FieldIndex)]> = own.copied().collect();
        drift(desk, hub, (entity, system), &back).await?;
    }
    Ok(())
}

/// What is paused as things are now, for those who only look.
pub(crate) async fn look(context: &Context, loaded: &Loaded) -> Vec<Paused> {
    let opened = Session::of(loaded.clone(), context, Use::Look, Reach::Systems).await;
    // Who cannot be worked with pauses nothing, and whoever asks says why.
    opened.map(|session| session.drift.paused.clone()).unwrap_or_default()
}

/// Whether a column that was gone is there again in this system.
///
/// # Errors
/// The system's.
pub(crate) async fn is_back(
    loaded: &Loaded,
    system: &str,
    paused: &[Paused],
) -> Result<bool, Failure> {
    let found = config::look_at(loaded, system).await?;
    let own = paused.iter().filter(|it| it.system.as_str() == system);
    let mut own = own.into_iter();
    Ok(own.any(|it| {
        let table = found.tables.get(&it.table).and_then(Option::as_ref);
        table.is_some_and(|table| has(table, &it.column))
    }))
}

/// What is on record of a system: entities and fields, tables and columns.
pub(crate) fn parse(text: &str) -> Vec<(Text, Text, Text, Text)> {
    let all: Vec<[String; 4]> = serde_json::from_str(text).unwrap_or_default();
    let texts = all.into_iter().map(|all| all.map(Text::from));
    texts.map(|[entity, field, table, column]| (entity, field, table, column)).collect()
}

fn text(paused: &[Paused]) -> String {
    let all: Vec<[&str; 4]> = paused
        .iter()
        .map(|it| [&it.entity, &it.field, &it.table, &it.column].map(Text::as_str))
        .collect();
    if all.is_empty() { String::new() } else { json!(all).to_string() }
}

async fn noted(hub: &SqliteHub, system: &Text) -> Result<Vec<Paused>, Failure> {
    let text = hub.note(&format!("{NOTE}{system}")).await?.unwrap_or_default();
    let all = parse(&text).into_iter().map(|(entity, field, table, column)| Paused {
        system: system.clone(),
        entity,
        field,
        table,
        column,
    });
    Ok(all.collect())
}

/// What the hub notes of this binding, as far as the file still has it: fields, and the columns that are gone.
fn known(plan: &Plan, binding: &Binding, all: &[Paused]) -> Vec<(FieldIndex, Text)> {
    let names = plan.system(binding.system).zip(plan.entity(binding.entity));
    let Some((system, entity)) = names else { return Vec::new() };
    let own = all.iter().filter(|it| it.system == system.name && it.entity == entity.name);
    own.filter_map(|it| {
        let field = entity.field_named(&it.field)?;
        binding.cell(field).map(|_| (field, it.column.clone()))
    })
    .collect()
}

/// The table as it is now, of a database that was reached.
fn table_of<'a>(
    plan: &Plan,
    live: &'a Live,
    loaded: &Loaded,
    binding: &Binding,
) -> Option<&'a Table> {
    let name = &plan.system(binding.system)?.name;
    let kind = loaded.draft.system(name)?.address.as_ref()?.value.kind;
    match kind {
        Kind::Postgres | Kind::Mysql | Kind::Sqlite => {}
        Kind::Rest | Kind::File | Kind::Push => return None,
    }
    live.get(name)?.tables.get(&binding.table.table)?.as_ref()
}

fn has(table: &Table, column: &Text) -> bool {
    table.columns.iter().any(|it| it.name == *column)
}

/// Fields that cannot be read or written, each with a column that is gone, and with them those that merge as one with
/// them. `None`: the table is of no use without them.
fn missing(plan: &Plan, binding: &Binding, table: &Table) -> Option<Vec<(FieldIndex, Text)>> {
    let entity = plan.entity(binding.entity)?;
    let mut missing: Vec<(FieldIndex, Text)> = Vec::new();
    for (cell, at) in binding.cells.iter().zip(0u16..) {
        let columns = match cell.as_ref().map(|cell| &cell.place) {
            None => continue,
            Some(Place::Column(column) | Place::Path { column, .. }) => {
                std::slice::from_ref(column)
            }
            Some(Place::Columns(several)) => several.as_slice(),
        };
        if let Some(column) = columns.iter().find(|column| !has(table, column)) {
            missing.push((FieldIndex(at), column.clone()));
        }
    }
    let unit_of = |field: FieldIndex| entity.field(field).and_then(|found| found.unit);
    let units: Vec<_> = missing
        .iter()
        .filter_map(|(field, column)| Some((unit_of(*field)?, column.clone())))
        .collect();
    for (cell, at) in binding.cells.iter().zip(0u16..) {
        let field = FieldIndex(at);
        let unit = unit_of(field).filter(|_| cell.is_some());
        let with = units.iter().find(|(known, _)| Some(*known) == unit);
        if let Some((_, column)) = with.filter(|_| missing.iter().all(|(known, _)| *known != field))
        {
            missing.push((field, column.clone()));
        }
    }
    missing.sort_unstable();
    let is_needed = |(field, column): &(FieldIndex, Text)| {
        let is_matched = entity.matching.iter().any(|rule| rule.fields.contains(field));
        is_matched || needs(binding, column) || is_marking(plan, binding, *field)
    };
    (!missing.iter().any(is_needed)).then_some(missing)
}

/// Whether the table cannot be read or written without this column, whatever its field is.
fn needs(binding: &Binding, column: &Text) -> bool {
    let table = &binding.table;
    let changed_at = table.changed_at.iter().map(|(column, _)| column);
    let soft = binding.soft_delete.iter().flatten().map(|(column, _)| column);
    let needed = (table.key.iter().chain(&table.parent).chain(changed_at).chain(soft))
        .chain(table.changed_by.iter().chain(&table.cursor));
    needed.into_iter().any(|known| known == column)
}

/// Whether rows have their key by this field, or are marked as deleted by it.
fn is_marking(plan: &Plan, binding: &Binding, field: FieldIndex) -> bool {
    let name = plan.entity(binding.entity).and_then(|entity| entity.field(field));
    let mut soft = binding.soft_delete.iter().flatten();
    binding.table.key_fields.contains(&Some(field))
        || name.is_some_and(|found| soft.any(|(known, _)| *known == found.name))
}

/// Whether somebody has approved the entity as the file says it.
async fn is_approved(plan: &Plan, hub: &SqliteHub, entity: EntityIndex) -> Result<bool, Failure> {
    let Some(root) = plan.entity(plan.root_of(entity)) else { return Ok(false) };
    Ok(hub.approval(&root.name).await? == Some(root.meaning))
}

fn named(plan: &Plan, binding: &Binding, field: FieldIndex, column: &Text) -> Option<Paused> {
    let entity = plan.entity(binding.entity)?;
    Some(Paused {
        system: plan.system(binding.system)?.name.clone(),
        entity: entity.name.clone(),
        field: entity.field(field)?.name.clone(),
        table: binding.table.table.clone(),
        column: column.clone(),
    })
}
