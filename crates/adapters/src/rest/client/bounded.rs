//! Bodies of answers, never longer than they may be, packed or not.

use std::io::Read as _;

use syncline_core::error::{ErrorKind, PortError};

use crate::rest::client::{ANSWER_BYTES, Lost, lost};

/// The body of an answer, which may be so long.
pub(in crate::rest) async fn body(
    mut response: reqwest::Response,
    most: usize,
    action: &str,
) -> Result<Vec<u8>, Lost> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| lost(error, action))? {
        if body.len() + chunk.len() > most {
            return Err(too_long(most, action));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// It holds more than it may.
pub(super) fn too_long(most: usize, action: &str) -> Lost {
    let detail = format!("its answer is longer than {} KiB", most >> 10);
    Lost::Unknown(PortError::new(ErrorKind::Answer, action, detail))
}

/// Why an answer is not unpacked.
pub(super) enum Unpacking {
    TooLong,
    Damaged,
}

/// What was packed, as far as it may be long.
///
/// # Errors
/// It is too long, or damaged.
pub(super) fn unpacked(packed: &[u8]) -> Result<Vec<u8>, Unpacking> {
    let mut body = Vec::new();
    let mut bounded = flate2::read::MultiGzDecoder::new(packed).take(ANSWER_BYTES as u64 + 1);
    bounded.read_to_end(&mut body).map_err(|_| Unpacking::Damaged)?;
    if body.len() > ANSWER_BYTES { Err(Unpacking::TooLong) } else { Ok(body) }
}
