//! Where in the log listening goes on, and how that is stored.

use syncline_core::change::Position;

use super::gtid::Gtids;

/// Without transactions.
const FIRST_VERSION: u8 = 1;
const VERSION: u8 = 2;

/// Tells one file of a log from another of the same name: when it was begun, and by whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Origin {
    pub begun: u32,
    pub server: u32,
}

/// A place in the log.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Place {
    pub file: String,
    pub offset: u32,
    pub origin: Origin,
}

impl Place {
    /// The position to store: this place, and the last transactions before it.
    pub(super) fn position(&self, gtids: &Gtids) -> Position {
        let mut bytes = vec![VERSION];
        for number in [self.offset, self.origin.begun, self.origin.server] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        bytes.extend_from_slice(self.file.as_bytes());
        bytes.push(0);
        bytes.extend_from_slice(gtids.to_string().as_bytes());
        Position(bytes)
    }

    /// Reads a stored position, of this version or an earlier one.
    pub(super) fn of(position: &Position) -> Option<(Self, Gtids)> {
        let (version, rest) = position.0.split_first()?;
        let (offset, rest) = rest.split_first_chunk()?;
        let (begun, rest) = rest.split_first_chunk()?;
        let (server, rest) = rest.split_first_chunk()?;
        let rest = std::str::from_utf8(rest).ok()?;
        let (file, gtids) = match *version {
            FIRST_VERSION => (rest, ""),
            VERSION => rest.split_once('\0')?,
            _ => return None,
        };
        if file.is_empty() || !file.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        let (begun, server) = (u32::from_be_bytes(*begun), u32::from_be_bytes(*server));
        let (file, offset) = (file.to_owned(), u32::from_be_bytes(*offset));
        Some((Self { file, offset, origin: Origin { begun, server } }, Gtids::parse(gtids)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        let origin = Origin { begun: 0x0102_0304, server: 7 };
        Place { file: "binlog.000003".into(), offset: 1_234, origin }
    }

    #[test]
    fn a_position_is_read_as_it_was_stored() {
        for gtids in ["", "0-1-17", "0-1-17,2-9-4"] {
            let gtids = Gtids::parse(gtids).unwrap();
            assert_eq!(Place::of(&place().position(&gtids)), Some((place(), gtids)));
        }
    }

    #[test]
    fn a_position_of_the_first_version_is_read_and_others_are_none() {
        let stored = |version: u8, rest: &[u8]| {
            let head = [version, 0, 0, 4, 210, 1, 2, 3, 4, 0, 0, 0, 7];
            Place::of(&Position([&head, rest].concat()))
        };
        assert_eq!(stored(1, b"binlog.000003"), Some((place(), Gtids::default())));
        assert_eq!(stored(2, b"binlog.000003"), None);
        assert_eq!(stored(2, b"binlog.000003\0nonsense"), None);
        assert_eq!(stored(3, b"binlog.000003\0"), None);
    }
}
