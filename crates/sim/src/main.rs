//! `sim [--seconds N | --worlds N] [--from SEED]`: new worlds for a while. `sim SEED`: one of them again, with
//! its trace. `sim mutants [NAME…] [--worlds N] [--record]`: every known-wrong variant until an oracle
//! notices. `sim explore [NAME ...]`: all histories of small ones. `sim survey [--worlds N]`: many worlds, and
//! what they had. `sim relations [--worlds N]`: people who wait for one another.

use std::{
    process::ExitCode,
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use syncline_core::mutant::Mutant;
use syncline_sim::{
    checks::say,
    explore::{self, configurations},
    gate,
    script::Script,
    shrink::shrink,
    survey,
    world::{Breach, live, run},
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// So many worlds are lived once, and the next one twice.
const TWICE_EVERY: u64 = 20;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1)?.parse::<u64>().ok()
    };
    if let Some(seed) = arguments.first().and_then(|argument| argument.parse::<u64>().ok()) {
        return replay(seed);
    }
    if arguments.first().is_some_and(|argument| argument == "mutants") {
        let all_died = gate::command(arguments.get(1..).unwrap_or_default());
        return if all_died { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    if arguments.first().is_some_and(|argument| argument == "explore") {
        let rest = arguments.get(1..).unwrap_or_default();
        let edits = option("--edits").and_then(|edits| u8::try_from(edits).ok());
        return explore(rest, option("--moments").unwrap_or(u64::MAX), edits);
    }
    let from = option("--from").unwrap_or(1);
    let survey = match arguments.first().map(String::as_str) {
        Some("survey") => Some(survey::survey as fn(u64, u64) -> bool),
        Some("relations") => Some(survey::relations as fn(u64, u64) -> bool),
        Some(_) | None => None,
    };
    if let Some(survey) = survey {
        let is_kept = survey(from, option("--worlds").unwrap_or(1_000));
        return if is_kept { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let seconds = option("--seconds").unwrap_or(60);
    if let Some(count) = option("--worlds") {
        return worlds(from, |lived| lived >= count);
    }
    let began = Instant::now();
    worlds(from, |_| began.elapsed().as_secs() >= seconds)
}

fn replay(seed: u64) -> ExitCode {
    let script = Script::draw(seed);
    match run(&script, true) {
        Ok(summary) => {
            say(&format!("seed {seed}: at rest, nothing lost ({summary:?})"));
            ExitCode::SUCCESS
        }
        Err(breach) => {
            report(seed, &script, &breach);
            ExitCode::FAILURE
        }
    }
}

/// `explore [NAME ...] [--deep] [--edits N] [--moments N] [--mutant NAME]`.
fn explore(arguments: &[String], moments_max: u64, edits: Option<u8>) -> ExitCode {
    let at = arguments.iter().position(|argument| argument == "--mutant");
    let wanted = at.map(|at| arguments.get(at + 1).map_or("", String::as_str));
    let mutant = wanted.and_then(|name| Mutant::ALL.iter().find(|it| it.name() == name).copied());
    if wanted.is_some() && mutant.is_none() {
        for mutant in Mutant::ALL {
            say(&format!("{:24} {}", mutant.name(), mutant.wrong()));
        }
        return ExitCode::FAILURE;
    }
    let names: Vec<&String> = arguments.iter().take_while(|it| !it.starts_with("--")).collect();
    let is_deep = arguments.iter().any(|argument| argument == "--deep");
    let mut worlds = if is_deep { configurations::all() } else { configurations::quick() };
    for world in &mut worlds {
        world.budget.edits = edits.unwrap_or(world.budget.edits);
    }
    worlds.retain(|world| names.is_empty() || names.iter().any(|name| *name == world.name));
    if worlds.is_empty() {
        say("no world is called that; there are:");
        for world in configurations::all() {
            say(world.name);
        }
        return ExitCode::FAILURE;
    }
    let [broken, moments, events] = [const { AtomicU64::new(0) }; 3];
    explore::side_by_side(&worlds, mutant, moments_max, |world, answer| {
        let (name, budget) = (world.name, world.budget.to_string());
        match answer {
            Ok(explored) => {
                moments.fetch_add(explored.moments, Ordering::Relaxed);
                events.fetch_add(explored.events, Ordering::Relaxed);
                let (whole, longest) =
                    (if explored.is_whole { "whole" } else { "cut" }, explored.longest);
                say(&format!(
                    "{name:20} {budget:32} {whole:5} {:>8} moments {:>8} events {:>6} rests, longest {longest}",
                    explored.moments, explored.events, explored.rests,
                ));
            }
            Err(trace) => {
                broken.fetch_add(1, Ordering::Relaxed);
                let Breach { guarantee, detail } = &trace.breach;
                let events: Vec<String> =
                    trace.events.iter().map(|event| format!("\n  {event:?}")).collect();
                say(&format!(
                    "{name} ({budget}) breaks \"{guarantee}\": {detail}{}",
                    events.concat()
                ));
            }
        }
    });
    let [broken, moments, events] = [broken, moments, events].map(AtomicU64::into_inner);
    let count = worlds.len();
    say(&format!(
        "{count} worlds, {moments} moments, {events} events: {broken} worlds broke a promise"
    ));
    if broken > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn report(seed: u64, script: &Script, breach: &Breach) {
    say(&format!("seed {seed} breaks \"{}\": {}", breach.guarantee, breach.detail));
    let small = shrink(script, breach);
    say(&format!("smallest: {small:#?}"));
    if let Err(breach) = run(&small, true) {
        say(&format!("\"{}\": {}", breach.guarantee, breach.detail));
    }
    say(&format!("replay with: sim {seed}"));
}

/// Lives new worlds until so many are enough.
fn worlds(from: u64, is_enough: impl Fn(u64) -> bool) -> ExitCode {
    let (mut count, mut deeds, mut writes, mut crashes) = (0u64, 0, 0, 0);
    for seed in from.. {
        let script = Script::draw(seed);
        let lived = if seed.is_multiple_of(TWICE_EVERY) {
            // Chance comes from the seed alone: the same life twice is the same to the last bit.
            let (lived, digest) = live(&script, false);
            if live(&script, false).1 != digest {
                say(&format!("seed {seed} does not live the same life twice"));
                return ExitCode::FAILURE;
            }
            lived
        } else {
            run(&script, false)
        };
        match lived {
            Ok(summary) => {
                deeds += summary.deeds;
                writes += summary.writes;
                crashes += summary.crashes;
            }
            Err(breach) => {
                report(seed, &script, &breach);
                return ExitCode::FAILURE;
            }
        }
        count += 1;
        if is_enough(count) {
            break;
        }
    }
    say(&format!(
        "{count} worlds from seed {from}: {deeds} deeds, {writes} writes, {crashes} crashes; all came to rest, nothing was lost"
    ));
    ExitCode::SUCCESS
}
