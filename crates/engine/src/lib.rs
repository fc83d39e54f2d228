//! The three loops: capture, reconcile, apply.
//!
//! Everything here is a function of ports. It holds no runtime: nothing sleeps (who writes too fast
//! asks the program for rest, `pace.rs`) and nothing is spawned, so the simulator can poll a step once
//! and expect it to be ready. Decisions are the core's; the engine only carries inputs to it and
//! effects away from it.

pub mod account;
pub mod apply;
pub mod backoff;
pub mod capture;
pub mod carry;
pub mod desk;
pub mod drift;
mod garbled;
pub mod hear;
mod lists;
pub mod measure;
pub mod pace;
pub mod pass;
mod pipeline;
pub mod preview;
pub mod read;
pub mod reconcile;
pub mod recover;
pub mod renew;
mod scan;
pub mod turns;
pub mod verify;
