//! Looking back at possible harm: what each author's replica had heard, read from the horizons of their lanes.
//!
//! What is damaged here tells nothing: then it is unknown who knew, and the alert is shown all the same.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::core::Replica;
use super::error::ReplicaError;
use super::harm::{HarmShown, KnownSince, LastHeard, WritingShown};
use super::held_lanes::{HeldLane, HeldLanes, unless_lost};
use super::knowing::Known;
use super::subject::PersonFacts;
use crate::base::{LaneId, WallMs};
use crate::record::facts::{Fact, Standing};
use crate::record::linking::person::joined_when_written;
use crate::record::safety::Alert;
use crate::record::safety::hindsight::{Heard, Hindsight, Writing, look_back};
use crate::store::StoreError;

/// Most alerts of one person that are looked back at, the most severe first.
const ALERTS_MAX: usize = 50;

/// What is read for one answer.
struct Readings {
    lanes: HeldLanes,
    /// What the authors of entries had heard, each read once; none where nothing tells.
    horizons: HashMap<(LaneId, u64), Option<Known>>,
}

impl Replica {
    /// Looks back at each alert of a person; none where one device wrote all of it.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) fn looked_back(
        &self,
        person: &PersonFacts,
        alerts: &[Alert],
    ) -> Result<Vec<Option<HarmShown>>, ReplicaError> {
        if alerts.is_empty() {
            return Ok(Vec::new());
        }
        let facts = person.joined();
        let mut read = Readings { lanes: self.held_lanes(), horizons: HashMap::new() };
        let mut shown = Vec::with_capacity(alerts.len());
        for (place, alert) in alerts.iter().enumerate() {
            if place >= ALERTS_MAX {
                shown.push(None);
                continue;
            }
            let mut heard = |by: &Fact, of: &Fact| self.could_know(&mut read, by, of);
            let found = look_back(&facts, alert, &mut heard)?;
            shown.push(found.map(|found| self.harm_shown(&mut read, alert, &found)).transpose()?);
        }
        Ok(shown)
    }

    /// Tells whether the author of a statement could know of another one.
    fn could_know(&self, read: &mut Readings, by: &Fact, of: &Fact) -> Result<Heard, ReplicaError> {
        // Of what was imported the author was elsewhere; above a fork heights do not tell branches apart.
        if by.origin.is_some() || by.standing == Standing::Disputed || of.standing == Standing::Disputed {
            return Ok(Heard::Unknown);
        }
        let is_linked = by.record == of.record || joined_when_written(by).contains(&of.record);
        if by.position.lane == of.position.lane {
            return Ok(match is_linked {
                _ if of.position.seq > by.position.seq => Heard::No,
                true => Heard::Yes,
                false => Heard::Unlinked,
            });
        }
        let Some(known) = self.horizon_of(read, by)? else { return Ok(Heard::Unknown) };
        Ok(match known.holds(&of.position.lane, of.position.seq) {
            _ if !is_linked => Heard::Unlinked,
            true => Heard::Yes,
            // It may have been heard as what another lane carries.
            false if of.areas.len() > 1 || self.lane_name(&of.position.lane).is_none() => Heard::Unknown,
            false => Heard::No,
        })
    }

    fn horizon_of<'h>(&self, read: &'h mut Readings, fact: &Fact) -> Result<Option<&'h Known>, ReplicaError> {
        let (lane, seq) = (fact.position.lane, fact.position.seq);
        let known = match read.horizons.entry((lane, seq)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unread) => unread.insert(self.heard_before(&mut read.lanes, &lane, seq)?),
        };
        Ok(known.as_ref())
    }

    fn harm_shown(
        &self,
        read: &mut Readings,
        alert: &Alert,
        found: &Hindsight<'_>,
    ) -> Result<HarmShown, ReplicaError> {
        let mut writings = Vec::with_capacity(found.writings.len());
        for writing in &found.writings {
            writings.push(self.writing_shown(read, writing)?);
        }
        let possible_since = found.possible_since.time.wall();
        let known_since = found.known_since.map(|fact| {
            let (device, site) = self.device_told(&fact.device);
            let statement = Self::statement_name(&fact.position);
            KnownSince { time: fact.time.wall(), device, site, statement }
        });
        let hidden = known_since.as_ref().map(|known| known.time.0.saturating_sub(possible_since.0));
        Ok(HarmShown {
            kind: alert.kind,
            pair: alert.pair.clone(),
            writings,
            possible_since,
            hidden_ms: hidden,
            known_since,
            untold: found.untold,
        })
    }

    fn writing_shown(
        &self,
        read: &mut Readings,
        writing: &Writing<'_>,
    ) -> Result<WritingShown, ReplicaError> {
        let fact = writing.fact;
        let mut last_heard = Vec::new();
        for other in &writing.unheard {
            let lanes = read.lanes.of_device(other);
            let heard = match self.horizon_of(read, fact)? {
                Some(known) => unless_lost(self.last_heard(known, &lanes))?,
                None => Some(None),
            };
            let (device, site) = self.device_told(other);
            let (time, unread) = (heard.flatten(), heard.is_none());
            last_heard.push(LastHeard { device, site, time, unread });
        }
        let (device, site) = self.device_told(&fact.device);
        Ok(WritingShown {
            statement: Self::statement_name(&fact.position),
            what: writing.what.clone(),
            who: (fact.author.name.clone(), fact.author.role.clone()),
            device,
            site,
            time: fact.time.wall(),
            is_order: writing.is_order,
            knew: writing.knew,
            overrode: writing.overrode,
            last_heard,
        })
    }

    /// When a device wrote the last that was heard of its lanes, by its own clock.
    fn last_heard(&self, known: &Known, lanes: &[HeldLane]) -> Result<Option<WallMs>, StoreError> {
        let mut last = None;
        for lane in lanes {
            let height = known.height(&lane.id).min(lane.size);
            let written = self.last_written(&lane.id, height, WallMs(u64::MAX))?;
            last = last.max(written.map(|(_, time)| time));
        }
        Ok(last)
    }
}
