//! A record with its links: what the hub remembers, and what changes as a whole.

mod agreed;
mod field_set;
mod hold;

use crate::{
    change::{Expected, Order, PartKey, Row, RowKey, Token, WriteKind},
    name::{
        BindingIndex, EntityIndex, FieldIndex, IntentId, OperationId, RecordId, Revision,
        SystemIndex, Timestamp,
    },
    plan::Plan,
    value::Value,
};

pub use agreed::UNKNOWN;
pub use field_set::FieldSet;
pub use hold::Hold;

/// A record (golden), its rows in all systems (links), and the rows of its child lists (parts).
/// A group is loaded, stepped and committed as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The record.
    pub id: RecordId,
    /// Which entity it is a record of.
    pub entity: EntityIndex,
    /// How often it was committed; the store refuses a commit of any other revision than the next.
    pub revision: Revision,
    /// Counts delete and re-creation of the same natural identity.
    pub incarnation: u32,
    /// The record itself.
    pub root: Part,
    /// Rows of its child lists, sorted by key. Deleted ones stay, as tombstones.
    pub children: Vec<Child>,
    /// Settled into another record (a merge of duplicates).
    pub merged_into: Option<RecordId>,
    /// Rows that match it and are not linked to it, since another row of their system matches, too.
    pub rivals: Vec<Rival>,
    /// Keys that its rows gave up, in systems with logs; the oldest first.
    pub former: Vec<Former>,
    /// Who has changed it beyond the limit: it is written nowhere until a person has answered.
    pub excess: Vec<Excess>,
}

/// A user who has changed more than the limit lets through, this record among it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Excess {
    /// Where.
    pub system: SystemIndex,
    /// Who, as the system says.
    pub user: crate::Text,
}

/// A key that a row of the record gave up. What a log tells of it from before is old.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Former {
    /// Where it is.
    pub binding: BindingIndex,
    /// The key.
    pub key: RowKey,
    /// Where in the log the row last had it.
    pub order: Order,
}

/// A row that matches a record which another row of the same system matches, too. It is linked to
/// nobody until the rows tell themselves apart, or a person does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rival {
    /// Where it is.
    pub binding: BindingIndex,
    /// Its key.
    pub key: RowKey,
}

/// A row of a child list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Child {
    /// The child list (an entity with a parent).
    pub list: EntityIndex,
    /// Its golden key, encoded like a [`RowKey`].
    pub key: RowKey,
    /// What is known of it.
    pub part: Part,
}

/// What is known of one record or of one row of a child list: golden cells and links.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Whether it lives, since which version, and who said so. A tombstone keeps its cells.
    pub exists: Existence,
    /// The golden values, one per field.
    pub cells: Box<[Cell]>,
    /// Its rows in the systems; at most one link per system.
    pub links: Vec<Link>,
    /// Open conflicts, in field order.
    pub conflicts: Vec<OpenConflict>,
}

/// Where a golden value came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Author {
    /// Nobody yet.
    #[default]
    Nobody,
    /// A user of this system.
    System(SystemIndex),
    /// A person, through Syncline.
    Person,
    /// A merge of several authors (a counter, a set, an expression).
    Merged,
}

/// Whether a record lives.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Existence {
    /// It lives.
    pub alive: bool,
    /// The version of this answer; 0 before the first.
    pub version: u64,
    /// Who said so.
    pub author: Author,
    /// When, by the author's clock where it is trusted.
    pub at: Timestamp,
    /// The author did not say when, or its clock was ahead of ours by more than is allowed: `at` is
    /// our own time then, and says nothing of what was newer.
    pub clock_suspect: bool,
}

/// One golden value.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Cell {
    /// The value; never a system's presentation of it.
    pub value: Value,
    /// Counts its changes; 0: nobody ever said anything.
    pub version: u64,
    /// Whose value it is.
    pub author: Author,
    /// When, by the author's clock where it is trusted (clamped to the hub's time and `max_skew`).
    pub at: Timestamp,
    /// The author's clock was too far ahead: time decides nothing about this value.
    pub clock_suspect: bool,
}

/// Ties a part to its row in one system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The system.
    pub system: SystemIndex,
    /// The row's key; `None` before our insert was answered.
    pub key: Option<RowKey>,
    /// What the system last showed, in its own terms; `None`: no row there.
    pub shadow: Option<Row>,
    /// Where in the row's history the shadow is.
    pub order: Option<Order>,
    /// What the next write may expect.
    pub token: Option<Token>,
    /// Per field: the golden version that the shadow reflects; 0: none (dirty).
    pub agreed: Box<[u64]>,
    /// The same for existence.
    pub agreed_exists: u64,
    /// Writes whose outcome is not known for certain yet, oldest first.
    pub unresolved: Vec<Intent>,
    /// What is in flight.
    pub lane: Lane,
    /// The shadow must be read again before anything is decided.
    pub must_read: bool,
    /// Class A: wait until the log delivers what a failed precondition showed.
    pub wait: bool,
    /// Per field: what holds it on this link (neither written nor taken).
    pub held: Vec<(FieldIndex, Hold)>,
    /// Per field: the shadow's value was put there by us (for the loop guard).
    pub last_own: FieldSet,
    /// What the loop guard counts, per field.
    pub reflexes: Vec<Reflex>,
    /// Whether the record is in this system's scope.
    pub scope: Scope,
    /// A write was refused for good, until the record changes or a person says retry.
    pub parked: Option<Parked>,
    /// The hub operation of the last intent planned or resolved on this link: rows read by a batch
    /// that began earlier do not count.
    pub touched: OperationId,
    /// Another record's row holds a unique value this one wants.
    pub waits_for: Option<RecordId>,
}

/// What is in flight on a link: at most one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Lane {
    /// Nothing.
    #[default]
    Free,
    /// A write.
    Write(IntentId),
    /// Class A: a write was acknowledged, and its echo has not come yet.
    Echo(IntentId),
    /// A fenced read.
    Read(OperationId),
}

/// Whether a record belongs into a system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Scope {
    /// It does.
    #[default]
    In,
    /// It left: what stays there no longer flows.
    Frozen,
    /// It left: the row is no longer ours.
    Detached,
    /// It left: the row goes.
    Leaving,
    /// It never was.
    Out,
}

/// What the loop guard counts on one field: how often a system came to show one value, or put any
/// in the place of one of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reflex {
    /// The field.
    pub field: FieldIndex,
    /// The beginning of the value's digest; `None`: any value on top of one of ours.
    pub value: Option<u32>,
    /// How many within the window. For a value, an edit on top of our own counts twice.
    pub count: u32,
    /// When the window began.
    pub since: Timestamp,
}

/// A write that was refused for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parked {
    /// The stable code.
    pub code: crate::Text,
    /// The golden versions that were refused, existence first: any other is worth another try.
    pub versions: Vec<u64>,
    /// How often it was tried.
    pub tries: u32,
    /// For what may heal by itself: not before this time.
    pub not_before: Option<Timestamp>,
}

/// A write, on record before it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// Its mark.
    pub id: IntentId,
    /// Insert, update or delete.
    pub kind: WriteKind,
    /// Native atoms to be written, with the golden version each reflects.
    pub set: Vec<(FieldIndex, Value, u64)>,
    /// The version of the existence it reflects.
    pub exists_version: u64,
    /// What it expects to find.
    pub expect: Expected,
    /// The token it expects.
    pub token: Option<Token>,
    /// How far it is.
    pub status: IntentStatus,
}

/// How far a write is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the variants say it; their fields are named by their types")]
pub enum IntentStatus {
    /// On record; perhaps sent.
    Sent,
    /// The target said yes, at this place in its log (class A waits for the echo).
    Acknowledged { order: Option<Order>, transaction: Option<crate::Text> },
    /// Nobody knows.
    InDoubt,
}

/// A conflict that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenConflict {
    /// The field, or `None` for existence (a delete against an edit).
    pub field: Option<FieldIndex>,
    /// The values that compete, newest per system, in system order.
    pub candidates: Vec<Candidate>,
    /// The golden value before.
    pub base: Value,
    /// An intent on the field was in doubt: perhaps there was no conflict.
    pub ambiguous: bool,
}

/// A value that competes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Whose.
    pub author: Author,
    /// The golden value.
    pub value: Value,
    /// When, by the author's clock.
    pub at: Timestamp,
    /// Who, as the system says.
    pub actor: Option<crate::Text>,
}

impl Group {
    /// Whether this row is one of its rivals.
    pub fn is_rival(&self, binding: BindingIndex, key: &RowKey) -> bool {
        self.rivals.iter().any(|rival| rival.binding == binding && rival.key == *key)
    }

    /// Whether in some system several rows could be this record's, and none of them is: nothing is
    /// written for it anywhere then.
    pub fn is_contested(&self, plan: &Plan) -> bool {
        self.rivals.iter().any(|rival| {
            let system = plan.binding(rival.binding).map(|found| found.system);
            let link = system.and_then(|system| self.root.link(system));
            link.is_none_or(|link| link.shadow.is_none())
        })
    }

    /// Which part's list and which system an intent of this group writes.
    pub fn place_of(&self, intent: IntentId) -> Option<(EntityIndex, SystemIndex)> {
        let has = |part: &Part| {
            let mut links = part.links.iter();
            let link = links.find(|link| link.unresolved.iter().any(|known| known.id == intent))?;
            Some(link.system)
        };
        if let Some(system) = has(&self.root) {
            return Some((self.entity, system));
        }
        self.children.iter().find_map(|child| Some((child.list, has(&child.part)?)))
    }

    /// Writes of any part to any system whose outcome is not known for certain yet.
    pub fn intents(&self) -> impl Iterator<Item = &Intent> {
        let children = self.children.iter().map(|child| &child.part);
        let links = std::iter::once(&self.root).chain(children).flat_map(|part| &part.links);
        links.flat_map(|link| &link.unresolved)
    }

    /// The links of all its parts to this system.
    pub fn links_to(&self, system: SystemIndex) -> impl Iterator<Item = &Link> {
        let children = self.children.iter().map(|child| &child.part);
        std::iter::once(&self.root).chain(children).filter_map(move |part| part.link(system))
    }

    /// The part with this key.
    pub fn part(&self, key: &PartKey) -> Option<&Part> {
        match key {
            PartKey::Root => Some(&self.root),
            PartKey::Child { list, key } => self
                .children
                .iter()
                .find(|child| child.list == *list && child.key == *key)
                .map(|child| &child.part),
        }
    }

    /// The part with this key, to be changed.
    pub fn part_mut(&mut self, key: &PartKey) -> Option<&mut Part> {
        match key {
            PartKey::Root => Some(&mut self.root),
            PartKey::Child { list, key } => self
                .children
                .iter_mut()
                .find(|child| child.list == *list && child.key == *key)
                .map(|child| &mut child.part),
        }
    }

    /// All parts with their keys, the root first.
    pub fn parts(&self) -> impl Iterator<Item = (PartKey, &Part)> {
        let children = self.children.iter().map(|child| {
            (PartKey::Child { list: child.list, key: child.key.clone() }, &child.part)
        });
        std::iter::once((PartKey::Root, &self.root)).chain(children)
    }
}

impl Part {
    /// Takes the link to this system out (a new one if there is none), to be worked on beside the
    /// rest; [`Part::put_link`] puts it back.
    pub fn take_link(&mut self, system: SystemIndex) -> Link {
        match self.links.iter().position(|link| link.system == system) {
            Some(at) => self.links.remove(at),
            None => Link::new(system, self.cells.len()),
        }
    }

    /// Puts a link back, in system order.
    pub fn put_link(&mut self, link: Link) {
        let at = self.links.partition_point(|other| other.system < link.system);
        // A link is large, and most records have two or three: a list that grows by doubling begins with
        // room for four.
        self.links.reserve_exact(1);
        self.links.insert(at, link);
    }

    /// The link to this system.
    pub fn link(&self, system: SystemIndex) -> Option<&Link> {
        self.links.iter().find(|link| link.system == system)
    }

    /// The link to this system, to be changed.
    pub fn link_mut(&mut self, system: SystemIndex) -> Option<&mut Link> {
        self.links.iter_mut().find(|link| link.system == system)
    }

    /// The golden cell of this field.
    pub fn cell(&self, field: FieldIndex) -> Option<&Cell> {
        self.cells.get(field.at())
    }

    /// The key of its row in this system, if others may refer to it: not while that row is about to go with
    /// its record, or by a delete of ours that is under way; its key may be another's by then.
    pub fn key_in(&self, system: SystemIndex) -> Option<&RowKey> {
        let link = self.link(system).filter(|link| self.exists.alive && link.is_present())?;
        let goes = link.unresolved.iter().any(|intent| intent.kind == WriteKind::Delete);
        link.key.as_ref().filter(|_| !goes)
    }

    /// The version of this field's golden value; 0 before the first.
    pub fn version_of(&self, field: FieldIndex) -> u64 {
        self.cell(field).map_or(0, |cell| cell.version)
    }

    /// Whether this system keeps a row of a part that is gone, or none of one that lives, and was
    /// told to (a rollback leaves its source as it is; so do ignored deletes).
    pub fn is_left(&self, system: SystemIndex) -> bool {
        self.link(system).is_some_and(|link| {
            link.shadow.is_some() != self.exists.alive
                && link.agreed_exists == self.exists.version
                && self.exists.version > 0
        })
    }
}

impl Link {
    /// A link that knows nothing yet.
    pub fn new(system: SystemIndex, field_count: usize) -> Self {
        Self {
            system,
            key: None,
            shadow: None,
            order: None,
            token: None,
            agreed: vec![0; field_count].into(),
            agreed_exists: 0,
            unresolved: Vec::new(),
            lane: Lane::Free,
            must_read: false,
            wait: false,
            held: Vec::new(),
            last_own: FieldSet::default(),
            reflexes: Vec::new(),
            scope: Scope::In,
            parked: None,
            touched: OperationId(0),
            waits_for: None,
        }
    }

    /// Whether nothing is in flight, in doubt, waited for or to be read again.
    pub fn is_settled(&self) -> bool {
        self.lane == Lane::Free && self.unresolved.is_empty() && !self.must_read && !self.wait
    }

    /// Whether the system shows a row.
    pub fn is_present(&self) -> bool {
        self.shadow.is_some()
    }
}
