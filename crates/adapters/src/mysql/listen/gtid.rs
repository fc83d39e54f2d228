//! Numbers of transactions that `MariaDB` gives them: the same on every server of a replication.

use std::{collections::BTreeMap, fmt};

use super::event::Bytes;

/// A transaction: its domain, the server that made it, and its number in the domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gtid {
    pub(super) domain: u32,
    pub(super) server: u32,
    pub(super) number: u64,
}

impl Gtid {
    /// Of the event that begins a transaction.
    pub(super) fn of_event(server: u32, data: &[u8]) -> Option<Self> {
        let mut data = Bytes(data);
        let (number, domain) = (data.number(8)?, data.number(4)?);
        Some(Self { domain: u32::try_from(domain).ok()?, server, number })
    }
}

/// The last transaction of each domain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Gtids(BTreeMap<u32, (u32, u64)>);

impl Gtids {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// This one is complete.
    pub(super) fn add(&mut self, gtid: Gtid) {
        self.0.insert(gtid.domain, (gtid.server, gtid.number));
    }

    /// As the server writes them: `0-1-17,2-1-4`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut all = BTreeMap::new();
        for gtid in text.split(',').map(str::trim).filter(|gtid| !gtid.is_empty()) {
            let mut parts = gtid.split('-');
            let domain = parts.next()?.parse().ok()?;
            let last = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
            if parts.next().is_some() {
                return None;
            }
            all.insert(domain, last);
        }
        Some(Self(all))
    }
}

/// As the server reads them.
impl fmt::Display for Gtids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (domain, (server, number))) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma}{domain}-{server}-{number}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_read_as_they_are_written() {
        for text in ["", "0-1-17", "0-1-17,2-9-18446744073709551615"] {
            assert_eq!(Gtids::parse(text).unwrap().to_string(), text);
        }
        for text in ["x", "0-1", "0-1-2-3", "-1-2", "4294967296-1-1"] {
            assert_eq!(Gtids::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_last_of_each_domain_counts() {
        let mut gtids = Gtids::parse("0-1-17,2-1-4").unwrap();
        gtids.add(Gtid { domain: 0, server: 3, number: 18 });
        assert_eq!(gtids.to_string(), "0-3-18,2-1-4");
    }

    #[test]
    fn an_event_says_its_number_and_domain() {
        let data = [18, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 1];
        let gtid = Gtid { domain: 2, server: 3, number: 18 };
        assert_eq!(Gtid::of_event(3, &data), Some(gtid));
        assert_eq!(Gtid::of_event(3, &data[..11]), None);
    }
}
