//! One field over several columns: a full name here, first and last name there.

use syncline_core::{lens::NativeKind, value::Value};

use crate::discover::{
    Cell, Field,
    facts::{Facts, TableFacts},
    rows::Rows,
};

/// So many rows are looked at, and so many must agree.
const ROWS_MAX: usize = 300;
const ROWS_MIN: usize = 2;

/// What was found: the whole column, and the two others.
pub(crate) struct Split {
    /// The side with the whole: 0 or 1.
    pub(crate) whole_side: usize,
    /// Its column there.
    pub(crate) whole: usize,
    /// The columns of the other side.
    pub(crate) parts: [usize; 2],
    rows: usize,
    equal: usize,
}

/// A free text column of one side that is two free columns of the other, joined by a blank.
pub(crate) fn find(tables: [&TableFacts; 2], free: &[Vec<usize>; 2], rows: &Rows) -> Option<Split> {
    let mut best: Option<Split> = None;
    for whole_side in [0, 1] {
        let [left, right] = tables;
        let (wholes, parts) = if whole_side == 0 { (left, right) } else { (right, left) };
        let [free_left, free_right] = free;
        let (free_wholes, free_parts) =
            if whole_side == 0 { (free_left, free_right) } else { (free_right, free_left) };
        let pairs: Vec<(usize, usize)> = rows
            .iter()
            .take(ROWS_MAX)
            .map(|(one, other)| if whole_side == 0 { (*one, *other) } else { (*other, *one) })
            .collect();
        for whole in free_wholes {
            let Some(column) = wholes.columns.get(*whole).filter(|it| is_text(it)) else {
                continue;
            };
            for first in free_parts {
                for last in free_parts.iter().filter(|last| *last != first) {
                    let (Some(one), Some(two)) =
                        (parts.columns.get(*first), parts.columns.get(*last))
                    else {
                        continue;
                    };
                    if !is_text(one) || !is_text(two) {
                        continue;
                    }
                    let (rows, equal) = count(column, one, two, &pairs);
                    let known = best.as_ref().map_or(0, |best| best.equal);
                    if equal >= ROWS_MIN && equal * 10 >= rows * 8 && equal > known {
                        let parts = [*first, *last];
                        best = Some(Split { whole_side, whole: *whole, parts, rows, equal });
                    }
                }
            }
        }
    }
    best
}

fn is_text(facts: &Facts) -> bool {
    facts.native == NativeKind::Text && facts.sensitive.is_none()
}

fn count(whole: &Facts, first: &Facts, last: &Facts, rows: &[(usize, usize)]) -> (usize, usize) {
    let (mut all, mut equal) = (0, 0);
    for (at, to) in rows {
        let text = |facts: &Facts, row: usize| match facts.values.get(row) {
            Some(Value::Text(text)) => Some(text.to_string()),
            _ => None,
        };
        let (Some(whole), Some(first), Some(last)) =
            (text(whole, *at), text(first, *to), text(last, *to))
        else {
            continue;
        };
        all += 1;
        equal += usize::from(whole == format!("{first} {last}"));
    }
    (all, equal)
}

impl Split {
    /// The field.
    pub(crate) fn field(&self, name: String, tables: [&TableFacts; 2]) -> Field {
        let [left, right] = tables;
        let (wholes, parts) = if self.whole_side == 0 { (left, right) } else { (right, left) };
        let column = |table: &TableFacts, at: usize| {
            table.columns.get(at).map(|facts| facts.column.name.clone()).unwrap_or_default()
        };
        let whole = Cell { columns: vec![column(wholes, self.whole)], settings: Vec::new() };
        let split = Cell {
            columns: self.parts.iter().map(|at| column(parts, *at)).collect(),
            settings: vec![("separator", "\" \"".to_owned())],
        };
        let proof = self.equal as f64 / self.rows.max(1) as f64;
        let worth = self.equal as f64 / (self.equal as f64 + 1.0);
        Field {
            name,
            keys: Vec::new(),
            cells: if self.whole_side == 0 { [whole, split] } else { [split, whole] },
            confidence: 0.95 * proof * worth,
            evidence: format!(
                "two columns there, one here: {} % equal on {}",
                (proof * 100.0).floor(),
                crate::words::counted(self.rows as u64, "matched row")
            ),
            is_key: false,
            to_confirm: false,
        }
    }
}
