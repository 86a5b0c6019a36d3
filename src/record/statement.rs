//! Statements: one immutable clinical assertion each, and the entry body that holds them.
//!
//! A facts entry's body is canonical CBOR:
//! `[1, salt (8), record (16), time, author, source | null, [statement …]]`, a statement
//! `[act, informant, [follow …], reason | null, resource]`, a follow `[lane (32) | null, seq, index, check (8)]`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::base::id::bytes_newtype;
use crate::base::{Digest, Hlc, LaneId, RecordId};

bytes_newtype! {
    /// Random bytes that make a leaf hash unguessable.
    Salt, 8
}

bytes_newtype! {
    /// The first eight bytes of the leaf hash of a followed statement's entry: nobody can follow what does not
    /// exist yet.
    LeafCheck, 8
}

impl LeafCheck {
    /// Takes the check of an entry from its leaf hash.
    pub fn of(leaf: &Digest) -> Self {
        Self(leaf.0[..8].try_into().expect("32 bytes hold 8"))
    }
}

/// The identity of a statement: where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize)]
#[cbor(array)]
pub struct Position {
    /// The lane.
    #[n(0)]
    pub lane: LaneId,
    /// The entry's sequence number in the lane.
    #[n(1)]
    pub seq: u64,
    /// The statement's index within the entry.
    #[n(2)]
    pub index: u32,
}

/// What a statement does to its thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize)]
#[cbor(index_only)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// Asserts: a new allergy, problem, medication, note; every import.
    #[n(0)]
    Assert,
    /// Changes what it follows, such as a dose.
    #[n(1)]
    Change,
    /// Holds a medication for now.
    #[n(2)]
    Hold,
    /// Stops a medication, or resolves a problem.
    #[n(3)]
    Stop,
    /// Refutes what it follows; needs a reason.
    #[n(4)]
    Refute,
    /// Adds to a signed note.
    #[n(5)]
    Addendum,
    /// Settles a conflict: follows all tips.
    #[n(6)]
    Decide,
}

/// Where the knowledge comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize)]
#[cbor(index_only)]
#[serde(rename_all = "kebab-case")]
pub enum Informant {
    /// Measured or seen by the author.
    #[n(0)]
    Observed,
    /// A clinician's assertion.
    #[n(1)]
    Clinician,
    /// Told by the patient.
    #[n(2)]
    Patient,
    /// Told by the family.
    #[n(3)]
    Family,
    /// Imported from another system.
    #[n(4)]
    Imported,
}

/// Who wrote an entry, as a person; the device and its site are known from the lane.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
#[serde(deny_unknown_fields)]
pub struct Author {
    /// The person's name, or the importing service's.
    #[n(0)]
    pub name: String,
    /// The person's role, such as `doctor`, `nurse`, `import`.
    #[n(1)]
    pub role: String,
}

/// A reference to a statement that is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize)]
#[cbor(array)]
pub struct FollowRef {
    /// The lane, or none for the lane in which the reference stands.
    #[n(0)]
    pub lane: Option<LaneId>,
    /// The entry's sequence number.
    #[n(1)]
    pub seq: u64,
    /// The statement's index within the entry.
    #[n(2)]
    pub index: u32,
    /// The proof that the followed entry existed.
    #[n(3)]
    pub check: LeafCheck,
}

impl FollowRef {
    /// Returns where the followed statement stands; none for a reference that leaves out its lane.
    pub fn position(&self) -> Option<Position> {
        Some(Position { lane: self.lane?, seq: self.seq, index: self.index })
    }

    /// Deals references out to statements that follow each other: each names a position at most once, as a statement
    /// must. There are more than one where a device that forked its lane has signed several statements at one position;
    /// of these, what stands first goes to the first. There is always a first one.
    pub fn rounds(follows: impl IntoIterator<Item = Self>) -> Vec<Vec<Self>> {
        let mut rounds: Vec<Vec<Self>> = vec![Vec::new()];
        let place = |follow: &Self| (follow.lane, follow.seq, follow.index);
        let (mut met, mut dealt) = (BTreeSet::new(), BTreeMap::new());
        for follow in follows {
            if met.insert(follow) {
                let round = dealt.entry(place(&follow)).or_insert(0);
                if *round == rounds.len() {
                    rounds.push(Vec::new());
                }
                rounds[*round].push(follow);
                *round += 1;
            }
        }
        rounds.iter_mut().for_each(|round| round.sort_unstable());
        rounds
    }

    /// Puts references in ascending order, each position once: of two statements at one position, which a device that
    /// forked its lane has signed, one is followed, and the other stands open.
    pub fn in_order(mut follows: Vec<Self>) -> Vec<Self> {
        follows.sort_unstable();
        follows.dedup_by_key(|follow| (follow.lane, follow.seq, follow.index));
        follows
    }
}

/// One immutable clinical assertion.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Statement {
    /// What it does to its thread.
    #[n(0)]
    pub act: Act,
    /// Where the knowledge comes from.
    #[n(1)]
    pub informant: Informant,
    /// The statements that it follows, in ascending order without repetition.
    #[n(2)]
    pub follows: Vec<FollowRef>,
    /// Why, where the act needs a reason.
    #[n(3)]
    pub reason: Option<String>,
    /// The FHIR resource, as canonical JSON text (`record::json`).
    #[n(4)]
    pub resource: String,
}

/// Shows the shape and none of the content, which is about a patient.
impl fmt::Debug for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Statement")
            .field("act", &self.act)
            .field("informant", &self.informant)
            .field("follows", &self.follows)
            .field("reason_bytes", &self.reason.as_ref().map(String::len))
            .field("resource_bytes", &self.resource.len())
            .finish()
    }
}

/// The body of a facts entry: statements of one author about one record.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct FactsBody {
    /// The format's version: 1.
    #[n(0)]
    pub version: u8,
    /// Eight random bytes.
    #[n(1)]
    pub salt: Salt,
    /// The record.
    #[n(2)]
    pub record: RecordId,
    /// When it was written, by the author's device.
    #[n(3)]
    pub time: Hlc,
    /// Who wrote it.
    #[n(4)]
    pub author: Author,
    /// For imports: the source's own identifier system, which with each resource's type, id and digest makes
    /// the origin of each statement.
    #[n(5)]
    pub source: Option<String>,
    /// The statements.
    #[n(6)]
    pub statements: Vec<Statement>,
}

impl FactsBody {
    /// The version that this program writes.
    pub const VERSION: u8 = 1;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seed 148 of the drill swarm: whoever answered both statements of a forked lane could write nothing.
    #[test]
    fn two_statements_at_one_position_are_followed_once() {
        let follow = |seq, check| FollowRef { lane: None, seq, index: 0, check: LeafCheck([check; 8]) };
        let follows = FollowRef::in_order(vec![follow(7, 2), follow(3, 9), follow(7, 1), follow(3, 9)]);
        assert_eq!(follows, [follow(3, 9), follow(7, 1)]);
    }

    #[test]
    fn statements_at_one_position_are_dealt_out_each_to_another_statement() {
        let follow = |seq, check| FollowRef { lane: None, seq, index: 0, check: LeafCheck([check; 8]) };
        let all = [follow(7, 2), follow(3, 9), follow(7, 1), follow(3, 9), follow(7, 3)];
        let rounds = FollowRef::rounds(all);
        assert_eq!(rounds, [vec![follow(3, 9), follow(7, 2)], vec![follow(7, 1)], vec![follow(7, 3)]]);
        assert_eq!(FollowRef::rounds([]), [vec![]]);
    }
}
