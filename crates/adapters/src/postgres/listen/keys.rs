//! What the texts of a key in the log are as values: the same that a read of the row gives.
//!
//! The common types are read here. For every other the server is asked: it makes of its own text what
//! the source would read.

use syncline_core::{Text, change::RowKey, error::PortError, value::Value};
use tokio_postgres::types::Type;

use crate::postgres::{
    bound::Bound,
    connect::{Session, borrowed},
    failure::{is_lost, port_error},
    listen::decode::RawKey,
    value::Codec,
    wire::Raw,
};

/// A key of a binding, or why it cannot be read.
pub(super) type Read = Result<RowKey, Text>;

/// Reads the keys of one binding.
///
/// # Errors
/// What happened to the connection.
pub(super) async fn read(
    session: &Session,
    bound: &Bound,
    keys: &[&RawKey],
    action: &str,
) -> Result<Vec<Read>, PortError> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    if let Some(readers) = readers(bound) {
        return Ok(keys.iter().map(|key| readers.read(key)).collect());
    }
    match asked(session, bound, &codecs(bound), keys).await {
        Ok(read) => Ok(read),
        Err(error) if is_lost(&error) => Err(port_error(action, &error)),
        // One of them is no value of its type any more: the table has changed since.
        Err(_) => Ok(keys.iter().map(|_| Err(unreadable())).collect()),
    }
}

fn unreadable() -> Text {
    Text::new("a key cannot be read")
}

/// Reads the keys of one binding without asking the server.
pub(super) struct Readers(Vec<Reader>);

/// `None`: only the server can read them.
pub(super) fn readers(bound: &Bound) -> Option<Readers> {
    codecs(bound).into_iter().map(reader).collect::<Option<Vec<Reader>>>().map(Readers)
}

impl Readers {
    pub(super) fn read(&self, key: &RawKey) -> Read {
        let values: Option<Vec<Value>> = self
            .0
            .iter()
            .zip(key)
            .map(|(read, raw)| read(std::str::from_utf8(raw).ok()?))
            .collect();
        match values {
            Some(values) if values.len() == self.0.len() => Ok(RowKey::new(&values)),
            Some(_) | None => Err(unreadable()),
        }
    }
}

fn codecs(bound: &Bound) -> Vec<&Codec> {
    let carriers = bound.shape.key.iter().filter_map(|column| bound.carriers.get(*column));
    carriers.map(|carrier| &carrier.codec).collect()
}

/// Makes a value of the text of one column.
type Reader = fn(&str) -> Option<Value>;

/// How this type is read here; `None`: the server is asked.
fn reader(codec: &Codec) -> Option<Reader> {
    match codec {
        Codec::Bool => Some(|text| match text {
            "t" => Some(Value::Bool(true)),
            "f" => Some(Value::Bool(false)),
            _ => None,
        }),
        Codec::Int2 | Codec::Int4 | Codec::Int8 | Codec::Oid => {
            Some(|text| text.parse().ok().map(Value::int))
        }
        Codec::Text => Some(|text| Some(Value::text(text))),
        Codec::Padded => Some(|text| Some(Value::text(text.trim_end_matches(' ')))),
        Codec::Uuid => Some(|text| uuid(text).map(Value::Uuid)),
        Codec::Float4
        | Codec::Float8
        | Codec::Numeric
        | Codec::Bytes
        | Codec::Date
        | Codec::Time
        | Codec::Timestamp
        | Codec::Timestamptz
        | Codec::Interval
        | Codec::Json
        | Codec::Jsonb
        | Codec::Array(_) => None,
    }
}

fn uuid(text: &str) -> Option<[u8; 16]> {
    let digits: String = text.split('-').collect();
    if digits.len() != 32 {
        return None;
    }
    Some(u128::from_str_radix(&digits, 16).ok()?.to_be_bytes())
}

/// Lets the server read its own texts.
async fn asked(
    session: &Session,
    bound: &Bound,
    codecs: &[&Codec],
    keys: &[&RawKey],
) -> Result<Vec<Read>, tokio_postgres::Error> {
    let (mut names, mut arrays, mut list, mut texts) = (vec![], vec![], vec![], vec![]);
    for (at, column) in bound.shape.key.iter().enumerate() {
        let (Some(carrier), Some(described)) =
            (bound.carriers.get(*column), bound.shape.columns.get(*column))
        else {
            continue;
        };
        names.push(format!("k{at}"));
        arrays.push(format!("${}", at + 1));
        list.push(carrier.select(&format!("(u.k{at}::{})", described.type_name)));
        let column: Vec<Option<&str>> = keys
            .iter()
            .map(|key| key.get(at).and_then(|raw| std::str::from_utf8(raw).ok()))
            .collect();
        texts.push(column);
    }
    let statement = format!(
        "select {} from unnest({}) with ordinality as u({}, place) order by u.place",
        list.join(", "),
        arrays.join(", "),
        names.join(", ")
    );
    let types = vec![Type::TEXT_ARRAY; texts.len()];
    let statement = session.client.prepare_typed(&statement, &types).await?;
    let rows = session.client.query(&statement, &borrowed(&texts)).await?;
    let mut read: Vec<Read> = rows
        .iter()
        .map(|row| {
            let values = codecs
                .iter()
                .enumerate()
                .map(|(at, codec)| codec.decode(row.get::<_, Raw<'_>>(at).0).ok())
                .collect::<Option<Vec<Value>>>()
                .filter(|values| !values.iter().any(Value::is_null));
            values.map(|values| RowKey::new(&values)).ok_or_else(unreadable)
        })
        .collect();
    read.resize(keys.len(), Err(unreadable()));
    Ok(read)
}
