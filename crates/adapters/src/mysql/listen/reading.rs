//! From events of the log to hints: a state that each event moves, without any connection.

use std::collections::{BTreeMap, BTreeSet};

use syncline_core::{
    Text,
    change::{Position, RowKey},
    name::{BindingIndex, Timestamp},
};
use syncline_ports::listener::{Changed, Hint};

use crate::mysql::listen::{
    event::{self, Act, Held, Layout},
    gtid::{Gtid, Gtids},
    key::KeyColumn,
    kind,
    place::{Origin, Place},
    statement::{self, Meaning},
    tables::{Known, Tables},
};

/// What every event says of itself.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Head {
    pub kind: u8,
    /// Seconds since 1970.
    pub at: u32,
    pub server: u32,
    /// Where the next event begins; zero for what is not in the log.
    pub end: u32,
    pub size: u32,
    pub flags: u16,
}

/// An event that whoever does not know it may leave out.
const MAY_BE_LEFT_OUT: u16 = 0x80;
/// A group of one statement without an end of its own.
const STANDALONE: u8 = 1;
/// So many prepared transactions are remembered; of others everything is read.
const PREPARED_MAX: usize = 10_000;
/// So many tables are described in one transaction at most; beyond that it is not a log.
const LAYOUTS_MAX: usize = 65_536;

const NOT_READ: &str = "rows in the log cannot be read";
const OTHER_SHAPE: &str = "the table had another shape when rows were logged";
const GO_ALONG: &str = "rows that go with a deleted or changed row are not in the log";
const STATEMENT: &str = "a statement was logged instead of its rows";
const ALTERED: &str = "the table was altered or emptied";
const PREPARED: &str = "a prepared transaction was committed";

/// What has been read, and what it means so far.
#[derive(Debug, Default)]
pub(super) struct Reading {
    pub tables: Tables,
    /// A statement was about tables: they must be described again before more rows are read.
    pub is_stale: bool,
    /// Where the events come from.
    pub place: Place,
    /// After the last transaction that was read completely.
    pub upto: Place,
    /// What was said with what was handed out last.
    pub given: Place,
    /// The last transactions before `upto`, and before `given`.
    pub gtids: Gtids,
    pub given_gtids: Gtids,
    pub found: Vec<Hint>,
    /// Where the last event ends that something was found in.
    pub found_at: Place,
    /// What is to be read whole is said once in what is handed out.
    told: BTreeSet<BindingIndex>,
    /// Tables by the numbers of this transaction; `None`: their description cannot be read.
    layouts: BTreeMap<u64, Option<Layout>>,
    /// What transactions have touched that are prepared and not committed, by their names.
    prepared: BTreeMap<String, BTreeSet<BindingIndex>>,
    /// The name of this transaction, if it has one, and what it has touched.
    named: Option<String>,
    touched: BTreeSet<BindingIndex>,
    /// The number of this transaction.
    gtid: Option<Gtid>,
    is_standalone: bool,
}

impl Reading {
    /// Begins at a place, whatever is known of it.
    pub(super) fn at(place: Place, gtids: Gtids) -> Self {
        let (given, upto, given_gtids) = (place.clone(), place.clone(), gtids.clone());
        Self { place, upto, given, gtids, given_gtids, ..Self::default() }
    }

    /// After the last transaction that was read completely.
    pub(super) fn heard(&self) -> Position {
        self.upto.position(&self.gtids)
    }

    /// What was said with what was handed out last.
    pub(super) fn given(&self) -> Position {
        self.given.position(&self.given_gtids)
    }

    /// Hands out what was found, so many hints at most, and where that leads: no further than what
    /// was handed out before, as long as more is left.
    pub(super) fn hand_out(&mut self, rows: usize) -> (Vec<Hint>, Position) {
        let rest = self.found.split_off(rows.min(self.found.len()));
        let hints = std::mem::replace(&mut self.found, rest);
        if self.found.is_empty() {
            self.told.clear();
            self.given.clone_from(&self.upto);
            self.given_gtids.clone_from(&self.gtids);
        }
        (hints, self.given())
    }

    /// The tables as they are described now; those that cannot be heard any more are told.
    pub(super) fn describe(&mut self, tables: Tables) {
        let known = std::mem::replace(&mut self.tables, tables);
        self.is_stale = false;
        let changed: Vec<(BindingIndex, Text)> = self
            .tables
            .unheard
            .iter()
            .filter(|(binding, why)| known.unheard.get(*binding) != Some(*why))
            .map(|(binding, why)| (*binding, why.clone()))
            .collect();
        let back: Vec<BindingIndex> = known
            .unheard
            .keys()
            .filter(|binding| !self.tables.unheard.contains_key(*binding))
            .copied()
            .collect();
        for (binding, why) in changed {
            self.whole(binding, &why, None);
        }
        for binding in back {
            self.whole(binding, ALTERED, None);
        }
    }

    /// Whether an event cannot be read before the tables are described again.
    pub(super) fn must_look(&self, head: Head) -> bool {
        self.is_stale && matches!(head.kind, kind::TABLE_MAP)
    }

    /// Takes the next event.
    pub(super) fn take(&mut self, head: Head, data: &[u8]) {
        let found = self.found.len();
        self.understand(head, data);
        if self.found.len() > found {
            self.found_at.clone_from(&self.place);
        }
    }

    fn understand(&mut self, head: Head, data: &[u8]) {
        self.move_on(head);
        let at = (head.at > 0).then(|| Timestamp(i64::from(head.at) * 1_000_000));
        match head.kind {
            kind::ROTATE => {
                if let Some((file, offset)) = event::rotation(data, &self.place.file) {
                    self.place.file = file;
                    self.place.offset = u32::try_from(offset).unwrap_or(u32::MAX);
                    self.layouts.clear();
                }
            }
            kind::FORMAT => {
                self.place.origin = Origin { begun: head.at, server: head.server };
                if head.end > 0 && self.place.file != self.upto.file {
                    self.upto = self.place.clone();
                }
            }
            kind::GTID => {
                self.begins(head);
                self.gtid = Gtid::of_event(head.server, data);
                self.is_standalone = data.get(12).is_some_and(|flags| flags & STANDALONE != 0);
            }
            kind::MYSQL_GTID | kind::ANONYMOUS_GTID | kind::TAGGED_GTID => self.begins(head),
            kind::XID => self.ends(),
            kind::XA_PREPARE => {
                let touched = std::mem::take(&mut self.touched);
                if let Some(name) = self.named.take().filter(|_| self.prepared.len() < PREPARED_MAX)
                {
                    self.prepared.insert(name, touched);
                }
                self.ends();
            }
            kind::QUERY => self.statement(data, at),
            kind::TABLE_MAP => self.layout(data, at),
            kind::WRITE => self.rows(data, Act::Insert, false, at),
            kind::UPDATE => self.rows(data, Act::Update, false, at),
            kind::DELETE => self.rows(data, Act::Delete, false, at),
            kind::WRITE_EXTRA => self.rows(data, Act::Insert, true, at),
            kind::UPDATE_EXTRA => self.rows(data, Act::Update, true, at),
            kind::DELETE_EXTRA => self.rows(data, Act::Delete, true, at),
            kind::PARTIAL_UPDATE | kind::COMPRESSED_ROWS_FIRST..=kind::COMPRESSED_ROWS_LAST => {
                match event::table_of(data).and_then(|number| self.layouts.get(&number)) {
                    Some(Some(layout)) => {
                        let layout = layout.clone();
                        self.unread(&layout, NOT_READ, at);
                    }
                    Some(None) | None => self.everything(NOT_READ, at),
                }
            }
            kind::STOP
            | kind::INTVAR
            | kind::RAND
            | kind::USER_VAR
            | kind::HEARTBEAT
            | kind::HEARTBEAT_LONG
            | kind::IGNORABLE
            | kind::ROWS_QUERY
            | kind::PREVIOUS_GTIDS
            | kind::TRANSACTION_CONTEXT
            | kind::VIEW_CHANGE
            | kind::ANNOTATE
            | kind::CHECKPOINT
            | kind::GTID_LIST
            | kind::ENCRYPTION => {}
            _ if head.flags & MAY_BE_LEFT_OUT != 0 => {}
            _ => self.everything(STATEMENT, at),
        }
    }

    /// The offset counts in 32 bits; what lies beyond cannot be asked for.
    fn move_on(&mut self, head: Head) {
        if head.end == 0 || matches!(head.kind, kind::ROTATE | kind::HEARTBEAT) {
            return;
        }
        self.place.offset = if head.end < self.place.offset { u32::MAX } else { head.end };
    }

    /// A transaction begins: everything before it is complete.
    fn begins(&mut self, head: Head) {
        self.is_standalone = false;
        self.layouts.clear();
        self.touched.clear();
        self.named = None;
        let start = head.end.checked_sub(head.size).filter(|start| *start >= 4);
        if let Some(offset) = start.filter(|_| self.place.offset != u32::MAX) {
            self.upto = Place { offset, ..self.place.clone() };
            self.counts();
        }
        self.gtid = None;
    }

    fn ends(&mut self) {
        self.is_standalone = false;
        self.layouts.clear();
        self.touched.clear();
        if self.place.offset != u32::MAX {
            self.upto = self.place.clone();
            self.counts();
        }
    }

    /// The transaction that was read last is complete.
    fn counts(&mut self) {
        if let Some(gtid) = self.gtid.take() {
            self.gtids.add(gtid);
        }
    }

    fn statement(&mut self, data: &[u8], at: Option<Timestamp>) {
        let Some((schema, sql)) = event::statement(data) else {
            self.everything(NOT_READ, at);
            return;
        };
        match statement::meaning(&sql) {
            Meaning::Nothing => {}
            Meaning::End => self.ends(),
            Meaning::Begins(name) => self.named = Some(name),
            Meaning::Commits(name) => {
                match self.prepared.remove(&name) {
                    Some(touched) => {
                        for binding in touched {
                            self.whole(binding, PREPARED, at);
                        }
                    }
                    // It was prepared before we listened.
                    None => self.everything(PREPARED, at),
                }
                self.ends();
            }
            Meaning::GivesUp(name) => {
                self.prepared.remove(&name);
                self.ends();
            }
            Meaning::Tables => self.altered(&schema, &sql, at),
            Meaning::Anything => self.everything(STATEMENT, at),
        }
        if self.is_standalone {
            self.ends();
        }
    }

    /// A statement about tables. One in another database names ours where it means a table of it.
    fn altered(&mut self, schema: &str, sql: &str, at: Option<Timestamp>) {
        let is_drop = statement::names(sql, "drop");
        let mut named = Vec::new();
        for (binding, (own, table)) in &self.tables.named {
            let says_schema = statement::names(sql, own);
            if !says_schema && schema.to_lowercase() != own.to_lowercase() {
                continue;
            }
            self.is_stale = true;
            if statement::names(sql, table) || (is_drop && says_schema) {
                named.push(*binding);
            }
        }
        for binding in named {
            self.whole(binding, ALTERED, at);
        }
    }

    fn layout(&mut self, data: &[u8], at: Option<Timestamp>) {
        let number = event::table_of(data);
        match (Layout::read(data), number) {
            (Some((number, layout)), _) => {
                self.layouts.insert(number, Some(layout));
            }
            (None, Some(number)) => {
                self.layouts.insert(number, None);
            }
            (None, None) => self.everything(NOT_READ, at),
        }
        if self.layouts.len() > LAYOUTS_MAX {
            self.layouts.clear();
        }
    }

    fn rows(&mut self, data: &[u8], act: Act, has_extra: bool, at: Option<Timestamp>) {
        let layout = event::table_of(data).and_then(|number| self.layouts.get(&number));
        let Some(Some(layout)) = layout else {
            // An event may only end a statement: it belongs to no table and has no rows.
            if event::table_of(data).is_none_or(|number| number != NO_TABLE) {
                self.everything(NOT_READ, at);
            }
            return;
        };
        let Some(known) = self.tables.get(&layout.schema, &layout.table) else { return };
        let (layout, known) = (layout.clone(), known.clone());
        if known.columns != layout.columns.len() {
            self.unread(&layout, OTHER_SHAPE, at);
            return;
        }
        let mut wanted: Vec<usize> =
            known.bound.iter().flat_map(|(_, key)| key.iter().map(|column| column.at)).collect();
        wanted.extend(known.on_update.iter().flat_map(|(columns, _)| columns));
        let Some(rows) = event::rows(data, act, has_extra, &layout, &wanted) else {
            self.unread(&layout, NOT_READ, at);
            return;
        };
        for (binding, key) in &known.bound {
            self.touched.insert(*binding);
            for images in &rows {
                let keys = keys(key, &wanted, &layout, &images.before, &images.after);
                match keys {
                    Some(keys) => self.found.extend(keys.into_iter().map(|key| Hint {
                        binding: *binding,
                        what: Changed::Row(key),
                        at,
                    })),
                    None => self.whole(*binding, NOT_READ, at),
                }
            }
        }
        for binding in along(&known, act, &wanted, &rows) {
            self.touched.insert(binding);
            self.whole(binding, GO_ALONG, at);
        }
    }

    /// Rows of a table cannot be read: its bindings, and those whose rows may go along.
    fn unread(&mut self, layout: &Layout, why: &str, at: Option<Timestamp>) {
        let Some(known) = self.tables.get(&layout.schema, &layout.table).cloned() else { return };
        // Should it have another shape by now, it is found with the next description.
        self.is_stale |= known.bound.iter().any(|(binding, _)| !self.told.contains(binding));
        for (binding, _) in &known.bound {
            self.touched.insert(*binding);
            self.whole(*binding, why, at);
        }
        let others = known.on_update.iter().flat_map(|(_, bindings)| bindings);
        for binding in known.on_delete.iter().chain(others) {
            self.touched.insert(*binding);
            self.whole(*binding, GO_ALONG, at);
        }
    }

    fn everything(&mut self, why: &str, at: Option<Timestamp>) {
        let all: Vec<BindingIndex> = self.tables.named.keys().copied().collect();
        for binding in all {
            self.touched.insert(binding);
            self.whole(binding, why, at);
        }
    }

    fn whole(&mut self, binding: BindingIndex, why: &str, at: Option<Timestamp>) {
        if self.told.insert(binding) {
            self.found.push(Hint { binding, what: Changed::Unnamed(Text::new(why)), at });
        }
    }
}

/// The number of no table.
const NO_TABLE: u64 = 0x00ff_ffff;

/// What an image holds of a column of the table.
fn held<'a>(images: &[Held<'a>], wanted: &[usize], at: usize) -> Held<'a> {
    let place = wanted.iter().position(|wants| *wants == at);
    place.and_then(|place| images.get(place)).copied().unwrap_or(Held::Nothing)
}

/// The keys of a row before and after, each once.
fn keys(
    columns: &[KeyColumn],
    wanted: &[usize],
    layout: &Layout,
    before: &[Held<'_>],
    after: &[Held<'_>],
) -> Option<Vec<RowKey>> {
    let key = |first: &[Held<'_>], second: &[Held<'_>]| {
        let mut values = Vec::with_capacity(columns.len());
        for column in columns {
            let found = match held(first, wanted, column.at) {
                // What did not change may be left out of the image after.
                Held::Nothing => held(second, wanted, column.at),
                found @ (Held::Null | Held::Value(_)) => found,
            };
            values.push(column.value(*layout.columns.get(column.at)?, found)?);
        }
        Some(RowKey::new(&values))
    };
    let mut keys = Vec::with_capacity(2);
    if !before.is_empty() {
        keys.push(key(before, &[])?);
    }
    if !after.is_empty() {
        let new = key(after, before)?;
        if keys.first() != Some(&new) {
            keys.push(new);
        }
    }
    Some(keys)
}

/// The bindings whose rows may go or change with these.
fn along(
    known: &Known,
    act: Act,
    wanted: &[usize],
    rows: &[event::Images<'_>],
) -> BTreeSet<BindingIndex> {
    match act {
        Act::Insert => BTreeSet::new(),
        Act::Delete => known.on_delete.clone(),
        Act::Update => known
            .on_update
            .iter()
            .filter(|(columns, _)| {
                columns.iter().any(|at| {
                    rows.iter().any(|images| {
                        let after = held(&images.after, wanted, *at);
                        after != Held::Nothing && after != held(&images.before, wanted, *at)
                    })
                })
            })
            .flat_map(|(_, bindings)| bindings.iter().copied())
            .collect(),
    }
}
