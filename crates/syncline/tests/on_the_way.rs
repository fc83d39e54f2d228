//! A shop behind a proxy: whatever goes wrong on the way, nothing is lost, made twice, or taken for
//! something that the shop has said.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rusqlite::Connection;
use syncline_shop::Weather;

use crate::{
    hooks::{NAME_OF_2, becomes, calling, calls, rename, serve},
    proxy::{Asked, Fault},
    serve::eventually,
    shop::Town,
};

/// Counts how often a fault was met.
pub(crate) fn counted(
    fault: Fault,
    is_met: impl Fn(&Asked) -> bool + Send + 'static,
) -> (Arc<AtomicUsize>, impl FnMut(&Asked) -> Fault + Send + 'static) {
    let count = Arc::new(AtomicUsize::new(0));
    let own = count.clone();
    let sky = move |asked: &Asked| {
        if is_met(asked) {
            own.fetch_add(1, Ordering::Relaxed);
            fault.clone()
        } else {
            Fault::None
        }
    };
    (count, sky)
}

#[test]
fn a_read_that_was_not_answered_is_made_later_and_sets_nothing_aside() {
    for fault in [Fault::Instead(502), Fault::Cut] {
        let town = Town::with(3);
        let proxy = town.behind_a_proxy();
        let town = calling(town);
        let (daemon, address) = serve(&town);
        // Lists are served, and so is everybody but the second customer.
        let is_met = |asked: &Asked| asked.is_one() && asked.path.ends_with("/2");
        let (met, sky) = counted(fault.clone(), is_met);
        proxy.weather(sky);
        calls(&town, &address);
        rename(&town, "c2@example.com", "Nora");
        rename(&town, "c3@example.com", "Zoe");
        becomes(&town, &daemon, "select first_name from contacts where id = 3", "Zoe");
        // A read is tried four times, and then again.
        eventually("it was asked again", || met.load(Ordering::Relaxed) > 4, || daemon.log());
        town.world.run(&["quarantine"]).ends(0, &["nothing"]);

        proxy.fair();
        becomes(&town, &daemon, NAME_OF_2, "Nora");
        assert_eq!(town.world.value("crm", "select count(*) from contacts"), "3", "{fault:?}");
        daemon.stop().ends(143, &[]);
        town.world.agrees();
    }
}

#[test]
fn what_was_told_while_nobody_answers_waits_until_somebody_does() {
    let town = Town::with(3);
    let proxy = town.behind_a_proxy();
    let town = calling(town);
    let (daemon, address) = serve(&town);
    let (met, sky) = counted(Fault::Instead(503), |_| true);
    proxy.weather(sky);
    calls(&town, &address);
    rename(&town, "c2@example.com", "Nora");
    eventually("it was asked for", || met.load(Ordering::Relaxed) > 4, || daemon.log());
    town.world.run(&["quarantine"]).ends(0, &["nothing"]);

    proxy.fair();
    becomes(&town, &daemon, NAME_OF_2, "Nora");
    daemon.stop().ends(143, &[]);
    town.world.agrees();
}

/// How a create is made safe, as the file says it.
const CREATES: [&str; 3] = [
    "create: {find: \"email={email}\"}",
    "create: {idempotency: Idempotency-Key}",
    "create: {external_id: ref, find: \"email={email}\"}",
];

#[test]
fn w1_whatever_becomes_of_the_answer_of_a_create_there_is_one() {
    let late = Fault::Late(Duration::from_secs(2));
    for create in CREATES {
        for fault in [Fault::Lost, Fault::After(502), Fault::Cut, Fault::Twice, late.clone()] {
            let town = Town::with(4);
            let proxy = town.behind_a_proxy();
            town.world.edit(CREATES[0], create);
            town.world.edit("    resources:", "    statement_timeout: 1s\n    resources:");
            let (met, sky) = counted(fault.clone(), Asked::writes);
            proxy.weather(sky);
            town.world.run(&["run", "--yes", "--allow-partial"]);
            assert!(met.load(Ordering::Relaxed) >= 4, "{create} {fault:?}");

            proxy.fair();
            town.world.run(&["refresh", "contacts", "--full"]).ends(0, &[]);
            assert_eq!(town.customers(), "4", "{create} {fault:?}");
            town.world.agrees();
        }
    }
}

#[test]
fn w1_whatever_becomes_of_the_answer_of_a_change_or_a_delete_it_is_made_once() {
    for version in ["        version: etag\n", ""] {
        for fault in [Fault::Lost, Fault::Closed, Fault::After(504), Fault::Cut, Fault::Twice] {
            let town = Town::with(4);
            let proxy = town.behind_a_proxy();
            town.world.edit("        version: etag\n", version);
            town.world.run(&["run", "--yes"]).ends(0, &[]);
            let (_, sky) = counted(fault.clone(), Asked::writes);
            proxy.weather(sky);
            town.world.sql("crm", "update contacts set first_name = 'Nora' where id = 2");
            town.world.sql("crm", "delete from contacts where id = 3");
            town.world.run(&["run", "--yes", "--allow-partial"]);

            proxy.fair();
            town.world.run(&["run", "--yes"]).ends(0, &[]);
            assert_eq!(town.customer("c2@example.com", "$.first_name"), "Nora", "{fault:?}");
            assert_eq!(town.customers(), "3", "{fault:?}");
            town.world.agrees();
            assert_eq!(town.world.value("crm", "select count(*) from contacts"), "3", "{fault:?}");
        }
    }
}

#[test]
fn w1_a_change_in_doubt_whose_item_is_not_answered_stays_in_doubt_and_is_said() {
    let town = Town::with(3);
    let proxy = town.behind_a_proxy();
    town.world.run(&["run", "--yes"]).ends(0, &[]);
    // The answer of the change is lost, and of this customer nobody says anything any more.
    proxy.weather(|asked| match (asked.writes(), asked.is_one()) {
        (true, _) => Fault::Lost,
        (false, true) => Fault::Instead(502),
        (false, false) => Fault::None,
    });
    town.world.sql("crm", "update contacts set first_name = 'Nora' where id = 2");
    let said = ["shop", "connect.unreachable", "not answered"];
    town.world.run(&["run"]).ends(3, &said);
    let before = proxy.writes();
    town.world.run(&["run"]).ends(3, &said);
    assert_eq!(proxy.writes(), before, "it is not written again before it is known");
    town.world.run(&["quarantine"]).ends(0, &["nothing"]);

    proxy.fair();
    town.world.run(&["run"]).ends(0, &[]);
    assert_eq!(town.customer("c2@example.com", "$.first_name"), "Nora");
    town.world.agrees();
}

#[test]
fn w4_one_refused_customer_holds_back_nobody_else_and_is_written_once_it_can_be() {
    let town = Town::with(200);
    let proxy = town.behind_a_proxy();
    town.world.sql("crm", "update contacts set email = 'nobody' where id = 100");
    town.world.run(&["run", "--yes"]).ends(4, &["1 set aside"]);
    assert_eq!(town.customers(), "199");
    town.world
        .run(&["quarantine", "show", "1"])
        .ends(0, &["write.refused", "it answered 422: email is missing"]);
    // It waits, and is sent again only when it has changed: with all that was edited meanwhile.
    let before = proxy.writes();
    town.world.sql("crm", "update contacts set first_name = 'Nora' where id = 99");
    town.world.run(&["run"]);
    assert_eq!(proxy.writes(), before + 1);
    town.world.sql("crm", "update contacts set last_name = 'Later' where id = 100");
    town.world.run(&["run"]);
    town.world.run(&["quarantine"]).ends(0, &["write.refused"]);
    town.world.sql(
        "crm",
        "update contacts set email = 'c100@example.com', first_name = 'Zoe' where id = 100",
    );
    town.world.run(&["run"]).ends(0, &[]);
    let both = ["$.first_name", "$.last_name"].map(|path| town.customer("c100@example.com", path));
    assert_eq!(both, ["Zoe", "Later"]);
    town.world.agrees();
}

#[test]
fn p8_a_whole_item_is_sent_and_what_is_not_ours_in_it_stays() {
    let town = Town::with(2);
    let proxy = town.behind_a_proxy();
    town.world.edit("        version: etag\n", "        version: etag\n        update: put\n");
    town.world.run(&["run", "--yes"]).ends(0, &[]);
    town.in_shop(
        "update items set document = json_set(document, '$.x', 7, '$.default_address.city', 'Rome'),
             version = version + 1 where unique_value = 'c2@example.com'",
    );
    town.world.sql("crm", "update contacts set postcode = '10115' where id = 2");
    town.world.run(&["run"]).ends(0, &[]);
    let put = proxy.seen().iter().rev().find(|asked| asked.writes()).cloned().unwrap();
    assert_eq!(put.method, "PUT");
    let holds = |path: &str| town.customer("c2@example.com", path);
    let all = ["$.x", "$.default_address.city", "$.default_address.zip"].map(holds);
    assert_eq!(all, ["7", "Rome", "10115"], "{}", put.body);
    town.world.agrees();
}

#[test]
fn w14_what_a_shop_takes_back_later_is_its_edit_and_nobody_plays_ping_pong() {
    let town = Town::with(2);
    let proxy = town.behind_a_proxy();
    town.world.run(&["run", "--yes"]).ends(0, &[]);
    let before = proxy.writes();
    town.shop.weather(Weather::TakesBack);
    town.world.sql("crm", "update contacts set first_name = 'Nora' where id = 2");
    town.world.run(&["run"]).ends(0, &[]);
    let name = || town.customer("c2@example.com", "$.first_name");
    eventually("it is taken back", || name() == "Name 2", String::new);

    // Nothing says that the CRM owns the name: what the shop did last holds for both.
    town.world.run(&["run"]).ends(0, &[]);
    assert_eq!(town.world.value("crm", NAME_OF_2), "Name 2");
    assert_eq!(proxy.writes(), before + 1, "it is not written again");
    town.world.agrees();
}

#[test]
fn w14_a_shop_that_takes_back_what_the_crm_owns_is_let_alone_after_a_while() {
    let town = Town::with(2);
    let proxy = town.behind_a_proxy();
    town.world.edit("shop: first_name}", "shop: first_name, from: crm}");
    town.world.run(&["run", "--yes"]).ends(0, &[]);
    let before = proxy.writes();
    town.shop.weather(Weather::TakesBack);
    town.world.sql("crm", "update contacts set first_name = 'Nora' where id = 2");
    for _ in 0..12 {
        town.world.run(&["run"]);
        let name = || town.customer("c2@example.com", "$.first_name");
        eventually("it is taken back", || name() == "Name 2", String::new);
    }
    assert_eq!(town.world.value("crm", NAME_OF_2), "Nora");
    let writes = proxy.writes() - before;
    assert!((2..8).contains(&writes), "{writes} writes");
    // And the other customer is written as ever.
    town.shop.weather(Weather::Fair);
    town.world.sql("crm", "update contacts set first_name = 'Zoe' where id = 1");
    town.world.run(&["run"]);
    assert_eq!(town.customer("c1@example.com", "$.first_name"), "Zoe");
}

/// A town whose shop has no versions, where somebody in the shop's office does this the moment that
/// such a request comes by.
fn meanwhile(sql: &'static str, when: impl Fn(&Asked) -> bool + Send + 'static) -> Town {
    let town = Town::with(2);
    let proxy = town.behind_a_proxy();
    town.world.edit("        version: etag\n", "");
    town.world.run(&["run", "--yes"]).ends(0, &[]);
    let shop = town.world.path("shop.db");
    let mut is_done = false;
    proxy.weather(move |asked| {
        if when(asked) && !is_done {
            is_done = true;
            Connection::open(&shop).unwrap().execute_batch(sql).unwrap();
        }
        Fault::None
    });
    town.world.sql("crm", "update contacts set first_name = 'Nora' where id = 2");
    town.world.run(&["run"]).ends(0, &[]);
    town
}

const RENAMED: &str = "update items set document = json_set(document, '$.first_name', 'Theirs'),
    version = version + 1, updated_at = '2030-01-01T00:00:00.000Z'
    where unique_value = 'c2@example.com'";
const MOVED: &str =
    "update items set document = json_set(document, '$.default_address.zip', '10115'),
    version = version + 1, updated_at = '2030-01-01T00:00:00.000Z'
    where unique_value = 'c2@example.com'";

#[test]
fn m18_without_versions_an_edit_before_our_read_is_decided_about() {
    let town = meanwhile(RENAMED, Asked::is_one);
    // It is read before it is written, and found changed: a conflict, which the first system wins.
    town.world.run(&["conflicts"]).ends(0, &["1 settled by rule"]);
    assert_eq!(town.customer("c2@example.com", "$.first_name"), "Nora");
    town.world.agrees();
}

#[test]
fn m18_without_versions_an_edit_of_another_field_before_our_write_is_kept() {
    let town = meanwhile(MOVED, Asked::writes);
    let holds = |path: &str| town.customer("c2@example.com", path);
    assert_eq!(["$.first_name", "$.default_address.zip"].map(holds), ["Nora", "10115"]);
    town.world.run(&["run"]).ends(0, &[]);
    let postcode = town.world.value("crm", "select postcode from contacts where id = 2");
    assert_eq!(postcode, "10115", "what is answered to the write is looked at");
    town.world.agrees();
}

#[test]
fn m18_what_is_not_guaranteed_without_versions_is_said_with_how_long_it_lasts() {
    let town = meanwhile(RENAMED, Asked::writes);
    // The one edit that nothing can see: of the same field, between the read and the write.
    assert_eq!(town.customer("c2@example.com", "$.first_name"), "Nora");
    let said = ["class E: blind", "between the two", "is lost without trace", " ms"];
    town.world.run(&["doctor", "shop"]).ends(0, &said);
    town.world.agrees();
}

#[test]
fn a_list_that_comes_short_deletes_nobody() {
    let town = Town::with(12);
    let proxy = town.behind_a_proxy();
    town.world.run(&["run", "--yes"]).ends(0, &[]);
    // What the proxy hides is asked for by its key, and is there.
    let lists = |asked: &Asked| !asked.writes() && !asked.is_one();
    for fault in [Fault::Short("customers"), Fault::Cut, Fault::Lost] {
        let (met, sky) = counted(fault.clone(), lists);
        proxy.weather(sky);
        town.world.run(&["refresh", "contacts", "--full"]);
        assert!(met.load(Ordering::Relaxed) > 0);
        assert_eq!(town.world.value("crm", "select count(*) from contacts"), "12", "{fault:?}");
    }
    proxy.fair();
    town.world.agrees();
    assert_eq!(town.customers(), "12");
}
