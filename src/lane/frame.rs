//! Frames: a run as bytes.
//!
//! The *plain form* is the canonical CBOR `[1, lane, start, [checkpoint …], [entry …]]`; on the wire it
//! travels inside the session's own zstd stream. A *frame* is a run at rest, in segments and in bundles:
//!
//! ```text
//! 0        4              8
//! "MSF1"   plain length   zstd frame of the plain form, to the end
//!          (u32, BE)
//! ```
//!
//! A reader believes no length: inflation stops at the declared length, which is at most
//! `RUN_PLAIN_BYTES_MAX`, and memory grows with what is really there.

use std::cell::{Cell, RefCell};
use std::io::{self, Read as _};

use zstd::bulk::{Compressor, Decompressor};

use super::run::{Run, ShapeError};
use crate::base::cbor::{self, CborError};
use crate::base::limits::{RUN_BYTES_MAX, RUN_PLAIN_BYTES_MAX};

const MAGIC: &[u8; 4] = b"MSF1";
const HEADER_BYTES: usize = 8;
/// Runs of these sizes are packed as well at 1 as at 3, and quicker.
const ZSTD_LEVEL: i32 = 1;
/// Largest zstd window that a reader provides, as a power of two: the first that holds `RUN_PLAIN_BYTES_MAX`.
const ZSTD_WINDOW_LOG_MAX: u32 = RUN_PLAIN_BYTES_MAX.next_power_of_two().trailing_zeros();

/// What an ordinary run takes at most in its plain form, twice: it is inflated into one buffer of the declared length.
const AT_ONCE_BYTES_MAX: usize = 2 * RUN_BYTES_MAX;
/// What a run takes besides its entries and checkpoints, at most.
const RUN_HEAD_BYTES: usize = 64;
/// What an entry takes besides its body, at most.
const ENTRY_HEAD_BYTES: usize = 16;
/// What a checkpoint takes, at most.
const CHECKPOINT_BYTES: usize = 80;

thread_local! {
    /// Contexts are some megabytes to set up and clear, more work than most runs are; they know nothing of the run before.
    static PACKER: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static UNPACKER: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
    /// Memory for the plain form, which is needed only on the way.
    static PLAIN: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Why bytes are not a run.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The header is not a frame's.
    #[error("reading a frame: not a frame of a known version")]
    Header,
    /// The run is larger than any run.
    #[error("reading a run: {0} bytes, more than {RUN_PLAIN_BYTES_MAX}")]
    TooLarge(usize),
    /// The packed bytes do not inflate.
    #[error("reading a frame: inflating: {0}")]
    Inflate(std::io::Error),
    /// The packed bytes inflate to another length than the header declares.
    #[error("reading a frame: not of the declared length {0}")]
    Length(usize),
    /// Bytes follow the end of the packed bytes.
    #[error("reading a frame: {0} bytes after its end")]
    Tail(usize),
    /// The plain bytes are not the canonical form.
    #[error("reading a run: {0}")]
    Encoding(#[from] CborError),
    /// The fields do not make a run.
    #[error("reading a run: {0}")]
    Shape(#[from] ShapeError),
}

/// Encodes a run in its plain form.
pub fn encode_plain(run: &Run) -> Vec<u8> {
    let heads = run.entries.len() * ENTRY_HEAD_BYTES + run.checkpoints.len() * CHECKPOINT_BYTES;
    cbor::to_vec_of(run, RUN_HEAD_BYTES + heads + run.body_bytes())
}

/// Decodes the plain form of a run that keeps all limits and is complete; its signatures are not checked here.
///
/// # Errors
/// [`FrameError`] says what is wrong.
pub fn decode_plain(plain: &[u8]) -> Result<Run, FrameError> {
    if plain.len() > RUN_PLAIN_BYTES_MAX {
        return Err(FrameError::TooLarge(plain.len()));
    }
    let run: Run = cbor::from_canonical(plain)?;
    run.check_shape()?;
    Ok(run)
}

/// Packs a run as a frame.
pub fn pack(run: &Run) -> Vec<u8> {
    with_plain(|plain| {
        minicbor::encode(run, &mut *plain).expect("writing to a Vec cannot fail");
        let packed = with_packer(|packer| packer.compress(plain)).expect("the output buffer fits any input");
        let length = u32::try_from(plain.len()).expect("a run has less than 4 GiB");
        [MAGIC.as_slice(), &length.to_be_bytes(), &packed].concat()
    })
}

/// Unpacks a frame; its signatures are not checked here.
///
/// # Errors
/// [`FrameError`] says what is wrong.
pub fn unpack(frame: &[u8]) -> Result<Run, FrameError> {
    let (packed, length) = opened(frame)?;
    inflated(packed, length, decode_plain)
}

/// Unpacks a frame of which a seal has proven that this program packed it: so its plain form is canonical.
///
/// # Errors
/// [`FrameError`] says what is wrong.
pub fn unpack_own(frame: &[u8]) -> Result<Run, FrameError> {
    let (packed, length) = opened(frame)?;
    inflated(packed, length, |plain| {
        let run: Run = minicbor::decode(plain).map_err(CborError::Malformed)?;
        run.check_shape()?;
        Ok(run)
    })
}

/// Reads the head of a frame: what is packed, and how long it is inflated.
fn opened(frame: &[u8]) -> Result<(&[u8], usize), FrameError> {
    let (header, packed) = frame.split_at_checked(HEADER_BYTES).ok_or(FrameError::Header)?;
    let (magic, length) = header.split_at(MAGIC.len());
    if magic != MAGIC {
        return Err(FrameError::Header);
    }
    let length = u32::from_be_bytes(length.try_into().expect("four of eight bytes")) as usize;
    if length > RUN_PLAIN_BYTES_MAX {
        return Err(FrameError::TooLarge(length));
    }
    Ok((packed, length))
}

/// Inflates exactly one zstd frame that gives exactly `length` bytes, and reads them.
fn inflated<T>(
    packed: &[u8],
    length: usize,
    read: impl FnOnce(&[u8]) -> Result<T, FrameError>,
) -> Result<T, FrameError> {
    with_plain(|plain| match inflate_at_once(packed, length, plain) {
        Some(()) => read(plain),
        None => read(&inflate_by_steps(packed, length)?),
    })
}

/// Inflates what is one frame of an ordinary run, with a context that is kept; none for all else, whatever it is.
fn inflate_at_once(packed: &[u8], length: usize, plain: &mut Vec<u8>) -> Option<()> {
    let is_one = zstd::zstd_safe::find_frame_compressed_size(packed).ok() == Some(packed.len());
    if length > AT_ONCE_BYTES_MAX || !is_one {
        return None;
    }
    plain.reserve(length);
    let made = with_unpacker(|unpacker| unpacker.decompress_to_buffer(packed, plain)).ok()?;
    (made == length && plain.len() == length).then_some(())
}

fn inflate_by_steps(packed: &[u8], length: usize) -> Result<Vec<u8>, FrameError> {
    let mut decoder =
        zstd::stream::read::Decoder::with_buffer(packed).map_err(FrameError::Inflate)?.single_frame();
    decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(FrameError::Inflate)?;
    let mut plain = Vec::new();
    (&mut decoder).take(length as u64 + 1).read_to_end(&mut plain).map_err(FrameError::Inflate)?;
    if plain.len() != length {
        return Err(FrameError::Length(length));
    }
    decoder.finish_frame().map_err(FrameError::Inflate)?;
    match decoder.into_inner().len() {
        0 => Ok(plain),
        tail => Err(FrameError::Tail(tail)),
    }
}

/// Gives empty memory for a plain form, and keeps it for the next one unless it has become large.
fn with_plain<T>(use_it: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    let mut plain = PLAIN.take();
    let used = use_it(&mut plain);
    if plain.capacity() <= 2 * AT_ONCE_BYTES_MAX {
        plain.clear();
        PLAIN.set(plain);
    }
    used
}

fn with_packer<T>(pack: impl FnOnce(&mut Compressor<'static>) -> io::Result<T>) -> io::Result<T> {
    PACKER.with_borrow_mut(|kept| match kept {
        Some(packer) => pack(packer),
        None => pack(kept.insert(Compressor::new(ZSTD_LEVEL)?)),
    })
}

fn with_unpacker<T>(unpack: impl FnOnce(&mut Decompressor<'static>) -> io::Result<T>) -> io::Result<T> {
    UNPACKER.with_borrow_mut(|kept| match kept {
        Some(unpacker) => unpack(unpacker),
        None => unpack(kept.insert(Decompressor::new()?)),
    })
}
