//! What is heard of a server that people work with in every way that rows can be changed.

mod failover;
mod triggers;

use std::sync::Arc;

use mysql_async::{Conn, prelude::Queryable};
use syncline_adapters::settings::{Listening, Marks, Settings, Way};
use syncline_core::{
    change::{Position, RowKey},
    error::ErrorKind,
    name::{BindingIndex, SystemIndex},
    plan::Plan,
};
use syncline_ports::{
    listener::{Changed, Listener},
    source::{Limit, ReadRequest},
    suite::bench,
};

use crate::{
    mysql_tests::bench::{other, settings},
    servers::{Server, mariadb, private_mariadb},
};

/// A database with these tables, listened to, and another program that works with it.
struct Shop {
    settings: Settings,
    other: Conn,
    plan: Plan,
    way: Option<Way>,
    max_retained: u64,
}

impl Shop {
    async fn new(tables: &[(&str, &[&str])], sql: &str) -> Self {
        Self::on(mariadb(), tables, sql).await
    }

    async fn on(server: &Server, tables: &[(&str, &[&str])], sql: &str) -> Self {
        let url = server.database("listen");
        if !sql.is_empty() {
            server.execute(&url, sql);
        }
        let settings = settings(server, &url, Marks::None);
        let other = other(&settings).await;
        let mut plan = bench::plan();
        plan.bindings.truncate(tables.len());
        for (binding, (table, key)) in plan.bindings.iter_mut().zip(tables) {
            binding.table.table = (*table).into();
            binding.table.key = key.iter().map(|name| (*name).into()).collect();
            binding.table.cursor = None;
            binding.table.parent = Vec::new();
            binding.cells.fill(None);
        }
        Self { settings, other, plan, way: None, max_retained: 1 << 30 }
    }

    async fn run(&mut self, sql: &str) {
        for statement in sql.split(';').filter(|statement| !statement.trim().is_empty()) {
            self.other.query_drop(statement).await.unwrap();
        }
    }

    async fn open(&self) -> Box<dyn Listener> {
        self.try_open(&self.settings).await.unwrap()
    }

    async fn try_open(
        &self,
        settings: &Settings,
    ) -> Result<Box<dyn Listener>, syncline_core::error::PortError> {
        let name = self.settings.database.clone();
        let listening = Listening { name, way: self.way, max_retained: self.max_retained };
        syncline_adapters::listen(settings, Arc::new(self.plan.clone()), SystemIndex(0), &listening)
            .await
    }

    async fn begun(&self) -> Box<dyn Listener> {
        let mut listener = self.open().await;
        listener.begin(None).await.unwrap();
        listener
    }
}

type Said = Vec<(u16, Option<RowKey>)>;

/// What is heard up to and with a change of the last table, which ends what a test does.
async fn heard_until(listener: &mut dyn Listener, last: u16) -> (Said, Position) {
    let mut said = Vec::new();
    loop {
        let heard = listener.hear(1_000).await.unwrap();
        for hint in heard.hints {
            let key = match hint.what {
                Changed::Row(key) => Some(key),
                Changed::Shown(row) => Some(row.key),
                Changed::Unnamed(_) | Changed::Somewhere(_) => None,
            };
            said.push((hint.binding.0, key));
        }
        if said.iter().any(|(binding, key)| *binding == last && key.is_some()) {
            said.retain(|(binding, _)| *binding != last);
            return (said, heard.upto);
        }
    }
}

/// `binding:key`, or `binding:all`.
async fn heard(listener: &mut dyn Listener, last: u16) -> Vec<String> {
    let (said, _) = heard_until(listener, last).await;
    said.into_iter()
        .map(|(binding, key)| match key {
            Some(key) => format!("{binding}:{key}"),
            None => format!("{binding}:all"),
        })
        .collect()
}

const NOTES: (&str, &[&str]) = ("notes", &["id"]);
const LAST: (&str, &[&str]) = ("last", &["id"]);
const MADE: &str =
    "create table notes (id int primary key, n int); create table last (id int primary key);";

#[tokio::test]
async fn every_type_of_key_is_named_as_a_read_shows_it() {
    every_type_of_key_is_named(None).await;
}

/// Listens to tables with keys of each type.
async fn every_type_of_key_is_named(way: Option<Way>) {
    let keys = [
        ("tinyint", "-128, 127, 0"),
        ("tinyint unsigned", "255, 0"),
        ("smallint", "-32768, 32767"),
        ("mediumint", "-8388608, 8388607"),
        ("mediumint unsigned", "16777215"),
        ("int", "-2147483648, 2147483647"),
        ("int unsigned zerofill", "4294967295, 7"),
        ("bigint", "-9223372036854775808, 9223372036854775807"),
        ("bigint unsigned", "18446744073709551615, 1"),
        ("year", "1901, 2155, 2024"),
        ("bit(1)", "0, 1"),
        ("bit(20)", "0, 1048575, 4660"),
        ("decimal(10,2)", "-12345678.99, 0, 0.01, -0.10, 99999999.99"),
        ("decimal(38,0)", "99999999999999999999999999999999999999, -1"),
        ("decimal(38,19)", "-1234567890123456789.0123456789012345678, 5"),
        ("decimal(9,9)", "0.123456789, -0.000000001"),
        ("float", "1.5, -0.1, 3.4e38"),
        ("double", "1.5, -0.1, 1e300"),
        ("char(10)", "'abc', 'größe', ''"),
        ("char(80)", "'x', '日本'"),
        ("varchar(20)", "'plain', 'tail ', '日本', '😀'"),
        ("varchar(700)", "'long', ''"),
        ("char(5) character set latin1", "'abc', 'x'"),
        ("varchar(9) collate utf8mb4_bin", "'a', 'A'"),
        ("binary(4)", "'ab', x'00000001', x'6100'"),
        ("varbinary(10)", "x'00ff', x'6100', 'ab'"),
        ("enum('a','b','it''s')", "'a', 'it''s'"),
        ("set('x','y','z')", "'', 'x', 'x,z'"),
        ("date", "'2024-02-29', '0001-01-01', '9999-12-31'"),
        ("datetime", "'2024-01-31 10:02:03', '0001-01-01 00:00:00'"),
        ("datetime(3)", "'2024-01-31 10:02:03.120'"),
        ("datetime(6)", "'2024-01-31 10:02:03.000001', '2024-01-31 23:59:59.999999'"),
        ("timestamp", "'2024-01-31 10:02:03', '1970-01-01 00:00:01'"),
        ("timestamp(2)", "'2024-01-31 10:02:03.45'"),
        ("time", "'10:02:03', '-00:00:01', '838:59:59', '24:00:00'"),
        ("time(1)", "'-00:00:00.1', '00:00:00.9', '-10:00:00.5'"),
        ("time(4)", "'-00:00:00.0001', '12:34:56.7891'"),
        (
            "uuid",
            "'a1a2a3a4-b1b2-41c2-8112-e1e2e3e4e5e6', 'a1a2a3a4-b1b2-71c2-8112-e1e2e3e40000', \
             'a1a2a3a4-b1b2-11c2-8112-e1e2e3e4e5e6', '00000000-0000-0000-0000-000000000000', \
             '00000000-0000-0000-0000-000000000001'",
        ),
        ("inet4", "'1.2.3.4', '10.0.0.0', '0.0.0.0'"),
        ("time(6)", "'-838:59:59.000001', '00:00:00.000001'"),
    ];
    let mut sql = String::from("create table last (id int primary key);");
    let names: Vec<String> = (0..keys.len()).map(|at| format!("t{at}")).collect();
    for ((kind, _), name) in keys.iter().zip(&names) {
        sql +=
            &format!("create table {name} (before_it int, k {kind} primary key, after_it text);");
    }
    let mut shop = Shop::new(&[NOTES], &sql).await;
    shop.way = way;
    // The plan of the suites has few bindings: each table has one of its own here.
    let template = shop.plan.bindings[0].clone();
    shop.plan.bindings.clear();
    for name in names.iter().map(String::as_str).chain(["last"]) {
        let mut binding = template.clone();
        binding.table.table = name.into();
        binding.table.key = vec![if name == "last" { "id".into() } else { "k".into() }];
        shop.plan.bindings.push(binding);
    }
    let mut listener = shop.begun().await;
    for ((_, values), name) in keys.iter().zip(&names) {
        let rows = values.replace(", ", ", 'x'), (1, ");
        shop.run(&format!("insert into {name} values (1, {rows}, 'x')")).await;
    }
    shop.run("insert into last values (1)").await;
    let last = u16::try_from(names.len()).unwrap();
    let (said, _) = heard_until(&mut *listener, last).await;

    let plan = Arc::new(shop.plan.clone());
    let mut open = syncline_adapters::open(&shop.settings, plan, SystemIndex(0)).await.unwrap();
    for (at, (kind, _)) in keys.iter().enumerate() {
        let binding = BindingIndex(u16::try_from(at).unwrap());
        let request = ReadRequest::Scan { binding, after: None };
        let batch = open.source.read(&request, Limit { rows: 100, bytes: 1 << 20 }).await.unwrap();
        assert!(batch.refused.is_empty() && !batch.rows.is_empty(), "{kind}: {batch:?}");
        for row in batch.rows {
            let named = said.contains(&(binding.0, Some(row.key.clone())));
            let all: Vec<_> = said.iter().filter(|(other, _)| *other == binding.0).collect();
            assert!(named, "{kind}: {:?} is not in {all:?}", row.key);
        }
    }
}

#[tokio::test]
async fn a_key_that_cannot_be_read_from_the_log_has_the_table_read_whole() {
    let mut shop = Shop::new(
        &[("notes", &["id"]), ("named", &["code"]), LAST],
        "create table notes (id inet6 primary key, n int);
         create table named (code varchar(20) character set latin1 primary key);
         create table last (id int primary key)",
    )
    .await;
    let mut listener = shop.begun().await;
    shop.run(
        "insert into notes values ('::1', 1), ('fe80::', 2); insert into named values ('größe');
         insert into last values (1)",
    )
    .await;
    assert_eq!(heard(&mut *listener, 2).await, ["0:all", "1:all"]);
}

#[tokio::test]
async fn tables_that_are_emptied_altered_renamed_or_made_anew_are_read_whole() {
    let mut shop = Shop::new(&[NOTES, LAST], MADE).await;
    let mut listener = shop.begun().await;
    for (change, then) in [
        ("truncate table notes", "insert into notes values (1, 1)"),
        ("alter table notes add column first int first", "insert into notes values (5, 2, 1)"),
        ("alter table notes modify first int after n", "insert into notes values (3, 6, 6)"),
        (
            "create table fresh like notes; rename table notes to old, fresh to notes",
            "insert into notes values (4, 7, 7)",
        ),
        (
            "drop table notes; create table notes (n int, id int primary key)",
            "insert into notes values (8, 5)",
        ),
    ] {
        shop.run(&format!("{change}; {then}; insert into last values (1); delete from last")).await;
        let said = heard(&mut *listener, 1).await;
        let (whole, rows) = said.split_first().unwrap();
        assert_eq!(whole, "0:all", "{change}");
        assert_eq!(rows.len(), 1, "{change}: {said:?}");
    }
    shop.run("create index plain on notes (n); analyze table notes; insert into last values (1)")
        .await;
    assert_eq!(heard(&mut *listener, 1).await, [""; 0]);
}

#[tokio::test]
async fn what_was_logged_under_another_shape_has_the_table_read_whole() {
    let mut shop = Shop::new(&[NOTES, LAST], MADE).await;
    let mut listener = shop.open().await;
    let from = listener.begin(None).await.unwrap();
    drop(listener);
    shop.run("insert into notes values (1, 1); alter table notes add column m int first").await;
    shop.run("insert into notes values (9, 2, 2); insert into last values (1)").await;
    let mut listener = shop.open().await;
    listener.begin(Some(&from)).await.unwrap();
    let said = heard(&mut *listener, 1).await;
    assert_eq!(said, ["0:all", "0:2"]);
}

#[tokio::test]
async fn rows_that_go_along_by_a_foreign_key_have_their_table_read_whole() {
    let mut shop = Shop::new(
        &[("children", &["id"]), ("grandchildren", &["id"]), ("strangers", &["id"]), LAST],
        "create table parents (id int primary key, code int unique, n int);
         create table children (id int primary key, parent int,
             foreign key (parent) references parents (id) on delete cascade);
         create table grandchildren (id int primary key, child int,
             foreign key (child) references children (id) on delete set null);
         create table strangers (id int primary key, code int,
             foreign key (code) references parents (code) on update cascade);
         create table last (id int primary key);
         insert into parents values (1, 10, 0), (2, 20, 0); insert into children values (5, 1);
         insert into grandchildren values (7, 5); insert into strangers values (9, 20)",
    )
    .await;
    let mut listener = shop.begun().await;
    shop.run("update parents set n = 1; insert into last values (1)").await;
    assert_eq!(heard(&mut *listener, 3).await, [""; 0]);
    shop.run("delete from parents where id = 1; delete from last").await;
    assert_eq!(heard(&mut *listener, 3).await, ["0:all", "1:all"]);
    shop.run("update parents set code = 21 where id = 2; insert into last values (1)").await;
    assert_eq!(heard(&mut *listener, 3).await, ["2:all"]);
}

#[tokio::test]
async fn a_statement_logged_without_its_rows_has_everything_read() {
    // It concerns whoever listens to this server.
    let server = private_mariadb();
    let mut shop = Shop::on(&server, &[NOTES, LAST], MADE).await;
    let mut listener = shop.begun().await;
    shop.run(
        "set session binlog_format = 'STATEMENT'; insert into notes values (1, 1);
         set session binlog_format = 'ROW'; insert into last values (1)",
    )
    .await;
    assert_eq!(heard(&mut *listener, 1).await, ["0:all"]);
}

#[tokio::test]
async fn a_smaller_row_image_still_names_the_primary_key() {
    let mut shop = Shop::new(&[NOTES, LAST], MADE).await;
    let mut listener = shop.begun().await;
    shop.run(
        "set session binlog_row_image = 'MINIMAL'; insert into notes values (1, 1);
         update notes set n = 2; update notes set id = 3; delete from notes; insert into last values (1)",
    )
    .await;
    assert_eq!(heard(&mut *listener, 1).await, ["0:1", "0:1", "0:1", "0:3", "0:3"]);
}

#[tokio::test]
async fn what_was_prepared_is_read_once_it_is_committed() {
    let mut shop = Shop::new(&[NOTES, LAST], MADE).await;
    let mut listener = shop.begun().await;
    shop.run(
        "xa start 'one'; insert into notes values (1, 1); xa end 'one'; xa prepare 'one';
         xa commit 'one'; insert into last values (1)",
    )
    .await;
    let said = heard(&mut *listener, 1).await;
    assert_eq!(said.last().map(String::as_str), Some("0:all"), "{said:?}");
}

#[tokio::test]
async fn a_log_that_was_purged_or_begun_anew_has_lost_the_position() {
    let server = private_mariadb();
    let mut shop = Shop::on(&server, &[NOTES, LAST], MADE).await;
    let mut listener = shop.open().await;
    let from = listener.begin(None).await.unwrap();
    drop(listener);
    shop.run("insert into notes values (1, 1); flush binary logs; flush binary logs").await;
    let mut listener = shop.open().await;
    listener.begin(Some(&from)).await.unwrap();
    assert!(listener.retained().await.unwrap().bytes > 0);
    drop(listener);
    // A log that is still being read is kept.
    let dumps = "select concat('kill ', id) from information_schema.processlist where command = 'Binlog Dump'";
    while server.execute("", "show binary logs").lines().count() > 1 {
        for kill in server.execute("", dumps).lines() {
            let _gone = shop.other.query_drop(kill).await;
        }
        shop.run("purge binary logs before now() + interval 1 day").await;
    }
    let mut listener = shop.open().await;
    let error = listener.begin(Some(&from)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::PositionLost, "{error}");

    let mut listener = shop.open().await;
    let from = listener.begin(None).await.unwrap();
    drop(listener);
    // The log says in seconds when it was begun; the same file is reached again.
    shop.run("do sleep(1.1); reset master; flush binary logs; flush binary logs").await;
    let many: Vec<String> =
        (10..40).map(|id| format!("insert into notes values ({id}, 1)")).collect();
    shop.run(&many.join(";")).await;
    let mut listener = shop.open().await;
    let error = listener.begin(Some(&from)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::PositionLost, "{error}");
}

#[tokio::test]
async fn a_server_that_was_restarted_is_heard_further() {
    let server = private_mariadb();
    let mut shop = Shop::on(&server, &[NOTES, LAST], MADE).await;
    let mut listener = shop.begun().await;
    shop.run("insert into notes values (1, 1); insert into last values (1)").await;
    let (_, upto) = heard_until(&mut *listener, 1).await;
    server.kill();
    let mut error = None;
    while error.is_none() {
        error = listener.hear(10).await.err();
    }
    assert_eq!(error.unwrap().kind, ErrorKind::Unreachable);
    server.restart();
    shop.other = other(&shop.settings).await;
    shop.run("insert into notes values (2, 1); insert into last values (2)").await;
    let mut listener = shop.open().await;
    listener.begin(Some(&upto)).await.unwrap();
    assert_eq!(heard(&mut *listener, 1).await, ["0:2"]);
}

#[tokio::test]
async fn a_commit_that_nobody_sees_yet_is_not_heard_of() {
    let server = private_mariadb();
    let mut shop =
        Shop::on(&server, &[NOTES], &format!("{MADE} insert into notes values (1, 1)")).await;
    let mut listener = shop.begun().await;
    // It is in the log, and then waits for a replica that there is not, before others see it.
    server.execute("", "set global rpl_semi_sync_master_timeout = 700");
    server.execute("", "set global rpl_semi_sync_master_wait_point = 'AFTER_SYNC'");
    server.execute("", "set global rpl_semi_sync_master_enabled = 1");
    let mut reader = other(&shop.settings).await;
    let commit = shop.run("update notes set n = 2 where id = 1");
    let hears = async {
        while listener.hear(10).await.unwrap().hints.is_empty() {}
        reader.query_first::<u8, _>("select n from notes").await.unwrap()
    };

    let (shown, ()) = tokio::join!(hears, commit);

    assert_eq!(shown, Some(2));
}

#[tokio::test]
async fn a_user_without_the_privilege_is_told_what_to_grant() {
    let mut shop = Shop::new(&[NOTES, LAST], MADE).await;
    let name = format!("reader_{}", shop.settings.database);
    let name: String = name.chars().take(60).collect();
    shop.run(&format!(
        "create user '{name}'@'%'; grant select on {}.* to '{name}'@'%'",
        shop.settings.database
    ))
    .await;
    let settings = Settings { user: name.clone(), ..shop.settings.clone() };
    let mut listener = shop.try_open(&settings).await.unwrap();
    let error = listener.begin(None).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Forbidden, "{error}");
    let grant = format!("grant replication slave, binlog monitor on *.* to '{name}'@'%'");
    assert!(error.to_string().contains(&grant), "{error}");
    shop.run(&grant).await;
    let mut listener = shop.try_open(&settings).await.unwrap();
    listener.begin(None).await.unwrap();
    assert!(listener.retained().await.is_ok());
}

#[tokio::test]
async fn a_doctor_says_how_the_server_logs() {
    let server = private_mariadb();
    let mut shop = Shop::on(&server, &[NOTES, LAST], MADE).await;
    let mut said = Vec::new();
    for setting in [
        "binlog_expire_logs_seconds = 604800",
        "binlog_expire_logs_seconds = 7200",
        "binlog_format = 'MIXED'",
    ] {
        shop.run(&format!("set global {setting}")).await;
        let mut catalog = syncline_adapters::catalog(&shop.settings).await.unwrap();
        let checks = catalog.examine(&["notes".into()]).await.unwrap().checks;
        let found = checks.into_iter().find(|check| check.name == "binlog").unwrap();
        said.push(format!("{:?} {}", found.state, found.message));
    }
    assert_eq!(said[0], "Passed ROW, FULL row image, 7 days kept");
    assert!(said[1].starts_with("Warning ROW, FULL row image, 2 hours kept"), "{said:?}");
    assert!(said[2].contains("set global binlog_format = 'ROW'"), "{said:?}");
    let error = shop.try_open(&shop.settings).await.err().unwrap();
    assert_eq!(error.kind, ErrorKind::Unheard, "{error}");
}
