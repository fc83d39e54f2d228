//! Takes the messages of `pgoutput` (version 1) apart, as far as it takes to say which rows changed:
//! the table, the columns of the key, the transaction.
//!
//! Everything else in a message is passed over. The values of the key are texts, as the server writes
//! them; what they are is known to `keys`.

use std::collections::{BTreeMap, BTreeSet};

use syncline_core::{
    Text,
    name::{BindingIndex, Timestamp},
};

use crate::postgres::{
    listen::{
        message::EPOCH_MICROS,
        position::{Lsn, Marks},
    },
    own::PREFIX,
    value::{Refusal, Wire as _},
};

/// Who wants to hear of a table, and the columns of the key there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) binding: BindingIndex,
    pub(super) key: Vec<Text>,
}

/// The texts of the columns of a key, in the key's order.
pub(super) type RawKey = Vec<Box<[u8]>>;

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A transaction begins, which was committed then.
    Begin { transaction: u32, at: Timestamp },
    /// A row changed in it.
    Row { binding: BindingIndex, key: RawKey },
    /// More changed in it than can be named.
    Unnamed { binding: BindingIndex, why: Text },
    /// It says what was written in it.
    Told { content: Box<[u8]> },
    /// It is over, here.
    Commit { end: Lsn },
    /// Nothing more comes from before here.
    Passed { upto: Lsn },
    /// The tables that were to be read whole were named: from here on they are these.
    Named { marks: Marks },
}

/// A table, as the stream described it last.
#[derive(Debug)]
struct Relation {
    columns: Vec<Described>,
    bindings: Vec<Located>,
}

/// A column, as the stream describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Described {
    name: Vec<u8>,
    /// Part of what old rows are told by.
    is_identity: bool,
    kind: i32,
    modifier: i32,
}

/// A binding, and where in the rows its key is.
#[derive(Debug)]
struct Located {
    binding: BindingIndex,
    key: Result<Vec<usize>, Text>,
}

/// A value of a row.
#[derive(Clone, Copy)]
enum Cell<'a> {
    Null,
    /// Large, stored apart, and not written again.
    Unchanged,
    Text(&'a [u8]),
}

/// Knows the tables, and where in the stream we are.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    wanted: BTreeMap<u32, Vec<Wanted>>,
    relations: BTreeMap<u32, Relation>,
    is_within: bool,
    /// Bindings of which this transaction was said to have changed more than can be named.
    unnamed: BTreeSet<BindingIndex>,
}

impl Decoder {
    /// By the server's number of the table.
    pub(super) fn new(wanted: BTreeMap<u32, Vec<Wanted>>) -> Self {
        Self { wanted, ..Self::default() }
    }

    /// Whether a transaction has begun and is not over.
    pub(super) fn is_within(&self) -> bool {
        self.is_within
    }

    /// Takes a message apart.
    ///
    /// # Errors
    /// A message that is none.
    pub(super) fn decode(
        &mut self,
        mut message: &[u8],
        out: &mut impl FnMut(Event),
    ) -> Result<(), Refusal> {
        let wire = &mut message;
        match wire.take::<1>()? {
            [b'B'] => {
                let _end = wire.i64()?;
                let at = Timestamp(wire.i64()?.saturating_add(EPOCH_MICROS));
                self.is_within = true;
                self.unnamed.clear();
                out(Event::Begin { transaction: u32::from_be_bytes(wire.take()?), at });
            }
            [b'C'] => {
                let (_flags, _commit) = (wire.take::<1>()?, wire.i64()?);
                self.is_within = false;
                out(Event::Commit { end: Lsn(u64::from_be_bytes(wire.take()?)) });
            }
            [b'R'] => self.describe(wire, out)?,
            [b'I'] => {
                let table = u32::from_be_bytes(wire.take()?);
                tag(wire, b"N")?;
                let new = cells(wire)?;
                self.rows(table, &[&new], out)?;
            }
            [b'U'] => {
                let table = u32::from_be_bytes(wire.take()?);
                let old = if tag(wire, b"KON")? == b'N' {
                    None
                } else {
                    let old = cells(wire)?;
                    tag(wire, b"N")?;
                    Some(old)
                };
                let mut new = cells(wire)?;
                match old {
                    None => self.rows(table, &[&new], out)?,
                    Some(old) => {
                        for (new, old) in new.iter_mut().zip(&old) {
                            if matches!(new, Cell::Unchanged) {
                                *new = *old;
                            }
                        }
                        self.rows(table, &[&old, &new], out)?;
                    }
                }
            }
            [b'D'] => {
                let table = u32::from_be_bytes(wire.take()?);
                tag(wire, b"KO")?;
                let old = cells(wire)?;
                self.rows(table, &[&old], out)?;
            }
            [b'T'] => {
                let (count, _options) = (wire.i32()?, wire.take::<1>()?);
                for _ in 0..count {
                    let table = u32::from_be_bytes(wire.take()?);
                    for wanted in self.wanted.get(&table).into_iter().flatten() {
                        if self.unnamed.insert(wanted.binding) {
                            let why = Text::new("truncated");
                            out(Event::Unnamed { binding: wanted.binding, why });
                        }
                    }
                }
            }
            [b'M'] => {
                let (flags, _place) = (wire.take::<1>()?, wire.i64()?);
                let is_ours = text(wire)? == PREFIX.as_bytes();
                let length = usize::try_from(wire.i32()?).map_err(|_| Refusal::wire())?;
                let content = wire.get(..length).ok_or_else(Refusal::wire)?;
                if is_ours && flags == [1] && self.is_within {
                    out(Event::Told { content: content.into() });
                }
            }
            // The origin of a transaction, types: nothing about rows.
            [b'O' | b'Y'] => {}
            _ => return Err(Refusal::wire()),
        }
        Ok(())
    }

    /// The stream describes a table, before the first change of it and whenever it has changed.
    fn describe(&mut self, wire: &mut &[u8], out: &mut impl FnMut(Event)) -> Result<(), Refusal> {
        let table = u32::from_be_bytes(wire.take()?);
        let (_schema, _name) = (text(wire)?, text(wire)?);
        let _identity = wire.take::<1>()?;
        let mut columns = Vec::new();
        for _ in 0..wire.u16()? {
            columns.push(Described {
                is_identity: wire.take::<1>()? != [0],
                name: text(wire)?.to_vec(),
                kind: wire.i32()?,
                modifier: wire.i32()?,
            });
        }
        let bindings: Vec<Located> = self
            .wanted
            .get(&table)
            .into_iter()
            .flatten()
            .map(|wanted| Located { binding: wanted.binding, key: locate(wanted, &columns) })
            .collect();
        let is_changed = self.relations.get(&table).is_some_and(|before| before.columns != columns);
        if is_changed {
            for located in &bindings {
                if self.unnamed.insert(located.binding) {
                    let why = Text::new("its columns changed");
                    out(Event::Unnamed { binding: located.binding, why });
                }
            }
        }
        self.relations.insert(table, Relation { columns, bindings });
        Ok(())
    }

    /// What a row was, and what it became.
    fn rows(
        &mut self,
        table: u32,
        rows: &[&Vec<Cell<'_>>],
        out: &mut impl FnMut(Event),
    ) -> Result<(), Refusal> {
        let relation = self.relations.get(&table).ok_or_else(Refusal::wire)?;
        for located in &relation.bindings {
            let mut last = None;
            for row in rows {
                let key = match &located.key {
                    Ok(places) => raw_key(places, row),
                    Err(why) => Err(why.clone()),
                };
                match key {
                    Ok(key) if last.as_ref() == Some(&key) => {}
                    Ok(key) => {
                        last = Some(key.clone());
                        out(Event::Row { binding: located.binding, key });
                    }
                    Err(why) => {
                        if self.unnamed.insert(located.binding) {
                            out(Event::Unnamed { binding: located.binding, why });
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

/// Where the key's columns are. Old rows must be told by them, or a delete names no row.
fn locate(wanted: &Wanted, columns: &[Described]) -> Result<Vec<usize>, Text> {
    let place = |name: &Text| {
        let found = columns.iter().position(|column| column.name == name.as_bytes());
        let place = found.ok_or_else(|| Text::from(format!("it has no column {name:?}")))?;
        if columns.get(place).is_some_and(|column| column.is_identity) {
            Ok(place)
        } else {
            Err(Text::from(format!("its replica identity lacks column {name:?}")))
        }
    };
    wanted.key.iter().map(place).collect()
}

fn raw_key(places: &[usize], row: &[Cell<'_>]) -> Result<RawKey, Text> {
    let value = |place: &usize| match row.get(*place) {
        Some(Cell::Text(text)) => Ok((*text).into()),
        Some(Cell::Null) => Err(Text::new("a row without a key changed")),
        Some(Cell::Unchanged) | None => Err(Text::new("a key was not logged")),
    };
    places.iter().map(value).collect()
}

fn tag(wire: &mut &[u8], allowed: &[u8]) -> Result<u8, Refusal> {
    let [tag] = wire.take()?;
    if allowed.contains(&tag) { Ok(tag) } else { Err(Refusal::wire()) }
}

fn text<'a>(wire: &mut &'a [u8]) -> Result<&'a [u8], Refusal> {
    let end = wire.iter().position(|byte| *byte == 0).ok_or_else(Refusal::wire)?;
    let (text, rest) = wire.split_at_checked(end).ok_or_else(Refusal::wire)?;
    *wire = rest.get(1..).unwrap_or_default();
    Ok(text)
}

fn cells<'a>(wire: &mut &'a [u8]) -> Result<Vec<Cell<'a>>, Refusal> {
    let mut row = Vec::new();
    for _ in 0..wire.u16()? {
        row.push(match wire.take::<1>()? {
            [b'n'] => Cell::Null,
            [b'u'] => Cell::Unchanged,
            [b't'] => {
                let length = usize::try_from(wire.i32()?).map_err(|_| Refusal::wire())?;
                let (text, rest) = wire.split_at_checked(length).ok_or_else(Refusal::wire)?;
                *wire = rest;
                Cell::Text(text)
            }
            _ => return Err(Refusal::wire()),
        });
    }
    Ok(row)
}
