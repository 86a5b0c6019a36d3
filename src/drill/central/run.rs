//! From a scenario and a seed to the course of the central system.

use std::collections::BTreeMap;
use std::time::Duration;

use super::dangers;
use super::record::Says;
use super::world::World;
use crate::drill::chance::Chance;
use crate::drill::course::{Course, Happening, LinkCourse, Member, Mode};
use crate::drill::deed::Deed;
use crate::drill::scenario::{EventPlan, Scenario, Told};
use crate::drill::sim::act_of;
use crate::drill::workload::Script;

/// How often is looked who reaches the centre while some line comes and goes by itself.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// How long a drill goes on after its last event at most, when the scenario does not say when it ends.
const AFTERWARDS_MAX: Duration = Duration::from_secs(3_600);

/// Something that is due.
enum Due {
    /// An operation of the script.
    Operation(usize),
    /// A deed of an event that is done some time after it.
    Deed(Box<Deed>),
    /// Two that meet from time to time meet.
    Meet(usize),
    /// Some line may have come or gone by itself.
    Look,
}

struct Player<'s> {
    world: World<'s>,
    script: Script,
    chance: Chance,
    /// What is due, by time and then in the order of scheduling.
    queue: BTreeMap<(Duration, u64), Due>,
    scheduled: u64,
    looking: bool,
    happenings: Vec<Happening>,
}

/// Plays a scenario with a central system. Equal scenarios and seeds give equal courses.
pub fn central(scenario: &Scenario, seed: u64) -> Course {
    let chance = Chance::of_seed(seed);
    let script = Script::of(scenario, &chance.fork("script"));
    let mut player = Player {
        world: World::new(scenario, script.people.len()),
        script,
        chance,
        queue: BTreeMap::new(),
        scheduled: 0,
        looking: false,
        happenings: Vec::new(),
    };
    player.begin();
    for (number, plan) in scenario.events.iter().enumerate() {
        player.play(number, plan);
    }
    let last = player.world.now;
    let deeds = player.queue.iter().filter(|(_, due)| matches!(due, Due::Deed(_)));
    let afterwards = deeds.map(|((at, _), _)| *at).max().unwrap_or(last).min(last + AFTERWARDS_MAX);
    player.run_until(scenario.lasts.unwrap_or(afterwards).max(last));
    player.finish()
}

impl Player<'_> {
    fn begin(&mut self) {
        for number in 0..self.script.operations.len() {
            self.push(self.script.operations[number].at, Due::Operation(number));
        }
        let mut chance = self.chance.fork("central meetings");
        for (link, plan) in self.world.scenario.links.iter().enumerate() {
            if let Some(every) = plan.meets_every {
                self.push(every.mul_f64(chance.unit()), Due::Meet(link));
            }
        }
    }

    fn push(&mut self, at: Duration, due: Due) {
        self.scheduled += 1;
        self.queue.insert((at, self.scheduled), due);
    }

    fn run_until(&mut self, until: Duration) {
        self.settle();
        while let Some(entry) = self.queue.first_entry() {
            let at = entry.key().0;
            if at > until {
                break;
            }
            let due = entry.remove();
            self.world.now = at;
            match due {
                Due::Operation(number) => self.operate(number),
                Due::Deed(deed) => {
                    // As in the simulation, what cannot be done later is left undone.
                    let _ = self.world.carry_out(&deed);
                }
                Due::Meet(link) => {
                    if let Some(every) = self.world.scenario.links[link].meets_every {
                        self.push(at + every, Due::Meet(link));
                    }
                    self.world.meet(link);
                }
                Due::Look => self.looking = false,
            }
            // Deeds of one time are one change.
            if self
                .queue
                .first_key_value()
                .is_none_or(|((next, _), due)| *next > at || !matches!(due, Due::Deed(_)))
            {
                self.settle();
            }
        }
        self.world.now = self.world.now.max(until);
    }

    fn settle(&mut self) {
        self.world.settle();
        if !self.looking && self.world.flaps() {
            self.looking = true;
            self.push(self.world.now + LOOK_EVERY, Due::Look);
        }
    }

    /// Plays an event by the timing of the simulation.
    fn play(&mut self, number: usize, plan: &EventPlan) {
        let outage = self.world.last_cut.map_or(Duration::ZERO, |cut| cut + plan.outage);
        let at = plan.time.unwrap_or(Duration::ZERO).max(self.world.now + plan.after).max(outage);
        self.run_until(at);
        let now = self.world.now;
        let happening = |event, told, members| Happening { at: now, event, told, members, failed: None };
        if !plan.tell.en.is_empty() {
            self.happenings.push(happening("", plan.tell.clone(), Vec::new()));
        }
        let deeds = self.world.scenario.deeds(number, &self.chance);
        let mut members: Vec<usize> = deeds.iter().filter_map(|deed| deed.deed.at()).collect();
        members.sort_unstable();
        members.dedup();
        let mut happened =
            happening(plan.event.kind().name, self.world.scenario.told(number, now, &deeds), members);
        for deed in deeds {
            if deed.after.is_zero() {
                let failed = self.world.carry_out(&deed.deed).err();
                happened.failed = happened.failed.or(failed);
            } else {
                self.push(now + deed.after, Due::Deed(Box::new(deed.deed)));
            }
        }
        self.happenings.push(happened);
        self.settle();
    }

    /// Somebody does what the script says, with or without the record.
    fn operate(&mut self, number: usize) {
        let operation = self.script.operations[number].clone();
        let (member, person) = (operation.member, operation.person as u64);
        let reaches = self.world.reaches(member);
        self.world.decide(member, person, act_of(&operation.task));
        if !self.world.runs(member) {
            return;
        }
        // Whoever is not known is received first, and that is a statement, too.
        let known = self.world.record.knows(member, person, reaches);
        let receives = operation.task == crate::drill::workload::Task::Receive;
        if !known {
            self.world.say(member, person, Says::Other);
        }
        if !receives {
            self.world.say(member, person, Says::of_task(&operation.task));
        }
    }

    fn finish(mut self) -> Course {
        self.world.end();
        let world = &self.world;
        let scenario = world.scenario;
        let (entered, people) = (world.record.entered(), world.record.people());
        let member = |node: usize| match node == world.centre() {
            true => Member { entries: entered, records: people, ..Member::planned(scenario, node) },
            false => Member::planned(scenario, node),
        };
        let patients: BTreeMap<u64, String> = world.patients().collect();
        let mut disputes = dangers::disputes(&world.record);
        for dispute in &mut disputes {
            let of_script =
                usize::try_from(dispute.person).ok().and_then(|place| self.script.people.get(place));
            let called = of_script.map(|one| &one.person.name).or_else(|| patients.get(&dispute.person));
            dispute.called = called.cloned().unwrap_or_default();
        }
        let link = |(number, plan): (usize, &crate::drill::scenario::LinkPlan)| LinkCourse {
            ends: plan.ends,
            profile: plan.profile_name.clone(),
            bytes_by_hour: Vec::new(),
            quota_bytes_per_day: plan.quota_bytes_per_day(),
            metered_from: Duration::ZERO,
            outages: world.outages[number].clone(),
        };
        Course {
            mode: Mode::Central,
            begins_ms: scenario.begins.0,
            lasted: world.now,
            members: (0..scenario.replicas.len()).map(member).collect(),
            happenings: self.happenings,
            able: world.able.clone(),
            decisions: world.decisions.clone(),
            disputes,
            links: scenario.links.iter().enumerate().map(link).collect(),
            reunions: Vec::new(),
            restores: Vec::new(),
            faults: world.faults,
            acknowledged: entered,
            held_by_least: None,
            lost: Vec::new(),
            sync_bytes: 0,
            backup_bytes: 0,
            traffic: Default::default(),
            remarks: remarks(scenario, world.centre(), world.record.on_paper()),
        }
    }
}

fn remarks(scenario: &Scenario, centre: usize, on_paper: u64) -> Vec<Told> {
    let site = scenario.replicas.get(centre).map_or("?", |plan| plan.site.as_str());
    let mut remarks = vec![
        Told {
            ja: format!(
                "中央システムは{site}にあるものとした。回線がつながる間だけ読み書きでき、紙の記録は復旧と同時にすべて入力されるものとした。"
            ),
            en: format!(
                "The central system stands at {site}. It is read and written while a line leads there; what was \
                 written on paper is typed in, all of it, the moment the line is back."
            ),
        },
        Told {
            ja: "通信量と取り込んだデータの中身は数えていない。".to_owned(),
            en: "Its bytes are not counted, and imported data are not looked into.".to_owned(),
        },
    ];
    if scenario.events.iter().all(|plan| plan.time.is_none()) {
        remarks.push(Told {
            ja: "この台本には時刻がなく、出来事はすぐ続いて起きる。時間の割合はほとんど意味を持たない。".to_owned(),
            en: "The scenario names no times: one event follows the other at once, and shares of time say little."
                .to_owned(),
        });
    }
    if on_paper > 0 {
        remarks.push(Told {
            ja: format!("{on_paper}件の記入は最後まで紙のままだった。"),
            en: format!("{on_paper} statements were still on paper at the end."),
        });
    }
    remarks
}
