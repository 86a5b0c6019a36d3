//! Replicas that hold different areas and parts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::answer::GroupHeads;
use super::request::{ExportFormat, NewPatient, Write};
use super::subscription::Subscribed;
use super::tests::{Region, author, data, import, meet};
use super::{Replica, heads};
use crate::base::{Area, Part};

fn miura() -> Area {
    Area::new("shared/miura").unwrap()
}

/// A replica that holds only some parts of the one area.
fn holding(replica: Arc<Replica>, parts: &[Part]) -> Arc<Replica> {
    let mut replica = Arc::into_inner(replica).unwrap();
    replica.hold_parts(BTreeMap::from([(miura(), parts.iter().copied().collect())]));
    Arc::new(replica)
}

/// The digests of what was written at the north, part by part.
fn of_part(replica: &Replica, part: Part) -> Vec<GroupHeads> {
    replica.groups().into_iter().filter(|group| group.part == part && group.area == miura()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tablet_holds_the_cards_and_asks_for_the_rest_when_its_subscription_is_widened() {
    let mut region = Region::new();
    let ((north, _), (tablet, _)) = (region.enrol("north"), region.enrol("tablet"));
    let tablet = holding(tablet, &[Part::Card]);
    import(&north, vec![data()]);

    meet(&north, &tablet).await;

    assert_eq!(of_part(&tablet, Part::Card), of_part(&north, Part::Card));
    assert_eq!(of_part(&tablet, Part::Control), of_part(&north, Part::Control), "control is always in");
    assert_eq!((of_part(&tablet, Part::Notes), of_part(&tablet, Part::Data)), (vec![], vec![]));
    let again = meet(&tablet, &north).await;
    assert_eq!((again.sent, again.received), (0, 0), "in sync at once");
    let status = tablet.status(Vec::new(), None).unwrap();
    let parts = vec![Part::Control, Part::Card];
    assert!(status.subscription.contains(&Subscribed { area: miura(), parts }), "{:?}", status.subscription);
    let to = region.dir.path().join("export");
    let exported = tablet.export(None, ExportFormat::Ndjson, &to, &mut |_| {}).unwrap();
    assert_eq!(exported.not_held, [Subscribed { area: miura(), parts: vec![Part::Notes, Part::Data] }]);

    let tablet = holding(tablet, &[Part::Card, Part::Notes, Part::Data, Part::Audit]);
    meet(&tablet, &north).await;

    assert_eq!(tablet.heads_digest(), north.heads_digest());
    assert_eq!(tablet.not_held(), []);

    // Narrowed again: what is there stays, and is no longer asked for or told of.
    let tablet = holding(tablet, &[Part::Card]);
    let before = of_part(&tablet, Part::Notes);
    let patient = NewPatient { name: "田中 幸雄".into(), kana: None, birth_date: None, sex: None };
    let record = north.register(&patient, None, author()).unwrap().record;
    north.write(&record, Write::Note { text: "経過良好".into(), title: None }, author()).unwrap();
    meet(&north, &tablet).await;
    assert_eq!(of_part(&tablet, Part::Card), of_part(&north, Part::Card));
    assert_eq!(of_part(&tablet, Part::Notes), before);
    assert_ne!(of_part(&tablet, Part::Notes), of_part(&north, Part::Notes));
    let status = [&tablet, &north].map(|replica| heads::shared(&replica.groups(), &tablet.subscription()));
    assert_eq!(status[0], status[1], "the digest is over what is subscribed to");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_device_wrote_reaches_others_though_it_does_not_subscribe_to_it() {
    let mut region = Region::new();
    let ((north, _), (tablet, _)) = (region.enrol("north"), region.enrol("tablet"));
    let tablet = holding(tablet, &[Part::Card]);
    let patient = NewPatient { name: "田中 幸雄".into(), kana: None, birth_date: None, sex: None };
    let record = tablet.register(&patient, None, author()).unwrap().record;
    tablet.write(&record, Write::Note { text: "避難所で診察".into(), title: None }, author()).unwrap();

    let synced = meet(&tablet, &north).await;

    assert!(synced.sent > 0);
    assert_eq!(of_part(&north, Part::Notes), of_part(&tablet, Part::Notes));
    assert!(!of_part(&north, Part::Notes).is_empty());
    let other: BTreeSet<Area> = north.areas();
    assert!(other.contains(&miura()));
}
