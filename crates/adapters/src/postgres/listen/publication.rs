//! Sees to it that the publication tells of our tables, and of no table that could not be published
//! without harm: an update of one without a replica identity fails for everybody.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use syncline_core::{
    Text,
    error::{ErrorKind, PortError},
    value::Digest,
};
use tokio_postgres::{
    Row,
    types::{ToSql, Type},
};

use crate::postgres::{
    bound::Bound,
    connect::Session,
    failure::{kind, port_error},
    listen::{decode::Wanted, position::Marks, sql},
    sql::{qualified, quoted},
};

/// A table, or what it consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    whole: u32,
    oid: u32,
    /// `r`elation, `p`artitioned, anything else cannot be listened to.
    kind: String,
    persistence: String,
    identity: String,
    qualified: String,
    /// By which an old row is told, unless by all columns.
    told_by: Vec<Text>,
    stored: u32,
    /// Of the whole: its columns, and what each of them is.
    columns: Vec<(String, String)>,
}

/// Our tables as the stream can see them. Where that changes, the stream begins anew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tables {
    /// What the names mean, in the order of the bindings.
    meant: Vec<Option<u32>>,
    parts: Vec<Part>,
    published: BTreeSet<u32>,
}

impl Tables {
    /// Looks at them.
    pub(super) async fn survey(
        session: &Session,
        bound: &[Arc<Bound>],
        name: &str,
        action: &str,
    ) -> Result<Self, PortError> {
        let query = Query { session, action };
        let names: Vec<&str> = bound.iter().map(|bound| bound.shape.table.as_str()).collect();
        let meant = query.rows(sql::MEANT, &[(&names, Type::TEXT_ARRAY)]).await?;
        let oids: Vec<u32> = bound.iter().map(|bound| bound.known.oid).collect();
        let parts = query.rows(sql::PARTS, &[(&oids, Type::OID_ARRAY)]).await?;
        let published = query.rows(sql::PUBLISHED, &[(&name, Type::TEXT)]).await?;
        let part = |row: &Row| Part {
            whole: row.get(0),
            oid: row.get(1),
            kind: row.get(2),
            persistence: row.get(3),
            identity: row.get(4),
            qualified: qualified(row.get(5), row.get(6)),
            told_by: row.get::<_, Vec<&str>>(7).into_iter().map(Text::new).collect(),
            stored: row.get(8),
            columns: row
                .get::<_, Vec<String>>(9)
                .into_iter()
                .zip(row.get::<_, Vec<String>>(10))
                .collect(),
        };
        Ok(Self {
            meant: meant.iter().map(|row| row.get(0)).collect(),
            parts: parts.iter().map(part).collect(),
            published: published.iter().map(|row| row.get(0)).collect(),
        })
    }

    /// For each table what changes when its rows change otherwise than one by one: when they are
    /// written anew, when partitions come and go, when one of our columns is another.
    pub(super) fn marks(&self, bound: &[Arc<Bound>]) -> Marks {
        let mut marks: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
        for part in &self.parts {
            let mark = marks.entry(part.whole).or_default();
            mark.extend_from_slice(&part.oid.to_be_bytes());
            mark.extend_from_slice(&part.stored.to_be_bytes());
            let ours = bound.iter().filter(|bound| bound.known.oid == part.oid);
            let ours: BTreeSet<&str> = ours
                .flat_map(|bound| &bound.shape.columns)
                .map(|column| column.name.as_str())
                .collect();
            for (name, what) in part.columns.iter().filter(|(name, _)| ours.contains(name.as_str()))
            {
                mark.extend_from_slice(format!("{name} {what}\n").as_bytes());
            }
        }
        let short = |mark: &[u8]| Digest::of(mark).0.first_chunk().copied().unwrap_or_default();
        marks.into_iter().map(|(oid, mark)| (oid, u64::from_be_bytes(short(&mark)))).collect()
    }

    /// The parts of the table of a binding.
    fn parts_of(&self, bound: &Bound) -> impl Iterator<Item = &Part> + Clone {
        let whole = bound.known.oid;
        self.parts.iter().filter(move |part| part.whole == whole)
    }

    /// Whether changes of this table are not told: neither under its own name nor under those of
    /// everything that holds its rows.
    fn misses(&self, bound: &Bound) -> bool {
        let oid = bound.known.oid;
        let is_partitioned = self.parts_of(bound).any(|part| part.oid == oid && part.kind == "p");
        let is_told = |part: &Part| self.published.contains(&part.oid);
        !(is_partitioned && self.published.contains(&oid))
            && self.parts_of(bound).any(|part| part.kind == "r" && !is_told(part))
    }

    /// Who wants to hear of each part of a table.
    fn wanted(&self, bound: &[Arc<Bound>]) -> BTreeMap<u32, Vec<Wanted>> {
        let mut wanted: BTreeMap<u32, Vec<Wanted>> = BTreeMap::new();
        for part in &self.parts {
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
}

/// What was found and set up.
pub(super) struct Published {
    /// The tables, now.
    pub(super) tables: Tables,
    /// Who wants to hear of which table, by the server's number of it.
    pub(super) wanted: BTreeMap<u32, Vec<Wanted>>,
    /// The publication was not there.
    pub(super) is_new: bool,
    /// It told less until now.
    pub(super) is_changed: bool,
}

struct Query<'a> {
    session: &'a Session,
    action: &'a str,
}

impl Query<'_> {
    async fn rows(
        &self,
        statement: &str,
        parameters: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Row>, PortError> {
        let rows = self.session.client.query_typed(statement, parameters).await;
        rows.map_err(|error| port_error(self.action, &error))
    }
}

/// The publication of this name, there or not.
struct Publication<'a> {
    query: Query<'a>,
    name: &'a str,
}

/// Makes the publication tell of exactly these tables.
///
/// # Errors
/// `Unheard` for tables that cannot be listened to as they are, with what would have to be
/// changed; `Forbidden` if somebody else has to make the publication, with the statement.
pub(super) async fn publish(
    session: &Session,
    bound: &[Arc<Bound>],
    name: &str,
    version: i32,
    action: &str,
) -> Result<Published, PortError> {
    let publication = Publication { query: Query { session, action }, name };
    let tables = Tables::survey(session, bound, name, action).await?;
    let unfit: BTreeMap<u32, String> =
        bound.iter().filter_map(|bound| Some((bound.known.oid, unfit(bound, &tables)?))).collect();
    let found = publication.query.rows(sql::PUBLICATION, &[(&name, Type::TEXT)]).await?;
    let (mut is_changed, is_new) = (false, found.is_empty());
    if let Some(row) = found.first() {
        // What would do harm goes first, whether or not the rest succeeds.
        let fit = bound.iter().filter(|bound| !unfit.contains_key(&bound.known.oid));
        publication.withdraw(&tables, fit.map(|bound| bound.known.oid).collect()).await?;
        refuse(&unfit, action)?;
        if version >= 150_000 {
            publication.refuse_filters(bound, &tables).await?;
        }
        let (is_complete, is_ours): (bool, bool) = (row.get(0), row.get(1));
        if !is_complete {
            let set = "set (publish = 'insert, update, delete, truncate')";
            publication
                .change(&format!("alter publication {} {set}", quoted(name)), is_ours)
                .await?;
            is_changed = true;
        }
        let missing = bound.iter().filter(|bound| tables.misses(bound));
        let missing: BTreeSet<&str> = missing.map(|bound| bound.known.qualified.as_str()).collect();
        if !missing.is_empty() {
            let list = missing.into_iter().collect::<Vec<_>>().join(", ");
            let statement = format!("alter publication {} add table {list}", quoted(name));
            publication.change(&statement, is_ours).await?;
            is_changed = true;
        }
    } else {
        refuse(&unfit, action)?;
        let all: BTreeSet<&str> =
            bound.iter().map(|bound| bound.known.qualified.as_str()).collect();
        let statement = format!(
            "create publication {} for table {} with (publish_via_partition_root = true)",
            quoted(name),
            all.into_iter().collect::<Vec<_>>().join(", ")
        );
        publication.change(&statement, true).await?;
    }
    let tables = Tables::survey(session, bound, name, action).await?;
    let wanted = tables.wanted(bound);
    Ok(Published { tables, wanted, is_new, is_changed })
}

fn key_columns(bound: &Bound) -> Vec<Text> {
    bound.shape.key.iter().map(|column| Text::new(bound.shape.column_name(*column))).collect()
}

/// Names what cannot be listened to, if anything.
fn refuse(unfit: &BTreeMap<u32, String>, action: &str) -> Result<(), PortError> {
    if unfit.is_empty() {
        return Ok(());
    }
    let reasons: Vec<&str> = unfit.values().map(String::as_str).collect();
    Err(PortError::new(ErrorKind::Unheard, action, reasons.join(" ")))
}

/// Why a table cannot be listened to as it is; what would help.
fn unfit(bound: &Bound, tables: &Tables) -> Option<String> {
    let table = &bound.shape.table;
    let key = key_columns(bound);
    let mut parts = tables.parts_of(bound);
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
        part.identity != "f" && !key.iter().all(|column| part.told_by.contains(column))
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
    /// Takes tables out of it that are none of ours, or no longer fit.
    async fn withdraw(&self, tables: &Tables, fit: BTreeSet<u32>) -> Result<(), PortError> {
        let keeps =
            |oid: u32| tables.parts.iter().any(|part| part.oid == oid && fit.contains(&part.whole));
        let rows = self.query.rows(sql::NAMED, &[(&self.name, Type::TEXT)]).await?;
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
        match self.query.session.client.batch_execute(&statement).await {
            Ok(()) => Ok(()),
            // Somebody else made it so: we pass over what is not ours.
            Err(error) if kind(&error) == ErrorKind::Forbidden => Ok(()),
            Err(error) => Err(port_error(self.query.action, &error)),
        }
    }

    /// Rows that are left out would be missed. Columns may be, but for the key: changed rows are read from the
    /// table, and nothing else of them is taken from the log.
    async fn refuse_filters(&self, bound: &[Arc<Bound>], tables: &Tables) -> Result<(), PortError> {
        let named = self.name.replace('\\', "\\\\").replace('_', "\\_").replace('%', "\\%");
        let rows = self.query.rows(sql::FILTERED, &[(&named, Type::TEXT)]).await?;
        let what = |row: &Row| {
            let (part, table): (u32, &str) = (row.get(0), row.get(1));
            if row.get(3) {
                return Some(format!("only of some rows of {table:?}"));
            }
            let columns: Vec<&str> = row.get(4);
            let wholes = tables.parts.iter().filter(|it| it.oid == part).map(|it| it.whole);
            let wholes: BTreeSet<u32> = wholes.collect();
            let mut ours = bound.iter().filter(|bound| wholes.contains(&bound.known.oid));
            let lacks = |bound: &Arc<Bound>| {
                key_columns(bound).into_iter().find(|key| !columns.contains(&key.as_str()))
            };
            let lacking = ours.find_map(lacks)?;
            Some(format!("of {table:?} without {lacking:?}, which its rows are known by"))
        };
        let Some(what) = rows.iter().find_map(what) else { return Ok(()) };
        Err(PortError::new(
            ErrorKind::Unheard,
            self.query.action,
            format!(
                "publication {:?} tells {what}: drop publication {}; it is made anew",
                self.name,
                quoted(self.name)
            ),
        ))
    }

    /// Changes it, or says what its owner would have to do.
    async fn change(&self, statement: &str, is_ours: bool) -> Result<(), PortError> {
        let refused = || {
            let detail = format!(
                "this needs the owner of the tables, and the right to create in the database: \
                 {statement};"
            );
            PortError::new(ErrorKind::Forbidden, self.query.action, detail)
        };
        if !is_ours {
            return Err(refused());
        }
        match self.query.session.client.batch_execute(statement).await {
            Ok(()) => Ok(()),
            Err(error) if kind(&error) == ErrorKind::Forbidden => Err(refused()),
            Err(error) => Err(port_error(self.query.action, &error)),
        }
    }
}
