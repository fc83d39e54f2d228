//! Many customers of the shop by one request: what is said of each is its fate, and nobody else's.

use std::sync::atomic::Ordering;

use crate::{
    on_the_way::counted,
    proxy::{Asked, Fault, Proxy},
    shop::Town,
};

/// Requests for ten customers each. What is created has no key before, so its results go by position.
const BULK: &str = "        bulk:
          create: {post: customers/batch, items: $.items, results: $.results, size: 10, status: $.status, item: $.item}
          update: {post: customers/batch, items: $.items, results: $.results, size: 10, status: $.status, item: $.item, by: key}
";

/// A town whose shop is written in bulk, behind a proxy.
fn town(contacts: usize) -> (Town, Proxy) {
    let town = Town::with(contacts);
    let proxy = town.behind_a_proxy();
    town.world.edit("        version: etag\n", BULK);
    (town, proxy)
}

/// The same, synchronised once.
fn in_step(contacts: usize) -> (Town, Proxy) {
    let (town, proxy) = town(contacts);
    town.world.run(&["run", "--yes"]).ends(0, &[]);
    (town, proxy)
}

fn is_bulk(asked: &Asked) -> bool {
    asked.path.ends_with("/batch")
}

fn renamed(town: &Town) {
    town.world.sql("crm", "update contacts set first_name = 'New ' || id");
}

/// How many customers bear their new names.
fn new_names(town: &Town) -> String {
    town.world.value(
        "shop",
        "select count(*) from items where document ->> '$.first_name' = 'New ' ||
             replace(replace(unique_value, '@example.com', ''), 'c', '')",
    )
}

#[test]
fn w11_of_a_bulk_request_one_refused_item_refuses_only_its_record() {
    let (town, proxy) = town(25);
    town.world.sql("crm", "update contacts set email = 'nobody' where id = 12");
    town.world.run(&["run", "--yes"]).ends(4, &["1 set aside"]);
    assert_eq!(town.customers(), "24");
    assert_eq!(proxy.writes(), 3, "ten at once");
    town.world
        .run(&["quarantine", "show", "1"])
        .ends(0, &["write.refused", "it answered 422: email is missing"]);

    // The other way round, too: one that was changed takes an address that cannot be.
    renamed(&town);
    town.world.sql("crm", "update contacts set email = 'c12@example.com' where id = 12");
    town.world.sql("crm", "update contacts set email = 'somebody' where id = 13");
    let before = proxy.writes();
    town.world.run(&["run", "--allow", "updates"]).ends(4, &["1 set aside"]);
    assert_eq!(new_names(&town), "24");
    assert_eq!(town.customer("c12@example.com", "$.first_name"), "New 12");
    assert!(proxy.writes() - before <= 5, "{}", proxy.writes() - before);
    town.world.sql("crm", "update contacts set email = 'c13@example.com' where id = 13");
    town.world.run(&["run"]).ends(0, &[]);
    assert_eq!(new_names(&town), "25");
    town.world.agrees();
}

#[test]
fn w11_results_of_changes_find_their_items_by_key_in_any_order() {
    let (town, proxy) = in_step(20);
    renamed(&town);
    let (met, sky) = counted(Fault::Turned("results"), is_bulk);
    proxy.weather(sky);
    town.world.run(&["run", "--allow", "updates"]).ends(0, &[]);
    assert_eq!((met.load(Ordering::Relaxed), new_names(&town).as_str()), (2, "20"));
    town.world.agrees();
}

#[test]
fn w11_an_item_of_which_nothing_is_said_is_asked_about() {
    // By position one that is missing puts all in doubt, by key only itself: each is looked for.
    let (town, proxy) = town(20);
    let (_, sky) = counted(Fault::Short("results"), is_bulk);
    proxy.weather(sky);
    town.world.run(&["run", "--yes", "--allow-partial"]);
    assert_eq!(town.customers(), "20");
    town.world.run(&["run"]).ends(0, &[]);
    renamed(&town);
    town.world.run(&["run", "--allow", "updates", "--allow-partial"]);
    assert_eq!(new_names(&town), "20");
    proxy.fair();
    town.world.agrees();
    assert_eq!(town.customers(), "20");
}

#[test]
fn w11_whatever_becomes_of_the_answer_of_a_bulk_request_each_item_is_written_once() {
    for fault in [Fault::Lost, Fault::After(502), Fault::Cut, Fault::Twice] {
        let (town, proxy) = town(20);
        let (met, sky) = counted(fault.clone(), is_bulk);
        proxy.weather(sky);
        town.world.run(&["run", "--yes", "--allow-partial"]);
        assert!(met.load(Ordering::Relaxed) > 0);
        proxy.fair();
        town.world.run(&["refresh", "contacts", "--full"]).ends(0, &[]);
        assert_eq!(town.customers(), "20", "{fault:?}");

        renamed(&town);
        let (_, sky) = counted(fault.clone(), is_bulk);
        proxy.weather(sky);
        town.world.run(&["run", "--allow", "updates", "--allow-partial"]);
        proxy.fair();
        town.world.run(&["run", "--allow", "updates"]).ends(0, &[]);
        assert_eq!((new_names(&town).as_str(), town.customers().as_str()), ("20", "20"));
        town.world.agrees();
    }
}

#[test]
fn w11_a_bulk_request_that_is_refused_as_a_whole_is_made_item_by_item() {
    let (town, proxy) = town(12);
    let (_, sky) = counted(Fault::Instead(413), is_bulk);
    proxy.weather(sky);
    town.world.run(&["run", "--yes"]).ends(0, &[]);
    assert_eq!((town.customers().as_str(), proxy.writes()), ("12", 14));
    town.world.agrees();
}

#[test]
fn an_edit_between_is_seen_before_a_bulk_request() {
    let (town, _proxy) = in_step(3);
    town.in_shop(
        "update items set document = json_set(document, '$.first_name', 'Theirs'),
             updated_at = '2020-01-01T00:00:00.000Z' where unique_value = 'c2@example.com'",
    );
    renamed(&town);
    town.world.run(&["run", "--allow", "updates"]).ends(0, &[]);
    // Both moved: the first system wins, and the loser is on record.
    town.world.run(&["conflicts"]).ends(0, &["1 settled by rule"]);
    assert_eq!(new_names(&town), "3");
    town.world.agrees();
}

#[test]
fn what_cannot_be_made_sure_of_in_bulk_is_said() {
    let (town, _proxy) = town(1);
    let file = std::fs::read_to_string(town.world.path("syncline.yaml")).unwrap();
    for (from, to, words) in [
        ("        bulk:", "        version: etag\n        bulk:", "an ETag is about one item"),
        (
            "create: {find: \"email={email}\"}",
            "create: {idempotency: Idempotency-Key}",
            "an idempotency key is about one item",
        ),
        ("size: 10", "size: 0", "size"),
        ("create: {post: customers/batch, ", "create: {", "`bulk.create` needs a path"),
        ("by: key", "by: name", "by"),
        ("          update: {", "          delete: {", "unknown key `delete`"),
        ("        bulk:", "        update: false\n        bulk:", "the resource has no `update`"),
    ] {
        town.world.edit(from, to);
        town.world.run(&["check"]).ends(2, &[words, "syncline.yaml:"]);
        town.world.file("syncline.yaml", &file);
    }
    town.world.run(&["check"]).ends(0, &[]);
}
