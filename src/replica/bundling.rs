//! Writing bundles: what a target lacks, block by block, into any writer; and the request that says what one lacks.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::Path;

use super::bundle_answer::{BundleFor, BundleGroup, BundleWanted};
use super::core::Replica;
use super::error::ReplicaError;
use super::request::Progress;
use crate::base::limits::BUNDLE_BLOCK_PLAIN_BYTES;
use crate::base::{Area, Digest, LaneId, Part, SiteId, cbor};
use crate::bundle::block::encode;
use crate::bundle::heads::{HeadMark, LaneMark};
use crate::bundle::plan::{GroupPlan, Held, Stretch, plan};
use crate::bundle::request::{REQUEST_BYTES_MAX, Subscribed};
use crate::bundle::{BlockKind, BundleHeader, BundleId, BundleRequest, Footer, Heads, Target};
use crate::identity::ReadKeyId;
use crate::lane::frame::encode_plain;
use crate::lane::sealed::Packer;
use crate::lane::{Frontier, LaneState, Run, join};
use crate::store::StoreError;

/// How many bytes of runs are read from the store at once.
const READ_BYTES: usize = 1 << 20;
/// Certificates are put into one block until they have so many bytes.
const CERTIFICATES_BYTES: usize = 256 << 10;

/// For whom a bundle is, looked up.
#[derive(Debug, Clone)]
pub struct Recipient {
    pub(super) target: Target,
    /// The name for people.
    pub(super) told: String,
    /// What may go into it.
    groups: BTreeSet<Subscribed>,
    /// What the target is known to hold.
    theirs: Heads,
    pub(super) request: Option<Digest>,
    pub(super) areas: BTreeSet<Area>,
    pub(super) parts: BTreeSet<Part>,
}

/// A bundle of which the beginning is there already.
pub(super) struct Begun {
    pub(super) bundle: BundleId,
    pub(super) heads: Heads,
    /// The number of the next block.
    pub(super) next: u32,
    /// How many bytes of the file are whole.
    pub(super) bytes: u64,
    /// Whether the certificates are whole: a block of runs stands behind them.
    pub(super) has_runs: bool,
    /// How far the lanes are in it.
    pub(super) covered: BTreeMap<LaneId, u64>,
    pub(super) entries: u64,
}

/// What was written.
#[derive(Debug, Clone)]
pub struct Bundled {
    /// The bundle.
    pub bundle: BundleId,
    /// Blocks in it, the footer among them.
    pub blocks: u64,
    /// Entries in it.
    pub entries: u64,
    /// How many entries of each area and part should be in it.
    pub groups: Vec<BundleGroup>,
    /// What could not be put into it.
    pub problems: Vec<String>,
}

/// A bundle that is being written.
struct Writing<'a> {
    out: &'a mut dyn Write,
    bundle: BundleId,
    next: u32,
    entries: u64,
    of: u64,
    problems: Vec<String>,
    progress: &'a mut (dyn FnMut(Progress) + Send),
}

impl Writing<'_> {
    fn block(&mut self, kind: BlockKind, payload: &[u8]) -> io::Result<()> {
        self.out.write_all(&encode(&self.bundle, self.next, kind, payload))?;
        self.next += 1;
        let (doing, unit) = ("writing the bundle".to_owned(), "entries".to_owned());
        (self.progress)(Progress { doing, done: self.entries, of: self.of, unit });
        Ok(())
    }
}

impl Replica {
    /// Signs what this replica holds and subscribes to: the bytes of a request file, and how many lanes it names.
    pub fn bundle_request(&self) -> (Vec<u8>, u64) {
        let (me, areas, lanes) = (self.me(), self.areas(), self.lanes());
        let group = |area: &Area| Part::ALL.map(|part| Subscribed { area: area.clone(), part });
        let heads = Heads::of(lanes.values().filter(|state| areas.contains(&state.name.area)));
        let count = heads.0.len() as u64;
        let request = BundleRequest {
            version: BundleRequest::VERSION,
            realm: me.realm,
            device: me.device,
            certificate: me.certificate,
            time: self.environment.now(),
            groups: areas.iter().flat_map(group).collect(),
            heads,
        };
        (request.sign(&me.seed, self.own_chain()), count)
    }

    /// Looks up for whom a bundle is, and what may go into it; `request` is the content of the request file, if one
    /// is answered.
    ///
    /// # Errors
    /// When the request is none or of another realm, or the site is not known.
    pub fn bundle_recipient(
        &self,
        wanted: &BundleWanted,
        request: Option<&[u8]>,
    ) -> Result<Recipient, ReplicaError> {
        let all = |areas: BTreeSet<Area>| -> BTreeSet<Subscribed> {
            let areas = areas.into_iter().chain([Area::common()]);
            areas.flat_map(|area| Part::ALL.map(|part| Subscribed { area: area.clone(), part })).collect()
        };
        let mut recipient = Recipient {
            target: Target::Realm,
            told: format!("the realm {}", self.me().realm_name),
            groups: BTreeSet::new(),
            theirs: Heads::default(),
            request: None,
            areas: wanted.areas.clone(),
            parts: wanted.parts.clone(),
        };
        match (&wanted.target, request) {
            (BundleFor::Request(_), Some(file)) => self.asked_by(file, &mut recipient)?,
            (BundleFor::Request(path), None) => {
                return Err(ReplicaError::Call(format!("{}: the request is not read", path.display())));
            }
            (BundleFor::Site(name), _) => {
                let roster = self.roster();
                let is_it = |id: &SiteId, named: &str| {
                    named == name
                        || (name.len() >= 8 && id.to_string().starts_with(&name.to_ascii_lowercase()))
                };
                let mut sites: Vec<_> = roster.certificates.sites().collect();
                sites.retain(|site| is_it(&site.site(), &site.name));
                let site = match sites.as_slice() {
                    [] => {
                        return Err(ReplicaError::Call(format!(
                            "no site is called '{name}' here; `musubi status` lists who was heard"
                        )));
                    }
                    [site, rest @ ..] if rest.iter().all(|other| other.site() == site.site()) => *site,
                    _ => {
                        return Err(ReplicaError::Call(format!(
                            "several sites are called '{name}'; give its id"
                        )));
                    }
                };
                recipient.target = Target::Site(site.site());
                recipient.told = site.name.clone();
                // Of several certificates of a site each counts, as for admission.
                recipient.groups = all(sites.iter().flat_map(|site| site.areas.clone()).collect());
            }
            (BundleFor::Realm, _) => {
                recipient.groups = all(self.areas().into_iter().filter(|area| !area.is_private()).collect());
            }
        }
        let (ours, Recipient { areas, parts, .. }) = (self.areas(), &recipient);
        let is_wanted = |group: &Subscribed| {
            let part = parts.is_empty() || parts.contains(&group.part) || group.part == Part::Control;
            let area = areas.is_empty() || areas.contains(&group.area) || group.area == Area::common();
            part && area && ours.contains(&group.area)
        };
        let groups = recipient.groups.iter().filter(|group| is_wanted(group)).cloned().collect();
        if let Some(area) =
            areas.iter().find(|area| !recipient.groups.iter().any(|group| group.area == **area))
        {
            return Err(ReplicaError::Call(format!("{} may not hold the area {area}", recipient.told)));
        }
        Ok(Recipient { groups, ..recipient })
    }

    fn asked_by(&self, file: &[u8], recipient: &mut Recipient) -> Result<(), ReplicaError> {
        if file.len() > REQUEST_BYTES_MAX {
            return Err(ReplicaError::Bundle(format!("a request of {} bytes, more than any", file.len())));
        }
        let (request, chain) =
            BundleRequest::read(file).map_err(|error| ReplicaError::Bundle(error.to_string()))?;
        if request.realm != self.me().realm {
            let (theirs, ours) = (request.realm.short(), self.me().realm.short());
            return Err(ReplicaError::Bundle(format!(
                "a request of another realm ({theirs}; this is {ours})"
            )));
        }
        self.offer_certificates(&chain);
        let known = self.device_certificate(&request.certificate);
        let Some(known) = known.filter(|known| known.device == request.device) else {
            return Err(ReplicaError::Bundle(
                "a request of a device without a certificate of this realm".into(),
            ));
        };
        let may = |group: &Subscribed| known.covers(&group.area, group.part);
        let roster = self.roster();
        let site = roster.certificates.site(&known.site).map_or_else(String::new, |site| site.name.clone());
        recipient.told = format!("{site} ({})", known.name);
        recipient.target = Target::Device(request.device);
        recipient.groups = request.groups.into_iter().filter(may).collect();
        recipient.theirs = request.heads;
        recipient.request = Some(BundleRequest::hash(file));
        Ok(())
    }

    /// Makes a whole bundle in memory, for a simulator.
    ///
    /// # Errors
    /// As [`Replica::bundle_recipient`], and when the store fails.
    pub fn bundle_bytes(&self, target: BundleFor) -> Result<Vec<u8>, ReplicaError> {
        let wanted = BundleWanted {
            target,
            areas: BTreeSet::new(),
            parts: BTreeSet::new(),
            out: Path::new("memory").to_owned(),
        };
        let recipient = self.bundle_recipient(&wanted, None)?;
        let mut bytes = Vec::new();
        self.write_bundle(&recipient, None, &mut bytes, &wanted.out, &mut |_| {})?;
        Ok(bytes)
    }

    /// Writes a bundle, or the rest of one.
    ///
    /// # Errors
    /// When the store or the writer fails; `path` names the writer in the error. What is whole of it until then can be
    /// used, and gone on with.
    pub(super) fn write_bundle(
        &self,
        recipient: &Recipient,
        begun: Option<&Begun>,
        out: &mut dyn Write,
        path: &Path,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Bundled, ReplicaError> {
        let failed = |source: io::Error| super::files::FileError::Write { path: path.to_owned(), source };
        let lanes = self.lanes();
        let is_wanted = |state: &&LaneState| {
            let group = Subscribed { area: state.name.area.clone(), part: state.name.part };
            recipient.groups.contains(&group)
        };
        let states: BTreeMap<LaneId, &LaneState> =
            lanes.values().filter(is_wanted).map(|state| (state.id(), state)).collect();
        let held = self.bundle_lanes(&states, begun)?;
        let mark_at = |lane: &Held, size| self.mark_at(&lane.lane, size);
        let mut groups = plan(&held, &recipient.theirs.by_lane(), mark_at)?;
        let ring = self.keyring();
        let mut problems = Vec::new();
        groups.retain(|group| {
            let has_key = ring.seal_key(&group.area, group.part).is_some();
            if !has_key {
                problems.push(format!("no key to seal {} in {}: it is left out", group.part, group.area));
            }
            has_key
        });
        let contents: Vec<_> = groups.iter().map(GroupPlan::contents).collect();
        let of = contents.iter().map(|contents| contents.entries).sum();
        let told = contents
            .iter()
            .map(|one| BundleGroup { area: one.area.clone(), part: one.part, entries: one.entries })
            .collect();
        let (bundle, next, entries, opening) = match begun {
            Some(begun) => (begun.bundle, begun.next, begun.entries, None),
            None => {
                let heads = Heads::of(states.values().copied());
                let me = self.me();
                let header = BundleHeader {
                    version: BundleHeader::VERSION,
                    realm: me.realm,
                    sender: me.device,
                    certificate: me.certificate,
                    time: self.environment.now(),
                    target: recipient.target.clone(),
                    request: recipient.request,
                    areas: recipient.areas.clone(),
                    parts: recipient.parts.clone(),
                    contents,
                    heads: heads.digest(),
                };
                let payload = header.sign(&me.seed, self.own_chain());
                (BundleHeader::id(&payload), 0, 0, Some((payload, cbor::to_vec(&heads))))
            }
        };
        let mut writing = Writing { out, bundle, next, entries, of, problems, progress };
        if let Some((header, heads)) = opening {
            writing.block(BlockKind::Header, &header).map_err(failed)?;
            writing.block(BlockKind::Heads, &heads).map_err(failed)?;
        }
        if begun.is_none_or(|begun| !begun.has_runs) {
            for certificates in self.bundle_certificates(&groups) {
                writing.block(BlockKind::Certificates, &certificates).map_err(failed)?;
            }
        }
        for group in &groups {
            let key = ring.seal_key(&group.area, group.part).expect("groups without a key were left out");
            let covered = begun.map(|begun| &begun.covered);
            self.write_runs(&mut writing, group, covered, key, path)?;
            self.write_forks(&mut writing, group, &states, key).map_err(failed)?;
        }
        let footer = Footer { version: 1, blocks: writing.next, entries: writing.entries };
        writing.block(BlockKind::Footer, &cbor::to_vec(&footer)).map_err(failed)?;
        let Writing { next, entries, problems, .. } = writing;
        Ok(Bundled { bundle, blocks: u64::from(next), entries, groups: told, problems })
    }

    /// The lanes that go into a bundle, each as far as it was when the bundle was begun.
    fn bundle_lanes(
        &self,
        states: &BTreeMap<LaneId, &LaneState>,
        begun: Option<&Begun>,
    ) -> Result<Vec<Held>, ReplicaError> {
        let begun = begun.map(|begun| begun.heads.by_lane());
        let mut held = Vec::new();
        for (lane, state) in states {
            let mut one = Held {
                lane: *lane,
                area: state.name.area.clone(),
                part: state.name.part,
                size: state.size(),
                head: HeadMark::of(lane, &state.head()),
                is_forked: state.fork.is_some(),
            };
            if let Some(heads) = &begun {
                // What was heard since waits for the next bundle.
                let Some(then) = heads.get(&LaneMark::of(lane)) else { continue };
                if then.head != one.head {
                    if state.size() < then.size || self.mark_at(lane, then.size)? != then.head {
                        return Err(ReplicaError::Call(format!(
                            "the bundle that was begun cannot be gone on with: lane {} was found forked since; remove the file and begin anew",
                            lane.short()
                        )));
                    }
                    (one.size, one.head, one.is_forked) = (then.size, then.head, false);
                }
            }
            held.push(one);
        }
        Ok(held)
    }

    /// The mark of a lane's head when it had so many entries.
    fn mark_at(&self, lane: &LaneId, size: u64) -> Result<HeadMark, ReplicaError> {
        let root = match size {
            0 => Frontier::default().root(),
            _ => match self.store.frontier_at(lane, size) {
                Ok(frontier) => frontier.root(),
                // Only this lane is damaged: it equals nobody's, and is sent as far as it can be read.
                Err(StoreError::DamagedRun { .. }) => Digest([0; 32]),
                Err(error) => return Err(error.into()),
            },
        };
        Ok(HeadMark::straight(lane, size, root))
    }

    /// The certificates that the lanes of a bundle need, issuers first, in blocks of canonical CBOR arrays.
    fn bundle_certificates(&self, groups: &[GroupPlan]) -> Vec<Vec<u8>> {
        let lanes: BTreeSet<LaneId> = groups
            .iter()
            .flat_map(|group| {
                group.stretches.iter().map(|stretch| stretch.lane).chain(group.forks.iter().copied())
            })
            .collect();
        let (mut seen, mut blocks) = (BTreeSet::new(), Vec::new());
        let (mut block, mut bytes): (Vec<minicbor::bytes::ByteVec>, usize) = (Vec::new(), 0);
        for signed in lanes.iter().flat_map(|lane| self.certificates_of(lane)) {
            if seen.insert(crate::identity::Certificate::hash(&signed)) {
                bytes += signed.len();
                block.push(signed.into());
            }
            if bytes >= CERTIFICATES_BYTES {
                bytes = 0;
                blocks.push(cbor::to_vec(&std::mem::take(&mut block)));
            }
        }
        if !block.is_empty() {
            blocks.push(cbor::to_vec(&block));
        }
        blocks
    }

    fn write_runs(
        &self,
        writing: &mut Writing<'_>,
        group: &GroupPlan,
        covered: Option<&BTreeMap<LaneId, u64>>,
        key: (ReadKeyId, &[u8; 32]),
        path: &Path,
    ) -> Result<(), ReplicaError> {
        let failed = |source: io::Error| super::files::FileError::Write { path: path.to_owned(), source };
        let (mut packer, mut packed) = (Packer::new(), 0);
        for Stretch { lane, from, to } in &group.stretches {
            let there = covered.and_then(|covered| covered.get(lane)).copied().unwrap_or(0);
            let mut next = there.max(*from);
            while next < *to {
                for run in self.runs_for_bundle(lane, next, *to, &mut writing.problems)? {
                    next = run.end();
                    packed += run.entries.len() as u64;
                    packer.push(&encode_plain(&run));
                    if packer.plain_bytes() >= BUNDLE_BLOCK_PLAIN_BYTES {
                        writing.entries += std::mem::take(&mut packed);
                        let payload = self.seal_pack(std::mem::take(&mut packer), group, key);
                        writing.block(BlockKind::Runs, &payload).map_err(failed)?;
                    }
                }
                if next < *to && self.is_at_damage(lane, next)? {
                    break;
                }
            }
        }
        if packer.plain_bytes() > 0 {
            writing.entries += packed;
            let payload = self.seal_pack(packer, group, key);
            writing.block(BlockKind::Runs, &payload).map_err(failed)?;
        }
        Ok(())
    }

    /// Reads the next runs of a lane, small ones joined as on the wire.
    fn runs_for_bundle(
        &self,
        lane: &LaneId,
        from: u64,
        to: u64,
        problems: &mut Vec<String>,
    ) -> Result<Vec<Run>, ReplicaError> {
        let mut runs = match self.store.runs(lane, from, READ_BYTES) {
            Err(StoreError::DamagedRun { start, .. }) => {
                problems.push(format!(
                    "lane {}: entries from {start} on cannot be read here; they are left out",
                    lane.short()
                ));
                Vec::new()
            }
            runs => runs?,
        };
        runs.retain(|run| run.start < to);
        if let Some(first) = runs.first_mut() {
            first.trim_start(from);
        }
        Ok(join(runs))
    }

    /// Says whether nothing can be read of a lane from an entry on.
    fn is_at_damage(&self, lane: &LaneId, from: u64) -> Result<bool, ReplicaError> {
        match self.store.runs(lane, from, 1) {
            Err(StoreError::DamagedRun { .. }) => Ok(true),
            runs => Ok(runs?.is_empty()),
        }
    }

    fn write_forks(
        &self,
        writing: &mut Writing<'_>,
        group: &GroupPlan,
        states: &BTreeMap<LaneId, &LaneState>,
        key: (ReadKeyId, &[u8; 32]),
    ) -> io::Result<()> {
        for lane in &group.forks {
            let Some(fork) = states.get(lane).and_then(|state| state.fork.as_ref()) else { continue };
            for piece in std::iter::once(fork.without_branches()).chain(fork.pieces()) {
                let mut packer = Packer::new();
                packer.push(&[lane.0.as_slice(), &cbor::to_vec(&piece)].concat());
                let payload = self.seal_pack(packer, group, key);
                writing.block(BlockKind::Forks, &payload)?;
            }
        }
        Ok(())
    }

    fn seal_pack(&self, packer: Packer, group: &GroupPlan, key: (ReadKeyId, &[u8; 32])) -> Vec<u8> {
        let mut nonce = [0; 24];
        self.environment.fill(&mut nonce);
        packer.seal(&group.area, group.part, key, nonce)
    }
}
