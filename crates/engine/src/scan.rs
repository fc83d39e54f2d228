//! Full scans, of one binding or of several side by side.
//!
//! A scan ends with a proof or it ends incomplete; only a proved scan says anything about rows that
//! it did not show, and even then each of them is read again by its key before it counts as gone.
//!
//! Side by side, rows of one record that lie at the same place of their tables meet in one step:
//! the record is then loaded, decided and committed once, not once per system.

use syncline_core::{
    change::{Input, Order, Position, ReadResult, RowKey},
    commit::{Checkpoint, Wants},
    error::PortError,
    group::Group,
    guard::{self, Verdict},
    mutant::Mutant,
    name::{BindingIndex, OperationId},
    value::Digest,
};
use syncline_ports::source::{Limit, ReadRequest, Then};

use crate::{
    account::Account,
    capture::{
        Absences, BATCH, Captured, HeldAbsences, Mode, Reading, UNSEEN_CHUNK, ask, fetch,
        has_cursor, shown, stream_name, took,
    },
    desk::{Desk, Systems},
    lists::{self, Lists},
    pipeline::Pipeline,
    reconcile::reconcile,
};

/// One of the scans that go on side by side.
struct Scanning {
    reading: Reading,
    /// The whole scan is one snapshot: it began, for every row of it, before its first batch.
    began: OperationId,
    /// Where an earlier scan was cut: this one begins there, and shows what lies before it last.
    from: Option<Position>,
    after: Option<Position>,
    /// What the last batch came up to, until that is handed in with it.
    upto: Option<Position>,
    /// It is on record where it is.
    is_marked: bool,
    seen: Seen,
    /// Of rows that hold lists: what they showed of them, and what that came to.
    lists: Lists,
    of_lists: Vec<Reading>,
    is_over: bool,
}

/// Reads these bindings, each in another system, whole.
///
/// # Errors
/// The store's only. A system that fails ends its own scan, and only that.
pub(crate) async fn scan(
    desk: &Desk<'_>,
    systems: &mut Systems,
    bindings: &[BindingIndex],
    absences: Absences,
) -> Result<Captured, PortError> {
    let _reads = desk.reads(bindings);
    let mut account = Account::default();
    let mut scans = Vec::with_capacity(bindings.len());
    for binding in bindings {
        let from = cut_at(desk, *binding).await?;
        scans.push(Scanning {
            reading: Reading::new(*binding),
            began: desk.operation().await?,
            is_marked: from.is_some(),
            from,
            after: None,
            upto: None,
            seen: Seen::default(),
            lists: Lists::default(),
            of_lists: Vec::new(),
            is_over: false,
        });
    }
    let mut pipeline = Pipeline::new(desk);
    loop {
        let running = scans.iter().filter(|scanning| !scanning.is_over).count().max(1);
        let limit = Limit { rows: BATCH.rows / running, bytes: BATCH.bytes / running };
        let (mut inputs, mut marks) = (Vec::new(), Vec::new());
        let mut ended = Vec::new();
        for (at, scanning) in scans.iter_mut().enumerate().filter(|(_, it)| !it.is_over) {
            advance(desk, systems, limit, scanning, &mut account, &mut inputs).await?;
            // On record together with what it showed.
            if let Some(position) = scanning.upto.take() {
                marks.push(mark(desk, scanning.reading.binding, position));
                scanning.is_marked = true;
            }
            if scanning.is_over {
                ended.push(at);
            }
        }
        if !inputs.is_empty() {
            let decided = pipeline.push(inputs, marks).await?;
            took(desk, systems, decided, &mut account).await?;
        }
        if !ended.is_empty() {
            // The end of a scan looks at all that it has shown.
            took(desk, systems, pipeline.finish().await?, &mut account).await?;
        }
        for at in ended {
            if let Some(scanning) = scans.get_mut(at) {
                end(desk, systems, absences, scanning, &mut account).await?;
            }
        }
        if scans.iter().all(|scanning| scanning.is_over) {
            let readings = scans
                .into_iter()
                .flat_map(|scanning| std::iter::once(scanning.reading).chain(scanning.of_lists))
                .collect();
            return Ok(Captured { account, readings });
        }
    }
}

/// Reads the next batch of one scan, and sees whether it was the last.
async fn advance(
    desk: &Desk<'_>,
    systems: &mut Systems,
    limit: Limit,
    scanning: &mut Scanning,
    account: &mut Account,
    inputs: &mut Vec<Input>,
) -> Result<(), PortError> {
    let binding = scanning.reading.binding;
    let request = match scanning.from.take() {
        Some(from) => ReadRequest::ScanFrom { binding, from },
        None => ReadRequest::Scan { binding, after: scanning.after.clone() },
    };
    let mut batch = match fetch(desk, systems, binding, &request, limit).await {
        Ok(batch) => batch,
        Err(failure) => {
            scanning.reading.failure = Some(failure);
            scanning.is_over = true;
            desk.watch.scan_ends(binding);
            return Ok(());
        }
    };
    if scanning.after.is_none() {
        desk.watch.scan_begins(binding, batch.about);
    }
    desk.read_whole(binding, batch.rows.len() + batch.refused.len()).await;
    for key in batch.rows.iter().map(|row| &row.key).chain(batch.refused.iter().map(|row| &row.key))
    {
        scanning.seen.add(key);
    }
    scanning.after.clone_from(&batch.upto);
    let then = batch.then.clone();
    if matches!(then, Then::More | Then::Idle) {
        scanning.upto.clone_from(&batch.upto);
    }
    let reading = &mut scanning.reading;
    let began = scanning.began;
    let polled = |row| Input::Polled { row, began };
    let held = std::mem::take(&mut batch.lists);
    reading.rows += shown(desk, binding, batch, account, inputs, polled);
    scanning.lists.take(desk, held, account, inputs, polled).await?;
    reading.incomplete = match then {
        Then::More | Then::Idle if desk.is_stopping() => Some("stopped".into()),
        Then::More | Then::Idle => return Ok(()),
        Then::ScanComplete { rows } if rows == scanning.seen.count() => None,
        Then::ScanComplete { rows } => {
            Some(format!("{} of {rows} rows were shown", scanning.seen.count()))
        }
        Then::ScanIncomplete { reason } => Some(reason.to_string()),
    };
    let believed = desk.plan.is_mutant(Mutant::AbsenceUnproved);
    reading.complete = reading.incomplete.is_none() || believed;
    scanning.is_over = true;
    desk.watch.scan_ends(binding);
    Ok(())
}

/// Concludes from absences if the scan was complete, and says that it is over.
async fn end(
    desk: &Desk<'_>,
    systems: &mut Systems,
    absences: Absences,
    scanning: &mut Scanning,
    account: &mut Account,
) -> Result<(), PortError> {
    let (binding, complete) = (scanning.reading.binding, scanning.reading.complete);
    if scanning.reading.failure.is_some() {
        return Ok(());
    }
    // What a row shows of its lists it shows, however far the scan came.
    let lists = std::mem::take(&mut scanning.lists);
    let (began, reading) = (scanning.began, &scanning.reading);
    let (of_lists, unseen) = lists.conclude(desk, absences, began, reading).await?;
    scanning.of_lists = of_lists;
    ask(desk, systems, unseen, account).await?;
    if complete {
        conclude(desk, systems, absences, scanning, account).await?;
    }
    // A later poll goes on from this scan's snapshot; nothing between the two can be skipped.
    let stream = stream_name(desk.plan, binding, Mode::Poll);
    let resume = scanning.after.take().filter(|_| complete && has_cursor(desk.plan, binding));
    let resume = resume.map(|position| Checkpoint { stream: stream.into(), position });
    // The next one begins at the beginning again.
    let over = (complete && scanning.is_marked).then(|| mark(desk, binding, Position::default()));
    let done = Input::ScanDone { binding, complete };
    reconcile(desk, &[done], resume.into_iter().chain(over).collect()).await?;
    Ok(())
}

/// Puts on record how far a scan is; an empty position: it is over.
fn mark(desk: &Desk<'_>, binding: BindingIndex, position: Position) -> Checkpoint {
    Checkpoint { stream: stream_name(desk.plan, binding, Mode::Scan).into(), position }
}

/// Where the last scan of this binding was cut, if it was.
async fn cut_at(desk: &Desk<'_>, binding: BindingIndex) -> Result<Option<Position>, PortError> {
    let known = desk.store.checkpoint(&stream_name(desk.plan, binding, Mode::Scan)).await?;
    Ok(known.filter(|position| !position.0.is_empty()))
}

/// Turns the linked rows that a proved scan did not show into questions, unless they are too many.
async fn conclude(
    desk: &Desk<'_>,
    systems: &mut Systems,
    absences: Absences,
    scanning: &mut Scanning,
    account: &mut Account,
) -> Result<(), PortError> {
    let (binding, began) = (scanning.reading.binding, scanning.began);
    let linked = desk.store.count_present(binding).await?;
    if linked == 0 {
        return Ok(());
    }
    let rows = scanning.seen.count();
    let unseen = unseen(desk, binding, std::mem::take(&mut scanning.seen)).await?;
    let unseen = known_before(desk, binding, unseen, began).await?;
    if unseen.is_empty() {
        return Ok(());
    }
    match judge(desk, absences, &scanning.reading, rows, linked, &unseen) {
        Judged::Held(held) => {
            scanning.reading.held = Some(held);
            return Ok(());
        }
        Judged::LetThrough => scanning.reading.let_through = unseen.len() as u64,
        Judged::Few => {}
    }
    for chunk in unseen.chunks(UNSEEN_CHUNK) {
        let missing = |key: &RowKey| {
            let (key, operation) = (key.clone(), began);
            if desk.plan.is_mutant(Mutant::AbsenceUnproved) {
                let (result, marks) = (ReadResult::Absent, Vec::new());
                return Input::ReadDone { binding, key, operation, result, marks };
            }
            Input::Unseen { binding, key, began }
        };
        // Its lines first.
        let lines = lists::of_gone(desk, binding, chunk).await?.into_iter();
        let lines = lines.map(|(binding, key)| Input::Unseen { binding, key, began });
        let inputs: Vec<Input> = lines.chain(chunk.iter().map(missing)).collect();
        let decided = reconcile(desk, &inputs, Vec::new()).await?;
        took(desk, systems, decided, account).await?;
    }
    Ok(())
}

/// What a guard says of rows that vanished.
pub(crate) enum Judged {
    /// They are few enough to be believed.
    Few,
    /// They are many, and a person has let them through.
    LetThrough,
    /// They are too many to be believed without a person.
    Held(HeldAbsences),
}

/// Asks the guards of the entity about these rows that vanished, of so many that were linked, where
/// so many others were shown. The guard looks before the first question is asked: nothing of it
/// reaches the hub.
pub(crate) fn judge(
    desk: &Desk<'_>,
    absences: Absences,
    reading: &Reading,
    rows: u64,
    linked: u64,
    unseen: &[RowKey],
) -> Judged {
    let binding = reading.binding;
    if desk.plan.binding(binding).is_some_and(|found| found.table.export) {
        return Judged::Few;
    }
    let guards = desk
        .plan
        .binding(binding)
        .and_then(|found| desk.plan.entity(found.entity))
        .map(|entity| entity.guards)
        .unwrap_or_default();
    let count = unseen.len() as u64;
    let Verdict::Trip { code, max } = guard::absences(&guards, rows, count, linked) else {
        return Judged::Few;
    };
    let digest = set_digest(unseen);
    let is_allowed = match absences {
        Absences::Guarded => false,
        Absences::Allowed => true,
        Absences::Approved(approved) => approved == digest,
    };
    if is_allowed {
        return Judged::LetThrough;
    }
    let samples = unseen.iter().take(5).cloned().collect();
    Judged::Held(HeldAbsences { code, binding, count, linked, max, digest, samples })
}

/// The rows last seen present that a scan did not show, in the order of their keys.
pub(crate) async fn unseen(
    desk: &Desk<'_>,
    binding: BindingIndex,
    mut seen: Seen,
) -> Result<Vec<RowKey>, PortError> {
    const PAGE: usize = 10_000;
    seen.sort();
    let mut missing = Vec::new();
    let mut after: Option<RowKey> = None;
    loop {
        let page = desk.store.present(binding, after.as_ref(), PAGE).await?;
        let full = page.len() == PAGE;
        after = page.last().cloned().or(after);
        missing.extend(page.into_iter().filter(|key| !seen.contains(key)));
        if !full {
            return Ok(missing);
        }
    }
}

/// Those of these rows of which nothing was seen or written since the scan began: of the others its
/// snapshot says nothing. Somebody who works beside it may have made them meanwhile.
pub(crate) async fn known_before(
    desk: &Desk<'_>,
    binding: BindingIndex,
    keys: Vec<RowKey>,
    began: OperationId,
) -> Result<Vec<RowKey>, PortError> {
    let mut before = Vec::with_capacity(keys.len());
    for chunk in keys.chunks(UNSEEN_CHUNK) {
        let wanted = chunk.iter().map(|key| (binding, key.clone())).collect();
        let known = desk.store.load(&Wants { keys: wanted, ..Wants::default() }).await?.keys;
        let record_of = |key: &RowKey| {
            known.get(&(binding, key.clone())).and_then(Option::as_ref).map(|known| known.record)
        };
        let records = chunk.iter().filter_map(record_of).collect();
        let groups = desk.store.load(&Wants { records, ..Wants::default() }).await?.groups;
        for key in chunk {
            let group = record_of(key).and_then(|record| groups.get(&record)?.as_ref());
            if group.is_none_or(|group| !is_newer(desk, group, binding, key, began)) {
                before.push(key.clone());
            }
        }
    }
    Ok(before)
}

/// Whether the row of this key was seen or written after that.
fn is_newer(
    desk: &Desk<'_>,
    group: &Group,
    binding: BindingIndex,
    key: &RowKey,
    began: OperationId,
) -> bool {
    let system = desk.plan.binding(binding).map(|found| found.system);
    let mut links = group.parts().filter_map(|(_, part)| part.link(system?));
    links.any(|link| {
        let seen_since = matches!(link.order, Some(Order::Operation(at)) if at > began.0);
        link.key.as_ref() == Some(key) && (link.touched > began || seen_since)
    })
}

fn set_digest(keys: &[RowKey]) -> Digest {
    let mut all = Vec::new();
    for key in keys {
        syncline_core::value::bytes(&key.0, &mut all);
    }
    Digest::of(&all)
}

/// The keys that a scan showed: eight bytes each, however long the keys are. Two keys that share
/// them only hide an absence until the next scan after either changes; nothing is lost.
#[derive(Default)]
pub(crate) struct Seen(Vec<u64>);

impl Seen {
    fn short(key: &RowKey) -> u64 {
        let Digest(bytes) = Digest::of(&key.0);
        bytes.iter().take(8).fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
    }

    pub(crate) fn add(&mut self, key: &RowKey) {
        self.0.push(Self::short(key));
    }

    fn count(&self) -> u64 {
        self.0.len() as u64
    }

    fn sort(&mut self) {
        self.0.sort_unstable();
    }

    fn contains(&self, key: &RowKey) -> bool {
        self.0.binary_search(&Self::short(key)).is_ok()
    }
}
