//! Webhooks: a system that tells of its changes by calling us.
//!
//! What is sent is verified, put on record, and only then answered; the listener reads the record and
//! hands on which rows changed, like any other listener. What is told is a hint: the row is read as
//! it is, so that order, repetition and loss of what is sent cannot make anything wrong. Where the file says
//! `trust: payload`, a whole item with a version that compares stands for that read.

mod cooling;
mod events;
mod keys;
mod listen;
mod send;
mod verify;

use syncline_core::{error::PortError, name::SystemIndex, plan::Plan};
use syncline_ports::listener::Listener;

pub use self::{
    events::{Label, label, tells_of_rows},
    listen::{WORD, position_words},
    send::{Own, send},
    verify::{Refusal, Request, sign, verify},
};
use crate::{
    hub::inbox::Inbox,
    rest::Payloads,
    settings::{Settings, hook::Hook},
};

/// Opens what a system has sent, and sends, to be listened to.
///
/// # Errors
/// As [`crate::catalog`]: the kinds of the key columns of tables are asked for.
pub async fn listen(
    settings: &Settings,
    plan: std::sync::Arc<Plan>,
    system: SystemIndex,
    hook: std::sync::Arc<Hook>,
    inbox: std::sync::Arc<Inbox>,
    hub: &std::path::Path,
) -> Result<Box<dyn Listener>, PortError> {
    let keys = keys::Keys::of(settings, &plan, system).await?;
    let payloads = Payloads::of(settings, &plan, system)?;
    Ok(Box::new(listen::Webhooks::new(settings, keys, payloads, hook, inbox, hub)))
}
