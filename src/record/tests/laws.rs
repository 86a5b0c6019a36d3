//! The laws: a view is a function of the set of facts; caution is never lost by more facts from elsewhere.

use crate::base::laws::cases;
use proptest::prelude::*;

use crate::record::facts::Facts;
use crate::record::fixtures::{self, Story, Written, allergy, facts_of, note, order, problem};
use crate::record::statement::Act;
use crate::record::{FollowRef, RecordView, Standing, json};

/// Any story: statements of every section and act at four sites, following earlier ones, some imported, some
/// twice, some disputed.
pub(super) fn any_story() -> impl Strategy<Value = Story> {
    let step = (0u8..4, 0u8..7, 0u8..12, prop::collection::vec(any::<prop::sample::Index>(), 0..3), 0u8..8);
    prop::collection::vec(step, 1..14).prop_map(|steps| {
        let mut story = Story::default();
        for (site, act, what, follows, how) in steps {
            let count = story.entries.len();
            let mut follows: Vec<usize> = if count == 0 {
                Vec::new()
            } else {
                follows.iter().map(|index| index.index(count)).collect()
            };
            follows.sort_by_key(|handle| story.position(*handle));
            follows.dedup();
            let resource = match what {
                0 => allergy("アスピリン"),
                1 => allergy("ペニシリン"),
                2 => fixtures::no_known_allergy(),
                3 => order("アスピリン", "active", "100mg"),
                4 => order("アスピリン", "active", "200mg"),
                5 => order("アスピリン", "stopped", "100mg"),
                6 => problem("喘息", "active"),
                7 => problem("喘息", "resolved"),
                8 => note("呼吸苦"),
                9 => note("改善"),
                10 => serde_json::json!({"resourceType": "Patient", "id": "p", "birthDate": "2000-01-01"}),
                _ => serde_json::json!({"resourceType": "Observation", "id": "o"}),
            };
            let acts =
                [Act::Assert, Act::Change, Act::Hold, Act::Stop, Act::Refute, Act::Addendum, Act::Decide];
            let handle = match how {
                0 | 1 => story.import(site, "urn:source", &follows, &resource),
                _ => story.write(site, acts[usize::from(act)], &follows, &resource),
            };
            if how == 2 {
                story.dispute(handle);
            }
        }
        story
    })
}

fn shuffled(story: Story) -> impl Strategy<Value = (Story, Vec<Written>)> {
    let mut twice = story.entries.clone();
    twice.extend(story.entries.clone());
    let order = Just(twice).prop_shuffle();
    (Just(story), order)
}

/// What is verified, and what verified statements of the same section stand on: who follows a disputed statement has
/// countersigned it, unless by saying that nothing is known.
fn countersigned(story: &Story) -> Vec<Written> {
    let entries = &story.entries;
    let says_nothing = |entry: &Written| entry.body.statements[0].resource.contains("716186003");
    let kind =
        |entry: &Written| json::top_strings(&entry.body.statements[0].resource, ["resourceType"]).unwrap();
    let mut kept: Vec<bool> = entries.iter().map(|entry| entry.standing == Standing::Verified).collect();
    // What is followed was written before.
    for index in (0..kept.len()).rev() {
        let follows = &entries[index].body.statements[0].follows;
        for at in (0..index).filter(|_| kept[index] && !says_nothing(&entries[index])).collect::<Vec<_>>() {
            let there = |follow: &FollowRef| *follow == entries[at].follow_ref();
            kept[at] |= follows.iter().any(there) && kind(&entries[at]) == kind(&entries[index]);
        }
    }
    entries.iter().zip(kept).filter(|(_, kept)| *kept).map(|(entry, _)| entry.clone()).collect()
}

proptest! {
    #![proptest_config(cases(96))]

    #[test]
    fn any_order_and_number_of_arrivals_ends_the_same((story, arrivals) in any_story().prop_flat_map(shuffled)) {
        let facts = facts_of(&arrivals);
        prop_assert!(facts == story.facts());
        prop_assert_eq!(RecordView::of(&facts).to_json(), story.view().to_json());
    }

    #[test]
    fn union_is_inserting_all((story, _) in any_story().prop_flat_map(shuffled), cut in any::<prop::sample::Index>()) {
        let cut = cut.index(story.entries.len());
        let (mut left, right) = (facts_of(&story.entries[..cut]), facts_of(&story.entries[cut / 2..]));
        left.join(&right).unwrap();
        prop_assert!(left == story.facts());
    }

    #[test]
    fn every_thread_has_a_tip_and_every_statement_a_thread(story in any_story()) {
        let facts = story.facts();
        let mut statements = 0;
        for section in crate::record::Section::ALL {
            for thread in facts.threads(section) {
                prop_assert!(!thread.tips.is_empty());
                statements += thread.nodes.iter().map(|node| node.facts.len()).sum::<usize>();
            }
        }
        prop_assert_eq!(statements, facts.len());
    }

    #[test]
    fn more_facts_from_elsewhere_never_silence_an_allergy(story in any_story()) {
        let mut told = Story::default();
        let mine = told.write(9, Act::Assert, &[], &allergy("セファゾリン"));
        prop_assert_eq!(told.view().allergies.active.len(), 1);
        let mut facts: Facts = story.facts();
        facts.join(&told.facts_of(&[mine])).unwrap();
        let view = RecordView::of(&facts);
        prop_assert!(view.allergies.active.iter().any(|allergy| allergy.substance == "セファゾリン"));
    }

    #[test]
    fn disputed_statements_never_remove_caution(story in any_story()) {
        let (before, after) = (RecordView::of(&facts_of(&countersigned(&story))), story.view());
        // Origins may be shared by disputed and verified imports; the counts of standing assertions only grow.
        for allergy in &before.allergies.active {
            let still = after.allergies.active.iter().any(|other| {
                other.substance == allergy.substance || other.also.contains(&allergy.substance)
            });
            prop_assert!(still, "{}", allergy.substance);
        }
        for drug in &before.medication.active {
            prop_assert!(after.medication.active.iter().any(|other| other.name == drug.name), "{}", drug.name);
        }
    }

    #[test]
    fn no_note_disappears(story in any_story()) {
        let facts = story.facts();
        let threads = facts.threads(crate::record::Section::Notes).len();
        prop_assert!(story.view().notes.len() >= threads);
    }
}
