//! Forks: stories, and the law that they are a join.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::laws::cases;
use proptest::prelude::*;
use proptest::sample::Index;

use super::support::*;
use crate::base::limits::{
    FORK_BRANCH_BYTES_MAX, FORK_BRANCH_ENTRIES_MAX, FORK_BRANCHES_MAX, FORK_GAP_ENTRIES_MAX,
};
use crate::base::{Digest, LaneId, Part, cbor};
use crate::lane::fork::Window;
use crate::lane::history::{History, choose, first_difference};
use crate::lane::{
    Admission, Checkpoint, Entry, ForkState, Head, LaneName, RefusalReason, Run, Wait, append, join,
};

struct Story {
    world: World,
    device: Device,
    name: LaneName,
    lane: LaneId,
}

fn story() -> Story {
    let mut world = World::new();
    let device = world.device(10);
    let name = device.name("shared/a", Part::Card);
    let lane = name.id();
    Story { world, device, name, lane }
}

impl Story {
    fn replica(&self) -> Replica {
        Replica::new(&self.world.certificates)
    }

    /// A history of one letter an entry, in one run or in runs that end at `ends`.
    fn history(&self, letters: &str, ends: &[u64]) -> Vec<Run> {
        let entries = letters.chars().map(|letter| facts(letter.to_string()));
        let entries: Vec<_> = [self.device.opening(&self.name)].into_iter().chain(entries).collect();
        self.device.runs(&self.name, &entries, ends, &[])
    }

    fn offer_all(&self, replica: &mut Replica, runs: &[Run]) -> Vec<Admission> {
        runs.iter().map(|run| replica.offer(run)).collect()
    }
}

fn forked(replica: &Replica, lane: LaneId) -> (u64, Vec<(Digest, u64)>) {
    match replica.state(lane).head() {
        Head::Forked { at, branches } => (at, branches),
        Head::Straight { size, .. } => panic!("straight at {size}"),
    }
}

#[test]
fn two_signed_histories_fork_where_they_first_differ() {
    let story = story();
    let mut replica = story.replica();
    story.offer_all(&mut replica, &story.history("abcdef", &[3]));
    let admission = replica.offer(&story.history("abcXY", &[])[0]);

    let Admission::Forked(forking) = admission else { panic!("no fork: {admission:?}") };
    assert_eq!((forking.truncate_to, forking.replace), (3, None));
    let (at, branches) = forked(&replica, story.lane);
    assert_eq!(at, 4);
    let expected: BTreeMap<_, _> = [(facts("d").leaf(), 7), (facts("X").leaf(), 6)].into();
    assert_eq!(branches, expected.into_iter().collect::<Vec<_>>());
    let state = replica.state(story.lane);
    assert_eq!(replica.entries(story.lane).len(), 3);
    assert_eq!(
        state.agreed_tail().map(|(seq, entry)| (seq, entry.clone())).collect::<Vec<_>>(),
        [(3, facts("c"))]
    );
    let mut disputed: Vec<_> = state.disputed().map(|(_, seq, entry)| (seq, entry.body.clone())).collect();
    disputed.sort();
    let expected = [(4, "X"), (4, "d"), (5, "Y"), (5, "e"), (6, "f")];
    assert_eq!(disputed, expected.map(|(seq, text)| (seq, text.as_bytes().to_vec())));
    assert_eq!(state.certificates, [(0, story.device.hash)]);
}

#[test]
fn a_cut_inside_a_stored_run_keeps_its_beginning() {
    let story = story();
    let mut replica = story.replica();
    let entries: Vec<_> = [story.device.opening(&story.name)].into_iter().chain(many("a", 9)).collect();
    replica.offer(&story.device.runs(&story.name, &entries, &[], &[4, 7])[0]);
    let clone = [entries[..5].to_vec(), many("b", 2)].concat();
    let Admission::Forked(forking) = replica.offer(&story.device.runs(&story.name, &clone, &[], &[])[0])
    else {
        panic!("no fork")
    };
    assert_eq!((forking.truncate_to, forking.state.size()), (0, 4));
    let (kept, before) = forking.replace.unwrap();
    assert_eq!((kept.start, kept.end(), before.size()), (0, 4, 0));
    assert_eq!(replica.entries(story.lane), entries[..4]);
}

#[test]
fn a_fork_at_entry_0_keeps_the_name_and_a_certificate() {
    let mut story = story();
    let mut renewed = story.device.certificate.clone();
    renewed.not_after.0 += 1;
    let (_, hash) = story.world.issue(&renewed);
    let mut replica = story.replica();
    replica.offer(&story.history("ab", &[])[0]);
    let clone = append(None, &story.name, &hash, vec![facts("c")], &story.device.seed).unwrap();
    assert!(matches!(replica.offer(&clone[0].run), Admission::Forked(_)));
    let state = replica.state(story.lane);
    assert_eq!((forked(&replica, story.lane).0, state.size()), (0, 0));
    assert_eq!((&state.name, state.certificates.len()), (&story.name, 1));
    assert_eq!(
        state.certificates_needed(),
        BTreeSet::from([hash, story.device.hash]).into_iter().collect::<Vec<_>>()
    );
}

/// Judged under a name of which nothing is held, it would begin the lane anew, and what is held would be cut off.
#[test]
fn evidence_that_comes_under_the_name_of_another_lane_is_refused() {
    let story = story();
    let mut witness = story.replica();
    story.offer_all(&mut witness, &story.history("abcd", &[]));
    witness.offer(&story.history("X", &[])[0]);
    let evidence = witness.state(story.lane).fork.clone().unwrap();
    let mut replica = story.replica();
    story.offer_all(&mut replica, &story.history("abcdefgh", &[]));
    let other = story.device.name("shared/b", Part::Card).id();
    for named in [other, LaneId([9; 32])] {
        let Admission::Refused(refusal) = replica.offer_fork(named, &evidence) else { panic!("not refused") };
        assert!(matches!(refusal.reason, RefusalReason::OtherLane { .. }), "{refusal}");
        assert_eq!(refusal.lane, named);
    }
    assert_eq!(replica.state(story.lane).size(), 9);
    let admission = replica.offer_fork(story.lane, &evidence);
    assert!(matches!(admission, Admission::Forked(_)), "under its own name it counts: {admission:?}");
}

#[test]
fn a_shorter_prefix_is_no_fork() {
    let story = story();
    let mut replica = story.replica();
    replica.offer(&story.history("abcdef", &[])[0]);
    assert_eq!(replica.offer(&story.history("abc", &[])[0]), Admission::Duplicate);
    let mut replica = story.replica();
    replica.offer(&story.history("abc", &[])[0]);
    assert!(matches!(replica.offer(&story.history("abcdef", &[])[0]), Admission::Admitted(_)));
}

#[test]
fn a_run_that_continues_another_history_asks_for_the_lane_from_its_beginning() {
    let story = story();
    let mut replica = story.replica();
    story.offer_all(&mut replica, &story.history("abc", &[]));
    let clone = story.history("aXcd", &[4]);
    let Admission::Refused(refusal) = replica.offer(&clone[1]) else { panic!("not refused") };
    assert_eq!(refusal.reason, RefusalReason::DoesNotExtend { size: 5 });
    assert!(matches!(replica.offer(&clone[0]), Admission::Forked(_)));
    assert!(matches!(replica.offer(&clone[1]), Admission::Forked(_)));
    assert_eq!(replica.offer(&clone[1]), Admission::Duplicate);
}

#[test]
fn a_proof_is_verified_alone_and_for_its_own_lane_and_device() {
    let mut story = story();
    let mut replica = story.replica();
    replica.offer(&story.history("abcdef", &[3])[0]);
    story.offer_all(&mut replica, &story.history("abcdef", &[3]));
    replica.offer(&story.history("abcXY", &[])[0]);
    let other = story.world.device(12);
    let proof = replica.state(story.lane).fork.as_ref().unwrap().proof.clone();
    let device = story.device.seed.device_id();
    assert_eq!(proof.verify(&story.lane, &device), Some(4));
    assert_eq!(proof.verify(&story.lane, &other.seed.device_id()), None);
    assert_eq!(proof.verify(&LaneId([0; 32]), &device), None);
    for harm in 0..5 {
        let mut proof = proof.clone();
        match harm {
            0 => proof.at += 1,
            1 => proof.right = proof.left.clone(),
            2 => proof.left.leaf.0[0] ^= 1,
            3 => proof.left.checkpoint.size += 1,
            _ => proof.right.proof.clear(),
        }
        assert_eq!(proof.verify(&story.lane, &device), None, "{harm}");
    }
}

#[test]
fn evidence_is_merged_whole_in_pieces_or_as_a_proof() {
    let story = story();
    let mut knows = story.replica();
    story.offer_all(&mut knows, &story.history("abcdef", &[3]));
    story.offer_all(&mut knows, &story.history("abcXY", &[]));
    let evidence = knows.state(story.lane).fork.clone().unwrap();

    let mut replica = story.replica();
    let waits = replica.offer_fork(story.lane, &evidence);
    assert_eq!(waits, Admission::Waiting(Wait::Gap { have: 0 }));
    story.offer_all(&mut replica, &story.history("abcdef", &[3]));
    let mut whole = replica.clone();
    assert!(matches!(whole.offer_fork(story.lane, &evidence), Admission::Forked(_)));
    assert_eq!(whole.heads(), knows.heads());
    assert_eq!(whole.offer_fork(story.lane, &evidence), Admission::Duplicate);

    let told = replica.offer_fork(story.lane, &evidence.without_branches());
    assert!(matches!(told, Admission::Forked(_)));
    assert_eq!(forked(&replica, story.lane).1.len(), 1);
    for piece in evidence.pieces() {
        replica.offer_fork(story.lane, &piece);
    }
    assert_eq!(replica.heads(), knows.heads());
}

#[test]
fn false_evidence_is_refused_and_changes_nothing() {
    let story = story();
    let mut knows = story.replica();
    story.offer_all(&mut knows, &story.history("abcdef", &[3]));
    story.offer_all(&mut knows, &story.history("abcXY", &[]));
    let evidence = knows.state(story.lane).fork.clone().unwrap();
    let mut replica = story.replica();
    story.offer_all(&mut replica, &story.history("abcdef", &[3]));
    let before = replica.heads();
    let mut refuse = |change: &dyn Fn(&mut ForkState)| {
        let mut evidence = evidence.clone();
        change(&mut evidence);
        let admission = replica.offer_fork(story.lane, &evidence);
        assert!(matches!(admission, Admission::Refused(_)), "{admission:?}");
        assert_eq!(replica.heads(), before);
    };
    refuse(&|fork| fork.at -= 1);
    refuse(&|fork| fork.proof.at -= 1);
    refuse(&|fork| fork.proof.left.checkpoint.signature[0] ^= 1);
    refuse(&|fork| fork.branches = vec![fork.branches[0].clone(); FORK_BRANCHES_MAX + 1]);
    refuse(&|fork| fork.branches[0].checkpoints.clear());
    refuse(&|fork| fork.branches[1].start = u64::MAX);
    refuse(&|fork| fork.branches[1].start = fork.at + 1);
    refuse(&|fork| fork.branches[1].lane.0[0] ^= 1);
}

#[test]
fn forged_branches_do_not_hinder_good_ones() {
    let story = story();
    let mut knows = story.replica();
    story.offer_all(&mut knows, &story.history("abcdef", &[3]));
    story.offer_all(&mut knows, &story.history("abcXY", &[]));
    let mut evidence = knows.state(story.lane).fork.clone().unwrap();
    let mut forged = evidence.branches[0].clone();
    forged.entries[1] = facts("forged");
    evidence.branches.insert(0, forged);
    let mut replica = story.replica();
    story.offer_all(&mut replica, &story.history("abcdef", &[3]));
    assert!(matches!(replica.offer_fork(story.lane, &evidence), Admission::Forked(_)));
    assert_eq!(replica.heads(), knows.heads());
}

#[test]
fn only_a_window_of_a_long_branch_is_disputed_and_kept() {
    let story = story();
    let long = FORK_BRANCH_ENTRIES_MAX as usize + 700;
    let runs = story.device.write(&story.name, &[vec![facts("first")], many("long", long)]);
    let mut replica = story.replica();
    story.offer_all(&mut replica, &runs);
    let fork = replica.offer(&story.device.write(&story.name, &[vec![facts("first")], many("other", 3)])[1]);
    assert!(matches!(fork, Admission::Forked(_)));
    let (at, branches) = forked(&replica, story.lane);
    let ends: BTreeSet<_> = branches.iter().map(|(_, end)| *end).collect();
    assert_eq!((at, ends), (2, BTreeSet::from([5, 2 + FORK_BRANCH_ENTRIES_MAX])));
    assert_eq!(replica.state(story.lane).disputed().count() as u64, 3 + FORK_BRANCH_ENTRIES_MAX);
    let kept = &replica.state(story.lane).fork.as_ref().unwrap().branches;
    assert!(kept.iter().all(|branch| branch.end() < 2 + FORK_BRANCH_ENTRIES_MAX + 256));
    assert_eq!(replica.offer(&runs[1]), Admission::Duplicate);
}

#[test]
fn branches_that_are_signed_too_rarely_are_refused() {
    let story = story();
    let entries = |text: &str, count| [vec![story.device.opening(&story.name)], many(text, count)].concat();
    let sparse = |entries: &[Entry], ends: &[u64]| story.device.runs(&story.name, entries, ends, &[]);
    let mut replica = story.replica();
    // A history that is left just before the end of its window, for another that is next signed a run later.
    let long = entries("long", 5_000);
    let mut left = [long[..4_090].to_vec(), many("left", 4_000)].concat();
    while left[4_090].leaf() > long[4_090].leaf() {
        left[4_090].body.push(0);
    }
    story.offer_all(&mut replica, &sparse(&long, &[1, 4_091]));
    replica.offer(&sparse(&entries("clone", 3), &[1])[1]);
    let admission = replica.offer(&sparse(&left, &[1, 4_090])[2]);
    assert!(matches!(admission, Admission::Forked(_)));
    let mut evidence = replica.state(story.lane).fork.clone().unwrap();
    let longest = evidence.branches.iter_mut().max_by_key(|branch| branch.entries.len()).unwrap();
    assert_eq!((longest.entries.len(), longest.checkpoints.len()), (left.len() - 1, 1));

    // The same in one piece beyond all limits is not believed.
    let beyond = FORK_GAP_ENTRIES_MAX as u64;
    longest.entries.extend(many("beyond", beyond as usize));
    longest.checkpoints[0].size += beyond;
    let Admission::Refused(refusal) = replica.offer_fork(story.lane, &evidence) else {
        panic!("not refused")
    };
    assert_eq!(refusal.reason, RefusalReason::Branches { at: evidence.at });
}

#[test]
fn a_large_entry_closes_the_window_and_is_kept() {
    let story = story();
    let large = facts(vec![1; FORK_BRANCH_BYTES_MAX + 5]);
    let runs = story.device.write(&story.name, &[vec![facts("a")], vec![large, facts("after")]]);
    let mut replica = story.replica();
    story.offer_all(&mut replica, &runs);
    replica.offer(&story.device.write(&story.name, &[vec![facts("a"), facts("b")]])[0]);
    let (at, branches) = forked(&replica, story.lane);
    assert_eq!((at, branches.iter().map(|(_, end)| *end).collect::<Vec<_>>()), (2, vec![3, 3]));
    let encoded = cbor::to_vec(replica.state(story.lane));
    assert_eq!(cbor::from_canonical::<crate::lane::LaneState>(&encoded).unwrap(), *replica.state(story.lane));
}

/// How one history grows out of another: from which, after which entry, with how many entries of its own.
type Growth = (Index, Index, u8);
/// One step of delivery: a run to a replica, or what one replica holds to another.
type Step = (bool, Index, Index);

fn grown(story: &Story, growths: &[Growth]) -> Vec<Vec<Entry>> {
    let mut histories = vec![vec![story.device.opening(&story.name)]];
    for (number, (parent, cut, own)) in growths.iter().enumerate() {
        let parent = &histories[parent.index(histories.len())];
        let cut = 1 + cut.index(parent.len());
        let own = many(&format!("history {number}"), usize::from(*own));
        histories.push([parent[..cut].to_vec(), own].concat());
    }
    histories
}

/// What the head of a lane must be, told from all histories at once.
fn expected(histories: &[Vec<Entry>]) -> Option<(u64, Vec<(Digest, u64)>)> {
    let leaves: Vec<Vec<_>> = histories.iter().map(|h| h.iter().map(Entry::leaf).collect()).collect();
    let differ = |a: &Vec<Digest>, b: &Vec<Digest>| a.iter().zip(b).position(|(a, b)| a != b);
    let at = leaves.iter().flat_map(|a| leaves.iter().filter_map(move |b| differ(a, b))).min()?;
    let mut groups: BTreeMap<Digest, Vec<Vec<Digest>>> = BTreeMap::new();
    for history in leaves.into_iter().filter(|history| history.len() > at) {
        groups.entry(history[at]).or_default().push(history);
    }
    let branches = groups.into_iter().take(FORK_BRANCHES_MAX).map(|(leaf, mut group)| {
        // The end is greater than any leaf.
        group.iter_mut().for_each(|history| history.push(Digest([0xff; 32])));
        let best = group.iter().min().unwrap();
        (leaf, best.len() as u64 - 1)
    });
    Some((at as u64, branches.collect()))
}

/// Sends all that one replica holds of the lane to another, as sync does: the runs as they are, or joined.
fn tell(from: &Replica, to: &mut Replica, lane: LaneId, piecewise: bool, joins: bool) -> bool {
    let mut changed = false;
    let mut note = |admission: Admission| match admission {
        Admission::Admitted(_) | Admission::Forked(_) => changed = true,
        Admission::Duplicate | Admission::Waiting(_) | Admission::Refused(_) => {}
    };
    let Some(state) = from.lanes.get(&lane) else { return false };
    let runs = if joins { join(from.stored(lane)) } else { from.stored(lane) };
    runs.iter().for_each(|run| note(to.offer(run)));
    if let Some(fork) = &state.fork {
        let sent = if piecewise { fork.pieces() } else { vec![fork.clone()] };
        sent.iter().for_each(|fork| note(to.offer_fork(lane, fork)));
    }
    changed
}

proptest! {
    #![proptest_config(cases(20))]

    #[test]
    fn forks_are_a_join(
        growths in prop::collection::vec((any::<Index>(), any::<Index>(), 1u8..5), 1..8),
        ends in prop::collection::vec(prop::collection::vec(1u64..20, 0..5), 8),
        marks in prop::collection::vec(prop::collection::vec(1u64..20, 0..5), 8),
        steps in prop::collection::vec(any::<Step>(), 0..50),
    ) {
        let story = story();
        let histories = grown(&story, &growths);
        let pool: Vec<Vec<Run>> = histories[1..].iter().zip(&ends).zip(&marks)
            .map(|((entries, ends), marks)| story.device.runs(&story.name, entries, ends, marks))
            .collect();
        let flat: Vec<Run> = pool.concat();
        let mut replicas = vec![story.replica(), story.replica(), story.replica(), story.replica()];
        for (exchange, what, to) in &steps {
            if *exchange {
                let from = replicas[what.index(4)].clone();
                tell(&from, &mut replicas[to.index(4)], story.lane, what.index(7) == 0, what.index(5) > 1);
            } else {
                replicas[to.index(3)].offer(&flat[what.index(flat.len())]);
            }
        }
        // The first replica is given every run again until nothing changes; the others talk to each other, the
        // fourth only ever hears of what the others hold.
        let changes = |a: &Admission| matches!(a, Admission::Admitted(_) | Admission::Forked(_));
        while flat.iter().rev().filter(|run| changes(&replicas[0].offer(run))).count() > 0 {}
        let by_runs = replicas[0].heads();
        for (index, run) in flat.iter().enumerate() {
            let to = 1 + index % 2;
            replicas[to].offer(run);
        }
        let mut rounds = 0;
        loop {
            let mut changed = false;
            for from in 0..4 {
                for to in 0..4 {
                    let sender = replicas[from].clone();
                    changed |= tell(&sender, &mut replicas[to], story.lane, rounds % 2 == 1, rounds % 3 == 0);
                }
            }
            rounds += 1;
            prop_assert!(rounds < 40, "still changing");
            if !changed {
                break;
            }
        }
        for replica in &replicas {
            prop_assert_eq!(replica.heads(), by_runs.clone());
        }
        match expected(&histories[1..]) {
            Some(head) => prop_assert_eq!(forked(&replicas[0], story.lane), head),
            None => prop_assert!(replicas[0].state(story.lane).fork.is_none()),
        }
    }

    #[test]
    fn the_choice_depends_on_the_set_of_histories_alone(
        growths in prop::collection::vec((any::<Index>(), any::<Index>(), 1u8..9), 2..9),
        sizes in prop::collection::vec(0usize..30, 1..40),
        marks in prop::collection::vec(1u64..30, 0..6),
        order in prop::collection::vec(any::<Index>(), 0..12),
    ) {
        let window = Window { entries: 6, bytes: 60 };
        let story = story();
        let histories: Vec<History> = grown(&story, &growths)[1..].iter()
            .map(|entries| sized(entries, &sizes, &marks))
            .collect();
        let all: Vec<&History> = histories.iter().collect();
        let Some((at, chosen)) = folded(window, &all) else { return Ok(()) };
        let shuffled: Vec<&History> =
            order.iter().map(|index| &histories[index.index(histories.len())]).chain(histories.iter().rev()).collect();
        let (other_at, other) = folded(window, &shuffled).unwrap();
        prop_assert_eq!(at, other_at);
        let windows = |chosen: &[History]| -> Vec<Vec<Digest>> {
            let end = |h: &History| window.end(at, 0, &h.entries) as usize;
            chosen.iter().map(|h| h.leaves[..end(h)].to_vec()).collect()
        };
        prop_assert_eq!(windows(&chosen), windows(&other));
        prop_assert_eq!(windows(&chosen), windows(&choose(window, at, &histories)));
    }
}

/// Gives the entries bodies of other sizes, and the history checkpoints (whose signatures do not matter here).
fn sized(entries: &[Entry], sizes: &[usize], marks: &[u64]) -> History {
    let mut entries = entries.to_vec();
    for (seq, entry) in entries.iter_mut().enumerate() {
        let hash = entry.leaf();
        entry.body = [&hash.0[..4], &vec![0; sizes[(seq + usize::from(hash.0[0])) % sizes.len()]]].concat();
    }
    let end = entries.len() as u64;
    let sizes: BTreeSet<u64> = marks.iter().copied().filter(|size| *size < end).chain([end]).collect();
    let checkpoints = sizes.into_iter().map(|size| Checkpoint { size, signature: [0; 64] }).collect();
    History::of(Run { lane: LaneId([0; 32]), start: 0, entries, checkpoints })
}

/// Learns histories one by one, keeping after each only what is chosen.
fn folded(window: Window, histories: &[&History]) -> Option<(u64, Vec<History>)> {
    let (mut kept, mut known) = (vec![histories[0].clone()], None::<u64>);
    for history in &histories[1..] {
        let found = kept.iter().filter_map(|kept| first_difference(kept, history)).min();
        kept.push((*history).clone());
        match known.into_iter().chain(found).min() {
            Some(at) => {
                kept = choose(window, at, &kept);
                known = Some(at);
            }
            None => kept = kept.into_iter().max_by_key(|history| history.leaves.len()).into_iter().collect(),
        }
    }
    known.map(|at| (at, kept))
}
