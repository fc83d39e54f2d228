//! Whatever changes in a group's state, who follows what has moved ends with the same state.

use super::*;
use crate::{Text, group::Author, name::Timestamp, value::Value};

fn cell(text: &str, version: u64) -> Cell {
    let author = Author::System(SystemIndex(0));
    Cell { value: Value::text(text), version, author, at: Timestamp(7), clock_suspect: false }
}

fn part(texts: &[&str]) -> Part {
    let mut link = Link::new(SystemIndex(1), texts.len());
    link.key = Some(RowKey::new([&Value::int(1)]));
    link.agreed = vec![1; texts.len()].into();
    Part {
        exists: Existence { alive: true, version: 1, ..Existence::default() },
        cells: texts.iter().map(|text| cell(text, 1)).collect(),
        links: vec![link],
        conflicts: Vec::new(),
    }
}

fn child(key: i64, texts: &[&str]) -> Child {
    let key = RowKey::new([&Value::int(key)]);
    Child { list: EntityIndex(1), key, part: part(texts) }
}

fn group() -> Group {
    Group {
        id: RecordId(7),
        entity: EntityIndex(0),
        revision: Revision(1),
        incarnation: 1,
        root: part(&["Anna", "1"]),
        children: vec![child(2, &["two"]), child(4, &["four"])],
        merged_into: None,
        rivals: Vec::new(),
        former: Vec::new(),
        excess: Vec::new(),
    }
}

/// Changes a group, and follows it.
fn check(change: impl FnOnce(&mut Group)) -> Moved {
    let before = group();
    let (trace, mut after) = (Trace::of(&before), before.clone());
    change(&mut after);
    let moved = trace.moved(&after);
    let known = Move::of(&before, &Moved::Whole).unwrap().follow(None);
    let followed = match Move::of(&after, &moved) {
        Some(moves) => moves.follow(Some(known)),
        None => known,
    };
    assert_eq!(state_of(&followed), state_of(&after));
    moved
}

#[test]
fn values_rows_and_what_is_agreed_are_followed() {
    let moved = check(|group| {
        group.root.cells[1] = cell("2", 2);
        group.root.links[0].agreed[1] = 2;
    });
    let part =
        MovedPart { part: PartKey::Root, cells: vec![FieldIndex(1)], links: vec![SystemIndex(1)] };
    assert_eq!(moved, Moved::Parts(vec![part]));
    check(|group| group.root.links[0].key = None);
    check(|group| group.root.put_link(Link::new(SystemIndex(0), 2)));
    check(|group| group.root.links.clear());
    check(|group| group.root.exists = Existence { version: 2, ..Existence::default() });
    check(|group| group.merged_into = Some(RecordId(9)));
    check(|group| group.root.cells = [cell("Anna", 1), cell("1", 1), cell("new", 1)].into());
}

#[test]
fn child_rows_come_and_go() {
    check(|group| group.children.insert(1, child(3, &["three"])));
    check(|group| drop(group.children.remove(0)));
    check(|group| group.children.clear());
    check(|group| group.children[1].part.cells[0] = cell("five", 2));
}

#[test]
fn what_is_seen_and_what_waits_moves_nothing() {
    let moved = check(|group| {
        let link = &mut group.root.links[0];
        link.must_read = true;
        link.parked = Some(crate::group::Parked {
            code: Text::new("write.check"),
            versions: vec![1],
            tries: 1,
            not_before: None,
        });
        group.root.put_link(Link::new(SystemIndex(2), 2));
    });
    assert_eq!(moved, Moved::Nothing);
}
