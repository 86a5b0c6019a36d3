//! Who may knock, and which key may come in: rates and bars, as pure functions of what happened and when.
//!
//! Times count from any fixed moment. Nothing is remembered of more sources and keys than the limits name.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::bucket::{Bucket, Rate, Table};
use super::raw_key::PeerKey;
use super::refusal::{Refusal, Turned};

/// The bar after the first offence; it doubles with each further one.
pub const BAR_FIRST: Duration = Duration::from_secs(1);
/// The longest bar.
pub const BAR_MAX: Duration = Duration::from_secs(300);
/// After how long without an offence, counted from the end of the bar, all offences are forgotten.
pub const OFFENCES_FORGOTTEN_AFTER: Duration = Duration::from_secs(600);
/// Offences beyond this number make no bar longer: 2^9 × [`BAR_FIRST`] is above [`BAR_MAX`].
const OFFENCES_COUNTED_MAX: u32 = 10;
/// For how long a socket behind which a good session ran is not counted under its address.
const VOUCHED_FOR: Duration = Duration::from_secs(3_600);

/// Rates and the sizes of tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GateLimits {
    /// Knocks from one source address: wide, because all tablets of a shelter may share it.
    pub source: Rate,
    /// Knocks from one UDP socket, which is one process unless somebody forges it: a dialler that keeps to its
    /// [`Backoff`](super::Backoff) needs one in two seconds.
    pub socket: Rate,
    /// Proven links of one key.
    pub key: Rate,
    /// Refusals that are told before the handshake; beyond that the knock is not answered at all.
    pub told: Rate,
    /// Sources, sockets, known keys and strangers' keys that are remembered, of each so many.
    pub remembered_max: usize,
}

impl Default for GateLimits {
    fn default() -> GateLimits {
        GateLimits {
            source: Rate { burst: 512, every: Duration::from_micros(15_625) },
            socket: Rate { burst: 16, every: Duration::from_secs(1) },
            key: Rate { burst: 32, every: Duration::from_secs(1) },
            told: Rate { burst: 64, every: Duration::from_millis(20) },
            remembered_max: 8_192,
        }
    }
}

impl GateLimits {
    /// Returns limits that turn nobody away: for endpoints that accept nobody, or whom their caller knows.
    pub fn unlimited() -> GateLimits {
        let rate = Rate::UNLIMITED;
        GateLimits { source: rate, socket: rate, key: rate, told: rate, remembered_max: 0 }
    }
}

/// What to do with a knock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Begin the handshake.
    Begin,
    /// Let it prove its address first (QUIC Retry), which costs one datagram and no memory.
    Prove,
    /// Refuse it with a datagram.
    Refuse(Refusal),
    /// Do not answer.
    Ignore(Refusal),
}

/// Keeps rates and bars.
#[derive(Debug)]
pub struct Gate {
    limits: GateLimits,
    sources: Table<IpAddr, Knocks>,
    sockets: Table<SocketAddr, Knocks>,
    known: Table<PeerKey, Conduct>,
    strangers: Table<PeerKey, Conduct>,
    told: Bucket,
}

/// Knocks from one place. Without a proof the address may be forged: so what is not proven never uses up what is
/// there for those who have proven theirs.
#[derive(Debug, Clone, Default)]
struct Knocks {
    unproven: Bucket,
    proven: Bucket,
    vouched_until: Duration,
}

#[derive(Debug, Clone, Default)]
struct Conduct {
    came: Bucket,
    offences: u32,
    barred_until: Duration,
}

impl Gate {
    /// Makes a gate that has seen nobody.
    pub fn new(limits: GateLimits) -> Gate {
        let places = limits.remembered_max;
        Gate {
            limits,
            sources: Table::new(places),
            sockets: Table::new(places),
            known: Table::new(places),
            strangers: Table::new(places),
            told: Bucket::default(),
        }
    }

    /// Says what to do with a dial from an address, before a handshake costs anything; `proven` if it has answered
    /// a Retry.
    pub fn knock(&mut self, now: Duration, from: SocketAddr, proven: bool) -> Step {
        let may_forget = |knocks: &Knocks| knocks.is_idle(now);
        let of_socket = self.sockets.of(now, canonical(from), may_forget);
        let vouched = of_socket.vouched_until > now;
        let Err(_) = of_socket.take(now, self.limits.socket, proven) else {
            // A socket behind which a good session ran is not held up by others at its address.
            let of_source = self.sources.of(now, source_of(from), may_forget);
            return match of_source.take(now, self.limits.source, proven) {
                Ok(()) => Step::Begin,
                Err(_) if vouched => Step::Begin,
                Err(_) => self.turn(now, Refusal::SourceRate, proven),
            };
        };
        self.turn(now, Refusal::SocketRate, proven)
    }

    /// Says whether a key that was just proven may come in; `known` if the roster names it.
    ///
    /// # Errors
    /// Why not, and when it may.
    pub fn show_key(&mut self, now: Duration, key: &PeerKey, known: bool) -> Result<(), Turned> {
        let rate = self.limits.key;
        let conduct = self.conduct(now, key, known);
        if conduct.barred_until > now {
            return Err(Turned::new(Refusal::Barred, conduct.barred_until - now));
        }
        conduct.came.take(now, rate).map_err(|wait| Turned::new(Refusal::KeyRate, wait))
    }

    /// Notes that a session with a key was ended for a fault of its own, and returns for how long it is barred.
    pub fn offended(&mut self, now: Duration, key: &PeerKey, known: bool) -> Duration {
        let Some(conduct) = self.remembered(now, key, known) else { return Duration::ZERO };
        conduct.offences = (conduct.offences + 1).min(OFFENCES_COUNTED_MAX);
        let bar = BAR_FIRST.saturating_mul(1 << (conduct.offences - 1)).min(BAR_MAX);
        conduct.barred_until = now.saturating_add(bar);
        bar
    }

    /// Notes a session in which both sides came to hold the same: it takes back one offence of the key, and its
    /// socket is no longer counted under its address.
    pub fn behaved(&mut self, now: Duration, key: &PeerKey, known: bool, from: SocketAddr) {
        if let Some(conduct) = self.remembered(now, key, known) {
            conduct.offences = conduct.offences.saturating_sub(1);
        }
        if let Some(knocks) = self.sockets.known(&canonical(from)) {
            knocks.vouched_until = now.saturating_add(VOUCHED_FOR);
        }
    }

    fn turn(&mut self, now: Duration, why: Refusal, proven: bool) -> Step {
        if !proven {
            return Step::Prove;
        }
        match self.told.take(now, self.limits.told) {
            Ok(()) => Step::Refuse(why),
            Err(_) => Step::Ignore(why),
        }
    }

    fn conduct(&mut self, now: Duration, key: &PeerKey, known: bool) -> &mut Conduct {
        let table = if known { &mut self.known } else { &mut self.strangers };
        let conduct = table.of(now, *key, |conduct| conduct.is_idle(now));
        conduct.forgive(now);
        conduct
    }

    /// The conduct of a key that has a place of its own: the crowd is blamed for nothing.
    fn remembered(&mut self, now: Duration, key: &PeerKey, known: bool) -> Option<&mut Conduct> {
        self.conduct(now, key, known);
        if known { self.known.known(key) } else { self.strangers.known(key) }
    }
}

impl Knocks {
    fn take(&mut self, now: Duration, rate: Rate, proven: bool) -> Result<(), Duration> {
        if proven { self.proven.take(now, rate) } else { self.unproven.take(now, rate) }
    }

    fn is_idle(&self, now: Duration) -> bool {
        self.unproven.is_full(now) && self.proven.is_full(now) && self.vouched_until <= now
    }
}

impl Conduct {
    fn forgive(&mut self, now: Duration) {
        if now >= self.barred_until.saturating_add(OFFENCES_FORGOTTEN_AFTER) {
            self.offences = 0;
        }
    }

    fn is_idle(&self, now: Duration) -> bool {
        let forgiven = now >= self.barred_until.saturating_add(OFFENCES_FORGOTTEN_AFTER);
        self.came.is_full(now) && (self.offences == 0 || forgiven)
    }
}

/// Returns what counts as one source: an IPv4 address, or an IPv6 network of 64 bits, of which one machine can
/// use all addresses.
pub fn source_of(from: SocketAddr) -> IpAddr {
    match from.ip().to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let network = address.to_bits() >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from_bits(network))
        }
    }
}

fn canonical(from: SocketAddr) -> SocketAddr {
    SocketAddr::new(from.ip().to_canonical(), from.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLET: PeerKey = PeerKey::new([1; 32]);

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from(([203, 0, 113, 7], port))
    }

    /// Knocks at times in milliseconds; returns how many began.
    fn knock(gate: &mut Gate, from: SocketAddr, proven: bool, at_ms: impl Iterator<Item = u64>) -> usize {
        at_ms.filter(|ms| gate.knock(Duration::from_millis(*ms), from, proven) == Step::Begin).count()
    }

    #[test]
    fn a_socket_that_reconnects_a_thousand_times_a_second_begins_a_few_handshakes() {
        let mut gate = Gate::new(GateLimits::default());
        let begun = knock(&mut gate, at(4), true, 0..10_000);
        assert_eq!(begun, 16 + 9, "a burst, and one a second");
        // Refusals are told at first, and then nothing is said any more.
        let steps: Vec<Step> = (0..200).map(|_| gate.knock(s(11), at(4), true)).skip(1).collect();
        assert!(steps.contains(&Step::Refuse(Refusal::SocketRate)));
        assert_eq!(steps.last(), Some(&Step::Ignore(Refusal::SocketRate)));
    }

    #[test]
    fn a_shelter_of_two_hundred_tablets_behind_one_address_comes_in_at_once() {
        let mut gate = Gate::new(GateLimits::default());
        let begun: usize = (0..200).map(|port| knock(&mut gate, at(port), false, [0, 1].into_iter())).sum();
        assert_eq!(begun, 400);
    }

    #[test]
    fn forged_addresses_make_the_forged_prove_themselves_and_no_more() {
        let mut gate = Gate::new(GateLimits::default());
        for port in 0..2_000 {
            gate.knock(s(0), at(port), false);
        }
        assert_eq!(gate.knock(s(0), at(7_000), false), Step::Prove);
        assert_eq!(gate.knock(s(0), at(7_000), true), Step::Begin);
    }

    #[test]
    fn who_was_served_before_is_not_held_up_by_others_at_its_address() {
        let mut gate = Gate::new(GateLimits::default());
        assert_eq!(gate.knock(s(0), at(1), true), Step::Begin);
        gate.behaved(s(0), &TABLET, true, at(1));
        for port in 2..3_000 {
            gate.knock(s(1), at(port), true);
        }
        assert!(matches!(gate.knock(s(1), at(4_000), true), Step::Refuse(_) | Step::Ignore(_)));
        assert_eq!(gate.knock(s(1), at(1), true), Step::Begin);
    }

    #[test]
    fn bars_grow_and_are_forgotten() {
        let mut gate = Gate::new(GateLimits::default());
        let (mut now, mut bars) = (s(0), Vec::new());
        for _ in 0..12 {
            gate.show_key(now, &TABLET, false).unwrap();
            let bar = gate.offended(now, &TABLET, false);
            assert_eq!(gate.show_key(now, &TABLET, false).unwrap_err().why, Refusal::Barred);
            bars.push(bar.as_secs());
            now += bar;
        }
        assert_eq!(bars, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
        // Other keys are not concerned.
        gate.show_key(now, &PeerKey::new([2; 32]), false).unwrap();
        now += OFFENCES_FORGOTTEN_AFTER;
        gate.show_key(now, &TABLET, false).unwrap();
        assert_eq!(gate.offended(now, &TABLET, false), BAR_FIRST);
        gate.behaved(now + s(60), &TABLET, false, at(1));
        assert_eq!(gate.offended(now + s(60), &TABLET, false), BAR_FIRST, "a good session takes one back");
    }

    #[test]
    fn an_honest_device_on_a_flapping_link_is_never_turned_away() {
        let mut gate = Gate::new(GateLimits::default());
        let mut backoff = super::super::Backoff::new();
        let mut now = s(0);
        for dial in 0..2_000_u64 {
            assert_eq!(gate.knock(now, at(1), true), Step::Begin, "dial {dial} at {now:?}");
            gate.show_key(now, &TABLET, true).unwrap();
            // Each session lasts for four seconds, too short to begin again at once.
            now += s(4) + backoff.next(dial.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        }
    }

    #[test]
    fn a_flood_of_keys_and_addresses_takes_a_bounded_place_and_pushes_nobody_out() {
        let mut gate = Gate::new(GateLimits { remembered_max: 64, ..GateLimits::default() });
        gate.show_key(s(0), &TABLET, true).unwrap();
        let bar = gate.offended(s(0), &TABLET, true);
        for number in 0..10_000_u32 {
            let mut key = [9; 32];
            key[..4].copy_from_slice(&number.to_le_bytes());
            let _ = gate.show_key(s(0), &PeerKey::new(key), false);
            gate.offended(s(0), &PeerKey::new(key), false);
            gate.knock(s(0), SocketAddr::from((Ipv6Addr::from_bits(u128::from(number) << 64), 1)), false);
        }
        assert!(gate.strangers.len() == 64 && gate.sources.len() <= 64 && gate.sockets.len() <= 64);
        assert_eq!(gate.show_key(s(0), &TABLET, true), Err(Turned::new(Refusal::Barred, bar)));
        gate.show_key(s(0), &PeerKey::new([3; 32]), true).expect("the known have a table of their own");
    }

    #[test]
    fn one_ipv6_network_is_one_source() {
        let of = |text: &str| source_of(text.parse().unwrap());
        assert_eq!(of("[2001:db8::1]:1"), of("[2001:db8::ffff:1]:9"));
        assert_ne!(of("[2001:db8::1]:1"), of("[2001:db8:0:1::1]:1"));
        assert_eq!(of("[::ffff:203.0.113.7]:1"), of("203.0.113.7:2"));
    }
}
