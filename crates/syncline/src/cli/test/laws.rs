//! The laws of a field (`docs/reference/lenses.md`) on generated values and sampled rows: what is
//! written reads back, an untouched row stays, what one system holds the others can hold, and no
//! two systems rewrite each other for ever.

use serde_json::{Value as Json, json};
use syncline_core::{
    Text,
    lens::{FieldType, Lens, law},
    name::{BindingIndex, EntityIndex, FieldIndex},
    plan::{Binding, Cell, Field, Plan},
    value::Value,
};

use crate::cli::test::rows::Samples;

/// Generated values per cell; with the four laws, ten thousand cases.
const VALUES: usize = 2_500;
const SEED: u64 = 1;

/// A field that was tried.
pub(super) struct Tested {
    pub(super) entity: Text,
    pub(super) field: Text,
    /// Generated values.
    pub(super) values: usize,
    /// Sampled rows, of all systems.
    pub(super) rows: usize,
    exact: usize,
    remembered: usize,
    refused: usize,
    pub(super) found: Vec<Finding>,
}

/// A law that does not hold.
pub(super) struct Finding {
    pub(super) code: &'static str,
    pub(super) message: String,
}

impl Tested {
    /// As a row of `--plain`.
    pub(super) fn plain(&self) -> String {
        let numbers = [self.values, self.rows, self.exact, self.remembered, self.refused];
        let numbers: Vec<String> = numbers.iter().map(usize::to_string).collect();
        format!("{}.{}\t{}\t{}", self.entity, self.field, numbers.join("\t"), self.found.len())
    }

    /// As programs read it.
    pub(super) fn json(&self) -> Json {
        let found: Vec<Json> = self
            .found
            .iter()
            .map(|found| json!({"code": found.code, "detail": found.message}))
            .collect();
        json!({
            "entity": self.entity.as_str(), "field": self.field.as_str(),
            "values": self.values, "rows": self.rows, "exact": self.exact,
            "remembered": self.remembered, "refused": self.refused, "failed": found,
        })
    }

    fn add(&mut self, report: &law::Report, system: &str, what: &str) {
        self.exact += report.exact;
        self.remembered += report.remembered;
        self.refused += report.refused;
        for found in &report.counterexamples {
            self.fail(found.code, format!("{system}: {what}: {found}"));
        }
    }

    fn fail(&mut self, code: &'static str, message: String) {
        self.found.push(Finding { code, message });
    }
}

/// A cell and what it takes part in.
struct Side<'a> {
    system: &'a str,
    lens: &'a Lens,
    reads: bool,
    writes: bool,
    natives: &'a [Value],
}

/// Tries a field; `None` for references and fields without a cell: there is nothing to convert.
pub(super) fn try_field(
    plan: &Plan,
    (entity, index): (EntityIndex, FieldIndex),
    samples: &Samples,
) -> Option<Tested> {
    let found = plan.entity(entity)?;
    let field = found.field(index)?;
    if field.kind == FieldType::Ref || field.compute.is_some() {
        return None;
    }
    let sides: Vec<Side<'_>> = found
        .bindings
        .iter()
        .filter_map(|binding| side(plan, *binding, (index, field), samples))
        .collect();
    if sides.is_empty() {
        return None;
    }
    let golden = law::generate(&field.kind, SEED, VALUES);
    let mut tested = Tested {
        entity: found.name.clone(),
        field: field.name.clone(),
        values: golden.len(),
        rows: sides.iter().map(|side| side.natives.len()).sum(),
        exact: 0,
        remembered: 0,
        refused: 0,
        found: Vec::new(),
    };
    for side in sides.iter().filter(|side| side.reads && side.writes) {
        tested.add(&law::round_trip(side.lens, &golden), side.system, "generated");
        let natives: Vec<Value> =
            golden.iter().filter_map(|value| side.lens.put0(value).ok()).collect();
        tested.add(&law::keeps(side.lens, &natives), side.system, "generated");
    }
    let mut held = golden;
    for side in sides.iter().filter(|side| side.reads) {
        let read = sampled(side, &mut tested);
        for other in sides.iter().filter(|other| other.writes && other.system != side.system) {
            carried(side, other, &read, &mut tested);
        }
        held.extend(read);
    }
    fights(&sides, &held, &mut tested);
    Some(tested)
}

fn side<'a>(
    plan: &'a Plan,
    index: BindingIndex,
    (at, field): (FieldIndex, &Field),
    samples: &'a Samples,
) -> Option<Side<'a>> {
    let binding: &Binding = plan.binding(index)?;
    let cell: &Cell = binding.cell(at)?;
    let system = binding.system;
    let counts = field.from.as_ref().is_none_or(|from| from.contains(&system));
    let is_only_source = matches!(field.from.as_deref(), Some([only]) if *only == system);
    let is_given = field.to.as_ref().is_none_or(|to| to.contains(&system));
    Some(Side {
        system: plan.system(system)?.name.as_str(),
        lens: &cell.lens,
        reads: binding.reads && counts && cell.two_way,
        writes: binding.writes && is_given && !is_only_source,
        natives: samples.values.get(&(index, at)).map_or(&[], Vec::as_slice),
    })
}

/// What the sampled rows mean; those that mean nothing are findings, the first of them shown.
fn sampled(side: &Side<'_>, tested: &mut Tested) -> Vec<Value> {
    let report = law::keeps(side.lens, side.natives);
    if let Some((_, problem)) = report.problems.first() {
        let rows = crate::words::counted(report.refused as u64, "row");
        tested.fail(
            problem.code,
            format!("{} holds what cannot be read ({rows}): {}", side.system, problem.message),
        );
    }
    tested.add(&report, side.system, "a row");
    let mut read: Vec<Value> =
        side.natives.iter().filter_map(|native| side.lens.get0(native).ok()).collect();
    let mut seen = std::collections::BTreeSet::new();
    read.retain(|value| {
        let mut bytes = Vec::new();
        value.encode(&mut bytes);
        seen.insert(bytes)
    });
    read
}

/// Whether the other system can hold what this one does.
fn carried(side: &Side<'_>, other: &Side<'_>, read: &[Value], tested: &mut Tested) {
    let lost = |value: &&Value| {
        let refused = other.lens.put0(value).is_err();
        let changed = other.reads
            && law::carries(&Lens::identity(), other.lens, std::slice::from_ref(*value)).is_err();
        refused || changed
    };
    let lost: Vec<&Value> = read.iter().filter(lost).collect();
    let Some(first) = lost.first() else { return };
    let values = crate::words::counted(lost.len() as u64, "value");
    let why = match other.lens.put0(first) {
        Err(problem) => (problem.code, problem.message.clone()),
        Ok(native) => ("map.lossy", format!("\"{first}\" would be written as \"{native}\"")),
    };
    tested.fail(
        why.0,
        format!("{} holds what {} cannot ({values}): {}", side.system, other.system, why.1),
    );
}

/// Every pair of systems comes to rest with every value.
fn fights(sides: &[Side<'_>], held: &[Value], tested: &mut Tested) {
    let both: Vec<&Side<'_>> = sides.iter().filter(|side| side.reads && side.writes).collect();
    for (at, left) in both.iter().enumerate() {
        for right in both.iter().skip(at + 1) {
            if let Err(found) = law::fixpoint(left.lens, right.lens, held) {
                let pair = format!("{} and {}", left.system, right.system);
                tested.fail(found.code, format!("{pair} would rewrite each other: {found}"));
            }
        }
    }
}
