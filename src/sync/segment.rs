//! The session's zstd streams: one per direction, flushed at the end of each message, so that every message is
//! compressed in the context of all earlier ones.
//!
//! A segment unfolds to plain runs, each preceded by its length as 4 bytes big-endian. Segments can be unfolded
//! only in order and only once; after an error the stream is of no more use.

use zstd::stream::raw::{CParameter, DParameter, Decoder, Encoder, InBuffer, Operation, OutBuffer};

use super::limits::{SEGMENT_PLAIN_BYTES_MAX, STREAM_LEVEL, STREAM_WINDOW_LOG, STREAM_WINDOW_LOG_MAX};

const STEP_BYTES: usize = 64 << 10;

/// Why a segment could not be folded or unfolded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SegmentError {
    /// The compressor could not be set up or failed: memory is short.
    #[error("compressing a segment")]
    Compress,
    /// The bytes are not a continuation of the peer's stream.
    #[error("unfolding a segment: not a zstd stream within the window limit")]
    Stream,
    /// The segment unfolds to more than any message may hold.
    #[error("unfolding a segment: more than {SEGMENT_PLAIN_BYTES_MAX} bytes")]
    TooLarge,
    /// The unfolded bytes are not a list of length-prefixed items.
    #[error("unfolding a segment: an item is cut off")]
    Cut,
}

/// The outgoing stream.
pub struct Folder {
    encoder: Encoder<'static>,
}

impl Folder {
    /// Starts a stream.
    ///
    /// # Errors
    /// [`SegmentError::Compress`] when memory is short.
    pub fn new() -> Result<Self, SegmentError> {
        let mut encoder = Encoder::new(STREAM_LEVEL).map_err(|_| SegmentError::Compress)?;
        encoder
            .set_parameter(CParameter::WindowLog(STREAM_WINDOW_LOG))
            .map_err(|_| SegmentError::Compress)?;
        Ok(Self { encoder })
    }

    /// Folds items into the stream's next segment.
    ///
    /// # Errors
    /// [`SegmentError`] when the items are larger than a reader accepts, or memory is short.
    pub fn fold<'a>(&mut self, items: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<u8>, SegmentError> {
        let mut plain = Vec::new();
        for item in items {
            let length = u32::try_from(item.len()).map_err(|_| SegmentError::TooLarge)?;
            plain.extend_from_slice(&length.to_be_bytes());
            plain.extend_from_slice(item);
        }
        if plain.len() > SEGMENT_PLAIN_BYTES_MAX {
            return Err(SegmentError::TooLarge);
        }
        let mut segment = Vec::new();
        let mut buffer = vec![0; STEP_BYTES.min(plain.len() + 1_024)];
        let mut input = InBuffer::around(&plain);
        while input.pos() < plain.len() {
            let mut output = OutBuffer::around(&mut buffer[..]);
            self.encoder.run(&mut input, &mut output).map_err(|_| SegmentError::Compress)?;
            segment.extend_from_slice(output.as_slice());
        }
        loop {
            let mut output = OutBuffer::around(&mut buffer[..]);
            let left = self.encoder.flush(&mut output).map_err(|_| SegmentError::Compress)?;
            segment.extend_from_slice(output.as_slice());
            if left == 0 {
                return Ok(segment);
            }
        }
    }
}

/// The incoming stream.
pub struct Unfolder {
    decoder: Decoder<'static>,
}

impl Unfolder {
    /// Starts a stream.
    ///
    /// # Errors
    /// [`SegmentError::Compress`] when memory is short.
    pub fn new() -> Result<Self, SegmentError> {
        let mut decoder = Decoder::new().map_err(|_| SegmentError::Compress)?;
        decoder
            .set_parameter(DParameter::WindowLogMax(STREAM_WINDOW_LOG_MAX))
            .map_err(|_| SegmentError::Compress)?;
        Ok(Self { decoder })
    }

    /// Unfolds the stream's next segment into its items.
    ///
    /// # Errors
    /// [`SegmentError`] when the segment does not continue the stream, is too large or is cut.
    pub fn unfold(&mut self, segment: &[u8]) -> Result<Vec<Vec<u8>>, SegmentError> {
        let mut plain = Vec::new();
        let mut buffer = vec![0; STEP_BYTES];
        let mut input = InBuffer::around(segment);
        loop {
            let mut output = OutBuffer::around(&mut buffer[..]);
            let before = input.pos();
            self.decoder.run(&mut input, &mut output).map_err(|_| SegmentError::Stream)?;
            let made = output.as_slice();
            if plain.len() + made.len() > SEGMENT_PLAIN_BYTES_MAX {
                return Err(SegmentError::TooLarge);
            }
            plain.extend_from_slice(made);
            let full = made.len() == STEP_BYTES;
            if input.pos() == segment.len() && !full {
                return split(&plain);
            }
            if input.pos() == before && made.is_empty() {
                return Err(SegmentError::Stream);
            }
        }
    }
}

fn split(mut plain: &[u8]) -> Result<Vec<Vec<u8>>, SegmentError> {
    let mut items = Vec::new();
    while !plain.is_empty() {
        let (length, rest) = plain.split_first_chunk::<4>().ok_or(SegmentError::Cut)?;
        let length = u32::from_be_bytes(*length) as usize;
        if length == 0 || length > rest.len() {
            return Err(SegmentError::Cut);
        }
        let (item, rest) = rest.split_at(length);
        items.push(item.to_vec());
        plain = rest;
    }
    Ok(items)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(words: u32) -> Vec<u8> {
        (0..words).flat_map(|n| format!("allergy {} of person {}; ", n % 7, n * 31).into_bytes()).collect()
    }

    #[test]
    fn what_was_said_before_makes_the_next_segment_smaller() {
        let (mut folder, mut unfolder) = (Folder::new().unwrap(), Unfolder::new().unwrap());
        let item = text(300);
        let first = folder.fold([item.as_slice()]).unwrap();
        let second = folder.fold([item.as_slice(), b"more".as_slice()]).unwrap();
        assert!(second.len() * 5 < first.len(), "{} then {}", first.len(), second.len());
        assert_eq!(unfolder.unfold(&first).unwrap(), vec![item.clone()]);
        assert_eq!(unfolder.unfold(&second).unwrap(), vec![item, b"more".to_vec()]);
    }

    #[test]
    fn the_largest_item_passes_and_a_larger_one_does_not() {
        let (mut folder, mut unfolder) = (Folder::new().unwrap(), Unfolder::new().unwrap());
        let most = vec![7; SEGMENT_PLAIN_BYTES_MAX - 4];
        let segment = folder.fold([most.as_slice()]).unwrap();
        assert_eq!(unfolder.unfold(&segment).unwrap()[0].len(), most.len());
        assert_eq!(folder.fold([vec![7; most.len() + 1].as_slice()]), Err(SegmentError::TooLarge));
    }

    #[test]
    fn a_bomb_is_stopped_at_the_limit() {
        let bomb = zstd::bulk::compress(&vec![0; 64 << 20], 3).unwrap();
        assert!(bomb.len() < 16 << 10);
        assert_eq!(Unfolder::new().unwrap().unfold(&bomb), Err(SegmentError::TooLarge));
    }

    #[test]
    fn a_window_beyond_the_limit_is_refused() {
        let mut encoder = Encoder::new(3).unwrap();
        encoder.set_parameter(CParameter::WindowLog(STREAM_WINDOW_LOG_MAX + 1)).unwrap();
        let mut buffer = vec![0; 1 << 10];
        let mut output = OutBuffer::around(&mut buffer[..]);
        encoder.run(&mut InBuffer::around(b"abc"), &mut output).unwrap();
        encoder.flush(&mut output).unwrap();
        let segment = output.as_slice().to_vec();
        assert_eq!(Unfolder::new().unwrap().unfold(&segment), Err(SegmentError::Stream));
    }

    #[test]
    fn garbage_and_cut_items_are_errors() {
        assert_eq!(Unfolder::new().unwrap().unfold(b"not a frame"), Err(SegmentError::Stream));
        assert_eq!(split(&[0, 0, 0, 2, 1]), Err(SegmentError::Cut));
        assert_eq!(split(&[0, 0, 0]), Err(SegmentError::Cut));
        assert_eq!(split(&[0, 0, 0, 0]), Err(SegmentError::Cut));
    }
}
