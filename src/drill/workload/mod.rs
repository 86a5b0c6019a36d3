//! Who comes for help and what is written about them: a script of operations, made from a scenario and a seed
//! before anything runs, so that every way of running it (the simulation, a central system) plays the same.

mod acts;
mod script;
mod words;

pub use script::{Operation, Script, ScriptPerson, Task};
