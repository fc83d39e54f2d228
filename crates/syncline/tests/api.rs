//! The HTTP API, as programs and the dashboard meet it: a daemon, and requests over a socket.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use serde_json::Value as Json;

use crate::{
    hooks::address,
    serve::{Daemon, eventually},
    world::World,
};

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answered {
    /// The document.
    #[track_caller]
    pub(crate) fn json(&self) -> Json {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}\n{self:?}"))
    }

    /// It has this number.
    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Json {
        assert_eq!(self.status, status, "{self:?}");
        self.json()
    }

    /// It is a refusal with this number and code, and says what to do.
    #[track_caller]
    pub(crate) fn refuses(self, status: u16, code: &str) {
        assert!(self.head.contains("application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["code"], code, "{self:?}");
        assert_eq!(problem["status"], status, "{self:?}");
        assert_eq!(self.status, status, "{self:?}");
        assert!(problem["fix"].is_string() && problem["title"].is_string(), "{self:?}");
    }

    /// A line of its head.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.head.lines().find_map(|line| {
            let (known, value) = line.split_once(": ")?;
            known.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    }
}

/// A daemon that is asked over HTTP.
pub(crate) struct Server {
    daemon: Daemon,
    pub(crate) address: String,
}

impl Server {
    #[track_caller]
    pub(crate) fn start(world: &World) -> Self {
        Self::at(world, "127.0.0.1:0")
    }

    /// One that listens there.
    #[track_caller]
    pub(crate) fn at(world: &World, listen: &str) -> Self {
        let daemon = Daemon::start(&world.path(""), &["--listen", listen]);
        let address = address(&daemon);
        Self { daemon, address }
    }

    /// One that runs already.
    #[track_caller]
    pub(crate) fn of(daemon: Daemon) -> Self {
        let address = address(&daemon);
        Self { daemon, address }
    }

    /// Everything that it said so far.
    pub(crate) fn log(&self) -> String {
        self.daemon.log()
    }

    /// Its resident memory, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        self.daemon.memory()
    }

    /// A request as it stands.
    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answered {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut head = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
        if headers.iter().all(|(name, _)| *name != "host") {
            head.push_str(&format!("host: {}\r\n", self.address));
        }
        if !body.is_empty() {
            head.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        stream.write_all(format!("{head}\r\n{body}").as_bytes()).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).and_then(|it| it.parse().ok()).unwrap_or(0);
        Answered { status, head: head.to_owned(), body: body.to_owned() }
    }

    pub(crate) fn get(&self, path: &str) -> Answered {
        self.send("GET", &format!("/api/v1{path}"), &[], "")
    }
}

/// Contacts in step, but for the names of the first so many, over which the two disagree.
pub(crate) fn disputed(contacts: usize, conflicts: usize) -> World {
    let world = World::contacts(contacts);
    world.edit("erp: CNAME}", "erp: CNAME, conflicts: manual}");
    world.run(&["run", "--yes"]).ends(0, &[]);
    let first = format!("cast(substr(email, 2, instr(email, '@') - 2) as integer) <= {conflicts}");
    world.sql("crm", &format!("update contacts set name = name || ' of the CRM' where {first}"));
    world.sql("erp", &format!("update CUSTOMER set CNAME = CNAME || ' of the ERP' where {first}"));
    world.run(&["run"]).ends(4, &[]);
    world
}

#[test]
fn what_the_commands_show_is_there_for_programs() {
    let world = disputed(3, 1);
    let server = Server::start(&world);

    let status = server.get("/status").is(200);
    assert_eq!(status["entities"][0]["entity"], "contacts");
    assert_eq!(status["needs"], 1);
    let shown = world.run(&["conflicts", "show", "1", "--json"]).json();
    assert_eq!(server.get("/conflicts/1").is(200), shown["result"]);
    assert_eq!(shown["result"]["shown"][0]["value"], "Name 1 of the CRM");
    let explained = world.run(&["explain", "contacts/crm:1", "--json"]).json();
    let id = explained["result"]["record"].as_str().unwrap();
    assert_eq!(server.get(&format!("/records/{id}/explain")).is(200), explained["result"]);
    assert_eq!(server.get("/records/contacts%2Fcrm:1").is(200)["open_conflicts"][0], 1);

    let mapping = server.get("/entities/contacts").is(200)["mapping"].clone();
    assert_eq!(mapping["fields"][2]["cells"]["erp"]["values"]["customer"][0], "1");
    assert_eq!(server.get("/systems/erp").is(200)["holds"][0]["table"], "CUSTOMER");
    assert_eq!(
        server.get("/records?q=c2@example.com").is(200)["items"][0]["values"]["name"],
        "Name 2"
    );
    // A value that tells records apart is found by its index: this one alone, and no page more.
    for query in ["c2@example.com", "email=c2@example.com", "EMAIL=c2@example.com"] {
        let found = server.get(&format!("/records?q={query}")).is(200);
        assert_eq!(found["items"].as_array().unwrap().len(), 1, "{found}");
        assert!(found["next"].is_null(), "{found}");
    }
    assert_eq!(
        server.get("/records?system=crm&key=3").is(200)["items"][0]["record"],
        "contacts/crm:3"
    );
    assert_eq!(server.get("/runs?outcome=partial").is(200)["items"][0]["kind"], "run");
    let audit = server.get("/audit?limit=1&count=true").is(200);
    assert_eq!((audit["items"].as_array().unwrap().len(), audit["total"].as_u64()), (1, Some(3)));
    for path in
        ["/quarantine", "/guards", "/hooks/deliveries", "/changes", "/openapi.json", "/config"]
    {
        server.get(path).is(200);
    }
    // The same in the eyes of a proxy that only asks whether it is there.
    assert_eq!(server.send("HEAD", "/api/v1/status", &[], "").body, "");
}

#[test]
fn a_long_queue_is_read_page_by_page() {
    let world = disputed(7, 7);
    let server = Server::start(&world);

    let first = server.get("/conflicts?limit=3&count=true&field=name");
    let link = first.header("link").unwrap();
    let first = first.is(200);
    assert_eq!(first["total"], 7);
    let mut seen: Vec<u64> = Vec::new();
    let mut page = first.clone();
    let numbers = |page: &Json| -> Vec<u64> {
        page["items"].as_array().unwrap().iter().map(|it| it["id"].as_u64().unwrap()).collect()
    };
    loop {
        seen.extend(numbers(&page));
        let Some(next) = page["next"].as_str() else { break };
        page = server.get(&format!("/conflicts?limit=3&cursor={next}&field=name")).is(200);
    }
    assert_eq!(seen, [7, 6, 5, 4, 3, 2, 1]);
    let query = link.strip_prefix('<').unwrap().split('>').next().unwrap();
    assert_eq!(numbers(&server.get(&format!("/conflicts{query}")).is(200)), [4, 3, 2]);
    // Records, too, each once.
    let first = server.get("/records?limit=4").is(200);
    let next = first["next"].as_str().unwrap();
    let rest = server.get(&format!("/records?limit=4&cursor={next}")).is(200);
    assert_eq!(rest["items"].as_array().unwrap().len(), 3);
    assert!(rest["next"].is_null());
}

#[test]
fn a_value_of_a_megabyte_does_not_make_a_list_large() {
    let world = World::in_step(5);
    world.sql("crm", "update contacts set name = replace(hex(zeroblob(500000)), '0', 'é')");
    world.run(&["run", "--allow", "updates"]).ends(0, &[]);
    let server = Server::start(&world);

    for list in ["/records?limit=500", "/changes?limit=500", "/records?q=c2@example.com"] {
        let page = server.get(list);
        assert!(page.body.len() < 100_000, "{list}: {} bytes", page.body.len());
        assert!(page.is(200)["items"].as_array().is_some_and(|items| !items.is_empty()), "{list}");
    }
    let found = server.get("/records?q=c2@example.com").is(200);
    let cut = found["items"][0]["values"]["name"].as_str().unwrap().to_owned();
    assert_eq!((cut.len(), cut.ends_with('…')), (2_003, true));
    let id = found["items"][0]["id"].as_str().unwrap();
    let whole = server.get(&format!("/records/{id}")).body;
    assert!(whole.len() > 2_000_000, "{} bytes", whole.len());
    let line = server.get(&format!("/records/{id}/timeline"));
    assert!(line.body.len() < 100_000, "{} bytes", line.body.len());
}

#[test]
fn what_makes_no_sense_is_refused_and_said() {
    let world = World::in_step(1);
    let server = Server::start(&world);

    server.get("/conflicts/99").refuses(404, "usage.unknown_number");
    server.get("/conflicts/99999999999999999999").refuses(404, "usage.unknown_number");
    server.get("/conflicts/nonsense").refuses(404, "usage.unknown_number");
    server.get("/conflicts?cursor=nonsense").refuses(400, "usage.cursor");
    server.get("/conflicts?limit=501").refuses(400, "usage.parameter");
    server.get("/conflicts?limit=0").refuses(400, "usage.parameter");
    server.get("/conflicts?colour=red").refuses(400, "usage.parameter");
    server.get("/conflicts?entity=contacts&entity=orders").refuses(400, "usage.parameter");
    server.get("/conflicts?entity=nobody").refuses(404, "usage.unknown_entity");
    server.get("/changes?since=yesterdayish").refuses(400, "usage.parameter");
    server.get("/records/zz%FF").refuses(400, "usage.parameter");
    server.get("/records/zzz").refuses(404, "address.unknown");
    server.get("/nothing/here").refuses(404, "server.unknown_path");
    let answered = server.send("PUT", "/api/v1/status", &[], "");
    assert_eq!(answered.header("allow").as_deref(), Some("GET"));
    answered.refuses(405, "server.method");
    let runs = server.get("/runs?limit=1").is(200);
    if let Some(next) = runs["next"].as_str() {
        server.get(&format!("/conflicts?cursor={next}")).refuses(400, "usage.cursor");
    }
    // The page of a code is where its problem says.
    let page = server.send("GET", "/errors/usage.cursor", &[], "");
    assert!(page.body.starts_with("# usage.cursor"), "{page:?}");
}

#[test]
fn a_page_of_another_site_finds_everything_closed() {
    let world = World::in_step(1);
    let server = Server::start(&world);
    let get = |headers: &[(&str, &str)]| server.send("GET", "/api/v1/status", headers, "");

    // A name that its owner has given to our address.
    get(&[("host", "evil.example:7700")]).refuses(403, "server.cross_site");
    get(&[("host", "localhost")]).is(200);
    // A form, or a script, of a page that somebody has open.
    let json = ("content-type", "application/json");
    let pause = |headers: &[(&str, &str)]| {
        server.send("POST", "/api/v1/entities/contacts/pause", headers, "{}")
    };
    pause(&[("content-type", "text/plain")]).refuses(415, "server.content");
    pause(&[json, ("origin", "https://evil.example")]).refuses(403, "server.cross_site");
    pause(&[json, ("sec-fetch-site", "cross-site")]).refuses(403, "server.cross_site");
    pause(&[json, ("origin", "null")]).refuses(403, "server.cross_site");
    let own = format!("http://{}", server.address);
    assert_eq!(server.get("/status").is(200)["entities"][0]["state"], "live");
    pause(&[json, ("origin", &own), ("sec-fetch-site", "same-origin")]).is(200);
    // What cannot be a body.
    let act = |body: &str| server.act("POST", "/entities/contacts/resume", body);
    act("{").refuses(400, "usage.body");
    act("[]").refuses(400, "usage.body");
    act(r#"{"surprise": 1}"#).refuses(400, "usage.body");
    act(&"[".repeat(100_000)).refuses(400, "usage.body");
    act(&format!("{{\"a\": \"{}\"}}", "a".repeat(1 << 20))).refuses(413, "server.too_large");
}

impl Server {
    /// A change, as a program asks for it.
    pub(crate) fn act(&self, method: &str, path: &str, body: &str) -> Answered {
        self.send(method, &format!("/api/v1{path}"), &[("content-type", "application/json")], body)
    }
}

#[test]
fn two_stewards_cannot_overwrite_each_other() {
    let world = disputed(3, 2);
    let server = Server::start(&world);
    let seen = server.get("/conflicts/1");
    let tag = seen.header("etag").unwrap();
    seen.is(200);
    let decide = |body: &str| {
        let headers = [("content-type", "application/json"), ("if-match", tag.as_str())];
        server.send("POST", "/api/v1/conflicts/1/resolve", &headers, body)
    };

    std::thread::scope(|scope| {
        let first = scope.spawn(|| decide(r#"{"take": "crm", "note": "they called"}"#));
        let second = scope.spawn(|| decide(r#"{"take": "erp"}"#));
        let mut answered = [first.join().unwrap(), second.join().unwrap()];
        answered.sort_by_key(|it| it.status);
        let [done, refused] = answered;
        assert_eq!(done.is(200)["ok"], true);
        refused.refuses(412, "server.changed");
    });

    // Both systems show what was decided, and the books say who and what.
    let name = world.value("crm", "select name from contacts where id = 1");
    assert_eq!(
        world.value("erp", "select CNAME from CUSTOMER where EMAIL = 'c1@example.com'"),
        name
    );
    let audit = server.get("/audit?limit=5").is(200);
    let deed =
        audit["items"].as_array().unwrap().iter().find(|it| it["what"] == "conflicts.resolve");
    assert_eq!(deed.unwrap()["on"], "1", "{audit}");
    assert_eq!(deed.unwrap()["who"], "steward1");
    let settled = server.get("/conflicts/1").is(200);
    assert_eq!(settled["settled"]["who"].as_str().unwrap().split(':').next(), Some("steward1"));
    // Whoever has not said what they saw is told that it is settled.
    server.act("POST", "/conflicts/1/resolve", r#"{"take": "erp"}"#).refuses(409, "usage.settled");
    // All that are left, first shown, then done.
    let all = r#"{"where": "entity=contacts field=name", "take": "erp", "dry_run": true}"#;
    let shown = server.act("POST", "/conflicts/resolve", all).is(200);
    assert_eq!(shown["summary"], "1 conflict would be settled");
    server.act("POST", "/conflicts/resolve", &all.replace("true", "false")).is(200);
    assert!(server.get("/conflicts").is(200)["items"].as_array().unwrap().is_empty());
}

#[test]
fn what_is_set_aside_is_corrected_over_http() {
    let world = World::in_step(2);
    world.sql("crm", "update contacts set status = 'unheard of' where id = 1");
    world.run(&["run"]).ends(4, &[]);
    let server = Server::start(&world);

    let entry = server.get("/quarantine").is(200)["items"][0].clone();
    assert_eq!(entry["code"], "map.unknown_value");
    let path = format!("/quarantine/{}", entry["id"]);
    assert_eq!(server.get(&path).is(200)["row"]["email"], "c1@example.com");
    server.act("DELETE", &path, "").refuses(400, "usage.body");
    let retried = server.act("POST", &format!("{path}/retry"), "").is(200);
    assert_eq!(retried["result"]["still"], 1);
    server.act("PATCH", &path, r#"{"set": {"colour": "red"}}"#).refuses(422, "usage.edit");
    server.act("DELETE", &path, r#"{"reason": "a test"}"#).is(200);
    assert!(server.get("/quarantine").is(200)["items"].as_array().unwrap().is_empty());
    let dropped = server.get("/quarantine?dropped=true").is(200);
    assert_eq!(dropped["items"][0]["dropped"], "a test");
}

#[test]
fn runs_pauses_and_ways_back_are_asked_for_over_http() {
    let world = World::in_step(2);
    let server = Server::start(&world);

    let paused = server.act("POST", "/entities/contacts/pause", r#"{"for": "2h"}"#).is(200);
    assert_eq!(paused["result"]["paused"][0], "contacts");
    assert_eq!(server.get("/status").is(200)["entities"][0]["state"], "paused");
    server.act("POST", "/runs", r#"{"entity": "contacts"}"#).refuses(409, "run.paused");
    server.act("POST", "/entities/contacts/resume", "").is(200);
    world.sql("crm", "update contacts set name = 'Ada' where id = 1");

    let begun = server.act("POST", "/runs", r#"{"entity": "contacts"}"#);
    let place = begun.header("location");
    let begun = begun.is(202);
    assert_eq!(place, Some(format!("/api/v1/runs/{}", begun["run"].as_str().unwrap())));
    let is_there =
        || world.value("erp", "select CNAME from CUSTOMER where EMAIL = 'c1@example.com'");
    crate::serve::eventually("the name is there", || is_there() == "Ada", String::new);
    let changes = server.get("/changes?field=name&limit=1").is(200);
    let change = changes["items"][0]["change"].as_str().unwrap().to_owned();
    let path = format!("/changes/{change}/rollback");
    let shown = server.act("POST", &path, "").is(200);
    assert_eq!(shown["summary"], "would restore 1 change");
    server.act("POST", &path, r#"{"yes": true, "revert_source": true}"#).is(200);
    assert_eq!(world.value("crm", "select name from contacts where id = 1"), "Name 1");
    let tested = server.act("POST", "/systems/erp/test", "").is(200);
    assert!(tested["summary"].as_str().unwrap().contains("0 failed"), "{tested}");
    // It is compared beside all that, and a run says how that goes.
    world.sql("erp", "update CUSTOMER set NO = 77 where EMAIL = 'c2@example.com'");
    let begun = server.act("POST", "/entities/contacts/verify", "");
    let place = begun.header("location").unwrap();
    let begun = begun.is(202);
    assert_eq!(place, format!("/api/v1/runs/{}", begun["run"].as_str().unwrap()));
    let run = || server.send("GET", &place, &[], "").is(200);
    eventually("it is over", || run()["ended"].is_string(), || run().to_string());
    let run = run();
    assert_eq!((&run["kind"], &run["entity"]), (&"verify".into(), &"contacts".into()), "{run}");
    let compared = run["found"]["bindings"].as_array().unwrap();
    assert_eq!(compared.len(), 2, "{run}");
    assert_eq!(compared[0]["matched"], 2, "{run}");
    // Whoever waits is told at once.
    let json = [("prefer", "wait=60"), ("content-type", "application/json")];
    let path = "/api/v1/entities/contacts/verify";
    let verified = server.send("POST", path, &json, r#"{"sample": 1}"#).is(200);
    assert!(verified["result"]["bindings"].is_array(), "{verified}");
}

#[test]
fn a_plan_is_read_and_then_exactly_that_is_done() {
    let world = World::in_step(12);
    world.sql("crm", "create table orders(id integer primary key, number text)");
    world.sql("erp", "create table ORDERS(NO integer primary key, NUMBER text)");
    world.sql("crm", "insert into orders values (1, 'FR-1'), (2, 'FR-2')");
    let more = "  orders:\n    in: {crm: orders, erp: ORDERS}\n    match: number\n    fields: {number: {crm: number, erp: NUMBER}}\n";
    world.edit("        conflicts: manual\n", &format!("        conflicts: manual\n{more}"));
    let (server, token) = guarded(&world);
    let operator = token("ada", &["--role", "operator"]);
    let viewer = token("screen", &["--role", "viewer"]);
    let ask = |method: &str, path: &str, body: &str| server.ask(&operator, method, path, body);
    let apply = |id: &str, tag: &str| {
        let bearer = format!("Bearer {operator}");
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
            ("if-match", tag),
        ];
        server.send("POST", &format!("/api/v1/plans/{id}/apply"), &headers, "")
    };
    ask("POST", "/entities/contacts/pause", "").is(200);
    let change =
        |what: &str| world.sql("crm", &format!("update contacts set name = name || '{what}'"));
    change(" A");
    let planned = ask("POST", "/plans", r#"{"entity": "contacts"}"#).is(200);
    let id = planned["result"]["plan"].as_str().unwrap().to_owned();
    assert_eq!(planned["result"]["updates"], 12, "{planned}");
    server.ask(&viewer, "POST", "/plans", "").refuses(403, "server.role");
    let seen = server.ask(&viewer, "GET", &format!("/plans/{id}"), "");
    let kept = server.ask(&viewer, "GET", "/plans", "").is(200);
    assert_eq!(kept["items"][0]["plan"], id);
    assert_eq!(kept["items"][0]["entities"], serde_json::json!(["contacts"]));
    let tag = seen.header("etag").unwrap();
    assert_eq!(seen.is(200), planned["result"]);
    ask("GET", "/plans/%2e%2e%2fsyncline", "").refuses(404, "usage.unknown_number");
    ask("POST", &format!("/plans/{id}/apply"), "").refuses(400, "usage.body");
    apply(&id, "\"another\"").refuses(412, "server.changed");
    apply(&id, &tag).refuses(409, "run.paused");

    // All of it is something else now.
    change(" B");
    ask("POST", "/systems/crm/pause", r#"{"writes_only": true}"#).is(200);
    ask("POST", "/entities/contacts/resume", "").is(200);
    ask("POST", "/systems/crm/resume", "").is(200);
    let name = || world.value("erp", "select CNAME from CUSTOMER where EMAIL = 'c1@example.com'");
    crate::serve::eventually("it flows again", || name() == "Name 1 A B", name);
    apply(&id, &tag).refuses(409, "plan.stale");

    // What was never in step begins so.
    let first = ask("POST", "/plans", r#"{"entity": "orders", "full": true}"#).is(200);
    let id = first["result"]["plan"].as_str().unwrap().to_owned();
    assert_eq!(world.value("erp", "select count(*) from ORDERS"), "0");
    assert_eq!(apply(&id, &format!("\"{id}\"")).is(200)["summary"], "Applied 2.");
    assert_eq!(world.value("erp", "select count(*) from ORDERS"), "2");
}

/// A daemon that only those with tokens may ask.
pub(crate) fn guarded(world: &World) -> (Server, impl Fn(&str, &[&str]) -> String) {
    world.edit("entities:", "server: {tokens: \"file:secrets/tokens.yaml\"}\nentities:");
    let folder = world.path("");
    let token = move |name: &str, more: &[&str]| -> String {
        let all: Vec<&str> =
            ["tokens", "new", name, "--json"].iter().chain(more).copied().collect();
        let made = crate::world::finished(&mut crate::world::command(&folder, &all)).ends(0, &[]);
        made.json()["result"]["token"].as_str().unwrap().to_owned()
    };
    (Server::start(world), token)
}

impl Server {
    pub(crate) fn ask(&self, token: &str, method: &str, path: &str, body: &str) -> Answered {
        let token = format!("Bearer {token}");
        let headers = [("authorization", token.as_str()), ("content-type", "application/json")];
        self.send(method, &format!("/api/v1{path}"), &headers, body)
    }
}

#[test]
fn who_has_a_token_may_do_what_its_role_says_and_no_more() {
    let world = disputed(2, 2);
    let (server, token) = guarded(&world);
    let viewer = token("screen", &["--role", "viewer"]);
    let steward = token("ada", &["--role", "steward", "--expires", "90d"]);
    let admin = token("root", &["--role", "admin"]);
    let late = token("late", &["--role", "admin", "--expires", "0s"]);

    server.get("/status").refuses(401, "server.token");
    server.ask("syn_nonsense", "GET", "/status", "").refuses(401, "server.token");
    server.ask(&late, "GET", "/status", "").refuses(401, "server.token");
    server.ask(&viewer, "GET", "/status", "").is(200);
    server.send("GET", "/metrics", &[], "").refuses(401, "server.token");
    let bearer = format!("Bearer {viewer}");
    let counted = server.send("GET", "/metrics", &[("authorization", bearer.as_str())], "");
    assert!(counted.status == 200 && counted.body.contains("syncline_build_info"), "{counted:?}");
    assert_eq!(server.ask(&viewer, "GET", "/me", "").is(200)["role"], "viewer");
    let take = r#"{"take": "erp"}"#;
    server.ask(&viewer, "POST", "/conflicts/1/resolve", take).refuses(403, "server.role");
    server.ask(&steward, "POST", "/runs", "").refuses(403, "server.role");
    server.ask(&steward, "GET", "/tokens", "").refuses(403, "server.role");
    server.ask(&steward, "POST", "/conflicts/1/resolve", take).is(200);
    let settled = server.ask(&admin, "GET", "/conflicts/1", "").is(200);
    assert_eq!(settled["settled"]["who"], "token:ada");

    // Every attempt is on the books, and nothing that proves anybody.
    let wanted = ["somebody at 127.0.0.1", "token:screen", "token:ada"];
    let books = || server.ask(&admin, "GET", "/audit?limit=500", "").is(200);
    let refused = |books: &Json| -> Vec<String> {
        let all = books["items"].as_array().unwrap().iter();
        let all = all.filter(|it| it["what"] == "access.refused");
        all.map(|it| it["who"].as_str().unwrap().to_owned()).collect()
    };
    let are_there = || wanted.iter().all(|who| refused(&books()).iter().any(|it| it == who));
    crate::serve::eventually("refused attempts are on the books", are_there, || {
        books().to_string()
    });
    let listed = server.ask(&admin, "GET", "/tokens", "").is(200).to_string();
    for secret in [&viewer, &steward, &admin, &late] {
        assert!(
            !listed.contains(secret.as_str()) && !books().to_string().contains(secret.as_str())
        );
        assert!(
            !world
                .run(&["tokens"])
                .ends(0, &["steward", "expired"])
                .said()
                .contains(secret.as_str())
        );
    }
    // What is revoked holds no longer, at once.
    world.run(&["tokens", "revoke", "screen"]).ends(0, &["screen holds no longer"]);
    server.ask(&viewer, "GET", "/status", "").refuses(401, "server.token");
    server.ask(&admin, "DELETE", "/tokens/ada", "").is(200);
    server.ask(&steward, "GET", "/status", "").refuses(401, "server.token");
    server.ask(&admin, "DELETE", "/tokens/ada", "").refuses(404, "usage.unknown_token");
}

#[test]
fn a_token_for_one_entity_has_nothing_to_do_with_others() {
    let world = disputed(2, 1);
    world.sql("crm", "create table orders(id integer primary key, number text)");
    world.sql("erp", "create table ORDERS(NO integer primary key, NUMBER text)");
    let more = "  orders:\n    in: {crm: orders, erp: ORDERS}\n    match: number\n    fields: {number: {crm: number, erp: NUMBER}}\n";
    world.edit("        conflicts: manual\n", &format!("        conflicts: manual\n{more}"));
    world.run(&["run", "orders", "--yes"]).ends(0, &[]);
    let (server, token) = guarded(&world);
    // Of one entity of several, page by page, each record once.
    let all = token("all", &["--role", "viewer"]);
    let first = server.ask(&all, "GET", "/records?entity=contacts&limit=1", "").is(200);
    let next = first["next"].as_str().unwrap();
    let path = format!("/records?entity=contacts&limit=5&cursor={next}");
    let rest = server.ask(&all, "GET", &path, "").is(200);
    assert_eq!(rest["items"].as_array().unwrap().len(), 1);
    assert_ne!(rest["items"][0]["id"], first["items"][0]["id"]);
    let found = server.ask(&all, "GET", "/records?system=erp", "").is(200);
    assert_eq!(found["items"].as_array().unwrap().len(), 2);
    let orders = token("shop", &["--role", "operator", "--entity", "orders"]);
    let ask = |method: &str, path: &str, body: &str| server.ask(&orders, method, path, body);

    assert!(ask("GET", "/conflicts", "").is(200)["items"].as_array().unwrap().is_empty());
    assert!(ask("GET", "/records", "").is(200)["items"].as_array().unwrap().is_empty());
    let status = ask("GET", "/status", "").is(200);
    assert_eq!(status["entities"].as_array().unwrap().len(), 1);
    for path in ["/conflicts/1", "/records/contacts%2Fcrm:1", "/entities/contacts", "/runs/r-1"] {
        ask("GET", path, "").refuses(403, "server.role");
    }
    for path in ["/audit", "/config", "/changes", "/records?entity=contacts"] {
        ask("GET", path, "").refuses(403, "server.role");
    }
    // The numbers are of all entities.
    let bearer = format!("Bearer {orders}");
    server
        .send("GET", "/metrics", &[("authorization", bearer.as_str())], "")
        .refuses(403, "server.role");
    let take = r#"{"take": "erp"}"#;
    ask("POST", "/conflicts/1/resolve", take).refuses(403, "server.role");
    ask("POST", "/conflicts/resolve", r#"{"where": "field=name", "take": "erp"}"#)
        .refuses(403, "server.role");
    ask("POST", "/runs", "").refuses(403, "server.role");
    ask("POST", "/runs", r#"{"entity": "contacts"}"#).refuses(403, "server.role");
    ask("POST", "/entities/contacts/pause", "").refuses(403, "server.role");
    ask("POST", "/systems/crm/pause", "").refuses(403, "server.role");
    ask("POST", "/entities/orders/pause", "").is(200);
    assert_eq!(server_conflicts(&world), "1");
}

fn server_conflicts(world: &World) -> String {
    world.run(&["conflicts", "list", "--json"]).json()["result"]
        .as_array()
        .unwrap()
        .len()
        .to_string()
}

#[test]
fn a_browser_is_let_in_once_and_no_script_sees_how() {
    let world = World::in_step(1);
    let (server, token) = guarded(&world);
    let secret = token("ada", &["--role", "admin"]);

    server.act("POST", "/session", r#"{"token": "syn_wrong"}"#).refuses(401, "server.token");
    let entered = server.act("POST", "/session", &format!("{{\"token\": \"{secret}\"}}"));
    let cookie = entered.header("set-cookie").unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    entered.is(200);
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let with = |headers: &[(&str, &str)]| {
        let all: Vec<(&str, &str)> =
            [("cookie", cookie.as_str())].iter().chain(headers).copied().collect();
        server.send("POST", "/api/v1/entities/contacts/pause", &all, "")
    };
    assert_eq!(
        server.send("GET", "/api/v1/me", &[("cookie", &cookie)], "").is(200)["who"],
        "token:ada"
    );
    let json = ("content-type", "application/json");
    with(&[json, ("origin", "https://evil.example")]).refuses(403, "server.cross_site");
    with(&[json, ("sec-fetch-site", "same-site")]).refuses(403, "server.cross_site");
    with(&[json]).is(200);
    let left = server.act("DELETE", "/session", "");
    assert!(left.header("set-cookie").unwrap().contains("Max-Age=0"));
}

#[test]
fn what_is_asked_twice_with_one_key_is_done_once() {
    let world = disputed(2, 2);
    let server = Server::start(&world);
    let decide = |key: &str, body: &str| {
        let headers = [("content-type", "application/json"), ("idempotency-key", key)];
        server.send("POST", "/api/v1/conflicts/1/resolve", &headers, body)
    };

    let first = decide("a1", r#"{"take": "erp"}"#).is(200);
    assert_eq!(decide("a1", r#"{"take": "erp"}"#).is(200), first);
    decide("a1", r#"{"take": "crm"}"#).refuses(422, "server.key_reused");
    // A refusal is one answer, too.
    decide("a2", r#"{"take": "crm"}"#).refuses(409, "usage.settled");
    decide("a2", r#"{"take": "crm"}"#).refuses(409, "usage.settled");
    decide(&"a".repeat(256), r#"{"take": "crm"}"#).refuses(400, "usage.parameter");
    // Also after the daemon was started anew.
    drop(server);
    let server = Server::start(&world);
    let headers = [("content-type", "application/json"), ("idempotency-key", "a1")];
    let again = server.send("POST", "/api/v1/conflicts/1/resolve", &headers, r#"{"take": "erp"}"#);
    assert_eq!(again.is(200), first);
}

#[test]
fn nobody_is_let_in_from_other_machines_without_proof() {
    let world = World::in_step(1);
    let serve = |words: &[&str]| world.run(&[&["serve", "--listen", "0.0.0.0:0"], words].concat());

    serve(&[]).ends(2, &["server.exposed", "there are no tokens"]);
    world.edit("entities:", "server: {tokens: \"file:tokens.yaml\"}\nentities:");
    serve(&[]).ends(2, &["server.exposed", "there are no tokens"]);
    world.run(&["tokens", "new", "ada", "--role", "admin"]).ends(0, &["syn_", "shown once"]);
    serve(&[]).ends(2, &["server.exposed", "in the open"]);
    world.edit("tokens.yaml\"", "tokens.yaml\", public_url: \"https://sync.example\"");
    let daemon = Daemon::start(&world.path(""), &["--listen", "0.0.0.0:0"]);
    daemon.stop().ends(143, &["0.0.0.0"]);
}

/// Somebody who listens to what happens.
struct Ear {
    stream: TcpStream,
    heard: String,
}

impl Server {
    fn listen(&self, last: Option<&str>) -> Ear {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let last = last.map(|last| format!("last-event-id: {last}\r\n")).unwrap_or_default();
        let head = format!("GET /api/v1/events HTTP/1.1\r\nhost: {}\r\n{last}\r\n", self.address);
        stream.write_all(head.as_bytes()).unwrap();
        Ear { stream, heard: String::new() }
    }
}

impl Ear {
    /// Waits until an event with these words comes; gives its lines.
    #[track_caller]
    fn hears(&mut self, words: &[&str]) -> String {
        for _ in 0..400 {
            let mut bytes = vec![0; 65_536];
            if let Ok(count) = self.stream.read(&mut bytes) {
                self.heard.push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
            let mut events = self.heard.split("\n\n");
            if let Some(found) = events.find(|it| words.iter().all(|word| it.contains(word))) {
                return found.to_owned();
            }
        }
        panic!("no {words:?} in\n{}", self.heard);
    }
}

#[test]
fn who_listens_hears_what_happens_and_who_comes_back_what_was_missed() {
    let world = disputed(2, 1);
    let server = Server::start(&world);
    let mut ear = server.listen(None);
    let begun = ear.hears(&["event: status"]);
    let id = begun.lines().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned();

    server.act("POST", "/conflicts/1/resolve", r#"{"take": "crm"}"#).is(200);
    let settled = ear.hears(&["event: conflict", "\"state\":\"settled\""]);
    assert!(settled.contains("\"id\":1") && !settled.contains("Name"), "{settled}");
    ear.hears(&["event: change", "conflict_settled"]);
    ear.hears(&["event: action", "conflicts.resolve"]);
    ear.hears(&["event: run", "\"kind\":\"resolve\"", "\"outcome\":\"ok\""]);
    assert!(!ear.heard.contains("of the CRM"), "no value is told:\n{}", ear.heard);
    // Gone for a while, also while the daemon was.
    drop(ear);
    drop(server);
    let server = Server::start(&world);
    let mut ear = server.listen(Some(&id));
    ear.hears(&["event: conflict", "\"state\":\"settled\""]);
    server.act("POST", "/entities/contacts/pause", "").is(200);
    ear.hears(&["event: status", "\"paused\":[\"contacts\"]"]);
    // Whoever has heard of what never was looks at everything again.
    let mut lost = server.listen(Some("999999"));
    lost.hears(&["event: status", "\"again\":true"]);
    let refused = server.send("GET", "/api/v1/events", &[("last-event-id", "x")], "");
    refused.refuses(400, "usage.parameter");
}

#[test]
fn a_daemon_that_stops_keeps_nobody_waiting() {
    let world = World::in_step(1);
    let server = Server::start(&world);
    let mut ear = server.listen(None);
    ear.hears(&["event: status"]);

    let began = std::time::Instant::now();
    server.daemon.stop().ends(143, &[]);
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
}
