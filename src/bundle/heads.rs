//! Heads in little space: how far somebody holds many lanes.
//!
//! A lane is 8 bytes of its id, how many entries are held, and 8 bytes of its head's digest: some 20 bytes. Two ids
//! that begin alike are two lanes that nobody can make on purpose: it takes 2^64 devices for one lane, and what would be
//! lost by it is that one lane is not sent in one bundle.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};

use crate::base::id::bytes_newtype;
use crate::base::{Digest, LaneId, cbor, hash_tagged};
use crate::lane::{Head, LaneState};

bytes_newtype! {
    /// The first bytes of a lane's id.
    LaneMark, 8
}

bytes_newtype! {
    /// The first bytes of a head's digest.
    HeadMark, 8
}

/// How far a lane is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct LaneHead {
    /// Which lane.
    #[n(0)]
    pub lane: LaneMark,
    /// How many entries its trunk has.
    #[n(1)]
    pub size: u64,
    /// What its head is.
    #[n(2)]
    pub head: HeadMark,
}

/// How far lanes are held, in the order of their ids.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct Heads(
    /// The lanes.
    #[n(0)]
    pub Vec<LaneHead>,
);

impl LaneMark {
    /// Returns the mark of a lane.
    pub fn of(lane: &LaneId) -> Self {
        Self(lane.0[..8].try_into().expect("eight of 32 bytes"))
    }
}

impl HeadMark {
    /// Returns the mark of a lane's head.
    pub fn of(lane: &LaneId, head: &Head) -> Self {
        Self(head.digest(lane).0[..8].try_into().expect("eight of 32 bytes"))
    }

    /// Returns the mark of a straight head.
    pub fn straight(lane: &LaneId, size: u64, root: Digest) -> Self {
        Self::of(lane, &Head::Straight { size, root })
    }
}

impl Heads {
    /// Makes the heads of lanes.
    pub fn of<'a>(lanes: impl Iterator<Item = &'a LaneState>) -> Self {
        let head = |state: &LaneState| {
            let lane = state.id();
            LaneHead {
                lane: LaneMark::of(&lane),
                size: state.size(),
                head: HeadMark::of(&lane, &state.head()),
            }
        };
        let mut heads: Vec<LaneHead> = lanes.map(head).collect();
        heads.sort_by_key(|head| head.lane);
        Self(heads)
    }

    /// Returns them by lane.
    pub fn by_lane(&self) -> BTreeMap<LaneMark, LaneHead> {
        self.0.iter().map(|head| (head.lane, *head)).collect()
    }

    /// Hashes them.
    pub fn digest(&self) -> Digest {
        hash_tagged("musubi.bundle.heads.v1", &[&cbor::to_vec(self)])
    }
}
