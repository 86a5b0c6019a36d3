//! What a replica says that others hold: by their acknowledgements, by what they signed, and no more than is so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Replica;
use super::core::Place;
use super::exchange::{Effect, Exchange};
use super::held_by::{HeldBy, UNHEARD_MAX_MS};
use super::knowing_tests::{hear, hear_all, note, region, region_on, register, replica_on};
use super::sealed_world_tests::{World, author};
use crate::base::{Area, Part, RecordId};
use crate::record::Position;
use crate::store::{MemoryStore, Store as _};
use crate::sync::Group;

const MIURA: &str = "shared/miura";
const HOUR: u64 = 3_600_000;

/// Lets two replicas talk until nobody has more to say, or so many messages have arrived; what is on its way then is lost.
pub(super) fn talk(one: &Arc<Replica>, other: &Arc<Replica>, messages: usize) {
    let begin = |here: &Arc<Replica>, there: &Arc<Replica>, first| {
        Exchange::begin(here.clone(), there.me().device, "peer".into(), first)
    };
    let (mut ends, mut left) = ([begin(one, other, true), begin(other, one, false)], messages);
    let mut silent = 0;
    while silent < 6 {
        for end in 0..2 {
            let mut said = Vec::new();
            while let Some(effects) = ends[end].step().unwrap() {
                said.extend(effects.into_iter().filter_map(|effect| match effect {
                    Effect::Send(message) => Some(message),
                    Effect::Received(_)
                    | Effect::Sent(_)
                    | Effect::Refused(_)
                    | Effect::Pulled { .. }
                    | Effect::Closed(_) => None,
                }));
            }
            silent = if said.is_empty() { silent + 1 } else { 0 };
            if said.is_empty() {
                // What is acknowledged waits for a tick.
                ends[end].tick();
            }
            for message in said {
                if left == 0 {
                    return;
                }
                left -= 1;
                ends[1 - end].heard(message);
            }
        }
    }
}

/// Writes a note, and says where it stands.
fn write(replica: &Replica, record: &RecordId) -> Place {
    let name = replica.write(record, note("再診"), author()).unwrap().statement.unwrap();
    let position = replica.facts(record).unwrap().0;
    let found = position.iter().find(|fact| Replica::statement_name(&fact.position) == name).unwrap();
    let Position { lane, seq, .. } = found.position;
    Place { lane, seq }
}

fn held(replica: &Replica, place: Place) -> HeldBy {
    replica.held_by(place).unwrap()
}

#[test]
fn what_a_peer_acknowledged_is_on_two_devices_and_what_was_on_its_way_is_not() {
    let all = region(&World::new(1));
    hear_all(&all);
    let record = register(&all[0], "三浦 花子", MIURA);
    let place = write(&all[0], &record);
    let alone = HeldBy { devices: 1, sites: 1, off_site: false, in_backup: false };
    assert_eq!(held(&all[0], place), alone);
    let told = |replica: &Replica| replica.show(&record).unwrap().reach;
    assert_eq!(told(&all[0]).on_this_device_only.len(), 2, "the registration and the note");
    assert!(told(&all[0]).text.contains("2 statements are on this device only"));
    let mut messages = 0;
    while all[1].lane(&place.lane).is_none_or(|state| state.size() <= place.seq) {
        // Each time the line breaks a message later.
        assert_eq!(held(&all[0], place), alone, "{messages} messages have arrived, none says so");
        talk(&all[0], &all[1], messages);
        messages += 1;
    }
    talk(&all[0], &all[1], usize::MAX);
    assert_eq!(held(&all[0], place), HeldBy { devices: 2, sites: 2, off_site: true, in_backup: false });
    assert_eq!(told(&all[0]).text, "");
    assert!(told(&all[0]).held.iter().all(|shown| shown.held.devices == 2));
    assert_eq!(held(&all[1], place).devices, 2, "whoever wrote it holds it");
}

#[test]
fn what_a_device_signed_to_hold_counts_whoever_brought_its_word() {
    let all = region(&World::new(2));
    let record = register(&all[0], "三浦 花子", MIURA);
    let place = write(&all[0], &record);
    for [from, to] in [[0, 1], [1, 2]] {
        hear_all(&[all[from].clone(), all[to].clone()]);
    }
    write(&all[2], &record);
    assert_eq!(held(&all[0], place).devices, 1);
    hear_all(&[all[2].clone(), all[1].clone()]);
    while hear(&all[1], &all[0], u64::MAX, 64) {}
    assert_eq!(held(&all[0], place), HeldBy { devices: 2, sites: 2, off_site: true, in_backup: false });
    let later = write(&all[0], &record);
    assert_eq!(held(&all[0], later).devices, 1, "what came after it is not said");
}

#[test]
fn whoever_opens_a_card_is_told_less_where_there_is_much_to_hear_and_all_of_it_later() {
    let all = region(&World::new(2));
    let record = register(&all[0], "三浦 花子", MIURA);
    let place = write(&all[0], &record);
    hear_all(&[all[0].clone(), all[1].clone()]);
    write(&all[1], &record);
    while hear(&all[1], &all[0], u64::MAX, 64) {}
    let lanes = BTreeSet::from([place.lane]);
    let told = |budget| all[0].holders(Some(&lanes), budget).unwrap().of(&place.lane, place.seq).devices;
    assert_eq!(told(0), 1, "nothing is read");
    all[0].listen_step().unwrap();
    assert_eq!(told(0), 2, "it was read in the background");
}

#[test]
fn when_something_arrived_is_kept_though_nobody_asked() {
    let world = World::new(6);
    let stores = [(); 3].map(|()| Arc::new(MemoryStore::new()));
    let all = region_on(&world, &stores);
    register(&all[1], "三浦 花子", MIURA);
    hear_all(&[all[1].clone(), all[0].clone()]);
    all[0].index_step().unwrap();
    let again = Replica::open(stores[0].clone(), world.clone()).unwrap();
    assert!(again.tally().arrived(&all[1].me().device).is_some());
}

#[test]
fn a_meeting_that_tells_nothing_new_writes_two_times_and_no_lanes() {
    let world = World::new(3);
    let stores = [(); 3].map(|()| Arc::new(MemoryStore::new()));
    let all = region_on(&world, &stores);
    register(&all[0], "三浦 花子", MIURA);
    let kept = || {
        talk(&all[0], &all[1], usize::MAX);
        all[0].save_heard(true).unwrap();
        let peer = all[1].me().device.0.to_vec();
        let times = [b"met:".to_vec(), peer.clone()].concat();
        let kept: BTreeMap<_, _> = stores[0].blobs("held-by", None, 100).unwrap().into_iter().collect();
        (kept[&peer].clone(), kept[&times].clone())
    };
    let (lanes, times) = kept();
    let met = all[0].environment().now();
    world.pass(HOUR);
    let (lanes_again, times_again) = kept();
    assert_eq!(lanes, lanes_again, "what it holds is not written anew");
    assert_ne!(times, times_again);
    let again = Replica::open(stores[0].clone(), world.clone()).unwrap();
    let known = again.heard().peers()[&all[1].me().device].clone();
    assert!(known.in_sync.is_some_and(|at| at.0 >= met.0 + HOUR) && !known.lanes.is_empty(), "{known:?}");
}

#[test]
fn what_is_said_is_kept_and_a_shorter_head_takes_it_back() {
    let world = World::new(3);
    let stores = [(); 3].map(|()| Arc::new(MemoryStore::new()));
    let all = region_on(&world, &stores);
    let record = register(&all[0], "三浦 花子", MIURA);
    let place = write(&all[0], &record);
    talk(&all[0], &all[1], usize::MAX);
    all[0].save_heard(true).unwrap();
    let reopen = || Arc::new(Replica::open(stores[0].clone(), world.clone()).unwrap());
    assert_eq!(held(&reopen(), place).devices, 2);

    let group = Group { part: Part::Notes, area: Area::new(MIURA).unwrap() };
    all[0].peer_lists(all[1].me().device, group, place.lane, place.seq);
    assert_eq!(held(&all[0], place).devices, 1);
    // The next commit takes it with it.
    write(&all[0], &record);
    assert_eq!(held(&reopen(), place).devices, 1);
}

#[test]
fn a_forked_device_does_not_count_and_one_unheard_of_for_a_month_does_not_either() {
    let world = World::new(4);
    let all = region(&world);
    hear_all(&all);
    let record = register(&all[0], "三浦 花子", MIURA);
    let place = write(&all[0], &record);
    talk(&all[0], &all[1], usize::MAX);
    talk(&all[0], &all[2], usize::MAX);
    assert_eq!(held(&all[0], place).devices, 3);
    // Another machine with the key of the second one writes other things.
    let clone = replica_on(Arc::new(MemoryStore::new()), &world, 1);
    register(&all[1], "鈴木 一郎", MIURA);
    register(&clone, "高橋 三郎", MIURA);
    talk(&all[0], &all[1], usize::MAX);
    talk(&all[0], &clone, usize::MAX);
    assert!(all[0].lanes().values().any(|state| state.fork.is_some()), "the clone has forked a lane");
    assert_eq!(held(&all[0], place).devices, 2, "two machines may answer for the second");
    world.pass(UNHEARD_MAX_MS + HOUR);
    assert_eq!(held(&all[0], place).devices, 1);
    talk(&all[0], &all[2], usize::MAX);
    assert_eq!(held(&all[0], place).devices, 2);
}

#[test]
fn a_record_names_the_sites_that_write_and_have_been_silent_for_long() {
    let world = World::new(5);
    let all = region(&world);
    hear_all(&all);
    let record = register(&all[0], "三浦 花子", MIURA);
    write(&all[1], &{
        hear_all(&all);
        record
    });
    hear_all(&all);
    talk(&all[0], &all[1], usize::MAX);
    let told = || all[0].show(&record).unwrap();
    assert_eq!(told().reach.silent, []);
    world.pass(9 * HOUR);
    let shown = told();
    let silent: Vec<(&str, bool)> =
        shown.reach.silent.iter().map(|site| (site.site.as_str(), site.wrote_here)).collect();
    assert_eq!(silent, [("病院1", true)], "the third site has never written here");
    assert!(shown.text.starts_with("受信なし: 病院1 9 時間 / not heard: 病院1 for 9 h\n"), "{}", shown.text);
    // Nothing new came, and all the same it was heard.
    talk(&all[0], &all[1], usize::MAX);
    assert_eq!(told().reach.silent, []);
}
