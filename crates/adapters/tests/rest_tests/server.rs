//! A REST server over the tables of the suite, with whatever weather a test asks for. It speaks just
//! enough of HTTP/1.1 to be asked by a real client.

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use rusqlite::{Connection, types::Value as Stored};
use serde_json::{Map, Value as Json, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// A request, as it came.
#[derive(Clone, Debug, Default)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Request {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// An answer, byte by byte if a test wants it so.
#[derive(Clone, Debug, Default)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn new(status: u16, body: &Json) -> Self {
        let headers = vec![("Content-Type".into(), "application/json".into())];
        Self { status, headers, body: body.to_string().into_bytes() }
    }

    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

/// What happens to a request.
#[derive(Clone, Debug)]
pub(super) enum Weather {
    /// It is served.
    Fair,
    /// It is answered so, and not served.
    Instead(Answer),
    /// It is served, and the line is cut before the answer.
    LostAnswer,
    /// It is served, and the answer is sent with this instead.
    Changed(fn(Answer) -> Answer),
}

type Sky = dyn FnMut(&Request) -> Weather + Send;

/// The server.
pub(super) struct Server {
    pub(super) url: String,
    sky: Arc<Mutex<Box<Sky>>>,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Serves the tables of this database.
    pub(super) async fn start(database: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/api/", listener.local_addr().unwrap());
        let sky: Arc<Mutex<Box<Sky>>> = Arc::new(Mutex::new(Box::new(|_: &Request| Weather::Fair)));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let connection = Connection::open(database).unwrap();
        connection.execute_batch("pragma synchronous = off; pragma foreign_keys = on").unwrap();
        connection.busy_timeout(std::time::Duration::ZERO).unwrap();
        let connection = Arc::new(Mutex::new(connection));
        let shared = (sky.clone(), seen.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (sky, seen) = (shared.0.clone(), shared.1.clone());
                tokio::spawn(serve(stream, connection.clone(), sky, seen));
            }
        });
        Self { url, sky, seen }
    }

    /// From now on this happens.
    pub(super) fn weather(&self, sky: impl FnMut(&Request) -> Weather + Send + 'static) {
        *self.sky.lock().unwrap() = Box::new(sky);
    }

    /// What was asked so far, `GET /contacts/1` and its like.
    pub(super) fn asked(&self) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        seen.iter().map(|request| format!("{} {}", request.method, request.path)).collect()
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }

    pub(super) fn forget(&self) {
        self.seen.lock().unwrap().clear();
    }
}

async fn serve(
    mut stream: TcpStream,
    connection: Arc<Mutex<Connection>>,
    sky: Arc<Mutex<Box<Sky>>>,
    seen: Arc<Mutex<Vec<Request>>>,
) {
    let mut bytes = Vec::new();
    while let Some(request) = read(&mut stream, &mut bytes).await {
        let weather = (sky.lock().unwrap())(&request);
        seen.lock().unwrap().push(request.clone());
        let served = || handle(&connection.lock().unwrap(), &request);
        let answer = match weather {
            Weather::Fair => served(),
            Weather::Instead(answer) => answer,
            Weather::Changed(change) => change(served()),
            Weather::LostAnswer => {
                served();
                return;
            }
        };
        let mut out = format!("HTTP/1.1 {} Said\r\n", answer.status).into_bytes();
        for (name, value) in &answer.headers {
            out.extend(format!("{name}: {value}\r\n").bytes());
        }
        if !answer.headers.iter().any(|(name, _)| name == "Transfer-Encoding") {
            out.extend(format!("Content-Length: {}\r\n", answer.body.len()).bytes());
        }
        out.extend(b"\r\n");
        out.extend(&answer.body);
        if stream.write_all(&out).await.is_err() {
            return;
        }
    }
}

async fn read(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<Request> {
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        if stream.read_buf(bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes.drain(..head_end + 4).collect()).ok()?;
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length: usize = length.and_then(|(_, value)| value.parse().ok()).unwrap_or(0);
    while bytes.len() < length {
        if stream.read_buf(bytes).await.ok()? == 0 {
            return None;
        }
    }
    let body = String::from_utf8(bytes.drain(..length).collect()).ok()?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let query = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect();
    let path = path.strip_prefix("/api").unwrap_or(path).to_owned();
    Some(Request { method, path, query, headers, body })
}

fn decoded(text: &str) -> String {
    let (mut out, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'+' => out.push(b' '),
            b'%' => {
                let pair = std::str::from_utf8(&after[..2]).unwrap();
                out.push(u8::from_str_radix(pair, 16).unwrap());
                rest = &after[2..];
            }
            other => out.push(*other),
        }
    }
    String::from_utf8(out).unwrap()
}

fn stored(json: &Json) -> Stored {
    match json {
        Json::Null => Stored::Null,
        Json::Bool(truth) => Stored::Integer(i64::from(*truth)),
        Json::Number(number) => number.as_i64().map_or(Stored::Null, Stored::Integer),
        Json::String(text) => Stored::Text(text.clone()),
        Json::Array(_) | Json::Object(_) => Stored::Text(json.to_string()),
    }
}

fn key_columns(table: &str) -> &'static [&'static str] {
    match table {
        "stock" => &["sku", "site"],
        _ => &["id"],
    }
}

fn rows(connection: &Connection, sql: &str, bind: &[Stored]) -> rusqlite::Result<Vec<Json>> {
    let mut statement = connection.prepare(sql)?;
    let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let read = |row: &rusqlite::Row<'_>| {
        let mut item = Map::new();
        for (at, name) in names.iter().enumerate() {
            let value = match row.get(at)? {
                Stored::Null => Json::Null,
                Stored::Integer(number) => json!(number),
                Stored::Real(number) => json!(number),
                Stored::Text(text) => Json::String(text),
                Stored::Blob(_) => Json::Null,
            };
            item.insert(name.clone(), value);
        }
        Ok(Json::Object(item))
    };
    statement.query_map(rusqlite::params_from_iter(bind), read)?.collect()
}

fn etag(item: &Json) -> String {
    let digest = syncline_core::value::Digest::of(item.to_string().as_bytes());
    format!("\"{:02x}{:02x}{:02x}{:02x}\"", digest.0[0], digest.0[1], digest.0[2], digest.0[3])
}

fn handle(connection: &Connection, request: &Request) -> Answer {
    served(connection, request).unwrap_or_else(|error| {
        let busy = error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy);
        let text = error.to_string();
        let status = match (busy, text.contains("UNIQUE")) {
            (true, _) => 503,
            (false, true) => 409,
            (false, false) => 422,
        };
        Answer::new(status, &json!({"message": text}))
    })
}

fn served(connection: &Connection, request: &Request) -> rusqlite::Result<Answer> {
    let parts: Vec<String> =
        request.path.split('/').filter(|part| !part.is_empty()).map(decoded).collect();
    let Some((table, key)) = parts.split_first() else {
        return Ok(Answer::new(404, &json!({"message": "no such path"})));
    };
    let columns = key_columns(table);
    let body: Json = serde_json::from_str(&request.body).unwrap_or_default();
    let sent: Vec<(String, Stored)> = body
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.clone(), stored(value)))
        .collect();
    if key.is_empty() {
        return match request.method.as_str() {
            "GET" => list(connection, request, table, columns),
            "POST" => create(connection, table, &sent),
            _ => Ok(Answer::new(405, &json!({}))),
        };
    }
    let condition: Vec<String> =
        columns.iter().enumerate().map(|(at, name)| format!("\"{name}\" = ?{}", at + 1)).collect();
    let condition = condition.join(" and ");
    let bind: Vec<Stored> = key
        .iter()
        .map(|part| match part.parse() {
            Ok(number) if *table != "stock" => Stored::Integer(number),
            _ => Stored::Text(part.clone()),
        })
        .collect();
    let found = rows(connection, &format!("select * from \"{table}\" where {condition}"), &bind)?;
    let Some(found) = found.into_iter().next() else {
        return Ok(Answer::new(404, &json!({"message": "no such item"})));
    };
    if request.header("if-match").is_some_and(|wanted| wanted != etag(&found)) {
        return Ok(Answer::new(412, &json!({"message": "it has changed"})));
    }
    match request.method.as_str() {
        "GET" => {
            let etag = etag(&found);
            Ok(Answer::new(200, &found).with("ETag", &etag))
        }
        "PATCH" | "PUT" => {
            let mut all = bind.clone();
            let sets: Vec<String> = sent
                .iter()
                .map(|(name, value)| {
                    all.push(value.clone());
                    format!("\"{name}\" = ?{}", all.len())
                })
                .collect();
            let sql = format!("update \"{table}\" set {} where {condition}", sets.join(", "));
            connection.execute(&sql, rusqlite::params_from_iter(&all))?;
            let place = |name: &str| sent.iter().find(|(known, _)| known == name);
            let now: Vec<Stored> = columns
                .iter()
                .zip(&bind)
                .map(|(name, old)| place(name).map_or_else(|| old.clone(), |(_, new)| new.clone()))
                .collect();
            let sql = format!("select * from \"{table}\" where {condition}");
            let after = rows(connection, &sql, &now)?.into_iter().next().unwrap_or_default();
            Ok(Answer::new(200, &after).with("ETag", &etag(&after)))
        }
        "DELETE" => {
            let sql = format!("delete from \"{table}\" where {condition}");
            connection.execute(&sql, rusqlite::params_from_iter(&bind))?;
            Ok(Answer { status: 204, ..Answer::default() })
        }
        _ => Ok(Answer::new(405, &json!({}))),
    }
}

fn list(
    connection: &Connection,
    request: &Request,
    table: &str,
    columns: &[&str],
) -> rusqlite::Result<Answer> {
    let (mut conditions, mut bind) = (vec!["1 = 1".to_owned()], Vec::new());
    let filters = [
        ("touched_from", "touched >="),
        ("after", "id >"),
        ("email", "email ="),
        ("code", "code ="),
    ];
    for (name, condition) in filters {
        if let Some(value) = request.parameter(name) {
            let number = value.parse().ok().filter(|_| name == "touched_from" || name == "after");
            let text = || Stored::Text(value.to_owned());
            bind.push(number.map_or_else(text, Stored::Integer));
            conditions.push(format!("{condition} ?{}", bind.len()));
        }
    }
    let number = |name: &str, unsaid: u64| {
        request.parameter(name).and_then(|value| value.parse().ok()).unwrap_or(unsaid)
    };
    let limit = number("limit", 50);
    // From page 1 on, from an item on, or where the page before said.
    let offset = number("at", number("offset", (number("page", 1) - 1) * limit));
    let all = conditions.join(" and ");
    let total =
        rows(connection, &format!("select count(*) as n from \"{table}\" where {all}"), &bind)?;
    let total = total.first().and_then(|row| row["n"].as_u64()).unwrap_or(0);
    let order: Vec<String> = columns.iter().map(|name| format!("\"{name}\"")).collect();
    let sql = format!(
        "select * from \"{table}\" where {all} order by {} limit {limit} offset {offset}",
        order.join(", ")
    );
    let items = rows(connection, &sql, &bind)?;
    let next = offset + items.len() as u64;
    let (next, url) = if next < total {
        let url = format!("{table}?limit={limit}&at={next}");
        (json!(next.to_string()), json!(url))
    } else {
        (Json::Null, Json::Null)
    };
    let body = json!({"items": items, "total": total, "next": next, "url": url});
    let mut answer = Answer::new(200, &body);
    if let Some(url) = url.as_str() {
        answer = answer.with("Link", &format!("<{url}>; rel=\"next\", <{table}>; rel=\"first\""));
    }
    Ok(answer.with("Date", "Sat, 01 Jan 2050 00:00:00 GMT"))
}

fn create(
    connection: &Connection,
    table: &str,
    sent: &[(String, Stored)],
) -> rusqlite::Result<Answer> {
    let names: Vec<String> = sent.iter().map(|(name, _)| format!("\"{name}\"")).collect();
    let places: Vec<String> = (1..=sent.len()).map(|at| format!("?{at}")).collect();
    let sql =
        format!("insert into \"{table}\" ({}) values ({})", names.join(", "), places.join(", "));
    connection.execute(&sql, rusqlite::params_from_iter(sent.iter().map(|(_, value)| value)))?;
    let rowid = Stored::Integer(connection.last_insert_rowid());
    let sql = format!("select * from \"{table}\" where rowid = ?1");
    let made = rows(connection, &sql, &[rowid])?.into_iter().next().unwrap_or_default();
    Ok(Answer::new(201, &made).with("ETag", &etag(&made)))
}
