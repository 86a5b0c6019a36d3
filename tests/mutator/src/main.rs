//! Asks of every mistake that cargo-mutants can make whether anything notices it, in hours instead of weeks.
//!
//! cargo-mutants builds the program anew for each mistake. This tool takes its list, and builds all mistakes into one
//! copy of the program, each behind a switch: `if on(17) { a < b } else { a <= b }`. Then one build answers for all:
//! a process is started with one switch on, and either something notices, or nothing does.
//!
//! A case (a random region, or a unit test) is run once without any mistake first, and tells which switches it comes
//! across: a mistake is tried only by cases that reach it, the quickest first, until one notices.
//!
//! [`listing`] reads the list, and [`lines`] adds lines that can be deleted; [`places`] finds each mistake in the syntax tree, and [`switching`] writes the switches;
//! [`building`] builds the copy and leaves out what does not compile; [`cases`] starts processes; [`asking`] asks all
//! mistakes, and can be broken off and begun again; [`telling`] adds up.

mod asking;
mod building;
mod cases;
mod lines;
mod listing;
mod places;
mod switching;
mod telling;

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Parser;

use crate::asking::Question;
use crate::cases::Cases;

/// Ask of every mistake whether the random regions, or the unit tests, notice it.
#[derive(Debug, Parser)]
struct Arguments {
    /// The list of mistakes: what `cargo mutants --list --json` prints.
    #[arg(long)]
    list: PathBuf,
    /// The copy of the program that is changed and built.
    #[arg(long)]
    copy: PathBuf,
    /// Where results are kept; a run that was broken off goes on from there.
    #[arg(long)]
    results: PathBuf,
    /// Ask the unit tests whose names begin so, instead of the random regions.
    #[arg(long, value_name = "PREFIX")]
    tests: Option<String>,
    /// Ask also of each statement and each condition that can be deleted.
    #[arg(long)]
    lines: bool,
    /// How many random regions there are.
    #[arg(long, default_value_t = 1000)]
    seeds: u64,
    /// Most cases that try one mistake.
    #[arg(long, default_value_t = 20)]
    tries: usize,
    /// Only every N-th mistake.
    #[arg(long, default_value_t = 1)]
    every: usize,
    /// How many processes run at once.
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    std::fs::create_dir_all(&arguments.results)
        .with_context(|| format!("making the folder of results {}", arguments.results.display()))?;
    let mut mistakes = listing::read(&arguments.list)?;
    if arguments.lines {
        lines::add(&arguments.copy, &arguments.results.join("lines.json"), &mut mistakes)?;
    }
    let cases = match &arguments.tests {
        Some(prefix) => Cases::Tests { prefix: prefix.clone() },
        None => Cases::Regions { seeds: arguments.seeds },
    };
    let built = building::build(&arguments.copy, &arguments.results, &mistakes, &cases)?;
    let question = Question {
        program: &built.program,
        cases: &cases,
        tries: arguments.tries,
        every: arguments.every,
        threads: arguments.threads,
        results: &arguments.results,
    };
    let answers = question.ask(&mistakes, &built.left_out)?;
    print!("{}", telling::tell(&mistakes, &answers));
    Ok(())
}
