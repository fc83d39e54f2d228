//! Answers to writes: correctness.md 2.2, `on WriteDone`.

use crate::{
    Text,
    audit::event,
    change::{Effect, Order, Outcome, Row, RowKey, Token, WriteKind},
    commit::{AuditEvent, AuditKind, KnownRow, QuarantineChange, Subject},
    echo,
    group::{Group, Intent, IntentStatus, Lane, Link, Parked, Part},
    index::{keyless_doubt, versions},
    merge::Own,
    mutant::Mutant,
    name::{BindingIndex, IntentId, RecordId, SystemIndex, Timestamp},
    need::{Need, Rows, needs},
    plan::Class,
    step::{
        fence::in_doubt,
        judge,
        link::PartAt,
        pass::Pass,
        recover::{key_in_doubt, nameless_doubts},
        rivals,
    },
};

/// Until a refusal that may heal by itself is tried again, in milliseconds; doubled every time.
const HEAL_MS: i64 = 60_000;

/// One write that was answered.
pub(super) struct Answered {
    pub(super) at: PartAt,
    pub(super) binding: BindingIndex,
    pub(super) system: SystemIndex,
    pub(super) class: Class,
    pub(super) intent: Intent,
}

impl Pass<'_> {
    /// What an answer to a write means.
    pub(super) fn written(&mut self, record: RecordId, id: IntentId, outcome: &Outcome) {
        let Some(mut group) = self.take(record) else { return };
        let Some(answered) = self.answered(&group, id) else {
            // Settled already: by its mark in the log, or by a read after a crash.
            self.put_back(group);
            return;
        };
        let before = self.before(&group);
        let operation = self.next_operation();
        if let Some(link) = link_mut(&mut group, &answered) {
            link.touched = operation;
            if matches!(link.lane, Lane::Write(lane) if lane == id) {
                link.lane = Lane::Free;
            }
        }
        match outcome {
            Outcome::Applied { key, post, token, order, transaction } => {
                let after = After {
                    key,
                    post: post.as_ref(),
                    token: token.as_ref(),
                    order: *order,
                    transaction: transaction.as_ref(),
                };
                match self.displaces(record, &answered, key) {
                    Some(holder) if answered.class != Class::Log => {
                        self.displaced(&mut group, &answered, key, holder);
                    }
                    Some(_) | None => {
                        self.take_over(record, &answered, key);
                        self.applied(&mut group, &answered, &after);
                    }
                }
            }
            Outcome::Precondition { current, token } => {
                self.changed_meanwhile(&mut group, &answered, current.as_ref(), token.as_ref());
            }
            Outcome::Unique { columns, holder } => {
                if self.is_perhaps_our_own(&answered, holder.as_ref()) {
                    if let Some(link) = link_mut(&mut group, &answered) {
                        put_in_doubt(link, &answered);
                    }
                } else {
                    drop_intent(&mut group, &answered);
                }
                self.unique(&mut group, answered.at, answered.binding, columns, holder.as_ref());
            }
            Outcome::Foreign { constraint } => {
                drop_intent(&mut group, &answered);
                let (code, message) = match answered.intent.kind {
                    WriteKind::Delete => ("write.children_exist", "rows still refer to it"),
                    WriteKind::Insert | WriteKind::Update => {
                        ("write.parent_missing", "a row it refers to is not there")
                    }
                };
                let message = format!("{message} ({constraint})");
                self.park_write(&mut group, answered.at, answered.system, code, &message, true);
                self.read_suspects(&mut group, &answered);
            }
            Outcome::Invalid { code, reason } => {
                drop_intent(&mut group, &answered);
                self.park_write(&mut group, answered.at, answered.system, code, reason, false);
            }
            // The first of two deliveries may have made all of them; the second failed for another (F1).
            Outcome::Sibling if self.retries(answered.system) => {
                if let Some(link) = link_mut(&mut group, &answered) {
                    put_in_doubt(link, &answered);
                }
            }
            Outcome::Retry { .. } | Outcome::Sibling => drop_intent(&mut group, &answered),
            Outcome::Unknown { .. } if self.plan.is_mutant(Mutant::DoubtForgotten) => {
                drop_intent(&mut group, &answered);
            }
            Outcome::Unknown { .. } => {
                let key = link_mut(&mut group, &answered).and_then(|link| {
                    put_in_doubt(link, &answered);
                    key_in_doubt(self.plan, answered.binding, link)
                });
                if let Some(key) = key {
                    self.rename(&mut group, &answered, &key);
                }
                let nameless = link_mut(&mut group, &answered)
                    .and_then(|link| nameless_doubts(self.plan, answered.binding, link));
                if let Some((binding, intents)) = nameless {
                    self.journal.effects.push(Effect::ReadMarks { record, binding, intents });
                }
            }
        }
        self.put_changed(group, before);
    }

    pub(super) fn answered(&self, group: &Group, id: IntentId) -> Option<Answered> {
        let parts =
            std::iter::once(PartAt::Root).chain((0..group.children.len()).map(PartAt::Child));
        for at in parts {
            let entity = match at {
                PartAt::Root => group.entity,
                PartAt::Child(child) => group.children.get(child)?.list,
            };
            for link in &at.part(group)?.links {
                let intent = link.unresolved.iter().find(|intent| intent.id == id);
                if let Some(intent) = intent {
                    return Some(Answered {
                        at,
                        binding: self.plan.binding_of(entity, link.system)?,
                        system: link.system,
                        class: self.class(link.system),
                        intent: intent.clone(),
                    });
                }
            }
        }
        None
    }

    /// Done. The post-image is the shadow; what differs from our write in it was not ours.
    fn applied(&mut self, group: &mut Group, answered: &Answered, after: &After<'_>) {
        if answered.class == Class::Log {
            if self.plan.is_mutant(Mutant::AckMovesShadow) {
                let Some(link) = link_mut(group, answered) else { return };
                (link.shadow, link.order) = (after.post.cloned(), after.order);
            }
            // Only the log moves the shadow (D6).
            let Some(link) = link_mut(group, answered) else { return };
            let status = IntentStatus::Acknowledged {
                order: after.order,
                transaction: after.transaction.cloned(),
            };
            for intent in &mut link.unresolved {
                if intent.id == answered.intent.id {
                    intent.status = status.clone();
                }
            }
            link.lane = Lane::Echo(answered.intent.id);
            link.parked.take_if(|parked| !judge::is_rule(parked));
            link.waits_for = None;
            // Whether the other row that has its key went before, the log tells.
            let is_taken = self.displaces(group.id, answered, after.key).is_some();
            if answered.intent.kind != WriteKind::Delete && !is_taken {
                self.rename(group, answered, after.key);
            }
            self.confirm(group, answered);
            return;
        }
        let assumed;
        let post = match (after.post, answered.intent.kind) {
            (Some(post), _) => Some(post),
            (None, WriteKind::Delete) => None,
            // A target that cannot show what became of the write: as declared, until it is read.
            (None, WriteKind::Insert | WriteKind::Update) => {
                let binding = self.plan.binding(answered.binding);
                let shadow = link_mut(group, answered).and_then(|link| link.shadow.clone());
                assumed = binding
                    .and_then(|found| echo::image_after(found, &answered.intent, shadow.as_ref()));
                assumed.as_ref()
            }
        };
        let mut own = echo::exact(&answered.intent);
        self.add_earlier(group, answered, post, &mut own);
        own.whole |= self.plan.is_mutant(Mutant::AckIsWholeRow);
        if self.plan.is_mutant(Mutant::EchoAdopted) {
            own = Own { fields: Vec::new(), whole: false, ..own };
        }
        if answered.intent.kind != WriteKind::Delete {
            self.rename(group, answered, after.key);
        }
        let result = self.merge_answer(group, answered, after.key, post, &own);
        if let Some(link) = link_mut(group, answered) {
            // What was sent before and not answered expected what is no longer there; unless it is about others
            // of its values, and their system compares values.
            link.unresolved.retain(|intent| {
                let is_late = answered.class == Class::Plain && intent.expect.is_met_by(post);
                intent.id > answered.intent.id
                    || (is_late
                        && intent.status == IntentStatus::InDoubt
                        && intent.id != answered.intent.id)
            });
            link.token = after.token.cloned();
            link.order = match (after.order, link.order) {
                // The image has no version: what comes late could be taken for newer.
                (None, Some(Order::Version(_))) if after.post.is_some() => None,
                (order, known) => order.or(known),
            };
            link.parked.take_if(|parked| !judge::is_rule(parked));
            link.waits_for = None;
            if result.is_err() {
                link.must_read = true;
            }
        }
        self.confirm(group, answered);
        self.conclude(group, Some(answered.system));
    }

    /// What a write of ours left that was given up before, and arrived beside the one that is answered.
    fn add_earlier(&self, group: &Group, answered: &Answered, post: Option<&Row>, own: &mut Own) {
        let part = answered.at.part(group);
        let link = part.and_then(|part| part.link(answered.system));
        let Some((link, binding)) = link.zip(self.plan.binding(answered.binding)) else { return };
        let is_earlier = |intent: &&Intent| intent.id < answered.intent.id;
        let unresolved = link.unresolved.iter().filter(is_earlier).cloned().collect();
        let earlier = Link { unresolved, ..link.clone() };
        let traces = echo::Traces::default();
        let (theirs, _) =
            echo::attribute(self.plan, answered.class, &earlier, binding, post, traces);
        for (field, version) in theirs.fields {
            if !own.whole && !own.fields.iter().any(|(known, _)| *known == field) {
                own.fields.push((field, version));
                own.ambiguous = true;
            }
        }
    }

    /// The row has this key from now on.
    pub(super) fn rename(&mut self, group: &mut Group, answered: &Answered, key: &RowKey) {
        let record = group.id;
        let Some(link) = link_mut(group, answered) else { return };
        if link.key.as_ref() == Some(key) {
            return;
        }
        let (old, order) = (link.key.replace(key.clone()), link.order);
        rivals::remove(group, answered.binding, key);
        self.is_no_rival(answered.binding, key, record);
        if let Some(old) = old {
            self.give_up(group, answered.at, answered.binding, old, order);
        }
        let is_child = answered.at != PartAt::Root;
        if is_child {
            self.give_way(group, answered.at, answered.binding, key);
        }
        self.learn(answered.binding, key.clone(), record, is_child);
    }

    fn confirm(&mut self, group: &Group, answered: &Answered) {
        let part = answered.at.key(group);
        let key = answered
            .at
            .part(group)
            .and_then(|part| part.link(answered.system))
            .and_then(|link| link.key.clone());
        let note = match answered.intent.kind {
            WriteKind::Insert => "created",
            WriteKind::Update => "updated",
            WriteKind::Delete => "deleted",
        };
        self.journal.audit.push(AuditEvent {
            system: Some(answered.system),
            key,
            note: note.into(),
            ..event(group.id, group.entity, &part, AuditKind::Written)
        });
        let refused = answered.at.part(group).is_some();
        if refused {
            let subject = Subject::Write { record: group.id, part, system: answered.system };
            self.journal.quarantine.push(QuarantineChange::Release { subject });
        }
    }

    /// Whether a request may reach the system twice.
    fn retries(&self, system: SystemIndex) -> bool {
        self.plan.system(system).is_some_and(|system| system.path_retries)
    }

    /// Whether an insert may have been refused because of the row that it has made itself: a request that
    /// reached its system twice finds its own values taken (F1). Not if their holder is known for another's.
    fn is_perhaps_our_own(&self, answered: &Answered, holder: Option<&RowKey>) -> bool {
        let known = holder.and_then(|key| self.working.keys.get(&(answered.binding, key.clone())));
        let is_anothers = known.and_then(Option::as_ref).is_some_and(KnownRow::is_at_hand);
        answered.intent.kind == WriteKind::Insert && self.retries(answered.system) && !is_anothers
    }

    /// Not done: somebody changed the row between our read and our write.
    fn changed_meanwhile(
        &mut self,
        group: &mut Group,
        answered: &Answered,
        current: Option<&Row>,
        token: Option<&Token>,
    ) {
        let retries = self.retries(answered.system);
        let Some(link) = link_mut(group, answered) else { return };
        if retries && !self.plan.is_mutant(Mutant::FailureFinal) {
            // It may have been applied by the first of two deliveries (F1).
            for intent in &mut link.unresolved {
                if intent.id == answered.intent.id {
                    intent.status = IntentStatus::InDoubt;
                }
            }
        } else {
            link.unresolved.retain(|intent| intent.id != answered.intent.id);
        }
        if answered.class == Class::Log && !self.plan.is_mutant(Mutant::FailureImageTrusted) {
            // The image has no author and no place in the log (F2): it only says whether the log has
            // told of it already. Once the log has told of something since the write was planned, the
            // image may be older than that: nothing more need come.
            let shadow = link.shadow.as_ref();
            link.wait = current != shadow && answered.intent.expect.is_met_by(shadow);
            return;
        }
        let is_versioned = matches!(link.order, Some(Order::Version(_)));
        if (answered.class == Class::Versioned || is_versioned)
            && let Some(key) = link.key.clone()
        {
            // The image has no version: what comes late could be taken for newer.
            link.must_read = true;
            let doubts = in_doubt(link);
            self.ask(answered.binding, key, doubts);
            return;
        }
        let key = link.key.clone().or_else(|| self.key_written(answered));
        let Some(key) = key else {
            // A row of which only its values are known: found by the next read.
            if let Some(link) = link_mut(group, answered) {
                link.must_read = false;
            }
            return;
        };
        self.rename(group, answered, &key);
        let Some(binding) = self.plan.binding(answered.binding) else { return };
        let own = match link_mut(group, answered) {
            Some(link) => {
                let traces = echo::Traces::default();
                echo::attribute(self.plan, answered.class, link, binding, current, traces)
            }
            None => (Own::default(), None),
        };
        let result = self.merge_answer(group, answered, &key, current, &own.0);
        if let Some(link) = link_mut(group, answered) {
            if let Some(settled) = own.1 {
                link.unresolved.retain(|intent| intent.id != settled);
            }
            if token.is_some() {
                link.token = token.cloned();
            }
            link.must_read |= result.is_err();
        }
        self.conclude(group, Some(answered.system));
    }

    /// The key that an insert carries in its own fields, if it does.
    fn key_written(&self, answered: &Answered) -> Option<RowKey> {
        key_of_set(self.plan.binding(answered.binding)?, &answered.intent)
    }

    /// A write was refused: it is not tried again as it is.
    pub(super) fn park_write(
        &mut self,
        group: &mut Group,
        at: PartAt,
        system: SystemIndex,
        code: &'static str,
        message: &str,
        may_heal: bool,
    ) {
        let (record, entity, key) = (group.id, group.entity, at.key(group));
        let now = self.now;
        let Some(part) = at.part_mut(group) else { return };
        let versions = versions(part);
        let mut link = part.take_link(system);
        let tries = link.parked.as_ref().filter(|parked| parked.versions == versions);
        let tries = tries.map_or(0, |parked| parked.tries) + 1;
        let not_before = may_heal.then(|| heal_at(now, tries));
        link.parked = Some(Parked { code: code.into(), versions, tries, not_before });
        part.put_link(link);
        // What breaks a rule does so for all systems.
        let subject = match code {
            judge::CODE => Subject::Record { record },
            _ => Subject::Write { record, part: key.clone(), system },
        };
        self.journal.quarantine.push(QuarantineChange::Park {
            subject,
            entity,
            record: Some(record),
            code: code.into(),
            message: message.into(),
            row: None,
            related: Vec::new(),
            awaits: None,
        });
        self.journal.audit.push(AuditEvent {
            system: Some(system),
            note: Text::from(code),
            ..event(record, entity, &key, AuditKind::Refused)
        });
    }
}

impl Pass<'_> {
    /// Writes that were refused, or waited, and are not needed any more are nobody's concern; what no rule
    /// keeps back any more is due.
    pub(super) fn release_writes(&mut self, group: &mut Group) {
        let parked = |part: &Part| part.links.iter().any(|link| link.parked.is_some());
        if !group.parts().any(|(_, part)| parked(part)) {
            return;
        }
        self.release_valid(group);
        for system in (0..self.plan.systems.len() as u16).map(SystemIndex) {
            let rows = Rows { working: Some(self.working) };
            for need in needs(self.plan, group, system, rows) {
                let at = need.child.map_or(PartAt::Root, PartAt::Child);
                let (record, part) = (group.id, at.key(group));
                let link = at.part_mut(group).and_then(|part| part.link_mut(system));
                let Some(link) = link.filter(|link| link.parked.is_some()) else { continue };
                if need.need == Need::Nothing && !link.parked.as_ref().is_some_and(judge::is_rule) {
                    link.parked = None;
                    let subject = Subject::Write { record, part, system };
                    self.journal.quarantine.push(QuarantineChange::Release { subject });
                }
            }
        }
    }
}

/// The key that an insert carries in its own fields, if all key columns are fields.
pub(crate) fn key_of_set(binding: &crate::plan::Binding, intent: &Intent) -> Option<RowKey> {
    if binding.table.key_fields.is_empty() {
        return None;
    }
    let mut values = Vec::with_capacity(binding.table.key_fields.len());
    for field in &binding.table.key_fields {
        let field = (*field)?;
        values.push(
            intent.set.iter().find(|(known, ..)| *known == field).map(|(_, value, _)| value)?,
        );
    }
    Some(RowKey::new(values))
}

fn heal_at(now: Timestamp, tries: u32) -> Timestamp {
    now.plus_ms(HEAL_MS << tries.saturating_sub(1).min(6))
}

/// What a write that was done left.
struct After<'a> {
    key: &'a RowKey,
    post: Option<&'a Row>,
    token: Option<&'a Token>,
    order: Option<Order>,
    transaction: Option<&'a Text>,
}

pub(super) fn link_mut<'a>(group: &'a mut Group, answered: &Answered) -> Option<&'a mut Link> {
    answered.at.part_mut(group)?.link_mut(answered.system)
}

pub(super) fn drop_intent(group: &mut Group, answered: &Answered) {
    if let Some(link) = link_mut(group, answered) {
        link.unresolved.retain(|intent| intent.id != answered.intent.id);
    }
}

fn put_in_doubt(link: &mut Link, answered: &Answered) {
    let mut sent = link
        .unresolved
        .iter_mut()
        .filter(|intent| intent.id == answered.intent.id && intent.status == IntentStatus::Sent);
    // The same answer twice says nothing new.
    let Some(intent) = sent.next() else { return };
    intent.status = IntentStatus::InDoubt;
    link.must_read |= answered.class != Class::Log || keyless_doubt(None, link).is_some();
}
