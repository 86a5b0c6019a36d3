//! From a scenario's people and workloads to a script: who does what with whom, where and when.

use std::time::Duration;

use super::{acts, words};
use crate::base::Area;
use crate::drill::chance::Chance;
use crate::drill::people::{self, Person};
use crate::drill::scenario::{Acts, Scenario, WorkloadPlan};
use crate::replica::request::Write;

/// The share of what is written into other sections, where a workload writes all.
const OTHER_SECTIONS: f64 = 0.6;
/// How often somebody elsewhere writes about the same thing at the same moment, where a workload writes all.
const CONTRARY: f64 = 0.4;
/// People of the region are on record within this time after time zero.
const REGISTERED_WITHIN: Duration = Duration::from_secs(30 * 60);
/// How many of the last people of an area are looked after again.
const ABOUT_MAX: usize = 64;
/// Most operations of one script.
pub const OPERATIONS_MAX: usize = 2_000_000;

/// Somebody whom the script knows of.
#[derive(Debug, Clone)]
pub struct ScriptPerson {
    /// Who it is.
    pub person: Person,
    /// The area in which the record is opened.
    pub area: Area,
    /// Whether the person could say a name.
    pub named: bool,
}

/// What somebody does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// Receives the person: opens a record unless one is known.
    Receive,
    /// Writes a note.
    Note(String),
    /// Records an allergy to a substance.
    Allergy(&'static str),
    /// Refutes it.
    Refute(&'static str),
    /// Starts a drug.
    Start(&'static str, &'static str),
    /// Changes its dose.
    Change(&'static str, &'static str),
    /// Stops it.
    Stop(&'static str),
    /// Writes at the end of the hand-over text.
    Handover(String),
    /// Writes something into another section.
    Write(Write),
    /// Annotates the first statement that is known of the person.
    Annotate(String),
    /// Settles the first contradiction that is open; keeps the side of this number, counted round.
    Decide(usize),
}

/// One operation.
#[derive(Debug, Clone)]
pub struct Operation {
    /// When.
    pub at: Duration,
    /// The replica.
    pub member: usize,
    /// The person, by place in [`Script::people`].
    pub person: usize,
    /// What is done.
    pub task: Task,
}

/// All that people do by themselves in a drill.
#[derive(Debug, Clone, Default)]
pub struct Script {
    /// The people.
    pub people: Vec<ScriptPerson>,
    /// The operations, in order of time.
    pub operations: Vec<Operation>,
}

/// What the script has let happen to a person so far.
#[derive(Debug, Clone, Default)]
struct Story {
    allergies: Vec<&'static str>,
    drugs: Vec<usize>,
}

struct Author<'s> {
    scenario: &'s Scenario,
    script: Script,
    stories: Vec<Story>,
    /// The people last seen in each area, by the place of its first replica that holds it.
    about: std::collections::BTreeMap<Area, Vec<usize>>,
    residents: std::collections::BTreeMap<Area, Vec<usize>>,
}

impl Script {
    /// Writes the script of a scenario; `chance` is the run's own, of its seed.
    pub fn of(scenario: &Scenario, chance: &Chance) -> Self {
        let (script, stories) = (Script::default(), Vec::new());
        let (about, residents) = Default::default();
        let mut author = Author { scenario, script, stories, about, residents };
        author.residents(&mut chance.fork("residents"));
        let mut contacts = Vec::new();
        for (number, workload) in scenario.workloads.iter().enumerate() {
            let mut chance = chance.fork(&format!("workload {number}"));
            contacts.extend(times(workload, number, &mut chance));
        }
        contacts.sort_by_key(|contact| (contact.at, contact.member, contact.workload));
        let mut chance = chance.fork("contacts");
        for contact in contacts {
            author.contact(&contact, &mut chance);
        }
        // Stable: what was written for one time stays in its order.
        author.script.operations.sort_by_key(|operation| operation.at);
        author.script
    }
}

struct Contact {
    at: Duration,
    member: usize,
    workload: usize,
    arrives: bool,
}

/// Draws when people come and when somebody writes.
fn times(plan: &WorkloadPlan, workload: usize, chance: &mut Chance) -> Vec<Contact> {
    let mut contacts = Vec::new();
    for member in &plan.at {
        for (rate, arrives) in [(plan.arrivals_per_hour, true), (plan.notes_per_hour, false)] {
            if rate <= 0.0 {
                continue;
            }
            let mut at = plan.from;
            loop {
                // Exponential pauses: arrivals of a Poisson process.
                let hours = -(1.0 - chance.unit()).ln() / rate;
                at += Duration::from_secs_f64((hours * 3_600.0).min(1e9));
                if at >= plan.until || contacts.len() >= OPERATIONS_MAX {
                    break;
                }
                contacts.push(Contact { at, member: *member, workload, arrives });
            }
        }
    }
    contacts
}

impl Author<'_> {
    /// The people who are on record before anything happens.
    fn residents(&mut self, chance: &mut Chance) {
        for plan in self.scenario.people.clone() {
            for number in 0..plan.count as usize {
                let Some(home) = plan.homes.get(number % plan.homes.len().max(1)) else { continue };
                let at = REGISTERED_WITHIN.mul_f64(chance.unit());
                let person = self.somebody(*home, true, chance);
                let area = self.script.people[person].area.clone();
                self.residents.entry(area).or_default().push(person);
                self.act(at, *home, person, Task::Receive);
                if chance.share(plan.allergies) {
                    let substance = words::SUBSTANCES[chance.below(8) as usize];
                    self.stories[person].allergies.push(substance);
                    self.act(at, *home, person, Task::Allergy(substance));
                }
                if chance.share(plan.medications) {
                    let drug = chance.below(8) as usize;
                    self.stories[person].drugs.push(drug);
                    let (name, doses) = words::DRUGS[drug];
                    self.act(at, *home, person, Task::Start(name, doses[0]));
                }
            }
        }
    }

    fn somebody(&mut self, member: usize, named: bool, chance: &mut Chance) -> usize {
        let number = self.script.people.len();
        let areas: Vec<&Area> = self.scenario.replicas[member].areas.iter().collect();
        let area = chance.pick(&areas).map_or_else(Area::common, |area| (*area).clone());
        let person = match named {
            true => people::person(number as u64, chance),
            false => {
                let place = self.scenario.replicas[member].site.clone();
                people::unnamed(&place, number as u64, chance)
            }
        };
        self.script.people.push(ScriptPerson { person, area, named });
        self.stories.push(Story::default());
        number
    }

    fn contact(&mut self, contact: &Contact, chance: &mut Chance) {
        let plan = &self.scenario.workloads[contact.workload];
        let (at, member) = (contact.at, contact.member);
        let areas: Vec<Area> = self.scenario.replicas[member].areas.iter().cloned().collect();
        let Some(area) = chance.pick(&areas).cloned() else { return };
        if contact.arrives {
            let known = self.residents.get(&area).filter(|_| chance.share(plan.known));
            let known = known.and_then(|residents| chance.pick(residents)).copied();
            let person = match known {
                Some(person) => person,
                None => self.somebody(member, !chance.share(plan.unnamed), chance),
            };
            let area = self.script.people[person].area.clone();
            let about = self.about.entry(area).or_default();
            about.push(person);
            if about.len() > ABOUT_MAX {
                about.remove(0);
            }
            self.act(at, member, person, Task::Receive);
            self.act(at, member, person, Task::Note(words::note(chance)));
            return;
        }
        let here = self.about.get(&area).into_iter().flatten();
        let here: Vec<usize> = here.chain(self.residents.get(&area).into_iter().flatten()).copied().collect();
        let Some(person) = chance.pick(&here).copied() else { return };
        let task = match plan.acts {
            Acts::All if chance.share(OTHER_SECTIONS) => {
                acts::draw(at, self.scenario.begins, plan.triage, chance)
            }
            Acts::All | Acts::Usual => self.task(person, plan, chance),
        };
        if plan.acts == Acts::All && chance.share(CONTRARY) {
            let elsewhere: Vec<usize> = plan
                .at
                .iter()
                .copied()
                .filter(|other| *other != member && self.scenario.replicas[*other].areas.contains(&area))
                .collect();
            let now = (at, self.scenario.begins);
            if let Some(other) = chance.pick(&elsewhere)
                && let Some(task) = acts::contrary(&task, now, plan.triage, chance)
            {
                self.act(at, *other, person, task);
            }
        }
        self.act(at, member, person, task);
    }

    fn task(&mut self, person: usize, plan: &WorkloadPlan, chance: &mut Chance) -> Task {
        let story = &mut self.stories[person];
        if chance.share(plan.allergies) {
            let substance = words::SUBSTANCES[chance.below(8) as usize];
            story.allergies.push(substance);
            return Task::Allergy(substance);
        }
        if chance.share(plan.refutations)
            && let Some(substance) = chance.pick(&story.allergies)
        {
            return Task::Refute(substance);
        }
        if chance.share(plan.prescriptions) {
            let again = chance.pick(&story.drugs).copied().filter(|_| chance.share(0.6));
            let drug = again.unwrap_or_else(|| chance.below(8) as usize);
            let (name, doses) = words::DRUGS[drug];
            let dose = doses[chance.below(2) as usize];
            return match again {
                Some(_) if chance.share(0.4) => Task::Stop(name),
                Some(_) => Task::Change(name, dose),
                None => {
                    story.drugs.push(drug);
                    Task::Start(name, dose)
                }
            };
        }
        if chance.share(plan.handovers) {
            return Task::Handover(words::handover(chance));
        }
        Task::Note(words::note(chance))
    }

    fn act(&mut self, at: Duration, member: usize, person: usize, task: Task) {
        if self.script.operations.len() < OPERATIONS_MAX {
            self.script.operations.push(Operation { at, member, person, task });
        }
    }
}
