//! Courses side by side.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use super::super::figures::FIGURES;
use super::super::html::markup::{Cell, figure, paragraph, section, t, table, w};
use super::super::html::{expectation, whole};
use super::super::measures::{Measures, Slice};
use super::super::svg::{self, SERIES_MAX, Swatch};
use super::super::wording::{mode, number, told};
use crate::drill::course::Course;
use crate::drill::judge::Judged;
use crate::drill::scenario::Told;
use crate::drill::story::DRILL_MARK;

/// The classes of lines, in the order of runs.
const LINES: [&str; SERIES_MAX] = ["l0", "l1", "l2", "l3", "l4", "l5"];

/// One run among those compared.
#[derive(Debug, Clone)]
pub struct Compared<'a> {
    /// How the page calls it.
    pub label: Told,
    /// What happened.
    pub course: &'a Course,
    /// Its expectations, and whether they hold.
    pub judged: &'a [Judged],
}

/// Writes a self-contained page that sets runs side by side; the first is what the others are compared with.
/// Plots show the first six.
pub fn compare_html(title: &Told, runs: &[Compared<'_>]) -> String {
    let measured: Vec<Measures> = runs.iter().map(|run| Measures::of(run.course)).collect();
    let mark = w(
        "訓練の記録です。人物・場所・出来事はすべて架空です。",
        "An exercise. All people, places and events are invented.",
    );
    let who: String = runs
        .iter()
        .map(|run| format!("<li><b>{}</b> – {}</li>\n", t(&run.label), t(&mode(run.course.mode))))
        .collect();
    let head = format!(
        "<p class=\"stamp\">訓練 DRILL <small>{mark}</small></p>\n<h1>{}</h1>\n<ul>\n{who}</ul>\n",
        t(title)
    );
    let main = [
        head,
        section("compare", &told("主な数値", "Key figures"), &figures_table(runs, &measured)),
        section("overlay", &told("時間による推移", "Over time"), &over_time(runs, &measured)),
        section("bars", &told("図で見る違い", "Differences in pictures"), &bars(runs, &measured)),
        section("expected", &told("期待した結果", "Expectations"), &verdicts(runs)),
    ];
    whole(title, &main.concat())
}

fn figures_table(runs: &[Compared<'_>], measured: &[Measures]) -> String {
    let mut head = vec![told("数値", "Figure")];
    head.extend(runs.iter().map(|run| run.label.clone()));
    let rows: Vec<Vec<Cell>> = FIGURES
        .iter()
        .map(|figure| {
            let mut cells = vec![Cell::Words(figure.name())];
            cells.extend(measured.iter().map(|one| Cell::Figure(figure.write((figure.value)(one)))));
            cells
        })
        .collect();
    table(&Told::default(), &head, &rows)
}

fn over_time(runs: &[Compared<'_>], measured: &[Measures]) -> String {
    let Some(longest) = runs.iter().map(|run| run.course).max_by_key(|course| course.lasted) else {
        return String::new();
    };
    let series = |of: fn(&Slice) -> f64| -> Vec<(f64, Vec<f64>)> {
        measured
            .iter()
            .map(|one| (one.lasted_s, one.availability.over_time.iter().map(of).collect()))
            .collect()
    };
    let swatches: Vec<Swatch> =
        runs.iter().zip(LINES).map(|(run, class)| Swatch::Line(class, run.label.clone())).collect();
    let legend = svg::legend(&swatches);
    let read = told("閲覧できた拠点の割合", "share of replicas that could read");
    let write = told("記入できた拠点の割合", "share of replicas that could write");
    let reading = told("その時刻に可能だった拠点の割合。", "The share of replicas at each time.");
    [
        figure(&read, &legend, &svg::overlay(longest, &read, &series(Slice::read)), &reading),
        figure(
            &write,
            &legend,
            &svg::overlay(longest, &write, &series(|slice| (slice.linked + slice.alone).min(1.0))),
            &reading,
        ),
    ]
    .concat()
}

fn bars(runs: &[Compared<'_>], measured: &[Measures]) -> String {
    let one = |drawn: &super::super::figures::Figure| {
        let values: Vec<(Told, Option<f64>, Told)> = runs
            .iter()
            .zip(measured)
            .take(SERIES_MAX)
            .map(|(run, measures)| {
                let value = (drawn.value)(measures);
                (run.label.clone(), value, drawn.write(value))
            })
            .collect();
        format!("<figure>{}</figure>\n", svg::figures(&drawn.name(), drawn.whole(), &values))
    };
    FIGURES.iter().filter(|figure| figure.drawn).map(one).collect()
}

fn verdicts(runs: &[Compared<'_>]) -> String {
    runs.iter()
        .map(|run| {
            let failed = run.judged.iter().filter(|judged| !judged.ok);
            let failed: Vec<Told> = failed.map(|judged| expectation(&judged.name)).collect();
            let all = run.judged.iter().filter(|judged| judged.was_judged()).count();
            let (all, holds) = (number(all as u64), number((all - failed.len()) as u64));
            let list = |of: fn(&Told) -> &str, gap: &str| failed.iter().map(of).collect::<Vec<_>>().join(gap);
            let (ja, en) = match failed.is_empty() {
                true => (String::new(), String::new()),
                false => (
                    format!("満たさず：{}。", list(|told| &told.ja, "；")),
                    format!("Not: {}.", list(|told| &told.en, "; ")),
                ),
            };
            let sum = told(
                format!("期待 {all} 項目のうち {holds} 項目を満たした。{ja}"),
                format!("{holds} of {all} expectations hold. {en}"),
            );
            format!("<h3>{}</h3>{}", t(&run.label), paragraph("", &sum))
        })
        .collect()
}

/// Writes the figures of runs side by side as a table of plain text, in English.
pub fn compare_text(title: &Told, runs: &[Compared<'_>]) -> String {
    let measured: Vec<Measures> = runs.iter().map(|run| Measures::of(run.course)).collect();
    let labels: Vec<String> = runs.iter().map(|run| english(&run.label)).collect();
    let rows = FIGURES.iter().map(|figure| {
        let values = measured.iter().map(|one| figure.write((figure.value)(one)).en).collect();
        (figure.en.to_owned(), values)
    });
    format!("{DRILL_MARK}\n{}\n\n{}", english(title), text_table(&labels, rows.collect()))
}

/// Returns a text in English, or in Japanese where there is no English.
pub(super) fn english(text: &Told) -> String {
    if text.en.trim().is_empty() { text.ja.trim().to_owned() } else { text.en.trim().to_owned() }
}

/// Writes a table of plain text: names at the left, values at the right of their columns.
pub(super) fn text_table(head: &[String], rows: Vec<(String, Vec<String>)>) -> String {
    let chars = |text: &str| text.chars().count();
    let first = rows.iter().map(|(name, _)| chars(name)).max().unwrap_or(0);
    let width = |column: usize| {
        let values = rows.iter().filter_map(|(_, values)| values.get(column)).map(|value| chars(value));
        values.chain(head.get(column).map(|label| chars(label))).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let mut text = String::new();
    let mut line = |name: &str, values: &[String]| {
        let _ = write!(text, "{name:first$}");
        for (value, width) in values.iter().zip(&widths) {
            let _ = write!(text, "  {value:>width$}");
        }
        text.push('\n');
    };
    line("", head);
    for (name, values) in &rows {
        line(name, values);
    }
    text
}

/// Returns the figures and measures of runs as JSON: `{title, runs: [{label, passed, figures, measures}]}`.
pub fn compare_json(title: &Told, runs: &[Compared<'_>]) -> Value {
    let run = |run: &Compared<'_>| {
        let measures = Measures::of(run.course);
        let figures: Map<String, Value> =
            FIGURES.iter().map(|figure| (figure.key.to_owned(), json!((figure.value)(&measures)))).collect();
        json!({
            "label": run.label,
            "passed": run.judged.iter().all(|judged| judged.ok),
            "figures": figures,
            "measures": measures,
        })
    };
    json!({ "title": title, "runs": runs.iter().map(run).collect::<Vec<_>>() })
}
