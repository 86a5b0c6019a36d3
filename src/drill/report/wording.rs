//! Numbers, times and the words of a course as people read them, in Japanese and English.

use std::time::Duration;

use jiff::tz::{Offset, TimeZone};

use crate::drill::course::{Act, Course, DiskKind, Dispute, Member, Mode};
use crate::drill::scenario::Told;
pub(super) use crate::drill::units::{at_least, coded, kind, length, number, percent, seconds, section};

/// Events by which something is broken.
const FAULTS: [&str; 21] = [
    "cut",
    "flap",
    "one-way",
    "degrade",
    "quota-satellite",
    "power-failure",
    "power-loss",
    "reconnect-storm",
    "kill-in-mid-write",
    "crash",
    "freeze",
    "disk-full",
    "disk-corrupt",
    "destroy-disk",
    "site-lost",
    "s3-outage",
    "clock-skew",
    "clock-jump",
    "lie",
    "set-back",
    "second-quake",
];

/// Says whether an event breaks something.
pub(super) fn is_fault(event: &str) -> bool {
    FAULTS.contains(&event)
}

/// Makes a text of its two languages.
pub(super) fn told(ja: impl Into<String>, en: impl Into<String>) -> Told {
    Told { ja: ja.into(), en: en.into() }
}

/// Makes a text that is the same in both languages.
pub(super) fn same(text: impl Into<String>) -> Told {
    let text = text.into();
    Told { ja: text.clone(), en: text }
}

/// Writes a time since the beginning as `6:30` (hours and minutes), in runs under an hour as `6′30″`.
pub(super) fn since_zero(at: Duration, lasted: Duration) -> String {
    let seconds = at.as_secs();
    match lasted.as_secs() {
        0..3_600 => format!("{}′{:02}″", seconds / 60, seconds % 60),
        _ => format!("{}:{:02}", seconds / 3_600, seconds / 60 % 60),
    }
}

/// Writes the wall clock of Japan at a time of the run: `11/22 16:32`.
pub(super) fn civil(course: &Course, at: Duration) -> String {
    const JAPAN_H: i8 = 9;
    let ms = course.begins_ms.saturating_add(u64::try_from(at.as_millis()).unwrap_or(u64::MAX));
    let stamp = i64::try_from(ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    let japan = TimeZone::fixed(Offset::constant(JAPAN_H));
    stamp.map_or_else(String::new, |stamp| stamp.to_zoned(japan).strftime("%m/%d %H:%M").to_string())
}

/// Writes a number with what is counted, in English: `1 link`, `2 links`.
pub(super) fn counted(value: u64, one: &str) -> String {
    format!("{} {one}{}", number(value), if value == 1 { "" } else { "s" })
}

/// Writes what a link carried as a share of its quota; more than all of it is never `100 %`.
pub(super) fn of_quota(share: f64) -> String {
    if share <= 1.0 { percent(share) } else { format!("{:.0} %", (share * 100.0).ceil()) }
}

/// Writes bytes in decimal units with about three digits.
pub(super) fn bytes(value: u64) -> String {
    let units = [(1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")];
    let exact = value as f64;
    match units.into_iter().find(|(size, _)| exact >= *size) {
        Some((size, unit)) if exact / size < 10.0 => format!("{:.2} {unit}", exact / size),
        Some((size, unit)) if exact / size < 100.0 => format!("{:.1} {unit}", exact / size),
        Some((size, unit)) => format!("{:.0} {unit}", exact / size),
        None => format!("{value} B"),
    }
}

/// Names a replica by its site, and by its own name where the site has several or none.
pub(super) fn site(course: &Course, member: usize) -> String {
    let Some(one) = course.members.get(member) else { return format!("#{member}") };
    if one.site.is_empty() {
        return one.name.clone();
    }
    let shared = course.members.iter().filter(|other| other.site == one.site).take(2).count() > 1;
    if shared { format!("{} ({})", one.site, one.name) } else { one.site.clone() }
}

/// Names the invented person of a dispute: by name, or by number where the run knows no name.
pub(super) fn person(dispute: &Dispute) -> String {
    match dispute.called.as_str() {
        "" => format!("#{}", dispute.person),
        name => name.to_owned(),
    }
}

/// Names how much harm is possible.
pub(super) fn harm(name: &str) -> Told {
    match name {
        "contraindicated" => told("禁忌", "contraindicated"),
        "caution" => told("注意", "caution"),
        "none" => told("害なし", "no harm"),
        other => same(other),
    }
}

/// Orders harms: the greatest first.
pub(super) fn harm_rank(name: &str) -> u8 {
    match name {
        "contraindicated" => 0,
        "caution" => 1,
        "none" => 3,
        _ => 2,
    }
}

/// Names what somebody did.
pub(super) fn act(act: Act) -> Told {
    match act {
        Act::Register => told("受付", "registration"),
        Act::Note => told("記録", "note"),
        Act::Allergy => told("アレルギー", "allergy"),
        Act::Medication => told("処方", "medication"),
        Act::Other => told("その他", "other"),
    }
}

/// Says how a run was made.
pub(super) fn mode(mode: Mode) -> Told {
    match mode {
        Mode::Live => {
            told("実機（本物のプロセス・通信・ディスク）", "live: real processes, sockets and disks")
        }
        Mode::Sim => told(
            "模擬（本番と同じプログラムを仮想の時間と通信網で実行）",
            "simulated: the same code on virtual time and a simulated network",
        ),
        Mode::Central => told(
            "比較用：中央の一つのシステムを全拠点が回線越しに使う場合",
            "for comparison: one central system that every site reads over its line",
        ),
    }
}

/// Names a kind of disk.
pub(super) fn disk(kind: DiskKind) -> Told {
    match kind {
        DiskKind::File => told("実ファイル", "real file"),
        DiskKind::Simulated => told("模擬ディスク", "simulated disk"),
        DiskKind::Memory => told("メモリのみ", "memory only"),
        DiskKind::None => told("なし（中央）", "none (central)"),
    }
}

/// Names the fleet of a replica and its first area, as the aggregated lanes are called.
pub(super) fn group_of(member: &Member) -> (String, String) {
    let fleet = member.fleet.clone().unwrap_or_default();
    (fleet, member.areas.first().cloned().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_readable() {
        assert_eq!(
            [12, 1_500, 48_300_000, 900_000_000_000].map(bytes),
            ["12 B", "1.50 kB", "48.3 MB", "900 GB"]
        );
    }
}
