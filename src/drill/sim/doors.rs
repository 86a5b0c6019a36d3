//! The doors of simulated machines: the production gate and seats of each, and the addresses from which its peers come.
//!
//! The second end of a line accepts, as the first one dials. Who is turned away comes back as the production back-off says.
//! The tablets of one area stand in one shelter and share an address, as behind its router.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::world::{Due, World};
use crate::base::Area;
use crate::drill::scenario::Scenario;
use crate::identity::DeviceRole;
use crate::transport::{Gate, GuardLimits, Options, PeerKey, SeatId, Seats, Step, Turned, source_of};

/// The UDP port of a machine that has an address of its own.
const PORT: u16 = 7_440;
/// The first port that a shelter's router gives to its tablets.
const PORT_FIRST: u16 = 20_000;

/// The door of one machine.
pub(super) struct Door {
    gate: Gate,
    seats: Seats,
    /// The line of each seat.
    lines: BTreeMap<SeatId, usize>,
    /// Where its peers see it come from.
    address: SocketAddr,
    /// Dials that it turned away.
    pub(super) turned_away: u64,
}

/// Why a dial came to nothing.
enum Refused {
    /// Before the handshake, without a word of when to come back.
    Knocking,
    /// Afterwards, with one.
    Told(Turned),
}

impl Door {
    fn new(address: SocketAddr) -> Self {
        let limits = GuardLimits::of(&Options::default());
        let (gate, seats) = (Gate::new(limits.gate), Seats::new(limits.seats));
        Self { gate, seats, lines: BTreeMap::new(), address, turned_away: 0 }
    }

    /// Makes the doors of a scenario's machines.
    pub(super) fn all(scenario: &Scenario) -> Vec<Self> {
        let mut shelters: BTreeMap<&Area, u16> = BTreeMap::new();
        let address = |number: usize| {
            let plan = &scenario.replicas[number];
            let [high, low] = u16::try_from(number).unwrap_or(u16::MAX).to_be_bytes();
            match plan.home().filter(|_| plan.role == DeviceRole::Tablet) {
                None => SocketAddr::from(([10, 0, high, low], PORT)),
                Some(area) => {
                    let next = u16::try_from(shelters.len()).unwrap_or(u16::MAX);
                    let [high, low] = shelters.entry(area).or_insert(next).to_be_bytes();
                    let port = PORT_FIRST.saturating_add(u16::try_from(number).unwrap_or(u16::MAX));
                    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 1, high, low)), port)
                }
            }
        };
        (0..scenario.replicas.len()).map(address).map(Self::new).collect()
    }

    /// Forgets everybody: the machine was down.
    pub(super) fn forget(&mut self) {
        *self = Self { turned_away: self.turned_away, ..Self::new(self.address) };
    }
}

impl World<'_> {
    /// Lets the first end of a line come to the door of the second; whoever is turned away dials again later, and a link
    /// that makes room is closed.
    pub(super) fn come_in(&mut self, line: usize) -> Option<SeatId> {
        let [dialler, acceptor] = self.grid.lines[line].ends;
        let key = self.key_of(dialler)?;
        let known = self.knows(acceptor, dialler);
        let (now, from) = (self.now, self.doors[dialler].address);
        let door = &mut self.doors[acceptor];
        // An address that must be proven is proven at once.
        let step = match door.gate.knock(now, from, false) {
            Step::Prove => door.gate.knock(now, from, true),
            step => step,
        };
        let seated = match step {
            Step::Begin | Step::Prove => door
                .gate
                .show_key(now, &key, known)
                .and_then(|()| door.seats.take(now, key, source_of(from), known))
                .map_err(Refused::Told),
            Step::Refuse(_) | Step::Ignore(_) => Err(Refused::Knocking),
        };
        match seated {
            Ok(seated) => {
                let leaves =
                    seated.leaves.and_then(|(seat, turned)| Some((door.lines.remove(&seat)?, turned)));
                door.lines.insert(seated.seat, line);
                if let Some((other, turned)) = leaves {
                    self.trace.note(now, "made room", other as u64, &[]);
                    self.part(other);
                    self.dial_after_refusal(other, &Refused::Told(turned));
                }
                Some(seated.seat)
            }
            Err(refused) => {
                door.turned_away += 1;
                self.trace.note(now, "turned away", line as u64, &[]);
                self.dial_after_refusal(line, &refused);
                None
            }
        }
    }

    fn dial_after_refusal(&mut self, line: usize, refused: &Refused) {
        let jitter = self.chance.bits();
        let backoff = &mut self.lines[line].backoff;
        let pause = match refused {
            Refused::Knocking => backoff.next(jitter),
            Refused::Told(turned) => backoff.after_busy(Some(turned.come_back), jitter),
        };
        self.dial_in(line, pause);
    }

    /// Dials after a time, unless that is planned already.
    pub(super) fn dial_in(&mut self, line: usize, pause: Duration) {
        if !std::mem::replace(&mut self.lines[line].dialling, true) {
            self.queue.push(self.now + pause, Due::Dial { line });
        }
    }

    /// Frees the seat of a conversation that is over; one in which both held the same speaks for its dialler.
    pub(super) fn leave_seat(&mut self, line: usize, seat: SeatId, met: bool) {
        let [dialler, acceptor] = self.grid.lines[line].ends;
        let (key, known) = (self.key_of(dialler), self.knows(acceptor, dialler));
        let (now, from) = (self.now, self.doors[dialler].address);
        let door = &mut self.doors[acceptor];
        door.seats.leave(seat);
        door.lines.remove(&seat);
        if let Some(key) = key.filter(|_| met) {
            door.gate.behaved(now, &key, known, from);
        }
    }

    /// Tells the door how a conversation is: whether its dialler is known by now, and whether both hold the same.
    pub(super) fn note_seat(&mut self, line: usize) {
        let [dialler, acceptor] = self.grid.lines[line].ends;
        let stranger = self.lines[line].connection.as_ref().is_some_and(|connection| !connection.known);
        let known = stranger && self.knows(acceptor, dialler);
        let Some(connection) = &mut self.lines[line].connection else { return };
        let seats = &mut self.doors[acceptor].seats;
        if known {
            connection.known = true;
            seats.became_known(connection.seat);
        }
        let in_sync = connection.exchanges[1].is_in_sync();
        if std::mem::replace(&mut connection.in_sync, in_sync) != in_sync {
            connection.met |= in_sync;
            seats.in_sync(connection.seat, in_sync);
        }
    }

    fn key_of(&self, node: usize) -> Option<PeerKey> {
        Some(PeerKey::new(self.nodes[node].replica.as_ref()?.me().device.0))
    }

    /// Says whether the roster of one machine names the device of another.
    pub(super) fn knows(&self, node: usize, other: usize) -> bool {
        let device = self.nodes[other].replica.as_ref().map(|replica| replica.me().device);
        let replica = self.nodes[node].replica.as_ref();
        device.zip(replica).is_some_and(|(device, replica)| replica.knows(&device))
    }
}
