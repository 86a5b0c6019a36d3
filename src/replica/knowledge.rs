//! What is asked and answered about knowledge at a time: whose, when, and what of it is not held here.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::base::{DeviceId, WallMs};
use crate::record::build::fhir_time;

/// Most lanes and waiting statements that are written out as text.
const SHOWN_MAX: usize = 10;

/// The moment whose knowledge a record is shown with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Moment {
    /// When a statement was written: what its author's replica had heard.
    AsOf {
        /// The statement, as lane, entry and index: `LANE:SEQ:INDEX`; of the lane its beginning is enough.
        statement: String,
    },
    /// A time: what a device showed then.
    At {
        /// When.
        time: WallMs,
        /// The device's name, or the beginning of its id; without it, this one.
        device: Option<String>,
    },
}

/// What knowledge at a time is told by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// The horizon of one statement.
    Statement,
    /// The times of arrival that this device keeps.
    Arrivals,
    /// The horizons of what the device had last written.
    LastWriting,
}

/// Whose knowledge is shown, of when, and how complete it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnowledgeShown {
    /// What it is told by.
    pub basis: Basis,
    /// The device that knew it.
    pub device: DeviceId,
    /// The device's name, as far as known.
    pub device_name: String,
    /// Its site's name.
    pub site: String,
    /// Who wrote the statement, and in what role.
    pub who: Option<(String, String)>,
    /// The statement.
    pub statement: Option<String>,
    /// The time that was asked for.
    pub asked: Option<WallMs>,
    /// The moment that is shown; none when the device had written nothing by then.
    pub time: Option<WallMs>,
    /// Statements of this person that are known here now and were not known then.
    pub later: u64,
    /// Entries of which it knew and that this replica has not heard.
    pub missing_entries: u64,
    /// The lanes of these entries.
    pub missing: Vec<MissingLane>,
    /// Horizon entries whose check is not that of the histories held here: a lane has forked, or the device lies.
    pub contradicted: u64,
    /// Horizon entries that cannot be checked because what they name is damaged here, or is too much.
    #[serde(default)]
    pub unreadable: u64,
    /// It was written by a program that told no horizon, or told one that cannot be read: only its own lane and what it
    /// follows are known.
    pub untold: bool,
}

/// A lane of which another replica had heard more than this one has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingLane {
    /// The first eight bytes of its id.
    pub lane: String,
    /// The device that writes it; none when nothing of it is held here.
    pub device: Option<String>,
    /// How many entries are missing.
    pub entries: u64,
}

/// A statement that follows one which has not arrived here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitShown {
    /// The statement that waits.
    pub statement: String,
    /// Who wrote it, and in what role.
    pub who: (String, String),
    /// The statement that it follows and that is missing.
    pub waits_for: String,
    /// The device that wrote the missing one; none when nothing of its lane is held here.
    pub device: Option<String>,
    /// That device's site.
    pub site: Option<String>,
}

impl KnowledgeShown {
    /// Says whether a part of what was known then is not held here.
    pub fn is_incomplete(&self) -> bool {
        self.missing_entries > 0 || self.contradicted > 0 || self.unreadable > 0 || self.untold
    }

    /// Writes it for people, in Japanese and English.
    pub fn text(&self) -> String {
        let mut out = String::from("その時点の知識 / Knowledge at the time\n");
        let mut line = |text: String| {
            let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            writeln!(out, "  {clean}").expect("writing to a String cannot fail");
        };
        let whose = format!("{}（{}）", self.device_name, self.site);
        match (self.basis, self.time) {
            (Basis::Statement, Some(time)) => {
                let (name, role) = self.who.clone().unwrap_or_default();
                let at = clock(time);
                line(format!("{name}（{role}）が {whose} で {at} に記録した時に知り得たこと"));
                line(format!("as known to {name} ({role}) on {whose} when writing at {at}"));
            }
            (Basis::Arrivals, Some(time)) => {
                let at = clock(time);
                line(format!("{whose} が {at} に表示していた内容 / as {whose} showed it at {at}"));
            }
            (Basis::LastWriting, Some(time)) => {
                let (at, asked) = (clock(time), self.asked.map_or_else(String::new, clock));
                line(format!("{whose} が {asked} までに最後に記録した {at} の時点で届いていた内容"));
                line(format!(
                    "as {whose} had heard by its last writing at {at}; what it heard from then to {asked} only it knows"
                ));
            }
            (_, None) => {
                line(format!(
                    "{whose} はその時までに何も記録していない / {whose} had written nothing by then: its knowledge is not known here"
                ));
            }
        }
        if self.later > 0 {
            line(format!(
                "現在分かっている記述のうち {0} 件は、その時点では届いていなかった / {0} statements known now were not known then",
                self.later
            ));
        }
        if self.untold {
            line("この記述には既知範囲の記録がない（旧版）/ INCOMPLETE: this statement does not tell what its author had heard".to_owned());
        }
        if self.missing_entries > 0 {
            line(format!(
                "不完全：当時の {0} 件がこの端末に未着 / INCOMPLETE: {0} entries known then have not been heard here",
                self.missing_entries
            ));
            for missing in self.missing.iter().take(SHOWN_MAX) {
                let device = missing.device.as_deref().unwrap_or("未知の端末 / a device not heard of");
                line(format!("  {} × {} ({})", missing.entries, device, missing.lane));
            }
        }
        if self.contradicted > 0 {
            line("不一致：その端末の見た履歴はここにあるものと違う / CONTRADICTED: that device had heard other histories than are held here (a forked lane)".to_owned());
        }
        if self.unreadable > 0 {
            line("照合できない：ここの記憶装置が損傷している / UNCHECKED: what that device had heard is damaged here and cannot be compared".to_owned());
        }
        out
    }
}

/// Writes what waits for statements that have not arrived, in Japanese and English; nothing when nothing does.
pub fn waits_text(waits: &[WaitShown]) -> String {
    let mut out = String::new();
    if waits.is_empty() {
        return out;
    }
    out.push_str("先行する記述が未着 / WAITING for earlier statements not yet heard\n");
    for wait in waits.iter().take(SHOWN_MAX) {
        let (name, role) = &wait.who;
        let of = match (&wait.device, &wait.site) {
            (Some(device), Some(site)) => format!("{device}（{site}）"),
            (Some(device), None) => device.clone(),
            (None, _) => "未知の端末 / a device not yet heard of".to_owned(),
        };
        let text = format!(
            "{name}（{role}）の記述 / {} waits for statement {} of {of}, not yet heard",
            brief(&wait.statement),
            brief(&wait.waits_for)
        );
        let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        writeln!(out, "  {clean}").expect("writing to a String cannot fail");
    }
    if waits.len() > SHOWN_MAX {
        writeln!(out, "  … and {} more", waits.len() - SHOWN_MAX).expect("writing to a String cannot fail");
    }
    out
}

/// A statement's name with the beginning of its lane only.
fn brief(statement: &str) -> String {
    match statement.split_once(':') {
        Some((lane, rest)) => format!("{}:{rest}", lane.chars().take(12).collect::<String>()),
        None => statement.to_owned(),
    }
}

pub(super) fn clock(time: WallMs) -> String {
    let stamp = fhir_time(time).replace('T', " ");
    stamp.get(..19).unwrap_or(&stamp).to_owned()
}
