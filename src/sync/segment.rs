//! The session's zstd streams: one per direction, flushed at the end of each message, so that every message is
//! compressed in the context of all earlier ones.
//!
//! A segment unfolds to plain runs, each preceded by its length as 4 bytes big-endian. Segments can be unfolded
//! only in order and only once; after an error the stream is of no more use.

use std::ops::Range;
use std::{io, mem};

use zstd::stream::raw::{Decoder, Encoder, InBuffer, Operation, OutBuffer};

use super::limits::{SEGMENT_PLAIN_BYTES, SEGMENT_PLAIN_BYTES_MAX};
use super::streams::Streams;

const STEP_BYTES: usize = 64 << 10;
/// Memory that is kept for the next segment: what honest messages unfold to is a quarter of a megabyte, and the head of the
/// last run.
const SPARE_BYTES_MAX: usize = SEGMENT_PLAIN_BYTES + (16 << 10);
/// How much larger text is than what it was folded to, at most as a rule.
const UNFOLDED_TIMES: usize = 24;

/// Why a segment could not be folded or unfolded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SegmentError {
    /// A context could not be set up, or the compressor failed: memory is short.
    #[error("compressing a segment, or setting up to unfold one: memory is short")]
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

/// The outgoing stream. It takes its encoder from the pool when something is first folded, and gives it back in
/// the end.
pub struct Folder {
    streams: Streams,
    stream: Stream<Encoder<'static>>,
}

/// The context of one direction.
enum Stream<C> {
    /// Nothing has come yet.
    Unused,
    /// In the middle of the stream.
    Running(C),
    /// After an error: the context is gone.
    Broken,
}

impl Folder {
    /// Prepares a stream.
    pub fn new(streams: Streams) -> Self {
        Self { streams, stream: Stream::Unused }
    }

    /// Says whether it holds an encoder.
    pub fn is_running(&self) -> bool {
        matches!(self.stream, Stream::Running(_))
    }

    /// Folds items into the stream's next segment.
    ///
    /// # Errors
    /// [`SegmentError`] when the items are larger than a reader accepts, or memory is short.
    pub fn fold<'a>(&mut self, items: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<u8>, SegmentError> {
        let items: Vec<&[u8]> = items.into_iter().collect();
        let plain: usize = items.iter().map(|item| 4 + item.len()).sum();
        if plain > SEGMENT_PLAIN_BYTES_MAX {
            return Err(SegmentError::TooLarge);
        }
        // The encoder comes back only when all went well.
        let mut encoder = match mem::replace(&mut self.stream, Stream::Broken) {
            Stream::Unused => self.streams.encoder().ok_or(SegmentError::Compress)?,
            Stream::Running(encoder) => encoder,
            Stream::Broken => return Err(SegmentError::Compress),
        };
        let segment = compressed(&mut encoder, &items, plain).map_err(|_| SegmentError::Compress)?;
        self.stream = Stream::Running(encoder);
        Ok(segment)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Stream::Running(encoder) = mem::replace(&mut self.stream, Stream::Broken) {
            self.streams.give_encoder(encoder);
        }
    }
}

/// Folds each item behind its length, `plain` bytes together; the items are not moved for it.
fn compressed(encoder: &mut Encoder<'static>, items: &[&[u8]], plain: usize) -> io::Result<Vec<u8>> {
    let mut segment = Vec::with_capacity(plain / 8 + 64);
    let mut buffer = vec![0; STEP_BYTES.min(plain + 1_024)];
    for item in items {
        let length = u32::try_from(item.len()).map_err(io::Error::other)?.to_be_bytes();
        for part in [&length[..], item] {
            let mut input = InBuffer::around(part);
            while input.pos() < part.len() {
                let mut output = OutBuffer::around(&mut buffer[..]);
                encoder.run(&mut input, &mut output)?;
                segment.extend_from_slice(output.as_slice());
            }
        }
    }
    loop {
        let mut output = OutBuffer::around(&mut buffer[..]);
        let left = encoder.flush(&mut output)?;
        segment.extend_from_slice(output.as_slice());
        if left == 0 {
            return Ok(segment);
        }
    }
}

/// The incoming stream. It takes its decoder from the pool when something first comes, and gives it back in the
/// end.
pub struct Unfolder {
    streams: Streams,
    stream: Stream<Decoder<'static>>,
    /// Memory of the last segment, for the next one.
    spare: Vec<u8>,
}

/// The items of a segment.
#[derive(Debug, PartialEq, Eq)]
pub struct Unfolded {
    plain: Vec<u8>,
    items: Vec<Range<usize>>,
}

impl Unfolded {
    /// Returns how many items there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Says whether there is none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Returns the items in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.items.iter().map(|item| &self.plain[item.clone()])
    }
}

impl Unfolder {
    /// Prepares a stream.
    pub fn new(streams: Streams) -> Self {
        Self { streams, stream: Stream::Unused, spare: Vec::new() }
    }

    /// Says whether it holds a decoder.
    pub fn is_running(&self) -> bool {
        matches!(self.stream, Stream::Running(_))
    }

    /// Unfolds the stream's next segment into its items.
    ///
    /// # Errors
    /// [`SegmentError`] when the segment does not continue the stream, is too large or is cut, or memory is
    /// short.
    pub fn unfold(&mut self, segment: &[u8]) -> Result<Unfolded, SegmentError> {
        // The decoder comes back only when all went well.
        let mut decoder = match mem::replace(&mut self.stream, Stream::Broken) {
            Stream::Unused => self.streams.decoder().ok_or(SegmentError::Compress)?,
            Stream::Running(decoder) => decoder,
            Stream::Broken => return Err(SegmentError::Stream),
        };
        let mut plain = mem::take(&mut self.spare);
        decompress(&mut decoder, segment, &mut plain)?;
        let items = split(&plain)?;
        self.stream = Stream::Running(decoder);
        Ok(Unfolded { plain, items })
    }

    /// Takes the memory of a segment back that nobody needs any more: the next is unfolded into it.
    pub fn reuse(&mut self, unfolded: Unfolded) {
        self.spare = unfolded.plain;
        self.spare.clear();
        // What an unusually large one took is given back.
        self.spare.shrink_to(SPARE_BYTES_MAX);
    }
}

impl Drop for Unfolder {
    fn drop(&mut self) {
        if let Stream::Running(decoder) = mem::replace(&mut self.stream, Stream::Broken) {
            self.streams.give_decoder(decoder);
        }
    }
}

/// Unfolds a segment into `plain`, which is empty.
fn decompress(
    decoder: &mut Decoder<'static>,
    segment: &[u8],
    plain: &mut Vec<u8>,
) -> Result<(), SegmentError> {
    let mut input = InBuffer::around(segment);
    loop {
        if plain.capacity() == plain.len() {
            // Memory grows with what is really there, and to no more than any message may hold.
            let room = (segment.len() * UNFOLDED_TIMES).clamp(STEP_BYTES, SPARE_BYTES_MAX).max(plain.len());
            plain.reserve_exact(room.min((SEGMENT_PLAIN_BYTES_MAX + 1).saturating_sub(plain.len())).max(1));
        }
        let (before, held) = (input.pos(), plain.len());
        let mut output = OutBuffer::around_pos(plain, held);
        decoder.run(&mut input, &mut output).map_err(|_| SegmentError::Stream)?;
        if plain.len() > SEGMENT_PLAIN_BYTES_MAX {
            return Err(SegmentError::TooLarge);
        }
        let full = plain.len() == plain.capacity();
        if input.pos() == segment.len() && !full {
            return Ok(());
        }
        if input.pos() == before && plain.len() == held {
            return Err(SegmentError::Stream);
        }
    }
}

/// Finds the items.
fn split(plain: &[u8]) -> Result<Vec<Range<usize>>, SegmentError> {
    let (mut items, mut at) = (Vec::new(), 0);
    while at < plain.len() {
        let (length, rest) = plain[at..].split_first_chunk::<4>().ok_or(SegmentError::Cut)?;
        let length = u32::from_be_bytes(*length) as usize;
        if length == 0 || length > rest.len() {
            return Err(SegmentError::Cut);
        }
        items.push(at + 4..at + 4 + length);
        at += 4 + length;
    }
    Ok(items)
}

#[cfg(test)]
mod tests {
    use zstd::stream::raw::CParameter;

    use super::super::limits::STREAM_WINDOW_LOG_MAX;
    use super::*;

    fn text(words: u32) -> Vec<u8> {
        (0..words).flat_map(|n| format!("allergy {} of person {}; ", n % 7, n * 31).into_bytes()).collect()
    }

    #[test]
    fn what_was_said_before_makes_the_next_segment_smaller() {
        let (mut folder, mut unfolder) = (Folder::new(Streams::default()), Unfolder::new(Streams::default()));
        let item = text(300);
        let first = folder.fold([item.as_slice()]).unwrap();
        let second = folder.fold([item.as_slice(), b"more".as_slice()]).unwrap();
        assert!(second.len() * 5 < first.len(), "{} then {}", first.len(), second.len());
        let first = unfolder.unfold(&first).unwrap();
        assert_eq!(first.iter().collect::<Vec<_>>(), [item.as_slice()]);
        unfolder.reuse(first);
        assert_eq!(unfolder.unfold(&second).unwrap().iter().collect::<Vec<_>>(), [item.as_slice(), b"more"]);
    }

    #[test]
    fn the_largest_item_passes_and_a_larger_one_does_not() {
        let (mut folder, mut unfolder) = (Folder::new(Streams::default()), Unfolder::new(Streams::default()));
        let most = vec![7; SEGMENT_PLAIN_BYTES_MAX - 4];
        let segment = folder.fold([most.as_slice()]).unwrap();
        assert_eq!(unfolder.unfold(&segment).unwrap().iter().next().unwrap().len(), most.len());
        assert_eq!(folder.fold([vec![7; most.len() + 1].as_slice()]), Err(SegmentError::TooLarge));
    }

    #[test]
    fn a_bomb_is_stopped_at_the_limit() {
        let bomb = zstd::bulk::compress(&vec![0; 64 << 20], 3).unwrap();
        assert!(bomb.len() < 16 << 10);
        assert_eq!(Unfolder::new(Streams::default()).unfold(&bomb), Err(SegmentError::TooLarge));
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
        assert_eq!(Unfolder::new(Streams::default()).unfold(&segment), Err(SegmentError::Stream));
    }

    #[test]
    fn garbage_and_cut_items_are_errors() {
        assert_eq!(Unfolder::new(Streams::default()).unfold(b"not a frame"), Err(SegmentError::Stream));
        assert_eq!(split(&[0, 0, 0, 2, 1]), Err(SegmentError::Cut));
        assert_eq!(split(&[0, 0, 0]), Err(SegmentError::Cut));
        assert_eq!(split(&[0, 0, 0, 0]), Err(SegmentError::Cut));
    }
}
