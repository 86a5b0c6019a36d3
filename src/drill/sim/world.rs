//! The simulated world: time, and everything that happens by itself as time passes.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::connections::Line;
use super::doors::Door;
use super::environment::TrueTime;
use super::grid::Grid;
use super::importing::Imports;
use super::ledger::SimLedger;
use super::node::Node;
use super::oracle::{HandedOver, TieMade};
use super::people::People;
use super::queue::Queue;
use super::recorder::Recorder;
use super::setting_back::Forkable;
use super::trace::Trace;
use super::traffic::Holding;
use crate::backup::memory::MemoryBucket;
use crate::base::{Area, LaneId, Part, RecordId};
use crate::drill::chance::Chance;
use crate::drill::deed::Deed;
use crate::drill::invariants::ClinicalSeen;
use crate::drill::judge::Judged;
use crate::drill::ledger::Typed;
use crate::drill::load::Traffic;
use crate::drill::scenario::{Expectation, ReplicaName, Scenario};
use crate::drill::workload::Script;
use crate::replica::Replica;
use crate::replica::answer::Status;
use crate::sync::Streams;
use crate::transport::Options;

/// Compression contexts that wait for their next session: as many as talk at one time in a region of hundreds.
const STREAMS_IDLE_MAX: usize = 512;
/// How often everything on a disk is read, as running replicas do.
const SCRUB_EVERY: Duration = Duration::from_secs(6 * 3_600);

/// Something that is due.
pub(super) enum Due {
    /// A message arrives at an end of a line.
    Deliver { line: usize, epoch: u64, end: usize, number: u64, message: Vec<u8> },
    /// Somebody dials.
    Dial { line: usize },
    /// Two that meet from time to time meet.
    Meet { line: usize },
    /// Two meet over a line whose bytes are counted, unless another meeting was planned since.
    MeterMeets { line: usize, number: u64 },
    /// A machine looks into the bucket.
    LookIntoBucket { node: usize },
    /// A silent connection is given up, unless the line was usable since.
    Break { line: usize, epoch: u64, since: Duration },
    /// A session under way is told the time.
    Tick { line: usize, epoch: u64 },
    /// A deed of an event that is done some time after it.
    Deed(Box<Deed>),
    /// An operation of the script.
    Operation(usize),
    /// The indexer follows.
    Index { node: usize },
    /// Everything on a disk is read.
    Scrub { node: usize },
    /// The gateway backs up by itself.
    Backup,
}

/// The world.
pub(super) struct World<'s> {
    pub(super) scenario: &'s Scenario,
    pub(super) script: Script,
    pub(super) now: Duration,
    pub(super) queue: Queue<Due>,
    pub(super) time: TrueTime,
    pub(super) chance: Chance,
    pub(super) grid: Grid,
    pub(super) nodes: Vec<Node>,
    pub(super) lines: Vec<Line>,
    pub(super) bucket: MemoryBucket,
    pub(super) bucket_sizes: HashMap<LaneId, u64>,
    pub(super) bucket_at: Option<Duration>,
    pub(super) ledger: SimLedger,
    pub(super) people: People,
    pub(super) recorder: Recorder,
    pub(super) trace: Trace,
    /// Machines whose lanes have changed and whose sessions have not heard of it.
    pub(super) changed: VecDeque<usize>,
    /// When the last path was cut.
    pub(super) last_cut: Option<Duration>,
    common: Area,
    /// What was typed into hand-over texts and acknowledged.
    pub(super) typed: Vec<Typed>,
    /// When anybody last heard anything new.
    pub(super) last_heard: (Duration, Option<usize>),
    /// How many records each machine holds at the end.
    pub(super) registered: Vec<u64>,
    /// What was said of who is who, in order.
    pub(super) ties: Vec<TieMade>,
    /// Bundles on their way, by their sticks.
    pub(super) sticks: BTreeMap<u64, Vec<u8>>,
    /// What was imported of invented lists.
    pub(super) imports: Imports,
    /// What was written into hand-over texts.
    pub(super) handed: Vec<HandedOver>,
    /// Where devices may have signed two histories.
    pub(super) forkable: Forkable,
    /// Records of which something stands at such a place.
    pub(super) doubtful: BTreeSet<RecordId>,
    /// What was compared with the ledger.
    pub(super) clinical: ClinicalSeen,
    /// What went wrong.
    pub(super) failures: Vec<Judged>,
    /// How each machine was before the first path healed.
    pub(super) before_heal: BTreeMap<ReplicaName, Status>,
    /// The event of the scenario that is under way, from 1.
    pub(super) event: usize,
    /// How long a connection waits in silence.
    pub(super) idle_max: Duration,
    /// The door of each machine.
    pub(super) doors: Vec<Door>,
    /// What each machine holds in memory.
    pub(super) holdings: Vec<Holding>,
    /// Whether anybody asks for that.
    pub(super) weighs: bool,
    /// What was put on machines and lines so far.
    pub(super) traffic: Traffic,
}

impl<'s> World<'s> {
    /// Makes the world of a scenario at time zero, with machines that are switched off.
    pub(super) fn new(scenario: &'s Scenario, chance: Chance) -> Self {
        let (time, streams) = (TrueTime::default(), Streams::keeping(STREAMS_IDLE_MAX));
        time.set(scenario.begins.0);
        let node = |(number, plan): (usize, &crate::drill::scenario::ReplicaPlan)| {
            Node::new(&time, &streams, chance.fork(&format!("node {number}")), plan)
        };
        let script = Script::of(scenario, &chance.fork("script"));
        Self {
            scenario,
            people: People::after(script.people.len()),
            script,
            now: Duration::ZERO,
            queue: Queue::default(),
            grid: Grid::of(scenario),
            nodes: scenario.replicas.iter().enumerate().map(node).collect(),
            lines: scenario.links.iter().map(|_| Line::default()).collect(),
            bucket: MemoryBucket::default(),
            bucket_sizes: Default::default(),
            bucket_at: None,
            ledger: SimLedger::default(),
            recorder: Recorder::of(scenario),
            trace: Trace::default(),
            changed: VecDeque::new(),
            last_cut: None,
            common: Area::common(),
            typed: Vec::new(),
            last_heard: (Duration::ZERO, None),
            registered: Vec::new(),
            ties: Vec::new(),
            sticks: BTreeMap::new(),
            imports: Imports::default(),
            handed: Vec::new(),
            forkable: Forkable::default(),
            doubtful: BTreeSet::new(),
            clinical: ClinicalSeen::default(),
            failures: Vec::new(),
            before_heal: BTreeMap::new(),
            event: 0,
            idle_max: Options::default().idle_max,
            doors: Door::all(scenario),
            holdings: vec![Holding::default(); scenario.replicas.len()],
            weighs: scenario.expectations.iter().any(|one| matches!(one, Expectation::MemoryKept { .. })),
            traffic: Traffic::default(),
            time,
            chance,
        }
    }

    /// Schedules what happens by itself from time zero on.
    pub(super) fn begin(&mut self) {
        for (line, plan) in self.scenario.links.iter().enumerate() {
            match plan.meets_every {
                None => self.dial_soon(line),
                Some(every) => {
                    let first = every.mul_f64(self.chance.unit());
                    self.queue.push(first, Due::Meet { line });
                }
            }
        }
        for number in 0..self.script.operations.len() {
            self.queue.push(self.script.operations[number].at, Due::Operation(number));
        }
        for node in 0..self.nodes.len() {
            let able = self.grid.able(node, self.now);
            self.recorder.able(self.now, node, able);
            if self.nodes[node].device().is_some() {
                self.queue.push(SCRUB_EVERY, Due::Scrub { node });
            }
            if let Some(every) = self.scenario.replicas[node].bucket_every {
                let first = every.mul_f64(self.chance.unit());
                self.queue.push(first, Due::LookIntoBucket { node });
            }
        }
        if let Some(every) = self.scenario.backup_every {
            self.queue.push(every, Due::Backup);
        }
    }

    /// Lets time pass until then.
    pub(super) fn run_until(&mut self, until: Duration) {
        while let Some((at, due)) = self.queue.pop_by(until) {
            self.set_now(at);
            self.happen(due);
        }
        self.set_now(until.max(self.now));
    }

    /// Lets time pass until all hold the same, or then; says whether they do.
    pub(super) fn run_until_equal(&mut self, until: Duration, every: Duration) -> bool {
        loop {
            if self.are_equal() {
                return true;
            }
            if self.now >= until {
                return false;
            }
            self.run_until((self.now + every).min(until));
        }
    }

    fn set_now(&mut self, now: Duration) {
        self.now = now;
        self.time.set(self.scenario.begins.0 + now.as_millis() as u64);
    }

    fn happen(&mut self, due: Due) {
        match due {
            Due::Deliver { line, epoch, end, number, message } => {
                self.deliver(line, epoch, end, number, message);
            }
            Due::Dial { line } => {
                self.lines[line].dialling = false;
                self.dial(line);
            }
            Due::Meet { line } => {
                if let Some(every) = self.scenario.links[line].meets_every {
                    self.queue.push(self.now + every, Due::Meet { line });
                }
                self.dial(line);
            }
            Due::MeterMeets { line, number } => {
                if self.lines[line].meeting == number {
                    self.lines[line].gathering = false;
                    self.dial(line);
                }
            }
            Due::LookIntoBucket { node } => self.look_into_bucket(node),
            Due::Break { line, epoch, since } => {
                let still = self.lines[line].down_since == Some(since);
                let same = self.lines[line].connection.as_ref().is_some_and(|it| it.epoch == epoch);
                if still && same {
                    self.hang_up(line);
                }
            }
            Due::Tick { line, epoch } => self.tick(line, epoch),
            Due::Deed(deed) => {
                if let Err(failure) = self.carry_out(&deed) {
                    tracing::debug!(%failure, "a deed could not be done");
                }
            }
            Due::Operation(number) => self.operate(number),
            Due::Index { node } => self.index(node),
            Due::Scrub { node } => {
                self.queue.push(self.now + SCRUB_EVERY, Due::Scrub { node });
                self.scrub(node);
            }
            Due::Backup => {
                if let Some(every) = self.scenario.backup_every {
                    self.queue.push(self.now + every, Due::Backup);
                }
                // What cannot be done now is done the next time, as a running gateway does.
                let _ = self.back_up();
            }
        }
        self.spread();
    }

    /// Says whether so few take part that everything can be looked at all the time.
    pub(super) fn is_small(&self) -> bool {
        self.nodes.len() <= SMALL_MAX
    }

    /// Says whether all machines that run hold the same of an area as those that they can reach through holders of it,
    /// which alone pass it on.
    pub(super) fn are_equal(&self) -> bool {
        self.shared_areas().all(|area| {
            let in_part = self.scenario.replicas.iter().any(|plan| plan.in_part.contains_key(area));
            // Where all hold the area whole, all parts have the same holders.
            let every = if in_part { None } else { Some(self.groups(area, Part::Control)) };
            Part::ALL.into_iter().all(|part| {
                let own = every.is_none().then(|| self.groups(area, part));
                let groups = own.as_ref().or(every.as_ref()).into_iter().flatten();
                let mut sums: BTreeMap<usize, u64> = BTreeMap::new();
                let mut reached = groups.enumerate().filter_map(|(node, group)| Some((node, (*group)?)));
                reached.all(|(node, group)| {
                    let sum = self.nodes[node].knowledge.sum(area, part);
                    *sums.entry(group).or_insert(sum) == sum
                })
            })
        })
    }

    /// Returns into how many groups that cannot reach each other the holders of an area fall, at most.
    pub(super) fn groups_most(&self) -> usize {
        let count =
            |area| self.groups(area, Part::Control).into_iter().flatten().collect::<BTreeSet<_>>().len();
        self.shared_areas().map(count).max().unwrap_or_default()
    }

    /// Numbers the groups of running holders of a part of an area that reach each other.
    pub(super) fn groups(&self, area: &Area, part: Part) -> Vec<Option<usize>> {
        self.grid.groups(self.now, |node| self.scenario.replicas[node].holds(area, part))
    }

    /// Returns the areas that are shared, the common one first.
    fn shared_areas(&self) -> impl Iterator<Item = &Area> {
        let areas: BTreeSet<&Area> = self.scenario.replicas.iter().flat_map(|plan| &plan.areas).collect();
        std::iter::once(&self.common).chain(areas.into_iter().filter(|area| !area.is_private()))
    }

    /// Returns the replica of a machine that runs and answers.
    pub(super) fn replica(&self, node: usize) -> Option<Arc<Replica>> {
        self.nodes[node].replica.clone().filter(|_| self.grid.runs(node))
    }
}

/// Most machines of a simulation in which everything is looked at all the time.
pub(super) const SMALL_MAX: usize = 32;
