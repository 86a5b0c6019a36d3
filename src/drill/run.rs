//! Running a drill from its scenario file to its report.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::chance::Chance;
use super::course::Course;
use super::error::DrillError;
use super::live::{DrillBucket, Ground, Live, Musubi, Netns, Place, Region, observe};
use super::report::DrillReport;
use super::scenario::Scenario;
use super::sim_run::plant_named;
use super::story::{Timeline, clock};

/// The seed of a drill that is given none.
pub const SEED: u64 = 1;

/// How a drill is run.
#[derive(Debug, Clone)]
pub struct DrillOptions {
    /// The scenario file.
    pub scenario_path: PathBuf,
    /// Where stores, logs and exports go, and stay; without it, a temporary folder that is removed.
    pub work_dir: Option<PathBuf>,
    /// The bucket, `file://…` or `s3://…`; without it, a folder in the work folder.
    pub bucket: Option<String>,
    /// Whether each replica gets a network namespace and an address of its own.
    pub netns: bool,
    /// The seed of the links' fates.
    pub seed: u64,
    /// The fault to plant in the replicas, by the name of a [`Plant`](crate::base::planted::Plant).
    pub sabotage: Option<String>,
    /// The `musubi` binary whose processes are the replicas.
    pub exe: PathBuf,
}

/// A drill that was run with real processes.
#[derive(Debug)]
pub struct LiveDrill {
    /// The scenario.
    pub scenario: Scenario,
    /// What happened.
    pub course: Course,
    /// The report.
    pub report: DrillReport,
}

/// Runs a drill; `on_event` hears each line of the story as it happens.
///
/// # Errors
/// [`DrillError`] when the drill could not be run at all. What goes wrong in it is in the report.
pub async fn run(options: DrillOptions, on_event: &mut dyn FnMut(&str)) -> Result<LiveDrill, DrillError> {
    options.sabotage.as_deref().map(plant_named).transpose()?;
    let scenario = Scenario::read(&options.scenario_path)?;
    scenario.check_live(&options.scenario_path)?;
    let run = format!("drill-{}-{}", scenario.name, now_ms());
    let temporary = match options.work_dir {
        Some(_) => None,
        None => Some(
            tempfile::Builder::new().prefix("musubi-drill-").tempdir().map_err(work_error("…".as_ref()))?,
        ),
    };
    let work = match (&options.work_dir, &temporary) {
        // Each run in a folder of its own: two runs never meet in one store.
        (Some(folder), _) => folder.join(&run),
        (None, Some(temporary)) => temporary.path().to_owned(),
        (None, None) => std::env::temp_dir().join(&run),
    };
    fs::create_dir_all(&work).map_err(work_error(&work))?;
    let work = fs::canonicalize(&work).map_err(work_error(&work))?;

    let begun = Instant::now();
    let mut timeline = Timeline::begin(&scenario);
    on_event(&timeline.opening());
    let netns = match options.netns {
        true => Some(Netns::build(&options.exe, scenario.replicas.len()).await?),
        false => None,
    };
    let places = match &netns {
        Some(netns) => netns.places(),
        None => (0..scenario.replicas.len())
            .map(|_| Place::on_loopback())
            .collect::<Result<_, _>>()
            .map_err(work_error("a port of 127.0.0.1".as_ref()))?,
    };
    let bucket = match scenario.gateway.as_ref().and_then(|gateway| scenario.index(gateway)) {
        Some(at) => Some(DrillBucket::open(&work, options.bucket.as_deref(), &run, places[at].front).await?),
        None => None,
    };
    let by_bucket = scenario.replicas.iter().any(|plan| plan.bucket_every.is_some());
    if let (true, true, Some(DrillBucket::Server { .. })) = (netns.is_some(), by_bucket, &bucket) {
        let text = "with --netns only the gateway reaches a server, and 'bucket-every' needs others to: leave out --bucket or \
                    --netns";
        return Err(DrillError::BucketNotCuttable(text));
    }
    let ground = Ground { places, netns, bucket };
    let musubi = Musubi::new(&options.exe);
    let mut region = Region::create(&scenario, &work, musubi, ground, options.seed, options.sabotage).await?;
    for plan in &scenario.replicas {
        region
            .start(&plan.name)
            .await
            .map_err(|failure| DrillError::SetUp { doing: format!("starting {}", plan.name), failure })?;
    }
    let alone = if options.netns { ", each in a network namespace at an address of its own" } else { "" };
    let sentence = format!("{} replicas run, in a realm of their own{alone}.", scenario.replicas.len());
    on_event(&format!("{}  {}", clock(begun.elapsed()), timeline.tell(begun.elapsed(), &sentence)));

    let mut live = Live::begin(region, Chance::of_seed(options.seed));
    for (number, plan) in scenario.events.iter().enumerate() {
        if let Some(tell) = [&plan.tell.en, &plan.tell.ja].into_iter().find(|tell| !tell.is_empty()) {
            on_event(&format!("{}  {}", clock(begun.elapsed()), timeline.tell(begun.elapsed(), tell)));
        }
        let outcome = live.take(number, plan).await;
        let sentence = timeline.happened(begun.elapsed(), &scenario, plan.event.as_ref(), &outcome);
        on_event(&format!("{}  {sentence}", clock(begun.elapsed())));
    }
    live.finish().await;
    let (seen, course) = observe(live).await;
    let sentence = "All replicas were shut down, and their disks read.";
    on_event(&format!("{}  {}", clock(begun.elapsed()), timeline.tell(begun.elapsed(), sentence)));
    let report = DrillReport::of(&scenario, options.seed, &seen, timeline).with_course(&course);
    Ok(LiveDrill { scenario, course, report })
}

fn work_error(path: &Path) -> impl Fn(std::io::Error) -> DrillError {
    let path = path.to_owned();
    move |source| DrillError::Work { path: path.clone(), source }
}

fn now_ms() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()
}
