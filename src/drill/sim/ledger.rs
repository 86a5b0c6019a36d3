//! The simulation's own ledger: every write that a replica acknowledged, and where it must be found.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::time::Duration;

use crate::base::{Area, Digest, LaneId, Part, RecordId};
use crate::drill::course::Act;
use crate::replica::request::{NewPatient, Write};

/// A person, as a run numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PersonNo(
    /// The number.
    pub u64,
);

/// What an acknowledged write says, as far as an oracle must know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// The person is allergic to the substance.
    Allergic(String),
    /// The person is not, in answer to these writes (by their places in the ledger).
    NotAllergic(String, Vec<usize>),
    /// Something else.
    Other,
}

/// What an acknowledged write put into a record, and what its writer could know.
#[derive(Debug, Clone)]
pub struct Wrote {
    /// What was put there.
    pub content: Content,
    /// Whether a doctor signed it.
    pub by_doctor: bool,
    /// What the writer's replica held of the record, by places in the ledger, ascending.
    pub saw: Vec<usize>,
    /// Which of that it directly answers.
    pub answers: Vec<usize>,
    /// The records that were linked with its record, where it was written.
    pub joined: Vec<RecordId>,
    /// The replica refused it until a reason was given; none when nobody asked without a reason.
    pub refused: Option<bool>,
}

/// What was put into a record.
#[derive(Debug, Clone)]
pub enum Content {
    /// The patient.
    Patient(NewPatient),
    /// Something written.
    Write(Write),
    /// A decision for what this write had said.
    Decision(Write),
}

impl Content {
    /// Returns what is said, be it for the first time or by a decision.
    pub fn write(&self) -> Option<&Write> {
        match self {
            Content::Patient(_) => None,
            Content::Write(write) | Content::Decision(write) => Some(write),
        }
    }
}

/// A write that was acknowledged.
#[derive(Debug, Clone)]
pub struct Acknowledged {
    /// When.
    pub at: Duration,
    /// Where.
    pub member: usize,
    /// The person; none for what names nobody.
    pub person: Option<PersonNo>,
    /// The record; none for what belongs to none.
    pub record: Option<RecordId>,
    /// What was done.
    pub act: Act,
    /// What it says.
    pub said: Said,
    /// The same in full; a large region does not keep it.
    pub wrote: Option<Rc<Wrote>>,
    /// The area of its lane.
    pub area: Area,
    /// The part of its lane.
    pub part: Part,
    /// The lane.
    pub lane: LaneId,
    /// Its sequence number.
    pub seq: u64,
    /// The hash of its entry, read right after the acknowledgement; none when it could not be read even then.
    pub leaf: Option<Digest>,
    /// The FHIR id that its entry must hold, if it is a statement.
    pub resource_id: Option<String>,
    /// Its device had signed something else at this place, on a disk that was set back since.
    pub again: bool,
    /// Its only copy was on a disk that the drill destroyed: no system can keep it.
    pub forgiven: bool,
}

/// All acknowledged writes, in order.
#[derive(Debug, Default)]
pub struct SimLedger {
    writes: Vec<Acknowledged>,
    by_person: BTreeMap<PersonNo, Vec<usize>>,
    places: HashMap<(LaneId, u64), usize>,
}

impl SimLedger {
    /// Notes a write.
    pub fn note(&mut self, write: Acknowledged) {
        let number = self.writes.len();
        if let Some(person) = write.person {
            self.by_person.entry(person).or_default().push(number);
        }
        self.places.insert((write.lane, write.seq), number);
        self.writes.push(write);
    }

    /// Returns all writes.
    pub fn writes(&self) -> &[Acknowledged] {
        &self.writes
    }

    /// Returns what was written about a person, in order.
    pub fn about(&self, person: PersonNo) -> impl DoubleEndedIterator<Item = (usize, &Acknowledged)> {
        self.by_person.get(&person).into_iter().flatten().map(|number| (*number, &self.writes[*number]))
    }

    /// Finds the write at a place of a lane.
    pub fn at(&self, lane: LaneId, seq: u64) -> Option<&Acknowledged> {
        self.places.get(&(lane, seq)).map(|number| &self.writes[*number])
    }

    /// Finds the number of the write at a place of a lane.
    pub fn number_at(&self, place: (LaneId, u64)) -> Option<usize> {
        self.places.get(&place).copied()
    }

    /// Forgives the writes that only a destroyed disk held; returns how many.
    pub fn forgive(&mut self, only_there: impl Fn(&Acknowledged) -> bool) -> u64 {
        let mut forgiven = 0;
        for write in self.writes.iter_mut().filter(|write| !write.forgiven) {
            if only_there(write) {
                write.forgiven = true;
                forgiven += 1;
            }
        }
        forgiven
    }
}
