//! What the configuration says of the webhooks that a system sends.

use std::{net::IpAddr, time::Duration};

use syncline_core::Text;

use crate::settings::{Path, Secret};

/// How a system tells of its changes over HTTP.
#[derive(Clone, Debug)]
pub struct Hook {
    /// How it proves that it is the sender.
    pub style: Style,
    /// What it proves that with; several while one takes the place of another.
    pub secrets: Vec<Secret>,
    /// How old a signed time may be, and how far ahead.
    pub max_age: Duration,
    /// Where the kind of an event is; the style says if this does not.
    pub topic: Option<Part>,
    /// Where the number of an event is, which comes again when it is sent again.
    pub id: Option<Part>,
    /// Where the events are in a body; the body itself, or its elements, if this is the root.
    pub batch: Path,
    /// Which rows events are about; empty: what a topic begins with is a resource.
    pub topics: Vec<Topic>,
    /// Whoever sends must have one of these addresses; empty: anybody.
    pub from: Vec<Network>,
    /// What is sent counts itself; else it only says which row is to be read.
    pub trusts: bool,
    /// What the address under which senders call begins with.
    pub public_url: Option<String>,
}

/// Where something is in what was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// In the header of this name.
    Header(String),
    /// In the body, or in each of its events.
    Member(Path),
}

/// How a sender proves itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Style {
    /// <https://www.standardwebhooks.com>: `webhook-id`, `webhook-timestamp`, `webhook-signature`.
    Standard,
    /// `X-Hub-Signature-256`, over the body.
    Github,
    /// `Stripe-Signature`, over the time and the body.
    Stripe,
    /// `X-Shopify-Hmac-Sha256`, over the body.
    Shopify,
    /// `X-HubSpot-Signature-v3`, over method, address, body and time.
    Hubspot,
    /// As the file describes it.
    Custom(Custom),
    /// Sends the secret itself, in this header, after this prefix.
    Bearer(String, String),
    /// Sends the secret itself, as the last part of the path.
    Path,
    /// Not at all.
    None,
}

impl Style {
    /// As the file names it.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Github => "github",
            Self::Stripe => "stripe",
            Self::Shopify => "shopify",
            Self::Hubspot => "hubspot",
            Self::Custom(_) => "custom",
            Self::Bearer(..) | Self::Path => "bearer",
            Self::None => "none",
        }
    }
}

/// A signature that the file describes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Custom {
    /// The header that holds it.
    pub header: String,
    /// What stands before it there.
    pub prefix: String,
    /// What is signed.
    pub signed: Vec<Piece>,
    /// How.
    pub algorithm: Algorithm,
    /// How its bytes are written.
    pub encoding: Encoding,
    /// Where the time is, if one is signed.
    pub timestamp: Option<Part>,
}

/// A part of what is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// These characters.
    Text(String),
    /// The body, byte for byte.
    Body,
    /// The time, as it was sent.
    Timestamp,
    /// The event's number, as it was sent.
    Id,
    /// The address that was called, as `public_url` begins it.
    Url,
    /// The method.
    Method,
}

/// How a signature is made: HMAC with this digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// SHA-1, as old senders use it; as part of an HMAC it is not known to be broken.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

/// How bytes are written as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Two digits a byte.
    Hex,
    /// Base64, with padding.
    Base64,
}

/// What events of a kind are about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// The topic; `*` stands for any characters.
    pub pattern: String,
    /// The table or resource.
    pub resource: Text,
    /// Where the item is in the event; the style says if this does not.
    pub item: Option<Path>,
    /// Where the parts of its key are in the item; as in the resource if empty.
    pub key: Vec<Path>,
    /// Where a number is in the item that grows with every change of the row.
    pub version: Option<Path>,
    /// It says that the row is gone, and that is believed where what is sent counts itself.
    pub deleted: bool,
}

/// Addresses that begin alike: `10.0.0.0/8`, `2001:db8::1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// Reads an address, or the beginning of several.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(most);
        (bits <= most).then_some(Self { address, bits })
    }

    /// Whether this address is one of them. One of version 4 counts as that however it is written.
    pub fn has(self, address: IpAddr) -> bool {
        let same = |this: u128, other: u128, most: u32| {
            let shift = most - u32::from(self.bits);
            this.checked_shr(shift).unwrap_or(0) == other.checked_shr(shift).unwrap_or(0)
        };
        match (self.address.to_canonical(), address.to_canonical()) {
            (IpAddr::V4(this), IpAddr::V4(other)) => {
                same(u128::from(this.to_bits()), u128::from(other.to_bits()), 32)
            }
            (IpAddr::V6(this), IpAddr::V6(other)) => same(this.to_bits(), other.to_bits(), 128),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_compared_as_far_as_said() {
        let has = |network: &str, address: &str| {
            Network::parse(network).unwrap().has(address.parse().unwrap())
        };
        assert!(has("10.0.0.0/8", "10.7.3.1"));
        assert!(has("10.0.0.0/8", "::ffff:10.7.3.1"));
        assert!(!has("10.0.0.0/8", "11.0.0.1"));
        assert!(has("0.0.0.0/0", "203.0.113.9"));
        assert!(has("2001:db8::/32", "2001:db8:1::2"));
        assert!(!has("127.0.0.1", "127.0.0.2"));
        for text in ["", "10.0.0.0/33", "host", "10.0.0/8"] {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }
}
