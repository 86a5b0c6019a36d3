//! Deciding between what a machine that was set back has written twice at one place.

use std::sync::Arc;

use super::knowing_tests::{hear_all, medication, note, region, register};
use super::request::MedicationAction;
use super::sealed_world_tests::{World, author};
use super::writing::facts_entry;
use super::{Replica, answer::SideShown};
use crate::base::RecordId;
use crate::lane::{EntryKind, append};
use crate::record::build::{self, MedicationChange, MedicationInput};
use crate::record::{FactsBody, RecordView, Statement, json};

const AREA: &str = "shared/miura";

/// Three replicas that all hold a patient whose drug one machine, set back in between, changed and stopped at one
/// place. `turn` varies the leaf hashes.
fn set_back(turn: u8) -> (Vec<Arc<Replica>>, RecordId) {
    let world = World::new(turn);
    let replicas = region(&world);
    let (north, south) = (&replicas[0], &replicas[1]);
    let record = register(north, "田中 幸雄", AREA);
    north.write(&record, medication(MedicationAction::Start, "5mg"), author()).unwrap();
    hear_all(&replicas);
    let before = north.lanes();
    let written = north.write(&record, medication(MedicationAction::Change, "10mg"), author()).unwrap();
    let (lane, state) = (north.lanes().into_iter())
        .find(|(lane, state)| before.get(lane).is_some_and(|old| old.size() < state.size()))
        .unwrap();
    let old = before[&lane].clone();
    let run = north.store().runs(&lane, old.size(), 1).unwrap().remove(0);
    assert_eq!((run.start, run.end()), (old.size(), state.size()));

    // The same machine, from the older image of its disk.
    let mut entries = run.entries.clone();
    let body = FactsBody::from_bytes(&entries.pop().unwrap().body).unwrap();
    let input =
        MedicationInput {
            drug: "アムロジピン".into(), change: MedicationChange::Stop, yj: None, dose: None
        };
    let resource = json::canonical(&build::medication(&record, body.time.wall(), "北村", &input)).unwrap();
    let statement = Statement { act: crate::record::Act::Stop, resource, ..body.statements[0].clone() };
    entries.push(facts_entry(north, record, body.time, author(), None, vec![statement]).unwrap());
    assert_eq!(entries.last().unwrap().kind, EntryKind::FACTS);
    let me = north.me();
    let twin = append(Some(&old), &state.name, &me.certificate, entries, &me.seed).unwrap();
    assert!(written.statement.is_some());
    for replica in [&replicas[2], south] {
        let lane_run = north.store().runs(&lane, old.size(), 1).unwrap();
        replica.admit(lane_run).unwrap();
        replica.admit(twin.iter().map(|one| one.run.clone()).collect()).unwrap();
    }
    (replicas[1..].to_vec(), record)
}

fn sides(replica: &Replica, record: &RecordId) -> (String, Vec<SideShown>) {
    let mut open = replica.decisions(Some(*record), &mut |_| {}).unwrap().open;
    assert_eq!(open.len(), 1);
    let open = open.remove(0);
    (open.decision, open.sides)
}

#[test]
fn of_two_statements_at_one_place_the_one_that_is_named_is_kept_and_neither_stays_open() {
    for turn in 20..24 {
        for kept in ["give アムロジピン 10mg", "stop アムロジピン"] {
            let (replicas, record) = set_back(turn);
            let south = &replicas[0];
            let (name, shown) = sides(south, &record);
            let mut says: Vec<&str> = shown.iter().map(|side| side.says.as_str()).collect();
            let keep = 1 + says.iter().position(|says| *says == kept).unwrap();
            says.sort_unstable();
            // Disputed ground hides nothing: the dose before stands beside both.
            assert_eq!(says, ["give アムロジピン 10mg", "give アムロジピン 5mg", "stop アムロジピン"]);
            let decided = south.decide(&record, &name, keep, "確認".into(), author(), None).unwrap();
            let written = decided.written.unwrap();
            assert_eq!(written.warnings, [] as [&str; 0]);
            hear_all(&replicas);
            for replica in &replicas {
                let facts = replica.facts(&record).unwrap().0;
                let view = RecordView::of(&facts);
                assert!(replica.decisions(None, &mut |_| {}).unwrap().open.is_empty());
                assert!(view.conflicts.iter().any(|conflict| !conflict.open), "it is told as settled");
                let drugs = view.medication.active.iter().chain(&view.medication.ended);
                let sides: Vec<_> = drugs.flat_map(|drug| &drug.sides).collect();
                let [side] = sides.as_slice() else { panic!("{} sides", sides.len()) };
                assert_eq!(side.says, kept);
                assert_eq!(Some(Replica::statement_name(&side.source.positions[0])), written.statement);
            }
        }
    }
}

#[test]
fn who_stops_a_drug_answers_both_statements_at_one_place() {
    let (replicas, record) = set_back(30);
    let south = &replicas[0];
    south.write(&record, medication(MedicationAction::Stop, ""), author()).unwrap();
    let view = RecordView::of(&south.facts(&record).unwrap().0);
    assert!(view.medication.active.is_empty() && view.conflicts.iter().all(|conflict| !conflict.open));
    assert_eq!(view.medication.ended[0].sides.len(), 1);
    // Nothing else is touched, and one goes on as ever.
    south.write(&record, note("再診"), author()).unwrap();
    assert_eq!(south.facts(&record).unwrap().1, 0);
}
