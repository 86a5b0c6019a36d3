//! What people say about two records: that they are one person's, that they are not, that an earlier link is undone.
//!
//! A tie is a statement of its author: a FHIR `Linkage` (`active` where the link is in effect; the kind in an
//! extension, because FHIR has no word for "not the same"), written into both records in one commit, with one resource
//! id, so that each record knows of it wherever it goes. The two copies are one statement: who follows one of them
//! follows it. Rule for one pair of records, from the statements that no other follows:
//!
//! | current statements | the pair is |
//! |---|---|
//! | link only | joined |
//! | not-same, with or without unlink | apart |
//! | unlink only | separate: nobody says anything any more |
//! | link beside not-same or unlink, which had not seen each other | disputed: **not joined**, a decision is needed |
//!
//! Why a disputed pair is not joined: a chart that mixes two people misleads without a sign, at the bedside, in both
//! directions; two charts apart are each true of themselves. What could be lost by that, an allergy that only the other
//! chart knows, is shown beside it as a caution.
//!
//! Statements on disputed ground (a forked lane, a revoked device) neither join nor part; they are shown as unverified.
//! Imported Linkages are kept whole and join nothing: no link without a person here.
//!
//! Law (`record::linking::tests`): any order and number of arrivals gives the same ties.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::base::{DeviceId, Hlc, RecordId};
use crate::record::build::RECORD_SYSTEM;
use crate::record::facts::{Fact, Facts, Standing};
use crate::record::fhir;
use crate::record::statement::{Act, FollowRef};

/// The extension that says which kind a Linkage is.
pub const KIND_URL: &str = "urn:musubi:linkage-kind";

/// Two records, the smaller first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Pair(pub RecordId, pub RecordId);

/// What is said of two records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TieKind {
    /// They are one person's.
    Link,
    /// An earlier link is undone; nothing else is said.
    Unlink,
    /// They are two people's.
    NotSame,
}

/// How two records stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PairState {
    /// One person's.
    Joined,
    /// Once linked, and not any more.
    Separate,
    /// Two people's.
    Apart,
    /// Statements that had not seen each other contradict: not joined, a decision is needed.
    Disputed,
}

/// A current statement about a pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Said {
    /// What is said.
    pub kind: TieKind,
    /// Why.
    pub reason: Option<String>,
    /// Who says so.
    pub who: String,
    /// The author's role.
    pub role: String,
    /// The device that wrote it.
    pub device: DeviceId,
    /// When, as the device claims.
    pub time: Hlc,
    /// It stands on disputed ground and decides nothing.
    pub unverified: bool,
}

/// What is said of a pair, all in all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tied {
    /// The records.
    pub pair: Pair,
    /// How they stand.
    pub state: PairState,
    /// The current statements, the latest first.
    pub said: Vec<Said>,
    /// The references by which a further statement follows them, ascending.
    #[serde(skip)]
    pub follows: Vec<FollowRef>,
}

impl Pair {
    /// Makes the pair of two different records.
    pub fn new(a: RecordId, b: RecordId) -> Option<Self> {
        (a != b).then(|| Self(a.min(b), a.max(b)))
    }

    /// Returns the other record, if `record` is one of the two.
    pub fn other(self, record: &RecordId) -> Option<RecordId> {
        match *record {
            one if one == self.0 => Some(self.1),
            one if one == self.1 => Some(self.0),
            _ => None,
        }
    }
}

impl TieKind {
    /// Names the kind, as in the resource.
    pub fn name(self) -> &'static str {
        match self {
            TieKind::Link => "link",
            TieKind::Unlink => "unlink",
            TieKind::NotSame => "not-same",
        }
    }

    /// Returns what such a statement does to its thread.
    pub fn act(self) -> Act {
        match self {
            TieKind::Link => Act::Assert,
            TieKind::Unlink => Act::Stop,
            TieKind::NotSame => Act::Refute,
        }
    }

    fn of_name(name: &str) -> Option<Self> {
        [TieKind::Link, TieKind::Unlink, TieKind::NotSame].into_iter().find(|kind| kind.name() == name)
    }
}

/// Builds the Linkage of a tie; canonical once it has an id.
pub fn linkage(kind: TieKind, pair: Pair, author: &str) -> String {
    let item = |role: &str, record: RecordId| {
        let identifier = json!({"system": RECORD_SYSTEM, "value": record.to_string()});
        json!({"type": role, "resource": {"type": "Patient", "identifier": identifier}})
    };
    json!({
        "resourceType": "Linkage",
        "extension": [{"url": KIND_URL, "valueCode": kind.name()}],
        "active": kind == TieKind::Link,
        "author": {"display": author},
        "item": [item("source", pair.0), item("alternate", pair.1)],
    })
    .to_string()
}

/// Reads a tie; none is what was imported, and what is not about the record in which it stands.
pub fn read(fact: &Fact) -> Option<(TieKind, Pair)> {
    if fact.resource_type != "Linkage" || fact.origin.is_some() {
        return None;
    }
    let json: Value = fact.json();
    let extension = fhir::items(&json, &["extension"]).iter().find(|item| item["url"] == KIND_URL)?;
    let kind = TieKind::of_name(extension["valueCode"].as_str()?)?;
    let record = |item: &Value| {
        let identifier = fhir::at(item, &["resource", "identifier"]);
        (identifier["system"] == RECORD_SYSTEM).then(|| identifier["value"].as_str()?.parse().ok()).flatten()
    };
    let [a, b] = fhir::items(&json, &["item"]) else { return None };
    let pair = Pair::new(record(a)?, record(b)?)?;
    pair.other(&fact.record).map(|_| (kind, pair))
}

/// One statement about a pair, with its copies.
struct Node<'a> {
    kind: TieKind,
    copies: Vec<&'a Fact>,
}

/// Reads all ties that some records' facts hold.
pub fn ties<'a>(facts: impl IntoIterator<Item = &'a Facts>) -> BTreeMap<Pair, Tied> {
    // Copies of one device with one resource are one statement; another device's copy is a statement of its own.
    let mut pairs: BTreeMap<Pair, BTreeMap<(DeviceId, &str, Act), Node<'a>>> = BTreeMap::new();
    for fact in facts.into_iter().flat_map(Facts::iter) {
        if let Some((kind, pair)) = read(fact) {
            let key = (fact.device, fact.statement.resource.as_str(), fact.statement.act);
            let node = pairs.entry(pair).or_default().entry(key);
            node.or_insert_with(|| Node { kind, copies: Vec::new() }).copies.push(fact);
        }
    }
    pairs.into_iter().map(|(pair, nodes)| (pair, tied(pair, nodes.into_values().collect()))).collect()
}

fn tied(pair: Pair, mut nodes: Vec<Node<'_>>) -> Tied {
    for node in &mut nodes {
        node.copies.sort_by_key(|fact| (fact.standing, fact.time, fact.position, fact.leaf));
        node.copies.dedup_by_key(|fact| (fact.position, fact.leaf));
    }
    let verified = |node: &Node<'_>| node.copies[0].standing == Standing::Verified;
    let names = |follower: &Node<'_>, node: &Node<'_>| {
        let claims = follower.copies.iter().flat_map(|fact| &fact.statement.follows);
        let own: BTreeSet<FollowRef> = node.copies.iter().map(|fact| fact.follow_ref()).collect();
        claims.into_iter().any(|claim| own.contains(claim))
    };
    // A disputed statement hides nothing that is verified.
    let hides = |other: &Node<'_>, node: &Node<'_>| {
        !std::ptr::eq(other, node) && (verified(other) || !verified(node)) && names(other, node)
    };
    let tips: Vec<&Node<'_>> =
        nodes.iter().filter(|node| !nodes.iter().any(|other| hides(other, node))).collect();
    // Statements that follow each other in a circle hide none of each other; a hash makes such impossible to write.
    let mut tips = if tips.is_empty() { nodes.iter().collect() } else { tips };
    tips.sort_by_key(|node| std::cmp::Reverse((node.copies[0].time, node.copies[0].position)));
    let follows = tips.iter().flat_map(|node| &node.copies).map(|fact| fact.follow_ref());
    let follows = FollowRef::in_order(follows.collect());
    let has = |kind| tips.iter().any(|node| verified(node) && node.kind == kind);
    let state = match (has(TieKind::Link), has(TieKind::NotSame), has(TieKind::Unlink)) {
        (true, false, false) => PairState::Joined,
        (true, _, _) => PairState::Disputed,
        (false, true, _) => PairState::Apart,
        (false, false, _) => PairState::Separate,
    };
    Tied { pair, state, said: tips.iter().map(|node| said(node)).collect(), follows }
}

fn said(node: &Node<'_>) -> Said {
    let fact = node.copies[0];
    Said {
        kind: node.kind,
        reason: fact.statement.reason.clone(),
        who: fact.author.name.clone(),
        role: fact.author.role.clone(),
        device: fact.device,
        time: fact.time,
        unverified: fact.standing == Standing::Disputed,
    }
}
