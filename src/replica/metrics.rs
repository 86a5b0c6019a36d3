//! What a running replica counts, under the names that its metrics will have.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::transport::{Guard, Refusal};

/// The counter of peers that were refused or cut off, with the label `reason`.
pub const PEERS_REFUSED_TOTAL: &str = "musubi_peers_refused_total";

/// Counters since the start of the process.
#[derive(Debug, Clone)]
pub struct Metrics {
    guard: Arc<Guard>,
}

impl Metrics {
    /// Counts what a guard refuses.
    pub fn new(guard: Arc<Guard>) -> Metrics {
        Metrics { guard }
    }

    /// Returns how often peers were refused or cut off, by reason; reasons that never occurred are left out.
    pub fn refused(&self) -> BTreeMap<String, u64> {
        let counted = Refusal::ALL.map(|why| (why.name().to_owned(), self.guard.refused().of(why)));
        counted.into_iter().filter(|(_, times)| *times > 0).collect()
    }

    /// Returns every counter by its name, with its label if it has one.
    pub fn counters(&self) -> BTreeMap<String, u64> {
        let label = |(reason, times)| (format!("{PEERS_REFUSED_TOTAL}{{reason=\"{reason}\"}}"), times);
        self.refused().into_iter().map(label).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_have_the_names_and_labels_of_metrics() {
        let guard = Arc::new(Guard::open());
        let metrics = Metrics::new(guard.clone());
        guard.turned_away(Refusal::SourceRate, &"192.0.2.1:1");
        guard.turned_away(Refusal::SourceRate, &"192.0.2.1:1");
        assert_eq!(metrics.refused(), BTreeMap::from([("source-rate".to_owned(), 2)]));
        let counters = metrics.counters();
        assert_eq!(counters["musubi_peers_refused_total{reason=\"source-rate\"}"], 2);
    }
}
