//! Writes to one file that are held back until the file is replaced, once for all of them.
//!
//! They may be more than memory holds: they wait in a spool, in portions that have no row in common, so that
//! each portion can be decided by itself. Memory holds eight bytes of each key. Nothing of this needs to
//! outlive the process: the hub has every write on record, and asks for what it has no answer to.

use std::{collections::HashMap, io, sync::Arc};

use syncline_core::{
    change::{Expected, RowKey, RowWrite, Token, WriteGroup, WriteKind},
    name::{BindingIndex, FieldIndex, IntentId, RecordId},
    value::{Value, bytes, read_bytes, read_varint, varint},
};

use crate::file::{
    bound::{Bound, Seen, short},
    change::{self, Standing},
    rows::{Entry, Rows},
    spool::Spool,
};

/// How many writes are decided at once.
const PORTION: usize = 4_096;

/// Writes to one file.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) bound: Arc<Bound>,
    spool: Spool,
    /// Where the groups of each portion are. One that was joined to an earlier one is empty.
    portions: Vec<Vec<u64>>,
    /// Which portion a portion was joined to; itself, if to none.
    joined: Vec<usize>,
    /// Which portion asks for a row.
    by_key: HashMap<u64, usize>,
    /// How many writes the last portion has.
    writes: usize,
}

impl Held {
    pub(super) fn new(bound: Arc<Bound>) -> Self {
        let spool = Spool::new(&bound.system.folder.path);
        Self {
            bound,
            spool,
            portions: Vec::new(),
            joined: Vec::new(),
            by_key: HashMap::new(),
            writes: 0,
        }
    }

    /// Holds a group back.
    ///
    /// # Errors
    /// What kept it from being put aside.
    pub(super) fn push(&mut self, group: &WriteGroup) -> io::Result<()> {
        let keys = change::wanted(&self.bound, std::slice::from_ref(group));
        let keys: Vec<u64> = keys.iter().map(short).collect();
        let known = keys.iter().filter_map(|key| self.by_key.get(key));
        let mut known: Vec<usize> = known.map(|portion| self.root(*portion)).collect();
        known.sort_unstable();
        known.dedup();
        let mut piece = Vec::new();
        encode(group, &mut piece);
        let at = self.spool.put(&piece)?;
        let portion = match known.split_first() {
            Some((first, others)) => {
                let mut one = *first;
                for other in others {
                    one = self.join(one, *other);
                }
                one
            }
            None if self.portions.is_empty() || self.writes >= PORTION => {
                self.joined.push(self.portions.len());
                self.portions.push(Vec::new());
                self.writes = 0;
                self.portions.len() - 1
            }
            None => self.root(self.portions.len() - 1),
        };
        self.writes += group.writes.len();
        if let Some(places) = self.portions.get_mut(portion) {
            places.push(at);
        }
        self.by_key.extend(keys.into_iter().map(|key| (key, portion)));
        Ok(())
    }

    fn root(&self, portion: usize) -> usize {
        let mut at = portion;
        while let Some(next) = self.joined.get(at).copied().filter(|next| *next != at) {
            at = next;
        }
        at
    }

    /// Rows of both are asked for by one group: they are decided together, in the order in which they came. The
    /// smaller one goes to the larger one, so that nothing goes often. Gives what they are by now.
    fn join(&mut self, one: usize, other: usize) -> usize {
        let size = |at: usize| self.portions.get(at).map_or(0, Vec::len);
        let (large, small) = if size(one) < size(other) { (other, one) } else { (one, other) };
        let more = self.portions.get_mut(small).map(std::mem::take).unwrap_or_default();
        if let (Some(places), Some(to)) = (self.portions.get_mut(large), self.joined.get_mut(small))
        {
            places.extend(more);
            *to = large;
        }
        large
    }

    /// How many portions there are.
    pub(super) fn portions(&self) -> usize {
        self.portions.len()
    }

    /// The groups of a portion, in the order in which they came.
    ///
    /// # Errors
    /// What kept them from being read.
    pub(super) fn portion(&self, portion: usize) -> io::Result<Vec<WriteGroup>> {
        let mut places = self.portions.get(portion).cloned().unwrap_or_default();
        // Those of portions that were joined come after each other.
        places.sort_unstable();
        let lost = || io::Error::from(io::ErrorKind::InvalidData);
        places
            .iter()
            .map(|at| decode(&mut self.spool.get(*at)?.as_slice()).ok_or_else(lost))
            .collect()
    }

    /// Which portion asks for a row.
    fn asks(&self, key: &RowKey) -> Option<usize> {
        self.by_key.get(&short(key)).map(|portion| self.root(*portion))
    }

    /// Goes through a file for the rows that are asked for.
    ///
    /// # Errors
    /// What kept it from being read.
    pub(super) fn find(&self, rows: &mut Rows) -> io::Result<Finds> {
        let mut finds = Finds {
            spool: Spool::new(&self.bound.system.folder.path),
            places: vec![Vec::new(); self.portions.len()],
            doubt: None,
        };
        let mut piece = Vec::new();
        while let Some(entry) = rows.next()? {
            let (key, why) = match self.bound.seen(&entry) {
                Seen::Row(observed) => (observed.key, None),
                Seen::Refused(refused) => {
                    (refused.key, Some(format!("{}: {}", refused.code, refused.reason)))
                }
                Seen::Lost(why) => {
                    finds.doubt.get_or_insert(why);
                    continue;
                }
            };
            let Some(places) = self.asks(&key).and_then(|portion| finds.places.get_mut(portion))
            else {
                continue;
            };
            piece.clear();
            found(&key, why.as_deref(), &entry, &mut piece);
            places.push(finds.spool.put(&piece)?);
        }
        Ok(finds)
    }
}

/// What a file has of the rows that are asked for.
#[derive(Debug)]
pub(super) struct Finds {
    spool: Spool,
    /// Where what each portion asked for is.
    places: Vec<Vec<u64>>,
    /// Why a row that was not found may be there all the same.
    pub(super) doubt: Option<String>,
}

/// A row of a file.
pub(super) struct Find {
    pub(super) key: RowKey,
    /// Where it stands.
    pub(super) place: String,
    pub(super) standing: Standing,
}

impl Finds {
    /// What a portion asked for, in the order of the file.
    pub(super) fn of<'a>(
        &'a self,
        portion: usize,
        bound: &'a Bound,
    ) -> impl Iterator<Item = io::Result<Find>> + 'a {
        let lost = || io::Error::from(io::ErrorKind::InvalidData);
        let places = self.places.get(portion).into_iter().flatten();
        places
            .map(move |at| read_found(&mut self.spool.get(*at)?.as_slice(), bound).ok_or_else(lost))
    }
}

fn found(key: &RowKey, why: Option<&str>, entry: &Entry, out: &mut Vec<u8>) {
    bytes(&key.0, out);
    bytes(entry.place.as_bytes(), out);
    match why {
        Some(why) => {
            out.push(1);
            bytes(why.as_bytes(), out);
        }
        None => {
            out.push(0);
            for value in &entry.values {
                value.encode(out);
            }
        }
    }
}

fn read_found(input: &mut &[u8], bound: &Bound) -> Option<Find> {
    let key = RowKey(read_bytes(input)?.into());
    let place = read_text(input)?;
    let (first, rest) = input.split_first()?;
    *input = rest;
    let standing = if *first == 1 {
        Standing::Unreadable(read_text(input)?)
    } else {
        let mut values = Vec::new();
        while !input.is_empty() {
            values.push(Value::decode(input)?);
        }
        let row = bound.shape.observe(&values).ok()?.row;
        Standing::There { was: Some(key.clone()), values, row }
    };
    Some(Find { key, place, standing })
}

fn read_text(input: &mut &[u8]) -> Option<String> {
    String::from_utf8(read_bytes(input)?.to_vec()).ok()
}

fn encode(group: &WriteGroup, out: &mut Vec<u8>) {
    out.push(u8::from(group.park));
    for write in &group.writes {
        out.extend_from_slice(&write.record.0.to_le_bytes());
        out.extend_from_slice(&write.intent.0.to_le_bytes());
        varint(u64::from(write.binding.0), out);
        option(write.key.as_ref().map(|key| &*key.0), out);
        option(write.parent.as_ref().map(|key| &*key.0), out);
        out.push(match write.kind {
            WriteKind::Insert => 0,
            WriteKind::Update => 1,
            WriteKind::Delete => 2,
        });
        fields(&write.set, out);
        match &write.expect {
            Expected::Absent => out.push(0),
            Expected::Fields(expected) => {
                out.push(1);
                fields(expected, out);
            }
        }
        option(write.token.as_ref().map(|token| token.0.as_slice()), out);
    }
}

fn decode(input: &mut &[u8]) -> Option<WriteGroup> {
    let park = byte(input)? == 1;
    let mut writes = Vec::new();
    while !input.is_empty() {
        writes.push(RowWrite {
            record: RecordId(wide(input)?),
            intent: IntentId(wide(input)?),
            binding: BindingIndex(u16::try_from(read_varint(input)?).ok()?),
            key: read_option(input)?.map(|key| RowKey(key.into())),
            parent: read_option(input)?.map(|key| RowKey(key.into())),
            kind: match byte(input)? {
                0 => WriteKind::Insert,
                1 => WriteKind::Update,
                _ => WriteKind::Delete,
            },
            set: read_fields(input)?,
            expect: match byte(input)? {
                0 => Expected::Absent,
                _ => Expected::Fields(read_fields(input)?),
            },
            token: read_option(input)?.map(|token| Token(token.to_vec())),
        });
    }
    Some(WriteGroup { writes, park })
}

fn byte(input: &mut &[u8]) -> Option<u8> {
    let (first, rest) = input.split_first()?;
    *input = rest;
    Some(*first)
}

fn wide(input: &mut &[u8]) -> Option<u128> {
    let (first, rest) = input.split_first_chunk()?;
    *input = rest;
    Some(u128::from_le_bytes(*first))
}

fn option(raw: Option<&[u8]>, out: &mut Vec<u8>) {
    out.push(u8::from(raw.is_some()));
    if let Some(raw) = raw {
        bytes(raw, out);
    }
}

fn read_option<'a>(input: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    Some(if byte(input)? == 1 { Some(read_bytes(input)?) } else { None })
}

fn fields(fields: &[(FieldIndex, Value)], out: &mut Vec<u8>) {
    varint(fields.len() as u64, out);
    for (field, value) in fields {
        varint(u64::from(field.0), out);
        value.encode(out);
    }
}

fn read_fields(input: &mut &[u8]) -> Option<Vec<(FieldIndex, Value)>> {
    let count = read_varint(input)?;
    (0..count)
        .map(|_| {
            let field = FieldIndex(u16::try_from(read_varint(input)?).ok()?);
            Some((field, Value::decode(input)?))
        })
        .collect()
}
