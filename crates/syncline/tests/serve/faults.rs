//! Systems that go away while the daemon runs: the others go on, and what was missed is made up for.

use crate::{
    serve::{Daemon, eventually},
    servers::{Server, private_mariadb, private_postgres},
    world::World,
};

/// A CRM on PostgreSQL, an ERP on MariaDB and a desk on SQLite, with the same contacts.
pub(super) struct Three {
    pub(super) world: World,
    pub(super) crm: Server,
    pub(super) erp: Server,
    pub(super) crm_url: String,
    pub(super) erp_url: String,
}

const FILE: &str = r#"version: 1
systems:
  crm: {url: "CRM", detect: {cdc: wal}}
  erp: {url: "ERP", detect: {cdc: binlog}}
  desk: {url: "sqlite:desk.db"}
entities:
  contacts:
    in: {crm: contacts, erp: CUSTOMER, desk: people}
    match: email
    fields:
      email: {crm: email, erp: EMAIL, desk: mail}
      name: {crm: name, erp: CNAME, desk: name}
      city: {crm: city, erp: CITY, desk: city}
"#;

impl Three {
    /// So many contacts in the CRM, synchronised once.
    pub(super) fn new(count: usize) -> Self {
        let (crm, erp) = (private_postgres(), private_mariadb());
        let (crm_url, erp_url) = (crm.database("crm"), erp.database("erp"));
        let file = FILE.replace("CRM", &crm_url).replace("ERP", &erp_url);
        let world = World::with(&file);
        crm.execute(
            &crm_url,
            &format!(
                "create table contacts (id serial primary key, email text not null unique,
                     name text, city text);
                 insert into contacts (email, name, city)
                 select 'c' || i || '@example.com', 'Name ' || i, 'Rome'
                 from generate_series(1, {count}) as i;"
            ),
        );
        erp.execute(
            &erp_url,
            "create table CUSTOMER (NO int auto_increment primary key, EMAIL varchar(80) not null,
                 CNAME varchar(80), CITY varchar(80), unique (EMAIL))",
        );
        world.sql(
            "desk",
            "create table people (no integer primary key, mail text, name text, city text)",
        );
        let three = Self { world, crm, erp, crm_url, erp_url };
        three.world.run(&["run", "--yes"]).ends(0, &[]);
        three
    }

    pub(super) fn serve(&self) -> Daemon {
        Daemon::start(&self.world.path(""), &[])
    }

    /// Every row of each, in one form.
    pub(super) fn contents(&self) -> [String; 3] {
        let sql = |table: &str, columns: [&str; 3]| {
            let [mail, name, city] = columns;
            format!(
                "select concat({mail}, '|', coalesce({name}, ''), '|', coalesce({city}, '')) as x
                 from {table} order by {mail}"
            )
        };
        let desk = self.world.open("desk");
        let mut rows = desk
            .prepare("select mail || '|' || coalesce(name, '') || '|' || coalesce(city, '') from people order by mail")
            .unwrap();
        let rows = rows.query_map([], |row| row.get::<_, String>(0)).unwrap();
        let desk: Vec<String> = rows.map(Result::unwrap).collect();
        let sorted = |text: String| {
            let mut lines: Vec<&str> = text.lines().collect();
            lines.sort_unstable();
            lines.join("\n")
        };
        [
            sorted(self.crm.execute(&self.crm_url, &sql("contacts", ["email", "name", "city"]))),
            sorted(self.erp.execute(&self.erp_url, &sql("CUSTOMER", ["EMAIL", "CNAME", "CITY"]))),
            sorted(desk.join("\n")),
        ]
    }

    /// Waits until all three hold the same.
    #[track_caller]
    pub(super) fn agree(&self, daemon: &Daemon) {
        let are_equal = || {
            let [crm, erp, desk] = self.contents();
            crm == erp && erp == desk
        };
        eventually("the three agree", are_equal, || {
            let [crm, erp, desk] = self.contents();
            format!("crm\n{crm}\nerp\n{erp}\ndesk\n{desk}\n{}", daemon.log())
        });
    }

    fn desk_is(&self, daemon: &Daemon, sql: &str, value: &str) {
        self.world.becomes(daemon, "desk", sql, value);
    }
}

#[test]
fn three_databases_are_kept_in_step_as_they_change() {
    let three = Three::new(5);
    let daemon = three.serve();
    daemon.says("crm is listened to (wal)");
    daemon.says("erp is listened to (binlog)");
    daemon.says("desk is listened to (triggers)");

    three.crm.execute(&three.crm_url, "update contacts set name = 'Ada' where id = 1");
    three.desk_is(&daemon, "select name from people where mail = 'c1@example.com'", "Ada");
    three.erp.execute(&three.erp_url, "update CUSTOMER set CITY = 'Oslo' where NO = 2");
    three.desk_is(&daemon, "select city from people where mail = 'c2@example.com'", "Oslo");
    three.world.sql("desk", "insert into people (mail, name, city) values ('new', 'New', null)");
    three.crm.execute(&three.crm_url, "delete from contacts where id = 3");
    three.agree(&daemon);
    three.desk_is(&daemon, "select count(*) from people", "5");

    daemon.stop().ends(143, &[]);
    three.world.run(&["verify"]).ends(0, &["no difference"]);
}

#[test]
fn a_server_that_dies_keeps_only_its_own_waiting() {
    let three = Three::new(3);
    let daemon = three.serve();
    daemon.says("crm is listened to (wal)");
    three.erp.kill();

    three.crm.execute(&three.crm_url, "update contacts set name = 'Ada' where id = 1");
    three.desk_is(&daemon, "select name from people where mail = 'c1@example.com'", "Ada");
    daemon.says("system.down");
    three.world.run(&["status"]).ends(0, &["\u{2717}"]);

    three.erp.restart();
    three.agree(&daemon);
    daemon.says("system.up");

    three.crm.kill();
    three.world.sql("desk", "update people set city = 'Bonn' where mail = 'c2@example.com'");
    let city = "select CITY from CUSTOMER where EMAIL = 'c2@example.com'";
    let arrives = || three.erp.execute(&three.erp_url, city).trim() == "Bonn";
    eventually("the ERP has it", arrives, || daemon.log());
    three.crm.restart();
    three.agree(&daemon);
    // And it is listened to again.
    three.crm.execute(&three.crm_url, "update contacts set name = 'Eva' where id = 3");
    three.desk_is(&daemon, "select name from people where mail = 'c3@example.com'", "Eva");
}

#[test]
fn a_slot_that_was_dropped_is_made_up_for() {
    let three = Three::new(3);
    let daemon = three.serve();
    daemon.says("crm is listened to (wal)");
    daemon.stop().ends(143, &[]);
    three.crm.execute(
        &three.crm_url,
        "select pg_drop_replication_slot(slot_name) from pg_replication_slots;
         update contacts set name = 'Ada' where id = 1;
         delete from contacts where id = 2",
    );

    let daemon = three.serve();

    daemon.says("detect.position_lost");
    three.desk_is(&daemon, "select name from people where mail = 'c1@example.com'", "Ada");
    three.agree(&daemon);
}

#[test]
fn a_truncated_table_is_no_mass_delete() {
    let three = Three::new(60);
    let daemon = three.serve();
    daemon.says("crm is listened to (wal)");

    three.crm.execute(&three.crm_url, "truncate contacts");

    daemon.says("guard.empty_source");
    three.desk_is(&daemon, "select count(*) from people", "60");
    // Nothing of it is written until a person has looked; then the rows come back.
    three.world.sql("desk", "update people set city = 'Bonn' where mail = 'c2@example.com'");
    three.world.run(&["guards", "list"]).ends(0, &["guard.empty_source", "crm"]);
    let city = "select CITY from CUSTOMER where EMAIL = 'c2@example.com'";
    assert_eq!(three.erp.execute(&three.erp_url, city).trim(), "Rome");
    three.world.run(&["guards", "apply", "1", "--yes"]).ends(0, &[]);
    three.agree(&daemon);
}

#[test]
fn a_change_of_the_table_in_flight_is_no_harm() {
    let three = Three::new(3);
    let daemon = three.serve();
    daemon.says("crm is listened to (wal)");

    three.crm.execute(
        &three.crm_url,
        "alter table contacts add column note text default 'x';
         update contacts set name = 'Ada', note = repeat('y', 100000) where id = 1;
         alter table contacts drop column note;
         alter table contacts alter column city type varchar(50);
         update contacts set city = 'Oslo' where id = 1",
    );
    three.desk_is(
        &daemon,
        "select name || city from people where mail = 'c1@example.com'",
        "AdaOslo",
    );
    three.agree(&daemon);
}

#[test]
fn a_large_transaction_arrives_whole() {
    let three = Three::new(10);
    three.world.edit("entities:", "defaults: {guards: {updates: {max_percent: 100}}}\nentities:");
    let daemon = three.serve();
    daemon.says("crm is listened to (wal)");

    three.crm.execute(
        &three.crm_url,
        "begin;
         insert into contacts (email, name) select 'n' || i, repeat('x', i % 50)
         from generate_series(1, 4000) as i;
         update contacts set city = 'Oslo';
         commit",
    );

    three.desk_is(&daemon, "select count(*) from people where city = 'Oslo'", "4010");
    three.agree(&daemon);
}
