//! How what the hub remembers is sealed, and the keys it takes. Knows nothing of any database.
//!
//! The cipher is AES-256-GCM-SIV. Its nonce follows from what is sealed and where it belongs, so no two
//! places share one; where one place is sealed again after a crash or a restore, this mode gives away no
//! more than whether it holds the same. What is sealed opens only at the place that it was sealed for.

use aes_gcm_siv::{
    Aes256GcmSiv, KeyInit as _, Nonce,
    aead::{Aead as _, Payload},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::rand::{SecureRandom as _, SystemRandom};
use syncline_core::error::{ErrorKind, PortError};
use zeroize::Zeroizing;

/// So many bytes make a key.
const LENGTH: usize = 32;

/// What tells keys apart without telling anything of them.
pub(in crate::hub) type KeyId = [u8; 8];

/// A key of an installation, as the configuration refers to it.
#[derive(Clone)]
pub struct HubKey(Zeroizing<[u8; LENGTH]>);

impl HubKey {
    /// Reads a key: 32 bytes as 64 hexadecimal digits, or in Base64. `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let bytes = if text.len() == 2 * LENGTH {
            let digits = text.as_bytes().chunks(2);
            let bytes =
                digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
            bytes.collect::<Option<Vec<u8>>>()?
        } else {
            STANDARD.decode(text).ok()?
        };
        let bytes = Zeroizing::new(bytes);
        Some(Self(Zeroizing::new(bytes.as_slice().try_into().ok()?)))
    }

    fn id(&self) -> KeyId {
        let hash = blake3::derive_key("syncline 2026 which key of the hub", &*self.0);
        hash.first_chunk().copied().unwrap_or_default()
    }
}

impl HubKey {
    /// What seals files beside the hub.
    fn beside(&self) -> Key {
        let context = "syncline 2026 files beside the hub";
        Key::new(&Zeroizing::new(blake3::derive_key(context, &*self.0)))
    }
}

impl std::fmt::Debug for HubKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(key)")
    }
}

/// The keys that open a hub: the one that it is sealed with from now on, and those before it.
#[derive(Clone, Debug)]
pub struct Keyring {
    /// What is new is sealed with this.
    pub key: HubKey,
    /// What it may still be sealed with, until `keys rotate` is through.
    pub previous: Option<HubKey>,
}

impl Keyring {
    /// The key of the present.
    pub(in crate::hub) fn current(&self) -> (KeyId, Key) {
        (self.key.id(), Key::new(&self.key.0))
    }

    /// The same, for files beside the hub.
    pub(in crate::hub) fn beside(&self) -> (KeyId, Key) {
        (self.key.id(), self.key.beside())
    }

    /// What seals them, of the key with this id.
    pub(in crate::hub) fn find_beside(&self, id: KeyId) -> Option<Key> {
        let mut keys = std::iter::once(&self.key).chain(&self.previous);
        keys.find(|key| key.id() == id).map(HubKey::beside)
    }

    /// The key with this id, if it is here.
    pub(in crate::hub) fn find(&self, id: KeyId) -> Option<Key> {
        let mut keys = std::iter::once(&self.key).chain(&self.previous);
        keys.find(|key| key.id() == id).map(|key| Key::new(&key.0))
    }
}

/// New bytes for a key, which nobody can foretell.
///
/// # Errors
/// If the operating system has no randomness to give.
pub(in crate::hub) fn fresh() -> Result<Zeroizing<[u8; LENGTH]>, PortError> {
    let mut bytes = Zeroizing::new([0; LENGTH]);
    SystemRandom::new().fill(&mut *bytes).map_err(|_| {
        PortError::new(ErrorKind::Unexpected, "make a key", "the system gives no random bytes")
    })?;
    Ok(bytes)
}

/// A key at work.
pub(in crate::hub) struct Key(Aes256GcmSiv);

impl Key {
    pub(in crate::hub) fn new(bytes: &[u8; LENGTH]) -> Self {
        Self(Aes256GcmSiv::new(bytes.into()))
    }

    /// Seals this for its place. `None` only for what is far too long.
    pub(in crate::hub) fn seal(&self, place: &Place, plain: &[u8]) -> Option<Vec<u8>> {
        let payload = Payload { msg: plain, aad: &place.0 };
        self.0.encrypt(&place.nonce(), payload).ok()
    }

    /// Opens what was sealed for this place; `None` if it was not, or not with this key.
    pub(in crate::hub) fn open(&self, place: &Place, sealed: &[u8]) -> Option<Vec<u8>> {
        let payload = Payload { msg: sealed, aad: &place.0 };
        self.0.decrypt(&place.nonce(), payload).ok()
    }

    /// Opens a key that was sealed for this place.
    pub(in crate::hub) fn open_key(
        &self,
        place: &Place,
        sealed: &[u8],
    ) -> Option<Zeroizing<[u8; LENGTH]>> {
        let bytes = Zeroizing::new(self.open(place, sealed)?);
        Some(Zeroizing::new(bytes.as_slice().try_into().ok()?))
    }
}

/// Where something sealed belongs: what it is, and of what.
pub(in crate::hub) struct Place(Vec<u8>);

impl Place {
    /// The place of such a thing; `parts` say which one it is.
    pub(in crate::hub) fn new(what: &str, parts: &[&[u8]]) -> Self {
        let mut place = Vec::with_capacity(64);
        for part in std::iter::once(what.as_bytes()).chain(parts.iter().copied()) {
            place.extend_from_slice(&(part.len() as u64).to_be_bytes());
            place.extend_from_slice(part);
        }
        Self(place)
    }

    fn nonce(&self) -> Nonce {
        let hash = blake3::hash(&self.0);
        hash.as_bytes().first_chunk::<12>().copied().unwrap_or_default().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_with_its_key_at_its_place_and_nowhere_else() {
        let key = Key::new(&[7; LENGTH]);
        let place = Place::new("record", &[b"1"]);
        let sealed = key.seal(&place, b"quetzalcoatl").unwrap();
        assert!(!sealed.windows(7).any(|seen| seen == b"quetzal"));
        assert_eq!(key.open(&place, &sealed).unwrap(), b"quetzalcoatl");

        assert!(key.open(&Place::new("record", &[b"2"]), &sealed).is_none(), "another record");
        assert!(key.open(&Place::new("event", &[b"1"]), &sealed).is_none(), "another thing");
        assert!(Key::new(&[8; LENGTH]).open(&place, &sealed).is_none(), "another key");
        for at in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert!(key.open(&place, &altered).is_none(), "byte {at} was altered");
        }
        assert!(key.open(&place, &[]).is_none());
    }

    #[test]
    fn a_key_is_32_bytes_in_hexadecimal_digits_or_base64() {
        let digits = "00ff".repeat(16);
        let base64 = STANDARD.encode([0, 255].repeat(16));
        let [first, second] = [&digits, &base64].map(|text| HubKey::parse(text).unwrap().id());
        assert_eq!(first, second);
        for text in ["", "secret", &digits[2..], &"zz".repeat(32), &"é".repeat(32)] {
            assert!(HubKey::parse(text).is_none(), "{text}");
        }
        let shown = format!("{:?}", HubKey::parse(&digits).unwrap());
        assert_eq!(shown, "(key)");
    }
}
