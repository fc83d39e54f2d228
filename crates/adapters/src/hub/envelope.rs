//! What lies in files beside the hub, sealed with the hub's keys: bodies of what systems have sent, items that they
//! have told. Each has a salt of its own, so that nobody sees which are alike; what was kept in clear before is
//! still read. A key made from the hub's own seals them, so none of them opens what is in the hub.

use std::sync::{Arc, PoisonError, RwLock};

use syncline_core::error::{ErrorKind, PortError};

use crate::hub::seal::{self, Keyring, Place};

/// What tells something sealed from text and from JSON.
const MAGIC: &[u8; 10] = b"\0syncline\x01";
const KEY_ID: usize = 8;
const SALT: usize = 16;
/// So many bytes more than what is in it.
pub(crate) const OVERHEAD: usize = MAGIC.len() + KEY_ID + SALT + 16;
/// Where a body is not sealed, 0; for SQL.
pub(in crate::hub) const IS_SEALED: &str = "(substr(body, 1, 10) = x'0073796e636c696e6501')";

/// The keys of files beside a hub; all of its copies have the same. Without any, they are kept in clear.
#[derive(Clone, Debug, Default)]
pub struct Envelope(Arc<RwLock<Option<Keyring>>>);

impl Envelope {
    /// With the keys of the hub.
    pub fn new(keys: Option<Keyring>) -> Self {
        Self(Arc::new(RwLock::new(keys)))
    }

    /// Other keys from now on.
    pub fn renew(&self, keys: Option<Keyring>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    /// Seals it, if there is a key.
    ///
    /// # Errors
    /// `Unexpected`, if the operating system has no randomness to give.
    pub(crate) fn seal(&self, what: &str, plain: Vec<u8>) -> Result<Vec<u8>, PortError> {
        let keys = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let Some(keys) = keys.as_ref() else { return Ok(plain) };
        let random = seal::fresh()?;
        let salt = random.get(..SALT).unwrap_or_default();
        let (id, key) = keys.beside();
        let sealed = key.seal(&Place::new(what, &[salt]), &plain).ok_or_else(|| {
            PortError::new(ErrorKind::Unexpected, format!("seal a {what}"), "it is too long")
        })?;
        let mut out = Vec::with_capacity(OVERHEAD + plain.len());
        for part in [MAGIC.as_slice(), &id, salt, &sealed] {
            out.extend_from_slice(part);
        }
        Ok(out)
    }

    /// Opens it; what is kept in clear comes back as it is.
    ///
    /// # Errors
    /// `HubKeyMissing`, `HubKeyWrong`.
    pub(crate) fn open(&self, what: &str, stored: Vec<u8>) -> Result<Vec<u8>, PortError> {
        let Some((id, salt, sealed)) = parts(&stored) else { return Ok(stored) };
        let refused = |kind, detail: &str| PortError::new(kind, format!("open a {what}"), detail);
        let keys = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let Some(keys) = keys.as_ref() else {
            return Err(refused(ErrorKind::HubKeyMissing, "it is sealed, and there is no key"));
        };
        let opened =
            keys.find_beside(id).and_then(|key| key.open(&Place::new(what, &[salt]), sealed));
        opened.ok_or_else(|| {
            refused(ErrorKind::HubKeyWrong, "it was sealed with another key, or altered")
        })
    }

    /// Whether it is not sealed as it would be now.
    pub(crate) fn is_due(&self, stored: &[u8]) -> bool {
        let keys = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let Some(keys) = keys.as_ref() else { return false };
        let current = keys.beside().0;
        parts(stored).is_none_or(|(id, ..)| id != current)
    }
}

/// The key, the salt and the rest of something sealed.
fn parts(stored: &[u8]) -> Option<(seal::KeyId, &[u8], &[u8])> {
    let rest = stored.strip_prefix(MAGIC)?;
    let (id, rest) = rest.split_first_chunk::<KEY_ID>()?;
    let (salt, sealed) = rest.split_at_checked(SALT)?;
    Some((*id, salt, sealed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::seal::HubKey;

    fn keys(digit: &str, previous: Option<&str>) -> Option<Keyring> {
        let key = |digit: &str| HubKey::parse(&digit.repeat(64)).unwrap();
        Some(Keyring { key: key(digit), previous: previous.map(key) })
    }

    #[test]
    fn what_is_sealed_says_nothing_and_opens_as_what_it_is_with_its_key() {
        let envelope = Envelope::new(keys("a", None));
        let plain = b"quetzalcoatl".to_vec();
        let sealed = envelope.seal("delivery", plain.clone()).unwrap();
        assert_eq!(sealed.len(), plain.len() + OVERHEAD);
        assert!(!sealed.windows(7).any(|seen| seen == b"quetzal"));
        assert_ne!(
            envelope.seal("delivery", plain.clone()).unwrap(),
            sealed,
            "alike, and not seen"
        );
        assert_eq!(envelope.open("delivery", sealed.clone()).unwrap(), plain);
        assert!(envelope.open("item", sealed.clone()).is_err(), "another thing");
        for at in MAGIC.len()..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert!(envelope.open("delivery", altered).is_err(), "byte {at}");
        }
        let refused = Envelope::default().open("delivery", sealed).unwrap_err();
        assert_eq!(refused.kind, ErrorKind::HubKeyMissing);
    }

    #[test]
    fn another_key_takes_over_while_the_one_before_still_opens() {
        let envelope = Envelope::new(keys("a", None));
        let sealed = envelope.seal("delivery", b"{}".to_vec()).unwrap();
        let clear = envelope.open("delivery", b"{}".to_vec()).unwrap();
        assert_eq!(clear, b"{}", "kept in clear before");
        assert!(envelope.is_due(b"{}") && !envelope.is_due(&sealed));
        envelope.renew(keys("b", Some("a")));
        assert!(envelope.is_due(&sealed));
        assert_eq!(envelope.open("delivery", sealed.clone()).unwrap(), b"{}");
        envelope.renew(keys("b", None));
        assert_eq!(envelope.open("delivery", sealed).unwrap_err().kind, ErrorKind::HubKeyWrong);
    }
}
