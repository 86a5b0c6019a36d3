//! Hindsight: of a possible harm, who wrote its sides knowing of the other, who could not know it, and since when the
//! harm was possible.
//!
//! Rule: an author knew of a statement if the author's replica had heard it before the author wrote; how far a replica
//! had heard is for whoever asks to tell ([`Heard`]), never for clocks. Each side is told from the statements by which
//! it stands: back from the current ones to where it began, and no further than the last stop or refutation. What was
//! imported was written elsewhere: of its author's knowledge nothing is known. Unknown is said, and never guessed.
//!
//! Why: whoever looks into a harm must be able to tell an order that overrode a warning from one that nobody could have
//! warned of.
//!
//! Law (`who_knew_follows_what_was_heard_whatever_the_clocks_say`): times change what is told of times alone.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::alert::Alert;
use super::overriding;
use crate::base::{DeviceId, Hlc, LaneId};
use crate::record::facts::{Fact, Facts};
use crate::record::fhir;
use crate::record::prescription::{Prescription, Taking};
use crate::record::sections::Section;
use crate::record::statement::{Act, Position};
use crate::record::threads::Node;

/// Most statements of all sides that are looked at, of each side the first and the last ones: each is asked about each of
/// the other sides.
pub const WRITINGS_MAX: usize = 128;
/// Most sides that are looked at, the first and the last ones.
pub const SIDES_MAX: usize = 32;

/// Whether an author could know of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// The author's replica had heard it.
    Yes,
    /// It had not.
    No,
    /// It stands in another record, which was not linked for the author.
    Unlinked,
    /// Nothing tells.
    Unknown,
}

/// What an author knew of the other side of a possible harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Knew {
    /// The other side had been heard.
    Known,
    /// The other side was written later, by people who knew of this.
    First,
    /// The other side had not been heard.
    NotHeard,
    /// The other side stood in a record that was not linked.
    NotLinked,
    /// Nothing tells.
    Unknown,
}

/// A statement by which one side stands.
#[derive(Clone, PartialEq, Eq)]
pub struct Writing<'f> {
    /// The statement.
    pub fact: &'f Fact,
    /// What it is about, in few words.
    pub what: String,
    /// It says that a drug is given.
    pub is_order: bool,
    /// What its author knew of the other side.
    pub knew: Knew,
    /// Its author gave a reason for it in spite of the other side.
    pub overrode: bool,
    /// The devices that had written what was not heard.
    pub unheard: BTreeSet<DeviceId>,
}

/// What is known of a possible harm when looking back.
#[derive(Clone, PartialEq, Eq)]
pub struct Hindsight<'f> {
    /// The statements by which the sides stand, the earliest first.
    pub writings: Vec<Writing<'f>>,
    /// The statement with which the harm became possible, by its device's clock.
    pub possible_since: &'f Fact,
    /// The first statement about this person whose author had heard both sides, by its device's clock.
    pub known_since: Option<&'f Fact>,
    /// Of some statement nothing tells what its author had heard, or there are more than are looked at: others may have
    /// known earlier.
    pub untold: bool,
}

/// Looks back at an alert; none where one device wrote all of it. `heard` tells whether the author of its first argument
/// could know of the second.
///
/// # Errors
/// What `heard` fails with.
pub fn look_back<'f, E>(
    facts: &'f Facts,
    alert: &Alert,
    heard: &mut impl FnMut(&Fact, &Fact) -> Result<Heard, E>,
) -> Result<Option<Hindsight<'f>>, E> {
    let is_cut = alert.sides.len() > SIDES_MAX;
    let mut current: Vec<&Vec<Position>> = alert.sides.iter().collect();
    if is_cut {
        current.sort_by_cached_key(|side| side.iter().flat_map(|place| facts.at(*place)).map(when).min());
    }
    let whole: Vec<Vec<&Fact>> =
        ends(current, SIDES_MAX).into_iter().map(|side| standing(facts, side)).collect();
    let devices: BTreeSet<DeviceId> = whole.iter().flatten().map(|fact| fact.device).collect();
    let most = WRITINGS_MAX / whole.len().max(1);
    let is_side_cut: Vec<bool> = whole.iter().map(|side| side.len() > most).collect();
    let sides: Vec<Vec<&Fact>> = whole.into_iter().map(|side| ends(side, most)).collect();
    let mut all: Vec<(usize, &Fact)> = sides
        .iter()
        .enumerate()
        .flat_map(|(side, facts)| facts.iter().map(move |fact| (side, *fact)))
        .collect();
    all.sort_by_key(|(_, fact)| when(fact));
    let mut begun: Vec<&Fact> = sides.iter().filter_map(|side| side.first().copied()).collect();
    begun.sort_by_key(|fact| when(fact));
    // Any two sides make the harm.
    let Some(possible_since) = begun.get(1).filter(|_| devices.len() > 1) else { return Ok(None) };
    let reasons: BTreeSet<(LaneId, u64)> = overriding::read(facts)
        .into_iter()
        .filter(|reason| reason.pair == alert.pair)
        .map(|reason| reason.entry)
        .collect();
    let (mut writings, mut untold) = (Vec::new(), is_cut || is_side_cut.contains(&true));
    for (side, fact) in &all {
        let others: Vec<&Fact> =
            all.iter().filter(|(other, _)| other != side).map(|(_, other)| *other).collect();
        let (mut knew, mut unheard) = knowledge(fact, &others, heard)?;
        let is_other_cut =
            is_cut || is_side_cut.iter().enumerate().any(|(other, cut)| *cut && other != *side);
        if is_other_cut && knew != Knew::Known {
            (knew, unheard) = (Knew::Unknown, BTreeSet::new());
        }
        untold |= knew == Knew::Unknown;
        writings.push(Writing {
            fact,
            what: fact.named().unwrap_or_else(|| fact.resource_type.clone()),
            is_order: fact.section == Section::Medication,
            knew,
            overrode: reasons.contains(&(fact.position.lane, fact.position.seq)),
            unheard,
        });
    }
    let known_since = first_knowing(facts, &sides, heard, &mut untold)?;
    Ok(Some(Hindsight { writings, possible_since, known_since, untold }))
}

/// Keeps the first and the last ones.
fn ends<T>(mut all: Vec<T>, most: usize) -> Vec<T> {
    if all.len() > most {
        all.drain(most.div_ceil(2)..all.len() - most / 2);
    }
    all
}

/// The order of statements by their devices' clocks.
fn when(fact: &Fact) -> (Hlc, Position) {
    (fact.time, fact.position)
}

/// The statements by which a side stands, from where it began or began again to the current ones, in the order of their
/// times.
fn standing<'f>(facts: &'f Facts, current: &[Position]) -> Vec<&'f Fact> {
    let current: BTreeSet<Position> = current.iter().copied().collect();
    let sections: BTreeSet<Section> =
        current.iter().flat_map(|position| facts.at(*position)).map(|fact| fact.section).collect();
    let mut found: BTreeMap<(Position, crate::base::Digest), &Fact> = BTreeMap::new();
    for section in sections {
        let goes_back = matches!(section, Section::Medication | Section::Allergies);
        for thread in facts.threads(section) {
            let is_current =
                |node: &usize| thread.nodes[*node].facts.iter().any(|fact| current.contains(&fact.position));
            let mut open: Vec<usize> = (0..thread.nodes.len()).filter(is_current).collect();
            let mut met: BTreeSet<usize> = open.iter().copied().collect();
            while let Some(node) = open.pop() {
                let node = &thread.nodes[node];
                if !holds(node) {
                    continue;
                }
                found.extend(node.facts.iter().map(|fact| ((fact.position, fact.leaf), *fact)));
                if goes_back {
                    open.extend(node.follows.iter().copied().filter(|before| met.insert(*before)));
                }
            }
        }
    }
    let mut found: Vec<&Fact> = found.into_values().collect();
    found.sort_by_key(|fact| when(fact));
    found
}

/// Says whether a statement makes its side stand, and does not end it.
fn holds(node: &Node<'_>) -> bool {
    match node.first().section {
        Section::Medication => match Prescription::of(node).taking {
            Taking::Active | Taking::OnHold | Taking::Recorded => true,
            Taking::Planned | Taking::Prohibited | Taking::Stopped | Taking::EnteredInError => false,
        },
        Section::Allergies => {
            let json = node.first().json();
            let says = |key: &str| fhir::codes(fhir::at(&json, &[key])).into_iter().map(|code| code.code);
            let mut statuses = says("clinicalStatus").chain(says("verificationStatus"));
            let ended = ["inactive", "resolved", "refuted", "entered-in-error"];
            node.act() != Act::Refute && !statuses.any(|status| ended.contains(&status.as_str()))
        }
        _ => node.act() != Act::Refute,
    }
}

fn knowledge<E>(
    fact: &Fact,
    others: &[&Fact],
    heard: &mut impl FnMut(&Fact, &Fact) -> Result<Heard, E>,
) -> Result<(Knew, BTreeSet<DeviceId>), E> {
    let (mut answers, mut unheard, mut is_first) = (Vec::new(), BTreeSet::new(), true);
    for other in others {
        let answer = heard(fact, other)?;
        if answer == Heard::Yes {
            return Ok((Knew::Known, BTreeSet::new()));
        }
        if answer == Heard::No {
            unheard.insert(other.device);
        }
        answers.push(answer);
        is_first = is_first && heard(other, fact)? == Heard::Yes;
    }
    let knew = match () {
        () if is_first => Knew::First,
        () if answers.contains(&Heard::Unknown) => Knew::Unknown,
        () if answers.contains(&Heard::Unlinked) => Knew::NotLinked,
        () => Knew::NotHeard,
    };
    Ok((knew, if knew == Knew::NotHeard { unheard } else { BTreeSet::new() }))
}

/// Finds the first statement about this person whose author had heard two sides. What a lane knows only grows, so in each
/// it is found by halves.
fn first_knowing<'f, E>(
    facts: &'f Facts,
    sides: &[Vec<&Fact>],
    heard: &mut impl FnMut(&Fact, &Fact) -> Result<Heard, E>,
    untold: &mut bool,
) -> Result<Option<&'f Fact>, E> {
    let mut lanes: BTreeMap<LaneId, Vec<&Fact>> = BTreeMap::new();
    for fact in facts.iter().filter(|fact| fact.origin.is_none() && fact.position.index == 0) {
        lanes.entry(fact.position.lane).or_default().push(fact);
    }
    let mut first: Option<&Fact> = None;
    for written in lanes.into_values() {
        let (mut low, mut high) = (0, written.len());
        while low < high {
            let middle = low + (high - low) / 2;
            let mut known = 0;
            for side in sides {
                let mut knows = false;
                for fact in side {
                    let answer = match fact.position == written[middle].position {
                        true => Heard::Yes,
                        false => heard(written[middle], fact)?,
                    };
                    *untold |= answer == Heard::Unknown;
                    knows |= answer == Heard::Yes;
                }
                known += usize::from(knows);
            }
            if known > 1 { high = middle } else { low = middle + 1 }
        }
        if let Some(found) = written.get(low)
            && first.is_none_or(|first| when(found) < when(first))
        {
            first = Some(found);
        }
    }
    Ok(first)
}
