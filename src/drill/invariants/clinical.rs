//! What a clinician relies on: what was written is shown, and what must warn warns.

use super::{Evidence, Finding};
use crate::drill::judge::nothing_to_judge;
use crate::drill::scenario::Told;
use crate::drill::units::number;

/// Most things that one detail lists.
const NAMED_MAX: usize = 5;

/// What was compared of one kind, and what was wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Looked {
    /// How many things were compared.
    pub count: u64,
    /// What was wrong, at most [`Looked::WRONG_MAX`] of it.
    pub wrong: Vec<String>,
}

/// What the observer compared of records, at every machine of a small region.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClinicalSeen {
    /// Sections against what was written into them.
    pub sections: Looked,
    /// Signed notes and annotations against their texts.
    pub notes: Looked,
    /// Alerts against what is known to harm.
    pub alerts: Looked,
    /// Links against what was said of who is who.
    pub links: Looked,
    /// Searches against who was registered.
    pub found: Looked,
    /// Exports and records against what was imported.
    pub imports: Looked,
    /// Suggested doubles against the people of imported lists.
    pub doubles: Looked,
    /// Hand-over texts against what was typed into them.
    pub handovers: Looked,
    /// Lanes of machines whose disk was set back, against what those had signed.
    pub forks: Looked,
    /// What replicas say that others hold, against the disks of those.
    pub held: Looked,
}

impl ClinicalSeen {
    /// Returns how many things of each kind were compared, under the names that people read.
    pub fn counts(&self) -> [(&'static str, u64); 10] {
        let Self { sections, notes, alerts, links, found, imports, doubles, handovers, forks, held } = self;
        [
            ("sections compared", sections.count),
            ("notes compared", notes.count),
            ("alerts compared", alerts.count),
            ("links compared", links.count),
            ("searches compared", found.count),
            ("imported resources compared", imports.count),
            ("doubles compared", doubles.count),
            ("hand-over texts compared", handovers.count),
            ("forks compared", forks.count),
            ("claims of what others hold compared", held.count),
        ]
    }
}

impl Looked {
    /// Most things that are remembered as wrong.
    pub const WRONG_MAX: usize = 50;

    /// Notes that something was compared; `wrong` says what is wrong with it, where it is.
    pub fn note(&mut self, right: bool, wrong: impl FnOnce() -> String) {
        self.count += 1;
        if !right && self.wrong.len() < Self::WRONG_MAX {
            self.wrong.push(wrong());
        }
    }
}

/// Judges what was compared; `what` are the things, in both languages.
pub(super) fn judged(
    evidence: &Evidence<'_>,
    of: impl Fn(&ClinicalSeen) -> &Looked,
    what: [&str; 2],
) -> Finding {
    let Some(sim) = &evidence.seen.sim else {
        return Ok(Told::of("judged in a simulation", "模擬訓練でのみ判定する"));
    };
    let (looked, [en, ja]) = (of(&sim.clinical), what);
    if looked.count == 0 {
        return Ok(nothing_to_judge(&format!("no {en} were compared"), &format!("照合した{ja}はない")));
    }
    let count = number(looked.count);
    match looked.wrong.as_slice() {
        [] => Ok(Told::of(
            format!("{en}: {count} compared with what was written, all right"),
            format!("{ja}：書かれたものとの照合 {count} 件、すべて正しい"),
        )),
        wrong => {
            let (of, told) = (wrong.len(), Told::some(wrong, NAMED_MAX));
            Err(Told::of(
                format!("{en}: {of} wrong of {count}: {}", told.en),
                format!("{ja}：照合 {count} 件のうち {of} 件が誤り：{}", told.ja),
            ))
        }
    }
}
