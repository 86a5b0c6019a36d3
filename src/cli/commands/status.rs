//! `musubi status`: how a replica is.

use clap::Args;

use crate::base::Area;
use crate::cli::args::{Context, StoreArgs};
use crate::cli::failure::Failure;
use crate::cli::outcome::{Outcome, read};
use crate::cli::text::{Paper, count, counted, size};
use crate::replica::answer::{PeerStatus, Status};
use crate::replica::request::Request;

/// Show how a replica is: what it holds, its peers, how far it has heard of every device, and its backup.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  musubi status --store data/north
  musubi status --store data/north --json
")]
pub struct StatusCommand {
    #[command(flatten)]
    store: StoreArgs,
}

impl StatusCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`] when the replica refuses.
    pub fn run(&self, context: &Context<'_>) -> Result<Outcome, Failure> {
        let answer = self.store.ask(context, Request::Status)?;
        let status: Status = read(&answer)?;
        Ok(Outcome::done(answer, render(&status, context.paper)))
    }
}

fn render(status: &Status, paper: Paper) -> String {
    let areas: Vec<_> = status.areas.iter().map(Area::as_str).collect();
    let holds = format!(
        "{} records, {} entries in {} lanes, {}",
        count(status.records),
        count(status.entries),
        count(status.lanes),
        size(status.file_bytes)
    );
    let backup = match &status.backup {
        None => "none by this replica".to_owned(),
        Some(backup) => format!(
            "{}, {}, {} entries not in it yet",
            backup.url,
            paper.time(backup.time),
            count(backup.missing_entries)
        ),
    };
    let mut rows = vec![
        ("realm", status.realm.clone()),
        ("site", status.site.clone()),
        ("device", format!("{} ({}, {})", status.device, status.role, status.device_id)),
        ("areas", areas.join(", ")),
        ("holds", holds),
        ("heads", status.heads.to_string()),
        ("backup", backup),
    ];
    if status.quarantined > 0 {
        rows.push(("QUARANTINED", format!("{} entries could not be joined", count(status.quarantined))));
    }
    if let Some(error) = &status.backup_error {
        rows.push(("BACKUP FAILED", error.clone()));
    }
    if let Some(error) = &status.rules_refused {
        rows.push(("CHECKS REDUCED", format!("orders are checked by the demonstration table: {error}")));
    }
    if status.damaged > 0 {
        let runs = counted(status.damaged, "run", "runs");
        rows.push(("DAMAGED", format!("{runs} cannot be read; sync with a peer to fetch them again")));
    }
    if status.forked > 0 {
        let forked = format!(
            "{}: a store was copied or a device lies; `musubi show` marks what is unverified",
            counted(status.forked, "lane", "lanes")
        );
        rows.push(("FORKED", forked));
    }
    let mut text = paper.fields(&rows);
    if !status.peers.is_empty() {
        let rows = status.peers.iter().map(|peer| {
            let heard = peer.heard.map_or_else(|| "never".to_owned(), |time| paper.time(time));
            vec![peer.name.clone(), state(peer).to_owned(), heard, peer.error.clone().unwrap_or_default()]
        });
        text.push_str(&format!(
            "\n{}",
            paper.table(&["peer", "state", "heard", "last error"], rows.collect())
        ));
    }
    if !status.horizon.is_empty() {
        let rows = status.horizon.iter().map(|device| {
            let latest = device.latest.map_or_else(|| "nothing".to_owned(), |time| paper.time(time));
            vec![device.site.clone(), device.device.clone(), count(device.entries), latest]
        });
        let header = ["site", "device", "entries", "wrote last, as far as heard"];
        text.push_str(&format!("\n{}", paper.table(&header, rows.collect())));
    }
    text
}

fn state(peer: &PeerStatus) -> &'static str {
    match (peer.connected, peer.in_sync) {
        (true, true) => "in sync",
        (true, false) => "syncing",
        (false, _) => "not connected",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{DeviceId, Digest, WallMs};
    use crate::cli::fixtures::{Fake, NOW, text};
    use crate::replica::answer::{BackupStatus, Horizon};

    fn status() -> Status {
        Status {
            realm: "三浦".into(),
            site: "北病院".into(),
            device: "north-1".into(),
            device_id: DeviceId([0xaa; 32]),
            role: "hospital".into(),
            areas: vec![Area::new("shared/miura").unwrap(), Area::common()],
            records: 1_200,
            entries: 4_800,
            lanes: 6,
            file_bytes: 7_340_032,
            heads: Digest([0xbb; 32]),
            groups: vec![],
            quarantined: 0,
            damaged: 0,
            forked: 0,
            peers: vec![],
            horizon: vec![],
            backup: None,
            backup_error: None,
            rules_refused: None,
        }
    }

    #[test]
    fn a_quiet_replica_is_a_list_of_facts() {
        let fake = Fake::answering(serde_json::to_value(status()).unwrap());
        let outcome = fake.run(&["status", "--store", "s"]).unwrap();
        let expected = format!(
            "realm   三浦\nsite    北病院\ndevice  north-1 (hospital, {})\nareas   shared/miura, common\nholds   \
             1,200 records, 4,800 entries in 6 lanes, 7.3 MB\nheads   {}\nbackup  none by this replica",
            "aa".repeat(32),
            "bb".repeat(32)
        );
        assert_eq!(text(&outcome), expected);
    }

    #[test]
    fn peers_horizon_and_trouble_are_told() {
        let peer = |name: &str, connected, in_sync, error: Option<&str>| PeerStatus {
            name: name.into(),
            connected,
            in_sync,
            heard: connected.then_some(WallMs(NOW.0 - 4_000)),
            error: error.map(str::to_owned),
        };
        let status = Status {
            quarantined: 2,
            forked: 1,
            peers: vec![peer("South", true, true, None), peer("Tablet 三", false, false, Some("no route"))],
            horizon: vec![Horizon {
                device: "south-1".into(),
                site: "South".into(),
                entries: 10,
                latest: Some(WallMs(NOW.0 - 3 * 86_400_000)),
            }],
            backup: Some(BackupStatus {
                url: "file:///b".into(),
                time: WallMs(NOW.0 - 600_000),
                missing_entries: 3,
            }),
            ..status()
        };
        let text = render(&status, Paper { width: None, now: NOW });
        let lines: Vec<_> = text.lines().skip(6).collect();
        assert_eq!(
            lines,
            [
                "backup       file:///b, 2026-09-21 23:03 JST (10 min ago), 3 entries not in it yet",
                "QUARANTINED  2 entries could not be joined",
                "FORKED       1 lane: a store was copied or a device lies; `musubi show` marks what is unverified",
                "┌───────────┬───────────────┬────────────────────────────────┬────────────┐",
                "│ peer      ┆ state         ┆ heard                          ┆ last error │",
                "╞═══════════╪═══════════════╪════════════════════════════════╪════════════╡",
                "│ South     ┆ in sync       ┆ 2026-09-21 23:13 JST (4 s ago) ┆            │",
                "│ Tablet 三 ┆ not connected ┆ never                          ┆ no route   │",
                "└───────────┴───────────────┴────────────────────────────────┴────────────┘",
                "┌───────┬─────────┬─────────┬───────────────────────────────────┐",
                "│ site  ┆ device  ┆ entries ┆ wrote last, as far as heard       │",
                "╞═══════╪═════════╪═════════╪═══════════════════════════════════╡",
                "│ South ┆ south-1 ┆ 10      ┆ 2026-09-18 23:13 JST (3 days ago) │",
                "└───────┴─────────┴─────────┴───────────────────────────────────┘",
            ]
        );
    }
}
