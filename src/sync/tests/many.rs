//! Groups of many lanes: what it costs to find out what differs, and that everything arrives, once.

use std::collections::BTreeSet;
use std::time::Instant;

use proptest::prelude::*;

use super::fakes::{Fake, Meeting, group, meet, meet_holding};
use crate::base::{LaneId, Part};
use crate::sync::Group;
use crate::sync::ranges::depths;

/// Bytes of one lane's head in a list.
const HEAD_BYTES: f64 = 73.0;

/// What comparing by ranges costs by the model of `docs/performance.md`: `changed` lanes of `lanes`, anywhere.
fn model(lanes: u64, changed: u64) -> f64 {
    let depths = depths(lanes);
    let differing = |depth: u8| {
        let ranges = f64::from(1_u32 << depth);
        ranges * (1.0 - (1.0 - 1.0 / ranges).powf(changed as f64))
    };
    let first = 16.0 * f64::from(1_u32 << depths[0]);
    let last = *depths.last().unwrap();
    let narrow = differing(last) / f64::from(1_u32 << last);
    if depths.len() > 1 && narrow >= 0.9 {
        // The sample tells: everything is listed at once.
        return first + 2.0 * lanes as f64 * HEAD_BYTES + 2.0 * lanes as f64 / 256.0 * 60.0 + 500.0;
    }
    let splits: f64 = depths
        .windows(2)
        .map(|pair| differing(pair[0]) * (16.0 * f64::from(1_u32 << (pair[1] - pair[0])) + 8.0))
        .sum();
    // A range with a change in it holds that lane, and others as any range does.
    let listed =
        (changed as f64 + differing(last) * lanes as f64 / f64::from(1_u32 << last)).min(lanes as f64);
    first + splits + listed * HEAD_BYTES + differing(last) * 3.0 + changed as f64 * HEAD_BYTES + 500.0
}

/// Two that hold the same `lanes`, but for `changed`, of which each is ahead in half.
fn two(lanes: u32, changed: u32) -> [Fake; 2] {
    let card = group("shared/a", Part::Card);
    let mut one = Fake::new(0, [card.clone()]);
    (0..lanes).for_each(|number| {
        one.set(&card, number, 5);
    });
    let mut other = Fake { device: super::fakes::device(1), ..one.clone() };
    for number in 0..changed {
        let ahead = if number % 2 == 0 { &mut one } else { &mut other };
        ahead.set(&card, number, 7);
    }
    [one, other]
}

fn met([one, other]: &mut [Fake; 2]) -> Meeting {
    let meeting = meet([one, other]);
    assert_eq!(meeting.closed, None);
    assert_eq!(meeting.in_sync, [true, true]);
    assert!(one.lanes == other.lanes, "both hold the same");
    meeting
}

#[test]
fn finding_out_what_differs_costs_what_changed() {
    println!("lanes    changed  bytes      model      both list all  trips to compare, in all");
    for (lanes, changed) in [
        (10_000, 0),
        (10_000, 10),
        (10_000, 100),
        (10_000, 1_000),
        (10_000, 10_000),
        (1_000, 10),
        (40_000, 100),
    ] {
        let meeting = met(&mut two(lanes, changed));
        let (bytes, plain) = (meeting.reconciling(), 2.0 * f64::from(lanes) * HEAD_BYTES);
        let expected = if changed == 0 { 0.0 } else { model(lanes.into(), changed.into()) };
        println!(
            "{lanes:<8} {changed:<8} {bytes:<10} {expected:<10.0} {plain:<14.0} {} {}",
            meeting.compared_after, meeting.trips
        );
        assert!(bytes as f64 <= expected * 1.1, "{bytes} bytes, {expected} by the model");
        assert!(bytes as f64 >= expected * 0.8, "the model is true: {bytes} bytes, {expected} expected");
        let most = match lanes {
            _ if changed == lanes => 5,
            10_000.. => 4 + depths(lanes.into()).len(),
            _ => 6,
        };
        assert!(meeting.compared_after <= most, "{}", meeting.compared_after);
        let touched = meeting.touched.iter().max().unwrap();
        assert!(*touched <= (4 * changed as usize + 16).min(lanes as usize), "{touched} lanes looked at");
    }
}

#[test]
fn equal_replicas_of_a_hundred_thousand_lanes_meet_without_looking_at_one() {
    let lanes = 100_000;
    let [mut one, mut other] = two(lanes, 0);
    let held = [one.holdings(), other.holdings()];
    // Before the first meeting the digests are computed once; a change refreshes one path.
    one.session(true, held[0].clone());
    held.iter().for_each(|held| assert_eq!(held.told(&one.subscription).len(), 1));
    let kept = held.clone();
    let begun = Instant::now();
    let meeting = meet_holding([&mut one, &mut other], held);
    println!("{lanes} equal lanes: {} µs for both, in this build", begun.elapsed().as_micros());
    drop(kept);
    assert_eq!((meeting.touched, meeting.in_sync, meeting.trips), ([0, 0], [true, true], 2));
    assert_eq!(meeting.peer_has, [lanes as usize, lanes as usize]);
    assert!(meeting.bytes.values().sum::<usize>() <= 512);
}

#[test]
fn equal_replicas_of_different_subscriptions_list_no_heads() {
    let [mut one, mut other] = two(2_000, 0);
    let notes = group("shared/a", Part::Notes);
    one.subscription.insert(notes.clone());
    one.set(&notes, 77, 3);
    let meeting = meet([&mut one, &mut other]);
    assert_eq!((meeting.touched, meeting.in_sync), ([0, 0], [true, true]));
    assert!(!meeting.bytes.contains_key(&4) && !meeting.bytes.contains_key(&11), "{:?}", meeting.bytes);
    assert_eq!(other.lanes.len(), 2_000, "notes stay where they are subscribed to");
}

#[test]
fn an_empty_replica_is_given_all_by_one_list() {
    let [mut full, _] = two(3_000, 0);
    let mut empty = Fake::new(1, full.subscription.clone());
    for turn in 0..2 {
        let (mut one, mut other) = (full.clone(), empty.clone());
        let replicas = if turn == 0 { [&mut one, &mut other] } else { [&mut other, &mut one] };
        let meeting = meet(replicas);
        assert!(one.lanes == other.lanes);
        assert!(meeting.reconciling() < 3_000 * 80 + 8_000, "{}", meeting.reconciling());
        assert_eq!(meeting.received.iter().map(BTreeSet::len).sum::<usize>(), 3_000 * 5);
    }
    full.lanes.clear();
    empty.lanes.clear();
    assert_eq!(meet([&mut full, &mut empty]).in_sync, [true, true]);
}

#[test]
fn own_lanes_are_offered_whatever_the_subscription_and_taken_back() {
    let [card, notes] = [Part::Card, Part::Notes].map(|part| group("shared/a", part));
    let mut tablet = Fake::new(1, [card.clone()]);
    let mut hospital = Fake::new(2, [card.clone(), notes.clone()]);
    let own = tablet.set(&notes, 1, 4);
    let others = tablet.set(&notes, 3, 6); // From when more was subscribed to.
    hospital.set(&notes, 4, 9);
    let meeting = meet([&mut tablet, &mut hospital]);
    assert_eq!(meeting.in_sync, [true, true]);
    assert_eq!((hospital.size(&own), hospital.size(&others)), (4, 0));
    assert_eq!(tablet.lanes.len(), 2, "notes of others are not asked for");
    // A tablet that was restored gets its own lanes back, and the next meeting sends nothing.
    tablet.set(&notes, 1, 1);
    let meeting = meet([&mut hospital, &mut tablet]);
    assert_eq!((meeting.in_sync, tablet.size(&own)), ([true, true], 4));
    let meeting = meet([&mut hospital, &mut tablet]);
    assert_eq!(
        (meeting.in_sync, meeting.received.iter().map(BTreeSet::len).sum::<usize>()),
        ([true, true], 0)
    );
}

fn all_groups() -> Vec<Group> {
    ["shared/a", "shared/b"].iter().flat_map(|area| Part::ALL.map(|part| group(area, part))).collect()
}

/// Sizes of the lanes of some groups at both sides; most are equal.
fn lanes() -> impl Strategy<Value = Vec<(u32, Vec<(u8, u8)>)>> {
    let sizes = prop_oneof![
        6 => (1..4u8).prop_map(|size| (size, size)),
        1 => (0..4u8, 0..4u8),
    ];
    let of_group = prop_oneof![
        1 => prop::collection::vec(sizes.clone(), 0..40),
        2 => prop::collection::vec(sizes.clone(), 100..300),
        1 => prop::collection::vec((Just(0u8), 1..3u8), 120..400),
    ];
    prop::collection::vec((0..10u32, of_group), 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn whatever_both_hold_and_want_they_end_with_all_of_what_both_want_and_nothing_goes_twice(
        lanes in lanes(),
        subscribed in prop::collection::vec((any::<bool>(), any::<bool>()), 10),
        swapped in any::<bool>(),
    ) {
        let groups = all_groups();
        let of = |side: usize| {
            let wanted = subscribed.iter().map(move |(one, other)| if side == 0 { *one } else { *other });
            groups.iter().zip(wanted).filter(|(_, wanted)| *wanted).map(|(group, _)| group.clone())
        };
        // Devices 0 and 1 are the two themselves: their own lanes are among those of each group.
        let (mut one, mut other) = (Fake::new(0, of(0)), Fake::new(1, of(1)));
        for (place, sizes) in &lanes {
            let group = &groups[*place as usize];
            for (number, (here, there)) in sizes.iter().enumerate() {
                let set = |replica: &mut Fake, size: u8| {
                    if size > 0 {
                        replica.set(group, number as u32, size.into());
                    }
                };
                set(&mut one, *here);
                set(&mut other, *there);
            }
        }
        let before = [one.clone(), other.clone()];
        let meeting = match swapped {
            false => meet([&mut one, &mut other]),
            true => meet([&mut other, &mut one]),
        };
        prop_assert_eq!(meeting.closed, None);
        prop_assert_eq!(meeting.in_sync, [true, true]);
        let all: BTreeSet<LaneId> = before.iter().flat_map(|fake| fake.lanes.keys().copied()).collect();
        for lane in all {
            let name = before.iter().find_map(|fake| fake.lanes.get(&lane)).unwrap().0.clone();
            let most = before[0].size(&lane).max(before[1].size(&lane));
            let takes = |fake: &Fake| fake.subscription.contains(&Group::of(&name)) || fake.device == name.device;
            for (after, before) in [(&one, &before[0]), (&other, &before[1])] {
                // Who takes a lane from another who takes it has all of it; who does not stays as it was.
                let both = takes(&one) && takes(&other);
                let first_heard_of_own = before.size(&lane) == 0 && !before.subscription.contains(&Group::of(&name));
                if !first_heard_of_own {
                    prop_assert_eq!(after.size(&lane), if both { most } else { before.size(&lane) });
                }
            }
        }
    }
}
