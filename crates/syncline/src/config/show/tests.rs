use std::path::Path;

use super::{json, yaml};
use crate::config::{
    complaint::Severity,
    load::{self, Loaded},
    source::Sources,
    tree,
};

fn loaded(text: &str) -> Loaded {
    let mut sources = Sources::default();
    let path = Path::new("syncline.yaml");
    let file = sources.add(path.to_path_buf(), text.to_owned());
    let (root, complaints) = tree::parse(&sources, file);
    load::understand(sources, root, complaints, path)
}

const FILE: &str = r#"
version: 1
systems:
  crm: {url: "postgres://sync:hunter2@db.example/crm"}
  erp:
    url: mariadb://sync@db.example/erp
    password: "swordfish: é"
  desk: {url: "sqlite:desk.db", detect: {poll: 5m}}
entities:
  contacts:
    in: {crm: contacts, erp: CUSTOMER, desk: people}
    match: email
    fields:
      email: {crm: email, erp: EMAIL, desk: mail}
      born: {type: date, crm: born, erp: {column: "B: D", format: "%d/%m/%Y"}, desk: {column: b, format: "%F"}}
      status: {type: enum, values: ["no", "yes"], crm: s, erp: {column: S, values: {"no": "0", "yes": ["1", "2"]}}, desk: s}
    guards: {deletes: {max: 5}}
"#;

#[test]
fn what_is_shown_holds_no_secret_and_says_what_was_left_unsaid() {
    let loaded = loaded(FILE);
    let (shown, object) = (yaml(&loaded), json(&loaded).to_string());
    for secret in ["hunter2", "swordfish"] {
        assert!(!shown.contains(secret) && !object.contains(secret), "{shown}");
    }
    assert!(shown.contains("postgres://sync:***@db.example/crm"), "{shown}");
    assert!(shown.contains("tls: verify-full"), "{shown}");
    assert!(shown.contains("poll: 5m"), "{shown}");
    assert!(shown.contains("max_percent: 20"), "{shown}");
}

#[test]
fn what_is_shown_is_a_configuration_that_means_the_same() {
    let first = loaded(FILE);
    let shown = yaml(&first);
    let second = loaded(&shown);
    let errors: Vec<_> =
        second.complaints.iter().filter(|found| found.severity == Severity::Error).collect();
    assert!(errors.is_empty(), "{errors:?}\n{shown}");
    assert_eq!(yaml(&second), shown);
    let meaning = |loaded: &Loaded| {
        loaded.compile(None).0.entities.iter().map(|found| found.meaning).collect::<Vec<_>>()
    };
    assert_eq!(meaning(&second), meaning(&first));
}
