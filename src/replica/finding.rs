//! Finding patients and showing records.

use std::collections::BTreeSet;

use super::answer::{Found, FoundPatient, Shown};
use super::core::Replica;
use super::error::ReplicaError;
use super::knowing::Knowledge;
use super::knowledge::{KnowledgeShown, Moment, waits_text};
use crate::base::RecordId;
use crate::record::linking::told;
use crate::record::names::{SearchToken, query, rank};
use crate::record::{RecordView, render};

/// Most records that one search looks into; a query that is met by more is too short.
const CANDIDATES_MAX: usize = 2_000;

impl Replica {
    /// Searches patients by name, kana, birth date, identifier or phone; best first.
    ///
    /// # Errors
    /// When the store fails.
    pub fn find(&self, text: &str, limit: usize) -> Result<Found, ReplicaError> {
        let mut met: Option<BTreeSet<RecordId>> = None;
        for group in query(text) {
            let records = self.records_with(&group)?;
            met = Some(match met {
                None => records,
                Some(before) => before.intersection(&records).copied().collect(),
            });
        }
        let candidates = met.unwrap_or_default();
        let mut more = candidates.len() > CANDIDATES_MAX;
        let mut ranked = Vec::new();
        for record in candidates.into_iter().take(CANDIDATES_MAX) {
            let view = RecordView::of(&self.facts(&record)?.0);
            if let Some(score) = rank(text, &view.demographics) {
                ranked.push((std::cmp::Reverse(score), found_patient(record, &view)));
            }
        }
        ranked.sort_by(|a, b| (a.0, &a.1.names, a.1.record).cmp(&(b.0, &b.1.names, b.1.record)));
        more |= ranked.len() > limit;
        let patients = ranked.into_iter().take(limit).map(|(_, patient)| patient).collect();
        Ok(Found { patients, more })
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
        let (person, quarantined) = self.person_known(record, known)?;
        let view = &person.view;
        let (mut charts, mut areas) = (Vec::new(), BTreeSet::new());
        for record in &person.records {
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
        let waits = self.waits(view);
        let mut text = shown.as_ref().map_or_else(String::new, KnowledgeShown::text);
        text.push_str(&told::text(&person, now));
        text.push_str(&waits_text(&waits));
        text.push_str(&render::text(view, now));
        for chart in charts.iter().filter(|chart| !chart.handover.is_empty()) {
            text.push_str("Hand-over\n");
            chart.handover.lines().for_each(|line| text.push_str(&format!("  {}\n", plain(line))));
        }
        let annotations = charts.iter().flat_map(|chart| &chart.annotations);
        for (number, annotation) in annotations.enumerate() {
            if number == 0 {
                text.push_str("Annotations\n");
            }
            let age = render::age(annotation.time, now);
            text.push_str(&format!("  {} ({}, {age})\n", plain(&annotation.text), plain(&annotation.author)));
        }
        let refused: u64 = quarantined + charts.iter().map(|chart| chart.quarantined).sum::<u64>();
        if refused > 0 {
            text.push_str(&format!("{refused} entries of this record cannot be read and are kept aside\n"));
        }
        let view = serde_json::from_slice(&view.to_json()).unwrap_or_default();
        let person = serde_json::to_value(&person).unwrap_or_default();
        let areas = areas.into_iter().collect();
        Ok(Shown { record: *record, areas, knowledge: shown, waits, view, person, charts, text })
    }

    pub(super) fn records_with(&self, group: &[SearchToken]) -> Result<BTreeSet<RecordId>, ReplicaError> {
        let mut records = BTreeSet::new();
        for token in group {
            for posting in self.entries_with(token)? {
                if records.len() > CANDIDATES_MAX {
                    return Ok(records);
                }
                let entry = self.store().entry(&posting.lane, posting.seq)?;
                records.extend(entry.as_ref().and_then(super::index::record_of));
            }
        }
        Ok(records)
    }
}

fn found_patient(record: RecordId, view: &RecordView) -> FoundPatient {
    let demographics = &view.demographics;
    FoundPatient {
        record,
        names: demographics.names.iter().map(|name| name.full.clone()).collect(),
        birth_dates: demographics.birth_dates.clone(),
        sexes: demographics.sexes.clone(),
        towns: demographics.addresses.clone(),
    }
}

/// Control characters in data must not reach a terminal.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
