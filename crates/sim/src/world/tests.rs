//! Worlds that once broke a promise: they are lived again.

use super::{Script, run};

mod scenarios;
mod stage;

/// Each found a defect, of the core or of the simulated world. What is drawn from a seed is part of
/// the find: a change of [`Script::plain`] goes with scripts in their place.
const FOUND: [u64; 12] =
    [32, 345, 2_221, 2_993, 3_777, 4_530, 7_858, 200_121, 500_380, 501_757, 1_009_830, 2_001_093];

#[test]
fn worlds_that_once_broke_a_promise_keep_it() {
    for seed in FOUND {
        let lived = run(&Script::plain(seed), false);
        assert!(lived.is_ok(), "seed {seed}: {lived:?}");
    }
}
