//! What the tests share: a real S3 server, a proxy that makes faults, one that firewalls have, and a region driven
//! with the binary.

pub mod fault_proxy;
pub mod http_proxy;
pub mod lan;
pub mod region;
pub mod seaweed;
