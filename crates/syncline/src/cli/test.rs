//! `syncline test`: tests the mapping: your cases in `tests/*.yaml`, and round trips of every field
//! on generated values and on rows of the systems that can be reached. Writes to no system.

mod cases;
mod laws;
mod rows;

use clap::Args;
use serde_json::{Value as Json, json};
use syncline_core::{
    name::{EntityIndex, FieldIndex},
    plan::Plan,
};

use self::{
    cases::{Cases, Played},
    laws::Tested,
};
use crate::{
    cli::Context,
    config::{self, similar},
    exit::Exit,
    report::{Answer, Failure},
    words,
};

/// Flags of `test`.
#[derive(Debug, Args)]
pub(crate) struct Test {
    /// Only entities, fields and cases whose name contains this.
    #[arg(long, value_name = "TEXT")]
    pub(crate) filter: Option<String>,
    /// Write what was got as what is expected.
    #[arg(long)]
    pub(crate) update: bool,
}

impl Test {
    /// Tries every field and every case.
    pub(crate) async fn run(self, context: &Context) -> Result<Answer, Failure> {
        let loaded = config::load(context)?;
        let seen = config::look(&loaded).await;
        let plan = loaded.plan(context, &seen.live)?;
        let cases = cases::read(&loaded, &plan, context.paint)?;
        self.names_something(&plan, &cases)?;
        let samples = rows::sample(&loaded, &plan, &seen.live).await;
        let mut fields = Vec::new();
        for (at, entity) in plan.entities.iter().enumerate() {
            for (number, field) in entity.fields.iter().enumerate() {
                if self.wants(&[&entity.name, &field.name]) {
                    let at = (EntityIndex(at as u16), FieldIndex(number as u16));
                    fields.extend(laws::try_field(&plan, at, &samples));
                }
            }
        }
        let mut played = cases.play(&plan, &seen.live, &|entity, case| self.wants(&[entity, case]));
        let mut updated = 0;
        if self.update {
            updated = cases.update(&played)?;
            for case in &mut played {
                case.wrong.clear();
            }
        }
        let unreached: Vec<&str> = loaded
            .systems()
            .filter(|system| !seen.live.contains_key(*system))
            .chain(samples.failed.iter().map(String::as_str))
            .collect();
        let names: Vec<&str> = plan.entities.iter().map(|entity| entity.name.as_str()).collect();
        Ok(answer(&names, &fields, &played, &unreached, updated))
    }

    /// A filter that nothing is left of tests nothing, and must not look like a success.
    fn names_something(&self, plan: &Plan, cases: &Cases) -> Result<(), Failure> {
        let Some(filter) = &self.filter else { return Ok(()) };
        let entities = plan.entities.iter();
        let names: Vec<&str> = entities
            .flat_map(|entity| {
                let fields = entity.fields.iter().map(|field| field.name.as_str());
                std::iter::once(entity.name.as_str()).chain(fields)
            })
            .chain(cases.names())
            .collect();
        if names.iter().any(|name| name.contains(filter.as_str())) {
            return Ok(());
        }
        let message = format!("no entity, field or case has `{filter}` in its name");
        Err(Failure::new("usage.filter", message).done("nothing was tested").fix(
            match similar::nearest(filter, names) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "--filter TEXT takes a part of a name, in small and capital letters as \
                         there"
                    .to_owned(),
            },
        ))
    }

    fn wants(&self, names: &[&str]) -> bool {
        let wanted = |filter: &String| names.iter().any(|name| name.contains(filter.as_str()));
        self.filter.as_ref().is_none_or(wanted)
    }
}

fn answer(
    names: &[&str],
    fields: &[Tested],
    played: &[Played],
    unreached: &[&str],
    updated: usize,
) -> Answer {
    let mut lines = Vec::new();
    for name in names {
        let own: Vec<&Tested> = fields.iter().filter(|field| field.entity == **name).collect();
        let cases: Vec<&Played> = played.iter().filter(|case| case.entity == **name).collect();
        entity_lines(name, &own, &cases, &mut lines);
    }
    let failed = fields.iter().map(|field| field.found.len()).sum::<usize>()
        + played.iter().map(|case| case.wrong.len()).sum::<usize>();
    let count = |number: usize, noun| words::counted(number as u64, noun);
    let mut summary = format!(
        "{}, {}: {failed} failed.",
        count(fields.len(), "field"),
        count(played.len(), "case")
    );
    if updated > 0 {
        summary.push_str(&format!(" {} updated.", count(updated, "expectation")));
    }
    if !unreached.is_empty() {
        summary.push_str(&format!(
            " No rows of {}: not reached (syncline doctor).",
            unreached.join(", ")
        ));
    }
    lines.push(summary.clone());
    let plain: Vec<String> = fields.iter().map(Tested::plain).collect();
    let result = json!({
        "fields": fields.iter().map(Tested::json).collect::<Vec<Json>>(),
        "cases": played.iter().map(Played::json).collect::<Vec<Json>>(),
        "failed": failed,
        "updated": updated,
        "not_reached": unreached,
    });
    let answer = Answer::new(summary)
        .with_result(result)
        .with_text(lines.join("\n"))
        .with_plain(plain.join("\n"));
    if failed > 0 { answer.with_exit(Exit::Failed) } else { answer }
}

fn entity_lines(name: &str, fields: &[&Tested], cases: &[&Played], lines: &mut Vec<String>) {
    let mut fails = false;
    for case in cases {
        for wrong in &case.wrong {
            fails = true;
            lines.push(format!(" ✗ {name}: \"{}\" {}", case.name, wrong.message));
            lines.push(format!("   {}", wrong.at));
        }
    }
    for field in fields {
        for found in &field.found {
            fails = true;
            lines.push(format!(" ✗ {name}.{}: {} ({})", field.field, found.message, found.code));
        }
    }
    if fails || (fields.is_empty() && cases.is_empty()) {
        return;
    }
    let count = |number: usize, noun| words::counted(number as u64, noun);
    let values = fields.iter().map(|field| field.values).max().unwrap_or(0);
    let rows = fields.iter().map(|field| field.rows).max().unwrap_or(0);
    lines.push(format!(
        " ✓ {name}: {}, {} round-trip {} and {}",
        count(cases.len(), "case"),
        count(fields.len(), "field"),
        count(values, "value"),
        count(rows, "sampled row")
    ));
}
