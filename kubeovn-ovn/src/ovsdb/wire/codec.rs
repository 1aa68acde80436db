//! Splits a stream of bytes into JSON values: OVSDB has no framing, one object simply follows another.
//!
//! The splitter counts brackets outside of strings and remembers where it stopped, so every byte is looked at once
//! however the stream is cut. It does not check JSON beyond that; decoding the frame does.

#[cfg(test)]
mod tests;

/// Bytes in, frames out.
#[derive(Debug)]
pub struct Splitter {
    buffer: Vec<u8>,
    /// Where the frame in progress begins; before it is what has been handed out.
    start: usize,
    /// Up to where the buffer has been looked at.
    scanned: usize,
    depth: usize,
    place: Place,
    limit: usize,
}

/// A stream that cannot be cut into frames; nothing that follows can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// A value that is no object, or bytes that are no JSON at all.
    #[error("byte {byte:#04x} where a message should begin")]
    NoObject {
        /// The byte found instead of `{`.
        byte: u8,
    },
    /// A message that is longer than this side is ready to hold.
    #[error("a message exceeds the limit of {limit} bytes")]
    TooLong {
        /// The limit in bytes.
        limit: usize,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Outside,
    InString,
    AfterBackslash,
}

impl Splitter {
    /// A splitter at the beginning of a stream that refuses messages of more than `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { buffer: Vec::new(), start: 0, scanned: 0, depth: 0, place: Place::Outside, limit }
    }

    /// Takes the next bytes of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        self.forget();
        self.buffer.extend_from_slice(bytes);
    }

    /// The next complete message, or `None` until more bytes are pushed. Long messages are handed out without a copy.
    ///
    /// # Errors
    /// The stream is broken, see [`FrameError`]; do not go on with it.
    pub fn next_frame(&mut self) -> Result<Option<Vec<u8>>, FrameError> {
        while let Some(&byte) = self.buffer.get(self.scanned) {
            if self.depth == 0 {
                match byte {
                    b' ' | b'\t' | b'\r' | b'\n' => {
                        self.scanned += 1;
                        self.start = self.scanned;
                        continue;
                    }
                    b'{' => self.start = self.scanned,
                    byte => return Err(FrameError::NoObject { byte }),
                }
            }
            self.step(byte);
            self.scanned += 1;
            if self.place == Place::InString {
                self.pass();
            }
            if self.scanned - self.start > self.limit {
                return Err(FrameError::TooLong { limit: self.limit });
            }
            if self.depth == 0 {
                return Ok(Some(self.cut()));
            }
        }
        Ok(None)
    }

    /// Passes over the plain bytes of a string, which is most of a message.
    fn pass(&mut self) {
        let rest = self.buffer.get(self.scanned..).unwrap_or_default();
        let plain = rest.iter().position(|byte| matches!(byte, b'"' | b'\\'));
        self.scanned += plain.unwrap_or(rest.len());
    }

    /// Takes the frame that ends where the scan stands out of the buffer.
    fn cut(&mut self) -> Vec<u8> {
        if self.start == 0 && self.scanned * 2 > self.buffer.len() {
            let rest = self.buffer.split_off(self.scanned);
            self.scanned = 0;
            std::mem::replace(&mut self.buffer, rest)
        } else {
            let frame = self.buffer.get(self.start..self.scanned).unwrap_or_default().to_vec();
            self.start = self.scanned;
            frame
        }
    }

    /// Drops what was handed out.
    fn forget(&mut self) {
        self.buffer.drain(..self.start);
        self.scanned -= self.start;
        self.start = 0;
    }

    fn step(&mut self, byte: u8) {
        match (self.place, byte) {
            (Place::Outside, b'"') | (Place::AfterBackslash, _) => self.place = Place::InString,
            (Place::Outside, b'{' | b'[') => self.depth += 1,
            (Place::Outside, b'}' | b']') => self.depth -= 1,
            (Place::InString, b'\\') => self.place = Place::AfterBackslash,
            (Place::InString, b'"') => self.place = Place::Outside,
            (Place::Outside | Place::InString, _) => {}
        }
    }
}
