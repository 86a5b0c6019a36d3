//! Text for people: tables whose Japanese columns stand straight, numbers, sizes, times, and no control characters.

use std::fmt::Write as _;

use comfy_table::{ContentArrangement, Table, presets};

use crate::base::WallMs;

/// What text is laid out for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paper {
    /// The terminal's width in columns; none outside a terminal, where lines are never broken.
    pub width: Option<u16>,
    /// The wall-clock time, for ages.
    pub now: WallMs,
}

impl Paper {
    /// Measures the terminal on standard output, if it is one.
    pub fn of_terminal(now: WallMs) -> Self {
        Self { width: Table::new().width(), now }
    }

    /// Draws a table; wide characters count two columns.
    pub fn table(&self, header: &[&str], rows: Vec<Vec<String>>) -> String {
        let mut table = Table::new();
        table.load_style(presets::UTF8_FULL_CONDENSED).set_header(header.to_vec());
        self.draw(table, rows)
    }

    /// Draws names and values under each other, without lines.
    pub fn fields(&self, rows: &[(&str, String)]) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        let rows = rows.iter().map(|(name, value)| vec![(*name).to_owned(), value.clone()]).collect();
        let text = self.draw(table, rows);
        let lines: Vec<_> = text.lines().map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
        lines.join("\n")
    }

    /// Writes a time and how long ago it was.
    pub fn time(&self, time: WallMs) -> String {
        let past = self.now.0.saturating_sub(time.0);
        let ahead = time.0.saturating_sub(self.now.0);
        match ahead {
            0 => format!("{} ({} ago)", stamp(time), span(past)),
            ahead => format!("{} ({} ahead of this clock)", stamp(time), span(ahead)),
        }
    }

    fn draw(&self, mut table: Table, rows: Vec<Vec<String>>) -> String {
        table
            .add_rows(rows.into_iter().map(|row| row.iter().map(|cell| printable(cell)).collect::<Vec<_>>()));
        match self.width {
            Some(width) => table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width),
            None => table.force_no_tty().set_content_arrangement(ContentArrangement::Disabled),
        };
        table.trim_fmt()
    }
}

/// Replaces what could steer a terminal or turn the direction of writing: control characters other than line
/// ends and tabs, and the bidirectional controls of Unicode (Trojan Source, CVE-2021-42574).
pub fn printable(text: &str) -> String {
    let steers = |c: char| {
        (c.is_control() && c != '\n' && c != '\t')
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
    };
    text.chars().map(|c| if steers(c) { '\u{fffd}' } else { c }).collect()
}

/// Writes a number with thousands separators.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Writes a number and the word for one, or for many, of what is counted.
pub fn counted(number: u64, one: &str, many: &str) -> String {
    let word = match number {
        1 => one,
        _ => many,
    };
    format!("{} {word}", count(number))
}

/// Writes a size in B, kB, MB or GB (powers of ten).
pub fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..999_950 => format!("{:.1} kB", bytes as f64 / 1e3),
        999_950..999_950_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

/// Writes how long something took.
pub fn took(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{:.1} s", ms as f64 / 1e3),
        _ => span(ms),
    }
}

/// Writes a time in Japan, to the minute: every site of a realm keeps one time, as `show` does.
pub fn stamp(time: WallMs) -> String {
    let second =
        i64::try_from(time.0 / 1_000).ok().and_then(|second| jiff::Timestamp::from_second(second).ok());
    match second {
        Some(time) => {
            let japan = jiff::tz::Offset::constant(9);
            japan.to_datetime(time).strftime("%Y-%m-%d %H:%M JST").to_string()
        }
        None => format!("{} ms after 1970", time.0),
    }
}

/// Writes a list, one item a line, each behind a dash.
pub fn bullets(items: &[String]) -> String {
    let mut text = String::new();
    for item in items {
        let _ = write!(text, "\n  - {item}");
    }
    text
}

fn span(ms: u64) -> String {
    let seconds = ms / 1_000;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..172_800 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAPER: Paper = Paper { width: None, now: WallMs(1_790_000_000_000) };

    #[test]
    fn japanese_columns_stand_straight() {
        let rows =
            vec![vec!["三浦 花子".into(), "1950-01-02".into()], vec!["Smith".into(), "1980-03-04".into()]];
        let expected = "\
┌───────────┬────────────┐
│ name      ┆ born       │
╞═══════════╪════════════╡
│ 三浦 花子 ┆ 1950-01-02 │
│ Smith     ┆ 1980-03-04 │
└───────────┴────────────┘";
        assert_eq!(PAPER.table(&["name", "born"], rows), expected);
    }

    #[test]
    fn a_narrow_terminal_breaks_cells_and_never_exceeds_its_width() {
        let rows = vec![vec!["横須賀市立うわまち病院救命救急センター".into(), "x".repeat(40)]];
        let text = Paper { width: Some(40), ..PAPER }.table(&["site", "key"], rows);
        let widest =
            text.lines().map(|line| line.chars().map(|c| 1 + usize::from(c > '\u{2fff}')).sum::<usize>());
        assert!(widest.max().unwrap() <= 40, "{text}");
    }

    #[test]
    fn what_steers_a_terminal_is_replaced() {
        assert_eq!(printable("a\u{1b}[2Jb\u{9b}c\u{202e}d\n\t三"), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d\n\t三");
        assert!(!PAPER.table(&["x"], vec![vec!["\u{7}".into()]]).contains('\u{7}'));
    }

    #[test]
    fn numbers_sizes_and_times() {
        assert_eq!(
            [count(0), count(999), count(1_000), count(1_234_567)],
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!(
            [counted(1, "entry", "entries"), counted(2, "entry", "entries")],
            ["1 entry", "2 entries"]
        );
        assert_eq!(
            [size(999), size(12_345), size(999_999), size(2_500_000_000)],
            ["999 B", "12.3 kB", "1.0 MB", "2.5 GB"]
        );
        assert_eq!([took(12), took(1_500), took(125_000)], ["12 ms", "1.5 s", "2 min"]);
        assert_eq!(PAPER.time(WallMs(1_790_000_000_000 - 90_000)), "2026-09-21 23:11 JST (1 min ago)");
        assert_eq!(PAPER.time(WallMs(1_790_000_005_000)), "2026-09-21 23:13 JST (5 s ahead of this clock)");
        assert!(stamp(WallMs(u64::MAX)).contains("1970"));
    }
}
