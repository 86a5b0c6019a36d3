//! The names that events and expectations may use, and what they stand for.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use super::error::Mistake;
use super::fields::{At, Fields};
use super::model::{PatientAlias, ReplicaName};
use crate::base::Area;
use crate::drill::chance::Chance;

/// The names of a scenario that is being read.
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// The replicas, in their order.
    pub replicas: Vec<ReplicaName>,
    /// The areas of each replica.
    pub areas: Vec<BTreeSet<Area>>,
    /// The fleets and their replicas.
    pub fleets: Vec<(String, Range<usize>)>,
    /// The ends of each link.
    pub links: Vec<[usize; 2]>,
    /// The links that only events which name them cut or spoil.
    pub surviving: BTreeSet<usize>,
    /// The patients, those that events above register included.
    pub patients: Vec<PatientAlias>,
    /// Whether there is a backup.
    pub backup: bool,
    /// The first line that names the backup's bucket as a peer.
    pub bucket_line: Option<usize>,
    /// Where data files are looked for.
    pub folder: PathBuf,
    /// When the event that is being read happens, if it says so.
    pub time: Option<Duration>,
}

/// Replicas that an event concerns.
#[derive(Debug, Clone, PartialEq)]
pub struct Whom {
    /// Them.
    pub members: Vec<usize>,
    /// The share of them that is meant, chosen at random.
    pub share: Option<f64>,
    /// How the file calls them.
    pub called: String,
}

/// Links that an event concerns.
#[derive(Debug, Clone, PartialEq)]
pub struct Lines {
    /// Them.
    pub links: Vec<usize>,
    /// The share of them that is meant, chosen at random.
    pub share: Option<f64>,
}

/// Links that an event may name.
#[derive(Debug, Clone, PartialEq)]
pub struct OptionalLines {
    /// Them; none when it names none.
    pub links: Option<Vec<usize>>,
    /// Whether it names one of them by its ends, in `between`.
    pub named: bool,
    /// The share of them, or of what it means otherwise.
    pub share: Option<f64>,
}

impl Whom {
    /// Chooses those that are meant.
    pub fn choose(&self, chance: &mut Chance) -> Vec<usize> {
        chosen(&self.members, self.share, chance)
    }

    /// Says whether all of them are meant.
    pub fn all(&self) -> bool {
        self.share.is_none_or(|share| share >= 1.0)
    }
}

impl Lines {
    /// Chooses those that are meant.
    pub fn choose(&self, chance: &mut Chance) -> Vec<usize> {
        chosen(&self.links, self.share, chance)
    }
}

fn chosen(list: &[usize], share: Option<f64>, chance: &mut Chance) -> Vec<usize> {
    match share {
        None => list.to_vec(),
        Some(share) => chance.sample(list, share),
    }
}

impl Names {
    /// Finds a replica.
    ///
    /// # Errors
    /// A mistake when there is none, with the nearest name.
    pub fn replica(&self, text: &At<String>) -> Result<usize, Mistake> {
        let found = self.replicas.iter().position(|name| name.0 == text.value);
        found.ok_or_else(|| {
            let known: Vec<&str> = self.replicas.iter().map(|name| name.0.as_str()).collect();
            Mistake::unknown(text.line, "replica", &text.value, &known)
        })
    }

    /// Takes the replica of the key `at`.
    ///
    /// # Errors
    /// A mistake when it is missing, or names no replica.
    pub fn at(&self, table: &mut Fields<'_>) -> Result<usize, Mistake> {
        self.replica(&table.text("at")?)
    }

    /// Takes the replicas of the key `at`, and the share of them; without it all of them.
    ///
    /// # Errors
    /// A mistake when a name is neither a replica nor a fleet nor an area.
    pub fn whom(&self, table: &mut Fields<'_>) -> Result<Whom, Mistake> {
        let Some(at) = table.optional_places("at")? else {
            return Err(table.missing("at", "needs 'at': a replica, a fleet, an area, or a list of those"));
        };
        let share = table.optional_decimal("share")?.map(|share| share.value);
        let members = self.members(&at.value)?;
        let called = at.value.iter().map(|name| name.value.as_str()).collect::<Vec<_>>().join(", ");
        Ok(Whom { members, share, called })
    }

    /// Takes the replicas of the key `at`, all of them.
    ///
    /// # Errors
    /// As [`Names::whom`].
    pub fn whom_at(&self, table: &mut Fields<'_>) -> Result<Vec<usize>, Mistake> {
        let at = table.optional_places("at")?;
        let at = at.ok_or_else(|| {
            table.missing("at", "needs 'at': a replica, a fleet, an area, or a list of those")
        })?;
        self.members(&at.value)
    }

    /// Finds the replicas that a list of names stands for, each once, in their order.
    ///
    /// # Errors
    /// A mistake when a name is neither a replica nor a fleet nor an area that some replica holds.
    pub fn members(&self, names: &[At<String>]) -> Result<Vec<usize>, Mistake> {
        let mut members = BTreeSet::new();
        for name in names {
            if let Some(place) = self.replicas.iter().position(|replica| replica.0 == name.value) {
                members.insert(place);
                continue;
            }
            if let Some((_, range)) = self.fleets.iter().find(|(fleet, _)| *fleet == name.value) {
                members.extend(range.clone());
                continue;
            }
            let holds = |areas: &BTreeSet<Area>| areas.iter().any(|area| area.as_str() == name.value);
            let holders: Vec<usize> =
                (0..self.areas.len()).filter(|place| holds(&self.areas[*place])).collect();
            if holders.is_empty() {
                let singles = self.singles();
                let areas: BTreeSet<&str> = self.areas.iter().flatten().map(Area::as_str).collect();
                let fleets = self.fleets.iter().map(|(name, _)| name.as_str());
                let known: Vec<&str> = singles.into_iter().chain(fleets).chain(areas).collect();
                return Err(Mistake::unknown(name.line, "replica, fleet or area", &name.value, &known));
            }
            members.extend(holders);
        }
        Ok(members.into_iter().collect())
    }

    /// Finds a patient.
    ///
    /// # Errors
    /// A mistake when there is none, with the nearest name.
    pub fn patient(&self, text: &At<String>) -> Result<PatientAlias, Mistake> {
        let known: Vec<&str> = self.patients.iter().map(|name| name.0.as_str()).collect();
        match known.contains(&text.value.as_str()) {
            true => Ok(PatientAlias(text.value.clone())),
            false => Err(Mistake::unknown(text.line, "patient", &text.value, &known)),
        }
    }

    /// Takes the two names of `between`, as places.
    ///
    /// # Errors
    /// A mistake when they are not two, or name no replica.
    pub fn pair(&self, table: &mut Fields<'_>) -> Result<Option<[usize; 2]>, Mistake> {
        let Some(list) = table.optional_texts("between")? else { return Ok(None) };
        let [one, other] = list.value.as_slice() else {
            return Err(Mistake::at(list.line, "'between' names two replicas"));
        };
        let pair = [self.replica(one)?, self.replica(other)?];
        if pair[0] == pair[1] {
            return Err(Mistake::at(
                list.line,
                format!("'{}' has no link to itself", self.replicas[pair[0]]),
            ));
        }
        Ok(Some(pair))
    }

    /// Takes the link of `between`, if it is there.
    ///
    /// # Errors
    /// A mistake when no link joins the two.
    pub fn link(&self, table: &mut Fields<'_>) -> Result<Option<usize>, Mistake> {
        let Some(pair) = self.pair(table)? else { return Ok(None) };
        let same = |link: &[usize; 2]| pair.iter().all(|end| link.contains(end));
        let [one, other] = pair.map(|end| &self.replicas[end]);
        let found = self.links.iter().position(same);
        let linked = || {
            let others = self.links.iter().filter(|link| link.contains(&pair[0]));
            let names: Vec<String> = others
                .map(|link| if link[0] == pair[0] { link[1] } else { link[0] })
                .map(|end| self.replicas[end].to_string())
                .collect();
            if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
        };
        found.map(Some).ok_or_else(|| {
            table.mistake(&format!(
                "names {one} and {other}, which no link joins ({one} is linked to {})",
                linked()
            ))
        })
    }

    /// Takes the links of `between`, or of `at` (every link of those replicas), and the share of them; without
    /// either every link. Links that survive are left out unless `between` names them.
    ///
    /// # Errors
    /// A mistake when a name is unknown, or nothing is meant.
    pub fn lines(&self, table: &mut Fields<'_>) -> Result<Lines, Mistake> {
        let OptionalLines { links, named, share } = self.optional_lines(table)?;
        if links.as_ref().is_none_or(Vec::is_empty) && self.links.is_empty() {
            return Err(table.mistake("means no link: none is planned; add a [[link]] or a [[mesh]]"));
        }
        let links = links.unwrap_or_else(|| (0..self.links.len()).collect());
        Ok(Lines { links: if named { links } else { self.struck(table, links)? }, share })
    }

    /// Leaves out the links that survive what does not name them.
    ///
    /// # Errors
    /// A mistake when none is left.
    pub fn struck(&self, table: &Fields<'_>, links: Vec<usize>) -> Result<Vec<usize>, Mistake> {
        let any = !links.is_empty();
        let struck: Vec<usize> = links.into_iter().filter(|link| !self.surviving.contains(link)).collect();
        match any && struck.is_empty() {
            true => Err(table.mistake(
                "means only links that survive ('survives = true'); name one of them in 'between', or take that out",
            )),
            false => Ok(struck),
        }
    }

    /// Takes the links of `between`, or of `at` (every link of those replicas), if either is there, and the share
    /// of them.
    ///
    /// # Errors
    /// A mistake when a name is unknown, or no link is planned there.
    pub fn optional_lines(&self, table: &mut Fields<'_>) -> Result<OptionalLines, Mistake> {
        let between = self.link(table)?;
        let at = table.optional_places("at")?;
        let share = table.optional_decimal("share")?.map(|share| share.value);
        let links = match (between, at) {
            (Some(_), Some(_)) => return Err(table.mistake("takes either 'between' or 'at'")),
            (Some(link), None) => Some(vec![link]),
            (None, None) => None,
            (None, Some(at)) => {
                let members = self.members(&at.value)?;
                let touches = |link: &usize| self.links[*link].iter().any(|end| members.contains(end));
                let links: Vec<usize> = (0..self.links.len()).filter(touches).collect();
                if links.is_empty() {
                    return Err(Mistake::at(
                        at.line,
                        "no link is planned there; add a [[link]] or a [[mesh]]",
                    ));
                }
                Some(links)
            }
        };
        Ok(OptionalLines { links, named: between.is_some(), share })
    }

    /// Takes how long an event lasts: `for`, or `until` less its time.
    ///
    /// # Errors
    /// A mistake when both are there, or `until` is not after `time`.
    pub fn lasting(&self, table: &mut Fields<'_>) -> Result<Option<Duration>, Mistake> {
        let (lasting, until) = (table.optional_span("for")?, table.optional_span("until")?);
        match (lasting, until) {
            (Some(_), Some(until)) => Err(Mistake::at(until.line, "takes either 'for' or 'until'")),
            (lasting, None) => Ok(lasting.map(|lasting| lasting.value)),
            (None, Some(until)) => match self.time {
                None => Err(Mistake::at(until.line, "'until' needs 'time' beside it; or write 'for'")),
                Some(time) if until.value <= time => {
                    Err(Mistake::at(until.line, "'until' is not after 'time'; it counts from time zero, too"))
                }
                Some(time) => Ok(Some(until.value - time)),
            },
        }
    }

    /// Notes that a table needs a backup, when there is none.
    ///
    /// # Errors
    /// That mistake.
    pub fn needs_backup(&self, table: &Fields<'_>) -> Result<(), Mistake> {
        match self.backup {
            true => Ok(()),
            false => Err(table.mistake("needs a backup: add [backup] with gateway = \"a replica\"")),
        }
    }

    /// The replicas that are in no fleet, by name.
    fn singles(&self) -> Vec<&str> {
        let in_fleet = |place: &usize| self.fleets.iter().any(|(_, range)| range.contains(place));
        (0..self.replicas.len())
            .filter(|place| !in_fleet(place))
            .map(|place| self.replicas[place].0.as_str())
            .collect()
    }
}
