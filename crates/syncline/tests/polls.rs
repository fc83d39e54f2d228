//! Reading by cursor, as a user sees it: what a poll may leave out, and what must make it read all.

use crate::world::World;

const FILE: &str = r#"version: 1
systems:
  crm: {url: "sqlite:crm.db"}
  erp: {url: "sqlite:erp.db"}
entities:
  contacts:
    in:
      crm: {table: contacts, changed_at: changed}
      erp: {table: CUSTOMER, changed_at: MODTS}
    match: email
    fields:
      email: {crm: email, erp: EMAIL}
      name: {crm: name, erp: CNAME}
"#;

/// Two contacts in both systems, synchronised, with cursors that nothing moves by itself.
fn two_contacts() -> World {
    let world = World::with(FILE);
    world.sql(
        "crm",
        "create table contacts (id integer primary key, email text, name text, phone text, changed text);
         insert into contacts values (1, 'ada@example.com', 'Ada', '1', '2026-01-01 00:00:00'),
                                     (2, 'bo@example.com', 'Bo', '2', '2026-06-01 00:00:00')",
    );
    world.sql(
        "erp",
        "create table CUSTOMER (NO integer primary key, EMAIL text, CNAME text, TEL text,
                                MODTS text not null default '2026-01-01 00:00:00')",
    );
    world.says(0, &["run", "--yes"]);
    world
}

fn names(world: &World, column: &str) -> String {
    let rows = "(select * from CUSTOMER order by EMAIL)";
    world.value("erp", &format!("select group_concat({column}, ' ') from {rows}"))
}

#[test]
fn a_poll_reads_what_its_cursor_shows() {
    let world = two_contacts();
    // Ada's change does not move the cursor, Bo's does.
    world.sql("crm", "update contacts set name = 'Ada King' where id = 1");
    let bo = "update contacts set name = 'Bo Young', changed = '2026-06-02 00:00:00' where id = 2";
    world.sql("crm", bo);

    world.says(0, &["run"]);
    assert_eq!(names(&world, "CNAME"), "Ada Bo Young");

    world.says(0, &["refresh", "contacts", "--full"]);
    assert_eq!(names(&world, "CNAME"), "Ada King Bo Young");
}

#[test]
fn a_lost_position_reads_everything() {
    let world = two_contacts();
    world.sql("crm", "update contacts set name = 'Ada King' where id = 1");
    world.sql("syncline.hub", "update checkpoint set position = x'ff00'");

    world.says(0, &["run"]);

    assert_eq!(names(&world, "CNAME"), "Ada King Bo");
}

#[test]
fn a_field_that_is_added_later_is_filled_in_rows_that_did_not_change() {
    let world = two_contacts();
    let file = FILE.replace("      name: {", "      phone: {crm: phone, erp: TEL}\n      name: {");
    world.file("syncline.yaml", &file);
    let said = world.says(5, &["run"]);
    assert!(said.contains("guard.config_changed"), "{said}");

    world.says(0, &["plan", "--out", "p.plan"]);
    world.says(0, &["apply", "p.plan", "--yes"]);

    assert_eq!(names(&world, "TEL"), "1 2");
}
