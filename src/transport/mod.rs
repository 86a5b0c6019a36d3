//! QUIC with raw ed25519 keys, and the UDP relay that makes faults.
