//! The laws of ties, groups and the person's view.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::laws::cases;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::person::{WRITTEN_IN_URL, written_in};
use super::tie::{linkage, ties};
use super::{Groups, Pair, PairState, PersonView, TieKind};
use crate::base::{Area, DeviceId, Hlc, LaneId, RecordId, WallMs, hash_tagged};
use crate::record::RecordView;
use crate::record::facts::{Facts, Standing};
use crate::record::json::canonical;
use crate::record::statement::{Act, Author, FactsBody, FollowRef, Informant, Salt, Statement};

/// One entry of one site's lane.
#[derive(Debug, Clone)]
struct Entry {
    site: u8,
    seq: u64,
    standing: Standing,
    body: FactsBody,
}

/// A region: what each site has written, and what each has heard.
#[derive(Debug, Clone, Default)]
struct Region {
    entries: Vec<Entry>,
    /// For each site, the numbers of the entries that it holds.
    held: BTreeMap<u8, BTreeSet<usize>>,
}

fn record(number: u8) -> RecordId {
    RecordId([number; 16])
}

fn pair(a: u8, b: u8) -> Pair {
    Pair::new(record(a), record(b)).unwrap()
}

fn facts_of<'a>(entries: impl Iterator<Item = &'a Entry>) -> BTreeMap<RecordId, Facts> {
    let mut all: BTreeMap<RecordId, Facts> = BTreeMap::new();
    for entry in entries {
        let leaf =
            hash_tagged("test.leaf", &[&[entry.site], &entry.seq.to_be_bytes(), &entry.body.to_bytes()]);
        let facts = all.entry(entry.body.record).or_insert_with(|| Facts::new(entry.body.record));
        let (lane, device) = (LaneId([entry.site; 32]), DeviceId([entry.site; 32]));
        facts
            .insert_body(lane, device, &Area::common(), entry.standing, entry.seq, &leaf, &entry.body)
            .unwrap();
    }
    all
}

impl Region {
    fn known(&self, site: u8) -> BTreeMap<RecordId, Facts> {
        let held = self.held.get(&site).cloned().unwrap_or_default();
        facts_of(held.iter().map(|number| &self.entries[*number]))
    }

    fn all(&self) -> BTreeMap<RecordId, Facts> {
        facts_of(self.entries.iter())
    }

    fn push(
        &mut self,
        site: u8,
        record: RecordId,
        act: Act,
        follows: Vec<FollowRef>,
        resource: &Value,
    ) -> usize {
        let number = self.entries.len();
        let body = FactsBody {
            version: FactsBody::VERSION,
            salt: Salt([number as u8; 8]),
            record,
            time: Hlc::at(WallMs(1_795_000_000_000 + number as u64 * 60_000)),
            author: Author { name: format!("writer {site}"), role: "nurse".to_owned() },
            source: None,
            statements: vec![Statement {
                act,
                informant: Informant::Clinician,
                follows,
                reason: Some("保険証で確認".to_owned()),
                resource: canonical(&resource.to_string()).unwrap(),
            }],
        };
        body.check().unwrap();
        let seq = 1 + self.entries.iter().filter(|entry| entry.site == site).count() as u64;
        self.entries.push(Entry { site, seq, standing: Standing::Verified, body });
        self.held.entry(site).or_default().insert(number);
        number
    }

    /// Says something of two records, as a replica does: in both, following what it knows.
    fn tie(&mut self, site: u8, kind: TieKind, a: u8, b: u8) -> [usize; 2] {
        let pair = pair(a, b);
        let follows =
            ties(self.known(site).values()).remove(&pair).map(|tied| tied.follows).unwrap_or_default();
        let mut resource: Value = serde_json::from_str(&linkage(kind, pair, "writer")).unwrap();
        resource["id"] = json!(format!("tie-{}", self.entries.len()));
        [pair.0, pair.1].map(|record| self.push(site, record, kind.act(), follows.clone(), &resource))
    }

    fn hears(&mut self, site: u8, from: u8) {
        let heard = self.held.get(&from).cloned().unwrap_or_default();
        self.held.entry(site).or_default().extend(heard);
    }

    fn state(&self, a: u8, b: u8) -> PairState {
        ties(self.all().values())[&pair(a, b)].state
    }

    fn allergy(&mut self, site: u8, number: u8, substance: &str) -> usize {
        let known = self.known(site);
        let person = PersonView::of(record(number), &known);
        let others: Vec<RecordId> =
            person.records.into_iter().filter(|other| *other != record(number)).collect();
        let mut resource = json!({"resourceType": "AllergyIntolerance", "code": {"text": substance}});
        written_in(&mut resource, &others);
        self.push(site, record(number), Act::Assert, Vec::new(), &resource)
    }
}

fn allergies(view: &RecordView) -> BTreeSet<String> {
    view.allergies.active.iter().map(|allergy| allergy.substance.clone()).collect()
}

#[test]
fn a_link_joins_and_an_unlink_gives_back_exactly_the_separate_views() {
    let mut region = Region::default();
    region.allergy(1, 1, "卵");
    region.allergy(1, 2, "ペニシリン");
    let apart = |region: &Region, number| PersonView::of(record(number), &region.all());
    let (first, second) = (apart(&region, 1), apart(&region, 2));
    assert_eq!(
        first.view.to_json(),
        RecordView::of(&region.all()[&record(1)]).to_json(),
        "without ties its own view"
    );

    region.tie(1, TieKind::Link, 1, 2);
    let joined = apart(&region, 1);
    assert_eq!(joined.records, [record(1), record(2)]);
    assert_eq!(allergies(&joined.view), BTreeSet::from(["卵".to_owned(), "ペニシリン".to_owned()]));
    let subjects: BTreeSet<RecordId> =
        joined.view.allergies.active.iter().map(|allergy| allergy.sides[0].source.record).collect();
    assert_eq!(subjects.len(), 2, "each entry keeps its own record");

    region.tie(1, TieKind::Unlink, 1, 2);
    for (number, before) in [(1, first), (2, second)] {
        let after = apart(&region, number);
        assert_eq!(after.view.to_json(), RecordView::of(&region.all()[&record(number)]).to_json());
        assert!(
            after.view.allergies == before.view.allergies && after.view.conflicts == before.view.conflicts
        );
        assert!(after.view.demographics == before.view.demographics && after.view.notes == before.view.notes);
    }
}

#[test]
fn what_was_written_while_joined_is_listed_after_an_unlink() {
    let mut region = Region::default();
    region.allergy(1, 1, "卵");
    region.tie(1, TieKind::Link, 1, 2);
    region.allergy(1, 1, "蕎麦");
    region.allergy(2, 1, "海老");
    region.hears(2, 1);
    region.allergy(2, 2, "牛乳");
    region.hears(1, 2);
    region.tie(1, TieKind::Unlink, 1, 2);
    region.allergy(1, 1, "桃");
    // Site 2 has not heard of the unlink and writes on the joined chart.
    region.allergy(2, 1, "小麦");
    let listed = |number: u8| {
        let person = PersonView::of(record(number), &region.all());
        person.written_together.into_iter().map(|item| item.what).collect::<Vec<_>>()
    };
    assert_eq!(listed(1), ["蕎麦", "小麦"], "not 海老, whose author had not heard of the link");
    assert_eq!(listed(2), ["牛乳"]);
    region.tie(1, TieKind::Link, 1, 2);
    assert!(
        PersonView::of(record(1), &region.all()).written_together.is_empty(),
        "joined again, nothing is wrong"
    );
}

#[test]
fn link_beside_not_same_is_disputed_not_joined_and_warns_of_the_other_s_allergies() {
    let mut region = Region::default();
    region.allergy(1, 2, "ペニシリン");
    region.hears(2, 1);
    region.tie(1, TieKind::Link, 1, 2);
    region.tie(2, TieKind::NotSame, 1, 2);
    assert_eq!(region.state(1, 2), PairState::Disputed);
    let mut held = region.all();
    held.entry(record(1)).or_insert_with(|| Facts::new(record(1)));
    let person = PersonView::of(record(1), &held);
    assert!(!person.is_joined() && person.decide == [pair(1, 2)]);
    assert_eq!(person.cautions[0].allergies, ["ペニシリン"]);
    // A decision follows both.
    region.hears(1, 2);
    region.tie(1, TieKind::Link, 1, 2);
    assert_eq!(region.state(1, 2), PairState::Joined);
}

#[test]
fn who_knew_one_copy_followed_the_statement() {
    let mut region = Region::default();
    let [_, copy] = region.tie(1, TieKind::Link, 1, 2);
    // Site 2 holds the second record's area only.
    region.held.entry(2).or_default().insert(copy);
    region.tie(2, TieKind::Unlink, 1, 2);
    assert_eq!(region.state(1, 2), PairState::Separate);
}

#[test]
fn unlink_beside_not_same_is_apart_and_disputed_ground_decides_nothing() {
    let mut region = Region::default();
    region.tie(1, TieKind::Link, 1, 2);
    region.hears(2, 1);
    region.tie(1, TieKind::Unlink, 1, 2);
    let forged = region.tie(2, TieKind::NotSame, 1, 2);
    assert_eq!(region.state(1, 2), PairState::Apart);
    for number in forged {
        region.entries[number].standing = Standing::Disputed;
    }
    assert_eq!(region.state(1, 2), PairState::Separate);
    let mut lone = Region::default();
    for number in lone.tie(1, TieKind::Link, 1, 2) {
        lone.entries[number].standing = Standing::Disputed;
    }
    assert_eq!(lone.state(1, 2), PairState::Separate, "an unverified link joins nothing");
}

#[test]
fn links_are_transitive_and_cut_by_not_same() {
    let mut region = Region::default();
    for (a, b) in [(1, 2), (2, 3), (3, 4), (5, 6)] {
        region.tie(1, TieKind::Link, a, b);
    }
    let group = |region: &Region, number: u8| {
        Groups::of(&ties(region.all().values())).of_record(record(number)).len()
    };
    assert_eq!([1, 4, 5, 7].map(|number| group(&region, number)), [4, 4, 2, 1]);
    region.tie(1, TieKind::NotSame, 1, 3);
    let groups = Groups::of(&ties(region.all().values()));
    assert_eq!(groups.set_aside, BTreeSet::from([pair(1, 2), pair(2, 3)]), "3–4 lies on no way from 1 to 3");
    assert_eq!([1, 2, 3, 5].map(|number| group(&region, number)), [1, 1, 2, 2]);
    assert!(PersonView::of(record(1), &region.all()).decide.contains(&pair(1, 3)));
}

#[test]
fn imported_linkages_and_those_about_others_join_nothing() {
    let mut region = Region::default();
    let [number, other] = region.tie(1, TieKind::Link, 1, 2);
    region.entries[number].body.source = Some("urn:elsewhere".to_owned());
    region.entries[other].body.record = record(9);
    assert!(ties(region.all().values()).is_empty());
}

#[test]
fn a_resource_names_the_view_that_it_was_written_in() {
    let mut resource = json!({"resourceType": "Condition", "extension": [{"url": "x", "valueCode": "y"}]});
    written_in(&mut resource, &[]);
    assert_eq!(resource["extension"].as_array().unwrap().len(), 1);
    written_in(&mut resource, &[record(2)]);
    assert_eq!(resource["extension"][1]["url"], WRITTEN_IN_URL);
}

/// Sites that say things of four records, and now and then hear of each other.
fn any_region() -> impl Strategy<Value = Region> {
    let step = (0u8..6, 1u8..4, 1u8..5, 1u8..5, 1u8..4);
    prop::collection::vec(step, 1..16).prop_map(|steps| {
        let mut region = Region::default();
        for (what, site, a, b, from) in steps {
            match what {
                0 | 1 if a != b => drop(region.tie(site, TieKind::Link, a, b)),
                2 if a != b => drop(region.tie(site, TieKind::Unlink, a, b)),
                3 if a != b => drop(region.tie(site, TieKind::NotSame, a, b)),
                4 => drop(region.allergy(site, a, "卵")),
                _ => region.hears(site, from),
            }
        }
        region
    })
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn any_order_and_number_of_arrivals_gives_the_same_person(
        (region, order) in any_region().prop_flat_map(|region| {
            let twice: Vec<usize> = (0..region.entries.len()).chain(0..region.entries.len()).collect();
            (Just(region), Just(twice).prop_shuffle())
        })
    ) {
        let shuffled = facts_of(order.iter().map(|number| &region.entries[*number]));
        for number in 1..5 {
            let (one, other) = (PersonView::of(record(number), &region.all()), PersonView::of(record(number), &shuffled));
            prop_assert_eq!(one.view.to_json(), other.view.to_json());
            prop_assert_eq!(serde_json::to_vec(&one).unwrap(), serde_json::to_vec(&other).unwrap());
        }
    }

    #[test]
    fn a_group_is_the_same_from_each_member_and_never_holds_a_not_same(region in any_region()) {
        let all = ties(region.all().values());
        let groups = Groups::of(&all);
        for number in 1..5 {
            let group = groups.of_record(record(number));
            for member in &group {
                prop_assert_eq!(&groups.of_record(*member), &group);
            }
            for tied in all.values().filter(|tied| tied.state == PairState::Apart) {
                prop_assert!(!(group.contains(&tied.pair.0) && group.contains(&tied.pair.1)));
            }
            // No link without a statement.
            let linked = |record: &RecordId| all.values().any(|tied| tied.state == PairState::Joined && tied.pair.other(record).is_some());
            prop_assert!(group.len() == 1 || group.iter().all(linked));
        }
    }

    #[test]
    fn who_has_heard_everything_and_speaks_settles_the_pair(region in any_region(), link in any::<bool>()) {
        let mut region = region;
        for site in 1..4 {
            region.hears(1, site);
        }
        let kind = if link { TieKind::Link } else { TieKind::NotSame };
        region.tie(1, kind, 1, 2);
        let expected = if link { PairState::Joined } else { PairState::Apart };
        prop_assert_eq!(region.state(1, 2), expected);
    }
}
