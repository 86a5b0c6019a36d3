//! Who holds the links that an endpoint accepts, and who goes when another comes: pure.
//!
//! Links are few and diallers may be many: a hospital that survives may be all that 2,000 tablets can reach. So
//! nobody holds a link for ever while others wait, and strangers, one key, or one address hold but a share.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::raw_key::PeerKey;
use super::refusal::{COME_BACK_MAX, Refusal, Turned};

/// How long a link that is in sync is kept at least when others wait: what is written meanwhile is pushed.
pub const SEAT_HELD_MIN: Duration = Duration::from_secs(10);
/// How long any link is kept at least when others wait. Nothing is lost when it goes: what was acknowledged is
/// durable, and the next session goes on from there.
pub const SEAT_TURN: Duration = Duration::from_secs(300);
/// How far apart those who wait are told to come back.
pub const TURN_EVERY: Duration = Duration::from_millis(50);
/// When a link that made room may come back: behind all who wait.
pub const MADE_ROOM_FOR: Duration = COME_BACK_MAX;
/// When the older link of a key that has dialled again may come back, if it is alive.
pub const REPLACED_FOR: Duration = Duration::from_secs(5);

/// How many links there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeatLimits {
    /// Accepted links.
    pub seats_max: usize,
    /// Of them, those of keys that the roster does not name.
    pub strangers_max: usize,
    /// Of these, those from one source.
    pub strangers_per_source_max: usize,
    /// Links of one key; the oldest goes when one more comes, for a flapping path leaves dead ones behind.
    pub per_key_max: usize,
}

impl SeatLimits {
    /// Returns the shares of so many accepted links: an eighth for strangers, a quarter of that for one source.
    pub fn shares(seats_max: usize) -> SeatLimits {
        let strangers_max = (seats_max / 8).max(1);
        SeatLimits {
            seats_max,
            strangers_max,
            strangers_per_source_max: (strangers_max / 4).max(1),
            per_key_max: 3,
        }
    }

    /// Returns limits that turn nobody away.
    pub fn unlimited() -> SeatLimits {
        let max = usize::MAX;
        SeatLimits { seats_max: max, strangers_max: max, strangers_per_source_max: max, per_key_max: max }
    }
}

/// Names a seat; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeatId(u64);

/// A seat that was given, and who must go for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seated {
    /// The seat.
    pub seat: SeatId,
    /// The link to be closed, and what it is told; its seat is free already.
    pub leaves: Option<(SeatId, Turned)>,
}

/// Keeps the seats.
#[derive(Debug)]
pub struct Seats {
    limits: SeatLimits,
    seats: BTreeMap<SeatId, Seat>,
    next: u64,
    /// The last turn that was given to somebody who waits.
    last_turn: Duration,
}

#[derive(Debug, Clone)]
struct Seat {
    key: PeerKey,
    source: IpAddr,
    known: bool,
    in_sync: bool,
    since: Duration,
}

impl Seats {
    /// Makes empty seats.
    pub fn new(limits: SeatLimits) -> Seats {
        Seats { limits, seats: BTreeMap::new(), next: 0, last_turn: Duration::ZERO }
    }

    /// Gives a seat to a key that was proven; `known` if the roster names it.
    ///
    /// # Errors
    /// Why there is none, and when to come back.
    pub fn take(
        &mut self,
        now: Duration,
        key: PeerKey,
        source: IpAddr,
        known: bool,
    ) -> Result<Seated, Turned> {
        let leaves = match self.oldest_of(&key) {
            Some(seat) => Some((seat, Turned::new(Refusal::Replaced, REPLACED_FOR))),
            None if !known && self.strangers_are_full(source) => {
                return Err(self.wait(now, Refusal::StrangersFull));
            }
            None if self.seats.len() < self.limits.seats_max => None,
            // Strangers make a member go only where members hold seats of the strangers' share: whoever is never known
            // can shed no more than that, and whoever is new is not shut out for ever.
            None => match self.may_go(now).filter(|_| known || self.members_hold_strangers_share()) {
                Some(seat) => Some((seat, Turned::new(Refusal::MadeRoom, MADE_ROOM_FOR))),
                None => return Err(self.wait(now, Refusal::LinksFull)),
            },
        };
        if let Some((seat, _)) = leaves {
            self.seats.remove(&seat);
        }
        let seat = SeatId(self.next);
        self.next += 1;
        self.seats.insert(seat, Seat { key, source, known, in_sync: false, since: now });
        Ok(Seated { seat, leaves })
    }

    /// Frees a seat: its link has ended.
    pub fn leave(&mut self, seat: SeatId) {
        self.seats.remove(&seat);
    }

    /// Notes whether both sides of a link hold the same.
    pub fn in_sync(&mut self, seat: SeatId, in_sync: bool) {
        if let Some(seat) = self.seats.get_mut(&seat) {
            seat.in_sync = in_sync;
        }
    }

    /// Notes that the certificate of a stranger has verified.
    pub fn became_known(&mut self, seat: SeatId) {
        if let Some(seat) = self.seats.get_mut(&seat) {
            seat.known = true;
        }
    }

    /// Returns how many seats are taken.
    pub fn taken(&self) -> usize {
        self.seats.len()
    }

    /// The oldest seat of a key that holds as many as one may.
    fn oldest_of(&self, key: &PeerKey) -> Option<SeatId> {
        let mut held = self.seats.iter().filter(|(_, seat)| seat.key == *key).map(|(id, _)| *id);
        let oldest = held.next()?;
        (held.count() + 1 >= self.limits.per_key_max).then_some(oldest)
    }

    fn members_hold_strangers_share(&self) -> bool {
        let members = self.seats.values().filter(|seat| seat.known).count();
        members > self.limits.seats_max.saturating_sub(self.limits.strangers_max)
    }

    fn strangers_are_full(&self, source: IpAddr) -> bool {
        let strangers = || self.seats.values().filter(|seat| !seat.known);
        strangers().count() >= self.limits.strangers_max
            || strangers().filter(|seat| seat.source == source).count()
                >= self.limits.strangers_per_source_max
    }

    /// Who goes when all seats are taken: of those in sync, or else of all whose turn is over, who came first.
    fn may_go(&self, now: Duration) -> Option<SeatId> {
        let held = |seat: &Seat| now.saturating_sub(seat.since);
        let mut by_age = self.seats.iter();
        let served = by_age.find(|(_, seat)| seat.in_sync && held(seat) >= SEAT_HELD_MIN);
        let over = || self.seats.iter().find(|(_, seat)| held(seat) >= SEAT_TURN);
        served.or_else(over).map(|(id, _)| *id)
    }

    fn wait(&mut self, now: Duration, why: Refusal) -> Turned {
        self.last_turn = self.last_turn.max(now) + TURN_EVERY;
        if self.last_turn > now + COME_BACK_MAX {
            // More wait than there are turns: they share those of the later half.
            self.last_turn = now + COME_BACK_MAX / 2;
        }
        Turned::new(why, self.last_turn - now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 7));
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 8));

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn key(number: u8) -> PeerKey {
        PeerKey::new([number; 32])
    }

    fn limits() -> SeatLimits {
        SeatLimits { seats_max: 4, strangers_max: 2, strangers_per_source_max: 1, per_key_max: 2 }
    }

    #[test]
    fn strangers_and_one_source_of_them_have_a_share() {
        let mut seats = Seats::new(limits());
        seats.take(s(0), key(1), HERE, false).unwrap();
        assert_eq!(seats.take(s(0), key(2), HERE, false).unwrap_err().why, Refusal::StrangersFull);
        let second = seats.take(s(0), key(2), THERE, false).unwrap();
        let elsewhere: IpAddr = "198.51.100.1".parse().unwrap();
        assert!(seats.take(s(0), key(3), elsewhere, false).is_err());
        for member in 4..6 {
            seats.take(s(0), key(member), HERE, true).expect("members have the rest");
        }
        // Whoever has shown a certificate is a stranger no longer.
        seats.became_known(second.seat);
        seats.leave(SeatId(3));
        seats.take(s(0), key(3), elsewhere, false).unwrap();
    }

    #[test]
    fn the_oldest_link_of_a_key_goes_when_it_dials_again() {
        let mut seats = Seats::new(limits());
        let first = seats.take(s(0), key(1), HERE, true).unwrap().seat;
        seats.take(s(1), key(2), HERE, true).unwrap();
        assert_eq!(seats.take(s(2), key(1), HERE, true).unwrap().leaves, None);
        let third = seats.take(s(3), key(1), HERE, true).unwrap();
        assert_eq!(third.leaves.map(|(seat, turned)| (seat, turned.why)), Some((first, Refusal::Replaced)));
        assert_eq!(seats.taken(), 3);
    }

    #[test]
    fn when_all_seats_are_taken_whoever_was_served_longest_makes_room() {
        let mut seats = Seats::new(limits());
        let held: Vec<SeatId> =
            (1..5).map(|n| seats.take(s(n.into()), key(n), HERE, true).unwrap().seat).collect();
        assert_eq!(seats.take(s(20), key(8), HERE, false).unwrap_err().why, Refusal::LinksFull);
        assert_eq!(seats.take(s(20), key(9), HERE, true).unwrap_err().why, Refusal::LinksFull);
        seats.in_sync(held[2], true);
        seats.in_sync(held[1], true);
        let seated = seats.take(s(20), key(9), HERE, true).unwrap();
        let (left, turned) = seated.leaves.unwrap();
        assert_eq!((left, turned.why), (held[1], Refusal::MadeRoom));
        assert!(turned.come_back >= MADE_ROOM_FOR);
        // Those who are not done go after their turn.
        seats.in_sync(held[2], false);
        assert!(seats.take(s(299), key(7), HERE, true).is_err());
        assert_eq!(seats.take(s(301), key(7), HERE, true).unwrap().leaves.unwrap().0, held[0]);
    }

    #[test]
    fn strangers_get_their_share_back_from_members_and_no_more() {
        let mut seats = Seats::new(SeatLimits::shares(16));
        let held: Vec<SeatId> = (0..16).map(|n| seats.take(s(0), key(n), HERE, true).unwrap().seat).collect();
        held.iter().for_each(|seat| seats.in_sync(*seat, true));
        // Two of sixteen seats are the share of strangers, one of them that of one address.
        assert!(seats.take(s(9), key(100), HERE, false).is_err(), "nobody has been served long enough");
        assert_eq!(seats.take(s(11), key(100), HERE, false).unwrap().leaves.unwrap().0, held[0]);
        assert_eq!(seats.take(s(11), key(101), HERE, false).unwrap_err().why, Refusal::StrangersFull);
        let other = seats.take(s(11), key(102), THERE, false).unwrap();
        assert_eq!(other.leaves.unwrap().0, held[1]);
        assert_eq!(seats.take(s(12), key(103), THERE, false).unwrap_err().why, Refusal::StrangersFull);
        // One that comes and goes without ever being known sheds no member any more.
        for n in 0..50 {
            seats.leave(other.seat);
            let again = seats.take(s(20 + n), key(104), THERE, false).unwrap();
            assert_eq!(again.leaves, None);
            seats.leave(again.seat);
        }
    }

    #[test]
    fn those_who_wait_are_told_to_come_one_after_the_other() {
        let mut seats = Seats::new(SeatLimits { seats_max: 0, ..limits() });
        let mut told = |now| seats.take(now, key(1), HERE, true).unwrap_err().come_back;
        let first: Vec<u128> = (0..3).map(|_| told(s(0)).as_millis()).collect();
        assert_eq!(first, [50, 100, 150]);
        let all: Vec<Duration> = (0..5_000).map(|_| told(s(0))).collect();
        assert!(all.iter().all(|wait| *wait <= COME_BACK_MAX));
        assert_eq!(told(s(1_000)), TURN_EVERY, "old turns are over");
    }
}
