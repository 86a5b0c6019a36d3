//! Checking: every drug against every allergy, and every pair of drugs.
//!
//! Orders of one ingredient are one group, so there is one alert for a pair of ingredients. Where several rules match a
//! pair the most severe speaks and all are named. An allergy to the very ingredient is contraindicated without a rule;
//! where the allergy's code names another route than the drug's it is a caution. Classes and cross-reactions are judged
//! by the table alone.
//!
//! Unverified and disputed statements count; the alert says so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use super::alert::{Alert, AlertKind, Checked, Coverage, Severity, Words};
use super::evidence::{Allergen, Drug, Evidence, Sections, day_of};
use super::lab;
use super::lexicon::{Lexicon, Meaning};
use super::resolve::{self, INGREDIENT_CHARS, Resolved, Route};
use super::table::{Party, Rule, Table, TableError};
use crate::base::WallMs;
use crate::record::facts::Facts;
use crate::record::sections::{administration, allergies, medication};

/// A table of rules with the names by which its drugs are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checker {
    table: Table,
    lexicon: Lexicon,
    foods: BTreeMap<String, BTreeSet<String>>,
}

impl Checker {
    /// Returns the checker of the demonstration table, NOT for clinical use; read once.
    pub fn demonstration() -> Arc<Self> {
        static READ: OnceLock<Arc<Checker>> = OnceLock::new();
        READ.get_or_init(|| Arc::new(Self::new(Table::demonstration()))).clone()
    }

    /// Makes the checker of a site's own table.
    ///
    /// # Errors
    /// [`TableError`] as [`Table::parse`]; then nothing is loaded.
    pub fn parse(table: &[u8]) -> Result<Self, TableError> {
        Ok(Self::new(Table::parse(table)?))
    }

    fn new(table: Table) -> Self {
        let lexicon = Lexicon::of(&table);
        let of_food = |party: &Party| foods_of(&lexicon, &[&party.name.ja, &party.name.en]);
        let foods = table.uncoded().map(|rule| (rule.id.clone(), of_food(&rule.a))).collect();
        Self { table, lexicon, foods }
    }

    /// Returns the rules.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// Returns the names.
    pub fn lexicon(&self) -> &Lexicon {
        &self.lexicon
    }
}

/// Checks the records of one person together as of `now`: what several registrations of a person hold is joined.
pub fn check_together(records: &[&Facts], checker: &Checker, now: WallMs) -> Checked {
    let mut joined = Evidence::default();
    for facts in records {
        let (allergies, _) = allergies::view(facts);
        let (medication, _) = medication::view(facts);
        let (doses, _) = administration::view(facts);
        let sections = Sections { allergies: &allergies, medication: &medication, doses: &doses };
        joined.join(Evidence::of(facts, sections, now));
    }
    check(&joined, checker, now)
}

/// Checks what was gathered, as of `now`.
///
/// Law (`the_order_of_records_does_not_matter`): the order of the evidence changes nothing.
pub fn check(evidence: &Evidence, checker: &Checker, now: WallMs) -> Checked {
    let mut drugs: Vec<(&Drug, Resolved)> =
        evidence.drugs.iter().map(|drug| (drug, resolved_drug(checker, drug))).collect();
    drugs.sort_by_key(|(drug, _)| drug.witness.position);
    let mut allergens: Vec<(&Allergen, Resolved)> =
        evidence.allergens.iter().map(|one| (one, resolved_allergen(checker, one))).collect();
    allergens.sort_by_key(|(one, _)| one.witness.position);
    let coverage = coverage(&drugs, &allergens);
    let groups = groups(drugs);
    let mut alerts = Vec::new();
    for (number, group) in groups.iter().enumerate() {
        alerts.extend(group.duplicate());
        alerts.extend(groups[number + 1..].iter().filter_map(|other| drug_drug(checker, group, other)));
    }
    alerts.extend(against_allergies(checker, &allergens, &groups));
    alerts.extend(lab::duplicates(&evidence.tests, day_of(now)));
    for alert in &mut alerts {
        let entries: BTreeSet<_> = alert.statements.iter().map(|at| (at.lane, at.seq)).collect();
        let given = evidence.reasons.iter();
        let given = given.filter(|reason| reason.pair == alert.pair && entries.contains(&reason.entry));
        let given: BTreeSet<_> = given.map(|reason| reason.given.clone()).collect();
        alert.overrides.extend(given);
    }
    alerts.sort_by(|a, b| {
        (a.severity, a.kind, &a.pair, &a.statements).cmp(&(b.severity, b.kind, &b.pair, &b.statements))
    });
    Checked { alerts, coverage }
}

/// The orders of one ingredient.
struct Group<'e> {
    key: String,
    name: Words,
    drugs: Vec<(&'e Drug, Resolved)>,
}

fn resolved_drug(checker: &Checker, drug: &Drug) -> Resolved {
    let displays = drug.codes.iter().filter_map(|code| code.display.as_deref());
    let texts: Vec<&str> = std::iter::once(drug.name.as_str())
        .chain(displays)
        .chain(drug.products.iter().map(String::as_str))
        .collect();
    resolve::drug(&checker.lexicon, &drug.codes, &texts)
}

fn resolved_allergen(checker: &Checker, allergen: &Allergen) -> Resolved {
    let texts: Vec<&str> = allergen.names.iter().map(String::as_str).collect();
    resolve::allergen(&checker.lexicon, &allergen.codes, &texts)
}

fn coverage(drugs: &[(&Drug, Resolved)], allergens: &[(&Allergen, Resolved)]) -> Coverage {
    let unknown = |known: bool, name: &String| (!known).then(|| name.clone());
    let mut drugs_unresolved: Vec<String> =
        drugs.iter().filter_map(|(drug, found)| unknown(found.is_known(), &drug.name)).collect();
    let mut allergies_unresolved: Vec<String> =
        allergens.iter().filter_map(|(one, found)| unknown(found.is_known(), &one.name)).collect();
    drugs_unresolved.sort_unstable();
    allergies_unresolved.sort_unstable();
    Coverage {
        drugs_resolved: drugs.len() - drugs_unresolved.len(),
        allergies_resolved: allergens.len() - allergies_unresolved.len(),
        drugs_unresolved,
        allergies_unresolved,
    }
}

/// Puts orders of one ingredient by one route together; a drug that nothing is known of stands by its name.
fn groups(drugs: Vec<(&Drug, Resolved)>) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for (drug, resolved) in drugs {
        let same = |group: &Group<'_>| {
            group.drugs.iter().any(|(other, found)| {
                let by_name = !(resolved.is_known() || found.is_known());
                found.shares_code(&resolved)
                    || (found.shares_ingredient(&resolved) && !routes_differ(found, &resolved))
                    || (by_name && !other.products.is_disjoint(&drug.products))
            })
        };
        let mut joined = Group { key: String::new(), name: Words::new("", ""), drugs: Vec::new() };
        let (with, apart): (Vec<_>, Vec<_>) = groups.into_iter().partition(same);
        with.into_iter().for_each(|group| joined.drugs.extend(group.drugs));
        joined.drugs.push((drug, resolved));
        groups = apart;
        groups.push(joined);
    }
    for group in &mut groups {
        group.key = group.drugs.iter().map(|(drug, found)| key(drug, found)).min().unwrap_or_default();
        let name = group.drugs.first().map_or("", |(drug, _)| drug.name.as_str());
        group.name = Words::new(name, name);
    }
    groups.sort_by(|a, b| a.key.cmp(&b.key));
    groups
}

/// Both tell their routes, and they have none in common.
fn routes_differ(one: &Resolved, other: &Resolved) -> bool {
    let routes = |found: &Resolved| {
        found.codes.iter().filter_map(|code| Route::of_code(code)).collect::<BTreeSet<_>>()
    };
    let (one, other) = (routes(one), routes(other));
    !one.is_empty() && !other.is_empty() && one.is_disjoint(&other)
}

/// Names an ingredient and its route, stably: by its code, else by its number in the tables, else by its name.
fn key(drug: &Drug, found: &Resolved) -> String {
    let cut = |code: &String| code.get(..INGREDIENT_CHARS).unwrap_or(code).to_owned();
    let code = found.given.iter().chain(&found.codes).next().map(cut);
    code.or_else(|| drug.products.first().cloned()).unwrap_or_else(|| drug.name.clone())
}

impl Group<'_> {
    /// Finds two orders of the ingredient that are not one therapy: a product renewed by the same institution is one.
    fn duplicate(&self) -> Option<Alert> {
        let orders: Vec<_> = self.drugs.iter().filter(|(drug, _)| drug.is_order).collect();
        let is_renewal = |(one, found): &(&Drug, Resolved), (other, other_found): &(&Drug, Resolved)| {
            let product =
                !one.products.is_disjoint(&other.products) || !found.given.is_disjoint(&other_found.given);
            product && !one.institutions.is_disjoint(&other.institutions)
        };
        let doubled = |order: &&&(&Drug, Resolved)| {
            orders.iter().any(|other| order.0.witness != other.0.witness && !is_renewal(order, other))
        };
        let doubled: Vec<&Drug> = orders.iter().filter(doubled).map(|(drug, _)| *drug).collect();
        let (first, others) = doubled.split_first()?;
        let names: BTreeSet<&str> = others.iter().map(|drug| drug.name.as_str()).collect();
        let names = names.into_iter().collect::<Vec<_>>().join("、");
        Some(alert(Found {
            kind: AlertKind::DuplicateIngredient,
            severity: Severity::Caution,
            pair: self.key.clone(),
            ja: format!("{}と{names}は同じ成分", first.name),
            en: format!("{} and {names}: the same ingredient twice", first.name),
            rules: Vec::new(),
            sides: [&[], &doubled],
            allergen: None,
        }))
    }

    fn codes(&self) -> impl Iterator<Item = &String> {
        self.drugs.iter().flat_map(|(_, found)| &found.codes)
    }

    fn all(&self) -> Vec<&Drug> {
        self.drugs.iter().map(|(drug, _)| *drug).collect()
    }
}

fn drug_drug(checker: &Checker, one: &Group<'_>, other: &Group<'_>) -> Option<Alert> {
    let meets = |rule: &&Rule| {
        let pair = |a: &Party, b: &Party| {
            one.codes().any(|code| a.means(code)) && other.codes().any(|code| b.means(code))
        };
        rule.kind != AlertKind::DrugAllergy && (pair(&rule.a, &rule.b) || pair(&rule.b, &rule.a))
    };
    let rules = most_severe(one.codes().flat_map(|code| checker.table.touching(code)).filter(meets));
    let rule = rules.first()?;
    let (a, b) = (&one.name, &other.name);
    Some(alert(Found {
        kind: rule.kind,
        severity: rule.severity,
        pair: format!("{} {}", one.key, other.key),
        ja: format!("{}と{}：{}", a.ja, b.ja, rule.reason.ja),
        en: format!("{} with {}: {}", a.en, b.en, rule.reason.en),
        rules: rules.iter().map(|rule| rule.id.clone()).collect(),
        sides: [&one.all(), &other.all()],
        allergen: None,
    }))
}

/// Sorts rules, the most severe first; at one severity an interaction stands before a duplicate.
fn most_severe<'t>(rules: impl Iterator<Item = &'t Rule>) -> Vec<&'t Rule> {
    let mut rules: Vec<&Rule> = rules.collect();
    rules.sort_by(|a, b| (a.severity, a.kind, &a.id).cmp(&(b.severity, b.kind, &b.id)));
    rules.dedup_by(|a, b| a.id == b.id);
    rules
}

/// Finds the drugs that meet an allergy: one alert for each drug, however often its allergy was entered.
fn against_allergies(
    checker: &Checker,
    allergens: &[(&Allergen, Resolved)],
    groups: &[Group<'_>],
) -> Vec<Alert> {
    let mut alerts = Vec::new();
    for group in groups {
        let mut met: BTreeMap<String, Vec<(&Allergen, Verdict)>> = BTreeMap::new();
        for (allergen, found) in allergens {
            if let Some(verdict) = drug_allergy(checker, (allergen, found), group) {
                let same = verdict
                    .rules
                    .first()
                    .map_or_else(String::new, |id: &String| id.split('.').next().unwrap_or(id).to_owned());
                met.entry(same).or_default().push((allergen, verdict));
            }
        }
        for found in met.into_values() {
            let Some((allergen, Verdict { severity, reason, rules })) = found.first() else { continue };
            let all: Vec<&Allergen> = found.iter().map(|(allergen, ..)| *allergen).collect();
            let notes = notes(&all, group);
            alerts.push(alert(Found {
                kind: AlertKind::DrugAllergy,
                severity: *severity,
                pair: format!("{} ! {}", group.key, rules.first().unwrap_or(&allergen.name)),
                ja: format!("{}に対し{}を使用：{}{}", allergen.name, group.name.ja, reason.ja, notes.ja),
                en: format!(
                    "{} is given, allergic to {}: {}{}",
                    group.name.en, allergen.name, reason.en, notes.en
                ),
                rules: rules.clone(),
                sides: [&[], &group.all()],
                allergen: Some(&all),
            }));
        }
    }
    alerts
}

/// Why a drug must not meet an allergy.
struct Verdict {
    severity: Severity,
    reason: Words,
    rules: Vec<String>,
}

fn drug_allergy(
    checker: &Checker,
    (allergen, found): (&Allergen, &Resolved),
    group: &Group<'_>,
) -> Option<Verdict> {
    let of_food =
        |rule: &&Rule| checker.foods.get(&rule.id).is_some_and(|foods| !foods.is_disjoint(&found.others));
    let by_code = found
        .codes
        .iter()
        .flat_map(|code| checker.table.touching(code).filter(move |rule| rule.a.means(code)));
    let rules = by_code.chain(checker.table.uncoded().filter(of_food));
    let meets =
        |rule: &&Rule| rule.kind == AlertKind::DrugAllergy && group.codes().any(|code| rule.b.means(code));
    let rules = most_severe(rules.filter(meets));
    let same = group.drugs.iter().filter_map(|(drug, drug_found)| {
        let coded = !found.given.is_empty();
        if found.shares_ingredient(drug_found) || found.shares_code(drug_found) {
            let given = Resolved { codes: found.given.clone(), ..Resolved::default() };
            let other_route = coded && routes_differ(&given, drug_found);
            return Some(if other_route { Severity::Caution } else { Severity::Contraindicated });
        }
        let by_name = !(found.is_known() && drug_found.is_known());
        let named =
            allergen.names.iter().any(|name| drug.products.contains(&crate::record::kana::fold(name)));
        (by_name && named).then_some(Severity::Contraindicated)
    });
    let same = same.min();
    let ids = rules.iter().map(|rule| rule.id.clone()).collect();
    match (same, rules.first()) {
        (Some(severity), rule) if rule.is_none_or(|rule| severity <= rule.severity) => {
            let reason = match severity {
                Severity::Contraindicated => Words::new("同じ成分", "the same ingredient"),
                Severity::Caution => {
                    Words::new("同じ成分（投与経路が異なる）", "the same ingredient by another route")
                }
            };
            Some(Verdict { severity, reason, rules: ids })
        }
        (_, Some(rule)) => Some(Verdict { severity: rule.severity, reason: rule.reason.clone(), rules: ids }),
        (_, None) => None,
    }
}

fn notes(allergens: &[&Allergen], group: &Group<'_>) -> Words {
    let drugs = || group.drugs.iter().map(|(drug, _)| drug);
    let unverified = allergens.iter().all(|one| one.is_unverified) || drugs().all(|drug| drug.is_unverified);
    let notes = [
        (allergens.iter().all(|one| one.is_disputed), "アレルギーに異論あり", "allergy disputed"),
        (unverified, "未検証の記載", "unverified statement"),
        (drugs().all(|drug| drug.is_on_hold), "休薬中", "drug on hold"),
        (drugs().all(|drug| drug.needs_decision), "判断が必要", "drug needs a decision"),
    ];
    let there: Vec<_> = notes.iter().filter(|(there, ..)| *there).collect();
    if there.is_empty() {
        return Words::new("", "");
    }
    let ja: Vec<&str> = there.iter().map(|(_, ja, _)| *ja).collect();
    let en: Vec<&str> = there.iter().map(|(.., en)| *en).collect();
    Words::new(format!("（{}）", ja.join("、")), format!(" ({})", en.join(", ")))
}

fn foods_of(lexicon: &Lexicon, texts: &[&str]) -> BTreeSet<String> {
    let food = |meaning: Meaning| match meaning {
        Meaning::Food(name) | Meaning::NoDrug(name) => Some(name),
        Meaning::Ingredient(_) | Meaning::Class(_) => None,
    };
    texts.iter().flat_map(|text| lexicon.find(text)).filter_map(food).collect()
}

struct Found<'f> {
    kind: AlertKind,
    severity: Severity,
    pair: String,
    ja: String,
    en: String,
    rules: Vec<String>,
    sides: [&'f [&'f Drug]; 2],
    allergen: Option<&'f [&'f Allergen]>,
}

/// Makes an alert: gathers the statements, and who wrote which side when.
fn alert(found: Found<'_>) -> Alert {
    let drugs = || found.sides.iter().flat_map(|side| side.iter());
    let allergens = || found.allergen.into_iter().flatten();
    let statements: BTreeSet<_> = drugs()
        .flat_map(|drug| &drug.statements)
        .chain(allergens().flat_map(|one| &one.statements))
        .copied()
        .collect();
    let mut witnesses: Vec<_> =
        drugs().map(|drug| drug.witness.clone()).chain(allergens().map(|one| one.witness.clone())).collect();
    witnesses.sort_by_key(|witness| (witness.time, witness.position));
    let devices = |side: &[&Drug]| side.iter().map(|drug| drug.witness.device).collect::<BTreeSet<_>>();
    let first = match found.allergen {
        Some(allergens) => allergens.iter().map(|one| one.witness.device).collect(),
        None => devices(found.sides[0]),
    };
    let second = devices(found.sides[1]);
    let of_drug = |drug: &&Drug| drug.current.clone();
    let mut sides: Vec<Vec<_>> = match (found.allergen, found.sides[0]) {
        (Some(allergens), _) => vec![allergens.iter().flat_map(|one| one.current.clone()).collect()],
        (None, []) => Vec::new(),
        (None, one) => vec![one.iter().flat_map(of_drug).collect()],
    };
    match sides.is_empty() {
        // Orders of one ingredient: each stands against the others.
        true => sides.extend(found.sides[1].iter().map(of_drug)),
        false => sides.push(found.sides[1].iter().flat_map(of_drug).collect()),
    }
    let apart = if first.is_empty() { second.len() > 1 } else { first.is_disjoint(&second) };
    Alert {
        kind: found.kind,
        severity: found.severity,
        pair: found.pair,
        why: Words::new(found.ja, found.en),
        rules: found.rules,
        statements: statements.into_iter().collect(),
        sides,
        witnesses,
        apart,
        overrides: Vec::new(),
    }
}
