//! The hash of what decides the meaning of stored state: another hash needs a plan before the next
//! write (`guard.config_changed`).
//!
//! In: `when`, `match`, tables, keys, every field's type, direction and reference, every cell. Out:
//! guards, policies, schedules, and where things stand in the file.

use std::fmt::Write as _;

use syncline_core::value::Digest;

use crate::config::draft::{
    Atom, CellDraft, CurrencyDraft, EntityDraft, FieldDraft, Name, Sensitive,
};

/// The meaning of an entity and its lines.
pub(super) fn of(entity: &EntityDraft) -> Digest {
    let mut text = String::from("syncline meaning 1\n");
    write_entity(&mut text, entity);
    Digest::of(text.as_bytes())
}

fn write_entity(out: &mut String, entity: &EntityDraft) {
    line(out, "entity", &[&entity.name]);
    option(out, "when", entity.when.as_ref());
    names(out, "from", entity.from.as_deref());
    names(out, "to", entity.to.as_deref());
    for rule in &entity.matching {
        names(out, "match", Some(&rule.value));
    }
    for binding in &entity.bindings {
        line(out, "in", &[&binding.system.value, &binding.table.value]);
        names(out, "key", Some(&binding.key));
        names(out, "parent", Some(&binding.parent));
        option(out, "when", binding.when.as_ref());
    }
    for field in &entity.fields {
        write_field(out, field);
    }
    if let Some(deletes) = &entity.common.deletes {
        for (system, set) in &deletes.value.soft {
            for (column, atom) in set {
                line(out, "soft", &[&system.value, &column.value, &atom.text]);
            }
        }
    }
    if let Some(lines) = &entity.lines {
        write_entity(out, lines);
    }
}

fn write_field(out: &mut String, field: &FieldDraft) {
    line(out, "field", &[&field.name.value]);
    option(out, "type", field.kind.as_ref());
    names(out, "values", field.values.as_deref());
    option(out, "currency", field.currency.as_ref());
    option(out, "region", field.region.as_ref());
    option(out, "ref", field.reference.as_ref());
    option(out, "compute", field.compute.as_ref());
    names(out, "from", field.from.as_deref());
    names(out, "to", field.to.as_deref());
    if field.sensitive == Sensitive::Hash {
        line(out, "hash", &[]);
    }
    for cell in &field.cells {
        write_cell(out, cell);
    }
}

fn write_cell(out: &mut String, cell: &CellDraft) {
    line(out, "cell", &[&cell.system.value]);
    names(out, "columns", Some(&cell.columns));
    option(out, "path", cell.path.as_ref());
    option(out, "format", cell.format.as_ref());
    option(out, "tz", cell.tz.as_ref());
    match &cell.currency {
        Some(CurrencyDraft::Constant(code)) => line(out, "currency", &[&code.value]),
        Some(CurrencyDraft::Column(column)) => line(out, "currency in", &[&column.value]),
        None => {}
    }
    for (golden, natives) in cell.values.iter().flat_map(|values| &values.value) {
        line(out, "value", &[&golden.value]);
        atoms(out, natives);
    }
    if let Some((yes, no)) = &cell.boolean {
        atoms(out, yes);
        atoms(out, no);
    }
    for atom in cell.default.iter().chain(&cell.constant) {
        atoms(out, std::slice::from_ref(atom));
    }
    // These hold no places, so their debug form is stable text.
    let _ = writeln!(
        out,
        "  {:?}",
        (
            (cell.ambiguous, &cell.unit, cell.decimal, cell.group, cell.scale, cell.rounding),
            (cell.trim, cell.collapse, cell.case, cell.max, cell.lossy, cell.blank_is_null),
            (cell.constant.is_some(), &cell.separator, cell.from_end, &cell.list, cell.phone),
        )
    );
}

/// A line of words, each with its length, so that no two files write the same line.
fn line(out: &mut String, key: &str, words: &[&str]) {
    out.push_str(key);
    for word in words {
        let _ = write!(out, " {}:{word}", word.len());
    }
    out.push('\n');
}

fn option(out: &mut String, key: &str, name: Option<&Name>) {
    if let Some(name) = name {
        line(out, key, &[&name.value]);
    }
}

fn names(out: &mut String, key: &str, names: Option<&[Name]>) {
    if let Some(names) = names {
        let words: Vec<&str> = names.iter().map(|name| name.value.as_str()).collect();
        line(out, key, &words);
    }
}

fn atoms(out: &mut String, atoms: &[Atom]) {
    let words: Vec<&str> = atoms.iter().map(|atom| atom.text.as_str()).collect();
    line(out, "atoms", &words);
}
