//! I7: what is read again as it is changes nothing.

use syncline_core::{
    change::Row,
    group::Existence,
    name::{RecordId, SystemIndex},
    value::Value,
};

use crate::world::{Breach, World};

/// What the hub knows of a part: whether it exists, its values with their versions, and what each system
/// shows and has agreed to.
type Known = (RecordId, Existence, Vec<(Value, u64)>, Vec<(SystemIndex, Option<Row>, Vec<u64>)>);

/// Looks at a hub that has nothing to do, pass after pass.
#[derive(Debug, Default)]
pub struct Rest(Option<Vec<Known>>);

impl Rest {
    /// The hub as it is after so many passes in which nothing was written.
    ///
    /// # Errors
    /// If it is not what it was after one pass less: that one only read again what was read before.
    pub fn look(&mut self, world: &World, idle: u32) -> Result<(), Breach> {
        match (idle, self.0.take()) {
            (2, _) => self.0 = Some(known(world)),
            (3, Some(before)) if before != known(world) => {
                let detail = "the hub changed although everything was as before".into();
                return Err(Breach { guarantee: "idempotence", detail });
            }
            (_, _) => {}
        }
        Ok(())
    }
}

fn known(world: &World) -> Vec<Known> {
    let memory = world.store.memory();
    let parts = memory.groups.values().flat_map(|group| {
        group.parts().map(|(_, part)| {
            let cells = part.cells.iter().map(|cell| (cell.value.clone(), cell.version));
            let links = part.links.iter();
            let links = links.map(|link| (link.system, link.shadow.clone(), link.agreed.to_vec()));
            (group.id, part.exists.clone(), cells.collect(), links.collect())
        })
    });
    parts.collect()
}
