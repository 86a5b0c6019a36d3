//! Sealed segments and signed manifests on an object store, and the way back.
