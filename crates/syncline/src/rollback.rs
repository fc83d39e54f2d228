//! What a run did, worked out backwards from the audit, and taken back where nobody changed it since.
//!
//! The newest events are taken back first, page by page: what must be kept in mind grows with the
//! records, not with what they hold. Nothing here writes to a system; that is the next pass's work.
//!
//! Long because what is taken back, and from whom, is one match after another over the same few kinds.

mod excess;
mod net;

use std::collections::{BTreeMap, BTreeSet};

use syncline_adapters::hub::sqlite::SqliteHub;
use syncline_core::{
    Text,
    change::{Command, Input, PartKey, RolledBack, WriteKind},
    commit::AuditKind,
    group::{Group, Part},
    name::{EntityIndex, FieldIndex, RecordId, RunId, SystemIndex, Timestamp},
    plan::Entity,
    value::Value,
};
use syncline_engine::{
    desk::Desk,
    preview,
    reconcile::{reconcile, reconcile_loaded},
};
use syncline_ports::{
    reader::{Entry, HistoryFilter, Number, Reader as _},
    store::Store as _,
};

use crate::report::Failure;
use net::{Net, PartNet};

/// What is to be taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// All that a run changed.
    Run(RunId),
    /// One change.
    Change(Number),
    /// All that happened to a record after this time.
    Record(RecordId, Timestamp),
    /// All that happened to an entity's records after this time.
    Entity(EntityIndex, Timestamp),
    /// The deletes that a run has taken from a system.
    Deaths(RunId, SystemIndex),
    /// What a run has taken from a system.
    Shown(RunId, SystemIndex),
    /// All that a system is still to be written of this kind.
    Pending(EntityIndex, SystemIndex, WriteKind),
    /// What a user has changed beyond the limit, as the guard of this number holds it.
    Excess(Number, Excess),
}

/// What becomes of what a user has changed beyond the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Excess {
    /// It goes on.
    LetThrough,
    /// It is taken back, and its origin is written again.
    TakenBack,
}

/// How it is taken back.
#[derive(Clone, Debug)]
pub(crate) struct Manner {
    /// What was changed since, too.
    pub(crate) force: bool,
    /// The systems that the changes came from do not keep them.
    pub(crate) revert_source: bool,
    /// Who says so.
    pub(crate) who: Text,
}

/// Why something is left as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Left {
    /// Somebody changed it since.
    Changed,
    /// A conflict on it waits for a person.
    Disputed,
    /// The run joined rows that were there before: who gets which back, nobody can say.
    Joined,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Values, and lives of records, that are as they were.
    pub(crate) restored: u64,
    /// What is left alone, and why.
    pub(crate) left: BTreeMap<Left, u64>,
    /// Some of the records with something left alone.
    pub(crate) samples: Vec<(RecordId, Left)>,
    /// The records concerned.
    pub(crate) records: BTreeSet<RecordId>,
    /// Their entities.
    pub(crate) entities: BTreeSet<EntityIndex>,
}

/// So many events are read and taken back at once.
const PAGE: usize = 4_096;
/// So many records are named of those with something left alone.
const SAMPLES: usize = 20;

/// Takes it back in this hub.
///
/// # Errors
/// The hub's.
pub(crate) async fn take_back(
    hub: &SqliteHub,
    desk: &Desk<'_>,
    what: What,
    manner: &Manner,
) -> Result<Report, Failure> {
    let mut work = Work {
        hub,
        desk,
        what,
        manner,
        done: Restored::default(),
        joined: BTreeSet::new(),
        losers: BTreeMap::new(),
        report: Report::default(),
    };
    if let What::Pending(entity, system, kind) = what {
        work.pending(entity, system, kind).await?;
        return Ok(work.report);
    }
    if let What::Excess(guard, answer) = what {
        work.excess(guard, answer).await?;
        return Ok(work.report);
    }
    let mut filter = what.filter();
    loop {
        let page = hub.history(&filter).await?;
        let Some(last) = page.last().map(|entry| entry.number) else { break };
        let is_over = page.len() < filter.limit || matches!(what, What::Change(_));
        work.page(page).await?;
        if is_over || desk.is_stopping() {
            break;
        }
        filter.below = Some(last);
    }
    Ok(work.report)
}

impl What {
    fn filter(self) -> HistoryFilter {
        let after = |to: Timestamp| Some(Timestamp(to.0.saturating_add(1)));
        let all = HistoryFilter { limit: PAGE, ..HistoryFilter::default() };
        match self {
            Self::Run(run) | Self::Deaths(run, _) | Self::Shown(run, _) => {
                HistoryFilter { run: Some(run), ..all }
            }
            Self::Change(number) => {
                HistoryFilter { below: Some(number.saturating_add(1)), limit: 1, ..all }
            }
            Self::Record(record, to) => {
                HistoryFilter { record: Some(record), since: after(to), ..all }
            }
            Self::Entity(_, to) => HistoryFilter { since: after(to), ..all },
            Self::Pending(..) | Self::Excess(..) => all,
        }
    }

    /// Whether this event is one of those to be taken back.
    fn covers(self, entry: &Entry, root: EntityIndex) -> bool {
        match self {
            Self::Run(run) => entry.run == run,
            Self::Change(number) => entry.number == number,
            Self::Record(record, to) => entry.event.record == record && entry.at > to,
            Self::Entity(entity, to) => root == entity && entry.at > to,
            Self::Deaths(run, system) => {
                let event = &entry.event;
                let is_delete = event.kind == AuditKind::Deleted && event.field.is_none();
                entry.run == run && is_delete && event.system == Some(system)
            }
            Self::Shown(run, system) => {
                let event = &entry.event;
                let has_lost = event.kind == AuditKind::Lost;
                entry.run == run && event.system == Some(system) && !has_lost
            }
            // Which events these are, the link tells, or the guard.
            Self::Pending(..) | Self::Excess(..) => false,
        }
    }
}

/// Whether the system was never shown what this event led to. Where it has no say in the matter, its own
/// value is due to be written over: nobody else's is to be taken back for that.
fn is_unseen(group: &Group, system: SystemIndex, kind: WriteKind, entry: &Entry) -> bool {
    let event = &entry.event;
    let Some(link) = group.part(&event.part).and_then(|part| part.link(system)) else {
        return false;
    };
    let agreed = match (event.field, kind) {
        (Some(field), WriteKind::Update) => link.agreed(field),
        (None, WriteKind::Delete) => link.agreed_exists,
        (_, _) => return false,
    };
    agreed > 0 && event.version > agreed && net::changes(event)
}

/// A value, or the life of a part (no field).
type Place = (RecordId, PartKey, Option<FieldIndex>);

/// The version in which each place was left by what was taken back. A run may have changed a million records, and
/// most have no lists: what is a record's own has a short key.
#[derive(Default)]
struct Restored {
    own: BTreeMap<(RecordId, Option<FieldIndex>), u64>,
    of_lists: BTreeMap<Place, u64>,
}

impl Restored {
    /// This version is the one that was left there.
    fn put(&mut self, (record, part, field): Place, version: u64) {
        match part {
            PartKey::Root => self.own.insert((record, field), version),
            PartKey::Child { .. } => self.of_lists.insert((record, part, field), version),
        };
    }

    /// Whether this version was left there.
    fn left(&self, place: &Place, version: u64) -> bool {
        let known = match &place.1 {
            PartKey::Root => self.own.get(&(place.0, place.2)),
            PartKey::Child { .. } => self.of_lists.get(place),
        };
        known == Some(&version)
    }
}

struct Work<'a> {
    hub: &'a SqliteHub,
    desk: &'a Desk<'a>,
    what: What,
    manner: &'a Manner,
    /// What was taken back already, and the version that this left.
    done: Restored,
    /// Records that the run joined from rows of several systems.
    joined: BTreeSet<RecordId>,
    /// What stands in place of what was before.
    losers: BTreeMap<Place, Value>,
    report: Report,
}

impl Work<'_> {
    /// Takes back what a system has not been shown yet, page by page of its records.
    async fn pending(
        &mut self,
        entity: EntityIndex,
        system: SystemIndex,
        kind: WriteKind,
    ) -> Result<(), Failure> {
        let mut after = None;
        loop {
            let now = self.desk.now();
            let behind = self.hub.behind(entity, system, after, now, PAGE).await?;
            let Some((last, _)) = behind.last() else { return Ok(()) };
            after = Some(*last);
            let of_kind = behind.iter().filter(|(_, behind)| behind.kind == kind);
            let records: Vec<RecordId> = of_kind.map(|(record, _)| *record).collect();
            let mut inputs = Vec::new();
            for (record, group) in preview::load(self.desk, &records).await? {
                let mut entries = Vec::new();
                let mut filter =
                    HistoryFilter { record: Some(record), limit: 256, ..HistoryFilter::default() };
                loop {
                    let page = self.hub.history(&filter).await?;
                    filter.below = page.last().map(|entry| entry.number);
                    let is_over = page.len() < filter.limit;
                    let unseen = page.into_iter().filter(|it| is_unseen(&group, system, kind, it));
                    let known = entries.len();
                    entries.extend(unseen);
                    // What is not known of a whole page is older than what is.
                    if is_over || entries.len() == known {
                        break;
                    }
                }
                entries.reverse();
                self.commands(&group, &entries.iter().collect::<Vec<_>>(), &mut inputs).await?;
            }
            if !inputs.is_empty() {
                reconcile(self.desk, &inputs, Vec::new()).await?;
            }
        }
    }

    /// Takes back what one page tells of. Pages come newest first, and so do their events.
    async fn page(&mut self, entries: Vec<Entry>) -> Result<(), Failure> {
        let mut by_record: BTreeMap<RecordId, Vec<Entry>> = BTreeMap::new();
        for entry in entries.into_iter().rev() {
            by_record.entry(entry.event.record).or_default().push(entry);
        }
        let records: Vec<RecordId> = by_record.keys().copied().collect();
        let groups = preview::load(self.desk, &records).await?;
        let mut inputs = Vec::new();
        for (record, entries) in by_record {
            let Some(group) = groups.get(&record) else { continue };
            self.losers(&entries);
            let covered = entries.iter().filter(|entry| self.what.covers(entry, group.entity));
            let covered: Vec<&Entry> = covered.collect();
            self.commands(group, &covered, &mut inputs).await?;
        }
        if !inputs.is_empty() {
            reconcile_loaded(self.desk, &inputs, groups).await?;
        }
        Ok(())
    }

    /// Values of others that have lost against what a system has shown: they stand, if that is taken back.
    fn losers(&mut self, entries: &[Entry]) {
        let What::Shown(run, system) = self.what else { return };
        for entry in entries {
            let event = &entry.event;
            let is_one = event.kind == AuditKind::Lost && event.system != Some(system);
            if let (true, Some(lost)) = (is_one && entry.run == run, &event.after) {
                let place = (event.record, event.part.clone(), event.field);
                self.losers.insert(place, lost.clone());
            }
        }
    }

    async fn commands(
        &mut self,
        group: &Group,
        entries: &[&Entry],
        inputs: &mut Vec<Input>,
    ) -> Result<(), Failure> {
        let commands = self.record(group, entries).await?;
        if !commands.is_empty() {
            self.report.records.insert(group.id);
            self.report.entities.insert(group.entity);
        }
        inputs.extend(commands.into_iter().map(Input::Command));
        Ok(())
    }

    async fn record(&mut self, group: &Group, entries: &[&Entry]) -> Result<Vec<Command>, Failure> {
        let nets = net::of(entries);
        if nets.values().any(|net| net.is_joined) {
            self.joined.insert(group.id);
        }
        let mut commands = Vec::new();
        let mut root_goes = false;
        for (key, net) in nets {
            let Some(part) = group.part(&key) else { continue };
            let list = match &key {
                PartKey::Root => group.entity,
                PartKey::Child { list, .. } => *list,
            };
            let Some(entity) = self.desk.plan.entity(list) else { continue };
            let mut fields = Vec::new();
            let mut alive = part.exists.alive && !root_goes;
            if let Some(exists) = &net.exists
                && let Some(rolled) = self.existence(group, &key, part, exists, &net).await?
            {
                alive = rolled.before == Value::Bool(true);
                root_goes |= key == PartKey::Root && !alive;
                fields.push(rolled);
            }
            if alive {
                fields.extend(self.values(group, &key, part, entity, &net));
            }
            if !fields.is_empty() {
                let who = self.manner.who.clone();
                commands.push(Command::Rollback { record: group.id, part: key, fields, who });
            }
        }
        Ok(commands)
    }

    /// The life of a part, as it was before.
    async fn existence(
        &mut self,
        group: &Group,
        key: &PartKey,
        part: &Part,
        net: &Net,
        all: &PartNet,
    ) -> Result<Option<RolledBack>, Failure> {
        if net.before == Value::Bool(part.exists.alive) {
            return Ok(None);
        }
        let goes = net.before == Value::Bool(false);
        if goes && self.joined.contains(&group.id) && *key == PartKey::Root {
            self.leave(group.id, Left::Joined);
            return Ok(None);
        }
        let place = (group.id, key.clone(), None);
        let is_disputed = part.conflicts.iter().any(|open| open.field.is_none());
        let is_changed =
            part.exists.version != net.version && !self.done.left(&place, part.exists.version);
        if is_disputed {
            self.leave(group.id, Left::Disputed);
            return Ok(None);
        }
        if !self.manner.force
            && (is_changed || goes && self.is_edited_since(group, key, part, net, all).await?)
        {
            self.leave(group.id, Left::Changed);
            return Ok(None);
        }
        Ok(Some(self.rolled(place, part.exists.version, net.before.clone(), net.keeps.clone())))
    }

    /// Whether somebody else has edited what is to go. Values that were there from the beginning are
    /// in their first version; where that does not tell, the history does.
    async fn is_edited_since(
        &self,
        group: &Group,
        key: &PartKey,
        part: &Part,
        net: &Net,
        all: &PartNet,
    ) -> Result<bool, Failure> {
        let is_first = |(cell, index): (&syncline_core::group::Cell, u16)| {
            let field = FieldIndex(index);
            let place = (group.id, key.clone(), Some(field));
            cell.version <= 1
                || all.fields.get(&field).is_some_and(|net| net.version == cell.version)
                || self.done.left(&place, cell.version)
        };
        let has_lines = *key == PartKey::Root && !group.children.is_empty();
        if net.is_first && !has_lines {
            return Ok(!part.cells.iter().zip(0..).all(is_first));
        }
        let mut filter =
            HistoryFilter { record: Some(group.id), limit: 256, ..HistoryFilter::default() };
        loop {
            let page = self.hub.history(&filter).await?;
            for entry in &page {
                if entry.number <= net.number {
                    return Ok(false);
                }
                let is_ours = self.what.covers(entry, group.entity) || entry.run == self.desk.run();
                if !is_ours && net::changes(&entry.event) {
                    return Ok(true);
                }
            }
            match page.last() {
                Some(last) => filter.below = Some(last.number),
                None => return Ok(false),
            }
        }
    }

    /// The values of a part, as they were before. A consistency unit is taken back whole, or not.
    fn values(
        &mut self,
        group: &Group,
        key: &PartKey,
        part: &Part,
        entity: &Entity,
        all: &PartNet,
    ) -> Vec<RolledBack> {
        let mut open: BTreeMap<FieldIndex, Left> = BTreeMap::new();
        let mut ready: BTreeMap<FieldIndex, &Net> = BTreeMap::new();
        for (field, net) in &all.fields {
            let Some(cell) = part.cell(*field) else { continue };
            if cell.value == net.before {
                continue;
            }
            let place = (group.id, key.clone(), Some(*field));
            if part.conflicts.iter().any(|open| open.field == Some(*field)) {
                open.insert(*field, Left::Disputed);
            } else if cell.version != net.version
                && !self.done.left(&place, cell.version)
                && !self.manner.force
            {
                open.insert(*field, Left::Changed);
            } else {
                ready.insert(*field, net);
            }
        }
        for unit in &entity.units {
            let Some(left) = unit.fields.iter().find_map(|field| open.get(field).copied()) else {
                continue;
            };
            for field in &unit.fields {
                if ready.remove(field).is_some() {
                    open.insert(*field, left);
                }
            }
        }
        for left in open.values() {
            self.leave(group.id, *left);
        }
        let mut rolled = Vec::new();
        for (field, net) in ready {
            let place = (group.id, key.clone(), Some(field));
            let mut keeps = net.keeps.clone();
            if net.is_loser {
                keeps.extend(author(part, field));
            }
            keeps.extend(all.agreed.get(&field).into_iter().flatten());
            let before = self.losers.get(&place).unwrap_or(&net.before).clone();
            rolled.push(self.rolled(place, part.version_of(field), before, keeps));
        }
        rolled
    }

    fn rolled(
        &mut self,
        place: Place,
        version: u64,
        before: Value,
        keeps: BTreeSet<SystemIndex>,
    ) -> RolledBack {
        self.report.restored += 1;
        let field = place.2;
        self.done.put(place, version + 1);
        let keeps =
            if self.manner.revert_source { Vec::new() } else { keeps.into_iter().collect() };
        RolledBack { field, before, after_version: version, keeps }
    }

    fn leave(&mut self, record: RecordId, why: Left) {
        *self.report.left.entry(why).or_default() += 1;
        if self.report.samples.len() < SAMPLES {
            self.report.samples.push((record, why));
        }
    }
}

/// Whose value it is.
fn author(part: &Part, field: FieldIndex) -> Option<SystemIndex> {
    use syncline_core::group::Author;
    match part.cell(field)?.author {
        Author::System(system) => Some(system),
        Author::Nobody | Author::Person | Author::Merged => None,
    }
}
