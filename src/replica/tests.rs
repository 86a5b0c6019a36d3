//! Two replicas end to end: enrolment, import, real sockets, backup, restore.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::watch;

use super::asking::{self, sync_once};
use super::environment::{Environment as _, EnvironmentRng, SystemEnvironment};
use super::home::Home;
use super::importing::ImportCall;
use super::realm::{CertifiedDevice, Enrolment, RealmFolder, RecoveryKit};
use super::request::{ExportFormat, MedicationAction, NewPatient, Write};
use super::syncing::{self, SessionState, Until};
use super::{Replica, ReplicaError};
use crate::base::{Area, Digest, RecordId};
use crate::identity::{DeviceRole, SiteKind};
use crate::record::{Author, Harm, RecordView, json};
use crate::store::keys::KeySource;
use crate::transport::Endpoint;

pub(super) struct Region {
    pub(super) dir: tempfile::TempDir,
    realm: RealmFolder,
}

impl Region {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let environment = SystemEnvironment;
        let mut rng = EnvironmentRng(&environment);
        let realm =
            RealmFolder::create(&dir.path().join("realm"), "三浦", environment.now(), &mut rng).unwrap();
        Self { dir, realm }
    }

    pub(super) fn enrol(&mut self, site: &str) -> (Arc<Replica>, PathBuf) {
        let (replica, recovery) = self.certified(site, BTreeSet::from([Area::new("shared/miura").unwrap()]));
        (replica, recovery.unwrap())
    }

    pub(super) fn enrol_in(&mut self, site: &str, areas: BTreeSet<Area>) -> Arc<Replica> {
        self.certified(site, areas).0
    }

    fn certified(&mut self, site: &str, areas: BTreeSet<Area>) -> (Arc<Replica>, Option<PathBuf>) {
        let environment = SystemEnvironment;
        let mut rng = EnvironmentRng(&environment);
        let wanted = Enrolment {
            site: site.into(),
            kind: SiteKind::Hospital,
            device: format!("{site}-1"),
            role: DeviceRole::Hospital,
            areas,
        };
        let CertifiedDevice { device, recovery } =
            self.realm.enrol(&wanted, environment.now(), &mut rng).unwrap();
        let path = self.dir.path().join(site);
        let key = Self::key(&path);
        let replica = Home::create_enrolled(&path, &key, Arc::new(environment), &device).unwrap();
        (Arc::new(replica), recovery)
    }

    pub(super) fn key(path: &Path) -> KeySource {
        KeySource::File(path.join("store.key"))
    }
}

pub(super) fn author() -> Author {
    Author { name: "北村 夏子".into(), role: "doctor".into() }
}

pub(super) fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/data/jp-region-small")
}

pub(super) fn import(replica: &Replica, paths: Vec<PathBuf>) -> super::answer::Imported {
    let call = ImportCall { paths, source: None, area: None, author: author() };
    replica.import(&call, &mut |_| {}).unwrap()
}

pub(super) fn digest(replica: &Replica) -> Digest {
    replica.heads_digest()
}

pub(super) fn views(replica: &Replica) -> BTreeMap<RecordId, Vec<u8>> {
    let view = |record: RecordId| (record, RecordView::of(&replica.facts(&record).unwrap().0).to_json());
    replica.records().unwrap().into_iter().map(view).collect()
}

/// Serves one replica while `during` runs.
pub(super) async fn served<T>(replica: &Arc<Replica>, during: impl AsyncFnOnce(SocketAddr) -> T) -> T {
    let seed = replica.me().seed.clone();
    let local = "127.0.0.1:0".parse().unwrap();
    let endpoint =
        Arc::new(Endpoint::bind(local, seed.expose(), asking::options(), asking::everybody()).unwrap());
    let address = endpoint.local_addr().unwrap();
    let (stop, stopped) = watch::channel(false);
    let (replica, accepting) = (replica.clone(), endpoint.clone());
    let serving = tokio::spawn(async move {
        while let Some(Ok(link)) = accepting.accept().await {
            let (state, _) = watch::channel(SessionState::default());
            // Each test looks at the side that dials.
            let _ = syncing::run(
                replica.clone(),
                link,
                syncing::Side::Accepts,
                Until::Stopped,
                None,
                state,
                stopped.clone(),
            )
            .await;
        }
    });
    let result = during(address).await;
    stop.send(true).unwrap();
    endpoint.close("the test is over").await;
    serving.await.unwrap();
    result
}

pub(super) async fn meet(a: &Arc<Replica>, b: &Arc<Replica>) -> super::sync_answer::Synced {
    served(b, async |address| sync_once(a, &address.to_string()).await.unwrap()).await
}

fn exported(replica: &Replica, to: &Path) -> BTreeSet<String> {
    replica.export(None, ExportFormat::Ndjson, to, &mut |_| {}).unwrap();
    let mut all = BTreeSet::new();
    for file in std::fs::read_dir(to).unwrap() {
        for line in std::fs::read_to_string(file.unwrap().path()).unwrap().lines() {
            assert!(all.insert(json::canonical(line).unwrap()), "a resource is exported twice");
        }
    }
    all
}

fn source_resources() -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for file in std::fs::read_dir(data()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        let mut text = String::new();
        std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(bytes.as_slice()), &mut text)
            .unwrap();
        all.extend(text.lines().map(|line| json::canonical(line).unwrap()));
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn imports_on_both_sides_meet_as_one_and_come_back_equal() {
    let mut region = Region::new();
    let ((north, _), (south, _)) = (region.enrol("north"), region.enrol("south"));
    let whole = import(&north, vec![data()]);
    assert_eq!((whole.resources, whole.added, whole.skipped), (1_864, 1_864, 0));
    let part = ["Patient", "AllergyIntolerance", "MedicationRequest"];
    let part = part.map(|name| data().join(format!("{name}.ndjson.gz"))).to_vec();
    import(&south, part);
    let before = views(&north);

    let synced = meet(&north, &south).await;

    assert!(synced.sent > 0 && synced.received > 0);
    assert_eq!(digest(&north), digest(&south));
    assert_eq!(views(&north), views(&south));
    let again = import(&south, vec![data()]);
    assert_eq!((again.added, again.updated, again.unchanged), (0, 0, 1_864));
    let source = source_resources();
    assert_eq!(exported(&south, &region.dir.path().join("export")), source);
    assert_eq!(before.len(), views(&south).len());
}

#[test]
fn a_contraindicated_order_is_not_written_without_a_reason_and_the_reason_stays_beside_it() {
    let mut region = Region::new();
    let (north, _) = region.enrol("north");
    let patient = NewPatient { name: "田中 幸雄".into(), kana: None, birth_date: None, sex: None };
    let record = north.register(&patient, None, author()).unwrap().record;
    let order = |action, drug: &str| Write::Medication {
        action,
        drug: drug.into(),
        code: None,
        dose: Some("1錠".into()),
        reason: None,
    };
    let start = |drug: &str| order(MedicationAction::Start, drug);
    north.write(&record, start("ワーファリン錠1mg"), author()).unwrap();
    let statements = || north.facts(&record).unwrap().0.len();
    let before = statements();

    let refused = north.write(&record, start("フロリードゲル経口用2%"), author()).unwrap_err();

    let ReplicaError::Contraindicated(blocked) = &refused else { panic!("{refused}") };
    assert_eq!(blocked.rules, ["DD-001.1"]);
    assert!(blocked.blocked[0].contains("ワーファリン") && !refused.to_string().contains("ワーファリン"));
    assert!(!format!("{refused:?}").contains("ワーファリン"), "errors may be logged");
    assert_eq!(statements(), before);
    assert!(north.write_overriding(&record, start("フロリードゲル経口用2%"), author(), Some(" ")).is_err());

    let written =
        north.write_overriding(&record, start("フロリードゲル経口用2%"), author(), Some("代替なし")).unwrap();
    assert!(written.warnings[0].contains("ワーファリン"), "{:?}", written.warnings);
    let view = north.view(&north.facts(&record).unwrap().0);
    let [alert] = view.alerts.as_slice() else { panic!("one alert") };
    assert_eq!(alert.overrides[0].reason, "代替なし");
    assert!(!alert.interrupts());
    assert!(north.show(&record).unwrap().text.contains("because: 代替なし"));
    // What was overridden does not stop a change of dose by those who know of it, nor do allergies or stops wait.
    let change = order(MedicationAction::Change, "フロリードゲル経口用2%");
    north.write(&record, change, author()).unwrap();
    let allergy =
        Write::Allergy {
            substance: "ミコナゾール".into(), code: None, criticality: None, refute: None
        };
    assert!(!north.write(&record, allergy, author()).unwrap().warnings.is_empty());
    north.write(&record, order(MedicationAction::Stop, "ワーファリン錠1mg"), author()).unwrap();
    assert_eq!(north.view(&north.facts(&record).unwrap().0).alerts.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dose_changed_here_and_stopped_there_shows_both() {
    let mut region = Region::new();
    let ((north, _), (south, _)) = (region.enrol("north"), region.enrol("south"));
    let patient = NewPatient {
        name: "田中 幸雄".into(),
        kana: Some("タナカ ユキオ".into()),
        birth_date: Some("1950-03-04".into()),
        sex: Some("male".into()),
    };
    let record = north.register(&patient, None, author()).unwrap().record;
    let medication = |action, dose: Option<&str>| Write::Medication {
        action,
        drug: "アムロジピン".into(),
        code: None,
        dose: dose.map(str::to_owned),
        reason: None,
    };
    north.write(&record, medication(MedicationAction::Start, Some("5mg 1日1回")), author()).unwrap();
    north.write(&record, Write::Handover { text: "患者は歩行可能。".into() }, author()).unwrap();
    meet(&north, &south).await;

    north.write(&record, medication(MedicationAction::Change, Some("10mg 1日1回")), author()).unwrap();
    south.write(&record, medication(MedicationAction::Stop, None), author()).unwrap();
    north.write(&record, Write::Handover { text: "患者は独歩で歩行可能。".into() }, author()).unwrap();
    south.write(&record, Write::Handover { text: "患者は歩行可能。酸素2L。".into() }, author()).unwrap();
    meet(&south, &north).await;

    for replica in [&north, &south] {
        let shown = replica.show(&record).unwrap();
        assert!(shown.text.contains("10mg 1日1回") && shown.text.contains('‖'), "{}", shown.text);
        let view = RecordView::of(&replica.facts(&record).unwrap().0);
        assert_eq!(view.conflicts.iter().filter(|conflict| conflict.open).count(), 1);
        assert_eq!(shown.charts[0].handover, "患者は独歩で歩行可能。酸素2L。");
        assert_eq!(replica.find("たなか ゆきお", 10).unwrap().patients[0].record, record);
        assert_eq!(replica.find("1950-03-04", 10).unwrap().patients.len(), 1);
    }
    assert_eq!(views(&north), views(&south));

    // What waits is listed; a side that arrives before the decision is written makes it another question.
    let open = north.decisions(None, &mut |_| {}).unwrap().open.remove(0);
    assert_eq!((open.record, open.harm, open.sides.len()), (record, Harm::High, 2));
    let stop = 1 + open.sides.iter().position(|side| side.says.starts_with("stop")).unwrap();
    let decide = |replica: &Replica, name: &str, keep, reason: &str| {
        replica.decide(&record, name, keep, reason.to_owned(), author(), None)
    };
    assert!(decide(&north, &open.decision, stop, " ").is_err(), "no reason");
    assert!(decide(&north, &open.decision, 3, "低血圧").is_err(), "no such side");
    assert!(decide(&north, "00000000-00000000", stop, "低血圧").is_err(), "no such decision");
    decide(&north, &open.decision, stop, "低血圧").unwrap();
    // South has not heard of it, and decides otherwise.
    decide(&south, &open.decision, 3 - stop, "主治医に確認").unwrap();
    meet(&south, &north).await;
    let again = south.decisions(Some(record), &mut |_| {}).unwrap().open;
    assert_eq!(again.len(), 1, "two decisions made apart wait for somebody again");
    let refused = decide(&north, &open.decision, stop, "低血圧").unwrap();
    let now = refused.changed.unwrap();
    assert!(refused.written.is_none() && now.decision == again[0].decision && now.sides.len() == 2);
    decide(&south, &again[0].decision, 1, "再確認").unwrap();
    meet(&south, &north).await;
    for replica in [&north, &south] {
        assert!(replica.decisions(None, &mut |_| {}).unwrap().open.is_empty());
    }
    assert_eq!(views(&north), views(&south));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_site_comes_back_from_the_bucket_as_a_new_device() {
    let mut region = Region::new();
    let ((north, recovery), (south, _)) = (region.enrol("north"), region.enrol("south"));
    import(&north, vec![data()]);
    let url = format!("file://{}", region.dir.path().join("bucket").display());
    let first = north.backup_now(&url, &mut |_| {}).await.unwrap();
    assert!(first.entries > 0 && first.manifest == Some(0));
    assert_eq!(north.backup_now(&url, &mut |_| {}).await.unwrap().manifest, None);
    meet(&north, &south).await;
    north.backup_now(&url, &mut |_| {}).await.unwrap();
    let verified = north.backup_verify(&url, &mut |_| {}).await.unwrap();
    assert_eq!(verified.problems, Vec::<String>::new());
    assert_eq!(verified.heads, digest(&north));
    let (expected, lost) = (views(&north), digest(&north));
    drop(north);

    let path = region.dir.path().join("north again");
    let plan = super::restoring::RestorePlan {
        url: &url.parse().unwrap(),
        kit: &RecoveryKit::read(&recovery).unwrap(),
        store: &path,
        key: &Region::key(&path),
        device: "north-2",
        role: DeviceRole::Hospital,
    };
    let restored = super::restoring::restore(&plan, Arc::new(SystemEnvironment), &mut |_| {}).await.unwrap();

    assert_eq!((restored.problems, restored.heads), (Vec::new(), lost));
    let again = Home::open(&path, &Region::key(&path), Arc::new(SystemEnvironment)).unwrap();
    let again = Arc::new(again);
    assert_eq!(views(&again), expected);
    let patient = again.find("POP-000035", 1).unwrap().patients[0].record;
    again.write(&patient, Write::Note { text: "復旧後の記録".into(), title: None }, author()).unwrap();
    meet(&again, &south).await;
    assert_eq!(digest(&again), digest(&south));
    assert_eq!(views(&again), views(&south));
}

/// A backup once wrote its only manifest at its end: over a link that broke off sooner it never got anywhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_that_breaks_off_goes_on_from_its_last_manifest() {
    let mut region = Region::new();
    let (north, _) = region.enrol("north");
    import(&north, vec![data()]);
    let url_of = |name: &str| format!("file://{}", region.dir.path().join(name).display());
    let bucket = super::backing::open_bucket(&url_of("whole")).unwrap();
    let whole = north.backup_in_steps(&bucket, "whole", &BTreeMap::new(), 1, &mut |_| {}).await.unwrap();
    assert!(whole.segments > 2 && whole.manifest == Some(whole.segments - 1), "{whole:?}");

    // The same bucket as it is when the link breaks after two manifests, the third's segment being there.
    let (from, cut) = (region.dir.path().join("whole"), region.dir.path().join("cut"));
    let chain = format!("manifests/{}", north.me().device);
    std::fs::create_dir_all(cut.join(&chain)).unwrap();
    std::fs::rename(from.join("segments"), cut.join("segments")).unwrap();
    for number in ["00000000", "00000001"] {
        std::fs::rename(from.join(&chain).join(number), cut.join(&chain).join(number)).unwrap();
    }
    let rest = north.backup_now(&url_of("cut"), &mut |_| {}).await.unwrap();
    assert_eq!((rest.manifest, rest.segments), (Some(2), whole.segments - 2));
    assert!(0 < rest.entries && rest.entries < whole.entries, "{rest:?}");
    let verified = north.backup_verify(&url_of("cut"), &mut |_| {}).await.unwrap();
    assert_eq!((verified.problems, verified.heads), (Vec::new(), digest(&north)));
    assert_eq!((verified.manifests, verified.entries), (3, whole.entries));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_holds_fewer_areas_asks_for_no_more() {
    let mut region = Region::new();
    let ((north, _), (tablet, _)) = (region.enrol("north"), region.enrol("tablet"));
    import(&north, vec![data()]);
    let mut tablet = Arc::into_inner(tablet).unwrap();
    tablet.hold_only(BTreeSet::new());
    let tablet = Arc::new(tablet);

    meet(&north, &tablet).await;

    let areas: BTreeSet<Area> = tablet.lanes().into_values().map(|lane| lane.name.area).collect();
    assert_eq!(areas, BTreeSet::from([Area::common()]));
    assert!(tablet.find("田中", 1).unwrap().patients.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_of_another_realm_is_refused_on_both_ends() {
    let (mut ours, mut theirs) = (Region::new(), Region::new());
    let ((north, _), (stranger, _)) = (ours.enrol("north"), theirs.enrol("stranger"));
    let error = served(&north, async |address| sync_once(&stranger, &address.to_string()).await)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("realm"), "{error}");
}
