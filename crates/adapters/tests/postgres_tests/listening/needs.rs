//! What listening needs, and how its lack is explained.

use std::time::Duration;

use syncline_core::{
    change::Position,
    error::{ErrorKind, PortError},
};
use syncline_ports::{catalog::CheckState, listener::Listener};

use crate::{
    postgres_tests::{
        listening::{Scene, heard},
        other_user,
    },
    servers,
};

const CONTACTS: &str = "create table contacts (id int primary key, name text)";

fn refusal(opened: Result<(Box<dyn Listener>, Position), PortError>) -> (ErrorKind, String) {
    match opened {
        Ok(_) => panic!("it listens"),
        Err(error) => (error.kind, error.detail.to_string()),
    }
}

#[tokio::test]
async fn a_table_that_would_refuse_updates_is_not_published() {
    let sql = "create table contacts (id int not null unique, name text);
               create table loose (id int unique);
               insert into loose values (1)";
    let scene =
        Scene::new(servers::postgres(), sql, &[("contacts", &["id"]), ("loose", &["id"])]).await;

    let (kind, detail) = refusal(scene.try_begin(None).await);

    assert_eq!(kind, ErrorKind::Unheard);
    let by_index =
        r#"alter table "public"."contacts" replica identity using index "contacts_id_key";"#;
    let full = r#"alter table "public"."loose" replica identity full;"#;
    assert!(detail.contains(by_index) && detail.contains(full), "{detail}");
    scene.execute("update loose set id = 2").await;

    // What the message says helps.
    scene.execute(&format!("{by_index} {full}")).await;
    let (mut listener, _) = scene.begin().await;
    scene.execute("delete from loose").await;
    assert_eq!(heard(listener.as_mut()).await, ["1 2"]);
}

/// A table that loses what it needs is taken out of the publication before anybody's update fails.
#[tokio::test]
async fn a_table_that_loses_its_identity_is_withdrawn() {
    let scene = Scene::new(servers::postgres(), CONTACTS, &[("contacts", &["id"])]).await;
    scene.execute("insert into contacts values (1)").await;
    let (mut listener, _) = scene.begin().await;

    scene.execute("alter table contacts replica identity nothing").await;
    let error = loop {
        if let Err(error) = listener.hear(10).await {
            break error;
        }
    };

    assert_eq!(error.kind, ErrorKind::Unheard, "{error}");
    scene.execute("update contacts set name = 'goes through'").await;
}

#[tokio::test]
async fn each_missing_right_is_named_with_what_grants_it() {
    let mut scene = Scene::new(servers::postgres(), CONTACTS, &[("contacts", &["id"])]).await;
    let role = format!("clerk_{}", scene.url.rsplit('/').next().unwrap());
    scene.execute(&format!("create role {role} login; grant all on contacts to {role}")).await;
    scene.settings.user.clone_from(&role);

    let (kind, detail) = refusal(scene.try_begin(None).await);
    let grant = format!(r#"alter role "{role}" replication;"#);
    assert_eq!(kind, ErrorKind::Forbidden);
    assert!(detail.contains(&grant), "{detail}");

    scene.execute(&grant).await;
    let (kind, detail) = refusal(scene.try_begin(None).await);
    let (_, publish) = detail.split_once("create publication").unwrap();
    assert_eq!(kind, ErrorKind::Forbidden);

    scene.execute(&format!("create publication{publish}")).await;
    let (mut listener, _) = scene.begin().await;
    scene.execute("insert into contacts values (1)").await;
    assert_eq!(heard(listener.as_mut()).await, ["0 1"]);
    scene.execute("create table orders (id int primary key)").await;
    scene.plan = crate::postgres_tests::plan_of(&[("orders", &["id"], &["id"])]);
    drop(listener);
    scene.execute(&format!("grant all on orders to {role}")).await;
    let (kind, detail) = refusal(scene.try_begin(None).await);
    assert_eq!(kind, ErrorKind::Forbidden);
    assert!(detail.contains(r#"add table "public"."orders";"#), "{detail}");
}

#[tokio::test]
async fn a_view_has_no_log() {
    let sql = "create table contacts (id int primary key);
               create view people as select id from contacts";
    let scene = Scene::new(servers::postgres(), sql, &[("people", &["id"])]).await;

    let (kind, detail) = refusal(scene.try_begin(None).await);

    assert_eq!(kind, ErrorKind::Unheard);
    assert!(detail.contains("people") && detail.contains("view"), "{detail}");
}

/// What is under way is told by nobody: neither by a stream that begins now, nor by a read.
#[tokio::test]
async fn listening_begins_after_what_is_under_way() {
    let server = servers::private_postgres();
    let mut scene = Scene::new(&server, CONTACTS, &[("contacts", &["id"])]).await;
    scene.settings.statement_timeout = Duration::from_secs(1);
    let open = other_user(&scene.url).await;
    open.batch_execute("begin; insert into contacts values (1)").await.unwrap();

    let (kind, detail) = refusal(scene.try_begin(None).await);
    open.batch_execute("commit").await.unwrap();
    let begun = scene.try_begin(None).await;

    assert_eq!(kind, ErrorKind::TimedOut);
    assert!(detail.contains("process "), "{detail}");
    assert!(begun.is_ok());
}

#[tokio::test]
async fn a_slot_in_use_names_who_uses_it() {
    let mut scene = Scene::new(servers::postgres(), CONTACTS, &[("contacts", &["id"])]).await;
    scene.settings.statement_timeout = Duration::from_secs(1);
    let (_first, from) = scene.begin().await;

    let (kind, detail) = refusal(scene.try_begin(Some(&from)).await);

    assert_eq!(kind, ErrorKind::TimedOut);
    assert!(detail.contains("process "), "{detail}");
}

#[tokio::test]
async fn a_password_goes_over_an_encrypted_line() {
    let server = servers::private_postgres();
    let mut scene = Scene::new(&server, CONTACTS, &[("contacts", &["id"])]).await;
    scene
        .execute(
            "create role clerk login superuser password 'Geheim ñ';
             create temp table rules (rule text);
             insert into rules values ('hostssl all clerk 127.0.0.1/32 scram-sha-256'),
                                      ('host all postgres 127.0.0.1/32 trust');
             do $$ begin
               execute format('copy rules to %L', current_setting('hba_file'));
             end $$;
             select pg_reload_conf()",
        )
        .await;
    scene.settings.user = "clerk".into();
    scene.settings.host = "localhost".into();
    scene.settings.tls = syncline_adapters::settings::Tls::VerifyFull;
    scene.settings.tls_ca = Some(server.authority.display().to_string());
    scene.settings.password = Some(syncline_adapters::settings::Secret::new("Geheim ñ"));

    let (mut listener, _) = scene.begin().await;
    scene.execute("insert into contacts values (1)").await;
    let found = heard(listener.as_mut()).await;
    scene.settings.password = Some(syncline_adapters::settings::Secret::new("other"));
    let refused = scene.try_begin(None).await.err().map(|error| error.kind);

    assert_eq!(found, ["0 1"]);
    assert_eq!(refused, Some(ErrorKind::Unauthorized));
}

#[tokio::test]
async fn the_doctor_says_what_listening_lacks() {
    let sql = "create table contacts (id int primary key); create table loose (id int unique)";
    let tables: [(&str, &[&str]); 2] = [("contacts", &["id"]), ("loose", &["id"])];
    let mut scene = Scene::new(servers::postgres(), sql, &tables).await;
    let role = format!("clerk_{}", scene.url.rsplit('/').next().unwrap());
    let grants = format!("create role {role} login; grant all on contacts, loose to {role}");
    scene.execute(&grants).await;
    scene.settings.user.clone_from(&role);

    let mut catalog = syncline_adapters::catalog(&scene.settings).await.unwrap();
    let fitness = catalog.examine(&["contacts".into(), "loose".into()]).await.unwrap();

    let said = |name: &str| {
        let check = fitness.checks.iter().find(|check| check.name == name).unwrap();
        format!("{:?}: {} -> {}", check.state, check.message, check.fix.join(" "))
    };
    assert_eq!(said("wal_level"), "Passed: logical -> ");
    let grant = format!(
        r#"Warning: our user may not read the log: changes are polled -> ALTER ROLE "{role}" REPLICATION;"#
    );
    assert_eq!(said("replication"), grant);
    assert!(said("slot_retention").contains("max_slot_wal_keep_size = '4GB';"));
    let identity = r#"ALTER TABLE "public"."loose" REPLICA IDENTITY FULL;"#;
    assert!(said("replica_identity").ends_with(identity));
    assert!(said("publication").contains("the owner of contacts, loose has"));
}

/// An administrator who publishes as little as possible: the key is enough.
#[tokio::test]
async fn columns_that_are_not_published_are_read_all_the_same() {
    let scene = Scene::new(servers::postgres(), CONTACTS, &[("contacts", &["id"])]).await;
    let name = &scene.listening.name;
    scene.execute("insert into contacts values (1, 'Ada')").await;
    scene.execute(&format!("create publication {name} for table contacts (id)")).await;

    let (mut listener, _) = scene.begin().await;
    scene.execute("update contacts set name = 'Eva'").await;
    let found = heard(listener.as_mut()).await;
    let mut catalog = syncline_adapters::catalog(&scene.settings).await.unwrap();
    let fitness = catalog.examine(&["contacts".into()]).await.unwrap();

    assert_eq!(found, ["0 1"]);
    let said = fitness.checks.iter().find(|check| check.name == "publication").unwrap();
    assert_eq!(said.state, CheckState::Passed);
    let enough = "tells of contacts only id: that is enough, changed rows are read from the table";
    assert!(said.message.ends_with(enough), "{}", said.message);
}

#[tokio::test]
async fn a_publication_that_leaves_out_rows_or_keys_is_refused_by_name() {
    let sql = "create table contacts (id int primary key, code int not null unique);
               alter table contacts replica identity full";
    for (left_out, why) in [
        ("contacts (id)", "without \"code\", which its rows are known by"),
        ("contacts where (id > 1)", "only of some rows of \"contacts\""),
    ] {
        let scene = Scene::new(servers::postgres(), sql, &[("contacts", &["code"])]).await;
        let name = &scene.listening.name;
        scene
            .execute(&format!(
                "create publication {name} for table {left_out} with (publish = 'insert')"
            ))
            .await;

        let (kind, detail) = refusal(scene.try_begin(None).await);

        assert_eq!(kind, ErrorKind::Unheard);
        assert!(detail.contains(why) && detail.contains("drop publication"), "{detail}");
    }
}
