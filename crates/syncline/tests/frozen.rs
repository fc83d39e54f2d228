//! A line that freezes: it takes what is sent, and nothing comes through any more, nor is it ever closed.
//! Who is behind it keeps nobody else waiting, and people are told what is waited for.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex},
    thread,
};

use crate::{
    serve::eventually,
    servers::{Server, postgres},
    world::World,
};

/// A line to a server.
struct Line {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    frozen: Mutex<Frozen>,
    thaws: Condvar,
}

#[derive(Default)]
struct Frozen {
    is_frozen: bool,
    /// It freezes when who calls sends this.
    freezes_at: Option<&'static str>,
}

impl Line {
    fn to(server: &Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, port) = (listener.local_addr().unwrap(), server.port);
        let state = Arc::new(State::default());
        let own = state.clone();
        thread::spawn(move || {
            for caller in listener.incoming() {
                let Ok(caller) = caller else { return };
                let Ok(called) = TcpStream::connect(("127.0.0.1", port)) else { continue };
                let ends = (caller.try_clone().unwrap(), called.try_clone().unwrap());
                let (there, back) = (own.clone(), own.clone());
                thread::spawn(move || there.carry(caller, called, true));
                thread::spawn(move || back.carry(ends.1, ends.0, false));
            }
        });
        Self { address, state }
    }

    /// The same database over this line.
    fn url(&self, url: &str, server: &Server) -> String {
        url.replace(&format!(":{}/", server.port), &format!(":{}/", self.address.port()))
    }

    fn freeze(&self) {
        self.state.frozen.lock().unwrap().is_frozen = true;
    }

    fn freeze_at(&self, word: &'static str) {
        self.state.frozen.lock().unwrap().freezes_at = Some(word);
    }

    fn is_frozen(&self) -> bool {
        self.state.frozen.lock().unwrap().is_frozen
    }

    fn thaw(&self) {
        *self.state.frozen.lock().unwrap() = Frozen::default();
        self.state.thaws.notify_all();
    }
}

impl State {
    /// Carries what comes from one end to the other, whenever that is possible.
    fn carry(&self, mut from: TcpStream, mut to: TcpStream, is_asking: bool) {
        let mut bytes = [0; 16 << 10];
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            let mut frozen = self.frozen.lock().unwrap();
            let text = String::from_utf8_lossy(&bytes[..count]);
            if is_asking && frozen.freezes_at.is_some_and(|word| text.contains(word)) {
                frozen.is_frozen = true;
            }
            drop(self.thaws.wait_while(frozen, |frozen| frozen.is_frozen).unwrap());
            if to.write_all(&bytes[..count]).is_err() {
                return;
            }
        }
        let _gone = to.shutdown(std::net::Shutdown::Both);
    }
}

const FILE: &str = r#"version: 1
systems:
  crm: {url: "sqlite:crm.db"}
  erp: {url: "ERP", statement_timeout: 1s, connect_timeout: 1s}
  desk: {url: "sqlite:desk.db"}
entities:
  contacts:
    in: {crm: contacts, erp: customer, desk: people}
    match: email
    fields:
      email: {crm: email, erp: email, desk: mail}
      name: {crm: name, erp: name, desk: name}
  places:
    in: {crm: places, desk: towns}
    match: name
    fields: {name: {crm: name, desk: name}}
"#;

/// An ERP behind a line, before a desk that stands behind it in the file; three contacts, one town.
fn office() -> (World, Line, String) {
    let (server, line) = (postgres(), Line::to(postgres()));
    let erp = server.database("erp");
    server.execute(
        &erp,
        "create table customer (no serial primary key, email text unique, name text)",
    );
    let world = World::with(&FILE.replace("ERP", &line.url(&erp, server)));
    world.sql(
        "crm",
        "create table contacts (id integer primary key, email text, name text);
         create table places (id integer primary key, name text);
         insert into contacts (email, name) values ('a@x', 'Ada'), ('b@x', 'Bo'), ('c@x', 'Cy');
         insert into places (name) values ('Rome');",
    );
    world.sql(
        "desk",
        "create table people (no integer primary key, mail text, name text);
         create table towns (no integer primary key, name text);",
    );
    (world, line, erp)
}

const COUNT: &str = "select count(*) from customer";

#[test]
fn a_target_that_freezes_while_it_is_written_is_given_up_and_the_others_have_theirs() {
    let (world, line, erp) = office();
    line.freeze_at("insert into");

    world.run(&["run", "--yes"]).ends(
        3,
        &["connect.unreachable", "\"erp\"", "no answer within 1 s", "syncline doctor erp"],
    );

    let all = "select (select count(*) from people) || (select count(*) from towns)";
    assert_eq!(world.value("desk", all), "31");
    assert!(line.is_frozen(), "the ERP was not asked");
    assert_eq!(postgres().execute(&erp, COUNT).trim(), "0");
    line.thaw();
    world.agrees();
    assert_eq!(postgres().execute(&erp, COUNT).trim(), "3");
}

#[test]
fn the_daemon_says_who_is_frozen_and_the_others_go_on() {
    let (world, line, erp) = office();
    world.run(&["run", "--yes"]).ends(0, &[]);
    let daemon = world.serve(&[]);
    daemon.says("desk is listened to (triggers)");
    line.freeze();

    world.sql("crm", "update contacts set name = 'Eva' where email = 'a@x'");

    world.becomes(&daemon, "desk", "select name from people where mail = 'a@x'", "Eva");
    daemon.says("erp is not written just now: connect.");
    daemon.says("no answer within 1 s");
    world.sql("desk", "update people set name = 'Bob' where mail = 'b@x'");
    world.becomes(&daemon, "crm", "select name from contacts where email = 'b@x'", "Bob");
    line.thaw();
    let names = "select string_agg(name, ' ' order by email) from customer";
    let there = || postgres().execute(&erp, names).trim() == "Eva Bob Cy";
    eventually("the ERP has it, too", there, || daemon.log());
    daemon.stop().ends(143, &[]);
    world.agrees();
}
