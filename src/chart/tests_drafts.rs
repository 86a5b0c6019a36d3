//! What becomes of notes: written by many, signed by some, with nothing lost.

use automerge::ReadDoc as _;
use proptest::prelude::*;
use proptest::sample::Index;

use super::hostile::{NOW_MS, chart, incoming};
use super::view::note_texts;
use super::{Chart, ChartChange, Draft, NoteId, Signing};

fn deliver(chart: &mut Chart, changes: &[&ChartChange]) {
    let delivery = chart.apply_all(changes.iter().map(|change| incoming(change)).collect()).unwrap();
    assert!(delivery.quarantined.is_empty() && delivery.waiting.is_empty(), "{delivery:?}");
}

fn note() -> NoteId {
    NoteId::new("n1").unwrap()
}

/// Signs a note; returns the text, the changes, and the signing as its statement tells it.
fn sign(chart: &mut Chart) -> (String, Vec<ChartChange>, Signing) {
    let heads = chart.heads();
    let (text, changes) = chart.take_note(&note(), NOW_MS).unwrap();
    let taken = changes.last().unwrap().hash();
    (text, changes, Signing { note: note(), heads, taken })
}

#[test]
fn what_was_typed_meanwhile_is_told_from_what_was_typed_after() {
    let (mut a, mut b) = (chart(1), chart(2));
    let begun = a.edit_note(&note(), 0, 0, "発熱なし", NOW_MS).unwrap();
    deliver(&mut b, &[&begun]);
    let meanwhile = b.replace_note(&note(), "微発熱なし。創部確認", NOW_MS + 9_000).unwrap();
    let (signed, taken, signing) = sign(&mut a);
    assert_eq!(signed, "発熱なし");
    deliver(&mut a, &[&meanwhile]);
    deliver(&mut b, &taken.iter().collect::<Vec<_>>());
    let after = b.replace_note(&note(), "微。創部確認、再診", NOW_MS).unwrap();
    deliver(&mut a, &[&after]);

    let drafts = a.drafts(std::slice::from_ref(&signing)).unwrap();
    let told: Vec<_> = drafts[0].texts[0]
        .iter()
        .map(|piece| (piece.text.as_str(), piece.while_signing, piece.after.as_str(), piece.change))
        .collect();
    assert_eq!(
        told,
        [
            ("微", true, "", meanwhile.hash()),
            ("。創部確認", true, "発熱なし", meanwhile.hash()),
            ("、再診", false, "", after.hash()),
        ]
    );
    assert_eq!(drafts[0].texts[0][0].time_s, (NOW_MS as i64 + 9_000) / 1_000);
    assert_eq!(b.drafts(&[signing]).unwrap(), drafts);
}

#[test]
fn a_long_signed_text_shows_its_end_before_what_was_typed_behind_it() {
    let (mut a, mut b) = (chart(1), chart(2));
    let begun = a.edit_note(&note(), 0, 0, "0123456789あいうえお", NOW_MS).unwrap();
    deliver(&mut b, &[&begun]);
    let typed = b.edit_note(&note(), 15, 0, "!", NOW_MS).unwrap();
    let (_, _, signing) = sign(&mut a);
    deliver(&mut a, &[&typed]);
    assert_eq!(a.drafts(&[signing]).unwrap()[0].texts[0][0].after, "3456789あいうえお");
}

#[test]
fn without_text_there_is_no_draft_and_unknown_signings_change_nothing() {
    let mut a = chart(1);
    a.edit_note(&note(), 0, 0, "発熱なし", NOW_MS).unwrap();
    let unknown = super::ChangeHash([9; 32]);
    let hostile = Signing { note: note(), heads: vec![unknown], taken: unknown };
    let drafts = a.drafts(&[hostile]).unwrap();
    assert_eq!(drafts[0].text(), "発熱なし");
    let (_, _, signing) = sign(&mut a);
    assert!(a.drafts(&[signing]).unwrap().is_empty());
}

#[test]
fn a_signing_whose_deletion_has_not_arrived_leaves_the_text_and_does_not_call_it_late() {
    let (mut a, mut b) = (chart(1), chart(2));
    let begun = a.edit_note(&note(), 0, 0, "発熱なし", NOW_MS).unwrap();
    deliver(&mut b, &[&begun]);
    let (_, _, signing) = sign(&mut a);
    let drafts = b.drafts(&[signing]).unwrap();
    assert_eq!(drafts[0].text(), "発熱なし");
    assert!(!drafts[0].texts[0][0].while_signing);
}

#[test]
fn a_note_longer_than_one_change_is_begun_in_several() {
    let mut a = chart(1);
    let text = "長".repeat(20_000);
    let changes = a.begin_note(&note(), &text, NOW_MS).unwrap();
    assert_eq!(changes.len(), 3);
    assert_eq!(a.drafts(&[]).unwrap()[0].text(), text);
    let mut b = chart(2);
    deliver(&mut b, &changes.iter().collect::<Vec<_>>());
    assert_eq!(a.drafts(&[]), b.drafts(&[]));
}

/// One step of a region: somebody types, deletes or signs, or hears a part of a lane from somebody else.
#[derive(Debug, Clone)]
enum Step {
    Insert { device: usize, at: Index, count: usize },
    Delete { device: usize, at: Index },
    Sign { device: usize },
    Hear { device: usize, from: usize, lane: Index, part: Index },
    Meet { device: usize, with: usize },
}

/// What stands in a lane: the statement of a signing before the changes that take its text.
#[derive(Debug, Clone)]
enum Item {
    Signed(Signing, String),
    Change(ChartChange),
}

struct Device {
    chart: Chart,
    /// How much of each lane it has heard.
    heard: Vec<usize>,
}

/// A character: who typed it in one go with what, and of which signings its writer knew.
struct Typed {
    character: char,
    run: usize,
    knew: Vec<super::ChangeHash>,
}

#[derive(Default)]
struct World {
    devices: Vec<Device>,
    lanes: Vec<Vec<Item>>,
    typed: Vec<Typed>,
    deleted: Vec<char>,
}

impl World {
    fn new(count: usize) -> Self {
        let device = |n| Device { chart: chart(n as u8 + 1), heard: vec![0; count] };
        Self { devices: (0..count).map(device).collect(), lanes: vec![Vec::new(); count], ..Self::default() }
    }

    fn play(&mut self, step: &Step) {
        let count = self.devices.len();
        match step {
            Step::Insert { device, at, count: length } => self.insert(device % count, at, *length),
            Step::Delete { device, at } => {
                let device = device % count;
                let objects = note_texts(&self.devices[device].chart.document, &note()).unwrap();
                let Some(text) = objects.last() else { return };
                let text = self.devices[device].chart.document.text(text).unwrap();
                if text.is_empty() {
                    return;
                }
                let at = at.index(text.chars().count());
                self.deleted.extend(text.chars().nth(at));
                let change = self.devices[device].chart.edit_note(&note(), at, 1, "", NOW_MS).unwrap();
                self.write(device, [Item::Change(change)]);
            }
            Step::Sign { device } => {
                let device = device % count;
                if self.devices[device].chart.notes().unwrap().is_empty() {
                    return;
                }
                let (text, changes, signing) = sign(&mut self.devices[device].chart);
                self.write(device, [Item::Signed(signing, text)]);
                self.write(device, changes.into_iter().map(Item::Change));
            }
            Step::Hear { device, from, lane, part } => {
                let (device, from) = (device % count, from % count);
                let lane = lane.index(count);
                let upto = part.index(self.devices[from].heard[lane] + 1);
                self.hear(device, lane, upto);
            }
            Step::Meet { device, with } => self.meet(device % count, with % count),
        }
    }

    fn insert(&mut self, device: usize, at: &Index, length: usize) {
        let characters: String =
            (0..length).map(|n| char::from_u32((0x4E00 + self.typed.len() + n) as u32).unwrap()).collect();
        let takens = self.lanes.iter().flatten().filter_map(|item| match item {
            Item::Signed(signing, _) => Some(signing.taken),
            Item::Change(_) => None,
        });
        let knew: Vec<_> = takens.filter(|taken| self.devices[device].chart.holds(taken)).collect();
        let chart = &mut self.devices[device].chart;
        let objects = note_texts(&chart.document, &note()).unwrap();
        let end = objects.last().map_or(0, |text| chart.document.length(text));
        let change = chart.edit_note(&note(), at.index(end + 1), 0, &characters, NOW_MS).unwrap();
        let run = self.typed.len();
        self.typed.extend(characters.chars().map(|character| Typed { character, run, knew: knew.clone() }));
        self.write(device, [Item::Change(change)]);
    }

    fn write(&mut self, device: usize, items: impl IntoIterator<Item = Item>) {
        self.lanes[device].extend(items);
        self.devices[device].heard[device] = self.lanes[device].len();
    }

    fn hear(&mut self, device: usize, lane: usize, upto: usize) {
        let heard = self.devices[device].heard[lane];
        let new = self.lanes[lane].iter().take(upto).skip(heard);
        let changes = new.filter_map(|item| match item {
            Item::Change(change) => Some(incoming(change)),
            Item::Signed(..) => None,
        });
        let delivery = self.devices[device].chart.apply_all(changes.collect()).unwrap();
        assert!(delivery.quarantined.is_empty(), "{delivery:?}");
        self.devices[device].heard[lane] = heard.max(upto);
    }

    fn meet(&mut self, a: usize, b: usize) {
        for lane in 0..self.lanes.len() {
            let upto = self.devices[a].heard[lane].max(self.devices[b].heard[lane]);
            self.hear(a, lane, upto);
            self.hear(b, lane, upto);
        }
    }

    /// Brings everything to everybody, to each in another order.
    fn heal(&mut self) {
        let count = self.devices.len();
        for device in 0..count {
            for lane in 0..count {
                let lane = (lane + device) % count;
                self.hear(device, lane, self.lanes[lane].len());
            }
        }
    }

    /// The signings that a device has heard of.
    fn signings(&self, device: usize) -> Vec<(Signing, String)> {
        let heard = self.lanes.iter().zip(&self.devices[device].heard);
        let items = heard.flat_map(|(lane, upto)| lane.iter().take(*upto));
        let signed = items.filter_map(|item| match item {
            Item::Signed(signing, text) => Some((signing.clone(), text.clone())),
            Item::Change(_) => None,
        });
        signed.collect()
    }

    fn drafts(&mut self, device: usize) -> Vec<Draft> {
        let signings: Vec<Signing> = self.signings(device).into_iter().map(|(signing, _)| signing).collect();
        self.devices[device].chart.drafts(&signings).unwrap()
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let device = || 0..7_usize;
    let insert = (device(), any::<Index>(), 1..5_usize).prop_map(|(device, at, count)| Step::Insert {
        device,
        at,
        count,
    });
    let delete = (device(), any::<Index>()).prop_map(|(device, at)| Step::Delete { device, at });
    let sign = device().prop_map(|device| Step::Sign { device });
    let hear = (device(), device(), any::<Index>(), any::<Index>())
        .prop_map(|(device, from, lane, part)| Step::Hear { device, from, lane, part });
    let meet = (device(), device()).prop_map(|(device, with)| Step::Meet { device, with });
    prop::collection::vec(prop_oneof![5 => insert, 1 => delete, 2 => sign, 3 => hear, 2 => meet], 1..40)
}

/// Quick by default; `PROPTEST_CASES=5000` runs as many.
fn cases() -> ProptestConfig {
    let asked = ProptestConfig::default();
    let cases = if asked.cases == 256 { 32 } else { asked.cases };
    ProptestConfig { cases, ..asked }
}

/// Says whether the characters of each run that are in a text stand in the order of typing.
fn keeps_order(text: &str, typed: &[Typed]) -> bool {
    let place = |c: char| text.chars().position(|other| other == c);
    let mut last: (usize, Option<usize>) = (usize::MAX, None);
    typed.iter().all(|one| {
        let here = place(one.character);
        let before = if last.0 == one.run { last.1 } else { None };
        last = (one.run, here.or(before));
        here.is_none_or(|here| before.is_none_or(|before| before < here))
    })
}

proptest! {
    #![proptest_config(cases())]

    /// Laws: all replicas show the same signed texts and drafts; every character that nobody deleted stands in a signed
    /// text, or exactly once in the draft; what was typed in one go keeps its order; what was typed without knowledge
    /// of a signing is told so.
    #[test]
    fn signing_and_typing_apart_lose_nothing_and_all_replicas_agree(count in 2..=7_usize, steps in steps()) {
        let mut world = World::new(count);
        for step in &steps {
            world.play(step);
            // What is shown half-way never fails.
            world.drafts(0);
        }
        world.heal();

        let drafts = world.drafts(0);
        for device in 1..count {
            prop_assert_eq!(&world.drafts(device), &drafts);
            prop_assert_eq!(world.devices[device].chart.heads(), world.devices[0].chart.heads());
        }
        let signed = world.signings(0);
        let draft: String = drafts.iter().map(Draft::text).collect();
        for one in &world.typed {
            let times = draft.chars().filter(|c| *c == one.character).count();
            let is_signed = signed.iter().any(|(_, text)| text.contains(one.character));
            let deleted = world.deleted.contains(&one.character);
            prop_assert!(times <= 1);
            prop_assert!(times == 1 || is_signed || deleted, "{:?} is lost", one.character);
            prop_assert!(times == 0 || !is_signed, "{:?} is signed and a draft", one.character);
        }
        for (_, text) in &signed {
            prop_assert!(keeps_order(text, &world.typed));
        }
        prop_assert!(keeps_order(&draft, &world.typed));
        for piece in drafts.iter().flat_map(|draft| draft.texts.iter().flatten()) {
            let first = piece.text.chars().next().unwrap();
            let typed = world.typed.iter().find(|one| one.character == first).unwrap();
            let unaware = signed.iter().any(|(signing, _)| !typed.knew.contains(&signing.taken));
            prop_assert_eq!(piece.while_signing, unaware);
        }
    }
}
