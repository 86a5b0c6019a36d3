//! The integration tests: whole processes and whole replicas.

mod store_kill;
