//! Who was found on the local network, whom of them to dial, and when to say what. Pure: times and chance are arguments.
//!
//! Each replica has a salt that is renewed now and then. In the order of their salts all replicas form a ring, and each
//! dials a few that follow it: so the replicas of a shelter hang together, however many they are, and nobody has a session
//! with each of 200 tablets. Of two that would dial each other, the greater waits for the smaller.
//!
//! What is found is forgotten when it says that it leaves, when it has been silent for [`BEACON_TTL_SECONDS`], and when its
//! network is gone. Only what members have said comes here, and still there is room for so many only.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::transport::{BEACON_TTL_SECONDS, Beacon, Said, Salt};

/// Most replicas that are remembered; while there are as many, newcomers are not.
pub const FOUND_MAX: usize = 256;
/// Most addresses of one replica.
pub const ADDRESSES_MAX: usize = 4;
/// Most replicas at one address: a machine may run several.
pub const AT_ONE_ADDRESS_MAX: usize = 8;
/// How many of them are dialled.
pub const DIALLED_MAX: usize = 4;

/// How often a replica says that it is here: three times before it is forgotten.
const SAID_EVERY: Duration = Duration::from_secs(20);
/// No replica speaks more often.
const SAID_AT_MOST_EVERY: Duration = Duration::from_secs(1);
/// Who is asked answers within this time, so that not all do at once.
const ANSWERED_WITHIN: Duration = Duration::from_millis(500);
/// After a start, or a change of the network, it is asked so often who is here.
const ASKED_TIMES: u32 = 3;
/// How long a salt is kept.
const SALT_KEPT: Duration = Duration::from_secs(3_600);
/// How long it is kept at least when the network changes.
const SALT_KEPT_LEAST: Duration = Duration::from_secs(600);

/// A replica that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What it is called for now.
    pub salt: Salt,
    /// Where it can be reached, the latest first heard last.
    pub addresses: Vec<SocketAddr>,
}

/// The replicas of the realm on this network, and what this one has said.
#[derive(Debug)]
pub struct Lan {
    port: u16,
    me: Salt,
    since: Instant,
    said: Option<Instant>,
    due: Instant,
    asks: u32,
    found: BTreeMap<Salt, Vec<(SocketAddr, Instant)>>,
}

impl Lan {
    /// Begins on a network: with a question, at once.
    pub fn new(port: u16, salt: Salt, now: Instant) -> Self {
        Self { port, me: salt, since: now, said: None, due: now, asks: ASKED_TIMES, found: BTreeMap::new() }
    }

    /// Returns when there is something to do next: to speak, or to forget somebody.
    pub fn next(&self) -> Instant {
        let forgotten = self.found.values().flatten().map(|(_, until)| *until).min();
        forgotten.map_or(self.due, |forgotten| forgotten.min(self.due))
    }

    /// Returns what is to be said now, if anything is; `jitter` is any random number.
    pub fn speak(&mut self, now: Instant, jitter: u64) -> Option<Beacon> {
        if now < self.due {
            return None;
        }
        let said = if self.asks > 0 { Said::Asks } else { Said::Here };
        let pause = match self.asks {
            // Soon again, since the first may be lost.
            2.. => SAID_AT_MOST_EVERY * (ASKED_TIMES + 1 - self.asks),
            0 | 1 => SAID_EVERY * 3 / 4 + up_to(SAID_EVERY / 2, jitter),
        };
        self.asks = self.asks.saturating_sub(1);
        (self.said, self.due) = (Some(now), now + pause);
        Some(Beacon { salt: self.me, port: self.port, said })
    }

    /// Returns what is said at the end.
    pub fn leave(&self) -> Beacon {
        Beacon { salt: self.me, port: self.port, said: Said::Leaves }
    }

    /// Takes in what a member has said from an address on this network.
    pub fn heard(&mut self, beacon: &Beacon, from: SocketAddr, now: Instant, jitter: u64) {
        if beacon.salt == self.me {
            return;
        }
        let mut address = from;
        address.set_port(beacon.port);
        if beacon.said == Said::Asks {
            let due = now + up_to(ANSWERED_WITHIN, jitter);
            let least = self.said.map_or(due, |said| said + SAID_AT_MOST_EVERY);
            self.due = self.due.min(due.max(least));
        }
        let known =
            self.found.get(&beacon.salt).is_some_and(|known| known.iter().any(|(it, _)| *it == address));
        if !known || beacon.said == Said::Leaves {
            self.forget(|_, it| *it == address);
        }
        if beacon.said == Said::Leaves {
            return;
        }
        let until = now + Duration::from_secs(BEACON_TTL_SECONDS.into());
        let at_one = self.found.values().flatten().filter(|(it, _)| it.ip() == address.ip()).count();
        let has_room = self.found.len() < FOUND_MAX || self.found.contains_key(&beacon.salt);
        if !known && (at_one >= AT_ONE_ADDRESS_MAX || !has_room) {
            return;
        }
        let addresses = self.found.entry(beacon.salt).or_default();
        match addresses.iter().position(|(it, _)| *it == address) {
            Some(place) => addresses[place].1 = until,
            None if addresses.len() < ADDRESSES_MAX => addresses.push((address, until)),
            None => {}
        }
    }

    /// Forgets whom nothing was heard of for too long.
    pub fn expire(&mut self, now: Instant) {
        self.forget(|until, _| *until <= now);
    }

    /// Begins anew on another network: who is not near any more is forgotten, and all are asked who is here.
    pub fn network_changed(&mut self, now: Instant, is_near: impl Fn(&SocketAddr) -> bool) {
        self.forget(|_, address| !is_near(address));
        (self.asks, self.due) = (ASKED_TIMES, now);
    }

    /// Says whether this replica should get another salt: after an hour, or when the network has changed.
    pub fn wants_salt(&self, now: Instant, changed: bool) -> bool {
        now.saturating_duration_since(self.since) >= if changed { SALT_KEPT_LEAST } else { SALT_KEPT }
    }

    /// Gives this replica another salt, by which others hear of it at once.
    pub fn renew(&mut self, salt: Salt, now: Instant) {
        (self.me, self.since, self.due) = (salt, now, now);
    }

    /// Returns who was found.
    pub fn found(&self) -> Vec<Found> {
        self.found.iter().map(found).collect()
    }

    /// Returns whom of them to dial, and of each whether to wait first, because it may dial this one.
    pub fn to_dial(&self) -> Vec<(Found, bool)> {
        let follow = self.found.range(self.me..).chain(self.found.range(..self.me));
        follow.take(DIALLED_MAX).map(|it| (found(it), *it.0 < self.me)).collect()
    }

    fn forget(&mut self, is_over: impl Fn(&Instant, &SocketAddr) -> bool) {
        self.found.retain(|_, addresses| {
            addresses.retain(|(address, until)| !is_over(until, address));
            !addresses.is_empty()
        });
    }
}

fn found((salt, addresses): (&Salt, &Vec<(SocketAddr, Instant)>)) -> Found {
    Found { salt: *salt, addresses: addresses.iter().map(|(address, _)| *address).collect() }
}

fn up_to(longest: Duration, jitter: u64) -> Duration {
    let longest = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX - 1);
    Duration::from_micros(jitter % (longest + 1))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const PORT: u16 = 7_440;

    fn salt(number: u64) -> Salt {
        let mut salt = [0; 12];
        salt[..8].copy_from_slice(&number.to_be_bytes());
        Salt(salt)
    }

    fn says(number: u64, said: Said) -> Beacon {
        Beacon { salt: salt(number), port: PORT, said }
    }

    fn from(host: u32) -> SocketAddr {
        SocketAddr::from((std::net::Ipv4Addr::from_bits(0x0a00_0000 + host), 5_353))
    }

    fn salts(lan: &Lan) -> Vec<Salt> {
        lan.found().into_iter().map(|found| found.salt).collect()
    }

    #[test]
    fn who_is_heard_is_found_and_forgotten_when_it_leaves_or_falls_silent() {
        let now = Instant::now();
        let mut lan = Lan::new(PORT, salt(5), now);
        for (number, host) in [(1, 1), (9, 9), (5, 5)] {
            lan.heard(&says(number, Said::Here), from(host), now, 0);
        }
        assert_eq!(salts(&lan), [salt(1), salt(9)], "not itself");
        assert_eq!(lan.found()[0].addresses, ["10.0.0.1:7440".parse().unwrap()]);
        let dialled: Vec<(Salt, bool)> =
            lan.to_dial().into_iter().map(|(it, waits)| (it.salt, waits)).collect();
        assert_eq!(dialled, [(salt(9), false), (salt(1), true)], "those that follow first");

        lan.heard(&says(9, Said::Leaves), from(9), now, 0);
        assert_eq!(salts(&lan), [salt(1)]);
        let later = now + Duration::from_secs(40);
        lan.heard(&says(1, Said::Here), from(1), later, 0);
        lan.expire(now + Duration::from_secs(100));
        assert_eq!(salts(&lan), [salt(1)], "it was heard again");
        lan.expire(later + Duration::from_secs(75));
        assert_eq!(salts(&lan), []);
    }

    #[test]
    fn one_replica_has_several_addresses_and_an_address_has_one_replica() {
        let now = Instant::now();
        let mut lan = Lan::new(PORT, salt(5), now);
        lan.heard(&says(1, Said::Here), from(1), now, 0);
        lan.heard(&says(1, Said::Here), "[fe80::1%3]:5353".parse().unwrap(), now, 0);
        assert_eq!(lan.found()[0].addresses.len(), 2);
        // It has another salt now.
        lan.heard(&says(2, Said::Here), from(1), now, 0);
        let found = lan.found();
        assert_eq!((found.len(), found[1].addresses[0].ip().to_string()), (2, "10.0.0.1".to_owned()));
        assert_eq!(found[0].addresses.len(), 1);
        lan.network_changed(now, SocketAddr::is_ipv4);
        assert_eq!(salts(&lan), [salt(2)]);
    }

    #[test]
    fn it_asks_three_times_and_then_says_now_and_then_that_it_is_here() {
        let start = Instant::now();
        let mut lan = Lan::new(PORT, salt(5), start);
        let mut said = Vec::new();
        for ms in 0..70_000_u64 {
            let now = start + Duration::from_millis(ms);
            said.extend(lan.speak(now, 0).map(|it| (ms, it.said)));
        }
        let (asks, here) = (Said::Asks, Said::Here);
        assert_eq!(
            said,
            [
                (0, asks),
                (1_000, asks),
                (3_000, asks),
                (18_000, here),
                (33_000, here),
                (48_000, here),
                (63_000, here)
            ]
        );
        let most = {
            lan.speak(start + Duration::from_secs(100), 10_000_000);
            lan.next() - (start + Duration::from_secs(100))
        };
        assert!(most * 3 <= Duration::from_secs(BEACON_TTL_SECONDS.into()), "{most:?}");
    }

    #[test]
    fn who_asks_is_answered_soon_but_not_more_than_once_a_second() {
        let start = Instant::now();
        let mut lan = Lan::new(PORT, salt(5), start);
        let mut answers = 0;
        for ms in 0..20_000_u64 {
            let now = start + Duration::from_millis(ms);
            lan.heard(&says(ms, Said::Asks), from(1), now, ms * 7_919);
            answers += usize::from(lan.speak(now, 0).is_some());
        }
        assert!((18..=22).contains(&answers), "{answers}");
        let mut lan = Lan::new(PORT, salt(5), start);
        while lan.asks > 0 {
            lan.speak(lan.next(), 0);
        }
        let asked = start + Duration::from_secs(10);
        lan.heard(&says(1, Said::Asks), from(1), asked, 300_000);
        assert_eq!(lan.next() - asked, Duration::from_millis(300));
    }

    #[test]
    fn a_flood_of_members_fills_no_more_than_the_table_and_takes_no_time() {
        let now = Instant::now();
        let mut lan = Lan::new(PORT, salt(5), now);
        lan.heard(&says(1, Said::Here), from(1), now, 0);
        let begun = Instant::now();
        for number in 0..100_000_u32 {
            lan.heard(&says(u64::from(number) + 1_000, Said::Here), from(number + 1_000), now, 0);
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
        assert_eq!((lan.found().len(), lan.to_dial().len()), (FOUND_MAX, DIALLED_MAX));
        assert_eq!(salts(&lan)[0], salt(1), "who was there first stays");

        let mut lan = Lan::new(PORT, salt(5), now);
        for port in 1..=60_000 {
            let beacon = Beacon { port, ..says(port.into(), Said::Here) };
            lan.heard(&beacon, from(1), now, 0);
        }
        assert_eq!(lan.found().len(), AT_ONE_ADDRESS_MAX);
        let mut lan = Lan::new(PORT, salt(5), now);
        for host in 0..1_000 {
            lan.heard(&says(1, Said::Here), from(host), now, 0);
        }
        assert_eq!(lan.found()[0].addresses.len(), ADDRESSES_MAX);
    }

    #[test]
    fn two_hundred_tablets_hang_together_and_each_dials_few() {
        let now = Instant::now();
        let number = |place: u64| (place + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let of = |place: u64| {
            let mut lan = Lan::new(PORT, salt(number(place)), now);
            for other in 0..200 {
                lan.heard(&says(number(other), Said::Here), from(u32::try_from(other).unwrap()), now, 0);
            }
            lan
        };
        let mut reached = BTreeSet::from([salt(number(0))]);
        let mut open = vec![0];
        while let Some(place) = open.pop() {
            let dialled = of(place).to_dial();
            assert_eq!(dialled.len(), DIALLED_MAX);
            for (found, _) in dialled {
                if reached.insert(found.salt) {
                    open.extend((0..200).find(|other| salt(number(*other)) == found.salt));
                }
            }
        }
        assert_eq!(reached.len(), 200);
    }

    #[test]
    fn salts_are_renewed() {
        let now = Instant::now();
        let mut lan = Lan::new(PORT, salt(5), now);
        let after = |seconds| now + Duration::from_secs(seconds);
        assert!(!lan.wants_salt(after(3_599), false) && lan.wants_salt(after(3_600), false));
        assert!(!lan.wants_salt(after(599), true) && lan.wants_salt(after(600), true));
        lan.renew(salt(6), after(3_600));
        assert!(!lan.wants_salt(after(3_700), false));
        assert_eq!(lan.speak(after(3_600), 0).unwrap().salt, salt(6));
    }
}
