//! A real case from end to end: `examples/northwind`, as it is published, on private servers.
//!
//! A shop on PostgreSQL, an ERP on MariaDB and a desk on SQLite hold the same customers, orders
//! with lines, articles and staff under other names, keys and formats. People edit in all three.
//! Whether the three agree is asked twice: of `syncline verify`, and of SQL written here, which
//! brings each system's rows into one form without any of Syncline's code.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rusqlite::Connection;
use tempfile::TempDir;

use crate::{
    servers::{Server, mariadb, postgres},
    world::{Done, command, finished},
};

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/northwind");

/// The three systems, the configuration, and a directory for them.
struct World {
    home: TempDir,
    shop_url: String,
    erp_url: String,
}

impl World {
    /// Loads the example's files, as its README says.
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let world = Self {
            shop_url: postgres().database("northwind_shop"),
            erp_url: mariadb().database("northwind_erp"),
            home,
        };
        world.shop(&example("data/northwind.sql"));
        world.shop(&example("postgres.sql"));
        world.erp(&example("erp.sql"));
        world.desk(&example("desk.sql"));
        let file = example("syncline.yaml")
            .replace("postgres://postgres@127.0.0.1:5432/northwind", &world.shop_url)
            .replace("mariadb://root@127.0.0.1:3306/erp", &world.erp_url);
        fs::write(world.path("syncline.yaml"), file).unwrap();
        fs::create_dir(world.path("lookups")).unwrap();
        fs::write(world.path("lookups/countries.csv"), example("lookups/countries.csv")).unwrap();
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn syncline(&self, arguments: &[&str]) -> Done {
        finished(&mut command(self.home.path(), arguments))
    }

    /// Runs a command that must end with this code.
    #[track_caller]
    fn expect(&self, code: i32, arguments: &[&str]) -> String {
        let done = self.syncline(arguments);
        assert_eq!(
            done.code,
            code,
            "syncline {}\n{}\n{}",
            arguments.join(" "),
            done.stdout,
            done.stderr
        );
        done.stdout
    }

    /// Runs SQL in the shop, and gives back its rows.
    #[track_caller]
    fn shop(&self, sql: &str) -> String {
        run_on(postgres(), &self.shop_url, sql)
    }

    /// Runs SQL in the ERP, and gives back its rows.
    #[track_caller]
    fn erp(&self, sql: &str) -> String {
        run_on(mariadb(), &self.erp_url, sql)
    }

    /// Runs SQL at the desk.
    #[track_caller]
    fn desk(&self, sql: &str) {
        let desk = Connection::open(self.path("desk.db")).unwrap();
        desk.execute_batch(sql).unwrap();
    }

    /// The rows of a query at the desk that gives one text.
    #[track_caller]
    fn desk_rows(&self, sql: &str) -> String {
        let desk = Connection::open(self.path("desk.db")).unwrap();
        let mut query = desk.prepare(sql).unwrap();
        let rows = query.query_map([], |row| row.get::<_, Option<String>>(0)).unwrap();
        rows.map(|row| row.unwrap().unwrap_or_else(|| "NULL".into()) + "\n").collect()
    }

    /// All three hold the same, asked in SQL and of `verify`; and two more runs write nothing.
    #[track_caller]
    fn check_all_agree(&self) {
        for [what, shop, erp, desk] in SAME {
            let shop = self.shop(shop);
            same(what, "erp", &shop, &self.erp(erp));
            same(what, "desk", &shop, &self.desk_rows(desk));
        }
        self.expect(0, &["verify"]);
        let before = self.trace();
        for _ in 0..2 {
            self.expect(0, &["run"]);
            assert_eq!(self.trace(), before, "a run without changes wrote");
        }
    }

    /// Changes whenever anything is written: the newest transaction that left a row in the shop,
    /// and the contents of the others.
    fn trace(&self) -> String {
        let shop = SHOP_TABLES.map(|table| {
            self.shop(&format!("select count(*), max(xmin::text::bigint) from {table}"))
        });
        let erp = ERP_TABLES.map(|table| self.erp(&format!("checksum table {table}")));
        let desk = fs::read(self.path("desk.db")).unwrap();
        // The desk's file counts its transactions in bytes 24 to 27; a write-ahead log would grow.
        let log = fs::metadata(self.path("desk.db-wal")).map_or(0, |log| log.len());
        format!("{shop:?} {erp:?} {:?} {log}", &desk[24..28])
    }
}

const SHOP_TABLES: [&str; 5] = ["customers", "employees", "orders", "order_details", "products"];
const ERP_TABLES: [&str; 5] = ["CUSTOMER", "STAFF", "SALES_ORDER", "SALES_LINE", "ARTICLE"];

/// What is compared, and the query that shows it in shop, ERP and desk.
const SAME: [[&str; 4]; 5] = [
    [
        "contacts",
        "select concat_ws('|', customer_id, company_name, coalesce(contact_name, '-'), coalesce(phone, '-'),
                coalesce(city, '-'), coalesce(postal_code, '-'))
         from customers order by customer_id collate \"C\"",
        "select concat_ws('|', CODE, NAME, ifnull(trim(concat(FIRST, ' ', LAST)), '-'), ifnull(TEL, '-'),
                ifnull(TOWN, '-'), ifnull(ZIP, '-'))
         from CUSTOMER order by CODE collate utf8mb4_bin",
        "select code || '|' || company || '|' || coalesce(person, '-') || '|' || coalesce(phone, '-')
                || '|' || coalesce(city, '-') || '|' || coalesce(zip, '-')
         from contact order by code",
    ],
    [
        "users",
        "select concat_ws('|', e.employee_id, e.last_name, e.first_name, coalesce(e.title, '-'), coalesce(e.birth_date::text, '-'),
                coalesce(b.employee_id::text, '-'))
         from employees e left join employees b on b.employee_id = e.reports_to order by e.employee_id",
        "select concat_ws('|', e.STAFF_NO, e.SURNAME, e.FORENAME, ifnull(e.POSITION, '-'),
                ifnull(date_format(str_to_date(e.BORN, '%d/%m/%Y'), '%Y-%m-%d'), '-'), ifnull(b.STAFF_NO, '-'))
         from STAFF e left join STAFF b on b.STAFF_ID = e.BOSS_ID order by e.STAFF_NO",
        "select e.staff_no || '|' || e.last || '|' || e.first || '|' || coalesce(e.title, '-') || '|' || coalesce(e.born, '-')
                || '|' || coalesce(b.staff_no, '-')
         from agent e left join agent b on b.id = e.boss order by e.staff_no",
    ],
    [
        "inventory",
        "select concat_ws('|', product_id, product_name, round(unit_price::text::numeric * 100), units_in_stock, discontinued)
         from products order by product_id",
        "select concat_ws('|', ART_NO, TITLE, CENTS, STOCK, if(ACTIVE = 'N', 1, 0)) from ARTICLE order by ART_NO",
        "select sku || '|' || name || '|' || cast(round(price * 100) as integer) || '|' || stock || '|' || (state = 'retired')
         from item order by sku",
    ],
    [
        "orders",
        "select concat_ws('|', order_id, customer_id, coalesce(employee_id::text, '-'), order_date, coalesce(shipped_date::text, '-'),
                ship_via, round(freight::text::numeric * 100))
         from orders order by order_id",
        "select concat_ws('|', o.ORD_NO, c.CODE, ifnull(s.STAFF_NO, '-'),
                date_format(str_to_date(o.ORDERED, '%d/%m/%Y'), '%Y-%m-%d'),
                ifnull(date_format(str_to_date(o.SHIPPED, '%d/%m/%Y'), '%Y-%m-%d'), '-'),
                field(o.CARRIER, 'SPX', 'UPK', 'FED', 'ALL', 'UPS', 'DHL'), o.FREIGHT)
         from SALES_ORDER o left join CUSTOMER c on c.CUST_ID = o.CUST_ID
              left join STAFF s on s.STAFF_ID = o.STAFF_ID order by o.ORD_NO",
        "select o.number || '|' || c.code || '|' || coalesce(a.staff_no, '-') || '|' || o.placed || '|' || coalesce(o.sent, '-')
                || '|' || case o.carrier when 'speedy' then 1 when 'united' then 2 when 'federal' then 3
                            when 'alliance' then 4 when 'ups' then 5 when 'dhl' then 6 end
                || '|' || cast(round(o.freight * 100) as integer)
         from purchase o left join contact c on c.id = o.contact left join agent a on a.id = o.agent order by o.number",
    ],
    [
        "orders.lines",
        "select concat_ws('|', order_id, product_id, quantity, round(unit_price::text::numeric * 100), round(discount::text::numeric * 100))
         from order_details order by order_id, product_id",
        "select concat_ws('|', o.ORD_NO, a.ART_NO, l.QTY, l.CENTS, l.PERCENT)
         from SALES_LINE l join SALES_ORDER o on o.ORD_ID = l.ORD_ID join ARTICLE a on a.ART_ID = l.ART_ID
         order by o.ORD_NO, a.ART_NO",
        "select o.number || '|' || i.sku || '|' || l.quantity || '|' || cast(round(l.price * 100) as integer)
                || '|' || cast(round(l.discount * 100) as integer)
         from purchase_line l join purchase o on o.id = l.purchase join item i on i.id = l.item
         order by o.number, i.sku",
    ],
];

#[track_caller]
fn same(what: &str, other: &str, shop: &str, found: &str) {
    let (left, right): (Vec<_>, Vec<_>) = (shop.lines().collect(), found.lines().collect());
    let only_shop: Vec<_> = left.iter().filter(|row| !right.contains(row)).take(5).collect();
    let only_other: Vec<_> = right.iter().filter(|row| !left.contains(row)).take(5).collect();
    assert!(
        left == right,
        "{what}: {} rows in shop, {} in {other}\nonly in shop: {only_shop:#?}\nonly in {other}: {only_other:#?}",
        left.len(),
        right.len(),
    );
}

#[track_caller]
fn run_on(server: &Server, url: &str, sql: &str) -> String {
    server.execute(url, sql)
}

fn example(name: &str) -> String {
    fs::read_to_string(Path::new(EXAMPLE).join(name)).unwrap()
}

/// An entity, a column of the shop and one of the other system, and a word of the evidence.
type Wanted = (&'static str, &'static str, &'static str, &'static str);

/// What `discover` must find between the shop and another system.
const TRUE_PAIRS: [(&str, &[Wanted]); 2] = [
    (
        "erp",
        &[
            ("customers", "customer_id", "CODE", "match key"),
            ("customers", "contact_name", "FIRST+LAST", "two columns"),
            ("customers", "country", "CTRY", "Germany=DE"),
            ("customers", "phone", "TEL", "equal"),
            ("products", "product_id", "ART_NO", "match key"),
            ("products", "unit_price", "CENTS", "ratio 100"),
            ("products", "discontinued", "ACTIVE", "yes and no, 0=Y 1=N"),
            ("employees", "employee_id", "STAFF_NO", "match key"),
            ("employees", "birth_date", "BORN", "%d/%m/%Y"),
            ("employees", "reports_to", "BOSS_ID", "both refer to employees"),
            ("orders", "order_id", "ORD_NO", "match key"),
            ("orders", "customer_id", "CUST_ID", "both refer to customers"),
            ("orders", "order_date", "ORDERED", "%d/%m/%Y"),
            ("orders", "shipped_date", "SHIPPED", "%d/%m/%Y"),
            ("orders", "ship_via", "CARRIER", "1=SPX"),
            ("orders.lines", "product_id", "ART_ID", "both refer to products"),
            ("orders.lines", "quantity", "QTY", "equal"),
            ("orders.lines", "discount", "PERCENT", "ratio 100"),
        ],
    ),
    (
        "desk",
        &[
            ("customers", "customer_id", "code", "match key"),
            ("products", "product_id", "sku", "match key"),
            ("products", "unit_price", "price", "real <-> text"),
            ("employees", "hire_date", "since", "%Y-%m-%d"),
            ("orders", "order_id", "number", "match key"),
            ("orders.lines", "unit_price", "price", "real <-> text"),
        ],
    ),
];

#[test]
fn what_belongs_together_in_the_three_systems_is_discovered() {
    let world = World::new();
    world.expect(0, &["run", "--yes"]);
    let file = fs::read_to_string(world.path("syncline.yaml")).unwrap();
    let systems = file.split("entities:").next().unwrap();
    for (other, pairs) in TRUE_PAIRS {
        let name = format!("{other}.yaml");
        let hub = format!("hub: {{path: found-{other}.db}}\n{systems}");
        fs::write(world.path(&name), hub).unwrap();
        let said = world.expect(0, &["-c", &name, "--json", "discover", "shop", other, "--write"]);
        let found: serde_json::Value = serde_json::from_str(&said).unwrap();
        let found = columns(&found["result"]["entities"], other);
        for (entity, left, right, evidence) in pairs {
            let is_found = found.iter().any(|(name, one, other, why)| {
                name == entity && one == left && other == right && why.contains(evidence)
            });
            assert!(is_found, "{other}: {entity} {left} {right} {evidence}\n{found:#?}");
        }
        // What was written fits, and finds nothing to do: the systems are in step already.
        world.expect(0, &["-c", &name, "check"]);
        world.expect(0, &["-c", &name, "check", "--online"]);
        let plan = world.expect(0, &["-c", &name, "--json", "plan"]);
        let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
        let entities = plan["result"]["entities"].as_array().unwrap();
        assert_eq!(entities.len(), 4, "{plan:#}");
        for (system, counts) in entities.iter().flat_map(|it| it["systems"].as_object().unwrap()) {
            for what in ["creates", "updates", "deletes"] {
                assert_eq!(counts[what], 0, "{system} {what}\n{plan:#}");
            }
        }
    }
}

/// Entity, column of the shop, column of the other, and why, of every field that is proposed.
fn columns(entities: &serde_json::Value, other: &str) -> Vec<(String, String, String, String)> {
    let mut found = Vec::new();
    let names = |cell: &serde_json::Value| {
        let all = cell["columns"].as_array().unwrap().iter();
        all.map(|name| name.as_str().unwrap()).collect::<Vec<_>>().join("+")
    };
    for entity in entities.as_array().unwrap() {
        let name = entity["name"].as_str().unwrap();
        let lines = &entity["lines"];
        let own = entity["fields"].as_array().unwrap().iter().map(|it| (name.to_owned(), it));
        let child = lines["fields"].as_array().into_iter().flatten();
        for (name, field) in own.chain(child.map(|it| (format!("{name}.lines"), it))) {
            let evidence = field["evidence"].as_str().unwrap().to_owned();
            found.push((name, names(&field["shop"]), names(&field[other]), evidence));
        }
    }
    found
}

#[test]
fn northwind_agrees_after_edits_in_all_three_systems() {
    let world = World::new();
    world.expect(0, &["check"]);
    world.expect(0, &["check", "--online"]);

    // Nothing is written before somebody agrees.
    let untouched = world.trace();
    world.expect(0, &["plan"]);
    world.expect(5, &["run"]);
    assert_eq!(world.trace(), untouched);

    // The first synchronisation: the shop stands first, so its telephone number wins.
    world.expect(0, &["run", "--yes"]);
    assert_eq!(world.erp("select TEL from CUSTOMER where CODE = 'AROUT'"), "(171) 555-7788\n");
    assert_eq!(world.shop("select count(*) from customers"), "93\n");
    assert_eq!(
        world.erp(
            "select ORDERED, CARRIER, FREIGHT, SHIP_CTRY from SALES_ORDER where ORD_NO = 10248"
        ),
        "04/07/1996\tFED\t3238\tFR\n"
    );
    world.check_all_agree();

    edit_everywhere(&world);
    world.expect(0, &["run"]);
    check_edits(&world);
    world.check_all_agree();

    delete_everywhere(&world);
    world.expect(0, &["run"]);
    check_deletes(&world);
    world.check_all_agree();
}

fn edit_everywhere(world: &World) {
    world.shop(
        "update customers set phone = '030-1234567' where customer_id = 'ALFKI';
         update customers set fax = '0921-99' where customer_id = 'BERGS';
         update customers set phone = '(5) 555-1111' where customer_id = 'ANATR';
         update orders set shipped_date = '2024-02-29', ship_via = 2 where order_id = 11077;
         update products set units_in_stock = 7, unit_price = 18.55 where product_id = 1",
    );
    world.erp(
        "update CUSTOMER set TOWN = 'Lübeck', ZIP = '23552' where CODE = 'NORDL';
         update CUSTOMER set JOB = 'Head of Sales' where CODE = 'ANTON';
         update SALES_LINE l join SALES_ORDER o on o.ORD_ID = l.ORD_ID join ARTICLE a on a.ART_ID = l.ART_ID
             set l.QTY = 13, l.PERCENT = 5 where o.ORD_NO = 10248 and a.ART_NO = 42;
         update ARTICLE set CENTS = 1995 where ART_NO = 2;
         update STAFF set SALUTATION = '9' where STAFF_NO = 2;
         insert into SALES_ORDER (ORD_NO, CUST_ID, STAFF_ID, ORDERED, DUE, CARRIER, FREIGHT, SHIP_NAME, SHIP_TOWN, SHIP_CTRY)
             select 20001, c.CUST_ID, s.STAFF_ID, '01/01/2024', '31/01/2024', 'DHL', 1250, 'Nordlicht Feinkost', 'Kiel', 'DE'
             from CUSTOMER c, STAFF s where c.CODE = 'NORDL' and s.STAFF_NO = 5;
         insert into SALES_LINE (ORD_ID, ART_ID, QTY, CENTS, PERCENT)
             select o.ORD_ID, a.ART_ID, a.ART_NO, 100, 10 from SALES_ORDER o, ARTICLE a
             where o.ORD_NO = 20001 and a.ART_NO in (3, 4)",
    );
    world.desk(
        "update contact set role = 'Key account' where code = 'BERGS';
         update contact set phone = '(5) 555-2222' where code = 'ANATR';
         update contact set role = 'Caller' where code = 'ANTON';
         update agent set title = 'Sales Coach' where staff_no = 4;
         update item set state = 'retired' where sku = 3;
         insert into agent (staff_no, first, last, title, courtesy, born, since, boss)
             select 11, 'Ada', 'King', 'Analyst', 'mrs', '1975-12-10', '2024-01-01', id from agent where staff_no = 2;
         insert into agent (staff_no, first, last, courtesy, boss)
             select 10, 'Bo', 'Young', 'mr', id from agent where staff_no = 11;
         insert into contact (code, company, person, country) values ('DESKN', 'New at the desk', 'Ana Maria Lopez', 'Spain')",
    );
}

fn check_edits(world: &World) {
    // The same field in two systems: who stands first wins. Different fields: both survive.
    let desk_contact = |code: &str, column: &str| {
        world.desk_rows(&format!("select {column} from contact where code = '{code}'"))
    };
    assert_eq!(desk_contact("ANATR", "phone"), "(5) 555-1111\n");
    assert_eq!(desk_contact("ANTON", "role"), "Head of Sales\n");
    assert_eq!(desk_contact("BERGS", "fax || ' ' || role"), "0921-99 Key account\n");
    // The other code for the same word is somebody's habit, not an edit.
    assert_eq!(world.erp("select SALUTATION from STAFF where STAFF_NO = 2"), "9\n");
    // A name of three words lands in two columns; a date that only a calendar knows.
    assert_eq!(
        world.erp("select FIRST, LAST from CUSTOMER where CODE = 'DESKN'"),
        "Ana\tMaria Lopez\n"
    );
    assert_eq!(world.erp("select SHIPPED from SALES_ORDER where ORD_NO = 11077"), "29/02/2024\n");
    // The new order has found its customer and its lines in the shop.
    assert_eq!(
        world.shop(
            "select o.customer_id, o.order_date, o.freight, count(*), sum(d.quantity)
             from orders o join order_details d using (order_id) where order_id = 20001 group by 1, 2, 3"
        ),
        "NORDL\t2024-01-01\t12.5\t2\t7\n"
    );
    assert_eq!(
        world.shop(
            "select reports_to from employees where employee_id in (10, 11) order by employee_id"
        ),
        "11\n2\n"
    );
}

fn delete_everywhere(world: &World) {
    world.shop(
        "delete from order_details where order_id = 10260;
         delete from orders where order_id = 10260;
         delete from order_details where order_id = 10250 and product_id = 41",
    );
    world.erp("delete from CUSTOMER where CODE = 'PARIS'");
    world.desk(
        "pragma foreign_keys = on;
         delete from agent where staff_no = 10;
         delete from purchase_line where purchase = (select id from purchase where number = 10270);
         delete from purchase where number = 10270",
    );
}

fn check_deletes(world: &World) {
    assert_eq!(world.erp("select count(*) from SALES_ORDER where ORD_NO = 10260"), "0\n");
    assert_eq!(world.shop("select count(*) from customers where customer_id = 'PARIS'"), "0\n");
    assert_eq!(world.shop("select count(*) from employees where employee_id = 10"), "0\n");
    // The desk may not delete orders: it gets this one back, with its lines.
    assert_eq!(world.shop("select count(*) from orders where order_id = 10270"), "1\n");
    assert_eq!(
        world.desk_rows(
            "select cast(count(*) as text) from purchase_line l join purchase o on o.id = l.purchase where number = 10270"
        ),
        "2\n"
    );
}
