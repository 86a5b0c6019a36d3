//! What each machine is, holds and shows: what judges and reports read of a simulation.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::finish::{Allergies, Lost};
use super::world::World;
use crate::base::RecordId;
use crate::drill::invariants::ClinicalSeen;
use crate::drill::judge::{Damage, Observations, SimSeen};
use crate::drill::ledger::{Disk, ResourceKey};
use crate::drill::observer::RecordSeen;
use crate::drill::scenario::{ReplicaName, role_name};
use crate::replica::Replica;
use crate::replica::answer::{GroupHeads, Status};
use crate::replica::heads;

/// Looks at every machine once more, and puts together what was observed.
pub(super) fn observations(
    world: &mut World<'_>,
    lost: &Lost,
    held_by_least: Option<u64>,
    allergies: Allergies,
    backup_restores: Option<crate::drill::invariants::Finding>,
    damage: Vec<Damage>,
) -> Observations {
    let mut seen = Observations {
        before_heal: std::mem::take(&mut world.before_heal),
        patients: world.people.named(),
        failures: std::mem::take(&mut world.failures),
        sync_bytes: world.recorder.sync_bytes,
        backup_bytes: world.recorder.backup_bytes,
        converge_after_heal_s: world.recorder.reunions.last().and_then(|reunion| {
            reunion.converged.map(|converged| (converged - reunion.healed).as_secs_f64())
        }),
        ..Observations::default()
    };
    for typed in std::mem::take(&mut world.typed) {
        seen.ledger.typed(typed);
    }
    let mut clinical = std::mem::take(&mut world.clinical);
    for node in 0..world.nodes.len() {
        let Some(replica) = world.nodes[node].replica.clone() else { continue };
        let name = world.scenario.replicas[node].name.clone();
        seen.at_end.insert(name.clone(), status(world, node, &replica));
        if world.is_small() {
            match look_into(world, (node, &replica), &seen.ledger.typed_records(), &mut clinical) {
                // What is held in part cannot be compared with what is held whole.
                Ok(_) if !world.scenario.replicas[node].in_part.is_empty() => {}
                Ok((disk, views)) => {
                    seen.disks.insert(name.clone(), disk);
                    seen.views.insert(name, views);
                }
                Err(failure) => {
                    let detail = crate::drill::scenario::Told::of(
                        format!("reading {name}: {failure}"),
                        format!("{name} を読めず：{failure}"),
                    );
                    let name = "observer".to_owned();
                    seen.failures.push(crate::drill::judge::Judged { name, ok: false, detail });
                }
            }
        }
    }
    seen.sim = Some(SimSeen {
        acknowledged: world.ledger.writes().len() as u64,
        lost: lost.total as u64,
        altered: lost.altered,
        held_by_least,
        allergies_looked_for: allergies.looked_for,
        allergies_missing: allergies.missing,
        backup_restores,
        damage,
        clinical,
        equal: world.are_equal(),
        groups: world.groups_most() as u64,
    });
    seen
}

/// How a machine is; of a large region without reading every entry.
fn status(world: &World<'_>, node: usize, replica: &Replica) -> Status {
    if world.is_small()
        && let Ok(status) = replica.status_deep(Vec::new(), None)
    {
        return status;
    }
    let (me, groups) = (replica.me(), replica.groups());
    Status {
        realm: me.realm_name.clone(),
        site: me.site_certificate.name.clone(),
        device: me.device_certificate.name.clone(),
        device_id: me.device,
        role: role_name(me.device_certificate.role).to_owned(),
        areas: replica.areas().into_iter().collect(),
        records: world.registered.get(node).copied().unwrap_or_default(),
        entries: groups.iter().map(|group: &GroupHeads| group.entries).sum(),
        lanes: groups.iter().map(|group| group.lanes).sum(),
        file_bytes: 0,
        subscription: replica.subscribed(),
        heads: heads::shared(&groups, &replica.subscription()),
        groups,
        quarantined: 0,
        damaged: replica.damaged().len() as u64,
        forked: 0,
        peers: Vec::new(),
        nearby: None,
        known: Default::default(),
        refused: Default::default(),
        horizon: Vec::new(),
        backup: None,
        backup_error: None,
        rules_refused: None,
    }
}

/// Reads what a machine's disk holds and shows.
fn look_into(
    world: &World<'_>,
    (node, replica): (usize, &Replica),
    charts: &BTreeSet<RecordId>,
    clinical: &mut ClinicalSeen,
) -> Result<(Disk, BTreeMap<RecordId, RecordSeen>), String> {
    let mut disk = Disk::default();
    let mut unread = None;
    let exported = replica.export_each(&mut |_, resource| match serde_json::from_str::<Value>(resource) {
        Ok(value) => {
            disk.resources.entry(ResourceKey::of(&value)).or_default().push(value);
        }
        Err(error) => unread = Some(error.to_string()),
    });
    exported.map_err(|error| error.to_string())?;
    if let Some(error) = unread {
        return Err(error);
    }
    for versions in disk.resources.values_mut() {
        versions.sort_by_key(Value::to_string);
    }
    world.look_at_imports(node, replica, &disk, &mut clinical.imports);
    let mut views = BTreeMap::new();
    for (record, person) in world.people.all() {
        let Ok(shown) = replica.show(&record) else { continue };
        let handover =
            shown.charts.iter().map(|chart| chart.handover.as_str()).collect::<Vec<_>>().join("\n");
        if charts.contains(&record) {
            disk.handovers.insert(record, handover.clone());
        }
        world.look_at_charts(node, (person, record), &shown.charts, &mut clinical.notes);
        world.look_at_handover(node, (person, record), &handover, &mut clinical.handovers);
        views.insert(record, RecordSeen { view: shown.view, handover });
    }
    Ok((disk, views))
}

impl World<'_> {
    /// Looks at every machine before the first path heals after a cut: was the cut real?
    pub(super) fn look_before_heal(&mut self) {
        if self.grid.is_whole() {
            return;
        }
        self.look_at_held();
        let names = |node: usize| -> ReplicaName { self.scenario.replicas[node].name.clone() };
        let running =
            (0..self.nodes.len()).filter_map(|node| Some((node, self.nodes[node].replica.clone()?)));
        let looked = running.map(|(node, replica)| (names(node), status(self, node, &replica)));
        self.before_heal = looked.collect();
    }
}
