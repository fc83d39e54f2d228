//! Rows that inserts of ours made, and that nobody has linked yet.
//!
//! A mark says whose they are. Without one such a row is found by what it holds, and that is what was
//! written, not what its record has become since: until the doubt is over, the record is found by the match
//! keys that were written, too.

use crate::{
    change::{Effect, MarkFate, Row, WriteKind},
    commit::MatchKey,
    echo,
    group::{Group, Intent, Link, Part},
    matching,
    merge::Own,
    name::{FieldIndex, RecordId},
    need::cells,
    plan::{Binding, Class, Entity, MatchRule, Plan},
    step::{
        link::{Found, PartAt},
        pass::Pass,
        recover::nameless_doubts,
        sight::{How, Sight},
    },
    value::Value,
};

/// Adds the match keys that rows of this record may have, where they are not its own.
pub(crate) fn add_keys(plan: &Plan, entity: &Entity, part: &Part, keys: &mut Vec<(u16, MatchKey)>) {
    for link in &part.links {
        for intent in inserts(link) {
            let bindings = entity.bindings.iter().filter_map(|binding| plan.binding(*binding));
            let place = bindings.into_iter().find(|binding| binding.system == link.system);
            let written = place.map(|binding| written_keys(entity, binding, part, intent));
            for key in written.into_iter().flatten() {
                if !keys.contains(&key) {
                    keys.push(key);
                }
            }
        }
    }
}

/// What is ours of a row, unless the hub has forgotten that it made it (it was restored) and knows nobody
/// else whose row it is: then nothing is, or the record would never begin to live.
pub(crate) fn of_somebody(own: Own, part: Option<&Part>) -> Own {
    let is_new = part.is_none_or(|part| part.exists.version == 0);
    if is_new && own.exists == Some(0) { Own::default() } else { own }
}

/// Inserts of which nobody has seen a row.
fn inserts(link: &Link) -> impl Iterator<Item = &Intent> {
    let all = link.unresolved.iter().filter(|_| link.shadow.is_none());
    all.filter(|intent| intent.kind == WriteKind::Insert)
}

/// The match keys that were written, and that the record has no more.
fn written_keys(
    entity: &Entity,
    binding: &Binding,
    part: &Part,
    intent: &Intent,
) -> Vec<(u16, MatchKey)> {
    let moved = |rule: &&MatchRule| rule.fields.iter().any(|field| has_moved(part, intent, *field));
    let key = |rule: &MatchRule| {
        let values: Vec<Option<Value>> =
            rule.fields.iter().map(|field| written(entity, binding, intent, *field)).collect();
        matching::key_of(values.iter().map(Option::as_ref))
    };
    let numbered = (0u16..).zip(&entity.matching).filter(|(_, rule)| moved(rule));
    numbered.filter_map(|(number, rule)| Some((number, key(rule)?))).collect()
}

fn has_moved(part: &Part, intent: &Intent, field: FieldIndex) -> bool {
    let version = part.cell(field).map(|cell| cell.version);
    intent.set.iter().any(|(set, _, written)| *set == field && Some(*written) != version)
}

/// What a row that shows this write says of a field, in the hub's terms.
fn written(
    entity: &Entity,
    binding: &Binding,
    intent: &Intent,
    field: FieldIndex,
) -> Option<Value> {
    let is_plain = entity.field(field).is_some_and(|field| field.reference.is_none());
    let cell = binding.cell(field).filter(|_| is_plain)?;
    let (_, value, _) = intent.set.iter().find(|(set, ..)| *set == field)?;
    cell.lens.get(&cell.lens.normalise(value), None).ok()
}

impl Pass<'_> {
    /// The part whose insert left its mark on this row: its values may have moved on since.
    pub(super) fn inserted(&mut self, sight: &Sight<'_>) -> Option<(Group, PartAt)> {
        let mark = sight.mark?;
        let system = self.plan.binding(sight.binding)?.system;
        let record = self.working.intents.get(&mark).copied().flatten()?;
        let group = self.take(record)?;
        let has = |at: &PartAt| {
            let link = at.part(&group).and_then(|part| part.link(system));
            link.is_some_and(|link| {
                link.shadow.is_none() && link.unresolved.iter().any(|intent| intent.id == mark)
            })
        };
        let children = (0..group.children.len()).map(PartAt::Child);
        match std::iter::once(PartAt::Root).chain(children).find(has) {
            Some(at) => Some((group, at)),
            None => {
                self.put_back(group);
                None
            }
        }
    }

    /// How much of what a record's row in a system showed last another row shows, which matches it.
    fn likeness(&self, record: RecordId, binding: &Binding, row: &Row) -> usize {
        let group = self.working.groups.get(&record).and_then(Option::as_ref);
        let link = group.and_then(|group| group.root.link(binding.system));
        let Some(known) = link.and_then(|link| link.shadow.as_ref()) else { return 1 };
        let is_same = |field: &FieldIndex| {
            let found = row.value(*field).filter(|found| !found.is_null());
            found.is_some() && found == known.value(*field)
        };
        cells(binding).filter(|(field, _)| is_same(field)).count().max(1)
    }

    /// Whether this row shows, from end to end, an insert of ours for this record that is still in doubt.
    pub(super) fn is_made_by_us(&self, sight: &Sight<'_>, record: RecordId) -> bool {
        let Some(binding) = self.plan.binding(sight.binding) else { return false };
        let group = self.working.groups.get(&record).and_then(Option::as_ref);
        let link = group.and_then(|group| group.root.link(binding.system));
        let Some((link, row)) = link.zip(sight.row) else { return false };
        let mut inserts = link.unresolved.iter().filter(|it| it.kind == WriteKind::Insert);
        match self.class(binding.system) {
            Class::Log => inserts.any(|intent| sight.mark == Some(intent.id)),
            Class::Marked => inserts.any(|it| sight.marks.contains(&(it.id, MarkFate::Applied))),
            Class::Versioned | Class::Plain | Class::Blind => {
                inserts.any(|intent| echo::shows_all(binding, intent, row))
            }
        }
    }

    /// A row that was gone, and whose key was given to a row of ours for another record: the mark says
    /// whose it is. Whether that was so.
    pub(super) fn is_given_away(&mut self, sight: &Sight<'_>, record: RecordId) -> bool {
        let Some((mut group, at)) = self.inserted(sight) else { return false };
        if group.id == record {
            let before = self.before(&group);
            if self.give_way(&mut group, at, sight.binding, sight.key) {
                self.touch(&group, before);
                self.link(sight, group, at, None);
                return true;
            }
            self.put_back(group);
            return false;
        }
        let Some(mut old) = self.take(record) else {
            self.put_back(group);
            return false;
        };
        let before = self.before(&old);
        let place = self.place(&old, sight.binding, sight.key);
        let system = self.plan.binding(sight.binding).map(|found| found.system);
        let part = place.and_then(|at| at.part_mut(&mut old));
        let link = part.zip(system).and_then(|(part, system)| part.link_mut(system));
        match link.filter(|link| link.shadow.is_none()) {
            Some(link) => {
                link.key = None;
                self.put_changed(old, before);
                self.forget(sight.binding, sight.key.clone());
                self.link(sight, group, at, None);
                true
            }
            None => {
                self.put_back(old);
                match sight.mark.filter(|_| sight.how == How::Log) {
                    Some(mark) => self.displaced_in_log(group, mark, sight.key),
                    None => self.put_back(group),
                }
                false
            }
        }
    }

    /// The record whose insert left its mark on this row, and which was given another row meanwhile.
    pub(super) fn came_late(&self, sight: &Sight<'_>) -> Option<RecordId> {
        let mark = sight.mark?;
        let system = self.plan.binding(sight.binding)?.system;
        let record = self.working.intents.get(&mark).copied().flatten()?;
        let group = self.working.groups.get(&record)?.as_ref()?;
        let links = group.parts().filter_map(|(_, part)| part.link(system));
        let is_late = |link: &Link| {
            link.shadow.is_some()
                && link
                    .unresolved
                    .iter()
                    .any(|intent| intent.id == mark && intent.kind == WriteKind::Insert)
        };
        links.into_iter().any(is_late).then_some(record)
    }

    /// Where marks are kept, whose row this is they tell, whatever it holds by now: inserts in doubt of all
    /// records that it may be of are asked about first. Whether any is.
    pub(super) fn asks_whose(&mut self, sight: &Sight<'_>, keys: &[(u16, MatchKey)]) -> bool {
        let Some(binding) = self.plan.binding(sight.binding) else { return false };
        if sight.row.is_none() || self.class(binding.system) != Class::Marked {
            return false;
        }
        let mut asks = Vec::new();
        for (rule, key) in keys {
            let records = self.working.matches.get(&(binding.entity, *rule, *key));
            for record in records.into_iter().flatten().filter(|it| !self.told.contains(it)) {
                let group = self.working.groups.get(record).and_then(Option::as_ref);
                let link = group.and_then(|group| group.root.link(binding.system));
                let doubts = link.and_then(|link| nameless_doubts(self.plan, sight.binding, link));
                if let Some((binding, intents)) = doubts {
                    asks.push(Effect::ReadMarks { record: *record, binding, intents });
                }
            }
        }
        let is_asked = !asks.is_empty();
        self.journal.effects.extend(asks);
        is_asked
    }

    /// The record of an insert in doubt that this unlinked row shows, where nothing but that insert connects
    /// the two; and the rule by which it was found.
    pub(super) fn written_in_doubt(
        &mut self,
        sight: &Sight<'_>,
        keys: &[(u16, MatchKey)],
    ) -> Option<(Group, u16)> {
        // A log names whoever made a row: what has no mark of ours is not ours.
        let row = sight.row.filter(|_| sight.how != How::Log)?;
        let binding = self.plan.binding(sight.binding)?;
        let is_void = |intent: &Intent| sight.marks.contains(&(intent.id, MarkFate::Void));
        // Somebody may have edited it since: then it is whose row it resembles most.
        let other = match self.find(binding.entity, keys) {
            // Marks tell more.
            _ if self.class(binding.system) == Class::Marked => usize::MAX,
            Found::One(record, _) => self.likeness(record, binding, row),
            Found::Nobody => 1,
            Found::Several(_) => usize::MAX,
        };
        let wrote = |group: &Group| {
            let link = group.root.link(binding.system);
            let mut doubts = link.into_iter().flat_map(inserts);
            doubts.any(|intent| {
                let is_like = || echo::likeness(binding, intent, row) > other;
                !is_void(intent) && (echo::shows_all(binding, intent, row) || is_like())
            })
        };
        for (rule, key) in keys {
            let match_rule = self.plan.entity(binding.entity)?.matching.get(usize::from(*rule))?;
            let records = self.working.matches.get(&(binding.entity, *rule, *key));
            let groups = records.into_iter().flatten().filter_map(|record| {
                let group = self.working.groups.get(record)?.as_ref()?;
                // The living come first where records are found by what they are called.
                let is_named_so = group.root.exists.alive
                    && matching::part_key(match_rule, &group.root) == Some(*key);
                (!is_named_so && group.merged_into.is_none() && wrote(group)).then_some(*record)
            });
            if let Some(record) = groups.into_iter().next() {
                return self.take(record).map(|group| (group, *rule));
            }
        }
        None
    }
}
