//! MariaDB listened to by triggers: where the file asks for them, and where the log cannot be read.

use super::{Daemon, eventually};
use crate::{
    servers::{Server, private_mariadb},
    world::World,
};

/// A CRM on SQLite and an ERP on MariaDB, with the same contacts.
struct Two {
    world: World,
    erp: Server,
    url: String,
}

const FILE: &str = r#"version: 1
systems:
  crm: {url: "sqlite:crm.db"}
  erp: {url: "ERP", detect: {DETECT}}
defaults: {guards: {deletes: {max: 100}, updates: {max: 100}}}
entities:
  contacts:
    in: {crm: contacts, erp: CUSTOMER}
    match: email
    fields:
      email: {crm: email, erp: EMAIL}
      name: {crm: name, erp: CNAME}
"#;

const TOLD: &str =
    "select group_concat(concat(NO, EMAIL, ':', CNAME) order by EMAIL) from CUSTOMER";

impl Two {
    fn new(detect: &str) -> Self {
        let erp = private_mariadb();
        let url = erp.database("erp");
        let world = World::with(&FILE.replace("ERP", &url).replace("DETECT", detect));
        world.sql(
            "crm",
            "create table contacts (id integer primary key, email text not null unique, name text);
             insert into contacts (email, name) values ('a', 'Ann'), ('b', 'Bob'), ('c', 'Cid')",
        );
        erp.execute(
            &url,
            "create table CUSTOMER (NO int auto_increment primary key, EMAIL varchar(80) not null,
                 CNAME varchar(80), unique (EMAIL))",
        );
        world.run(&["run", "--yes"]).ends(0, &[]);
        Self { world, erp, url }
    }

    fn serve(&self) -> Daemon {
        Daemon::start(&self.world.path(""), &[])
    }

    fn in_erp(&self, sql: &str) -> String {
        self.erp.execute(&self.url, sql).trim().to_owned()
    }

    #[track_caller]
    fn erp_is(&self, daemon: &Daemon, sql: &str, value: &str) {
        let log = || format!("{}\n{}", self.in_erp(sql), daemon.log());
        eventually(sql, || self.in_erp(sql) == value, log);
    }

    #[track_caller]
    fn crm_is(&self, daemon: &Daemon, sql: &str, value: &str) {
        self.world.becomes(daemon, "crm", sql, value);
    }

    #[track_caller]
    fn crm_holds(&self, daemon: &Daemon, email: &str, name: &str) {
        let row = format!("email = '{email}' and name = '{name}'");
        self.crm_is(daemon, &format!("select count(*) from contacts where {row}"), "1");
    }

    /// Writes of ours are noted too: nothing comes of them.
    #[track_caller]
    fn is_quiet(&self) {
        self.world.run(&["run"]).ends(0, &["nothing changed"]);
        self.world.run(&["verify"]).ends(0, &["no difference"]);
    }
}

#[test]
fn a_mariadb_with_triggers_is_kept_in_step_both_ways_and_after_a_restart() {
    let two = Two::new("triggers: true");
    two.world.run(&["doctor"]).ends(0, &["triggers", "can be put into 1 tables"]);
    let daemon = two.serve();
    daemon.says("erp is listened to (triggers)");

    two.in_erp("insert into CUSTOMER (EMAIL, CNAME) values ('d', 'Dan')");
    two.crm_holds(&daemon, "d", "Dan");
    two.in_erp("update CUSTOMER set CNAME = 'Anna' where EMAIL = 'a'");
    two.crm_holds(&daemon, "a", "Anna");
    two.in_erp("delete from CUSTOMER where EMAIL = 'b'");
    two.crm_is(&daemon, "select count(*) from contacts where email = 'b'", "0");
    two.in_erp("update CUSTOMER set NO = 77, CNAME = 'Cyd' where EMAIL = 'c'");
    two.crm_holds(&daemon, "c", "Cyd");

    two.world.sql("crm", "insert into contacts (email, name) values ('e', 'Eve')");
    two.erp_is(&daemon, "select CNAME from CUSTOMER where EMAIL = 'e'", "Eve");
    two.world.sql("crm", "update contacts set name = 'Cy' where email = 'c'");
    two.erp_is(&daemon, "select concat(NO, CNAME) from CUSTOMER where EMAIL = 'c'", "77Cy");
    two.world.sql("crm", "delete from contacts where email = 'd'");
    two.erp_is(&daemon, "select count(*) from CUSTOMER where EMAIL = 'd'", "0");
    two.is_quiet();
    two.world.run(&["status"]).ends(0, &["triggers"]);
    daemon.stop().ends(143, &[]);

    // What happens while nobody listens is noted.
    two.in_erp("update CUSTOMER set CNAME = 'Eva' where EMAIL = 'e'; delete from CUSTOMER where EMAIL = 'a'");
    let daemon = two.serve();
    daemon.says("erp is listened to (triggers)");
    two.crm_holds(&daemon, "e", "Eva");
    two.crm_is(&daemon, "select count(*) from contacts", "2");
    two.world.sql("crm", "update contacts set name = 'Cyril' where email = 'c'");
    two.erp_is(&daemon, "select CNAME from CUSTOMER where EMAIL = 'c'", "Cyril");
    two.is_quiet();
    let table = two.in_erp(
        "select table_name from information_schema.tables where table_comment = 'changes noted for syncline'",
    );
    two.erp_is(&daemon, &format!("select count(*) from `{table}`"), "1");
    assert!(!two.in_erp(TOLD).is_empty());
    assert!(!daemon.log().contains("loop"), "{}", daemon.log());
    daemon.stop().ends(143, &[]);
}

#[test]
fn triggers_stand_in_where_the_log_holds_statements_and_nowhere_else() {
    let two = Two::new("cdc: binlog, fallback: {triggers: true}");
    let daemon = two.serve();
    daemon.says("erp is listened to (binlog)");
    let installed =
        "select count(*) from information_schema.triggers where trigger_schema = database()";
    assert_eq!(two.in_erp(installed), "0");
    daemon.stop().ends(143, &[]);

    two.in_erp("set global binlog_format = 'STATEMENT'");
    two.world.run(&["doctor"]).ends(0, &["triggers note changes instead"]);
    let daemon = two.serve();

    daemon.says("erp is listened to (triggers)");
    two.in_erp("update CUSTOMER set CNAME = 'Anna' where EMAIL = 'a'");
    two.crm_holds(&daemon, "a", "Anna");
    assert!(!daemon.log().contains("erp is polled"), "{}", daemon.log());
    daemon.stop().ends(143, &[]);
    // Nobody is asked unless the file says so.
    two.world.edit("detect: {cdc: binlog, fallback: {triggers: true}}", "detect: auto");
    let daemon = two.serve();
    daemon.says("detect.unavailable");
    daemon.stop().ends(143, &[]);
}
