//! A change is followed across systems, by a collector that takes OTLP over HTTP.

use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
};

use serde_json::{Value as Json, json};

use crate::{
    api::{Server, disputed},
    hooks::{calling, rename, send, serve, signed},
    serve::eventually,
    shop::Town,
    world::{CONTACTS, World},
};

/// A collector: what it was sent, and by whom.
pub(crate) struct Collector {
    address: SocketAddr,
    bodies: Arc<Mutex<Vec<(String, Json)>>>,
    /// What it answers.
    status: Arc<AtomicU16>,
}

impl Collector {
    pub(crate) fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (bodies, status) = (Arc::<Mutex<Vec<_>>>::default(), Arc::new(AtomicU16::new(200)));
        let (kept, answer) = (bodies.clone(), status.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (kept, answer) = (kept.clone(), answer.clone());
                std::thread::spawn(move || take(stream.unwrap(), &kept, &answer));
            }
        });
        Self { address, bodies, status }
    }

    /// All spans that came.
    pub(crate) fn spans(&self) -> Vec<Json> {
        let bodies = self.bodies.lock().unwrap();
        let of = |body: &Json| body["resourceSpans"][0]["scopeSpans"][0]["spans"].clone();
        bodies.iter().flat_map(|(_, body)| of(body).as_array().unwrap().clone()).collect()
    }

    /// The spans of the trace that this span, of which there is one, belongs to.
    fn trace_of(&self, name: &str) -> Vec<Json> {
        let spans = self.spans();
        let Some(one) = spans.iter().find(|span| span["name"] == name) else { return Vec::new() };
        spans.iter().filter(|span| span["traceId"] == one["traceId"]).cloned().collect()
    }
}

/// Requests of one connection, one after the other.
fn take(stream: TcpStream, kept: &Mutex<Vec<(String, Json)>>, answer: &AtomicU16) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    loop {
        let (mut head, mut line) = (String::new(), String::new());
        while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
            head.push_str(&line);
            line.clear();
        }
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let Some(length) = length else { return };
        let mut body = vec![0; length.trim().parse().unwrap()];
        reader.read_exact(&mut body).unwrap();
        let status = answer.load(Ordering::SeqCst);
        if status == 200 {
            kept.lock().unwrap().push((head, serde_json::from_slice(&body).unwrap()));
        }
        let text = format!("HTTP/1.1 {status} x\r\ncontent-length: 2\r\n\r\n{{}}");
        stream.write_all(text.as_bytes()).unwrap();
    }
}

fn names(spans: &[Json]) -> BTreeSet<&str> {
    spans.iter().map(|span| span["name"].as_str().unwrap()).collect()
}

fn named<'a>(spans: &'a [Json], name: &str) -> &'a Json {
    let is = |span: &&Json| span["name"] == name;
    spans.iter().find(is).unwrap_or_else(|| panic!("no {name} in {spans:#?}"))
}

/// An attribute of a span.
fn attribute(span: &Json, name: &str) -> Option<String> {
    let all = span["attributes"].as_array().unwrap();
    let found = all.iter().find(|it| it["key"] == name)?;
    let value = found["value"].as_object().unwrap().values().next().unwrap();
    Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

/// This configuration, with traces that go there.
pub(crate) fn traced(world: &World, collector: &Collector) {
    world.file("collector", "open-sesame");
    let said = format!(
        "version: 1\ntraces:\n  endpoint: http://{}\n  headers: {{x-token: file:collector}}\n",
        collector.address
    );
    world.edit("version: 1\n", &said);
}

/// Contacts of three systems.
fn three(contacts: usize) -> World {
    let world = World::contacts(contacts);
    let desk = CONTACTS
        .replace("erp.db\"}\n", "erp.db\"}\n  desk: {url: \"sqlite:desk.db\"}\n")
        .replace("erp: CUSTOMER}", "erp: CUSTOMER, desk: people}")
        .replace("erp: EMAIL}", "erp: EMAIL, desk: mail}")
        .replace("erp: CNAME}", "erp: CNAME, desk: full_name}");
    world.file("syncline.yaml", &desk);
    world.sql("desk", "create table people(id integer primary key, mail text, full_name text)");
    world.run(&["run", "--yes"]).ends(0, &[]);
    world
}

#[test]
fn one_trace_spans_the_read_at_the_origin_and_the_writes_to_all_others() {
    let (world, collector) = (three(3), Collector::open());
    traced(&world, &collector);
    let server = Server::start(&world);

    world.sql("crm", "update contacts set name = 'Ada Unseen' where id = 2");

    let whole = ["change contacts", "read crm", "merge contacts", "write erp", "write desk"];
    eventually(
        "the trace has arrived",
        || whole.iter().all(|name| names(&collector.trace_of("change contacts")).contains(name)),
        || format!("{:#?}", collector.spans()),
    );
    drop(server);
    let trace = collector.trace_of("change contacts");
    assert_eq!(names(&trace), BTreeSet::from(whole), "{trace:#?}");
    let root = named(&trace, "change contacts");
    assert!(root["parentSpanId"].is_null(), "{root:#}");
    assert_eq!(attribute(root, "syncline.origin").as_deref(), Some("crm"));
    assert_eq!(attribute(root, "syncline.operation").as_deref(), Some("update"));
    let record = attribute(root, "syncline.record").unwrap();
    let nanos = |span: &Json, at: &str| span[at].as_str().unwrap().parse::<u128>().unwrap();
    for span in trace.iter().filter(|span| *span != root) {
        assert_eq!(span["parentSpanId"], root["spanId"], "{span:#}");
        assert_eq!(attribute(span, "syncline.record"), Some(record.clone()), "{span:#}");
        let (from, to) = (nanos(span, "startTimeUnixNano"), nanos(span, "endTimeUnixNano"));
        assert!(from <= to && from >= nanos(root, "startTimeUnixNano"), "{span:#}\n{root:#}");
    }
    let write = named(&trace, "write erp");
    let is = |name: &str, value: &str| {
        assert_eq!(attribute(write, name).as_deref(), Some(value), "{write:#}");
    };
    is("db.system.name", "sqlite");
    is("db.collection.name", "CUSTOMER");
    is("db.operation.name", "UPDATE");
    is("syncline.entity", "contacts");
    // Who sends is known by the header, and no value is in what is sent.
    let bodies = collector.bodies.lock().unwrap().clone();
    for (head, body) in &bodies {
        assert!(head.starts_with("POST /v1/traces "), "{head}");
        assert!(head.contains("x-token: open-sesame"), "{head}");
        let text = body.to_string();
        assert!(!text.contains("Unseen") && !text.contains("example.com"), "{text}");
    }
    let service = bodies[0].1["resourceSpans"][0]["resource"]["attributes"][0].clone();
    assert_eq!(service, json!({"key": "service.name", "value": {"stringValue": "syncline"}}));
}

#[test]
fn a_write_that_is_refused_says_why_in_its_trace() {
    let (world, collector) = (World::in_step(2), Collector::open());
    traced(&world, &collector);
    world.sql(
        "erp",
        "create trigger no before update on CUSTOMER begin select raise(abort, 'not today'); end",
    );
    let server = Server::start(&world);

    world.sql("crm", "update contacts set name = 'Ada' where id = 1");

    let error = || {
        let trace = collector.trace_of("change contacts");
        let write = trace.iter().find(|span| span["name"] == "write erp")?;
        assert_eq!(write["status"]["code"], 2, "{write:#}");
        attribute(write, "error.type")
    };
    eventually(
        "the refusal is in the trace",
        || error().is_some_and(|code| code.starts_with("write.")),
        || format!("{:#?}", collector.spans()),
    );
    drop(server);
}

#[test]
fn a_caller_s_trace_goes_on_to_what_was_decided_and_written() {
    let (world, collector) = (disputed(2, 1), Collector::open());
    traced(&world, &collector);
    let server = Server::start(&world);
    let caller = ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    let json = ("content-type", "application/json");

    let settled = "/api/v1/conflicts/1/resolve";
    let answer = server.send("POST", settled, &[caller, json], r#"{"take": "erp"}"#);
    assert_eq!(answer.status, 200, "{answer:?}");
    let refused = server.send("POST", settled, &[caller, json], r#"{"take": "erp"}"#).json();

    let whole =
        ["POST /api/v1/conflicts/{id}/resolve", "change contacts", "merge contacts", "write crm"];
    eventually(
        "the trace has arrived",
        || whole.iter().all(|name| names(&collector.trace_of(whole[0])).contains(name)),
        || format!("{:#?}", collector.spans()),
    );
    let trace = collector.trace_of(whole[0]);
    let server_span = named(&trace, whole[0]);
    assert_eq!(server_span["traceId"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(server_span["parentSpanId"], "00f067aa0ba902b7");
    assert_eq!(attribute(server_span, "http.response.status_code").as_deref(), Some("200"));
    assert_eq!(named(&trace, "change contacts")["parentSpanId"], server_span["spanId"]);
    // A refusal says which trace it is in.
    assert_eq!(refused["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736", "{refused}");
}

#[test]
fn a_webhook_s_trace_goes_on_to_the_other_systems() {
    let (town, collector) = (calling(Town::with(3)), Collector::open());
    traced(&town.world, &collector);
    let (daemon, address) = serve(&town);
    rename(&town, "c2@example.com", "Ada");

    let body = json!({"type": "customers.updated", "data": {"id": 2}}).to_string();
    let mut headers = signed("m-1", 0, body.as_bytes());
    let caller = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    headers.push(("traceparent", caller.to_owned()));
    assert_eq!(send(&address, "/hooks/shop", &headers, body.as_bytes()), 202);

    let whole = ["POST /hooks/{system}", "change contacts", "read shop", "write crm"];
    eventually(
        "the trace has arrived",
        || whole.iter().all(|name| names(&collector.trace_of(whole[0])).contains(name)),
        || format!("{}\n{:#?}", daemon.log(), collector.spans()),
    );
    let trace = collector.trace_of(whole[0]);
    assert_eq!(trace[0]["traceId"], "4bf92f3577b34da6a3ce929d0e0e4736");
    let change = named(&trace, "change contacts");
    assert_eq!(change["parentSpanId"], named(&trace, whole[0])["spanId"]);
    assert_eq!(attribute(change, "syncline.trigger").as_deref(), Some("hook"));
}

#[test]
fn requests_to_a_rest_system_belong_to_the_trace_of_the_change_and_to_none_without_a_collector() {
    let (town, collector) = (Town::with(3), Collector::open());
    let proxy = town.behind_a_proxy();
    town.world.run(&["run", "--yes"]).ends(0, &[]);
    assert!(proxy.writes() > 0);
    assert!(proxy.seen().iter().all(|asked| asked.header("traceparent").is_none()));

    traced(&town.world, &collector);
    let already = proxy.seen().len();
    let server = Server::start(&town.world);
    town.world.sql("crm", "update contacts set first_name = 'Ada' where id = 2");

    let whole = || names(&collector.trace_of("write shop")).contains("change contacts");
    eventually("the trace has arrived", whole, || server.log());
    let seen = proxy.seen();
    let traced: Vec<&str> =
        seen.iter().skip(already).map(|it| it.header("traceparent").unwrap()).collect();
    let trace = collector.trace_of("write shop");
    let write = named(&trace, "write shop");
    let said = |key: &str| write[key].as_str().unwrap().to_owned();
    let expected = format!("00-{}-{}-01", said("traceId"), said("spanId"));
    let wrote = seen.iter().rfind(|asked| asked.writes()).unwrap();
    assert_eq!(wrote.header("traceparent"), Some(expected.as_str()));
    let reads = traced.iter().filter(|said| said.ends_with("-00")).count();
    assert!(reads > 0, "reads belong to no change: {traced:?}");
}

#[test]
fn a_collector_that_is_down_delays_nothing_and_is_said_once() {
    let (world, collector) = (World::in_step(2), Collector::open());
    traced(&world, &collector);
    collector.status.store(503, Ordering::SeqCst);
    let server = Server::start(&world);

    for name in ["Ada", "Eva"] {
        world.sql("crm", &format!("update contacts set name = '{name}' where id = 1"));
        let sql = "select CNAME from CUSTOMER where EMAIL = 'c1@example.com'";
        let log = || server.log();
        eventually("it is written", || world.value("erp", sql) == name, log);
    }
    eventually("it is said", || server.log().contains("traces.wait"), || server.log());
    collector.status.store(200, Ordering::SeqCst);
    world.sql("crm", "update contacts set name = 'Ida' where id = 2");

    eventually("traces arrive again", || !collector.spans().is_empty(), || server.log());
    eventually("that is said", || server.log().contains("traces.sent"), || server.log());
    let log = server.log();
    assert_eq!(log.matches("traces.wait").count(), 1, "{log}");
    assert!(log.contains("traces.lost"), "{log}");
    assert!(!log.contains("open-sesame") && !log.contains(&collector.address.to_string()), "{log}");
}

#[test]
fn a_conflict_is_told_with_its_trace_and_without_values() {
    let (world, collector) = (World::in_step(3), Collector::open());
    traced(&world, &collector);
    // Neither system may be read in between.
    world.sql("crm", "update contacts set status = 'customer' where id = 2");
    world.sql("erp", "update CUSTOMER set STAT = '7', CNAME = 'Unseen' where NO = 3");
    let server = Server::start(&world);
    world.run(&["pause", "contacts"]).ends(0, &[]);
    world.sql("crm", "update contacts set status = null where id = 1");
    world.sql("erp", "update CUSTOMER set STAT = '1' where NO = 1");

    world.run(&["resume", "contacts"]).ends(0, &[]);

    let said = |event: &str| {
        let log = server.log();
        let is = |line: &&str| line.contains(&format!("\"event\":\"{event}\""));
        log.lines().find(is).map(|line| serde_json::from_str::<Json>(line).unwrap())
    };
    let log = || server.log();
    eventually("it is told", || said("conflict.opened").is_some(), log);
    let told = said("conflict.opened").unwrap();
    for (name, value) in [
        ("level", json!("warn")),
        ("code", json!("conflict.opened")),
        ("entity", json!("contacts")),
        ("field", json!("status")),
        ("conflict", json!(1)),
        ("msg", json!("crm and erp both changed status of a record")),
        ("fix", json!("syncline conflicts show 1")),
    ] {
        assert_eq!(told[name], value, "{told:#}");
    }
    assert_eq!(told["trace_id"].as_str().map(str::len), Some(32), "{told:#}");
    eventually("what is set aside, too", || said("record.quarantined").is_some(), log);
    assert!(!server.log().contains("Unseen"), "{}", server.log());
}

#[test]
fn what_the_file_says_of_traces_is_checked() {
    let world = World::in_step(1);
    for (said, code) in [
        ("{endpoint: collector}", "config.value"),
        ("{endpoint: \"http://me:secret@collector\"}", "config.value"),
        ("{headers: {a: env:B}}", "config.missing_key"),
        ("{endpoint: \"http://127.0.0.1:4318\", ratio: 1}", "config.unknown_key"),
    ] {
        let said = format!("version: 1\ntraces: {said}\n");
        world.file("syncline.yaml", &CONTACTS.replace("version: 1\n", &said));
        world.run(&["check"]).ends(2, &[code, "syncline.yaml:2"]);
    }
    // The key is described, and a secret that is not there keeps the daemon from starting.
    let schema = world.run(&["config", "schema"]).json();
    assert!(schema["$defs"]["traces"]["properties"]["endpoint"].is_object(), "{schema}");
    let said = "version: 1\ntraces: {endpoint: \"http://127.0.0.1:4318\", headers: {a: env:NOT_THERE_AT_ALL}}\n";
    world.file("syncline.yaml", &CONTACTS.replace("version: 1\n", said));
    world.run(&["serve", "--yes"]).ends(3, &["secret.unresolved", "traces.headers.a"]);
}
