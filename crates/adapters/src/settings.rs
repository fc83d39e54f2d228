//! How to reach a system: what the configuration says, secrets already resolved.

mod path;
mod template;

pub mod api;
pub mod channel;
pub mod folder;
pub mod hook;

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use crate::hub::envelope::Envelope;
use syncline_core::Text;

pub use path::{Blocked, Path};
pub use template::Template;

/// A resolved secret: neither printed nor compared, and wiped from no log because it reaches none.
#[derive(Clone, Default)]
pub struct Secret(String);

impl Secret {
    /// Wraps a resolved secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself, for the one call that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// Kinds of systems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// PostgreSQL.
    Postgres,
    /// MariaDB or MySQL.
    Mysql,
    /// SQLite.
    Sqlite,
    /// A REST API.
    Rest,
    /// A folder of files.
    File,
    /// A system that only tells, by calling us.
    Push,
}

impl Kind {
    /// What can be listened to in a system of this kind. The first is taken where nothing is said,
    /// others only where they are asked for.
    pub const fn ways(self) -> &'static [Way] {
        match self {
            Self::Postgres => &[Way::Wal],
            Self::Mysql => &[Way::Binlog, Way::Triggers],
            Self::Sqlite => &[Way::Triggers],
            Self::Rest | Self::Push => &[],
            Self::File => &[Way::Watch],
        }
    }
}

impl Way {
    /// As the file says it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Wal => "cdc: wal",
            Self::Binlog => "cdc: binlog",
            Self::Triggers => "triggers: true",
            Self::Watch => "watch: true",
        }
    }
}

/// How the connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Tls {
    /// Verify the certificate and the name; off loopback the default.
    #[default]
    VerifyFull,
    /// Encrypt, without checking the name.
    Require,
    /// In the clear; on loopback and local sockets the default.
    Off,
}

/// Whether a table of marks is used to recognise our own writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Marks {
    /// If the table is there.
    #[default]
    IfPresent,
    /// It must be there.
    Table,
    /// Never.
    None,
}

/// How to reach a system.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its name in the file.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Host name, address or directory of a socket; for SQLite empty.
    pub host: String,
    /// Port.
    pub port: u16,
    /// User.
    pub user: String,
    /// Database; for SQLite the path of the file, for a system that only tells that of what it has told.
    pub database: String,
    /// Password.
    pub password: Option<Secret>,
    /// Protection of the connection.
    pub tls: Tls,
    /// A file of certificates to trust beside the system's own.
    pub tls_ca: Option<String>,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long one statement may take.
    pub statement_timeout: Duration,
    /// Marks.
    pub marks: Marks,
    /// What the file asks to listen to, in this order; nothing where it leaves that open.
    pub ways: Vec<Way>,
    /// For a REST system: its resources, and how it knows us.
    pub api: Option<Arc<api::Api>>,
    /// For a file system: its folder, and its files.
    pub folder: Option<Arc<folder::Folder>>,
    /// For a system that only tells: the members that tell the rows of each table apart.
    pub keys: BTreeMap<Text, Vec<Text>>,
    /// For a system that only tells: what it has told is sealed with these.
    pub envelope: Option<Envelope>,
}

/// How to listen to a system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listening {
    /// What is set up in the system bears this name (a slot, a publication, triggers): lower-case
    /// letters, digits and underscores, at most 40, no two installations the same.
    pub name: String,
    /// What to listen to; the best that the system offers if not said.
    pub way: Option<Way>,
    /// The system keeps at most so many bytes of log for us; beyond that listening is given up and
    /// what was set up is removed, so that its disk does not fill.
    pub max_retained: u64,
}

/// What can be listened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The write-ahead log of PostgreSQL.
    Wal,
    /// The binary log of MariaDB or MySQL.
    Binlog,
    /// Triggers that note which rows change.
    Triggers,
    /// A folder that is looked at all the time.
    Watch,
}
