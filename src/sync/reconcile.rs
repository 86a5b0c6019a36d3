//! Who has what: certificates, and digests of groups.

use std::collections::{BTreeMap, BTreeSet};

use minicbor::bytes::ByteVec;

use super::digests::Group;
use super::event::Output;
use super::holdings::Told;
use super::limits::{CERTIFICATES_MAX, CERTIFICATES_PER_MESSAGE_MAX, GROUPS_MAX};
use super::message::{CloseCode, GroupDigest, Message};
use super::ranges::depths;
use super::session::{Fault, Phase, Session};
use crate::identity::Certificate;

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
        for GroupDigest { area, part, digest, lanes } in groups {
            if listed.insert(Group { part, area }, Told { digest, lanes }).is_some() {
                return Err(Fault::protocol("a group listed twice"));
            }
        }
        if let Phase::Comparing { theirs, .. } = &mut self.phase {
            *theirs = Some(listed);
        }
        self.compare();
        Ok(())
    }

    /// Sends our digests once the peer may see them, and compares once both sides have sent theirs: then both
    /// sides compare the same two lists, and agree on which groups differ and how they are compared.
    pub(super) fn compare(&mut self) {
        let Phase::Comparing { ours, .. } = &self.phase else { return };
        if ours.is_none() && self.peer.allowed.is_some() && !self.pulls.only_asks {
            let visible: BTreeSet<Group> = self
                .config
                .subscription
                .iter()
                .filter(|group| self.may_hold(group))
                .take(GROUPS_MAX)
                .cloned()
                .collect();
            let told = self.lanes.tell(&visible);
            let listed = told.iter().map(|(Group { part, area }, Told { digest, lanes })| GroupDigest {
                area: area.clone(),
                part: *part,
                digest: *digest,
                lanes: *lanes,
            });
            self.send(&Message::Digests(listed.collect()));
            if let Phase::Comparing { ours, .. } = &mut self.phase {
                *ours = Some(told);
            }
        }
        let Phase::Comparing { ours: Some(ours), theirs: Some(theirs) } = &self.phase else { return };
        let (ours, theirs) = (ours.clone(), theirs.clone());
        self.phase = Phase::Open;
        for (group, told) in &ours {
            match theirs.get(group) {
                Some(other) if other.digest == told.digest => {
                    self.report_equal(group);
                    self.lanes.open(group.clone());
                }
                Some(other) => self.begin_comparing(group.clone(), told.lanes.max(other.lanes)),
                None => {}
            }
        }
        for group in theirs.keys().filter(|group| !ours.contains_key(group)) {
            self.offer_own(group);
        }
    }

    /// Begins to find out what differs in a group, of which the larger side has so many lanes.
    fn begin_comparing(&mut self, group: Group, lanes: u64) {
        let depths = depths(lanes);
        if depths.is_empty() {
            self.lanes.suppose_nothing(&group);
            self.listing.unheard.insert(group.clone(), None);
            self.listing.unsent.insert(group);
        } else {
            self.begin_ranging(group, depths);
        }
    }

    /// Reports that the peer holds all that was told of a group.
    pub(super) fn report_equal(&mut self, group: &Group) {
        let heads = self.lanes.told(group);
        if !heads.is_empty() {
            self.out.push(Output::PeerHasAll { group: group.clone(), heads });
        }
    }
}
