//! Care level (要介護度): what the long-term care insurance has certified.
//!
//! Rule: a statement says what its author's certificate says, and ends what it follows. Levels that stand beside each
//! other and differ are **both** shown, the heavier first, and somebody must look at the certificate. A refutation ends
//! what it follows and says no level.
//!
//! Why: shelters decide by it who goes to a welfare shelter and who lies near the nurses; too light is the
//! harmful mistake.
//!
//! Law (`differing_levels_stand_side_by_side_until_a_statement_follows_both`).
//!
//! Codes: no code system for the level could be confirmed \[?\]; native statements use [`MUSUBI_SYSTEM`], and words such
//! as 要介護3 are read in imported ones of that code. No clinician has reviewed this rule yet.

use serde::Serialize;
use unicode_normalization::UnicodeNormalization as _;

use super::registry::MUSUBI_SYSTEM;
use super::standing::{open_conflict, standing};
use crate::record::conflict::{self, Clash, Conflict};
use crate::record::facts::Facts;
use crate::record::fhir;
use crate::record::sections::Section;
use crate::record::source::{Marks, Source};
use crate::record::statement::{Act, FollowRef};
use crate::record::threads::Node;

/// The code of a care level in [`MUSUBI_SYSTEM`].
pub const CARE_LEVEL_CODE: &str = "care-level";

/// A certified level, the lightest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CareLevel {
    /// 非該当: certified as needing none.
    None,
    /// 要支援1.
    Support1,
    /// 要支援2.
    Support2,
    /// 要介護1.
    Care1,
    /// 要介護2.
    Care2,
    /// 要介護3.
    Care3,
    /// 要介護4.
    Care4,
    /// 要介護5.
    Care5,
}

const LEVELS: [(CareLevel, &str, &str); 8] = [
    (CareLevel::None, "care-none", "非該当"),
    (CareLevel::Support1, "support-1", "要支援1"),
    (CareLevel::Support2, "support-2", "要支援2"),
    (CareLevel::Care1, "care-1", "要介護1"),
    (CareLevel::Care2, "care-2", "要介護2"),
    (CareLevel::Care3, "care-3", "要介護3"),
    (CareLevel::Care4, "care-4", "要介護4"),
    (CareLevel::Care5, "care-5", "要介護5"),
];

/// One statement of the section.
#[derive(Clone, PartialEq, Serialize)]
pub struct Certified {
    /// The level; none when its words are none of the known levels.
    pub level: Option<CareLevel>,
    /// What it says, as written.
    pub says: String,
    /// Since when, as the resource says.
    pub since: Option<String>,
    /// Nothing that may end it follows it.
    pub stands: bool,
    /// Who says so.
    pub source: Source,
}

/// The section.
#[derive(Clone, PartialEq, Default, Serialize)]
pub struct CareLevels {
    /// What was certified: those that stand first, the heaviest of them first, then the latest first.
    pub certified: Vec<Certified>,
    /// What to know before relying on it.
    #[serde(flatten)]
    pub marks: Marks,
}

impl CareLevel {
    /// Returns its code in [`MUSUBI_SYSTEM`].
    pub fn code(self) -> &'static str {
        self.row().1
    }

    /// Returns its words, as on the certificate.
    pub fn words(self) -> &'static str {
        self.row().2
    }

    /// Reads a level as people write it: `要介護3`, `要介護３`, or its code.
    pub fn of_words(text: &str) -> Option<Self> {
        let plain: String = text.nfkc().filter(|c| !c.is_whitespace()).collect();
        LEVELS.iter().find(|row| row.1 == plain || row.2 == plain).map(|row| row.0)
    }

    fn row(self) -> &'static (CareLevel, &'static str, &'static str) {
        LEVELS.iter().find(|row| row.0 == self).expect("the table has every level")
    }
}

/// Views the care level of a record.
pub fn view(facts: &Facts) -> (CareLevels, Vec<Conflict>) {
    let (mut found, mut conflicts) = (CareLevels::default(), Vec::new());
    for thread in facts.threads(Section::CareLevel) {
        let read: Vec<Option<(Option<CareLevel>, String)>> = thread.nodes.iter().map(read).collect();
        let stands = standing(&thread, |_| true);
        let settled = conflict::find(&thread, Section::CareLevel, |nodes| {
            clash(nodes.iter().filter_map(|node| read[*node].clone()))
        });
        conflicts.extend(settled.into_iter().filter(|conflict| !conflict.open));
        found.marks.join(Marks::of(&thread, false));
        for (index, node) in thread.nodes.iter().enumerate() {
            let Some((level, says)) = read[index].clone() else { continue };
            let json = node.first().json();
            let since = fhir::first_text(&json, &[&["effectiveDateTime"], &["effectivePeriod", "start"]]);
            let source = Source::of(node);
            found.certified.push(Certified { level, says, since, stands: stands.contains(&index), source });
        }
    }
    let order = |one: &Certified| {
        let level = std::cmp::Reverse(if one.stands { one.level } else { None });
        (!one.stands, level, std::cmp::Reverse((one.source.time, one.source.positions.clone())))
    };
    found.certified.sort_by_key(order);
    let current: Vec<&Certified> = found.certified.iter().filter(|one| one.stands).collect();
    if let Some(clash) = clash(current.iter().map(|one| (one.level, one.says.clone()))) {
        found.marks.disputed = true;
        let copies: Vec<FollowRef> = current.iter().flat_map(|one| one.source.copies.clone()).collect();
        conflicts.push(open_conflict(Section::CareLevel, clash.kind, copies, clash.summary));
    }
    (found, conflicts)
}

fn read(node: &Node<'_>) -> Option<(Option<CareLevel>, String)> {
    let json = node.first().json();
    let withdrawn = node.act() == Act::Refute
        || matches!(fhir::at(&json, &["status"]).as_str(), Some("entered-in-error" | "cancelled"));
    if withdrawn {
        return None;
    }
    let value = fhir::at(&json, &["valueCodeableConcept"]);
    let words = fhir::concept(value).or_else(|| fhir::text(&json, &["valueString"])).unwrap_or_default();
    let codes = fhir::codes(value);
    let coded = codes.iter().filter(|code| code.system == MUSUBI_SYSTEM);
    let level = coded.filter_map(|code| CareLevel::of_words(&code.code)).next();
    Some((level.or_else(|| CareLevel::of_words(&words)), words))
}

fn clash(said: impl Iterator<Item = (Option<CareLevel>, String)>) -> Option<Clash> {
    let mut words: Vec<String> =
        said.map(|(level, says)| level.map_or(says, |level| level.words().to_owned())).collect();
    words.sort();
    words.dedup();
    (words.len() > 1).then(|| Clash { kind: "two-care-levels", summary: words.join(" ‖ ") })
}
