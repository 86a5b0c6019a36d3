//! Paths of a live run: cut, healed, spoilt; and waiting until all who reach each other hold the same.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::steps::Live;
use crate::base::{Area, Digest, Part};
use crate::drill::convergence::differences;
use crate::drill::deed::PathState;
use crate::drill::error::StepFailure;
use crate::drill::scenario::ReplicaName;
use crate::drill::story::Outcome;
use crate::replica::answer::Status;
use crate::transport::{LinkProfile, Loss};

/// How often replicas are asked whether they hold the same.
const ASK_EVERY: Duration = Duration::from_millis(100);

impl Live<'_> {
    pub(super) async fn wait_converged(&mut self, within: Duration) -> Result<Outcome, StepFailure> {
        let begun = Instant::now();
        loop {
            let differing = self.differing().await?;
            if differing.is_empty() {
                self.record.equal();
                if let Some(healed) = self.healed.take() {
                    self.seen.converge_after_heal_s = Some(healed.elapsed().as_secs_f64());
                }
                return Ok(Outcome::Converged { after: begun.elapsed() });
            }
            if begun.elapsed() >= within {
                self.healed = None;
                self.record.not_equal();
                return Err(StepFailure(format!(
                    "still different after {within:?}: {}",
                    differing.join("; ")
                )));
            }
            sleep(ASK_EVERY).await;
        }
    }

    /// Names what differs of an area between replicas that run and can reach each other through holders of it.
    async fn differing(&self) -> Result<Vec<String>, StepFailure> {
        let (scenario, statuses) = (self.region.scenario(), self.region.statuses().await?);
        let shared: BTreeSet<&Area> = scenario.replicas.iter().flat_map(|plan| &plan.areas).collect();
        let common = Area::common();
        let mut found = Vec::new();
        for area in shared.into_iter().filter(|area| !area.is_private()).chain([&common]) {
            for part in Part::ALL {
                let holds = |place: usize| scenario.replicas[place].holds(area, part);
                let group_of = self.record.grid().groups(self.record.now(), holds);
                let mut groups: BTreeMap<usize, BTreeMap<ReplicaName, Status>> = BTreeMap::new();
                for (name, status) in &statuses {
                    let place = scenario.index(name);
                    if let Some(group) = place.and_then(|place| group_of.get(place).copied().flatten()) {
                        let mut status = status.clone();
                        status.groups.retain(|heads| heads.area == *area && heads.part == part);
                        // Of the whole nothing is said here: others may hold other areas and parts.
                        (status.areas, status.heads) = ([area.clone()].into(), Digest([0; 32]));
                        groups.entry(group).or_default().insert(name.clone(), status);
                    }
                }
                found.extend(groups.values().flat_map(differences));
            }
        }
        Ok(found)
    }

    pub(super) async fn path(&mut self, link: usize, state: &PathState) -> Result<Outcome, StepFailure> {
        let scenario = self.region.scenario();
        let plan = scenario.links.get(link).ok_or_else(|| StepFailure(format!("there is no link {link}")))?;
        match state {
            PathState::Down => self.note_cut(),
            PathState::Up => self.note_heal().await?,
            PathState::OneWay { .. } | PathState::Degraded(_) => {}
        }
        for (dialler, relay) in self.region.relays(link).iter().enumerate() {
            let profile = match state {
                PathState::Up | PathState::Down => plan.profile.clone(),
                PathState::Degraded(profile) => profile.clone(),
                // Up is from the dialling end to the other.
                PathState::OneWay { towards } if *towards == dialler => {
                    LinkProfile { loss_up: Loss::ALL, ..plan.profile.clone() }
                }
                PathState::OneWay { .. } => LinkProfile { loss_down: Loss::ALL, ..plan.profile.clone() },
            };
            relay.set_profile(profile);
            if *state == PathState::Down { relay.cut() } else { relay.heal() }
        }
        let quota = match state {
            PathState::Degraded(profile) => profile.bytes_per_day,
            PathState::Up | PathState::Down | PathState::OneWay { .. } => plan.profile.bytes_per_day,
        };
        self.region.set_quota(link, quota.map(NonZeroU64::get)).await?;
        Ok(Outcome::Done)
    }

    pub(super) async fn bucket(&mut self, reachable: bool) -> Result<Outcome, StepFailure> {
        if reachable {
            self.note_heal().await?
        } else {
            self.note_cut()
        }
        match (self.region.bucket(), reachable) {
            (Some(bucket), true) => bucket.heal()?,
            (Some(bucket), false) => bucket.cut()?,
            (None, _) => {}
        }
        Ok(Outcome::Done)
    }

    fn note_cut(&mut self) {
        self.cut = true;
        self.cut_at = Some(Instant::now());
    }

    async fn note_heal(&mut self) -> Result<(), StepFailure> {
        // Of several cuts the last one counts.
        if std::mem::take(&mut self.cut) {
            self.seen.before_heal = self.region.statuses().await?;
        }
        self.healed = Some(Instant::now());
        Ok(())
    }
}
