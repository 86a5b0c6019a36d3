//! The person's view: the joined facts of all records that are one person's.
//!
//! Nothing is fused: every statement keeps the record that it was written into, and the joined view is computed from
//! the union each time. When a link is undone the separate views are there again, because nothing else was ever stored.
//!
//! A statement that is written while records are joined says so in its resource ([`written_in`]): after an unlink these
//! are the decisions that may rest on another's chart, and they are listed to be looked through. This is known, not
//! guessed from clocks: the writer's replica held the link, or it would not have said it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Value, json};

use super::group::Groups;
use super::order;
use super::tie::{self, Pair, PairState, Tied};
use super::unnamed;
use crate::base::{Hlc, RecordId};
use crate::record::build::RECORD_SYSTEM;
use crate::record::facts::{Fact, Facts};
use crate::record::fhir;
use crate::record::statement::Position;
use crate::record::view::RecordView;

/// The extension by which a statement names another record that was joined when it was written.
pub const WRITTEN_IN_URL: &str = "urn:musubi:written-in-view-with";

/// One person, as all linked records tell.
#[derive(Clone, PartialEq, Serialize)]
pub struct PersonView {
    /// The record that was asked for.
    pub asked: RecordId,
    /// The records that are joined, ascending; the asked one alone when nothing is linked.
    pub records: Vec<RecordId>,
    /// The view of the joined facts; it goes by the asked record's id.
    #[serde(skip)]
    pub view: RecordView,
    /// What is said of the pairs that these records are in.
    pub ties: Vec<Tied>,
    /// Pairs on which people must decide.
    pub decide: Vec<Pair>,
    /// What only records that are not joined, but disputed, know of danger.
    pub cautions: Vec<Caution>,
    /// What is seen of a person who could not say who they are, in words.
    pub seen: Vec<String>,
    /// How many records that ties name were not looked into: a linked one may be among them.
    pub left_out: u64,
    /// Joined records of which nothing is held here: what they know of danger is neither shown nor checked.
    pub unheld: Vec<RecordId>,
    /// What was written while the asked record was joined with one that is not joined any more.
    pub written_together: Vec<WrittenTogether>,
}

/// What a record that may be the same person's knows of danger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Caution {
    /// The other record.
    pub record: RecordId,
    /// Its active allergies.
    pub allergies: Vec<String>,
}

/// A statement to look through after an unlink.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct WrittenTogether {
    /// When it was written, as its device claims.
    pub time: Hlc,
    /// Where it stands.
    pub position: Position,
    /// The record that it was written into.
    pub record: RecordId,
    /// The record that was joined then and is not now.
    pub with: RecordId,
    /// Who wrote it.
    pub who: String,
    /// The author's role.
    pub role: String,
    /// The type of its resource.
    pub resource_type: String,
    /// What it is about, in few words.
    pub what: String,
}

impl PersonView {
    /// Computes the view of a person from the facts of all records that ties name, as far as they are held here.
    ///
    /// Laws (`record::linking::tests`): the same facts give the same bytes; a record without ties gives its own view.
    pub fn of(asked: RecordId, held: &BTreeMap<RecordId, Facts>) -> Self {
        Self::viewed(asked, held, RecordView::of)
    }

    /// Joins the facts of all records that are linked with one; they go by that one's id.
    pub fn joined(asked: RecordId, held: &BTreeMap<RecordId, Facts>) -> Facts {
        let records = Self::linked(asked, held);
        let parts: Vec<&Facts> = records.iter().filter_map(|record| held.get(record)).collect();
        Facts::joined(asked, &parts)
    }

    /// Returns the records that are linked with one, itself among them.
    pub fn linked(asked: RecordId, held: &BTreeMap<RecordId, Facts>) -> BTreeSet<RecordId> {
        Groups::of(&tie::ties(held.values())).of_record(asked)
    }

    /// As [`Self::of`], with the joined facts viewed by a site's own rules.
    pub fn viewed(
        asked: RecordId,
        held: &BTreeMap<RecordId, Facts>,
        view: impl Fn(&Facts) -> RecordView,
    ) -> Self {
        let ties = tie::ties(held.values());
        let groups = Groups::of(&ties);
        let records = groups.of_record(asked);
        let parts: Vec<&Facts> = records.iter().filter_map(|record| held.get(record)).collect();
        let view = view(&Facts::joined(asked, &parts));
        let left_out = order::left_out(ties.values(), held);
        let touches = |pair: &Pair| records.contains(&pair.0) || records.contains(&pair.1);
        let near: Vec<Tied> = ties.into_values().filter(|tied| touches(&tied.pair)).collect();
        let decide: BTreeSet<Pair> = near
            .iter()
            .filter(|tied| tied.state == PairState::Disputed || groups.set_aside.contains(&tied.pair))
            .map(|tied| tied.pair)
            .chain(groups.contradicted.iter().copied().filter(touches))
            .collect();
        let doubtful: BTreeSet<RecordId> = decide
            .iter()
            .flat_map(|pair| [pair.0, pair.1])
            .filter(|record| !records.contains(record))
            .collect();
        Self {
            asked,
            cautions: doubtful.iter().filter_map(|record| caution(held.get(record)?)).collect(),
            left_out,
            unheld: unheld(&records, held),
            seen: parts.iter().flat_map(|facts| unnamed::seen(facts)).collect(),
            written_together: written_together(&records, &parts),
            records: records.into_iter().collect(),
            view,
            ties: near,
            decide: decide.into_iter().collect(),
        }
    }

    /// Says whether other records are joined.
    pub fn is_joined(&self) -> bool {
        self.records.len() > 1
    }
}

/// Names in a resource the other records that are joined while it is written, in place of those that it names: what a
/// decision keeps was written at another time.
pub fn written_in(resource: &mut Value, others: &[RecordId]) {
    let Some(object) = resource.as_object_mut() else { return };
    let named = others.iter().map(|record| {
        let identifier = json!({"system": RECORD_SYSTEM, "value": record.to_string()});
        json!({"url": WRITTEN_IN_URL, "valueIdentifier": identifier})
    });
    let extensions = object.entry("extension").or_insert_with(|| json!([]));
    if let Some(list) = extensions.as_array_mut() {
        list.retain(|extension| extension["url"] != WRITTEN_IN_URL);
        list.extend(named);
        if list.is_empty() {
            object.remove("extension");
        }
    }
}

/// Reads which other records were joined when a statement was written.
pub fn joined_when_written(fact: &Fact) -> BTreeSet<RecordId> {
    // Most statements name none: the text tells without being read.
    if fact.origin.is_some() || !fact.statement.resource.contains(WRITTEN_IN_URL) {
        return BTreeSet::new();
    }
    let json = fact.json();
    let named = fhir::items(&json, &["extension"]).iter().filter(|item| item["url"] == WRITTEN_IN_URL);
    named.filter_map(|item| item["valueIdentifier"]["value"].as_str()?.parse().ok()).collect()
}

/// Finds those of some records of which nothing is held.
pub fn unheld(records: &BTreeSet<RecordId>, held: &BTreeMap<RecordId, Facts>) -> Vec<RecordId> {
    let is_held = |record: &RecordId| held.get(record).is_some_and(|facts| facts.iter().next().is_some());
    records.iter().filter(|record| !is_held(record)).copied().collect()
}

fn caution(other: &Facts) -> Option<Caution> {
    let view = RecordView::of(other);
    let allergies: Vec<String> =
        view.allergies.active.iter().map(|allergy| allergy.substance.clone()).collect();
    (!allergies.is_empty()).then(|| Caution { record: other.record(), allergies })
}

fn written_together(records: &BTreeSet<RecordId>, parts: &[&Facts]) -> Vec<WrittenTogether> {
    let mut found: Vec<WrittenTogether> = Vec::new();
    for fact in parts.iter().flat_map(|facts| facts.iter()) {
        let parted = joined_when_written(fact).into_iter().filter(|other| !records.contains(other));
        found.extend(parted.map(|with| listed(fact, with)));
    }
    found.sort();
    found.dedup();
    found
}

fn listed(fact: &Fact, with: RecordId) -> WrittenTogether {
    WrittenTogether {
        time: fact.time,
        position: fact.position,
        record: fact.record,
        with,
        who: fact.author.name.clone(),
        role: fact.author.role.clone(),
        resource_type: fact.resource_type.clone(),
        what: fact.named().unwrap_or_default(),
    }
}
