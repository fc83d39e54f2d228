//! `syncline init --template`: every template is a file that `check` has nothing to say against.

use std::fs;

use crate::world::World;

#[test]
fn every_template_passes_check_as_it_is_written() {
    let list = World::empty().run(&["--json", "init", "--template", "list"]).ends(0, &[]).json();
    let all = list["result"]["templates"].as_array().unwrap();
    assert!(all.len() >= 5, "{list}");
    for template in all {
        let name = template["name"].as_str().unwrap();
        let world = World::empty();
        world
            .run(&["init", "--template", name, "--no-input"])
            .ends(0, &["Wrote syncline.yaml, tests/, .gitignore"]);
        world.run(&["check", "--strict"]).ends(0, &["is fine"]);
        world.run(&["test"]).ends(0, &[]);
        let file = fs::read_to_string(world.path("syncline.yaml")).unwrap();
        let secrets = ["password:", "bearer:"];
        let lines = file.lines().filter(|line| secrets.iter().any(|word| line.contains(word)));
        assert!(
            lines.clone().count() > 0 && lines.clone().all(|line| line.contains("env:")),
            "{file}"
        );
        // Never over a file that is there.
        world.run(&["init", "--template", name]).ends(2, &["config.exists"]);
        assert_eq!(fs::read_to_string(world.path("syncline.yaml")).unwrap(), file);
    }
}

#[test]
fn a_template_that_does_not_exist_is_answered_with_those_that_do() {
    let world = World::empty();
    world
        .run(&["init", "--template", "shop-epr"])
        .ends(2, &["shop-erp", "two-tables", "crm-erp-shop", "a similar value exists"]);
    assert!(!world.path("syncline.yaml").exists());
    world
        .run(&["init", "--template", "list"])
        .ends(0, &["shop-erp", "Next: syncline init --template NAME"]);
    assert!(!world.path("syncline.yaml").exists());
}
