//! Characters that are written for each other in names.
//!
//! Old and new forms (the lists of the ordinances on characters for names and of the koseki unification), and the
//! forms that name plates use for one another (斉 and 斎, 島 and 嶋). For comparing only: nothing so folded is ever
//! shown or stored.

use std::collections::HashMap;
use std::sync::LazyLock;

/// Each group: the common form first, then those that are folded to it.
const GROUPS: &[&str] = &[
    "辺邊邉",
    "斎斉齋齊",
    "高髙",
    "崎﨑碕嵜",
    "浜濱濵",
    "吉𠮷",
    "沢澤",
    "桜櫻",
    "広廣",
    "島嶋嶌",
    "藤籐",
    "関關",
    "真眞",
    "富冨",
    "恵惠",
    "国國",
    "竜龍",
    "亜亞",
    "栄榮",
    "寿壽",
    "実實",
    "静靜",
    "徳德",
    "礼禮",
    "弥彌",
    "万萬",
    "円圓",
    "豊豐",
    "黒黑",
    "瀬瀨",
    "館舘",
    "条條",
    "学學",
    "蔵藏",
    "渋澁澀",
    "滝瀧",
    "塩鹽",
    "槙槇",
    "曽曾",
    "桑桒",
    "柳栁",
    "峰峯",
    "岳嶽",
    "巌巖",
    "淵渕",
    "荘莊",
    "暁曉",
    "穂穗",
    "聡聰",
    "緒緖",
    "薫薰",
    "清淸",
    "晋晉",
    "晃晄",
    "涼凉",
    "郎郞",
    "教敎",
    "乗乘",
    "来來",
    "児兒",
    "剣劍劒",
    "寛寬",
    "将將",
    "尚尙",
    "厳嚴",
    "戸戶",
    "勲勳",
    "歩步",
    "毎每",
    "渓溪",
    "為爲",
    "禄祿",
    "稲稻",
    "糸絲",
    "縄繩",
    "与與",
    "頼賴",
    "遥遙",
    "郷鄕",
    "鉄鐵",
    "鎮鎭",
    "青靑",
    "顕顯",
    "鴎鷗",
    "麦麥",
    "黄黃",
    "亀龜",
    "隆隆",
    "神神",
    "福福",
    "祐祐",
    "塚塚",
    "都都",
    "増增",
    "横橫",
    "斗斗",
    "鶴靏靍",
    "鷲鷲",
    "葛葛",
    "芦蘆",
    "薮藪",
    "桧檜",
    "枡桝",
    "籠篭",
    "園薗",
    "翠翆",
    "秋穐",
    "村邨",
    "脇脅",
    "満滿",
    "松枩柗",
    "梅楳",
    "船舩",
    "角⻆",
    "土圡",
    "杉杦",
    "野埜",
    "野墅",
    "間閒",
    "泉湶",
    "昇曻",
    "壮壯",
    "専專",
    "団團",
    "応應",
    "総總",
    "絵繪",
    "経經",
    "継繼",
    "県縣",
    "斎亝",
];

static STANDARD: LazyLock<HashMap<char, char>> = LazyLock::new(|| {
    let mut standard = HashMap::new();
    for group in GROUPS {
        let mut characters = group.chars();
        let Some(common) = characters.next() else { continue };
        standard.extend(characters.filter(|other| *other != common).map(|other| (other, common)));
    }
    standard
});

/// Returns the common form of a character.
pub fn standard(character: char) -> char {
    STANDARD.get(&character).copied().unwrap_or(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_fold_to_one_form_and_different_names_do_not() {
        let fold = |text: &str| text.chars().map(standard).collect::<String>();
        assert_eq!(fold("渡邊"), fold("渡邉"));
        assert_eq!(fold("𠮷澤"), fold("吉沢"));
        assert_eq!(fold("齋藤"), fold("斉藤"));
        assert_ne!(fold("伊東"), fold("伊藤"));
        assert_ne!(fold("太田"), fold("大田"));
    }

    #[test]
    fn no_common_form_is_itself_folded_away() {
        for group in GROUPS {
            let common = group.chars().next().unwrap();
            assert_eq!(standard(common), common, "{group}");
        }
    }
}
