//! The Automerge document of a record: what people edit together.
//!
//! A record has two halves. What is *asserted* is kept as immutable facts and never blended. What is
//! *edited* together (the hand-over, notes being written, annotations, the care plan) must be blended
//! character by character; that half is a [`Chart`], one Automerge document per record and area.
//!
//! Charts merge honest bytes well and hostile bytes badly, so no byte of another device reaches the
//! library before the guard has passed it. A change is accepted by rules that look at the change and
//! at its own causal history only, never at what else this replica happens to hold, hence:
//!
//! 1. *Same changes, same chart.* The text, the heads and the verdict on every change do not depend on
//!    the order in which changes arrive.
//! 2. *A chart is never worse than before.* Changes are applied to a copy, which must save and load
//!    again with the expected heads before it takes the chart's place.
//! 3. *What waits is bounded and ours.* A change whose dependencies are missing waits in a bounded inbox
//!    of this module; Automerge's own unbounded queue is never used.
//! 4. *Only the schema's shapes.* An operation that no screen of this program would write is refused:
//!    nobody can delete the hand-over, rewrite another's annotation or hide a note under another.
//! 5. *Nothing is struck by accident.* A text's marks ([`MarkKind`]) never change its characters; what is struck was seen
//!    by whoever struck it, and where somebody disagrees both are named.
//! 6. *Nothing is blended unseen.* A sentence that several people changed apart is told with what each of them left.
//! 7. *Nothing written is lost.* Even from a chart that is beyond repair, [`recover_texts`] reads what
//!    every author typed out of the changes that the lanes hold.
//!
//! The module is pure: time is an argument, and nothing here reads files, clocks or random numbers. It
//! is the only one that names `automerge`. The files, from the bytes upwards: `chunk` reads the frame
//! of a change, `history` holds what was admitted, `schema` judges operations, `guard` joins the three,
//! `order` says how a text's elements stand, `inbox` orders what arrives, `deliver` applies it, `document`, `edit`,
//! `marking` and `apart` are what a person sees.

mod actor;
mod apart;
mod body;
mod chunk;
mod columns;
mod comments;
mod deliver;
mod document;
mod drafting;
mod edit;
mod error;
mod genesis;
mod guard;
mod history;
mod inbox;
pub mod limits;
mod mark;
mod marking;
mod order;
mod recover;
mod schema;
mod view;

#[cfg(test)]
pub(crate) mod hostile;
#[cfg(test)]
mod tests_apart;
#[cfg(test)]
mod tests_drafts;
#[cfg(test)]
mod tests_hostile;
#[cfg(test)]
mod tests_marks;
#[cfg(test)]
mod tests_marks_hostile;
#[cfg(test)]
mod tests_merge;

pub use actor::{ActorBytes, ChangeHash, EntryId, NoteId};
pub use apart::{Apart, ApartSide};
pub use body::{ChartBody, actor_of};
pub use chunk::{ChartChange, ChunkError};
pub use comments::{Comment, CommentThread};
pub use deliver::{Delivery, Quarantined};
pub use document::Chart;
pub use drafting::{CONTEXT_CHARS_MAX, Draft, Piece, Signing};
pub use error::ChartError;
pub use genesis::{GENESIS_ACTOR, SCHEMA_VERSION, genesis_bytes};
pub use guard::GuardError;
pub use inbox::{Incoming, LanePlace, Waiting};
pub use mark::{ESCAPE, MarkKind, Marking, Span, SpanMark, visible_text};
pub use recover::{RecoveredText, recover_texts};
pub use schema::SchemaError;
pub use view::{Annotation, CareItem, NoteDraft, Tick, Ticked};
