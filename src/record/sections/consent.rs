//! Consent: to sharing, to the backup, and to other things, each apart.
//!
//! Rule: a statement ends the statements of its own kind that it follows. Of those that stand beside each other the
//! narrowest wins: withdrawn before limited before permitted. Consent to the backup says nothing of sharing,
//! and the reverse, also where one follows the other. Advance directives about resuscitation are not consents here.
//!
//! Why: whoever shares what was withdrawn cannot take it back; whoever waits can ask again.
//!
//! Laws (`record::tests::laws_sections`): `a_withdrawal_wins_over_what_has_not_seen_it`,
//! `consent_to_one_thing_says_nothing_of_another`.
//!
//! What is shown here is what was said; who may read what is decided by areas and keys, and access in an
//! emergency is separate. No clinician and no lawyer has reviewed this rule yet.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::registry::MUSUBI_SYSTEM;
use super::standing::standing;
use crate::record::conflict::{self, Clash, Conflict};
use crate::record::facts::Facts;
use crate::record::fhir;
use crate::record::sections::Section;
use crate::record::source::{Marks, Side, Source};
use crate::record::statement::Act;
use crate::record::threads::Node;

/// What is consented to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConsentKind {
    /// Sharing the record with others who care.
    Sharing,
    /// Keeping a backup outside the site.
    Backup,
    /// Research.
    Research,
    /// Treatment, an advance directive, or what is not told.
    Other,
}

/// How much is consented to; the order is that of caution, the narrowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConsentLevel {
    /// It is refused or withdrawn.
    Withdrawn,
    /// It is given within limits.
    Limited,
    /// It is given.
    Permitted,
}

/// What the statements of one kind come to.
#[derive(Clone, PartialEq, Serialize)]
pub struct Consent {
    /// What it is about.
    pub kind: ConsentKind,
    /// The narrowest of what stands; none where nobody has said anything that is in force.
    pub level: Option<ConsentLevel>,
    /// The statements that stand, the latest first.
    pub sides: Vec<Side>,
    /// What to know before relying on it.
    #[serde(flatten)]
    pub marks: Marks,
}

impl ConsentKind {
    /// Returns the kind's name, as in JSON and as a code.
    pub fn name(self) -> &'static str {
        match self {
            ConsentKind::Sharing => "sharing",
            ConsentKind::Backup => "backup",
            ConsentKind::Research => "research",
            ConsentKind::Other => "other",
        }
    }
}

impl ConsentLevel {
    /// Returns the level's name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            ConsentLevel::Withdrawn => "withdrawn",
            ConsentLevel::Limited => "limited",
            ConsentLevel::Permitted => "permitted",
        }
    }
}

#[derive(Clone)]
struct Read {
    kind: ConsentKind,
    level: Option<ConsentLevel>,
    words: Option<String>,
}

/// Views the consents of a record: one item for each kind of which anything was said.
pub fn view(facts: &Facts) -> (Vec<Consent>, Vec<Conflict>) {
    let mut found: BTreeMap<ConsentKind, Vec<(ConsentLevel, Side)>> = BTreeMap::new();
    let mut marks: BTreeMap<ConsentKind, Marks> = BTreeMap::new();
    let mut conflicts = Vec::new();
    for thread in facts.threads(Section::Consent) {
        let read: Vec<Read> = thread.nodes.iter().map(read).collect();
        conflicts.extend(conflict::find(&thread, Section::Consent, |nodes| clash(&read, nodes)));
        for kind in [ConsentKind::Sharing, ConsentKind::Backup, ConsentKind::Research, ConsentKind::Other] {
            if read.iter().all(|one| one.kind != kind) {
                continue;
            }
            let stands = standing(&thread, |node| read[node].kind == kind);
            let stands: Vec<usize> = stands.into_iter().filter(|node| read[*node].kind == kind).collect();
            let mut here = Marks::of(&thread, false);
            here.concurrent = stands.len() > 1;
            marks.entry(kind).or_default().join(here);
            let list = found.entry(kind).or_default();
            for node in stands {
                let Some(level) = read[node].level else { continue };
                let words = read[node].words.as_ref().map_or(String::new(), |words| format!(": {words}"));
                let says = format!("{}{words}", level.name());
                list.push((level, Side { says, source: Source::of(&thread.nodes[node]) }));
            }
        }
    }
    let consent = |(kind, mut said): (ConsentKind, Vec<(ConsentLevel, Side)>)| {
        said.sort_by_key(|(_, side)| std::cmp::Reverse((side.source.time, side.source.positions.clone())));
        let level = said.iter().map(|(level, _)| *level).min();
        let mut marks = marks.get(&kind).copied().unwrap_or_default();
        marks.disputed = said.iter().any(|(other, _)| Some(*other) != level);
        Consent { kind, level, sides: said.into_iter().map(|(_, side)| side).collect(), marks }
    };
    (found.into_iter().map(consent).collect(), conflicts)
}

fn read(node: &Node<'_>) -> Read {
    let json = node.first().json();
    let status = fhir::text(&json, &["status"]).unwrap_or_default();
    let level = match (node.act(), status.as_str()) {
        (Act::Refute, _) | (_, "entered-in-error" | "draft" | "proposed") => None,
        (Act::Stop, _) | (_, "inactive" | "rejected") => Some(ConsentLevel::Withdrawn),
        (_, _) => Some(level(fhir::at(&json, &["provision"]))),
    };
    let words: [&[&str]; 2] = [&["provision", "extension", "0", "valueString"], &["policyRule", "text"]];
    Read { kind: kind(&json), level, words: fhir::first_text(&json, &words) }
}

fn kind(json: &Value) -> ConsentKind {
    let categories = fhir::items(json, &["category"]).iter().flat_map(fhir::codes);
    let own: Vec<String> = categories.filter(|c| c.system == MUSUBI_SYSTEM).map(|c| c.code).collect();
    let has = |wanted: &str| own.iter().any(|code| code == wanted);
    let scope = fhir::first_code(fhir::at(json, &["scope"])).unwrap_or_default();
    match (has("backup"), has("sharing"), scope.as_str()) {
        (true, false, _) => ConsentKind::Backup,
        (false, true, _) | (false, false, "patient-privacy") => ConsentKind::Sharing,
        (false, false, "research") => ConsentKind::Research,
        (_, _, _) => ConsentKind::Other,
    }
}

/// Reads how much a provision allows: whatever narrows it makes it limited.
fn level(provision: &Value) -> ConsentLevel {
    let narrows = [
        "provision",
        "period",
        "actor",
        "action",
        "securityLabel",
        "purpose",
        "class",
        "code",
        "dataPeriod",
        "data",
        "extension",
    ];
    match fhir::at(provision, &["type"]).as_str() {
        Some("deny") => ConsentLevel::Withdrawn,
        _ if narrows.iter().any(|member| !fhir::at(provision, &[member]).is_null()) => ConsentLevel::Limited,
        _ => ConsentLevel::Permitted,
    }
}

fn clash(read: &[Read], nodes: &[usize]) -> Option<Clash> {
    for kind in [ConsentKind::Sharing, ConsentKind::Backup, ConsentKind::Research, ConsentKind::Other] {
        let of_kind = nodes.iter().map(|node| &read[*node]).filter(|one| one.kind == kind);
        let mut levels: Vec<ConsentLevel> = of_kind.filter_map(|one| one.level).collect();
        levels.sort_unstable();
        levels.dedup();
        if levels.len() > 1 {
            let names: Vec<&str> = levels.iter().map(|level| level.name()).collect();
            let summary = format!("{}: {}", kind.name(), names.join(" ‖ "));
            return Some(Clash { kind: "consent-widths", summary });
        }
    }
    None
}
