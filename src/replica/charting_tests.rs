//! Charts between replicas, through real request handling and real sync.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::Replica;
use super::answer::{ChartShown, Shown};
use super::asking::{Surroundings, ask};
use super::chart_marks::{Mark, Words};
use super::chart_write::{ChartWrite, Charted, Typed};
use super::core::Append;
use super::request::{NewPatient, Request};
use super::tests::{Region, author, meet};
use crate::base::{Part, RecordId};
use crate::chart::ChartBody;
use crate::lane::{Entry, EntryKind};
use crate::record::{Author, RecordView};

fn named(name: &str) -> Author {
    Author { name: name.into(), role: "nurse".into() }
}

async fn asked(replica: &Arc<Replica>, request: Request) -> Result<Value, String> {
    let answer = ask(replica, request, Surroundings::default(), &mut |_| {}).await;
    answer.map_err(|error| error.to_string())
}

async fn chart(replica: &Arc<Replica>, record: &RecordId, who: &str, write: ChartWrite) -> Charted {
    let request = Request::Chart { record: record.to_string(), write, author: named(who) };
    serde_json::from_value(asked(replica, request).await.unwrap()).unwrap()
}

async fn refused(replica: &Arc<Replica>, record: &RecordId, write: ChartWrite) -> String {
    let request = Request::Chart { record: record.to_string(), write, author: named("佐藤") };
    asked(replica, request).await.unwrap_err()
}

async fn shown(replica: &Arc<Replica>, record: &RecordId) -> Shown {
    let request = Request::Show { record: record.to_string(), moment: None };
    serde_json::from_value(asked(replica, request).await.unwrap()).unwrap()
}

async fn charts(replica: &Arc<Replica>, record: &RecordId) -> ChartShown {
    shown(replica, record).await.charts.remove(0)
}

async fn texts(replica: &Arc<Replica>, record: &RecordId) -> Typed {
    let request = Request::Texts { record: record.to_string() };
    serde_json::from_value(asked(replica, request).await.unwrap()).unwrap()
}

fn draft(note: Option<&str>, text: &str) -> ChartWrite {
    ChartWrite::Draft { note: note.map(str::to_owned), text: text.into() }
}

fn sign(note: &str) -> ChartWrite {
    ChartWrite::Sign { note: note.into(), title: None, version: None }
}

fn mark(note: Option<&str>, text: &str, mark: Mark, on: bool) -> ChartWrite {
    let words = Words { text: text.into(), occurrence: None };
    ChartWrite::Mark { note: note.map(str::to_owned), words, mark, on }
}

/// Registers a patient on the first of some replicas that have all met.
async fn ward<const N: usize>(sites: [&str; N]) -> (Region, [Arc<Replica>; N], RecordId) {
    let mut region = Region::new();
    let replicas = sites.map(|site| region.enrol(site).0);
    let patient = NewPatient { name: "田中 幸雄".into(), kana: None, birth_date: None, sex: None };
    let record = replicas[0].register(&patient, None, author()).unwrap().record;
    all_meet(&replicas).await;
    (region, replicas, record)
}

async fn all_meet(replicas: &[Arc<Replica>]) {
    for _ in 0..2 {
        for other in &replicas[1..] {
            meet(other, &replicas[0]).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_three_sites_type_while_one_signs_is_signed_or_a_draft_everywhere() {
    let (_region, replicas, record) = ward(["north", "south", "west"]).await;
    let [north, south, west] = &replicas;
    let note = chart(north, &record, "佐藤", draft(None, "発熱なし。創部乾燥。")).await.name.unwrap();
    all_meet(&replicas).await;

    // The cut: north signs, south goes on in the middle, west at the end and with a note of its own.
    let signed = chart(north, &record, "佐藤", sign(&note[..6])).await;
    assert!(shown(north, &record).await.charts[0].drafts.is_empty());
    chart(south, &record, "鈴木", draft(Some(&note), "発熱なし。38度に上昇。創部乾燥。")).await;
    chart(west, &record, "高橋", draft(Some(&note), "発熱なし。創部乾燥。再診。")).await;
    let other = chart(west, &record, "高橋", draft(None, "家族へ連絡済み")).await.name.unwrap();
    all_meet(&replicas).await;

    let here = charts(north, &record).await;
    assert_eq!(charts(south, &record).await, here);
    assert_eq!(charts(west, &record).await, here);
    assert_eq!(here.drafts.len(), 2);
    let left = here.drafts.iter().find(|one| one.note == note).unwrap();
    assert!(left.while_signing);
    assert_eq!(left.signed, [signed.statement.clone().unwrap()]);
    let pieces: Vec<_> =
        left.pieces.iter().map(|p| (p.text.as_str(), p.author.as_str(), p.after.as_str())).collect();
    assert_eq!(pieces, [("38度に上昇。", "鈴木", "発熱なし。"), ("再診。", "高橋", "創部乾燥。")]);
    let text = shown(south, &record).await.text;
    assert!(
        text.contains("TYPED WHILE IT WAS BEING SIGNED")
            && text.contains("…発熱なし。 「38度に上昇。」 (鈴木)"),
        "{text}"
    );
    assert!(text.contains("家族へ連絡済み") && text.contains(&other), "{text}");

    // What was left over is signed too: it adds to the signed note, and nothing is a draft any more.
    let version = left.version.clone();
    let stale = ChartWrite::Sign { note: note.clone(), title: None, version: Some("0".repeat(32)) };
    assert!(refused(south, &record, stale).await.contains(&version));
    let exact = ChartWrite::Sign { note: note.clone(), title: None, version: Some(version) };
    chart(south, &record, "鈴木", exact).await;
    chart(
        west,
        &record,
        "高橋",
        ChartWrite::Addendum { to: signed.statement.unwrap(), text: "解熱。".into() },
    )
    .await;
    all_meet(&replicas).await;
    let view = RecordView::of(&north.facts(&record).unwrap().0);
    let [one] = view.notes.as_slice() else { panic!("one note") };
    let added: Vec<_> = one.addenda.iter().map(|addendum| addendum.excerpt.as_str()).collect();
    assert_eq!((one.excerpt.as_str(), added), ("発熱なし。創部乾燥。", vec!["38度に上昇。再診。", "解熱。"]));
    assert!(view.conflicts.is_empty());
    assert_eq!(charts(north, &record).await.drafts.len(), 1);
    assert_eq!(view.to_json(), RecordView::of(&west.facts(&record).unwrap().0).to_json());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_draft_that_was_signed_twice_is_two_notes_until_somebody_decides() {
    let (_region, replicas, record) = ward(["north", "south"]).await;
    let [north, south] = &replicas;
    let note = chart(north, &record, "佐藤", draft(None, "経過良好")).await.name.unwrap();
    all_meet(&replicas).await;
    chart(north, &record, "佐藤", sign(&note)).await;
    chart(south, &record, "鈴木", draft(Some(&note), "経過良好、明日退院")).await;
    chart(south, &record, "鈴木", sign(&note)).await;
    all_meet(&replicas).await;

    let view = RecordView::of(&north.facts(&record).unwrap().0);
    let mut notes: Vec<_> =
        view.notes.iter().map(|one| (one.excerpt.as_str(), one.marks.concurrent)).collect();
    notes.sort_unstable();
    assert_eq!(notes, [("経過良好", true), ("経過良好、明日退院", true)]);
    let open: Vec<_> = view.conflicts.iter().map(|one| (one.kind, one.open)).collect();
    assert_eq!(open, [("signed-twice", true)]);
    assert!(charts(south, &record).await.drafts.is_empty(), "every character is in a signed note");

    // An addendum settles nothing; a decision does.
    let to = Replica::short_name(&view.notes[0].position);
    chart(north, &record, "佐藤", ChartWrite::Addendum { to, text: "追記".into() }).await;
    let kinds = |view: &RecordView| view.conflicts.iter().filter(|one| one.open).count();
    assert_eq!(kinds(&RecordView::of(&north.facts(&record).unwrap().0)), 1);
    let decisions = north.decisions(Some(record), &mut |_| {}).unwrap();
    let name = decisions.open[0].decision.clone();
    let mut says: Vec<_> = decisions.open[0].sides.iter().map(|side| side.says.as_str()).collect();
    says.sort_unstable();
    assert_eq!(says, ["経過記録: 経過良好", "経過記録: 経過良好、明日退院"]);
    assert!(north.decide(&record, &name, 2, "全文を残す".into(), author(), None).unwrap().written.is_some());
    let view = RecordView::of(&north.facts(&record).unwrap().0);
    assert_eq!(kinds(&view), 0);
    // What was signed was read: it stays, told apart from what was kept.
    let notes: BTreeMap<&str, bool> =
        view.notes.iter().map(|one| (one.excerpt.as_str(), one.set_aside)).collect();
    assert_eq!(view.notes.len(), 2);
    let kept = decisions.open[0].sides[1].says.trim_start_matches("経過記録: ");
    assert_eq!((notes[kept], notes.values().filter(|aside| **aside).count()), (false, 1));
    assert!(north.show(&record).unwrap().text.contains("NOT KEPT by a decision"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tick_and_its_removal_apart_and_replies_apart_are_all_shown() {
    let (_region, replicas, record) = ward(["north", "south", "west"]).await;
    let [north, south, west] = &replicas;
    let item =
        chart(north, &record, "佐藤", ChartWrite::Plan { text: "体位変換".into() }).await.name.unwrap();
    let (writer, number) = item.rsplit_once('-').unwrap();
    let brief = format!("{}-{number}", &writer[..6]);
    let tick = |done| ChartWrite::Tick { item: brief.clone(), done };
    let note = chart(north, &record, "佐藤", draft(None, "創部")).await.name.unwrap();
    let signed = chart(north, &record, "佐藤", sign(&note)).await.statement.unwrap();
    let comment = |at: &str, text: &str| ChartWrite::Comment { at: at.into(), text: text.into() };
    let first = chart(north, &record, "佐藤", comment(&signed, "写真は？")).await.name.unwrap();
    chart(north, &record, "佐藤", tick(true)).await;
    all_meet(&replicas).await;

    chart(south, &record, "鈴木", tick(false)).await;
    chart(west, &record, "高橋", tick(true)).await;
    chart(south, &record, "鈴木", comment(&first, "撮影済み")).await;
    chart(west, &record, "高橋", comment(&first, "まだ")).await;
    all_meet(&replicas).await;

    let here = charts(north, &record).await;
    assert_eq!(charts(south, &record).await, here);
    assert_eq!(charts(west, &record).await, here);
    let [plan] = here.plan.as_slice() else { panic!("one line") };
    let ticked: Vec<_> = plan.ticked.iter().map(|(by, _)| by.as_str()).collect();
    assert_eq!(
        (plan.state.as_str(), ticked, plan.against.clone()),
        ("disputed", vec!["高橋"], vec!["鈴木".to_owned()])
    );
    let mut thread: Vec<_> = here.annotations.iter().map(|one| (one.depth, one.text.as_str())).collect();
    thread[1..].sort_unstable();
    assert_eq!(thread, [(0, "写真は？"), (1, "まだ"), (1, "撮影済み")]);
    assert!(here.annotations.iter().all(|one| one.thread == signed));
    let text = shown(west, &record).await.text;
    assert!(text.contains("taken away (取消) by 鈴木") && text.contains("      まだ"), "{text}");
    assert!(refused(north, &record, comment("0000-9", "x")).await.contains("0000-9"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spoiled_chart_leaves_the_facts_and_every_text_and_a_new_one_goes_on() {
    let (_region, replicas, record) = ward(["north", "south"]).await;
    let [north, south] = &replicas;
    let note = chart(north, &record, "佐藤", draft(None, "経過良好")).await.name.unwrap();
    chart(north, &record, "佐藤", mark(Some(&note), "良好", Mark::Important, true)).await;
    chart(north, &record, "佐藤", ChartWrite::Plan { text: "体位変換".into() }).await;
    all_meet(&replicas).await;
    assert!(refused(north, &record, ChartWrite::NewChart).await.contains("not spoiled"));
    let facts = RecordView::of(&north.facts(&record).unwrap().0).to_json();

    // A change under another's name, and one that is no change at all: the lane is south's, so both are refused.
    let stolen = north.chart_entries(&record).unwrap().0.remove(0).body.changes.remove(0);
    for change in [stolen, b"garbage".to_vec().into()] {
        let body = ChartBody {
            version: 1,
            salt: [1; 8],
            record,
            changes: vec![change],
            author: None,
            generation: None,
        };
        let entry = Entry { kind: EntryKind::CHART, body: body.to_bytes() };
        let area = south.area_of(&record).unwrap();
        south
            .append(vec![Append { area, part: Part::Notes, entries: vec![entry], knowing: [].into() }])
            .unwrap();
    }
    all_meet(&replicas).await;

    let seen = shown(north, &record).await;
    assert_eq!(seen.charts[0].quarantined, 2, "{:?}", seen.charts);
    assert!(seen.text.contains("THE CHART IS SPOILED") && seen.text.contains("new-chart"), "{}", seen.text);
    assert_eq!(RecordView::of(&north.facts(&record).unwrap().0).to_json(), facts);
    let typed = texts(south, &record).await;
    assert_eq!(typed.unreadable, 1);
    let read: Vec<_> = typed.texts.iter().map(|one| (one.author.as_deref(), one.text.as_str())).collect();
    assert!(
        read.contains(&(Some("佐藤"), "経過良好")) && read.contains(&(Some("佐藤"), "体位変換")),
        "{read:?}"
    );

    // Nobody sets the chart aside by a number: neither with a change of another chart nor by leaving numbers out.
    let area = south.area_of(&record).unwrap();
    let far = north.chart_entries(&record).unwrap().0.remove(0).body;
    let own = south.empty_chart(&record, &area, 7).splice_handover(0, 0, "空", 0).unwrap().bytes().to_vec();
    for (generation, change) in [(1, far.changes[0].clone()), (7, own.into())] {
        let generation = std::num::NonZeroU32::new(generation);
        let body = ChartBody { generation, salt: [2; 8], changes: vec![change], ..far.clone() };
        let entry = Entry { kind: EntryKind::CHART, body: body.to_bytes() };
        let append =
            Append { area: area.clone(), part: Part::Notes, entries: vec![entry], knowing: [].into() };
        south.append(vec![append]).unwrap();
    }
    let here = charts(south, &record).await;
    assert_eq!((here.generation, here.quarantined, here.drafts[0].text.as_str()), (0, 4, "経過良好"));

    chart(south, &record, "鈴木", ChartWrite::NewChart).await;
    chart(south, &record, "鈴木", draft(Some(&note), "経過良好、退院")).await;
    all_meet(&replicas).await;
    let here = charts(north, &record).await;
    assert_eq!(charts(south, &record).await, here);
    assert_eq!((here.generation, here.older.len()), (1, 1));
    assert_eq!((here.drafts[0].text.as_str(), here.plan[0].text.as_str()), ("経過良好、退院", "体位変換"));
    assert_eq!(here.drafts[0].visible, "経過【重要: 良好】、退院");
    assert!(
        texts(north, &record).await.texts.iter().any(|one| one.generation == 0 && one.text == "経過良好")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn marks_set_apart_are_shown_alike_with_who_set_them_and_signed_visibly() {
    let (_region, replicas, record) = ward(["north", "south"]).await;
    let [north, south] = &replicas;
    north.write_handover(&record, "酸素2L。安静。夜間も安静。", named("佐藤")).unwrap();
    let note = chart(north, &record, "佐藤", draft(None, "発熱なし。創部乾燥。")).await.name.unwrap();
    all_meet(&replicas).await;
    let several = refused(north, &record, mark(None, "安静", Mark::Important, true)).await;
    assert!(several.contains("stand 2 times") && !several.contains("安静"), "{several}");
    assert!(refused(north, &record, mark(None, "6L", Mark::Struck, true)).await.contains("do not stand"));

    // The cut: north strikes what south corrects, and south takes away a strike that north renews.
    chart(north, &record, "佐藤", mark(None, "酸素2L", Mark::Struck, true)).await;
    south.write_handover(&record, "酸素 毎分2L。安静。夜間も安静。", named("鈴木")).unwrap();
    chart(south, &record, "鈴木", mark(None, "夜間も安静", Mark::Important, true)).await;
    let version = charts(south, &record).await.drafts[0].version.clone();
    chart(south, &record, "鈴木", mark(Some(&note[..6]), "発熱なし", Mark::Struck, true)).await;
    all_meet(&replicas).await;
    let here = charts(north, &record).await;
    assert_eq!(charts(south, &record).await, here);
    assert_eq!(here.handover_visible, "〔取消: 酸素〕 毎分〔取消: 2L〕。安静。【重要: 夜間も安静】。");
    assert_eq!(here.handover, "酸素 毎分2L。安静。夜間も安静。");
    let spans: Vec<(&str, usize)> =
        here.handover_spans.iter().map(|span| (span.text.as_str(), span.marks.len())).collect();
    let expected = [("酸素", 1), (" 毎分", 0), ("2L", 1), ("。安静。", 0), ("夜間も安静", 1), ("。", 0)];
    assert_eq!(spans, expected);

    chart(north, &record, "佐藤", mark(None, "2L", Mark::Struck, false)).await;
    chart(south, &record, "鈴木", mark(None, "2L", Mark::Struck, false)).await;
    chart(south, &record, "鈴木", mark(None, "2L", Mark::Struck, true)).await;
    assert!(
        refused(south, &record, mark(None, "2L", Mark::Struck, true)).await.contains("marked so already")
    );
    all_meet(&replicas).await;
    let shown_here = shown(north, &record).await;
    let text = &shown_here.text;
    assert_eq!(shown(south, &record).await.charts, shown_here.charts);
    for part in [
        "  〔取消: 酸素〕 毎分〔取消?: 2L〕。安静。【重要: 夜間も安静】。\n",
        "    important (重要): 「夜間も安静」 — 鈴木, ",
        "    struck (取消): 「酸素」 — 佐藤, ",
        "    ASK: 「2L」 struck (取消) by 鈴木, ",
        "‖ taken away (解除) by 佐藤, ",
        "    〔取消: 発熱なし〕。創部乾燥。\n    struck (取消): 「発熱なし」 — 鈴木, ",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let disputed = &shown_here.charts[0].handover_spans[2].marks[0];
    assert_eq!((disputed.state.as_str(), disputed.by.len(), disputed.against.len()), ("disputed", 1, 1));

    // Who read the draft before it was struck has not read what would be signed.
    let stale = ChartWrite::Sign { note: note.clone(), title: None, version: Some(version) };
    assert!(refused(north, &record, stale).await.contains("has changed since"));
    let version = Some(here.drafts[0].version.clone());
    chart(north, &record, "佐藤", ChartWrite::Sign { note, title: None, version }).await;
    let view = RecordView::of(&north.facts(&record).unwrap().0);
    assert_eq!(view.notes[0].excerpt, "〔取消: 発熱なし〕。創部乾燥。");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sentence_that_two_changed_apart_is_asked_about_and_not_signed_unread() {
    let (_region, replicas, record) = ward(["north", "south"]).await;
    let [north, south] = &replicas;
    north.write_handover(&record, "安静。酸素2L。", named("佐藤")).unwrap();
    let note = chart(north, &record, "佐藤", draft(None, "インスリン4単位。食後。")).await.name.unwrap();
    all_meet(&replicas).await;
    // The cut.
    north.write_handover(&record, "安静。酸素3L。", named("佐藤")).unwrap();
    south.write_handover(&record, "安静。酸素5L。", named("鈴木")).unwrap();
    chart(north, &record, "佐藤", draft(Some(&note), "インスリン6単位。食後。")).await;
    chart(south, &record, "鈴木", draft(Some(&note), "インスリン8単位。食後。")).await;
    let confirm = |note: Option<&str>, text: &str| ChartWrite::Confirm {
        note: note.map(str::to_owned),
        words: Words { text: text.into(), occurrence: None },
    };
    assert!(refused(north, &record, confirm(None, "酸素")).await.contains("nothing to confirm"));
    all_meet(&replicas).await;

    let here = shown(north, &record).await;
    assert_eq!(shown(south, &record).await.charts, here.charts);
    let chart_here = &here.charts[0];
    let [oxygen] = chart_here.handover_apart.as_slice() else { panic!("{chart_here:?}") };
    let of = |shown: &[super::chart_apart::SideLeft]| {
        shown.iter().map(|side| (side.author.clone(), side.text.clone())).collect::<BTreeMap<_, _>>()
    };
    let sides = |one: &str, other: &str| {
        BTreeMap::from([("佐藤", one), ("鈴木", other)].map(|(who, text)| (who.to_owned(), text.to_owned())))
    };
    assert_eq!(of(&oxygen.sides), sides("酸素3L", "酸素5L"));
    assert_eq!(oxygen.range, [3, 8]);
    let [insulin] = chart_here.drafts[0].apart.as_slice() else { panic!("{chart_here:?}") };
    assert_eq!(of(&insulin.sides), sides("インスリン6単位", "インスリン8単位"));
    for part in [
        format!("    ASK: 「{}」 was changed apart (別々に変更、要確認): 「酸素", oxygen.text),
        "confirm WORDS`\n".to_owned(),
        format!("confirm --note {} WORDS`\n", &note[..8]),
    ] {
        assert!(here.text.contains(&part), "{part} in {}", here.text);
    }

    let unread = refused(north, &record, sign(&note)).await;
    assert!(unread.contains("--as-read") && !unread.contains("インスリン"), "{unread}");
    assert!(refused(north, &record, confirm(None, "安静")).await.contains("nothing to confirm"));
    south.write_handover(&record, "安静。酸素5L。", named("鈴木")).unwrap();
    chart(north, &record, "佐藤", confirm(Some(&note), "インスリン")).await;
    all_meet(&replicas).await;
    let here = charts(north, &record).await;
    assert_eq!((here.handover.as_str(), here.handover_apart.len()), ("安静。酸素5L。", 0));
    assert_eq!(
        (here.drafts[0].text.clone(), here.drafts[0].apart.len()),
        (chart_here.drafts[0].text.clone(), 0)
    );
    chart(north, &record, "佐藤", sign(&note)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_draft_that_was_changed_apart_is_signed_by_who_names_what_was_read() {
    let (_region, replicas, record) = ward(["north", "south"]).await;
    let [north, south] = &replicas;
    let note = chart(north, &record, "佐藤", draft(None, "右上腕")).await.name.unwrap();
    all_meet(&replicas).await;
    chart(north, &record, "佐藤", draft(Some(&note), "左上腕")).await;
    chart(south, &record, "鈴木", draft(Some(&note), "右下腕")).await;
    all_meet(&replicas).await;
    assert!(refused(south, &record, sign(&note)).await.contains("changed by several people apart"));
    let version = Some(charts(south, &record).await.drafts[0].version.clone());
    chart(south, &record, "鈴木", ChartWrite::Sign { note, title: None, version }).await;
    assert_eq!(RecordView::of(&south.facts(&record).unwrap().0).notes[0].excerpt, "左下腕");
}
