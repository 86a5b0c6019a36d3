//! What whoever reads a record should know of how complete and how safe it is: whose silence may hide something, and where
//! its statements are.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::core::Replica;
use super::error::ReplicaError;
use super::hearsay::LISTEN_ENTRIES;
use super::held_by::HeldBy;
use super::silence::{SilentSite, only_here_text, silence_text};
use crate::base::{Area, LaneId};
use crate::record::Position;
use crate::record::facts::{Facts, Standing};

/// How complete and how safe a record is, as far as known here now.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Reach {
    /// Sites that write about this patient or into the record's areas and have been silent for long.
    #[serde(default)]
    pub silent: Vec<SilentSite>,
    /// Where each statement is, at least; what was carried over or is disputed is left out.
    #[serde(default)]
    pub held: Vec<HeldShown>,
    /// This device's own statements that are nowhere else, as far as known.
    #[serde(default)]
    pub on_this_device_only: Vec<String>,
    /// The same for people, a line each; empty when there is nothing to be warned of.
    #[serde(default)]
    pub text: String,
}

/// Where a statement is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldShown {
    /// The statement, as `show` names it.
    pub statement: String,
    /// Where it is, at least.
    #[serde(flatten)]
    pub held: HeldBy,
}

impl Replica {
    /// Finds out how complete and how safe a person's record is.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) fn reach_of(&self, facts: &Facts, areas: &BTreeSet<Area>) -> Result<Reach, ReplicaError> {
        let lanes: BTreeSet<LaneId> = facts.iter().map(|fact| fact.position.lane).collect();
        let (silent, holders) =
            (self.silent_sites(&lanes, areas)?, self.holders(Some(&lanes), LISTEN_ENTRIES)?);
        let me = self.me().device;
        let (mut held, mut only_here): (Vec<HeldShown>, Vec<Position>) = Default::default();
        for fact in facts.iter().filter(|fact| fact.standing == Standing::Verified) {
            let place = fact.position;
            let found = holders.of(&place.lane, place.seq);
            if found.devices == 0 {
                continue;
            }
            if fact.device == me && found.is_on_one_device_only() {
                only_here.push(place);
            }
            held.push(HeldShown { statement: Self::statement_name(&place), held: found });
        }
        // The latest is the last.
        only_here.sort_by_key(|place| place.seq);
        let text = silence_text(&silent) + &only_here_text(&only_here);
        let on_this_device_only = only_here.iter().map(Self::statement_name).collect();
        Ok(Reach { silent, held, on_this_device_only, text })
    }
}
