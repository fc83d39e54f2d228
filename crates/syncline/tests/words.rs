//! Everything that a person or a program reads of the command line, in one form each.

use std::{collections::BTreeSet, fs, path::Path};

use expect_test::expect_file;

use crate::world::World;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Every command, with those below it.
const COMMANDS: &[&str] = &[
    "init",
    "discover",
    "check",
    "test",
    "doctor",
    "plan",
    "apply",
    "run",
    "status",
    "verify",
    "refresh",
    "guards",
    "guards list",
    "guards show",
    "guards apply",
    "guards dismiss",
    "history",
    "explain",
    "conflicts",
    "conflicts list",
    "conflicts show",
    "conflicts resolve",
    "quarantine",
    "quarantine list",
    "quarantine show",
    "quarantine edit",
    "quarantine drop",
    "hooks",
    "hooks list",
    "hooks replay",
    "hooks send",
    "retry",
    "forget",
    "keys rotate",
    "pause",
    "resume",
    "demo",
    "help",
    "config",
    "config show",
    "config schema",
    "config diff",
    "completions",
    "version",
    "",
];

#[test]
fn the_reference_of_commands_is_what_they_say() {
    let world = World::empty();
    let mut text = String::from(
        "# Commands\n\nWhat `--help` of every command says. Written by a test; `just bless` writes it anew.\n",
    );
    for command in COMMANDS.iter().copied() {
        let mut words: Vec<&str> = command.split_whitespace().collect();
        words.push("--help");
        let help = world.run(&words).ends(0, &["Usage:"]).stdout;
        let title = if command.is_empty() { "All" } else { command };
        let help: Vec<&str> = help.lines().map(str::trim_end).collect();
        text.push_str(&format!("\n## {title}\n\n```text\n{}\n```\n", help.join("\n").trim_end()));
    }
    expect_file![format!("{ROOT}/docs/reference/cli.md")].assert_eq(&text);
}

#[test]
fn every_command_answers_programs_in_one_envelope() {
    let world = World::in_step(2);
    let commands: [(&[&str], i32); 20] = [
        (&["check"], 0),
        (&["doctor"], 0),
        (&["plan"], 0),
        (&["run"], 0),
        (&["status"], 0),
        (&["verify"], 0),
        (&["refresh", "contacts"], 0),
        (&["refresh", "contacts/crm:1"], 0),
        (&["guards"], 0),
        (&["history"], 0),
        (&["explain", "contacts/crm:1", "name"], 0),
        (&["conflicts"], 0),
        (&["quarantine"], 0),
        (&["pause", "erp", "--writes-only", "--for", "2h"], 0),
        (&["resume"], 0),
        (&["help", "guard.mass_delete"], 0),
        (&["version"], 0),
        (&["apply", "none.plan", "--yes"], 1),
        (&["retry"], 2),
        (&["run", "nobody"], 2),
    ];
    for (command, code) in commands {
        let mut words = vec!["--json"];
        words.extend(command);
        let done = world.run(&words).ends(code, &[]);
        let envelope: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
        let keys: BTreeSet<&str> =
            envelope.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["command", "error", "ok", "result", "summary"].into(), "{command:?}");
        assert_eq!(envelope["command"], command[0], "{command:?}");
        assert_eq!(envelope["ok"], code == 0, "{command:?}");
        assert_eq!(envelope["error"].is_null(), code == 0, "{command:?}");
        assert_eq!(done.stdout.lines().count(), 1, "{command:?}");
    }
}

/// Codes that stand in the source, between quotes.
fn codes_of(text: &str, areas: &BTreeSet<String>, found: &mut BTreeSet<String>) {
    for word in text.split('"').skip(1).step_by(1) {
        let Some((area, what)) = word.split_once('.') else { continue };
        let is_name = |part: &str| {
            !part.is_empty() && part.chars().all(|it| it.is_ascii_lowercase() || it == '_')
        };
        if areas.contains(area) && is_name(what) {
            found.insert(word.to_owned());
        }
    }
}

fn walk(folder: &Path, areas: &BTreeSet<String>, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if !name.contains("tests") {
                walk(&path, areas, found);
            }
        } else if path.extension().is_some_and(|kind| kind == "rs") && name != "tests.rs" {
            codes_of(&fs::read_to_string(&path).unwrap(), areas, found);
        }
    }
}

#[test]
fn every_code_of_the_program_has_a_page_that_help_prints() {
    let pages = fs::read_dir(format!("{ROOT}/docs/errors")).unwrap();
    let pages: BTreeSet<String> = pages
        .filter_map(|page| {
            page.unwrap().file_name().to_string_lossy().strip_suffix(".md").map(str::to_owned)
        })
        .collect();
    let areas = pages.iter().filter_map(|code| code.split('.').next()).map(str::to_owned).collect();
    let mut found = BTreeSet::new();
    for package in ["core", "engine", "adapters", "syncline"] {
        walk(&Path::new(ROOT).join(format!("crates/{package}/src")), &areas, &mut found);
    }
    let missing: Vec<&String> = found.iter().filter(|code| !pages.contains(*code)).collect();
    assert!(missing.is_empty(), "codes without a page: {missing:?}");
    let world = World::empty();
    for code in ["guard.mass_delete", "config.exists", "hub.in_use"] {
        let page = fs::read_to_string(format!("{ROOT}/docs/errors/{code}.md")).unwrap();
        assert_eq!(world.run(&["help", code]).ends(0, &[]).stdout.trim(), page.trim());
    }
}
