//! Open decisions: what is listed, how it is named, what settles it.

use serde_json::Value;

use crate::record::decision::{self, Harm, OpenDecision};
use crate::record::fixtures::{Story, allergy, blood, order, potassium, resuscitation, stay, triage};
use crate::record::sections::resuscitation::Order;
use crate::record::statement::Act;

fn open(story: &Story) -> Vec<OpenDecision> {
    decision::open(&story.facts(), &story.view())
}

/// A dose changed on one side of a cut and the drug stopped on the other.
fn apart(story: &mut Story, drug: &str) -> [usize; 3] {
    let base = story.write(1, Act::Assert, &[], &order(drug, "active", "2mg"));
    let change = story.write(1, Act::Change, &[base], &order(drug, "active", "3mg"));
    let stop = story.write(2, Act::Stop, &[base], &order(drug, "stopped", ""));
    [base, change, stop]
}

#[test]
fn the_most_harmful_stands_first_with_all_its_sides() {
    let mut story = Story::default();
    let base = story.write(1, Act::Assert, &[], &order("アムロジピン", "active", "5mg"));
    story.write(1, Act::Change, &[base], &order("アムロジピン", "active", "10mg"));
    story.write(2, Act::Change, &[base], &order("アムロジピン", "active", "2.5mg"));
    apart(&mut story, "ワルファリン");
    let found = open(&story);
    let told: Vec<_> = found.iter().map(|one| (one.kind, one.harm)).collect();
    assert_eq!(told, [("dose-vs-stop", Harm::High), ("two-doses", Harm::Medium)]);
    let says: Vec<&str> = found[0].sides.iter().map(|side| side.says.as_str()).collect();
    assert_eq!(says, ["give ワルファリン 3mg", "stop ワルファリン"]);
    assert!(found[0].follow(0).is_some() && found[0].follow(2).is_none());
}

/// Whoever decides must see what each side says, whatever the section: a code and a status tell nothing.
#[test]
fn the_sides_of_every_section_are_told_apart() {
    let pairs = [
        (blood("A+"), blood("B+"), ["A+", "B+"]),
        (triage("red"), triage("black"), ["red", "black"]),
        (
            resuscitation(Order::Attempt),
            resuscitation(Order::DoNotAttempt),
            [Order::Attempt.words(), Order::DoNotAttempt.words()],
        ),
        (stay("三浦市立", false), stay("第二小学校", false), ["三浦市立", "第二小学校"]),
        (potassium("3.5 mmol/L", "t1"), potassium("6.9 mmol/L", "t1"), ["3.5", "6.9"]),
    ];
    for (one, other, words) in pairs {
        let mut story = Story::default();
        story.write(1, Act::Assert, &[], &one);
        story.write(2, Act::Assert, &[], &other);
        let found = open(&story);
        let [decision] = found.as_slice() else { panic!("{} decisions about {one}", found.len()) };
        let says: Vec<&str> = decision.sides.iter().map(|side| side.says.as_str()).collect();
        for word in words {
            assert_eq!(says.iter().filter(|says| says.contains(word)).count(), 1, "{word}: {says:?}");
        }
    }
}

#[test]
fn a_decision_settles_what_it_was_shown_and_nothing_that_came_later() {
    let mut story = Story::default();
    let [base, change, stop] = apart(&mut story, "ワルファリン");
    let shown = open(&story).remove(0);
    assert_eq!(open(&story)[0].name, shown.name, "the name is of the statements alone");

    // Heard from a third site before the decision is written.
    story.write(3, Act::Change, &[base], &order("ワルファリン", "active", "1mg"));
    let grown = open(&story).remove(0);
    assert_eq!(grown.sides.len(), 3);
    assert!(grown.name != shown.name && grown.is_about(&shown.name));

    // Decided on two sides only: the third is open still, under a name of its own.
    story.write(1, Act::Decide, &[change, stop], &order("ワルファリン", "stopped", ""));
    let left = open(&story).remove(0);
    assert!(left.sides.len() == 2 && left.name != grown.name && left.is_about(&shown.name));
}

#[test]
fn a_decision_on_all_sides_leaves_nothing_open() {
    let mut story = Story::default();
    let [_, change, stop] = apart(&mut story, "ワルファリン");
    story.write(1, Act::Decide, &[change, stop], &order("ワルファリン", "active", "3mg"));
    assert!(open(&story).is_empty());
    assert_eq!(story.view().medication.active.len(), 1);
}

#[test]
fn another_contradiction_is_not_the_same_grown() {
    let mut story = Story::default();
    apart(&mut story, "ワルファリン");
    apart(&mut story, "ジゴキシン");
    story.write(1, Act::Assert, &[], &allergy("ペニシリン"));
    let found = open(&story);
    assert_eq!(found.len(), 2);
    assert!(!found[0].is_about(&found[1].name));
}

/// What a set-back machine writes at one place, on each of its branches.
fn forked(base: Option<&Value>, one: &Value, other: &Value) -> Story {
    let mut story = Story::default();
    let base = base.map(|base| story.write(1, Act::Assert, &[], base));
    let follows: Vec<usize> = base.into_iter().collect();
    let mut twin = story.clone();
    story.write(2, Act::Assert, &follows, one);
    let other = twin.write(2, Act::Assert, &follows, other);
    story.entries.push(twin.entries[other].clone());
    story
}

#[test]
fn both_statements_of_a_forked_lane_are_sides_of_their_own() {
    let base = order("ワルファリン", "active", "2mg");
    let (dose, stop) = (order("ワルファリン", "active", "3mg"), order("ワルファリン", "stopped", ""));
    for (one, other) in [(&dose, &stop), (&stop, &dose)] {
        let story = forked(Some(&base), one, other);
        let found = open(&story);
        let [decision] = found.as_slice() else { panic!("{} decisions", found.len()) };
        let mut says: Vec<&str> = decision.sides.iter().map(|side| side.says.as_str()).collect();
        says.sort_unstable();
        assert_eq!(says, ["give ワルファリン 3mg", "stop ワルファリン"]);
        assert!(decision.follow(0) != decision.follow(1));
    }
}

#[test]
fn what_a_forked_lane_says_beside_itself_has_both_sides_in_every_section() {
    for (one, other) in [(blood("A+"), blood("O+")), (triage("red"), triage("green"))] {
        let found = open(&forked(None, &one, &other));
        assert_eq!(found[0].sides.len(), 2);
        assert!(found[0].sides[0] != found[0].sides[1]);
    }
}
