//! What a replica knows of a lane besides its entries: its name, its tree's edge, its certificates, its fork.

use minicbor::{Decode, Encode};

use super::entry::{Entry, EntryKind, LaneName, LaneOpening};
use super::fork::ForkState;
use super::tree::Frontier;
use crate::base::{Digest, LaneId, hash_tagged};

/// The state of one lane.
///
/// Invariants: the *trunk* is what `frontier` covers, and its end is a checkpoint; when the lane is forked every
/// branch starts where the trunk ends, and there is at least one branch.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct LaneState {
    /// The lane's name.
    #[n(0)]
    pub name: LaneName,
    /// The edge of the trunk's tree.
    #[n(1)]
    pub frontier: Frontier,
    /// The certificates that rule the trunk: each from its sequence number to the next one's, by hash. Of a lane
    /// that is forked from the beginning, the one from entry 0 of the first branch.
    #[n(2)]
    pub certificates: Vec<(u64, Digest)>,
    /// The fork, if the device is known to have signed two histories.
    #[n(3)]
    pub fork: Option<ForkState>,
}

/// What two replicas compare of a lane: equal heads, equal content.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Head {
    /// One history.
    #[n(0)]
    Straight {
        /// How many entries it has.
        #[n(0)]
        size: u64,
        /// Its tree's root.
        #[n(1)]
        root: Digest,
    },
    /// Several histories.
    #[n(1)]
    Forked {
        /// The sequence number of the first entry on which they differ.
        #[n(0)]
        at: u64,
        /// For each branch that is kept the leaf at that entry, in ascending order, and the sequence number
        /// after its last kept entry.
        #[n(1)]
        branches: Vec<(Digest, u64)>,
    },
}

impl LaneState {
    /// Starts a lane without entries.
    pub fn new(name: LaneName) -> Self {
        Self { name, frontier: Frontier::default(), certificates: Vec::new(), fork: None }
    }

    /// Returns the lane's id.
    pub fn id(&self) -> LaneId {
        self.name.id()
    }

    /// Returns how many entries the trunk has.
    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// Returns the head.
    pub fn head(&self) -> Head {
        match &self.fork {
            None => Head::Straight { size: self.size(), root: self.frontier.root() },
            Some(fork) => Head::Forked { at: fork.at, branches: fork.heads() },
        }
    }

    /// Returns the certificate that rules an entry of the trunk, by its hash.
    pub fn certificate_at(&self, seq: u64) -> Option<&Digest> {
        let rules = |(from, _): &&(u64, Digest)| *from <= seq;
        self.certificates.iter().rev().find(rules).map(|(_, hash)| hash)
    }

    /// Returns the hashes of all certificates that a peer needs to admit this lane, branches included.
    pub fn certificates_needed(&self) -> Vec<Digest> {
        let branches = self.fork.iter().flat_map(|fork| &fork.branches);
        let in_branches = branches
            .flat_map(|branch| &branch.entries)
            .filter(|entry| entry.kind == EntryKind::CERTIFICATE)
            .filter_map(|entry| LaneOpening::read(&entry.body).ok())
            .map(|opening| opening.certificate);
        let mut needed: Vec<_> = self.certificates.iter().map(|(_, hash)| *hash).chain(in_branches).collect();
        needed.sort();
        needed.dedup();
        needed
    }

    /// Returns the disputed entries: the leaf that names the branch, the sequence number and the entry.
    pub fn disputed(&self) -> impl Iterator<Item = (Digest, u64, &Entry)> {
        self.fork.iter().flat_map(ForkState::disputed)
    }

    /// Returns the agreed entries that no longer are in the trunk, because no checkpoint ends between them and
    /// the fork: every branch has them.
    pub fn agreed_tail(&self) -> impl Iterator<Item = (u64, &Entry)> {
        self.fork.iter().flat_map(ForkState::agreed_tail)
    }
}

impl Head {
    /// Hashes the head for comparison; of a fork where it is counts, which leaves are there, and how far each branch is
    /// kept: of two replicas that know of one fork, one may hold more of a branch.
    pub fn digest(&self, lane: &LaneId) -> Digest {
        match self {
            Head::Straight { size, root } => {
                hash_tagged("musubi.head.v1", &[&lane.0, &size.to_be_bytes(), &root.0])
            }
            Head::Forked { at, branches } => {
                let kept = |(leaf, end): &(Digest, u64)| [&leaf.0[..], &end.to_be_bytes()].concat();
                let branches: Vec<u8> = branches.iter().flat_map(kept).collect();
                hash_tagged("musubi.forked.v1", &[&lane.0, &at.to_be_bytes(), &branches])
            }
        }
    }
}
