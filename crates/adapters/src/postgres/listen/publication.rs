//! Sees to it that the publication tells of our tables, and of no table that could not be published
//! without harm: an update of one without a replica identity fails for everybody.

use std::collections::{BTreeMap, BTreeSet};

use syncline_core::{
    Text,
    error::{ErrorKind, PortError},
    name::BindingIndex,
};
use tokio_postgres::types::{ToSql, Type};

use crate::postgres::{
    bound::Bound,
    connect::Session,
    failure::{kind, port_error},
    listen::{decode::Wanted, sql},
    sql::{qualified, quoted},
};

/// A table, or what it consists of.
#[derive(Clone, Debug)]
pub(super) struct Part {
    whole: u32,
    oid: u32,
    /// `r`elation, `p`artitioned, anything else cannot be listened to.
    kind: String,
    persistence: String,
    identity: String,
    qualified: String,
    /// By which an old row is told, unless by all columns.
    columns: Vec<Text>,
}

/// What was found and set up.
pub(super) struct Published {
    /// Who wants to hear of which table, by the server's number of it.
    pub(super) wanted: BTreeMap<u32, Vec<Wanted>>,
    /// The publication was not there.
    pub(super) is_new: bool,
    /// Tables that it told nothing of until now: changes of them may have been missed.
    pub(super) added: Vec<BindingIndex>,
}

/// The publication of this name, there or not.
struct Publication<'a> {
    session: &'a Session,
    name: &'a str,
    action: &'a str,
}

/// Makes the publication tell of exactly these tables.
///
/// # Errors
/// `Unsupported` for tables that cannot be listened to as they are, with what would have to be
/// changed; `Forbidden` if somebody else has to make the publication, with the statement.
pub(super) async fn publish(
    session: &Session,
    bound: &[Bound],
    name: &str,
    version: i32,
    action: &str,
) -> Result<Published, PortError> {
    let publication = Publication { session, name, action };
    let parts = publication.parts(bound).await?;
    let unfit: BTreeMap<u32, String> =
        bound.iter().filter_map(|bound| Some((bound.known.oid, unfit(bound, &parts)?))).collect();
    let fit: Vec<&Bound> =
        bound.iter().filter(|bound| !unfit.contains_key(&bound.known.oid)).collect();
    let found = publication.query(sql::PUBLICATION, &[(&name, Type::TEXT)]).await?;
    if let Some(row) = found.first() {
        // What would do harm goes first, whether or not the rest succeeds.
        publication.withdraw(&fit, &parts).await?;
        let (is_complete, is_ours): (bool, bool) = (row.get(0), row.get(1));
        if !unfit.is_empty() {
            return Err(publication.refuse(&unfit));
        }
        if version >= 150_000 {
            publication.refuse_filters().await?;
        }
        let mut added = Vec::new();
        if !is_complete {
            let statement = format!(
                "alter publication {} set (publish = 'insert, update, delete, truncate')",
                quoted(name)
            );
            publication.change(&statement, is_ours).await?;
            added.extend(bound.iter().map(|bound| bound.shape.binding));
        }
        let missing = publication.missing(bound, &parts).await?;
        if !missing.is_empty() {
            let statement =
                format!("alter publication {} add table {}", quoted(name), tables(&missing));
            publication.change(&statement, is_ours).await?;
            added.extend(missing.iter().map(|bound| bound.shape.binding));
        }
        Ok(Published { wanted: wanted(bound, &parts), is_new: false, added })
    } else {
        if !unfit.is_empty() {
            return Err(publication.refuse(&unfit));
        }
        let all: Vec<&Bound> = bound.iter().collect();
        let statement = format!(
            "create publication {} for table {} with (publish_via_partition_root = true)",
            quoted(name),
            tables(&all)
        );
        publication.change(&statement, true).await?;
        Ok(Published { wanted: wanted(bound, &parts), is_new: true, added: Vec::new() })
    }
}

/// Who wants to hear of each part of a table.
fn wanted(bound: &[Bound], parts: &[Part]) -> BTreeMap<u32, Vec<Wanted>> {
    let mut wanted: BTreeMap<u32, Vec<Wanted>> = BTreeMap::new();
    for part in parts {
        let list = wanted.entry(part.oid).or_default();
        for bound in bound.iter().filter(|bound| bound.known.oid == part.whole) {
            let binding = bound.shape.binding;
            if !list.iter().any(|known| known.binding == binding) {
                list.push(Wanted { binding, key: key_columns(bound) });
            }
        }
    }
    wanted
}

fn key_columns(bound: &Bound) -> Vec<Text> {
    bound.shape.key.iter().map(|column| Text::new(bound.shape.column_name(*column))).collect()
}

/// The names of tables, each once.
fn tables(bound: &[&Bound]) -> String {
    let names: BTreeSet<&str> = bound.iter().map(|bound| bound.known.qualified.as_str()).collect();
    names.into_iter().collect::<Vec<_>>().join(", ")
}

/// Why a table cannot be listened to as it is; what would help.
fn unfit(bound: &Bound, parts: &[Part]) -> Option<String> {
    let table = &bound.shape.table;
    let key = key_columns(bound);
    let mut parts = parts.iter().filter(|part| part.whole == bound.known.oid);
    if let Some(strange) = parts.clone().find(|part| !matches!(part.kind.as_str(), "r" | "p")) {
        let word = match strange.kind.as_str() {
            "v" | "m" => "a view",
            "f" => "a foreign table",
            _ => "no table",
        };
        return Some(format!("{} is {word}: its changes are not in the log", strange.qualified));
    }
    if let Some(part) = parts.clone().find(|part| part.persistence != "p") {
        let part = &part.qualified;
        return Some(format!("{part} is not logged: alter table {part} set logged;"));
    }
    let bare = parts.find(|part| {
        part.identity != "f" && !key.iter().all(|column| part.columns.contains(column))
    })?;
    let by_index = bound.known.table.unique.iter().find(|unique| {
        let same = |column: &Text| key.contains(column);
        let is_filled = |name: &Text| {
            let mut columns = bound.known.table.columns.iter();
            columns.any(|column| column.name == *name && !column.nullable)
        };
        !unique.is_deferrable
            && unique.columns.len() == key.len()
            && unique.columns.iter().all(same)
            && unique.columns.iter().all(is_filled)
    });
    let how = match by_index {
        Some(unique) if bare.oid == bare.whole => {
            format!("using index {}", quoted(&unique.name))
        }
        Some(_) | None => "full".to_owned(),
    };
    Some(format!(
        "updates and deletes of table {table:?} do not log its key ({}): alter table {} replica \
         identity {how};",
        key.join(", "),
        bare.qualified
    ))
}

impl Publication<'_> {
    async fn query(
        &self,
        statement: &str,
        parameters: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<tokio_postgres::Row>, PortError> {
        let rows = self.session.client.query_typed(statement, parameters).await;
        rows.map_err(|error| port_error(self.action, &error))
    }

    async fn parts(&self, bound: &[Bound]) -> Result<Vec<Part>, PortError> {
        let oids: Vec<u32> = bound.iter().map(|bound| bound.known.oid).collect();
        let rows = self.query(sql::PARTS, &[(&oids, Type::OID_ARRAY)]).await?;
        let part = |row: &tokio_postgres::Row| Part {
            whole: row.get(0),
            oid: row.get(1),
            kind: row.get(2),
            persistence: row.get(3),
            identity: row.get(4),
            qualified: qualified(row.get(5), row.get(6)),
            columns: row.get::<_, Vec<&str>>(7).into_iter().map(Text::new).collect(),
        };
        Ok(rows.iter().map(part).collect())
    }

    /// The tables that it does not tell of: neither of themselves nor of everything that holds their
    /// rows.
    async fn missing<'b>(
        &self,
        bound: &'b [Bound],
        parts: &[Part],
    ) -> Result<Vec<&'b Bound>, PortError> {
        let rows = self.query(sql::PUBLISHED, &[(&self.name, Type::TEXT)]).await?;
        let published: BTreeSet<u32> = rows.iter().map(|row| row.get(0)).collect();
        let is_missing = |bound: &&Bound| {
            let oid = bound.known.oid;
            let of_it = || parts.iter().filter(|part| part.whole == oid);
            let is_partitioned = of_it().any(|part| part.oid == oid && part.kind == "p");
            // Partitions are told of under the name of the whole, or each under its own.
            let whole = is_partitioned && published.contains(&oid);
            !whole && of_it().any(|part| part.kind == "r" && !published.contains(&part.oid))
        };
        Ok(bound.iter().filter(is_missing).collect())
    }

    /// Takes tables out of it that are none of ours, or no longer fit.
    async fn withdraw(&self, fit: &[&Bound], parts: &[Part]) -> Result<(), PortError> {
        let keeps = |oid: u32| {
            let mut of_it = parts.iter().filter(|part| part.oid == oid);
            of_it.any(|part| fit.iter().any(|bound| bound.known.oid == part.whole))
        };
        let rows = self.query(sql::NAMED, &[(&self.name, Type::TEXT)]).await?;
        let surplus: Vec<String> = rows
            .iter()
            .filter(|row| !keeps(row.get(0)))
            .map(|row| qualified(row.get(1), row.get(2)))
            .collect();
        if surplus.is_empty() {
            return Ok(());
        }
        let statement =
            format!("alter publication {} drop table {}", quoted(self.name), surplus.join(", "));
        match self.session.client.batch_execute(&statement).await {
            Ok(()) => Ok(()),
            // Somebody else made it so: we pass over what is not ours.
            Err(error) if kind(&error) == ErrorKind::Forbidden => Ok(()),
            Err(error) => Err(port_error(self.action, &error)),
        }
    }

    async fn refuse_filters(&self) -> Result<(), PortError> {
        let rows = self.query(sql::FILTERED, &[(&self.name, Type::TEXT)]).await?;
        let Some(row) = rows.first() else { return Ok(()) };
        let table: &str = row.get(0);
        Err(PortError::new(
            ErrorKind::Unsupported,
            self.action,
            format!(
                "publication {:?} tells only of some rows or columns of {table:?}: drop \
                 publication {}; it is made anew",
                self.name,
                quoted(self.name)
            ),
        ))
    }

    fn refuse(&self, unfit: &BTreeMap<u32, String>) -> PortError {
        let reasons: Vec<&str> = unfit.values().map(String::as_str).collect();
        PortError::new(ErrorKind::Unsupported, self.action, reasons.join(" "))
    }

    /// Changes it, or says what its owner would have to do.
    async fn change(&self, statement: &str, is_ours: bool) -> Result<(), PortError> {
        let refused = || {
            let detail = format!(
                "this needs the owner of the tables, and the right to create in the database: \
                 {statement};"
            );
            PortError::new(ErrorKind::Forbidden, self.action, detail)
        };
        if !is_ours {
            return Err(refused());
        }
        match self.session.client.batch_execute(statement).await {
            Ok(()) => Ok(()),
            Err(error) if kind(&error) == ErrorKind::Forbidden => Err(refused()),
            Err(error) => Err(port_error(self.action, &error)),
        }
    }
}
