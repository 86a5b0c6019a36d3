//! The words of invented notes: enough to look like work, and never about anybody.

use crate::drill::chance::Chance;

/// Substances that people are said to react to; some are also prescribed.
pub(super) const SUBSTANCES: [&str; 8] = [
    "アモキシシリン",
    "ロキソプロフェン",
    "アスピリン",
    "セフカペン",
    "ヨード造影剤",
    "そば",
    "鶏卵",
    "ラテックス",
];

/// Drugs that are prescribed, with two doses each.
pub(super) const DRUGS: [(&str, [&str; 2]); 8] = [
    ("アモキシシリン", ["250mg 1日3回毎食後", "250mg 1日4回"]),
    ("ロキソプロフェン", ["60mg 1日3回毎食後", "60mg 頓用"]),
    ("アスピリン", ["100mg 1日1回朝食後", "81mg 1日1回朝食後"]),
    ("ワルファリン", ["2mg 1日1回夕食後", "3mg 1日1回夕食後"]),
    ("アムロジピン", ["5mg 1日1回朝食後", "2.5mg 1日1回朝食後"]),
    ("メトホルミン", ["250mg 1日2回朝夕食後", "500mg 1日2回朝夕食後"]),
    ("フロセミド", ["20mg 1日1回朝食後", "40mg 1日1回朝食後"]),
    ("レボフロキサシン", ["500mg 1日1回朝食後", "250mg 1日1回朝食後"]),
];

const FOUND: [&str; 8] = [
    "意識清明",
    "呼吸苦あり",
    "右前腕に挫創",
    "下腿の腫脹",
    "頭部打撲後、嘔吐なし",
    "胸部圧迫感",
    "脱水傾向",
    "歩行可",
];
const DONE: [&str; 8] = [
    "圧迫止血",
    "補液を開始",
    "洗浄し被覆",
    "三角巾で固定",
    "経過をみる",
    "酸素2L開始",
    "搬送を依頼",
    "家族に説明",
];

/// Composes a note of one line.
pub(super) fn note(chance: &mut Chance) -> String {
    let of = |list: &[&'static str; 8], chance: &mut Chance| list[chance.below(8) as usize];
    let (found, done) = (of(&FOUND, chance), of(&DONE, chance));
    let (high, low, pulse) = (95 + chance.below(70), 50 + chance.below(40), 55 + chance.below(70));
    format!("{found}。血圧 {high}/{low}、脈拍 {pulse}。{done}。")
}

/// Composes a piece of a hand-over text.
pub(super) fn handover(chance: &mut Chance) -> String {
    let of = |list: &[&'static str; 8], chance: &mut Chance| list[chance.below(8) as usize];
    format!("{}、{}。", of(&FOUND, chance), of(&DONE, chance))
}
