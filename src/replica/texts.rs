//! Recovering what everybody typed, from the lanes alone: also from changes that the chart refused, and from entries on
//! disputed ground. No chart is needed for it but to say which changes are in one.

use std::collections::BTreeSet;

use super::chart_write::{Typed, TypedText};
use super::core::Replica;
use super::error::ReplicaError;
use crate::base::{Area, RecordId, WallMs};
use crate::chart::{ChangeHash, ChartChange, recover_texts};

impl Replica {
    /// Reads what everybody typed into the charts of a record.
    ///
    /// # Errors
    /// When the store fails.
    pub fn texts(&self, record: &RecordId) -> Result<Typed, ReplicaError> {
        let (mut entries, mut unreadable) = self.chart_entries(record)?;
        // A chart that does not load spoils no text: then nothing is said to be in it.
        let held = self.held(record).unwrap_or_default();
        entries.sort_by(|a, b| {
            let key =
                |one: &super::records::ChartEntry| (one.area.clone(), one.device, one.generation(), one.seq);
            key(a).cmp(&key(b))
        });
        let mut texts = Vec::new();
        for entry in &entries {
            for change in &entry.body.changes {
                let Ok(parsed) = ChartChange::parse(change) else {
                    unreadable += 1;
                    continue;
                };
                let in_chart = held.contains(&(entry.area.clone(), entry.generation(), parsed.hash()));
                texts.extend(recover_texts([change.as_slice()]).into_iter().map(|recovered| TypedText {
                    author: entry.body.author.as_ref().map(|author| author.name.clone()),
                    device: self.device_name(&entry.device),
                    time: WallMs(u64::try_from(recovered.time_s).unwrap_or(0).saturating_mul(1_000)),
                    generation: entry.generation(),
                    in_chart,
                    text: recovered.text,
                }));
            }
        }
        Ok(Typed { record: *record, texts, unreadable })
    }

    /// The changes that the latest chart of each area holds.
    fn held(&self, record: &RecordId) -> Result<BTreeSet<(Area, u32, ChangeHash)>, ReplicaError> {
        let mut held = BTreeSet::new();
        for (area, loaded) in self.charts(record)? {
            let hashes = loaded.writers.iter().map(|(hash, _, _)| *hash);
            let here = hashes.filter(|hash| loaded.chart.holds(hash));
            held.extend(here.map(|hash| (area.clone(), loaded.generation, hash)));
        }
        Ok(held)
    }
}
