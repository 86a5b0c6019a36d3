//! Sessions between replicas in memory, on virtual time, with the production admission.

mod converge;
mod cuts;
mod forks;
mod hostile;
mod laws;
mod live;
mod replica;
mod world;
