//! Grouping resources into drafts: one record and one part each, as large as an entry should be.

use std::collections::{BTreeMap, HashSet};

use crate::base::limits::{ENTRY_BYTES_MAX, FACTS_SPLIT_BYTES, STATEMENTS_PER_ENTRY_MAX};
use crate::base::{Part, RecordId};
use crate::record::Origin;

/// Bytes of resources that are held before they are handed over as drafts (32 MiB).
pub const DRAFTED_BYTES_MAX: usize = 32 << 20;
/// Largest canonical resource: an entry holds it with its author and what it follows.
pub const RESOURCE_BYTES_MAX: usize = ENTRY_BYTES_MAX - (64 << 10);
/// What a held resource costs besides its text: its origin, and its place in the lists.
const HELD_BYTES: usize = 256;

/// What is to become one entry: resources of one record, one part and one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The record.
    pub record: RecordId,
    /// The part.
    pub part: Part,
    /// The source's own identifier system.
    pub source: String,
    /// The resources as canonical JSON, in the order of the files, each with its origin. No two are versions of
    /// one resource: a version can follow only what stands in an earlier entry.
    pub resources: Vec<(Origin, String)>,
}

/// Resources that wait to be handed over.
#[derive(Default)]
pub(super) struct Groups {
    groups: BTreeMap<(Part, RecordId), Vec<(Origin, String)>>,
    bytes: usize,
}

impl Groups {
    /// Adds a resource.
    pub(super) fn add(&mut self, record: RecordId, part: Part, origin: Origin, text: String) {
        self.bytes += text.len() + HELD_BYTES;
        self.groups.entry((part, record)).or_default().push((origin, text));
    }

    /// Returns about how many bytes are held.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes everything as drafts: by part in the order of sending, then by record; resources of a record in
    /// the order in which they were added.
    pub(super) fn take(&mut self) -> impl Iterator<Item = Draft> + use<> {
        self.bytes = 0;
        std::mem::take(&mut self.groups)
            .into_iter()
            .flat_map(|((part, record), resources)| split(record, part, resources))
    }
}

/// Splits the resources of a group into drafts.
fn split(record: RecordId, part: Part, resources: Vec<(Origin, String)>) -> Vec<Draft> {
    let mut drafts: Vec<Draft> = Vec::new();
    let mut bytes = 0;
    let mut held: HashSet<(String, String)> = HashSet::new();
    for (origin, text) in resources {
        let name = (origin.resource_type.clone(), origin.id.clone());
        let fits = drafts.last().is_some_and(|draft| {
            draft.source == origin.source
                && bytes + text.len() <= FACTS_SPLIT_BYTES
                && draft.resources.len() < STATEMENTS_PER_ENTRY_MAX
                && !held.contains(&name)
        });
        if !fits {
            drafts.push(Draft { record, part, source: origin.source.clone(), resources: Vec::new() });
            bytes = 0;
            held.clear();
        }
        bytes += text.len();
        held.insert(name);
        drafts.last_mut().expect("one was just pushed or fits").resources.push((origin, text));
    }
    drafts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::origin_of;

    fn resource(id: &str, size: usize) -> (Origin, String) {
        let text = format!(r#"{{"a":"{}","id":"{id}","resourceType":"Basic"}}"#, "x".repeat(size));
        (origin_of("urn:s", &text).unwrap(), text)
    }

    #[test]
    fn card_parts_come_first_and_large_groups_are_split() {
        let mut groups = Groups::default();
        for (part, id, size) in [
            (Part::Data, "1", 40 << 10),
            (Part::Card, "2", 10),
            (Part::Data, "3", 40 << 10),
            (Part::Data, "4", 100 << 10),
            (Part::Data, "5", 10),
        ] {
            let (origin, text) = resource(id, size);
            groups.add(RecordId([1; 16]), part, origin, text);
        }
        assert!(groups.bytes() > 180 << 10);
        let drafts: Vec<Draft> = groups.take().collect();
        let ids: Vec<Vec<&str>> = drafts
            .iter()
            .map(|d| d.resources.iter().map(|(origin, _)| origin.id.as_str()).collect())
            .collect();
        assert_eq!(ids, [vec!["2"], vec!["1"], vec!["3"], vec!["4"], vec!["5"]]);
        assert_eq!((drafts[0].part, groups.bytes()), (Part::Card, 0));
    }

    #[test]
    fn versions_of_one_resource_never_share_an_entry() {
        let (first, first_text) = resource("1", 1);
        let (later, later_text) = resource("1", 2);
        let drafts = split(
            RecordId([1; 16]),
            Part::Data,
            vec![(first, first_text), resource("2", 1), (later, later_text)],
        );
        assert_eq!(drafts.iter().map(|d| d.resources.len()).collect::<Vec<_>>(), [2, 1]);
    }
}
