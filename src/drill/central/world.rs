//! The lines, the terminals and the centre: who reaches the one record, and what the deeds of events do to that.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::record::{Record, Says};
use crate::drill::course::{Able, AbleFrom, Act, Decision, Faults};
use crate::drill::deed::{Deed, PathState};
use crate::drill::scenario::{PatientAlias, Scenario};
use crate::drill::sim::act_of_write;
use crate::drill::sim::grid::Grid;
use crate::replica::request::Write;

/// The region with one centre.
pub(super) struct World<'s> {
    pub(super) scenario: &'s Scenario,
    pub(super) now: Duration,
    grid: Grid,
    /// The lines over which two only meet from time to time: to the grid they are down, and this is how they are.
    meeting: BTreeMap<usize, PathState>,
    centre: usize,
    /// Who reaches the centre.
    reaches: Vec<bool>,
    pub(super) able: Vec<AbleFrom>,
    pub(super) decisions: Vec<Decision>,
    pub(super) record: Record,
    /// The sheets of paper of each member, by their numbers in the record.
    paper: Vec<Vec<usize>>,
    people: BTreeMap<PatientAlias, u64>,
    next_person: u64,
    cut_since: BTreeMap<usize, Duration>,
    /// When each line was cut and healed.
    pub(super) outages: Vec<Vec<(Duration, Duration)>>,
    /// When the last path was cut.
    pub(super) last_cut: Option<Duration>,
    pub(super) faults: Faults,
}

impl<'s> World<'s> {
    /// Makes the world of a scenario at time zero; people of the script are numbered before all others.
    pub(super) fn new(scenario: &'s Scenario, script_people: usize) -> Self {
        let (mut grid, mut meeting) = (Grid::of(scenario), BTreeMap::new());
        // A bucket carries no terminal to a centre.
        grid.bucket_peers.fill(false);
        for (link, _) in scenario.links.iter().enumerate().filter(|(_, plan)| plan.meets_every.is_some()) {
            grid.lines[link].state = PathState::Down;
            meeting.insert(link, PathState::Up);
        }
        let count = scenario.replicas.len();
        let centre = centre(scenario, &grid);
        let mut world = Self {
            scenario,
            now: Duration::ZERO,
            grid,
            meeting,
            centre,
            reaches: vec![false; count],
            able: Vec::new(),
            decisions: Vec::new(),
            record: Record::default(),
            paper: vec![Vec::new(); count],
            people: BTreeMap::new(),
            next_person: script_people as u64,
            cut_since: BTreeMap::new(),
            outages: vec![Vec::new(); scenario.links.len()],
            last_cut: None,
            faults: Faults::default(),
        };
        let none = Able { read: false, write: false, linked: false };
        world.able.extend((0..count).map(|member| AbleFrom { at: Duration::ZERO, member, able: none }));
        world.settle();
        world
    }

    /// Returns where the centre stands.
    pub(super) fn centre(&self) -> usize {
        self.centre
    }

    /// Says whether the terminal of a site has power.
    pub(super) fn runs(&self, member: usize) -> bool {
        self.grid.runs(member)
    }

    /// Says whether a site reaches the centre.
    pub(super) fn reaches(&self, member: usize) -> bool {
        self.reaches[member]
    }

    /// Says whether some line comes and goes by itself.
    pub(super) fn flaps(&self) -> bool {
        self.grid.lines.iter().any(|line| line.profile().flap.is_some())
    }

    /// Sees who reaches the centre now; whoever does types in what is on paper.
    pub(super) fn settle(&mut self) {
        let reaches = self.looked();
        for (member, now) in reaches.iter().copied().enumerate() {
            if now {
                self.type_in(member);
            }
            if now != self.reaches[member] {
                let able = Able { read: now, write: now, linked: now };
                let mut just_now = self.able.iter_mut().rev().take_while(|from| from.at == self.now);
                match just_now.find(|from| from.member == member) {
                    Some(from) => from.able = able,
                    None => self.able.push(AbleFrom { at: self.now, member, able }),
                }
            }
        }
        self.reaches = reaches;
    }

    /// Lets two who meet from time to time meet: if one of them reaches the centre, the other's paper is typed in there.
    pub(super) fn meet(&mut self, link: usize) {
        let Some(state) = self.meeting.get(&link).cloned() else { return };
        self.grid.lines[link].state = state;
        let reaches = self.looked();
        for end in self.grid.lines[link].ends {
            if reaches[end] {
                self.type_in(end);
            }
        }
        self.grid.lines[link].state = PathState::Down;
    }

    fn looked(&self) -> Vec<bool> {
        let serves = self.grid.runs(self.centre) && self.grid.bucket;
        let groups = self.grid.groups(self.now, |_| true);
        let ours = groups[self.centre].filter(|_| serves);
        groups.into_iter().map(|group| group.is_some() && group == ours).collect()
    }

    fn type_in(&mut self, member: usize) {
        for sheet in std::mem::take(&mut self.paper[member]) {
            self.record.enter(self.now, sheet);
        }
    }

    /// Notes that somebody acts for a person, with or without the record.
    pub(super) fn decide(&mut self, member: usize, person: u64, act: Act) {
        let reaches = self.reaches(member);
        let unknown: Vec<Duration> = self.record.unknown(member, person, reaches).collect();
        let oldest = unknown.iter().min().copied().unwrap_or(self.now);
        self.decisions.push(Decision {
            at: self.now,
            member,
            person,
            act,
            read: reaches,
            written: reaches,
            unknown: u32::try_from(unknown.len()).unwrap_or(u32::MAX),
            stale: self.now.saturating_sub(oldest),
        });
    }

    /// Lets somebody at a site that has power say something about a person: on the screen, or on paper.
    pub(super) fn say(&mut self, member: usize, person: u64, says: Says) {
        let on_screen = self.reaches[member];
        let number = self.record.say(self.now, member, person, says, on_screen);
        if !on_screen {
            self.paper[member].push(number);
        }
    }

    /// Carries out a deed.
    ///
    /// # Errors
    /// Why it cannot be done, when somebody is to write where there is no power.
    pub(super) fn carry_out(&mut self, deed: &Deed) -> Result<(), String> {
        match deed {
            Deed::Register { at, alias, .. } => self.act(*at, alias, (Act::Register, Says::Other)),
            Deed::Write { at, patient, write } => {
                self.act(*at, patient, (act_of_write(write), Says::of_write(write)))
            }
            // In a central system nobody is registered twice unawares.
            Deed::Tie { at, patients: [patient, _], .. } => self.act(*at, patient, (Act::Other, Says::Other)),
            Deed::Handover { at, patient, .. } => self.act(*at, patient, (Act::Note, Says::Other)),
            Deed::KillInMidWrite { at, patient, after_writes, writers: _ } => {
                let note = Says::of_write(&Write::Note { text: String::new(), title: None });
                for _ in 0..*after_writes {
                    self.write(*at, patient, note.clone())?;
                }
                self.power(*at, false);
                Ok(())
            }
            Deed::Start { at } => {
                self.power(*at, true);
                Ok(())
            }
            Deed::Stop { at } | Deed::PowerCut { at } | Deed::Crash { at } => {
                self.power(*at, false);
                Ok(())
            }
            Deed::DestroyDisk { at } => {
                self.power(*at, false);
                self.grid.nodes[*at].disk = false;
                self.faults.disks_lost += 1;
                Ok(())
            }
            Deed::Restore { at } => {
                self.grid.nodes[*at].disk = true;
                Ok(())
            }
            Deed::Freeze { at, frozen } => {
                self.faults.freezes += u64::from(*frozen && !self.grid.nodes[*at].frozen);
                self.grid.nodes[*at].frozen = *frozen;
                Ok(())
            }
            Deed::Path { link, state } => {
                self.path(*link, state);
                Ok(())
            }
            Deed::Bucket { reachable } => {
                self.grid.bucket = *reachable;
                Ok(())
            }
            // What a terminal does not have, or what takes no time.
            Deed::Import { .. }
            | Deed::ImportList { .. }
            | Deed::WaitConverged { .. }
            | Deed::Backup
            | Deed::DiskFull { .. }
            | Deed::DiskCorrupt { .. }
            | Deed::CopyDisk { .. }
            | Deed::PackStick { .. }
            | Deed::ReadStick { .. }
            | Deed::HandCard { .. }
            | Deed::SetBack { .. }
            | Deed::Clock { .. }
            | Deed::Lie { .. } => Ok(()),
        }
    }

    /// Somebody acts for a patient of the scenario, as an event says.
    fn act(&mut self, at: usize, alias: &PatientAlias, (act, says): (Act, Says)) -> Result<(), String> {
        let person = self.patient(at, alias)?;
        self.decide(at, person, act);
        self.say(at, person, says);
        Ok(())
    }

    fn write(&mut self, at: usize, alias: &PatientAlias, says: Says) -> Result<(), String> {
        let person = self.patient(at, alias)?;
        self.say(at, person, says);
        Ok(())
    }

    /// Finds a patient of the scenario where there is power to write.
    fn patient(&mut self, at: usize, alias: &PatientAlias) -> Result<u64, String> {
        self.settle();
        if !self.runs(at) {
            return Err(format!("{} has no power", self.scenario.replicas[at].name));
        }
        Ok(*self.people.entry(alias.clone()).or_insert_with(|| {
            self.next_person += 1;
            self.next_person - 1
        }))
    }

    /// Returns how the scenario calls the patients whom its events name.
    pub(super) fn patients(&self) -> impl Iterator<Item = (u64, String)> {
        self.people.iter().map(|(alias, person)| {
            let plan = self.scenario.patients.get(alias);
            let called = plan.map_or_else(|| alias.0.clone(), |plan| format!("{} ({alias})", plan.find));
            (*person, called)
        })
    }

    fn power(&mut self, at: usize, on: bool) {
        let node = &mut self.grid.nodes[at];
        if on && node.disk {
            node.up = true;
        } else if !on && node.up {
            node.up = false;
            self.faults.power_cuts += 1;
        }
    }

    fn path(&mut self, link: usize, state: &PathState) {
        let cut = *state != PathState::Up;
        if matches!(state, PathState::Down | PathState::OneWay { .. }) {
            self.last_cut = Some(self.now);
        }
        match self.meeting.get_mut(&link) {
            Some(meeting) => *meeting = state.clone(),
            None => self.grid.lines[link].state = state.clone(),
        }
        if cut {
            self.cut_since.entry(link).or_insert(self.now);
        } else if let Some(since) = self.cut_since.remove(&link) {
            self.outages[link].push((since, self.now));
        }
    }

    /// Ends the outages that last to the end.
    pub(super) fn end(&mut self) {
        for (link, since) in std::mem::take(&mut self.cut_since) {
            self.outages[link].push((since, self.now));
        }
    }
}

/// Finds where the centre stands: at `[cloud]`, else at the gateway, else where most lines meet, of equals the first.
fn centre(scenario: &Scenario, grid: &Grid) -> usize {
    let named = scenario.cloud.as_ref().or(scenario.gateway.as_ref()).and_then(|name| scenario.index(name));
    named.unwrap_or_else(|| {
        let others = |node: &usize| {
            let lines = grid.lines_of(*node).iter().map(|line| grid.lines[*line].other(*node));
            lines.collect::<BTreeSet<usize>>().len()
        };
        (0..scenario.replicas.len()).rev().max_by_key(others).unwrap_or(0)
    })
}
