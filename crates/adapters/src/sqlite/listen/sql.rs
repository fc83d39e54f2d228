//! What listening puts into a file: the table of changes and the triggers that fill it.
//!
//! The triggers run in the application's own SQLite, which may be an old one: they use nothing that
//! version 3.8 does not know, and a table without any constraint, so that no conflict clause of the
//! application's statement (`insert or ignore`) reaches them.

use syncline_core::Text;

use crate::sqlite::connection::quoted;

/// Stands in everything that listening creates: the catalogue does not show it to people.
pub(crate) const MARKER: &str = "/* changes noted for syncline */";

/// About how many bytes a noted change takes, beside its key.
pub(crate) const ROW_BYTES: u64 = 64;

/// Names and numbers of one installation.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    prefix: String,
    /// So many changes are noted at most.
    room: u64,
}

/// A table as the triggers need to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Watched {
    /// Its name.
    pub(crate) table: Text,
    /// The columns whose values name a row.
    pub(crate) key: Vec<Text>,
    /// What is unique beside the key: each column with its collation.
    pub(crate) unique: Vec<Vec<(Text, Text)>>,
}

impl Names {
    pub(crate) fn new(prefix: &str, max_retained: u64) -> Self {
        Self { prefix: prefix.to_owned(), room: (max_retained / ROW_BYTES).max(1_000) }
    }

    /// So many changes are noted at most; later ones are not.
    pub(crate) fn room(&self) -> u64 {
        self.room
    }

    /// The table of changes, unquoted.
    pub(crate) fn changes_name(&self) -> String {
        format!("{}_changes", self.prefix)
    }

    /// The table of changes, quoted.
    pub(crate) fn changes(&self) -> String {
        quoted(&self.changes_name())
    }

    /// Whether a trigger of this name is one of ours.
    pub(crate) fn owns(&self, trigger: &str) -> bool {
        let rest = trigger.strip_prefix(&self.prefix).and_then(|rest| rest.strip_prefix('_'));
        rest.and_then(|rest| rest.split_once('_')).is_some_and(|(number, what)| {
            number.len() == 16
                && number.bytes().all(|byte| byte.is_ascii_hexdigit())
                && WHENS.contains(&what)
        })
    }

    /// Creates the table of changes. Its first row, like the last that was dealt with, stays: new
    /// numbers are one more than the highest, so they only ever grow.
    pub(crate) fn create_changes(&self, key_columns: usize) -> String {
        let keys: Vec<String> = (1..=key_columns).map(|at| format!(", k{at}")).collect();
        format!(
            "create table {} ({MARKER} seq integer primary key, watch integer, whole integer, \
             nonce integer default (random()), \
             at integer default (cast((julianday('now') - 2440587.5) * 86400000 as integer)){})",
            self.changes(),
            keys.concat()
        )
    }

    /// The triggers of a table: their names, and what follows `create trigger`.
    pub(crate) fn triggers(&self, id: i64, watched: &Watched) -> Vec<(String, String)> {
        let (new, old) = (self.note_row(id, watched, "new"), self.note_row(id, watched, "old"));
        let moved = differs(&watched.key, "new.", "old.");
        let table = quoted(&watched.table);
        let mut made = vec![
            (INSERTED, format!("after insert on {table} begin {new}; end")),
            (UPDATED, format!("after update on {table} begin {old}; {new} and ({moved}); end")),
            (DELETED, format!("after delete on {table} begin {old}; end")),
        ];
        if !watched.unique.is_empty() {
            let columns: Vec<String> =
                watched.unique.iter().flatten().map(|(column, _)| quoted(column)).collect();
            let clashing = |than| self.note_clashing(id, watched, than);
            made.push((
                REPLACING,
                format!("before insert on {table} begin {}; end", clashing("new.")),
            ));
            let columns = columns.join(", ");
            made.push((
                MOVING,
                format!("before update of {columns} on {table} begin {}; end", clashing("old.")),
            ));
        }
        made.into_iter()
            .map(|(when, body)| {
                let name = format!("{}_{id:016x}_{when}", self.prefix);
                let text = format!("{} {MARKER} {body}", quoted(&name));
                (name, text)
            })
            .collect()
    }

    fn note_row(&self, id: i64, watched: &Watched, row: &str) -> String {
        let (keys, values) = (key_columns(watched), columns(&watched.key, &format!("{row}.")));
        let changes = self.changes();
        format!(
            "insert into {changes} (watch, {keys}) select {id}, {values} where {}",
            self.has_room()
        )
    }

    /// Notes the rows that a `replace` would remove without telling any trigger: those that hold
    /// what is unique and have another key.
    fn note_clashing(&self, id: i64, watched: &Watched, than: &str) -> String {
        let (keys, values) = (key_columns(watched), columns(&watched.key, ""));
        let (changes, table) = (self.changes(), quoted(&watched.table));
        let other = differs(&watched.key, "", than);
        let notes: Vec<String> = watched
            .unique
            .iter()
            .map(|unique| {
                let same: Vec<String> = unique
                    .iter()
                    .map(|(column, collation)| {
                        let (column, collation) = (quoted(column), quoted(collation));
                        format!("{column} = new.{column} collate {collation}")
                    })
                    .collect();
                format!(
                    "insert into {changes} (watch, {keys}) select {id}, {values} from {table} \
                     where {} and ({other}) and {}",
                    same.join(" and "),
                    self.has_room()
                )
            })
            .collect();
        notes.join("; ")
    }

    fn has_room(&self) -> String {
        let changes = self.changes();
        format!(
            "(select max(seq) from {changes}) - (select min(seq) from {changes}) < {}",
            self.room
        )
    }
}

const INSERTED: &str = "inserted";
const UPDATED: &str = "updated";
const DELETED: &str = "deleted";
const REPLACING: &str = "replacing";
const MOVING: &str = "moving";
const WHENS: [&str; 5] = [INSERTED, UPDATED, DELETED, REPLACING, MOVING];

/// `k1, k2`
fn key_columns(watched: &Watched) -> String {
    let names: Vec<String> = (1..=watched.key.len()).map(|at| format!("k{at}")).collect();
    names.join(", ")
}

fn columns(names: &[Text], of: &str) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("{of}{}", quoted(name))).collect();
    names.join(", ")
}

/// Whether two rows have another key, to the byte and to the storage class.
fn differs(key: &[Text], one: &str, other: &str) -> String {
    let parts: Vec<String> = key
        .iter()
        .map(|name| {
            let name = quoted(name);
            format!(
                "{one}{name} is not {other}{name} collate binary \
                 or typeof({one}{name}) <> typeof({other}{name})"
            )
        })
        .collect();
    parts.join(" or ")
}
