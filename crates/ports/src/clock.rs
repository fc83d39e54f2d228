//! The time of day, as a port: the simulator turns it.

use syncline_core::name::Timestamp;

/// Tells the time. It may jump, even backwards.
pub trait Clock: Send + Sync {
    /// The time of day.
    fn now(&self) -> Timestamp;
}
