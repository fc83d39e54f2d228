//! The daemon, as a person leaves it running: changes travel while it does, commands work beside it,
//! and whatever happens to it or to the systems, nothing is lost.

use std::{
    fs::File,
    os::unix::process::ExitStatusExt as _,
    path::Path,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use crate::world::{self, Done, MARKS, World};

mod alarms;
mod faults;
mod living;
mod soak;
mod triggers;

/// A daemon that runs in a folder; stopped hard with the test.
pub(crate) struct Daemon {
    child: Child,
    folder: std::path::PathBuf,
}

impl Daemon {
    /// Starts it and waits until it keeps in step.
    #[track_caller]
    pub(crate) fn start(folder: &Path, arguments: &[&str]) -> Self {
        let daemon = Self::launch(folder, arguments, &[]);
        daemon.says("serve.ready");
        daemon
    }

    /// Starts it.
    pub(crate) fn launch(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let all: Vec<&str> = ["serve"].iter().chain(arguments).copied().collect();
        let file = |name: &str| File::create(folder.join(name)).unwrap();
        let mut command = world::command(folder, &all);
        command.envs(environment.iter().copied()).stdin(Stdio::null());
        command.stdout(file("serve.out")).stderr(file("serve.log"));
        Self { child: command.spawn().unwrap(), folder: folder.to_path_buf() }
    }

    /// Starts it where no file can grow beyond so many bytes, as on a full disk.
    #[track_caller]
    pub(crate) fn on_a_full_disk(folder: &Path, bytes: u64, arguments: &str) -> Self {
        let program = env!("CARGO_BIN_EXE_syncline");
        let script =
            format!("trap '' XFSZ; ulimit -f {}; exec {program} serve {arguments}", bytes / 512);
        let mut command = std::process::Command::new("sh");
        command.args(["-c", &script]).current_dir(folder).env("NO_COLOR", "1");
        let file = |name: &str| File::create(folder.join(name)).unwrap();
        command.stdin(Stdio::null()).stdout(file("serve.out")).stderr(file("serve.log"));
        let daemon = Self { child: command.spawn().unwrap(), folder: folder.to_path_buf() };
        daemon.says("serve.ready");
        daemon
    }

    /// Everything that it said so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("serve.log")).unwrap()
    }

    /// Waits until it has said this.
    #[track_caller]
    pub(crate) fn says(&self, word: &str) {
        eventually(&format!("{word:?} is said"), || self.log().contains(word), || self.log());
    }

    /// Sends a signal, as the service manager or a person does.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        std::process::Command::new("kill").args(["-s", name, &id]).status().unwrap();
    }

    /// Its resident memory, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().split(' ').next().unwrap().parse::<u64>().unwrap() * 1_024
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn ended(mut self) -> Done {
        let code = eventually_some(
            "the daemon ends",
            || self.child.try_wait().unwrap(),
            || std::fs::read_to_string(self.folder.join("serve.log")).unwrap(),
        );
        Done {
            code: code.code().unwrap_or_else(|| 128 + code.signal().unwrap()),
            stdout: std::fs::read_to_string(self.folder.join("serve.out")).unwrap(),
            stderr: self.log(),
        }
    }

    /// Asks it to stop, and waits for that.
    #[track_caller]
    pub(crate) fn stop(self) -> Done {
        self.signal("TERM");
        self.ended()
    }

    /// Ends it as `kill -9` does.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until something is so; how long does not matter.
#[track_caller]
pub(crate) fn eventually(what: &str, is_so: impl Fn() -> bool, log: impl Fn() -> String) {
    eventually_some(what, || is_so().then_some(()), log);
}

#[track_caller]
fn eventually_some<T>(
    what: &str,
    mut found: impl FnMut() -> Option<T>,
    log: impl Fn() -> String,
) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{what}: not so.\n{}", log());
        std::thread::sleep(Duration::from_millis(10));
    }
}

impl World {
    /// Starts the daemon here.
    #[track_caller]
    pub(crate) fn serve(&self, arguments: &[&str]) -> Daemon {
        Daemon::start(&self.path(""), arguments)
    }

    /// Waits until a query gives this.
    #[track_caller]
    pub(crate) fn becomes(&self, daemon: &Daemon, system: &str, sql: &str, value: &str) {
        eventually(
            &format!("{system}: {sql} is {value}"),
            || self.value(system, sql) == value,
            || format!("{}\n{}", self.value(system, sql), daemon.log()),
        );
    }
}

const NAMES: &str = "select group_concat(CNAME, ' ') from (select * from CUSTOMER order by EMAIL)";

#[test]
fn changes_travel_while_it_runs() {
    let world = World::contacts(2);
    let daemon = world.serve(&["--yes"]);
    world.becomes(&daemon, "erp", NAMES, "Name 1 Name 2");

    world.sql("crm", "update contacts set name = 'Ada' where id = 1");
    world.becomes(&daemon, "erp", NAMES, "Ada Name 2");
    world.sql("erp", "update CUSTOMER set STAT = '1' where EMAIL = 'c2@example.com'");
    let status = "select status from contacts where id = 2";
    world.becomes(&daemon, "crm", status, "customer");
    world.sql("erp", "delete from CUSTOMER where EMAIL = 'c1@example.com'");
    world.becomes(&daemon, "crm", "select count(*) from contacts", "1");
    world.sql("crm", "insert into contacts (email, name, status) values ('a', 'New', 'lead')");
    world.becomes(&daemon, "erp", NAMES, "New Name 2");

    let done = daemon.stop().ends(143, &["serve.stopping", "serve.stopped"]);
    for line in done.stderr.lines() {
        let said: serde_json::Value = serde_json::from_str(line).expect(line);
        assert!(said["ts"].is_string() && said["event"].is_string(), "{line}");
    }
    world.agrees();
}

#[test]
fn changes_that_one_read_stands_for_are_on_the_books() {
    let world = World::in_step(2);
    let daemon = world.serve(&[]);
    daemon.says("crm is listened to");
    daemon.says("erp is listened to");
    let compared = || {
        let status = world.run(&["status", "--json"]).json();
        let systems = status["result"]["systems"].as_array().unwrap().clone();
        systems.iter().all(|system| system["last_full_compare"].is_string())
    };
    eventually("all is compared once", compared, || daemon.log());
    // One record three times, another there and back, a third that came and went: one transaction.
    let edits = ["Ada", "Eva", "Ida"].map(|name| format!("set name = '{name}' where id = 1;"));
    let back = ["X", "Name 2"].map(|name| format!("set name = '{name}' where id = 2;"));
    let all: String = edits.iter().chain(&back).map(|it| format!("update contacts {it}")).collect();
    let gone = "insert into contacts (id, email, name, status) values (9, 'n', 'N', 'lead');
        delete from contacts where id = 9;";
    world.sql("crm", &format!("begin; {all} {gone} commit;"));
    world.becomes(&daemon, "erp", NAMES, "Ida Name 2");
    daemon.says("superseded");
    daemon.stop().ends(143, &[]);

    let runs = "select max(number) from run where kind = 'serve' and message like '%superseded%'";
    let run = world.value("syncline.hub", runs);
    let line = "contacts crm  7 observed: 1 applied, 1 no op, 5 superseded";
    world.run(&["history", "run", &run]).ends(0, &[line]);
    let books = &world.run(&["history", "run", &run, "--json"]).json()["result"]["run"]["systems"];
    assert_eq!(books[0]["books"]["superseded"], 5, "{books}");
    let status = world.run(&["status", "--json"]).json();
    assert_eq!(status["result"]["entities"][0]["books"]["superseded"], 5, "{status}");
}

#[test]
fn what_changed_while_it_was_stopped_is_taken_at_the_start() {
    let world = World::in_step(3);
    world.serve(&[]).stop().ends(143, &[]);
    world.sql("crm", "update contacts set name = 'Ada' where id = 1");
    world.sql("erp", "delete from CUSTOMER where EMAIL = 'c2@example.com'");

    let daemon = world.serve(&[]);

    world.becomes(&daemon, "erp", NAMES, "Ada Name 3");
    world.becomes(&daemon, "crm", "select count(*) from contacts", "2");
}

#[test]
fn an_entity_that_was_never_approved_is_not_touched() {
    let world = World::contacts(1);
    let done = Daemon::launch(&world.path(""), &[], &[]).ended();
    done.ends(5, &["guard.first_run", "syncline serve --yes"]);
    assert_eq!(world.value("erp", "select count(*) from CUSTOMER"), "0");
}

#[test]
fn commands_borrow_the_hub() {
    let world = World::in_step(2);
    let daemon = world.serve(&[]);
    // Two who disagree: a person decides, while the daemon runs.
    world.run(&["pause"]).ends(0, &["positions are kept"]);
    world.sql("crm", "update contacts set status = 'customer', name = 'Ada' where id = 1");
    world.sql("erp", "update CUSTOMER set STAT = '0', CNAME = 'Eva' where NO = 2");
    world.sql("erp", "update CUSTOMER set STAT = '1', CNAME = 'Ida' where NO = 1");
    world.run(&["status"]).ends(0, &["paused"]);
    world.run(&["resume"]).ends(0, &["contacts goes on"]);

    world.becomes(&daemon, "crm", "select name from contacts where id = 2", "Eva");
    world.becomes(&daemon, "erp", "select CNAME from CUSTOMER where NO = 1", "Ada");
    world.run(&["run"]).ends(0, &["nothing changed"]);
    world.run(&["verify"]).ends(0, &["no difference"]);
    world.run(&["status"]).ends(0, &["live", "triggers"]);
    let place = || {
        let status = world.run(&["status", "--json"]).json();
        status["result"]["systems"][0]["position"].to_string()
    };
    eventually("it says how far it has heard", || place().contains("change "), place);
    daemon.stop().ends(143, &["serve.lends"]);
}

#[test]
fn a_borrower_that_dies_gives_the_hub_back() {
    let world = World::in_step(1);
    let daemon = world.serve(&[]);
    world.edit("match: email", "match: name");
    // It asks a person, who never answers, and is killed.
    let asks = format!("{} run", env!("CARGO_BIN_EXE_syncline"));
    let mut command = std::process::Command::new("script");
    command.args(["-qec", &asks, "/dev/null"]).current_dir(world.path(""));
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut borrower = command.spawn().unwrap();
    daemon.says("serve.lends");
    borrower.kill().unwrap();
    borrower.wait().unwrap();
    world.edit("match: name", "match: email");

    world.sql("crm", "update contacts set name = 'Ada'");
    world.becomes(&daemon, "erp", NAMES, "Ada");
}

#[test]
#[cfg(target_os = "linux")]
fn its_memory_is_nobody_elses() {
    let world = World::in_step(1);
    let daemon = world.serve(&[]);
    let of = |what: &str| std::fs::read_to_string(format!("/proc/{}/{what}", daemon.child.id()));
    let limits = of("limits").unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    let sizes: Vec<&str> = core.split_whitespace().skip(4).take(2).collect();
    assert_eq!(sizes, ["0", "0"], "{core}");
    // What nobody may dump or trace belongs to root there.
    let owner = std::os::unix::fs::MetadataExt::uid;
    let folder = format!("/proc/{}/environ", daemon.child.id());
    assert_eq!(owner(&std::fs::metadata(folder).unwrap()), 0);
    assert!(of("status").unwrap().contains("THP_enabled:\t0"), "{}", of("status").unwrap());
}

/// Another folder with the same configuration, of the same hub and systems.
fn elsewhere(world: &World) -> World {
    let folder = World::empty();
    let file = std::fs::read_to_string(world.path("syncline.yaml")).unwrap();
    let hub = world.path("syncline.hub.db");
    let system = |name: &str| format!("sqlite:{}", world.path(name).display());
    let file = file
        .replace("sqlite:crm.db", &system("crm.db"))
        .replace("sqlite:erp.db", &system("erp.db"))
        .replace("systems:", &format!("hub: {{path: \"{}\"}}\nsystems:", hub.display()));
    folder.file("syncline.yaml", &file);
    folder
}

#[test]
fn two_daemons_are_one_too_many() {
    let world = World::in_step(1);
    let daemon = world.serve(&[]);
    let folder = elsewhere(&world);

    let second = Daemon::launch(&folder.path(""), &[], &[]).ended();

    second.ends(3, &["hub.in_use"]);
    world.sql("crm", "update contacts set name = 'Ada'");
    world.becomes(&daemon, "erp", NAMES, "Ada");
}

#[test]
fn o7_a_daemon_that_hangs_keeps_its_hub_and_whoever_takes_over_makes_nothing_twice() {
    let world = World::in_step(2);
    // What is written leaves its mark, so that its fate is known at once.
    world.sql("erp", MARKS);
    let first = world.serve(&[]);
    first.says("crm is listened to");
    let insert = |number: usize| {
        let row = format!("('n{number}@x', 'New {number}', 'lead')");
        world.sql("crm", &format!("insert into contacts (email, name, status) values {row}"));
    };
    (0..40).for_each(&insert);
    // In the middle of whatever it does.
    first.signal("STOP");
    let folder = elsewhere(&world);
    Daemon::launch(&folder.path(""), &[], &[]).ended().ends(3, &["hub.in_use"]);
    (40..80).for_each(&insert);
    first.kill();

    let second = Daemon::start(&folder.path(""), &[]);

    world.becomes(&second, "erp", "select count(*) from CUSTOMER", "82");
    world.becomes(&second, "erp", "select count(distinct EMAIL) from CUSTOMER", "82");
    second.stop();
    world.agrees();
    assert_eq!(world.value("crm", "select count(*) from contacts"), "82");
}

#[test]
fn a_daemon_goes_on_without_a_column_that_is_gone() {
    let world = World::in_step(2);
    let daemon = world.serve(&[]);
    daemon.says("erp is listened to");

    world.sql("erp", "alter table CUSTOMER rename column STAT to STATE");
    world.sql("erp", "update CUSTOMER set CNAME = 'Eva' where EMAIL = 'c2@example.com'");
    daemon.says("contacts.status is paused there, all other fields go on");
    world.becomes(&daemon, "crm", "select name from contacts where id = 2", "Eva");
    world.sql("crm", "update contacts set name = 'Ada', status = 'customer' where id = 1");
    world.becomes(&daemon, "erp", NAMES, "Ada Eva");

    world.sql("erp", "alter table CUSTOMER rename column STATE to STAT");
    daemon.says("contacts.status is paused no more");
    let state = "select STAT from CUSTOMER where EMAIL = 'c1@example.com'";
    world.becomes(&daemon, "erp", state, "1");
    world.sql("erp", "update CUSTOMER set STAT = '0' where EMAIL = 'c1@example.com'");
    world.becomes(&daemon, "crm", "select status from contacts where id = 1", "lead");
}

#[test]
fn another_meaning_is_refused_and_another_pace_is_taken() {
    let world = World::in_step(1);
    let daemon = world.serve(&[]);

    world.edit("match: email", "match: name");
    daemon.signal("HUP");
    daemon.says("guard.config_changed");
    world.sql("crm", "update contacts set name = 'Ada'");
    world.becomes(&daemon, "erp", NAMES, "Ada");

    world.edit("match: name", "match: email");
    world.edit("\"sqlite:erp.db\"", "\"sqlite:erp.db\", detect: {poll: 50ms}");
    daemon.signal("HUP");
    daemon.says("serve.reloaded");
    world.sql("erp", "update CUSTOMER set CNAME = 'Eva'");
    world.becomes(&daemon, "crm", "select name from contacts", "Eva");
}

#[test]
fn a_schedule_is_kept() {
    let world = World::in_step(1);
    world.edit("    match: email", "    schedule: {every: 200ms}\n    match: email");
    let daemon = world.serve(&[]);
    daemon.says("contacts every 0.2 s");
    world.sql("crm", "update contacts set name = 'Ada'");
    world.becomes(&daemon, "erp", NAMES, "Ada");
    daemon.stop().ends(143, &[]);

    // A night is far away: nothing travels, until somebody asks.
    world.edit("{every: 200ms}", "{cron: \"0 2 29 2 *\"}");
    let daemon = world.serve(&[]);
    world.sql("crm", "update contacts set name = 'Eva'");
    world.run(&["status"]).ends(0, &["cron 0 2 29 2 *"]);
    assert_eq!(world.value("erp", NAMES), "Ada");
    world.run(&["run"]).ends(0, &["erp 1"]);
    assert_eq!(world.value("erp", NAMES), "Eva");
    daemon.stop().ends(143, &[]);
}

#[test]
fn it_reads_and_writes_nothing_if_that_is_asked() {
    let world = World::in_step(1);
    let daemon = world.serve(&["--read-only"]);
    world.sql("crm", "update contacts set name = 'Ada'");
    let known =
        || world.run(&["status", "--json"]).json()["result"]["entities"][0]["to_write"] == 1;
    eventually("the change is known", known, || daemon.log());
    assert_eq!(world.value("erp", NAMES), "Name 1");
    daemon.stop().ends(143, &[]);

    let daemon = world.serve(&["--paused"]);
    world.run(&["status"]).ends(0, &["paused"]);
    assert_eq!(world.value("erp", NAMES), "Name 1");
    world.run(&["resume"]).ends(0, &[]);
    world.becomes(&daemon, "erp", NAMES, "Ada");
}

#[test]
fn hours_keep_writes_back() {
    let world = World::in_step(1);
    // The one minute of the day that is as far away as can be.
    let now = world.value("crm", "select strftime('%H', 'now', '+12 hours')");
    let hours = format!("writes: {{hours: \"{now}:00-{now}:01\"}}");
    world.edit("\"sqlite:erp.db\"", &format!("\"sqlite:erp.db\", {hours}"));
    let daemon = world.serve(&[]);
    world.sql("crm", "update contacts set name = 'Ada'");
    let known =
        || world.run(&["status", "--json"]).json()["result"]["entities"][0]["to_write"] == 1;
    eventually("the change is known", known, || daemon.log());
    // The other way is open.
    world.sql("erp", "insert into CUSTOMER (EMAIL, CNAME, STAT) values ('x', 'Xenia', '0')");
    world.becomes(&daemon, "crm", "select count(*) from contacts", "2");
    assert_eq!(world.value("erp", "select CNAME from CUSTOMER where NO = 1"), "Name 1");
}

#[test]
fn a_system_is_written_no_faster_than_its_rate_and_others_do_not_wait() {
    let world = World::in_step(4);
    let paced = |rate: &str| format!("\"sqlite:erp.db\", writes: {{max_rate: {rate}}}");
    world.edit("\"sqlite:erp.db\"", &paced("1/h"));
    let daemon = world.serve(&[]);
    world.sql("crm", "update contacts set name = 'Ada'");
    world.becomes(&daemon, "erp", "select count(*) from CUSTOMER where CNAME = 'Ada'", "1");
    let why = || world.run(&["status"]).stdout.contains("3 to write at 1/h: 3 h");
    eventually("status says why it is behind", why, || daemon.log());
    let status = world.run(&["status", "--json"]).json();
    let link = &status["result"]["entities"][0]["links"][1];
    assert!(link["backlog"] == 3 && link["oldest_waiting"].is_string(), "{link}");
    assert!(link["last_write"].is_string() && link["p95_delay_ms"].is_number(), "{link}");
    // The other way has no rate.
    world.sql("erp", "update CUSTOMER set STAT = '1' where EMAIL = 'c4@example.com'");
    let status = "select status from contacts where id = 4";
    world.becomes(&daemon, "crm", status, "customer");
    assert_eq!(world.value("erp", "select count(*) from CUSTOMER where CNAME = 'Ada'"), "1");

    world.edit(&paced("1/h"), &paced("6000/m"));
    daemon.signal("HUP");
    world.becomes(&daemon, "erp", NAMES, "Ada Ada Ada Ada");
    daemon.stop().ends(143, &[]);
}

#[test]
fn a_mass_delete_is_held_and_a_person_lets_it_through() {
    let world = World::in_step(200);
    let daemon = world.serve(&[]);
    world.sql("crm", "delete from contacts where id > 100");
    daemon.says("guard.mass_delete");
    assert_eq!(world.value("erp", "select count(*) from CUSTOMER"), "200");
    // Others are not kept waiting by what is asked.
    world.run(&["guards", "list"]).ends(0, &["guard.mass_delete"]);
    world.run(&["guards", "apply", "1", "--yes"]).ends(0, &[]);
    world.becomes(&daemon, "erp", "select count(*) from CUSTOMER", "100");
}

#[test]
fn who_is_listened_to_is_not_read_whole_at_each_start() {
    let world = World::in_step(3);
    let daemon = world.serve(&[]);
    daemon.says("crm is listened to");
    daemon.says("erp is listened to");
    let known = "select count(*) from note where name like 'complete:%' and value <> ''";
    world.becomes(&daemon, "syncline.hub", known, "2");
    daemon.stop().ends(143, &[]);
    // Everything was compared an hour ago.
    let hour = "update note set value = (cast(value as integer) - 3600000000)
                || substr(value, instr(value, ' ')) where name like 'complete:%'";
    world.sql("syncline.hub", hour);
    let times = "select group_concat(value) from note where name like 'complete:%'";
    let before = world.value("syncline.hub", times);

    let daemon = world.serve(&[]);
    world.sql("crm", "update contacts set name = 'Ada' where id = 1");
    world.becomes(&daemon, "erp", NAMES, "Ada Name 2 Name 3");
    daemon.stop().ends(143, &[]);

    assert_eq!(world.value("syncline.hub", times), before);
}

#[test]
fn the_service_manager_is_told() {
    let world = World::in_step(1);
    let socket = std::os::unix::net::UnixDatagram::bind(world.path("notify")).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let place = world.path("notify").display().to_string();
    let environment = [("NOTIFY_SOCKET", place.as_str()), ("WATCHDOG_USEC", "300000")];
    let daemon = Daemon::launch(&world.path(""), &[], &environment);
    let hear = |word: &str| {
        let mut bytes = [0; 200];
        while {
            let count = socket.recv(&mut bytes).unwrap();
            !String::from_utf8_lossy(&bytes[..count]).contains(word)
        } {}
    };
    hear("READY=1");
    hear("WATCHDOG=1");
    hear("WATCHDOG=1");
    daemon.signal("TERM");
    hear("STOPPING=1");
    daemon.ended().ends(143, &[]);
}

#[test]
fn who_follows_sees_changes_pass() {
    let world = World::in_step(1);
    let daemon = world.serve(&[]);
    let out = File::create(world.path("tail.out")).unwrap();
    let mut tail = world.command(&["tail", "--entity", "contacts", "--json"]);
    let mut tail = tail.stdout(out).stdin(Stdio::null()).spawn().unwrap();
    let seen = || {
        // Until it has begun, it may miss a change: people go on changing.
        world.sql("crm", "update contacts set name = name || '.'");
        let text = std::fs::read_to_string(world.path("tail.out")).unwrap();
        text.contains("\"field\":\"name\"") && text.contains("\"system\":\"crm\"")
    };
    eventually("a change passes", seen, || daemon.log());
    std::process::Command::new("kill").arg(tail.id().to_string()).status().unwrap();
    assert_eq!(tail.wait().unwrap().code(), Some(143));
}

#[test]
fn killed_at_any_time_it_goes_on() {
    let world = World::in_step(20);
    for round in 0..6 {
        let daemon = world.serve(&[]);
        for edit in 0..10 {
            let id = 1 + (round * 7 + edit * 3) % 20;
            let sql = format!("update contacts set name = 'N{round}-{edit}' where id = {id}");
            world.sql("crm", &sql);
            let mail = 1 + (round * 5 + edit) % 20;
            let sql = format!(
                "update CUSTOMER set STAT = '{}' where EMAIL = 'c{mail}@example.com'",
                edit % 2
            );
            world.sql("erp", &sql);
        }
        daemon.kill();
    }
    world.agrees();
}
