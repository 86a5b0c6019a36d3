//! What the tests share: a real S3 server, and a proxy that makes faults.

pub mod fault_proxy;
pub mod seaweed;
