//! Looking back: who could know is told by what was heard, and unknown is unknown.

use std::convert::Infallible;

use proptest::prelude::*;

use crate::base::{Hlc, WallMs};
use crate::record::facts::{Fact, Facts};
use crate::record::fixtures::{Story, allergy, order};
use crate::record::safety::hindsight::{Heard, Hindsight, Knew, SIDES_MAX, WRITINGS_MAX, look_back};
use crate::record::statement::Act;
use crate::record::{RecordView, fixtures};

const DRUG: &str = "アモキシシリンカプセル250mg";
const SUBSTANCE: &str = "アモキシシリン";

/// Pairs of handles: the author of the first had heard the second.
type Table<'t> = &'t [(usize, usize)];

fn answer(story: &Story, table: Table<'_>, by: &Fact, of: &Fact) -> Heard {
    let handle = |fact: &Fact| story.entries.iter().position(|one| one.position() == fact.position).unwrap();
    let (by_handle, of_handle) = (handle(by), handle(of));
    match () {
        () if by.origin.is_some() => Heard::Unknown,
        () if by.device == of.device => {
            if of_handle <= by_handle {
                Heard::Yes
            } else {
                Heard::No
            }
        }
        () if table.contains(&(by_handle, of_handle)) => Heard::Yes,
        () => Heard::No,
    }
}

fn looked<'f>(story: &Story, facts: &'f Facts, table: Table<'_>) -> Option<Hindsight<'f>> {
    let view = RecordView::of(facts);
    let [alert] = view.alerts.as_slice() else { panic!("{} alerts", view.alerts.len()) };
    let mut heard = |by: &Fact, of: &Fact| Ok::<_, Infallible>(answer(story, table, by, of));
    look_back(facts, alert, &mut heard).unwrap()
}

/// What the authors of the sides' statements knew, by handles.
fn knew(story: &Story, table: Table<'_>) -> (Vec<(usize, Knew)>, usize, Option<usize>) {
    let facts = story.facts();
    let found = looked(story, &facts, table).unwrap();
    let handle = |fact: &Fact| story.entries.iter().position(|one| one.position() == fact.position).unwrap();
    let mut knew: Vec<(usize, Knew)> =
        found.writings.iter().map(|writing| (handle(writing.fact), writing.knew)).collect();
    knew.sort_by_key(|(handle, _)| *handle);
    (knew, handle(found.possible_since), found.known_since.map(handle))
}

#[test]
fn what_was_heard_was_known_and_what_was_not_could_not_be() {
    let mut story = Story::default();
    let first = story.write(1, Act::Assert, &[], &allergy(SUBSTANCE));
    let given = story.write(2, Act::Assert, &[], &order(DRUG, "active", "3錠"));
    let told = |table| knew(&story, table);
    assert_eq!(told(&[]), (vec![(first, Knew::NotHeard), (given, Knew::NotHeard)], given, None));
    let table = [(given, first)];
    assert_eq!(
        told(&table),
        (vec![(first, Knew::First), (given, Knew::Known)], given, Some(given)),
        "the order overlooked it"
    );
    let facts = story.facts();
    let apart = looked(&story, &facts, &[]).unwrap();
    assert!(apart.writings[0].unheard.contains(&apart.writings[1].fact.device) && !apart.untold);

    // Somebody who has heard both writes about something else.
    let note = story.write(3, Act::Assert, &[], &fixtures::note("回診"));
    let (_, _, known) = knew(&story, &[(note, first), (note, given)]);
    assert_eq!(known, Some(note));
}

#[test]
fn a_side_stands_from_where_it_began_again() {
    let mut story = Story::default();
    let first = story.write(2, Act::Assert, &[], &order(DRUG, "active", "3錠"));
    let stopped = story.write(2, Act::Stop, &[first], &order(DRUG, "stopped", ""));
    let allergic = story.write(1, Act::Assert, &[], &allergy(SUBSTANCE));
    let again = story.write(2, Act::Change, &[stopped], &order(DRUG, "active", "1錠"));
    let more = story.write(2, Act::Change, &[again], &order(DRUG, "active", "2錠"));
    let graver = story.write(1, Act::Change, &[allergic], &allergy(SUBSTANCE));
    // The dose was raised by somebody who had heard of the allergy as it was first written.
    let (knew, since, known) = knew(&story, &[(more, allergic)]);
    assert_eq!(
        knew,
        [(allergic, Knew::NotHeard), (again, Knew::NotHeard), (more, Knew::Known), (graver, Knew::NotHeard)]
    );
    assert_eq!((since, known), (again, Some(more)));
}

#[test]
fn of_what_was_imported_nothing_is_guessed() {
    let mut story = Story::default();
    let first = story.import(1, "urn:source", &[], &allergy(SUBSTANCE));
    let given = story.write(2, Act::Assert, &[], &order(DRUG, "active", "3錠"));
    let (told, _, known) = knew(&story, &[]);
    assert_eq!((told, known), (vec![(first, Knew::Unknown), (given, Knew::NotHeard)], None));
    let facts = story.facts();
    assert!(looked(&story, &facts, &[]).unwrap().untold);
    let (told, ..) = knew(&story, &[(given, first)]);
    assert_eq!(told, [(first, Knew::First), (given, Knew::Known)], "the order follows it for sure");
}

#[test]
fn what_one_device_wrote_needs_no_telling() {
    let mut story = Story::default();
    story.write(1, Act::Assert, &[], &allergy(SUBSTANCE));
    story.write(1, Act::Assert, &[], &order(DRUG, "active", "3錠"));
    let facts = story.facts();
    assert!(looked(&story, &facts, &[]).is_none());
}

#[test]
fn of_a_long_side_the_ends_are_looked_at_and_it_is_said() {
    let mut story = Story::default();
    let first = story.write(1, Act::Assert, &[], &allergy(SUBSTANCE));
    let given = story.write(2, Act::Assert, &[], &order(DRUG, "active", "3錠"));
    let mut last = given;
    for _ in 0..WRITINGS_MAX {
        last = story.write(2, Act::Change, &[last], &order(DRUG, "active", "2錠"));
    }
    let facts = story.facts();
    let view = RecordView::of(&facts);
    let mut asked = 0;
    let mut heard = |by: &Fact, of: &Fact| {
        asked += 1;
        Ok::<_, Infallible>(answer(&story, &[(last, first)], by, of))
    };
    let found = look_back(&facts, &view.alerts[0], &mut heard).unwrap().unwrap();
    assert!(asked <= 12 * WRITINGS_MAX, "{asked} questions");
    let half = WRITINGS_MAX / 2;
    assert_eq!((found.writings.len(), found.untold), (1 + half, true));
    let position = |handle: usize| story.entries[handle].position();
    assert_eq!(found.possible_since.position, position(given));
    let told = [0, 1, half].map(|at| (found.writings[at].fact.position, found.writings[at].knew));
    // What the first had heard of the rest is not asked.
    let expected = [(first, Knew::Unknown), (given, Knew::NotHeard), (last, Knew::Known)];
    assert_eq!(told, expected.map(|(handle, knew)| (position(handle), knew)));
    assert_eq!(found.known_since.map(|fact| fact.position), Some(position(last)));
}

#[test]
fn of_many_sides_the_first_and_the_last_are_looked_at() {
    let mut story = Story::default();
    for number in 0..u8::try_from(SIDES_MAX + 9).unwrap() {
        story.write(1 + number % 2, Act::Assert, &[], &order(DRUG, "active", "3錠"));
    }
    let facts = story.facts();
    let mut alert = RecordView::of(&facts).alerts.pop().unwrap();
    alert.sides = story.entries.iter().map(|entry| vec![entry.position()]).collect();
    let found = look_back(&facts, &alert, &mut |_, _| Ok::<_, Infallible>(Heard::No)).unwrap().unwrap();
    assert_eq!((found.writings.len(), found.untold), (SIDES_MAX, true));
    assert!(found.writings.iter().all(|writing| writing.knew == Knew::Unknown), "nothing is guessed");
    let place = |at: usize| story.entries[at].position();
    let ends = [found.writings[0].fact.position, found.writings[SIDES_MAX - 1].fact.position];
    assert_eq!(ends, [place(0), place(story.entries.len() - 1)]);
}

proptest! {
    #[test]
    fn who_knew_follows_what_was_heard_whatever_the_clocks_say(
        times in prop::collection::vec(0..1_000_000_u64, 4),
        heard in prop::collection::vec((0..4_usize, 0..4_usize), 0..8),
    ) {
        let mut story = Story::default();
        let first = story.write(1, Act::Assert, &[], &allergy(SUBSTANCE));
        story.write(1, Act::Change, &[first], &allergy(SUBSTANCE));
        let given = story.write(2, Act::Assert, &[], &order(DRUG, "active", "3錠"));
        story.write(2, Act::Change, &[given], &order(DRUG, "active", "2錠"));
        let mut skewed = story.clone();
        for (entry, time) in skewed.entries.iter_mut().zip(times) {
            entry.body.time = Hlc::at(WallMs(fixtures::NOW.0 + time));
        }
        prop_assert_eq!(knew(&story, &heard).0, knew(&skewed, &heard).0);
    }
}
