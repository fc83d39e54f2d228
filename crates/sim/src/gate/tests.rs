//! The gate in small: who dies quickly dies where he died last. `sim mutants` looks at all.

use super::*;

/// What never comes to rest takes long to be noticed.
#[test]
fn mutants_die_where_they_died_last() {
    let quick = recorded().into_iter().filter(|death| death.guarantee != "quiescence");
    for death in quick {
        let noticed = dies(death.mutant, death.seed);
        assert_eq!(noticed, Some(death.guarantee.as_str()), "{}", death.mutant.name());
    }
}

#[test]
fn every_mutant_is_dead_or_explained() {
    let dead: Vec<Mutant> = recorded().into_iter().map(|death| death.mutant).collect();
    let explained = |mutant: &Mutant| BEYOND.iter().any(|(other, _)| other == mutant);
    for mutant in Mutant::ALL {
        let name = mutant.name();
        assert_ne!(dead.contains(mutant), explained(mutant), "{name} is dead, or explained");
    }
    assert!(dead.len() >= 30, "{} of them died", dead.len());
}

#[test]
fn the_page_says_who_died_where() {
    let page = include_str!("../../../../docs/simulation.md");
    let (table, survivors) = (table(), survivors());
    assert!(page.contains(&table), "docs/simulation.md needs this table:\n\n{table}");
    assert!(page.contains(&survivors), "docs/simulation.md needs this list:\n\n{survivors}");
}
