//! What REST systems say that they should not: nonsense, too much, nothing at all, or that they do not know
//! us any more. It is named with its place, nobody is deleted for it, nobody else waits for it, and neither
//! secrets nor values are in what is said.

use std::sync::Arc;

use syncline_shop::Shop;

use crate::{
    on_the_way::counted,
    proxy::{Asked, Fault},
    serve::eventually,
    shop::Town,
};

fn is_list(asked: &Asked) -> bool {
    !asked.writes() && !asked.is_one()
}

fn says(body: impl Into<Vec<u8>>) -> Fault {
    Fault::Says(Arc::new(body.into()))
}

/// A town with an ERP besides, in step.
fn town() -> (Town, crate::proxy::Proxy) {
    let town = Town::with(12);
    let proxy = town.behind_a_proxy();
    town.world
        .sql("erp", "create table people(id integer primary key, email text, first_name text)");
    town.world.edit("  shop:\n", "  erp: {url: \"sqlite:erp.db\"}\n  shop:\n");
    town.world.edit("crm: contacts, shop", "crm: contacts, erp: people, shop");
    town.world.edit("crm: email, shop", "crm: email, erp: email, shop");
    town.world.edit("crm: first_name, shop", "crm: first_name, erp: first_name, shop");
    town.world.run(&["run", "--yes"]).ends(0, &[]);
    (town, proxy)
}

#[test]
fn a_list_that_is_nonsense_is_named_and_nobody_is_deleted_or_waits() {
    let deep = format!("{{\"customers\": {}", "[".repeat(200_000));
    let huge = vec![b' '; (32 << 20) + 1];
    let repeated = "{\"customers\": [{\"id\": 1, \"email\": \"c1@example.com\"}, {\"id\": 1}]}";
    for (fault, words) in [
        (says(deep), vec!["could not list customers of \"shop\"", "not JSON"]),
        (says(huge), vec!["could not list customers of \"shop\"", "longer than"]),
        (says("{\"error\": \"busy\"}"), vec!["there is no list at `customers`"]),
        (says("{\"customers\": {\"id\": 1}}"), vec!["there is no list at `customers`"]),
        (says("{\"customers\": [1, null, []]}"), vec![]),
        (says(repeated), vec![]),
        (says("{\"customers\": []}"), vec!["guard.empty_source"]),
        (says("\u{feff}"), vec!["there is no list at `customers`"]),
        (says("<html>busy</html>"), vec!["an HTML page instead of JSON"]),
    ] {
        let (town, proxy) = town();
        let (_, sky) = counted(fault, is_list);
        proxy.weather(sky);
        town.world.sql("crm", "update contacts set first_name = 'Nora' where id = 2");
        let done = town.world.run(&["refresh", "contacts", "--full"]);
        assert_ne!(done.code, 0, "{words:?}: {}", done.said());
        for word in &words {
            assert!(done.said().contains(word), "no {word:?} in\n{}", done.said());
        }
        for secret in ["open-sesame", "c1@example.com"] {
            assert!(!done.said().contains(secret), "{}", done.said());
        }
        let count = |system: &str, table: &str| {
            town.world.value(system, &format!("select count(*) from {table}"))
        };
        assert_eq!((count("crm", "contacts").as_str(), town.customers().as_str()), ("12", "12"));
        let erp = "select first_name from people where email = 'c2@example.com'";
        if !words.contains(&"guard.empty_source") {
            assert_eq!(town.world.value("erp", erp), "Nora", "the ERP does not wait: {words:?}");
        }
        proxy.fair();
        town.world.run(&["refresh", "contacts", "--full"]);
        town.world.agrees();
        assert_eq!((count("crm", "contacts").as_str(), town.customers().as_str()), ("12", "12"));
    }
}

#[test]
fn a_token_that_was_rotated_is_looked_up_again_while_the_daemon_runs() {
    let town = Town::with(3);
    let proxy = town.behind_a_proxy();
    town.world.edit("    resources:", "    detect: {poll: 300ms}\n    resources:");
    town.world.run(&["run", "--yes"]).ends(0, &[]);
    let daemon = crate::serve::Daemon::start(&town.world.path(""), &[]);
    // At noon the shop knows another token.
    let other = Shop::open(&town.world.path("shop.db"), "sesame-of-noon", 100_000).unwrap();
    let listener = town.runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    proxy.leads_to(listener.local_addr().unwrap());
    town.runtime.spawn(other.clone().serve(listener));
    town.world.sql("crm", "update contacts set first_name = 'Nora' where id = 2");
    eventually("the old one is refused", || other.refused() > 0, || daemon.log());
    town.world.file("token", "sesame-of-noon\n");
    let name = || town.customer("c2@example.com", "$.first_name");
    eventually("the new one is taken", || name() == "Nora", || daemon.log());
    let log = daemon.log();
    assert!(!log.contains("sesame"), "{log}");
    daemon.stop().ends(143, &[]);
    town.world.agrees();
}
