//! A CRM in SQLite and the shop of `examples/shop`, kept the same both ways over HTTP.

use std::sync::Arc;

use rusqlite::Connection;
use syncline_shop::{Shop, Weather};

use crate::{proxy::Proxy, world::World};

/// A CRM, a shop that is open, and the file that keeps them the same.
pub(crate) struct Town {
    pub(crate) world: World,
    pub(crate) shop: Arc<Shop>,
    /// Serves until the test ends.
    pub(crate) runtime: tokio::runtime::Runtime,
    address: std::net::SocketAddr,
}

impl Town {
    /// With so many contacts in the CRM.
    pub(crate) fn with(contacts: usize) -> Self {
        let world = World::empty();
        world.sql(
            "crm",
            &format!(
                "create table contacts(id integer primary key, email text not null unique, first_name text,
                     last_name text, postcode text);
                 with recursive n(i) as (select 1 union all select i + 1 from n where i < {contacts})
                 insert into contacts(email, first_name, last_name, postcode)
                 select 'c' || i || '@example.com', 'Name ' || i, 'Last', '7500' || i
                 from n where {contacts} > 0;"
            ),
        );
        let shop = Shop::open(&world.path("shop.db"), "open-sesame", 100_000).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(shop.clone().serve(listener));
        world.file("token", "open-sesame\n");
        world.file(
            "syncline.yaml",
            &format!(
                r#"version: 1
systems:
  crm: {{url: "sqlite:crm.db"}}
  shop:
    url: http://{address}/api/
    auth: {{bearer: file:token}}
    resources:
      customers:
        path: customers
        items: $.customers
        key: id
        cursor: updated_at
        since: updated_at_min={{cursor}}
        next: link_header
        size: {{limit: 5}}
        absent: null
        version: etag
        create: {{find: "email={{email}}"}}
entities:
  contacts:
    in: {{crm: contacts, shop: customers}}
    match: email
    fields:
      email: {{crm: email, shop: email}}
      first_name: {{crm: first_name, shop: first_name}}
      last_name: {{crm: last_name, shop: last_name}}
      postcode: {{crm: postcode, shop: default_address.zip}}
"#
            ),
        );
        Self { world, shop, runtime, address }
    }

    /// The same, synchronised once.
    pub(crate) fn in_step(contacts: usize) -> Self {
        let town = Self::with(contacts);
        town.world.run(&["run", "--yes"]).ends(0, &[]);
        town
    }

    /// Asks the shop through a proxy from now on.
    pub(crate) fn behind_a_proxy(&self) -> Proxy {
        let proxy = Proxy::before(self.address);
        self.world.edit(&self.address.to_string(), &proxy.address.to_string());
        proxy
    }

    /// Somebody works in the shop's own office.
    pub(crate) fn in_shop(&self, sql: &str) {
        Connection::open(self.world.path("shop.db")).unwrap().execute_batch(sql).unwrap();
    }

    /// A member of the one customer with this address; `null` if there is none.
    pub(crate) fn customer(&self, email: &str, path: &str) -> String {
        let sql = format!(
            "select coalesce((select document ->> '{path}' from items where unique_value = '{email}'), 'null')"
        );
        self.world.value("shop", &sql)
    }

    pub(crate) fn customers(&self) -> String {
        self.world.value("shop", "select count(*) from items")
    }
}

#[test]
fn a_shop_and_a_crm_are_the_same_both_ways() {
    let town = Town::in_step(12);
    assert_eq!(town.customers(), "12");
    assert_eq!(town.customer("c7@example.com", "$.default_address.zip"), "75007");
    // One is renamed here, one moves there, one comes there, and one goes on each side.
    town.world.sql("crm", "update contacts set first_name = 'Nora' where id = 3");
    town.world.sql("crm", "delete from contacts where id = 5");
    town.in_shop(
        "update items set document = json_set(document, '$.default_address.zip', '10115'),
             version = version + 1, updated_at = '2030-01-01T00:00:00.000Z'
             where unique_value = 'c4@example.com';
         delete from items where unique_value = 'c6@example.com';
         insert into items (kind, unique_value, document, updated_at) values ('customers',
             'new@example.com', '{\"email\": \"new@example.com\", \"first_name\": \"Zoe\"}',
             '2030-01-01T00:00:00.000Z');",
    );
    town.world.run(&["refresh", "contacts", "--full"]).ends(0, &[]);
    assert_eq!(town.customer("c3@example.com", "$.first_name"), "Nora");
    assert_eq!(town.customer("c5@example.com", "$.email"), "null");
    let in_crm = |sql: &str| town.world.value("crm", sql);
    assert_eq!(in_crm("select postcode from contacts where id = 4"), "10115");
    assert_eq!(in_crm("select count(*) from contacts where id = 6"), "0");
    assert_eq!(in_crm("select first_name from contacts where email = 'new@example.com'"), "Zoe");
    town.world.agrees();
}

#[test]
fn w1_an_answer_that_was_lost_makes_no_second_customer() {
    let town = Town::with(3);
    town.shop.weather(Weather::LostCreates);
    town.world.run(&["run", "--yes", "--allow-partial"]);
    assert_eq!(town.customers(), "3");
    town.shop.weather(Weather::Fair);
    town.world.run(&["refresh", "contacts", "--full"]).ends(0, &[]);
    assert_eq!(town.customers(), "3");
    town.world.agrees();
}

#[test]
fn a_list_that_is_cut_deletes_nobody() {
    let town = Town::in_step(12);
    for weather in [Weather::CutLists, Weather::Closed, Weather::Out] {
        town.shop.weather(weather);
        let done = town.world.run(&["refresh", "contacts", "--full"]);
        assert_ne!(done.code, 0, "{weather:?}: {}", done.said());
        assert_eq!(town.world.value("crm", "select count(*) from contacts"), "12", "{weather:?}");
    }
    town.shop.weather(Weather::Fair);
    town.world.agrees();
    assert_eq!(town.customers(), "12");
}

#[test]
fn w12_what_the_shop_cuts_is_seen_and_the_crm_keeps_it() {
    let town = Town::in_step(1);
    let long = "Maximiliane Wilhelmine Friederike Charlotte";
    town.world.sql("crm", &format!("update contacts set first_name = '{long}'"));
    let said = town.world.run(&["run"]).said();
    assert_eq!(town.world.value("crm", "select first_name from contacts"), long, "{said}");
    assert_eq!(town.customer("c1@example.com", "$.first_name").chars().count(), 40);
}

#[test]
fn doctor_says_what_is_guaranteed_and_what_is_not() {
    let town = Town::in_step(1);
    let words = ["class C: versioned", "customers: changes", "If-Match", "looked for by"];
    town.world.run(&["doctor", "shop"]).ends(0, &words);
    town.world.edit("        version: etag\n", "");
    let words = ["class E: blind", "lost without trace"];
    let said = town.world.run(&["doctor", "shop"]).ends(0, &words).said();
    assert!(!said.contains("open-sesame"));
    town.world.file("token", "wrong");
    let said = town.world.run(&["doctor", "shop"]).ends(3, &["it answered 401"]).said();
    assert!(!said.contains("wrong"), "{said}");
}

#[test]
fn where_the_newest_wins_the_cursor_says_which_that_is() {
    let town = Town::with(2);
    town.world.edit("crm: contacts,", "crm: {table: contacts, changed_at: edited},");
    town.world.edit("shop: first_name}", "shop: first_name, conflicts: newest}");
    town.world.sql("crm", "alter table contacts add column edited text");
    town.world.run(&["run", "--yes"]).ends(0, &[]);
    for (id, there, newest) in [(1, "2026-01-01", "Shop"), (2, "2026-03-01", "Crm")] {
        town.world.sql(
            "crm",
            &format!("update contacts set first_name = 'Crm', edited = '{there}T10:00:00Z' where id = {id}"),
        );
        town.in_shop(&format!(
            "update items set document = json_set(document, '$.first_name', 'Shop'),
                 version = version + 1, updated_at = '2026-02-01T10:00:00.000Z'
                 where unique_value = 'c{id}@example.com'"
        ));
        town.world.run(&["refresh", "contacts", "--full"]).ends(0, &[]);
        let sql = format!("select first_name from contacts where id = {id}");
        assert_eq!(town.world.value("crm", &sql), newest);
        assert_eq!(town.customer(&format!("c{id}@example.com"), "$.first_name"), newest);
    }
    town.world.edit("        cursor: updated_at\n        since: updated_at_min={cursor}\n", "");
    let said = ["config.newest", "shop: {resource: customers, changed_at: COLUMN}"];
    town.world.run(&["check"]).ends(2, &said);
}

#[test]
fn what_is_wrong_with_a_resource_is_said_with_its_place() {
    let town = Town::with(1);
    for (from, to, words) in [
        (
            "next: link_header",
            "next: {page: p, offset: o}",
            "one of url, cursor, page, offset, after",
        ),
        ("{cursor}", "{curser}", "nothing is known to put in place of {curser}"),
        ("shop: customers", "shop: custommers", "did you mean `customers`?"),
        ("items: $.customers", "items: $customers", "is no path"),
        ("{bearer: file:token}", "{oauth2: {client_id: us}}", "`oauth2` needs `token_url`"),
        (
            "{bearer: file:token}",
            "{oauth2: {client_id: us, client_secret: file:token, token_url: http://login.example/}}",
            "the secret would go in the clear",
        ),
        (
            "{bearer: file:token}",
            "{oauth2: {client_id: us, token_url: https://login.example/}}",
            "a client_secret, a refresh_token, or both",
        ),
        ("version: etag", "retries: 3", "unknown key `retries`"),
        ("url: http://127.0.0.1", "url: http://shop.example", "asked in the clear"),
    ] {
        let file = std::fs::read_to_string(town.world.path("syncline.yaml")).unwrap();
        town.world.edit(from, to);
        town.world.run(&["check"]).ends(2, &[words, "syncline.yaml:"]);
        town.world.file("syncline.yaml", &file);
    }
    town.world.run(&["check"]).ends(0, &[]);
}
