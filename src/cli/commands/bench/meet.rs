//! `musubi bench meet`: what it costs that two replicas of a region meet.

use clap::Args;

use super::held::{HeldArgs, measured, store_told};
use crate::bench::held::{Built, Differing, Meet, meet};
use crate::cli::args::Context;
use crate::cli::failure::Failure;
use crate::cli::outcome::Outcome;
use crate::cli::text::{Paper, count, size};

/// The exit status when the two do not hold the same in the end.
const FAILED: u8 = 1;

/// What it costs that two replicas that hold a region meet: with nothing changed, and after each has heard other devices.
///
/// Both run; sessions go through relays, one of which takes 250 ms in each direction and tells by how long a meeting takes how
/// often something went there and back. CPU is what the system accounts to both, without what they take when nothing happens.
#[derive(Debug, Args)]
pub struct MeetBench {
    #[command(flatten)]
    held: HeldArgs,
    /// Then let each hear so many small changes from one half of the devices, and meet.
    #[arg(long, value_name = "N", default_value_t = 0)]
    changes: u64,
}

impl MeetBench {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`] when the stores cannot be built, or the two do not meet.
    pub fn run(&self, context: &Context<'_>) -> Result<Outcome, Failure> {
        let ground = self.held.ground(context)?;
        let told = measured(&ground.options.stop, async {
            meet(&mut Built::begin(ground.options.clone())?, self.changes).await
        })?;
        let status = if told.holds() { 0 } else { FAILED };
        Ok(Outcome::described(&told, told_as_text(&told, &context.paper)).status(status))
    }
}

fn told_as_text(meet: &Meet, paper: &Paper) -> String {
    let equal = &meet.equal;
    let line = |what: &str, figure: String, target: &str| vec![what.to_owned(), figure, target.to_owned()];
    let mut rows = vec![
        line("nothing changed: session", size(equal.session_bytes), "512 B"),
        line("UDP payload with handshake", size(equal.bytes), ""),
        line("CPU of both, handshake included", format!("{:.2} ms", equal.cpu_ms), "5 ms"),
        line("wall, p50", format!("{:.1} ms", equal.wall.p50_ms), ""),
        line(
            "round trips until both know it, of which the handshake is 1",
            format!("{:.1}", equal.round_trips),
            "1 of the session",
        ),
        line("both when nothing happens", format!("{:.2} ms of CPU a second", equal.idle_cpu_ms_per_s), ""),
    ];
    rows.extend(meet.differing.iter().flat_map(|differing| differing_told(differing, &line)));
    format!("{}\n{}", store_told(&meet.made, &meet.floors), paper.table(&["what", "figure", "target"], rows))
}

fn differing_told(
    differing: &Differing,
    line: &dyn Fn(&str, String, &str) -> Vec<String>,
) -> Vec<Vec<String>> {
    let of_session = |bytes: u64| {
        format!("{} ({:.1} %)", size(bytes), bytes as f64 * 100.0 / differing.session_bytes.max(1) as f64)
    };
    let beside = differing.compare_bytes.saturating_sub(differing.heads_bytes);
    let what =
        format!("{} entries in {} lanes differ: session", count(differing.entries), count(differing.lanes));
    let share = format!("{:.3} of {} of entries", differing.payload_share, size(differing.entry_bytes));
    vec![
        line(&what, size(differing.session_bytes), ""),
        line("of the entries' bytes", share, "0.35"),
        line("of these to find out what differs", of_session(differing.compare_bytes), ""),
        line("heads of lanes among them", of_session(differing.heads_bytes), ""),
        line("the rest of them", of_session(beside), "6 %"),
        line(
            "round trips by the clock until that is known, handshake and slow start included",
            format!("{:.1}", differing.compare_round_trips),
            "4",
        ),
        line("CPU of both, indexing included", format!("{:.2} s", differing.cpu_s), ""),
        line("wall", format!("{:.2} s", differing.wall_s), ""),
        line("peak memory of either", size(differing.peak_bytes), ""),
        line("both hold the same then", differing.equal.to_string(), "true"),
    ]
}
