//! The two doors of a simulated system: what it shows and how it answers, in any weather.

use std::future;

use async_trait::async_trait;
use syncline_core::{
    change::{
        MarkAnswer, MarkFate, Observed, Outcome, Position, ReadResult, RowKey, RowWrite, WriteGroup,
    },
    error::{ErrorKind, PortError},
    name::{BindingIndex, IntentId},
    plan::Class,
};
use syncline_ports::{
    source::{Batch, KeyAnswer, Limit, ReadRequest, Source, Then},
    target::Target,
};

use crate::{
    moment::moment,
    system::{OVERLAP, SimState, SimSystem},
};

/// The reading door of a simulated system.
#[derive(Debug)]
pub struct SimSource(pub SimSystem);

/// The writing door of a simulated system.
#[derive(Debug)]
pub struct SimTarget(pub SimSystem);

/// What happens to the next batch of writes, on a day that is calm otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disturbance {
    /// It is made, and its answer is lost.
    LostAnswer,
    /// It never arrives, and nobody says so.
    LostWrite,
    /// It is made, and who sent it waits for the answer for ever.
    HeldAnswer,
    /// It never arrives, and who sent it waits for ever.
    HeldWrite,
    /// It never arrives, and the system cannot be reached any more.
    DiesBefore,
    /// It is made, nobody hears of it, and the system cannot be reached any more.
    DiesAfter,
}

fn refused() -> PortError {
    PortError::new(ErrorKind::Unreachable, "reach the simulated system", "bad weather")
}

#[async_trait]
impl Source for SimSource {
    async fn read(&mut self, request: &ReadRequest, limit: Limit) -> Result<Batch, PortError> {
        moment().await;
        let batch = {
            let mut state = self.0.state();
            let percent = state.weather.refused;
            if state.chance.percent(percent) {
                state.faults += 1;
                return Err(refused());
            }
            match request {
                ReadRequest::Poll { binding, from } => state.poll(*binding, from.as_ref(), limit),
                ReadRequest::Scan { binding, after } => state.scan(*binding, after.as_ref()),
                ReadRequest::ScanFrom { binding, from } => state.scan_from(*binding, from),
                ReadRequest::Keys { binding, keys } => state.answer(*binding, keys),
                ReadRequest::Marks { intents, .. } => state.made(intents),
                ReadRequest::Children { .. } => Batch { then: Then::Idle, ..Batch::default() },
            }
        };
        moment().await;
        Ok(batch)
    }
}

/// Where a poll goes on: the lowest stamp of this pass, and the last row that it showed.
fn place(low: u64, last: Option<&(u64, RowKey)>) -> Position {
    let mut bytes = low.to_be_bytes().to_vec();
    if let Some((stamp, key)) = last {
        bytes.extend_from_slice(&stamp.to_be_bytes());
        bytes.extend_from_slice(&key.0);
    }
    Position(bytes)
}

fn resume(position: Option<&Position>) -> (u64, Option<(u64, RowKey)>) {
    let mut rest = position.map_or(&[][..], |position| &position.0);
    let mut number = || {
        let (bytes, others) = rest.split_first_chunk::<8>()?;
        rest = others;
        Some(u64::from_be_bytes(*bytes))
    };
    let (low, stamp) = (number().unwrap_or(0), number());
    (low, stamp.map(|stamp| (stamp, RowKey(rest.into()))))
}

/// Where a scan is: how many rows it has shown, and behind how many it began.
fn in_scan(position: Option<&Position>) -> (usize, usize) {
    let mut rest = position.map_or(&[][..], |position| &position.0);
    let mut number = || {
        let (bytes, others) = rest.split_first_chunk::<8>()?;
        rest = others;
        Some(u64::from_be_bytes(*bytes) as usize)
    };
    (number().unwrap_or(0), number().unwrap_or(0))
}

impl SimState {
    /// Rows in the order of their stamps, page by page. The next pass begins an overlap before the
    /// highest stamp of this one.
    fn poll(&mut self, binding: BindingIndex, from: Option<&Position>, limit: Limit) -> Batch {
        const PAGE: usize = 3;
        let (low, page) = if self.is_file() { (0, None) } else { resume(from) };
        let limit = if self.is_file() { Limit { rows: usize::MAX, ..limit } } else { limit };
        let page_max = if self.is_file() { usize::MAX } else { PAGE };
        let is_old = self.look_at_copy();
        let rows = self.tables.get(&binding).map(|table| &table.rows);
        let mut changed: Vec<(u64, RowKey)> = rows
            .into_iter()
            .flatten()
            .map(|(key, row)| (row.stamp, key.clone()))
            .filter(|place| place.0 >= low && page.as_ref().is_none_or(|page| place > page))
            .collect();
        changed.sort();
        let more = changed.len() > page_max.min(limit.rows);
        changed.truncate(page_max.min(limit.rows));
        let last = changed.last().cloned().or(page);
        let rows = changed.iter().map(|(_, key)| self.observe(binding, key)).collect();
        self.look_away(is_old);
        if more && self.rare.crowd {
            self.happened.note("crowd");
        }
        let highest = last.as_ref().map_or(low, |(stamp, _)| *stamp);
        let upto = if more {
            place(low, last.as_ref())
        } else {
            place(low.max(highest.saturating_sub(OVERLAP)), None)
        };
        let then = if more { Then::More } else { Then::Idle };
        Batch { rows, upto: Some(upto), then, ..Batch::default() }
    }

    /// From now on reads show a copy that lags behind, if this system is read that way just now.
    fn look_at_copy(&mut self) -> bool {
        if !self.rare.old_looks || self.class != Class::Versioned {
            return false;
        }
        if self.weather.is_calm() || self.chance.percent(30) || self.copy.is_none() {
            self.copy = Some(self.tables.clone());
            return false;
        }
        let Some(copy) = &mut self.copy else { return false };
        std::mem::swap(copy, &mut self.tables);
        self.happened.note("old_looks");
        true
    }

    /// Reads show the system itself again.
    fn look_away(&mut self, is_old: bool) {
        if let (true, Some(copy)) = (is_old, &mut self.copy) {
            std::mem::swap(copy, &mut self.tables);
        }
    }

    /// Whether it is read and written as a whole.
    fn is_file(&self) -> bool {
        self.rare.files && self.class == Class::Blind
    }

    /// The rows as they are now, in the order in which a scan shows them.
    fn begin_scan(&mut self, binding: BindingIndex) {
        let is_old = self.look_at_copy();
        let keys = self.keys(binding);
        let snapshot = keys.iter().map(|key| self.observe(binding, key)).collect();
        self.look_away(is_old);
        self.snapshots.insert(binding, snapshot);
    }

    /// A scan that begins where another was cut: what was shown then comes last.
    fn scan_from(&mut self, binding: BindingIndex, from: &Position) -> Batch {
        self.happened.note("scans_gone_on_with");
        self.begin_scan(binding);
        let (shown, turned) = in_scan(Some(from));
        let Some(snapshot) = self.snapshots.get_mut(&binding) else { return Batch::default() };
        let turned = (shown + turned) % snapshot.len().max(1);
        snapshot.rotate_left(turned);
        self.page(binding, 0, turned)
    }

    fn scan(&mut self, binding: BindingIndex, after: Option<&Position>) -> Batch {
        if after.is_none() {
            self.begin_scan(binding);
        }
        let percent = self.weather.cut;
        if after.is_some() && self.chance.percent(percent) {
            self.faults += 1;
            return Batch {
                then: Then::ScanIncomplete { reason: "the connection was cut".into() },
                ..Batch::default()
            };
        }
        let (shown, turned) = in_scan(after);
        self.page(binding, shown, turned)
    }

    /// A page of the scan under way, after so many rows; it began behind so many.
    fn page(&mut self, binding: BindingIndex, from: usize, turned: usize) -> Batch {
        const PAGE: usize = 2;
        let snapshot = self.snapshots.get(&binding).cloned().unwrap_or_default();
        let rows: Vec<Observed> = snapshot.iter().skip(from).take(PAGE).cloned().collect();
        let upto = from + rows.len();
        if upto >= snapshot.len() {
            return Batch {
                rows,
                upto: None,
                then: Then::ScanComplete { rows: snapshot.len() as u64 },
                ..Batch::default()
            };
        }
        Batch {
            rows,
            upto: Some(Position([upto, turned].map(|at| (at as u64).to_be_bytes()).concat())),
            then: Then::More,
            ..Batch::default()
        }
    }

    /// What became of inserts whose rows nobody can name.
    pub(crate) fn made(&mut self, intents: &[IntentId]) -> Batch {
        let is_marked = matches!(self.class, Class::Marked | Class::Log);
        let asked = intents.iter().filter(|_| is_marked);
        let marks = asked.map(|intent| MarkAnswer {
            intent: *intent,
            fate: *self.marks.entry(*intent).or_insert(MarkFate::Void),
            key: self.made.get(intent).cloned(),
        });
        Batch { marks: marks.collect(), then: Then::Idle, ..Batch::default() }
    }

    pub(crate) fn answer(
        &mut self,
        binding: BindingIndex,
        keys: &[syncline_ports::source::KeyRead],
    ) -> Batch {
        let mut answers = Vec::new();
        for read in keys {
            let mut marks = Vec::new();
            if matches!(self.class, Class::Marked | Class::Log) {
                for intent in &read.in_doubt {
                    marks.push((*intent, *self.marks.entry(*intent).or_insert(MarkFate::Void)));
                }
            }
            let observed = self.observe(binding, &read.key);
            let result = if observed.row.is_some() {
                ReadResult::Found(Box::new(observed))
            } else {
                ReadResult::Absent
            };
            answers.push(KeyAnswer {
                key: read.key.clone(),
                operation: read.operation,
                result,
                marks,
            });
        }
        let percent = self.weather.cut;
        if percent > 0 && self.chance.percent(percent) {
            // Of some nothing is said, as of items that a REST system answers one by one.
            self.faults += 1;
            let said = self.chance.below(answers.len() + 1);
            answers.truncate(said);
        }
        Batch { answers, then: Then::Idle, ..Batch::default() }
    }
}

#[async_trait]
impl Target for SimTarget {
    async fn apply(&mut self, groups: &[WriteGroup]) -> Vec<(IntentId, Outcome)> {
        moment().await;
        let mut outcomes = Vec::new();
        let disturbance = self.0.state().disturbance.take();
        if let Some(disturbance) = disturbance {
            let (arrives, ends) = match disturbance {
                Disturbance::LostAnswer => (true, true),
                Disturbance::LostWrite => (false, true),
                Disturbance::HeldAnswer => (true, false),
                Disturbance::HeldWrite => (false, false),
                Disturbance::DiesBefore => (false, true),
                Disturbance::DiesAfter => (true, true),
            };
            if matches!(disturbance, Disturbance::DiesBefore | Disturbance::DiesAfter) {
                self.0.state().weather.refused = 100;
            }
            for group in groups.iter().filter(|_| arrives) {
                self.0.state().apply_group(group);
            }
            if !ends {
                future::pending::<()>().await;
            }
            return groups.iter().flat_map(unknown).collect();
        }
        let mut whole = None;
        for group in groups {
            let fate = {
                let mut state = self.0.state();
                let weather = state.weather;
                let mut draw = state.chance.below(100) as u32;
                if state.is_file() {
                    // It is written once, with everything.
                    draw = *whole.get_or_insert(draw);
                    state.happened.note("files");
                }
                let disturbed = draw < weather.refused + weather.zombie + weather.lost;
                // Every row of the group is in doubt then.
                state.faults += if disturbed { group.writes.len() as u64 } else { 0 };
                if draw < weather.refused {
                    let retry = |write: &RowWrite| {
                        (write.intent, Outcome::Retry { reason: "refused".into() })
                    };
                    group.writes.iter().map(retry).collect()
                } else if draw < weather.refused + weather.zombie {
                    state.delay(group.clone());
                    unknown(group)
                } else {
                    let done = state.apply_perhaps_twice(group);
                    if draw < weather.refused + weather.zombie + weather.lost {
                        unknown(group)
                    } else {
                        done
                    }
                }
            };
            outcomes.extend(fate);
            moment().await;
        }
        outcomes
    }
}

fn unknown(group: &WriteGroup) -> Vec<(IntentId, Outcome)> {
    let lost = |write: &RowWrite| {
        (write.intent, Outcome::Unknown { reason: "the answer was lost".into() })
    };
    group.writes.iter().map(lost).collect()
}
