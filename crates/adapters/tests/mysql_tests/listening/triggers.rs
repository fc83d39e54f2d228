//! What is heard by triggers of a server that people work with: in any order, with triggers of their own,
//! in any character set and time zone.

use mysql_async::{Conn, prelude::Queryable};
use syncline_adapters::settings::{Settings, Way};
use syncline_core::{change::Position, error::ErrorKind};
use syncline_ports::{catalog::CheckState, listener::Listener};

use super::{LAST, MADE, NOTES, Shop, every_type_of_key_is_named, heard, heard_until};
use crate::{mysql_tests::bench::other, servers::private_mariadb};

impl Shop {
    async fn noted(tables: &[(&str, &[&str])], sql: &str) -> Self {
        let mut shop = Self::new(tables, sql).await;
        shop.way = Some(Way::Triggers);
        shop
    }

    async fn value(&mut self, sql: &str) -> String {
        let found: Option<String> = self.other.query_first(sql).await.unwrap();
        found.unwrap_or_default()
    }

    /// The names of what listening has put into the database.
    async fn left(&mut self) -> Vec<String> {
        let sql = "select table_name from information_schema.tables where table_schema = database() \
                   and table_comment = 'changes noted for syncline' union all \
                   select trigger_name from information_schema.triggers where trigger_schema = \
                   database() and action_statement like '%changes noted for syncline%'";
        self.other.query(sql).await.unwrap()
    }

    /// A listener that goes on after what another one said.
    async fn again(&self, after: &Position) -> Box<dyn Listener> {
        let mut listener = self.open().await;
        listener.begin(Some(after)).await.unwrap();
        listener
    }
}

#[tokio::test]
async fn every_type_of_key_is_noted_as_a_read_shows_it() {
    every_type_of_key_is_named(Some(Way::Triggers)).await;
}

#[tokio::test]
async fn keys_are_noted_alike_in_any_character_set_time_zone_and_mode() {
    let mut shop = Shop::noted(
        &[("named", &["code"]), ("moments", &["at"]), ("blobs", &["raw", "n"]), LAST],
        "create table named (code varchar(20) character set latin1 primary key);
         create table moments (at timestamp(2) primary key);
         create table blobs (raw varbinary(8), n int, primary key (raw, n));
         create table last (id int primary key)",
    )
    .await;
    let mut listener = shop.begun().await;
    shop.run(
        "set names latin1; set time_zone = '+05:30', sql_mode = 'PAD_CHAR_TO_FULL_LENGTH,ANSI_QUOTES'",
    )
    .await;
    shop.run(
        "insert into named values (x'67726fdf'); insert into moments values ('2024-10-27 06:00:00.12');
         insert into blobs values (x'00ff27', 7); insert into last values (1)",
    )
    .await;

    let said = heard(&mut *listener, 3).await;

    assert_eq!(said[0], "0:groß");
    assert!(said[1].contains("2024-10-27T00:30:00.12"), "{said:?}");
    assert!(said[2].contains("00ff27") && said[2].contains('7'), "{said:?}");
}

#[tokio::test]
async fn what_is_committed_later_under_a_lower_number_is_heard() {
    let mut shop = Shop::noted(&[NOTES, LAST], MADE).await;
    let mut listener = shop.begun().await;
    let mut slow: Conn = other(&shop.settings).await;
    slow.query_drop("start transaction").await.unwrap();
    slow.query_drop("insert into notes values (1, 1)").await.unwrap();
    shop.run("insert into notes values (2, 2); insert into last values (1)").await;
    let (said, upto) = heard_until(&mut *listener, 1).await;
    assert_eq!(said.len(), 1);
    // What was dealt with goes while the other transaction is open, and waits for nobody.
    listener.ack(&upto).await.unwrap();

    slow.query_drop("commit").await.unwrap();

    shop.run("delete from last").await;
    let mut said = Vec::new();
    while said.len() < 2 {
        let heard = listener.hear(100).await.unwrap();
        said.extend(heard.hints.into_iter().map(|hint| hint.binding.0));
        listener.ack(&heard.upto).await.unwrap();
    }
    said.sort_unstable();
    assert_eq!(said, [0, 1]);
    let table = format!("{}_changes", shop.settings.database);
    assert_eq!(shop.value(&format!("select count(*) from {table}")).await, "1");
}

#[tokio::test]
async fn what_was_not_committed_when_listening_began_anew_is_heard() {
    let mut shop = Shop::noted(&[NOTES, LAST], MADE).await;
    let mut listener = shop.begun().await;
    let mut slow: Conn = other(&shop.settings).await;
    slow.query_drop("start transaction").await.unwrap();
    slow.query_drop("insert into notes values (1, 1)").await.unwrap();
    shop.run("insert into notes values (2, 2)").await;

    listener.begin(None).await.unwrap();

    slow.query_drop("commit").await.unwrap();
    shop.run("insert into last values (1)").await;
    assert_eq!(heard(&mut *listener, 1).await, ["0:1"]);
}

#[tokio::test]
async fn a_change_of_what_is_referred_to_has_the_tables_read_whole_that_it_goes_along_to() {
    let mut shop = Shop::noted(
        &[("parents", &["id"]), ("children", &["id"]), LAST],
        "create table parents (id int primary key, code int unique, n int);
         create table children (id int primary key, code int,
             foreign key (code) references parents (code) on delete cascade on update cascade);
         create table last (id int primary key);
         insert into parents values (1, 10, 0), (2, 20, 0); insert into children values (5, 10)",
    )
    .await;
    let mut listener = shop.begun().await;
    shop.run("update parents set n = 1 where id = 1; insert into last values (1)").await;
    assert_eq!(heard(&mut *listener, 2).await, ["0:1"]);
    shop.run("update parents set code = 11 where id = 1; delete from last").await;
    assert_eq!(heard(&mut *listener, 2).await, ["0:1", "1:all"]);
    shop.run("delete from parents where id = 1; insert into last values (1)").await;
    assert_eq!(heard(&mut *listener, 2).await, ["0:1", "1:all"]);
}

#[tokio::test]
async fn triggers_of_others_stay_and_no_answer_to_others_is_another_than_before() {
    let mut shop = Shop::noted(
        &[("notes", &["id"]), LAST],
        "create table notes (id int auto_increment primary key, n int, m int);
         create table last (id int primary key);
         create table seen (id int auto_increment primary key, n int) auto_increment = 1000;
         create trigger theirs after insert on notes for each row insert into seen (n) values (new.n)",
    )
    .await;
    let mut listener = shop.begun().await;

    shop.run("insert into notes (n) values (7), (8)").await;

    assert_eq!(shop.other.last_insert_id(), Some(1));
    assert_eq!(shop.other.affected_rows(), 2);
    assert_eq!(shop.value("select last_insert_id()").await, "1");
    assert_eq!(shop.value("select group_concat(n) from seen").await, "7,8");
    shop.run("update notes set id = 5 where id = 2; insert into last values (1)").await;
    assert_eq!(heard(&mut *listener, 1).await, ["0:1", "0:2", "0:2", "0:5"]);
    listener.remove().await.unwrap();
    assert_eq!(shop.left().await, [""; 0]);
    assert_eq!(
        shop.value(
            "select trigger_name from information_schema.triggers where trigger_schema = database()"
        )
        .await,
        "theirs"
    );
}

#[tokio::test]
async fn a_table_whose_triggers_were_taken_away_is_read_whole() {
    let mut shop = Shop::noted(&[NOTES, LAST], MADE).await;
    let mut listener = shop.open().await;
    let from = listener.begin(None).await.unwrap();
    drop(listener);
    // As tools do that copy a table to alter it.
    shop.run(
        "create table fresh like notes; rename table notes to old, fresh to notes; drop table old;
         insert into notes values (1, 1)",
    )
    .await;

    let mut listener = shop.again(&from).await;

    shop.run("insert into notes values (2, 2); insert into last values (1)").await;
    assert_eq!(heard(&mut *listener, 1).await, ["0:all", "0:2"]);
    // Nothing is mended twice.
    let from = listener.begin(None).await.unwrap();
    drop(listener);
    let mut listener = shop.again(&from).await;
    shop.run("delete from last; insert into last values (1)").await;
    assert_eq!(heard(&mut *listener, 1).await, [""; 0]);
}

#[tokio::test]
async fn triggers_that_nobody_listens_to_stop_and_then_everything_is_read() {
    let mut shop = Shop::noted(&[NOTES, LAST], MADE).await;
    let mut listener = shop.open().await;
    let from = listener.begin(None).await.unwrap();
    drop(listener);
    let table = format!("{}_changes", shop.settings.database);
    let noted = format!("select count(*) from {table}");
    let before = shop.value(&noted).await;

    // A month and more later, as far as this session is concerned.
    shop.run("set timestamp = unix_timestamp() + 40 * 86400; insert into notes values (1, 1); set timestamp = default").await;

    assert_eq!(shop.value(&noted).await, before);
    let body = shop
        .value("select action_statement from information_schema.triggers where event_object_table = 'notes' and event_object_schema = database() and event_manipulation = 'INSERT'")
        .await;
    let until = body.split('\'').nth(1).unwrap().to_owned();
    let name = shop
        .value("select trigger_name from information_schema.triggers where event_object_table = 'notes' and event_object_schema = database() and event_manipulation = 'INSERT'")
        .await;
    let body = body.replace(&until, "2020-01-01");
    let old = format!("create or replace trigger {name} after insert on notes for each row {body}");
    shop.other.query_drop(old).await.unwrap();
    let mut listener = shop.open().await;
    let lost = listener.begin(Some(&from)).await;
    assert!(matches!(&lost, Err(error) if error.kind == ErrorKind::PositionLost), "{lost:?}");
    listener.begin(None).await.unwrap();
    shop.run("insert into notes values (2, 2); insert into last values (1)").await;
    assert_eq!(heard(&mut *listener, 1).await, ["0:2"]);
}

#[tokio::test]
async fn what_is_noted_beyond_what_may_be_is_given_up_and_removed() {
    let mut shop = Shop::noted(&[NOTES, LAST], MADE).await;
    shop.max_retained = 20_000;
    let mut listener = shop.open().await;
    let from = listener.begin(None).await.unwrap();
    assert!(listener.retained().await.unwrap().bytes < 1_000);
    drop(listener);
    shop.run("insert into notes select seq, 1 from seq_1_to_2000").await;

    let mut listener = shop.open().await;
    let given_up = listener.begin(Some(&from)).await;

    assert!(matches!(&given_up, Err(error) if error.kind == ErrorKind::Retained), "{given_up:?}");
    assert_eq!(shop.left().await, [""; 0]);
    let lost = listener.begin(Some(&from)).await;
    assert!(matches!(&lost, Err(error) if error.kind == ErrorKind::PositionLost), "{lost:?}");
    listener.begin(None).await.unwrap();
    assert_eq!(shop.left().await.len(), 7);
}

#[tokio::test]
async fn a_copy_from_before_has_another_history() {
    let mut shop = Shop::noted(&[NOTES, LAST], MADE).await;
    let mut listener = shop.begun().await;
    shop.run("insert into last values (1)").await;
    let mut upto = None;
    while upto.is_none() {
        let heard = listener.hear(10).await.unwrap();
        upto = (!heard.hints.is_empty()).then_some(heard.upto);
    }
    let upto = upto.unwrap();
    listener.ack(&upto).await.unwrap();
    drop(listener);
    let table = format!("{}_changes", shop.settings.database);
    // The same number, noted at another time.
    shop.run(&format!("update {table} set at = at - interval 1 second")).await;

    let lost = shop.open().await.begin(Some(&upto)).await;

    assert!(matches!(&lost, Err(error) if error.kind == ErrorKind::PositionLost), "{lost:?}");
}

#[tokio::test]
async fn it_is_heard_where_the_log_holds_statements_and_writers_do_not_wait_for_each_other() {
    let server = private_mariadb();
    for format in ["MIXED", "STATEMENT"] {
        server.execute("", &format!("set global binlog_format = {format}"));
        let mut shop = Shop::on(&server, &[NOTES, LAST], MADE).await;
        shop.way = Some(Way::Triggers);
        let mut listener = shop.begun().await;
        let mut other = other(&shop.settings).await;
        other.query_drop("set innodb_lock_wait_timeout = 1").await.unwrap();
        shop.run("start transaction; insert into notes values (1, 1)").await;

        other.query_drop("insert into notes values (2, 2)").await.unwrap();

        shop.run("update notes set n = 5 where id = 1; commit; insert into last values (1)").await;
        let mut said = heard(&mut *listener, 1).await;
        said.sort();
        assert_eq!(said, ["0:1", "0:1", "0:2"], "{format}");
    }
}

#[tokio::test]
async fn what_cannot_have_such_triggers_is_refused_with_what_helps() {
    let server = private_mariadb();
    let mut shop = Shop::on(
        &server,
        &[NOTES, LAST],
        "create table notes (id int primary key, n int) engine = MyISAM;
         create table last (id int primary key);
         create user 'plain'@'%'; grant select, insert, update, delete on *.* to 'plain'@'%'",
    )
    .await;
    shop.way = Some(Way::Triggers);
    let error = shop.try_open(&shop.settings).await.err().unwrap();
    assert_eq!(error.kind, ErrorKind::Unheard);
    assert!(error.to_string().contains("no transactions"), "{error}");

    shop.run("alter table notes engine = InnoDB").await;
    let settings =
        Settings { user: "plain".into(), ways: vec![Way::Triggers], ..shop.settings.clone() };
    for (says, grant) in [
        ("log_bin_trust_function_creators", "set global log_bin_trust_function_creators = 1"),
        ("GRANT SELECT, TRIGGER ON ", "grant trigger on *.* to 'plain'@'%'"),
        ("GRANT CREATE, ALTER, DROP", "grant create, alter, drop on *.* to 'plain'@'%'"),
    ] {
        let error = shop.try_open(&settings).await.err().unwrap();
        assert_eq!(error.kind, ErrorKind::Forbidden, "{error}");
        assert!(error.to_string().contains(says), "{error}");
        let mut catalog = syncline_adapters::catalog(&settings).await.unwrap();
        let fitness = catalog.examine(&["notes".into()]).await.unwrap();
        let check = fitness.checks.iter().find(|check| check.name == "triggers").unwrap();
        assert_eq!(check.state, CheckState::Warning);
        assert!(check.fix[0].contains(says), "{check:?}");
        shop.run(grant).await;
    }

    let mut listener = shop.try_open(&settings).await.unwrap();
    listener.begin(None).await.unwrap();
    shop.run("insert into notes values (1, 1); insert into last values (1)").await;
    assert_eq!(heard(&mut *listener, 1).await, ["0:1"]);
    listener.remove().await.unwrap();
    assert_eq!(shop.left().await, [""; 0]);
}

#[tokio::test]
async fn what_listening_has_put_there_is_shown_to_nobody_who_maps_tables() {
    let shop = Shop::noted(&[NOTES, LAST], MADE).await;
    let mut listener = shop.begun().await;
    let mut catalog = syncline_adapters::catalog(&shop.settings).await.unwrap();
    assert_eq!(catalog.tables().await.unwrap(), ["last", "notes"]);
    let found = catalog.describe(&["notes".into()]).await.unwrap();
    assert!(!found[0].as_ref().unwrap().has_triggers);
    listener.remove().await.unwrap();
}
