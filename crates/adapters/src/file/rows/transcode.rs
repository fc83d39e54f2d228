//! Bytes in an encoding in which a separator may be a part of a letter, as UTF-8. What is no letter
//! becomes U+FFFD, which readers take for damage.

use std::io::{self, Read, Write};

use encoding_rs::{Decoder, Encoding};

/// Reads as UTF-8 what is written otherwise.
pub(super) struct Transcoded<R> {
    input: R,
    decoder: Decoder,
    text: Vec<u8>,
    at: usize,
    is_over: bool,
}

impl<R: Read> Transcoded<R> {
    pub(super) fn new(input: R, encoding: &'static Encoding) -> Self {
        let decoder = encoding.new_decoder_with_bom_removal();
        Self { input, decoder, text: Vec::new(), at: 0, is_over: false }
    }
}

impl<R: Read> Read for Transcoded<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.at >= self.text.len() && !self.is_over {
            let mut bytes = [0; 8192];
            let count = self.input.read(&mut bytes)?;
            self.is_over = count == 0;
            let room = self.decoder.max_utf8_buffer_length(count).unwrap_or(64 << 10);
            self.text = vec![0; room];
            let bytes = bytes.get(..count).unwrap_or_default();
            let (_, _, written, _) =
                self.decoder.decode_to_utf8(bytes, &mut self.text, self.is_over);
            self.text.truncate(written);
            self.at = 0;
        }
        let rest = self.text.get(self.at..).unwrap_or_default();
        let count = rest.len().min(out.len());
        if let (Some(to), Some(from)) = (out.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        self.at += count;
        Ok(count)
    }
}

/// How a file in UTF-16 is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::file) struct Wide {
    /// The greater byte comes first.
    pub(in crate::file) is_big: bool,
    /// It begins with a byte order mark.
    pub(in crate::file) has_mark: bool,
}

impl Wide {
    /// Writes the byte order mark, if the file has one.
    ///
    /// # Errors
    /// The disk's.
    pub(in crate::file) fn begin(self, out: &mut impl Write) -> io::Result<()> {
        if self.has_mark { self.write(out, "\u{feff}") } else { Ok(()) }
    }

    /// Writes letters.
    ///
    /// # Errors
    /// The disk's.
    pub(in crate::file) fn write(self, out: &mut impl Write, text: &str) -> io::Result<()> {
        for unit in text.encode_utf16() {
            out.write_all(&if self.is_big { unit.to_be_bytes() } else { unit.to_le_bytes() })?;
        }
        Ok(())
    }
}
