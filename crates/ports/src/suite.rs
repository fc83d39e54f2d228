//! What every adapter must pass, and the simulator's own ports with it, so that the simulator cannot
//! drift from reality. A suite fails by panicking, like any test.

pub mod bench;
pub mod listener;
pub mod parser;
pub mod source;
pub mod store;
pub mod target;
