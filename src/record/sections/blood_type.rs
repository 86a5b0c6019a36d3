//! Blood type: ABO and RhD.
//!
//! Rule: a blood type does not change, so a later statement does not replace an earlier one: each stands until a
//! decision or a refutation about the same system (ABO or RhD) follows it, or, of an imported resource, its source's
//! own later version. As long as statements that stand disagree, or one cannot be read, or none is verified, the
//! type is **unusable**, and all of them are shown.
//!
//! Why: the wrong blood kills within minutes; group O can be given to whoever has no usable type. "Usable" means
//! that the record does not contradict itself, and never replaces a cross-match.
//!
//! Law (`record::tests::laws_sections`: `a_blood_type_that_is_contradicted_is_unusable_until_decided`).
//!
//! Codes: LOINC 882-1, 883-9, 10331-7, JLAC10 5H010, 5H020; values in SNOMED CT, LOINC answers, or words.
//! No clinician has reviewed this rule yet.

use serde::Serialize;
use serde_json::Value;
use unicode_normalization::UnicodeNormalization;

use super::standing::{open_conflict, replaced, standing};
use crate::record::conflict::Conflict;
use crate::record::facts::Facts;
use crate::record::fhir;
use crate::record::sections::Section;
use crate::record::source::{Marks, Side, Source};
use crate::record::statement::{Act, FollowRef};
use crate::record::threads::Node;

/// A group of the ABO system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Abo {
    /// A.
    A,
    /// B.
    B,
    /// AB.
    AB,
    /// O.
    O,
}

/// RhD.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rh {
    /// Positive.
    Positive,
    /// Negative.
    Negative,
}

/// Values in SNOMED CT and LOINC answers.
const CODED: [(&str, &str); 8] = [
    ("112144000", "A"),
    ("112149005", "B"),
    ("165743006", "AB"),
    ("58460004", "O"),
    ("165747007", "+"),
    ("165746003", "-"),
    ("LA6576-8", "+"),
    ("LA6577-6", "-"),
];
/// Words, in upper case and compatibility form, and what they come to; longer ones first.
const WORDS: [(&str, &str); 16] = [
    ("POSITIVE", "+"),
    ("NEGATIVE", "-"),
    ("POS", "+"),
    ("NEG", "-"),
    ("陽性", "+"),
    ("陰性", "-"),
    ("−", "-"),
    ("RHESUS", ""),
    ("RHD", ""),
    ("RH", ""),
    ("(D)", ""),
    ("BLOOD", ""),
    ("GROUP", ""),
    ("TYPE", ""),
    ("型", ""),
    ("式", ""),
];

/// The section.
#[derive(Clone, PartialEq, Serialize)]
pub struct BloodType {
    /// The ABO group; none when nobody said, or statements disagree.
    pub abo: Option<Abo>,
    /// RhD; none when nobody said, or statements disagree.
    pub rh: Option<Rh>,
    /// The record says an ABO group and nothing in it contradicts what it says.
    pub usable: bool,
    /// The statements that stand, the latest first.
    pub sides: Vec<Side>,
    /// What to know before relying on it.
    #[serde(flatten)]
    pub marks: Marks,
}

/// What one statement says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Says {
    Group(Option<Abo>, Option<Rh>),
    Unreadable,
    Nothing,
}

/// Views the blood type of a record.
pub fn view(facts: &Facts) -> (BloodType, Vec<Conflict>) {
    let mut abos: Vec<(Abo, FollowRef)> = Vec::new();
    let mut rhs: Vec<(Rh, FollowRef)> = Vec::new();
    let (mut sides, mut marks) = (Vec::new(), Marks::default());
    let (mut unreadable, mut verified) = (false, false);
    for thread in facts.threads(Section::BloodType) {
        let says: Vec<Says> = thread.nodes.iter().map(says).collect();
        let replaced = replaced(&thread);
        // A decision about RhD alone says nothing about ABO.
        let ends = |node: usize, about: fn(Says) -> bool| match thread.nodes[node].act() {
            Act::Decide => about(says[node]),
            Act::Refute => true,
            Act::Assert | Act::Change | Act::Hold | Act::Stop | Act::Addendum => false,
        };
        let of_abo = standing(&thread, |node| ends(node, |says| matches!(says, Says::Group(Some(_), _))));
        let of_rh = standing(&thread, |node| ends(node, |says| matches!(says, Says::Group(_, Some(_)))));
        for (index, node) in thread.nodes.iter().enumerate().filter(|(index, _)| !replaced[*index]) {
            let (here_abo, here_rh) = (of_abo.contains(&index), of_rh.contains(&index));
            let shown = match says[index] {
                Says::Group(abo, rh) => {
                    let (abo, rh) = (abo.filter(|_| here_abo), rh.filter(|_| here_rh));
                    abos.extend(abo.map(|abo| (abo, node.first().follow_ref())));
                    rhs.extend(rh.map(|rh| (rh, node.first().follow_ref())));
                    verified |= abo.is_some() && !node.is_disputed();
                    abo.is_some() || rh.is_some()
                }
                Says::Unreadable => {
                    unreadable |= here_abo;
                    here_abo
                }
                Says::Nothing => false,
            };
            if shown {
                sides.push(Side { says: text(&node.first().json()), source: Source::of(node) });
            }
        }
        marks.join(Marks::of(&thread, false));
    }
    let mut conflicts = Vec::new();
    for (kind, values) in [("two-abo-groups", said(&abos)), ("two-rh-types", said(&rhs))] {
        if values.len() > 1 {
            marks.disputed = true;
            let statements = abos.iter().map(|(_, at)| *at).chain(rhs.iter().map(|(_, at)| *at));
            conflicts.push(open_conflict(Section::BloodType, kind, statements, values.join(" ‖ ")));
        }
    }
    sides.sort_by_key(|side| std::cmp::Reverse((side.source.time, side.source.positions.clone())));
    let (abo, rh) = (one(abos), one(rhs));
    // What is verified says a group, and where nothing is disputed all say the same one.
    let usable = verified && !unreadable && !marks.disputed;
    (BloodType { abo, rh, usable, sides, marks }, conflicts)
}

fn said<T: std::fmt::Debug + Ord + Copy>(values: &[(T, FollowRef)]) -> Vec<String> {
    let mut values: Vec<T> = values.iter().map(|(value, _)| *value).collect();
    values.sort_unstable();
    values.dedup();
    values.iter().map(|value| format!("{value:?}")).collect()
}

/// Returns the value on which all agree.
fn one<T: Copy + PartialEq>(values: Vec<(T, FollowRef)>) -> Option<T> {
    let (first, _) = *values.first()?;
    values.iter().all(|(value, _)| *value == first).then_some(first)
}

fn says(node: &Node<'_>) -> Says {
    let json = node.first().json();
    let status = fhir::text(&json, &["status"]).unwrap_or_default();
    if node.act() == Act::Refute || matches!(status.as_str(), "entered-in-error" | "cancelled") {
        return Says::Nothing;
    }
    let codes = fhir::codes(fhir::at(&json, &["valueCodeableConcept"]));
    let known =
        |code: &fhir::Code| CODED.iter().find(|(known, _)| *known == code.code).map(|(_, means)| *means);
    let mut coded: Vec<&str> = codes.iter().filter_map(known).collect();
    coded.sort_unstable();
    coded.dedup();
    // Codes of two groups are two claims, and A beside B is not AB.
    if coded.iter().filter(|means| means.starts_with(char::is_alphabetic)).count() > 1 {
        return Says::Unreadable;
    }
    parse(if coded.is_empty() { text(&json) } else { coded.concat() })
}

fn text(json: &Value) -> String {
    let plain = fhir::text(json, &["valueString"]);
    plain.or_else(|| fhir::concept(fhir::at(json, &["valueCodeableConcept"]))).unwrap_or_default()
}

/// Says whether a text names a group of the ABO system, RhD or both.
pub fn is_readable(text: &str) -> bool {
    parse(text.to_owned()) != Says::Unreadable
}

/// Reads a group from words; words that are not wholly understood are unreadable.
fn parse(text: String) -> Says {
    let normal: String = text.nfkc().flat_map(char::to_uppercase).collect();
    let normal = WORDS.iter().fold(normal, |text, (word, means)| text.replace(word, means));
    let left: String = normal.chars().filter(|c| !c.is_whitespace() && !",()/・、".contains(*c)).collect();
    let (letters, signs): (String, String) = left.chars().partition(|c| c.is_alphanumeric());
    let abo = match letters.as_str() {
        "" => None,
        "A" => Some(Abo::A),
        "B" => Some(Abo::B),
        "AB" => Some(Abo::AB),
        "O" => Some(Abo::O),
        _ => return Says::Unreadable,
    };
    let rh = match signs.as_str() {
        "" => None,
        "+" => Some(Rh::Positive),
        "-" => Some(Rh::Negative),
        _ => return Says::Unreadable,
    };
    if abo.is_none() && rh.is_none() { Says::Unreadable } else { Says::Group(abo, rh) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writings_of_one_group_are_read_and_others_are_not_guessed() {
        let (plus, minus) = (Some(Rh::Positive), Some(Rh::Negative));
        for (text, abo, rh) in [
            ("A", Some(Abo::A), None),
            ("ＡＢ型", Some(Abo::AB), None),
            ("O型 Rh(+)", Some(Abo::O), plus),
            ("Group B", Some(Abo::B), None),
            ("A Rh(D)陰性", Some(Abo::A), minus),
            ("RhD positive", None, plus),
            ("B−", Some(Abo::B), minus),
            ("O Rh negative", Some(Abo::O), minus),
        ] {
            assert!(parse(text.to_owned()) == Says::Group(abo, rh) && is_readable(text), "{text}");
        }
        for odd in ["", "unknown", "A or B", "A+-", "0", "不明", "BO"] {
            assert!(parse(odd.to_owned()) == Says::Unreadable && !is_readable(odd), "{odd}");
        }
    }
}
