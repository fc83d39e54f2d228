//! The workshops behind the doors: one folder per kind of system, the hub's store, the clock.
//!
//! Adapters know the ports and the core; they know neither the engine nor each other.

pub mod clock;
pub mod settings;
