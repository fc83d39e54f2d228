//! Two columns, compared: whether they are one field, how each side would write it, and why one
//! should believe it.

use std::collections::HashMap;

use syncline_core::lens::NativeKind;

use crate::{
    discover::{
        Cell, Field, codes,
        codes::Coded,
        facts::Facts,
        names, phones,
        reading::{Meaning, Reading},
        rows::{Agreement, Rows},
    },
    words,
};

/// Codes are shown to a person if they are less certain than this.
const CODES_SURE: f64 = 0.9;

/// What two columns have in common.
#[derive(Clone, Debug)]
pub(crate) struct Found<'a> {
    /// How alike their names are.
    pub(crate) likeness: f64,
    /// What their rows prove.
    pub(crate) proof: f64,
    /// From 0 to 1.
    pub(crate) confidence: f64,
    what: What<'a>,
}

#[derive(Clone, Debug)]
enum What<'a> {
    /// Nothing but their names.
    Names,
    /// Both are read so.
    Readings(&'a Reading, &'a Reading, Agreement),
    /// Codes for one another.
    Codes(Coded),
    /// Both refer to records of this entity.
    Reference(String, Agreement),
}

/// How certain a field is, from what rows prove and names promise.
fn confidence(proof: f64, agreement: Agreement, likeness: f64) -> f64 {
    if agreement.rows == 0 || agreement.chance > 0.999 {
        return 0.65 * likeness;
    }
    if agreement.beyond_chance() < 0.3 && agreement.rows >= 10 {
        // Rows that deny it outweigh the names.
        return 0.45 * likeness;
    }
    1.0 - 0.97f64.mul_add(-proof, 1.0) * 0.6f64.mul_add(-likeness, 1.0)
}

/// Typed readings say more than plain ones that agree as well.
fn preference(reading: &Reading, left: &Facts, right: &Facts) -> f64 {
    let numeric = |facts: &Facts| matches!(facts.native, NativeKind::Num | NativeKind::Float);
    match reading.meaning {
        Meaning::Email | Meaning::Date | Meaning::Instant | Meaning::Local | Meaning::Uuid => 0.03,
        Meaning::Number if numeric(left) || numeric(right) => 0.03,
        Meaning::Text | Meaning::Exactly => 0.02,
        Meaning::Phone => 0.005,
        Meaning::Number | Meaning::Folded => 0.0,
    }
}

/// Compares two columns on these rows.
pub(crate) fn compare<'a>(
    left: &'a Facts,
    right: &'a Facts,
    likeness: f64,
    rows: &Rows,
) -> Found<'a> {
    let mut best: Option<(f64, &Reading, &Reading, Agreement)> = None;
    for one in &left.readings {
        for other in right.readings.iter().filter(|other| other.meaning == one.meaning) {
            let scaled = |reading: &Reading| reading.settings.iter().any(|(key, _)| *key == "unit");
            if scaled(one) && scaled(other) {
                continue;
            }
            let agreement = Agreement::of(&one.marks, &other.marks, rows);
            let worth = agreement.proof() + preference(one, left, right);
            if best.as_ref().is_none_or(|(known, ..)| worth > *known + 0.001) {
                best = Some((worth, one, other, agreement));
            }
        }
    }
    let plain = best.as_ref().map_or(0.0, |(.., agreement)| agreement.proof());
    if plain < 0.85
        && let Some(coded) = codes::compare(left, right, rows)
        && coded.proof > plain
    {
        let agreement = Agreement { rows: coded.rows, equal: coded.equal, ..Agreement::default() };
        let confidence = confidence(coded.proof, agreement, likeness);
        return Found { likeness, proof: coded.proof, confidence, what: What::Codes(coded) };
    }
    match best {
        Some((_, one, other, agreement)) if agreement.rows > 0 => Found {
            likeness,
            proof: plain,
            confidence: confidence(plain, agreement, likeness),
            what: What::Readings(one, other, agreement),
        },
        Some(_) | None => by_name(left, right, likeness),
    }
}

/// Columns of which at least one holds nothing: only their names and types speak.
fn by_name<'a>(left: &'a Facts, right: &'a Facts, likeness: f64) -> Found<'a> {
    let is_empty = left.filled == 0 || right.filled == 0;
    let fits = left.native == right.native || is_empty && both_plain(left, right);
    let confidence = match (is_empty, fits) {
        (true, true) => 0.75 * likeness,
        (false, true) => 0.6 * likeness,
        (_, false) => 0.4 * likeness,
    };
    Found { likeness, proof: 0.0, confidence, what: What::Names }
}

fn both_plain(left: &Facts, right: &Facts) -> bool {
    use NativeKind::{Float, Json, Num, Text};
    let plain = |facts: &Facts| matches!(facts.native, Text | Num | Float | Json);
    plain(left) && plain(right)
}

/// Compares two columns that refer to records of one entity. `partner` says which key of the right
/// stands for which of the left.
pub(crate) fn reference<'a>(
    left: &'a Facts,
    right: &'a Facts,
    likeness: f64,
    rows: &Rows,
    entity: &str,
    partner: &HashMap<u64, u64>,
) -> Option<Found<'a>> {
    let (one, other) = (exact(left)?, exact(right)?);
    let translated: Vec<Option<u64>> =
        one.marks.iter().map(|mark| mark.and_then(|mark| partner.get(&mark).copied())).collect();
    let agreement = Agreement::of(&translated, &other.marks, rows);
    let proof = agreement.proof();
    // That both refer to the same is a promise in itself.
    let likeness = likeness.max(0.85);
    Some(Found {
        likeness,
        proof,
        confidence: confidence(proof, agreement, likeness),
        what: What::Reference(entity.to_owned(), agreement),
    })
}

/// The reading by which keys are compared.
pub(crate) fn exact(facts: &Facts) -> Option<&Reading> {
    facts.readings.iter().find(|reading| {
        reading.settings.is_empty()
            && matches!(
                reading.meaning,
                Meaning::Text | Meaning::Number | Meaning::Uuid | Meaning::Exactly
            )
    })
}

/// What a field is made of: its two columns, and who holds them.
#[derive(Clone, Copy)]
pub(crate) struct Columns<'a> {
    /// The left column.
    pub(crate) left: &'a Facts,
    /// The right column.
    pub(crate) right: &'a Facts,
    /// The names of the systems.
    pub(crate) systems: [&'a str; 2],
}

impl Found<'_> {
    /// Not the values are the same, but codes stand for one another.
    pub(crate) fn is_coded(&self) -> bool {
        matches!(self.what, What::Codes(_))
    }

    /// The columns are called the same, and their rows say different things.
    pub(crate) fn is_denied(&self) -> bool {
        let differs = |agreement: &Agreement| agreement.rows >= 10 && agreement.share() < 0.1;
        let is_different = match &self.what {
            What::Readings(.., agreement) => differs(agreement),
            What::Names | What::Codes(_) | What::Reference(..) => false,
        };
        self.likeness > 0.9 && is_different
    }

    /// The field, named `name`.
    pub(crate) fn field(&self, name: String, of: Columns<'_>, rows: &Rows) -> Field {
        let cell = |facts: &Facts, settings: &[(&'static str, String)]| Cell {
            columns: vec![facts.column.name.clone()],
            settings: settings.to_vec(),
        };
        let plain = [cell(of.left, &[]), cell(of.right, &[])];
        let mut field = Field {
            name,
            keys: Vec::new(),
            cells: plain,
            confidence: self.confidence,
            evidence: String::new(),
            is_key: false,
            to_confirm: false,
        };
        match &self.what {
            What::Names => {
                field.evidence = by_name_words(of);
                field.to_confirm = true;
            }
            What::Reference(entity, agreement) => {
                field.keys = vec![("ref", entity.clone())];
                field.evidence = format!("both refer to {entity}; {}", equal(*agreement));
            }
            What::Codes(coded) => coded_field(&mut field, of, coded),
            What::Readings(one, other, agreement) => {
                read_field(&mut field, of, (one, other), *agreement, rows);
            }
        }
        field
    }
}

fn by_name_words(of: Columns<'_>) -> String {
    let [one, other] = of.systems;
    match (of.left.filled, of.right.filled) {
        (0, 0) => "by name only: both hold nothing yet".to_owned(),
        (0, _) => format!("by name only: {one}.{} holds nothing yet", of.left.column.name),
        (_, 0) => format!("by name only: {other}.{} holds nothing yet", of.right.column.name),
        (_, _) => "by name only: no row shows both".to_owned(),
    }
}

/// `94 % equal on 4,870 matched rows`.
fn equal(agreement: Agreement) -> String {
    if agreement.rows == 0 {
        return "no matched row shows both".to_owned();
    }
    let percent = (agreement.share() * 100.0).floor();
    let rows = words::counted(agreement.rows as u64, "matched row");
    let chance = if agreement.chance > 0.999 { ", where all hold the same" } else { "" };
    format!("{percent} % equal on {rows}{chance}")
}

fn coded_field(field: &mut Field, of: Columns<'_>, coded: &Coded) {
    let share = equal(Agreement { rows: coded.rows, equal: coded.equal, ..Agreement::default() });
    let unknown = match coded.unknown {
        0 => String::new(),
        number => {
            format!("; {} on no matched row", words::several(number as u64, "code is", "codes are"))
        }
    };
    if let Some(sides) = coded.booleans() {
        field.keys = vec![("type", "bool".to_owned())];
        for (cell, (facts, (yes, no))) in
            field.cells.iter_mut().zip([of.left, of.right].into_iter().zip(&sides))
        {
            if facts.native != NativeKind::Bool {
                let pair = format!("[{}, {}]", codes::literals(yes), codes::literals(no));
                cell.settings = vec![("bool", pair)];
            }
        }
        field.evidence = format!("yes and no, {}: {share}{unknown}", coded.shown());
    } else {
        let hub: Vec<String> =
            coded.partners.iter().map(|(value, _)| codes::word(&value.to_string())).collect();
        field.keys = vec![("type", "enum".to_owned()), ("values", format!("[{}]", hub.join(", ")))];
        let own = of_side([of.left, of.right], coded.hub);
        let map: Vec<String> = coded
            .partners
            .iter()
            .map(|(value, codes)| {
                format!("{}: {}", codes::word(&value.to_string()), codes::literals(codes))
            })
            .collect();
        let map = format!("{{{}}}", map.join(", "));
        for (side, cell) in field.cells.iter_mut().enumerate() {
            if side != coded.hub {
                cell.settings = vec![("values", map.clone())];
            } else if own.native != NativeKind::Text {
                let same: Vec<String> = coded
                    .partners
                    .iter()
                    .map(|(value, _)| {
                        format!("{}: {}", codes::word(&value.to_string()), codes::literal(value))
                    })
                    .collect();
                cell.settings = vec![("values", format!("{{{}}}", same.join(", ")))];
            }
        }
        field.evidence = format!("enum {}: {share}{unknown}", coded.shown());
    }
    field.to_confirm = field.confidence < CODES_SURE || coded.unknown > 0;
}

fn of_side([left, right]: [&Facts; 2], side: usize) -> &Facts {
    if side == 0 { left } else { right }
}

fn read_field(
    field: &mut Field,
    of: Columns<'_>,
    (one, other): (&Reading, &Reading),
    agreement: Agreement,
    rows: &Rows,
) {
    let share = equal(agreement);
    for (cell, reading) in field.cells.iter_mut().zip([one, other]) {
        cell.settings.clone_from(&reading.settings);
    }
    let (left, right) = (of.left, of.right);
    let kinds = [left, right].map(|facts| facts.column.type_name.to_lowercase());
    let formats: Vec<&str> = [one, other]
        .iter()
        .flat_map(|reading| &reading.settings)
        .filter(|(key, _)| matches!(*key, "format" | "tz"))
        .map(|(_, text)| text.as_str())
        .collect();
    let formats =
        if formats.is_empty() { String::new() } else { format!(" {}", formats.join(", ")) };
    let typed = |keys: &str| vec![("type", keys.to_owned())];
    let read = |facts: &Facts, reading: &Reading| {
        format!("{}/{}", words::count(reading.filled() as u64), words::count(facts.filled as u64))
    };
    let parsed = |side: &str, facts, reading| format!("{side} {} parse", read(facts, reading));
    let [kind_left, kind_right] = &kinds;
    let converted = format!("{kind_left} <-> {kind_right}{formats}");
    match one.meaning {
        Meaning::Date | Meaning::Instant | Meaning::Local => {
            let kind = match one.meaning {
                Meaning::Date => "date",
                Meaning::Instant => "timestamp",
                Meaning::Local
                | Meaning::Text
                | Meaning::Folded
                | Meaning::Number
                | Meaning::Email
                | Meaning::Phone
                | Meaning::Uuid
                | Meaning::Exactly => "local_timestamp",
            };
            field.keys = typed(kind);
            let [system, partner] = of.systems;
            let dirty = one.filled() < left.filled || other.filled() < right.filled;
            let dirt = if dirty {
                format!(", {}, {}", parsed(system, left, one), parsed(partner, right, other))
            } else {
                ", all parse".to_owned()
            };
            let dirt = if formats.is_empty() { String::new() } else { dirt };
            field.evidence = format!("{converted}{dirt}; {share}");
        }
        Meaning::Number => number_field(field, of, (one, other), &converted, &share),
        Meaning::Email => {
            // What is no address would wait in quarantine: then it is left a text.
            if one.filled() == left.filled && other.filled() == right.filled {
                field.keys = typed("email");
            }
            field.evidence = share;
        }
        Meaning::Uuid if left.native != right.native => {
            field.keys = typed("uuid");
            field.evidence = format!("{converted}; {share}");
        }
        Meaning::Text if left.native != right.native => {
            field.keys = typed("text");
            field.evidence = format!("{converted}; {share}");
        }
        Meaning::Text | Meaning::Uuid | Meaning::Exactly => field.evidence = share,
        Meaning::Folded => {
            for (cell, facts) in field.cells.iter_mut().zip([left, right]) {
                if facts.is_upper {
                    cell.settings.push(("case", "upper".to_owned()));
                }
            }
            field.to_confirm = !left.is_upper && !right.is_upper;
            field.evidence = format!("{share}, letter case and blanks aside");
        }
        Meaning::Phone => match phones::region(left, right, rows) {
            Some(region) => {
                for (cell, facts) in field.cells.iter_mut().zip([left, right]) {
                    if phones::is_national(facts) {
                        cell.settings.push(("phone", "national".to_owned()));
                    }
                }
                field.keys = vec![("type", "phone".to_owned()), ("region", region.code.to_owned())];
                field.evidence = format!(
                    "the same numbers, written otherwise; as numbers of {}: {} % equal",
                    region.code,
                    (region.share * 100.0).floor()
                );
            }
            None => {
                field.to_confirm = true;
                field.evidence = format!("the last digits: {share}");
            }
        },
    }
}

fn number_field(
    field: &mut Field,
    of: Columns<'_>,
    (one, other): (&Reading, &Reading),
    converted: &str,
    share: &str,
) {
    let (left, right) = (of.left, of.right);
    let is_int = |facts: &Facts| {
        facts.native == NativeKind::Num
            && facts.column.scale.unwrap_or_default() == 0
            && facts.values.iter().all(|value| {
                value.is_null()
                    || matches!(value, syncline_core::value::Value::Num(it) if it.scale() == 0)
            })
    };
    let unit = [one, other].iter().find_map(|reading| {
        let unit = reading.settings.iter().find(|(key, _)| *key == "unit")?;
        Some(unit.1.chars().filter(char::is_ascii_digit).collect::<String>())
    });
    let kind = if unit.is_none() && is_int(left) && is_int(right) { "int" } else { "decimal" };
    field.keys = vec![("type", kind.to_owned())];
    field.evidence = match unit {
        Some(ratio) => format!("{converted}, ratio {ratio}; {share}"),
        None if left.native == right.native => share.to_owned(),
        None => format!("{converted}; {share}"),
    };
}

/// Columns of either side that may be one field.
pub(crate) fn may_pair(left: &Facts, right: &Facts) -> bool {
    let usable = |facts: &Facts| facts.sensitive.is_none() && !facts.is_stamp;
    let refer = left.refers_to.is_some() && right.refers_to.is_some();
    usable(left) && usable(right) && !refer
}

/// How alike the names of two columns of these tables are.
pub(crate) fn likeness(tables: [&str; 2], left: &Facts, right: &Facts) -> f64 {
    let [one, other] = tables;
    names::column_likeness((one, &left.column.name), (other, &right.column.name))
}
