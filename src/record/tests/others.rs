//! Problems, notes, demographics, what has no section, and the page for a terminal.

use serde_json::{Value, json};

use crate::base::WallMs;
use crate::record::conflict::{self, ConflictCount};
use crate::record::fixtures::{Story, allergy, note, order, problem};
use crate::record::sections::notes::{EXCERPT_CHARS_MAX, text_of};
use crate::record::sections::problems::ProblemStatus;
use crate::record::statement::Act;
use crate::record::{RecordView, Section, render};

#[test]
fn a_problem_has_the_status_of_every_current_statement() {
    let mut story = Story::default();
    let base = story.write(1, Act::Assert, &[], &problem("喘息", "active"));
    story.write(1, Act::Change, &[base], &problem("喘息", "active"));
    story.write(2, Act::Stop, &[base], &problem("喘息", "resolved"));
    story.write(2, Act::Assert, &[], &problem("喘息", "active"));
    let view = story.view();
    assert_eq!(view.problems.active.len(), 2);
    let both = view.problems.active.iter().find(|problem| problem.statuses.len() == 2).unwrap();
    assert_eq!(both.statuses, [ProblemStatus::Active, ProblemStatus::Resolved]);
    assert_eq!(both.same_code.len(), 1, "the other one is suggested");
    assert_eq!(view.conflicts[0].kind, "active-vs-resolved");
}

/// A problem with codes of two systems.
fn coded_problem(name: &str, status: &str, codes: [&str; 2]) -> Value {
    let mut resource = problem(name, status);
    resource["code"]["coding"] =
        json!([{"system": "urn:medis", "code": codes[0]}, {"system": "urn:icd10", "code": codes[1]}]);
    resource
}

#[test]
fn a_problem_shows_each_status_and_each_code_once_whoever_wrote_first() {
    let mut story = Story::default();
    let says = |status: &str| coded_problem("喘息", status, ["8831847", "J459"]);
    let base = story.write(1, Act::Assert, &[], &says("active"));
    for (site, status) in [(1, "resolved"), (2, "active"), (3, "resolved")] {
        story.write(site, Act::Change, &[base], &says(status));
    }
    let view = story.view();
    let [shown] = view.problems.active.as_slice() else { panic!("expected one problem") };
    assert_eq!(shown.statuses, [ProblemStatus::Active, ProblemStatus::Resolved]);
    assert_eq!(shown.codes.iter().map(|code| code.code.as_str()).collect::<Vec<_>>(), ["J459", "8831847"]);
    assert!(shown.marks.disputed);
    assert_eq!(shown.sides.len(), 3);
}

#[test]
fn problems_are_listed_by_name_and_each_other_of_equal_code_is_suggested_once() {
    let mut story = Story::default();
    let handles = ["気管支喘息", "喘息", "アレルギー性喘息"]
        .map(|name| story.write(1, Act::Assert, &[], &coded_problem(name, "active", ["8831847", "J459"])));
    let view = story.view();
    let names: Vec<&str> = view.problems.active.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["アレルギー性喘息", "喘息", "気管支喘息"]);
    let [last, second, first] = [0, 1, 2].map(|place| view.problems.active[place].same_code.clone());
    let [one, two, three] = handles.map(|handle| story.position(handle));
    assert_eq!((first, second, last), (vec![two, three], vec![one, three], vec![one, two]));
}

#[test]
fn codes_that_say_not_coded_suggest_nothing() {
    for code in ["R69", "99999999"] {
        let mut story = Story::default();
        for name in ["腹痛", "骨折"] {
            let mut resource = problem(name, "active");
            resource["code"]["coding"] = json!([{"system": "urn:icd10", "code": code}]);
            story.write(1, Act::Assert, &[], &resource);
        }
        assert!(story.view().problems.active.iter().all(|one| one.same_code.is_empty()), "{code}");
    }
}

#[test]
fn whatever_says_present_contradicts_whatever_says_over() {
    let suspected = || {
        let mut resource = problem("心筋梗塞", "");
        resource["verificationStatus"] = json!({"coding": [{"code": "provisional"}]});
        (Act::Change, resource)
    };
    let status = |status: &str| (Act::Change, problem("心筋梗塞", status));
    let refuted = || (Act::Refute, problem("心筋梗塞", ""));
    type Step = (Act, Value);
    let cases: [(Step, Step, &[&str]); 6] = [
        (suspected(), refuted(), &["assert-vs-refute"]),
        (status("active"), refuted(), &["assert-vs-refute"]),
        (suspected(), status("resolved"), &["active-vs-resolved"]),
        (status("active"), status("remission"), &["active-vs-resolved"]),
        (suspected(), status("active"), &[]),
        (status("resolved"), refuted(), &[]),
    ];
    for (north, south, expected) in cases {
        let mut story = Story::default();
        let base = story.write(1, Act::Assert, &[], &problem("心筋梗塞", "active"));
        story.write(1, north.0, &[base], &north.1);
        story.write(2, south.0, &[base], &south.1);
        let view = story.view();
        assert_eq!(view.conflicts.iter().map(|one| one.kind).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn a_signed_note_stays_beside_its_addenda() {
    let mut story = Story::default();
    let base = story.write(1, Act::Assert, &[], &note("呼吸苦"));
    story.write(2, Act::Addendum, &[base], &note("酸素3L開始"));
    story.write(3, Act::Addendum, &[base], &note("家族に説明"));
    let view = story.view();
    let [shown] = view.notes.as_slice() else { panic!("expected one note") };
    assert_eq!(shown.excerpt, "呼吸苦");
    assert_eq!(shown.position, story.position(base));
    let texts: Vec<&str> = shown.addenda.iter().map(|addendum| addendum.excerpt.as_str()).collect();
    assert_eq!(texts, ["酸素3L開始", "家族に説明"]);
    assert!(view.conflicts.is_empty());
}

#[test]
fn versions_of_a_note_written_apart_are_both_listed_and_a_refuted_one_is_marked() {
    let mut story = Story::default();
    let base = story.write(1, Act::Assert, &[], &note("一"));
    let north = story.write(1, Act::Change, &[base], &note("二"));
    let south = story.write(2, Act::Change, &[base], &note("三"));
    let view = story.view();
    let texts: Vec<&str> = view.notes.iter().map(|note| note.excerpt.as_str()).collect();
    assert_eq!(texts, ["三", "二"]);
    assert!(view.notes.iter().all(|note| note.earlier == 1 && note.marks.disputed));
    assert_eq!(view.conflicts[0].kind, "two-versions");
    story.write(1, Act::Refute, &[north, south], &json!({"resourceType": "DocumentReference"}));
    let view = story.view();
    assert_eq!(view.notes.len(), 2, "what was withdrawn stays readable");
    assert!(view.notes.iter().all(|note| note.withdrawn));
}

#[test]
fn texts_of_notes_are_read_in_full_and_excerpts_are_bounded() {
    let long = "𠮷".repeat(EXCERPT_CHARS_MAX + 5);
    let mut story = Story::default();
    story.write(1, Act::Assert, &[], &note(&long));
    let view = story.view();
    assert_eq!(view.notes[0].chars, EXCERPT_CHARS_MAX + 5);
    assert_eq!(view.notes[0].excerpt.chars().count(), EXCERPT_CHARS_MAX + 1);
    assert_eq!(text_of(&note(&long)), long);
    let mut exact = Story::default();
    exact.write(1, Act::Assert, &[], &note(&"𠮷".repeat(EXCERPT_CHARS_MAX)));
    assert!(!exact.view().notes[0].excerpt.ends_with('…'));
    let composition = json!({"resourceType": "Composition", "section": [
        {"title": "主観", "text": {"div": "<div xmlns='x'>息が<b>苦しい</b><br/>SpO2 &lt; 90</div>"}},
        {"title": "計画", "section": [{"text": {"div": "<div>酸素"}}]},
    ]});
    assert_eq!(text_of(&composition), "【主観】 息が苦しい\nSpO2 < 90\n【計画】\n酸素");
    assert_eq!(text_of(&json!({"resourceType": "ClinicalImpression", "description": "改善"})), "改善");
    assert_eq!(
        text_of(&json!({"resourceType": "DocumentReference", "content": [{"attachment": {"data": "%"}}]})),
        ""
    );
}

fn patient(id: &str, family: &str, birth: &str) -> Value {
    json!({
        "resourceType": "Patient", "id": id, "birthDate": birth, "gender": "female",
        "name": [{"text": format!("{family} 花子"), "family": family, "given": ["花子"]}],
        "identifier": [{"system": "urn:mrn", "value": id}],
    })
}

#[test]
fn every_current_value_is_shown() {
    let mut story = Story::default();
    let north = story.import(1, "urn:north", &[], &patient("n1", "渡辺", "1950-12-06"));
    story.import(2, "urn:south", &[], &patient("s9", "渡邊", "1950-12-06"));
    story.import(
        2,
        "urn:south",
        &[],
        &json!({
            "resourceType": "Coverage", "identifier": [{"system": "urn:insurance", "value": "01:2:3:04"}],
        }),
    );
    let view = story.view();
    assert_eq!(view.demographics.names.len(), 2);
    assert_eq!(view.demographics.birth_dates, ["1950-12-06"]);
    assert_eq!(view.demographics.identifiers.len(), 3);
    assert!(view.conflicts.is_empty(), "two writings of a name are no conflict");
    story.import(1, "urn:north", &[north], &patient("n1", "渡辺", "1950-06-12"));
    let view = story.view();
    assert_eq!(view.demographics.birth_dates, ["1950-06-12", "1950-12-06"]);
    assert_eq!((view.conflicts[0].kind, view.conflicts[0].open), ("two-birth-dates", true));
}

#[test]
fn what_two_sites_registered_alike_is_shown_once_and_every_field_of_it() {
    let mut story = Story::default();
    let whole = json!({
        "resourceType": "Patient", "birthDate": "1950-12-06", "gender": "female",
        "deceasedDateTime": "2026-11-20T04:00:00+09:00",
        "name": [
            {"text": "わたなべ はなこ", "extension": [{
                "url": "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation", "valueCode": "SYL"}]},
            {"text": "渡辺 花子", "extension": [{
                "url": "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation", "valueCode": "IDE"}]},
        ],
        "telecom": [{"value": "046-881-0001"}],
        "address": [{"postalCode": "238-0243", "state": "神奈川県", "city": "三浦市", "line": ["三崎1-1"]}, {}],
        "contact": [{"name": {"text": "渡辺 一郎"}, "relationship": [{"text": "夫"}], "telecom": [{"value": "090-1"}]}, {}],
        "identifier": [{"system": "urn:insurance", "value": "01:2:3:04"}],
    });
    story.import(1, "urn:north", &[], &whole);
    story.import(2, "urn:south", &[], &whole);
    let view = story.view();
    let shown = &view.demographics;
    assert_eq!(
        shown.names.iter().map(|name| name.full.as_str()).collect::<Vec<_>>(),
        ["渡辺 花子", "わたなべ はなこ"]
    );
    assert_eq!(shown.birth_dates, ["1950-12-06"]);
    assert_eq!(shown.sexes, ["female"]);
    assert_eq!(shown.deceased, ["2026-11-20T04:00:00+09:00"]);
    assert_eq!(shown.addresses, ["〒238-0243 神奈川県 三浦市 三崎1-1"]);
    assert_eq!(shown.contacts, ["046-881-0001"]);
    assert_eq!(shown.relatives, ["渡辺 一郎 夫 090-1"]);
    assert_eq!(shown.identifiers.len(), 1);
    assert_eq!(shown.sources.len(), 2);
    assert!(view.conflicts.is_empty());
}

#[test]
fn a_registration_whose_predecessor_has_not_arrived_says_so() {
    let mut story = Story::default();
    let base = story.write(1, Act::Assert, &[], &patient("n1", "渡辺", "1950-12-06"));
    let change = story.write(2, Act::Change, &[base], &patient("n1", "渡邊", "1950-12-06"));
    assert!(!story.view().demographics.marks.waiting);
    let early = RecordView::of(&story.facts_of(&[change]));
    assert!(early.demographics.marks.waiting);
}

#[test]
fn what_has_no_section_is_counted() {
    let mut story = Story::default();
    let first = story.write(1, Act::Assert, &[], &json!({"resourceType": "DiagnosticReport"}));
    story.write(1, Act::Change, &[first], &json!({"resourceType": "DiagnosticReport", "status": "amended"}));
    story.write(1, Act::Assert, &[], &json!({"resourceType": "NotYetInvented"}));
    let others = story.view().others;
    assert_eq!(
        others.into_iter().collect::<Vec<_>>(),
        [("DiagnosticReport".into(), 1), ("NotYetInvented".into(), 1)]
    );
}

#[test]
fn conflicts_are_counted_by_section_and_kind() {
    let mut story = Story::default();
    for _ in 0..2 {
        let base = story.write(1, Act::Assert, &[], &order("薬", "active", "1"));
        let change = story.write(1, Act::Change, &[base], &order("薬", "active", "2"));
        let stop = story.write(2, Act::Stop, &[base], &order("薬", "stopped", ""));
        if story.entries.len() == 3 {
            story.write(2, Act::Decide, &[change, stop], &order("薬", "stopped", ""));
        }
    }
    let counts = conflict::count(&story.view().conflicts);
    let expected = ConflictCount { section: Section::Medication, kind: "dose-vs-stop", count: 2, open: 1 };
    assert_eq!(counts, [expected]);
}

#[test]
fn the_page_shows_dangers_first_both_sides_and_ages() {
    let mut story = Story::default();
    story.import(1, "urn:north", &[], &patient("n1", "渡辺", "1950-12-06"));
    story.write(1, Act::Assert, &[], &allergy("アスピリン"));
    let base = story.write(1, Act::Assert, &[], &order("アスピリン", "active", "100mg"));
    story.write(1, Act::Change, &[base], &order("アスピリン", "active", "200mg"));
    story.write(2, Act::Stop, &[base], &order("アスピリン", "stopped", ""));
    story.write(1, Act::Assert, &[], &note("行1\u{1b}[2J\n行2"));
    let view = story.view();
    let page = render::text(&view, WallMs(view.latest.wall().0 + 3 * 3_600_000));
    let place = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text} is missing in\n{page}"));
    assert!(place("渡辺 花子") < place("ALERTS"));
    assert!(place("ALERTS") < place("DECISION NEEDED"));
    assert!(place("DECISION NEEDED") < place("Allergies"));
    place("  ‖ give アスピリン 200mg [writer 1 (doctor), 3 h ago]");
    place("  ‖ stop アスピリン [writer 2 (doctor), 3 h ago]");
    place("    行2");
    assert!(!page.contains('\u{1b}'), "control characters reach no terminal");
}

#[test]
fn debug_output_holds_no_patient_data() {
    let mut story = Story::default();
    story.write(1, Act::Assert, &[], &allergy("秘密"));
    let facts = story.facts();
    let fact = facts.iter().next().unwrap();
    assert!(!format!("{facts:?} {fact:?} {:?}", fact.statement).contains("秘密"));
}
