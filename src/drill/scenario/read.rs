//! From the text of a scenario file to a scenario.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use toml::de::DeTable;

use super::check;
use super::error::{Mistake, ScenarioError};
use super::expectation::Expectation;
use super::expectations::EXPECTATIONS;
use super::fields::{At, Fields, line_of};
use super::key::{MODES, TOP};
use super::model::{EventPlan, LiveRefusal, Modes, PatientAlias, PatientPlan, ReplicaName, Scenario, Told};
use super::names::Names;
use super::{read_links, read_region, read_work};
use crate::base::WallMs;
use crate::drill::events::EVENTS;

/// What clocks show at time zero unless the scenario says otherwise.
const BEGINS: &str = "2026-11-22T16:32";

impl Scenario {
    /// Reads and checks a scenario; data files are looked for beside it.
    ///
    /// # Errors
    /// [`ScenarioError`] naming the file, the line and what to write instead.
    pub fn read(path: &Path) -> Result<Self, ScenarioError> {
        let wrong = |source| ScenarioError::Read { path: path.to_owned(), source };
        let text = fs::read_to_string(path).map_err(wrong)?;
        let path = fs::canonicalize(path).map_err(wrong)?;
        Self::parse(&path, &text)
    }

    /// Reads and checks the text of a scenario, as if it stood at a path; data files are looked for beside it.
    ///
    /// # Errors
    /// [`ScenarioError::Wrong`] naming that path, the line and what to write instead.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ScenarioError> {
        let name = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let folder = path.parent().unwrap_or(Path::new("/"));
        parse(&name, text, folder).map_err(|mistake| mistake.of_file(path))
    }

    /// Says whether a run with real processes can do all of it; `path` is named in the error.
    ///
    /// # Errors
    /// [`ScenarioError::Wrong`] naming the line that cannot be done.
    pub fn check_live(&self, path: &Path) -> Result<(), ScenarioError> {
        match &self.live_refusal {
            None => Ok(()),
            Some(LiveRefusal { line, problem }) => Err(Mistake::at(*line, problem.clone()).of_file(path)),
        }
    }
}

/// Reads and checks a scenario.
pub(super) fn parse(name: &str, text: &str, folder: &Path) -> Result<Scenario, Mistake> {
    let document = DeTable::parse(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_of(text, span.start));
        Mistake::at(line, format!("this is not TOML: {}", error.message()))
    })?;
    let mut root = Fields::new("the scenario", text, 1, document.get_ref(), TOP);
    let title = told(&mut root, "title")?;
    let story = told(&mut root, "story")?;
    let realm = root.text("realm")?.value;
    let modes = modes(&mut root)?;
    let (begins, lasts) = clock(&mut root)?;
    let mut names = Names { folder: folder.to_owned(), ..Names::default() };
    let (replicas, fleets) = read_region::replicas(&mut root, &mut names)?;
    let mut simulated = None;
    let links = read_links::links(&mut root, &mut names, &replicas, &mut simulated)?;
    let (gateway, backup_every) = backup(&mut root, &mut names)?;
    if let Some(line) = names.bucket_line.filter(|_| !names.backup) {
        let problem = "'bucket-every' needs a bucket: add [backup] with gateway = \"a replica\"";
        return Err(Mistake::at(line, problem));
    }
    let cloud = cloud(&mut root, &names)?;
    let patients = patients(&mut root)?;
    names.patients = patients.keys().cloned().collect();
    let people = read_work::people(&mut root, &names, &mut simulated)?;
    let workloads = read_work::workloads(&mut root, &names, lasts, &mut simulated)?;
    let mut events = Vec::new();
    for table in root.tables("event")? {
        events.push(event(table, &mut names)?);
    }
    let mut expectations = Vec::new();
    for table in root.tables("expect")? {
        expectations.push(expectation(table, &names)?);
    }
    if events.is_empty() && workloads.is_empty() {
        return Err(root.missing("event", "has no [[event]]: nothing would happen"));
    }
    if expectations.is_empty() {
        return Err(root.missing("expect", "has no [[expect]]: the drill could not fail"));
    }
    root.finish()?;
    let lines: Vec<usize> = expectations.iter().map(|expectation| expectation.line).collect();
    let mut scenario = Scenario {
        name: name.to_owned(),
        title,
        story,
        realm,
        modes: Modes { live: true, sim: true },
        live_refusal: simulated,
        begins,
        lasts,
        replicas,
        fleets,
        links,
        gateway,
        backup_every,
        cloud,
        patients,
        people,
        workloads,
        events,
        expectations: expectations.into_iter().map(|expectation| expectation.value).collect(),
    };
    check::check(&scenario, &lines)?;
    check::settle_modes(&mut scenario, &lines, modes)?;
    Ok(scenario)
}

fn told(root: &mut Fields<'_>, key: &'static str) -> Result<Told, Mistake> {
    let Some(mut table) = root.optional_table(key)? else {
        return Err(root.missing(key, &format!("needs '{key}': write {key} = {{ en = \"…\", ja = \"…\" }}")));
    };
    let ja = table.optional_text("ja")?.map(|text| text.value).unwrap_or_default();
    let en = table.text("en")?.value;
    table.finish()?;
    Ok(Told { ja, en })
}

/// Reads `modes`: none when the file does not say.
fn modes(root: &mut Fields<'_>) -> Result<Option<At<Modes>>, Mistake> {
    let Some(list) = root.optional_texts("modes")? else { return Ok(None) };
    let mut modes = Modes { live: false, sim: false };
    for mode in &list.value {
        match mode.value.as_str() {
            "live" => modes.live = true,
            "sim" => modes.sim = true,
            other => return Err(Mistake::unknown(mode.line, "mode", other, MODES)),
        }
    }
    match list.value.is_empty() {
        true => {
            Err(Mistake::at(list.line, "'modes' names nothing; leave it out, or write [\"live\", \"sim\"]"))
        }
        false => Ok(Some(At { line: list.line, value: modes })),
    }
}

fn clock(root: &mut Fields<'_>) -> Result<(WallMs, Option<Duration>), Mistake> {
    let (mut begins, mut lasts) = (At { line: 1, value: BEGINS.to_owned() }, None);
    if let Some(mut table) = root.optional_table("clock")? {
        if let Some(text) = table.optional_text("begins")? {
            begins = text;
        }
        lasts = table.optional_span("lasts")?.map(|lasts| lasts.value);
        table.finish()?;
    }
    let japan = TimeZone::fixed(Offset::constant(9));
    let wall = begins.value.parse::<DateTime>().ok().and_then(|civil| civil.to_zoned(japan).ok());
    let wall = wall.and_then(|zoned| u64::try_from(zoned.timestamp().as_millisecond()).ok());
    let form = "'begins' must be a date and a time of day from 1970 on, such as \"2026-11-22T16:32\"";
    Ok((WallMs(wall.ok_or_else(|| Mistake::at(begins.line, form))?), lasts))
}

fn backup(
    root: &mut Fields<'_>,
    names: &mut Names,
) -> Result<(Option<ReplicaName>, Option<Duration>), Mistake> {
    let Some(mut table) = root.optional_table("backup")? else { return Ok((None, None)) };
    let gateway = names.replica(&table.text("gateway")?)?;
    let every = table.optional_span("every")?;
    if let Some(every) = every.as_ref().filter(|every| every.value < Duration::from_secs(60)) {
        return Err(Mistake::at(every.line, "'every' is at least \"1m\""));
    }
    table.finish()?;
    names.backup = true;
    Ok((Some(names.replicas[gateway].clone()), every.map(|every| every.value)))
}

fn cloud(root: &mut Fields<'_>, names: &Names) -> Result<Option<ReplicaName>, Mistake> {
    let Some(mut table) = root.optional_table("cloud")? else { return Ok(None) };
    let at = names.at(&mut table)?;
    table.finish()?;
    Ok(Some(names.replicas[at].clone()))
}

fn patients(root: &mut Fields<'_>) -> Result<BTreeMap<PatientAlias, PatientPlan>, Mistake> {
    let Some(mut table) = root.optional_table("patients")? else { return Ok(BTreeMap::new()) };
    let mut plans = BTreeMap::new();
    for (name, value) in table.rest() {
        let find = value.get_ref().as_table().and_then(|table| match table.iter().next() {
            Some((key, value)) if table.len() == 1 && key.get_ref() == "find" => value.get_ref().as_str(),
            Some(_) | None => None,
        });
        let Some(find) = find.filter(|find| !find.trim().is_empty()) else {
            let problem = format!("write {} = {{ find = \"a name or an identifier\" }}", name.value);
            return Err(Mistake::at(name.line, problem));
        };
        plans.insert(PatientAlias(name.value), PatientPlan { find: find.to_owned() });
    }
    Ok(plans)
}

fn event(mut table: Fields<'_>, names: &mut Names) -> Result<EventPlan, Mistake> {
    let line = table.line();
    let name = table.text("do")?;
    let Some(kind) = EVENTS.iter().find(|kind| kind.name == name.value) else {
        let known: Vec<&str> = EVENTS.iter().map(|kind| kind.name).collect();
        return Err(Mistake::unknown(name.line, "event", &name.value, &known));
    };
    table.become_a(format!("event '{}'", name.value), kind.keys);
    let time = table.optional_span("time")?.map(|time| time.value);
    let after = table.optional_number("after-ms")?.map_or(0, |after| after.value);
    let tell = table.told("tell")?;
    let waits = kind.keys.iter().any(|key| key.name == "outage-s");
    let outage = if waits { table.optional_number("outage-s")? } else { None };
    let outage = outage.map_or(0, |outage| outage.value);
    names.time = time;
    let event = (kind.read)(&mut table, names)?;
    table.finish()?;
    if let Some(alias) = event.registers() {
        if names.patients.contains(alias) {
            return Err(Mistake::at(
                line,
                format!("a patient is called '{alias}' already; choose another 'as'"),
            ));
        }
        names.patients.push(alias.clone());
    }
    let (after, outage) = (Duration::from_millis(after), Duration::from_secs(outage));
    Ok(EventPlan { line, time, after, outage, tell, event })
}

fn expectation(mut table: Fields<'_>, names: &Names) -> Result<At<Expectation>, Mistake> {
    let line = table.line();
    let name = table.text("name")?;
    let Some(kind) = EXPECTATIONS.iter().find(|kind| kind.name == name.value) else {
        let known: Vec<&str> = EXPECTATIONS.iter().map(|kind| kind.name).collect();
        return Err(Mistake::unknown(name.line, "expectation", &name.value, &known));
    };
    table.become_a(format!("expectation '{}'", name.value), kind.keys);
    let value = (kind.read)(&mut table, names)?;
    table.finish()?;
    Ok(At { line, value })
}
