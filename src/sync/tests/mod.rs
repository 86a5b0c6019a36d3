//! Sessions between replicas in memory, on virtual time, with the production admission.

mod converge;
mod cuts;
mod fakes;
mod forks;
mod hostile;
mod laws;
mod limits;
mod live;
mod many;
mod pulls;
mod ranges_hostile;
mod replica;
mod world;
