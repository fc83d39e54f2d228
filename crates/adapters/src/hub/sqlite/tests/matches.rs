//! The match index is a log, a list and a table; together they are a set.

use std::collections::BTreeSet;

use proptest::{collection::vec, prelude::*};
use syncline_core::commit::MatchKey;

use super::*;

/// What happens to the hub: records get these keys, or it is closed and opened again.
#[derive(Clone, Debug)]
enum Event {
    Commit(Vec<(u64, BTreeSet<u64>)>),
    Reopen,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let keys = proptest::collection::btree_set(0..12u64, 0..4);
    let event = prop_oneof![
        6 => vec((1..20u64, keys), 1..12).prop_map(Event::Commit),
        1 => Just(Event::Reopen),
    ];
    vec(event, 1..20)
}

fn digests(keys: &BTreeSet<u64>) -> Vec<(u16, MatchKey)> {
    keys.iter().map(|key| (0, match_key(*key))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_look_up_finds_exactly_the_records_that_have_the_key(events in events()) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("hub.db");
        let mut hub = SqliteHub::open(&path, Open::ReadWrite, true).unwrap();
        let mut model = std::collections::BTreeMap::<u64, (u64, BTreeSet<u64>)>::new();
        for event in events {
            match event {
                Event::Reopen => {
                    drop(hub);
                    hub = SqliteHub::open(&path, Open::ReadWrite, false).unwrap();
                }
                Event::Commit(records) => {
                    let records: std::collections::BTreeMap<_, _> = records.into_iter().collect();
                    let mut changes = Vec::new();
                    for (number, keys) in records {
                        let (revision, known) = model.entry(number).or_default();
                        *revision += 1;
                        let mut change = change(number, *revision);
                        change.before.matches = digests(known);
                        change.after.matches = digests(&keys);
                        *known = keys;
                        changes.push(change);
                    }
                    run(hub.commit(commit_of(changes))).unwrap();
                }
            }
            let wants = Wants {
                matches: (0..12).map(|key| (CONTACTS, 0, match_key(key))).collect(),
                ..Wants::default()
            };
            let found = run(hub.load(&wants)).unwrap().matches;
            for key in 0..12 {
                let expected: Vec<_> = model
                    .iter()
                    .filter(|(_, (_, keys))| keys.contains(&key))
                    .map(|(number, _)| record(*number))
                    .collect();
                prop_assert_eq!(found.get(&(CONTACTS, 0, match_key(key))), Some(&expected));
            }
        }
    }
}
