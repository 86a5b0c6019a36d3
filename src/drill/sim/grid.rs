//! Which machines run and which lines are up: the world without what is in it. The simulation and the comparison
//! with a central system share it.

use std::time::Duration;

use crate::drill::course::Able;
use crate::drill::deed::PathState;
use crate::drill::scenario::{LinkPlan, Scenario};
use crate::transport::LinkProfile;

/// What a machine's surroundings allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Power {
    /// The replica runs.
    pub up: bool,
    /// It is stopped for a while (SIGSTOP).
    pub frozen: bool,
    /// Its disk is full.
    pub full: bool,
    /// It has a disk; none after it was destroyed.
    pub disk: bool,
}

/// A line between two machines.
#[derive(Debug, Clone)]
pub struct Line {
    /// Its ends.
    pub ends: [usize; 2],
    /// What it does to what passes, as planned.
    pub planned: LinkProfile,
    /// How it is.
    pub state: PathState,
}

/// All machines and lines.
#[derive(Debug, Clone)]
pub struct Grid {
    /// The machines, by their places in the scenario.
    pub nodes: Vec<Power>,
    /// The lines, by their places in the scenario.
    pub lines: Vec<Line>,
    /// The lines of each machine.
    lines_of: Vec<Vec<usize>>,
    /// Whether the bucket is reachable.
    pub bucket: bool,
    /// Who syncs through it.
    pub bucket_peers: Vec<bool>,
}

impl Line {
    fn of(plan: &LinkPlan) -> Self {
        Self { ends: plan.ends, planned: plan.profile.clone(), state: PathState::Up }
    }

    /// Returns what the line does to what passes now.
    pub fn profile(&self) -> &LinkProfile {
        match &self.state {
            PathState::Degraded(profile) => profile,
            PathState::Up | PathState::Down | PathState::OneWay { .. } => &self.planned,
        }
    }

    /// Returns the part of datagrams that is lost on the way towards an end (0 or 1).
    pub fn loss(&self, towards: usize) -> f64 {
        let profile = self.profile();
        f64::from(if towards == 1 { profile.loss_up } else { profile.loss_down })
    }

    /// Says whether anything passes towards an end at a time.
    pub fn passes(&self, towards: usize, now: Duration) -> bool {
        let cut = match self.state {
            PathState::Up | PathState::Degraded(_) => false,
            PathState::Down => true,
            PathState::OneWay { towards: open } => open != towards,
        };
        !cut && self.loss(towards) < 1.0 && self.profile().is_up(now.as_millis() as u64)
    }

    /// Says whether a conversation is possible at a time.
    pub fn is_usable(&self, now: Duration) -> bool {
        self.passes(0, now) && self.passes(1, now)
    }

    /// Returns when the line next comes up by itself, if it flaps and is down now.
    pub fn next_up(&self, now: Duration) -> Option<Duration> {
        let flap = self.profile().flap?;
        let cycle = u64::from(flap.up_ms.get()) + u64::from(flap.down_ms);
        let ms = now.as_millis() as u64;
        Some(Duration::from_millis((ms / cycle + 1) * cycle))
    }

    /// Returns the other end.
    pub fn other(&self, node: usize) -> usize {
        if self.ends[0] == node { self.ends[1] } else { self.ends[0] }
    }
}

impl Grid {
    /// Starts with everything up.
    pub fn of(scenario: &Scenario) -> Self {
        let mut lines_of = vec![Vec::new(); scenario.replicas.len()];
        for (number, link) in scenario.links.iter().enumerate() {
            link.ends.iter().for_each(|end| lines_of[*end].push(number));
        }
        let power = Power { up: true, frozen: false, full: false, disk: true };
        Self {
            nodes: vec![power; scenario.replicas.len()],
            lines: scenario.links.iter().map(Line::of).collect(),
            lines_of,
            bucket: true,
            bucket_peers: scenario.replicas.iter().map(|plan| plan.bucket_every.is_some()).collect(),
        }
    }

    /// Returns the lines of a machine.
    pub fn lines_of(&self, node: usize) -> &[usize] {
        &self.lines_of[node]
    }

    /// Says whether a machine runs and answers.
    pub fn runs(&self, node: usize) -> bool {
        let power = self.nodes[node];
        power.up && !power.frozen
    }

    /// Says whether a line can be used now: it passes both ways and both its ends run.
    pub fn is_usable(&self, line: usize, now: Duration) -> bool {
        let it = &self.lines[line];
        it.is_usable(now) && it.ends.iter().all(|end| self.runs(*end))
    }

    /// Returns what people at a machine can do.
    pub fn able(&self, node: usize, now: Duration) -> Able {
        let (runs, power) = (self.runs(node), self.nodes[node]);
        let by_line = || self.lines_of[node].iter().any(|line| self.is_usable(*line, now));
        let linked = runs && (self.bucket && self.bucket_peers[node] || by_line());
        Able { read: runs, write: runs && !power.full, linked }
    }

    /// Says whether nothing is broken: lines as planned, every machine that has a disk runs, the bucket answers.
    pub fn is_whole(&self) -> bool {
        self.bucket
            && self.lines.iter().all(|line| line.state == PathState::Up)
            && self.nodes.iter().all(|power| (power.up && !power.frozen && !power.full) || !power.disk)
    }

    /// Numbers the groups of machines that can reach each other through machines that take part, or through the bucket; one that does not, or
    /// does not run, has none.
    pub fn groups(&self, now: Duration, takes_part: impl Fn(usize) -> bool) -> Vec<Option<usize>> {
        let mut group: Vec<Option<usize>> = vec![None; self.nodes.len()];
        for start in 0..self.nodes.len() {
            if group[start].is_some() || !self.runs(start) || !takes_part(start) {
                continue;
            }
            let mut open = vec![start];
            group[start] = Some(start);
            while let Some(node) = open.pop() {
                if self.bucket && self.bucket_peers[node] {
                    for other in (0..self.nodes.len()).filter(|other| self.bucket_peers[*other]) {
                        if group[other].is_none() && self.runs(other) && takes_part(other) {
                            group[other] = Some(start);
                            open.push(other);
                        }
                    }
                }
                for line in self.lines_of[node].iter().filter(|line| self.is_usable(**line, now)) {
                    let other = self.lines[*line].other(node);
                    if group[other].is_none() && takes_part(other) {
                        group[other] = Some(start);
                        open.push(other);
                    }
                }
            }
        }
        group
    }
}
