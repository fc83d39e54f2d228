//! Runs, what they came to, and which of them are forgotten.

use syncline_core::{
    Text,
    change::PartKey,
    commit::{ConflictChange, Disposition},
    name::{EntityIndex, FieldIndex, SystemIndex},
};
use syncline_ports::reader::{Reader as _, RunFilter, Span, Work};

use super::{
    reader::{by_rule, candidate, open, park},
    *,
};

#[test]
fn runs_have_ledgers_and_are_forgotten_when_they_are_old() {
    let hub = SqliteHub::in_memory().unwrap();
    let first = run(hub.begin_run("run", "person", Some(CONTACTS), Timestamp(1))).unwrap();
    for _ in 0..2 {
        let mut commit = Commit { run: first, ..Commit::default() };
        commit.ledger.count(IN_CRM, Disposition::Applied);
        commit.ledger.count(IN_CRM, Disposition::Echo);
        run(hub.commit(commit)).unwrap();
    }
    run(hub.end_run(first, Timestamp(5), "ok", "2 records", &[(CRM, 1, 2, 3)])).unwrap();
    let second = run(hub.begin_run("verify", "person", None, Timestamp(7))).unwrap();
    let known = run(hub.run(first)).unwrap().unwrap();
    assert_eq!(known.ledger, [(IN_CRM, Disposition::Applied, 2), (IN_CRM, Disposition::Echo, 2)]);
    assert_eq!(known.writes, [(CRM, 1, 2, 3)]);
    assert_eq!((known.outcome.as_str(), known.ended), ("ok", Some(Timestamp(5))));
    let numbers = || run(hub.runs(9)).unwrap().iter().map(|run| run.id).collect::<Vec<_>>();
    assert_eq!(numbers(), [second, first]);
    let lately = run(hub.lately(CONTACTS, Timestamp(0))).unwrap();
    assert_eq!((lately.inserts, lately.updates, lately.deletes), (1, 2, 3));
    assert_eq!((lately.first, lately.last_outcome), (Some(Timestamp(1)), Some(Text::new("ok"))));
    assert_eq!(lately.fates, [(Disposition::Applied, 2), (Disposition::Echo, 2)]);
    let later = run(hub.lately(CONTACTS, Timestamp(2))).unwrap();
    assert_eq!((later.inserts, later.first), (0, Some(Timestamp(1))));

    let third = run(hub.begin_run("run", "person", Some(CONTACTS), Timestamp(9))).unwrap();
    assert_eq!(run(hub.prune_runs(Timestamp(5), 9)).unwrap(), 0);
    assert_eq!(run(hub.prune_runs(Timestamp(6), 9)).unwrap(), 1);
    assert_eq!(numbers(), [third, second]);
    assert_eq!(run(hub.run(first)).unwrap(), None);
    let audit_and_ledger = run(hub.run(third)).unwrap().unwrap();
    assert!(audit_and_ledger.ledger.is_empty());
}

#[test]
fn what_a_run_spent_its_time_on_is_kept_and_what_set_it_going_is_found() {
    let hub = SqliteHub::in_memory().unwrap();
    let id = run(hub.begin_run("serve", "hook", Some(CONTACTS), Timestamp(1))).unwrap();
    run(hub.begin_run("run", "person", Some(CONTACTS), Timestamp(2))).unwrap();
    let span = |work, from_ms| Span { work, from_ms, to_ms: from_ms + 200, busy_ms: 150 };
    let spans = [
        span(Work::Read(SystemIndex(0)), 0),
        span(Work::Merge, 40),
        span(Work::Write(SystemIndex(1)), 100_000),
    ];
    run(hub.note_spans(id, &spans)).unwrap();
    let by = |trigger: &str| RunFilter {
        trigger: Some(trigger.into()),
        limit: 10,
        ..RunFilter::default()
    };
    let found = run(hub.run_page(&by("hook"))).unwrap();
    assert_eq!((found[0].id, found[0].spans.as_slice(), found.len()), (id, &spans[..], 1));
    assert_eq!(run(hub.count_runs(&by("poll"))).unwrap(), 0);
}

fn over(hub: &SqliteHub, kind: &str, entity: Option<EntityIndex>, at: i64) -> RunId {
    let id = run(hub.begin_run(kind, "person", entity, Timestamp(at))).unwrap();
    run(hub.end_run(id, Timestamp(at + 1), "ok", "", &[])).unwrap();
    id
}

fn left(hub: &SqliteHub) -> Vec<RunId> {
    run(hub.runs(100)).unwrap().iter().map(|run| run.id).collect()
}

#[test]
fn the_last_run_of_each_kind_and_entity_stays_however_old_it_is() {
    let hub = SqliteHub::in_memory().unwrap();
    over(&hub, "run", Some(CONTACTS), 1);
    let run_of_contacts = over(&hub, "run", Some(CONTACTS), 2);
    let verify = over(&hub, "verify", None, 3);
    let serve = over(&hub, "serve", Some(CONTACTS), 4);
    assert_eq!(run(hub.prune_runs(Timestamp(100), 9)).unwrap(), 1);
    assert_eq!(left(&hub), [serve, verify, run_of_contacts]);
}

#[test]
fn runs_are_forgotten_a_few_at_a_time_the_oldest_first() {
    let hub = SqliteHub::in_memory().unwrap();
    let all: Vec<RunId> = (1..=7).map(|at| over(&hub, "run", Some(CONTACTS), at * 10)).collect();
    assert_eq!(run(hub.prune_runs(Timestamp(1_000), 4)).unwrap(), 4);
    assert_eq!(left(&hub), [all[6], all[5], all[4]]);
    assert_eq!(run(hub.prune_runs(Timestamp(1_000), 4)).unwrap(), 2);
    assert_eq!(run(hub.prune_runs(Timestamp(1_000), 4)).unwrap(), 0);
}

#[test]
fn a_run_of_which_something_waits_for_a_person_stays_until_it_is_settled() {
    let hub = SqliteHub::in_memory().unwrap();
    let first = run(hub.begin_run("run", "person", Some(CONTACTS), Timestamp(1))).unwrap();
    run(hub.commit(Commit { run: first, ..park("x", "map.unknown_value") })).unwrap();
    run(hub.end_run(first, Timestamp(2), "partial", "", &[])).unwrap();
    let second = run(hub.begin_run("run", "person", Some(CONTACTS), Timestamp(3))).unwrap();
    let candidates = vec![candidate(0, "a", 1), candidate(1, "b", 2)];
    run(hub.commit(Commit { run: second, ..open(1, candidates, None) })).unwrap();
    run(hub.end_run(second, Timestamp(4), "partial", "", &[])).unwrap();
    let third = over(&hub, "run", Some(CONTACTS), 5);
    assert_eq!(run(hub.prune_runs(Timestamp(100), 9)).unwrap(), 0);
    assert_eq!(left(&hub), [third, second, first]);

    let close = ConflictChange::Close {
        record: record(1),
        part: PartKey::Root,
        field: Some(FieldIndex(2)),
        settled: by_rule(0),
    };
    run(hub.commit(Commit { conflicts: vec![close], ..Commit::default() })).unwrap();
    assert_eq!(run(hub.prune_runs(Timestamp(100), 9)).unwrap(), 1);
    assert_eq!(left(&hub), [third, first]);
}

#[test]
fn a_run_that_never_ended_is_forgotten_once_its_process_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("hub.db");
    let hub = SqliteHub::open(&path, Open::ReadWrite, true).unwrap();
    let cut_off = run(hub.begin_run("run", "person", Some(CONTACTS), Timestamp(1))).unwrap();
    let last = over(&hub, "run", Some(CONTACTS), 5);
    assert_eq!(run(hub.prune_runs(Timestamp(100), 9)).unwrap(), 0, "it may be under way");
    assert_eq!(left(&hub), [last, cut_off]);
    std::mem::drop(hub);

    let hub = SqliteHub::open(&path, Open::ReadWrite, false).unwrap();
    assert_eq!(run(hub.prune_runs(Timestamp(100), 9)).unwrap(), 1);
    assert_eq!(left(&hub), [last]);
}
