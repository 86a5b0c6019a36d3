//! The connections of a simulation: two exchanges and the pipes between them.

use std::time::Duration;

use super::pipe::Pipe;
use crate::replica::exchange::Exchange;
use crate::transport::Backoff;

/// A conversation over a line.
pub(super) struct Connection {
    /// Tells it from earlier ones over the same line.
    pub(super) epoch: u64,
    /// When it began.
    pub(super) begun: Duration,
    /// The exchange at each end of the line.
    pub(super) exchanges: [Exchange; 2],
    /// Whether the exchange at an end has ended.
    pub(super) ended: [bool; 2],
    /// What travels towards each end.
    pub(super) pipes: [Pipe; 2],
    /// Whether a tick is scheduled.
    pub(super) ticking: bool,
}

/// What goes over a line of the scenario.
#[derive(Default)]
pub(super) struct Line {
    /// The conversation, if there is one.
    pub(super) connection: Option<Connection>,
    /// When to dial next.
    pub(super) backoff: Backoff,
    /// Somebody wants to talk and waits for the line.
    pub(super) wanted: bool,
    /// Whether a dial is scheduled.
    pub(super) dialling: bool,
    /// Since when the line has not been usable.
    pub(super) down_since: Option<Duration>,
    /// How many conversations there were.
    pub(super) epochs: u64,
}

impl Connection {
    /// Begins a conversation.
    pub(super) fn new(epoch: u64, begun: Duration, exchanges: [Exchange; 2]) -> Self {
        Self { epoch, begun, exchanges, ended: [false; 2], pipes: Default::default(), ticking: false }
    }

    /// Says whether both ends hold the same and nothing is on its way.
    pub(super) fn is_settled(&self) -> bool {
        self.exchanges.iter().all(Exchange::is_in_sync) && self.pipes.iter().all(Pipe::is_empty)
    }
}
