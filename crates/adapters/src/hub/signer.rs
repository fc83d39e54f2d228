//! The key of an installation, with which it signs where its books ended. It lies beside the hub in a file that only its
//! owner can read, or wherever the configuration says.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use syncline_core::error::{ErrorKind, PortError};

use crate::hub::beside;

/// Signs for this installation.
pub struct Signer {
    pair: Ed25519KeyPair,
    public: [u8; 32],
}

impl Signer {
    /// Of a key as it is written: 64 hexadecimal digits.
    ///
    /// # Errors
    /// If it is none; what it is stays unsaid.
    pub fn of(text: &str) -> Result<Self, PortError> {
        let seed = unhex(text.trim()).and_then(|seed| <[u8; 32]>::try_from(seed).ok());
        let pair = seed.and_then(|seed| Ed25519KeyPair::from_seed_unchecked(&seed).ok());
        let public = pair.as_ref().and_then(|pair| pair.public_key().as_ref().try_into().ok());
        pair.zip(public).map(|(pair, public)| Self { pair, public }).ok_or_else(|| {
            PortError::new(
                ErrorKind::Secret,
                "read the key that signs the books",
                "a key is 64 hexadecimal digits",
            )
        })
    }

    /// The key beside this hub, made if there is none yet.
    ///
    /// # Errors
    /// If the file cannot be read or made, or holds no key.
    pub fn beside(hub: &Path) -> Result<Self, PortError> {
        let path = Self::path(hub);
        let failed = |what: &str, error: &dyn std::fmt::Display| {
            let action = format!("{what} {}", path.display());
            PortError::new(ErrorKind::HubReadOnly, action, error.to_string())
        };
        if !path.exists() {
            make(&path).map_err(|error| failed("make", &error))?;
        }
        Self::of(&fs::read_to_string(&path).map_err(|error| failed("read", &error))?)
    }

    /// Who signs, if there is a key beside this hub already.
    pub fn known(hub: &Path) -> Option<[u8; 32]> {
        Some(Self::of(&fs::read_to_string(Self::path(hub)).ok()?).ok()?.public)
    }

    /// The file beside this hub.
    pub fn path(hub: &Path) -> PathBuf {
        beside::path_of(hub, ".signer")
    }

    /// Who signs.
    pub const fn public(&self) -> [u8; 32] {
        self.public
    }

    /// Its signature.
    pub(super) fn sign(&self, message: &[u8]) -> [u8; 64] {
        let mut signature = [0; 64];
        signature.copy_from_slice(self.pair.sign(message).as_ref());
        signature
    }
}

/// Whether this is the signature of that signer over this.
pub(super) fn is_signed(signer: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    UnparsedPublicKey::new(&ED25519, signer).verify(message, signature).is_ok()
}

/// Whole or not there: a key that was half written would be another one.
fn make(path: &Path) -> std::io::Result<()> {
    let mut seed = [0; 32];
    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut seed)
        .map_err(|_| std::io::Error::other("the system gives no random numbers"))?;
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".unfinished");
    let unfinished = PathBuf::from(unfinished);
    let _from_before = fs::remove_file(&unfinished);
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&unfinished)?;
    writeln!(file, "{}", hex(&seed))?;
    file.sync_all()?;
    fs::rename(&unfinished, path)
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Hexadecimal digits as bytes.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    text.as_bytes()
        .chunks_exact(2)
        .map(|pair| match pair {
            [high, low] => Some((digit(*high)? << 4) | digit(*low)?),
            _ => None,
        })
        .collect()
}
