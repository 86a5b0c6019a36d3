//! Comparisons: what differs is told, and a sweep is the same whatever the order of its runs.

use super::super::fixtures::{central, hours, judged, small, told};
use super::super::html::tests::text_of;
use super::super::measures::Measures;
use super::*;

fn runs() -> Vec<(u64, Measures)> {
    (1..=9_u64)
        .map(|seed| {
            let mut course = small();
            course.lost = course.lost.into_iter().take(0).collect();
            // Several seeds share the least and the most.
            course.acknowledged = 800 + seed * 7 % 3;
            let past = std::time::Duration::from_secs(600 * (seed * 5 % 9 + 1));
            course.restores[0].back = Some(hours(16) + past);
            (seed, Measures::of(&course))
        })
        .collect()
}

pub fn sweep_page() -> String {
    sweep_html(&told("三浦半島地震、九つの種", "Miura quake, nine seeds"), &runs())
}

#[test]
fn the_same_figures_stand_in_page_text_and_json() {
    let (small, central, judged) = (small(), central(), judged());
    let title = told("比較", "Comparison");
    let compared = [
        Compared { label: told("むすび", "Musubi"), course: &small, judged: &judged[1..] },
        Compared { label: told("中央", "Central"), course: &central, judged: &judged },
    ];
    let page = text_of(&compare_html(&title, &compared));
    let text = compare_text(&title, &compared);
    let json = compare_json(&title, &compared);
    let unread = json["runs"][1]["figures"]["decisions_unread"].as_f64().unwrap();
    assert!(unread > json["runs"][0]["figures"]["decisions_unread"].as_f64().unwrap());
    let line = text.lines().find(|line| line.starts_with("decisions without the record")).unwrap();
    assert!(line.ends_with(&format!(" {unread}")), "{line}");
    assert!(page.contains(&unread.to_string()) && page.contains("むすび") && page.contains("Central"));
    assert_eq!((&json["runs"][0]["passed"], &json["runs"][1]["passed"]), (&true.into(), &false.into()));
    assert!(text.starts_with("訓練 DRILL"));
}

#[test]
fn a_sweep_does_not_depend_on_the_order_of_runs() {
    let label = told("種", "Seeds");
    let (forth, mut back) = (runs(), runs());
    back.reverse();
    assert_eq!(sweep_html(&label, &forth), sweep_html(&label, &back));
    assert_eq!(sweep_text(&label, &forth), sweep_text(&label, &back));
    let json = sweep_json(&label, &forth);
    let rto = &json["figures"]["rto_max_s"];
    assert!(rto["min"].as_f64() < rto["median"].as_f64() && rto["median"].as_f64() < rto["max"].as_f64());
    assert_eq!((&rto["min"], &rto["runs"]), (&600.0.into(), &9.into()));
    text_of(&sweep_html(&label, &forth));
}

#[test]
fn nothing_compared_is_a_page_still() {
    text_of(&compare_html(&told("無", "None"), &[]));
    text_of(&sweep_html(&told("無", "None"), &[]));
}
