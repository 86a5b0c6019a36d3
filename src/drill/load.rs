//! What a run puts on its replicas and links, as data: how soon what was written is everywhere, how soon who returns has
//! the cards of its areas, and how much each replica holds at most.

use std::time::Duration;

use serde::Serialize;

use crate::base::Part;

/// What only a simulation counts.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Traffic {
    /// Each acknowledged write and when it was everywhere; empty unless an expectation asks for it.
    pub arrived: Vec<Arrived>,
    /// Each start of a replica that had been down.
    pub returns: Vec<Return>,
    /// The most of each replica, in their order.
    pub loads: Vec<Load>,
}

/// An acknowledged write, and when it was everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Arrived {
    /// The part of its lane.
    pub part: Part,
    /// How long after its acknowledgement the last replica that holds this area and part had it; none when one of them never
    /// had it.
    pub after: Option<Duration>,
}

/// A replica that was down and started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Return {
    /// The replica.
    pub member: usize,
    /// When it started.
    pub at: Duration,
    /// When it held every card of its own areas that some replica in its reach had held at that moment; none when it was down
    /// again before, or time was over.
    pub had: Option<Duration>,
    /// How many of those cards it had lacked.
    pub lacked: u64,
}

/// The most that a replica held and did at any time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Load {
    /// Bytes in memory by its records and its sessions together, as the simulation estimates them: the greatest sum at
    /// any one time.
    pub bytes: u64,
    /// Of the store: bodies, rows, lanes, postings. At the end.
    pub store_bytes: u64,
    /// Of the sessions: compression contexts, messages that were sent and not heard, heads that were listed. At the worst time.
    pub session_bytes: u64,
    /// Sessions at one time.
    pub sessions: u64,
    /// Dials that it turned away.
    pub turned_away: u64,
}
