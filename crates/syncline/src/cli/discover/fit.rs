//! What is proposed is tried before it is shown: the file with it is checked, offline and against the
//! live schemas, and what would be refused is taken out again, with the reason beside it.

use std::collections::BTreeMap;

use crate::{
    cli::discover::{Fitted, lines_of},
    config::{self, Complaint, Loaded, Severity},
    discover::{
        Pair, Proposal, Side,
        write::{self, About, Shape},
    },
    report::Failure,
};

/// Pairs of tables that the file names already: `crm.contacts and erp.CUSTOMER are contacts`. They
/// are taken from what is compared.
pub(super) fn known(loaded: &Loaded, left: &mut Side, right: &mut Side) -> Vec<String> {
    let mut known = Vec::new();
    for entity in &loaded.draft.entities {
        let (Some(one), Some(other)) =
            (entity.binding(&left.system), entity.binding(&right.system))
        else {
            continue;
        };
        let (one, other) = (one.table.value.clone(), other.table.value.clone());
        let held = left.tables.len() + right.tables.len();
        left.tables.retain(|table| table.table.name != one);
        right.tables.retain(|table| table.table.name != other);
        if left.tables.len() + right.tables.len() < held {
            known.push(format!(
                "{}.{one} and {}.{other} are {} already",
                left.system, right.system, entity.name
            ));
        }
    }
    known
}

/// Takes out of the proposal what a check would refuse; gives the file as it would be.
pub(super) async fn fit(
    loaded: &Loaded,
    env: Option<&str>,
    mut proposal: Proposal,
    sides: [&Side; 2],
) -> Result<Fitted, Failure> {
    let own = loaded.sources.files.first().map_or("", |file| file.text.as_str()).to_owned();
    for pair in &mut proposal.pairs {
        pair.name = free_name(loaded, &pair.name);
    }
    rename_references(loaded, &mut proposal);
    let mut read_only: BTreeMap<String, (usize, String)> = BTreeMap::new();
    let mut seen = None;
    // Each round takes something out.
    loop {
        if proposal.pairs.is_empty() {
            return Ok(Fitted { proposal, text: own });
        }
        let shapes: Vec<Shape<'_>> = proposal
            .pairs
            .iter()
            .map(|pair| Shape {
                pair,
                systems: sides.map(|side| side.system.as_str()),
                rest: sides.map(|side| side.is_rest),
                read_only: read_only.get(&pair.name).map(|(side, why)| (*side, why.as_str())),
            })
            .collect();
        let lines = lines_of(&shapes);
        let texts: Vec<String> = lines.iter().map(|(_, (_, text))| text.clone()).collect();
        let written = write::insert(&own, &texts)
            .map_err(|why| Failure::new("config.syntax", why).done("nothing was written"))?;
        let tried = config::with_text(&loaded.path, written.text.clone(), env)?;
        let mut complaints = tried.complaints.clone();
        if !tried.is_invalid() {
            if seen.is_none() {
                seen = Some(config::look(&tried).await);
            }
            if let Some(seen) = &seen {
                complaints.extend(tried.compare(seen));
            }
        }
        let about: Vec<(usize, About, Complaint)> = complaints
            .into_iter()
            .filter(|found| found.severity == Severity::Error)
            .filter_map(|found| {
                let place = found.place.filter(|place| place.file == 0)?;
                let line = tried.sources.line_column(place).line.checked_sub(written.first_line)?;
                let (pair, (about, _)) = lines.get(line)?;
                Some((*pair, about.clone(), found))
            })
            .collect();
        if about.is_empty() {
            return Ok(Fitted { proposal, text: written.text });
        }
        take_out(&mut proposal, about, &mut read_only);
    }
}

/// Acts on the complaints of one round.
fn take_out(
    proposal: &mut Proposal,
    found: Vec<(usize, About, Complaint)>,
    read_only: &mut BTreeMap<String, (usize, String)>,
) {
    let mut dropped: Vec<usize> = Vec::new();
    for (at, about, complaint) in found {
        let Some(pair) = proposal.pairs.get_mut(at) else { continue };
        let why = complaint.message.clone();
        match about {
            About::Field(name) => {
                let is_key = pair.fields.iter().any(|field| field.is_key && field.name == name);
                let Some(place) = pair.fields.iter().position(|field| field.name == name) else {
                    continue;
                };
                if is_key {
                    drop_pair(pair, &why);
                    dropped.push(at);
                } else {
                    let mut field = pair.fields.remove(place);
                    field.evidence = format!("{}; {why}", field.evidence);
                    pair.doubtful.push(field);
                }
            }
            About::LineField(name) => {
                let Some(lines) = &mut pair.lines else { continue };
                let fields = &mut lines.pair.fields;
                match fields.iter().position(|field| field.name == name) {
                    Some(place) if fields.get(place).is_some_and(|field| !field.is_key) => {
                        let mut field = fields.remove(place);
                        field.evidence = format!("{}; {why}", field.evidence);
                        lines.pair.doubtful.push(field);
                    }
                    Some(_) | None => drop_lines(pair, &why),
                }
            }
            About::Lines => drop_lines(pair, &why),
            // Rows of this side cannot be written as things are: it is only read, unless that is said
            // of the other side already.
            About::Table(side) if is_about_writing(&complaint) => match read_only.get(&pair.name) {
                None => {
                    pair.remarks.push(format!("{why}: it is only read"));
                    read_only.insert(pair.name.clone(), (side, why));
                }
                Some(_) => {
                    drop_pair(pair, &why);
                    dropped.push(at);
                }
            },
            About::Table(_) | About::Entity => {
                drop_pair(pair, &why);
                dropped.push(at);
            }
        }
    }
    dropped.sort_unstable();
    dropped.dedup();
    for at in dropped.into_iter().rev() {
        proposal.doubtful.push(proposal.pairs.remove(at));
    }
}

fn is_about_writing(complaint: &Complaint) -> bool {
    matches!(
        complaint.code,
        "schema.required_unmapped" | "schema.key_unmapped" | "connect.privilege" | "schema.view"
    )
}

fn drop_lines(pair: &mut Pair, why: &str) {
    if let Some(lines) = pair.lines.take() {
        let [one, other] = &lines.pair.tables;
        pair.remarks.push(format!("{one} and {other} are not proposed as its lines: {why}"));
    }
}

fn drop_pair(pair: &mut Pair, why: &str) {
    pair.remarks.push(format!("not proposed: {why}"));
}

/// The name itself, or one with a number if the file has an entity of that name.
fn free_name(loaded: &Loaded, name: &str) -> String {
    let taken = |name: &str| loaded.draft.entities.iter().any(|entity| entity.name == name);
    if !taken(name) {
        return name.to_owned();
    }
    let mut numbered = (2..).map(|number| format!("{name}_{number}"));
    numbered.find(|name| !taken(name)).unwrap_or_else(|| name.to_owned())
}

/// Fields that refer to an entity that got another name, follow it.
fn rename_references(loaded: &Loaded, proposal: &mut Proposal) {
    let renamed: Vec<(String, String)> = proposal
        .pairs
        .iter()
        .filter_map(|pair| {
            let (bare, number) = pair.name.rsplit_once('_')?;
            let is_number = number.chars().all(|digit| digit.is_ascii_digit());
            let is_known = loaded.draft.entities.iter().any(|entity| entity.name == bare);
            (is_number && is_known).then(|| (bare.to_owned(), pair.name.clone()))
        })
        .collect();
    let fields = proposal.pairs.iter_mut().flat_map(|pair| {
        let lines = pair.lines.as_mut().map(|lines| &mut lines.pair.fields);
        pair.fields.iter_mut().chain(lines.into_iter().flatten())
    });
    for (key, value) in fields.flat_map(|field| &mut field.keys) {
        if let Some((_, new)) = renamed.iter().find(|(old, _)| *key == "ref" && old == value) {
            value.clone_from(new);
        }
    }
}
