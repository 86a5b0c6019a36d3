//! The chart of one record in one area, as one device holds it.

use std::panic::catch_unwind;

use automerge::{ActorId, Automerge, ChangeHash as LibraryHash, ReadDoc};

use super::actor::{ActorBytes, ChangeHash};
use super::chunk::ChartChange;
use super::deliver::heads_of;
use super::error::ChartError;
use super::genesis::{genesis_bytes, genesis_document};
use super::guard::{self, Verdict};
use super::history::{History, Made};
use super::inbox::Inbox;
use super::limits::{MARKS_PER_CHART_MAX, OPS_PER_CHANGE_MAX, OPS_PER_CHART_MAX};

/// One Automerge document: what people edit together on one record.
///
/// The lanes are the truth and a chart is a cache of them. An edit takes effect in the chart at once and
/// returns the change that must be appended to the lane; if appending fails, drop the chart and build it
/// again, so that no later change follows one that nobody has.
#[derive(Debug, Clone)]
pub struct Chart {
    pub(super) document: Automerge,
    pub(super) actor: ActorBytes,
    pub(super) inbox: Inbox,
    /// The last own sequence in the lane, as far as the caller said.
    lane_seq: u64,
    /// Built when first needed: texts with marks and drafts are read by it, and changes are judged by it.
    history: Option<History>,
}

impl Chart {
    /// Begins a chart that holds the genesis change only.
    ///
    /// `actor` names this device in this document; see [`ActorBytes`].
    pub fn new(actor: ActorBytes) -> Self {
        let document = genesis_document().with_actor(ActorId::from(actor.as_bytes()));
        Self { document, actor, inbox: Inbox::default(), lane_seq: 0, history: Some(History::new()) }
    }

    /// Loads a snapshot that this store saved and sealed itself; never bytes of anybody else.
    ///
    /// Changes that waited when it was saved are not in it and must be delivered again. Panics of the
    /// library are caught, but a hostile document may hang or abort it: hence only sealed bytes.
    ///
    /// # Errors
    ///
    /// When the bytes do not load, or to other heads than `heads` (in any order), or to no chart.
    pub fn load_own(bytes: &[u8], actor: ActorBytes, heads: &[ChangeHash]) -> Result<Self, ChartError> {
        let bytes = bytes.to_vec();
        let loaded = catch_unwind(move || Automerge::load(&bytes).ok()).ok().flatten();
        let document = loaded.ok_or(ChartError::Snapshot)?.with_actor(ActorId::from(actor.as_bytes()));
        let mut expected = heads.to_vec();
        expected.sort_unstable();
        if heads_of(&document) != expected {
            return Err(ChartError::Snapshot);
        }
        let genesis = ChartChange::parse(&genesis_bytes()).map_err(|_| ChartError::Snapshot)?;
        if document.get_change_by_hash(&LibraryHash(genesis.hash().0)).is_none() {
            return Err(ChartError::Snapshot);
        }
        Ok(Self { document, actor, inbox: Inbox::default(), lane_seq: 0, history: None })
    }

    /// Saves the document for [`Chart::load_own`]; keep [`Chart::heads`] beside it.
    pub fn save(&self) -> Vec<u8> {
        self.document.save()
    }

    /// Returns the document as other Automerge programs read it.
    pub fn export_bytes(&self) -> Vec<u8> {
        self.document.save()
    }

    /// Returns the changes that no other change of the chart has seen, in ascending order.
    pub fn heads(&self) -> Vec<ChangeHash> {
        heads_of(&self.document)
    }

    /// Returns the actor as which this chart writes.
    pub fn actor(&self) -> &ActorBytes {
        &self.actor
    }

    /// Returns how many changes the chart holds, genesis included.
    ///
    /// # Errors
    ///
    /// When the chart's own document cannot be read.
    pub fn change_count(&mut self) -> Result<usize, ChartError> {
        Ok(self.history()?.len())
    }

    /// Says whether the chart has no room for one more change of the largest size, or for one more mark.
    ///
    /// # Errors
    ///
    /// When the chart's own document cannot be read.
    pub fn is_full(&mut self) -> Result<bool, ChartError> {
        let history = self.history()?;
        let heads: Vec<ChangeHash> = history.heads().collect();
        let (seen, max_op) = history.seen_by(&heads).map_err(|_| ChartError::Read)?;
        let marks = history.marks_seen(&seen);
        Ok(max_op + OPS_PER_CHANGE_MAX > OPS_PER_CHART_MAX || marks >= MARKS_PER_CHART_MAX)
    }

    /// Returns the sequence of this actor's last change in the chart, 0 for none.
    ///
    /// # Errors
    ///
    /// When the chart's own document cannot be read.
    pub fn own_seq(&mut self) -> Result<u64, ChartError> {
        let actor = self.actor.clone();
        Ok(self.history()?.seq(&actor))
    }

    /// Tells the chart how many own changes its lane holds; while it holds fewer, it refuses to write.
    ///
    /// A chart that wrote while behind its lane would use a sequence twice, and from then on the documents
    /// of two replicas never merge again. The number never goes down.
    pub fn expect_own_seq(&mut self, seq: u64) {
        self.lane_seq = self.lane_seq.max(seq);
    }

    pub(super) fn check_current(&mut self) -> Result<(), ChartError> {
        let held = self.own_seq()?;
        if held < self.lane_seq {
            return Err(ChartError::Behind { held, written: self.lane_seq });
        }
        Ok(())
    }

    pub(super) fn replace(&mut self, document: Automerge, history: History) {
        self.lane_seq = self.lane_seq.max(history.seq(&self.actor));
        self.document = document;
        self.history = Some(history);
    }

    /// Takes the place of the document with one own change that the guard has passed.
    pub(super) fn replace_own(&mut self, document: Automerge, change: &ChartChange, made: Vec<Made>) {
        if let Some(history) = &mut self.history {
            history.admit(change, made);
        }
        self.lane_seq = self.lane_seq.max(change.seq());
        self.document = document;
    }

    /// Returns the history, built from the document's changes if need be, each judged as when it arrived.
    pub(super) fn history(&mut self) -> Result<&History, ChartError> {
        if self.history.is_none() {
            self.history = Some(self.read_history()?);
        }
        self.history.as_ref().ok_or(ChartError::Read)
    }

    fn read_history(&self) -> Result<History, ChartError> {
        let mut history = History::new();
        for stored in self.document.get_changes(&[]) {
            let change = ChartChange::parse(stored.raw_bytes()).map_err(|e| ChartError::History(e.into()))?;
            match guard::check(&history, &change.actor().clone(), &change) {
                Verdict::Pass(checked) => history.admit(&change, checked.made),
                Verdict::Known => {}
                Verdict::Wait(_) => return Err(ChartError::Read),
                Verdict::Refuse(reason) => return Err(ChartError::History(reason)),
            }
        }
        if history.heads().ne(heads_of(&self.document)) {
            return Err(ChartError::Read);
        }
        Ok(history)
    }
}

#[cfg(test)]
impl Chart {
    /// Pretends that the last change of an actor holds so many marks.
    pub(super) fn pretend_marks(&mut self, actor: &ActorBytes, marks: u64) {
        if let Some(history) = &mut self.history {
            history.pretend_marks(actor, marks);
        }
    }
}
