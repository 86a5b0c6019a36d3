//! What would have been: the same scenario and seed with a central system, with one thing changed, or with many seeds.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::central::central;
use super::course::Course;
use super::error::DrillError;
use super::expectations::{Run, judge, judge_course};
use super::judge::Judged;
use super::patch::changed;
use super::report::{
    Compared, Measures, compare_html, compare_json, compare_text, sweep_html, sweep_json, sweep_text,
};
use super::scenario::{Scenario, Told};
use super::sim::{SimOptions, simulate};
use super::sim_run::{SimLine, read_simulated};

/// With what a drill is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Against {
    /// A central system instead of Musubi.
    Central,
    /// A file laid over the scenario, or another scenario.
    File(PathBuf),
}

/// What is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompareOptions {
    /// The scenario file.
    pub scenario_path: PathBuf,
    /// With what; may be empty in a sweep.
    pub against: Vec<Against>,
    /// The seed; the first one of a sweep.
    pub seed: u64,
    /// How many seeds, for a sweep.
    pub sweep: Option<u64>,
}

/// Runs side by side.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// Self-contained pages: one of a comparison, one of each run of a sweep.
    pub pages: Vec<String>,
    /// The same as plain text.
    pub text: String,
    /// The same for tools.
    pub json: Value,
    /// Whether the drill itself, with every seed, met its expectations.
    pub passed: bool,
}

/// One way of running it.
struct Way {
    label: Told,
    scenario: Scenario,
    is_central: bool,
}

/// Runs a comparison or a sweep; `on_event` hears how far it is.
///
/// # Errors
/// [`DrillError`] when a file is wrong or a drill could not be run at all.
pub fn compare(
    options: &CompareOptions,
    on_event: &mut dyn FnMut(&SimLine<'_>),
) -> Result<Comparison, DrillError> {
    let ways = ways(options)?;
    match options.sweep {
        None => side_by_side(&ways, options.seed, on_event),
        Some(seeds) => swept(&ways, options.seed, seeds, on_event),
    }
}

fn ways(options: &CompareOptions) -> Result<Vec<Way>, DrillError> {
    let told = |ja: &str, en: &str| Told { ja: ja.to_owned(), en: en.to_owned() };
    let scenario = read_simulated(&options.scenario_path)?;
    let mut ways = vec![Way { label: told("Musubi", "Musubi"), scenario, is_central: false }];
    for against in &options.against {
        let (label, scenario, is_central) = match against {
            Against::Central => (told("中央システム", "central system"), ways[0].scenario.clone(), true),
            Against::File(file) => {
                let scenario = changed(&options.scenario_path, file)?;
                (label(&scenario, &ways[0].scenario, file), scenario, false)
            }
        };
        ways.push(Way { label, scenario, is_central });
    }
    Ok(ways)
}

/// What a changed scenario is called: by its own title if it has one, else by its file.
fn label(changed: &Scenario, base: &Scenario, file: &Path) -> Told {
    if changed.title != base.title {
        return changed.title.clone();
    }
    let name = file.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Told { ja: name.clone(), en: name }
}

fn run(
    way: &Way,
    seed: u64,
    on_event: &mut dyn FnMut(&SimLine<'_>),
) -> Result<(Course, Vec<Judged>), DrillError> {
    let scenario = &way.scenario;
    on_event(&SimLine::outside(&format!("{}, seed {seed}", way.label.en)));
    if way.is_central {
        let course = central(scenario, seed);
        let judged = judge_course(Run { scenario, seed, course: &course });
        return Ok((course, judged));
    }
    let options = SimOptions { seed, plant: None };
    let run = simulate(scenario, options, &mut |at, line| on_event(&SimLine::of(scenario, at, line)))?;
    let judged = judge(Run { scenario, seed, course: &run.course }, &run.seen, None);
    Ok((run.course, judged))
}

fn side_by_side(
    ways: &[Way],
    seed: u64,
    on_event: &mut dyn FnMut(&SimLine<'_>),
) -> Result<Comparison, DrillError> {
    let runs = ways.iter().map(|way| run(way, seed, on_event)).collect::<Result<Vec<_>, _>>()?;
    let compared: Vec<Compared<'_>> = ways
        .iter()
        .zip(&runs)
        .map(|(way, (course, judged))| Compared { label: way.label.clone(), course, judged })
        .collect();
    let title = ways.first().map(|way| way.scenario.title.clone()).unwrap_or_default();
    let passed = runs.first().is_some_and(|(_, judged)| judged.iter().all(|judged| judged.ok));
    Ok(Comparison {
        pages: vec![compare_html(&title, &compared)],
        text: compare_text(&title, &compared),
        json: compare_json(&title, &compared),
        passed,
    })
}

fn swept(
    ways: &[Way],
    first: u64,
    seeds: u64,
    on_event: &mut dyn FnMut(&SimLine<'_>),
) -> Result<Comparison, DrillError> {
    let (mut pages, mut texts, mut values, mut passed) = (Vec::new(), Vec::new(), Vec::new(), true);
    let none = Told::default();
    let title = ways.first().map_or(&none, |way| &way.scenario.title);
    for (place, way) in ways.iter().enumerate() {
        let mut runs: Vec<(u64, Measures)> = Vec::new();
        for seed in first..first.saturating_add(seeds) {
            // Of each run only its figures are kept: a course of a large region is large.
            let (course, judged) = run(way, seed, &mut |_| {})?;
            let ok = judged.iter().all(|judged| judged.ok);
            let told = if ok { "all expectations hold" } else { "NOT all expectations hold" };
            on_event(&SimLine::outside(&format!("{}, seed {seed}: {told}", way.label.en)));
            passed &= ok || place > 0;
            runs.push((seed, Measures::of(&course)));
        }
        let label = titled(title, &way.label);
        pages.push(sweep_html(&label, &runs));
        texts.push(sweep_text(&label, &runs));
        values.push(sweep_json(&way.label, &runs));
    }
    Ok(Comparison { pages, text: texts.join("\n"), json: json!({ "sweeps": values }), passed })
}

/// What the sweep of one way is called: by the scenario, and by the way.
fn titled(title: &Told, way: &Told) -> Told {
    let ja = if title.ja.is_empty() { &title.en } else { &title.ja };
    Told::of(format!("{} – {}", title.en.trim(), way.en), format!("{} – {}", ja.trim(), way.ja))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCENARIO: &str = r#"
realm = "r"
title = { en = "Three sites", ja = "三施設" }
story = { en = "s" }
clock = { lasts = "4h" }
cloud = { at = "north" }
replica = [
  { name = "north", site = "North", kind = "hospital", role = "hospital", areas = ["shared/miura"], author = { name = "佐藤", role = "doctor" }, store = "memory" },
  { name = "south", site = "South", kind = "hospital", role = "hospital", areas = ["shared/miura"], author = { name = "三上", role = "doctor" }, store = "memory" },
]
link = [{ between = ["north", "south"] }]
workload = [{ at = ["north", "south"], from = "0s", until = "4h", arrivals-per-hour = 1, notes-per-hour = 3 }]
event = [{ do = "cut", what = "links", time = "1h" }, { do = "heal", what = "links", time = "3h" }]
expect = [{ name = "availability", of = "read" }, { name = "no-acknowledged-write-lost" }]
"#;

    fn options(dir: &Path, against: Vec<Against>, sweep: Option<u64>) -> CompareOptions {
        let scenario_path = dir.join("two.toml");
        std::fs::write(&scenario_path, SCENARIO).unwrap();
        CompareOptions { scenario_path, against, seed: 1, sweep }
    }

    #[test]
    fn a_cut_costs_the_central_system_its_reading_and_musubi_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let dish = dir.path().join("dish.toml");
        // The line is there again right after the cut, as one by satellite would be.
        let text =
            "[title]\nen = \"with a dish\"\n[[event]]\ndo = \"heal\"\nwhat = \"links\"\ntime = \"61m\"\n";
        std::fs::write(&dish, text).unwrap();
        let options = options(dir.path(), vec![Against::Central, Against::File(dish)], None);
        let ways = ways(&options).unwrap();
        let labels: Vec<&str> = ways.iter().map(|way| way.label.en.as_str()).collect();
        assert_eq!(labels, ["Musubi", "central system", "with a dish"]);
        let courses: Vec<_> = ways.iter().map(|way| run(way, 1, &mut |_| {}).unwrap()).collect();
        let unread = |place: usize| {
            let (course, _): &(Course, Vec<Judged>) = &courses[place];
            course.decisions.iter().filter(|one| !one.read).count()
        };
        assert_eq!((unread(0), unread(2)), (0, 0));
        assert!(unread(1) > 0);
        let lasts = courses.iter().map(|(course, _)| course.lasted);
        assert!(lasts.eq([std::time::Duration::from_secs(4 * 3_600); 3]));
        let available = |place: usize| {
            let judged = courses[place].1.iter().find(|judged| judged.name == "availability");
            judged.map(|judged| judged.ok)
        };
        assert_eq!([0, 1, 2].map(available), [Some(true), Some(false), Some(true)]);

        let comparison = compare(&options, &mut |_| {}).unwrap();
        assert!(comparison.passed, "the drill itself went well: {}", comparison.text);
        assert!(comparison.text.contains("central system") && comparison.pages[0].contains("訓練 DRILL"));
    }

    #[test]
    fn a_sweep_runs_every_seed() {
        let dir = tempfile::tempdir().unwrap();
        let mut heard = Vec::new();
        let options = options(dir.path(), Vec::new(), Some(3));
        let comparison = compare(&options, &mut |line| heard.push(line.to_string())).unwrap();
        assert!(comparison.passed);
        assert_eq!(comparison.pages.len(), 1);
        assert!(comparison.pages[0].contains("三施設 – Musubi"), "the page names its scenario");
        for seed in 1..=3 {
            assert!(heard.iter().any(|line| line.contains(&format!("seed {seed}:"))), "{heard:?}");
        }
    }
}
