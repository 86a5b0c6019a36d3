//! `musubi bench heal`: what it costs that two hospitals meet again.

use std::path::PathBuf;

use clap::Args;

use super::held::temporary;
use crate::bench::{Changes, Heal, HealOptions, Meeting, RECORDS_MAX, Step, Workload, heal};
use crate::cli::args::Context;
use crate::cli::backend::{interrupted, runtime};
use crate::cli::failure::Failure;
use crate::cli::outcome::Outcome;
use crate::cli::text::{Paper, count, size};
use crate::cli::values::share;

/// The exit status when an edit was lost or the replicas differ.
const FAILED: u8 = 1;

/// Two hospitals hold the same records, are cut apart, edit some, and meet again; also the first sync and the import.
///
/// Real processes, QUIC and files with fsync. Of the edited records each side gives every one a note and a vital sign; a
/// tenth is edited on both sides, where each starts a drug, adds an allergy and changes the phone number, too. Two meet
/// after a first sync, with nothing changed, for the first time (both have heard the same from a third) and after another
/// cut.
///
/// CPU is what the system accounts to both processes; beside it stands what they take before and after: opening the
/// store of the one that is called and reading all of it, and indexing what was left. Bytes are those that passed a
/// relay between them. The figures stand only when every edit is found at both sides afterwards, and both show the same.
#[derive(Debug, Args)]
pub struct HealBench {
    /// How many records of 46 FHIR resources both hold.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(10..=RECORDS_MAX))]
    records: u64,
    /// The share of the records that each side edits, such as 1%.
    #[arg(long, value_name = "SHARE", default_value = "1%", value_parser = share)]
    edited: f64,
    /// Also let two meet who have imported the same files apart.
    #[arg(long)]
    apart: bool,
    /// The seed of what is invented.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// The folder for the replicas, on the disk that is to be measured; a folder of its own is made in it and removed.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl HealBench {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`] when the folder cannot be used, or a replica did not do as it was told.
    pub fn run(&self, context: &Context<'_>) -> Result<Outcome, Failure> {
        let exe = std::env::current_exe()
            .map_err(|error| Failure::not_done(format!("finding this program's own file: {error}")))?;
        let work = temporary(self.dir.clone())?;
        let edited = ((self.records as f64 * self.edited).round() as u64).max(1);
        let workload = Workload { records: self.records, edited, seed: self.seed };
        let options = HealOptions { workload, work: work.path().to_owned(), exe, apart: self.apart };
        let told = context.progress.clone();
        let mut progress = move |step| told(step);
        let measured = runtime()?.block_on(async {
            tokio::select! {
                measured = heal(&options, &mut progress) => {
                    measured.map_err(|failure| Failure::not_done(format!("measuring: {failure}")))
                }
                () = interrupted() => Err(Failure::not_done("the measurement was interrupted; nothing of it is left")),
            }
        })?;
        let status = if measured.holds() { 0 } else { FAILED };
        let text = told_as_text(&measured, &context.paper);
        Ok(Outcome::described(&measured, text).status(status))
    }
}

fn told_as_text(heal: &Heal, paper: &Paper) -> String {
    let seconds = |seconds: f64| format!("{seconds:.2} s");
    let step = |what: &str, step: &Step, bytes: String, floor: String| {
        let (wall, cpu) = (seconds(step.wall_s), seconds(step.cpu_s));
        let peak = size(step.peak_bytes);
        vec![what.to_owned(), wall, cpu, String::new(), bytes, String::new(), peak, floor]
    };
    let met = |what: &str, meeting: &Meeting, floor: String| {
        let what = format!("{what}: {} entries", count(meeting.entries));
        let [wall, cpu, beside] = [meeting.wall_s, meeting.cpu_s, meeting.background_cpu_s].map(seconds);
        let [bytes, session, peak] = [meeting.bytes, meeting.session_bytes, meeting.peak_bytes].map(size);
        vec![what, wall, cpu, beside, bytes, session, peak, floor]
    };
    let all = format!("{} gzip of the FHIR", size(heal.fhir_gzip_bytes));
    let edits = |of: &Changes| format!("{} raw, {} zstd", size(of.bytes), size(of.zstd_bytes));
    let mut rows = vec![
        step("import", &heal.import, size(heal.store_bytes), all.clone()),
        met("full sync into an empty replica", &heal.first_sync, all.clone()),
        met("nothing changed", &heal.equal, "512 B of the session wanted".to_owned()),
        step("edits of both, two rounds", &heal.editing, String::new(), String::new()),
        met("first contact", &heal.first_contact, edits(&heal.first_changes)),
        met("heal", &heal.heal, edits(&heal.changes)),
    ];
    if let Some(apart) = &heal.apart {
        rows.push(step("import of the same apart", &apart.import, String::new(), all.clone()));
        rows.push(met("first contact of those", &apart.meeting, format!("twice {all}")));
    }
    let header = ["what", "wall", "CPU", "CPU beside", "bytes", "of the session", "peak memory", "floor"];
    let outcome = match (heal.lost, heal.converged, heal.shown_otherwise) {
        (0, true, 0) => {
            format!(
                "no edit was lost; both hold the same, and show {} edited records alike",
                count(heal.looked_at)
            )
        }
        (0, true, otherwise) => format!("FAILED: {otherwise} records are shown otherwise"),
        (0, false, _) => "FAILED: the replicas differ".to_owned(),
        (lost, _, _) => format!("FAILED: {lost} edits are missing"),
    };
    format!(
        "{} records of {} FHIR, {} edited on each side in each of 2 rounds\n{}\nthis machine: {} signatures a second checked on one core, \
         fdatasync {:.2} ms\n{outcome}",
        count(heal.records),
        size(heal.fhir_bytes),
        count(heal.edited),
        paper.table(&header, rows),
        count(heal.floors.verified_per_s as u64),
        heal.floors.sync_ms,
    )
}
