//! What peers have said, in sessions, of what they hold: acknowledgements, equal heads, and shorter ones.
//!
//! A session only touches memory. The table is made durable with some other commit, or at most once a minute: what a power
//! cut takes of it makes it lower, and it only ever says "at least". Lanes are kept by their first eight bytes on disk; the
//! values are `[version, in sync, met, [[mark, size] …], [[lane, area, part, size] …]]` in the space `held-by`, one for each
//! device under its id; when only the two times have changed, as at most meetings, they alone are kept, under `met:` and the
//! id. `[[lane mark, size] …]` of the backup stands under `backup`, and the peers of the configuration under their names.

use std::collections::{BTreeMap, BTreeSet};

use minicbor::{Decode, Encode};

use super::core::Replica;
use super::error::ReplicaError;
use crate::base::planted::{Plant, is_planted};
use crate::base::{Area, DeviceId, Digest, LaneId, Part, WallMs, cbor};
use crate::lane::{Head, HeadVector, LaneMark};
use crate::store::{Batch, Store};
use crate::sync::Group;

/// The store's space of this table.
const SPACE: &str = "held-by";
/// The key of what the backup covers.
const BACKUP: &[u8] = b"backup";
/// How the key of a peer of the configuration begins; its name follows.
const CONFIGURED: &[u8] = b"peer:";
/// How the key of the times of a peer begins; its id follows.
const TIMES: &[u8] = b"met:";
/// Values read at once.
const PAGE: usize = 256;
/// The table is saved at most so often.
const SAVE_EVERY_MS: u64 = 60_000;
/// Most lanes that are remembered of all peers together: a region of 300 sites in one area, as its gateway meets it.
const LANES_MAX: usize = 1 << 18;
/// Most lanes of which a peer holds more than this replica that are remembered of one peer.
const AHEAD_MAX: usize = 4_096;
/// Most peers of the configuration that are remembered.
const CONFIGURED_MAX: usize = 1_024;

/// What is known of one peer by its own word.
#[derive(Debug, Clone, Default)]
pub(super) struct Peer {
    /// When a session with it was last in sync.
    pub(super) in_sync: Option<WallMs>,
    /// When it last said what it holds.
    pub(super) met: Option<WallMs>,
    /// How much it holds of each lane, at least.
    pub(super) lanes: BTreeMap<LaneId, u64>,
    /// Lanes of which it listed more than this replica held then.
    pub(super) ahead: BTreeMap<LaneId, (Group, u64)>,
    /// What it was found to hold of whole groups, as long as it takes nothing of it back.
    equal: BTreeMap<Group, Digest>,
}

/// What became of a peer of the configuration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub(super) struct Tried {
    /// The first attempt since it was last reached; none while it is reached.
    #[n(0)]
    pub(super) since: Option<WallMs>,
    /// When it was last reached.
    #[n(1)]
    pub(super) reached: Option<WallMs>,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct StoredPeer {
    #[n(0)]
    version: u8,
    #[n(1)]
    in_sync: Option<WallMs>,
    #[n(2)]
    met: Option<WallMs>,
    #[n(3)]
    lanes: Vec<(LaneMark, u64)>,
    #[n(4)]
    ahead: Vec<(LaneId, Area, Part, u64)>,
}

/// When a peer was last in sync, and last spoke.
#[derive(Encode, Decode)]
#[cbor(array)]
struct StoredTimes {
    #[n(0)]
    in_sync: Option<WallMs>,
    #[n(1)]
    met: Option<WallMs>,
}

/// What peers have said, and what of it is not durable yet.
#[derive(Debug, Default)]
pub(super) struct Heard {
    peers: BTreeMap<DeviceId, Peer>,
    covered: BTreeMap<LaneId, u64>,
    configured: BTreeMap<String, Tried>,
    /// Lanes remembered of all peers.
    pairs: usize,
    unsaved: BTreeSet<Vec<u8>>,
    saved: WallMs,
}

impl Peer {
    /// Learns when it was in sync, or spoke; says whether that is later than what was known.
    fn was_met(&mut self, in_sync: Option<WallMs>, met: Option<WallMs>) -> bool {
        let before = (self.in_sync, self.met);
        (self.in_sync, self.met) = (self.in_sync.max(in_sync), self.met.max(met));
        (self.in_sync, self.met) != before
    }
}

impl Heard {
    /// Reads what the store has kept; what cannot be read is not known.
    pub(super) fn open(store: &dyn Store, lanes: impl Iterator<Item = LaneId>) -> Self {
        let marks: BTreeMap<LaneMark, LaneId> = lanes.map(|lane| (LaneMark::of(&lane), lane)).collect();
        let resolve = |kept: Vec<(LaneMark, u64)>| -> BTreeMap<LaneId, u64> {
            kept.into_iter().filter_map(|(mark, size)| Some((*marks.get(&mark)?, size))).collect()
        };
        let (mut heard, mut after) = (Self::default(), None::<Vec<u8>>);
        loop {
            let page = store.blobs(SPACE, after.as_deref(), PAGE).unwrap_or_default();
            for (key, value) in &page {
                if key == BACKUP {
                    heard.covered = cbor::from_canonical(value).map(resolve).unwrap_or_default();
                } else if let Some(name) = key.strip_prefix(CONFIGURED) {
                    if let (Ok(name), Ok(tried)) = (std::str::from_utf8(name), cbor::from_canonical(value)) {
                        heard.configured.insert(name.to_owned(), tried);
                    }
                } else if let (Ok(device), Ok(stored)) =
                    (<[u8; 32]>::try_from(key.as_slice()), cbor::from_canonical::<StoredPeer>(value))
                {
                    let lanes = resolve(stored.lanes);
                    heard.pairs += lanes.len();
                    let ahead = stored.ahead.into_iter();
                    let ahead = ahead.map(|(lane, area, part, size)| (lane, (Group { part, area }, size)));
                    let peer = heard.peers.entry(DeviceId(device)).or_default();
                    (peer.lanes, peer.ahead) = (lanes, ahead.collect());
                    peer.was_met(stored.in_sync, stored.met);
                } else if let (Some(Ok(device)), Ok(StoredTimes { in_sync, met })) =
                    (key.strip_prefix(TIMES).map(<[u8; 32]>::try_from), cbor::from_canonical(value))
                {
                    heard.peers.entry(DeviceId(device)).or_default().was_met(in_sync, met);
                }
            }
            match page.last() {
                Some((key, _)) if page.len() == PAGE => after = Some(key.clone()),
                Some(_) | None => return heard,
            }
        }
    }

    /// Returns what peers have said.
    pub(super) fn peers(&self) -> &BTreeMap<DeviceId, Peer> {
        &self.peers
    }

    /// Returns how much of each lane is in the backup.
    pub(super) fn covered(&self) -> &BTreeMap<LaneId, u64> {
        &self.covered
    }

    /// Returns what became of the peers of the configuration.
    pub(super) fn configured(&self) -> &BTreeMap<String, Tried> {
        &self.configured
    }

    /// What is known of a peer, which speaks now.
    fn peer(&mut self, device: DeviceId, now: WallMs) -> &mut Peer {
        let peer = self.peers.entry(device).or_default();
        if peer.was_met(None, Some(now)) {
            self.unsaved.insert([TIMES, &device.0].concat());
        }
        peer
    }

    fn raise(&mut self, device: DeviceId, lane: LaneId, size: u64, now: WallMs) {
        let full = self.pairs >= LANES_MAX;
        let peer = self.peer(device, now);
        match peer.lanes.get_mut(&lane) {
            Some(known) if *known >= size => return,
            Some(known) => *known = size,
            None if full => return,
            None => {
                peer.lanes.insert(lane, size);
                self.pairs += 1;
            }
        }
        self.unsaved.insert(device.0.to_vec());
    }

    /// Makes the values that are not durable yet.
    fn unsaved(&self) -> Vec<(String, Vec<u8>, Vec<u8>)> {
        let marked = |lanes: &BTreeMap<LaneId, u64>| -> Vec<(LaneMark, u64)> {
            lanes.iter().map(|(lane, size)| (LaneMark::of(lane), *size)).collect()
        };
        let value = |key: &Vec<u8>| -> Option<Vec<u8>> {
            if key == BACKUP {
                return Some(cbor::to_vec(&marked(&self.covered)));
            }
            if let Some(name) = key.strip_prefix(CONFIGURED) {
                return self.configured.get(std::str::from_utf8(name).ok()?).map(cbor::to_vec);
            }
            if let Some(device) = key.strip_prefix(TIMES) {
                let Peer { in_sync, met, .. } = self.peers.get(&DeviceId(device.try_into().ok()?))?;
                return Some(cbor::to_vec(&StoredTimes { in_sync: *in_sync, met: *met }));
            }
            let peer = self.peers.get(&DeviceId(key.as_slice().try_into().ok()?))?;
            let ahead = peer.ahead.iter();
            let ahead = ahead.map(|(lane, (group, size))| (*lane, group.area.clone(), group.part, *size));
            let Peer { in_sync, met, lanes, .. } = peer;
            let (in_sync, met, lanes) = (*in_sync, *met, marked(lanes));
            Some(cbor::to_vec(&StoredPeer { version: 1, in_sync, met, lanes, ahead: ahead.collect() }))
        };
        let values = self.unsaved.iter().filter_map(|key| Some((SPACE.to_owned(), key.clone(), value(key)?)));
        values.collect()
    }
}

impl Replica {
    /// Learns that a peer holds a lane durably up to a size, as this replica holds it.
    pub(super) fn peer_has(&self, peer: DeviceId, lane: LaneId, size: u64) {
        self.heard().raise(peer, lane, size, self.environment.now());
    }

    /// Learns that a peer holds all these lanes of a group durably. What was said the last time is not gone through again.
    pub(super) fn peer_has_all(&self, device: DeviceId, group: &Group, heads: &HeadVector) {
        let now = self.environment.now();
        let mut heard = self.heard();
        let digest = heads.digest();
        let before = heard.peer(device, now).equal.insert(group.clone(), digest);
        if before == Some(digest) {
            return;
        }
        for (lane, head) in heads.heads() {
            if let Head::Straight { size, .. } = head {
                heard.raise(device, lane, size, now);
            }
        }
    }

    /// Learns that a run was read for a peer: it may never arrive, so nothing follows from that.
    pub(super) fn run_read_for(&self, peer: DeviceId, lane: LaneId, end: u64) {
        if is_planted(Plant::CountSentAsHeld) {
            self.peer_has(peer, lane, end);
        }
    }

    /// Learns that a peer lists a head other than this replica's: it may hold less than it did, or more than is here.
    pub(super) fn peer_lists(&self, peer: DeviceId, group: Group, lane: LaneId, size: u64) {
        let ours = self.lock().lanes.get(&lane).map_or(0, crate::lane::LaneState::size);
        let mut heard = self.heard();
        let device = peer;
        let peer = heard.peer(device, self.environment.now());
        peer.equal.remove(&group);
        let taken_back = peer.lanes.get_mut(&lane).is_some_and(|known| {
            let before = std::mem::replace(known, size.min(*known));
            *known < before
        });
        let said = (group, size);
        let is_new = if size > ours && (peer.ahead.len() < AHEAD_MAX || peer.ahead.contains_key(&lane)) {
            peer.ahead.insert(lane, said.clone()).as_ref() != Some(&said)
        } else {
            peer.ahead.remove(&lane).is_some()
        };
        if taken_back || is_new {
            heard.unsaved.insert(device.0.to_vec());
        }
        if taken_back {
            // What was said too much is corrected with the next commit.
            heard.saved = WallMs(0);
        }
    }

    /// Learns that a session with a peer is in sync now.
    pub(super) fn in_sync_with(&self, peer: DeviceId) {
        let now = Some(self.environment.now());
        let mut heard = self.heard();
        if heard.peers.entry(peer).or_default().was_met(now, now) {
            heard.unsaved.insert([TIMES, &peer.0].concat());
        }
    }

    /// Learns what the backup covers.
    pub(super) fn backup_covers(&self, covered: &[(LaneId, u64)]) {
        let mut heard = self.heard();
        for (lane, size) in covered {
            let known = heard.covered.entry(*lane).or_default();
            *known = (*known).max(*size);
        }
        heard.unsaved.insert(BACKUP.to_vec());
    }

    /// Notes an attempt to reach a peer of the configuration, and whether it was reached.
    pub(super) fn tried(&self, name: &str, reached: bool) {
        let now = self.environment.now();
        let mut heard = self.heard();
        if heard.configured.len() >= CONFIGURED_MAX && !heard.configured.contains_key(name) {
            return;
        }
        let tried = heard.configured.entry(name.to_owned()).or_default();
        let before = *tried;
        match reached {
            true => *tried = Tried { since: None, reached: Some(now) },
            false => tried.since = tried.since.or(Some(now)),
        }
        if *tried != before {
            heard.unsaved.insert([CONFIGURED, name.as_bytes()].concat());
        }
    }

    /// Adds what is not durable yet to a batch that is committed anyway, if the last time was long ago.
    pub(super) fn add_heard(&self, batch: &mut Batch) {
        let now = self.environment.now();
        let mut heard = self.heard();
        if !heard.unsaved.is_empty() && now.0.saturating_sub(heard.saved.0) >= SAVE_EVERY_MS {
            batch.blobs.extend(heard.unsaved());
            heard.saved = now;
            heard.unsaved.clear();
        }
    }

    /// Learns that a commit has failed: what it would have made durable is not.
    pub(super) fn heard_is_unsaved(&self) {
        let mut heard = self.heard();
        let keys = |device: &DeviceId| [device.0.to_vec(), [TIMES, &device.0].concat()];
        let peers: Vec<Vec<u8>> = heard.peers.keys().flat_map(keys).collect();
        heard.unsaved.extend(peers);
    }

    /// Makes durable what waits for another commit; to be called before the store is left.
    ///
    /// # Errors
    /// When the store fails.
    pub fn settle(&self) -> Result<(), ReplicaError> {
        self.index_step()?;
        self.save_heard(true)
    }

    /// Makes what peers have said durable; `always` also when that was done a moment ago.
    ///
    /// # Errors
    /// When the store fails: then it is tried again with the next commit.
    pub(super) fn save_heard(&self, always: bool) -> Result<(), ReplicaError> {
        let mut batch = Batch::default();
        if always {
            self.heard().saved = WallMs(0);
        }
        self.add_heard(&mut batch);
        if batch.is_empty() {
            return Ok(());
        }
        self.store.commit(batch).inspect_err(|_| self.heard_is_unsaved())?;
        Ok(())
    }
}
