//! What stands where in the file is nobody's affair: fields, entities and systems may be moved, put between
//! others and taken out, and nothing that the hub remembers is taken for something else.

use crate::world::World;

const FILE: &str = r#"version: 1
systems:
  crm: {url: "sqlite:crm.db"}
  shop: {url: "sqlite:shop.db"}
entities:
  contacts:
    in: {crm: contacts, shop: customers}
    match: email
    fields:
      email: {crm: email, shop: email}
      name: {crm: name, shop: name}
  stock:
    in: {crm: stock, shop: shelf}
    match: sku
    fields:
      sku: {crm: sku, shop: sku}
      qty: {type: int, crm: qty, shop: qty}
"#;

/// Three contacts and two products in the CRM, all of them synchronised to the shop.
fn in_step() -> World {
    let world = World::with(FILE);
    let tables = |contacts: &str, stock: &str| {
        format!(
            "create table {contacts}(id integer primary key, email text unique, name text, phone text);
             create table {stock}(id integer primary key, sku text unique, qty integer);"
        )
    };
    world.sql("crm", &tables("contacts", "stock"));
    world.sql("shop", &tables("customers", "shelf"));
    world.sql("erp", &tables("people", "goods"));
    world.sql(
        "crm",
        "insert into contacts(id, email, name, phone) values (11, 'a@x', 'Ada', '1'), (12, 'b@x', 'Bo', '2'),
             (13, 'c@x', 'Cy', '3');
         insert into stock(id, sku, qty) values (21, 'TEA', 5), (22, 'MUG', 7);",
    );
    world.run(&["run", "--yes"]).ends(0, &[]);
    world
}

const PEOPLE: &str = "select group_concat(email || ':' || name, ' ') from (select * from";

fn people(world: &World, system: &str, table: &str) -> String {
    world.value(system, &format!("{PEOPLE} {table} order by email)"))
}

const ALL: &str = "a@x:Ada b@x:Bo c@x:Cy";

/// Approves what the file says now, and carries it out.
#[track_caller]
fn approve(world: &World) -> String {
    let planned = world.run(&["plan", "--out", "p.plan"]).ends(0, &[]).said();
    world.run(&["apply", "p.plan", "--yes"]).ends(0, &[]);
    planned
}

#[test]
fn a_system_that_is_put_before_another_takes_nobody_s_rows() {
    let world = in_step();
    world.edit("  shop: {url", "  erp: {url: \"sqlite:erp.db\"}\n  shop: {url");
    world.edit("crm: contacts, shop", "crm: contacts, erp: people, shop");
    world.edit("crm: email, shop", "crm: email, erp: email, shop");
    world.edit("crm: name, shop", "crm: name, erp: name, shop");

    let planned = approve(&world);
    for (system, table) in [("crm", "contacts"), ("erp", "people"), ("shop", "customers")] {
        assert_eq!(people(&world, system, table), ALL, "{system}\n{planned}");
    }
    assert_eq!(world.value("shop", "select group_concat(qty) from shelf"), "5,7");
    world.run(&["run"]).ends(0, &["nothing changed"]);
    world.agrees();
    // Its place is its priority: it wins against the shop, and the CRM wins against it.
    world.sql("erp", "update people set name = 'from erp' where email = 'a@x'");
    world.sql("shop", "update customers set name = 'from shop' where email = 'a@x'");
    world.run(&["run"]).ends(0, &[]);
    assert_eq!(world.value("crm", "select name from contacts where email = 'a@x'"), "from erp");
}

#[test]
fn fields_are_moved_put_between_others_and_taken_out() {
    let world = in_step();
    // A new one comes before all others.
    world.edit("      email: {crm", "      phone: {crm: phone, shop: phone}\n      email: {crm");
    approve(&world);
    assert_eq!(people(&world, "shop", "customers"), ALL);
    assert_eq!(world.value("shop", "select group_concat(phone) from customers"), "1,2,3");
    // The name goes; what the systems hold of it stays as it is in each.
    world.edit("      name: {crm: name, shop: name}\n", "");
    world.sql("crm", "update contacts set name = 'Eve', phone = '9' where id = 11");
    approve(&world);
    assert_eq!(people(&world, "shop", "customers"), ALL);
    assert_eq!(world.value("shop", "select phone from customers where email = 'a@x'"), "9");
    // And it comes back at another place.
    world.edit("      phone: {crm", "      name: {crm: name, shop: name}\n      phone: {crm");
    approve(&world);
    assert_eq!(people(&world, "shop", "customers"), "a@x:Eve b@x:Bo c@x:Cy");
    world.run(&["run"]).ends(0, &["nothing changed"]);
    world.agrees();
}

#[test]
fn entities_are_moved_and_need_no_new_approval() {
    let world = in_step();
    let (contacts, stock) = (FILE.find("  contacts:\n").unwrap(), FILE.find("  stock:\n").unwrap());
    let moved = format!("{}{}{}", &FILE[..contacts], &FILE[stock..], &FILE[contacts..stock]);
    world.file("syncline.yaml", &moved);
    world.sql("crm", "update stock set qty = 6 where id = 21");
    world.run(&["run"]).ends(0, &["stock"]);
    assert_eq!(people(&world, "shop", "customers"), ALL);
    assert_eq!(world.value("shop", "select group_concat(qty) from shelf"), "6,7");
    world.agrees();
}

#[test]
fn what_is_gone_and_would_be_taken_for_another_is_refused_and_nothing_happens() {
    let world = in_step();
    world.edit("  crm: {url: \"sqlite:crm.db\"}\n", "");
    world.edit("  shop: {url", "  erp: {url: \"sqlite:erp.db\"}\n  shop: {url");
    for (from, to) in [
        ("crm: contacts", "erp: people"),
        ("crm: email", "erp: email"),
        ("crm: name", "erp: name"),
        ("crm: stock", "erp: goods"),
        ("crm: sku", "erp: sku"),
        ("crm: qty", "erp: qty"),
    ] {
        world.edit(from, to);
    }
    for command in [&["plan"][..], &["run"], &["status"]] {
        world.run(command).ends(2, &["config.removed", "system crm", "pause it"]);
    }
    assert_eq!(people(&world, "shop", "customers"), ALL);
}

#[test]
fn rows_that_are_matched_by_other_rules_find_the_records_that_are_there() {
    let world = in_step();
    // The shop's people are known to a third system already, and the rule of old comes second now.
    world.sql(
        "erp",
        "insert into people(id, email, name) values (91, 'a@x', 'Ada'), (92, 'b@x', 'Bo'), (93, 'c@x', 'Cy')",
    );
    world.edit("  crm: {url", "  erp: {url: \"sqlite:erp.db\"}\n  crm: {url");
    world.edit("crm: contacts", "erp: people, crm: contacts");
    world.edit("crm: email", "erp: email, crm: email");
    world.edit("crm: name", "erp: name, crm: name");
    world.edit("match: email", "match: [name, email]");
    let planned = approve(&world);
    for (system, table) in [("crm", "contacts"), ("erp", "people"), ("shop", "customers")] {
        assert_eq!(people(&world, system, table), ALL, "{system}\n{planned}");
    }
    // And once more, without a new system: a new row is told by the rule that is new.
    world.edit("match: [name, email]", "match: [email, name]");
    approve(&world);
    world.sql("erp", "delete from people where id = 93; insert into people(id, email, name) values (94, 'c@x', 'Cyd')");
    world.run(&["refresh", "contacts", "--full"]);
    assert_eq!(world.value("crm", "select count(*) from contacts"), "3", "{planned}");
    assert_eq!(world.value("shop", "select count(*) from customers"), "3");
}
