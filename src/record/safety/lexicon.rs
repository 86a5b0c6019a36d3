//! The names under which ingredients, classes and foods are written, and finding them in a text.
//!
//! Three tables stand beside this file. `ingredients.csv`: YJ prefixes (of 7 characters, or the class of 4 where the
//! ingredient's own is not known to the table), Japanese and English name, brands and other names. `classes.csv`: words
//! for classes of drugs with their prefixes, foods, and allergens that no drug contains. Both were composed for this
//! program from general knowledge, were not checked by a pharmacist, and are not complete (CC0).
//!
//! A name counts only where it stands as a whole: `ピリン` is not found in `アスピリン`, nor `卵` in `卵巣`. The
//! longest name wins. A text is cut where the script changes, so half-width kana, hiragana, salts, forms, strengths
//! and makers do not matter.

use std::collections::{BTreeMap, BTreeSet};

use unicode_normalization::UnicodeNormalization as _;

use super::alert::Words;
use super::resolve::INGREDIENT_CHARS;
use super::table::{Party, Table};
use crate::record::kana;

const INGREDIENTS: &[u8] = include_bytes!("data/ingredients.csv");
const CLASSES: &[u8] = include_bytes!("data/classes.csv");
/// Longest text that is searched, in characters.
const TEXT_CHARS_MAX: usize = 400;
/// Most pieces of which one name is made.
const NAME_PIECES_MAX: usize = 16;

/// Words that end a run of katakana and belong to no ingredient's name: forms, salts, and what is said of allergies.
const ENDINGS: [&str; 34] = [
    "アレルギー",
    "アナフィラキシー",
    "ショック",
    "ドライシロップ",
    "シロップ",
    "カプセル",
    "チュアブル",
    "テープ",
    "パップ",
    "パッチ",
    "ゲル",
    "クリーム",
    "ローション",
    "スプレー",
    "キット",
    "シリンジ",
    "バイアル",
    "バッグ",
    "ディスカス",
    "エアゾール",
    "ネブライザー",
    "ナトリウム",
    "カリウム",
    "カルシウム",
    "ベシル",
    "メシル",
    "トシル",
    "マレイン",
    "フマル",
    "クエン",
    "コハク",
    "シュウ",
    "リン",
    "ピボキシル",
];

/// The number of an ingredient in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IngredientId(
    /// The row, from 0.
    pub usize,
);

/// One ingredient, or fixed combination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ingredient {
    /// Its YJ prefixes, one for each route; a class where its own is not known.
    pub prefixes: Vec<String>,
    /// What it is called.
    pub name: Words,
}

/// What a name means.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Meaning {
    /// An ingredient.
    Ingredient(IngredientId),
    /// A class of drugs: the prefix of its codes.
    Class(String),
    /// A food, by its Japanese name.
    Food(String),
    /// An allergen that no drug contains, by its Japanese name.
    NoDrug(String),
}

/// All names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lexicon {
    ingredients: Vec<Ingredient>,
    names: BTreeMap<String, BTreeSet<Meaning>>,
    by_prefix: BTreeMap<String, IngredientId>,
}

impl Lexicon {
    /// Reads the names of this tree, and adds those of a table of rules.
    pub fn of(table: &Table) -> Self {
        let mut lexicon =
            Self { ingredients: Vec::new(), names: BTreeMap::new(), by_prefix: BTreeMap::new() };
        for row in rows(INGREDIENTS) {
            let prefixes = row[0].split_whitespace().map(str::to_owned).collect();
            let id = lexicon.add(prefixes, Words::new(&row[1], &row[2]));
            row[1..].iter().flat_map(|names| names.split('|')).for_each(|name| lexicon.name(name, id));
        }
        for row in rows(CLASSES) {
            let meanings: Vec<Meaning> = match row[0].as_str() {
                "class" => row[1].split_whitespace().map(|prefix| Meaning::Class(prefix.into())).collect(),
                "food" => vec![Meaning::Food(row[2].clone())],
                _ => vec![Meaning::NoDrug(row[2].clone())],
            };
            for name in row[2..].iter().flat_map(|names| names.split('|')).filter(|name| !name.is_empty()) {
                lexicon.names.entry(key(name)).or_default().extend(meanings.iter().cloned());
            }
        }
        for rule in table.rules() {
            let of_allergy = rule.kind == super::AlertKind::DrugAllergy;
            let parties = if of_allergy { vec![&rule.b] } else { vec![&rule.a, &rule.b] };
            parties.into_iter().for_each(|party| lexicon.learn(party));
        }
        lexicon
    }

    /// Returns an ingredient.
    pub fn ingredient(&self, id: IngredientId) -> &Ingredient {
        &self.ingredients[id.0]
    }

    /// Returns the ingredient of a YJ code.
    pub fn of_code(&self, code: &str) -> Option<IngredientId> {
        self.by_prefix.get(code.get(..INGREDIENT_CHARS)?).copied()
    }

    /// Finds what the names in a text mean; the longest names win, and none is found inside another.
    pub fn find(&self, text: &str) -> BTreeSet<Meaning> {
        let normal: String = text.nfkc().flat_map(char::to_lowercase).take(TEXT_CHARS_MAX).collect();
        let pieces = pieces(&normal);
        let mut found = BTreeSet::new();
        let mut at = 0;
        while at < pieces.len() {
            match self.longest(&pieces, at) {
                Some((end, meanings)) => {
                    found.extend(meanings.iter().cloned());
                    at = end;
                }
                None => at += 1,
            }
        }
        found
    }

    fn longest(&self, pieces: &[Piece], at: usize) -> Option<(usize, &BTreeSet<Meaning>)> {
        let mut name = String::new();
        let mut best = None;
        for (end, piece) in pieces.iter().enumerate().skip(at).take(NAME_PIECES_MAX) {
            name.push_str(&piece.folded);
            let lone_kanji = end == at && piece.script == Script::Kanji;
            let next_to_kanji = |index: Option<usize>| {
                index.and_then(|index| pieces.get(index)).is_some_and(|p| p.script == Script::Kanji)
            };
            if lone_kanji && (next_to_kanji(at.checked_sub(1)) || next_to_kanji(Some(at + 1))) {
                continue;
            }
            let plural = || match piece.script {
                Script::Latin => name.strip_suffix('s').and_then(|one| self.names.get(one)),
                Script::Katakana | Script::Hiragana | Script::Kanji | Script::Digit | Script::Other => None,
            };
            if let Some(meanings) = self.names.get(&name).or_else(plural) {
                best = Some((end + 1, meanings));
            }
        }
        best
    }

    fn add(&mut self, prefixes: Vec<String>, name: Words) -> IngredientId {
        let id = IngredientId(self.ingredients.len());
        for prefix in prefixes.iter().filter(|prefix| prefix.len() == INGREDIENT_CHARS) {
            self.by_prefix.entry(prefix.clone()).or_insert(id);
        }
        self.ingredients.push(Ingredient { prefixes, name });
        id
    }

    fn name(&mut self, name: &str, id: IngredientId) {
        let key = key(name);
        if !key.is_empty() {
            self.names.entry(key).or_default().insert(Meaning::Ingredient(id));
        }
    }

    /// Learns the name of a rule's drug, unless it is known by its code.
    fn learn(&mut self, party: &Party) {
        let name = Words::new(without_remarks(&party.name.ja), without_remarks(&party.name.en));
        if party.prefix.len() < INGREDIENT_CHARS || self.of_code(&party.prefix).is_some() {
            return;
        }
        let known = self.names.get(&key(&name.ja)).into_iter().flatten().find_map(|meaning| match meaning {
            Meaning::Ingredient(id) => Some(*id),
            Meaning::Class(_) | Meaning::Food(_) | Meaning::NoDrug(_) => None,
        });
        let prefix = party.prefix[..INGREDIENT_CHARS].to_owned();
        let id = match known {
            Some(id) => {
                self.ingredients[id.0].prefixes.push(prefix.clone());
                self.by_prefix.insert(prefix, id);
                id
            }
            None => self.add(vec![prefix], name.clone()),
        };
        self.name(&name.ja, id);
        self.name(&name.en, id);
    }
}

/// Cuts remarks in brackets: `ミコナゾール（経口）` is called ミコナゾール.
fn without_remarks(name: &str) -> String {
    let normal: String = name.nfkc().collect();
    normal.split('(').next().unwrap_or_default().trim().to_owned()
}

/// Folds a name as a text is folded: piece by piece.
fn key(name: &str) -> String {
    let normal: String = name.nfkc().flat_map(char::to_lowercase).collect();
    pieces(&normal).into_iter().map(|piece| piece.folded).collect()
}

fn rows(table: &[u8]) -> Vec<Vec<String>> {
    let mut reader = csv::Reader::from_reader(table);
    let read = |row: Result<csv::StringRecord, csv::Error>| {
        row.expect("the shipped table is read by a test").iter().map(str::to_owned).collect()
    };
    reader.records().map(read).collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Script {
    Katakana,
    Hiragana,
    Kanji,
    Latin,
    Digit,
    Other,
}

struct Piece {
    script: Script,
    folded: String,
}

/// Cuts a text where its script changes; kanji and signs one by one, katakana also before the known endings.
fn pieces(normal: &str) -> Vec<Piece> {
    let mut runs: Vec<(Script, String)> = Vec::new();
    for character in normal.chars() {
        let script = script(character);
        match runs.last_mut() {
            Some((last, run)) if *last == script && !matches!(script, Script::Kanji | Script::Other) => {
                run.push(character);
            }
            _ => runs.push((script, character.to_string())),
        }
    }
    let mut pieces = Vec::with_capacity(runs.len());
    for (script, run) in runs {
        let mut endings = Vec::new();
        let mut stem = run.as_str();
        if script == Script::Katakana {
            while let Some((shorter, ending)) = ENDINGS
                .iter()
                .find_map(|ending| stem.strip_suffix(ending).map(|shorter| (shorter, *ending)))
                .filter(|(shorter, _)| !shorter.is_empty())
            {
                endings.push(ending);
                stem = shorter;
            }
        }
        for part in std::iter::once(stem).chain(endings.into_iter().rev()) {
            pieces.push(Piece { script, folded: kana::fold(part) });
        }
    }
    pieces.retain(|piece| !(piece.folded.is_empty() && piece.script == Script::Other));
    pieces
}

fn script(character: char) -> Script {
    match character {
        c if kana::is_katakana(c) => Script::Katakana,
        'ぁ'..='ゖ' => Script::Hiragana,
        '々' | '\u{3400}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}' => {
            Script::Kanji
        }
        c if c.is_ascii_digit() => Script::Digit,
        c if c.is_alphabetic() => Script::Latin,
        _ => Script::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lexicon() -> Lexicon {
        Lexicon::of(&Table::demonstration())
    }

    fn names(text: &str) -> Vec<String> {
        let lexicon = lexicon();
        let said = |meaning: Meaning| match meaning {
            Meaning::Ingredient(id) => lexicon.ingredient(id).name.en.clone(),
            Meaning::Class(prefix) => prefix,
            Meaning::Food(name) | Meaning::NoDrug(name) => name,
        };
        lexicon.find(text).into_iter().map(said).collect()
    }

    #[test]
    fn the_tables_are_read_and_every_drug_of_the_rules_is_named() {
        let lexicon = lexicon();
        assert!(lexicon.ingredients.len() >= 400, "{}", lexicon.ingredients.len());
        for rule in Table::demonstration().rules() {
            let party = &rule.b;
            if party.prefix.len() == INGREDIENT_CHARS {
                assert!(lexicon.of_code(&party.prefix).is_some(), "{}", party.name.ja);
            }
        }
    }

    #[test]
    fn names_are_found_whatever_the_writing() {
        for text in [
            "ロキソプロフェンＮａ錠６０ｍｇ",
            "ﾛｷｿﾌﾟﾛﾌｪﾝ",
            "ろきそぷろふぇん",
            "ロキソニンアレルギー",
            "ロキソニンテープ100mg「トーワ」",
            "Loxoprofen sodium 60 mg",
            "薬剤（ロキソニン）で発疹",
        ] {
            assert_eq!(names(text), ["loxoprofen"], "{text}");
        }
        assert_eq!(names("アムロジピンベシル酸塩錠5mg"), ["amlodipine"]);
        assert_eq!(names("アレンドロン酸錠35mg"), ["alendronic acid"]);
        assert_eq!(names("クエン酸第一鉄ナトリウム錠"), ["ferrous citrate"]);
        assert_eq!(names("一硝酸イソソルビド錠"), ["isosorbide mononitrate"]);
        assert_eq!(names("amoxicillin/clavulanate"), ["amoxicillin/clavulanate"]);
        assert_eq!(names("5-FU"), ["fluorouracil"]);
        assert_eq!(names("Sulfa drugs (sulfonamide) - rash"), ["6290100", "6419500"]);
        assert_eq!(names("allergic to penicillins"), ["6131"]);
        assert_eq!(names("ペニシリン系"), ["6131"]);
        assert_eq!(names("鶏卵"), ["卵"]);
    }

    #[test]
    fn a_name_inside_another_is_not_found() {
        assert_eq!(names("アスピリン"), ["aspirin", "1143"]);
        assert_eq!(names("非ピリン系感冒薬"), ["非ピリン系"]);
        assert!(names("卵巣嚢腫").is_empty());
        assert!(names("牛乳瓶").iter().all(|name| name == "牛乳"));
        assert!(names("イソ").is_empty());
        assert!(names("アモキサピン").is_empty());
        assert!(names("").is_empty());
    }
}
