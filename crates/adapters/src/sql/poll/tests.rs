use syncline_core::{
    change::RowKey,
    value::{Digest, Value},
};

use super::*;

/// A system of rows (cursor, key), read in pages like an adapter would.
struct Rows(Vec<(i64, i64)>);

impl Rows {
    /// Reads one pass in pages of `page` rows; the keys that were shown, the position after it.
    fn pass(&self, from: Option<&Position>, page: usize) -> (Vec<i64>, Position) {
        self.pass_with(from, page, |_| Vec::new())
    }

    /// As `pass`; after page `n`, `late(n)` gives rows that are committed meanwhile.
    fn pass_with(
        &self,
        from: Option<&Position>,
        page: usize,
        late: impl Fn(usize) -> Vec<(i64, i64)>,
    ) -> (Vec<i64>, Position) {
        let mut rows = self.0.clone();
        let (mut shown, mut position, mut pages) = (Vec::new(), from.cloned(), 0);
        loop {
            let mut poll = Poll::resume(position.as_ref()).unwrap();
            if poll.is_between_passes() {
                let max = rows.iter().map(|(cursor, _)| *cursor).max().map(Value::int);
                poll.begin(max.as_ref(), Some(&Value::int(NOW)), None);
            }
            rows.sort_unstable();
            let found: Vec<(i64, i64)> = rows
                .iter()
                .copied()
                .filter(|(cursor, key)| match poll.start() {
                    Start::Beginning => true,
                    Start::Beyond(top) => above(*cursor, top),
                    Start::At(low) => Value::int(*cursor) == *low || above(*cursor, low),
                    Start::After(at, after) => {
                        above(*cursor, at)
                            || (Value::int(*cursor) == *at
                                && number(&after.values()[0]) < i128::from(*key))
                    }
                })
                .take(page)
                .collect();
            for (cursor, key) in &found {
                let row_key = RowKey::new([&Value::int(*key)]);
                if poll.shows(&Value::int(*cursor), &row_key, Digest::default()) {
                    shown.push(*key);
                }
            }
            pages += 1;
            rows.extend(late(pages));
            let is_done = found.len() < page;
            if is_done {
                poll.finish();
            }
            position = Some(poll.position());
            if is_done {
                return (shown, position.unwrap());
            }
        }
    }
}

const NOW: i64 = 5_000_000;

fn number(value: &Value) -> i128 {
    let Value::Num(number) = value else { panic!("a number") };
    number.to_i128().unwrap()
}

fn above(cursor: i64, low: &Value) -> bool {
    i128::from(cursor) > number(low)
}

#[test]
fn sixty_rows_of_one_stamp_are_all_shown_over_pages() {
    let rows = Rows((0..60).map(|key| (100_000, key)).collect());
    let (shown, _) = rows.pass(None, 7);
    assert_eq!(shown, (0..60).collect::<Vec<_>>());
}

#[test]
fn a_quiet_system_shows_nothing_twice() {
    let rows = Rows((0..60).map(|key| (100_000 + key, key)).collect());
    let (_, position) = rows.pass(None, 7);
    let (shown, again) = rows.pass(Some(&position), 7);
    assert_eq!(shown, Vec::<i64>::new());
    assert_eq!(rows.pass(Some(&again), 7).0, Vec::<i64>::new());
}

#[test]
fn a_row_committed_late_is_shown_by_the_next_pass() {
    let mut rows = Rows(vec![(100_000, 1), (101_000, 2)]);
    let (_, position) = rows.pass(None, 10);
    rows.0.push((100_500, 3));
    assert_eq!(rows.pass(Some(&position), 10).0, [3]);
}

#[test]
fn rows_committed_behind_a_pass_under_way_are_not_overtaken() {
    // Page 1 of a long pass is read; then a row far behind is committed, and rows far ahead.
    let mut rows = Rows((0..20).map(|key| (100_000 + key, key)).collect());
    let late = |page| {
        if page == 1 { vec![(99_000, 50), (900_000, 51)] } else { Vec::new() }
    };
    let (shown, position) = rows.pass_with(None, 5, late);
    assert!(shown.contains(&51) && !shown.contains(&50));
    rows.0.extend([(99_000, 50), (900_000, 51)]);
    let (shown, _) = rows.pass(Some(&position), 5);
    assert_eq!(shown, [50]);
}

#[test]
fn a_stamp_in_the_far_future_does_not_hide_the_rest() {
    let mut rows = Rows(vec![(100_000, 1), (900_000_000, 2)]);
    let (_, position) = rows.pass(None, 10);
    rows.0.push((NOW, 3));
    assert_eq!(rows.pass(Some(&position), 10).0, [3]);
}

#[test]
fn a_row_that_changed_within_the_overlap_is_shown_again() {
    let mut rows = Rows(vec![(100_000, 1), (101_000, 2)]);
    let (_, position) = rows.pass(None, 10);
    rows.0[0].0 = 102_000;
    assert_eq!(rows.pass(Some(&position), 10).0, [1]);
}

#[test]
fn what_another_version_wrote_is_a_lost_position() {
    let error = Poll::resume(Some(&Position(vec![9, 0, 0]))).unwrap_err();
    assert_eq!(error.kind, ErrorKind::PositionLost);
}

#[test]
fn a_poll_goes_on_after_a_scan_with_the_overlap() {
    let position = Poll::after_scan(Some(&Value::int(100_000)), None, None).unwrap();
    let poll = Poll::resume(Some(&position)).unwrap();
    assert_eq!(poll.start(), Start::At(&Value::int(90_000)));
    assert_eq!(Poll::after_scan(Some(&Value::Null), None, None), None);
}
