//! `MariaDB`: the shared suites, with and without a table of marks, and what is its own.

mod bench;
mod failures;
mod listening;
mod polling;
mod table;
mod types;

use bench::MysqlBench;

mod listened {
    async fn bench() -> super::MysqlBench {
        super::MysqlBench::new(syncline_adapters::settings::Marks::None).await
    }

    crate::suites::listens! { bench }
}

mod listened_by_triggers {
    use syncline_adapters::settings::{Marks, Way};

    async fn bench() -> super::MysqlBench {
        super::MysqlBench::new(Marks::None).await.heard_by(Way::Triggers)
    }

    crate::suites::listens! { bench }
}

mod marked {
    async fn bench() -> super::MysqlBench {
        super::MysqlBench::new(syncline_adapters::settings::Marks::Table).await
    }

    crate::suites::suites! { bench }
}

mod plain {
    async fn bench() -> super::MysqlBench {
        super::MysqlBench::new(syncline_adapters::settings::Marks::None).await
    }

    crate::suites::suites! { bench }
}
