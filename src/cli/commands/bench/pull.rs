//! `musubi bench pull`: how long it takes to fetch one person over a bad link.

use std::path::PathBuf;

use clap::Args;

use super::held::temporary;
use crate::bench::{Fetch, PULL_RECORDS_MAX, PullMeasured, PullOptions, WARD, WARD_BYTES_PER_S, pull};
use crate::cli::args::Context;
use crate::cli::backend::{interrupted, runtime};
use crate::cli::failure::Failure;
use crate::cli::outcome::Outcome;
use crate::cli::text::{Paper, count, size};

/// The exit status when a target was missed.
const MISSED: u8 = 1;
/// First vital facts of a named patient over 23 kbit/s and 600 ms, in seconds.
const FACTS_WITHIN_S: f64 = 5.0;
/// 50 cards of a ward at 20 kB/s, in seconds.
const WARD_WITHIN_S: f64 = 30.0;

/// A tablet fetches single people from a hospital whose area it does not hold.
///
/// Real processes, QUIC and files with fsync, through a relay that delays and throttles. Over 23 kbit/s with 600 ms of round
/// trip: people by name and birth date, by a command that opens a link for it and by the session of a running replica. At 20 kB/s: the
/// cards of 50 people, asked for at once. Who was fetched must be shown afterwards, or the measurement fails.
#[derive(Debug, Args)]
pub struct PullBench {
    /// How many records of 46 FHIR resources the hospital holds.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(100..=PULL_RECORDS_MAX))]
    records: u64,
    /// How many people are fetched one by one in each way.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=15))]
    people: u64,
    /// The seed of what is invented.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// The folder for the replicas, on the disk that is to be measured; a folder of its own is made in it and removed.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl PullBench {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`] when the folder cannot be used, a replica did not do as it was told, or somebody was not fetched.
    pub fn run(&self, context: &Context<'_>) -> Result<Outcome, Failure> {
        let exe = std::env::current_exe()
            .map_err(|error| Failure::not_done(format!("finding this program's own file: {error}")))?;
        let work = temporary(self.dir.clone())?;
        let options = PullOptions {
            records: self.records,
            people: self.people,
            seed: self.seed,
            work: work.path().to_owned(),
            exe,
        };
        let told = context.progress.clone();
        let mut progress = move |step| told(step);
        let measured = runtime()?.block_on(async {
            tokio::select! {
                measured = pull(&options, &mut progress) => {
                    measured.map_err(|failure| Failure::not_done(format!("measuring: {failure}")))
                }
                () = interrupted() => Err(Failure::not_done("the measurement was interrupted; nothing of it is left")),
            }
        })?;
        let text = told_as_text(&measured, &context.paper);
        let status = if holds(&measured) { 0 } else { MISSED };
        Ok(Outcome::described(&measured, text).status(status))
    }
}

fn holds(measured: &PullMeasured) -> bool {
    let slowest =
        measured.cold.iter().chain(&measured.cold_card).chain(&measured.warm).map(|one| one.facts_s);
    slowest.fold(0.0, f64::max) <= FACTS_WITHIN_S && measured.ward.last_s <= WARD_WITHIN_S
}

fn told_as_text(measured: &PullMeasured, paper: &Paper) -> String {
    let row = |what: &str, fetched: &[Fetch]| {
        let of = |value: &dyn Fn(&Fetch) -> f64| {
            let mut values: Vec<f64> = fetched.iter().map(value).collect();
            values.sort_by(f64::total_cmp);
            match (values.get(values.len() / 2), values.last()) {
                (Some(median), Some(most)) => format!("{median:.2} s, most {most:.2} s"),
                _ => String::new(),
            }
        };
        let bytes = fetched.iter().map(|one| one.bytes).sum::<u64>() / (fetched.len() as u64).max(1);
        vec![
            what.to_owned(),
            of(&|one| one.facts_s),
            of(&|one| one.card_s),
            of(&|one| one.all_s),
            of(&|one| one.wall_s),
            size(bytes),
        ]
    };
    let rows = vec![
        row("all of a person, of one whom it never met", &[measured.strangers]),
        row("all of a person, link opened for it", &measured.cold),
        row("the card, link opened for it", &measured.cold_card),
        row("all of a person, over a running session", &measured.warm),
    ];
    let header = ["what", "facts of the card", "card proven, durable", "all", "process", "bytes"];
    let ward = &measured.ward;
    let outcome = if holds(measured) { "both targets are met" } else { "SHORT of a target" };
    format!(
        "{} people each by name and birth date over {}, of {} records\n{}\nwanted: facts within {FACTS_WITHIN_S} s\n\
         {} cards of a ward at {}/s: first {:.2} s, last {:.2} s, {}; wanted within {WARD_WITHIN_S} s\n{outcome}",
        measured.cold.len(),
        measured.profile,
        count(measured.records),
        paper.table(&header, rows),
        ward.people.min(WARD),
        size(WARD_BYTES_PER_S),
        ward.first_s,
        ward.last_s,
        size(ward.bytes),
    )
}
