//! What guards stop, and what a person lets through: contact lists in SQLite files.

use crate::world::World;

const FILE: &str = r#"version: 1
systems:
  crm: {url: "sqlite:crm.db"}
  erp: {url: "sqlite:erp.db"}
entities:
  contacts:
    in: {crm: contacts, erp: CUSTOMER}
    match: email
    guards: {deletes: {max: 3, max_percent: 10}, updates: {max: 3, max_percent: 10}}
    fields:
      email: {crm: email, erp: EMAIL}
      name: {crm: name, erp: CNAME}
"#;

/// Twenty contacts that both systems have, synchronised.
fn twenty_contacts() -> World {
    let world = World::with(FILE);
    world.sql("crm", "create table contacts (id integer primary key, email text, name text)");
    world.sql("erp", "create table CUSTOMER (NO integer primary key, EMAIL text, CNAME text)");
    world.sql(
        "crm",
        "insert into contacts (email, name) select value || '@example.com', 'Name ' || value \
         from (with recursive n(value) as (select 1 union all select value + 1 from n where value < 20) select value from n)",
    );
    world.says(0, &["run", "--yes"]);
    world
}

#[test]
fn an_approved_disappearance_is_asked_about_once() {
    let world = twenty_contacts();
    world.sql("crm", "delete from contacts where id <= 8");
    let said = world.says(5, &["run"]);
    assert!(said.contains("guard.mass_delete"), "{said}");
    assert_eq!(world.value("erp", "select count(*) from CUSTOMER"), "20");

    world.says(0, &["guards", "apply", "1", "--yes"]);

    assert_eq!(world.value("erp", "select count(*) from CUSTOMER"), "12");
    assert!(world.says(0, &["run"]).contains("nothing changed"));
    assert!(world.says(0, &["guards"]).contains("no guard waits"));
}

#[test]
fn an_approval_is_good_for_exactly_what_was_shown() {
    let world = twenty_contacts();
    world.sql("crm", "update contacts set name = upper(name) where id <= 8");
    let said = world.says(5, &["run"]);
    assert!(said.contains("guard.mass_update"), "{said}");
    // As many rows as before, but one of them says something else.
    world.sql("crm", "update contacts set name = 'Somebody' where id = 8");

    let said = world.says(5, &["guards", "apply", "1", "--yes"]);

    assert!(said.contains("guard.mass_update"), "{said}");
    let changed = "select count(*) from CUSTOMER where CNAME glob 'NAME*' or CNAME = 'Somebody'";
    assert_eq!(world.value("erp", changed), "0");
    let shown = world.says(0, &["guards", "list"]);
    let open = shown.lines().filter_map(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    let number = open.max().unwrap().to_string();
    assert!(world.says(0, &["guards", "show", &number]).contains("among them"));
    world.says(0, &["guards", "apply", &number, "--yes"]);
    assert_eq!(world.value("erp", changed), "8");
}

#[test]
fn a_column_that_was_emptied_is_asked_about_and_put_back() {
    let world = twenty_contacts();
    world.edit("updates: {max: 3, max_percent: 10}", "blanks: {max: 3, max_percent: 10}");
    world.sql("crm", "update contacts set name = 'Somebody' where id <= 8");
    world.says(0, &["run"]);
    world.sql(
        "crm",
        "update contacts set name = case id % 2 when 0 then null else '' end where id > 12",
    );
    let planned = world.says(0, &["plan"]);
    assert!(planned.contains("8 values of a field of erp emptied"), "{planned}");

    let said = world.says(5, &["run"]);

    assert!(said.contains("guard.mass_blank") && said.contains("would be emptied"), "{said}");
    let empty = "select count(*) from CUSTOMER where coalesce(CNAME, '') = ''";
    assert_eq!(world.value("erp", empty), "0");
    world.says(0, &["guards", "reverse", "1", "--yes"]);
    assert_eq!(
        world.value("crm", &empty.replace("CUSTOMER", "contacts").replace("CNAME", "name")),
        "0"
    );
    assert!(world.says(0, &["run"]).contains("nothing changed"));
    world.sql("crm", "update contacts set name = null where id <= 3");
    world.says(0, &["run"]);
    assert_eq!(world.value("erp", empty), "3", "few are no alarm");
}

#[test]
fn values_in_another_character_set_are_held_and_put_back() {
    let world = twenty_contacts();
    world.edit("updates: {max: 3, max_percent: 10}", "updates: {max: 100, max_percent: 100}");
    world.sql("crm", "update contacts set name = 'García ' || id");
    world.says(0, &["run"]);
    // An import that took UTF-8 for Windows-1252.
    let import = "update contacts set name = 'GarcÃ' || char(173) || 'a ' || id where id <=";
    world.sql("crm", &format!("{import} 9"));
    world.says(0, &["run"]);
    world.sql("crm", "update contacts set name = 'García ' || id");
    world.says(0, &["run"]);
    world.sql("crm", &format!("{import} 12"));
    let planned = world.says(0, &["plan"]);
    assert!(planned.contains("12 values of erp look corrupted"), "{planned}");

    let said = world.says(5, &["run"]);

    assert!(said.contains("guard.corrupt_values") && said.contains("look corrupted"), "{said}");
    let wrong = "select count(*) from CUSTOMER where CNAME like '%Ã%'";
    assert_eq!(world.value("erp", wrong), "0");
    // Nothing is forgotten with the run that was stopped.
    world.says(5, &["run"]);
    assert_eq!(world.value("erp", wrong), "0");
    world.says(0, &["guards", "reverse", "1", "--yes"]);
    assert_eq!(world.value("crm", "select count(*) from contacts where name like '%Ã%'"), "0");
    assert!(world.says(0, &["run"]).contains("nothing changed"));
    world.says(0, &["help", "guard.corrupt_values"]);
}

/// Reads of this world's hub whether its values are still suspected to be garbled.
fn is_suspected(world: &World) -> bool {
    let sql = "select coalesce(sum(length(position)), 0) from checkpoint where stream = 'garbled:contacts'";
    world.value("syncline.hub", sql) != "0"
}

#[test]
fn what_was_let_through_although_it_looks_garbled_is_suspected_no_longer() {
    let world = twenty_contacts();
    world.edit("updates: {max: 3, max_percent: 10}", "updates: {max: 100, max_percent: 100}");
    world.sql("crm", "update contacts set name = 'García ' || id");
    world.says(0, &["run"]);
    world
        .sql("crm", "update contacts set name = 'GarcÃ' || char(173) || 'a ' || id where id <= 12");
    let wrong = "select count(*) from CUSTOMER where CNAME like '%Ã%'";

    // That many may be updated is no word about what they say.
    let said = world.says(5, &["run", "--allow", "updates"]);
    assert!(said.contains("guard.corrupt_values"), "{said}");
    assert_eq!((world.value("erp", wrong), is_suspected(&world)), ("0".into(), true));
    world.says(0, &["guards", "dismiss", "1"]);
    let said = world.says(5, &["run"]);
    assert!(said.contains("guards apply 2"), "what stays held is asked about again: {said}");

    world.says(0, &["guards", "apply", "2", "--yes"]);

    assert_eq!(world.value("erp", wrong), "12");
    assert!(world.says(0, &["run"]).contains("nothing changed"));
    assert!(!is_suspected(&world));
    assert!(world.says(0, &["guards"]).contains("no guard waits"));
    // The same values are as good as any others from now on.
    world.sql("crm", "update contacts set email = 'x' || email where id <= 12");
    world.says(0, &["run"]);
    assert!(world.says(0, &["guards"]).contains("no guard waits"));
    world.agrees();
}

#[test]
fn emptied_values_need_a_decision_however_many_updates_are_allowed() {
    let world = twenty_contacts();
    world.edit("updates: {max: 3, max_percent: 10}", "blanks: {max: 3, max_percent: 10}");
    world.sql("crm", "update contacts set name = null where id > 12");
    let planned = world.says(0, &["plan"]);
    assert!(
        planned.contains("held until somebody decides") && !planned.contains("--allow"),
        "{planned}"
    );

    let said = world.says(5, &["run", "--allow", "updates"]);

    assert!(said.contains("guard.mass_blank"), "{said}");
    let empty = "select count(*) from CUSTOMER where CNAME is null";
    assert_eq!(world.value("erp", empty), "0");
    world.says(0, &["guards", "apply", "1", "--yes"]);
    assert_eq!(world.value("erp", empty), "8");
}

#[test]
fn guards_of_several_systems_are_let_through_one_after_the_other() {
    // Few rows are missing at each source, and too many would go from each of two targets.
    let mut file = String::from("version: 1\nsystems:\n");
    for system in ["a", "b", "c", "d"] {
        file += &format!("  {system}: {{url: \"sqlite:{system}.db\"}}\n");
    }
    file += "entities:
  contacts:
    in: {a: contact, b: contact, c: contact, d: contact}
    match: email
    guards: {deletes: {max: 1, max_percent: 10}}
    fields:
      email: {a: email, b: email, c: email, d: email}
";
    let world = World::with(&file);
    for system in ["a", "b", "c", "d"] {
        world.sql(
            system,
            "create table contact (id integer primary key, email text not null unique)",
        );
    }
    world.sql("a", "insert into contact (email) values ('u1'), ('u2'), ('u3'), ('u4'), ('u5')");
    world.run(&["run", "--yes"]).ends(0, &[]);
    world.sql("a", "delete from contact where email = 'u1'");
    world.sql("b", "delete from contact where email = 'u2'");
    world.run(&["run"]).ends(5, &["2 of 5 rows of contacts in c would be deleted"]);
    world.run(&["guards", "apply", "1", "--yes"]).ends(5, &["contacts in d would be deleted"]);
    assert_eq!(world.value("c", "select count(*) from contact"), "5");
    world.run(&["guards", "apply", "2", "--yes"]).ends(0, &["c 2, d 2"]);
    world.run(&["guards", "list"]).ends(0, &["no guard waits"]);
    world.agrees();
}

/// Customers and the orders that refer to them in two systems, none yet; and what else is said of
/// either.
fn customers_and_orders(of_customers: &str, of_orders: &str) -> World {
    let world = World::with(&format!(
        r#"version: 1
systems:
  crm: {{url: "sqlite:crm.db"}}
  erp: {{url: "sqlite:erp.db"}}
entities:
  customers:
    in: {{crm: customer, erp: customer}}
    match: email
    {of_customers}
    fields:
      email: {{crm: email, erp: email}}
  orders:
    in: {{crm: orders, erp: orders}}
    match: number
    {of_orders}
    fields:
      number: {{crm: number, erp: number}}
      customer: {{ref: customers, crm: customer, erp: customer}}
"#
    ));
    for system in ["crm", "erp"] {
        world.sql(system, "create table customer (id integer primary key, email text unique)");
        let orders =
            "create table orders (id integer primary key, number text unique, customer integer)";
        world.sql(system, orders);
    }
    world
}

#[test]
fn a_guard_counts_everybody_who_goes_with_a_parent() {
    let world = customers_and_orders("", "on_parent_delete: cascade");
    world.sql("crm", "insert into customer (email) values ('ada@example.com'), ('bo@example.com')");
    world.sql(
        "crm",
        "insert into orders (number, customer) select value, 1 + (value > 1200) \
         from (with recursive n(value) as (select 1 union all select value + 1 from n where value < 1300) select value from n)",
    );
    world.says(0, &["run", "--yes"]);

    world.sql("crm", "delete from customer where email = 'ada@example.com'");

    world.run(&["run"]).ends(5, &["1,200 of 1,300 rows of orders in crm would be deleted"]);
    world.says(0, &["run", "--allow", "deletes"]);
    assert_eq!(world.value("erp", "select count(*) from orders"), "100");
    assert!(world.says(0, &["run"]).contains("nothing changed"));
}

#[test]
fn what_was_let_through_and_waits_is_not_asked_about_again_and_holds_back_nobody() {
    let world = customers_and_orders("guards: {deletes: {max: 1, max_percent: 10}}", "");
    world.sql("crm", "insert into customer (email) values ('ada'), ('bo'), ('cy')");
    world.sql("crm", "insert into orders (number, customer) values ('o1', 1), ('o2', 2)");
    world.says(0, &["run", "--yes"]);
    world.sql("crm", "delete from customer where email in ('ada', 'bo')");
    world.run(&["run"]).ends(5, &["2 of 3 customers disappeared from crm"]);
    world.run(&["guards", "apply", "1", "--yes"]).ends(4, &["2 set aside"]);

    world.sql("crm", "insert into customer (email) values ('di')");
    world.says(0, &["run"]);

    assert_eq!(world.value("erp", "select group_concat(email) from customer"), "ada,bo,cy,di");
    assert!(world.says(0, &["guards", "list"]).contains("no guard waits"));
    // Now they can go, two in one pass: that is asked about.
    world.sql("crm", "delete from orders");
    world.run(&["run"]).ends(5, &["2 of 4 rows of customers in erp would be deleted"]);
    world.run(&["run", "--allow", "deletes"]).ends(0, &[]);
    assert_eq!(world.value("erp", "select group_concat(email) from customer"), "cy,di");
}

#[test]
fn a_mass_update_is_put_back_where_it_comes_from() {
    let world = twenty_contacts();
    world.sql("crm", "update contacts set name = upper(name) where id <= 8");
    world.says(5, &["run"]);

    let said = world.says(0, &["guards", "reverse", "1", "--yes"]);

    assert!(said.contains("guard 1 is reversed: 8 changes put back"), "{said}");
    let loud = "select count(*) from contacts where name glob 'NAME*'";
    assert_eq!(world.value("crm", loud), "0");
    assert!(world.says(0, &["guards"]).contains("no guard waits"));
    world.agrees();
}

#[test]
fn rows_that_vanished_are_put_back_where_they_were() {
    let world = twenty_contacts();
    world.sql("crm", "delete from contacts where id <= 8");
    world.says(5, &["run"]);
    world.sql("crm", "update contacts set name = 'Somebody' where id = 9");

    let said = world.says(0, &["guards", "reverse", "1", "--yes"]);

    assert!(said.contains("8 changes put back"), "{said}");
    assert_eq!(world.value("crm", "select count(*) from contacts"), "20");
    assert_eq!(world.value("erp", "select count(*) from CUSTOMER"), "20");
    // What else was heard on the way is an edit like any other.
    world.says(0, &["run"]);
    assert_eq!(world.value("erp", "select count(*) from CUSTOMER where CNAME = 'Somebody'"), "1");
    world.agrees();
}

#[test]
fn what_is_not_what_was_shown_any_more_is_not_put_back() {
    let world = twenty_contacts();
    world.sql("crm", "update contacts set name = upper(name) where id <= 8");
    world.says(5, &["run"]);
    world.sql("crm", "update contacts set name = 'Somebody' where id = 8");

    let said = world.says(5, &["guards", "reverse", "1", "--yes"]);

    assert!(said.contains("plan.stale"), "{said}");
    assert_eq!(world.value("crm", "select count(*) from contacts where name glob 'NAME*'"), "7");
}
