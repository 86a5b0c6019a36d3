//! The connections of a simulation: two exchanges and the pipes between them.

use std::time::Duration;

use super::metering::Metered;
use super::pipe::Pipe;
use crate::replica::exchange::Exchange;
use crate::transport::{Backoff, SeatId};

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
    /// The place at the second end's door.
    pub(super) seat: SeatId,
    /// Whether the second end's roster names the first.
    pub(super) known: bool,
    /// Whether both held the same when the door was last told.
    pub(super) in_sync: bool,
    /// Whether both have held the same at any time.
    pub(super) met: bool,
    /// What counts its bytes, if they are limited.
    pub(super) metered: Option<Metered>,
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
    /// Numbers the plans for a meeting, where bytes are counted: only the last one counts.
    pub(super) meeting: u64,
    /// Something vital was written and the next meeting is soon.
    pub(super) gathering: bool,
    /// Something vital was written while the two met.
    pub(super) vital_meanwhile: bool,
}

/// What a conversation begins with.
pub(super) struct Begun {
    /// When.
    pub(super) at: Duration,
    /// How long its handshake takes.
    pub(super) handshake: Duration,
    /// The place at the second end's door.
    pub(super) seat: SeatId,
    /// Whether the second end's roster names the first.
    pub(super) known: bool,
    /// What counts its bytes, if they are limited.
    pub(super) metered: Option<Metered>,
}

impl Connection {
    /// Begins a conversation.
    pub(super) fn new(epoch: u64, begun: Begun, exchanges: [Exchange; 2]) -> Self {
        let Begun { at, handshake, seat, known, metered } = begun;
        let pipes = [(); 2].map(|()| Pipe::free_from(at + handshake));
        let (ended, ticking, in_sync, met) = ([false; 2], false, false, false);
        Self { epoch, begun: at, exchanges, ended, pipes, ticking, seat, known, in_sync, met, metered }
    }

    /// Says whether both ends hold the same and nothing is on its way.
    pub(super) fn is_settled(&self) -> bool {
        self.exchanges.iter().all(Exchange::is_in_sync) && self.pipes.iter().all(Pipe::is_empty)
    }
}
