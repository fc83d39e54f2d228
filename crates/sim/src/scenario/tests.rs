use super::{FILES, all, parse};

fn complaint(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

const STAGE: &str = "table contact\n  id numbered\n  email text unique\nmapping\n  entities:\n    contact:\n      fields:\n        email: {@email}\n";

#[test]
fn every_scenario_of_the_files_has_its_test_in_both_executors() {
    let mut listed: Vec<&str> = Vec::new();
    macro_rules! list {
        ($($name:ident)*) => { listed.extend([$(stringify!($name)),*]) };
    }
    crate::scenarios!(list);
    let scenarios = all().unwrap();
    let found: Vec<&str> = scenarios.iter().map(|scenario| scenario.name.as_str()).collect();
    assert_eq!(listed, found, "crates/sim/src/scenario/list.rs, and the files");
    assert!(!FILES.is_empty());
}

#[test]
fn what_is_not_understood_is_named_with_its_line() {
    let step = |step: &str| complaint(&format!("{STAGE}scenario one\n  {step}\n"));
    assert_eq!(complaint("tabel x\n"), "line 1: error[scenario.heading]: `tabel` begins nothing");
    assert_eq!(
        complaint("table x\n  y thing\n"),
        "line 2: error[scenario.column]: y holds Some(\"thing\")"
    );
    assert_eq!(
        step("d create contact"),
        "line 10: error[scenario.system]: `d` is none of the 3 systems a, b, c"
    );
    assert_eq!(
        step("a create orders"),
        "line 10: error[scenario.table]: there is no table `orders`"
    );
    assert_eq!(
        step("a create contact name=x"),
        "line 10: error[scenario.column]: there is no column `name`"
    );
    assert_eq!(
        step("map order: x: y"),
        "line 10: error[scenario.mapping]: order is not in the mapping"
    );
    assert_eq!(
        step("run when b sleeps: exit 3"),
        "line 10: error[scenario.step]: run when b sleeps"
    );
}
