//! Listening to the write-ahead log: the shared suite, and what is PostgreSQL's own.

use std::sync::Arc;

use async_trait::async_trait;
use syncline_adapters::settings::Listening;
use syncline_core::name::SystemIndex;
use syncline_ports::{
    listener::Listener,
    suite::{
        bench::{Edit, plan},
        listener::Listened,
    },
};

use crate::{
    postgres_tests::{Marks, PostgresBench, settings},
    servers,
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
        self.other
            .batch_execute(&format!("begin; {}; commit", statements.join("; ")))
            .await
            .unwrap();
    }

    async fn cut(&mut self) {
        self.other
            .batch_execute(
                "select pg_terminate_backend(pid) from pg_stat_activity
                 where datname = current_database() and pid <> pg_backend_pid()",
            )
            .await
            .unwrap();
    }
}

mod suite {
    use super::{Marks, PostgresBench};

    async fn bench() -> PostgresBench {
        PostgresBench::new(Marks::None).await
    }

    crate::suites::listens!(bench);
}
