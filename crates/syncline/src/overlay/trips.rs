//! Guards that a plan would trip.

use syncline_core::{
    guard::{self, Guards, Verdict},
    plan::Plan,
};
use syncline_engine::pass::Tripped;

use crate::overlay::EntityPlan;

/// Notes which.
pub(super) fn find(guards: &Guards, tripped: &[Tripped], compiled: &Plan, plan: &mut EntityPlan) {
    for held in tripped {
        if let Tripped::Absences(held) = held
            && let Some(system) = compiled.binding(held.binding).map(|found| found.system)
        {
            plan.tripped.push((held.code.to_owned(), system, held.count, held.linked, held.max));
        }
    }
    for (system, behind) in &plan.behind {
        let checks = [
            (guard::deletes(guards, behind.deletes, behind.linked), behind.deletes),
            (guard::updates(guards, behind.updates, behind.linked), behind.updates),
        ];
        let of_system = plan.blanks.iter().filter(|((other, _), _)| other == system);
        let blanks = of_system.map(|(_, count)| *count).max().unwrap_or_default();
        let blanked = (guard::blanks(guards, blanks, behind.linked), blanks);
        let garbled = plan.garbled.get(system).copied().unwrap_or_default();
        let corrupt = (guard::corrupt(guards, garbled), garbled);
        for (verdict, count) in checks.into_iter().chain([blanked, corrupt]) {
            if let Verdict::Trip { code, max } = verdict {
                plan.tripped.push((code.to_owned(), *system, count, behind.linked, max));
            }
        }
    }
}
