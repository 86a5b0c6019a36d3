//! Meeting those who were found on the local network: dialled as the peers of the configuration are, with back-off, as long
//! as they are there. Whoever has a session already, by whichever side it was begun, is not dialled again.
//!
//! That somebody was found proves nothing: the keys and certificates of the session do, as with every peer.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::core::Replica;
use super::dialling::SESSION_SHORT;
use super::discovering::Nearby;
use super::error::ReplicaError;
use super::first_word::Opening;
use super::serving::Company;
use super::sync_answer::{FoundStatus, NearbyStatus};
use super::syncing::Side;
use crate::base::DeviceId;
use crate::transport::{Backoff, CloseCode, Endpoint, Salt};

/// How long to wait for another replica that may dial this one at the same time.
const WAITS_FIRST: Duration = Duration::from_secs(2);
/// How often is looked whether somebody who has a session has lost it.
const LOOKED_AGAIN: Duration = Duration::from_secs(2);

/// The sessions that run, by device and address; both sides dial from the socket on which they listen.
#[derive(Clone, Default)]
pub(super) struct Meetings(Arc<Mutex<Vec<Met>>>);

type Met = (DeviceId, (IpAddr, u16));

/// A session that runs, until it is dropped.
pub(super) struct Meeting(Meetings, Met);

impl Meetings {
    /// Notes a session.
    pub(super) fn begun(&self, device: DeviceId, from: SocketAddr) -> Meeting {
        let met = (device, place(&from));
        self.lock().push(met);
        Meeting(self.clone(), met)
    }

    /// Returns the device with which there is a session at one of these addresses.
    fn at(&self, addresses: &[SocketAddr]) -> Option<DeviceId> {
        let places: Vec<(IpAddr, u16)> = addresses.iter().map(place).collect();
        self.lock().iter().find(|(_, at)| places.contains(at)).map(|(device, _)| *device)
    }

    fn with(&self, device: &DeviceId) -> bool {
        self.lock().iter().any(|(met, _)| met == device)
    }

    /// Tells who was found, and their names where there is a session.
    pub(super) fn told(&self, replica: &Replica, nearby: &Nearby) -> NearbyStatus {
        let found = nearby.found.iter().map(|found| FoundStatus {
            addresses: found.addresses.clone(),
            device: self.at(&found.addresses).and_then(|device| replica.name_of(&device)),
        });
        NearbyStatus { found: found.collect(), error: nearby.error.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Met>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Meeting {
    fn drop(&mut self) {
        let mut open = self.0.lock();
        if let Some(place) = open.iter().position(|met| *met == self.1) {
            open.swap_remove(place);
        }
    }
}

/// An address as both families write it, without the interface.
fn place(address: &SocketAddr) -> (IpAddr, u16) {
    (address.ip().to_canonical(), address.port())
}

/// Dials whoever was found until `stop`.
pub(super) async fn meet_found(
    company: Company,
    endpoint: Arc<Endpoint>,
    mut nearby: watch::Receiver<Nearby>,
    mut stop: watch::Receiver<bool>,
) {
    let (mut tasks, mut dialled) = (JoinSet::new(), BTreeSet::new());
    while !*stop.borrow() {
        let wanted = nearby.borrow_and_update().dialled.clone();
        for (found, waits) in wanted {
            if !dialled.insert(found.salt) {
                continue;
            }
            let dialling =
                Dialling { company: company.clone(), endpoint: endpoint.clone(), salt: found.salt };
            tasks.spawn(dialling.run(waits, nearby.clone(), stop.clone()));
        }
        tokio::select! {
            changed = nearby.changed() => {
                if changed.is_err() {
                    break;
                }
            }
            Some(ended) = tasks.join_next(), if !tasks.is_empty() => match ended {
                Ok(salt) => drop(dialled.remove(&salt)),
                Err(error) => tracing::error!(%error, "meeting somebody who was found has failed"),
            },
            _ = stop.changed() => break,
        }
    }
    while tasks.join_next().await.is_some() {}
}

/// One replica that was found, for as long as it is to be dialled.
struct Dialling {
    company: Company,
    endpoint: Arc<Endpoint>,
    salt: Salt,
}

impl Dialling {
    async fn run(
        self,
        waits: bool,
        nearby: watch::Receiver<Nearby>,
        mut stop: watch::Receiver<bool>,
    ) -> Salt {
        let (mut backoff, mut device, mut turn) = (Backoff::new(), None, 0);
        let mut pause =
            Backoff::first(self.company.jitter()) + if waits { WAITS_FIRST } else { Duration::ZERO };
        while !*stop.borrow() {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = stop.changed() => break,
            }
            let addresses = self.addresses(&nearby.borrow());
            let Some(address) = addresses.get(turn % addresses.len().max(1)) else { break };
            let meetings = &self.company.meetings;
            if meetings.at(&addresses).is_some() || device.is_some_and(|device| meetings.with(&device)) {
                pause = LOOKED_AGAIN;
                continue;
            }
            let met = tokio::select! {
                met = self.meet(*address, &mut device, &mut backoff, stop.clone()) => met,
                _ = stop.changed() => break,
            };
            if let Err(error) = &met {
                tracing::debug!(%error, "somebody who was found on the network was not met");
                turn += 1;
            }
            pause = self.company.pause_after(&mut backoff, &met);
        }
        self.salt
    }

    /// Returns where to dial, as long as it is to be dialled.
    fn addresses(&self, nearby: &Nearby) -> Vec<SocketAddr> {
        let found = nearby.dialled.iter().find(|(found, _)| found.salt == self.salt);
        found.map(|(found, _)| found.addresses.clone()).unwrap_or_default()
    }

    async fn meet(
        &self,
        address: SocketAddr,
        device: &mut Option<DeviceId>,
        backoff: &mut Backoff,
        stop: watch::Receiver<bool>,
    ) -> Result<(), ReplicaError> {
        let mut opening = None;
        let said_first = |peer| {
            let (begun, said) = Opening::begin(&self.company.replica, peer, address, false);
            opening = Some(Box::new(begun));
            said
        };
        let link = self.endpoint.connect_saying(address, None, said_first).await?;
        let peer = DeviceId(*link.peer().as_bytes());
        *device = Some(peer);
        if self.company.meetings.with(&peer) && self.company.replica.me().device > peer {
            // Both have dialled at one time; the other's session stays.
            link.close(CloseCode::Done, "there is a session with this device already");
            return Ok(());
        }
        let begun = Instant::now();
        let known = self.company.replica.name_of(&peer);
        let name = known.clone().unwrap_or_else(|| peer.short());
        let ended = self.company.session(link, Side::Dials(opening), &name, None, stop).await;
        if begun.elapsed() >= SESSION_SHORT {
            backoff.reset();
        }
        self.company.neighbours.ended(&name, ended.as_ref().err());
        if known.is_none() {
            // It has a name of its own by now.
            self.company.neighbours.forget(&name);
        }
        ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_known_by_device_and_address_while_it_runs() {
        let meetings = Meetings::default();
        let at = |text: &str| meetings.at(&[text.parse().unwrap()]);
        let device = DeviceId([1; 32]);
        let first = meetings.begun(device, "[::ffff:192.0.2.7]:7440".parse().unwrap());
        let second = meetings.begun(device, "[fe80::7%3]:7440".parse().unwrap());
        assert_eq!(at("192.0.2.7:7440"), Some(device), "as the other family writes it");
        assert_eq!((at("[fe80::7]:7440"), at("192.0.2.7:7441")), (Some(device), None));
        drop(first);
        assert_eq!((at("192.0.2.7:7440"), meetings.with(&device)), (None, true));
        drop(second);
        assert!(!meetings.with(&device));
    }
}
