//! All lanes of a session: what both hold is known by vectors, and a [`Lane`] is made only for what is touched.
//!
//! Invariant: of a lane that was not touched, ours is what `held` says; and once its group is open, the peer's is
//! what `told` says, which is the same.

use std::collections::{BTreeMap, BTreeSet};

use super::digests::Group;
use super::holdings::{Holdings, Told};
use super::lane::{Lane, Need, Theirs};
use super::limiting::{Outlook, Reach};
use crate::base::{LaneId, Part};
use crate::lane::{Head, HeadVector, LaneRange};

/// The order in which lanes are served: control, then fork evidence, then the other parts; within these by area
/// and lane.
pub type Turn = (u8, Group, LaneId);

/// All lanes of a session, with those that need something kept in order.
#[derive(Debug, Default)]
pub struct Lanes {
    all: BTreeMap<LaneId, Lane>,
    by_group: BTreeMap<Group, BTreeSet<LaneId>>,
    /// Our heads; of touched lanes only until the groups have been compared.
    held: Holdings,
    /// Whether `held` follows what changes.
    follows: bool,
    /// What we last told of each group.
    told: BTreeMap<Group, HeadVector>,
    open: BTreeSet<Group>,
    open_lanes: BTreeSet<LaneId>,
    /// Lanes that only the peer has named.
    foreign: usize,
    turns: BTreeSet<Turn>,
    turn_of: BTreeMap<LaneId, Turn>,
    wanted: BTreeSet<LaneId>,
    flying: BTreeSet<LaneId>,
}

impl Lanes {
    /// Starts from what this replica holds.
    pub fn new(held: Holdings) -> Self {
        Self { held, follows: true, ..Self::default() }
    }

    /// Returns a lane that was touched.
    pub fn get(&self, id: &LaneId) -> Option<&Lane> {
        self.all.get(id)
    }

    /// Makes the lane of an id, if this replica holds one.
    pub fn touch(&mut self, id: &LaneId) {
        if self.all.contains_key(id) {
            return;
        }
        let found = self.held.find(id).map(|(group, head)| (group.clone(), head.clone()));
        if let Some((group, head)) = found {
            self.insert(*id, group, Some(head));
        }
    }

    /// Returns how many lanes are known that this replica does not hold, or did not when it heard of them.
    pub fn foreign(&self) -> usize {
        self.foreign
    }

    /// Adds a lane of which this replica has nothing, unless it is known.
    pub fn add(&mut self, id: LaneId, group: Group) {
        self.touch(&id);
        if !self.all.contains_key(&id) {
            self.foreign += 1;
            self.insert(id, group, None);
        }
    }

    /// Adds a lane that this replica now holds, unless it is known.
    pub fn own(&mut self, id: LaneId, group: &Group) {
        self.touch(&id);
        if !self.all.contains_key(&id) {
            self.insert(id, group.clone(), None);
        }
    }

    fn insert(&mut self, id: LaneId, group: Group, ours: Option<Head>) {
        let theirs = self.told.get(&group).and_then(|told| told.get(&id));
        let theirs = theirs.map_or(Theirs::NOTHING, |head| Theirs::of(&id, head));
        let mut lane = Lane::new(group.clone(), ours);
        lane.set_theirs(theirs);
        self.by_group.entry(group).or_default().insert(id);
        self.all.insert(id, lane);
        self.refresh(&id);
    }

    /// Changes a lane and finds out anew what it needs.
    pub fn change<T>(&mut self, id: &LaneId, change: impl FnOnce(&mut Lane) -> T) -> Option<T> {
        self.touch(id);
        let result = change(self.all.get_mut(id)?);
        self.refresh(id);
        Some(result)
    }

    /// Learns what this replica now holds of a known lane.
    pub fn set_ours(&mut self, id: &LaneId, head: Head) {
        let group = self.change(id, |lane| {
            lane.ours = Some(head.clone());
            lane.group.clone()
        });
        if let Some(group) = group.filter(|_| self.follows) {
            self.held.set_in(&group, *id, head);
        }
    }

    /// Learns that all groups have been compared: from now on what changes is known by its lane alone.
    pub fn all_compared(&mut self) {
        self.follows = false;
    }

    /// Returns what is to be told of groups as they are now, and supposes that the peer will say the same.
    pub fn tell(&mut self, groups: &BTreeSet<Group>) -> BTreeMap<Group, Told> {
        self.told = groups.iter().map(|group| (group.clone(), self.held.group(group))).collect();
        for id in groups.iter().flat_map(|group| self.touched(group)).collect::<Vec<_>>() {
            self.change(&id, |lane| {
                lane.set_theirs(lane.ours.as_ref().map_or(Theirs::NOTHING, |head| Theirs::of(&id, head)));
            });
        }
        self.held.told(groups)
    }

    /// Returns what was told of a group.
    pub fn told(&self, group: &Group) -> HeadVector {
        self.told.get(group).cloned().unwrap_or_default()
    }

    /// Returns the head of a lane of a group as long as groups are being compared.
    pub fn held(&self, id: &LaneId) -> Option<(&Group, &Head)> {
        self.held.find(id)
    }

    /// Returns our heads in a range of a group as they are now, as long as groups are being compared.
    pub fn held_in(&self, group: &Group, range: LaneRange) -> Vec<(LaneId, Head)> {
        self.held.group(group).heads_in(range)
    }

    /// Counts our lanes in a range of a group.
    pub fn count_in(&self, group: &Group, range: LaneRange) -> usize {
        self.held.group(group).lanes_in(range)
    }

    /// Sets what the peer is believed to hold of every lane of a group to nothing, until it lists them.
    pub fn suppose_nothing(&mut self, group: &Group) {
        for (id, _) in self.held_in(group, LaneRange::ALL) {
            self.change(&id, |lane| lane.set_theirs(Theirs::NOTHING));
        }
    }

    /// Opens a group: what both sides hold of it is known from now on, and its lanes may be sent.
    pub fn open(&mut self, group: Group) {
        let ids = self.touched(&group);
        self.open.insert(group);
        for id in ids {
            self.open_lanes.remove(&id);
            self.refresh(&id);
        }
    }

    /// Opens one lane of a group that is not exchanged, or not yet compared.
    pub fn open_lane(&mut self, id: &LaneId) {
        self.open_lanes.insert(*id);
        self.refresh(id);
    }

    /// Returns the lanes of a group that were touched, in order.
    pub fn touched(&self, group: &Group) -> Vec<LaneId> {
        self.by_group.get(group).into_iter().flatten().copied().collect()
    }

    /// Returns the most urgent lane that needs something, with its turn.
    pub fn first(&self) -> Option<&Turn> {
        self.turns.first()
    }

    /// Says whether nothing within reach is to be sent or awaited, and nothing to be acknowledged.
    pub fn are_settled(&self, reach: Reach) -> bool {
        let to_send = self.turns.first().is_some_and(|(rank, _, _)| reach.lets_rank(*rank));
        let is_within = |id: &LaneId| self.all.get(id).is_some_and(|lane| reach.lets(lane.group.part));
        !to_send && self.flying.is_empty() && !self.wanted.iter().any(is_within)
    }

    /// Tells what is to be sent and taken by group.
    pub fn outlook(&self) -> BTreeMap<Group, Outlook> {
        let mut all: BTreeMap<Group, Outlook> = BTreeMap::new();
        for (_, lane) in self.all.iter().filter(|(id, lane)| self.is_open(id, lane)) {
            let outlook = all.entry(lane.group.clone()).or_default();
            match (&lane.ours, lane.theirs) {
                (Some(Head::Forked { .. }), _) | (_, Theirs::Forked(_)) => outlook.forked += 1,
                (ours, Theirs::Straight { size: theirs, .. }) => {
                    let ours = match ours {
                        Some(Head::Straight { size, .. }) => *size,
                        Some(Head::Forked { .. }) | None => 0,
                    };
                    outlook.send_lanes += u64::from(ours > theirs);
                    outlook.send_entries += ours.saturating_sub(theirs);
                    outlook.take_lanes += u64::from(theirs > ours);
                    outlook.take_entries += theirs.saturating_sub(ours);
                }
            }
        }
        all
    }

    /// Tells of each lane of which this side has more from which entry on, the most urgent first.
    pub fn ahead(&self) -> impl Iterator<Item = (LaneId, Part, u64)> {
        self.turns.iter().filter_map(|(_, group, id)| {
            let lane = self.all.get(id)?;
            (lane.need(id) == Need::SendRuns).then_some((*id, group.part, lane.next))
        })
    }

    fn is_open(&self, id: &LaneId, lane: &Lane) -> bool {
        self.open.contains(&lane.group) || self.open_lanes.contains(id)
    }

    /// Returns the lanes with something on its way.
    pub fn flying(&self) -> impl Iterator<Item = &Lane> {
        self.flying.iter().filter_map(|id| self.all.get(id))
    }

    fn refresh(&mut self, id: &LaneId) {
        let Some(lane) = self.all.get(id) else { return };
        let open = self.is_open(id, lane);
        let need = if open { lane.need(id) } else { Need::Nothing };
        let turn = turn(id, lane, need);
        let before = match turn {
            Some(turn) => {
                self.turns.insert(turn.clone());
                self.turn_of.insert(*id, turn.clone()).filter(|before| *before != turn)
            }
            None => self.turn_of.remove(id),
        };
        if let Some(before) = before {
            self.turns.remove(&before);
        }
        mark(&mut self.wanted, id, open && lane.is_wanted(id));
        mark(&mut self.flying, id, !lane.flights.is_empty());
    }
}

fn mark(set: &mut BTreeSet<LaneId>, id: &LaneId, member: bool) {
    if member {
        set.insert(*id);
    } else {
        set.remove(id);
    }
}

fn turn(id: &LaneId, lane: &Lane, need: Need) -> Option<Turn> {
    match need {
        Need::Nothing => None,
        Need::SendFork | Need::AskAgain => Some((1, lane.group.clone(), *id)),
        Need::SendRuns => Some((rank(lane.group.part), lane.group.clone(), *id)),
    }
}

/// Returns the rank of a part's runs among all that is sent; fork evidence has rank 1.
fn rank(part: Part) -> u8 {
    match part {
        Part::Control => 0,
        Part::Card => 2,
        Part::Notes => 3,
        Part::Data => 4,
        Part::Audit => 5,
    }
}
