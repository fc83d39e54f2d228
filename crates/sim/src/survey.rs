//! What many worlds had, and that none of them broke a promise: the table of `docs/evidence.md`.

use std::{
    collections::BTreeMap,
    num::NonZero,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Instant,
};

use crate::{
    checks::say,
    draft::Extras,
    people::Deed,
    script::{Fault, Script},
    world::{Breach, Summary, patient, run},
};

/// What was lived.
#[derive(Debug, Default)]
struct Tally {
    /// Worlds that kept every promise.
    worlds: u64,
    broken: Vec<(u64, Breach)>,
    total: Summary,
    /// Worlds that had it.
    features: BTreeMap<String, u64>,
    /// Deeds of a kind.
    deeds: BTreeMap<&'static str, u64>,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.worlds += other.worlds;
        self.broken.extend(other.broken);
        self.total.deeds += other.total.deeds;
        self.total.writes += other.total.writes;
        self.total.crashes += other.total.crashes;
        for (name, count) in other.features {
            *self.features.entry(name).or_default() += count;
        }
        for (name, count) in other.deeds {
            *self.deeds.entry(name).or_default() += count;
        }
    }

    fn count(&mut self, script: &Script, summary: &Summary) {
        self.worlds += 1;
        self.total.deeds += summary.deeds;
        self.total.writes += summary.writes;
        self.total.crashes += summary.crashes;
        for feature in features(script) {
            *self.features.entry(feature).or_default() += 1;
        }
        for (_, _, deed) in &script.deeds {
            *self.deeds.entry(kind(deed)).or_default() += 1;
        }
    }
}

/// Lives so many worlds from this seed on, on all cores, and tells what they had. Whether all kept
/// every promise.
pub fn survey(from: u64, worlds: u64) -> bool {
    let began = Instant::now();
    let mut tally = Tally::default();
    for one in on_all_cores(from, worlds, |tally: &mut Tally, seed| {
        let script = Script::draw(seed);
        match run(&script, false) {
            Ok(summary) => tally.count(&script, &summary),
            Err(breach) => tally.broken.push((seed, breach)),
        }
    }) {
        tally.add(one);
    }
    let lived = tally.worlds + tally.broken.len() as u64;
    let rate = lived as f64 / began.elapsed().as_secs_f64() / cores() as f64;
    tell(&tally, from, worlds, rate);
    tally.worlds == worlds
}

fn tell(tally: &Tally, from: u64, worlds: u64, rate: f64) {
    let Tally { worlds: kept, broken, total, features, deeds } = tally;
    let last = from + worlds.saturating_sub(1);
    say(&format!(
        "{worlds} histories, seeds {from} to {last}: {} deeds, {} writes of ours, {} processes that died. \
         {kept} came to rest with every promise kept; {rate:.0} histories a second and core.\n",
        total.deeds, total.writes, total.crashes
    ));
    for (seed, breach) in broken {
        say(&format!("Seed {seed} breaks \"{}\": {}\n", breach.guarantee, breach.detail));
    }
    say("| histories with | |\n|---|--:|");
    for (name, count) in features {
        say(&format!("| {name} | {count} |"));
    }
    say("\n| deeds | |\n|---|--:|");
    for (name, count) in deeds {
        say(&format!("| {name} | {count} |"));
    }
}

/// Lives the people of so many worlds as people who wait for one another. Whether the weather and the
/// order of the systems made no difference.
pub fn relations(from: u64, worlds: u64) -> bool {
    let all = on_all_cores(from, worlds, |broken: &mut Vec<Breach>, seed| {
        broken.extend(patient::relations(seed).err());
    });
    let broken = all.concat();
    let kept = worlds - broken.len() as u64;
    say(&format!(
        "{kept} of {worlds} worlds of people who wait for one another came to the same in foul and in fair \
         weather, and with the systems in the opposite order."
    ));
    for breach in &broken {
        say(&format!("\n\"{}\": {}", breach.guarantee, breach.detail));
    }
    broken.is_empty()
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// Lives each of so many worlds on some core; what each core came to.
fn on_all_cores<T: Default + Send>(
    from: u64,
    worlds: u64,
    live: impl Fn(&mut T, u64) + Sync,
) -> Vec<T> {
    let next = AtomicU64::new(from);
    let work = || {
        let mut all = T::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= from + worlds {
                return all;
            }
            live(&mut all, seed);
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..cores()).map(|_| scope.spawn(work)).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
    })
}

/// What a world has that others do not.
fn features(script: &Script) -> Vec<String> {
    let mut features = vec![format!("{} systems", script.draft.classes.len())];
    let mut classes: Vec<String> =
        script.draft.classes.iter().map(|class| format!("a system of class {class:?}")).collect();
    classes.sort();
    classes.dedup();
    features.append(&mut classes);
    features.push(format!("conflicts by {:?}", script.draft.policy));
    features.push(format!("delete conflicts by {:?}", script.draft.delete_conflict));
    let Extras {
        lines,
        scope,
        counters,
        manual,
        guards,
        loose,
        programs,
        proxies,
        webhooks,
        rewinds,
        quiet_end: _,
    } = script.draft.extras;
    let rare = [
        (script.draft.orders, "references"),
        (lines, "child lists"),
        (scope.is_some(), "a scope"),
        (counters, "counters"),
        (manual, "conflicts that a person answers"),
        (guards, "guards that a person lets pass"),
        (loose, "tables without unique constraints"),
        (programs, "programs that rewrite"),
        (proxies, "proxies that send twice"),
        (webhooks, "webhooks"),
        (rewinds, "logs that are heard again"),
        (script.processes > 1, "several processes"),
        (script.capitals.is_some(), "a system that writes in capitals"),
        (script.last_day.is_some(), "a last day on which all is deleted"),
    ];
    features.extend(rare.iter().filter(|(has, _)| *has).map(|(_, name)| (*name).to_owned()));
    let told = script.rare.told().into_iter();
    features
        .extend(told.map(|told| format!("rare: {}", told.trim_end_matches('.').to_lowercase())));
    for fault in Fault::ALL {
        if fault.get(&script.weather) > 0 {
            features.push(format!("fault: {}", fault.name()));
        }
    }
    features
}

fn kind(deed: &Deed) -> &'static str {
    match deed {
        Deed::Create(_) => "create a contact",
        Deed::Edit(..) => "edit a contact",
        Deed::Delete(_) => "delete a contact",
        Deed::Swap(..) => "exchange two addresses",
        Deed::Order(_) => "place an order",
        Deed::Line(..) => "add a line",
        Deed::EditLine(_) => "edit a line",
        Deed::DeleteLine(_) => "delete a line",
        Deed::Toggle(_) => "move into or out of the scope",
        Deed::Unreadable(_) => "leave what nobody can read",
        Deed::Stock => "begin to count",
        Deed::Count(..) => "count",
    }
}
