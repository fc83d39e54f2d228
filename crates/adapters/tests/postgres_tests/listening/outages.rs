//! Servers that go away, logs that are gone, and what is kept meanwhile.

use syncline_core::{change::Position, error::ErrorKind};

use crate::{
    postgres_tests::{
        listening::{Scene, heard},
        other_user,
    },
    servers,
};

const CONTACTS: &str = "create table contacts (id int primary key, name text)";
/// Changes of a table that nobody listens to.
const NOISE: &str = "create table if not exists noise (n int);
                     insert into noise select generate_series(1, 1000)";

async fn contacts() -> Scene {
    Scene::new(servers::postgres(), CONTACTS, &[("contacts", &["id"])]).await
}

#[tokio::test]
async fn a_server_that_is_killed_and_comes_back_leaves_no_gap() {
    let server = servers::private_postgres();
    let mut scene = Scene::new(&server, CONTACTS, &[("contacts", &["id"])]).await;
    let (mut listener, from) = scene.begin().await;
    scene.execute("insert into contacts values (1)").await;
    server.kill();
    let broken = loop {
        if let Err(error) = listener.hear(10).await {
            break error;
        }
    };
    drop(listener);
    server.restart();
    scene.other = other_user(&scene.url).await;
    scene.execute("insert into contacts values (2)").await;

    let (mut listener, _) = scene.try_begin(Some(&from)).await.unwrap();
    let mut found = heard(listener.as_mut()).await;
    while found.len() < 2 {
        found.extend(heard(listener.as_mut()).await);
    }

    assert_eq!(broken.kind, ErrorKind::Unreachable);
    assert_eq!(found, ["0 1", "0 2"]);
}

/// The log tells of a commit before others see it. A hint that comes then would be read in vain.
#[tokio::test]
async fn a_commit_is_heard_when_everybody_sees_it() {
    let server = servers::private_postgres();
    let scene = Scene::new(&server, CONTACTS, &[("contacts", &["id"])]).await;
    let (mut listener, _) = scene.begin().await;
    scene.execute("alter system set synchronous_standby_names = 'nobody'").await;
    scene.execute("select pg_reload_conf()").await;
    // Sessions know at once that a commit must wait, and the server lets them only once its checkpointer does, too.
    let probe = other_user(&scene.url).await;
    probe
        .batch_execute("set synchronous_commit = local; create table probe (n int)")
        .await
        .unwrap();
    let probing = tokio::spawn(async move {
        probe.batch_execute("reset synchronous_commit").await.unwrap();
        while probe.batch_execute("insert into probe values (1)").await.is_ok() {}
    });
    let waiting = "select count(*) from pg_stat_activity where wait_event = 'SyncRep'";
    while scene.ask(waiting).await != "1" {}
    let writer = other_user(&scene.url).await;
    let writing = tokio::spawn(async move {
        writer.batch_execute("insert into contacts values (1)").await.unwrap();
    });
    while scene.ask(waiting).await != "2" {}

    let before = listener.hear(10).await.unwrap();
    let seen = scene.ask("select count(*) from contacts").await;
    scene.execute("set synchronous_commit = local").await;
    scene.execute("alter system reset synchronous_standby_names").await;
    scene.execute("select pg_reload_conf()").await;
    writing.await.unwrap();
    probing.abort();
    let after = heard(listener.as_mut()).await;

    assert_eq!((before.hints.len(), seen.as_str()), (0, "0"));
    assert_eq!(after, ["0 1"]);
}

#[tokio::test]
async fn a_slot_that_is_gone_is_a_lost_position() {
    let scene = contacts().await;
    let (listener, from) = scene.begin().await;
    drop(listener);
    let drop = format!("select pg_drop_replication_slot({})", scene.slot());
    while scene.other.batch_execute(&drop).await.is_err() {}

    let lost = scene.try_begin(Some(&from)).await.err().map(|error| error.kind);
    let begun = scene.try_begin(None).await;

    assert_eq!(lost, Some(ErrorKind::PositionLost));
    assert!(begun.is_ok());
}

#[tokio::test]
async fn a_publication_that_is_gone_is_a_lost_position() {
    let scene = contacts().await;
    let (listener, from) = scene.begin().await;
    drop(listener);
    scene.execute(&format!("drop publication {}", scene.listening.name)).await;
    scene.execute("insert into contacts values (1)").await;

    let lost = scene.try_begin(Some(&from)).await.err().map(|error| error.kind);
    let (mut listener, _) = scene.begin().await;
    scene.execute("insert into contacts values (2)").await;

    assert_eq!(lost, Some(ErrorKind::PositionLost));
    assert_eq!(heard(listener.as_mut()).await, ["0 2"]);
}

#[tokio::test]
async fn a_log_that_was_cut_off_is_a_lost_position() {
    let server = servers::private_postgres();
    let scene = Scene::new(&server, CONTACTS, &[("contacts", &["id"])]).await;
    let (listener, from) = scene.begin().await;
    drop(listener);
    scene.execute("alter system set max_slot_wal_keep_size = '1MB'").await;
    scene.execute("select pg_reload_conf()").await;
    let state =
        format!("select wal_status from pg_replication_slots where slot_name = {}", scene.slot());
    while scene.ask(&state).await != "lost" {
        scene.execute(NOISE).await;
        scene.execute("select pg_switch_wal()").await;
        scene.execute("checkpoint").await;
    }

    let lost = scene.try_begin(Some(&from)).await.err().map(|error| error.kind);
    let (mut listener, _) = scene.begin().await;
    let retained = listener.retained().await.unwrap();
    scene.execute("insert into contacts values (1)").await;

    assert_eq!(lost, Some(ErrorKind::PositionLost));
    assert!(retained.bounded);
    assert_eq!(heard(listener.as_mut()).await, ["0 1"]);
}

#[tokio::test]
async fn a_position_of_another_server_is_lost() {
    let scene = contacts().await;
    let (listener, from) = scene.begin().await;
    drop(listener);
    for place in [1, 9, 12] {
        // The system, its history, and a byte of the log that is yet to come.
        let mut other = from.0.clone();
        other[place] ^= 0x40;
        let lost = scene.try_begin(Some(&Position(other))).await.err().map(|error| error.kind);
        assert_eq!(lost, Some(ErrorKind::PositionLost), "byte {place}");
    }
}

/// Where others write much and nothing of ours changes, the server may forget all of it.
#[tokio::test]
async fn silence_lets_the_server_forget() {
    let scene = contacts().await;
    let (mut listener, _) = scene.begin().await;
    scene.execute(NOISE).await;
    let written = scene.ask("select pg_current_wal_insert_lsn()").await;
    let confirmed = format!(
        "select confirmed_flush_lsn >= '{written}' from pg_replication_slots where slot_name = {}",
        scene.slot()
    );

    while scene.ask(&confirmed).await != "t" {
        let heard = listener.hear(10).await.unwrap();
        assert_eq!(heard.hints, []);
        listener.ack(&heard.upto).await.unwrap();
    }
}

#[tokio::test]
async fn too_much_kept_ends_listening() {
    let mut scene = contacts().await;
    scene.listening.max_retained = 100_000;
    let (mut listener, from) = scene.begin().await;
    for _ in 0..10 {
        scene.execute(NOISE).await;
    }

    let error = loop {
        if let Err(error) = listener.hear(10).await {
            break error;
        }
    };
    let slots =
        format!("select count(*) from pg_replication_slots where slot_name = {}", scene.slot());

    assert_eq!(error.kind, ErrorKind::Retained, "{error}");
    assert_eq!(scene.ask(&slots).await, "0");
    let lost = scene.try_begin(Some(&from)).await.err().map(|error| error.kind);
    assert_eq!(lost, Some(ErrorKind::PositionLost));
}

#[tokio::test]
async fn removing_leaves_nothing_behind() {
    let scene = contacts().await;
    let (mut listener, _) = scene.begin().await;

    listener.remove().await.unwrap();

    let left = format!(
        "select (select count(*) from pg_replication_slots where slot_name = {slot})
              + (select count(*) from pg_publication where pubname = {slot})",
        slot = scene.slot()
    );
    assert_eq!(scene.ask(&left).await, "0");
}
