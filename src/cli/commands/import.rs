//! `musubi import`: reads FHIR files into a store.

use std::path::PathBuf;

use clap::Args;

use crate::base::Area;
use crate::cli::args::{AuthorArgs, Context, StoreArgs};
use crate::cli::failure::{DAMAGED, DONE, Failure};
use crate::cli::outcome::{Outcome, read};
use crate::cli::text::{bullets, count, counted, took};
use crate::cli::values::absolute;
use crate::replica::answer::Imported;
use crate::replica::request::Request;

/// The role under which an import is written when none is given.
const IMPORT_ROLE: &str = "import";
/// Most problems that are listed for people; `--json` has all that the answer holds.
const PROBLEMS_SHOWN_MAX: usize = 20;

/// Import FHIR R4 Bundles and NDJSON files, plain or gzipped.
///
/// Folders are searched for files. Importing the same files again changes nothing. What cannot be read is skipped
/// and named, everything else is imported, and the exit status is then 3.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  musubi import --store data/north --author EMR export/
  musubi import --store data/north --author EMR --area shared/miura Patient.ndjson.gz Condition.ndjson.gz
")]
pub struct ImportCommand {
    /// Files and folders.
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// The identifier system of the source, where the files do not tell; the same at every import.
    #[arg(long, value_name = "URL")]
    source: Option<String>,
    /// The area to file patients in; without it, the device's first shared area.
    #[arg(long)]
    area: Option<Area>,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    author: AuthorArgs,
}

impl ImportCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`] when a path is not there, or the replica refuses.
    pub fn run(&self, context: &Context<'_>) -> Result<Outcome, Failure> {
        let author = self.author.author(Some(IMPORT_ROLE))?;
        let mut paths = Vec::new();
        for path in &self.paths {
            if let Err(error) = std::fs::metadata(path) {
                return Err(Failure::wrong_call(format!("importing {}: {error}", path.display()))
                    .hint("check the path; nothing was imported"));
            }
            paths.push(absolute(path)?);
        }
        let request = Request::Import { paths, source: self.source.clone(), area: self.area.clone(), author };
        let answer = self.store.ask(context, request)?;
        let imported: Imported = read(&answer)?;
        let status = match imported.skipped {
            0 => DONE,
            _ => DAMAGED,
        };
        Ok(Outcome::done(answer, render(&imported)).status(status))
    }
}

fn render(imported: &Imported) -> String {
    let mut text = format!(
        "read {} of {} from {} in {}: {} new, {} updated, {} unchanged, {} outdated",
        counted(imported.resources, "resource", "resources"),
        counted(imported.patients, "patient", "patients"),
        counted(imported.files, "file", "files"),
        took(imported.took_ms),
        count(imported.added),
        count(imported.updated),
        count(imported.unchanged),
        count(imported.outdated),
    );
    if !imported.warnings.is_empty() {
        text.push_str(&format!("\nwarnings:{}", bullets(&imported.warnings)));
    }
    if imported.skipped > 0 {
        let shown: Vec<_> = imported.problems.iter().take(PROBLEMS_SHOWN_MAX).map(problem).collect();
        let rest = imported.skipped.saturating_sub(shown.len() as u64);
        text.push_str(&format!(
            "\nskipped {}; everything else is imported:{}",
            counted(imported.skipped, "item", "items"),
            bullets(&shown)
        ));
        if rest > 0 {
            text.push_str(&format!("\n  … and {} more", count(rest)));
        }
    }
    text
}

fn problem(problem: &crate::replica::answer::Problem) -> String {
    match problem.line {
        0 => format!("{}: {}", problem.file, problem.reason),
        line => format!("{}:{line}: {}", problem.file, problem.reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::fixtures::{Fake, text};
    use crate::replica::answer::Problem;

    fn imported(skipped: u64) -> serde_json::Value {
        let problems = (0..skipped.min(100))
            .map(|n| Problem { file: "a.ndjson".into(), line: n, reason: "no resourceType".into() })
            .collect();
        let imported = Imported {
            files: 1,
            resources: 1_200,
            added: 1_000,
            patients: 40,
            unchanged: 200,
            skipped,
            problems,
            took_ms: 1_500,
            ..Imported::default()
        };
        serde_json::to_value(imported).unwrap()
    }

    #[test]
    fn a_clean_import_is_one_line() {
        let dir = tempfile::tempdir().unwrap();
        let fake = Fake::answering(imported(0));
        let outcome =
            fake.run(&["import", "--store", "s", "--author", "EMR", dir.path().to_str().unwrap()]).unwrap();
        assert_eq!(outcome.status, 0);
        assert_eq!(
            text(&outcome),
            "read 1,200 resources of 40 patients from 1 file in 1.5 s: 1,000 new, 0 updated, 200 unchanged, 0 outdated"
        );
        let Request::Import { paths, author, .. } = fake.request() else { panic!("an import") };
        assert_eq!(paths, [dir.path()]);
        assert_eq!((author.name.as_str(), author.role.as_str()), ("EMR", "import"));
    }

    #[test]
    fn what_was_skipped_is_listed_up_to_a_limit_and_fails_the_command() {
        let fake = Fake::answering(imported(30));
        let outcome = fake.run(&["import", "--store", "s", "--author", "EMR", "."]).unwrap();
        assert_eq!(outcome.status, 3);
        let lines: Vec<_> = text(&outcome).lines().collect();
        assert_eq!(lines[1], "skipped 30 items; everything else is imported:");
        assert_eq!(lines[2], "  - a.ndjson: no resourceType");
        assert_eq!(lines[3], "  - a.ndjson:1: no resourceType");
        assert_eq!(lines.last().unwrap(), &"  … and 10 more");
        assert_eq!(lines.len(), 2 + PROBLEMS_SHOWN_MAX + 1);
    }

    #[test]
    fn a_path_that_is_not_there_is_refused_before_the_store_is_asked() {
        let fake = Fake::answering(imported(0));
        let failure = fake.run(&["import", "--store", "s", "--author", "EMR", "/nowhere/x"]).unwrap_err();
        assert!(failure.status == 2 && failure.message.contains("/nowhere/x"), "{failure}");
        assert!(fake.asked().is_empty());
    }
}
