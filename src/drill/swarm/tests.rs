//! A handful of seeds; the sweep of the command line runs many.

use std::collections::BTreeSet;
use std::time::Duration;

use super::invent::invent;
use super::region::{Happens, Line, QUIET, QUIET_ROT, Region, Shift, Site, name_of};
use super::report::SweepReport;
use super::shrink::{ShrinkOptions, remarks, shrink};
use super::sweep::{SweepOptions, SweepProgress, sweep};
use super::verdict::judge;
use crate::base::planted::Plant;
use crate::drill::scenario::Scenario;

const fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}

/// A quarter of an hour of two clinics that write, with a few things that do no harm.
fn small() -> Region {
    let site = |number| Site {
        number,
        disk: false,
        areas: vec!["shared/east"],
        battery_h: None,
        parts: None,
        bucket_every: None,
    };
    let between = "[\"r1\", \"r2\"]";
    let events = (2..9).flat_map(|minute| {
        let cut = Happens::at(minutes(minute), "cut").key("between", between);
        let heal = Happens::at(minutes(minute) + Duration::from_secs(20), "heal").key("between", between);
        [cut, heal]
    });
    Region {
        seed: 1,
        replicas: (1..=3).map(site).collect(),
        links: [[1, 2], [2, 3]]
            .map(|ends| Line { ends, profile: "satellite".to_owned(), meets_every: None, quota_mb: None })
            .to_vec(),
        backup_every: None,
        people: 2,
        shifts: vec![Shift {
            from: minutes(1),
            until: minutes(9),
            arrivals_per_hour: 12.0,
            notes_per_hour: 30.0,
        }],
        events: events.collect(),
        ends: minutes(10),
        afterwards: Vec::new(),
        quiet: QUIET,
        expects: vec!["no-acknowledged-write-lost"],
    }
}

#[test]
fn a_seed_gives_one_region_that_the_reader_takes_and_another_seed_another() {
    let text = |seed| invent(seed).unwrap().0.text("the same");
    assert_eq!(text(7), text(7));
    assert_ne!(text(7), text(8));
    let scenario = Scenario::parse(std::path::Path::new("/seed-7.toml"), &text(7)).unwrap();
    assert!(scenario.replicas.len() >= 2 && scenario.events.len() > 3);
}

#[test]
fn every_kind_of_fault_is_in_some_region_and_none_in_all() {
    let regions: Vec<Region> = (1..=40).map(|seed| invent(seed).unwrap().0).collect();
    let kinds = |region: &Region| region.events.iter().map(|event| event.event).collect::<BTreeSet<_>>();
    for kind in [
        "cut",
        "heal",
        "flap",
        "one-way",
        "degrade",
        "power-failure",
        "power-loss",
        "crash",
        "kill-in-mid-write",
        "freeze",
        "stop",
        "disk-full",
        "disk-corrupt",
        "site-lost",
        "restore",
        "clock-skew",
        "clock-jump",
        "s3-outage",
        "duplicate-registration",
        "link",
        "unlink",
        "surge",
        "lie",
        "second-quake",
        "allergy",
        "medication",
        "handover",
    ] {
        assert!(regions.iter().any(|region| kinds(region).contains(kind)), "no region has '{kind}'");
    }
    let disks = regions.iter().flat_map(|region| &region.replicas).filter(|site| site.disk).count();
    assert!(disks > 30, "{disks}");
}

#[test]
fn what_the_reader_refuses_is_taken_out() {
    let mut region = small();
    region.events.insert(3, Happens::at(minutes(3), "crash").text("at", "r9").text("for", "1m"));
    region.replicas.remove(2);
    let scenario = region.legalise().unwrap();
    assert_eq!(
        (scenario.links.len(), scenario.events.len()),
        (1, 15),
        "the link to r3 and the crash are gone"
    );
}

#[test]
fn a_region_whose_parts_are_not_joined_is_not_fair() {
    let whole = small();
    assert!(whole.is_fair());
    let mut parted = whole.clone();
    parted.links.remove(1);
    let mut hasty = whole.clone();
    hasty.quiet = minutes(1);
    let mut rotten = whole;
    rotten.events.push(Happens::at(minutes(9), "disk-corrupt").text("at", "r1"));
    assert!(!parted.is_fair() && !hasty.is_fair() && !rotten.is_fair());
}

/// Seeds 147 and 305: what a replica wrote after the one that joined it to the others was lost rotted on its disk.
#[test]
fn nothing_rots_where_a_lost_site_was_the_only_way_out() {
    for seed in [147, 305] {
        assert!(invent(seed).is_some_and(|(region, _)| region.is_fair()));
    }
    let mut region = small();
    region.quiet = QUIET_ROT * 2;
    let rot = [Happens::at(minutes(30), "wait-converged"), Happens::then("disk-corrupt").text("at", "r1")];
    let ways_out = region.links.iter().filter(|line| line.ends.contains(&1)).count();
    assert_eq!((ways_out, region.replicas.len()), (1, 3), "r1 hears the third by the second only");
    let middle = region.links.iter().flat_map(|line| line.ends).find(|end| *end != 1).unwrap();
    let with_loss = |lost: usize| {
        let mut region = region.clone();
        region.events.push(Happens::at(minutes(20), "site-lost").text("at", name_of(lost)));
        region.events.extend(rot.clone());
        region
    };
    let third = (1..=3).find(|number| *number != 1 && *number != middle).unwrap();
    assert!(!with_loss(middle).is_fair() && with_loss(third).is_fair());
}

#[test]
fn a_planted_bug_is_found_and_its_region_shortened() {
    let mut region = small();
    let scenario = region.legalise().unwrap();
    assert_eq!(judge(&scenario, region.seed, None).broken, [], "without the bug all is well");
    let plant = Some(Plant::DropAcknowledgedWrite);
    let broken = judge(&scenario, region.seed, plant).broken.remove(0);
    let mut heard = 0;
    let options = ShrinkOptions { plant, runs_max: 60 };
    let shrunk = shrink(&region, &broken, &options, &mut |_, _| heard += 1);
    assert_eq!(shrunk.broken.invariant, broken.invariant);
    assert!(shrunk.region.events.len() <= 6 && shrunk.region.replicas.len() < 3, "{:?}", shrunk.region);
    assert!(shrunk.runs <= 60 && heard == shrunk.runs);
    let text = shrunk.region.text(&remarks(1, &shrunk.broken, plant));
    assert!(text.contains("seed 1") && text.contains(&broken.invariant), "{text}");
    let again = Scenario::parse(std::path::Path::new("/seed-1.toml"), &text).unwrap();
    assert!(judge(&again, 1, plant).breaks(&broken.invariant), "the file fails in the same way");
}

#[test]
fn a_sweep_runs_its_seeds_once_and_tells_how_far_it_is() {
    let options = SweepOptions { first_seed: CHEAP, seeds: 1, plant: None, threads: 2, shrink: false };
    let mut heard = Vec::new();
    let report = sweep(&options, &mut |progress| heard.push(progress));
    assert!(report.passed(), "{report}");
    assert_eq!(heard, [SweepProgress::Ran { done: 1, failed: 0 }]);
    assert_eq!((report.seeds, report.run_twice), (1, 1));
    assert!(report.events > 0 && report.to_string().contains("everything held"));
    let report = SweepReport { first_seed: 1, seeds: 301, also: vec![1_209], ..report };
    assert!(report.to_string().starts_with("301 random regions, seeds 1 to 300, and 1209\n"), "{report}");
}

/// Says which of the first 200 regions catches a planted bug; without the bug all is well in that region.
fn caught_by(plant: Plant) -> u64 {
    let caught = (1..=200).find_map(|seed| {
        let (_, scenario) = invent(seed)?;
        let broken = judge(&scenario, seed, Some(plant)).broken;
        (!broken.is_empty()).then_some((seed, scenario))
    });
    let (seed, scenario) = caught.expect("200 random regions catch a planted bug");
    assert_eq!(judge(&scenario, seed, None).broken, [], "seed {seed} without the bug");
    seed
}

macro_rules! each_is_caught {
    ($($name:ident: $plant:ident,)*) => {
        $(#[test]
        fn $name() {
            println!("caught by seed {}", caught_by(Plant::$plant));
        })*

        #[test]
        fn no_bug_is_left_out() {
            let caught = [$(Plant::$plant),*];
            assert!(Plant::ALL.iter().all(|plant| caught.contains(plant)));
        }
    };
}

each_is_caught! {
    a_sync_that_is_skipped_is_caught: SkipFsync,
    a_checkpoint_that_is_not_checked_is_caught: SkipCheckpointCheck,
    an_allergy_that_another_replaces_is_caught: LastWriteWinsAllergies,
    a_write_acknowledged_too_soon_is_caught: AcknowledgeBeforePersisting,
    a_run_lost_on_reconnecting_is_caught: LoseRunOnReconnect,
    a_write_that_is_dropped_is_caught: DropAcknowledgedWrite,
    a_lane_that_is_forgotten_is_caught: ForgetLaneOnReconnect,
    what_was_sent_and_counted_as_held_is_caught: CountSentAsHeld,
}

/// A seed with a region that takes little time.
const CHEAP: u64 = 3;
