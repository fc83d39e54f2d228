//! A hub that a program of any earlier version wrote is opened, keeps what it holds, and works.
//! `hubs/` has one of each version of the tables, with what its systems held then.

use crate::world::{CONTACTS, World};

#[test]
fn a_hub_that_any_earlier_version_wrote_keeps_its_data_and_works() {
    const HUBS: [&str; 8] = [
        include_str!("hubs/hub-1.sql"),
        include_str!("hubs/hub-2.sql"),
        include_str!("hubs/hub-3.sql"),
        include_str!("hubs/hub-4.sql"),
        include_str!("hubs/hub-5.sql"),
        include_str!("hubs/hub-6.sql"),
        include_str!("hubs/hub-7.sql"),
        include_str!("hubs/hub-8.sql"),
    ];
    for (hub, version) in HUBS.into_iter().zip(1..) {
        let world = World::with(CONTACTS);
        world.sql("crm", include_str!("hubs/crm.sql"));
        world.sql("erp", include_str!("hubs/erp.sql"));
        world.sql("syncline.hub", hub);
        let found = || world.value("syncline.hub", "select user_version from pragma_user_version");
        assert_eq!(found(), version.to_string());

        world.run(&["status"]).ends(0, &["1 conflict, 1 quarantined"]);
        world.run(&["history"]).ends(0, &["created from crm:1", "name Name 2 -> Ada"]);
        world.run(&["conflicts", "list"]).ends(0, &["contacts/crm:1", "status"]);
        world.sql("crm", "update contacts set name = 'Eva' where id = 2");
        world.run(&["run"]).ends(0, &["erp 1"]);
        let name = "select CNAME from CUSTOMER where EMAIL = 'c2@example.com'";
        assert_eq!(world.value("erp", name), "Eva");
        world.run(&["conflicts", "resolve", "1", "--take", "crm"]).ends(0, &[]);

        world.run(&["audit", "--rebuild"]).ends(0, &["4 records rebuilt", "all as the hub holds"]);

        let newest = World::in_step(1);
        let version = "select user_version from pragma_user_version";
        assert_eq!(found(), newest.value("syncline.hub", version), "it is of this version now");
        assert_eq!(found(), HUBS.len().to_string(), "each version has its hub here");
    }
}

#[test]
fn a_hub_that_an_earlier_version_sealed_opens_with_its_key_and_works() {
    let world = World::with(&format!("{CONTACTS}hub: {{key: \"file:key\"}}\n"));
    world.file("key", &"5".repeat(64));
    world.sql("crm", include_str!("hubs/crm.sql"));
    world.sql("erp", include_str!("hubs/erp.sql"));
    world.sql("syncline.hub", include_str!("hubs/hub-6-sealed.sql"));

    world.run(&["status"]).ends(0, &["1 conflict, 1 quarantined"]);
    world.run(&["history"]).ends(0, &["created from crm:1", "name Name 2 -> Ada"]);
    world.run(&["quarantine", "show", "1"]).ends(0, &["strange"]);
    world.sql("crm", "update contacts set name = 'Eva' where id = 2");
    world.run(&["run"]).ends(0, &["erp 1"]);
    world.run(&["conflicts", "resolve", "1", "--take", "crm"]).ends(0, &[]);
    world.run(&["audit", "--verify-chain"]).ends(0, &["chain ok"]);
}
