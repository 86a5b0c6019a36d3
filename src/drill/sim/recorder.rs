//! Writes the course of a run while it happens.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::drill::course::{Able, AbleFrom, Decision, Faults, Happening, LinkCourse, RestoreCourse, Reunion};
use crate::drill::scenario::{Scenario, Told};

const HOUR: Duration = Duration::from_secs(3_600);

/// What has been written so far.
pub(in crate::drill) struct Recorder {
    pub(in crate::drill) happenings: Vec<Happening>,
    pub(in crate::drill) able: Vec<AbleFrom>,
    now_able: BTreeMap<usize, Able>,
    pub(in crate::drill) decisions: Vec<Decision>,
    pub(in crate::drill) links: Vec<LinkCourse>,
    cut_since: BTreeMap<usize, Duration>,
    pub(in crate::drill) reunions: Vec<Reunion>,
    /// Something is broken.
    broken: bool,
    /// Everything is whole again since then, and not all hold the same yet.
    healing: Option<Duration>,
    pub(in crate::drill) restores: Vec<RestoreCourse>,
    pub(in crate::drill) faults: Faults,
    pub(in crate::drill) sync_bytes: u64,
    pub(in crate::drill) backup_bytes: u64,
}

impl Recorder {
    /// Starts before anything has happened.
    pub(in crate::drill) fn of(scenario: &Scenario) -> Self {
        let link = |plan: &crate::drill::scenario::LinkPlan| LinkCourse {
            ends: plan.ends,
            profile: plan.profile_name.clone(),
            bytes_by_hour: Vec::new(),
            quota_bytes_per_day: plan.quota_bytes_per_day(),
            metered_from: Duration::ZERO,
            outages: Vec::new(),
        };
        Self {
            happenings: Vec::new(),
            able: Vec::new(),
            now_able: BTreeMap::new(),
            decisions: Vec::new(),
            links: scenario.links.iter().map(link).collect(),
            cut_since: BTreeMap::new(),
            reunions: Vec::new(),
            broken: false,
            healing: None,
            restores: Vec::new(),
            faults: Faults::default(),
            sync_bytes: 0,
            backup_bytes: 0,
        }
    }

    /// Notes what a scenario made happen.
    pub(in crate::drill) fn happened(
        &mut self,
        at: Duration,
        event: &'static str,
        told: Told,
        members: Vec<usize>,
    ) {
        self.happenings.push(Happening { at, event, told, members, failed: None });
    }

    /// Notes that the last thing that happened could not be done.
    pub(in crate::drill) fn failed(&mut self, reason: &str) {
        if let Some(last) = self.happenings.last_mut() {
            last.failed = Some(reason.to_owned());
        }
    }

    /// Notes what people at a machine can do from now on.
    pub(in crate::drill) fn able(&mut self, at: Duration, member: usize, able: Able) {
        if self.now_able.insert(member, able) != Some(able) {
            self.able.push(AbleFrom { at, member, able });
        }
    }

    /// Notes bytes that travel over a link.
    pub(in crate::drill) fn sent(&mut self, at: Duration, link: usize, bytes: u64) {
        let hour = (at.as_secs() / HOUR.as_secs()) as usize;
        let by_hour = &mut self.links[link].bytes_by_hour;
        if by_hour.len() <= hour {
            by_hour.resize(hour + 1, 0);
        }
        by_hour[hour] += bytes;
        self.sync_bytes += bytes;
    }

    /// Notes that the bytes of a link are limited from now on; a limit that it had before is no more.
    pub(in crate::drill) fn metered(&mut self, at: Duration, link: usize, quota: u64) {
        let link = &mut self.links[link];
        if link.quota_bytes_per_day != Some(quota) {
            (link.quota_bytes_per_day, link.metered_from) = (Some(quota), at);
        }
    }

    /// Notes that a link is cut, or not.
    pub(in crate::drill) fn cut(&mut self, at: Duration, link: usize, cut: bool) {
        if cut {
            self.cut_since.entry(link).or_insert(at);
        } else if let Some(since) = self.cut_since.remove(&link) {
            self.links[link].outages.push((since, at));
        }
    }

    /// Notes whether everything is whole after something has changed.
    pub(in crate::drill) fn whole(&mut self, at: Duration, whole: bool) {
        if !whole {
            self.broken = true;
            if let Some(healed) = self.healing.take() {
                self.reunions.push(Reunion::broken_off(healed, at));
            }
        } else if std::mem::take(&mut self.broken) {
            self.healing = Some(at);
        }
    }

    /// Says since when everything is whole and not yet equal.
    pub(in crate::drill) fn healing(&self) -> Option<Duration> {
        self.healing
    }

    /// Notes that all hold the same, and who was the last to hear anything new.
    pub(in crate::drill) fn converged(&mut self, at: Duration, last: Option<usize>) {
        if let Some(healed) = self.healing.take() {
            self.reunions.push(Reunion::converged(healed, at).last(last));
        }
    }

    /// Ends the course.
    pub(in crate::drill) fn end(&mut self, at: Duration) {
        if let Some(healed) = self.healing.take() {
            self.reunions.push(Reunion::broken_off(healed, at));
        }
        for (link, since) in std::mem::take(&mut self.cut_since) {
            self.links[link].outages.push((since, at));
        }
    }
}
