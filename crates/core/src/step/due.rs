//! Planning: what a record needs in a system, as one group of writes, on record before it is sent.

mod expect;

use crate::{
    change::{Cycles, Effect, Expected, RowWrite, WriteGroup, WriteKind},
    commit::GroupIndex,
    error::Problem,
    group::{Group, Intent, IntentStatus, Lane, Link, Part},
    index::{keyless_doubt, waiting},
    mutant::Mutant,
    name::{BindingIndex, FieldIndex, IntentId, RecordId, SystemIndex, Timestamp},
    need::{Need, PartNeed, PutError, Rows, View, cells, may_write, needs},
    plan::{Binding, Class},
    step::{
        judge, link::PartAt, parents::Fate, pass::Pass, recover::nameless_doubts,
        written::key_of_set,
    },
    value::Value,
};

/// How long a write of unknown fate may still happen: longer than any request lives.
pub(crate) const IN_DOUBT_MS: i64 = 300_000;

/// When an id was minted.
pub(crate) fn minted_at(id: u128) -> Timestamp {
    Timestamp(0).plus_ms(i64::try_from(id >> 80).unwrap_or(0))
}

/// What planning one group came to.
enum Planned {
    /// These writes, with their intents; nothing was changed yet.
    Writes(Vec<Draft>),
    /// Nothing to do, or nothing that can be done now.
    Nothing,
}

/// A write that is not on record yet.
struct Draft {
    at: PartAt,
    binding: BindingIndex,
    kind: WriteKind,
    set: Vec<(FieldIndex, Value, u64)>,
    expect: Expected,
}

/// What a row is written from.
struct Ground<'a> {
    view: View<'a>,
    binding: &'a Binding,
    part: &'a Part,
    /// References that may be left empty at first: they would wait for each other in a circle.
    circles: &'a [RecordId],
}

/// Native values to set, and whose rows they wait for.
#[derive(Default)]
struct Natives {
    set: Vec<(FieldIndex, Value, u64)>,
    blocked: Vec<RecordId>,
}

impl Pass<'_> {
    /// Plans what this record needs in this system now.
    pub(super) fn due(&mut self, record: RecordId, system: SystemIndex, cycles: Cycles) {
        let Some(group) = self.take(record) else { return };
        let chain = self.chain(&group, system);
        self.put_back(group);
        let Some((mut members, circle)) = chain else { return };
        members.push(record);
        let mut drafts: Vec<(RecordId, Vec<Draft>)> = Vec::new();
        for member in members {
            match self.draft(member, system, cycles) {
                Planned::Writes(writes) => drafts.push((member, writes)),
                Planned::Nothing if member == record => return,
                // Whoever waits for it goes with it: a circle would never be seen as a whole otherwise.
                Planned::Nothing if self.is_busy(member, system) => return,
                Planned::Nothing => self.stop_waiting(record, member, system),
            }
        }
        let park = circle && drafts.len() > 1;
        let mut writes = Vec::new();
        for (member, drafts) in drafts {
            self.put_on_record(member, system, drafts, &mut writes);
        }
        if !writes.is_empty() {
            let group = WriteGroup { writes, park };
            self.journal.effects.push(Effect::Write { system, group });
        }
    }

    /// The holder needs nothing, or waits for somebody: the value may be free already.
    fn stop_waiting(&mut self, record: RecordId, holder: RecordId, system: SystemIndex) {
        let Some(mut group) = self.take(record) else { return };
        let before = self.before(&group);
        let mut changed = false;
        if let Some(link) = group.root.link_mut(system)
            && link.waits_for == Some(holder)
        {
            link.waits_for = None;
            changed = true;
        }
        if changed {
            self.put_changed(group, before);
        } else {
            self.put_back(group);
        }
    }

    /// What would be written of one record; its parks and waits are heeded.
    fn draft(&mut self, record: RecordId, system: SystemIndex, cycles: Cycles) -> Planned {
        let Some(mut group) = self.take(record) else { return Planned::Nothing };
        let before = self.before(&group);
        let mut changed = self.expire(&mut group, system);
        let rows = Rows { working: Some(self.working) };
        let mut needs = needs(self.plan, &group, system, rows);
        let idle = needs.iter().all(|part| part.need == Need::Nothing);
        // A record that went while its insert was in doubt needs nothing, but that row may be there.
        if idle && self.nameless(&group, system).next().is_none() {
            // The index thought otherwise, not knowing the rows it refers to.
            self.conclude(&mut group, None);
            self.put_changed(group, before);
            return Planned::Nothing;
        }
        let waits = waiting(self.plan, &group, system, &needs);
        if waits.parked || waits.not_before.is_some_and(|until| until > self.now) {
            self.give_back(group, before, changed);
            return Planned::Nothing;
        }
        let (exchanged, no_rate) = self.exchange(&mut group, system);
        if exchanged {
            changed = true;
            needs = crate::need::needs(self.plan, &group, system, rows);
        }
        if let Some((at, problem)) = no_rate
            && group.root.exists.alive
        {
            // There may be one the next time that the configuration is read.
            self.park_write(&mut group, at, system, problem.code, &problem.message, true);
            self.put_changed(group, before);
            return Planned::Nothing;
        }
        if self.ask_marks(&group, system) {
            self.give_back(group, before, changed);
            return Planned::Nothing;
        }
        if !group.root.exists.alive {
            match self.fate(&mut group, system, RecordId::NONE) {
                Fate::Goes => {}
                Fate::Lives => {
                    self.conclude(&mut group, None);
                    self.put_changed(group, before);
                    return Planned::Nothing;
                }
                Fate::Waits(others) => {
                    changed |=
                        self.wait(&mut group, system, "write.children_exist", others, cycles);
                    needs.retain(|part| part.child.is_some());
                }
            }
        }
        if let Some(broken) = self.broken(&group)
            && let Some(at) = Self::keep_back(&broken, &mut needs)
        {
            let may_heal = broken.by_time;
            self.park_write(&mut group, at, system, judge::CODE, &broken.message, may_heal);
            self.put_changed(group, before);
            return Planned::Nothing;
        }
        let circles = match cycles {
            Cycles::Wait => Vec::new(),
            Cycles::Break => self.circles(&group, system),
        };
        let mut drafts = Vec::new();
        let mut blocked = Vec::new();
        let mut refused = None;
        for part in in_order(needs) {
            match self.draft_part(&group, &part, system, &circles) {
                Ok((draft, waits_for)) => {
                    drafts.extend(draft);
                    blocked.extend(waits_for);
                }
                Err((at, problem)) => {
                    refused = Some((at, problem));
                    break;
                }
            }
        }
        if let Some((at, problem)) = refused {
            self.park_write(&mut group, at, system, problem.code, &problem.message, false);
            self.put_changed(group, before);
            return Planned::Nothing;
        }
        blocked.sort_unstable();
        blocked.dedup();
        let waits_as_a_whole =
            !blocked.is_empty() && group.root.link(system).is_none_or(|link| link.shadow.is_none());
        if !blocked.is_empty() {
            changed |= self.wait(&mut group, system, "write.parent_missing", blocked, cycles);
        }
        if waits_as_a_whole {
            drafts.clear();
        }
        self.give_back(group, before, changed);
        if drafts.is_empty() { Planned::Nothing } else { Planned::Writes(drafts) }
    }

    /// Asks the marks for inserts in doubt, however old they are: no time tells what a mark can tell.
    fn ask_marks(&mut self, group: &Group, system: SystemIndex) -> bool {
        let record = group.id;
        let asks: Vec<Effect> = self
            .nameless(group, system)
            .map(|(binding, intents)| Effect::ReadMarks { record, binding, intents })
            .collect();
        let asked = !asks.is_empty();
        self.journal.effects.extend(asks);
        asked
    }

    /// Inserts in doubt of this record in this system that only marks tell of.
    fn nameless(
        &self,
        group: &Group,
        system: SystemIndex,
    ) -> impl Iterator<Item = (BindingIndex, Vec<IntentId>)> {
        let plan = self.plan;
        let parts = std::iter::once((group.entity, &group.root))
            .chain(group.children.iter().map(|child| (child.list, &child.part)));
        parts.filter_map(move |(entity, part)| {
            nameless_doubts(plan, plan.binding_of(entity, system)?, part.link(system)?)
        })
    }

    /// The write waits for these records. Whoever waits although nothing else moves is shown.
    fn wait(
        &mut self,
        group: &mut Group,
        system: SystemIndex,
        code: &'static str,
        others: Vec<RecordId>,
        cycles: Cycles,
    ) -> bool {
        let effects = others.iter().map(|other| Effect::BlockedOn { record: *other, system });
        self.journal.effects.extend(effects);
        match cycles {
            Cycles::Wait => false,
            Cycles::Break => self.note_waiting(group, system, code, others),
        }
    }

    fn give_back(&mut self, group: Group, before: Option<GroupIndex>, changed: bool) {
        if changed {
            self.put_changed(group, before);
        } else {
            self.put_back(group);
        }
    }

    /// An insert in doubt that no read has shown for long enough never happened.
    fn expire(&self, group: &mut Group, system: SystemIndex) -> bool {
        let (now, plan, class) = (self.now, self.plan, self.class(system));
        let mut changed = false;
        let parts = std::iter::once((group.entity, &mut group.root))
            .chain(group.children.iter_mut().map(|child| (child.list, &mut child.part)));
        for (entity, part) in parts {
            let binding = plan.binding_of(entity, system).and_then(|place| plan.binding(place));
            let Some(link) = part.link_mut(system) else { continue };
            let doubt = keyless_doubt(binding, link);
            let is_keyless = link.shadow.is_none() && (link.key.is_none() || doubt.is_some());
            // Where there are marks, they tell.
            let is_told = doubt.is_some() && class == Class::Marked;
            let is_over = !is_told && doubt.is_none_or(|until| now >= until);
            let waits = link.lane == Lane::Free && (link.must_read || doubt.is_some());
            if waits && is_keyless && is_over {
                link.unresolved.clear();
                link.must_read = false;
                changed = true;
            }
        }
        changed
    }

    /// The group without inserts of ours that the log has not told of for so long that they never
    /// happened: who waits for a row to be told apart is not planned, and would keep them for ever.
    /// Where there is no log, the row in question may be the one that was inserted.
    pub(super) fn expired(&mut self, mut group: Group, system: SystemIndex) -> Group {
        let link = group.root.link(system);
        let is_open = |link: &Link| link.shadow.is_none() && !link.unresolved.is_empty();
        if self.class(system) != Class::Log || !link.is_some_and(is_open) {
            return group;
        }
        let before = self.before(&group);
        if self.expire(&mut group, system) {
            self.touch(&group, before);
        }
        group
    }

    fn draft_part(
        &self,
        group: &Group,
        need: &PartNeed,
        system: SystemIndex,
        circles: &[RecordId],
    ) -> Result<(Option<Draft>, Vec<RecordId>), (PartAt, Problem)> {
        let at = need.child.map_or(PartAt::Root, PartAt::Child);
        let nothing = Ok((None, Vec::new()));
        let (Some(part), Some(binding)) = (at.part(group), self.plan.binding(need.binding)) else {
            return nothing;
        };
        let Some(entity) = self.plan.entity(binding.entity) else { return nothing };
        let rows = Rows { working: Some(self.working) };
        let view = View { plan: self.plan, entity, record: group.id, root: &group.root, rows };
        let ground = Ground { view, binding, part, circles };
        let link = part.link(system);
        let (kind, natives) = match &need.need {
            Need::Nothing => return nothing,
            Need::Insert => (WriteKind::Insert, ground.insert()),
            Need::Update(fields) => (WriteKind::Update, ground.update(fields)),
            Need::Delete => (WriteKind::Delete, Ok(Natives::default())),
        };
        let Natives { set, blocked } = natives.map_err(|problem| (at, problem))?;
        let expect = match kind {
            WriteKind::Insert => Expected::Absent,
            WriteKind::Update if self.plan.is_mutant(Mutant::BlindWrite) => {
                Expected::Fields(Vec::new())
            }
            WriteKind::Update if self.plan.is_mutant(Mutant::ExpectsItsOwn) => Expected::Fields(
                set.iter().map(|(field, value, _)| (*field, value.clone())).collect(),
            ),
            WriteKind::Update => expect::update(entity, binding, link, &set),
            WriteKind::Delete if self.plan.is_mutant(Mutant::BlindDelete) => {
                Expected::Fields(Vec::new())
            }
            WriteKind::Delete => expect::delete(binding, link),
        };
        if kind == WriteKind::Update && set.is_empty() {
            return Ok((None, blocked));
        }
        let draft = Draft { at, binding: need.binding, kind, set, expect };
        Ok((Some(draft), blocked))
    }

    /// Puts intents on record (D4) and takes the lanes.
    fn put_on_record(
        &mut self,
        record: RecordId,
        system: SystemIndex,
        drafts: Vec<Draft>,
        writes: &mut Vec<RowWrite>,
    ) {
        let Some(mut group) = self.take(record) else { return };
        let (before, class) = (self.before(&group), self.class(system));
        for draft in drafts {
            let id = self.mint_intent();
            let operation = self.next_operation();
            let parent_key = group
                .root
                .link(system)
                .and_then(|link| link.key.clone().filter(|_| link.shadow.is_some()));
            let Some(part) = draft.at.part_mut(&mut group) else { continue };
            let exists_version = part.exists.version;
            let mut link = part.take_link(system);
            let intent = Intent {
                id,
                kind: draft.kind,
                set: draft.set,
                exists_version,
                expect: draft.expect.clone(),
                token: link.token.clone(),
                status: IntentStatus::Sent,
            };
            let key = match draft.kind {
                // Where rows are marked instead of deleted, the one it had is still in the way.
                WriteKind::Insert => {
                    let binding = self.plan.binding(draft.binding);
                    link.key.clone().filter(|_| binding.is_some_and(|it| it.soft_delete.is_some()))
                }
                WriteKind::Update | WriteKind::Delete => link.key.clone(),
            };
            // The row gets a key of its own: what is seen under that of the one before says nothing of it.
            let is_new = draft.kind == WriteKind::Insert && key.is_none() && class != Class::Log;
            let own = self.plan.binding(draft.binding).and_then(|it| key_of_set(it, &intent));
            let given_up = link.key.take_if(|_| is_new && own.is_none());
            let order = link.order;
            writes.push(RowWrite {
                record,
                intent: id,
                binding: draft.binding,
                key,
                parent: parent_key.filter(|_| draft.at != PartAt::Root),
                kind: draft.kind,
                set: intent.set.iter().map(|(field, value, _)| (*field, value.clone())).collect(),
                expect: draft.expect,
                token: intent.token.clone(),
            });
            if self.plan.is_mutant(Mutant::OnlyNewestDoubt) {
                link.unresolved.clear();
            }
            link.unresolved.push(intent);
            link.lane = Lane::Write(id);
            link.touched = operation;
            part.put_link(link);
            if let Some(key) = given_up {
                self.give_up(&mut group, draft.at, draft.binding, key, order);
            }
        }
        self.put_changed(group, before);
    }
}

impl Ground<'_> {
    /// Everything the hub knows, for a row that is created.
    fn insert(&self) -> Result<Natives, Problem> {
        let mut natives = Natives::default();
        for (field, cell) in cells(self.binding) {
            let Some(golden) = self.part.cell(field) else { continue };
            if !may_write(self.view.entity, field, self.binding.system) {
                continue;
            }
            let value = self.view.put(self.binding.system, field, cell, &golden.value, None);
            match value {
                // Nobody ever said anything: the system's own default stands, unless the cell has one.
                Ok(Value::Null) if golden.version == 0 => {}
                Ok(value) => natives.set.push((field, value, golden.version)),
                Err(PutError::Problem(_)) if golden.version == 0 => {}
                Err(PutError::Problem(problem)) => {
                    return Err(self.named(field, problem));
                }
                // Written empty now, and again when the parent is there.
                Err(PutError::Blocked(parent))
                    if self.circles.contains(&parent)
                        || self.view.plan.is_mutant(Mutant::ChildFirst) =>
                {
                    natives.set.push((field, Value::Null, 0));
                }
                Err(PutError::Blocked(parent)) => natives.blocked.push(parent),
                Err(PutError::Unknown) => {}
            }
        }
        Ok(natives)
    }

    /// The fields that differ, for a row that is there.
    fn update(&self, fields: &[FieldIndex]) -> Result<Natives, Problem> {
        let mut natives = Natives::default();
        let shadow = self.part.link(self.binding.system).and_then(|link| link.shadow.as_ref());
        for field in fields {
            let (Some(cell), Some(golden)) = (self.binding.cell(*field), self.part.cell(*field))
            else {
                continue;
            };
            let shown = shadow.and_then(|row| row.value(*field));
            match self.view.put(self.binding.system, *field, cell, &golden.value, shown) {
                Ok(value) => natives.set.push((*field, value, golden.version)),
                Err(PutError::Problem(problem)) => {
                    return Err(self.named(*field, problem));
                }
                Err(PutError::Blocked(parent)) => natives.blocked.push(parent),
                Err(PutError::Unknown) => {}
            }
        }
        Ok(natives)
    }

    /// The problem with its place: the field that cannot be said there, or the column that cannot
    /// take it.
    fn named(&self, field: FieldIndex, mut problem: Problem) -> Problem {
        let system = self.view.plan.system(self.binding.system).map(|system| &system.name);
        let cell = self.binding.cell(field);
        let name = self.view.entity.field(field).map(|field| &field.name);
        problem.message = match (problem.code.starts_with("write."), system, cell, name) {
            (true, Some(system), Some(cell), _) => {
                let table = &self.binding.table.table;
                format!("{system}.{table}.{} {}", cell.place, problem.message)
            }
            (_, _, _, Some(name)) => format!("{name}: {}", problem.message),
            (_, _, _, None) => problem.message,
        };
        problem
    }
}

/// Deletes of children first, then the record, then its other children; the record's own delete
/// last of all.
fn in_order(mut needs: Vec<PartNeed>) -> Vec<PartNeed> {
    needs.sort_by_key(|part| match (&part.need, part.child) {
        (Need::Delete, Some(_)) => 0,
        (Need::Delete, None) => 4,
        (_, None) => 1,
        (Need::Update(_), Some(_)) => 2,
        (Need::Insert | Need::Nothing, Some(_)) => 3,
    });
    needs
}
