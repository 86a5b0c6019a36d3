//! The scanner: finds the whole blocks of a file, and says what of it is none.
//!
//! Sans-IO: bytes in, findings out. It keeps at most one block and what it was last fed, believes no length before the
//! head's check holds, and reads no byte more than a bounded number of times, however a hostile file is made.

use super::block::{self, Block, HEAD_BYTES, Head, MARK, SUM_BYTES};
use crate::base::limits::BUNDLE_BLOCK_BYTES_MAX;

/// What is found in a file, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A whole block.
    Block(Block),
    /// Something that is no whole block.
    Lost(Loss),
}

/// Why bytes are no whole block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loss {
    /// Bytes that belong to no block.
    Foreign {
        /// Where they begin in the file.
        at: u64,
        /// How many.
        bytes: u64,
    },
    /// A block whose content is not what was written.
    Damaged {
        /// Where it begins in the file.
        at: u64,
        /// Its number.
        number: u32,
    },
    /// A block that claims to be larger than any.
    TooLarge {
        /// Where it begins in the file.
        at: u64,
        /// Its number.
        number: u32,
        /// The claim, in bytes.
        length: u32,
    },
    /// The file ends inside a block.
    Cut {
        /// Where the block begins in the file.
        at: u64,
        /// Its number.
        number: u32,
        /// How many of its bytes are missing.
        missing: u64,
    },
    /// So many heads without a block behind them that nobody wrote this as a bundle; the rest is not read.
    Hopeless {
        /// Where reading stopped.
        at: u64,
    },
}

/// Finds blocks in a file that is fed piece by piece.
#[derive(Debug, Default)]
pub struct Scanner {
    buffer: Vec<u8>,
    /// How much of the buffer is done with.
    done: usize,
    /// Where the buffer begins in the file.
    offset: u64,
    fed: u64,
    hashed: u64,
    /// Bytes that belong to no block, up to `done`.
    foreign: u64,
    /// Where the block ends that was last found to be none: of the bytes before, that is all there is to say.
    told_until: u64,
    has_ended: bool,
    is_hopeless: bool,
}

impl Scanner {
    /// Takes the next bytes of the file.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.is_hopeless {
            return;
        }
        self.buffer.drain(..self.done);
        self.offset += self.done as u64;
        self.done = 0;
        self.buffer.extend_from_slice(bytes);
        self.fed += bytes.len() as u64;
    }

    /// Learns that the file has ended.
    pub fn end(&mut self) {
        self.has_ended = true;
    }

    /// Says where the next thing to be found begins in the file.
    pub fn position(&self) -> u64 {
        self.offset + self.done as u64
    }

    /// Gives the next finding; none when more bytes are needed, or after the end.
    pub fn next_found(&mut self) -> Option<Found> {
        loop {
            if self.is_hopeless {
                return None;
            }
            let at = self.position();
            let rest = &self.buffer[self.done..];
            let Some(head) = Head::read(rest) else {
                if rest.len() < HEAD_BYTES && (!self.has_ended || rest.is_empty()) {
                    return if self.has_ended { self.foreign_so_far() } else { None };
                }
                self.skip_to_mark();
                continue;
            };
            if self.foreign > 0 {
                return self.foreign_so_far();
            }
            let Head { bundle, number, kind, length } = head;
            if length as usize > BUNDLE_BLOCK_BYTES_MAX {
                self.done += MARK.len();
                return Some(Found::Lost(Loss::TooLarge { at, number, length }));
            }
            let size = HEAD_BYTES + length as usize + SUM_BYTES;
            let Some(whole) = rest.get(..size) else {
                if !self.has_ended {
                    return None;
                }
                let missing = (size - rest.len()) as u64;
                self.told_until = at + size as u64;
                self.done += MARK.len();
                return Some(Found::Lost(Loss::Cut { at, number, missing }));
            };
            self.hashed += size as u64;
            if self.hashed > 2 * self.fed + BUNDLE_BLOCK_BYTES_MAX as u64 {
                self.is_hopeless = true;
                return Some(Found::Lost(Loss::Hopeless { at }));
            }
            let (body, sum) = whole.split_at(size - SUM_BYTES);
            if sum != block::sum(body) {
                // Its bytes may be wrong, too many or too few: the next block is looked for right behind its mark.
                self.told_until = at + size as u64;
                self.done += MARK.len();
                return Some(Found::Lost(Loss::Damaged { at, number }));
            }
            let block = Block { bundle, number, kind, payload: body[HEAD_BYTES..].to_vec() };
            self.done += size;
            return Some(Found::Block(block));
        }
    }

    fn foreign_so_far(&mut self) -> Option<Found> {
        let bytes = std::mem::take(&mut self.foreign);
        let at = self.position() - bytes;
        (bytes > 0).then_some(Found::Lost(Loss::Foreign { at, bytes }))
    }

    /// Goes on to the next mark, or as far as none can begin.
    fn skip_to_mark(&mut self) {
        let rest = &self.buffer[self.done..];
        let later = rest.get(1..).unwrap_or_default();
        let place = later.windows(MARK.len()).position(|bytes| bytes == MARK);
        let skipped = match place {
            Some(place) => place + 1,
            None if self.has_ended => rest.len(),
            None => rest.len().saturating_sub(MARK.len() - 1).max(1),
        };
        let begin = self.position().max(self.told_until);
        self.done += skipped;
        self.foreign += self.position().saturating_sub(begin);
    }
}
