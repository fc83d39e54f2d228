//! The shared suites' tables in `MariaDB`, and another user beside us.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use mysql_async::{Conn, OptsBuilder, prelude::Queryable};
use syncline_adapters::settings::{Kind, Listening, Marks, Settings, Tls, Way};
use syncline_core::{name::SystemIndex, plan::Plan};
use syncline_ports::{
    listener::Listener,
    source::Source,
    suite::{
        bench::{self, Bench, Columns, Edit, condition},
        listener::Listened,
    },
    target::Target,
};

use crate::servers::{Server, mariadb};

const TABLES: &str = "
create table contacts (
    id bigint auto_increment primary key,
    email varchar(200) not null unique,
    name varchar(200),
    phone varchar(200) check (phone <> 'invalid'),
    note longtext,
    code varchar(200),
    `Mixed Case` varchar(200),
    `order` bigint,
    touched bigint not null default 0,
    extra varchar(200) default 'x'
);
create trigger upper_new before insert on contacts for each row set new.code = upper(new.code);
create trigger upper_old before update on contacts for each row set new.code = upper(new.code);
create table orders (
    id bigint auto_increment primary key,
    number varchar(200) not null unique,
    contact_id bigint,
    foreign key (contact_id) references contacts (id)
);
create table order_lines (
    order_id bigint not null,
    line bigint not null,
    sku varchar(200),
    qty bigint,
    primary key (order_id, line),
    foreign key (order_id) references orders (id)
);
create table stock (
    sku varchar(200) not null,
    site varchar(200) not null,
    qty bigint not null,
    primary key (sku, site)
);
";

pub(super) struct MysqlBench {
    settings: Settings,
    other: Conn,
    /// How it is listened to.
    way: Way,
}

/// Settings for a database of a test server.
pub(super) fn settings(server: &Server, url: &str, marks: Marks) -> Settings {
    Settings {
        name: "bench".into(),
        kind: Kind::Mysql,
        host: "127.0.0.1".into(),
        port: server.port,
        user: "root".into(),
        database: url.rsplit('/').next().unwrap().into(),
        password: None,
        tls: Tls::Off,
        tls_ca: None,
        connect_timeout: Duration::from_secs(20),
        statement_timeout: Duration::from_secs(20),
        marks,
        api: None,
        folder: None,
        keys: std::collections::BTreeMap::new(),
        envelope: None,
        ways: Vec::new(),
    }
}

/// A connection of another program, which speaks standard SQL.
pub(super) async fn other(settings: &Settings) -> Conn {
    let options = OptsBuilder::default()
        .ip_or_hostname(settings.host.as_str())
        .tcp_port(settings.port)
        .user(Some(settings.user.as_str()))
        .db_name(Some(settings.database.as_str()))
        .prefer_socket(false);
    let mut conn = Conn::new(options).await.unwrap();
    conn.query_drop("set sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES', time_zone = '+00:00'")
        .await
        .unwrap();
    conn
}

impl MysqlBench {
    pub(super) async fn new(marks: Marks) -> Self {
        let server = mariadb();
        let url = server.database("suite");
        server.execute(&url, TABLES);
        let settings = settings(server, &url, marks);
        let other = other(&settings).await;
        Self { settings, other, way: Way::Binlog }
    }

    pub(super) fn heard_by(self, way: Way) -> Self {
        Self { way, ..self }
    }
}

#[async_trait]
impl Bench for MysqlBench {
    async fn open(&mut self, plan: Plan, timeout: Duration) -> (Box<dyn Source>, Box<dyn Target>) {
        let settings = Settings { statement_timeout: timeout, ..self.settings.clone() };
        if self.has_marks() {
            syncline_adapters::catalog(&settings).await.unwrap().create_marks().await.unwrap();
        }
        let open =
            syncline_adapters::open(&settings, Arc::new(plan), SystemIndex(0)).await.unwrap();
        (open.source, open.target)
    }

    async fn edit(&mut self, edit: &Edit) {
        self.other.query_drop(edit.sql()).await.unwrap();
    }

    async fn hold(&mut self, edit: &Edit) {
        self.other.query_drop("start transaction").await.unwrap();
        self.edit(edit).await;
    }

    async fn release(&mut self) {
        self.other.query_drop("rollback").await.unwrap();
    }

    async fn count(&mut self, table: &'static str, values: &Columns) -> u64 {
        let sql = format!("select count(*) from \"{table}\" where {}", condition(values));
        self.other.query_first(sql).await.unwrap().unwrap()
    }

    fn has_marks(&self) -> bool {
        self.settings.marks != Marks::None
    }
}

#[async_trait]
impl Listened for MysqlBench {
    async fn listen(&mut self) -> Box<dyn Listener> {
        // Servers tell replicas apart by a number made of this.
        let name = self.settings.database.clone();
        let listening = Listening { name, way: Some(self.way), max_retained: 1 << 30 };
        let plan = Arc::new(bench::plan());
        syncline_adapters::listen(&self.settings, plan, SystemIndex(0), &listening).await.unwrap()
    }

    async fn execute(&mut self, edits: &[Edit]) {
        self.other.query_drop("start transaction").await.unwrap();
        for edit in edits {
            self.edit(edit).await;
        }
        self.other.query_drop("commit").await.unwrap();
    }

    async fn cut(&mut self) {
        let threads: Vec<u64> = self
            .other
            .query(
                "select id from information_schema.processlist where db = database() \
                 and id <> connection_id()",
            )
            .await
            .unwrap();
        for thread in threads {
            let _gone = self.other.query_drop(format!("kill {thread}")).await;
        }
    }

    fn leaves_something(&self) -> bool {
        self.way == Way::Triggers
    }
}
