//! Finding patients and showing records.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;

use super::answer::{Found, FoundPatient, Shown};
use super::chart_text;
use super::core::Replica;
use super::error::ReplicaError;
use super::harm::HarmShown;
use super::knowing::Knowledge;
use super::knowledge::{KnowledgeShown, Moment, waits_text};
use super::proving::ProvenShown;
use super::reach::Reach;
use crate::base::{LaneId, Part, RecordId, WallMs};
use crate::record::facts::{Fact, Facts};
use crate::record::linking::told;
use crate::record::names::{SearchToken, query, rank};
use crate::record::sections::demographics::{self, Demographics};
use crate::record::{Section, birth, fhir, kana, render};
use crate::store::Posting;

/// Most records that one search looks into; a query that is met by more is too short.
const CANDIDATES_MAX: usize = 2_000;
/// Where a FHIR resource says when something was done.
const WHEN: [&[&str]; 9] = [
    &["period", "start"],
    &["effectiveDateTime"],
    &["effectivePeriod", "start"],
    &["performedDateTime"],
    &["occurrenceDateTime"],
    &["authoredOn"],
    &["recordedDate"],
    &["date"],
    &["issued"],
];

/// Digits of a record's name in hints.
const RECORD_DIGITS: usize = 12;

impl Replica {
    /// Searches patients by name, kana, Latin letters, birth date, identifier, phone or the beginning of the record's
    /// id; best first. Records that are linked are one person.
    ///
    /// # Errors
    /// When the store fails.
    pub fn find(&self, text: &str, limit: usize) -> Result<Found, ReplicaError> {
        let (candidates, mut more) = self.candidates(text)?;
        let mut ranked = Vec::new();
        for record in candidates {
            let who = demographics::view(&self.facts_in(&record, Some(Part::Card))?.0).0;
            if let Some(score) = rank(text, &who) {
                ranked.push((std::cmp::Reverse(score), full_names(&who), record));
            }
        }
        ranked.sort();
        let mut records: Vec<RecordId> = ranked.into_iter().map(|(_, _, record)| record).collect();
        if records.is_empty() {
            // Scans all entries: only for what is nobody's name.
            records.extend(self.record_named(text.trim()).ok());
        }
        let (mut patients, mut told): (Vec<FoundPatient>, BTreeSet<RecordId>) = Default::default();
        for record in records {
            if told.contains(&record) {
                continue;
            }
            if patients.len() == limit {
                more = true;
                break;
            }
            let facts = self.person_facts(&record, None)?;
            let linked = facts.records();
            told.extend(&linked);
            let facts = linked.iter().filter_map(|record| facts.held().get(record));
            patients.push(found_patient(record, facts, &linked, self.environment().now()));
        }
        mark_namesakes(&mut patients);
        Ok(Found { patients, more })
    }

    /// Collects the records that may be meant, of at most [`CANDIDATES_MAX`]; also says whether there are more.
    fn candidates(&self, text: &str) -> Result<(Vec<RecordId>, bool), ReplicaError> {
        let mut groups: Vec<Vec<Posting>> = Vec::new();
        for group in query(text) {
            let mut postings = Vec::new();
            for token in &group {
                postings.extend(self.entries_with(token)?);
            }
            groups.push(postings);
        }
        groups.sort_by_key(Vec::len);
        let Some((rarest, others)) = groups.split_first() else { return Ok((Vec::new(), false)) };
        // What one registration says in all words comes first: of 10,000 people of one name the one born on that day.
        let others: Vec<BTreeSet<(LaneId, u64)>> =
            others.iter().map(|group| group.iter().map(place).collect()).collect();
        let in_all = |posting: &&Posting| others.iter().all(|other| other.contains(&place(posting)));
        let (first, rest): (Vec<&Posting>, Vec<&Posting>) = rarest.iter().partition(in_all);
        let (mut records, mut met) = (Vec::new(), BTreeSet::new());
        for posting in first.into_iter().chain(rest) {
            if records.len() == CANDIDATES_MAX {
                return Ok((records, true));
            }
            let at = self.records_at(posting)?;
            records.extend(at.into_iter().filter(|record| met.insert(*record)));
        }
        Ok((records, false))
    }

    /// Shows the person whose record it is: the view of all linked records' facts, their charts, and both as text.
    ///
    /// # Errors
    /// When the store or the chart library fails.
    pub fn show(&self, record: &RecordId) -> Result<Shown, ReplicaError> {
        self.show_at(record, None)
    }

    /// Shows a person as somebody knew them at a moment, or as known now.
    ///
    /// # Errors
    /// When there is no such statement or device, or the store or the chart library fails.
    pub fn show_at(&self, record: &RecordId, moment: Option<&Moment>) -> Result<Shown, ReplicaError> {
        let knowledge = moment.map(|moment| self.knowledge(record, moment)).transpose()?;
        let known = knowledge.as_ref().map(|knowledge| &knowledge.known);
        let now = knowledge.as_ref().and_then(|knowledge| knowledge.shown.time);
        let now = now.unwrap_or_else(|| self.environment().now());
        let facts = self.person_facts(record, known)?;
        let (person, quarantined) = (self.person_of(record, &facts), facts.quarantined);
        let view = &person.view;
        let looked_back = self.looked_back(&facts, &view.alerts)?;
        let told: Vec<Vec<String>> =
            looked_back.iter().map(|harm| harm.as_ref().map(HarmShown::lines).unwrap_or_default()).collect();
        let (mut charts, mut areas, mut proven) = (Vec::new(), BTreeSet::new(), Vec::new());
        for record in &person.records {
            if known.is_none() {
                proven.extend(self.proven_shown(record)?);
            }
            charts.extend(self.charts_shown(record, known)?);
            areas.extend(self.areas_known(record, known)?);
        }
        let shown = match knowledge {
            Some(Knowledge { known, mut shown }) => {
                shown.later = self.count_later(&self.person(record)?.0.records, &known)?;
                Some(shown)
            }
            None => None,
        };
        let reach = match &shown {
            None => self.reach_of(&facts.joined(), &areas)?,
            Some(_) => Reach::default(),
        };
        let waits = self.waits(view, shown.is_none());
        let mut text = shown.as_ref().map_or_else(String::new, KnowledgeShown::text);
        text.extend(self.less_checked().map(|told| format!("{told}\n")));
        text.extend(proven.iter().map(ProvenShown::text));
        text.push_str(&reach.text);
        text.push_str(&told::text(&person, now));
        text.push_str(&waits_text(&waits));
        text.push_str(&render::text_told(view, now, &told));
        let named = record.to_string();
        text.push_str(&chart_text::text(&charts, &named[..RECORD_DIGITS], now));
        if quarantined > 0 {
            text.push_str(&format!(
                "{quarantined} entries of this record cannot be read and are kept aside\n"
            ));
        }
        let view = serde_json::from_slice(&view.to_json()).unwrap_or_default();
        let person = serde_json::to_value(&person).unwrap_or_default();
        let areas = areas.into_iter().collect();
        let harms = looked_back.into_iter().flatten().collect();
        Ok(Shown {
            record: *record,
            areas,
            knowledge: shown,
            proven,
            waits,
            harms,
            view,
            person,
            reach,
            charts,
            text,
        })
    }

    pub(super) fn records_with(&self, group: &[SearchToken]) -> Result<BTreeSet<RecordId>, ReplicaError> {
        let mut records = BTreeSet::new();
        for token in group {
            for posting in self.entries_with(token)? {
                if records.len() > CANDIDATES_MAX {
                    return Ok(records);
                }
                records.extend(self.records_at(&posting)?);
            }
        }
        Ok(records)
    }
}

fn place(posting: &Posting) -> (LaneId, u64) {
    (posting.lane, posting.seq)
}

fn full_names(who: &Demographics) -> Vec<String> {
    who.names.iter().map(|name| name.full.clone()).collect()
}

fn found_patient<'a>(
    record: RecordId,
    facts: impl Iterator<Item = &'a Facts>,
    linked: &BTreeSet<RecordId>,
    now: WallMs,
) -> FoundPatient {
    let (mut names, mut births, mut sexes, mut towns) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut last = None;
    let add = |to: &mut Vec<String>, values: Vec<String>| {
        for value in values {
            if !to.contains(&value) {
                to.push(value);
            }
        }
    };
    for facts in facts {
        let who = demographics::view(facts).0;
        add(&mut names, full_names(&who));
        add(&mut births, who.birth_dates);
        add(&mut sexes, who.sexes);
        add(&mut towns, who.addresses.iter().map(|address| town(address)).collect());
        last = last.max(last_seen(facts));
    }
    let today = civil(now);
    FoundPatient {
        record,
        names,
        ages: births.iter().filter_map(|born| birth::age_on(born, today)).collect(),
        birth_dates: births,
        sexes,
        towns,
        last_seen: last.map(|time| civil(time).to_string()),
        linked: linked.iter().copied().filter(|other| *other != record).collect(),
        has_namesake: false,
    }
}

/// The place without house and flat; the whole address where it cannot be taken apart.
fn town(address: &str) -> String {
    let house = |c: char| c.is_ascii_digit() || ('０'..='９').contains(&c);
    let place =
        address.trim_start_matches('〒').trim_start_matches(|c: char| house(c) || c == '-' || c == ' ');
    let end = place.find(house).unwrap_or(place.len());
    let town = place[..end].trim();
    if town.is_empty() { address.to_owned() } else { town.to_owned() }
}

/// When somebody last wrote about the person, or an imported resource says that something was done.
fn last_seen(facts: &Facts) -> Option<WallMs> {
    let seen = |fact: &Fact| match fact.section {
        // To register somebody, or to link records, nobody has to be there.
        Section::Demographics => None,
        _ if fact.resource_type == "Linkage" => None,
        _ if fact.origin.is_none() => Some(fact.time.wall()),
        _ => {
            let seconds = fhir::instant(&fhir::first_text(&fact.json(), &WHEN)?)?;
            Some(WallMs(u64::try_from(seconds).ok()? * 1_000))
        }
    };
    facts.iter().filter_map(seen).max()
}

fn mark_namesakes(patients: &mut [FoundPatient]) {
    let mut bearers: BTreeMap<String, usize> = BTreeMap::new();
    let folded = |patient: &FoundPatient| -> BTreeSet<String> {
        patient.names.iter().map(|name| kana::fold(name)).collect()
    };
    patients.iter().flat_map(folded).for_each(|name| *bearers.entry(name).or_default() += 1);
    for patient in patients {
        patient.has_namesake =
            folded(patient).iter().any(|name| bearers.get(name).is_some_and(|count| *count > 1));
    }
}

/// The day in Japan.
fn civil(time: WallMs) -> Date {
    let time =
        jiff::Timestamp::from_millisecond(i64::try_from(time.0).unwrap_or(i64::MAX)).unwrap_or_default();
    jiff::tz::Offset::constant(9).to_datetime(time).date()
}
