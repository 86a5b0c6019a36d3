//! Limits of a session: how far down the order of urgency each side sends, so that a link whose bytes are counted
//! carries what saves lives first; and what would be sent if there were none.

use std::collections::BTreeMap;

use super::digests::Group;
use super::message::{CloseCode, Message};
use super::session::{Fault, Phase, Session};
use crate::base::Part;

/// How far down the order of urgency something goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reach(u8);

impl Reach {
    /// Nothing at all.
    pub const NOTHING: Reach = Reach(0);
    /// Every part.
    pub const ALL: Reach = Reach(5);

    /// Goes as far as a part, itself included.
    pub fn to(part: Part) -> Self {
        Reach(class(part) + 1)
    }

    /// Says whether a part is within reach.
    pub fn lets(self, part: Part) -> bool {
        class(part) < self.0
    }

    /// Returns the number in the format: how many parts, the most urgent first.
    pub fn code(self) -> u8 {
        self.0
    }

    /// Reads the number of the format; more than there are parts is all of them.
    pub fn of_code(code: u8) -> Self {
        Reach(code.min(Self::ALL.0))
    }

    /// Says whether what has a rank among all that is sent is within reach; fork evidence goes with control.
    pub(super) fn lets_rank(self, rank: u8) -> bool {
        rank.saturating_sub(1) < self.0
    }
}

/// A part's place in the order of urgency.
fn class(part: Part) -> u8 {
    match part {
        Part::Control => 0,
        Part::Card => 1,
        Part::Notes => 2,
        Part::Data => 3,
        Part::Audit => 4,
    }
}

/// What two replicas lack of each other in one group, as far as they have compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outlook {
    /// Lanes of which this side has more.
    pub send_lanes: u64,
    /// Entries that the peer lacks.
    pub send_entries: u64,
    /// Lanes of which the peer has more.
    pub take_lanes: u64,
    /// Entries that this side lacks.
    pub take_entries: u64,
    /// Lanes that are forked, of which nobody can tell beforehand.
    pub forked: u64,
}

/// The limits of one session: what both sides let through goes over the link, in either direction.
#[derive(Debug)]
pub(super) struct Limits {
    /// How far this side goes.
    own: Reach,
    /// What of this the peer has been told.
    told: Reach,
    /// How far the peer goes.
    by_peer: Reach,
}

impl Default for Limits {
    fn default() -> Self {
        Self { own: Reach::ALL, told: Reach::ALL, by_peer: Reach::ALL }
    }
}

impl Limits {
    /// Returns how far both sides go now.
    pub fn reach(&self) -> Reach {
        self.own.min(self.by_peer)
    }
}

impl Session {
    /// Learns how far this side goes from now on; what is on its way stays so.
    pub(super) fn limit(&mut self, reach: Reach) {
        self.limits.own = reach;
    }

    /// Tells the peer how far this side goes, when that has changed.
    pub(super) fn tell_limit(&mut self) {
        match self.phase {
            Phase::Comparing { .. } | Phase::Open if self.limits.told != self.limits.own => {
                self.limits.told = self.limits.own;
                self.send(&Message::Only(self.limits.own.code()));
            }
            Phase::Idle | Phase::Opening { .. } | Phase::Comparing { .. } | Phase::Open | Phase::Closed => {}
        }
    }

    /// Learns how far the peer goes.
    pub(super) fn limited_by_peer(&mut self, code: u8) -> Result<(), Fault> {
        if code > Reach::ALL.code() {
            return Err(Fault(CloseCode::Protocol, "a limit beyond all parts".to_owned()));
        }
        self.limits.by_peer = Reach::of_code(code);
        Ok(())
    }

    /// Tells what is still to be sent and taken by group, within the limits and beyond them; complete once both
    /// have compared what they hold ([`Session::is_in_sync`]).
    pub fn outlook(&self) -> BTreeMap<Group, Outlook> {
        self.lanes.outlook()
    }

    /// Tells of each lane of which this side has more from which entry on.
    pub fn ahead(&self) -> impl Iterator<Item = (crate::base::LaneId, Part, u64)> {
        self.lanes.ahead()
    }

    /// Returns how many bytes of lists of heads went over the link so far, both ways.
    pub fn heads_bytes(&self) -> u64 {
        self.heads_bytes
    }

    /// Says whether something was not exchanged because of the limits.
    pub fn is_held_back(&self) -> bool {
        !self.lanes.are_settled(Reach::ALL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reach_follows_the_order_of_urgency() {
        assert!(Part::ALL.iter().all(|part| Reach::ALL.lets(*part) && !Reach::NOTHING.lets(*part)));
        let card = Reach::to(Part::Card);
        let within: Vec<Part> = Part::ALL.into_iter().filter(|part| card.lets(*part)).collect();
        assert_eq!(within, [Part::Control, Part::Card]);
        assert!(Reach::NOTHING < Reach::to(Part::Control) && card < Reach::ALL);
        assert_eq!(Reach::of_code(card.code()), card);
    }

    #[test]
    fn evidence_of_forks_goes_with_control() {
        let ranks = |reach: Reach| (0..6).filter(|rank| reach.lets_rank(*rank)).count();
        assert_eq!(ranks(Reach::NOTHING), 0);
        assert_eq!(ranks(Reach::to(Part::Control)), 2);
        assert_eq!(ranks(Reach::to(Part::Card)), 3);
        assert_eq!(ranks(Reach::ALL), 6);
    }
}
