//! Forms for comparing: names, phone numbers, addresses, insurance numbers as different clerks write them.

use unicode_normalization::UnicodeNormalization;

use super::variants::standard;
use crate::record::kana;

/// Most numbers of an address that say which house it is: chōme, block, house.
const HOUSE_NUMBERS: usize = 3;
/// Stands where a space parts two numbers.
const GAP: char = '|';
/// Forms of address that stand behind short names, folded.
const HONORIFICS: [&str; 5] = ["チヤン", "クン", "サン", "サマ", "君"];
/// Words that stand where a name is not known.
const NAMELESS: [&str; 8] =
    ["ミモトフメイ", "不明", "フメイ", "氏名不詳", "身元不明", "名無", "unknown", "推定"];

/// Folds a name's writing: width, case, kana, spaces, and variants of characters.
pub fn writing(text: &str) -> String {
    kana::fold(text).chars().map(standard).collect()
}

/// Folds a reading to what is heard over a telephone: long vowels short, voiced sounds unvoiced, ヱ as エ.
/// Two names of one such sound may still be two names.
pub fn sound(folded: &str) -> String {
    let mut heard = String::with_capacity(folded.len());
    let mut before = None;
    for character in folded.chars() {
        let plain = match character {
            'ヱ' => 'エ',
            'ヰ' => 'イ',
            other => unvoiced(other),
        };
        let lengthens = match (before.and_then(row), plain) {
            (Some('オ'), 'ウ' | 'オ') | (Some('ウ'), 'ウ') | (Some('エ'), 'イ' | 'エ') => true,
            (_, _) => false,
        };
        if !lengthens {
            heard.push(plain);
        }
        before = Some(plain);
    }
    heard
}

/// Folds a name to what candidates are looked up by: writing and sound at once.
pub fn alike(name: &str) -> String {
    sound(&writing(name))
}

/// Says whether a name stands for a person whose name is not known.
pub fn is_nameless(folded: &str) -> bool {
    NAMELESS.iter().any(|word| folded.starts_with(word))
}

/// Takes the form of address from behind a name that has one: a short name.
pub fn short_name(folded: &str) -> Option<&str> {
    let stem = HONORIFICS.iter().find_map(|word| folded.strip_suffix(word))?;
    (!stem.is_empty()).then_some(stem)
}

/// Reads the digits of a phone number, the Japanese country code as 0; fewer than eight digits are none.
pub fn phone(text: &str) -> Option<String> {
    let normal: String = text.nfkc().filter(|c| c.is_ascii_digit() || *c == '+').collect();
    let national = normal.strip_prefix("+81").map(|rest| format!("0{}", rest.trim_start_matches('0')));
    let digits: String = national.unwrap_or(normal).chars().filter(char::is_ascii_digit).collect();
    (digits.len() >= 8).then_some(digits)
}

/// An address, taken apart.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Address {
    /// The place without its prefecture, up to the first number.
    pub town: String,
    /// Chōme, block and house, as far as given.
    pub house: Vec<u32>,
    /// The numbers behind, such as a flat's.
    pub flat: Vec<u32>,
}

/// Takes an address apart; text without a place is none.
pub fn address(text: &str) -> Option<Address> {
    let folded = writing(&marked(&text.replace("丁目", "-").replace('〒', "")));
    let place = strip_postal(&folded).trim_start_matches(GAP);
    let place = place.get(prefecture_bytes(place)..).unwrap_or(place);
    let place = kanji_numbers(place);
    let town_end = place.find(|c: char| c.is_ascii_digit()).unwrap_or(place.len());
    let mut numbers = place.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok());
    let house: Vec<u32> = numbers.by_ref().take(HOUSE_NUMBERS).collect();
    let town = place.get(..town_end).unwrap_or_default().trim_end_matches(['-', GAP]).replace(GAP, "");
    (!town.is_empty()).then(|| Address { town, house, flat: numbers.collect() })
}

/// Returns the postal code that a text holds or is: seven digits.
pub fn postal(text: &str) -> Option<String> {
    let normal: String = text.nfkc().collect();
    let start = normal.trim_start_matches(['〒', ' ']);
    let code: String = start.chars().take(8).filter(char::is_ascii_digit).collect();
    (code.len() == 7
        && start.chars().take(8).all(|c| c.is_ascii_digit() || matches!(c, '-' | '−' | 'ー' | ' ')))
    .then_some(code)
    .or_else(|| (start.len() == 7 && start.bytes().all(|b| b.is_ascii_digit())).then(|| start.to_owned()))
}

impl Address {
    /// Returns the municipality that the place begins with, if it can be told.
    pub fn city(&self) -> Option<&str> {
        let end =
            self.town.char_indices().skip(1).find(|(_, c)| matches!(c, '市' | '区' | '町' | '村' | '郡'));
        end.and_then(|(at, c)| self.town.get(..at + c.len_utf8()))
    }
}

/// An insurance number: insurer, symbol and number are the family's, the branch is the person's.
#[derive(Clone, PartialEq, Eq)]
pub struct Insurance {
    /// Insurer, symbol and number.
    pub family: String,
    /// The branch within the family, if given.
    pub branch: Option<u32>,
}

/// Reads `insurer:symbol:number` with or without `:branch`; leading zeros do not count.
pub fn insurance(text: &str) -> Option<Insurance> {
    let normal: String = text.nfkc().filter(|c| !c.is_whitespace()).collect();
    let parts: Vec<&str> = normal.split([':', '/', '・', '|']).collect();
    let (family, branch) = match parts.as_slice() {
        [_, _, _] => (parts.as_slice(), None),
        [family @ .., branch] if family.len() == 3 => (family, branch.parse().ok()),
        _ => return None,
    };
    if family.iter().any(|part| part.is_empty()) {
        return None;
    }
    let plain: Vec<&str> = family.iter().map(|part| part.trim_start_matches('0')).collect();
    Some(Insurance { family: plain.join(":"), branch })
}

/// Keeps what parts numbers, which folding drops: a space behind a number, and a long-vowel mark for a hyphen.
fn marked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.nfkc() {
        let after_number = out.ends_with(|c: char| c.is_ascii_digit() || c == '号');
        out.push(match character {
            'ー' if after_number => '-',
            c if c.is_whitespace() && after_number => GAP,
            c => c,
        });
    }
    out
}

fn strip_postal(text: &str) -> &str {
    let rest = text.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '-' | '−'));
    let cut = text.len() - rest.len();
    if (7..=8).contains(&cut) { rest } else { text }
}

/// Bytes of the prefecture's name at the beginning; people leave it out.
fn prefecture_bytes(text: &str) -> usize {
    let long = ["神奈川県", "和歌山県", "鹿児島県"].into_iter().find(|name| text.starts_with(name));
    if let Some(name) = long {
        return name.len();
    }
    let mut start = text.char_indices().skip(2);
    match start.next() {
        Some((at, c)) if matches!(c, '県' | '府' | '都' | '道') && !text.starts_with("京都市") => {
            at + c.len_utf8()
        }
        Some(_) | None => 0,
    }
}

/// Writes kanji numbers that stand before 番, 号 or a hyphen as digits.
fn kanji_numbers(text: &str) -> String {
    let digits = |c: char| "〇一二三四五六七八九".chars().position(|d| d == c);
    let mut out = String::with_capacity(text.len());
    let characters: Vec<char> = text.chars().collect();
    for (at, c) in characters.iter().enumerate() {
        match digits(*c) {
            Some(number) if matches!(characters.get(at + 1), Some('-' | '番' | '号')) => {
                out.push_str(&number.to_string());
            }
            Some(_) | None => out.push(if matches!(c, '−' | '‐' | '–') { '-' } else { *c }),
        }
    }
    out
}

fn unvoiced(character: char) -> char {
    const VOICED: &str = "ガギグゲゴザジズゼゾダヂヅデドバビブベボパピプペポ";
    const PLAIN: &str = "カキクケコサシスセソタチツテトハヒフヘホハヒフヘホ";
    VOICED.chars().position(|c| c == character).and_then(|at| PLAIN.chars().nth(at)).unwrap_or(character)
}

/// The vowel of a plain katakana.
fn row(character: char) -> Option<char> {
    const ROWS: [(char, &str); 3] =
        [('ウ', "ウクスツヌフムユル"), ('エ', "エケセテネヘメレ"), ('オ', "オコソトノホモヨロ")];
    ROWS.into_iter().find(|(_, row)| row.contains(character)).map(|(vowel, _)| vowel)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_in_the_styles_of_several_clerks_is_one() {
        let styles = [
            "神奈川県横浜市神奈川区松原2丁目6番25号",
            "横浜市神奈川区松原2-6-25",
            "神奈川県横浜市神奈川区松原２丁目６番２５号",
            "横浜市神奈川区松原二丁目6番25号",
            "〒221-0455 神奈川県横浜市神奈川区松原2-6-25",
        ];
        let first = address(styles[0]).unwrap();
        assert_eq!(
            (first.town.as_str(), first.house.as_slice()),
            ("横浜市神奈川区松原", [2, 6, 25].as_slice())
        );
        for style in styles {
            assert!(address(style) == Some(first.clone()), "{style}");
        }
        let flat = address("横浜市神奈川区松原2-6-25 コーポ松436号室").unwrap();
        assert_eq!((flat.house, flat.flat), (vec![2, 6, 25], vec![436]));
        assert_eq!(first.city(), Some("横浜市"));
        assert!(address("京都市北区紫野1").unwrap().town.starts_with("京都市"));
        assert!(address("").is_none());
    }

    #[test]
    fn readings_that_are_heard_as_one_fold_together() {
        let heard = |text: &str| sound(&writing(text));
        for (a, b) in
            [("ヤマザキ", "やまさき"), ("オオタ", "オータ"), ("キョウコ", "キョーコ"), ("ユウイチ", "ﾕｲﾁ")]
        {
            assert_eq!(heard(a), heard(b), "{a} {b}");
        }
        assert_ne!(heard("ハルコ"), heard("ハルミ"));
    }

    #[test]
    fn insurance_numbers_have_a_family_and_a_branch() {
        let read = |text: &str| insurance(text).map(|i| (i.family, i.branch));
        assert_eq!(read("01646898:3053:97691:02"), Some(("1646898:3053:97691".into(), Some(2))));
        assert_eq!(read("01646898:3053:97691"), Some(("1646898:3053:97691".into(), None)));
        assert_eq!(read("x"), None);
        assert_eq!(read("1::2"), None);
    }

    #[test]
    fn phones_and_postal_codes_are_digits() {
        assert_eq!(phone("+81 80-0713-6304"), phone("０８００７１３６３０４"));
        assert_eq!(phone("12"), None);
        assert_eq!(postal("221-0455"), Some("2210455".into()));
        assert_eq!(postal("〒2210455 横浜市"), postal("221-0455"));
        assert_eq!(postal("横浜市"), None);
    }

    #[test]
    fn short_and_missing_names_are_known_as_such() {
        assert_eq!(short_name(&writing("ゆうちゃん")), Some("ユウ"));
        assert_eq!(short_name("ハナコ"), None);
        assert!(is_nameless(&writing("不明")) && !is_nameless(&writing("田中")));
    }
}
