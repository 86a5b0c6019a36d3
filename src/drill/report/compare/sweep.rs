//! The same scenario with many seeds: the least, the median and the most of each figure.

use serde_json::{Map, Value, json};

use super::super::figures::{FIGURES, Figure};
use super::super::html::markup::{Cell, paragraph, section, t, table, w};
use super::super::html::whole;
use super::super::measures::Measures;
use super::super::wording::{number, told};
use super::side_by_side::{english, text_table};
use crate::drill::scenario::Told;
use crate::drill::story::DRILL_MARK;

/// A figure over many seeds.
struct Spread {
    least: f64,
    median: f64,
    most: f64,
    /// The seed that gave the least.
    least_seed: u64,
    /// The seed that gave the most.
    most_seed: u64,
    /// How many seeds have the figure at all.
    of: u64,
}

fn spread(figure: &Figure, runs: &[(u64, Measures)]) -> Option<Spread> {
    let mut values: Vec<(f64, u64)> =
        runs.iter().filter_map(|(seed, measures)| Some(((figure.value)(measures)?, *seed))).collect();
    values.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
    let (least, least_seed) = *values.first()?;
    let (most, _) = *values.last()?;
    // Of equal values the least seed is named, so that the page does not depend on the order of runs.
    let most_seed = values.iter().find(|(value, _)| *value == most).map_or(least_seed, |(_, seed)| *seed);
    let median = values[(values.len() - 1) / 2].0;
    Some(Spread { least, median, most, least_seed, most_seed, of: values.len() as u64 })
}

/// Writes a self-contained page of many seeds; each extreme names the seed that gives it, so that it can be run again.
pub fn sweep_html(label: &Told, runs: &[(u64, Measures)]) -> String {
    let mark = w(
        "訓練の記録です。人物・場所・出来事はすべて架空です。",
        "An exercise. All people, places and events are invented.",
    );
    let count = number(runs.len() as u64);
    let how = told(
        format!(
            "同じ台本を、乱数の種を変えて {count} 回実施した。（ ）内は最小・最大を与えた種で、その種で再現できる。"
        ),
        format!(
            "The same scenario with {count} seeds. In brackets: the seed that gave the least or the most, with which it can be run again."
        ),
    );
    let rows: Vec<Vec<Cell>> = FIGURES
        .iter()
        .filter_map(|figure| {
            let found = spread(figure, runs)?;
            let with_seed = |value: f64, seed: u64| {
                let written = figure.write(Some(value));
                if found.least == found.most {
                    return Cell::Figure(written);
                }
                Cell::Figure(told(format!("{}（{seed}）", written.ja), format!("{} ({seed})", written.en)))
            };
            Some(vec![
                Cell::Words(figure.name()),
                with_seed(found.least, found.least_seed),
                Cell::Figure(figure.write(Some(found.median))),
                with_seed(found.most, found.most_seed),
                Cell::figure(number(found.of)),
            ])
        })
        .collect();
    let head = [
        told("数値", "Figure"),
        told("最小（種）", "Least (seed)"),
        told("中央値", "Median"),
        told("最大（種）", "Most (seed)"),
        told("該当する回", "Runs with it"),
    ];
    let body = format!("{}{}", paragraph("reading", &how), table(&Told::default(), &head, &rows));
    let head = format!("<p class=\"stamp\">訓練 DRILL <small>{mark}</small></p>\n<h1>{}</h1>\n", t(label));
    whole(label, &format!("{head}{}", section("sweep", &told("多数回の結果", "Many seeds"), &body)))
}

/// Writes the least, the median and the most of each figure as plain text, in English.
pub fn sweep_text(label: &Told, runs: &[(u64, Measures)]) -> String {
    let rows = FIGURES.iter().filter_map(|figure| {
        let found = spread(figure, runs)?;
        let write = |value: f64| figure.write(Some(value)).en;
        let seeds = if found.least == found.most {
            String::new()
        } else {
            format!("{} / {}", found.least_seed, found.most_seed)
        };
        Some((figure.en.to_owned(), vec![write(found.least), write(found.median), write(found.most), seeds]))
    });
    let head = ["least", "median", "most", "seeds"].map(str::to_owned);
    format!(
        "{DRILL_MARK}\n{}: {} seeds\n\n{}",
        english(label),
        number(runs.len() as u64),
        text_table(&head, rows.collect())
    )
}

/// Returns the same as JSON: `{label, seeds, figures: {KEY: {min, median, max, min_seed, max_seed, runs}}}`.
pub fn sweep_json(label: &Told, runs: &[(u64, Measures)]) -> Value {
    let figures: Map<String, Value> = FIGURES
        .iter()
        .filter_map(|figure| {
            let found = spread(figure, runs)?;
            let value = json!({
                "min": found.least, "median": found.median, "max": found.most,
                "min_seed": found.least_seed, "max_seed": found.most_seed, "runs": found.of,
            });
            Some((figure.key.to_owned(), value))
        })
        .collect();
    let seeds: Vec<u64> = runs.iter().map(|(seed, _)| *seed).collect();
    json!({ "label": label, "seeds": seeds, "figures": figures })
}
