//! What a session knows of one lane: what this replica has, what the peer has, and what follows from it.

use std::collections::VecDeque;

use super::digests::Group;
use super::limits::RESTARTS_MAX;
use crate::base::planted::{Plant, is_planted};
use crate::base::{Digest, LaneId, Part, WallMs};
use crate::lane::{Head, LaneName};

/// What the peer is known or believed to hold of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Theirs {
    /// A log of this size; the root when it is known. Size 0 is a lane that the peer lacks.
    Straight {
        /// How many entries.
        size: u64,
        /// The root, when listed.
        root: Option<Digest>,
    },
    /// A forked lane whose head has this digest.
    Forked(Digest),
}

impl Theirs {
    /// Nothing.
    pub const NOTHING: Theirs = Theirs::Straight { size: 0, root: None };

    /// Returns what a head states.
    pub fn of(lane: &LaneId, head: &Head) -> Self {
        match head {
            Head::Straight { size: 0, .. } => Theirs::NOTHING,
            Head::Straight { size, root } => Theirs::Straight { size: *size, root: Some(*root) },
            Head::Forked { .. } => Theirs::Forked(head.digest(lane)),
        }
    }
}

/// Something sent and not yet acknowledged.
#[derive(Debug, Clone, Copy)]
pub struct Flight {
    /// What it ends with; `None` is fork evidence, which is answered and not acknowledged.
    pub end: Option<u64>,
    /// Its plain bytes.
    pub plain: usize,
    /// Its bytes on the wire.
    pub packed: usize,
    /// When it was sent.
    pub at: WallMs,
}

/// Something handed to the driver and not yet answered.
#[derive(Debug, Clone)]
pub enum Admitting {
    /// A run.
    Run {
        /// The entry after its last.
        end: u64,
        /// Its plain bytes.
        plain: usize,
        /// Whether the lane was restarted since, so that only success counts.
        void: bool,
    },
    /// A piece of fork evidence.
    Fork {
        /// The lane's name.
        name: LaneName,
        /// The digest of the head that the evidence is of.
        head: Digest,
        /// Its plain bytes.
        plain: usize,
        /// Whether more pieces follow.
        more: bool,
        /// Whether the lane was restarted since, so that only success counts.
        void: bool,
    },
}

/// What a lane needs done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// Nothing.
    Nothing,
    /// Runs are to be sent.
    SendRuns,
    /// Fork evidence is to be sent.
    SendFork,
    /// The peer is to be asked for its runs from the start, since the roots differ at one size.
    AskAgain,
}

/// One lane.
#[derive(Debug)]
pub struct Lane {
    /// Its group.
    pub group: Group,
    /// This replica's head; `None` when it has nothing.
    pub ours: Option<Head>,
    /// The peer's.
    pub theirs: Theirs,
    /// The next entry to send.
    pub next: u64,
    /// The largest size that was sent in this session: an acknowledgement beyond it is a lie.
    pub sent_most: u64,
    /// Whether a read of the store is under way.
    pub reading: bool,
    /// Whether the trunk of a forked lane is to be sent before its evidence.
    pub trunk_asked: bool,
    /// The digest of the forked head whose evidence was sent last.
    pub fork_sent: Option<Digest>,
    /// Whether more pieces of the peer's evidence are to come before it is answered.
    pub fork_incoming: bool,
    /// How many times evidence went either way.
    pub fork_rounds: u8,
    /// Sent and not yet acknowledged, in order.
    pub flights: VecDeque<Flight>,
    /// How often the peer asked for an earlier entry.
    pub restarts_served: u8,
    /// How often this side asked for an earlier entry.
    pub restarts_asked: u8,
    /// Whether one of these was from entry 0, to find where the histories differ.
    pub asked_from_start: bool,
    /// Runs that start beyond this entry are left out until one starts at or below it.
    pub awaited_from: Option<u64>,
    /// Handed to the driver, in order.
    pub admitting: VecDeque<Admitting>,
    /// Whether the lane is given up for this session.
    pub given_up: bool,
    /// Whether it lay in a range that one side has listed, or was offered: that happens once.
    pub compared: bool,
    /// Whether a planted fault loses what is to be sent of it.
    pub lost: bool,
}

impl Lane {
    /// Starts with what this replica has.
    pub fn new(group: Group, ours: Option<Head>) -> Self {
        Self {
            group,
            ours,
            theirs: Theirs::NOTHING,
            next: 0,
            sent_most: 0,
            reading: false,
            trunk_asked: false,
            fork_sent: None,
            fork_incoming: false,
            fork_rounds: 0,
            flights: VecDeque::new(),
            restarts_served: 0,
            restarts_asked: 0,
            asked_from_start: false,
            awaited_from: None,
            admitting: VecDeque::new(),
            given_up: false,
            compared: false,
            lost: false,
        }
    }

    /// Learns what the peer holds; what is to be sent next moves there.
    pub fn set_theirs(&mut self, theirs: Theirs) {
        self.theirs = theirs;
        match theirs {
            Theirs::Straight { size, .. } => self.next = size,
            Theirs::Forked(_) => {}
        }
    }

    /// Learns that the peer holds at least `size` entries.
    pub fn raise_theirs(&mut self, size: u64) {
        match self.theirs {
            Theirs::Straight { size: known, .. } if size > known => {
                self.theirs = Theirs::Straight { size, root: None };
                self.next = self.next.max(size);
            }
            Theirs::Straight { .. } | Theirs::Forked(_) => {}
        }
    }

    /// Says what the lane needs of this side.
    pub fn need(&self, id: &LaneId) -> Need {
        let Some(ours) = &self.ours else { return Need::Nothing };
        if self.given_up || self.reading {
            return Need::Nothing;
        }
        match (ours, self.theirs) {
            (Head::Straight { size, .. }, Theirs::Straight { .. }) if *size > self.next => Need::SendRuns,
            (Head::Straight { size, root }, Theirs::Straight { size: theirs, root: Some(their_root) }) => {
                let contradicts = *size == theirs && *root != their_root;
                if contradicts && !self.asked_from_start { Need::AskAgain } else { Need::Nothing }
            }
            (Head::Straight { .. }, Theirs::Straight { root: None, .. } | Theirs::Forked(_)) => Need::Nothing,
            (Head::Forked { .. }, _) if self.trunk_asked => Need::SendRuns,
            (Head::Forked { .. }, theirs) => {
                let digest = ours.digest(id);
                let known = theirs == Theirs::Forked(digest) || self.fork_sent == Some(digest);
                if known || self.fork_incoming { Need::Nothing } else { Need::SendFork }
            }
        }
    }

    /// Says whether something of the lane is still to come from the peer.
    pub fn is_wanted(&self, id: &LaneId) -> bool {
        if self.given_up {
            return false;
        }
        match (&self.ours, self.theirs) {
            (None, Theirs::Straight { size, .. }) => size > 0,
            (None, Theirs::Forked(_)) => true,
            (Some(Head::Straight { size, root }), Theirs::Straight { size: theirs, root: their_root }) => {
                theirs > *size || (theirs == *size && their_root.is_some_and(|r| r != *root))
            }
            (Some(Head::Straight { .. }), Theirs::Forked(_)) => true,
            (Some(ours @ Head::Forked { .. }), theirs) => theirs != Theirs::Forked(ours.digest(id)),
        }
    }

    /// Learns what the peer lists. A planted fault decides here what to lose: what the lane has grown by since
    /// the two last met.
    pub fn set_listed(&mut self, theirs: Theirs) {
        self.set_theirs(theirs);
        let grown = match (&self.ours, theirs) {
            (Some(Head::Straight { size, .. }), Theirs::Straight { size: theirs, .. }) => {
                0 < theirs && theirs < *size
            }
            (Some(Head::Forked { .. }) | None, _) | (Some(Head::Straight { .. }), Theirs::Forked(_)) => false,
        };
        self.lost = is_planted(Plant::LoseRunOnReconnect) && grown && self.group.part != Part::Control;
    }

    /// Says whether the peer may be asked once more for an earlier entry.
    pub fn may_ask_again(&self) -> bool {
        self.restarts_asked < RESTARTS_MAX
    }
}
