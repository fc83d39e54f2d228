//! What tells the things that this hub leaves in systems from those of other hubs: a word of its own, made when
//! it is first needed.

use syncline_core::value::Digest;
use syncline_ports::reader::Reader as _;

use crate::{report::Failure, session::Session};

/// What tells this hub's things in other systems from those of other hubs.
pub(crate) async fn of(session: &Session) -> Result<String, Failure> {
    if let Some(known) = session.hub.note("installation").await? {
        return Ok(known.to_string());
    }
    let mut words = session.loaded.hub_path().into_os_string().into_encoded_bytes();
    words.extend_from_slice(&Session::now().0.to_le_bytes());
    words.extend_from_slice(&std::process::id().to_le_bytes());
    let own: String = crate::words::hex(&Digest::of(&words)).chars().take(8).collect();
    session.hub.set_note("installation", &own).await?;
    Ok(own)
}
