//! Merging signed histories into a lane that is, or becomes, forked.

use super::admission::{Forking, LaneLog, Stop, Wait};
use super::entry::LaneOpening;
use super::fork::{ForkProof, ForkSide, ForkState, Window};
use super::held::{Candidate, Held};
use super::history::{History, choose, first_difference};
use super::run::Run;
use super::state::LaneState;
use super::tree::{Frontier, inclusion_proof_after};
use crate::base::Digest;

/// Merges verified candidates, and a verified proof of a fork, into what is held; none when nothing changes.
///
/// At least one of these shows a fork: the state, a candidate's difference from the trunk, the proof.
pub(super) fn merge<L: LaneLog>(
    held: &Held<'_, L>,
    candidates: Vec<Candidate>,
    proof: Option<&ForkProof>,
) -> Result<Option<Forking>, Stop<L::Error>> {
    let state = held.state;
    let known = state.fork.as_ref().map(|fork| &fork.proof);
    let shown = candidates.iter().filter_map(|candidate| candidate.differs);
    let proven = known.iter().chain(&proof).map(|proof| proof.at);
    let Some(ceiling) = shown.chain(proven).min() else { return Ok(None) };
    let base = Base::below(held, ceiling)?;
    let mut histories = held_from(held, base.seq, ceiling)?;
    for candidate in candidates {
        histories.extend(aligned(held, base.seq, ceiling, candidate.history)?);
    }
    let difference = lowest_difference(&histories).filter(|(at, _, _)| *at <= ceiling);
    let at = difference.map_or(ceiling, |(at, _, _)| at);
    let branches = choose(Window::KEPT, at, &histories);
    if branches.is_empty() {
        return Err(Stop::Waiting(Wait::Gap { have: state.size() }));
    }
    let given = known.into_iter().chain(proof).find(|proof| proof.at == at).cloned();
    let made = || difference.and_then(|(at, one, other)| prove(&base.before, at, one, other));
    let Some(proof) = given.or_else(made) else { return Ok(None) };
    let lane = state.id();
    let branches = branches.into_iter().map(|branch| branch.into_run(lane)).collect();
    let fork = ForkState { at, proof, branches };
    if base.seq == state.size() && state.fork.as_ref() == Some(&fork) {
        return Ok(None);
    }
    let certificates = match (base.seq, fork.branches.first()) {
        (0, Some(branch)) => opening_certificate(branch),
        _ => state.certificates.iter().filter(|(seq, _)| *seq < base.seq).copied().collect(),
    };
    let name = state.name.clone();
    let state = LaneState { name, frontier: base.before, certificates, fork: Some(fork) };
    Ok(Some(Forking { state, truncate_to: base.truncate_to, replace: base.replace }))
}

/// Where the trunk ends from now on: the last known checkpoint of the trunk at or below a fork.
struct Base {
    seq: u64,
    before: Frontier,
    truncate_to: u64,
    replace: Option<(Run, Frontier)>,
}

impl Base {
    fn below<L: LaneLog>(held: &Held<'_, L>, at: u64) -> Result<Self, Stop<L::Error>> {
        let trunk = held.state.size();
        if at >= trunk {
            let before = held.state.frontier.clone();
            return Ok(Self { seq: trunk, before, truncate_to: trunk, replace: None });
        }
        let run = held.run_with(at)?;
        let inside = run.checkpoints.iter().map(|checkpoint| checkpoint.size).filter(|size| *size <= at);
        let seq = inside.max().unwrap_or(run.start);
        let (before, truncate_to, lane) = (held.frontier_at(seq)?, run.start, run.lane);
        let replace = match History::of(run).before(seq) {
            kept if kept.leaves.is_empty() => None,
            kept => Some((kept.into_run(lane), held.frontier_at(truncate_to)?)),
        };
        Ok(Self { seq, before, truncate_to, replace })
    }
}

/// Returns the held histories from `base` on, as far as a window that opens at `at` needs them.
fn held_from<L: LaneLog>(held: &Held<'_, L>, base: u64, at: u64) -> Result<Vec<History>, Stop<L::Error>> {
    let trunk = windowed_trunk(held, base, at)?;
    if trunk.end() < held.state.size() || held.branches.is_empty() {
        return Ok(vec![trunk]);
    }
    let joined = held.branches.iter().map(|branch| {
        let mut history = trunk.clone();
        history.join(branch.clone());
        history
    });
    Ok(joined.collect())
}

/// Makes a candidate start at `base`, with the part of the trunk on which it stands before it. None when the
/// window that opens at `at` closes before the candidate starts: it tells nothing that could be kept.
fn aligned<L: LaneLog>(
    held: &Held<'_, L>,
    base: u64,
    at: u64,
    mut candidate: History,
) -> Result<Option<History>, Stop<L::Error>> {
    if candidate.start <= base {
        candidate.trim_start(base);
        return Ok(Some(candidate));
    }
    let mut history = windowed_trunk(held, base, at)?;
    if history.end() < candidate.start {
        return Ok(None);
    }
    history.cut(candidate.start);
    history.join(candidate);
    Ok(Some(history))
}

fn windowed_trunk<L: LaneLog>(held: &Held<'_, L>, base: u64, at: u64) -> Result<History, Stop<L::Error>> {
    held.trunk_from(base, |trunk| !Window::KEPT.is_closed(at, trunk.start, &trunk.entries))
}

/// Returns what entry 0 puts in force, when the trunk is empty and the branch starts with it.
fn opening_certificate(branch: &Run) -> Vec<(u64, Digest)> {
    let opening = branch.entries.first().and_then(|entry| LaneOpening::read(&entry.body).ok());
    opening.map(|opening| (0, opening.certificate)).into_iter().collect()
}

/// Returns the lowest place at which two of the histories differ, and such two.
fn lowest_difference(histories: &[History]) -> Option<(u64, &History, &History)> {
    let pairs = histories
        .iter()
        .enumerate()
        .flat_map(|(index, one)| histories[index + 1..].iter().map(move |other| (one, other)));
    let differences = pairs.filter_map(|(one, other)| Some((first_difference(one, other)?, one, other)));
    differences.min_by_key(|(at, _, _)| *at)
}

fn prove(before: &Frontier, at: u64, one: &History, other: &History) -> Option<ForkProof> {
    let side = |history: &History| {
        let checkpoint = *history.covering(at + 1)?;
        let leaf = *history.leaves_from(at).first()?;
        let leaves = history.before(checkpoint.size).leaves;
        Some(ForkSide { checkpoint, leaf, proof: inclusion_proof_after(before, &leaves, at) })
    };
    let (mut left, mut right) = (side(one)?, side(other)?);
    if right.leaf < left.leaf {
        std::mem::swap(&mut left, &mut right);
    }
    Some(ForkProof { at, left, right })
}
