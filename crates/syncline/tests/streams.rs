//! Many who listen to what happens, and nobody who waits for them.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use crate::{api::Server, serve::eventually, world::World};

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
