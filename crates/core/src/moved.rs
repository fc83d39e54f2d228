//! What a commit has changed of a record's state, as the books must say it: which values, which rows, what is
//! agreed. Records are rebuilt from this alone. What systems were last seen to show, and what is under way or waits,
//! is no part of it: it is read again.

use crate::{
    change::{PartKey, RowKey},
    group::{Cell, Child, Existence, Group, Link, Part},
    name::{EntityIndex, FieldIndex, RecordId, Revision, SystemIndex},
};

/// What has moved in a group. What it came to stands in the group itself.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Moved {
    /// All of it, or it is new.
    #[default]
    Whole,
    /// Nothing that the books must say.
    Nothing,
    /// Something of these parts, or of the record as such.
    Parts(Vec<MovedPart>),
}

/// What has moved in a part. If the group has no such part (any more), it is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MovedPart {
    /// Which part.
    pub part: PartKey,
    /// These values.
    pub cells: Vec<FieldIndex>,
    /// Where its rows are in these systems, or what is agreed with them. Where the part has no such link, it is gone.
    pub links: Vec<SystemIndex>,
}

/// As much of a group as it was as is needed to say what has moved since.
#[derive(Debug)]
pub(crate) struct Trace {
    incarnation: u32,
    merged_into: Option<RecordId>,
    parts: Vec<TracedPart>,
}

#[derive(Debug)]
struct TracedPart {
    key: PartKey,
    exists: Existence,
    /// A value does not change without its version.
    versions: Vec<u64>,
    links: Vec<TracedLink>,
}

#[derive(Debug)]
struct TracedLink {
    system: SystemIndex,
    key: Option<RowKey>,
    agreed: Box<[u64]>,
    agreed_exists: u64,
}

impl Trace {
    /// Of a group that is about to change.
    pub(crate) fn of(group: &Group) -> Self {
        let parts = group.parts().map(|(key, part)| TracedPart {
            key,
            exists: part.exists.clone(),
            versions: part.cells.iter().map(|cell| cell.version).collect(),
            links: part.links.iter().map(TracedLink::of).collect(),
        });
        Self {
            incarnation: group.incarnation,
            merged_into: group.merged_into,
            parts: parts.collect(),
        }
    }

    /// What has moved since.
    pub(crate) fn moved(&self, group: &Group) -> Moved {
        let mut moved = Vec::new();
        let mut before = self.parts.iter().peekable();
        for (key, part) in group.parts() {
            // Both are in order. What comes before this one and is not this one is gone.
            while let Some(gone) = before.next_if(|traced| traced.key < key) {
                moved.push(MovedPart::of(gone.key.clone()));
            }
            match before.next_if(|traced| traced.key == key) {
                Some(traced) => moved.extend(traced.moved(key, part)),
                None => moved.push(MovedPart::whole(key, part)),
            }
        }
        moved.extend(before.map(|gone| MovedPart::of(gone.key.clone())));
        let is_as_it_was = moved.is_empty()
            && self.incarnation == group.incarnation
            && self.merged_into == group.merged_into;
        if is_as_it_was { Moved::Nothing } else { Moved::Parts(moved) }
    }
}

impl TracedPart {
    fn moved(&self, key: PartKey, part: &Part) -> Option<MovedPart> {
        let version = |at: usize| self.versions.get(at).copied().unwrap_or(0);
        let changed = |(at, cell): (usize, &Cell)| {
            (cell.version != version(at)).then_some(FieldIndex(at as u16))
        };
        let cells: Vec<FieldIndex> = part.cells.iter().enumerate().filter_map(changed).collect();
        let before = |system| self.links.iter().find(|traced| traced.system == system);
        let moves = part.links.iter().filter(|link| match before(link.system) {
            Some(traced) => !traced.is(link),
            None => !is_blank(link),
        });
        let mut links: Vec<SystemIndex> = moves.map(|link| link.system).collect();
        let gone = self.links.iter().filter(|traced| part.link(traced.system).is_none());
        links.extend(gone.map(|traced| traced.system));
        let is_as_it_was = cells.is_empty() && links.is_empty() && self.exists == part.exists;
        (!is_as_it_was).then_some(MovedPart { part: key, cells, links })
    }
}

impl TracedLink {
    fn of(link: &Link) -> Self {
        Self {
            system: link.system,
            key: link.key.clone(),
            agreed: link.agreed.clone(),
            agreed_exists: link.agreed_exists,
        }
    }

    fn is(&self, link: &Link) -> bool {
        self.agreed_exists == link.agreed_exists
            && self.agreed == link.agreed
            && self.key == link.key
    }
}

impl MovedPart {
    fn of(part: PartKey) -> Self {
        Self { part, cells: Vec::new(), links: Vec::new() }
    }

    /// Everything of a part.
    pub fn whole(key: PartKey, part: &Part) -> Self {
        let said =
            |(at, cell): (usize, &Cell)| (cell.version != 0).then_some(FieldIndex(at as u16));
        let links = part.links.iter().filter(|link| !is_blank(link));
        Self {
            part: key,
            cells: part.cells.iter().enumerate().filter_map(said).collect(),
            links: links.map(|link| link.system).collect(),
        }
    }
}

/// What the books hold of a change of a group: enough to follow it.
#[derive(Clone, Debug, PartialEq)]
pub struct Move {
    /// The record.
    pub record: RecordId,
    /// Its entity.
    pub entity: EntityIndex,
    /// See [`Group::incarnation`].
    pub incarnation: u32,
    /// See [`Group::merged_into`].
    pub merged_into: Option<RecordId>,
    /// Nothing of what was before stays.
    pub whole: bool,
    /// What became of its parts.
    pub parts: Vec<(PartKey, Option<PartMove>)>,
}

/// What became of a part.
#[derive(Clone, Debug, PartialEq)]
pub struct PartMove {
    /// Whether it lives.
    pub exists: Existence,
    /// Values that changed.
    pub cells: Vec<(FieldIndex, Cell)>,
    /// Links that changed; `None`: there is none any more.
    pub links: Vec<(SystemIndex, Option<LinkMove>)>,
}

/// What became of a link.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkMove {
    /// See [`Link::key`].
    pub key: Option<RowKey>,
    /// See [`Link::agreed`]; `None`: with every value as it is.
    pub agreed: Option<Vec<u64>>,
    /// See [`Link::agreed_exists`].
    pub agreed_exists: u64,
}

impl Moved {
    /// Which parts, with what of them.
    pub fn parts(&self, group: &Group) -> Vec<MovedPart> {
        match self {
            Self::Nothing => Vec::new(),
            Self::Parts(parts) => parts.clone(),
            Self::Whole => group.parts().map(|(key, part)| MovedPart::whole(key, part)).collect(),
        }
    }
}

impl Move {
    /// What the books hold of this change; `None`: nothing.
    pub fn of(group: &Group, moved: &Moved) -> Option<Self> {
        if *moved == Moved::Nothing {
            return None;
        }
        let part_of = |moved: MovedPart| {
            let part = group.part(&moved.part).map(|part| PartMove {
                exists: part.exists.clone(),
                cells: moved
                    .cells
                    .iter()
                    .filter_map(|field| Some((*field, part.cell(*field)?.clone())))
                    .collect(),
                links: moved
                    .links
                    .iter()
                    .map(|system| {
                        (*system, part.link(*system).map(|link| LinkMove::of(link, part)))
                    })
                    .collect(),
            });
            (moved.part, part)
        };
        Some(Self {
            record: group.id,
            entity: group.entity,
            incarnation: group.incarnation,
            merged_into: group.merged_into,
            whole: *moved == Moved::Whole,
            parts: moved.parts(group).into_iter().map(part_of).collect(),
        })
    }

    /// Makes of a record's state what it was after the change; `None`: there was no such record.
    pub fn follow(self, before: Option<Group>) -> Group {
        let mut group = before.filter(|_| !self.whole).unwrap_or_else(|| Group {
            id: self.record,
            entity: self.entity,
            revision: Revision(0),
            incarnation: 0,
            root: no_part(),
            children: Vec::new(),
            merged_into: None,
            rivals: Vec::new(),
            former: Vec::new(),
            excess: Vec::new(),
        });
        group.entity = self.entity;
        group.incarnation = self.incarnation;
        group.merged_into = self.merged_into;
        for (key, moved) in self.parts {
            let place = match key {
                PartKey::Root => Err(&mut group.root),
                PartKey::Child { list, key } => Ok((list, key)),
            };
            match (place, moved) {
                (Err(root), Some(moved)) => moved.follow(root),
                (Err(root), None) => *root = no_part(),
                (Ok((list, key)), moved) => {
                    let order = |child: &Child| (child.list, &child.key).cmp(&(list, &key));
                    match (group.children.binary_search_by(order), moved) {
                        (Ok(at), None) => drop(group.children.remove(at)),
                        (Err(_), None) => {}
                        (Ok(at), Some(moved)) => {
                            if let Some(child) = group.children.get_mut(at) {
                                moved.follow(&mut child.part);
                            }
                        }
                        (Err(at), Some(moved)) => {
                            let mut part = no_part();
                            moved.follow(&mut part);
                            group.children.insert(at, Child { list, key, part });
                        }
                    }
                }
            }
        }
        group
    }
}

impl LinkMove {
    fn of(link: &Link, part: &Part) -> Self {
        Self {
            key: link.key.clone(),
            agreed: (!agrees_with_all(link, part)).then(|| link.agreed.to_vec()),
            agreed_exists: link.agreed_exists,
        }
    }
}

impl PartMove {
    fn follow(self, part: &mut Part) {
        part.exists = self.exists;
        if let Some(last) = self.cells.iter().map(|(field, _)| field.at()).max()
            && part.cells.len() <= last
        {
            let mut cells = std::mem::take(&mut part.cells).into_vec();
            cells.resize_with(last + 1, Cell::default);
            part.cells = cells.into();
        }
        for (field, cell) in self.cells {
            if let Some(place) = part.cells.get_mut(field.at()) {
                *place = cell;
            }
        }
        for (system, moved) in self.links {
            part.links.retain(|link| link.system != system);
            let Some(moved) = moved else { continue };
            let mut link = Link::new(system, 0);
            link.key = moved.key;
            link.agreed = match moved.agreed {
                Some(agreed) => agreed.into(),
                None => part.cells.iter().map(|cell| cell.version).collect(),
            };
            link.agreed_exists = moved.agreed_exists;
            part.put_link(link);
        }
    }
}

/// Whether what a system shows is agreed with every value as it is.
pub fn agrees_with_all(link: &Link, part: &Part) -> bool {
    let versions = part.cells.iter().map(|cell| cell.version);
    let common = link.agreed.iter().copied().zip(versions).all(|(agreed, now)| agreed == now);
    let rest = link.agreed.get(part.cells.len()..).unwrap_or_default();
    let unknown = part.cells.get(link.agreed.len()..).unwrap_or_default();
    common && rest.iter().all(|agreed| *agreed == 0) && unknown.iter().all(|it| it.version == 0)
}

fn no_part() -> Part {
    Part {
        exists: Existence::default(),
        cells: [].into(),
        links: Vec::new(),
        conflicts: Vec::new(),
    }
}

/// A link that says nothing yet.
fn is_blank(link: &Link) -> bool {
    link.key.is_none() && link.agreed_exists == 0 && link.agreed.iter().all(|agreed| *agreed == 0)
}

/// A group with nothing in it but its state: what can be rebuilt from the books. Two that mean the same are equal,
/// also where one has room for fields of which nothing was ever said.
pub fn state_of(group: &Group) -> Group {
    Group {
        id: group.id,
        entity: group.entity,
        revision: Revision(0),
        incarnation: group.incarnation,
        root: part_state(&group.root),
        children: group
            .children
            .iter()
            .map(|child| Child {
                list: child.list,
                key: child.key.clone(),
                part: part_state(&child.part),
            })
            .collect(),
        merged_into: group.merged_into,
        rivals: Vec::new(),
        former: Vec::new(),
        excess: Vec::new(),
    }
}

fn part_state(part: &Part) -> Part {
    // A value without a version is a place for the match keys of a record that nobody has said anything of.
    let said = part.cells.iter().rposition(|cell| cell.version != 0).map_or(0, |last| last + 1);
    let links = part.links.iter().filter(|link| !is_blank(link)).map(|link| {
        let agreed = link.agreed.iter().rposition(|agreed| *agreed != 0);
        let agreed = link.agreed.iter().take(agreed.map_or(0, |last| last + 1));
        let mut state = Link::new(link.system, 0);
        state.key.clone_from(&link.key);
        state.agreed = agreed.copied().collect();
        state.agreed_exists = link.agreed_exists;
        state
    });
    Part {
        exists: part.exists.clone(),
        cells: part
            .cells
            .iter()
            .take(said)
            .map(|cell| if cell.version == 0 { Cell::default() } else { cell.clone() })
            .collect(),
        links: links.collect(),
        conflicts: Vec::new(),
    }
}

#[cfg(test)]
mod tests;
