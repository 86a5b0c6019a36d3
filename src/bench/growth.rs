//! How the cost of a heal grows: against the records that are held, and against those that were changed.

use std::path::PathBuf;

use serde::Serialize;

use super::heal::{HealOptions, heal};
use super::plot::{Series, plot};
use super::workload::Workload;
use crate::drill::StepFailure;
use crate::replica::request::Progress;

/// Records held, while as many are changed each time.
const HELD: [u64; 5] = [1_000, 2_500, 5_000, 10_000, 20_000];
/// Records that each side changes, while as many are held each time.
const CHANGED: [u64; 5] = [25, 50, 100, 200, 400];
/// What stays while the other grows.
const CHANGED_ALWAYS: u64 = 50;
const HELD_ALWAYS: u64 = 5_000;

/// What is measured.
#[derive(Debug, Clone)]
pub struct GrowthOptions {
    /// An empty folder, on the disk that is measured.
    pub work: PathBuf,
    /// The binary.
    pub exe: PathBuf,
    /// From what all is drawn.
    pub seed: u64,
    /// So many times fewer records are held and changed, for those who have little time.
    pub smaller: u64,
}

/// One heal.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Point {
    /// Records that both held.
    pub records: u64,
    /// Records that each side changed.
    pub edited: u64,
    /// Entries that went over, both ways.
    pub entries: u64,
    /// UDP payload, both ways.
    pub bytes: u64,
    /// Messages of the session, both ways, in bytes.
    pub session_bytes: u64,
    /// The edits as one zstd stream: the floor.
    pub floor_bytes: u64,
    /// Seconds of CPU of both, as the system accounts it, opening the caller's store included.
    pub cpu_s: f64,
    /// Whether nothing was lost.
    pub holds: bool,
}

/// What was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Growth {
    /// More and more is held, and the same changed.
    pub by_held: Vec<Point>,
    /// The same is held, and more and more changed.
    pub by_changed: Vec<Point>,
}

impl Growth {
    /// Says whether nothing was lost anywhere.
    pub fn holds(&self) -> bool {
        self.by_held.iter().chain(&self.by_changed).all(|point| point.holds)
    }

    /// Draws both: (against what is held, against what was changed).
    pub fn plots(&self) -> (String, String) {
        let first = |points: &[Point], of: fn(&Point) -> u64| points.first().map_or(0, of);
        let held = format!(
            "A heal of {} changed records on each side, by how many are held",
            first(&self.by_held, |point| point.edited)
        );
        let changed = format!(
            "A heal of two that hold {} records, by how many each side has changed",
            first(&self.by_changed, |point| point.records)
        );
        (
            draw(&held, "records held", &self.by_held, |point| point.records),
            draw(&changed, "records changed on each side", &self.by_changed, |point| point.edited),
        )
    }
}

fn draw(title: &str, along: &str, points: &[Point], x: fn(&Point) -> u64) -> String {
    let line = |name: &str, value: &dyn Fn(&Point) -> f64| Series {
        name: name.to_owned(),
        points: points.iter().map(|point| (x(point) as f64, value(point))).collect(),
    };
    let bytes = [
        line("kB on the link, UDP both ways", &|point| point.bytes as f64 / 1e3),
        line("the edits as one zstd stream", &|point| point.floor_bytes as f64 / 1e3),
    ];
    let cpu = [line("CPU of both, ms", &|point| point.cpu_s * 1e3)];
    plot(title, along, &[&bytes, &cpu])
}

/// Measures; `progress` hears how far it is.
///
/// # Errors
/// [`StepFailure`] saying what could not be done.
pub async fn growth(
    options: &GrowthOptions,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Growth, StepFailure> {
    let smaller = |number: u64| (number / options.smaller.max(1)).max(2);
    let held: Vec<(u64, u64)> = HELD.iter().map(|held| (*held, CHANGED_ALWAYS)).collect();
    let changed: Vec<(u64, u64)> = CHANGED.iter().map(|changed| (HELD_ALWAYS, *changed)).collect();
    let of = (held.len() + changed.len()) as u64;
    let mut done = 0;
    let mut lists = Vec::new();
    for list in [held, changed] {
        let mut points = Vec::new();
        for (records, edited) in list {
            let doing = format!("heal of {} in {}", smaller(edited), smaller(records));
            progress(Progress { doing, done, of, unit: "heals".to_owned() });
            points.push(point(options, smaller(records), smaller(edited)).await?);
            done += 1;
        }
        lists.push(points);
    }
    let [by_held, by_changed] = lists.try_into().map_err(|_| StepFailure("two lists".to_owned()))?;
    Ok(Growth { by_held, by_changed })
}

async fn point(options: &GrowthOptions, records: u64, edited: u64) -> Result<Point, StepFailure> {
    let work = options.work.join(format!("{records}-{edited}"));
    let failed = |error: std::io::Error| StepFailure::of(format!("using {}", work.display()), error);
    std::fs::create_dir(&work).map_err(failed)?;
    let workload = Workload { records, edited, seed: options.seed };
    let heal_options = HealOptions { workload, work: work.clone(), exe: options.exe.clone(), apart: false };
    let told = heal(&heal_options, &mut |_| {}).await?;
    std::fs::remove_dir_all(&work).map_err(failed)?;
    Ok(Point {
        records,
        edited,
        entries: told.heal.entries,
        bytes: told.heal.bytes,
        session_bytes: told.heal.session_bytes,
        floor_bytes: told.changes.zstd_bytes,
        cpu_s: told.heal.cpu_s,
        holds: told.holds(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_pictures_show_every_heal_and_a_loss_is_told() {
        let point = |records, edited| Point {
            records,
            edited,
            entries: 4 * edited,
            bytes: 5_000 + 60 * edited,
            session_bytes: 60 * edited,
            floor_bytes: 20 * edited,
            cpu_s: 0.05,
            holds: true,
        };
        let by_held = [1_000, 2_000, 4_000].map(|records| point(records, 50)).to_vec();
        let by_changed = [25, 50].map(|edited| point(500, edited)).to_vec();
        let mut growth = Growth { by_held, by_changed };
        let (held, changed) = growth.plots();
        assert_eq!((held.matches("<circle").count(), changed.matches("<circle").count()), (9, 6));
        assert!(held.contains("records held") && held.contains("4,000"), "{held}");
        assert!(changed.contains("of two that hold 500 records"), "{changed}");
        assert!(growth.holds());
        growth.by_changed[1].holds = false;
        assert!(!growth.holds());
    }
}
