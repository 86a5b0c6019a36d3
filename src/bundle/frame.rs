//! Frames: a message in a numbered sequence of QR codes, read back in any order.
//!
//! ```text
//! "MQ1" ‖ set (4) ‖ number (1) ‖ count (1) ‖ check (4) ‖ piece
//! ```
//!
//! `number` counts from 0; `set` is the beginning of the message's hash, so that codes of two sheets are not joined;
//! `check` the beginning of a tagged hash of the nine bytes before it and the piece, beside the code's own error
//! correction, which mends what it recognises and sometimes mends wrongly.

use std::collections::BTreeMap;

use crate::base::hash_tagged;
use crate::base::id::bytes_newtype;
use crate::base::limits::QR_CODES_MAX;

const MAGIC: &[u8; 3] = b"MQ1";
const HEAD_BYTES: usize = 13;
/// The bytes of one frame: what a QR code of version 20 with error correction M holds in byte mode. Printed 6 cm wide, a
/// module is 0.6 mm, which the camera of a tablet resolves at 25 cm and a cheap printer prints; M mends 15 %, a fold or a
/// stain. Larger versions need fewer codes and a better camera.
pub const FRAME_BYTES: usize = 666;
/// The bytes of the message in one frame.
pub const PIECE_BYTES: usize = FRAME_BYTES - HEAD_BYTES;

bytes_newtype! {
    /// Names a set of codes.
    SetId, 4
}

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The set.
    pub set: SetId,
    /// Its place, from 0.
    pub number: u8,
    /// How many frames the set has.
    pub count: u8,
    /// Its piece of the message.
    pub piece: Vec<u8>,
}

/// Why bytes are not a frame, or a message does not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The code is something else.
    #[error("a QR code that is not Musubi's")]
    Other,
    /// The check does not hold, or a number is beyond its count.
    #[error("a code of Musubi's that was misread or is damaged; photograph it again")]
    Damaged,
    /// The message needs more codes than a set has.
    #[error("{bytes} bytes need {codes} codes, more than {QR_CODES_MAX}")]
    TooLarge {
        /// The message's bytes.
        bytes: usize,
        /// The codes.
        codes: usize,
    },
    /// The frames together are not the message that was parted.
    #[error("the codes of set {0} do not make what they were made from; photograph them again")]
    Set(SetId),
}

/// Parts a message into frames.
///
/// # Errors
/// [`FrameError::TooLarge`] when it needs too many.
pub fn parted(message: &[u8]) -> Result<Vec<Frame>, FrameError> {
    let codes = message.len().div_ceil(PIECE_BYTES).max(1);
    if codes > QR_CODES_MAX {
        return Err(FrameError::TooLarge { bytes: message.len(), codes });
    }
    let set = set_of(message);
    let count = u8::try_from(codes).expect("at most QR_CODES_MAX");
    // Equal pieces make equal codes: no last one that is nearly empty.
    let size = message.len().div_ceil(codes).max(1);
    let frame = |number: u8| {
        let from = (usize::from(number) * size).min(message.len());
        let piece = message[from..(from + size).min(message.len())].to_vec();
        Frame { set, number, count, piece }
    };
    Ok((0..count).map(frame).collect())
}

impl Frame {
    /// Writes the frame.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = [MAGIC.as_slice(), &self.set.0, &[self.number, self.count]].concat();
        let check = check(&bytes, &self.piece);
        bytes.extend_from_slice(&check);
        bytes.extend_from_slice(&self.piece);
        bytes
    }

    /// Reads a frame.
    ///
    /// # Errors
    /// [`FrameError`] when the bytes are none.
    pub fn read(bytes: &[u8]) -> Result<Self, FrameError> {
        let (head, piece) = bytes.split_at_checked(HEAD_BYTES).ok_or(FrameError::Other)?;
        if !head.starts_with(MAGIC) {
            return Err(FrameError::Other);
        }
        let (fields, sum) = head.split_at(HEAD_BYTES - 4);
        let (number, count) = (fields[7], fields[8]);
        let set = SetId(fields[3..7].try_into().expect("four bytes"));
        if sum != check(fields, piece) || number >= count || usize::from(count) > QR_CODES_MAX {
            return Err(FrameError::Damaged);
        }
        Ok(Self { set, number, count, piece: piece.to_vec() })
    }
}

/// The frames of one set as they are gathered, in any order.
#[derive(Debug, Clone, Default)]
pub struct Gathered {
    count: u8,
    pieces: BTreeMap<u8, Vec<u8>>,
}

impl Gathered {
    /// Adds a frame; one that is there is nothing new.
    pub fn add(&mut self, frame: Frame) {
        self.count = self.count.max(frame.count);
        self.pieces.entry(frame.number).or_insert(frame.piece);
    }

    /// Returns how many codes the set has.
    pub fn count(&self) -> u8 {
        self.count
    }

    /// Lists the numbers that are missing, from 1 as they are printed.
    pub fn missing(&self) -> Vec<u8> {
        (0..self.count).filter(|number| !self.pieces.contains_key(number)).map(|number| number + 1).collect()
    }

    /// Joins the pieces of the set of this name.
    ///
    /// # Errors
    /// [`FrameError::Set`] when they are not what was parted.
    pub fn joined(&self, set: SetId) -> Result<Vec<u8>, FrameError> {
        let message: Vec<u8> = self.pieces.values().flatten().copied().collect();
        if self.missing().is_empty() && set_of(&message) == set {
            Ok(message)
        } else {
            Err(FrameError::Set(set))
        }
    }
}

fn set_of(message: &[u8]) -> SetId {
    SetId(hash_tagged("musubi.qr.set.v1", &[message]).0[..4].try_into().expect("four of 32 bytes"))
}

fn check(fields: &[u8], piece: &[u8]) -> [u8; 4] {
    hash_tagged("musubi.qr.frame.v1", &[fields, piece]).0[..4].try_into().expect("four of 32 bytes")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn frames_in_any_order_and_twice_make_the_message(
            length in 0..3_000_usize,
            byte in any::<u8>(),
            order in Just((0..10_usize).collect::<Vec<_>>()).prop_shuffle(),
        ) {
            let message: Vec<u8> = (0..length).map(|at| byte.wrapping_mul(7).wrapping_add(at as u8)).collect();
            let frames = parted(&message).unwrap();
            let mut gathered = Gathered::default();
            for number in order.iter().chain(&order) {
                let Some(frame) = frames.get(number % frames.len()) else { continue };
                let bytes = frame.to_bytes();
                prop_assert!(bytes.len() <= FRAME_BYTES);
                gathered.add(Frame::read(&bytes).unwrap());
            }
            prop_assert_eq!(gathered.missing(), Vec::<u8>::new());
            prop_assert_eq!(gathered.joined(frames[0].set).unwrap(), message);
        }
    }

    #[test]
    fn what_is_missing_is_named_as_it_is_printed_and_what_is_misread_is_refused() {
        let frames = parted(&[7; 2_000]).unwrap();
        let mut gathered = Gathered::default();
        gathered.add(frames[0].clone());
        gathered.add(frames[3].clone());
        assert_eq!((frames.len(), gathered.missing()), (4, vec![2, 3]));
        assert!(gathered.joined(frames[0].set).is_err());
        let good = frames[1].to_bytes();
        for byte in 0..good.len() {
            let mut bad = good.clone();
            bad[byte] ^= 1;
            assert!(Frame::read(&bad).is_err(), "byte {byte}");
        }
        assert_eq!(Frame::read(b"https://example.com"), Err(FrameError::Other));
        assert!(matches!(parted(&[0; 100_000]), Err(FrameError::TooLarge { .. })));
    }
}
