//! Configuration files that nobody would write on purpose: each gets its coded complaint with a
//! place, and what is only unusual is read.

use std::fs;

use crate::world::{CONTACTS, World};

fn with(file: impl AsRef<[u8]>) -> World {
    let world = World::empty();
    fs::write(world.path("syncline.yaml"), file).unwrap();
    world
}

#[test]
fn odd_files_get_a_coded_complaint() {
    let more = |text: &str| format!("{CONTACTS}{text}").into_bytes();
    let cases: Vec<(Vec<u8>, [&str; 3])> = vec![
        (b"".into(), ["config.syntax", "the file is empty", "syncline.yaml:1:1"]),
        (b"\n# a remark\n".into(), ["config.syntax", "the file is empty", "syncline init"]),
        (b"version: [1\n".into(), ["config.syntax", "this is not YAML", "syncline.yaml:2:1"]),
        (
            b"version: 1\nsystems:\n\tcrm: x\n".into(),
            ["config.syntax", "indent with spaces", "syncline.yaml:3:2"],
        ),
        (b"- a\n".into(), ["config.value", "not a list", "syncline.yaml:1:1"]),
        (b"hello\n".into(), ["config.value", "not a text", "syncline.yaml:1:1"]),
        (
            b"a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n".into(),
            ["config.syntax", "anchors", "syncline.yaml:1:4"],
        ),
        (b"a: *b\n".into(), ["config.syntax", "unknown anchor", "syncline.yaml:1:4"]),
        (b"version: !!int 1\n".into(), ["config.syntax", "tags", "syncline.yaml:1:10"]),
        (more("<<: {a: 1}\n"), ["config.unknown_key", "`<<`", "syncline.yaml:18:1"]),
        (more("version: 1\n"), ["config.duplicate_key", "already in line 1", "syncline.yaml:18:1"]),
        (
            more("      credit: {type: money, crm: credit, erp: CREDIT}\n"),
            ["map.not_invertible", "nothing says in which currency", "syncline.yaml:18:"],
        ),
        (more("---\nversion: 1\n"), ["config.syntax", "one document", "syncline.yaml:18:1"]),
        (more(&"#".repeat(10_000_000)), ["config.syntax", "more than 4 MiB", "syncline.yaml:1:1"]),
        (
            format!("systems: {}", "[".repeat(100_000)).into(),
            ["config.syntax", "recursion limit", "syncline.yaml:1:"],
        ),
        (
            format!("systems: {}", "{a: ".repeat(100_000)).into(),
            ["config.syntax", "more than 32 levels deep", "syncline.yaml:1:"],
        ),
        (b"version: 1 # caf\xe9\n".into(), ["config.syntax", "is not UTF-8 text", "byte 16"]),
        (
            b"version: 1\nhub: \0\n".into(),
            ["config.syntax", "unprintable character\n", "syncline.yaml:2:6"],
        ),
        (
            CONTACTS.replace("version: 1", "version: 99").into(),
            ["config.version", "version 99", "syncline.yaml:1:10"],
        ),
    ];
    for (file, words) in cases {
        with(&file).run(&["check"]).ends(2, &words);
    }
}

#[test]
fn a_byte_order_mark_and_carriage_returns_mean_nothing() {
    with(format!("\u{feff}{CONTACTS}")).run(&["check"]).ends(0, &["3 fields"]);
    with(CONTACTS.replace('\n', "\r\n")).run(&["check"]).ends(0, &["3 fields"]);
}

#[test]
fn an_authority_that_the_driver_would_ignore_is_not_accepted() {
    let system = |kind: &str, tls: &str| {
        let address = format!("{{url: \"{kind}://me@db.example/crm\", {tls}, tls_ca: ca.pem}}");
        with(CONTACTS.replace("{url: \"sqlite:crm.db\"}", &address)).run(&["check"])
    };
    for kind in ["mariadb", "mysql"] {
        let place = if kind == "mariadb" { "syncline.yaml:3:67" } else { "syncline.yaml:3:65" };
        let words = ["error[config.unsupported]", "`tls_ca` would be ignored", place];
        system(kind, "tls: require").ends(2, &words);
        system(kind, "tls: verify-full").ends(0, &[]);
    }
    system("postgres", "tls: require").ends(0, &[]);
}
