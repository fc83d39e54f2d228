//! Lost connections, locks, refusals: each with its answer, and nothing lost.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use expect_test::expect;
use mysql_async::prelude::Queryable;
use syncline_adapters::settings::{Marks, Settings};
use syncline_core::{
    change::{MarkFate, Outcome, RowKey, WriteKind},
    error::ErrorKind,
    plan::SoftValue,
    value::Value,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::{
    mysql_tests::{
        bench::other,
        table::{Table, by_key, key, said, scan},
    },
    servers::private_mariadb,
};

/// Where a connection is cut: before or after the statement has reached the server.
#[derive(Clone, Copy)]
enum Cut {
    Before(&'static [u8]),
    After(&'static [u8]),
}

/// A way to the server that is cut once, when a statement begins with these words.
async fn cut(port: u16, cut: Cut) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let here = listener.local_addr().unwrap().port();
    let armed = Arc::new(AtomicBool::new(true));
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            tokio::spawn(carry(client, server, cut, armed.clone()));
        }
    });
    here
}

async fn carry(client: TcpStream, server: TcpStream, cut: Cut, armed: Arc<AtomicBool>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let answers = tokio::spawn(async move {
        let _ = tokio::io::copy(&mut from_server, &mut to_client).await;
    });
    let mut buffer = vec![0; 1 << 20];
    loop {
        let Ok(count @ 1..) = from_client.read(&mut buffer).await else { return };
        let said = &buffer[..count];
        let (Cut::Before(words) | Cut::After(words)) = cut;
        // Behind the four bytes of the packet's head and the one of the command.
        let is_here = said.get(5..).is_some_and(|statement| statement.starts_with(words));
        if is_here && armed.swap(false, Ordering::SeqCst) {
            answers.abort();
            if matches!(cut, Cut::After(_)) {
                to_server.write_all(said).await.unwrap();
                // The server has done it when it has nothing more to say and hangs up.
                to_server.shutdown().await.unwrap();
            }
            return;
        }
        if to_server.write_all(said).await.is_err() {
            return;
        }
    }
}

async fn marked(ddl: &str, columns: &[&str]) -> Table {
    let mut table = Table::new(ddl, columns);
    table.settings.marks = Marks::Table;
    syncline_adapters::catalog(&table.settings).await.unwrap().create_marks().await.unwrap();
    table
}

const PLAIN: &str = "create table t (id int primary key, v varchar(20))";

async fn check_cut(at: Cut, expected: &str, fate: MarkFate) {
    let mut table = marked(PLAIN, &["id", "v"]).await;
    let direct = table.open().await;
    table.settings.port = cut(table.settings.port, at).await;
    let mut open = table.open().await;
    let groups: Vec<_> = (0..100)
        .map(|number| table.insert(&[(0, Value::int(number)), (1, Value::text("new"))]))
        .collect();
    let answers = open.target.apply(&groups).await;
    assert_eq!(answers.len(), 100);
    assert!(answers.iter().all(|(_, outcome)| said(outcome).starts_with(expected)), "{answers:?}");

    // Who asks for the marks learns what became of it, and it stays so.
    let intents: Vec<_> = answers.iter().map(|(intent, _)| *intent).collect();
    let mut direct = direct;
    let batch = by_key(&mut direct, key(7), intents).await;
    assert!(batch.answers[0].marks.iter().all(|(_, found)| *found == fate));
    let rows = if fate == MarkFate::Applied { "100\n" } else { "0\n" };
    assert_eq!(table.sql("select count(*) from t"), rows);

    // The same writes again, late: whatever became of them, they do not happen now.
    let again = open.target.apply(&groups).await;
    assert!(again.iter().all(|(_, outcome)| said(outcome).starts_with("unknown")), "{again:?}");
    assert_eq!(table.sql("select count(*) from t"), rows);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_lost_before_the_commit_means_not_done() {
    check_cut(Cut::Before(b"insert into `"), "retry", MarkFate::Void).await;
    check_cut(Cut::After(b"insert into `"), "retry", MarkFate::Void).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_lost_at_the_commit_means_unknown() {
    check_cut(Cut::Before(b"commit"), "unknown", MarkFate::Void).await;
    check_cut(Cut::After(b"commit"), "unknown", MarkFate::Applied).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_was_closed_meanwhile_is_replaced() {
    let mut table = Table::new(PLAIN, &["id", "v"]);
    let mut open = table.open().await;
    for number in 0..3 {
        let insert = table.insert(&[(0, Value::int(number)), (1, Value::text("a"))]);
        let answers = open.target.apply(&[insert]).await;
        assert_eq!(said(&answers[0].1), format!("applied {number}"));
        assert_eq!(by_key(&mut open, key(number), vec![]).await.answers.len(), 1);
        let ids = table.sql(
            "select concat('kill ', id, ';') from information_schema.processlist \
             where db = database() and id <> connection_id()",
        );
        table.sql(&ids);
    }
    assert_eq!(scan(&mut open).await.rows.len(), 3);
}

/// The server dies while batches are written; whatever was answered is true when it is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_in_mid_batch_loses_nothing() {
    let server: &'static _ = Box::leak(Box::new(private_mariadb()));
    let mut table = Table::on(server, PLAIN, &["id", "v"]);
    table.settings.marks = Marks::Table;
    syncline_adapters::catalog(&table.settings).await.unwrap().create_marks().await.unwrap();
    let mut open = table.open().await;
    let groups: Vec<_> = (0..20_000)
        .map(|number| table.insert(&[(0, Value::int(number)), (1, Value::text("new"))]))
        .collect();
    let first = open.target.apply(&groups[..100]).await;
    assert!(first.iter().all(|(_, outcome)| said(outcome).starts_with("applied")));

    let killer = tokio::task::spawn_blocking(move || server.kill());
    let answers = open.target.apply(&groups[100..]).await;
    killer.await.unwrap();
    tokio::task::spawn_blocking(move || server.restart()).await.unwrap();

    let stored: std::collections::BTreeSet<String> =
        table.sql("select id from t").lines().map(str::to_owned).collect();
    let mut counts = std::collections::BTreeMap::<&str, u32>::new();
    for (at, (intent, outcome)) in first.iter().chain(&answers).enumerate() {
        let is_there = stored.contains(&at.to_string());
        let fate = if matches!(outcome, Outcome::Unknown { .. }) {
            let batch = by_key(&mut open, key(at as i64), vec![*intent]).await;
            batch.answers[0].marks[0].1 == MarkFate::Applied
        } else {
            assert!(matches!(outcome, Outcome::Applied { .. } | Outcome::Retry { .. }));
            matches!(outcome, Outcome::Applied { .. })
        };
        assert_eq!(fate, is_there, "what is said of row {at} is true: {outcome:?}");
        *counts
            .entry(said(outcome).split([' ', ':']).next().map_or("", |word| match word {
                "applied" => "applied",
                "retry" => "retry",
                _ => "unknown",
            }))
            .or_default() += 1;
    }
    assert!(counts["applied"] >= 100, "{counts:?}");
}

/// One row of many is held by a clerk: the others are written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_row_keeps_only_itself_waiting() {
    let mut table = marked(PLAIN, &["id", "v"]).await;
    table.sql("insert into t select seq, 'old' from seq_1_to_200");
    table.settings.statement_timeout = Duration::from_millis(400);
    let mut clerk = other(&table.settings).await;
    clerk.query_drop("start transaction").await.unwrap();
    clerk.query_drop("update t set v = 'clerk' where id = 77").await.unwrap();
    let mut open = table.open().await;
    let (old, new) = ([(1, Value::text("old"))], [(1, Value::text("new"))]);
    let groups: Vec<_> = (1..=200)
        .map(|id| table.write(WriteKind::Update, Some(key(id)), &new, Some(&old)))
        .collect();
    let answers = open.target.apply(&groups).await;
    let refused: Vec<String> = answers
        .iter()
        .zip(1..)
        .filter(|((_, outcome), _)| !matches!(outcome, Outcome::Applied { .. }))
        .map(|((_, outcome), id)| format!("{id} {}", said(outcome)))
        .collect();
    assert_eq!(refused, ["77 retry: another transaction holds the row"]);
    clerk.query_drop("commit").await.unwrap();
    assert_eq!(table.sql("select v, count(*) from t group by v"), "clerk\t1\nnew\t199\n");
    // The mark of the refused write is not left behind: it may be made later.
    assert_eq!(table.sql("select count(*) from syncline_applied"), "199\n");
}

/// Two transactions lock two rows in opposite order: the write is made all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadlock_is_tried_again() {
    let mut table = Table::new(
        "create table p (id int primary key) engine = InnoDB; insert into p values (1);
         create table t (id int primary key, p int, foreign key (p) references p (id));
         insert into t values (1, null)",
        &["id", "p"],
    );
    let mut open = table.open().await;
    let mut clerk = other(&table.settings).await;
    clerk.query_drop("start transaction; select * from p for update").await.unwrap();
    let set = [(1, Value::int(1))];
    let update = table.write(WriteKind::Update, Some(key(1)), &set, Some(&[(1, Value::Null)]));
    let writer = tokio::spawn(async move { open.target.apply(&[update]).await });
    // Ours holds t since its comparison; when it updates, it waits for p, and we close the circle.
    loop {
        let updating: Option<u64> = clerk
            .query_first(
                "select count(*) from information_schema.processlist
                 where db = database() and info like 'update %'",
            )
            .await
            .unwrap();
        if updating.is_some_and(|count| count > 0) {
            break;
        }
        tokio::task::yield_now().await;
    }
    // Whoever of the two is chosen to give way, the write ends well.
    let _ = clerk.query_drop("update t set p = null where id = 1").await;
    let _ = clerk.query_drop("rollback").await;
    let answers = writer.await.unwrap();
    assert_eq!(said(&answers[0].1), "applied 1");
    assert_eq!(table.sql("select p from t"), "1\n");
}

/// Each refusal has its code and none repeats the value.
#[tokio::test]
async fn refusals_have_codes_and_hold_no_values() {
    let mut table = Table::new(
        "create table other (id int primary key);
         create table t (id int primary key, name varchar(5) character set latin1, n tinyint not null,
         d date, e enum('a'), o int, c int, u varchar(20) unique,
         constraint o_of_t foreign key (o) references other (id), constraint small check (c < 5));
         delimiter //
         create trigger guard before insert on t for each row
         if new.id = 666 then signal sqlstate '45000' set message_text = 'the books are closed'; end if//
         delimiter ;
         insert into t (id, n, u) values (1, 1, 'taken')",
        &["id", "name", "n", "d", "e", "o", "c", "u"],
    );
    let mut open = table.open().await;
    let one = (2, Value::int(1));
    let cases: Vec<Vec<(u16, Value)>> = vec![
        vec![one.clone(), (1, Value::text("secret"))],
        vec![one.clone(), (1, Value::text("\u{142}"))],
        vec![],
        vec![(2, Value::Null)],
        vec![(2, Value::int(300))],
        vec![one.clone(), (3, Value::text("secret"))],
        vec![one.clone(), (4, Value::text("secret"))],
        vec![one.clone(), (5, Value::int(404))],
        vec![one.clone(), (6, Value::int(9))],
        vec![one.clone(), (7, Value::text("TAKEN "))],
        vec![one.clone(), (0, Value::int(666))],
        vec![one.clone(), (0, Value::int(1))],
        vec![one.clone(), (0, Value::int(1)), (1, Value::text("ok"))],
        vec![one.clone(), (7, Value::text("fine"))],
    ];
    let groups: Vec<_> = cases
        .into_iter()
        .enumerate()
        .map(|(at, mut set)| {
            if !set.iter().any(|(field, _)| *field == 0) {
                set.push((0, Value::int(100 + at as i64)));
            }
            table.insert(&set)
        })
        .collect();
    let answers = open.target.apply(&groups).await;
    let text: Vec<String> = answers.iter().map(|(_, outcome)| said(outcome)).collect();
    expect![[r#"
        write.value_too_long: error 1406: Data too long for column 'name' at row 1
        write.encoding: error 1366: Incorrect string value for column `DATABASE`.`t`.`name` at row 1
        write.null: error 1364: Field 'n' doesn't have a default value
        write.null: error 1048: Column 'n' cannot be null
        write.type: error 1264: Out of range value for column 'n' at row 1
        write.type: column "d" is date, got a text
        write.type: error 1265: Data truncated for column 'e' at row 1
        foreign o_of_t
        write.check: error 4025: CONSTRAINT `small` failed for `DATABASE`.`t`
        unique u 1
        write.refused_by_trigger: error 1644: the books are closed
        found a row
        found a row
        applied 113"#]]
    .assert_eq(&text.join("\n").replace(&table.settings.database, "DATABASE"));
    assert!(!format!("{text:?}").contains("secret"));
    assert_eq!(table.sql("select id from t order by id"), "1\n113\n");
}

/// Letter case and trailing spaces are differences, whatever the collation says.
#[tokio::test]
async fn what_a_collation_takes_for_equal_is_compared_exactly() {
    let mut table =
        Table::new("create table t (k varchar(20) primary key, v varchar(20))", &["k", "v"]);
    table.sql("insert into t values ('ABC', 'Ana')");
    let mut open = table.open().await;
    let name = |text: &str| RowKey::new(&[Value::text(text)]);
    let change = |table: &mut Table, at: &str, from: &str, to: &str| {
        let (set, expect) = ([(1, Value::text(to))], [(1, Value::text(from))]);
        table.write(WriteKind::Update, Some(name(at)), &set, Some(&expect))
    };
    let groups = [
        change(&mut table, "ABC", "ANA", "x"),
        change(&mut table, "abc", "Ana", "x"),
        table.insert(&[(0, Value::text("abc ")), (1, Value::text("x"))]),
        change(&mut table, "ABC", "Ana", "ANA "),
    ];
    let answers = open.target.apply(&groups).await;
    let text: Vec<String> = answers.iter().map(|(_, outcome)| said(outcome)).collect();
    assert_eq!(text, ["found a row", "found none", "unique k ABC", "applied ABC"]);
    assert_eq!(table.sql("select concat('<', v, '>') from t"), "<ANA >\n");
    // A key in another spelling is another key: it moves.
    let (set, expect) = ([(0, Value::text("abc"))], [(0, Value::text("ABC"))]);
    let rename = table.write(WriteKind::Update, Some(name("ABC")), &set, Some(&expect));
    assert_eq!(said(&open.target.apply(&[rename]).await[0].1), "applied abc");
    assert!(matches!(
        by_key(&mut open, name("ABC"), vec![]).await.answers[0].result,
        syncline_core::change::ReadResult::Absent
    ));
}

/// Keys that the system makes for the rows of one statement are told from each other.
#[tokio::test]
async fn made_keys_belong_to_their_rows() {
    let mut table = Table::new(
        "create table t (id bigint unsigned auto_increment primary key, v varchar(20) unique)",
        &["v"],
    );
    table.sql("insert into t (v) values ('1500')");
    let mut open = table.open().await;
    let groups: Vec<_> =
        (0..2_500).map(|number| table.insert(&[(0, Value::text(number.to_string()))])).collect();
    let answers = open.target.apply(&groups).await;
    let stored = table.sql("select id, v from t where v <> '1500'");
    let stored: std::collections::BTreeMap<&str, &str> =
        stored.lines().filter_map(|line| line.split_once('\t')).collect();
    for (number, (_, outcome)) in answers.iter().enumerate() {
        if let Outcome::Applied { key, .. } = outcome {
            assert_eq!(stored[key.to_string().as_str()], number.to_string());
        } else {
            assert_eq!(said(outcome), "unique v 1");
        }
    }
    assert_eq!(stored.len(), 2_499);
}

/// `InnoDB` refuses to delete a row that refers to itself, or two that refer to each other.
#[tokio::test]
async fn rows_that_refer_to_each_other_are_deleted() {
    let mut table = Table::new(
        "create table t (id int primary key, boss int, foreign key (boss) references t (id))",
        &["id", "boss"],
    );
    table.sql(
        "set foreign_key_checks = 0; insert into t values (1, 1), (2, 3), (3, 2), (4, 4), (5, 4)",
    );
    let mut open = table.open().await;
    let groups: Vec<_> =
        (1..=4).map(|id| table.write(WriteKind::Delete, Some(key(id)), &[], Some(&[]))).collect();
    let answers = open.target.apply(&groups).await;
    let said: Vec<String> = answers.iter().map(|(_, outcome)| said(outcome)).collect();
    assert_eq!(said[..3], ["applied 1", "applied 2", "applied 3"]);
    assert!(matches!(answers[3].1, Outcome::Foreign { .. }), "{said:?}");
    assert_eq!(table.sql("select id, boss from t order by id"), "4\t4\n5\t4\n");
}

/// A number that must be unique and not null is parked above all others while two rows swap.
#[tokio::test]
async fn unique_numbers_are_swapped() {
    let mut table = Table::new(
        "create table t (id int primary key, place int not null unique)",
        &["id", "place"],
    );
    table.sql("insert into t values (1, 1), (2, 2), (3, 3)");
    let mut open = table.open().await;
    let mut group = syncline_core::change::WriteGroup { writes: vec![], park: true };
    for (id, from, to) in [(1, 1, 2), (2, 2, 3), (3, 3, 1)] {
        let (set, expect) = ([(1, Value::int(to))], [(1, Value::int(from))]);
        group
            .writes
            .extend(table.write(WriteKind::Update, Some(key(id)), &set, Some(&expect)).writes);
    }
    let answers = open.target.apply(&[group]).await;
    assert!(
        answers.iter().all(|(_, outcome)| matches!(outcome, Outcome::Applied { .. })),
        "{answers:?}"
    );
    assert_eq!(table.sql("select place from t order by id"), "2\n3\n1\n");
}

/// A soft delete is a delete, and an insert takes it back.
#[tokio::test]
async fn soft_deletes_are_marked_and_taken_back() {
    let mut table = Table::new(
        "create table t (id int primary key, v varchar(20), gone tinyint not null default 0,
         gone_at datetime)",
        &["id", "v"],
    );
    table.plan.bindings[0].soft_delete = Some(vec![
        ("gone".into(), SoftValue::Value(Value::int(1))),
        ("gone_at".into(), SoftValue::Now),
    ]);
    table.sql("insert into t (id, v) values (1, 'a')");
    let mut open = table.open().await;
    let delete = table.write(WriteKind::Delete, Some(key(1)), &[], Some(&[(1, Value::text("a"))]));
    let answers = open.target.apply(&[delete]).await;
    assert!(matches!(&answers[0].1, Outcome::Applied { post: None, .. }), "{answers:?}");
    assert_eq!(table.sql("select v, gone, gone_at is not null from t"), "a\t1\t1\n");
    assert!(scan(&mut open).await.rows[0].row.is_none());
    let again = table.insert(&[(0, Value::int(1)), (1, Value::text("b"))]);
    let answers = open.target.apply(&[again]).await;
    // The mark is not null and has no other word for "not deleted" than its default.
    expect!["applied 1"].assert_eq(&said(&answers[0].1));
}

/// A path of a JSON column is written; what is beside it stays, byte by byte.
#[tokio::test]
async fn json_paths_leave_the_rest_alone() {
    let mut table = Table::new("create table t (id int primary key, j json)", &["id", "j"]);
    if let Some(cell) = &mut table.plan.bindings[0].cells[1] {
        cell.place = syncline_core::plan::Place::Path {
            column: "j".into(),
            path: vec!["address".into(), "zip".into()],
        };
    }
    table.sql(r#"insert into t values (1, '{"z":1.10,"address":{"zip":"1","city":"Ulm"},"a":[]}'), (2, null)"#);
    let mut open = table.open().await;
    let groups = [
        table.write(
            WriteKind::Update,
            Some(key(1)),
            &[(1, Value::text("2"))],
            Some(&[(1, Value::text("1"))]),
        ),
        table.write(
            WriteKind::Update,
            Some(key(2)),
            &[(1, Value::text("3"))],
            Some(&[(1, Value::Null)]),
        ),
        table.insert(&[(0, Value::int(3)), (1, Value::text("4"))]),
    ];
    let answers = open.target.apply(&groups).await;
    let text: Vec<String> = answers.iter().map(|(_, outcome)| said(outcome)).collect();
    assert_eq!(text, ["applied 1", "applied 2", "applied 3"]);
    expect![[r#"
        {"z":1.10,"address":{"zip":"2","city":"Ulm"},"a":[]}
        {"address":{"zip":"3"}}
        {"address":{"zip":"4"}}
    "#]]
    .assert_eq(&table.sql("select j from t order by id"));
}

async fn refused(settings: &Settings) -> (ErrorKind, String) {
    let error = syncline_adapters::catalog(settings).await.err().unwrap();
    (error.kind, error.to_string())
}

#[tokio::test]
async fn connecting_fails_for_a_reason() {
    let table = Table::new(PLAIN, &["id", "v"]);
    table.sql("create or replace user 'sesame'@'%' identified by 'open'");
    let wrong = Settings {
        user: "sesame".into(),
        password: Some(syncline_adapters::settings::Secret::new("shut")),
        ..table.settings.clone()
    };
    assert_eq!(refused(&wrong).await.0, ErrorKind::Unauthorized);
    let elsewhere = Settings { database: "nowhere".into(), ..table.settings.clone() };
    let (kind, text) = refused(&elsewhere).await;
    assert_eq!(kind, ErrorKind::SchemaDrift);
    expect![[r#"could not connect to "bench": a table or column is not what the configuration says (error 1049: Unknown database 'nowhere')"#]].assert_eq(&text);
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let down = Settings { port: nobody, ..table.settings.clone() };
    assert_eq!(refused(&down).await.0, ErrorKind::Unreachable);
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let late = Settings {
        port: silent.local_addr().unwrap().port(),
        connect_timeout: Duration::from_millis(200),
        ..table.settings.clone()
    };
    assert_eq!(refused(&late).await.0, ErrorKind::TimedOut);
    let encrypted =
        Settings { tls: syncline_adapters::settings::Tls::VerifyFull, ..table.settings.clone() };
    assert_eq!(refused(&encrypted).await.0, ErrorKind::Tls);
}
