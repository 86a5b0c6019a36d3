//! Golden views: what every section shows of many stories is as it was when somebody looked at it last.
//!
//! Laws say what must hold, and stories what one rule does; an order, a mark or a word that neither asks for is kept here.
//! The stories are drawn from fixed seeds: schedules about each section, imports and disputes, and resources as other
//! systems send them, some of them withdrawn, cut short or written in another way. Of each section of each view the file
//! `tests/golden/views.txt` has a digest. After a change that is meant, look at what a failing story shows, and write the file
//! anew: `MUSUBI_GOLDEN=write cargo test --lib golden_views`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use super::laws::any_story;
use super::world::{ABOUT, any_world, resource, world_about};
use crate::base::hash_tagged;
use crate::record::fixtures::Story;
use crate::record::statement::Act;

const GOLDEN: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/views.txt"));
const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/views.txt");
/// Schedules about each section, and stories and schedules about everything.
const OF_EACH: usize = 6;
const OF_ALL: usize = 24;
/// Stories of resources as others send them.
const FOREIGN: u64 = 300;
/// Digits of a digest: with 16 bits, one change of many goes unseen in 65,536.
const DIGITS: usize = 4;

fn draw<T: std::fmt::Debug>(strategy: &impl Strategy<Value = T>, runner: &mut TestRunner) -> T {
    strategy.new_tree(runner).unwrap().current()
}

/// Numbers that are the same on every machine.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, most: usize) -> usize {
        self.0 += 1;
        let digest = hash_tagged("musubi.test.numbers", &[&self.0.to_be_bytes()]);
        let number = u64::from_be_bytes(digest.0[..8].try_into().unwrap());
        usize::try_from(number % most.max(1) as u64).unwrap()
    }
}

/// Writes a resource as another system might, or as somebody who withdraws it.
fn altered(mut resource: Value, numbers: &mut Numbers) -> Value {
    let text = |text: &str| json!({ "text": text });
    let coded = |system: &str, code: &str| json!({ "coding": [{ "system": system, "code": code }] });
    let key = match numbers.below(12) {
        0 | 1 => return resource,
        2 => "gone",
        3 => {
            let all = [
                "entered-in-error",
                "cancelled",
                "completed",
                "unknown",
                "not-done",
                "finished",
                "final",
                "stopped",
            ];
            resource["status"] = json!(all[numbers.below(all.len())]);
            return resource;
        }
        4 => {
            let all = ["refuted", "entered-in-error", "confirmed", "unconfirmed"];
            resource["verificationStatus"] = coded("urn:verification", all[numbers.below(all.len())]);
            return resource;
        }
        5 => {
            let all = ["active", "inactive", "resolved", "remission"];
            resource["clinicalStatus"] = coded("urn:clinical", all[numbers.below(all.len())]);
            return resource;
        }
        6 => {
            let all = ["アレルギーなし", "血液型", "A型 Rh(-)", "要介護3", "ワルファリン", "不明", ""];
            let what = ["code", "valueCodeableConcept", "medicationCodeableConcept"][numbers.below(3)];
            resource[what] = text(all[numbers.below(all.len())]);
            return resource;
        }
        7 => {
            let all = [
                ("http://snomed.info/sct", "716186003"),
                ("http://snomed.info/sct", "112144000"),
                ("urn:icd", "R69"),
                ("urn:icd", "999"),
                ("http://loinc.org", "882-1"),
            ];
            let (system, code) = all[numbers.below(all.len())];
            let what = ["code", "valueCodeableConcept"][numbers.below(2)];
            resource[what]["coding"] = json!([{ "system": system, "code": code }, { "system": "urn:other", "code": "x", "display": "別名" }]);
            return resource;
        }
        8 => {
            let all = [
                json!([{ "substance": { "text": "アモキシシリン" }, "manifestation": [{ "text": "発疹" }] }]),
                json!([{ "manifestation": [{ "text": "呼吸困難" }], "severity": "severe" }]),
            ];
            resource["reaction"] = all[numbers.below(2)].clone();
            return resource;
        }
        9 => {
            let all = [
                json!([{ "attachment": { "contentType": "text/plain", "data": "6KiY6YyyLg==" } }]),
                json!([{ "attachment": { "contentType": "image/png", "data": "iVBORw0=" } }]),
                json!([{ "attachment": { "contentType": "text/html", "data": "PHA+6KiY6YyyPC9wPjxi" } }]),
            ];
            resource["content"] = all[numbers.below(3)].clone();
            resource["docStatus"] = json!(["final", "amended", "entered-in-error"][numbers.below(3)]);
            return resource;
        }
        10 => {
            let day = ["2026-11-01", "2026-11-20T09:00:00+09:00", "2026-11", "someday"][numbers.below(4)];
            for what in ["effectiveDateTime", "recordedDate", "authoredOn", "occurrenceDateTime", "date"] {
                resource[what] = json!(day);
            }
            return resource;
        }
        _ => "any",
    };
    let keys: Vec<String> =
        resource.as_object().unwrap().keys().filter(|it| *it != "resourceType").cloned().collect();
    if key == "gone" && !keys.is_empty() {
        let which = &keys[numbers.below(keys.len())];
        resource.as_object_mut().unwrap().remove(which);
    } else if let Some(which) = keys.get(numbers.below(keys.len().max(1))) {
        resource[which.as_str()] =
            [json!(null), json!([]), json!({}), json!("x"), json!(7)][numbers.below(5)].clone();
    }
    resource
}

/// A story of a few resources about one thing or two, at three sites: imported or not, versions, withdrawals, disputes.
fn foreign(number: u64) -> Story {
    let mut numbers = Numbers(number << 16);
    let mut story = Story::default();
    let abouts =
        [usize::try_from(number).unwrap() % ABOUT.len(), numbers.below(ABOUT.len())].map(|at| ABOUT[at]);
    let acts = [
        Act::Assert,
        Act::Assert,
        Act::Change,
        Act::Refute,
        Act::Stop,
        Act::Decide,
        Act::Addendum,
        Act::Hold,
    ];
    for step in 0..3 + numbers.below(7) {
        let about = abouts[usize::from(numbers.below(4) == 0)];
        let mut written = altered(resource(about, u8::try_from(numbers.below(256)).unwrap()), &mut numbers);
        if !written.is_object() {
            continue;
        }
        written["id"] = json!(format!("r{}", numbers.below(3)));
        written["meta"] = json!({ "versionId": step.to_string() });
        let all = story.entries.len();
        let follows: Vec<usize> = match numbers.below(3) {
            _ if all == 0 => Vec::new(),
            0 => Vec::new(),
            1 => vec![numbers.below(all)],
            _ => {
                let mut both = vec![numbers.below(all), all - 1];
                both.dedup();
                both
            }
        };
        let site = u8::try_from(numbers.below(3)).unwrap();
        let handle = match numbers.below(3) {
            0 => story.import(site, "urn:other", &follows, &written),
            1 => story.write_as("nurse", site, acts[numbers.below(acts.len())], &follows, &written),
            _ => story.write(site, acts[numbers.below(acts.len())], &follows, &written),
        };
        if numbers.below(9) == 0 {
            story.dispute(handle);
        }
    }
    story
}

fn stories() -> Vec<(String, Story)> {
    let mut runner = TestRunner::deterministic();
    let mut all = Vec::new();
    for about in ABOUT {
        for number in 0..OF_EACH {
            all.push((format!("{about:?}-{number}"), draw(&world_about(about), &mut runner).story));
        }
    }
    for number in 0..OF_ALL {
        all.push((format!("any-{number}"), draw(&any_world(), &mut runner).story));
        all.push((format!("story-{number}"), draw(&any_story(), &mut runner)));
    }
    all.extend((0..FOREIGN).map(|number| (format!("foreign-{number}"), foreign(number))));
    all
}

/// What each section of a story's view shows, as a digest.
fn digests(story: &Story) -> BTreeMap<String, String> {
    let view = serde_json::to_value(story.view()).unwrap();
    let digest = |shown: &Value| hash_tagged("musubi.test.view", &[shown.to_string().as_bytes()]).to_string();
    let shown = view.as_object().unwrap().iter();
    shown.map(|(section, shown)| (section.clone(), digest(shown)[..DIGITS].to_owned())).collect()
}

/// One line of a story: its name, and of each section that is not empty the name and the digest.
fn line(name: &str, story: &Story, empty: &BTreeMap<String, String>) -> String {
    let mut line = name.to_owned();
    for (section, digest) in
        digests(story).iter().filter(|(section, digest)| empty.get(*section) != Some(digest))
    {
        write!(line, " {section}={digest}").unwrap();
    }
    line
}

#[test]
fn what_every_section_shows_is_as_it_was() {
    let (stories, empty) = (stories(), digests(&Story::default()));
    let lines: Vec<String> = stories.iter().map(|(name, story)| line(name, story, &empty)).collect();
    if std::env::var("MUSUBI_GOLDEN").is_ok_and(|wanted| wanted == "write") {
        std::fs::write(PATH, lines.join("\n") + "\n").unwrap();
        return;
    }
    let golden: Vec<&str> = GOLDEN.lines().collect();
    assert_eq!(golden.len(), lines.len(), "stories");
    for ((now, then), (name, story)) in lines.iter().zip(golden).zip(&stories) {
        let [now, then]: [BTreeSet<&str>; 2] = [now, then].map(|line| line.split(' ').collect());
        let changed: Vec<_> = now.symmetric_difference(&then).collect();
        assert!(changed.is_empty(), "{name} shows otherwise: {changed:?}\n{:#?}", story.entries);
    }
}
