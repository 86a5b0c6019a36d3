//! What can go wrong with a chart as a whole.

use super::guard::GuardError;
use super::limits::OPS_PER_CHANGE_MAX;

/// Says what was attempted with a chart and failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChartError {
    /// The snapshot cannot be loaded or has other heads than expected; build the chart again from the lanes.
    #[error(
        "loading a chart snapshot: it is damaged or not the expected one; rebuild the chart from its lanes"
    )]
    Snapshot,
    /// A change in the document does not pass the guard; build the chart again from the lanes.
    #[error("reading a chart's history: {0}; rebuild the chart from its lanes")]
    History(GuardError),
    /// The document lacks what the genesis made or the library cannot read it.
    #[error("reading a chart: the document is not one of this schema; rebuild the chart from its lanes")]
    Read,
    /// The chart has fewer own changes than the lane; deliver the missing ones, then write.
    #[error(
        "writing to a chart: it holds {held} of the {written} own changes in its lane; deliver the others first"
    )]
    Behind {
        /// The sequence of the last own change in the chart.
        held: u64,
        /// The sequence of the last own change in the lane.
        written: u64,
    },
    /// The position or the range lies beyond the end of the text.
    #[error("writing to a chart: the position lies beyond the end of the text")]
    Position,
    /// The edit would exceed the operations of one change; split it.
    #[error("writing to a chart: more than {OPS_PER_CHANGE_MAX} characters at once; split the edit")]
    EditTooLarge,
    /// The edit changes nothing, so there is no change to keep.
    #[error("writing to a chart: nothing changes")]
    NothingChanges,
    /// The chart has no note or entry of that name.
    #[error("writing to a chart: no such note or entry")]
    NotFound,
    /// The library refused the edit.
    #[error("writing to a chart: the edit failed")]
    Edit,
    /// The edit made a change that other devices would refuse; the chart is as before.
    #[error("writing to a chart: others would refuse the change: {0}")]
    OwnChange(GuardError),
}
