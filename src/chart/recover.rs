//! Reading what authors wrote out of the changes that lanes hold, without a document.
//!
//! Should a chart be spoiled in a way that the guard does not foresee, the lanes still hold every change.
//! What somebody typed stands in its change as inserted characters, in the order of typing; no other
//! change is needed to read it. Deletions are not followed: more text is recovered than stood there last.

use automerge::ScalarValue;
use automerge::legacy::{Key, ObjectId, OpType};

use super::actor::ActorBytes;
use super::chunk::ChartChange;
use super::guard;
use super::schema::{ANCHOR, TEXT};

/// What one change wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveredText {
    /// The actor that the change names.
    pub actor: ActorBytes,
    /// The change's sequence among those of its actor.
    pub seq: u64,
    /// When it was written by its writer's clock, in seconds since 1970.
    pub time_s: i64,
    /// The characters that it inserted, and the texts of the entries that it added, in its own order.
    ///
    /// Pieces that went to different texts or fields are separated by line ends.
    pub text: String,
}

/// Reads the text that each change wrote; changes without text and bytes that cannot be read are left out.
///
/// The bytes may come from anywhere and in any order: each is decoded for itself, within the limits of the
/// guard, and nothing is applied. The order of the result is that of the changes.
pub fn recover_texts<'a>(changes: impl IntoIterator<Item = &'a [u8]>) -> Vec<RecoveredText> {
    changes.into_iter().filter_map(recover_one).collect()
}

fn recover_one(bytes: &[u8]) -> Option<RecoveredText> {
    let change = ChartChange::parse(bytes).ok()?;
    let (_, operations) = guard::decode(&change).ok()?;
    let mut text = String::new();
    let mut into: Option<(&ObjectId, Option<&str>)> = None;
    for operation in &operations {
        let OpType::Put(ScalarValue::Str(piece)) = &operation.action else {
            continue;
        };
        let field = match &operation.key {
            Key::Map(key) if key == TEXT || key == ANCHOR => Some(key.as_str()),
            Key::Map(_) => continue,
            Key::Seq(_) => None,
        };
        let place = Some((&operation.obj, field));
        if into.is_some() && into != place {
            text.push('\n');
        }
        into = place;
        text.push_str(piece);
    }
    let (actor, seq, time_s) = (change.actor().clone(), change.seq(), change.time_s());
    (!text.is_empty()).then_some(RecoveredText { actor, seq, time_s, text })
}
