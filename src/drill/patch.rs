//! One thing changed: a small TOML file laid over a scenario, such as a satellite dish at one hospital.
//!
//! The file has the tables of a scenario, as many as it likes:
//!
//! - a `[[link]]` replaces the one between the same two, a `[[mesh]]` the one of the same ends and shape, a `[[replica]]`
//!   or `[[fleet]]` the one of the same name; others are added;
//! - an `[[event]]` replaces the one that does the same at the same `time`; another is added at its time, or at the end
//!   when it has none;
//! - `[[people]]`, `[[workload]]` and `[[expect]]` are added;
//! - of any other table the keys that are named are replaced, and so is everything else.

use std::fs;
use std::path::Path;

use toml::{Table, Value};

use super::error::DrillError;
use super::scenario::{Mistake, Scenario, ScenarioError, read_span};

/// Reads a scenario with a file laid over it; a file that has a realm is a scenario of its own.
///
/// # Errors
/// [`DrillError::Scenario`] when either cannot be read, or the result is no sound scenario.
pub(super) fn changed(scenario: &Path, by: &Path) -> Result<Scenario, DrillError> {
    let patch = table(by)?;
    if patch.contains_key("realm") {
        return Ok(Scenario::read(by)?);
    }
    let base = table(scenario)?;
    let wrong = |problem: String| DrillError::Scenario(Mistake::at(1, problem).of_file(by));
    let text = toml::to_string(&merged(base, patch)).map_err(|error| wrong(error.to_string()))?;
    let path = fs::canonicalize(scenario).unwrap_or_else(|_| scenario.to_owned());
    Scenario::parse(&path, &text).map_err(|error| match error {
        // Lines of the joined text are nobody's.
        ScenarioError::Wrong { problem, .. } => wrong(format!("laid over {}, {problem}", scenario.display())),
        ScenarioError::Read { .. } => DrillError::Scenario(error),
    })
}

fn table(path: &Path) -> Result<Table, DrillError> {
    let read = |source| ScenarioError::Read { path: path.to_owned(), source };
    let text = fs::read_to_string(path).map_err(read)?;
    text.parse::<Table>().map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        DrillError::Scenario(
            Mistake::at(line, format!("this is not TOML: {}", error.message())).of_file(path),
        )
    })
}

fn merged(mut base: Table, patch: Table) -> Table {
    for (key, value) in patch {
        match (base.get_mut(&key), value) {
            (Some(Value::Array(items)), Value::Array(new)) => {
                new.into_iter().for_each(|item| lay(&key, items, item));
            }
            (Some(Value::Table(old)), Value::Table(new)) => old.extend(new),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
    base
}

/// Puts an item in the place of the one that it replaces, or adds it.
fn lay(key: &str, items: &mut Vec<Value>, item: Value) {
    let same = |names: &[&str], other: &Value| {
        item.is_table() && names.iter().all(|name| item.get(name).map(sorted) == other.get(name).map(sorted))
    };
    let time = item.get("time").and_then(Value::as_str).and_then(read_span);
    let replaced = items.iter().position(|other| match key {
        "link" => same(&["between"], other),
        "mesh" => same(&["of", "between", "shape"], other),
        "replica" | "fleet" => same(&["name"], other),
        "event" => time.is_some() && same(&["do", "time"], other),
        _ => false,
    });
    if let Some(place) = replaced {
        items[place] = item;
        return;
    }
    let later = |other: &Value| {
        let theirs = other.get("time").and_then(Value::as_str).and_then(read_span);
        time.is_some_and(|time| theirs.is_some_and(|theirs| theirs > time))
    };
    let place = items.iter().position(later).filter(|_| key == "event").unwrap_or(items.len());
    items.insert(place, item);
}

/// The two ends of a link are the same in either order.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(items) => {
            let mut items = items.clone();
            items.sort_by_key(ToString::to_string);
            Value::Array(items)
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = r#"
realm = "r"
title = { en = "a", ja = "あ" }
clock = { lasts = "4h" }
link = [{ between = ["a", "b"] }]
event = [{ do = "cut", time = "1h" }, { do = "heal", time = "3h" }]
"#;

    fn with(patch: &str) -> Table {
        merged(BASE.parse().unwrap(), patch.parse().unwrap())
    }

    #[test]
    fn a_link_replaces_the_one_between_the_same_two_and_others_are_added() {
        let same = with("[[link]]\nbetween = [\"b\", \"a\"]\nprofile = \"satellite\"");
        assert_eq!(same["link"].as_array().unwrap().len(), 1);
        assert_eq!(same["link"][0]["profile"].as_str(), Some("satellite"));
        let other = with("[[link]]\nbetween = [\"a\", \"c\"]");
        assert_eq!(other["link"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn an_event_comes_at_its_time_or_replaces_the_same_one() {
        let kinds = |table: Table| {
            let events = table["event"].as_array().unwrap().clone();
            events.iter().map(|event| event["do"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(kinds(with("[[event]]\ndo = \"meet\"\ntime = \"90m\"")), ["cut", "meet", "heal"]);
        assert_eq!(kinds(with("[[event]]\ndo = \"meet\"\ntime = \"3h\"")), ["cut", "heal", "meet"]);
        assert_eq!(kinds(with("[[event]]\ndo = \"meet\"")), ["cut", "heal", "meet"]);
        assert_eq!(kinds(with("[[event]]\ndo = \"cut\"\ntime = \"1h\"\nshare = 0.5")), ["cut", "heal"]);
    }

    #[test]
    fn of_other_tables_only_what_is_named_is_replaced() {
        let table = with("[title]\nen = \"b\"\n[clock]\nlasts = \"9h\"");
        assert_eq!((table["title"]["en"].as_str(), table["title"]["ja"].as_str()), (Some("b"), Some("あ")));
        assert_eq!(table["clock"]["lasts"].as_str(), Some("9h"));
    }

    #[test]
    fn the_patches_that_are_shipped_change_one_link_of_their_scenario() {
        let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
        let base = Scenario::read(&scenarios.join("miura-quake.toml")).unwrap();
        let dish = changed(
            &scenarios.join("miura-quake.toml"),
            &scenarios.join("patches/satellite-dish-miura.toml"),
        )
        .unwrap();
        let surviving = |scenario: &Scenario| scenario.links.iter().filter(|link| link.survives).count();
        assert_eq!((surviving(&base), surviving(&dish)), (0, 1));
        assert_eq!((base.links.len(), base.events.len()), (dish.links.len(), dish.events.len()));
    }

    #[test]
    fn a_result_that_is_no_scenario_names_the_file_that_was_laid_over() {
        let dir = tempfile::tempdir().unwrap();
        let (base, patch) = (dir.path().join("base.toml"), dir.path().join("dish.toml"));
        fs::write(&base, BASE).unwrap();
        fs::write(&patch, "[[lnik]]\nbetween = [\"a\", \"b\"]").unwrap();
        let error = changed(&base, &patch).unwrap_err().to_string();
        assert!(error.contains("dish.toml") && error.contains("base.toml"), "{error}");
        fs::write(&patch, "[[link]\n").unwrap();
        assert!(changed(&base, &patch).unwrap_err().to_string().contains("line 1"));
    }
}
