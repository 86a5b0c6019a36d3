//! Keys, certificates, read keys and the roster: who may do what, verifiable offline.
