//! How far a long job is, on standard error: a bar on a terminal, otherwise a line every few seconds.

use std::io::{IsTerminal as _, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::engine::OnProgress;
use super::text::{count, size};
use crate::replica::request::Progress;

/// How long a job is silent between two lines outside a terminal, and before the first.
pub const LINE_EVERY: Duration = Duration::from_secs(5);
/// How long a job runs before a bar appears: short jobs show none.
pub const BAR_AFTER: Duration = Duration::from_millis(300);

/// Shows how far a job is until it is dropped.
pub struct Reporter {
    shown: Arc<Mutex<Shown>>,
}

enum Shown {
    Waiting { since: Instant },
    Bar(ProgressBar),
    Lines { last: Instant },
    Ended,
}

impl Reporter {
    /// Starts: as a bar when standard error is a terminal, else as lines.
    pub fn start() -> Self {
        let now = Instant::now();
        let shown = match std::io::stderr().is_terminal() {
            true => Shown::Waiting { since: now },
            false => Shown::Lines { last: now },
        };
        Self { shown: Arc::new(Mutex::new(shown)) }
    }

    /// Returns what hears the progress.
    pub fn on_progress(&self) -> OnProgress {
        let shown = self.shown.clone();
        Arc::new(move |progress| {
            // Progress is for the eye only: after a panic elsewhere it may as well go on.
            shown.lock().unwrap_or_else(PoisonError::into_inner).tell(&progress, Instant::now());
        })
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if let Shown::Bar(bar) = &*shown {
            bar.finish_and_clear();
        }
        *shown = Shown::Ended;
    }
}

impl Shown {
    fn tell(&mut self, progress: &Progress, now: Instant) {
        match self {
            Shown::Waiting { since } if now.duration_since(*since) >= BAR_AFTER => {
                let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
                update(&bar, progress);
                *self = Shown::Bar(bar);
            }
            Shown::Bar(bar) => update(bar, progress),
            Shown::Lines { last } if now.duration_since(*last) >= LINE_EVERY => {
                *last = now;
                // Whoever closed standard error does not want to hear.
                let _ = writeln!(std::io::stderr(), "{}", line(progress));
            }
            Shown::Waiting { .. } | Shown::Lines { .. } | Shown::Ended => {}
        }
    }
}

fn update(bar: &ProgressBar, progress: &Progress) {
    if progress.of > 0 && bar.length() != Some(progress.of) {
        bar.set_length(progress.of);
        let template = match progress.unit.as_str() {
            "bytes" => "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}",
            _ => "{msg} {wide_bar} {human_pos}/{human_len} {eta}",
        };
        bar.set_style(ProgressStyle::with_template(template).expect("the templates above are well-formed"));
    }
    bar.set_message(match progress.of {
        0 => line(progress),
        _ => progress.doing.clone(),
    });
    bar.set_position(progress.done);
}

fn line(progress: &Progress) -> String {
    let amount = |number| match progress.unit.as_str() {
        "bytes" => size(number),
        unit => format!("{} {unit}", count(number)),
    };
    match progress.of {
        0 => format!("{}: {}", progress.doing, amount(progress.done)),
        of => {
            let percent = progress.done.min(of) as f64 * 100.0 / of as f64;
            format!("{}: {} of {} ({percent:.0} %)", progress.doing, amount(progress.done), amount(of))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(done: u64, of: u64, unit: &str) -> Progress {
        Progress { doing: "importing".into(), done, of, unit: unit.into() }
    }

    #[test]
    fn a_line_says_how_far() {
        assert_eq!(line(&progress(12_000_000, 50_000_000, "bytes")), "importing: 12.0 MB of 50.0 MB (24 %)");
        assert_eq!(line(&progress(1_234, 0, "resources")), "importing: 1,234 resources");
        assert_eq!(line(&progress(9, 3, "files")), "importing: 9 files of 3 files (100 %)");
    }

    #[test]
    fn outside_a_terminal_lines_are_rare() {
        let start = Instant::now();
        let mut shown = Shown::Lines { last: start };
        shown.tell(&progress(1, 2, "files"), start + LINE_EVERY / 2);
        assert!(matches!(shown, Shown::Lines { last } if last == start));
        shown.tell(&progress(2, 2, "files"), start + LINE_EVERY);
        assert!(matches!(shown, Shown::Lines { last } if last == start + LINE_EVERY));
    }
}
