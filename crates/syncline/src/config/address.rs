//! The URL of a system, taken apart. Never holds a password: one that stands in the URL is handed
//! out separately, and complained about.

use syncline_adapters::settings::{Kind, Tls, api::Base};

/// Where a system is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// What it is.
    pub(crate) kind: Kind,
    /// Host, address, or directory of a socket; empty for SQLite.
    pub(crate) host: String,
    /// Port.
    pub(crate) port: u16,
    /// User.
    pub(crate) user: String,
    /// Database, or the path of the file or folder, or the whole URL of a REST system.
    pub(crate) database: String,
}

/// A URL, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    /// Where the system is.
    pub(crate) address: Address,
    /// A password that stands in it, and its bytes within the URL.
    pub(crate) password: Option<(String, std::ops::Range<usize>)>,
}

/// Why a URL is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum UrlError {
    /// Not a URL we know.
    Wrong(String),
}

impl Address {
    /// The host is this machine.
    pub(crate) fn is_local(&self) -> bool {
        self.host.is_empty() || self.host.starts_with('/') || is_local(&self.host)
    }

    /// How the connection is protected unless the file says so.
    pub(crate) fn unsaid_tls(&self) -> Tls {
        if self.kind == Kind::Rest {
            return if self.is_encrypted() { Tls::VerifyFull } else { Tls::Off };
        }
        if self.is_local() { Tls::Off } else { Tls::VerifyFull }
    }

    /// Of a REST system: its URL says that requests are encrypted.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.database.starts_with("https:")
    }
}

/// This host is this machine.
pub(crate) fn is_local(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

/// Takes a URL apart.
pub(crate) fn parse(text: &str) -> Result<Url, UrlError> {
    let Some((scheme, rest)) = text.split_once(':') else {
        return Err(UrlError::Wrong(
            "a URL begins with postgres:, mariadb:, mysql:, sqlite:, https:, file: or push:".into(),
        ));
    };
    let kind = match scheme {
        "postgres" | "postgresql" => Kind::Postgres,
        "mariadb" | "mysql" => Kind::Mysql,
        "sqlite" => return sqlite(rest),
        "http" | "https" => return api(text),
        "file" => return folder(rest),
        "push" => return push(rest),
        _ => {
            return Err(UrlError::Wrong(format!(
                "`{scheme}:` is no system we know: postgres:, mariadb:, mysql:, sqlite:, \
                 https:, file:, push:"
            )));
        }
    };
    let Some(rest) = rest.strip_prefix("//") else {
        return Err(UrlError::Wrong(format!("write {scheme}://user@host/database")));
    };
    server(kind, rest, text.len() - rest.len())
}

fn sqlite(rest: &str) -> Result<Url, UrlError> {
    let path = rest.strip_prefix("//").unwrap_or(rest);
    if path.is_empty() || path.starts_with(":memory:") || path.contains('?') {
        return Err(UrlError::Wrong("write sqlite:PATH, the path of a file".into()));
    }
    let address = Address {
        kind: Kind::Sqlite,
        host: String::new(),
        port: 0,
        user: String::new(),
        database: path.to_owned(),
    };
    Ok(Url { address, password: None })
}

fn folder(rest: &str) -> Result<Url, UrlError> {
    let path = rest.strip_prefix("//").unwrap_or(rest);
    if path.is_empty() || path.contains(['?', '*', '{']) {
        return Err(UrlError::Wrong("write file:FOLDER/, the path of a folder".into()));
    }
    let address = Address {
        kind: Kind::File,
        host: String::new(),
        port: 0,
        user: String::new(),
        database: path.to_owned(),
    };
    Ok(Url { address, password: None })
}

fn push(rest: &str) -> Result<Url, UrlError> {
    if !rest.is_empty() {
        return Err(UrlError::Wrong("write push: alone: the system calls us".into()));
    }
    let address = Address {
        kind: Kind::Push,
        host: String::new(),
        port: 0,
        user: String::new(),
        database: String::new(),
    };
    Ok(Url { address, password: None })
}

fn api(text: &str) -> Result<Url, UrlError> {
    let base = Base::parse(text).map_err(UrlError::Wrong)?;
    let address = Address {
        kind: Kind::Rest,
        host: base.host,
        port: base.port,
        user: String::new(),
        database: base.url,
    };
    Ok(Url { address, password: None })
}

fn server(kind: Kind, rest: &str, offset: usize) -> Result<Url, UrlError> {
    if rest.contains(['?', '#']) {
        return Err(UrlError::Wrong(
            "parameters after ? are not taken; there are keys for them: tls, tls_ca, \
             connect_timeout, statement_timeout"
                .into(),
        ));
    }
    let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
    let (credentials, host) = match authority.rsplit_once('@') {
        Some((credentials, host)) => (Some(credentials), host),
        None => (None, authority),
    };
    let (user, password) = match credentials {
        None => (String::new(), None),
        Some(credentials) => match credentials.split_once(':') {
            None => (decode(credentials)?, None),
            Some((user, password)) => {
                let start = offset + user.len() + 1;
                let range = start..start + password.len();
                (decode(user)?, Some((decode(password)?, range)))
            }
        },
    };
    let (host, port) = split_port(host)?;
    let host = decode(host)?;
    let database = decode(database)?;
    if database.is_empty() || database.contains('/') {
        return Err(UrlError::Wrong("the database is missing: …://user@host/database".into()));
    }
    let port = port.unwrap_or(if kind == Kind::Postgres { 5432 } else { 3306 });
    let host = if host.is_empty() { "localhost".to_owned() } else { host };
    Ok(Url { address: Address { kind, host, port, user, database }, password })
}

fn split_port(host: &str) -> Result<(&str, Option<u16>), UrlError> {
    let (host, port) = if let Some(rest) = host.strip_prefix('[') {
        match rest.split_once(']') {
            Some((host, "")) => (host, None),
            Some((host, port)) => (host, port.strip_prefix(':')),
            None => return Err(UrlError::Wrong("a `]` is missing after the address".into())),
        }
    } else {
        match host.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (host, None),
        }
    };
    match port {
        None => Ok((host, None)),
        Some(port) => match port.parse() {
            Ok(port) if port != 0 => Ok((host, Some(port))),
            Ok(_) | Err(_) => Err(UrlError::Wrong(format!("`{port}` is no port"))),
        },
    }
}

/// Takes `%2F` and its like for what they mean.
fn decode(text: &str) -> Result<String, UrlError> {
    let wrong = || UrlError::Wrong("a % must be followed by two hexadecimal digits".into());
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first == b'%' {
            let pair = after.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
            let byte = pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()).ok_or_else(wrong)?;
            bytes.push(byte);
            rest = after.get(2..).unwrap_or_default();
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}
