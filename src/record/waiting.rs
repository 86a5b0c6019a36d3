//! What waits: statements that follow others which have not arrived.
//!
//! Such a statement is shown with what it says, marked; the thread joins by itself when the missing one comes, in
//! whatever order. Until then a reader must know that something came before it.

use serde::Serialize;

use super::facts::Facts;
use super::statement::{FollowRef, Position};

/// A statement that follows one which is not known here.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Waiting {
    /// The statement that waits.
    pub statement: Position,
    /// Its author's name.
    pub who: String,
    /// Its author's role.
    pub role: String,
    /// The statement that it follows.
    pub waits_for: Position,
}

/// Lists what waits, in the order of positions. A version that was imported follows every copy of the one before, wherever it
/// was filed: with one of them here it waits for nothing.
pub fn waiting(facts: &Facts) -> Vec<Waiting> {
    let mut found = Vec::new();
    let is_here = |follow: &FollowRef| {
        let place = |lane| Position { lane, seq: follow.seq, index: follow.index };
        follow.lane.is_some_and(|lane| facts.at(place(lane)).next().is_some())
    };
    for fact in facts.iter() {
        if fact.origin.is_some() && fact.statement.follows.iter().any(is_here) {
            continue;
        }
        for follow in &fact.statement.follows {
            let Some(lane) = follow.lane else { continue };
            let waits_for = Position { lane, seq: follow.seq, index: follow.index };
            if facts.at(waits_for).next().is_none() {
                let (who, role) = (fact.author.name.clone(), fact.author.role.clone());
                found.push(Waiting { statement: fact.position, who, role, waits_for });
            }
        }
    }
    found
}
