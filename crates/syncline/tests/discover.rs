//! `syncline discover`: what it finds among two systems, what it does not, and what it writes.

use std::fs;

use crate::{shop::Town, world::World};

const SYSTEMS: &str = "# ours\nversion: 1\nsystems:\n  crm: {url: \"sqlite:crm.db\"} # the first\n  erp: {url: \"sqlite:erp.db\"}\n";

/// A CRM and an ERP that hold the same 200 people under other names, in other formats and codes.
fn people() -> World {
    let world = World::with(SYSTEMS);
    world.sql(
        "crm",
        "create table contacts (id integer primary key, email text unique, name text not null, phone text,
             birth_date date, status text, opt_in boolean, balance numeric(12,2), notes text,
             password_hash text, updated_at text);
         create table tags (id integer primary key, label text);
         insert into tags (label) values ('a'), ('b'), ('c');
         with recursive n(i) as (select 1 union all select i + 1 from n where i < 200)
         insert into contacts (email, name, phone, birth_date, status, opt_in, balance, notes, password_hash, updated_at)
         select 'person' || i || '@example.com', 'Name' || (i * 7919 % 1000) || ' Family' || i,
                '+336' || (10000000 + i * 7919), date('1950-01-01', (i * 97) || ' days'),
                case i % 3 when 0 then 'lead' when 1 then 'customer' else 'blocked' end,
                i % 2, i * 7.25, 'note ' || i, '$2b$12$abcdefghijklmnopqrstuv' || i, datetime('2026-01-01', i || ' hours')
         from n;",
    );
    world.sql(
        "erp",
        "create table CUSTOMER (CUSTNO integer primary key, EMAIL text, CNAME text, TEL text, BDATE text, STAT text,
             OPTIN text, SOLDE integer, VATNO text, BANK text, MODTS text);
         create table LOG (ID integer primary key, TXT text);
         insert into LOG (TXT) values ('x'), ('y');
         with recursive n(i) as (select 1 union all select i + 1 from n where i < 200)
         insert into CUSTOMER (EMAIL, CNAME, TEL, BDATE, STAT, OPTIN, SOLDE, VATNO, BANK, MODTS)
         select 'person' || j || '@example.com', 'Name' || (j * 7919 % 1000) || ' Family' || j,
                '06' || (10000000 + j * 7919), strftime('%Y%m%d', date('1950-01-01', (j * 97) || ' days')),
                case j % 3 when 0 then '0' when 1 then '1' else case when j % 4 = 0 then '9' else '8' end end,
                case j % 2 when 1 then 'O' else 'N' end, j * 725, null, 'DE89370400440532013000', null
         from (select 201 - i as j from n);
         update CUSTOMER set EMAIL = 'person1@example.com' where EMAIL = 'person2@example.com';",
    );
    world
}

#[test]
fn tables_fields_formats_codes_and_secrets_are_found() {
    let world = people();
    let said = world.run(&["discover", "crm", "erp"]).ends(
        0,
        &[
            "Compared 2 x 2 tables",
            "Nothing was written",
            "crm.contacts <-> erp.CUSTOMER",
            "199 of 199 values found on both sides; unique in crm -> match key",
            "\"%Y%m%d\", all parse",
            "enum blocked=8,9 customer=1 lead=0",
            "ratio 100",
            "the same numbers, written otherwise; as numbers of FR",
            "sensitive  erp.BANK (valid IBAN checksums): never read",
            "sensitive  crm.password_hash (hashes of passwords): never read",
            "erp.EMAIL holds 1 repeated value",
            "unpaired   crm.tags, erp.LOG",
            "Next: syncline discover crm erp --write",
        ],
    );
    assert_eq!(fs::read_to_string(world.path("syncline.yaml")).unwrap(), SYSTEMS);
    for secret in ["person17", "Family17", "$2b$", "DE8937"] {
        assert!(!said.said().contains(secret), "{secret} in\n{}", said.said());
    }
}

#[test]
fn what_is_written_is_checked_planned_and_run() {
    let world = people();
    world.sql(
        "erp",
        "update CUSTOMER set EMAIL = 'person2@example.com' where CNAME like '%Family2'",
    );
    world.run(&["discover", "crm", "erp", "--write"]).ends(0, &["Wrote 1 entity to syncline.yaml"]);
    let file = fs::read_to_string(world.path("syncline.yaml")).unwrap();
    assert!(file.starts_with(SYSTEMS), "{file}");
    assert!(file.contains("\n  # proposed by syncline discover crm erp"), "{file}");
    assert!(
        file.contains("bank: {erp: BANK, sensitive: never}   # valid IBAN checksums"),
        "{file}"
    );
    world.run(&["check"]).ends(0, &["is fine"]);
    world.run(&["check", "--online"]).ends(0, &["is fine"]);
    world.run(&["plan"]).ends(0, &["contacts"]);
    world.run(&["run", "--yes"]).ends(0, &[]);
    world.sql("crm", "update contacts set phone = '+33611223344' where id = 5");
    world.agrees();
    assert_eq!(
        world.value(
            "erp",
            "select count(*) from CUSTOMER where replace(TEL, ' ', '') = '0611223344'"
        ),
        "1"
    );
}

#[test]
fn what_the_file_says_already_is_not_proposed_again() {
    let world = people();
    world.run(&["discover", "crm", "erp", "--write"]).ends(0, &[]);
    let file = fs::read_to_string(world.path("syncline.yaml")).unwrap();
    world
        .run(&["discover", "crm", "erp", "--write"])
        .ends(0, &["are contacts already", "Nothing was written"]);
    assert_eq!(fs::read_to_string(world.path("syncline.yaml")).unwrap(), file);
}

#[test]
fn an_entity_of_the_name_keeps_it() {
    let world = people();
    world.sql("crm", "create table other (id integer primary key, email text)");
    world.sql("erp", "create table OTHER (ID integer primary key, EMAIL text)");
    let taken = "entities:\n  contacts: # mine\n    in: {crm: other, erp: OTHER}\n    match: email\n    fields:\n      email: {crm: email, erp: EMAIL}\n";
    world.file("syncline.yaml", &format!("{SYSTEMS}{taken}"));
    world.run(&["discover", "crm", "erp", "--write"]).ends(0, &["contacts_2"]);
    let file = fs::read_to_string(world.path("syncline.yaml")).unwrap();
    assert!(file.starts_with(&format!("{SYSTEMS}{taken}")), "{file}");
    world.run(&["check", "--online"]).ends(0, &[]);
}

#[test]
fn programs_read_the_same() {
    let world = people();
    let json = world.run(&["--json", "discover", "crm", "erp"]).ends(0, &[]).json();
    let entity = &json["result"]["entities"][0];
    assert_eq!(entity["name"], "contacts");
    assert_eq!(entity["tables"]["erp"], "CUSTOMER");
    let fields = entity["fields"].as_array().unwrap();
    let birthday = fields.iter().find(|field| field["erp"]["columns"][0] == "BDATE").unwrap();
    assert_eq!(birthday["keys"]["type"], "date");
    assert_eq!(birthday["erp"]["settings"]["format"], "\"%Y%m%d\"");
    assert!(birthday["confidence"].as_f64().unwrap() > 0.9);
    let plain = world.run(&["--plain", "discover", "crm", "erp"]).ends(0, &[]).stdout;
    assert!(plain.lines().all(|line| line.split('\t').count() == 7), "{plain}");
}

#[test]
fn only_the_tables_that_were_asked_for_are_compared() {
    let world = people();
    world
        .run(&["discover", "crm", "erp", "--table", "tags"])
        .ends(0, &["Nothing belongs together"]);
    world
        .run(&["discover", "crm", "erp", "--table", "CUSTOMER"])
        .ends(0, &["crm.contacts <-> erp.CUSTOMER"]);
    world
        .run(&["discover", "crm", "erp", "--table", "contact"])
        .ends(2, &["neither system has a table `contact`", "did you mean contacts?"]);
}

#[test]
fn a_wrong_system_is_named() {
    let world = people();
    world
        .run(&["discover", "crm", "epr"])
        .ends(2, &["there is no system `epr`", "did you mean erp?"]);
    world.run(&["discover", "crm", "crm"]).ends(2, &["another one"]);
    world.run(&["discover", "crm", "erp", "--min", "7"]).ends(2, &["a number from 0 to 1"]);
}

#[test]
fn an_empty_side_is_paired_by_its_names() {
    let world = World::contacts(20);
    world.file("syncline.yaml", SYSTEMS);
    let said = world.run(&["discover", "crm", "erp", "--min", "0.6"]).ends(0, &["by name only"]);
    assert!(said.stdout.contains("crm.email"), "{}", said.stdout);
}

#[test]
fn systems_that_have_nothing_to_do_with_each_other_are_left_alone() {
    let world = World::with(SYSTEMS);
    world.sql(
        "crm",
        "create table contacts (id integer primary key, email text unique, name text, created_at text, active integer, kind text);
         with recursive n(i) as (select 1 union all select i + 1 from n where i < 300)
         insert into contacts select i, 'p' || i || '@example.com', 'Person ' || i, date('2020-01-01', i || ' days'), i % 2, 'k' || (i % 5) from n;",
    );
    world.sql(
        "erp",
        "create table MACHINE (id integer primary key, name text, serial text unique, built text, active integer, kind text);
         create table READING (id integer primary key, machine integer references MACHINE (id), value real, taken text, ok integer);
         with recursive n(i) as (select 1 union all select i + 1 from n where i < 300)
         insert into MACHINE select i, 'Lathe ' || i, 'SN' || (i * 7919 % 10007), date('1999-05-01', (i * 3) || ' days'), (i * i * 7919 / 13) % 2, 't' || (i * i * 104729 / 17 % 4) from n;
         with recursive n(i) as (select 1 union all select i + 1 from n where i < 900)
         insert into READING select i, i % 300 + 1, i * 1.5, date('2021-01-01', i || ' days'), i % 7 > 0 from n;",
    );
    world.run(&["discover", "crm", "erp"]).ends(0, &["Nothing"]);
    let json = world.run(&["--json", "discover", "crm", "erp"]).ends(0, &[]).json();
    assert_eq!(json["result"]["entities"], serde_json::json!([]), "{json:#}");
    world.run(&["discover", "crm", "erp", "--write"]).ends(0, &["Nothing was written"]);
    assert_eq!(fs::read_to_string(world.path("syncline.yaml")).unwrap(), SYSTEMS);
}

#[test]
fn members_of_items_are_compared_with_columns() {
    let town = Town::in_step(40);
    let world = &town.world;
    let file = fs::read_to_string(world.path("syncline.yaml")).unwrap();
    let systems = file.split("entities:").next().unwrap();
    world.file("syncline.yaml", &format!("hub: {{path: found.db}}\n{systems}"));
    world.run(&["discover", "crm", "shop"]).ends(
        0,
        &[
            "crm.contacts <-> shop.customers",
            "40 of 40 values found on both sides; unique in both -> match key",
            "shop.default_address.zip",
            "unpaired   crm.id, shop.id",
        ],
    );
    world.run(&["discover", "crm", "shop", "--write"]).ends(0, &["Wrote 1 entity"]);
    world.run(&["check", "--online"]).ends(0, &["is fine"]);
    world.run(&["run", "--yes"]).ends(0, &[]);
    world.agrees();
}

#[test]
fn of_large_tables_a_part_is_enough() {
    let world = World::with(SYSTEMS);
    let rows = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000)";
    world.sql(
        "crm",
        &format!(
            "create table contacts (id integer primary key, email text unique, name text);
             {rows} insert into contacts select i, 'p' || i || '@example.com', 'Name ' || (i * 7919 % 9973) from n;"
        ),
    );
    // Numbered in another order.
    world.sql(
        "erp",
        &format!(
            "create table CUSTOMER (NO integer primary key, EMAIL text unique, CNAME text);
             {rows} insert into CUSTOMER
             select i, 'p' || (i * 7919 % 20011) || '@example.com', 'Name ' || ((i * 7919 % 20011) * 7919 % 9973) from n;"
        ),
    );
    world.run(&["discover", "crm", "erp", "--sample", "1000"]).ends(
        0,
        &[
            "crm.contacts <-> erp.CUSTOMER",
            "(of large tables a part was read: 1 in 20 can meet)",
            "erp.CNAME",
        ],
    );
}

#[test]
fn a_folder_of_files_is_refused_with_what_to_do() {
    let world = people();
    world.edit("erp: {url: \"sqlite:erp.db\"}", "erp: {url: \"file:erp/\", read: {format: csv}}");
    world
        .run(&["discover", "crm", "erp"])
        .ends(2, &["`erp` is a folder of files", "docs/files.md"]);
}
