use proptest::{collection::vec, option, prelude::*};
use syncline_core::{
    Text,
    change::{Expected, Order, PartKey, Row, Token, WriteKind},
    commit::{AuditEvent, AuditKind, GroupChange, GroupIndex},
    decimal::Decimal,
    group::{
        Author, Candidate, FieldSet, Hold, Intent, IntentStatus, Lane, Link, Parked, Reflex, Scope,
    },
    moved::{Move, Moved},
    name::{FieldIndex, IntentId, OperationId, SystemIndex, Timestamp},
    value::Slot,
};

use super::*;
use crate::hub::codec::{
    audit::{Body, Form, PageWriter, decode_event, decode_page, encode_event},
    moves::{MovesWriter, decode_move, decode_moves, encode_move},
};

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        (any::<i64>(), -40..40i32)
            .prop_map(|(number, exponent)| Value::Num(Decimal::new(number.into(), exponent))),
        "[a-zäß€]{0,30}".prop_map(Value::text),
        vec(any::<u8>(), 0..20).prop_map(|raw| Value::Bytes(raw.into())),
        any::<i32>().prop_map(Value::Date),
        (any::<i32>(), any::<u32>())
            .prop_map(|(seconds, nanos)| Value::Instant(seconds.into(), nanos % 1_000_000_000)),
        any::<u128>().prop_map(|id| Value::Ref(RecordId(id))),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| vec(inner, 0..3).prop_map(Value::List))
}

fn authors() -> impl Strategy<Value = Author> {
    prop_oneof![
        Just(Author::Nobody),
        Just(Author::Person),
        Just(Author::Merged),
        any::<u16>().prop_map(|system| Author::System(SystemIndex(system))),
    ]
}

fn times() -> impl Strategy<Value = Timestamp> {
    prop_oneof![Just(Timestamp(0)), any::<i64>().prop_map(Timestamp)]
}

/// Versions are mostly those of the record, so that the short forms are tried.
fn versions() -> impl Strategy<Value = u64> {
    prop_oneof![Just(1), Just(0), any::<u64>()]
}

fn cells() -> impl Strategy<Value = Cell> {
    (values(), versions(), authors(), times(), any::<bool>()).prop_map(
        |(value, version, author, at, clock_suspect)| Cell {
            value,
            version,
            author,
            at,
            clock_suspect,
        },
    )
}

fn texts() -> impl Strategy<Value = Text> {
    "[a-z.ö]{0,30}".prop_map(Text::from)
}

fn keys() -> impl Strategy<Value = RowKey> {
    vec(any::<u8>(), 0..20).prop_map(|raw| RowKey(raw.into()))
}

fn orders() -> impl Strategy<Value = Order> {
    prop_oneof![
        (any::<u32>(), any::<u128>(), any::<u64>()).prop_map(|(epoch, major, minor)| Order::Log {
            epoch,
            major,
            minor
        }),
        any::<u128>().prop_map(Order::Version),
        any::<u64>().prop_map(Order::Operation),
    ]
}

fn fields() -> impl Strategy<Value = FieldIndex> {
    any::<u16>().prop_map(FieldIndex)
}

fn intents() -> impl Strategy<Value = Intent> {
    let status = prop_oneof![
        Just(IntentStatus::Sent),
        Just(IntentStatus::InDoubt),
        (option::of(orders()), option::of(texts()))
            .prop_map(|(order, transaction)| IntentStatus::Acknowledged { order, transaction }),
    ];
    let kind =
        prop_oneof![Just(WriteKind::Insert), Just(WriteKind::Update), Just(WriteKind::Delete)];
    let expect = prop_oneof![
        Just(Expected::Absent),
        vec((fields(), values()), 0..3).prop_map(Expected::Fields),
    ];
    let set = vec((fields(), values(), versions()), 0..3);
    let token = option::of(vec(any::<u8>(), 0..9).prop_map(Token));
    (any::<u128>(), kind, set, versions(), expect, token, status).prop_map(
        |(id, kind, set, exists_version, expect, token, status)| Intent {
            id: IntentId(id),
            kind,
            set,
            exists_version,
            expect,
            token,
            status,
        },
    )
}

/// A slot, or the golden value itself.
fn slots() -> impl Strategy<Value = Option<Slot>> {
    prop_oneof![
        3 => Just(None),
        1 => Just(Some(Slot::Missing)),
        1 => Just(Some(Slot::Unavailable)),
        1 => values().prop_map(|value| Some(Slot::Present(value))),
    ]
}

fn links() -> impl Strategy<Value = (Link, Option<Vec<Option<Slot>>>, bool)> {
    let scope = prop_oneof![
        Just(Scope::In),
        Just(Scope::Frozen),
        Just(Scope::Detached),
        Just(Scope::Leaving),
        Just(Scope::Out),
    ];
    let lane = prop_oneof![
        Just(Lane::Free),
        any::<u128>().prop_map(|id| Lane::Write(IntentId(id))),
        any::<u128>().prop_map(|id| Lane::Echo(IntentId(id))),
        any::<u64>().prop_map(|id| Lane::Read(OperationId(id))),
    ];
    let hold = prop_oneof![
        Just(Hold::Conflict),
        Just(Hold::Loop),
        Just(Hold::Rollback),
        Just(Hold::Parent),
        Just(Hold::Unreadable),
    ];
    let reflex = (fields(), option::of(any::<u32>()), any::<u32>(), times())
        .prop_map(|(field, value, count, since)| Reflex { field, value, count, since });
    let parked = (texts(), vec(versions(), 0..4), any::<u32>(), option::of(times())).prop_map(
        |(code, versions, tries, not_before)| Parked { code, versions, tries, not_before },
    );
    let first = (
        any::<u16>(),
        option::of(keys()),
        option::of(orders()),
        option::of(vec(any::<u8>(), 0..9).prop_map(Token)),
        vec(versions(), 0..6),
        versions(),
        vec(intents(), 0..2),
        lane,
    );
    let second = (
        any::<bool>(),
        any::<bool>(),
        vec((fields(), hold), 0..2),
        vec(any::<u64>(), 0..2).prop_map(FieldSet),
        vec(reflex, 0..2),
        scope,
        option::of(parked),
        any::<u64>(),
        option::of(any::<u128>()),
    );
    (first, second, option::of(vec(slots(), 0..6)), any::<bool>()).prop_map(
        |(first, second, shadow, all_agreed)| {
            let (system, key, order, token, agreed, agreed_exists, unresolved, lane) = first;
            let (must_read, wait, held, last_own, reflexes, scope, parked, touched, waits_for) =
                second;
            let link = Link {
                key,
                order,
                token,
                agreed: agreed.into(),
                agreed_exists,
                unresolved,
                lane,
                must_read,
                wait,
                held,
                last_own,
                reflexes,
                scope,
                parked,
                touched: OperationId(touched),
                waits_for: waits_for.map(RecordId),
                ..Link::new(SystemIndex(system), 0)
            };
            (link, shadow, all_agreed)
        },
    )
}

fn candidate() -> impl Strategy<Value = Candidate> {
    (authors(), values(), times(), option::of(texts()))
        .prop_map(|(author, value, at, actor)| Candidate { author, value, at, actor })
}

fn parts() -> impl Strategy<Value = Part> {
    let exists = (any::<bool>(), versions(), authors(), times(), any::<bool>()).prop_map(
        |(alive, version, author, at, clock_suspect)| Existence {
            alive,
            version,
            author,
            at,
            clock_suspect,
        },
    );
    let conflict = (option::of(0..u16::MAX), values(), vec(candidate(), 0..3), any::<bool>())
        .prop_map(|(field, base, candidates, ambiguous)| OpenConflict {
            field: field.map(FieldIndex),
            base,
            candidates,
            ambiguous,
        });
    (exists, vec(cells(), 0..6), vec(links(), 0..3), vec(conflict, 0..2)).prop_map(
        |(exists, cells, links, conflicts)| {
            let links = links
                .into_iter()
                .map(|(mut link, shadow, all_agreed)| {
                    link.shadow = shadow.map(|slots| shadow_of(slots, &cells));
                    if all_agreed {
                        link.agreed = cells.iter().map(|cell| cell.version).collect();
                    }
                    link
                })
                .collect();
            Part { exists, cells: cells.into(), links, conflicts }
        },
    )
}

fn shadow_of(slots: Vec<Option<Slot>>, cells: &[Cell]) -> Row {
    let golden = |index: usize| {
        cells.get(index).map_or(Slot::Missing, |cell| Slot::Present(cell.value.clone()))
    };
    let slots = slots.into_iter().enumerate();
    Row(slots.map(|(index, slot)| slot.unwrap_or_else(|| golden(index))).collect())
}

fn groups() -> impl Strategy<Value = Group> {
    let child = (any::<u16>(), keys(), parts()).prop_map(|(list, key, part)| Child {
        list: EntityIndex(list),
        key,
        part,
    });
    (
        any::<u128>(),
        any::<u16>(),
        any::<u64>(),
        any::<u32>(),
        parts(),
        vec(child, 0..3),
        option::of(any::<u128>()),
        (
            vec((any::<u16>(), keys()), 0..3),
            vec((any::<u16>(), keys(), orders()), 0..3),
            vec((any::<u16>(), "[a-zé]{0,3}"), 0..2),
        ),
    )
        .prop_map(
            |(id, entity, revision, incarnation, root, children, merged_into, others)| {
                let (rivals, former, excess) = others;
                Group {
                    id: RecordId(id),
                    entity: EntityIndex(entity),
                    revision: Revision(revision),
                    incarnation,
                    root,
                    children,
                    merged_into: merged_into.map(RecordId),
                    rivals: rivals
                        .into_iter()
                        .map(|(binding, key)| Rival { binding: BindingIndex(binding), key })
                        .collect(),
                    former: former
                        .into_iter()
                        .map(|(binding, key, order)| Former {
                            binding: BindingIndex(binding),
                            key,
                            order,
                        })
                        .collect(),
                    excess: excess
                        .into_iter()
                        .map(|(system, user)| Excess {
                            system: SystemIndex(system),
                            user: user.into(),
                        })
                        .collect(),
                }
            },
        )
}

fn events() -> impl Strategy<Value = AuditEvent> {
    let kind = prop_oneof![
        Just(AuditKind::Created),
        Just(AuditKind::Written),
        Just(AuditKind::Covered),
        Just(AuditKind::Warned),
        Just(AuditKind::Held),
        Just(AuditKind::Person),
    ];
    let part = prop_oneof![
        Just(PartKey::Root),
        (any::<u16>(), keys())
            .prop_map(|(list, key)| PartKey::Child { list: EntityIndex(list), key }),
    ];
    let first = (any::<u128>(), any::<u16>(), part, option::of(0..u16::MAX), kind);
    let second = (
        option::of(0..u16::MAX),
        option::of(keys()),
        option::of(values()),
        option::of(values()),
        any::<u64>(),
        option::of(texts()),
        option::of(times()),
        texts(),
    );
    (first, second).prop_map(|(first, second)| {
        let (record, entity, part, field, kind) = first;
        let (system, key, before, after, version, actor, source_at, note) = second;
        AuditEvent {
            record: RecordId(record),
            entity: EntityIndex(entity),
            part,
            field: field.map(FieldIndex),
            kind,
            system: system.map(SystemIndex),
            key,
            before,
            after,
            version,
            actor,
            source_at,
            note,
        }
    })
}

fn encoded(group: &Group) -> Vec<u8> {
    let mut out = Vec::new();
    encode_group(group, &mut out);
    out
}

proptest! {
    #[test]
    fn a_group_comes_back_exactly(group in groups()) {
        prop_assert_eq!(decode_group(group.id, &encoded(&group)), Some(group));
    }

    #[test]
    fn what_is_cut_or_changed_is_refused(
        group in groups(),
        at in any::<prop::sample::Index>(),
        flip in 1..=255u8,
    ) {
        let whole = encoded(&group);
        let at = at.index(whole.len());
        prop_assert_eq!(decode_group(group.id, &whole[..at]), None);
        let mut changed = whole;
        changed[at] ^= flip;
        prop_assert_eq!(decode_group(group.id, &changed), None);
    }

    /// The checksum is right, the body is anything: no panic, no endless loop, no huge allocation.
    #[test]
    fn garbage_is_never_believed(mut body in vec(any::<u8>(), 0..200), like_a_group in any::<bool>()) {
        if like_a_group {
            body.splice(0..0, [VERSION, 0, 1, 0, 0]);
        }
        let sum = checksum(&body);
        body.extend_from_slice(&sum.to_le_bytes());
        let _ = decode_group(RecordId(1), &body);
        let _ = decode_page(&body);
    }

    #[test]
    fn a_page_of_the_audit_comes_back_exactly(events in vec((events(), any::<u64>()), 0..20)) {
        let mut page = PageWriter::new(Form::Clear);
        for (event, previous) in &events {
            page.push(event, *previous);
        }
        let (form, read) = decode_page(&page.finish()).unwrap();
        let read = read.into_iter().map(|stored| match stored.body {
            Body::Clear(event) => (*event, stored.previous),
            Body::Sealed(_) => unreachable!("the page is clear"),
        });
        prop_assert_eq!((form, read.collect::<Vec<_>>()), (Form::Clear, events));
    }

    #[test]
    fn events_that_are_sealed_each_by_itself_come_back_exactly(
        events in vec((events(), any::<u64>()), 0..20), covered in any::<bool>(),
    ) {
        let form = if covered { Form::Covered } else { Form::Sealed };
        let mut page = PageWriter::new(form);
        for (event, previous) in &events {
            page.push_sealed(event.record, event.entity, *previous, &encode_event(event));
        }
        let (found, read) = decode_page(&page.finish()).unwrap();
        let read = read.into_iter().map(|stored| match stored.body {
            Body::Sealed(body) => {
                (decode_event(stored.record, stored.entity, &body).unwrap(), stored.previous)
            }
            Body::Clear(_) => unreachable!("the page is sealed"),
        });
        prop_assert_eq!((found, read.collect::<Vec<_>>()), (form, events));
    }
}

/// A change that has moved all of this, or nothing.
fn change_of(group: Group, moved: Moved) -> GroupChange {
    let (before, after) = (GroupIndex::default(), GroupIndex::default());
    GroupChange { group, before, after, moved }
}

proptest! {
    #[test]
    fn what_has_moved_comes_back_exactly(groups in vec(groups(), 0..4), nothing in any::<bool>()) {
        let moved = if nothing { Moved::Nothing } else { Moved::Whole };
        let changes: Vec<GroupChange> =
            groups.into_iter().map(|group| change_of(group, moved.clone())).collect();
        let mut writer = MovesWriter::new(Form::Clear);
        let expected: Vec<Move> =
            changes.iter().filter_map(|change| Move::of(&change.group, &change.moved)).collect();
        for change in changes.iter().filter(|change| change.moved != Moved::Nothing) {
            let mut body = Vec::new();
            encode_move(change, &mut body);
            writer.push(change.group.id, &body);
        }
        let stored = writer.finish();
        let (form, moves) = decode_moves(&stored).unwrap();
        let read = moves.into_iter().map(|(id, body)| decode_move(id, body).unwrap());
        prop_assert_eq!((form, read.collect::<Vec<_>>()), (Form::Clear, expected));
    }

    #[test]
    fn what_has_moved_is_never_believed_if_it_is_garbage(mut stored in vec(any::<u8>(), 0..200)) {
        if let Some(first) = stored.first_mut() {
            *first = 1;
        }
        let _ = decode_moves(&stored);
        let _ = decode_move(RecordId(1), &stored);
    }
}

#[test]
fn a_row_that_shows_what_the_record_holds_costs_little() {
    let cell = |text: &str| Cell {
        value: Value::text(text),
        version: 1,
        author: Author::System(SystemIndex(0)),
        at: Timestamp(1_700_000_000_000_000),
        clock_suspect: false,
    };
    let cells: Box<[Cell]> =
        (0..8).map(|field| cell(&format!("a text in field {field}"))).collect();
    let shadow = Row(cells.iter().map(|cell| Slot::Present(cell.value.clone())).collect());
    let link = |system| Link {
        key: Some(RowKey::new([&Value::int(12_345)])),
        shadow: Some(shadow.clone()),
        agreed: [1; 8].into(),
        agreed_exists: 1,
        ..Link::new(SystemIndex(system), 8)
    };
    let mut group = Group {
        id: RecordId(1),
        entity: EntityIndex(0),
        revision: Revision(1),
        incarnation: 0,
        root: Part {
            exists: Existence {
                alive: true,
                version: 1,
                author: Author::System(SystemIndex(0)),
                at: Timestamp(1_700_000_000_000_000),
                clock_suspect: false,
            },
            cells,
            links: vec![link(0)],
            conflicts: Vec::new(),
        },
        children: Vec::new(),
        merged_into: None,
        rivals: Vec::new(),
        former: Vec::new(),
        excess: Vec::new(),
    };
    let one = encoded(&group).len();
    group.root.links.push(link(1));
    let two = encoded(&group).len();
    assert!(two - one <= 16, "a second row takes {} bytes", two - one);
}
