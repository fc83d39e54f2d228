//! A shop whose payloads count: what is newer than what is known is taken as it was sent, and nothing else is.

use serde_json::json;

use super::{NAME_OF_2, becomes, calling, deliveries, rename, send, serve, signed};
use crate::{
    serve::{Daemon, eventually},
    shop::Town,
};

const TRUST: &str =
    "trust: payload, topics: {\"customer.*\": {resource: customers, version: updated_at}}";

fn town() -> Town {
    let town = calling(Town::with(3));
    town.world
        .edit("secrets: [file:hook_secret]", &format!("secrets: [file:hook_secret], {TRUST}"));
    town
}

/// It is listened to, and what it shows was read since: times, as this process knows from then on.
fn listening(town: &Town) -> (Daemon, String) {
    let (daemon, address) = serve(town);
    rename(town, "c2@example.com", "Mia");
    tell_item(&address, "e-first", &json!({"id": 2}));
    becomes(town, &daemon, NAME_OF_2, "Mia");
    (daemon, address)
}

/// What the shop tells of its second customer: called so, since then.
fn tell(address: &str, event: &str, name: &str, at: &str) {
    let item = json!({"id": 2, "updated_at": at, "email": "c2@example.com", "first_name": name,
        "last_name": "Last", "default_address": {"zip": "75002"}});
    tell_item(address, event, &item);
}

fn tell_item(address: &str, event: &str, item: &serde_json::Value) {
    let body = json!({"type": "customer.updated", "data": item}).to_string();
    let headers = signed(event, 0, body.as_bytes());
    assert_eq!(send(address, "/hooks/shop", &headers, body.as_bytes()), 202);
}

fn updated_at(town: &Town) -> String {
    town.world.value("shop", "select updated_at from items where unique_value = 'c2@example.com'")
}

/// All that was sent is dealt with.
fn is_quiet(town: &Town, daemon: &Daemon, count: usize) {
    let open = || deliveries(town).iter().filter(|it| it["waits"] == true).count();
    eventually(
        "what was sent is dealt with",
        || deliveries(town).len() == count && open() == 0,
        || daemon.log(),
    );
}

#[test]
fn a_payload_that_is_newer_is_taken_as_it_was_sent_and_an_older_one_changes_nothing() {
    let town = town();
    let (daemon, address) = listening(&town);
    let gets = town.shop.reads();

    // In the shop itself nobody is called so: nobody has asked it.
    tell(&address, "e-1", "Nora", "2199-01-01T10:00:00.500Z");
    becomes(&town, &daemon, NAME_OF_2, "Nora");
    // What was sent before that comes after it, and what is sent again comes twice.
    tell(&address, "e-0", "Mona", "2199-01-01T09:59:59.000Z");
    tell(&address, "e-1b", "Nora", "2199-01-01T10:00:00.500Z");
    tell(&address, "e-2", "Nina", "2199-01-01T12:00:00+01:00");
    becomes(&town, &daemon, NAME_OF_2, "Nina");
    is_quiet(&town, &daemon, 5);

    assert_eq!(town.world.value("crm", NAME_OF_2), "Nina");
    assert_eq!(town.shop.reads(), gets, "no item was asked for");
    daemon.stop().ends(143, &[]);
}

#[test]
fn what_shows_a_part_no_time_or_the_same_time_is_read_from_the_shop() {
    let town = town();
    let (daemon, address) = listening(&town);
    rename(&town, "c2@example.com", "Olga");
    let at = updated_at(&town);
    tell(&address, "e-1", "Olga", &at);
    becomes(&town, &daemon, NAME_OF_2, "Olga");

    let gets = town.shop.reads();
    // A clock that stands: within that time the item was changed once more, or before.
    tell(&address, "e-2", "Vera", &at);
    // What changed of it alone.
    tell_item(
        &address,
        "e-3",
        &json!({"id": 2, "updated_at": "2199-01-01T10:00:00Z", "first_name": "Paula"}),
    );
    is_quiet(&town, &daemon, 4);
    eventually("the item was asked for", || town.shop.reads() > gets, || daemon.log());
    assert_eq!(town.world.value("crm", NAME_OF_2), "Olga");
    daemon.stop().ends(143, &[]);
    town.world.agrees();
}

#[test]
fn a_payload_that_was_sent_before_our_write_is_older_than_its_answer() {
    let town = town();
    let (daemon, address) = listening(&town);
    let before = updated_at(&town);
    town.world.sql("crm", "update contacts set first_name = 'Rosa' where id = 2");
    let in_shop = || town.customer("c2@example.com", "$.first_name");
    eventually("the shop has it", || in_shop() == "Rosa", || daemon.log());
    tell(&address, "e-1", "Late", &before);
    is_quiet(&town, &daemon, 2);
    assert_eq!((town.world.value("crm", NAME_OF_2), in_shop()), ("Rosa".into(), "Rosa".into()));
    daemon.stop().ends(143, &[]);
    town.world.agrees();
}

#[test]
fn payloads_count_only_where_one_can_tell_the_newer_one() {
    let town = town();
    town.world.run(&["check"]).ends(0, &[]);
    town.world.edit(TRUST, "trust: payload");
    let said =
        ["nothing says which of two states of `customers` is the newer one", "version: updated_at"];
    town.world.run(&["check"]).ends(2, &said);
    town.world.edit("version: etag", "version: {field: version}");
    town.world.run(&["check"]).ends(0, &[]);
    town.world.edit(
        "trust: payload",
        "trust: payload, topics: {x: {resource: customers, deleted: true}}",
    );
    town.world.run(&["check"]).ends(2, &["whether an item is gone, this one is asked"]);
}

#[test]
fn who_is_forgotten_is_found_in_nothing_that_was_sent_either() {
    let town = town();
    town.world.file("key", &"5".repeat(64));
    let file = std::fs::read_to_string(town.world.path("syncline.yaml")).unwrap();
    town.world.file("syncline.yaml", &format!("{file}hub: {{key: \"file:key\"}}\n"));
    let (daemon, address) = listening(&town);
    let of_one = json!({"id": 1, "updated_at": "2020-01-01T00:00:00Z", "email": "c1@example.com"});
    tell_item(&address, "e-1", &of_one);
    tell(&address, "e-2", "Zenobia", &updated_at(&town));
    is_quiet(&town, &daemon, 3);
    town.world.sql("crm", "delete from contacts where email = 'c2@example.com'");
    let gone = || {
        let sql = "select count(*) from items where unique_value = 'c2@example.com'";
        town.world.value("shop", sql) == "0"
    };
    eventually("it is gone everywhere", gone, || daemon.log());
    daemon.stop();
    town.world.run(&["run"]).ends(0, &[]);
    let bodies = sealed_bodies(&town);
    assert_eq!(bodies.len(), 3);
    assert!(bodies.iter().all(|(_, body)| holds(&town, body)));

    let said = town.world.run(&["forget", "contacts/shop:2"]).ends(5, &["run.unapproved"]).said();
    let name = said.split_whitespace().find(|word| word.starts_with("contacts/0")).unwrap();
    let name = name.trim_end_matches(',');
    town.world.run(&["forget", name, "--yes"]).ends(0, &["is erased", "2 bodies of calls"]);

    let left = sealed_bodies(&town);
    assert_eq!(left.len(), 1, "what names another stays");
    for (number, body) in bodies {
        assert_eq!(holds(&town, &body), left.iter().any(|(kept, _)| *kept == number));
    }
    let calls = deliveries(&town);
    assert_eq!(calls.len(), 3, "that they were made stays: {calls:?}");
    town.world.run(&["hooks", "replay", &left[0].0.to_string()]).ends(0, &[]);
}

/// The bodies that are kept, as they are kept: by number.
fn sealed_bodies(town: &Town) -> Vec<(i64, Vec<u8>)> {
    let inbox = rusqlite::Connection::open(town.world.path("syncline.hub.db.hooks")).unwrap();
    let sql = "select seq, body from delivery where body is not null order by seq";
    let mut rows = inbox.prepare(sql).unwrap();
    let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

/// Whether the hub, or what lies beside it, holds these bytes.
fn holds(town: &Town, bytes: &[u8]) -> bool {
    std::fs::read_dir(town.world.path("")).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        let is_ours = path.file_name().unwrap().to_string_lossy().starts_with("syncline.hub");
        let held = if is_ours { std::fs::read(path).unwrap() } else { Vec::new() };
        held.windows(bytes.len()).any(|seen| seen == bytes)
    })
}
