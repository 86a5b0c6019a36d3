//! Who has what: certificates, digests of groups, and lists of heads of the groups that differ.

use std::collections::{BTreeMap, BTreeSet};

use minicbor::bytes::ByteVec;

use super::digests::Group;
use super::event::Output;
use super::lanes::Theirs;
use super::limits::{
    CERTIFICATES_MAX, CERTIFICATES_PER_MESSAGE_MAX, GROUPS_MAX, HEADS_AHEAD_BYTES_MAX, HEADS_PER_MESSAGE_MAX,
    LANES_MAX,
};
use super::message::{CloseCode, GroupDigest, Heads, ListedHead, Message};
use super::session::{Fault, Phase, Session};
use crate::base::LaneId;
use crate::identity::Certificate;
use crate::lane::Head;

impl Session {
    /// Sends the chain of this device's certificate.
    pub(super) fn want_certificate(&mut self) -> Result<(), Fault> {
        let chain = self.config.chain.clone();
        self.send_certificates(chain);
        Ok(())
    }

    /// Sends those of the certificates that were not sent in this session.
    pub(super) fn send_certificates(&mut self, signed: Vec<Vec<u8>>) {
        let mut fresh: Vec<ByteVec> = Vec::new();
        for one in signed {
            if self.certificates_sent.insert(Certificate::hash(&one)) {
                fresh.push(ByteVec::from(one));
            }
        }
        for message in fresh.chunks(CERTIFICATES_PER_MESSAGE_MAX) {
            self.send(&Message::Certificates(message.to_vec()));
        }
    }

    /// Offers the peer's certificates to the store; when its own is among them, the peer may be known now.
    pub(super) fn certificates(&mut self, signed: Vec<Vec<u8>>) -> Result<(), Fault> {
        self.certificates_received += signed.len();
        if self.certificates_received > CERTIFICATES_MAX {
            return Err(Fault(CloseCode::Limit, format!("more than {CERTIFICATES_MAX} certificates")));
        }
        let hashes: BTreeSet<_> = signed.iter().map(|one| Certificate::hash(one)).collect();
        self.out.push(Output::Certificates(signed));
        match (&self.peer.allowed, self.peer.named) {
            (None, Some((certificate, clock))) if hashes.contains(&certificate) => {
                self.out.push(Output::Peer { certificate, clock });
            }
            (None | Some(_), _) => {}
        }
        Ok(())
    }

    /// Takes the peer's digests.
    pub(super) fn digests(&mut self, groups: Vec<GroupDigest>) -> Result<(), Fault> {
        let mut listed = BTreeMap::new();
        for GroupDigest { area, part, digest } in groups {
            if listed.insert(Group { part, area }, digest).is_some() {
                return Err(Fault::protocol("a group listed twice"));
            }
        }
        if let Phase::Comparing { theirs, .. } = &mut self.phase {
            *theirs = Some(listed);
        }
        self.compare()
    }

    /// Sends our digests once the peer may see them, and compares once both sides have sent theirs: then both
    /// sides compare the same two lists, and agree on which groups differ.
    pub(super) fn compare(&mut self) -> Result<(), Fault> {
        let visible: BTreeSet<Group> =
            self.config.subscription.iter().filter(|group| self.may_hold(group)).cloned().collect();
        let Phase::Comparing { ours, .. } = &self.phase else { return Ok(()) };
        if ours.is_none() && self.peer.allowed.is_some() {
            let digests = self.group_digests(&visible);
            self.lanes.suppose_equal(&visible);
            let listed = digests
                .iter()
                .take(GROUPS_MAX)
                .map(|(Group { part, area }, digest)| GroupDigest {
                    area: area.clone(),
                    part: *part,
                    digest: *digest,
                })
                .collect();
            self.send(&Message::Digests(listed));
            if let Phase::Comparing { ours, .. } = &mut self.phase {
                *ours = Some(digests);
            }
        }
        let Phase::Comparing { ours: Some(ours), theirs: Some(theirs) } = &self.phase else { return Ok(()) };
        let (mut equal, mut differing) = (Vec::new(), BTreeSet::new());
        for (group, digest) in ours {
            match theirs.get(group) {
                Some(other) if other == digest => equal.push(group.clone()),
                Some(_) => {
                    differing.insert(group.clone());
                }
                None => {}
            }
        }
        self.lanes.suppose_nothing(&differing);
        self.phase = Phase::Open;
        for group in equal {
            self.report_equal(&group);
            self.lanes.open(group);
        }
        self.listing.unheard = differing.iter().map(|group| (group.clone(), None)).collect();
        self.listing.unsent = differing;
        Ok(())
    }

    /// Reports that the peer holds all lanes of a group.
    pub(super) fn report_equal(&mut self, group: &Group) {
        for lane in self.lanes.of_group(group) {
            if let Some(Theirs::Straight { size, .. }) = self.lanes.get(&lane).map(|lane| lane.theirs)
                && size > 0
            {
                self.out.push(Output::PeerHas { lane, size });
            }
        }
    }

    /// Sends the heads of differing groups, urgent parts first; both sides list in the same order, so the first
    /// group that is not yet listed by both is always being listed by both.
    pub(super) fn list_groups(&mut self) {
        while let Some(group) = self.listing.unsent.first().cloned() {
            let ahead: usize = self.listing.ahead.values().sum();
            if ahead >= HEADS_AHEAD_BYTES_MAX {
                return;
            }
            self.listing.unsent.remove(&group);
            let bytes = self.list_group(&group);
            if self.listing.unheard.contains_key(&group) {
                self.listing.ahead.insert(group, bytes);
            } else {
                self.lanes.open(group);
            }
        }
    }

    /// Sends the heads of one group and returns their bytes.
    fn list_group(&mut self, group: &Group) -> usize {
        let heads: Vec<ListedHead> = self
            .lanes
            .of_group(group)
            .into_iter()
            .filter_map(|lane| Some(ListedHead { lane, head: self.lanes.get(&lane)?.ours.clone()? }))
            .collect();
        let mut chunks = heads.chunks(HEADS_PER_MESSAGE_MAX).peekable();
        let mut bytes = 0;
        let mut listed: &[ListedHead] = chunks.next().unwrap_or_default();
        loop {
            let following = chunks.next();
            let (area, part) = (group.area.clone(), group.part);
            let message = Heads { area, part, last: following.is_none(), heads: listed.to_vec() };
            let message = Message::Heads(message).to_bytes();
            bytes += message.len();
            self.out.push(Output::Send(message));
            match following {
                Some(chunk) => listed = chunk,
                None => return bytes,
            }
        }
    }

    /// Takes heads that the peer lists.
    pub(super) fn heads(&mut self, message: Heads) -> Result<(), Fault> {
        let Heads { area, part, last, heads } = message;
        let group = Group { part, area };
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
            if !self.listing.unsent.contains(&group) {
                self.lanes.open(group);
            }
        } else {
            self.listing.unheard.insert(group, latest);
        }
        Ok(())
    }

    fn listed(&mut self, group: &Group, id: LaneId, head: &Head) -> Result<(), Fault> {
        if self.lanes.get(&id).is_none() {
            if self.lanes.len() >= LANES_MAX {
                return Err(Fault(CloseCode::Limit, format!("more than {LANES_MAX} lanes")));
            }
            self.lanes.add(id, group.clone(), None);
        }
        let theirs = Theirs::of(&id, head);
        let known = self.lanes.change(&id, |lane| {
            let right = lane.group == *group;
            if right {
                lane.set_listed(theirs);
            }
            (right, lane.ours.as_ref() == Some(head))
        });
        match (known, head) {
            (Some((false, _)) | None, _) => {
                Err(Fault::protocol("a lane listed in another group than its own"))
            }
            (Some((true, true)), Head::Straight { size, .. }) => {
                self.out.push(Output::PeerHas { lane: id, size: *size });
                Ok(())
            }
            (Some((true, _)), Head::Straight { .. } | Head::Forked { .. }) => Ok(()),
        }
    }
}
