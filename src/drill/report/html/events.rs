//! The list of events, in which care, faults and the story are told apart.

use super::markup::{esc, paragraph, t, w};
use crate::drill::course::{Course, Happening};
use crate::drill::report::svg::EVENTS_MAX;
use crate::drill::report::wording::{civil, is_fault, number, same, since_zero, site, told};
use crate::drill::scenario::Told;

/// Most replicas that one event names.
const NAMED_MAX: usize = 3;

/// What kind of thing happened, by a word and a style that a print without colours keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// A sentence of the story.
    Story,
    /// What people did for a patient.
    Care,
    /// Something was broken.
    Fault,
    /// Something was mended.
    Mended,
    /// Work of machines and of those who run them.
    Step,
}

impl Class {
    fn of(event: &str) -> Self {
        match event {
            "" => Self::Story,
            "register"
            | "allergy"
            | "medication"
            | "note"
            | "handover"
            | "surge"
            | "duplicate-registration"
            | "administration"
            | "qr-handover"
            | "link"
            | "unlink" => Self::Care,
            fault if is_fault(fault) => Self::Fault,
            "heal" | "meet" | "usb-courier" | "start" | "restore" | "return-to-normal" => Self::Mended,
            _ => Self::Step,
        }
    }

    /// Returns its class in the style sheet.
    fn style(self) -> &'static str {
        match self {
            Self::Story => "story-line",
            Self::Care => "care",
            Self::Fault => "fault",
            Self::Mended => "mended",
            Self::Step => "step",
        }
    }

    fn name(self) -> Told {
        match self {
            Self::Story => told("話", "story"),
            Self::Care => told("診療", "care"),
            Self::Fault => told("障害", "fault"),
            Self::Mended => told("回復", "mended"),
            Self::Step => told("操作", "step"),
        }
    }
}

/// Writes the list.
pub(super) fn events(course: &Course) -> String {
    let one = |(number, happening): (usize, &Happening)| {
        let told =
            if happening.told == Told::default() { same(happening.event) } else { happening.told.clone() };
        format!(
            "<li class=\"{}\"><b>{}</b><i>{}</i><i>{}</i><u>{}</u><div>{}{}{}</div></li>\n",
            Class::of(happening.event).style(),
            number + 1,
            civil(course, happening.at),
            since_zero(happening.at, course.lasted),
            t(&Class::of(happening.event).name()),
            t(&told),
            members(course, happening),
            failure(happening)
        )
    };
    let listed: String = course.happenings.iter().enumerate().take(EVENTS_MAX).map(one).collect();
    if listed.is_empty() {
        return String::new();
    }
    let more = course.happenings.len().saturating_sub(EVENTS_MAX) as u64;
    let more = match more {
        0 => String::new(),
        more => {
            let more = number(more);
            paragraph(
                "reading",
                &told(format!("ほかに {more} 件の出来事があった。"), format!("And {more} events more.")),
            )
        }
    };
    let reading = told(
        "「話」は物語の一文、「診療」は人が患者について行ったこと、「障害」は起こした障害、「回復」は障害の終わり、「操作」は機械や係の作業。",
        "“Story” is a sentence of the story, “care” what people did for a patient, “fault” what was broken, “mended” the end of a fault, “step” work of machines and operators.",
    );
    let reading = paragraph("reading", &reading);
    format!("<h3>{}</h3>{reading}<ol class=\"events\">\n{listed}</ol>{more}\n", w("出来事の一覧", "Events"))
}

fn members(course: &Course, happening: &Happening) -> String {
    let all = happening.members.len();
    if all == 0 || all == course.members.len() || (all <= 2 && course.members.len() <= 12) {
        return String::new();
    }
    let names: Vec<String> = happening.members.iter().take(NAMED_MAX).map(|one| site(course, *one)).collect();
    let more = all.saturating_sub(NAMED_MAX) as u64;
    let (ja, en) = match more {
        0 => (String::new(), String::new()),
        more => (format!(" ほか {}", number(more)), format!(" and {} more", number(more))),
    };
    let (ja_names, en_names) = (names.join("、"), names.join(", "));
    format!(" <em>{}</em>", w(&format!("（{ja_names}{ja}）"), &format!("({en_names}{en})")))
}

fn failure(happening: &Happening) -> String {
    let Some(reason) = &happening.failed else { return String::new() };
    format!(" <span class=\"bad\">{} {}</span>", w("✕ 行えず：", "✕ not done:"), esc(reason))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::events::EVENTS;

    #[test]
    fn every_event_has_its_class_and_only_a_few_are_steps() {
        let steps: Vec<&str> =
            EVENTS.iter().map(|kind| kind.name).filter(|name| Class::of(name) == Class::Step).collect();
        assert_eq!(
            steps,
            ["import", "import-list", "wait-converged", "stop", "backup"],
            "a new event is given its class"
        );
        assert!(EVENTS.iter().all(|kind| Class::of(kind.name) != Class::Story));
    }
}
