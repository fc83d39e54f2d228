//! What kinds of tables, keys and changes are heard.

use syncline_core::name::BindingIndex;
use syncline_ports::listener::{Changed, Listener};

use crate::{
    postgres_tests::{
        listening::{Scene, heard},
        plan_of, scan, settings,
    },
    servers,
};

const CONTACTS: &str = "create table contacts (id int primary key, name text, note text)";

async fn contacts() -> Scene {
    Scene::new(servers::postgres(), CONTACTS, &[("contacts", &["id"])]).await
}

/// Whether the whole of the first binding is to be read; rows are passed over.
async fn whole(listener: &mut dyn Listener) -> String {
    loop {
        let found = heard(listener).await;
        if let Some(whole) = found.into_iter().find(|hint| hint.contains("whole")) {
            return whole;
        }
    }
}

#[tokio::test]
async fn an_emptied_table_is_read_whole() {
    let sql = "create table a (id int primary key); create table b (id int primary key);
               create table c (id int primary key); insert into a values (1)";
    let scene =
        Scene::new(servers::postgres(), sql, &[("a", &["id"]), ("b", &["id"]), ("c", &["id"])])
            .await;
    let (mut listener, _) = scene.begin().await;

    scene.execute("truncate a, b").await;

    let mut found = heard(listener.as_mut()).await;
    found.sort();
    assert_eq!(found, ["0 whole: truncated", "1 whole: truncated"]);
}

/// A value that is stored apart and was not changed is not in the log; the key is.
#[tokio::test]
async fn a_row_with_a_large_value_left_as_it_is_is_heard() {
    let scene = contacts().await;
    let large = "(select string_agg(md5(n::text), '') from generate_series(1, 1000) n)";
    scene.execute(&format!("insert into contacts values (1, 'Ann', {large})")).await;
    let (mut listener, _) = scene.begin().await;

    scene.execute("update contacts set name = 'Anna'").await;

    assert_eq!(heard(listener.as_mut()).await, ["0 1"]);
}

#[tokio::test]
async fn a_large_key_is_heard_where_all_columns_tell_old_rows() {
    let sql = "create table notes (note text not null, n int);
               alter table notes replica identity full;
               alter table notes alter note set storage external;
               insert into notes values (repeat('x', 3000), 1)";
    let scene = Scene::new(servers::postgres(), sql, &[("notes", &["note"])]).await;
    let (mut listener, _) = scene.begin().await;

    scene.execute("update notes set n = 2").await;
    let updated = heard(listener.as_mut()).await;
    scene.execute("delete from notes").await;
    let deleted = heard(listener.as_mut()).await;

    let expected = [format!("0 {}", "x".repeat(3000))];
    assert_eq!((updated.as_slice(), deleted.as_slice()), (&expected[..], &expected[..]));
}

/// Types that the log and a read write differently make the same key.
#[tokio::test]
async fn keys_of_all_types_are_those_that_a_read_shows() {
    let columns = [
        ("a", "numeric(10,2)", "12.50"),
        ("b", "timestamptz", "2024-02-29 12:00:00.25+02"),
        ("c", "timestamp", "1999-12-31 23:59:59"),
        ("d", "date", "0044-03-15 BC"),
        ("e", "bytea", "\\x00ff5c27"),
        ("f", "mood", "so so"),
        ("g", "inet", "10.0.0.1"),
        ("h", "char(5)", "ab"),
        ("i", "bool", "true"),
        ("j", "uuid", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"),
        ("k", "float8", "0.1"),
        ("l", "float4", "0.1"),
        ("m", "positive", "7"),
        ("n", "time", "24:00"),
        ("o", "interval", "1 mon -2 days 03:00:00.5"),
        ("p", "bigint", "-9223372036854775808"),
        ("q", "text[]", "{\"a b\",NULL,\"\"}"),
        ("r", "\"odd Name\"", "x"),
        ("s", "jsonb", "{\"a\": [1, 2.50]}"),
        ("t", "varbit", "0101"),
        ("u", "smallint", "-1"),
        ("v", "oid", "4294967295"),
    ];
    let list: Vec<String> = columns.iter().map(|(name, of, _)| format!("{name} {of}")).collect();
    let names: Vec<&str> = columns.iter().map(|(name, ..)| *name).collect();
    let values: Vec<String> = columns.iter().map(|(.., value)| format!("'{value}'")).collect();
    let sql = format!(
        "create type mood as enum ('so so', 'well'); create domain positive as int check (value > 0);
         create type \"odd Name\" as enum ('x');
         create table odd ({}, primary key ({}))",
        list.join(", "),
        names.join(", ")
    );
    let scene = Scene::new(servers::postgres(), &sql, &[("odd", &names)]).await;
    let (mut listener, _) = scene.begin().await;

    scene.execute(&format!("insert into odd values ({})", values.join(", "))).await;

    let heard = loop {
        if let Some(hint) = listener.hear(10).await.unwrap().hints.pop() {
            break hint;
        }
    };
    let plan = plan_of(&[("odd", &names, &names)]);
    let settings = settings(servers::postgres(), &scene.url);
    syncline_adapters::catalog(&settings).await.unwrap().create_marks().await.unwrap();
    let system = syncline_core::name::SystemIndex(0);
    let mut open = syncline_adapters::open(&settings, plan.into(), system).await.unwrap();
    let (rows, _) = scan(open.source.as_mut(), BindingIndex(0)).await;
    assert_eq!(heard.what, Changed::Row(rows[0].key.clone()));
    assert!(heard.at.is_some(), "the log knows when");
}

#[tokio::test]
async fn a_transaction_of_many_rows_takes_no_room() {
    const ROWS: usize = 50_000;
    let scene = contacts().await;
    let (mut listener, from) = scene.begin().await;
    scene.execute(&format!("insert into contacts select generate_series(1, {ROWS})")).await;

    let (mut count, mut upto, mut moved) = (0, from, 0);
    while count < ROWS {
        let heard = listener.hear(1_000).await.unwrap();
        assert!(heard.hints.len() <= 1_000);
        count += heard.hints.len();
        moved += usize::from(heard.upto != upto && count < ROWS);
        upto = heard.upto;
    }
    assert!(moved <= 1, "a position within the transaction: {moved}");
}

#[tokio::test]
async fn rows_of_partitions_are_those_of_the_whole() {
    let sql = "create table events (id int, day date, primary key (id, day))
                 partition by range (day);
               create table events_1 partition of events for values from ('2024-01-01') to ('2025-01-01');
               create table events_2 partition of events for values from ('2025-01-01') to ('2026-01-01')";
    let scene = Scene::new(servers::postgres(), sql, &[("events", &["id", "day"])]).await;
    let (mut listener, _) = scene.begin().await;

    scene.execute("insert into events values (1, '2024-05-05')").await;
    let inserted = heard(listener.as_mut()).await;
    scene.execute("update events set day = '2025-05-05'").await;
    let mut moved = heard(listener.as_mut()).await;
    moved.sort();
    moved.dedup();
    scene.execute("truncate events_2").await;
    let emptied = whole(listener.as_mut()).await;
    scene.execute("alter table events detach partition events_1").await;
    let detached = whole(listener.as_mut()).await;

    assert_eq!(inserted, ["0 1/2024-05-05"]);
    assert_eq!(moved, ["0 1/2024-05-05", "0 1/2025-05-05"]);
    let why = "0 whole: its rows were changed otherwise than one by one";
    assert_eq!((emptied.as_str(), detached.as_str()), (why, why));
}

#[tokio::test]
async fn rows_of_descendants_are_those_of_their_parent() {
    let sql = "create table people (id int primary key);
               create table clerks (primary key (id)) inherits (people)";
    let scene = Scene::new(servers::postgres(), sql, &[("people", &["id"])]).await;
    let (mut listener, _) = scene.begin().await;

    scene.execute("insert into clerks values (7)").await;

    assert_eq!(heard(listener.as_mut()).await, ["0 7"]);
}

/// Only rows are logged: who writes a table anew, or puts another in its place, logs none.
#[tokio::test]
async fn a_table_written_anew_is_read_whole() {
    let scene = contacts().await;
    scene.execute("insert into contacts values (1, 'Ann')").await;
    let (mut listener, _) = scene.begin().await;

    scene.execute("alter table contacts alter name type varchar(9) using upper(name)").await;
    let rewritten = whole(listener.as_mut()).await;
    scene
        .execute(
            "begin; alter table contacts rename to old;
             create table contacts (id int primary key, name text); commit",
        )
        .await;
    let replaced = whole(listener.as_mut()).await;
    scene.execute("insert into contacts values (9)").await;
    let after = heard(listener.as_mut()).await;

    let why = "0 whole: its rows were changed otherwise than one by one";
    assert_eq!((rewritten.as_str(), replaced.as_str()), (why, why));
    assert_eq!(after, ["0 9"]);
}

/// What changed in it before was not logged for us; it is said until it was dealt with.
#[tokio::test]
async fn a_table_that_comes_later_is_read_whole() {
    let mut scene = contacts().await;
    let (listener, from) = scene.begin().await;
    drop(listener);
    scene.execute("create table orders (id int primary key); insert into orders values (1)").await;
    scene.plan = plan_of(&[("contacts", &["id"], &["id"]), ("orders", &["id"], &["id"])]);

    let (mut first, _) = scene.try_begin(Some(&from)).await.unwrap();
    let found = heard(first.as_mut()).await;
    drop(first);
    let (mut second, _) = scene.try_begin(Some(&from)).await.unwrap();
    let again = heard(second.as_mut()).await;
    let upto = second.hear(1).await.unwrap().upto;
    drop(second);
    let (mut third, _) = scene.try_begin(Some(&upto)).await.unwrap();
    scene.execute("insert into orders values (2)").await;
    let after = heard(third.as_mut()).await;

    assert_eq!(found, ["1 whole: its rows were changed otherwise than one by one"]);
    assert_eq!(again, found);
    assert_eq!(after, ["1 2"]);
}

#[tokio::test]
async fn a_commit_that_comes_late_is_heard() {
    let scene = contacts().await;
    let (mut listener, _) = scene.begin().await;
    let late = crate::postgres_tests::other_user(&scene.url).await;
    late.batch_execute("begin; insert into contacts values (1)").await.unwrap();
    scene.execute("insert into contacts values (2)").await;
    let first = heard(listener.as_mut()).await;
    let upto = listener.hear(1).await.unwrap().upto;
    listener.ack(&upto).await.unwrap();
    drop(listener);

    let (mut listener, _) = scene.try_begin(Some(&upto)).await.unwrap();
    late.batch_execute("commit").await.unwrap();

    assert_eq!(first, ["0 2"]);
    assert_eq!(heard(listener.as_mut()).await, ["0 1"]);
}
