//! Columns that appeared in a mapped table since a pass last looked. No field carries them, so they
//! stay where they are; a person should know, since perhaps one ought to.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};
use syncline_core::{
    Text,
    name::{BindingIndex, EntityIndex},
    plan::{Binding, Place},
};
use syncline_engine::{
    capture::{Mode, stream_name},
    pass,
};
use syncline_ports::reader::Reader as _;

use crate::{report::Failure, session::Session};

/// Its page says how a column becomes a field.
const CODE: &str = "schema.new_column";

/// New columns of one table.
pub(crate) struct Appeared {
    system: String,
    table: Text,
    columns: Vec<Text>,
}

/// The new columns of this entity's tables, and of its child lists'.
pub(crate) async fn appeared(
    session: &Session,
    entity: EntityIndex,
) -> Result<Vec<Appeared>, Failure> {
    let mut all = Vec::new();
    for binding in pass::bindings(&session.plan, entity) {
        let Some(found) = session.plan.binding(binding) else { continue };
        let Some(known) = session.hub.note(&note(session, binding)).await? else { continue };
        // What was written here was a list of names.
        let known: BTreeSet<String> = serde_json::from_str(&known).unwrap_or_default();
        let used = used(session, found);
        let names = names(session, binding).into_iter();
        let columns: Vec<Text> =
            names.filter(|name| !known.contains(name.as_str()) && !used.contains(name)).collect();
        if !columns.is_empty() {
            let system = session.system_name(found.system).to_owned();
            all.push(Appeared { system, table: found.table.table.clone(), columns });
        }
    }
    Ok(all)
}

/// From now on the columns that are there are known. A system that was not reached is not heard.
pub(crate) async fn remember(session: &Session, entity: EntityIndex) -> Result<(), Failure> {
    for binding in pass::bindings(&session.plan, entity) {
        let names = names(session, binding);
        if names.is_empty() {
            continue;
        }
        let names: Vec<&str> = names.iter().map(Text::as_str).collect();
        session.hub.set_note(&note(session, binding), &json!(names).to_string()).await?;
    }
    Ok(())
}

/// A line for each table.
pub(crate) fn lines(appeared: &[Appeared]) -> Vec<String> {
    let line = |Appeared { system, table, columns }: &Appeared| {
        let names: Vec<&str> = columns.iter().map(Text::as_str).collect();
        let (what, them) = match names.len() {
            1 => ("a new column", "it is"),
            _ => ("new columns", "they are"),
        };
        let names = names.join(", ");
        format!(
            "! {system}.{table} has {what}: {names}; {them} of no field, and left alone [{CODE}]"
        )
    };
    appeared.iter().map(line).collect()
}

/// The same for programs.
pub(crate) fn json(appeared: &[Appeared]) -> Json {
    let tables = appeared.iter().map(|Appeared { system, table, columns }| {
        let columns: Vec<&str> = columns.iter().map(Text::as_str).collect();
        json!({ "system": system, "table": table.as_str(), "columns": columns })
    });
    Json::Array(tables.collect())
}

fn note(session: &Session, binding: BindingIndex) -> String {
    format!("columns:{}", stream_name(&session.plan, binding, Mode::Scan))
}

fn names(session: &Session, binding: BindingIndex) -> Vec<Text> {
    let table = session.table(binding);
    table.map(|table| table.columns.iter().map(|it| it.name.clone()).collect()).unwrap_or_default()
}

/// The columns of this table that the file speaks of, for whichever entity.
fn used(session: &Session, of: &Binding) -> BTreeSet<Text> {
    let same = |other: &&Binding| other.system == of.system && other.table.table == of.table.table;
    let mut used = BTreeSet::new();
    for binding in session.plan.bindings.iter().filter(same) {
        let table = &binding.table;
        used.extend(table.key.iter().chain(&table.parent).cloned());
        used.extend(table.changed_at.iter().map(|(column, _)| column.clone()));
        used.extend(table.changed_by.iter().chain(&table.cursor).cloned());
        used.extend(binding.soft_delete.iter().flatten().map(|(column, _)| column.clone()));
        for cell in binding.cells.iter().flatten() {
            match &cell.place {
                Place::Column(column) | Place::Path { column, .. } => {
                    used.insert(column.clone());
                }
                Place::Columns(several) => used.extend(several.iter().cloned()),
            }
        }
    }
    // Columns that are known and never read.
    let entities = session.loaded.draft.entities.iter();
    let all = entities.flat_map(|entity| std::iter::once(entity).chain(entity.lines.as_deref()));
    let system = session.system_name(of.system);
    for entity in all.filter(|entity| {
        entity.binding(system).is_some_and(|binding| binding.table.value == of.table.table)
    }) {
        let cells = entity.never.iter().filter_map(|field| field.cell(system));
        used.extend(cells.flat_map(|cell| &cell.columns).map(|column| column.value.clone()));
    }
    used
}
