//! Scenarios of docs/scenarios.md in which the loops matter: reading, guards, crashes, several hubs.

use std::{
    collections::BTreeMap,
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};

use futures_util::{
    FutureExt as _,
    future::{self, BoxFuture},
};
use syncline_core::{
    commit::{AuditKind, Behind},
    error::PortError,
    name::{RecordId, SystemIndex},
    plan::{Class, Limit},
    value::Digest,
};
use syncline_engine::{
    apply::{Chooses, Everything},
    capture::Mode,
    desk::Desk,
    hear::Rows,
    pass::{Allow, Tripped},
    preview,
};

use super::stage::{Ask, NAME, PHONE, POLL, SCAN, Stage};
use crate::{
    people::Deed,
    script::Script,
    system::{Table, Weather},
    world::{Summary, World, calm, storm, through},
};

const THREE: [Class; 3] = [Class::Plain, Class::Marked, Class::Plain];

/// Twelve contacts, in step everywhere.
fn twelve() -> Stage {
    let stage = Stage::of(&THREE);
    stage.create(0, 0..12);
    stage.pass(&SCAN);
    stage.written();
    stage
}

#[test]
fn rows_of_one_stamp_are_all_shown_across_pages() {
    // F1
    let stage = Stage::of(&THREE);
    stage.create(0, 0..60);
    for row in
        stage.0.systems[0].state().tables.values_mut().flat_map(|table| table.rows.values_mut())
    {
        row.stamp = 7;
    }
    stage.pass(&POLL);
    assert_eq!(stage.rows(1), stage.rows(0));
    assert_eq!(stage.written(), [0, 60, 60]);
}

#[test]
fn rows_of_one_record_in_neighbouring_batches_are_linked() {
    // The two systems are read side by side, one of them some contacts ahead: a batch asks for
    // records that the commit under way has made.
    for ahead in 0..12 {
        let stage = Stage::of(&THREE);
        stage.create(0, 0..12);
        stage.create(1, (0..12).map(|number| (number + ahead) % 12));
        stage.pass(&SCAN);
        assert_eq!(stage.0.store.memory().groups.len(), 12, "{ahead} ahead");
        assert_eq!(stage.written(), [0, 0, 12], "{ahead} ahead");
    }
}

#[test]
fn a_row_that_goes_between_its_reading_and_the_decision_about_it_is_not_brought_back() {
    // F10: whoever hears of it knows no such row, at every moment of a first reading
    let heard = Ask { mode: Mode::Heard, ..SCAN };
    for moment in 0.. {
        let stage = Stage::of(&THREE);
        stage.create(0, 0..3);
        let told = stage.told(0, 1);
        let mut context = Context::from_waker(Waker::noop());
        let mut reading = Box::pin(stage.read_whole().map(Result::unwrap).fuse());
        let is_over = (0..moment).any(|_| reading.as_mut().poll(&mut context).is_ready());
        stage.delete(0, 1);
        // Who hears is fast, and waits for nobody but for whose turn it is to decide.
        let mut hearing = Box::pin(stage.hear(0, told));
        let later = loop {
            let heard = (0..100).find_map(|_| match hearing.as_mut().poll(&mut context) {
                Poll::Ready(later) => Some(later.unwrap()),
                Poll::Pending => None,
            });
            match heard {
                Some(later) => break later,
                None => assert!(reading.as_mut().poll(&mut context).is_pending()),
            }
        };
        if !is_over {
            through(reading);
        }
        assert_eq!(through(stage.hear(0, later)).unwrap(), Rows::new(), "at moment {moment}");
        stage.pass(&heard);
        for system in 1..3 {
            assert_eq!(stage.rows(system), stage.rows(0), "at moment {moment}");
        }
        stage.at_rest();
        if is_over {
            break;
        }
    }
}

#[test]
fn a_row_committed_late_is_shown_by_the_next_poll_and_once() {
    // F2
    let stage = twelve();
    stage.pass(&POLL);
    stage.edit(0, 3, PHONE, "P1");
    stage.pass(&POLL);
    stage.edit_late(0, 5, "P2", 4);
    stage.written();
    stage.pass(&POLL);
    assert!(stage.rows(1).contains(&"e5 n5 P2".to_owned()), "{:?}", stage.rows(1));
    assert_eq!(stage.written(), [0, 1, 1]);
    stage.pass(&POLL);
    assert_eq!(stage.written(), [0, 0, 0]);
}

#[test]
fn what_is_committed_between_two_pages_is_not_skipped() {
    // F3: at every moment of a poll somebody commits a row, before and behind the place it is at
    for moment in 0..60 {
        let stage = twelve();
        stage.pass(&POLL);
        for row in 0..12 {
            stage.edit(0, row, PHONE, "P1");
        }
        until(&stage, &POLL, moment);
        stage.edit_late(0, 0, "P2", 6);
        stage.edit(0, 11, PHONE, "P2");
        stage.pass(&POLL);
        stage.pass(&POLL);
        assert_eq!(stage.rows(1), stage.rows(0), "at moment {moment}");
    }
}

/// Lets a pass live for so many moments, then kills its process.
fn until(stage: &Stage, ask: &Ask, moments: usize) -> bool {
    let mut process = pin!(stage.errand(ask, &Everything));
    for _ in 0..moments {
        let polled = process.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        if let Poll::Ready(ended) = polled {
            ended.unwrap();
            return true;
        }
    }
    false
}

#[test]
fn a_process_killed_at_any_moment_writes_nothing_twice() {
    // W2, L9, I8
    for classes in [THREE, [Class::Marked; 3], [Class::Versioned; 3]] {
        for moment in 0.. {
            let stage = Stage::of(&classes);
            stage.create(0, 0..2);
            stage.pass(&SCAN);
            stage.written();
            stage.edit(0, 0, PHONE, "P1");
            let ended = until(&stage, &SCAN, moment);
            stage.0.clock.pass_ms(600_000);
            stage.pass(&SCAN);
            assert_eq!(stage.written(), [0, 1, 1], "{classes:?}, killed at moment {moment}");
            assert_eq!(stage.rows(1), stage.rows(0));
            if ended {
                break;
            }
        }
    }
}

#[test]
fn an_empty_system_deletes_nothing_until_a_person_says_so() {
    // D11
    let stage = twelve();
    let kept = std::mem::take(&mut stage.0.systems[0].state().tables);
    let empty = kept
        .iter()
        .map(|(binding, table)| (*binding, Table { rows: BTreeMap::new(), ..table.clone() }));
    stage.0.systems[0].state().tables = empty.collect();
    let stage = guarded(&stage, 10, u64::MAX);
    let passed = stage.pass(&SCAN);
    let Some(Tripped::Absences(held)) = passed.entities[0].tripped.first() else {
        panic!("no guard tripped")
    };
    assert_eq!((held.code, held.count), ("guard.empty_source", 12));
    assert_eq!(stage.rows(1).len(), 12);
    stage.0.systems[0].state().tables = kept;
    stage.at_rest();
}

/// The same world and hub, under guards.
fn guarded(stage: &Stage, empty: u64, max: u64) -> Stage {
    let mut guarded = stage.beside(0, |plan| {
        let guards = &mut plan.entities[0].guards;
        guards.empty_source_min = empty;
        guards.deletes = Limit { max, max_percent: 20 };
    });
    guarded.0.store = stage.0.store.clone();
    guarded
}

#[test]
fn a_scan_that_is_cut_infers_no_delete() {
    // D12
    let stage = twelve();
    stage.delete(0, 11);
    for number in 0..11 {
        stage.edit(0, number, PHONE, "P1");
    }
    stage.0.systems[0].state().weather = Weather { cut: 100, ..Weather::default() };
    let passed = stage.pass(&SCAN);
    assert_eq!(passed.entities[0].incomplete.len(), 1);
    assert_eq!(stage.rows(1).len(), 12);
    let flowed = stage.rows(1).iter().filter(|row| row.ends_with("P1")).count();
    assert!((1..11).contains(&flowed), "{flowed} edits flowed");
    stage.0.systems[0].state().weather = Weather::default();
    stage.pass(&SCAN);
    assert_eq!(stage.rows(1).len(), 11);
    stage.at_rest();
}

#[test]
fn scans_that_are_cut_again_and_again_get_to_the_end() {
    // F11: each shows two rows before it is cut.
    let stage = twelve();
    stage.delete(0, 11);
    for number in 0..11 {
        stage.edit(0, number, PHONE, "P1");
    }
    stage.0.systems[0].state().weather = Weather { cut: 100, ..Weather::default() };
    let flowed = || stage.rows(1).iter().filter(|row| row.ends_with("P1")).count();
    for _ in 0..6 {
        stage.pass(&SCAN);
    }
    assert_eq!(flowed(), 11);
    assert_eq!(stage.rows(1).len(), 12, "no delete is inferred from pieces");
    stage.0.systems[0].state().weather = Weather::default();
    stage.pass(&SCAN);
    assert_eq!(stage.rows(1).len(), 11, "one snapshot showed that it is gone");
    stage.at_rest();
}

#[test]
fn a_mass_delete_waits_until_exactly_it_is_let_through() {
    // D13
    let stage = guarded(&twelve(), u64::MAX, 2);
    for number in 0..6 {
        stage.delete(0, number);
    }
    let held = |stage: &Stage| {
        let passed = stage.pass(&SCAN);
        let Some(Tripped::Absences(held)) = passed.entities[0].tripped.first() else {
            panic!("no guard tripped")
        };
        assert_eq!((held.code, held.count), ("guard.mass_delete", 6));
        held.digest
    };
    let digest = held(&stage);
    assert_eq!(stage.written(), [0, 0, 0]);
    let other = Allow { approved: vec![Digest::default()], ..Allow::default() };
    stage.pass(&Ask { allow: other, ..SCAN });
    assert_eq!(stage.written(), [0, 0, 0], "another set is not this one");
    let allow = Allow { approved: vec![digest], ..Allow::default() };
    stage.pass(&Ask { allow, ..SCAN });
    assert_eq!(stage.written(), [0, 6, 6]);
    assert_eq!(stage.rows(1), stage.rows(0));
    stage.at_rest();
}

#[test]
fn a_system_that_cannot_be_reached_holds_back_nobody_else() {
    // P12
    let stage = twelve();
    let without_last = Ask { away: Some(2), ..SCAN };
    for round in 0..3 {
        for row in 0..12 {
            stage.edit(0, row, PHONE, &format!("P{round}"));
        }
        stage.pass(&without_last);
        assert_eq!(stage.rows(1), stage.rows(0));
    }
    assert_eq!(stage.written(), [0, 36, 0]);
    stage.pass(&SCAN);
    assert_eq!(stage.rows(2), stage.rows(0));
    assert_eq!(stage.written(), [0, 0, 12], "one write each, not one per edit");
    stage.at_rest();
}

#[test]
fn a_hub_that_is_full_stops_the_run_and_loses_nothing() {
    // W15
    let stage = twelve();
    stage.edit(0, 0, PHONE, "P1");
    stage.0.store.memory().is_full = true;
    let positions = stage.0.store.memory().checkpoints.clone();
    let error = stage.try_pass(&POLL, &Everything).unwrap_err();
    assert_eq!(error.kind.remedy().code, "hub.disk_full");
    assert_eq!(stage.written(), [0, 0, 0]);
    assert_eq!(stage.0.store.memory().checkpoints, positions, "nothing was acknowledged");
    stage.0.store.memory().is_full = false;
    stage.pass(&POLL);
    assert_eq!(stage.written(), [0, 1, 1]);
}

#[test]
fn an_edit_goes_around_a_ring_of_hubs_once() {
    // L3
    let first = Stage::of(&[Class::Plain; 3]);
    let only = |a: usize, b: usize| {
        move |plan: &mut syncline_core::plan::Plan| {
            let entity = &mut plan.entities[0];
            entity.bindings = vec![entity.bindings[a], entity.bindings[b]];
        }
    };
    let ring =
        [first.beside(1, only(0, 1)), first.beside(2, only(1, 2)), first.beside(3, only(2, 0))];
    let around = || {
        for stage in &ring {
            stage.pass(&SCAN);
        }
        first.written()
    };
    first.create(0, 0..3);
    assert_eq!(around(), [0, 3, 3]);
    first.edit(0, 0, PHONE, "P1");
    assert_eq!(around(), [0, 1, 1]);
    assert_eq!(around(), [0, 0, 0]);
    assert_eq!(first.rows(2), first.rows(0));
}

#[test]
fn two_deployments_over_the_same_systems_come_to_rest() {
    // L8: with one opinion they agree; with contrary ones the loop guard ends it, and says so
    for (class, contrary) in [(Class::Plain, false), (Class::Marked, false), (Class::Plain, true)] {
        let one = Stage::of(&[class; 3]);
        let other = one.beside(9, |plan| {
            if contrary {
                plan.entities[0].priority.reverse();
            }
        });
        one.create(0, 0..4);
        for round in 0..4 {
            one.edit(0, 0, PHONE, &format!("A{round}"));
            one.pass(&SCAN);
            one.edit(2, 0, PHONE, &format!("C{round}"));
            other.pass(&SCAN);
        }
        for _ in 0..4 {
            one.pass(&SCAN);
            other.pass(&SCAN);
        }
        one.written();
        one.pass(&SCAN);
        other.pass(&SCAN);
        assert_eq!(one.written(), [0, 0, 0], "{class:?}");
        let agree = one.rows(1) == one.rows(0) && one.rows(2) == one.rows(0);
        let guarded = [&one, &other].into_iter().any(|stage| {
            let memory = stage.0.store.memory();
            memory.audit.iter().any(|event| event.kind == AuditKind::LoopSuspected)
        });
        assert!(agree || (contrary && guarded), "{class:?}");
    }
}

/// Two edits to be carried out, and a record to be created.
fn to_do() -> Stage {
    let stage = twelve();
    stage.edit(0, 0, PHONE, "P1");
    stage.edit(1, 1, NAME, "N2");
    stage.create(2, [77]);
    stage
}

fn digests(stage: &Stage) -> Vec<Digest> {
    stage.plan().iter().map(|operation| operation.digest).collect()
}

/// Writes what was planned, as it was planned.
struct Planned(Vec<Digest>);

impl Chooses for Planned {
    fn choose<'a>(
        &'a self,
        desk: &'a Desk<'_>,
        system: SystemIndex,
        behind: Vec<(RecordId, Behind)>,
    ) -> BoxFuture<'a, Result<Vec<RecordId>, PortError>> {
        let records: Vec<RecordId> = behind.iter().map(|(record, _)| *record).collect();
        let groups = through(preview::load(desk, &records)).unwrap();
        let is_planned = |(record, behind): &(RecordId, Behind)| {
            let group = groups.get(record)?;
            let operation = preview::describe(desk.plan, group, system, behind);
            self.0.contains(&operation.digest).then_some(*record)
        };
        let chosen = behind.iter().filter_map(is_planned).collect();
        Box::pin(future::ready(Ok(chosen)))
    }
}

#[test]
fn a_plan_is_carried_out_as_it_was_made() {
    // O2
    let stage = to_do();
    let planned = digests(&stage);
    assert_eq!(stage.written(), [0, 0, 0], "a plan writes nothing");
    assert_eq!(digests(&stage), planned, "planned twice, the same");
    assert_eq!(planned.len(), 6);
    stage.try_pass(&SCAN, &Planned(planned)).unwrap();
    assert_eq!(stage.written(), [2, 2, 2]);
    stage.at_rest();
}

#[test]
fn a_row_that_somebody_changed_since_the_plan_is_left_alone() {
    // O3
    let stage = to_do();
    let planned = digests(&stage);
    stage.edit(1, 0, NAME, "mine");
    stage.try_pass(&SCAN, &Planned(planned)).unwrap();
    assert_eq!(stage.written(), [2, 1, 1], "two were left out");
    assert!(stage.rows(1).contains(&"e0 mine p0".to_owned()), "{:?}", stage.rows(1));
    stage.pass(&SCAN);
    assert!(stage.rows(2).contains(&"e0 mine P1".to_owned()));
    stage.at_rest();
}

#[test]
fn every_history_comes_to_the_same_whatever_the_weather() {
    // O6, O1: what people did is the same, and so is what remains where nobody disagrees
    for seed in 0..40 {
        let script = Script::plain(seed);
        let deeds: Vec<(usize, usize, Deed)> =
            (0..6).map(|at| (at * 10, 0, Deed::Create(format!("p{at}@example.com")))).collect();
        let ends: Vec<Vec<String>> = [Weather::default(), script.weather]
            .into_iter()
            .map(|weather| {
                let deeds = deeds.clone();
                let script = Script { weather, deeds, capitals: None, ..script.clone() };
                let world = World::new(&script, false);
                storm(&world, &script, &mut Summary::default()).unwrap();
                calm(&world, &script).unwrap();
                let stage = Stage(world);
                (0..script.draft.classes.len()).map(|at| stage.rows(at).join("\n")).collect()
            })
            .collect();
        assert_eq!(ends[0], ends[1], "seed {seed}");
        assert!(ends[0].iter().all(|image| *image == ends[0][0]), "seed {seed}");
    }
}

#[test]
fn what_a_process_had_put_off_when_it_died_is_heard_again() {
    for moments in 1..60 {
        let stage = Stage::of(&[Class::Plain, Class::Plain]);
        stage.create(0, 0..2);
        stage.pass(&SCAN);
        // Its old row must be looked for before this one counts.
        stage.delete(0, 1);
        stage.create(0, 1..2);
        stage.edit(0, 1, PHONE, "new");
        stage.create(0, 2..12);
        {
            let ask = POLL;
            let mut process = pin!(stage.errand(&ask, &Everything));
            for _ in 0..moments {
                let _ = process.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            }
        }
        stage.pass(&POLL);
        // What it was writing may still come for a while.
        stage.0.clock.pass_ms(600_000);
        stage.pass(&POLL);
        assert_eq!(stage.rows(1), stage.rows(0), "it died after {moments} moments");
    }
}
