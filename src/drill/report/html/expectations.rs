//! The expectations in plain words, with what was seen.

use super::markup::{esc, section, t, w};
use crate::drill::judge::Judged;
use crate::drill::report::wording::{same, told};
use crate::drill::scenario::Told;

/// Most expectations that the page lists.
const LISTED_MAX: usize = 200;

/// Says what an expectation asks; one that is not known here is told by its name.
pub(super) fn name(name: &str) -> Told {
    match name {
        "step" | "event" => told("台本の出来事がすべて行われた", "every event of the scenario was done"),
        "heads-differ-before-heal" => told(
            "復旧前、各拠点の記録は異なっていた（断絶は本物だった）",
            "before the lines returned, the replicas differed: the cut was real",
        ),
        "heads-equal-after-heal" => {
            told("終了時、全拠点が同じ記録を持つ", "at the end all replicas hold the same")
        }
        "no-acknowledged-write-lost" => {
            told("「保存しました」と答えた記入は一つも失われない", "nothing that was acknowledged is lost")
        }
        "conflict-open" => told("矛盾が人の判断を待っている", "a conflict waits for a person’s decision"),
        "alert-open" => told("安全警告が表示される", "a safety alert is shown"),
        "restored-heads-equal" => {
            told("復元したディスクが失われたものと等しい", "what was restored equals what was lost")
        }
        "handover-has-all" => {
            told("申し送りに全員の入力が残る", "the hand-over holds what each author typed")
        }
        "records-equal" => told("全拠点の出力と画面が等しい", "all exports and views are equal"),
        other => same(other),
    }
}

/// Writes the section.
pub(super) fn expectations(judged: &[Judged]) -> String {
    let one = |judged: &Judged| {
        let (class, words) = match (judged.was_judged(), judged.ok) {
            (false, _) => ("", w("– 判定せず", "– not judged")),
            (true, true) => ("", w("✓ 満たす", "✓ holds")),
            (true, false) => (" class=\"bad\"", w("✕ 満たさず", "✕ does not")),
        };
        format!(
            "<li{class}><b class=\"tone\">{words}</b><div><p>{} <code>{}</code></p><p class=\"detail\">{}</p></div></li>\n",
            t(&name(&judged.name)),
            esc(&judged.name),
            esc(&judged.detail)
        )
    };
    let mut listed: Vec<&Judged> = judged.iter().collect();
    listed.sort_by_key(|judged| judged.ok);
    let listed: String = listed.into_iter().take(LISTED_MAX).map(one).collect();
    let body = if listed.is_empty() { listed } else { format!("<ul class=\"checks\">\n{listed}</ul>\n") };
    section("expected", &told("期待した結果", "Expectations"), &body)
}
