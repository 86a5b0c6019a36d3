//! What goes into a session and what comes out of it.
//!
//! The driver carries out every output in order. It answers each `Admit` and `AdmitFork` with exactly one of
//! `Stored`, `Refused` and `Waiting`, for one lane in the order of asking, and `Stored` only when the commit is
//! durable; each `ReadRuns` with `Runs`, each `ReadFork` with `ForkState`, each `Peer` with `PeerAllowed`,
//! each `Asked` with `Answer`.

use std::collections::BTreeSet;

use super::ask::Ended;
use super::digests::Group;
use super::limiting::Reach;
use super::message::CloseCode;
use super::streams::Streams;
use crate::base::{Area, DeviceId, Digest, LaneId, Part, RealmId, WallMs};
use crate::lane::{Head, HeadVector, LaneName, Refusal, Run, Wait};
use crate::record::Whom;

/// What a session knows from its start.
#[derive(Debug, Clone)]
pub struct SessionConfig {
    /// The realm.
    pub realm: RealmId,
    /// This device: its own lanes are exchanged whatever the subscription is.
    pub device: DeviceId,
    /// The chain of this device's certificate in signed form, issuers first; the last is the device's own.
    pub chain: Vec<Vec<u8>>,
    /// The groups that this replica holds and wants.
    pub subscription: BTreeSet<Group>,
    /// Whether this side opened the connection, and so speaks first.
    pub initiator: bool,
    /// Where the session takes its compression contexts from, and gives them back to.
    pub streams: Streams,
}

/// What happened.
#[derive(Debug)]
pub enum Input {
    /// The transport is connected.
    Start,
    /// A whole message has arrived.
    Received(Vec<u8>),
    /// Bytes of a message that is not yet complete have arrived: the link lives.
    Heard,
    /// Answers [`Output::Peer`]: the areas that the peer may hold besides `common`; `None` when its certificate
    /// is unknown. A certificate that verifies but is not the peer's is answered with [`Input::Close`].
    PeerAllowed(Option<BTreeSet<Area>>),
    /// Answers [`Output::ReadRuns`]: the stored runs whose end lies beyond `from`, in order, none only when
    /// there are none; of a forked lane, those of its trunk.
    Runs {
        /// The lane.
        lane: LaneId,
        /// The first entry that was asked for.
        from: u64,
        /// The runs.
        runs: Vec<Run>,
        /// The chains of the certificates that the runs need, issuers first.
        certificates: Vec<Vec<u8>>,
    },
    /// Answers [`Output::ReadFork`].
    ForkState {
        /// The lane's name.
        name: LaneName,
        /// The head of the state that was read.
        head: Head,
        /// The encoded `ForkState`s that it consists of: the proof alone, then one for each branch
        /// (`ForkState::without_branches`, `ForkState::pieces`).
        pieces: Vec<Vec<u8>>,
        /// The chains of the certificates that it needs, issuers first.
        certificates: Vec<Vec<u8>>,
    },
    /// Answers an admission: the lane is durable with this head (also when all of it was known before).
    Stored {
        /// The lane.
        lane: LaneId,
        /// Its head.
        head: Head,
    },
    /// Answers an admission: it can never be admitted.
    Refused {
        /// The lane.
        lane: LaneId,
        /// Why.
        refusal: Refusal,
    },
    /// Answers an admission: something that belongs before it is missing.
    Waiting {
        /// The lane.
        lane: LaneId,
        /// What is missing.
        wait: Wait,
    },
    /// A lane advanced by a local write or another session.
    HeadChanged {
        /// The lane's name.
        name: LaneName,
        /// Its head now, durable.
        head: Head,
    },
    /// From now on this side lets nothing less urgent over the link, in either direction.
    Limit(Reach),
    /// This side asks for a person; answered by any number of [`Output::Told`] and one [`Output::Answered`], unless it has
    /// had enough.
    Ask {
        /// The number, higher than all before.
        number: u32,
        /// Who is meant.
        whom: Whom,
        /// How far down the order of urgency.
        reach: Reach,
    },
    /// This side needs no more of what it has asked under a number.
    Enough(u32),
    /// Answers [`Output::Asked`].
    Answer {
        /// The peer's number.
        number: u32,
        /// The bytes in order, as urgent as these parts: at most `ANSWER_BYTES_MAX` together.
        parts: Vec<(Part, Vec<u8>)>,
        /// How it ends after them.
        ended: Ended,
    },
    /// Time has passed; at least once a second.
    Tick,
    /// The driver ends the session.
    Close(CloseCode),
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send a message.
    Send(Vec<u8>),
    /// The peer said hello: find out what it may hold. Comes again when its certificates have arrived.
    Peer {
        /// The hash of the device certificate that it names.
        certificate: Digest,
        /// Its wall clock.
        clock: WallMs,
    },
    /// Offer these certificates to the store before the outputs that follow.
    Certificates(Vec<Vec<u8>>),
    /// Read stored runs from an entry on, about so many bytes, at least one run if any.
    ReadRuns {
        /// The lane.
        lane: LaneId,
        /// The first entry.
        from: u64,
        /// About how many plain bytes.
        limit_bytes: usize,
    },
    /// Read the fork state of a lane.
    ReadFork {
        /// The lane.
        lane: LaneId,
    },
    /// Admit a run and make it durable.
    Admit {
        /// The run.
        run: Run,
    },
    /// Merge a peer's fork evidence and make it durable.
    AdmitFork {
        /// The lane's name.
        name: LaneName,
        /// One piece of the peer's `ForkState`, encoded and not yet checked.
        bytes: Vec<u8>,
    },
    /// The peer holds a lane durably up to a size.
    PeerHas {
        /// The lane.
        lane: LaneId,
        /// How many entries.
        size: u64,
    },
    /// The peer lists a head of a lane that is not this replica's: it is shorter, longer, forked, or of another history.
    PeerLists {
        /// The lane's part and area.
        group: Group,
        /// The lane.
        lane: LaneId,
        /// How many entries; of a forked lane, where it forks.
        size: u64,
    },
    /// The peer holds all of these durably, as far as the heads say: lanes that the two did not have to name.
    PeerHasAll {
        /// The group.
        group: Group,
        /// Its lanes.
        heads: HeadVector,
    },
    /// The peer, a member, asks for a person.
    Asked {
        /// Its number.
        number: u32,
        /// Who is meant.
        whom: Whom,
        /// How far down the order of urgency.
        reach: Reach,
    },
    /// The next bytes of the answer to what this side has asked.
    Told {
        /// The number.
        number: u32,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// What this side has asked is over.
    Answered {
        /// The number.
        number: u32,
        /// How.
        ended: Ended,
    },
    /// A lane is given up for this session; to be counted.
    GaveUp {
        /// The lane.
        lane: LaneId,
        /// Why.
        reason: GiveUp,
    },
    /// Both sides hold the same, as far as both may; comes again after each time they differed.
    InSync,
    /// The session is over: close the transport.
    Close(Closed),
}

/// Why a lane is given up for a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GiveUp {
    /// This replica's admission refused it.
    Refused(Refusal),
    /// A certificate that it needs did not come with it.
    CertificateMissing(Digest),
    /// It leaves a gap, or does not extend what is stored, even from an earlier entry.
    DoesNotFit,
    /// This replica does not subscribe to it.
    NotSubscribed,
    /// The evidence of its fork does not settle.
    ForkUnsettled,
    /// The peer gave it up.
    ByPeer,
    /// This replica's store has no runs where the head says that there are some.
    RunsMissing,
}

/// How a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// Why.
    pub code: CloseCode,
    /// Whether the peer ended it.
    pub by_peer: bool,
    /// What happened, for the log; no patient data, control characters removed.
    pub text: String,
}
