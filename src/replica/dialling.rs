//! Dialling the peers of the configuration, again and again, as long as the replica runs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{broadcast, watch};
use tokio::task::block_in_place;

use super::asking;
use super::config::PeerConfig;
use super::core::Changed;
use super::error::ReplicaError;
use super::first_word::Opening;
use super::metering::Meter;
use super::serving::Company;
use super::syncing::Side;
use crate::base::{DeviceId, Part};
use crate::transport::{BACKOFF_MAX, Backoff, Endpoint, PeerKey};

/// A session that lasts longer was no failure: the next dial is made soon.
pub(crate) const SESSION_SHORT: Duration = BACKOFF_MAX;
/// How long what is written at one time is gathered before a link whose bytes are counted is used for it.
pub(crate) const GATHERED_FOR: Duration = Duration::from_secs(2);

/// Keeps in touch with a peer until `stop`.
pub(super) async fn dial(
    company: Company,
    endpoint: Arc<Endpoint>,
    peer: PeerConfig,
    mut stop: watch::Receiver<bool>,
) {
    let mut backoff = Backoff::default();
    let mut pause = Backoff::first(company.jitter());
    while !*stop.borrow() {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stop.changed() => return,
        }
        // What is written while the two meet counts, too.
        let changes = company.replica.subscribe();
        let outcome = tokio::select! {
            outcome = dial_once(&company, &endpoint, &peer, stop.clone(), &mut backoff) => outcome,
            _ = stop.changed() => return,
        };
        pause = company.pause_after(&mut backoff, &outcome);
        let met = outcome.is_ok();
        // A session that ended was a reached peer: `dial_once` has noted that.
        company.replica.tried(&peer.name, false);
        company.neighbours.ended(&peer.name, outcome.as_ref().err());
        if met && peer.megabytes_per_day.is_some() {
            backoff.reset();
            pause = Duration::ZERO;
            tokio::select! {
                () = tokio::time::sleep(peer.every()) => {}
                () = something_vital(company.replica.me().device, changes) => {}
                _ = stop.changed() => return,
            }
        }
    }
}

/// Says whether a change is something that others should know at once. Of what came `during` a meeting only what this device
/// wrote counts: the rest came from there, as a rule.
pub(crate) fn is_vital(me: DeviceId, changed: &Changed, during: bool) -> bool {
    changed.name.part <= Part::Card && (!during || changed.name.device == me)
}

/// Waits until something is here that others should know at once, and a little longer, since seldom only one thing is
/// written.
async fn something_vital(me: DeviceId, mut changes: broadcast::Receiver<Changed>) {
    let during = changes.len();
    for number in 0.. {
        match changes.recv().await {
            Ok(changed) if !is_vital(me, &changed, number < during) => {}
            Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => break,
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
    tokio::time::sleep(GATHERED_FOR).await;
}

async fn dial_once(
    company: &Company,
    endpoint: &Endpoint,
    peer: &PeerConfig,
    stop: watch::Receiver<bool>,
    backoff: &mut Backoff,
) -> Result<(), ReplicaError> {
    let meter = peer.megabytes_per_day.map(|most| Meter::open(&company.replica, &peer.name, most.bytes()));
    let meter = meter.transpose()?;
    if meter.as_ref().is_some_and(|meter| !meter.is_enough_to_meet()) {
        tracing::info!(peer = %peer.name, "today's bytes are used up: it is dialled tomorrow");
        return Ok(());
    }
    let address = block_in_place(|| asking::resolve(&peer.address))?;
    let expected = peer.device.map(|device| PeerKey::new(device.0));
    let mut opening = None;
    let said_first = |peer| {
        let (begun, said) = Opening::begin(&company.replica, peer, address, false);
        opening = Some(Box::new(begun));
        said
    };
    let link = endpoint.connect_saying(address, expected, said_first).await?;
    company.replica.tried(&peer.name, true);
    let begun = Instant::now();
    let ended = company.session(link, Side::Dials(opening), &peer.name, meter, stop).await;
    // A session that breaks off at once (a full disk, a peer that refuses) is not begun again without a pause.
    if begun.elapsed() >= SESSION_SHORT {
        backoff.reset();
    }
    ended
}
