//! What stops a decision: as an order, and with what linked records know.

use std::sync::Arc;

use super::core::Append;
use super::knowing_tests::{hear_all, region, register};
use super::request::{MedicationAction, Write};
use super::sealed_world_tests::{World, author};
use super::writing::{facts_entry, with_id};
use super::{Replica, ReplicaError};
use crate::base::{Area, Hlc, Part, RecordId, WallMs};
use crate::record::linking::group::GROUP_MAX;
use crate::record::linking::tie::linkage;
use crate::record::linking::{Pair, TieKind};
use crate::record::{Informant, Statement};

const AREA: &str = "shared/miura";
const WARFARIN: &str = "ワーファリン錠1mg";
const MICONAZOLE: &str = "フロリードゲル経口用2%";

fn order(action: MedicationAction, drug: &str, dose: &str) -> Write {
    let dose = Some(dose.to_owned());
    Write::Medication { action, drug: drug.into(), code: None, dose, reason: None }
}

fn allergy(substance: &str, refute: Option<&str>) -> Write {
    let refute = refute.map(str::to_owned);
    Write::Allergy { substance: substance.into(), code: None, criticality: None, refute }
}

/// Two replicas and a patient whose warfarin is changed at one and stopped at the other, who then does `then`.
fn disputed(then: impl FnOnce(&Replica, &RecordId)) -> (Vec<Arc<Replica>>, RecordId) {
    let world = World::new(11);
    let replicas: Vec<Arc<Replica>> = region(&world).into_iter().take(2).collect();
    let [north, south] = [&replicas[0], &replicas[1]];
    let record = register(north, "田中 幸雄", AREA);
    north.write(&record, order(MedicationAction::Start, WARFARIN, "1錠"), author()).unwrap();
    hear_all(&replicas);
    north.write(&record, order(MedicationAction::Change, WARFARIN, "2錠"), author()).unwrap();
    south.write(&record, order(MedicationAction::Stop, WARFARIN, "1錠"), author()).unwrap();
    then(south, &record);
    hear_all(&replicas);
    (replicas, record)
}

/// Decides for the side that begins so; `overriding` is the reason in spite of a contraindication.
fn decide(
    replica: &Replica,
    record: &RecordId,
    keep: &str,
    overriding: Option<&str>,
) -> Result<Option<super::answer::Written>, ReplicaError> {
    let open = replica.decisions(Some(*record), &mut |_| {}).unwrap().open;
    let [open] = open.as_slice() else { panic!("{} decisions", open.len()) };
    let side = open.sides.iter().position(|side| side.says.starts_with(keep)).unwrap();
    let reason = "主治医に確認".to_owned();
    Ok(replica.decide(record, &open.decision, side + 1, reason, author(), overriding)?.written)
}

fn interrupting(replica: &Replica, record: &RecordId) -> usize {
    let view = replica.person(record).unwrap().0.view;
    view.alerts.iter().filter(|alert| alert.interrupts()).count()
}

fn stops(refused: Result<Option<super::answer::Written>, ReplicaError>) -> Vec<String> {
    match refused {
        Err(ReplicaError::Contraindicated(blocked)) => blocked.blocked,
        other => panic!("not blocked: {:?}", other.map(|written| written.is_some())),
    }
}

#[test]
fn a_decision_that_keeps_what_is_contraindicated_needs_a_reason_and_one_that_stops_it_does_not() {
    let give_other = |south: &Replica, record: &RecordId| {
        south.write(record, order(MedicationAction::Start, MICONAZOLE, "1回"), author()).unwrap();
    };
    let (replicas, record) = disputed(give_other);
    let north = &replicas[0];
    let before = north.facts(&record).unwrap().0.len();
    let blocked = stops(decide(north, &record, "give", None));
    assert!(blocked[0].contains("ワーファリン"), "{blocked:?}");
    assert_eq!(stops(decide(north, &record, "give", Some(" "))), blocked, "a blank is no reason");
    assert_eq!((north.facts(&record).unwrap().0.len(), interrupting(north, &record)), (before, 1));

    decide(north, &record, "give", Some("代替なし")).unwrap().unwrap();
    hear_all(&replicas);
    for replica in &replicas {
        assert_eq!(interrupting(replica, &record), 0);
        let shown = replica.show(&record).unwrap().text;
        assert!(shown.contains("because: 代替なし"), "{shown}");
        assert!(replica.decisions(None, &mut |_| {}).unwrap().open.is_empty());
    }

    let (replicas, record) = disputed(give_other);
    decide(&replicas[0], &record, "stop", None).unwrap().unwrap();
    assert_eq!(interrupting(&replicas[0], &record), 0);
}

#[test]
fn what_is_refuted_or_stopped_stops_no_decision() {
    let refuted = |south: &Replica, record: &RecordId| {
        south.write(record, allergy(WARFARIN, None), author()).unwrap();
        south.write(record, allergy(WARFARIN, Some("別人の記載")), author()).unwrap();
    };
    let ended = |south: &Replica, record: &RecordId| {
        south.write(record, order(MedicationAction::Start, MICONAZOLE, "1回"), author()).unwrap();
        south.write(record, order(MedicationAction::Stop, MICONAZOLE, "1回"), author()).unwrap();
    };
    for (replicas, record) in [disputed(refuted), disputed(ended)] {
        decide(&replicas[0], &record, "give", None).unwrap().unwrap();
    }
    let active = |south: &Replica, record: &RecordId| {
        south.write(record, allergy(WARFARIN, None), author()).unwrap();
    };
    let (replicas, record) = disputed(active);
    assert_eq!(stops(decide(&replicas[0], &record, "give", None)).len(), 1);
}

#[test]
fn a_decision_is_the_joined_person_s() {
    let (replicas, record) = disputed(|_, _| {});
    let [north, south] = [&replicas[0], &replicas[1]];
    let other = register(south, "田中 幸男", AREA);
    south.write(&other, allergy(WARFARIN, None), author()).unwrap();
    hear_all(&replicas);
    let listed = |record| north.decisions(record, &mut |_| {}).unwrap().open;
    assert!(listed(Some(other)).is_empty());
    north.tie(TieKind::Link, [record, other], "家族の確認", author()).unwrap();

    let [here, there, all] = [listed(Some(record)), listed(Some(other)), listed(None)];
    assert_eq!([here.len(), there.len(), all.len()], [1; 3], "listed with either, and once in all");
    assert_eq!(here[0].decision, there[0].decision);
    assert_eq!((here[0].record, there[0].record), (record, other));

    for asked in [&record, &other] {
        assert!(stops(decide(north, asked, "give", None))[0].contains(WARFARIN));
    }
    let written = decide(north, &other, "give", Some("減感作済み")).unwrap().unwrap();
    assert_eq!(written.record, record, "it is written where the side stands that it keeps");
    assert!(listed(None).is_empty());
    assert_eq!(interrupting(north, &other), 0);
    // Of the record alone it is settled, too.
    north.tie(TieKind::Unlink, [record, other], "別人と判明", author()).unwrap();
    assert!(listed(Some(record)).is_empty());
    let statement = written.statement.unwrap();
    let seen = north.person(&record).unwrap().0.written_together;
    assert!(
        seen.iter().any(|one| Replica::statement_name(&one.position) == statement),
        "listed to look through"
    );
}

/// Writes ties of a record with as many records as nobody has ever heard of, into that record alone.
fn tie_with_nobody(replica: &Replica, record: &RecordId, kind: TieKind, count: usize) {
    let statement = |number: usize| {
        let mut nobody = RecordId([0; 16]);
        nobody.0[..8].copy_from_slice(&(number as u64 + 1).to_be_bytes());
        let resource = linkage(kind, Pair::new(*record, nobody).unwrap(), "nobody");
        Statement {
            act: kind.act(),
            informant: Informant::Clinician,
            follows: Vec::new(),
            reason: Some("r".to_owned()),
            resource: with_id(&resource, &format!("tie-{number}")).unwrap(),
        }
    };
    let (time, statements) = (Hlc::at(WallMs(1_800_000_000_000)), (0..count).map(statement).collect());
    let entry = facts_entry(replica, *record, time, author(), None, statements).unwrap();
    let (area, part) = (Area::new(AREA).unwrap(), Part::Card);
    replica.append(vec![Append { area, part, entries: vec![entry], knowing: [].into() }]).unwrap();
}

/// A clinic's private record is linked with one in a shared area: elsewhere nothing of it is held but its name.
#[test]
fn a_linked_record_of_which_nothing_is_held_is_told_where_a_person_reads_or_orders() {
    let world = World::new(14);
    let replica = region(&world).swap_remove(0);
    let record = register(&replica, "田中 幸雄", AREA);
    let orders = || {
        let order = order(MedicationAction::Start, "アムロジピン錠5mg", "1錠");
        (replica.write(&record, order, author()).unwrap().warnings, replica.show(&record).unwrap())
    };
    let (warned, shown) = orders();
    assert!(!warned.concat().contains("NOT HELD") && !shown.text.contains("NOT HELD"), "{warned:?}");
    tie_with_nobody(&replica, &record, TieKind::Link, 1);
    let (warned, shown) = orders();
    assert!(warned.concat().contains("LINKED RECORDS NOT HELD HERE: 000000000000: "), "{warned:?}");
    assert!(shown.text.contains("LINKED RECORDS NOT HELD HERE: 000000000000: "), "{}", shown.text);
    assert_eq!(shown.person["unheld"].as_array().map(Vec::len), Some(1));
}

#[test]
fn no_number_of_other_ties_hides_what_a_linked_record_knows() {
    let world = World::new(13);
    let mut replicas: Vec<Arc<Replica>> = region(&world).into_iter().take(2).collect();
    for replica in &replicas {
        register(replica, "他人", AREA);
    }
    let card = |replica: &Replica| {
        let lanes = replica.lanes().into_values();
        let own =
            |name: &crate::lane::LaneName| name.device == replica.me().device && name.part == Part::Card;
        lanes.filter(|state| own(&state.name)).map(|state| state.id()).max()
    };
    // What floods the record stands before what links it.
    replicas.sort_by_key(|replica| card(replica));
    let [flood, honest] = [&replicas[0], &replicas[1]];
    let record = register(honest, "田中 幸雄", AREA);
    let other = register(honest, "田中 幸男", AREA);
    honest.write(&other, allergy(WARFARIN, None), author()).unwrap();
    honest.tie(TieKind::Link, [record, other], "家族の確認", author()).unwrap();
    hear_all(&replicas);
    let order_of = |drug: &str| honest.write(&record, order(MedicationAction::Start, drug, "1錠"), author());
    let left_out = || honest.person(&record).unwrap().0.left_out;

    tie_with_nobody(flood, &record, TieKind::Unlink, GROUP_MAX - 2);
    hear_all(&replicas);
    assert!(!honest.show(&record).unwrap().text.contains("NOT ALL LINKED RECORDS READ"));
    assert!(order_of("アムロジピン錠5mg").unwrap().warnings.is_empty(), "all were read");

    tie_with_nobody(flood, &record, TieKind::Unlink, GROUP_MAX + 6);
    hear_all(&replicas);
    let shown = honest.show(&record).unwrap();
    assert!(shown.view.to_string().contains(WARFARIN), "the allergy is hidden");
    assert!(matches!(order_of(WARFARIN), Err(ReplicaError::Contraindicated(_))));
    assert_eq!((left_out(), shown.person["left_out"].as_u64()), (8, Some(8)), "two are read besides");
    assert!(shown.text.contains("NOT ALL LINKED RECORDS READ: 8 records"), "{}", shown.text);
    let warned = order_of("ファモチジン錠20mg").unwrap().warnings;
    assert!(warned.iter().any(|line| line.contains("NOT ALL LINKED RECORDS READ")), "{warned:?}");
}
