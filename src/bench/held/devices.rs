//! The devices of a region: certified, each with a lane of cards and one of data, and what they sign next.

use std::collections::BTreeSet;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;

use super::card::Cards;
use crate::base::{Area, Digest, Part, RealmId, WallMs, hash_tagged};
use crate::drill::StepFailure;
use crate::identity::{ControlItem, DeviceRole, SecretSeed, SiteKind};
use crate::lane::{Entry, LaneName, LaneState, Run, append};
use crate::replica::realm::{Enrolment, NewDevice, Realm};

/// The area that all hold.
pub(super) const AREA: &str = "shared/bench";
/// When all were enrolled: 2026-10-01.
const ENROLLED: WallMs = WallMs(1_790_780_400_000);
/// The region's sites; devices are dealt out to them.
const SITES_MAX: usize = 269;
/// Entries of one run, if there are enough for all lanes: with records of 2.4 kB about as many bytes as runs that were joined
/// at rest have.
const RUN_ENTRIES_MAX: u64 = 13;

/// One device of the region.
struct Device {
    seed: SecretSeed,
    certificate: Digest,
    cards: Option<LaneState>,
    data: Option<LaneState>,
}

/// The devices of a region, and the two replicas that are measured: the same from the same seed.
pub struct Devices {
    realm: RealmId,
    area: Area,
    devices: Vec<Device>,
    replicas: Vec<NewDevice>,
    certificates: Vec<Vec<u8>>,
    cards: Cards,
    /// The next device, and the next record.
    turn: usize,
    next: u64,
}

impl Devices {
    /// Certifies as many devices as there are to be lanes.
    ///
    /// # Errors
    /// [`StepFailure`] when the realm refuses one.
    pub fn of_seed(seed: u64, lanes: usize) -> Result<Self, StepFailure> {
        let key = hash_tagged("musubi.bench.held.v1", &[&seed.to_be_bytes()]).0;
        let mut rng = ChaCha20Rng::from_seed(key);
        let mut realm = Realm::create("bench", ENROLLED, &mut rng);
        let area = Area::new(AREA).map_err(|error| StepFailure::of("naming the area", error))?;
        let mut enrol = |site: String, device: String| {
            let (kind, role) = (SiteKind::Hospital, DeviceRole::Hospital);
            let wanted = Enrolment { site, kind, device, role, areas: BTreeSet::from([area.clone()]) };
            let enrolled = realm.enrol(&wanted, ENROLLED, &mut rng);
            enrolled.map(|(device, _)| device).map_err(|error| StepFailure::of("enrolling a device", error))
        };
        let replicas = ["one", "two"].map(|name| enrol(name.to_owned(), name.to_owned()));
        let replicas = replicas.into_iter().collect::<Result<Vec<_>, _>>()?;
        let (mut devices, mut certificates) = (Vec::with_capacity(lanes), Vec::new());
        for number in 0..lanes {
            let site = format!("site-{}", number % SITES_MAX.min(lanes));
            let NewDevice { seed, certificate, items, .. } = enrol(site, format!("device-{number}"))?;
            certificates.extend(items.into_iter().filter_map(|item| match item {
                ControlItem::Certificate(signed) => Some(signed),
                ControlItem::Wrap(_) => None,
            }));
            devices.push(Device { seed, certificate, cards: None, data: None });
        }
        let (realm, cards) = (realm.id(), Cards::of_seed(seed));
        Ok(Self { realm, area, devices, replicas, certificates, cards, turn: 0, next: 0 })
    }

    /// Returns what one of the two replicas (0 or 1) begins with.
    pub fn replica(&self, which: usize) -> &NewDevice {
        &self.replicas[which]
    }

    /// Returns the certificates of the region's devices and sites, issuers first.
    pub fn certificates(&self) -> &[Vec<u8>] {
        &self.certificates
    }

    /// Returns the records.
    pub fn cards(&self) -> &Cards {
        &self.cards
    }

    /// Lets the next devices write records until `upto`, each a run, as many runs as asked for; empty at the end.
    ///
    /// # Errors
    /// [`StepFailure`] when a lane takes nothing more.
    pub fn records(&mut self, upto: u64, runs: usize) -> Result<Vec<Run>, StepFailure> {
        let mut signed = Vec::new();
        let each = (upto / self.devices.len() as u64).clamp(1, RUN_ENTRIES_MAX);
        while signed.len() < runs && self.next < upto {
            let numbers = self.next..upto.min(self.next + each);
            self.next = numbers.end;
            let entries = numbers.map(|number| self.cards.entry(number)).collect();
            let device = self.turn % self.devices.len();
            self.turn += 1;
            signed.extend(self.sign(device, Part::Card, entries)?);
        }
        Ok(signed)
    }

    /// Lets a device write small changes of records, each its own commit and so its own run, as tablets do.
    ///
    /// # Errors
    /// [`StepFailure`] when the lane takes nothing more.
    pub fn changes(&mut self, device: usize, records: &[u64], turn: u64) -> Result<Vec<Run>, StepFailure> {
        let mut signed = Vec::new();
        for record in records {
            let entry = self.cards.change(*record, turn);
            signed.extend(self.sign(device, Part::Data, vec![entry])?);
        }
        Ok(signed)
    }

    fn sign(&mut self, device: usize, part: Part, entries: Vec<Entry>) -> Result<Vec<Run>, StepFailure> {
        let (realm, area) = (self.realm, self.area.clone());
        let Device { seed, certificate, cards, data } = &mut self.devices[device];
        let name = LaneName { realm, device: seed.device_id(), area, part };
        let state = if part == Part::Card { cards } else { data };
        let appended = append(state.as_ref(), &name, certificate, entries, seed)
            .map_err(|error| StepFailure::of("writing a run", error))?;
        *state = appended.last().map(|last| last.state.clone()).or(state.take());
        Ok(appended.into_iter().map(|appended| appended.run).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_is_the_same_from_the_same_seed_and_every_record_is_written_once() {
        let mut region = Devices::of_seed(5, 3).unwrap();
        let (mut runs, mut rounds) = (Vec::new(), 0);
        loop {
            let some = region.records(100, 2).unwrap();
            if some.is_empty() {
                break;
            }
            runs.extend(some);
            rounds += 1;
        }
        // 100 records in runs of 13, and an opening entry in each of three lanes.
        assert_eq!((runs.len(), rounds), (8, 4));
        assert_eq!(runs.iter().map(|run| run.entries.len()).sum::<usize>(), 103);
        let lanes: BTreeSet<_> = runs.iter().map(|run| run.lane).collect();
        assert_eq!(lanes.len(), 3);
        let again = Devices::of_seed(5, 3).unwrap().records(100, 8).unwrap();
        assert_eq!(runs, again);
        assert_eq!(region.changes(1, &[3, 4], 0).unwrap().len(), 2);
    }
}
