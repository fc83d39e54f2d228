//! A scenario played by the simulator: the production loops and the production `step`, with simulated
//! systems, a hub in memory and virtual time.

use std::{
    collections::BTreeMap,
    future::Future,
    pin::pin,
    sync::atomic::AtomicBool,
    task::{Context, Poll, Waker},
};

use syncline_core::{
    change::{Command, Input, RowKey, Take},
    commit::{AuditEvent, Subject},
    error::PortError,
    group::Author,
    index::keyless_doubt,
    name::{BindingIndex, EntityIndex, FieldIndex, RecordId, RunId, SystemIndex},
    plan::Plan,
    value::{Digest, Value},
};
use syncline_engine::{
    account::Account,
    apply::{Everything, Written},
    capture::{Mode, has_cursor, stream_name},
    desk::{Desk, Unwatched},
    pass::{self, Allow, Errand, Passed, Tripped},
    read,
    reconcile::reconcile,
    recover,
    verify::{self, Options},
};
use syncline_ports::{clock::Clock as _, store::Store as _};

use crate::{
    scenario::{
        Deed, Ended, Fault, House, Kind, Moment, Run, SYSTEMS, Scenario, Table,
        conflicts::grouped,
        typed::{binding_of, equipped, field, moment, value},
    },
    system::{self, Weather, doors::Disturbance},
    world::{World, through},
};

/// A house with simulated systems.
pub struct Simulated {
    world: World,
    runs: u64,
    /// What had been set aside before the last run, and how many conflicts were open.
    known: (u64, usize),
    /// What guards stopped.
    tripped: Vec<Digest>,
}

impl Simulated {
    /// The systems of a scenario with their first rows, seen by a hub with this plan: what the
    /// configuration of the scenario means.
    ///
    /// # Errors
    /// If a row does not fit its table.
    pub fn new(scenario: &Scenario, plan: Plan) -> Result<Self, String> {
        let systems = equipped(scenario, &plan)?;
        let mut house =
            Self { world: World::bare(plan, systems), runs: 0, known: (0, 0), tripped: Vec::new() };
        house.tick();
        for (system, table, cells) in &scenario.rows {
            let table = scenario.tables.get(*table).ok_or("no such table")?;
            house.act(
                *system,
                table,
                &Deed::Create(cells.iter().cloned().enumerate().collect()),
            )?;
        }
        Ok(house)
    }

    fn tick(&self) {
        self.world.clock.pass_ms(1_000);
        let now = self.world.clock.now();
        for system in &self.world.systems {
            system.state().now = now;
        }
    }

    fn desk<'a>(&'a self, stop: &'a AtomicBool) -> Desk<'a> {
        let world = &self.world;
        Desk::new(&world.plan, &world.store, &*world.clock, &Unwatched, stop, RunId(self.runs))
    }

    /// A process that does one pass over everything.
    async fn process(&self, run: &Run, approved: Vec<Digest>) -> Result<Passed, PortError> {
        let world = &self.world;
        let stop = AtomicBool::new(false);
        let desk = self.desk(&stop);
        let mut doors = World::doors(&world.systems);
        if let Some((away, Fault::Away)) = run.fault
            && let Some(door) = doors.get_mut(away)
        {
            *door = None;
        }
        recover::recover(&desk, &mut doors).await?;
        let is_full = run.arguments.iter().any(|word| word.starts_with("--since="));
        let mut modes = BTreeMap::new();
        for binding in (0..world.plan.bindings.len()).map(|at| BindingIndex(at as u16)) {
            let stream = stream_name(&world.plan, binding, Mode::Poll);
            let is_polled = has_cursor(&world.plan, binding)
                && !is_full
                && world.store.checkpoint(&stream).await?.is_some();
            modes.insert(binding, if is_polled { Mode::Poll } else { Mode::Scan });
        }
        let roots = world.plan.entities.iter().enumerate();
        let roots = roots.filter(|(_, entity)| entity.parent.is_none());
        let errand = Errand {
            entities: roots.map(|(at, _)| (EntityIndex(at as u16), RunId(self.runs))).collect(),
            modes,
            allow: Allow { approved, ..Allow::default() },
            chooses: &Everything,
            closed: Vec::new(),
        };
        pass::run(&desk, &mut doors, &errand).await
    }

    /// How the program would end, by the ranking of its numbers: 3, 1, 5, 4.
    fn exit(&self, run: &Run, passed: &Passed) -> u8 {
        let reports = &passed.entities;
        let is_away = matches!(run.fault, Some((_, Fault::Away)))
            || reports.iter().any(|it| !it.failures.is_empty() || !it.put_off.is_empty());
        let is_refused = reports.iter().any(|it| !it.tripped.is_empty() || it.suspected.is_some());
        let is_failed = reports.iter().any(|it| !it.incomplete.is_empty()) || self.is_in_doubt();
        let (parks, open) = self.waiting();
        let is_parked = parks > self.known.0 && !self.world.store.memory().quarantine.is_empty();
        let is_aside = is_parked || open > self.known.1;
        match (is_away, is_failed, is_refused, is_aside) {
            (true, _, _, _) => 3,
            (_, true, _, _) => 1,
            (_, _, true, _) => 5,
            (_, _, _, true) => 4,
            (_, _, _, _) => 0,
        }
    }

    fn is_in_doubt(&self) -> bool {
        let memory = self.world.store.memory();
        let plan = &self.world.plan;
        memory.groups.values().any(|group| {
            group.root.links.iter().any(|link| {
                let place = plan.binding_of(group.entity, link.system);
                keyless_doubt(place.and_then(|place| plan.binding(place)), link).is_some()
            })
        })
    }

    /// How often something was set aside, and how many conflicts are open.
    fn waiting(&self) -> (u64, usize) {
        let memory = self.world.store.memory();
        let parts = memory.groups.values().flat_map(|group| group.parts());
        (memory.parks, parts.map(|(_, part)| part.conflicts.len()).sum())
    }

    fn name(&self, system: SystemIndex) -> &str {
        self.world.plan.system(system).map_or("", |system| &system.name)
    }

    fn field_name(&self, entity: EntityIndex, field: Option<FieldIndex>) -> &str {
        let found = field.and_then(|field| self.world.plan.entity(entity)?.field(field));
        found.map_or("", |field| &field.name)
    }

    fn author(&self, author: Author) -> String {
        match author {
            Author::System(system) => self.name(system).to_owned(),
            Author::Nobody => "nobody".into(),
            Author::Person => "person".into(),
            Author::Merged => "merged".into(),
        }
    }

    fn told_of(&self, event: &AuditEvent) -> String {
        let row = match (event.system, &event.key) {
            (Some(system), Some(key)) => format!("{}:{key}", self.name(system)),
            (Some(system), None) => self.name(system).to_owned(),
            (None, _) => String::new(),
        };
        let value = |value: &Option<Value>| value.as_ref().map(Value::to_string);
        format!(
            "{:?}: {} {} {} {row} ({})",
            event.kind,
            self.field_name(event.entity, event.field),
            value(&event.before).unwrap_or_default(),
            value(&event.after).unwrap_or_default(),
            event.note
        )
        .to_lowercase()
    }
}

impl House for Simulated {
    fn act(&mut self, system: usize, table: &Table, deed: &Deed) -> Result<(), String> {
        self.tick();
        let plan = &self.world.plan;
        let binding = binding_of(plan, system, table).ok_or("the table is not in the plan")?;
        let own = self.world.systems.get(system).ok_or("no such system")?;
        let mut state = own.state();
        let find = |state: &system::SimState, row: &str| {
            let naming = table.naming().and_then(|at| table.columns.get(at))?;
            if naming.is_key {
                return Some(RowKey::new([&value(naming, &Some(row.to_owned()))?]));
            }
            let (field, wanted) = (field(plan, binding, naming)?, Value::text(row));
            let mut rows = state.tables.get(&binding)?.rows.iter();
            let found = rows.find(|(_, it)| it.values.get(field.at()) == Some(&wanted))?;
            Some(found.0.clone())
        };
        match deed {
            Deed::Create(cells) => {
                let width = state.tables.get(&binding).map_or(0, |table| table.width);
                let mut values = vec![Value::Null; width];
                let (mut key, mut changed) = (None, None);
                for (at, cell) in cells {
                    let column = table.columns.get(*at).ok_or("no such column")?;
                    if column.kind == Kind::Moment {
                        changed = moment(state.now, cell);
                        continue;
                    }
                    let value = value(column, cell).ok_or_else(|| format!("value {cell:?}"))?;
                    if column.is_key {
                        key = Some(RowKey::new([&value]));
                    }
                    let place = field(plan, binding, column);
                    if let Some(place) = place.and_then(|field| values.get_mut(field.at())) {
                        *place = value;
                    }
                }
                let made = state.create_as(binding, key, values).ok_or("the value is taken")?;
                if let Some(changed) = changed {
                    state.stamp(binding, &made, changed);
                }
            }
            Deed::Edit(row, cells) => {
                let key = find(&state, row).ok_or_else(|| format!("no row {row}"))?;
                let mut changed = None;
                for (at, cell) in cells {
                    let column = table.columns.get(*at).ok_or("no such column")?;
                    if column.kind == Kind::Moment {
                        changed = moment(state.now, cell);
                        continue;
                    }
                    let value = value(column, cell).ok_or_else(|| format!("value {cell:?}"))?;
                    let field = field(plan, binding, column).ok_or("a column of no field")?;
                    if !state.edit(binding, &key, field, value) {
                        return Err(format!("{row} cannot be edited so"));
                    }
                }
                if let Some(changed) = changed {
                    state.stamp(binding, &key, changed);
                }
            }
            Deed::Delete(row) => {
                let key = find(&state, row).ok_or_else(|| format!("no row {row}"))?;
                if !state.delete(binding, &key) {
                    return Err(format!("{row} cannot be deleted"));
                }
            }
        }
        Ok(())
    }

    fn run(&mut self, run: &Run) -> Result<Ended, String> {
        self.tick();
        self.runs += 1;
        self.known = self.waiting();
        if let Some((at, fault)) = run.fault
            && let Some(system) = self.world.systems.get(at)
        {
            system.state().disturbance = match fault {
                Fault::Away => None,
                Fault::LostAnswer => Some(Disturbance::LostAnswer),
                Fault::LostWrite => Some(Disturbance::LostWrite),
                Fault::DiesBefore => Some(Disturbance::DiesBefore),
                Fault::DiesAfter => Some(Disturbance::DiesAfter),
            };
        }
        let passed = through(self.process(run, Vec::new())).map_err(|error| error.to_string())?;
        for tripped in passed.entities.iter().flat_map(|report| &report.tripped) {
            self.tripped.push(match tripped {
                Tripped::Absences(held) => held.digest,
                Tripped::Planned { digest, .. } => *digest,
            });
        }
        for system in &self.world.systems {
            system.state().weather = Weather::default();
            if system.state().disturbance.take().is_some() {
                return Err("nothing was written there, so nothing went wrong".into());
            }
        }
        let mut writes = [0; SYSTEMS];
        for (system, written) in passed.entities.iter().flat_map(|report| &report.written) {
            if let Some(place) = writes.get_mut(system.at()) {
                *place += Written::total(written);
            }
        }
        Ok(Ended { exit: self.exit(run, &passed), writes })
    }

    fn kill(&mut self, system: usize, moment: Moment) -> Result<(), String> {
        self.tick();
        self.runs += 1;
        let own = self.world.systems.get(system).ok_or("no such system")?;
        own.state().disturbance = Some(match moment {
            Moment::BeforeWrite => Disturbance::HeldWrite,
            Moment::BeforeAnswer => Disturbance::HeldAnswer,
        });
        let run = Run::default();
        let mut process = pin!(self.process(&run, Vec::new()));
        while own.state().disturbance.is_some() {
            let polled = process.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            if let Poll::Ready(ended) = polled {
                let ended = ended.map(|_| "it ended before it was killed".to_owned());
                return Err(ended.unwrap_or_else(|error| error.to_string()));
            }
        }
        Ok(())
    }

    fn resolve(&mut self, number: usize, system: usize) -> Result<(), String> {
        self.tick();
        let conflicts = grouped(&self.world.store.memory().conflicts);
        let conflict = number.checked_sub(1).and_then(|at| conflicts.get(at));
        let conflict = conflict.ok_or_else(|| format!("there is no conflict {number}"))?;
        let command = Command::Resolve {
            record: conflict.place.0,
            part: conflict.place.1.clone(),
            field: conflict.place.2,
            take: Take::System(SystemIndex(system as u16)),
            who: "a person".into(),
        };
        let stop = AtomicBool::new(false);
        let desk = self.desk(&stop);
        let mut doors = World::doors(&self.world.systems);
        through(async {
            let decided = reconcile(&desk, &[Input::Command(command)], Vec::new()).await?;
            read::settle(&desk, &mut doors, decided.effects, &mut Account::default()).await
        })
        .map_err(|error: PortError| error.to_string())?;
        // The program writes at once what a person decided.
        through(self.process(&Run::default(), Vec::new())).map_err(|error| error.to_string())?;
        Ok(())
    }

    fn approve(&mut self, number: usize) -> Result<(), String> {
        self.tick();
        self.runs += 1;
        let stopped = number.checked_sub(1).and_then(|at| self.tripped.get(at));
        let stopped = *stopped.ok_or_else(|| format!("no guard stopped anything as {number}"))?;
        let passed = through(self.process(&Run::default(), vec![stopped]));
        let passed = passed.map_err(|error| error.to_string())?;
        let is_stopped = passed.entities.iter().any(|report| !report.tripped.is_empty());
        if is_stopped { Err("it was stopped again".into()) } else { Ok(()) }
    }

    fn dismiss(&mut self, number: usize) -> Result<(), String> {
        // Nothing happens: what is still so is asked about again.
        let is_known = (1..=self.tripped.len()).contains(&number);
        if is_known { Ok(()) } else { Err(format!("no guard stopped anything as {number}")) }
    }

    fn rows(&mut self, system: usize, table: &Table, columns: &[usize]) -> Vec<String> {
        let plan = &self.world.plan;
        let binding = binding_of(plan, system, table);
        let (Some(binding), Some(own)) = (binding, self.world.systems.get(system)) else {
            return Vec::new();
        };
        let state = own.state();
        let rows = state.tables.get(&binding).into_iter().flat_map(|table| &table.rows);
        let cell = |key: &RowKey, row: &system::SimRow, at: usize| {
            let column = table.columns.get(at)?;
            if column.is_key {
                return Some(key.to_string());
            }
            let value = row.values.get(field(plan, binding, column)?.at())?;
            Some(if value.is_null() { "null".into() } else { value.to_string() })
        };
        rows.map(|(key, row)| {
            let cells = columns.iter().map(|at| cell(key, row, *at).unwrap_or_default());
            cells.collect::<Vec<_>>().join("|")
        })
        .collect()
    }

    fn conflicts(&mut self) -> Vec<String> {
        let conflicts = grouped(&self.world.store.memory().conflicts);
        let shown = conflicts.iter().map(|conflict| {
            let (_, _, field, _) = &conflict.place;
            let candidates: Vec<String> = conflict
                .candidates
                .iter()
                .map(|it| format!("{}={}", self.author(it.author), it.value))
                .collect();
            let end = match &conflict.settled {
                None => "open".to_owned(),
                Some(settled) => format!("{} by {}", self.author(settled.winner), settled.rule),
            };
            format!(
                "{} {}: {}, {end}",
                self.field_name(conflict.entity, *field),
                conflict.base,
                candidates.join(" ")
            )
        });
        shown.collect()
    }

    fn aside(&mut self) -> Vec<String> {
        let memory = self.world.store.memory();
        let shown = memory.quarantine.iter().map(|(subject, (code, _))| match subject {
            Subject::Row { binding, key } => {
                let system = self.world.plan.binding(*binding).map(|found| found.system);
                format!("{code} {}:{key}", system.map_or("", |system| self.name(system)))
            }
            Subject::Write { system, .. } => format!("{code} -> {}", self.name(*system)),
            Subject::Record { .. } | Subject::Excess { .. } => format!("{code} -> all"),
        });
        shown.collect()
    }

    fn told(&mut self) -> Vec<String> {
        let memory = self.world.store.memory();
        memory.audit.iter().map(|event| self.told_of(event)).collect()
    }

    fn unexplained(&mut self) -> Result<u64, String> {
        let stop = AtomicBool::new(false);
        let desk = self.desk(&stop);
        let mut doors = World::doors(&self.world.systems);
        let (aside, waiting) = {
            let memory = self.world.store.memory();
            let aside: Vec<Subject> = memory.quarantine.keys().cloned().collect();
            let groups = memory.groups.values();
            let waiting: Vec<RecordId> = groups
                .filter(|group| group.parts().any(|(_, part)| waits(part)))
                .map(|group| group.id)
                .collect();
            (aside, waiting)
        };
        let options = Options {
            columns: None,
            rows_max: None,
            set_aside: &|binding, key| aside.contains(&Subject::Row { binding, key: key.clone() }),
            waiting: &|record| {
                let is_refused = |it: &Subject| matches!(it, Subject::Write { record: own, .. } if *own == record);
                waiting.contains(&record) || aside.iter().any(is_refused)
            },
        };
        let mut found = 0;
        for (at, entity) in self.world.plan.entities.iter().enumerate() {
            if entity.parent.is_none() {
                let entity = EntityIndex(at as u16);
                let compared = through(verify::verify(&desk, &mut doors, entity, &options));
                let compared = compared.map_err(|error| error.to_string())?;
                found += compared.values().map(verify::Compared::unexplained).sum::<u64>();
            }
        }
        Ok(found)
    }
}

/// Whether somebody must decide about this part.
fn waits(part: &syncline_core::group::Part) -> bool {
    !part.conflicts.is_empty() || part.links.iter().any(|link| !link.held.is_empty())
}
