//! What is heard of files that people work with in every way that SQLite allows.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use rusqlite::Connection;
use syncline_core::{
    change::{Position, RowKey},
    error::ErrorKind,
    name::{BindingIndex, SystemIndex},
    plan::Plan,
    value::Value,
};
use syncline_ports::{
    clock::Clock,
    listener::{Changed, Listener},
    source::{Limit, ReadRequest},
    suite::bench,
};

use super::listen;
use crate::{
    clock::SystemClock,
    settings::{Kind, Listening, Marks, Settings, Tls},
    sqlite::{catalog, open},
};

/// A file made by these statements, and the application that works with it.
struct Desk {
    directory: tempfile::TempDir,
    application: Connection,
    plan: Plan,
    max_retained: u64,
}

impl Desk {
    fn new(tables: &[(&str, &[&str])], sql: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let application = Connection::open(directory.path().join("desk.db")).unwrap();
        application
            .execute_batch(&format!("pragma journal_mode = wal; pragma foreign_keys = on; {sql}"))
            .unwrap();
        let mut plan = bench::plan();
        plan.bindings.truncate(tables.len());
        for (binding, (table, key)) in plan.bindings.iter_mut().zip(tables) {
            binding.table.table = (*table).into();
            binding.table.key = key.iter().map(|name| (*name).into()).collect();
            binding.table.cursor = None;
            binding.table.parent = Vec::new();
            binding.cells.fill(None);
        }
        Self { directory, application, plan, max_retained: 1 << 30 }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("desk.db")
    }

    fn settings(&self) -> Settings {
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
            marks: Marks::None,
            api: None,
            folder: None,
            keys: std::collections::BTreeMap::new(),
            envelope: None,
            ways: Vec::new(),
        }
    }

    fn run(&self, sql: &str) {
        self.application.execute_batch(sql).unwrap();
    }

    async fn open(&self) -> Box<dyn Listener> {
        let listening =
            Listening { name: "syncline_test".into(), way: None, max_retained: self.max_retained };
        listen(&self.settings(), Arc::new(self.plan.clone()), SystemIndex(0), &listening)
            .await
            .unwrap()
    }

    async fn begun(&self) -> Box<dyn Listener> {
        let mut listener = self.open().await;
        listener.begin(None).await.unwrap();
        listener
    }

    fn schema(&self) -> Vec<String> {
        let mut statement = self
            .application
            .prepare("select coalesce(sql, name) from sqlite_schema order by 1")
            .unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }
}

/// The next hints: `binding:key`, or `binding:all`.
async fn next(listener: &mut dyn Listener) -> (Vec<String>, Position) {
    loop {
        let heard = listener.hear(100).await.unwrap();
        if !heard.hints.is_empty() {
            let said = heard.hints.iter().map(|hint| match &hint.what {
                Changed::Row(key) => format!("{}:{key}", hint.binding.0),
                Changed::Shown(row) => format!("{}:{}", hint.binding.0, row.key),
                Changed::Unnamed(_) | Changed::Somewhere(_) => format!("{}:all", hint.binding.0),
            });
            return (said.collect(), heard.upto);
        }
    }
}

async fn heard(listener: &mut dyn Listener) -> Vec<String> {
    next(listener).await.0
}

const NOTES: (&str, &[&str]) = ("notes", &["id"]);

#[tokio::test]
async fn each_change_names_its_row_and_a_changed_key_both() {
    let desk = Desk::new(&[NOTES], "create table notes (id integer primary key, n)");
    let mut listener = desk.begun().await;
    desk.run(
        "begin; insert into notes values (1, 'a'), (2, 'b'); update notes set n = 'c' where id = 1;
         delete from notes where id = 2; update notes set id = 9 where id = 1; commit;",
    );
    assert_eq!(heard(&mut *listener).await, ["0:1", "0:2", "0:1", "0:2", "0:1", "0:9"]);
}

#[tokio::test]
async fn what_was_rolled_back_is_not_heard() {
    let desk = Desk::new(&[NOTES], "create table notes (id integer primary key, n)");
    let mut listener = desk.begun().await;
    desk.run(
        "begin; insert into notes values (1, 'a'); rollback; insert into notes values (2, 'b')",
    );
    assert_eq!(heard(&mut *listener).await, ["0:2"]);
}

#[tokio::test]
async fn a_key_is_named_exactly_as_the_source_reads_it() {
    let desk = Desk::new(
        &[
            ("odd `name\" table", &["the `key`", "select"]),
            ("folded", &["code"]),
            ("dated", &["at"]),
            ("binary", &["b"]),
        ],
        "create table \"odd `name\"\" table\" (\"the `key`\" text, \"select\" , n,
             primary key (\"the `key`\", \"select\")) without rowid;
         create table folded (code text primary key collate nocase, n);
         create table dated (at datetime primary key, n);
         insert into dated values ('2024-01-31T10:00:00.000', 0);
         create table binary (b blob primary key, n)",
    );
    let mut listener = desk.begun().await;
    desk.run(
        "insert into \"odd `name\"\" table\" values ('007', 1, 0), ('x', 'it''s', 0), ('y', 1.5, 0), ('z', x'00ff', 0);
         insert into folded values ('aB', 0); update folded set code = 'Ab';
         update dated set n = 1; insert into dated values ('soon', 1);
         insert into binary values (x'c3', 1), ('c3', 1), (5, 1)",
    );
    let settings = desk.settings();
    let mut source =
        open(&settings, Arc::new(desk.plan.clone()), SystemIndex(0)).await.unwrap().source;
    let mut shown = vec![];
    for at in 0..4 {
        let request = ReadRequest::Scan { binding: BindingIndex(at), after: None };
        let batch = source.read(&request, Limit { rows: 100, bytes: 1 << 20 }).await.unwrap();
        shown.extend(batch.rows.iter().map(|row| (at, row.key.clone())));
        shown.extend(batch.refused.iter().map(|row| (at, row.key.clone())));
    }
    let hints = listener.hear(100).await.unwrap().hints;
    let named: Vec<_> = hints
        .iter()
        .map(|hint| match &hint.what {
            Changed::Row(key) => (hint.binding.0, key.clone()),
            Changed::Shown(row) => (hint.binding.0, row.key.clone()),
            Changed::Unnamed(why) | Changed::Somewhere(why) => panic!("{why}"),
        })
        .collect();
    let missed: Vec<_> = shown.iter().filter(|row| !named.contains(row)).collect();
    assert!(missed.is_empty(), "{missed:?} not in {named:?}");
    assert!(named.contains(&(1, RowKey::new([&Value::text("aB")]))));
}

#[tokio::test]
async fn rows_that_a_replace_removes_are_heard_too() {
    let desk = Desk::new(
        &[NOTES],
        "create table notes (id integer primary key, email text collate nocase unique, a, b);
         create unique index pair on notes (a, b) where b > 0;
         insert into notes values (1, 'x@y', 1, 1), (2, 'z@y', 2, 2), (3, null, 3, 3)",
    );
    let mut listener = desk.begun().await;
    desk.run("insert or replace into notes values (7, 'X@Y', 2, 2)");
    let mut found = heard(&mut *listener).await;
    found.sort();
    assert_eq!(found, ["0:1", "0:2", "0:7"]);
    desk.run("update or replace notes set a = 2, b = 2 where id = 3");
    assert_eq!(heard(&mut *listener).await, ["0:7", "0:3"]);
    desk.run("replace into notes values (3, 'new', 1, 1)");
    assert_eq!(heard(&mut *listener).await, ["0:3"]);
}

#[tokio::test]
async fn a_replace_over_the_primary_key_is_heard_where_another_key_is_bound() {
    let desk = Desk::new(
        &[("notes", &["code"])],
        "create table notes (id integer primary key, code text not null unique);
         insert into notes values (1, 'a')",
    );
    let mut listener = desk.begun().await;
    desk.run("replace into notes values (1, 'b')");
    assert_eq!(heard(&mut *listener).await, ["0:a", "0:b"]);
}

#[tokio::test]
async fn rows_that_go_with_their_parent_are_heard() {
    let desk = Desk::new(
        &[("parents", &["id"]), ("children", &["id"])],
        "create table parents (id integer primary key);
         create table children (id integer primary key,
             parent integer references parents on delete cascade on update cascade);
         insert into parents values (1), (2); insert into children values (10, 1), (20, 2)",
    );
    let mut listener = desk.begun().await;
    desk.run("delete from parents where id = 1; update parents set id = 5 where id = 2");
    let mut found = heard(&mut *listener).await;
    found.sort();
    assert_eq!(found, ["0:1", "0:2", "0:5", "1:10", "1:20"]);
}

#[tokio::test]
async fn the_application_works_as_before() {
    let desk = Desk::new(
        &[NOTES],
        "create table notes (id integer primary key, email text unique, n integer);
         insert into notes (email, n) values ('a', 1); pragma recursive_triggers = on",
    );
    let _listener = desk.begun().await;
    desk.run("insert or ignore into notes (email, n) values ('a', 2)");
    desk.run(
        "insert into notes (email, n) values ('a', 3) on conflict (email) do update set n = 3",
    );
    desk.run("insert or replace into notes (email, n) values ('a', 4)");
    desk.run("insert into notes (email, n) values ('b', 5)");
    assert!(
        desk.application.execute_batch("insert or fail into notes (email) values ('a')").is_err()
    );
    assert_eq!(desk.application.last_insert_rowid(), 3);
    assert_eq!(desk.application.execute("update notes set n = n + 1", []).unwrap(), 2);
    assert_eq!(desk.application.execute("delete from notes", []).unwrap(), 2);
}

#[tokio::test]
async fn removed_it_leaves_no_trace() {
    let desk = Desk::new(&[NOTES], "create table notes (id integer primary key, n unique)");
    let before = desk.schema();
    let mut listener = desk.begun().await;
    assert_ne!(desk.schema(), before);
    let tables = catalog(&desk.settings()).await.unwrap().tables().await.unwrap();
    assert_eq!(tables, ["notes"]);
    listener.remove().await.unwrap();
    assert_eq!(desk.schema(), before);
}

#[tokio::test]
async fn what_happens_while_nobody_listens_is_heard_afterwards() {
    let desk = Desk::new(&[NOTES], "create table notes (id integer primary key, n)");
    let mut listener = desk.begun().await;
    desk.run("insert into notes values (1, 'a')");
    let (_, upto) = next(&mut *listener).await;
    listener.ack(&upto).await.unwrap();
    desk.run("insert into notes values (2, 'b')");
    drop(listener);
    desk.run("insert into notes values (3, 'c')");
    let mut listener = desk.open().await;
    assert_eq!(listener.begin(Some(&upto)).await.unwrap(), upto);
    assert_eq!(heard(&mut *listener).await, ["0:2", "0:3"]);
}

#[tokio::test]
async fn many_changes_come_in_pieces_and_go_once_dealt_with() {
    let desk = Desk::new(&[NOTES], "create table notes (id integer primary key, n)");
    let mut listener = desk.begun().await;
    desk.run(
        "with recursive c(n) as (select 1 union all select n + 1 from c where n < 5000)
         insert into notes select n, n from c",
    );
    assert!(listener.retained().await.unwrap().bytes > 100_000);
    let (mut found, mut upto) = (0, None);
    loop {
        let heard = listener.hear(999).await.unwrap();
        assert!(heard.hints.len() <= 999);
        found += heard.hints.len();
        upto = Some(heard.upto).or(upto);
        if !heard.more {
            break;
        }
    }
    listener.ack(&upto.unwrap()).await.unwrap();
    assert_eq!((found, listener.retained().await.unwrap().bytes), (5_000, 0));
}

#[tokio::test]
async fn a_table_that_was_rebuilt_is_read_whole_once_and_heard_again() {
    let desk = Desk::new(&[NOTES], "create table notes (id integer primary key, n)");
    let mut listener = desk.begun().await;
    desk.run(
        "begin; create table other (id integer primary key, n, m); insert into other select *, 1 from notes;
         drop table notes; alter table other rename to notes; commit;",
    );
    assert_eq!(heard(&mut *listener).await, ["0:all"]);
    desk.run("create table unrelated (x); alter table notes add column z; insert into notes values (4, 1, 1, 1)");
    assert_eq!(heard(&mut *listener).await, ["0:4"]);
}

#[tokio::test]
async fn a_table_that_was_rebuilt_while_nobody_listened_is_read_whole() {
    let desk = Desk::new(&[NOTES], "create table notes (id integer primary key, n)");
    let mut listener = desk.open().await;
    let from = listener.begin(None).await.unwrap();
    drop(listener);
    desk.run("drop table notes; create table notes (id integer primary key, n)");
    let mut listener = desk.open().await;
    listener.begin(Some(&from)).await.unwrap();
    assert_eq!(heard(&mut *listener).await, ["0:all"]);
}

#[tokio::test]
async fn a_table_that_is_gone_for_a_while_is_read_whole_when_it_is_back() {
    let desk = Desk::new(&[NOTES], "create table notes (id integer primary key, n)");
    let mut listener = desk.begun().await;
    desk.run("alter table notes rename to away");
    assert_eq!(heard(&mut *listener).await, ["0:all"]);
    desk.run("alter table away rename to notes");
    assert_eq!(heard(&mut *listener).await, ["0:all"]);
    desk.run("insert into notes values (1, 1)");
    assert_eq!(heard(&mut *listener).await, ["0:1"]);
}

#[tokio::test]
async fn an_older_copy_of_the_file_has_lost_the_position() {
    let desk = Desk::new(&[NOTES], "create table notes (id integer primary key, n)");
    let mut listener = desk.begun().await;
    desk.run("pragma wal_checkpoint(truncate)");
    let copy = desk.directory.path().join("copy.db");
    desk.run(&format!("vacuum into '{}'", copy.display()));
    desk.run("insert into notes values (1, 1)");
    let (_, upto) = next(&mut *listener).await;
    desk.run("pragma wal_checkpoint(truncate)");
    fs::rename(&copy, desk.path()).unwrap();
    let error = listener.hear(10).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unreachable, "{error}");
    let restored = Connection::open(desk.path()).unwrap();
    restored.execute_batch("insert into notes values (2, 1), (3, 1)").unwrap();
    let mut listener = desk.open().await;
    let error = listener.begin(Some(&upto)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::PositionLost, "{error}");
    listener.begin(None).await.unwrap();
}

#[tokio::test]
async fn a_table_of_changes_that_somebody_removed_has_lost_the_position() {
    let desk = Desk::new(&[NOTES], "create table notes (id integer primary key, n)");
    let mut listener = desk.begun().await;
    let person = Connection::open(desk.path()).unwrap();
    person.execute_batch("drop table syncline_test_changes").unwrap();
    let error = listener.hear(10).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::PositionLost, "{error}");
    // The application's writes work again at once.
    desk.run("insert into notes values (1, 1)");
}

#[tokio::test]
async fn beyond_what_may_be_kept_everything_is_removed() {
    let mut desk = Desk::new(&[NOTES], "create table notes (id integer primary key, n)");
    desk.max_retained = 64_000;
    let before = desk.schema();
    let mut listener = desk.open().await;
    let from = listener.begin(None).await.unwrap();
    let many = "with recursive c(n) as (select 1 union all select n + 1 from c where n < 3000)
         insert or replace into notes select n, n from c";
    desk.run(many);
    let kept: i64 = desk
        .application
        .query_row("select count(*) from syncline_test_changes", [], |row| row.get(0))
        .unwrap();
    assert_eq!(kept, 1_001);
    let error = listener.hear(10).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Retained, "{error}");
    assert_eq!(desk.schema(), before);
    let error = listener.begin(Some(&from)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::PositionLost, "{error}");
    desk.run(many);
}

#[tokio::test]
async fn room_is_not_made_where_something_was_not_noted() {
    let mut desk = Desk::new(&[NOTES], "create table notes (id integer primary key, n)");
    desk.max_retained = 1 << 20;
    let mut listener = desk.begun().await;
    desk.run("insert into notes values (1, 1)");
    let (_, upto) = next(&mut *listener).await;
    desk.run(
        "with recursive c(n) as (select 2 union all select n + 1 from c where n < 20000)
         insert into notes select n, n from c",
    );
    let error = listener.ack(&upto).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Retained, "{error}");
}

#[tokio::test]
async fn a_view_cannot_be_listened_to_and_the_message_names_it() {
    let desk = Desk::new(
        &[NOTES],
        "create table t (id integer primary key); create view notes as select * from t",
    );
    let error = desk.open().await.begin(None).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unheard);
    assert!(error.to_string().contains("notes") && error.to_string().contains("poll"), "{error}");
}

#[tokio::test]
async fn who_gives_up_waiting_hears_it_with_the_next_question() {
    let desk = Desk::new(&[NOTES], "create table notes (id integer primary key, n)");
    let mut listener = desk.begun().await;
    let _given_up = tokio::time::timeout(Duration::from_millis(20), listener.hear(10)).await;
    desk.run("insert into notes values (1, 1)");
    assert_eq!(heard(&mut *listener).await, ["0:1"]);
}

#[tokio::test]
async fn a_change_is_heard_while_waiting_for_it_in_either_journal_mode() {
    for journal in ["wal", "delete"] {
        let desk = Desk::new(&[NOTES], "create table notes (id integer primary key, n)");
        desk.run(&format!("pragma journal_mode = {journal}"));
        let mut listener = desk.begun().await;
        let path = desk.path();
        let writer = std::thread::spawn(move || {
            let other = Connection::open(path).unwrap();
            other.busy_timeout(Duration::from_secs(5)).unwrap();
            other.execute_batch("insert into notes values (1, 1)").unwrap();
        });
        assert_eq!(heard(&mut *listener).await, ["0:1"]);
        writer.join().unwrap();
    }
}

#[tokio::test]
async fn the_time_of_a_change_is_told() {
    let desk = Desk::new(&[NOTES], "create table notes (id integer primary key, n)");
    let mut listener = desk.begun().await;
    let before = SystemClock.now().ms();
    desk.run("insert into notes values (1, 1)");
    let heard = listener.hear(10).await.unwrap();
    let at = heard.hints[0].at.unwrap().ms();
    assert!((at - before).abs() < 60_000, "{at} {before}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_cannot_be_written_is_refused_with_what_to_do() {
    use std::os::unix::fs::PermissionsExt as _;
    let desk = Desk::new(
        &[NOTES],
        "create table notes (id integer primary key, n); pragma journal_mode = delete",
    );
    fs::set_permissions(desk.path(), fs::Permissions::from_mode(0o444)).unwrap();
    if fs::OpenOptions::new().write(true).open(desk.path()).is_ok() {
        // The superuser may write it all the same.
        return;
    }
    let listening = Listening { name: "syncline_test".into(), way: None, max_retained: 1 << 30 };
    let opened =
        listen(&desk.settings(), Arc::new(desk.plan.clone()), SystemIndex(0), &listening).await;
    assert_eq!(opened.err().unwrap().kind, ErrorKind::Forbidden);
}
