//! A shop that calls us when something changes: signed, over HTTP, in every weather.

mod bad;
mod payloads;
mod silence;

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::hmac;
use serde_json::{Value as Json, json};
use syncline_shop::Weather;

use crate::{
    serve::{Daemon, eventually},
    shop::Town,
};

pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Where the daemon is called.
pub(crate) fn address(daemon: &Daemon) -> String {
    daemon.says("serve.listens");
    let log = daemon.log();
    let said = log.lines().find(|line| line.contains("serve.listens")).unwrap();
    serde_json::from_str::<Json>(said).unwrap()["address"].as_str().unwrap().to_owned()
}

/// Calls, as anybody can: gives the status, and the body.
fn call(address: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut head = format!("POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n");
    if headers.iter().all(|(name, _)| *name != "content-length") {
        head.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
    // A door that has heard enough may close before everything is said.
    let _ = stream.write_all(body);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|it| it.parse().ok()).unwrap_or(0);
    (status, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
}

/// The headers of a sender who knows the secret, this many seconds from now.
pub(crate) fn signed(id: &str, seconds: i64, body: &[u8]) -> Vec<(&'static str, String)> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let at = (now.as_secs() as i64 + seconds).to_string();
    let key = STANDARD.decode(SECRET.strip_prefix("whsec_").unwrap()).unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    let message = [id.as_bytes(), b".", at.as_bytes(), b".", body].concat();
    let tag = format!("v1,{}", STANDARD.encode(hmac::sign(&key, &message)));
    vec![("webhook-id", id.into()), ("webhook-timestamp", at), ("webhook-signature", tag)]
}

pub(crate) fn send(address: &str, path: &str, headers: &[(&str, String)], body: &[u8]) -> u16 {
    let headers: Vec<(&str, &str)> =
        headers.iter().map(|(name, it)| (*name, it.as_str())).collect();
    call(address, path, &headers, body).0
}

/// A town whose shop calls.
fn town(contacts: usize) -> Town {
    calling(Town::with(contacts))
}

/// The shop of this town, in step with it, calls.
pub(crate) fn calling(town: Town) -> Town {
    // One after the other, so that the second contact is the second customer.
    town.world.edit("    resources:", "    concurrency: 1\n    resources:");
    town.world.run(&["run", "--yes"]).ends(0, &[]);
    town.world.file("hook_secret", SECRET);
    town.world.edit(
        "    resources:",
        "    detect: {webhook: {style: standard, secrets: [file:hook_secret]}, fallback: {poll: 1h}}\n    \
             resources:",
    );
    town
}

pub(crate) fn serve(town: &Town) -> (Daemon, String) {
    let asked = town.shop.lists();
    let daemon = Daemon::start(&town.world.path(""), &["--listen", "127.0.0.1:0"]);
    let address = address(&daemon);
    daemon.says("shop is listened to");
    // From here on nothing but a webhook, or the poll behind it, tells what changes there.
    eventually("the shop was asked once", || town.shop.lists() > asked, || daemon.log());
    (daemon, address)
}

/// The shop calls from now on.
pub(crate) fn calls(town: &Town, address: &str) {
    let url = format!("http://{address}/hooks/shop");
    town.runtime.spawn(town.shop.clone().tell(url, SECRET.into()));
}

/// Somebody in the shop's office gives this customer a name.
pub(crate) fn rename(town: &Town, email: &str, name: &str) {
    town.in_shop(&format!(
        "update items set document = json_set(document, '$.first_name', '{name}'),
             version = version + 1, updated_at = strftime('%Y-%m-%dT%H:%M:%fZ')
             where unique_value = '{email}'"
    ));
}

pub(crate) fn becomes(town: &Town, daemon: &Daemon, sql: &str, value: &str) {
    let is = || town.world.value("crm", sql);
    eventually(
        &format!("{sql} is {value}"),
        || is() == value,
        || format!("{}\n{}", is(), daemon.log()),
    );
}

pub(crate) fn deliveries(town: &Town) -> Vec<Json> {
    let listed = town.world.run(&["hooks", "list", "shop", "--json"]).json();
    listed["result"].as_array().unwrap().clone()
}

pub(crate) const NAME_OF_2: &str = "select first_name from contacts where id = 2";

#[test]
fn what_a_shop_tells_is_in_the_crm_at_once() {
    let town = town(3);
    let (daemon, address) = serve(&town);
    calls(&town, &address);

    rename(&town, "c2@example.com", "Nora");
    becomes(&town, &daemon, NAME_OF_2, "Nora");
    town.in_shop("delete from items where unique_value = 'c3@example.com'");
    becomes(&town, &daemon, "select count(*) from contacts", "2");
    town.in_shop(
        "insert into items (kind, unique_value, document, updated_at) values ('customers', 'n@e.com',
             '{\"email\": \"n@e.com\", \"first_name\": \"Zoe\"}', '2030-01-01T00:00:00.000Z')",
    );
    let zoe = "select count(*) from contacts where first_name = 'Zoe'";
    becomes(&town, &daemon, zoe, "1");
    // And the other way; that the shop then tells of our own write changes nothing.
    town.world.sql("crm", "update contacts set first_name = 'Ada' where id = 1");
    let ada = || town.customer("c1@example.com", "$.first_name");
    eventually("Ada is in the shop", || ada() == "Ada", || daemon.log());

    let status = town.world.run(&["status", "--json"]).json();
    let shop = &status["result"]["systems"][1];
    assert_eq!(shop["detection"], "webhook + poll", "{shop}");
    assert!(shop["last_hook"].is_string(), "{shop}");
    daemon.stop().ends(143, &[]);
    town.world.run(&["history", "runs", "--trigger", "hook"]).ends(0, &["serve", "hook"]);
    town.world.agrees();
}

#[test]
fn f4_what_is_told_three_times_happens_once() {
    let town = town(2);
    town.shop.weather(Weather::RepeatedHooks);
    let (daemon, address) = serve(&town);
    calls(&town, &address);
    rename(&town, "c2@example.com", "Nora");
    becomes(&town, &daemon, NAME_OF_2, "Nora");

    let fates: Vec<Json> = deliveries(&town).into_iter().map(|it| it["outcome"].clone()).collect();
    assert!(fates.contains(&json!("duplicate")), "{fates:?}");
    daemon.stop().ends(143, &[]);
    town.world.agrees();
}

#[test]
fn f7_what_is_not_told_is_found_by_the_poll_behind() {
    let town = town(2);
    town.world.edit("poll: 1h", "poll: 300ms");
    town.shop.weather(Weather::LostHooks);
    let (daemon, address) = serve(&town);
    calls(&town, &address);
    rename(&town, "c2@example.com", "Nora");
    becomes(&town, &daemon, NAME_OF_2, "Nora");
    assert_eq!(deliveries(&town).len(), 0);
}

#[test]
fn what_was_answered_is_dealt_with_though_the_daemon_is_killed_at_once() {
    let town = town(2);
    let (daemon, address) = serve(&town);
    let body = json!({ "type": "customers/updated", "data": { "id": 2 } }).to_string();
    // The shop cannot be asked just now: what it told waits.
    town.shop.weather(Weather::Out);
    rename(&town, "c2@example.com", "Nora");
    assert_eq!(
        send(&address, "/hooks/shop", &signed("e-1", 0, body.as_bytes()), body.as_bytes()),
        202
    );
    daemon.kill();
    town.shop.weather(Weather::Fair);
    let (daemon, _) = serve(&town);
    becomes(&town, &daemon, NAME_OF_2, "Nora");
    eventually("it is dealt with", || deliveries(&town)[0]["waits"] == false, || daemon.log());
}

#[test]
fn what_is_not_proved_is_not_believed() {
    let town = town(1);
    let (daemon, address) = serve(&town);
    let body = json!({ "type": "customers/updated", "data": { "id": 1 } }).to_string();
    let body = body.as_bytes();
    let told =
        |headers: &[(&str, String)], body: &[u8]| send(&address, "/hooks/shop", headers, body);

    assert_eq!(told(&[], body), 401);
    assert_eq!(told(&signed("e-1", 0, b"{}"), body), 401);
    assert_eq!(told(&signed("e-1", -3_600, body), body), 401);
    let huge = vec![b' '; (1 << 20) + 1];
    assert_eq!(told(&signed("e-1", 0, &huge), &huge), 413);
    let mut lies = signed("e-1", 0, body);
    lies.push(("content-length", "2000000000".into()));
    assert_eq!(told(&lies, body), 413);
    let mut packed = signed("e-1", 0, body);
    packed.push(("content-encoding", "gzip".into()));
    assert_eq!(told(&packed, body), 415);
    let (status, problem) = call(&address, "/hooks/nobody", &[], body);
    assert_eq!((status, problem.contains("server.unknown_path")), (404, true), "{problem}");
    // And what is proved is taken, once.
    assert_eq!(told(&signed("e-1", 0, body), body), 202);
    assert_eq!(told(&signed("e-1", 0, body), body), 200);

    let fates: Vec<String> =
        deliveries(&town).iter().rev().map(|it| it["outcome"].as_str().unwrap().into()).collect();
    let all = "bad_signature bad_signature too_old too_large too_large accepted duplicate";
    assert_eq!(fates.join(" "), all);
    daemon.says("hook.bad_signature");
    let log = daemon.log();
    assert!(!log.contains("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), "{log}");
}

#[test]
fn a_body_that_cannot_be_read_says_that_something_changed() {
    let town = town(2);
    let (daemon, address) = serve(&town);
    rename(&town, "c2@example.com", "Nora");
    let deep = "[".repeat(50_000);
    for (id, body) in [("e-1", "\u{fffd}{\"id\":"), ("e-2", deep.as_str())] {
        let sent = signed(id, 0, body.as_bytes());
        assert_eq!(send(&address, "/hooks/shop", &sent, body.as_bytes()), 202);
    }
    becomes(&town, &daemon, NAME_OF_2, "Nora");
}

#[test]
fn a_secret_that_was_rotated_is_looked_up_when_it_is_needed() {
    let town = town(2);
    town.world.file("hook_secret", "whsec_AAAAAAAAAAAAAAAAAAAAAAAA");
    let (daemon, address) = serve(&town);
    town.world.file("hook_secret", SECRET);
    let body = json!({ "type": "customers/updated", "data": { "id": 2 } }).to_string();
    rename(&town, "c2@example.com", "Nora");
    // Not each time that somebody knocks, but within seconds.
    let taken = || {
        let sent = signed("e-1", 0, body.as_bytes());
        send(&address, "/hooks/shop", &sent, body.as_bytes()) == 202
    };
    eventually("it is taken", taken, || daemon.log());
    becomes(&town, &daemon, NAME_OF_2, "Nora");
}

#[test]
fn commands_have_the_hub_while_the_door_stands_open() {
    let town = town(2);
    let (daemon, address) = serve(&town);
    let body = json!({ "type": "customers/updated", "data": { "id": 2 } }).to_string();
    rename(&town, "c2@example.com", "Nora");
    // A command that takes a while, and a webhook meanwhile.
    let mut command = town.world.command(&["refresh", "contacts", "--full"]);
    let mut running = command.stdout(std::process::Stdio::null()).spawn().unwrap();
    for number in 0..20 {
        let sent = signed(&format!("e-{number}"), 0, body.as_bytes());
        assert_eq!(send(&address, "/hooks/shop", &sent, body.as_bytes()), 202);
    }
    running.wait().unwrap();
    becomes(&town, &daemon, NAME_OF_2, "Nora");
}

#[test]
fn hooks_are_tried_and_dealt_with_again_by_command() {
    let town = town(2);
    town.world.run(&["hooks", "send", "shop", "--test"]).ends(3, &["server.closed"]);
    town.world.run(&["doctor", "shop"]).ends(0, &["no webhook received yet"]);
    let (daemon, _) = serve(&town);
    town.world.run(&["hooks", "send", "shop", "--test"]).ends(0, &["accepted (202)"]);
    town.world.file("body.json", r#"{"type": "customers/updated", "data": {"id": 2}}"#);
    town.world.run(&["hooks", "send", "shop", "--body", "body.json"]).ends(0, &["accepted"]);
    let fates =
        || -> Vec<Json> { deliveries(&town).iter().map(|it| it["outcome"].clone()).collect() };
    assert_eq!(fates(), ["accepted", "test"]);
    eventually("it is dealt with", || deliveries(&town)[0]["waits"] == false, || daemon.log());

    rename(&town, "c2@example.com", "Nora");
    let id = deliveries(&town)[0]["id"].to_string();
    town.world.run(&["hooks", "replay", &id]).ends(0, &["once more"]);
    becomes(&town, &daemon, NAME_OF_2, "Nora");
    town.world.run(&["hooks", "list"]).ends(0, &["OUTCOME", "once more"]);
    town.world.run(&["hooks", "replay", "99"]).ends(2, &["usage.unknown_number"]);
    // Who listens begins again after somebody has borrowed the hub, and knows what was put there beside the door.
    let all_done = || deliveries(&town).iter().all(|it| it["waits"] == false);
    eventually("that is dealt with, too", all_done, || daemon.log());
    town.world.run(&["run"]).ends(0, &[]);
    rename(&town, "c2@example.com", "Nadia");
    town.world.run(&["hooks", "send", "shop", "--body", "body.json"]).ends(0, &["accepted"]);
    becomes(&town, &daemon, NAME_OF_2, "Nadia");
    assert!(!daemon.log().contains("detect.position_lost"), "{}", daemon.log());
}

#[test]
fn the_door_is_open_to_this_machine_alone() {
    let town = town(0);
    let done = Daemon::launch(&town.world.path(""), &["--listen", "0.0.0.0:0"], &[]).ended();
    done.ends(2, &["server.exposed", "reverse proxy"]);
    town.world.file(
        "syncline.yaml",
        &format!(
            "{}server: {{listen: \"[::]:7700\"}}\n",
            std::fs::read_to_string(town.world.path("syncline.yaml")).unwrap()
        ),
    );
    town.world.run(&["check"]).ends(2, &["server.exposed"]);
}

#[test]
fn a_storm_of_hooks_is_few_reads_and_ends_with_the_last_word() {
    let town = town(20);
    let (daemon, address) = serve(&town);
    let read = town.shop.reads();
    let tell = |id: usize, number: usize| {
        let body = json!({ "type": "customers/updated", "data": { "id": id } }).to_string();
        let sent = signed(&format!("e-{number}-{id}"), 0, body.as_bytes());
        assert_eq!(send(&address, "/hooks/shop", &sent, body.as_bytes()), 202);
    };
    for number in 0..100 {
        for id in 1..=20 {
            tell(id, number);
        }
    }
    rename(&town, "c2@example.com", "Nora");
    tell(2, 100);
    becomes(&town, &daemon, NAME_OF_2, "Nora");
    let reads = town.shop.reads() - read;
    assert!(reads < 400, "{reads} reads for 2,001 hooks about 20 records");
    let waits = || deliveries(&town).iter().any(|it| it["waits"] == true);
    eventually("all are dealt with", || !waits(), || daemon.log());
}

#[test]
fn a_shop_that_asks_to_slow_down_is_left_alone_and_nothing_fails() {
    let town = town(2);
    town.world.edit("poll: 1h", "poll: 200ms");
    let (daemon, _) = serve(&town);
    town.shop.weather(Weather::Busy);
    rename(&town, "c2@example.com", "Nora");
    let status = || town.world.run(&["status"]).said();
    eventually("status says so", || status().contains("asks to slow down, for"), status);
    town.shop.weather(Weather::Fair);
    becomes(&town, &daemon, NAME_OF_2, "Nora");
    let log = daemon.stop().ends(143, &[]).stderr;
    assert!(!log.contains("system.down"), "{log}");
    assert_eq!(
        town.world.run(&["quarantine", "list"]).ends(0, &[]).stdout.trim(),
        "nothing is held back"
    );
}

#[test]
fn f5_f6_hooks_in_any_order_end_in_what_the_shop_shows() {
    let town = town(3);
    let (daemon, address) = serve(&town);
    rename(&town, "c2@example.com", "Second");
    rename(&town, "c2@example.com", "Third");
    // The newer word comes first, and both within one second; what they say of the name is a lie by now.
    for (number, name) in [(3, "Third"), (2, "Second"), (1, "First")] {
        let body = json!({ "type": "customers/updated", "data": { "id": 2, "first_name": name } });
        let body = body.to_string();
        let sent = signed(&format!("e-{number}"), 0, body.as_bytes());
        assert_eq!(send(&address, "/hooks/shop", &sent, body.as_bytes()), 202);
    }
    becomes(&town, &daemon, NAME_OF_2, "Third");
    let waits = || deliveries(&town).iter().any(|it| it["waits"] == true);
    eventually("all are dealt with", || !waits(), || daemon.log());
    assert_eq!(town.world.value("crm", NAME_OF_2), "Third");
    daemon.stop().ends(143, &[]);
    town.world.agrees();
}

#[test]
fn none_that_was_answered_is_lost_by_a_kill_in_the_middle() {
    let town = town(2);
    let (daemon, address) = serve(&town);
    let senders: Vec<_> = (0..4)
        .map(|sender| {
            let address = address.clone();
            std::thread::spawn(move || {
                let mut answered = Vec::new();
                for number in 0..10_000 {
                    let id = format!("e-{sender}-{number}");
                    let body = json!({ "type": "orders/updated", "data": { "id": number } });
                    let body = body.to_string();
                    let Ok(mut stream) = TcpStream::connect(&address) else { break };
                    let mut head = format!(
                        "POST /hooks/shop HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n",
                        body.len()
                    );
                    for (name, value) in signed(&id, 0, body.as_bytes()) {
                        head.push_str(&format!("{name}: {value}\r\n"));
                    }
                    let mut answer = String::new();
                    let sent = stream.write_all(format!("{head}\r\n{body}").as_bytes());
                    if sent.is_err() || stream.read_to_string(&mut answer).is_err() {
                        break;
                    }
                    if answer.starts_with("HTTP/1.1 202") {
                        answered.push(id);
                    }
                }
                answered
            })
        })
        .collect();
    let enough = || deliveries(&town).len() >= 50;
    eventually("some are taken", enough, || daemon.log());
    daemon.kill();
    let answered: Vec<String> = senders.into_iter().flat_map(|it| it.join().unwrap()).collect();
    assert!(answered.len() >= 50, "{}", answered.len());

    let listed = town.world.run(&["hooks", "list", "--limit", "100000", "--json"]).json();
    let known: std::collections::BTreeSet<String> = listed["result"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["event"].as_str().unwrap_or_default().to_owned())
        .collect();
    let lost: Vec<&String> = answered.iter().filter(|id| !known.contains(*id)).collect();
    assert!(lost.is_empty(), "{} of {} are lost: {lost:?}", lost.len(), answered.len());
}

#[test]
fn w3_a_shop_that_asks_to_slow_down_holds_up_nobody_else() {
    let town = town(3);
    town.world
        .sql("erp", "create table people(id integer primary key, email text, first_name text)");
    town.world.edit("  shop:\n", "  erp: {url: \"sqlite:erp.db\"}\n  shop:\n");
    town.world.edit("crm: contacts, shop", "crm: contacts, erp: people, shop");
    town.world.edit("crm: email, shop", "crm: email, erp: email, shop");
    town.world.edit("crm: first_name, shop", "crm: first_name, erp: first_name, shop");
    town.world.run(&["plan", "--out", "p.plan"]).ends(0, &[]);
    let applied = town.world.run(&["apply", "p.plan", "--yes"]).ends(0, &[]).said();
    assert_eq!(town.world.value("erp", "select count(*) from people"), "3", "{applied}");
    let (daemon, _) = serve(&town);
    town.shop.weather(Weather::Busy);
    town.world.sql("crm", "update contacts set first_name = 'Nora' where id = 2");
    let in_erp =
        || town.world.value("erp", "select first_name from people where email like 'c2@%'");
    eventually("erp has it while the shop is busy", || in_erp() == "Nora", || daemon.log());
    town.world.sql("erp", "update people set first_name = 'Zoe' where email like 'c3@%'");
    let zoe = "select first_name from contacts where id = 3";
    becomes(&town, &daemon, zoe, "Zoe");
    assert_eq!(town.customer("c2@example.com", "$.first_name"), "Name 2");

    town.shop.weather(Weather::Fair);
    let in_shop = |email: &str| town.customer(email, "$.first_name");
    let both = || in_shop("c2@example.com") == "Nora" && in_shop("c3@example.com") == "Zoe";
    eventually("the shop has both", both, || daemon.log());
    daemon.stop().ends(143, &[]);
    town.world.agrees();
}

#[test]
fn a_secret_that_stands_in_the_file_is_shown_nowhere_whatever_else_is_wrong() {
    let file = |webhook: &str, alerts: &str| {
        format!(
            "version: 1\nsystems:\n  crm: {{url: \"sqlite:crm.db\"}}\n  erp: {{url: \"sqlite:erp.db\", detect: {{webhook: {{{webhook}}}}}}}
entities:\n  contacts:\n    in: {{crm: contacts, erp: people}}\n    match: email\n    fields:\n      email: {{crm: email, erp: email}}
alerts:\n{alerts}\n"
        )
    };
    let good = "  channels: {ops: {email: o@x}}\n  rules: []";
    let world = crate::world::World::empty();
    for (webhook, alerts) in [
        ("style: gihub, secrets: [swordfish]", good),
        (
            "style: github, secrets: [env:X]",
            "  smtp: {hst: h, password: swordfish}\n  channels: {}\n  rules: []",
        ),
        (
            "style: github, secrets: [env:X]",
            "  channels: {a: {webhook: no-url, secret: swordfish}}\n  rules: []",
        ),
        (
            "style: github, secrets: [env:X]",
            "  channels: {a: {slack: 'exec:', pagerduty: swordfish}}\n  rules: []",
        ),
    ] {
        world.file("syncline.yaml", &file(webhook, alerts));
        let said = world.run(&["check"]).ends(2, &[]).said();
        assert!(!said.contains("swordfish"), "{said}");
    }
    let auth = "auth: {basic: {password: swordfish}}";
    let api =
        format!("{{url: \"https://x.example\", {auth}, resources: {{a: {{path: a, key: id}}}}}}");
    world.file("syncline.yaml", &format!("version: 1\nsystems:\n  api: {api}\nentities: {{}}\n"));
    let said = world.run(&["check"]).ends(2, &["`basic` needs `user`"]).said();
    assert!(!said.contains("swordfish"), "{said}");
}
