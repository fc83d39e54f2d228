//! What every [`Store`] must do. Each function wants a store that is empty.
//!
//! The worlds here are small and made by hand: one entity with two fields, bindings 0 and 1 in the
//! systems 0 and 1. Records get low numbers as ids, which no store may mind.
//!
//! Long because it is one list of promises, each a few lines.

use std::{collections::BTreeMap, fmt::Debug};

use syncline_core::{
    Text,
    change::{Expected, Position, Row, RowKey, WriteKind},
    commit::{
        Behind, Checkpoint, Commit, GroupChange, GroupIndex, QuarantineChange, RowEntry, Subject,
        Wants,
    },
    group::{Author, Cell, Existence, Group, Intent, IntentStatus, Lane, Link, Part},
    moved::Moved,
    name::{
        BindingIndex, EntityIndex, IntentId, OperationId, RecordId, Revision, RunId, SystemIndex,
        Timestamp,
    },
    value::{Digest, Slot, Value},
};

use crate::store::{BehindCount, CommitError, Store};

const CONTACTS: EntityIndex = EntityIndex(0);
const CRM: SystemIndex = SystemIndex(0);
const ERP: SystemIndex = SystemIndex(1);
const IN_CRM: BindingIndex = BindingIndex(0);
const IN_ERP: BindingIndex = BindingIndex(1);
const NOW: Timestamp = Timestamp(1_700_000_000_000_000);

/// Runs all of it; `fresh` gives an empty store each time.
pub async fn all<S: Store>(mut fresh: impl FnMut() -> S) {
    an_empty_store_answers_every_want(&fresh()).await;
    what_is_committed_is_loaded_again(&fresh()).await;
    a_stale_commit_changes_nothing(&fresh()).await;
    a_row_that_is_there_has_one_record(&fresh()).await;
    a_row_that_is_gone_gives_way(&fresh()).await;
    a_new_record_gets_its_rows_or_none(&fresh()).await;
    rows_move_between_records_in_one_commit(&fresh()).await;
    match_keys_may_be_shared(&fresh()).await;
    behind_lists_what_is_due_and_counts_everything(&fresh()).await;
    present_rows_are_listed_in_pages(&fresh()).await;
    unanswered_writes_are_listed_until_answered(&fresh()).await;
    rows_to_read_are_listed_until_read(&fresh()).await;
    a_row_that_waits_for_its_parent_is_listed_once_the_parent_is_linked(&fresh()).await;
    references_are_followed_backwards(&fresh()).await;
    counters_never_go_back(&fresh()).await;
    checkpoints_are_replaced(&fresh()).await;
}

/// Takes what must be there.
#[track_caller]
#[expect(clippy::panic, reason = "a suite fails by panicking, like any test")]
fn must<T, E: Debug>(result: Result<T, E>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("the store failed: {error:?}"),
    }
}

fn record(number: u128) -> RecordId {
    RecordId(number)
}

fn key(number: i64) -> RowKey {
    RowKey::new([&Value::int(number)])
}

fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

/// The row of a contact of this name.
fn shown(name: &str) -> Row {
    Row([Slot::Present(Value::text(name)), Slot::Missing].into())
}

/// A record with a name and a row in the CRM, as its first commit makes it.
fn contact(number: u128, row: i64, name: &str) -> GroupChange {
    let cell = |value| Cell {
        value,
        version: 1,
        author: Author::System(CRM),
        at: NOW,
        clock_suspect: false,
    };
    let mut link = Link::new(CRM, 2);
    link.key = Some(key(row));
    link.shadow = Some(shown(name));
    link.agreed = [1, 1].into();
    link.agreed_exists = 1;
    let group = Group {
        id: record(number),
        entity: CONTACTS,
        revision: Revision(1),
        incarnation: 0,
        root: Part {
            exists: Existence {
                alive: true,
                version: 1,
                author: Author::System(CRM),
                at: NOW,
                ..Existence::default()
            },
            cells: [cell(Value::text(name)), cell(Value::Null)].into(),
            links: vec![link],
            conflicts: Vec::new(),
        },
        children: Vec::new(),
        merged_into: None,
        rivals: Vec::new(),
        former: Vec::new(),
        excess: Vec::new(),
    };
    let after = GroupIndex {
        rows: vec![row_entry(IN_CRM, CRM, row, Some(name))],
        alive: true,
        ..GroupIndex::default()
    };
    GroupChange { group, before: GroupIndex::default(), after, moved: Moved::Whole }
}

fn row_entry(
    binding: BindingIndex,
    system: SystemIndex,
    row: i64,
    shows: Option<&str>,
) -> RowEntry {
    RowEntry {
        binding,
        key: key(row),
        system,
        child: false,
        shadow: shows.map(shown),
        version: None,
        quiet: true,
        must_read: false,
        rival: false,
        held: 0,
    }
}

/// The next change of the same group.
fn next(change: &GroupChange) -> GroupChange {
    let mut group = change.group.clone();
    group.revision = Revision(group.revision.0 + 1);
    let moved = Moved::Nothing;
    GroupChange { group, before: change.after.clone(), after: change.after.clone(), moved }
}

fn groups(changes: impl IntoIterator<Item = GroupChange>) -> Commit {
    Commit { groups: changes.into_iter().collect(), run: RunId(1), at: NOW, ..Commit::default() }
}

fn behind(system: SystemIndex, kind: WriteKind) -> Behind {
    Behind { system, kind, not_before: None, parked: false }
}

/// Every want gets an entry, also where there is nothing.
pub async fn an_empty_store_answers_every_want(store: &dyn Store) {
    let wants = Wants {
        records: [record(1), record(2)].into(),
        keys: [(IN_CRM, key(1)), (IN_ERP, key(1))].into(),
        matches: [(CONTACTS, 0, digest("a"))].into(),
        row_keys: [(record(1), ERP)].into(),
        referring: [(record(1), RecordId::NONE)].into(),
        ..Wants::default()
    };
    let working = must(store.load(&wants).await);
    assert_eq!(working.groups, BTreeMap::from([(record(1), None), (record(2), None)]));
    assert_eq!(working.keys.values().collect::<Vec<_>>(), [&None, &None]);
    assert_eq!(working.matches.values().collect::<Vec<_>>(), [&Vec::new()]);
    assert_eq!(working.row_keys.values().collect::<Vec<_>>(), [&None]);
    assert_eq!((working.operation, working.minted), (OperationId(0), 0));
    assert_eq!(must(store.count_present(IN_CRM).await), 0);
    assert_eq!(must(store.checkpoint("poll:contacts@crm").await), None);
    assert!(must(store.behind(CONTACTS, CRM, None, NOW, 10).await).is_empty());
    assert!(must(store.must_read(CONTACTS, None, 10).await).is_empty());
    assert!(must(store.unanswered(None, 10).await).is_empty());
    assert_eq!(working.referring, BTreeMap::from([((record(1), RecordId::NONE), Vec::new())]));
}

/// A group comes back exactly, by its id, its row and the keys of its rows.
pub async fn what_is_committed_is_loaded_again(store: &dyn Store) {
    let (ada, bob) = (contact(1, 11, "Ada"), contact(2, 12, "Bob"));
    let mut eve = contact(4, 20, "Eve");
    eve.group.root.exists.alive = false;
    eve.after.alive = false;
    must(store.commit(groups([bob.clone(), ada.clone(), eve])).await);
    let mut moved = next(&ada);
    if let Some(cell) = moved.group.root.cells.first_mut() {
        cell.value = Value::text("Ada L.");
        cell.version = 2;
    }
    moved.after.rows = vec![row_entry(IN_CRM, CRM, 11, Some("Ada L."))];
    must(store.commit(groups([moved.clone()])).await);

    let wants = Wants {
        records: [record(1), record(2), record(3)].into(),
        keys: (10..14).map(|row| (IN_CRM, key(row))).collect(),
        row_keys: [(1, CRM), (1, ERP), (2, CRM), (4, CRM)]
            .map(|(id, system)| (record(id), system))
            .into(),
        ..Wants::default()
    };
    let working = must(store.load(&wants).await);
    assert_eq!(working.groups.get(&record(1)), Some(&Some(moved.group)));
    assert_eq!(working.groups.get(&record(2)), Some(&Some(bob.group)));
    assert_eq!(working.groups.get(&record(3)), Some(&None));
    let known = |row| working.keys.get(&(IN_CRM, key(row))).and_then(Option::as_ref);
    assert_eq!(working.keys.len(), 4);
    assert_eq!(known(10), None);
    assert_eq!(known(11).map(|row| (row.record, row.digest, row.quiet, row.child)), {
        Some((record(1), Some(shown("Ada L.").digest()), true, false))
    });
    assert_eq!(known(12).map(|row| row.record), Some(record(2)));
    assert_eq!(known(13), None);
    let row_key = |id, system| working.row_keys.get(&(record(id), system)).cloned();
    assert_eq!(row_key(1, CRM), Some(Some(key(11))));
    assert_eq!(row_key(1, ERP), Some(None));
    assert_eq!(row_key(2, CRM), Some(Some(key(12))));
    assert_eq!(row_key(4, CRM), Some(None), "the row of a deleted record is to go");
}

/// One stale group refuses the whole commit, by name.
pub async fn a_stale_commit_changes_nothing(store: &dyn Store) {
    let (ada, bob) = (contact(1, 11, "Ada"), contact(2, 12, "Bob"));
    must(store.commit(groups([ada.clone()])).await);

    let twice = store.commit(groups([bob.clone(), ada.clone()])).await;
    assert_eq!(twice, Err(CommitError::Stale(vec![record(1)])));

    let late = next(&next(&ada));
    let mut all = groups([late, bob.clone()]);
    all.checkpoints = vec![Checkpoint { stream: Text::new("s"), position: Position(vec![1]) }];
    assert_eq!(store.commit(all).await, Err(CommitError::Stale(vec![record(1)])));

    let missing = store.commit(groups([next(&bob)])).await;
    assert_eq!(missing, Err(CommitError::Stale(vec![record(2)])));

    let wants = Wants {
        records: [record(1), record(2)].into(),
        keys: [(IN_CRM, key(12))].into(),
        ..Wants::default()
    };
    let working = must(store.load(&wants).await);
    assert_eq!(working.groups.get(&record(1)), Some(&Some(ada.group)));
    assert_eq!(working.groups.get(&record(2)), Some(&None));
    assert_eq!(working.keys.get(&(IN_CRM, key(12))), Some(&None));
    assert_eq!(must(store.checkpoint("s").await), None);
    assert_eq!(must(store.count_present(IN_CRM).await), 1);
}

/// A second record cannot take a row that is there: its commit is stale.
pub async fn a_row_that_is_there_has_one_record(store: &dyn Store) {
    must(store.commit(groups([contact(1, 11, "Ada")])).await);
    let taken = store.commit(groups([contact(2, 11, "Ada")])).await;
    assert_eq!(taken, Err(CommitError::Stale(vec![record(2)])));
    let wants = Wants { records: [record(2)].into(), ..Wants::default() };
    assert_eq!(must(store.load(&wants).await).groups.get(&record(2)), Some(&None));
}

/// A row last seen absent may be claimed by another record, and the old one never takes it back.
pub async fn a_row_that_is_gone_gives_way(store: &dyn Store) {
    let ada = contact(1, 11, "Ada");
    must(store.commit(groups([ada.clone()])).await);
    let mut gone = next(&ada);
    gone.after.rows = vec![row_entry(IN_CRM, CRM, 11, None)];
    must(store.commit(groups([gone.clone()])).await);
    assert_eq!(must(store.count_present(IN_CRM).await), 0);
    assert!(must(store.present(IN_CRM, None, 10).await).is_empty());

    must(store.commit(groups([contact(2, 11, "Bob")])).await);
    let mut still_gone = next(&gone);
    still_gone.after.rows.clear();
    must(store.commit(groups([still_gone])).await);
    let wants = Wants { keys: [(IN_CRM, key(11))].into(), ..Wants::default() };
    let working = must(store.load(&wants).await);
    let known = working.keys.values().next().and_then(Option::as_ref);
    assert_eq!(known.map(|row| row.record), Some(record(2)));
    assert_eq!(must(store.count_present(IN_CRM).await), 1);
}

/// A new record is refused if another one has its row by now, even if it was last seen absent: what
/// made it knew of nobody.
pub async fn a_new_record_gets_its_rows_or_none(store: &dyn Store) {
    must(store.commit(groups([contact(1, 11, "Ada")])).await);
    let mut late = contact(2, 11, "Ada");
    late.after.rows = vec![row_entry(IN_CRM, CRM, 11, None)];
    let refused = store.commit(groups([late])).await;
    assert_eq!(refused, Err(CommitError::Stale(vec![record(2)])));
}

/// One commit may take a row from a record and give it to another, in either order.
pub async fn rows_move_between_records_in_one_commit(store: &dyn Store) {
    let (ada, bob) = (contact(1, 11, "Ada"), contact(2, 12, "Bob"));
    must(store.commit(groups([ada.clone(), bob.clone()])).await);
    let (mut ada, mut bob) = (next(&ada), next(&bob));
    ada.after.rows = vec![row_entry(IN_CRM, CRM, 12, Some("Ada"))];
    bob.after.rows = vec![row_entry(IN_CRM, CRM, 11, Some("Bob"))];
    must(store.commit(groups([ada, bob])).await);
    let wants = Wants { keys: [(IN_CRM, key(11)), (IN_CRM, key(12))].into(), ..Wants::default() };
    let working = must(store.load(&wants).await);
    let owners: Vec<_> =
        working.keys.values().map(|row| row.as_ref().map(|row| row.record)).collect();
    assert_eq!(owners, [Some(record(2)), Some(record(1))]);
    assert_eq!(must(store.count_present(IN_CRM).await), 2);
}

/// Records that share a match key are all found, in the order of their ids, until they lose it.
pub async fn match_keys_may_be_shared(store: &dyn Store) {
    let mut ada = contact(1, 11, "Ada");
    ada.after.matches = vec![(0, digest("ada@example.com")), (1, digest("Ada"))];
    let mut twin = contact(2, 12, "Ada");
    twin.after.matches = vec![(0, digest("other@example.com")), (1, digest("Ada"))];
    must(store.commit(groups([twin, ada.clone()])).await);
    let found = |rule: u16, text: &'static str| async move {
        let wants = Wants { matches: [(CONTACTS, rule, digest(text))].into(), ..Wants::default() };
        must(store.load(&wants).await).matches.into_values().next()
    };
    assert_eq!(found(1, "Ada").await, Some(vec![record(1), record(2)]));
    assert_eq!(found(0, "ada@example.com").await, Some(vec![record(1)]));
    assert_eq!(found(0, "Ada").await, Some(Vec::new()));

    let mut renamed = next(&ada);
    renamed.after.matches = vec![(0, digest("ada@example.com")), (1, digest("Ada L."))];
    must(store.commit(groups([renamed])).await);
    assert_eq!(found(1, "Ada").await, Some(vec![record(2)]));
    assert_eq!(found(1, "Ada L.").await, Some(vec![record(1)]));
}

/// `behind` gives what is due and not parked; the counts give everything, by kind.
pub async fn behind_lists_what_is_due_and_counts_everything(store: &dyn Store) {
    use WriteKind::{Insert, Update};
    let later = Timestamp(NOW.0 + 1);
    let mut changes = Vec::new();
    for number in 1..=6u8 {
        let mut change = contact(u128::from(number), i64::from(number), "x");
        change.after.behind = match number {
            1 | 2 => vec![behind(ERP, WriteKind::Insert)],
            3 => vec![behind(ERP, WriteKind::Update), behind(CRM, WriteKind::Update)],
            4 => vec![Behind { parked: true, ..behind(ERP, WriteKind::Delete) }],
            5 => vec![Behind { not_before: Some(later), ..behind(ERP, WriteKind::Update) }],
            _ => Vec::new(),
        };
        changes.push(change);
    }
    if let Some(row) = changes.last_mut().and_then(|change| change.after.rows.first_mut()) {
        row.held = 2;
    }
    must(store.commit(groups(changes.clone())).await);

    let list = |after: Option<u128>, now, limit| async move {
        let rows = must(store.behind(CONTACTS, ERP, after.map(record), now, limit).await);
        rows.into_iter().map(|(id, behind)| (id.0, behind.kind)).collect::<Vec<_>>()
    };
    assert_eq!(list(None, NOW, 2).await, [(1, Insert), (2, Insert)]);
    assert_eq!(list(Some(2), NOW, 2).await, [(3, Update)]);
    assert_eq!(list(Some(2), later, 9).await, [(3, Update), (5, Update)]);

    let crm = BehindCount { updates: 1, linked: 6, held: 2, ..BehindCount::default() };
    let erp = BehindCount { inserts: 2, updates: 1, parked: 2, ..BehindCount::default() };
    assert_eq!(must(store.count_behind(CONTACTS, NOW).await), [(CRM, crm), (ERP, erp)]);
    let erp = BehindCount { inserts: 2, updates: 2, parked: 1, ..BehindCount::default() };
    assert_eq!(must(store.count_behind(CONTACTS, later).await), [(CRM, crm), (ERP, erp)]);

    let caught_up = changes.iter().map(|change| {
        let mut caught_up = next(change);
        caught_up.after.behind.clear();
        caught_up.after.rows.iter_mut().for_each(|row| row.held = 0);
        caught_up
    });
    must(store.commit(groups(caught_up)).await);
    assert!(list(None, later, 9).await.is_empty());
    let counts = must(store.count_behind(CONTACTS, NOW).await);
    let counts: Vec<_> =
        counts.into_iter().filter(|(_, count)| *count != BehindCount::default()).collect();
    assert_eq!(counts, [(CRM, BehindCount { linked: 6, ..BehindCount::default() })]);
}

/// Present rows come in the order of their encoding, page by page.
pub async fn present_rows_are_listed_in_pages(store: &dyn Store) {
    must(store.commit(groups((1..=25).map(|n| contact(n, n as i64, "x")))).await);
    let mut expected: Vec<_> = (1..=25).map(key).collect();
    expected.sort();
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = must(store.present(IN_CRM, after.as_ref(), 10).await);
        assert!(page.len() <= 10);
        after = page.last().cloned();
        if after.is_none() {
            break;
        }
        found.extend(page);
    }
    assert_eq!(found, expected);
    assert_eq!(must(store.count_present(IN_CRM).await), 25);
    assert_eq!(must(store.count_present(IN_ERP).await), 0);
}

/// A write that was sent is listed until it is answered, or known to be in doubt.
pub async fn unanswered_writes_are_listed_until_answered(store: &dyn Store) {
    let mut ada = contact(1, 11, "Ada");
    let intent = |number, status| Intent {
        id: IntentId(number),
        kind: WriteKind::Insert,
        set: Vec::new(),
        exists_version: 1,
        expect: Expected::Absent,
        token: None,
        status,
    };
    let mut link = Link::new(ERP, 2);
    link.unresolved = vec![intent(7, IntentStatus::InDoubt), intent(9, IntentStatus::Sent)];
    link.lane = Lane::Write(IntentId(9));
    ada.group.root.links.push(link);
    ada.after.intents = vec![(ERP, IntentId(7)), (ERP, IntentId(9))];
    must(store.commit(groups([ada.clone()])).await);
    let listed = must(store.unanswered(None, 10).await);
    assert_eq!(listed, [(IntentId(9), ERP, record(1))]);
    let wants = Wants { intents: [IntentId(8), IntentId(9)].into(), ..Wants::default() };
    let known = must(store.load(&wants).await).intents;
    assert_eq!(known, BTreeMap::from([(IntentId(8), None), (IntentId(9), Some(record(1)))]));
    assert!(must(store.unanswered(Some(IntentId(9)), 10).await).is_empty());

    let mut doubtful = next(&ada);
    if let Some(link) = doubtful.group.root.link_mut(ERP) {
        for intent in &mut link.unresolved {
            intent.status = IntentStatus::InDoubt;
        }
    }
    must(store.commit(groups([doubtful])).await);
    assert!(must(store.unanswered(None, 10).await).is_empty());
}

/// A row that must be read again is listed until a commit says otherwise.
pub async fn rows_to_read_are_listed_until_read(store: &dyn Store) {
    let mut changes: Vec<_> = (1..=3).map(|n| contact(n, n as i64, "x")).collect();
    for change in &mut changes {
        for row in &mut change.after.rows {
            row.must_read = true;
        }
    }
    must(store.commit(groups(changes.clone())).await);
    let all: Vec<_> = (1..=3).map(|row| (IN_CRM, key(row))).collect();
    assert_eq!(must(store.must_read(CONTACTS, None, 10).await), all);
    let after = Some((IN_CRM, key(1)));
    assert_eq!(must(store.must_read(CONTACTS, after, 1).await), [(IN_CRM, key(2))]);
    assert!(must(store.must_read(EntityIndex(1), None, 10).await).is_empty());

    let read = changes.iter().map(|change| {
        let mut read = next(change);
        for row in &mut read.after.rows {
            row.must_read = false;
        }
        read
    });
    must(store.commit(groups(read)).await);
    assert!(must(store.must_read(CONTACTS, None, 10).await).is_empty());
}

/// A row parked because its parent is not linked is listed when the parent is linked, and no more
/// after it was tried again.
pub async fn a_row_that_waits_for_its_parent_is_listed_once_the_parent_is_linked(
    store: &dyn Store,
) {
    let orders = EntityIndex(1);
    let waiting = (BindingIndex(5), key(500));
    let park = QuarantineChange::Park {
        subject: Subject::Row { binding: waiting.0, key: waiting.1.clone() },
        entity: orders,
        record: None,
        code: Text::new("ref.unknown_parent"),
        message: Text::new("the customer is not known yet"),
        row: None,
        related: Vec::new(),
        awaits: Some((IN_CRM, key(11))),
    };
    let parked = Commit { quarantine: vec![park.clone()], at: NOW, ..Commit::default() };
    must(store.commit(parked.clone()).await);
    assert!(must(store.must_read(orders, None, 10).await).is_empty());

    must(store.commit(groups([contact(2, 12, "Bob")])).await);
    assert!(must(store.must_read(orders, None, 10).await).is_empty());
    must(store.commit(groups([contact(1, 11, "Ada")])).await);
    assert_eq!(must(store.must_read(orders, None, 10).await), std::slice::from_ref(&waiting));

    must(store.commit(parked).await);
    assert!(must(store.must_read(orders, None, 10).await).is_empty());
    let release =
        QuarantineChange::Release { subject: Subject::Row { binding: waiting.0, key: waiting.1 } };
    let released = Commit { quarantine: vec![release.clone()], at: NOW, ..Commit::default() };
    must(store.commit(released).await);
    assert!(must(store.must_read(orders, None, 10).await).is_empty());

    // Set aside and taken after all, within one commit: nothing waits, though the parent is there.
    let both = Commit { quarantine: vec![park, release], at: NOW, ..Commit::default() };
    must(store.commit(both).await);
    assert!(must(store.must_read(orders, None, 10).await).is_empty());
}

/// Records that refer to one are found, in the order of their ids.
pub async fn references_are_followed_backwards(store: &dyn Store) {
    let mut changes: Vec<_> = (1..=4).map(|n| contact(n, n as i64, "x")).collect();
    for change in changes.iter_mut().skip(1) {
        change.after.references = vec![record(1)];
    }
    must(store.commit(groups(changes.clone())).await);
    let after = async |target, after| {
        let wanted = (record(target), after);
        let wants = Wants { referring: [wanted].into(), ..Wants::default() };
        must(store.load(&wants).await).referring.remove(&wanted).unwrap_or_default()
    };
    let referring = async |target| after(target, RecordId::NONE).await;
    assert_eq!(referring(1).await, [record(2), record(3), record(4)]);
    assert_eq!(after(1, record(2)).await, [record(3), record(4)]);
    let elsewhere = changes.iter().skip(2).map(|change| {
        let mut elsewhere = next(change);
        elsewhere.after.references = vec![record(2)];
        elsewhere
    });
    must(store.commit(groups(elsewhere)).await);
    assert_eq!(referring(1).await, [record(2)]);
    assert_eq!(referring(2).await, [record(3), record(4)]);
}

/// Operations and minted ids are remembered, and a late commit does not turn them back.
pub async fn counters_never_go_back(store: &dyn Store) {
    for (operation, minted, expected) in [(5, 2, (5, 2)), (9, 7, (9, 7)), (6, 3, (9, 7))] {
        let commit = Commit { operation: OperationId(operation), minted, ..Commit::default() };
        must(store.commit(commit).await);
        let working = must(store.load(&Wants::default()).await);
        assert_eq!((working.operation.0, working.minted), expected);
    }
}

/// A stream has one checkpoint: the last.
pub async fn checkpoints_are_replaced(store: &dyn Store) {
    for position in [vec![1], vec![2, 3]] {
        let position = Position(position);
        let checkpoint = Checkpoint { stream: Text::new("s"), position: position.clone() };
        must(store.commit(Commit { checkpoints: vec![checkpoint], ..Commit::default() }).await);
        assert_eq!(must(store.checkpoint("s").await), Some(position));
        assert_eq!(must(store.checkpoint("t").await), None);
    }
}
