//! 1.4: our own writes coming back, systems that rewrite what they get, and others who also write.

use super::{
    CONTACT, LINKED,
    stage::{ALL, Given, Stage, Step::*, everywhere, play, text, written},
};

/// The links of a ring, each a deployment with a hub of its own: b to c, and c to a.
const REST: [[&str; 2]; 2] = [["b", "c"], ["c", "a"]];

#[test]
fn l3_an_edit_goes_around_a_ring_once() {
    let first = [
        ("in: {@contact}", "in: {a: contact, b: contact}"),
        ("{@email}", "{a: email, b: email}"),
        ("{@name}", "{a: name, b: name}"),
        ("{@phone}", "{a: phone, b: phone}"),
        ("{@status}", "{a: status, b: status}"),
    ];
    everywhere(&CONTACT, &first, |stage| {
        let file = std::fs::read_to_string(stage.path("syncline.yaml")).unwrap();
        for [from, to] in REST {
            let hub = format!("version: 1\nhub: {{path: {from}{to}.hub.db}}");
            let (head, entities) = file.split_once("entities:").unwrap();
            let entities = entities.replace("{a: ", &format!("{{{from}: "));
            let entities = entities.replace(", b: ", &format!(", {to}: "));
            let file = format!("{}entities:{entities}", head.replacen("version: 1", &hub, 1));
            std::fs::write(stage.path(&format!("{from}{to}.yaml")), file).unwrap();
        }
        let around = || {
            let ring = ["syncline.yaml", "bc.yaml", "ca.yaml"];
            let runs = ring.map(|file| written(&stage.expect(0, &["-c", file, "run", "--yes"])));
            [0, 1, 2].map(|at| runs.iter().map(|writes| writes[at]).sum::<u64>())
        };
        assert_eq!(around(), [0, 0, 0], "{:?}", stage.kinds);
        stage.take_steps(&[In("a", "update contact set phone = 'P1'")]);
        assert_eq!(around(), [0, 1, 1], "{:?}", stage.kinds);
        assert_eq!(around(), [0, 0, 0], "{:?}", stage.kinds);
        stage.take_steps(&[Show(ALL, &["r@x|N0|P1|S0"])]);
    });
}

const PRICE: Given = Given {
    tables: "create table contact (id {id}, email {text} not null unique, name {text}, price {fine}, rough {rough})",
    rows: ["insert into contact (id, email, name, price, rough) values (11, 'r@x', 'N0', 1, 1)"; 3],
    mapping: "
entities:
  contact:
    in: {@contact}
    match: email
    fields:
      email: {@email}
      name: {@name}
      price: {type: decimal, a: price, b: {column: rough, scale: 2, rounding: half_even}, c: price}
",
    show: "select email, name, price from contact",
};

#[test]
fn l5_a_system_that_keeps_fewer_digits_does_not_round_the_others() {
    play(
        &PRICE,
        &[
            LINKED,
            In("a", "update contact set price = 10.1234"),
            Run([0, 1, 1]),
            Query("b", "select rough from contact", &["10.12"]),
            In("b", "update contact set name = 'N1'"),
            Run([1, 0, 1]),
            Show("ac", &["r@x|N1|10.1234"]),
        ],
    );
}

#[test]
fn l6_a_trigger_that_rewrites_what_it_gets_is_no_edit_and_no_loop() {
    everywhere(&CONTACT, &[], |stage| {
        stage.take_steps(&[LINKED, In("b", "{reset}")]);
        for status in ["S1", "S2", "S3", "S4"] {
            stage.sql(0, &format!("update contact set status = '{status}'"));
            stage.take_steps(&[
                Run([0, 1, 1]),
                Show("b", &["r@x|N0|P0|S0"]),
                Run([0, 0, 0]),
                Query("a", "select count(*) from contact where status = 'S0'", &["0"]),
            ]);
        }
    });
}

const RESET: &str = "update contact set status = 'S0'";

/// Somebody in `a` insists, and an automation of `b` resets the status after each of our writes.
fn quarrel(stage: &Stage) {
    for status in ["S1", "S2"] {
        stage.sql(0, &format!("update contact set status = '{status}'"));
        stage.take_steps(&[Run([0, 1, 1]), In("b", RESET), Run([1, 0, 1])]);
    }
    stage.take_steps(&[In("a", "update contact set status = 'S3'"), Run([0, 1, 1])]);
}

#[test]
fn l6_an_automation_that_resets_a_field_again_and_again_has_it_held_and_nothing_else() {
    everywhere(&CONTACT, &[], |stage| {
        stage.take_steps(&[LINKED]);
        quarrel(stage);
        stage.take_steps(&[
            In("b", RESET),
            In("b", "update contact set phone = 'P1'"),
            In("b", "insert into contact (email, name) values ('s@x', 'N1')"),
        ]);

        let done = stage.syncline(&["run"]);

        assert_eq!(done.code, 5, "{}\n{}", done.stdout, done.stderr);
        for word in ["guard.loop_suspected", "status", "syncline resume contact/b:21"] {
            assert!(done.stderr.contains(word), "`{word}` is not in\n{}", done.stderr);
        }
        stage.take_steps(&[
            Show("ac", &["r@x|N0|P1|S3", "s@x|N1|NULL|NULL"]),
            Show("b", &["r@x|N0|P1|S0", "s@x|N1|NULL|NULL"]),
            Do(|stage| {
                let verified = stage.expect(0, &["verify"]);
                assert_eq!(verified["result"]["expected"], 1, "{verified}");
                assert_eq!(held(stage), [0, 1, 0]);
            }),
            In("a", "update contact set status = 'S4', phone = 'P2' where email = 'r@x'"),
            Run([0, 1, 1]),
            Show("b", &["r@x|N0|P2|S0", "s@x|N1|NULL|NULL"]),
            Cli(0, "resume contact/b:21"),
            Run([0, 1, 0]),
            Show(ALL, &["r@x|N0|P2|S4", "s@x|N1|NULL|NULL"]),
            Do(|stage| assert_eq!(held(stage), [0; 3])),
        ]);
    });
}

/// How many fields are held in each system, as `status` says.
fn held(stage: &Stage) -> [u64; 3] {
    let status = stage.expect(0, &["status"]);
    let links = &status["result"]["entities"][0]["links"];
    [0, 1, 2].map(|at| links[at]["held"].as_u64().unwrap())
}

#[test]
fn l7_what_a_system_computes_flows_out_of_it_and_never_back() {
    let computed = Given {
        tables: "create table contact (id {id}, email {text} not null unique, name {text}, phone {text}, label {text})",
        mapping: "
entities:
  contact:
    in: {@contact}
    match: email
    fields:
      email: {@email}
      name: {@name}
      phone: {@phone}
      label: {@label, from: b}
",
        rows: ["insert into contact (id, email, name, phone) values (11, 'r@x', 'N0', 'P0')"; 3],
        show: "select email, name, phone, label from contact order by email",
    };
    everywhere(&computed, &[], |stage| {
        stage.sql(
            1,
            "drop table contact; create table contact (id {id}, email {text} not null unique, name {text}, phone {text}, label {text} generated always as ({both}) stored);
             insert into contact (id, email, name, phone) values (21, 'r@x', 'N0', 'P0')",
        );
        stage.take_steps(&[
            Run([1, 0, 1]),
            Show(ALL, &["r@x|N0|P0|N0P0"]),
            In("a", "update contact set phone = 'P1'"),
            Cli(0, "run"),
            Cli(0, "run"),
            Show(ALL, &["r@x|N0|P1|N0P1"]),
            Conflicts(&[]),
            // What it computes for a row that we made flows as well, in the same run.
            In("a", "insert into contact (email, name, phone) values ('s@x', 'N2', 'P2')"),
            Run([1, 1, 1]),
            Show(ALL, &["r@x|N0|P1|N0P1", "s@x|N2|P2|N2P2"]),
            In("c", "insert into contact (email, name, phone) values ('t@x', 'N3', 'P3')"),
            Run([2, 1, 1]),
            Show(ALL, &["r@x|N0|P1|N0P1", "s@x|N2|P2|N2P2", "t@x|N3|P3|N3P3"]),
            // A row that is restored is computed anew.
            In("b", "delete from contact where email > 's'"),
            In("a", "update contact set phone = 'P4' where email > 's'"),
            Cli(0, "run"),
            Show(ALL, &["r@x|N0|P1|N0P1", "s@x|N2|P4|N2P4", "t@x|N3|P4|N3P4"]),
        ]);
    });
}

/// A second deployment over the same systems, with a hub of its own, that sees it another way.
fn second_deployment(stage: &Stage, [from, to]: [&str; 2]) {
    let file = std::fs::read_to_string(stage.path("syncline.yaml")).unwrap();
    assert!(file.contains(from), "no {from:?} in\n{file}");
    let file = file.replacen("version: 1", "version: 1\nhub: {path: other.hub.db}", 1);
    std::fs::write(stage.path("other.yaml"), file.replace(from, to)).unwrap();
}

#[test]
fn l8_two_deployments_over_the_same_systems_come_to_rest() {
    everywhere(&CONTACT, &[], |stage| {
        second_deployment(stage, [""; 2]);
        let other = ["-c", "other.yaml", "run", "--yes"];
        stage.take_steps(&[LINKED]);
        assert_eq!(written(&stage.expect(0, &other)), [0; 3]);
        stage.take_steps(&[
            In("a", "update contact set phone = 'P1'"),
            In("b", "update contact set phone = 'P2', name = 'N2'"),
            Run([1, 1, 1]),
        ]);
        assert_eq!(written(&stage.expect(0, &other)), [0; 3], "the others' writes are edits");
        stage.take_steps(&[In("c", "insert into contact (email) values ('s@x')")]);
        assert_eq!(written(&stage.expect(0, &other)), [1, 1, 0]);
        stage.take_steps(&[Run([0; 3])]);
        assert_eq!(written(&stage.expect(0, &other)), [0; 3]);
        stage.take_steps(&[Show(ALL, &["r@x|N2|P1|S0", "s@x|NULL|NULL|NULL"])]);
    });
}

/// A switch; the second deployment takes on for off in `b`.
const SWITCH: [(&str, &str); 2] = [
    ("match: email", "match: email\n    guards: {loop: {reflexes: 2}}"),
    (
        "status: {@status}",
        "status: {type: enum, values: [up, down], a: status, b: {column: status, values: {up: up, down: down}}, c: status}",
    ),
];

#[test]
fn l8_two_deployments_that_contradict_each_other_are_stopped() {
    let given = Given {
        rows: ["insert into contact (email, status) values ('r@x', 'up'), ('s@x', 'up')"; 3],
        ..CONTACT
    };
    everywhere(&given, &SWITCH, |stage| {
        second_deployment(stage, ["{up: up, down: down}", "{up: down, down: up}"]);
        let runs = || {
            let files = [["-c", "syncline.yaml"], ["-c", "other.yaml"]];
            files.map(|file| {
                let done = stage.syncline(&[&file[..], &["run", "--yes", "--json"]].concat());
                let code = text(&done.json()["error"]["code"]);
                (written(&done.json()).iter().sum::<u64>(), done.code, code)
            })
        };
        // Each of their runs answers the other's, and nobody else does anything.
        let mut said = Vec::new();
        for _ in 0..20 {
            let round = runs();
            let rests = round.iter().all(|(writes, ..)| *writes == 0);
            said.extend(round);
            if rests {
                break;
            }
        }
        let writes: u64 = said.iter().map(|(writes, ..)| writes).sum();
        assert!(said.contains(&(0, 5, "guard.loop_suspected".to_owned())), "{said:?}");
        assert!(writes <= 100, "{writes} writes for two rows: {said:?}");
        assert!(runs().iter().all(|run| *run == (0, 0, "null".to_owned())), "they rest");
        // Only that field is held: the rest of the same record flows.
        stage.take_steps(&[
            In("b", "update contact set phone = 'P1'"),
            Run([2, 0, 2]),
            Query(ALL, "select phone from contact", &["P1", "P1"]),
        ]);
    });
}
