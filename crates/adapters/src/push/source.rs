//! Reads what a system has told: all of it in one snapshot, or some rows by key.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use rusqlite::{Connection, params};
use syncline_core::{
    change::{Position, ReadResult, RowKey},
    error::{ErrorKind, PortError},
    name::BindingIndex,
    plan::Plan,
};
use syncline_ports::source::{Batch, KeyAnswer, KeyRead, Limit, ReadRequest, Source, Then};

use crate::push::{
    bound::Bound,
    told::{Told, item},
};

/// Reads what a system has told.
pub(super) struct PushSource {
    told: Told,
    plan: Arc<Plan>,
    known: BTreeMap<BindingIndex, Arc<Bound>>,
    listing: Option<Listing>,
    begun: u64,
}

/// A scan under way, in a transaction of its own.
struct Listing {
    binding: BindingIndex,
    number: u64,
    connection: Connection,
    after: Vec<u8>,
    given: u64,
}

impl Listing {
    /// What a scan's position must be to go on with it.
    fn position(&self) -> Position {
        Position([self.number.to_be_bytes().as_slice(), &self.after].concat())
    }
}

impl PushSource {
    pub(super) fn new(told: Told, plan: Arc<Plan>) -> Self {
        Self { told, plan, known: BTreeMap::new(), listing: None, begun: 0 }
    }

    fn bound(&mut self, binding: BindingIndex) -> Result<Arc<Bound>, PortError> {
        if let Some(known) = self.known.get(&binding) {
            return Ok(Arc::clone(known));
        }
        let bound = Arc::new(Bound::new(&self.plan, &self.told.system, binding)?);
        self.known.insert(binding, Arc::clone(&bound));
        Ok(bound)
    }

    /// Begins a scan; `None`: nothing was ever told.
    fn begin(&mut self, binding: BindingIndex) -> Result<Option<Listing>, PortError> {
        self.begun += 1;
        let Some(connection) = self.told.look()? else { return Ok(None) };
        connection.execute_batch("begin").map_err(|error| self.told.failed(&error))?;
        let number = self.begun;
        Ok(Some(Listing { binding, number, connection, after: Vec::new(), given: 0 }))
    }

    async fn scan(
        &mut self,
        binding: BindingIndex,
        after: Option<&Position>,
        limit: Limit,
    ) -> Result<Batch, PortError> {
        let bound = self.bound(binding)?;
        let listing = if after.is_none() {
            self.listing = None;
            match self.begin(binding)? {
                Some(listing) => listing,
                None => {
                    return Ok(Batch { then: Then::ScanComplete { rows: 0 }, ..Batch::default() });
                }
            }
        } else {
            let known = self.listing.take();
            let known = known.filter(|it| it.binding == binding && after == Some(&it.position()));
            let Some(listing) = known else {
                let reason = "the scan was given up meanwhile".into();
                return Ok(Batch { then: Then::ScanIncomplete { reason }, ..Batch::default() });
            };
            listing
        };
        let told = self.told.clone();
        let (listing, batch) =
            blocking(&self.told, move || batch(&told, &bound, listing, limit)).await?;
        self.listing = listing;
        Ok(batch)
    }

    async fn keys(&mut self, binding: BindingIndex, keys: &[KeyRead]) -> Result<Batch, PortError> {
        let (bound, told) = (self.bound(binding)?, self.told.clone());
        let wanted: Vec<RowKey> = keys.iter().map(|read| read.key.clone()).collect();
        let mut results = blocking(&self.told, move || by_key(&told, &bound, wanted)).await?;
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

/// The next rows of a scan; the scan itself, if there are more.
fn batch(
    told: &Told,
    bound: &Bound,
    mut listing: Listing,
    limit: Limit,
) -> Result<(Option<Listing>, Batch), PortError> {
    let (mut batch, mut bytes, mut more) = (Batch::default(), 0, false);
    let mut read = || {
        let mut statement = listing.connection.prepare_cached(
            "select key, item from told where system = ?1 and place = ?2 and key > ?3
             and item is not null order by key",
        )?;
        let mut rows = statement.query(params![told.system, bound.place, listing.after])?;
        while let Some(row) = rows.next()? {
            if batch.rows.len() + batch.refused.len() >= limit.rows.max(1) || bytes > limit.bytes {
                more = true;
                break;
            }
            let key: Vec<u8> = row.get(0)?;
            let text = told.opened(row.get(1)?)?.unwrap_or_default();
            bytes += text.len();
            let found = RowKey(key.clone().into());
            match bound.observe(&found, &text) {
                Ok(observed) => batch.rows.push(observed),
                Err(refused) => batch.refused.push(refused),
            }
            listing.after = key;
            listing.given += 1;
        }
        Ok(())
    };
    read().map_err(|error| told.failed(&error))?;
    if more {
        batch.upto = Some(listing.position());
        return Ok((Some(listing), batch));
    }
    // All in one transaction: what was shown is what was there.
    batch.then = Then::ScanComplete { rows: listing.given };
    Ok((None, batch))
}

fn by_key(
    told: &Told,
    bound: &Bound,
    wanted: Vec<RowKey>,
) -> Result<BTreeMap<RowKey, ReadResult>, PortError> {
    let Some(connection) = told.look()? else { return Ok(BTreeMap::new()) };
    let mut results = BTreeMap::new();
    for key in wanted {
        let found = item(&connection, told, &bound.place, &key);
        let Some(text) = found.map_err(|error| told.failed(&error))? else { continue };
        let result = match bound.observe(&key, &text) {
            Ok(observed) if observed.row.is_none() => ReadResult::Absent,
            Ok(observed) => ReadResult::Found(Box::new(observed)),
            Err(refused) => {
                ReadResult::Failed(format!("{}: {}", refused.code, refused.reason).into())
            }
        };
        results.insert(key, result);
    }
    Ok(results)
}

async fn blocking<T: Send + 'static>(
    told: &Told,
    work: impl FnOnce() -> Result<T, PortError> + Send + 'static,
) -> Result<T, PortError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| {
        let action = format!("read what \"{}\" has told", told.system);
        Err(PortError::new(ErrorKind::Unexpected, action, error.to_string()))
    })
}

#[async_trait]
impl Source for PushSource {
    async fn read(&mut self, request: &ReadRequest, limit: Limit) -> Result<Batch, PortError> {
        match request {
            ReadRequest::Scan { binding, after } => {
                self.scan(*binding, after.as_ref(), limit).await
            }
            ReadRequest::ScanFrom { binding, .. } => self.scan(*binding, None, limit).await,
            ReadRequest::Keys { binding, keys } => self.keys(*binding, keys).await,
            ReadRequest::Marks { .. } => Ok(Batch { then: Then::Idle, ..Batch::default() }),
            ReadRequest::Poll { .. } => {
                let detail = "what was told has no cursor";
                Err(PortError::new(ErrorKind::Unsupported, "poll", detail))
            }
            ReadRequest::Children { .. } => {
                let detail = "rows that are told of have no child rows";
                Err(PortError::new(ErrorKind::Unsupported, "read child rows", detail))
            }
        }
    }
}
