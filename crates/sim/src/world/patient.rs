//! People who wait for one another: whatever the weather is and in whatever order the systems stand, it
//! comes to the same. Metamorphic relations (Chen et al.): no oracle has to know what is right.

use std::collections::BTreeSet;

use syncline_core::{name::SystemIndex, value::Value};

use super::{Breach, Summary, World, calm, storm};
use crate::{checks, draft::names, script::Script, system::Weather};

/// What people see in one system: contacts by what they hold, since keys are the systems' own.
type Seen = BTreeSet<Vec<String>>;

/// Lives the deeds of a script one after the other, each until everything is at rest.
fn live(script: &Script) -> Result<Vec<Seen>, Breach> {
    let world = World::new(script, false);
    let calm_day = Script { deeds: Vec::new(), moves: 30, last_day: None, ..script.clone() };
    for ((_, at, deed), tag) in script.deeds.iter().zip(1..) {
        let day = Script { seed: script.seed ^ (tag << 8), ..calm_day.clone() };
        world.do_deed(*at, deed, tag);
        storm(&world, &day, &mut Summary::default())?;
        calm(&world, &day)?;
    }
    checks::at_rest(&world)?;
    let contacts = world.plan.entity_named(names::CONTACTS);
    let seen = world.systems.iter().zip(0..).map(|(system, index)| {
        let state = system.state();
        let binding = contacts.and_then(|entity| world.plan.binding_of(entity, SystemIndex(index)));
        let table = binding.and_then(|binding| state.tables.get(&binding));
        let rows = table.into_iter().flat_map(|table| table.rows.values());
        rows.map(|row| row.values.iter().map(Value::to_string).collect()).collect()
    });
    Ok(seen.collect())
}

/// Whether this script's people, if they wait for one another, come to the same in its weather as in fair
/// weather, and with the systems in the opposite order.
///
/// # Errors
/// The first difference, or a promise that is broken on the way.
pub fn relations(seed: u64) -> Result<(), Breach> {
    let mut foul = Script::draw(seed);
    // What a system or its programs make of a value is theirs, and doubt may put it into the hub (I6).
    foul.capitals = None;
    foul.draft.extras.programs = false;
    // Whoever edits a row that left the scope may have to give way when it returns: no one waits for that.
    foul.draft.extras.scope = None;
    // What people take back, and when, is drawn with the weather.
    foul.rare.rollbacks = false;
    let fair = Script { weather: Weather::default(), processes: 1, ..foul.clone() };
    let seen = live(&fair)?;
    let same = |other: Vec<Seen>, relation: &'static str| {
        if other == seen {
            return Ok(());
        }
        let detail = format!("seed {seed}: {seen:?} became {other:?}");
        Err(Breach { guarantee: relation, detail })
    };
    same(live(&foul)?, "the weather changes nothing for people who wait")?;
    let last = foul.draft.classes.len().saturating_sub(1);
    let mut turned = fair;
    turned.draft.classes.reverse();
    for (_, at, _) in &mut turned.deeds {
        *at = last.saturating_sub(*at);
    }
    let mut other = live(&turned)?;
    other.reverse();
    same(other, "the order of the systems changes nothing for people who wait")
}

#[cfg(test)]
mod tests {
    use super::relations;

    #[test]
    fn who_waits_is_not_told_apart_by_weather_or_order() {
        for seed in 1..=60 {
            if let Err(breach) = relations(seed) {
                panic!("\"{}\": {}", breach.guarantee, breach.detail);
            }
        }
    }
}
