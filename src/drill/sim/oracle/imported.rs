//! What was imported is exported as it was, once, and shown: names, allergies, drugs, problems, and what harms.

use std::collections::BTreeSet;

use super::super::world::World;
use crate::drill::invariants::Looked;
use crate::drill::ledger::{Disk, ResourceKey};
use crate::drill::people::{InventedList, Listed};
use crate::record::safety::AlertKind;
use crate::replica::Replica;

/// Most patients that a search may give: nobody of a small region is further down.
const LIMIT: usize = 100;

impl World<'_> {
    /// Compares what a machine exports and shows of invented lists with what was imported.
    pub(in crate::drill::sim) fn look_at_imports(
        &self,
        node: usize,
        replica: &Replica,
        disk: &Disk,
        seen: &mut Looked,
    ) {
        if self.imports.is_doubtful(&self.forkable) {
            return;
        }
        let name = &self.scenario.replicas[node].name;
        for key in self.imports.resources.keys() {
            let exported = disk.resources.get(key).map_or(&[][..], Vec::as_slice);
            let mut wanted = self.versions_standing(node, key);
            wanted.sort();
            seen.note(exported.iter().map(ToString::to_string).eq(wanted.iter().cloned()), || {
                let ResourceKey { resource_type, id } = key;
                let (given, wanted) = (exported.len(), wanted.len());
                format!("{name} exports {given} of {wanted} versions of {resource_type}/{id}, or other ones")
            });
        }
        for list in &self.imports.lists {
            for listed in list.people() {
                self.look_at_listed(node, replica, (list, &listed), seen);
            }
        }
    }

    /// Returns the versions of a resource that a machine must export: those that it holds and that no other which it
    /// holds has replaced. A version names the copies that its writer held. Who holds another copy only (filed in another
    /// area) cannot know of it, and shows both versions (region 680).
    fn versions_standing(&self, node: usize, key: &ResourceKey) -> Vec<String> {
        let versions = &self.imports.resources[key];
        let held = self.versions_held(node, key);
        let text = |place: &usize| versions[*place].value.to_string();
        let all: BTreeSet<String> = held.iter().map(text).collect();
        let replaced: BTreeSet<String> = held
            .iter()
            .flat_map(|place| versions[*place].saw.iter().map(move |saw| (place, saw)))
            .filter(|(_, saw)| held.contains(saw))
            .filter(|(place, saw)| versions[**place].value != versions[**saw].value)
            .map(|(_, saw)| text(saw))
            .collect();
        // Two importers that met two versions in different orders made a circle: then all stand.
        match all.iter().all(|one| replaced.contains(one)) {
            true => all.into_iter().collect(),
            false => all.difference(&replaced).cloned().collect(),
        }
    }

    /// Says whether an imported allergy stands at a machine: a version of it that is held there, and that nobody who held
    /// it, or a version that replaced it, has refuted.
    fn is_still_allergic(&self, node: usize, key: &ResourceKey) -> bool {
        let versions = &self.imports.resources[key];
        let held = self.versions_held(node, key);
        let refuted = self.imports.refuted.iter();
        let refuted = refuted.filter(|one| one.key == *key && self.holds(node, &one.place.0, one.place.1));
        let value = |place: &usize| versions[*place].value.to_string();
        let known = |saw: &&usize| held.contains(saw);
        let mut answered: BTreeSet<String> =
            refuted.flat_map(|one| one.saw.iter().filter(known).map(value)).collect();
        loop {
            let replaced = held.iter().filter(|place| answered.contains(&value(place)));
            let more: BTreeSet<String> =
                replaced.flat_map(|place| versions[*place].saw.iter().filter(known).map(value)).collect();
            if more.is_subset(&answered) {
                break;
            }
            answered.extend(more);
        }
        held.iter().any(|place| !answered.contains(&value(place)))
    }

    fn look_at_listed(
        &self,
        node: usize,
        replica: &Replica,
        (list, listed): (&InventedList, &Listed),
        seen: &mut Looked,
    ) {
        let name = &self.scenario.replicas[node].name;
        let is_held = |(kind, ending): (&str, &str)| {
            let id = format!("{}{ending}", list.id_of(listed));
            !self.versions_held(node, &ResourceKey { resource_type: kind.to_owned(), id }).is_empty()
        };
        let whole = [
            ("Patient", ""),
            ("AllergyIntolerance", "-al"),
            ("MedicationRequest", "-mr"),
            ("Condition", "-co"),
        ];
        if !whole.into_iter().all(is_held) {
            return;
        }
        let Ok((facts, _)) = replica.facts(&listed.record) else { return };
        let view = replica.view(&facts);
        let allergic = self.is_still_allergic(node, &list.allergy_of(listed));
        let active = view.allergies.active.iter().any(|one| one.substance == listed.allergy);
        let mut drugs = view.medication.active.iter().chain(&view.medication.recorded);
        let shown = [
            ("name", view.demographics.names.iter().any(|one| one.full == listed.person.name)),
            ("allergy, or shows what was refuted,", active == allergic),
            ("drug", drugs.any(|one| one.name == listed.drug)),
            ("problem", view.problems.active.iter().any(|one| one.name == listed.problem)),
            // Who subscribes to cards alone holds no results.
            ("result", !view.results.is_empty() || !is_held(("Observation", "-ob"))),
            (
                "alert",
                !(listed.harmed && allergic)
                    || view.alerts.iter().any(|alert| alert.kind == AlertKind::DrugAllergy),
            ),
        ];
        for (what, right) in shown {
            seen.note(right, || {
                format!(
                    "{name} does not show the {what} of an imported patient, record {}",
                    listed.record.short()
                )
            });
        }
        // One way of asking at each machine, another at the next.
        let asked = [Some(&listed.person.name), listed.person.kana.as_ref(), Some(&listed.phone)];
        let asked: Vec<&String> = asked.into_iter().flatten().collect();
        let asked = asked[node % asked.len()];
        let found = replica.find(asked, LIMIT);
        let right = found.is_ok_and(|found| found.patients.iter().any(|one| one.record == listed.record));
        seen.note(right, || format!("{name} does not find an imported patient by '{asked}'"));
    }
}
