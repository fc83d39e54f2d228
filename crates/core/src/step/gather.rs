//! What a batch must see before it can be decided, and where each of its rows goes.

use crate::{
    change::{Command, Cycles, Input, Order, Row, RowKey},
    commit::{KnownRow, MatchKey, Wants, Working},
    group::Group,
    matching,
    merge::{Trouble, take},
    name::{BindingIndex, IntentId, RecordId, SystemIndex},
    need::{cells, reference_key},
    plan::{Binding, Entity, Plan},
    step::{
        former::is_taken_again,
        sight::{How, Item, Sight},
    },
    value::Slot,
};

mod answers;
mod due;

/// Where a row goes.
#[derive(Clone, Debug, Default)]
pub(crate) enum Route {
    /// Not a row, or one that needs no record.
    #[default]
    Direct,
    /// It says nothing new.
    Quiet(RecordId),
    /// It is linked.
    Linked,
    /// It is not; these are its match keys.
    Unlinked(Vec<(u16, MatchKey)>),
    /// It is not, and cannot be read.
    Unreadable(Trouble),
}

/// How far it is known where an item goes. What was loaded stays loaded, so this only grows.
#[derive(Clone, Debug, Default)]
pub(crate) enum Found {
    /// Not yet.
    #[default]
    Nothing,
    /// The row is not linked, and only the records with these match keys are missing.
    Keys(Vec<(u16, MatchKey)>),
    /// Nothing is missing.
    All(Route),
}

impl Found {
    /// Where it goes, as far as that is known.
    pub(crate) fn route(self) -> Route {
        match self {
            Self::All(route) => route,
            Self::Keys(keys) => Route::Unlinked(keys),
            Self::Nothing => Route::Direct,
        }
    }
}

/// Looks up where each item goes, and gathers what is missing. Changes nothing but what was found.
pub(crate) fn gather(
    plan: &Plan,
    working: &Working,
    items: &[Item<'_>],
    found: &mut [Found],
) -> Wants {
    let mut gather = Gather { plan, working, wants: Wants::default(), misses: false };
    for (item, found) in items.iter().zip(found) {
        if matches!(found, Found::All(_)) {
            continue;
        }
        gather.misses = false;
        *found = match item {
            Item::Sight(sight) => {
                let found = gather.sight(sight, std::mem::take(found));
                if !matches!(found, Found::All(Route::Quiet(_))) {
                    gather.tally(sight);
                }
                found
            }
            Item::Other(input) => {
                gather.other(input);
                Found::All(Route::Direct)
            }
        };
        if gather.misses && matches!(found, Found::All(_)) {
            *found = Found::Nothing;
        }
    }
    gather.wants
}

/// Whether a plan of this record's rows in this system would have to see more.
pub(super) fn misses_for(
    plan: &Plan,
    working: &Working,
    record: RecordId,
    system: SystemIndex,
) -> bool {
    let mut gather = Gather { plan, working, wants: Wants::default(), misses: false };
    gather.due(record, system, Cycles::Wait);
    gather.misses
}

pub(super) struct Gather<'a> {
    pub(super) plan: &'a Plan,
    pub(super) working: &'a Working,
    pub(super) wants: Wants,
    /// Something is missing that the item at hand needs.
    pub(super) misses: bool,
}

impl<'a> Gather<'a> {
    /// What is known of a row, asking for it if it was not looked up.
    pub(super) fn known(
        &mut self,
        binding: BindingIndex,
        key: &RowKey,
    ) -> Option<Option<&'a KnownRow>> {
        let key = (binding, key.clone());
        match self.working.keys.get(&key) {
            Some(known) => Some(known.as_ref()),
            None => {
                self.misses = true;
                self.wants.keys.insert(key);
                None
            }
        }
    }

    /// A record, asking for it if it was not loaded.
    pub(super) fn record(&mut self, record: RecordId) -> Option<&'a Group> {
        match self.working.groups.get(&record) {
            Some(group) => group.as_ref(),
            None => {
                self.misses = true;
                self.wants.records.insert(record);
                None
            }
        }
    }

    fn sight(&mut self, sight: &Sight<'_>, found: Found) -> Found {
        let direct = Found::All(Route::Direct);
        let Some(binding) = self.plan.binding(sight.binding) else { return direct };
        let Some(entity) = self.plan.entity(binding.entity) else { return direct };
        if let Found::Keys(keys) = found {
            return self.matches(binding, keys);
        }
        let Some(known) = self.known(sight.binding, sight.key) else {
            self.parent(sight, binding, entity);
            return direct;
        };
        match (known, sight.row) {
            (Some(known), row) => {
                if known.is_at_rest() && is_same(known, sight) {
                    return Found::All(Route::Quiet(known.record));
                }
                let mut is_another = known.rival;
                let mut is_of_row = false;
                if let Some(group) = self.record(known.record) {
                    is_another |= is_taken_again(self.plan, group, sight);
                    let mut links = group.links_to(binding.system);
                    if let Some(link) = links.find(|link| link.key.as_ref() == Some(sight.key)) {
                        let mut written = link.unresolved.iter();
                        is_of_row = written.any(|intent| Some(intent.id) == sight.mark);
                        self.frees(group, binding, link, row);
                    }
                }
                self.references(binding, entity, row);
                self.parent(sight, binding, entity);
                if let Some(mark) = sight.mark.filter(|_| !is_of_row) {
                    // A row that is gone by then, and its key another's of ours.
                    self.intent(mark);
                }
                match row.filter(|_| is_another) {
                    Some(_) if entity.parent.is_some() => Found::All(Route::Unlinked(Vec::new())),
                    Some(row) => self.unlinked(binding, entity, row),
                    None => Found::All(Route::Linked),
                }
            }
            (None, None) => direct,
            (None, Some(row)) => {
                self.parent(sight, binding, entity);
                self.references(binding, entity, Some(row));
                if let Some(mark) = sight.mark {
                    self.intent(mark);
                }
                if entity.parent.is_some() {
                    return Found::All(Route::Unlinked(Vec::new()));
                }
                self.unlinked(binding, entity, row)
            }
        }
    }

    /// The record of an intent, asking for it if it was not looked up.
    fn intent(&mut self, intent: IntentId) {
        match self.working.intents.get(&intent) {
            Some(record) => {
                if let Some(record) = record {
                    self.record(*record);
                }
            }
            None => {
                self.misses = true;
                self.wants.intents.insert(intent);
            }
        }
    }

    /// The match keys of an unlinked row, and the records that have them.
    fn unlinked(&mut self, binding: &Binding, entity: &Entity, row: &Row) -> Found {
        let keys = match self.keys_of(binding, entity, row) {
            Ok(keys) => keys,
            Err(trouble) => return Found::All(Route::Unreadable(trouble)),
        };
        let misses_else = std::mem::take(&mut self.misses);
        let found = self.matches(binding, keys);
        self.misses |= misses_else;
        if misses_else { Found::Nothing } else { found }
    }

    fn keys_of(
        &self,
        binding: &Binding,
        entity: &Entity,
        row: &Row,
    ) -> Result<Vec<(u16, MatchKey)>, Trouble> {
        let mut keys = Vec::with_capacity(entity.matching.len());
        for (rule, number) in entity.matching.iter().zip(0u16..) {
            let mut values = Vec::with_capacity(rule.fields.len());
            for field in &rule.fields {
                let value = binding.cell(*field).zip(row.value(*field)).map(|(cell, native)| {
                    let system = binding.system;
                    take(self.plan, self.working, entity, system, *field, cell, native, None)
                });
                values.push(value.transpose()?);
            }
            if let Some(key) = matching::key_of(values.iter().map(Option::as_ref)) {
                keys.push((number, key));
            }
        }
        Ok(keys)
    }

    /// The records that have these match keys.
    fn matches(&mut self, binding: &Binding, keys: Vec<(u16, MatchKey)>) -> Found {
        for (rule, key) in &keys {
            let wanted = (binding.entity, *rule, *key);
            match self.working.matches.get(&wanted) {
                Some(records) => {
                    for record in records {
                        self.record(*record);
                    }
                }
                None => {
                    self.misses = true;
                    self.wants.matches.insert(wanted);
                }
            }
        }
        if self.misses { Found::Keys(keys) } else { Found::All(Route::Unlinked(keys)) }
    }

    /// For a row of a child list: its parent's record.
    fn parent(&mut self, sight: &Sight<'_>, binding: &Binding, entity: &Entity) {
        let (Some(parent), Some(key)) = (entity.parent, sight.parent) else { return };
        let Some(index) = self.plan.binding_of(parent, binding.system) else { return };
        if let Some(Some(known)) = self.known(index, key) {
            self.record(known.record);
        }
    }

    /// The rows that this row refers to.
    fn references(&mut self, binding: &Binding, entity: &Entity, row: Option<&Row>) {
        let Some(row) = row else { return };
        for (field, _) in cells(binding) {
            let Some(parent) = entity.field(field).and_then(|field| field.reference) else {
                continue;
            };
            let Some(index) = self.plan.binding_of(parent, binding.system) else { continue };
            if let Slot::Present(native) = row.slot(field)
                && let Some(key) = reference_key(native)
            {
                self.known(index, &key);
            }
        }
    }

    fn other(&mut self, input: &Input) {
        match input {
            Input::Refused { binding, key, .. } => {
                if let Some(Some(known)) = self.known(*binding, key) {
                    self.record(known.record);
                }
            }
            Input::Unseen { binding, key, .. } => {
                if let Some(Some(known)) = self.known(*binding, key)
                    && !known.is_at_rest()
                {
                    self.record(known.record);
                }
            }
            Input::WriteDone { record, outcome, intent } => {
                let group = self.record(*record);
                self.outcome(group, *intent, outcome);
            }
            Input::MarksRead { record, answers } => {
                if let Some(group) = self.record(*record) {
                    for answer in answers {
                        self.made(group, answer);
                    }
                }
            }
            Input::Due { record, system, cycles } => self.due(*record, *system, *cycles),
            Input::Orphans { record, system, after } => {
                self.due(*record, *system, Cycles::Wait);
                self.all_referring(*record, *after);
            }
            Input::Recovered { record } | Input::Renew { record, .. } => {
                self.record(*record);
            }
            Input::Restored(restored) => {
                self.record(restored.record);
            }
            Input::Drifted(drifted) => {
                self.record(drifted.record);
            }
            Input::Command(command) => self.command(command),
            Input::Change(_)
            | Input::Push(_)
            | Input::Polled { .. }
            | Input::Heard { .. }
            | Input::Accounted { .. }
            | Input::ReadDone { .. }
            | Input::ScanChunk { .. }
            | Input::ScanDone { .. }
            | Input::Timeout { .. } => {}
        }
    }

    fn command(&mut self, command: &Command) {
        match command {
            Command::Resolve { record, .. }
            | Command::Release { record, .. }
            | Command::Retry { record, .. }
            | Command::Admit { record, .. }
            | Command::Edit { record, .. }
            | Command::Rollback { record, .. } => {
                self.record(*record);
            }
            Command::Link { record, binding, key } => {
                self.record(*record);
                if let Some(Some(known)) = self.known(*binding, key) {
                    self.record(known.record);
                }
            }
        }
    }
}

/// Whether the row says nothing at all. Where a system tells what is newer, the same values in a new
/// place do say something: whatever comes from before that place is old (2.5).
fn is_same(known: &KnownRow, sight: &Sight<'_>) -> bool {
    match (known.digest, sight.row) {
        (Some(digest), Some(row)) if sight.how != How::Log => {
            digest == row.digest_at(sight.order.and_then(Order::version))
        }
        (Some(_) | None, _) => false,
    }
}
