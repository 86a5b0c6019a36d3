//! The page: its tags are balanced, everything is escaped, both languages are there, and it stays small.

use super::super::compare::{Compared, compare_html};
use super::super::fixtures::{calm, central, judged, large, small, told};
use super::*;
use crate::base::Digest;
use crate::drill::course::Course;
use crate::drill::scenario::Told;

const EVIL: &str = "<b onclick='x'>\"&</b>";

fn page_of(course: &Course) -> String {
    let judged = judged();
    html(&Page {
        title: told(
            "三浦半島地震：孤立した二つの病院と避難所",
            "Miura quake: two hospitals and a shelter, cut off",
        ),
        story: told(
            "北病院と南病院は、救護班のタブレットと記録を共有している。地震ですべての回線とバックアップが断たれる。三者は互いを知らないまま、同じ患者について書き続ける。やがて道が一本ずつ開き、書かれたものはすべて一つに結ばれなければならない。",
            "North Hospital and South Hospital share their records with a tablet of a relief team. An earthquake cuts every line. All three go on writing, knowing nothing of each other. Then the roads open, and all that was written must come together.",
        ),
        course,
        judged: &judged,
        trace: Digest([7; 32]),
        seed: 41,
        command: "musubi drill scenarios/miura-quake.toml --sim --seed 41".into(),
        passed: false,
    })
}

/// Checks that every tag that opens is closed in order; returns the text between tags.
pub(crate) fn text_of(html: &str) -> String {
    const VOID: [&str; 4] = ["meta", "input", "br", "link"];
    let mut open: Vec<&str> = Vec::new();
    let mut text = String::new();
    let mut rest = html.strip_prefix("<!DOCTYPE html>").unwrap();
    while let Some(begin) = rest.find('<') {
        if open.last() != Some(&"style") {
            text.push_str(&rest[..begin]);
        }
        let end = begin + rest[begin..].find('>').expect("a tag that does not end");
        let tag = &rest[begin + 1..end];
        assert_eq!(tag.matches('"').count() % 2, 0, "an attribute that does not end: {tag}");
        rest = &rest[end + 1..];
        let name = tag.trim_start_matches('/').split([' ', '/', '\n']).next().unwrap();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "closed but not open");
        } else if !tag.ends_with('/') && !VOID.contains(&name) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "still open: {open:?}");
    text
}

#[test]
fn tags_are_balanced_and_there_is_no_script() {
    for course in [calm(), small(), large()] {
        let page = page_of(&course);
        assert!(!text_of(&page).contains('<'));
        for never in ["<script", "http://", "https://", "url(http", "@import", "NaN", "inf "] {
            assert!(!page.contains(never), "{never}");
        }
    }
}

#[test]
fn whatever_comes_from_outside_is_escaped() {
    let mut course = small();
    for member in &mut course.members {
        (member.name, member.site) = (EVIL.into(), EVIL.into());
        member.fleet = Some(EVIL.into());
        member.areas = vec![EVIL.into()];
    }
    for happening in &mut course.happenings {
        (happening.told, happening.failed) = (told(EVIL, EVIL), Some(EVIL.into()));
    }
    for dispute in &mut course.disputes {
        (dispute.section, dispute.kind, dispute.harm) = (EVIL.into(), EVIL.into(), EVIL.into());
        dispute.called = EVIL.into();
    }
    course.links[0].profile = EVIL.into();
    course.remarks = vec![told(EVIL, EVIL)];
    let judged = [crate::drill::judge::Judged { name: EVIL.into(), ok: false, detail: told(EVIL, EVIL) }];
    let title = told(EVIL, EVIL);
    let page = html(&Page {
        title: title.clone(),
        story: title.clone(),
        course: &course,
        judged: &judged,
        trace: Digest([7; 32]),
        seed: 1,
        command: EVIL.into(),
        passed: false,
    });
    let one = Compared { label: title.clone(), course: &course, judged: &judged };
    for page in [page, compare_html(&title, &[one])] {
        assert!(!page.contains("<b onclick"), "something was not escaped");
        assert!(!page.contains("\"&<"));
        text_of(&page);
    }
}

#[test]
fn both_languages_say_as_much() {
    let page = page_of(&small());
    let count = |lang: &str| page.matches(&format!(" lang=\"{lang}\"")).count();
    assert_eq!(count("ja") - 1, count("en"), "the page itself is Japanese");
    assert!(count("en") > 150);
    for word in ["訓練 DRILL", "分かったこと", "Findings", "不合格", "Failed", "用語", "日本語", "English"]
    {
        assert!(page.contains(word), "{word}");
    }
}

#[test]
fn figures_of_the_course_are_on_the_page() {
    let text = text_of(&page_of(&small()));
    for figure in ["9 h 20 min", "8時間20分", "1 h 4 min", "1,204", "musubi drill scenarios/miura-quake.toml"]
    {
        assert!(text.contains(figure), "{figure}");
    }
}

#[test]
fn an_empty_course_makes_a_page() {
    let mut course = calm();
    course.lasted = std::time::Duration::ZERO;
    course.members.clear();
    course.able.clear();
    course.decisions.clear();
    course.links.clear();
    let page = page_of(&course);
    assert!(!text_of(&page).contains("NaN"));
}

#[test]
fn the_page_of_a_prefecture_stays_small() {
    let page = page_of(&large());
    assert!(page.len() < 1_500_000, "{} bytes", page.len());
}

/// Writes the pages to look at into the system's folder for temporary files, when `MUSUBI_LOOK` is set.
#[test]
fn pages_can_be_looked_at() {
    let (small, large, central) = (small(), large(), central());
    let judged = judged();
    let label = |ja: &str, en: &str| Told { ja: ja.into(), en: en.into() };
    let compared = [
        Compared { label: label("むすび", "Musubi"), course: &small, judged: &judged[1..] },
        Compared { label: label("中央クラウド", "Central cloud"), course: &central, judged: &judged },
    ];
    let title = label("むすびと中央クラウドの比較", "Musubi against a central cloud");
    let pages = [
        ("small", page_of(&small)),
        ("large", page_of(&large)),
        ("compare", compare_html(&title, &compared)),
        ("sweep", super::super::compare::tests::sweep_page()),
    ];
    for (name, page) in pages {
        assert!(page.contains("訓練 DRILL"));
        if std::env::var_os("MUSUBI_LOOK").is_some() {
            std::fs::write(std::env::temp_dir().join(format!("musubi-look-{name}.html")), page).unwrap();
        }
    }
}
