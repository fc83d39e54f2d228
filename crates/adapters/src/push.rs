//! Systems that only tell: they call us, and nothing can be asked of them. What they have told of each
//! row is kept beside the hub, and that is what is read: a system like any other whose rows change only
//! by what is sent. Nothing is ever written to one.
//!
//! What was told is put together here once and in the order in which it was taken, so that a read of it
//! is never older than a read before.

mod bound;
mod catalog;
mod source;
mod told;

use std::sync::Arc;

use async_trait::async_trait;
use syncline_core::{
    change::{Outcome, WriteGroup},
    error::PortError,
    name::{IntentId, SystemIndex},
    plan::{Class, Plan},
};
use syncline_ports::{catalog::Catalog, target::Target};

pub(crate) use self::told::{Telling, Told, What, place};
use crate::{
    Connector,
    hub::envelope::Envelope,
    push::{catalog::PushCatalog, source::PushSource},
    settings::Settings,
    sql::invalid,
};

/// Prepares a system that only tells to be described.
pub(crate) fn catalog(settings: &Settings) -> Box<dyn Catalog> {
    Box::new(PushCatalog::new(Told::of(settings), settings.keys.clone()))
}

/// Prepares what a system has told to be read.
pub(crate) fn open(settings: &Settings, plan: Arc<Plan>, _system: SystemIndex) -> Connector {
    Connector {
        source: Box::new(PushSource::new(Told::of(settings), plan)),
        target: Box::new(Closed),
        class: Class::Plain,
    }
}

/// Seals with the key of the present what systems of the hub beside this file have told, where that is in clear or
/// sealed with a key before it. Gives how many items that were.
///
/// # Errors
/// The file's; what opens with none of the keys.
pub fn reseal(told: &std::path::Path, envelope: &Envelope) -> Result<u64, PortError> {
    told::reseal(told, envelope)
}

/// Nothing can be written to it; the configuration does not ask for that.
struct Closed;

#[async_trait]
impl Target for Closed {
    async fn apply(&mut self, groups: &[WriteGroup]) -> Vec<(IntentId, Outcome)> {
        let refused = || invalid("write.refused", "it only tells: nothing can be written to it");
        let writes = groups.iter().flat_map(|group| &group.writes);
        writes.map(|write| (write.intent, refused())).collect()
    }
}
