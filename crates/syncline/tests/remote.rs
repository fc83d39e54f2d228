//! `--server`: the commands, asked of a daemon elsewhere by somebody who has neither its hub nor its
//! configuration.

use std::{fs, net::TcpListener};

use crate::{
    api::{Server, disputed, guarded},
    serve::eventually,
    world::{Done, World, command, finished},
};

/// Somebody at another machine, with a token.
struct Far {
    folder: World,
    url: String,
}

impl Far {
    /// With a token of this role.
    fn with(server: &Server, token: &str) -> Self {
        let folder = World::empty();
        folder.file("token", &format!("{token}\n"));
        Self { folder, url: format!("http://{}", server.address) }
    }

    fn run(&self, arguments: &[&str]) -> Done {
        let server = ["--server", &self.url, "--token-file", "token"];
        let all: Vec<&str> = arguments.iter().chain(&server).copied().collect();
        finished(&mut command(&self.folder.path(""), &all))
    }
}

#[test]
fn what_is_looked_at_from_elsewhere_is_what_is_seen_where_the_hub_is() {
    let world = disputed(3, 2);
    let (server, token) = guarded(&world);
    let far = Far::with(&server, &token("ada", &["--role", "viewer"]));

    for looked in [
        vec!["conflicts", "list"],
        vec!["conflicts", "list", "--where", "field=name"],
        vec!["conflicts", "show", "1"],
        vec!["quarantine", "list"],
        vec!["quarantine", "list", "--causes"],
        vec!["conflicts", "list", "--causes"],
        vec!["conflicts", "list", "--causes", "--where", "field=name"],
        vec!["guards", "list"],
        vec!["history", "--limit", "3"],
        vec!["history", "contacts/crm:1", "--field", "name"],
        vec!["history", "run", "r-1"],
        vec!["explain", "contacts/crm:1", "name"],
    ] {
        let looked = [looked.as_slice(), &["--json"]].concat();
        let (here, there) = (world.run(&looked).json(), far.run(&looked).json());
        assert_eq!(there["result"], here["result"], "{looked:?}");
        assert_eq!((&there["ok"], &there["command"]), (&here["ok"], &here["command"]));
    }
    let status = far.run(&["status", "contacts", "--json"]).json();
    assert_eq!(status["result"]["entities"][0]["entity"], "contacts");
    assert_eq!(status["summary"], "2 things need you");

    // The screen is the same, but for how long ago things were.
    let still = |done: Done| -> String {
        let shown = done.ends(0, &["ENTITY", "contacts", "SYSTEM", "crm"]).stdout;
        shown.chars().filter(|letter| !letter.is_ascii_digit()).collect()
    };
    assert_eq!(still(far.run(&["status"])), still(world.run(&["status"])));
    far.run(&["conflicts"]).ends(0, &["RECORD", "contacts/crm:2", "Name 2 of the ERP"]);
    far.run(&["explain", "contacts/crm:1", "name"]).ends(0, &["FIELDS", "Name 1"]);
    far.run(&["audit"]).ends(0, &["WHO", "steward1"]);
    let plain = far.run(&["conflicts", "--plain"]).ends(0, &[]).stdout;
    assert_eq!(plain.lines().count(), 2, "{plain}");
    // Nothing was left behind there.
    assert_eq!(fs::read_dir(far.folder.path("")).unwrap().count(), 1);
}

#[test]
fn what_is_done_from_elsewhere_is_done_by_the_daemon_and_its_books_say_who_asked() {
    let world = disputed(4, 2);
    let (server, token) = guarded(&world);
    let far = Far::with(&server, &token("ada", &["--role", "operator"]));

    let done = far.run(&["conflicts", "resolve", "1", "--take", "erp", "--note", "called them"]);
    done.ends(0, &["1 conflict settled"]);
    let settled = far.run(&["conflicts", "show", "1", "--json"]).json();
    assert_eq!(settled["result"]["settled"]["who"], "token:ada: called them");
    far.run(&["conflicts", "resolve", "1", "--take", "erp"]).ends(2, &["usage.settled"]);
    let filter = ["conflicts", "resolve", "--where", "field=name", "--take", "crm", "--dry-run"];
    far.run(&filter).ends(0, &["would be settled"]);

    far.run(&["pause", "contacts", "--for", "2h"]).ends(0, &["contacts is neither read"]);
    far.run(&["run", "contacts"]).ends(5, &["run.paused"]);
    far.run(&["resume", "contacts"]).ends(0, &["contacts goes on"]);
    far.run(&["pause", "erp"]).ends(0, &["erp is neither read"]);
    far.run(&["resume", "erp"]).ends(0, &["erp goes on"]);

    // It is waited for: the envelope is that of the command.
    let ran = far.run(&["run", "--json"]).ends(0, &[]).json();
    assert_eq!((&ran["command"], &ran["ok"]), (&"run".into(), &true.into()), "{ran}");
    assert!(!ran["result"].is_null(), "{ran}");
    far.run(&["refresh", "contacts", "--full"]).ends(0, &[]);
    far.run(&["refresh", "contacts/crm:3"]).ends(0, &["read crm, erp"]);
    far.run(&["verify", "contacts"]).ends(0, &["BINDINGS"]);
    // All of them, one after the other.
    far.run(&["verify"]).ends(0, &["BINDINGS"]);
    far.run(&["retry", "--all"]).ends(0, &["nothing to try again"]);

    let books = || world.run(&["audit", "--actor", "token:ada", "--limit", "100"]).said();
    let words = ["conflicts.resolve", "called them", "pause", "resume", "run", "refresh", "retry"];
    let are_there = || words.iter().all(|word| books().contains(word));
    eventually("it is on the books", are_there, books);
}

#[test]
fn what_is_refused_elsewhere_ends_as_it_would_here() {
    let world = disputed(2, 1);
    let (server, token) = guarded(&world);
    let secret = token("screen", &["--role", "viewer"]);
    let far = Far::with(&server, &secret);

    let resolve = ["conflicts", "resolve", "1", "--take", "erp"];
    far.run(&resolve).ends(3, &["error[server.role]", "fix:"]);
    far.run(&["conflicts", "show", "99"]).ends(2, &["error[usage.unknown_number]"]);
    far.run(&["status", "nobody"]).ends(2, &["there is no entity or system `nobody`"]);
    for here_only in [
        vec!["doctor"],
        vec!["plan"],
        vec!["tokens"],
        vec!["verify", "contacts", "--repair"],
        vec!["audit", "--verify-chain"],
        vec!["pause"],
    ] {
        far.run(&here_only).ends(2, &["error[usage.remote]"]);
    }
    let envelope = far.run(&["conflicts", "show", "99", "--json"]).ends(2, &[]).json();
    assert_eq!(envelope["error"]["code"], "usage.unknown_number");

    far.folder.file("token", "syn_nonsense");
    far.run(&["status"]).ends(3, &["error[server.token]"]);
    far.folder.file("token", "");
    far.run(&["status"]).ends(2, &["error[usage.server]", "it holds no token"]);
    far.folder.file("secret", &secret);
    let ask = |url: &str| {
        let all = ["status", "--server", url, "--token-file", "secret"];
        let done = finished(&mut command(&far.folder.path(""), &all));
        assert!(!done.said().contains(&secret), "{}", done.said());
        done
    };
    // The token leaves this machine in no other way than encrypted.
    ask("http://192.0.2.1:7700").ends(2, &["usage.server", "in the clear"]);
    ask("ftp://127.0.0.1").ends(2, &["usage.server", "neither https nor http"]);
    ask("http://ada:pw@127.0.0.1:7700").ends(2, &["usage.server", "a password"]);
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    ask(&format!("http://{nobody}")).ends(3, &["error[connect.unreachable]"]);
    let url = format!("http://{nobody}");
    let run = ["run", "contacts", "--server", &url, "--token-file", "secret"];
    let unheard = finished(&mut command(&far.folder.path(""), &run));
    unheard.ends(3, &["error[connect.unreachable]", "nothing: nobody was reached"]);
}

#[test]
fn many_that_wait_for_one_cause_are_left_alone_from_elsewhere() {
    let world = World::in_step(3);
    world.sql("crm", "update contacts set status = 'strange' where id < 3");
    world.run(&["run"]).ends(4, &["2 set aside"]);
    let (server, token) = guarded(&world);
    let far = Far::with(&server, &token("ada", &["--role", "steward"]));
    far.run(&["quarantine", "list", "--causes"]).ends(0, &["map.unknown_value"]);
    let all =
        ["quarantine", "drop", "--code", "map.unknown_value", "--reason", "typed by a script"];

    far.run(&[&all[..], &["--dry-run"]].concat()).ends(0, &["2 entries would be left alone"]);
    far.run(&["quarantine", "list"]).ends(0, &["contacts/crm:1", "contacts/crm:2"]);
    far.run(&all).ends(0, &["2 entries are left alone"]);

    far.run(&["quarantine", "list"]).ends(0, &["nothing is held back"]);
    world.run(&["audit"]).ends(0, &["quarantine.drop", "token:ada"]);
}
