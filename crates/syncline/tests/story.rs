//! What people and programs read, word for word: a story told with the commands, and every
//! command's answer to `--json`. What differs from run to run (times, ids) stands in brackets.

use expect_test::{ExpectFile, expect_file};

use crate::world::World;

/// Plays the commands, in the order of the text, and blesses what they say.
struct Story {
    world: World,
    told: String,
}

impl Story {
    fn begin(world: World) -> Self {
        Self { world, told: String::new() }
    }

    /// A remark.
    fn say(&mut self, remark: &str) {
        self.told.push_str(&format!("# {remark}\n"));
    }

    /// A command as people type it, with everything that it said.
    #[track_caller]
    fn run(&mut self, code: i32, line: &str) {
        let done = self.world.run(&words(line)).ends(code, &[]);
        let exit = if code == 0 { String::new() } else { format!("   (exit {code})") };
        self.told.push_str(&format!("$ syncline {line}{exit}\n"));
        for said in [&done.stdout, &done.stderr] {
            said.lines().for_each(|line| self.told.push_str(&format!("{}\n", plain(line))));
        }
        self.told.push('\n');
    }

    /// A command as programs run it, with its envelope.
    #[track_caller]
    fn json(&mut self, code: i32, line: &str) {
        let words = [vec!["--json".to_owned()], words(line)].concat();
        let done = self.world.run(&words).ends(code, &[]);
        self.told.push_str(&format!("$ syncline --json {line}\n"));
        // Most commands say one object; those that stream say one a line.
        for said in done.stdout.lines() {
            let object: serde_json::Value = serde_json::from_str(said).unwrap();
            let text = serde_json::to_string_pretty(&object).unwrap();
            text.lines().for_each(|line| self.told.push_str(&format!("{}\n", brief(line))));
        }
        self.told.push('\n');
    }

    #[track_caller]
    fn ends(&self, file: &ExpectFile) {
        file.assert_eq(&self.told);
    }
}

/// What differs from run to run, or is long: times, folders and scripts.
fn brief(line: &str) -> String {
    let differs = [
        ("\"seconds\": ", "<number>"),
        ("\"p50_delay_ms\": ", "<number>"),
        ("\"p95_delay_ms\": ", "<number>"),
        ("\"took_ms\": ", "<number>"),
        ("\"from_ms\": ", "<number>"),
        ("\"to_ms\": ", "<number>"),
        ("\"busy_ms\": ", "<number>"),
        ("\"script\": ", "<text>"),
    ];
    for (name, shown) in differs {
        if let Some((indent, value)) = line.split_once(name)
            && value != "null"
        {
            return format!("{indent}{name}{shown}");
        }
    }
    plain(line)
}

/// The words of a command line; quotes hold words together.
fn words(line: &str) -> Vec<String> {
    let parts = line.split('"').enumerate();
    let words = parts.flat_map(|(index, part)| match index % 2 {
        0 => part.split_whitespace().map(str::to_owned).collect(),
        _ => vec![part.to_owned()],
    });
    words.collect()
}

/// The line without what differs from run to run. Columns are as wide as what stands in them, so
/// inner blanks shrink to two.
fn plain(line: &str) -> String {
    let body = line.trim_start();
    let indent = line.len() - body.len();
    let mut told = String::new();
    let mut blanks = 0;
    for word in body.split(' ') {
        if word.is_empty() {
            blanks += 1;
            continue;
        }
        if !told.is_empty() {
            told.push_str(if blanks > 0 { "  " } else { " " });
        }
        blanks = 0;
        let known = |part: &str| {
            let core = part.trim_matches(|letter: char| !letter.is_ascii_alphanumeric());
            bracket(core).map_or_else(|| part.to_owned(), |name| part.replacen(core, name, 1))
        };
        told.push_str(&word.split('/').map(known).collect::<Vec<_>>().join("/"));
    }
    // A span is a number and its unit; both differ.
    for unit in ["s", "min"] {
        told = told.replace(&format!("<number> {unit}"), "<span>");
    }
    format!("{}{told}", " ".repeat(indent))
}

/// What a word is that differs from run to run.
fn bracket(word: &str) -> Option<&'static str> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_id = |text: &str| {
        (12..=26).contains(&text.len())
            && text.starts_with("01")
            && text.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
    };
    let is_hex = |text: &str| {
        text.len() == 6
            && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
            && text.bytes().any(|byte| byte.is_ascii_digit())
    };
    match word {
        word if is_id(word) => Some("<id>"),
        // To the second, or to the microsecond.
        word if (20..=27).contains(&word.len())
            && word.ends_with('Z')
            && word.get(10..11) == Some("T") =>
        {
            Some("<time>")
        }
        word if word.len() == 5 && word.get(2..3) == Some(":") => Some("<clock>"),
        word if word
            .split_once('.')
            .is_some_and(|(a, b)| digits(a) && digits(b) && b.len() == 1) =>
        {
            Some("<number>")
        }
        word if is_hex(word) => Some("<plan>"),
        _ => None,
    }
}

#[test]
fn a_first_day_reads_so() {
    let mut story = Story::begin(World::contacts(3));
    story.say("the ERP has one of them, by another name and a code of its own, and one more");
    story.world.sql(
        "erp",
        "insert into CUSTOMER values (7, 'c2@example.com', 'Two', '1'), (9, 'x@example.com', null, '5')",
    );
    story.run(0, "status");
    story.run(0, "check --online");
    story.run(5, "run");
    story.run(0, "plan --out first.plan");
    story.run(5, "apply first.plan");
    story.run(4, "apply first.plan --yes");
    story.run(0, "status");
    story.run(0, "conflicts");
    story.run(0, "conflicts show 2");
    story.run(0, "conflicts resolve 2 --take erp --note \"credit hold confirmed\" --remember");
    story.run(0, "conflicts show 2");
    story.run(0, "explain contacts/email=c2@example.com status");
    story.run(0, "history contacts/email=c2@example.com");
    story.run(0, "quarantine");
    story.run(0, "quarantine show 1");
    story.say("somebody mends the code in the ERP");
    story.world.sql("erp", "update CUSTOMER set STAT = '0' where NO = 9");
    story.run(0, "run");
    story.run(0, "retry --all");
    story.run(0, "verify");
    story.say("a phone call: one name changes");
    story.world.sql("crm", "update contacts set name = 'Ann' where id = 1");
    story.run(10, "verify");
    story.run(10, "plan --exit-code");
    story.run(0, "run");
    story.run(0, "refresh contacts/crm:1");
    story.run(0, "pause erp --writes-only --for 2h");
    story.run(0, "status");
    story.run(0, "resume erp");
    story.ends(&expect_file!["story/first_day.txt"]);
}

#[test]
fn a_bad_day_reads_so() {
    let mut story = Story::begin(World::in_step(60));
    story.say("the ERP lost a table");
    story.world.sql("erp", "alter table CUSTOMER rename to AWAY");
    story.run(3, "run");
    story.world.sql("erp", "alter table AWAY rename to CUSTOMER");
    story.say("the ERP lost its rows");
    story.world.sql("erp", "create table KEPT as select * from CUSTOMER; delete from CUSTOMER");
    story.run(5, "run");
    story.run(0, "status");
    story.run(0, "guards");
    story.run(0, "guards show 1");
    story.run(0, "guards dismiss 1");
    story.world.sql("erp", "insert into CUSTOMER select * from KEPT");
    story.run(0, "run");
    story.say("somebody writes all names anew");
    story.world.sql("crm", "update contacts set name = upper(name)");
    story.run(0, "plan");
    story.run(5, "run");
    story.run(0, "run --allow updates");
    story.say("the ERP is away");
    std::fs::rename(story.world.path("erp.db"), story.world.path("away.db")).unwrap();
    story.run(3, "doctor");
    story.run(3, "run");
    story.run(0, "status");
    std::fs::rename(story.world.path("away.db"), story.world.path("erp.db")).unwrap();
    story.run(0, "run");
    story.run(0, "status");
    story.run(2, "run nobody");
    story.run(2, "explain contacts/crm:99");
    story.ends(&expect_file!["story/bad_day.txt"]);
}

#[test]
fn programs_read_so() {
    let mut story = Story::begin(World::contacts(2));
    story.world.sql(
        "erp",
        "insert into CUSTOMER values (7, 'c2@example.com', 'Two', '1'), (9, 'x@example.com', null, '5')",
    );
    story.json(0, "check");
    story.json(0, "doctor");
    story.json(0, "status");
    story.json(0, "plan --out first.plan");
    story.json(5, "run");
    story.json(4, "apply first.plan --yes");
    story.json(0, "status");
    story.json(0, "conflicts list");
    story.json(0, "conflicts show 2");
    story.json(0, "conflicts resolve 2 --keep-base --dry-run");
    story.json(0, "conflicts resolve 2 --take crm");
    story.json(0, "quarantine list");
    story.json(0, "quarantine show 1");
    story.json(4, "retry 1");
    story.json(0, "quarantine drop 1 --reason \"a test row\"");
    story.json(0, "explain contacts/crm:2 status");
    story.json(0, "history contacts/crm:2");
    story.json(0, "history run r-1");
    story.json(0, "verify");
    story.world.sql("erp", "update CUSTOMER set CNAME = 'Zwei' where NO = 7");
    story.json(10, "verify");
    story.json(0, "run");
    story.json(0, "refresh contacts");
    story.json(0, "refresh contacts/crm:1");
    story.json(0, "guards list");
    story.json(0, "pause contacts");
    story.json(5, "run contacts");
    story.json(0, "resume contacts");
    story.json(1, "test");
    story.json(0, "help guard.first_run");
    story.json(0, "version");
    story.ends(&expect_file!["story/programs.txt"]);
}

#[test]
fn programs_begin_so() {
    let world = World::contacts(1);
    std::fs::remove_file(world.path("syncline.yaml")).unwrap();
    let mut story = Story::begin(world);
    story.json(0, "init --from sqlite:crm.db --from sqlite:erp.db");
    story.json(2, "init --from sqlite:crm.db");
    story.world.file("syncline.yaml", crate::world::CONTACTS);
    story.json(0, "config show");
    story.json(0, "completions bash");
    story.ends(&expect_file!["story/beginnings.txt"]);
}

#[test]
fn programs_read_the_demo_so() {
    let mut story = Story::begin(World::empty());
    story.json(0, "demo --keep kept");
    // What a REST system stamped a moment ago is looked at twice, and a moment is short.
    for count in 10..=20 {
        story.told = story.told.replace(&format!("  {count} checked"), "  <number> checked");
    }
    story.ends(&expect_file!["story/demo.txt"]);
}
