//! What must be known of tables to name their rows: where the key columns are, and which rows of
//! other tables go or change with theirs without being logged.

use std::collections::{BTreeMap, BTreeSet};

use syncline_core::{
    Text,
    error::{ErrorKind, PortError},
    name::{BindingIndex, SystemIndex},
    plan::Plan,
};

use crate::{
    mysql::{
        connect::Session,
        describe::{self, Cells, Described},
        failure::Failure,
        listen::key::KeyColumn,
        literal,
        types::{self, Wire},
    },
    sql::Shape,
};

/// A schema and a table in it.
pub(super) type Name = (String, String);

/// What is known of a table.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// So many columns are logged.
    pub columns: usize,
    /// The bindings of the table, with their keys.
    pub bound: Vec<(BindingIndex, Vec<KeyColumn>)>,
    /// Bindings whose rows may go or change with a deleted row of this table.
    pub on_delete: BTreeSet<BindingIndex>,
    /// The same for changes of these columns.
    pub on_update: Vec<(Vec<usize>, BTreeSet<BindingIndex>)>,
    /// The names of those columns.
    pub referenced: BTreeSet<String>,
}

/// What is known of the tables of a system.
#[derive(Clone, Debug, Default)]
pub(super) struct Tables {
    known: BTreeMap<Name, Known>,
    /// Whether names differ by more than case.
    folds: bool,
    /// The tables of all bindings, as statements name them.
    pub named: BTreeMap<BindingIndex, Name>,
    /// Bindings whose tables are not as the plan needs them, and why: nothing is heard of them.
    pub unheard: BTreeMap<BindingIndex, Text>,
}

/// A foreign key that changes or deletes rows of its own table.
struct Edge {
    child: Name,
    parent: Name,
    columns: Vec<String>,
    deletes: bool,
    updates: bool,
}

impl Tables {
    /// What is known of a table, if any of it matters.
    pub(super) fn get(&self, schema: &str, table: &str) -> Option<&Known> {
        self.known.get(&self.name(schema, table))
    }

    /// The tables that have bindings.
    pub(super) fn bound(&self) -> impl Iterator<Item = (&Name, &Known)> {
        self.known.iter().filter(|(_, known)| !known.bound.is_empty())
    }

    fn name(&self, schema: &str, table: &str) -> Name {
        if self.folds {
            (schema.to_lowercase(), table.to_lowercase())
        } else {
            (schema.to_owned(), table.to_owned())
        }
    }

    /// Describes the tables of all bindings, and those whose rows take theirs along.
    pub(super) async fn load(
        session: &mut Session,
        database: &str,
        plan: &Plan,
        system: SystemIndex,
        has_whole_rows: bool,
    ) -> Result<Self, PortError> {
        let failed = |failure: Failure| failure.error("describe the tables to listen to");
        let folds = session.rows("select @@lower_case_table_names").await.map_err(failed)?;
        let folds = folds.into_iter().next().map(|row| Cells(row.into_iter()).text());
        let mut tables = Self { folds: folds.is_some_and(|folds| folds != "0"), ..Self::default() };
        for (at, binding) in plan.bindings.iter().enumerate() {
            if binding.system != system {
                continue;
            }
            let index = BindingIndex(u16::try_from(at).unwrap_or(u16::MAX));
            let called = binding.table.table.clone();
            let said = called.split_once('.').unwrap_or((database, called.as_str()));
            tables.named.insert(index, (said.0.to_owned(), said.1.to_owned()));
            let found = describe::describe(session, database, std::slice::from_ref(&called));
            let found = found.await.map_err(failed)?.into_iter().flatten().next();
            let bound = match found {
                Some(described) => {
                    tables.bind(session, plan, index, described, has_whole_rows).await
                }
                None => {
                    let action = format!("listen to {called:?}");
                    let detail = "it is not there, or cannot be seen";
                    Err(PortError::new(ErrorKind::SchemaDrift, action, detail))
                }
            };
            match bound {
                Ok(()) => {}
                Err(error) if error.kind == ErrorKind::SchemaDrift => {
                    tables.unheard.insert(index, Text::new(error.to_string()));
                }
                Err(error) => return Err(error),
            }
        }
        let edges = edges(session, &tables).await.map_err(failed)?;
        tables.follow(session, edges).await.map_err(failed)?;
        Ok(tables)
    }

    async fn bind(
        &mut self,
        session: &mut Session,
        plan: &Plan,
        index: BindingIndex,
        described: Described,
        has_whole_rows: bool,
    ) -> Result<(), PortError> {
        let action = || format!("listen to {:?}", described.table.name);
        if described.table.is_view {
            let detail = "it is a view, and nothing tells of its rows: bind a table, or set \
                 `detect: {poll: 30s}`";
            return Err(PortError::new(ErrorKind::Unheard, action(), detail));
        }
        let (schema, table) = describe::unquoted(&described.sql_name);
        let shape = Shape::of(plan, index, &described.table)?;
        let columns = columns(session, &schema, &table).await;
        let (columns, count) = columns.map_err(|failure| failure.error(action()))?;
        let key: Option<Vec<KeyColumn>> =
            shape.key.iter().map(|at| key_column(&shape, *at, &columns)).collect();
        let Some(key) = key else {
            let detail = "a key column cannot be found among those of the table";
            return Err(PortError::new(ErrorKind::SchemaDrift, action(), detail));
        };
        let is_primary = shape.key.iter().all(|at| {
            described.table.primary_key.iter().any(|name| name == shape.column_name(*at))
        });
        if !has_whole_rows && !is_primary {
            let detail = "its key is not the primary key, and the log has only that of rows before \
                 a change: run `set global binlog_row_image = 'FULL'` and put it into the server's file";
            return Err(PortError::new(ErrorKind::Unheard, action(), detail));
        }
        let name = self.name(&schema, &table);
        self.named.insert(index, name.clone());
        let known = self.known.entry(name).or_default();
        known.columns = count;
        known.bound.push((index, key));
        Ok(())
    }

    /// Notes, for each table whose rows take others along, the bindings that are reached.
    async fn follow(&mut self, session: &mut Session, edges: Vec<Edge>) -> Result<(), Failure> {
        for edge in &edges {
            let mut reached = BTreeSet::from([edge.child.clone()]);
            loop {
                let further: Vec<Name> = edges
                    .iter()
                    .filter(|next| reached.contains(&next.parent) && !reached.contains(&next.child))
                    .map(|next| next.child.clone())
                    .collect();
                if further.is_empty() {
                    break;
                }
                reached.extend(further);
            }
            let bindings: BTreeSet<BindingIndex> = reached
                .iter()
                .filter_map(|name| self.known.get(name))
                .flat_map(|known| known.bound.iter().map(|(binding, _)| *binding))
                .collect();
            if bindings.is_empty() {
                continue;
            }
            let (columns, count) = columns(session, &edge.parent.0, &edge.parent.1).await?;
            let known = self.known.entry(edge.parent.clone()).or_default();
            known.columns = count;
            if edge.deletes {
                known.on_delete.extend(&bindings);
            }
            if edge.updates {
                known.referenced.extend(edge.columns.iter().cloned());
                let places = edge
                    .columns
                    .iter()
                    .filter_map(|name| columns.iter().position(|column| column.name == *name));
                known.on_update.push((places.collect(), bindings));
            }
        }
        Ok(())
    }
}

/// A column as it is logged.
struct Column {
    name: String,
    charset: Option<String>,
}

/// The columns of a table in their order, and how many are logged: some tables have hidden ones.
async fn columns(
    session: &mut Session,
    schema: &str,
    table: &str,
) -> Result<(Vec<Column>, usize), Failure> {
    let place = describe::place(describe::TABLE, schema, table);
    let sql = format!(
        "select column_name, character_set_name, extra from information_schema.columns \
         where {place} order by ordinal_position"
    );
    let (mut columns, mut has_period) = (Vec::new(), false);
    for row in session.rows(&sql).await? {
        let mut cells = Cells(row.into_iter());
        columns.push(Column { name: cells.text(), charset: cells.optional() });
        has_period |= cells.text().to_lowercase().contains("row start");
    }
    let sql = format!(
        "select table_type, (select count(distinct index_name) from information_schema.statistics \
         where index_type = 'HASH' and {place}), engine from information_schema.tables where {place}"
    );
    let mut count = columns.len();
    if let Some(row) = session.rows(&sql).await?.into_iter().next() {
        let mut cells = Cells(row.into_iter());
        if cells.text() == "SYSTEM VERSIONED" && !has_period {
            count += 2;
        }
        let hashes = cells.number().and_then(|hashes| usize::try_from(hashes).ok()).unwrap_or(0);
        if !cells.text().eq_ignore_ascii_case("memory") {
            count += hashes;
        }
    }
    Ok((columns, count))
}

fn key_column(shape: &Shape, at: usize, columns: &[Column]) -> Option<KeyColumn> {
    let column = shape.columns.get(at)?;
    let place = columns.iter().position(|other| other.name == column.name.as_str())?;
    Some(KeyColumn {
        name: column.name.to_string(),
        at: place,
        wire: Wire::of(column)?,
        type_name: types::base_name(&column.type_name).to_owned(),
        is_unsigned: column.type_name.contains("unsigned") || column.type_name.contains("zerofill"),
        charset: columns.get(place)?.charset.clone(),
        members: column.allowed.clone(),
    })
}

/// The foreign keys in the schemas of the bindings that delete or change rows by themselves.
async fn edges(session: &mut Session, tables: &Tables) -> Result<Vec<Edge>, Failure> {
    let schemas: BTreeSet<&String> = tables.named.values().map(|(schema, _)| schema).collect();
    let mut list = Vec::new();
    for schema in schemas {
        list.extend_from_slice(if list.is_empty() { b"" } else { b", " });
        literal::text(schema, &mut list);
    }
    if list.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!(
        "select k.constraint_name, k.table_schema, k.table_name, k.referenced_table_schema, \
         k.referenced_table_name, k.referenced_column_name, r.delete_rule, r.update_rule \
         from information_schema.key_column_usage k \
         join information_schema.referential_constraints r \
         on r.constraint_schema = k.constraint_schema and r.constraint_name = k.constraint_name \
         and r.table_name = k.table_name \
         where k.table_schema in ({}) and k.referenced_table_name is not null \
         order by k.table_schema, k.table_name, k.constraint_name, k.ordinal_position",
        String::from_utf8_lossy(&list)
    );
    let mut found: Vec<(String, Edge)> = Vec::new();
    for row in session.rows(&sql).await? {
        let mut cells = Cells(row.into_iter());
        let constraint = cells.text();
        let child = (cells.text(), cells.text());
        let parent = (cells.text(), cells.text());
        let child = tables.name(&child.0, &child.1);
        let parent = tables.name(&parent.0, &parent.1);
        let (column, on_delete, on_update) = (cells.text(), cells.text(), cells.text());
        let acts = |rule: &str| matches!(rule, "CASCADE" | "SET NULL" | "SET DEFAULT");
        match found.last_mut() {
            Some((name, edge)) if *name == constraint && edge.child == child => {
                edge.columns.push(column);
            }
            Some(_) | None => {
                let (deletes, updates) = (acts(&on_delete), acts(&on_update));
                let edge = Edge { child, parent, columns: vec![column], deletes, updates };
                found.push((constraint, edge));
            }
        }
    }
    Ok(found
        .into_iter()
        .map(|(_, edge)| edge)
        .filter(|edge| edge.deletes || edge.updates)
        .collect())
}
