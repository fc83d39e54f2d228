//! A proposal as people and programs read it. Of values only counts are shown, and codes.

use serde_json::{Value as Json, json};

use crate::{
    discover::{Field, Pair, Proposal},
    report::Answer,
    words,
};

/// What was done, beside the proposal.
pub(super) struct Summary<'a> {
    /// The systems.
    pub(super) systems: [&'a str; 2],
    /// How many tables each has.
    pub(super) tables: [usize; 2],
    /// The most rows that were read of a table of each.
    pub(super) sampled: [usize; 2],
    /// What was not looked at.
    pub(super) skipped: Vec<String>,
    /// What the file names already.
    pub(super) known: Vec<String>,
    /// The file that was written.
    pub(super) written: Option<String>,
}

/// The answer of the command.
pub(super) fn answer(summary: &Summary<'_>, proposal: &Proposal, min: f64) -> Answer {
    let head = head(summary, proposal);
    let mut text = format!("{head}\n");
    for pair in &proposal.pairs {
        text.push_str(&pair_text(summary, pair, ' ', min));
    }
    for pair in &proposal.doubtful {
        text.push_str(&pair_text(summary, pair, '?', min));
    }
    for line in summary.known.iter().chain(&summary.skipped) {
        text.push_str(&format!("  - {line}\n"));
    }
    let alone = alone(summary, proposal);
    if !alone.is_empty() {
        text.push_str(&format!("unpaired   {alone}\n"));
    }
    text.push_str(&next(summary, proposal, min));
    let pairs: Vec<Json> = proposal.pairs.iter().map(|pair| pair_json(summary, pair)).collect();
    let doubtful: Vec<Json> =
        proposal.doubtful.iter().map(|pair| pair_json(summary, pair)).collect();
    let [one, other] = summary.systems;
    let [unpaired_one, unpaired_other] = &proposal.unpaired;
    let result = json!({
        "systems": summary.systems,
        "tables": { one: summary.tables[0], other: summary.tables[1] },
        "sampled": { one: summary.sampled[0], other: summary.sampled[1] },
        "min": min,
        "entities": pairs,
        "doubtful": doubtful,
        "unpaired": {
            one: unpaired_one.iter().map(|it| it.as_str()).collect::<Vec<_>>(),
            other: unpaired_other.iter().map(|it| it.as_str()).collect::<Vec<_>>(),
        },
        "known": summary.known,
        "skipped": summary.skipped,
        "written": summary.written,
    });
    Answer::new(head).with_result(result).with_text(text).with_plain(plain(summary, proposal))
}

fn head(summary: &Summary<'_>, proposal: &Proposal) -> String {
    let [one, other] = summary.tables;
    let [rows_one, rows_other] = summary.sampled;
    let rows = rows_one.max(rows_other) as u64;
    let written = match &summary.written {
        Some(path) => {
            format!("Wrote {} to {path}.", entities(proposal.pairs.len()))
        }
        None => "Nothing was written.".to_owned(),
    };
    format!(
        "Compared {one} x {} {written}",
        words::counted(other as u64, "table")
            + &format!(", sampled up to {} a table.", words::counted(rows, "row"))
    )
}

fn entities(count: usize) -> String {
    words::several(count as u64, "entity", "entities")
}

fn next(summary: &Summary<'_>, proposal: &Proposal, min: f64) -> String {
    let [one, other] = summary.systems;
    let names: Vec<String> =
        proposal.pairs.iter().map(|pair| format!("entities.{}", pair.name)).collect();
    match (&summary.written, proposal.pairs.as_slice()) {
        (Some(_), [only]) => format!("Next: look it over, then syncline plan {}", only.name),
        (Some(_), _) => "Next: look them over, then syncline plan".to_owned(),
        (None, []) if proposal.doubtful.is_empty() => {
            let what = if summary.known.is_empty() { "Nothing" } else { "Nothing else" };
            format!("{what} belongs together as far as names and rows tell.")
        }
        (None, []) => format!("Nothing is so certain as {min}. --min proposes more"),
        (None, _) => format!(
            "Next: syncline discover {one} {other} --write     adds {} to the file, marked \"# proposed\"",
            names.join(", ")
        ),
    }
}

/// `crm.tags, erp.LOG`, not more than people read.
fn alone(summary: &Summary<'_>, proposal: &Proposal) -> String {
    const SHOWN: usize = 30;
    let all: Vec<String> = summary
        .systems
        .iter()
        .zip(&proposal.unpaired)
        .flat_map(|(system, tables)| tables.iter().map(move |table| format!("{system}.{table}")))
        .collect();
    let more = all.len().saturating_sub(SHOWN);
    let shown: Vec<&str> = all.iter().take(SHOWN).map(String::as_str).collect();
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{rest}", shown.join(", "))
}

/// One line of a pair: what it is called, its two cells, how certain, and why.
struct Row {
    cells: [String; 3],
    confidence: String,
    evidence: String,
    note: &'static str,
}

fn row(systems: [&str; 2], field: &Field, is_proposed: bool) -> Row {
    let [one, other] = systems;
    let [left, right] = &field.cells;
    let shown = |system: &str, columns: &[syncline_core::Text]| {
        let names: Vec<&str> = columns.iter().map(|name| name.as_str()).collect();
        format!("{system}.{}", names.join("+"))
    };
    let mark = if is_proposed { "" } else { "? " };
    let note = match (is_proposed, field.to_confirm) {
        (false, _) => "   <- not proposed",
        (true, true) => "   <- please confirm",
        (true, false) => "",
    };
    Row {
        cells: [
            format!("{mark}{}", field.name),
            shown(one, &left.columns),
            shown(other, &right.columns),
        ],
        confidence: format!("{:.2}", field.confidence),
        evidence: field.evidence.clone(),
        note,
    }
}

fn pair_text(summary: &Summary<'_>, pair: &Pair, mark: char, min: f64) -> String {
    let [one, other] = summary.systems;
    let [left, right] = &pair.tables;
    let mark = if mark == '?' { "? " } else { "" };
    let title = format!("{mark}{}   {one}.{left} <-> {other}.{right}", pair.name);
    let mut text = format!("{title:<82}confidence {:.2}\n", pair.confidence);
    let is_proposed = mark.is_empty();
    let rows: Vec<Row> = pair
        .fields
        .iter()
        .map(|field| row(summary.systems, field, is_proposed))
        .chain(pair.doubtful.iter().map(|field| row(summary.systems, field, false)))
        .collect();
    let width = |at: usize| {
        rows.iter()
            .filter_map(|row| row.cells.get(at))
            .map(|it| it.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths = [width(0), width(1), width(2)];
    for row in &rows {
        text.push_str("  ");
        for (cell, width) in row.cells.iter().zip(widths) {
            text.push_str(&format!("{cell:<width$}  "));
        }
        text.push_str(&format!("{}  {}{}\n", row.confidence, row.evidence, row.note));
    }
    let unpaired: Vec<String> = summary
        .systems
        .iter()
        .zip(&pair.unpaired)
        .flat_map(|(system, columns)| columns.iter().map(move |it| format!("{system}.{it}")))
        .collect();
    if !unpaired.is_empty() {
        text.push_str(&format!("  unpaired   {}\n", unpaired.join(", ")));
    }
    if let Some(child) = &pair.lines {
        let inner = pair_text(summary, &child.pair, ' ', min);
        let inner: String = inner.lines().map(|line| format!("  {line}\n")).collect();
        text.push_str(&inner);
    }
    for found in &pair.sensitive {
        let system = summary.systems.get(found.side).copied().unwrap_or_default();
        text.push_str(&format!(
            "  sensitive  {system}.{} ({}): never read\n",
            found.column, found.why
        ));
    }
    for remark in &pair.remarks {
        text.push_str(&format!("  ! {remark}\n"));
    }
    if !is_proposed && pair.confidence < min {
        text.push_str("  ! not proposed: too little belongs together\n");
    }
    text
}

fn field_json(systems: [&str; 2], field: &Field) -> Json {
    let [one, other] = systems;
    let cell = |cell: &crate::discover::Cell| {
        let columns: Vec<&str> = cell.columns.iter().map(|it| it.as_str()).collect();
        let settings: serde_json::Map<String, Json> =
            cell.settings.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
        json!({ "columns": columns, "settings": settings })
    };
    let keys: serde_json::Map<String, Json> =
        field.keys.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
    let [left, right] = &field.cells;
    json!({
        "name": field.name,
        "keys": keys,
        one: cell(left),
        other: cell(right),
        "confidence": rounded(field.confidence),
        "evidence": field.evidence,
        "match": field.is_key,
        "confirm": field.to_confirm,
    })
}

fn rounded(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

fn pair_json(summary: &Summary<'_>, pair: &Pair) -> Json {
    let [one, other] = summary.systems;
    let all = |fields: &[Field]| -> Vec<Json> {
        fields.iter().map(|field| field_json(summary.systems, field)).collect()
    };
    let [left, right] = &pair.tables;
    let [free_left, free_right] = &pair.unpaired;
    let sensitive: Vec<Json> = pair
        .sensitive
        .iter()
        .map(|it| {
            let system = summary.systems.get(it.side).copied().unwrap_or_default();
            json!({ "system": system, "column": it.column.as_str(), "why": it.why })
        })
        .collect();
    json!({
        "name": pair.name,
        "tables": { one: left.as_str(), other: right.as_str() },
        "confidence": rounded(pair.confidence),
        "rows": { one: pair.rows[0], other: pair.rows[1] },
        "matched": pair.matched,
        "fields": all(&pair.fields),
        "doubtful": all(&pair.doubtful),
        "unpaired": {
            one: free_left.iter().map(|it| it.as_str()).collect::<Vec<_>>(),
            other: free_right.iter().map(|it| it.as_str()).collect::<Vec<_>>(),
        },
        "sensitive": sensitive,
        "remarks": pair.remarks,
        "lines": pair.lines.as_ref().map(|lines| pair_json(summary, &lines.pair)),
    })
}

/// A line a field: entity, field, the columns, how certain, and whether it is proposed.
fn plain(summary: &Summary<'_>, proposal: &Proposal) -> String {
    let mut out = String::new();
    let pairs = proposal.pairs.iter().map(|pair| (pair, true));
    for (pair, is_pair) in pairs.chain(proposal.doubtful.iter().map(|pair| (pair, false))) {
        let fields = pair.fields.iter().map(|field| (field, is_pair));
        for (field, is_proposed) in fields.chain(pair.doubtful.iter().map(|field| (field, false))) {
            let row = row(summary.systems, field, is_proposed);
            let [_, left, right] = &row.cells;
            let word = if is_proposed { "proposed" } else { "doubtful" };
            out.push_str(&format!(
                "{}\t{}\t{left}\t{right}\t{}\t{word}\t{}\n",
                pair.name, field.name, row.confidence, row.evidence
            ));
        }
    }
    out
}
