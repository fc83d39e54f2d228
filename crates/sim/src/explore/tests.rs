use syncline_core::mutant::Mutant;

use crate::explore::{Answer, configurations, explore};

fn explored(name: &str, mutant: Option<Mutant>) -> Vec<Answer> {
    let mut worlds = configurations::quick();
    worlds.retain(|world| world.name == name);
    worlds.iter().map(|world| explore(world, mutant, 100_000)).collect()
}

#[test]
fn a_small_world_is_explored_to_the_end_and_the_same_every_time() {
    let whole = || {
        let explored = explored("rewind-log", None);
        explored.into_iter().map(|answer| answer.expect("no promise is broken")).collect::<Vec<_>>()
    };
    let once = whole();
    assert!(once.iter().all(|it| it.is_whole && it.rests > 0 && it.moments > 1_000), "{once:?}");
    assert_eq!(once, whole());
}

#[test]
fn a_core_that_is_wrong_is_caught_with_a_short_history() {
    let caught = explored("rewind-log", Some(Mutant::LoserAgrees));
    let trace = caught.into_iter().find_map(Answer::err).expect("nobody noticed");
    assert_eq!(trace.breach.guarantee, "convergence", "{trace:?}");
    assert!(trace.events.len() <= 6, "{:?}", trace.events);
}
