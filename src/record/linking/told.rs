//! Who a record is joined with, as text for a terminal, in Japanese and English.

use std::fmt::Write as _;

use super::person::PersonView;
use super::tie::{PairState, TieKind};
use crate::base::{RecordId, WallMs};
use crate::record::render;

/// Digits of a record's id that are shown.
const RECORD_DIGITS: usize = 12;
/// Most statements written together that are written out.
const WRITTEN_SHOWN_MAX: usize = 40;

/// Writes what to know about the identity before reading on; nothing for a record without ties.
pub fn text(person: &PersonView, now: WallMs) -> String {
    let mut out = String::new();
    if person.ties.is_empty() && person.written_together.is_empty() && person.seen.is_empty() {
        return out;
    }
    let mut line = |text: &str| writeln!(out, "{}", plain(text)).expect("writing to a String cannot fail");
    line("本人確認 / Identity");
    if person.is_joined() {
        let records: Vec<String> = person.records.iter().map(short).collect();
        line(&format!("  統合表示 / joined: {}", records.join(" + ")));
    }
    person.seen.iter().for_each(|seen| line(&format!("  {seen}")));
    if let Some(left_out) = left_out(person.left_out) {
        line(&format!("  !! {left_out}"));
    }
    if let Some(unheld) = unheld(&person.unheld) {
        line(&format!("  !! {unheld}"));
    }
    for pair in &person.decide {
        line(&format!(
            "  ‖ 判断が必要 / DECISION NEEDED: {} = {} ? 統合していません / not joined",
            short(&pair.0),
            short(&pair.1)
        ));
    }
    for caution in &person.cautions {
        line(&format!(
            "  !! 同一人物の可能性がある記録 {} のアレルギー / allergies of a record that may be the same person: {}",
            short(&caution.record),
            caution.allergies.join(", ")
        ));
    }
    for tied in &person.ties {
        let state = match tied.state {
            PairState::Joined => "同一人物 / same person",
            PairState::Separate => "リンク解除済み / unlinked",
            PairState::Apart => "別人 / not the same person",
            PairState::Disputed => "主張が対立 / disputed",
        };
        line(&format!("  {} – {}: {state}", short(&tied.pair.0), short(&tied.pair.1)));
        for said in &tied.said {
            let kind = match said.kind {
                TieKind::Link => "同一 / link",
                TieKind::Unlink => "解除 / unlink",
                TieKind::NotSame => "別人 / not-same",
            };
            let reason = said.reason.as_deref().unwrap_or("-");
            let mark = if said.unverified { " (未検証 / unverified)" } else { "" };
            let age = render::age(said.time.wall(), now);
            line(&format!("    {kind}: {reason} ({} {}, {age}){mark}", said.who, said.role));
        }
    }
    if !person.written_together.is_empty() {
        line("  統合表示のまま書かれた記載(見直してください) / written while joined, look through:");
    }
    for item in person.written_together.iter().take(WRITTEN_SHOWN_MAX) {
        let age = render::age(item.time.wall(), now);
        line(&format!(
            "    {} {} ({} {}, {age}; {} + {})",
            item.resource_type,
            item.what,
            item.who,
            item.role,
            short(&item.record),
            short(&item.with)
        ));
    }
    if person.written_together.len() > WRITTEN_SHOWN_MAX {
        line(&format!("    … {}", person.written_together.len() - WRITTEN_SHOWN_MAX));
    }
    out.push('\n');
    out
}

/// Says that not all records were looked into which ties name; nothing when all were.
pub fn left_out(records: u64) -> Option<String> {
    (records > 0).then(|| {
        format!(
            "リンクの記載にある記録のうち{records}件は参照していません。連結された記録が含まれる可能性があります / \
             NOT ALL LINKED RECORDS READ: {records} records that are named in links were not looked into"
        )
    })
}

/// Says that nothing is held here of linked records; nothing when something is held of all.
pub fn unheld(records: &[RecordId]) -> Option<String> {
    let named: Vec<String> = records.iter().map(short).collect();
    (!named.is_empty()).then(|| {
        format!(
            "連結された記録 {0} はこの端末にありません。そのアレルギーや薬は表示も確認もされていません / LINKED RECORDS NOT HELD \
             HERE: {0}: their allergies and drugs are neither shown nor checked",
            named.join(", ")
        )
    })
}

fn short(record: &RecordId) -> String {
    record.to_string().chars().take(RECORD_DIGITS).collect()
}

/// Control characters in data must not reach a terminal.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
