//! Horizons: how far the replica that writes a lane had heard, as entries of that lane.
//!
//! A horizon entry stands before the statements that were written with this knowledge. It says for each lane how many
//! entries were held: the difference to the horizon entry before it in its lane, or all of it. In canonical CBOR
//! `[1, back | null, check (8), [skip, added, …], [[mark (8), size] …]]`: `back` is the distance to the entry that
//! this one continues, none for a whole one. Known lanes are numbered in the order in which they were named since the
//! last whole entry; each pair skips so many of them and says how many entries the next one has gained. Lanes that are
//! new are named by the beginning of their id. A horizon tells nothing about a person, and has no salt.

use std::collections::BTreeSet;

use minicbor::{Decode, Encode};
use sha2::{Digest as _, Sha256};

use super::entry::{Entry, EntryKind};
use super::tree::{Frontier, TREE_SIZE_MAX};
use crate::base::LaneId;
use crate::base::cbor::{self, CborError};
use crate::base::id::bytes_newtype;
use crate::base::limits::HORIZON_LANES_MAX;

bytes_newtype! {
    /// The first eight bytes of a lane's id: enough to tell apart the lanes that a replica holds.
    LaneMark, 8
}

bytes_newtype! {
    /// The first eight bytes of a hash over the edges of the trees that a horizon entry names.
    HorizonCheck, 8
}

impl LaneMark {
    /// Returns the mark of a lane.
    pub fn of(lane: &LaneId) -> Self {
        Self(lane.0[..8].try_into().expect("32 bytes hold 8"))
    }
}

/// A lane that a horizon names for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct NewLane {
    /// Which lane.
    #[n(0)]
    pub mark: LaneMark,
    /// How many of its entries were held.
    #[n(1)]
    pub size: u64,
}

/// The body of a horizon entry.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct HorizonBody {
    /// The format's version: 1.
    #[n(0)]
    pub version: u8,
    /// How many entries before this one in its lane stands the one that it continues; none when it is whole.
    #[n(1)]
    pub back: Option<u64>,
    /// Proves that the named entries existed: see [`check_of`].
    #[n(2)]
    pub check: HorizonCheck,
    /// Pairs: how many known lanes are passed over, and by how many entries the next one has grown.
    #[n(3)]
    pub grown: Vec<u64>,
    /// Lanes that were not named since the last whole entry.
    #[n(4)]
    pub new: Vec<NewLane>,
}

/// Why bytes are not a horizon, or it does not continue what it should.
#[derive(Debug, thiserror::Error)]
pub enum HorizonError {
    /// The bytes are not the canonical encoding.
    #[error("horizon entry: {0}")]
    Cbor(#[from] CborError),
    /// The version is not known to this program.
    #[error("horizon entry: version {0} is unknown")]
    Version(u8),
    /// It breaks a rule of its form.
    #[error("horizon entry: {0}")]
    Form(&'static str),
}

impl HorizonBody {
    /// The version that this program writes.
    pub const VERSION: u8 = 1;

    /// Makes the entry.
    pub fn entry(&self) -> Entry {
        Entry { kind: EntryKind::HORIZON, body: cbor::to_vec(self) }
    }

    /// Reads and checks the body of a `HORIZON` entry.
    ///
    /// # Errors
    /// [`HorizonError`] names the first rule that is broken.
    pub fn read(body: &[u8]) -> Result<Self, HorizonError> {
        let read: Self = cbor::from_canonical(body)?;
        if read.version != Self::VERSION {
            return Err(HorizonError::Version(read.version));
        }
        if read.back == Some(0) {
            return Err(HorizonError::Form("it continues itself"));
        }
        if !read.grown.len().is_multiple_of(2) {
            return Err(HorizonError::Form("a pair lacks its second number"));
        }
        if read.grown.len() / 2 > HORIZON_LANES_MAX || read.new.len() > HORIZON_LANES_MAX {
            return Err(HorizonError::Form("it names too many lanes"));
        }
        Ok(read)
    }
}

/// How far a replica had heard: the lanes in the order of their numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Horizon {
    lanes: Vec<NewLane>,
    marks: BTreeSet<LaneMark>,
}

impl Horizon {
    /// Returns each lane and how many of its entries were held.
    pub fn lanes(&self) -> &[NewLane] {
        &self.lanes
    }

    /// Goes on by one entry; returns the numbers of the lanes that it names, in its order.
    ///
    /// # Errors
    /// [`HorizonError::Form`] when it names no lane of the table, one twice, one that has not grown, or one that has grown
    /// beyond reason; then the horizon is of no more use.
    pub fn apply(&mut self, body: &HorizonBody) -> Result<Vec<usize>, HorizonError> {
        if body.back.is_none() {
            self.lanes.clear();
            self.marks.clear();
        }
        let (mut named, mut next) = (Vec::with_capacity(body.grown.len() / 2 + body.new.len()), 0_usize);
        for pair in body.grown.chunks_exact(2) {
            if pair[1] == 0 {
                return Err(HorizonError::Form("a lane has not grown"));
            }
            let number = usize::try_from(pair[0]).ok().and_then(|skip| next.checked_add(skip));
            let lane = number.and_then(|number| Some((number, self.lanes.get_mut(number)?)));
            let (number, lane) = lane.ok_or(HorizonError::Form("it names a lane beyond its table"))?;
            let size = lane.size.checked_add(pair[1]).filter(|size| *size <= TREE_SIZE_MAX);
            lane.size = size.ok_or(HorizonError::Form("a lane is longer than lanes can be"))?;
            named.push(number);
            next = number + 1;
        }
        if self.lanes.len() + body.new.len() > HORIZON_LANES_MAX {
            return Err(HorizonError::Form("it names too many lanes"));
        }
        for lane in &body.new {
            if lane.size > TREE_SIZE_MAX {
                return Err(HorizonError::Form("a lane is longer than lanes can be"));
            }
            if !self.marks.insert(lane.mark) {
                return Err(HorizonError::Form("it names a lane twice"));
            }
            named.push(self.lanes.len());
            self.lanes.push(*lane);
        }
        Ok(named)
    }
}

/// Hashes the edges of the trees that an entry names, in its order: for each the mark, the size, and the smallest
/// complete subtree at its right end, which holds the last entry. So nobody can name what does not exist yet.
pub fn check_of<'a>(named: impl Iterator<Item = (LaneMark, &'a Frontier)>) -> HorizonCheck {
    let mut hasher = Sha256::new_with_prefix(b"musubi.horizon.v1");
    for (mark, frontier) in named {
        hasher.update(mark.0);
        hasher.update(frontier.size().to_be_bytes());
        if let Some(edge) = frontier.edge() {
            hasher.update(edge.0);
        }
    }
    let hash: [u8; 32] = hasher.finalize().into();
    HorizonCheck(hash[..8].try_into().expect("32 bytes hold 8"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::hex;

    fn lane(number: u8, size: u64) -> NewLane {
        NewLane { mark: LaneMark([number; 8]), size }
    }

    fn body(back: Option<u64>, grown: &[u64], new: &[NewLane]) -> HorizonBody {
        let check = HorizonCheck([9; 8]);
        HorizonBody { version: 1, back, check, grown: grown.to_vec(), new: new.to_vec() }
    }

    #[test]
    fn the_bytes_of_version_1_stay() {
        let whole = body(None, &[], &[lane(1, 3)]);
        assert_eq!(hex(&whole.entry().body), "8501f648090909090909090980818248010101010101010103");
        let next = body(Some(2), &[0, 1, 4, 300], &[]);
        assert_eq!(hex(&next.entry().body), "8501024809090909090909098400010419012c80");
        assert_eq!(HorizonBody::read(&next.entry().body).unwrap(), next);
    }

    #[test]
    fn differences_add_up_and_a_whole_one_starts_again() {
        let mut horizon = Horizon::default();
        assert_eq!(
            horizon.apply(&body(None, &[], &[lane(1, 3), lane(2, 5), lane(3, 1)])).unwrap(),
            [0, 1, 2]
        );
        assert_eq!(horizon.apply(&body(Some(1), &[0, 2, 1, 7], &[lane(4, 1)])).unwrap(), [0, 2, 3]);
        assert_eq!(horizon.lanes(), [lane(1, 5), lane(2, 5), lane(3, 8), lane(4, 1)]);
        horizon.apply(&body(None, &[], &[lane(7, 1)])).unwrap();
        assert_eq!(horizon.lanes(), [lane(7, 1)]);
    }

    #[test]
    fn what_no_honest_writer_writes_is_refused() {
        let mut horizon = Horizon::default();
        assert!(horizon.apply(&body(Some(1), &[0, 1], &[])).is_err(), "no such lane");
        assert!(horizon.apply(&body(Some(1), &[u64::MAX, 1], &[])).is_err());
        assert!(horizon.apply(&body(None, &[], &[lane(1, u64::MAX)])).is_err());
        horizon.apply(&body(None, &[], &[lane(1, 1)])).unwrap();
        assert!(horizon.apply(&body(Some(1), &[0, u64::MAX], &[])).is_err());
        assert!(horizon.apply(&body(Some(1), &[0, 0], &[])).is_err(), "it has not grown");
        assert!(horizon.apply(&body(Some(1), &[], &[lane(1, 1)])).is_err(), "it is in the table");
        assert!(
            horizon.apply(&body(None, &[], &[lane(1, 1), lane(2, 1), lane(1, 2)])).is_err(),
            "named twice"
        );
        for wrong in [
            body(Some(0), &[], &[]),
            body(Some(1), &[1], &[]),
            HorizonBody { version: 2, ..body(None, &[], &[]) },
        ] {
            assert!(HorizonBody::read(&wrong.entry().body).is_err(), "{wrong:?}");
        }
        assert!(HorizonBody::read(&[0x85, 1]).is_err());
        let many = vec![0; 2 * HORIZON_LANES_MAX + 2];
        assert!(HorizonBody::read(&body(Some(1), &many, &[]).entry().body).is_err());
    }

    #[test]
    fn the_check_tells_histories_apart() {
        let (mut one, mut other) = (Frontier::default(), Frontier::default());
        one.push(&crate::base::Digest([1; 32]));
        other.push(&crate::base::Digest([2; 32]));
        let mark = LaneMark([5; 8]);
        assert_ne!(check_of([(mark, &one)].into_iter()), check_of([(mark, &other)].into_iter()));
    }
}
