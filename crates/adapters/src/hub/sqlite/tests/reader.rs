//! What people see.

use syncline_core::{
    Text,
    change::PartKey,
    commit::{AuditEvent, AuditKind, ConflictChange, QuarantineChange, Settled, Subject},
    group::Candidate,
    name::FieldIndex,
};
use syncline_ports::reader::{Guard, HistoryFilter, Pause, Reader, Waits};

use super::*;

fn event(number: u64, note: &str) -> AuditEvent {
    AuditEvent {
        record: record(number),
        entity: CONTACTS,
        part: PartKey::Root,
        field: Some(FieldIndex(0)),
        kind: AuditKind::Changed,
        system: Some(SystemIndex(u16::try_from(number % 2).unwrap())),
        key: Some(key(number)),
        before: Some(Value::text("before")),
        after: Some(Value::text(note)),
        version: 2,
        actor: (number == 3).then(|| Text::new("lena")),
        source_at: Some(NOW),
        note: Text::new(note),
    }
}

/// A commit with changes of its own on the books.
pub(in crate::hub::sqlite) async fn audited(hub: &SqliteHub, number: u64) {
    let mut commit = commit_of([change(number + 1, 1)]);
    commit.audit = (0..3).map(|_| event(number + 1, "said")).collect();
    hub.commit(commit).await.unwrap();
}

/// A row that is set aside, and a conflict.
pub(in crate::hub::sqlite) async fn parked_and_disputed(hub: &SqliteHub) {
    hub.commit(park("quetzalcoatl", "map.unknown_value")).await.unwrap();
    hub.commit(open(1, vec![candidate(0, "quetzalcoatl", 1)], None)).await.unwrap();
}

#[test]
fn a_history_is_told_by_record_run_time_system_and_actor_newest_first() {
    let hub = SqliteHub::in_memory().unwrap();
    // 300 events a commit: several pages each.
    for commit_number in 1..=4u64 {
        let changes = (1..=300).map(|number| change(number, commit_number));
        let mut commit = commit_of(changes);
        commit.run = RunId(commit_number);
        commit.at = Timestamp(commit_number.cast_signed());
        commit.audit =
            (1..=300).map(|number| event(number, &format!("edit {commit_number}"))).collect();
        // The same record twice in a page.
        commit.audit.push(event(300, "again"));
        run(hub.commit(commit)).unwrap();
    }
    // An event on a record that the commit does not change.
    let later = Commit {
        audit: vec![event(3, "said")],
        run: RunId(9),
        at: Timestamp(9),
        ..Commit::default()
    };
    run(hub.commit(later)).unwrap();

    let told = |filter: HistoryFilter| {
        let entries = run(hub.history(&filter)).unwrap();
        entries
            .iter()
            .map(|entry| format!("c-{} {} {}", entry.number, entry.run, entry.event.note))
            .collect::<Vec<_>>()
    };
    let all = HistoryFilter { limit: 10_000, ..HistoryFilter::default() };
    assert_eq!(
        told(HistoryFilter { record: Some(record(3)), ..all.clone() }),
        [
            "c-1205 r-9 said",
            "c-906 r-4 edit 4",
            "c-605 r-3 edit 3",
            "c-304 r-2 edit 2",
            "c-3 r-1 edit 1"
        ]
    );
    assert_eq!(
        told(HistoryFilter { record: Some(record(300)), limit: 3, ..all.clone() }),
        ["c-1204 r-4 again", "c-1203 r-4 edit 4", "c-903 r-3 again"]
    );
    let of_run = HistoryFilter { run: Some(RunId(2)), ..all.clone() };
    assert_eq!(told(of_run.clone()).len(), 301);
    assert_eq!(told(HistoryFilter { limit: 1, ..of_run }), ["c-602 r-2 again"]);
    assert_eq!(told(HistoryFilter { since: Some(Timestamp(4)), ..all.clone() }).len(), 302);
    assert_eq!(told(HistoryFilter { system: Some(CRM), ..all.clone() }).len(), 4 * 151);
    assert_eq!(told(HistoryFilter { actor: Some(Text::new("lena")), ..all.clone() }).len(), 5);
    assert_eq!(told(HistoryFilter { limit: 2, ..all }), ["c-1205 r-9 said", "c-1204 r-4 again"]);
    let entry = run(hub.history(&HistoryFilter { limit: 1, ..HistoryFilter::default() })).unwrap();
    assert_eq!(entry[0].event, event(3, "said"));
    hub.check().unwrap();
}

#[test]
fn what_is_hardly_ever_so_is_looked_for_in_parts() {
    let hub = SqliteHub::in_memory().unwrap();
    for commit_number in 1..=20u64 {
        let mut commit = commit_of((1..=50).map(|number| change(number, commit_number)));
        commit.at = Timestamp(commit_number.cast_signed() * 86_400_000_000);
        // Only the first commit has what is looked for.
        let first = if commit_number == 1 { 1 } else { 4 };
        commit.audit = (first..=50).map(|number| event(number, "said")).collect();
        run(hub.commit(commit)).unwrap();
    }
    let lena = Some(Text::new("lena"));
    let mut filter = HistoryFilter { actor: lena, limit: 10, ..HistoryFilter::default() };
    let (mut found, mut parts) = (Vec::new(), 0);
    loop {
        let (part, next) = run(hub.history_part(&filter, 200)).unwrap();
        found.extend(part.iter().map(|entry| entry.number));
        parts += 1;
        filter.below = next;
        if next.is_none() {
            break;
        }
    }
    assert_eq!((found, parts), (vec![3], 5));

    // What is much older than what is asked for is not even looked at.
    filter = HistoryFilter { since: Some(Timestamp(19 * 86_400_000_000)), below: None, ..filter };
    assert_eq!(run(hub.history_part(&filter, 200)).unwrap(), (Vec::new(), None));
    let all = HistoryFilter { limit: 60, ..HistoryFilter::default() };
    let (part, next) = run(hub.history_part(&all, 10_000)).unwrap();
    assert_eq!((part.len(), next), (60, part.last().map(|entry| entry.number)));
}

#[test]
fn what_waits_is_counted_without_reading_it() {
    let hub = SqliteHub::in_memory().unwrap();
    run(parked_and_disputed(&hub));

    let waits = run(hub.count_open()).unwrap();

    let one = Waits { conflicts: 1, conflict: Some(1), quarantined: 1, entry: Some(1) };
    assert_eq!(waits, [(CONTACTS, one)].into());
}

pub(super) fn candidate(system: u16, value: &str, at: i64) -> Candidate {
    Candidate {
        author: Author::System(SystemIndex(system)),
        value: Value::text(value),
        at: Timestamp(at),
        actor: None,
    }
}

pub(super) fn open(
    base_version: u64,
    candidates: Vec<Candidate>,
    settled: Option<Settled>,
) -> Commit {
    let change = ConflictChange::Open {
        record: record(1),
        entity: CONTACTS,
        part: PartKey::Root,
        field: Some(FieldIndex(2)),
        base: Value::text("base"),
        base_version,
        candidates,
        ambiguous: false,
        settled,
    };
    Commit { conflicts: vec![change], run: RunId(5), at: NOW, ..Commit::default() }
}

pub(super) fn by_rule(winner: u16) -> Settled {
    Settled {
        rule: Text::new("priority"),
        winner: Author::System(SystemIndex(winner)),
        who: None,
        note: None,
    }
}

#[test]
fn an_open_conflict_is_one_entry_until_it_is_settled() {
    let hub = SqliteHub::in_memory().unwrap();
    run(hub.commit(open(1, vec![candidate(0, "a", 1)], None))).unwrap();
    run(hub.commit(open(1, vec![candidate(0, "b", 2), candidate(1, "c", 3)], None))).unwrap();
    let listed = run(hub.conflicts(false, 10)).unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].number, 1);
    assert_eq!(listed[0].opened, (RunId(5), NOW));
    assert_eq!(listed[0].candidates, [candidate(0, "b", 2), candidate(1, "c", 3)]);

    let settled = Settled {
        rule: Text::new("person"),
        winner: Author::System(SystemIndex(1)),
        who: Some(Text::new("steward1")),
        note: Some(Text::new("called them")),
    };
    let close = ConflictChange::Close {
        record: record(1),
        part: PartKey::Root,
        field: Some(FieldIndex(2)),
        settled: settled.clone(),
    };
    run(hub.commit(Commit { conflicts: vec![close], at: NOW, ..Commit::default() })).unwrap();
    assert!(run(hub.conflicts(false, 10)).unwrap().is_empty());
    let known = run(hub.conflict(1)).unwrap().unwrap();
    assert_eq!(known.settled, Some((settled, NOW)));

    run(hub.commit(open(4, vec![candidate(0, "d", 9)], None))).unwrap();
    let numbers: Vec<_> =
        run(hub.conflicts(true, 10)).unwrap().iter().map(|conflict| conflict.number).collect();
    assert_eq!(numbers, [2, 1]);
    assert_eq!(run(hub.conflict(3)).unwrap(), None);
}

#[test]
fn what_rules_settle_from_one_base_version_is_one_entry() {
    let hub = SqliteHub::in_memory().unwrap();
    run(hub.commit(open(1, vec![candidate(0, "a", 1), candidate(1, "b", 2)], Some(by_rule(0)))))
        .unwrap();
    let third = vec![candidate(0, "a", 1), candidate(1, "c", 5), candidate(2, "d", 3)];
    run(hub.commit(open(1, third, Some(by_rule(2))))).unwrap();
    run(hub.commit(open(2, vec![candidate(0, "e", 9)], Some(by_rule(0))))).unwrap();
    assert!(run(hub.conflicts(false, 10)).unwrap().is_empty());
    let all = run(hub.conflicts(true, 10)).unwrap();
    assert_eq!(all.iter().map(|conflict| conflict.number).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(
        all[1].candidates,
        [candidate(0, "a", 1), candidate(1, "c", 5), candidate(2, "d", 3)]
    );
    assert_eq!(all[1].settled.as_ref().map(|(how, _)| how), Some(&by_rule(2)));
}

#[test]
fn what_replaced_the_winner_of_a_conflict_competes_in_another_one() {
    let hub = SqliteHub::in_memory().unwrap();
    run(hub.commit(open(1, vec![candidate(0, "a", 1), candidate(1, "b", 2)], Some(by_rule(0)))))
        .unwrap();
    run(hub.commit(open(1, vec![candidate(2, "c", 5), candidate(3, "d", 3)], Some(by_rule(2)))))
        .unwrap();
    let all = run(hub.conflicts(true, 10)).unwrap();
    assert_eq!(all[0].candidates, [candidate(2, "c", 5), candidate(3, "d", 3)]);
    assert_eq!(all[1].candidates, [candidate(0, "a", 1), candidate(1, "b", 2)]);
}

pub(super) fn park(row: &str, code: &str) -> Commit {
    let change = QuarantineChange::Park {
        subject: Subject::Row { binding: IN_CRM, key: key(7) },
        entity: CONTACTS,
        record: None,
        code: Text::new(code),
        message: Text::new("the value has no meaning"),
        row: Some(Row([Slot::Present(Value::text(row))].into())),
        related: vec![record(1), record(2)],
        awaits: None,
    };
    Commit { quarantine: vec![change], run: RunId(5), at: NOW, ..Commit::default() }
}

#[test]
fn what_is_set_aside_is_one_entry_that_counts_its_tries() {
    let hub = SqliteHub::in_memory().unwrap();
    run(hub.commit(park("x", "map.unknown_value"))).unwrap();
    run(hub.commit(Commit { at: Timestamp(NOW.0 + 9), ..park("y", "map.unknown_value") })).unwrap();
    let listed = run(hub.quarantine(10)).unwrap();
    assert_eq!(listed.len(), 1);
    let entry = &listed[0];
    assert_eq!((entry.number, entry.tries, entry.since), (1, 2, NOW));
    assert_eq!(entry.row, Some(Row([Slot::Present(Value::text("y"))].into())));
    let tries = || run(hub.quarantined(1)).unwrap().unwrap().tries;
    run(hub.commit(park("y", "map.unknown_value"))).unwrap();
    assert_eq!(tries(), 2, "it was met again as it was");
    run(hub.retry_quarantined(1)).unwrap();
    run(hub.commit(park("y", "map.unknown_value"))).unwrap();
    assert_eq!(tries(), 3, "it was asked for");
    assert_eq!(entry.related, [record(1), record(2)]);
    assert_eq!(entry.subject, Subject::Row { binding: IN_CRM, key: key(7) });

    let release =
        QuarantineChange::Release { subject: Subject::Row { binding: IN_CRM, key: key(7) } };
    run(hub.commit(Commit { quarantine: vec![release], ..Commit::default() })).unwrap();
    assert!(run(hub.quarantine(10)).unwrap().is_empty());
    run(hub.commit(park("z", "map.unknown_value"))).unwrap();
    assert_eq!(run(hub.quarantine(10)).unwrap()[0].number, 2, "numbers are not used again");
}

#[test]
fn a_dropped_entry_stays_dropped_until_the_row_changes() {
    let hub = SqliteHub::in_memory().unwrap();
    run(hub.commit(park("x", "map.unknown_value"))).unwrap();
    run(hub.retry_quarantined(1)).unwrap();
    assert_eq!(run(hub.must_read(CONTACTS, None, 9)).unwrap(), [(IN_CRM, key(7))]);
    run(hub.drop_quarantined(1, "a test row", "lena")).unwrap();
    assert!(run(hub.must_read(CONTACTS, None, 9)).unwrap().is_empty());
    let dropped = || run(hub.quarantined(1)).unwrap().unwrap().dropped;
    run(hub.commit(park("x", "map.unknown_value"))).unwrap();
    assert_eq!(dropped(), Some(Text::new("a test row")));
    run(hub.commit(park("y", "map.unknown_value"))).unwrap();
    assert_eq!(dropped(), None);
}

#[test]
fn a_guard_is_open_once_and_brought_up_to_date() {
    let hub = SqliteHub::in_memory().unwrap();
    let guard = |count| Guard {
        number: 0,
        code: Text::new("guard.mass_delete"),
        entity: CONTACTS,
        system: CRM,
        count,
        linked: 1_000,
        max: 50,
        digest: match_key(count),
        at: NOW,
        state: Text::new("open"),
        samples: vec![key(1), key(2)],
        user: Text::default(),
    };
    assert_eq!(run(hub.trip_guard(&guard(60))).unwrap(), 1);
    assert_eq!(run(hub.trip_guard(&guard(70))).unwrap(), 1);
    assert_eq!(run(hub.guards(false)).unwrap(), [Guard { number: 1, ..guard(70) }]);
    run(hub.settle_guard(1, "dismissed", "lena")).unwrap();
    assert!(run(hub.guards(false)).unwrap().is_empty());
    assert_eq!(run(hub.trip_guard(&guard(80))).unwrap(), 2);
    let states: Vec<_> = run(hub.guards(true))
        .unwrap()
        .into_iter()
        .map(|guard| (guard.number, guard.state))
        .collect();
    assert_eq!(states, [(2, Text::new("open")), (1, Text::new("dismissed"))]);
}

#[test]
fn pauses_approvals_and_notes_are_remembered() {
    let hub = SqliteHub::in_memory().unwrap();
    let pause =
        Pause { name: Text::new("erp"), writes_only: true, until: Some(NOW), since: Timestamp(1) };
    run(hub.pause(&pause)).unwrap();
    assert_eq!(run(hub.pauses()).unwrap(), [pause]);
    assert!(run(hub.resume("erp")).unwrap());
    assert!(!run(hub.resume("erp")).unwrap());

    assert_eq!(run(hub.approval("contacts")).unwrap(), None);
    for meaning in [match_key(1), match_key(2)] {
        run(hub.approve("contacts", meaning, "lena", NOW)).unwrap();
        assert_eq!(run(hub.approval("contacts")).unwrap(), Some(meaning));
    }
    assert_eq!(run(hub.note("full scan")).unwrap(), None);
    run(hub.set_note("full scan", "yesterday")).unwrap();
    run(hub.set_note("full scan", "today")).unwrap();
    assert_eq!(run(hub.note("full scan")).unwrap(), Some(Text::new("today")));
}

#[test]
fn records_are_found_by_row_by_prefix_and_in_order() {
    let hub = SqliteHub::in_memory().unwrap();
    let mut commit = commit_of((1..=5).map(|number| change(number, 1)));
    commit.groups[3].after.alive = false;
    commit.groups[4].group.entity = EntityIndex(1);
    run(hub.commit(commit)).unwrap();
    assert_eq!(run(hub.record_of(IN_CRM, &key(2))).unwrap(), Some(record(2)));
    assert_eq!(run(hub.record_of(IN_CRM, &key(9))).unwrap(), None);
    assert_eq!(run(hub.group(record(2))).unwrap(), Some(change(2, 1).group));
    let between = |first, last| run(hub.records_between(record(first), record(last))).unwrap();
    assert_eq!(between(2, 2), [record(2)]);
    assert_eq!(between(2, 5), [record(2), record(3)]);
    let listed = |after, limit| {
        let groups = run(hub.records(CONTACTS, after, limit)).unwrap();
        groups.into_iter().map(|group| group.id).collect::<Vec<_>>()
    };
    assert_eq!(listed(None, 2), [record(1), record(2)]);
    assert_eq!(listed(Some(record(2)), 9), [record(3)]);
    assert_eq!(run(hub.count_records(CONTACTS)).unwrap(), 3);
    assert_eq!(run(hub.count_records(EntityIndex(1))).unwrap(), 1);
}
