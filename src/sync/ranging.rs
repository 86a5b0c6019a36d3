//! Comparing a group of many lanes by ranges, and listing what differs.
//!
//! Rounds of digests go to and fro, the initiator first. Who hears a round finds the parts of ranges that differ:
//! those it answers with the next round, or, if they are narrow, or one side holds nothing there, or a sample says that nearly
//! all differ, with a list of its heads in them. A list is answered with the heads that differ; from then on these lanes are
//! sent. When neither owes a round, a list or an answer, the group is open.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use minicbor::bytes::ByteVec;

use super::digests::Group;
use super::event::Output;
use super::lane::Theirs;
use super::limits::{
    HEADS_AHEAD_BYTES_MAX, LISTED_PER_MESSAGE, RANGE_DIGEST_BYTES, RANGES_PER_MESSAGE_MAX,
    SAMPLE_DIGEST_BYTES, SAMPLES,
};
use super::message::{Heads, ListedHead, Message, RangeDigests, Ranges, Scope};
use super::ranges::{EMPTY_RANGE, RangeDigest, digest_of, nearly_all_differ, parts_of, sample};
use super::session::{Fault, Session};
use crate::base::{Digest, LaneId};
use crate::lane::{Head, LaneRange};

/// The head of a lane in an answer of which the answerer has nothing.
const LACKING: Head = Head::Straight { size: 0, root: Digest([0; 32]) };

/// How far the comparison of one group is.
#[derive(Debug)]
pub(super) struct Ranging {
    /// The depths of the rounds.
    depths: Vec<u8>,
    /// The round that the peer owes.
    due: Option<usize>,
    /// The indices of the ranges that were split in our last round: the peer may name their parts.
    asked: Vec<u64>,
    /// The last range that the peer has named in the round that is being heard.
    latest: Option<u64>,
    /// Ranges that differ and are to be split in our next round.
    split: Vec<u64>,
    /// Ranges that differ and are to be listed.
    lists: BTreeSet<LaneRange>,
    /// Whether we have sent our last list.
    said_last: bool,
    /// Whether the peer has.
    heard_last: bool,
}

/// A list that the peer has not answered.
#[derive(Debug)]
pub(super) struct Unanswered {
    /// Its bytes.
    pub bytes: usize,
    /// Its lanes, without those that the peer has answered.
    pub lanes: BTreeSet<LaneId>,
    /// The last lane of the answer so far.
    pub latest: Option<LaneId>,
}

/// What is to be answered to a list.
#[derive(Debug, Default)]
pub(super) struct ListAnswer {
    /// Our heads of the lanes that the list is about.
    pub ours: BTreeMap<LaneId, Head>,
    /// Those that were listed with the same head.
    pub equal: BTreeSet<LaneId>,
    /// Lanes that were listed, and of which we have nothing.
    pub lacking: Vec<LaneId>,
}

impl Ranging {
    fn new(depths: Vec<u8>) -> Self {
        Self {
            depths,
            due: Some(0),
            asked: Vec::new(),
            latest: None,
            split: Vec::new(),
            lists: BTreeSet::new(),
            said_last: false,
            heard_last: false,
        }
    }

    /// Returns the depth of the ranges that a round splits.
    fn depth_before(&self, round: usize) -> u8 {
        round.checked_sub(1).and_then(|before| self.depths.get(before)).copied().unwrap_or(0)
    }

    /// Says whether the peer may name a range in a round.
    fn may_name(&self, round: usize, index: u64) -> bool {
        let Some(before) = round.checked_sub(1) else { return index == 0 && self.latest.is_none() };
        let step = self.depth_before(round) - self.depth_before(before);
        self.latest.is_none_or(|latest| latest < index) && self.asked.binary_search(&(index >> step)).is_ok()
    }
}

impl Session {
    /// Begins to compare a group by ranges.
    pub(super) fn begin_ranging(&mut self, group: Group, depths: Vec<u8>) {
        self.ranging.insert(group.clone(), Ranging::new(depths));
        if self.config.initiator {
            self.send_round(&group, 0, vec![0]);
        }
    }

    fn send_round(&mut self, group: &Group, round: usize, parents: Vec<u64>) {
        let told = self.lanes.told(group);
        let Some(ranging) = self.ranging.get_mut(group) else { return };
        let (before, depth) = (ranging.depth_before(round), ranging.depths[round]);
        let of = |index: &u64| {
            let parts = parts_of(LaneRange { depth: before, index: *index }, depth);
            let digests: Vec<u8> = parts.flat_map(|part| digest_of(&told, part)).collect();
            RangeDigests { index: *index, digests: ByteVec::from(digests) }
        };
        let ranges: Vec<RangeDigests> = parents.iter().map(of).collect();
        let more = !parents.is_empty() && round + 1 < ranging.depths.len();
        let mut sampled = (round == 0 && more).then(|| ByteVec::from(sample(&told, &ranging.depths)));
        ranging.due = more.then_some(round + 1);
        ranging.asked = parents;
        ranging.latest = None;
        let mut chunks = ranges.chunks(RANGES_PER_MESSAGE_MAX).peekable();
        let mut chunk: &[RangeDigests] = chunks.next().unwrap_or_default();
        loop {
            let following = chunks.next();
            let (area, part, last) = (group.area.clone(), group.part, following.is_none());
            let (ranges, sample) = (chunk.to_vec(), sampled.take());
            self.send(&Message::Ranges(Ranges { area, part, depth: before, last, ranges, sample }));
            match following {
                Some(following) => chunk = following,
                None => return,
            }
        }
    }

    /// Takes digests of ranges.
    pub(super) fn ranges(&mut self, message: Ranges) -> Result<(), Fault> {
        let Ranges { area, part, depth, last, ranges, sample } = message;
        let group = Group { part, area };
        let told = self.lanes.told(&group);
        let Some(ranging) = self.ranging.get_mut(&group) else {
            return Err(Fault::protocol("ranges of a group that is not compared by ranges"));
        };
        let Some(round) = ranging.due.filter(|round| ranging.depth_before(*round) == depth) else {
            return Err(Fault::protocol("ranges of a round that is not due"));
        };
        let narrow = ranging.depths[round];
        if sample.as_ref().is_some_and(|it| round > 0 || it.len() != SAMPLES * SAMPLE_DIGEST_BYTES) {
            return Err(Fault::protocol("a sample of ranges that was not agreed"));
        }
        let at_once = sample.is_some_and(|sample| nearly_all_differ(&told, &ranging.depths, &sample));
        for RangeDigests { index, digests } in ranges {
            if !ranging.may_name(round, index) || digests.len() != RANGE_DIGEST_BYTES << (narrow - depth) {
                return Err(Fault::protocol(
                    "a range out of order, or not asked for, or not split as agreed",
                ));
            }
            ranging.latest = Some(index);
            let parts = parts_of(LaneRange { depth, index }, narrow);
            for (part, theirs) in parts.zip(digests.as_chunks::<RANGE_DIGEST_BYTES>().0) {
                let ours: RangeDigest = digest_of(&told, part);
                if ours == *theirs {
                    continue;
                }
                let one_sided = ours == EMPTY_RANGE || *theirs == EMPTY_RANGE;
                if one_sided || at_once || round + 1 == ranging.depths.len() {
                    ranging.lists.insert(part);
                } else {
                    ranging.split.push(part.index);
                }
            }
        }
        if last {
            // An empty round ends the rounds; so does the last one.
            let goes_on = ranging.latest.is_some() && round + 1 < ranging.depths.len();
            let split = std::mem::take(&mut ranging.split);
            ranging.due = None;
            if goes_on {
                self.send_round(&group, round + 1, split);
            }
        }
        Ok(())
    }

    /// Sends lists of ranges that differ, urgent parts first, while not too much is unanswered; opens the groups of
    /// which all is known.
    pub(super) fn list_ranges(&mut self) {
        let groups: Vec<Group> = self.ranging.keys().cloned().collect();
        for group in groups {
            while let Some(ranging) = self.ranging.get(&group)
                && !ranging.said_last
                && (ranging.due.is_none() || !ranging.lists.is_empty())
            {
                if !ranging.lists.is_empty() && self.bytes_ahead(&group) >= HEADS_AHEAD_BYTES_MAX {
                    return;
                }
                self.list_some_ranges(&group);
            }
            self.finish_ranging(&group);
        }
    }

    /// Returns the bytes of lists of other groups that the peer has not answered, or not matched by its own.
    pub(super) fn bytes_ahead(&self, of: &Group) -> usize {
        let lists = self.unanswered.iter().filter(|(group, _)| *group != of);
        let unanswered = lists.flat_map(|(_, lists)| lists).map(|list| list.bytes);
        self.listing.ahead.values().copied().chain(unanswered).sum()
    }

    /// Sends one message of lists.
    fn list_some_ranges(&mut self, group: &Group) {
        let Some(ranging) = self.ranging.get_mut(group) else { return };
        let (mut ranges, mut lanes) = (Vec::new(), 0);
        while let Some(range) = ranging.lists.first().copied() {
            let count = self.lanes.count_in(group, range);
            if count > LISTED_PER_MESSAGE {
                ranging.lists.remove(&range);
                // A thousand hashes do not begin with the same sixty bits.
                ranging.lists.extend(range.halves().into_iter().flatten());
                continue;
            }
            let other = ranges.first().is_some_and(|first: &LaneRange| first.depth != range.depth);
            if other || lanes + count > LISTED_PER_MESSAGE || ranges.len() >= RANGES_PER_MESSAGE_MAX {
                break;
            }
            ranging.lists.remove(&range);
            ranges.push(range);
            lanes += count;
        }
        let last = ranging.due.is_none() && ranging.lists.is_empty();
        ranging.said_last = last;
        let mut heads = Vec::with_capacity(lanes);
        for (lane, head) in
            ranges.iter().flat_map(|range| self.lanes.held_in(group, *range)).collect::<Vec<_>>()
        {
            self.lanes.change(&lane, |known| {
                known.compared = true;
                known.set_theirs(Theirs::of(&lane, &head));
            });
            heads.push(ListedHead { lane, head });
        }
        let depth = ranges.first().map_or(0, |range| range.depth);
        let scope = Scope::Ranges(depth, ranges.iter().map(|range| range.index).collect());
        self.send_list(group, last, heads, scope);
    }

    /// Sends a list that is to be answered, unless it is of nothing.
    pub(super) fn send_list(&mut self, group: &Group, last: bool, heads: Vec<ListedHead>, scope: Scope) {
        let lanes = heads.iter().map(|listed| listed.lane).collect();
        let is_answered =
            !heads.is_empty() || !matches!(&scope, Scope::Ranges(_, indices) if indices.is_empty());
        let (area, part) = (group.area.clone(), group.part);
        let message = Message::Heads(Heads { area, part, last, heads, scope: Some(scope) }).to_bytes();
        if is_answered {
            let list = Unanswered { bytes: message.len(), lanes, latest: None };
            self.unanswered.entry(group.clone()).or_default().push_back(list);
        }
        self.heads_bytes += message.len() as u64;
        self.out.push(Output::Send(message));
    }

    /// Takes a list of ranges, and answers it.
    pub(super) fn ranges_listed(
        &mut self,
        group: Group,
        last: bool,
        (depth, indices): (u8, Vec<u64>),
        heads: Vec<ListedHead>,
    ) -> Result<(), Fault> {
        match self.ranging.get_mut(&group) {
            Some(ranging) if !ranging.heard_last => ranging.heard_last = last,
            Some(_) | None => {
                return Err(Fault::protocol("a list of ranges of a group that is not compared so"));
            }
        }
        if !indices.is_sorted_by(|one, next| one < next) {
            return Err(Fault::protocol("ranges out of order"));
        }
        let mut answer = ListAnswer::default();
        for index in &indices {
            let range =
                LaneRange::new(depth, *index).ok_or_else(|| Fault::protocol("a range that cannot be"))?;
            for (lane, head) in self.lanes.held_in(&group, range) {
                self.lanes.change(&lane, |known| known.set_theirs(Theirs::NOTHING));
                self.compared_once(&lane)?;
                answer.ours.insert(lane, head);
            }
        }
        let is_inside = |lane: &LaneId| indices.binary_search(&LaneRange::of(lane, depth).index).is_ok();
        if !heads.iter().all(|listed| is_inside(&listed.lane)) {
            return Err(Fault::protocol("a lane listed outside of the ranges"));
        }
        let listed: BTreeSet<LaneId> = heads.iter().map(|listed| listed.lane).collect();
        self.take_list(&group, heads, &mut answer)?;
        for lane in answer.ours.keys().filter(|lane| !listed.contains(lane)).copied().collect::<Vec<_>>() {
            self.peer_lacks(&group, lane);
        }
        if !indices.is_empty() {
            let compared: BTreeSet<LaneId> = listed.into_iter().chain(answer.ours.keys().copied()).collect();
            self.send_answer(&group, answer);
            compared.iter().for_each(|lane| self.lanes.open_lane(lane));
        }
        Ok(())
    }

    /// Takes listed heads, and finds out what is to be answered.
    pub(super) fn take_list(
        &mut self,
        group: &Group,
        heads: Vec<ListedHead>,
        answer: &mut ListAnswer,
    ) -> Result<(), Fault> {
        let mut latest = None;
        for ListedHead { lane, head } in heads {
            if latest.is_some_and(|latest| latest >= lane) {
                return Err(Fault::protocol("heads out of order"));
            }
            latest = Some(lane);
            self.listed(group, lane, &head)?;
            match answer.ours.get(&lane) {
                Some(ours) if *ours == head => {
                    answer.equal.insert(lane);
                }
                Some(_) => {}
                None => {
                    self.compared_once(&lane)?;
                    answer.lacking.push(lane);
                }
            }
        }
        Ok(())
    }

    /// Notes that a lane is compared; each is only once, so that nobody is asked for the same for ever.
    pub(super) fn compared_once(&mut self, lane: &LaneId) -> Result<(), Fault> {
        match self.lanes.change(lane, |lane| std::mem::replace(&mut lane.compared, true)) {
            Some(true) => Err(Fault::protocol("a lane listed twice")),
            Some(false) | None => Ok(()),
        }
    }

    /// Answers a list: by what differs, or by what is held at all, whichever is less.
    pub(super) fn send_answer(&mut self, group: &Group, answer: ListAnswer) {
        let ListAnswer { mut ours, equal, lacking } = answer;
        let by_held = lacking.len() > equal.len();
        if !by_held {
            ours.retain(|lane, _| !equal.contains(lane));
            ours.extend(lacking.into_iter().map(|lane| (lane, LACKING)));
        }
        let heads: Vec<ListedHead> = ours.into_iter().map(|(lane, head)| ListedHead { lane, head }).collect();
        self.send_heads(group, &heads, Some(&Scope::Answer(by_held)));
    }

    /// Takes an answer to a list.
    pub(super) fn list_answered(
        &mut self,
        group: &Group,
        last: bool,
        lacking: bool,
        heads: Vec<ListedHead>,
    ) -> Result<(), Fault> {
        // Of an offer nothing but the lane that was offered is exchanged.
        let is_ranged = self.ranging.contains_key(group);
        for ListedHead { lane, head } in heads {
            let list = self.unanswered.get_mut(group).and_then(VecDeque::front_mut);
            let list = list.ok_or_else(|| Fault::protocol("an answer to no list"))?;
            if list.latest.replace(lane).is_some_and(|latest| latest >= lane) {
                return Err(Fault::protocol("heads out of order"));
            }
            list.lanes.remove(&lane);
            self.listed(group, lane, &head)?;
            if is_ranged {
                self.lanes.open_lane(&lane);
            }
        }
        if last {
            let lists = self.unanswered.get_mut(group);
            let Some(list) = lists.and_then(VecDeque::pop_front) else {
                return Err(Fault::protocol("an answer to no list"));
            };
            for lane in list.lanes {
                if lacking {
                    self.lanes.change(&lane, |known| known.set_theirs(Theirs::NOTHING));
                    self.peer_lacks(group, lane);
                } else if let Some(Theirs::Straight { size, .. }) =
                    self.lanes.get(&lane).map(|lane| lane.theirs)
                {
                    self.out.push(Output::PeerHas { lane, size });
                }
                self.lanes.open_lane(&lane);
            }
            if self.unanswered.get(group).is_some_and(VecDeque::is_empty) {
                self.unanswered.remove(group);
            }
        }
        Ok(())
    }

    /// Opens a group when both sides have listed what differs, and answered.
    fn finish_ranging(&mut self, group: &Group) {
        let is_done = |ranging: &Ranging| ranging.said_last && ranging.heard_last;
        if !self.ranging.get(group).is_some_and(is_done) || self.unanswered.contains_key(group) {
            return;
        }
        self.ranging.remove(group);
        let mut heads = self.lanes.told(group);
        for lane in self.lanes.touched(group) {
            if self.lanes.get(&lane).is_some_and(|lane| lane.compared) {
                heads.remove(&lane);
            }
        }
        self.lanes.open(group.clone());
        if !heads.is_empty() {
            self.out.push(Output::PeerHasAll { group: group.clone(), heads });
        }
    }
}
