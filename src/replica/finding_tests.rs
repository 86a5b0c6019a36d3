//! Finding people as a reception desk does: by what somebody half remembers.

use std::sync::Arc;

use serde_json::json;

use super::answer::FoundPatient;
use super::core::Replica;
use super::environment::SystemEnvironment;
use super::error::ReplicaError;
use super::held_by_tests::talk;
use super::home::Home;
use super::importing::ImportCall;
use super::linking_tests::register;
use super::request::Write;
use super::sealed_world_tests::World;
use super::tests::{Region, author};
use super::{knowing_tests, sealed_world_tests};
use crate::base::RecordId;
use crate::record::linking::TieKind;
use crate::store::{Batch, MemoryStore};

fn found(replica: &Replica, text: &str) -> Vec<FoundPatient> {
    replica.find(text, 10).unwrap().patients
}

fn records(replica: &Replica, text: &str) -> Vec<RecordId> {
    found(replica, text).iter().map(|patient| patient.record).collect()
}

#[test]
fn what_was_typed_comes_before_what_resembles_it() {
    let mut region = Region::new();
    let (north, _) = region.enrol("north");
    let right = register(&north, "渡邊 幸子", "ワタナベ サチコ", "1950-03-04");
    let variant = register(&north, "渡辺 幸子", "ワタナベ ユキコ", "1950-03-05");
    let other = register(&north, "田中 茂", "タナカ シゲル", "1950-03-04");
    assert_eq!(records(&north, "渡邊"), [right, variant], "the variant is offered below");
    assert_eq!(records(&north, "渡辺 幸子"), [variant, right]);
    assert_eq!(records(&north, "watanabe sachiko"), [right]);
    assert_eq!(records(&north, "わたなへ゛ さちこ"), [right]);
    assert_eq!(records(&north, "昭和25年3月5日")[0], variant);
    assert_eq!(records(&north, "昭和25年3月5日").len(), 3, "those who differ by one digit are offered below");
    assert_eq!(records(&north, "昭和25年 渡邊")[0], right);
    assert_eq!(records(&north, "渡邊 1950-03-04"), [right, variant]);
    assert_eq!(records(&north, "tanaka S25.3.4"), [other]);
    assert_eq!(records(&north, &right.to_string()[..12]), [right], "the beginning of a record's id");
    assert_eq!(records(&north, "渡邊 1987-11-30"), [], "nobody of that name was born that day, or near it");
}

/// A search stops when it has read enough entries that fit: what was typed exactly must be among them.
#[test]
fn of_a_hundred_who_sound_alike_those_written_as_typed_are_found() {
    let mut region = Region::new();
    let (north, _) = region.enrol("north");
    for number in 0..100 {
        register(&north, &format!("渡辺 {number}子"), "ワタナベ サチコ", "1950-03-04");
    }
    let mut typed = ["一", "二", "三"]
        .map(|name| register(&north, &format!("渡邊 {name}"), "ワタナベ ハジメ", "1950-03-05"));
    typed.sort();
    north.index_step().unwrap();
    let answer = north.find("渡邊", 10).unwrap();
    let mut first: Vec<RecordId> = answer.patients.iter().take(3).map(|patient| patient.record).collect();
    first.sort();
    assert_eq!((first, answer.patients.len(), answer.more), (typed.to_vec(), 10, true));
    assert_eq!(records(&north, "渡邊 1950-03-05").len(), 10, "those born a day before are offered below");
    assert_eq!(north.find("渡辺 7子", 10).unwrap().patients.len(), 1);
}

#[test]
fn what_two_registrations_say_apart_is_found_together() {
    let mut region = Region::new();
    let (north, _) = region.enrol("north");
    let import = |lines: &[String]| {
        let file = region.dir.path().join("patients.ndjson");
        std::fs::write(&file, lines.join("\n")).unwrap();
        let (source, area) = (Some("urn:test".to_owned()), None);
        let call = ImportCall { paths: vec![file], source, area, author: author() };
        assert_eq!(north.import(&call, &mut |_| {}).unwrap().added, lines.len() as u64);
    };
    let says = |person: u8, id: &str, what: serde_json::Value| {
        let mr = json!({ "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR" }] });
        let number = json!({ "type": mr, "system": "urn:test", "value": person.to_string() });
        let mut patient = json!({ "resourceType": "Patient", "id": id, "identifier": [number] });
        patient.as_object_mut().unwrap().extend(what.as_object().unwrap().clone());
        patient.to_string()
    };
    let (name, born) = (json!({ "name": [{ "text": "三浦 花子" }] }), json!({ "birthDate": "1950-03-04" }));
    // In one entry, and in two.
    import(&[says(1, "a", name.clone()), says(1, "b", born.clone())]);
    import(&[says(2, "c", name)]);
    import(&[says(2, "d", born)]);
    register(&north, "三浦 花江", "ミウラ ハナエ", "1961-07-08");
    let both = found(&north, "三浦 1950-03-04");
    assert_eq!(both.len(), 2, "{both:?}");
    for one in &both {
        assert_eq!(
            (&*one.names, &*one.birth_dates),
            (&["三浦 花子".to_owned()][..], &["1950-03-04".to_owned()][..])
        );
    }
}

#[test]
fn the_first_digits_of_an_id_lead_to_its_record_and_to_no_other() {
    let mut region = Region::new();
    let (north, _) = region.enrol("north");
    let one = register(&north, "渡邊 幸子", "ワタナベ サチコ", "1950-03-04");
    let other = register(&north, "田中 茂", "タナカ シゲル", "1950-03-04");
    (0..3).for_each(|number| {
        let note = Write::Note { text: format!("経過 {number}"), title: None };
        drop(north.write(&one, note, author()).unwrap());
    });
    for record in [one, other] {
        for digits in [8, 12, 31, 32] {
            assert_eq!(north.record_named(&record.to_string()[..digits]).unwrap(), record);
        }
        assert_eq!(north.record_named(&record.to_string()[..9].to_uppercase()).unwrap(), record);
        assert!(matches!(north.record_named(&record.to_string()[..7]), Err(ReplicaError::BadRecord(_))));
    }
    let wrong = format!("{}{}", &one.to_string()[..8], if one.0[4] == 0 { "ff" } else { "00" });
    assert!(matches!(north.record_named(&wrong), Err(ReplicaError::NoRecord(_))), "as far as 8 digits go");
    assert!(matches!(north.record_named("09012345678"), Err(ReplicaError::NoRecord(_))));
}

#[test]
fn an_index_of_older_terms_is_made_anew_when_the_store_is_opened() {
    let mut region = Region::new();
    let (north, _) = region.enrol("north");
    let record = register(&north, "渡邊 幸子", "ワタナベ サチコ", "1950-03-04");
    north.index_step().unwrap();
    let home = region.dir.path().join("north");
    let stale = north.store().token("record", &[7; 16]);
    let place = *north.entries_of(&record).unwrap().first().unwrap();
    let mut north = north;
    for (older, left) in [(false, 1), (true, 0)] {
        let cursor = north.store().index_cursor().unwrap();
        north.store().index_add(cursor, &[(stale, place)]).unwrap();
        if older {
            let named = vec![("index-terms".to_owned(), vec![1])];
            north.store().commit(Batch { named, ..Batch::default() }).unwrap();
        }
        drop(north);
        let again = Home::open(&home, &Region::key(&home), Arc::new(SystemEnvironment)).unwrap();
        north = Arc::new(again);
        assert_eq!(north.store().index_find(&stale).unwrap().len(), left, "older: {older}");
        assert_eq!(records(&north, "渡邊"), [record]);
    }
}

#[test]
fn people_of_one_name_are_told_apart_and_linked_records_are_one_person() {
    let mut region = Region::new();
    let (north, _) = region.enrol("north");
    let [old, young] =
        ["1948-06-01", "1985-02-11"].map(|born| register(&north, "佐藤 健", "サトウ ケン", born));
    let double = register(&north, "佐藤 ケン", "サトウ ケン", "1948-06-01");
    register(&north, "佐藤 健一", "サトウ ケンイチ", "1990-01-01");
    let note = Write::Note { text: "発熱。".into(), title: None };
    north.write(&old, note, author()).unwrap();

    let all = found(&north, "サトウ ケン");
    let of = |record: RecordId| all.iter().find(|patient| patient.record == record).unwrap();
    assert!([old, young, double].iter().all(|record| of(*record).has_namesake));
    assert_eq!(all.iter().filter(|patient| !patient.has_namesake).count(), 1, "健一 is another name");
    assert!(of(old).ages[0] > of(young).ages[0]);
    assert!(of(old).last_seen.is_some() && of(young).last_seen.is_none());

    north.tie(TieKind::Link, [old, double], "同じ保険証", author()).unwrap();
    let joined = found(&north, "サトウケン 1948-06-01");
    assert_eq!(joined.len(), 1, "{joined:?}");
    let mut both = joined[0].linked.clone();
    both.push(joined[0].record);
    both.sort();
    let mut expected = [old, double];
    expected.sort();
    assert_eq!(both, expected);
    assert!(joined[0].last_seen.is_some(), "whichever of the records it was written in");
}

/// A clone of a device forks its lane: the trunk ends before the fork, and whoever was registered behind its end stands in a branch.
#[test]
fn people_in_the_branches_of_a_forked_lane_are_found() {
    let world = World::new(9);
    let all = knowing_tests::region(&world);
    knowing_tests::hear_all(&all);
    let clone = knowing_tests::replica_on(Arc::new(MemoryStore::new()), &world, 1);
    talk(&all[0], &clone, usize::MAX);
    let add = |replica: &Replica, name| knowing_tests::register(replica, name, "shared/miura");
    let one = add(&all[1], "鈴木 一郎");
    let other = add(&clone, "高橋 三郎");
    let note = Write::Note { text: "発熱。".into(), title: None };
    all[1].write(&one, note, sealed_world_tests::author()).unwrap();
    talk(&all[0], &all[1], usize::MAX);
    all[0].index_step().unwrap();
    talk(&all[0], &clone, usize::MAX);
    assert!(all[0].lanes().values().any(|state| state.fork.is_some()), "the clone has forked a lane");
    for rebuilt in [false, true] {
        assert_eq!(records(&all[0], "鈴木 一郎"), [one], "index rebuilt: {rebuilt}");
        assert_eq!(records(&all[0], "高橋 三郎"), [other], "index rebuilt: {rebuilt}");
        assert_eq!(all[0].record_named(&other.to_string()).unwrap(), other);
        let everybody = all[0].records().unwrap();
        assert!(everybody.contains(&one) && everybody.contains(&other), "{everybody:?}");
        all[0].index_step().unwrap();
        all[0].store().rebuild_index().unwrap();
    }
}
