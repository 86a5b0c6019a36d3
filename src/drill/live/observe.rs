//! Looking at everything at the end: what running replicas show, then what their disks hold.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;
use tokio::task::JoinSet;

use super::client::Client;
use super::command::Musubi;
use super::place::Home;
use super::region::Region;
use super::steps::{Live, handover_of};
use crate::base::RecordId;
use crate::drill::course::Course;
use crate::drill::error::StepFailure;
use crate::drill::judge::{Judged, Observations};
use crate::drill::ledger::Disk;
use crate::drill::observer::{RecordSeen, read_export, search_texts};
use crate::drill::scenario::{ReplicaName, Told};
use crate::replica::answer::{Exported, Found, Shown, Status};
use crate::replica::heads::shared;
use crate::replica::request::Request;
use crate::sync::Group;

/// Patients that a search for one of the imported may give.
const FOUND_MAX: usize = 50;

/// Looks at what every replica shows, ends them all, and reads their disks; returns the course of the run, too.
pub async fn observe(live: Live<'_>) -> (Observations, Course) {
    let Live { mut region, mut seen, record, .. } = live;
    let names: Vec<ReplicaName> = region.scenario().replicas.iter().map(|plan| plan.name.clone()).collect();
    let records = records(&region, &mut seen).await;
    // Each replica is a process of its own, so all are asked at once.
    let mut showing = JoinSet::new();
    for name in region.running() {
        let (home, records) = (region.home(&name), records.clone());
        showing.spawn(async move { (name, views(home, &records).await) });
    }
    for (name, views) in showing.join_all().await {
        match views {
            Ok(views) => drop(seen.views.insert(name, views)),
            Err(failure) => note(&mut seen, &format!("showing the records at {name}"), failure),
        }
    }
    seen.sync_bytes = region.sync_bytes();
    // What a command reads of a store alone does not know what the replica is configured to hold.
    let running = region.statuses().await.unwrap_or_default();
    let mut ending = JoinSet::new();
    for name in region.running() {
        let stopping = region.home(&name).and_then(|home| Ok((region.take_process(&name)?, home)));
        ending.spawn(async move {
            let stopped = match stopping {
                Ok((process, home)) => process.stop(&home).await,
                Err(failure) => Err(failure),
            };
            (name, stopped)
        });
    }
    for (name, stopped) in ending.join_all().await {
        if let Err(failure) = stopped {
            note(&mut seen, &format!("ending {name}"), failure);
        }
    }
    let mut reading = JoinSet::new();
    for name in names {
        let (musubi, store, to) = (region.musubi().clone(), region.store(&name), region.export_folder(&name));
        let charts = seen.ledger.typed_records();
        reading.spawn(async move { (name, disk(&musubi, store, &to, &charts).await) });
    }
    for (name, disk) in reading.join_all().await {
        match disk {
            Ok((mut status, disk)) => {
                let in_part = region.scenario().replica(&name).is_some_and(|plan| !plan.in_part.is_empty());
                if let Some(running) = running.get(&name).filter(|_| in_part) {
                    subscribe(&mut status, running);
                }
                seen.at_end.insert(name.clone(), status);
                // What is held in part cannot be compared with what is held whole.
                match in_part {
                    true => drop(seen.views.remove(&name)),
                    false => drop(seen.disks.insert(name, disk)),
                }
            }
            Err(failure) => note(&mut seen, &format!("reading the disk of {name}"), failure),
        }
    }
    let course = record.course(&seen, region.has_namespaces());
    (seen, course)
}

/// Lets a status tell of what its replica held while it ran.
fn subscribe(status: &mut Status, running: &Status) {
    status.subscription = running.subscription.clone();
    let groups = running
        .subscription
        .iter()
        .flat_map(|one| one.parts.iter().map(|part| Group { part: *part, area: one.area.clone() }));
    status.heads = shared(&status.groups, &groups.collect());
}

fn note(seen: &mut Observations, doing: &str, failure: StepFailure) {
    let detail = Told::same(format!("{doing}: {failure}"));
    seen.failures.push(Judged { name: "observer".to_owned(), ok: false, detail });
}

/// Finds the records of all patients that were imported or registered, each at some running replica.
async fn records(region: &Region<'_>, seen: &mut Observations) -> BTreeSet<RecordId> {
    let mut records: BTreeSet<RecordId> = seen.patients.values().copied().collect();
    let Some(at) = region.running().into_iter().next() else { return records };
    let patients: Vec<Value> = seen.ledger.imported_patients().cloned().collect();
    for patient in patients {
        match find(region, &at, &patient).await {
            Ok(record) => drop(records.insert(record)),
            Err(failure) => note(seen, "finding an imported patient", failure),
        }
    }
    records
}

async fn find(region: &Region<'_>, at: &ReplicaName, patient: &Value) -> Result<RecordId, StepFailure> {
    let (texts, names, birth_date) = search_texts(patient);
    for text in texts {
        let found: Found = region.ask(at, &Request::Find { text, limit: FOUND_MAX }).await?;
        let same = found.patients.iter().filter(|found| {
            let born = birth_date.as_ref().is_none_or(|date| found.birth_dates.contains(date));
            born && (names.is_empty() || found.names.iter().any(|name| names.contains(name)))
        });
        let same: BTreeSet<RecordId> = same.map(|found| found.record).collect();
        if let [record] = same.into_iter().collect::<Vec<_>>().as_slice() {
            return Ok(*record);
        }
    }
    let id = patient["id"].as_str().unwrap_or("without id");
    Err(StepFailure(format!("Patient/{id} is not found at {at} by its own name or identifiers")))
}

async fn views(
    home: Result<Home, StepFailure>,
    records: &BTreeSet<RecordId>,
) -> Result<BTreeMap<RecordId, RecordSeen>, StepFailure> {
    let mut client = Client::connect(&home?).await?;
    let mut views = BTreeMap::new();
    for record in records {
        let shown: Shown = client.ask(&Request::Show { record: record.to_string(), moment: None }).await?;
        let handover = handover_of(&shown);
        views.insert(*record, RecordSeen { view: shown.view, handover });
    }
    Ok(views)
}

async fn disk(
    musubi: &Musubi,
    store: Result<PathBuf, StepFailure>,
    to: &Path,
    charts: &BTreeSet<RecordId>,
) -> Result<(Status, Disk), StepFailure> {
    let store = store?;
    let status: Status = musubi.run(&[&"status", &"--store", &store]).await?;
    let _: Exported =
        musubi.run(&[&"export", &"--store", &store, &"--all", &"--format", &"ndjson", &"--to", &to]).await?;
    let mut disk = Disk { resources: read_export(to)?, handovers: BTreeMap::new() };
    for record in charts {
        let shown: Shown = musubi.run(&[&"show", &"--store", &store, &record.to_string()]).await?;
        disk.handovers.insert(*record, handover_of(&shown));
    }
    Ok((status, disk))
}
