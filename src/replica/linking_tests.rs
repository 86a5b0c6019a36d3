//! Links, suggestions and the unnamed, through two replicas and their stores.

use std::sync::Arc;

use super::Replica;
use super::request::{NewPatient, Write};
use super::tests::{Region, author, meet};
use crate::base::RecordId;
use crate::record::linking::unnamed::Unnamed;
use crate::record::linking::{PairState, TieKind, Verdict};

pub(super) fn register(replica: &Replica, name: &str, kana: &str, birth: &str) -> RecordId {
    let patient = NewPatient {
        name: name.into(),
        kana: Some(kana.into()),
        birth_date: Some(birth.into()),
        sex: Some("female".into()),
    };
    replica.register(&patient, None, author()).unwrap().record
}

fn allergy(replica: &Replica, record: &RecordId, substance: &str) {
    let write = Write::Allergy { substance: substance.into(), code: None, criticality: None, refute: None };
    replica.write(record, write, author()).unwrap();
}

fn shown(replica: &Replica, record: &RecordId) -> String {
    replica.show(record).unwrap().text
}

/// A person is registered on both sides of a cut; after the merge the double is suggested, linked by a person, shown
/// as one, and shown apart again when the link is undone.
#[tokio::test(flavor = "multi_thread")]
async fn a_double_of_two_sides_is_suggested_linked_and_given_back() {
    let mut region = Region::new();
    let ((north, _), (south, _)) = (region.enrol("north"), region.enrol("south"));
    for number in 0..12 {
        register(&north, &format!("山{number} 花{number}"), "ヤマ ハナ", "1990-02-03");
    }
    let here = register(&north, "渡邊 裕子", "ワタナベ ユウコ", "1962-05-14");
    allergy(&north, &here, "ペニシリン");
    let there = register(&south, "渡辺 裕子", "ﾜﾀﾅﾍﾞ ﾕｳｺ", "S37.5.14");
    allergy(&south, &there, "海老");
    meet(&north, &south).await;

    let all = north.suggest(None, 10).unwrap();
    let one = south.suggest(Some(here), 10).unwrap();
    for suggested in [&all, &one] {
        let found =
            suggested.pairs.iter().find(|pair| pair.sides.iter().any(|side| side.record == there)).unwrap();
        assert!(found.sides.iter().any(|side| side.record == here), "{}", found.told);
        assert_ne!(found.verdict, Verdict::No);
    }
    assert!(!shown(&north, &here).contains("海老"), "nothing is linked by a suggestion");

    let linked = north.tie(TieKind::Link, [there, here], "本人の申告", author()).unwrap();
    assert_eq!((linked.state, linked.joined.len(), linked.written_into), (PairState::Joined, 2, 2));
    meet(&south, &north).await;
    for (replica, record) in [(&north, &here), (&north, &there), (&south, &here), (&south, &there)] {
        let text = shown(replica, record);
        assert!(text.contains("海老") && text.contains("ペニシリン"), "{text}");
    }
    let left = north.suggest(None, 10).unwrap().pairs;
    assert!(
        left.iter().all(|pair| pair.sides.iter().all(|side| side.record != here)),
        "what is linked is not suggested"
    );

    allergy(&south, &there, "蕎麦");
    meet(&north, &south).await;
    let undone = north.tie(TieKind::Unlink, [here, there], "別人だった", author()).unwrap();
    assert_eq!(undone.state, PairState::Separate);
    meet(&south, &north).await;
    assert!(!shown(&south, &here).contains("海老"));
    // The link, which the unlink follows, was written in both records: both copies are here.
    for (replica, record) in [(&north, &here), (&north, &there), (&south, &here), (&south, &there)] {
        assert!(!shown(replica, record).contains("WAITING"));
    }
    let text = shown(&south, &there);
    assert!(
        text.contains("written while joined") && text.contains("蕎麦") && !text.contains("ペニシリン"),
        "{text}"
    );
    north.tie(TieKind::NotSame, [here, there], "双子", author()).unwrap();
    assert!(
        north.suggest(Some(here), 10).unwrap().pairs.is_empty(),
        "what people have said is not suggested again"
    );
}

/// Link on one side, not-same on the other, neither knowing of the other: a person must decide.
#[tokio::test(flavor = "multi_thread")]
async fn link_and_not_same_on_two_sides_need_a_decision() {
    let mut region = Region::new();
    let ((north, _), (south, _)) = (region.enrol("north"), region.enrol("south"));
    let one = register(&north, "佐藤 一郎", "サトウ イチロウ", "1950-01-31");
    let other = register(&north, "佐藤 二郎", "サトウ ジロウ", "1950-01-31");
    allergy(&north, &other, "卵");
    meet(&north, &south).await;
    north.tie(TieKind::Link, [one, other], "r", author()).unwrap();
    south.tie(TieKind::NotSame, [one, other], "r", author()).unwrap();
    meet(&north, &south).await;
    for replica in [&north, &south] {
        let text = shown(replica, &one);
        assert!(text.contains("DECISION NEEDED") && text.contains("卵"), "{text}");
        assert_eq!(replica.person(&one).unwrap().0.records, [one]);
    }
    let text = |replica: &Arc<Replica>| serde_json::to_vec(&replica.person(&one).unwrap().0).unwrap();
    assert_eq!(text(&north), text(&south));
    let decided = south.tie(TieKind::NotSame, [one, other], "確認済み", author()).unwrap();
    assert_eq!(decided.state, PairState::Apart);
}

#[test]
fn calls_without_sense_write_nothing() {
    let mut region = Region::new();
    let (north, _) = region.enrol("north");
    let one = register(&north, "佐藤 一郎", "サトウ イチロウ", "1950-01-31");
    let other = register(&north, "佐藤 二郎", "サトウ ジロウ", "1950-01-31");
    assert!(north.tie(TieKind::Link, [one, one], "r", author()).is_err());
    assert!(north.tie(TieKind::Link, [one, other], " ", author()).is_err());
    assert!(north.tie(TieKind::Unlink, [one, other], "r", author()).is_err(), "there is no link to undo");
    assert!(north.person(&one).unwrap().0.ties.is_empty());
    let wrong = Unnamed { age: Some((70, 60)), ..Unnamed::default() };
    assert!(north.register_unnamed(&wrong, None, author()).is_err());
}

#[test]
fn an_unnamed_person_is_found_by_the_generated_name_and_the_tag() {
    let mut region = Region::new();
    let (north, _) = region.enrol("north");
    let known = Unnamed {
        sex: Some("male".into()),
        age: Some((60, 69)),
        features: Some("左手に火傷の痕".into()),
        tag: Some("R-0042".into()),
    };
    let (name, written) = north.register_unnamed(&known, None, author()).unwrap();
    for text in [name.ja.as_str(), &name.en, &name.kana, "R-0042"] {
        let found = north.find(text, 5).unwrap();
        assert_eq!(found.patients.first().map(|patient| patient.record), Some(written.record), "{text}");
    }
    let text = shown(&north, &written.record);
    assert!(text.contains("60–69") && text.contains("左手に火傷の痕"), "{text}");
    let person = register(&north, "田中 茂", "タナカ シゲル", "1960-01-31");
    assert!(north.suggest(Some(written.record), 5).unwrap().pairs.is_empty());
    north.tie(TieKind::Link, [written.record, person], "家族が確認", author()).unwrap();
    assert!(shown(&north, &written.record).contains("田中"));
}
