//! What a machine has heard: the sizes of lanes and when they grew. It is written down from outside, from what
//! the replica tells its sessions.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use crate::base::{Area, LaneId, Part};
use crate::lane::{Head, LaneName};

/// What one machine holds.
#[derive(Debug, Default)]
pub(super) struct Knowledge {
    lanes: HashMap<LaneId, Growth, OfHash>,
    /// For each area and part a sum over its lanes and sizes: equal sums, equal content.
    sums: BTreeMap<Area, [u64; Part::ALL.len()]>,
    entries: u64,
    /// What its earlier disks held until they were lost: people had seen it.
    before: Vec<HashMap<LaneId, Growth, OfHash>>,
}

#[derive(Debug)]
struct Growth {
    area: Area,
    part: Part,
    size: u64,
    /// Of a forked lane, what tells its histories from others; 0 of a straight one.
    fork: u64,
    /// When the lane came to have so many entries.
    steps: Vec<(Duration, u64)>,
}

impl Knowledge {
    /// Learns the head of a lane; returns how many entries are new.
    pub(super) fn learn(&mut self, now: Duration, name: &LaneName, head: &Head) -> u64 {
        let id = name.id();
        let (size, fork) = match head {
            Head::Straight { size, .. } => (*size, 0),
            Head::Forked { at, .. } => (*at, first_64(&head.digest(&id).0)),
        };
        let growth = self.lanes.entry(id).or_insert_with(|| Growth {
            area: name.area.clone(),
            part: name.part,
            size: 0,
            fork: 0,
            steps: Vec::new(),
        });
        let before = growth.size;
        if (size, fork) == (before, growth.fork) {
            return 0;
        }
        let sums = self.sums.entry(name.area.clone()).or_default();
        sums[usize::from(name.part.code())] ^= mixed(&id, before) ^ mixed(&id, size) ^ growth.fork ^ fork;
        (growth.size, growth.fork) = (size, fork);
        growth.steps.push((now, size));
        self.entries = (self.entries + size).saturating_sub(before);
        size.saturating_sub(before)
    }

    /// Holds nothing any more: the disk is another one. When it came to hold what is lost is remembered.
    pub(super) fn clear(&mut self) {
        let mut before = std::mem::take(&mut self.before);
        before.push(std::mem::take(&mut self.lanes));
        *self = Self { before, ..Self::default() };
    }

    /// Returns how many entries of a lane are held.
    pub(super) fn size(&self, lane: &LaneId) -> u64 {
        self.lanes.get(lane).map_or(0, |growth| growth.size)
    }

    /// Returns how many entries are held in all.
    pub(super) fn entries(&self) -> u64 {
        self.entries
    }

    /// Returns when an entry was first held, be it on a disk that is lost by now.
    pub(super) fn since(&self, lane: &LaneId, seq: u64) -> Option<Duration> {
        let on_disk = |lanes: &HashMap<LaneId, Growth, OfHash>| {
            let growth = lanes.get(lane)?;
            let place = growth.steps.partition_point(|(_, size)| *size <= seq);
            growth.steps.get(place).map(|(at, _)| *at)
        };
        self.before.iter().chain([&self.lanes]).find_map(on_disk)
    }

    /// Returns the sum of a part of an area: equal sums, equal content.
    pub(super) fn sum(&self, area: &Area, part: Part) -> u64 {
        self.sums.get(area).map_or(0, |sums| sums[usize::from(part.code())])
    }

    /// Returns the sums of all that is held.
    pub(super) fn sums(&self) -> impl Iterator<Item = (&Area, Part, u64)> {
        let each = self
            .sums
            .iter()
            .flat_map(|(area, sums)| Part::ALL.map(|part| (area, part, sums[usize::from(part.code())])));
        each.filter(|(.., sum)| *sum != 0)
    }

    /// Returns the lanes of a part of an area of which something is held, with their sizes, in the order of their ids.
    pub(super) fn lanes_of(&self, area: &Area, part: Part) -> Vec<(LaneId, u64)> {
        let of = self.lanes.iter().filter(|(_, growth)| growth.part == part && growth.area == *area);
        let mut lanes: Vec<(LaneId, u64)> = of.map(|(lane, growth)| (*lane, growth.size)).collect();
        lanes.sort_unstable();
        lanes
    }
}

/// Hashes lane ids, which are hashes already, by their first bytes: the same in every run.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct OfHash;

/// Takes the first bytes that it is given.
#[derive(Debug, Default)]
pub(super) struct FirstBytes(u64);

impl BuildHasher for OfHash {
    type Hasher = FirstBytes;

    fn build_hasher(&self) -> FirstBytes {
        FirstBytes(0)
    }
}

impl Hasher for FirstBytes {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Arrays of bytes are preceded by their length, which is the same for all.
        if let Some((first, _)) = bytes.split_first_chunk::<8>() {
            self.0 ^= u64::from_be_bytes(*first);
        }
    }
}

fn first_64(hash: &[u8; 32]) -> u64 {
    hash.first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
}

/// Mixes a lane and its size into 64 bits (the finaliser of MurmurHash3, Appleby 2011); 0 for a lane without entries.
fn mixed(lane: &LaneId, size: u64) -> u64 {
    if size == 0 {
        return 0;
    }
    let mut x = first_64(&lane.0) ^ size.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x ^= x >> 33;
    x = x.wrapping_mul(0xff51_afd7_ed55_8ccd);
    x ^= x >> 33;
    x = x.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    x ^ (x >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{DeviceId, Digest, RealmId};

    fn name(device: u8) -> LaneName {
        let (realm, area) = (RealmId([1; 32]), Area::new("shared/miura").expect("an area"));
        LaneName { realm, device: DeviceId([device; 32]), area, part: Part::Card }
    }

    fn head(size: u64) -> Head {
        Head::Straight { size, root: Digest([0; 32]) }
    }

    #[test]
    fn the_same_content_has_the_same_sum_in_whatever_order_it_came() {
        let (mut one, mut other) = (Knowledge::default(), Knowledge::default());
        let at = Duration::from_secs;
        one.learn(at(1), &name(1), &head(2));
        one.learn(at(2), &name(2), &head(5));
        other.learn(at(1), &name(2), &head(3));
        assert_ne!(one.sum(&name(1).area, Part::Card), other.sum(&name(1).area, Part::Card));
        assert_eq!(one.sum(&name(1).area, Part::Notes), 0);
        other.learn(at(3), &name(2), &head(5));
        other.learn(at(9), &name(1), &head(2));
        assert_eq!(one.sum(&name(1).area, Part::Card), other.sum(&name(1).area, Part::Card));
        assert_eq!(one.lanes_of(&name(1).area, Part::Card).len(), 2);
        assert_eq!((one.entries(), other.entries()), (7, 7));
        let lane = name(2).id();
        let since = [0, 2, 3, 4, 5].map(|seq| other.since(&lane, seq));
        assert_eq!(since, [Some(at(1)), Some(at(1)), Some(at(3)), Some(at(3)), None]);
        // The disk is lost: nothing is held, and when it was first seen stays true.
        other.clear();
        assert_eq!((other.entries(), other.size(&lane), other.sum(&name(1).area, Part::Card)), (0, 0, 0));
        other.learn(at(20), &name(2), &head(1));
        assert_eq!([0, 4, 5].map(|seq| other.since(&lane, seq)), [Some(at(1)), Some(at(3)), None]);
    }
}
