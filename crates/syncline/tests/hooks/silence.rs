//! A shop that has called and calls no more: nobody need notice by what is missing.

use rusqlite::Connection;

use super::{serve, signed, town};
use crate::serve::eventually;

#[test]
fn a_system_that_has_not_called_for_long_is_named_by_the_status_and_the_poll_goes_on() {
    let town = town(1);
    let (daemon, address) = serve(&town);
    let body = br#"{"type": "customers/updated", "data": {"id": 1}}"#;
    assert_eq!(super::send(&address, "/hooks/shop", &signed("e-1", 0, body), body), 202);
    let said = || town.world.run(&["status"]).said();
    assert!(!said().contains("webhook for"), "{}", said());
    // Three hours go by.
    let inbox = Connection::open(town.world.path("syncline.hub.db.hooks")).unwrap();
    inbox.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
    inbox.execute("update delivery set at = at - 10800000000", []).unwrap();
    eventually(
        "the status says so",
        || said().contains("no webhook for 3 h"),
        || format!("{}\n{}", said(), daemon.log()),
    );
    daemon.stop().ends(143, &[]);
}
