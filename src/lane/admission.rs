//! Stage 1: whether a run goes into the log.
//!
//! Limits → the overlap with what is held, leaf by leaf → the leaves extend the tree to exactly the signed root
//! at every checkpoint → which is the device's signature → certificates, area and part. A pure function of runs
//! and certificates: revocations, expiry, roles and clocks never decide here, so replicas cannot disagree for
//! ever. A gap or a missing certificate waits; what is refused changes nothing.
//!
//! Laws: `admission_in_any_order_ends_in_the_same_heads`, `forks_are_a_join`.

use super::entry::{Entry, EntryKind, LaneName, LaneOpening};
use super::fork::ForkState;
use super::held::{Found, Held};
use super::merge::merge;
use super::run::{Run, ShapeError};
use super::state::LaneState;
use super::tree::Frontier;
use crate::base::limits::{
    FORK_BRANCHES_MAX, FORK_GAP_BYTES_MAX, FORK_GAP_ENTRIES_MAX, FORK_PATH_BYTES_MAX, FORK_PATH_ENTRIES_MAX,
    RUN_BYTES_MAX, RUN_ENTRIES_MAX,
};
use crate::base::{Digest, LaneId};
use crate::identity::Certificates;

/// What admission reads of the stored trunk of a lane.
pub trait LaneLog {
    /// Why reading failed.
    type Error;

    /// Returns the stored runs that overlap `from..to`, in order.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn runs(&self, lane: &LaneId, from: u64, to: u64) -> Result<Vec<Run>, Self::Error>;

    /// Returns the edge of the tree of the first `seq` entries; `seq` is at most the trunk's size.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn frontier_at(&self, lane: &LaneId, seq: u64) -> Result<Frontier, Self::Error>;
}

/// What became of an offered run or fork.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// It extends the trunk.
    Admitted(Advance),
    /// It shows a fork, or tells more of a known one.
    Forked(Forking),
    /// It brings nothing that is not held.
    Duplicate,
    /// It cannot be judged yet; offered again later, it may be admitted.
    Waiting(Wait),
    /// It will never be admitted onto what is held.
    Refused(Refusal),
}

/// New entries at the end of a trunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advance {
    /// The new entries only, to be stored.
    pub run: Run,
    /// The tree's edge at `run.start`.
    pub before: Frontier,
    /// The lane after it.
    pub state: LaneState,
}

/// A new or changed fork.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forking {
    /// The lane after it; its trunk is cut to a checkpoint at or below the fork.
    pub state: LaneState,
    /// Every stored run that ends above this is dropped. It is the start of a stored run, or the trunk's size
    /// when nothing is dropped.
    pub truncate_to: u64,
    /// What then is stored at `truncate_to`: the beginning of the run that was cut inside, with the tree's edge
    /// before it.
    pub replace: Option<(Run, Frontier)>,
}

/// What an offer waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// The entries from `have` on are missing.
    Gap {
        /// How many entries are held.
        have: u64,
    },
    /// A certificate of this hash is missing.
    Certificate(Digest),
}

/// A refused offer: names the lane and the reason, and nothing of the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("lane {}: {reason}", .lane.short())]
pub struct Refusal {
    /// The lane that the offer names.
    pub lane: LaneId,
    /// Why.
    pub reason: RefusalReason,
}

/// Why an offer is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RefusalReason {
    /// The entries and checkpoints do not make a run.
    #[error("{0}")]
    Shape(#[from] ShapeError),
    /// The device did not sign the tree that the held entries and these make. It may be garbage, or a history
    /// that differs already below the run: only the lane from entry 0 can tell.
    #[error("checkpoint {size} is not the device's signature over the held entries and these")]
    DoesNotExtend {
        /// The size of the first checkpoint that fails.
        size: u64,
    },
    /// Entry 0 does not name the lane.
    #[error("entry 0 does not open the lane")]
    NoOpening,
    /// A certificate entry is malformed.
    #[error("entry {seq} is not a certificate entry's canonical form")]
    Opening {
        /// The entry's sequence number.
        seq: u64,
    },
    /// A certificate entry names another lane, or the run is offered to another lane.
    #[error("entry {seq} is of another lane")]
    OtherLane {
        /// The entry's sequence number.
        seq: u64,
    },
    /// The lane is of another realm than the certificates.
    #[error("the lane is of another realm")]
    Realm,
    /// A certificate is not the lane's device's, or does not cover its area and part.
    #[error("the certificate of entry {seq} does not cover the lane")]
    Certificate {
        /// The entry's sequence number.
        seq: u64,
    },
    /// The proof of a fork does not verify.
    #[error("the proof of a fork at {at} does not verify")]
    ForkProof {
        /// Where the fork is claimed to be.
        at: u64,
    },
    /// The fork's branches are too many, too large, or not around the fork.
    #[error("the branches of a fork at {at} break the limits")]
    Branches {
        /// Where the fork is claimed to be.
        at: u64,
    },
    /// The replica's own log lacks an entry below the size that its state claims: it is damaged.
    #[error("this replica's own log lacks entry {seq}")]
    LogIncomplete {
        /// The entry's sequence number.
        seq: u64,
    },
}

/// Why the way to admission ended early.
pub(super) enum Stop<E> {
    Refused(RefusalReason),
    Waiting(Wait),
    Log(E),
}

impl<E> From<RefusalReason> for Stop<E> {
    fn from(reason: RefusalReason) -> Self {
        Stop::Refused(reason)
    }
}

/// Judges a run against what is held of its lane.
///
/// # Errors
/// Only when the log cannot be read.
pub fn admit<L: LaneLog>(
    state: Option<&LaneState>,
    log: &L,
    run: Run,
    certificates: &Certificates,
) -> Result<Admission, L::Error> {
    let lane = run.lane;
    ended(lane, try_admit(state, log, run, certificates))
}

/// Judges a peer's evidence that a lane is forked, whole or in pieces, against what is held of this lane. `lane` is what the
/// evidence was sent for: evidence of another lane is refused, or it would be judged against nothing and cut off what is held.
///
/// Branches that cannot be judged yet do not hinder the others.
///
/// # Errors
/// Only when the log cannot be read.
pub fn admit_fork<L: LaneLog>(
    lane: &LaneId,
    state: Option<&LaneState>,
    log: &L,
    theirs: &ForkState,
    certificates: &Certificates,
) -> Result<Admission, L::Error> {
    ended(*lane, try_admit_fork(lane, state, log, theirs, certificates))
}

fn ended<E>(lane: LaneId, end: Result<Admission, Stop<E>>) -> Result<Admission, E> {
    match end {
        Ok(admission) => Ok(admission),
        Err(Stop::Refused(reason)) => Ok(Admission::Refused(Refusal { lane, reason })),
        Err(Stop::Waiting(wait)) => Ok(Admission::Waiting(wait)),
        Err(Stop::Log(error)) => Err(error),
    }
}

fn try_admit<L: LaneLog>(
    state: Option<&LaneState>,
    log: &L,
    run: Run,
    certificates: &Certificates,
) -> Result<Admission, Stop<L::Error>> {
    run.check_shape().map_err(RefusalReason::Shape)?;
    let fresh;
    let state = match state {
        Some(state) => state,
        None => {
            fresh = LaneState::new(opened(&run)?);
            &fresh
        }
    };
    check_lane(&state.name, &run, certificates)?;
    let lane = run.lane;
    let held = Held::new(state, log);
    let candidate = match held.locate(run)? {
        Found::Held => return Ok(Admission::Duplicate),
        Found::New(candidate) => candidate,
    };
    let ruling = check_entries(&state.name, candidate.new_from, candidate.new_entries(), certificates)?;
    if let (None, None) = (&state.fork, candidate.differs) {
        let state = LaneState {
            name: state.name.clone(),
            frontier: candidate.after,
            certificates: state.certificates.iter().copied().chain(ruling).collect(),
            fork: None,
        };
        let run = candidate.history.into_run(lane);
        return Ok(Admission::Admitted(Advance { run, before: held.state.frontier.clone(), state }));
    }
    Ok(merge(&held, vec![candidate], None)?.map_or(Admission::Duplicate, Admission::Forked))
}

fn try_admit_fork<L: LaneLog>(
    lane: &LaneId,
    state: Option<&LaneState>,
    log: &L,
    theirs: &ForkState,
    certificates: &Certificates,
) -> Result<Admission, Stop<L::Error>> {
    check_branches(theirs)?;
    let elsewhere = theirs.branches.iter().find(|branch| branch.lane != *lane);
    if let Some(branch) = elsewhere {
        return Err(RefusalReason::OtherLane { seq: branch.start }.into());
    }
    let fresh;
    let state = match (state, theirs.branches.first()) {
        (Some(state), _) => state,
        (None, Some(branch)) => {
            fresh = LaneState::new(opened(branch)?);
            &fresh
        }
        (None, None) => return Err(Stop::Waiting(Wait::Gap { have: 0 })),
    };
    if theirs.proof.verify(&state.id(), &state.name.device) != Some(theirs.at) {
        return Err(RefusalReason::ForkProof { at: theirs.at }.into());
    }
    for branch in &theirs.branches {
        check_lane(&state.name, branch, certificates)?;
    }
    let held = Held::new(state, log);
    let mut candidates = Vec::new();
    let mut stopped = None;
    for branch in &theirs.branches {
        let checked = held.locate(branch.clone()).and_then(|found| match found {
            Found::Held => Ok(None),
            Found::New(candidate) => {
                let (from, entries) = (candidate.new_from, candidate.new_entries());
                check_entries(&state.name, from, entries, certificates)?;
                Ok(Some(candidate))
            }
        });
        match checked {
            Ok(candidate) => candidates.extend(candidate),
            Err(Stop::Log(error)) => return Err(Stop::Log(error)),
            Err(Stop::Waiting(wait)) => stopped = Some(Stop::Waiting(wait)),
            Err(Stop::Refused(reason)) => stopped = stopped.or(Some(Stop::Refused(reason))),
        }
    }
    match (merge(&held, candidates, Some(&theirs.proof)), stopped) {
        (Ok(Some(forking)), _) => Ok(Admission::Forked(forking)),
        (Ok(None) | Err(Stop::Waiting(_)), Some(stop)) => Err(stop),
        (Ok(None), None) => Ok(Admission::Duplicate),
        (Err(stop), _) => Err(stop),
    }
}

/// Reads the lane's name from a run that starts with entry 0.
fn opened<E>(run: &Run) -> Result<LaneName, Stop<E>> {
    if run.start > 0 {
        return Err(Stop::Waiting(Wait::Gap { have: 0 }));
    }
    let first = run.entries.first().filter(|entry| entry.kind == EntryKind::CERTIFICATE);
    let first = first.ok_or(RefusalReason::NoOpening)?;
    let opening = LaneOpening::read(&first.body).map_err(|_| RefusalReason::Opening { seq: 0 })?;
    Ok(opening.name)
}

fn check_lane<E>(name: &LaneName, run: &Run, certificates: &Certificates) -> Result<(), Stop<E>> {
    if run.lane != name.id() {
        return Err(RefusalReason::OtherLane { seq: run.start }.into());
    }
    if name.realm != certificates.realm() {
        return Err(RefusalReason::Realm.into());
    }
    Ok(())
}

/// Checks that the branches keep the limits that every honest replica's branches keep: then so does whatever
/// they are merged into.
fn check_branches(theirs: &ForkState) -> Result<(), RefusalReason> {
    let wrong = Err(RefusalReason::Branches { at: theirs.at });
    if theirs.branches.len() > FORK_BRANCHES_MAX {
        return wrong;
    }
    for branch in &theirs.branches {
        branch.check_form()?;
        if branch.start > theirs.at || branch.end() <= theirs.at {
            return wrong;
        }
        let size = Extent::of(&branch.entries);
        let agreed = usize::try_from(theirs.at - branch.start).expect("less than the length of a Vec");
        let tail = Extent::of(&branch.entries[..agreed]);
        let mut from = 0;
        let gaps_are_small = branch.checkpoints.iter().all(|checkpoint| {
            let to = usize::try_from(checkpoint.size - branch.start).expect("at most the length of a Vec");
            let gap = Extent::of(&branch.entries[from..to]);
            from = to;
            gap.within(FORK_GAP_ENTRIES_MAX, FORK_GAP_BYTES_MAX)
        });
        if !gaps_are_small
            || !tail.within(RUN_ENTRIES_MAX, RUN_BYTES_MAX)
            || !size.within(FORK_PATH_ENTRIES_MAX, FORK_PATH_BYTES_MAX)
        {
            return wrong;
        }
    }
    Ok(())
}

/// How many entries there are, and how large their bodies together.
struct Extent {
    entries: usize,
    bytes: usize,
}

impl Extent {
    fn of(entries: &[Entry]) -> Self {
        Self { entries: entries.len(), bytes: entries.iter().map(|entry| entry.body.len()).sum() }
    }

    fn within(&self, entries_max: usize, bytes_max: usize) -> bool {
        self.entries <= entries_max && self.bytes <= bytes_max
    }
}

/// Checks the `CERTIFICATE` entries among the entries from `start` on, and returns what they put in force.
fn check_entries<E>(
    name: &LaneName,
    start: u64,
    entries: &[Entry],
    certificates: &Certificates,
) -> Result<Vec<(u64, Digest)>, Stop<E>> {
    let mut ruling = Vec::new();
    for (seq, entry) in (start..).zip(entries) {
        if entry.kind != EntryKind::CERTIFICATE {
            if seq == 0 {
                return Err(RefusalReason::NoOpening.into());
            }
            continue;
        }
        let opening = LaneOpening::read(&entry.body).map_err(|_| RefusalReason::Opening { seq })?;
        if opening.version != LaneOpening::VERSION {
            return Err(RefusalReason::Opening { seq }.into());
        }
        if opening.name != *name {
            return Err(RefusalReason::OtherLane { seq }.into());
        }
        let hash = opening.certificate;
        let certificate = certificates.device(&hash).ok_or(Stop::Waiting(Wait::Certificate(hash)))?;
        let ours = certificate.device == name.device && certificate.realm == name.realm;
        if !ours || !certificate.covers(&name.area, name.part) {
            return Err(RefusalReason::Certificate { seq }.into());
        }
        ruling.push((seq, hash));
    }
    Ok(ruling)
}
