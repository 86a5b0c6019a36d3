//! Which substance is meant: comparing a drug with an allergen.
//!
//! Codes are compared first, then names of ingredients without salt, form, strength and maker. Equal means the
//! **same** substance; classes and cross-reactions need tables and are not judged here.

use serde_json::Value;

use super::fhir::{self, Code};
use super::kana;

/// Shortest folded name that counts as a match, in characters.
const NAME_CHARS_MIN: usize = 3;
/// Most names that are compared for one substance.
const NAMES_MAX: usize = 32;
/// Characters of a YJ code that name the ingredient and its route.
const YJ_INGREDIENT_CHARS: usize = 7;

/// Systems in which equal codes mean the same substance or product.
const DRUG_SYSTEMS: [&str; 5] = [
    "http://www.nlm.nih.gov/research/umls/rxnorm",
    "http://www.whocc.no/atc",
    "http://fdasis.nlm.nih.gov",
    "http://snomed.info/sct",
    "http://medis.or.jp/CodeSystem/master-HOT9",
];

/// Salts, forms and other words at the end of a drug's name, longest first within what can follow each other.
const TAIL_WORDS: [&str; 70] = [
    "口腔内崩壊錠",
    "ドライシロップ",
    "腸溶錠",
    "徐放錠",
    "徐放カプセル",
    "配合錠",
    "配合カプセル",
    "腸溶カプセル",
    "軟カプセル",
    "カプセル",
    "舌下錠",
    "チュアブル錠",
    "od錠",
    "cr錠",
    "la錠",
    "sr錠",
    "錠",
    "細粒",
    "顆粒",
    "散",
    "原末",
    "シロップ",
    "内用液",
    "内服液",
    "注射用",
    "注射液",
    "静注用",
    "点滴静注用",
    "点滴静注",
    "静注",
    "筋注",
    "皮下注",
    "注",
    "点眼液",
    "点鼻液",
    "吸入用",
    "吸入液",
    "軟膏",
    "クリーム",
    "ローション",
    "ゲル",
    "テープ",
    "パッチ",
    "坐剤",
    "キット",
    "シリンジ",
    "液",
    "内服",
    "配合",
    "ナトリウム",
    "カリウム",
    "カルシウム",
    "水和物",
    "無水物",
    "塩酸塩",
    "硫酸塩",
    "硝酸塩",
    "リン酸塩",
    "臭化水素酸塩",
    "臭化物",
    "酢酸塩",
    "マレイン酸塩",
    "フマル酸塩",
    "クエン酸塩",
    "コハク酸塩",
    "酒石酸塩",
    "トシル酸塩",
    "ベシル酸塩",
    "メシル酸塩",
    "シュウ酸塩",
];

/// Words of Latin drug names that do not name the ingredient.
const LATIN_WORDS: [&str; 36] = [
    "tablet",
    "tablets",
    "tab",
    "capsule",
    "capsules",
    "cap",
    "oral",
    "injection",
    "injectable",
    "solution",
    "suspension",
    "cream",
    "ointment",
    "gel",
    "patch",
    "powder",
    "syrup",
    "hydrochloride",
    "hcl",
    "sodium",
    "potassium",
    "calcium",
    "sulfate",
    "sulphate",
    "phosphate",
    "maleate",
    "fumarate",
    "citrate",
    "tartrate",
    "succinate",
    "mesylate",
    "besylate",
    "acetate",
    "hydrate",
    "allergy",
    "mg",
];

/// Words at the end of an allergy's text that do not name the substance.
const ALLERGY_WORDS: [&str; 6] = ["アレルギー", "過敏症", "ショック", "禁忌", "にアレルギー", "による"];

/// Names that systems write where they have none, folded.
const EMPTY_NAMES: [&str; 5] = ["医薬品", "非医薬品", "標準コドナシ", "コドナシ", "詳細不明"];

/// What is known to name a substance: codes and normalised ingredient names.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Substance {
    codes: Vec<Code>,
    names: Vec<String>,
}

/// Why two substances are held to be the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// The same ingredient in the national drug code (YJ).
    Yj,
    /// The same code in the same system.
    Code,
    /// The same ingredient name.
    Name,
}

impl Substance {
    /// Reads a substance from a CodeableConcept: its text, its codes and their displays.
    pub fn of_concept(concept: &Value) -> Self {
        let codes = fhir::codes(concept);
        let texts =
            fhir::text(concept, &["text"]).into_iter().chain(codes.iter().filter_map(|c| c.display.clone()));
        let mut names: Vec<String> = texts.flat_map(|text| ingredient_names(&text)).collect();
        names.sort_unstable();
        names.dedup();
        names.truncate(NAMES_MAX);
        Self { codes, names }
    }

    /// Returns the normalised ingredient names.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Joins what is known from elsewhere about the same thing.
    pub fn join(&mut self, other: Substance) {
        self.codes.extend(other.codes);
        self.codes.sort_unstable();
        self.codes.dedup();
        self.names.extend(other.names);
        self.names.sort_unstable();
        self.names.dedup();
    }

    /// Says why both are the same substance, if they are.
    pub fn same(&self, other: &Substance) -> Option<Match> {
        let pairs = || self.codes.iter().flat_map(|a| other.codes.iter().map(move |b| (a, b)));
        if pairs().any(|(a, b)| yj_ingredient(a).is_some_and(|key| yj_ingredient(b) == Some(key))) {
            return Some(Match::Yj);
        }
        let drug_code = |code: &Code| DRUG_SYSTEMS.contains(&code.system.as_str()) || is_hot(code);
        if pairs().any(|(a, b)| a.same(b) && drug_code(a)) {
            return Some(Match::Code);
        }
        self.names.iter().any(|name| other.names.contains(name)).then_some(Match::Name)
    }
}

/// Returns the ingredient part of a YJ code. Seven characters that claim to be HOT7 count too: many systems
/// write a cut YJ code there, and a true HOT7 number equals another drug's YJ ingredient only by rare chance.
fn yj_ingredient(code: &Code) -> Option<&str> {
    let cut = code.code.get(..YJ_INGREDIENT_CHARS)?;
    let yj = code.system.ends_with("/YJ-code") && matches!(code.code.len(), 7 | 12);
    let cut_yj = code.system.ends_with("master-HOT7") && code.code.len() == YJ_INGREDIENT_CHARS;
    let digits = cut.bytes().all(|b| b.is_ascii_digit());
    ((yj || cut_yj) && digits).then_some(cut)
}

fn is_hot(code: &Code) -> bool {
    ["HOT7", "HOT9", "HOT13"].iter().any(|name| code.system.ends_with(&format!("master-{name}")))
}

/// Takes a drug's or allergen's text apart into normalised ingredient names.
fn ingredient_names(text: &str) -> Vec<String> {
    use unicode_normalization::UnicodeNormalization;
    let normal: String = text.nfkc().flat_map(char::to_lowercase).collect();
    let mut names = Vec::new();
    let mut parts = vec![String::new()];
    let mut maker = false;
    for character in normal.chars() {
        match character {
            '「' | '『' | '【' | '[' => maker = true,
            '」' | '』' | '】' | ']' => maker = false,
            _ if maker => {}
            '(' | ')' | '/' | '・' | '、' | ',' | ';' | '+' | '\n' => parts.push(String::new()),
            _ => parts.last_mut().expect("starts with one").push(character),
        }
    }
    for part in parts {
        let name = kana::fold(&ingredient(&part));
        if name.chars().count() >= NAME_CHARS_MIN && !EMPTY_NAMES.contains(&name.as_str()) {
            names.push(name);
        }
    }
    names
}

fn ingredient(part: &str) -> String {
    let mut name = without_strength(part.trim()).trim().to_owned();
    if name.is_ascii() {
        let kept = name.split_whitespace().filter(|word| !LATIN_WORDS.contains(word));
        return kept.collect::<Vec<_>>().join(" ");
    }
    loop {
        let before = name.len();
        for word in ALLERGY_WORDS.iter().chain(&TAIL_WORDS) {
            if let Some(stem) = name.strip_suffix(word)
                && is_ingredient_stem(stem, word)
            {
                name.truncate(stem.trim_end().len());
            }
        }
        if name.len() == before {
            break;
        }
    }
    for acid in
        ["塩酸", "硫酸", "臭化水素酸", "リン酸", "マレイン酸", "フマル酸", "酒石酸", "クエン酸", "メシル酸"]
    {
        if let Some(stem) = name.strip_prefix(acid)
            && stem.chars().count() >= NAME_CHARS_MIN
            && stem.chars().all(kana::is_katakana)
        {
            return stem.to_owned();
        }
    }
    name
}

/// Says whether what is left still names something: `塩化カリウム` must not become `塩化`.
fn is_ingredient_stem(stem: &str, word: &str) -> bool {
    let is_metal = matches!(word, "ナトリウム" | "カリウム" | "カルシウム");
    let ends_in_katakana = stem.trim_end().chars().next_back().is_some_and(kana::is_katakana);
    stem.trim_end().chars().count() >= NAME_CHARS_MIN && (!is_metal || ends_in_katakana)
}

/// Cuts a strength such as `250mg`, `0.1%` or `5 mg/ml`, and what follows it.
fn without_strength(part: &str) -> &str {
    const UNITS: [&str; 12] = ["mg", "g", "μg", "µg", "mcg", "ml", "l", "%", "単位", "iu", "meq", "万単位"];
    let digits = |c: char| c.is_ascii_digit();
    for (start, _) in part.char_indices().filter(|(_, c)| digits(*c)) {
        let rest = part[start..].trim_start_matches(|c: char| digits(c) || c == '.').trim_start();
        let before = part[..start].trim_end();
        // A bare number is a strength after a form (錠15) and part of the name elsewhere (ビタミンB12).
        let bare = rest.is_empty() && TAIL_WORDS.iter().any(|form| before.ends_with(form));
        if !before.is_empty() && (bare || UNITS.iter().any(|unit| rest.starts_with(unit))) {
            return before;
        }
    }
    part
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const YJ: &str = "http://capstandard.jp/iyaku.info/CodeSystem/YJ-code";
    const HOT7: &str = "http://medis.or.jp/CodeSystem/master-HOT7";

    fn named(text: &str) -> Substance {
        Substance::of_concept(&json!({ "text": text }))
    }

    fn coded(system: &str, code: &str) -> Substance {
        Substance::of_concept(&json!({"coding": [{"system": system, "code": code}]}))
    }

    #[test]
    fn names_of_one_ingredient_match_whatever_salt_form_strength_or_maker() {
        let writings = [
            ("アモキシシリン", "アモキシシリン水和物カプセル250mg「トーワ」"),
            ("ランソプラゾール", "ﾗﾝｿﾌﾟﾗｿﾞｰﾙOD錠30mg"),
            ("サルブタモール", "サルブタモール硫酸塩"),
            ("プロプラノロール", "塩酸プロプラノロール錠10mg"),
            ("セフトリアキソンナトリウム水和物", "セフトリアキソン静注用1g"),
            ("リピトール", "アトルバスタチン（リピトール）"),
            ("アスピリンアレルギー", "アスピリン"),
            ("Amoxicillin", "amoxicillin 250 mg capsule"),
            ("アムロジピン", "バルサルタン・アムロジピンベシル酸塩"),
            ("ロキソプロフェンナトリウム錠６０ｍｇ", "ろきそぷろふぇん"),
        ];
        for (one, other) in writings {
            assert_eq!(named(one).same(&named(other)), Some(Match::Name), "{one} / {other}");
        }
    }

    #[test]
    fn other_substances_do_not_match() {
        let pairs = [
            ("塩化カリウム", "塩化ナトリウム"),
            ("炭酸水素ナトリウム", "炭酸リチウム"),
            ("イトラコナゾール", "ミコナゾール"),
            ("ビタミンD", "ビタミンK"),
            ("ビタミンB12", "ビタミンB6"),
            ("医薬品", "医薬品"),
            ("錠", "錠"),
            ("", ""),
        ];
        for (one, other) in pairs {
            assert_eq!(named(one).same(&named(other)), None, "{one} / {other}");
        }
    }

    #[test]
    fn yj_codes_match_by_ingredient_also_when_cut_into_another_system() {
        let celecoxib = coded(YJ, "1149037F1020");
        assert_eq!(celecoxib.same(&coded(YJ, "1149037F2027")), Some(Match::Yj));
        assert_eq!(celecoxib.same(&coded(HOT7, "1149037")), Some(Match::Yj));
        assert_eq!(celecoxib.same(&coded(YJ, "1149036F2027")), None);
    }

    #[test]
    fn codes_that_name_no_drug_never_match() {
        let nocoded = "http://jpfhir.jp/fhir/clins/CodeSystem/JP_CLINS_MedicationCode_Nocoded_CS";
        assert_eq!(coded(nocoded, "NOCODED").same(&coded(nocoded, "NOCODED")), None);
        let allergen = "http://jpfhir.jp/fhir/core/CodeSystem/YCM/JP_JfagyMedicationAllergen_CS";
        assert_eq!(coded(allergen, "00M").same(&coded(allergen, "00M")), None);
        let sct = "http://snomed.info/sct";
        assert_eq!(coded(sct, "387458008").same(&coded(sct, "387458008")), Some(Match::Code));
    }
}
