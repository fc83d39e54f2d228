//! Of a record that is forgotten, what systems have sent of it is not kept either: bodies that name one of its
//! rows go, and are overwritten where they were.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior, params};
use serde_json::Value as Json;
use syncline_core::error::PortError;

use crate::hub::{
    envelope::Envelope,
    inbox::{BODY, path_of, schema},
    sqlite::error::{Failure, Outcome},
};

/// So many bodies are looked at together.
const LOOKED_AT: i64 = 100;

/// A row of whose key nothing is to be found any more.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named {
    /// The system that it was in, by name.
    pub system: String,
    /// The parts of its key, as they are written.
    pub key: Vec<String>,
}

/// What became of the bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Erased {
    /// So many are gone.
    pub bodies: u64,
    /// Nothing of them is left in the files. Otherwise somebody reads, and the log beside the file still holds them.
    pub is_clean: bool,
}

/// The first delivery that names one of these rows and is yet to be dealt with.
///
/// # Errors
/// The file's; `HubKeyWrong`.
pub fn waiting_for(
    hub: &Path,
    envelope: &Envelope,
    rows: &[Named],
) -> Result<Option<i64>, PortError> {
    let mut first = None;
    each(hub, envelope, rows, &mut |seq, waits| {
        if waits && first.is_none() {
            first = Some(seq);
        }
    })?;
    Ok(first)
}

/// Takes out the bodies that name one of these rows. That they were sent, when, and what became of them at the door stays.
/// A body of many events goes whole.
///
/// # Errors
/// As with [`waiting_for`].
pub fn erase(hub: &Path, envelope: &Envelope, rows: &[Named]) -> Result<Erased, PortError> {
    let mut named = Vec::new();
    let connection = each(hub, envelope, rows, &mut |seq, _| named.push(seq))?;
    let Some(mut connection) = connection.filter(|_| !named.is_empty()) else {
        return Ok(Erased { bodies: 0, is_clean: true });
    };
    clear(&mut connection, &named).map_err(|failure| failure.during(&action(hub)))?;
    let busy = connection.query_row("pragma wal_checkpoint(truncate)", [], |row| row.get(0));
    let is_clean = busy.is_ok_and(|busy: i64| busy == 0);
    Ok(Erased { bodies: named.len() as u64, is_clean })
}

fn action(hub: &Path) -> String {
    format!("clear the inbox {}", path_of(hub).display())
}

/// All of them or none.
fn clear(connection: &mut Connection, deliveries: &[i64]) -> Outcome<()> {
    connection.pragma_update(None, "secure_delete", true)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut update =
        transaction.prepare("update delivery set body = null, waits = 0 where seq = ?1")?;
    for seq in deliveries {
        update.execute([seq])?;
    }
    drop(update);
    Ok(transaction.commit()?)
}

/// Is told of each delivery that names one of these rows: its number, and whether it is yet to be dealt with. Gives
/// the file, if there is one.
fn each(
    hub: &Path,
    envelope: &Envelope,
    rows: &[Named],
    tell: &mut dyn FnMut(i64, bool),
) -> Result<Option<Connection>, PortError> {
    let path = path_of(hub);
    if !path.exists() {
        return Ok(None);
    }
    let action = action(hub);
    let failed = |failure: Failure| failure.during(&action);
    let (connection, _) = schema::open(&path).map_err(failed)?;
    let mut after = i64::MIN;
    loop {
        let page = page(&connection, after).map_err(failed)?;
        let Some((last, ..)) = page.last() else { break };
        after = *last;
        for (seq, system, waits, body) in page {
            let own: Vec<&Named> = rows.iter().filter(|row| row.system == system).collect();
            if own.is_empty() {
                continue;
            }
            let texts = texts(&envelope.open(BODY, body)?);
            if own.iter().any(|row| names(&texts, &row.key)) {
                tell(seq, waits);
            }
        }
    }
    Ok(Some(connection))
}

type Found = (i64, String, bool, Vec<u8>);

fn page(connection: &Connection, after: i64) -> Outcome<Vec<Found>> {
    let mut statement = connection.prepare_cached(
        "select seq, system, waits, body from delivery where seq > ?1 and body is not null
         order by seq limit ?2",
    )?;
    let rows = statement.query_map(params![after, LOOKED_AT], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Whatever stands in a body: as it is, and if it is a document, its texts without the signs that hide letters there.
fn texts(body: &[u8]) -> Vec<String> {
    let mut texts = vec![String::from_utf8_lossy(body).into_owned()];
    let mut open = Vec::from_iter(serde_json::from_slice::<Json>(body));
    while let Some(value) = open.pop() {
        match value {
            Json::Null | Json::Bool(_) | Json::Number(_) => {}
            Json::String(text) => texts.push(text),
            Json::Array(items) => open.extend(items),
            Json::Object(members) => {
                for (name, value) in members {
                    texts.push(name);
                    open.push(value);
                }
            }
        }
    }
    texts
}

/// Whether each part of the key stands somewhere, as a word of its own.
fn names(texts: &[String], key: &[String]) -> bool {
    key.iter().all(|part| !part.is_empty() && texts.iter().any(|text| has_word(text, part)))
}

fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text.get(..at).and_then(|part| part.chars().next_back());
        let after = text.get(at + word.len()..).and_then(|part| part.chars().next());
        let goes_on = |next: Option<char>| next.is_some_and(char::is_alphanumeric);
        !goes_on(before) && !goes_on(after)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_names_a_row_by_each_part_of_its_key_as_a_word() {
        let is_named = |body: &str, key: &[&str]| {
            let key: Vec<String> = key.iter().map(|part| (*part).to_owned()).collect();
            names(&texts(body.as_bytes()), &key)
        };
        assert!(is_named(r#"{"id": 12}"#, &["12"]));
        assert!(is_named(r#"[{"id": "12"}, {"id": "13"}]"#, &["13"]));
        assert!(is_named(r#"{"id": "gid://shop/Customer/12"}"#, &["12"]));
        assert!(is_named(r#"{"id": "Zo\u00eb"}"#, &["Zoë"]));
        assert!(is_named("id=12&name=Zo", &["12"]));
        assert!(is_named(r#"{"sku": "a", "site": 7}"#, &["a", "7"]));
        assert!(!is_named(r#"{"id": 112, "note": "x12"}"#, &["12"]));
        assert!(!is_named(r#"{"sku": "a"}"#, &["a", "7"]));
        assert!(!is_named("", &[""]));
    }
}
