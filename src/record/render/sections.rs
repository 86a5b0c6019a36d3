//! The lines of the sections: colour, place, resuscitation and blood first, then what was given and measured.

use super::{PAST_SHOWN_MAX, Page, age, marks};
use crate::base::WallMs;
use crate::record::fhir;
use crate::record::sections::administration::{Dose, DoseState};
use crate::record::sections::blood_type::BloodType;
use crate::record::sections::care_level::CareLevels;
use crate::record::sections::consent::Consent;
use crate::record::sections::immunisation::{Shot, ShotState};
use crate::record::sections::measurements::{Latest, Series};
use crate::record::sections::resuscitation::{Resuscitation, ResuscitationState};
use crate::record::sections::triage::Triage;
use crate::record::sections::whereabouts::{Stay, Whereabouts};
use crate::record::source::Side;
use crate::record::view::RecordView;

/// Most moves that are written out.
const MOVES_SHOWN_MAX: usize = 5;
/// Most series of results that are written out.
const SERIES_SHOWN_MAX: usize = 60;

impl Page {
    /// Writes what is acted on within the first minute.
    pub(super) fn first(&mut self, view: &RecordView) {
        self.triage(&view.triage);
        self.whereabouts(&view.whereabouts);
        self.resuscitation(&view.resuscitation);
        self.blood_type(&view.blood_type);
        self.care_level(&view.care_level);
    }

    /// Writes what was given and measured, and what was consented to.
    pub(super) fn given_and_measured(&mut self, view: &RecordView) {
        self.doses(&view.administrations);
        self.series("Vital signs (バイタルサイン)", &view.vital_signs);
        self.series("Results (検査結果)", &view.results);
        self.shots(&view.immunisations);
        self.consents(&view.consents);
    }

    fn triage(&mut self, triage: &Triage) {
        let Some(shown) = triage.shown else { return };
        self.title("Triage (トリアージ)");
        let (name, japanese) = (shown.name().to_uppercase(), japanese(shown));
        let doctor =
            if triage.needs_doctor { " (no doctor has confirmed it: 医師の確認なし)" } else { "" };
        self.line(&format!("{name} {japanese}{doctor}{}", marks(triage.marks)));
        let standing: Vec<_> = triage.assessments.iter().filter(|one| one.stands).collect();
        let side = if standing.len() > 1 { "‖ " } else { "" };
        for one in standing {
            let method = one.method.as_deref().map_or(String::new(), |method| format!(", {method}"));
            let source = self.source(&one.source);
            self.line(&format!("  {side}{}{method}{source}", one.colour.name()));
        }
        let past: Vec<_> = triage.assessments.iter().filter(|one| !one.stands).collect();
        for one in past.iter().take(MOVES_SHOWN_MAX) {
            let source = self.source(&one.source);
            self.line(&format!("  before: {}{source}", one.colour.name()));
        }
        self.more(past.len(), MOVES_SHOWN_MAX);
    }

    fn whereabouts(&mut self, whereabouts: &Whereabouts) {
        if whereabouts.current.is_empty() && whereabouts.history.is_empty() {
            return;
        }
        self.title("Whereabouts (所在)");
        if whereabouts.current.is_empty() {
            self.line("not known (不明)");
        }
        for stay in &whereabouts.current {
            self.stay(stay, if whereabouts.two_places { "‖ at " } else { "at " });
        }
        for stay in whereabouts.history.iter().take(MOVES_SHOWN_MAX) {
            self.stay(stay, &format!("before: {:?} ", stay.presence).to_lowercase());
        }
        self.more(whereabouts.history.len(), MOVES_SHOWN_MAX);
    }

    fn stay(&mut self, stay: &Stay, prefix: &str) {
        let place = stay.place.as_deref().unwrap_or("(place not told)");
        let source = self.source(&stay.source);
        self.line(&format!("{prefix}{place}{}{source}", marks(stay.marks)));
    }

    fn resuscitation(&mut self, status: &Resuscitation) {
        let text = match status.state {
            ResuscitationState::Unknown => return,
            ResuscitationState::Attempt => "attempt resuscitation (蘇生を行う)",
            ResuscitationState::DoNotAttempt => "DO NOT ATTEMPT (DNAR 蘇生を行わない)",
            ResuscitationState::Disagreement => "STATEMENTS DISAGREE, not confirmed (記載が食い違い、未確認)",
        };
        self.title("Resuscitation (蘇生)");
        self.item(text, status.marks, &status.sides);
    }

    fn blood_type(&mut self, blood: &BloodType) {
        if blood.sides.is_empty() {
            return;
        }
        self.title("Blood type (血液型)");
        let text = match (blood.usable, blood.abo) {
            (true, Some(abo)) => {
                let rh = blood.rh.map_or("RhD unknown".to_owned(), |rh| format!("RhD {rh:?}").to_lowercase());
                format!("{abo:?} {rh}, as stated; cross-match (交差試験を)")
            }
            (_, _) => "UNUSABLE until confirmed (確認まで使用不可)".to_owned(),
        };
        self.line(&format!("{text}{}", marks(blood.marks)));
        self.sides(&blood.sides);
    }

    fn care_level(&mut self, levels: &CareLevels) {
        if levels.certified.is_empty() {
            return;
        }
        self.title("Care level (要介護度)");
        let several = levels.certified.iter().filter(|one| one.stands).count() > 1;
        for one in levels.certified.iter().take(PAST_SHOWN_MAX) {
            let prefix = match (one.stands, several) {
                (true, true) => "‖ ",
                (true, false) => "",
                (false, _) => "before: ",
            };
            let unread = if one.level.is_none() { " (none of the known levels: 区分不明)" } else { "" };
            let since =
                one.since.as_deref().map_or(String::new(), |since| format!(", since {}", fhir::day(since)));
            let mark = if one.stands { marks(levels.marks) } else { String::new() };
            let source = self.source(&one.source);
            self.line(&format!("{prefix}{}{unread}{since}{mark}{source}", one.says));
        }
        self.more(levels.certified.len(), PAST_SHOWN_MAX);
    }

    fn doses(&mut self, doses: &[Dose]) {
        if !doses.is_empty() {
            self.title("Given (投与)");
        }
        for dose in doses.iter().take(PAST_SHOWN_MAX) {
            let state = match dose.state {
                DoseState::Given => "",
                DoseState::NotGiven => "NOT GIVEN: ",
                DoseState::Corrected => "corrected: ",
                DoseState::Withdrawn => "WITHDRAWN: ",
            };
            let amount = dose.dose.as_deref().map_or(String::new(), |dose| format!(", {dose}"));
            let when = self.when(dose.when.as_deref());
            let twins = if dose.twins.is_empty() {
                ""
            } else {
                " ?? double dose or double entry (二重投与か、二重記録か)"
            };
            let source = self.source(&dose.source);
            self.line(&format!("{state}{}{amount}{when}{twins}{}{source}", dose.drug, marks(dose.marks)));
        }
        self.more(doses.len(), PAST_SHOWN_MAX);
    }

    fn series(&mut self, title: &str, all: &[Series]) {
        if !all.is_empty() {
            self.title(title);
        }
        for series in all.iter().take(SERIES_SHOWN_MAX) {
            let count = series.values.len();
            let count = if count > 1 { format!(" ({count} values)") } else { String::new() };
            match series.latest.as_slice() {
                [] => self.line(&format!("{}: all withdrawn{count}", series.name)),
                latest => {
                    for one in latest {
                        self.value(&series.name, one, &count);
                    }
                }
            }
        }
        self.more(all.len(), SERIES_SHOWN_MAX);
    }

    fn value(&mut self, name: &str, latest: &Latest, count: &str) {
        let flag = latest.interpretation.as_deref().map_or(String::new(), |flag| format!(" {flag}"));
        let (when, source) = (self.when(latest.when.as_deref()), self.source(&latest.source));
        self.line(&format!("{name}: {}{flag}{when}{count}{}{source}", latest.value, marks(latest.marks)));
    }

    fn shots(&mut self, shots: &[Shot]) {
        if !shots.is_empty() {
            self.title("Immunisations (予防接種)");
        }
        for shot in shots.iter().take(PAST_SHOWN_MAX) {
            let state = match shot.state {
                ShotState::Given => "",
                ShotState::NotGiven => "NOT GIVEN: ",
                ShotState::Withdrawn => "WITHDRAWN: ",
            };
            let lot = shot.lot.as_deref().map_or(String::new(), |lot| format!(", lot {lot}"));
            let when = shot.when.as_deref().map_or(String::new(), |when| format!(", {}", fhir::day(when)));
            let same =
                if shot.same.is_empty() { "" } else { " (perhaps the same shot as another: 重複か)" };
            let source = self.source(&shot.source);
            self.line(&format!("{state}{}{lot}{when}{same}{}{source}", shot.vaccine, marks(shot.marks)));
        }
        self.more(shots.len(), PAST_SHOWN_MAX);
    }

    fn consents(&mut self, consents: &[Consent]) {
        if !consents.is_empty() {
            self.title("Consent (同意)");
        }
        for consent in consents {
            let level = consent.level.map_or("not told", |level| level.name());
            self.line(&format!("{}: {level}{}", consent.kind.name(), marks(consent.marks)));
            self.sides(&consent.sides);
        }
    }

    fn sides(&mut self, sides: &[Side]) {
        for side in sides {
            let source = self.source(&side.source);
            self.line(&format!("  ‖ {}{source}", side.says));
        }
    }

    /// Says how long ago something was done, as its resource tells.
    fn when(&self, when: Option<&str>) -> String {
        let ms = when.and_then(fhir::instant).and_then(|second| u64::try_from(second).ok());
        ms.map_or(String::new(), |second| {
            format!(", {}", age(WallMs(second.saturating_mul(1_000)), self.now))
        })
    }
}

fn japanese(colour: crate::record::sections::triage::Colour) -> &'static str {
    use crate::record::sections::triage::Colour;
    match colour {
        Colour::Red => "赤 (I)",
        Colour::Yellow => "黄 (II)",
        Colour::Green => "緑 (III)",
        Colour::Black => "黒 (0)",
    }
}
