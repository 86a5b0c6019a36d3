//! Signing and verifying tree heads.
//!
//! The message is `"musubi.checkpoint.v1" ‖ lane (32) ‖ size (8, big-endian) ‖ root (32)`: 92 bytes.

use ed25519_dalek::Signer as _;

use super::run::Checkpoint;
use crate::base::{DeviceId, Digest, LaneId};
use crate::identity::{SecretSeed, signature};

const SIGNING_TAG: &[u8] = b"musubi.checkpoint.v1";

/// Signs the head of a lane's tree.
pub fn sign(seed: &SecretSeed, lane: &LaneId, size: u64, root: &Digest) -> Checkpoint {
    Checkpoint { size, signature: seed.signing().sign(&message(lane, size, root)).to_bytes() }
}

/// Says whether `device` signed the tree of `checkpoint.size` entries under `root` as the head of `lane`.
pub fn verify(device: &DeviceId, lane: &LaneId, checkpoint: &Checkpoint, root: &Digest) -> bool {
    signature::verify(&device.0, &message(lane, checkpoint.size, root), &checkpoint.signature)
}

fn message(lane: &LaneId, size: u64, root: &Digest) -> Vec<u8> {
    [SIGNING_TAG, &lane.0, &size.to_be_bytes(), &root.0].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_holds_for_its_own_lane_size_and_root_only() {
        let seed = SecretSeed::from_bytes([7; 32]);
        let (lane, root) = (LaneId([1; 32]), Digest([2; 32]));
        let signed = sign(&seed, &lane, 5, &root);
        let device = seed.device_id();
        assert!(verify(&device, &lane, &signed, &root));
        assert!(!verify(&device, &LaneId([3; 32]), &signed, &root));
        assert!(!verify(&device, &lane, &Checkpoint { size: 6, ..signed }, &root));
        assert!(!verify(&device, &lane, &signed, &Digest([3; 32])));
        assert!(!verify(&SecretSeed::from_bytes([8; 32]).device_id(), &lane, &signed, &root));
    }

    #[test]
    fn a_key_that_is_no_point_verifies_nothing() {
        let zero = Checkpoint { size: 0, signature: [0; 64] };
        for byte in [0, 1, 0xff] {
            assert!(!verify(&DeviceId([byte; 32]), &LaneId([0; 32]), &zero, &Digest([0; 32])));
        }
    }
}
