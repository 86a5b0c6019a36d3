//! Listing the heads of groups of few lanes that differ, and taking lists of every kind.

use std::collections::{BTreeMap, BTreeSet};

use super::digests::Group;
use super::event::Output;
use super::lane::Theirs;
use super::limits::{HEADS_AHEAD_BYTES_MAX, HEADS_PER_MESSAGE_MAX, LANES_MAX};
use super::message::{CloseCode, Heads, ListedHead, Message, Scope};
use super::session::{Fault, Session};
use crate::base::LaneId;
use crate::lane::{Head, LaneRange};

/// The exchange of heads of groups of few lanes that differ.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Groups whose heads we have not yet sent.
    pub unsent: BTreeSet<Group>,
    /// Groups that the peer has not completely listed, with the last lane that it has listed.
    pub unheard: BTreeMap<Group, Option<LaneId>>,
    /// The bytes of heads sent for groups that the peer has not completely listed.
    pub ahead: BTreeMap<Group, usize>,
}

impl Session {
    /// Sends the heads of differing groups, urgent parts first; both sides list in the same order, so the first
    /// group that is not yet listed by both is always being listed by both.
    pub(super) fn list_groups(&mut self) {
        while let Some(group) = self.listing.unsent.first().cloned() {
            if self.bytes_ahead(&group) >= HEADS_AHEAD_BYTES_MAX {
                return;
            }
            self.listing.unsent.remove(&group);
            let heads = self.lanes.held_in(&group, LaneRange::ALL);
            let heads: Vec<ListedHead> =
                heads.into_iter().map(|(lane, head)| ListedHead { lane, head }).collect();
            let bytes = self.send_heads(&group, &heads, None);
            if self.listing.unheard.contains_key(&group) {
                self.listing.ahead.insert(group, bytes);
            } else {
                self.lanes.open(group);
            }
        }
    }

    /// Sends heads of one group in as many messages as it takes, and returns their bytes.
    pub(super) fn send_heads(&mut self, group: &Group, heads: &[ListedHead], scope: Option<&Scope>) -> usize {
        let mut chunks = heads.chunks(HEADS_PER_MESSAGE_MAX).peekable();
        let mut bytes = 0;
        let mut listed: &[ListedHead] = chunks.next().unwrap_or_default();
        loop {
            let following = chunks.next();
            let (area, part, last) = (group.area.clone(), group.part, following.is_none());
            let message = Heads { area, part, last, heads: listed.to_vec(), scope: scope.cloned() };
            let message = Message::Heads(message).to_bytes();
            bytes += message.len();
            self.heads_bytes += message.len() as u64;
            self.out.push(Output::Send(message));
            match following {
                Some(chunk) => listed = chunk,
                None => return bytes,
            }
        }
    }

    /// Takes heads that the peer lists.
    pub(super) fn heads(&mut self, message: Heads) -> Result<(), Fault> {
        let Heads { area, part, last, heads, scope } = message;
        let group = Group { part, area };
        match scope {
            None => self.group_listed(group, last, heads),
            Some(Scope::Ranges(depth, indices)) => self.ranges_listed(group, last, (depth, indices), heads),
            Some(Scope::Offer) => self.offered(&group, heads),
            Some(Scope::Answer(lacking)) => self.list_answered(&group, last, lacking, heads),
        }
    }

    fn group_listed(&mut self, group: Group, last: bool, heads: Vec<ListedHead>) -> Result<(), Fault> {
        let Some(before) = self.listing.unheard.get(&group).copied() else {
            return Err(Fault::protocol("heads of a group that is not being listed"));
        };
        let mut latest = before;
        for ListedHead { lane, head } in heads {
            if latest.is_some_and(|latest| latest >= lane) {
                return Err(Fault::protocol("heads out of order"));
            }
            latest = Some(lane);
            self.listed(&group, lane, &head)?;
        }
        if last {
            self.listing.unheard.remove(&group);
            self.listing.ahead.remove(&group);
            for (lane, _) in self.lanes.held_in(&group, LaneRange::ALL) {
                if self.lanes.get(&lane).is_some_and(|lane| lane.theirs == Theirs::NOTHING) {
                    self.peer_lacks(&group, lane);
                }
            }
            if !self.listing.unsent.contains(&group) {
                self.lanes.open(group);
            }
        } else {
            self.listing.unheard.insert(group, latest);
        }
        Ok(())
    }

    /// Takes one head that the peer lists.
    pub(super) fn listed(&mut self, group: &Group, id: LaneId, head: &Head) -> Result<(), Fault> {
        self.lanes.touch(&id);
        if self.lanes.get(&id).is_none() {
            if self.lanes.foreign() >= LANES_MAX {
                return Err(Fault(CloseCode::Limit, format!("more than {LANES_MAX} lanes")));
            }
            self.lanes.add(id, group.clone());
        }
        let theirs = Theirs::of(&id, head);
        let known = self.lanes.change(&id, |lane| {
            let right = lane.group == *group;
            if right {
                lane.set_listed(theirs);
            }
            let ours = lane.ours.as_ref();
            let is_as_long = matches!((ours, head), (Some(Head::Straight { size, .. }), Head::Straight { size: theirs, .. }) if size == theirs);
            (right, ours == Some(head), is_as_long)
        });
        match (known, head) {
            (Some((false, _, _)) | None, _) => {
                Err(Fault::protocol("a lane listed in another group than its own"))
            }
            (Some((true, true, _)), Head::Straight { size, .. }) => {
                self.out.push(Output::PeerHas { lane: id, size: *size });
                Ok(())
            }
            (Some((true, _, is_as_long)), Head::Straight { size, .. } | Head::Forked { at: size, .. }) => {
                // Of another history nobody knows yet where it begins to differ.
                let size = if is_as_long { 0 } else { *size };
                self.out.push(Output::PeerLists { group: group.clone(), lane: id, size });
                Ok(())
            }
        }
    }

    /// Reports that the peer holds nothing of a lane.
    pub(super) fn peer_lacks(&mut self, group: &Group, lane: LaneId) {
        self.out.push(Output::PeerLists { group: group.clone(), lane, size: 0 });
    }
}
