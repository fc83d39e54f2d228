//! 1.7: tables that change under a mapping.

use super::{
    CONTACT, LINKED,
    stage::{ALL, Kind, Stage, Step::*, everywhere, play},
};

#[test]
fn s8_a_new_column_is_reported_and_disturbs_nothing() {
    play(
        &CONTACT,
        &[
            LINKED,
            In("a", "alter table contact add column extra {text}"),
            Cli(0, "check --online"),
            // A plan says it as often as it is asked, a run once.
            Do(|stage| new_column(stage, "plan", true)),
            Do(|stage| new_column(stage, "run", true)),
            Do(|stage| new_column(stage, "run", false)),
            Do(|stage| new_column(stage, "plan", false)),
            Run([0, 0, 0]),
            In("a", "update contact set extra = 'x', phone = 'P1'"),
            Run([0, 1, 1]),
            Show(ALL, &["r@x|N0|P1|S0"]),
            // What it holds survives our own writes.
            In("b", "update contact set phone = 'P2'"),
            Run([1, 0, 1]),
            Query("a", "select extra, phone from contact", &["x|P2"]),
        ],
    );
}

/// Whether a command speaks of the new column.
fn new_column(stage: &Stage, command: &str, is_told: bool) {
    let done = stage.syncline(&[command]);
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
    let line =
        "a.contact has a new column: extra; it is of no field, and left alone [schema.new_column]";
    assert_eq!(done.stdout.contains(line), is_told, "{command}: {}", done.stdout);
}

#[test]
fn s8_what_check_refuses_of_the_tables_is_refused_by_every_command_before_a_row_moves() {
    for (tables, code) in [
        (
            "create table contact (id {text} primary key, email {text} not null unique, name {text}, phone {text}, status {text})",
            "schema.key_unmapped",
        ),
        (
            "create table contact (id {id}, email {text} not null unique, name {text}, phone {text}, status {text}, owner {text} not null)",
            "schema.required_unmapped",
        ),
    ] {
        everywhere(&CONTACT, &[], |stage| {
            stage.take_steps(&[In("b", "drop table contact"), In("b", tables)]);
            for command in [&["check", "--online"][..], &["plan"], &["run", "--yes"], &["verify"]] {
                let said = stage.syncline(command);
                assert_eq!(said.code, 2, "{command:?}: {}{}", said.stdout, said.stderr);
                let said = said.stdout + &said.stderr;
                assert!(said.contains(&format!("error[{code}]")), "{command:?}: {said}");
            }
            stage.take_steps(&[
                Show("b", &[]),
                Show("ac", &["r@x|N0|P0|S0"]),
                In("b", "drop table contact"),
                In("b", CONTACT.tables),
                Cli(0, "run --yes"),
                Show(ALL, &["r@x|N0|P0|S0"]),
            ]);
        });
    }
}

#[test]
fn s10_what_is_too_long_for_a_narrow_column_waits_and_the_plan_says_so_before() {
    everywhere(&CONTACT, &[], |stage| {
        stage.sql(1, match stage.kinds[1] {
            Kind::Postgres => "alter table contact alter column name type varchar(20)",
            Kind::MariaDb => "alter table contact modify name varchar(20)",
            // Its types bound nothing; a check does.
            Kind::Sqlite => "drop table contact; create table contact (id {id}, email {text} not null unique, name {text} check (length(name) <= 20), phone {text}, status {text}); insert into contact (id, email, name, phone, status) values (21, 'r@x', 'N0', 'P0', 'S0')",
        });
        stage.take_steps(&[
            LINKED,
            In("a", "update contact set name = 'twenty-one letters...', phone = 'P1'; insert into contact (email, name) values ('s@x', 'short')"),
        ]);
        // A check says its limit only when it refuses.
        let foreseen = stage.kinds[1] != Kind::Sqlite;
        for command in [&["plan"][..], &["check", "--online"]].into_iter().filter(|_| foreseen) {
            let said = stage.syncline(command);
            assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
            let said = said.stdout + &said.stderr;
            assert!(said.contains("schema.narrow"), "{command:?}: {said}");
        }
        stage.take_steps(&[RunEnds(4, [0, 1, 2])]);
        stage.take_steps(&[
            Aside(&["write.value_too_long -> b"]),
            Show("ac", &["r@x|twenty-one letters...|P1|S0", "s@x|short|NULL|NULL"]),
            Show("b", &["r@x|N0|P0|S0", "s@x|short|NULL|NULL"]),
            In("a", "update contact set name = 'twenty' where email = 'r@x'"),
            Run([0, 1, 1]),
            Aside(&[]),
        ]);
    });
}

#[test]
fn s12_a_column_that_nobody_asked_for_goes_nowhere() {
    const CANARY: &str = "canary-7b1e";
    everywhere(&CONTACT, &[], |stage| {
        stage.take_steps(&[
            LINKED,
            In("a", "alter table contact add column password_hash {text}"),
            In("a", "update contact set password_hash = 'canary-7b1e', phone = 'P1'"),
            In("a", "insert into contact (email, password_hash) values ('s@x', 'canary-7b1e')"),
            Run([0, 2, 2]),
            Show(ALL, &["r@x|N0|P1|S0", "s@x|NULL|NULL|NULL"]),
            Cli(0, "refresh contact --full"),
        ]);
        let files = std::fs::read_dir(stage.path("")).unwrap().map(|file| file.unwrap().path());
        let ours = files.filter(|path| path.is_file() && !path.ends_with("scene.db"));
        for path in ours {
            let bytes = std::fs::read(&path).unwrap();
            let is_there = bytes.windows(CANARY.len()).any(|part| part == CANARY.as_bytes());
            assert!(!is_there, "{}", path.display());
        }
        // Nobody can ask for whatever there is, now or later.
        let file = std::fs::read_to_string(stage.path("syncline.yaml")).unwrap();
        let all = file.replace("    fields:", "    include: \"*\"\n    fields:");
        std::fs::write(stage.path("syncline.yaml"), all).unwrap();
        let said = stage.syncline(&["run"]);
        assert_eq!(said.code, 2, "{}", said.said());
        assert!(said.said().contains("unknown key `include`"), "{}", said.said());
        std::fs::write(stage.path("syncline.yaml"), file).unwrap();
    });
}

#[test]
fn s13_what_is_still_to_be_written_when_the_mapping_changes_is_shown_by_a_plan_first() {
    everywhere(&CONTACT, &[], |stage| {
        stage.take_steps(&[LINKED]);
        stage.leave(2);
        stage.take_steps(&[In("a", "update contact set phone = 'p1'"), RunEnds(3, [0, 1, 0])]);
        stage.come_back(2);
        stage.map(&CONTACT.mapping.replace(
            "phone: {@phone}",
            "phone: {a: phone, b: phone, c: {column: phone, case: upper}}",
        ));
        stage.take_steps(&[
            Cli(5, "run"),
            Show("c", &["r@x|N0|P0|S0"]),
            Cli(0, "plan --out new.plan"),
            Cli(0, "apply new.plan --yes"),
            Show("ab", &["r@x|N0|p1|S0"]),
            Show("c", &["r@x|N0|P1|S0"]),
        ]);
    });
}

#[test]
fn s9_a_column_that_is_gone_pauses_its_field_there_and_nothing_else() {
    everywhere(&CONTACT, &[], |stage| {
        stage.take_steps(&[
            LINKED,
            In("b", "alter table contact rename column phone to tel"),
            In("a", "update contact set phone = 'P1', name = 'N1'"),
            In("b", "update contact set status = 'S2'"),
            In("c", "insert into contact (email, phone) values ('s@x', 'Q1')"),
        ]);
        says_what_is_paused(stage, &[("plan", 3), ("run", 3), ("verify", 3), ("doctor b", 3)]);
        says_what_is_paused(stage, &[("check --online", 2)]);
        stage.take_steps(&[
            Show("ac", &["r@x|N1|P1|S2", "s@x|NULL|Q1|NULL"]),
            Query(
                "b",
                "select email, name, tel, status from contact order by email",
                &["r@x|N1|P0|S2", "s@x|NULL|NULL|NULL"],
            ),
            RunEnds(3, [0, 0, 0]),
            // What is edited under another name is nobody's edit of the field.
            In("b", "update contact set tel = 'P9' where email = 's@x'"),
            RunEnds(3, [0, 0, 0]),
            In("b", "alter table contact rename column tel to phone"),
            Cli(0, "plan"),
            Cli(0, "check --online"),
            Run([0, 2, 0]),
            Show(ALL, &["r@x|N1|P1|S2", "s@x|NULL|Q1|NULL"]),
            Cli(0, "verify"),
            Run([0, 0, 0]),
        ]);
    });
}

/// Whether each command names the field, the system, what goes on, and what comes next.
fn says_what_is_paused(stage: &Stage, commands: &[(&str, i32)]) {
    for (command, code) in commands {
        let said = stage.syncline(&command.split(' ').collect::<Vec<_>>());
        assert_eq!(said.code, *code, "{command}: {}{}", said.stdout, said.stderr);
        for word in [
            "error[schema.drift]: b: contact.phone is gone",
            "contact.phone is paused there, all other fields go on",
            "syncline check --online",
        ] {
            assert!(said.stderr.contains(word), "{command}, {word}: {}", said.stderr);
        }
    }
}

#[test]
fn s9_a_column_that_rows_are_found_by_cannot_be_left_out() {
    everywhere(&CONTACT, &[], |stage| {
        stage.take_steps(&[
            LINKED,
            In("b", "alter table contact rename column email to mail"),
            In("a", "update contact set phone = 'P1'"),
            RunEnds(3, [0, 0, 1]),
            Show("ac", &["r@x|N0|P1|S0"]),
            Query("b", "select mail, phone from contact", &["r@x|P0"]),
            In("b", "alter table contact rename column mail to email"),
            Run([0, 1, 0]),
        ]);
    });
}

#[test]
fn s9_a_field_that_is_mapped_to_the_new_name_goes_on_with_what_was_edited_there() {
    everywhere(&CONTACT, &[], |stage| {
        stage.take_steps(&[
            LINKED,
            In("b", "alter table contact rename column phone to tel"),
            In("a", "update contact set name = 'N1'"),
            RunEnds(3, [0, 1, 1]),
            In("b", "update contact set tel = 'P2'"),
        ]);
        let mapping = CONTACT.mapping.replace("{@phone}", "{a: phone, b: tel, c: phone}");
        stage.map(&mapping);
        stage.take_steps(&[
            Cli(5, "run"),
            Cli(0, "plan --out p.plan"),
            Cli(0, "apply p.plan --yes"),
            Show("ac", &["r@x|N1|P2|S0"]),
            Query("b", "select name, tel from contact", &["N1|P2"]),
            In("b", "alter table contact rename column tel to phone"),
        ]);
        stage.map(CONTACT.mapping);
        stage.take_steps(&[Cli(0, "plan --out p.plan"), Cli(0, "apply p.plan --yes")]);
    });
}

#[test]
fn s9_rows_that_cannot_be_made_without_the_column_are_made_when_it_is_back() {
    everywhere(&CONTACT, &[], |stage| {
        stage.sql(1, match stage.kinds[1] {
            Kind::Postgres => "alter table contact alter column phone set not null",
            Kind::MariaDb => "alter table contact modify phone varchar(100) not null",
            Kind::Sqlite => "drop table contact; create table contact (id {id}, email {text} not null unique, name {text}, phone {text} not null, status {text}); insert into contact (id, email, name, phone, status) values (21, 'r@x', 'N0', 'P0', 'S0')",
        });
        stage.take_steps(&[
            LINKED,
            In("b", "alter table contact rename column phone to tel"),
            In("a", "update contact set name = 'N1'; insert into contact (email, phone) values ('s@x', 'Q1')"),
            RunEnds(3, [0, 1, 2]),
            Query("b", "select email, name, tel from contact", &["r@x|N1|P0"]),
            In("b", "alter table contact rename column tel to phone"),
            Run([0, 1, 0]),
            Aside(&[]),
            Show(ALL, &["r@x|N1|P0|S0", "s@x|NULL|Q1|NULL"]),
        ]);
    });
}

#[test]
fn s9_a_column_that_was_dropped_and_made_anew_empties_nobody() {
    everywhere(&CONTACT, &[], |stage| {
        stage.take_steps(&[
            LINKED,
            In("b", "alter table contact drop column phone"),
            In("a", "update contact set name = 'N1'"),
            RunEnds(3, [0, 1, 1]),
            Show("ac", &["r@x|N1|P0|S0"]),
            In("b", "alter table contact add column phone {text}"),
            Cli(0, "run"),
            Show(ALL, &["r@x|N1|P0|S0"]),
            // From then on it is a column like any other.
            In("b", "update contact set phone = null"),
            Run([1, 0, 1]),
            Show(ALL, &["r@x|N1|NULL|S0"]),
        ]);
    });
}
