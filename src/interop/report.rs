//! What an import has done, and what it could not do.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

/// Most problems that a report names; all are counted.
pub const PROBLEMS_NAMED_MAX: usize = 100;

/// Something that was passed over, and costs nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The file.
    pub file: String,
    /// The line at which the resource or its Bundle entry begins, from 1.
    pub line: Option<u64>,
    /// What is wrong, and where possible what to do; never quotes the resource.
    pub reason: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}, line {line}: {}", self.file, self.reason),
            None => write!(f, "{}: {}", self.file, self.reason),
        }
    }
}

/// Problems: the first [`PROBLEMS_NAMED_MAX`] by name, all by number.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Problems {
    /// How many there are.
    pub total: u64,
    /// The first of them.
    pub named: Vec<Problem>,
}

impl Problems {
    /// Adds one.
    pub fn add(&mut self, problem: Problem) {
        self.total += 1;
        if self.named.len() < PROBLEMS_NAMED_MAX {
            self.named.push(problem);
        }
    }
}

/// What a person should know, although everything was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WarningKind {
    /// Patients without an identifier: their records hang on the ids of the exporting system.
    PatientWithoutIdentifier,
    /// Two systems of identifiers under one named source gave the same number: perhaps two people in one record.
    NumberInTwoSystems,
    /// Resources that name no patient and whose source is not clear: the fallback source was used.
    SourceUnclear,
    /// Resources bound to a patient of the store by the patient's local id.
    PatientFromStore,
    /// Files in a folder that are neither JSON nor NDJSON, by their names.
    FileIgnored,
}

impl fmt::Display for WarningKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            WarningKind::PatientWithoutIdentifier => {
                "patients without an identifier; name the source with --source so that they are known again"
            }
            WarningKind::NumberInTwoSystems => {
                "patients whose number occurs in two identifier systems under the one named source"
            }
            WarningKind::SourceUnclear => {
                "resources that name no patient, from more than one or no known source; --source names it"
            }
            WarningKind::PatientFromStore => "resources whose patient is in the store and not in these files",
            WarningKind::FileIgnored => "files that are neither .json nor .ndjson (.gz) and were not read",
        })
    }
}

/// A kind of warning and how often it applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// What it is.
    pub kind: WarningKind,
    /// How many resources, patients or files it concerns.
    pub count: u64,
}

/// What an import has read and handed over.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ImportReport {
    /// Files read.
    pub files: u64,
    /// Resources handed over in drafts.
    pub resources: u64,
    /// The same by resource type.
    pub by_type: BTreeMap<String, u64>,
    /// Resources that stood in the files more than once, equal, and were handed over once.
    pub repeated: u64,
    /// Records of patients whose `Patient` resource is in the files.
    pub patients: u64,
    /// What was passed over.
    pub skipped: Problems,
    /// What a person should know.
    pub warnings: Vec<Warning>,
}

impl ImportReport {
    /// Counts a warning.
    pub fn warn(&mut self, kind: WarningKind, count: u64) {
        if count == 0 {
            return;
        }
        match self.warnings.iter_mut().find(|warning| warning.kind == kind) {
            Some(warning) => warning.count += count,
            None => self.warnings.push(Warning { kind, count }),
        }
    }
}

/// What an import is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Learning who the patients are.
    Patients,
    /// Learning what provenance statements are about; only where there are any that name no patient.
    Links,
    /// Handing over resources.
    Resources,
}

/// How far an import is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// What it is doing.
    pub step: Step,
    /// Bytes of the files (compressed where they are) read in this step.
    pub read: u64,
    /// Bytes of all files.
    pub total: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_names_some_problems_and_counts_all() {
        let mut problems = Problems::default();
        for line in 0..500 {
            problems.add(Problem { file: "x".into(), line: Some(line), reason: "not UTF-8".into() });
        }
        assert_eq!((problems.total, problems.named.len()), (500, PROBLEMS_NAMED_MAX));
        assert_eq!(problems.named[7].to_string(), "x, line 7: not UTF-8");
    }
}
