//! All tables of two systems, compared: which belong together, and field by field how.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use syncline_core::Text;

use crate::{
    discover::{
        Field, Pair, Proposal, Sensitive, Side, Wish,
        entity::{self, Assigned, Candidate, SHOWN_MIN},
        evidence::{self, Columns, exact},
        facts::{self, Facts, TableFacts},
        names,
        rows::Rows,
        split,
    },
    words,
};

/// Pairs of tables below this are not worth showing.
const PAIR_SHOWN_MIN: f64 = 0.45;

/// What belongs together in these systems.
pub(crate) fn propose(left: &Side, right: &Side, wish: &Wish) -> Proposal {
    let zone = wish.timezone.as_deref();
    let look = |side: &Side| -> Vec<TableFacts> {
        side.tables.iter().map(|table| facts::of(table, zone)).collect()
    };
    let (lefts, rights) = (look(left), look(right));
    let candidates = partners(&lefts, &rights);
    let named = named(&lefts, &rights, &candidates);
    let builder = Builder { sides: [left, right], tables: [&lefts, &rights], named: &named, wish };
    let mut proposal = Proposal::default();
    let mut used: [BTreeSet<usize>; 2] = [BTreeSet::new(), BTreeSet::new()];
    for (candidate, _) in &named {
        used[0].insert(candidate.places.0);
        used[1].insert(candidate.places.1);
    }
    for (candidate, name) in &named {
        let mut pair = builder.pair(candidate, name);
        let is_sure = pair.confidence >= wish.min && pair.fields.iter().any(|field| field.is_key);
        if is_sure {
            if let Some((places, lines)) = builder.lines(candidate, &used) {
                used[0].insert(places.0);
                used[1].insert(places.1);
                pair.lines = Some(Box::new(lines));
            }
            proposal.pairs.push(pair);
        } else {
            proposal.doubtful.push(pair);
        }
    }
    let rest = |tables: &[TableFacts], used: &BTreeSet<usize>| {
        let free = tables.iter().enumerate().filter(|(at, _)| !used.contains(at));
        free.map(|(_, table)| table.table.name.clone()).collect()
    };
    proposal.unpaired = [rest(&lefts, &used[0]), rest(&rights, &used[1])];
    proposal
}

/// Pairs of tables, each table once, the most certain first.
fn partners<'a>(lefts: &'a [TableFacts], rights: &'a [TableFacts]) -> Vec<Candidate<'a>> {
    let mut found: Vec<(f64, Candidate<'a>)> = Vec::new();
    for (at, left) in lefts.iter().enumerate() {
        for (to, right) in rights.iter().enumerate() {
            if let Some(candidate) = entity::compare((at, to), left, right) {
                let likeness = names::likeness(&left.table.name, &right.table.name);
                found.push((likeness, candidate));
            }
        }
    }
    found.retain(|(_, candidate)| candidate.confidence >= PAIR_SHOWN_MIN);
    found.sort_by(|(like, one), (other_like, other)| {
        other.confidence.total_cmp(&one.confidence).then(other_like.total_cmp(like))
    });
    let (mut used_left, mut used_right) = (BTreeSet::new(), BTreeSet::new());
    let is_free = |candidate: &Candidate<'a>| {
        let (one, other) = candidate.places;
        if used_left.contains(&one) || used_right.contains(&other) {
            return false;
        }
        used_left.insert(one) && used_right.insert(other)
    };
    let mut is_free = is_free;
    found.into_iter().map(|(_, candidate)| candidate).filter(|it| is_free(it)).collect()
}

/// Each pair with the name of its entity, in the order of the left system's tables.
fn named<'a>(
    lefts: &[TableFacts],
    rights: &[TableFacts],
    candidates: &[Candidate<'a>],
) -> Vec<(Candidate<'a>, String)> {
    let mut candidates = candidates.to_vec();
    candidates.sort_by(|one, other| {
        other.confidence.total_cmp(&one.confidence).then(one.places.cmp(&other.places))
    });
    let mut taken = BTreeSet::new();
    candidates
        .into_iter()
        .map(|candidate| {
            let (at, to) = candidate.places;
            let name = |tables: &[TableFacts], at: usize| {
                tables.get(at).map(|table| table.table.name.to_string()).unwrap_or_default()
            };
            let name = telling(&name(lefts, at), &name(rights, to));
            (candidate, free(&mut taken, name))
        })
        .collect()
}

/// The name that people understand better; the first unless the second is.
fn telling(one: &str, other: &str) -> String {
    let better = if names::tells(other) > names::tells(one) { other } else { one };
    names::tidy(better)
}

/// The name itself if it is free, else with a number.
fn free(taken: &mut BTreeSet<String>, name: String) -> String {
    let mut numbered = (2..).map(|number| format!("{name}_{number}"));
    let chosen = if taken.contains(&name) {
        numbered.find(|name| !taken.contains(name)).unwrap_or(name)
    } else {
        name
    };
    taken.insert(chosen.clone());
    chosen
}

/// Puts pairs together, knowing all that were found.
pub(crate) struct Builder<'a> {
    sides: [&'a Side; 2],
    /// All tables.
    pub(crate) tables: [&'a [TableFacts]; 2],
    /// Pairs of tables, with the names of their entities.
    pub(crate) named: &'a [(Candidate<'a>, String)],
    /// What is asked for.
    pub(crate) wish: &'a Wish,
}

/// What is known of a pair while its fields are put together.
pub(crate) struct Work<'a> {
    left: &'a TableFacts,
    right: &'a TableFacts,
    taken: BTreeSet<String>,
    /// Columns of either side that have their place.
    pub(crate) used: [BTreeSet<usize>; 2],
    /// Fields so far.
    pub(crate) fields: Vec<Field>,
}

impl<'a> Work<'a> {
    /// Nothing yet.
    pub(crate) fn new(left: &'a TableFacts, right: &'a TableFacts) -> Self {
        Self {
            left,
            right,
            taken: BTreeSet::new(),
            used: [BTreeSet::new(), BTreeSet::new()],
            fields: Vec::new(),
        }
    }
}

impl<'a> Builder<'a> {
    fn pair(&self, candidate: &Candidate<'a>, name: &str) -> Pair {
        let (at, to) = candidate.places;
        let [lefts, rights] = self.tables;
        let (Some(left), Some(right)) = (lefts.get(at), rights.get(to)) else {
            return Pair::default();
        };
        let mut work = Work::new(left, right);
        let mut remarks = Vec::new();
        let references = self.references(&candidate.rows, left, right);
        let key: Vec<(usize, usize)> = match &candidate.key {
            Some(key) => key.columns.clone(),
            None => {
                let all = entity::assigned(left, right, &candidate.rows, &[]);
                entity::key_by_name(left, right, &all).into_iter().collect()
            }
        };
        self.key_field(candidate, &key, &mut work, &mut remarks);
        let mut all = entity::assigned(left, right, &candidate.rows, &key);
        all.extend(references);
        for ((one, other), found) in entity::greedy(all) {
            self.field((one, other), &found, &candidate.rows, &mut work);
        }
        self.splits(candidate, &mut work);
        Pair { remarks, ..self.finish(work, name, candidate.confidence, candidate.rows.len()) }
    }

    /// The pair that these fields make.
    pub(crate) fn finish(
        &self,
        work: Work<'a>,
        name: &str,
        confidence: f64,
        matched: usize,
    ) -> Pair {
        let (left, right) = (work.left, work.right);
        let supposed: BTreeSet<Text> = work
            .fields
            .iter()
            .filter(|field| field.confidence < self.wish.min)
            .flat_map(|field| field.cells.iter().flat_map(|cell| cell.columns.clone()))
            .collect();
        let (fields, doubtful): (Vec<Field>, Vec<Field>) =
            work.fields.into_iter().partition(|field| field.confidence >= self.wish.min);
        let unpaired = |table: &TableFacts, used: &BTreeSet<usize>| -> Vec<Text> {
            let free = table.columns.iter().enumerate().filter(|(at, facts)| {
                let is_free = !used.contains(at) && !supposed.contains(&facts.column.name);
                is_free && facts.sensitive.is_none()
            });
            free.map(|(_, facts)| facts.column.name.clone()).collect()
        };
        let sensitive = [left, right].into_iter().enumerate().flat_map(|(side, table)| {
            table.columns.iter().filter_map(move |facts| {
                let why = facts.sensitive?;
                Some(Sensitive { side, column: facts.column.name.clone(), why })
            })
        });
        Pair {
            name: name.to_owned(),
            tables: [left.table.name.clone(), right.table.name.clone()],
            keys: [own_key(left), own_key(right)],
            confidence,
            rows: [left.rows, right.rows],
            matched,
            unpaired: [unpaired(left, &work.used[0]), unpaired(right, &work.used[1])],
            sensitive: sensitive.collect(),
            fields,
            doubtful,
            remarks: Vec::new(),
            lines: None,
        }
    }

    /// The field by which rows find each other.
    fn key_field(
        &self,
        candidate: &Candidate<'a>,
        key: &[(usize, usize)],
        work: &mut Work<'a>,
        remarks: &mut Vec<String>,
    ) {
        let Some((at, to)) = key.first().copied() else { return };
        let (Some(left), Some(right)) = (work.left.columns.get(at), work.right.columns.get(to))
        else {
            return;
        };
        let tables = [work.left.table.name.as_str(), work.right.table.name.as_str()];
        let likeness = evidence::likeness(tables, left, right);
        let found = evidence::compare(left, right, likeness, &candidate.rows);
        let name = self.name(work, left, right);
        let mut field = found.field(name, self.columns(left, right), &candidate.rows);
        field.is_key = true;
        let [one, other] = self.systems();
        if let Some(key) = &candidate.key {
            let [first, second] = key.readings;
            let coverage = key.coverage();
            field.confidence =
                0.15f64.mul_add(likeness, 0.45f64.mul_add(candidate.confidence, 0.4 * coverage));
            let unique = match (first.is_unique(), second.is_unique()) {
                (true, true) => "unique in both".to_owned(),
                (true, false) => format!("unique in {one}"),
                (false, _) => format!("unique in {other}"),
            };
            let part = if key.reach < 0.95 {
                format!(" (of large tables a part was read: 1 in {:.0} can meet)", 1.0 / key.reach)
            } else {
                String::new()
            };
            field.evidence = format!(
                "{} of {} values found on both sides{part}; {unique} -> match key",
                words::count(key.shared as u64),
                words::count(key.fewer as u64)
            );
            for (system, reading, facts) in [(one, first, left), (other, second, right)] {
                let repeated = reading.repeated();
                if repeated > 0 {
                    remarks.push(format!(
                        "{system}.{} holds {}; rows that share one are linked to nobody until one is left",
                        facts.column.name,
                        words::counted(repeated as u64, "repeated value")
                    ));
                }
            }
        } else {
            field.confidence = field.confidence.max(0.8 * likeness);
            field.evidence.push_str("; match key");
        }
        // Without a key nothing can be proposed: the pair's own certainty decides.
        field.confidence = field.confidence.max(candidate.confidence.min(0.99));
        work.used[0].insert(at);
        work.used[1].insert(to);
        work.fields.push(field);
    }

    /// A field of these two columns.
    pub(crate) fn field(
        &self,
        (at, to): (usize, usize),
        found: &evidence::Found<'_>,
        rows: &Rows,
        work: &mut Work<'a>,
    ) {
        let (Some(left), Some(right)) = (work.left.columns.get(at), work.right.columns.get(to))
        else {
            return;
        };
        let name = self.name(work, left, right);
        let field = found.field(name, self.columns(left, right), rows);
        if field.confidence >= self.wish.min {
            work.used[0].insert(at);
            work.used[1].insert(to);
        }
        work.fields.push(field);
    }

    /// Fields of which one side has the parts.
    fn splits(&self, candidate: &Candidate<'a>, work: &mut Work<'a>) {
        let free = |table: &TableFacts, used: &BTreeSet<usize>| -> Vec<usize> {
            (0..table.columns.len()).filter(|at| !used.contains(at)).collect()
        };
        let tables = [work.left, work.right];
        let open = [free(work.left, &work.used[0]), free(work.right, &work.used[1])];
        let Some(found) = split::find(tables, &open, &candidate.rows) else { return };
        let whole = if found.whole_side == 0 { work.left } else { work.right };
        let name = whole.columns.get(found.whole).map(|it| names::tidy(&it.column.name));
        let name = free_name(&mut work.taken, name.unwrap_or_default());
        let field = found.field(name, tables);
        if field.confidence >= self.wish.min {
            let parts = found.parts.iter().map(|part| (1 - found.whole_side, *part));
            for (side, at) in parts.chain([(found.whole_side, found.whole)]) {
                if let Some(used) = work.used.get_mut(side) {
                    used.insert(at);
                }
            }
            let columns: Vec<&Text> = field.cells.iter().flat_map(|cell| &cell.columns).collect();
            // What was only supposed of these columns is settled.
            work.fields.retain(|other| {
                !other.cells.iter().flat_map(|cell| &cell.columns).any(|it| columns.contains(&it))
            });
        }
        work.fields.push(field);
    }

    /// Columns of both sides that refer to records that belong together.
    pub(crate) fn references(
        &self,
        rows: &Rows,
        left: &'a TableFacts,
        right: &'a TableFacts,
    ) -> Assigned<'a> {
        let mut found: Assigned<'a> = Vec::new();
        for (at, one) in left.columns.iter().enumerate() {
            for (to, other) in right.columns.iter().enumerate() {
                let (Some(one_target), Some(other_target)) = (&one.refers_to, &other.refers_to)
                else {
                    continue;
                };
                let Some((partner, name)) = self.named.iter().find(|(partner, _)| {
                    self.is_table(0, partner.places.0, &one_target.0)
                        && self.is_table(1, partner.places.1, &other_target.0)
                }) else {
                    continue;
                };
                if partner.confidence < self.wish.min {
                    continue;
                }
                let Some(keys) = self.keys(partner, &one_target.1, &other_target.1) else {
                    continue;
                };
                let tables = [left.table.name.as_str(), right.table.name.as_str()];
                let likeness = evidence::likeness(tables, one, other);
                let compared = evidence::reference(one, other, likeness, rows, name, &keys);
                found.extend(
                    compared
                        .filter(|it| it.confidence >= SHOWN_MIN)
                        .map(|compared| ((at, to), compared)),
                );
            }
        }
        found
    }

    /// The table at this place is called so.
    pub(crate) fn is_table(&self, side: usize, at: usize, name: &str) -> bool {
        let bare = |name: &str| name.rsplit('.').next().unwrap_or(name).to_owned();
        let table = self.tables.get(side).and_then(|tables| tables.get(at));
        table.is_some_and(|table| bare(&table.table.name) == bare(name))
    }

    /// Which key of the right stands for which of the left, by the rows of this pair. Only where the
    /// columns that are referred to are the keys by which rows are told apart.
    pub(crate) fn keys(
        &self,
        partner: &Candidate<'a>,
        one: &Text,
        other: &Text,
    ) -> Option<HashMap<u64, u64>> {
        let [lefts, rights] = self.tables;
        let key = |table: &'a TableFacts, column: &Text| {
            let is_key = matches!(table.table.primary_key.as_slice(), [only] if only == column);
            let facts = table.columns.iter().find(|facts| facts.column.name == *column);
            facts.filter(|_| is_key).and_then(exact)
        };
        let one = key(lefts.get(partner.places.0)?, one)?;
        let other = key(rights.get(partner.places.1)?, other)?;
        let keys = partner.rows.iter().filter_map(|(at, to)| {
            Some((one.marks.get(*at).copied()??, other.marks.get(*to).copied()??))
        });
        Some(keys.collect())
    }

    fn name(&self, work: &mut Work<'a>, left: &Facts, right: &Facts) -> String {
        free_name(&mut work.taken, telling(&left.column.name, &right.column.name))
    }

    fn systems(&self) -> [&'a str; 2] {
        self.sides.map(|side| side.system.as_str())
    }

    fn columns<'b>(&self, left: &'b Facts, right: &'b Facts) -> Columns<'b>
    where
        'a: 'b,
    {
        Columns { left, right, systems: self.systems() }
    }
}

fn free_name(taken: &mut BTreeSet<String>, name: String) -> String {
    free(taken, name)
}

/// What tells the rows of a table apart that has no primary key: the first unique index.
fn own_key(table: &TableFacts) -> Vec<Text> {
    if !table.table.primary_key.is_empty() {
        return Vec::new();
    }
    let fillable: BTreeMap<&Text, bool> =
        table.table.columns.iter().map(|column| (&column.name, column.nullable)).collect();
    let usable = |columns: &&Vec<Text>| {
        columns.iter().all(|name| fillable.get(name).is_some_and(|nullable| !nullable))
    };
    table
        .table
        .unique
        .iter()
        .map(|unique| &unique.columns)
        .find(usable)
        .cloned()
        .unwrap_or_default()
}
