//! A small realm, a device with its lanes, and a replica that keeps lanes in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use crate::base::{Area, Digest, LaneId, Part, WallMs, cbor};
use crate::identity::{
    Certificate, Certificates, DeviceCertificate, DeviceRole, Genesis, SecretSeed, SiteCertificate, SiteKind,
};
use crate::lane::{
    Admission, Checkpoint, Entry, EntryKind, ForkState, Forking, Frontier, Head, LaneLog, LaneName,
    LaneOpening, LaneState, Run, admit, admit_fork, append, checkpoint,
};

/// A realm with one site, which holds the areas `shared/a` and `shared/b`.
pub struct World {
    pub genesis: Vec<u8>,
    pub site: Vec<u8>,
    pub certificates: Certificates,
    site_seed: SecretSeed,
}

/// One device and its first certificate.
pub struct Device {
    pub seed: SecretSeed,
    pub certificate: DeviceCertificate,
    pub signed: Vec<u8>,
    pub hash: Digest,
}

pub fn area(name: &str) -> Area {
    Area::new(name).unwrap()
}

impl World {
    pub fn new() -> Self {
        let root = SecretSeed::from_bytes([1; 32]);
        let site_seed = SecretSeed::from_bytes([2; 32]);
        let genesis = Genesis { name: "三浦".to_owned(), root: root.public(), created: WallMs(1_000) };
        let genesis = Certificate::Genesis(genesis).sign(&root);
        let mut certificates = Certificates::new(&genesis).unwrap();
        let site = SiteCertificate {
            realm: certificates.realm(),
            key: site_seed.public(),
            kex: site_seed.kex().public(),
            recovery: SecretSeed::from_bytes([3; 32]).kex().public(),
            name: "南病院".to_owned(),
            kind: SiteKind::Hospital,
            areas: BTreeSet::from([area("shared/a"), area("shared/b")]),
            not_before: WallMs(1_000),
            not_after: WallMs(9_000),
        };
        let site = Certificate::Site(site).sign(&root);
        certificates.insert(&site).unwrap();
        Self { genesis, site, certificates, site_seed }
    }

    /// Enrols a device that may write everything in `shared/a`, and `shared/b` if its number is even.
    pub fn device(&mut self, number: u8) -> Device {
        let seed = SecretSeed::from_bytes([number; 32]);
        let mut areas = BTreeSet::from([area("shared/a")]);
        areas.extend(number.is_multiple_of(2).then(|| area("shared/b")));
        let site = self.certificates.sites().next().unwrap().site();
        let certificate = DeviceCertificate {
            realm: self.certificates.realm(),
            site,
            device: seed.device_id(),
            kex: seed.kex().public(),
            name: "端末".to_owned(),
            role: DeviceRole::Tablet,
            areas,
            parts: BTreeSet::from(Part::ALL),
            not_before: WallMs(1_000),
            not_after: WallMs(2_000),
        };
        let (signed, hash) = self.issue(&certificate);
        Device { seed, certificate, signed, hash }
    }

    /// Signs and learns a device certificate.
    pub fn issue(&mut self, certificate: &DeviceCertificate) -> (Vec<u8>, Digest) {
        let signed = Certificate::Device(certificate.clone()).sign(&self.site_seed);
        self.certificates.insert(&signed).unwrap();
        let hash = Certificate::hash(&signed);
        (signed, hash)
    }

    /// Returns what a replica knows that has met no device yet.
    pub fn certificates_of_sites(&self) -> Certificates {
        let mut certificates = Certificates::new(&self.genesis).unwrap();
        certificates.insert(&self.site).unwrap();
        certificates
    }
}

impl Device {
    pub fn name(&self, area: &str, part: Part) -> LaneName {
        LaneName {
            realm: self.certificate.realm,
            device: self.seed.device_id(),
            area: Area::new(area).unwrap(),
            part,
        }
    }

    pub fn opening(&self, name: &LaneName) -> Entry {
        LaneOpening { version: 1, name: name.clone(), certificate: self.hash }.entry()
    }

    /// Appends one run of each group of entries.
    pub fn write(&self, name: &LaneName, groups: &[Vec<Entry>]) -> Vec<Run> {
        let mut state = None;
        let mut runs = Vec::new();
        for group in groups {
            let appended = append(state.as_ref(), name, &self.hash, group.clone(), &self.seed).unwrap();
            state = appended.last().map(|last| last.state.clone()).or(state);
            runs.extend(appended.into_iter().map(|appended| appended.run));
        }
        runs
    }

    /// Signs any history: runs that end at `ends`, with checkpoints also at `marks`.
    pub fn runs(&self, name: &LaneName, entries: &[Entry], ends: &[u64], marks: &[u64]) -> Vec<Run> {
        let (lane, mut frontier) = (name.id(), Frontier::default());
        let mut runs = Vec::new();
        let mut run = Run { lane, start: 0, entries: Vec::new(), checkpoints: Vec::new() };
        for (seq, entry) in (0..).zip(entries) {
            frontier.push(&entry.leaf());
            run.entries.push(entry.clone());
            let (size, end) = (seq + 1, seq + 1 == entries.len() as u64 || ends.contains(&(seq + 1)));
            if end || marks.contains(&size) {
                run.checkpoints.push(checkpoint::sign(&self.seed, &lane, size, &frontier.root()));
            }
            if end {
                let next = Run { lane, start: size, entries: Vec::new(), checkpoints: Vec::new() };
                runs.push(std::mem::replace(&mut run, next));
            }
        }
        runs
    }
}

pub fn facts(text: impl AsRef<[u8]>) -> Entry {
    Entry { kind: EntryKind::FACTS, body: text.as_ref().to_vec() }
}

pub fn many(prefix: &str, count: usize) -> Vec<Entry> {
    (0..count).map(|index| facts(format!("{prefix} {index}"))).collect()
}

/// Lanes in memory, admitted as every replica admits them.
#[derive(Clone)]
pub struct Replica {
    pub certificates: Certificates,
    pub lanes: BTreeMap<LaneId, LaneState>,
    runs: BTreeMap<LaneId, Vec<(Run, Frontier)>>,
}

impl Replica {
    pub fn new(certificates: &Certificates) -> Self {
        Self { certificates: certificates.clone(), lanes: BTreeMap::new(), runs: BTreeMap::new() }
    }

    pub fn offer(&mut self, run: &Run) -> Admission {
        let Ok(admission) = admit(self.lanes.get(&run.lane), self, run.clone(), &self.certificates);
        self.apply(run.lane, &admission);
        admission
    }

    pub fn offer_fork(&mut self, lane: LaneId, fork: &ForkState) -> Admission {
        let Ok(admission) = admit_fork(&lane, self.lanes.get(&lane), self, fork, &self.certificates);
        self.apply(lane, &admission);
        admission
    }

    pub fn state(&self, lane: LaneId) -> &LaneState {
        &self.lanes[&lane]
    }

    pub fn heads(&self) -> Vec<(LaneId, Head)> {
        self.lanes.iter().map(|(lane, state)| (*lane, state.head())).collect()
    }

    pub fn stored(&self, lane: LaneId) -> Vec<Run> {
        self.runs.get(&lane).into_iter().flatten().map(|(run, _)| run.clone()).collect()
    }

    /// Returns the trunk's entries.
    pub fn entries(&self, lane: LaneId) -> Vec<Entry> {
        self.stored(lane).into_iter().flat_map(|run| run.entries).collect()
    }

    fn apply(&mut self, lane: LaneId, admission: &Admission) {
        match admission {
            Admission::Admitted(advance) => {
                self.runs.entry(lane).or_default().push((advance.run.clone(), advance.before.clone()));
                self.lanes.insert(lane, advance.state.clone());
            }
            Admission::Forked(Forking { state, truncate_to, replace }) => {
                let stored = self.runs.entry(lane).or_default();
                stored.retain(|(run, _)| run.end() <= *truncate_to);
                assert_eq!(stored.last().map_or(0, |(run, _)| run.end()), *truncate_to);
                stored.extend(replace.clone());
                self.lanes.insert(lane, state.clone());
            }
            Admission::Duplicate | Admission::Waiting(_) | Admission::Refused(_) => {}
        }
        self.check(lane);
    }

    /// The log and the state tell the same, every stored run and branch is signed, and the state can be read.
    fn check(&self, lane: LaneId) {
        let Some(state) = self.lanes.get(&lane) else { return };
        let mut frontier = Frontier::default();
        for (run, before) in self.runs.get(&lane).into_iter().flatten() {
            assert_eq!(*before, frontier);
            frontier = verified(state, run, frontier);
        }
        assert_eq!(frontier, state.frontier);
        assert_eq!(cbor::from_canonical::<LaneState>(&cbor::to_vec(state)).unwrap(), *state);
        if let Some(fork) = &state.fork {
            assert_eq!(fork.proof.verify(&lane, &state.name.device), Some(fork.at));
            assert!(!fork.branches.is_empty() && state.size() <= fork.at);
            for branch in &fork.branches {
                verified(state, branch, frontier.clone());
            }
        }
    }
}

fn verified(state: &LaneState, run: &Run, mut frontier: Frontier) -> Frontier {
    assert_eq!(run.start, frontier.size());
    let mut checkpoints = run.checkpoints.iter();
    let mut due: Option<&Checkpoint> = checkpoints.next();
    for leaf in run.leaves() {
        frontier.push(&leaf);
        if let Some(checkpoint) = due.filter(|due| due.size == frontier.size()) {
            assert!(checkpoint::verify(&state.name.device, &run.lane, checkpoint, &frontier.root()));
            due = checkpoints.next();
        }
    }
    assert!(due.is_none() && run.checkpoints.last().map(|last| last.size) == Some(run.end()));
    frontier
}

impl LaneLog for Replica {
    type Error = Infallible;

    fn runs(&self, lane: &LaneId, from: u64, to: u64) -> Result<Vec<Run>, Infallible> {
        let stored = self.runs.get(lane).into_iter().flatten().map(|(run, _)| run);
        Ok(stored.filter(|run| run.start < to && run.end() > from).cloned().collect())
    }

    fn frontier_at(&self, lane: &LaneId, seq: u64) -> Result<Frontier, Infallible> {
        let mut frontier = Frontier::default();
        for (run, before) in self.runs.get(lane).into_iter().flatten() {
            if (run.start..=run.end()).contains(&seq) {
                frontier = before.clone();
                run.leaves().iter().take((seq - run.start) as usize).for_each(|leaf| frontier.push(leaf));
            }
        }
        assert_eq!(frontier.size(), seq);
        Ok(frontier)
    }
}
