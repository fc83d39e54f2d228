//! The rules of the house, as far as a machine can see them.
//!
//! Each finding says what to do instead. What a rule is for stands in `ARCHITECTURE.md`
//! (the invariants) and `CONTRIBUTING.md` (the style). Words that are banned are spelled
//! here in two halves, so that this file passes too.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Which of our packages each may depend on. Arrows go down, never up and never sideways.
const ARROWS: [(&str, &[&str]); 6] = [
    ("core", &[]),
    ("ports", &["core"]),
    ("engine", &["core", "ports"]),
    ("adapters", &["core", "ports", "sim"]),
    ("sim", &["core", "engine", "ports"]),
    ("syncline", &["adapters", "core", "engine", "ports", "shop", "sim"]),
];

/// Others' packages that a package must not depend on, and why.
const BANNED_DEPENDENCIES: [(&str, &[&str], &str); 4] = [
    ("tokio", &["core", "ports", "engine", "sim"], "a step never sleeps and never spawns"),
    ("async-trait", &["core"], "the core never waits"),
    ("serde", &["core", "ports", "engine"], "the stored form has one home, adapters/src/hub"),
    ("rand", &["core", "ports", "engine", "adapters"], "chance comes in through the clock port"),
];

/// Words that must not be left behind, and what to do instead.
const BANNED_WORDS: [(&str, &str); 6] = [
    (concat!("to", "do!"), "write it, or leave it out and say so in the documents"),
    (concat!("TO", "DO"), "write it, or leave it out and say so in the documents"),
    (concat!("unimple", "mented!"), "write it, or leave it out and say so in the documents"),
    (concat!("FIX", "ME"), "fix it, or pin it down by a test that points to its issue"),
    (concat!("X", "XX"), "fix it, or pin it down by a test that points to its issue"),
    (concat!(" for ", "now "), "say what it does, and under which condition that would change"),
];

/// What names one machine, or the registry that one machine uses.
const MACHINE_WORDS: [&str; 5] = [
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("arti", "factory"),
    concat!("index.cra", "tes.io"),
    concat!("registry.npm", "js.org"),
];

/// The first half of every error code.
const CODE_AREAS: [&str; 24] = [
    "audit", "address", "bug", "config", "connect", "detect", "expr", "forget", "guard", "limit",
    "hook", "hub", "map", "match", "plan", "read", "run", "schema", "secret", "server", "usage",
    "validate", "verify", "write",
];

/// Dotted words that look like codes and are names of keys or files.
const NOT_CODES: [&str; 5] = ["hub.db", "hub.url", "plan.db", "config.yaml", "write.batch"];

const LONGEST_FILE_LINES: usize = 500;

#[test]
fn no_mutant_is_in_the_program() {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "-p", "syncline", "-e", "normal,features"])
        .current_dir(root())
        .output()
        .unwrap();
    let tree = String::from_utf8(output.stdout).unwrap();
    assert!(tree.contains("syncline-core"), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!tree.contains("\"mutants\""), "the program is built with the feature `mutants`");
    let manifest = read(&root().join("crates/core/Cargo.toml"));
    assert!(!manifest.contains("default ="), "`mutants` is nobody's default");
}

#[test]
fn arrows_between_packages_point_down() {
    let mut findings = Vec::new();
    for (package, allowed) in ARROWS {
        let manifest = read(&root().join("crates").join(package).join("Cargo.toml"));
        for dependency in dependencies(&manifest) {
            if let Some(ours) = dependency.strip_prefix("syncline-")
                && !allowed.contains(&ours)
            {
                findings.push(format!(
                    "{package} depends on {ours}: move what is shared down, or hand it in from above"
                ));
            }
            for (banned, packages, reason) in BANNED_DEPENDENCIES {
                let is_banned =
                    dependency == banned || dependency.starts_with(&format!("{banned}_"));
                if is_banned && packages.contains(&package) {
                    findings.push(format!("{package} depends on {dependency}: {reason}"));
                }
            }
        }
    }
    none(&findings);
}

#[test]
fn every_file_says_what_it_is_for() {
    // A `tests.rs` beside `x.rs` is about `x`.
    let silent = sources()
        .into_iter()
        .filter(|(path, text)| !path.ends_with("/tests.rs") && !text.starts_with("//!"));
    none(
        &silent
            .map(|(path, _)| {
                format!("{path}: begin with `//!`: what it is for, what is surprising")
            })
            .collect::<Vec<_>>(),
    );
}

#[test]
fn a_long_file_says_why() {
    let mut findings = Vec::new();
    for (path, text) in sources() {
        let lines = text.lines().count();
        let says_why = text.lines().take(15).any(|line| line.contains("Long because"));
        if lines > LONGEST_FILE_LINES && !is_test(&path) && !says_why {
            findings.push(format!(
                "{path} has {lines} lines: split it by idea, or say `Long because …` at its top"
            ));
        }
    }
    none(&findings);
}

#[test]
fn nothing_is_left_behind() {
    let mut findings = Vec::new();
    for (path, text) in sources() {
        for (at, line) in text.lines().enumerate() {
            for (word, instead) in BANNED_WORDS {
                if line.contains(word) {
                    findings.push(format!("{path}:{}: `{}`: {instead}", at + 1, word.trim()));
                }
            }
        }
        for attribute in attributes(&text, "allow(") {
            if !attribute.contains("reason =") {
                findings.push(format!(
                    "{path}: `{}`: use `#[expect(…, reason = \"…\")]`",
                    attribute.trim()
                ));
            }
        }
    }
    none(&findings);
}

#[test]
fn the_core_is_not_serializable() {
    none(
        &sources()
            .into_iter()
            .filter(|(path, text)| path.starts_with("crates/core/") && text.contains("serde"))
            .map(|(path, _)| {
                format!("{path}: the stored form belongs into crates/adapters/src/hub")
            })
            .collect::<Vec<_>>(),
    );
}

#[test]
fn adapters_know_neither_the_engine_nor_each_other() {
    let mut findings = Vec::new();
    let files: Vec<_> = sources()
        .into_iter()
        .filter_map(|(path, text)| {
            let inside = path.strip_prefix("crates/adapters/src/")?.to_owned();
            Some((inside.split_once('/')?.0.to_owned(), path, text))
        })
        .collect();
    // What they share lies beside the folders; these two are the folders of shared files.
    let folders: BTreeSet<_> = files
        .iter()
        .map(|(folder, _, _)| folder.clone())
        .filter(|folder| folder != "sql" && folder != "settings")
        .collect();
    for (folder, path, text) in &files {
        if text.contains("syncline_engine") {
            findings.push(format!("{path}: an adapter answers the ports, and knows no engine"));
        }
        for other in folders.iter().filter(|other| *other != folder) {
            if text.contains(&format!("crate::{other}::")) {
                findings.push(format!(
                    "{path}: {folder} imports {other}: move what they share beside the folders"
                ));
            }
        }
    }
    none(&findings);
}

#[test]
fn nothing_names_one_machine() {
    let mut findings = Vec::new();
    for path in tracked() {
        // The data of an example is what it is.
        let Ok(text) = fs::read_to_string(root().join(&path)) else { continue };
        for word in MACHINE_WORDS {
            if let Some(at) = text.lines().position(|line| line.contains(word)) {
                findings.push(format!("{path}:{}: `{word}` exists on one machine only", at + 1));
            }
        }
    }
    none(&findings);
}

#[test]
fn every_error_code_has_a_page() {
    let pages: BTreeSet<String> = tracked()
        .iter()
        .filter_map(|path| Some(path.strip_prefix("docs/errors/")?.strip_suffix(".md")?.to_owned()))
        .filter(|page| page.contains('.'))
        .collect();
    let mut used: BTreeMap<String, String> = BTreeMap::new();
    for (path, text) in sources() {
        if path.contains("/src/") && !path.starts_with("crates/sim/") && !is_test(&path) {
            used.extend(codes(&text).into_iter().map(|code| (code, path.clone())));
        }
    }
    let mut findings = Vec::new();
    for (code, path) in used.iter().filter(|(code, _)| !pages.contains(*code)) {
        findings.push(format!("{code} ({path}): write docs/errors/{code}.md"));
    }
    for page in pages.iter().filter(|page| !used.contains_key(*page)) {
        findings.push(format!("docs/errors/{page}.md: nothing says {page} any more: remove it"));
    }
    for page in &pages {
        let text = read(&root().join(format!("docs/errors/{page}.md")));
        if !text.starts_with(&format!("# {page}\n")) {
            findings.push(format!("docs/errors/{page}.md: begin with `# {page}`"));
        }
    }
    none(&findings);
}

#[test]
fn links_in_documents_lead_somewhere() {
    let mut findings = Vec::new();
    for path in tracked().into_iter().filter(|path| has_extension(path, "md")) {
        let text = read(&root().join(&path));
        for link in links(&text) {
            let target = link.split('#').next().unwrap_or_default();
            let is_local = !target.is_empty() && !target.contains("://");
            let folder = Path::new(&path).parent().unwrap();
            if is_local && !root().join(folder).join(target).exists() {
                findings.push(format!("{path}: the link to {link} leads nowhere"));
            }
        }
    }
    none(&findings);
}

#[test]
fn every_guarantee_names_checks_that_exist() {
    let guarantees = read(&root().join("docs/guarantees.md"));
    let everything: String = sources().into_iter().map(|(_, text)| text).collect();
    let scenarios = syncline_sim::scenario::all().unwrap();
    let mut findings = Vec::new();
    for line in guarantees.lines().filter(|line| line.starts_with("Checked by:")) {
        for name in line.split('`').skip(1).step_by(2) {
            let name = name.rsplit("::").next().unwrap();
            let known = [format!("fn {name}("), format!("\"{name}\"")];
            let is_scenario = scenarios.iter().any(|scenario| scenario.name == name);
            if !is_scenario && !known.iter().any(|known| everything.contains(known)) {
                findings.push(format!("docs/guarantees.md: there is no check `{name}`: name one"));
            }
        }
    }
    none(&findings);
}

/// Scenarios that must hold, with numbers from and to.
const SCENARIOS: [(&str, &[(u32, u32)]); 9] = [
    ("P", &[(1, 7), (9, 10), (12, 12)]),
    ("M", &[(1, 17), (19, 20)]),
    ("D", &[(1, 18)]),
    ("L", &[(1, 9)]),
    ("F", &[(1, 4), (7, 13)]),
    ("W", &[(1, 2), (4, 10), (12, 13), (15, 15)]),
    ("S", &[(1, 10), (12, 14)]),
    ("I", &[(1, 2), (6, 8)]),
    ("O", &[(1, 4), (6, 12)]),
];

/// How many scenarios there are of each kind.
const LAST: [(&str, u32); 9] = [
    ("P", 12),
    ("M", 20),
    ("D", 18),
    ("L", 9),
    ("F", 13),
    ("W", 15),
    ("S", 14),
    ("I", 8),
    ("O", 12),
];

#[test]
fn no_scenario_is_passed_over_in_silence() {
    let document = read(&root().join("docs/scenarios.md"));
    let rows = document.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    let mut known = BTreeSet::new();
    for part in rows.flat_map(|cell| cell.split([',', ';'])) {
        let mut ends = part.trim().split(" to ");
        let (Some(first), last) = (ends.next(), ends.next()) else { continue };
        let number = |name: &str| name.get(1..).and_then(|number| number.parse::<u32>().ok());
        let Some(from) = number(first) else { continue };
        let to = last.and_then(number).unwrap_or(from);
        known.extend((from..=to).map(|number| format!("{}{number}", &first[..1])));
    }
    let all =
        LAST.iter().flat_map(|(letter, last)| (1..=*last).map(move |at| format!("{letter}{at}")));
    let missing: Vec<String> = all
        .filter(|scenario| !known.contains(scenario))
        .map(|scenario| format!("docs/scenarios.md does not speak of {scenario}"))
        .collect();
    none(&missing);
}

#[test]
fn every_scenario_has_its_tests() {
    let document = read(&root().join("docs/scenarios.md"));
    let sources = sources();
    let functions = |is_there: &dyn Fn(&str) -> bool| {
        let files = sources.iter().filter(|(path, _)| is_there(path));
        files
            .flat_map(|(_, text)| text.split("fn ").skip(1))
            .filter_map(|rest| Some(rest[..rest.find(['(', '<'])?].to_owned()))
            .collect::<BTreeSet<String>>()
    };
    let data = syncline_sim::scenario::all().unwrap();
    let data: BTreeSet<String> = data.into_iter().map(|scenario| scenario.name).collect();
    let mut simulated =
        functions(&|path| path.starts_with("crates/core/") || path.starts_with("crates/sim/"));
    let mut real = functions(&|path| {
        ["crates/syncline/tests/", "crates/ports/src/suite/", "crates/adapters/"]
            .iter()
            .any(|folder| path.starts_with(folder))
    });
    simulated.extend(data.iter().cloned());
    real.extend(data.iter().cloned());
    let mut findings = Vec::new();
    for name in &data {
        let code = name.split('_').next().unwrap();
        let start = format!("| {} |", code.to_uppercase());
        let row = document.lines().find(|line| line.starts_with(&start)).unwrap_or_default();
        if row.matches(&format!("`{code}_…`")).count() != 2 {
            findings.push(format!("docs/scenarios.md: both columns of {start} name `{code}_…`"));
        }
    }
    for (letter, spans) in SCENARIOS {
        for number in spans.iter().flat_map(|(from, to)| *from..=*to) {
            let scenario = format!("{letter}{number}");
            let row = document.lines().find(|line| line.starts_with(&format!("| {scenario} |")));
            let cells: Vec<&str> = row.unwrap_or_default().split(" | ").collect();
            let tests = |at: usize| -> Vec<String> {
                let cell = cells.get(at).copied().unwrap_or_default();
                cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
            };
            let named = [(2, &simulated), (3, &real)];
            for (test, known) in named
                .iter()
                .flat_map(|(at, known)| tests(*at).into_iter().map(move |test| (test, *known)))
            {
                let is_known = match test.strip_suffix('…') {
                    Some(start) => known.iter().any(|name| name.starts_with(start)),
                    None => known.contains(&test),
                };
                if !is_known {
                    findings.push(format!(
                        "docs/scenarios.md, {scenario}: there is no test `{test}`: name one"
                    ));
                }
            }
            if tests(2).is_empty() && tests(3).is_empty() {
                findings.push(format!("docs/scenarios.md: {scenario} has no test: write one"));
            }
        }
    }
    none(&findings);
}

/// Scenarios that must happen over HTTP, too.
const OVER_HTTP: [&str; 9] = ["P8", "P11", "M18", "W1", "W3", "W4", "W11", "W12", "W14"];

#[test]
fn every_scenario_over_http_has_its_tests() {
    let document = read(&root().join("docs/scenarios.md"));
    let (_, section) = document.split_once("## Over HTTP").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let known: BTreeSet<String> = sources()
        .iter()
        .filter(|(path, _)| is_test(path))
        .flat_map(|(_, text)| text.split("fn ").skip(1))
        .filter_map(|rest| Some(rest[..rest.find(['(', '<'])?].to_owned()))
        .collect();
    let mut findings = Vec::new();
    for scenario in OVER_HTTP {
        if !section.lines().any(|line| line.starts_with(&format!("| {scenario} |"))) {
            findings.push(format!("docs/scenarios.md: {scenario} has no row over HTTP: write one"));
        }
    }
    for row in section.lines().filter(|line| line.starts_with("| ") && line.contains('`')) {
        let tests: Vec<&str> = row.split('`').skip(1).step_by(2).collect();
        let is_known = |test: &&str| match test.strip_suffix('…') {
            Some(start) => known.iter().any(|name| name.starts_with(start)),
            None => known.contains(*test),
        };
        for test in tests.iter().filter(|test| !is_known(test)) {
            findings.push(format!("docs/scenarios.md: there is no test `{test}`: name one"));
        }
    }
    none(&findings);
}

#[track_caller]
fn none(findings: &[String]) {
    let mut list = String::new();
    for finding in findings {
        let _ = writeln!(list, "  {finding}");
    }
    assert!(findings.is_empty(), "{} to tidy up:\n{list}", findings.len());
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[track_caller]
fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The project's files, with those that are not committed yet, relative to its root.
fn tracked() -> Vec<String> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .unwrap();
    let listing = String::from_utf8(output.stdout).unwrap();
    listing.lines().filter(|path| root().join(path).is_file()).map(str::to_owned).collect()
}

/// Rust files and their text.
fn sources() -> Vec<(String, String)> {
    let files = tracked().into_iter().filter(|path| has_extension(path, "rs"));
    files.map(|path| (path.clone(), read(&root().join(path)))).collect()
}

fn has_extension(path: &str, extension: &str) -> bool {
    Path::new(path).extension().is_some_and(|found| found == extension)
}

fn is_test(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs")
}

/// The names under `[dependencies]`, `[dev-dependencies]` and the like.
fn dependencies(manifest: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut inside = false;
    for line in manifest.lines().map(str::trim) {
        if line.starts_with('[') {
            inside = line.ends_with("dependencies]");
        } else if inside && !line.is_empty() && !line.starts_with('#') {
            let end = line.find(['.', '=', ' ']).unwrap_or(line.len());
            names.push(line[..end].trim_matches('"').to_owned());
        }
    }
    names
}

/// Every attribute in the text that starts with `start`, whole.
fn attributes<'a>(text: &'a str, start: &str) -> Vec<&'a str> {
    let mut found = Vec::new();
    for opening in ["#[", "#!["] {
        let opening = format!("\n{opening}{start}");
        // Indented attributes begin after spaces; a comment or string that shows one does not.
        let flat = text.match_indices(opening.trim_start());
        for (at, _) in flat {
            let line_start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
            if text[line_start..at].trim().is_empty() {
                let end = text[at..].find(")]").map_or(text.len(), |end| at + end + 2);
                found.push(&text[at..end]);
            }
        }
    }
    found
}

/// String literals of the shape `area.what`.
fn codes(text: &str) -> BTreeSet<String> {
    let is_code = |word: &&str| {
        word.split_once('.').is_some_and(|(area, what)| {
            CODE_AREAS.contains(&area)
                && !what.is_empty()
                && what.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
                && !NOT_CODES.contains(word)
        })
    };
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| line.split('"').skip(1).step_by(2))
        .filter(is_code)
        .map(str::to_owned)
        .collect()
}

/// The targets of `[text](target)` outside code blocks.
fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut in_code = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        let mut rest = if in_code { "" } else { line };
        while let Some(at) = rest.find("](") {
            rest = &rest[at + 2..];
            let end = rest.find(')').unwrap_or(rest.len());
            found.push(rest[..end].to_owned());
            rest = &rest[end..];
        }
    }
    found
}
