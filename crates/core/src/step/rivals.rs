//! Rows of one system that match the same record (I2).
//!
//! Nobody can say which of them the record's row is, so none is linked, and nothing is written for
//! the record anywhere. All of them are read again in every pass: once one is gone or matches no
//! more, the last is linked by itself. A record that had its row before the others came keeps it.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    audit::event,
    change::{Order, RowKey},
    commit::{
        AuditEvent, AuditKind, ConflictChange, Disposition, KnownRow, MatchKey, QuarantineChange,
        Settled, Subject,
    },
    group::{Author, Group, Lane, Link, Rival},
    matching,
    merge::take,
    name::{BindingIndex, FieldIndex, RecordId, SystemIndex},
    plan::Binding,
    step::{
        gather::Route,
        link::{Found, PartAt},
        pass::Pass,
        sight::{How, Item, Sight},
    },
};

/// One match key of one unlinked row of a batch: rule, binding, key, place in the batch.
type Key = (u16, BindingIndex, MatchKey, usize);

impl Pass<'_> {
    /// Rows of this batch that match what another row of their system in it matches, too.
    pub(super) fn clashes(
        &self,
        items: &[Item<'_>],
        routes: &[Route],
    ) -> BTreeSet<(BindingIndex, RowKey)> {
        let mut keys: Vec<Key> = Vec::new();
        for ((at, item), route) in items.iter().enumerate().zip(routes) {
            if let (Item::Sight(sight), Route::Unlinked(own)) = (item, route) {
                keys.extend(own.iter().map(|(rule, key)| (*rule, sight.binding, *key, at)));
            }
        }
        keys.sort_unstable();
        let mut clashes = Clashes::new(items);
        for same in keys.chunk_by(|one, other| (one.0, one.1, one.2) == (other.0, other.1, other.2))
        {
            let Some((rule, binding, key, _)) = same.first().copied() else { continue };
            let entity = self.plan.binding(binding).map(|found| found.entity);
            let Some(entity) = entity else { continue };
            let rules = self.plan.entity(entity).map_or(0, |found| found.matching.len());
            if rules > 1 {
                clashes.by_rule(binding, same, self.find(entity, &[(rule, key)]));
            } else if same.len() > 1 {
                clashes.equal(same);
            }
        }
        clashes.rows()
    }

    /// A row that another row of its system cannot be told from.
    pub(super) fn set_aside_rival(&mut self, sight: &Sight<'_>, keys: &[(u16, MatchKey)]) {
        let Some(binding) = self.plan.binding(sight.binding) else { return };
        let group = match self.find(binding.entity, keys) {
            Found::Several(records) => return self.park_several(sight, records),
            Found::One(record, _) => self.take(record),
            Found::Nobody if !binding.reads => {
                self.journal.ended(sight, Disposition::Filtered);
                return;
            }
            Found::Nobody => Some(self.place_of(sight, binding, keys)),
        };
        match group {
            Some(group) => self.join_rivals(sight, group, None),
            None => self.journal.ended(sight, Disposition::Held),
        }
    }

    /// A record that does not live yet: it only keeps the match keys, so that whoever has them finds
    /// his rivals, or his copies.
    pub(super) fn place_of(
        &mut self,
        sight: &Sight<'_>,
        binding: &Binding,
        keys: &[(u16, MatchKey)],
    ) -> Group {
        let mut group = self.new_group(binding.entity);
        let (Some(entity), Some(row)) = (self.plan.entity(binding.entity), sight.row) else {
            return group;
        };
        for (rule, _) in keys {
            let Some(rule) = entity.matching.get(usize::from(*rule)) else { continue };
            for field in &rule.fields {
                let known = binding.cell(*field).zip(row.value(*field));
                let value = known.and_then(|(cell, native)| {
                    let (plan, working) = (self.plan, &*self.working);
                    take(plan, working, entity, binding.system, *field, cell, native, None).ok()
                });
                if let (Some(value), Some(cell)) = (value, group.root.cells.get_mut(field.at())) {
                    cell.value = value;
                }
            }
        }
        group
    }

    /// Sets the row aside as one of several that match this record. `old` is the row that the
    /// record has in that system; if it was linked in this very reading, it is set aside as well.
    pub(super) fn join_rivals(
        &mut self,
        sight: &Sight<'_>,
        mut group: Group,
        old: Option<&RowKey>,
    ) {
        let before = self.before(&group);
        if let Some(old) = old.filter(|_| self.is_fresh(&group, sight)) {
            self.estrange(&mut group, sight.binding, old);
        }
        add(&mut group, sight.binding, sight.key);
        self.learn_rival(sight.binding, sight.key, group.id);
        let record = group.id;
        self.put_changed(group, before);
        self.park_rival(sight, record);
    }

    /// Whether the record was given its row in this system by the reading that shows this sight, and
    /// nothing was written to it since.
    fn is_fresh(&self, group: &Group, sight: &Sight<'_>) -> bool {
        let (How::Polled(began) | How::Heard(began)) = sight.how else { return false };
        let Some(binding) = self.plan.binding(sight.binding) else { return false };
        let Some(entity) = self.plan.entity(binding.entity) else { return false };
        let system = binding.system;
        let known = matching::part_keys(entity, &group.root);
        // Something else may have touched it since: then this reading did not set where it is, or it does
        // not match.
        let is_by_match = |link: &Link| {
            let shown = link.shadow.as_ref().map(|row| self.keys_shown(binding, entity, row));
            shown.into_iter().flatten().any(|key| known.contains(&key))
                && match link.order {
                    Some(Order::Operation(operation)) => operation == began.0,
                    Some(Order::Version(_) | Order::Log { .. }) | None => true,
                }
        };
        let is_new = |link: &Link| {
            link.touched > began
                && link.lane == Lane::Free
                && link.unresolved.is_empty()
                && link.last_own.is_empty()
                && is_by_match(link)
        };
        let has_children = || {
            let mut links = group.children.iter().filter_map(|child| child.part.link(system));
            links.any(|link| link.shadow.is_some())
        };
        group.root.link(system).is_some_and(is_new) && !has_children()
    }

    /// The row that was linked first is the record's no more than the others are.
    fn estrange(&mut self, group: &mut Group, place: BindingIndex, old: &RowKey) {
        let Some(system) = self.plan.binding(place).map(|found| found.system) else { return };
        let Some(at) = group.root.links.iter().position(|link| link.system == system) else {
            return;
        };
        let link = group.root.links.remove(at);
        add(group, place, old);
        self.learn_rival(place, old, group.id);
        self.take_back(group, system);
        self.journal.audit.push(AuditEvent {
            system: Some(system),
            key: Some(old.clone()),
            note: "another row there matches the same record".into(),
            ..event(group.id, group.entity, &crate::change::PartKey::Root, AuditKind::Unlinked)
        });
        if !group.root.links.iter().any(Link::is_present) {
            group.root.exists.alive = false;
            group.root.exists.version += 1;
            group.root.exists.author = Author::Nobody;
            group.root.exists.at = self.now;
        }
        self.conclude(group, None);
        self.journal.quarantine.push(QuarantineChange::Park {
            subject: Subject::Row { binding: place, key: old.clone() },
            entity: group.entity,
            record: None,
            code: "match.ambiguous".into(),
            message: self.rivalry(group, place).into(),
            row: link.shadow,
            related: vec![group.id],
            awaits: None,
        });
    }

    /// What a row brought that was linked a moment ago, and that no system was told: the record
    /// holds again what its other rows show.
    fn take_back(&mut self, group: &mut Group, system: SystemIndex) {
        for open in std::mem::take(&mut group.root.conflicts) {
            self.journal.conflicts.push(ConflictChange::Close {
                record: group.id,
                part: crate::change::PartKey::Root,
                field: open.field,
                settled: Settled {
                    rule: "match.ambiguous".into(),
                    winner: Author::Nobody,
                    who: None,
                    note: None,
                },
            });
            for link in &mut group.root.links {
                if let Some(field) = open.field {
                    link.lift(field);
                }
            }
        }
        let Some(entity) = self.plan.entity(group.entity) else { return };
        for (index, cell) in (0u16..).zip(group.root.cells.iter_mut()) {
            let field = FieldIndex(index);
            if cell.author != Author::System(system) {
                continue;
            }
            for link in &mut group.root.links {
                let place = self.plan.binding_of(group.entity, link.system);
                let binding = place.and_then(|place| self.plan.binding(place));
                let shown = link.shadow.as_ref().and_then(|row| row.value(field));
                let (Some(lens), Some(native)) = (binding.and_then(|it| it.cell(field)), shown)
                else {
                    continue;
                };
                if link.agreed(field) == cell.version {
                    break;
                }
                let (plan, working) = (self.plan, &*self.working);
                let value = take(plan, working, entity, link.system, field, lens, native, None);
                if let Ok(value) = value {
                    let before = std::mem::replace(&mut cell.value, value);
                    cell.version += 1;
                    cell.author = Author::System(link.system);
                    link.agree(field, cell.version);
                    self.journal.audit.push(AuditEvent {
                        field: Some(field),
                        system: Some(link.system),
                        before: Some(before),
                        after: Some(cell.value.clone()),
                        version: cell.version,
                        note: "match.ambiguous".into(),
                        ..event(
                            group.id,
                            group.entity,
                            &crate::change::PartKey::Root,
                            AuditKind::Changed,
                        )
                    });
                    break;
                }
            }
        }
    }

    /// A row that was set aside as one of several is seen again.
    pub(super) fn rival(&mut self, sight: &Sight<'_>, record: RecordId, keys: &[(u16, MatchKey)]) {
        let Some(binding) = self.plan.binding(sight.binding) else { return };
        if let Some((group, at)) = self.inserted(sight) {
            // Our own row, seen by its key before the log told whose it is.
            if group.id == record {
                self.link(sight, group, at, None);
                return;
            }
            self.put_back(group);
            if let Some(group) = self.take(record) {
                self.withdraw(sight.binding, sight.key, group);
            }
            self.unlinked(sight, keys);
            return;
        }
        let rule = match self.find(binding.entity, keys) {
            Found::One(found, rule) if found == record => Some(rule),
            Found::Several(found) if found.contains(&record) => {
                return self.park_several(sight, found);
            }
            Found::One(..) | Found::Several(_) | Found::Nobody => None,
        };
        let Some(group) = self.take(record) else {
            self.journal.ended(sight, Disposition::Held);
            return;
        };
        let others = others(&group, sight.binding, sight.key).next().is_some();
        let link = group.root.link(binding.system);
        let is_taken = link.is_some_and(|link| link.shadow.is_some());
        // A person has said which one it is, and it is about to be read.
        let is_tied = !is_taken && link.is_some_and(|link| link.must_read && link.key.is_some());
        match rule {
            Some(_) if others || is_tied => {
                self.put_back(group);
                self.park_rival(sight, record);
            }
            Some(rule) => self.link_or_move(sight, group, PartAt::Root, Some(rule)),
            None => {
                self.withdraw(sight.binding, sight.key, group);
                self.unlinked(sight, keys);
            }
        }
    }

    /// The row is no rival any more. If one other is left, it is looked at at once.
    pub(crate) fn withdraw(&mut self, binding: BindingIndex, key: &RowKey, mut group: Group) {
        let before = self.before(&group);
        remove(&mut group, binding, key);
        let left: Vec<RowKey> = others(&group, binding, key).cloned().collect();
        self.put_changed(group, before);
        self.forget(binding, key.clone());
        if let [last] = left.as_slice() {
            self.ask(binding, last.clone(), Vec::new());
        }
    }

    /// The row is known to be this record's: whoever else it was set aside for, it is not theirs.
    pub(super) fn is_no_rival(&mut self, binding: BindingIndex, key: &RowKey, record: RecordId) {
        let known = self.working.keys.get(&(binding, key.clone())).and_then(Option::as_ref);
        let Some(known) = known.filter(|known| known.rival && known.record != record) else {
            return;
        };
        let Some(other) = self.take(known.record) else { return };
        self.withdraw(binding, key, other);
        let subject = Subject::Row { binding, key: key.clone() };
        self.journal.quarantine.push(QuarantineChange::Release { subject });
    }

    /// Sets a row aside that several records match.
    pub(super) fn park_several(&mut self, sight: &Sight<'_>, records: Vec<RecordId>) {
        let message = format!("{} records match it; it was not linked", records.len());
        self.park_ambiguous(sight, message, records);
    }

    /// Sets a row aside that could belong to these records.
    pub(super) fn park_ambiguous(
        &mut self,
        sight: &Sight<'_>,
        message: String,
        records: Vec<RecordId>,
    ) {
        self.park_row(sight, None, "match.ambiguous", message.into(), None);
        if let Some(QuarantineChange::Park { related, .. }) = self.journal.quarantine.last_mut() {
            *related = records;
        }
        self.journal.ended(sight, Disposition::Quarantined);
    }

    fn park_rival(&mut self, sight: &Sight<'_>, record: RecordId) {
        let group = self.working.groups.get(&record).and_then(Option::as_ref);
        let message = group.map(|group| self.rivalry(group, sight.binding)).unwrap_or_default();
        self.park_ambiguous(sight, message, vec![record]);
    }

    /// Which rows match the same record.
    fn rivalry(&self, group: &Group, place: BindingIndex) -> String {
        let system = self.plan.binding(place).map(|found| found.system);
        let link = system.and_then(|system| group.root.link(system));
        if let Some(key) = link.filter(|link| link.shadow.is_some()).and_then(|it| it.key.as_ref())
        {
            return format!("row {key} of the same system matches the same record");
        }
        let rows = group.rivals.iter().filter(|rival| rival.binding == place);
        let rows: Vec<String> = rows.map(|rival| rival.key.to_string()).collect();
        let system = system.and_then(|system| self.plan.system(system));
        let system = system.map_or("the system", |system| system.name.as_str());
        match rows.as_slice() {
            [] | [_] => format!("another row of {system} matches the same record; none was linked"),
            rows => {
                let (count, rows) = (rows.len(), rows.join(", "));
                format!("{count} rows of {system} match the same record: {rows}; none was linked")
            }
        }
    }

    fn learn_rival(&mut self, binding: BindingIndex, key: &RowKey, record: RecordId) {
        let known = KnownRow { record, child: false, digest: None, quiet: false, rival: true };
        self.working.keys.insert((binding, key.clone()), Some(known));
    }
}

/// The record's other rivals in the same place.
fn others<'a>(
    group: &'a Group,
    binding: BindingIndex,
    key: &'a RowKey,
) -> impl Iterator<Item = &'a RowKey> {
    let same = group.rivals.iter().filter(move |rival| rival.binding == binding);
    same.map(|rival| &rival.key).filter(move |other| *other != key)
}

fn add(group: &mut Group, binding: BindingIndex, key: &RowKey) {
    let rival = Rival { binding, key: key.clone() };
    if let Err(at) = group.rivals.binary_search(&rival) {
        group.rivals.insert(at, rival);
    }
}

/// Takes this row out of the record's rivals.
pub(super) fn remove(group: &mut Group, binding: BindingIndex, key: &RowKey) {
    group.rivals.retain(|rival| rival.binding != binding || rival.key != *key);
}

/// Which rows of a batch clash. Rules are looked at in their order: whoever matches a record by an
/// earlier one is not disturbed by those who match it by a later one.
struct Clashes<'a> {
    items: &'a [Item<'a>],
    /// The last sight of each row, once it is needed.
    last: Option<BTreeMap<(BindingIndex, &'a RowKey), usize>>,
    decided: BTreeSet<usize>,
    clashing: BTreeSet<usize>,
    holders: BTreeSet<(BindingIndex, RecordId)>,
}

impl<'a> Clashes<'a> {
    fn new(items: &'a [Item<'a>]) -> Self {
        Self {
            items,
            last: None,
            decided: BTreeSet::new(),
            clashing: BTreeSet::new(),
            holders: BTreeSet::new(),
        }
    }

    /// Rows with one match key, by the only rule.
    fn equal(&mut self, same: &[Key]) {
        let rows = self.last_sights(same);
        if rows.len() > 1 {
            self.clashing.extend(rows);
        }
    }

    /// Rows with one match key, by one of several rules.
    fn by_rule(&mut self, binding: BindingIndex, same: &[Key], found: Found) {
        let mut rows = self.last_sights(same);
        let holder = match found {
            Found::Nobody => None,
            Found::One(record, _) => Some(record),
            Found::Several(records) => records.first().copied(),
        };
        if let Some(record) = holder {
            rows.retain(|at| !self.decided.contains(at));
            let is_held = !rows.is_empty() && !self.holders.insert((binding, record));
            if is_held || rows.len() > 1 {
                self.clashing.extend(&rows);
            }
            self.decided.extend(rows);
            return;
        }
        rows.retain(|at| !self.decided.contains(at) || self.clashing.contains(at));
        if rows.len() > 1 {
            self.clashing.extend(&rows);
            self.decided.extend(rows);
        }
    }

    /// These rows, where they are seen for the last time in the batch.
    fn last_sights(&mut self, same: &[Key]) -> Vec<usize> {
        let places = same.iter().map(|(.., at)| *at);
        if same.len() < 2 {
            return places.collect();
        }
        let items = self.items;
        let last = self.last.get_or_insert_with(|| {
            let sights = items.iter().enumerate().filter_map(|(at, item)| match item {
                Item::Sight(sight) => Some(((sight.binding, sight.key), at)),
                Item::Other(_) => None,
            });
            sights.collect()
        });
        let is_last = |at: &usize| match items.get(*at) {
            Some(Item::Sight(sight)) => last.get(&(sight.binding, sight.key)) == Some(at),
            Some(Item::Other(_)) | None => false,
        };
        places.filter(is_last).collect()
    }

    fn rows(self) -> BTreeSet<(BindingIndex, RowKey)> {
        let sights = self.clashing.iter().filter_map(|at| match self.items.get(*at)? {
            Item::Sight(sight) => Some((sight.binding, sight.key.clone())),
            Item::Other(_) => None,
        });
        sights.collect()
    }
}
