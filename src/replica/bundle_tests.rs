//! Bundles between replicas: whatever is torn, doubled, mixed or hostile, what is whole arrives and the rest is told.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;

use super::bundle_answer::{BundleExported, BundleFor, BundleImported, BundleWanted};
use super::request::{MedicationAction, NewPatient, Write};
use super::tests::{Region, author, data, digest, import, views};
use super::{Kind, Replica};
use crate::base::{Area, Part, RecordId};
use crate::bundle::{Block, Found, Scanner};

fn wanted(target: BundleFor, out: &Path) -> BundleWanted {
    BundleWanted { target, areas: BTreeSet::new(), parts: BTreeSet::new(), out: out.to_owned() }
}

fn export(replica: &Replica, target: BundleFor, out: &Path) -> BundleExported {
    replica.bundle_export(&wanted(target, out), &mut |_| {}).unwrap()
}

fn take(replica: &Replica, files: &[&Path]) -> BundleImported {
    let files: Vec<PathBuf> = files.iter().map(|path| path.to_path_buf()).collect();
    replica.bundle_import(&files, &mut |_| {}).unwrap()
}

fn ask(replica: &Replica, dir: &Path, name: &str) -> BundleFor {
    let path = dir.join(format!("{name}.request"));
    replica.bundle_request_to(&path).unwrap();
    BundleFor::Request(path)
}

fn patient(replica: &Replica, name: &str) -> RecordId {
    let patient = NewPatient { name: name.into(), kana: None, birth_date: None, sex: None };
    replica.register(&patient, None, author()).unwrap().record
}

fn note(replica: &Replica, record: &RecordId, text: &str) {
    replica.write(record, Write::Note { text: text.into(), title: None }, author()).unwrap();
}

fn problems(imported: &BundleImported) -> String {
    imported.files.iter().flat_map(|file| &file.problems).map(|line| format!("{line}\n")).collect()
}

fn blocks(bytes: &[u8]) -> Vec<(u64, Block)> {
    let mut scanner = Scanner::default();
    scanner.feed(bytes);
    scanner.end();
    let mut blocks = Vec::new();
    while let Some(Found::Block(block)) = scanner.next_found() {
        blocks.push((scanner.position(), block));
    }
    blocks
}

#[test]
fn a_stick_there_and_back_makes_two_replicas_one() {
    let mut region = Region::new();
    let ((north, _), (south, _)) = (region.enrol("north"), region.enrol("south"));
    let dir = region.dir.path().to_owned();
    import(&north, vec![data()]);
    let unknown = wanted(BundleFor::Site("south".into()), &dir.join("all"));
    assert_eq!(north.bundle_export(&unknown, &mut |_| {}).unwrap_err().kind(), Kind::Fix);
    export(&south, BundleFor::Realm, &dir.join("first"));
    assert!(take(&north, &[&dir.join("first")]).is_complete());
    let theirs = patient(&south, "南 花子");

    let all = export(&north, BundleFor::Site("south".into()), &dir.join("all"));
    assert!(all.problems.is_empty() && all.entries > 0 && !dir.join("all.part").exists());
    let came = take(&south, &[&dir.join("all")]);
    assert_eq!(problems(&came), "");
    assert_eq!(came.files[0].from.as_deref(), Some("north (north-1)"));
    let back = export(&south, ask(&north, &dir, "north"), &dir.join("back"));
    assert!(back.entries < 20 && back.bytes < 20_000, "only what north lacks: {back:?}");
    assert!(take(&north, &[&dir.join("back")]).is_complete());

    assert_eq!(digest(&north), digest(&south));
    assert_eq!(views(&north), views(&south));
    assert!(north.facts(&theirs).unwrap().0.len() == 1);
    let nothing = export(&north, ask(&south, &dir, "south"), &dir.join("nothing"));
    assert_eq!(nothing.entries, 0);
    assert_eq!(take(&south, &[&dir.join("nothing"), &dir.join("all")]).entries, 0);
}

#[test]
fn only_the_parts_that_are_asked_for_go_and_control_with_them() {
    let mut region = Region::new();
    let ((north, _), (south, _)) = (region.enrol("north"), region.enrol("south"));
    import(&north, vec![data()]);
    let out = region.dir.path().join("cards");
    let parts = BTreeSet::from([Part::Card]);
    let wanted = BundleWanted { parts, ..wanted(BundleFor::Realm, &out) };
    let exported = north.bundle_export(&wanted, &mut |_| {}).unwrap();
    let parts: BTreeSet<Part> = exported.groups.iter().map(|group| group.part).collect();
    assert_eq!(parts, BTreeSet::from([Part::Control, Part::Card]));
    assert!(take(&south, &[&out]).is_complete());
    assert!(south.lanes().values().all(|lane| lane.name.part <= Part::Card));
    let areas = BTreeSet::from([Area::new("private/other").unwrap()]);
    let wrong = BundleWanted { areas, ..wanted.clone() };
    assert!(north.bundle_export(&wrong, &mut |_| {}).is_err());
}

/// A file that was pulled in the middle of writing is gone on with, whatever was written here meanwhile.
#[test]
fn an_export_that_broke_off_at_any_byte_is_gone_on_with() {
    let mut region = Region::new();
    let ((north, _), (south, _)) = (region.enrol("north"), region.enrol("south"));
    let dir = region.dir.path().to_owned();
    let record = patient(&north, "北 一郎");
    (0..30).for_each(|number| note(&north, &record, &format!("記録 {number}")));
    export(&north, BundleFor::Realm, &dir.join("whole"));
    let whole = std::fs::read(dir.join("whole")).unwrap();
    let places: Vec<u64> = blocks(&whole).into_iter().map(|(end, _)| end).collect();
    let cuts = places.iter().flat_map(|end| [end - 3, *end, end + 10]).chain([0, 2]);
    note(&north, &record, "そのあとの記録");
    for (number, cut) in cuts.enumerate() {
        let (out, begun) = (dir.join(format!("b{number}")), dir.join(format!("b{number}.part")));
        let cut = (cut as usize).min(whole.len());
        std::fs::write(&begun, &whole[..cut]).unwrap();
        let exported = export(&north, BundleFor::Realm, &out);
        assert!(!begun.exists() && exported.continued <= cut as u64);
        if cut as u64 >= places[1] {
            assert!(exported.continued >= places[1], "cut at {cut}: {exported:?}");
        }
        let text = std::fs::read(&out).unwrap();
        assert_eq!(blocks(&text).last().unwrap().0, text.len() as u64, "cut at {cut}: the file is whole");
    }
    // What was whole when the cut came is what stands: the new note waits for the next bundle.
    let last = take(&south, &[&dir.join("b3")]);
    assert_eq!(problems(&last), "");
    assert!(south.facts(&record).unwrap().0.len() >= 31);

    let other = wanted(ask(&south, &dir, "south"), &dir.join("x"));
    std::fs::write(dir.join("x.part"), &whole[..places[3] as usize]).unwrap();
    let refused = north.bundle_export(&other, &mut |_| {}).unwrap_err();
    assert!(refused.to_string().contains("another bundle was begun there"), "{refused}");
    std::fs::write(dir.join("x.part"), "somebody's letter").unwrap();
    assert!(north.bundle_export(&other, &mut |_| {}).is_err(), "nobody's file is overwritten");
    assert_eq!(std::fs::read(dir.join("x.part")).unwrap(), b"somebody's letter");
    let there = north.bundle_export(&wanted(BundleFor::Realm, &dir.join("whole")), &mut |_| {}).unwrap_err();
    assert!(there.to_string().contains("whole bundle is there already"), "{there}");
}

#[test]
fn files_of_strangers_and_wrong_files_are_named_as_what_they_are() {
    let (mut ours, mut theirs) = (Region::new(), Region::new());
    let ((north, _), (stranger, _)) = (ours.enrol("north"), theirs.enrol("stranger"));
    let dir = ours.dir.path().to_owned();
    patient(&stranger, "他 人");
    export(&stranger, BundleFor::Realm, &dir.join("foreign"));
    let before = digest(&north);
    let foreign = take(&north, &[&dir.join("foreign")]);
    assert!(
        problems(&foreign).contains("another realm") && foreign.files[0].problems.len() == 1,
        "{foreign:?}"
    );
    let asked = ask(&stranger, &dir, "stranger");
    let refused = north.bundle_export(&wanted(asked, &dir.join("o")), &mut |_| {}).unwrap_err();
    assert!(refused.to_string().contains("another realm") && refused.kind() == Kind::Damaged, "{refused}");
    let BundleFor::Request(path) = ask(&north, &dir, "own") else { unreachable!() };
    let request = std::fs::read(&path).unwrap();
    std::fs::write(&path, &request[..request.len() - 9]).unwrap();
    let cut = BundleFor::Request(path.clone());
    let refused = north.bundle_export(&wanted(cut, &dir.join("o")), &mut |_| {}).unwrap_err();
    assert!(refused.to_string().contains("cut short or was changed"), "{refused}");
    assert!(problems(&take(&north, &[&path])).contains("not a bundle"));
    std::fs::write(dir.join("empty"), "").unwrap();
    assert!(problems(&take(&north, &[&dir.join("empty")])).contains("not a bundle"));
    assert_eq!(digest(&north), before);
}

#[test]
fn a_mixed_up_file_tells_what_is_of_another_bundle_and_what_is_missing() {
    let mut region = Region::new();
    let ((north, _), (south, _), (east, _)) =
        (region.enrol("north"), region.enrol("south"), region.enrol("east"));
    let dir = region.dir.path().to_owned();
    patient(&north, "北 一郎");
    patient(&east, "東 二郎");
    export(&north, BundleFor::Realm, &dir.join("n"));
    export(&east, BundleFor::Realm, &dir.join("e"));
    let (n, e) = (std::fs::read(dir.join("n")).unwrap(), std::fs::read(dir.join("e")).unwrap());
    let ends: Vec<usize> = blocks(&n).iter().map(|(end, _)| *end as usize).collect();
    let mixed = [&n[..ends[3]], &e[ends[3]..]].concat();
    std::fs::write(dir.join("m"), mixed).unwrap();
    let told = problems(&take(&south, &[&dir.join("m")]));
    assert!(told.contains("of another bundle") && told.contains("has no end"), "{told}");
    assert!(told.contains("entries of card in shared/miura"), "{told}");
    assert!(take(&south, &[&dir.join("e"), &dir.join("n")]).is_complete());
    assert_eq!(views(&south).len(), 2);
}

/// What two sites wrote, and what they must both hold at the end.
fn written() -> (Region, Arc<Replica>, Arc<Replica>, RecordId) {
    let mut region = Region::new();
    let ((north, _), (south, _)) = (region.enrol("north"), region.enrol("south"));
    let record = patient(&north, "田中 幸雄");
    let start = Write::Medication {
        action: MedicationAction::Start,
        drug: "アムロジピン".into(),
        code: None,
        dose: Some("5mg".into()),
        reason: None,
    };
    north.write(&record, start, author()).unwrap();
    (region, north, south, record)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]
    /// Several bundles, each torn at any byte, in any order and some twice, and then whole: heads and views end as after a
    /// direct sync.
    #[test]
    fn whatever_prefix_order_and_repetition_the_end_is_that_of_a_direct_sync(
        cuts in prop::collection::vec((0..3_usize, any::<prop::sample::Index>()), 1..6),
        order in Just(vec![0_usize, 1, 2]).prop_shuffle(),
        flip in any::<prop::sample::Index>(),
    ) {
        let (region, north, south, record) = written();
        let dir = region.dir.path().to_owned();
        let mut files = Vec::new();
        for number in 0..3 {
            // Each bundle but the first holds only what is new since the one before.
            let target = match number {
                0 => BundleFor::Realm,
                _ => BundleFor::Request(dir.join(format!("r{number}"))),
            };
            let out = dir.join(format!("b{number}"));
            export(&north, target, &out);
            north.bundle_request_to(&dir.join(format!("r{}", number + 1))).unwrap();
            files.push(out);
            note(&north, &record, &format!("{number} 回目"));
        }
        // The last note is in no bundle yet.
        files.push(dir.join("b3"));
        export(&north, BundleFor::Request(dir.join("r3")), &files[3]);
        for (file, cut) in cuts {
            let bytes = std::fs::read(&files[file]).unwrap();
            let mut torn = bytes[..cut.index(bytes.len() + 1)].to_vec();
            if !torn.is_empty() {
                let place = flip.index(torn.len());
                torn[place] ^= 4;
            }
            let path = dir.join("torn");
            std::fs::write(&path, &torn).unwrap();
            prop_assert!(!take(&south, &[&path]).is_complete());
        }
        let order: Vec<&Path> = order.iter().chain(&[3, 0]).map(|number| files[*number].as_path()).collect();
        let end = take(&south, &order);
        prop_assert_eq!(problems(&end), "");
        export(&south, ask(&north, &dir, "back"), &dir.join("back"));
        prop_assert!(take(&north, &[&dir.join("back")]).is_complete());
        prop_assert_eq!(digest(&north), digest(&south));
        prop_assert_eq!(views(&north), views(&south));
        prop_assert_eq!(take(&south, &order).entries, 0);
    }
}

/// Every byte of a small bundle changed once: nothing panics, nothing foreign enters, and it is told.
#[test]
fn any_changed_byte_is_told_and_harms_nothing() {
    let (region, north, south, _) = written();
    let path = region.dir.path().join("b");
    export(&north, BundleFor::Realm, &path);
    let whole = std::fs::read(&path).unwrap();
    for place in (0..whole.len()).step_by(whole.len() / 60) {
        let mut bad = whole.clone();
        bad[place] ^= 0x20;
        std::fs::write(&path, &bad).unwrap();
        assert!(!take(&south, &[&path]).is_complete(), "byte {place}");
    }
    std::fs::write(&path, &whole).unwrap();
    assert!(take(&south, &[&path]).is_complete());
    let back = region.dir.path().join("back");
    export(&south, BundleFor::Realm, &back);
    assert!(take(&north, &[&back]).is_complete());
    assert_eq!(digest(&north), digest(&south));
    assert_eq!(views(&north), views(&south));
}
