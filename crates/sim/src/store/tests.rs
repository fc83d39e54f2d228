use syncline_ports::suite;

use super::*;
use crate::world::through;

#[test]
fn the_simulated_hub_is_a_store() {
    through(suite::store::all(MemoryStore::default));
}
