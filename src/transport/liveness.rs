//! Whether the peer is still there: every wait on a link ends when nothing arrives for too long.
//!
//! Keep-alives make a living path bring a datagram at least every few seconds, so a datagram counter that stands
//! still means a dead path. QUIC's own idle timer restarts when something is sent (RFC 9000, section 10.1) and
//! was seen not to fire with a request pending; this clock depends on arrivals alone.

use std::future::Future;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout};

/// Shortest and longest pause between two looks at the datagram counter.
const LOOK_MIN: Duration = Duration::from_millis(5);
const LOOK_MAX: Duration = Duration::from_secs(1);

/// Watches one connection; shared by both halves of a link.
#[derive(Debug)]
pub(super) struct Liveness {
    connection: quinn::Connection,
    silence_max: Duration,
    heard: Mutex<Heard>,
}

#[derive(Debug, Clone, Copy)]
struct Heard {
    datagrams: u64,
    at: Instant,
}

/// Why a watched wait was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lapse {
    /// Nothing arrived for `silence_max`.
    Silent,
    /// The caller's own limit passed while the peer was alive.
    Limit,
}

impl Liveness {
    /// Starts to watch, with the peer just heard.
    pub(super) fn new(connection: quinn::Connection, silence_max: Duration) -> Liveness {
        let heard = Heard { datagrams: connection.stats().udp_rx.datagrams, at: Instant::now() };
        Liveness { connection, silence_max, heard: Mutex::new(heard) }
    }

    /// Returns the limit of silence.
    pub(super) fn silence_max(&self) -> Duration {
        self.silence_max
    }

    /// Looks once.
    pub(super) fn check(&self) -> Result<(), Lapse> {
        let datagrams = self.connection.stats().udp_rx.datagrams;
        let now = Instant::now();
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        if heard.datagrams != datagrams {
            *heard = Heard { datagrams, at: now };
        }
        if now.duration_since(heard.at) >= self.silence_max { Err(Lapse::Silent) } else { Ok(()) }
    }

    /// Waits for `future` as long as the peer is heard, and at most for `limit`.
    pub(super) async fn watch<F: Future>(
        &self,
        future: F,
        limit: Option<Duration>,
    ) -> Result<F::Output, Lapse> {
        let mut future = pin!(future);
        let began = Instant::now();
        let look = (self.silence_max / 8).clamp(LOOK_MIN, LOOK_MAX);
        loop {
            let left = limit.map(|limit| limit.saturating_sub(began.elapsed()));
            let wait = left.map_or(look, |left| left.min(look));
            if let Ok(output) = timeout(wait, &mut future).await {
                return Ok(output);
            }
            self.check()?;
            if left.is_some_and(|left| left <= wait) {
                return Err(Lapse::Limit);
            }
        }
    }
}
