//! Carrying out requests: the same for an opened store and for a running replica.

use std::collections::BTreeMap;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::watch;
use tokio::task::block_in_place;

use super::answer::UnnamedRegistered;
use super::bucket_syncing::is_bucket;
use super::core::Replica;
use super::error::ReplicaError;
use super::first_word::Opening;
use super::importing::ImportCall;
use super::pulling::pull;
use super::request::{Progress, Request};
use super::sync_answer::{NearbyStatus, PeerStatus, SyncPlan, Synced};
use super::syncing::{self, SessionState, Side, Until};
use crate::store::StoreError;
use crate::transport::{Admission, AdmissionPolicy, Endpoint, LinkStats, Options};

/// What surrounds a replica that is asked: the neighbours and the configured bucket, where it is running.
#[derive(Default)]
pub struct Surroundings {
    /// The neighbours' status.
    pub peers: Vec<PeerStatus>,
    /// How often peers were refused or cut off, by reason.
    pub refused: BTreeMap<String, u64>,
    /// Who was found on the local network, where somebody is looked for.
    pub nearby: Option<NearbyStatus>,
    /// The configured bucket.
    pub backup_url: Option<String>,
    /// Why the last backup to it failed, if it did.
    pub backup_error: Option<String>,
    /// Where this replica is reached and dials from, where it is running.
    pub endpoint: Option<Arc<Endpoint>>,
}

/// Carries out a request.
///
/// # Errors
/// What the replica could not do.
pub async fn ask(
    replica: &Arc<Replica>,
    request: Request,
    surroundings: Surroundings,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<serde_json::Value, ReplicaError> {
    let answer = carry_out(replica, request, surroundings, progress).await;
    if let Err(ReplicaError::Store(StoreError::DamagedRun { .. })) = &answer {
        replica.note_damage(true)?;
    }
    answer
}

async fn carry_out(
    replica: &Arc<Replica>,
    request: Request,
    surroundings: Surroundings,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<serde_json::Value, ReplicaError> {
    match request {
        Request::Status => {
            let url = surroundings.backup_url;
            let mut status = block_in_place(|| replica.status(surroundings.peers, url.as_deref()))?;
            status.backup_error = surroundings.backup_error;
            (status.refused, status.nearby) = (surroundings.refused, surroundings.nearby);
            json(status)
        }
        Request::StatusDeep => {
            let url = surroundings.backup_url;
            let mut status = block_in_place(|| replica.status_deep(surroundings.peers, url.as_deref()))?;
            status.backup_error = surroundings.backup_error;
            status.nearby = surroundings.nearby;
            json(status)
        }
        Request::IfCut { sites } => json(block_in_place(|| replica.if_cut(&sites))?),
        Request::Import { paths, source, area, author } => {
            let call = ImportCall { paths, source, area, author };
            json(block_in_place(|| replica.import(&call, progress))?)
        }
        Request::Find { text, limit } => json(block_in_place(|| replica.find(&text, limit))?),
        Request::Show { record, moment } => {
            json(block_in_place(|| replica.show_at(&replica.record_named(&record)?, moment.as_ref()))?)
        }
        Request::Export { record, format, to } => json(block_in_place(|| {
            let record = record.map(|record| replica.record_named(&record)).transpose()?;
            replica.export(record, format, &to, progress)
        })?),
        Request::Register { patient, area, author } => {
            json(block_in_place(|| replica.register(&patient, area, author))?)
        }
        Request::Record { record, write, author, overriding } => {
            let written = block_in_place(|| {
                replica.write_overriding(
                    &replica.record_named(&record)?,
                    write,
                    author,
                    overriding.as_deref(),
                )
            });
            json_or_blocked(written)
        }
        Request::Chart { record, write, author } => {
            json(block_in_place(|| replica.write_chart(&replica.record_named(&record)?, write, author))?)
        }
        Request::Texts { record } => json(block_in_place(|| replica.texts(&replica.record_named(&record)?))?),
        Request::Decisions { record } => json(block_in_place(|| {
            let record = record.map(|record| replica.record_named(&record)).transpose()?;
            replica.decisions(record, progress)
        })?),
        Request::Decide { record, decision, keep, reason, author, overriding } => {
            json_or_blocked(block_in_place(|| {
                let record = replica.record_named(&record)?;
                replica.decide(&record, &decision, keep, reason, author, overriding.as_deref())
            }))
        }
        Request::RegisterUnnamed { unnamed, area, author } => json(block_in_place(|| {
            let (name, written) = replica.register_unnamed(&unnamed, area, author)?;
            Ok::<_, ReplicaError>(UnnamedRegistered { name, written })
        })?),
        Request::Tie { tie, records: [a, b], reason, author } => json(block_in_place(|| {
            let records = [replica.record_named(&a)?, replica.record_named(&b)?];
            replica.tie(tie, records, &reason, author)
        })?),
        Request::Suggest { record, limit } => json(block_in_place(|| {
            let record = record.map(|record| replica.record_named(&record)).transpose()?;
            replica.suggest(record, limit)
        })?),
        Request::Sync { with } if is_bucket(&with) => json(replica.sync_bucket(&with, progress).await?),
        Request::PlanSync { with } => json(plan_sync(replica, &with, surroundings.endpoint).await?),
        Request::Sync { with } => json(sync_over(replica, &with, surroundings.endpoint).await?),
        Request::Pull(wanted) => json(pull(replica, &wanted, &surroundings.peers, progress).await?),
        Request::BackupNow { url } => {
            json(replica.backup_now(&bucket(url, surroundings.backup_url)?, progress).await?)
        }
        Request::BackupVerify { url } => {
            json(replica.backup_verify(&bucket(url, surroundings.backup_url)?, progress).await?)
        }
        Request::BundleRequest { to } => json(block_in_place(|| replica.bundle_request_to(&to))?),
        Request::BundleExport(wanted) => json(block_in_place(|| replica.bundle_export(&wanted, progress))?),
        Request::CardExport { record, to } => {
            json(block_in_place(|| replica.card_export(&replica.record_named(&record)?, &to))?)
        }
        Request::BundleImport { files } => json(block_in_place(|| replica.bundle_import(&files, progress))?),
        Request::Stop => {
            Err(ReplicaError::Call("no replica runs on this store: there is nothing to stop".into()))
        }
    }
}

/// Syncs with a peer until both hold the same.
///
/// # Errors
/// When the peer cannot be reached, refuses, or the session breaks.
pub async fn sync_once(replica: &Arc<Replica>, with: &str) -> Result<Synced, ReplicaError> {
    sync_over(replica, with, None).await
}

async fn sync_over(
    replica: &Arc<Replica>,
    with: &str,
    endpoint: Option<Arc<Endpoint>>,
) -> Result<Synced, ReplicaError> {
    if replica.is_damage_noted()? {
        block_in_place(|| replica.scrub())?;
    }
    let Met { peer, seen, stats, took_ms } = meet(replica, with, Until::InSync, endpoint).await?;
    let damaged = replica.damaged();
    if let Some(lost) = damaged.first() {
        let (lane, start) = (lost.lane, lost.start);
        return Err(StoreError::DamagedRun { lane, start }.into());
    }
    Ok(Synced {
        peer,
        received: seen.received,
        sent: seen.sent,
        bytes_received: stats.payload_bytes_received,
        bytes_sent: stats.payload_bytes_sent,
        took_ms,
    })
}

/// Finds out what a sync with a peer would send; dials from an endpoint that is open, if it leads there.
///
/// # Errors
/// As [`sync_once`].
pub async fn plan_sync(
    replica: &Arc<Replica>,
    with: &str,
    endpoint: Option<Arc<Endpoint>>,
) -> Result<SyncPlan, ReplicaError> {
    let began = Instant::now();
    let Met { peer, seen, stats, took_ms } = meet(replica, with, Until::Compared, endpoint).await?;
    let bytes = stats.payload_bytes_received + stats.payload_bytes_sent;
    let parts = seen.planned.unwrap_or_default();
    let compared = seen.compared.map_or(Duration::ZERO, |at| at.saturating_duration_since(began));
    let compared_ms = u64::try_from(compared.as_millis()).unwrap_or(u64::MAX);
    Ok(SyncPlan { peer, parts, bytes, heads_bytes: seen.heads_bytes, compared_ms, took_ms })
}

/// What came of meeting a peer once.
struct Met {
    peer: String,
    seen: SessionState,
    stats: LinkStats,
    took_ms: u64,
}

async fn meet(
    replica: &Arc<Replica>,
    with: &str,
    until: Until,
    open: Option<Arc<Endpoint>>,
) -> Result<Met, ReplicaError> {
    let began = Instant::now();
    let address = resolve(with)?;
    let open = open.filter(|open| open.local_addr().is_ok_and(|local| leads_to(&local, &address)));
    let is_own = open.is_none();
    let endpoint = match open {
        Some(open) => open,
        None => {
            let local: SocketAddr = if address.is_ipv6() { ([0; 8], 0).into() } else { ([0; 4], 0).into() };
            Arc::new(Endpoint::bind(local, replica.me().seed.expose(), options(), everybody())?)
        }
    };
    let mut opening = None;
    let said_first = |peer| {
        let (begun, said) = Opening::begin(replica, peer, address, false);
        opening = Some(Box::new(begun));
        said
    };
    let link = endpoint.connect_saying(address, None, said_first).await?;
    let handle = link.handle();
    let (state, watched) = watch::channel(SessionState::default());
    let (_stop, stopped) = watch::channel(false);
    let ended = syncing::run(replica.clone(), link, Side::Dials(opening), until, None, state, stopped).await;
    let (seen, stats) = (watched.borrow().clone(), handle.stats());
    if is_own {
        endpoint.close("the sync is done").await;
    }
    block_in_place(|| replica.save_heard(false))?;
    ended?;
    if !seen.in_sync {
        let reason = "it ended before both sides held the same; ask again".to_owned();
        return Err(ReplicaError::Session { peer: with.to_owned(), reason });
    }
    let peer = seen.peer.and_then(|device| replica.name_of(&device));
    let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(Met { peer: peer.unwrap_or_else(|| with.to_owned()), seen, stats, took_ms })
}

/// Says whether an address can be dialled from a socket that is bound to another.
fn leads_to(local: &SocketAddr, address: &SocketAddr) -> bool {
    let (local, address) = (local.ip(), address.ip());
    let is_reached = local.is_unspecified() || local.is_loopback() == address.is_loopback();
    local.is_ipv4() == address.is_ipv4() && is_reached
}

/// Admits every key to the handshake: whether it belongs to the realm is for its certificate to show, which the
/// session checks first; so a device that was enrolled yesterday is served by a replica that never heard of it.
pub fn everybody() -> AdmissionPolicy {
    AdmissionPolicy::new(|_| Admission::Admit)
}

/// The transport's options for sync sessions.
pub fn options() -> Options {
    Options { message_bytes_max: crate::base::limits::MESSAGE_BYTES_MAX, ..Options::default() }
}

/// Looks up `HOST:PORT`.
///
/// # Errors
/// When it is not of that form, or the name is not known.
pub fn resolve(text: &str) -> Result<SocketAddr, ReplicaError> {
    let wrong =
        |why: String| ReplicaError::Call(format!("'{text}' is not a HOST:PORT that can be reached: {why}"));
    let mut found = text.to_socket_addrs().map_err(|error| wrong(error.to_string()))?;
    found.next().ok_or_else(|| wrong("the name has no address".into()))
}

fn bucket(asked: Option<String>, configured: Option<String>) -> Result<String, ReplicaError> {
    asked.or(configured).ok_or_else(|| {
        ReplicaError::Call("no bucket: give --url, or [backup] url in the replica's configuration".into())
    })
}

/// What was blocked is an answer: it says what must not meet, which an error never does.
fn json_or_blocked(answer: Result<impl Serialize, ReplicaError>) -> Result<serde_json::Value, ReplicaError> {
    match answer {
        Err(ReplicaError::Contraindicated(blocked)) => json(blocked),
        answer => json(answer?),
    }
}

fn json(answer: impl Serialize) -> Result<serde_json::Value, ReplicaError> {
    serde_json::to_value(answer).map_err(|error| ReplicaError::Call(error.to_string()))
}
