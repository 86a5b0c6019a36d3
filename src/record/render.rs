//! The view as plain text, for a terminal.
//!
//! What needs a decision comes first and shows both sides, joined by `‖`. Every line says how old it is.

use std::fmt::Write as _;

use super::safety::Alert;
use super::sections::allergies::{Allergies, Allergy, Knowledge};
use super::sections::demographics::Demographics;
use super::sections::medication::{Medication, MedicationList, MedicationState};
use super::sections::notes::Note;
use super::sections::problems::Problem;
use super::source::{Marks, Side, Source};
use super::statement::Position;
use super::view::RecordView;
use crate::base::WallMs;

mod sections;

/// Most notes that are written out.
pub const NOTES_SHOWN_MAX: usize = 20;
/// Most lines of each list of past items.
pub const PAST_SHOWN_MAX: usize = 20;
/// Digits of a lane in a statement's brief name.
pub const LANE_DIGITS: usize = 8;

/// Writes a view for people, with the age of every entry as of `now`.
pub fn text(view: &RecordView, now: WallMs) -> String {
    text_told(view, now, &[])
}

/// As [`text`], with what is told of each alert from elsewhere, in the order of the view's alerts: lines in place of who
/// wrote its sides.
pub fn text_told(view: &RecordView, now: WallMs, told: &[Vec<String>]) -> String {
    let mut page = Page { out: String::new(), now };
    page.head(view);
    page.danger(view, told);
    page.first(view);
    page.allergies(&view.allergies);
    page.medication(&view.medication);
    page.problems(&view.problems.active, &view.problems.past);
    page.given_and_measured(view);
    page.notes(&view.notes);
    if !view.others.is_empty() {
        let others: Vec<String> = view.others.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        page.title("Also on record");
        page.line(&others.join(", "));
    }
    page.out
}

/// Says how long ago a time was: `5 min`, `3 h`, `12 d`, or that it lies ahead.
pub fn age(time: WallMs, now: WallMs) -> String {
    let Some(ms) = now.0.checked_sub(time.0) else { return "in the future".to_owned() };
    let minutes = ms / 60_000;
    match minutes {
        0 => "just now".to_owned(),
        1..=119 => format!("{minutes} min ago"),
        120..=2_879 => format!("{} h ago", minutes / 60),
        _ => format!("{} d ago", minutes / 1_440),
    }
}

/// Names a statement briefly: the beginning of its lane, the entry and the index.
pub fn statement_name(position: &Position) -> String {
    let lane = position.lane.to_string();
    format!("{}:{}:{}", &lane[..LANE_DIGITS], position.seq, position.index)
}

struct Page {
    out: String,
    now: WallMs,
}

impl Page {
    fn line(&mut self, text: &str) {
        // Control characters in data must not reach a terminal.
        let clean: String = text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect();
        for line in clean.lines() {
            writeln!(self.out, "  {line}").expect("writing to a String cannot fail");
        }
    }

    fn title(&mut self, title: &str) {
        writeln!(self.out, "\n{title}").expect("writing to a String cannot fail");
    }

    fn head(&mut self, view: &RecordView) {
        let who: &Demographics = &view.demographics;
        let names: Vec<&str> = who.names.iter().map(|name| name.full.as_str()).collect();
        let name = if names.is_empty() { "(name unknown)".to_owned() } else { names.join(" / ") };
        self.out.push_str("Patient\n");
        self.line(&name);
        let unknown = |values: &[String], what: &str| match values {
            [] => format!("{what} unknown"),
            _ => values.join(" ‖ "),
        };
        self.line(&format!("{}, {}", unknown(&who.birth_dates, "birth date"), unknown(&who.sexes, "sex")));
        for (label, values) in [
            ("DECEASED", &who.deceased),
            ("address", &who.addresses),
            ("contact", &who.contacts),
            ("inform", &who.relatives),
        ] {
            if !values.is_empty() {
                self.line(&format!("{label}: {}", values.join("; ")));
            }
        }
        let identifiers: Vec<&str> =
            who.identifiers.iter().map(|identifier| identifier.value.as_str()).collect();
        if !identifiers.is_empty() {
            self.line(&format!("identifiers: {}", identifiers.join(", ")));
        }
        let latest = age(view.latest.wall(), self.now);
        self.line(&format!("record {}, {} statements, latest {latest}", view.record, view.statements));
    }

    fn danger(&mut self, view: &RecordView, told: &[Vec<String>]) {
        if !view.alerts.is_empty() {
            self.title("ALERTS");
            for (place, alert) in view.alerts.iter().enumerate() {
                self.alert(alert, told.get(place).map(Vec::as_slice).unwrap_or_default());
            }
        }
        let unresolved = [&view.checked.drugs_unresolved, &view.checked.allergies_unresolved];
        let unresolved: Vec<&str> = unresolved.into_iter().flatten().map(String::as_str).collect();
        if !unresolved.is_empty() {
            self.title("NOT CHECKED (unknown to the tables)");
            self.line(&unresolved.join("; "));
        }
        let open: Vec<_> = view.conflicts.iter().filter(|conflict| conflict.open).collect();
        if !open.is_empty() {
            self.title("DECISION NEEDED (merge rules not yet reviewed by a clinician)");
            for conflict in open {
                self.line(&format!("‖ {}: {}: {}", conflict.section.name(), conflict.kind, conflict.summary));
            }
        }
    }

    /// Writes an alert; `!!` interrupts. Below it what is told of it, or who wrote its sides and when, if nobody wrote both.
    fn alert(&mut self, alert: &Alert, told: &[String]) {
        let mark = if alert.interrupts() { "!!" } else { "!" };
        let rules =
            if alert.rules.is_empty() { String::new() } else { format!(" [{}]", alert.rules.join(", ")) };
        self.line(&format!("{mark} {}{rules}", alert.why.line()));
        for line in told {
            self.line(&format!("   {line}"));
        }
        if alert.apart && told.is_empty() {
            for side in &alert.witnesses {
                let stamp = super::build::fhir_time(side.time_ms).replace('T', " ");
                let stamp = stamp.get(..16).unwrap_or(&stamp);
                let age = age(side.time_ms, self.now);
                self.line(&format!("   {stamp} {} ({}): {}, {age}", side.who, side.role, side.what));
            }
        }
        for over in &alert.overrides {
            let age = age(over.time_ms, self.now);
            self.line(&format!(
                "   overridden by {} ({}), {age}, because: {}",
                over.who, over.role, over.reason
            ));
        }
    }

    fn allergies(&mut self, allergies: &Allergies) {
        self.title("Allergies");
        match allergies.knowledge {
            Knowledge::Unknown => self.line("not known (nobody has said anything)"),
            Knowledge::NoneKnown => {
                for none in &allergies.none_known {
                    let date = none.date.as_deref().unwrap_or("no date");
                    self.line(&format!("{} ({date}){}", none.says, self.source(&none.source)));
                }
            }
            Knowledge::Listed => {}
        }
        for allergy in &allergies.active {
            self.allergy(allergy, "");
        }
        for allergy in allergies.inactive.iter().take(PAST_SHOWN_MAX) {
            self.allergy(allergy, "not active: ");
        }
    }

    fn allergy(&mut self, allergy: &Allergy, prefix: &str) {
        let mut text = format!("{prefix}{}", allergy.substance);
        for also in &allergy.also {
            text.push_str(&format!(" (also: {also})"));
        }
        if let Some(criticality) = allergy.criticality {
            text.push_str(&format!(", criticality {criticality:?}").to_lowercase());
        }
        if !allergy.reactions.is_empty() {
            text.push_str(&format!(", {}", allergy.reactions.join(", ")));
        }
        self.item(&text, allergy.marks, &allergy.sides);
    }

    fn medication(&mut self, list: &MedicationList) {
        self.title("Medication");
        if list.active.is_empty() && list.recorded.is_empty() && list.ended.is_empty() {
            self.line("nothing on record");
        } else if list.active.is_empty() {
            self.line("nothing current");
        }
        for drug in &list.active {
            let prefix = match drug.state {
                MedicationState::DecisionNeeded => "DECISION NEEDED: ",
                MedicationState::OnHold => "on hold: ",
                MedicationState::Active
                | MedicationState::Recorded
                | MedicationState::Planned
                | MedicationState::Prohibited
                | MedicationState::Stopped
                | MedicationState::EnteredInError => "",
            };
            self.drug(drug, prefix);
        }
        for (title, drugs) in
            [("Recorded, not known whether taken", &list.recorded), ("No longer taken", &list.ended)]
        {
            if !drugs.is_empty() {
                self.title(title);
            }
            for drug in drugs.iter().take(PAST_SHOWN_MAX) {
                self.drug(drug, if drug.state == MedicationState::Prohibited { "DO NOT GIVE: " } else { "" });
            }
            self.more(drugs.len(), PAST_SHOWN_MAX);
        }
    }

    fn drug(&mut self, drug: &Medication, prefix: &str) {
        let doses =
            if drug.doses.is_empty() { String::new() } else { format!(", {}", drug.doses.join(" ‖ ")) };
        let day = |label: &str, date: &Option<String>| {
            date.as_deref().map_or(String::new(), |date| format!(", {label} {}", super::fhir::day(date)))
        };
        let (since, until) = (day("since", &drug.since), day("until", &drug.until));
        self.item(&format!("{prefix}{}{doses}{since}{until}", drug.name), drug.marks, &drug.sides);
    }

    fn problems(&mut self, active: &[Problem], past: &[Problem]) {
        self.title("Problems");
        if active.is_empty() {
            self.line("none on record");
        }
        for problem in active {
            let onset = problem
                .onset
                .as_deref()
                .map_or(String::new(), |onset| format!(", since {}", super::fhir::day(onset)));
            self.item(&format!("{}{onset}", problem.name), problem.marks, &problem.sides);
        }
        for problem in past.iter().take(PAST_SHOWN_MAX) {
            let statuses: Vec<String> =
                problem.statuses.iter().map(|status| format!("{status:?}").to_lowercase()).collect();
            self.item(&format!("{} ({})", problem.name, statuses.join(" ‖ ")), problem.marks, &problem.sides);
        }
        self.more(past.len(), PAST_SHOWN_MAX);
    }

    fn notes(&mut self, notes: &[Note]) {
        if !notes.is_empty() {
            self.title("Notes");
        }
        for note in notes.iter().take(NOTES_SHOWN_MAX) {
            let state = match (note.withdrawn, note.set_aside) {
                (true, _) => "WITHDRAWN: ",
                (false, true) => "決定で採られなかった / NOT KEPT by a decision: ",
                (false, false) => "",
            };
            let head = format!("{state}{} {}, {}", super::fhir::day(&note.date), note.title, note.author);
            let source = self.source(&note.source);
            let name = statement_name(&note.position);
            self.line(&format!("{head}{}{source} #{name}", marks(note.marks)));
            self.line(&indent(&note.excerpt));
            for addendum in &note.addenda {
                let source = self.source(&addendum.source);
                self.line(&indent(&format!("+ {}{source}", addendum.excerpt)));
            }
        }
        self.more(notes.len(), NOTES_SHOWN_MAX);
    }

    /// Writes an item: its one source on the same line, or each side on a line of its own.
    fn item(&mut self, text: &str, item_marks: Marks, sides: &[Side]) {
        match sides {
            [side] => {
                let source = self.source(&side.source);
                self.line(&format!("{text}{}{source}", marks(item_marks)));
            }
            _ => {
                self.line(&format!("{text}{}", marks(item_marks)));
                for side in sides {
                    let source = self.source(&side.source);
                    self.line(&format!("  ‖ {}{source}", side.says));
                }
            }
        }
    }

    fn source(&self, source: &Source) -> String {
        let imported = if source.origin == "native" { "" } else { ", imported" };
        let unverified = if source.unverified { ", UNVERIFIED" } else { "" };
        let reason = source.reason.as_ref().map_or(String::new(), |reason| format!(", because: {reason}"));
        let age = age(source.time_ms, self.now);
        format!(" [{} ({}){imported}{unverified}, {age}{reason}]", source.who, source.role)
    }

    fn more(&mut self, all: usize, shown: usize) {
        if all > shown {
            self.line(&format!("… and {} more", all - shown));
        }
    }
}

fn marks(marks: Marks) -> String {
    let words = [
        (marks.disputed, "disputed"),
        (marks.concurrent, "written apart"),
        (marks.unverified, "unverified"),
        (marks.waiting, "earlier statements have not arrived"),
    ];
    let words: Vec<&str> = words.into_iter().filter_map(|(there, word)| there.then_some(word)).collect();
    if words.is_empty() { String::new() } else { format!(" ({})", words.join(", ")) }
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}
