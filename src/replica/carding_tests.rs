//! A card on paper: written here, read there by a device that holds nothing of the patient, and replaced by the lanes.

use std::path::PathBuf;

use super::Replica;
use super::bundle_answer::{BundleFor, BundleImported, BundleWanted};
use super::request::{MedicationAction, NewPatient, Write};
use super::tests::{Region, author, views};
use crate::base::RecordId;
use crate::record::RecordView;

fn written(replica: &Replica) -> RecordId {
    let patient = NewPatient {
        name: "田中 幸雄".into(),
        kana: Some("タナカ ユキオ".into()),
        birth_date: Some("1950-03-04".into()),
        sex: Some("male".into()),
    };
    let record = replica.register(&patient, None, author()).unwrap().record;
    let allergy = Write::Allergy {
        substance: "ペニシリン".into(),
        code: None,
        criticality: Some("high".into()),
        refute: None,
    };
    replica.write(&record, allergy, author()).unwrap();
    medication(replica, &record, MedicationAction::Start, Some("5mg 1日1回"));
    let note = Write::Note { text: "診療録に残る記事".into(), title: None };
    replica.write(&record, note, author()).unwrap();
    record
}

fn medication(replica: &Replica, record: &RecordId, action: MedicationAction, dose: Option<&str>) {
    let drug = "アムロジピン".into();
    let write = Write::Medication { action, drug, code: None, dose: dose.map(str::to_owned), reason: None };
    replica.write(record, write, author()).unwrap();
}

fn images(replica: &Replica, record: &RecordId, to: PathBuf) -> Vec<PathBuf> {
    let exported = replica.card_export(record, &to).unwrap();
    let files = std::fs::read_dir(&to).unwrap().map(|file| file.unwrap().path());
    let mut images: Vec<PathBuf> = files.filter(|path| path.extension().unwrap() == "png").collect();
    images.sort();
    assert_eq!(images.len() as u64, exported.codes);
    images
}

fn read(replica: &Replica, images: &[PathBuf]) -> BundleImported {
    replica.bundle_import(images, &mut |_| {}).unwrap()
}

#[test]
fn a_card_on_paper_is_read_without_network_shown_with_its_source_and_replaced_by_the_lanes() {
    let mut region = Region::new();
    let ((north, _), (south, _)) = (region.enrol("north"), region.enrol("south"));
    let dir = region.dir.path().to_owned();
    let record = written(&north);
    let mut codes = images(&north, &record, dir.join("card"));
    assert!((2..=6).contains(&codes.len()), "{} codes", codes.len());

    // One is missing: it is named, and nothing is taken.
    let lost = codes.remove(0);
    let part = read(&south, &codes);
    assert_eq!((part.cards[0].missing.clone(), part.cards[0].record), (vec![1], None));
    assert!(!part.is_complete() && south.record_named(&record.to_string()).is_err());
    // In any order, one of them twice.
    codes.push(lost);
    codes.push(codes[0].clone());
    codes.reverse();
    let whole = read(&south, &codes);
    assert!(whole.is_complete(), "{whole:?}");
    assert_eq!((whole.cards[0].record, whole.cards[0].site.as_deref()), (Some(record), Some("north")));

    let shown = south.show(&record).unwrap();
    assert!(shown.text.contains("ペニシリン") && shown.text.contains("5mg 1日1回"), "{}", shown.text);
    assert!(shown.text.starts_with("BY QR, as known to north (north-1) at "), "{}", shown.text);
    assert!(!shown.text.contains("記事"), "notes do not travel on paper");
    assert_eq!(south.record_named(&record.to_string()[..12]).unwrap(), record);
    assert!(south.lanes().values().all(|lane| lane.name.device == south.me().device), "no lane has a gap");
    // Who reads it can write on: what follows is joined when the lanes meet.
    medication(&south, &record, MedicationAction::Stop, None);
    assert!(!north.show(&record).unwrap().text.contains("BY QR"));

    for (from, to, name) in [(&north, &south, "n"), (&south, &north, "s")] {
        let out = dir.join(name);
        let wanted = BundleWanted {
            target: BundleFor::Realm,
            areas: Default::default(),
            parts: Default::default(),
            out: out.clone(),
        };
        from.bundle_export(&wanted, &mut |_| {}).unwrap();
        assert!(read(to, &[out]).is_complete());
    }
    let shown = south.show(&record).unwrap();
    assert!(shown.proven.is_empty() && !shown.text.contains("BY QR"), "{}", shown.text);
    assert_eq!(views(&north), views(&south));
    let view = RecordView::of(&north.facts(&record).unwrap().0);
    assert_eq!(view.conflicts.len(), 0, "the stop follows the start that was on paper");
}

#[test]
fn a_card_of_another_realm_a_changed_one_and_an_older_one_are_not_taken() {
    let (mut ours, mut theirs) = (Region::new(), Region::new());
    let ((north, _), (south, _), (stranger, _)) =
        (ours.enrol("north"), ours.enrol("south"), theirs.enrol("stranger"));
    let dir = ours.dir.path().to_owned();
    let foreign = written(&stranger);
    let told = read(&north, &images(&stranger, &foreign, dir.join("foreign")));
    let problem = told.cards[0].problem.clone().unwrap();
    assert!(problem.contains("another realm"), "{problem}");

    let record = written(&north);
    let (old, _) = (north.card_frames(&record).unwrap().0, ());
    medication(&north, &record, MedicationAction::Change, Some("10mg 1日1回"));
    let new = north.card_frames(&record).unwrap().0;
    let mixed: Vec<_> = old.iter().take(1).chain(new.iter().skip(1)).cloned().collect();
    let cards = south.take_frames(mixed).unwrap();
    assert!(cards.len() == 2 && cards.iter().all(|card| card.record.is_none() && !card.missing.is_empty()));
    for frames in [new.clone(), old, new] {
        let cards = south.take_frames(frames).unwrap();
        assert_eq!(cards[0].record, Some(record));
        assert!(south.show(&record).unwrap().text.contains("10mg 1日1回"), "an older sheet replaces nothing");
    }

    let (proven, signed) = north.proven_record(&record, crate::base::Part::Card).unwrap();
    for place in (0..signed.len()).step_by(signed.len() / 50) {
        let mut bad = signed.clone();
        bad[place] ^= 1;
        // A certificate that is changed helps nobody, and harms nothing where the right one is known.
        if let Ok(taken) = south.take_proven(super::proving::Via::Qr, &bad) {
            assert_eq!(taken, proven, "byte {place}");
        }
    }
}

/// A card as a hospital's own system sends it: what a helper has to photograph.
#[test]
fn a_typical_card_fits_on_two_sheets() {
    let mut region = Region::new();
    let (north, _) = region.enrol("north");
    super::tests::import(&north, vec![super::tests::data()]);
    let (mut counts, mut bytes) = (Vec::new(), 0);
    for record in north.records().unwrap().into_iter().take(40) {
        let (frames, _, size) = north.card_frames(&record).unwrap();
        counts.push(frames.len());
        bytes += size;
    }
    counts.sort_unstable();
    let median = counts[counts.len() / 2];
    let average = bytes / counts.len() as u64;
    // Measured: 26 cards need 5 to 12 codes, half of them at most 7.
    assert!(median <= 8 && *counts.last().unwrap() <= 16, "{counts:?}, {average} bytes on average");
}
