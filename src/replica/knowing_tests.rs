//! Knowledge at the time, in small regions that write and hear of each other in random order.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use proptest::prelude::*;

use super::Replica;
use super::answer::Shown;
use super::core::{Append, Beginning};
use super::environment::{Environment as _, EnvironmentRng};
use super::knowledge::{Basis, Moment};
use super::realm::{Enrolment, NewDevice, Realm};
use super::request::{MedicationAction, NewPatient, Write};
use super::sealed_world_tests::{World, author};
use super::section_write::SectionWrite;
use super::writing::facts_entry;
use crate::base::limits::HORIZON_LANES_MAX;
use crate::base::{Area, Hlc, Part, RecordId, WallMs};
use crate::identity::{DeviceRole, SiteKind};
use crate::lane::horizon::{HorizonCheck, NewLane};
use crate::lane::{EntryKind, HorizonBody, LaneMark};
use crate::record::linking::TieKind;
use crate::store::{MemoryStore, Store};

const AREAS: [&str; 2] = ["shared/miura", "shared/zushi"];
const REPLICAS: usize = 3;

/// The devices of one realm: making them takes longer than everything else here.
static DEVICES: LazyLock<Vec<NewDevice>> = LazyLock::new(|| {
    let world = World::new(9);
    let mut rng = EnvironmentRng(&*world);
    let mut realm = Realm::create("三浦", world.now(), &mut rng);
    let device = |number: usize| {
        let wanted = Enrolment {
            site: format!("病院{number}"),
            kind: SiteKind::Hospital,
            device: format!("device-{number}"),
            role: DeviceRole::Hospital,
            areas: AREAS.map(|area| Area::new(area).unwrap()).into(),
        };
        realm.enrol(&wanted, world.now(), &mut rng).unwrap().0
    };
    (0..REPLICAS).map(device).collect()
});

pub(super) fn region(world: &Arc<World>) -> Vec<Arc<Replica>> {
    region_on(world, &[(); REPLICAS].map(|()| Arc::new(MemoryStore::new())))
}

/// The region with these stores, one for each replica.
pub(super) fn region_on(world: &Arc<World>, stores: &[Arc<MemoryStore>]) -> Vec<Arc<Replica>> {
    stores.iter().enumerate().map(|(device, store)| replica_on(store.clone(), world, device)).collect()
}

/// Makes the replica of a device on a store.
pub(super) fn replica_on(store: Arc<dyn Store>, world: &Arc<World>, device: usize) -> Arc<Replica> {
    let new = &DEVICES[device];
    let (seed, genesis, certificate, items) = (&new.seed, &*new.genesis, new.certificate, &*new.items);
    let beginning = Beginning { seed, genesis, certificate, items };
    Arc::new(Replica::begin(store, world.clone(), &beginning).unwrap())
}

/// Lets `to` hear of some lanes of `from`, of each at most so many runs; says whether anything was new.
pub(super) fn hear(from: &Replica, to: &Replica, lanes: u64, runs: usize) -> bool {
    let mut new = false;
    for (number, (lane, state)) in from.lanes().into_iter().enumerate() {
        if lanes >> (number % 64) & 1 == 0 {
            continue;
        }
        to.offer_certificates(&from.certificates_of(&lane));
        for _ in 0..runs {
            let held = to.lane(&lane).map_or(0, |state| state.size());
            if held < state.size() {
                let run = from.store().runs(&lane, held, 1).unwrap().remove(0);
                to.admit(vec![run]).unwrap();
                new = true;
            }
        }
    }
    new
}

pub(super) fn hear_all(replicas: &[Arc<Replica>]) {
    let pairs = || replicas.iter().flat_map(|from| replicas.iter().map(move |to| (from, to)));
    while pairs().fold(false, |new, (from, to)| hear(from, to, u64::MAX, 64) || new) {}
}

/// Everything that is computed from lanes; texts tell ages, and areas what was asked.
fn content(shown: &Shown) -> String {
    let charts = serde_json::to_string(&shown.charts).unwrap();
    format!("{}\n{}\n{charts}", shown.view, shown.person)
}

pub(super) fn register(replica: &Replica, name: &str, area: &str) -> RecordId {
    let patient = NewPatient { name: name.into(), kana: None, birth_date: None, sex: None };
    replica.register(&patient, Some(Area::new(area).unwrap()), author()).unwrap().record
}

pub(super) fn note(text: &str) -> Write {
    Write::Note { text: text.into(), title: None }
}

pub(super) fn medication(action: MedicationAction, dose: &str) -> Write {
    Write::Medication {
        action,
        drug: "アムロジピン".into(),
        code: None,
        dose: Some(dose.into()),
        reason: None,
    }
}

fn allergy(substance: &str) -> Write {
    Write::Allergy { substance: substance.into(), code: None, criticality: None, refute: None }
}

#[derive(Debug, Clone)]
enum Step {
    Writes { at: usize, record: usize, what: u8 },
    Ties { at: usize, what: u8 },
    Hears { from: usize, to: usize, lanes: u64, runs: usize },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        5 => (0..REPLICAS, 0..3_usize, 0..7_u8).prop_map(|(at, record, what)| Step::Writes { at, record, what }),
        1 => (0..REPLICAS, 0..2_u8).prop_map(|(at, what)| Step::Ties { at, what }),
        4 => (0..REPLICAS, 0..REPLICAS, any::<u64>(), 1..4_usize)
            .prop_map(|(from, to, lanes, runs)| Step::Hears { from, to, lanes, runs }),
    ];
    prop::collection::vec(step, 4..28)
}

/// What a replica showed: right after it had written, or at a time.
struct Seen {
    at: usize,
    record: RecordId,
    content: String,
    moment: Moment,
}

fn written(at: usize, record: RecordId, what: u8, number: usize, replica: &Replica) -> Option<String> {
    let write = match what {
        0 => note(&format!("記録{number}")),
        1 => allergy(&format!("物質{number}")),
        2 => medication(MedicationAction::Start, "5mg"),
        3 => medication(MedicationAction::Change, &format!("{number}mg")),
        4 => medication(MedicationAction::Stop, "5mg"),
        5 => Write::Section(SectionWrite::Vital { sign: "pulse".into(), value: format!("{}", 40 + number) }),
        _ => Write::Handover { text: format!("申し送り{at} {number}") },
    };
    // What makes no sense here, such as a change of nothing, is refused.
    replica.write(&record, write, author()).ok()?.statement
}

fn run(steps: &[Step]) -> Result<(), TestCaseError> {
    let world = World::new(3);
    let replicas = region(&world);
    let records = [
        register(&replicas[0], "佐藤 花子", AREAS[0]),
        register(&replicas[0], "佐藤 はな", AREAS[1]),
        register(&replicas[1], "鈴木 一郎", AREAS[1]),
    ];
    let mut seen = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        let at = match *step {
            Step::Writes { at, record, what } => {
                let (replica, record) = (&replicas[at], records[record]);
                if replica.facts(&record).unwrap().0.is_empty() {
                    continue;
                }
                if let Some(statement) = written(at, record, what, number, replica) {
                    let content = content(&replica.show(&record).unwrap());
                    seen.push(Seen { at, record, content, moment: Moment::AsOf { statement } });
                }
                at
            }
            Step::Ties { at, what } => {
                let kind = [TieKind::Link, TieKind::Unlink][usize::from(what)];
                // There may be nothing to undo.
                let _ = replicas[at].tie(kind, [records[0], records[1]], "家族", author());
                at
            }
            Step::Hears { from, to, lanes, runs } => {
                if from != to {
                    hear(&replicas[from], &replicas[to], lanes, runs);
                }
                to
            }
        };
        let record = records[number % records.len()];
        let content = content(&replicas[at].show(&record).unwrap());
        let moment = Moment::At { time: world.now(), device: None };
        seen.push(Seen { at, record, content, moment });
        // Whoever has not heard all of it says so, or shows the same.
        for Seen { at, record, content: then, moment } in seen.iter().rev().take(2) {
            let other = &replicas[(at + 1) % REPLICAS];
            if let Moment::AsOf { .. } = moment
                && let Ok(shown) = other.show_at(record, Some(moment))
                && !shown.knowledge.as_ref().unwrap().is_incomplete()
            {
                prop_assert_eq!(&self::content(&shown), then);
            }
        }
    }
    hear_all(&replicas);
    for Seen { at, record, content: then, moment } in &seen {
        let readers: Vec<usize> = match moment {
            Moment::AsOf { .. } => (0..REPLICAS).collect(),
            Moment::At { .. } => vec![*at],
        };
        for reader in readers {
            let shown = replicas[reader].show_at(record, Some(moment)).unwrap();
            prop_assert_eq!(&content(&shown), then, "{:?} at {} by {}", moment, at, reader);
            let knowledge = shown.knowledge.unwrap();
            prop_assert!(!knowledge.is_incomplete(), "{:?}", knowledge);
            if let Some(time) = knowledge.time.filter(|_| knowledge.basis == Basis::Statement) {
                let device = Some(format!("device-{at}"));
                let other = &replicas[(at + 1) % REPLICAS];
                let by = other.show_at(record, Some(&Moment::At { time, device })).unwrap();
                prop_assert_eq!(&content(&by), then, "the device's last writing");
                prop_assert_eq!(by.knowledge.unwrap().basis, Basis::LastWriting);
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn what_anybody_knew_when_writing_and_what_a_device_showed_is_shown_again(steps in steps()) {
        run(&steps)?;
    }
}

fn horizons(replica: &Replica) -> BTreeMap<(Area, Part), Vec<HorizonBody>> {
    let mut found: BTreeMap<(Area, Part), Vec<HorizonBody>> = BTreeMap::new();
    replica
        .scan(|name, _, entry| {
            if name.device == replica.me().device && entry.kind == EntryKind::HORIZON {
                let bodies = found.entry((name.area.clone(), name.part)).or_default();
                bodies.push(HorizonBody::read(&entry.body).unwrap());
            }
        })
        .unwrap();
    found
}

#[test]
fn a_horizon_is_written_only_when_something_was_heard_and_names_what_grew() {
    let world = World::new(4);
    let replicas = region(&world);
    let [north, south] = [&replicas[0], &replicas[1]];
    let record = register(north, "佐藤 花子", AREAS[0]);
    north.write(&record, allergy("海老"), author()).unwrap();
    north.write(&record, allergy("蕎麦"), author()).unwrap();
    let card = (Area::new(AREAS[0]).unwrap(), Part::Card);
    assert_eq!(horizons(north)[&card].len(), 1, "nothing was heard in between");

    hear(north, south, u64::MAX, 9);
    south.write(&record, allergy("ペニシリン"), author()).unwrap();
    hear(south, north, u64::MAX, 9);
    north.write(&record, allergy("卵"), author()).unwrap();
    south.write(&record, allergy("乳"), author()).unwrap();
    hear(south, north, u64::MAX, 9);
    north.write(&record, allergy("小麦"), author()).unwrap();

    let of_card = &horizons(north)[&card];
    assert_eq!(of_card.len(), 3);
    assert!(of_card[0].back.is_none() && of_card[0].new.is_empty(), "a whole one, of no other lane");
    assert_eq!((of_card[1].new.len(), of_card[1].grown.len()), (1, 0), "a new lane");
    assert_eq!((of_card[2].new.len(), of_card[2].grown.clone()), (0, vec![0, 1]), "one entry more of it");
    assert!(of_card[2].entry().body.len() <= 20, "{} bytes", of_card[2].entry().body.len());
}

#[test]
fn a_store_that_is_opened_again_goes_on_where_it_was() {
    let world = World::new(5);
    let new = &DEVICES[0];
    let store = Arc::new(MemoryStore::new());
    let (seed, genesis, certificate, items) = (&new.seed, &*new.genesis, new.certificate, &*new.items);
    let north =
        Replica::begin(store.clone(), world.clone(), &Beginning { seed, genesis, certificate, items })
            .unwrap();
    let record = register(&north, "佐藤 花子", AREAS[0]);
    let south = &region(&world)[1];
    hear(&north, south, u64::MAX, 9);
    south.write(&record, note("南"), author()).unwrap();
    hear(south, &north, u64::MAX, 9);
    north.write(&record, allergy("海老"), author()).unwrap();
    drop(north);

    let north = Replica::open(store, world).unwrap();
    north.write(&record, allergy("蕎麦"), author()).unwrap();
    south.write(&record, note("南再び"), author()).unwrap();
    hear(south, &north, u64::MAX, 9);
    let statement = north.write(&record, allergy("卵"), author()).unwrap().statement.unwrap();
    let card = (Area::new(AREAS[0]).unwrap(), Part::Card);
    let bodies = &horizons(&north)[&card];
    let backs: Vec<Option<u64>> = bodies.iter().map(|body| body.back).collect();
    // Entry 0 names the certificate; 1 and 3 are horizons, with a registration and an allergy after them; the allergy
    // after the opening needs none.
    assert_eq!(backs, [None, Some(2), Some(3)]);
    let shown = north.show_at(&record, Some(&Moment::AsOf { statement })).unwrap();
    assert_eq!(content(&shown), content(&north.show(&record).unwrap()));
}

#[test]
fn whoever_has_not_heard_what_the_author_knew_says_what_is_missing() {
    let world = World::new(6);
    let replicas = region(&world);
    let [north, south, west] = [&replicas[0], &replicas[1], &replicas[2]];
    let record = register(north, "佐藤 花子", AREAS[0]);
    north.write(&record, note("北"), author()).unwrap();
    hear(north, south, u64::MAX, 9);
    let statement = south.write(&record, allergy("海老"), author()).unwrap().statement.unwrap();
    north.write(&record, allergy("蕎麦"), author()).unwrap();
    // West hears the allergies, and neither note nor registration: north's card lane, and all of south's.
    let is_wanted = |state: &crate::lane::LaneState| state.name.part == Part::Card;
    for from in [north, south] {
        for (lane, state) in from.lanes().into_iter().filter(|(_, state)| is_wanted(state)) {
            west.offer_certificates(&from.certificates_of(&lane));
            let held = west.lane(&lane).map_or(0, |state| state.size());
            if held < state.size() {
                west.admit(from.store().runs(&lane, held, 1 << 20).unwrap()).unwrap();
            }
        }
    }
    let moment = Moment::AsOf { statement: statement.clone() };
    let shown = west.show_at(&record, Some(&moment)).unwrap();
    let knowledge = shown.knowledge.unwrap();
    assert!(knowledge.is_incomplete() && knowledge.missing.len() == 1, "{knowledge:?}");
    assert_eq!((knowledge.missing_entries, knowledge.missing[0].device.clone()), (3, None));
    assert_eq!(knowledge.later, 1, "the other allergy was not known");
    assert!(shown.text.contains("INCOMPLETE: 3 entries") && shown.text.contains("不完全"), "{}", shown.text);
    assert!(
        shown.text.contains("device-1（病院1）")
            && shown.text.contains("1 statements known now were not known")
    );
    assert!(!shown.text.contains("蕎麦") && shown.text.contains("海老"));
    hear_all(&replicas);
    let shown = west.show_at(&record, Some(&moment)).unwrap();
    assert!(!shown.knowledge.as_ref().unwrap().is_incomplete(), "{}", shown.text);
    assert!(shown.text.contains('北') && !shown.text.contains("蕎麦"));
    let text = serde_json::to_value(&shown).unwrap()["knowledge"]["basis"].clone();
    assert_eq!(text, "statement");

    let early = Moment::At { time: WallMs(1), device: Some("device-1".into()) };
    let nothing = west.show_at(&record, Some(&early)).unwrap();
    assert!(nothing.text.contains("had written nothing by then"), "{}", nothing.text);
    for wrong in ["", "zz:1:0", "00000000:1:0", "12:1", &statement.replace(":0", ":7"), "a:b:c:d"] {
        let moment = Moment::AsOf { statement: wrong.to_owned() };
        assert!(west.show_at(&record, Some(&moment)).is_err(), "{wrong}");
    }
    assert!(
        west.show_at(&record, Some(&Moment::At { time: WallMs(1), device: Some("nobody".into()) })).is_err()
    );
}

/// A start, a change that follows it and a stop that follows that, each by another device, arrive in every order.
#[test]
fn what_follows_an_unknown_statement_waits_says_so_and_joins() {
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    for order in orders {
        let world = World::new(7);
        let replicas = region(&world);
        let record = register(&replicas[0], "佐藤 花子", AREAS[0]);
        replicas[0].write(&record, medication(MedicationAction::Start, "5mg"), author()).unwrap();
        hear(&replicas[0], &replicas[1], u64::MAX, 9);
        replicas[1].write(&record, medication(MedicationAction::Change, "10mg"), author()).unwrap();
        hear_all(&replicas[..2]);
        replicas[0].write(&record, medication(MedicationAction::Hold, "10mg"), author()).unwrap();
        hear_all(&replicas[..2]);
        // A reader hears the card lanes run by run: north's start, south's change, north's hold.
        let reader = &replicas[2];
        let mut runs = Vec::new();
        for state in replicas[0].lanes().into_values().filter(|state| state.name.part == Part::Card) {
            reader.offer_certificates(&replicas[0].certificates_of(&state.id()));
            runs.extend(replicas[0].store().runs(&state.id(), 0, 1 << 20).unwrap());
        }
        let of = |device: usize| replicas[device].me().device;
        let (mut north, mut south): (Vec<_>, Vec<_>) =
            runs.into_iter().partition(|run| replicas[0].lane_name(&run.lane).unwrap().device == of(0));
        let mut parts = [north.drain(..2).collect(), std::mem::take(&mut south), north];
        let mut waited = false;
        for (count, part) in order.into_iter().enumerate() {
            let before = [true, order[..count].contains(&0), order[..count].contains(&1)];
            if part == 2 && !order[..count].contains(&0) {
                // One lane cannot be heard out of order: north's hold then comes with its start.
                reader.admit(std::mem::take(&mut parts[0])).unwrap();
            }
            reader.admit(std::mem::take(&mut parts[part])).unwrap();
            let shown = reader.show(&record).unwrap();
            let waits = !shown.waits.is_empty();
            assert_eq!(waits, shown.text.contains("WAITING for earlier statements"), "{}", shown.text);
            if part > 0 && !before[part] && !parts[part - 1].is_empty() {
                assert!(waits, "{order:?}: {}", shown.text);
                let held =
                    reader.lane_name(&shown.waits[0].waits_for.split(':').next().unwrap().parse().unwrap());
                assert_eq!(shown.waits[0].device.is_some(), held.is_some());
                assert!(shown.text.contains("not yet heard") && shown.text.contains("未着"));
            }
            waited |= waits;
        }
        assert_eq!(waited, order[..2] != [0, 1], "{order:?}");
        let shown = reader.show(&record).unwrap();
        assert!(shown.waits.is_empty() && !shown.text.contains("WAITING"), "{order:?}: {}", shown.text);
        assert_eq!(content(&shown), content(&replicas[0].show(&record).unwrap()), "{order:?}");
    }
}

#[test]
fn the_hand_over_is_shown_as_it_stood_at_whoever_had_typed_it() {
    let world = World::new(8);
    let replicas = region(&world);
    let [north, south, west] = [&replicas[0], &replicas[1], &replicas[2]];
    let record = register(north, "佐藤 花子", AREAS[0]);
    let hand_over = |replica: &Replica, text: &str| {
        replica.write(&record, Write::Handover { text: text.into() }, author()).unwrap();
        world.now()
    };
    let first = hand_over(north, "歩行可能。");
    hear_all(&replicas);
    let second = hand_over(south, "歩行可能。酸素2L。");
    let apart = hand_over(north, "独歩可能。");
    hear_all(&replicas);
    hand_over(north, "退院。");
    hear_all(&replicas);

    let notes = (Area::new(AREAS[0]).unwrap(), Part::Notes);
    assert_eq!(horizons(south)[&notes].len(), 1);
    for (time, device, text) in [
        (first, "device-0", "歩行可能。"),
        (second, "device-1", "歩行可能。酸素2L。"),
        (apart, "device-0", "独歩可能。"),
        (apart, "device-1", "歩行可能。酸素2L。"),
    ] {
        let moment = Moment::At { time, device: Some(device.into()) };
        let shown = west.show_at(&record, Some(&moment)).unwrap();
        assert_eq!(shown.charts[0].handover, text, "{device} at {time:?}");
        let knowledge = shown.knowledge.unwrap();
        assert!(knowledge.basis == Basis::LastWriting && !knowledge.is_incomplete(), "{knowledge:?}");
    }
}

/// A device says that it had heard of lanes that nobody else has heard of, as many as it may: all are told, at once.
#[test]
fn of_many_unknown_lanes_each_is_told_once() {
    let replicas = region(&World::new(15));
    let north = &replicas[0];
    let record = register(north, "佐藤 花子", AREAS[0]);
    let statement = north.write(&record, allergy("海老"), author()).unwrap().statement.unwrap();
    let fact = north.facts(&record).unwrap().0;
    let statements = vec![fact.iter().last().unwrap().statement.clone()];
    let entry =
        facts_entry(north, record, Hlc::at(WallMs(1_800_000_000_000)), author(), None, statements).unwrap();
    let unknown = |number: usize| NewLane { mark: LaneMark((number as u64).to_be_bytes()), size: 2 };
    let horizon = |new: Vec<NewLane>| {
        let (version, check) = (HorizonBody::VERSION, HorizonCheck([0; 8]));
        HorizonBody { version, back: None, check, grown: Vec::new(), new }.entry()
    };
    let says = |new: Vec<NewLane>| {
        let (area, part) = (Area::new(AREAS[0]).unwrap(), Part::Card);
        let entries = vec![horizon(new), entry.clone()];
        let places = north.append(vec![Append { area, part, entries, knowing: [].into() }]).unwrap();
        let (lane, _) = statement.split_once(':').unwrap();
        let statement = format!("{lane}:{}:0", places[0].seq + 1);
        north.show_at(&record, Some(&Moment::AsOf { statement })).unwrap().knowledge.unwrap()
    };
    let told = says((0..HORIZON_LANES_MAX).map(unknown).collect());
    assert_eq!((told.missing.len(), told.untold), (HORIZON_LANES_MAX, false));
    assert_eq!(told.missing_entries, 2 * HORIZON_LANES_MAX as u64);
    assert!(says(vec![unknown(1), unknown(1)]).untold, "it names a lane twice");
}
