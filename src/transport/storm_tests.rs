//! The whole region returns at once: 2,269 diallers, three survivors, virtual time, the real gate, seats and back-off.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::SocketAddr;
use std::time::Duration;

use super::gate::{Gate, GateLimits, Step, source_of};
use super::guard::GuardLimits;
use super::refusal::Turned;
use super::seats::{SeatId, Seats};
use super::*;

/// 269 sites and 2,000 tablets.
const SITES: usize = 269;
const DIALLERS: usize = 2_269;
const SURVIVORS: usize = 3;
/// Shelters of 200 tablets each behind one address; sites have addresses of their own.
const TABLETS_PER_SHELTER: usize = 200;
/// How long a handshake takes over a mobile line.
const HANDSHAKE: Duration = Duration::from_millis(400);
/// How long a first sync takes while the survivor's line is shared, and a later one.
const FIRST_SYNC: Duration = Duration::from_secs(20);
const LATER_SYNC: Duration = Duration::from_secs(2);
/// Virtual time of a run.
const RUN: Duration = Duration::from_secs(900);
/// The survivors can be reached again after this time, of which nobody is told.
const CUT: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Dial,
    Proven,
    Synced(SeatId),
}

/// One dialler's neighbour: a dial loop of its own, as `serve` has for each peer.
#[derive(Default)]
struct Loop {
    backoff: Backoff,
    seat: Option<SeatId>,
    served_at: Option<Duration>,
}

struct Survivor {
    gate: Gate,
    seats: Seats,
    handshakes: usize,
    who: BTreeMap<SeatId, usize>,
}

/// When, in which order of scheduling, which dialler, which survivor, and what.
type Due = (Duration, u64, usize, usize, Event);

#[derive(Default)]
struct Figures {
    dials: BTreeMap<u64, u64>,
    handshakes: BTreeMap<u64, u64>,
    dials_in_cut: u64,
    refusals: BTreeMap<&'static str, u64>,
    seats_taken_max: usize,
    turn_overs: u64,
}

struct Storm {
    queue: BinaryHeap<Reverse<Due>>,
    tickets: u64,
    chance: u64,
    loops: Vec<[Loop; SURVIVORS]>,
    survivors: Vec<Survivor>,
    figures: Figures,
    options: Options,
}

impl Storm {
    fn begin() -> Storm {
        let options = Options::default();
        let limits = GuardLimits::of(&options);
        let survivor = || Survivor {
            gate: Gate::new(GateLimits::default()),
            seats: Seats::new(limits.seats),
            handshakes: 0,
            who: BTreeMap::new(),
        };
        let mut storm = Storm {
            queue: BinaryHeap::new(),
            tickets: 0,
            chance: 1,
            loops: (0..DIALLERS).map(|_| Default::default()).collect(),
            survivors: (0..SURVIVORS).map(|_| survivor()).collect(),
            figures: Figures::default(),
            options,
        };
        // The power returns everywhere at once.
        for dialler in 0..DIALLERS {
            for survivor in 0..SURVIVORS {
                let first = Backoff::first(storm.jitter());
                storm.at(first, dialler, survivor, Event::Dial);
            }
        }
        storm
    }

    fn jitter(&mut self) -> u64 {
        // SplitMix64.
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.chance;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn at(&mut self, time: Duration, dialler: usize, survivor: usize, event: Event) {
        self.tickets += 1;
        self.queue.push(Reverse((time, self.tickets, dialler, survivor, event)));
    }

    fn key(dialler: usize) -> PeerKey {
        let mut key = [7; 32];
        key[..8].copy_from_slice(&(dialler as u64).to_le_bytes());
        PeerKey::new(key)
    }

    fn address(dialler: usize) -> SocketAddr {
        match dialler.checked_sub(SITES) {
            None => SocketAddr::from(([10, 0, (dialler / 256) as u8, (dialler % 256) as u8], 7_440)),
            Some(tablet) => {
                let shelter = (tablet / TABLETS_PER_SHELTER) as u8;
                SocketAddr::from(([10, 1, 0, shelter], 20_000 + (tablet % TABLETS_PER_SHELTER) as u16))
            }
        }
    }

    fn run(&mut self) {
        while let Some(Reverse((now, _, dialler, survivor, event))) = self.queue.pop() {
            if now > RUN {
                break;
            }
            match event {
                Event::Dial => self.dial(now, dialler, survivor),
                Event::Proven => self.proven(now, dialler, survivor),
                Event::Synced(seat) => self.synced(now, dialler, survivor, seat),
            }
        }
    }

    fn dial(&mut self, now: Duration, dialler: usize, survivor: usize) {
        if now < CUT {
            // Nobody answers until the dial is given up.
            self.figures.dials_in_cut += 1;
            let pause = self.again(dialler, survivor);
            return self.at(now + self.options.connect_max + pause, dialler, survivor, Event::Dial);
        }
        *self.figures.dials.entry(now.as_secs()).or_default() += 1;
        let door = &mut self.survivors[survivor];
        let full = door.handshakes >= self.options.handshakes_max;
        match door.gate.knock(now, Self::address(dialler), true) {
            Step::Begin if !full => {
                door.handshakes += 1;
                *self.figures.handshakes.entry(now.as_secs()).or_default() += 1;
                self.at(now + HANDSHAKE, dialler, survivor, Event::Proven);
            }
            _ => {
                *self.figures.refusals.entry("before the handshake").or_default() += 1;
                self.refused(now, dialler, survivor, None);
            }
        }
    }

    fn proven(&mut self, now: Duration, dialler: usize, survivor: usize) {
        let door = &mut self.survivors[survivor];
        door.handshakes -= 1;
        let (key, source) = (Self::key(dialler), source_of(Self::address(dialler)));
        let shown = door.gate.show_key(now, &key, true);
        let given = shown.and_then(|()| door.seats.take(now, key, source, true));
        self.figures.seats_taken_max = self.figures.seats_taken_max.max(door.seats.taken());
        match given {
            Err(Turned { why, come_back }) => {
                *self.figures.refusals.entry(why.name()).or_default() += 1;
                self.refused(now, dialler, survivor, Some(come_back));
            }
            Ok(seated) => {
                door.who.insert(seated.seat, dialler);
                if let Some((left, turned)) = seated.leaves {
                    self.figures.turn_overs += 1;
                    let goes = self.survivors[survivor].who.remove(&left).expect("it sat there");
                    self.loops[goes][survivor].seat = None;
                    self.refused(now, goes, survivor, Some(turned.come_back));
                }
                let lasts = match self.loops[dialler].iter().any(|it| it.served_at.is_some()) {
                    true => LATER_SYNC,
                    false => FIRST_SYNC,
                };
                self.loops[dialler][survivor].seat = Some(seated.seat);
                self.at(now + lasts, dialler, survivor, Event::Synced(seated.seat));
            }
        }
    }

    fn synced(&mut self, now: Duration, dialler: usize, survivor: usize, seat: SeatId) {
        let it = &mut self.loops[dialler][survivor];
        if it.seat == Some(seat) {
            it.served_at.get_or_insert(now);
            it.backoff.reset();
            self.survivors[survivor].seats.in_sync(seat, true);
        }
    }

    fn refused(&mut self, now: Duration, dialler: usize, survivor: usize, come_back: Option<Duration>) {
        let jitter = self.jitter();
        let pause = self.loops[dialler][survivor].backoff.after_busy(come_back, jitter);
        self.at(now + pause, dialler, survivor, Event::Dial);
    }

    fn again(&mut self, dialler: usize, survivor: usize) -> Duration {
        let jitter = self.jitter();
        self.loops[dialler][survivor].backoff.next(jitter)
    }
}

#[test]
fn three_survivors_serve_a_whole_region_that_returns_at_once() {
    let mut storm = Storm::begin();
    storm.run();
    let since = |at: Duration| at.saturating_sub(CUT).as_secs_f64();
    let mut first: Vec<f64> = Vec::new();
    let mut all: Vec<f64> = Vec::new();
    for (dialler, loops) in storm.loops.iter().enumerate() {
        let served: Vec<Duration> = loops.iter().filter_map(|it| it.served_at).collect();
        assert_eq!(served.len(), SURVIVORS, "dialler {dialler} starves: {served:?}");
        first.push(since(*served.iter().min().expect("three")));
        all.push(since(*served.iter().max().expect("three")));
    }
    first.sort_by(f64::total_cmp);
    all.sort_by(f64::total_cmp);
    let median = |of: &[f64]| of[of.len() / 2];
    let figures = &storm.figures;
    let per_survivor = |of: &BTreeMap<u64, u64>| *of.values().max().expect("some") / SURVIVORS as u64;
    let after = |of: &BTreeMap<u64, u64>, from: u64| {
        let later: Vec<u64> = of.range(from..).map(|(_, dials)| *dials).collect();
        (later.iter().max().copied().unwrap_or(0), later.iter().sum::<u64>() / later.len().max(1) as u64)
    };
    let (late_peak, late_mean) = after(&figures.dials, CUT.as_secs() + 30);
    println!(
        "{DIALLERS} diallers, {SURVIVORS} survivors with {} links each for them:\n\
         in sync with a first survivor: median {:.0} s, last {:.0} s after the return\n\
         in sync with all three: median {:.0} s, last {:.0} s\n\
         dials a second at one survivor: at most {} ({} handshakes); after 30 s at most {}, mean {}\n\
         links made room {} times; refused {:?}",
        figures.seats_taken_max,
        median(&first),
        first.last().expect("many"),
        median(&all),
        all.last().expect("many"),
        per_survivor(&figures.dials),
        per_survivor(&figures.handshakes),
        late_peak / SURVIVORS as u64,
        late_mean / SURVIVORS as u64,
        figures.turn_overs,
        figures.refusals,
    );
    assert!(figures.seats_taken_max <= 416);
    assert!(*first.last().expect("many") < 150.0, "a first survivor within two and a half minutes");
    assert!(*all.last().expect("many") < 240.0, "all three within four minutes");
    assert!(per_survivor(&figures.dials) <= 1_300, "dials a second at one survivor");
    assert!(late_peak / SURVIVORS as u64 <= 80, "and when the first rush is over");
    assert!(figures.dials_in_cut as usize <= DIALLERS * SURVIVORS * 8);
}
