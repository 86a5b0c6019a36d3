//! Fetching one person on demand: asked by a device that holds nothing of the area, proven, kept, shown, found, forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::watch;

use super::exchange::{Effect, Exchange};
use super::linking_tests::register;
use super::proving::Via;
use super::pull_answer::{PullWanted, Pulled, WhomTyped};
use super::pull_sessions::News;
use super::pulling::pull;
use super::request::{NewPatient, Write};
use super::syncing::{self, SessionState, Until};
use super::tests::{Region, author, meet, served};
use super::{Replica, asking};
use crate::base::{Area, Part, RecordId};
use crate::lane::{ProvenRecord, parted};
use crate::record::Whom;
use crate::sync::{Ended, Reach};
use crate::transport::Endpoint;

/// A replica that subscribes to nothing but `common`.
fn without_areas(replica: Arc<Replica>) -> Arc<Replica> {
    let mut replica = Arc::into_inner(replica).unwrap();
    replica.hold_only(BTreeSet::new());
    Arc::new(replica)
}

/// A person with a card and a note.
fn written(replica: &Replica) -> RecordId {
    let record = register(replica, "田中 幸雄", "タナカ ユキオ", "1950-03-04");
    let allergy = Write::Allergy {
        substance: "ペニシリン".into(),
        code: None,
        criticality: Some("high".into()),
        refute: None,
    };
    replica.write(&record, allergy, author()).unwrap();
    replica.write(&record, Write::Note { text: "経過良好".into(), title: None }, author()).unwrap();
    replica.write(&record, Write::Handover { text: "水分を勧める。".into() }, author()).unwrap();
    record
}

fn by_name(name: &str, birth_date: &str) -> WhomTyped {
    WhomTyped::Person { name: name.into(), birth_date: birth_date.into() }
}

async fn pulled(
    at: &Arc<Replica>,
    from: &Arc<Replica>,
    whom: WhomTyped,
    card_only: bool,
) -> Result<Pulled, String> {
    served(from, async |address| {
        let wanted = PullWanted { whom, from: Some(address.to_string()), card_only };
        pull(at, &wanted, &[], &mut |_| {}).await.map_err(|error| error.to_string())
    })
    .await
}

/// Lets two exchanges talk until neither has anything to say; returns the first one's news, in order.
fn talk(one: &mut Exchange, other: &mut Exchange) -> Vec<(u32, News)> {
    let mut news = Vec::new();
    loop {
        let (mut to_other, mut to_one) = (Vec::new(), Vec::new());
        while let Some(effects) = one.step().unwrap() {
            for effect in effects {
                match effect {
                    Effect::Send(message) => to_other.push(message),
                    Effect::Pulled { number, news: one } => news.push((number, one)),
                    _ => {}
                }
            }
        }
        let silent = to_other.is_empty();
        to_other.into_iter().for_each(|message| other.heard(message));
        while let Some(effects) = other.step().unwrap() {
            to_one.extend(effects.into_iter().filter_map(|effect| match effect {
                Effect::Send(message) => Some(message),
                _ => None,
            }));
        }
        if silent && to_one.is_empty() {
            return news;
        }
        to_one.into_iter().for_each(|message| one.heard(message));
    }
}

/// Two exchanges, the first for asking alone.
fn asking_alone(one: &Arc<Replica>, other: &Arc<Replica>) -> (Exchange, Exchange) {
    let mut asker = Exchange::begin(one.clone(), other.me().device, "other".into(), true);
    asker.only_ask();
    (asker, Exchange::begin(other.clone(), one.me().device, "one".into(), false))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_is_fetched_by_name_shown_with_its_source_and_collapses_when_the_lanes_come() {
    let mut region = Region::new();
    let ((north, _), (tablet, _)) = (region.enrol("north"), region.enrol("tablet"));
    let record = written(&north);
    register(&north, "田中 幸子", "タナカ サチコ", "1950-03-04");
    let tablet = without_areas(tablet);

    let got = pulled(&tablet, &north, by_name("たなか ゆきお", "昭和25年3月4日"), false).await.unwrap();

    assert_eq!((got.device.as_str(), got.site.as_str(), got.whole), ("north-1", "north", true));
    assert_eq!(got.records.len(), 1);
    assert_eq!((got.records[0].record, got.records[0].left_out), (record, 0));
    assert_eq!(got.records[0].parts, [Part::Card, Part::Notes, Part::Data]);
    assert!(got.facts_ms.unwrap() <= got.card_ms.unwrap() && got.card_ms.unwrap() <= got.took_ms);
    assert!(got.text.starts_with("FETCHED, as known to north (north-1) at "), "{}", got.text);
    assert!(got.text.contains("just now: 4 entries of card, notes, data"), "{}", got.text);
    for words in ["ペニシリン", "経過良好", "水分を勧める。"] {
        assert!(got.text.contains(words), "{words}: {}", got.text);
    }
    assert!(tablet.lanes().values().all(|lane| lane.name.area == Area::common()), "no lane has a gap");
    // Found by the words by which anybody is found, with the source.
    for words in ["田中", "tanaka yukio", "1950-03-04", &record.to_string()[..12]] {
        let found = tablet.find(words, 10).unwrap().patients;
        assert_eq!(found.iter().map(|one| one.record).collect::<Vec<_>>(), [record], "{words}");
        assert_eq!(found[0].proven[0].site, "north");
    }
    assert!(tablet.find("佐藤", 10).unwrap().patients.is_empty());
    let counts = [&tablet, &north].map(|replica| replica.status(Vec::new(), None).unwrap().known.pulls);
    assert_eq!((counts[0].asked, counts[0].fetched, counts[0].kept), (1, 1, 1));
    assert_eq!((counts[1].given, counts[1].refused), (1, 0));

    // A newer answer takes the place of the older one, also of the card alone.
    north.write(&record, Write::Note { text: "発熱38.5度".into(), title: None }, author()).unwrap();
    let again = WhomTyped::Record { record: record.to_string()[..12].into() };
    let got = pulled(&tablet, &north, again, false).await.unwrap();
    assert_eq!(got.text.matches("FETCHED").count(), 1, "{}", got.text);
    assert!(got.text.contains("発熱38.5度") && got.text.contains("5 entries"), "{}", got.text);
    let kept = tablet.all_answers(&record).unwrap();
    assert_eq!(kept.len(), 2, "the card, and the rest");

    // When the area is held after all, what was fetched is what the lanes say.
    let mut tablet = Arc::into_inner(tablet).unwrap();
    tablet.hold_parts(BTreeMap::from([(Area::new("shared/miura").unwrap(), Part::ALL.into())]));
    let tablet = Arc::new(tablet);
    meet(&tablet, &north).await;
    let shown = tablet.show(&record).unwrap();
    assert!(shown.proven.is_empty() && !shown.text.contains("FETCHED"), "{}", shown.text);
    assert_eq!(super::tests::views(&tablet), super::tests::views(&north));
    assert_eq!(tablet.forget_pulled().unwrap(), 1, "nothing is kept twice");
    assert_eq!(tablet.status(Vec::new(), None).unwrap().known.pulls.kept, 0);
    assert_eq!(tablet.find("田中 幸雄", 10).unwrap().patients[0].record, record);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_found_by_half_a_name_and_who_has_nothing_says_so() {
    let mut region = Region::new();
    let ((north, _), (tablet, _)) = (region.enrol("north"), region.enrol("tablet"));
    let record = written(&north);
    let tablet = without_areas(tablet);
    for (name, born) in [("田中", "1950-03-04"), ("田中 幸雄", "1950-03-05"), ("田中 幸", "1950-03-04")]
    {
        let error = pulled(&tablet, &north, by_name(name, born), false).await.unwrap_err();
        assert!(error.contains("north-1 (north)") && error.contains("nobody like that"), "{error}");
    }
    for (name, born) in [("", "1950-03-04"), ("田中 幸雄", "1950"), ("田中 幸雄", "1950-03")] {
        let error = pulled(&tablet, &north, by_name(name, born), false).await.unwrap_err();
        assert!(!error.contains("north-1"), "nobody is asked: {error}");
    }
    let prefix = WhomTyped::Record { record: record.to_string()[..12].into() };
    let error = pulled(&tablet, &north, prefix, false).await.unwrap_err();
    assert!(error.contains("32 digits"), "{error}");
    let nowhere = PullWanted { whom: by_name("田中 幸雄", "1950-03-04"), from: None, card_only: false };
    let error = pull(&tablet, &nowhere, &[], &mut |_| {}).await.unwrap_err().to_string();
    assert!(error.contains("--from HOST:PORT"), "{error}");

    // Too many of one name and one birth date are nobody in particular; few are all given.
    let twins: BTreeSet<RecordId> =
        (0..4).map(|_| register(&north, "佐藤 健", "サトウ ケン", "1948-06-01")).collect();
    let got = pulled(&tablet, &north, by_name("佐藤 健", "1948-06-01"), true).await.unwrap();
    assert_eq!(got.records.iter().map(|one| one.record).collect::<BTreeSet<_>>(), twins);
    assert!(got.records.iter().all(|one| one.parts == [Part::Card]));
    register(&north, "佐藤 健", "サトウ ケン", "1948-06-01");
    let error = pulled(&tablet, &north, by_name("佐藤 健", "1948-06-01"), true).await.unwrap_err();
    assert!(error.contains("several people"), "{error}");
}

#[test]
fn what_stands_in_a_private_area_is_given_to_nobody_who_does_not_hold_it() {
    let mut region = Region::new();
    let areas = ["shared/miura", "private/north"].map(|area| Area::new(area).unwrap());
    let north = region.enrol_in("north", areas.clone().into());
    let ((tablet, _), deputy) = (region.enrol("tablet"), region.enrol_in("deputy", areas.clone().into()));
    let patient =
        NewPatient {
            name: "三浦 花子".into(), kana: None, birth_date: Some("1960-01-02".into()), sex: None
        };
    let hidden = north.register(&patient, Some(areas[1].clone()), author()).unwrap().record;
    let whom = Whom::Record { record: hidden };
    let ends = |asker: &Arc<Replica>| {
        let (mut at_asker, mut at_north) = asking_alone(asker, &north);
        at_asker.ask(whom.clone(), Reach::ALL);
        talk(&mut at_asker, &mut at_north).last().cloned().unwrap().1
    };
    assert_eq!(ends(&tablet), News::Ended(Ended::Nobody), "not even that there is somebody");
    assert_eq!(ends(&deputy), News::Ended(Ended::Whole));
    let counts = north.status(Vec::new(), None).unwrap().known.pulls;
    assert_eq!((counts.given, counts.refused), (1, 1));
}

#[test]
fn facts_come_before_their_proofs_and_the_card_before_the_rest() {
    let mut region = Region::new();
    let ((north, _), (tablet, _)) = (region.enrol("north"), region.enrol("tablet"));
    let record = written(&north);
    let tablet = without_areas(tablet);
    let (mut at_tablet, mut at_north) = asking_alone(&tablet, &north);
    let number = at_tablet.ask(Whom::Record { record }, Reach::ALL);
    let news = talk(&mut at_tablet, &mut at_north);
    assert!(news.iter().all(|(of, _)| *of == number));
    let told: Vec<&News> = news.iter().map(|(_, news)| news).collect();
    let [News::Facts(2), News::Kept(card), News::Facts(2), News::Kept(rest), News::Ended(Ended::Whole)] =
        told.as_slice()
    else {
        panic!("{told:?}")
    };
    assert_eq!(
        (card.parts.as_slice(), rest.parts.as_slice()),
        (&[Part::Card][..], &[Part::Notes, Part::Data][..])
    );
}

/// What another device signs about a record of its own choice, told as an answer.
fn forged(news: &mut Vec<News>, tablet: &Replica, peer: &Replica, whom: &Whom, signed: &[u8]) {
    let made = parted(signed).unwrap();
    let mut gathering = super::pull_gathering::Gathering::new(whom.clone(), Reach::ALL);
    for bytes in [made.facts, made.proofs] {
        news.extend(gathering.take(tablet, &peer.me().device, &bytes).unwrap());
    }
}

#[test]
fn an_answer_of_another_person_another_device_or_with_bad_proofs_is_not_kept() {
    let mut region = Region::new();
    let ((north, _), (tablet, _)) = (region.enrol("north"), region.enrol("tablet"));
    let tablet = without_areas(tablet);
    let record = written(&north);
    let other = register(&north, "鈴木 一", "スズキ ハジメ", "1970-01-01");
    let card = |record: &RecordId| {
        let mut entries = north.carried_of(record, &|lane| lane.part == Part::Card).unwrap();
        let answered = crate::lane::Answered { parts: vec![Part::Card], left_out: 0, unheard: vec![] };
        let sign =
            |entries: &BTreeMap<_, _>| north.sign_proven(record, entries.clone(), Some(answered.clone())).1;
        let good = sign(&entries);
        entries.values_mut().for_each(|one| one.size += 1);
        (good, sign(&entries))
    };
    let named = Whom::Person { name: "田中 幸雄".into(), birth_date: "1950-03-04".into() };
    let by_id = Whom::Record { record };
    let last = |peer: &Replica, whom: &Whom, signed: &[u8]| {
        let mut news = Vec::new();
        forged(&mut news, &tablet, peer, whom, signed);
        news.pop().unwrap()
    };
    let is_unfit = |news: News, words: &str| {
        let News::Unfit(why) = &news else { panic!("{news:?}") };
        assert!(why.contains(words), "{why}");
    };
    is_unfit(last(&north, &named, &card(&other).0), "another person");
    is_unfit(last(&north, &by_id, &card(&other).0), "another person");
    is_unfit(last(&tablet, &by_id, &card(&record).0), "another device");
    is_unfit(last(&north, &by_id, &card(&record).1), "not proven to be in it");
    assert!(
        tablet.find("田中", 9).unwrap().patients.is_empty()
            && tablet.find("鈴木", 9).unwrap().patients.is_empty()
    );
    assert!(matches!(last(&north, &named, &card(&record).0), News::Kept(_)));

    // A card without a word of what it answers is a sheet of paper, not an answer.
    let paper = north.proven_record(&record, Part::Card).unwrap().1;
    is_unfit(last(&north, &by_id, &paper), "other parts");
    // No byte of an answer can be changed, but in a certificate that is known anyway.
    let made = parted(&card(&record).0).unwrap();
    let whole = [made.facts, made.proofs].concat();
    let (mut unfit, step) = (0, whole.len() / 100);
    for place in (0..whole.len()).step_by(step) {
        let mut bad = whole.clone();
        bad[place] ^= 1;
        let mut gathering = super::pull_gathering::Gathering::new(by_id.clone(), Reach::ALL);
        match gathering.take(&tablet, &north.me().device, &bad).unwrap().pop() {
            Some(News::Kept(kept)) => assert_eq!(kept.record, record, "byte {place}"),
            Some(News::Unfit(_)) => unfit += 1,
            // A length that was changed waits for bytes that never come.
            Some(News::Facts(_)) | None => unfit += 1,
            Some(News::Ended(_)) => panic!("byte {place}"),
        }
    }
    assert!(unfit > 60, "{unfit}");
}

#[test]
fn what_was_fetched_is_forgotten_after_its_time_and_paper_is_not() {
    let mut region = Region::new();
    let ((north, _), (tablet, _)) = (region.enrol("north"), region.enrol("tablet"));
    let (record, other) = (written(&north), register(&north, "鈴木 一", "スズキ ハジメ", "1970-01-01"));
    let mut tablet = Arc::into_inner(without_areas(tablet)).unwrap();
    let answered = crate::lane::Answered { parts: vec![Part::Card], left_out: 0, unheard: vec![] };
    let entries = north.carried_of(&record, &|lane| lane.part == Part::Card).unwrap();
    let (_, signed) = north.sign_proven(&record, entries, Some(answered));
    tablet.take_proven(Via::Peer, &signed).unwrap();
    tablet.take_proven(Via::Qr, &north.proven_record(&other, Part::Card).unwrap().1).unwrap();
    let found = |tablet: &Replica, name: &str| tablet.find(name, 9).unwrap().patients.len();
    assert_eq!((found(&tablet, "田中"), found(&tablet, "鈴木")), (1, 1), "a card on paper is found, too");
    assert_eq!(tablet.forget_pulled().unwrap(), 0);

    tablet.keep_pulled(0);
    std::thread::sleep(std::time::Duration::from_millis(5));
    assert_eq!((found(&tablet, "田中"), found(&tablet, "鈴木")), (0, 1), "its time is over");
    assert!(tablet.record_named(&record.to_string()).is_err());
    // Whoever has come to hold the area waits for the lanes, and keeps it until then.
    tablet.hold_parts(BTreeMap::from([(Area::new("shared/miura").unwrap(), BTreeSet::from([Part::Card]))]));
    assert_eq!((tablet.forget_pulled().unwrap(), found(&tablet, "田中")), (0, 1));
    tablet.hold_only(BTreeSet::new());
    assert_eq!(tablet.forget_pulled().unwrap(), 1);
    assert!(
        tablet.all_answers(&record).unwrap().is_empty() && !tablet.all_answers(&other).unwrap().is_empty()
    );
    tablet.keep_pulled(u64::MAX);
    assert_eq!((found(&tablet, "田中"), found(&tablet, "鈴木")), (0, 1), "it is gone from the store");
}

#[test]
fn parts_of_an_answer_make_the_signed_form_again() {
    let mut region = Region::new();
    let (north, _) = region.enrol("north");
    let record = written(&north);
    let (proven, signed) = north.proven_record(&record, Part::Card).unwrap();
    let made = parted(&signed).unwrap();
    let whole = [made.facts, made.proofs].concat();
    for size in [1, 7, whole.len()] {
        let mut gatherer = crate::lane::Gatherer::new(whole.len());
        let steps: Vec<_> = whole.chunks(size).flat_map(|piece| gatherer.take(piece).unwrap()).collect();
        let expected =
            [crate::lane::Step::Facts(proven.entries.len()), crate::lane::Step::Signed(signed.clone())];
        assert_eq!(steps, expected);
        assert!(gatherer.is_between());
        assert!(gatherer.take(&[0]).is_err(), "more than was agreed");
    }
    assert_eq!(ProvenRecord::read(&signed).unwrap().0, proven);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_with_whom_a_replica_is_in_touch_are_asked_and_the_first_good_answer_is_taken() {
    let mut region = Region::new();
    let ((north, _), (south, _), (tablet, _)) =
        (region.enrol("north"), region.enrol("south"), region.enrol("tablet"));
    let record = written(&north);
    let (south, tablet) = (without_areas(south), without_areas(tablet));
    served(&north, async |to_north| {
        served(&south, async |to_south| {
            let (stop, stopped) = watch::channel(false);
            let mut sessions = Vec::new();
            for address in [to_north, to_south] {
                let local = "127.0.0.1:0".parse().unwrap();
                let seed = tablet.me().seed.clone();
                let endpoint =
                    Endpoint::bind(local, seed.expose(), asking::options(), asking::everybody()).unwrap();
                let link = endpoint.connect(address, None).await.unwrap();
                let (state, stopped, tablet) =
                    (watch::channel(SessionState::default()).0, stopped.clone(), tablet.clone());
                sessions.push((
                    endpoint,
                    tokio::spawn(syncing::run(
                        tablet,
                        link,
                        syncing::Side::Dials(None),
                        Until::Stopped,
                        None,
                        state,
                        stopped,
                    )),
                ));
            }
            while tablet.pulling.table().sessions().len() < 2 {
                tokio::task::yield_now().await;
            }
            let whom = by_name("田中 幸雄", "1950-03-04");
            let ask = |from: Option<&str>| PullWanted {
                whom: whom.clone(),
                from: from.map(str::to_owned),
                card_only: true,
            };
            let got = pull(&tablet, &ask(None), &[], &mut |_| {}).await.unwrap();
            assert_eq!((got.device.as_str(), got.records[0].record), ("north-1", record));
            assert!(
                got.others.iter().all(|other| other.contains("south-1 (south): knows of nobody")),
                "{got:?}"
            );
            // By the names of a device and of a site.
            assert_eq!(pull(&tablet, &ask(Some("north-1")), &[], &mut |_| {}).await.unwrap().site, "north");
            let error = pull(&tablet, &ask(Some("south")), &[], &mut |_| {}).await.unwrap_err().to_string();
            assert!(error.contains("south-1") && !error.contains("north"), "{error}");
            let error = pull(&tablet, &ask(Some("west")), &[], &mut |_| {}).await.unwrap_err().to_string();
            assert!(error.contains("'west'"), "{error}");
            stop.send(true).unwrap();
            for (endpoint, session) in sessions {
                session.await.unwrap().unwrap();
                endpoint.close("the test is over").await;
            }
        })
        .await;
    })
    .await;
    assert!(tablet.pulling.table().sessions().is_empty(), "sessions that are over are not asked");
}
