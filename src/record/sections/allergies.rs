//! Allergies and intolerances.
//!
//! Rule: union. An allergy is active while any assertion of its thread lacks a refutation (or resolution) that
//! follows it; asserted and refuted concurrently it is active and disputed. The highest criticality among the
//! current statements is shown. Substances of earlier assertions that nobody refuted stay attached.
//! "No known allergy" is a dated statement about that moment: any active allergy hides it, whichever came
//! first, and its `clinicalStatus` is not read (systems write `resolved` there). No statement at all is
//! "unknown", which is not "none".
//!
//! Why: a forgotten allergy kills, a superfluous one is an inconvenience; so doubt always reads as active.
//!
//! Law (`record::tests`: `more_facts_from_elsewhere_never_silence_an_allergy`): statements that do not follow an
//! active allergy never make it inactive.
//!
//! Source of the codes: SNOMED CT International, "No known allergy" (716186003) and its children; HL7 IPS
//! `absent-unknown-uv-ips`. No clinician has reviewed this rule yet.

use serde::Serialize;
use serde_json::Value;

use super::standing::standing;
use crate::base::planted::{Plant, is_planted};
use crate::record::conflict::{self, Clash, Conflict};
use crate::record::facts::Facts;
use crate::record::fhir::{self, Code};
use crate::record::kana;
use crate::record::sections::Section;
use crate::record::source::{self, Marks, Side, Source};
use crate::record::statement::{Act, Position};
use crate::record::substance::Substance;
use crate::record::threads::Thread;

/// Codes that say that no allergy (of some kind) is known.
const NONE_KNOWN_CODES: [&str; 12] = [
    "716186003",
    "409137002",
    "428607008",
    "429625007",
    "716220001",
    "716184000",
    "428197003",
    "1003774007",
    "no-known-allergies",
    "no-known-medication-allergies",
    "no-known-environmental-allergies",
    "no-known-food-allergies",
];

/// Codes that say that nothing is known about allergies.
const UNKNOWN_CODES: [&str; 1] = ["no-allergy-info"];

/// Whole texts that say that no allergy is known, folded.
const NONE_KNOWN_TEXTS: [&str; 14] = [
    "なし",
    "無し",
    "特になし",
    "none",
    "none known",
    "nka",
    "アレルギー歴なし",
    "アレルギーなし",
    "アレルギー無し",
    "薬剤アレルギーなし",
    "no known allergy",
    "no known allergies",
    "no known drug allergies",
    "nkda",
];

/// How dangerous an exposure may be; the order is that of danger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Criticality {
    /// Not life-threatening.
    Low,
    /// Not assessable.
    UnableToAssess,
    /// May be life-threatening.
    High,
}

/// What one statement says about an allergy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Claim {
    /// It exists.
    Asserted,
    /// It existed and is over.
    Resolved,
    /// It never existed, or was entered in error.
    Refuted,
}

/// One allergy: a thread.
#[derive(Clone, PartialEq, Serialize)]
pub struct Allergy {
    /// The first statement of the thread: the allergy's identity.
    pub position: Position,
    /// The substance, as the latest current statement names it.
    pub substance: String,
    /// Other names under which it was asserted and not refuted.
    pub also: Vec<String>,
    /// The codes of the substance in all assertions that stand.
    pub codes: Vec<Code>,
    /// `food`, `medication`, `environment`, `biologic`.
    pub categories: Vec<String>,
    /// The highest among the current statements.
    pub criticality: Option<Criticality>,
    /// What the current statements claim; several when they disagree.
    pub claims: Vec<Claim>,
    /// What happened on exposure.
    pub reactions: Vec<String>,
    /// What to know before relying on it.
    #[serde(flatten)]
    pub marks: Marks,
    /// The current statements.
    pub sides: Vec<Side>,
    /// What the checks compare.
    #[serde(skip)]
    pub matching: Substance,
}

/// A dated statement that no allergy is known.
#[derive(Clone, PartialEq, Serialize)]
pub struct NoneKnown {
    /// What exactly is said, such as "no known drug allergy".
    pub says: String,
    /// The day to which it applies, as far as the resource tells.
    pub date: Option<String>,
    /// Who says so.
    pub source: Source,
}

/// What is known about allergies as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Knowledge {
    /// At least one is active.
    Listed,
    /// None is active, and somebody stated that none was known.
    NoneKnown,
    /// Nobody has said anything: not the same as none.
    Unknown,
}

/// The section.
#[derive(Clone, PartialEq, Serialize)]
pub struct Allergies {
    /// What is known as a whole.
    pub knowledge: Knowledge,
    /// Active ones, the most critical first.
    pub active: Vec<Allergy>,
    /// Refuted or resolved ones.
    pub inactive: Vec<Allergy>,
    /// Statements that none is known, the latest first; empty while any allergy is active.
    pub none_known: Vec<NoneKnown>,
}

/// A planted fault: of all that is said about one substance, whoever has seen it, the latest alone counts.
fn keep_latest_of_substance(section: &mut Allergies) {
    let latest = |allergy: &Allergy| allergy.sides.iter().map(|side| side.source.time).max();
    let refuted: Vec<_> =
        section.inactive.iter().map(|one| (kana::fold(&one.substance), latest(one))).collect();
    section.active.retain(|allergy| {
        let name = kana::fold(&allergy.substance);
        !refuted.iter().any(|(refuted, time)| *refuted == name && *time > latest(allergy))
    });
}

/// Views the allergies of a record.
pub fn view(facts: &Facts) -> (Allergies, Vec<Conflict>) {
    let mut section = Allergies {
        knowledge: Knowledge::Unknown,
        active: Vec::new(),
        inactive: Vec::new(),
        none_known: Vec::new(),
    };
    let mut conflicts = Vec::new();
    for mut thread in facts.threads(Section::Allergies) {
        let overwritten = is_planted(Plant::LastWriteWinsAllergies) && thread.is_concurrent();
        if overwritten {
            thread.tips.drain(..thread.tips.len() - 1);
            thread.merges.clear();
        }
        let read: Vec<Reading> =
            thread.nodes.iter().map(|node| Reading::of(&node.first().json(), node.act())).collect();
        none_known(&thread, &read, &mut section.none_known);
        let mut standing = assertions(&thread, &read);
        if overwritten {
            standing.retain(|node| thread.tips.contains(node));
        }
        let Some(allergy) = allergy(&thread, &read, &standing) else { continue };
        conflicts.extend(conflict::find(&thread, Section::Allergies, |nodes| clash(&read, nodes)));
        if standing.is_empty() { section.inactive.push(allergy) } else { section.active.push(allergy) }
    }
    if is_planted(Plant::LastWriteWinsAllergies) {
        keep_latest_of_substance(&mut section);
    }
    let order = |a: &Allergy| (std::cmp::Reverse(a.criticality), a.substance.clone(), a.position);
    section.active.sort_by_key(order);
    section.inactive.sort_by_key(order);
    section
        .none_known
        .sort_by_key(|none| std::cmp::Reverse((none.source.time, none.source.positions.clone())));
    section.knowledge = match (section.active.is_empty(), section.none_known.is_empty()) {
        (false, _) => Knowledge::Listed,
        (true, false) => Knowledge::NoneKnown,
        (true, true) => Knowledge::Unknown,
    };
    if section.knowledge == Knowledge::Listed {
        section.none_known.clear();
    }
    (section, conflicts)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Allergy(Claim),
    NoneKnown,
    Nothing,
}

struct Reading {
    meaning: Meaning,
    substance: String,
    matching: Substance,
    codes: Vec<Code>,
    categories: Vec<String>,
    criticality: Option<Criticality>,
    reactions: Vec<String>,
    date: Option<String>,
}

impl Reading {
    fn of(json: &Value, act: Act) -> Self {
        let code = fhir::at(json, &["code"]);
        let reactions = fhir::items(json, &["reaction"]);
        let mut codes = fhir::codes(code);
        let mut matching = Substance::of_concept(code);
        for reaction in reactions {
            matching.join(Substance::of_concept(fhir::at(reaction, &["substance"])));
            codes.extend(fhir::codes(fhir::at(reaction, &["substance"])));
        }
        let shown = |reaction: &Value| {
            let signs = fhir::items(reaction, &["manifestation"]).iter().filter_map(fhir::concept);
            let signs = signs.collect::<Vec<_>>().join("、");
            let severity = fhir::text(reaction, &["severity"]).map(|severity| format!(" ({severity})"));
            (!signs.is_empty()).then(|| signs + &severity.unwrap_or_default())
        };
        let category = |value: &Value| value.as_str().map(fhir::shorten);
        Self {
            meaning: meaning(json, act, &codes),
            substance: fhir::concept(code)
                .or_else(|| reactions.iter().find_map(|r| fhir::concept(fhir::at(r, &["substance"]))))
                .unwrap_or_else(|| "(unnamed substance)".to_owned()),
            matching,
            codes,
            categories: fhir::items(json, &["category"]).iter().filter_map(category).collect(),
            criticality: match fhir::at(json, &["criticality"]).as_str() {
                Some("high") => Some(Criticality::High),
                Some("low") => Some(Criticality::Low),
                Some("unable-to-assess") => Some(Criticality::UnableToAssess),
                Some(_) | None => None,
            },
            reactions: reactions.iter().filter_map(shown).collect(),
            date: fhir::first_text(json, &[&["recordedDate"], &["lastOccurrence"], &["meta", "lastUpdated"]]),
        }
    }

    fn claim(&self) -> Option<Claim> {
        match self.meaning {
            Meaning::Allergy(claim) => Some(claim),
            Meaning::NoneKnown | Meaning::Nothing => None,
        }
    }
}

fn meaning(json: &Value, act: Act, codes: &[Code]) -> Meaning {
    let verification = fhir::first_code(fhir::at(json, &["verificationStatus"]));
    let refuted =
        act == Act::Refute || matches!(verification.as_deref(), Some("refuted" | "entered-in-error"));
    let named = |list: &[&str]| codes.iter().any(|code| list.contains(&code.code.as_str()));
    let text = fhir::concept(fhir::at(json, &["code"])).unwrap_or_default();
    let texts = NONE_KNOWN_TEXTS.map(kana::fold);
    let none_known = named(&NONE_KNOWN_CODES) || texts.contains(&kana::fold(&text));
    if none_known || named(&UNKNOWN_CODES) {
        // A refuted "none known" says nothing either way.
        return if none_known && !refuted { Meaning::NoneKnown } else { Meaning::Nothing };
    }
    let clinical = fhir::first_code(fhir::at(json, &["clinicalStatus"]));
    Meaning::Allergy(match (refuted, act, clinical.as_deref()) {
        (true, _, _) => Claim::Refuted,
        (false, Act::Stop, _) | (false, _, Some("resolved" | "inactive")) => Claim::Resolved,
        (false, _, _) => Claim::Asserted,
    })
}

/// Finds the assertions that stand. What "none known" says ends none.
fn assertions(thread: &Thread<'_>, read: &[Reading]) -> Vec<usize> {
    let ends = |node: usize| matches!(read[node].claim(), Some(Claim::Refuted | Claim::Resolved));
    let is_assertion = |node: &usize| read[*node].claim() == Some(Claim::Asserted);
    standing(thread, ends).into_iter().filter(is_assertion).collect()
}

fn allergy(thread: &Thread<'_>, read: &[Reading], standing: &[usize]) -> Option<Allergy> {
    let claiming = |node: &usize| read[*node].claim().is_some();
    // Where "none known" follows an allergy without refuting it, the assertion is still what is current.
    let mut current: Vec<usize> = thread.tips.iter().copied().filter(claiming).collect();
    if !current.iter().any(|node| standing.contains(node)) {
        current.extend(standing.last());
    }
    let all: Vec<usize> = (0..thread.nodes.len()).filter(claiming).collect();
    let named = if standing.is_empty() { &all } else { standing };
    let latest = current.iter().rev().find(|node| named.contains(node)).or(named.last())?;
    let mut claims: Vec<Claim> = current.iter().filter_map(|node| read[*node].claim()).collect();
    claims.sort_unstable();
    claims.dedup();
    let mut matching = Substance::default();
    named.iter().for_each(|node| matching.join(read[*node].matching.clone()));
    let substance = read[*latest].substance.clone();
    let mut also = gather(named, |node| vec![read[node].substance.clone()]);
    also.retain(|name| *name != substance);
    let says = |node: usize| match read[node].meaning {
        Meaning::Allergy(Claim::Asserted) => format!("allergic: {}", read[node].substance),
        Meaning::Allergy(Claim::Resolved) => format!("resolved: {}", read[node].substance),
        Meaning::Allergy(Claim::Refuted) => format!("refuted: {}", read[node].substance),
        Meaning::NoneKnown | Meaning::Nothing => read[node].substance.clone(),
    };
    Some(Allergy {
        position: thread.position(),
        also,
        codes: gather(named, |node| read[node].codes.clone()),
        categories: gather(named, |node| read[node].categories.clone()),
        criticality: current.iter().filter_map(|node| read[*node].criticality).max(),
        marks: Marks::of(thread, claims.len() > 1 && claims.contains(&Claim::Asserted)),
        claims,
        reactions: gather(named, |node| read[node].reactions.clone()),
        sides: source::sides(thread, says),
        matching,
        substance,
    })
}

fn gather<T: Ord>(nodes: &[usize], of: impl Fn(usize) -> Vec<T>) -> Vec<T> {
    let mut all: Vec<T> = nodes.iter().flat_map(|node| of(*node)).collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn none_known(thread: &Thread<'_>, read: &[Reading], found: &mut Vec<NoneKnown>) {
    for tip in thread.tips.iter().filter(|tip| read[**tip].meaning == Meaning::NoneKnown) {
        let (says, date) = (read[*tip].substance.clone(), read[*tip].date.clone());
        found.push(NoneKnown { says, date, source: Source::of(&thread.nodes[*tip]) });
    }
}

fn clash(read: &[Reading], nodes: &[usize]) -> Option<Clash> {
    let has = |claim: Claim| nodes.iter().any(|node| read[*node].claim() == Some(claim));
    let kind = match (has(Claim::Asserted), has(Claim::Refuted), has(Claim::Resolved)) {
        (true, true, _) => "assert-vs-refute",
        (true, false, true) => "assert-vs-resolve",
        (true, false, false) | (false, _, _) => return None,
    };
    let named = nodes.iter().find(|node| read[**node].claim() == Some(Claim::Asserted))?;
    Some(Clash { kind, summary: read[*named].substance.clone() })
}
