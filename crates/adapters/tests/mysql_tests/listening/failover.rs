//! What is heard when another server takes over.

use syncline_core::value::Value;

use super::*;

#[tokio::test]
async fn a_replica_that_takes_over_is_heard_after_what_was_heard_before() {
    let (primary, replica) = (private_mariadb(), private_mariadb());
    let mut shop = Shop::on(&primary, &[NOTES, LAST], MADE).await;
    replica.execute("", "set global server_id = 2; reset master");
    let follow = format!(
        "change master to master_host = '127.0.0.1', master_port = {}, master_user = 'root',
             master_use_gtid = slave_pos;
         start slave",
        primary.port
    );
    replica.execute("", &follow);
    let mut listener = shop.begun().await;
    shop.run("insert into notes values (1, 1); insert into last values (1)").await;
    let (_, upto) = heard_until(&mut *listener, 1).await;
    shop.run("insert into notes values (2, 1); insert into last values (2)").await;
    let last = primary.execute("", "select @@gtid_binlog_pos");
    let waits = format!("select master_gtid_wait('{}', 60); stop slave", last.trim());
    assert_eq!(replica.execute("", &waits).trim(), "0");
    heard_until(&mut *listener, 1).await;
    shop.run("insert into notes values (3, 1); insert into last values (3)").await;
    let (_, ahead) = heard_until(&mut *listener, 1).await;
    primary.kill();

    let settings = Settings { port: replica.port, ..shop.settings.clone() };
    let mut listener = shop.try_open(&settings).await.unwrap();
    listener.begin(Some(&upto)).await.unwrap();
    replica.execute(&url_of(&replica, &settings), "insert into notes values (4, 1)");
    let mut heard = Vec::new();
    while !heard.contains(&key(4)) {
        let more = listener.hear(1_000).await.unwrap();
        heard.extend(more.hints.into_iter().map(|hint| (hint.binding.0, hint.what)));
    }
    assert!(heard.contains(&key(2)), "{heard:?}");
    assert!(!heard.contains(&key(1)) && !heard.contains(&key(3)), "{heard:?}");

    // What was heard and never reached it is not there: it cannot go on after that.
    let mut listener = shop.try_open(&settings).await.unwrap();
    let error = listener.begin(Some(&ahead)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::PositionLost, "{error}");
}

/// The row of this key in the first table.
fn key(number: i64) -> (u16, Changed) {
    (0, Changed::Row(RowKey::new([&Value::int(number)])))
}

fn url_of(server: &Server, settings: &Settings) -> String {
    let (start, _) = server.url.rsplit_once('/').unwrap();
    format!("{start}/{}", settings.database)
}
