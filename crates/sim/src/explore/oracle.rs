//! What must hold at every moment of a small world, and when it has come to rest.

use std::collections::BTreeSet;

use syncline_core::{
    change::RowKey,
    group::{Group, Scope},
    name::SystemIndex,
    plan::Class,
    value::Value,
};

use crate::{draft::STATUS, explore::small::Small, system::SimState, world::Breach};

impl Small<'_> {
    /// What must hold at every moment.
    ///
    /// # Errors
    /// The first promise that is broken.
    pub fn at_every_moment(&mut self) -> Result<(), Breach> {
        self.nothing_lost()?;
        self.caused()?;
        self.bounded()
    }

    /// I2: what a write of ours replaced was golden before, or is in the audit.
    fn nothing_lost(&mut self) -> Result<(), Breach> {
        for (index, system) in self.systems.iter_mut().enumerate() {
            let replaced = std::mem::take(&mut system.replaced);
            // A system without preconditions can lose an edit between our look and our write.
            if system.class == Class::Blind {
                continue;
            }
            let is_known = |text: &String| {
                let small = text.to_lowercase();
                self.hub.accounted.iter().any(|known| known.to_lowercase() == small)
            };
            if let Some(value) = replaced.iter().find(|value| !is_known(value)) {
                let detail =
                    format!("{value:?} was overwritten in system {index}, and nobody knows of it");
                return Err(Breach { guarantee: "no lost update", detail });
            }
        }
        Ok(())
    }

    /// I3: no value gave way to one that its author had seen. Exact where our own writes carry
    /// marks; elsewhere as long as nothing goes wrong.
    fn caused(&mut self) -> Result<(), Breach> {
        let replaced = std::mem::take(&mut self.hub.replaced);
        let marked = |system: &SimState| {
            matches!(system.class, Class::Log | Class::Marked)
                && system.tables.values().all(|table| table.capitals.is_none())
        };
        let is_exact = self.systems.iter().all(marked)
            || (self.faults == 0 && self.systems.iter().all(|it| it.class != Class::Blind));
        if !is_exact {
            return Ok(());
        }
        for (old, new) in replaced {
            let mut known = BTreeSet::new();
            let saw = |value: &String| {
                self.systems.iter().find_map(|system| system.seen.get(value)).cloned()
            };
            let mut next = saw(&old);
            while let Some(value) = next.filter(|value| known.insert(value.clone())) {
                if value == new {
                    let detail = format!("{old:?} gave way to {new:?}, which its author had seen");
                    return Err(Breach { guarantee: "causality", detail });
                }
                next = saw(&value);
            }
        }
        Ok(())
    }

    /// I5: `W <= N * (E + D)`.
    fn bounded(&self) -> Result<(), Breach> {
        let writes: u64 = self.systems.iter().map(|system| system.written).sum();
        let systems = self.systems.len() as u64;
        // In a world that began empty, the first edit is the birth.
        if writes <= systems * (self.edits + self.faults) {
            return Ok(());
        }
        let detail = format!("{writes} writes after {} edits, {} faults", self.edits, self.faults);
        Err(Breach { guarantee: "bounded echo", detail })
    }

    /// What must hold when nothing moves any more.
    ///
    /// # Errors
    /// The first promise that is broken.
    pub fn at_rest(&self) -> Result<(), Breach> {
        for group in self.hub.groups.values() {
            self.shown(group)?;
            self.unpolluted(group)?;
            self.summed(group)?;
        }
        self.nobody_twice()?;
        self.nothing_unheard()
    }

    fn is_set_aside(&self, group: &Group) -> bool {
        let waits =
            |link: &syncline_core::group::Link| link.parked.is_some() || !link.held.is_empty();
        group.root.links.iter().any(waits)
            || !group.root.conflicts.is_empty()
            || !self.hub.quarantine.is_empty()
    }

    /// I1: every system shows what the hub holds.
    fn shown(&self, group: &Group) -> Result<(), Breach> {
        if self.is_set_aside(group) || group.merged_into.is_some() || !self.flows(group) {
            return Ok(());
        }
        let breach = |detail: String| Err(Breach { guarantee: "convergence", detail });
        for (at, system) in self.systems.iter().enumerate() {
            let link = group.root.link(SystemIndex(at as u16));
            if link.is_some_and(|link| link.scope != Scope::In) {
                return breach(format!("the record is in scope, and not in system {at}"));
            }
            let table = self.binding(at).and_then(|binding| system.tables.get(&binding));
            let key = link.and_then(|link| link.key.as_ref());
            let row = key.and_then(|key| table?.rows.get(key));
            match (group.root.exists.alive, row) {
                (true, None) => return breach(format!("system {at} has no row of the record")),
                (false, Some(_)) => {
                    return breach(format!("the record is deleted, and system {at} shows it"));
                }
                (false, None) => {}
                (true, Some(row)) => {
                    for (cell, shown) in group.root.cells.iter().zip(&row.values) {
                        if !is_same(&cell.value, shown) {
                            return breach(format!(
                                "the hub holds {:?}, system {at} shows {shown:?}",
                                cell.value
                            ));
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// I6: what the hub holds was written by somebody, as it stands there. Exact where a log tells
    /// what we wrote, and wherever no answer was lost.
    fn unpolluted(&self, group: &Group) -> Result<(), Breach> {
        let rewrites =
            |system: &&SimState| system.tables.values().any(|table| table.capitals.is_some());
        let Some(rewriter) = self.systems.iter().find(rewrites) else { return Ok(()) };
        if self.faults > 0 && rewriter.class != Class::Log {
            return Ok(());
        }
        for cell in &group.root.cells {
            if let Value::Text(text) = &cell.value
                && **text != *text.to_lowercase()
                && !rewriter.typed.contains(&text.to_lowercase())
            {
                let detail = format!("the hub holds {text:?}, which nobody wrote");
                return Err(Breach { guarantee: "no pollution", detail });
            }
        }
        Ok(())
    }

    /// I9: a counter is the sum of what everybody counted.
    fn summed(&self, group: &Group) -> Result<(), Breach> {
        let [_, count] = &*group.root.cells else { return Ok(()) };
        let counted = self.systems.iter().flat_map(|system| system.counted.values());
        let sum: i64 = counted.sum();
        if count.value == Value::int(sum) {
            return Ok(());
        }
        let detail = format!("people counted {sum}, the hub holds {:?}", count.value);
        Err(Breach { guarantee: "counters", detail })
    }

    /// Whether the golden values say that the record flows.
    fn flows(&self, group: &Group) -> bool {
        let has_scope = self.plan.entity(group.entity).is_some_and(|it| it.when.is_some());
        let status = group.root.cell(STATUS).map(|cell| &cell.value);
        !has_scope || status == Some(&Value::text("active"))
    }

    /// No duplicate: each system has one row at most, since all rows match one record.
    fn nobody_twice(&self) -> Result<(), Breach> {
        // Whoever is let go of is nobody's, and may come again.
        if self.hub.groups.values().any(|group| !self.flows(group)) {
            return Ok(());
        }
        for (at, system) in self.systems.iter().enumerate() {
            let rows: Vec<&RowKey> =
                system.tables.values().flat_map(|table| table.rows.keys()).collect();
            let linked = |key: &RowKey| {
                let system = SystemIndex(at as u16);
                let mut links = self.hub.groups.values().filter_map(|it| it.root.link(system));
                links.any(|link| link.key.as_ref() == Some(key))
            };
            if rows.len() > 1
                || (self.hub.quarantine.is_empty() && !rows.iter().all(|key| linked(key)))
            {
                let detail = format!("system {at} has rows {rows:?}, not all of one record");
                return Err(Breach { guarantee: "no duplicate", detail });
            }
        }
        Ok(())
    }

    /// I2: what a system with a log was told by its users, the hub knows.
    fn nothing_unheard(&self) -> Result<(), Breach> {
        for (at, system) in self.systems.iter().enumerate() {
            if system.class != Class::Log {
                continue;
            }
            let known: BTreeSet<String> =
                self.hub.accounted.iter().map(|text| text.to_lowercase()).collect();
            if let Some(typed) = system.typed.iter().find(|typed| !known.contains(*typed)) {
                let detail =
                    format!("{typed:?} was written in system {at}, and nobody knows of it");
                return Err(Breach { guarantee: "no lost update", detail });
            }
        }
        Ok(())
    }
}

fn is_same(golden: &Value, shown: &Value) -> bool {
    match (golden, shown) {
        (Value::Text(golden), Value::Text(shown)) => golden.eq_ignore_ascii_case(shown),
        (golden, shown) => golden == shown,
    }
}
