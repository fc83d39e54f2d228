//! `sim [--seconds N] [--from SEED] | sim SEED | sim explore [NAME ...] [--moments N]`: new worlds
//! for a while, one of them again with its trace, or all histories of small ones.

use std::{process::ExitCode, time::Instant};

use syncline_sim::{
    checks::say,
    explore::{self, configurations},
    script::Script,
    shrink::shrink,
    world::{Breach, live, run},
};

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
    if arguments.first().is_some_and(|argument| argument == "explore") {
        let names: Vec<&String> =
            arguments.iter().skip(1).take_while(|it| !it.starts_with("--")).collect();
        return explore(&names, option("--moments").unwrap_or(u64::MAX));
    }
    let seconds = option("--seconds").unwrap_or(60);
    let from = option("--from").unwrap_or(1);
    worlds(from, seconds)
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

fn explore(names: &[&String], moments_max: u64) -> ExitCode {
    let mut whole = 0;
    for world in configurations::all() {
        if !names.is_empty() && !names.iter().any(|name| *name == world.name) {
            continue;
        }
        match explore::explore(&world, moments_max) {
            Ok(explored) => {
                say(&format!(
                    "{:24} {} {} moments, {} events, {} at rest, longest {}",
                    world.name,
                    if explored.is_whole { "whole:" } else { "cut at" },
                    explored.moments,
                    explored.events,
                    explored.rests,
                    explored.longest
                ));
                whole += u64::from(explored.is_whole);
            }
            Err(trace) => {
                say(&format!(
                    "{} breaks \"{}\": {}",
                    world.name, trace.breach.guarantee, trace.breach.detail
                ));
                for event in &trace.events {
                    say(&format!("  {event:?}"));
                }
                return ExitCode::FAILURE;
            }
        }
    }
    say(&format!("{whole} worlds explored to the end: no promise was broken"));
    ExitCode::SUCCESS
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

fn worlds(from: u64, seconds: u64) -> ExitCode {
    let began = Instant::now();
    let (mut count, mut deeds, mut writes, mut crashes) = (0u64, 0, 0, 0);
    for seed in from.. {
        let script = Script::draw(seed);
        let (lived, digest) = live(&script, false);
        // Chance comes from the seed alone: the same life twice is the same to the last bit.
        if seed.is_multiple_of(TWICE_EVERY) && live(&script, false).1 != digest {
            say(&format!("seed {seed} does not live the same life twice"));
            return ExitCode::FAILURE;
        }
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
        if began.elapsed().as_secs() >= seconds {
            break;
        }
    }
    say(&format!(
        "{count} worlds from seed {from}: {deeds} deeds, {writes} writes, {crashes} crashes; all came to rest, nothing was lost"
    ));
    ExitCode::SUCCESS
}
