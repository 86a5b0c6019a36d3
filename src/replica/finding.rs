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
use super::subject::PersonFacts;
use crate::base::{RecordId, WallMs};
use crate::record::facts::{Fact, Facts};
use crate::record::linking::told;
use crate::record::names::Asked;
use crate::record::sections::demographics::{self, Demographics};
use crate::record::{Section, birth, fhir, kana, render};

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
        let asked = Asked::of(text);
        let (candidates, mut more) = self.candidates(text, &asked, limit)?;
        let mut ranked: Vec<(std::cmp::Reverse<u32>, Vec<String>, FoundPatient)> = Vec::new();
        let mut told: BTreeSet<RecordId> = BTreeSet::new();
        for candidate in candidates {
            let record = candidate.record;
            if told.contains(&record) || !candidate.may_be_meant(self, &asked)? {
                continue;
            }
            if ranked.len() == limit {
                more = true;
                break;
            }
            let facts = self.person_facts(&record, None)?;
            let who = demographics::view(facts.own()).0;
            if let Some(score) = asked.rank(&who) {
                let patient = self.found_patient(record, &facts, &mut told);
                ranked.push((std::cmp::Reverse(score), full_names(&who), patient));
            }
        }
        ranked.sort_by(|a, b| (&a.0, &a.1, a.2.record).cmp(&(&b.0, &b.1, b.2.record)));
        let mut patients: Vec<FoundPatient> = ranked.into_iter().map(|(_, _, patient)| patient).collect();
        if patients.is_empty()
            && limit > 0
            && let Ok(record) = self.record_named(text.trim())
        {
            patients.push(self.found_patient(record, &self.person_facts(&record, None)?, &mut told));
        }
        mark_namesakes(&mut patients);
        Ok(Found { patients, more })
    }

    /// Tells whom a record is about, with what is said in linked ones; these are `told` then.
    fn found_patient(
        &self,
        record: RecordId,
        facts: &PersonFacts,
        told: &mut BTreeSet<RecordId>,
    ) -> FoundPatient {
        let linked = facts.records();
        told.extend(&linked);
        let facts = linked.iter().filter_map(|record| facts.held().get(record));
        found_patient(record, facts, &linked, self.environment().now())
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
