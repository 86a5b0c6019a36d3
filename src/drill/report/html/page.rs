//! The page from its head to its glossary.

use super::markup::esc;
use super::{expectations, first, glossary, sections, style};
use crate::base::Digest;
use crate::drill::course::Course;
use crate::drill::judge::Judged;
use crate::drill::report::findings::findings;
use crate::drill::report::measures::Measures;
use crate::drill::report::svg;
use crate::drill::scenario::Told;

/// What the page tells.
#[derive(Debug, Clone)]
pub struct Page<'a> {
    /// The scenario's title.
    pub title: Told,
    /// The scenario's story.
    pub story: Told,
    /// What happened.
    pub course: &'a Course,
    /// The expectations, and whether they hold.
    pub judged: &'a [Judged],
    /// The digest over the course of events.
    pub trace: Digest,
    /// The seed of the run.
    pub seed: u64,
    /// The command that repeats the run.
    pub command: String,
    /// Whether the drill passed.
    pub passed: bool,
}

/// Writes the report of a run as one self-contained HTML file in Japanese and English, for screen and A4.
///
/// The same page gives the same bytes. It stays below 1.5 MB however many replicas took part.
pub fn html(page: &Page<'_>) -> String {
    let measures = Measures::of(page.course);
    let found = findings(page.course, &measures);
    let parts = [
        first::first(page, &measures, &found),
        sections::timeline(page.course),
        sections::availability(page.course, &measures),
        sections::staleness(page.course, &measures),
        sections::convergence(page.course, &measures),
        sections::links(page.course, &measures),
        sections::disputes(page.course, &measures),
        sections::restores(page.course, &measures),
        sections::faults(&page.course.faults),
        expectations::expectations(page.judged),
        sections::making(page),
        glossary::glossary(),
    ];
    whole(&page.title, &parts.concat())
}

/// Writes a whole page around its main part: head, style sheets, hatchings, the mark and the language switch.
pub(crate) fn whole(title: &Told, main: &str) -> String {
    let name = if title.ja.is_empty() { &title.en } else { &title.ja };
    format!(
        "<!DOCTYPE html>\n<html lang=\"ja\"><head><meta charset=\"utf-8\">\
<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
<meta name=\"robots\" content=\"noindex\"><title>訓練 DRILL {}</title>\n<style>{}{}</style></head>\n<body>\n\
<input class=\"pick\" type=\"radio\" name=\"language\" id=\"ja\" checked aria-label=\"日本語\">\
<input class=\"pick\" type=\"radio\" name=\"language\" id=\"en\" aria-label=\"English\">\n\
<header class=\"top\"><strong>訓練 DRILL</strong><nav><label for=\"ja\">日本語</label><label for=\"en\">English</label></nav></header>\n\
{}\n<main>\n{main}</main>\n</body></html>\n",
        esc(name.trim()),
        style::STYLE,
        svg::STYLE,
        svg::patterns()
    )
}
