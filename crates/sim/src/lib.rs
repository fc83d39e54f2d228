//! The simulator: worlds with systems, people who edit in them, and weather.
//!
//! One thread, one seed, virtual time, no input and output. It runs the production `step` and the
//! production loops; only the ports are simulated. *Storm:* ports refuse, answer late, or do the
//! work and lose the answer; processes die at any await. *Calm:* no more faults and no more edits;
//! then everything must come to rest, and nothing may have been lost.

pub mod checks;
pub mod clock;
pub mod draft;
pub mod explore;
pub mod gate;
pub mod moment;
#[cfg(test)]
mod parsers;
pub mod people;
pub mod rare;
pub mod scenario;
pub mod script;
pub mod shrink;
pub mod store;
pub mod survey;
pub mod system;
pub mod unreadable;
pub mod world;

pub use syncline_core::chance as prng;
