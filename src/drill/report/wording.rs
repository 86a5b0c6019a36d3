//! Numbers, times and the words of a course as people read them, in Japanese and English.

use std::time::Duration;

use jiff::tz::{Offset, TimeZone};

use crate::drill::course::{Act, Course, DiskKind, Dispute, Member, Mode};
use crate::drill::scenario::Told;

/// Makes a text of its two languages.
pub(super) fn told(ja: impl Into<String>, en: impl Into<String>) -> Told {
    Told { ja: ja.into(), en: en.into() }
}

/// Makes a text that is the same in both languages.
pub(super) fn same(text: impl Into<String>) -> Told {
    let text = text.into();
    Told { ja: text.clone(), en: text }
}

/// Writes a length of time with at most two units: `9 時間 20 分`, `9 h 20 min`.
pub(super) fn length(length: Duration) -> Told {
    const DAY: u64 = 86_400;
    let two = |big: u64, small: u64, ja: [&str; 2], en: [&str; 2]| match small {
        0 => told(format!("{big} {}", ja[0]), format!("{big} {}", en[0])),
        _ => told(format!("{big} {} {small} {}", ja[0], ja[1]), format!("{big} {} {small} {}", en[0], en[1])),
    };
    let seconds = length.as_secs();
    match seconds {
        0..10 if length.subsec_millis() >= 100 => {
            let tenths = format!("{:.1}", (length.as_secs_f64() * 10.0).floor() / 10.0);
            told(format!("{tenths} 秒"), format!("{tenths} s"))
        }
        0 if !length.is_zero() => told("0.1 秒未満", "under 0.1 s"),
        0..60 => told(format!("{seconds} 秒"), format!("{seconds} s")),
        60..600 => two(seconds / 60, seconds % 60, ["分", "秒"], ["min", "s"]),
        600..3_600 => two(seconds / 60, 0, ["分", ""], ["min", ""]),
        3_600..172_800 => two(seconds / 3_600, seconds / 60 % 60, ["時間", "分"], ["h", "min"]),
        _ => two(seconds / DAY, seconds / 3_600 % 24, ["日", "時間"], ["d", "h"]),
    }
}

/// Writes a length of time given in seconds; less than zero counts as zero.
pub(super) fn seconds(value: f64) -> Told {
    length(Duration::try_from_secs_f64(value.max(0.0)).unwrap_or(Duration::MAX))
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

/// Writes a number with commas between thousands.
pub(super) fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut written = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            written.push(',');
        }
        written.push(digit);
    }
    written
}

/// Writes a number with what is counted, in English: `1 link`, `2 links`.
pub(super) fn counted(value: u64, one: &str) -> String {
    format!("{} {one}{}", number(value), if value == 1 { "" } else { "s" })
}

/// Writes a share of one as percent; only a whole is `100 %`, and only nothing is `0 %`.
pub(super) fn percent(share: f64) -> String {
    const EPSILON: f64 = 1e-9;
    match share {
        share if share >= 1.0 - EPSILON => "100 %".to_owned(),
        share if share <= EPSILON => "0 %".to_owned(),
        share if share < 0.001 => "<0.1 %".to_owned(),
        share => format!("{:.1} %", (share * 1_000.0 + EPSILON).floor() / 10.0),
    }
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

/// Names a section of a record.
pub(super) fn section(name: &str) -> Told {
    match name {
        "medication" | "medications" => told("処方", "medication"),
        "allergy" | "allergies" => told("アレルギー", "allergies"),
        "problem" | "problems" => told("病名", "problems"),
        "demographics" => told("患者基本情報", "demographics"),
        "note" | "notes" => told("記録・所見", "notes"),
        "identity" => told("本人確認", "identity"),
        "triage" => told("トリアージ", "triage"),
        "alerts" => told("安全警告", "safety alerts"),
        other => same(other),
    }
}

/// Names what contradicts what, or what is dangerous; what is not known here is told by its name.
pub(super) fn kind(name: &str) -> Told {
    match name {
        "drug-allergy" => told("アレルギーのある薬の処方", "a drug in spite of an allergy"),
        "dose-vs-stop" => told("継続・変更と中止", "a dose and a stop"),
        "dose-vs-hold" => told("継続・変更と休薬", "a dose and a pause"),
        "dose-vs-prohibition" => told("投与と投与禁止", "a dose and a prohibition"),
        "hold-vs-stop" => told("休薬と中止", "a pause and a stop"),
        "two-doses" => told("二つの用量", "two doses"),
        "two-drugs" => told("二つの薬", "two drugs"),
        "assert-vs-refute" => told("ありとなし", "asserted and refuted"),
        "assert-vs-resolve" => told("ありと治癒", "asserted and resolved"),
        "active-vs-resolved" => told("続いていると治った", "active and resolved"),
        "two-versions" => told("二つの版", "two versions"),
        "two-birth-dates" => told("二つの生年月日", "two birth dates"),
        other => same(other),
    }
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
    fn lengths_have_at_most_two_units() {
        let cases: [(u64, &str, &str); 6] = [
            (0, "0 秒", "0 s"),
            (59, "59 秒", "59 s"),
            (61, "1 分 1 秒", "1 min 1 s"),
            (3_599, "59 分", "59 min"),
            (33_600, "9 時間 20 分", "9 h 20 min"),
            (266_400, "3 日 2 時間", "3 d 2 h"),
        ];
        for (seconds, ja, en) in cases {
            assert_eq!(length(Duration::from_secs(seconds)), told(ja, en));
        }
        assert_eq!(length(Duration::from_millis(340)).en, "0.3 s");
        assert_eq!(seconds(-1.0).en, "0 s");
    }

    #[test]
    fn only_a_whole_is_a_hundred_percent_and_only_nothing_is_zero() {
        let told = [1.0, 0.99999, 0.5, 0.0004, 0.0].map(percent);
        assert_eq!(told, ["100 %", "99.9 %", "50.0 %", "<0.1 %", "0 %"]);
    }

    #[test]
    fn numbers_and_bytes_are_readable() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(number), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(
            [12, 1_500, 48_300_000, 900_000_000_000].map(bytes),
            ["12 B", "1.50 kB", "48.3 MB", "900 GB"]
        );
    }
}
