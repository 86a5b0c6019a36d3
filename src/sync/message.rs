//! The messages of a session, as `docs/protocol-sync.md` draws them: CBOR arrays `[kind, …]`.
//!
//! One transport frame carries one message. Readers skip surplus fields at the end of an array, and whole
//! messages of an unknown kind from [`SKIPPABLE_KIND_FIRST`] on, so that later versions can say more; any other
//! unknown kind ends the session.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Decoder, Encode, decode};

use super::ask::{Asking, Telling};
pub use super::closing::CloseCode;
use super::limits::{
    ACKS_PER_MESSAGE_MAX, CERTIFICATES_PER_MESSAGE_MAX, CLOSE_TEXT_BYTES_MAX, GROUPS_MAX,
    HEADS_PER_MESSAGE_MAX, LARGE_MESSAGE_BYTES_MAX, RANGES_PER_MESSAGE_MAX, SMALL_MESSAGE_BYTES_MAX,
};
use crate::base::limits::CERTIFICATE_BYTES_MAX;
use crate::base::{Area, Digest, LaneId, Part, RealmId, WallMs, cbor};
use crate::lane::{Head, LaneName};

/// The oldest version of the protocol that this program speaks.
pub const VERSION_MIN: u16 = 1;
/// The newest version of the protocol that this program speaks.
pub const VERSION_MAX: u16 = 1;
/// Messages of unknown kinds from here on are skipped.
pub const SKIPPABLE_KIND_FIRST: u32 = 64;

const KIND_RUNS: u32 = 5;
const KIND_FORK: u32 = 6;
const KIND_LAST: u32 = 14;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Message {
    /// Opens the session in one direction.
    #[n(0)]
    Hello(#[n(0)] Hello),
    /// Asks for the chain of the peer's own certificate, which the asker does not know.
    #[n(1)]
    WantCertificate,
    /// Certificates in their signed form, issuers first.
    #[n(2)]
    Certificates(#[n(0)] Vec<ByteVec>),
    /// What the sender subscribes to and the receiver may hold, with the digest of each group.
    #[n(3)]
    Digests(#[n(0)] Vec<GroupDigest>),
    /// The sender's lane heads of one group whose digests differ.
    #[n(4)]
    Heads(#[n(0)] Heads),
    /// Runs, as the next segment of the sender's stream.
    #[n(5)]
    Runs(#[n(0)] ByteVec),
    /// What the sender holds of a forked lane.
    #[n(6)]
    Fork(#[n(0)] Fork),
    /// Lanes that the sender now holds durably, up to a size.
    #[n(7)]
    Ack(#[n(0)] Vec<Acknowledged>),
    /// Asks for a lane from an earlier entry on, because its runs do not extend the sender's.
    #[n(8)]
    Restart(#[n(0)] LaneId, #[n(1)] u64),
    /// Asks to send no more of a lane in this session: the sender cannot admit it.
    #[n(9)]
    Stop(#[n(0)] LaneId),
    /// Ends the session.
    #[n(10)]
    Close(#[n(0)] CloseCode, #[n(1)] String),
    /// The sender's digests of ranges of lanes of one group of many lanes.
    #[n(11)]
    Ranges(#[n(0)] Ranges),
    /// Only so many of the parts, the most urgent first, are to go over the link from now on, in either direction: see
    /// `limiting::Reach`.
    #[n(12)]
    Only(#[n(0)] u8),
    /// About one person that the sender asks for, under a number of its own.
    #[n(13)]
    Ask(#[n(0)] u32, #[n(1)] Asking),
    /// About the answer to what the receiver has asked under a number.
    #[n(14)]
    Told(#[n(0)] u32, #[n(1)] Telling),
}

/// The opening of a session in one direction.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Hello {
    /// The oldest version that the sender speaks. The first three fields keep their place in every version.
    #[n(0)]
    pub version_min: u16,
    /// The newest version that the sender speaks.
    #[n(1)]
    pub version_max: u16,
    /// The realm.
    #[n(2)]
    pub realm: RealmId,
    /// The hash of the sender's device certificate; the device itself is named by the transport.
    #[n(3)]
    pub certificate: Digest,
    /// The sender's wall clock.
    #[n(4)]
    pub clock: WallMs,
    /// The digest of the sender's subscription.
    #[n(5)]
    pub subscription: Digest,
    /// The digest of all its group digests.
    #[n(6)]
    pub all: Digest,
}

/// One group of lanes and the digest of their heads.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct GroupDigest {
    /// The area.
    #[n(0)]
    pub area: Area,
    /// The part.
    #[n(1)]
    pub part: Part,
    /// The digest of the heads: `lane::HeadVector`.
    #[n(2)]
    pub digest: Digest,
    /// How many lanes there are.
    #[n(3)]
    pub lanes: u64,
}

/// Lane heads of one group, in ascending order of lane ids over all messages of a list or an answer.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Heads {
    /// The area.
    #[n(0)]
    pub area: Area,
    /// The part.
    #[n(1)]
    pub part: Part,
    /// Whether this is the last message of the group's list, or of an answer.
    #[n(2)]
    pub last: bool,
    /// The heads.
    #[n(3)]
    pub heads: Vec<ListedHead>,
    /// Which lanes the list is of; all of the group when it is absent.
    #[n(4)]
    pub scope: Option<Scope>,
}

/// Of which lanes of its group a list tells.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Scope {
    /// All that lie in these ranges of a depth, given by their indices in ascending order. It is answered.
    #[n(0)]
    Ranges(#[n(0)] u8, #[n(1)] Vec<u64>),
    /// Those that are listed, in a group to which the sender does not subscribe. It is answered.
    #[n(1)]
    Offer,
    /// Lanes of the oldest unanswered list, as the sender has them. Of those that are not named it has what was
    /// listed, and a lane that it lacks has size 0; or, if so said, it lacks those that are not named.
    #[n(2)]
    Answer(#[n(0)] bool),
}

/// Digests of ranges of lanes.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Ranges {
    /// The area.
    #[n(0)]
    pub area: Area,
    /// The part.
    #[n(1)]
    pub part: Part,
    /// How many bits name each of the ranges.
    #[n(2)]
    pub depth: u8,
    /// Whether this is the last message of the round.
    #[n(3)]
    pub last: bool,
    /// The ranges in ascending order over all messages of the round.
    #[n(4)]
    pub ranges: Vec<RangeDigests>,
    /// With the first round, unless it is the last: the beginnings of the digests of some narrow ranges, by which the other side
    /// sees whether nearly all of them differ.
    #[n(5)]
    pub sample: Option<ByteVec>,
}

/// The digests of the parts of one range.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct RangeDigests {
    /// The index of the range.
    #[n(0)]
    pub index: u64,
    /// For each of its parts, in order, the first 16 bytes of the digest of the heads in it.
    #[n(1)]
    pub digests: ByteVec,
}

/// One lane's head in a list.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct ListedHead {
    /// The lane.
    #[n(0)]
    pub lane: LaneId,
    /// Its head at the sender.
    #[n(1)]
    pub head: Head,
}

/// What the sender holds of a forked lane.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Fork {
    /// The lane's name, since the receiver may never have heard of it.
    #[n(0)]
    pub name: LaneName,
    /// The digest of the sender's head: `Head::digest`.
    #[n(1)]
    pub head: Digest,
    /// Whether more pieces of the evidence follow in messages of their own.
    #[n(2)]
    pub more: bool,
    /// One encoded piece of the `lane::ForkState`, as the next segment of the sender's stream; nothing when the
    /// receiver has just sent the same.
    #[n(3)]
    pub evidence: Option<ByteVec>,
}

/// A lane that is durable up to a size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Acknowledged {
    /// The lane.
    #[n(0)]
    pub lane: LaneId,
    /// How many of its entries.
    #[n(1)]
    pub size: u64,
}

/// Why bytes are not a message.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// The message is larger than its kind may be.
    #[error("message of kind {kind} with {bytes} bytes")]
    TooLarge {
        /// The kind.
        kind: u32,
        /// Its size.
        bytes: usize,
    },
    /// The message lists more than it may.
    #[error("message of kind {kind} with too many items")]
    TooMany {
        /// The kind.
        kind: u32,
    },
    /// The kind is unknown, and not one to skip.
    #[error("message of unknown kind {0}")]
    Kind(u32),
    /// The bytes do not decode.
    #[error("reading a message: {0}")]
    Malformed(#[from] decode::Error),
    /// Bytes follow the message.
    #[error("bytes follow a message")]
    Tail,
}

impl Message {
    /// Encodes the message.
    pub fn to_bytes(&self) -> Vec<u8> {
        cbor::to_vec(self)
    }

    /// Decodes a message; `None` is one of an unknown kind to skip.
    ///
    /// # Errors
    /// [`MessageError`] when the bytes are malformed or exceed a limit.
    pub fn from_bytes(bytes: &[u8]) -> Result<Option<Self>, MessageError> {
        let kind = kind_of(bytes)?;
        let most = match kind {
            KIND_RUNS | KIND_FORK => LARGE_MESSAGE_BYTES_MAX,
            _ => SMALL_MESSAGE_BYTES_MAX,
        };
        if bytes.len() > most {
            return Err(MessageError::TooLarge { kind, bytes: bytes.len() });
        }
        if kind >= SKIPPABLE_KIND_FIRST {
            return Ok(None);
        }
        if kind > KIND_LAST {
            return Err(MessageError::Kind(kind));
        }
        let mut decoder = Decoder::new(bytes);
        let message: Message = decoder.decode()?;
        if decoder.position() != bytes.len() {
            return Err(MessageError::Tail);
        }
        if message.is_within_limits() { Ok(Some(message)) } else { Err(MessageError::TooMany { kind }) }
    }

    fn is_within_limits(&self) -> bool {
        match self {
            Message::Certificates(signed) => {
                signed.len() <= CERTIFICATES_PER_MESSAGE_MAX
                    && signed.iter().all(|one| one.len() <= CERTIFICATE_BYTES_MAX)
            }
            Message::Digests(groups) => groups.len() <= GROUPS_MAX,
            Message::Heads(heads) => {
                let ranges = match &heads.scope {
                    Some(Scope::Ranges(_, indices)) => indices.len(),
                    Some(Scope::Offer | Scope::Answer(_)) | None => 0,
                };
                heads.heads.len() <= HEADS_PER_MESSAGE_MAX && ranges <= RANGES_PER_MESSAGE_MAX
            }
            Message::Ranges(ranges) => ranges.ranges.len() <= RANGES_PER_MESSAGE_MAX,
            Message::Ack(lanes) => lanes.len() <= ACKS_PER_MESSAGE_MAX,
            Message::Close(_, text) => text.len() <= CLOSE_TEXT_BYTES_MAX,
            Message::Ask(_, Asking::For(whom, _)) => whom.check().is_ok(),
            Message::Hello(_)
            | Message::WantCertificate
            | Message::Runs(_)
            | Message::Fork(_)
            | Message::Restart(_, _)
            | Message::Stop(_)
            | Message::Only(_)
            | Message::Ask(_, Asking::Heard(_) | Asking::Enough)
            | Message::Told(_, _) => true,
        }
    }
}

fn kind_of(bytes: &[u8]) -> Result<u32, MessageError> {
    let mut decoder = Decoder::new(bytes);
    match decoder.array()? {
        Some(fields) if fields > 0 => Ok(decoder.u32()?),
        Some(_) | None => Err(MessageError::Malformed(decode::Error::message("expected an array [kind, …]"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{DeviceId, id};

    fn golden() -> Vec<(Message, String)> {
        let bytes = |byte: u8| format!("5820{}", id::hex(&[byte; 32]));
        let (lane, head) = (LaneId([1; 32]), Head::Straight { size: 3, root: Digest([2; 32]) });
        let forked = Head::Forked { at: 5, branches: vec![(Digest([3; 32]), 7)] };
        let (area, part) = (Area::common(), Part::Card);
        let hello = Hello {
            version_min: 1,
            version_max: 1,
            realm: RealmId([1; 32]),
            certificate: Digest([2; 32]),
            clock: WallMs(5),
            subscription: Digest([3; 32]),
            all: Digest([4; 32]),
        };
        let name = LaneName {
            realm: RealmId([1; 32]),
            device: DeviceId([2; 32]),
            area: area.clone(),
            part: Part::Data,
        };
        let [one, two, three, four] = [1, 2, 3, 4].map(bytes);
        let common = "66636f6d6d6f6e";
        let heads = vec![ListedHead { lane, head }, ListedHead { lane: LaneId([2; 32]), head: forked }];
        let group = GroupDigest { area: area.clone(), part, digest: Digest([1; 32]), lanes: 300 };
        let fork = |evidence| Fork { name: name.clone(), head: Digest([3; 32]), more: true, evidence };
        let name_hex = format!("84{one}{two}{common}03");
        let scoped = |scope| {
            Message::Heads(Heads {
                area: Area::common(),
                part,
                last: false,
                heads: Vec::new(),
                scope: Some(scope),
            })
        };
        let split = vec![RangeDigests { index: 2, digests: vec![7; 32].into() }];
        let ranges = Ranges { area: area.clone(), part, depth: 8, last: true, ranges: split, sample: None };
        vec![
            (Message::Hello(hello), format!("8200870101{one}{two}05{three}{four}")),
            (Message::WantCertificate, "8101".to_owned()),
            (Message::Certificates(vec![vec![1, 2].into()]), "820281420102".to_owned()),
            (Message::Digests(vec![group]), format!("82038184{common}01{one}19012c")),
            (
                Message::Heads(Heads { area, part, last: true, heads, scope: None }),
                format!("820484{common}01f58282{one}82008203{two}82{two}820182058182{three}07"),
            ),
            (Message::Runs(vec![9].into()), "82054109".to_owned()),
            (Message::Fork(fork(Some(vec![9].into()))), format!("820684{name_hex}{three}f54109")),
            (Message::Fork(fork(None)), format!("820683{name_hex}{three}f5")),
            (Message::Ack(vec![Acknowledged { lane, size: 300 }]), format!("82078182{one}19012c")),
            (Message::Restart(lane, 2), format!("8308{one}02")),
            (Message::Stop(lane), format!("8209{one}")),
            (Message::Close(CloseCode::Realm, "no".to_owned()), "830a02626e6f".to_owned()),
            (scoped(Scope::Ranges(12, vec![1, 300])), format!("820485{common}01f4808200820c820119012c")),
            (scoped(Scope::Offer), format!("820485{common}01f480820180")),
            (scoped(Scope::Answer(true)), format!("820485{common}01f480820281f5")),
            (Message::Only(2), "820c02".to_owned()),
            (Message::Ranges(ranges), format!("820b85{common}0108f581820258{}{}", "20", "07".repeat(32))),
        ]
    }

    #[test]
    fn the_bytes_of_version_1_never_change() {
        for (message, expected) in golden() {
            assert_eq!(id::hex(&message.to_bytes()), expected, "{message:?}");
            assert_eq!(Message::from_bytes(&message.to_bytes()).unwrap(), Some(message));
        }
    }

    #[test]
    fn later_versions_may_append_fields_and_add_kinds_to_skip() {
        let mut hello = golden()[0].0.to_bytes();
        hello[2] += 1;
        hello.push(0x07);
        assert_eq!(Message::from_bytes(&hello).unwrap(), Some(golden()[0].0.clone()));
        assert_eq!(Message::from_bytes(&[0x82, 0x18, 64, 0x01]).unwrap(), None);
        assert!(matches!(Message::from_bytes(&[0x82, 0x18, 63, 0x01]), Err(MessageError::Kind(63))));
        let unknown = Message::Close(CloseCode::Unknown, String::new());
        assert_eq!(Message::from_bytes(&[0x83, 0x0a, 0x18, 99, 0x60]).unwrap(), Some(unknown));
    }

    #[test]
    fn limits_hold_for_every_kind() {
        let many =
            Message::Ack(vec![Acknowledged { lane: LaneId([1; 32]), size: 1 }; ACKS_PER_MESSAGE_MAX + 1]);
        assert!(matches!(Message::from_bytes(&many.to_bytes()), Err(MessageError::TooMany { kind: 7 })));
        let long = Message::Close(CloseCode::Shutdown, "x".repeat(SMALL_MESSAGE_BYTES_MAX));
        assert!(matches!(
            Message::from_bytes(&long.to_bytes()),
            Err(MessageError::TooLarge { kind: 10, .. })
        ));
        let large = Message::Runs(vec![0; SMALL_MESSAGE_BYTES_MAX + 1].into());
        assert_eq!(Message::from_bytes(&large.to_bytes()).unwrap(), Some(large));
        let mut tail = Message::WantCertificate.to_bytes();
        tail.push(0);
        assert!(matches!(Message::from_bytes(&tail), Err(MessageError::Tail)));
    }
}
