//! From the text of a scenario file to a scenario.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use toml::de::{DeTable, ValueDeserializer};

use super::check;
use super::error::{Mistake, ScenarioError};
use super::fields::{At, Fields, line_of};
use super::model::{
    Expectation, LinkPlan, PatientAlias, PatientPlan, ReplicaName, ReplicaPlan, Scenario, Told,
};
use super::read_step;
use crate::base::Area;
use crate::identity::{DeviceRole, SiteKind};
use crate::record::Author;
use crate::transport::LinkProfile;

const KINDS: [(&str, SiteKind); 7] = [
    ("hospital", SiteKind::Hospital),
    ("clinic", SiteKind::Clinic),
    ("pharmacy", SiteKind::Pharmacy),
    ("care-home", SiteKind::CareHome),
    ("shelter", SiteKind::Shelter),
    ("ambulance", SiteKind::Ambulance),
    ("cloud", SiteKind::Cloud),
];
/// The sections whose rules find conflicts, as `crate::record::sections` names them.
const SECTIONS: [(&str, ()); 6] = [
    ("demographics", ()),
    ("allergies", ()),
    ("problems", ()),
    ("medication", ()),
    ("notes", ()),
    ("other", ()),
];
const ROLES: [(&str, DeviceRole); 3] =
    [("hospital", DeviceRole::Hospital), ("tablet", DeviceRole::Tablet), ("gateway", DeviceRole::Gateway)];

impl Scenario {
    /// Reads and checks a scenario; data files are looked for beside it.
    ///
    /// # Errors
    /// [`ScenarioError`] naming the file, the line and what to write instead.
    pub fn read(path: &Path) -> Result<Self, ScenarioError> {
        let wrong = |source| ScenarioError::Read { path: path.to_owned(), source };
        let text = fs::read_to_string(path).map_err(wrong)?;
        let path = fs::canonicalize(path).map_err(wrong)?;
        let name = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let folder = path.parent().unwrap_or(Path::new("/"));
        parse(&name, &text, folder).map_err(|mistake| ScenarioError::Wrong {
            path: path.clone(),
            line: mistake.line,
            problem: mistake.problem,
        })
    }
}

/// The names that steps and expectations may use.
pub(super) struct Names {
    /// The replicas.
    pub replicas: Vec<ReplicaName>,
    /// The ends of each link.
    pub links: Vec<[ReplicaName; 2]>,
    /// The patients, those that steps register included.
    pub patients: Vec<PatientAlias>,
    /// Whether there is a backup.
    pub backup: bool,
}

/// Reads and checks a scenario.
pub(super) fn parse(name: &str, text: &str, folder: &Path) -> Result<Scenario, Mistake> {
    let document = DeTable::parse(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_of(text, span.start));
        Mistake::at(line, format!("this is not TOML: {}", error.message()))
    })?;
    let mut root = Fields::new("the scenario", text, 1, document.get_ref());
    let title = told(&mut root, "title")?;
    let story = told(&mut root, "story")?;
    let realm = root.text("realm")?.value;
    let replicas = replicas(&mut root)?;
    let mut names = Names {
        replicas: replicas.iter().map(|replica| replica.name.clone()).collect(),
        links: Vec::new(),
        patients: Vec::new(),
        backup: false,
    };
    let links = links(&mut root, &names)?;
    names.links = links.iter().map(|link| link.between.clone()).collect();
    let gateway = gateway(&mut root, &names)?;
    names.backup = gateway.is_some();
    let patients = patients(&mut root)?;
    names.patients = patients.keys().cloned().collect();
    let mut steps = Vec::new();
    for table in root.tables("step")? {
        let step = read_step::step(table, &names, folder)?;
        if let super::model::Action::Register { alias, .. } = &step.action {
            if names.patients.contains(alias) {
                return Err(Mistake::at(step.line, format!("a patient is called '{alias}' already")));
            }
            names.patients.push(alias.clone());
        }
        steps.push(step);
    }
    let mut expectations = Vec::new();
    for table in root.tables("expect")? {
        expectations.push(expectation(table, &names)?);
    }
    if steps.is_empty() {
        return Err(root.mistake("has no [[step]]: nothing would happen"));
    }
    if expectations.is_empty() {
        return Err(root.mistake("has no [[expect]]: the drill could not fail"));
    }
    root.finish()?;
    let name = name.to_owned();
    let scenario =
        Scenario { name, title, story, realm, replicas, links, gateway, patients, steps, expectations };
    check::check(&scenario)?;
    Ok(scenario)
}

fn told(root: &mut Fields<'_>, key: &'static str) -> Result<Told, Mistake> {
    let Some(mut table) = root.optional_table(key)? else {
        return Err(root.mistake(&format!("needs '{key}': write {key} = {{ en = \"…\", ja = \"…\" }}")));
    };
    let ja = table.optional_text("ja")?.map(|text| text.value).unwrap_or_default();
    let en = table.text("en")?.value;
    table.finish()?;
    Ok(Told { ja, en })
}

fn replicas(root: &mut Fields<'_>) -> Result<Vec<ReplicaPlan>, Mistake> {
    let mut plans: Vec<ReplicaPlan> = Vec::new();
    for mut table in root.tables("replica")? {
        let name = table.text("name")?;
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !name.value.chars().all(plain) {
            return Err(Mistake::at(name.line, "a replica's name is made of a-z, 0-9 and '-'"));
        }
        if plans.iter().any(|plan| plan.name.0 == name.value) {
            return Err(Mistake::at(name.line, format!("two replicas are called '{}'", name.value)));
        }
        let site = table.text("site")?.value;
        let kind = table.text("kind")?.choose("kind of site", &KINDS)?;
        let role = table.text("role")?.choose("role", &ROLES)?;
        let areas = areas(&mut table)?;
        let Some(mut author) = table.optional_table("author")? else {
            return Err(table.mistake("needs 'author': write author = { name = \"…\", role = \"doctor\" }"));
        };
        let person = Author { name: author.text("name")?.value, role: author.text("role")?.value };
        author.finish()?;
        table.finish()?;
        plans.push(ReplicaPlan { name: ReplicaName(name.value), site, kind, role, areas, author: person });
    }
    if plans.is_empty() { Err(root.mistake("has no [[replica]]")) } else { Ok(plans) }
}

fn areas(table: &mut Fields<'_>) -> Result<BTreeSet<Area>, Mistake> {
    let Some(list) = table.optional_texts("areas")? else {
        return Err(table.mistake("needs 'areas', such as [\"shared/miura\"]"));
    };
    if list.value.is_empty() {
        return Err(Mistake::at(list.line, "a replica holds at least one area, such as \"shared/miura\""));
    }
    let area =
        |text: &At<String>| Area::new(&text.value).map_err(|error| Mistake::at(text.line, error.to_string()));
    list.value.iter().map(area).collect()
}

fn links(root: &mut Fields<'_>, names: &Names) -> Result<Vec<LinkPlan>, Mistake> {
    let mut plans: Vec<LinkPlan> = Vec::new();
    for mut table in root.tables("link")? {
        let between = names.pair(&mut table)?;
        let same = |plan: &LinkPlan| between.iter().all(|end| plan.between.contains(end));
        if plans.iter().any(same) {
            let problem = format!("{} and {} are linked already", between[0], between[1]);
            return Err(Mistake::at(table.line(), problem));
        }
        let profile = match table.optional_value("profile") {
            None => LinkProfile::default(),
            Some(found) => LinkProfile::deserialize(ValueDeserializer::from(found.value.clone()))
                .map_err(|error| Mistake::at(found.line, error.message()))?,
        };
        table.finish()?;
        plans.push(LinkPlan { between, profile });
    }
    Ok(plans)
}

fn gateway(root: &mut Fields<'_>, names: &Names) -> Result<Option<ReplicaName>, Mistake> {
    let Some(mut table) = root.optional_table("backup")? else { return Ok(None) };
    let gateway = names.replica(&table.text("gateway")?)?;
    table.finish()?;
    Ok(Some(gateway))
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

fn expectation(mut table: Fields<'_>, names: &Names) -> Result<Expectation, Mistake> {
    #[derive(Clone, Copy)]
    enum Which {
        Plain(fn() -> Expectation),
        Conflict,
        Alert,
        Handover,
    }
    let options = [
        ("heads-differ-before-heal", Which::Plain(|| Expectation::HeadsDifferBeforeHeal)),
        ("heads-equal-after-heal", Which::Plain(|| Expectation::HeadsEqualAfterHeal)),
        ("no-acknowledged-write-lost", Which::Plain(|| Expectation::NoAcknowledgedWriteLost)),
        ("conflict-open", Which::Conflict),
        ("alert-open", Which::Alert),
        ("restored-heads-equal", Which::Plain(|| Expectation::RestoredHeadsEqual)),
        ("handover-has-all", Which::Handover),
        ("records-equal", Which::Plain(|| Expectation::RecordsEqual)),
    ];
    let name = table.text("name")?;
    let which = name.choose("expectation", &options)?;
    table.rename(format!("expectation '{}'", name.value));
    let expectation = match which {
        Which::Plain(make) => make(),
        Which::Conflict => {
            let section = table.text("section")?;
            section.choose("section", &SECTIONS)?;
            let kind = table.text("kind")?.value;
            Expectation::ConflictOpen { section: section.value, kind, patient: names.maybe(&mut table)? }
        }
        Which::Alert => {
            Expectation::AlertOpen { kind: table.text("kind")?.value, patient: names.maybe(&mut table)? }
        }
        Which::Handover => Expectation::HandoverHasAll { patient: names.patient(&table.text("patient")?)? },
    };
    table.finish()?;
    Ok(expectation)
}

impl Names {
    /// Finds a replica.
    pub fn replica(&self, text: &At<String>) -> Result<ReplicaName, Mistake> {
        let known: Vec<&str> = self.replicas.iter().map(|name| name.0.as_str()).collect();
        match known.contains(&text.value.as_str()) {
            true => Ok(ReplicaName(text.value.clone())),
            false => Err(Mistake::unknown(text.line, "replica", &text.value, &known)),
        }
    }

    /// Finds a patient.
    pub fn patient(&self, text: &At<String>) -> Result<PatientAlias, Mistake> {
        let known: Vec<&str> = self.patients.iter().map(|name| name.0.as_str()).collect();
        match known.contains(&text.value.as_str()) {
            true => Ok(PatientAlias(text.value.clone())),
            false => Err(Mistake::unknown(text.line, "patient", &text.value, &known)),
        }
    }

    fn maybe(&self, table: &mut Fields<'_>) -> Result<Option<PatientAlias>, Mistake> {
        table.optional_text("patient")?.map(|text| self.patient(&text)).transpose()
    }

    /// Takes the two replicas of `between`.
    pub fn pair(&self, table: &mut Fields<'_>) -> Result<[ReplicaName; 2], Mistake> {
        let Some(list) = table.optional_texts("between")? else {
            return Err(table.mistake("needs 'between', two replicas such as [\"north\", \"south\"]"));
        };
        let [one, other] = list.value.as_slice() else {
            return Err(Mistake::at(list.line, "'between' names two replicas"));
        };
        let pair = [self.replica(one)?, self.replica(other)?];
        if pair[0] == pair[1] {
            return Err(Mistake::at(list.line, format!("'{}' has no link to itself", pair[0])));
        }
        Ok(pair)
    }
}
