//! From a scenario and a seed to a course, what was observed, and a trace.

use std::collections::BTreeMap;
use std::time::Duration;

use super::finish;
use super::world::{SMALL_MAX, World};
use crate::base::Digest;
use crate::base::planted::{AVAILABLE, Plant, plant};
use crate::drill::chance::Chance;
use crate::drill::course::Course;
use crate::drill::error::{DrillError, StepFailure};
use crate::drill::judge::{Judged, Observations};
use crate::drill::scenario::{EventPlan, Scenario, Told};
use crate::identity::SignatureMemo;
use crate::replica::TermsMemo;
use crate::replica::environment::EnvironmentRng;
use crate::replica::realm::{Enrolment, Realm, RecoveryKit};

/// Signatures that one simulation remembers as verified: of each write and certificate a region of thousands has.
const SIGNATURES_MAX: usize = 1 << 20;
/// Runs whose search terms one simulation remembers.
const TERMS_MAX: usize = 1 << 18;
/// How long a drill goes on after its last event when the scenario does not say: until all hold the same, or so long.
const AFTERWARDS_MAX: Duration = Duration::from_secs(3_600);

/// What is told when nothing but time has passed: it belongs to no story.
pub const TIME_PASSES: &str = "time passes";
/// How often that is told of a long drill.
const TOLD_EVERY: Duration = Duration::from_secs(2 * 3_600);

/// How a scenario is simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SimOptions {
    /// The seed of everything random.
    pub seed: u64,
    /// A bug to plant.
    pub plant: Option<Plant>,
}

/// What came of a simulation.
pub struct SimRun {
    /// What happened.
    pub course: Course,
    /// What was observed at the end.
    pub seen: Observations,
    /// The hash over everything that happened.
    pub trace: Digest,
    /// How many things happened.
    pub events: u64,
}

/// Simulates a scenario; `on_event` hears each line of the story with its virtual time.
///
/// # Errors
/// [`DrillError`] when the region could not be set up at all. What goes wrong in it is in what was observed.
pub fn simulate(
    scenario: &Scenario,
    options: SimOptions,
    on_event: &mut dyn FnMut(Duration, &str),
) -> Result<SimRun, DrillError> {
    let _signatures = SignatureMemo::on_this_thread(SIGNATURES_MAX);
    let _terms = TermsMemo::on_this_thread(TERMS_MAX);
    if let Some(plant) = options.plant.filter(|_| !AVAILABLE) {
        return Err(DrillError::NoSabotage(plant));
    }
    let _planted = options.plant.map(plant);
    let mut world = World::new(scenario, Chance::of_seed(options.seed));
    enrol(&mut world)?;
    world.begin();
    world.spread();
    for (number, plan) in scenario.events.iter().enumerate() {
        play(&mut world, number, plan, on_event);
    }
    let last = world.now;
    match scenario.lasts {
        Some(lasts) => pass(&mut world, lasts.max(last), on_event),
        None => drop(world.run_until_equal(last + AFTERWARDS_MAX, Duration::from_secs(1))),
    }
    on_event(world.now, "Time is over; everything is looked at.");
    Ok(finish::finish(world))
}

/// Lets time pass until an event, and carries it out.
fn play(world: &mut World<'_>, number: usize, plan: &EventPlan, on_event: &mut dyn FnMut(Duration, &str)) {
    world.event = number + 1;
    let outage = world.last_cut.map_or(Duration::ZERO, |cut| cut + plan.outage);
    let at = plan.time.unwrap_or(Duration::ZERO).max(world.now + plan.after).max(outage);
    pass(world, at, on_event);
    let kind = plan.event.kind().name;
    if !plan.tell.en.is_empty() {
        on_event(world.now, &plan.tell.en);
        world.recorder.happened(world.now, "", plan.tell.clone(), Vec::new());
    }
    let deeds = world.scenario.deeds(number, &world.chance);
    if matches!(kind, "heal" | "meet" | "return-to-normal") {
        world.look_before_heal();
    }
    let told = world.scenario.told(number, world.now, &deeds);
    on_event(world.now, &told.en);
    let mut members: Vec<usize> = deeds.iter().filter_map(|deed| deed.deed.at()).collect();
    members.sort_unstable();
    members.dedup();
    world.recorder.happened(world.now, kind, told, members);
    let mut failures: Vec<StepFailure> = Vec::new();
    for deed in deeds {
        if deed.after.is_zero() {
            failures.extend(world.carry_out(&deed.deed).err());
        } else {
            let at = world.now + deed.after;
            world.queue.push(at, super::world::Due::Deed(Box::new(deed.deed)));
        }
    }
    if let Some(failure) = failures.first() {
        let detail = format!("event {} ({kind}), line {}: {failure}", number + 1, plan.line);
        on_event(world.now, &format!("NOT DONE: {detail}"));
        world.recorder.failed(&failure.0);
        let detail_ja = format!("出来事 {}（{kind}）、{} 行目：{failure}", number + 1, plan.line);
        let detail = Told::of(detail, detail_ja);
        world.failures.push(Judged { name: "event".to_owned(), ok: false, detail });
    }
}

/// Lets time pass, and tells of it where many take part.
fn pass(world: &mut World<'_>, until: Duration, on_event: &mut dyn FnMut(Duration, &str)) {
    while !world.is_small() && world.now + TOLD_EVERY < until {
        world.run_until(world.now + TOLD_EVERY);
        on_event(world.now, TIME_PASSES);
    }
    world.run_until(until);
}

/// Creates the realm and enrols every machine, each on a disk of its own.
fn enrol(world: &mut World<'_>) -> Result<(), DrillError> {
    let scenario = world.scenario;
    let operator = super::environment::SimEnvironment::new(world.time.clone(), world.chance.fork("operator"));
    let mut rng = EnvironmentRng(&*operator);
    let now = scenario.begins;
    let mut realm = Realm::create(&scenario.realm, now, &mut rng);
    let mut kits: BTreeMap<String, RecoveryKit> = BTreeMap::new();
    let is_fleet = |number: usize| scenario.fleets.iter().any(|fleet| fleet.members.contains(&number));
    for (number, plan) in scenario.replicas.iter().enumerate() {
        let doing = || format!("enrolling {}", plan.name);
        let enrolment = Enrolment {
            site: plan.site.clone(),
            kind: plan.kind,
            device: plan.name.to_string(),
            role: plan.role,
            areas: plan.certified(),
        };
        let enrolled = realm.enrol(&enrolment, now, &mut rng);
        let (device, kit) = enrolled
            .map_err(|error| DrillError::SetUp { doing: doing(), failure: StepFailure(error.to_string()) })?;
        if let Some(kit) = kit {
            kits.insert(plan.site.clone(), kit);
        }
        world.nodes[number].kit = kits.get(&plan.site).cloned();
        let control = scenario.replicas.len() <= SMALL_MAX || !is_fleet(number);
        world.nodes[number]
            .enrol(&device, control)
            .map_err(|error| DrillError::SetUp { doing: doing(), failure: StepFailure(error.to_string()) })?;
        world.learn_all(number);
    }
    Ok(())
}
