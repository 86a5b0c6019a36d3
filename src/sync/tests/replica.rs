//! A replica in memory: what a store does, without a disk.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use crate::base::{Area, DeviceId, Digest, LaneId, Part, RealmId, SiteId, WallMs, cbor};
use crate::identity::{
    Certificate, Certificates, DeviceCertificate, DeviceRole, Genesis, SecretSeed, SiteCertificate, SiteKind,
};
use crate::lane::{
    Admission, Entry, EntryKind, ForkState, Frontier, Head, LaneLog, LaneName, LaneState, Run, admit,
    admit_fork, append,
};
use crate::sync::event::{Input, SessionConfig};
use crate::sync::{Group, Holdings, Session, Streams};

/// A realm with one site.
pub struct Realm {
    pub genesis: Vec<u8>,
    site: Vec<u8>,
    site_seed: SecretSeed,
}

impl Realm {
    pub fn new(name: &str) -> Self {
        let root = SecretSeed::from_bytes([0xfe; 32]);
        let site_seed = SecretSeed::from_bytes([0xfd; 32]);
        let genesis =
            Certificate::Genesis(Genesis { name: name.to_owned(), root: root.public(), created: WallMs(0) })
                .sign(&root);
        let site = SiteCertificate {
            realm: RealmId(Certificate::hash(&genesis).0),
            key: site_seed.public(),
            kex: site_seed.kex().public(),
            recovery: site_seed.kex().public(),
            name: "North".to_owned(),
            kind: SiteKind::Hospital,
            areas: areas(&["shared/a", "shared/b", "private/n"]),
            not_before: WallMs(0),
            not_after: WallMs(u64::MAX),
        };
        let site = Certificate::Site(site).sign(&root);
        Self { genesis, site, site_seed }
    }

    fn chain(&self, device: &SecretSeed, held: &[&str]) -> Vec<Vec<u8>> {
        let certificate = DeviceCertificate {
            realm: RealmId(Certificate::hash(&self.genesis).0),
            site: SiteId::of_key(&self.site_seed.public()),
            device: device.device_id(),
            kex: device.kex().public(),
            name: "tablet".to_owned(),
            role: DeviceRole::Tablet,
            areas: areas(held),
            parts: Part::ALL.into(),
            not_before: WallMs(0),
            not_after: WallMs(u64::MAX),
        };
        vec![self.site.clone(), Certificate::Device(certificate).sign(&self.site_seed)]
    }
}

pub fn areas(names: &[&str]) -> BTreeSet<Area> {
    names.iter().map(|name| Area::new(name).unwrap()).collect()
}

/// One lane as stored: its state, and the runs of its trunk with the tree's edge before each.
#[derive(Clone)]
struct StoredLane {
    state: LaneState,
    runs: Vec<(Run, Frontier)>,
}

/// A replica.
#[derive(Clone)]
pub struct Replica {
    pub seed: SecretSeed,
    pub chain: Vec<Vec<u8>>,
    pub certificates: Certificates,
    pub subscription: BTreeSet<Group>,
    lanes: BTreeMap<LaneId, StoredLane>,
    /// What was admitted, in order: part, lane, first and following entry.
    pub admitted: Vec<(Part, LaneId, u64, u64)>,
    written: u64,
    pub streams: Streams,
}

impl LaneLog for Replica {
    type Error = Infallible;

    fn runs(&self, lane: &LaneId, from: u64, to: u64) -> Result<Vec<Run>, Infallible> {
        let stored = self.lanes.get(lane).map(|lane| lane.runs.as_slice()).unwrap_or_default();
        let overlaps = |run: &&Run| run.start < to && run.end() > from;
        Ok(stored.iter().map(|(run, _)| run).filter(overlaps).cloned().collect())
    }

    fn frontier_at(&self, lane: &LaneId, seq: u64) -> Result<Frontier, Infallible> {
        let stored = &self.lanes[lane];
        let Some((run, before)) = stored.runs.iter().find(|(run, _)| run.start <= seq && run.end() > seq)
        else {
            return Ok(stored.state.frontier.clone());
        };
        let mut frontier = before.clone();
        run.leaves().iter().take((seq - run.start) as usize).for_each(|leaf| frontier.push(leaf));
        Ok(frontier)
    }
}

impl Replica {
    /// Makes a replica that knows nobody but itself.
    pub fn new(realm: &Realm, number: u16, held: &[&str]) -> Self {
        let mut seed = [1; 32];
        seed[..2].copy_from_slice(&number.to_be_bytes());
        let seed = SecretSeed::from_bytes(seed);
        let chain = realm.chain(&seed, held);
        let mut certificates = Certificates::new(&realm.genesis).unwrap();
        chain.iter().for_each(|signed| {
            certificates.insert(signed).unwrap();
        });
        let held = held.iter().map(|name| Area::new(name).unwrap()).chain([Area::common()]);
        let subscription =
            held.flat_map(|area| Part::ALL.map(|part| Group { part, area: area.clone() })).collect();
        let (lanes, admitted) = (BTreeMap::new(), Vec::new());
        Self {
            seed,
            chain,
            certificates,
            subscription,
            lanes,
            admitted,
            written: 0,
            streams: Streams::default(),
        }
    }

    pub fn device(&self) -> DeviceId {
        self.seed.device_id()
    }

    pub fn name(&self, area: &str, part: Part) -> LaneName {
        LaneName {
            realm: self.certificates.realm(),
            device: self.device(),
            area: Area::new(area).unwrap(),
            part,
        }
    }

    /// Appends `count` entries of `bytes` bytes and returns the lane's new head.
    pub fn write(&mut self, area: &str, part: Part, count: usize, bytes: usize) -> Input {
        let entries = (0..count)
            .map(|_| {
                self.written += 1;
                Entry { kind: EntryKind::FACTS, body: body(self.seed.public()[0], self.written, bytes) }
            })
            .collect();
        self.write_entries(area, part, entries)
    }

    /// Appends entries and returns the lane's new head.
    pub fn write_entries(&mut self, area: &str, part: Part, entries: Vec<Entry>) -> Input {
        let name = self.name(area, part);
        let certificate = Certificate::hash(self.chain.last().unwrap());
        let state = self.lanes.get(&name.id()).map(|lane| lane.state.clone());
        for appended in append(state.as_ref(), &name, &certificate, entries, &self.seed).unwrap() {
            self.store(appended.run, appended.before, appended.state);
        }
        Input::HeadChanged { head: self.lanes[&name.id()].state.head(), name }
    }

    /// Takes over all that another replica holds.
    pub fn adopt(&mut self, other: &Replica) {
        self.learn(&other.chain);
        for (run, _) in other.lanes.values().flat_map(|lane| &lane.runs) {
            let answer = self.admit(run.clone());
            assert!(matches!(answer, Input::Stored { .. }));
        }
    }

    fn store(&mut self, run: Run, before: Frontier, state: LaneState) {
        let lane = self.lanes.entry(run.lane);
        let lane = lane.or_insert_with(|| StoredLane { state: state.clone(), runs: Vec::new() });
        lane.state = state;
        lane.runs.push((run, before));
    }

    /// Opens a session over what is stored now.
    pub fn session(&self, initiator: bool) -> Session {
        let config = SessionConfig {
            realm: self.certificates.realm(),
            device: self.device(),
            chain: self.chain.clone(),
            subscription: self.subscription.clone(),
            initiator,
            streams: self.streams.clone(),
        };
        let heads = self.lanes.values().map(|lane| (lane.state.name.clone(), lane.state.head()));
        Session::new(config, Holdings::of(heads))
    }

    /// Returns the heads of all lanes.
    pub fn heads(&self) -> BTreeMap<LaneId, Head> {
        self.lanes.iter().map(|(id, lane)| (*id, lane.state.head())).collect()
    }

    pub fn head(&self, lane: &LaneId) -> Option<Head> {
        self.lanes.get(lane).map(|lane| lane.state.head())
    }

    pub fn state(&self, lane: &LaneId) -> Option<&LaneState> {
        self.lanes.get(lane).map(|lane| &lane.state)
    }

    /// Returns how many entries of a lane the trunk holds.
    pub fn size(&self, lane: &LaneId) -> u64 {
        self.lanes.get(lane).map_or(0, |lane| lane.state.size())
    }

    /// Answers `Peer`.
    pub fn peer_allowed(&self, certificate: &Digest) -> Input {
        Input::PeerAllowed(self.certificates.device(certificate).map(|device| device.areas.clone()))
    }

    /// Carries out `Certificates`.
    pub fn learn(&mut self, signed: &[Vec<u8>]) {
        for one in signed {
            // A hostile peer's certificates are refused here, which is all that a store does about them.
            let _ = self.certificates.insert(one);
        }
    }

    /// Answers `ReadRuns`.
    pub fn read_runs(&self, lane: LaneId, from: u64, limit_bytes: usize) -> Input {
        let mut runs: Vec<Run> = Vec::new();
        let mut bytes = 0;
        for run in self.runs(&lane, from, u64::MAX).unwrap() {
            if !runs.is_empty() && bytes + run.body_bytes() > limit_bytes {
                break;
            }
            bytes += run.body_bytes();
            runs.push(run);
        }
        Input::Runs { lane, from, runs, certificates: self.chains(&lane) }
    }

    /// Answers `ReadFork`.
    pub fn read_fork(&self, lane: &LaneId) -> Input {
        let state = &self.lanes[lane].state;
        let fork = state.fork.as_ref().unwrap();
        let pieces = [fork.without_branches()].into_iter().chain(fork.pieces());
        Input::ForkState {
            name: state.name.clone(),
            head: state.head(),
            pieces: pieces.map(|piece| cbor::to_vec(&piece)).collect(),
            certificates: self.chains(lane),
        }
    }

    fn chains(&self, lane: &LaneId) -> Vec<Vec<u8>> {
        let needed = self.lanes.get(lane).map(|lane| lane.state.certificates_needed()).unwrap_or_default();
        let chains = needed.iter().flat_map(|hash| self.certificates.chain(hash));
        chains.map(|(_, signed)| signed.to_vec()).collect()
    }

    /// Answers `Admit`.
    pub fn admit(&mut self, run: Run) -> Input {
        let lane = run.lane;
        let state = self.lanes.get(&lane).map(|lane| lane.state.clone());
        let Ok(admission) = admit(state.as_ref(), self, run, &self.certificates);
        self.apply(lane, admission)
    }

    /// Answers `AdmitFork`.
    pub fn admit_fork(&mut self, lane: LaneId, bytes: &[u8]) -> Option<Input> {
        let theirs: ForkState = cbor::from_canonical(bytes).ok()?;
        let state = self.lanes.get(&lane).map(|lane| lane.state.clone());
        let Ok(admission) = admit_fork(&lane, state.as_ref(), self, &theirs, &self.certificates);
        Some(self.apply(lane, admission))
    }

    fn apply(&mut self, lane: LaneId, admission: Admission) -> Input {
        match admission {
            Admission::Admitted(advance) => {
                let (start, end) = (advance.run.start, advance.run.end());
                self.admitted.push((advance.state.name.part, lane, start, end));
                self.store(advance.run, advance.before, advance.state);
            }
            Admission::Forked(forking) => {
                let state = forking.state.clone();
                let stored = self.lanes.entry(lane).or_insert_with(|| StoredLane { state, runs: Vec::new() });
                stored.runs.retain(|(run, _)| run.end() <= forking.truncate_to);
                stored.runs.extend(forking.replace);
                stored.state = forking.state;
            }
            Admission::Duplicate => {}
            Admission::Waiting(wait) => return Input::Waiting { lane, wait },
            Admission::Refused(refusal) => return Input::Refused { lane, refusal },
        }
        Input::Stored { lane, head: self.lanes[&lane].state.head() }
    }
}

/// A body that compresses like text and is the same for the same arguments.
pub fn body(writer: u8, number: u64, bytes: usize) -> Vec<u8> {
    let mut text = format!("entry {number} by {writer}: ").into_bytes();
    let mut word = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    while text.len() < bytes {
        word ^= word << 13;
        word ^= word >> 7;
        word ^= word << 17;
        text.extend_from_slice(
            [b"allergy to ".as_slice(), b"tablets of ", b"pressure 120/80 ", b"seen at "]
                [(word % 4) as usize],
        );
        text.extend_from_slice(format!("{:04x} ", word >> 48).as_bytes());
    }
    text.truncate(bytes.max(1));
    text
}
