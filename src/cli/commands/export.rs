//! `musubi export`: writes records as FHIR.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::args::{Context, StoreArgs};
use crate::cli::failure::{DONE, Failure};
use crate::cli::outcome::{Outcome, Output, read};
use crate::cli::text::counted;
use crate::cli::values::{EXPORT_FORMATS, absolute, empty_or_absent, named};
use crate::replica::answer::Exported;
use crate::replica::request::{ExportFormat, Request};
use crate::replica::subscription::Subscribed;

/// Export one record, or all, as FHIR R4.
///
/// What was imported comes out equal. `fhir` is one Bundle of type collection; for one record it goes to standard
/// output when no file is named. `ndjson` is a folder with one file for each resource type. Nothing is overwritten.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  musubi export --store data/north 4f2a90b1c7de --format fhir
  musubi export --store data/north 4f2a90b1c7de --format fhir --to hanako.json
  musubi export --store data/north --all --format ndjson --to everything/
")]
pub struct ExportCommand {
    /// The record's id, or at least 8 digits of its beginning.
    #[arg(value_name = "RECORD", required_unless_present = "all", conflicts_with = "all")]
    record: Option<String>,
    /// Export all records, and what names no patient.
    #[arg(long)]
    all: bool,
    /// The form.
    #[arg(long, value_parser = named::<ExportFormat>(EXPORT_FORMATS))]
    format: ExportFormat,
    /// The file (fhir) or folder (ndjson) to make; `-` is standard output.
    #[arg(long, value_name = "PATH")]
    to: Option<PathBuf>,
    #[command(flatten)]
    store: StoreArgs,
}

impl ExportCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`] when the place is taken, or the replica refuses.
    pub fn run(&self, context: &Context<'_>) -> Result<Outcome, Failure> {
        self.store.folder()?;
        let to = self.to.as_deref().filter(|to| *to != Path::new("-"));
        match (to, self.format, self.all) {
            (Some(to), format, _) => self.to_disk(context, to, format),
            (None, ExportFormat::Fhir, false) => self.to_standard_output(context),
            (None, ExportFormat::Fhir, true) => {
                Err(Failure::wrong_call("all records do not go to standard output")
                    .hint("name a file with --to"))
            }
            (None, ExportFormat::Ndjson, _) => {
                Err(Failure::wrong_call("ndjson is several files, which do not go to standard output")
                    .hint("name a folder with --to"))
            }
        }
    }

    fn to_disk(&self, context: &Context<'_>, to: &Path, format: ExportFormat) -> Result<Outcome, Failure> {
        match format {
            ExportFormat::Ndjson => empty_or_absent(to, "the export")?,
            ExportFormat::Fhir if to.exists() => {
                return Err(Failure::wrong_call(format!(
                    "the export {}: the file is there already",
                    to.display()
                ))
                .hint("name a file that is not there yet; nothing was overwritten"));
            }
            ExportFormat::Fhir => {}
        }
        let request = Request::Export { record: self.record.clone(), format, to: absolute(to)? };
        let answer = self.store.ask(context, request)?;
        let exported: Exported = read(&answer)?;
        let mut text = format!(
            "exported {} of {} to {}",
            counted(exported.resources, "resource", "resources"),
            counted(exported.records, "record", "records"),
            exported.to
        );
        for Subscribed { area, parts } in &exported.not_held {
            let parts: Vec<&str> = parts.iter().map(|part| part.name()).collect();
            text.push_str(&format!("\nnot held here: {} of {area}", parts.join(", ")));
        }
        Ok(Outcome::done(answer, text))
    }

    /// Passes the Bundle through a file that only this user may read, and that is gone afterwards.
    fn to_standard_output(&self, context: &Context<'_>) -> Result<Outcome, Failure> {
        let failed = |attempt: &str, error: std::io::Error| {
            Failure::not_done(format!("{attempt} the export: {error}"))
        };
        let folder = tempfile::Builder::new()
            .prefix("musubi-export-")
            .tempdir()
            .map_err(|error| failed("making a temporary folder for", error))?;
        let to = folder.path().join("bundle.json");
        let request =
            Request::Export { record: self.record.clone(), format: ExportFormat::Fhir, to: to.clone() };
        self.store.ask(context, request)?;
        let bundle = std::fs::read_to_string(&to).map_err(|error| failed("reading back", error))?;
        Ok(Outcome { status: DONE, output: Output::Document(bundle) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::fixtures::{Fake, text};

    #[test]
    fn one_record_goes_to_standard_output_and_leaves_no_file() {
        let fake = Fake::answering(serde_json::json!({ "document": "{\"resourceType\":\"Bundle\"}" }));
        let outcome = fake.run(&["export", "--store", "s", "abababab", "--format", "fhir"]).unwrap();
        assert_eq!(outcome.output, Output::Document("{\"resourceType\":\"Bundle\"}".into()));
        let Request::Export { to, .. } = fake.request() else { panic!("an export") };
        assert!(to.is_absolute() && !to.exists());
    }

    #[test]
    fn everything_goes_to_a_new_folder() {
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join("all");
        let answer = serde_json::json!({ "to": to, "records": 2, "resources": 1_030 });
        let fake = Fake::answering(answer);
        let words = ["export", "--store", "s", "--all", "--format", "ndjson", "--to", to.to_str().unwrap()];
        let outcome = fake.run(&words).unwrap();
        assert_eq!(text(&outcome), format!("exported 1,030 resources of 2 records to {}", to.display()));
        let Request::Export { record, format, .. } = fake.request() else { panic!("an export") };
        assert_eq!((record, format), (None, ExportFormat::Ndjson));
    }

    #[test]
    fn nothing_is_overwritten_and_impossible_wishes_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("x.json");
        std::fs::write(&file, "mine").unwrap();
        let fake = Fake::answering(serde_json::Value::Null);
        for words in [
            vec!["abababab", "--format", "fhir", "--to", file.to_str().unwrap()],
            vec!["--all", "--format", "ndjson", "--to", dir.path().to_str().unwrap()],
            vec!["--all", "--format", "fhir"],
            vec!["abababab", "--format", "ndjson", "--to", "-"],
            vec!["--format", "fhir"],
            vec!["abababab", "--all", "--format", "fhir"],
        ] {
            let failure = fake.run(&[&["export", "--store", "s"], words.as_slice()].concat()).unwrap_err();
            assert_eq!(failure.status, 2, "{words:?}");
        }
        assert!(fake.asked().is_empty());
    }
}
