//! The configurations of live replicas: whom they dial, what they hold, which links have a budget, where the bucket is.

use std::fs;
use std::path::PathBuf;

use toml::{Table, Value};

use super::region::{Quota, Region};
use crate::drill::error::StepFailure;
use crate::drill::judge::Metered;
use crate::drill::scenario::{ReplicaName, ReplicaPlan};

/// Seconds between two looks of a live replica into the bucket: nobody waits for the minutes of the scenario.
const BUCKET_SECONDS: i64 = 2;

impl Region<'_> {
    /// Writes the configuration of a replica as it is now.
    ///
    /// # Errors
    /// [`StepFailure`] when there is no such replica, or its folder cannot be written.
    pub(super) fn write_config(&self, name: &ReplicaName) -> Result<PathBuf, StepFailure> {
        let (member, plan) = (self.member(name)?, self.scenario.replica(name));
        let mut config = Table::new();
        config.insert("store".into(), member.store().to_string_lossy().into_owned().into());
        config.insert("listen".into(), member.place.listen.to_string().into());
        // Only the links of the scenario lead anywhere.
        config.insert("discovery".into(), false.into());
        plan.into_iter().for_each(|plan| subscribe(plan, &mut config));
        let mut peers = self.peers_of(name);
        if let (Some(bucket), true) = (&self.bucket, plan.is_some_and(|plan| plan.bucket_every.is_some())) {
            peers.push(table([
                ("name", "bucket".into()),
                ("address", bucket.url().into()),
                ("every-seconds", BUCKET_SECONDS.into()),
            ]));
        }
        config.insert("peers".into(), Value::Array(peers));
        if let (Some(bucket), true) = (&self.bucket, self.scenario.gateway.as_ref() == Some(name)) {
            // The drill says when to back up.
            config
                .insert("backup".into(), table([("url", bucket.url().into()), ("every-seconds", 0.into())]));
        }
        let path = member.folder.join("replica.toml");
        let text =
            toml::to_string(&config).map_err(|error| StepFailure::of("writing a configuration", error))?;
        fs::write(&path, text).map_err(|error| StepFailure::of(path.display(), error))?;
        Ok(path)
    }

    /// The replicas that one dials. Over a link whose bytes are counted only the first end dials, and counts.
    fn peers_of(&self, name: &ReplicaName) -> Vec<Value> {
        let mut peers = Vec::new();
        for ((link, relays), quota) in self.scenario.links.iter().zip(&self.links).zip(&self.quotas) {
            for (here, there) in [(0, 1), (1, 0)] {
                if link.between[here] != *name || (here == 1 && quota.per_day.is_some()) {
                    continue;
                }
                let mut peer = Table::new();
                peer.insert("name".into(), link.between[there].to_string().into());
                peer.insert("address".into(), relays[here].addr().to_string().into());
                if let Some(per_day) = quota.per_day {
                    peer.insert("megabytes-per-day".into(), (per_day as f64 / 1e6).into());
                }
                peers.push(Value::Table(peer));
            }
        }
        peers
    }

    /// Gives a link another limit of bytes a day; when it differs, both its ends are configured anew and start again.
    ///
    /// # Errors
    /// [`StepFailure`] when one of them does not end, or does not come up.
    pub(super) async fn set_quota(&mut self, link: usize, per_day: Option<u64>) -> Result<(), StepFailure> {
        let carried = self.link_bytes(link);
        let Some(quota) = self.quotas.get_mut(link).filter(|quota| quota.per_day != per_day) else {
            return Ok(());
        };
        let (ever, before) = match per_day {
            Some(_) => (per_day, carried),
            None => (quota.ever, quota.before),
        };
        *quota = Quota { per_day, ever, before };
        for name in self.scenario.links[link].between.clone() {
            if self.running().contains(&name) {
                self.stop(&name).await?;
                self.start(&name).await?;
            }
        }
        Ok(())
    }

    /// Tells what the links that have or had a limit have carried since.
    pub(super) fn metered(&self) -> Vec<Metered> {
        let of = |(number, quota): (usize, &Quota)| {
            let [one, other] = &self.scenario.links[number].between;
            let refused = self.links[number].iter().map(|relay| relay.beyond_quota()).sum();
            let carried = self.link_bytes(number).saturating_sub(quota.before);
            Some(Metered { between: format!("{one}–{other}"), carried, refused, quota: quota.ever? })
        };
        self.quotas.iter().enumerate().filter_map(of).collect()
    }
}

/// Says which parts of which areas a replica holds, if it is not all that its certificate names.
fn subscribe(plan: &ReplicaPlan, config: &mut Table) {
    if plan.in_part.is_empty() {
        return;
    }
    let whole = plan.areas.iter().filter(|area| !plan.in_part.contains_key(*area));
    config.insert("areas".into(), Value::Array(whole.map(|area| area.to_string().into()).collect()));
    let in_part = plan.in_part.iter().map(|(area, parts)| {
        let parts = parts.iter().map(|part| part.name().into()).collect();
        table([("areas", Value::Array(vec![area.to_string().into()])), ("parts", Value::Array(parts))])
    });
    config.insert("subscription".into(), Value::Array(in_part.collect()));
}

fn table<const N: usize>(pairs: [(&str, Value); N]) -> Value {
    Value::Table(pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}
