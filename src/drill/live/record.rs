//! Writes the course of a live run while it happens.
//!
//! Times are real: they count from the moment when all replicas ran. Only what the drill itself did or saw is
//! written. When a contradiction arose, who could have seen it, and on what knowledge people decided, a live drill
//! does not know: there are no decisions and no disputes in its course.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::drill::course::{Course, DiskKind, LostWrite, Member, Mode, RestoreCourse, Reunion};
use crate::drill::deed::{Deed, PathState};
use crate::drill::judge::Observations;
use crate::drill::ledger::Loss;
use crate::drill::load::Traffic;
use crate::drill::observer::{count_alerts, count_conflicts};
use crate::drill::scenario::{EventPlan, Scenario, Told};
use crate::drill::sim::grid::Grid;
use crate::drill::sim::recorder::Recorder;

/// Lost writes that are named one by one.
const LOST_NAMED_MAX: usize = 200;

/// How a machine is, as the drill sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MachineSeen {
    /// Its process runs.
    pub runs: bool,
    /// Its process is stopped (SIGSTOP).
    pub frozen: bool,
    /// It has a disk.
    pub disk: bool,
}

/// What has been written so far.
pub struct Record<'s> {
    scenario: &'s Scenario,
    begun: Instant,
    begins_ms: u64,
    lasted: Duration,
    grid: Grid,
    recorder: Recorder,
    /// When each event began, in their order.
    events: Vec<Duration>,
    /// What each link has carried.
    carried: Vec<u64>,
    reunions: Reunions,
    backed_up: Option<Duration>,
    gone: BTreeMap<usize, Gone>,
}

/// Separations and reunions, as far as somebody waited for their end.
#[derive(Debug, Default)]
struct Reunions {
    done: Vec<Reunion>,
    /// Something is broken.
    broken: bool,
    /// Everything is whole again since then.
    healed: Option<Duration>,
    /// Somebody waited since, and not all came to hold the same.
    in_vain: bool,
}

/// A disk that was destroyed.
#[derive(Debug)]
struct Gone {
    lost: Duration,
    point: Option<Duration>,
    /// Whether the restore gave back all that the disk had held; none before.
    whole: Option<bool>,
}

impl<'s> Record<'s> {
    /// Begins when all replicas run.
    pub fn begin(scenario: &'s Scenario) -> Self {
        let mut grid = Grid::of(scenario);
        // When a relay lets nothing pass by itself is not written down.
        grid.lines.iter_mut().for_each(|line| line.planned.flap = None);
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut record = Self {
            scenario,
            begun: Instant::now(),
            begins_ms: u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX),
            lasted: Duration::ZERO,
            grid,
            recorder: Recorder::of(scenario),
            events: Vec::new(),
            carried: vec![0; scenario.links.len()],
            reunions: Reunions::default(),
            backed_up: None,
            gone: BTreeMap::new(),
        };
        record.able(Duration::ZERO);
        record
    }

    /// Returns the time since the beginning.
    pub fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Returns which machines run and which lines are up.
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// Notes that an event begins, and whom it concerns.
    pub fn event(&mut self, plan: &EventPlan, mut members: Vec<usize>) {
        let now = self.now();
        self.events.push(now);
        if plan.tell != Told::default() {
            self.recorder.happened(now, "", plan.tell.clone(), Vec::new());
        }
        members.sort_unstable();
        members.dedup();
        self.recorder.happened(now, plan.event.kind().name, plan.event.told(self.scenario), members);
    }

    /// Notes that the last event could not be done.
    pub fn failed(&mut self, reason: &str) {
        self.recorder.failed(reason);
    }

    /// Notes a deed that was done, begun at a time, and how its machine is now.
    pub fn done(&mut self, deed: &Deed, begun: Duration, machine: Option<MachineSeen>) {
        let now = self.now();
        self.count(deed);
        match deed {
            Deed::Path { link, state } => self.path(*link, state, now),
            Deed::Bucket { reachable } => self.grid.bucket = *reachable,
            Deed::Backup => self.backed_up = Some(now),
            Deed::DestroyDisk { at } => {
                let gone = Gone { lost: begun, point: self.backed_up, whole: None };
                self.gone.insert(*at, gone);
            }
            Deed::Start { at } => self.is_back(*at, now),
            _ => {}
        }
        self.machine(deed, begun, machine);
    }

    /// Notes how a machine is after a deed that was done to it, or that failed.
    pub fn machine(&mut self, deed: &Deed, begun: Duration, machine: Option<MachineSeen>) {
        let (Some(at), Some(seen)) = (deed.at(), machine) else { return self.changed(self.now()) };
        let was = self.grid.runs(at);
        let power = &mut self.grid.nodes[at];
        (power.up, power.frozen, power.disk) = (seen.runs, seen.frozen, seen.disk);
        // Who is ended is of no use from the beginning of that, but for one that writes until then.
        let ends_first = was && !self.grid.runs(at) && !matches!(deed, Deed::KillInMidWrite { .. });
        let when = if ends_first { begun } else { self.now() };
        self.changed(when);
    }

    /// Notes whether a restore gave back all that its disk had held.
    pub fn restored(&mut self, at: usize, whole: bool) {
        if let Some(gone) = self.gone.get_mut(&at) {
            gone.whole = Some(whole);
        }
    }

    /// Notes that those who can reach each other hold the same.
    pub fn equal(&mut self) {
        let now = self.now();
        self.reunions.equal(now);
    }

    /// Notes that they did not come to hold the same while somebody waited.
    pub fn not_equal(&mut self) {
        self.reunions.not_equal();
    }

    /// Notes what a link has carried since the beginning.
    pub fn carried(&mut self, link: usize, bytes: u64) {
        let more = bytes.saturating_sub(std::mem::replace(&mut self.carried[link], bytes));
        self.recorder.sent(self.now(), link, more);
    }

    /// Ends the time of the run: what is looked at later is no part of it.
    pub fn end(&mut self) {
        self.lasted = self.now();
        self.recorder.end(self.lasted);
        self.reunions.end(self.lasted);
    }

    /// Makes the course, with what was observed at the end.
    pub fn course(self, seen: &Observations, netns: bool) -> Course {
        let losses = seen.losses(self.scenario);
        let lost = losses.iter().take(LOST_NAMED_MAX).map(|loss| self.lost(loss)).collect();
        Course {
            mode: Mode::Live,
            begins_ms: self.begins_ms,
            lasted: self.lasted,
            members: members(self.scenario, seen),
            happenings: self.recorder.happenings,
            able: self.recorder.able,
            decisions: Vec::new(),
            disputes: Vec::new(),
            links: self.recorder.links,
            reunions: self.reunions.done,
            restores: self.recorder.restores,
            faults: self.recorder.faults,
            acknowledged: seen.ledger.acknowledged(),
            held_by_least: None,
            lost,
            sync_bytes: seen.sync_bytes,
            backup_bytes: seen.backup_bytes,
            traffic: Traffic::default(),
            remarks: remarks(seen, netns),
        }
    }

    fn lost(&self, loss: &Loss) -> LostWrite {
        let place = |name| self.scenario.index(name).unwrap_or_default();
        LostWrite {
            at: loss.step.checked_sub(1).and_then(|step| self.events.get(step)).copied().unwrap_or_default(),
            member: place(&loss.replica),
            what: loss.what.clone(),
            missing_at: loss.missing_at.iter().map(place).collect(),
        }
    }

    fn path(&mut self, link: usize, state: &PathState, now: Duration) {
        let mut state = state.clone();
        if let PathState::Degraded(profile) = &mut state {
            profile.flap = None;
        }
        self.recorder.cut(now, link, state == PathState::Down);
        self.grid.lines[link].state = state;
    }

    fn is_back(&mut self, at: usize, now: Duration) {
        // A machine that starts without a disk that was filled again has not come back.
        let Some(&Gone { lost, point, whole: Some(whole) }) = self.gone.get(&at) else { return };
        self.gone.remove(&at);
        // Of a disk that came back otherwise than it was, nobody has counted what is missing.
        let missing = whole.then_some(0);
        let (behind, lost_entries) = (missing, missing);
        self.recorder.restores.push(RestoreCourse {
            member: at,
            lost,
            back: Some(now),
            point,
            behind,
            lost_entries,
        });
    }

    fn changed(&mut self, at: Duration) {
        self.able(at);
        self.reunions.whole(at, self.grid.is_whole());
    }

    fn able(&mut self, at: Duration) {
        for member in 0..self.grid.nodes.len() {
            let able = self.grid.able(member, at);
            self.recorder.able(at, member, able);
        }
    }

    fn count(&mut self, deed: &Deed) {
        let faults = &mut self.recorder.faults;
        match deed {
            // Of a process nothing more than its end can be made: the system keeps what it was given.
            Deed::Crash { .. } | Deed::PowerCut { .. } | Deed::KillInMidWrite { .. } => faults.crashes += 1,
            Deed::DestroyDisk { .. } => faults.disks_lost += 1,
            Deed::Freeze { frozen: true, .. } => faults.freezes += 1,
            _ => {}
        }
    }
}

impl Reunions {
    fn whole(&mut self, at: Duration, whole: bool) {
        if !whole {
            self.broken = true;
            self.end(at);
        } else if std::mem::take(&mut self.broken) {
            self.healed = Some(at);
        }
    }

    fn equal(&mut self, at: Duration) {
        self.in_vain = false;
        if let Some(healed) = self.healed.take() {
            self.done.push(Reunion::converged(healed, at));
        }
    }

    fn not_equal(&mut self) {
        self.in_vain = self.healed.is_some();
    }

    /// Ends a reunion. Of one that nobody waited for, nothing is known and nothing is said.
    fn end(&mut self, at: Duration) {
        let in_vain = std::mem::take(&mut self.in_vain);
        if let Some(healed) = self.healed.take().filter(|_| in_vain) {
            self.done.push(Reunion::broken_off(healed, at));
        }
    }
}

fn members(scenario: &Scenario, seen: &Observations) -> Vec<Member> {
    let member = |place: usize| {
        let status = seen.at_end.get(&scenario.replicas[place].name);
        Member {
            disk: DiskKind::File,
            entries: status.map_or(0, |status| status.entries),
            records: status.map_or(0, |status| status.records),
            ..Member::planned(scenario, place)
        }
    };
    (0..scenario.replicas.len()).map(member).collect()
}

fn remarks(seen: &Observations, netns: bool) -> Vec<Told> {
    let told = |ja: &str, en: &str| Told { ja: ja.to_owned(), en: en.to_owned() };
    let mut remarks = vec![
        told(
            "本物のプロセス・通信・ファイルで行った。時刻は実際の時刻であり、短縮されている：シナリオの出来事は順序どおりに、間の時間を待たずに行われた。時間の割合や復旧時間は、この短い時間についての値である。",
            "Real processes, sockets and files. Times are real, and shortened: the events of the scenario were done in their order, without waiting for the hours between them. Shares of time and recovery times are of this short time.",
        ),
        told(
            "人の判断の根拠の古さと、警告・矛盾がいつ現れたかは、実機の訓練では記録しない。仮想時間の訓練（--sim）が示す。",
            "On how old a record people decided, and when contradictions and warnings could be seen, is not recorded live; a run in virtual time (--sim) tells it.",
        ),
        told(
            "一致までの時間は、シナリオが一致を待った復旧についてだけ計った。自ら切れては戻る回線の断は含まれない。",
            "The time until all held the same was measured where the scenario waits for it. Lines that fail and return by themselves are drawn as up.",
        ),
    ];
    let conflicts = count_conflicts(seen.shown());
    let alerts = count_alerts(seen.shown());
    let all: Vec<String> = conflicts
        .iter()
        .map(|one| format!("{} {} {} ({} open)", one.count, one.section, one.kind, one.open))
        .chain(alerts.iter().map(|one| format!("{} {} ({})", one.count, one.kind, one.severity)))
        .collect();
    if !all.is_empty() {
        let all = all.join(", ");
        remarks.push(Told {
            ja: format!("終了時に記録に示されていた矛盾・警告：{all}。"),
            en: format!("Contradictions and warnings that the records show at the end: {all}."),
        });
    }
    if netns {
        remarks.push(told(
            "各複製は専用のネットワーク名前空間と IP アドレスを持っていた。",
            "Each replica had a network namespace and an IP address of its own.",
        ));
    }
    remarks
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn only_reunions_that_somebody_waited_for_are_told() {
        let mut reunions = Reunions::default();
        reunions.whole(s(1), false);
        reunions.whole(s(2), true);
        reunions.equal(s(5));
        // Nobody waits for this one.
        reunions.whole(s(6), false);
        reunions.whole(s(7), true);
        reunions.whole(s(8), false);
        reunions.whole(s(9), true);
        reunions.not_equal();
        reunions.end(s(10));
        let told: Vec<_> = reunions.done.iter().map(|one| (one.healed, one.converged)).collect();
        assert_eq!(told, [(s(2), Some(s(5))), (s(9), None)]);
    }
}
