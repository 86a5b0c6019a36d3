//! The guard of an endpoint: asks the gate and the seats, counts refusals, and tells of them seldom.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use std::collections::BTreeMap;

use super::bucket::{Bucket, Rate};
use super::close::{CloseCode, close};
use super::gate::{Gate, GateLimits, Step, source_of};
use super::options::Options;
use super::raw_key::PeerKey;
use super::refusal::{Refusal, Refusals, Turned};
use super::seats::{SeatId, SeatLimits, Seats};

/// How often one reason of a refusal is told in the log; a flood must not fill the disk.
pub const TOLD_EVERY: Duration = Duration::from_secs(10);
/// How often the log tells of sessions that begin and end: sixty at once, and then one a second.
const SESSIONS_TOLD: Rate = Rate { burst: 60, every: Duration::from_secs(1) };

/// The limits of a guard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuardLimits {
    /// Rates of dials.
    pub gate: GateLimits,
    /// Shares of links.
    pub seats: SeatLimits,
}

impl GuardLimits {
    /// Returns the usual limits for these options: of all links some are kept for handshakes, so that whoever is
    /// refused hears why, and some for dialling.
    pub fn of(options: &Options) -> GuardLimits {
        let kept = options.handshakes_max + options.links_for_dialling;
        let seats_max = options.links_max.saturating_sub(kept).max(1);
        GuardLimits { gate: GateLimits::default(), seats: SeatLimits::shares(seats_max) }
    }
}

/// Stands at the door of an endpoint, and is told by whoever runs sessions how they ended.
pub struct Guard {
    inner: Mutex<Inner>,
    refused: Refusals,
    is_known: Box<dyn Fn(&PeerKey) -> bool + Send + Sync>,
    began: Instant,
}

struct Inner {
    gate: Gate,
    seats: Seats,
    links: BTreeMap<SeatId, quinn::Connection>,
    told: Seldom,
    sessions: Bucket,
}

/// A taken seat; free again when dropped.
pub(super) struct Seat {
    id: SeatId,
    guard: Arc<Guard>,
}

impl Guard {
    /// Makes a guard; `is_known` says quickly whether the roster names a key.
    pub fn new(limits: GuardLimits, is_known: impl Fn(&PeerKey) -> bool + Send + Sync + 'static) -> Guard {
        let inner = Inner {
            gate: Gate::new(limits.gate),
            seats: Seats::new(limits.seats),
            links: BTreeMap::new(),
            told: Seldom::default(),
            sessions: Bucket::default(),
        };
        Guard {
            inner: Mutex::new(inner),
            refused: Refusals::default(),
            is_known: Box::new(is_known),
            began: Instant::now(),
        }
    }

    /// Makes a guard that turns nobody away, for an endpoint whose diallers its caller knows.
    pub fn open() -> Guard {
        let limits = GuardLimits { gate: GateLimits::unlimited(), seats: SeatLimits::unlimited() };
        Guard::new(limits, |_| true)
    }

    /// Returns how often peers were refused or cut off for each reason.
    pub fn refused(&self) -> &Refusals {
        &self.refused
    }

    /// Returns how many accepted links there are.
    pub fn links(&self) -> usize {
        self.lock().seats.taken()
    }

    /// Counts a refusal, and tells of it in the log unless it was told of that reason lately.
    pub fn turned_away(&self, why: Refusal, who: &dyn fmt::Display) {
        self.refused.count(why);
        let now = self.now();
        let say = self.lock().told.say(now, why);
        if let Some(unsaid) = say {
            tracing::warn!(peer = %who, reason = why.name(), unsaid, "a peer was refused or cut off: {}", why.told());
        }
    }

    /// Notes that a session with a key was ended by this side, and bars the key if it was the peer's offence.
    pub fn cut_off(&self, key: &PeerKey, from: SocketAddr, why: Refusal) {
        self.turned_away(why, &from);
        if why.is_offence() {
            let known = (self.is_known)(key);
            let now = self.now();
            self.lock().gate.offended(now, key, known);
        }
    }

    /// Notes that in a session with a key both sides came to hold the same.
    pub fn served(&self, key: &PeerKey, from: SocketAddr) {
        let known = (self.is_known)(key);
        let now = self.now();
        self.lock().gate.behaved(now, key, known, from);
    }

    /// Says whether the log may tell of one more session.
    pub fn may_tell_of_session(&self) -> bool {
        let now = self.now();
        self.lock().sessions.take(now, SESSIONS_TOLD).is_ok()
    }

    /// Says what to do with a dial, before a handshake costs anything.
    pub(super) fn knock(&self, from: SocketAddr, proven: bool) -> Step {
        let now = self.now();
        let step = self.lock().gate.knock(now, from, proven);
        if let Step::Refuse(why) | Step::Ignore(why) = step {
            self.turned_away(why, &from);
        }
        step
    }

    /// Gives a proven key a seat for its link; a link that must go for it is closed.
    pub(super) fn seat(
        self: &Arc<Self>,
        connection: &quinn::Connection,
        key: PeerKey,
    ) -> Result<Seat, Turned> {
        let (from, known, now) = (connection.remote_address(), (self.is_known)(&key), self.now());
        let given = {
            let mut inner = self.lock();
            inner.gate.show_key(now, &key, known).and_then(|()| {
                let seated = inner.seats.take(now, key, source_of(from), known)?;
                let leaves = seated.leaves.and_then(|(seat, told)| Some((inner.links.remove(&seat)?, told)));
                inner.links.insert(seated.seat, connection.clone());
                Ok((seated.seat, leaves))
            })
        };
        let (id, leaves) = given.inspect_err(|turned| self.turned_away(turned.why, &from))?;
        if let Some((connection, told)) = leaves {
            self.turned_away(told.why, &connection.remote_address());
            close(&connection, CloseCode::Busy, &told.reason());
        }
        Ok(Seat { id, guard: self.clone() })
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("links", &self.links()).finish_non_exhaustive()
    }
}

impl Seat {
    /// Notes whether both sides of the link hold the same.
    pub(super) fn in_sync(&self, in_sync: bool) {
        self.guard.lock().seats.in_sync(self.id, in_sync);
    }

    /// Notes that the certificate of the peer has verified.
    pub(super) fn became_known(&self) {
        self.guard.lock().seats.became_known(self.id);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let link = {
            let mut inner = self.guard.lock();
            inner.seats.leave(self.id);
            inner.links.remove(&self.id)
        };
        drop(link);
    }
}

impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.id)
    }
}

/// Says of each reason at most once in [`TOLD_EVERY`], and then how often it was not said.
#[derive(Debug, Default)]
struct Seldom {
    said: [Option<Duration>; Refusal::ALL.len()],
    unsaid: [u64; Refusal::ALL.len()],
}

impl Seldom {
    fn say(&mut self, now: Duration, why: Refusal) -> Option<u64> {
        let (said, unsaid) = (&mut self.said[why as usize], &mut self.unsaid[why as usize]);
        if said.is_some_and(|at| now < at + TOLD_EVERY) {
            *unsaid += 1;
            return None;
        }
        *said = Some(now);
        Some(std::mem::take(unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_told_in_few_lines_that_count_the_others() {
        let mut told = Seldom::default();
        let lines: Vec<u64> =
            (0..100_000).filter_map(|at| told.say(Duration::from_millis(at), Refusal::SourceRate)).collect();
        assert_eq!(lines.len(), 10);
        assert_eq!((lines[0], lines[1]), (0, 9_999));
        assert_eq!(told.say(Duration::ZERO, Refusal::Protocol), Some(0), "each reason by itself");
    }

    #[test]
    fn seats_leave_room_for_handshakes_and_for_dialling() {
        let options = Options::default();
        let seats = GuardLimits::of(&options).seats;
        assert!(seats.seats_max + options.handshakes_max + options.links_for_dialling <= options.links_max);
        assert_eq!((seats.seats_max, seats.strangers_max, seats.strangers_per_source_max), (416, 52, 13));
    }
}
