//! The shared suites on SQLite files, with and without WAL and a table of marks.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use rusqlite::Connection;
use syncline_adapters::settings::{Kind, Listening, Marks, Settings, Tls};
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

pub(crate) const TABLES: &str = r#"
create table contacts (
    id integer primary key,
    email varchar(200) not null unique,
    name varchar(200),
    phone varchar(200) check (phone <> 'invalid'),
    note text,
    code varchar(200),
    "Mixed Case" varchar(200),
    "order" integer,
    touched integer not null default 0,
    extra varchar(200) default 'x'
);
create trigger upper_new after insert on contacts when new.code <> upper(new.code) begin
    update contacts set code = upper(new.code) where id = new.id;
end;
create trigger upper_old after update of code on contacts when new.code <> upper(new.code) begin
    update contacts set code = upper(new.code) where id = new.id;
end;
create table orders (
    id integer primary key,
    number varchar(200) not null unique,
    contact_id integer references contacts (id)
);
create table order_lines (
    order_id integer not null references orders (id),
    line integer not null,
    sku varchar(200),
    qty integer,
    primary key (order_id, line)
) without rowid;
create table stock (
    sku varchar(200) not null,
    site varchar(200) not null,
    qty integer not null,
    primary key (sku, site)
);
"#;

struct SqliteBench {
    directory: tempfile::TempDir,
    other: Connection,
    marks: Marks,
}

impl SqliteBench {
    fn new(journal: &str, marks: Marks) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let other = Connection::open(directory.path().join("bench.db")).unwrap();
        other.query_row(&format!("pragma journal_mode = {journal}"), [], |_row| Ok(())).unwrap();
        other.execute_batch("pragma synchronous = off").unwrap();
        other.execute_batch(TABLES).unwrap();
        Self { directory, other, marks }
    }

    fn settings(&self, timeout: Duration) -> Settings {
        Settings {
            name: "bench".into(),
            kind: Kind::Sqlite,
            host: String::new(),
            port: 0,
            user: String::new(),
            database: self.directory.path().join("bench.db").to_string_lossy().into_owned(),
            password: None,
            tls: Tls::Off,
            tls_ca: None,
            connect_timeout: timeout,
            statement_timeout: timeout,
            marks: self.marks,
            api: None,
            folder: None,
            keys: std::collections::BTreeMap::new(),
            envelope: None,
            ways: Vec::new(),
        }
    }
}

#[async_trait]
impl Bench for SqliteBench {
    async fn open(&mut self, plan: Plan, timeout: Duration) -> (Box<dyn Source>, Box<dyn Target>) {
        let settings = self.settings(timeout);
        if self.has_marks() {
            syncline_adapters::catalog(&settings).await.unwrap().create_marks().await.unwrap();
        }
        let open =
            syncline_adapters::open(&settings, Arc::new(plan), SystemIndex(0)).await.unwrap();
        (open.source, open.target)
    }

    async fn edit(&mut self, edit: &Edit) {
        self.other.execute_batch(&edit.sql()).unwrap();
    }

    async fn hold(&mut self, edit: &Edit) {
        self.other.execute_batch(&format!("begin immediate; {}", edit.sql())).unwrap();
    }

    async fn release(&mut self) {
        self.other.execute_batch("rollback").unwrap();
    }

    async fn count(&mut self, table: &'static str, values: &Columns) -> u64 {
        let sql = format!("select count(*) from \"{table}\" where {}", condition(values));
        self.other.query_row(&sql, [], |row| row.get::<_, i64>(0)).unwrap().unsigned_abs()
    }

    fn has_marks(&self) -> bool {
        self.marks != Marks::None
    }

    fn reuses_keys(&self) -> bool {
        true
    }
}

#[async_trait]
impl Listened for SqliteBench {
    async fn listen(&mut self) -> Box<dyn Listener> {
        let settings = self.settings(Duration::from_secs(20));
        let listening =
            Listening { name: "syncline_bench".into(), way: None, max_retained: 1 << 30 };
        let plan = Arc::new(bench::plan());
        syncline_adapters::listen(&settings, plan, SystemIndex(0), &listening).await.unwrap()
    }

    async fn execute(&mut self, edits: &[Edit]) {
        let transaction = self.other.transaction().unwrap();
        for edit in edits {
            transaction.execute_batch(&edit.sql()).unwrap();
        }
        transaction.commit().unwrap();
    }

    async fn cut(&mut self) {}
}

mod wal {
    use std::future::{Ready, ready};

    use super::{Marks, SqliteBench};

    fn bench() -> Ready<SqliteBench> {
        ready(SqliteBench::new("wal", Marks::Table))
    }

    crate::suites::listens!(bench);
    crate::suites::suites!(bench);
}

mod rollback_journal {
    use std::future::{Ready, ready};

    use super::{Marks, SqliteBench};

    fn bench() -> Ready<SqliteBench> {
        ready(SqliteBench::new("delete", Marks::None))
    }

    crate::suites::listens!(bench);
    crate::suites::suites!(bench);
}
