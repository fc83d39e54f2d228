//! REST systems: as much of the shared suites as a system without transactions can pass, with `ETag`s
//! and without, and what is their own: bad weather, bad answers, lists that prove nothing.

mod reading;
mod server;
mod writing;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use rusqlite::Connection;
use server::Server;
use syncline_adapters::settings::{
    Kind, Marks, Path, Secret, Settings, Template, Tls,
    api::{Api, Auth, Create, Cursor, Method, Next, Request, Resource, Total, Update, Version},
};
use syncline_core::{name::SystemIndex, plan::Plan};
use syncline_ports::{
    source::Source,
    suite::bench::{Bench, Columns, Edit, condition, plan},
    target::Target,
};

use crate::sqlite_tests::TABLES;

fn path(text: &str) -> Path {
    Path::parse(text).unwrap()
}

fn template(text: &str) -> Template {
    Template::parse(text).unwrap()
}

/// A resource over one of the tables.
fn resource(table: &str, version: Version) -> Resource {
    let key: &[&str] = if table == "stock" { &["sku", "site"] } else { &["id"] };
    let places: Vec<String> = key.iter().map(|name| format!("{{{name}}}")).collect();
    let one = template(&format!("{table}/{}", places.join("/")));
    let find = match table {
        "contacts" => Some(template("email={email}")),
        _ => None,
    };
    Resource {
        name: table.into(),
        path: template(table),
        items: path("items"),
        item: Path::default(),
        key: key.iter().map(|name| path(name)).collect(),
        changed_at: None,
        cursor: (table == "contacts").then(|| Cursor {
            at: path("touched"),
            since: template("touched_from={cursor}"),
            overlap: 10_000,
        }),
        next: if table == "stock" {
            Next::Offset("offset".into())
        } else {
            Next::After("after".into())
        },
        size: Some(("limit".into(), 7)),
        total: (table == "stock").then(|| Total::Body(path("total"))),
        absent_is_null: false,
        create: Some(Create {
            request: Request { method: Method::Post, path: template(table) },
            idempotency: None,
            external_id: None,
            find,
        }),
        update: Some(Update {
            request: Request { method: Method::Patch, path: one.clone() },
            is_whole: false,
        }),
        delete: Some(Request { method: Method::Delete, path: one.clone() }),
        bulk_create: None,
        bulk_update: None,
        order: None,
        get: one,
        version,
        gone: vec![404, 410],
    }
}

/// A server over the tables of the suite, and what the configuration says of it.
struct RestBench {
    directory: tempfile::TempDir,
    other: Connection,
    server: Server,
    api: Api,
}

impl RestBench {
    async fn new(version: Version) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("bench.db");
        let other = Connection::open(&file).unwrap();
        other.query_row("pragma journal_mode = wal", [], |_row| Ok(())).unwrap();
        other.busy_timeout(Duration::from_secs(5)).unwrap();
        other.execute_batch("pragma synchronous = off").unwrap();
        other.execute_batch(TABLES).unwrap();
        let server = Server::start(&file).await;
        let tables = ["contacts", "orders", "stock"];
        let api = Api {
            base: server.url.clone(),
            auth: Auth::Bearer(Secret::new("s3cret-token")),
            headers: vec![("X-Tenant".into(), Secret::new("acme"))],
            max_rate: None,
            concurrency: 4,
            resources: tables
                .iter()
                .map(|table| Arc::new(resource(table, version.clone())))
                .collect(),
        };
        Self { directory, other, server, api }
    }

    /// The suite says which of two writes of one item comes first.
    fn one_after_the_other(mut self) -> Self {
        self.api.concurrency = 1;
        self
    }

    /// The resource of contacts, changed.
    fn contacts(&mut self, change: impl FnOnce(&mut Resource)) {
        if let Some(first) = self.api.resources.first_mut() {
            change(Arc::make_mut(first));
        }
    }

    fn settings(&self, timeout: Duration) -> Settings {
        Settings {
            name: self.directory.path().display().to_string(),
            kind: Kind::Rest,
            host: "127.0.0.1".into(),
            port: 0,
            user: String::new(),
            database: self.api.base.clone(),
            password: None,
            tls: Tls::Off,
            tls_ca: None,
            connect_timeout: timeout,
            statement_timeout: timeout,
            marks: Marks::None,
            api: Some(Arc::new(self.api.clone())),
            folder: None,
            keys: std::collections::BTreeMap::new(),
            envelope: None,
            ways: Vec::new(),
        }
    }

    /// The doors, with the suite's plan.
    async fn doors(&mut self) -> (Box<dyn Source>, Box<dyn Target>) {
        self.open(plan(), Duration::from_secs(20)).await
    }

    fn contact(&self, id: i64, email: &str, name: &str) {
        let sql = "insert into contacts (id, email, name) values (?1, ?2, ?3)";
        self.other.execute(sql, (id, email, name)).unwrap();
    }
}

#[async_trait]
impl Bench for RestBench {
    async fn open(&mut self, plan: Plan, timeout: Duration) -> (Box<dyn Source>, Box<dyn Target>) {
        let settings = self.settings(timeout);
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
        false
    }

    fn reuses_keys(&self) -> bool {
        true
    }
}

/// What is left out needs what no such system has: one snapshot of many pages, transactions over
/// several items, constraints with names of their own.
macro_rules! suites {
    ($bench:path) => {
        $crate::suites::each! { $bench, source,
            scan_is_complete_and_proved, scan_given_up_is_incomplete,
            scan_goes_on_where_it_was_cut, scan_that_cannot_go_on_begins_anew, poll_shows_all_rows_of_one_stamp,
            poll_meets_a_late_commit, poll_meets_commits_between_pages, poll_shows_what_changed,
            keys_are_found_or_absent, composite_keys_are_exact,
            large_texts_are_read_in_bounded_batches,
        }
        $crate::suites::each! { $bench, target,
            insert_answers_the_key_made, update_touches_only_what_it_sets,
            changed_rows_are_not_overwritten, deletes_are_conditional,
            unique_violations_name_the_holder, a_clash_costs_nobody_else,
            odd_names_and_texts_are_written_exactly, composite_keys_are_written,
            locks_end_in_a_time_out,
        }
    };
}

mod with_etags {
    use super::{RestBench, Version};

    async fn bench() -> RestBench {
        RestBench::new(Version::Etag).await.one_after_the_other()
    }

    suites!(bench);
}

mod blind {
    use super::{RestBench, Version};

    async fn bench() -> RestBench {
        RestBench::new(Version::None).await.one_after_the_other()
    }

    suites!(bench);
}
