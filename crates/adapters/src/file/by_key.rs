//! What a file says of some rows. Once it is gone through for them; whoever asks again and again, as after a
//! crash, has it gone through once more, for all of its rows: where each is, is remembered by eight bytes of its
//! key, as long as the file is still the same.

use std::{collections::BTreeMap, io};

use syncline_core::{
    Text,
    change::{ReadResult, RowKey},
    error::PortError,
    value::{Value, bytes, read_bytes},
};
use syncline_ports::source::RefusedRow;

use crate::file::{
    bound::{Bound, Seen, short},
    failed,
    place::{self, Found, Identity, Look},
    rows::Rows,
    spool::Spool,
};

/// What is known of a file that was read by key.
#[derive(Debug)]
pub(super) struct Known {
    identity: Identity,
    /// Where its rows are, if it was asked for some more than once.
    index: Option<Index>,
}

/// The rows of a file, or some of them, each found by its key.
#[derive(Debug)]
struct Index {
    spool: Spool,
    /// Where the rows are, by eight bytes of their keys, in order.
    places: Vec<(u64, u64)>,
    /// Why a row that was not found may be there all the same.
    doubt: Option<String>,
}

type Results = BTreeMap<RowKey, ReadResult>;

/// What the file says of these rows; one that is not among them is not there, and known not to be. With it, what is
/// known of the file.
pub(super) fn by_key(
    bound: &Bound,
    wanted: &[RowKey],
    known: Option<Known>,
) -> Result<(Results, Option<Known>), PortError> {
    let all = |reason: String| {
        let reason = Text::from(reason);
        let failed = |key: &RowKey| (key.clone(), ReadResult::Failed(reason.clone()));
        (wanted.iter().map(failed).collect(), None)
    };
    let folder = &bound.system.folder;
    let found = match place::look(&bound.system, &bound.file)? {
        Look::Found(found) => found,
        Look::Missing if folder.writes => return Ok((Results::new(), None)),
        Look::Missing => {
            return Ok(all(format!("there is no file {}", folder.name.shown(&bound.file))));
        }
        Look::NotNow(why) => return Ok(all(why)),
    };
    let action = bound.action("read");
    let io = |error: io::Error| failed(&action, &error);
    let known = known.filter(|known| known.identity == found.identity);
    let (index, is_whole) = match known {
        Some(Known { index: Some(index), .. }) => (index, true),
        seen => {
            // What is only read is written by nobody of ours, who would ask what became of that.
            let is_whole = seen.is_some() && folder.writes;
            let mut rows = match open(bound, &found, &action)? {
                Ok(rows) => rows,
                Err(why) => return Ok(all(why)),
            };
            let of: Vec<u64> = wanted.iter().map(short).collect();
            let of = (!is_whole).then_some(of);
            (Index::read(bound, &mut rows, of).map_err(io)?, is_whole)
        }
    };
    if !found.is_as_it_was() {
        return Ok(all(format!("{} was changed while it was read", found.name)));
    }
    let mut results = Results::new();
    for key in wanted {
        if let Some(result) = index.of(bound, key).map_err(io)? {
            results.insert(key.clone(), result);
        }
    }
    Ok((results, Some(Known { identity: found.identity, index: is_whole.then_some(index) })))
}

fn open(bound: &Bound, found: &Found, action: &str) -> Result<Result<Rows, String>, PortError> {
    Rows::open(&bound.system.folder, found, &bound.names(), &bound.kinds, action)
}

/// Of two rows with one key nobody knows which counts.
pub(super) fn duplicate(key: RowKey, place: &str) -> RefusedRow {
    let reason = Text::from(format!("{place}: another row of the file has the same key"));
    RefusedRow { key, code: "read.duplicate_key", reason }
}

impl Index {
    /// Goes through a file, for all of its rows or for those of which these are the keys.
    ///
    /// # Errors
    /// What kept it from being read.
    fn read(bound: &Bound, rows: &mut Rows, of: Option<Vec<u64>>) -> io::Result<Self> {
        let of = of.map(|mut keys| {
            keys.sort_unstable();
            keys
        });
        let spool = match of {
            Some(_) => Spool::in_memory(),
            None => Spool::new(&bound.system.folder.path),
        };
        let mut index = Self { spool, places: Vec::new(), doubt: None };
        let mut piece = Vec::new();
        loop {
            let entry = match rows.next() {
                Ok(Some(entry)) => entry,
                Ok(None) => break,
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    index.doubt.get_or_insert(error.to_string());
                    break;
                }
                Err(error) => return Err(error),
            };
            let (key, why) = match bound.seen(&entry) {
                Seen::Row(observed) => (observed.key, None),
                Seen::Refused(refused) => {
                    (refused.key, Some(format!("{}: {}", refused.code, refused.reason)))
                }
                Seen::Lost(why) => {
                    index.doubt.get_or_insert(why);
                    continue;
                }
            };
            let short = short(&key);
            if of.as_ref().is_some_and(|of| of.binary_search(&short).is_err()) {
                continue;
            }
            piece.clear();
            bytes(&key.0, &mut piece);
            bytes(entry.place.as_bytes(), &mut piece);
            piece.push(u8::from(why.is_some()));
            match why {
                Some(why) => piece.extend_from_slice(why.as_bytes()),
                None => entry.values.iter().for_each(|value| value.encode(&mut piece)),
            }
            index.places.push((short, index.spool.put(&piece)?));
        }
        index.places.sort_unstable();
        Ok(index)
    }

    /// What it says of a row; `None`: it is not there.
    fn of(&self, bound: &Bound, key: &RowKey) -> io::Result<Option<ReadResult>> {
        let short = short(key);
        let from = self.places.partition_point(|(known, _)| *known < short);
        let alike = self.places.iter().skip(from).take_while(|(known, _)| *known == short);
        let mut result = None;
        for (_, at) in alike {
            let lost = || io::Error::from(io::ErrorKind::InvalidData);
            let piece = self.spool.get(*at)?;
            let mut input = piece.as_slice();
            if read_bytes(&mut input).ok_or_else(lost)? != &*key.0 {
                continue;
            }
            let place = read_bytes(&mut input).ok_or_else(lost)?;
            let place = String::from_utf8_lossy(place).into_owned();
            result = Some(if result.is_some() {
                failed_as(&duplicate(key.clone(), &place))
            } else {
                shown(bound, &place, input).ok_or_else(lost)?
            });
        }
        // A row that cannot be told from others may be this one.
        let doubt = || self.doubt.as_deref().map(|why| ReadResult::Failed(Text::new(why)));
        Ok(result.or_else(doubt))
    }
}

/// What is said of a row.
fn shown(bound: &Bound, place: &str, input: &[u8]) -> Option<ReadResult> {
    let (is_refused, mut rest) = input.split_first()?;
    if *is_refused == 1 {
        return Some(ReadResult::Failed(Text::new(std::str::from_utf8(rest).ok()?)));
    }
    let mut values = Vec::new();
    while !rest.is_empty() {
        values.push(Value::decode(&mut rest)?);
    }
    Some(match bound.shape.observe(&values) {
        Ok(observed) => ReadResult::Found(Box::new(observed)),
        Err(mut refused) => {
            refused.reason = Text::from(format!("{place}: {}", refused.reason));
            failed_as(&refused)
        }
    })
}

fn failed_as(refused: &RefusedRow) -> ReadResult {
    ReadResult::Failed(Text::from(format!("{}: {}", refused.code, refused.reason)))
}
