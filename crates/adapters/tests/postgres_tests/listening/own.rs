//! Rows that this process has written and answered are not heard again; what became of them
//! otherwise is.

use std::sync::Arc;

use syncline_adapters::settings::{Marks, Settings};
use syncline_core::{
    change::{Expected, Outcome, RowKey, RowWrite, WriteGroup, WriteKind},
    name::{BindingIndex, FieldIndex, IntentId, RecordId, SystemIndex},
    value::Value,
};
use syncline_ports::target::Target;

use crate::{
    postgres_tests::{
        listening::{Scene, heard},
        plan_of,
    },
    servers,
};

/// A table without triggers, its lines, which go with their contact, and one with a trigger.
const TABLES: &str = "\
create table contacts (id int primary key, name text);
create table lines (id int primary key, contact int references contacts on delete cascade);
create table watched (id int primary key, name text);
create function shout() returns trigger language plpgsql as
    $$ begin update watched set name = upper(name) where id = new.id; return null; end $$;
create trigger shout after insert on watched for each row execute function shout();
create table ends (id int primary key)";

async fn scene() -> (Scene, Box<dyn Target>) {
    let tables: [(&str, &[&str]); 4] =
        [("contacts", &["id"]), ("lines", &["id"]), ("watched", &["id"]), ("ends", &["id"])];
    let mut scene = Scene::new(servers::postgres(), TABLES, &tables).await;
    let named: &[&str] = &["id", "name"];
    let key: &[&str] = &["id"];
    scene.plan = plan_of(&[
        ("contacts", key, named),
        ("lines", key, key),
        ("watched", key, named),
        ("ends", key, key),
    ]);
    scene.settings.marks = Marks::None;
    let target = target(&scene).await;
    (scene, target)
}

async fn target(scene: &Scene) -> Box<dyn Target> {
    open(scene, &scene.settings).await
}

async fn open(scene: &Scene, settings: &Settings) -> Box<dyn Target> {
    let plan = Arc::new(scene.plan.clone());
    syncline_adapters::open(settings, plan, SystemIndex(0)).await.unwrap().target
}

fn write(kind: WriteKind, binding: u16, id: i64, name: Option<&str>) -> WriteGroup {
    let expect = match kind {
        WriteKind::Insert => Expected::Absent,
        WriteKind::Update | WriteKind::Delete => Expected::Fields(Vec::new()),
    };
    let write = RowWrite {
        record: RecordId(1),
        intent: IntentId(u128::from(binding) << 64 | u128::from(id.unsigned_abs())),
        binding: BindingIndex(binding),
        key: Some(RowKey::new([&Value::int(id)])),
        parent: None,
        kind,
        set: name.map(|name| (FieldIndex(1), Value::text(name))).into_iter().collect(),
        expect,
        token: None,
    };
    WriteGroup { writes: vec![write], park: false }
}

async fn apply(target: &mut dyn Target, groups: &[WriteGroup]) {
    for (_, outcome) in target.apply(groups).await {
        assert!(matches!(outcome, Outcome::Applied { .. }), "{outcome:?}");
    }
}

#[tokio::test]
async fn what_this_process_wrote_is_not_heard_again() {
    let (scene, mut target) = scene().await;
    let (mut listener, _) = scene.begin().await;

    let insert = |id| write(WriteKind::Insert, 0, id, Some("Ann"));
    apply(target.as_mut(), &[insert(1), insert(2), insert(3)]).await;
    apply(target.as_mut(), &[write(WriteKind::Update, 0, 2, Some("Bo"))]).await;
    apply(target.as_mut(), &[write(WriteKind::Delete, 0, 3, None)]).await;
    scene.execute("update contacts set name = 'Cy' where id = 1").await;

    assert_eq!(heard(listener.as_mut()).await, ["0 1"]);
}

#[tokio::test]
async fn rows_that_went_with_one_of_ours_are_heard() {
    let (scene, mut target) = scene().await;
    scene.execute("insert into contacts values (1, 'Ann'); insert into lines values (7, 1)").await;
    let (mut listener, _) = scene.begin().await;

    apply(target.as_mut(), &[write(WriteKind::Delete, 0, 1, None)]).await;

    assert_eq!(heard(listener.as_mut()).await, ["1 7"]);
}

#[tokio::test]
async fn what_a_trigger_made_of_one_of_ours_is_heard() {
    let (scene, mut target) = scene().await;
    let (mut listener, _) = scene.begin().await;

    apply(target.as_mut(), &[write(WriteKind::Insert, 2, 1, Some("ann"))]).await;

    assert!(heard(listener.as_mut()).await.contains(&"2 1".to_owned()));
}

#[tokio::test]
async fn who_may_not_tell_writes_all_the_same() {
    let (scene, _) = scene().await;
    let role = format!("teller_{}", scene.url.rsplit('/').next().unwrap());
    scene
        .execute(&format!(
            "revoke execute on function pg_logical_emit_message(boolean, text, bytea) from public;
             create role {role} login; grant all on contacts, lines, watched, ends to {role}"
        ))
        .await;
    let (mut listener, _) = scene.begin().await;
    let mut target = open(&scene, &Settings { user: role, ..scene.settings.clone() }).await;

    apply(target.as_mut(), &[write(WriteKind::Insert, 0, 1, Some("Ann"))]).await;

    assert_eq!(heard(listener.as_mut()).await, ["0 1"]);
}
