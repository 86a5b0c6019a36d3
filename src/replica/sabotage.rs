//! Planted faults of a live process, and what becomes of a write under them.
//!
//! `base::planted` lists the faults and says in which builds they exist; elsewhere the variable that names one is
//! ignored.

use crate::base::planted::{self, Plant, is_planted};

/// The environment variable that names a fault.
pub const SABOTAGE_VARIABLE: &str = "MUSUBI_SABOTAGE";
/// How many writes a replica holds back that acknowledges before it persists; when nothing is written for a
/// while it writes them.
pub const LATE_MAX: usize = 8;
/// Every so many writes of a process, one is dropped.
const DROPPED_EVERY: u64 = 5;

/// Plants the fault that the environment asks for in this whole process, in builds that can be sabotaged.
pub fn plant_from_environment() {
    if planted::AVAILABLE
        && let Ok(name) = std::env::var(SABOTAGE_VARIABLE)
        && let Some(fault) = Plant::by_name(&name)
    {
        planted::plant_everywhere(fault);
    }
}

/// What becomes of a write that is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is durable before it is acknowledged, as it must be.
    Durable,
    /// It is never written.
    Lost,
    /// It is written some time after it is acknowledged.
    Late,
}

impl Fate {
    /// Says what becomes of the batch of the replica's `write`th write.
    pub fn of(write: u64) -> Self {
        if is_planted(Plant::DropAcknowledgedWrite) && write.is_multiple_of(DROPPED_EVERY) {
            Fate::Lost
        } else if is_planted(Plant::AcknowledgeBeforePersisting) {
            Fate::Late
        } else {
            Fate::Durable
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use super::*;
    use crate::base::planted::plant;
    use crate::base::{Area, LaneId, Part};
    use crate::identity::{DeviceRole, SiteKind};
    use crate::lane::{Entry, EntryKind, LaneState};
    use crate::replica::Replica;
    use crate::replica::core::{Append, Beginning};
    use crate::replica::environment::{Environment as _, EnvironmentRng, SystemEnvironment};
    use crate::replica::realm::{Enrolment, RealmFolder};
    use crate::store::MemoryStore;

    fn replica() -> Replica {
        let folder = tempfile::tempdir().unwrap();
        let (environment, area) = (SystemEnvironment, Area::new("shared/miura").unwrap());
        let mut rng = EnvironmentRng(&environment);
        let path = folder.path().join("realm");
        let mut realm = RealmFolder::create(&path, "三浦", environment.now(), &mut rng).unwrap();
        let wanted = Enrolment {
            site: "north".into(),
            kind: SiteKind::Hospital,
            device: "north-1".into(),
            role: DeviceRole::Hospital,
            areas: BTreeSet::from([area]),
        };
        let device = realm.enrol(&wanted, environment.now(), &mut rng).unwrap();
        let beginning = Beginning {
            seed: &device.device.seed,
            genesis: &device.device.genesis,
            certificate: device.device.certificate,
            items: &device.device.items,
        };
        Replica::begin(Arc::new(MemoryStore::new()), Arc::new(environment), &beginning).unwrap()
    }

    /// Writes entries, one write each, and returns their lane.
    fn write(replica: &Replica, entries: u8) -> LaneId {
        let area = Area::new("shared/miura").unwrap();
        let places = (0..entries).map(|number| {
            let entry = Entry { kind: EntryKind::AUDIT, body: vec![number] };
            let append =
                Append { area: area.clone(), part: Part::Card, entries: vec![entry], knowing: [].into() };
            replica.append(vec![append]).unwrap()[0].lane
        });
        places.last().unwrap()
    }

    fn stored(replica: &Replica, lane: &LaneId) -> u64 {
        replica.store().lane(lane).unwrap().as_ref().map_or(0, LaneState::size)
    }

    #[test]
    fn without_a_fault_every_write_is_stored() {
        let replica = replica();
        let lane = write(&replica, 12);
        assert_eq!(stored(&replica, &lane), 13);
    }

    #[test]
    fn dropped_writes_are_acknowledged_and_never_stored() {
        let replica = replica();
        let _fault = plant(Plant::DropAcknowledgedWrite);
        let lane = write(&replica, 10);
        replica.index_step().unwrap();
        replica.index_step().unwrap();
        assert_eq!(stored(&replica, &lane), 1 + 8, "two of ten are gone");
    }

    #[test]
    fn late_writes_are_acknowledged_before_they_are_stored() {
        let replica = replica();
        let _fault = plant(Plant::AcknowledgeBeforePersisting);
        let lane = write(&replica, 3);
        assert_eq!((replica.lanes()[&lane].size(), stored(&replica, &lane)), (4, 0));
        replica.index_step().unwrap();
        replica.index_step().unwrap();
        assert_eq!(stored(&replica, &lane), 4, "when nothing is written for a while");
    }

    #[test]
    fn a_lane_is_forgotten_in_every_session_but_the_first() {
        let replica = replica();
        let lane = write(&replica, 1);
        let lanes = replica.lanes();
        assert_eq!([1, 2].map(|session| replica.forgotten_lane(&lanes, session)), [None, None]);
        let _fault = plant(Plant::ForgetLaneOnReconnect);
        assert_eq!(
            [1, 2, 3].map(|session| replica.forgotten_lane(&lanes, session)),
            [None, Some(lane), Some(lane)]
        );
    }
}
