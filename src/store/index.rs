//! Index blocks: postings by token, in blocks of about 8 KiB that split one at a time.
//!
//! Single rows cost 170–180 B each in the database; blocks cost what they hold. Which block a token is in is
//! linear hashing (Litwin, 1980): with `n` blocks and `2^l ≤ n < 2^(l+1)`, a token with hash `h` is in block
//! `h mod 2^(l+1)` if that is below `n`, else in `h mod 2^l`. Growing from `n` to `n + 1` moves a part of block
//! `n - 2^l` to block `n` and touches nothing else.
//!
//! ```text
//! block:     (token (16) ‖ length of the list in bytes (varint) ‖ list)*    tokens ascending
//! list:      (lane number delta (varint) ‖ seq (varint))*                   (lane number, seq) ascending
//!            the first delta is from 0; seq is a delta from the one before when the lane delta is 0
//! varint:    7 bits a byte, least significant first, at most 10 bytes
//! ```

use super::api::Token;

/// The plain bytes that blocks hold on average before the index grows by a block; between two splits a block
/// then holds up to twice as much.
pub const BLOCK_BYTES_MEAN: u64 = 6 << 10;

/// A place that a token leads to, with the lane as this store numbers it.
pub type LocalPosting = (u32, u64);

/// How the index is spread over blocks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fanout {
    /// How many blocks there are; 0 before the first posting.
    pub blocks: u32,
    /// The plain bytes in all blocks.
    pub bytes: u64,
}

impl Fanout {
    /// Returns the block that a token is in, `None` when there is none yet.
    pub fn block_of(&self, token: &Token) -> Option<u32> {
        let level = self.blocks.checked_ilog2()?;
        let hash = hash_of(token);
        let wide = hash & mask(level + 1);
        Some(if wide < u64::from(self.blocks) { wide } else { hash & mask(level) } as u32)
    }

    /// Says whether the index should grow by a block.
    pub fn is_full(&self) -> bool {
        self.blocks < u32::MAX && self.bytes > u64::from(self.blocks) * BLOCK_BYTES_MEAN
    }

    /// Adds a block: returns (the block to divide, the new block); `blocks` is one more then.
    pub fn grow(&mut self) -> (u32, u32) {
        let new = self.blocks;
        let source = new.checked_ilog2().map_or(0, |level| new - (1 << level));
        self.blocks += 1;
        (source, new)
    }
}

/// Adds postings (sorted by token) to a block; lists that are not touched are copied as they are.
///
/// Returns `None` when the block is malformed.
pub fn merge(block: &[u8], added: &[(Token, LocalPosting)]) -> Option<Vec<u8>> {
    let mut merged = Vec::with_capacity(block.len() + added.len() * 24);
    let mut lists = Lists { rest: block }.peekable();
    let mut groups = added.chunk_by(|a, b| a.0 == b.0).peekable();
    loop {
        let old = match lists.peek() {
            Some(None) => return None,
            Some(Some((token, _))) => Some(*token),
            None => None,
        };
        let new = groups.peek().map(|group| group[0].0);
        match (old, new) {
            (None, None) => return Some(merged),
            (Some(token), other) if other.is_none_or(|new| token < new) => {
                let (_, list) = lists.next().flatten()?;
                put_list(&mut merged, &token, list);
            }
            (old, Some(token)) => {
                let mut postings = match old {
                    Some(old) if old == token => read_list(lists.next().flatten()?.1)?,
                    Some(_) | None => Vec::new(),
                };
                postings.extend(groups.next().into_iter().flatten().map(|(_, posting)| *posting));
                postings.sort_unstable();
                postings.dedup();
                put_list(&mut merged, &token, &write_list(&postings));
            }
            (Some(_), None) => return None,
        }
    }
}

/// Returns the postings of a token in its block, `None` when the block is malformed.
pub fn find(block: &[u8], token: &Token) -> Option<Vec<LocalPosting>> {
    for list in (Lists { rest: block }) {
        let (found, list) = list?;
        match found.cmp(token) {
            std::cmp::Ordering::Less => {}
            std::cmp::Ordering::Equal => return read_list(list),
            std::cmp::Ordering::Greater => break,
        }
    }
    Some(Vec::new())
}

/// Returns all postings of a block, sorted; `None` when it is malformed.
pub fn postings(block: &[u8]) -> Option<Vec<(Token, LocalPosting)>> {
    let mut all = Vec::new();
    for list in (Lists { rest: block }) {
        let (token, list) = list?;
        all.extend(read_list(list)?.into_iter().map(|posting| (token, posting)));
    }
    Some(all)
}

/// Divides a block between itself and the new block of a [`Fanout`] that has just grown: (stays, moves).
///
/// Returns `None` when the block is malformed.
pub fn divide(block: &[u8], fanout: &Fanout, new: u32) -> Option<(Vec<u8>, Vec<u8>)> {
    let (mut stays, mut moves) = (Vec::new(), Vec::new());
    for list in (Lists { rest: block }) {
        let (token, list) = list?;
        let target = if fanout.block_of(&token) == Some(new) { &mut moves } else { &mut stays };
        put_list(target, &token, list);
    }
    Some((stays, moves))
}

fn hash_of(token: &Token) -> u64 {
    u64::from_le_bytes(token.0[..8].try_into().expect("a token has 16 bytes"))
}

fn mask(bits: u32) -> u64 {
    (1 << bits) - 1
}

/// The lists of a block; `Some(None)` once for what is malformed, then the end.
struct Lists<'a> {
    rest: &'a [u8],
}

impl<'a> Lists<'a> {
    fn read(&mut self) -> Option<(Token, &'a [u8])> {
        let (token, mut rest) = self.rest.split_first_chunk::<16>()?;
        let length = usize::try_from(take_varint(&mut rest)?).ok()?;
        let (list, rest) = rest.split_at_checked(length)?;
        self.rest = rest;
        Some((Token(*token), list))
    }
}

impl<'a> Iterator for Lists<'a> {
    type Item = Option<(Token, &'a [u8])>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let list = self.read();
        if list.is_none() {
            self.rest = &[];
        }
        Some(list)
    }
}

fn put_list(block: &mut Vec<u8>, token: &Token, list: &[u8]) {
    block.extend_from_slice(&token.0);
    put_varint(block, list.len() as u64);
    block.extend_from_slice(list);
}

fn write_list(postings: &[LocalPosting]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(postings.len() * 4);
    let (mut last_lane, mut last_seq) = (0, 0);
    for &(lane, seq) in postings {
        put_varint(&mut bytes, u64::from(lane - last_lane));
        put_varint(&mut bytes, if lane == last_lane { seq - last_seq } else { seq });
        (last_lane, last_seq) = (lane, seq);
    }
    bytes
}

fn read_list(mut bytes: &[u8]) -> Option<Vec<LocalPosting>> {
    let mut postings = Vec::new();
    let (mut lane, mut seq) = (0_u32, 0_u64);
    while !bytes.is_empty() {
        let delta = u32::try_from(take_varint(&mut bytes)?).ok()?;
        let number = take_varint(&mut bytes)?;
        seq = if delta == 0 { seq.checked_add(number)? } else { number };
        lane = lane.checked_add(delta)?;
        postings.push((lane, seq));
    }
    Some(postings)
}

fn put_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return None;
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    fn token(number: u64) -> Token {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes());
        Token(bytes)
    }

    proptest! {
        #[test]
        fn merged_lists_are_the_sets_of_what_was_added(
            batches in prop::collection::vec(
                prop::collection::vec((0_u64..20, (0_u32..4, any::<u64>())), 0..40), 0..5),
        ) {
            let mut block = Vec::new();
            let mut expected: BTreeMap<Token, BTreeSet<LocalPosting>> = BTreeMap::new();
            for batch in batches {
                let mut batch: Vec<_> = batch.into_iter().map(|(t, p)| (token(t), p)).collect();
                batch.sort_unstable();
                block = merge(&block, &batch).unwrap();
                for (token, posting) in batch {
                    expected.entry(token).or_default().insert(posting);
                }
            }
            let mut all = Vec::new();
            for number in 0..20 {
                let found = find(&block, &token(number)).unwrap();
                let set = expected.remove(&token(number)).unwrap_or_default();
                prop_assert_eq!(&found, &set.into_iter().collect::<Vec<_>>());
                all.extend(found.into_iter().map(|posting| (token(number), posting)));
            }
            all.sort_unstable();
            prop_assert_eq!(postings(&block).unwrap(), all);
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = find(&bytes, &token(1));
            let _ = merge(&bytes, &[(token(1), (1, 1))]);
            let _ = divide(&bytes, &Fanout { blocks: 2, bytes: 0 }, 1);
            let _ = postings(&bytes);
        }
    }

    #[test]
    fn growing_moves_tokens_to_the_new_block_only() {
        let mut fanout = Fanout::default();
        assert_eq!(fanout.block_of(&token(1)), None);
        assert_eq!(fanout.grow(), (0, 0));
        for _ in 1..100 {
            let before = fanout;
            let (source, new) = fanout.grow();
            let mut moved = 0;
            for number in 0..2_000 {
                let (was, is) = (before.block_of(&token(number)), fanout.block_of(&token(number)));
                if was != is {
                    assert_eq!((was, is), (Some(source), Some(new)));
                    moved += 1;
                }
            }
            assert!(moved > 0);
        }
    }

    #[test]
    fn dividing_keeps_every_list() {
        let mut added: Vec<_> = (0..100).map(|number| (token(number), (1, number))).collect();
        added.sort_unstable();
        let block = merge(&[], &added).unwrap();
        let fanout = Fanout { blocks: 2, bytes: 0 };
        let (stays, moves) = divide(&block, &fanout, 1).unwrap();
        assert_eq!(stays.len() + moves.len(), block.len());
        for number in 0..100 {
            let home = if fanout.block_of(&token(number)) == Some(1) { &moves } else { &stays };
            assert_eq!(find(home, &token(number)).unwrap(), [(1, number)]);
        }
    }
}
