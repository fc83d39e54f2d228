//! Many who listen to what happens, many who are slow, a disk that is full: nobody else waits for them.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use crate::{
    api::Server,
    serve::{Daemon, eventually},
    world::World,
};

/// So many listen.
const STREAMS: usize = 500;

fn listen(server: &Server) -> TcpStream {
    let mut stream = TcpStream::connect(&server.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let head = format!("GET /api/v1/events HTTP/1.1\r\nhost: {}\r\n\r\n", server.address);
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

/// Reads on until this was heard.
fn hears(stream: &mut TcpStream, word: &str) {
    let (mut heard, mut part) = (String::new(), [0; 4_096]);
    while !heard.contains(word) {
        let read = stream.read(&mut part).unwrap();
        assert!(read > 0, "the stream ended: {heard}");
        heard.push_str(&String::from_utf8_lossy(&part[..read]));
    }
}

#[test]
fn five_hundred_who_listen_cost_little_and_delay_nothing() {
    let world = World::in_step(10);
    let server = Server::start(&world);
    let mut first = listen(&server);
    hears(&mut first, "event: status");
    let before = server.memory();

    let mut all: Vec<TcpStream> = (1..STREAMS).map(|_| listen(&server)).collect();
    for stream in &mut all {
        hears(stream, "event: status");
    }

    let more = server.memory().saturating_sub(before);
    assert!(more < 50_000_000, "{more} bytes");
    world.sql("crm", "update contacts set name = 'Ada' where id = 1");
    let sql = "select CNAME from CUSTOMER where EMAIL = 'c1@example.com'";
    eventually("it is written", || world.value("erp", sql) == "Ada", || server.log());
    // Whoever listens is told; whoever listens and does not read keeps nobody from that.
    for stream in all.iter_mut().skip(STREAMS / 2) {
        hears(stream, "event: change");
    }
    world.sql("crm", "update contacts set name = 'Eva' where id = 1");
    eventually("the next one, too", || world.value("erp", sql) == "Eva", || server.log());
    let more = server.memory().saturating_sub(before);
    assert!(more < 50_000_000, "{more} bytes");
}

#[test]
fn who_is_slow_is_sent_away_and_keeps_nobody_waiting() {
    let world = World::in_step(3);
    let server = Server::start(&world);
    let head = format!(
        "POST /api/v1/runs HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{{",
        server.address
    );
    let slow = |said: &str| {
        let mut stream = TcpStream::connect(&server.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.write_all(said.as_bytes()).unwrap();
        stream
    };
    // Some say half a body, some half a head, some nothing. (Who begins too many is asked to wait.)
    let mut bodies: Vec<TcpStream> = (0..5).map(|_| slow(&head)).collect();
    let _others: Vec<TcpStream> =
        (0..200).map(|at| slow(if at % 2 == 0 { "GET /api/v1/sta" } else { "" })).collect();

    server.get("/status").is(200);

    for stream in &mut bodies {
        hears(stream, "server.incomplete");
    }
    assert_eq!(server.get("/runs?kind=run").is(200)["items"].as_array().unwrap().len(), 1);
}

#[test]
fn a_full_disk_is_said_and_nothing_is_lost() {
    let world = World::in_step(300);
    let hub = ["", "-wal"].map(|end| world.path(&format!("syncline.hub.db{end}")));
    let size = |path: &std::path::PathBuf| path.metadata().map_or(0, |it| it.len());
    let bytes = hub.iter().map(size).max().unwrap() + 64 * 1_024;
    let server = Server::of(Daemon::on_a_full_disk(&world.path(""), bytes, "--listen 127.0.0.1:0"));

    world.sql("crm", "update contacts set name = hex(randomblob(4000))");

    let log = || server.log();
    eventually("it is said", || server.log().contains("hub.disk_full"), log);
    // Who looks sees what is there, and who wants to change something is told why not.
    assert_eq!(server.get("/status").is(200)["entities"][0]["records"], 300);
    let path = "/entities/contacts/pause";
    let refused = || server.act("POST", path, "{}");
    eventually(
        "a change is refused by name",
        || refused().body.contains("\"code\":\"hub.disk_full\""),
        || format!("{:?}", refused()),
    );
    drop(server);
    world.run(&["resume", "contacts"]);
    world.run(&["run", "--allow", "updates"]).ends(0, &[]);
    world.agrees();
    let names = "select count(*) from CUSTOMER where length(CNAME) = 8000";
    assert_eq!(world.value("erp", names), "300");
}
