//! Reading `[[link]]` and `[[mesh]]`: who reaches whom, over what.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU64;
use std::time::Duration;

use serde::Deserialize;
use toml::de::ValueDeserializer;

use super::error::Mistake;
use super::fields::Fields;
use super::model::{LinkPlan, LiveRefusal, ReplicaPlan};
use super::names::Names;
use crate::base::Area;
use crate::transport::LinkProfile;

/// The most links of a scenario.
pub const LINKS_MAX: usize = 50_000;
/// How a profile is called that the file describes itself.
const CUSTOM: &str = "custom";
/// The profile of a link whose profile the file does not name: a perfect line.
const UNNAMED: &str = "lan";
/// The shortest time between two meetings.
const MEETS_EVERY_MIN: Duration = Duration::from_secs(60);

/// What all links of a table have in common.
#[derive(Clone)]
struct Common {
    profile: LinkProfile,
    profile_name: String,
    survives: bool,
    meets_every: Option<Duration>,
}

/// Reads all links, single ones first; a mesh leaves out what is linked already. Notes their ends, and in `simulated`
/// the first line that only a simulation can do.
pub(super) fn links(
    root: &mut Fields<'_>,
    names: &mut Names,
    replicas: &[ReplicaPlan],
    simulated: &mut Option<LiveRefusal>,
) -> Result<Vec<LinkPlan>, Mistake> {
    let mut plans = Vec::new();
    let mut linked: BTreeSet<[usize; 2]> = BTreeSet::new();
    for mut table in root.tables("link")? {
        let Some(ends) = names.pair(&mut table)? else {
            return Err(
                table.missing("between", "needs 'between', two replicas such as [\"north\", \"south\"]")
            );
        };
        let common = common(&mut table, simulated)?;
        let line = table.line();
        table.finish()?;
        if !linked.insert(sorted(ends)) {
            let [one, other] = ends.map(|end| &names.replicas[end]);
            return Err(Mistake::at(line, format!("{one} and {other} are linked already")));
        }
        plans.push(common.link(ends, replicas));
    }
    for mut table in root.tables("mesh")? {
        let pairs = mesh(&mut table, names)?;
        let common = common(&mut table, simulated)?;
        let line = table.line();
        if pairs.is_empty() {
            return Err(table.mistake("links nothing: no two of these replicas share an area; see 'by-area'"));
        }
        table.finish()?;
        for ends in pairs {
            if linked.insert(sorted(ends)) {
                plans.push(common.link(ends, replicas));
            }
        }
        if plans.len() > LINKS_MAX {
            return Err(Mistake::at(line, format!("with this mesh there are more than {LINKS_MAX} links")));
        }
    }
    names.links = plans.iter().map(|plan| plan.ends).collect();
    names.surviving = (0..plans.len()).filter(|link| plans[*link].survives).collect();
    Ok(plans)
}

impl Common {
    fn link(&self, ends: [usize; 2], replicas: &[ReplicaPlan]) -> LinkPlan {
        let Common { profile, profile_name, survives, meets_every } = self.clone();
        let between = ends.map(|end| replicas[end].name.clone());
        LinkPlan { between, ends, profile, profile_name, survives, meets_every }
    }
}

fn sorted(mut ends: [usize; 2]) -> [usize; 2] {
    ends.sort_unstable();
    ends
}

fn common(table: &mut Fields<'_>, simulated: &mut Option<LiveRefusal>) -> Result<Common, Mistake> {
    let unnamed = || (LinkProfile::default(), UNNAMED.to_owned());
    let (mut profile, profile_name) = profile(table, "profile")?.unwrap_or_else(unnamed);
    let survives = table.optional_flag("survives")?.unwrap_or(false);
    let meets_every = table.optional_span("meets-every")?;
    if let Some(meets) = meets_every.as_ref().filter(|meets| meets.value < MEETS_EVERY_MIN) {
        return Err(Mistake::at(
            meets.line,
            "'meets-every' is at least \"1m\"; without it they are always linked",
        ));
    }
    let meets_every = meets_every.map(|meets| meets.value);
    let quota = table.optional_decimal("quota-mb-per-day")?;
    if meets_every.is_some() {
        let problem = "'meets-every' is for simulated drills; run it with --sim, or take it out";
        simulated.get_or_insert(LiveRefusal { line: table.line(), problem: problem.to_owned() });
    }
    if let Some(quota) = quota {
        profile.bytes_per_day = NonZeroU64::new((quota.value * 1e6) as u64);
    }
    Ok(Common { profile, profile_name, survives, meets_every })
}

/// Takes a link profile and what the file calls it; absent is none.
///
/// # Errors
/// A mistake when it is neither a known name nor a table of known keys.
pub fn profile(table: &mut Fields<'_>, key: &'static str) -> Result<Option<(LinkProfile, String)>, Mistake> {
    let Some(found) = table.optional_value(key) else { return Ok(None) };
    let name = found.value.get_ref().as_str().unwrap_or(CUSTOM).to_owned();
    <LinkProfile as Deserialize>::deserialize(ValueDeserializer::from(found.value.clone()))
        .map(|profile| Some((profile, name)))
        .map_err(|error| Mistake::at(found.line, error.message()))
}

/// Finds the pairs that a mesh links.
fn mesh(table: &mut Fields<'_>, names: &Names) -> Result<Vec<[usize; 2]>, Mistake> {
    let shape = table.text("shape")?;
    let by_area = table.optional_flag("by-area")?.unwrap_or(true);
    let of = table.optional_places("of")?;
    let between = table.optional_texts("between")?;
    let within = matches!(shape.value.as_str(), "hub" | "ring" | "full");
    match (within, of, between) {
        (true, Some(of), None) => {
            let members = names.members(&of.value)?;
            let groups = if by_area { by_areas(&members, names) } else { vec![members] };
            Ok(groups.iter().flat_map(|group| inside(&shape.value, group)).collect())
        }
        (false, None, Some(between)) => {
            let [one, other] = between.value.as_slice() else {
                return Err(Mistake::at(between.line, "'between' names two fleets, areas or replicas"));
            };
            let one = names.members(std::slice::from_ref(one))?;
            let other = names.members(std::slice::from_ref(other))?;
            Ok(across(&shape.value, by_area, &one, &other, names))
        }
        (true, _, _) => {
            Err(table.mistake(&format!("of shape '{}' takes 'of' and no 'between'", shape.value)))
        }
        (false, _, _) => {
            Err(table.mistake(&format!("of shape '{}' takes 'between' and no 'of'", shape.value)))
        }
    }
}

/// Sorts replicas by the areas that they hold; one that holds several is in several groups.
fn by_areas(members: &[usize], names: &Names) -> Vec<Vec<usize>> {
    let mut groups: BTreeMap<&Area, Vec<usize>> = BTreeMap::new();
    for member in members {
        for area in &names.areas[*member] {
            groups.entry(area).or_default().push(*member);
        }
    }
    groups.into_values().collect()
}

fn inside(shape: &str, group: &[usize]) -> Vec<[usize; 2]> {
    match (shape, group) {
        (_, [] | [_]) => Vec::new(),
        ("hub", [hub, others @ ..]) => others.iter().map(|other| [*hub, *other]).collect(),
        ("ring", [one, other]) => vec![[*one, *other]],
        ("ring", _) => {
            (0..group.len()).map(|place| [group[place], group[(place + 1) % group.len()]]).collect()
        }
        (_, _) => {
            let pairs = |place: usize| group[place + 1..].iter().map(move |other| [group[place], *other]);
            (0..group.len()).flat_map(pairs).collect()
        }
    }
}

fn across(shape: &str, by_area: bool, one: &[usize], other: &[usize], names: &Names) -> Vec<[usize; 2]> {
    let near = |a: usize, b: usize| a != b && (!by_area || !names.areas[a].is_disjoint(&names.areas[b]));
    let mut pairs = Vec::new();
    let mut taken: BTreeMap<usize, usize> = BTreeMap::new();
    for a in one {
        let partners = other.iter().filter(|b| near(*a, **b));
        if shape == "all" {
            pairs.extend(partners.map(|b| [*a, *b]));
        } else if let Some(b) = partners.min_by_key(|b| taken.get(b).copied().unwrap_or(0)) {
            // Round robin: the partner with the fewest so far, of equal ones the first.
            *taken.entry(*b).or_default() += 1;
            pairs.push([*a, *b]);
        }
    }
    pairs
}
