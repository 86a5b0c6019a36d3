//! The first change of every chart, byte for byte the same on every device.
//!
//! Automerge identifies an object by the operation that made it. Were two devices to make the hand-over
//! text each for itself, before they had heard of one another, the document would hold two texts under
//! one key and show one of them: a silent loss of everything that was typed into the other. So no device
//! makes these objects. All charts begin with one constant change, by an actor that no device can have,
//! at time 0, and what is typed anywhere lands in the same objects.
//!
//! | operation | key | value |
//! |---|---|---|
//! | 1 | `schema` | 1 |
//! | 2 | `handover` | text |
//! | 3 | `notes` | map: note → text |
//! | 4 | `annotations` | map: entry → map |
//! | 5 | `care_plan` | map: entry → map |
//!
//! The price: these bytes can never change. A later schema adds objects in a second constant change.

use automerge::transaction::{CommitOptions, Transactable};
use automerge::{ActorId, Automerge, ObjType, ROOT};

use super::actor::ActorBytes;

/// The version of the schema, which stands in every chart under `schema`.
pub const SCHEMA_VERSION: u64 = 1;

/// The actor of the genesis change; the guard refuses everything else that claims to be by it.
pub const GENESIS_ACTOR: [u8; 16] = *b"musubi-chart-001";

/// The key of the hand-over text.
pub(super) const HANDOVER: &str = "handover";
/// The key of the map of notes being written.
pub(super) const NOTES: &str = "notes";
/// The key of the map of annotations.
pub(super) const ANNOTATIONS: &str = "annotations";
/// The key of the map of care plan items.
pub(super) const CARE_PLAN: &str = "care_plan";

/// Builds the document that holds the genesis change and nothing else.
pub(super) fn genesis_document() -> Automerge {
    let mut document = Automerge::new().with_actor(ActorId::from(GENESIS_ACTOR));
    let mut transaction = document.transaction();
    let made = (|| {
        transaction.put(ROOT, "schema", SCHEMA_VERSION)?;
        transaction.put_object(ROOT, HANDOVER, ObjType::Text)?;
        transaction.put_object(ROOT, NOTES, ObjType::Map)?;
        transaction.put_object(ROOT, ANNOTATIONS, ObjType::Map)?;
        transaction.put_object(ROOT, CARE_PLAN, ObjType::Map)
    })();
    made.expect("keys of an empty root can be set");
    transaction.commit_with(CommitOptions::default().with_time(0));
    document
}

/// Returns the bytes of the genesis change.
pub fn genesis_bytes() -> Vec<u8> {
    let document = genesis_document();
    let changes = document.get_changes(&[]);
    changes.first().expect("the genesis document has one change").raw_bytes().to_vec()
}

/// Returns the genesis actor in the type of other actors.
pub(super) fn genesis_actor() -> ActorBytes {
    ActorBytes::from(GENESIS_ACTOR)
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;
    use crate::chart::ChartChange;

    #[test]
    fn genesis_bytes_never_change() {
        // Devices of different releases must start from the same bytes, or their charts never merge.
        assert_eq!(HEXLOWER.encode(&genesis_bytes()), GOLDEN);
    }

    #[test]
    fn genesis_is_one_change_without_dependencies() {
        let change = ChartChange::parse(&genesis_bytes()).unwrap();
        assert_eq!(change.actor(), &genesis_actor());
        assert_eq!((change.seq(), change.start_op(), change.max_op(), change.time_s()), (1, 1, 5, 0));
        assert!(change.deps().is_empty());
    }

    const GOLDEN: &str = concat!(
        "856f4a83221fc83a015e00106d75737562692d63686172742d303031010100000006152d340142055604570170",
        "027b06736368656d610868616e646f766572056e6f7465730b616e6e6f746174696f6e7309636172655f706c61",
        "6e057e010403007f130400010500",
    );
}
