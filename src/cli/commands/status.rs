//! `musubi status`: how a replica is.

use clap::Args;

use super::nearby::found;
use crate::base::{Area, Part};
use crate::cli::args::{Context, StoreArgs};
use crate::cli::failure::Failure;
use crate::cli::outcome::{Outcome, read};
use crate::cli::text::{Paper, count, counted, size};
use crate::replica::answer::Status;
use crate::replica::known::{IfCut, LackingPart, OwnWritings};
use crate::replica::pull_answer::PullCounts;
use crate::replica::readiness::{BACKUP_POINTS, HEARD_POINTS, HELD_POINTS, OFF_SITE_POINTS, Readiness};
use crate::replica::request::Request;
use crate::replica::sync_answer::{BudgetStatus, PeerStatus};

/// Show how a replica is: what it holds, its peers, who was found on the local network, how far it has heard of every site and
/// device, where its own writings are, how ready each site is to be cut off, and its backup.
///
/// What is said of others is "at least": what they have acknowledged or signed. A site's readiness is a number from 0 to 100:
/// 40 × what it has written that another site holds + 20 × what of it is in the backup + 20 × how lately it was heard (whole
/// within an hour, none after a day) + 20 × what it holds of its areas, rounded down.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  musubi status --store data/north
  musubi status --store data/north --json
  musubi status --store data/north --if-cut 南病院
  musubi status --store data/north --deep
")]
pub struct StatusCommand {
    /// Read every entry and count the runs that cannot be read; without it, what the last scrub found is told.
    #[arg(long, conflicts_with = "if_cut")]
    deep: bool,
    /// What this replica and each other site would lack if these sites vanished now, as far as is known who holds what.
    #[arg(long, value_name = "SITE", num_args = 1..)]
    if_cut: Vec<String>,
    #[command(flatten)]
    store: StoreArgs,
}

impl StatusCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`] when the replica refuses.
    pub fn run(&self, context: &Context<'_>) -> Result<Outcome, Failure> {
        if !self.if_cut.is_empty() {
            let answer = self.store.ask(context, Request::IfCut { sites: self.if_cut.clone() })?;
            let told: IfCut = read(&answer)?;
            return Ok(Outcome::done(answer, render_if_cut(&told, context.paper)));
        }
        let request = if self.deep { Request::StatusDeep } else { Request::Status };
        let answer = self.store.ask(context, request)?;
        let status: Status = read(&answer)?;
        Ok(Outcome::done(answer, render(&status, context.paper)))
    }
}

fn render(status: &Status, paper: Paper) -> String {
    let areas: Vec<String> = status.areas.iter().map(|area| held(status, area)).collect();
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
    if status.known.own.writings > 0 {
        rows.push(("own writings", own_writings(&status.known.own)));
    }
    if status.known.own.on_this_device_only > 0 {
        let only = counted(status.known.own.on_this_device_only, "own writing", "own writings");
        rows.push(("ONLY HERE", format!("{only} on this device only, as far as known: let it meet a peer")));
    }
    if let Some(told) = pulls(&status.known.pulls) {
        rows.push(("single pulls", told));
    }
    if let Some(nearby) = &status.nearby {
        rows.push(("found on this network", found(nearby)));
    }
    if !status.refused.is_empty() {
        let reasons = status.refused.iter().map(|(reason, times)| format!("{reason} {}", count(*times)));
        rows.push(("refused", reasons.collect::<Vec<_>>().join(", ")));
    }
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
            let heard = match (peer.heard.max(peer.reached), peer.tried_since) {
                (Some(time), _) => paper.time(time),
                (None, Some(since)) => format!("never, tried since {}", paper.time(since)),
                (None, None) => "never".to_owned(),
            };
            vec![peer.name.clone(), state(peer), heard, peer.error.clone().unwrap_or_default()]
        });
        text.push_str(&format!(
            "\n{}",
            paper.table(&["peer", "state", "heard", "last error"], rows.collect())
        ));
    }
    if !status.known.sites.is_empty() {
        let time = |time: Option<_>| time.map_or_else(|| "never".to_owned(), |time| paper.time(time));
        let rows = status.known.sites.iter().map(|site| {
            let heard = if site.own { "this site".to_owned() } else { time(site.heard) };
            let in_sync = site.in_sync.map_or_else(String::new, |at| paper.time(at));
            let wrote = site.wrote.map_or_else(|| "nothing".to_owned(), |at| paper.time(at));
            vec![site.site.clone(), heard, in_sync, count(site.entries), wrote]
        });
        let header = ["site", "last heard", "directly in sync", "entries", "wrote last, as far as heard"];
        text.push_str(&format!("\n{}", paper.table(&header, rows.collect())));
    }
    if !status.known.readiness.is_empty() {
        text.push_str(&format!("\n{}", readiness(&status.known.readiness, paper)));
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

fn pulls(counts: &PullCounts) -> Option<String> {
    let told = [
        (counts.fetched, "fetched"),
        (counts.asked - counts.fetched.min(counts.asked), "asked for in vain"),
        (counts.given, "given to others who asked"),
        (counts.refused, "not given"),
        (counts.kept, "kept by proof alone"),
    ];
    let told: Vec<String> = told
        .into_iter()
        .filter(|(times, _)| *times > 0)
        .map(|(times, what)| format!("{} {what}", count(times)))
        .collect();
    (!told.is_empty()).then(|| told.join(", "))
}

fn own_writings(own: &OwnWritings) -> String {
    let on = own
        .on
        .iter()
        .map(|on| format!("{} on {}", count(on.writings), counted(on.devices, "device", "devices")));
    let on: Vec<String> = on.collect();
    format!(
        "{}, at least {}; {} off-site, {} in the backup",
        count(own.writings),
        on.join(", "),
        count(own.off_site),
        count(own.in_backup)
    )
}

fn readiness(sites: &[Readiness], paper: Paper) -> String {
    let rows = sites.iter().map(|site| {
        let of = |points: u64, most: u64| format!("{points}/{most}");
        vec![
            site.site.clone(),
            count(site.score),
            of(site.off_site_points, OFF_SITE_POINTS),
            of(site.backup_points, BACKUP_POINTS),
            of(site.heard_points, HEARD_POINTS),
            of(site.held_points, HELD_POINTS),
        ]
    });
    paper.table(
        &["site", "readiness", "held off-site", "in the backup", "heard", "holds its areas"],
        rows.collect(),
    )
}

fn render_if_cut(told: &IfCut, paper: Paper) -> String {
    let mut text = format!("if cut: {} (as far as this replica knows who holds what)", told.cut.join(", "));
    let table = |parts: &[LackingPart]| {
        let rows = parts.iter().map(|part| {
            let written = if part.written_at.is_empty() { "unknown" } else { &part.written_at };
            let records = part.records.map_or_else(|| "unknown".to_owned(), count);
            let (only, elsewhere) = (count(part.only_there), count(part.elsewhere));
            vec![part.area.to_string(), part.part.to_string(), written.to_owned(), only, elsewhere, records]
        });
        let header = ["area", "part", "written at", "entries only there", "also elsewhere", "records"];
        paper.table(&header, rows.collect())
    };
    match told.only_there.as_slice() {
        [] => text.push_str("\nnothing is known to be held only there"),
        parts => text.push_str(&format!("\nheld only there:\n{}", table(parts))),
    }
    for site in &told.lacking {
        let who = if site.own { "this site" } else { "would lack" };
        let (only, elsewhere) = (count(site.only_there), count(site.elsewhere));
        text.push_str(&format!(
            "\n{} ({who}): {only} entries that only the cut sites hold, {elsewhere} that others hold, too",
            site.site
        ));
        if site.own {
            text.push_str(&format!("\n{}", table(&site.parts)));
        }
    }
    if told.unnamed_entries > 0 {
        let entries = counted(told.unnamed_entries, "entry", "entries");
        text.push_str(&format!("\n{entries} of lanes that are not known here by name, only there"));
    }
    if !told.readiness.is_empty() {
        text.push_str(&format!("\n{}", readiness(&told.readiness, paper)));
    }
    text
}

/// Names an area, with its parts when not all are held.
fn held(status: &Status, area: &Area) -> String {
    let parts: Vec<&str> =
        Part::ALL.into_iter().filter(|part| status.holds(area, *part)).map(Part::name).collect();
    if parts.len() == Part::ALL.len() { area.to_string() } else { format!("{area} ({})", parts.join(", ")) }
}

fn state(peer: &PeerStatus) -> String {
    let state = match (peer.connected, peer.in_sync) {
        (true, true) => "in sync",
        (true, false) => "syncing",
        (false, _) => "not connected",
    };
    match peer.budget {
        Some(BudgetStatus { bytes_per_day, bytes_used, held_back }) => {
            let waits = if held_back { "; the rest waits" } else { "" };
            format!("{state}; {} of {} today{waits}", size(bytes_used), size(bytes_per_day))
        }
        None => state.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{DeviceId, Digest, WallMs};
    use crate::cli::fixtures::{Fake, NOW, text};
    use crate::replica::answer::{BackupStatus, Horizon};
    use crate::replica::known::{Known, Lacking, OnDevices, SiteHeard};
    use crate::replica::readiness::{Measures, Share};
    use crate::replica::subscription::Subscribed;

    fn status() -> Status {
        Status {
            realm: "三浦".into(),
            site: "北病院".into(),
            device: "north-1".into(),
            device_id: DeviceId([0xaa; 32]),
            role: "hospital".into(),
            areas: vec![Area::new("shared/miura").unwrap(), Area::common()],
            subscription: Vec::new(),
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
            nearby: None,
            known: Known::default(),
            refused: Default::default(),
            horizon: vec![],
            backup: None,
            backup_error: None,
            rules_refused: None,
        }
    }

    #[test]
    fn an_area_that_is_held_in_part_is_shown_with_its_parts() {
        let miura = Area::new("shared/miura").unwrap();
        let subscription = vec![
            Subscribed { area: Area::common(), parts: Part::ALL.into() },
            Subscribed { area: miura, parts: vec![Part::Control, Part::Card] },
        ];
        let text = render(&Status { subscription, ..status() }, Paper { width: None, now: NOW });
        assert!(text.contains("shared/miura (control, card), common"), "{text}");
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
    fn sites_own_writings_and_readiness_are_told() {
        let hour = 3_600_000;
        let site = |name: &str, own, heard: Option<u64>| SiteHeard {
            site: name.into(),
            own,
            entries: 5,
            wrote: None,
            arrived: heard.map(WallMs),
            in_sync: None,
            heard: heard.map(WallMs),
            silent_ms: heard.map(|heard| NOW.0 - heard),
        };
        let measures =
            Measures { off_site: Share { part: 1, of: 2 }, heard_ms: Some(9 * hour), ..Measures::default() };
        let known = Known {
            sites: vec![site("北病院", true, None), site("South", false, Some(NOW.0 - 9 * hour))],
            own: OwnWritings {
                writings: 7,
                on_this_device_only: 2,
                on: vec![OnDevices { devices: 1, writings: 2 }, OnDevices { devices: 3, writings: 5 }],
                off_site: 5,
                in_backup: 0,
            },
            readiness: vec![Readiness::of("South".into(), measures)],
            pulls: PullCounts { asked: 3, fetched: 2, given: 0, refused: 1, kept: 2 },
        };
        let text = render(&Status { known, ..status() }, Paper { width: None, now: NOW });
        let lines: Vec<_> = text.lines().skip(7).collect();
        assert_eq!(
            lines,
            [
                "own writings  7, at least 2 on 1 device, 5 on 3 devices; 5 off-site, 0 in the backup",
                "ONLY HERE     2 own writings on this device only, as far as known: let it meet a peer",
                "single pulls  2 fetched, 1 asked for in vain, 1 not given, 2 kept by proof alone",
                "┌────────┬──────────────────────────────────────┬──────────────────┬─────────┬─────────────────────────────┐",
                "│ site   ┆ last heard                           ┆ directly in sync ┆ entries ┆ wrote last, as far as heard │",
                "╞════════╪══════════════════════════════════════╪══════════════════╪═════════╪═════════════════════════════╡",
                "│ 北病院 ┆ this site                            ┆                  ┆ 5       ┆ nothing                     │",
                "│ South  ┆ 2026-09-21 14:13 JST (9 h 0 min ago) ┆                  ┆ 5       ┆ nothing                     │",
                "└────────┴──────────────────────────────────────┴──────────────────┴─────────┴─────────────────────────────┘",
                "┌───────┬───────────┬───────────────┬───────────────┬───────┬─────────────────┐",
                "│ site  ┆ readiness ┆ held off-site ┆ in the backup ┆ heard ┆ holds its areas │",
                "╞═══════╪═══════════╪═══════════════╪═══════════════╪═══════╪═════════════════╡",
                "│ South ┆ 73        ┆ 20/40         ┆ 20/20         ┆ 13/20 ┆ 20/20           │",
                "└───────┴───────────┴───────────────┴───────────────┴───────┴─────────────────┘",
            ]
        );
    }

    #[test]
    fn what_would_be_lacking_is_told_by_site_area_and_part() {
        let part = LackingPart {
            area: Area::new("shared/miura").unwrap(),
            part: crate::base::Part::Card,
            written_at: "South".into(),
            only_there: 12,
            elsewhere: 3,
            records: None,
        };
        let lacking = Lacking {
            site: "北病院".into(),
            own: true,
            only_there: 12,
            elsewhere: 3,
            parts: vec![part.clone()],
        };
        let told = IfCut {
            cut: vec!["South".into()],
            only_there: vec![part],
            lacking: vec![lacking],
            ..IfCut::default()
        };
        let fake = Fake::answering(serde_json::to_value(&told).unwrap());
        let outcome = fake.run(&["status", "--store", "s", "--if-cut", "South"]).unwrap();
        let text = text(&outcome);
        assert!(
            text.starts_with(
                "if cut: South (as far as this replica knows who holds what)\nheld only there:\n"
            )
        );
        assert!(
            text.contains(
                "│ shared/miura ┆ card ┆ South      ┆ 12                 ┆ 3              ┆ unknown │"
            ),
            "{text}"
        );
        assert!(text.contains(
            "北病院 (this site): 12 entries that only the cut sites hold, 3 that others hold, too"
        ));
        let asked = fake.asked();
        assert!(
            matches!(&asked[1], crate::cli::fixtures::Asked::Request(Request::IfCut { sites }) if *sites == ["South"])
        );
        let whole =
            render_if_cut(&IfCut { cut: told.cut, ..IfCut::default() }, Paper { width: None, now: NOW });
        assert!(whole.ends_with("nothing is known to be held only there"), "{whole}");
    }

    #[test]
    fn peers_horizon_and_trouble_are_told() {
        let peer = |name: &str, connected, in_sync, error: Option<&str>| PeerStatus {
            name: name.into(),
            connected,
            in_sync,
            heard: connected.then_some(WallMs(NOW.0 - 4_000)),
            error: error.map(str::to_owned),
            configured: None,
            reached: None,
            tried_since: None,
            budget: None,
        };
        let status = Status {
            quarantined: 2,
            forked: 1,
            refused: [("barred".into(), 1_203), ("protocol".into(), 2)].into(),
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
                "refused      barred 1,203, protocol 2",
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
