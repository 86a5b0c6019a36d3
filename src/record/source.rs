//! Who says so: the source of every item that a view shows.

use serde::Serialize;

use super::facts::Standing;
use super::statement::{Act, FollowRef, Informant, Position};
use super::threads::{Node, Thread};
use crate::base::{DeviceId, Hlc, RecordId, WallMs};

/// Where one shown statement comes from.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Source {
    /// The record that it was written into: of linked records the view shows several.
    pub record: RecordId,
    /// The author's name.
    pub who: String,
    /// The author's role.
    pub role: String,
    /// The device that wrote it; its certificate names the site.
    pub device: DeviceId,
    /// When it was written, as the device claims.
    pub time: Hlc,
    /// The same as milliseconds since 1970.
    pub time_ms: WallMs,
    /// Where the knowledge comes from.
    pub informant: Informant,
    /// What the statement does.
    pub act: Act,
    /// Why, where it says so.
    pub reason: Option<String>,
    /// `native`, or source, type and id of what was imported.
    pub origin: String,
    /// Where it stands: several places when it was imported more than once.
    pub positions: Vec<Position>,
    /// How others follow the statement that represents it.
    #[serde(skip)]
    pub follow: FollowRef,
    /// How others follow each of its copies, in ascending order. In a forked lane several statements stand at one
    /// position: these tell them apart.
    #[serde(skip)]
    pub copies: Vec<FollowRef>,
    /// It stands on disputed ground.
    pub unverified: bool,
    /// It follows statements that have not arrived here yet.
    pub waiting: bool,
    /// It claims to follow what does not exist; the claim is ignored.
    pub mismatched: bool,
}

/// One of the statements that are current in a thread, with what it says.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Side {
    /// What it says, in few words.
    pub says: String,
    /// Who says so.
    pub source: Source,
}

/// What a reader must know about an item before relying on it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Marks {
    /// Its current statements had not seen each other.
    pub concurrent: bool,
    /// Its current statements contradict each other.
    pub disputed: bool,
    /// A current statement is unverified.
    pub unverified: bool,
    /// It follows statements that have not arrived here yet.
    pub waiting: bool,
}

impl Source {
    /// Reads the source of a node.
    pub fn of(node: &Node<'_>) -> Self {
        let fact = node.first();
        let mut positions: Vec<Position> = node.facts.iter().map(|fact| fact.position).collect();
        positions.sort_unstable();
        positions.dedup();
        let mut copies: Vec<FollowRef> = node.facts.iter().map(|fact| fact.follow_ref()).collect();
        copies.sort_unstable();
        copies.dedup();
        let origin = fact.origin.as_ref();
        Self {
            record: fact.record,
            who: fact.author.name.clone(),
            role: fact.author.role.clone(),
            device: fact.device,
            time: fact.time,
            time_ms: fact.time.wall(),
            informant: fact.statement.informant,
            act: fact.statement.act,
            reason: fact.statement.reason.clone(),
            origin: origin
                .map_or("native".to_owned(), |o| format!("{} {}/{}", o.source, o.resource_type, o.id)),
            positions,
            follow: fact.follow_ref(),
            copies,
            unverified: fact.standing == Standing::Disputed,
            waiting: node.is_waiting(),
            mismatched: !node.mismatched.is_empty(),
        }
    }
}

impl Marks {
    /// Reads the marks of a thread; whether it is disputed only its section can say.
    pub fn of(thread: &Thread<'_>, disputed: bool) -> Self {
        Self {
            concurrent: thread.is_concurrent(),
            disputed,
            unverified: thread.tip_nodes().any(Node::is_disputed),
            waiting: thread.nodes.iter().any(Node::is_waiting),
        }
    }
}

impl Marks {
    /// Joins what is to be known about another thread of the same item.
    pub fn join(&mut self, other: Marks) {
        self.concurrent |= other.concurrent;
        self.disputed |= other.disputed;
        self.unverified |= other.unverified;
        self.waiting |= other.waiting;
    }
}

/// Returns the current statements of a thread, the latest first, each with what it says.
pub fn sides(thread: &Thread<'_>, says: impl Fn(usize) -> String) -> Vec<Side> {
    let side = |tip: &usize| Side { says: says(*tip), source: Source::of(&thread.nodes[*tip]) };
    thread.tips.iter().rev().map(side).collect()
}
