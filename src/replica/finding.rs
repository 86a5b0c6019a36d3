//! Finding patients and showing records.

use std::collections::BTreeSet;

use super::answer::{Found, FoundPatient, Shown};
use super::chart_text;
use super::core::Replica;
use super::error::ReplicaError;
use crate::base::RecordId;
use crate::record::linking::told;
use crate::record::names::{SearchToken, query, rank};
use crate::record::{RecordView, render};

/// Most records that one search looks into; a query that is met by more is too short.
const CANDIDATES_MAX: usize = 2_000;

/// Digits of a record's name in hints.
const RECORD_DIGITS: usize = 12;

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
        let (person, quarantined) = self.person(record)?;
        let view = &person.view;
        let (mut charts, mut areas) = (Vec::new(), BTreeSet::new());
        for record in &person.records {
            charts.extend(self.charts_shown(record)?);
            areas.extend(self.areas_of(record)?);
        }
        let mut text = told::text(&person, self.environment().now());
        text.push_str(&render::text(view, self.environment().now()));
        let named = record.to_string();
        text.push_str(&chart_text::text(&charts, &named[..RECORD_DIGITS], self.environment().now()));
        if quarantined > 0 {
            text.push_str(&format!(
                "{quarantined} entries of this record cannot be read and are kept aside\n"
            ));
        }
        let view = serde_json::from_slice(&view.to_json()).unwrap_or_default();
        let person = serde_json::to_value(&person).unwrap_or_default();
        Ok(Shown { record: *record, areas: areas.into_iter().collect(), view, person, charts, text })
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
