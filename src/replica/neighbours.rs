//! The neighbours of a running replica, as its status tells them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::error::ReplicaError;
use super::sync_answer::PeerStatus;
use super::syncing::SessionState;
use crate::base::WallMs;

/// The neighbours' states. A neighbour that is dialled by the name of the configuration and turns out to be a
/// device of the roster is one neighbour, under the device's name; two replicas that dial each other have two
/// sessions and are one neighbour to each other.
#[derive(Clone, Default)]
pub struct Neighbours(Arc<Mutex<Table>>);

#[derive(Default)]
struct Table {
    neighbours: BTreeMap<String, Neighbour>,
    /// Names of the configuration, and the devices that answered there.
    devices: BTreeMap<String, String>,
    backup_error: Option<String>,
}

#[derive(Default)]
struct Neighbour {
    sessions: Vec<watch::Receiver<SessionState>>,
    last: SessionState,
    /// Whether this is a bucket, and the last look into it went well.
    bucket_met: bool,
    error: Option<String>,
}

impl Neighbours {
    /// Notes a session with a device, dialled under a name of the configuration or accepted under its own.
    pub fn started(&self, name: &str, device: &str, session: watch::Receiver<SessionState>) {
        let mut table = self.lock();
        if name != device {
            table.devices.insert(name.to_owned(), device.to_owned());
            table.neighbours.remove(name);
        }
        let neighbour = table.neighbours.entry(device.to_owned()).or_default();
        neighbour.sessions.push(session);
        neighbour.error = None;
    }

    /// Notes that a session, or an attempt at one, has ended.
    pub fn ended(&self, name: &str, error: Option<&ReplicaError>) {
        let mut table = self.lock();
        let device = table.devices.get(name).cloned().unwrap_or_else(|| name.to_owned());
        let neighbour = table.neighbours.entry(device).or_default();
        let (open, over): (Vec<_>, Vec<_>) =
            std::mem::take(&mut neighbour.sessions).into_iter().partition(|s| s.has_changed().is_ok());
        neighbour.sessions = open;
        if let Some(session) = over.last() {
            neighbour.last = session.borrow().clone();
        }
        neighbour.error = error.map(ToString::to_string);
    }

    /// Notes that there was a look into a bucket, which is a neighbour without sessions.
    pub fn met(&self, name: &str, at: WallMs, error: Option<ReplicaError>) {
        let mut table = self.lock();
        let neighbour = table.neighbours.entry(name.to_owned()).or_default();
        neighbour.bucket_met = error.is_none();
        if neighbour.bucket_met {
            neighbour.last.heard = Some(at);
        }
        neighbour.error = error.map(|error| error.to_string());
    }

    /// Notes which device a neighbour is, whose certificate has come in its session.
    pub fn named(&self, name: &str, device: &str) {
        let mut table = self.lock();
        if name == device {
            return;
        }
        table.devices.insert(name.to_owned(), device.to_owned());
        if let Some(known) = table.neighbours.remove(name) {
            table.neighbours.entry(device.to_owned()).or_default().sessions.extend(known.sessions);
        }
    }

    /// Forgets a name that was given to a neighbour for want of its own, unless it has a session under it.
    pub fn forget(&self, name: &str) {
        let mut table = self.lock();
        table.devices.remove(name);
        let is_over = |neighbour: &Neighbour| neighbour.sessions.iter().all(|it| it.has_changed().is_err());
        if table.neighbours.get(name).is_some_and(is_over) {
            table.neighbours.remove(name);
        }
    }

    /// Notes how the last backup ended.
    pub fn backed_up(&self, error: Option<&ReplicaError>) {
        self.lock().backup_error = error.map(ToString::to_string);
    }

    /// Tells why the last backup failed, if it did.
    pub fn backup_error(&self) -> Option<String> {
        self.lock().backup_error.clone()
    }

    /// Tells how every neighbour is.
    pub fn status(&self) -> Vec<PeerStatus> {
        let status = |(name, neighbour): (&String, &Neighbour)| {
            let states: Vec<SessionState> =
                neighbour.sessions.iter().map(|session| session.borrow().clone()).collect();
            let heard = states.iter().map(|state| state.heard).max().flatten();
            PeerStatus {
                name: name.clone(),
                connected: !states.is_empty() || neighbour.bucket_met,
                in_sync: states.iter().any(|state| state.in_sync) || neighbour.bucket_met,
                heard: heard.or(neighbour.last.heard),
                error: neighbour.error.clone().filter(|_| states.is_empty()),
                configured: None,
                reached: None,
                tried_since: None,
                budget: states.iter().find_map(|state| state.budget).or(neighbour.last.budget),
            }
        };
        let table = self.lock();
        let mut told: Vec<PeerStatus> = table.neighbours.iter().map(status).collect();
        for (name, device) in &table.devices {
            let found = told.iter_mut().find(|peer| peer.name == *device);
            found.into_iter().for_each(|peer| peer.configured = Some(name.clone()));
        }
        told
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_sessions_with_one_device_are_one_neighbour() {
        let neighbours = Neighbours::default();
        let failed = ReplicaError::Call("unreachable".into());
        neighbours.ended("Shelter", Some(&failed));
        let (dialled, session) = watch::channel(SessionState::default());
        neighbours.started("Shelter", "tablet-1", session);
        let (accepted, session) = watch::channel(SessionState { in_sync: true, ..SessionState::default() });
        neighbours.started("tablet-1", "tablet-1", session);
        let status = neighbours.status();
        assert_eq!((status.len(), status[0].name.as_str()), (1, "tablet-1"));
        assert!(status[0].connected && status[0].in_sync);

        let (late, session) = watch::channel(SessionState::default());
        neighbours.started("192.0.2.7:1", "192.0.2.7:1", session);
        assert_eq!(neighbours.status().len(), 2);
        neighbours.named("192.0.2.7:1", "tablet-1");
        neighbours.forget("192.0.2.7:1");
        assert_eq!(neighbours.status().len(), 1, "its certificate has told who it is");
        drop(late);

        drop(accepted);
        neighbours.ended("tablet-1", None);
        assert!(neighbours.status()[0].connected && !neighbours.status()[0].in_sync);
        drop(dialled);
        neighbours.ended("Shelter", Some(&failed));
        let status = neighbours.status();
        assert_eq!(status.len(), 1);
        assert!(!status[0].connected && status[0].error.as_deref() == Some("unreachable"));
    }

    #[test]
    fn a_bucket_is_a_neighbour_as_long_as_it_can_be_reached() {
        let neighbours = Neighbours::default();
        neighbours.met("bucket", WallMs(7), None);
        let status = neighbours.status();
        assert!(status[0].connected && status[0].in_sync && status[0].heard == Some(WallMs(7)));
        neighbours.met("bucket", WallMs(9), Some(ReplicaError::Call("unreachable".into())));
        let status = neighbours.status();
        assert!(!status[0].connected && !status[0].in_sync && status[0].heard == Some(WallMs(7)));
        assert_eq!(status[0].error.as_deref(), Some("unreachable"));
    }
}
