//! `musubi bench open`, `find` and `write`: what people wait for at a replica that holds very much.

use clap::Args;

use super::held::{HeldArgs, ROW_HEADER, asked_told, measured, row};
use crate::bench::held::{self, Built};
use crate::cli::args::Context;
use crate::cli::failure::Failure;
use crate::cli::outcome::Outcome;
use crate::cli::text::{Paper, count};

/// The exit status when somebody was not found who is there.
const FAILED: u8 = 1;

/// How long it takes to open a card, and to open the replica after kill -9.
///
/// The replica is `musubi serve`, asked over its control socket; records are drawn evenly, so few are in its caches; the
/// system's own cache holds the file, as on a machine that has been running.
#[derive(Debug, Args)]
pub struct OpenBench {
    #[command(flatten)]
    held: HeldArgs,
    /// How many cards are opened.
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    times: u64,
}

/// How long it takes to find people by name, kana, birth date, phone and number.
///
/// Names are drawn as often as they are borne, so that the commonest are asked for most.
#[derive(Debug, Args)]
pub struct FindBench {
    #[command(flatten)]
    held: HeldArgs,
    /// How often each kind of question is asked.
    #[arg(long, value_name = "N", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    times: u64,
}

/// How long a write waits until it is durable and checked.
#[derive(Debug, Args)]
pub struct WriteBench {
    #[command(flatten)]
    held: HeldArgs,
    /// How many notes, and how many allergies, are written.
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    times: u64,
}

impl OpenBench {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`] when the store cannot be built, or the replica does not answer.
    pub fn run(&self, context: &Context<'_>) -> Result<Outcome, Failure> {
        let ground = self.held.ground(context)?;
        let told = measured(&ground.options.stop, async {
            held::open(&mut Built::begin(ground.options.clone())?, self.times).await
        })?;
        Ok(Outcome::described(&told, open_told(&told, &context.paper)))
    }
}

impl FindBench {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`] when the store cannot be built, or the replica does not answer.
    pub fn run(&self, context: &Context<'_>) -> Result<Outcome, Failure> {
        let ground = self.held.ground(context)?;
        let told = measured(&ground.options.stop, async {
            held::find(&mut Built::begin(ground.options.clone())?, self.times).await
        })?;
        let missed: u64 = told.questions.iter().map(|question| question.missed).sum();
        let status = if missed == 0 { 0 } else { FAILED };
        Ok(Outcome::described(&told, find_told(&told, &context.paper)).status(status))
    }
}

impl WriteBench {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`] when the store cannot be built, or a write is not acknowledged.
    pub fn run(&self, context: &Context<'_>) -> Result<Outcome, Failure> {
        let ground = self.held.ground(context)?;
        let told = measured(&ground.options.stop, async {
            held::write(&mut Built::begin(ground.options.clone())?, self.times).await
        })?;
        Ok(Outcome::described(&told, write_told(&told, &context.paper)))
    }
}

fn open_told(open: &held::Open, paper: &Paper) -> String {
    let rows = vec![
        row("a card", &open.card, "p99 5 ms"),
        row("a card by the first 12 digits of its id", &open.by_digits, ""),
        row("a card while the replica reads through its store after a start", &open.beside_reading, ""),
        row("open after kill -9, until it answers", &open.ready, "200 ms"),
        row("until it has shown a card", &open.first_card, ""),
    ];
    format!("{}\n{}", asked_told(&open.asked), paper.table(&ROW_HEADER, rows))
}

fn find_told(find: &held::Find, paper: &Paper) -> String {
    let question = |question: &held::Question| {
        let mut row = row(question.kind, &question.took, "p99 20 ms");
        row.push(format!("{:.1}", question.found));
        row.push(count(question.missed));
        row
    };
    let header = [&ROW_HEADER[..], &["found", "missed"]].concat();
    format!(
        "{}\n{}",
        asked_told(&find.asked),
        paper.table(&header, find.questions.iter().map(question).collect())
    )
}

fn write_told(write: &held::Write, paper: &Paper) -> String {
    let disk = write.disk.p99_ms;
    let target = format!("p99 {:.1} ms", (10.0 * disk).min(disk + 10.0));
    let rows = vec![
        row("the disk's own fdatasync of 4 KiB", &write.disk, ""),
        row("a note", &write.note, &target),
        row("an allergy, checked against drugs", &write.allergy, &target),
    ];
    format!("{}\n{}", asked_told(&write.asked), paper.table(&ROW_HEADER, rows))
}
