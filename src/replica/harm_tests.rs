//! Who knew what of a harm, over replicas that are cut from each other.

use std::sync::Arc;

use super::Replica;
use super::answer::Shown;
use super::harm::HarmShown;
use super::importing::ImportCall;
use super::knowing_tests::{hear_all, note, region, region_on, register};
use super::request::{MedicationAction, Write};
use super::sealed_world_tests::{World, author};
use crate::base::{Part, RecordId};
use crate::record::linking::TieKind;
use crate::record::safety::hindsight::Knew;
use crate::store::MemoryStore;

const AREA: &str = "shared/miura";
const WARFARIN: &str = "ワーファリン錠1mg";
const MICONAZOLE: &str = "フロリードゲル経口用2%";

fn start(drug: &str) -> Write {
    order(MedicationAction::Start, drug)
}

fn order(action: MedicationAction, drug: &str) -> Write {
    Write::Medication { action, drug: drug.into(), code: None, dose: Some("1回".into()), reason: None }
}

fn allergy(substance: &str) -> Write {
    Write::Allergy { substance: substance.into(), code: None, criticality: None, refute: None }
}

/// Two replicas that both know a patient.
fn two() -> (Vec<Arc<Replica>>, RecordId) {
    let replicas: Vec<Arc<Replica>> = region(&World::new(12)).into_iter().take(2).collect();
    let record = register(&replicas[0], "田中 幸雄", AREA);
    replicas[1].write(&register(&replicas[1], "他人", AREA), note("南"), author()).unwrap();
    hear_all(&replicas);
    (replicas, record)
}

/// The one harm, which every replica tells alike.
fn harm(replicas: &[Arc<Replica>], record: &RecordId) -> (HarmShown, Shown) {
    let shown: Vec<Shown> = replicas.iter().map(|replica| replica.show(record).unwrap()).collect();
    assert!(shown.iter().all(|one| one.harms == shown[0].harms), "replicas disagree");
    let [harm] = shown[0].harms.as_slice() else { panic!("{} harms", shown[0].harms.len()) };
    (harm.clone(), shown[0].clone())
}

fn knew(harm: &HarmShown) -> Vec<(&str, Knew, bool)> {
    harm.writings.iter().map(|one| (one.device.as_str(), one.knew, one.overrode)).collect()
}

#[test]
fn who_knew_and_overrode_is_told() {
    let (replicas, record) = two();
    let [north, south] = [&replicas[0], &replicas[1]];
    north.write(&record, start(WARFARIN), author()).unwrap();
    hear_all(&replicas);
    let written = south.write_overriding(&record, start(MICONAZOLE), author(), Some("代替なし")).unwrap();
    hear_all(&replicas);

    let (harm, shown) = harm(&replicas, &record);
    assert_eq!(knew(&harm), [("device-0", Knew::First, false), ("device-1", Knew::Known, true)]);
    let known = harm.known_since.as_ref().unwrap();
    assert_eq!((known.device.as_str(), known.site.as_deref()), ("device-1", Some("病院1")));
    assert_eq!(Some(&known.statement), written.statement.as_ref());
    assert_eq!((harm.possible_since, harm.hidden_ms), (known.time, Some(0)));
    for words in ["理由を記載 / had heard the other, and gave a reason", "先に記載 / written first"]
    {
        assert!(shown.text.contains(words), "{}", shown.text);
    }
}

#[test]
fn who_could_not_know_is_told_and_who_knew_first_and_who_overlooked_it() {
    let (replicas, record) = two();
    let [north, south] = [&replicas[0], &replicas[1]];
    north.write(&record, start(WARFARIN), author()).unwrap();
    south.write(&record, start(MICONAZOLE), author()).unwrap();
    hear_all(&replicas);

    let (apart, shown) = harm(&replicas, &record);
    assert_eq!(knew(&apart), [("device-0", Knew::NotHeard, false), ("device-1", Knew::NotHeard, false)]);
    let [here, there] = apart.writings.as_slice() else { panic!("two") };
    assert_eq!((apart.possible_since, apart.untold), (there.time, false));
    assert!(apart.known_since.is_none() && apart.hidden_ms.is_none());
    // Each had last heard what the other wrote before the cut.
    let far = |at: usize| (at, apart.writings[at].last_heard[0].clone());
    for ((at, heard), device) in [far(0), far(1)].into_iter().zip(["device-1", "device-0"]) {
        assert_eq!((heard.device.as_str(), heard.time < Some(here.time)), (device, true), "{at}");
        assert!(heard.time.is_some());
    }
    assert!(shown.text.contains("could not know: had heard 病院0 only up to"), "{}", shown.text);
    assert!(shown.text.contains("知り得なかった") && shown.text.contains("まだない"));

    // After the merge one raises a dose, with both at hand and without a reason.
    let change = south.write(&record, order(MedicationAction::Change, MICONAZOLE), author()).unwrap();
    hear_all(&replicas);
    let (after, shown) = harm(&replicas, &record);
    let told = knew(&after);
    assert_eq!(told[..2], [("device-0", Knew::NotHeard, false), ("device-1", Knew::NotHeard, false)]);
    assert_eq!(told[2..], [("device-1", Knew::Known, false)]);
    let known = after.known_since.unwrap();
    assert_eq!(Some(known.statement), change.statement);
    assert_eq!((after.possible_since, known.time), (apart.possible_since, change.time));
    assert_eq!(after.hidden_ms, Some(change.time.0 - apart.possible_since.0));
    assert!(
        shown.text.contains("理由の記載なし / had heard the other, and gave no reason"),
        "{}",
        shown.text
    );
    // As its author saw it, the first order harmed nobody.
    let as_of = super::knowledge::Moment::AsOf { statement: here.statement.clone() };
    assert!(north.show_at(&record, Some(&as_of)).unwrap().harms.is_empty());
}

#[test]
fn what_stood_in_another_record_could_be_known_once_it_was_linked() {
    let (replicas, record) = two();
    let [north, south] = [&replicas[0], &replicas[1]];
    let other = register(south, "田中 幸男", AREA);
    south.write(&other, allergy(WARFARIN), author()).unwrap();
    hear_all(&replicas);
    north.write(&record, start(WARFARIN), author()).unwrap();
    hear_all(&replicas);
    south.tie(TieKind::Link, [record, other], "家族の確認", author()).unwrap();
    hear_all(&replicas);
    let (before, _) = harm(&replicas, &record);
    assert_eq!(before.writings.iter().map(|one| one.knew).collect::<Vec<_>>()[1], Knew::NotLinked);
    assert!(before.known_since.is_none(), "{:?}", before.known_since);
    north.write(&record, order(MedicationAction::Change, WARFARIN), author()).unwrap();
    hear_all(&replicas);
    let (after, _) = harm(&replicas, &record);
    let told: Vec<Knew> = after.writings.iter().map(|one| one.knew).collect();
    assert_eq!(told[1..], [Knew::NotLinked, Knew::Known]);
    assert_eq!(after.known_since.unwrap().device, "device-0");
}

#[test]
fn of_an_import_it_is_unknown_what_its_author_knew() {
    let (replicas, _) = two();
    let [north, south] = [&replicas[0], &replicas[1]];
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("all.ndjson");
    let patient = r#"{"resourceType":"Patient","id":"p1","identifier":[{"system":"urn:oid:1.2.392.100495.20.3.51.11310000001","value":"77"}],"name":[{"text":"山田 一"}]}"#;
    let allergy = format!(
        r#"{{"resourceType":"AllergyIntolerance","id":"a1","patient":{{"reference":"Patient/p1"}},"code":{{"text":"{WARFARIN}"}}}}"#
    );
    std::fs::write(&file, patient).unwrap();
    let import = |replica: &Replica| {
        let (source, author) = (Some("urn:source".to_owned()), author());
        replica.import(&ImportCall { paths: vec![file.clone()], source, area: None, author }, &mut |_| {})
    };
    import(north).unwrap();
    hear_all(&replicas);
    let record = north.find("山田", 10).unwrap().patients[0].record;
    std::fs::write(&file, format!("{patient}\n{allergy}")).unwrap();
    import(north).unwrap();
    south.write(&record, start(WARFARIN), author()).unwrap();
    hear_all(&replicas);
    let (harm, shown) = harm(&replicas, &record);
    assert_eq!(knew(&harm), [("device-0", Knew::Unknown, false), ("device-1", Knew::NotHeard, false)]);
    assert!(harm.untold && harm.known_since.is_none());
    assert!(
        shown.text.contains("知り得たか不明 / unknown") && shown.text.contains("知り得た時点は不明"),
        "{}",
        shown.text
    );
}

#[test]
fn what_is_damaged_tells_nothing_and_the_alert_is_shown_all_the_same() {
    let stores = [(); 2].map(|()| Arc::new(MemoryStore::new()));
    let replicas = region_on(&World::new(14), &stores);
    let [north, south] = [&replicas[0], &replicas[1]];
    let record = register(north, "田中 幸雄", AREA);
    let other = register(south, "他人", AREA);
    south.write(&other, note("南"), author()).unwrap();
    hear_all(&replicas);
    let lane = |part| {
        let is_meant = |name: &crate::lane::LaneName| name.device == south.me().device && name.part == part;
        let lanes = north.lanes().into_values();
        lanes.filter(|state| is_meant(&state.name)).map(|state| (state.id(), state.size())).max().unwrap()
    };
    let (card, notes) = (lane(Part::Card), lane(Part::Notes));
    north.write(&record, start(WARFARIN), author()).unwrap();
    south.write(&record, start(MICONAZOLE), author()).unwrap();
    south.write(&other, note("南再び"), author()).unwrap();
    hear_all(&replicas);
    let (whole, _) = harm(&replicas, &record);
    assert_eq!(whole.writings[0].knew, Knew::NotHeard);
    assert!(whole.writings[0].last_heard[0].time.is_some());

    // The last that north had heard of south is about somebody else.
    stores[0].lose(&card.0, card.1 - 1);
    let shown = north.show(&record).unwrap();
    let writing = &shown.harms[0].writings[0];
    assert_eq!((writing.knew, writing.last_heard[0].unread), (Knew::NotHeard, true));
    assert!(
        writing.last_heard[0].time.is_none() && shown.text.contains("up to an unknown time (damaged here)")
    );

    // Here stands the tree by which what north had heard of these notes is checked.
    stores[0].lose(&notes.0, notes.1);
    let shown = north.show(&record).unwrap();
    assert_eq!(shown.view, south.show(&record).unwrap().view);
    assert_eq!((shown.harms[0].writings[0].knew, shown.harms[0].untold), (Knew::Unknown, true));
    let statement = shown.harms[0].writings[0].statement.clone();
    let as_of = super::knowledge::Moment::AsOf { statement };
    let then = north.show_at(&record, Some(&as_of)).unwrap();
    let knowledge = then.knowledge.unwrap();
    assert!(knowledge.unreadable == 1 && knowledge.is_incomplete() && then.text.contains("UNCHECKED"));
    assert_eq!(south.show(&record).unwrap().harms, [whole], "elsewhere nothing is damaged");
}
