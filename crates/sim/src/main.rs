//! `sim [--seconds N] [--from SEED]`: new worlds for a while. `sim SEED`: one of them again, with
//! its trace. `sim explore [NAME ...] [--moments N] [--mutant NAME]`: all histories of small ones.

use std::{process::ExitCode, time::Instant};

use syncline_core::mutant::Mutant;
use syncline_sim::{
    checks::say,
    explore::{self, configurations},
    script::Script,
    shrink::shrink,
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
    if arguments.first().is_some_and(|argument| argument == "explore") {
        let rest = arguments.get(1..).unwrap_or_default();
        return explore(rest, option("--moments").unwrap_or(u64::MAX));
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

/// `explore [NAME ...] [--moments N] [--mutant NAME]`.
fn explore(arguments: &[String], moments_max: u64) -> ExitCode {
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
    let mut worlds = configurations::all();
    worlds.retain(|world| names.is_empty() || names.iter().any(|name| *name == world.name));
    if worlds.is_empty() {
        say("no world is called that; there are:");
        for world in configurations::all() {
            say(world.name);
        }
        return ExitCode::FAILURE;
    }
    let mut broken = 0;
    for (world, result) in worlds.iter().zip(explore::side_by_side(&worlds, mutant, moments_max)) {
        match result {
            Ok(explored) => say(&format!(
                "{:20} {} {:>8} moments, {:>8} events, {:>6} at rest, longest {}",
                world.name,
                if explored.is_whole { "whole" } else { "  cut" },
                explored.moments,
                explored.events,
                explored.rests,
                explored.longest
            )),
            Err(trace) => {
                broken += 1;
                let breach = &trace.breach;
                say(&format!("{} breaks \"{}\": {}", world.name, breach.guarantee, breach.detail));
                for event in &trace.events {
                    say(&format!("  {event:?}"));
                }
            }
        }
    }
    say(&format!("{broken} of {} worlds broke a promise", worlds.len()));
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
