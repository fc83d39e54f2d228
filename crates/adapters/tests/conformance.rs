//! Real systems against the simulator's model of them: a program of deeds, reads and writes is drawn, lived
//! in a database, and recorded; then the model must be able to tell the same. What a database did and
//! the model could not have done fails, and so does the other way round.
//!
//! Keys that a system makes are compared by what they name: they are numbered anew, in order.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    time::Duration,
};

use proptest::{
    prelude::*,
    test_runner::{Config, TestRng, TestRunner},
};
use syncline_core::{
    change::{Observed, Outcome, ReadResult, Row, RowKey, RowWrite, WriteGroup, WriteKind},
    name::{BindingIndex, FieldIndex, IntentId, OperationId},
    plan::Class,
    value::{Slot, Value},
};
use syncline_ports::{
    source::{Batch, KeyRead, Limit, ReadRequest, Source, Then},
    suite::bench::{Bench, CONTACTS, Edit, ORDERS, Writer, number_key, plan, text},
    target::Target,
};
use syncline_sim::{
    system::{
        SimSystem, Table,
        doors::{SimSource, SimTarget},
    },
    world::through,
};
use tokio::runtime::Handle;

const LIMIT: Limit = Limit { rows: 3, bytes: 1 << 20 };
/// How many programs each kind of system lives.
const PROGRAMS: u32 = 32;

/// One thing that happens. Numbers pick: an address of five, a row of those that there ever were.
#[derive(Clone, Debug)]
enum Event {
    /// A user creates a contact, edits one, deletes one; or orders.
    Create(u8, u8),
    Rename(usize, u8),
    Readdress(usize, u8),
    Drop(usize),
    Order(u8, usize),
    /// Everything is read.
    Scan,
    /// These contacts are read by key, and the fate of a write is asked for.
    Keys(Vec<usize>, usize),
    /// The fate of inserts is asked for.
    Marks(Vec<usize>),
    /// Rows are written: each alone, or two that exchange their addresses.
    Write(Vec<Wish>),
    Swap(usize, usize),
    /// What was sent is sent again.
    Again(usize),
}

/// A write; whether it expects what is there.
#[derive(Clone, Debug)]
enum Wish {
    Insert(u8, u8),
    Update(usize, u8, bool),
    Readdress(usize, u8, bool),
    Delete(usize, bool),
    Order(u8, usize),
}

fn event() -> impl Strategy<Value = Event> {
    let (address, word, row) = (0..5u8, 0..4u8, 0..8usize);
    prop_oneof![
        3 => (address.clone(), word.clone()).prop_map(|(a, w)| Event::Create(a, w)),
        2 => (row.clone(), word.clone()).prop_map(|(r, w)| Event::Rename(r, w)),
        1 => (row.clone(), address.clone()).prop_map(|(r, a)| Event::Readdress(r, a)),
        1 => row.clone().prop_map(Event::Drop),
        1 => (address.clone(), row.clone()).prop_map(|(a, r)| Event::Order(a, r)),
        2 => Just(Event::Scan),
        2 => (prop::collection::vec(row.clone(), 1..4), 0..8usize).prop_map(|(r, i)| Event::Keys(r, i)),
        1 => prop::collection::vec(0..8usize, 1..3).prop_map(Event::Marks),
        6 => prop::collection::vec(wish(), 1..4).prop_map(Event::Write),
        1 => (row.clone(), row).prop_map(|(r, s)| Event::Swap(r, s)),
        1 => (0..8usize).prop_map(Event::Again),
    ]
}

fn wish() -> impl Strategy<Value = Wish> {
    let (address, word, row, is_right) = (0..5u8, 0..4u8, 0..8usize, prop::bool::weighted(0.8));
    prop_oneof![
        3 => (address.clone(), word.clone()).prop_map(|(a, w)| Wish::Insert(a, w)),
        3 => (row.clone(), word, is_right).prop_map(|(r, w, y)| Wish::Update(r, w, y)),
        1 => (row.clone(), address.clone(), is_right).prop_map(|(r, a, y)| Wish::Readdress(r, a, y)),
        1 => (row.clone(), is_right).prop_map(|(r, y)| Wish::Delete(r, y)),
        1 => (address, row).prop_map(|(a, r)| Wish::Order(a, r)),
    ]
}

/// The model, and what is known of both sides.
struct Model {
    system: SimSystem,
    /// Contacts that there ever were, by the model's keys.
    rows: Vec<RowKey>,
    /// What the database calls them, where it made the key itself.
    real: BTreeMap<(BindingIndex, RowKey), RowKey>,
    /// Writes that were sent alone.
    sent: Vec<WriteGroup>,
    intents: Vec<IntentId>,
    inserts: Vec<IntentId>,
    next: i64,
}

const EMAIL: FieldIndex = FieldIndex(0);
const NAME: FieldIndex = FieldIndex(1);
const CODE: FieldIndex = FieldIndex(4);

fn address(number: u8) -> Value {
    text(&format!("e{number}"))
}

fn word(number: u8) -> Value {
    text(["one", "Two words", "o'three", "vier"][usize::from(number) % 4])
}

impl Model {
    fn new(bench: &dyn Bench, next: i64) -> Self {
        let class = if bench.has_marks() { Class::Marked } else { Class::Plain };
        let (system, reuses_keys) = (SimSystem::new(class, 1, 1), bench.reuses_keys());
        let contacts = Table {
            width: 7,
            unique: vec![EMAIL],
            capitals: Some(CODE),
            reuses_keys,
            ..Table::default()
        };
        let orders = Table {
            width: 2,
            unique: vec![EMAIL],
            foreign: Some((NAME, CONTACTS)),
            reuses_keys,
            ..Table::default()
        };
        system.state().tables = BTreeMap::from([(CONTACTS, contacts), (ORDERS, orders)]);
        Self {
            system,
            rows: Vec::new(),
            real: BTreeMap::new(),
            sent: Vec::new(),
            intents: Vec::new(),
            inserts: Vec::new(),
            next,
        }
    }

    fn row(&self, pick: usize) -> RowKey {
        let at = pick.checked_rem(self.rows.len());
        at.map_or_else(|| number_key(&[999_999_999]), |at| self.rows[at].clone())
    }

    fn value(&self, key: &RowKey, field: FieldIndex) -> Option<Value> {
        self.system.state().value(CONTACTS, key, field)
    }

    /// The database's name of a row.
    fn named(&self, binding: BindingIndex, key: &RowKey) -> RowKey {
        self.real.get(&(binding, key.clone())).unwrap_or(key).clone()
    }

    /// The model's name of a row of the database.
    fn known(&self, binding: BindingIndex, key: &RowKey) -> RowKey {
        let mut names = self.real.iter();
        let found = names.find(|((of, _), real)| *of == binding && *real == key);
        found.map_or_else(|| key.clone(), |((_, own), _)| own.clone())
    }

    /// A new row of the model, and what the database calls it. A database that gives a key again calls
    /// nothing else so any more.
    fn is_called(&mut self, binding: BindingIndex, own: &RowKey, real: &RowKey) {
        let nothing = number_key(&[2_000_000_000 + self.real.len() as i64]);
        for ((of, _), name) in &mut self.real {
            if *of == binding && name == real {
                *name = nothing.clone();
            }
        }
        self.real.insert((binding, real.clone()), nothing);
        self.real.insert((binding, own.clone()), real.clone());
    }

    /// What the model asks for, as the database is asked.
    fn translated(&self, group: &WriteGroup) -> WriteGroup {
        let mut group = group.clone();
        for write in &mut group.writes {
            write.key = write.key.as_ref().map(|key| self.named(write.binding, key));
        }
        group
    }

    /// What would be found by a write that expects something else.
    fn current(&self, group: &WriteGroup) -> String {
        let state = self.system.state();
        let first = group.writes.first();
        let row =
            first.and_then(|write| state.tables.get(&write.binding)?.rows.get(write.key.as_ref()?));
        let row = row.map(|row| Row(row.values.iter().cloned().map(Slot::Present).collect()));
        format!("found {}", shown(row.as_ref()))
    }
}

fn shown(row: Option<&Row>) -> String {
    // A database leaves out what it was not asked for; nothing is what there is then.
    let mut said = String::new();
    for slot in row.into_iter().flat_map(|row| row.0.iter()) {
        let value = slot.value().filter(|value| !value.is_null());
        write!(said, "{}|", value.map_or(String::new(), |value| format!("{value:?}"))).unwrap();
    }
    if row.is_none() { "no row".into() } else { said }
}

fn outcome(name: &dyn Fn(&RowKey) -> RowKey, outcome: &Outcome) -> String {
    match outcome {
        Outcome::Applied { key, post, .. } => {
            format!("applied {}: {}", name(key), shown(post.as_ref()))
        }
        Outcome::Precondition { current, .. } => format!("found {}", shown(current.as_ref())),
        Outcome::Unique { holder, .. } => {
            format!("unique, held by {:?}", holder.as_ref().map(|key| name(key).to_string()))
        }
        Outcome::Foreign { .. } => "foreign".into(),
        Outcome::Invalid { code, .. } => format!("invalid {code}"),
        Outcome::Retry { .. } => "retry".into(),
        Outcome::Unknown { .. } => "unknown".into(),
        Outcome::Sibling => "sibling".into(),
    }
}

fn observed(name: &dyn Fn(&RowKey) -> RowKey, row: &Observed) -> String {
    format!("{}: {}", name(&row.key), shown(row.row.as_ref()))
}

/// A whole table, read to its end.
async fn scan(
    source: &mut dyn Source,
    binding: BindingIndex,
    name: &dyn Fn(&RowKey) -> RowKey,
) -> Vec<String> {
    let (mut rows, mut after) = (Vec::new(), None);
    loop {
        let batch = source.read(&ReadRequest::Scan { binding, after }, LIMIT).await.unwrap();
        rows.extend(batch.rows.iter().map(|row| observed(name, row)));
        after = batch.upto.clone();
        match batch.then {
            Then::More => {}
            Then::ScanComplete { rows: count } => {
                rows.sort();
                rows.push(format!("complete, {count}"));
                return rows;
            }
            then @ (Then::Idle | Then::ScanIncomplete { .. }) => return vec![format!("{then:?}")],
        }
    }
}

fn answers(name: &dyn Fn(&RowKey) -> RowKey, batch: &Batch) -> Vec<String> {
    let keys = batch.answers.iter().map(|answer| {
        let result = match &answer.result {
            ReadResult::Found(row) => observed(name, row),
            ReadResult::Absent => "absent".into(),
            ReadResult::Failed(reason) => format!("failed: {reason}"),
        };
        format!("{} {:?} {result}", name(&answer.key), answer.marks)
    });
    let marks = batch.marks.iter().map(|answer| {
        let key = answer.key.as_ref().map(|key| name(key).to_string());
        format!("{} {:?} {key:?}", answer.intent, answer.fate)
    });
    keys.chain(marks).collect()
}

/// A database under test, with what was recorded of it.
struct Lived<'a> {
    bench: &'a mut dyn Bench,
    source: Box<dyn Source>,
    target: Box<dyn Target>,
    model: Model,
    writer: Writer,
    trace: Vec<String>,
}

impl Lived<'_> {
    /// Nothing is there any more, on both sides.
    async fn begin(&mut self) {
        self.trace.clear();
        for table in ["orders", "contacts"] {
            self.bench.edit(&Edit::Delete { table, find: Vec::new() }).await;
        }
        self.model = Model::new(self.bench, self.model.next);
    }

    /// Records an event of the database, which the model must have produced as well.
    fn same(&mut self, what: &str, real: &[String], model: &[String]) -> Result<(), TestCaseError> {
        self.trace.push(format!("{what} -> {}", real.join("; ")));
        let trace = self.trace.join("\n");
        prop_assert_eq!(real, model, "the model could not have produced the last of\n{}", trace);
        Ok(())
    }

    async fn happen(&mut self, event: &Event) -> Result<(), TestCaseError> {
        match event {
            Event::Create(number, name) => {
                let key = number_key(&[self.model.next]);
                let mut values = vec![Value::Null; 7];
                (values[0], values[1], values[4]) = (address(*number), word(*name), word(*name));
                let made = self.model.system.state().create_as(CONTACTS, Some(key), values);
                let Some(made) = made else { return Ok(()) };
                let row = vec![
                    ("id", Value::int(self.model.next)),
                    ("email", address(*number)),
                    ("name", word(*name)),
                    ("code", word(*name)),
                ];
                self.model.next -= 1;
                self.model.rows.push(made);
                self.user(Edit::Insert { table: "contacts", row }).await;
            }
            Event::Rename(row, name) => {
                self.edit(self.model.row(*row), NAME, "name", word(*name)).await;
            }
            Event::Readdress(row, number) => {
                self.edit(self.model.row(*row), EMAIL, "email", address(*number)).await;
            }
            Event::Drop(row) => {
                let key = self.model.row(*row);
                if self.model.system.state().delete(CONTACTS, &key) {
                    let find = vec![("id", self.model.named(CONTACTS, &key).values()[0].clone())];
                    self.user(Edit::Delete { table: "contacts", find }).await;
                }
            }
            Event::Order(number, row) => {
                // Both sides have the same name for a row that a user made.
                let contact = self.model.row(*row);
                if self.model.named(CONTACTS, &contact) != contact
                    || self.model.value(&contact, EMAIL).is_none()
                {
                    return Ok(());
                }
                let key = number_key(&[self.model.next]);
                let customer = contact.values()[0].clone();
                let values = vec![address(*number), customer.clone()];
                if self.model.system.state().create_as(ORDERS, Some(key), values).is_some() {
                    let row = vec![
                        ("id", Value::int(self.model.next)),
                        ("number", address(*number)),
                        ("contact_id", customer),
                    ];
                    self.model.next -= 1;
                    self.user(Edit::Insert { table: "orders", row }).await;
                }
            }
            Event::Scan => {
                for binding in [CONTACTS, ORDERS] {
                    let model = &self.model;
                    let real =
                        scan(&mut *self.source, binding, &|key| model.known(binding, key)).await;
                    let mut own = SimSource(model.system.clone());
                    let own = through(scan(&mut own, binding, &RowKey::clone));
                    self.same(&format!("scan {}", binding.0), &real, &own)?;
                }
            }
            Event::Keys(rows, intent) => {
                let in_doubt: Vec<IntentId> = self.intent(*intent).into_iter().collect();
                let keys: BTreeSet<RowKey> = rows.iter().map(|row| self.model.row(*row)).collect();
                let reads = keys.iter().enumerate().map(|(at, key)| KeyRead {
                    key: key.clone(),
                    operation: OperationId(at as u64),
                    in_doubt: if at == 0 { in_doubt.clone() } else { Vec::new() },
                });
                let own: Vec<KeyRead> = reads.collect();
                let mut real = own.clone();
                for read in &mut real {
                    read.key = self.model.named(CONTACTS, &read.key);
                }
                let [real, own] =
                    [real, own].map(|keys| ReadRequest::Keys { binding: CONTACTS, keys });
                self.read(&real, &own).await?;
            }
            Event::Marks(picks) => {
                let inserts = &self.model.inserts;
                let picks = picks
                    .iter()
                    .filter_map(|pick| inserts.get(pick.checked_rem(inserts.len())?).copied());
                let mut intents: Vec<IntentId> = picks.collect();
                intents.dedup();
                let request = ReadRequest::Marks { binding: CONTACTS, intents };
                self.read(&request, &request).await?;
            }
            Event::Write(wishes) => {
                for wish in wishes {
                    let write = self.wish(wish);
                    self.write(WriteGroup { writes: vec![write], park: false }).await?;
                }
            }
            Event::Swap(one, other) => {
                let rows = [self.model.row(*one), self.model.row(*other)];
                let emails = [0, 1].map(|at| self.model.value(&rows[at], EMAIL));
                let [Some(first), Some(second)] = emails else { return Ok(()) };
                if rows[0] == rows[1] {
                    return Ok(());
                }
                let [one, other] = rows;
                let pairs = [(one, first.clone(), second.clone()), (other, second, first)];
                let writes = pairs.map(|(key, from, to)| {
                    let (set, expect) = ([("email", to)], [("email", from)]);
                    let kind = WriteKind::Update;
                    self.writer.write(CONTACTS, kind, Some(key), &set, Some(&expect))
                });
                self.write(WriteGroup { writes: writes.into(), park: true }).await?;
            }
            Event::Again(pick) => {
                // Only where our writes leave marks can a second one be told from the first.
                let at = pick.checked_rem(self.model.sent.len());
                if let (Some(at), true) = (at, self.bench.has_marks()) {
                    let group = self.model.sent[at].clone();
                    self.send(&group, "again").await?;
                }
            }
        }
        Ok(())
    }

    fn intent(&self, pick: usize) -> Option<IntentId> {
        let intents = &self.model.intents;
        intents.get(pick.checked_rem(intents.len())?).copied()
    }

    async fn user(&mut self, edit: Edit) {
        self.trace.push(edit.sql());
        self.bench.edit(&edit).await;
    }

    async fn edit(&mut self, key: RowKey, field: FieldIndex, column: &'static str, value: Value) {
        if self.model.system.state().edit(CONTACTS, &key, field, value.clone()) {
            let find = vec![("id", self.model.named(CONTACTS, &key).values()[0].clone())];
            let set = vec![(column, value)];
            self.user(Edit::Update { table: "contacts", find, set }).await;
        }
    }

    async fn read(&mut self, real: &ReadRequest, own: &ReadRequest) -> Result<(), TestCaseError> {
        let told = self.source.read(real, LIMIT).await.unwrap();
        let model = &self.model;
        let told = answers(&|key| model.known(CONTACTS, key), &told);
        let mut source = SimSource(model.system.clone());
        let own = through(source.read(own, LIMIT)).unwrap();
        self.same(&format!("{real:?}"), &told, &answers(&RowKey::clone, &own))
    }

    fn wish(&mut self, wish: &Wish) -> RowWrite {
        let model = &self.model;
        let expect = |key: &RowKey, field: FieldIndex, is_right: bool| {
            let there = model.value(key, field).unwrap_or_else(|| text("nobody"));
            if is_right { there } else { text("somebody else") }
        };
        let writer = &mut self.writer;
        match wish {
            Wish::Insert(number, name) => {
                let set =
                    [("email", address(*number)), ("name", word(*name)), ("code", word(*name))];
                writer.write(CONTACTS, WriteKind::Insert, None, &set, None)
            }
            Wish::Update(row, name, is_right) => {
                let key = model.row(*row);
                let expect = [("name", expect(&key, NAME, *is_right))];
                let set = [("name", word(*name)), ("code", word(*name))];
                writer.write(CONTACTS, WriteKind::Update, Some(key), &set, Some(&expect))
            }
            Wish::Readdress(row, number, is_right) => {
                let key = model.row(*row);
                let expect = [("email", expect(&key, EMAIL, *is_right))];
                let set = [("email", address(*number))];
                writer.write(CONTACTS, WriteKind::Update, Some(key), &set, Some(&expect))
            }
            Wish::Delete(row, is_right) => {
                let key = model.row(*row);
                let expect = [("email", expect(&key, EMAIL, *is_right))];
                writer.write(CONTACTS, WriteKind::Delete, Some(key), &[], Some(&expect))
            }
            Wish::Order(number, row) => {
                let contact = model.row(*row);
                let is_same = model.named(CONTACTS, &contact) == contact;
                let nobody = number_key(&[999_999_999]);
                let contact = if is_same { contact } else { nobody };
                let set =
                    [("number", address(*number)), ("contact_id", contact.values()[0].clone())];
                writer.write(ORDERS, WriteKind::Insert, None, &set, None)
            }
        }
    }

    async fn write(&mut self, group: WriteGroup) -> Result<(), TestCaseError> {
        for write in &group.writes {
            self.model.intents.push(write.intent);
            if write.kind == WriteKind::Insert && write.binding == CONTACTS {
                self.model.inserts.push(write.intent);
            }
        }
        self.send(&group, "write").await?;
        if group.writes.len() == 1 {
            self.model.sent.push(group);
        }
        Ok(())
    }

    async fn send(&mut self, group: &WriteGroup, what: &str) -> Result<(), TestCaseError> {
        let translated = self.model.translated(group);
        let told = self.target.apply(std::slice::from_ref(&translated)).await;
        let before = self.model.current(group);
        let own = through(SimTarget(self.model.system.clone()).apply(std::slice::from_ref(group)));
        let (mut real, mut expected) = (Vec::new(), Vec::new());
        for write in &group.writes {
            let find = |all: &[(IntentId, Outcome)]| {
                let found = all.iter().find(|(intent, _)| *intent == write.intent);
                found.map(|(_, outcome)| outcome.clone())
            };
            let (told, own) = (find(&told), find(&own));
            if let (Some(Outcome::Applied { key: real, .. }), Some(Outcome::Applied { key, .. })) =
                (told.as_ref(), own.as_ref())
                && write.kind == WriteKind::Insert
            {
                self.model.is_called(write.binding, key, real);
                if write.binding == CONTACTS {
                    self.model.rows.push(key.clone());
                }
            }
            let model = &self.model;
            let name = |key: &RowKey| model.known(write.binding, key);
            real.push(told.map_or("no answer".into(), |told| outcome(&name, &told)));
            expected.push(own.map_or("no answer".into(), |own| outcome(&RowKey::clone, &own)));
        }
        // Whether the mark or the row is looked at first is not promised: neither says that it was made.
        if expected == ["unknown"] && real == [before.clone()] {
            expected = vec![before];
        }
        self.same(&format!("{what} {translated:?}"), &real, &expected)
    }
}

/// Lives programs in a database, and compares each event with the model's.
pub(crate) async fn lives_as_the_model(bench: &mut dyn Bench) {
    let config = Config { cases: PROGRAMS, failure_persistence: None, ..Config::default() };
    let rng = TestRng::deterministic_rng(config.rng_algorithm);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let programs = prop::collection::vec(event(), 1..24);
    let (source, target) = bench.open(plan(), Duration::from_secs(20)).await;
    let (model, writer) = (Model::new(bench, 1_000_000), Writer::default());
    let lived = RefCell::new(Lived { bench, source, target, model, writer, trace: Vec::new() });
    let found = tokio::task::block_in_place(|| {
        runner.run(&programs, |program| {
            let mut lived = lived.borrow_mut();
            Handle::current().block_on(async {
                lived.begin().await;
                for event in program.iter().chain([&Event::Scan]) {
                    lived.happen(event).await?;
                }
                Ok(())
            })
        })
    });
    if let Err(found) = found {
        panic!("{found}");
    }
}
