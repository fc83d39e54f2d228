//! A plan: everything a pass would do, worked out on a copy of the hub that is thrown away.
//!
//! The file that `plan --out` writes names each operation by a digest that does not depend on the
//! hub it was planned in; `apply` plans again and does exactly those operations that are still the
//! same.

mod otherwise;
mod queues;
mod trips;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead as _, BufReader, BufWriter, Write as _},
    path::Path,
    sync::{Mutex, PoisonError},
};

use futures_util::future::BoxFuture;
use serde_json::{Value as Json, json};
use syncline_adapters::hub::sqlite::{Open, SqliteHub};
use syncline_core::{
    change::WriteKind,
    commit::{Behind, Disposition},
    error::PortError,
    group::Group,
    name::{EntityIndex, FieldIndex, RecordId, RunId, SystemIndex, Timestamp},
    plan::Plan,
    value::Digest,
};
use syncline_engine::{
    apply::{Chooses, Everything},
    desk::{Desk, Watch},
    pass::{self, Allow, Errand, Passed},
    preview::{self, Operation},
};
use syncline_ports::{
    reader::{Conflict, Reader as _},
    store::{BehindCount, Store as _},
};

use crate::{
    address,
    columns::{self, Appeared},
    config::numbering,
    drift,
    grace::{self, Grace},
    limits,
    pass::{Depth, modes},
    report::Failure,
    scratch::Scratch,
    session::Session,
    words,
};

pub(crate) use otherwise::Otherwise;
pub(crate) use queues::Queues;
use queues::{fills, wait};

/// What would be done for one entity.
pub(crate) struct EntityPlan {
    /// The entity.
    pub(crate) entity: EntityIndex,
    /// Per system: creates, updates, deletes.
    pub(crate) counts: BTreeMap<SystemIndex, [u64; 3]>,
    /// What the hub's counters say.
    pub(crate) behind: BTreeMap<SystemIndex, BehindCount>,
    /// Deletes that would wait for their time of grace.
    pub(crate) grace: Option<Grace>,
    /// Rows read, per system.
    pub(crate) read: BTreeMap<SystemIndex, u64>,
    /// Conflicts, rows set aside, and ambiguous matches that this would leave.
    pub(crate) conflicts: u64,
    /// Rows that cannot be taken as they are.
    pub(crate) invalid: u64,
    /// Rows that match more than one record.
    pub(crate) review: u64,
    /// Observations that scope or direction keep out.
    pub(crate) out_of_scope: u64,
    /// The same four, where each concerns a system.
    pub(crate) queues: BTreeMap<SystemIndex, Queues>,
    /// Updates that only fill an empty cell, per system and field.
    pub(crate) fills: BTreeMap<(SystemIndex, FieldIndex), u64>,
    /// Values that updates would empty, per system and field.
    pub(crate) blanks: BTreeMap<(SystemIndex, FieldIndex), u64>,
    /// Values that updates would replace by the same in another character set, per system.
    pub(crate) garbled: BTreeMap<SystemIndex, u64>,
    /// Values that mean the same although they are written otherwise, per system and field;
    /// counted before a first synchronisation, and whenever the meaning changed.
    pub(crate) otherwise: BTreeMap<(SystemIndex, FieldIndex), Otherwise>,
    /// A sample of the conflicts, each with the address of its record.
    pub(crate) disputes: Vec<(String, Conflict)>,
    /// Columns that appeared in its tables.
    pub(crate) appeared: Vec<Appeared>,
    /// Guards that would trip.
    pub(crate) tripped: Vec<(String, SystemIndex, u64, u64, u64)>,
    /// A sample of operations, or all of them.
    pub(crate) samples: Vec<Operation>,
    /// The entity's meaning, which the plan is only good for.
    pub(crate) meaning: Digest,
    /// It was never synchronised.
    pub(crate) is_first: bool,
}

/// A plan.
pub(crate) struct Planned {
    /// Entity by entity.
    pub(crate) entities: Vec<EntityPlan>,
    /// Every operation.
    pub(crate) operations: Vec<Digest>,
    /// Names of systems that could not be read.
    pub(crate) failures: Vec<(String, Failure)>,
    /// Why some read was not complete.
    pub(crate) incomplete: Vec<String>,
}

/// What to plan.
pub(crate) struct Wish {
    /// Which entities.
    pub(crate) entities: Vec<EntityIndex>,
    /// How many operations to keep for showing, per entity and system.
    pub(crate) samples: usize,
    /// At most so many operations in all.
    pub(crate) limit: Option<u64>,
    /// How much is read.
    pub(crate) depth: Depth,
    /// Only this record is shown: an address.
    pub(crate) record: Option<String>,
}

/// Works a plan out on a copy of the hub.
pub(crate) async fn plan(
    session: &mut Session,
    wish: &Wish,
    watch: &dyn Watch,
) -> Result<Planned, Failure> {
    let folder = scratch(session.hub.path())?;
    let copy = folder.path().join("overlay.db");
    session.hub.copy_to(&copy)?;
    let hub = SqliteHub::open_with(&copy, Open::ReadWrite, false, session.hub.keys())?;
    let compiled = Box::pin(limits::plan(session, &wish.entities)).await?;
    let stop = session.stop.clone();
    let paces = session.paces.clone();
    let desk = Session::desk(&compiled, &hub, watch, &stop, RunId(0)).paced(Some(&*paces));
    let errand = Errand {
        entities: wish.entities.iter().map(|entity| (*entity, RunId(0))).collect(),
        modes: modes(session, &wish.entities, wish.depth).await?,
        allow: Allow::default(),
        chooses: &Everything,
        closed: Vec::new(),
    };
    numbering::rehearse(session, &desk, &hub).await?;
    drift::rehearse(session, &desk, &hub).await?;
    let passed = pass::observe_all(&desk, &mut session.systems, &errand).await?;
    let mut planned = Planned {
        entities: Vec::new(),
        operations: Vec::new(),
        failures: session.troubles().collect(),
        incomplete: Vec::new(),
    };
    for report in &passed.entities {
        planned.failures.extend(report.failures.iter().map(|(system, error)| {
            (session.system_name(*system).to_owned(), Failure::from(error.clone()))
        }));
        planned.incomplete.extend(report.incomplete.iter().map(|(_, reason)| reason.clone()));
    }
    for report in &passed.entities {
        entity(session, &desk, &hub, &passed, report.entity, wish, &mut planned).await?;
    }
    if let Some(address) = &wish.record {
        let record = address::find_in(session, &hub, address).await?.id;
        for entity in &mut planned.entities {
            entity.samples.retain(|operation| operation.record == record);
            entity.disputes.retain(|(_, conflict)| conflict.record == record);
        }
    }
    Ok(planned)
}

async fn entity(
    session: &Session,
    desk: &Desk<'_>,
    hub: &SqliteHub,
    passed: &Passed,
    index: EntityIndex,
    wish: &Wish,
    planned: &mut Planned,
) -> Result<(), Failure> {
    let Some(entity) = session.plan.entity(index) else { return Ok(()) };
    let Some(report) = passed.entities.iter().find(|report| report.entity == index) else {
        return Ok(());
    };
    let approved = session.hub.approval(&entity.name).await?;
    let mut plan = EntityPlan {
        entity: index,
        counts: BTreeMap::new(),
        behind: hub.count_behind(index, desk.now()).await?.into_iter().collect(),
        grace: grace::of(hub, &session.plan, index).await?,
        read: BTreeMap::new(),
        conflicts: 0,
        invalid: 0,
        review: 0,
        out_of_scope: report.count(Disposition::Filtered),
        queues: BTreeMap::new(),
        fills: BTreeMap::new(),
        blanks: BTreeMap::new(),
        garbled: BTreeMap::new(),
        otherwise: BTreeMap::new(),
        disputes: Vec::new(),
        appeared: columns::appeared(session, index).await?,
        tripped: Vec::new(),
        samples: Vec::new(),
        meaning: entity.meaning,
        is_first: approved.is_none(),
    };
    for (binding, rows) in &report.rows {
        if let Some(found) = session.plan.binding(*binding) {
            *plan.read.entry(found.system).or_default() += rows;
        }
    }
    wait(session, hub, index, wish, &mut plan).await?;
    if approved != Some(entity.meaning) {
        plan.otherwise = otherwise::count(hub, &session.plan, index).await?;
    }
    for ((binding, fate), rows) in &report.account.ledger.0 {
        if *fate == Disposition::Filtered
            && let Some(found) = session.plan.binding(*binding)
        {
            plan.queues.entry(found.system).or_default().out_of_scope += rows;
        }
    }
    for binding in &entity.bindings {
        let Some(system) = session.plan.binding(*binding).map(|found| found.system) else {
            continue;
        };
        operations(desk, index, system, wish, &mut plan, planned).await?;
    }
    trips::find(&entity.guards, &report.tripped, &session.plan, &mut plan);
    planned.entities.push(plan);
    Ok(())
}

/// Pages through what is behind in one system.
async fn operations(
    desk: &Desk<'_>,
    index: EntityIndex,
    system: SystemIndex,
    wish: &Wish,
    plan: &mut EntityPlan,
    planned: &mut Planned,
) -> Result<(), Failure> {
    const PAGE: usize = 2_000;
    let (mut after, mut shown) = (None, 0);
    loop {
        let (page, last) = preview::page(desk, index, system, after, PAGE).await?;
        for operation in page {
            if wish.limit.is_some_and(|limit| planned.operations.len() as u64 >= limit) {
                return Ok(());
            }
            let place = match operation.kind {
                WriteKind::Insert => 0,
                WriteKind::Update => 1,
                WriteKind::Delete => 2,
            };
            if let Some(count) = plan.counts.entry(system).or_default().get_mut(place) {
                *count += 1;
            }
            if operation.kind == WriteKind::Update {
                fills(&operation, plan);
                *plan.garbled.entry(system).or_default() += operation.garbled();
                for (_, field) in operation.emptied() {
                    *plan.blanks.entry((system, field)).or_default() += 1;
                }
            }
            planned.operations.push(operation.digest);
            if shown < wish.samples {
                shown += 1;
                plan.samples.push(operation);
            }
        }
        match last {
            Some(last) => after = Some(last),
            None => return Ok(()),
        }
    }
}

impl Planned {
    /// How many operations there are.
    pub(crate) fn total(&self) -> u64 {
        self.operations.len() as u64
    }

    /// The plan's short name: it names exactly these operations.
    pub(crate) fn name(&self) -> String {
        name(&self.operations)
    }

    /// Creates, updates and deletes in all systems.
    pub(crate) fn sums(&self) -> [u64; 3] {
        let mut sums = [0; 3];
        for counts in self.entities.iter().flat_map(|entity| entity.counts.values()) {
            for (sum, count) in sums.iter_mut().zip(counts) {
                *sum += count;
            }
        }
        sums
    }

    /// Writes the plan to a file: a head, then one digest a line.
    pub(crate) fn save(
        &self,
        session: &Session,
        path: &Path,
        at: Timestamp,
    ) -> Result<(), Failure> {
        let failed = |error: std::io::Error| {
            Failure::new("plan.file", format!("could not write {}", path.display()))
                .cause(error.to_string())
                .fix("choose a place that can be written")
        };
        let entities: Vec<Json> = self
            .entities
            .iter()
            .map(|entity| {
                json!({ "name": session.entity_name(entity.entity), "meaning": words::hex(&entity.meaning) })
            })
            .collect();
        let sums = self.sums();
        let head = json!({
            "syncline_plan": 1,
            "name": self.name(),
            "at": words::time(at),
            "entities": entities,
            "creates": sums.first(),
            "updates": sums.get(1),
            "deletes": sums.get(2),
        });
        let mut file = BufWriter::new(std::fs::File::create(path).map_err(failed)?);
        writeln!(file, "{head}").map_err(failed)?;
        for digest in &self.operations {
            writeln!(file, "{}", words::hex(digest)).map_err(failed)?;
        }
        file.into_inner().map_err(|error| failed(error.into_error()))?.sync_all().map_err(failed)
    }
}

fn name(operations: &[Digest]) -> String {
    let mut sorted: Vec<&Digest> = operations.iter().collect();
    sorted.sort_unstable();
    let all: Vec<u8> = sorted.into_iter().flat_map(|digest| digest.0).collect();
    words::hex(&Digest::of(&all)).chars().take(6).collect()
}

fn unhex(text: &str) -> Option<Digest> {
    let mut digest = Digest::default();
    if text.len() != 32 || !text.is_ascii() {
        return None;
    }
    for (place, at) in digest.0.iter_mut().zip((0..32).step_by(2)) {
        *place = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
    }
    Some(digest)
}

/// A plan that was saved.
pub(crate) struct Saved {
    /// Its short name.
    pub(crate) name: String,
    /// When it was made, as text.
    pub(crate) at: String,
    /// Entities and the meaning they had.
    pub(crate) entities: Vec<(String, Digest)>,
    /// Creates, updates, deletes.
    pub(crate) sums: [u64; 3],
    /// Every operation.
    pub(crate) operations: BTreeSet<Digest>,
}

impl Saved {
    /// Reads a plan; whatever is not one is refused whole.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let refuse = |cause: String| {
            Failure::new("plan.file", format!("{} is not a plan of this version", path.display()))
                .cause(cause)
                .done("nothing was written")
                .fix("make one: syncline plan --out FILE")
        };
        let file = std::fs::File::open(path).map_err(|error| refuse(error.to_string()))?;
        let mut lines = BufReader::new(file).lines();
        let head = lines.next().and_then(Result::ok).unwrap_or_default();
        let head: Json = serde_json::from_str(&head)
            .map_err(|_| refuse("its first line is not a head".into()))?;
        if head.get("syncline_plan").and_then(Json::as_u64) != Some(1) {
            return Err(refuse("it has another form".into()));
        }
        let text =
            |name: &str| head.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
        let number = |name: &str| head.get(name).and_then(Json::as_u64).unwrap_or_default();
        let mut saved = Self {
            name: text("name"),
            at: text("at"),
            entities: Vec::new(),
            sums: [number("creates"), number("updates"), number("deletes")],
            operations: BTreeSet::new(),
        };
        for entity in head.get("entities").and_then(Json::as_array).into_iter().flatten() {
            let name = entity.get("name").and_then(Json::as_str).unwrap_or_default().to_owned();
            let meaning = entity.get("meaning").and_then(Json::as_str).and_then(unhex);
            saved
                .entities
                .push((name, meaning.ok_or_else(|| refuse("an entity is damaged".into()))?));
        }
        let mut all = Vec::new();
        for line in lines {
            let line = line.map_err(|error| refuse(error.to_string()))?;
            all.push(unhex(&line).ok_or_else(|| refuse("an operation is damaged".into()))?);
        }
        if name(&all) != saved.name {
            return Err(refuse("its operations are not those that its name stands for".into()));
        }
        saved.operations = all.into_iter().collect();
        Ok(saved)
    }
}

/// Lets through only what a saved plan names.
pub(crate) struct Named<'a> {
    operations: &'a BTreeSet<Digest>,
    /// What was begun that may need a second step, because it refers to others, and the golden
    /// values it brings.
    begun: Mutex<BTreeMap<(RecordId, SystemIndex), Digest>>,
}

impl<'a> Named<'a> {
    /// These operations.
    pub(crate) fn new(operations: &'a BTreeSet<Digest>) -> Self {
        Self { operations, begun: Mutex::default() }
    }

    /// Whether this is one of them, or the second step of one: the row is ours, and what it is to
    /// hold has not changed since.
    fn has(&self, plan: &Plan, group: &Group, system: SystemIndex, behind: &Behind) -> bool {
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        let place = (group.id, system);
        if self.operations.contains(&preview::describe(plan, group, system, behind).digest) {
            let fields = plan.entity(group.entity).map(|entity| entity.fields.as_slice());
            if fields.unwrap_or_default().iter().any(|field| field.reference.is_some()) {
                begun.insert(place, preview::golden(group));
            }
            return true;
        }
        behind.kind == WriteKind::Update && begun.get(&place) == Some(&preview::golden(group))
    }
}

impl Chooses for Named<'_> {
    fn choose<'b>(
        &'b self,
        desk: &'b Desk<'_>,
        system: SystemIndex,
        behind: Vec<(RecordId, Behind)>,
    ) -> BoxFuture<'b, Result<Vec<RecordId>, PortError>> {
        Box::pin(async move {
            let records: Vec<RecordId> = behind.iter().map(|(record, _)| *record).collect();
            let groups = preview::load(desk, &records).await?;
            let named = |(record, behind): (RecordId, Behind)| {
                let group = groups.get(&record)?;
                self.has(desk.plan, group, system, &behind).then_some(record)
            };
            Ok(behind.into_iter().filter_map(named).collect())
        })
    }
}

/// A folder beside the hub. The hub is ours alone, so whatever is there was left by a process that
/// was killed.
/// A folder for a copy of the hub, beside it.
pub(crate) fn scratch(hub: &Path) -> Result<Scratch, Failure> {
    let own = hub.file_name().unwrap_or_default().to_string_lossy();
    let path = hub.parent().unwrap_or(Path::new(".")).join(format!(".plan-{own}"));
    Scratch::new(path.clone()).map_err(|error| {
        Failure::new("hub.path", format!("could not make {}", path.display()))
            .cause(error.to_string())
            .fix("make the folder of the hub writable")
    })
}
