//! Orders with their lines: two tables in PostgreSQL, one document in the shop of `examples/shop`, or a
//! resource of their own there.

use std::{sync::Arc, time::Duration};

use rusqlite::Connection;
use syncline_shop::{Shop, Weather};

use crate::{
    hooks::{SECRET, address},
    serve::{Daemon, eventually},
    servers::{Server, postgres},
    world::World,
};

/// The lines are in the order's document.
const HELD: &str = "line_items";
/// They are items of another resource.
const APART: &str = "{resource: order_lines, parent: order_id}";

struct Office {
    world: World,
    server: &'static Server,
    url: String,
    shop: Arc<Shop>,
    runtime: tokio::runtime::Runtime,
}

impl Office {
    /// With three orders of two lines in the ERP, and a shop that has none.
    fn open(name: &str, lines: &str) -> Self {
        let world = World::empty();
        let server = postgres();
        let url = server.database(name);
        server.execute(
            &url,
            "create table sales(no bigint generated always as identity primary key,
                 ref text not null unique, total numeric(20, 2));
             create table sales_line(id bigint generated always as identity primary key,
                 sale bigint not null references sales on delete cascade, item text not null,
                 qty int, price numeric(30, 2), serial bigint, unique (sale, item));
             insert into sales(ref, total) select 'R' || i, i from generate_series(1, 3) i;
             insert into sales_line(sale, item, qty, price, serial)
                 select no, item, 1, 12345678901234567.89, 9007199254740993
                 from sales, unnest(array['bolt', 'nut']) item",
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
  erp: {{url: "{url}", tls: off, detect: {{poll: 1h}}}}
  shop:
    url: http://{address}/api/
    auth: {{bearer: file:token}}
    detect: {{poll: 1h}}
    resources:
      orders:
        path: orders
        items: $.orders
        key: id
        cursor: updated_at
        since: updated_at_min={{cursor}}
        next: link_header
        size: {{limit: 2}}
        version: etag
        create: {{find: "number={{number}}"}}
      order_lines:
        path: order_lines
        items: $.order_lines
        key: id
        next: link_header
        version: etag
entities:
  orders:
    in: {{erp: sales, shop: orders}}
    match: number
    fields:
      number: {{erp: ref, shop: number}}
      total: {{type: decimal, erp: total, shop: total}}
    lines:
      in: {{erp: {{table: sales_line, parent: sale}}, shop: {lines}}}
      key: sku
      fields:
        sku: {{erp: item, shop: sku}}
        qty: {{type: int, erp: qty, shop: quantity}}
        price: {{type: decimal, erp: price, shop: price}}
        serial: {{type: int, erp: serial, shop: serial}}
"#
            ),
        );
        Self { world, server, url, shop, runtime }
    }

    /// The same, synchronised once.
    fn in_step(name: &str, lines: &str) -> Self {
        let office = Self::open(name, lines);
        office.world.run(&["run", "--yes"]).ends(0, &[]);
        office
    }

    fn erp(&self, sql: &str) -> String {
        self.server.execute(&self.url, sql).trim().to_owned()
    }

    /// Somebody changes what an order holds, in the shop's own office.
    fn in_shop(&self, number: &str, change: &str) {
        let sql = format!(
            "update items set document = {change}, version = version + 1,
                 updated_at = strftime('%Y-%m-%dT%H:%M:%fZ') where unique_value = '{number}'"
        );
        let changed =
            Connection::open(self.world.path("shop.db")).unwrap().execute(&sql, []).unwrap();
        assert_eq!(changed, 1, "{number}");
    }

    /// What an order holds in the shop.
    fn shown(&self, number: &str, path: &str) -> String {
        let sql = format!(
            "select coalesce((select document ->> '{path}' from items where unique_value = '{number}'), 'null')"
        );
        self.world.value("shop", &sql)
    }

    /// A member of a line of an order in the shop.
    fn line(&self, number: &str, sku: &str, member: &str) -> String {
        let sql = format!(
            "select coalesce((select value ->> '{member}' from items, json_each(document, '$.line_items')
                 where unique_value = '{number}' and value ->> 'sku' = '{sku}'), 'null')"
        );
        self.world.value("shop", &sql)
    }

    /// The same, changed in the shop's own office.
    fn change_line(&self, number: &str, sku: &str, member: &str, value: &str) {
        self.in_shop(
            number,
            &format!("json_set(document, {} || '.{member}', {value})", place(number, sku)),
        );
    }

    /// The lines of an order in the ERP: `bolt 1, nut 2`.
    fn lines(&self, number: &str) -> String {
        self.erp(&format!(
            "select coalesce(string_agg(item || ' ' || qty, ', ' order by item), 'none')
             from sales_line join sales on no = sale where ref = '{number}'"
        ))
    }
}

/// Where a line is in an order of the shop.
fn place(number: &str, sku: &str) -> String {
    format!(
        "(select fullkey from items as it, json_each(it.document, '$.line_items')
          where it.unique_value = '{number}' and value ->> 'sku' = '{sku}')"
    )
}

#[test]
fn an_order_and_its_lines_are_the_same_both_ways() {
    let office = Office::in_step("lines_held", HELD);
    // No digit is lost on the way.
    let exact = "select count(*) from items where document like '%\"price\":12345678901234567.89%'";
    assert_eq!(office.world.value("shop", exact), "3");
    assert_eq!(office.line("R2", "nut", "serial"), "9007199254740993");
    // Three documents were made, each with its lines.
    assert_eq!(
        office.world.value("shop", "select count(*) || ' ' || sum(version) from items"),
        "3 3"
    );
    office.world.agrees();

    // Each of two people edits another line of one order, and a third edits the order itself.
    office.erp("update sales_line set qty = 5 where sale = 1 and item = 'bolt'");
    office.change_line("R1", "nut", "quantity", "7");
    office.in_shop("R1", "json_set(document, '$.total', 9.5)");
    // A line comes and one goes, on either side.
    office.erp(
        "delete from sales_line where sale = 2 and item = 'nut';
         insert into sales_line(sale, item, qty) values (2, 'gear', 3)",
    );
    office.in_shop(
        "R3",
        &format!(
            "json_set(json_remove(document, {}), '$.line_items[#]',
                 json('{{\"sku\": \"cog\", \"quantity\": 4, \"price\": 0.1}}'))",
            place("R3", "bolt")
        ),
    );
    // What is not ours in a line stays.
    office.change_line("R2", "bolt", "gift", "'yes'");
    office.world.run(&["run"]).ends(0, &[]);
    office.world.run(&["refresh", "orders", "--full"]).ends(0, &[]);
    assert_eq!(office.lines("R1"), "bolt 5, nut 7");
    assert_eq!(office.erp("select total from sales where no = 1"), "9.50");
    assert_eq!(office.line("R1", "bolt", "quantity"), "5");
    assert_eq!(office.lines("R3"), "cog 4, nut 1");
    assert_eq!(office.erp("select price from sales_line where item = 'cog'"), "0.10");
    assert_eq!(office.line("R2", "gear", "quantity"), "3");
    assert_eq!(office.line("R2", "bolt", "gift"), "yes");
    assert_eq!(office.line("R2", "nut", "quantity"), "null");
    office.world.agrees();
}

#[test]
fn a_list_that_is_not_said_says_nothing_and_an_empty_one_is_empty() {
    let office = Office::in_step("lines_unsaid", HELD);
    office.in_shop("R1", "json_remove(document, '$.line_items')");
    office.in_shop("R2", "json_set(document, '$.line_items', json('[]'))");
    office.change_line("R3", "bolt", "sku", "null");
    office.world.run(&["run", "--allow-partial"]).ends(0, &[]);
    assert_eq!(office.lines("R1"), "bolt 1, nut 1");
    assert_eq!(office.lines("R2"), "none");
    // A line that cannot be told apart is set aside; that its former self is gone is another matter.
    assert_eq!(office.lines("R3"), "nut 1");
    office.world.run(&["quarantine", "list"]).ends(0, &["read.null_key"]);

    // What is no list at all sets the order aside, and nothing of it is touched.
    office.in_shop("R3", "json_set(document, '$.line_items', 'three')");
    office.world.run(&["run", "--allow-partial"]).ends(0, &[]);
    assert_eq!(office.lines("R3"), "nut 1");
    office.world.run(&["quarantine", "list"]).ends(0, &["read.json"]);
}

#[test]
fn m17_a_line_that_was_edited_unseen_is_not_overwritten() {
    let office = Office::in_step("lines_unseen", HELD);
    let unseen = |number: &str, sku: &str, quantity: u32| {
        let place = place(number, sku);
        let sql = format!(
            "update items set document = json_set(document, {place} || '.quantity', {quantity}),
                 version = version + 1 where unique_value = '{number}'"
        );
        Connection::open(office.world.path("shop.db")).unwrap().execute(&sql, []).unwrap();
    };
    // Of one order another line, of another the same: the poll shows neither.
    unseen("R1", "nut", 7);
    unseen("R2", "bolt", 9);
    office.erp("update sales_line set qty = 5 where item = 'bolt' and sale in (1, 2)");
    office.world.run(&["run"]);
    assert_eq!(office.line("R1", "bolt", "quantity"), "5");
    assert_eq!(office.line("R1", "nut", "quantity"), "7");
    office.world.run(&["refresh", "orders", "--full"]).ends(0, &[]);
    // The ERP comes first in the file; what lost is kept.
    assert_eq!(office.line("R2", "bolt", "quantity"), "5");
    office.world.run(&["history", "orders/number=R2"]).ends(0, &["9"]);
    assert_eq!(office.lines("R1"), "bolt 5, nut 7");
    office.world.agrees();
}

#[test]
fn lines_of_one_order_that_both_change_at_once_lose_nothing() {
    let office = Office::in_step("lines_race", HELD);
    let (rounds, last) = (6, std::sync::atomic::AtomicU32::new(1));
    let is_over = std::sync::atomic::AtomicBool::new(false);
    let order = std::sync::atomic::Ordering::SeqCst;
    std::thread::scope(|scope| {
        // The shop's own office changes one line of every order all the time: what is written to the other
        // line is written to a document that has changed since it was read, and is refused (412).
        let clerk = scope.spawn(|| {
            while !is_over.load(order) {
                let next = last.fetch_add(1, order) + 1;
                for number in ["R1", "R2", "R3"] {
                    office.change_line(number, "nut", "quantity", &next.to_string());
                }
            }
        });
        for round in 1..=rounds {
            office.erp(&format!("update sales_line set qty = {round}00 where item = 'bolt'"));
            // What could not be written yet stays due.
            office.world.run(&["run", "--allow", "updates"]);
        }
        is_over.store(true, order);
        clerk.join().unwrap();
    });
    let last = last.load(order);
    let (said, is_so) =
        (format!("bolt {rounds}00, nut {last}"), std::cell::Cell::new(String::new()));
    let settled = || {
        let ran = office.world.run(&["run", "--allow", "updates"]);
        is_so.set(format!("{}, {}", ran.said(), office.lines("R1")));
        ["R1", "R2", "R3"].iter().all(|number| {
            let shop = ["bolt", "nut"].map(|sku| office.line(number, sku, "quantity"));
            office.lines(number) == said && shop == [format!("{rounds}00"), last.to_string()]
        })
    };
    eventually("both changes are on both sides", settled, || is_so.take());
    office.world.run(&["conflicts", "list"]).ends(0, &[]);
    office.world.agrees();
}

#[test]
fn w1_an_answer_that_was_lost_makes_no_second_order_and_no_second_line() {
    let office = Office::open("lines_lost", HELD);
    office.shop.weather(Weather::LostCreates);
    office.world.run(&["run", "--yes", "--allow-partial"]);
    office.shop.weather(Weather::Fair);
    office.world.run(&["refresh", "orders", "--full"]).ends(0, &[]);
    office.world.run(&["run"]).ends(0, &[]);
    let of = |sql: &str| office.world.value("shop", sql);
    assert_eq!(of("select count(*) from items"), "3");
    assert_eq!(of("select count(*) from items, json_each(document, '$.line_items')"), "6");
    office.world.agrees();
}

#[test]
fn d16_an_order_goes_with_its_lines() {
    let office = Office::in_step("lines_gone", HELD);
    office.erp("delete from sales where no = 1");
    Connection::open(office.world.path("shop.db"))
        .unwrap()
        .execute("delete from items where unique_value = 'R2'", [])
        .unwrap();
    office.world.run(&["refresh", "orders", "--full"]).ends(0, &[]);
    assert_eq!(office.shown("R1", "$.number"), "null");
    assert_eq!(office.erp("select count(*) from sales"), "1");
    assert_eq!(office.erp("select count(*) from sales_line"), "2");
    office.world.agrees();
}

#[test]
fn an_order_does_not_go_with_a_line_that_nobody_has_decided_about() {
    let office = Office::in_step("lines_unseen_gone", HELD);
    office.world.edit("tls: off, detect: {poll: 1h}", "tls: off, detect: {poll: 1s}");
    office
        .world
        .edit("    detect: {poll: 1h}\n    resources", "    detect: {poll: 1s}\n    resources");
    let daemon = Daemon::start(&office.world.path(""), &["--listen", "127.0.0.1:0"]);
    // What has travelled was read with, or after, the comparison of everything at the start.
    office.erp("update sales_line set qty = 6 where sale = 2 and item = 'bolt'");
    let travelled = || office.line("R2", "bolt", "quantity") == "6";
    eventually("the first comparison is over", travelled, || daemon.log());
    let asked = office.shop.lists();
    eventually("the shop was polled again", || office.shop.lists() > asked + 3, || daemon.log());
    // No poll shows it: its time is one that they have passed.
    let unseen = "update items set version = version + 1, updated_at = '2020-01-01T00:00:00.000Z',
        document = json_set(document, '$.line_items[#]',
        json('{\"sku\": \"cog\", \"quantity\": 4}')) where unique_value = 'R1'";
    Connection::open(office.world.path("shop.db")).unwrap().execute(unseen, []).unwrap();
    office.erp("delete from sales where no in (1, 2)");
    let gone = || office.shown("R2", "$.number") == "null";
    eventually("the other order is gone", gone, || daemon.log());
    std::thread::sleep(Duration::from_secs(3));
    // That its version is known by now is no leave to delete what nobody has seen of it.
    assert_eq!(office.line("R1", "cog", "quantity"), "4", "{}", daemon.log());
}

#[test]
fn a_webhook_about_an_order_is_about_its_lines() {
    let office = Office::in_step("lines_heard", HELD);
    office.world.file("hook_secret", SECRET);
    office.world.edit(
        "    detect: {poll: 1h}\n    resources",
        "    detect: {webhook: {style: standard, secrets: [file:hook_secret]}, fallback: {poll: 1h}}\n    \
         resources",
    );
    let asked = office.shop.lists();
    let daemon = Daemon::start(&office.world.path(""), &["--listen", "127.0.0.1:0"]);
    let address = address(&daemon);
    daemon.says("shop is listened to");
    // What everything is compared with at the start is not counted.
    eventually("the shop was asked", || office.shop.lists() > asked, || daemon.log());
    let rests = || {
        let lists = office.shop.lists();
        std::thread::sleep(Duration::from_millis(500));
        office.shop.lists() == lists
    };
    eventually("nobody looks at everything any more", rests, || daemon.log());
    let url = format!("http://{address}/hooks/shop");
    office.runtime.spawn(office.shop.clone().tell(url, SECRET.into()));
    let reads = office.shop.reads();
    office.in_shop(
        "R1",
        &format!(
            "json_remove(json_set(document, {} || '.quantity', 8), {})",
            place("R1", "nut"),
            place("R1", "bolt")
        ),
    );
    eventually(
        "the line is changed, and the other is gone",
        || office.lines("R1") == "nut 8",
        || format!("{}\n{}", office.lines("R1"), daemon.log()),
    );
    // One for the order with all of its lines, and one to be sure that a line is gone; both once more when
    // nothing more is told.
    let asked = office.shop.reads() - reads;
    assert!(asked <= 4, "{asked}: {}", daemon.log());
}

#[test]
fn lines_may_be_items_of_their_own() {
    let office = Office::in_step("lines_apart", APART);
    let of = |sql: &str| office.world.value("shop", sql);
    assert_eq!(of("select count(*) from items where kind = 'order_lines'"), "6");
    assert_eq!(of("select count(*) from items where document ->> 'line_items' is not null"), "0");
    office.world.agrees();
    office.erp(
        "update sales_line set qty = 5 where sale = 1 and item = 'bolt';
         insert into sales(ref, total) values ('R4', 4);
         insert into sales_line(sale, item, qty) select no, 'gear', 3 from sales where ref = 'R4'",
    );
    Connection::open(office.world.path("shop.db"))
        .unwrap()
        .execute_batch(
            "update items set document = json_set(document, '$.quantity', 9), version = version + 1
                 where kind = 'order_lines' and document ->> 'sku' = 'nut' and document ->> 'order_id' =
                 (select id from items where unique_value = 'R2')",
        )
        .unwrap();
    office.world.run(&["refresh", "orders", "--full"]).ends(0, &[]);
    assert_eq!(office.lines("R2"), "bolt 1, nut 9");
    let quantity = "select group_concat(document ->> 'quantity' order by document ->> 'sku') from items where kind = 'order_lines'
        and document ->> 'order_id' = (select id from items where unique_value = 'R";
    assert_eq!(of(&format!("{quantity}1')")), "5,1");
    assert_eq!(of(&format!("{quantity}4')")), "3");
    office.erp("delete from sales where ref = 'R3'");
    office.world.run(&["refresh", "orders", "--full"]).ends(0, &[]);
    assert_eq!(of("select count(*) from items where kind = 'order_lines'"), "5");
    office.world.agrees();
}

#[test]
fn what_is_wrong_with_lines_is_said_with_its_place() {
    let office = Office::open("lines_wrong", HELD);
    for (from, to, words) in [
        ("shop: line_items}", "shop: \"$\"}", "the list is inside the item"),
        ("shop: \"$\"}", "shop: {resource: order_lines}}", "need `parent`"),
        ("shop: {resource: order_lines}}", "shop: line_items}", ""),
        ("sku: {erp: item, shop: sku}", "sku: {erp: item}", "`sku` tells lines apart"),
    ] {
        office.world.edit(from, to);
        if !words.is_empty() {
            office.world.run(&["check"]).ends(2, &[words, "syncline.yaml:"]);
        }
    }
}
