//! Rows that were seen, and rows that were seen to be absent.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    change::{Input, MarkFate, Order, Row, RowKey, WriteKind},
    commit::Disposition,
    echo::{self, Traces},
    error::Problem,
    group::{Group, Lane, Link, Part},
    merge::{Merged, Own, Scene, Source, Taken, Trouble, conclude},
    mutant::Mutant,
    name::{BindingIndex, OperationId, RecordId, SystemIndex},
    step::{
        doubt,
        fence::{Fence, fence, in_doubt},
        gather::Route,
        link::PartAt,
        pass::Pass,
        sight::{How, Item, Sight},
    },
};

impl Pass<'_> {
    /// Finds absences that may only be a move: an unlinked row of the same batch matches the record
    /// whose row is gone. Returns their places; they are decided after the rows.
    pub(super) fn look_ahead(&mut self, items: &[Item<'_>], routes: &[Route]) -> Vec<usize> {
        let mut wanted: Vec<(usize, BindingIndex, RecordId)> = Vec::new();
        let mut last: BTreeMap<(BindingIndex, &RowKey), usize> = BTreeMap::new();
        for ((at, item), route) in items.iter().enumerate().zip(routes) {
            match item {
                Item::Sight(sight) => {
                    self.want(at, sight, route, &mut wanted);
                    match sight.how {
                        How::Read(_) | How::Log => {
                            last.insert((sight.binding, sight.key), at);
                        }
                        How::Polled(_) | How::Heard(_) | How::Push => {}
                    }
                    if sight.row.is_some() && matches!(sight.how, How::Read(_)) {
                        self.found.insert((sight.binding, sight.key.clone()));
                    }
                }
                Item::Other(
                    Input::ReadDone { binding, key, .. } | Input::Timeout { binding, key, .. },
                ) => {
                    self.unread.insert((*binding, key.clone()));
                }
                Item::Other(_) => {}
            }
        }
        // A row that is gone itself by the end of the batch takes nobody's place.
        wanted.retain(|(at, ..)| match items.get(*at) {
            Some(Item::Sight(sight)) => {
                last.get(&(sight.binding, sight.key)).is_none_or(|last| last == at)
            }
            Some(Item::Other(_)) | None => false,
        });
        let wanted: BTreeSet<(BindingIndex, RecordId)> =
            wanted.into_iter().map(|(_, binding, record)| (binding, record)).collect();
        if wanted.is_empty() {
            return Vec::new();
        }
        let mut absences = Vec::new();
        for ((binding, key), at) in last {
            let Some(Item::Sight(sight)) = items.get(at) else { continue };
            let known = self.working.keys.get(&(binding, key.clone()));
            let Some(Some(known)) = known.filter(|_| sight.row.is_none()) else { continue };
            // The row of a deleted record goes with it, and moves nowhere.
            let group = self.working.groups.get(&known.record).and_then(Option::as_ref);
            if group.is_some_and(|group| !group.root.exists.alive) {
                continue;
            }
            let record = known.record;
            if wanted.contains(&(binding, record)) && !self.is_our_delete(binding, key, record) {
                self.gone.insert((binding, key.clone()));
                absences.push(at);
            }
        }
        absences
    }

    /// Whether we are deleting this row: then it did not move, and its absence is decided before a
    /// row that somebody created in its place.
    fn is_our_delete(&self, binding: BindingIndex, key: &RowKey, record: RecordId) -> bool {
        let Some(Some(group)) = self.working.groups.get(&record) else { return false };
        let place = self.place(group, binding, key);
        let system = self.plan.binding(binding).map(|found| found.system);
        let part = place.and_then(|at| at.part(group));
        part.zip(system).and_then(|(part, system)| part.link(system)).is_some_and(|link| {
            link.unresolved.iter().any(|intent| intent.kind == WriteKind::Delete)
        })
    }

    fn want(
        &self,
        at: usize,
        sight: &Sight<'_>,
        route: &Route,
        wanted: &mut Vec<(usize, BindingIndex, RecordId)>,
    ) {
        let Route::Unlinked(keys) = route else { return };
        let Some(entity) = self.plan.binding(sight.binding).map(|found| found.entity) else {
            return;
        };
        for (rule, key) in keys {
            for record in self.working.matches.get(&(entity, *rule, *key)).into_iter().flatten() {
                // A row that we made did not move.
                if !self.is_made_by_us(sight, *record) {
                    wanted.push((at, sight.binding, *record));
                }
            }
        }
    }

    /// Decides what one sight means.
    pub(super) fn observe(&mut self, sight: &Sight<'_>, route: Route) {
        if matches!(sight.how, How::Log) && (self.is_put_off(sight) || self.leans_on_put_off(sight))
        {
            // Otherwise a row that is put off would come after its own end, or after whoever refers to it.
            self.again(sight);
            return;
        }
        if matches!(sight.how, How::Log) && self.is_later(sight) {
            self.journal.ended(sight, Disposition::Held);
            return;
        }
        match route {
            Route::Quiet(record) if !self.is_touched(record) => {
                self.journal.ended(sight, Disposition::NoOp);
                return;
            }
            Route::Unreadable(trouble) => {
                self.unreadable(sight, None, trouble);
                return;
            }
            Route::Quiet(_) | Route::Direct | Route::Linked | Route::Unlinked(_) => {}
        }
        // An earlier input of this batch may have linked or unlinked the row.
        let known = self.working.keys.get(&(sight.binding, sight.key.clone()));
        let known = known.and_then(Option::as_ref);
        let is_rival = known.is_some_and(|known| known.rival);
        match (known.map(|known| known.record), route) {
            (Some(record), Route::Unlinked(keys)) if is_rival => self.rival(sight, record, &keys),
            (Some(record), Route::Unlinked(keys)) if self.is_taken_again(sight, record) => {
                self.unlinked(sight, &keys);
            }
            (Some(record), _) => self.linked(sight, record),
            (None, Route::Unlinked(keys)) => self.unlinked(sight, &keys),
            (None, _) => {
                // A row that was set aside and is gone waits for nobody any more.
                self.release(sight);
                self.journal.ended(sight, Disposition::NoOp);
            }
        }
    }

    /// A row whose record is known.
    fn linked(&mut self, sight: &Sight<'_>, record: RecordId) {
        if self.is_given_away(sight, record) {
            return;
        }
        let Some(group) = self.take(record) else {
            self.journal.ended(sight, Disposition::Held);
            return;
        };
        let Some(at) = self.place(&group, sight.binding, sight.key) else {
            if group.is_rival(sight.binding, sight.key) && sight.row.is_none() {
                self.withdraw(sight.binding, sight.key, group);
                self.release(sight);
            } else {
                // The index knows more than the group: the row was unlinked in this very step.
                self.put_back(group);
            }
            self.journal.ended(sight, Disposition::NoOp);
            return;
        };
        let Some(group) = self.of_the_unborn(sight, group) else { return };
        let Some(group) = self.on_top_of_forgotten(sight, group, at) else { return };
        if let Some(group) = self.reused(sight, group, at) {
            self.seen(sight, group, at);
        }
    }

    /// Takes a sight of a linked row into its part, if the fence lets it through.
    pub(super) fn seen(&mut self, sight: &Sight<'_>, group: Group, at: PartAt) {
        let Some(system) = self.plan.binding(sight.binding).map(|found| found.system) else {
            self.put_back(group);
            return;
        };
        let class = self.class(system);
        let fresh = Link::new(system, 0);
        let link = at.part(&group).and_then(|part| part.link(system)).unwrap_or(&fresh);
        let verdict = fence(self.plan, class, link, sight);
        let (is_free, must_read) = (link.lane == Lane::Free, link.must_read);
        let doubts = in_doubt(link);
        match verdict {
            Fence::Open if sight.superseded && link.shadow.is_some() => {
                self.put_back(group);
                self.journal.ended(sight, Disposition::Superseded);
            }
            Fence::Open => self.accept(sight, group, at),
            Fence::Stale => {
                self.put_back(group);
                self.journal.ended(sight, Disposition::Superseded);
            }
            Fence::Busy => {
                self.put_back(group);
                self.journal.ended(sight, Disposition::Held);
            }
            Fence::Reread => {
                self.journal.ended(sight, Disposition::Held);
                if must_read {
                    self.put_back(group);
                } else {
                    self.mark_must_read(group, at, system);
                }
                if is_free {
                    self.ask(sight.binding, sight.key.clone(), doubts);
                }
            }
        }
    }

    pub(super) fn mark_must_read(&mut self, mut group: Group, at: PartAt, system: SystemIndex) {
        let before = self.before(&group);
        if let Some(link) = at.part_mut(&mut group).and_then(|part| part.link_mut(system)) {
            link.must_read = true;
            self.put_changed(group, before);
        } else {
            self.put_back(group);
        }
    }

    /// Merges a sight that counts.
    fn accept(&mut self, sight: &Sight<'_>, mut group: Group, at: PartAt) {
        let Some(binding) = self.plan.binding(sight.binding) else {
            self.put_back(group);
            return;
        };
        let system = binding.system;
        let before = self.before(&group);
        let state = |part: Option<&Part>| {
            part.and_then(|part| part.link(system)).map(|link| {
                let place = link.order.filter(|order| !matches!(order, Order::Operation(_)));
                let open = (link.must_read, link.wait, link.lane, link.unresolved.len());
                (open, link.key.clone(), place)
            })
        };
        let state_before = state(at.part(&group));
        let waited = at
            .part(&group)
            .and_then(|part| part.link(system))
            .is_some_and(|link| link.must_read || !link.held.is_empty());
        let result = self.merge_sight(sight, &mut group, at);
        match result {
            Ok(Merged { taken, awaits, unreadable, changed }) => {
                let changed = changed || state(at.part(&group)) != state_before;
                // What was not shown this time still means nothing.
                let link = at.part(&group).and_then(|part| part.link(system));
                let is_whole = !link.is_some_and(Link::is_unreadable);
                let record = group.id;
                if changed {
                    self.put_changed(group, before);
                } else {
                    self.put_back(group);
                }
                if let Some(awaits) = awaits {
                    self.wait_for_parent(sight, Some(record), awaits, "write.parent_missing");
                    return;
                }
                if let Some(problem) = unreadable {
                    self.unreadable(sight, Some(record), Trouble::Problem(problem));
                    return;
                }
                if waited && is_whole {
                    self.release(sight);
                }
                self.journal.ended(sight, taken.disposition());
            }
            Err(problem) => {
                let record = group.id;
                if let Some(link) = at.part_mut(&mut group).and_then(|part| part.link_mut(system)) {
                    // Nothing is written over a row that could not be read.
                    link.must_read = true;
                    self.hold_unread(link, binding, sight.row);
                    self.put_changed(group, before);
                } else {
                    self.put_back(group);
                }
                self.park_row(sight, Some(record), problem.code, problem.message.into(), None);
                self.journal.ended(sight, Disposition::Quarantined);
            }
        }
    }

    /// Matches what is seen with our own writes, and merges the rest.
    pub(super) fn merge_sight(
        &mut self,
        sight: &Sight<'_>,
        group: &mut Group,
        at: PartAt,
    ) -> Result<Merged, Problem> {
        let Some(binding) = self.plan.binding(sight.binding) else { return Ok(Merged::default()) };
        let (system, class) = (binding.system, self.class(binding.system));
        let mut taken = Taken::Nothing;
        let mut changed = self.rebase(sight, group, at)?;
        if changed {
            taken = Taken::Echo;
        }
        let fresh = Link::new(system, 0);
        let link = at.part(group).and_then(|part| part.link(system)).unwrap_or(&fresh);
        let traces =
            Traces { mark: sight.mark, transaction: sight.transaction, order: sight.order };
        let (own, settled) = echo::attribute(self.plan, class, link, binding, sight.row, traces);
        let own = doubt::of_somebody(own, at.part(group));
        let judged = self.to_be_judged(group);
        let merged = match self.merge_part(sight, group, at, sight.row, &own) {
            Ok(merged) => merged,
            Err(problem) => {
                self.told_beside(sight, group, at, settled);
                return Err(problem);
            }
        };
        if let Some(judged) = judged.filter(|_| merged.changed) {
            self.judge(&judged, group, at, system);
        }
        taken = taken.max(merged.taken);
        changed |= merged.changed;
        let operation = match sight.how {
            How::Read(operation) | How::Polled(operation) | How::Heard(operation) => {
                Some(operation)
            }
            How::Log | How::Push => None,
        };
        if let Some(link) = at.part_mut(group).and_then(|part| part.link_mut(system)) {
            land(link, sight, settled, operation.filter(|_| changed || link_waits(link)));
            if let How::Read(operation) = sight.how
                && (!sight.marks.is_empty() || settled.is_some())
            {
                link.touched = link.touched.max(operation);
            }
            echo::retire(class, link, sight.marks, self.now);
            echo::retire_shown(class, link, binding, sight.row);
        }
        changed |= self.conclude(group, changed.then_some(system));
        Ok(Merged { taken, changed, ..merged })
    }

    /// Merges one image of one part.
    pub(super) fn merge_part(
        &mut self,
        sight: &Sight<'_>,
        group: &mut Group,
        at: PartAt,
        row: Option<&Row>,
        own: &Own,
    ) -> Result<Merged, Problem> {
        let (Some(binding), part_key) = (self.plan.binding(sight.binding), at.key(group)) else {
            return Ok(Merged::default());
        };
        let Some(entity) = self.plan.entity(binding.entity) else {
            return Ok(Merged::default());
        };
        let source = Source {
            system: binding.system,
            binding,
            key: Some(sight.key),
            at: sight.at,
            actor: sight.actor.cloned(),
        };
        let record = group.id;
        let Some(part) = at.part_mut(group) else { return Ok(Merged::default()) };
        let mut scene = Scene {
            plan: self.plan,
            working: self.working,
            journal: &mut self.journal,
            now: self.now,
            zone: self.zone.as_ref(),
            record,
            entity_index: binding.entity,
            entity,
            part_key,
            revived: false,
        };
        let merged = scene.merge(&source, part, row, own)?;
        let revived = scene.revived;
        if own.ambiguous && merged.changed {
            let event = scene.event_from(&source, crate::commit::AuditKind::Ambiguous);
            self.journal.audit.push(event);
        }
        if revived && at == PartAt::Root {
            group.incarnation += 1;
        }
        Ok(merged)
    }

    /// Writes whose marks were found happened before what is seen now: they come first.
    fn rebase(
        &mut self,
        sight: &Sight<'_>,
        group: &mut Group,
        at: PartAt,
    ) -> Result<bool, Problem> {
        let Some(binding) = self.plan.binding(sight.binding) else { return Ok(false) };
        let applied =
            |id| sight.marks.iter().any(|(mark, fate)| *mark == id && *fate == MarkFate::Applied);
        let part = at.part(group).filter(|_| !self.plan.is_mutant(Mutant::MarksUnread));
        let Some(link) = part.and_then(|part| part.link(binding.system)) else { return Ok(false) };
        let mut intents: Vec<_> =
            link.unresolved.iter().filter(|intent| applied(intent.id)).cloned().collect();
        intents.sort_by_key(|intent| intent.id);
        let mut changed = false;
        for intent in intents {
            let shadow = at
                .part(group)
                .and_then(|part| part.link(binding.system))
                .and_then(|link| link.shadow.clone());
            let row = echo::image_after(binding, &intent, shadow.as_ref());
            let own = echo::exact(&intent);
            changed |= self.merge_part(sight, group, at, row.as_ref(), &own)?.changed;
        }
        Ok(changed)
    }

    /// Brings the group in line after a change. Returns whether that changed more.
    pub(crate) fn conclude(&mut self, group: &mut Group, cause: Option<SystemIndex>) -> bool {
        let clock = (self.now, self.zone.as_ref());
        let moved = conclude(self.plan, self.working, &mut self.journal, clock, group, cause);
        self.release_writes(group);
        moved
    }

    /// A linked key that a complete scan did not show, or that must be read again: asks by key.
    pub(super) fn unseen(&mut self, binding: BindingIndex, key: &RowKey) {
        let Some(system) = self.plan.binding(binding).map(|found| found.system) else { return };
        let known = self.working.keys.get(&(binding, key.clone())).cloned().flatten();
        let Some(known) = known else {
            // Not linked: a row that was set aside is looked at again.
            self.ask(binding, key.clone(), Vec::new());
            return;
        };
        if known.rival || (known.is_at_rest() && !self.is_touched(known.record)) {
            self.ask(binding, key.clone(), Vec::new());
            return;
        }
        let Some(group) = self.take(known.record) else { return };
        let place = self.place(&group, binding, key);
        let link = place.and_then(|at| at.part(&group)).and_then(|part| part.link(system));
        match (place, link.map(|link| (link.lane == Lane::Free, in_doubt(link)))) {
            (_, Some((true, doubts))) => {
                self.put_back(group);
                self.ask(binding, key.clone(), doubts);
            }
            // Whether the row went before or after our write, its answer does not say.
            (Some(at), Some((false, _))) => self.mark_must_read(group, at, system),
            (_, _) => self.put_back(group),
        }
    }
}

fn link_waits(link: &Link) -> bool {
    link.must_read || !link.unresolved.is_empty()
}

/// The link after its row was seen.
fn land(
    link: &mut Link,
    sight: &Sight<'_>,
    settled: Option<crate::name::IntentId>,
    operation: Option<OperationId>,
) {
    link.must_read = false;
    link.wait = false;
    if sight.row.is_some() {
        link.token = sight.token.cloned();
    }
    match (sight.order, operation) {
        (Some(order), _) => link.order = Some(order),
        // How far a log was heard, no read by key says.
        (None, Some(_)) if matches!(link.order, Some(Order::Log { .. })) => {}
        (None, Some(operation)) => link.order = Some(Order::Operation(operation.0)),
        (None, None) => {}
    }
    if let Some(settled) = settled {
        link.unresolved.retain(|intent| intent.id != settled);
        if matches!(link.lane, Lane::Write(id) | Lane::Echo(id) if id == settled) {
            link.lane = Lane::Free;
        }
    }
}
