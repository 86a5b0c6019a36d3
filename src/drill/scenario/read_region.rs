//! Reading `[[replica]]` and `[[fleet]]`: who takes part.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::error::Mistake;
use super::fields::{At, Fields};
use super::model::{FleetPlan, ReplicaName, ReplicaPlan, StorePlan};
use super::names::Names;
use crate::base::{Area, Part};
use crate::identity::{DeviceRole, SiteKind};
use crate::record::Author;

/// The most replicas of a scenario.
pub const REPLICAS_MAX: usize = 5_000;

/// The shortest time between two looks into a bucket.
const BUCKET_EVERY_MIN: Duration = Duration::from_secs(10);

const KINDS: [(&str, SiteKind); 7] = [
    ("hospital", SiteKind::Hospital),
    ("clinic", SiteKind::Clinic),
    ("pharmacy", SiteKind::Pharmacy),
    ("care-home", SiteKind::CareHome),
    ("shelter", SiteKind::Shelter),
    ("ambulance", SiteKind::Ambulance),
    ("cloud", SiteKind::Cloud),
];
const ROLES: [(&str, DeviceRole); 3] =
    [("hospital", DeviceRole::Hospital), ("tablet", DeviceRole::Tablet), ("gateway", DeviceRole::Gateway)];

/// Reads all replicas, single ones first, and notes their names.
pub(super) fn replicas(
    root: &mut Fields<'_>,
    names: &mut Names,
) -> Result<(Vec<ReplicaPlan>, Vec<FleetPlan>), Mistake> {
    let mut plans: Vec<ReplicaPlan> = Vec::new();
    let mut fleets: Vec<FleetPlan> = Vec::new();
    for mut table in root.tables("replica")? {
        let name = name(&mut table, &plans, &fleets)?;
        plans.push(replica(table, name, names)?);
    }
    for mut table in root.tables("fleet")? {
        let name = name(&mut table, &plans, &fleets)?;
        let begin = plans.len();
        let members = fleet(table, &name, names)?;
        if plans.len() + members.len() > REPLICAS_MAX {
            let problem =
                format!("with this fleet there are more than {REPLICAS_MAX} replicas; say less in 'count'");
            return Err(Mistake::at(name.line, problem));
        }
        if let Some(twice) = members.iter().find(|member| plans.iter().any(|plan| plan.name == member.name)) {
            return Err(Mistake::at(name.line, format!("two replicas are called '{}'", twice.name)));
        }
        plans.extend(members);
        fleets.push(FleetPlan { name: name.value, members: begin..plans.len() });
    }
    if plans.is_empty() {
        return Err(root.missing("replica", "has no [[replica]] and no [[fleet]]"));
    }
    names.replicas = plans.iter().map(|plan| plan.name.clone()).collect();
    names.areas = plans.iter().map(|plan| plan.areas.clone()).collect();
    names.fleets = fleets.iter().map(|fleet| (fleet.name.clone(), fleet.members.clone())).collect();
    Ok((plans, fleets))
}

fn name(table: &mut Fields<'_>, plans: &[ReplicaPlan], fleets: &[FleetPlan]) -> Result<At<String>, Mistake> {
    let name = table.text("name")?;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !name.value.chars().all(plain) {
        return Err(Mistake::at(name.line, "a replica's name is made of a-z, 0-9 and '-'"));
    }
    let taken = plans.iter().any(|plan| plan.name.0 == name.value)
        || fleets.iter().any(|fleet| fleet.name == name.value);
    match taken {
        true => Err(Mistake::at(name.line, format!("two replicas are called '{}'", name.value))),
        false => Ok(name),
    }
}

fn replica(mut table: Fields<'_>, name: At<String>, names: &mut Names) -> Result<ReplicaPlan, Mistake> {
    let site = table.text("site")?.value;
    let kind = table.text("kind")?.choose("kind", &KINDS)?;
    let role = table.text("role")?.choose("role", &ROLES)?;
    let areas: BTreeSet<Area> = areas(&mut table)?.value.into_iter().collect();
    let (held, bucket_every) = (Held::read(&mut table)?, bucket(&mut table, names)?);
    let in_part = held.of(&areas);
    let Some(author) = author(&mut table)? else {
        return Err(
            table.missing("author", "needs 'author': write author = { name = \"…\", role = \"doctor\" }")
        );
    };
    let (store, reserve) = (store(&mut table)?, reserve(&mut table)?);
    table.finish()?;
    let name = ReplicaName(name.value);
    Ok(ReplicaPlan { name, site, kind, role, areas, in_part, bucket_every, author, store, reserve })
}

fn fleet(mut table: Fields<'_>, name: &At<String>, names: &mut Names) -> Result<Vec<ReplicaPlan>, Mistake> {
    let Some(count) = table.optional_number("count")? else {
        return Err(table.missing("count", "needs 'count': how many replicas"));
    };
    let count = usize::try_from(count.value).unwrap_or(usize::MAX);
    let site = table.optional_text("site")?.map_or(name.value.clone(), |site| site.value);
    let kinds = mix(&mut table, count)?;
    let role = table.optional_text("role")?;
    let role = role.map_or(Ok(DeviceRole::Hospital), |role| role.choose("role", &ROLES))?;
    let areas = areas(&mut table)?;
    let each = each(&mut table, areas.value.len())?;
    let (held, bucket_every) = (Held::read(&mut table)?, bucket(&mut table, names)?);
    let author = author(&mut table)?;
    let (store, reserve) = (store(&mut table)?, reserve(&mut table)?);
    let sample = table.optional_number("disk-sample")?;
    if let Some(sample) = sample.as_ref().filter(|_| store == StorePlan::Disk) {
        return Err(Mistake::at(
            sample.line,
            "'disk-sample' is for a fleet with store = \"memory\"; add that, or leave it out",
        ));
    }
    let sample = sample.map_or(0, |sample| usize::try_from(sample.value).unwrap_or(usize::MAX)).min(count);
    table.finish()?;
    let digits = count.to_string().len().max(3);
    let member = |(place, kind): (usize, SiteKind)| {
        let number = place + 1;
        let dealt: BTreeSet<Area> =
            (0..each).map(|next| areas.value[(place * each + next) % areas.value.len()].clone()).collect();
        // The sample is spread over the fleet: one of its members begins each of so many equal parts.
        let sampled = (place * sample).div_ceil(count) != ((place + 1) * sample).div_ceil(count);
        let own = || Author { name: format!("{site} {number} 当直"), role: "doctor".to_owned() };
        ReplicaPlan {
            name: ReplicaName(format!("{}-{number:0digits$}", name.value)),
            site: format!("{site} {number}"),
            kind,
            role,
            in_part: held.of(&dealt),
            areas: dealt,
            bucket_every,
            author: author.clone().unwrap_or_else(own),
            store: if sampled { StorePlan::Disk } else { store },
            reserve,
        }
    };
    Ok(kinds.into_iter().enumerate().map(member).collect())
}

/// What is held in part.
struct Held {
    /// Of one's own areas; none is all.
    own: Option<BTreeSet<Part>>,
    /// Of others.
    others: BTreeMap<Area, BTreeSet<Part>>,
}

impl Held {
    fn read(table: &mut Fields<'_>) -> Result<Self, Mistake> {
        let (own, mut others) = (table.optional_parts("parts")?, BTreeMap::new());
        for mut table in table.tables("subscription")? {
            let (areas, parts) = (areas(&mut table)?, table.optional_parts("parts")?);
            let parts = parts.ok_or_else(|| table.missing("parts", "needs 'parts', such as [\"card\"]"))?;
            table.finish()?;
            for area in areas.value {
                others.entry(area).or_insert_with(BTreeSet::new).extend(parts.iter().copied());
            }
        }
        Ok(Self { own, others })
    }

    /// What is held in part by a replica that has these areas of its own.
    fn of(&self, own: &BTreeSet<Area>) -> BTreeMap<Area, BTreeSet<Part>> {
        let others = self.others.iter().filter(|(area, _)| !own.contains(*area));
        let others = others.map(|(area, parts)| (area.clone(), parts.clone()));
        let of_own = self.own.iter().flat_map(|parts| own.iter().map(|area| (area.clone(), parts.clone())));
        others.chain(of_own).collect()
    }
}

/// How often it syncs through a bucket; where that is said first is noted.
fn bucket(table: &mut Fields<'_>, names: &mut Names) -> Result<Option<Duration>, Mistake> {
    let Some(every) = table.optional_span("bucket-every")? else { return Ok(None) };
    if every.value < BUCKET_EVERY_MIN {
        return Err(Mistake::at(every.line, "'bucket-every' is at least \"10s\""));
    }
    names.bucket_line.get_or_insert(every.line);
    Ok(Some(every.value))
}

/// Deals kinds to so many replicas, so that after each of them the weights are kept as well as can be.
fn mix(table: &mut Fields<'_>, count: usize) -> Result<Vec<SiteKind>, Mistake> {
    let Some(mut mix) = table.optional_table("mix")? else {
        return Err(table.missing("mix", "needs 'mix', such as { hospital = 1, clinic = 6 }"));
    };
    let mut weights = Vec::new();
    for (name, kind) in KINDS {
        weights.push((kind, mix.optional_decimal(name)?.map_or(0.0, |weight| weight.value)));
    }
    let total: f64 = weights.iter().map(|(_, weight)| weight).sum();
    if total <= 0.0 {
        return Err(mix.mistake("weighs nothing; write such as { hospital = 1, clinic = 6 }"));
    }
    mix.finish()?;
    let mut dealt = vec![0.0; weights.len()];
    let deal = |number: usize| {
        let owed = |place: usize| weights[place].1 / total * number as f64 - dealt[place];
        // The greatest debt; of equal ones the first.
        let next = (0..weights.len()).rev().max_by(|a, b| owed(*a).total_cmp(&owed(*b))).unwrap_or(0);
        dealt[next] += 1.0;
        weights[next].0
    };
    Ok((1..=count).map(deal).collect())
}

fn each(table: &mut Fields<'_>, areas: usize) -> Result<usize, Mistake> {
    let Some(found) = table.optional_value("areas-each") else { return Ok(1) };
    let value = found.value.get_ref();
    if value.as_str() == Some("all") {
        return Ok(areas);
    }
    let number = value.as_integer().and_then(|number| number.as_str().parse::<usize>().ok());
    number.filter(|number| (1..=areas).contains(number)).ok_or_else(|| {
        Mistake::at(found.line, format!("'areas-each' must be a number from 1 to {areas}, or \"all\""))
    })
}

fn areas(table: &mut Fields<'_>) -> Result<At<Vec<Area>>, Mistake> {
    let Some(list) = table.optional_texts("areas")? else {
        return Err(table.missing("areas", "needs 'areas', such as [\"shared/miura\"]"));
    };
    if list.value.is_empty() {
        return Err(Mistake::at(list.line, "a replica holds at least one area, such as \"shared/miura\""));
    }
    let area =
        |text: &At<String>| Area::new(&text.value).map_err(|error| Mistake::at(text.line, error.to_string()));
    let areas = list.value.iter().map(area).collect::<Result<Vec<Area>, Mistake>>()?;
    if areas.iter().collect::<BTreeSet<_>>().len() < areas.len() {
        return Err(Mistake::at(list.line, "'areas' names an area twice"));
    }
    Ok(At { line: list.line, value: areas })
}

fn author(table: &mut Fields<'_>) -> Result<Option<Author>, Mistake> {
    let Some(mut author) = table.optional_table("author")? else { return Ok(None) };
    let person = Author { name: author.text("name")?.value, role: author.text("role")?.value };
    author.finish()?;
    Ok(Some(person))
}

fn store(table: &mut Fields<'_>) -> Result<StorePlan, Mistake> {
    let options = [("disk", StorePlan::Disk), ("memory", StorePlan::Memory)];
    table.optional_text("store")?.map_or(Ok(StorePlan::Disk), |store| store.choose("store", &options))
}

/// How long the battery and then the generator carry it; none when neither is named: for ever.
fn reserve(table: &mut Fields<'_>) -> Result<Option<Duration>, Mistake> {
    let (battery, generator) = (table.optional_decimal("battery-h")?, table.optional_decimal("generator-h")?);
    if battery.is_none() && generator.is_none() {
        return Ok(None);
    }
    let hours = battery.map_or(0.0, |hours| hours.value) + generator.map_or(0.0, |hours| hours.value);
    Ok(Some(Duration::from_secs_f64(hours * 3_600.0)))
}
