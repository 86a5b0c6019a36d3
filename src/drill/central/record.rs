//! The one record: what was said about whom, when it was made, and when it came to be in the centre.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::drill::workload::Task;
use crate::record::kana;
use crate::replica::request::{MedicationAction, Write};

/// What a statement says, as far as dangers need it. Names are folded, so that equal ones are equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Says {
    /// The person reacts to the substance.
    Allergic(String),
    /// The person does not.
    NotAllergic(String),
    /// A drug is begun, in this dose.
    Starts(String, String),
    /// Its dose is changed.
    Changes(String, String),
    /// It is held for now.
    Holds(String),
    /// It is stopped.
    Stops(String),
    /// Something else.
    Other,
}

/// Something that somebody wrote.
#[derive(Debug, Clone)]
pub(super) struct Statement {
    /// When it was made.
    pub(super) made: Duration,
    /// Where.
    pub(super) member: usize,
    /// What it says.
    pub(super) says: Says,
    /// Its place among everything that was made or entered.
    made_as: u64,
    /// When it was entered into the centre, and its place among everything; none while it is on paper.
    entered: Option<(Duration, u64)>,
}

/// Everything that was said.
#[derive(Debug, Default)]
pub(super) struct Record {
    statements: Vec<Statement>,
    about: BTreeMap<u64, Vec<usize>>,
    steps: u64,
    entered: u64,
}

impl Says {
    /// Returns what a task of the script says.
    pub(super) fn of_task(task: &Task) -> Self {
        match task {
            Task::Receive | Task::Note(_) | Task::Handover(_) | Task::Annotate(_) | Task::Decide(_) => {
                Says::Other
            }
            Task::Write(write) => Says::of_write(write),
            Task::Allergy(substance) => Says::Allergic(kana::fold(substance)),
            Task::Refute(substance) => Says::NotAllergic(kana::fold(substance)),
            Task::Start(drug, dose) => Says::Starts(kana::fold(drug), (*dose).to_owned()),
            Task::Change(drug, dose) => Says::Changes(kana::fold(drug), (*dose).to_owned()),
            Task::Stop(drug) => Says::Stops(kana::fold(drug)),
        }
    }

    /// Returns what a write of an event says.
    pub(super) fn of_write(write: &Write) -> Self {
        match write {
            Write::Allergy { substance, refute: None, .. } => Says::Allergic(kana::fold(substance)),
            Write::Allergy { substance, refute: Some(_), .. } => Says::NotAllergic(kana::fold(substance)),
            Write::Medication { action, drug, dose, .. } => {
                let (drug, dose) = (kana::fold(drug), dose.clone().unwrap_or_default());
                match action {
                    MedicationAction::Start => Says::Starts(drug, dose),
                    MedicationAction::Change => Says::Changes(drug, dose),
                    MedicationAction::Hold => Says::Holds(drug),
                    MedicationAction::Stop => Says::Stops(drug),
                }
            }
            Write::Note { .. } | Write::Handover { .. } | Write::Annotation { .. } | Write::Section(_) => {
                Says::Other
            }
        }
    }
}

impl Statement {
    /// Returns when it was entered into the centre.
    pub(super) fn entered(&self) -> Option<Duration> {
        self.entered.map(|(at, _)| at)
    }

    /// Says whether whoever made this one knew of an earlier one: it was written there, or in the centre while this one
    /// was made on a screen.
    pub(super) fn knew(&self, earlier: &Statement) -> bool {
        let on_screen = self.entered.is_some_and(|(_, place)| place == self.made_as);
        let in_centre = earlier.entered.is_some_and(|(_, place)| place < self.made_as);
        earlier.member == self.member || (on_screen && in_centre)
    }
}

impl Record {
    /// Notes what somebody says about a person: on a screen, or on paper. Returns its number.
    pub(super) fn say(
        &mut self,
        at: Duration,
        member: usize,
        person: u64,
        says: Says,
        on_screen: bool,
    ) -> usize {
        let number = self.statements.len();
        self.steps += 1;
        let entered = on_screen.then_some((at, self.steps));
        self.entered += u64::from(on_screen);
        self.statements.push(Statement { made: at, member, says, made_as: self.steps, entered });
        self.about.entry(person).or_default().push(number);
        number
    }

    /// Types in a sheet of paper.
    pub(super) fn enter(&mut self, at: Duration, number: usize) {
        self.steps += 1;
        let statement = &mut self.statements[number];
        if statement.entered.is_none() {
            statement.entered = Some((at, self.steps));
            self.entered += 1;
        }
    }

    /// Returns how many statements are in the centre.
    pub(super) fn entered(&self) -> u64 {
        self.entered
    }

    /// Returns how many statements are still on paper.
    pub(super) fn on_paper(&self) -> u64 {
        self.statements.len() as u64 - self.entered
    }

    /// Returns how many people anything is in the centre about.
    pub(super) fn people(&self) -> u64 {
        let known = |numbers: &&Vec<usize>| numbers.iter().any(|it| self.statements[*it].entered.is_some());
        self.about.values().filter(known).count() as u64
    }

    /// Returns what was said about each person, in the order of making.
    pub(super) fn by_person(&self) -> impl Iterator<Item = (u64, Vec<&Statement>)> {
        self.about.iter().map(|(person, numbers)| {
            (*person, numbers.iter().map(|number| &self.statements[*number]).collect())
        })
    }

    /// Says whether a site knows of a person: from the centre if it reaches it, or because it wrote something.
    pub(super) fn knows(&self, member: usize, person: u64, reaches: bool) -> bool {
        self.said(person).any(|one| one.member == member || (reaches && one.entered.is_some()))
    }

    /// Returns when the statements about a person were made that others wrote and a site cannot see.
    pub(super) fn unknown(
        &self,
        member: usize,
        person: u64,
        reaches: bool,
    ) -> impl Iterator<Item = Duration> {
        let hidden = move |one: &&Statement| one.member != member && !(reaches && one.entered.is_some());
        self.said(person).filter(hidden).map(|one| one.made)
    }

    fn said(&self, person: u64) -> impl Iterator<Item = &Statement> {
        self.about.get(&person).into_iter().flatten().map(|number| &self.statements[*number])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn a_screen_shows_what_was_entered_before_and_paper_only_what_its_site_wrote() {
        let mut record = Record::default();
        let paper = record.say(AT(1), 0, 7, Says::Other, false);
        record.say(AT(2), 1, 7, Says::Other, true);
        record.enter(AT(3), paper);
        record.say(AT(3), 1, 7, Says::Other, true);
        record.say(AT(4), 0, 7, Says::Other, false);
        let (_, said) = record.by_person().next().unwrap();
        let [on_paper, before, after, again] = said.as_slice() else { panic!("{said:?}") };
        assert!(!before.knew(on_paper), "it was still on paper");
        assert!(after.knew(on_paper) && after.knew(before));
        assert!(again.knew(on_paper) && !again.knew(after), "paper shows nothing of the centre");
        assert_eq!((record.entered(), record.on_paper(), record.people()), (3, 1, 1));
    }

    #[test]
    fn what_others_wrote_is_unknown_until_it_can_be_seen() {
        let mut record = Record::default();
        let paper = record.say(AT(1), 0, 7, Says::Other, false);
        record.say(AT(2), 1, 7, Says::Other, true);
        let unknown = |record: &Record, reaches| record.unknown(2, 7, reaches).collect::<Vec<_>>();
        assert_eq!(unknown(&record, true), [AT(1)]);
        assert_eq!(unknown(&record, false), [AT(1), AT(2)]);
        record.enter(AT(3), paper);
        assert!(unknown(&record, true).is_empty());
        assert!(record.knows(2, 7, true) && !record.knows(2, 7, false) && record.knows(0, 7, false));
    }
}
