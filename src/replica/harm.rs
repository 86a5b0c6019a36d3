//! What is answered about possible harm when looking back: who knew what when.

use serde::{Deserialize, Serialize};

use super::knowledge::clock;
use crate::base::WallMs;
use crate::record::safety::AlertKind;
use crate::record::safety::hindsight::Knew;

/// Most statements of one alert that are written out as text.
const SHOWN_MAX: usize = 6;

/// A possible harm whose sides were written at several devices, told by what their authors' replicas had heard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HarmShown {
    /// The check that speaks, as in the view's alerts.
    pub kind: AlertKind,
    /// What meets what, as in the view's alerts.
    pub pair: String,
    /// The statements by which the sides stand, the earliest first.
    pub writings: Vec<WritingShown>,
    /// Since when the harm is possible, by the clock of the device that wrote the later side.
    pub possible_since: WallMs,
    /// The first statement about this person that was written with both sides heard; none when nobody has written one.
    pub known_since: Option<KnownSince>,
    /// For how long nobody who wrote could know, as far as clocks agree, in milliseconds.
    pub hidden_ms: Option<u64>,
    /// Of some statement nothing tells what its author had heard: somebody may have known earlier.
    pub untold: bool,
}

/// One statement of a possible harm, and what its author could know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WritingShown {
    /// The statement.
    pub statement: String,
    /// What it is about.
    pub what: String,
    /// Who wrote it, and in what role.
    pub who: (String, String),
    /// The device.
    pub device: String,
    /// Its site; none when no certificate is known.
    pub site: Option<String>,
    /// When, by the device's clock.
    pub time: WallMs,
    /// It orders a drug.
    pub is_order: bool,
    /// What the author knew of the other side.
    pub knew: Knew,
    /// The author gave a reason in spite of the other side.
    pub overrode: bool,
    /// How far those had been heard who had written what was not heard.
    pub last_heard: Vec<LastHeard>,
}

/// How far a device had been heard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastHeard {
    /// The device.
    pub device: String,
    /// Its site; none when no certificate is known.
    pub site: Option<String>,
    /// When it wrote the last that had been heard, by its own clock; none when nothing had been.
    pub time: Option<WallMs>,
    /// What had been heard of it is damaged here: the time is unknown.
    #[serde(default)]
    pub unread: bool,
}

/// The first statement that was written with both sides heard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownSince {
    /// When, by its device's clock.
    pub time: WallMs,
    /// The device.
    pub device: String,
    /// Its site; none when no certificate is known.
    pub site: Option<String>,
    /// The statement.
    pub statement: String,
}

impl HarmShown {
    /// Writes it for people, in Japanese and English, as lines below its alert.
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.writings.iter().take(SHOWN_MAX).map(WritingShown::line).collect();
        if self.writings.len() > SHOWN_MAX {
            lines.push(format!("… and {} more", self.writings.len() - SHOWN_MAX));
        }
        let since = clock(self.possible_since);
        let (ja, en) = match &self.known_since {
            Some(known) => {
                let (time, place) = (clock(known.time), place(&known.site, &known.device));
                (
                    format!("両方を受信した上での最初の記載 {time} {place}"),
                    format!("first written with both heard {time} at {place}"),
                )
            }
            None if self.untold => {
                ("知り得た時点は不明".to_owned(), "unknown since when it could be known".to_owned())
            }
            None => (
                "両方を受信した上での記載はまだない".to_owned(),
                "nobody has written yet with both heard".to_owned(),
            ),
        };
        let hidden = self.hidden_ms.map_or_else(String::new, |ms| format!(" ({} min)", ms / 60_000));
        if self.untold && self.known_since.is_some() {
            lines.push("これより前に知り得た可能性あり / somebody may have known earlier".to_owned());
        }
        lines.push(format!("害は {since} から可能、{ja} / possible since {since}, {en}{hidden}"));
        lines
    }
}

impl WritingShown {
    fn line(&self) -> String {
        let (ja, en) = match self.knew {
            Knew::Known if self.overrode => {
                ("相手を受信済み、理由を記載".to_owned(), "had heard the other, and gave a reason".to_owned())
            }
            Knew::Known if self.is_order => (
                "相手を受信済み、理由の記載なし".to_owned(),
                "had heard the other, and gave no reason".to_owned(),
            ),
            Knew::Known => ("相手を受信済み".to_owned(), "had heard the other".to_owned()),
            Knew::First => ("先に記載".to_owned(), "written first".to_owned()),
            Knew::NotHeard => {
                let far = |heard: &LastHeard| {
                    let (place, time) = (place(&heard.site, &heard.device), heard.time.map(clock));
                    match time {
                        Some(time) => {
                            (format!("{place} は {time} まで"), format!("{place} only up to {time}"))
                        }
                        None if heard.unread => (
                            format!("{place} は不明（ここで破損）"),
                            format!("{place} up to an unknown time (damaged here)"),
                        ),
                        None => (format!("{place} は未受信"), format!("nothing from {place}")),
                    }
                };
                let (ja, en): (Vec<String>, Vec<String>) = self.last_heard.iter().map(far).unzip();
                (
                    format!("知り得なかった（受信は {}）", ja.join("、")),
                    format!("could not know: had heard {}", en.join(", ")),
                )
            }
            Knew::NotLinked => {
                ("別の記録、当時は未連結".to_owned(), "in another record, not linked then".to_owned())
            }
            Knew::Unknown => ("知り得たか不明".to_owned(), "unknown whether it could be known".to_owned()),
        };
        let (time, place) = (clock(self.time), place(&self.site, &self.device));
        format!("{time} {place} {} ({}): {}: {ja} / {en}", self.who.0, self.who.1, self.what)
    }
}

fn place<'a>(site: &'a Option<String>, device: &'a str) -> &'a str {
    site.as_deref().unwrap_or(device)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writing(knew: Knew) -> WritingShown {
        WritingShown {
            statement: "ab:1:0".into(),
            what: "ワーファリン".into(),
            who: ("南 太郎".into(), "doctor".into()),
            device: "south".into(),
            site: Some("南病院".into()),
            time: WallMs(1_795_324_200_000), // 2026-11-22T05:10Z
            is_order: true,
            knew,
            overrode: false,
            last_heard: Vec::new(),
        }
    }

    #[test]
    fn each_answer_has_its_words_in_both_languages() {
        let heard = |site: Option<&str>, time| LastHeard {
            device: "north".into(),
            site: site.map(str::to_owned),
            time,
            unread: false,
        };
        let last_heard = vec![heard(Some("北病院"), Some(WallMs(1_795_281_240_000))), heard(None, None)];
        let apart = WritingShown { last_heard, ..writing(Knew::NotHeard) }.line();
        let begin = "2026-11-22 14:10:00 南病院 南 太郎 (doctor): ワーファリン: ";
        assert_eq!(
            apart,
            format!(
                "{begin}知り得なかった（受信は 北病院 は 2026-11-22 02:14:00 まで、north は未受信） / could not know: \
                 had heard 北病院 only up to 2026-11-22 02:14:00, nothing from north"
            )
        );
        let overrode = WritingShown { overrode: true, ..writing(Knew::Known) };
        let damaged = LastHeard { unread: true, ..heard(None, None) };
        let damaged = WritingShown { last_heard: vec![damaged], ..writing(Knew::NotHeard) };
        let warned = WritingShown { is_order: false, ..writing(Knew::Known) };
        for (writing, words) in [
            (overrode, ["理由を記載", "gave a reason"]),
            (writing(Knew::Known), ["理由の記載なし", "gave no reason"]),
            (warned, ["相手を受信済み", "had heard the other"]),
            (writing(Knew::First), ["先に記載", "written first"]),
            (writing(Knew::NotLinked), ["未連結", "not linked then"]),
            (writing(Knew::Unknown), ["不明", "unknown"]),
            (damaged, ["は不明", "up to an unknown time"]),
        ] {
            let line = writing.line();
            assert!(line.starts_with(begin) && words.iter().all(|word| line.contains(word)), "{line}");
        }
    }

    #[test]
    fn what_nothing_tells_is_unknown_and_not_nobody() {
        let harm = |known_since, untold| HarmShown {
            kind: AlertKind::DrugDrug,
            pair: "a b".into(),
            writings: vec![writing(Knew::Unknown); SHOWN_MAX + 1],
            possible_since: WallMs(1_795_324_200_000),
            hidden_ms: None,
            known_since,
            untold,
        };
        let last = |harm: HarmShown| harm.lines().pop().unwrap();
        let unknown = last(harm(None, true));
        assert!(unknown.contains("不明") && unknown.contains("unknown since when"), "{unknown}");
        assert!(last(harm(None, false)).contains("nobody has written yet"));
        let earlier = "somebody may have known earlier";
        let (time, device) = (WallMs(1_795_327_800_000), "north".to_owned());
        let known = Some(KnownSince { time, device, site: None, statement: "cd:2:0".into() });
        let known = HarmShown { hidden_ms: Some(3_600_000), ..harm(known, true) };
        assert!(known.lines().contains(&"… and 1 more".to_owned()));
        assert!(known.lines().iter().any(|line| line.contains(earlier)));
        let sure = HarmShown { untold: false, ..known.clone() };
        assert!(!sure.lines().iter().any(|line| line.contains(earlier)));
        assert!(last(known).ends_with("with both heard 2026-11-22 15:10:00 at north (60 min)"));
    }
}
