//! One person, fetched on demand over bad links: by name over 23 kbit/s, and the cards of a ward at 20 kB/s.
//!
//! A hospital holds the records; a tablet's certificate does not even name their area. The tablet asks over a link that it opens for
//! it (the command alone), and over the session of a running replica. What was fetched counts only when it is shown afterwards.

use std::fs;
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::accounting::at_rest;
use super::workload::Workload;
use crate::drill::StepFailure;
use crate::drill::live::{Client, Home, Musubi, Place, ServeProcess};
use crate::replica::answer::Status;
use crate::replica::pull_answer::{PullWanted, Pulled, WhomTyped};
use crate::replica::request::{Progress, Request};
use crate::transport::{LinkProfile, ProfileName, Relay};

/// Most records of one measurement.
pub const PULL_RECORDS_MAX: u64 = 1_000_000;
/// People of a ward.
pub const WARD: u64 = 50;
/// The link over which a ward's cards are fetched, in bytes a second.
pub const WARD_BYTES_PER_S: u64 = 20_000;
/// The delay of that link in one direction, in milliseconds.
const WARD_DELAY_MS: u32 = 50;
/// How long an import may take.
const COMMAND_WITHIN: Duration = Duration::from_secs(3_600);
/// How long the two may take until they are in sync over the slowest link.
const SYNC_WITHIN: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What is measured.
#[derive(Debug, Clone)]
pub struct PullOptions {
    /// Records at the hospital.
    pub records: u64,
    /// How many people are fetched one by one, in each way.
    pub people: u64,
    /// What all is drawn from.
    pub seed: u64,
    /// An empty folder, on the disk that is measured.
    pub work: PathBuf,
    /// The binary.
    pub exe: PathBuf,
}

/// One person, fetched.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Fetch {
    /// Seconds from the call, the store being open, until the facts of the card had come.
    pub facts_s: f64,
    /// Until the card was proven and durable.
    pub card_s: f64,
    /// Until all was.
    pub all_s: f64,
    /// Seconds of the whole process, from its start to its end; of a running replica, of the question and its answer.
    pub wall_s: f64,
    /// UDP payload that the relay passed, both ways.
    pub bytes: u64,
    /// Entries that came.
    pub entries: u64,
}

/// The cards of a ward, asked for at once.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Ward {
    /// People.
    pub people: u64,
    /// Seconds until the first card was proven and durable.
    pub first_s: f64,
    /// Seconds until the last was.
    pub last_s: f64,
    /// UDP payload that the relay passed, both ways.
    pub bytes: u64,
    /// Bytes a second of the link in each direction.
    pub bytes_per_s: u64,
}

/// What was measured.
#[derive(Debug, Clone, Serialize)]
pub struct PullMeasured {
    /// Records at the hospital.
    pub records: u64,
    /// From what all was drawn.
    pub seed: u64,
    /// The link of the first two.
    pub profile: String,
    /// The first of all: neither had ever heard of the other's device.
    pub strangers: Fetch,
    /// By name and birth date, everything that is known, over a link that was opened for it.
    pub cold: Vec<Fetch>,
    /// The same, the card alone.
    pub cold_card: Vec<Fetch>,
    /// By name and birth date over the session of a running replica.
    pub warm: Vec<Fetch>,
    /// The cards of a ward.
    pub ward: Ward,
}

/// Measures; `progress` hears how far it is.
///
/// # Errors
/// [`StepFailure`] saying what could not be done, or who was not fetched.
pub async fn pull(
    options: &PullOptions,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<PullMeasured, StepFailure> {
    let mut doing = |doing: &str, done: u64, of: u64| {
        progress(Progress { doing: doing.to_owned(), done, of, unit: "people".to_owned() });
    };
    let workload = Workload { records: options.records, edited: 0, seed: options.seed };
    let region = Region::make(options).await?;
    doing("importing", 0, options.records);
    region.import(&workload).await?;
    let north = region.serve("north", &[]).await?;
    at_rest(north.id(), COMMAND_WITHIN).await?;
    let narrow = ProfileName::Narrow23k;
    let relay = region.relay(narrow.profile())?;
    let strangers = region.fetch(&workload, options.records - 1, &relay, false).await?;
    let (mut cold, mut cold_card, mut warm) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..options.people {
        doing("fetching", number, options.people);
        cold.push(region.fetch(&workload, number, &relay, false).await?);
        cold_card.push(region.fetch(&workload, options.people + number, &relay, true).await?);
    }
    drop(relay);

    let relay = region.relay(narrow.profile())?;
    let tablet = region.serve("tablet", &[relay.addr()]).await?;
    region.in_sync().await?;
    for number in 0..options.people {
        doing("fetching", number, options.people);
        warm.push(region.ask(&workload, 2 * options.people + number, &relay).await?);
    }
    tablet.stop(&region.home("tablet")).await?;
    drop(relay);

    let profile = LinkProfile {
        delay_ms: WARD_DELAY_MS,
        rate_bytes_per_s: NonZeroU64::new(WARD_BYTES_PER_S),
        ..LinkProfile::default()
    };
    let relay = region.relay(profile)?;
    let tablet = region.serve("tablet", &[relay.addr()]).await?;
    region.in_sync().await?;
    doing("fetching a ward", 0, WARD);
    let first = 3 * options.people;
    let ward = region.ward(&workload, first..(first + WARD).min(options.records), &relay).await?;
    tablet.stop(&region.home("tablet")).await?;
    north.stop(&region.home("north")).await?;
    let profile = narrow.to_string();
    let (records, seed) = (options.records, options.seed);
    Ok(PullMeasured { records, seed, profile, strangers, cold, cold_card, warm, ward })
}

struct Region {
    musubi: Musubi,
    work: PathBuf,
    north: Place,
    tablet: Place,
}

impl Region {
    async fn make(options: &PullOptions) -> Result<Self, StepFailure> {
        let place = || Place::on_loopback().map_err(|error| StepFailure::of("finding a free port", error));
        let musubi = Musubi::new(&options.exe).patient(COMMAND_WITHIN);
        let region = Self { musubi, work: options.work.clone(), north: place()?, tablet: place()? };
        let realm = region.work.join("realm");
        let create: [&(dyn AsRef<std::ffi::OsStr> + Sync); 6] =
            [&"realm", &"create", &"--realm", &realm, &"--name", &"bench"];
        let _: Value = region.musubi.run(&create).await?;
        for (name, kind, role, area) in [
            ("north", "hospital", "hospital", "shared/bench"),
            ("tablet", "shelter", "tablet", "shared/shelter"),
        ] {
            let store = region.store(name);
            let _: Value = region
                .musubi
                .run(&[
                    &"realm",
                    &"enrol",
                    &"--realm",
                    &realm,
                    &"--site",
                    &name,
                    &"--kind",
                    &kind,
                    &"--device",
                    &name,
                    &"--role",
                    &role,
                    &"--area",
                    &area,
                    &"--store",
                    &store,
                ])
                .await?;
        }
        Ok(region)
    }

    async fn import(&self, workload: &Workload) -> Result<(), StepFailure> {
        let file = self.work.join("region.ndjson");
        let failed = |error: std::io::Error| StepFailure::of(format!("using {}", self.work.display()), error);
        let mut written = fs::File::create(&file).map_err(failed)?;
        workload.write_to(&mut written, &mut |_| {}).map_err(failed)?;
        drop(written);
        let store = self.store("north");
        let _: Value = self
            .musubi
            .run(&[&"import", &"--store", &store, &file, &"--author", &"bench", &"--role", &"import"])
            .await?;
        fs::remove_file(&file).map_err(failed)
    }

    /// Fetches a person by a command that opens a link for it.
    async fn fetch(
        &self,
        workload: &Workload,
        number: u64,
        relay: &Relay,
        card: bool,
    ) -> Result<Fetch, StepFailure> {
        let (name, birth_date) = workload.named(number);
        let (store, from) = (self.store("tablet"), relay.addr().to_string());
        let before = passed(relay);
        let begun = Instant::now();
        let mut words: Vec<&(dyn AsRef<std::ffi::OsStr> + Sync)> = vec![
            &"pull",
            &"--store",
            &store,
            &"--name",
            &name,
            &"--birth-date",
            &birth_date,
            &"--from",
            &from,
        ];
        if card {
            words.push(&"--card");
        }
        let pulled: Pulled = self.musubi.run(&words).await?;
        let wall_s = begun.elapsed().as_secs_f64();
        fetched(&pulled, workload, number, wall_s, passed(relay) - before)
    }

    /// Fetches a person by asking the running replica.
    async fn ask(&self, workload: &Workload, number: u64, relay: &Relay) -> Result<Fetch, StepFailure> {
        let (name, birth_date) = workload.named(number);
        let mut client = Client::connect(&self.home("tablet")).await?;
        let before = passed(relay);
        let begun = Instant::now();
        let whom = WhomTyped::Person { name, birth_date };
        let wanted = PullWanted { whom, from: None, card_only: false };
        let pulled: Pulled = client.ask(&Request::Pull(wanted)).await?;
        let wall_s = begun.elapsed().as_secs_f64();
        fetched(&pulled, workload, number, wall_s, passed(relay) - before)
    }

    async fn ward(
        &self,
        workload: &Workload,
        numbers: std::ops::Range<u64>,
        relay: &Relay,
    ) -> Result<Ward, StepFailure> {
        let before = passed(relay);
        let begun = Instant::now();
        let (mut asking, people) = (JoinSet::new(), numbers.end.saturating_sub(numbers.start));
        for number in numbers {
            let (home, record) = (self.home("tablet"), workload.record_id(number));
            asking.spawn(async move {
                let mut client = Client::connect(&home).await?;
                let whom = WhomTyped::Record { record: record.to_string() };
                let wanted = PullWanted { whom, from: None, card_only: true };
                let pulled: Pulled = client.ask(&Request::Pull(wanted)).await?;
                Ok::<_, StepFailure>((number, pulled))
            });
        }
        let (mut first_s, mut last_s) = (f64::MAX, 0.0_f64);
        while let Some(done) = asking.join_next().await {
            let (number, pulled) = done.map_err(|error| StepFailure::of("asking for a ward", error))??;
            let took = begun.elapsed().as_secs_f64();
            fetched(&pulled, workload, number, took, 0)?;
            (first_s, last_s) = (first_s.min(took), last_s.max(took));
        }
        Ok(Ward { people, first_s, last_s, bytes: passed(relay) - before, bytes_per_s: WARD_BYTES_PER_S })
    }

    /// Waits until the tablet is in sync with the hospital.
    async fn in_sync(&self) -> Result<(), StepFailure> {
        let begun = Instant::now();
        while begun.elapsed() < SYNC_WITHIN {
            let mut client = Client::connect(&self.home("tablet")).await?;
            let status: Status = client.ask(&Request::Status).await?;
            if status.peers.iter().any(|peer| peer.in_sync) {
                return Ok(());
            }
            sleep(LOOK_EVERY).await;
        }
        Err(StepFailure("the tablet and the hospital did not come to be in sync".to_owned()))
    }

    async fn serve(&self, name: &str, peers: &[SocketAddr]) -> Result<ServeProcess, StepFailure> {
        let place = if name == "north" { &self.north } else { &self.tablet };
        let mut config = format!("store = {:?}\nlisten = \"{}\"\n", self.store(name), place.listen);
        for peer in peers {
            config.push_str(&format!("[[peers]]\nname = \"hospital\"\naddress = \"{peer}\"\n"));
        }
        let file = self.work.join(format!("{name}.toml"));
        fs::write(&file, config).map_err(|error| StepFailure::of("writing a configuration", error))?;
        let log = self.work.join(format!("{name}.log"));
        let mut server = ServeProcess::spawn(place.command(self.musubi.exe()), &file, &log, None)?;
        server.ready(&self.home(name)).await?;
        Ok(server)
    }

    fn relay(&self, profile: LinkProfile) -> Result<Relay, StepFailure> {
        Relay::start(self.north.listen, profile, 1)
            .map_err(|error| StepFailure::of("starting the relay", error))
    }

    fn home(&self, name: &str) -> Home {
        Home { store: self.store(name), door: None }
    }

    fn store(&self, name: &str) -> PathBuf {
        Path::join(&self.work, name)
    }
}

/// Checks that the right person came, shown by name where there is a name, and proven.
fn fetched(
    pulled: &Pulled,
    workload: &Workload,
    number: u64,
    wall_s: f64,
    bytes: u64,
) -> Result<Fetch, StepFailure> {
    let (name, _) = workload.named(number);
    let is_there = pulled.records.iter().any(|one| one.record == workload.record_id(number));
    if !is_there || !pulled.whole || !pulled.text.contains(&name) || !pulled.text.contains("FETCHED") {
        return Err(StepFailure(format!("person {number} was not fetched whole")));
    }
    let seconds = |ms: Option<u64>| ms.map_or(f64::NAN, |ms| ms as f64 / 1e3);
    Ok(Fetch {
        facts_s: seconds(pulled.facts_ms),
        card_s: seconds(pulled.card_ms),
        all_s: seconds(Some(pulled.took_ms)),
        wall_s,
        bytes,
        entries: pulled.records.iter().map(|one| one.entries).sum(),
    })
}

/// UDP payload that has passed a relay, both ways.
fn passed(relay: &Relay) -> u64 {
    let counters = relay.counters();
    counters.up.bytes + counters.down.bytes
}
