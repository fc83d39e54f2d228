//! What must hold of a record: contact lists and orders in SQLite files.

use crate::world::World;

const FILE: &str = r#"version: 1
systems:
  crm: {url: "sqlite:crm.db"}
  erp: {url: "sqlite:erp.db"}
entities:
  contacts:
    in: {crm: contacts, erp: CUSTOMER}
    match: email
    fields:
      email: {crm: email, erp: EMAIL}
      name: {crm: name, erp: CNAME}
      phone: {crm: phone, erp: TEL}
    validate:
      - {check: "phone != null || name != null", message: "a contact needs a name or a phone", else: quarantine}
      - {check: "name == null || name.size() < 10", message: "the name is too long", else: reject}
      - {check: "phone == null || phone.startsWith('+')", message: "a phone without a country", else: warn}
"#;

fn contacts() -> World {
    let world = World::with(FILE);
    world.sql(
        "crm",
        "create table contacts (id integer primary key, email text, name text, phone text)",
    );
    world.sql(
        "erp",
        "create table CUSTOMER (NO integer primary key, EMAIL text, CNAME text, TEL text)",
    );
    world.sql(
        "crm",
        "insert into contacts (email, name, phone) values ('a@x', 'a', '+1'), ('b@x', 'b', '+2')",
    );
    world.says(0, &["run", "--yes"]);
    world
}

#[test]
fn what_breaks_a_rule_waits_and_follows_by_itself_once_it_is_mended() {
    let world = contacts();
    world.sql("crm", "insert into contacts (email) values ('c@x')");
    world.sql("crm", "update contacts set name = 'A' where email = 'a@x'");

    world.says(4, &["run"]);

    assert_eq!(world.value("erp", "select group_concat(CNAME, ' ') from CUSTOMER"), "A b");
    let listed = world.says(0, &["quarantine", "list"]);
    assert!(
        listed.contains("validate.rule") && listed.contains("a contact needs a name or a phone"),
        "{listed}"
    );
    world.sql("crm", "update contacts set phone = '+3' where email = 'c@x'");
    world.says(0, &["run"]);
    assert_eq!(world.value("erp", "select TEL from CUSTOMER where EMAIL = 'c@x'"), "+3");
    assert!(world.says(0, &["quarantine", "list"]).contains("nothing is held back"));
    world.agrees();
}

#[test]
fn what_is_rejected_is_put_back_and_what_warns_is_noted() {
    let world = contacts();
    world.sql("erp", "update CUSTOMER set CNAME = 'far too long a name' where EMAIL = 'a@x'");
    world.sql("erp", "update CUSTOMER set TEL = '7' where EMAIL = 'b@x'");

    world.says(0, &["run"]);

    assert_eq!(world.value("erp", "select CNAME from CUSTOMER where EMAIL = 'a@x'"), "a");
    assert_eq!(world.value("crm", "select phone from contacts where email = 'b@x'"), "7");
    let history = world.says(0, &["history"]);
    assert!(history.contains("not taken  (validate.rule: the name is too long)"), "{history}");
    assert!(history.contains("validate.rule: a phone without a country"), "{history}");
    assert!(world.says(0, &["run"]).contains("nothing changed"));
    world.agrees();
}

#[test]
fn a_rule_that_speaks_of_what_is_not_there_is_refused() {
    let world = contacts();
    world.edit("phone != null || name", "fone != null || name");
    let said = world.says(2, &["check"]);
    assert!(
        said.contains("config.unknown_field") && said.contains("did you mean `phone`?"),
        "{said}"
    );
    world.edit("fone != null ||", "phone != null |");
    let said = world.says(2, &["check"]);
    assert!(said.contains("config.expression"), "{said}");
}

#[test]
fn an_order_whose_lines_do_not_add_up_waits_whole_and_holds_up_nobody() {
    let world = World::with(
        r#"version: 1
systems:
  shop: {url: "sqlite:shop.db"}
  erp: {url: "sqlite:erp.db"}
entities:
  orders:
    in: {shop: orders, erp: SALES}
    match: number
    fields:
      number: {shop: number, erp: REF}
      total: {type: decimal, shop: total, erp: TOT}
    lines:
      in: {shop: {table: order_lines, parent: order_id}, erp: {table: SALES_LINE, parent: SALES_ID}}
      key: sku
      fields:
        sku: {shop: sku, erp: ITEM}
        qty: {type: int, shop: qty, erp: QTY}
        price: {type: decimal, shop: price, erp: PRICE}
    validate:
      - {check: "total == sum(lines.map(l, l.qty * l.price))", message: "the total differs from its lines"}
"#,
    );
    world.sql("shop", "create table orders (id integer primary key, number text, total text);
        create table order_lines (id integer primary key, order_id integer references orders, sku text, qty int, price text);
        insert into orders values (1, 'N1', '20.20'), (2, 'N2', '5.00');
        insert into order_lines values (1, 1, 'A', 2, '10.10'), (2, 2, 'A', 1, '4.00')");
    world.sql("erp", "create table SALES (ID integer primary key, REF text, TOT text);
        create table SALES_LINE (ID integer primary key, SALES_ID integer references SALES, ITEM text, QTY int, PRICE text)");

    world.says(4, &["run", "--yes"]);

    assert_eq!(world.value("erp", "select group_concat(REF) from SALES"), "N1");
    assert!(world.says(0, &["quarantine", "list"]).contains("the total differs from its lines"));
    world.sql("shop", "insert into order_lines values (3, 2, 'B', 1, '1.00')");
    world.says(0, &["run"]);
    assert_eq!(world.value("erp", "select count(*) from SALES_LINE"), "3");
    assert!(world.says(0, &["quarantine", "list"]).contains("nothing is held back"));
}

#[test]
fn m13_two_edits_that_are_right_alone_and_wrong_together_wait() {
    let world = World::with(&FILE.replace(
        r#""phone != null || name != null", message: "a contact needs a name or a phone""#,
        r#""phone == null || name == null || name <= phone", message: "ends before it begins""#,
    ));
    world.sql(
        "crm",
        "create table contacts (id integer primary key, email text, name text, phone text)",
    );
    world.sql(
        "erp",
        "create table CUSTOMER (NO integer primary key, EMAIL text, CNAME text, TEL text)",
    );
    world.sql(
        "crm",
        "insert into contacts (email, name, phone) values ('a@x', '1', '9'), ('b@x', '1', '9')",
    );
    world.says(0, &["run", "--yes"]);
    world.sql("crm", "update contacts set phone = '5' where email = 'a@x'");
    world.sql("erp", "update CUSTOMER set CNAME = '7' where EMAIL = 'a@x'");
    world.sql("erp", "update CUSTOMER set CNAME = '7' where EMAIL = 'b@x'");

    world.says(4, &["run"]);

    assert_eq!(
        world.value("crm", "select group_concat(name || phone, ' ') from contacts"),
        "15 79"
    );
    assert_eq!(world.value("erp", "select group_concat(CNAME || TEL, ' ') from CUSTOMER"), "79 79");
    let listed = world.run(&["--json", "quarantine", "list"]).ends(0, &[]).json();
    assert_eq!(listed["result"].as_array().unwrap().len(), 1, "{listed}");
    // A person decides, and it follows by itself.
    world.says(0, &["quarantine", "edit", "1", "--set", "phone=8"]);
    assert_eq!(
        world.value("crm", "select group_concat(name || phone, ' ') from contacts"),
        "78 79"
    );
    assert!(world.says(0, &["quarantine", "list"]).contains("nothing is held back"));
    world.agrees();
}

#[test]
fn an_amount_in_another_currency_waits_for_its_rate_and_never_becomes_zero() {
    let world = World::with(
        r#"version: 1
rates: {file: rates.csv}
systems:
  erp: {url: "sqlite:erp.db"}
  crm: {url: "sqlite:crm.db"}
  finance: {url: "file:exports/", write: {format: csv, name: "{file}.csv"}}
entities:
  orders:
    in: {erp: sales, crm: orders, finance: {file: orders}}
    from: erp
    match: number
    fields:
      number: {erp: no, crm: number, finance: Order}
      placed: {type: date, erp: placed, crm: placed, finance: Date}
      total: {type: money, currency: EUR, erp: total, crm: total, finance: Total}
      total_usd: {compute: "total * rate('EUR', 'USD', placed)", finance: USD}
"#,
    );
    std::fs::create_dir(world.path("exports")).unwrap();
    world.file("rates.csv", "date,from,to,rate\n2026-01-30,EUR,USD,1.25\n");
    world.sql(
        "erp",
        "create table sales(no text primary key, placed text, total text);
        insert into sales values ('1', '2026-02-01', '10.10'), ('2', '2026-03-01', '20.00')",
    );
    world.sql(
        "crm",
        "create table orders(id integer primary key, number text, placed text, total text)",
    );

    world.says(4, &["run", "--yes"]);

    let export =
        || std::fs::read_to_string(world.path("exports/orders.csv")).unwrap().replace('\r', "");
    assert_eq!(export(), "Order,Date,Total,USD\n1,2026-02-01,10.10,12.625\n");
    assert_eq!(world.value("crm", "select count(*) from orders"), "2");
    let listed = world.says(0, &["quarantine", "list"]);
    let words = "total_usd: there is no rate from EUR to USD for 2026-03-01";
    assert!(listed.contains("map.no_rate") && listed.contains(words), "{listed}");

    world.file("rates.csv", "date,from,to,rate\n2026-01-30,EUR,USD,1.25\n2026-02-27,EUR,USD,1.5\n");
    world.says(0, &["retry", "--code", "map.no_rate"]);
    world.says(0, &["run"]);
    assert!(export().contains("2,2026-03-01,20.00,30"), "{}", export());
    assert!(world.says(0, &["quarantine", "list"]).contains("nothing is held back"));

    // What it was is not what it is.
    world.sql("erp", "update sales set placed = '2027-01-01' where no = '1'");
    world.says(4, &["run"]);
    assert!(export().contains("1,2026-02-01,10.10,12.625"), "{}", export());
    assert_eq!(world.value("crm", "select placed from orders where number = '1'"), "2027-01-01");
}

#[test]
fn rates_that_are_none_are_said_with_their_place() {
    let file = r#"version: 1
rates: {file: rates.csv}
systems:
  erp: {url: "sqlite:erp.db"}
  crm: {url: "sqlite:crm.db"}
entities:
  orders:
    in: {erp: sales, crm: orders}
    match: number
    fields:
      number: {erp: no, crm: number}
      usd: {compute: "10 * rate('EUR', 'USD', '2026-01-30')", crm: usd}
"#;
    let world = World::with(file);
    for (rows, place, words) in [
        ("date,from,to\n", "syncline.yaml:2", "it has no column `rate`"),
        ("date,from,to,rate\n2026-01-30,EUR,USD,zero\n", "rates.csv:2", "is no rate"),
        ("date,from,to,rate\n30/01/2026,EUR,USD,1\n", "rates.csv:2", "is no day"),
    ] {
        world.file("rates.csv", rows);
        world.run(&["check"]).ends(2, &["config.lookup", place, words]);
    }
    world.edit("rates: {file: rates.csv}\n", "");
    world.run(&["check"]).ends(2, &["nobody gives the rates", "rates: {file: rates.csv}"]);
}
