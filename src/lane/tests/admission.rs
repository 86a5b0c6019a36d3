//! Admission of honest lanes, and of what is no lane's.

use crate::base::laws::cases;
use proptest::prelude::*;
use proptest::sample::Index;

use super::support::*;
use crate::base::Part;
use crate::base::planted::{Plant, plant};
use crate::identity::Certificates;
use crate::lane::{
    Admission, Entry, LaneName, LaneOpening, RefusalReason, Run, ShapeError, Wait, admit, append, checkpoint,
};

struct Story {
    world: World,
    device: Device,
    name: LaneName,
    runs: Vec<Run>,
    replica: Replica,
}

/// A device writes three runs of four, three and three entries.
fn story() -> Story {
    let mut world = World::new();
    let device = world.device(10);
    let name = device.name("shared/a", Part::Card);
    let runs = device.write(&name, &[many("a", 3), many("b", 3), many("c", 3)]);
    let replica = Replica::new(&world.certificates);
    Story { world, device, name, runs, replica }
}

#[track_caller]
fn refused(admission: Admission) -> RefusalReason {
    match admission {
        Admission::Refused(refusal) => refusal.reason,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn a_gap_waits_and_what_is_held_is_a_duplicate() {
    let Story { runs, mut replica, .. } = story();
    assert_eq!(replica.offer(&runs[1]), Admission::Waiting(Wait::Gap { have: 0 }));
    assert!(matches!(replica.offer(&runs[0]), Admission::Admitted(_)));
    assert_eq!(replica.offer(&runs[2]), Admission::Waiting(Wait::Gap { have: 4 }));
    assert_eq!(replica.offer(&runs[0]), Admission::Duplicate);
    assert!(matches!(replica.offer(&runs[1]), Admission::Admitted(_)));
    assert!(matches!(replica.offer(&runs[2]), Admission::Admitted(_)));
    assert_eq!(replica.offer(&runs[1]), Admission::Duplicate);
}

#[test]
fn an_overlap_is_trimmed_to_what_is_new() {
    let Story { device, name, runs, mut replica, .. } = story();
    let entries: Vec<Entry> = runs.iter().flat_map(|run| run.entries.clone()).collect();
    runs[..2].iter().for_each(|run| drop(replica.offer(run)));
    let whole = device.runs(&name, &entries, &[], &[4, 8]).remove(0);
    let Admission::Admitted(advance) = replica.offer(&whole) else { panic!("not admitted") };
    assert_eq!((advance.run.start, advance.run.entries), (7, entries[7..].to_vec()));
    let sizes: Vec<_> = advance.run.checkpoints.iter().map(|checkpoint| checkpoint.size).collect();
    assert_eq!(sizes, [8, 10]);
    assert_eq!(replica.entries(name.id()), entries);
}

#[test]
fn an_unknown_certificate_waits_until_it_is_known() {
    let Story { world, device, runs, .. } = story();
    let mut replica = Replica::new(&world.certificates_of_sites());
    assert_eq!(replica.offer(&runs[0]), Admission::Waiting(Wait::Certificate(device.hash)));
    replica.certificates.insert(&device.signed).unwrap();
    assert!(matches!(replica.offer(&runs[0]), Admission::Admitted(_)));
}

#[test]
fn a_lane_opens_with_a_certificate_that_covers_it() {
    let mut world = World::new();
    let (device, other) = (world.device(11), world.device(12));
    let name = device.name("shared/b", Part::Card);
    let mut replica = Replica::new(&world.certificates);
    let mut offer = |first: Entry| {
        let run = device.runs(&name, &[first, facts("a")], &[], &[]).remove(0);
        refused(replica.offer(&run))
    };
    let opening = LaneOpening { version: 1, name: name.clone(), certificate: device.hash };
    assert_eq!(offer(facts("no opening")), RefusalReason::NoOpening);
    assert_eq!(offer(opening.entry()), RefusalReason::Certificate { seq: 0 });
    let of_other = LaneOpening { certificate: other.hash, ..opening.clone() };
    assert_eq!(offer(of_other.entry()), RefusalReason::Certificate { seq: 0 });
    let elsewhere = LaneOpening { name: device.name("shared/a", Part::Card), ..opening.clone() };
    assert_eq!(offer(elsewhere.entry()), RefusalReason::OtherLane { seq: 0 });
    let newer = LaneOpening { version: 2, ..opening.clone() };
    assert_eq!(offer(newer.entry()), RefusalReason::Opening { seq: 0 });
    let mut malformed = opening.entry();
    malformed.body.push(0);
    assert_eq!(offer(malformed), RefusalReason::Opening { seq: 0 });
    assert!(replica.lanes.is_empty());
}

#[test]
fn a_later_certificate_entry_names_the_same_lane_and_device() {
    let Story { mut world, device, name, .. } = story();
    let other = world.device(12);
    let mut replica = Replica::new(&world.certificates);
    let opening = LaneOpening { version: 1, name: name.clone(), certificate: device.hash };
    let mut offer = |later: LaneOpening| {
        let entries = [device.opening(&name), facts("a"), later.entry()];
        refused(replica.offer(&device.runs(&name, &entries, &[], &[]).remove(0)))
    };
    let of_other = LaneOpening { certificate: other.hash, ..opening.clone() };
    assert_eq!(offer(of_other), RefusalReason::Certificate { seq: 2 });
    let elsewhere = LaneOpening { name: device.name("shared/a", Part::Notes), ..opening };
    assert_eq!(offer(elsewhere), RefusalReason::OtherLane { seq: 2 });
}

#[test]
fn another_realm_is_refused() {
    let Story { runs, .. } = story();
    let root = crate::identity::SecretSeed::from_bytes([99; 32]);
    let genesis = crate::identity::Genesis {
        name: "elsewhere".to_owned(),
        root: root.public(),
        created: crate::base::WallMs(1),
    };
    let genesis = crate::identity::Certificate::Genesis(genesis).sign(&root);
    let mut replica = Replica::new(&Certificates::new(&genesis).unwrap());
    assert_eq!(refused(replica.offer(&runs[0])), RefusalReason::Realm);
}

#[test]
fn what_the_device_did_not_sign_is_refused_and_changes_nothing() {
    let Story { world, device, name, runs, mut replica } = story();
    replica.offer(&runs[0]);
    let (before, good) = (replica.heads(), &runs[1]);
    let mut offer = |change: &dyn Fn(&mut Run)| {
        let mut run = good.clone();
        change(&mut run);
        let reason = refused(replica.offer(&run));
        assert_eq!(replica.heads(), before);
        reason
    };
    let shape = |error| RefusalReason::Shape(error);
    assert_eq!(offer(&|run| run.checkpoints.clear()), shape(ShapeError::Checkpoints));
    assert_eq!(offer(&|run| run.entries.truncate(2)), shape(ShapeError::Checkpoints));
    assert_eq!(offer(&|run| run.entries.push(facts("more"))), shape(ShapeError::Checkpoints));
    assert_eq!(offer(&|run| run.entries.clear()), shape(ShapeError::Empty));
    assert_eq!(offer(&|run| run.start = u64::MAX), shape(ShapeError::TooFar));
    assert_eq!(offer(&|run| run.checkpoints.push(run.checkpoints[0])), shape(ShapeError::Checkpoints));
    let unsigned = RefusalReason::DoesNotExtend { size: 7 };
    assert_eq!(offer(&|run| run.checkpoints[0].signature[0] ^= 1), unsigned);
    assert_eq!(offer(&|run| run.entries[1].body[0] ^= 1), unsigned);
    assert_eq!(offer(&|run| run.entries.swap(0, 2)), unsigned);

    // Signed by another key, or signed for another lane of the same device.
    let mut world = world;
    let stranger = world.device(12);
    let elsewhere = device.write(&device.name("shared/a", Part::Data), &[many("a", 3), many("b", 3)]);
    assert_eq!(offer(&|run| run.checkpoints[0] = elsewhere[1].checkpoints[0]), unsigned);
    let entries: Vec<Entry> = runs.iter().flat_map(|run| run.entries.clone()).collect();
    let forged = stranger.runs(&name, &entries[..7], &[4], &[]).remove(1);
    assert_eq!(offer(&|run| *run = forged.clone()), unsigned);
    let renamed = Run { lane: elsewhere[0].lane, ..runs[0].clone() };
    assert_eq!(offer(&|run| *run = renamed.clone()), RefusalReason::OtherLane { seq: 0 });
}

#[test]
fn a_forged_overlap_is_refused_and_is_no_fork() {
    let Story { runs, mut replica, .. } = story();
    runs.iter().for_each(|run| drop(replica.offer(run)));
    let before = replica.heads();
    let mut forged = runs[1].clone();
    forged.entries[1] = facts("forged");
    assert_eq!(refused(replica.offer(&forged)), RefusalReason::DoesNotExtend { size: 7 });
    assert_eq!(replica.heads(), before);
}

#[test]
fn refusals_name_the_lane_and_no_content() {
    let Story { name, runs, mut replica, .. } = story();
    let mut run = runs[0].clone();
    run.entries[1] = facts("patient name");
    let Admission::Refused(refusal) = replica.offer(&run) else { panic!("not refused") };
    let text = refusal.to_string();
    assert!(text.contains(&name.id().short()) && !text.contains("patient"), "{text}");
}

/// An honest region: two devices with two lanes each, a renewal in the middle, and all that they have sent.
struct Region {
    sites: Certificates,
    all: Certificates,
    certificates: Vec<Vec<u8>>,
    runs: Vec<Run>,
    names: Vec<LaneName>,
}

fn region(groups: &[(u8, u8)]) -> Region {
    let mut world = World::new();
    let devices = [world.device(10), world.device(11)];
    let mut certificates: Vec<_> = devices.iter().map(|device| device.signed.clone()).collect();
    let (mut runs, mut names) = (Vec::new(), Vec::new());
    for device in &devices {
        let mut renewed = device.certificate.clone();
        renewed.not_after.0 += 5;
        let (signed, hash) = world.issue(&renewed);
        certificates.push(signed);
        for part in [Part::Card, Part::Data] {
            let name = device.name("shared/a", part);
            let mut state = None;
            for (index, (count, _)) in groups.iter().enumerate() {
                let ruling = if index * 2 < groups.len() { &device.hash } else { &hash };
                let entries = many(&format!("{part} {index}"), usize::from(*count));
                let appended = append(state.as_ref(), &name, ruling, entries, &device.seed).unwrap();
                runs.extend(appended.iter().map(|appended| appended.run.clone()));
                state = appended.last().map(|last| last.state.clone()).or(state);
            }
            names.push(name);
        }
    }
    let sites = world.certificates_of_sites();
    Region { sites, all: world.certificates, certificates, runs, names }
}

/// Two neighbouring runs of a lane as one, with the checkpoint between them kept or dropped.
fn joined(runs: &[Run], at: usize, keep: bool) -> Option<Run> {
    let (mut one, two) = (runs[at].clone(), runs.get(at + 1)?.clone());
    if one.lane != two.lane || one.end() != two.start {
        return None;
    }
    if !keep {
        one.checkpoints.clear();
    }
    one.entries.extend(two.entries);
    one.checkpoints.extend(two.checkpoints);
    Some(one)
}

proptest! {
    #![proptest_config(cases(12))]

    #[test]
    fn admission_in_any_order_ends_in_the_same_heads(
        groups in prop::collection::vec((1u8..4, any::<u8>()), 2..5),
        joins in prop::collection::vec((any::<Index>(), any::<bool>()), 0..6),
        order in prop::collection::vec(any::<Index>(), 0..40),
        late in prop::collection::vec(0usize..30, 4),
    ) {
        let Region { sites, all, certificates, runs, names } = region(&groups);
        let mut in_order = Replica::new(&all);
        for run in &runs {
            prop_assert!(matches!(in_order.offer(run), Admission::Admitted(_)));
        }

        let joins = joins.iter().filter_map(|(at, keep)| joined(&runs, at.index(runs.len()), *keep));
        let pool: Vec<Run> = runs.iter().cloned().chain(joins).collect();
        let mut replica = Replica::new(&sites);
        for (step, index) in order.iter().enumerate() {
            for (signed, _) in certificates.iter().zip(&late).filter(|(_, late)| **late == step) {
                replica.certificates.insert(signed).unwrap();
            }
            let admission = replica.offer(&pool[index.index(pool.len())]);
            prop_assert!(!matches!(admission, Admission::Refused(_) | Admission::Forked(_)), "{:?}", admission);
        }
        certificates.iter().for_each(|signed| drop(replica.certificates.insert(signed)));
        while pool.iter().rev().any(|run| matches!(replica.offer(run), Admission::Admitted(_))) {}

        prop_assert_eq!(replica.heads(), in_order.heads());
        for name in names {
            prop_assert_eq!(replica.entries(name.id()), in_order.entries(name.id()));
            let state = replica.state(name.id());
            prop_assert_eq!(&state.certificates, &in_order.state(name.id()).certificates);
        }
    }
}

#[test]
fn a_checkpoint_that_is_wrong_inside_a_run_refuses_the_run() {
    let Story { device, name, runs, mut replica, .. } = story();
    let entries: Vec<Entry> = runs.iter().flat_map(|run| run.entries.clone()).collect();
    let mut whole = device.runs(&name, &entries, &[], &[4, 8]).remove(0);
    whole.checkpoints[1] = checkpoint::sign(&device.seed, &name.id(), 8, &device.hash);
    assert_eq!(refused(replica.offer(&whole)), RefusalReason::DoesNotExtend { size: 8 });
}

#[test]
fn a_planted_fault_admits_what_the_device_has_not_signed() {
    let Story { runs, mut replica, .. } = story();
    let mut altered = runs[0].clone();
    altered.entries[2] = facts("what nobody wrote");
    assert_eq!(refused(replica.offer(&altered)), RefusalReason::DoesNotExtend { size: 4 });
    let fault = plant(Plant::SkipCheckpointCheck);
    let Ok(fooled) = admit(None, &replica, altered.clone(), &replica.certificates);
    assert!(matches!(fooled, Admission::Admitted(_)));
    drop(fault);
    assert_eq!(refused(replica.offer(&altered)), RefusalReason::DoesNotExtend { size: 4 });
    assert!(matches!(replica.offer(&runs[0]), Admission::Admitted(_)));
}
