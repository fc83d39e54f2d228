//! An application that lets nobody into its database, and tells of its people by calling us: a trigger
//! notes which rows change, and the application posts what it noted.

use std::cell::Cell;

use serde_json::{Value as Json, json};

use crate::{
    hooks::{SECRET, address, send, signed},
    serve::{Daemon, eventually},
    servers::{Server, postgres},
    world::World,
};

const FILE: &str = r#"version: 1
systems:
  crm: {url: "sqlite:crm.db"}
  app:
    url: "push:"
    detect:
      webhook:
        style: standard
        secrets: [file:hook_secret]
        trust: payload
        events: $.events
        topic: $.op
        topics:
          "row.gone": {resource: people, item: $.row, deleted: true}
          "row.*": {resource: people, item: $.row}
entities:
  people:
    in: {crm: contacts, app: {table: people, key: id}}
    match: email
    fields:
      email: {crm: email, app: email}
      name: {crm: name, app: name}
      city: {crm: city, app: address.city}
      credit: {type: decimal, crm: credit, app: credit}
"#;

struct Application {
    world: World,
    server: &'static Server,
    url: String,
    sent: Cell<usize>,
}

impl Application {
    /// With so many people, in a database of its own.
    fn with(name: &str, people: usize) -> Self {
        let world = World::with(FILE);
        world.file("hook_secret", SECRET);
        world.sql(
            "crm",
            "create table contacts(id integer primary key, email text, name text, city text, credit text)",
        );
        let server = postgres();
        let url = server.database(name);
        server.execute(
            &url,
            &format!(
                "create table people(id bigint primary key, email text, name text, city text, credit numeric);
                 create table outbox(seq bigint generated always as identity, event jsonb);
                 create function note() returns trigger language plpgsql as $$
                 declare old_row jsonb := case when tg_op = 'INSERT' then '{{}}' else to_jsonb(old) end;
                 declare told jsonb;
                 begin
                   if tg_op = 'DELETE' then
                     insert into outbox(event) values (jsonb_build_object('op', 'row.gone', 'row',
                       jsonb_build_object('id', old.id)));
                     return old;
                   end if;
                   -- What is as it was is not told.
                   select jsonb_object_agg(key, value) into told from jsonb_each(to_jsonb(new))
                     where key = 'id' or value is distinct from old_row -> key;
                   if told ? 'city' then
                     told := told - 'city' || jsonb_build_object('address',
                       jsonb_build_object('city', told -> 'city'));
                   end if;
                   insert into outbox(event) values (jsonb_build_object('op', 'row.set', 'row', told));
                   return new;
                 end $$;
                 create trigger note after insert or update or delete on people
                   for each row execute function note();
                 insert into people select i, 'p' || i || '@example.com', 'Name ' || i, 'Rome', 12.50
                   from generate_series(1, {people}) i"
            ),
        );
        Self { world, server, url, sent: Cell::new(0) }
    }

    fn sql(&self, sql: &str) -> String {
        self.server.execute(&self.url, sql)
    }

    /// What the trigger has noted is taken out and sent, many events in one body.
    fn posts(&self, address: &str) {
        let noted = self.sql(
            "with sent as (delete from outbox returning seq, event)
             select coalesce(jsonb_agg(event order by seq), '[]')::text from sent",
        );
        let events: Vec<Json> = serde_json::from_str(noted.trim()).unwrap();
        for some in events.chunks(100) {
            let body = json!({ "events": some }).to_string();
            assert_eq!(self.post(address, &body), 202);
        }
    }

    fn post(&self, address: &str, body: &str) -> u16 {
        self.sent.set(self.sent.get() + 1);
        let headers = signed(&format!("e-{}", self.sent.get()), 0, body.as_bytes());
        send(address, "/hooks/app", &headers, body.as_bytes())
    }

    fn serve(&self) -> (Daemon, String) {
        let daemon = Daemon::start(&self.world.path(""), &["--listen", "127.0.0.1:0"]);
        let address = address(&daemon);
        daemon.says("app is listened to");
        (daemon, address)
    }

    fn becomes(&self, daemon: &Daemon, sql: &str, value: &str) {
        let is = || self.world.value("crm", sql);
        eventually(
            &format!("{sql} is {value}"),
            || is() == value,
            || format!("{}\n{}", is(), daemon.log()),
        );
    }
}

const ALL: &str = "select count(*) from contacts";

#[test]
fn a_system_that_only_tells_is_a_source_like_any_other() {
    let app = Application::with("pushes", 250);
    app.world.run(&["doctor", "app"]).ends(0, &["it only tells", "nothing stands behind"]);
    app.world.run(&["run", "--yes"]).ends(0, &[]);
    let (daemon, address) = app.serve();
    app.posts(&address);
    app.becomes(&daemon, ALL, "250");
    assert_eq!(
        app.world.value("crm", "select credit from contacts where email = 'p7@example.com'"),
        "12.5"
    );

    // Of what changes, that alone is told.
    app.sql(
        "update people set name = 'Nora' where id = 7; update people set city = null where id = 8",
    );
    app.posts(&address);
    app.becomes(&daemon, "select name from contacts where email = 'p7@example.com'", "Nora");
    app.becomes(&daemon, "select city from contacts where email = 'p8@example.com'", "null");
    let seven = "select city || ' ' || credit from contacts where email = 'p7@example.com'";
    assert_eq!(app.world.value("crm", seven), "Rome 12.5");

    app.sql("delete from people where id = 9");
    app.posts(&address);
    app.becomes(&daemon, ALL, "249");
    daemon.stop().ends(143, &[]);
    app.world.agrees();
    app.world.run(&["doctor", "app"]).ends(0, &["249 rows were told of"]);
}

#[test]
fn what_was_answered_is_not_lost_and_counts_once_through_kills() {
    let app = Application::with("pushes_killed", 40);
    app.world.run(&["run", "--yes"]).ends(0, &[]);
    let (daemon, address) = app.serve();
    app.posts(&address);
    daemon.kill();
    let (daemon, address) = app.serve();
    app.becomes(&daemon, ALL, "40");
    app.sql("update people set name = 'A' where id = 3; update people set name = 'B' where id = 3");
    app.posts(&address);
    daemon.kill();
    let (daemon, _) = app.serve();
    app.becomes(&daemon, "select name from contacts where email = 'p3@example.com'", "B");
    daemon.stop().ends(143, &[]);
    app.world.agrees();
}

#[test]
fn what_was_told_is_copied_with_the_hub_and_an_old_delivery_brings_nothing_back() {
    let app = Application::with("pushes_copied", 5);
    app.world.run(&["run", "--yes"]).ends(0, &[]);
    let (daemon, address) = app.serve();
    app.posts(&address);
    app.becomes(&daemon, ALL, "5");
    app.sql("update people set name = 'Nora' where id = 3");
    app.posts(&address);
    app.becomes(&daemon, "select name from contacts where email = 'p3@example.com'", "Nora");
    let deliveries = app.world.run(&["hooks", "list", "--json"]).json();
    let first = deliveries["result"].as_array().unwrap().last().unwrap()["id"].to_string();
    eventually(
        "it was dealt with",
        || app.world.run(&["hooks", "replay", &first]).code == 2,
        || daemon.log(),
    );
    app.world.run(&["hooks", "replay", &first]).ends(2, &["usage.settled", "have it sent again"]);
    daemon.stop().ends(143, &[]);
    app.world.run(&["backup", "--to", "copy.db"]).ends(0, &[]);

    // All is lost but the copy.
    let own = |name: &str| std::fs::remove_file(app.world.path(name));
    own("syncline.hub.db").unwrap();
    own("syncline.hub.db.told").unwrap();
    app.world.run(&["restore", "copy.db", "--yes"]).ends(0, &[]);
    assert_eq!(app.world.value("crm", ALL), "5");
    app.world.agrees();

    // What was told since a copy is in no copy: it stays.
    let (daemon, address) = app.serve();
    app.sql("insert into people values (6, 'p6@example.com', 'Six', 'Rome', 1)");
    app.posts(&address);
    app.becomes(&daemon, ALL, "6");
    daemon.stop().ends(143, &[]);
    app.world.run(&["restore", "copy.db", "--yes"]).ends(0, &[]);
    app.world.run(&["run"]).ends(0, &[]);
    assert_eq!(app.world.value("crm", ALL), "6");
    app.world.agrees();
}

#[test]
fn f5_what_is_sent_late_or_twice_or_in_another_order_says_nothing_new() {
    let app = Application::with("pushes_late", 0);
    app.world.edit("item: $.row}", "item: $.row, version: v}");
    app.world.edit("deleted: true}", "version: v, deleted: true}");
    app.world.run(&["run", "--yes"]).ends(0, &[]);
    let (daemon, address) = app.serve();
    let email = |id: usize| format!("p{id}@example.com");
    let tells = |op: &str, row: Json| {
        assert_eq!(
            app.post(&address, &json!({"events": [{"op": op, "row": row}]}).to_string()),
            202
        );
    };
    tells("row.set", json!({"id": 1, "v": 3, "name": "Third"}));
    tells("row.set", json!({"id": 1, "v": 1, "email": email(1), "name": "First", "credit": 5}));
    tells("row.set", json!({"id": 1, "v": 2, "credit": 7}));
    tells("row.gone", json!({"id": 2, "v": 9}));
    tells("row.set", json!({"id": 2, "v": 8, "email": email(2), "name": "Gone"}));
    tells("row.set", json!({"id": 3, "v": 1, "email": email(3), "name": "Last"}));
    app.becomes(&daemon, "select count(*) from contacts where name = 'Last'", "1");
    app.becomes(
        &daemon,
        "select name || ' ' || credit from contacts where email = 'p1@example.com'",
        "Third 7",
    );
    assert_eq!(app.world.value("crm", ALL), "2");
    assert_eq!(app.post(&address, r#"{"events": [{"op": "row.set", "row": {"id": 4}}]}"#), 422);
    daemon.stop().ends(143, &[]);
    app.world.agrees();
}

#[test]
fn many_deletes_that_are_told_wait_for_a_person() {
    let app = Application::with("pushes_deletes", 100);
    app.world.run(&["run", "--yes"]).ends(0, &[]);
    let (daemon, address) = app.serve();
    app.posts(&address);
    app.becomes(&daemon, ALL, "100");
    app.sql("delete from people where id <= 60");
    app.posts(&address);
    let guards = || app.world.run(&["guards", "list"]).said();
    eventually("a guard waits", || guards().contains("mass_delete"), || daemon.log());
    assert_eq!(app.world.value("crm", ALL), "100");
}

#[test]
fn a_row_that_is_gone_counts_only_where_the_file_says_what_that_means() {
    let app = Application::with("pushes_unsaid", 3);
    app.world.edit("          \"row.gone\": {resource: people, item: $.row, deleted: true}\n", "");
    app.world.run(&["run", "--yes"]).ends(0, &[]);
    let (daemon, address) = app.serve();
    app.posts(&address);
    app.becomes(&daemon, ALL, "3");
    app.sql("delete from people where id = 1; update people set name = 'Z' where id = 2");
    app.posts(&address);
    app.becomes(&daemon, "select name from contacts where email = 'p2@example.com'", "Z");
    assert_eq!(app.world.value("crm", ALL), "3");
    daemon.stop().ends(143, &[]);
    app.world.agrees();
}

#[test]
fn what_does_not_tell_of_rows_is_not_taken_and_the_sender_knows() {
    let app = Application::with("pushes_unreadable", 1);
    app.world.run(&["run", "--yes"]).ends(0, &[]);
    let (daemon, address) = app.serve();
    let nameless = json!({"events": [
        {"op": "row.set", "row": {"id": 5, "email": "p5@example.com", "name": "Five"}},
        {"op": "row.set", "row": {"name": "nobody"}}]});
    let deep = "[".repeat(50_000);
    for body in
        [nameless.to_string().as_str(), "\u{fffd}{\"events\":", deep.as_str(), "{\"id\": 1}"]
    {
        assert_eq!(app.post(&address, body), 422, "{}", &body[..10.min(body.len())]);
    }
    daemon.says("hook.unreadable");
    assert!(!daemon.log().contains("nobody"), "{}", daemon.log());
    app.posts(&address);
    app.becomes(&daemon, ALL, "1");
    let listed = app.world.run(&["hooks", "list", "app"]).ends(0, &[]).said();
    assert_eq!(listed.matches("unreadable").count(), 4, "{listed}");
    daemon.stop().ends(143, &[]);
    app.world.agrees();
}

#[test]
fn nothing_can_be_asked_of_it_or_written_to_it() {
    let world = World::with(FILE);
    world.file("hook_secret", SECRET);
    world.run(&["check"]).ends(0, &[]);
    world.edit("    match: email", "    to: [crm, app]\n    match: email");
    world.run(&["check"]).ends(2, &["`to` names app, which only tells"]);
    world.file("syncline.yaml", &FILE.replace("        trust: payload\n", ""));
    world.run(&["check"]).ends(2, &["a system that only tells needs"]);
    world.file("syncline.yaml", &FILE.replace("push:\"", "sqlite:app.db\""));
    world.run(&["check"]).ends(
        2,
        &[
            "config.unsupported",
            "`trust: payload` is for REST systems, and for those that only tell",
        ],
    );
    world.file("syncline.yaml", &FILE.replace("\"push:\"", "\"push:\"\n    password: env:X"));
    world.run(&["check"]).ends(2, &["`password` means nothing for a system that only tells"]);
}

#[test]
fn what_is_sent_and_told_is_sealed_with_the_hub() {
    let app = Application::with("pushes_sealed", 3);
    let held = |text: &str| -> Vec<String> {
        let entries = std::fs::read_dir(app.world.path("")).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        let ours = paths.filter(|path| path.to_string_lossy().contains("syncline.hub"));
        let holds = ours.filter(|path| {
            let bytes = std::fs::read(path).unwrap_or_default();
            bytes.windows(text.len()).any(|seen| seen == text.as_bytes())
        });
        holds.map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
    };
    let (daemon, address) = {
        app.world.run(&["run", "--yes"]).ends(0, &[]);
        app.serve()
    };
    app.posts(&address);
    app.becomes(&daemon, ALL, "3");
    daemon.stop().ends(143, &[]);
    assert!(!held("p2@example.com").is_empty(), "in clear, without a key");

    app.world.file("old", &"5".repeat(64));
    app.world.file("new", &"6".repeat(64));
    app.world.edit("version: 1", "version: 1\nhub: {key: \"file:old\"}");
    // The value itself is kept, if sealed: a hash would be no promise.
    app.world.edit("app: name}", "app: name, sensitive: hash}");
    app.world.run(&["check"]).ends(2, &["config.unsupported", "`sensitive: hash` in app"]);
    app.world.edit("sensitive: hash", "sensitive: encrypt");
    app.world.run(&["run"]).ends(0, &[]);
    let (daemon, address) = app.serve();
    app.sql("update people set name = 'Quetzal' where id = 2");
    app.posts(&address);
    let name = "select name from contacts where email = 'p2@example.com'";
    app.becomes(&daemon, name, "Quetzal");
    for value in ["p2@example.com", "Quetzal", "Name 3"] {
        assert_eq!(held(value), Vec::<String>::new(), "{value}");
    }
    // Another key, while it runs.
    app.world.edit("\"file:old\"", "\"file:new\", previous_key: \"file:old\"");
    app.world.run(&["keys", "rotate"]).ends(0, &["has read the file again"]);
    app.world.edit(", previous_key: \"file:old\"", "");
    daemon.signal("HUP");
    daemon.says("serve.reloaded");
    app.sql("update people set name = 'Quincy' where id = 2");
    app.posts(&address);
    app.becomes(&daemon, name, "Quincy");
    daemon.stop().ends(143, &[]);
    assert_eq!(held("Quincy"), Vec::<String>::new());
    app.world.agrees();
}
