//! Length-prefixed messages out of a stream of bytes, however it is cut into chunks.
//!
//! ```text
//! length u32 big-endian | length bytes of message
//! ```

/// Bytes of the length before each message.
pub(super) const HEADER_BYTES: usize = 4;

/// Most bytes that are read at once, and that a message's buffer grows beyond what has arrived.
const CHUNK_BYTES_MAX: usize = 64 << 10;

/// Collects one message at a time; what is half read survives between calls.
#[derive(Debug)]
pub(super) struct FrameReader {
    bytes_max: usize,
    header: [u8; HEADER_BYTES],
    header_filled: usize,
    body: Vec<u8>,
    body_bytes: usize,
}

/// The peer announced a message over the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLong {
    /// Length announced, in bytes.
    pub(super) bytes: usize,
}

impl FrameReader {
    /// Returns a reader at a message boundary that accepts messages of at most `bytes_max` bytes.
    pub(super) fn new(bytes_max: usize) -> FrameReader {
        FrameReader {
            bytes_max,
            header: [0; HEADER_BYTES],
            header_filled: 0,
            body: Vec::new(),
            body_bytes: 0,
        }
    }

    /// Returns whether no byte of a next message has arrived yet.
    pub(super) fn at_boundary(&self) -> bool {
        self.header_filled == 0
    }

    /// Returns the length of the message that is arriving, or 0 while that is unknown.
    pub(super) fn message_bytes(&self) -> usize {
        self.body_bytes
    }

    /// Returns the most bytes that the next [`push`](Self::push) may bring; at least 1.
    pub(super) fn wanted(&self) -> usize {
        if self.header_filled < HEADER_BYTES {
            HEADER_BYTES - self.header_filled
        } else {
            (self.body_bytes - self.body.len()).min(CHUNK_BYTES_MAX)
        }
    }

    /// Takes at most [`wanted`](Self::wanted) bytes; returns the message that they complete, if any.
    ///
    /// # Errors
    ///
    /// [`TooLong`] when the length is over the limit; nothing was allocated, and the stream is useless then.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Option<Vec<u8>>, TooLong> {
        let bytes = &bytes[..bytes.len().min(self.wanted())];
        if self.header_filled < HEADER_BYTES {
            self.header[self.header_filled..self.header_filled + bytes.len()].copy_from_slice(bytes);
            self.header_filled += bytes.len();
            if self.header_filled < HEADER_BYTES {
                return Ok(None);
            }
            self.body_bytes = u32::from_be_bytes(self.header) as usize;
            if self.body_bytes > self.bytes_max {
                return Err(TooLong { bytes: self.body_bytes });
            }
        } else {
            self.body.extend_from_slice(bytes);
        }
        if self.body.len() < self.body_bytes {
            return Ok(None);
        }
        self.header_filled = 0;
        self.body_bytes = 0;
        Ok(Some(std::mem::take(&mut self.body)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn feed(reader: &mut FrameReader, mut stream: &[u8], cuts: &[usize]) -> Result<Vec<Vec<u8>>, TooLong> {
        let mut messages = Vec::new();
        let mut cuts = cuts.iter().cycle();
        while !stream.is_empty() {
            let cut = cuts.next().copied().unwrap_or(1).clamp(1, stream.len().min(reader.wanted()));
            messages.extend(reader.push(&stream[..cut])?);
            stream = &stream[cut..];
        }
        Ok(messages)
    }

    proptest! {
        #[test]
        fn messages_survive_any_cutting(
            messages in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..8),
            cuts in proptest::collection::vec(1_usize..100, 1..20),
        ) {
            let mut stream = Vec::new();
            for message in &messages {
                stream.extend_from_slice(&(message.len() as u32).to_be_bytes());
                stream.extend_from_slice(message);
            }
            let mut reader = FrameReader::new(300);
            prop_assert_eq!(feed(&mut reader, &stream, &cuts), Ok(messages));
            prop_assert!(reader.at_boundary());
        }
    }

    #[test]
    fn a_length_over_the_limit_is_refused_without_allocation() {
        let mut reader = FrameReader::new(1_000);
        assert_eq!(reader.push(&1_001_u32.to_be_bytes()), Err(TooLong { bytes: 1_001 }));
        assert_eq!(reader.body.capacity(), 0);
    }

    #[test]
    fn an_announced_length_alone_allocates_nothing() {
        let mut reader = FrameReader::new(usize::MAX);
        assert_eq!(reader.push(&u32::MAX.to_be_bytes()), Ok(None));
        assert_eq!(reader.body.capacity(), 0);
        assert_eq!(reader.wanted(), CHUNK_BYTES_MAX);
    }
}
