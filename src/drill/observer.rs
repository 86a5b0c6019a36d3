//! Reading what replicas wrote and what they were given: NDJSON from disk, conflicts and alerts from views.
//!
//! Nothing here uses the code that is being observed; JSON is compared as JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use serde::Serialize;
use serde_json::Value;

use super::error::StepFailure;
use super::ledger::ResourceKey;

/// A conflict that a record's view shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConflictSeen {
    /// The section.
    pub section: String,
    /// The kind.
    pub kind: String,
    /// Nobody has settled it.
    pub open: bool,
}

/// An alert that a record's view shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertSeen {
    /// The kind.
    pub kind: String,
    /// The severity.
    pub severity: String,
}

/// What one replica shows of one record.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RecordSeen {
    /// Its view.
    pub view: Value,
    /// Its hand-over texts, joined.
    pub handover: String,
}

/// How many conflicts of one kind there are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConflictCount {
    /// The section.
    pub section: String,
    /// The kind.
    pub kind: String,
    /// All of them.
    pub count: u64,
    /// Those that nobody has settled.
    pub open: u64,
}

/// How many alerts of one kind there are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AlertCount {
    /// The kind.
    pub kind: String,
    /// How much harm is possible.
    pub severity: String,
    /// How many.
    pub count: u64,
}

impl RecordSeen {
    /// Reads the conflicts of the view.
    pub fn conflicts(&self) -> Vec<ConflictSeen> {
        let read = |conflict: &Value| ConflictSeen {
            section: text(conflict, "section"),
            kind: text(conflict, "kind"),
            open: conflict["open"].as_bool().unwrap_or(true),
        };
        items(&self.view, "conflicts").iter().map(read).collect()
    }

    /// Reads the alerts of the view.
    pub fn alerts(&self) -> Vec<AlertSeen> {
        let read = |alert: &Value| AlertSeen { kind: text(alert, "kind"), severity: text(alert, "severity") };
        items(&self.view, "alerts").iter().map(read).collect()
    }
}

fn items<'v>(view: &'v Value, key: &str) -> &'v [Value] {
    view[key].as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or("unnamed").to_owned()
}

/// Counts the conflicts of records by section and kind.
pub fn count_conflicts<'r>(records: impl IntoIterator<Item = &'r RecordSeen>) -> Vec<ConflictCount> {
    let mut counts: BTreeMap<(String, String), (u64, u64)> = BTreeMap::new();
    for conflict in records.into_iter().flat_map(RecordSeen::conflicts) {
        let (count, open) = counts.entry((conflict.section, conflict.kind)).or_default();
        *count += 1;
        *open += u64::from(conflict.open);
    }
    let row = |((section, kind), (count, open))| ConflictCount { section, kind, count, open };
    counts.into_iter().map(row).collect()
}

/// Counts the alerts of records by kind and severity.
pub fn count_alerts<'r>(records: impl IntoIterator<Item = &'r RecordSeen>) -> Vec<AlertCount> {
    let mut counts: BTreeMap<(String, String), u64> = BTreeMap::new();
    for alert in records.into_iter().flat_map(RecordSeen::alerts) {
        *counts.entry((alert.kind, alert.severity)).or_default() += 1;
    }
    counts.into_iter().map(|((kind, severity), count)| AlertCount { kind, severity, count }).collect()
}

/// Reads the resources of an NDJSON file, gzipped if its name ends so.
///
/// # Errors
/// [`StepFailure`] naming the file and the line.
pub fn read_ndjson(path: &Path) -> Result<Vec<(ResourceKey, Value)>, StepFailure> {
    let failed = |reason: &dyn std::fmt::Display| StepFailure::of(path.display(), reason);
    let file = File::open(path).map_err(|error| failed(&error))?;
    let zipped = path.extension().is_some_and(|ending| ending == "gz");
    let bytes: Box<dyn Read> = if zipped { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
    let mut resources = Vec::new();
    for (number, line) in BufReader::new(bytes).lines().enumerate() {
        let line = line.map_err(|error| failed(&error))?;
        if line.trim().is_empty() {
            continue;
        }
        let wrong = || failed(&format!("line {} is no FHIR resource with type and id", number + 1));
        let resource: Value = serde_json::from_str(&line).map_err(|_| wrong())?;
        let field = |key: &str| resource[key].as_str().map(str::to_owned);
        let (Some(resource_type), Some(id)) = (field("resourceType"), field("id")) else {
            return Err(wrong());
        };
        resources.push((ResourceKey { resource_type, id }, resource));
    }
    Ok(resources)
}

/// Reads the folder of an NDJSON export.
///
/// # Errors
/// [`StepFailure`] naming the file and the line.
pub fn read_export(folder: &Path) -> Result<BTreeMap<ResourceKey, Vec<Value>>, StepFailure> {
    let failed = |error: std::io::Error| StepFailure::of(folder.display(), error);
    let mut resources: BTreeMap<ResourceKey, Vec<Value>> = BTreeMap::new();
    for item in std::fs::read_dir(folder).map_err(failed)? {
        let path = item.map_err(failed)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.ends_with(".ndjson") || name.ends_with(".ndjson.gz") {
            for (key, resource) in read_ndjson(&path)? {
                resources.entry(key).or_default().push(resource);
            }
        }
    }
    // The order of versions in a file is not part of what is observed.
    for versions in resources.values_mut() {
        versions.sort_by_key(Value::to_string);
    }
    Ok(resources)
}

/// Finds the texts by which an imported patient can be searched and recognised.
pub fn search_texts(patient: &Value) -> (Vec<String>, BTreeSet<String>, Option<String>) {
    let list = |key: &str| patient[key].as_array().map_or(&[][..], Vec::as_slice);
    let texts = |key: &str, field: &str| -> Vec<String> {
        list(key).iter().filter_map(|item| item[field].as_str().map(str::to_owned)).collect()
    };
    let names = texts("name", "text");
    let mut search = texts("identifier", "value");
    search.extend(names.iter().cloned());
    (search, names.into_iter().collect(), patient["birthDate"].as_str().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use serde_json::json;

    use super::*;

    fn seen(view: Value) -> RecordSeen {
        RecordSeen { view, handover: String::new() }
    }

    #[test]
    fn conflicts_and_alerts_are_counted_by_kind() {
        let dose = |open: bool| json!({ "section": "medication", "kind": "dose-vs-stop", "open": open });
        let one = seen(json!({ "conflicts": [dose(true)], "alerts": [
            { "kind": "drug-allergy", "severity": "contraindicated", "why": "…" }] }));
        let other = seen(json!({ "conflicts": [dose(false)], "alerts": [] }));
        let counted = count_conflicts([&one, &other, &seen(json!({}))]);
        let (section, kind) = ("medication".to_owned(), "dose-vs-stop".to_owned());
        assert_eq!(counted, [ConflictCount { section, kind, count: 2, open: 1 }]);
        let (kind, severity) = ("drug-allergy".to_owned(), "contraindicated".to_owned());
        assert_eq!(count_alerts([&one, &other]), [AlertCount { kind, severity, count: 1 }]);
    }

    #[test]
    fn files_are_read_plain_and_gzipped_and_a_wrong_line_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let text =
            "{\"resourceType\":\"Patient\",\"id\":\"a\"}\n\n{\"resourceType\":\"Patient\",\"id\":\"b\"}\n";
        std::fs::write(dir.path().join("Patient.ndjson"), text).unwrap();
        let file = File::create(dir.path().join("More.ndjson.gz")).unwrap();
        let mut packed = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
        packed.write_all(b"{\"resourceType\":\"Patient\",\"id\":\"b\",\"active\":true}\n").unwrap();
        packed.finish().unwrap();
        let export = read_export(dir.path()).unwrap();
        let versions: Vec<usize> = export.values().map(Vec::len).collect();
        assert_eq!(versions, [1, 2]);

        std::fs::write(dir.path().join("Patient.ndjson"), format!("{text}{{\"id\":\"c\"}}\n")).unwrap();
        let failure = read_export(dir.path()).unwrap_err().to_string();
        assert!(failure.contains("Patient.ndjson") && failure.contains("line 4"), "{failure}");
    }
}
