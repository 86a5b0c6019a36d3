//! Status without reading everything tells what reading everything tells; what would be lacking if sites were cut off.

use std::sync::Arc;

use super::Replica;
use super::answer::Status;
use super::held_by_tests::talk;
use super::knowing_tests::{hear_all, note, region, region_on, register, replica_on};
use super::sealed_world_tests::{World, author};
use crate::base::{Area, LaneId, Part, WallMs};
use crate::store::MemoryStore;
use crate::sync::Group;

const MIURA: &str = "shared/miura";
const HOUR: u64 = 3_600_000;

type OfDevice = (String, u64, Option<WallMs>);

fn counts(status: &Status) -> (u64, u64, Vec<OfDevice>) {
    let horizon = status.horizon.iter().map(|device| (device.device.clone(), device.entries, device.latest));
    (status.records, status.damaged, horizon.collect())
}

fn assert_both_ways_tell_the_same(replica: &Replica) {
    let (quick, deep) = (replica.status(vec![], None).unwrap(), replica.status_deep(vec![], None).unwrap());
    assert_eq!(counts(&quick), counts(&deep));
    assert_eq!(quick.known.own, deep.known.own);
}

#[test]
fn status_tells_the_same_without_reading_everything_also_after_a_restart_and_a_fork() {
    let world = World::new(6);
    let stores = [(); 3].map(|()| Arc::new(MemoryStore::new()));
    let all = region_on(&world, &stores);
    hear_all(&all);
    for round in 0..3 {
        for replica in &all {
            let record = register(replica, "三浦 花子", MIURA);
            replica.write(&record, note("再診"), author()).unwrap();
            assert_both_ways_tell_the_same(replica);
        }
        hear_all(&all);
        if round == 1 {
            world.pass(HOUR);
        }
        all[0].index_step().unwrap();
        assert_both_ways_tell_the_same(&all[0]);
        assert_both_ways_tell_the_same(&Replica::open(stores[0].clone(), world.clone()).unwrap());
    }
    register(&all[1], "鈴木 一郎", MIURA);
    hear_all(&all);
    let before = all[0].status(vec![], None).unwrap().records;
    assert_eq!(before, 10);
    let clone = replica_on(Arc::new(MemoryStore::new()), &world, 1);
    register(&clone, "高橋 三郎", MIURA);
    talk(&all[0], &clone, usize::MAX);
    let after = all[0].status(vec![], None).unwrap();
    assert!(after.forked > 0 && after.records < before, "{} records", after.records);
    assert_both_ways_tell_the_same(&all[0]);
    assert_both_ways_tell_the_same(&Replica::open(stores[0].clone(), world.clone()).unwrap());
}

#[test]
fn own_writings_are_counted_by_where_they_are() {
    let all = region(&World::new(7));
    hear_all(&all);
    let on = |replica: &Replica| {
        let own = replica.status(vec![], None).unwrap().known.own;
        let on: Vec<(u64, u64)> = own.on.iter().map(|on| (on.devices, on.writings)).collect();
        (own.writings, own.on_this_device_only, own.off_site, on)
    };
    let record = register(&all[0], "三浦 花子", MIURA);
    assert_eq!(on(&all[0]), (1, 1, 0, vec![(1, 1)]));
    talk(&all[0], &all[1], usize::MAX);
    all[0].write(&record, note("再診"), author()).unwrap();
    talk(&all[0], &all[2], usize::MAX);
    all[0].write(&record, note("往診"), author()).unwrap();
    // The registration is on three, the first note on two, the second here only.
    assert_eq!(on(&all[0]), (3, 1, 2, vec![(1, 1), (2, 1), (3, 1)]));
}

#[test]
fn what_only_the_cut_sites_hold_is_lacking_and_what_others_hold_is_to_be_had() {
    let all = region(&World::new(8));
    hear_all(&all);
    let record = register(&all[1], "三浦 花子", MIURA);
    hear_all(&all);
    let nothing = all[0].if_cut(&["病院1".into()]).unwrap();
    assert_eq!((nothing.only_there.len(), nothing.cut), (0, vec!["病院1".to_owned()]));

    // The second site lists three entries more of a lane, and one lane of which nothing has come.
    let (lane, size) = {
        let lanes = all[0].lanes();
        let is_it = |state: &&crate::lane::LaneState| {
            state.name.device == all[1].me().device && state.name.part == Part::Card
        };
        let state = lanes.values().find(is_it).unwrap();
        (state.id(), state.size())
    };
    let group = |part| Group { part, area: Area::new(MIURA).unwrap() };
    all[0].peer_lists(all[1].me().device, group(Part::Card), lane, size + 3);
    all[0].peer_lists(all[1].me().device, group(Part::Data), LaneId([7; 32]), 5);
    let told = all[0].if_cut(&["病院1".into()]).unwrap();
    let rows: Vec<(Part, &str, u64, Option<u64>)> = told
        .only_there
        .iter()
        .map(|row| (row.part, row.written_at.as_str(), row.only_there, row.records))
        .collect();
    assert_eq!(rows, [(Part::Card, "病院1", 3, None), (Part::Data, "", 5, None)]);
    let own = told.lacking.iter().find(|site| site.own).unwrap();
    assert_eq!((own.only_there, own.elsewhere), (3, 0));
    assert!(told.readiness[0].off_site_points < 40 && told.readiness[0].site == "病院1");
    let other = all[0].if_cut(&["病院2".into()]).unwrap();
    assert_eq!(other.only_there, [], "the second site still has it");
    assert!(other.lacking.iter().any(|site| site.own && site.elsewhere == 3));

    // What is here alone would be lost with this site, and the records are known.
    all[0].write(&record, note("再診"), author()).unwrap();
    register(&all[0], "鈴木 一郎", MIURA);
    let own = all[0].if_cut(&["病院0".into()]).unwrap();
    let records: Vec<Option<u64>> = own.only_there.iter().map(|row| row.records).collect();
    assert_eq!(records, [Some(1), Some(1)], "a card of one, a note of the other: {:?}", own.only_there);
    assert!(all[0].if_cut(&["どこか".into()]).unwrap_err().to_string().contains("病院2"));
}

#[test]
fn readiness_falls_with_what_is_not_elsewhere_and_with_silence() {
    let world = World::new(9);
    let all = region(&world);
    hear_all(&all);
    let score = |site: &str| {
        let known = all[0].status(vec![], None).unwrap().known;
        known.readiness.iter().find(|ready| ready.site == site).map(|ready| ready.score).unwrap()
    };
    let record = register(&all[0], "三浦 花子", MIURA);
    let before = score("病院0");
    talk(&all[0], &all[1], usize::MAX);
    let met = score("病院0");
    assert!(met > before, "{met} after {before}");
    assert_eq!(met, 80, "all but the backup");
    all[0]
        .backup_covers(&all[0].lanes().iter().map(|(lane, state)| (*lane, state.size())).collect::<Vec<_>>());
    assert_eq!(score("病院0"), 100);
    all[0].write(&record, note("再診"), author()).unwrap();
    assert!(score("病院0") < 100);
    let lively = score("病院1");
    world.pass(12 * HOUR);
    assert!(score("病院1") < lively);
}
