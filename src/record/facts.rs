//! The facts of one record: a grow-only set of immutable statements.
//!
//! The set is a join-semilattice: inserting is commutative, associative and idempotent, so replicas that hold
//! the same entries hold the same set, whatever the order and number of arrivals. Views are pure functions of
//! it.
//!
//! A statement is identified by its position **and** its entry's leaf hash: in a forked lane several entries
//! stand at one position, and all of them are kept.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use super::json::{self, JsonError};
use super::origin::Origin;
use super::statement::{Author, FactsBody, FollowRef, LeafCheck, Position, Statement};
use super::threads::{self, Thread};
use super::{Section, fhir, place_of};
use crate::base::{Area, DeviceId, Digest, Hlc, LaneId, RecordId};

/// Whether a statement stands on undisputed ground.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Its lane vouches for it.
    Verified,
    /// Above a fork, or above the cut of a revoked device: shown as "unverified". It may add caution, never
    /// remove it.
    Disputed,
}

/// One statement of the set, with what its entry and lane say about it.
#[derive(Clone, PartialEq, Eq)]
pub struct Fact {
    /// Where it stands.
    pub position: Position,
    /// The leaf hash of its entry.
    pub leaf: Digest,
    /// The device that wrote it.
    pub device: DeviceId,
    /// The areas in which it was met: its own, and those into which it was carried.
    pub areas: BTreeSet<Area>,
    /// Whether it stands on undisputed ground.
    pub standing: Standing,
    /// The record that it was written into.
    pub record: RecordId,
    /// When it was written, as its device claims.
    pub time: Hlc,
    /// Who wrote it.
    pub author: Author,
    /// Where it was imported from, if it was.
    pub origin: Option<Origin>,
    /// The type of its resource.
    pub resource_type: String,
    /// The section that its resource belongs to.
    pub section: Section,
    /// The statement; every follow names its lane.
    pub statement: Statement,
}

/// Why a body does not join a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FactsError {
    /// The body is about another record.
    #[error("joining facts: the body is about record {0}")]
    OtherRecord(RecordId),
    /// A statement's resource was never checked.
    #[error("joining facts: statement {index}: {error}")]
    Resource {
        /// The statement's index in the entry.
        index: usize,
        /// What is wrong with it.
        error: JsonError,
    },
    /// A statement's resource has no type.
    #[error("joining facts: statement {0} has no resourceType")]
    ResourceType(usize),
}

/// All statements of one record that are known here.
///
/// Laws (`any_order_and_number_of_arrivals_ends_the_same`, `union_is_inserting_all`): insertion order never
/// matters, inserting twice changes nothing, and a union equals inserting everything.
#[derive(Clone, PartialEq, Eq)]
pub struct Facts {
    record: RecordId,
    facts: BTreeMap<(Position, Digest), Fact>,
}

impl Facts {
    /// Starts the empty set of a record.
    pub fn new(record: RecordId) -> Self {
        Self { record, facts: BTreeMap::new() }
    }

    /// Returns the record.
    pub fn record(&self) -> RecordId {
        self.record
    }

    /// Joins the statements of a checked body that is the entry `seq` of `lane`, with its `leaf` hash.
    ///
    /// # Errors
    /// [`FactsError`] when the body is of another record or was never checked; nothing is joined then.
    #[expect(clippy::too_many_arguments, reason = "an entry has this many coordinates")]
    pub fn insert_body(
        &mut self,
        lane: LaneId,
        device: DeviceId,
        area: &Area,
        standing: Standing,
        seq: u64,
        leaf: &Digest,
        body: &FactsBody,
    ) -> Result<(), FactsError> {
        if body.record != self.record {
            return Err(FactsError::OtherRecord(body.record));
        }
        let mut read = Vec::with_capacity(body.statements.len());
        for (index, statement) in body.statements.iter().enumerate() {
            let [resource_type, id] = json::top_strings(&statement.resource, ["resourceType", "id"])
                .map_err(|error| FactsError::Resource { index, error })?;
            let resource_type = resource_type.ok_or(FactsError::ResourceType(index))?;
            let origin = body
                .source
                .as_deref()
                .map(|source| Origin::new(source, resource_type.clone(), id, &statement.resource));
            let index = u32::try_from(index).expect("an entry holds at most STATEMENTS_PER_ENTRY_MAX");
            let mut statement = statement.clone();
            statement.follows.iter_mut().for_each(|follow| follow.lane = Some(follow.lane.unwrap_or(lane)));
            read.push(Fact {
                position: Position { lane, seq, index },
                leaf: *leaf,
                device,
                areas: BTreeSet::from([area.clone()]),
                standing,
                record: body.record,
                time: body.time,
                author: body.author.clone(),
                origin,
                section: place_of(&resource_type, &statement.resource).section,
                resource_type,
                statement,
            });
        }
        read.into_iter().for_each(|fact| self.insert(fact));
        Ok(())
    }

    /// Joins another set of the same record.
    ///
    /// # Errors
    /// [`FactsError::OtherRecord`] when it is of another record.
    pub fn join(&mut self, other: &Facts) -> Result<(), FactsError> {
        if other.record != self.record {
            return Err(FactsError::OtherRecord(other.record));
        }
        other.facts.values().cloned().for_each(|fact| self.insert(fact));
        Ok(())
    }

    /// Joins the facts of several records that are one person's, under one of their ids; each statement keeps the
    /// record that it was written into.
    pub fn joined(record: RecordId, parts: &[&Facts]) -> Self {
        let mut all = Self::new(record);
        parts.iter().flat_map(|part| part.facts.values()).cloned().for_each(|fact| all.insert(fact));
        all
    }

    /// Returns how many statements are known.
    pub fn len(&self) -> usize {
        self.facts.len()
    }

    /// Says whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.facts.is_empty()
    }

    /// Returns all statements in the order of their positions.
    pub fn iter(&self) -> impl Iterator<Item = &Fact> {
        self.facts.values()
    }

    /// Returns the statements at a position: one, or several where a lane forked.
    pub fn at(&self, position: Position) -> impl Iterator<Item = &Fact> {
        let (from, to) = ((position, Digest([0; 32])), (position, Digest([0xFF; 32])));
        self.facts.range(from..=to).map(|(_, fact)| fact)
    }

    /// Returns the statement that a reference names, if it is known here.
    pub fn followed(&self, follow: &FollowRef) -> Option<&Fact> {
        self.at(follow.position()?).find(|fact| fact.check() == follow.check)
    }

    /// Returns the threads of a section, in the order of their first statements; of [`Section::Other`], in
    /// the order of types first, because there only statements of one type can follow each other.
    pub fn threads(&self, section: Section) -> Vec<Thread<'_>> {
        let mut types: BTreeMap<&str, Vec<&Fact>> = BTreeMap::new();
        for fact in self.iter().filter(|fact| fact.section == section) {
            let key = if section == Section::Other { fact.resource_type.as_str() } else { "" };
            types.entry(key).or_default().push(fact);
        }
        types.into_values().flat_map(|facts| threads::build(self, facts.into_iter())).collect()
    }

    /// Returns the current statements of every section: what an export writes.
    pub fn current(&self) -> Vec<&Fact> {
        let threads = Section::ALL.into_iter().flat_map(|section| self.threads(section));
        threads
            .flat_map(|thread| thread.tips.iter().map(|tip| thread.nodes[*tip].first()).collect::<Vec<_>>())
            .collect()
    }

    fn insert(&mut self, fact: Fact) {
        match self.facts.entry((fact.position, fact.leaf)) {
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert(fact);
            }
            std::collections::btree_map::Entry::Occupied(mut place) => {
                let known = place.get_mut();
                known.standing = known.standing.max(fact.standing);
                known.areas.extend(fact.areas);
            }
        }
    }
}

impl Fact {
    /// Returns the first bytes of the entry's leaf hash, by which others follow it.
    pub fn check(&self) -> LeafCheck {
        LeafCheck::of(&self.leaf)
    }

    /// Returns the reference by which a statement in another lane follows this one.
    pub fn follow_ref(&self) -> FollowRef {
        let Position { lane, seq, index } = self.position;
        FollowRef { lane: Some(lane), seq, index, check: self.check() }
    }

    /// Says in few words what the statement is about, by its resource's own words; none when it has none.
    pub fn named(&self) -> Option<String> {
        let json = self.json();
        let paths = ["medicationCodeableConcept", "vaccineCode", "code", "type"];
        paths.into_iter().find_map(|path| fhir::concept(fhir::at(&json, &[path])))
    }

    /// Reads the resource; canonical JSON always reads.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.statement.resource).unwrap_or_default()
    }
}

/// Shows where it stands and of what type it is, never what it says.
impl fmt::Debug for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fact({:?} {})", self.position, self.resource_type)
    }
}

/// Shows the record and the number of statements only.
impl fmt::Debug for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Facts({:?}, {} statements)", self.record, self.facts.len())
    }
}

#[cfg(test)]
mod tests {
    use crate::record::Act;
    use crate::record::fixtures::{Story, allergy, order};

    #[test]
    fn a_statement_is_about_what_its_resource_names() {
        let mut story = Story::default();
        story.write(1, Act::Assert, &[], &order("ワーファリン錠1mg", "active", "1錠"));
        story.write(1, Act::Assert, &[], &allergy("海老"));
        let vaccine = serde_json::json!({"resourceType": "Immunization", "vaccineCode": {"text": "破傷風"}});
        story.write(1, Act::Assert, &[], &vaccine);
        let plain = serde_json::json!({"resourceType": "Observation", "status": "final"});
        story.write(1, Act::Assert, &[], &plain);
        let named: Vec<Option<String>> = story.facts().iter().map(super::Fact::named).collect();
        let words = |text: &str| Some(text.to_owned());
        assert_eq!(named, [words("ワーファリン錠1mg"), words("海老"), words("破傷風"), None]);
    }
}
