//! The session: how it opens, which message may come when, what time does to it, and how it ends.
//!
//! What happens in between is told in `reconcile` (who has what, by `listing` and `ranging`), `send` and `receive`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::mem;

use super::closing::printable;
use super::digests::{Group, all_digest, subscription_digest};
use super::event::{Closed, Input, Output, SessionConfig};
use super::holdings::{Holdings, Told};
use super::lanes::Lanes;
use super::limiting::Limits;
use super::limits::{HELLO_TIMEOUT_MS, SKIPPED_MAX, SLOWEST_BYTES_PER_S, STALL_TIMEOUT_MS};
use super::listing::Listing;
use super::message::{CloseCode, Hello, Message, VERSION_MAX, VERSION_MIN};
use super::pulling::Pulls;
use super::ranging::{Ranging, Unanswered};
use super::segment::{Folder, SegmentError, Unfolder};
use super::window::Window;
use crate::base::{Area, Digest, LaneId, WallMs};
use crate::identity::Certificate;
use crate::lane::{Head, LaneName};

/// One session with one peer over one connection.
///
/// Laws: an acknowledgement is sent only after the driver's `Stored`; nothing is sent that the peer has listed or
/// acknowledged, unless it asks again; a message of the peer leads to outputs or to `Close`, never to a panic.
pub struct Session {
    pub(super) config: SessionConfig,
    pub(super) phase: Phase,
    pub(super) lanes: Lanes,
    pub(super) now: WallMs,
    pub(super) out: Vec<Output>,
    pub(super) peer: Peer,
    pub(super) listing: Listing,
    /// Groups of many lanes that are being compared.
    pub(super) ranging: BTreeMap<Group, Ranging>,
    /// Lists that the peer owes answers to, by group in the order of sending.
    pub(super) unanswered: BTreeMap<Group, VecDeque<Unanswered>>,
    /// Groups that the peer subscribes to and this replica does not.
    pub(super) offers_to: BTreeSet<Group>,
    pub(super) folder: Folder,
    pub(super) unfolder: Unfolder,
    pub(super) window: Window,
    pub(super) limits: Limits,
    /// Single people that either side asks for.
    pub(super) pulls: Pulls,
    /// Reads of the store under way: the rank of each, so that nothing less urgent overtakes.
    pub(super) reads: BTreeMap<LaneId, u8>,
    /// Certificates sent in this session, by hash.
    pub(super) certificates_sent: BTreeSet<Digest>,
    pub(super) certificates_received: usize,
    /// Acknowledgements not yet sent.
    pub(super) acks: BTreeMap<LaneId, u64>,
    pub(super) acks_bytes: usize,
    /// Admissions that the driver has not answered, and their plain bytes.
    pub(super) admitting: usize,
    pub(super) admitting_bytes: usize,
    heard_at: WallMs,
    expecting: bool,
    in_sync: bool,
    /// Messages of unknown kinds.
    skipped: u32,
    /// Bytes of lists of heads, both ways.
    pub(super) heads_bytes: u64,
}

/// How far the session is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Not started.
    Idle,
    /// The peer's `Hello` has not come.
    Opening {
        /// What our own `Hello` said, once it was sent.
        sent: Option<Hello>,
    },
    /// The `Hello`s differ: digests are exchanged.
    Comparing {
        /// The digests that we have sent.
        ours: Option<BTreeMap<Group, Told>>,
        /// The digests that the peer has sent.
        theirs: Option<BTreeMap<Group, Told>>,
    },
    /// Heads, runs and acknowledgements flow.
    Open,
    /// Over.
    Closed,
}

/// What is known of the peer.
#[derive(Debug, Default)]
pub(super) struct Peer {
    /// The areas that it may hold, when the driver has said so.
    pub allowed: Option<BTreeSet<Area>>,
    /// Its certificate and clock.
    pub named: Option<(Digest, WallMs)>,
    /// Whether it was asked for its chain.
    pub asked: bool,
}

/// Why the session must end: a code and a text for both logs.
pub(super) struct Fault(pub CloseCode, pub String);

impl Fault {
    /// The peer broke the protocol.
    pub(super) fn protocol(text: &str) -> Self {
        Self(CloseCode::Protocol, text.to_owned())
    }
}

impl From<SegmentError> for Fault {
    fn from(error: SegmentError) -> Self {
        let code = match error {
            SegmentError::Compress => CloseCode::Internal,
            SegmentError::TooLarge => CloseCode::Limit,
            SegmentError::Stream | SegmentError::Cut => CloseCode::Protocol,
        };
        Self(code, error.to_string())
    }
}

impl Session {
    /// Prepares a session over this replica's lanes as they are now; later changes are told by
    /// [`Input::HeadChanged`].
    pub fn new(config: SessionConfig, held: Holdings) -> Self {
        Self {
            folder: Folder::new(config.streams.clone()),
            unfolder: Unfolder::new(config.streams.clone()),
            config,
            phase: Phase::Idle,
            lanes: Lanes::new(held),
            now: WallMs(0),
            out: Vec::new(),
            peer: Peer::default(),
            listing: Listing::default(),
            ranging: BTreeMap::new(),
            unanswered: BTreeMap::new(),
            offers_to: BTreeSet::new(),
            window: Window::default(),
            limits: Limits::default(),
            pulls: Pulls::default(),
            reads: BTreeMap::new(),
            certificates_sent: BTreeSet::new(),
            certificates_received: 0,
            acks: BTreeMap::new(),
            acks_bytes: 0,
            admitting: 0,
            admitting_bytes: 0,
            heard_at: WallMs(0),
            expecting: false,
            in_sync: false,
            skipped: 0,
            heads_bytes: 0,
        }
    }

    /// Takes one input and says what is to be done, in order. A closed session does nothing.
    pub fn handle(&mut self, now: WallMs, input: Input) -> Vec<Output> {
        if self.phase == Phase::Closed {
            return Vec::new();
        }
        self.now = now;
        let ticked = matches!(input, Input::Tick);
        if let Err(Fault(code, text)) = self.take(input).and_then(|()| self.settle(ticked)) {
            self.close(code, &text);
        }
        mem::take(&mut self.out)
    }

    /// Says whether it holds an encoder, and a decoder.
    pub fn contexts(&self) -> [bool; 2] {
        [self.folder.is_running(), self.unfolder.is_running()]
    }

    /// Says whether both sides hold the same, as far as both may, and nothing is under way.
    pub fn is_in_sync(&self) -> bool {
        self.in_sync
    }

    /// Says whether the session is over.
    pub fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    fn take(&mut self, input: Input) -> Result<(), Fault> {
        match input {
            Input::Start => self.start(),
            Input::Received(bytes) => {
                self.heard_at = self.now;
                let message = Message::from_bytes(&bytes)
                    .map_err(|error| Fault(CloseCode::Protocol, error.to_string()))?;
                let heads = matches!(message, Some(Message::Heads(_)));
                self.heads_bytes += if heads { bytes.len() as u64 } else { 0 };
                match message {
                    Some(message) => self.receive(message),
                    None => self.skip(),
                }
            }
            Input::Heard => {
                self.heard_at = self.now;
                Ok(())
            }
            Input::PeerAllowed(areas) => self.peer_allowed(areas),
            Input::Runs { lane, from, runs, certificates } => self.send_runs(lane, from, runs, certificates),
            Input::ForkState { name, head, pieces, certificates } => {
                self.send_fork(name, &head, &pieces, certificates)
            }
            Input::Stored { lane, head } => self.stored(lane, head),
            Input::Refused { lane, refusal } => self.refused(lane, refusal),
            Input::Waiting { lane, wait } => self.waiting(lane, wait),
            Input::HeadChanged { name, head } => {
                self.head_changed(&name, head);
                Ok(())
            }
            Input::Limit(reach) => {
                self.limit(reach);
                Ok(())
            }
            Input::Ask { number, whom, reach } => self.ask(number, whom, reach),
            Input::Enough(number) => {
                self.enough(number);
                Ok(())
            }
            Input::Answer { number, parts, ended } => {
                self.answer(number, parts, ended);
                Ok(())
            }
            Input::Tick => self.tick(),
            Input::Close(code) => Err(Fault(code, "ended by its operator".to_owned())),
        }
    }

    /// Passes over a message of a later version, but not for ever.
    fn skip(&mut self) -> Result<(), Fault> {
        self.skipped += 1;
        if self.skipped > SKIPPED_MAX {
            return Err(Fault(CloseCode::Limit, "too many messages of unknown kinds".to_owned()));
        }
        Ok(())
    }

    /// The order of messages, in one place.
    fn receive(&mut self, message: Message) -> Result<(), Fault> {
        match (&self.phase, message) {
            (_, Message::Close(code, text)) => {
                self.end(Closed { code, by_peer: true, text: printable(&text) });
                Ok(())
            }
            (Phase::Opening { .. }, Message::Hello(hello)) => self.hello(hello),
            (Phase::Comparing { .. } | Phase::Open, Message::WantCertificate) => self.want_certificate(),
            (Phase::Comparing { .. } | Phase::Open, Message::Certificates(signed)) => {
                self.certificates(signed.into_iter().map(Into::into).collect())
            }
            (Phase::Comparing { theirs: None, .. }, Message::Digests(groups)) => self.digests(groups),
            (Phase::Open, Message::Heads(heads)) => self.heads(heads),
            (Phase::Open, Message::Ranges(ranges)) => self.ranges(ranges),
            (Phase::Open, Message::Runs(segment)) => self.runs(&segment),
            (Phase::Open, Message::Fork(fork)) => self.fork(fork),
            (Phase::Open, Message::Ack(lanes)) => self.acknowledged(&lanes),
            (Phase::Open, Message::Restart(lane, from)) => self.restart(lane, from),
            (Phase::Open, Message::Stop(lane)) => self.stop(lane),
            (Phase::Comparing { .. } | Phase::Open, Message::Only(code)) => self.limited_by_peer(code),
            (Phase::Comparing { .. } | Phase::Open, Message::Ask(number, asking)) => {
                self.asking(number, asking)
            }
            (Phase::Comparing { .. } | Phase::Open, Message::Told(number, telling)) => {
                self.telling(number, telling)
            }
            (
                _,
                Message::Hello(_)
                | Message::WantCertificate
                | Message::Certificates(_)
                | Message::Digests(_)
                | Message::Heads(_)
                | Message::Ranges(_)
                | Message::Runs(_)
                | Message::Fork(_)
                | Message::Ack(_)
                | Message::Restart(_, _)
                | Message::Stop(_)
                | Message::Only(_)
                | Message::Ask(..)
                | Message::Told(..),
            ) => Err(Fault::protocol("a message out of place")),
        }
    }

    fn start(&mut self) -> Result<(), Fault> {
        if self.phase != Phase::Idle {
            return Err(Fault(CloseCode::Internal, "started twice".to_owned()));
        }
        self.heard_at = self.now;
        self.phase = Phase::Opening { sent: None };
        if self.config.initiator {
            self.say_hello();
        }
        self.introduce()
    }

    /// The responder says hello only after it has heard the peer's, so that a stranger learns nothing.
    fn say_hello(&mut self) {
        let told = self.lanes.tell(&self.config.subscription);
        let hello = Hello {
            version_min: VERSION_MIN,
            version_max: VERSION_MAX,
            realm: self.config.realm,
            certificate: self.config.chain.last().map_or(Digest([0; 32]), |own| Certificate::hash(own)),
            clock: self.now,
            subscription: subscription_digest(&self.config.subscription),
            all: all_digest(&told),
        };
        self.send(&Message::Hello(hello.clone()));
        self.phase = Phase::Opening { sent: Some(hello) };
    }

    fn hello(&mut self, theirs: Hello) -> Result<(), Fault> {
        if theirs.version_min > VERSION_MAX || theirs.version_max < VERSION_MIN {
            let text = format!(
                "versions {VERSION_MIN} to {VERSION_MAX} here, {} to {} there: update the older program",
                theirs.version_min, theirs.version_max
            );
            return Err(Fault(CloseCode::Version, text));
        }
        if theirs.realm != self.config.realm {
            let text = format!("realm {} here, {} there", self.config.realm.short(), theirs.realm.short());
            return Err(Fault(CloseCode::Realm, text));
        }
        if !self.config.initiator {
            self.say_hello();
        }
        let Phase::Opening { sent: Some(ours) } = &self.phase else {
            return Err(Fault(CloseCode::Internal, "no hello was sent".to_owned()));
        };
        let equal = ours.subscription == theirs.subscription && ours.all == theirs.all;
        self.peer.named = Some((theirs.certificate, theirs.clock));
        self.out.push(Output::Peer { certificate: theirs.certificate, clock: theirs.clock });
        if equal {
            self.phase = Phase::Open;
            for group in self.config.subscription.clone() {
                self.report_equal(&group);
            }
        } else {
            self.phase = Phase::Comparing { ours: None, theirs: None };
        }
        Ok(())
    }

    fn peer_allowed(&mut self, areas: Option<BTreeSet<Area>>) -> Result<(), Fault> {
        match areas {
            Some(areas) => {
                self.peer.allowed = Some(areas);
                self.vet();
                if self.phase == Phase::Open {
                    let open = self.config.subscription.iter().filter(|group| self.may_hold(group)).cloned();
                    for group in open.collect::<Vec<_>>() {
                        self.lanes.open(group);
                    }
                }
                self.compare();
                Ok(())
            }
            None if self.awaits_chain() => Ok(()),
            None if self.peer.asked => {
                Err(Fault(CloseCode::Certificate, "the device certificate does not verify".to_owned()))
            }
            None => {
                self.peer.asked = true;
                self.send(&Message::WantCertificate);
                Ok(())
            }
        }
    }

    /// Says whether the peer may hold a group.
    pub(super) fn may_hold(&self, group: &Group) -> bool {
        self.peer
            .allowed
            .as_ref()
            .is_some_and(|areas| group.area == Area::common() || areas.contains(&group.area))
    }

    fn head_changed(&mut self, name: &LaneName, head: Head) {
        let (id, group) = (name.id(), Group::of(name));
        self.lanes.own(id, &group);
        // Only a peer that lied about a lane that we did not know can make these differ.
        self.lanes.change(&id, |lane| lane.given_up |= lane.group != group);
        self.lanes.set_ours(&id, head);
        if name.device == self.config.device && self.offers_to.contains(&group) {
            self.lanes.open_lane(&id);
        }
    }

    fn tick(&mut self) -> Result<(), Fault> {
        self.late_answers();
        let waited_ms = self.now.0.saturating_sub(self.heard_at.0);
        match &self.phase {
            Phase::Opening { .. } if waited_ms > HELLO_TIMEOUT_MS => {
                Err(Fault(CloseCode::Timeout, format!("no hello for {waited_ms} ms")))
            }
            Phase::Comparing { .. } | Phase::Open if self.is_expecting() => {
                let oldest =
                    self.lanes.flying().filter_map(|lane| lane.flights.front()).map(|f| f.packed).max();
                let sending_ms = oldest.unwrap_or(0) as u64 * 1_000 / SLOWEST_BYTES_PER_S;
                if waited_ms > STALL_TIMEOUT_MS + sending_ms {
                    return Err(Fault(CloseCode::Timeout, format!("nothing heard for {waited_ms} ms")));
                }
                Ok(())
            }
            Phase::Idle | Phase::Opening { .. } | Phase::Comparing { .. } | Phase::Open | Phase::Closed => {
                Ok(())
            }
        }
    }

    /// Says whether the peer owes an answer.
    fn is_expecting(&self) -> bool {
        match &self.phase {
            Phase::Comparing { ours, theirs } => {
                theirs.is_none() && ours.is_some()
                    || self.peer.asked && self.peer.allowed.is_none()
                    || self.owes_word()
            }
            Phase::Open => {
                !self.listing.unheard.is_empty()
                    || !self.ranging.is_empty()
                    || !self.unanswered.is_empty()
                    || self.lanes.flying().next().is_some()
                    || self.owes_word()
                    || self.peer.asked && self.peer.allowed.is_none()
            }
            Phase::Idle | Phase::Opening { .. } | Phase::Closed => false,
        }
    }

    /// Does what has become due: sends, acknowledges, reports.
    fn settle(&mut self, ticked: bool) -> Result<(), Fault> {
        self.tell_limit();
        self.send_asks();
        self.send_answers()?;
        if self.phase == Phase::Open {
            self.list_groups();
            self.list_ranges();
            if self.has_compared() {
                self.lanes.all_compared();
            }
            self.pump();
            self.flush_acks(ticked);
        }
        let expecting = self.is_expecting();
        if expecting && !self.expecting {
            self.heard_at = self.now;
        }
        self.expecting = expecting;
        let in_sync = self.phase == Phase::Open
            && self.has_compared()
            && self.lanes.are_settled(self.limits.reach())
            && self.reads.is_empty()
            && self.admitting == 0;
        if in_sync && !self.in_sync {
            self.out.push(Output::InSync);
        }
        self.in_sync = in_sync;
        Ok(())
    }

    /// Says whether nothing more is to be found out about what both hold.
    fn has_compared(&self) -> bool {
        self.listing.unheard.is_empty()
            && self.listing.unsent.is_empty()
            && self.ranging.is_empty()
            && self.unanswered.is_empty()
    }

    /// Sends a message.
    pub(super) fn send(&mut self, message: &Message) {
        self.out.push(Output::Send(message.to_bytes()));
    }

    /// Ends the session from this side.
    fn close(&mut self, code: CloseCode, text: &str) {
        let text = printable(text);
        self.send(&Message::Close(code, text.clone()));
        self.end(Closed { code, by_peer: false, text });
    }

    fn end(&mut self, closed: Closed) {
        self.phase = Phase::Closed;
        self.out.push(Output::Close(closed));
    }
}
