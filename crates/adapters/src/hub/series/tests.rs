use super::*;

const HOUR: i64 = 3_600;

fn counted(system: &str, value: f64) -> (Counted, f64) {
    (("changes_applied", "contacts".into(), system.into(), "update".into()), value)
}

fn at(seconds: i64) -> Timestamp {
    Timestamp(seconds * 1_000_000)
}

fn ask(since: i64, until: i64, step: i64) -> Ask {
    let name = "changes_applied".to_owned();
    let (since, until) = (at(since), at(until));
    Ask { name, by: By::System, entity: None, system: None, since, until, step }
}

#[test]
fn sums_are_given_by_name_in_steps_and_nothing_is_zero() {
    let folder = tempfile::tempdir().unwrap();
    let hub = folder.path().join("hub.db");
    let noon = 1_000 * HOUR;
    add(&hub, at(noon + 61), &[counted("crm", 2.0), counted("erp", 1.0)]).unwrap();
    add(&hub, at(noon + 100), &[counted("crm", 3.0)]).unwrap();
    add(&hub, at(noon + 190), &[counted("crm", 4.0)]).unwrap();

    let sums = look(&hub, &ask(noon, noon + 239, 60)).unwrap();

    assert_eq!(sums.times, [noon, noon + 60, noon + 120, noon + 180].map(at));
    assert_eq!(sums.lines["crm"], [0.0, 5.0, 0.0, 4.0]);
    assert_eq!(sums.lines["erp"], [0.0, 1.0, 0.0, 0.0]);
}

#[test]
fn what_is_long_ago_is_kept_in_hours_and_then_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let hub = folder.path().join("hub.db");
    let noon = 10_000 * HOUR;
    for minute in [60, 120, 180] {
        add(&hub, at(noon + minute), &[counted("crm", 1.0)]).unwrap();
    }

    add(&hub, at(noon + 49 * HOUR), &[]).unwrap();
    assert_eq!(look(&hub, &ask(noon, noon, HOUR)).unwrap().lines["crm"], [3.0]);
    assert_eq!(look(&hub, &ask(noon, noon + 59, 60)).unwrap().lines["crm"], [3.0]);

    add(&hub, at(noon + 31 * 24 * HOUR), &[]).unwrap();
    assert!(look(&hub, &ask(noon, noon, HOUR)).unwrap().lines.is_empty());
}

#[test]
fn nothing_was_counted_before_there_is_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let sums = look(&folder.path().join("hub.db"), &ask(0, 600, 60)).unwrap();
    assert!(sums.lines.is_empty());
    assert_eq!(sums.times.len(), 11);
}
