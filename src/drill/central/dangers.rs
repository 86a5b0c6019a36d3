//! Contradictions and dangers in the one record, by the rules by which Musubi finds its own: who did not know of what.
//!
//! Statements about one allergy or one order of a drug are a thread. A statement replaces those of its thread that its
//! author knew; statements that stand side by side contradict each other if they say different things. A drug that is
//! given and an allergy to it, both standing, are a danger.

use std::collections::BTreeMap;
use std::time::Duration;

use super::record::{Record, Says, Statement};
use crate::drill::course::Dispute;

/// Statements about one allergy, or one order of a drug.
#[derive(Default)]
struct Thread<'s> {
    all: Vec<&'s Statement>,
    /// Those that nothing has replaced, in the order of making.
    standing: Vec<&'s Statement>,
}

/// Finds all of them, in order of arising.
pub(super) fn disputes(record: &Record) -> Vec<Dispute> {
    let mut found = Vec::new();
    for (person, said) in record.by_person() {
        of_person(person, &said, &mut found);
    }
    found.sort_by(|a, b| (a.arose, a.person, &a.kind).cmp(&(b.arose, b.person, &b.kind)));
    found
}

fn of_person(person: u64, said: &[&Statement], found: &mut Vec<Dispute>) {
    let mut allergies: BTreeMap<&str, Thread<'_>> = BTreeMap::new();
    let mut orders: BTreeMap<&str, Vec<Thread<'_>>> = BTreeMap::new();
    for statement in said.iter().copied() {
        let thread = match &statement.says {
            Says::Allergic(substance) => Some(("allergies", allergies.entry(substance).or_default())),
            // As with Musubi, nobody refutes, changes or stops what is not known there: it is told in a note.
            Says::NotAllergic(substance) => {
                let thread = allergies.get_mut(substance.as_str());
                thread.filter(|thread| thread.is_known(statement)).map(|thread| ("allergies", thread))
            }
            Says::Starts(drug, _) => {
                let threads = orders.entry(drug).or_default();
                threads.push(Thread::default());
                threads.last_mut().map(|thread| ("medication", thread))
            }
            Says::Changes(drug, _) | Says::Holds(drug) | Says::Stops(drug) => {
                let mut threads = orders.get_mut(drug.as_str()).into_iter().flatten().rev();
                threads.find(|thread| thread.is_known(statement)).map(|thread| ("medication", thread))
            }
            Says::Other => None,
        };
        let Some((section, thread)) = thread else { continue };
        let replaced = thread.add(statement);
        found.extend(contradiction(person, section, &replaced, Some(statement.made)));
    }
    let standing = allergies.values().map(|thread| ("allergies", thread));
    for (section, thread) in standing.chain(orders.values().flatten().map(|thread| ("medication", thread))) {
        found.extend(contradiction(person, section, &thread.standing, None));
    }
    for (substance, allergy) in &allergies {
        let allergic = allergy.standing.iter().rev().find(|one| matches!(one.says, Says::Allergic(_)));
        let given = orders.get(substance).into_iter().flatten().flat_map(|order| &order.standing);
        let given = given.filter(|one| !matches!(one.says, Says::Stops(_))).max_by_key(|one| one.made);
        if let (Some(allergic), Some(given)) = (allergic, given) {
            let pair = if given.made < allergic.made { [*given, *allergic] } else { [*allergic, given] };
            found.push(dispute(person, ("alerts", "drug-allergy", "contraindicated"), &pair, None));
        }
    }
}

impl<'s> Thread<'s> {
    /// Says whether the author of a statement knew of the thread.
    fn is_known(&self, statement: &Statement) -> bool {
        self.all.iter().any(|earlier| statement.knew(earlier))
    }

    /// Adds a statement, and returns those that it replaces.
    fn add(&mut self, statement: &'s Statement) -> Vec<&'s Statement> {
        let standing = std::mem::take(&mut self.standing);
        let (replaced, stay): (Vec<_>, Vec<_>) =
            standing.into_iter().partition(|earlier| statement.knew(earlier));
        self.standing = stay;
        self.standing.push(statement);
        self.all.push(statement);
        replaced
    }
}

/// Finds what statements that stand side by side contradict each other in.
fn contradiction(
    person: u64,
    section: &'static str,
    standing: &[&Statement],
    decided: Option<Duration>,
) -> Option<Dispute> {
    let has = |what: fn(&Says) -> bool| standing.iter().any(|one| what(&one.says));
    let given = has(|says| matches!(says, Says::Starts(..) | Says::Changes(..)));
    let (held, stopped) =
        (has(|says| matches!(says, Says::Holds(_))), has(|says| matches!(says, Says::Stops(_))));
    let doses = standing.iter().filter_map(|one| match &one.says {
        Says::Starts(_, dose) | Says::Changes(_, dose) => Some(dose),
        _ => None,
    });
    let doses: std::collections::BTreeSet<&String> = doses.collect();
    let kind = match section {
        "allergies" if has(|says| matches!(says, Says::Allergic(_))) => {
            has(|says| matches!(says, Says::NotAllergic(_))).then_some("assert-vs-refute")
        }
        "allergies" => None,
        _ => match (given, held, stopped) {
            (true, _, true) => Some("dose-vs-stop"),
            (true, true, false) => Some("dose-vs-hold"),
            (false, true, true) => Some("hold-vs-stop"),
            (true, false, false) if doses.len() > 1 => Some("two-doses"),
            (_, _, _) => None,
        },
    }?;
    Some(dispute(person, (section, kind, "caution"), standing, decided))
}

/// Describes a dispute of statements in the order of making, at least one.
fn dispute(
    person: u64,
    (section, kind, harm): (&str, &str, &str),
    statements: &[&Statement],
    decided: Option<Duration>,
) -> Dispute {
    let last = statements.last();
    let arose = last.map_or(Duration::ZERO, |last| last.made);
    let knew = last.is_some_and(|last| statements.iter().all(|one| last.knew(one)));
    let entered: Option<Vec<(Duration, usize)>> =
        statements.iter().map(|one| Some((one.entered()?, one.member))).collect();
    let joined = entered.and_then(|entered| entered.into_iter().max_by_key(|(at, _)| *at));
    let (seen, seen_by) = match last.filter(|_| knew) {
        Some(last) => (Some(last.made), Some(last.member)),
        None => joined.unzip(),
    };
    let (section, kind, harm) = (section.to_owned(), kind.to_owned(), harm.to_owned());
    let written_at = Dispute::places(statements.iter().map(|one| (one.made, one.member)));
    Dispute {
        section,
        kind,
        harm,
        person,
        called: String::new(),
        written_at,
        arose,
        seen,
        seen_by,
        decided,
        late_by_split: !knew,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: fn(u64) -> Duration = Duration::from_secs;

    fn allergic() -> Says {
        Says::Allergic("a".into())
    }

    fn starts() -> Says {
        Says::Starts("a".into(), "1".into())
    }

    fn changes() -> Says {
        Says::Changes("a".into(), "2".into())
    }

    fn stops() -> Says {
        Says::Stops("a".into())
    }

    fn kinds(record: &Record) -> Vec<(String, Option<Duration>, bool)> {
        let found = disputes(record).into_iter();
        found.map(|dispute| (dispute.kind, dispute.seen, dispute.late_by_split)).collect()
    }

    #[test]
    fn a_danger_on_screens_is_seen_at_once() {
        let mut record = Record::default();
        record.say(AT(1), 0, 7, allergic(), true);
        record.say(AT(2), 1, 7, starts(), true);
        assert_eq!(kinds(&record), [("drug-allergy".to_owned(), Some(AT(2)), false)]);
    }

    #[test]
    fn a_danger_with_paper_is_seen_when_the_paper_is_typed_in() {
        let mut record = Record::default();
        let paper = record.say(AT(1), 0, 7, allergic(), false);
        record.say(AT(2), 1, 7, starts(), true);
        assert_eq!(kinds(&record), [("drug-allergy".to_owned(), None, true)]);
        record.enter(AT(9), paper);
        assert_eq!(kinds(&record), [("drug-allergy".to_owned(), Some(AT(9)), true)]);
    }

    #[test]
    fn paper_beside_paper_is_seen_by_those_who_write_it() {
        let mut record = Record::default();
        record.say(AT(1), 0, 7, allergic(), false);
        record.say(AT(2), 0, 7, starts(), false);
        assert_eq!(kinds(&record), [("drug-allergy".to_owned(), Some(AT(2)), false)]);
    }

    #[test]
    fn a_stop_ends_the_danger_and_one_on_paper_contradicts_what_did_not_know_of_it() {
        let mut record = Record::default();
        record.say(AT(1), 0, 7, allergic(), true);
        record.say(AT(2), 1, 7, starts(), true);
        record.say(AT(3), 0, 7, stops(), true);
        assert_eq!(kinds(&record), []);

        let mut record = Record::default();
        record.say(AT(1), 0, 7, starts(), true);
        let paper = record.say(AT(2), 0, 7, stops(), false);
        record.say(AT(3), 1, 7, changes(), true);
        assert_eq!(kinds(&record), [("dose-vs-stop".to_owned(), None, true)]);
        record.enter(AT(4), paper);
        assert_eq!(kinds(&record), [("dose-vs-stop".to_owned(), Some(AT(4)), true)]);
    }

    #[test]
    fn nobody_stops_what_is_not_known_there() {
        let mut record = Record::default();
        record.say(AT(1), 0, 7, starts(), true);
        record.say(AT(2), 1, 7, stops(), false);
        assert_eq!(kinds(&record), []);
    }

    #[test]
    fn a_contradiction_is_found_and_whoever_knows_both_sides_settles_it() {
        let mut record = Record::default();
        record.say(AT(1), 0, 7, allergic(), true);
        record.say(AT(2), 1, 7, Says::NotAllergic("a".into()), true);
        assert_eq!(kinds(&record), [], "a refutation that knows is no contradiction");

        let mut record = Record::default();
        record.say(AT(1), 0, 7, allergic(), true);
        let paper = record.say(AT(2), 1, 7, allergic(), false);
        record.say(AT(3), 0, 7, Says::NotAllergic("a".into()), true);
        record.enter(AT(4), paper);
        assert_eq!(kinds(&record), [("assert-vs-refute".to_owned(), Some(AT(4)), true)]);
        record.say(AT(5), 2, 7, allergic(), true);
        let settled = disputes(&record);
        assert_eq!((settled[0].arose, settled[0].decided), (AT(3), Some(AT(5))));
    }
}
