//! Listening to the write-ahead log: the shared suite, and what is PostgreSQL's own.

mod needs;
mod outages;
mod own;
mod tables;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use syncline_adapters::settings::{Listening, Settings};
use syncline_core::{change::Position, error::PortError, name::SystemIndex, plan::Plan};
use syncline_ports::{
    listener::{Changed, Listener},
    suite::{
        bench::{Edit, plan},
        listener::Listened,
    },
};
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::{
    postgres_tests::{Marks, PostgresBench, other_user, plan_of, settings},
    servers::{self, Server},
};

const GIB: u64 = 1 << 30;

/// Names of slots are the server's, not the database's.
fn listening(url: &str) -> Listening {
    let database = url.rsplit('/').next().unwrap();
    Listening { name: format!("syncline_{database}"), way: None, max_retained: GIB }
}

#[async_trait]
impl Listened for PostgresBench {
    async fn listen(&mut self) -> Box<dyn Listener> {
        let settings = settings(servers::postgres(), &self.url);
        let plan = Arc::new(plan());
        syncline_adapters::listen(&settings, plan, SystemIndex(0), &listening(&self.url))
            .await
            .unwrap()
    }

    async fn execute(&mut self, edits: &[Edit]) {
        let statements: Vec<String> = edits.iter().map(Edit::sql).collect();
        let statements = format!("begin; {}; commit", statements.join("; "));
        self.other.batch_execute(&statements).await.unwrap();
    }

    async fn cut(&mut self) {
        self.other.batch_execute(END_OTHERS).await.unwrap();
    }
}

const END_OTHERS: &str = "\
select pg_terminate_backend(pid) from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid()";

mod suite {
    use super::{Marks, PostgresBench};

    async fn bench() -> PostgresBench {
        PostgresBench::new(Marks::None).await
    }

    crate::suites::listens!(bench);
}

/// A database with tables that are listened to, and another user of it.
struct Scene {
    url: String,
    settings: Settings,
    listening: Listening,
    plan: Plan,
    other: Client,
}

impl Scene {
    /// Makes the tables; each is bound by these columns of its key.
    async fn new(server: &Server, sql: &str, tables: &[(&str, &[&str])]) -> Self {
        let url = server.database("listening");
        let other = other_user(&url).await;
        other.batch_execute(sql).await.unwrap();
        let tables: Vec<(&str, &[&str], &[&str])> =
            tables.iter().map(|(table, key)| (*table, *key, *key)).collect();
        let settings =
            Settings { statement_timeout: Duration::from_secs(20), ..settings(server, &url) };
        let listening = listening(&url);
        Self { settings, listening, plan: plan_of(&tables), other, url }
    }

    async fn open(&self) -> Result<Box<dyn Listener>, PortError> {
        let plan = Arc::new(self.plan.clone());
        syncline_adapters::listen(&self.settings, plan, SystemIndex(0), &self.listening).await
    }

    async fn try_begin(
        &self,
        from: Option<&Position>,
    ) -> Result<(Box<dyn Listener>, Position), PortError> {
        let mut listener = self.open().await?;
        let upto = listener.begin(from).await?;
        Ok((listener, upto))
    }

    /// Begins with now.
    async fn begin(&self) -> (Box<dyn Listener>, Position) {
        self.try_begin(None).await.unwrap()
    }

    async fn execute(&self, sql: &str) {
        self.other.batch_execute(sql).await.unwrap();
    }

    /// The first column of the first row of a query, as text.
    async fn ask(&self, sql: &str) -> String {
        let found = self.other.simple_query(sql).await.unwrap();
        let row = found.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or("null").to_owned()),
            SimpleQueryMessage::CommandComplete(_) | SimpleQueryMessage::RowDescription(_) | _ => {
                None
            }
        });
        row.unwrap_or_default()
    }

    /// The slot's name between quotes.
    fn slot(&self) -> String {
        format!("'{}'", self.listening.name)
    }
}

/// Hears until something was heard: `0 7` is row 7 of the first binding.
async fn heard(listener: &mut dyn Listener) -> Vec<String> {
    loop {
        let heard = listener.hear(1_000).await.unwrap();
        if !heard.hints.is_empty() {
            return heard
                .hints
                .into_iter()
                .map(|hint| match hint.what {
                    Changed::Row(key) => format!("{} {key}", hint.binding.0),
                    Changed::Shown(row) => format!("{} {}", hint.binding.0, row.key),
                    Changed::Unnamed(why) | Changed::Somewhere(why) => {
                        format!("{} whole: {why}", hint.binding.0)
                    }
                })
                .collect();
        }
    }
}
