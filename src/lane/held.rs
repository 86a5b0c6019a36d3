//! What a replica holds of a lane, and where a signed run stands in relation to it.

use super::admission::{LaneLog, RefusalReason, Stop, Wait};
use super::checkpoint;
use super::entry::Entry;
use super::history::History;
use super::run::Run;
use super::state::LaneState;
use super::tree::Frontier;
use crate::base::LaneId;
use crate::base::planted::{Plant, is_planted};

/// A lane as it is held: its state, its stored trunk, and the branches of its fork.
pub(super) struct Held<'a, L> {
    /// The state.
    pub state: &'a LaneState,
    /// The branches, from the trunk's end on; none when the lane is straight.
    pub branches: Vec<History>,
    lane: LaneId,
    log: &'a L,
}

/// Whether a run brings anything.
pub(super) enum Found {
    /// All of it is held.
    Held,
    /// It is signed by the device over held entries and its own.
    New(Candidate),
}

/// A verified history that is not held.
pub(super) struct Candidate {
    /// The history; starts in the trunk or at its end.
    pub history: History,
    /// The sequence number from which on its entries have come from outside.
    pub new_from: u64,
    /// Where it first differs from the trunk.
    pub differs: Option<u64>,
    /// The tree's edge at its end.
    pub after: Frontier,
}

impl Candidate {
    /// Returns the entries that have come from outside.
    pub fn new_entries(&self) -> &[Entry] {
        let skip = usize::try_from(self.new_from - self.history.start).expect("an index of a Vec");
        &self.history.entries[skip..]
    }
}

impl<'a, L: LaneLog> Held<'a, L> {
    /// Looks at a lane.
    pub fn new(state: &'a LaneState, log: &'a L) -> Self {
        let branches = state.fork.iter().flat_map(|fork| &fork.branches);
        Self { state, branches: branches.cloned().map(History::of).collect(), lane: state.id(), log }
    }

    /// Finds where a run stands, and verifies it there.
    pub fn locate(&self, run: Run) -> Result<Found, Stop<L::Error>> {
        let trunk = self.state.size();
        let mut new = History::of(run);
        if new.start > trunk {
            return self.locate_in_branches(new);
        }
        if let Some(at) = self.difference_from_trunk(&new)? {
            let after = self.verified(&new, self.frontier_at(new.start)?)?;
            return Ok(Found::New(Candidate { new_from: new.start, history: new, differs: Some(at), after }));
        }
        new.trim_start(trunk);
        if self.branches.iter().any(|branch| branch.leaves.starts_with(&new.leaves)) || new.leaves.is_empty()
        {
            return Ok(Found::Held);
        }
        let after = self.verified(&new, self.state.frontier.clone())?;
        Ok(Found::New(Candidate { new_from: new.start, history: new, differs: None, after }))
    }

    /// Reads the trunk from `from` on, one run at a time, while `wanted` says so and there is more.
    pub fn trunk_from(
        &self,
        from: u64,
        wanted: impl Fn(&History) -> bool,
    ) -> Result<History, Stop<L::Error>> {
        let mut trunk = History::empty(from);
        while trunk.end() < self.state.size() && wanted(&trunk) {
            trunk.join(History::of(self.run_from(trunk.end())?));
        }
        Ok(trunk)
    }

    /// Returns the stored run that contains entry `seq` of the trunk.
    pub fn run_with(&self, seq: u64) -> Result<Run, Stop<L::Error>> {
        let runs = self.log.runs(&self.lane, seq, seq + 1).map_err(Stop::Log)?;
        let found = runs.into_iter().find(|run| run.start <= seq && run.end() > seq);
        found.ok_or(Stop::Refused(RefusalReason::LogIncomplete { seq }))
    }

    /// Returns the edge of the trunk's tree at `seq`.
    pub fn frontier_at(&self, seq: u64) -> Result<Frontier, Stop<L::Error>> {
        if seq == self.state.size() {
            return Ok(self.state.frontier.clone());
        }
        self.log.frontier_at(&self.lane, seq).map_err(Stop::Log)
    }

    fn run_from(&self, seq: u64) -> Result<Run, Stop<L::Error>> {
        let mut run = self.run_with(seq)?;
        run.trim_start(seq);
        Ok(run)
    }

    /// Finds the branch that a run continues or leaves above the trunk.
    fn locate_in_branches(&self, new: History) -> Result<Found, Stop<L::Error>> {
        let (trunk, start) = (self.state.size(), new.start);
        let mut failed = Stop::Waiting(Wait::Gap { have: trunk });
        for branch in self.branches.iter().filter(|branch| branch.end() >= start) {
            if branch.leaves_from(start).starts_with(&new.leaves) {
                return Ok(Found::Held);
            }
            let mut history = branch.before(start);
            let mut frontier = self.state.frontier.clone();
            history.leaves.iter().for_each(|leaf| frontier.push(leaf));
            match self.verified(&new, frontier) {
                Ok(after) => {
                    history.join(new);
                    return Ok(Found::New(Candidate { history, new_from: start, differs: None, after }));
                }
                Err(stop) => failed = stop,
            }
        }
        Err(failed)
    }

    /// Compares leaf by leaf with the trunk, as far as it reaches.
    fn difference_from_trunk(&self, new: &History) -> Result<Option<u64>, Stop<L::Error>> {
        let mut at = new.start;
        while at < self.state.size().min(new.end()) {
            let leaves = self.run_from(at)?.leaves();
            let differs = leaves.iter().zip(new.leaves_from(at)).position(|(held, new)| held != new);
            if let Some(index) = differs {
                return Ok(Some(at + index as u64));
            }
            at += leaves.len() as u64;
        }
        Ok(None)
    }

    /// Extends the tree by a history and checks the device's signature at each of its checkpoints.
    fn verified(&self, new: &History, before: Frontier) -> Result<Frontier, Stop<L::Error>> {
        let device = &self.state.name.device;
        let mut frontier = before;
        let mut checkpoints = new.checkpoints.iter().peekable();
        for leaf in &new.leaves {
            frontier.push(leaf);
            if let Some(due) = checkpoints.next_if(|next| next.size == frontier.size())
                && !checkpoint::verify(device, &self.lane, due, &frontier.root())
                && !is_planted(Plant::SkipCheckpointCheck)
            {
                return Err(RefusalReason::DoesNotExtend { size: due.size }.into());
            }
        }
        Ok(frontier)
    }
}
