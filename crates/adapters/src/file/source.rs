//! Reads a file system: a file whole, with a proof, or some of its rows by key.
//!
//! A file is gone through twice: first to see whether it is whole and which keys stand in it more than
//! once, then for its rows. Both times it is the same open file; that the one in its place is still
//! this one is looked at in the end.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use syncline_core::{
    Text,
    change::{Position, ReadResult, RowKey},
    error::{ErrorKind, PortError},
    name::BindingIndex,
    plan::Plan,
};
use syncline_ports::source::{Batch, KeyAnswer, KeyRead, Limit, ReadRequest, Source, Then};

use crate::{
    file::{
        System, blocking,
        bound::{Bound, Seen, short},
        by_key::{Known, by_key, duplicate},
        delta::{self, Pass},
        failed,
        place::{self, Found, Look},
        rows::Rows,
    },
    settings::folder::Holds,
};

/// The bindings of one system, each worked out when it is first used.
#[derive(Debug)]
pub(super) struct Bindings {
    system: Arc<System>,
    plan: Arc<Plan>,
    known: BTreeMap<BindingIndex, Arc<Bound>>,
}

impl Bindings {
    pub(super) fn new(system: Arc<System>, plan: Arc<Plan>) -> Self {
        Self { system, plan, known: BTreeMap::new() }
    }

    pub(super) fn get(&mut self, binding: BindingIndex) -> Result<Arc<Bound>, PortError> {
        if let Some(known) = self.known.get(&binding) {
            return Ok(Arc::clone(known));
        }
        let bound = Arc::new(Bound::new(&self.plan, &self.system, binding)?);
        self.known.insert(binding, Arc::clone(&bound));
        Ok(bound)
    }
}

/// Reads a file system.
pub(super) struct FileSource {
    bindings: Bindings,
    listing: Option<Listing>,
    /// Of files that hold changes: the reading that is under way, by binding.
    passes: BTreeMap<BindingIndex, Pass>,
    /// Of files that were read by key: what is known of each.
    known: BTreeMap<BindingIndex, Known>,
    begun: u64,
}

/// A scan under way.
struct Listing {
    bound: Arc<Bound>,
    binding: BindingIndex,
    /// What a scan's position must be to go on with it.
    number: u64,
    batches: u64,
    found: Found,
    rows: Rows,
    examined: Examined,
    given: u64,
}

/// What the first time through a file has shown.
#[derive(Debug, Default)]
struct Examined {
    /// Digests of keys that stand in it more than once, in order.
    twice: Vec<u64>,
    /// Rows whose keys can be told.
    rows: u64,
    /// Why nothing follows from what it does not show.
    doubt: Option<String>,
    /// How many lines more are no rows.
    more: u64,
}

/// What begins a scan.
enum Begun {
    Listing(Box<(Found, Rows, Examined)>),
    /// There is nothing to be listed: how the scan ends at once.
    Over(Then),
}

impl FileSource {
    pub(super) fn new(system: Arc<System>, plan: Arc<Plan>) -> Self {
        Self {
            bindings: Bindings::new(system, plan),
            listing: None,
            passes: BTreeMap::new(),
            known: BTreeMap::new(),
            begun: 0,
        }
    }

    async fn scan(
        &mut self,
        binding: BindingIndex,
        after: Option<&Position>,
        limit: Limit,
    ) -> Result<Batch, PortError> {
        if after.is_none() {
            self.begun += 1;
            let bound = self.bindings.get(binding)?;
            if bound.system.folder.holds == Holds::Changes {
                return Ok(delta::no_scan());
            }
            let (action, work) = (bound.action("read"), Arc::clone(&bound));
            self.listing = match blocking(&action, move || begin(&work)).await? {
                Begun::Over(then) => return Ok(Batch { then, ..Batch::default() }),
                Begun::Listing(parts) => {
                    let (found, rows, examined) = *parts;
                    let number = self.begun;
                    Some(Listing {
                        bound,
                        binding,
                        number,
                        batches: 0,
                        found,
                        rows,
                        examined,
                        given: 0,
                    })
                }
            };
        }
        let listing = self.listing.take().filter(|listing| {
            let begins = listing.batches == 0 && after.is_none();
            listing.binding == binding && (begins || after == Some(&listing.position()))
        });
        let Some(mut listing) = listing else {
            let reason = "the scan was given up meanwhile".into();
            return Ok(Batch { then: Then::ScanIncomplete { reason }, ..Batch::default() });
        };
        let action = listing.bound.action("read");
        let (listing, mut batch) = blocking(&action, move || {
            let batch = listing.batch(limit)?;
            Ok((listing, batch))
        })
        .await?;
        batch.about = (after.is_none()).then_some(listing.examined.rows);
        if batch.then == Then::More {
            batch.upto = Some(listing.position());
            self.listing = Some(listing);
        }
        Ok(batch)
    }

    async fn poll(
        &mut self,
        binding: BindingIndex,
        from: Option<&Position>,
        limit: Limit,
    ) -> Result<Batch, PortError> {
        let bound = self.bindings.get(binding)?;
        if bound.system.folder.holds == Holds::All {
            return Err(delta::no_poll());
        }
        let action = bound.action("read");
        let known = self.passes.remove(&binding).filter(|pass| pass.goes_on(from));
        let mut pass = known.unwrap_or_else(|| Pass::new(bound, from));
        let (pass, batch) = blocking(&action, move || {
            let batch = pass.batch(limit)?;
            Ok((pass, batch))
        })
        .await?;
        if batch.then == Then::More {
            self.passes.insert(binding, pass);
        }
        Ok(batch)
    }

    async fn keys(&mut self, binding: BindingIndex, keys: &[KeyRead]) -> Result<Batch, PortError> {
        let bound = self.bindings.get(binding)?;
        let wanted: Vec<RowKey> = keys.iter().map(|read| read.key.clone()).collect();
        let action = bound.action("read some of");
        let known = self.known.remove(&binding);
        let (mut results, known) = blocking(&action, move || match bound.system.folder.holds {
            Holds::All => by_key(&bound, &wanted, known),
            Holds::Changes => Ok((delta::by_key(&bound, &wanted)?, None)),
        })
        .await?;
        self.known.extend(known.map(|known| (binding, known)));
        let answer = |read: &KeyRead| KeyAnswer {
            key: read.key.clone(),
            operation: read.operation,
            result: results.remove(&read.key).unwrap_or(ReadResult::Absent),
            marks: Vec::new(),
        };
        let answers = keys.iter().map(answer).collect();
        Ok(Batch { answers, then: Then::Idle, ..Batch::default() })
    }
}

/// Looks whether a file is there and whole, and goes through it for the first time.
fn begin(bound: &Bound) -> Result<Begun, PortError> {
    let over = |reason: String| {
        let reason = Text::from(reason);
        Ok(Begun::Over(Then::ScanIncomplete { reason }))
    };
    let folder = &bound.system.folder;
    let found = match place::look(&bound.system, &bound.file)? {
        Look::Found(found) => found,
        Look::Missing if folder.writes => return Ok(Begun::Over(Then::ScanComplete { rows: 0 })),
        Look::Missing => {
            return over(format!("there is no file {}", folder.name.shown(&bound.file)));
        }
        Look::NotNow(why) => return over(why),
    };
    let (names, action) = (bound.names(), bound.action("read"));
    let open = || Rows::open(folder, &found, &names, &bound.kinds, &action);
    let mut first = match open()? {
        Ok(rows) => rows,
        Err(why) => return over(why),
    };
    let mut examined = Examined::default();
    let mut keys = Vec::new();
    loop {
        let entry = match first.next() {
            Ok(Some(entry)) => entry,
            Ok(None) => break,
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                examined.doubt.get_or_insert_with(|| format!("{}: {error}", found.name));
                break;
            }
            Err(error) => return Err(failed(&action, &error)),
        };
        match bound.seen(&entry) {
            Seen::Row(observed) => keys.push(short(&observed.key)),
            Seen::Refused(refused) => keys.push(short(&refused.key)),
            Seen::Lost(_) if examined.doubt.is_some() => examined.more += 1,
            Seen::Lost(why) => examined.doubt = Some(why),
        }
    }
    examined.rows = keys.len() as u64;
    keys.sort_unstable();
    examined.twice = keys
        .windows(2)
        .filter_map(|two| match two {
            [one, other] if one == other => Some(*one),
            _ => None,
        })
        .collect();
    match open()? {
        Ok(rows) => Ok(Begun::Listing(Box::new((found, rows, examined)))),
        Err(why) => over(why),
    }
}

impl Listing {
    fn position(&self) -> Position {
        let mut out = self.number.to_be_bytes().to_vec();
        out.extend(self.batches.to_be_bytes());
        Position(out)
    }

    /// The next rows.
    fn batch(&mut self, limit: Limit) -> Result<Batch, PortError> {
        let action = self.bound.action("read");
        let (mut batch, mut bytes) = (Batch::default(), 0);
        self.batches += 1;
        while batch.rows.len() + batch.refused.len() < limit.rows.max(1) && bytes <= limit.bytes {
            let entry = match self.rows.next() {
                Ok(Some(entry)) => entry,
                Ok(None) => {
                    batch.then = self.ends();
                    return Ok(batch);
                }
                Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                    batch.then = self.ends();
                    return Ok(batch);
                }
                Err(error) => return Err(failed(&action, &error)),
            };
            bytes += entry.raw.bytes().len();
            match once(self.bound.seen(&entry), &entry.place, &self.examined.twice) {
                Seen::Row(observed) => batch.rows.push(*observed),
                Seen::Refused(refused) => batch.refused.push(refused),
                Seen::Lost(_) => continue,
            }
            self.given += 1;
        }
        Ok(batch)
    }

    /// What all of it proves.
    fn ends(&self) -> Then {
        let is_same = self.found.is_as_it_was();
        let doubt = match &self.examined.doubt {
            Some(doubt) if self.examined.more > 0 => {
                format!("{doubt}; and {} lines more", self.examined.more)
            }
            Some(doubt) => doubt.clone(),
            None if !is_same => format!("{} was changed while it was read", self.found.name),
            None if self.given != self.examined.rows => {
                format!(
                    "{}: {} of {} rows were shown",
                    self.found.name, self.given, self.examined.rows
                )
            }
            None => return Then::ScanComplete { rows: self.given },
        };
        Then::ScanIncomplete { reason: Text::from(doubt) }
    }
}

/// A row whose key no other row has: of two with one key nobody knows which counts.
fn once(seen: Seen, place: &str, twice: &[u64]) -> Seen {
    let key = match &seen {
        Seen::Row(observed) => &observed.key,
        Seen::Refused(refused) => &refused.key,
        Seen::Lost(_) => return seen,
    };
    if twice.binary_search(&short(key)).is_err() {
        return seen;
    }
    Seen::Refused(duplicate(key.clone(), place))
}

#[async_trait]
impl Source for FileSource {
    async fn read(&mut self, request: &ReadRequest, limit: Limit) -> Result<Batch, PortError> {
        match request {
            ReadRequest::Scan { binding, after } => {
                self.scan(*binding, after.as_ref(), limit).await
            }
            // A file is read again from its beginning: that is quick, and one file is one snapshot.
            ReadRequest::ScanFrom { binding, .. } => self.scan(*binding, None, limit).await,
            ReadRequest::Keys { binding, keys } => self.keys(*binding, keys).await,
            ReadRequest::Marks { .. } => Ok(Batch { then: Then::Idle, ..Batch::default() }),
            ReadRequest::Poll { binding, from } => self.poll(*binding, from.as_ref(), limit).await,
            ReadRequest::Children { .. } => {
                let detail = "rows of a file have no child rows";
                Err(PortError::new(ErrorKind::Unsupported, "read child rows", detail))
            }
        }
    }
}
