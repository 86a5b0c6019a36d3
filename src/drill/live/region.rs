//! A region on one machine: a realm, stores, configurations, relays, running replicas.
//!
//! ```text
//! WORK/realm/                    the realm folder, with the sites' recovery kits
//! WORK/NAME/store-1              a replica's disk; -2 after a restore
//! WORK/NAME/replica.toml         its configuration
//! WORK/NAME/log                  what it printed
//! WORK/bucket/                   the backup, unless a bucket was given
//! WORK/exports/NAME/             what its disk holds at the end
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::bucket::DrillBucket;
use super::client::Client;
use super::command::{Argument, Musubi};
use super::netns::Netns;
use super::place::{Home, Place};
use super::process::ServeProcess;
use super::record::MachineSeen;
use crate::drill::error::{DrillError, StepFailure};
use crate::drill::scenario::{LinkPlan, ReplicaName, ReplicaPlan, Scenario, kind_name, role_name};
use crate::replica::answer::{Restored, Status};
use crate::replica::request::Request;
use crate::transport::Relay;

const EXPORTS: &str = "exports";

/// The replicas of a scenario, alive.
pub struct Region<'s> {
    pub(super) scenario: &'s Scenario,
    work: PathBuf,
    musubi: Musubi,
    sabotage: Option<String>,
    members: BTreeMap<ReplicaName, Member>,
    /// For each link of the scenario: the relay that its first end dials, and that of its second.
    pub(super) links: Vec<[Relay; 2]>,
    /// For each link the bytes that it may carry in a day, and what it had carried when that began.
    pub(super) quotas: Vec<Quota>,
    pub(super) bucket: Option<DrillBucket>,
    /// The namespaces in which the replicas run; the last field, so that it is dropped after them.
    netns: Option<Netns>,
}

/// Where replicas run, and what they share.
pub struct Ground {
    /// The place of each replica, in the scenario's order.
    pub places: Vec<Place>,
    /// The namespaces of these places, if they have any.
    pub netns: Option<Netns>,
    /// The bucket, if there is a backup.
    pub bucket: Option<DrillBucket>,
}

/// The bytes that a link may carry in a day.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Quota {
    /// Them; none is without limit.
    pub(super) per_day: Option<u64>,
    /// The last limit that it had, if any.
    pub(super) ever: Option<u64>,
    /// What it had carried when the limit began.
    pub(super) before: u64,
}

pub(super) struct Member {
    pub(super) folder: PathBuf,
    disk: u32,
    recovery: PathBuf,
    pub(super) place: Place,
    process: Option<ServeProcess>,
    frozen: bool,
}

impl<'s> Region<'s> {
    /// Creates the realm, enrols every replica, and starts relays; no replica runs yet.
    ///
    /// # Errors
    /// [`DrillError::SetUp`] saying what failed.
    pub async fn create(
        scenario: &'s Scenario,
        work: &Path,
        musubi: Musubi,
        ground: Ground,
        seed: u64,
        sabotage: Option<String>,
    ) -> Result<Self, DrillError> {
        let realm = work.join("realm");
        let _: Value = musubi
            .run(&[&"realm", &"create", &"--realm", &realm, &"--name", &scenario.realm])
            .await
            .map_err(set_up("creating the realm"))?;
        let mut members = BTreeMap::new();
        for (plan, place) in scenario.replicas.iter().zip(ground.places) {
            let doing = format!("enrolling {}", plan.name);
            let member = Member::enrol(&musubi, &realm, work, plan, place).await.map_err(set_up(&doing))?;
            members.insert(plan.name.clone(), member);
        }
        let mut links = Vec::new();
        for (number, link) in scenario.links.iter().enumerate() {
            let relay = |dialled: usize| {
                let [dialler, upstream] =
                    [1 - dialled, dialled].map(|end| &members[&link.between[end]].place);
                // Another seed for each direction of each link.
                let seed = seed.wrapping_add((number * 2 + dialled) as u64);
                Relay::start_at(dialler.front, upstream.listen, link.profile.clone(), seed)
                    .map_err(|error| set_up("starting a relay")(StepFailure(error.to_string())))
            };
            links.push([relay(1)?, relay(0)?]);
        }
        let exports = work.join(EXPORTS);
        fs::create_dir_all(&exports).map_err(|source| DrillError::Work { path: exports, source })?;
        let (work, bucket, netns) = (work.to_owned(), ground.bucket, ground.netns);
        let quota = |plan: &LinkPlan| {
            let per_day = plan.quota_bytes_per_day();
            Quota { per_day, ever: per_day, before: 0 }
        };
        let quotas = scenario.links.iter().map(quota).collect();
        Ok(Self { scenario, work, musubi, sabotage, members, links, quotas, bucket, netns })
    }

    /// Returns the scenario.
    pub fn scenario(&self) -> &'s Scenario {
        self.scenario
    }

    /// Returns the command line of the binary.
    pub fn musubi(&self) -> &Musubi {
        &self.musubi
    }

    /// Returns the folder of a replica's disk.
    ///
    /// # Errors
    /// [`StepFailure`] when the scenario has no such replica.
    pub fn store(&self, name: &ReplicaName) -> Result<PathBuf, StepFailure> {
        self.member(name).map(Member::store)
    }

    /// Returns the disk of a replica and the way to its control socket.
    ///
    /// # Errors
    /// [`StepFailure`] when the scenario has no such replica.
    pub fn home(&self, name: &ReplicaName) -> Result<Home, StepFailure> {
        self.member(name).map(Member::home)
    }

    /// Returns the folder of the run.
    pub fn work(&self) -> &Path {
        &self.work
    }

    /// Returns the folder into which a replica's export is written.
    pub fn export_folder(&self, name: &ReplicaName) -> PathBuf {
        self.work.join(EXPORTS).join(&name.0)
    }

    /// Returns the relays of a link: both ways of dialling.
    pub fn relays(&self, link: usize) -> &[Relay] {
        self.links.get(link).map_or(&[], |relays| relays)
    }

    /// Returns the bucket, if there is a backup.
    pub fn bucket(&self) -> Option<&DrillBucket> {
        self.bucket.as_ref()
    }

    /// Returns the names of the replicas that run and are not frozen.
    pub fn running(&self) -> Vec<ReplicaName> {
        let running = self.members.iter().filter(|(_, member)| member.process.is_some() && !member.frozen);
        running.map(|(name, _)| name.clone()).collect()
    }

    /// Returns how many bytes the relays have delivered.
    pub fn sync_bytes(&self) -> u64 {
        (0..self.links.len()).map(|link| self.link_bytes(link)).sum()
    }

    /// Returns how many bytes the relays of a link have delivered.
    pub fn link_bytes(&self, link: usize) -> u64 {
        let counters = self.relays(link).iter().map(Relay::counters);
        counters.map(|counters| counters.up.bytes + counters.down.bytes).sum()
    }

    /// Says how a replica's machine is.
    ///
    /// # Errors
    /// [`StepFailure`] when the scenario has no such replica.
    pub fn machine(&self, name: &ReplicaName) -> Result<MachineSeen, StepFailure> {
        let member = self.member(name)?;
        let (runs, disk) = (member.process.is_some(), member.store().exists());
        Ok(MachineSeen { runs, frozen: member.frozen, disk })
    }

    /// Says whether the replicas have network namespaces.
    pub fn has_namespaces(&self) -> bool {
        self.netns.is_some()
    }

    /// Starts a replica and waits until it answers.
    ///
    /// # Errors
    /// [`StepFailure`] when it runs already, or does not come up.
    pub async fn start(&mut self, name: &ReplicaName) -> Result<(), StepFailure> {
        let config = self.write_config(name)?;
        let (exe, sabotage) = (self.musubi.exe().to_owned(), self.sabotage.clone());
        let member = self.member_mut(name)?;
        if member.process.is_some() {
            return Err(StepFailure(format!("{name} runs already")));
        }
        let log = member.folder.join("log");
        let command = member.place.command(&exe);
        let mut process = ServeProcess::spawn(command, &config, &log, sabotage.as_deref())?;
        process.ready(&member.home()).await?;
        member.process = Some(process);
        Ok(())
    }

    /// Asks a running replica something.
    ///
    /// # Errors
    /// [`StepFailure`] when it is down, or with what it answered.
    pub async fn ask<T: serde::de::DeserializeOwned>(
        &self,
        name: &ReplicaName,
        request: &Request,
    ) -> Result<T, StepFailure> {
        Client::connect(&self.home(name)?).await?.ask(request).await
    }

    /// Asks every running replica how it is.
    ///
    /// # Errors
    /// [`StepFailure`] of the first that does not answer.
    pub async fn statuses(&self) -> Result<BTreeMap<ReplicaName, Status>, StepFailure> {
        let mut statuses = BTreeMap::new();
        for name in self.running() {
            let status = self.ask(&name, &Request::Status).await;
            statuses.insert(name.clone(), status.map_err(|failure| StepFailure::of(&name, failure))?);
        }
        Ok(statuses)
    }

    /// Takes the process of a running replica, to kill it.
    ///
    /// # Errors
    /// [`StepFailure`] when it is down.
    pub fn take_process(&mut self, name: &ReplicaName) -> Result<ServeProcess, StepFailure> {
        let member = self.member_mut(name)?;
        member.frozen = false;
        let process = member.process.take();
        process.ok_or_else(|| StepFailure(format!("{name} is not running")))
    }

    /// Says whether a replica is down and has a disk.
    ///
    /// # Errors
    /// [`StepFailure`] when the scenario has no such replica.
    pub fn can_start(&self, name: &ReplicaName) -> Result<bool, StepFailure> {
        let member = self.member(name)?;
        Ok(member.process.is_none() && member.store().exists())
    }

    /// Kills a replica, if it runs, and waits until it is gone.
    ///
    /// # Errors
    /// [`StepFailure`] when the system refuses.
    pub async fn kill(&mut self, name: &ReplicaName) -> Result<(), StepFailure> {
        if self.member(name)?.process.is_none() {
            return Ok(());
        }
        let mut process = self.take_process(name)?;
        process.kill()?;
        process.end().await.map(drop)
    }

    /// Stops a running replica's process where it stands, or lets it go on.
    ///
    /// # Errors
    /// [`StepFailure`] when the system refuses.
    pub fn freeze(&mut self, name: &ReplicaName, frozen: bool) -> Result<(), StepFailure> {
        let member = self.member_mut(name)?;
        if let Some(process) = member.process.as_ref().filter(|_| member.frozen != frozen) {
            process.freeze(frozen)?;
            member.frozen = frozen;
        }
        Ok(())
    }

    /// Ends a replica in order.
    ///
    /// # Errors
    /// [`StepFailure`] when it is down, or does not end, or complains; it does not run afterwards.
    pub async fn stop(&mut self, name: &ReplicaName) -> Result<(), StepFailure> {
        let home = self.home(name)?;
        self.take_process(name)?.stop(&home).await
    }

    /// Cuts a replica's power and destroys its disk.
    ///
    /// # Errors
    /// [`StepFailure`] when it is down, or the disk cannot be removed.
    pub async fn destroy(&mut self, name: &ReplicaName) -> Result<(), StepFailure> {
        let mut process = self.take_process(name)?;
        process.kill()?;
        process.end().await?;
        fs::remove_dir_all(self.store(name)?).map_err(|error| StepFailure::of("destroying the disk", error))
    }

    /// Fills a new disk from the bucket and the site's recovery kit.
    ///
    /// # Errors
    /// [`StepFailure`] with what the command complained of.
    pub async fn restore(&mut self, name: &ReplicaName) -> Result<Restored, StepFailure> {
        let url = self.bucket.as_ref().map(DrillBucket::url);
        let url = url.ok_or_else(|| StepFailure("there is no bucket".to_owned()))?;
        let member = self.member_mut(name)?;
        member.disk += 1;
        let (kit, store) = (member.recovery.clone(), member.store());
        self.musubi
            .run(&[&"backup", &"restore", &"--url", &url, &"--recovery-key", &kit, &"--store", &store])
            .await
    }

    pub(super) fn member(&self, name: &ReplicaName) -> Result<&Member, StepFailure> {
        self.members.get(name).ok_or_else(|| StepFailure(format!("no replica is called {name}")))
    }

    fn member_mut(&mut self, name: &ReplicaName) -> Result<&mut Member, StepFailure> {
        self.members.get_mut(name).ok_or_else(|| StepFailure(format!("no replica is called {name}")))
    }
}

impl Member {
    async fn enrol(
        musubi: &Musubi,
        realm: &Path,
        work: &Path,
        plan: &ReplicaPlan,
        place: Place,
    ) -> Result<Self, StepFailure> {
        let folder = work.join(&plan.name.0);
        fs::create_dir_all(&folder).map_err(|error| StepFailure::of(folder.display(), error))?;
        let before = kits(realm)?;
        let mut member =
            Self { folder, disk: 1, recovery: PathBuf::new(), place, process: None, frozen: false };
        let store = member.store();
        let (kind, role) = (kind_name(plan.kind), role_name(plan.role));
        let mut arguments: Vec<Argument<'_>> =
            vec![&"realm", &"enrol", &"--realm", &realm, &"--site", &plan.site, &"--kind", &kind];
        arguments.extend([&"--device" as Argument<'_>, &plan.name.0, &"--role", &role, &"--store", &store]);
        let certified = plan.certified();
        let areas: Vec<&str> = certified.iter().map(|area| area.as_str()).collect();
        for area in &areas {
            arguments.extend([&"--area" as Argument<'_>, area]);
        }
        let _: Value = musubi.run(&arguments).await?;
        // The kit of a new site is the file that was not there before.
        let mut kits = kits(realm)?;
        kits.retain(|kit| !before.contains(kit));
        member.recovery = kits.pop_first().unwrap_or_default();
        Ok(member)
    }

    pub(super) fn store(&self) -> PathBuf {
        self.folder.join(format!("store-{}", self.disk))
    }

    fn home(&self) -> Home {
        let door = self.place.inside.as_ref().map(|inside| inside.door);
        Home { store: self.store(), door }
    }
}

fn kits(realm: &Path) -> Result<BTreeSet<PathBuf>, StepFailure> {
    let failed = |error: std::io::Error| StepFailure::of(realm.display(), error);
    let mut kits = BTreeSet::new();
    for item in fs::read_dir(realm).map_err(failed)? {
        let path = item.map_err(failed)?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("recovery-")) {
            kits.insert(path);
        }
    }
    Ok(kits)
}

fn set_up(doing: &str) -> impl Fn(StepFailure) -> DrillError {
    let doing = doing.to_owned();
    move |failure| DrillError::SetUp { doing: doing.clone(), failure }
}
