//! Looking back at possible harm: what each author's replica had heard, read from the horizons of their lanes.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::core::Replica;
use super::error::ReplicaError;
use super::harm::{HarmShown, KnownSince, LastHeard, WritingShown};
use super::knowing::Known;
use super::subject::PersonFacts;
use crate::base::{DeviceId, LaneId, WallMs};
use crate::record::facts::{Fact, Standing};
use crate::record::linking::person::joined_when_written;
use crate::record::safety::Alert;
use crate::record::safety::hindsight::{Heard, Hindsight, Writing, look_back};

/// Most alerts of one person that are looked back at, the most severe first.
const ALERTS_MAX: usize = 50;

/// What the authors of entries had heard, each read once; none where nothing tells.
type Horizons = HashMap<(LaneId, u64), Option<Known>>;

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
        let (facts, mut horizons) = (person.joined(), Horizons::new());
        let mut shown = Vec::with_capacity(alerts.len());
        for (place, alert) in alerts.iter().enumerate() {
            if place >= ALERTS_MAX {
                shown.push(None);
                continue;
            }
            let mut heard = |by: &Fact, of: &Fact| self.could_know(&mut horizons, by, of);
            let found = look_back(&facts, alert, &mut heard)?;
            shown.push(found.map(|found| self.harm_shown(&mut horizons, alert, &found)).transpose()?);
        }
        Ok(shown)
    }

    /// Tells whether the author of a statement could know of another one.
    fn could_know(&self, horizons: &mut Horizons, by: &Fact, of: &Fact) -> Result<Heard, ReplicaError> {
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
        let Some(known) = self.horizon_of(horizons, by)? else { return Ok(Heard::Unknown) };
        Ok(match known.holds(&of.position.lane, of.position.seq) {
            _ if !is_linked => Heard::Unlinked,
            true => Heard::Yes,
            // It may have been heard as what another lane carries.
            false if of.areas.len() > 1 || self.lane_name(&of.position.lane).is_none() => Heard::Unknown,
            false => Heard::No,
        })
    }

    fn horizon_of<'h>(
        &self,
        horizons: &'h mut Horizons,
        fact: &Fact,
    ) -> Result<Option<&'h Known>, ReplicaError> {
        let (lane, seq) = (fact.position.lane, fact.position.seq);
        let read = match horizons.entry((lane, seq)) {
            Entry::Occupied(read) => read.into_mut(),
            Entry::Vacant(unread) => unread.insert(self.heard_before(&fact.device, &lane, seq)?),
        };
        Ok(read.as_ref())
    }

    fn harm_shown(
        &self,
        horizons: &mut Horizons,
        alert: &Alert,
        found: &Hindsight<'_>,
    ) -> Result<HarmShown, ReplicaError> {
        let mut writings = Vec::with_capacity(found.writings.len());
        for writing in &found.writings {
            writings.push(self.writing_shown(horizons, writing)?);
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
        horizons: &mut Horizons,
        writing: &Writing<'_>,
    ) -> Result<WritingShown, ReplicaError> {
        let fact = writing.fact;
        let mut last_heard = Vec::new();
        for other in &writing.unheard {
            let time = match self.horizon_of(horizons, fact)? {
                Some(known) => self.last_heard(known, other)?,
                None => None,
            };
            let (device, site) = self.device_told(other);
            last_heard.push(LastHeard { device, site, time });
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

    /// When a device wrote the last that was heard of it, by its own clock.
    fn last_heard(&self, known: &Known, device: &DeviceId) -> Result<Option<WallMs>, ReplicaError> {
        let mut last = None;
        for (lane, state) in self.lanes().into_iter().filter(|(_, state)| state.name.device == *device) {
            let height = known.height(&lane).min(state.size());
            let written = self.last_written(&lane, height, WallMs(u64::MAX))?;
            last = last.max(written.map(|(_, time)| time));
        }
        Ok(last)
    }
}
