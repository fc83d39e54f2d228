//! People and programs are told what waits for them, and when it is over; a sink that is down delays
//! nothing, and nothing that was to be told is lost.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::hmac;
use serde_json::Value as Json;

use crate::{
    api::Server,
    serve::{Daemon, eventually},
    world::World,
};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    path: String,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Told {
    fn json(&self) -> Json {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
}

/// Whoever is told over HTTP, and answers with a status.
pub(crate) struct Sink {
    pub(crate) address: String,
    told: Arc<Mutex<Vec<Told>>>,
    status: Arc<AtomicU16>,
}

impl Sink {
    pub(crate) fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (told, status) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicU16::new(200)));
        let (heard, answer) = (told.clone(), status.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                let status = answer.load(Ordering::Relaxed);
                if let Some(one) = take(&stream, status) {
                    heard.lock().unwrap().push(one);
                }
            }
        });
        Self { address, told, status }
    }

    fn answers(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }

    /// What was told at this path.
    pub(crate) fn heard(&self, path: &str) -> Vec<Told> {
        let told = self.told.lock().unwrap();
        told.iter().filter(|one| one.path == path).cloned().collect()
    }

    /// The events that were told at this path.
    fn events(&self, path: &str) -> Vec<String> {
        let told = self.heard(path).into_iter();
        told.map(|one| one.json()["type"].as_str().unwrap_or_default().to_owned()).collect()
    }
}

fn take(stream: &TcpStream, status: u16) -> Option<Told> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let path = first.split(' ').nth(1)?.to_owned();
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(':') else { break };
        headers.push((name.to_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length")?.1.parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    { stream }.write_all(answer.as_bytes()).ok()?;
    (status < 300).then(|| Told { path, headers, body: String::from_utf8(body).unwrap() })
}

/// A mail server that takes everything.
struct MailServer {
    port: u16,
    mails: Arc<Mutex<Vec<String>>>,
}

impl MailServer {
    fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let mails = Arc::new(Mutex::new(Vec::new()));
        let boxes = mails.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if let Some(mail) = converse(&stream) {
                    boxes.lock().unwrap().push(mail);
                }
            }
        });
        Self { port, mails }
    }
}

/// RFC 5321, as far as a client that sends one mail needs it.
fn converse(stream: &TcpStream) -> Option<String> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let say = |line: &str| { stream }.write_all(format!("{line}\r\n").as_bytes()).ok();
    say("220 here")?;
    let mut mail = None;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return mail;
        }
        match line.get(..4).unwrap_or_default() {
            "DATA" => {
                say("354 go on")?;
                let mut text = String::new();
                while !text.ends_with("\r\n.\r\n") {
                    reader.read_line(&mut text).ok()?;
                }
                mail = Some(text);
                say("250 taken")?;
            }
            "QUIT" => {
                say("221 bye")?;
                return mail;
            }
            _ => say("250 fine")?,
        }
    }
}

/// Contacts in step, whose names a person decides about, and who is told.
fn world(contacts: usize, alerts: &str) -> World {
    let world = World::in_step(contacts);
    world.edit("erp: CNAME}", "erp: CNAME, conflicts: manual}");
    world.run(&["run"]);
    world.file("secret", SECRET);
    let file = std::fs::read_to_string(world.path("syncline.yaml")).unwrap();
    world.file("syncline.yaml", &format!("{file}{alerts}"));
    world.run(&["check"]).ends(0, &[]);
    world
}

// No signature reads like these: a space is not in its alphabet.
const ADA: &str = "Ada L.";
const EVA: &str = "Eva K.";

/// Both sides change the same name.
fn disagree(world: &World, ids: std::ops::RangeInclusive<u32>) {
    let (first, last) = (ids.start(), ids.end());
    let between = format!("between {first} and {last}");
    world.sql("crm", &format!("update contacts set name = '{ADA}' where id {between}"));
    world.sql("erp", &format!("update CUSTOMER set CNAME = '{EVA}' where NO {between}"));
}

fn channels(sink: &Sink) -> String {
    let address = &sink.address;
    format!(
        "alerts:
  channels:
    ops: {{slack: file:slack, private: true}}
    oncall: {{pagerduty: file:key, url: \"http://{address}/pager\", private: true}}
    siem: {{webhook: \"http://{address}/siem\", secret: file:secret, private: true}}
  rules:
    - {{event: [conflict_opened, guard_tripped, system_down], to: [ops, oncall]}}
    - {{event: \"*\", to: siem}}
"
    )
}

fn told_world(contacts: usize) -> (World, Sink) {
    let sink = Sink::open();
    let home = channels(&sink);
    let world = world(contacts, &home);
    world.file("slack", &format!("http://{}/slack", sink.address));
    world.file("key", "R0UT1NG");
    world.run(&["run"]);
    sink.told.lock().unwrap().clear();
    (world, sink)
}

#[test]
fn a_conflict_is_told_and_so_is_its_end() {
    let (world, sink) = told_world(3);
    disagree(&world, 1..=2);
    world.run(&["run"]).ends(4, &[]);

    let said = sink.heard("/slack");
    assert_eq!(said.len(), 1, "{said:?}");
    let text = said[0].json()["text"].as_str().unwrap().to_owned();
    assert_eq!(text, "contacts: 2 conflicts opened; 2 wait. Next: syncline conflicts list");
    let paged = sink.heard("/pager")[0].json();
    assert_eq!(
        (&paged["event_action"], &paged["routing_key"]),
        (&"trigger".into(), &"R0UT1NG".into())
    );
    assert!(sink.events("/siem").contains(&"conflict.opened".into()), "{:?}", sink.events("/siem"));
    // Signed, as the standard says it.
    let one = sink.heard("/siem").remove(0);
    let key = STANDARD.decode(SECRET.strip_prefix("whsec_").unwrap()).unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    let (id, at) = (one.header("webhook-id"), one.header("webhook-timestamp"));
    let tag = STANDARD.encode(hmac::sign(&key, format!("{id}.{at}.{}", one.body).as_bytes()));
    assert_eq!(one.header("webhook-signature"), format!("v1,{tag}"));
    // No value of a field is in any of it.
    let all = format!("{:?}", sink.told.lock().unwrap());
    assert!(!all.contains(ADA) && !all.contains(EVA), "{all}");

    // Nothing is told twice; one that is settled is no news for people, all of them are.
    world.run(&["run"]);
    assert_eq!(sink.heard("/slack").len(), 1);
    world.run(&["conflicts", "resolve", "1", "--take", "crm"]).ends(0, &[]);
    assert_eq!(sink.heard("/slack").len(), 1);
    assert!(sink.events("/siem").contains(&"conflict.resolved".into()));
    world.run(&["conflicts", "resolve", "2", "--take", "crm"]).ends(0, &[]);
    let said = sink.heard("/slack").pop().unwrap().json();
    assert_eq!(said["text"], "contacts: no conflict waits any more");
    let over = sink.heard("/pager").pop().unwrap().json();
    assert_eq!(
        (&over["event_action"], &over["dedup_key"]),
        (&"resolve".into(), &paged["dedup_key"])
    );
}

#[test]
fn programs_may_be_told_in_cloudevents_with_one_id_however_often_it_is_sent() {
    let sink = Sink::open();
    let rules = channels(&sink)
        .replace("secret: file:secret,", "secret: file:secret, format: cloudevents,")
        .replace(
            "    - {event: [conflict",
            "    - {event: conflict_waiting, after: 1s, to: siem}\n    - {event: [conflict",
        );
    let world = world(2, &rules);
    world.file("slack", &format!("http://{}/slack", sink.address));
    world.file("key", "R0UT1NG");
    world.run(&["run"]);
    // Whoever tells and does not see the answer in time tells again, with the same id: ids are counted.
    let loads = || {
        let told = sink.heard("/siem").into_iter();
        let loads = told.filter(|one| one.json()["type"] == "syncline.config.loaded");
        let ids = loads.map(|one| one.header("webhook-id").to_owned());
        ids.collect::<std::collections::BTreeSet<String>>().len()
    };
    // What is told last is answered a moment before it is noted.
    let heard = || format!("{:?}", sink.told.lock().unwrap());
    eventually("the configuration is told", || loads() == 1, heard);
    disagree(&world, 1..=1);
    sink.answers(503);
    world.run(&["run"]).ends(4, &[]);
    sink.answers(200);
    let told = |kind: &str| sink.heard("/siem").into_iter().find(|one| one.json()["type"] == kind);
    let tried = || {
        world.run(&["run"]);
        told("syncline.conflict.waiting").is_some() && told("syncline.conflict.opened").is_some()
    };
    eventually("it is told", tried, || format!("{:?}", sink.told.lock().unwrap()));
    let one = told("syncline.conflict.opened").unwrap();
    assert_eq!(one.header("content-type"), "application/cloudevents+json");
    let event = one.json();
    assert_eq!((&event["specversion"], &event["subject"]), (&"1.0".into(), &"contacts".into()));
    assert_eq!(event["id"], one.header("webhook-id"));
    assert!(event["source"].as_str().unwrap().starts_with("urn:syncline:"), "{event}");
    assert_eq!(
        (&event["data"]["open"], &event["datacontenttype"]),
        (&1.into(), &"application/json".into())
    );
    let all = format!("{:?}", sink.told.lock().unwrap());
    assert!(!all.contains(ADA) && !all.contains(EVA), "{all}");
    // The same configuration is told once, another one again.
    assert_eq!(loads(), 1);
    world.edit("after: 1s", "after: 2s");
    world.run(&["run"]);
    eventually("the other one is told", || loads() == 2, heard);
}

#[test]
fn a_sink_that_is_down_delays_nothing_and_is_told_later() {
    let (world, sink) = told_world(2);
    sink.answers(503);
    disagree(&world, 1..=1);
    world.run(&["run"]).ends(4, &[]);
    assert!(sink.heard("/slack").is_empty());
    sink.answers(200);
    // The next try is some seconds later, by whoever runs then.
    let tried = || {
        world.run(&["run"]);
        !sink.heard("/slack").is_empty()
    };
    eventually("it is told", tried, || format!("{:?}", sink.told.lock().unwrap()));
    assert!(sink.events("/siem").contains(&"conflict.opened".into()));
}

#[test]
fn a_daemon_tells_that_a_system_is_down_and_up_again() {
    let (world, sink) = told_world(2);
    let daemon = Daemon::start(&world.path(""), &[]);
    daemon.says("erp is listened to");
    std::fs::rename(world.path("erp.db"), world.path("erp.away")).unwrap();
    std::fs::create_dir(world.path("erp.db")).unwrap();
    world.sql("crm", "update contacts set name = 'Ida' where id = 1");
    let paged = |action: &str| {
        let paged = sink.heard("/pager");
        paged.iter().any(|one| {
            let one = one.json();
            one["event_action"] == action && one["payload"]["component"] == "erp"
        })
    };
    eventually("it is told that erp is down", || paged("trigger"), || daemon.log());
    std::fs::remove_dir(world.path("erp.db")).unwrap();
    std::fs::rename(world.path("erp.away"), world.path("erp.db")).unwrap();
    eventually("it is told that erp is up", || paged("resolve"), || daemon.log());
    let events = || sink.events("/siem");
    eventually("runs are told", || events().contains(&"run.finished".into()), || daemon.log());
}

#[test]
fn o9_a_conflict_is_told_within_seconds_and_every_count_of_them_is_that_of_the_books() {
    let (world, sink) = told_world(4);
    let server = Server::start(&world);
    disagree(&world, 1..=3);
    let began = Instant::now();
    let told = || sink.heard("/slack").iter().map(|told| told.body.clone()).collect::<String>();
    eventually(
        "they are told",
        || told().contains("3 conflicts opened"),
        || format!("{}\n{}", told(), server.log()),
    );
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());

    let opened = || {
        let changes = server.get("/changes?limit=100").is(200);
        let changes = changes["items"].as_array().unwrap().clone();
        changes.iter().filter(|it| it["kind"] == "conflict_opened").count() as u64
    };
    let counts = || {
        let metrics = server.send("GET", "/metrics", &[], "").body;
        let name = "syncline_conflicts_open{entity=\"contacts\"} ";
        let metric = metrics.lines().find_map(|line| line.strip_prefix(name)?.parse::<f64>().ok());
        let metric = metric.map(|count| count as u64);
        let listed = server.get("/conflicts?count=true").is(200)["total"].as_u64();
        let status = server.get("/status").is(200)["entities"][0]["conflicts"].as_u64();
        [metric, listed, status]
    };
    assert_eq!((counts(), opened()), ([Some(3); 3], 3));
    world.run(&["conflicts", "resolve", "2", "--take", "crm"]).ends(0, &[]);
    assert_eq!((counts(), opened()), ([Some(2); 3], 3), "one is settled, and stays on the books");
}

#[test]
fn a_field_that_is_paused_is_told_and_so_is_its_end() {
    let (world, sink) = told_world(2);
    world.sql("erp", "alter table CUSTOMER rename column STAT to STATE");
    world.run(&["run"]).ends(3, &["schema.drift"]);
    let told = sink.heard("/siem");
    let one = told.iter().find(|it| it.json()["type"] == "field.paused").unwrap();
    assert!(one.body.contains("contacts in erp: 1 field is paused"), "{one:?}");
    world.run(&["run"]).ends(3, &[]);
    world.sql("erp", "alter table CUSTOMER rename column STATE to STAT");
    world.run(&["run"]).ends(0, &[]);
    let told = sink.events("/siem");
    let of = |event: &str| told.iter().filter(|it| *it == event).count();
    assert_eq!((of("field.paused"), of("field.resumed")), (1, 1), "{told:?}");
}

#[test]
fn whoever_wants_nothing_more_is_told_nothing_more_and_mail_says_so() {
    let (sink, mail) = (Sink::open(), MailServer::open());
    let (address, port) = (&sink.address, mail.port);
    let alerts = format!(
        "alerts:
  smtp: {{host: 127.0.0.1, port: {port}, from: \"Syncline <sync@example.com>\", tls: off}}
  channels:
    siem: {{webhook: \"http://{address}/siem\", private: true}}
    office: {{email: [office@example.com]}}
  rules:
    - {{event: conflict_opened, to: [siem, office]}}
"
    );
    let world = world(3, &alerts);
    sink.answers(410);
    disagree(&world, 1..=1);
    world.run(&["run"]).ends(4, &[]);
    let mails = || mail.mails.lock().unwrap().join("\n");
    assert!(mails().contains("To: office@example.com"), "{}", mails());
    assert!(mails().contains("contacts: 1 conflict opened; 1 wait"), "{}", mails());
    disagree(&world, 2..=2);
    world.run(&["run"]).ends(4, &[]);
    assert!(mails().contains("no longer sent to siem"), "{}", mails());
    sink.answers(200);
    world.run(&["run"]);
    assert!(sink.heard("/siem").is_empty());
}

#[test]
fn nobody_in_a_private_network_is_called_unless_the_file_says_so() {
    let (world, sink) = told_world(2);
    world.edit(", private: true}", "}");
    disagree(&world, 1..=1);
    world.run(&["run"]).ends(4, &[]);
    assert!(sink.told.lock().unwrap().is_empty());
}

#[test]
fn rules_that_name_nobody_are_refused() {
    let world = World::contacts(0);
    let file = std::fs::read_to_string(world.path("syncline.yaml")).unwrap();
    let alerts = "alerts:
  channels:
    ops: {slack: env:X, webhook: \"https://a.example\"}
    office: {email: office@example.com}
  rules:
    - {event: conflict_opend, to: ops}
    - {event: stale, to: oops}
    - {event: record_waiting, to: office}
    - {event: error_rate, above: 5, to: office, entity: nothing}
";
    world.file("syncline.yaml", &format!("{file}{alerts}"));
    let words = [
        "takes one of slack, pagerduty, email, webhook",
        "nobody says how e-mail is sent",
        "did you mean `conflict_opened`?",
        "there is no channel `oops`",
        "`stale` needs `after: 10m`",
        "`record_waiting` needs `after: 4h`",
        "takes a share such as 5%",
        "there is no entity `nothing`",
    ];
    world.run(&["check"]).ends(2, &words);
}
