//! What the README tells people to type works, in the order in which it stands there.
//!
//! Blocks in `sh` are executed in one directory, `yaml` blocks become its `syncline.yaml`. Of the
//! commands, those that build or install are left out; `sqlite3` is played by the library, since
//! the test machine may not have it.

use std::{fs, path::Path, process::Command};

use rusqlite::Connection;

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

fn execute(home: &Path, command: &str) {
    if let Some(rest) = command.strip_prefix("sqlite3 ") {
        let (file, sql) = rest.split_once(' ').unwrap();
        let database = Connection::open(home.join(file)).unwrap();
        database.execute_batch(sql.trim_matches('"')).unwrap();
    } else if let Some(arguments) = command.strip_prefix("syncline ") {
        let output = Command::new(env!("CARGO_BIN_EXE_syncline"))
            .args(arguments.split(' ').filter(|word| !word.is_empty()))
            .current_dir(home)
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "{command}\n{}", String::from_utf8_lossy(&said));
    } else {
        let is_build = command.starts_with("cargo ") || command == "scripts/test";
        assert!(is_build, "nobody tries this command of the README: {command}");
    }
}

#[test]
fn the_readme_works_as_it_stands() {
    let home = tempfile::tempdir().unwrap();
    let readme = fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap();
    for (language, text) in blocks(&readme) {
        match language.as_str() {
            "yaml" => fs::write(home.path().join("syncline.yaml"), text).unwrap(),
            "sh" => commands(&text).iter().for_each(|command| execute(home.path(), command)),
            _ => {}
        }
    }
    let phone = |file: &str, table: &str, column: &str| {
        let database = Connection::open(home.path().join(file)).unwrap();
        let sql = format!(
            "select group_concat({column}, ', ') from (select * from {table} order by email)"
        );
        database.query_row(&sql, [], |row| row.get::<_, String>(0)).unwrap()
    };
    assert_eq!(phone("crm.db", "contacts", "phone"), "030 1234, 040 55");
    assert_eq!(phone("erp.db", "CUSTOMER", "TEL"), "030 1234, 040 55");
}
