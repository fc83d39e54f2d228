//! What lies beside the hub and is sealed with its keys: what systems have sent, and what those that only tell have
//! told.

use std::path::Path;

use syncline_adapters::{
    hub::{envelope::Envelope, inbox},
    push,
};

use crate::report::Failure;

/// The file of what systems that only tell have told.
pub(crate) fn told(hub: &Path) -> std::path::PathBuf {
    let mut path = hub.as_os_str().to_owned();
    path.push(".told");
    path.into()
}

/// Seals all of it with the key of the present. Gives how much that was; nothing, where it is already.
///
/// # Errors
/// The disk's; `hub.key_wrong` for what none of the keys opens.
pub(crate) fn reseal(hub: &Path, envelope: &Envelope) -> Result<u64, Failure> {
    Ok(inbox::reseal(hub, envelope)? + push::reseal(&told(hub), envelope)?)
}
