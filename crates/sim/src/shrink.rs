//! Makes a failing history small enough to be read.

use crate::{
    draft::Extras,
    script::{Fault, Script},
    world::{Breach, run},
};

/// Removes deeds, faults, systems and moves for as long as the same guarantee breaks.
pub fn shrink(script: &Script, breach: &Breach) -> Script {
    let mut best = script.clone();
    loop {
        let smaller = candidates(&best).into_iter().find(|candidate| {
            matches!(run(candidate, false), Err(found) if found.guarantee == breach.guarantee)
        });
        match smaller {
            Some(script) => best = script,
            None => return best,
        }
    }
}

fn candidates(script: &Script) -> Vec<Script> {
    let mut all = Vec::new();
    let mut with = |change: &dyn Fn(&mut Script)| {
        let mut smaller = script.clone();
        change(&mut smaller);
        all.push(smaller);
    };
    if script.processes > 1 {
        with(&|script| script.processes = 1);
    }
    if script.draft.classes.len() > 2 {
        with(&|script| {
            script.draft.classes.pop();
            let count = script.draft.classes.len();
            script.deeds.retain(|(_, at, _)| *at < count);
            script.last_day = script.last_day.filter(|at| *at < count);
        });
    }
    let extras: [fn(&mut Extras); 11] = [
        |extras| extras.lines = false,
        |extras| extras.scope = None,
        |extras| extras.counters = false,
        |extras| extras.manual = false,
        |extras| extras.guards = false,
        |extras| extras.loose = false,
        |extras| extras.programs = false,
        |extras| extras.proxies = false,
        |extras| extras.webhooks = false,
        |extras| extras.rewinds = false,
        |extras| extras.quiet_end = false,
    ];
    for without in extras {
        let mut fewer = script.draft.extras;
        without(&mut fewer);
        if fewer != script.draft.extras {
            with(&|script| script.draft.extras = fewer);
        }
    }
    for rare in script.rare.with_less() {
        with(&|script| script.rare = rare);
    }
    if script.last_day.is_some() {
        with(&|script| script.last_day = None);
    }
    if script.capitals.is_some() {
        with(&|script| script.capitals = None);
    }
    for fault in Fault::ALL {
        if fault.get(&script.weather) > 0 {
            with(&|script| fault.clear(&mut script.weather));
        }
    }
    for index in 0..script.deeds.len() {
        with(&|script| {
            script.deeds.remove(index);
        });
    }
    for share in [2, 4, 8] {
        if script.moves / share > 0 {
            with(&|script| script.moves -= script.moves / share);
        }
    }
    all
}
