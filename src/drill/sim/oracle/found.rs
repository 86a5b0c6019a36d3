//! Everybody who was registered is found, by name, by reading and by birth date.

use super::super::ledger::Content;
use super::super::world::World;
use crate::drill::invariants::Looked;
use crate::replica::Replica;

/// Most patients that a search may give: nobody of a small region is further down.
const LIMIT: usize = 100;

/// Searches a machine for everybody of whom it holds the registration.
pub(super) fn compare(world: &World<'_>, node: usize, replica: &Replica, seen: &mut Looked) {
    for (number, write) in world.ledger.writes().iter().enumerate() {
        let (Some(record), Some(wrote)) = (write.record, write.wrote.as_deref()) else { continue };
        let Content::Patient(patient) = &wrote.content else { continue };
        if !world.holds(node, &write.lane, write.seq) || world.is_doubtful(&record) {
            continue;
        }
        let texts = [Some(&patient.name), patient.kana.as_ref(), patient.birth_date.as_ref()];
        let known: Vec<&String> = texts.into_iter().flatten().collect();
        // One way of asking at each machine, another at the next: together they are all.
        let asked = known[(number + node) % known.len()];
        let found = replica.find(asked, LIMIT);
        // Records that are linked are one person: the search gives one of them, and names the others.
        let right = found.is_ok_and(|found| {
            found.patients.iter().any(|one| one.record == record || one.linked.contains(&record))
        });
        seen.note(right, || {
            let (name, record) = (&world.scenario.replicas[node].name, record.short());
            format!("{name} does not find record {record} by '{asked}'")
        });
    }
}
