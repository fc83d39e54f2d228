//! The test servers themselves.

use crate::servers::{Server, mariadb, postgres, private_mariadb, private_postgres};

fn check_a_database_of_its_own(server: &Server) {
    let (one, two) = (server.database("one"), server.database("one"));
    assert_ne!(one, two);
    server.execute(&one, "create table t (a int); insert into t values (1), (2)");
    assert_eq!(server.execute(&one, "select a, 'x' from t order by a"), "1\tx\n2\tx\n");
    assert!(server.try_execute(&two, "select a from t").is_err());
}

fn check_data_survives_a_kill(server: &Server) {
    let url = server.database("kept");
    server.execute(&url, "create table t (a int); insert into t values (1)");
    server.kill();
    assert!(server.try_execute(&url, "select a from t").is_err());
    server.restart();
    assert_eq!(server.execute(&url, "select a from t"), "1\n");
}

#[test]
fn postgres_gives_each_test_a_database() {
    check_a_database_of_its_own(postgres());
}

#[test]
fn mariadb_gives_each_test_a_database() {
    check_a_database_of_its_own(mariadb());
}

#[test]
fn a_private_postgres_comes_back_after_a_kill() {
    check_data_survives_a_kill(&private_postgres());
}

#[test]
fn a_private_mariadb_comes_back_after_a_kill() {
    check_data_survives_a_kill(&private_mariadb());
}
