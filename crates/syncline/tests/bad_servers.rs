//! What goes wrong with real servers: the ERP is a PostgreSQL or a MariaDB that will not be
//! written, has too little room, or vanishes. Each time people are told, and nothing is lost.

use std::process::{Child, Stdio};

use crate::{
    servers::{Product, Server, mariadb, postgres, private_mariadb, private_postgres},
    world::{CONTACTS, Done, World, done},
};

/// A CRM on SQLite and an ERP on a server, which knows the program as a user without rank. Its rows
/// go by their address, so that what became of a write can always be asked.
struct Office<'s> {
    world: World,
    server: &'s Server,
    database: String,
    /// The user, as SQL names it.
    user: String,
}

impl<'s> Office<'s> {
    /// So many contacts in the CRM, none in the ERP.
    fn open(server: &'s Server, contacts: usize) -> Self {
        let world = World::contacts(contacts);
        let database = server.database("erp");
        let (start, name) = database.rsplit_once('/').unwrap();
        let (user, url) = match server.product {
            Product::Postgres => (name.to_owned(), start.replace("postgres@", &format!("{name}@"))),
            Product::MariaDb => {
                (format!("{name}@'127.0.0.1'"), start.replace("root@", &format!("{name}@")))
            }
        };
        let url = format!("erp: {{url: \"{url}/{name}\", writes: {{batch: 100}}}}");
        world.file("syncline.yaml", &CONTACTS.replace("erp: {url: \"sqlite:erp.db\"}", &url));
        let office = Self { world, server, database, user };
        office.sql(match server.product {
            Product::Postgres => {
                "create table \"CUSTOMER\" (\"EMAIL\" varchar(60) primary key, \"CNAME\" varchar(10),
                 \"STAT\" varchar(1)); create role USER login"
            }
            Product::MariaDb => {
                "create table CUSTOMER (EMAIL varchar(60) primary key, CNAME varchar(10),
                 STAT varchar(1)); create user USER"
            }
        });
        office.sql("grant select, insert, update, delete on TABLE to USER");
        office
    }

    /// The same, synchronised once.
    fn in_step(server: &'s Server, contacts: usize) -> Self {
        let office = Self::open(server, contacts);
        office.run(&["run", "--yes"]).ends(0, &[]);
        office
    }

    /// SQL of the ERP's administrator, who says TABLE, NAME and USER for its own.
    #[track_caller]
    fn sql(&self, sql: &str) -> String {
        let (table, name) = match self.server.product {
            Product::Postgres => ("\"CUSTOMER\"", "\"CNAME\""),
            Product::MariaDb => ("CUSTOMER", "CNAME"),
        };
        let sql = sql
            .replace("USER", &self.user)
            .replace("TABLE", table)
            .replace(" NAME ", &format!(" {name} "));
        self.server.execute(&self.database, &sql).trim().to_owned()
    }

    fn run(&self, arguments: &[&str]) -> Done {
        self.world.run(arguments)
    }

    fn count(&self) -> usize {
        self.sql("select count(*) from TABLE").parse().unwrap()
    }

    /// Every insert of the ERP takes a while from now on.
    fn slow(&self) {
        self.sql(match self.server.product {
            Product::Postgres => {
                "create function slow() returns trigger language plpgsql as
                 $$ begin perform pg_sleep(0.002); return new; end $$;
                 create trigger slow before insert on TABLE for each row execute function slow()"
            }
            Product::MariaDb => {
                "create trigger slow before insert on TABLE for each row do sleep(0.002)"
            }
        });
    }

    /// A first run that has written some of the rows, and not yet all.
    fn half_way(&self) -> Child {
        let mut command = self.world.command(&["run", "--yes"]);
        let run = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        while self.count() == 0 {}
        run
    }

    #[track_caller]
    fn agrees(&self) {
        self.world.agrees();
    }
}

fn signal(run: &Child, name: &str) {
    let sent =
        std::process::Command::new("kill").args(["-s", name, &run.id().to_string()]).status();
    assert!(sent.unwrap().success());
}

fn ended(run: Child) -> Done {
    done(run.wait_with_output().unwrap())
}

fn a_read_only_database_is_named(server: &Server, lock: &str, unlock: &str) {
    let office = Office::in_step(server, 3);
    office.sql(lock);
    office.world.sql("crm", "update contacts set name = 'New' where id = 2");
    office.run(&["run"]).ends(
        3,
        &[
            "error[connect.read_only]: erp: not everything of contacts was written",
            "cause:",
            "stays due",
            "syncline doctor erp",
        ],
    );
    office.run(&["status"]).ends(0, &["1 to write", "connect.read_only"]);
    office.run(&["doctor", "erp"]).ends(0, &["read"]);
    office.sql(unlock);
    office.agrees();
    assert_eq!(office.sql("select count(*) from TABLE where NAME = 'New'"), "1");
}

#[test]
fn a_read_only_postgres_is_named_and_written_later() {
    let lock = "alter role USER set default_transaction_read_only = on";
    let unlock = "alter role USER set default_transaction_read_only = off";
    a_read_only_database_is_named(postgres(), lock, unlock);
}

#[test]
fn a_read_only_mariadb_is_named_and_written_later() {
    let server = private_mariadb();
    a_read_only_database_is_named(&server, "set global read_only = 1", "set global read_only = 0");
}

#[test]
fn a_missing_privilege_is_named_with_the_grant_to_paste() {
    for server in [postgres(), mariadb()] {
        let office = Office::in_step(server, 2);
        office.sql("revoke insert, update, delete on TABLE from USER");
        office.world.sql("crm", "update contacts set name = 'New' where id = 2");
        office.run(&["run"]).ends(3, &["error[connect.privilege]", "erp", "syncline doctor erp"]);
        office.run(&["doctor", "erp"]).ends(0, &["! privileges", "GRANT"]);
        office.sql("grant insert, update, delete on TABLE to USER");
        office.agrees();

        office.sql("revoke all on TABLE from USER");
        office.run(&["run"]).ends(3, &["error[connect.privilege]", "erp", "fix:"]);
        office.sql("grant select, insert, update, delete on TABLE to USER");
        office.agrees();
    }
}

#[test]
fn a_text_that_is_too_long_waits_until_the_column_is_wider() {
    for (server, widen) in [
        (postgres(), "alter table TABLE alter column NAME type varchar(40)"),
        (mariadb(), "alter table TABLE modify NAME varchar(40)"),
    ] {
        let office = Office::in_step(server, 3);
        office.world.sql("crm", "update contacts set name = 'A longer name' where id = 2");
        office.world.sql("crm", "update contacts set name = 'New' where id = 3");
        office.run(&["run"]).ends(4, &["1 set aside"]);
        assert_eq!(office.sql("select count(*) from TABLE where NAME = 'New'"), "1");
        office
            .run(&["quarantine", "show", "1"])
            .ends(0, &["erp.CUSTOMER.CNAME takes 10 characters, got 13", "write.value_too_long"]);
        office.run(&["retry", "--code", "write.value_too_long"]).ends(4, &["1 still set aside"]);
        office.sql(widen);
        office.run(&["retry", "--code", "write.value_too_long"]).ends(0, &["1 retried, 1 done"]);
        office.agrees();
    }
}

#[test]
fn a_server_that_vanishes_in_mid_batch_loses_nothing() {
    for server in [private_postgres(), private_mariadb()] {
        let office = Office::open(&server, 1_500);
        office.slow();
        let run = office.half_way();
        server.kill();
        let said = ended(run);
        assert!([1, 3].contains(&said.code), "{}", said.said());
        assert!(said.said().contains("erp") && said.said().contains("fix:"), "{}", said.said());
        server.restart();
        assert!(office.count() < 1_500);
        office.run(&["run"]).ends(0, &[]);
        assert_eq!(office.count(), 1_500);
        office.agrees();
    }
}

#[test]
fn a_signal_ends_a_run_after_the_batch_in_hand() {
    for (name, code) in [("INT", 130), ("TERM", 143)] {
        let office = Office::open(postgres(), 1_500);
        office.slow();
        let run = office.half_way();
        signal(&run, name);
        ended(run).ends(code, &["stopping after the writes in flight"]);
        let written = office.count();
        assert!(written < 1_500 && written.is_multiple_of(100), "{written}");
        office.run(&["status"]).ends(0, &["to write"]);
        office.run(&["run"]).ends(0, &[]);
        assert_eq!(office.count(), 1_500);
        office.agrees();
    }
}

#[test]
fn a_second_signal_ends_a_run_at_once() {
    let office = Office::open(postgres(), 1_500);
    office.slow();
    let run = office.half_way();
    signal(&run, "INT");
    signal(&run, "INT");
    ended(run).ends(130, &[]);
    assert!(office.count() < 1_500);

    // What was on its way has arrived, or is in doubt: never passed over in silence, nor made twice.
    let next = office.run(&["run", "--yes"]);
    if office.count() == 1_500 {
        next.ends(0, &[]);
        office.agrees();
    } else {
        next.ends(1, &["write.in_doubt"]);
        office.run(&["verify"]).ends(10, &["unexplained"]);
    }
}
