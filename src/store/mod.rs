//! Where lanes rest: the Store trait, memory, redb, sealing, indexes.
