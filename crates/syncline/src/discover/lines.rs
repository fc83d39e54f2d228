//! Child rows: tables of both systems that refer to the same parents, and whose rows find each other
//! by the parent and one thing more.

use std::{
    collections::{BTreeSet, HashMap},
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use syncline_core::Text;

use crate::{
    discover::{
        Lines,
        entity::{self, Assigned, Candidate},
        evidence::{self, exact},
        facts::{Facts, TableFacts},
        pairs::{Builder, Work},
        reading::{Meaning, Reading},
        rows::{self, Rows},
    },
    words,
};

/// Rows of these tables find each other so.
struct Found<'a> {
    places: (usize, usize),
    parents: [usize; 2],
    item: (usize, usize),
    rows: Rows,
    shared: usize,
    fewer: usize,
    confidence: f64,
    tables: [&'a TableFacts; 2],
}

impl<'a> Builder<'a> {
    /// The child rows of a pair, from tables that belong to nothing else.
    pub(crate) fn lines(
        &self,
        parent: &Candidate<'a>,
        used: &[BTreeSet<usize>; 2],
    ) -> Option<((usize, usize), Lines)> {
        let [lefts, rights] = self.tables;
        let [used_left, used_right] = used;
        let mut best: Option<Found<'a>> = None;
        for (at, left) in lefts.iter().enumerate().filter(|(at, _)| !used_left.contains(at)) {
            for (to, right) in rights.iter().enumerate().filter(|(to, _)| !used_right.contains(to))
            {
                let found = self.children(parent, (at, to), [left, right]);
                let known = best.as_ref().map_or(self.wish.min, |best| best.confidence);
                best = found.filter(|found| found.confidence > known).or(best);
            }
        }
        let found = best?;
        let places = found.places;
        Some((places, self.written(&found)))
    }

    /// Compares two tables that refer to the two of a pair.
    fn children(
        &self,
        parent: &Candidate<'a>,
        places: (usize, usize),
        tables: [&'a TableFacts; 2],
    ) -> Option<Found<'a>> {
        let [left, right] = tables;
        let column = |side: usize, table: &'a TableFacts, place: usize| {
            table.columns.iter().enumerate().find_map(|(at, facts)| {
                let (name, target) = facts.refers_to.as_ref()?;
                self.is_table(side, place, name).then_some((at, facts, target))
            })
        };
        let (one, left_parent, one_target) = column(0, left, parent.places.0)?;
        let (other, right_parent, other_target) = column(1, right, parent.places.1)?;
        let keys = self.keys(parent, one_target, other_target)?;
        let mut best: Option<Found<'a>> = None;
        for (at, left_item) in left.columns.iter().enumerate().filter(|(at, _)| *at != one) {
            for (to, right_item) in right.columns.iter().enumerate().filter(|(to, _)| *to != other)
            {
                let Some(items) = self.items(left_item, right_item) else { continue };
                let left_marks = together(&translated(left_parent, Some(&keys))?, &items[0]);
                let right_marks = together(&translated(right_parent, None)?, &items[1]);
                let [first, second] = [left_marks, right_marks]
                    .map(|marks| Reading::of(Meaning::Exactly, Vec::new(), marks));
                if !first.is_unique() || !second.is_unique() {
                    continue;
                }
                let rows = rows::matched(&first, &second);
                let fewer = first.counts.len().min(second.counts.len());
                let coverage = rows.len() as f64 / fewer.max(1) as f64;
                let others = entity::assigned(left, right, &rows, &[(one, other), (at, to)]);
                let support = 1.0
                    - others
                        .iter()
                        .filter(|(_, found)| found.proof >= 0.5)
                        .fold(1.0, |doubt, (_, found)| doubt * 0.7f64.mul_add(-found.proof, 1.0));
                let worth = rows.len() as f64 / (rows.len() as f64 + 2.0);
                let confidence = 0.4f64.mul_add(support, 0.59 * coverage.sqrt() * worth);
                if best.as_ref().is_none_or(|known| confidence > known.confidence) {
                    best = Some(Found {
                        places,
                        parents: [one, other],
                        item: (at, to),
                        shared: rows.len(),
                        rows,
                        fewer,
                        confidence,
                        tables,
                    });
                }
            }
        }
        best
    }

    /// What two columns hold, in the terms of the left: references to records that belong together,
    /// or the same values.
    fn items(&self, left: &'a Facts, right: &'a Facts) -> Option<[Vec<Option<u64>>; 2]> {
        match (&left.refers_to, &right.refers_to) {
            (Some(one), Some(other)) => {
                let (partner, _) = self.named.iter().find(|(partner, _)| {
                    self.is_table(0, partner.places.0, &one.0)
                        && self.is_table(1, partner.places.1, &other.0)
                })?;
                let keys = self.keys(partner, &one.1, &other.1)?;
                Some([translated(left, Some(&keys))?, translated(right, None)?])
            }
            (None, None) if evidence::may_pair(left, right) => {
                let (one, other) = (exact(left)?, exact(right)?);
                let is_alike = one.meaning == other.meaning && one.shared(other) > 0;
                is_alike.then(|| [one.marks.clone(), other.marks.clone()])
            }
            (_, _) => None,
        }
    }

    fn written(&self, found: &Found<'a>) -> Lines {
        let [left, right] = found.tables;
        let [one, other] = found.parents;
        let key = [(one, other), found.item];
        let mut work = Work::new(left, right);
        work.used[0].insert(one);
        work.used[1].insert(other);
        let references = self.references(&found.rows, left, right);
        let is_free = |(at, to): &(usize, usize)| *at != one && *to != other;
        let mut all: Assigned<'a> = entity::assigned(left, right, &found.rows, &key);
        all.extend(references.into_iter().filter(|(places, _)| is_free(places)));
        // The key first, whatever else is certain.
        let item = all.iter().position(|(places, _)| *places == found.item);
        let item = item.map(|at| all.remove(at).1).or_else(|| {
            let columns = (left.columns.get(found.item.0)?, right.columns.get(found.item.1)?);
            let tables = [left.table.name.as_str(), right.table.name.as_str()];
            let likeness = evidence::likeness(tables, columns.0, columns.1);
            Some(evidence::compare(columns.0, columns.1, likeness, &found.rows))
        });
        if let Some(item) = item {
            self.field(found.item, &item, &found.rows, &mut work);
            if let Some(field) = work.fields.last_mut() {
                field.is_key = true;
                field.confidence = field.confidence.max(found.confidence);
                field.evidence = format!(
                    "with the parent {} of {} found on both sides -> key; {}",
                    words::count(found.shared as u64),
                    words::count(found.fewer as u64),
                    field.evidence
                );
            }
            work.used[0].insert(found.item.0);
            work.used[1].insert(found.item.1);
        }
        for (places, compared) in entity::greedy(all) {
            if places.0 != found.item.0 && places.1 != found.item.1 {
                self.field(places, &compared, &found.rows, &mut work);
            }
        }
        let name = |table: &TableFacts, at: usize| {
            table.columns.get(at).map(|facts| facts.column.name.clone()).unwrap_or_default()
        };
        let parents: [Text; 2] = [name(left, one), name(right, other)];
        let matched = found.rows.len();
        Lines { parents, pair: self.finish(work, "lines", found.confidence, matched) }
    }
}

/// What each row refers to, in the terms of the other side if keys are given.
fn translated(facts: &Facts, keys: Option<&HashMap<u64, u64>>) -> Option<Vec<Option<u64>>> {
    let marks = &exact(facts)?.marks;
    Some(match keys {
        None => marks.clone(),
        Some(keys) => marks.iter().map(|mark| mark.and_then(|it| keys.get(&it).copied())).collect(),
    })
}

/// Two marks as one.
fn together(one: &[Option<u64>], other: &[Option<u64>]) -> Vec<Option<u64>> {
    one.iter()
        .zip(other)
        .map(|(one, other)| {
            let mut hasher = DefaultHasher::new();
            ((*one)?, (*other)?).hash(&mut hasher);
            Some(hasher.finish())
        })
        .collect()
}
