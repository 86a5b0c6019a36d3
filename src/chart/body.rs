//! The body of a chart entry: canonical CBOR `[1, salt (8), record (16), [change …], author?, generation?]`, each
//! change one Automerge change chunk as a byte string; what is absent at the end is left out. The area is the lane's.
//!
//! A chart that is spoiled is not repaired: a new one begins beside it, and its entries bear the next generation. The
//! generation is part of the actor's name, so that no change of one chart fits into another.

use std::num::NonZeroU32;

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::base::cbor::{self, CborError};
use crate::base::{Area, DeviceId, RecordId, hash_tagged};

use super::ActorBytes;
use crate::record::Author;

/// What a chart entry holds.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct ChartBody {
    /// The format's version: 1.
    #[n(0)]
    pub version: u8,
    /// Eight random bytes.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub salt: [u8; 8],
    /// The record.
    #[n(2)]
    pub record: RecordId,
    /// The changes, in the order in which they were made.
    #[n(3)]
    pub changes: Vec<ByteVec>,
    /// Who wrote them, as a person.
    #[n(4)]
    pub author: Option<Author>,
    /// Which of the record's charts in this area: none for the first, else from 1.
    #[n(5)]
    pub generation: Option<NonZeroU32>,
}

impl ChartBody {
    /// The version that this program writes.
    pub const VERSION: u8 = 1;

    /// Returns the canonical bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        cbor::to_vec(self)
    }

    /// Reads canonical bytes.
    ///
    /// # Errors
    /// [`CborError`] when they are not this version's canonical form.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CborError> {
        cbor::from_canonical(bytes)
    }
}

/// Derives the one actor of a device in the chart of a record and area; `generation` is 0 for the first chart.
pub fn actor_of(device: &DeviceId, record: &RecordId, area: &Area, generation: u32) -> ActorBytes {
    let generation_bytes = generation.to_be_bytes();
    let parts = [device.as_bytes(), record.as_bytes(), area.as_str().as_bytes(), &generation_bytes[..]];
    let named = if generation == 0 { &parts[..3] } else { &parts[..] };
    let digest = hash_tagged("musubi.chart.actor.v1", named);
    let mut actor = [0; 16];
    actor.copy_from_slice(&digest.0[..16]);
    ActorBytes::from(actor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_reads_back_and_its_bytes_are_fixed() {
        let body = ChartBody {
            version: 1,
            salt: [7; 8],
            record: RecordId([2; 16]),
            changes: vec![vec![1, 2, 3].into()],
            author: None,
            generation: None,
        };
        let bytes = body.to_bytes();
        assert_eq!(
            crate::base::id::hex(&bytes),
            "840148070707070707070750020202020202020202020202020202028143010203"
        );
        assert_eq!(ChartBody::from_bytes(&bytes).unwrap(), body);
        assert!(ChartBody::from_bytes(&bytes[..bytes.len() - 1]).is_err());
    }

    #[test]
    fn an_author_and_a_generation_stand_at_the_end() {
        let author = Author { name: "佐".into(), role: "n".into() };
        let mut body = ChartBody {
            version: 1,
            salt: [7; 8],
            record: RecordId([2; 16]),
            changes: Vec::new(),
            author: Some(author),
            generation: None,
        };
        let start = "014807070707070707075002020202020202020202020202020202";
        let bytes = body.to_bytes();
        assert_eq!(crate::base::id::hex(&bytes), format!("85{start}808263e4bd90616e"));
        assert_eq!(ChartBody::from_bytes(&bytes).unwrap(), body);
        body.generation = NonZeroU32::new(2);
        let bytes = body.to_bytes();
        assert_eq!(crate::base::id::hex(&bytes), format!("86{start}808263e4bd90616e02"));
        assert_eq!(ChartBody::from_bytes(&bytes).unwrap(), body);
        // A generation of zero would be a second way to write the first chart.
        let zero = [&bytes[..bytes.len() - 1], &[0]].concat();
        assert!(ChartBody::from_bytes(&zero).is_err());
    }

    #[test]
    fn each_device_record_and_area_has_an_actor_of_its_own() {
        let (device, record, area) = (DeviceId([1; 32]), RecordId([2; 16]), Area::common());
        let actor = actor_of(&device, &record, &area, 0);
        assert_eq!(actor, actor_of(&device, &record, &area, 0));
        assert_ne!(actor, actor_of(&device, &record, &area, 1));
        assert_ne!(actor, actor_of(&DeviceId([3; 32]), &record, &area, 0));
        assert_ne!(actor, actor_of(&device, &RecordId([3; 16]), &area, 0));
        assert_ne!(actor, actor_of(&device, &record, &Area::new("shared/a").unwrap(), 0));
    }
}
