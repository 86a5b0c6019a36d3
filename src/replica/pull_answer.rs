//! What fetching one person answers: who answered, how far that one had heard, and what came.

use serde::{Deserialize, Serialize};

use crate::base::{Part, RecordId, WallMs};

/// What is wanted of one person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PullWanted {
    /// Who.
    pub whom: WhomTyped,
    /// The peer to ask: the name of its device, of its site or of the configuration, or `HOST:PORT`; without it, all with
    /// which this replica is in touch.
    pub from: Option<String>,
    /// Whether the card alone is wanted.
    pub card_only: bool,
}

/// Who is meant, as people type it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "kebab-case", deny_unknown_fields)]
pub enum WhomTyped {
    /// A record: its whole id, or the beginning of one that is known here.
    Record {
        /// The id.
        record: String,
    },
    /// An identifier.
    Identifier {
        /// The system that gave it, if it matters.
        system: Option<String>,
        /// The value.
        value: String,
    },
    /// A name and a birth date.
    Person {
        /// The whole name.
        name: String,
        /// The birth date.
        birth_date: String,
    },
}

/// Shows how somebody is named, and not by what.
impl std::fmt::Debug for WhomTyped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            WhomTyped::Record { .. } => "a record",
            WhomTyped::Identifier { .. } => "an identifier",
            WhomTyped::Person { .. } => "a name and a birth date",
        })
    }
}

/// One person, fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pulled {
    /// The device that answered.
    pub device: String,
    /// Its site.
    pub site: String,
    /// What came, record by record; proven and durable.
    pub records: Vec<RecordPulled>,
    /// Whether all came that the answerer had; otherwise the rest broke off or was late.
    pub whole: bool,
    /// Milliseconds from the call until the facts of the first card could be read.
    pub facts_ms: Option<u64>,
    /// Milliseconds until that card was proven and durable.
    pub card_ms: Option<u64>,
    /// Milliseconds until the end.
    pub took_ms: u64,
    /// What others who were asked said before, one line each.
    pub others: Vec<String>,
    /// The person as `show` tells it now.
    pub text: String,
}

/// One record, fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordPulled {
    /// The record.
    pub record: RecordId,
    /// Of which parts.
    pub parts: Vec<Part>,
    /// Entries with proofs.
    pub entries: u64,
    /// Entries for which the answer had no room.
    pub left_out: u64,
    /// As known to the answerer when, by its clock.
    pub time: WallMs,
    /// Sites that the answerer had not heard for long.
    pub unheard: Vec<UnheardSite>,
}

/// A site that the answerer had not heard for long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnheardSite {
    /// Its name.
    pub site: String,
    /// When it was last heard, by the answerer's clock.
    pub heard: WallMs,
}

/// How often single people were asked for since the replica was started, and how many are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PullCounts {
    /// Asked here.
    pub asked: u64,
    /// Of these, answered well.
    pub fetched: u64,
    /// Records given to others.
    pub given: u64,
    /// What others asked for and did not get.
    pub refused: u64,
    /// Records of which something is kept here by proof alone, also from paper.
    pub kept: u64,
}
