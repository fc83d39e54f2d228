//! Reads a REST system: lists whole or from a cursor on, items by key.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use async_trait::async_trait;
use serde_json::Value as Json;
use syncline_core::{
    Text,
    change::{Observed, Position, ReadResult, RowKey},
    error::{ErrorKind, PortError, RemedyAction},
    name::BindingIndex,
    plan::Plan,
    value::Value,
};
use syncline_ports::source::{
    Batch, HeldList, KeyAnswer, KeyRead, Limit, ReadRequest, RefusedRow, Source, Then,
};

use crate::{
    rest::{
        System, at_once,
        bound::{Bound, Unread},
        pages::Pages,
        poll::{Passing, Stand, moment, text},
    },
    sql::json,
};

/// The bindings of one system, each worked out when it is first used.
#[derive(Debug)]
pub(super) struct Bindings {
    plan: Arc<Plan>,
    known: BTreeMap<BindingIndex, Arc<Bound>>,
}

impl Bindings {
    pub(super) fn new(plan: Arc<Plan>) -> Self {
        Self { plan, known: BTreeMap::new() }
    }

    pub(super) fn get(
        &mut self,
        system: &System,
        binding: BindingIndex,
    ) -> Result<Arc<Bound>, PortError> {
        if let Some(known) = self.known.get(&binding) {
            return Ok(Arc::clone(known));
        }
        let bound = Arc::new(Bound::new(&self.plan, &system.api, &system.name, binding)?);
        self.known.insert(binding, Arc::clone(&bound));
        Ok(bound)
    }

    /// The binding of the items that hold this list; the list's own, if it is none that items hold.
    pub(super) fn holder(&self, binding: BindingIndex) -> BindingIndex {
        let holder = || {
            let found = self.plan.binding(binding).filter(|_| self.plan.is_held(binding))?;
            self.plan.binding_of(self.plan.entity(found.entity)?.parent?, found.system)
        };
        holder().unwrap_or(binding)
    }
}

/// Reads a REST system.
pub(super) struct RestSource {
    system: Arc<System>,
    bindings: Bindings,
    listing: Option<Listing>,
    begun: u64,
}

/// A list under way: a scan, or a pass of a poll.
struct Listing {
    bound: Arc<Bound>,
    binding: BindingIndex,
    /// Of the items only the lines of this list are asked for.
    list: Option<Arc<Bound>>,
    /// What a scan's position must be to go on with it.
    number: u64,
    batches: u64,
    /// Of a poll: where it stood.
    stand: Option<Stand>,
    passing: Passing,
    pages: Pages,
    /// Items of the last page that were not given out yet, and about how large each is.
    waiting: VecDeque<Json>,
    item_bytes: usize,
    /// How many items were given out.
    rows: u64,
    /// Lines that were given out instead of their items, and items that said nothing of them.
    lines: u64,
    silent: u64,
    /// Items that were listed and are gone.
    gone: u64,
}

impl RestSource {
    pub(super) fn new(system: Arc<System>, plan: Arc<Plan>) -> Self {
        Self { system, bindings: Bindings::new(plan), listing: None, begun: 0 }
    }

    fn begin(&mut self, binding: BindingIndex, stand: Option<Stand>) -> Result<(), PortError> {
        self.begun += 1;
        let holder = self.bindings.holder(binding);
        let bound = self.bindings.get(&self.system, holder)?;
        let list = (holder != binding).then(|| self.bindings.get(&self.system, binding));
        let list = list.transpose()?;
        let low = stand.as_ref().and_then(|stand| stand.low.as_ref());
        let since = match (&bound.resource.cursor, low) {
            (Some(cursor), Some(low)) => {
                cursor.since.fill(|name| (name == "cursor").then(|| text(low)))
            }
            (Some(_) | None, _) => None,
        };
        let pages = Pages::new(
            &self.system.client,
            &bound.resource,
            bound.action("list"),
            since.as_deref(),
        )?;
        self.listing = Some(Listing {
            bound,
            binding,
            list,
            number: self.begun,
            batches: 0,
            stand,
            passing: Passing::default(),
            pages,
            waiting: VecDeque::new(),
            item_bytes: 0,
            rows: 0,
            lines: 0,
            silent: 0,
            gone: 0,
        });
        Ok(())
    }

    async fn scan(
        &mut self,
        binding: BindingIndex,
        after: Option<&Position>,
        from: Option<&Position>,
        limit: Limit,
    ) -> Result<Batch, PortError> {
        if after.is_none() {
            self.begin(binding, None)?;
            if let (Some(from), Some(listing)) = (from, &mut self.listing) {
                let place = from.0.get(16..).and_then(|place| std::str::from_utf8(place).ok());
                listing.pages.go_on_at(place.unwrap_or_default());
            }
        }
        let listing = self.listing.take().filter(|listing| listing.is_at(binding, after));
        let Some(mut listing) = listing else {
            let reason = "the scan was given up meanwhile".into();
            return Ok(Batch { then: Then::ScanIncomplete { reason }, ..Batch::default() });
        };
        let mut batch = listing.batch(&self.system, limit).await?;
        listing.batches += 1;
        if batch.then == Then::More {
            batch.upto = Some(listing.position());
            self.listing = Some(listing);
        } else {
            let proof = listing.pages.proof();
            batch.then = match proof {
                Ok(_) if listing.silent > 0 => Then::ScanIncomplete {
                    reason: Text::new(format!("{} items do not show their lines", listing.silent)),
                },
                Ok(items) if items == listing.rows + listing.gone => {
                    let is_of_list = listing.list.is_some();
                    Then::ScanComplete {
                        rows: if is_of_list { listing.lines } else { listing.rows },
                    }
                }
                Ok(items) => Then::ScanIncomplete {
                    reason: Text::new(format!("{} of {items} items were shown", listing.rows)),
                },
                Err(doubt) => Then::ScanIncomplete { reason: doubt.into() },
            };
            batch.upto = listing.bound.resource.cursor.as_ref().map(|cursor| {
                std::mem::take(&mut listing.passing)
                    .ends(&Stand::default(), cursor.overlap)
                    .position()
            });
        }
        Ok(batch)
    }

    async fn poll(
        &mut self,
        binding: BindingIndex,
        from: Option<&Position>,
        limit: Limit,
    ) -> Result<Batch, PortError> {
        let goes_on = self.listing.as_ref().is_some_and(|listing| {
            let stored = listing.stand.as_ref().map(Stand::position);
            listing.binding == binding && stored.is_some() && stored.as_ref() == from
        });
        if !goes_on {
            self.begin(binding, Some(Stand::read(from)?))?;
        }
        let Some(mut listing) = self.listing.take() else { return Ok(Batch::default()) };
        let Some(cursor) = listing.bound.resource.cursor.clone() else {
            let detail = "the resource has no `cursor` with `since`";
            return Err(PortError::new(ErrorKind::Unsupported, "poll", detail));
        };
        let before = listing.stand.clone().unwrap_or_default();
        let mut batch = listing.batch(&self.system, limit).await?;
        if batch.then == Then::More {
            // A pass that is cut begins again: what it showed comes again.
            batch.upto = Some(before.position());
            listing.stand = Some(before);
            self.listing = Some(listing);
        } else {
            let position = listing.passing.ends(&before, cursor.overlap).position();
            let says_nothing = batch.rows.is_empty() && batch.refused.is_empty();
            batch.upto = (!says_nothing || from != Some(&position)).then_some(position);
        }
        Ok(batch)
    }

    /// Items that nobody says anything of are left out of the answers, as long as the system says
    /// anything at all.
    async fn keys(&mut self, binding: BindingIndex, keys: &[KeyRead]) -> Result<Batch, PortError> {
        let holder = self.bindings.holder(binding);
        let bound = self.bindings.get(&self.system, holder)?;
        let list = (holder != binding).then(|| self.bindings.get(&self.system, binding));
        let list = list.transpose()?;
        let (mut answers, mut lists) = (Vec::with_capacity(keys.len()), Vec::new());
        let mut is_probed = false;
        // One item answers for all of its lines.
        let mut asked: Vec<(RowKey, Vec<&KeyRead>)> = Vec::new();
        for read in keys {
            let item = list.as_ref().map_or_else(|| read.key.clone(), |it| it.holder_of(&read.key));
            match asked.last_mut().filter(|(last, _)| list.is_some() && *last == item) {
                Some((_, lines)) => lines.push(read),
                None => asked.push((item, vec![read])),
            }
        }
        for some in asked.chunks(self.system.api.concurrency.max(1)) {
            let reads = some
                .iter()
                .map(|(item, reads)| by_key(&self.system, &bound, list.as_deref(), item, reads))
                .collect();
            let mut silence = None;
            let mut is_answered = false;
            for read in at_once(reads, some.len()).await {
                match read? {
                    Read::Answered(answered, held) => {
                        is_answered = true;
                        answers.extend(answered);
                        lists.extend(held);
                    }
                    Read::Unanswered(error) => silence = Some(error),
                }
            }
            let Some(error) = silence else { continue };
            tracing::warn!(error = %error, "an item was not read: it is asked for again");
            if is_answered || is_probed {
                continue;
            }
            // Are these items broken, or is the system away? Then it need not be asked for the rest.
            is_probed = true;
            let (client, resource) = (&self.system.client, &bound.resource);
            let mut list = Pages::new(client, resource, bound.action("list"), None)?;
            if list.read(client, resource).await.is_err() {
                if answers.is_empty() {
                    return Err(error);
                }
                break;
            }
        }
        Ok(Batch { answers, lists, then: Then::Idle, ..Batch::default() })
    }
}

impl Listing {
    fn is_at(&self, binding: BindingIndex, after: Option<&Position>) -> bool {
        let begins = self.batches == 0 && after.is_none();
        self.binding == binding
            && self.stand.is_none()
            && (begins || after == Some(&self.position()))
    }

    fn position(&self) -> Position {
        let mut out = self.number.to_be_bytes().to_vec();
        out.extend(self.batches.to_be_bytes());
        // Another process goes on at this page.
        let place = self.pages.place(self.waiting.is_empty());
        out.extend(place.map_or("", |url| url.as_str()).bytes());
        Position(out)
    }

    /// The next rows. [`Then::Idle`]: there are no more.
    async fn batch(&mut self, system: &System, limit: Limit) -> Result<Batch, PortError> {
        let mut batch = Batch::default();
        let is_first = self.batches == 0 && self.rows == 0;
        if self.waiting.is_empty() {
            match self.pages.read(&system.client, &self.bound.resource).await? {
                None => {
                    batch.then = Then::Idle;
                    return Ok(batch);
                }
                Some(page) => {
                    self.passing.begins(page.at);
                    self.item_bytes = page.bytes / page.items.len().max(1);
                    self.waiting = page.items.into();
                }
            }
        }
        batch.about = self.pages.total().filter(|_| is_first);
        let fitting = (limit.bytes / self.item_bytes.max(1)).clamp(1, limit.rows.max(1));
        let count = fitting.min(self.waiting.len());
        let items: Vec<Json> = self.waiting.drain(..count).collect();
        let bound = &self.bound;
        let seen = items.iter().map(|item| seen(system, bound, item)).collect();
        let seen = at_once(seen, system.api.concurrency).await;
        for (seen, item) in seen.into_iter().zip(&items) {
            match seen? {
                None => self.gone += 1,
                Some(Err(refused)) => {
                    self.rows += 1;
                    if self.list.is_some() {
                        self.silent += 1;
                    } else {
                        batch.refused.push(refused);
                    }
                }
                Some(Ok((observed, lists))) => {
                    self.rows += 1;
                    let lines = lists.iter().flat_map(|list| &list.rows);
                    let digest = self.passing.shows(&self.cursor(item), &observed, lines);
                    let known = self.stand.as_ref().is_some_and(|stand| stand.knows(digest));
                    if !known {
                        self.give(*observed, lists, &mut batch);
                    }
                }
            }
        }
        Ok(batch)
    }

    /// The item with its lists, or the lines of the one list that is asked for.
    fn give(&mut self, observed: Observed, lists: Vec<HeldList>, batch: &mut Batch) {
        let Some(wanted) = &self.list else {
            batch.rows.push(observed);
            batch.lists.extend(lists);
            return;
        };
        match lists.into_iter().find(|list| list.binding == wanted.shape.binding) {
            Some(list) => {
                self.lines += (list.rows.len() + list.refused.len()) as u64;
                batch.rows.extend(list.rows);
                batch.refused.extend(list.refused);
            }
            // An item that is marked as deleted has no lines.
            None if observed.row.is_none() => {}
            None => self.silent += 1,
        }
    }

    fn cursor(&self, item: &Json) -> Value {
        let at = self.bound.resource.cursor.as_ref().map(|cursor| &cursor.at);
        let found = at.and_then(|at| at.at(item).ok().flatten());
        found
            .and_then(|found| json::from_json(found.clone()).ok())
            .map_or(Value::Null, |it| moment(&it))
    }
}

/// What became of one read by key.
enum Read {
    Answered(Vec<KeyAnswer>, Vec<HeldList>),
    /// Nothing is known.
    Unanswered(PortError),
}

/// Reads one item by its key, for itself or for some lines of a list that it holds.
///
/// # Errors
/// What would keep all others from being read as well.
async fn by_key(
    system: &System,
    bound: &Bound,
    list: Option<&Bound>,
    item: &RowKey,
    reads: &[&KeyRead],
) -> Result<Read, PortError> {
    let mut held = Vec::new();
    let result = match bound.look(&system.client, item).await {
        Ok(None) => ReadResult::Absent,
        Ok(Some(item)) => match item.observe(bound) {
            Ok(observed) if observed.row.is_none() => ReadResult::Absent,
            Ok(observed) => {
                held = bound.all_held(&item.json, &observed.key);
                ReadResult::Found(Box::new(observed))
            }
            Err(refused) => {
                let why = format!("{}: {}", refused.code, refused.reason);
                ReadResult::Failed(why.into())
            }
        },
        Err(Unread::Unanswered(error) | Unread::Refused(error))
            if error.kind.remedy().action == RemedyAction::Halt =>
        {
            // Nobody may ask, or the configuration is wrong.
            return Err(error);
        }
        Err(Unread::Unanswered(error)) => return Ok(Read::Unanswered(error)),
        Err(Unread::Refused(error)) => ReadResult::Failed(Text::new(error.to_string())),
    };
    let answer = |read: &KeyRead, result| {
        let (key, operation) = (read.key.clone(), read.operation);
        KeyAnswer { key, operation, result, marks: Vec::new() }
    };
    let Some(list) = list else {
        let answers = reads.iter().map(|read| answer(read, result.clone())).collect();
        return Ok(Read::Answered(answers, held));
    };
    let own = held.into_iter().find(|held| held.binding == list.shape.binding);
    let answers = reads.iter().map(|read| answer(read, line(&result, own.as_ref(), &read.key)));
    Ok(Read::Answered(answers.collect(), Vec::new()))
}

/// What an item says of one line.
fn line(item: &ReadResult, list: Option<&HeldList>, key: &RowKey) -> ReadResult {
    if !matches!(item, ReadResult::Found(_)) {
        return item.clone();
    }
    let Some(list) = list else {
        return ReadResult::Failed("read.json: the item says nothing of its lines".into());
    };
    if let Some(refused) = list.refused.iter().find(|refused| refused.key == *key) {
        return ReadResult::Failed(format!("{}: {}", refused.code, refused.reason).into());
    }
    let found = list.rows.iter().find(|row| row.key == *key);
    found.map_or(ReadResult::Absent, |row| ReadResult::Found(Box::new(row.clone())))
}

/// An item with its lists.
type Seen = Result<(Box<Observed>, Vec<HeldList>), RefusedRow>;

/// An item of a list as a row; where the list tells less than the item itself, that is asked.
/// `None`: it is gone meanwhile.
async fn seen(system: &System, bound: &Bound, item: &Json) -> Result<Option<Seen>, PortError> {
    let with_lists = |observed: Observed, item: &Json| {
        let is_there = observed.row.is_some();
        let lists = if is_there { bound.all_held(item, &observed.key) } else { Vec::new() };
        (Box::new(observed), lists)
    };
    let observed = bound.observe(item);
    match observed {
        Ok(observed) if !bound.shows_all(item) => {
            let whole = bound.fetch(&system.client, &observed.key).await?;
            Ok(whole.map(|whole| {
                whole.observe(bound).map(|observed| with_lists(observed, &whole.json))
            }))
        }
        other => Ok(Some(other.map(|observed| with_lists(observed, item)))),
    }
}

#[async_trait]
impl Source for RestSource {
    async fn read(&mut self, request: &ReadRequest, limit: Limit) -> Result<Batch, PortError> {
        match request {
            ReadRequest::Scan { binding, after } => {
                self.scan(*binding, after.as_ref(), None, limit).await
            }
            ReadRequest::ScanFrom { binding, from } => {
                self.scan(*binding, None, Some(from), limit).await
            }
            ReadRequest::Poll { binding, from } => self.poll(*binding, from.as_ref(), limit).await,
            ReadRequest::Keys { binding, keys } => self.keys(*binding, keys).await,
            ReadRequest::Marks { .. } => Ok(Batch { then: Then::Idle, ..Batch::default() }),
            ReadRequest::Children { .. } => {
                let detail = "the lines of single items are not asked for";
                Err(PortError::new(ErrorKind::Unsupported, "read child rows", detail))
            }
        }
    }
}
