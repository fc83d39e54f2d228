//! Encrypted connections: whose certificate is believed, and that what is asked for is what happens.

use std::time::Duration;

use syncline_adapters::settings::{Kind, Marks, Settings, Tls};
use syncline_core::error::ErrorKind;

use crate::servers::{Server, mariadb, postgres};

/// The server by the name that its certificate is for.
fn settings(server: &Server, kind: Kind, tls: Tls) -> Settings {
    Settings {
        name: "crm".into(),
        kind,
        host: "localhost".into(),
        port: server.port,
        user: "careful".into(),
        database: if kind == Kind::Postgres { "postgres" } else { "mysql" }.into(),
        password: None,
        tls,
        tls_ca: Some(server.authority.display().to_string()),
        connect_timeout: Duration::from_secs(10),
        statement_timeout: Duration::from_secs(10),
        marks: Marks::None,
        api: None,
        folder: None,
        keys: std::collections::BTreeMap::new(),
        envelope: None,
        ways: Vec::new(),
    }
}

/// Both servers with a user who is only let in over TLS.
fn servers() -> [(&'static Server, Kind); 2] {
    postgres().execute(
        "",
        "do $$ begin create role careful login superuser; \
         exception when duplicate_object or unique_violation then null; end $$",
    );
    mariadb().execute("", "create user if not exists careful@'%' require ssl");
    mariadb().execute("", "grant all on *.* to careful@'%'");
    [(postgres(), Kind::Postgres), (mariadb(), Kind::Mysql)]
}

async fn refusal(settings: &Settings) -> Option<ErrorKind> {
    match syncline_adapters::catalog(settings).await {
        Ok(mut catalog) => catalog.tables().await.err().map(|error| error.kind),
        Err(error) => Some(error.kind),
    }
}

#[tokio::test]
async fn a_certificate_that_names_the_server_is_believed() {
    for (server, kind) in servers() {
        assert_eq!(refusal(&settings(server, kind, Tls::VerifyFull)).await, None, "{kind:?}");
        assert_eq!(refusal(&settings(server, kind, Tls::Require)).await, None, "{kind:?}");
    }
}

#[tokio::test]
async fn a_certificate_for_another_name_is_not_believed() {
    for (server, kind) in servers() {
        let moved = |tls| Settings { host: "127.0.0.1".into(), ..settings(server, kind, tls) };
        assert_eq!(refusal(&moved(Tls::VerifyFull)).await, Some(ErrorKind::Tls), "{kind:?}");
        assert_eq!(refusal(&moved(Tls::Require)).await, None, "{kind:?}");
    }
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_not_believed() {
    for (server, kind) in servers() {
        let stranger = Settings { tls_ca: None, ..settings(server, kind, Tls::VerifyFull) };
        assert_eq!(refusal(&stranger).await, Some(ErrorKind::Tls), "{kind:?}");
    }
}

#[tokio::test]
async fn what_says_off_is_not_encrypted() {
    let [_, (server, kind)] = servers();
    // The user is only let in over TLS.
    let open = settings(server, kind, Tls::Off);
    assert_eq!(refusal(&open).await, Some(ErrorKind::Unauthorized));
}
