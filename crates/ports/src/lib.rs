//! The doors of the house: five traits, and what goes through them.
//!
//! A port may fail with a [`PortError`](syncline_core::error::PortError), never with a verdict about
//! data: verdicts are values of the core.

pub mod catalog;
pub mod clock;
pub mod listener;
pub mod reader;
pub mod source;
pub mod store;
pub mod suite;
pub mod target;
