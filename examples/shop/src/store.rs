//! What the shop remembers: items as JSON documents, with a version each.

use std::{
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use rusqlite::{Connection, OptionalExtension as _, params};
use serde_json::{Map, Value, json};

/// The tables.
const TABLES: &str = "
create table if not exists items (
    id integer primary key autoincrement,
    kind text not null,
    unique_value text not null collate nocase,
    document text not null,
    version integer not null default 1,
    updated_at text not null,
    unique (kind, unique_value)
);
create index if not exists by_time on items (kind, updated_at);
create table if not exists answered (once text primary key, id integer not null);
-- What changed, whoever changed it, until those who want to hear of it have.
create table if not exists news (
    number integer primary key autoincrement,
    topic text not null,
    item integer not null
);
create trigger if not exists item_came after insert on items begin
    insert into news (topic, item) values (new.kind || '/created', new.id);
end;
create trigger if not exists item_changed after update on items begin
    insert into news (topic, item) values (new.kind || '/updated', new.id);
end;
create trigger if not exists item_went after delete on items begin
    insert into news (topic, item) values (old.kind || '/deleted', old.id);
end;
";

/// The longest name that the shop prints on a parcel.
const NAME_LENGTH: usize = 40;

/// Kinds of items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// People who buy; no two share an e-mail address.
    Customers,
    /// What they buy; no two share a `sku`.
    Products,
    /// What they have ordered, with its `line_items`; no two share a `number`.
    Orders,
    /// The same lines for those who want them by themselves: each with an `order_id`, once per `sku`.
    OrderLines,
}

impl Kind {
    /// As the path says it.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "customers" => Some(Self::Customers),
            "products" => Some(Self::Products),
            "orders" => Some(Self::Orders),
            "order_lines" => Some(Self::OrderLines),
            _ => None,
        }
    }

    /// As the path says it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Customers => "customers",
            Self::Products => "products",
            Self::Orders => "orders",
            Self::OrderLines => "order_lines",
        }
    }

    /// The member that no two items share.
    pub const fn unique(self) -> &'static str {
        match self {
            Self::Customers => "email",
            Self::Products | Self::OrderLines => "sku",
            Self::Orders => "number",
        }
    }
}

/// Why the shop refuses something.
#[derive(Debug)]
pub enum Failure {
    /// There is no such item.
    Missing,
    /// It is another version than the one expected.
    Changed,
    /// Another item holds what no two share.
    Taken,
    /// It cannot be as it is.
    Invalid(String),
    /// The database failed.
    Database(rusqlite::Error),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::ConstraintViolation) => Self::Taken,
            Some(_) | None => Self::Database(error),
        }
    }
}

/// What becomes of members that a change does not name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keeps {
    /// They stay.
    Others,
    /// They go: what is sent is the whole item.
    Nothing,
}

/// An item.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) id: i64,
    pub(crate) json: Value,
    version: i64,
}

impl Item {
    pub(crate) fn etag(&self) -> String {
        format!("\"{}-{}\"", self.id, self.version)
    }
}

/// The shop's file.
#[derive(Debug)]
pub(crate) struct Store(Mutex<Connection>);

impl Store {
    pub(crate) fn open(file: &Path) -> Result<Self, rusqlite::Error> {
        let connection = Connection::open(file)?;
        connection.query_row("pragma journal_mode = wal", [], |_row| Ok(()))?;
        connection.execute_batch(TABLES)?;
        Ok(Self(Mutex::new(connection)))
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn list(
        &self,
        kind: Kind,
        after: i64,
        limit: u32,
        since: Option<&str>,
        unique: Option<&str>,
    ) -> Result<Vec<Item>, Failure> {
        let connection = self.connection();
        // One by its address, or page by page in the order of the ids: no other index helps.
        let sql = match unique {
            Some(_) => {
                "select id, document, version, updated_at from items \
                 where kind = ?1 and unique_value = ?4 and id > ?2 and updated_at >= ?3 limit ?5"
            }
            None => {
                "select id, document, version, updated_at from items not indexed \
                 where kind = ?1 and id > ?2 and updated_at >= ?3 and ?4 is null order by id limit ?5"
            }
        };
        let mut statement = connection.prepare_cached(sql)?;
        let since = since.unwrap_or_default();
        let items = statement
            .query_map(params![kind.word(), after, since, unique, limit], read)?
            .collect::<Result<Vec<_>, _>>()?;
        Ok(items)
    }

    /// The oldest news that nobody has heard: its number, topic and item.
    pub(crate) fn news(&self) -> Result<Option<(i64, String, i64)>, Failure> {
        let sql = "select number, topic, item from news order by number limit 1";
        let connection = self.connection();
        let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        Ok(connection.prepare_cached(sql)?.query_row([], row).optional()?)
    }

    /// They have heard it.
    pub(crate) fn heard(&self, number: i64) -> Result<(), Failure> {
        self.connection().execute("delete from news where number = ?1", [number])?;
        Ok(())
    }

    pub(crate) fn get(&self, kind: Kind, id: i64) -> Result<Item, Failure> {
        find(&self.connection(), kind, id)
    }

    pub(crate) fn create(
        &self,
        kind: Kind,
        item: &Value,
        once: Option<&str>,
    ) -> Result<Item, Failure> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        let known = "select id from answered where once = ?1";
        let made: Option<i64> =
            transaction.query_row(known, [once], |row| row.get(0)).optional()?;
        if let Some(id) = made {
            return find(&transaction, kind, id);
        }
        let item = checked(kind, Map::new(), item)?;
        transaction.execute(
            "insert into items (kind, unique_value, document, updated_at) values (?1, ?2, ?3, ?4)",
            params![kind.word(), unique(kind, &item), Value::Object(item).to_string(), now()],
        )?;
        let id = transaction.last_insert_rowid();
        if let Some(once) = once {
            transaction
                .execute("insert into answered (once, id) values (?1, ?2)", params![once, id])?;
        }
        let made = find(&transaction, kind, id)?;
        transaction.commit()?;
        Ok(made)
    }

    pub(crate) fn change(
        &self,
        kind: Kind,
        id: i64,
        changes: &Value,
        expected: Option<&str>,
        keeps: Keeps,
    ) -> Result<Item, Failure> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        let before = find(&transaction, kind, id)?;
        if expected.is_some_and(|expected| expected != before.etag()) {
            return Err(Failure::Changed);
        }
        let old = match (keeps, before.json) {
            (Keeps::Others, Value::Object(old)) => old,
            (Keeps::Others | Keeps::Nothing, _) => Map::new(),
        };
        let item = checked(kind, old, changes)?;
        transaction.execute(
            "update items set unique_value = ?2, document = ?3, version = version + 1, \
             updated_at = ?4 where id = ?1",
            params![id, unique(kind, &item), Value::Object(item).to_string(), now()],
        )?;
        let after = find(&transaction, kind, id)?;
        transaction.commit()?;
        Ok(after)
    }

    pub(crate) fn delete(
        &self,
        kind: Kind,
        id: i64,
        expected: Option<&str>,
    ) -> Result<(), Failure> {
        let connection = self.connection();
        let before = find(&connection, kind, id)?;
        if expected.is_some_and(|expected| expected != before.etag()) {
            return Err(Failure::Changed);
        }
        if kind == Kind::Orders {
            let lines =
                "delete from items where kind = 'order_lines' and document ->> 'order_id' = ?1";
            connection.execute(lines, [id])?;
        }
        connection.execute("delete from items where id = ?1", [id])?;
        Ok(())
    }
}

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Item> {
    let (id, version): (i64, i64) = (row.get(0)?, row.get(2)?);
    let (document, updated_at): (String, String) = (row.get(1)?, row.get(3)?);
    let mut json: Value = serde_json::from_str(&document).unwrap_or_default();
    if let Value::Object(members) = &mut json {
        members.insert("id".into(), json!(id));
        members.insert("updated_at".into(), json!(updated_at));
    }
    Ok(Item { id, json, version })
}

fn find(connection: &Connection, kind: Kind, id: i64) -> Result<Item, Failure> {
    let sql = "select id, document, version, updated_at from items where kind = ?1 and id = ?2";
    let found = connection.query_row(sql, params![kind.word(), id], read).optional()?;
    found.ok_or(Failure::Missing)
}

/// The item with these changes, as the shop keeps it.
fn checked(
    kind: Kind,
    mut item: Map<String, Value>,
    changes: &Value,
) -> Result<Map<String, Value>, Failure> {
    let Value::Object(changes) = changes else {
        return Err(Failure::Invalid("an item is an object".into()));
    };
    merge(&mut item, changes);
    for ours in ["id", "updated_at"] {
        item.remove(ours);
    }
    for name in ["first_name", "last_name", "title"] {
        // Parcels have narrow labels.
        if let Some(Value::String(text)) = item.get_mut(name) {
            *text = text.chars().take(NAME_LENGTH).collect();
        }
    }
    let unique = item.get(kind.unique()).and_then(Value::as_str).unwrap_or_default();
    let is_right = match kind {
        Kind::Customers => unique.contains('@'),
        Kind::Products | Kind::Orders => !unique.is_empty(),
        Kind::OrderLines => !unique.is_empty() && item.get("order_id").is_some_and(Value::is_i64),
    };
    if let (Kind::Orders, Some(Value::Array(lines))) = (kind, item.get_mut("line_items")) {
        number(lines);
    }
    if is_right { Ok(item) } else { Err(Failure::Invalid(format!("{} is missing", kind.unique()))) }
}

/// Lines have numbers of the shop's own; new ones are given the next.
fn number(lines: &mut [Value]) {
    let id = |line: &Value| line.get("id").and_then(Value::as_i64);
    let mut last = lines.iter().filter_map(id).max().unwrap_or(0);
    for line in lines.iter_mut().filter_map(Value::as_object_mut) {
        if !line.contains_key("id") {
            last += 1;
            line.insert("id".into(), json!(last));
        }
    }
}

/// As a merge patch does it, but that null stays.
fn merge(item: &mut Map<String, Value>, changes: &Map<String, Value>) {
    for (name, change) in changes {
        match (item.get_mut(name), change) {
            (Some(Value::Object(inner)), Value::Object(changes)) => merge(inner, changes),
            (Some(_) | None, _) => {
                item.insert(name.clone(), change.clone());
            }
        }
    }
}

fn unique(kind: Kind, item: &Map<String, Value>) -> String {
    let unique = item.get(kind.unique()).and_then(Value::as_str).unwrap_or_default();
    match item.get("order_id").filter(|_| kind == Kind::OrderLines) {
        Some(order) => format!("{order}/{unique}"),
        None => unique.to_owned(),
    }
}

/// A time as the shop keeps it: always as many digits, so that texts sort like times.
pub(crate) fn time(text: &str) -> Option<String> {
    let at: jiff::Timestamp = text.parse().ok()?;
    Some(format!("{at:.3}"))
}

fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let ms = i64::try_from(since.as_millis()).unwrap_or_default();
    let now = jiff::Timestamp::from_millisecond(ms).unwrap_or_default();
    format!("{now:.3}")
}
