//! What a device wrote itself, in groups to which its replica does not subscribe: nobody else may hold it, so it is
//! offered to peers that subscribe to the group, and taken back from them.

use super::digests::Group;
use super::lane::Theirs;
use super::message::{ListedHead, Scope};
use super::ranging::ListAnswer;
use super::session::{Fault, Session};
use crate::base::LaneId;
use crate::lane::LaneName;

impl Session {
    /// Offers our own lanes of a group that only the peer subscribes to.
    pub(super) fn offer_own(&mut self, group: &Group) {
        if !self.may_hold(group) {
            return;
        }
        self.offers_to.insert(group.clone());
        let lane = self.own_lane(group);
        let Some((_, head)) = self.lanes.held(&lane).filter(|(held_in, _)| *held_in == group) else { return };
        let head = head.clone();
        self.lanes.change(&lane, |known| {
            known.compared = true;
            known.set_theirs(Theirs::of(&lane, &head));
        });
        self.lanes.open_lane(&lane);
        self.send_list(group, true, vec![ListedHead { lane, head }], Scope::Offer);
    }

    /// Takes an offer, and answers it.
    pub(super) fn offered(&mut self, group: &Group, heads: Vec<ListedHead>) -> Result<(), Fault> {
        if !self.config.subscription.contains(group) || !self.may_hold(group) {
            return Err(Fault::protocol("an offer in a group that was not told of"));
        }
        let mut answer = ListAnswer::default();
        for listed in &heads {
            self.lanes.touch(&listed.lane);
            if let Some(ours) = self.lanes.get(&listed.lane).and_then(|lane| lane.ours.clone()) {
                self.compared_once(&listed.lane)?;
                answer.ours.insert(listed.lane, ours);
            }
        }
        let lanes: Vec<LaneId> = heads.iter().map(|listed| listed.lane).collect();
        self.take_list(group, heads, &mut answer)?;
        self.send_answer(group, answer);
        lanes.iter().for_each(|lane| self.lanes.open_lane(lane));
        Ok(())
    }

    /// Says whether this replica takes runs of a lane of a group.
    pub(super) fn takes(&self, lane: &LaneId, group: &Group) -> bool {
        self.config.subscription.contains(group) || self.own_lane(group) == *lane
    }

    fn own_lane(&self, group: &Group) -> LaneId {
        let (realm, device) = (self.config.realm, self.config.device);
        LaneName { realm, device, area: group.area.clone(), part: group.part }.id()
    }
}
