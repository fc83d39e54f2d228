//! What is particular to SQLite: declared types, journal modes, triggers, deferred references.

use std::{path::PathBuf, time::Duration};

use rusqlite::Connection;
use syncline_core::{
    change::{Outcome, ReadResult, RowKey, RowWrite, WriteGroup, WriteKind},
    name::OperationId,
    plan::{Place, SoftValue},
    value::Value,
};
use syncline_ports::{
    catalog::{CheckState, NativeKind, Travels},
    source::{KeyRead, Limit, ReadRequest, Source, Then},
    suite::bench::{self, CONTACTS, LINES, ORDERS, Writer, number_key, shown, text},
    target::Target,
};

use super::*;
use crate::settings::{Kind, Tls};

const LIMIT: Limit = Limit { rows: 100, bytes: 1 << 20 };

/// A file made by these statements, and the connection of another user.
struct File {
    directory: tempfile::TempDir,
    other: Connection,
}

impl File {
    fn new(sql: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let other = Connection::open(directory.path().join("a.db")).unwrap();
        other.execute_batch(sql).unwrap();
        Self { directory, other }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("a.db")
    }

    fn settings(&self, marks: Marks) -> Settings {
        Settings {
            name: "desk".into(),
            kind: Kind::Sqlite,
            host: String::new(),
            port: 0,
            user: String::new(),
            database: self.path().to_string_lossy().into_owned(),
            password: None,
            tls: Tls::Off,
            tls_ca: None,
            connect_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(5),
            marks,
            api: None,
            folder: None,
            keys: std::collections::BTreeMap::new(),
            envelope: None,
            ways: Vec::new(),
        }
    }

    async fn open(&self, plan: Plan) -> Connector {
        open(&self.settings(Marks::None), Arc::new(plan), SystemIndex(0)).await.unwrap()
    }

    fn one(&self, sql: &str) -> String {
        let value: rusqlite::types::Value =
            self.other.query_row(sql, [], |row| row.get(0)).unwrap();
        if let rusqlite::types::Value::Text(text) = value { text } else { format!("{value:?}") }
    }
}

/// The plan of the suites with these places for the first fields of `contacts`, and no others.
fn contacts(places: &[Place]) -> Plan {
    let mut plan = bench::plan();
    let binding = &mut plan.bindings[0];
    binding.cells.truncate(places.len());
    binding.table.cursor = None;
    for (cell, place) in binding.cells.iter_mut().zip(places) {
        cell.as_mut().unwrap().place = place.clone();
    }
    plan.entities[0].fields.truncate(places.len());
    plan
}

fn columns(names: &[&str]) -> Vec<Place> {
    names.iter().map(|name| Place::Column((*name).into())).collect()
}

async fn apply(target: &mut dyn Target, write: RowWrite) -> Outcome {
    let group = WriteGroup { writes: vec![write], park: false };
    target.apply(&[group]).await.remove(0).1
}

fn said(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Applied { post: Some(post), .. } => shown(CONTACTS, post),
        Outcome::Applied { post: None, .. } => "gone".to_owned(),
        Outcome::Invalid { code, .. } => (*code).to_owned(),
        Outcome::Foreign { constraint } => format!("foreign {constraint}"),
        Outcome::Unique { columns, holder } => {
            format!("unique {} {}", columns.join(","), holder.clone().unwrap_or(RowKey([].into())))
        }
        Outcome::Precondition { .. } => "precondition".to_owned(),
        Outcome::Retry { reason } => format!("retry {reason}"),
        Outcome::Unknown { reason } => format!("unknown {reason}"),
        Outcome::Sibling => "sibling".to_owned(),
    }
}

fn insert(set: &[(&str, Value)]) -> RowWrite {
    Writer::default().write(CONTACTS, WriteKind::Insert, None, set, None)
}

fn update(id: i64, set: &[(&str, Value)]) -> RowWrite {
    Writer::default().write(CONTACTS, WriteKind::Update, Some(number_key(&[id])), set, Some(&[]))
}

async fn found(source: &mut dyn Source, key: RowKey) -> ReadResult {
    let read = KeyRead { key, operation: OperationId(1), in_doubt: Vec::new() };
    let request = ReadRequest::Keys { binding: CONTACTS, keys: vec![read] };
    source.read(&request, LIMIT).await.unwrap().answers.remove(0).result
}

#[tokio::test]
async fn a_value_of_another_storage_class_sets_its_row_aside_and_no_other() {
    let file = File::new(
        "create table contacts (id integer primary key, n integer, d date);
         insert into contacts values (1, 5, '2024-01-31'), (2, 'five', null), (3, null, 'soon'),
             (4, 1.5, null), (5, '6', '2024-02-29')",
    );
    let mut open = file.open(contacts(&columns(&["n", "d"]))).await;
    let request = ReadRequest::Scan { binding: CONTACTS, after: None };
    let batch = open.source.read(&request, LIMIT).await.unwrap();
    let rows: Vec<String> =
        batch.rows.iter().map(|row| shown(CONTACTS, row.row.as_ref().unwrap())).collect();
    assert_eq!(rows, ["email=5 name=2024-01-31", "email=6 name=2024-02-29"]);
    let refused: Vec<(String, &str)> =
        batch.refused.iter().map(|row| (row.key.to_string(), row.code)).collect();
    assert_eq!(
        refused,
        [("2".into(), "read.type"), ("3".into(), "read.type"), ("4".into(), "read.type")]
    );
    assert_eq!(batch.then, Then::ScanComplete { rows: 5 });
    assert_eq!(batch.about, Some(5));
}

#[tokio::test]
async fn times_are_written_as_the_column_writes_them() {
    let file = File::new(
        "create table contacts (id integer primary key, at datetime, plain timestamp);
         insert into contacts values (1, '2024-01-31T10:00:00.000', null)",
    );
    let mut open = file.open(contacts(&columns(&["at", "plain"]))).await;
    let time = Value::LocalDateTime(0, 3_600_250_000_000);
    let outcome =
        apply(open.target.as_mut(), insert(&[("email", time.clone()), ("name", time)])).await;
    assert_eq!(said(&outcome), "email=1970-01-01 01:00:00.25 name=1970-01-01 01:00:00.25");
    assert_eq!(file.one("select at from contacts where id = 2"), "1970-01-01T01:00:00.250");
    assert_eq!(file.one("select plain from contacts where id = 2"), "1970-01-01 01:00:00.25");
}

#[tokio::test]
async fn a_document_is_written_in_part() {
    let file = File::new(
        r#"create table contacts (id integer primary key, doc json);
         insert into contacts values (1, '{"z":1.10,"address":{"zip":"1","city":"Paris"}}')"#,
    );
    let path = Place::Path { column: "doc".into(), path: vec!["address".into(), "zip".into()] };
    let mut open = file.open(contacts(&[path])).await;
    let set = [("email", text("75001"))];
    assert_eq!(said(&apply(open.target.as_mut(), update(1, &set)).await), "email=75001");
    assert_eq!(
        file.one("select doc from contacts where id = 1"),
        r#"{"z":1.10,"address":{"zip":"75001","city":"Paris"}}"#
    );
    assert_eq!(said(&apply(open.target.as_mut(), insert(&set)).await), "email=75001");
    assert_eq!(file.one("select doc from contacts where id = 2"), r#"{"address":{"zip":"75001"}}"#);
}

#[tokio::test]
async fn a_soft_delete_marks_the_row_and_it_can_come_back() {
    let file = File::new(
        "create table contacts (id integer primary key, name text, gone datetime, active boolean);
         insert into contacts values (1, 'Ana', null, 1)",
    );
    let mut plan = contacts(&columns(&["name"]));
    plan.bindings[0].soft_delete = Some(vec![
        ("gone".into(), SoftValue::Now),
        ("active".into(), SoftValue::Value(Value::int(0))),
    ]);
    let mut open = file.open(plan).await;
    let key = Some(number_key(&[1]));
    let expect = [("email", text("Ana"))];
    let delete =
        Writer::default().write(CONTACTS, WriteKind::Delete, key.clone(), &[], Some(&expect));
    assert_eq!(said(&apply(open.target.as_mut(), delete).await), "gone");
    let marked = "select count(*) from contacts where gone is not null and active = 0";
    assert_eq!(file.one(marked), "Integer(1)");
    assert_eq!(found(open.source.as_mut(), number_key(&[1])).await, ReadResult::Absent);

    let set = [("email", text("Bea"))];
    let again = Writer::default().write(CONTACTS, WriteKind::Insert, key, &set, None);
    assert_eq!(said(&apply(open.target.as_mut(), again).await), "email=Bea");
    assert_eq!(file.one("select count(*) from contacts"), "Integer(1)");
}

#[tokio::test]
async fn what_triggers_do_to_a_write_is_answered() {
    let file = File::new(
        "create table contacts (id integer primary key, name text);
         create trigger a before insert on contacts when new.name = 'ignore'
             begin select raise(ignore); end;
         create trigger b before insert on contacts when new.name = 'abort'
             begin select raise(abort, 'not today'); end;
         create trigger c before insert on contacts when new.name = 'rollback'
             begin select raise(rollback, 'all of it'); end;
         create trigger d after insert on contacts when new.name = 'delete'
             begin delete from contacts where id = new.id; end;",
    );
    let mut open = file.open(contacts(&columns(&["name"]))).await;
    let mut writer = Writer::default();
    let groups: Vec<WriteGroup> = ["a", "ignore", "abort", "rollback", "delete", "b"]
        .iter()
        .map(|name| {
            let set = [("email", text(name))];
            let write = writer.write(CONTACTS, WriteKind::Insert, None, &set, None);
            WriteGroup { writes: vec![write], park: false }
        })
        .collect();
    let answers = open.target.apply(&groups).await;
    let all: Vec<String> = answers.iter().map(|(_, outcome)| said(outcome)).collect();
    let expected = [
        "email=a",
        "write.ignored",
        "write.refused_by_trigger",
        "write.refused_by_trigger",
        "gone",
        "email=b",
    ];
    assert_eq!(all, expected);
    assert_eq!(file.one("select group_concat(name) from contacts"), "a,b");
}

#[tokio::test]
async fn a_deferred_reference_refuses_only_its_own_group() {
    let file = File::new(
        "create table contacts (id integer primary key, email text);
         create table orders (id integer primary key, number text,
             contact_id integer references contacts (id) deferrable initially deferred)",
    );
    let mut open = file.open(bench::plan()).await;
    let mut writer = Writer::default();
    let groups: Vec<WriteGroup> = [Value::Null, Value::int(404), Value::Null]
        .into_iter()
        .enumerate()
        .map(|(at, contact)| {
            let set = [("number", text(&format!("N{at}"))), ("contact_id", contact)];
            let write = writer.write(ORDERS, WriteKind::Insert, None, &set, None);
            WriteGroup { writes: vec![write], park: false }
        })
        .collect();
    let answers = open.target.apply(&groups).await;
    let refused: Vec<bool> =
        answers.iter().map(|(_, outcome)| matches!(outcome, Outcome::Foreign { .. })).collect();
    assert_eq!(refused, [false, true, false]);
    assert_eq!(file.one("select group_concat(number) from orders"), "N0,N2");
}

#[tokio::test]
async fn a_key_that_folds_case_is_still_exact() {
    let file = File::new(
        "create table contacts (id text collate nocase primary key, name text);
         insert into contacts values ('ABC', 'Ana')",
    );
    let mut open = file.open(contacts(&columns(&["name"]))).await;
    let key = |id: &str| RowKey::new([&text(id)]);
    assert!(matches!(found(open.source.as_mut(), key("ABC")).await, ReadResult::Found(_)));
    assert_eq!(found(open.source.as_mut(), key("abc")).await, ReadResult::Absent);
    let set = [("email", text("Bea"))];
    let other = Writer::default().write(CONTACTS, WriteKind::Insert, Some(key("abc")), &set, None);
    assert_eq!(said(&apply(open.target.as_mut(), other).await), "unique id ABC");
}

#[tokio::test]
async fn a_composite_unique_key_finds_its_holder_by_all_its_columns() {
    let file = File::new(
        "create table contacts (id integer primary key, a text, b text, unique (a, b));
         insert into contacts values (1, 'x', 'y'), (2, 'x', 'z')",
    );
    let mut open = file.open(contacts(&columns(&["a", "b"]))).await;
    let clash = update(2, &[("name", text("y"))]);
    assert_eq!(said(&apply(open.target.as_mut(), clash).await), "unique a,b 1");
}

#[tokio::test]
async fn a_table_that_replaces_rows_on_a_conflict_loses_none() {
    let file = File::new(
        "create table contacts (id integer primary key, email text unique on conflict replace);
         insert into contacts values (1, 'a'), (2, 'b')",
    );
    let mut open = file.open(contacts(&columns(&["email"]))).await;
    assert_eq!(
        said(&apply(open.target.as_mut(), insert(&[("email", text("a"))])).await),
        "unique email 1"
    );
    assert_eq!(
        said(&apply(open.target.as_mut(), update(2, &[("email", text("a"))])).await),
        "unique email 1"
    );
    assert_eq!(file.one("select group_concat(email) from contacts"), "a,b");
}

#[tokio::test]
async fn references_are_named_by_their_columns() {
    let file = File::new(
        "create table contacts (id integer primary key, email text);
         create table orders (id integer primary key, number text,
             contact_id integer references contacts)",
    );
    let mut open = file.open(bench::plan()).await;
    let set = [("number", text("N1")), ("contact_id", Value::int(404))];
    let write = Writer::default().write(ORDERS, WriteKind::Insert, None, &set, None);
    let outcome = apply(open.target.as_mut(), write).await;
    assert_eq!(said(&outcome), "foreign orders(contact_id) -> contacts");
}

#[tokio::test]
async fn a_poll_by_texts_takes_the_overlap_of_time() {
    let file = File::new(
        "create table contacts (id integer primary key, name text, at datetime);
         insert into contacts values (1, 'a', '2024-01-01 10:00:00'),
             (2, 'b', '2024-01-01 10:01:00'), (3, 'null', null)",
    );
    let mut plan = contacts(&columns(&["name"]));
    plan.bindings[0].table.changed_at = Some(("at".into(), None));
    let mut open = file.open(plan).await;
    let mut from = None;
    let mut names = async |from: &mut Option<_>| {
        let request = ReadRequest::Poll { binding: CONTACTS, from: from.clone() };
        let batch = open.source.read(&request, LIMIT).await.unwrap();
        assert_eq!(batch.then, Then::Idle);
        *from = batch.upto.or(from.take());
        let rows = batch.rows.iter();
        rows.map(|row| shown(CONTACTS, row.row.as_ref().unwrap())).collect::<Vec<_>>()
    };
    assert_eq!(names(&mut from).await, ["email=null", "email=a", "email=b"]);
    file.other
        .execute_batch("insert into contacts values (4, 'late', '2024-01-01 09:58:00')")
        .unwrap();
    assert_eq!(names(&mut from).await, ["email=late"]);
    assert_eq!(names(&mut from).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_changed_table_is_looked_at_again() {
    let file = File::new("create table contacts (id integer primary key, name text)");
    let mut open = file.open(contacts(&columns(&["name"]))).await;
    let set = [("email", text("a"))];
    assert_eq!(said(&apply(open.target.as_mut(), insert(&set)).await), "email=a");
    file.other.execute_batch("alter table contacts rename column name to title").unwrap();
    let request = ReadRequest::Scan { binding: CONTACTS, after: None };
    let error = open.source.read(&request, LIMIT).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::SchemaDrift, "{error}");
    file.other.execute_batch("alter table contacts rename column title to name").unwrap();
    assert!(open.source.read(&request, LIMIT).await.is_ok());
}

#[tokio::test]
async fn a_file_that_is_not_there_is_not_made() {
    let file = File::new("");
    let mut settings = file.settings(Marks::IfPresent);
    settings.database.push_str(".missing");
    let refused = |error: PortError| (error.kind, error.to_string().contains("there is no file"));
    let error = catalog(&settings).await.err().unwrap();
    assert_eq!(refused(error), (ErrorKind::Unreachable, true));
    assert!(!std::path::Path::new(&settings.database).exists());
    std::fs::write(&settings.database, "this is not a database, whatever its name says").unwrap();
    assert_eq!(catalog(&settings).await.err().unwrap().kind, ErrorKind::Unreachable);
}

#[tokio::test]
async fn marks_that_are_demanded_must_be_there() {
    let file = File::new("create table contacts (id integer primary key)");
    let settings = file.settings(Marks::Table);
    let plan = Arc::new(bench::plan());
    let error = open(&settings, Arc::clone(&plan), SystemIndex(0)).await.err().unwrap();
    assert_eq!(error.kind, ErrorKind::SchemaDrift);
    let mut catalog = catalog(&settings).await.unwrap();
    catalog.create_marks().await.unwrap();
    // One of an older version lacks a column, and is made whole.
    let other = Connection::open(&settings.database).unwrap();
    other.execute_batch("alter table syncline_applied drop column row_key").unwrap();
    catalog.create_marks().await.unwrap();
    assert_eq!(catalog.tables().await.unwrap(), ["contacts"], "ours is not shown");
    assert_eq!(open(&settings, plan, SystemIndex(0)).await.unwrap().class, Class::Marked);
}

#[tokio::test]
async fn tables_are_described() {
    let file = File::new(
        r#"create table parents (a integer, b text, primary key (a, b)) without rowid;
         create table t (
             id integer primary key, email text not null unique collate nocase,
             "Mixed Case" decimal(10,2) default 1, made text generated always as (lower(email)),
             pa integer, pb text, n any, at timestamp,
             foreign key (pa, pb) references parents on delete cascade);
         insert into t (id, email, at) values (1, 'a', '2024-01-31T10:02:03Z');
         create unique index half on t (pa) where pb is null;
         create trigger trg after insert on t begin select 1; end;
         create view v as select id, email from t;"#,
    );
    let mut catalog = catalog(&file.settings(Marks::IfPresent)).await.unwrap();
    let names = ["t".into(), "v".into(), "T".into(), "parents".into()];
    let mut described = catalog.describe(&names).await.unwrap();
    let parents = described.remove(3).unwrap();
    assert_eq!(described.remove(2), None, "names are exact");
    let (view, t) = (described.remove(1).unwrap(), described.remove(0).unwrap());
    assert_eq!(parents.primary_key, ["a", "b"]);
    assert!(parents.columns.iter().all(|column| !column.nullable && !column.is_identity));
    assert!(view.is_view && !view.privileges.insert && view.primary_key.is_empty());
    assert!(t.has_triggers && t.privileges.update && t.rows_estimate == 1);
    assert_eq!(t.unique.len(), 1, "a partial index promises nothing");
    let foreign = &t.foreign[0];
    assert_eq!(foreign.refers_to, ("parents".into(), vec!["a".into(), "b".into()]));
    assert!(foreign.cascades);
    let columns: Vec<String> = t
        .columns
        .iter()
        .map(|column| {
            let kind = match &column.travels {
                Travels::Exactly(kind) | Travels::Converted(kind, _) => *kind,
                Travels::Refused => NativeKind::Bytes,
            };
            let mut words = vec![column.name.to_string(), format!("{kind:?}")];
            for (word, is_so) in [
                ("null", column.nullable),
                ("default", column.has_default),
                ("identity", column.is_identity),
                ("generated", column.is_generated),
                ("folds", column.folds),
            ] {
                words.extend(is_so.then(|| word.to_owned()));
            }
            words.join(" ")
        })
        .collect();
    let expected = [
        "id Num default identity",
        "email Text folds",
        "Mixed Case Num null default",
        "made Text null generated",
        "pa Num null",
        "pb Text null",
        "n Text null",
        "at Instant null",
    ];
    assert_eq!(columns, expected);
    let sampled = catalog.sample("v", &["email".into()], 5).await.unwrap();
    assert_eq!(sampled, [vec![text("a")]]);
}

#[tokio::test]
async fn doctor_is_told_what_to_do() {
    let file = File::new("create table contacts (id integer primary key)");
    let mut catalog = catalog(&file.settings(Marks::Table)).await.unwrap();
    let fitness = catalog.examine(&["contacts".into(), "orders".into()]).await.unwrap();
    let state = |name: &str| {
        let check = fitness.checks.iter().find(|check| check.name == name).unwrap();
        (check.state, check.fix.len())
    };
    assert_eq!(state("connect").0, CheckState::Passed);
    assert_eq!(state("tables").0, CheckState::Failed);
    assert_eq!(state("journal"), (CheckState::Warning, 1));
    assert_eq!(state("marks"), (CheckState::Failed, 2));
    assert!(fitness.is_tested && !fitness.has_marks);
}

#[tokio::test]
async fn a_child_row_without_its_parent_is_read() {
    let file = File::new(
        "create table order_lines (order_id integer, line integer, sku text, qty integer,
             primary key (order_id, line));
         insert into order_lines values (7, 1, 'S', 2)",
    );
    let mut open = file.open(bench::plan()).await;
    let request = ReadRequest::Scan { binding: LINES, after: None };
    let batch = open.source.read(&request, LIMIT).await.unwrap();
    assert_eq!(batch.rows[0].parent, Some(number_key(&[7])));
}
