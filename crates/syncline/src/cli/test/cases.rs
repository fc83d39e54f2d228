//! Cases written by people: `tests/*.yaml` beside the configuration.
//!
//! ```yaml
//! orders:
//!   refund:
//!     row: {erp: {STAT: "90"}}            # what one system shows
//!     record: {status: returned}          # what the hub then holds; without `row:`, what it holds
//!     writes: {crm: {status: returned}}   # what others are given
//! ```
//!
//! Values are compared as they print. Where a value is refused, its code stands for it:
//! `record: {status: map.unknown_value}`.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use syncline_core::{
    Text,
    decimal::Decimal,
    error::Problem,
    expr::Context,
    lens::{FieldType, NativeKind},
    name::{EntityIndex, FieldIndex},
    plan::{Binding, Entity, Place as CellPlace, Plan},
    value::Value,
};

use crate::{
    cli::test::rows::columns_of,
    config::{
        Live, Loaded,
        compile::{cell, kind},
        complaint::{self, Complaint},
        draft::Atom,
        source::{Place, Sources},
        tree::{self, Kind, Node},
    },
    report::{Failure, Paint},
    session::Session,
};

/// All cases, and the files they stand in.
pub(super) struct Cases {
    sources: Sources,
    cases: Vec<Case>,
}

struct Case {
    entity: EntityIndex,
    name: String,
    node: Node,
}

/// A case that was played.
pub(super) struct Played {
    pub(super) entity: Text,
    pub(super) name: String,
    pub(super) wrong: Vec<Wrong>,
}

/// An expectation that was not met.
pub(super) struct Wrong {
    pub(super) message: String,
    /// File and line.
    pub(super) at: String,
    place: Place,
    got: String,
}

impl Played {
    /// As programs read it.
    pub(super) fn json(&self) -> Json {
        let wrong: Vec<Json> = self
            .wrong
            .iter()
            .map(|wrong| json!({"detail": wrong.message, "place": wrong.at}))
            .collect();
        json!({"entity": self.entity.as_str(), "case": self.name, "failed": wrong})
    }
}

/// What a value became: itself, or why not.
type Became = Result<Value, Problem>;

/// Reads every file of cases; all complaints at once.
pub(super) fn read(loaded: &Loaded, plan: &Plan, paint: Paint) -> Result<Cases, Failure> {
    let mut found = Cases { sources: Sources::default(), cases: Vec::new() };
    let mut complaints = Vec::new();
    let entries = std::fs::read_dir(loaded.folder.join("tests"));
    let mut paths: Vec<_> = entries
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|end| end == "yaml"))
        .collect();
    paths.sort();
    for path in paths {
        let text = std::fs::read_to_string(&path).map_err(|error| {
            Failure::new("config.not_found", format!("{} cannot be read", path.display()))
                .cause(error.to_string())
                .fix("check the permissions of the file, and that it is UTF-8")
        })?;
        let file = found.sources.add(path, text);
        let (root, wrong) = tree::parse(&found.sources, file);
        complaints.extend(wrong);
        if let Some(root) = root {
            take(plan, &root, &mut found.cases, &mut complaints);
        }
    }
    if complaints.is_empty() {
        return Ok(found);
    }
    Err(complaint::failure(&complaint::sorted(complaints), &found.sources, paint))
}

fn take(plan: &Plan, root: &Node, cases: &mut Vec<Case>, complaints: &mut Vec<Complaint>) {
    named("a file of cases takes entities", root, complaints);
    for (key, value) in pairs(root) {
        let Some(index) = plan.entity_named(&key.text) else {
            let message = format!("there is no entity `{}`", key.text);
            complaints.push(Complaint::error("config.unknown_entity", key.place, message));
            continue;
        };
        let Some(entity) = plan.entity(index) else { continue };
        named("an entity takes cases by name", value, complaints);
        for (name, node) in pairs(value) {
            examine(plan, entity, node, complaints);
            cases.push(Case { entity: index, name: name.text.clone(), node: node.clone() });
        }
    }
}

/// What names nothing would be left out without a word: a case that is never played tells nothing.
fn named(what: &str, node: &Node, complaints: &mut Vec<Complaint>) {
    if !matches!(node.kind, Kind::Map(_)) && !node.is_null() {
        let message = format!("{what}, not {}", node.what());
        complaints.push(Complaint::error("config.value", node.place, message));
    }
}

fn pairs(node: &Node) -> &[(tree::Key, Node)] {
    match &node.kind {
        Kind::Map(entries) => entries,
        Kind::Scalar { .. } | Kind::List(_) => &[],
    }
}

/// Names in a case that refer to nothing.
fn examine(plan: &Plan, entity: &Entity, case: &Node, complaints: &mut Vec<Complaint>) {
    let mut refuse = |code, place, message: String| {
        complaints.push(Complaint::error(code, place, message));
    };
    if pairs(case).is_empty() {
        refuse("config.value", case.place, "a case has `row`, `record` or `writes`".into());
    }
    for (key, value) in pairs(case) {
        match key.text.as_str() {
            "record" => {
                for (field, _) in pairs(value) {
                    if entity.field_named(&field.text).is_none() {
                        let message = format!("there is no field `{}`", field.text);
                        refuse("config.unknown_field", field.place, message);
                    }
                }
            }
            "row" | "writes" => {
                for (system, columns) in pairs(value) {
                    let Some(binding) = binding(plan, entity, &system.text) else {
                        let message = format!("{} does not live in {}", entity.name, system.text);
                        refuse("config.unknown_system", system.place, message);
                        continue;
                    };
                    for (column, _) in pairs(columns) {
                        let is_mapped = |cell: &syncline_core::plan::Cell| {
                            columns_of(&cell.place).iter().any(|known| *known == *column.text)
                        };
                        if !binding.cells.iter().flatten().any(is_mapped) {
                            let message = format!("no field lives in `{}`", column.text);
                            refuse("config.unknown_field", column.place, message);
                        }
                    }
                }
                if key.text == "row" && pairs(value).len() != 1 {
                    refuse("config.value", value.place, "`row` is that of one system".into());
                }
            }
            other => {
                let message = format!("unknown key `{other}`");
                refuse("config.unknown_key", key.place, message);
            }
        }
    }
}

fn binding<'p>(plan: &'p Plan, entity: &Entity, system: &str) -> Option<&'p Binding> {
    let system = plan.system_named(system)?;
    let mut found = entity.bindings.iter().filter_map(|index| plan.binding(*index));
    found.find(|binding| binding.system == system)
}

impl Cases {
    /// Plays those that are wanted.
    pub(super) fn play(
        &self,
        plan: &Plan,
        live: &Live,
        wants: &dyn Fn(&str, &str) -> bool,
    ) -> Vec<Played> {
        let mut played = Vec::new();
        for case in &self.cases {
            let Some(entity) = plan.entity(case.entity) else { continue };
            if !wants(&entity.name, &case.name) {
                continue;
            }
            let stage = Stage { plan, live, entity, sources: &self.sources };
            let mut wrong = Vec::new();
            stage.play(&case.node, &mut wrong);
            played.push(Played { entity: entity.name.clone(), name: case.name.clone(), wrong });
        }
        played
    }

    /// The names of all cases.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.cases.iter().map(|case| case.name.as_str())
    }

    /// Writes what was got as what is expected; says how many expectations changed.
    pub(super) fn update(&self, played: &[Played]) -> Result<usize, Failure> {
        let mut count = 0;
        for (file, source) in self.sources.files.iter().enumerate() {
            let mut wrong: Vec<&Wrong> = played.iter().flat_map(|case| &case.wrong).collect();
            wrong.retain(|wrong| wrong.place.file == file);
            wrong.sort_by_key(|wrong| std::cmp::Reverse(wrong.place));
            let mut text = source.text.clone();
            for found in &wrong {
                text.replace_range(found.place.start..found.place.end, &found.got);
            }
            if !wrong.is_empty() {
                std::fs::write(&source.path, text).map_err(|error| {
                    let shown = source.path.display();
                    Failure::new("config.not_written", format!("{shown} cannot be written"))
                        .cause(error.to_string())
                        .with_exit(crate::exit::Exit::Environment)
                })?;
            }
            count += wrong.len();
        }
        Ok(count)
    }
}

/// What a case is played with.
struct Stage<'a> {
    plan: &'a Plan,
    live: &'a Live,
    entity: &'a Entity,
    sources: &'a Sources,
}

impl Stage<'_> {
    fn play(&self, case: &Node, wrong: &mut Vec<Wrong>) {
        let empty = Node { place: case.place, kind: Kind::Map(Vec::new()) };
        let row = case.get("row").and_then(|row| pairs(row).first());
        let expected = case.get("record").unwrap_or(&empty);
        let mut record = match row {
            Some((system, columns)) => self.record(&system.text, columns),
            None => self.given(expected),
        };
        self.compute(&mut record);
        if row.is_some() {
            for (field, node) in pairs(expected) {
                let got = self.entity.field_named(&field.text).and_then(|at| record.get(&at));
                self.compare(node, got, wrong);
            }
        }
        for (system, columns) in case.get("writes").map_or(&[][..], pairs) {
            let Some(binding) = binding(self.plan, self.entity, &system.text) else { continue };
            for (column, node) in pairs(columns) {
                self.compare_column(binding, (&column.text, node), &record, wrong);
            }
        }
    }

    /// What the hub reads in a row.
    fn record(&self, system: &str, columns: &Node) -> BTreeMap<FieldIndex, Became> {
        let mut record = BTreeMap::new();
        let Some(binding) = binding(self.plan, self.entity, system) else { return record };
        for (at, cell) in binding.cells.iter().enumerate() {
            let Some(cell) = cell.as_ref().filter(|cell| cell.two_way) else { continue };
            let Some(atom) = self.atom(binding, &cell.place, columns) else { continue };
            record.insert(FieldIndex(at as u16), cell.lens.get0(&atom));
        }
        record
    }

    fn atom(&self, binding: &Binding, place: &CellPlace, columns: &Node) -> Option<Value> {
        let value = |name: &Text| Some(literal(columns.get(name)?, self.native(binding, name)));
        match place {
            CellPlace::Column(name) => value(name),
            CellPlace::Columns(names) => {
                names.iter().map(value).collect::<Option<_>>().map(Value::List)
            }
            CellPlace::Path { column, path } => {
                let document = columns.get(column)?;
                let found = path.iter().try_fold(document, |node, key| node.get(key))?;
                Some(literal(found, None))
            }
        }
    }

    fn native(&self, binding: &Binding, column: &str) -> Option<NativeKind> {
        let system = self.plan.system(binding.system)?;
        let table = self.live.get(&system.name)?.tables.get(&binding.table.table)?.as_ref()?;
        let found = table.columns.iter().find(|found| found.name == column)?;
        kind::native(found)
    }

    /// The record as the case gives it.
    fn given(&self, record: &Node) -> BTreeMap<FieldIndex, Became> {
        let field = |(key, node): &(tree::Key, Node)| {
            let at = self.entity.field_named(&key.text)?;
            let native = native_of(&self.entity.field(at)?.kind);
            Some((at, Ok(literal(node, native))))
        };
        pairs(record).iter().filter_map(field).collect()
    }

    fn compute(&self, record: &mut BTreeMap<FieldIndex, Became>) {
        let lookup = |name: &str| {
            let at = self.entity.field_named(name)?;
            Some(record.get(&at).and_then(|found| found.clone().ok()).unwrap_or(Value::Null))
        };
        let context = Context { lookup: &lookup, now: Session::now(), zone: None, ranks: &[] };
        let computed: Vec<(FieldIndex, Became)> = self
            .entity
            .fields
            .iter()
            .enumerate()
            .filter_map(|(at, field)| {
                Some((FieldIndex(at as u16), field.compute.as_ref()?.eval(&context)))
            })
            .collect();
        record.extend(computed);
    }

    fn compare_column(
        &self,
        binding: &Binding,
        (column, node): (&str, &Node),
        record: &BTreeMap<FieldIndex, Became>,
        wrong: &mut Vec<Wrong>,
    ) {
        for (at, cell) in binding.cells.iter().enumerate() {
            let Some(cell) = cell else { continue };
            let Some(part) = columns_of(&cell.place).iter().position(|name| *name == *column)
            else {
                continue;
            };
            let unknown = Ok(Value::Null);
            let golden = record.get(&FieldIndex(at as u16)).unwrap_or(&unknown);
            let atom = golden.clone().and_then(|golden| cell.lens.put0(&golden));
            match &cell.place {
                CellPlace::Column(_) => self.compare(node, Some(&atom), wrong),
                CellPlace::Columns(_) => {
                    let part = atom.map(|atom| {
                        let Value::List(parts) = atom else { return atom };
                        parts.into_iter().nth(part).unwrap_or_default()
                    });
                    self.compare(node, Some(&part), wrong);
                }
                CellPlace::Path { path, .. } => {
                    if let Some(found) = path.iter().try_fold(node, |node, key| node.get(key)) {
                        self.compare(found, Some(&atom), wrong);
                    }
                }
            }
        }
    }

    fn compare(&self, expected: &Node, got: Option<&Became>, wrong: &mut Vec<Wrong>) {
        let (shown, got) = match got {
            None => ("nothing".to_owned(), "null".to_owned()),
            Some(Err(problem)) => {
                let code = problem.code.to_owned();
                (format!("{code}: {}", problem.message), code)
            }
            Some(Ok(Value::Null)) => ("null".to_owned(), "null".to_owned()),
            Some(Ok(Value::Text(text))) => (text.to_string(), json!(text.as_str()).to_string()),
            Some(Ok(value)) => (value.to_string(), json!(value.to_string()).to_string()),
        };
        let text = expected.text().unwrap_or_default();
        let same_text = !expected.is_null() && got == json!(text).to_string().as_str();
        let same_number = Decimal::parse(text).is_some_and(|number| shown == number.to_string());
        let is_met = match got.as_str() {
            "null" => expected.is_null(),
            code if !code.starts_with('"') => text == code,
            _ => same_text || same_number,
        };
        if !is_met {
            let at = self.sources.line_column(expected.place);
            let name = self.sources.name(expected.place);
            let said = if expected.is_null() { "null" } else { text };
            wrong.push(Wrong {
                message: format!("expected {said}, got {shown}"),
                at: format!("{name}:{}", at.line),
                place: expected.place,
                got,
            });
        }
    }
}

/// A value as it stands in a case.
fn literal(node: &Node, native: Option<NativeKind>) -> Value {
    match &node.kind {
        Kind::Scalar { text, is_quoted } => {
            let atom = Atom { text: Text::new(text), is_quoted: *is_quoted, place: node.place };
            cell::literal(&atom, native)
        }
        Kind::List(items) => Value::List(items.iter().map(|item| literal(item, None)).collect()),
        Kind::Map(entries) => {
            let entry =
                |(key, node): &(tree::Key, Node)| (Text::new(&key.text), literal(node, None));
            Value::Map(Box::new(entries.iter().map(entry).collect()))
        }
    }
}

/// How a value of this type is written in a case.
fn native_of(kind: &FieldType) -> Option<NativeKind> {
    match kind {
        FieldType::Text | FieldType::Email | FieldType::Phone { .. } | FieldType::Enum(_) => {
            Some(NativeKind::Text)
        }
        FieldType::Int | FieldType::Decimal | FieldType::Money { currency: Some(_) } => {
            Some(NativeKind::Num)
        }
        FieldType::Bool => Some(NativeKind::Bool),
        FieldType::Date => Some(NativeKind::Date),
        FieldType::Time => Some(NativeKind::Time),
        FieldType::Timestamp => Some(NativeKind::Instant),
        FieldType::LocalTimestamp => Some(NativeKind::LocalDateTime),
        FieldType::Uuid => Some(NativeKind::Uuid),
        FieldType::Bytes => Some(NativeKind::Bytes),
        FieldType::Float => Some(NativeKind::Float),
        FieldType::Interval => Some(NativeKind::Interval),
        FieldType::Any
        | FieldType::Money { currency: None }
        | FieldType::Json
        | FieldType::Set
        | FieldType::Ref => None,
    }
}
