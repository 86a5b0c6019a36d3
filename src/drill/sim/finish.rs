//! Looking at everything when time is over: what each machine holds, shows, and has lost.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use super::ledger::{Acknowledged, PersonNo, Said};
use super::observing::observations;
use super::run::SimRun;
use super::stage::now_or_never;
use super::traffic::traffic;
use super::world::World;
use crate::backup::Bucket;
use crate::base::{Area, Digest, LaneId, Part, RecordId};
use crate::drill::course::{Act, Course, DiskKind, Dispute, LostWrite, Member, Mode};
use crate::drill::invariants::{ClinicalSeen, Finding};
use crate::drill::judge::Damage;
use crate::drill::scenario::{StorePlan, Told};
use crate::record::{RecordView, kana};
use crate::replica::Replica;
use crate::replica::answer::GroupHeads;
use crate::replica::restoring::restore_into;
use crate::store::api::root_at;
use crate::store::faulty::FaultDisk;

/// Lost writes that are named one by one.
const LOST_NAMED_MAX: usize = 200;

/// Ends a simulation.
pub(super) fn finish(mut world: World<'_>) -> SimRun {
    let now = world.now;
    if let Some(healed) = world.recorder.healing().filter(|_| world.are_equal()) {
        // All hold the same since the last of them has heard anything new.
        let (heard, last) = world.last_heard;
        world.recorder.converged(heard.max(healed), last.filter(|_| heard > healed));
    }
    world.recorder.end(now);
    world.registered = registered(&world);
    let lost = lost_writes(&world);
    world.look_at_held();
    let mut clinical = std::mem::take(&mut world.clinical);
    let (disputes, allergies) = disputes(&world, &mut clinical);
    if world.is_small() {
        world.look_for_everybody(&mut clinical);
        world.look_at_links(&mut clinical.links);
        world.look_for_doubles(&mut clinical.doubles);
        world.look_at_forks(&mut clinical.forks);
    }
    world.clinical = clinical;
    let backup_restores = backup_restores(&mut world);
    let damage = damage(&world);
    count_disks(&mut world);
    let members = members(&world);
    let held_by_least = held_by_least(&world);
    let traffic = traffic(&mut world);
    world.trace.note(now, "end", lost.total as u64, &heads_of_all(&world));
    let seen = observations(&mut world, &lost, held_by_least, allergies, backup_restores, damage);
    // Nothing is written any more: a database that closes on what a bug or rot has left of its disk may panic.
    world.nodes.iter().filter_map(|node| node.device()).for_each(FaultDisk::crash);
    let World { scenario, recorder, ledger, trace, nodes, lines, .. } = world;
    // Thousands of replicas take seconds to fall to dust; nobody waits for that.
    drop(std::thread::spawn(move || drop((lines, nodes))));
    let remarks = remarks(scenario.replicas.len(), &members);
    let course = Course {
        mode: Mode::Sim,
        begins_ms: scenario.begins.0,
        lasted: now,
        members,
        happenings: recorder.happenings,
        able: recorder.able,
        decisions: recorder.decisions,
        disputes,
        links: recorder.links,
        reunions: recorder.reunions,
        restores: recorder.restores,
        faults: recorder.faults,
        acknowledged: ledger.writes().len() as u64,
        held_by_least,
        lost: lost.named,
        sync_bytes: recorder.sync_bytes,
        backup_bytes: recorder.backup_bytes,
        traffic,
        remarks,
    };
    SimRun { course, seen, trace: trace.digest(), events: trace.events() }
}

/// What was acknowledged and is not there.
pub(super) struct Lost {
    named: Vec<LostWrite>,
    /// How many writes.
    pub(super) total: usize,
    /// Entries that are there and are not what was acknowledged.
    pub(super) altered: u64,
}

/// Looks for every acknowledged write on every machine that should hold it.
fn lost_writes(world: &World<'_>) -> Lost {
    let mut lost = Lost { named: Vec::new(), total: 0, altered: 0 };
    let mut missing: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let alike = Alike::of(world);
    let mut by_group: BTreeMap<(&Area, Part), Vec<usize>> = BTreeMap::new();
    for (number, write) in world.ledger.writes().iter().enumerate().filter(|(_, write)| !write.forgiven) {
        by_group.entry((&write.area, write.part)).or_default().push(number);
    }
    for (node, it) in world.nodes.iter().enumerate() {
        let Some(replica) = &it.replica else { continue };
        for ((area, part), numbers) in &by_group {
            if !holds(world, node, area, *part) || alike.is_read_elsewhere(node, area, *part) {
                continue;
            }
            for number in numbers {
                match look(replica, &world.ledger.writes()[*number]) {
                    Look::There => {}
                    Look::Missing => missing.entry(*number).or_default().push(node),
                    Look::Altered => {
                        lost.altered += 1;
                        missing.entry(*number).or_default().push(node);
                    }
                }
            }
        }
    }
    lost.total = missing.len();
    for (number, missing_at) in missing.into_iter().take(LOST_NAMED_MAX) {
        let write = &world.ledger.writes()[number];
        let what = format!("{:?} in lane {} entry {}", write.act, write.lane.short(), write.seq);
        lost.named.push(LostWrite { at: write.at, member: write.member, what, missing_at });
    }
    lost
}

enum Look {
    There,
    Missing,
    Altered,
}

fn look(replica: &Replica, write: &Acknowledged) -> Look {
    if let Some(look) = look_at_branches(replica, write) {
        return look;
    }
    let Ok(Some(entry)) = replica.store().entry(&write.lane, write.seq) else { return Look::Missing };
    if write.leaf.is_some_and(|leaf| leaf != entry.leaf()) {
        return Look::Altered;
    }
    let named = |id: &String| entry.body.windows(id.len()).any(|part| part == id.as_bytes());
    match write.resource_id.as_ref().is_none_or(named) {
        true => Look::There,
        // Another write took its place: it was never written.
        false => Look::Missing,
    }
}

/// Looks for a write in the histories of a lane that is forked where it stands.
fn look_at_branches(replica: &Replica, write: &Acknowledged) -> Option<Look> {
    let lane = replica.lane(&write.lane)?;
    lane.fork.as_ref().filter(|_| write.seq >= lane.size())?;
    let (leaf, mut agreed) = (write.leaf?, lane.agreed_tail());
    let there = agreed.any(|(seq, entry)| seq == write.seq && entry.leaf() == leaf)
        || lane.disputed().any(|(_, seq, entry)| seq == write.seq && entry.leaf() == leaf);
    Some(if there { Look::There } else { Look::Missing })
}

/// Which machines hold the same of an area as one that is read entry by entry: equal heads of Merkle trees over the
/// same entries. In a small region every machine is read.
struct Alike {
    read_elsewhere: BTreeSet<(usize, Area, Part)>,
}

impl Alike {
    fn of(world: &World<'_>) -> Self {
        let mut read_elsewhere = BTreeSet::new();
        if !world.is_small() {
            let mut read: BTreeSet<(Area, Part, Digest)> = BTreeSet::new();
            for (node, it) in world.nodes.iter().enumerate() {
                let Some(replica) = &it.replica else { continue };
                for GroupHeads { area, part, digest, .. } in replica.groups() {
                    if it.device().is_none() && !read.insert((area.clone(), part, digest)) {
                        read_elsewhere.insert((node, area, part));
                    }
                }
            }
        }
        Self { read_elsewhere }
    }

    fn is_read_elsewhere(&self, node: usize, area: &Area, part: Part) -> bool {
        !self.read_elsewhere.is_empty() && self.read_elsewhere.contains(&(node, area.clone(), part))
    }
}

fn holds(world: &World<'_>, node: usize, area: &Area, part: Part) -> bool {
    world.scenario.replicas[node].holds(area, part)
}

/// Counts on how many machines each write is, and returns the least.
fn held_by_least(world: &World<'_>) -> Option<u64> {
    let present: Vec<usize> =
        (0..world.nodes.len()).filter(|node| world.nodes[*node].replica.is_some()).collect();
    let mut holders: BTreeMap<(&Area, Part), Vec<usize>> = BTreeMap::new();
    for write in world.ledger.writes() {
        let of_group = || {
            let of = present.iter().copied().filter(|node| holds(world, *node, &write.area, write.part));
            of.collect()
        };
        holders.entry((&write.area, write.part)).or_insert_with(of_group);
    }
    let held = |write: &Acknowledged| {
        let of_area = holders.get(&(&write.area, write.part)).map_or(&[][..], Vec::as_slice);
        let has = |node: &&usize| world.nodes[**node].knowledge.size(&write.lane) > write.seq;
        of_area.iter().filter(has).count() as u64
    };
    world.ledger.writes().iter().filter(|write| !write.forgiven).map(held).min()
}

/// Positive allergies: how many were looked for, and those that some machine does not show.
pub(super) struct Allergies {
    /// How many, each at each machine that was read.
    pub(super) looked_for: u64,
    /// Those that are not shown.
    pub(super) missing: Vec<String>,
}

/// Finds contradictions and dangers in every record, who could have seen them when, and positive allergies that
/// some machine does not show.
fn disputes(world: &World<'_>, clinical: &mut ClinicalSeen) -> (Vec<Dispute>, Allergies) {
    let mut found = Vec::new();
    let (mut looked_for, mut missing) = (0, Vec::new());
    for (record, person) in world.people.all() {
        let written = world.ledger.about(person).filter(|(_, write)| write.record == Some(record));
        let written: Vec<(usize, &Acknowledged)> = written.collect();
        let Some(area) = written.first().map(|(_, write)| write.area.clone()) else { continue };
        let several = if world.is_small() { usize::MAX } else { 1 };
        // Memory is read faster than a disk.
        let mut readers: Vec<usize> = (0..world.nodes.len()).collect();
        readers.sort_by_key(|node| world.nodes[*node].device().is_some());
        let whole = |node: usize| world.is_small() || world.scenario.replicas[node].holds_records(&area);
        let of_area = |node: &usize| {
            world.nodes[*node].replica.is_some() && holds(world, *node, &area, Part::Card) && whole(*node)
        };
        let readers: Vec<usize> = readers.into_iter().filter(of_area).take(several).collect();
        for (place, node) in readers.iter().enumerate() {
            let Some(replica) = &world.nodes[*node].replica else { continue };
            let Ok((facts, _)) = replica.facts(&record) else { continue };
            let view = RecordView::of(&facts);
            if world.is_small() {
                world.look_at(*node, (person, record), (&facts, &view), clinical);
            }
            for substance in positive(world, person, record, *node) {
                looked_for += 1;
                let wanted = kana::fold(&substance);
                let mut shown = view
                    .allergies
                    .active
                    .iter()
                    .flat_map(|allergy| std::iter::once(&allergy.substance).chain(&allergy.also));
                if !shown.any(|name| kana::fold(name) == wanted) {
                    let name = &world.scenario.replicas[*node].name;
                    missing.push(format!("{name} does not show an allergy of record {}", record.short()));
                }
            }
            if place == 0 {
                found.extend(of_view(world, person, &area, &view));
            }
        }
    }
    found.sort_by(|a, b| (a.arose, a.person, &a.kind).cmp(&(b.arose, b.person, &b.kind)));
    (found, Allergies { looked_for, missing })
}

/// The allergies that a machine holds and that nobody who knew of them has refuted.
fn positive(world: &World<'_>, person: PersonNo, record: RecordId, node: usize) -> BTreeSet<String> {
    if world.is_doubtful(&record) {
        return BTreeSet::new();
    }
    let held =
        |write: &Acknowledged| write.record == Some(record) && world.holds(node, &write.lane, write.seq);
    let mut answered = BTreeSet::new();
    for (_, write) in world.ledger.about(person).filter(|(_, write)| held(write)) {
        if let Said::NotAllergic(_, to) = &write.said {
            answered.extend(to.iter().copied());
        }
    }
    let about =
        world.ledger.about(person).filter(|(number, write)| held(write) && !answered.contains(number));
    about
        .filter_map(|(_, write)| match &write.said {
            Said::Allergic(substance) if !write.forgiven => Some(substance.clone()),
            Said::Allergic(_) | Said::NotAllergic(..) | Said::Other => None,
        })
        .collect()
}

/// What a person is called: by the record, and by the scenario where it names the patient.
fn called(world: &World<'_>, person: PersonNo, view: &RecordView) -> String {
    let name = view.demographics.names.first().map(|name| name.full.clone()).unwrap_or_default();
    match world.people.alias(person) {
        Some(alias) if name != alias.0 => format!("{name} ({alias})").trim_start().to_owned(),
        Some(_) | None => name,
    }
}

fn of_view(world: &World<'_>, person: PersonNo, area: &Area, view: &RecordView) -> Vec<Dispute> {
    let conflicts = view.conflicts.iter().map(|conflict| {
        let section = json_name(&conflict.section);
        let harm = if section == "medication" || section == "allergies" { "caution" } else { "none" };
        (section, conflict.kind, harm.to_owned(), &conflict.statements, conflict.open)
    });
    let alerts = view.alerts.iter().map(|alert| {
        ("alerts".to_owned(), alert.kind.name(), json_name(&alert.severity), &alert.statements, true)
    });
    conflicts
        .chain(alerts)
        .filter_map(|(section, kind, harm, statements, open)| {
            let places: Vec<(LaneId, u64)> = statements.iter().map(|place| (place.lane, place.seq)).collect();
            let writes: Vec<&Acknowledged> =
                places.iter().filter_map(|(lane, seq)| world.ledger.at(*lane, *seq)).collect();
            let last = writes.iter().max_by_key(|write| write.at)?;
            let written_at = Dispute::places(writes.iter().map(|write| (write.at, write.member)));
            let knew = writes.iter().all(|write| {
                let since = world.nodes[last.member].knowledge.since(&write.lane, write.seq);
                since.is_some_and(|since| since <= last.at)
            });
            let (seen, seen_by) = first_seen(world, area, &places).unzip();
            let decided = if open { None } else { Some(last.at) };
            let (kind, person, arose) = (kind.to_owned(), person.0, last.at);
            Some(Dispute {
                section,
                kind,
                harm,
                person,
                called: called(world, PersonNo(person), view),
                written_at,
                arose,
                seen,
                seen_by,
                decided,
                late_by_split: !knew,
            })
        })
        .collect()
}

/// When and where all of some statements were first in one place.
fn first_seen(world: &World<'_>, area: &Area, places: &[(LaneId, u64)]) -> Option<(Duration, usize)> {
    let at = |node: usize| -> Option<Duration> {
        let since = |(lane, seq): &(LaneId, u64)| world.nodes[node].knowledge.since(lane, *seq);
        places.iter().map(since).collect::<Option<Vec<_>>>()?.into_iter().max()
    };
    let nodes = (0..world.nodes.len()).filter(|node| holds(world, *node, area, Part::Card));
    nodes.filter_map(|node| at(node).map(|at| (at, node))).min()
}

fn json_name(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(name)) => name,
        Ok(_) | Err(_) => "unnamed".to_owned(),
    }
}

/// Restores the backup into memory, as if the gateway's site were lost, and compares it with what was backed up.
fn backup_restores(world: &mut World<'_>) -> Option<Finding> {
    let gateway = world.scenario.index(world.scenario.gateway.as_ref()?)?;
    world.bucket_at?;
    world.bucket.set_reachable(true);
    let kit = world.nodes[gateway].kit.clone()?;
    let environment = world.nodes[gateway].environment.clone();
    let store = std::sync::Arc::new(crate::store::MemoryStore::new());
    let bucket = Bucket::Memory(world.bucket.clone());
    let role = world.scenario.replicas[gateway].role;
    let mut unheard = |_| {};
    let restoring = restore_into(store, &bucket, &kit, "rehearsal", role, environment, &mut unheard);
    let restored = match now_or_never(restoring) {
        Ok(Ok((replica, _))) => replica,
        Ok(Err(error)) => return Some(Err(Told::same(error.to_string()))),
        Err(failure) => return Some(Err(Told::same(failure.0))),
    };
    let lanes = restored.lanes();
    let mut backed_up: Vec<(&LaneId, &u64)> = world.bucket_sizes.iter().collect();
    backed_up.sort();
    for (lane, size) in &backed_up {
        let held = lanes.get(*lane).map_or(0, crate::lane::LaneState::size);
        if held < **size {
            let lane = lane.short();
            return Some(Err(Told::of(
                format!("lane {lane}: {size} entries were backed up, {held} came back"),
                format!("レーン {lane}：バックアップ {size} 件、戻ったもの {held} 件"),
            )));
        }
        let Some(name) = restored.lane_name(lane) else { continue };
        let root = |replica: &Replica| root_at(replica.store(), lane, **size).ok();
        let ours = root(&restored);
        let alive =
            world.nodes.iter().enumerate().filter(|(node, _)| holds(world, *node, &name.area, name.part));
        // In a large region a few replicas of the area speak for the others: their heads are compared anyway.
        let alive = alive.filter_map(|(_, node)| node.replica.as_ref()).take(super::world::SMALL_MAX);
        for theirs in alive.filter_map(|replica| root(replica)) {
            if Some(theirs) != ours {
                let lane = lane.short();
                return Some(Err(Told::of(
                    format!("lane {lane}: what came back is another history"),
                    format!("レーン {lane}：戻ったものは別の履歴である"),
                )));
            }
        }
    }
    let entries: u64 = backed_up.iter().map(|(_, size)| **size).sum();
    let lanes = backed_up.len();
    Some(Ok(Told::of(
        format!("{entries} entries in {lanes} lanes came back with equal heads"),
        format!("レーン {lanes} 本の記入 {entries} 件が、同じ内容で戻った"),
    )))
}

/// Reads every disk that rotted once more.
fn damage(world: &World<'_>) -> Vec<Damage> {
    let rotten = world.nodes.iter().enumerate().filter(|(_, node)| node.counters().sectors_rotten > 0);
    rotten
        .map(|(member, node)| {
            let unread = match &node.replica {
                None => None,
                Some(replica) => replica.scrub().ok().map(|damaged| damaged.len() as u64),
            };
            Damage { member, sectors: node.counters().sectors_rotten, unread }
        })
        .collect()
}

fn count_disks(world: &mut World<'_>) {
    let faults = &mut world.recorder.faults;
    for node in &world.nodes {
        let counters = node.counters();
        faults.sectors_lost += counters.sectors_lost;
        faults.writes_torn += counters.writes_torn;
        faults.sectors_rotten += counters.sectors_rotten;
        faults.full_refusals += counters.full_refusals;
        faults.lies_told += node.liar.told();
    }
}

fn heads_of_all(world: &World<'_>) -> Vec<u8> {
    let replicas = world.nodes.iter().filter_map(|node| node.replica.as_ref());
    replicas.flat_map(|replica| replica.heads_digest().0).collect()
}

/// Counts the records that were opened in the run and that each machine holds.
fn registered(world: &World<'_>) -> Vec<u64> {
    let mut counts = vec![0; world.nodes.len()];
    let mut holders: BTreeMap<&Area, Vec<usize>> = BTreeMap::new();
    for write in world.ledger.writes().iter().filter(|write| write.act == Act::Register) {
        let of_area =
            || (0..world.nodes.len()).filter(|node| holds(world, *node, &write.area, write.part)).collect();
        for node in holders.entry(&write.area).or_insert_with(of_area) {
            counts[*node] += u64::from(world.nodes[*node].knowledge.size(&write.lane) > write.seq);
        }
    }
    counts
}

fn members(world: &World<'_>) -> Vec<Member> {
    let member = |node: usize| Member {
        disk: match world.scenario.replicas[node].store {
            StorePlan::Disk => DiskKind::Simulated,
            StorePlan::Memory => DiskKind::Memory,
        },
        entries: world.nodes[node].knowledge.entries(),
        records: world.registered[node],
        ..Member::planned(world.scenario, node)
    };
    (0..world.nodes.len()).map(member).collect()
}

fn remarks(count: usize, members: &[Member]) -> Vec<Told> {
    let of = |kind: DiskKind| members.iter().filter(|member| member.disk == kind).count();
    let (disks, memory) = (of(DiskKind::Simulated), of(DiskKind::Memory));
    let mut remarks = vec![Told {
        ja: format!(
            "仮想時間で本番と同じプログラムを一つのスレッドで動かした。模擬ディスク上の本番ストアは{disks}台、メモリ上のストアは{memory}台。"
        ),
        en: format!(
            "The production code ran in virtual time on one thread; {disks} replicas kept the production store on \
             simulated disks, {memory} the memory store."
        ),
    }];
    remarks.push(Told {
        ja: "同じ署名の検証は一度だけ行い、結果を全複製で共有した。".to_owned(),
        en: "A signature was verified once, and the result shared by all simulated replicas.".to_owned(),
    });
    if count > super::world::SMALL_MAX {
        remarks.push(Told {
            ja: "同じ内容（同じ木の頂）を持つ複製は代表の一台だけを全件照合した。群の機器は制御レーンを開いていない。".to_owned(),
            en: "Of replicas with equal heads one was read entry by entry. Devices of fleets opened no control lanes."
                .to_owned(),
        });
    }
    remarks
}
