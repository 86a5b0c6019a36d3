//! Which ingredients a drug or an allergen is: codes first, then names.
//!
//! - A YJ code (12 characters, or its first 7) says the ingredient **and its route**: a name beside it adds nothing, unless
//!   the tables know both and they have no ingredient in common. One of the two is a slip then, and both count.
//! - Seven characters that claim to be HOT7 are, in what systems really send, a cut YJ code; a true HOT7 number may
//!   look the same. So the name is read too, and both count: in doubt there is one substance more to check.
//! - Without a code, names decide, and the form in the text says the route (`クリーム` is no tablet). A text without a
//!   form means all routes of the ingredient.
//! - An allergen means its ingredient by every route; whether the route differs is kept for the check.
//!
//! Source of the route: the fifth character of a YJ code is 0-3 for what is swallowed, 4-6 for injections, 7-9 for
//! external use; classes 26 are for the skin, 131 for the eye, 132 for nose and ear, 22 for the airways.

use std::collections::BTreeSet;

use super::lexicon::{IngredientId, Lexicon, Meaning};
use crate::record::fhir::Code;

/// Characters of a YJ code that name the ingredient and its route.
pub const INGREDIENT_CHARS: usize = 7;

/// How a drug enters the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Route {
    /// Swallowed.
    Oral,
    /// Injected.
    Injection,
    /// Ointment, cream or lotion on the skin.
    Skin,
    /// Into the eye.
    Eye,
    /// Into nose or ear.
    Nose,
    /// Breathed in.
    Airway,
    /// Patch, suppository, buccal tablet and other external use that reaches the whole body.
    Other,
}

/// What is known of a drug or an allergen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resolved {
    /// YJ codes, ingredients of 7 characters or classes of 3 or 4: what rules are compared with.
    pub codes: BTreeSet<String>,
    /// The codes among them that the statement itself gives.
    pub given: BTreeSet<String>,
    /// The ingredients.
    pub ingredients: BTreeSet<IngredientId>,
    /// Foods and allergens that no drug contains, by their Japanese names.
    pub others: BTreeSet<String>,
}

impl Resolved {
    /// Says whether anything is known.
    pub fn is_known(&self) -> bool {
        !(self.codes.is_empty() && self.ingredients.is_empty() && self.others.is_empty())
    }

    /// Says whether both have an ingredient by the same route: equal beginnings of codes.
    pub fn shares_code(&self, other: &Resolved) -> bool {
        let cut = |code: &String| code.get(..INGREDIENT_CHARS).map(str::to_owned);
        let own: BTreeSet<String> = self.codes.iter().filter_map(cut).collect();
        other.codes.iter().filter_map(cut).any(|code| own.contains(&code))
    }

    /// Says whether both have an ingredient, by whatever route.
    pub fn shares_ingredient(&self, other: &Resolved) -> bool {
        !self.ingredients.is_disjoint(&other.ingredients)
    }
}

impl Route {
    /// Reads the route of a YJ code of at least 7 characters; a class says none.
    pub fn of_code(code: &str) -> Option<Self> {
        let cut = code.get(..INGREDIENT_CHARS)?;
        Some(match cut.as_bytes()[4] {
            b'0'..=b'3' => Route::Oral,
            b'4'..=b'6' => Route::Injection,
            _ if cut.starts_with("26") => Route::Skin,
            _ if cut.starts_with("131") => Route::Eye,
            _ if cut.starts_with("132") => Route::Nose,
            _ if cut.starts_with("22") => Route::Airway,
            _ => Route::Other,
        })
    }

    /// Reads the route from the form that a text names, if it names one.
    pub fn of_text(text: &str) -> Option<Self> {
        use unicode_normalization::UnicodeNormalization as _;
        const FORMS: [(Route, &[&str]); 8] = [
            (
                Route::Other,
                &["口腔用", "バッカル", "坐剤", "坐薬", "suppository", "テープ", "パップ", "パッチ", "patch"],
            ),
            (Route::Oral, &["経口", "内服", "内用", "oral"]),
            (Route::Eye, &["点眼", "眼軟膏", "eye drop", "ophthalmic"]),
            (Route::Nose, &["点鼻", "点耳", "nasal"]),
            (Route::Airway, &["吸入", "ディスカス", "エアゾール", "エアー", "inhal"]),
            (
                Route::Skin,
                &[
                    "軟膏",
                    "クリーム",
                    "ローション",
                    "ゲル",
                    "外用",
                    "塗布",
                    "cream",
                    "ointment",
                    "lotion",
                    "gel",
                    "topical",
                ],
            ),
            (Route::Injection, &["注", "点滴", "バイアル", "シリンジ", "injection", "infusion"]),
            (
                Route::Oral,
                &["錠", "カプセル", "顆粒", "細粒", "散", "シロップ", "ゼリー", "tablet", "capsule", "syrup"],
            ),
        ];
        let normal: String = text.nfkc().flat_map(char::to_lowercase).collect();
        let named = |(_, forms): &&(Route, &[&str])| forms.iter().any(|form| normal.contains(form));
        FORMS.iter().find(named).map(|(route, _)| *route)
    }

    /// Says whether a code of route `code` may be what a text of this route means: a patch may stand in any class.
    fn may_be(self, code: Route) -> bool {
        self == code || (self == Route::Other && code == Route::Skin)
    }
}

/// Resolves a drug by its codes and what it is called.
pub fn drug(lexicon: &Lexicon, codes: &[Code], texts: &[&str]) -> Resolved {
    let mut resolved = Resolved::default();
    let certain = of_codes(lexicon, codes, &mut resolved);
    if certain && !contradicts(lexicon, &resolved, texts) {
        return resolved;
    }
    let route = texts
        .iter()
        .find_map(|text| Route::of_text(text))
        .or_else(|| resolved.given.iter().find_map(|code| Route::of_code(code)));
    let found = texts.iter().map(|text| lexicon.find(text)).find(|found| !found.is_empty());
    let found = found.unwrap_or_default();
    let is_ingredient = |meaning: &Meaning| matches!(meaning, Meaning::Ingredient(_));
    let by_ingredient = found.iter().any(is_ingredient);
    for meaning in found {
        match meaning {
            Meaning::Ingredient(id) => {
                resolved.ingredients.insert(id);
                let fits = |prefix: &&String| match (route, Route::of_code(prefix)) {
                    (Some(wanted), Some(there)) => wanted.may_be(there),
                    (_, _) => true,
                };
                resolved.codes.extend(lexicon.ingredient(id).prefixes.iter().filter(fits).cloned());
            }
            Meaning::Class(prefix) if !by_ingredient => {
                resolved.codes.insert(prefix);
            }
            Meaning::Class(_) | Meaning::Food(_) | Meaning::NoDrug(_) => {}
        }
    }
    resolved
}

/// Says whether the first text that names an ingredient names none of those that codes have given.
fn contradicts(lexicon: &Lexicon, coded: &Resolved, texts: &[&str]) -> bool {
    let ingredients = |text: &&str| -> BTreeSet<IngredientId> {
        let ingredient = |meaning| match meaning {
            Meaning::Ingredient(id) => Some(id),
            Meaning::Class(_) | Meaning::Food(_) | Meaning::NoDrug(_) => None,
        };
        lexicon.find(text).into_iter().filter_map(ingredient).collect()
    };
    let named = texts.iter().map(ingredients).find(|found| !found.is_empty()).unwrap_or_default();
    !coded.ingredients.is_empty() && !named.is_empty() && named.is_disjoint(&coded.ingredients)
}

/// Resolves what somebody is allergic to, by its codes and all that it is called.
pub fn allergen(lexicon: &Lexicon, codes: &[Code], texts: &[&str]) -> Resolved {
    let mut resolved = Resolved::default();
    let certain = of_codes(lexicon, codes, &mut resolved);
    let found: BTreeSet<Meaning> = match certain {
        true => BTreeSet::new(),
        false => texts.iter().flat_map(|text| lexicon.find(text)).collect(),
    };
    for meaning in found {
        match meaning {
            Meaning::Ingredient(id) => {
                resolved.ingredients.insert(id);
            }
            Meaning::Class(prefix) => {
                resolved.codes.insert(prefix);
            }
            Meaning::Food(name) | Meaning::NoDrug(name) => {
                resolved.others.insert(name);
            }
        }
    }
    for id in &resolved.ingredients {
        resolved.codes.extend(lexicon.ingredient(*id).prefixes.iter().cloned());
    }
    resolved
}

/// Takes the codes in; says whether they settle what is meant.
fn of_codes(lexicon: &Lexicon, codes: &[Code], resolved: &mut Resolved) -> bool {
    let mut certain = false;
    for (code, claims) in codes.iter().filter_map(yj) {
        certain |= claims;
        resolved.codes.insert(code.to_owned());
        resolved.given.insert(code.to_owned());
        resolved.ingredients.extend(lexicon.of_code(code));
    }
    certain
}

/// Reads a YJ code, or its first characters, and says whether its system claims that it is one.
fn yj(code: &Code) -> Option<(&str, bool)> {
    let is_yj = code.system.ends_with("/YJ-code");
    let is_cut = code.system.ends_with("master-HOT7") && code.code.len() == INGREDIENT_CHARS;
    let good = matches!(code.code.len(), INGREDIENT_CHARS | 12)
        && code.code.get(..INGREDIENT_CHARS).is_some_and(|cut| cut.bytes().all(|b| b.is_ascii_digit()));
    (good && (is_yj || is_cut)).then_some((code.code.as_str(), is_yj))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::safety::table::Table;

    fn lexicon() -> Lexicon {
        Lexicon::of(&Table::demonstration())
    }

    fn code(system: &str, code: &str) -> Code {
        Code { system: format!("http://x/{system}"), code: code.to_owned(), display: None }
    }

    fn codes(resolved: &Resolved) -> Vec<&str> {
        resolved.codes.iter().map(String::as_str).collect()
    }

    #[test]
    fn a_yj_code_alone_says_ingredient_and_route() {
        let found = drug(&lexicon(), &[code("YJ-code", "2649735S1028")], &["ロキソニンテープ50mg"]);
        assert_eq!(codes(&found), ["2649735S1028"]);
        assert_eq!(Route::of_code("2649735S1028"), Some(Route::Skin));
        for wrong in [code("YJ-code", "26497"), code("YJ-code", "26497X5S1028"), code("99XYZ", "2649735")] {
            assert!(!drug(&lexicon(), &[wrong], &[]).is_known());
        }
    }

    #[test]
    fn a_code_and_a_name_of_different_ingredients_both_count() {
        let amlodipine = [code("YJ-code", "2171022F1010")];
        let slip = drug(&lexicon(), &amlodipine, &["サワシリン"]);
        assert!(slip.shares_ingredient(&drug(&lexicon(), &[], &["アモキシシリン"])));
        assert!(slip.shares_ingredient(&drug(&lexicon(), &[], &["アムロジピン"])));
        // A name of the same ingredient, one that the tables do not know, and a code that they do not know add nothing.
        for (code, name) in [
            (&amlodipine, "ノルバスク錠5mg"),
            (&amlodipine, "薬Ｂ"),
            (&[self::code("YJ-code", "6290009X1020")], "ミコナゾール"),
        ] {
            assert_eq!(drug(&lexicon(), code, &[name]).codes.len(), 1, "{name}");
        }
    }

    #[test]
    fn a_cut_code_under_hot7_and_a_name_that_differ_both_count() {
        let found = drug(&lexicon(), &[code("master-HOT7", "1179052")], &["エスシタロプラム"]);
        assert_eq!(codes(&found), ["1179052", "1179054"]);
    }

    #[test]
    fn without_a_code_the_form_says_the_route() {
        let lexicon = lexicon();
        let of = |text: &str| drug(&lexicon, &[], &[text]).codes.into_iter().collect::<Vec<_>>();
        assert_eq!(of("ロキソプロフェンNa錠60mg"), ["1149019"]);
        assert_eq!(of("ロキソニンテープ50mg"), ["2649735"]);
        assert_eq!(of("ミコナゾール"), ["6290003", "6290400", "6290704"]);
        assert_eq!(of("フロリードゲル経口用2%"), ["6290003"]);
        let cream = drug(&lexicon, &[], &["ミコナゾールクリーム1%"]);
        assert!(
            cream.codes.is_empty() && cream.is_known(),
            "its ingredient is known, and by no rule's route"
        );
        assert_eq!(of("クリンダマイシン注射用600mg"), ["6112401"]);
        assert_eq!(of("イオヘキソール注"), ["7219"]);
    }

    #[test]
    fn an_allergen_is_meant_by_every_route() {
        let lexicon = lexicon();
        let coded = allergen(&lexicon, &[code("YJ-code", "3399007H1021")], &["バイアスピリン"]);
        assert!(coded.codes.contains("1143001") && coded.given.len() == 1);
        let named = allergen(&lexicon, &[], &["ダラシン"]);
        assert_eq!(codes(&named), ["6112001", "6112401"]);
        assert!(allergen(&lexicon, &[], &["花粉"]).is_known());
        assert!(!allergen(&lexicon, &[], &["不明の薬"]).is_known());
    }
}
