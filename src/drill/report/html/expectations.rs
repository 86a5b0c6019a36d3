//! The expectations in plain words, with what was seen.

use super::markup::{esc, paragraph, section, t, w};
use crate::drill::invariants::INVARIANTS;
use crate::drill::judge::Judged;
use crate::drill::report::wording::{same, told};
use crate::drill::scenario::{EXPECTATIONS, Told, Words};

/// Most expectations that the page lists.
const LISTED_MAX: usize = 200;

/// Says what an expectation or an invariant asks: in words for laymen, or in those of the language's own tables; what is
/// in neither is told by its name.
pub(in crate::drill::report) fn name(name: &str) -> Told {
    match name {
        "step" | "event" => told("台本の出来事がすべて行われた", "every event of the scenario was done"),
        "heads-differ-before-heal" => told(
            "復旧前、各拠点の記録は異なっていた（断絶は本物だった）",
            "before the lines returned, the replicas differed: the cut was real",
        ),
        "heads-equal-after-heal" => told(
            "終了時、ディスクのある全拠点が同じ記録を持つ",
            "at the end all replicas that have a disk hold the same",
        ),
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
        "observer" => {
            told("終了時にすべての記録を調べられた", "at the end every record could be looked into")
        }
        other => in_tables(other).unwrap_or_else(|| same(other)),
    }
}

fn in_tables(name: &str) -> Option<Told> {
    let invariant = INVARIANTS.iter().find(|one| one.name == name).map(|one| one.does);
    let expectation = || EXPECTATIONS.iter().find(|one| one.name == name).map(|one| one.does);
    let Words { en, ja } = invariant.or_else(expectation)?;
    Some(told(ja.trim_end_matches('。'), en.trim_end_matches('.')))
}

/// Writes the section.
pub(super) fn expectations(judged: &[Judged]) -> String {
    let one = |judged: &Judged| {
        let (class, words) = match (judged.was_judged(), judged.ok) {
            (false, _) if judged.had_nothing() => (" class=\"idle\"", w("– 対象なし", "– nothing to judge")),
            (false, _) => (" class=\"idle\"", w("– 判定せず", "– not judged")),
            (true, true) => ("", w("✓ 満たす", "✓ holds")),
            (true, false) => (" class=\"bad\"", w("✕ 満たさず", "✕ does not")),
        };
        format!(
            "<li{class}><b class=\"tone\">{words}</b><div><p>{} <code>{}</code></p>{}</div></li>\n",
            t(&name(&judged.name)),
            esc(&judged.name),
            paragraph("detail", &judged.detail)
        )
    };
    let mut listed: Vec<&Judged> = judged.iter().collect();
    // What failed first, what had nothing to look at last.
    listed.sort_by_key(|judged| (!judged.was_judged(), judged.ok));
    let listed: String = listed.into_iter().take(LISTED_MAX).map(one).collect();
    let body = if listed.is_empty() { listed } else { format!("<ul class=\"checks\">\n{listed}</ul>\n") };
    section("expected", &told("期待した結果", "Expectations"), &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_expectation_and_invariant_has_a_name_in_both_languages() {
        let names = EXPECTATIONS.iter().map(|one| one.name).chain(INVARIANTS.iter().map(|one| one.name));
        for known in names.chain(["step", "event", "observer"]) {
            let told = name(known);
            assert!(told.en != known && !told.ja.is_ascii() && told.ja != told.en, "{known}: {told:?}");
        }
        assert_eq!(name("something-new"), same("something-new"));
    }
}
