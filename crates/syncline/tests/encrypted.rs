//! A daemon that speaks TLS by itself, and what it says to whoever starts it by hand.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value as Json;

use crate::{
    hooks::address,
    serve::{Daemon, eventually},
    world::{Done, World, command, finished},
};

/// A certificate for `localhost` from an authority of this name, both in this folder.
fn certificate(folder: &Path, authority: &str) {
    fs::write(folder.join("names"), "subjectAltName=DNS:localhost").unwrap();
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    for words in [
        format!(
            "req -x509 {key} -keyout ca.key -out {authority}.pem -days 30 -subj /CN={authority}"
        ),
        format!("req {key} -keyout tls.key -out tls.csr -subj /CN=localhost"),
        format!(
            "x509 -req -in tls.csr -CA {authority}.pem -CAkey ca.key -CAcreateserial -extfile names \
             -days 30 -out tls.pem"
        ),
    ] {
        let mut made = Command::new("openssl");
        let made = made.args(words.split_whitespace()).current_dir(folder).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }
}

/// Contacts in step, a token, and a certificate.
fn world() -> World {
    let world = World::in_step(2);
    world.edit(
        "entities:",
        "server: {tokens: \"file:tokens.yaml\", tls: {cert: \"file:tls.pem\", key: \"file:tls.key\"}}\n\
         entities:",
    );
    certificate(&world.path(""), "one");
    let made = world.run(&["tokens", "new", "ada", "--role", "admin", "--json"]).json();
    world.file("token", made["result"]["token"].as_str().unwrap());
    world
}

/// Asks the daemon from elsewhere, believing this authority.
fn asked(world: &World, address: &str, authority: &str) -> Done {
    let port = address.rsplit(':').next().unwrap();
    let url = format!("https://localhost:{port}");
    let words = ["status", "--json", "--server", &url, "--token-file", "token"];
    let mut command = command(&world.path(""), &words);
    finished(command.env("SSL_CERT_FILE", world.path(&format!("{authority}.pem"))))
}

#[test]
fn with_a_certificate_it_listens_beyond_this_machine_and_a_new_one_is_taken_at_a_hangup() {
    let world = world();
    let daemon = Daemon::start(&world.path(""), &["--listen", "0.0.0.0:0"]);
    daemon.says("https://0.0.0.0");
    let address = address(&daemon);
    let status = asked(&world, &address, "one").ends(0, &[]).json();
    assert_eq!(status["result"]["entities"][0]["entity"], "contacts");

    certificate(&world.path(""), "two");
    asked(&world, &address, "one").ends(0, &[]);
    daemon.signal("HUP");
    let is_new = || asked(&world, &address, "two").code == 0;
    eventually("the new certificate is shown", is_new, || daemon.log());
    asked(&world, &address, "one").ends(3, &["connect."]);

    // One that cannot be shown changes nothing.
    world.file("tls.key", "no key");
    daemon.signal("HUP");
    daemon.says("server.tls");
    asked(&world, &address, "two").ends(0, &[]);
    daemon.stop().ends(143, &[]);
    world.run(&["serve"]).ends(2, &["server.tls", "tls.key", "nothing was started"]);
}

#[test]
fn what_is_not_encrypted_is_not_answered() {
    use std::io::{Read as _, Write as _};
    let world = world();
    let daemon = Daemon::start(&world.path(""), &["--listen", "127.0.0.1:0"]);
    let mut stream = std::net::TcpStream::connect(address(&daemon)).unwrap();
    stream.write_all(b"GET /api/v1/status HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP"), "{}", String::from_utf8_lossy(&answer));
    daemon.stop().ends(143, &[]);
}

#[test]
fn check_says_what_is_missing_to_listen_beyond_this_machine() {
    let world = World::contacts(1);
    for (server, missing) in [
        ("listen: \"0.0.0.0:7700\"", Some("asks nobody for a token")),
        ("listen: \"0.0.0.0:7700\", tokens: \"file:t.yaml\"", Some("in the open")),
        (
            "listen: \"0.0.0.0:7700\", tokens: \"file:t.yaml\", public_url: \"https://sync.example\"",
            None,
        ),
        (
            "listen: \"0.0.0.0:7700\", tokens: \"file:t.yaml\", tls: {cert: \"file:a\", key: \"file:b\"}",
            None,
        ),
        ("tls: {cert: \"file:a\"}", Some("`key`")),
        ("tls: {cert: \"env:A\", key: \"file:b\"}", Some("takes a file")),
    ] {
        let before = fs::read_to_string(world.path("syncline.yaml")).unwrap();
        world.edit("entities:", &format!("server: {{{server}}}\nentities:"));
        match missing {
            Some(words) => world.run(&["check"]).ends(2, &[words, "syncline.yaml:"]),
            None => world.run(&["check"]).ends(0, &[]),
        };
        world.file("syncline.yaml", &before);
    }
}

/// Starts `serve` as a person does, at a terminal, and gives what the terminal shows once it is ready.
fn by_hand(world: &World, arguments: &str) -> (std::process::Child, String) {
    let program = env!("CARGO_BIN_EXE_syncline");
    let mut command = Command::new("script");
    command.args(["-qfec", &format!("exec {program} serve {arguments}"), "terminal"]);
    command.current_dir(world.path("")).env("NO_COLOR", "1").env("USER", "steward1");
    let child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let shown = || fs::read_to_string(world.path("terminal")).unwrap_or_default();
    eventually("it is ready", || shown().contains("in step") || shown().contains("ready"), shown);
    (child, shown())
}

/// Ends it as a person does, with Ctrl-C.
fn interrupted(mut child: std::process::Child) {
    use std::io::Write as _;
    child.stdin.take().unwrap().write_all(b"\x03").unwrap();
    child.wait().unwrap();
}

/// The word of the dashboard's line behind this one.
fn behind<'a>(shown: &'a str, words: &str) -> &'a str {
    let line = shown.lines().find(|line| line.contains("dashboard ")).expect("a dashboard");
    line.split(words).nth(1).unwrap_or_else(|| panic!("{line}")).split_whitespace().next().unwrap()
}

/// What somebody is answered who asks with this token.
fn status_of(url: &str, token: Option<&str>) -> u16 {
    use std::io::{Read as _, Write as _};
    let address = url.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let proof = token.map(|token| format!("authorization: Bearer {token}\r\n"));
    let head = format!(
        "GET /api/v1/status HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{}\r\n",
        proof.unwrap_or_default()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn who_starts_it_by_hand_gets_a_dashboard_with_a_token_that_ends_with_it() {
    let world = World::in_step(1);
    let (child, shown) = by_hand(&world, "");
    let (url, token) = (behind(&shown, "dashboard "), behind(&shown, "until this ends): "));
    assert_eq!(status_of(url, None), 401);
    assert_eq!(status_of(url, Some(token)), 200);
    // A script that starts it opens nothing that the file does not say.
    interrupted(child);
    let daemon = Daemon::start(&world.path(""), &[]);
    assert!(!daemon.log().contains("serve.listens"), "{}", daemon.log());
    daemon.stop().ends(143, &[]);
}

#[test]
fn the_first_token_is_shown_once_and_stands_on_the_books() {
    let world = World::in_step(1);
    world.edit(
        "entities:",
        "server: {listen: \"127.0.0.1:0\", tokens: \"file:tokens.yaml\"}\nentities:",
    );
    let (child, shown) = by_hand(&world, "");
    let (url, token) = (behind(&shown, "dashboard "), behind(&shown, "(shown once): "));
    assert_eq!((status_of(url, None), status_of(url, Some(token))), (401, 200));
    let known: Json = world.run(&["tokens", "--json"]).json();
    assert_eq!(known["result"][0]["name"], "first");
    assert_eq!(known["result"][0]["role"], "admin");
    world.run(&["audit"]).ends(0, &["tokens.new", "first"]);
    let hub = fs::read(world.path("syncline.hub.db")).unwrap();
    let kept = [hub, fs::read(world.path("tokens.yaml")).unwrap()].concat();
    assert!(!kept.windows(token.len()).any(|it| it == token.as_bytes()), "it is nowhere");
    interrupted(child);
    fs::remove_file(world.path("terminal")).unwrap();
    let (again, shown) = by_hand(&world, "");
    assert!(!shown.contains("syn_"), "{shown}");
    interrupted(again);
}
