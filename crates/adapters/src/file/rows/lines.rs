//! Lines of a file, with their numbers; blank ones are passed over.

use std::io::{self, BufRead, Read as _};

/// The most bytes of a line.
const LINE_MAX: u64 = 16 << 20;

/// Reads lines.
#[derive(Debug)]
pub(super) struct Lines<R> {
    input: R,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, number: 0 }
    }

    /// The next line that is not blank, with its number and its end.
    ///
    /// # Errors
    /// What kept the file from being read, or that the line is too long.
    pub(super) fn next(&mut self) -> io::Result<Option<(u64, Vec<u8>)>> {
        loop {
            let mut line = Vec::new();
            (&mut self.input).take(LINE_MAX).read_until(b'\n', &mut line)?;
            self.number += 1;
            if line.is_empty() {
                return Ok(None);
            }
            if line.len() as u64 >= LINE_MAX {
                let why = format!("line {} is longer than 16 MiB", self.number);
                return Err(io::Error::new(io::ErrorKind::InvalidData, why));
            }
            if !line.trim_ascii().is_empty() {
                return Ok(Some((self.number, line)));
            }
        }
    }
}
