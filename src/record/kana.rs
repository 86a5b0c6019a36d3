//! Folding of Japanese and Latin text, so that what sounds and looks the same is found.
//!
//! Folding is for comparing only; nothing folded is ever shown or stored as data. Kanji variants (辺, 邊, 邉)
//! are kept apart as they are: which ones are the same person's name only a table can say.

use unicode_normalization::UnicodeNormalization;

/// Folds a text for comparison: NFKC (half-width kana, full-width letters, ligatures such as ㍻), lower case,
/// hiragana to katakana, iteration marks written out, small kana enlarged, long-vowel marks dropped, ヂヅヲヴ as
/// ジズオブ, white space dropped.
///
/// Law (`folding_twice_changes_nothing`): idempotent.
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for character in text.nfkc().flat_map(char::to_lowercase) {
        let last = folded.chars().next_back();
        match to_katakana(character) {
            c if c.is_whitespace() => {}
            // What composed is gone; marks that are left stand on nothing.
            'ー' | '\u{3099}' | '\u{309a}' => {}
            '々' | 'ヽ' => folded.extend(last),
            'ヾ' => folded.extend(last.map(voiced)),
            c => folded.push(merge_sound(c)),
        }
    }
    // Lower-casing can leave a sequence that composes, so the form is normalised once more.
    folded.nfkc().collect()
}

/// Turns a hiragana character into its katakana, and leaves others alone.
pub fn to_katakana(character: char) -> char {
    match character {
        'ぁ'..='ゖ' | 'ゝ' | 'ゞ' => {
            char::from_u32(u32::from(character) + 0x60).expect("katakana stands 0x60 above hiragana")
        }
        _ => character,
    }
}

/// Says whether a character is katakana.
pub fn is_katakana(character: char) -> bool {
    matches!(character, 'ァ'..='ヺ' | 'ー')
}

/// Says whether a folded text is written in kana only.
pub fn is_kana(folded: &str) -> bool {
    !folded.is_empty() && folded.chars().all(is_katakana)
}

fn merge_sound(character: char) -> char {
    match character {
        'ァ' => 'ア',
        'ィ' => 'イ',
        'ゥ' => 'ウ',
        'ェ' => 'エ',
        'ォ' => 'オ',
        'ャ' => 'ヤ',
        'ュ' => 'ユ',
        'ョ' => 'ヨ',
        'ッ' => 'ツ',
        'ヮ' => 'ワ',
        'ヵ' => 'カ',
        'ヶ' => 'ケ',
        'ヂ' => 'ジ',
        'ヅ' => 'ズ',
        'ヲ' => 'オ',
        'ヴ' => 'ブ',
        _ => character,
    }
}

/// Adds the voicing mark where the script has one.
fn voiced(character: char) -> char {
    let composed = [character, '\u{3099}'].into_iter().nfc().collect::<Vec<char>>();
    match composed.as_slice() {
        [one] => merge_sound(*one),
        _ => character,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn writings_of_one_name_fold_together() {
        for writing in ["サトウ", "ｻﾄｳ", "さとう", "サ トウ", "さ　とう"] {
            assert_eq!(fold(writing), "サトウ", "{writing}");
        }
        assert_eq!(fold("ﾜﾀﾅﾍﾞ"), fold("わたなべ"));
        assert_eq!(fold("ｼﾞｮｰｼﾞ"), fold("ジョージ"));
        assert_eq!(fold("リョータ"), fold("りよた"));
        assert_eq!(fold("キョウコ"), "キヨウコ");
        assert_eq!(fold("いすゞ"), fold("イスズ"));
        assert_eq!(fold("ミチヅカ"), fold("みちずか"));
        assert_eq!(fold("佐々木"), "佐佐木");
        assert_eq!(fold("ＡＢＣ１２３"), "abc123");
    }

    #[test]
    fn characters_outside_the_basic_plane_and_old_kanji_stay() {
        assert_eq!(fold("𠮷田"), "𠮷田");
        assert_ne!(fold("𠮷田"), fold("吉田"));
        assert_ne!(fold("渡邊"), fold("渡辺"));
    }

    #[test]
    fn a_mark_without_a_character_before_it_is_harmless() {
        assert_eq!(fold("々ー"), "");
        assert_eq!(fold("ぅﾞ"), "ウ");
        assert_eq!(fold(""), "");
        assert_eq!(fold("ヾヽ"), "");
    }

    proptest! {
        #[test]
        fn folding_twice_changes_nothing(text in "[ぁ-ゟァ-ヾーA-Zａ-ｚｦ-ﾟ々ゝゞ邊𠮷㍻İß ]{0,12}") {
            let once = fold(&text);
            prop_assert_eq!(fold(&once), once);
        }
    }
}
