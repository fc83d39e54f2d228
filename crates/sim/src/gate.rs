//! The mutation gate: every known-wrong variant of the core dies in some world.
//!
//! Where each of them died last is on record in `deaths.txt`, and is tried first: the gate is quick
//! as long as nothing has changed, and searches where something has.

use syncline_core::mutant::Mutant;

use crate::{checks::say, script::Script, world::run};

/// New worlds that a mutant must survive to pass for equivalent.
pub const WORLDS: u64 = 4_000;

/// Mutants that no drawn world can kill yet, and why. They do not count as dead.
pub const BEYOND: &[(Mutant, &str)] = &[
    (
        Mutant::OnlyNewestDoubt,
        "what is in doubt is read before more is written, and two answers are hardly ever lost on one row in between",
    ),
    (
        Mutant::UnfencedRead,
        "a process reads and writes by turns, so that no answer to a write comes before that of an earlier read",
    ),
    (
        Mutant::FailureFinal,
        "the read after a failed precondition shows our own value, which then agrees",
    ),
    (
        Mutant::PushDuringWrite,
        "few webhooks come between a write and its answer; `a_webhook_that_comes_between_our_write_and_its_answer_waits_for_it` notices",
    ),
    (
        Mutant::LoopAgrees,
        "a loop is hardly ever suspected while the hub holds something newer; `whoever_deletes_a_row_whose_field_is_held_has_not_seen_what_it_does_not_show` notices",
    ),
    (
        Mutant::BesideTheCommit,
        "also in crowds, two batches beside each other hardly ever touch the same record; `rows_of_one_record_in_neighbouring_batches_are_linked` notices",
    ),
];

/// Where a mutant died.
#[derive(Clone, Debug)]
pub struct Death {
    /// Who.
    pub mutant: Mutant,
    /// The guarantee that was broken, as the oracle that noticed names it.
    pub guarantee: String,
    /// The world.
    pub seed: u64,
    /// How many it took.
    pub worlds: u64,
}

/// The deaths on record.
pub fn recorded() -> Vec<Death> {
    let lines = include_str!("../deaths.txt").lines().filter(|line| !line.starts_with('#'));
    let death = |line: &str| {
        let mut words = line.splitn(3, ' ');
        let name = words.next()?;
        let seed = words.next()?.parse().ok()?;
        let mutant = Mutant::ALL.iter().copied().find(|mutant| mutant.name() == name)?;
        Some(Death { mutant, guarantee: words.next()?.into(), seed, worlds: 1 })
    };
    lines.filter_map(death).collect()
}

/// The record, as it stands in `deaths.txt`.
pub fn record(deaths: &[Death]) -> String {
    let line =
        |death: &Death| format!("{} {} {}\n", death.mutant.name(), death.seed, death.guarantee);
    deaths.iter().map(line).collect()
}

/// The guarantee that this mutant breaks in this world, if it breaks any.
pub fn dies(mutant: Mutant, seed: u64) -> Option<&'static str> {
    let script = Script { mutant: Some(mutant), ..Script::draw(seed) };
    let breach = run(&script, false).err()?;
    // A world that breaks by itself proves nothing.
    run(&Script::draw(seed), false).ok()?;
    Some(breach.guarantee)
}

/// Lives worlds with this mutant until a promise is broken: where it died last, then new ones.
pub fn hunt(mutant: Mutant, worlds: u64) -> Option<Death> {
    let known = recorded().into_iter().find(|death| death.mutant == mutant).map(|death| death.seed);
    let seeds = known.into_iter().chain(1..=worlds);
    seeds.zip(1..).find_map(|(seed, worlds)| {
        let guarantee = dies(mutant, seed)?.into();
        Some(Death { mutant, guarantee, seed, worlds })
    })
}

/// Hunts the mutants of these names, or all, through so many worlds (`--worlds N`), and tells who died
/// where; with `--record` also as it stands in `deaths.txt`. Whether none survived.
pub fn command(arguments: &[String]) -> bool {
    let count = arguments.iter().find_map(|argument| argument.parse::<u64>().ok());
    let count = count.unwrap_or(WORLDS);
    let is_name = |argument: &&String| Mutant::ALL.iter().any(|it| it.name() == **argument);
    let is_wanted = |mutant: &&Mutant| {
        let mut named = arguments.iter().filter(is_name).peekable();
        named.peek().is_none() || named.any(|name| name == mutant.name())
    };
    let mut deaths = Vec::new();
    let mut survivors = 0;
    let everybody = !arguments.iter().any(|argument| is_name(&argument));
    for mutant in Mutant::ALL.iter().copied().filter(|mutant| is_wanted(&mutant)) {
        if everybody && BEYOND.iter().any(|(other, _)| *other == mutant) {
            continue;
        }
        let name = mutant.name();
        if let Some(death) = hunt(mutant, count) {
            let Death { guarantee, seed, worlds, .. } = &death;
            say(&format!("{name:24} {guarantee:16} seed {seed:6}, {worlds} worlds"));
            deaths.push(death);
        } else {
            survivors += 1;
            say(&format!("{name:24} survives {count} worlds: {}", mutant.wrong()));
        }
    }
    if arguments.iter().any(|argument| argument == "--record") {
        say(&record(&deaths));
    }
    say(&format!("{} mutants died, {survivors} survived", deaths.len()));
    survivors == 0
}

/// The table of `docs/simulation.md`: who died where.
pub fn table() -> String {
    let mut table =
        "| mutant | from | what is wrong | noticed as | in world |\n|---|---|---|---|---|\n"
            .to_owned();
    for Death { mutant, guarantee, seed, .. } in recorded() {
        let (name, origin, wrong) = (mutant.name(), mutant.origin(), mutant.wrong());
        table += &format!("| `{name}` | {origin} | {wrong} | {guarantee} | {seed} |\n");
    }
    table
}

/// The list of those that no world kills yet.
pub fn survivors() -> String {
    let line = |(mutant, why): &(Mutant, &str)| {
        format!("* `{}` ({}), {}: {why}.\n", mutant.name(), mutant.origin(), mutant.wrong())
    };
    BEYOND.iter().map(line).collect()
}

#[cfg(test)]
mod tests;
