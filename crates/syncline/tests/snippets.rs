//! What the documents tell people to type works: the README in the order in which it stands there,
//! the examples of the reference one by one.
//!
//! Blocks in `sh` are executed in one directory, a whole `yaml` block becomes its `syncline.yaml`;
//! one that begins with `fields:` is put into an entity and checked. Of the commands, those that build or install are left out; `sqlite3` is played by the library, since
//! the test machine may not have it.

use std::{fs, path::Path};

use rusqlite::Connection;

use crate::{
    serve::{Daemon, eventually},
    world::{command, finished},
};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// The fenced blocks of a document: their language and text.
fn blocks(document: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut is_inside = false;
    for line in document.lines() {
        if let Some(language) = line.strip_prefix("```") {
            if !is_inside {
                found.push((language.to_owned(), String::new()));
            }
            is_inside = !is_inside;
        } else if is_inside && let Some((_, text)) = found.last_mut() {
            text.push_str(line);
            text.push('\n');
        }
    }
    found
}

/// The commands of a block: a line each, except where a quoted text goes on.
fn commands(block: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut is_quoted = false;
    for line in block.lines() {
        match found.last_mut() {
            Some(last) if is_quoted => last.extend(["\n", line]),
            Some(_) | None => found.push(line.to_owned()),
        }
        is_quoted ^= line.matches('"').count() % 2 == 1;
    }
    found.iter().map(|command| without_remark(command)).filter(|c| !c.is_empty()).collect()
}

fn without_remark(command: &str) -> String {
    command.split(" #").next().unwrap_or_default().trim().to_owned()
}

fn execute(home: &Path, command: &str, daemon: &mut Option<Daemon>) {
    if command == "syncline serve &" {
        *daemon = Some(Daemon::start(home, &[]));
    } else if command.starts_with("sleep ") {
        // Long enough is when the change has arrived: see `kill`.
    } else if command == "kill $!" {
        let daemon = daemon.take().expect("something runs");
        let arrived = || phones(home, "crm.db", "contacts", "phone").contains("030 5555");
        eventually("the change arrives", arrived, || daemon.log());
        daemon.stop().ends(143, &[]);
    } else if let Some(rest) = command.strip_prefix("sqlite3 ") {
        let (file, sql) = rest.split_once(' ').unwrap();
        let database = Connection::open(home.join(file)).unwrap();
        database.execute_batch(sql.trim_matches('"')).unwrap();
    } else if let Some(arguments) = command.strip_prefix("syncline ") {
        said(home, &arguments.split_whitespace().collect::<Vec<_>>());
    } else {
        let is_build = command.starts_with("cargo ") || command == "scripts/test";
        assert!(is_build, "nobody tries this command of the README: {command}");
    }
}

/// All telephone numbers, in the order of the people.
fn phones(home: &Path, file: &str, table: &str, column: &str) -> String {
    let database = Connection::open(home.join(file)).unwrap();
    let sql =
        format!("select group_concat({column}, ', ') from (select * from {table} order by email)");
    database.query_row(&sql, [], |row| row.get::<_, String>(0)).unwrap()
}

#[test]
fn the_readme_works_as_it_stands() {
    let home = tempfile::tempdir().unwrap();
    let readme = fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap();
    for (language, text) in blocks(&readme) {
        match language.as_str() {
            "yaml" if text.starts_with("version:") => {
                fs::write(home.path().join("syncline.yaml"), text).unwrap();
            }
            "yaml" => {} // fields, which the next test looks at
            "sh" => {
                let mut daemon = None;
                for command in commands(&text) {
                    execute(home.path(), &command, &mut daemon);
                }
            }
            _ => {}
        }
    }
    let both = "030 1234, 030 5555, 040 55";
    assert_eq!(phones(home.path(), "crm.db", "contacts", "phone"), both);
    assert_eq!(phones(home.path(), "erp.db", "CUSTOMER", "TEL"), both);
    let history = "history contacts/email=ada@example.com";
    assert!(readme.contains(&format!("`syncline {history}`")));
    let history = said(home.path(), &history.split(' ').collect::<Vec<_>>());
    assert!(history.contains("030 9999"), "{history}");
}

#[test]
fn what_discover_s_page_says_works_as_it_stands() {
    let home = tempfile::tempdir().unwrap();
    for (_, text) in blocks(&document("docs/discover.md")).iter().filter(|(it, _)| it == "sh") {
        for command in commands(text) {
            execute(home.path(), &command, &mut None);
        }
    }
    let erp = Connection::open(home.path().join("erp.db")).unwrap();
    let ada = "select BDATE || ' ' || STAT from CUSTOMER where EMAIL = 'ada@example.com'";
    let ada: String = erp.query_row(ada, [], |row| row.get(0)).unwrap();
    assert_eq!(ada, "18151210 1");
    let file = fs::read_to_string(home.path().join("syncline.yaml")).unwrap();
    assert!(file.contains("# proposed by syncline discover crm erp"), "{file}");
    assert!(said(home.path(), &["run"]).contains("nothing changed"));
}

/// The text of a document.
fn document(path: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(path)).unwrap()
}

/// Runs the program, which must end with 0; what it said.
fn said(home: &Path, arguments: &[&str]) -> String {
    finished(&mut command(home, arguments)).ends(0, &[]).said()
}

#[test]
fn the_yaml_of_the_documents_is_a_configuration() {
    let paths = [
        "README.md",
        "docs/reference/lenses.md",
        "docs/reference/configuration.md",
        "docs/rest.md",
        "docs/webhooks.md",
        "docs/alerts.md",
        "docs/metrics.md",
        "docs/rollback.md",
        "docs/audit.md",
        "docs/limits.md",
        "docs/rules.md",
        "docs/deletes.md",
        "docs/sensitive.md",
        "docs/backup.md",
        "docs/files.md",
        "docs/detection.md",
    ];
    for path in paths {
        for (language, text) in blocks(&document(path)) {
            if language != "yaml" {
                continue;
            }
            let home = tempfile::tempdir().unwrap();
            let file = if text.starts_with("version:") {
                text
            } else {
                // Fields of some entity.
                let mut lines = text.lines();
                assert_eq!(lines.next(), Some("fields:"), "{path}: say where this belongs");
                let fields: String = lines.map(|line| format!("    {line}\n")).collect();
                format!(
                    "version: 1\nsystems:\n  crm: {{url: \"sqlite:crm.db\"}}\n  erp: {{url: \"sqlite:erp.db\"}}\n\
                     entities:\n  customers:\n    in: {{crm: customers, erp: CUSTOMER}}\n    match: email\n    \
                     fields:\n      email: {{crm: email, erp: EMAIL}}\n{fields}"
                )
            };
            fs::write(home.path().join("syncline.yaml"), file).unwrap();
            fs::write(home.path().join("rates.csv"), "date,from,to,rate\n").unwrap();
            said(home.path(), &["check"]);
        }
    }
}

#[test]
fn the_file_of_the_shop_is_a_configuration() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("syncline.yaml"), document("examples/shop/syncline.yaml")).unwrap();
    said(home.path(), &["check"]);
}

/// The texts between backquotes.
fn spans(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// A YAML scalar, whatever it holds.
fn quoted(text: &str) -> String {
    if text.starts_with('[') { text.to_owned() } else { format!("\"{text}\"") }
}

#[test]
fn the_examples_of_lenses_are_true() {
    let reference = document("docs/reference/lenses.md");
    let rows: Vec<Vec<Vec<&str>>> = reference
        .lines()
        .filter(|line| line.starts_with("| `type: "))
        .map(|line| line.trim_matches('|').split(" | ").map(spans).collect())
        .collect();
    assert!(rows.len() > 20, "the table of examples is not found");
    let home = tempfile::tempdir().unwrap();
    let mut file = String::from(
        "version: 1\nsystems:\n  a: {url: \"sqlite:a.db\"}\n  b: {url: \"sqlite:b.db\"}\nentities:\n",
    );
    let (mut cases, mut tables) = (String::new(), String::new());
    for (at, row) in rows.iter().enumerate() {
        let [field, cell, columns, hub] = row.as_slice() else { panic!("{row:?}") };
        let (field, cell, hub) = (field[0], cell[0], hub[0]);
        file += &format!(
            "  e{at}:\n    in: {{a: e{at}, b: e{at}}}\n    match: code\n    fields:\n      \
             code: {{a: code, b: code}}\n      \
             value: {{{field}, a: v, b: {{column: v, {cell}}}}}\n"
        );
        tables += &format!("create table e{at} (id integer primary key, code text, v text);");
        cases += &format!("e{at}:\n");
        for (number, column) in columns.iter().enumerate() {
            let (column, hub) = (quoted(column), quoted(hub));
            cases += &format!(
                "  read {number}:\n    row: {{b: {{v: {column}}}}}\n    record: {{value: {hub}}}\n"
            );
        }
        if !hub.starts_with("map.") {
            let (column, hub) = (quoted(columns[0]), quoted(hub));
            cases += &format!(
                "  write:\n    record: {{value: {hub}}}\n    writes: {{b: {{v: {column}}}}}\n"
            );
        }
    }
    for name in ["a.db", "b.db"] {
        Connection::open(home.path().join(name)).unwrap().execute_batch(&tables).unwrap();
    }
    fs::create_dir(home.path().join("tests")).unwrap();
    fs::write(home.path().join("tests/examples.yaml"), cases).unwrap();
    fs::write(home.path().join("syncline.yaml"), file).unwrap();
    said(home.path(), &["test"]);
}
