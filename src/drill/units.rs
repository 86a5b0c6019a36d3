//! Numbers, lengths of time and kinds of contradictions as people read them, in Japanese and English: the same words for
//! what is judged and for what is reported.

use std::time::Duration;

use super::scenario::Told;

/// One day, in milliseconds.
const DAY_MS: u64 = 86_400_000;
/// One hour, in milliseconds.
const HOUR_MS: u64 = 3_600_000;

/// Writes a length of time with at most two units, rounded: `9時間20分`, `9 h 20 min`.
pub fn length(length: Duration) -> Told {
    match milliseconds(length) {
        0..50 if !length.is_zero() => under_a_tenth(),
        ms => {
            let step = step(ms);
            written((ms + step / 2) / step * step)
        }
    }
}

/// Writes a length of time that is a lower bound, and so never rounded up: `2日19時間以上`, `at least 2 d 19 h`.
pub fn at_least(length: Duration) -> Told {
    let ms = milliseconds(length);
    let step = step(ms);
    let Told { ja, en } = written(ms / step * step);
    Told::of(format!("at least {en}"), format!("{ja}以上"))
}

/// Writes a length of time given in seconds; less than zero counts as zero.
pub fn seconds(value: f64) -> Told {
    length(Duration::try_from_secs_f64(value.max(0.0)).unwrap_or(Duration::MAX))
}

/// Writes a number with commas between thousands.
pub fn number(value: u64) -> String {
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

/// Writes a share of one as percent, rounded; only a whole is `100 %`, and only nothing is `0 %`.
pub fn percent(share: f64) -> String {
    const EPSILON: f64 = 1e-9;
    match share {
        share if share >= 1.0 - EPSILON => "100 %".to_owned(),
        share if share >= 0.9995 => ">99.9 %".to_owned(),
        share if share <= EPSILON => "0 %".to_owned(),
        share if share < 0.001 => "<0.1 %".to_owned(),
        share => format!("{:.1} %", (share * 1_000.0).round() / 10.0),
    }
}

/// Names a section of a record.
pub fn section(name: &str) -> Told {
    match name {
        "medication" | "medications" => Told::of("medication", "処方"),
        "allergy" | "allergies" => Told::of("allergies", "アレルギー"),
        "problem" | "problems" => Told::of("problems", "病名"),
        "demographics" => Told::of("demographics", "患者基本情報"),
        "note" | "notes" => Told::of("notes", "記録・所見"),
        "identity" => Told::of("identity", "本人確認"),
        "triage" => Told::of("triage", "トリアージ"),
        "alerts" => Told::of("safety alerts", "安全警告"),
        other => Told::same(other),
    }
}

/// Names what contradicts what, or what is dangerous; what is not known here is told by its name.
pub fn kind(name: &str) -> Told {
    match name {
        "drug-allergy" => Told::of("a drug in spite of an allergy", "アレルギーのある薬の処方"),
        "dose-vs-stop" => Told::of("a dose and a stop", "継続・変更と中止"),
        "dose-vs-hold" => Told::of("a dose and a pause", "継続・変更と休薬"),
        "dose-vs-prohibition" => Told::of("a dose and a prohibition", "投与と投与禁止"),
        "hold-vs-stop" => Told::of("a pause and a stop", "休薬と中止"),
        "two-doses" => Told::of("two doses", "二つの用量"),
        "two-drugs" => Told::of("two drugs", "二つの薬"),
        "assert-vs-refute" => Told::of("asserted and refuted", "ありとなし"),
        "assert-vs-resolve" => Told::of("asserted and resolved", "ありと治癒"),
        "active-vs-resolved" => Told::of("active and resolved", "続いていると治った"),
        "two-care-levels" => Told::of("two care levels", "二つの要介護度"),
        "signed-twice" => Told::of("one draft signed twice", "一つの下書きに二つの署名"),
        "two-versions" => Told::of("two versions", "二つの版"),
        "two-birth-dates" => Told::of("two birth dates", "二つの生年月日"),
        "two-sexes" => Told::of("two sexes", "二つの性別"),
        "drug-drug" => Told::of("two drugs that must not meet", "併用してはならない薬"),
        "duplicate-ingredient" => Told::of("one ingredient twice", "同じ成分の重複"),
        "duplicate-class" => Told::of("two drugs of one class", "同じ系統の薬の重複"),
        "duplicate-test" => Told::of("one test twice", "同じ検査の重複"),
        "double-dose" => Told::of("a double dose or a double entry", "二重投与か二重記録"),
        "two-places" => Told::of("at two places at once", "同時に二か所"),
        "black-vs-living" => Told::of("black and a living colour", "黒と生存の色"),
        "two-colours" => Told::of("two triage colours", "二つのトリアージ色"),
        "attempt-vs-do-not-attempt" => Told::of("to resuscitate and not to", "蘇生すると、しない"),
        "two-abo-groups" => Told::of("two blood groups", "二つの血液型（ABO）"),
        "two-rh-types" => Told::of("two Rh types", "二つの血液型（Rh）"),
        "consent-widths" => Told::of("consents of other widths", "範囲の異なる同意"),
        "two-corrections" => Told::of("two corrections", "二つの訂正"),
        "one-specimen-two-values" => Told::of("two values of one specimen", "一つの検体に二つの値"),
        other => Told::same(other),
    }
}

/// Names a kind in words with its code after it: `` 継続・変更と中止 `dose-vs-stop` ``; a kind without words is its code.
pub fn coded(name: &str) -> Told {
    let Told { ja, en } = kind(name);
    let with_code = |words: String| if words == name { words } else { format!("{words} `{name}`") };
    Told::of(with_code(en), with_code(ja))
}

fn under_a_tenth() -> Told {
    Told::of("under 0.1 s", "0.1秒未満")
}

fn milliseconds(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX / 2)
}

/// The unit to which a length of so many milliseconds is rounded, in milliseconds.
fn step(ms: u64) -> u64 {
    match ms {
        0..9_950 => 100,
        9_950..599_500 => 1_000,
        599_500..172_770_000 => 60_000,
        _ => HOUR_MS,
    }
}

fn written(ms: u64) -> Told {
    let two = |big: u64, small: u64, ja: [&str; 2], en: [&str; 2]| match small {
        0 => Told::of(format!("{big} {}", en[0]), format!("{big}{}", ja[0])),
        _ => {
            Told::of(format!("{big} {} {small} {}", en[0], en[1]), format!("{big}{}{small}{}", ja[0], ja[1]))
        }
    };
    match ms {
        1..10_000 if !ms.is_multiple_of(1_000) => {
            let tenths = format!("{}.{}", ms / 1_000, ms % 1_000 / 100);
            Told::of(format!("{tenths} s"), format!("{tenths}秒"))
        }
        0..60_000 => two(ms / 1_000, 0, ["秒", ""], ["s", ""]),
        60_000..HOUR_MS => two(ms / 60_000, ms / 1_000 % 60, ["分", "秒"], ["min", "s"]),
        HOUR_MS..172_800_000 => two(ms / HOUR_MS, ms / 60_000 % 60, ["時間", "分"], ["h", "min"]),
        _ => two(ms / DAY_MS, ms / HOUR_MS % 24, ["日", "時間"], ["d", "h"]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_at_most_two_units_and_are_rounded() {
        let cases: [(u64, &str, &str); 13] = [
            (0, "0秒", "0 s"),
            (20, "0.1秒未満", "under 0.1 s"),
            (340, "0.3秒", "0.3 s"),
            (3_150, "3.2秒", "3.2 s"),
            (3_000, "3秒", "3 s"),
            (9_960, "10秒", "10 s"),
            (59_600, "1分", "1 min"),
            (61_000, "1分1秒", "1 min 1 s"),
            (3_599_000, "1時間", "1 h"),
            (33_600_000, "9時間20分", "9 h 20 min"),
            (49_349_996, "13時間42分", "13 h 42 min"),
            (172_790_000, "2日", "2 d"),
            (266_400_000, "3日2時間", "3 d 2 h"),
        ];
        for (ms, ja, en) in cases {
            assert_eq!(length(Duration::from_millis(ms)), Told::of(en, ja), "{ms}");
        }
        assert_eq!(seconds(-1.0).en, "0 s");
    }

    #[test]
    fn a_lower_bound_is_never_more_than_what_it_bounds() {
        let told = at_least(Duration::from_secs(2 * 86_400 + 19 * 3_600 + 3_500));
        assert_eq!(told, Told::of("at least 2 d 19 h", "2日19時間以上"));
        assert_eq!(at_least(Duration::from_secs(3_599)).en, "at least 59 min");
    }

    #[test]
    fn only_a_whole_is_a_hundred_percent_and_only_nothing_is_zero() {
        let told = [1.0, 0.99999, 0.98956, 0.5, 0.0004, 0.0].map(percent);
        assert_eq!(told, ["100 %", ">99.9 %", "99.0 %", "50.0 %", "<0.1 %", "0 %"]);
    }

    #[test]
    fn numbers_are_readable_and_codes_stand_behind_words() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(number), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(coded("dose-vs-stop").ja, "継続・変更と中止 `dose-vs-stop`");
        assert_eq!(coded("something-new"), Told::same("something-new"));
    }
}
