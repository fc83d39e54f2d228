//! A CRM in SQLite and a server that others wrote: Parse, as npm has it, on a PostgreSQL of its own.
//!
//! What is odd about it is said by the file: it answers a create with a number and a time, changes by
//! PUT what a PUT names, knows us by two headers, and what it counts (`count=1`) is an estimate of
//! PostgreSQL's, so that no `total` is said. It is installed below the target directory once;
//! where there is no npm, or no registry behind it, that is said aloud, and nothing is checked.

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::{Value as Json, json};

use crate::{
    hooks::address,
    npm,
    serve::{Daemon, eventually},
    servers::postgres,
    world::World,
};

/// The server beside a CRM, until the test ends.
struct Parse {
    world: World,
    port: u16,
    server: Child,
}

impl Drop for Parse {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Parse {
    /// `None`: it cannot be had here, and that was said.
    fn start() -> Option<Self> {
        let program = match npm::installed("parse-server-9", &["parse-server@9", "pg"]) {
            Ok(modules) => modules.join("parse-server"),
            Err(why) => {
                eprintln!("NOT CHECKED: parse-server cannot be installed: {why}");
                return None;
            }
        };
        let world = World::empty();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let log = File::create(world.path("parse.log")).unwrap();
        let server = Command::new("node")
            .arg(program.join("bin/parse-server"))
            .args(["--appId", "town", "--masterKey", "master-key", "--webhookKey", "hook-key"])
            .args(["--databaseURI", &postgres().database("parse")])
            .args(["--host", "127.0.0.1", "--port", &port.to_string()])
            .args(["--serverURL", &format!("http://127.0.0.1:{port}/parse")])
            .current_dir(world.path(""))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let parse = Self { world, port, server };
        let is_up = || parse.try_ask("GET", "health", &Json::Null).is_some();
        let log = || fs::read_to_string(parse.world.path("parse.log")).unwrap_or_default();
        eventually("Parse is up", is_up, log);
        Some(parse)
    }

    /// One request as its own clients make it; `None` if nobody answers, or not with success.
    fn try_ask(&self, method: &str, path: &str, body: &Json) -> Option<Json> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
        let body = if body.is_null() { String::new() } else { body.to_string() };
        write!(
            stream,
            "{method} /parse/{path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
             x-parse-application-id: town\r\nx-parse-master-key: master-key\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        head.starts_with("HTTP/1.1 2").then(|| serde_json::from_str(body).unwrap_or_default())
    }

    #[track_caller]
    fn ask(&self, method: &str, path: &str, body: &Json) -> Json {
        self.try_ask(method, path, body).unwrap()
    }

    /// The one customer with this address; NULL if there is none.
    fn customer(&self, email: &str) -> Json {
        let listed = self.ask("GET", "classes/Customer?limit=100", &Json::Null);
        let items = listed["results"].as_array().unwrap();
        let mut found = items.iter().filter(|item| item["email"] == email);
        let first = found.next().cloned().unwrap_or_default();
        assert!(found.next().is_none(), "{email} is there twice: {listed}");
        first
    }

    /// Somebody changes what is said of the customer with this address.
    fn change(&self, email: &str, what: &Json) {
        let id = self.customer(email)["objectId"].as_str().unwrap().to_owned();
        self.ask("PUT", &format!("classes/Customer/{id}"), what);
    }

    fn remove(&self, email: &str) {
        let id = self.customer(email)["objectId"].as_str().unwrap().to_owned();
        self.ask("DELETE", &format!("classes/Customer/{id}"), &Json::Null);
    }

    fn in_crm(&self, sql: &str) -> String {
        self.world.value("crm", sql)
    }
}

/// A Parse with one customer, a CRM with six, and the file that keeps them the same.
fn town() -> Option<Parse> {
    let parse = Parse::start()?;
    let kinds = json!({
        "email": {"type": "String"}, "name": {"type": "String"}, "city": {"type": "String"},
        "visits": {"type": "Number"}, "notes": {"type": "String"},
    });
    parse.ask("POST", "schemas/Customer", &json!({"className": "Customer", "fields": kinds}));
    let cleo = json!({"email": "cleo@example.com", "name": "Cleo", "visits": 7, "notes": "theirs"});
    parse.ask("POST", "classes/Customer", &cleo);
    let world = &parse.world;
    world.sql(
        "crm",
        "create table customers(id integer primary key, email text not null unique, name text,
             city text, visits integer);
         with recursive n(i) as (select 1 union all select i + 1 from n where i < 6)
         insert into customers(email, name, city, visits)
         select 'c' || i || '@example.com', 'Name ' || i, 'Town ' || i, i from n;",
    );
    for (file, secret) in [("app", "town"), ("master", "master-key"), ("hook", "hook-key")] {
        world.file(file, secret);
    }
    let file = r#"version: 1
systems:
  crm: {url: "sqlite:crm.db"}
  parse:
    url: http://127.0.0.1:PORT/parse/
    headers: {X-Parse-Application-Id: file:app, X-Parse-Master-Key: file:master}
    detect:
      webhook:
        style: bearer
        header: X-Parse-Webhook-Key
        secrets: [file:hook]
        topic: $.object.className
        topics: {Customer: {resource: customers, item: $.object}}
      fallback: {poll: 1h}
    resources:
      customers:
        path: classes/Customer?order=objectId
        items: $.results
        key: objectId
        cursor: updatedAt
        since: 'where=%7B"updatedAt":%7B"$gte":%7B"__type":"Date","iso":"{cursor}"%7D%7D%7D'
        next: {offset: skip}
        size: {limit: 3}
        absent: null
        get: classes/Customer/{objectId}
        create: {post: classes/Customer, find: 'where=%7B"email":"{email}"%7D'}
        update: {put: "classes/Customer/{objectId}", sends: changes}
entities:
  customers:
    in: {crm: customers, parse: {resource: customers, changed_at: updatedAt}}
    match: email
    fields:
      email: {crm: email, parse: email}
      name: {crm: name, parse: name}
      city: {crm: city, parse: city}
      visits: {type: int, crm: visits, parse: visits}
"#;
    world.file("syncline.yaml", &file.replace("PORT", &parse.port.to_string()));
    Some(parse)
}

#[test]
fn a_parse_and_a_crm_are_the_same_both_ways_and_it_calls() {
    let Some(parse) = town() else { return };
    let world = &parse.world;
    world.run(&["doctor", "parse"]).ends(0, &["class E"]);
    world.run(&["run", "--yes"]).ends(0, &[]);
    assert_eq!(parse.in_crm("select count(*) from customers"), "7");
    assert_eq!(parse.in_crm("select visits from customers where name = 'Cleo'"), "7");
    assert_eq!(parse.customer("c6@example.com")["city"], "Town 6");
    world.agrees();

    // Somebody works on each side; what is not ours stays.
    world.sql("crm", "update customers set name = 'Nora', city = null where id = 3");
    world.sql("crm", "update customers set city = 'Berlin' where name = 'Cleo'");
    world.sql("crm", "delete from customers where id = 5");
    parse.change("c4@example.com", &json!({"visits": 40}));
    parse.remove("c6@example.com");
    parse.ask("POST", "classes/Customer", &json!({"email": "zoe@example.com", "name": "Zoe"}));
    world.run(&["run"]).ends(0, &[]);
    world.run(&["refresh", "customers", "--full"]).ends(0, &[]);
    let nora = parse.customer("c3@example.com");
    assert_eq!((&nora["name"], &nora["city"]), (&json!("Nora"), &Json::Null));
    let cleo = parse.customer("cleo@example.com");
    assert_eq!((&cleo["city"], &cleo["notes"]), (&json!("Berlin"), &json!("theirs")));
    assert_eq!(parse.customer("c5@example.com"), Json::Null);
    assert_eq!(parse.in_crm("select visits from customers where id = 4"), "40");
    assert_eq!(parse.in_crm("select count(*) from customers where id = 6"), "0");
    assert_eq!(parse.in_crm("select count(*) from customers where name = 'Zoe'"), "1");
    world.agrees();

    // From here on it calls.
    let daemon = Daemon::start(&world.path(""), &["--listen", "127.0.0.1:0"]);
    let url = format!("http://{}/hooks/parse", address(&daemon));
    for trigger in ["afterSave", "afterDelete"] {
        let hook = json!({"className": "Customer", "triggerName": trigger, "url": url});
        parse.ask("POST", "hooks/triggers", &hook);
    }
    daemon.says("parse is listened to");
    let becomes = |sql: &str, value: &str| {
        let seen = || format!("{}\n{}", parse.in_crm(sql), daemon.log());
        eventually(&format!("{sql} is {value}"), || parse.in_crm(sql) == value, seen);
    };
    parse.change("c1@example.com", &json!({"name": "Ada"}));
    becomes("select name from customers where id = 1", "Ada");
    parse.ask("POST", "classes/Customer", &json!({"email": "new@example.com", "name": "New"}));
    becomes("select count(*) from customers where name = 'New'", "1");
    parse.remove("c2@example.com");
    becomes("select count(*) from customers where id = 2", "0");
    world.sql("crm", "update customers set name = 'Bo' where id = 4");
    let is_bo = || parse.customer("c4@example.com")["name"] == "Bo";
    eventually("Bo is in Parse", is_bo, || daemon.log());
    daemon.stop().ends(143, &[]);
    let heard = world.run(&["hooks", "list", "parse", "--json"]).json();
    assert!(heard["result"].as_array().unwrap().len() >= 3, "{heard}");
    world.agrees();
}
