//! Reads names in Latin letters as kana: `Satō`, `SATOH`, `satou`, `Jun'ichi`, `Tuda`.
//!
//! Hepburn (passports, station signs), Kunrei (ISO 3602) and what people type on a keyboard are read alike. What is
//! not Japanese in full is none: `Smith` has no kana, and is found as it is written.

use unicode_normalization::UnicodeNormalization;

use super::kana;

/// Most readings of one word: each `n` before a vowel doubles them (しんいち, しにち).
const READINGS_MAX: usize = 8;
/// Longest word that is read, in letters.
const LETTERS_MAX: usize = 40;

/// Syllables by what is typed, the longest first in each group.
const SYLLABLES: &[(&str, &str)] = &[
    ("kya", "キャ"),
    ("kyu", "キュ"),
    ("kyo", "キョ"),
    ("gya", "ギャ"),
    ("gyu", "ギュ"),
    ("gyo", "ギョ"),
    ("sha", "シャ"),
    ("shu", "シュ"),
    ("sho", "ショ"),
    ("she", "シェ"),
    ("shi", "シ"),
    ("sya", "シャ"),
    ("syu", "シュ"),
    ("syo", "ショ"),
    ("zya", "ジャ"),
    ("zyu", "ジュ"),
    ("zyo", "ジョ"),
    ("jya", "ジャ"),
    ("jyu", "ジュ"),
    ("jyo", "ジョ"),
    ("cha", "チャ"),
    ("chu", "チュ"),
    ("cho", "チョ"),
    ("che", "チェ"),
    ("chi", "チ"),
    ("tya", "チャ"),
    ("tyu", "チュ"),
    ("tyo", "チョ"),
    ("tsu", "ツ"),
    ("nya", "ニャ"),
    ("nyu", "ニュ"),
    ("nyo", "ニョ"),
    ("hya", "ヒャ"),
    ("hyu", "ヒュ"),
    ("hyo", "ヒョ"),
    ("mya", "ミャ"),
    ("myu", "ミュ"),
    ("myo", "ミョ"),
    ("rya", "リャ"),
    ("ryu", "リュ"),
    ("ryo", "リョ"),
    ("bya", "ビャ"),
    ("byu", "ビュ"),
    ("byo", "ビョ"),
    ("pya", "ピャ"),
    ("pyu", "ピュ"),
    ("pyo", "ピョ"),
    ("ka", "カ"),
    ("ki", "キ"),
    ("ku", "ク"),
    ("ke", "ケ"),
    ("ko", "コ"),
    ("ga", "ガ"),
    ("gi", "ギ"),
    ("gu", "グ"),
    ("ge", "ゲ"),
    ("go", "ゴ"),
    ("sa", "サ"),
    ("si", "シ"),
    ("su", "ス"),
    ("se", "セ"),
    ("so", "ソ"),
    ("za", "ザ"),
    ("zi", "ジ"),
    ("zu", "ズ"),
    ("ze", "ゼ"),
    ("zo", "ゾ"),
    ("ja", "ジャ"),
    ("ji", "ジ"),
    ("ju", "ジュ"),
    ("je", "ジェ"),
    ("jo", "ジョ"),
    ("ta", "タ"),
    ("ti", "チ"),
    ("tu", "ツ"),
    ("te", "テ"),
    ("to", "ト"),
    ("da", "ダ"),
    ("di", "ヂ"),
    ("du", "ヅ"),
    ("de", "デ"),
    ("do", "ド"),
    ("na", "ナ"),
    ("ni", "ニ"),
    ("nu", "ヌ"),
    ("ne", "ネ"),
    ("no", "ノ"),
    ("ha", "ハ"),
    ("hi", "ヒ"),
    ("hu", "フ"),
    ("fu", "フ"),
    ("he", "ヘ"),
    ("ho", "ホ"),
    ("ba", "バ"),
    ("bi", "ビ"),
    ("bu", "ブ"),
    ("be", "ベ"),
    ("bo", "ボ"),
    ("pa", "パ"),
    ("pi", "ピ"),
    ("pu", "プ"),
    ("pe", "ペ"),
    ("po", "ポ"),
    ("ma", "マ"),
    ("mi", "ミ"),
    ("mu", "ム"),
    ("me", "メ"),
    ("mo", "モ"),
    ("ya", "ヤ"),
    ("yu", "ユ"),
    ("yo", "ヨ"),
    ("wa", "ワ"),
    ("wo", "ヲ"),
    ("ra", "ラ"),
    ("ri", "リ"),
    ("ru", "ル"),
    ("re", "レ"),
    ("ro", "ロ"),
    ("a", "ア"),
    ("i", "イ"),
    ("u", "ウ"),
    ("e", "エ"),
    ("o", "オ"),
];

/// Returns the readings of a word as folded kana, the likeliest first; none when it is not Japanese in full.
pub fn readings(word: &str) -> Vec<String> {
    let letters = plain(word);
    let mut found = Vec::new();
    if (1..=LETTERS_MAX).contains(&letters.len()) && is_japanese(&letters) {
        read(&letters, String::new(), &mut found);
    }
    found.iter().map(|reading| kana::fold(reading)).filter(|reading| !reading.is_empty()).collect()
}

/// Writes long vowels out, and drops what parts words.
fn plain(word: &str) -> String {
    let mut letters = String::new();
    for character in word.nfkc().flat_map(char::to_lowercase).take(LETTERS_MAX + 1) {
        match character {
            'ā' | 'â' => letters.push_str("aa"),
            'ī' | 'î' => letters.push_str("ii"),
            'ū' | 'û' => letters.push_str("uu"),
            'ē' | 'ê' => letters.push_str("ee"),
            'ō' | 'ô' => letters.push_str("ou"),
            '’' | '‘' | '`' => letters.push('\''),
            '-' | '.' => {}
            other => letters.push(other),
        }
    }
    letters
}

/// Says whether the likeliest reading reaches the end: then all do.
fn is_japanese(letters: &str) -> bool {
    let mut rest = letters;
    while !rest.is_empty() {
        let Some((taken, _)) = sound(rest) else { return false };
        rest = &rest[taken..];
    }
    true
}

fn read(rest: &str, before: String, found: &mut Vec<String>) {
    if found.len() == READINGS_MAX {
        return;
    }
    let Some((taken, kana)) = sound(rest) else { return found.push(before) };
    read(&rest[taken..], format!("{before}{kana}"), found);
    let mut next = rest.chars();
    if next.next() == Some('n') && next.next().is_some_and(|c| is_vowel(c) || c == 'y') {
        read(&rest[1..], format!("{before}ン"), found);
    }
}

/// Reads the first sound: how many bytes it takes, and its kana. All letters that it takes are ASCII.
fn sound(rest: &str) -> Option<(usize, String)> {
    for length in [3, 2, 1] {
        let Some(typed) = rest.get(..length) else { continue };
        let Some((_, kana)) = SYLLABLES.iter().find(|(syllable, _)| *syllable == typed) else { continue };
        let behind = &rest.as_bytes()[length..];
        let lengthens = typed.ends_with('o')
            && behind.first() == Some(&b'h')
            && behind.get(1).is_none_or(|next| !is_vowel(char::from(*next)) && *next != b'y');
        return Some(if lengthens {
            (length + 1, format!("{kana}ウ"))
        } else {
            (length, (*kana).to_owned())
        });
    }
    let mut letters = rest.chars();
    match (letters.next()?, letters.next()) {
        ('n', Some('\'')) => Some((2, "ン".to_owned())),
        ('n', _) | ('m', Some('b' | 'm' | 'p')) => Some((1, "ン".to_owned())),
        ('t', Some('c')) => Some((1, "ッ".to_owned())),
        (first, Some(second)) if first == second && first.is_ascii_lowercase() && !is_vowel(first) => {
            Some((1, "ッ".to_owned()))
        }
        (_, _) => None,
    }
}

fn is_vowel(letter: char) -> bool {
    matches!(letter, 'a' | 'i' | 'u' | 'e' | 'o')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_write_a_name_is_read() {
        for (word, kana) in [
            ("Yoshida", "ヨシダ"),
            ("YOSIDA", "ヨシダ"),
            ("Satō", "サトウ"),
            ("satou", "サトウ"),
            ("SATOH", "サトウ"),
            ("Ｔｓｕｄａ", "ツダ"),
            ("Tuda", "ツダ"),
            ("Hattori", "ハットリ"),
            ("Honma", "ホンマ"),
            ("Homma", "ホンマ"),
            ("Matchan", "マッチャン"),
            ("Jun'ichi", "ジュンイチ"),
            ("Konno", "コンノ"),
            ("Ryohei", "リョヘイ"),
            ("Ōkubo", "オウクボ"),
            ("Ken", "ケン"),
            ("o-tsu", "オツ"),
        ] {
            assert_eq!(readings(word).first(), Some(&kana::fold(kana)), "{word}");
        }
        assert!(readings("Shinichi").contains(&kana::fold("シンイチ")));
        assert!(readings("Kenya").contains(&kana::fold("ケンヤ")));
    }

    #[test]
    fn what_is_no_japanese_has_no_reading() {
        for word in ["Smith", "x", "", "三浦", "Li Wei", "Quang", "k", "1950", "sat0", "ヨシダ"] {
            assert!(readings(word).is_empty(), "{word}: {:?}", readings(word));
        }
    }

    #[test]
    fn readings_are_few_whatever_is_typed() {
        let long = "na".repeat(LETTERS_MAX);
        assert!(readings(&long).is_empty());
        assert!((1..=READINGS_MAX).contains(&readings(&long[..LETTERS_MAX]).len()));
        assert!(readings(&"n".repeat(LETTERS_MAX)).len() <= READINGS_MAX);
    }
}
