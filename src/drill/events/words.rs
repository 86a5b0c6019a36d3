//! Pieces of the sentences in which events tell of themselves.

use std::time::Duration;

use super::super::scenario::{Lines, Scenario, Told, Whom};
use super::super::units::length;

/// Makes a sentence in both languages.
pub(super) fn told(en: impl Into<String>, ja: impl Into<String>) -> Told {
    Told { en: en.into(), ja: ja.into() }
}

/// Returns what people call the site of a replica.
pub(super) fn site(scenario: &Scenario, at: usize) -> &str {
    scenario.replicas.get(at).map_or("?", |plan| plan.site.as_str())
}

/// Returns what people call some replicas.
pub(super) fn whom(scenario: &Scenario, whom: &Whom) -> String {
    match (whom.members.as_slice(), whom.share) {
        ([one], _) => site(scenario, *one).to_owned(),
        (_, None) => whom.called.clone(),
        (_, Some(share)) => format!("{} ({})", whom.called, percent(share)),
    }
}

/// Returns what people call some links, in both languages.
pub(super) fn lines(scenario: &Scenario, lines: &Lines) -> Told {
    let share = lines.share.map(|share| format!(" ({})", percent(share))).unwrap_or_default();
    let surviving = scenario.links.iter().filter(|link| link.survives).count();
    match lines.links.as_slice() {
        most if surviving > 0 && most.len() > 1 && most.len() + surviving == scenario.links.len() => told(
            format!(
                "every link{share} but {surviving} that survive{}",
                if surviving == 1 { "s" } else { "" }
            ),
            format!("残る{surviving}本を除くすべての回線{share}"),
        ),
        all if all.len() == scenario.links.len() && lines.share.is_none() => {
            told("every link", "すべての回線")
        }
        all if all.len() == scenario.links.len() => told(format!("links{share}"), format!("回線{share}")),
        [one] => {
            let [a, b] = scenario.links[*one].ends.map(|end| site(scenario, end));
            told(format!("the link of {a} and {b}"), format!("{a}と{b}の回線"))
        }
        some => told(format!("{} links{share}", some.len()), format!("{}本の回線{share}", some.len())),
    }
}

/// Returns how long something lasts, to be put at the end of a sentence; empty when that is not known.
pub(super) fn lasting(span: Option<Duration>) -> Told {
    match span {
        None => Told::default(),
        Some(span) => {
            let Told { ja, en } = length(span);
            told(format!(", for {en}"), format!("（{ja}）"))
        }
    }
}

/// Writes a share as people do.
pub(super) fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}
